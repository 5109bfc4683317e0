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
        let source = &self.config.counts;
        let meter = self.meter.get_or_init(|| Meter::begin(source, self.client.clone(), namespace, wake));
        let watched = match source.by() {
            By::Pod => instances(snapshot, frame),
            By::Service => led_to(snapshot, frame),
        };
        meter.watch(watched, frame.slow_than);
        let (epoch, traffic) = meter.counts();
        Measured { traffic, epoch, silence: meter.why_silent() }
    }
}
