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
use crate::prometheus::{Prometheus, Token, Unanswered, millis};
use crate::rollout::gate::{Sample, Source};
use crate::rollout::step::Text;

/// How many points are asked for at once: a Prometheus gives 11,000.
const MOST_POINTS: i64 = 1_000;

/// The number, with its moment in milliseconds since 1970 where it is not the present one; or why there is none.
pub(super) async fn ask(
    client: &reqwest::Client,
    folder: &Path,
    source: &Source,
    question: Question<'_>,
) -> Result<(f64, Option<i64>), Sample> {
    let present = |value: f64| (value, None);
    match source {
        Source::Prometheus { address, token, query, .. } => {
            prometheus(address, token.as_deref(), query).await.map(present)
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

/// The points of the one series since the gate was first asked, `step` milliseconds from each other, by the clock of the Prometheus: a runner's
/// own clock may be wrong, and what was before is of other releases.
pub(super) async fn points(
    address: &str,
    token: Option<&str>,
    query: &str,
    step: u64,
    since: i64,
) -> Result<Sample, Sample> {
    let token = token.map(variable).transpose().map_err(lasting)?;
    let asked = Prometheus::new(address, token.as_deref().map(Token::new))
        .map_err(|error| lasting(error.to_string()))?;
    let unanswered = |error: Unanswered| silent(error.to_string());
    let here = jiff::Timestamp::now().as_millisecond();
    let clock = asked.ask("vector(time())").await.map_err(unanswered)?;
    let now = match clock.as_slice() {
        [only] => millis(only.value),
        _ => return Err(silent("the Prometheus does not tell its time")),
    };
    // On a grid, so that a point that is asked for again is the same one.
    let step = i64::try_from(step).unwrap_or(i64::MAX).max(1);
    let grid = |at: i64| at.div_euclid(step).saturating_mul(step);
    let (begin, last) = (since.saturating_add(now.saturating_sub(here)), grid(now));
    let first = match since {
        i64::MIN => last,
        _ => grid(begin.saturating_add(step - 1))
            .max(last.saturating_sub((MOST_POINTS - 1).saturating_mul(step))),
    };
    if first > last {
        return Err(silent("no point has come yet"));
    }
    let step = Duration::from_millis(step.unsigned_abs());
    let all = asked.ask_range(query, first, last, step).await.map_err(unanswered)?;
    match all.as_slice() {
        [only] if only.points.last().is_some_and(|(at, _)| *at == last) => {
            Ok(Sample::Points(only.points.clone()))
        }
        [_] => Err(silent("the series has no value at this moment")),
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
