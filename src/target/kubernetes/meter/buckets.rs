//! Histograms of latency, as the buckets of the Prometheus text format: how many requests took longer than a bound. Pure.

use std::collections::BTreeMap;

use super::line::Labels;
use super::text::whole;

/// The buckets of each series of a histogram: bound and count.
#[derive(Debug, Default)]
pub(super) struct Buckets<'a>(BTreeMap<Labels<'a>, Vec<(f64, f64)>>);

impl<'a> Buckets<'a> {
    /// Takes in one bucket; its bound is in the label `le`.
    pub(super) fn take(&mut self, mut labels: Labels<'a>, value: f64) {
        let bound = labels.iter().position(|(name, _)| *name == "le").map(|at| labels.remove(at).1);
        if let Some(Ok(bound)) = bound.map(|bound| bound.parse()) {
            self.0.entry(labels).or_default().push((bound, value));
        }
    }

    /// How many requests were over the bound, or over the next bucket below it; where all buckets are above it, over the lowest.
    /// Nothing where there are no buckets.
    pub(super) fn slow(&self, bound: f64) -> Option<u64> {
        // A bound that was converted must not miss its own bucket by a hair.
        let bound = bound * (1.0 + 1e-9);
        let over = |buckets: &Vec<(f64, f64)>| {
            let all = buckets.iter().find(|(le, _)| le.is_infinite())?.1;
            let finite = || buckets.iter().filter(|(le, _)| le.is_finite());
            let below = finite().filter(|(le, _)| *le <= bound).max_by(|a, b| a.0.total_cmp(&b.0));
            let (_, within) = below.or_else(|| finite().min_by(|a, b| a.0.total_cmp(&b.0)))?;
            Some(all - within)
        };
        let over: Vec<f64> = self.0.values().filter_map(over).collect();
        (!over.is_empty()).then(|| whole(over.into_iter().sum()))
    }
}
