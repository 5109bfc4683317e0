//! The lock as a Lease (coordination.k8s.io/v1): held as long as it is renewed.
//!
//! A holder renews every five seconds and counts the lease as lost once thirty seconds have passed since a renewal *began*
//! that succeeded; by then nobody else has counted it as free, for who wants it waits until its time is over by the clock
//! and by a margin for clocks that differ. Every change of the Lease names the version that it stands on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client, Error};
use tokio_util::task::AbortOnDropHandle;

use super::{Scope, problem};
use crate::cluster::patiently;
use crate::journal::{Held, Holder, LockError, Sighting};

/// How long a lease that is not renewed is still its holder's.
const LASTS: Duration = Duration::from_secs(30);
/// Between two renewals.
const RENEW: Duration = Duration::from_secs(5);
/// After so long without a renewal a holder has probably died: three were due.
const SILENT: SignedDuration = SignedDuration::from_secs(15);
/// By how much the clocks of two runners may differ without both taking the lease for theirs.
const SKEW: SignedDuration = SignedDuration::from_secs(5);
/// The annotation that names the holder for people.
const HOLDER: &str = "tidegate.dev/holder";

/// The lock of an environment, held until it is released, taken over, or no longer renewed.
#[derive(Debug)]
pub struct LeaseLock {
    leases: Api<Lease>,
    name: String,
    nonce: String,
    state: Arc<Mutex<State>>,
    _renewing: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct State {
    /// The Lease as it was last written.
    lease: Lease,
    /// When the renewal began that last succeeded.
    renewed: Instant,
    /// Who has it now instead.
    lost: Option<String>,
}

impl LeaseLock {
    /// Takes the lock.
    ///
    /// # Errors
    /// [`LockError::Held`] with the holder when somebody else has it; [`LockError::Journal`] when the cluster cannot be asked.
    pub async fn acquire(client: &Client, scope: &Scope, holder: &Holder) -> Result<Self, LockError> {
        Self::take(client, scope, holder, Force::None).await
    }

    /// Takes the lock from whoever holds it: that one finds at its next renewal that it is lost, and stops acting.
    ///
    /// # Errors
    /// As [`LeaseLock::acquire`], when the cluster cannot be asked.
    pub async fn seize(client: &Client, scope: &Scope, holder: &Holder) -> Result<Self, LockError> {
        Self::take(client, scope, holder, Force::Any).await
    }

    /// Takes the lock from a process that has died, by the end of its nonces, if it is still that one which holds it.
    ///
    /// # Errors
    /// As [`LeaseLock::acquire`].
    pub async fn seize_from(
        client: &Client,
        scope: &Scope,
        holder: &Holder,
        process: &str,
    ) -> Result<Self, LockError> {
        Self::take(client, scope, holder, Force::Of(process)).await
    }

    /// Who holds the lock at this moment.
    ///
    /// # Errors
    /// When the cluster cannot be asked.
    pub async fn holder(client: &Client, scope: &Scope) -> Result<Option<Holder>, LockError> {
        Ok(Self::sight(client, scope).await?.map(|sighting| sighting.holder))
    }

    /// As [`LeaseLock::holder`], and whether the holder has probably died.
    ///
    /// # Errors
    /// When the cluster cannot be asked.
    pub async fn sight(client: &Client, scope: &Scope) -> Result<Option<Sighting>, LockError> {
        let (leases, name) = (scope.api::<Lease>(client), scope.prefix());
        let there = patiently(|| leases.get_opt(&name)).await.map_err(|error| told("read", &name, &error))?;
        Ok(there.and_then(|lease| seen(&lease, Timestamp::now())))
    }

    /// Lets go, so that the next one need not wait for the lease to run out. Does nothing when it is no longer ours.
    pub async fn release(self) {
        let Self { leases, name, nonce, state, _renewing } = self;
        drop(_renewing);
        if locked(&state).lost.is_some() {
            return;
        }
        let mut lease = locked(&state).lease.clone();
        loop {
            if !is_of(&lease, &nonce) {
                return;
            }
            if let Some(spec) = &mut lease.spec {
                spec.holder_identity = None;
            }
            match leases.replace(&name, &PostParams::default(), &lease).await {
                // Taken over in this moment, or our own last renewal whose answer nobody waited for.
                Err(Error::Api(status)) if status.code == 409 => match leases.get_opt(&name).await {
                    Ok(Some(there)) => lease = there,
                    _ => return,
                },
                // Unheard, it runs out.
                _ => return,
            }
        }
    }

    async fn take(
        client: &Client,
        scope: &Scope,
        holder: &Holder,
        force: Force<'_>,
    ) -> Result<Self, LockError> {
        let (leases, name) = (scope.api::<Lease>(client), scope.prefix());
        loop {
            let there =
                patiently(|| leases.get_opt(&name)).await.map_err(|error| told("read", &name, &error))?;
            let began = Instant::now();
            let now = Timestamp::now();
            if let Some(lease) = &there
                && !force.takes(lease)
                && !is_of(lease, &holder.nonce)
                && !free(lease, now)
            {
                let unknown = || Holder { name: "another run".to_owned(), ..holder.clone() };
                return Err(LockError::Held(Box::new(named(lease).unwrap_or_else(unknown))));
            }
            let wanted = taken(there, scope, &name, holder, now);
            let options = PostParams::default();
            let write = || async {
                match &wanted.metadata.resource_version {
                    Some(_) => leases.replace(&name, &options, &wanted).await,
                    None => leases.create(&options, &wanted).await,
                }
            };
            match patiently(write).await {
                Ok(lease) => return Ok(Self::held(leases, name, holder, lease, began)),
                // Somebody else was faster, or our own write came through without its answer: look again.
                Err(Error::Api(status)) if status.code == 409 => {}
                Err(error) => return Err(told("write", &name, &error)),
            }
        }
    }

    fn held(leases: Api<Lease>, name: String, holder: &Holder, lease: Lease, began: Instant) -> Self {
        let state = Arc::new(Mutex::new(State { lease, renewed: began, lost: None }));
        let nonce = holder.nonce.clone();
        let task = keep(leases.clone(), name.clone(), nonce.clone(), Arc::clone(&state));
        Self { leases, name, nonce, state, _renewing: AbortOnDropHandle::new(tokio::spawn(task)) }
    }
}

/// From whom a lock is taken though it is held.
#[derive(Debug, Clone, Copy)]
enum Force<'a> {
    None,
    Any,
    /// From this process, by the end of its nonces.
    Of(&'a str),
}

impl Force<'_> {
    fn takes(self, lease: &Lease) -> bool {
        match self {
            Self::None => false,
            Self::Any => true,
            Self::Of(process) => named(lease).is_some_and(|holder| holder.is_of(process)),
        }
    }
}

impl Held for LeaseLock {
    fn check(&self) -> Result<(), LockError> {
        let state = locked(&self.state);
        match &state.lost {
            Some(who) => Err(LockError::Lost(who.clone())),
            None if state.renewed.elapsed() >= LASTS => Err(LockError::Lost(format!(
                "nobody yet, but it ran out: the cluster did not answer for {LASTS:?}"
            ))),
            None => Ok(()),
        }
    }
}

/// Renews until the lease is lost.
async fn keep(leases: Api<Lease>, name: String, nonce: String, state: Arc<Mutex<State>>) {
    loop {
        tokio::time::sleep(RENEW).await;
        let mut lease = locked(&state).lease.clone();
        if let Some(spec) = &mut lease.spec {
            spec.renew_time = Some(MicroTime(Timestamp::now()));
        }
        let began = Instant::now();
        match leases.replace(&name, &PostParams::default(), &lease).await {
            Ok(lease) => {
                let mut state = locked(&state);
                (state.lease, state.renewed) = (lease, began);
            }
            Err(Error::Api(status)) if status.code == 409 || status.code == 404 => {
                // Changed under us: taken over, or our own renewal whose answer was lost.
                match leases.get_opt(&name).await {
                    Ok(Some(there)) if is_of(&there, &nonce) => locked(&state).lease = there,
                    Ok(there) => {
                        let who = there.as_ref().and_then(named).map(|holder| holder.name);
                        locked(&state).lost =
                            Some(who.unwrap_or_else(|| "somebody who removed its Lease".to_owned()));
                        return;
                    }
                    Err(error) => tracing::debug!(%error, "the lease could not be read"),
                }
            }
            // Tried again in a moment; `check` tells when its time is over.
            Err(error) => tracing::warn!("the lease {name} could not be renewed: {error}"),
        }
    }
}

/// The Lease as it is when this holder has it.
fn taken(there: Option<Lease>, scope: &Scope, name: &str, holder: &Holder, now: Timestamp) -> Lease {
    let mut lease = there.unwrap_or_else(|| Lease {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(scope.labels("lock")),
            ..ObjectMeta::default()
        },
        spec: None,
    });
    let transitions = lease.spec.as_ref().and_then(|spec| spec.lease_transitions).unwrap_or_default();
    lease.spec = Some(LeaseSpec {
        holder_identity: Some(holder.nonce.clone()),
        acquire_time: Some(MicroTime(now)),
        renew_time: Some(MicroTime(now)),
        lease_duration_seconds: i32::try_from(LASTS.as_secs()).ok(),
        lease_transitions: Some(transitions.saturating_add(1)),
        ..LeaseSpec::default()
    });
    let text = serde_json::to_string(holder).unwrap_or_default();
    let annotations: &mut BTreeMap<_, _> = lease.metadata.annotations.get_or_insert_default();
    annotations.insert(HOLDER.to_owned(), text);
    lease
}

/// Whether nobody has it: let go, never taken, or not renewed in its time.
fn free(lease: &Lease, now: Timestamp) -> bool {
    let Some(spec) = &lease.spec else { return true };
    if spec.holder_identity.as_deref().unwrap_or_default().is_empty() {
        return true;
    }
    let Some(MicroTime(renewed)) = spec.renew_time else { return true };
    let lasts = SignedDuration::from_secs(spec.lease_duration_seconds.unwrap_or_default().into());
    now.duration_since(renewed) > lasts + SKEW
}

fn is_of(lease: &Lease, nonce: &str) -> bool {
    lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()) == Some(nonce)
}

fn named(lease: &Lease) -> Option<Holder> {
    serde_json::from_str(lease.metadata.annotations.as_ref()?.get(HOLDER)?).ok()
}

/// Who has the lease; nothing where nobody has.
fn seen(lease: &Lease, now: Timestamp) -> Option<Sighting> {
    if free(lease, now) {
        return None;
    }
    let spec = lease.spec.as_ref()?;
    let MicroTime(renewed) = spec.renew_time.clone()?;
    let nonce = spec.holder_identity.clone()?;
    let unnamed = || Holder {
        name: "another run".into(),
        reason: "it does not say what for".into(),
        since: renewed,
        nonce,
    };
    let silent_since = (now.duration_since(renewed) >= SILENT).then_some(renewed);
    Some(Sighting { holder: named(lease).unwrap_or_else(unnamed), silent_since, last_sign: Some(renewed) })
}

fn told(tried: &str, name: &str, error: &Error) -> LockError {
    LockError::Journal(problem(tried, &format!("Lease {name}"), error))
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        Scope { app: "shop".into(), environment: "production".into(), namespace: "shop".into() }
    }

    fn holder(nonce: &str, since: Timestamp) -> Holder {
        Holder { name: "ada".into(), reason: "deploy of 2".into(), since, nonce: nonce.into() }
    }

    #[test]
    fn a_lease_is_free_once_its_time_and_the_margin_for_clocks_are_over() {
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        let lease = taken(None, &scope(), "tidegate-shop-production", &holder("n", at), at);
        let after = |seconds| free(&lease, at + SignedDuration::from_secs(seconds));
        assert_eq!((after(0), after(30), after(35), after(36)), (false, false, false, true));
        assert!(is_of(&lease, "n") && !is_of(&lease, "m"));
        assert_eq!(named(&lease).unwrap().name, "ada");
    }

    #[test]
    fn a_holder_that_missed_three_renewals_is_silent() {
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        let lease = taken(None, &scope(), "tidegate-shop-production", &holder("n", at), at);
        let after = |seconds| seen(&lease, at + SignedDuration::from_secs(seconds));
        assert_eq!(after(1).unwrap().holder.name, "ada");
        let silent = [-5, 14, 15, 35].map(|seconds| after(seconds).unwrap().silent_since);
        assert_eq!(silent, [None, None, Some(at), Some(at)]);
        assert_eq!(after(36), None, "by then it is free");
        let mut unnamed = lease.clone();
        unnamed.metadata.annotations = None;
        assert_eq!(seen(&unnamed, at).unwrap().holder.name, "another run");
        assert_eq!(seen(&Lease::default(), at), None);
    }

    #[test]
    fn a_lease_that_was_let_go_is_free_at_once_and_counts_its_holders() {
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        let mut lease = taken(None, &scope(), "x", &holder("n", at), at);
        lease.spec.as_mut().unwrap().holder_identity = None;
        assert!(free(&lease, at));
        let again = taken(Some(lease), &scope(), "x", &holder("m", at), at);
        assert_eq!(again.spec.as_ref().unwrap().lease_transitions, Some(2));
        assert!(free(&Lease::default(), at), "one without a spec is nobody's");
    }
}
