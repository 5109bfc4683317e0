//! What clients may ask for. Each request is brought to the disk before it is acted upon: one that fails changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use tokio::sync::oneshot;

use super::admin::Admin;
use super::core::{Core, End};
use super::door::{self, Door};
use super::logs;
use super::standby::{Stage, Standby};
use super::state::SetRecord;
use crate::rollout::{Release, ReleaseId, Weight};
use crate::target::TargetError;
use crate::target::local::control::{Reply, Request, Settings, disk, failure};
use crate::target::local::program;
use crate::target::local::spec::LaunchSpec;

/// An address that was left is served so much longer, for those who have not heard of the new one.
const LEAVING: Duration = Duration::from_secs(2);

/// Time for a new binary to come up as a standby.
const COME_UP: Duration = Duration::from_secs(10);

/// A release that is not here.
pub(crate) fn unknown(release: &ReleaseId) -> TargetError {
    failure(
        "unknown-release",
        format!("release {release} has no instances here"),
        "deploy it before routing to it",
    )
}

impl Core {
    /// Does what was asked and replies; gives the end where that was asked for.
    pub(crate) async fn answer(&mut self, request: Request, reply: oneshot::Sender<Reply>) -> Option<End> {
        let is_work =
            matches!(request, Request::Configure(_) | Request::Scale { .. } | Request::Route { .. });
        if is_work {
            self.touch();
        }
        let result = match request {
            Request::Configure(settings) => self.configure(*settings).await,
            Request::Scale { release, instances, secrets } => self.scale(*release, instances, secrets).await,
            Request::Route { weights } => self.route(weights).await,
            Request::Retire { release, at } => self.retire(&release, at).await,
            Request::Prune { keep } => self.prune(keep).await,
            Request::Upgrade { binary } => match self.successor(&binary).await {
                Ok(successor) => return Some(End::GiveWay { successor, reply }),
                Err(e) => Err(e),
            },
            Request::Stop => return Some(End::Stop { reply: Some(reply), forget: false }),
            Request::Forget => return Some(End::Stop { reply: Some(reply), forget: true }),
            // The server answers these without asking.
            Request::Observe { .. } | Request::Status | Request::Digest => Ok(Reply::Done),
        };
        // A client that hung up will ask again.
        let _ = reply.send(result.unwrap_or_else(|e| Reply::Refused(e.into())));
        None
    }

    /// Brings a changed state to the disk and then about; on failure the state is as it was.
    async fn commit(&mut self, change: impl FnOnce(&mut Self)) -> Result<Reply, TargetError> {
        let before = (self.durable.clone(), self.secrets.clone());
        change(self);
        if let Err(e) = self.save().await {
            (self.durable, self.secrets) = before;
            return Err(e);
        }
        self.settle();
        Ok(Reply::Done)
    }

    async fn configure(&mut self, settings: Settings) -> Result<Reply, TargetError> {
        let old = self.durable.settings.clone();
        if old.as_ref() == Some(&settings) && self.seat.door.is_some() {
            return Ok(Reply::Done);
        }
        let moved = self.seat.door.is_none() || old.as_ref().map(|s| s.listen) != Some(settings.listen);
        let new_door = if moved { Some(door::bind(settings.listen)?) } else { None };
        let readmitted = old.as_ref().and_then(|s| s.admin) != settings.admin;
        let new_admin = match settings.admin {
            Some(address) if readmitted => Some(Admin::open(address, self)?),
            _ => None,
        };
        let unusable = |e: &std::io::Error| door::unusable(settings.listen, e);
        let bound = match &new_door {
            Some(socket) => Some(socket.local_addr().map_err(|e| unusable(&e))?),
            None => self.durable.bound,
        };
        let proxy = settings.proxy.clone();
        self.commit(|core| {
            core.durable.bound = bound;
            core.durable.settings = Some(settings.clone());
        })
        .await?;
        self.seat.proxy.configure(proxy);
        if readmitted {
            self.admin = new_admin;
        }
        if let Some(socket) = new_door {
            let door = Door::open(socket, &self.seat.proxy).map_err(|e| unusable(&e))?;
            if let Some(left) = self.seat.door.replace(door) {
                tokio::spawn(async move {
                    tokio::time::sleep(LEAVING).await;
                    left.close(Duration::from_secs(30)).await;
                });
            }
            self.renew_standby().await;
        }
        self.settle();
        Ok(Reply::Done)
    }

    async fn scale(
        &mut self,
        release: Release,
        instances: u32,
        secrets: BTreeMap<String, String>,
    ) -> Result<Reply, TargetError> {
        if self.durable.settings.is_none() {
            let sentence = "the supervisor was not told where to listen".to_owned();
            return Err(failure("not-configured", sentence, "connect with a configuration first"));
        }
        let spec = LaunchSpec::of(&release)?;
        let mut all = self.secrets.get(&release.id).cloned().unwrap_or_default();
        all.extend(secrets);
        if let Some(missing) =
            spec.secret_names().into_iter().find(|n| !all.contains_key(*n)).filter(|_| instances > 0)
        {
            let sentence = format!(
                "the environment variable {missing}, which release {} needs, is not set",
                release.version
            );
            return Err(failure("missing-secret", sentence, "set it for the deploying command"));
        }
        if let Some(digest) = &spec.program
            && instances > 0
            && !self.seat.paths.program(digest).exists()
        {
            let place = self.seat.paths.program(digest);
            let sentence =
                format!("the kept program of release {} is gone from {}", release.version, place.display());
            return Err(failure("no-program", sentence, "deploy that version again from its source"));
        }
        self.commit(|core| {
            let next = core.durable.sets.iter().map(|s| s.order).max().unwrap_or(0) + 1;
            if !all.is_empty() {
                core.secrets.insert(release.id.clone(), all);
            }
            match core.durable.sets.iter_mut().find(|s| s.release.id == release.id) {
                Some(set) => {
                    if set.desired == 0 && instances > 0 {
                        set.order = next;
                    }
                    set.desired = instances;
                    set.retire_at = None;
                }
                None if instances > 0 => {
                    core.durable.sets.push(SetRecord {
                        release,
                        desired: instances,
                        retire_at: None,
                        order: next,
                    });
                }
                None => {}
            }
        })
        .await
    }

    async fn route(&mut self, weights: BTreeMap<ReleaseId, Weight>) -> Result<Reply, TargetError> {
        let known = |id: &ReleaseId| self.durable.sets.iter().any(|s| s.release.id == *id);
        if let Some(stranger) = weights.iter().find(|(id, w)| **w > Weight::ZERO && !known(id)) {
            return Err(unknown(stranger.0));
        }
        let total: u32 = weights.values().map(|w| u32::from(w.basis_points())).sum();
        if total != 0 && total != u32::from(Weight::FULL.basis_points()) {
            tracing::warn!("the weights add up to {total} instead of 10000; shares are taken in proportion");
        }
        let weights: BTreeMap<_, _> = weights.into_iter().filter(|(_, w)| *w > Weight::ZERO).collect();
        if weights == self.durable.weights {
            return Ok(Reply::Done);
        }
        self.commit(|core| core.durable.weights = weights).await
    }

    async fn retire(&mut self, release: &ReleaseId, at: Option<Timestamp>) -> Result<Reply, TargetError> {
        let later = at.filter(|at| *at > Timestamp::now());
        let carries = self.durable.weights.get(release).copied().unwrap_or_default();
        if later.is_none() && carries > Weight::ZERO {
            let sentence =
                format!("release {release} gets {carries} of the requests and cannot be taken away");
            return Err(failure("carries-traffic", sentence, "route the requests elsewhere first"));
        }
        self.commit(|core| {
            if let Some(set) = core.durable.sets.iter_mut().find(|s| s.release.id == *release) {
                set.retire_at = later;
                if later.is_none() {
                    set.desired = 0;
                }
            }
        })
        .await
    }

    async fn prune(&mut self, mut keep: BTreeSet<String>) -> Result<Reply, TargetError> {
        let specs = self.durable.sets.iter().filter_map(|s| LaunchSpec::of(&s.release).ok());
        keep.extend(specs.filter_map(|s| s.program));
        let root = self.seat.paths.root.clone();
        let removed = super::blocking(move || {
            program::prune(&root, &keep, SystemTime::now()).map_err(|e| disk("remove old programs", &e))
        })
        .await?;
        Ok(Reply::Pruned { removed })
    }

    /// Starts `binary` as the standby that is to take over.
    async fn successor(&mut self, binary: &Path) -> Result<Standby, TargetError> {
        let Some(door) = &self.seat.door else {
            let sentence = "the supervisor has no address yet that another could take over".to_owned();
            return Err(failure("not-configured", sentence, "stop it and start it from the new binary"));
        };
        self.next_id += 1;
        let log = self.seat.paths.log();
        let begin = std::fs::metadata(&log).map_or(0, |m| m.len());
        let events = self.events.clone();
        let started = Standby::spawn(&self.seat.paths, binary, &door.socket, self.next_id, events);
        let successor = started.map_err(|e| {
            let sentence = format!("{} cannot be started: {e}", binary.display());
            failure("upgrade-failed", sentence, "the old supervisor goes on; mend the binary")
        })?;
        if successor.reached(Stage::Ready, COME_UP).await {
            return Ok(successor);
        }
        successor.dismiss().await;
        let words = logs::tail(&log, begin, 3, &[]).join("; ");
        let sentence = format!("{} did not become ready to take over: {words}", binary.display());
        Err(failure("upgrade-failed", sentence, "the old supervisor goes on; mend the cause and do it again"))
    }
}
