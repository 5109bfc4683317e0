//! How many pods a rollout needs beyond those that run: what a quota must have room for.

use std::collections::BTreeMap;

use kube::ResourceExt;
use serde_json::Value;

use super::Work;
use super::objects::replicas_now;
use crate::rollout::Plan;
use crate::target::TargetError;
use crate::target::kubernetes::bundle::Bundle;
use crate::target::kubernetes::manifests::{Key, Object};
use crate::target::kubernetes::view::wanted;

/// How a workload gets its new pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// A whole set beside the one that is there.
    Beside,
    /// It replaces them itself.
    InPlace,
    /// The old ones end first.
    Recreate,
}

impl Work {
    /// How many pods there will be at most beyond those that run now, by workload.
    pub(in super::super) async fn extra_pods(
        &self,
        plan: &Plan,
        bundle: &Bundle,
    ) -> Result<BTreeMap<Key, u32>, TargetError> {
        let snapshot = self.snapshot().await?;
        // What the manifests say counts here unless an autoscaler decides: the greater number is the safe one.
        let kept = replicas_now(bundle, None, &snapshot);
        let is_kept = plan.kept >= plan.instances;
        let mut extra = BTreeMap::new();
        for object in bundle.objects().iter().filter(|object| object.key.group() == "apps") {
            let (name, carries) = (&object.key.name, bundle.shape().carries(object));
            let now = match object.key.kind.as_str() {
                "Deployment" => {
                    let found = snapshot.deployments.iter().find(|one| one.name_any() == *name);
                    found.map(|live| wanted(live))
                }
                "StatefulSet" => {
                    let found = snapshot.stateful_sets.iter().find(|one| one.name_any() == *name);
                    let replicas =
                        found.map(|live| live.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1));
                    replicas.and_then(|n| u32::try_from(n).ok())
                }
                _ => continue,
            };
            let how = match () {
                () if carries && plan.in_place && plan.exclusive() => How::Recreate,
                () if carries && !plan.in_place && is_kept => continue,
                () if carries && !plan.in_place => How::Beside,
                () => How::InPlace,
            };
            extra.insert(object.key.clone(), extra_of(object, kept.get(name).copied(), now, how));
        }
        Ok(extra)
    }
}

/// The pods of one workload beyond the `now` that it has, where it has any; `kept` is its number where that is not the manifest's.
fn extra_of(object: &Object, kept: Option<u32>, now: Option<u32>, how: How) -> u32 {
    let spec = &object.value["spec"];
    let written = spec["replicas"].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(1);
    let all = kept.unwrap_or(written);
    let now = now.unwrap_or(0);
    let more = all.saturating_sub(now);
    match how {
        How::Beside => all.max(now),
        _ if now == 0 => all,
        How::InPlace if object.key.kind == "Deployment" && spec["strategy"]["type"] != "Recreate" => {
            more + surge(&spec["strategy"]["rollingUpdate"]["maxSurge"], all)
        }
        How::InPlace | How::Recreate => more,
    }
}

/// `maxSurge` of so many pods, rounded up as the cluster does; by default a quarter.
fn surge(written: &Value, all: u32) -> u32 {
    let percent = |percent: u32| (all.saturating_mul(percent)).div_ceil(100);
    match written {
        Value::Number(number) => number.as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
        Value::String(text) => text.trim_end_matches('%').parse().map_or(0, percent),
        _ => percent(25),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::target::kubernetes::manifests::parse;

    #[test]
    fn what_comes_in_addition_depends_on_how_the_pods_are_replaced() {
        let object = |kind: &str, spec: &str| {
            let text =
                format!("apiVersion: apps/v1\nkind: {kind}\nmetadata: {{ name: web }}\nspec: {{ {spec} }}\n");
            parse(Path::new("x.yaml"), &text).unwrap().remove(0)
        };
        let four = object("Deployment", "replicas: 4");
        let surging = object("Deployment", "replicas: 4, strategy: { rollingUpdate: { maxSurge: 30% } }");
        let ending = object("Deployment", "replicas: 4, strategy: { type: Recreate }");
        let stateful = object("StatefulSet", "replicas: 4");
        for (object, kept, now, how, extra) in [
            (&four, None, None, How::InPlace, 4),
            (&four, None, Some(4), How::InPlace, 1),
            (&four, None, Some(2), How::InPlace, 3),
            (&four, Some(8), Some(8), How::InPlace, 2),
            (&four, None, Some(4), How::Beside, 4),
            (&four, None, Some(6), How::Beside, 6),
            (&four, None, Some(4), How::Recreate, 0),
            (&surging, None, Some(4), How::InPlace, 2),
            (&ending, None, Some(4), How::InPlace, 0),
            (&stateful, None, Some(3), How::InPlace, 1),
        ] {
            assert_eq!(extra_of(object, kept, now, how), extra, "{} {kept:?} {now:?} {how:?}", object.value);
        }
        assert_eq!(surge(&Value::from(3), 4), 3);
    }
}
