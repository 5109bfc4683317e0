//! Datadog's query of time series (<https://docs.datadoghq.com/api/latest/metrics/#query-timeseries-points>).

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderValue;
use reqwest::{Client, RequestBuilder, Url};
use serde_json::Value;

/// The question, with both keys.
pub(super) fn request(
    client: &Client,
    address: &str,
    (api_key, app_key): (&str, &str),
    query: &str,
    window: Duration,
) -> Result<RequestBuilder, String> {
    let now = Timestamp::now().as_second();
    let from = now - i64::try_from(window.as_secs()).unwrap_or(i64::MAX);
    let asked = [("from", from.to_string()), ("to", now.to_string()), ("query", query.to_owned())];
    let path = format!("{}/api/v1/query", address.trim_end_matches('/'));
    let url = Url::parse_with_params(&path, &asked)
        .map_err(|_| "the address is none that can be asked".to_owned())?;
    let mut request = client.get(url);
    for (name, key) in [("dd-api-key", api_key), ("dd-application-key", app_key)] {
        // What is no header's value is refused when it is sent.
        request = match HeaderValue::from_str(key.trim()) {
            Ok(mut value) => {
                value.set_sensitive(true);
                request.header(name, value)
            }
            Err(_) => request.header(name, key),
        };
    }
    Ok(request)
}

/// The last point that has a value, with its moment. Of several series it is not known which one is meant.
pub(super) fn last(answer: &Value) -> Result<(f64, Option<i64>), String> {
    if answer["status"] == "error" {
        let why = answer["error"].as_str().or(answer["errors"][0].as_str()).unwrap_or("it does not say why");
        return Err(format!("Datadog refuses the query: {}", why.chars().take(300).collect::<String>()));
    }
    let series = answer["series"].as_array().ok_or("the answer is not one of Datadog's")?;
    let points = match series.as_slice() {
        [only] => only["pointlist"].as_array().ok_or("the series has no points")?,
        [] => return Err("the query gives no series".to_owned()),
        many => return Err(format!("the query gives {} series, not one", many.len())),
    };
    // The moment is written as a number with a fraction.
    let dated = |point: &Value| Some((point[1].as_f64()?, Some(point[0].as_f64()? as i64)));
    points.iter().rev().find_map(dated).ok_or_else(|| "no point of the series has a value".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_last_point_with_a_value_counts() {
        let of = |series: Value| last(&json!({ "status": "ok", "series": series }));
        let points = json!([
            [1_700_000_000_000_i64, 0.5],
            [1_700_000_060_000_i64, 0.25],
            [1_700_000_120_000_i64, null]
        ]);
        assert_eq!(of(json!([{ "pointlist": points }])), Ok((0.25, Some(1_700_000_060_000))));
        assert_eq!(of(json!([])), Err("the query gives no series".to_owned()));
        assert!(of(json!([{ "pointlist": [] }])).is_err());
        assert!(of(json!([{ "pointlist": points }, { "pointlist": points }])).is_err());
        assert!(
            last(&json!({ "status": "error", "error": "Rule 'x' is invalid" }))
                .unwrap_err()
                .contains("invalid")
        );
        assert!(last(&json!("<html>")).is_err());
    }
}
