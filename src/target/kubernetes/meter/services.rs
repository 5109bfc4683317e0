//! Which Services stand for which release, for who counts what a router leads to them.

use kube::ResourceExt;

use super::Instance;
use crate::rollout::ReleaseId;
use crate::target::kubernetes::names::RELEASE;
use crate::target::kubernetes::view::{Frame, pinned};
use crate::target::kubernetes::world::Snapshot;

/// The Service of the rollout, for the release that it is held to, and those that other releases have for the time of a rollout. One that leads
/// to several releases stands for none.
pub(in super::super) fn led_to(snapshot: &Snapshot, frame: &Frame) -> Vec<Instance> {
    let main = frame.shape.service.as_deref();
    snapshot
        .services
        .iter()
        .filter_map(|service| {
            let name = service.name_any();
            let own = service.labels().get(RELEASE).map(ReleaseId::new);
            let release = if Some(name.as_str()) == main { pinned(service) } else { own };
            let (release, uid) = (release?, service.metadata.uid.as_deref()?);
            // What it led to before it was held to another release is not that one's.
            let uid = format!("{uid} {release}");
            Some(Instance { pod: name, uid, release, offer: None })
        })
        .collect()
}
