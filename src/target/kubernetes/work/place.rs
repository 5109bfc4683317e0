//! In place: the objects are applied, and workloads replace their pods themselves.

use std::time::Duration;

use super::Work;
use crate::rollout::{Release, ReleaseId};
use crate::target::TargetError;
use crate::target::kubernetes::apply::job::is_job;
use crate::target::kubernetes::names::BESIDE;
use kube::ResourceExt;

/// How long sets that stand beside may take to end before others take their place.
const CLEARED: Duration = Duration::from_secs(60);

impl Work {
    /// Has `instances` instances of a release.
    pub(in super::super) async fn scale(
        &self,
        release: &ReleaseId,
        instances: u32,
        _releases: &[&Release],
    ) -> Result<(), TargetError> {
        let bundle = self.bundle(release).await?;
        if self.framed().await.in_place {
            self.place(release, &bundle).await
        } else {
            self.stand_beside(release, &bundle, instances).await
        }
    }

    async fn place(&self, release: &ReleaseId, bundle: &super::Bundle) -> Result<(), TargetError> {
        let frame = self.frame();
        if let Some(stable) = frame.stable.as_ref().filter(|stable| Some(*stable) != frame.baseline.as_ref())
        {
            self.settle_what_was_left(stable).await?;
        }
        self.clear_beside().await?;
        let snapshot = self.snapshot().await?;
        let others = [&frame.stable, &frame.candidate].into_iter().flatten();
        let former = match others.clone().find(|id| *id != release) {
            Some(other) if Some(release) == frame.candidate.as_ref() => Some(self.bundle(other).await?),
            _ => None,
        };
        // What is gone back to keeps the replicas of this moment, too.
        let same = Some(release) == frame.stable.as_ref();
        let former = if same { Some(bundle) } else { former.as_deref() };
        let mut objects = self.rendered(release, bundle, None, &snapshot, former);
        if same || frame.returns {
            // What its Jobs did they did when it came; on the way back nothing is done twice.
            objects.retain(|object| !is_job(&object.key));
        }
        self.fit_strategies(&objects).await?;
        self.release_brake(&snapshot, &frame).await?;
        // A way back must not be refused because of a field that was taken from us in the meantime.
        self.apply_all(&objects, self.config.take_over || same).await
    }

    /// Takes away what stands beside the Deployments: once the Services lead to all pods again, they would lead to those too.
    async fn clear_beside(&self) -> Result<(), TargetError> {
        let snapshot = self.snapshot().await?;
        let beside: Vec<String> = snapshot
            .replica_sets
            .iter()
            .filter(|set| set.labels().contains_key(BESIDE))
            .map(|set| set.name_any())
            .collect();
        for name in &beside {
            self.end_set(name).await?;
            self.remove_set(name).await?;
        }
        if beside.is_empty() {
            return Ok(());
        }
        self.until("the end of the sets that stood beside", CLEARED, |snapshot| {
            let left = snapshot.replica_sets.iter().any(|set| set.labels().contains_key(BESIDE));
            (!left).then_some(())
        })
        .await
    }
}
