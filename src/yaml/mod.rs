//! YAML text as a tree in which every key and value knows its place.
//!
//! Assumes nothing of the text: size, depth, and what aliases expand to are limited, and no input makes it panic. The
//! scalars are those of the YAML 1.2 core schema (<https://yaml.org/spec/1.2.2/#103-core-schema>).

use std::fmt;
use std::rc::Rc;

mod deserialize;
mod diagnostic;
mod fault;
mod fill;
mod finding;
mod load;
mod scalar;
pub(crate) mod words;

pub(crate) use deserialize::{Reader, TEXT};
pub use diagnostic::{Diagnostic, Severity, render};
pub(crate) use fault::{Fault, Kind};
pub(crate) use fill::filled;
pub(crate) use finding::{Finding, tidy};
pub(crate) use load::{Document, Rules, load, load_all};
pub(crate) use scalar::Scalar;

/// A place in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// Line, from 1.
    pub(crate) line: usize,
    /// Column in characters, from 1.
    pub(crate) column: usize,
    /// How many characters are meant, at least 1.
    pub(crate) width: usize,
}

impl Position {
    /// The first character of the file.
    pub(crate) const START: Self = Self { line: 1, column: 1, width: 1 };
}

/// A value of the tree.
#[derive(Debug)]
pub(crate) struct Node {
    /// Differs from that of every other node and entry.
    pub(crate) id: usize,
    /// Where it stands; the value that an alias names stands at its anchor.
    pub(crate) at: Position,
    /// What it is.
    pub(crate) value: Value,
    /// How many values it has in it with all aliases expanded, itself included.
    size: usize,
    /// How many levels it has in it, itself included.
    depth: usize,
}

/// The three kinds of node.
#[derive(Debug)]
pub(crate) enum Value {
    /// A single value, with the text as written.
    Scalar(Scalar, String),
    /// A list.
    List(Vec<Rc<Node>>),
    /// A mapping in the order of the file; no key stands in it twice.
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Differs from that of every other node and entry.
    pub(crate) id: usize,
    /// The key as text.
    pub(crate) key: String,
    /// Where the key stands.
    pub(crate) at: Position,
    /// The value.
    pub(crate) value: Rc<Node>,
}

/// One step on the way from the root to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    /// Into a mapping.
    Key(String),
    /// Into a list, from 0.
    Index(usize),
}

/// The way from the root to a value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Path(pub(crate) Vec<Segment>);

impl Path {
    /// The way to the value of a key.
    pub(crate) fn key(&self, key: &str) -> Self {
        self.with(Segment::Key(key.to_owned()))
    }

    /// The way to an item of a list, counted from 0.
    pub(crate) fn index(&self, index: usize) -> Self {
        self.with(Segment::Index(index))
    }

    fn with(&self, segment: Segment) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment);
        Self(segments)
    }

    /// The way to what holds this; the root's is the root.
    pub(crate) fn parent(&self) -> Self {
        Self(self.0.split_last().map(|(_, rest)| rest.to_vec()).unwrap_or_default())
    }

    /// Where this is, in words.
    pub(crate) fn place(&self) -> String {
        if self.0.is_empty() { "at the top level of the file".to_owned() } else { format!("in {self}") }
    }

    /// The key that it ends with.
    pub(crate) fn last_key(&self) -> Option<&str> {
        match self.0.last() {
            Some(Segment::Key(key)) => Some(key),
            _ => None,
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if place == 0 => write!(f, "{key}")?,
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl Node {
    /// Where the value at `path` stands; where there is none, the nearest that holds it.
    pub(crate) fn locate(&self, path: &Path) -> Position {
        let (mut node, mut at) = (self, self.at);
        for segment in &path.0 {
            let next = match (segment, &node.value) {
                (Segment::Key(key), Value::Map(entries)) => {
                    entries.iter().find(|entry| entry.key == *key).map(|entry| &entry.value)
                }
                (Segment::Index(index), Value::List(items)) => items.get(*index),
                _ => None,
            };
            let Some(next) = next else { break };
            node = next;
            at = node.at;
        }
        at
    }

    /// Where the key at the end of `path` stands.
    pub(crate) fn locate_key(&self, path: &Path) -> Option<Position> {
        let mut node = self;
        let (last, before) = path.0.split_last()?;
        for segment in before {
            node = match (segment, &node.value) {
                (Segment::Key(key), Value::Map(entries)) => {
                    &entries.iter().find(|entry| entry.key == *key)?.value
                }
                (Segment::Index(index), Value::List(items)) => items.get(*index)?,
                _ => return None,
            };
        }
        match (last, &node.value) {
            (Segment::Key(key), Value::Map(entries)) => {
                entries.iter().find(|entry| entry.key == *key).map(|entry| entry.at)
            }
            _ => None,
        }
    }
}
