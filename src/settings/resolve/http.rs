//! Names and values in HTTP, as settings hold them.

use ::http::{HeaderName, HeaderValue};

use super::Findings;
use crate::settings::file::Header;
use crate::yaml::Path;

/// A cookie's name is a token (RFC 6265, section 4.1.1), as the name of a header is.
pub(super) fn cookie(name: &str, path: &Path, findings: &mut Findings<'_>) {
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        let message = format!("`{name}` cannot be the name of a cookie");
        findings.error(path, message, "use letters, digits and dashes");
    }
}

/// A header by its name and value.
pub(super) fn header(raw: Header, path: &Path, findings: &mut Findings<'_>) -> (String, String) {
    let (name, value) = (raw.name, raw.value.0);
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        let message = format!("`{name}` cannot be the name of a header");
        findings.error(&path.key("name"), message, "use letters, digits and dashes, such as `X-Canary`");
    }
    if HeaderValue::from_str(&value).is_err() || value.trim() != value || value.is_empty() {
        let message = "this cannot be the value of a header";
        findings.error(&path.key("value"), message, "use visible characters, with no space at the ends");
    }
    (name, value)
}
