//! Comments on pull requests, and reactions to them: <https://docs.github.com/en/rest/issues/comments>.

use serde_json::{Value, json};

use super::client::{Client, Failure};

/// So many bytes a comment may have. GitHub counts characters, which are never more.
pub const LONGEST: usize = 65_536;

/// A comment that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// GitHub's number.
    pub id: u64,
    /// Its Markdown.
    pub body: String,
}

/// A sign under a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// It was seen.
    Eyes,
    /// It was done.
    Done,
    /// It was not.
    Refused,
    /// Something went out.
    Rocket,
}

impl Reaction {
    const fn content(self) -> &'static str {
        match self {
            Self::Eyes => "eyes",
            Self::Done => "+1",
            Self::Refused => "-1",
            Self::Rocket => "rocket",
        }
    }
}

/// The first comment that begins with `marker` and is by one of us; looked for on all pages. What stands within a comment can be anybody's.
///
/// Anybody may write a comment with the marker, and go on changing it after us. So only such count as were written by an app where
/// our token is one's, else by people who belong to the repository.
///
/// # Errors
/// Why GitHub does not say.
pub async fn find(client: &Client, issue: u64, marker: &str) -> Result<Option<Comment>, Failure> {
    let is_app = client.access().token.is_app();
    let find = |comment: &Value| {
        let body = comment["body"].as_str().filter(|body| body.starts_with(marker))?;
        is_ours(comment, is_app).then_some(())?;
        Some(Comment { id: comment["id"].as_u64()?, body: body.to_owned() })
    };
    client.find(&format!("/issues/{issue}/comments"), find).await
}

fn is_ours(comment: &Value, is_app: bool) -> bool {
    let association = comment["author_association"].as_str().unwrap_or_default();
    let is_bot = comment["user"]["type"] == "Bot";
    if is_app { is_bot } else { is_bot || ["OWNER", "MEMBER", "COLLABORATOR"].contains(&association) }
}

/// Writes a comment and gives its number.
///
/// # Errors
/// Why GitHub did not; where that is unsure, [`find`] first.
pub async fn create(client: &Client, issue: u64, body: &str) -> Result<u64, Failure> {
    let made = client.create(&format!("/issues/{issue}/comments"), &json!({"body": body})).await?;
    made["id"].as_u64().ok_or_else(|| Failure::without("a comment", "id"))
}

/// Writes a comment anew.
///
/// # Errors
/// Why GitHub did not.
pub async fn update(client: &Client, id: u64, body: &str) -> Result<(), Failure> {
    client.change(&format!("/issues/comments/{id}"), &json!({"body": body})).await.map(drop)
}

/// Sets a sign under a comment: the receipt of a command. The same sign is there once, however often it is set.
///
/// # Errors
/// Why GitHub did not.
pub async fn react(client: &Client, comment: u64, reaction: Reaction) -> Result<(), Failure> {
    let body = json!({"content": reaction.content()});
    client.add(&format!("/issues/comments/{comment}/reactions"), &body).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_with_the_marker_by_a_stranger_is_not_ours() {
        let by = |kind: &str, association: &str| json!({"user": {"type": kind}, "author_association": association});
        assert!(is_ours(&by("Bot", "NONE"), true) && is_ours(&by("Bot", "NONE"), false));
        assert!(is_ours(&by("User", "COLLABORATOR"), false));
        for stranger in [by("User", "CONTRIBUTOR"), by("User", "NONE"), json!({})] {
            assert!(!is_ours(&stranger, false) && !is_ours(&stranger, true));
        }
        assert!(!is_ours(&by("User", "OWNER"), true), "an app's comment is by an app");
    }
}
