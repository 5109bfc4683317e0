//! The command line: clap's structures, nothing else.

mod build;
mod gate;
mod inner;
mod preview;
mod run;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use build::BuildArgs;
pub use gate::{FailOn, GateCheckArgs, GateCommand, SimulateArgs};
pub use inner::{FrontArgs, WatchdogArgs};
pub use preview::{PreviewCommand, PreviewUpArgs};
pub use run::{Inline, RunArgs};

/// Takes a commit to production, and takes it back by itself when a gate fails.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, about, max_term_width = 110)]
pub struct Cli {
    /// What is common to all commands.
    #[command(flatten)]
    pub common: Common,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What is common to all commands.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// The configuration file [default: tidegate.yaml, here or in a directory above]
    #[arg(long, short = 'f', global = true, env = "TIDEGATE_FILE", value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Where the embedded target and its journal keep their state [default: .tidegate beside the configuration]
    #[arg(long, global = true, env = "TIDEGATE_STATE_DIR", value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Form of the answer on standard output
    #[arg(long, global = true, value_enum, default_value_t = Output::Text)]
    pub output: Output,
    /// Form of progress and logs on standard error
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// A configuration that lies in no file.
    #[arg(skip)]
    pub inline: Option<Inline>,
}

/// Form of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For programs; `tidegate schema output` documents it.
    Json,
}

/// Form of progress and logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people: a live view on a terminal, else a line an event.
    Text,
    /// One JSON object an event, with the rollout's id.
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// See it work: two releases, one bad, under load, on the embedded target
    Demo(DemoArgs),
    /// Write a tidegate.yaml to begin with
    Init(InitArgs),
    /// Check the configuration
    Validate,
    /// Show what a deploy would do; changes nothing
    Plan(ReleaseArgs),
    /// Do what the event of a workflow asks for, or an input: what the action runs
    Run(Box<RunArgs>),
    /// Roll a release out
    Deploy(DeployArgs),
    /// Take the environment back to an earlier release
    Rollback(RollbackArgs),
    /// Go on with a rollout whose process died or that is stuck
    Resume(ResumeArgs),
    /// Turn the rollout under way back
    Abort(SteerArgs),
    /// Go on from a pause
    Promote(PromoteArgs),
    /// Keep the rollout under way where it is
    Pause(SteerArgs),
    /// What runs in an environment now
    Status(EnvironmentArgs),
    /// What was rolled out, how it ended and why
    History(HistoryArgs),
    /// Close an environment for deploys
    Lock(LockArgs),
    /// Open an environment again
    Unlock(UnlockArgs),
    /// Work with gates
    #[command(subcommand)]
    Gate(GateCommand),
    /// Environments of pull requests
    #[command(subcommand)]
    Preview(Box<PreviewCommand>),
    /// Build an image, unless a registry has it already
    Build(Box<BuildArgs>),
    /// Work with images and registries
    #[command(subcommand)]
    Image(ImageCommand),
    /// The embedded target's supervisor
    #[command(subcommand)]
    Local(LocalCommand),
    /// Print a JSON Schema
    Schema(SchemaArgs),
    /// Stay with a rollout, and end it when its runner dies
    #[command(hide = true)]
    Watchdog(WatchdogArgs),
    /// Stand before a preview in a cluster
    #[command(hide = true)]
    Front(FrontArgs),
    /// The program that the demo and the tests deploy
    #[command(hide = true)]
    SampleApp(crate::sample::app::AppOptions),
}

/// An environment by name.
#[derive(Debug, Clone, Args)]
pub struct EnvironmentArgs {
    /// The environment [default: the only one there is]
    pub environment: Option<String>,
}

/// Which release, and where to.
#[derive(Debug, Clone, Args)]
pub struct ReleaseArgs {
    /// The environment [default: the only one there is]
    pub environment: Option<String>,
    /// The version [default: the tag or the short commit that is checked out]
    #[arg(long, value_name = "VERSION")]
    pub version: Option<String>,
    /// The image: REPOSITORY:TAG, REPOSITORY@DIGEST, or the digest alone; only in a cluster [default: the one that is tagged for the
    /// version, where tidegate.yaml names its repository]
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
}

/// How to deploy.
#[derive(Debug, Clone, Args)]
pub struct DeployArgs {
    /// Which release, and where to.
    #[command(flatten)]
    pub release: ReleaseArgs,
    /// What to do when another run works on the environment
    #[arg(long, value_enum, default_value_t = Busy::Supersede)]
    pub if_busy: Busy,
    /// Leave a Job in the cluster that ends the rollout when this process dies; it runs IMAGE, which has this program at /tidegate
    #[arg(long, value_name = "IMAGE")]
    pub watchdog: Option<String>,
    /// The service account of the watchdog
    #[arg(long, value_name = "NAME", default_value = "tidegate-watchdog", requires = "watchdog")]
    pub watchdog_account: String,
    /// Where the reports go.
    #[command(flatten)]
    pub reports: ReportArgs,
}

/// What to do when another run works on the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Busy {
    /// Have it go back, then start.
    Supersede,
    /// Wait until it is done.
    Wait,
    /// Do nothing, exit with 3.
    Refuse,
}

/// Where the reports go.
#[derive(Debug, Clone, Default, Args)]
pub struct ReportArgs {
    /// Write a report in Markdown to this file at the end
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Write metrics in Prometheus text form to this file at the end
    #[arg(long, value_name = "FILE")]
    pub metrics_file: Option<PathBuf>,
    /// Tell GitHub, as the workflow that this runs in: check run, deployment, comment on the pull request, job summary
    #[arg(long, env = "TIDEGATE_REPORT_GITHUB")]
    pub report_github: bool,
}

/// How to take an environment back.
#[derive(Debug, Clone, Args)]
pub struct RollbackArgs {
    /// The environment [default: the only one there is]
    pub environment: Option<String>,
    /// The version to go back to [default: the one before the present one]
    #[arg(long, value_name = "VERSION")]
    pub to: Option<String>,
    /// Also to a release that contract migrations have taken something from
    #[arg(long)]
    pub force: bool,
    /// Where the reports go.
    #[command(flatten)]
    pub reports: ReportArgs,
}

/// How to go on with what was left.
#[derive(Debug, Clone, Args)]
pub struct ResumeArgs {
    /// The environment [default: the only one there is]
    pub environment: Option<String>,
    /// Where the reports go.
    #[command(flatten)]
    pub reports: ReportArgs,
}

/// How to steer a rollout.
#[derive(Debug, Clone, Args)]
pub struct SteerArgs {
    /// The environment [default: the only one there is]
    pub environment: Option<String>,
    /// Why; kept in the history
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Where the reports go.
    #[command(flatten)]
    pub reports: ReportArgs,
}

/// How to go on.
#[derive(Debug, Clone, Args)]
pub struct PromoteArgs {
    /// The environment [default: the only one there is]
    pub environment: Option<String>,
    /// Without any further analysis or pause
    #[arg(long)]
    pub full: bool,
    /// Why; kept in the history
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Where the reports go.
    #[command(flatten)]
    pub reports: ReportArgs,
}

/// How much of the history.
#[derive(Debug, Clone, Args)]
pub struct HistoryArgs {
    /// The environment [default: the only one there is]
    pub environment: Option<String>,
    /// How many rollouts, newest first
    #[arg(long, short = 'n', default_value_t = 10)]
    pub number: usize,
    /// Show every event, too
    #[arg(long)]
    pub events: bool,
}

/// Why to close an environment.
#[derive(Debug, Clone, Args)]
pub struct LockArgs {
    /// The environment [default: the only one there is]
    pub environment: Option<String>,
    /// Why; whoever is refused reads it
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

/// How to open an environment.
#[derive(Debug, Clone, Args)]
pub struct UnlockArgs {
    /// The environment [default: the only one there is]
    pub environment: Option<String>,
    /// Also take the lock from a run that still holds it: that run stops acting, and its rollout is open
    #[arg(long)]
    pub force: bool,
}

/// The action where nobody names another one.
const ACTION: &str = "tidegate/tidegate@v1";

/// A new configuration.
#[derive(Debug, Clone, Args)]
pub struct InitArgs {
    /// Name of the app [default: the directory's name]
    #[arg(long)]
    pub app: Option<String>,
    /// The command that starts it; it listens on $PORT
    #[arg(long, value_name = "COMMAND")]
    pub command: Option<String>,
    /// Write .github/workflows/tidegate.yml, too; of a configuration that is there nothing is changed
    #[arg(long)]
    pub workflow: bool,
    /// The action in that workflow, best by the hash of a release's commit
    #[arg(long, value_name = "OWNER/NAME@REF", default_value = ACTION)]
    pub action: String,
    /// Overwrite a file that is there
    #[arg(long)]
    pub force: bool,
}

/// The demo.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Requests a second that visitors send
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u32).range(50..=5000))]
    pub rate: u32,
    /// Write the report in Markdown to this file
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

/// Images.
#[derive(Debug, Subcommand)]
pub enum ImageCommand {
    /// What an image is called and labelled, by the event of the workflow and by rules as docker/metadata-action has them
    Tags(Box<TagsArgs>),
    /// Give an image to registries: an OCI layout, or one made of a program or a directory
    Push(ImagePushArgs),
    /// Copy an image from one registry to others, with all its platforms and attestations
    Copy(ImageCopyArgs),
    /// Show what a registry has under a name
    Inspect(ImageInspectArgs),
}

/// The inputs of docker/metadata-action; docs/images.md describes each. Lists have an entry a line, or a flag an entry.
#[derive(Debug, Clone, Default, Args)]
pub struct TagsArgs {
    /// Base names of images; without any, tags stand alone
    #[arg(long, env = "INPUT_IMAGES", value_name = "NAMES")]
    pub images: Vec<String>,
    /// What tags there are to be [default: of the schedule, the branch, the tag and the pull request]
    #[arg(long, env = "INPUT_TAGS", value_name = "RULES")]
    pub tags: Vec<String>,
    /// What holds for all tags: latest, prefix, suffix
    #[arg(long, env = "INPUT_FLAVOR", value_name = "RULES")]
    pub flavor: Vec<String>,
    /// Labels besides the usual ones, or in their place: key=value, or -key to leave one out
    #[arg(long, env = "INPUT_LABELS", value_name = "LABELS", allow_hyphen_values = true)]
    pub labels: Vec<String>,
    /// Annotations besides the usual ones, or in their place
    #[arg(long, env = "INPUT_ANNOTATIONS", value_name = "ANNOTATIONS", allow_hyphen_values = true)]
    pub annotations: Vec<String>,
    /// Where ref and commit come from: workflow or git [default: workflow, and git outside of one]
    #[arg(long, env = "INPUT_CONTEXT", value_name = "SOURCE")]
    pub context: Option<String>,
    /// What stands between tags in the text form
    #[arg(long, env = "INPUT_SEP-TAGS", value_name = "TEXT", allow_hyphen_values = true)]
    pub sep_tags: Option<String>,
    /// What stands between labels in the text form
    #[arg(long, env = "INPUT_SEP-LABELS", value_name = "TEXT", allow_hyphen_values = true)]
    pub sep_labels: Option<String>,
    /// What stands between annotations in the text form
    #[arg(long, env = "INPUT_SEP-ANNOTATIONS", value_name = "TEXT", allow_hyphen_values = true)]
    pub sep_annotations: Option<String>,
    /// Who is asked before latest moves to a release: registry, or off for nobody [default: registry]
    #[arg(long, env = "INPUT_LATEST-CHECK", value_name = "WHO")]
    pub latest_check: Option<String>,
    /// The present, as 2020-01-10T00:30:00Z or in seconds since 1970 [default: $SOURCE_DATE_EPOCH, else the clock's]
    #[arg(long, value_name = "TIME")]
    pub now: Option<String>,
    /// Characters of a short commit [default: 7]
    #[arg(long, env = "DOCKER_METADATA_SHORT_SHA_LENGTH", value_name = "NUMBER")]
    pub short_sha_length: Option<String>,
    /// Whether the commit of a pull request is the last one of its branch, instead of the trial of the merge [default: false]
    #[arg(long, env = "DOCKER_METADATA_PR_HEAD_SHA", value_name = "BOOL")]
    pub pr_head_sha: Option<String>,
    /// What annotations are at, with commas between: manifest, index, manifest-descriptor, index-descriptor [default: manifest]
    #[arg(long, env = "DOCKER_METADATA_ANNOTATIONS_LEVELS", value_name = "LEVELS")]
    pub annotation_levels: Option<String>,
}

/// What is pushed, and where to.
#[derive(Debug, Clone, Args)]
pub struct ImagePushArgs {
    /// An OCI layout (directory or tar), a program for Linux, or a directory with what goes into the image
    pub source: PathBuf,
    /// Where to: REGISTRY/REPOSITORY[:TAG]
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    /// The same program for another platform; all go into one index
    #[arg(long, value_name = "PROGRAM")]
    pub also: Vec<PathBuf>,
    /// The image to build upon: REGISTRY/REPOSITORY@DIGEST [default: none]
    #[arg(long, value_name = "NAME")]
    pub base: Option<String>,
    /// Where in the image it goes [default: /PROGRAM, or /app for a directory]
    #[arg(long, value_name = "PATH")]
    pub at: Option<String>,
    /// A word of what is run; repeated for more [default: the program]
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    pub entrypoint: Vec<String>,
    /// Who runs it: user, or user and group with a colon between them
    #[arg(long, default_value = crate::image::assemble::NOBODY)]
    pub user: String,
    /// The platform of a directory [default: linux on this machine's architecture]
    #[arg(long, value_name = "OS/ARCHITECTURE")]
    pub platform: Option<String>,
    /// How layers are packed
    #[arg(long, value_enum, default_value_t = Packing::Gzip)]
    pub compression: Packing,
    /// Leave out the list of what is in the image (SPDX)
    #[arg(long)]
    pub no_sbom: bool,
    /// How registries are asked.
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// How layers are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Packing {
    /// Compressed.
    Gzip,
    /// As they are.
    None,
}

/// What is copied, and where to.
#[derive(Debug, Clone, Args)]
pub struct ImageCopyArgs {
    /// The image: REGISTRY/REPOSITORY[:TAG][@DIGEST]
    pub from: String,
    /// Where to: REGISTRY/REPOSITORY[:TAG]
    #[arg(required = true, value_name = "TO")]
    pub to: Vec<String>,
    /// How registries are asked.
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// Which image.
#[derive(Debug, Clone, Args)]
pub struct ImageInspectArgs {
    /// The image: REGISTRY/REPOSITORY[:TAG][@DIGEST]
    pub name: String,
    /// How registries are asked.
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// How registries are asked.
#[derive(Debug, Clone, Default, Args, serde::Serialize)]
pub struct RegistryArgs {
    /// Follow a registry also to private addresses
    #[arg(long)]
    pub allow_private_redirects: bool,
}

/// The supervisor of the embedded target.
#[derive(Debug, Subcommand)]
pub enum LocalCommand {
    /// What it runs
    Status(EnvironmentArgs),
    /// Stop it and everything that it runs
    Stop(EnvironmentArgs),
    /// The supervisor itself
    #[command(hide = true)]
    Supervise {
        /// Its state
        #[arg(long)]
        state: PathBuf,
    },
    /// Waits for the supervisor to die, and takes over
    #[command(hide = true)]
    Standby {
        /// The supervisor's state
        #[arg(long)]
        state: PathBuf,
    },
}

/// Which schema.
#[derive(Debug, Clone, Args)]
pub struct SchemaArgs {
    /// What it describes
    #[arg(value_enum, default_value_t = SchemaKind::Config)]
    pub kind: SchemaKind,
}

/// The schemas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaKind {
    /// tidegate.yaml
    Config,
    /// What `--output json` prints
    Output,
}
