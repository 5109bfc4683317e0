//! The sentences that go with verdicts.

use super::count::{Metric, Tally};
use super::{Block, Evidence, Test, Verdict};

/// From this share of bad requests on a stable release is itself in trouble, once it has answered so many.
const TROUBLE: f64 = 0.05;
const TROUBLE_OF: u64 = 20;

/// Stable code and one sentence for a verdict on this evidence.
pub(super) fn explain(evidence: &Evidence, verdict: Verdict) -> (&'static str, String) {
    match verdict {
        Verdict::Fail => failed(evidence),
        Verdict::Pass => ("not-worse", passed(evidence) + &trouble(evidence)),
        Verdict::NoData => ("silent", silent(evidence)),
        Verdict::Inconclusive => {
            let (code, sentence) = unsettled(evidence);
            (code, sentence + &trouble(evidence))
        }
    }
}

/// Says that the stable release itself is in trouble, where it is: what it does as badly, the candidate is not blamed for.
fn trouble(evidence: &Evidence) -> String {
    let (block, _) = shown_block(evidence);
    let troubled = |test: &&Test| {
        let stable = test.metric.of(block.stable);
        stable.of >= TROUBLE_OF && stable.share() >= TROUBLE
    };
    let Some(test) = evidence.tests.iter().find(troubled) else { return String::new() };
    let share = percent(test.metric.of(block.stable).share());
    match test.metric {
        Metric::Errors => {
            format!(
                "; the stable release itself fails {share} of its requests, which is not blamed on the candidate"
            )
        }
        Metric::Slow => {
            format!(
                "; the stable release itself is too slow in {share} of its requests, which is not blamed on the candidate"
            )
        }
    }
}

fn failed(evidence: &Evidence) -> (&'static str, String) {
    let metric = evidence.failing().map_or(Metric::Errors, |test| test.metric);
    let code = match metric {
        Metric::Errors => "errors-worse",
        Metric::Slow => "slow-worse",
    };
    let figures = figures(metric, &evidence.totals, "");
    let chance = percent(evidence.alpha);
    (code, format!("{figures}; chance does this to at most {chance} of releases that are as good as stable"))
}

fn passed(evidence: &Evidence) -> String {
    let shown: Vec<String> = evidence
        .tests
        .iter()
        .map(|test| {
            let (block, when) = shown_block(evidence);
            let margin = points(test.margin);
            format!("{}: less than {margin} more than stable", figures(test.metric, &block, when))
        })
        .collect();
    shown.join("; ")
}

fn silent(evidence: &Evidence) -> String {
    let (stable, candidate) = (evidence.totals.stable.requests, evidence.stage.candidate.requests);
    match (stable, candidate) {
        (0, 0) => {
            "neither the candidate nor the stable release answered a request: there is nothing to compare"
                .into()
        }
        (_, 0) => "the candidate answered no request at this weight: there is nothing to compare".into(),
        (_, n) => format!(
            "the candidate answered {}, the stable release none in this rollout: there is nothing to compare with",
            requests(n)
        ),
    }
}

fn unsettled(evidence: &Evidence) -> (&'static str, String) {
    let (block, when) = shown_block(evidence);
    let seen: Vec<String> = evidence.tests.iter().map(|test| figures(test.metric, &block, when)).collect();
    let seen = seen.join("; ");
    let count = evidence.stage.candidate.requests;
    if count < evidence.min_requests {
        let (least, more) = (requests(evidence.min_requests), thousands(evidence.min_requests - count));
        return (
            "too-few",
            format!("{seen}: at least {least} to the candidate are asked for, {more} more are needed"),
        );
    }
    let against =
        evidence.tests.iter().map(|test| evidence.log_against(test)).fold(f64::NEG_INFINITY, f64::max);
    let against = part(against / evidence.bar_against());
    let good = evidence.tests.iter().map(|test| evidence.log_for(test)).fold(f64::INFINITY, f64::min);
    let good = part(good / evidence.bar_for());
    let ahead = missing(evidence).map_or_else(String::new, |more| {
        format!("; if they go on like this, about {} more to the candidate settle it", requests(more))
    });
    let sentence = format!(
        "{seen}: {against} of the evidence that stops it, {good} of the evidence that lets it go on{ahead}"
    );
    ("unsettled", sentence)
}

/// The counts to show for a stage: with nothing concurrent, the stable release's earlier ones.
fn shown_block(evidence: &Evidence) -> (Block, &'static str) {
    if evidence.stage.stable.requests > 0 {
        (evidence.stage, "")
    } else {
        (
            Block { stable: evidence.totals.stable, candidate: evidence.stage.candidate },
            " earlier in this rollout",
        )
    }
}

/// Roughly how many more requests to the candidate settle it, should all go on as in this stage; `None` where that cannot be
/// told.
fn missing(evidence: &Evidence) -> Option<u64> {
    let count = evidence.stage.candidate.requests;
    let all = |test: &Test| more_needed(evidence.log_for(test), evidence.bar_for(), count);
    let good = evidence.tests.iter().map(all).try_fold(0, |most, more| more.map(|more| most.max(more)));
    let against = evidence
        .tests
        .iter()
        .filter_map(|test| {
            let log = evidence.log_against(test);
            more_needed(log, evidence.bar_against(), evidence.totals.candidate.requests)
        })
        .min();
    match (good, against) {
        (Some(good), Some(against)) => Some(good.min(against)),
        (good, against) => good.or(against),
    }
}

/// By proportion; evidence of less than a twentieth of the bar is no tendency.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, and `as` saturates")]
fn more_needed(log: f64, bar: f64, count: u64) -> Option<u64> {
    (log > bar / 20.0).then(|| (((bar - log).max(0.0) / log * count as f64).ceil() as u64).max(1))
}

/// "5 of 60 requests to the candidate failed (8.3 %), 1 of 1,140 to stable (0.088 %)".
fn figures(metric: Metric, block: &Block, when: &str) -> String {
    let pair = metric.pair(block);
    let bad = match metric {
        Metric::Errors => "failed",
        Metric::Slow => "were too slow",
    };
    let side = |tally: Tally| format!("{} of {}", thousands(tally.bad), thousands(tally.of));
    let (candidate, stable) = (pair.candidate, pair.stable);
    format!(
        "{} requests to the candidate {bad} ({}), {} to stable{when} ({})",
        side(candidate),
        percent(candidate.share()),
        side(stable),
        percent(stable.share())
    )
}

fn requests(n: u64) -> String {
    if n == 1 { "1 request".into() } else { format!("{} requests", thousands(n)) }
}

/// A share of what a verdict needs, in whole percent.
fn part(share: f64) -> String {
    format!("{:.0} %", (share * 100.0).clamp(0.0, 99.0).floor())
}

/// A difference of shares.
fn points(share: f64) -> String {
    let text = two_digits(share * 100.0);
    if text == "1" { "1 percentage point".into() } else { format!("{text} percentage points") }
}

/// A share with two digits that matter: "8.3 %", "0.088 %", "50 %".
fn percent(share: f64) -> String {
    format!("{} %", two_digits(share * 100.0))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 20")]
fn two_digits(value: f64) -> String {
    if value <= 0.0 {
        return "0".into();
    }
    let digits = (1.0 - value.log10().floor()).clamp(0.0, 20.0) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// With a comma after each three digits.
fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_140), "1,140");
        assert_eq!(thousands(u64::MAX), "18,446,744,073,709,551,615");
        assert_eq!(percent(5.0 / 60.0), "8.3 %");
        assert_eq!(percent(1.0 / 1140.0), "0.088 %");
        assert_eq!(percent(0.5), "50 %");
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(0.999), "100 %");
        assert_eq!(percent(0.01), "1 %");
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(points(0.01), "1 percentage point");
        assert_eq!(points(0.005), "0.5 percentage points");
    }

    #[test]
    fn the_estimate_is_by_proportion() {
        assert_eq!(more_needed(2.0, 4.0, 100), Some(100));
        assert_eq!(more_needed(0.1, 4.0, 100), None);
        assert_eq!(more_needed(-3.0, 4.0, 100), None);
    }
}
