//! The `tidegate` command.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    tidegate::run::run(tidegate::cli::Cli::parse())
}
