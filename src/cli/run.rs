//! The inputs of the action as flags, and a configuration that they may be.

use std::path::PathBuf;

use clap::Args;

/// A configuration that lies in no file.
#[derive(Debug, Clone)]
pub struct Inline {
    /// What it is called in sentences; its folder is what relative paths start from.
    pub file: PathBuf,
    /// The configuration.
    pub text: String,
}

/// The inputs of the action; docs/action.md describes each.
#[derive(Debug, Clone, Default, Args)]
pub struct RunArgs {
    /// What is to be done [default: what the event asks for]
    #[arg(long, env = "INPUT_COMMAND", value_name = "NAME")]
    pub command: Option<String>,
    /// The environment [default: the one whose rules take the event, or the only one there is]
    #[arg(long, env = "INPUT_ENVIRONMENT", value_name = "NAME")]
    pub environment: Option<String>,
    /// The version to deploy, or to go back to [default: the tag, or the short commit]
    #[arg(id = "release", long = "version", env = "INPUT_VERSION", value_name = "VERSION")]
    pub release: Option<String>,
    /// The image to deploy: REPOSITORY:TAG, REPOSITORY@DIGEST, or the digest alone [default: that of the configuration]
    #[arg(long, env = "INPUT_IMAGE", value_name = "IMAGE")]
    pub image: Option<String>,
    /// Why; kept in the history
    #[arg(long, env = "INPUT_REASON", value_name = "TEXT")]
    pub reason: Option<String>,
    /// What to do when another run works on the environment: supersede, wait or refuse [default: supersede]
    #[arg(long, env = "INPUT_IF-BUSY", value_name = "WHAT")]
    pub if_busy: Option<String>,
    /// The configuration file [default: tidegate.yaml, here or in a directory above]
    #[arg(long, env = "INPUT_CONFIG", value_name = "FILE")]
    pub config: Option<String>,
    /// Without a configuration: the name of the app [default: that of the repository]
    #[arg(long, env = "INPUT_APP", value_name = "NAME")]
    pub app: Option<String>,
    /// Without a configuration: manifests for a cluster, a file or folder a line
    #[arg(long, env = "INPUT_MANIFESTS", value_name = "PATHS")]
    pub manifests: Option<String>,
    /// Without a configuration: the namespace
    #[arg(long, env = "INPUT_NAMESPACE", value_name = "NAME")]
    pub namespace: Option<String>,
    /// Without a configuration: the strategy, by name
    #[arg(long, env = "INPUT_STRATEGY", value_name = "NAME")]
    pub strategy: Option<String>,
    /// Without a configuration: the public address
    #[arg(long, env = "INPUT_URL", value_name = "URL")]
    pub url: Option<String>,
    /// Only say what the event asks for
    #[arg(long, env = "INPUT_DRY-RUN", value_parser = clap::builder::FalseyValueParser::new())]
    pub dry_run: bool,
    /// Take back what the same step left when it was cancelled
    #[arg(long)]
    pub post: bool,
}
