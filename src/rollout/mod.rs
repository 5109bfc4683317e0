//! The pure core: words, plans, events, and the function that decides. No clock, no input or output, no async runtime.

pub mod action;
pub mod analysis;
pub mod decide;
pub mod environment;
pub mod event;
pub mod gate;
pub mod migration;
pub mod millis;
pub mod observation;
pub mod outcome;
pub mod plan;
pub mod release;
pub mod state;
pub mod step;
pub mod strategy;
pub mod unwind;
pub mod verdict;
pub mod weight;

pub use action::Action;
pub use decide::{Decision, decide};
pub use environment::Environment;
pub use event::{Event, Fact, RolloutId};
pub use gate::{Condition, Gate};
pub use migration::{Ledger, Migrated, Migration, Phase};
pub use observation::{Counts, Observation, SetView, Trouble};
pub use outcome::{Outcome, OutcomeKind};
pub use plan::{Budgets, Plan};
pub use release::{Release, ReleaseId};
pub use state::Rollout;
pub use step::{Role, Step};
pub use verdict::{Judgement, Verdict};
pub use weight::{Split, Weight};
