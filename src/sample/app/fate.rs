//! Which request meets which fault: evenly spread and the same in every run.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Faults;

/// What is to happen to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fate {
    /// Answer with 500.
    pub(super) fails: bool,
    /// Answer so much later.
    pub(super) delay: Option<Duration>,
}

/// Deals out fates.
#[derive(Debug)]
pub(super) struct Fates {
    dealt: AtomicU64,
    fail: f64,
    slow: f64,
    delay: Duration,
    path: Option<String>,
}

impl Fates {
    pub(super) fn new(faults: &Faults) -> Self {
        let delay = Duration::from_millis(faults.slow_ms);
        let path = faults.fail_path.clone();
        Self { dealt: AtomicU64::new(0), fail: faults.fail, slow: faults.slow_share, delay, path }
    }

    /// The fate of the next request. One that cannot fail is not counted where only some can.
    pub(super) fn next(&self, path: &str) -> Fate {
        if self.path.as_ref().is_some_and(|own| own != path) {
            return Fate { fails: false, delay: None };
        }
        let n = self.dealt.fetch_add(1, Ordering::Relaxed);
        Fate { fails: strikes(n, self.fail), delay: strikes(n, self.slow).then_some(self.delay) }
    }
}

/// Whether the request of number `n` (from 0) is one of the share: among any first `n` requests `⌊n × share⌋` are.
///
/// No chance is involved, so 200 requests at 5 % meet exactly 10 faults, and a test of a gate is repeatable. A billionth is
/// added because 0.05 × 20 must not be a hair less than 1.
fn strikes(n: u64, share: f64) -> bool {
    let struck = |count: u64| (count as f64 * share + 1e-9).floor();
    struck(n + 1) > struck(n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failures(share: f64, requests: usize) -> Vec<usize> {
        let fates = Fates::new(&Faults { fail: share, ..Faults::default() });
        (0..requests).filter(|_| fates.next("/").fails).collect()
    }

    #[test]
    fn five_percent_is_every_twentieth() {
        assert_eq!(failures(0.05, 100), [19, 39, 59, 79, 99]);
    }

    #[test]
    fn none_and_all() {
        assert_eq!(failures(0.0, 1000).len(), 0);
        assert_eq!(failures(1.0, 1000).len(), 1000);
    }

    #[test]
    fn every_share_is_met_to_the_request() {
        for (share, expected) in [(0.001, 10), (0.1, 1000), (1.0 / 3.0, 3333), (0.5, 5000), (0.999, 9990)] {
            assert_eq!(failures(share, 10_000).len(), expected, "{share}");
        }
    }

    #[test]
    fn only_one_path_may_fail() {
        let fates = Fates::new(&Faults { fail: 0.5, fail_path: Some("/poll".into()), ..Faults::default() });
        let failed: Vec<bool> = ["/", "/poll", "/", "/poll"].map(|path| fates.next(path).fails).to_vec();
        assert_eq!(failed, [false, false, false, true]);
    }

    #[test]
    fn slowness_is_a_share_of_its_own() {
        let faults = Faults { fail: 0.5, slow_share: 0.25, slow_ms: 30, ..Faults::default() };
        let fates = Fates::new(&faults);
        let dealt: Vec<Fate> = (0..4).map(|_| fates.next("/")).collect();
        assert_eq!(dealt.iter().map(|f| f.fails).collect::<Vec<_>>(), [false, true, false, true]);
        assert_eq!(dealt[3].delay, Some(Duration::from_millis(30)));
        assert!(dealt[..3].iter().all(|f| f.delay.is_none()));
    }
}
