//! What is compared, and how strictly.

use super::{Findings, positive};
use crate::rollout::step::Comparison;
use crate::settings::file::{Compare, Percent};
use crate::yaml::Path;

/// The comparison, or none where it is switched off.
pub(super) fn resolve(raw: Compare, path: &Path, findings: &mut Findings<'_>) -> Option<Comparison> {
    let Compare::On(raw) = raw else { return None };
    let default = Comparison::default();
    if raw.slow.is_some() && raw.slower_than.is_none() {
        let message = "`slow` has no effect: nothing says which requests are slow";
        findings.conflict(&path.key("slow"), message, "add `slower-than`, such as `500ms`");
    }
    let slower_than = raw.slower_than.map(|time| {
        let default = std::time::Duration::from_millis(500);
        positive(Some(time), default, &path.key("slower-than"), findings)
    });
    let min_requests = raw.min_requests.unwrap_or(default.min_requests);
    if min_requests == 0 {
        let message = "`min-requests: 0` would let a release pass that nobody asked anything";
        findings.error(&path.key("min-requests"), message, "give at least 1");
    }
    let alpha = fraction(raw.alpha, default.alpha, &path.key("alpha"), findings);
    if alpha > 0.5 {
        let message = "`alpha` over 50% takes good releases back more often than not";
        findings.error(&path.key("alpha"), message, "give a small share, such as `1%`");
    }
    Some(Comparison {
        error_margin: fraction(raw.errors, default.error_margin, &path.key("errors"), findings),
        slower_than,
        slow_margin: fraction(raw.slow, default.slow_margin, &path.key("slow"), findings),
        alpha,
        min_requests,
        inconclusive: raw.inconclusive.unwrap_or(default.inconclusive),
        load: raw.load.and_then(|raw| super::load::resolve(raw, false, &path.key("load"), findings)),
    })
}

/// A share above zero and below one: at zero nothing could ever be shown, at one anything.
fn fraction(raw: Option<Percent>, default: f64, path: &Path, findings: &mut Findings<'_>) -> f64 {
    let Some(percent) = raw else { return default };
    if !(1..1_000_000).contains(&percent.millionths()) {
        let message =
            format!("`{}` must be more than 0% and less than 100%", path.last_key().unwrap_or("this"));
        findings.error(path, message, "give a small share, such as `1%`");
    }
    percent.fraction()
}
