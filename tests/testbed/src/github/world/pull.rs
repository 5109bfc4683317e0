//! What a pull request has beyond an issue.

use jiff::Timestamp;

use crate::github::ids;

/// The part of a pull request that an issue has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    /// `owner/name` of the repository that the head branch is in; the base repository's own unless it comes from a fork.
    /// Empty means the base repository.
    pub head_repository: String,
    /// The head branch.
    pub head: String,
    /// The head commit.
    pub head_sha: String,
    /// The base branch.
    pub base: String,
    /// The base commit.
    pub base_sha: String,
    /// Whether it is a draft.
    pub draft: bool,
    /// The merge commit and when it was made.
    pub merged: Option<(String, Timestamp)>,
    /// The files it changes.
    pub files: Vec<ChangedFile>,
    /// Its commits, the oldest first; when empty, those of the head that the base has not.
    pub commits: Vec<String>,
    /// Its reviews, the oldest first.
    pub reviews: Vec<Review>,
}

/// One file of a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedFile {
    /// The path.
    pub path: String,
    /// `added`, `removed`, `modified`, `renamed`, `copied`, `changed` or `unchanged`.
    pub status: String,
    /// The hunks, absent for binary and very large files.
    pub patch: Option<String>,
    /// The path before a renaming.
    pub previous: Option<String>,
}

/// One review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// GitHub's id.
    pub id: u64,
    /// Who reviewed.
    pub user: String,
    /// `APPROVED`, `CHANGES_REQUESTED`, `COMMENTED` or `DISMISSED`.
    pub state: String,
    /// The text.
    pub body: String,
    /// The commit that was looked at.
    pub sha: String,
    /// When.
    pub submitted: Timestamp,
}

impl Pull {
    /// A pull request of `head` at `head_sha` into `base` at `base_sha`, both in the same repository.
    #[must_use]
    pub fn new((head, head_sha): (&str, &str), (base, base_sha): (&str, &str)) -> Self {
        Self {
            head_repository: String::new(),
            head: head.to_owned(),
            head_sha: head_sha.to_owned(),
            base: base.to_owned(),
            base_sha: base_sha.to_owned(),
            draft: false,
            merged: None,
            files: Vec::new(),
            commits: Vec::new(),
            reviews: Vec::new(),
        }
    }

    /// From this repository, `owner/name`, a fork.
    #[must_use]
    pub fn from_fork(mut self, repository: &str) -> Self {
        repository.clone_into(&mut self.head_repository);
        self
    }

    /// As a draft.
    #[must_use]
    pub fn draft(mut self) -> Self {
        self.draft = true;
        self
    }

    /// With a changed file.
    #[must_use]
    pub fn file(mut self, path: &str, status: &str, patch: Option<&str>) -> Self {
        self.files.push(ChangedFile {
            path: path.to_owned(),
            status: status.to_owned(),
            patch: patch.map(str::to_owned),
            previous: None,
        });
        self
    }

    /// With a review by `user` of the head commit.
    #[must_use]
    pub fn review(mut self, user: &str, state: &str, body: &str) -> Self {
        self.reviews.push(Review {
            id: ids::next(),
            user: user.to_owned(),
            state: state.to_owned(),
            body: body.to_owned(),
            sha: self.head_sha.clone(),
            submitted: ids::now(),
        });
        self
    }

    /// Merged as this commit. The issue around it has to be closed too.
    #[must_use]
    pub fn merged(mut self, sha: &str) -> Self {
        self.merged = Some((sha.to_owned(), ids::now()));
        self
    }
}

impl ChangedFile {
    /// Lines that the patch adds and takes away.
    pub(crate) fn lines(&self) -> (usize, usize) {
        let count = |sign| {
            self.patch.as_deref().unwrap_or_default().lines().filter(|line| line.starts_with(sign)).count()
        };
        (count('+'), count('-'))
    }
}
