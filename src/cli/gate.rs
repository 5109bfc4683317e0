//! `gate`: what is asked of gates by hand.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};

use crate::rollout::analysis::simulate::FixedRule;

/// Gates.
#[derive(Debug, Subcommand)]
pub enum GateCommand {
    /// Judge what is there already: what the gates of an environment say now, or a scanner's report; exits with 0 when it passes and
    /// with 3 when it does not
    Check(GateCheckArgs),
    /// The judge of canaries on simulated requests: how soon it stops a bad one, how often a good one
    Simulate(SimulateArgs),
}

/// What is judged, and by which measure.
#[derive(Debug, Clone, Args)]
#[command(group(ArgGroup::new("evidence").required(true).multiple(true).args(["environment", "sarif"])))]
pub struct GateCheckArgs {
    /// Environment whose gates are asked, each once, about what is live there
    #[arg(conflicts_with = "sarif")]
    pub environment: Option<String>,
    /// A scanner's report in SARIF 2.1.0, or - for standard input; repeated for more
    #[arg(long, value_name = "FILE")]
    pub sarif: Vec<PathBuf>,
    /// From this severity on a finding fails
    #[arg(long, value_enum, default_value_t = FailOn::High, requires = "sarif")]
    pub fail_on: FailOn,
    /// A rule, or an advisory such as CVE-2024-3094, that does not count; repeated for more
    #[arg(long, value_name = "RULE", requires = "sarif")]
    pub ignore: Vec<String>,
    /// A file of rules that do not count, in the form of .trivyignore, with `exp:2026-12-31` where one counts again from that day on
    #[arg(long, value_name = "FILE", requires = "sarif")]
    pub ignore_file: Vec<PathBuf>,
}

/// From which severity on a finding fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// A CVSS score from 9.0.
    Critical,
    /// A score from 7.0, or SARIF's level error.
    High,
    /// A score from 4.0, or the level warning.
    Medium,
    /// Any score, or the level note.
    Low,
    /// Nothing that is found fails; a report that tells nothing does.
    None,
}

/// A simulation.
#[derive(Debug, Clone, Args)]
pub struct SimulateArgs {
    /// Share of the stable release's requests that fail, from 0 to 1
    #[arg(long, default_value_t = 0.001)]
    pub stable_error: f64,
    /// Share of the candidate's requests that fail, from 0 to 1
    #[arg(long, default_value_t = 0.05)]
    pub canary_error: f64,
    /// Requests a second that the candidate gets
    #[arg(long, default_value_t = 5.0)]
    pub rate: f64,
    /// The candidate's share of the traffic, in percent
    #[arg(long, default_value_t = 5.0)]
    pub weight: f64,
    /// Probability that a good candidate is stopped
    #[arg(long, default_value_t = 0.01)]
    pub alpha: f64,
    /// Excess of the error share below which the candidate counts as good
    #[arg(long, default_value_t = 0.01)]
    pub margin: f64,
    /// How many rollouts
    #[arg(long, default_value_t = 1000)]
    pub trials: u32,
    /// Begin of the random numbers
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Candidate requests after which a trial ends undecided
    #[arg(long, default_value_t = 10_000)]
    pub max_requests: u64,
    /// End a trial also when the candidate is shown good
    #[arg(long)]
    pub stop_at_pass: bool,
    /// Also try a rule with fixed intervals on the same requests, such as interval=60s,failures=3,threshold=1% (the third check with
    /// more than 1 % failed requests takes the candidate back); also window=5m and checks=10; repeated for more
    #[arg(long, value_name = "RULE")]
    pub rule: Vec<FixedRule>,
    /// Draw within what time candidates are stopped, one curve a judge, into this SVG file
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
}
