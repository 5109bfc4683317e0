//! The registries that a build is for: whether one of them has the image already, and the mark by which the next build finds it.

use std::sync::Arc;
use std::time::Instant;

use super::BuildAnswer;
use super::answer::AttestationAnswer;
use crate::cli::RegistryArgs;
use crate::error::Error;
use crate::image::build::Order;
use crate::image::build::fingerprint::Fingerprint;
use crate::registry::{Carrier, Credentials, Pace, Package, Reference, RegistryError, Right, full_name};
use crate::run::image::{Destination, deliver, destinations, inspect};

/// A build does not wait long for a registry that could save it.
const TRIES: u32 = 4;

/// The repositories that the image goes to.
pub(super) struct Places {
    carrier: Carrier,
    all: Vec<Destination>,
}

/// An image of the same inputs.
pub(super) struct Found {
    at: Reference,
}

impl Places {
    /// Those of an order; none where it goes to no registry by its names.
    pub(super) fn of(order: &Order, registry: &RegistryArgs) -> Result<Option<Self>, Error> {
        if !order.push || order.tags.is_empty() || order.is_call() {
            return Ok(None);
        }
        let names: Vec<String> = order.tags.iter().map(|tag| full_name(tag)).collect();
        let all = destinations(&names)?;
        let credentials = Credentials::of_user().unwrap_or_else(|error| {
            tracing::warn!("registries are asked without credentials: {error}");
            Credentials::default()
        });
        let pace = Pace { tries: TRIES, ..Pace::default() };
        let carrier = Carrier::new(credentials, registry.allow_private_redirects, pace)?;
        Ok(Some(Self { carrier, all }))
    }

    /// The digest of an image in its registry.
    ///
    /// # Errors
    /// Why it cannot be told, as part of a sentence.
    pub(super) async fn digest(&self, image: &str) -> Result<String, String> {
        let reference = Reference::parse(&full_name(image)).map_err(|error| error.to_string())?;
        let asked = async {
            let repository = self.carrier.repository(&reference, Right::Pull).await?;
            repository.digest(&reference.version).await
        };
        let digest = asked.await.map_err(|error: RegistryError| error.sentence)?;
        digest.ok_or_else(|| "its registry has no such image".to_owned())
    }

    /// An image of these inputs, in the first repository that has one.
    pub(super) async fn find(&self, print: &Fingerprint) -> Option<Found> {
        for one in &self.all {
            let at = Reference { version: print.tag(), ..one.reference.clone() };
            let asked = async {
                let repository = self.carrier.repository(&at, Right::Pull).await?;
                repository.digest(&at.version).await
            };
            match asked.await {
                Ok(Some(digest)) => return Some(Found { at: Reference { version: digest, ..at } }),
                Ok(None) => {}
                // Whoever may not look there may not push there either, and the build says so better.
                Err(error) => tracing::debug!("{at} cannot be looked for: {error}"),
            }
        }
        None
    }

    /// Puts the tags that are wanted on an image that is there.
    ///
    /// # Errors
    /// When it cannot be had whole, or a registry does not take the tags.
    pub(super) async fn reuse(
        &self,
        found: &Found,
        print: &Fingerprint,
        began: Instant,
        answer: &mut BuildAnswer,
    ) -> Result<(), Error> {
        let repository = Arc::new(self.carrier.repository(&found.at, Right::Pull).await?);
        let package = Package::of(&repository, &found.at.version).await?;
        // With the mark, so that each repository has it.
        let to: Vec<Destination> = self.all.iter().map(|one| one.and(print.tag())).collect();
        let pushed = deliver(&self.carrier, &package, &to, Some(&found.at), began).await?;
        answer.digest = Some(pushed.digest.clone());
        self.describe(answer).await;
        answer.reused(pushed.destinations.iter().all(|one| one.unchanged), began.elapsed());
        Ok(())
    }

    /// Marks an image that was just pushed, in each of its repositories.
    ///
    /// # Errors
    /// When it is not there, or a registry does not take the mark.
    pub(super) async fn mark(&self, print: &Fingerprint, digest: Option<&str>) -> Result<(), RegistryError> {
        let absent = || RegistryError::new("image-absent", "the registry does not have what was pushed");
        let digest = digest.ok_or_else(absent)?;
        for one in &self.all {
            let repository = self.carrier.repository(&one.reference, Right::Push(&[])).await?;
            let received = repository.manifest(digest).await?.ok_or_else(absent)?;
            repository.put_manifest(&print.tag(), &received.media_type, digest, &received.bytes).await?;
        }
        Ok(())
    }

    /// Tells what the image is for and what is attached to it. Where that cannot be told, the answer is without it.
    pub(super) async fn describe(&self, answer: &mut BuildAnswer) {
        let (Some(first), Some(digest)) = (self.all.first(), answer.digest.clone()) else { return };
        let at = Reference { version: digest, ..first.reference.clone() };
        match inspect::look(&self.carrier, &at).await {
            Ok(image) => {
                answer.platforms = image.manifests.iter().filter_map(|one| one.platform.clone()).collect();
                answer.platforms.sort();
                let attached = image.manifests.into_iter().filter_map(|one| {
                    let (about, digest, predicates) = (one.about?, one.digest, one.predicates);
                    Some(AttestationAnswer { digest, about, predicates })
                });
                answer.attestations = attached.collect();
            }
            Err(error) => tracing::warn!("what was pushed cannot be looked at: {error}"),
        }
    }
}
