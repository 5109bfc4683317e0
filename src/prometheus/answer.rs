//! What an answer says. Pure.

use std::collections::BTreeMap;

use reqwest::StatusCode;
use serde::Deserialize;

/// How much of the other side's words is told, in characters.
const LONGEST: usize = 200;

/// One series of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its labels by name.
    pub labels: BTreeMap<String, String>,
    /// Its value at the moment of the question; not a number (`NaN`) and infinity are values, too.
    pub value: f64,
}

#[derive(Deserialize)]
struct Answer {
    status: String,
    data: Option<Data>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    kind: String,
    result: serde_json::Value,
}

#[derive(Deserialize)]
struct Entry {
    metric: BTreeMap<String, String>,
    value: (f64, String),
}

/// The series of an answer.
///
/// # Errors
/// What comes instead, as the end of a sentence that begins with the other side.
pub(super) fn read(body: &[u8]) -> Result<Vec<Series>, String> {
    let foreign = || "answers, but not as a Prometheus does".to_owned();
    let answer: Answer = serde_json::from_slice(body).map_err(|_| foreign())?;
    let data = match (answer.status.as_str(), answer.data) {
        ("success", Some(data)) => data,
        ("error", _) => {
            return Err(format!("answers with an error: {}", short(&answer.error.unwrap_or_default())));
        }
        _ => return Err(foreign()),
    };
    if data.kind != "vector" {
        return Err(format!("answers with a {} where series are asked for", short(&data.kind)));
    }
    let entries: Vec<Entry> = serde_json::from_value(data.result).map_err(|_| foreign())?;
    entries
        .into_iter()
        .map(|Entry { metric: labels, value: (_, text) }| {
            let value = text.parse().map_err(|_| foreign())?;
            Ok(Series { labels, value })
        })
        .collect()
}

/// A status that is no success, with the reason where the other side gives one.
pub(super) fn refusal(status: StatusCode, body: &[u8]) -> String {
    let error = serde_json::from_slice::<Answer>(body).ok().and_then(|answer| answer.error);
    match error.map(|error| short(&error)).filter(|error| !error.is_empty()) {
        Some(error) => format!("answers {status}: {error}"),
        None => format!("answers {status}"),
    }
}

/// The beginning of a foreign text on one line.
fn short(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(result: &str) -> Result<Vec<Series>, String> {
        read(
            format!(r#"{{"status":"success","data":{{"resultType":"vector","result":{result}}}}}"#)
                .as_bytes(),
        )
    }

    #[test]
    fn series_have_their_labels_and_values() {
        let all = vector(
            r#"[{"metric":{"pod":"a"},"value":[1700000000.123,"42"]},{"metric":{},"value":[1700000000,"1.5e3"]}]"#,
        );
        let labels = BTreeMap::from([("pod".to_owned(), "a".to_owned())]);
        let second = Series { labels: BTreeMap::new(), value: 1500.0 };
        assert_eq!(all, Ok(vec![Series { labels, value: 42.0 }, second]));
        assert_eq!(vector("[]"), Ok(Vec::new()));
        let odd = vector(
            r#"[{"metric":{},"value":[1,"NaN"]},{"metric":{},"value":[1,"+Inf"]},{"metric":{},"value":[1,"-Inf"]}]"#,
        );
        let odd: Vec<f64> = odd.unwrap().into_iter().map(|one| one.value).collect();
        assert!(odd[0].is_nan() && odd[1] == f64::INFINITY && odd[2] == f64::NEG_INFINITY, "{odd:?}");
    }

    #[test]
    fn whatever_else_comes_is_told() {
        for foreign in
            ["", "<html><body>Sign in</body></html>", "[]", "{}", r#"{"status":"success"}"#, "null", "\u{0}"]
        {
            assert_eq!(read(foreign.as_bytes()).unwrap_err(), "answers, but not as a Prometheus does");
        }
        for foreign in [r#"{"a":1}"#, r#"[{"metric":{},"value":[1,"many"]}]"#, r#"[{"metric":{},"value":7}]"#]
        {
            assert_eq!(vector(foreign).unwrap_err(), "answers, but not as a Prometheus does");
        }
        let scalar = read(br#"{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}"#);
        assert_eq!(scalar.unwrap_err(), "answers with a scalar where series are asked for");
        let error = read(br#"{"status":"error","errorType":"timeout","error":"query timed out"}"#);
        assert_eq!(error.unwrap_err(), "answers with an error: query timed out");
    }

    #[test]
    fn a_refusal_is_told_with_its_reason_on_one_line() {
        assert_eq!(refusal(StatusCode::UNAUTHORIZED, b"Unauthorized\n"), "answers 401 Unauthorized");
        let body =
            br#"{"status":"error","errorType":"bad_data","error":"1:5: parse error:\n unexpected <eof>"}"#;
        let told = refusal(StatusCode::BAD_REQUEST, body);
        assert_eq!(told, "answers 400 Bad Request: 1:5: parse error:  unexpected <eof>");
        let endless = format!(r#"{{"status":"error","error":"{}"}}"#, "x".repeat(5000));
        assert!(refusal(StatusCode::SERVICE_UNAVAILABLE, endless.as_bytes()).len() < 260);
    }
}
