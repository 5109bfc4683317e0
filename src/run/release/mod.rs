//! From settings to a release, of a program on this machine or of manifests for a cluster.

use super::ground::{AnyTarget, Ground};
use super::place::Place;
use crate::error::Error;
use crate::rollout::Release;
use crate::target::kubernetes::bundle::Bundle;

mod manifests;
mod program;
mod version;

pub use manifests::{bundle, objects};
pub use program::secrets;

/// A release that is to be live, with what the target must know of it that the release itself does not say.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The release.
    pub release: Release,
    /// All its objects, where it is for a cluster and was put together just now. An earlier one's are kept there.
    pub bundle: Option<Bundle>,
}

impl Wanted {
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
/// When there is no version, a secret is not set, or the program or a manifest is missing or wrong.
pub fn build(place: &Place, version: Option<&str>) -> Result<Wanted, Error> {
    match &place.ground {
        Ground::Machine(machine) => {
            secrets(&place.environment.name, &machine.settings)?;
            Ok(Wanted { release: program::build(place, machine, version)?, bundle: None })
        }
        Ground::Cluster(cluster) => {
            cluster.is_told_its_token()?;
            manifests::build(place, cluster, version)
        }
    }
}

/// The same release, for a look: nothing is kept, nothing is written.
///
/// # Errors
/// When there is no version, or the program or a manifest is missing or wrong.
pub fn describe(place: &Place, version: Option<&str>) -> Result<Wanted, Error> {
    match &place.ground {
        Ground::Machine(machine) => {
            Ok(Wanted { release: program::describe(place, machine, version)?, bundle: None })
        }
        Ground::Cluster(cluster) => manifests::build(place, cluster, version),
    }
}
