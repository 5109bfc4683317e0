//! Who answered when: the picture of traffic moving from one version to the next.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

/// The width of a slice at the start of a run.
const FIRST_WIDTH: Duration = Duration::from_millis(100);

/// With this many slices (ten minutes at the first width) neighbours are joined, so memory stays bounded however long a run is.
const MOST_SLICES: usize = 6000;

/// What happened in one slice of time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Slice {
    /// Answers by version, counted when they ended.
    pub answered: BTreeMap<String, u32>,
    /// Those of them that were errors of the app (5xx).
    pub errors: u32,
    /// Requests lost.
    pub lost: u32,
}

impl Slice {
    /// The share of the answers in this slice that `version` gave (0 to 1); `None` when there was no answer.
    #[must_use]
    pub fn share(&self, version: &str) -> Option<f64> {
        let all: u32 = self.answered.values().sum();
        let own = self.answered.get(version).copied().unwrap_or_default();
        (all > 0).then(|| f64::from(own) / f64::from(all))
    }

    fn absorb(&mut self, other: &Self) {
        for (version, count) in &other.answered {
            *self.answered.entry(version.clone()).or_default() += count;
        }
        self.errors += other.errors;
        self.lost += other.lost;
    }
}

/// Slices of equal width from the start of the load. Slice `i` covers `[i × width, (i + 1) × width)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Series {
    /// The width of a slice: 100 ms, and twice as much each time that the series had grown too long.
    #[serde(serialize_with = "crate::sample::ledger::millis", rename = "width_ms")]
    pub width: Duration,
    /// The slices, up to the last one in which anything happened.
    pub slices: Vec<Slice>,
}

impl Default for Series {
    fn default() -> Self {
        Self { width: FIRST_WIDTH, slices: Vec::new() }
    }
}

impl Series {
    /// The slice that `at` (since the start of the load) falls into, made when it is new.
    pub(super) fn at(&mut self, at: Duration) -> &mut Slice {
        let mut index = self.index(at);
        while index >= MOST_SLICES {
            self.join_neighbours();
            index = self.index(at);
        }
        if index >= self.slices.len() {
            self.slices.resize_with(index + 1, Slice::default);
        }
        &mut self.slices[index]
    }

    fn index(&self, at: Duration) -> usize {
        usize::try_from(at.as_nanos() / self.width.as_nanos().max(1)).unwrap_or(usize::MAX)
    }

    fn join_neighbours(&mut self) {
        self.width *= 2;
        self.slices = self
            .slices
            .chunks(2)
            .map(|pair| {
                let mut joined = pair[0].clone();
                pair[1..].iter().for_each(|next| joined.absorb(next));
                joined
            })
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn a_moment_falls_into_its_slice() {
        let mut series = Series::default();
        series.at(ms(99)).lost += 1;
        series.at(ms(100)).lost += 10;
        let lost: Vec<u32> = series.slices.iter().map(|s| s.lost).collect();
        assert_eq!(lost, [1, 10]);
    }

    #[test]
    fn shares_are_of_the_answers_only() {
        let mut slice = Slice::default();
        assert_eq!(slice.share("1"), None);
        slice.answered.insert("1".into(), 3);
        slice.answered.insert("2".into(), 1);
        slice.lost = 96;
        assert_eq!(slice.share("1"), Some(0.75));
        assert_eq!(slice.share("3"), Some(0.0));
    }

    #[test]
    fn a_long_run_is_joined_and_loses_no_count() {
        let mut series = Series::default();
        for i in 0..20_000_u64 {
            let slice = series.at(ms(i * 100));
            *slice.answered.entry("1".into()).or_default() += 1;
            slice.errors += 1;
        }
        assert_eq!(series.width, ms(400));
        assert_eq!(series.slices.len(), 5000);
        assert!(series.slices.iter().all(|s| s.answered["1"] == 4 && s.errors == 4));
    }

    #[test]
    fn a_far_moment_does_not_grow_memory() {
        let mut series = Series::default();
        series.at(Duration::from_secs(86_400 * 365)).lost += 1;
        assert!(series.slices.len() <= MOST_SLICES);
        assert_eq!(series.slices.iter().map(|s| s.lost).sum::<u32>(), 1);
    }
}
