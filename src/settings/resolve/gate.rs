//! Gates that are asked beside the app.

use std::collections::BTreeMap;
use std::time::Duration;

use super::env::secret;
use super::local::{command, text_path};
use super::{Findings, check, env, load, metrics, positive, required};
use crate::rollout::Budgets;
use crate::rollout::gate::{Gate, Metric, PLACES, Probe, Source};
use crate::rollout::step::{Text, Unsettled};
use crate::settings::file::{self, Check, Time, Webhook};
use crate::settings::model::EnvValue;
use crate::yaml::Path;
use crate::yaml::words::{listed, nearest};

/// The ways in which a gate is asked.
const WAYS: [&str; 6] = ["run", "job", "webhook", "approval", "metric", "load"];

/// Whose secrets these are, in findings.
const WHOSE: &str = "a gate";
/// So many readings in a row settle it by default.
const READINGS: u32 = 3;

/// The first way in which the entry asks a gate, if it is one.
pub(super) fn way(raw: &Check) -> Option<&'static str> {
    given(raw).next()
}

fn given(raw: &Check) -> impl Iterator<Item = &'static str> {
    let there = [
        raw.run.is_some(),
        raw.job.is_some(),
        raw.webhook.is_some(),
        raw.approval.is_some(),
        raw.metric.is_some(),
        raw.load.is_some(),
    ];
    WAYS.into_iter().zip(there).filter_map(|(name, is_there)| is_there.then_some(name))
}

/// The gate; keys that belong to requests, or to other gates, are faults.
pub(super) fn resolve(
    raw: Check,
    path: &Path,
    budgets: &Budgets,
    findings: &mut Findings<'_>,
) -> Option<Gate> {
    check_keys(&raw, path, findings);
    let ways = given(&raw).count();
    let default = Duration::from_secs(600).min(budgets.total);
    let is_given = raw.within.is_some();
    let at_most = positive(raw.within, default, &path.key("within"), findings);
    if is_given && at_most > budgets.total {
        let message =
            format!("`within` has no effect: `budgets.total` ends the rollout after {}", Time(budgets.total));
        findings.conflict(&path.key("within"), message, "make it shorter, or `budgets.total` longer");
    }
    let most = raw.metric.as_ref().map_or(1, |metric| {
        metric.passes.unwrap_or(READINGS).max(metric.failures.unwrap_or(READINGS)).clamp(1, 1000)
    });
    // Of a range query several readings come at once.
    let step = raw.metric.as_ref().and_then(|metric| metric.prometheus.as_ref()?.step).map(|Time(step)| step);
    // A default gives way to what is written.
    let usual = Duration::from_secs(10).min(at_most / if step.is_some() { 2 } else { 2 * most });
    let is_every_given = raw.every.is_some();
    let every = positive(raw.every, usual, &path.key("every"), findings);
    let apart = step.unwrap_or(every);
    // The first point may come a step late, and the last is met when it is next asked.
    let needed = match step {
        None => every.saturating_mul((most - 1).max(1)),
        Some(step) => step.saturating_mul(most).saturating_add(every),
    };
    if needed >= at_most && (is_every_given || most > 1) {
        let key = if is_every_given { "every" } else { "within" };
        let message = match most {
            1 => format!("a gate that is asked each {} is asked once within {}", Time(every), Time(at_most)),
            n => format!("{n} readings, one each {}, do not come within {}", Time(apart), Time(at_most)),
        };
        findings.conflict(&path.key(key), message, "make `every` shorter, or `within` longer");
    }
    let (inconclusive, advisory) = (raw.inconclusive, raw.advisory.unwrap_or(false));
    if advisory && inconclusive.is_some() {
        let message = "`inconclusive` has no effect: the gate is advisory, and stops nothing";
        findings.conflict(&path.key("inconclusive"), message, "take one of them out");
    }
    let probe = if let Some(raw) = raw.run {
        Probe::Command { command: command(raw, &path.key("run"), findings)? }
    } else if let Some(raw) = raw.job {
        let at = path.key("job").key("command");
        let help = "write what the container runs, such as `[k6, run, smoke.js]`";
        let command = command(required(raw.command, &at, help, findings)?, &at, findings)?;
        Probe::Job { command, workload: raw.workload }
    } else if let Some(raw) = raw.webhook {
        webhook(raw, &path.key("webhook"), findings)?
    } else if let Some(file) = raw.approval {
        approval(&file, &path.key("approval"), findings);
        Probe::Approval { file }
    } else if let Some(raw) = raw.metric {
        Probe::Metric(metric(raw, &path.key("metric"), findings)?)
    } else {
        let load = load::resolve(raw.load?, true, &path.key("load"), findings)?;
        Probe::Load { load, objectives: load::objectives(raw.objectives, &path.key("objectives"), findings) }
    };
    let inconclusive = inconclusive.unwrap_or(Unsettled::Hold);
    (ways == 1).then_some(Gate { name: raw.name, probe, every, at_most, inconclusive, advisory })
}

fn check_keys(raw: &Check, path: &Path, findings: &mut Findings<'_>) {
    let mut ways = given(raw);
    let Some(way) = ways.next() else { return };
    for other in ways {
        let message = format!("`{other}` stands beside `{way}`: one thing is asked at a time");
        findings.conflict(&path.key(other), message, "make it two entries");
    }
    let of_requests = [
        ("get", raw.get.is_some()),
        ("head", raw.head.is_some()),
        ("post", raw.post.is_some()),
        ("put", raw.put.is_some()),
        ("patch", raw.patch.is_some()),
        ("delete", raw.delete.is_some()),
        ("body", raw.body.is_some()),
        ("headers", raw.headers.is_some()),
        ("expect", raw.expect.is_some()),
        ("every", raw.every.is_some() && ["job", "load"].contains(&way)),
        ("objectives", raw.objectives.is_some() && way != "load"),
        ("inconclusive", raw.inconclusive.is_some() && ["job", "load"].contains(&way)),
    ];
    for (key, _) in of_requests.into_iter().filter(|(_, is_given)| *is_given) {
        let message = format!("`{key}` has no effect with `{way}`");
        findings.conflict(&path.key(key), message, "take it out, or make it an entry of its own");
    }
}

/// Keys of gates beside a request.
pub(super) fn check_request(raw: &Check, path: &Path, findings: &mut Findings<'_>) {
    let of_gates = [
        ("name", raw.name.is_some()),
        ("every", raw.every.is_some()),
        ("inconclusive", raw.inconclusive.is_some()),
        ("advisory", raw.advisory.is_some()),
        ("objectives", raw.objectives.is_some()),
    ];
    for (key, _) in of_gates.into_iter().filter(|(_, is_given)| *is_given) {
        let message = format!("`{key}` has no effect with a request: it is for gates");
        findings.conflict(&path.key(key), message, "take it out");
    }
}

fn webhook(raw: Webhook, path: &Path, findings: &mut Findings<'_>) -> Option<Probe> {
    let at = path.key("url");
    let help = "write `url: $NAME` and give the address to the environment of `tidegate deploy`";
    let url = required(raw.url, &at, help, findings).and_then(|text| secret(text, WHOSE, &at, findings));
    let secret = raw.secret.and_then(|text| secret(text, WHOSE, &path.key("secret"), findings));
    Some(Probe::Webhook { url: url?, secret })
}

/// An approval is for one release, or one rollout.
fn approval(file: &str, path: &Path, findings: &mut Findings<'_>) {
    text_path(file, path, findings);
    let Some(names) = places(file, ("{", "}"), path, findings) else { return };
    if !names.iter().any(|name| ["version", "commit", "rollout"].contains(&name.as_str())) {
        let message = format!("`{file}` would approve every release from then on");
        let help = "put `{version}`, `{commit}` or `{rollout}` in its name, such as `approvals/{version}`";
        findings.error(path, message, help);
    }
}

/// The names of the places in a text; a fault where one is not known.
fn places(
    text: &str,
    (open, close): (&str, &str),
    path: &Path,
    findings: &mut Findings<'_>,
) -> Option<Vec<String>> {
    let (mut names, mut rest) = (Vec::new(), text);
    while let Some((name, after)) = rest.split_once(open).and_then(|(_, rest)| rest.split_once(close)) {
        if !PLACES.contains(&name) {
            let known = listed(PLACES.into_iter());
            let help = match nearest(name, PLACES.into_iter()) {
                Some(meant) => format!("did you mean `{open}{meant}{close}`?"),
                None => format!("there are {known}"),
            };
            findings.error(path, format!("nothing fills the place `{open}{name}{close}`"), &help);
            return None;
        }
        names.push(name.to_owned());
        rest = after;
    }
    Some(names)
}

fn metric(raw: file::Metric, path: &Path, findings: &mut Findings<'_>) -> Option<Metric> {
    let given: Vec<&str> = [
        ("prometheus", raw.prometheus.is_some()),
        ("datadog", raw.datadog.is_some()),
        ("cloudwatch", raw.cloudwatch.is_some()),
        ("get", raw.get.is_some()),
        ("command", raw.command.is_some()),
    ]
    .into_iter()
    .filter_map(|(name, is_given)| is_given.then_some(name))
    .collect();
    if let [first, others @ ..] = given.as_slice() {
        for other in others {
            let message = format!("`{other}` stands beside `{first}`: one of them knows the number");
            findings.conflict(&path.key(other), message, "take one of them out");
        }
    } else {
        findings.empty(
            path,
            "nobody is asked for the number",
            "write one of `prometheus`, `datadog`, `cloudwatch`, `get` and `command`",
        );
    }
    bounds(raw.min, raw.max, path, findings);
    let passes = times(raw.passes, &path.key("passes"), findings);
    let failures = times(raw.failures, &path.key("failures"), findings);
    if !given.contains(&"get") {
        for (key, is_given) in [("value", raw.value.is_some()), ("headers", raw.headers.is_some())] {
            if is_given {
                findings.conflict(
                    &path.key(key),
                    format!("`{key}` has no effect without `get`"),
                    "take it out",
                );
            }
        }
    }
    let source = if let Some(raw) = raw.prometheus {
        prometheus(raw, &path.key("prometheus"), findings)
    } else if let Some(raw) = raw.datadog {
        datadog(raw, &path.key("datadog"), findings)
    } else if let Some(raw) = raw.cloudwatch {
        cloud_watch(raw, &path.key("cloudwatch"), findings)
    } else if let Some(url) = raw.get {
        json(url, raw.headers, raw.value, path, findings)
    } else {
        command(raw.command?, &path.key("command"), findings).map(|command| Source::Command { command })
    };
    Some(Metric { source: source?, at_least: raw.min, at_most: raw.max, passes, failures })
}

fn bounds(min: Option<f64>, max: Option<f64>, path: &Path, findings: &mut Findings<'_>) {
    for (key, value) in [("min", min), ("max", max)] {
        if value.is_some_and(|value| !value.is_finite()) {
            findings.error(&path.key(key), format!("`{key}` is no number"), "give one, such as `0.5`");
        }
    }
    match (min, max) {
        (None, None) => {
            findings.empty(path, "every number is good: there is no bound", "add `min`, `max` or both");
        }
        (Some(min), Some(max)) if min > max => {
            let message = format!("no number is good: `min` ({min}) is more than `max` ({max})");
            findings.conflict(&path.key("min"), message, "make it less");
        }
        _ => {}
    }
}

fn times(raw: Option<u32>, path: &Path, findings: &mut Findings<'_>) -> u32 {
    let times = raw.unwrap_or(READINGS);
    if !(1..=1000).contains(&times) {
        findings.error(
            path,
            format!("{times} is not a number of readings from 1 to 1000"),
            "give such a one",
        );
    }
    times.max(1)
}

fn query(raw: Option<String>, key: &str, path: &Path, findings: &mut Findings<'_>) -> Option<String> {
    let at = path.key(key);
    let text = required(raw, &at, &format!("write `{key}: …`"), findings)?;
    if text.trim().is_empty() {
        findings.empty(&at, format!("`{key}` asks nothing"), "write what is asked");
    }
    places(&text, ("{{", "}}"), &at, findings)?;
    Some(text)
}

fn prometheus(raw: file::PrometheusQuery, path: &Path, findings: &mut Findings<'_>) -> Option<Source> {
    let query = query(raw.query, "query", path, findings);
    let at = path.key("address");
    let given = required(raw.address, &at, "write `address: http://HOST:9090`", findings);
    let address = given.map(|text| metrics::check_address(&text, &at, findings));
    let token = raw
        .token
        .and_then(|text| metrics::check_token(text, address.as_deref(), &path.key("token"), findings));
    let step = raw.step.map(|Time(step)| step);
    if step.is_some_and(|step| step < Duration::from_secs(1)) {
        findings.error(&path.key("step"), "`step` is less than a second", "write such as `5s`");
    }
    let step = step.map(|step| u64::try_from(step.as_millis()).unwrap_or(u64::MAX));
    Some(Source::Prometheus { address: address?, token, query: query?, step })
}

fn datadog(raw: file::Datadog, path: &Path, findings: &mut Findings<'_>) -> Option<Source> {
    let query = query(raw.query, "query", path, findings);
    let site = raw.site.unwrap_or_else(|| "datadoghq.com".to_owned());
    let address = if site.contains("://") { site } else { format!("https://api.{site}") };
    address_fits(&address, &path.key("site"), findings);
    let mut key = |raw: Option<String>, name: &str, default: &str| match raw {
        Some(text) => secret(text, WHOSE, &path.key(name), findings),
        None => Some(default.to_owned()),
    };
    let (api_key, app_key) =
        (key(raw.api_key, "api-key", "DD_API_KEY"), key(raw.app_key, "app-key", "DD_APP_KEY"));
    let window = positive(raw.window, Duration::from_secs(300), &path.key("window"), findings);
    Some(Source::Datadog { address, api_key: api_key?, app_key: app_key?, query: query?, window })
}

fn cloud_watch(raw: file::CloudWatch, path: &Path, findings: &mut Findings<'_>) -> Option<Source> {
    let expression = query(raw.expression, "expression", path, findings);
    let region = required(raw.region, &path.key("region"), "write `region: eu-central-1`", findings);
    if let Some(region) = &region
        && !region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    {
        findings.error(
            &path.key("region"),
            format!("`{region}` is no region"),
            "write such as `eu-central-1`",
        );
    }
    let of_region = |region: &String| format!("https://monitoring.{region}.amazonaws.com");
    let address = raw.address.or_else(|| region.as_ref().map(of_region));
    if let Some(address) = &address {
        address_fits(address, &path.key("address"), findings);
    }
    let period = positive(raw.period, Duration::from_secs(60), &path.key("period"), findings);
    if !period.as_secs().is_multiple_of(60) || period.subsec_nanos() != 0 {
        findings.error(&path.key("period"), "`period` is no multiple of a minute", "write such as `1m`");
    }
    let window = positive(raw.window, Duration::from_secs(900), &path.key("window"), findings);
    Some(Source::CloudWatch { address: address?, region: region?, expression: expression?, period, window })
}

fn json(
    url: String,
    headers: Option<file::Ordered<file::Text>>,
    value: Option<String>,
    path: &Path,
    findings: &mut Findings<'_>,
) -> Option<Source> {
    let headers: BTreeMap<String, Text> = check::sent(headers, &path.key("headers"), findings);
    let url = match env::value(url) {
        EnvValue::FromEnvironment(name) => Text::Variable(name),
        EnvValue::Literal(text) => {
            places(&text, ("{{", "}}"), &path.key("get"), findings)?;
            address_fits(&text, &path.key("get"), findings);
            Text::Literal(text)
        }
    };
    let at = path.key("value");
    let pointer =
        required(value, &at, "write where the number stands, such as `value: /data/rate`", findings)?;
    if !pointer.is_empty() && !pointer.starts_with('/') {
        findings.error(&at, format!("`{pointer}` is no JSON pointer"), &format!("write `/{pointer}`"));
    }
    Some(Source::Json { url, headers, pointer })
}

fn address_fits(text: &str, path: &Path, findings: &mut Findings<'_>) {
    if env::is_told_secret("address", text) {
        let message = "the address holds a password, and does not stand in this file";
        let help = "take it out, and send it as a header `$NAME`, or take the whole address from `$NAME`";
        findings.error_of_secret(path, message, help);
        return;
    }
    if !(text.starts_with("http://") || text.starts_with("https://")) {
        let help = "begin it with `https://`, or take it from the environment by `$NAME`";
        findings.error(path, format!("`{text}` is no address that can be asked"), help);
    }
}
