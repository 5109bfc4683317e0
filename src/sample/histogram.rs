//! Latencies in buckets whose width grows with the value.

use std::time::Duration;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

/// Each power of two is cut into this many buckets, so a bucket is at most 1/32 (3.1 %) of its value wide.
const PARTS: u64 = 32;
const PARTS_LOG2: u32 = PARTS.ilog2();

/// Counts of latencies, exact to the microsecond below 32 µs and to 3.1 % above.
///
/// The layout is that of a log-linear histogram (as HdrHistogram has it): a constant relative error at every magnitude, and
/// two histograms are added by adding their counts. A quantile is the upper edge of its bucket: it never flatters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: Vec<u64>,
    count: u64,
    max_us: u64,
}

impl Histogram {
    /// Counts one latency.
    pub fn record(&mut self, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let index = bucket(us);
        if index >= self.counts.len() {
            self.counts.resize(index + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(index) {
            *count += 1;
        }
        self.count += 1;
        self.max_us = self.max_us.max(us);
    }

    /// How many latencies were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The longest latency, exactly; zero when there is none.
    #[must_use]
    pub fn max(&self) -> Duration {
        Duration::from_micros(self.max_us)
    }

    /// The latency that a share `q` (0 to 1) of the requests did not exceed; `None` when there is none.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        if self.count == 0 {
            return None;
        }
        let rank = ((q.clamp(0.0, 1.0) * self.count as f64).ceil() as u64).max(1);
        let mut below = 0;
        for (index, count) in self.counts.iter().enumerate() {
            below += count;
            if below >= rank {
                return Some(Duration::from_micros(upper_edge(index).min(self.max_us)));
            }
        }
        Some(self.max())
    }

    /// The median.
    #[must_use]
    pub fn p50(&self) -> Option<Duration> {
        self.quantile(0.50)
    }

    /// The 95th percentile.
    #[must_use]
    pub fn p95(&self) -> Option<Duration> {
        self.quantile(0.95)
    }

    /// The 99th percentile.
    #[must_use]
    pub fn p99(&self) -> Option<Duration> {
        self.quantile(0.99)
    }

    /// Adds the counts of another histogram.
    pub fn merge(&mut self, other: &Self) {
        if other.counts.len() > self.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.count += other.count;
        self.max_us = self.max_us.max(other.max_us);
    }
}

/// Written as its count and its quantiles in milliseconds, which is what reports show.
impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ms = |d: Option<Duration>| d.map(|d| d.as_secs_f64() * 1000.0);
        let mut out = serializer.serialize_struct("Histogram", 5)?;
        out.serialize_field("count", &self.count)?;
        out.serialize_field("p50_ms", &ms(self.p50()))?;
        out.serialize_field("p95_ms", &ms(self.p95()))?;
        out.serialize_field("p99_ms", &ms(self.p99()))?;
        out.serialize_field("max_ms", &ms((self.count > 0).then(|| self.max())))?;
        out.end()
    }
}

fn bucket(us: u64) -> usize {
    if us < PARTS {
        return us as usize;
    }
    let shift = us.ilog2() - PARTS_LOG2;
    let within = (us >> shift) - PARTS;
    (u64::from(shift + 1) * PARTS + within) as usize
}

fn upper_edge(index: usize) -> u64 {
    let index = index as u64;
    if index < PARTS {
        return index;
    }
    let shift = index / PARTS - 1;
    let next = u128::from(index % PARTS + PARTS + 1) << shift;
    u64::try_from(next - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn us(n: u64) -> Duration {
        Duration::from_micros(n)
    }

    #[test]
    fn an_empty_histogram_has_no_quantile() {
        assert_eq!(Histogram::default().p99(), None);
    }

    #[test]
    fn quantiles_of_a_thousand_known_latencies_are_within_their_bucket() {
        let mut h = Histogram::default();
        (1..=1000).for_each(|ms| h.record(Duration::from_millis(ms)));
        for (q, true_ms) in [(0.5, 500.0), (0.95, 950.0), (0.99, 990.0), (1.0, 1000.0)] {
            let got = h.quantile(q).unwrap().as_secs_f64() * 1000.0;
            assert!(got >= true_ms && got <= true_ms * (1.0 + 1.0 / 32.0), "q{q}: {got} for {true_ms}");
        }
        assert_eq!(h.max(), Duration::from_secs(1));
    }

    #[test]
    fn one_slow_request_in_a_hundred_moves_p99_only_beyond_its_rank() {
        let mut h = Histogram::default();
        (0..99).for_each(|_| h.record(us(10)));
        h.record(us(1_000_000));
        assert_eq!(h.p99(), Some(us(10)));
        assert_eq!(h.quantile(0.991), Some(us(1_000_000)));
    }

    proptest! {
        #[test]
        fn every_value_lies_in_its_bucket_and_buckets_are_in_order(value in any::<u64>()) {
            let index = bucket(value);
            prop_assert!(value <= upper_edge(index));
            prop_assert!(index == 0 || value > upper_edge(index - 1));
            prop_assert!((upper_edge(index) - value) as f64 <= value as f64 / 32.0 + 1e-9);
        }

        #[test]
        fn merging_is_the_same_as_recording_both(a in prop::collection::vec(0_u64..10_000_000, 0..50),
                                                 b in prop::collection::vec(0_u64..10_000_000, 0..50)) {
            let (mut left, mut right, mut both) = (Histogram::default(), Histogram::default(), Histogram::default());
            a.iter().for_each(|v| { left.record(us(*v)); both.record(us(*v)); });
            b.iter().for_each(|v| { right.record(us(*v)); both.record(us(*v)); });
            left.merge(&right);
            prop_assert_eq!(left, both);
        }
    }
}
