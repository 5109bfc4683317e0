//! Synthetic load.

use super::check::{body_of, one_way};
use super::{Findings, required};
use crate::rollout::step;
use crate::settings::file::{Load, Sent};
use crate::yaml::Path;

/// What is sent, or nothing where that cannot be told.
pub(super) fn resolve(raw: Load, path: &Path, findings: &mut Findings<'_>) -> Option<step::Load> {
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
    let home = || step::Sent { method: "GET".to_owned(), path: "/".to_owned(), body: None };
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
            all.filter_map(|(index, one)| sent(one, &at.index(index), findings)).collect()
        }
    };
    Some(step::Load { rate: f64::from(rate), requests, concurrency, total })
}

fn sent(raw: Sent, path: &Path, findings: &mut Findings<'_>) -> Option<step::Sent> {
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
    Some(step::Sent { method: key.to_ascii_uppercase(), path: target, body })
}
