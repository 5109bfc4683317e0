//! What was asked and answered.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::faults::Fault;

/// One request and the status of its answer, in the order in which requests came.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    /// When it came.
    pub at: Timestamp,
    /// Upper case.
    pub method: String,
    /// Still percent-encoded.
    pub path: String,
    /// Names and values, decoded.
    pub query: Vec<(String, String)>,
    /// Its headers by lower-case name, without `authorization`.
    pub headers: BTreeMap<String, String>,
    /// Its JSON body.
    pub body: Option<Value>,
    /// The secret that it came with, whether or not it is a token here.
    pub token: Option<String>,
    /// Whom that token stands for.
    pub login: Option<String>,
    /// The operation's id in the description.
    pub operation: Option<String>,
    /// The fault that met it.
    pub fault: Option<Fault>,
    /// The status of the answer; `None` when the connection was cut before it.
    pub status: Option<u16>,
}

impl Exchange {
    /// Whether it is of this operation, such as `checks/create`.
    #[must_use]
    pub fn is(&self, operation: &str) -> bool {
        self.operation.as_deref() == Some(operation)
    }

    /// Whether it is one that changes something.
    #[must_use]
    pub fn writes(&self) -> bool {
        self.method != "GET"
    }
}
