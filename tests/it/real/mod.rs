//! The embedded target as people use it: the real binary, a real `tidegate.yaml`, real processes, real visitors, real kills.
//!
//! The long ones are a tier of their own. They run when `TIDEGATE_TIER=real` is set; else each says that it was left out.
//! `TIDEGATE_SEED=n` repeats the choices of a run (not its timing, which belongs to the machine).

mod crashes;
mod demo;
mod dice;
mod kills;
mod late;
mod no_loss;
mod processes;
mod stage;
mod supervisor_kills;
mod visitors;

use std::io::Write as _;
use std::time::Duration;

/// Whether the long tests are to run; tells when `test` is left out.
fn wanted(test: &str) -> bool {
    let wanted = std::env::var("TIDEGATE_TIER").is_ok_and(|tier| tier == "real");
    if !wanted {
        tell(&format!("left out: {test} (tier `real`; TIDEGATE_TIER=real runs it)"));
    }
    wanted
}

/// Writes a line past the capture of the test harness: what was left out, and what was measured, is to be seen when all is
/// well too.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}
