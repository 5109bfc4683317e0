//! Latency in fixed logarithmic buckets.

use std::time::Duration;

/// Number of buckets; the last has no upper bound.
pub(super) const BUCKETS: usize = 90;
/// The first bucket ends at 2^FIRST microseconds.
const FIRST: u32 = 6;

/// How long requests took. Each doubling from 64 µs to 268 s is divided into four buckets of equal width, so that a quantile
/// is at most a quarter too high.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latency {
    /// In ascending order of their bounds.
    pub buckets: Vec<Bucket>,
    /// Sum of all that was measured.
    pub sum: Duration,
}

/// One class of latencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// Latencies in it are below this; `None`: no bound.
    pub below: Option<Duration>,
    /// How many there were.
    pub count: u64,
}

impl Latency {
    /// Upper bound of the bucket in which the quantile lies (0.99 for p99). `None` when nothing was measured or it lies in
    /// the last bucket.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let total: u64 = self.buckets.iter().map(|bucket| bucket.count).sum();
        let mut seen = 0;
        for bucket in &self.buckets {
            seen += bucket.count;
            if seen > 0 && seen as f64 >= share * total as f64 {
                return bucket.below;
            }
        }
        None
    }

    pub(super) fn from_counts(counts: &[u64; BUCKETS], sum: Duration) -> Self {
        let buckets =
            counts.iter().enumerate().map(|(index, &count)| Bucket { below: bound(index), count }).collect();
        Self { buckets, sum }
    }
}

/// The bucket for a latency.
pub(super) fn index(latency: Duration) -> usize {
    let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
    if micros < 1 << FIRST {
        return 0;
    }
    let octave = micros.ilog2();
    let quarter = (micros >> (octave - 2)) & 3;
    (1 + (octave - FIRST) as usize * 4 + quarter as usize).min(BUCKETS - 1)
}

/// The upper bound of a bucket.
fn bound(index: usize) -> Option<Duration> {
    if index + 1 >= BUCKETS {
        return None;
    }
    if index == 0 {
        return Some(Duration::from_micros(1 << FIRST));
    }
    let octave = FIRST as usize + (index - 1) / 4;
    let quarter = (index - 1) % 4;
    Some(Duration::from_micros((5 + quarter as u64) << (octave - 2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_latency_lies_below_its_bound_and_not_below_the_one_before() {
        for micros in (0..2_000).chain((0..60).map(|power| 1_u64 << power)).chain([99_999, 1_500_000]) {
            let latency = Duration::from_micros(micros);
            let at = index(latency);
            assert!(bound(at).is_none_or(|bound| latency < bound), "{micros} µs in bucket {at}");
            assert!(
                at == 0 || bound(at - 1).is_some_and(|bound| latency >= bound),
                "{micros} µs in bucket {at}"
            );
        }
    }

    #[test]
    fn a_quantile_is_the_bound_of_its_bucket() {
        let mut counts = [0; BUCKETS];
        counts[index(Duration::from_millis(1))] = 99;
        counts[index(Duration::from_millis(100))] = 1;
        let latency = Latency::from_counts(&counts, Duration::ZERO);
        assert_eq!(latency.quantile(0.5), Some(Duration::from_micros(1024)));
        assert_eq!(latency.quantile(0.99), Some(Duration::from_micros(1024)));
        assert_eq!(latency.quantile(1.0), Some(Duration::from_micros(114_688)));
    }

    #[test]
    fn nothing_measured_has_no_quantile() {
        assert_eq!(Latency::from_counts(&[0; BUCKETS], Duration::ZERO).quantile(0.5), None);
    }
}
