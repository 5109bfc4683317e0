//! The embedded target as people use it: the real binary, a real `tidegate.yaml`, real processes, real visitors, real kills.
//!
//! The long ones are the tier `local` (see `tiers`).
//! `TIDEGATE_SEED=n` repeats the choices of a run (not its timing, which belongs to the machine).

mod crashes;
mod demo;
pub mod dice;
mod kills;
mod late;
mod no_loss;
mod processes;
mod stage;
mod supervisor_kills;
mod visitors;

use std::time::Duration;

use crate::tiers::tell;

/// Whether the long tests are to run; tells when `test` is left out.
fn wanted(test: &str) -> bool {
    crate::tiers::wanted("local", test)
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}
