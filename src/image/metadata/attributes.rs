//! The attributes of a record: `key=value`, or a value alone.

use super::fault::{Fault, Place, Wrong, shown};
use super::list::{Record, equals};
use crate::yaml::words::{listed, nearest};

/// The attributes of a record, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attributes {
    /// Where the record begins.
    pub(super) place: Place,
    /// Keys in lower case, with their values.
    pub(super) pairs: Vec<(String, String)>,
    /// The fields without a key.
    pub(super) bare: Vec<String>,
}

impl Attributes {
    pub(super) fn read(record: Record) -> Self {
        let (mut pairs, mut bare) = (Vec::new(), Vec::new());
        for field in record.fields {
            match equals(&field).filter(|at| *at > 0) {
                Some(at) => {
                    pairs.push((field[..at].trim().to_lowercase(), field[at + 1..].trim().to_owned()))
                }
                None => bare.push(field),
            }
        }
        Self { place: record.place, pairs, bare }
    }

    /// Takes the value of a key out.
    pub(super) fn take(&mut self, key: &str) -> Option<String> {
        let at = self.pairs.iter().position(|(name, _)| name == key)?;
        Some(self.pairs.remove(at).1)
    }

    /// A fault at this record.
    pub(super) fn fault(&self, wrong: Wrong) -> Fault {
        wrong.at(self.place)
    }

    /// Checks that no key stands twice: which one would count, nobody sees.
    pub(super) fn check_once(&self) -> Result<(), Fault> {
        for (at, (key, _)) in self.pairs.iter().enumerate() {
            if self.pairs[..at].iter().any(|(before, _)| before == key) {
                let wrong = Wrong::new(format!("{} stands here twice", shown(key)));
                return Err(self.fault(wrong.cure("take one of them out, or write a line for each")));
            }
        }
        Ok(())
    }

    /// Checks that nothing is left: a key that nobody reads has no effect.
    pub(super) fn check_read(&self, what: &str, known: &[&str]) -> Result<(), Fault> {
        let Some((key, _)) = self.pairs.first() else { return Ok(()) };
        let cure = match nearest(key, known.iter().copied()) {
            Some(meant) => format!("write `{meant}`"),
            None => format!("{what} has {}", listed(known.iter().copied())),
        };
        Err(self.fault(Wrong::new(format!("{} has no effect in {what}", shown(key))).cure(cure)))
    }
}
