//! Synthetic load: sent while releases are compared, and only then.

use tokio::task::JoinHandle;

use super::Engine;
use crate::gate::Collector;
use crate::journal::Journal;
use crate::migrate::Migrator;
use crate::rollout::event::Way;
use crate::rollout::step::Load;
use crate::rollout::{Rollout, Step};
use crate::target::Target;

/// A load that is being sent; it ends with this.
#[derive(Debug)]
pub struct Loading {
    step: usize,
    task: JoinHandle<()>,
}

impl Drop for Loading {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<T: Target, J: Journal, C: Collector, M: Migrator> Engine<'_, T, J, C, M> {
    /// Begins the load of the step under way, and ends that of another one.
    pub(super) async fn keep_loading(&mut self, rollout: &Rollout) {
        let wanted = wanted(rollout);
        if self.loading.as_ref().map(|loading| loading.step) == wanted.map(|(step, _)| step) {
            return;
        }
        self.loading = None;
        let Some((step, load)) = wanted else { return };
        // Where there is no address yet, it is looked for again with the next look at the target.
        let Some(address) = self.target.address(None).await else { return };
        let task = tokio::spawn(self.collector.send(&address, load.clone()));
        self.loading = Some(Loading { step, task });
    }
}

/// The load of the step under way: none while it waits for a person, or goes back.
fn wanted(rollout: &Rollout) -> Option<(usize, &Load)> {
    let current = rollout.step.as_ref()?;
    if rollout.way == Way::Back || rollout.paused.is_some() || rollout.outcome.is_some() {
        return None;
    }
    match rollout.plan.steps.get(current.index) {
        Some(Step::Analyze { comparison, .. }) => Some((current.index, comparison.load.as_ref()?)),
        _ => None,
    }
}
