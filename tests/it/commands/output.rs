//! What `--output json` prints, held against the schema that documents it.

use std::sync::LazyLock;

use serde_json::Value;

static VALIDATOR: LazyLock<jsonschema::Validator> =
    LazyLock::new(|| jsonschema::draft202012::new(&tidegate::run::answer::schema()).unwrap());

/// Checks an answer.
#[track_caller]
pub(super) fn fits(answer: &Value) {
    if let Err(error) = VALIDATOR.validate(answer) {
        panic!("{error}\n{answer:#}");
    }
}
