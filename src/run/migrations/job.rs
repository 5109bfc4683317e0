//! Migrations by a Job of the cluster, with the image of the release.

use std::path::Path;

use crate::migrate::command::answer;
use crate::migrate::{Order, Unstarted, Watcher, backup, sql};
use crate::rollout::action::Begin;
use crate::rollout::{Ledger, Migrated};
use crate::target::TargetError;
use crate::target::kubernetes::{Errand, ErrandEnd, KubernetesTarget};

/// Runs the Job, or waits for the one that a process left which died.
///
/// # Errors
/// When nothing was begun.
pub(super) async fn run(
    target: &KubernetesTarget,
    order: Order<'_>,
    command: &[String],
    workload: Option<&str>,
    is_atomic: bool,
    folder: &Path,
    watcher: &Watcher,
) -> Result<Migrated, Unstarted> {
    let saved = match (&order.migration.backup, order.begin) {
        (Some(plan), Begin::Anew) => {
            Some(backup::take(plan, sql::Place { folder, url: "" }, order, watcher).await?)
        }
        _ => None,
    };
    let name = name(order);
    watcher.say(format!("Job {name} migrates the database"));
    let errand = Errand {
        name: &name,
        command,
        workload,
        at_most: order.migration.at_most,
        only_waits: order.begin == Begin::Settle,
    };
    // A run that another process began is waited for, whatever this one was told: its end is what is wanted.
    let stop = async {
        if order.begin == Begin::Anew { watcher.cancelled().await } else { std::future::pending().await }
    };
    let ended = target.run_errand(&order.release.id, errand, stop).await.map_err(unstarted)?;
    Ok(Migrated { backup: saved, ..judged(order, &name, is_atomic, ended) })
}

fn judged(order: Order<'_>, name: &str, is_atomic: bool, ended: ErrandEnd) -> Migrated {
    match ended {
        ErrandEnd::Done => {
            let sentence = format!("Job {name} has migrated the database ({})", order.phase);
            answer(order, Ledger::Applied, "migrated", sentence)
        }
        ErrandEnd::Absent => {
            let sentence = format!("Job {name} was not begun");
            answer(order, Ledger::NotApplied, "migration-not-applied", sentence)
        }
        ErrandEnd::NotStarted { why } => {
            let sentence = format!("Job {name} did not start, and changed nothing: {why}");
            answer(order, Ledger::NotApplied, "migration-not-started", sentence)
        }
        ErrandEnd::Unseen { why } => {
            let sentence = format!("Job {name} was begun, and how it ended cannot be told: {why}");
            answer(order, Ledger::Unknown, "migration-unknown", sentence)
        }
        ErrandEnd::Failed { how, log_tail } => {
            let (ledger, code, left) = if is_atomic {
                (Ledger::NotApplied, "migration-failed", "changed nothing")
            } else {
                (Ledger::Unknown, "migration-unknown", "what it left in the database cannot be told")
            };
            let sentence = format!("Job {name} failed ({how}), and {left}");
            Migrated { log_tail, ..answer(order, ledger, code, sentence) }
        }
    }
}

/// A name of its own for each rollout and phase: what was run for one is not run again for it, and is run for the next.
fn name(order: Order<'_>) -> String {
    let own = format!("{}-{}", order.phase, order.rollout.as_str().to_lowercase());
    Errand::name(&order.release.app, &own)
}

fn unstarted(error: TargetError) -> Unstarted {
    Unstarted { code: error.code, sentence: error.sentence, hint: error.hint, fatal: error.fatal }
}
