//! Preview environments. PURE: what a preview is called, how long it lives, and what a sweep does with it.
//!
//! ```text
//! pull request + template ─→ Values ─→ settings of one preview
//! records that are there + open pull requests + now ─→ Verdict of each
//! ```
//! A preview is an environment like any other, whose settings are made of a template. Whatever goes into a template from outside is a
//! number or a DNS label by then: what somebody calls a branch can be no path, no host name and no command.

mod life;
mod naming;
mod record;
mod sweep;

pub use life::{Admission, AtLimit, admit, extended};
pub use naming::{FIELDS, LONGEST_SLUG, Values, fill, random, shortened, slug, unknown_field};
pub use record::{Database, Record, Stage};
pub use sweep::{Found, Open, Ownership, Taking, Verdict, judge, missing};
