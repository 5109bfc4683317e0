//! What the releases have answered, for a rollout that compares them.

use std::collections::BTreeMap;

use super::Work;
use crate::rollout::{Counts, ReleaseId};
use crate::target::kubernetes::meter::{By, Meter, instances, led_to};
use crate::target::kubernetes::view::Frame;
use crate::target::kubernetes::world::Snapshot;

/// What is known of the releases' answers.
#[derive(Debug, Default)]
pub(super) struct Measured {
    pub(super) traffic: BTreeMap<ReleaseId, Counts>,
    pub(super) epoch: u64,
    pub(super) silence: Option<String>,
}

impl Work {
    /// What the meter has counted up to now; it begins with the first look of a rollout that compares, and rests in others.
    pub(super) fn measured(&self, snapshot: &Snapshot, frame: &Frame) -> Measured {
        if !frame.compares {
            if let Some(meter) = self.meter.get() {
                meter.watch(Vec::new(), None);
            }
            return Measured::default();
        }
        let (namespace, wake) = (&self.config.namespace, self.world().waker());
        let begin = || match &self.config.prometheus {
            Some(source) => Meter::of_prometheus(source.clone(), namespace, wake),
            None => Meter::of_pods(self.client.clone(), namespace, wake),
        };
        let meter = self.meter.get_or_init(begin);
        let by = self.config.prometheus.as_ref().map_or(By::Pod, |source| source.queries.by);
        let watched = match by {
            By::Pod => instances(snapshot, frame),
            By::Service => led_to(snapshot, frame),
        };
        meter.watch(watched, frame.slow_than);
        let (epoch, traffic) = meter.counts();
        Measured { traffic, epoch, silence: meter.why_silent() }
    }
}
