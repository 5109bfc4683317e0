//! The parts: how each is started and when it is ready.

mod cluster;
mod cluster_dns;
mod credentials;
mod gateway;
pub(crate) mod mariadb;
mod node;
mod scrape_targets;
pub(crate) mod services;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use credentials::Credentials;
use futures_util::future::{BoxFuture, join_all};
use tokio::process::Command;
use tokio::sync::{Mutex, mpsc};

use crate::control::{Part, Word};
use crate::process::{Processes, finish, program};
use crate::{BedError, home, images};

/// Where parts are started: the processes, the secrets, and who starts what at present.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) processes: Processes,
    pub(crate) credentials: Credentials,
    /// One start of a part at a time: the second waits and finds it started. True once the part has been ready.
    starting: BTreeMap<Part, Mutex<bool>>,
}

type Tell = mpsc::UnboundedSender<Word>;

impl Stage {
    pub(crate) fn new() -> Result<Self, BedError> {
        let starting = Part::ALL.into_iter().map(|part| (part, Mutex::default())).collect();
        Ok(Self { processes: Processes::default(), credentials: Credentials::make()?, starting })
    }

    /// Starts these parts and what they need, side by side where they do not need each other. One that fails does not cut the
    /// others off in the middle: they come to their end, then the first failure is told.
    pub(crate) async fn up(self: &Arc<Self>, parts: &[Part], tell: &Tell) -> Result<(), BedError> {
        let all = join_all(parts.iter().map(|part| self.ensure(*part, tell)));
        all.await.into_iter().collect()
    }

    fn ensure<'a>(self: &'a Arc<Self>, part: Part, tell: &'a Tell) -> BoxFuture<'a, Result<(), BedError>> {
        Box::pin(async move {
            self.up(part.needs(), tell).await?;
            let Some(turn) = self.starting.get(&part) else { return Ok(()) };
            let mut was_ready = turn.lock().await;
            if *was_ready && part.processes().iter().all(|name| self.processes.pid(name).is_some()) {
                return Ok(());
            }
            let started = Instant::now();
            // A caller that went away hears nothing; the part is started all the same.
            let say = |what: String| drop(tell.send(Word::Now(what)));
            if !*was_ready {
                say(format!("{part}: starting"));
            }
            self.start(part).await?;
            if !*was_ready {
                say(format!("{part}: ready after {:.1} s", started.elapsed().as_secs_f64()));
            }
            *was_ready = true;
            Ok(())
        })
    }

    /// Starts one part, whose needs run. What runs already is left alone.
    async fn start(&self, part: Part) -> Result<(), BedError> {
        match part {
            Part::Etcd => cluster::etcd(self).await,
            Part::ControlPlane => cluster::control_plane(self).await,
            Part::Node(number) => node::start(self, number).await,
            Part::Dns => cluster_dns::start(self).await,
            Part::Gateway => gateway::start(self).await,
            Part::Prometheus => services::prometheus(self).await,
            Part::Registry => {
                services::registry(self).await?;
                images::ensure().await
            }
            Part::BuildKit => services::buildkit(self).await,
            Part::Docker => services::docker(self).await,
            Part::Postgres => services::postgres(self).await,
            Part::MariaDb => mariadb::start(self).await,
            Part::Nginx => services::nginx(self).await,
            Part::Kwok => cluster::kwok(self).await,
        }
    }
}

/// `kubectl` as the administrator.
pub(crate) fn kubectl() -> Command {
    let mut command = program("kubectl");
    command.arg("--kubeconfig").arg(home::run("kubeconfig/admin"));
    command
}

/// Writes manifests to a file of the run folder and applies them.
async fn apply(name: &str, manifests: &str) -> Result<(), BedError> {
    let path = write(&format!("manifests-{name}.yaml"), manifests)?;
    let mut command = kubectl();
    command.args(["apply", "--server-side", "--force-conflicts", "-f"]).arg(path);
    finish(command).await.map(drop)
}

/// Writes a file of the run folder.
pub(crate) fn write(name: &str, text: &str) -> Result<PathBuf, BedError> {
    let path = home::run(name);
    std::fs::write(&path, text).map_err(|e| BedError::file("write", &path, &e))?;
    Ok(path)
}

/// Makes a folder of the run folder.
pub(crate) fn folder(name: &str) -> Result<PathBuf, BedError> {
    let path = home::run(name);
    std::fs::create_dir_all(&path).map_err(|e| BedError::file("make the folder", &path, &e))?;
    Ok(path)
}

/// Whether something accepts connections there.
pub(crate) async fn listens(port: u16) -> bool {
    tokio::net::TcpStream::connect(crate::address::bed(port)).await.is_ok()
}

/// Whether a command ends well.
async fn succeeds(command: Command) -> bool {
    finish(command).await.is_ok()
}
