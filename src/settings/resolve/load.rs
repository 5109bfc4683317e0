//! Synthetic load.

use super::check::{body_of, one_way};
use super::{Findings, positive, required};
use crate::rollout::{gate, step};
use crate::settings::file::{Load, Objectives, Sent};
use crate::yaml::Path;

/// What is sent, or nothing where that cannot be told.
pub(super) fn resolve(
    raw: Load,
    is_gate: bool,
    path: &Path,
    findings: &mut Findings<'_>,
) -> Option<step::Load> {
    let rate = required(
        raw.rate,
        &path.key("rate"),
        "write how many requests a second, such as `rate: 20`",
        findings,
    )?;
    let concurrency = raw.concurrency.unwrap_or(20);
    for (key, number) in [("rate", rate), ("concurrency", concurrency)] {
        if !(1..=1000).contains(&number) {
            findings.error(&path.key(key), format!("`{key}` takes 1 to 1000"), "give a number between these");
        }
    }
    let total = raw.total.unwrap_or(10_000);
    if total == 0 {
        findings.error(&path.key("total"), "`total: 0` sends nothing", "give at least 1, or take `load` out");
    }
    let at = path.key("requests");
    let home = || step::Sent { method: "GET".to_owned(), path: "/".to_owned(), body: None, status: None };
    let requests = match raw.requests {
        None => vec![home()],
        Some(all) if all.is_empty() => {
            findings.empty(
                &at,
                "there is no request",
                "write one, such as `{ get: / }`, or take the key out for `/`",
            );
            return None;
        }
        Some(all) => {
            let all = all.into_iter().enumerate();
            all.filter_map(|(index, one)| sent(one, is_gate, &at.index(index), findings)).collect()
        }
    };
    Some(step::Load { rate: f64::from(rate), requests, concurrency, total })
}

fn sent(raw: Sent, is_gate: bool, path: &Path, findings: &mut Findings<'_>) -> Option<step::Sent> {
    check_status(raw.status, is_gate, &path.key("status"), findings);
    let ways = [
        ("get", raw.get),
        ("head", raw.head),
        ("post", raw.post),
        ("put", raw.put),
        ("patch", raw.patch),
        ("delete", raw.delete),
    ];
    let (key, target) = one_way(ways, "request", path, findings)?;
    let body = raw.body.map(|body| body_of(body, key, &path.key("body"), findings));
    Some(step::Sent { method: key.to_ascii_uppercase(), path: target, body, status: raw.status })
}

fn check_status(status: Option<u16>, is_gate: bool, path: &Path, findings: &mut Findings<'_>) {
    let Some(status) = status else { return };
    if !is_gate {
        let message = "`status` has no effect: who counts the visitors' requests judges these, too";
        findings.conflict(path, message, "take it out, or make the load a gate");
    } else if !(200..=599).contains(&status) {
        findings.error(path, format!("{status} is not the status of a whole answer"), "give 200 to 599");
    }
}

/// What it must come to.
pub(super) fn objectives(
    raw: Option<Objectives>,
    path: &Path,
    findings: &mut Findings<'_>,
) -> gate::Objectives {
    let (raw, default) = (raw.unwrap_or_default(), gate::Objectives::default());
    let mut time = |raw, default, key: &str| positive(raw, default, &path.key(key), findings);
    let p50 = time(raw.p50, default.p50, "p50");
    let p95 = time(raw.p95, default.p95.max(p50), "p95");
    let p99 = time(raw.p99, default.p99.max(p95), "p99");
    for (key, lower, higher) in [("p50", p50, p95), ("p95", p95, p99)] {
        if lower > higher {
            let message = format!("`{key}` is longer than what more answers must come within");
            findings.conflict(&path.key(key), message, "make it shorter");
        }
    }
    let errors = raw.errors.map_or(default.errors, |share| f64::from(share.millionths()) / 1e6);
    gate::Objectives { errors, p50, p95, p99 }
}
