//! The watchdog: a process in the cluster that ends a rollout whose runner has died.

use std::time::Duration;

use super::answer::RolloutAnswer;
use super::ground::AnyTarget;
use super::place::{Place, load};
use super::steer;
use crate::cli::{Common, DeployArgs, ReportArgs, WatchdogArgs};
use crate::error::{Error, ErrorKind};
use crate::settings::TargetSettings;
use crate::target::kubernetes::Watchdog;

/// How often the lock is looked at.
const LOOK: Duration = Duration::from_secs(3);

/// What the arguments ask to be left in the cluster.
///
/// # Errors
/// When the environment is in no cluster.
pub fn wanted(common: &Common, place: &Place, arguments: &DeployArgs) -> Result<Option<Watchdog>, Error> {
    let Some(image) = &arguments.watchdog else { return Ok(None) };
    if !matches!(place.environment.target, TargetSettings::Kubernetes(_)) {
        let sentence =
            format!("{} is in no cluster, and `--watchdog` leaves a Job in one", place.environment.name);
        return Err(Error::new(ErrorKind::Usage, "no-cluster", sentence)
            .hint("the embedded target needs none: its supervisor outlives every command"));
    }
    let file = load(common)?.file;
    let settings = std::fs::read_to_string(&file).map_err(|error| {
        let sentence = format!("{} cannot be read: {error}", file.display());
        Error::new(ErrorKind::Usage, "configuration", sentence)
    })?;
    let budgets = place.environment.budgets;
    let lasts = budgets.total + budgets.back * 2;
    let account = arguments.watchdog_account.clone();
    Ok(Some(Watchdog { image: image.clone(), account, settings, lasts }))
}

/// Leaves the watchdog that the place asks for.
///
/// # Errors
/// What the API server says.
pub async fn post(place: &Place, target: &AnyTarget) -> Result<(), Error> {
    if let (Some(watchdog), AnyTarget::Kubernetes(target)) = (&place.watchdog, target) {
        target.post(watchdog).await?;
    }
    Ok(())
}

/// Takes it away again: the rollout has ended, or waits for a person.
pub async fn recall(place: &Place, target: &AnyTarget) {
    if let (Some(_), AnyTarget::Kubernetes(target)) = (&place.watchdog, target)
        && let Err(error) = target.recall().await
    {
        tracing::warn!("the watchdog was not taken away, and goes by itself later: {}", error.sentence);
    }
}

/// Waits until nobody holds the lock; goes on then with a rollout that is open. Gives nothing when there is none.
///
/// # Errors
/// When the cluster cannot be asked, or the rollout had to be left half way again.
pub async fn watch(common: &Common, arguments: &WatchdogArgs) -> Result<Option<RolloutAnswer>, Error> {
    let place = Place::within_cluster(common, &arguments.environment, &arguments.namespace).await?;
    loop {
        while place.ground.sight().await?.is_some() {
            tokio::time::sleep(LOOK).await;
        }
        let environment = place.ground.replay().await?;
        if environment.open().is_none_or(|rollout| rollout.paused.is_some()) {
            return Ok(None);
        }
        tracing::warn!("nobody works on the rollout of {} any more; it is taken up", arguments.environment);
        let place = Place::within_cluster(common, &arguments.environment, &arguments.namespace).await?;
        match steer::take_up(place, common, &ReportArgs::default()).await {
            // Somebody else was faster.
            Err(error) if error.code == "locked" => {}
            result => return result.map(Some),
        }
    }
}
