//! The database: a ledger of two migrations, of which one adds and one takes away, and what can befall a run of them.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate::migrate::{Migrator, Order, Unstarted, Watcher};
use tidegate::rollout::action::Begin;
use tidegate::rollout::migration::{Named, Runner};
use tidegate::rollout::{Ledger, Migrated, Migration, Phase, Weight};

use super::{MemoryTarget, release};

/// What befalls the runs of migrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Upset {
    /// Nothing.
    #[default]
    None,
    /// The one of that phase fails, and leaves nothing behind.
    Fails(Phase),
    /// The one of that phase fails half way.
    Breaks(Phase),
    /// The first so many runs do not reach the database.
    Unreachable(usize),
    /// No run ever reaches it.
    Gone,
}

/// The state of the database.
#[derive(Debug, Default)]
pub struct Database {
    /// How often each migration was applied.
    pub applied: BTreeMap<i64, usize>,
    /// One that began and did not end.
    pub partly: Option<i64>,
    /// What befalls it.
    pub upset: Upset,
    /// A run that a process left in the middle goes back, as a transaction does; or it stays, half done.
    pub is_transactional: bool,
    /// One that is being run.
    pub running: Option<i64>,
}

/// How long one migration takes.
const TAKES: Duration = Duration::from_millis(700);

/// The migrations of every release of this world.
pub fn migration() -> Migration {
    Migration {
        runner: Runner::Command { command: vec!["in memory".to_owned()], atomic: false },
        at_most: Duration::from_secs(60),
        backup: None,
    }
}

const fn number(phase: Phase) -> i64 {
    match phase {
        Phase::Expand => 1,
        Phase::Contract => 2,
    }
}

fn answer(phase: Phase, ledger: Ledger, code: &str, applied: Vec<Named>, changed: bool) -> Migrated {
    let sentence = format!("the {phase} migration: {code}");
    Migrated {
        phase,
        ledger,
        changed,
        applied,
        code: code.to_owned(),
        sentence,
        log_tail: Vec::new(),
        backup: None,
    }
}

impl MemoryTarget {
    /// What the ledger says before a run.
    fn ledger(&self, phase: Phase, begin: Begin) -> Option<Result<Migrated, Unstarted>> {
        let mut database = self.database.lock().unwrap();
        match &mut database.upset {
            Upset::Unreachable(left) if *left > 0 => {
                *left -= 1;
                let sentence = "the database does not answer".to_owned();
                return Some(Err(Unstarted { code: "unreachable", sentence, hint: None, fatal: false }));
            }
            Upset::Gone => return Some(Err(Unstarted::fatal("refused", "the database refuses"))),
            _ => {}
        }
        if let Some(left) = database.running.take()
            && !database.is_transactional
        {
            database.partly = Some(left);
        }
        if database.partly.is_some() {
            return Some(Ok(answer(
                phase,
                Ledger::PartlyApplied,
                "migration-partly-applied",
                Vec::new(),
                true,
            )));
        }
        if database.applied.contains_key(&number(phase)) {
            return Some(Ok(answer(
                phase,
                Ledger::Applied,
                "nothing-pending",
                Vec::new(),
                begin != Begin::Anew,
            )));
        }
        (begin == Begin::Settle)
            .then(|| Ok(answer(phase, Ledger::NotApplied, "migration-not-applied", Vec::new(), false)))
    }
}

impl Migrator for MemoryTarget {
    async fn migrate(&self, order: Order<'_>, watcher: &Watcher) -> Result<Migrated, Unstarted> {
        let (phase, version) = (order.phase, number(order.phase));
        if let Some(known) = self.ledger(phase, order.begin) {
            return known;
        }
        self.database.lock().unwrap().running = Some(version);
        watcher.say("the migration runs");
        tokio::select! {
            () = tokio::time::sleep(TAKES) => {}
            () = watcher.cancelled(), if self.database.lock().unwrap().is_transactional => {
                self.database.lock().unwrap().running = None;
                return Ok(answer(phase, Ledger::NotApplied, "cancelled", Vec::new(), false));
            }
        }
        watcher.say("the migration has run");
        tokio::time::sleep(Duration::from_millis(1)).await;
        let old = self.now().weights.get(&release("v1").id).copied().unwrap_or_default();
        if phase == Phase::Contract && old > Weight::ZERO {
            self.violation(format!("v1 has {old} of the traffic, and what it needs is taken away"));
        }
        let mut database = self.database.lock().unwrap();
        database.running = None;
        match database.upset {
            Upset::Fails(of) if of == phase => {
                Ok(answer(phase, Ledger::NotApplied, "migration-failed", Vec::new(), false))
            }
            Upset::Breaks(of) if of == phase => {
                database.partly = Some(version);
                Ok(answer(phase, Ledger::PartlyApplied, "migration-partly-applied", Vec::new(), true))
            }
            _ => {
                *database.applied.entry(version).or_default() += 1;
                let named = Named { version, description: "it".to_owned() };
                Ok(answer(phase, Ledger::Applied, "migrated", vec![named], true))
            }
        }
    }
}
