//! From settings to a release, of a program on this machine or of manifests for a cluster.

use super::ground::{AnyTarget, Ground};
use super::migrations::Planned;
use super::place::Place;
use crate::cli::ReleaseArgs;
use crate::error::{Error, ErrorKind};
use crate::rollout::Release;
use crate::run::preview::database;
use crate::target::kubernetes::bundle::Bundle;

mod digest;
mod manifests;
mod program;
mod version;

pub use digest::{demand_use, names};
pub use manifests::{bundle, fit, objects, without_image};
pub use program::secrets;
pub use version::{commit, of as version_of};

/// Which release is asked for, in the words of the command line.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    /// The version.
    pub version: Option<&'a str>,
    /// The image.
    pub image: Option<&'a str>,
}

impl ReleaseArgs {
    /// Which release they ask for.
    #[must_use]
    pub fn asked(&self) -> Asked<'_> {
        Asked { version: self.version.as_deref(), image: self.image.as_deref() }
    }
}

/// A release that is to be live, with what the target must know of it that the release itself does not say.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The release.
    pub release: Release,
    /// All its objects, where it is for a cluster and was put together just now. An earlier one's are kept there.
    pub bundle: Option<Bundle>,
    /// Its migrations, where it has some that may have to run.
    pub migrations: Option<Planned>,
    /// It was live before, and is gone back to by hand.
    pub is_return: bool,
    /// It is gone back to though the database may have moved on from it.
    pub is_forced: bool,
}

impl Wanted {
    /// One that was live before.
    #[must_use]
    pub const fn again(release: Release, is_forced: bool) -> Self {
        Self { release, bundle: None, migrations: None, is_return: true, is_forced }
    }

    const fn anew(release: Release, bundle: Option<Bundle>, migrations: Option<Planned>) -> Self {
        Self { release, bundle, migrations, is_return: false, is_forced: false }
    }

    /// Has the target keep what it will need of the release, to bring it and to go back to it.
    ///
    /// # Errors
    /// When the target does not keep it.
    pub async fn keep(self, target: &AnyTarget) -> Result<(), Error> {
        match (target, self.bundle) {
            (AnyTarget::Kubernetes(target), Some(bundle)) => Ok(target.keep(&self.release, bundle).await?),
            // A program was copied when the release was put together.
            _ => Ok(()),
        }
    }
}

/// Puts the release together that the settings and the working tree describe now. Keeps a copy of its program.
///
/// # Errors
/// When there is no version, a secret is not set, the program or a manifest is missing or wrong, or there is no such image.
pub async fn build(place: &Place, asked: Asked<'_>) -> Result<Wanted, Error> {
    match &place.ground {
        Ground::Machine(machine) => {
            refuse_image(place, asked)?;
            let own = database::own(&place.ground, &place.environment).await?;
            secrets(&place.environment.name, &machine.settings, own.as_ref())?;
            let migrations = Planned::of(place)?;
            let release = program::build(place, machine, asked.version, migrations.as_ref())?;
            Ok(Wanted::anew(release, None, migrations))
        }
        Ground::Cluster(cluster) => {
            cluster.is_told_its_token()?;
            manifests::build(place, cluster, asked).await
        }
    }
}

/// The same release, for a look: nothing is kept, nothing is written.
///
/// # Errors
/// As [`build`].
pub async fn describe(place: &Place, asked: Asked<'_>) -> Result<Wanted, Error> {
    match &place.ground {
        Ground::Machine(machine) => {
            refuse_image(place, asked)?;
            let migrations = Planned::of(place)?;
            let release = program::describe(place, machine, asked.version, migrations.as_ref())?;
            Ok(Wanted::anew(release, None, migrations))
        }
        Ground::Cluster(cluster) => manifests::describe(place, cluster, asked).await,
    }
}

/// Programs on this machine are no images.
fn refuse_image(place: &Place, asked: Asked<'_>) -> Result<(), Error> {
    if asked.image.is_none() {
        return Ok(());
    }
    let sentence =
        format!("{} is in no cluster, and `--image` is for what runs images", place.environment.name);
    Err(Error::new(ErrorKind::Usage, "no-cluster", sentence)
        .hint("leave it out: the program is named by `command` in tidegate.yaml"))
}
