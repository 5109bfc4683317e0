//! One place where a request or an answer is not what GitHub's description says.

use std::fmt;

/// Who said what the description does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The client under test.
    Request,
    /// The stateful GitHub itself: a defect of the testbed, or of an answer that a test scripted.
    Answer,
}

/// The part of the message that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The method and path as a whole: no such operation, or one that the testbed does not act out.
    Operation,
    /// A parameter in the path.
    Path,
    /// A parameter in the query.
    Query,
    /// The body.
    Body,
    /// The status code of an answer.
    Status,
}

/// One mismatch with the description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The operation's id in the description, such as `checks/create`; method and path when there is none.
    pub operation: String,
    /// Whose mistake it is.
    pub side: Side,
    /// Where in the message it is.
    pub part: Part,
    /// The JSON pointer into the body, or the parameter's name.
    pub instance: String,
    /// The JSON pointer into the description of the keyword that is not met, beginning with `#`.
    pub schema: String,
    /// What is wrong, in the words that GitHub uses for it where it has some.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Request => "request",
            Side::Answer => "answer",
        };
        let part = match self.part {
            Part::Operation => "operation",
            Part::Path => "path parameter",
            Part::Query => "query parameter",
            Part::Body => "body",
            Part::Status => "status",
        };
        let Self { operation, instance, schema, message, .. } = self;
        write!(out, "{operation}: {side}, {part} {instance:?}: {message} [{schema}]")
    }
}
