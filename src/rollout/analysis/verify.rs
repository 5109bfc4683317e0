//! Judges the answers to declared requests.

use std::collections::BTreeMap;
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
        /// Its headers, by their names in small letters.
        headers: BTreeMap<String, String>,
        /// How long the certificate of the address is still valid, where there is one.
        certificate: Option<Duration>,
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
    Judgement::new(verdict, code, sentence)
}

fn mismatch(check: &Check, answer: &Answer) -> Option<String> {
    let (status, body, took, headers, left) = match answer {
        Answer::Came { status, body, took, headers, certificate } => {
            (*status, body, *took, headers, *certificate)
        }
        Answer::Failed { why } => return Some(why.clone()),
    };
    if status != check.status {
        return Some(format!("the answer was {status}, expected {}", check.status));
    }
    if took > check.within {
        return Some(format!("the answer took {took:?}, expected at most {:?}", check.within));
    }
    if let Some(wrong) = check.headers.iter().find_map(|(name, wanted)| header(name, wanted, headers)) {
        return Some(wrong);
    }
    if let Some(wrong) = check.certificate.and_then(|least| certificate(least, left)) {
        return Some(wrong);
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

fn header(name: &str, wanted: &str, headers: &BTreeMap<String, String>) -> Option<String> {
    match headers.get(name) {
        Some(found) if fits(wanted, found) => None,
        Some(found) => Some(format!("the answer's {name} is `{found}`, expected `{wanted}`")),
        None => Some(format!("the answer has no {name}, expected `{wanted}`")),
    }
}

fn certificate(least: Duration, left: Option<Duration>) -> Option<String> {
    let days = |time: Duration| format!("{:.1} days", time.as_secs_f64() / 86_400.0);
    match left {
        Some(left) if left >= least => None,
        Some(left) => Some(format!(
            "the certificate is valid for {} more, expected at least {}",
            days(left),
            days(least)
        )),
        None => Some("the answer came without a certificate".to_owned()),
    }
}

/// Whether a text is as a pattern has it, in which `*` stands for any text.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(first) else { return false };
    (0..=text.len()).filter(|at| text.is_char_boundary(*at)).any(|at| fits(rest, &text[at..]))
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
        Check { json, ..Check::get("/health", within) }
    }

    fn came(status: u16, body: &str) -> Answer {
        let headers = [("content-type".to_owned(), "application/json; charset=utf-8".to_owned())].into();
        let certificate = Some(Duration::from_secs(10 * 86_400));
        Answer::Came { status, body: body.into(), took: Duration::from_millis(3), headers, certificate }
    }

    #[test]
    fn headers_and_certificates_are_looked_at() {
        let told = |change: &dyn Fn(&mut Check)| {
            let mut check = check(None);
            change(&mut check);
            judge(&[check], &[came(200, "")]).sentence
        };
        let with = |name: &str, value: &str| {
            let headers = [(name.to_owned(), value.to_owned())];
            told(&|check| check.headers = headers.clone().into())
        };
        for fits in ["application/json; charset=utf-8", "application/json*", "*json*utf*", "*"] {
            assert_eq!(with("content-type", fits), "the request got the expected answer", "{fits}");
        }
        let wrong = with("content-type", "text/*");
        assert!(wrong.ends_with("is `application/json; charset=utf-8`, expected `text/*`"), "{wrong}");
        assert!(with("location", "/").ends_with("the answer has no location, expected `/`"));
        let days = |days: u64| told(&|check| check.certificate = Some(Duration::from_secs(days * 86_400)));
        assert_eq!(days(10), "the request got the expected answer");
        assert_eq!(
            days(14),
            "GET /health: the certificate is valid for 10.0 days more, expected at least 14.0 days"
        );
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
