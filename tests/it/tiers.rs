//! The tiers: which tests run where.
//!
//! | tier | needs | runs with |
//! |---|---|---|
//! | hermetic | nothing | `cargo test` |
//! | local | time: real processes on the loopback, killed and loaded | `make test-local` |
//! | testbed | Linux, root, the testbed | `make test` |
//!
//! `TIDEGATE_TIERS` names those that run beside the hermetic one. A test that is left out says so; it is never silent.

use std::io::Write as _;

/// Whether tests of `tier` are to run; tells when `test` is left out.
pub fn wanted(tier: &str, test: &str) -> bool {
    let tiers = std::env::var("TIDEGATE_TIERS").unwrap_or_default();
    let wanted = tiers.split([' ', ',']).any(|one| one == tier);
    if !wanted {
        tell(&format!("left out: {test} (tier `{tier}`; TIDEGATE_TIERS={tier} runs it)"));
    }
    wanted
}

/// Writes a line past the capture of the test harness: what was left out, and what was measured, is to be seen when all is
/// well too.
pub fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
