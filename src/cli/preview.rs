//! `preview` and what it takes.

use clap::{Args, Subcommand};

use super::Busy;

/// Environments of pull requests.
#[derive(Debug, Clone, Subcommand)]
pub enum PreviewCommand {
    /// Bring the preview of a pull request up, or to another release
    Up(PreviewUpArgs),
    /// Take it away, and see that it is gone
    Down {
        /// The number of the pull request
        number: u64,
        /// Why; the comment on the pull request says it
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Have it live longer
    Extend {
        /// The number of the pull request
        number: u64,
        /// How long from now at least, such as 48h
        time: String,
    },
    /// Which there are
    List,
    /// Take away what no open pull request wants; exits with 5 when something does not go
    Sweep {
        /// Only show what would be done
        #[arg(long)]
        dry_run: bool,
    },
}

/// Which preview, of what.
#[derive(Debug, Clone, Args)]
pub struct PreviewUpArgs {
    /// The number of the pull request
    pub number: u64,
    /// Its branch [default: GitHub's word, where there is a token]
    #[arg(long, value_name = "NAME")]
    pub branch: Option<String>,
    /// Its last commit [default: GitHub's word, where there is a token]
    #[arg(long, value_name = "COMMIT")]
    pub commit: Option<String>,
    /// The version [default: the short commit that is checked out]
    #[arg(long, value_name = "VERSION")]
    pub version: Option<String>,
    /// The image, as for `tidegate deploy`
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
    /// What to do when another run works on it
    #[arg(long, value_enum, default_value_t = Busy::Supersede)]
    pub if_busy: Busy,
}
