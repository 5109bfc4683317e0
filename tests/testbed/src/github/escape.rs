//! Names as parts of addresses.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What an address bears unescaped, inside a path segment as well as inside a query.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// A name for a path or query of an address; slashes stay, as in the refs and file paths that GitHub shows.
pub(crate) fn escaped(name: &str) -> String {
    utf8_percent_encode(name, PLAIN).to_string()
}

/// A name for one segment of a path.
pub(crate) fn segment(name: &str) -> String {
    escaped(name).replace('/', "%2F")
}
