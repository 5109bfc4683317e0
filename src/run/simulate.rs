//! `gate simulate`.

use crate::cli::SimulateArgs;
use crate::error::{Error, ErrorKind};
use crate::rollout::analysis::simulate::{Simulation, SimulationResult};

/// The judge of canaries on simulated requests.
///
/// # Errors
/// When a figure is out of its range.
pub fn simulate(arguments: &SimulateArgs) -> Result<SimulationResult, Error> {
    let simulation = Simulation {
        stable_error: arguments.stable_error,
        canary_error: arguments.canary_error,
        rate: arguments.rate,
        weight: arguments.weight,
        alpha: arguments.alpha,
        margin: arguments.margin,
        trials: arguments.trials,
        seed: arguments.seed,
        max_requests: arguments.max_requests,
        stop_at_pass: arguments.stop_at_pass,
        ..Simulation::default()
    };
    simulation.check().map_err(|sentence| Error::new(ErrorKind::Usage, "bad-simulation", sentence))?;
    Ok(simulation.run())
}
