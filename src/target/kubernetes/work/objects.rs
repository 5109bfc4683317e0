//! Applying many objects: those of one rank at the same time, rank after rank.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use kube::ResourceExt;
use kube::api::DynamicObject;

use super::Work;
use crate::rollout::ReleaseId;
use crate::target::TargetError;
use crate::target::kubernetes::bundle::{Bundle, Rendering, render};
use crate::target::kubernetes::manifests::{Object, Stamp, rank};
use crate::target::kubernetes::view::{Frame, wanted};
use crate::target::kubernetes::world::Snapshot;

/// How many requests are under way at once.
pub(super) const AT_ONCE: usize = 16;

impl Work {
    /// The objects of a release as they are applied now.
    pub(super) fn rendered(
        &self,
        release: &ReleaseId,
        bundle: &Bundle,
        pin: Option<&ReleaseId>,
        snapshot: &Snapshot,
        former: Option<&Bundle>,
    ) -> Vec<Object> {
        self.rendered_in(&self.frame(), release, bundle, pin, snapshot, former)
    }

    /// The same for another rollout than the one under way.
    pub(super) fn rendered_in(
        &self,
        frame: &Frame,
        release: &ReleaseId,
        bundle: &Bundle,
        pin: Option<&ReleaseId>,
        snapshot: &Snapshot,
        former: Option<&Bundle>,
    ) -> Vec<Object> {
        let replicas = replicas_now(bundle, former, snapshot);
        let stamp =
            Stamp { app: &self.config.app, environment: &self.config.environment, release: release.as_str() };
        let with = Rendering {
            stamp,
            rollout: &frame.rollout,
            drain: self.config.drain,
            pin: pin.map(ReleaseId::as_str),
            as_found: frame.baseline.as_ref() == Some(release),
            recreate: frame.recreate,
            replicas: &replicas,
        };
        render(bundle, with)
    }

    /// Applies objects, rank after rank.
    pub(super) async fn apply_all(&self, objects: &[Object], force: bool) -> Result<(), TargetError> {
        for same in objects.chunk_by(|one, other| rank(&one.key.kind) == rank(&other.key.kind)) {
            let mut under_way = FuturesUnordered::new();
            for object in same {
                if under_way.len() == AT_ONCE {
                    under_way.next().await.transpose()?;
                }
                under_way.push(self.applier.apply(object, force));
            }
            while let Some(applied) = under_way.next().await {
                applied?;
            }
        }
        Ok(())
    }

    pub(super) async fn apply_one(&self, object: &Object) -> Result<DynamicObject, TargetError> {
        self.applier.apply(object, self.config.take_over).await
    }
}

/// How many replicas workloads have now, where that is to stay: an autoscaler decides, or the manifests say the same as those of
/// the former release, so that what a person has set since then counts.
pub(super) fn replicas_now(
    bundle: &Bundle,
    former: Option<&Bundle>,
    snapshot: &Snapshot,
) -> BTreeMap<String, u32> {
    let scaled = |name: &str| {
        bundle.objects().iter().any(|object| {
            let target = &object.value["spec"]["scaleTargetRef"];
            object.key.kind == "HorizontalPodAutoscaler" && target["name"] == name
        })
    };
    let shape = bundle.shape();
    let all = shape.carriers.iter().chain(&shape.others).filter(|workload| workload.kind == "Deployment");
    let mut now = BTreeMap::new();
    for workload in all {
        let Some(live) = snapshot.deployments.iter().find(|one| one.name_any() == workload.name) else {
            continue;
        };
        let before = former.map(Bundle::shape).and_then(|shape| {
            let mut all = shape.carriers.iter().chain(&shape.others);
            all.find(|other| other.kind == workload.kind && other.name == workload.name)
        });
        if scaled(&workload.name) || before.is_some_and(|before| before.replicas == workload.replicas) {
            now.insert(workload.name.clone(), wanted(live));
        }
    }
    now
}
