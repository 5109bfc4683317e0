//! Why a value could not be read, before it is put into words.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

use super::{Path, Position, Segment};

/// Why a value could not be read, and where.
#[derive(Debug)]
pub(crate) struct Fault {
    /// The cause.
    pub(crate) kind: Box<Kind>,
    /// The entry or item to leave out so that reading can go on; none at the root.
    pub(crate) culprit: Option<usize>,
    /// Where it stands.
    pub(crate) at: Option<Position>,
    /// True when something in it had been left out: then this fault only follows from that one.
    pub(crate) follows: bool,
    /// From the culprit up to the root.
    upwards: Vec<Segment>,
}

/// The causes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A key or a name that is not among the expected ones.
    Unknown {
        /// As written.
        name: String,
        /// What could stand there.
        expected: &'static [&'static str],
        /// True for a key of a mapping.
        key: bool,
    },
    /// A required key is not there.
    Missing(&'static str),
    /// A value of another type or outside of its range.
    Type {
        /// What was found, in words.
        found: String,
        /// The value where it is a number or a truth value that quotes would make a text.
        scalar: Option<String>,
        /// What was expected, in words.
        expected: String,
    },
    /// Anything else: the sentence, and the cure if there is one.
    Message(String, Option<String>),
}

impl Fault {
    fn new(kind: Kind) -> Self {
        Self { kind: Box::new(kind), culprit: None, at: None, follows: false, upwards: Vec::new() }
    }

    /// Says where it is, unless that is known already from further inside.
    pub(crate) fn located(mut self, culprit: usize, at: Position, follows: bool) -> Self {
        if self.culprit.is_none() {
            (self.culprit, self.at, self.follows) = (Some(culprit), Some(at), follows);
        }
        self
    }

    /// Adds the next outer step of the way.
    pub(crate) fn within(mut self, segment: Segment) -> Self {
        self.upwards.push(segment);
        self
    }

    /// The way from the root to where it is.
    pub(crate) fn path(&self) -> Path {
        Path(self.upwards.iter().rev().cloned().collect())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.kind)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    /// A second line of the message is the cure.
    fn custom<T: fmt::Display>(message: T) -> Self {
        let text = message.to_string();
        let (message, help) = match text.split_once('\n') {
            Some((message, help)) => (message.to_owned(), Some(help.to_owned())),
            None => (text, None),
        };
        Self::new(Kind::Message(message, help))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let scalar = match found {
            Unexpected::Bool(value) => Some(value.to_string()),
            Unexpected::Unsigned(value) => Some(value.to_string()),
            Unexpected::Signed(value) => Some(value.to_string()),
            Unexpected::Float(value) => Some(value.to_string()),
            _ => None,
        };
        let found = match found {
            Unexpected::Bool(value) => format!("`{value}`"),
            Unexpected::Unsigned(value) => format!("the number `{value}`"),
            Unexpected::Signed(value) => format!("the number `{value}`"),
            Unexpected::Float(value) => format!("the number `{value}`"),
            Unexpected::Str(text) => format!("the text `{text}`"),
            Unexpected::Unit => "no value".to_owned(),
            Unexpected::Seq => "a list".to_owned(),
            Unexpected::Map => "a mapping".to_owned(),
            other => other.to_string(),
        };
        Self::new(Kind::Type { found, scalar, expected: words(&expected.to_string()) })
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_variant(name: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Kind::Unknown { name: name.to_owned(), expected, key: false })
    }

    fn unknown_field(name: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Kind::Unknown { name: name.to_owned(), expected, key: true })
    }

    fn missing_field(name: &'static str) -> Self {
        Self::new(Kind::Missing(name))
    }
}

/// The names that serde gives to plain types, in the words of this program.
fn words(expected: &str) -> String {
    match expected {
        "u16" | "u32" | "u64" => "a whole number from 0 up".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        "a string" => "text".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a mapping".to_owned(),
        other => other.to_owned(),
    }
}
