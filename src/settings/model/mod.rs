//! Settings as the rest of the program sees them: complete, checked, nothing left to interpret.

mod image;
mod kubernetes;
mod metrics;
mod migrate;
mod notify;
mod preview;
mod rules;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::rollout::strategy::Strategy;
use crate::rollout::{Budgets, Condition};
use crate::yaml::Diagnostic;
use crate::yaml::words::{listed, nearest};

pub use image::{AssemblySettings, BuildSettings, CacheKind, ImageSettings, ImageSource, SecretSource};
pub use kubernetes::{
    GraceSettings, KubeconfigSource, KubernetesSettings, ManifestSource, OidcSettings, RouterKind, RuleLevel,
    TrafficSettings,
};
pub use metrics::{
    CountedBy, Counter, CountingRouter, MetricsSettings, PrometheusSettings, QuerySettings, RoutersSettings,
};
pub use migrate::{MigrateSettings, MigrationRunner};
pub use notify::{EmailSettings, MailSecurity, NOTIFY_FIELDS, NotifyChannel, NotifySettings};
pub use preview::{
    AccessSettings, DatabaseSettings, FrontSettings, IsolationSettings, PreviewInstance, PreviewSettings,
    PullFacts, PullRules,
};
pub use rules::{FreezeSettings, OnSettings, Patterns, RefPattern};

/// What a `tidegate.yaml` says, with every default filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Name of the app: a DNS label.
    pub app: String,
    /// The file that it was read from, absolute.
    pub file: PathBuf,
    /// The image that environments in a cluster run.
    pub image: Option<ImageSettings>,
    /// Further images of the app, each of another repository; only where there is `image`.
    pub others: Vec<ImageSettings>,
    /// The environments in the order of the file; none where there are only previews.
    pub environments: Vec<EnvironmentSettings>,
    /// The template of the preview environments, if there are any.
    pub preview: Option<PreviewSettings>,
    /// What is probably not meant as written.
    pub warnings: Vec<Diagnostic>,
}

/// One environment.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvironmentSettings {
    /// Name: a DNS label.
    pub name: String,
    /// What may deploy here; `None` leaves it to the workflow.
    pub on: Option<OnSettings>,
    /// End users meet it.
    pub production: bool,
    /// The environment in which the same release must have succeeded before; there is one of that name.
    pub after: Option<String>,
    /// When nothing new is deployed.
    pub freeze: Vec<FreezeSettings>,
    /// Where it runs.
    pub target: TargetSettings,
    /// How an instance is asked for its health; `None` takes an open port for healthy, or in a cluster what the probes say.
    pub health: Option<HealthSettings>,
    /// How a new release takes over.
    pub strategy: Strategy,
    /// How the database follows a release, if it does.
    pub migrate: Option<MigrateSettings>,
    /// What must hold after the deploy at the public address; may be empty.
    pub verify: Vec<Condition>,
    /// How long the former release is kept for an instant way back; zero with strategies that keep none.
    pub keep: Duration,
    /// Limits in time.
    pub budgets: Budgets,
    /// How many rollouts the journal keeps; at least 1.
    pub history: usize,
    /// Who is told how rollouts ended here.
    pub notify: Vec<NotifySettings>,
    /// What it has as the preview of a pull request; nothing where it is none.
    pub preview: Option<Box<PreviewInstance>>,
}

impl EnvironmentSettings {
    /// All that must hold in a rollout.
    pub fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.strategy.before().iter().chain(self.strategy.gates()).chain(&self.verify)
    }
}

/// Where an environment runs.
#[derive(Debug, Clone, PartialEq)]
pub enum TargetSettings {
    /// Processes on this machine behind the embedded router.
    Local(LocalSettings),
    /// Manifests, applied to a cluster.
    Kubernetes(KubernetesSettings),
}

/// Processes on this machine behind the embedded router.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalSettings {
    /// Program and arguments; at least the program.
    pub command: Vec<String>,
    /// Working directory of the instances, absolute.
    pub directory: PathBuf,
    /// Files and directories that belong to the release besides the program, relative to `directory`.
    pub files: Vec<PathBuf>,
    /// How many instances carry all of the traffic; 1 to 1000.
    pub instances: u32,
    /// The public address.
    pub listen: SocketAddr,
    /// Address of the supervisor's own `/health` and `/metrics`.
    pub admin: Option<SocketAddr>,
    /// Environment variables of the instances.
    pub env: BTreeMap<String, EnvValue>,
    /// Time between SIGTERM and SIGKILL.
    pub stop_grace: Duration,
    /// How the router behaves.
    pub proxy: ProxyOptions,
    /// What is kept of the instances' output.
    pub logs: LogOptions,
}

/// The value of an environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvValue {
    /// This text.
    Literal(String),
    /// What the variable of this name holds in the deployer's environment. A secret: never shown, never stored.
    FromEnvironment(String),
}

/// How an instance is asked for its health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthSettings {
    /// Path and query, beginning with a slash.
    pub path: String,
    /// An answer must come within this time.
    pub within: Duration,
    /// Time between two questions.
    pub every: Duration,
    /// A new instance must be healthy within this time.
    pub start_within: Duration,
    /// When the answer names a version, it must be the release's.
    pub version: bool,
}

/// How the router behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyOptions {
    /// Cookie that keeps a visitor on the release that answered first; a token by RFC 6265.
    pub sticky_cookie: Option<String>,
    /// Requests with this header and value go to the candidate.
    pub header: Option<(String, String)>,
    /// Speak HTTP/2 without TLS to the instances.
    pub h2c: bool,
    /// How long a request waits for an instance that can take it.
    pub hold: Duration,
    /// Limit for a connection to an instance.
    pub connect_timeout: Duration,
    /// Limit for the head of an instance's answer.
    pub response_timeout: Duration,
    /// A connection on which nothing moves is closed after this time.
    pub idle_timeout: Duration,
    /// How long upgraded connections (such as `WebSocket`) may go on when their instance is drained.
    pub upgraded_grace: Duration,
    /// Believe `Forwarded` and `X-Forwarded-*` headers of clients.
    pub trust_forwarded: bool,
}

impl Default for ProxyOptions {
    fn default() -> Self {
        Self {
            sticky_cookie: None,
            header: None,
            h2c: false,
            hold: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(2),
            response_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(300),
            upgraded_grace: Duration::from_secs(10),
            trust_forwarded: false,
        }
    }
}

/// What is kept of the instances' output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogOptions {
    /// A log file that grows over this many bytes is put aside.
    pub max_size: u64,
    /// How many files put aside are kept.
    pub keep: u32,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { max_size: 10 * 1024 * 1024, keep: 3 }
    }
}

/// There is no environment of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no environment `{name}` in {}; {}", .file.display(), choice(.suggestion.as_deref(), .known))]
pub struct UnknownEnvironment {
    /// The name that was asked for.
    pub name: String,
    /// The file.
    pub file: PathBuf,
    /// The name that was probably meant.
    pub suggestion: Option<String>,
    /// The names that there are.
    pub known: Vec<String>,
}

/// What there is instead.
fn choice(suggestion: Option<&str>, known: &[String]) -> String {
    let known = match known {
        [only] => format!("the only one is `{only}`"),
        all => format!("there are {}", listed(all.iter().map(String::as_str))),
    };
    match suggestion {
        Some(name) => format!("did you mean `{name}`? ({known})"),
        None => known,
    }
}

impl Settings {
    /// All images of the app, its own before the others.
    pub fn images(&self) -> impl Iterator<Item = &ImageSettings> {
        self.image.iter().chain(&self.others)
    }

    /// The environment of that name.
    ///
    /// # Errors
    /// [`UnknownEnvironment`] with the name that was probably meant, when there is none.
    pub fn environment(&self, name: &str) -> Result<&EnvironmentSettings, UnknownEnvironment> {
        let names = || self.environments.iter().map(|environment| environment.name.as_str());
        self.environments.iter().find(|environment| environment.name == name).ok_or_else(|| {
            UnknownEnvironment {
                name: name.to_owned(),
                file: self.file.clone(),
                suggestion: nearest(name, names()).map(str::to_owned),
                known: names().map(str::to_owned).collect(),
            }
        })
    }
}
