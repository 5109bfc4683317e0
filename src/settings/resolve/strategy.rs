//! Strategies: percents become instances, defaults are filled in, and what could never take effect is told.

use std::time::Duration;

use super::{Findings, check, comparison, positive};
use crate::rollout::strategy::{BlueGreen, Canary, Recreate, Rolling, Stage, Strategy};
use crate::rollout::{Budgets, Weight};
use crate::settings::file::{self, Amount, Compare, Time};
use crate::yaml::Path;

pub(super) fn resolve(
    raw: file::Strategy,
    instances: Option<u32>,
    budgets: &Budgets,
    path: &Path,
    findings: &mut Findings<'_>,
) -> Strategy {
    match raw {
        file::Strategy::Rolling(raw) => {
            Strategy::Rolling(rolling(&raw, instances, budgets, &path.key("rolling"), findings))
        }
        file::Strategy::BlueGreen(raw) => {
            Strategy::BlueGreen(blue_green(raw, budgets, &path.key("blue-green"), findings))
        }
        file::Strategy::Canary(raw) => Strategy::Canary(canary(raw, budgets, &path.key("canary"), findings)),
        file::Strategy::Recreate(_) => Strategy::Recreate(Recreate {}),
    }
}

/// The rounding is that of a Kubernetes Deployment: surge up, unavailable down.
fn rolling(
    raw: &file::Rolling,
    instances: Option<u32>,
    budgets: &Budgets,
    path: &Path,
    findings: &mut Findings<'_>,
) -> Rolling {
    let default = Rolling::default();
    let wait = raw.wait.map_or(default.wait, |time| time.0);
    within_total(wait, "wait", budgets, path, findings);
    // Without a number of instances there is another fault already, and nothing to take percents of.
    let Some(instances) = instances else { return Rolling { wait, ..default } };
    let share = |percent: file::Percent| u64::from(percent.millionths()) * u64::from(instances);
    let whole = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let max_surge = match raw.max_surge {
        Some(Amount::Count(count)) => count,
        Some(Amount::Share(percent)) => whole(share(percent).div_ceil(1_000_000)),
        None => default.max_surge,
    };
    let max_unavailable = match raw.max_unavailable {
        Some(Amount::Count(count)) => count,
        Some(Amount::Share(percent)) => whole(share(percent) / 1_000_000),
        None => default.max_unavailable,
    };
    if max_surge > 1000 {
        findings.error(
            &path.key("max-surge"),
            "a surge of more than 1000 instances is not possible",
            "give less",
        );
    }
    if max_unavailable > instances {
        let message =
            format!("`max-unavailable` comes to {max_unavailable}, but there are only {instances} instances");
        findings.conflict(
            &path.key("max-unavailable"),
            message,
            "give at most as many as there are, or `100%`",
        );
    }
    if max_surge == 0 && max_unavailable == 0 {
        let at = if raw.max_unavailable.is_some() { "max-unavailable" } else { "max-surge" };
        let message = format!(
            "`max-surge` and `max-unavailable` both come to 0 of {instances} instances: nothing could move"
        );
        findings.conflict(&path.key(at), message, "give one of them at least 1");
    }
    Rolling { max_surge, max_unavailable, wait }
}

fn blue_green(
    raw: file::BlueGreen,
    budgets: &Budgets,
    path: &Path,
    findings: &mut Findings<'_>,
) -> BlueGreen {
    let watch = raw.watch.map_or(Duration::ZERO, |time| time.0);
    within_total(watch, "watch", budgets, path, findings);
    let before = check::resolve_all(raw.before, &path.key("before"), budgets, findings);
    let why = "it goes to the instances themselves, without TLS";
    check::check_certificates(&before, why, &path.key("before"), findings);
    let at = path.key("compare");
    if matches!(raw.compare, Some(Compare::On(_))) && watch.is_zero() {
        let message = "`compare` has no effect: without `watch` there is no time to compare";
        findings.conflict(&at, message, "add `watch`, such as `watch: 30s`");
    }
    let comparison = raw.compare.and_then(|raw| comparison::resolve(raw, &at, findings));
    BlueGreen { before, comparison, watch, confirm: raw.confirm.unwrap_or(false) }
}

fn canary(raw: file::Canary, budgets: &Budgets, path: &Path, findings: &mut Findings<'_>) -> Canary {
    let default = Canary::default();
    let stages = match raw.weights {
        Some(raw) => stages(&raw, &path.key("weights"), findings),
        None => default.stages,
    };
    let off = matches!(raw.compare, Some(Compare::Off));
    let comparison = match raw.compare {
        Some(raw) => comparison::resolve(raw, &path.key("compare"), findings),
        None => default.comparison,
    };
    let at_least = raw.at_least.map_or(default.at_least, |time| time.0);
    let at_most = match raw.at_most {
        // A default gives way to what is written.
        None => default.at_most.max(at_least).min(budgets.total),
        given => positive(given, default.at_most, &path.key("at-most"), findings),
    };
    if off && raw.at_least.is_some() {
        let message = "`at-least` has no effect: without a comparison each weight lasts `at-most`";
        findings.conflict(&path.key("at-least"), message, "take it out, or take `compare: false` out");
    } else if at_least > at_most {
        let message = format!("`at-least` ({}) is longer than `at-most` ({})", Time(at_least), Time(at_most));
        findings.conflict(&path.key("at-least"), message, "make it shorter, or `at-most` longer");
    }
    if raw.at_most.is_some() {
        within_total(at_most, "at-most", budgets, path, findings);
    }
    let least = if off { at_most } else { at_least };
    let number = u32::try_from(stages.len()).unwrap_or(u32::MAX);
    if at_most <= budgets.total && least.saturating_mul(number) > budgets.total {
        let key = if off { "at-most" } else { "at-least" };
        let message = format!(
            "{number} weights of {} take longer than `budgets.total` allows ({})",
            Time(least),
            Time(budgets.total)
        );
        findings.conflict(&path.key(key), message, "make it shorter, or `budgets.total` longer");
    }
    let before = check::resolve_all(raw.before, &path.key("before"), budgets, findings);
    let why = "it goes to the instances themselves, without TLS";
    check::check_certificates(&before, why, &path.key("before"), findings);
    let gates = check::resolve_all(raw.gates, &path.key("gates"), budgets, findings);
    Canary { stages, comparison, at_least, at_most, before, gates }
}

/// The weights, strictly growing.
fn stages(raw: &[file::Stage], path: &Path, findings: &mut Findings<'_>) -> Vec<Stage> {
    if raw.is_empty() {
        findings.empty(path, "there is no weight", "give at least one, such as `[5, 25, 50]`");
    }
    let mut former: Option<Weight> = None;
    for (index, stage) in raw.iter().enumerate() {
        let at = path.index(index);
        if let Some(former) = former
            && stage.weight <= former
        {
            let message = format!("the weights must grow, but {} comes after {former}", stage.weight);
            findings.conflict(&at, message, "put them in growing order, each once");
        }
        if stage.weight == Weight::FULL && stage.confirm {
            let message = "`confirm` has no effect at weight 100: no weight comes after it";
            findings.error(&at, message, "put it at the weight before");
        }
        former = Some(stage.weight);
    }
    raw.iter().map(|stage| Stage { weight: stage.weight, confirm: stage.confirm }).collect()
}

/// A time that is longer than the whole way forward could never be over.
fn within_total(time: Duration, key: &str, budgets: &Budgets, path: &Path, findings: &mut Findings<'_>) {
    if time > budgets.total {
        let message = format!(
            "`{key}` is longer than the whole rollout may take (`budgets.total`, {})",
            Time(budgets.total)
        );
        findings.conflict(&path.key(key), message, "make it shorter, or `budgets.total` longer");
    }
}
