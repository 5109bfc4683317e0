//! What payloads tell, of the events that matter here: <https://docs.github.com/en/webhooks/webhook-events-and-payloads>. Every
//! field may be missing or of another type.

use serde_json::Value;

/// The longest text of a payload that is shown, in characters.
const SHOWN: usize = 80;

/// The text at a pointer; empty where there is none.
pub(super) fn text<'a>(payload: &'a Value, pointer: &str) -> &'a str {
    payload.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Whether the value at a pointer is `true`.
pub(super) fn is(payload: &Value, pointer: &str) -> bool {
    payload.pointer(pointer).and_then(Value::as_bool) == Some(true)
}

/// The number at a pointer.
pub(super) fn number(payload: &Value, pointer: &str) -> Option<u64> {
    payload.pointer(pointer).and_then(Value::as_u64)
}

/// A text that a person gave at a pointer, without what surrounds it; nothing where it is empty.
pub(super) fn given<'a>(payload: &'a Value, pointer: &str) -> Option<&'a str> {
    Some(text(payload, pointer).trim()).filter(|text| !text.is_empty())
}

/// A text from outside, fit for a sentence: short, and without what moves a cursor or ends a line.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String =
        text.chars().take(SHOWN).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown.replace('`', "'")
}

/// Whether a text can be a commit: 40 hexadecimal digits, or 64; not all of them zero.
pub(super) fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64)
        && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && text.bytes().any(|byte| byte != b'0')
}

/// Whether a pull request comes from another repository than the one that it is to be merged into. Where that cannot be told, it
/// does: a repository that is gone is `null`.
pub(super) fn is_from_fork(pull: &Value) -> bool {
    let (from, to) = (text(pull, "/head/repo/full_name"), text(pull, "/base/repo/full_name"));
    from.is_empty() || from != to
}

/// Words in a commit's message that keep it from being deployed.
const SKIP: [&str; 3] = ["[skip deploy]", "[deploy skip]", "[no deploy]"];

/// The word in a message that keeps the commit from being deployed.
pub(super) fn skip_word(message: &str) -> Option<&'static str> {
    let message = message.to_lowercase();
    SKIP.into_iter().find(|word| message.contains(word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_missing_or_of_another_type_is_nothing() {
        let payload = json!({ "a": { "b": 1 }, "c": " x ", "d": " ", "e": "true" });
        assert_eq!(
            (text(&payload, "/a/b"), text(&payload, "/a/b/c"), number(&payload, "/a/b")),
            ("", "", Some(1))
        );
        assert_eq!((given(&payload, "/c"), given(&payload, "/d")), (Some("x"), None));
        assert!(!is(&payload, "/e"));
    }

    #[test]
    fn a_text_from_outside_is_short_and_harmless() {
        assert_eq!(shown("a`b\u{1b}[2J\n"), "a'b\u{fffd}[2J\u{fffd}");
        assert_eq!(shown(&"ä".repeat(100)).chars().count(), SHOWN + 1);
    }

    #[test]
    fn a_commit_is_a_digest() {
        assert!(is_commit(&"a1".repeat(20)) && is_commit(&"a1".repeat(32)));
        assert!(!is_commit(&"0".repeat(40)) && !is_commit("main") && !is_commit(&"A1".repeat(20)));
    }

    #[test]
    fn a_pull_request_whose_repository_is_gone_counts_as_from_a_fork() {
        let pull =
            |head: Value| json!({ "head": { "repo": head }, "base": { "repo": { "full_name": "a/b" } } });
        assert!(!is_from_fork(&pull(json!({ "full_name": "a/b" }))));
        assert!(is_from_fork(&pull(json!({ "full_name": "c/b" }))) && is_from_fork(&pull(json!(null))));
        assert!(is_from_fork(&json!(null)));
    }
}
