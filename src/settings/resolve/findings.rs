//! What the checks find, without what only follows from earlier faults.

use crate::yaml::Finding;
use crate::yaml::Severity;
use crate::yaml::{Node, Path, Segment};

/// Collects findings. One that is about how values fit together is dropped where one of them was left out: it would often
/// only follow from that, and comes back when that is mended.
pub(in crate::settings) struct Findings<'a> {
    tree: &'a Node,
    damaged: Vec<Path>,
    found: &'a mut Vec<Finding>,
}

impl<'a> Findings<'a> {
    /// Findings about `tree`, from which what stands at `damaged` was left out.
    pub(in crate::settings) const fn new(
        tree: &'a Node,
        damaged: Vec<Path>,
        found: &'a mut Vec<Finding>,
    ) -> Self {
        Self { tree, damaged, found }
    }

    /// Something required is not there.
    pub(super) fn missing(&mut self, path: &Path, help: &str) {
        if self.damaged.contains(path) {
            return;
        }
        let holder = path.parent();
        let at = self.tree.locate_key(&holder).unwrap_or_else(|| self.tree.locate(&holder));
        let message = format!("`{}` is missing {}", path.last_key().unwrap_or("a value"), holder.place());
        self.found.push(Finding::error(path.clone(), at, message).help(help));
    }

    /// A value does not do, whatever stands beside it.
    pub(super) fn error(&mut self, path: &Path, message: impl Into<String>, help: &str) {
        if !self.shifted(path) {
            let at = self.tree.locate(path);
            self.found.push(Finding::error(path.clone(), at, message).help(help));
        }
    }

    /// A value does not do together with, or for want of, what stands beside it.
    pub(super) fn conflict(&mut self, path: &Path, message: impl Into<String>, help: &str) {
        if !self.shifted(path) && !self.beside(path) {
            let at = self.tree.locate(path);
            self.found.push(Finding::error(path.clone(), at, message).help(help));
        }
    }

    /// As [`Self::conflict`], with something that stands at `other`, which may itself be damaged.
    pub(super) fn conflict_with(
        &mut self,
        path: &Path,
        other: &Path,
        message: impl Into<String>,
        help: &str,
    ) {
        if !self.damaged.iter().any(|damaged| damaged.0.starts_with(&other.0)) {
            self.error(path, message, help);
        }
    }

    /// Neither of two keys is there, of which one must be.
    pub(super) fn missing_one(&mut self, one: &Path, other: &Path, help: &str) {
        if !self.damaged.contains(other) {
            self.missing(one, help);
        }
    }

    /// A list or mapping has nothing in it, and nothing in it was left out.
    pub(super) fn empty(&mut self, path: &Path, message: impl Into<String>, help: &str) {
        if !self.damaged.iter().any(|damaged| damaged.0.starts_with(&path.0)) {
            self.error(path, message, help);
        }
    }

    /// A key that the user chose does not do.
    pub(super) fn error_at_key(&mut self, path: &Path, message: impl Into<String>, help: &str) {
        let at = self.tree.locate_key(path).unwrap_or_else(|| self.tree.locate(path));
        self.found.push(Finding::error(path.clone(), at, message).help(help));
    }

    /// A value does, but is probably not what was meant.
    pub(super) fn warn(&mut self, path: &Path, message: impl Into<String>, help: &str) {
        if !self.shifted(path) {
            let finding = Finding::error(path.clone(), self.tree.locate(path), message).help(help);
            self.found.push(Finding { severity: Severity::Warning, ..finding });
        }
    }

    /// As [`Self::warn`], and the value is not shown.
    pub(super) fn warn_of_secret(&mut self, path: &Path, message: impl Into<String>, help: &str) {
        let finding = Finding::error(path.clone(), self.tree.locate(path), message).help(help);
        self.found.push(Finding { severity: Severity::Warning, secret: true, ..finding });
    }

    /// As [`Self::error`], and the value is not shown.
    pub(super) fn error_of_secret(&mut self, path: &Path, message: impl Into<String>, help: &str) {
        let finding = Finding::error(path.clone(), self.tree.locate(path), message).help(help);
        self.found.push(Finding { secret: true, ..finding });
    }

    /// True when something beside the value was left out.
    fn beside(&self, path: &Path) -> bool {
        let parent = path.parent();
        let within = |damaged: &Path| damaged.0.len() > parent.0.len() && damaged.0.starts_with(&parent.0);
        self.damaged.iter().any(within)
    }

    /// True when an item of a list on the way was left out: the places after it are not to be trusted.
    fn shifted(&self, path: &Path) -> bool {
        self.damaged.iter().any(|damaged| match damaged.0.split_last() {
            Some((Segment::Index(_), list)) => {
                path.0.starts_with(list) && matches!(path.0.get(list.len()), Some(Segment::Index(_)))
            }
            _ => false,
        })
    }
}
