//! An in-memory world on a paused clock: a target with instances, a router and visitors, and a journal that can fail.

mod database;
mod journal;
mod run;
mod target;

pub use database::{Database, Upset, migration};
pub use journal::{MemoryJournal, MemoryLock};
pub use run::{World, release};
pub use target::{Behaviour, Fault, MemoryTarget};
