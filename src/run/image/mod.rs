//! `build` and `image`: images built, what they are called, images given to registries, copied between them, looked at.

mod answer;
pub mod build;
mod copy;
mod facts;
mod git;
mod inputs;
mod inspect;
mod latest;
mod make;
mod named;
mod push;
mod tags;

use std::process::ExitCode;
use std::time::Instant;

use crate::cli::{Common, ImageCommand, RegistryArgs};
use crate::error::{Error, ErrorKind};
use crate::registry::{BadReference, Carrier, Credentials, Pace, Package, Reference, Right};

pub use answer::{DestinationAnswer, ImageAnswer, ManifestAnswer, ProvenanceAnswer, PushAnswer};
pub use build::for_deploy;
pub use named::{Occasion, tag_of};

/// Runs a command on images.
///
/// # Errors
/// When it could not do what it was asked to.
pub async fn image(command: ImageCommand, common: &Common) -> Result<ExitCode, Error> {
    Ok(match command {
        ImageCommand::Tags(arguments) => super::print(common, &tags::tags(&arguments).await?, 0),
        ImageCommand::Push(arguments) => super::print(common, &push::push(&arguments).await?, 0),
        ImageCommand::Copy(arguments) => super::print(common, &copy::copy(&arguments).await?, 0),
        ImageCommand::Inspect(arguments) => super::print(common, &inspect::inspect(&arguments).await?, 0),
    })
}

/// Who carries images, with the credentials of this machine's user.
///
/// # Errors
/// `bad-credentials` when what is kept of them cannot be read.
pub(super) fn carrier(arguments: &RegistryArgs) -> Result<Carrier, Error> {
    let credentials = Credentials::of_user();
    let credentials =
        credentials.map_err(|error| Error::new(ErrorKind::Usage, "bad-credentials", error.to_string()))?;
    Ok(Carrier::new(credentials, arguments.allow_private_redirects, Pace::default())?)
}

/// The name of an image, read.
///
/// # Errors
/// `bad-image-name` when it is none, or names no registry.
pub(super) fn reference(name: &str) -> Result<Reference, Error> {
    Reference::parse(name).map_err(|error| {
        // Nodes are not asked here, and so have no say in where an image is.
        let why = match error {
            BadReference::NoRegistry => "it does not begin with a registry".to_owned(),
            unreadable @ BadReference::Unreadable => unreadable.to_string(),
        };
        let sentence = format!("{name} names no image in a registry: {why}");
        Error::new(ErrorKind::Usage, "bad-image-name", sentence).hint("write it as REGISTRY/REPOSITORY:TAG")
    })
}

/// A repository that is pushed to, and under which tags.
struct Destination {
    reference: Reference,
    tags: Vec<String>,
}

impl Destination {
    /// The same with one more tag, which is set last.
    fn and(&self, tag: String) -> Self {
        let mut tags = self.tags.clone();
        tags.push(tag);
        Self { reference: self.reference.clone(), tags }
    }
}

/// The names by repository, in their order.
fn destinations(names: &[String]) -> Result<Vec<Destination>, Error> {
    let mut all: Vec<Destination> = Vec::new();
    for name in names {
        let read = reference(name)?;
        if read.version.contains(':') {
            let sentence = format!("{name} has a digest, which is for the image to say");
            return Err(Error::new(ErrorKind::Usage, "bad-image-name", sentence)
                .hint("name a tag, or nothing after the repository"));
        }
        let known = all.iter_mut().find(|one| {
            one.reference.registry == read.registry && one.reference.repository == read.repository
        });
        match known {
            Some(one) if one.tags.contains(&read.version) => {}
            Some(one) => one.tags.push(read.version),
            None => all.push(Destination { tags: vec![read.version.clone()], reference: read }),
        }
    }
    Ok(all)
}

/// Brings an image to all places. `near` is where its content may be had from without sending it, in its own registry.
async fn deliver(
    carrier: &Carrier,
    package: &Package,
    to: &[Destination],
    near: Option<&Reference>,
    began: Instant,
) -> Result<PushAnswer, Error> {
    let mut near: Vec<Reference> = near.into_iter().cloned().collect();
    let mut answer = PushAnswer::new(package);
    for one in to {
        let from = near.iter().find(|known| known.registry == one.reference.registry);
        let from =
            from.map(|known| known.repository.clone()).filter(|from| *from != one.reference.repository);
        let mounts: Vec<String> = from.iter().cloned().collect();
        let repository = carrier.repository(&one.reference, Right::Push(&mounts)).await?;
        let pushed = crate::registry::push(package, &repository, &one.tags, from.as_deref()).await;
        let pushed = pushed.map_err(|error| answer.amend(error.into()))?;
        answer.add(&repository.name(), &one.tags, &pushed);
        near.push(one.reference.clone());
    }
    answer.end(began.elapsed());
    Ok(answer)
}
