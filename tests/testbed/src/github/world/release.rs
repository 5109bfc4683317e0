//! Releases.

use jiff::Timestamp;

use crate::github::ids;

/// One release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// GitHub's id.
    pub id: u64,
    /// The tag.
    pub tag: String,
    /// The branch or commit that the tag is made from when it is missing.
    pub target: String,
    /// The title.
    pub name: Option<String>,
    /// The notes, in Markdown.
    pub body: Option<String>,
    /// Whether it is only a draft.
    pub draft: bool,
    /// Whether it is not for everybody yet.
    pub prerelease: bool,
    /// Who made it.
    pub author: String,
    /// When.
    pub created: Timestamp,
}

impl Release {
    /// A published release of a tag by `octocat`.
    #[must_use]
    pub fn new(tag: &str) -> Self {
        Self {
            id: ids::next(),
            tag: tag.to_owned(),
            target: "main".to_owned(),
            name: Some(tag.to_owned()),
            body: None,
            draft: false,
            prerelease: false,
            author: "octocat".to_owned(),
            created: ids::now(),
        }
    }
}
