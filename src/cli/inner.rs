//! What Tidegate's own processes in a cluster are started with.

use clap::Args;

/// Which environment a watchdog stays with.
#[derive(Debug, Clone, Args)]
pub struct WatchdogArgs {
    /// The environment
    pub environment: String,
    /// The namespace that it is in
    #[arg(long)]
    pub namespace: String,
}

/// How the front of a preview behaves.
#[derive(Debug, Clone, Args)]
pub struct FrontArgs {
    /// After so long without a request the app sleeps until the next one [default: never]
    #[arg(long, value_name = "TIME")]
    pub sleep: Option<String>,
}
