//! Judges the answers to declared requests.

use std::time::Duration;

use serde_json::Value;

use crate::rollout::step::Check;
use crate::rollout::{Judgement, Verdict};

/// What came back for one declared request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A whole answer.
    Came {
        /// Its status.
        status: u16,
        /// Its body.
        body: Vec<u8>,
        /// From the first byte sent to the last byte received.
        took: Duration,
    },
    /// No whole answer.
    Failed {
        /// Why, as a part of a sentence.
        why: String,
    },
}

/// Pass when every answer is as expected; else Fail, naming the first that is not. Without a request there is no data.
#[must_use]
pub fn judge(checks: &[Check], answers: &[Answer]) -> Judgement {
    let wrong =
        checks.iter().zip(answers).find_map(|(check, answer)| Some((check, mismatch(check, answer)?)));
    let (verdict, code, sentence) = match wrong {
        Some((check, what)) => {
            (Verdict::Fail, "wrong-answer", format!("{} {}: {what}", check.method, check.path))
        }
        None if answers.is_empty() || answers.len() < checks.len() => {
            (Verdict::NoData, "silent", "no request was sent".to_owned())
        }
        None => {
            let sentence = match checks.len() {
                1 => "the request got the expected answer".to_owned(),
                n => format!("all {n} requests got the expected answers"),
            };
            (Verdict::Pass, "verified", sentence)
        }
    };
    Judgement { verdict, code: code.to_owned(), sentence }
}

fn mismatch(check: &Check, answer: &Answer) -> Option<String> {
    let (status, body, took) = match answer {
        Answer::Came { status, body, took } => (*status, body, *took),
        Answer::Failed { why } => return Some(why.clone()),
    };
    if status != check.status {
        return Some(format!("the answer was {status}, expected {}", check.status));
    }
    if took > check.within {
        return Some(format!("the answer took {took:?}, expected at most {:?}", check.within));
    }
    if let Some(text) = &check.contains
        && !String::from_utf8_lossy(body).contains(text)
    {
        return Some(format!("the answer does not contain `{text}`"));
    }
    let expected = check.json.as_ref()?;
    match serde_json::from_slice::<Value>(body) {
        Ok(found) => difference("", expected, &found),
        Err(_) => Some("the answer is not JSON".to_owned()),
    }
}

/// The first place where `found` lacks what is expected: objects may hold more, everything else must be equal.
fn difference(place: &str, expected: &Value, found: &Value) -> Option<String> {
    if let (Value::Object(expected), Value::Object(found)) = (expected, found) {
        return expected.iter().find_map(|(key, value)| {
            let place = format!("{place}/{key}");
            match found.get(key) {
                Some(found) => difference(&place, value, found),
                None => Some(format!("the answer has no {place}")),
            }
        });
    }
    (expected != found).then(|| format!("the answer's {place} is {found}, expected {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(json: Option<Value>) -> Check {
        let within = Duration::from_secs(1);
        Check { method: "GET".into(), path: "/health".into(), status: 200, json, contains: None, within }
    }

    fn came(status: u16, body: &str) -> Answer {
        Answer::Came { status, body: body.into(), took: Duration::from_millis(3) }
    }

    #[test]
    fn more_than_expected_passes() {
        let checks = [check(Some(json!({"status": "healthy", "db": {"up": true}})))];
        let answers = [came(200, r#"{"status":"healthy","x":1,"db":{"up":true,"ms":3}}"#)];
        assert_eq!(judge(&checks, &answers).verdict, Verdict::Pass);
    }

    #[test]
    fn the_first_difference_is_named() {
        let checks = [check(Some(json!({"db": {"up": true}})))];
        let judgement = judge(&checks, &[came(200, r#"{"db":{"up":false}}"#)]);
        assert_eq!(judgement.verdict, Verdict::Fail);
        assert_eq!(judgement.sentence, "GET /health: the answer's /db/up is false, expected true");
    }

    #[test]
    fn status_failure_and_silence_are_told_apart() {
        let checks = [check(None)];
        assert_eq!(
            judge(&checks, &[came(503, "")]).sentence,
            "GET /health: the answer was 503, expected 200"
        );
        assert_eq!(
            judge(&checks, &[Answer::Failed { why: "connection refused".into() }]).verdict,
            Verdict::Fail
        );
        assert_eq!(judge(&checks, &[]).verdict, Verdict::NoData);
    }
}
