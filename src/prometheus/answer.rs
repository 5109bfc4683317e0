//! What an answer says. Pure.

use std::collections::BTreeMap;

use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;

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

/// One series of an answer to a range query.
#[derive(Debug, Clone, PartialEq)]
pub struct Points {
    /// Its labels by name.
    pub labels: BTreeMap<String, String>,
    /// Moments in milliseconds since 1970, in their order, with the values that it had; where it had none, there is no point.
    pub points: Vec<(i64, f64)>,
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

#[derive(Deserialize)]
struct RangeEntry {
    metric: BTreeMap<String, String>,
    values: Vec<(f64, String)>,
}

/// The series of an answer to a range query.
///
/// # Errors
/// As [`read`].
pub(super) fn read_range(body: &[u8]) -> Result<Vec<Points>, String> {
    let entries: Vec<RangeEntry> = entries(body, "matrix")?;
    let point = |(at, text): (f64, String)| Ok((crate::prometheus::millis(at), number(&text)?));
    entries
        .into_iter()
        .map(|RangeEntry { metric: labels, values }| {
            let points = values.into_iter().map(point).collect::<Result<_, String>>()?;
            Ok(Points { labels, points })
        })
        .collect()
}

/// The series of an answer.
///
/// # Errors
/// What comes instead, as the end of a sentence that begins with the other side.
pub(super) fn read(body: &[u8]) -> Result<Vec<Series>, String> {
    let entries: Vec<Entry> = entries(body, "vector")?;
    entries
        .into_iter()
        .map(|Entry { metric: labels, value: (_, text) }| Ok(Series { labels, value: number(&text)? }))
        .collect()
}

fn foreign() -> String {
    "answers, but not as a Prometheus does".to_owned()
}

fn number(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| foreign())
}

/// What is in an answer of that kind.
fn entries<T: DeserializeOwned>(body: &[u8], kind: &str) -> Result<Vec<T>, String> {
    let answer: Answer = serde_json::from_slice(body).map_err(|_| foreign())?;
    let data = match (answer.status.as_str(), answer.data) {
        ("success", Some(data)) => data,
        ("error", _) => {
            return Err(format!("answers with an error: {}", short(&answer.error.unwrap_or_default())));
        }
        _ => return Err(foreign()),
    };
    if data.kind != kind {
        return Err(format!("answers with a {} where series are asked for", short(&data.kind)));
    }
    serde_json::from_value(data.result).map_err(|_| foreign())
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
    fn series_of_a_range_have_points_where_they_had_values() {
        let body = br#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"pod":"a"},"values":[[1700000000.5,"1"],[1700000015.5,"NaN"]]}]}}"#;
        let all = read_range(body).unwrap();
        assert_eq!(all[0].labels["pod"], "a");
        assert_eq!(all[0].points[0], (1_700_000_000_500, 1.0));
        assert!(all[0].points[1].1.is_nan() && all[0].points[1].0 == 1_700_000_015_500);
        let vector = read_range(br#"{"status":"success","data":{"resultType":"vector","result":[]}}"#);
        assert_eq!(vector.unwrap_err(), "answers with a vector where series are asked for");
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
