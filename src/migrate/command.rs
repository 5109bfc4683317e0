//! Migrations by a program on the machine that deploys. It keeps its own ledger, of which nothing is known here.

use std::path::Path;

use super::{Order, Unstarted, Watcher, backup, sql};
use crate::program::{self, Ended, Stop};
use crate::rollout::action::Begin;
use crate::rollout::migration::Backup;
use crate::rollout::{Ledger, Migrated};

/// Runs the program, with one more `variable` in its environment, unless a process that died had begun it: then nobody knows how far it came.
///
/// # Errors
/// When the backup was not taken, or the program cannot be started.
pub async fn run(
    order: Order<'_>,
    (command, is_atomic): (&[String], bool),
    variable: Option<(&str, &str)>,
    folder: &Path,
    watcher: &Watcher,
) -> Result<Migrated, Unstarted> {
    let name = command.first().map_or("", String::as_str);
    if order.begin != Begin::Anew {
        let sentence = format!(
            "`{name}` was migrating the database when its runner died, and how far it came cannot be told"
        );
        return Ok(answer(order, Ledger::Unknown, "migration-unknown", sentence));
    }
    let place = sql::Place { folder, url: "" };
    let saved = match &order.migration.backup {
        Some(plan) => Some(backup::take(plan, place, order, watcher).await?),
        None => None,
    };
    watcher.say(format!("runs `{name}` for the database"));
    let at_most = order.migration.at_most;
    let stop = async {
        tokio::select! {
            () = tokio::time::sleep(at_most) => Stop::Late(at_most),
            () = watcher.cancelled() => Stop::Cancelled,
        }
    };
    let set_up = |prepared: &mut tokio::process::Command| {
        prepared
            .env("TIDEGATE_VERSION", &order.release.version)
            .env("TIDEGATE_PHASE", order.phase.to_string())
            .env("TIDEGATE_ROLLOUT", order.rollout.as_str())
            .envs(variable);
    };
    let ended = program::run(command, folder, set_up, stop).await;
    let ended = ended
        .map_err(|why| Unstarted::fatal("no-program", format!("the migrations cannot be run: {why}")))?;
    Ok(judged(order, name, is_atomic, ended, saved))
}

fn judged(order: Order<'_>, name: &str, is_atomic: bool, ended: Ended, saved: Option<Backup>) -> Migrated {
    let Ended { is_well, how, tail, .. } = ended;
    let migrated = if is_well {
        let saved = saved.as_ref().map_or_else(String::new, |saved| format!("; {}", backup::in_words(saved)));
        answer(
            order,
            Ledger::Applied,
            "migrated",
            format!("`{name}` has migrated the database ({}){saved}", order.phase),
        )
    } else if is_atomic {
        let sentence = format!("`{name}` failed ({how}) and changed nothing");
        answer(order, Ledger::NotApplied, "migration-failed", sentence)
    } else {
        let sentence = format!("`{name}` failed ({how}), and what it left in the database cannot be told");
        answer(order, Ledger::Unknown, "migration-unknown", sentence)
    };
    let log_tail = if is_well { Vec::new() } else { tail };
    Migrated { log_tail, backup: saved, ..migrated }
}

/// An answer by a runner without a ledger.
#[must_use]
pub fn answer(order: Order<'_>, ledger: Ledger, code: &str, sentence: String) -> Migrated {
    Migrated {
        phase: order.phase,
        ledger,
        applied: Vec::new(),
        changed: ledger != Ledger::NotApplied,
        code: code.to_owned(),
        sentence,
        log_tail: Vec::new(),
        backup: None,
    }
}
