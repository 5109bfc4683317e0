//! Answers, and the refusals that GitHub has words for.

use serde_json::{Value, json};

/// One answer before it is put on the line.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Body,
}

#[derive(Debug, Clone)]
pub(crate) enum Body {
    Nothing,
    Json(Value),
    /// Media type and content.
    Raw(&'static str, Vec<u8>),
}

/// An answer, or the refusal to act; boxed as it is the rare case.
pub(crate) type Outcome = Result<Reply, Refusal>;

/// A refusal, which is an answer too.
pub(crate) type Refusal = Box<Reply>;

/// Page that refusals of no operation in particular point to.
pub(crate) const DOCUMENTATION: &str = "https://docs.github.com/rest";

impl Reply {
    pub(crate) fn json(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body: Body::Json(body) }
    }

    pub(crate) fn ok(body: Value) -> Self {
        Self::json(200, body)
    }

    pub(crate) fn created(body: Value) -> Self {
        Self::json(201, body)
    }

    pub(crate) fn no_content() -> Self {
        Self { status: 204, headers: Vec::new(), body: Body::Nothing }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The plain shape of GitHub's errors.
    pub(crate) fn error(status: u16, message: &str) -> Self {
        let body =
            json!({"message": message, "documentation_url": DOCUMENTATION, "status": status.to_string()});
        Self::json(status, body)
    }
}

/// 404, GitHub's answer to what is not there and to what the asker may not know of.
pub(crate) fn not_found() -> Refusal {
    Box::new(Reply::error(404, "Not Found"))
}

/// 422 with one sentence.
pub(crate) fn unprocessable(message: &str) -> Refusal {
    Box::new(Reply::error(422, message))
}

/// 422 about one field, in the longer shape.
pub(crate) fn invalid(resource: &str, field: &str, code: &str, message: &str) -> Refusal {
    Box::new(Reply::json(
        422,
        json!({
            "message": "Validation Failed",
            "errors": [{"resource": resource, "code": code, "field": field, "message": message}],
            "documentation_url": DOCUMENTATION,
            "status": "422",
        }),
    ))
}

/// Refuses an address that is not one of the web; the empty text stands for none.
pub(crate) fn web_address(resource: &str, field: &str, address: Option<&str>) -> Result<(), Refusal> {
    let web = |it: &str| it.is_empty() || it.starts_with("http://") || it.starts_with("https://");
    if address.is_none_or(web) {
        return Ok(());
    }
    Err(invalid(resource, field, "custom", &format!("{field} must use http(s) scheme")))
}

/// 403 with one sentence.
pub(crate) fn forbidden(message: &str) -> Refusal {
    Box::new(Reply::error(403, message))
}
