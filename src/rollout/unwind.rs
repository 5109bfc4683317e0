//! The way back: the steps that were started, walked backwards.

use std::time::Duration;

use super::{Plan, Role, Split, Step, Weight};

/// The steps that undo the first `reached` steps of the plan.
///
/// Walked literally, the way back would pass through every intermediate weight again. As actions name states, only the last
/// state of each kind matters, so the walk is folded: first the stable capacity (which is mostly there, and then costs nothing), then all traffic to
/// stable at once, then the candidate is drained and taken away; at last the stable capacity again, in case that the traffic
/// could not wait for all of it. A plan whose releases must never run together keeps the literal order: hold requests, end the
/// candidate, start stable, release the requests.
#[must_use]
pub fn unwind(plan: &Plan, reached: usize) -> Vec<Step> {
    let started = plan.steps.get(..reached).unwrap_or(&plan.steps);
    if plan.in_place {
        return in_place(plan, started);
    }
    let shifted = started.iter().any(|step| matches!(step, Step::Shift { .. }));
    let reduced = started.iter().any(|step| matches!(step, Step::Retire { role: Role::Stable, .. }));
    let restore = (plan.stable.is_some() && (shifted || reduced))
        .then_some(Step::Provision { role: Role::Stable, instances: plan.instances });
    let provisioned = started
        .iter()
        .any(|step| matches!(step, Step::Provision { role: Role::Candidate, .. }))
        .then(|| retire(plan));
    let traffic = if plan.stable.is_some() { Split::STABLE } else { Split::HELD };
    let shift = shifted.then_some(Step::Shift { split: traffic });
    if plan.exclusive() && plan.stable.is_some() {
        let hold = (shifted && provisioned.is_some()).then_some(Step::Shift { split: Split::HELD });
        return hold.into_iter().chain(provisioned).chain(restore).chain(shift).collect();
    }
    restore.iter().cloned().chain(shift).chain(provisioned).chain(restore.clone()).collect()
}

/// The target takes its own batches back: stable gets its instances again, and what is left of the candidate goes.
fn in_place(plan: &Plan, started: &[Step]) -> Vec<Step> {
    // A database is not taken back: what was added to it harms no older release.
    if started.iter().all(|step| matches!(step, Step::Migrate { .. })) {
        return Vec::new();
    }
    let stable =
        plan.stable.as_ref().map(|_| Step::Provision { role: Role::Stable, instances: plan.instances });
    stable.into_iter().chain([retire(plan)]).collect()
}

/// A candidate that was kept from before the rollout goes back to being kept.
fn retire(plan: &Plan) -> Step {
    let after = if plan.kept > 0 { plan.keep } else { Duration::ZERO };
    Step::Retire { role: Role::Candidate, instances: 0, after }
}

/// The split that the plan's started steps have last asked for.
#[must_use]
pub fn split_in_force(steps: &[Step], reached: usize) -> Option<Split> {
    steps.get(..reached).unwrap_or(steps).iter().rev().find_map(|step| match step {
        Step::Shift { split } => Some(*split),
        _ => None,
    })
}

/// The share that the candidate can carry with `ready` instances: all of it when it is the only release.
#[must_use]
pub fn carried(plan: &Plan, ready: u32) -> Weight {
    Weight::carried_by(ready, plan.instances)
}
