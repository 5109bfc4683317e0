//! Numbers, by who knows them.

mod cloud_watch;
mod datadog;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::answer::{self, Silence};
use super::probe::{lasting, run, silent};
use super::{Question, http, variable};
use crate::prometheus::{Prometheus, Token};
use crate::rollout::gate::{Metric, QueryRange, Sample, Source};
use crate::rollout::step::Text;

/// The number, with its moment in milliseconds since 1970 where it is not the present one; or why there is none.
pub(super) async fn ask(
    client: &reqwest::Client,
    folder: &Path,
    metric: &Metric,
    question: Question<'_>,
) -> Result<(f64, Option<i64>), Sample> {
    let present = |value: f64| (value, None);
    match &metric.source {
        Source::Prometheus { address, token, query, range: None } => {
            prometheus(address, token.as_deref(), query).await.map(present)
        }
        Source::Prometheus { address, token, query, range: Some(range) } => {
            let points = range_of(address, token.as_deref(), query, *range, question.since).await?;
            let worst = metric.worst(points);
            worst.map(present).ok_or_else(|| silent("the series has no value at this moment"))
        }
        Source::Datadog { address, api_key, app_key, query, window } => {
            let keys = [variable(api_key), variable(app_key)].map(|key| key.map_err(lasting));
            let [api_key, app_key] = keys;
            let request = datadog::request(client, address, (&api_key?, &app_key?), query, *window);
            datadog::last(&answer::json(request.map_err(lasting)?).await.map_err(quiet)?).map_err(silent)
        }
        Source::CloudWatch { address, region, expression, period, window } => {
            let credentials = cloud_watch::credentials().map_err(lasting)?;
            let request =
                cloud_watch::request(client, (address, region), &credentials, expression, (*period, *window));
            cloud_watch::last(&answer::json(request.map_err(lasting)?).await.map_err(quiet)?).map_err(silent)
        }
        Source::Json { url, headers, pointer } => json(client, url, headers, pointer).await.map(present),
        Source::Command { command } => printed(run(command, folder, question).await).map(present),
    }
}

fn quiet(Silence(why): Silence) -> Sample {
    silent(why)
}

async fn prometheus(address: &str, token: Option<&str>, query: &str) -> Result<f64, Sample> {
    let token = token.map(variable).transpose().map_err(lasting)?;
    let asked = Prometheus::new(address, token.as_deref().map(Token::new))
        .map_err(|error| lasting(error.to_string()))?;
    let series = asked.ask(query).await.map_err(|error| silent(error.to_string()))?;
    match series.as_slice() {
        [only] => Ok(only.value),
        [] => Err(silent("the query gives no series")),
        many => Err(silent(format!("the query gives {} series, not one", many.len()))),
    }
}

/// The values of the one series in a while that ends now, and that does not begin before `since`; none where it has no value now.
async fn range_of(
    address: &str,
    token: Option<&str>,
    query: &str,
    range: QueryRange,
    since: i64,
) -> Result<Vec<f64>, Sample> {
    let token = token.map(variable).transpose().map_err(lasting)?;
    let asked = Prometheus::new(address, token.as_deref().map(Token::new))
        .map_err(|error| lasting(error.to_string()))?;
    let now = jiff::Timestamp::now().as_millisecond();
    let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    let step = millis(range.step).max(1);
    // The last point is of this moment.
    let steps = millis(range.window).min(now.saturating_sub(since)).max(0) / step;
    let all = asked.ask_range(query, now - steps * step, now, range.step).await;
    let all = all.map_err(|error| silent(error.to_string()))?;
    match all.as_slice() {
        [only] => {
            let is_present = only.points.last().is_some_and(|(at, _)| *at > now - step);
            Ok(if is_present { only.points.iter().map(|(_, value)| *value).collect() } else { Vec::new() })
        }
        [] => Err(silent("the query gives no series")),
        many => Err(silent(format!("the query gives {} series, not one", many.len()))),
    }
}

async fn json(
    client: &reqwest::Client,
    url: &Text,
    headers: &BTreeMap<String, Text>,
    pointer: &str,
) -> Result<f64, Sample> {
    let url = match url {
        Text::Literal(url) => url.clone(),
        Text::Variable(name) => variable(name).map_err(lasting)?,
    };
    let mut request = client.get(url);
    for (name, value) in headers {
        request = request.header(name, http::sent(value).map_err(lasting)?);
    }
    let answer = answer::json(request).await.map_err(quiet)?;
    let found =
        answer.pointer(pointer).ok_or_else(|| silent(format!("the answer has nothing at {pointer}")))?;
    number(found).ok_or_else(|| silent(format!("what stands at {pointer} is no number")))
}

/// A number, or a text that is one, as Prometheus and others write them.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// The number in the last line that a program printed.
fn printed(ended: Result<crate::program::Ended, String>) -> Result<f64, Sample> {
    let ended = ended.map_err(lasting)?;
    if !ended.is_well {
        return Err(silent(format!("it failed ({})", ended.how)));
    }
    let line = ended.last.ok_or_else(|| silent("it printed nothing"))?;
    line.trim().parse().map_err(|_| silent("the last line that it printed is no number"))
}
