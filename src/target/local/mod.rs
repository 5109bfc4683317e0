//! The embedded target: child processes behind a reverse proxy of our own, kept by a supervisor that outlives the command.
//!
//! An environment is a state directory. [`LocalTarget`] speaks to its [`supervisor`] over a unix socket and starts it on
//! demand. What a release runs is a [`LaunchSpec`].

mod client;
mod control;
mod paths;
mod process;
mod program;
pub mod proxy;
pub mod spec;
pub mod supervisor;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::client::Client;
pub use self::control::{InstanceStatus, Phase, Status};
use self::control::{Reply, Request, Settings, failure};
use self::proxy::ProxySettings;
pub use self::spec::{EnvValue, Health, LaunchSpec, Logs};
pub use self::supervisor::{SuperviseOptions, standby, supervise};
use super::{Target, TargetError};
use crate::rollout::{Action, Observation, Release, ReleaseId};

/// How an environment is to be served.
#[derive(Clone)]
pub struct LocalConfig {
    /// Where requests are taken. With port 0 a free one is chosen and then kept.
    pub listen: SocketAddr,
    /// Where health and metrics are given, if anywhere.
    pub admin: Option<SocketAddr>,
    /// How requests are passed on.
    pub proxy: ProxySettings,
    /// After so long without a request its instances are stopped until the next one.
    pub sleep: Option<Duration>,
    /// The tidegate binary that supervises.
    pub binary: PathBuf,
    /// Values of the environment variables that hold secrets, by name.
    pub secrets: BTreeMap<String, String>,
}

/// One environment of the embedded target.
#[derive(Clone)]
pub struct LocalTarget {
    client: Client,
    secrets: BTreeMap<String, String>,
}

impl LocalTarget {
    /// Connects to the environment's supervisor, starting it or bringing it up to date where that is needed, and tells it how
    /// to serve.
    ///
    /// # Errors
    /// `supervisor-failed` with the supervisor's last words; `port-taken` with the holder; `upgrade-failed`; `protocol`; and
    /// what the disk says.
    pub async fn connect(state: &Path, config: LocalConfig) -> Result<Self, TargetError> {
        let client = Client::new(state, Some(config.binary.clone()));
        client.wake().await?;
        client.upgrade_if_older(&config.binary).await?;
        let settings =
            Settings { listen: config.listen, admin: config.admin, proxy: config.proxy, sleep: config.sleep };
        client.ask(&Request::Configure(Box::new(settings))).await?;
        Ok(Self { client, secrets: config.secrets })
    }

    /// Whether no supervisor lives for that state, hung or not.
    #[must_use]
    pub fn is_gone(state: &Path) -> bool {
        supervisor::is_free(&paths::Paths::new(state))
    }

    /// The environment as it is, if a supervisor runs; starts and changes nothing.
    pub async fn existing(state: &Path) -> Option<Self> {
        let client = Client::new(state, None);
        client.answers().await.then_some(Self { client, secrets: BTreeMap::new() })
    }

    /// The supervisor and its instances, for people.
    ///
    /// # Errors
    /// `unreachable`.
    pub async fn status(&self) -> Result<Status, TargetError> {
        match self.client.ask(&Request::Status).await? {
            Reply::Status(status) => Ok(*status),
            other => Err(odd(&other)),
        }
    }

    /// Where requests are taken.
    ///
    /// # Errors
    /// `unreachable`; `not-configured` where the supervisor was never told.
    pub async fn listen(&self) -> Result<SocketAddr, TargetError> {
        self.status().await?.listen.ok_or_else(|| {
            let sentence = "the supervisor was not told where to listen".to_owned();
            failure("not-configured", sentence, "connect with a configuration first")
        })
    }

    /// The address of a ready instance of `release`, for requests that pass the router by.
    pub async fn instance(&self, release: &ReleaseId) -> Option<SocketAddr> {
        let status = self.status().await.ok()?;
        status.instances.iter().find(|i| i.release == *release && i.phase == Phase::Ready).map(|i| i.address)
    }

    /// Lets `binary` supervise from now on where the running supervisor is older, without losing a request; says whether it
    /// was. [`LocalTarget::connect`] does this by itself.
    ///
    /// # Errors
    /// `upgrade-failed`; then the old one goes on.
    pub async fn upgrade_if_older(&self, binary: &Path) -> Result<bool, TargetError> {
        self.client.upgrade_if_older(binary).await
    }

    /// Removes kept programs that neither a set nor one of `keep` needs; gives how many. Copies younger than an hour stay.
    ///
    /// # Errors
    /// `unreachable`, and what the disk says.
    pub async fn prune(&self, keep: &[&Release]) -> Result<usize, TargetError> {
        let keep: BTreeSet<String> =
            keep.iter().filter_map(|r| LaunchSpec::of(r).ok()).filter_map(|s| s.program).collect();
        match self.client.ask(&Request::Prune { keep }).await? {
            Reply::Pruned { removed } => Ok(removed),
            other => Err(odd(&other)),
        }
    }

    /// Ends the supervisor with all instances, their requests first. A supervisor that is started later brings them up again.
    ///
    /// # Errors
    /// `unreachable`.
    pub async fn stop(&self) -> Result<(), TargetError> {
        self.end(&Request::Stop).await
    }

    /// As [`LocalTarget::stop`], and forgets the environment: sets, secrets, logs and kept programs.
    ///
    /// # Errors
    /// `unreachable`, and what the disk says.
    pub async fn forget(&self) -> Result<(), TargetError> {
        self.end(&Request::Forget).await
    }

    async fn end(&self, request: &Request) -> Result<(), TargetError> {
        let client = self.client.without_start();
        client.ask(request).await?;
        client.ended().await;
        Ok(())
    }
}

/// A reply that does not belong to the request.
fn odd(reply: &Reply) -> TargetError {
    failure(
        "protocol",
        format!("the supervisor gave an answer of another kind: {reply:?}"),
        "stop it and deploy again",
    )
}

impl Target for LocalTarget {
    async fn observe(&self, newer_than: Option<u64>, patience: Duration) -> Result<Observation, TargetError> {
        match self.client.ask(&Request::Observe { newer_than, patience }).await? {
            Reply::Observation(observation) => Ok(observation),
            other => Err(odd(&other)),
        }
    }

    async fn address(&self, release: Option<&ReleaseId>) -> Option<String> {
        let address = match release {
            Some(release) => self.instance(release).await,
            None => self.listen().await.ok(),
        };
        address.map(|address| address.to_string())
    }

    async fn act(&self, action: &Action, releases: &[&Release]) -> Result<(), TargetError> {
        let request = match action {
            Action::Scale { release, instances } => {
                let found = releases.iter().find(|r| r.id == *release).ok_or_else(|| {
                    let sentence = format!("release {release} is to be scaled and was not given");
                    failure("unknown-release", sentence, "report this as a defect of tidegate")
                })?;
                let spec = LaunchSpec::of(found)?;
                let names = spec.secret_names();
                let secrets = self.secrets.iter().filter(|(name, _)| names.contains(name.as_str()));
                Request::Scale {
                    release: Box::new((*found).clone()),
                    instances: *instances,
                    secrets: secrets.map(|(name, value)| (name.clone(), value.clone())).collect(),
                }
            }
            Action::Route { weights } => Request::Route { weights: weights.clone() },
            Action::Retire { release, at } => Request::Retire { release: release.clone(), at: *at },
            Action::Migrate { .. } | Action::Verify { .. } => return Ok(()),
        };
        self.client.ask(&request).await.map(|_| ())
    }
}
