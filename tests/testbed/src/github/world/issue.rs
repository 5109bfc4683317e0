//! Issues, which pull requests are too, with their comments and reactions.

use jiff::Timestamp;

use super::pull::Pull;
use crate::github::ids;

/// The most characters that a comment's body may have.
pub(crate) const LONGEST_BODY: usize = 65_536;

/// An issue, or a pull request when `pull` is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// GitHub's id, unlike the number.
    pub id: u64,
    /// The number in the repository.
    pub number: u64,
    /// The title.
    pub title: String,
    /// The description, in Markdown.
    pub body: Option<String>,
    /// Who opened it.
    pub author: String,
    /// Whether it is open.
    pub open: bool,
    /// The names of its labels, in the order in which they came.
    pub labels: Vec<String>,
    /// Its comments, the oldest first.
    pub comments: Vec<Comment>,
    /// Reactions to the issue itself.
    pub reactions: Vec<Reaction>,
    /// What makes it a pull request.
    pub pull: Option<Pull>,
    /// When it was opened.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
    /// When it was closed.
    pub closed: Option<Timestamp>,
}

/// One comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// GitHub's id.
    pub id: u64,
    /// Who wrote it.
    pub author: String,
    /// The text, in Markdown.
    pub body: String,
    /// When it was written.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
    /// Reactions to it.
    pub reactions: Vec<Reaction>,
}

/// One reaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaction {
    /// GitHub's id.
    pub id: u64,
    /// Who reacted.
    pub user: String,
    /// One of GitHub's eight, such as `+1` or `rocket`.
    pub content: String,
    /// When.
    pub created: Timestamp,
}

impl Issue {
    /// An open issue by `octocat`.
    #[must_use]
    pub fn new(number: u64, title: &str) -> Self {
        let now = ids::now();
        Self {
            id: ids::next(),
            number,
            title: title.to_owned(),
            body: None,
            author: "octocat".to_owned(),
            open: true,
            labels: Vec::new(),
            comments: Vec::new(),
            reactions: Vec::new(),
            pull: None,
            created: now,
            updated: now,
            closed: None,
        }
    }

    /// Opened by this login.
    #[must_use]
    pub fn by(mut self, login: &str) -> Self {
        login.clone_into(&mut self.author);
        self
    }

    /// With this description.
    #[must_use]
    pub fn body(mut self, text: &str) -> Self {
        self.body = Some(text.to_owned());
        self
    }

    /// With this label, and others named so.
    #[must_use]
    pub fn label(mut self, name: &str) -> Self {
        self.add_label(name);
        self
    }

    /// With a comment by `login`.
    #[must_use]
    pub fn comment(mut self, login: &str, body: &str) -> Self {
        self.add_comment(login, body);
        self
    }

    /// Closed.
    #[must_use]
    pub fn closed(mut self) -> Self {
        self.close();
        self
    }

    /// As a pull request.
    #[must_use]
    pub fn pull(mut self, pull: Pull) -> Self {
        self.pull = Some(pull);
        self
    }

    /// Closes it; a closed one stays as it is.
    pub fn close(&mut self) {
        self.open = false;
        self.closed.get_or_insert_with(ids::now);
        self.touch();
    }

    /// Adds a label unless it is there.
    pub fn add_label(&mut self, name: &str) {
        if !self.has_label(name) {
            self.labels.push(name.to_owned());
            self.touch();
        }
    }

    /// Removes a label; `false` when it was not there.
    pub fn remove_label(&mut self, name: &str) -> bool {
        let had = self.has_label(name);
        self.labels.retain(|other| !other.eq_ignore_ascii_case(name));
        had
    }

    /// Labels are the same whatever their case.
    fn has_label(&self, name: &str) -> bool {
        self.labels.iter().any(|other| other.eq_ignore_ascii_case(name))
    }

    /// Adds a comment and gives its id.
    pub fn add_comment(&mut self, login: &str, body: &str) -> u64 {
        let now = ids::now();
        let id = ids::next();
        self.comments.push(Comment {
            id,
            author: login.to_owned(),
            body: body.to_owned(),
            created: now,
            updated: now,
            reactions: Vec::new(),
        });
        self.touch();
        id
    }

    pub(crate) fn touch(&mut self) {
        self.updated = ids::now();
    }
}

/// Adds a reaction unless the user has it already: the reaction, and whether it is new.
pub(crate) fn react(reactions: &mut Vec<Reaction>, user: &str, content: &str) -> (Reaction, bool) {
    if let Some(known) = reactions.iter().find(|it| it.user == user && it.content == content) {
        return (known.clone(), false);
    }
    let made =
        Reaction { id: ids::next(), user: user.to_owned(), content: content.to_owned(), created: ids::now() };
    reactions.push(made.clone());
    (made, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_there_once_whatever_its_case() {
        let mut issue = Issue::new(1, "t").label("Deploy").label("deploy");
        assert_eq!(issue.labels, ["Deploy"]);
        assert!(issue.remove_label("DEPLOY"));
        assert!(!issue.remove_label("deploy"));
    }

    #[test]
    fn the_same_reaction_of_one_user_is_there_once() {
        let mut reactions = Vec::new();
        let (first, new) = react(&mut reactions, "a", "+1");
        assert!(new);
        assert_eq!(react(&mut reactions, "a", "+1"), (first, false));
        assert!(react(&mut reactions, "b", "+1").1);
        assert_eq!(reactions.len(), 2);
    }
}
