//! The pure core: words, plans, events, and the function that decides. No clock, no input or output, no async runtime.

pub mod action;
pub mod analysis;
pub mod event;
pub mod observation;
pub mod outcome;
pub mod plan;
pub mod release;
pub mod step;
pub mod verdict;
pub mod weight;

pub use action::Action;
pub use observation::{Counts, Observation, SetView, Trouble};
pub use outcome::{Outcome, OutcomeKind};
pub use plan::{Budgets, Plan};
pub use release::{Release, ReleaseId};
pub use step::{Role, Step};
pub use verdict::{Judgement, Verdict};
pub use weight::{Split, Weight};
pub mod millis;
pub mod strategy;
