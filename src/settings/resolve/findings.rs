//! What the checks find, without what only follows from earlier faults.

use crate::settings::diagnostic::Severity;
use crate::settings::finding::Finding;
use crate::settings::yaml::{Node, Path, Segment};

/// Collects findings. One that is about the neighbourhood of something left out is dropped: it would often only follow from
/// that, and comes back when that is mended.
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
        let place = if holder.0.is_empty() { "the file's top level".to_owned() } else { holder.to_string() };
        let message = format!("`{}` is missing in {place}", path.last_key().unwrap_or("a value"));
        self.found.push(Finding::error(path.clone(), at, message).help(help));
    }

    /// A value does not do.
    pub(super) fn error(&mut self, path: &Path, message: impl Into<String>, help: &str) {
        if !self.follows(path) {
            let at = self.tree.locate(path);
            self.found.push(Finding::error(path.clone(), at, message).help(help));
        }
    }

    /// A key that the user chose does not do.
    pub(super) fn error_at_key(&mut self, path: &Path, message: impl Into<String>, help: &str) {
        let at = self.tree.locate_key(path).unwrap_or_else(|| self.tree.locate(path));
        self.found.push(Finding::error(path.clone(), at, message).help(help));
    }

    /// A value does, but is probably not what was meant.
    pub(super) fn warn(&mut self, path: &Path, message: impl Into<String>, help: &str) {
        if !self.follows(path) {
            let finding = Finding::error(path.clone(), self.tree.locate(path), message).help(help);
            self.found.push(Finding { severity: Severity::Warning, ..finding });
        }
    }

    /// True when something beside the value was left out, or an item of a list on the way to it: then the places after
    /// that item are not to be trusted.
    fn follows(&self, path: &Path) -> bool {
        let parent = path.parent();
        self.damaged.iter().any(|damaged| {
            let beside = damaged.0.len() > parent.0.len() && damaged.0.starts_with(&parent.0);
            let shifted = match damaged.0.split_last() {
                Some((Segment::Index(_), list)) => {
                    path.0.starts_with(list) && matches!(path.0.get(list.len()), Some(Segment::Index(_)))
                }
                _ => false,
            };
            beside || shifted
        })
    }
}
