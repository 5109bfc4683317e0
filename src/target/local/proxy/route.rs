//! Which release, and which instance of it, a request goes to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use http::HeaderValue;

use super::meter::Meter;
use super::table::{InstanceKey, Table};
use super::upstream::Upstream;
use crate::rollout::ReleaseId;

/// A table made ready for use.
pub(super) struct Routes {
    pub(super) table: Arc<Table>,
    pub(super) generation: u64,
    pools: Vec<Arc<PoolRoute>>,
    shares: Shares,
}

/// One release as requests see it.
pub(super) struct PoolRoute {
    pub(super) release: ReleaseId,
    pub(super) version: Option<HeaderValue>,
    pub(super) meter: Arc<Meter>,
    weight: u64,
    candidate: bool,
    instances: Vec<Arc<Upstream>>,
    turn: AtomicUsize,
}

/// What a request asks for beyond the weights.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Wish {
    /// Nothing.
    #[default]
    None,
    /// The candidate, by header.
    Candidate,
    /// The release that its visitor saw before, by cookie.
    Release(String),
}

impl PoolRoute {
    pub(super) fn new(pool: &super::table::Pool, meter: Arc<Meter>, instances: Vec<Arc<Upstream>>) -> Self {
        Self {
            release: pool.release.clone(),
            version: HeaderValue::from_str(&pool.version).ok(),
            meter,
            weight: u64::from(pool.weight.basis_points()),
            candidate: pool.candidate,
            instances,
            turn: AtomicUsize::new(0),
        }
    }

    /// The instance with the least in flight that was not tried; equals take turns.
    fn least_loaded(&self, tried: &[InstanceKey]) -> Option<&Arc<Upstream>> {
        if let ([only], []) = (self.instances.as_slice(), tried) {
            return Some(only);
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.instances.len().max(1);
        let (before, from) = self.instances.split_at_checked(turn)?;
        from.iter()
            .chain(before)
            .filter(|upstream| !tried.contains(&upstream.key))
            .min_by_key(|upstream| upstream.load.total())
    }
}

impl Routes {
    pub(super) fn new(table: Arc<Table>, generation: u64, pools: Vec<Arc<PoolRoute>>) -> Self {
        let weights: Vec<u64> =
            pools.iter().map(|pool| if pool.instances.is_empty() { 0 } else { pool.weight }).collect();
        let shares = Shares::new(&weights);
        Self { table, generation, pools, shares }
    }

    /// True when no release can take a request.
    pub(super) fn holds(&self) -> bool {
        self.shares.length == 0
    }

    /// Every instance in the table.
    pub(super) fn upstreams(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.pools.iter().flat_map(|pool| &pool.instances)
    }

    /// Chooses for a new request. `None`: hold it.
    pub(super) fn choose(
        &self,
        wish: &Wish,
        sequence: &AtomicU64,
    ) -> Option<(&Arc<PoolRoute>, &Arc<Upstream>)> {
        let pool = match wish {
            Wish::Candidate => self.pools.iter().find(|pool| pool.candidate && !pool.instances.is_empty()),
            Wish::Release(release) => self.pools.iter().find(|pool| {
                pool.weight > 0 && !pool.instances.is_empty() && pool.release.as_str() == release
            }),
            Wish::None => None,
        };
        let pool = match pool {
            Some(pool) => pool,
            None => self.pools.get(self.shares.next(sequence)?)?,
        };
        Some((pool, pool.least_loaded(&[])?))
    }

    /// Chooses again after instances failed: another one of the same release, or else any release with a share.
    pub(super) fn choose_other(
        &self,
        release: &ReleaseId,
        tried: &[InstanceKey],
    ) -> Option<(&Arc<PoolRoute>, &Arc<Upstream>)> {
        let same = self.pools.iter().filter(|pool| pool.release == *release);
        let others = self.pools.iter().filter(|pool| pool.release != *release && pool.weight > 0);
        same.chain(others).find_map(|pool| Some((pool, pool.least_loaded(tried)?)))
    }
}

/// Deals out a sequence of numbers by weight: exactly in every full round, and evenly within it.
///
/// The sum of the weights is the length of a round, usually 10,000. The n-th request takes the place `n × step mod length` on
/// a line on which each release owns as many places as its weight. The step has no common divisor with the length, so each
/// place is taken once a round: shares are exact. It is the one nearest to the golden section of the length, whose multiples
/// spread most evenly (Steinhaus' three-gap theorem; a rank-1 lattice): a canary of 5 % sees every 13th, 21st or 34th request
/// rather than a random burst. Strictly every 20th would be more even still, but would always meet the same file of a page
/// that consists of 20.
#[derive(Debug)]
struct Shares {
    /// End of each pool's places.
    ends: Vec<u64>,
    length: u64,
    step: u64,
    /// The pool that has all places, where there is one.
    only: Option<usize>,
}

/// Rounds are at least this long, so that also few and small weights are mixed well.
const ROUND: u64 = 10_000;

impl Shares {
    fn new(weights: &[u64]) -> Self {
        let sum: u64 = weights.iter().sum();
        let factor = if sum == 0 { 1 } else { ROUND.div_ceil(sum) };
        let mut length = 0;
        let ends = weights
            .iter()
            .map(|weight| {
                length += weight * factor;
                length
            })
            .collect();
        let only = weights.iter().position(|weight| *weight == sum && sum > 0);
        Self { ends, length, step: golden_step(length), only }
    }

    fn next(&self, sequence: &AtomicU64) -> Option<usize> {
        if self.only.is_some() || self.length == 0 {
            return self.only;
        }
        self.at(sequence.fetch_add(1, Ordering::Relaxed))
    }

    fn at(&self, number: u64) -> Option<usize> {
        let place = (number % self.length) * self.step % self.length;
        self.ends.iter().position(|end| place < *end)
    }
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// The number coprime to `length` that is nearest to its golden section.
fn golden_step(length: u64) -> u64 {
    let golden = length * 618_034 / 1_000_000;
    (0..length)
        .flat_map(|distance| [golden + distance, golden.saturating_sub(distance)])
        .find(|step| greatest_common_divisor(*step, length) == 1)
        .unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dealt(weights: &[u64], rounds: std::ops::Range<u64>) -> Vec<usize> {
        let shares = Shares::new(weights);
        rounds.map(|number| shares.at(number).unwrap()).collect()
    }

    #[test]
    fn shares_are_exact_in_ten_thousand() {
        for weights in [[500, 9500], [1, 9999], [3333, 6667], [5000, 5000], [2500, 7500]] {
            for start in [0, 7, 123_456] {
                let first = dealt(&weights, start..start + 10_000).iter().filter(|pool| **pool == 0).count();
                assert_eq!(first as u64, weights[0], "{weights:?} from {start}");
            }
        }
    }

    #[test]
    fn a_share_is_spread_evenly_from_the_first_request_on() {
        for (weights, least, most) in [([500, 9500], 13, 34), ([700, 9300], 8, 21), ([3300, 6700], 2, 5)] {
            let pools = dealt(&weights, 0..20_000);
            let hits: Vec<usize> = (0..pools.len()).filter(|number| pools[*number] == 0).collect();
            for pair in hits.windows(2) {
                let gap = pair[1] - pair[0];
                assert!((least..=most).contains(&gap), "{weights:?}: a gap of {gap}");
            }
            for window in pools.windows(1_000) {
                let count = window.iter().filter(|pool| **pool == 0).count() as u64;
                assert!(count.abs_diff(weights[0] / 10) <= 3, "{weights:?}: {count} in 1,000");
            }
        }
    }

    #[test]
    fn weights_need_not_be_full_and_zero_gets_nothing() {
        let pools = dealt(&[0, 500, 500, 0], 0..10_000);
        assert_eq!(pools.iter().filter(|pool| **pool == 1).count(), 5_000);
        assert_eq!(pools.iter().filter(|pool| **pool == 2).count(), 5_000);
        assert_eq!(Shares::new(&[0, 1, 0]).next(&AtomicU64::new(0)), Some(1));
        assert!(Shares::new(&[0, 0]).next(&AtomicU64::new(0)).is_none());
        assert!(Shares::new(&[]).next(&AtomicU64::new(0)).is_none());
    }
}
