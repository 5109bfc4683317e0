//! Rules that look at fixed intervals and count failed checks, as other tools have them.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

use super::trial::Judge;
use crate::rollout::Verdict;
use crate::rollout::analysis::Block;

/// What a rule is made of, for messages.
const FORM: &str = "`interval=60s,failures=3,threshold=1%`, and also `window=5m` and `checks=10`";

/// "The candidate is taken back at so many failed checks": each interval the share of its requests that failed within a window
/// is held against a threshold, and nothing else is looked at. A check without a request is neither a success nor a failure.
///
/// This is the analysis of Argo Rollouts (`interval`; `failures` is `failureLimit` plus 1, for so many failures are borne;
/// `checks` is `count`; `threshold` is in `successCondition`, `window` in the query:
/// <https://argo-rollouts.readthedocs.io/en/stable/features/analysis/>) and of Flagger (`interval`; `failures` is `threshold`;
/// `threshold` is 100 % less the `min` of `request-success-rate`; the window of that metric is its `interval`:
/// <https://docs.flagger.app/usage/metrics>).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FixedRule {
    /// Seconds between two checks; the first one is after the first interval.
    pub interval: f64,
    /// At the check that is the so-manieth failed one the candidate is taken back; at least 1. They need not follow each other.
    pub failures: u32,
    /// A check fails when a larger share of requests than this failed, from 0 to 1.
    pub threshold: f64,
    /// Each check looks at so many seconds before it.
    pub window: f64,
    /// After so many checks the candidate has passed, and is not looked at again; `None` goes on checking.
    pub checks: Option<u32>,
}

impl fmt::Display for FixedRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (interval, threshold) = (time(self.interval), self.threshold * 100.0);
        let threshold = format!("{threshold:.4}");
        let threshold = threshold.trim_end_matches('0').trim_end_matches('.');
        write!(f, "interval={interval},failures={},threshold={threshold}%", self.failures)?;
        if (self.window - self.interval).abs() > 1e-9 {
            write!(f, ",window={}", time(self.window))?;
        }
        self.checks.map_or(Ok(()), |checks| write!(f, ",checks={checks}"))
    }
}

/// Seconds in the form in which a rule is written.
fn time(seconds: f64) -> String {
    for (unit, size) in [("h", 3600.0), ("m", 60.0)] {
        if seconds >= size && seconds % size == 0.0 {
            return format!("{}{unit}", seconds / size);
        }
    }
    format!("{seconds}s")
}

impl FromStr for FixedRule {
    type Err = String;

    /// Reads a rule such as `interval=60s,failures=3,threshold=1%`.
    ///
    /// # Errors
    /// A sentence that names the part that is wrong, and how it is written.
    fn from_str(text: &str) -> Result<Self, String> {
        let (mut interval, mut failures, mut threshold, mut window, mut checks) =
            (None, None, None, None, None);
        for part in text.split(',') {
            let (key, value) = part.trim().split_once('=').ok_or_else(|| {
                format!("`{}` in the rule is not KEY=VALUE: write a rule as {FORM}", part.trim())
            })?;
            let (key, value) = (key.trim(), value.trim());
            let is_new = match key {
                "interval" => interval.replace(seconds(key, value)?).is_none(),
                "window" => window.replace(seconds(key, value)?).is_none(),
                "failures" => failures.replace(number(key, value)?).is_none(),
                "checks" => checks.replace(number(key, value)?).is_none(),
                "threshold" => threshold.replace(share(value)?).is_none(),
                _ => return Err(format!("a rule has no `{key}`: write it as {FORM}")),
            };
            if !is_new {
                return Err(format!("`{key}` stands twice in the rule `{text}`: give it once"));
            }
        }
        let missing = |key: &str| format!("the rule `{text}` has no `{key}`: write it as {FORM}");
        let interval = interval.ok_or_else(|| missing("interval"))?;
        let failures = failures.ok_or_else(|| missing("failures"))?;
        let threshold = threshold.ok_or_else(|| missing("threshold"))?;
        if checks.is_some_and(|checks| checks < failures) {
            return Err(format!(
                "the rule `{text}` can never take a candidate back: it has fewer checks than failures; \
                 give more `checks`, or leave them out"
            ));
        }
        Ok(Self { interval, failures, threshold, window: window.unwrap_or(interval), checks })
    }
}

/// A time such as `30s`, `5m` or `1h`, from one second to a day.
fn seconds(key: &str, text: &str) -> Result<f64, String> {
    let size = [("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let read = size
        .iter()
        .find_map(|(unit, size)| Some(text.strip_suffix(unit)?.parse::<u32>().ok()? as f64 * size));
    read.filter(|seconds| (1.0..=86_400.0).contains(seconds)).ok_or_else(|| {
        format!("`{key}={text}` is not a time of 1 s to 24 h: write a whole number with its unit, such as `60s` or `5m`")
    })
}

fn number(key: &str, text: &str) -> Result<u32, String> {
    let read = text.parse::<u32>().ok();
    read.filter(|number| (1..=100_000).contains(number)).ok_or_else(|| {
        format!("`{key}={text}` is not a number of checks: write a whole number from 1 on, such as `3`")
    })
}

fn share(text: &str) -> Result<f64, String> {
    let read = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
    read.filter(|percent| (0.0..100.0).contains(percent)).map(|percent| percent / 100.0).ok_or_else(|| {
        format!("`threshold={text}` is not a share of failed requests: write a percentage from 0 to below 100, such as `1%`")
    })
}

/// A rule at work on one trial.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    rule: FixedRule,
    next: f64,
    checks: u32,
    failed: u32,
    /// What the candidate answered within the window: until which second, how many requests, how many of them bad.
    seen: VecDeque<(f64, u64, u64)>,
}

impl Watch {
    pub(super) fn new(rule: FixedRule) -> Self {
        Self { rule, next: rule.interval, checks: 0, failed: 0, seen: VecDeque::new() }
    }

    /// One check at that second.
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more than 53 bits")]
    fn check(&mut self, seconds: f64) {
        while self.seen.front().is_some_and(|(at, ..)| *at <= seconds - self.rule.window + 1e-9) {
            self.seen.pop_front();
        }
        let requests: u64 = self.seen.iter().map(|(_, requests, _)| requests).sum();
        let bad: u64 = self.seen.iter().map(|(.., bad)| bad).sum();
        self.checks += 1;
        self.failed += u32::from(requests > 0 && bad as f64 > self.rule.threshold * requests as f64);
    }
}

impl Judge for Watch {
    fn look(&mut self, block: &Block, seconds: f64) -> Verdict {
        let is_over = |watch: &Self| watch.rule.checks.is_some_and(|checks| watch.checks >= checks);
        if is_over(self) {
            return Verdict::Pass;
        }
        self.seen.push_back((seconds, block.candidate.requests, block.candidate.errors));
        if seconds + 1e-9 >= self.next {
            self.next += self.rule.interval;
            self.check(seconds);
        }
        if self.failed >= self.rule.failures {
            Verdict::Fail
        } else if is_over(self) {
            Verdict::Pass
        } else {
            Verdict::Inconclusive
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::Counts;

    #[test]
    fn rules_are_read_as_they_are_written() {
        for text in [
            "interval=1m,failures=3,threshold=1%",
            "interval=30s,failures=1,threshold=0.5%,window=5m",
            "interval=1h,failures=2,threshold=0%,checks=4",
            "interval=90s,failures=2,threshold=12.25%,window=1h,checks=40",
        ] {
            assert_eq!(text.parse::<FixedRule>().unwrap().to_string(), text);
        }
        let spaced = " interval = 60s , failures = 3 , threshold = 1% ".parse::<FixedRule>().unwrap();
        assert_eq!(spaced.to_string(), "interval=1m,failures=3,threshold=1%");
    }

    #[test]
    fn what_is_wrong_with_a_rule_is_named() {
        for (text, words) in [
            ("", "is not KEY=VALUE"),
            ("interval", "`interval` in the rule is not KEY=VALUE"),
            ("interval=60s,limit=3,threshold=1%", "a rule has no `limit`"),
            ("failures=3,threshold=1%", "has no `interval`"),
            ("interval=60s,threshold=1%", "has no `failures`"),
            ("interval=60s,failures=3", "has no `threshold`"),
            ("interval=60,failures=3,threshold=1%", "`interval=60` is not a time"),
            ("interval=0s,failures=3,threshold=1%", "is not a time"),
            ("interval=99h,failures=3,threshold=1%", "is not a time"),
            ("interval=60s,failures=0,threshold=1%", "`failures=0` is not a number of checks"),
            ("interval=60s,failures=3,threshold=1", "`threshold=1` is not a share"),
            ("interval=60s,failures=3,threshold=100%", "is not a share"),
            ("interval=60s,failures=3,threshold=NaN%", "is not a share"),
            ("interval=60s,interval=60s,failures=3,threshold=1%", "stands twice"),
            ("interval=60s,failures=3,threshold=1%,checks=2", "can never take a candidate back"),
        ] {
            let error = text.parse::<FixedRule>().unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    fn block(requests: u64, errors: u64) -> Block {
        Block { candidate: Counts { requests, errors, slow: 0 }, ..Block::default() }
    }

    /// What the rule says at each second of these.
    fn said(rule: &str, blocks: &[Block]) -> Vec<Verdict> {
        let mut watch = Watch::new(rule.parse().unwrap());
        (1..).zip(blocks).map(|(second, block)| watch.look(block, f64::from(second))).collect()
    }

    #[test]
    fn failed_checks_are_counted_and_need_not_follow_each_other() {
        let blocks = [
            block(10, 1),
            block(10, 0),
            block(10, 0),
            block(10, 0),
            block(0, 0),
            block(0, 0),
            block(9, 9),
            block(9, 9),
        ];
        let said = said("interval=2s,failures=2,threshold=1%", &blocks);
        // Checked at 2, 4, 6 and 8: failed, good, nothing to see, failed.
        assert_eq!(said[6], Verdict::Inconclusive);
        assert_eq!(said[7], Verdict::Fail);
    }

    #[test]
    fn a_share_at_the_threshold_is_borne_and_the_window_slides() {
        assert!(
            said("interval=1s,failures=1,threshold=10%", &[block(10, 1); 5])
                .iter()
                .all(|it| *it != Verdict::Fail)
        );
        let blocks = [block(10, 5), block(10, 0), block(10, 0), block(10, 0)];
        let failed = |rule| said(rule, &blocks).iter().position(|it| *it == Verdict::Fail);
        assert_eq!(failed("interval=1s,failures=3,threshold=10%,window=3s"), Some(2));
        assert_eq!(failed("interval=1s,failures=3,threshold=10%,window=2s"), None);
    }

    #[test]
    fn after_its_checks_it_looks_no_more() {
        let blocks = [block(10, 0), block(10, 0), block(10, 10), block(10, 10)];
        let said = said("interval=1s,failures=1,threshold=10%,checks=2", &blocks);
        assert_eq!(said[1..], [Verdict::Pass; 3]);
    }
}
