//! CloudWatch's `GetMetricData` (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html>), by its JSON
//! protocol.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::{Client, RequestBuilder, Url};
use serde_json::{Value, json};

use crate::gate::variable;
use crate::signature::aws::{self, Credentials};

/// As the environment has them, where `aws-actions/configure-aws-credentials` and others put them.
pub(super) fn credentials() -> Result<Credentials, String> {
    let (key_id, secret) = (variable("AWS_ACCESS_KEY_ID")?, variable("AWS_SECRET_ACCESS_KEY")?);
    Ok(Credentials { key_id, secret, token: variable("AWS_SESSION_TOKEN").ok() })
}

/// The signed question.
pub(super) fn request(
    client: &Client,
    (address, region): (&str, &str),
    credentials: &Credentials,
    expression: &str,
    (period, window): (Duration, Duration),
) -> Result<RequestBuilder, String> {
    let url = Url::parse(address).map_err(|_| "the address is none that can be asked".to_owned())?;
    let host = match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => return Err("the address names no host".to_owned()),
    };
    let now = Timestamp::now();
    let start = now.as_second() - i64::try_from(window.as_secs()).unwrap_or(i64::MAX);
    let body = json!({
        "MetricDataQueries": [{ "Id": "asked", "Expression": expression, "Period": period.as_secs() }],
        "StartTime": start,
        "EndTime": now.as_second(),
        "ScanBy": "TimestampDescending",
    })
    .to_string();
    let headers = BTreeMap::from(
        [
            ("content-type", "application/x-amz-json-1.0"),
            ("host", &host),
            ("x-amz-target", "GraniteServiceVersion20100801.GetMetricData"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    let at = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let signed = aws::headers(
        credentials,
        aws::Request {
            method: "POST",
            region,
            service: "monitoring",
            headers: &headers,
            body: body.as_bytes(),
            at: &at,
        },
    );
    // The host is written by who sends.
    let all = headers.iter().filter(|(name, _)| *name != "host").chain(&signed);
    let request = all.fold(client.post(url), |request, (name, value)| request.header(name, value));
    Ok(request.body(body))
}

/// The newest value, with its moment. Of several results it is not known which one is meant.
pub(super) fn last(answer: &Value) -> Result<(f64, Option<i64>), String> {
    let results = answer["MetricDataResults"].as_array().ok_or("the answer is not one of CloudWatch's")?;
    let only = match results.as_slice() {
        [only] => only,
        [] => return Err("the expression gives no result".to_owned()),
        many => return Err(format!("the expression gives {} results, not one", many.len())),
    };
    let value = only["Values"][0].as_f64().ok_or_else(|| "the expression gives no value".to_owned())?;
    // In seconds, as a number.
    let at = only["Timestamps"][0].as_f64().ok_or_else(|| "the value has no time".to_owned())?;
    Ok((value, Some((at * 1000.0) as i64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_value_counts() {
        let of = |results: Value| last(&json!({ "MetricDataResults": results }));
        assert_eq!(
            of(json!([{ "Id": "asked", "Values": [3.5, 9], "Timestamps": [1_700_000_060, 1_700_000_000] }])),
            Ok((3.5, Some(1_700_000_060_000)))
        );
        assert!(of(json!([{ "Values": [1] }])).is_err());
        assert_eq!(
            of(json!([{ "Id": "asked", "Values": [] }])),
            Err("the expression gives no value".to_owned())
        );
        assert!(of(json!([{ "Values": [1] }, { "Values": [2] }])).unwrap_err().contains("2 results"));
        assert!(of(json!([])).is_err() && last(&json!({ "__type": "AccessDenied" })).is_err());
    }
}
