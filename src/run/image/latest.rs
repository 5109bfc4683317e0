//! `latest` does not go back to an older release: the registries are asked which there are.

use std::time::Duration;

use crate::error::{Error, ErrorKind};
use crate::image::metadata::Metadata;
use crate::registry::{Credentials, Image, Registries, Tags, full_name};

/// How long a registry that does not answer is asked again.
const PATIENCE: Duration = Duration::from_secs(10);
const CURE: &str = "`latest-check: off` moves it without asking";

/// Leaves `latest` out for each image that has a later release, and for each where that cannot be told: silence is no consent.
pub(super) async fn check(metadata: &mut Metadata) -> Result<(), Error> {
    let Some(claim) = &metadata.claim else { return Ok(()) };
    let registries = Registries::new().map_err(|error| {
        Error::new(ErrorKind::Failed, "tls", format!("the HTTP client cannot be set up: {error}"))
    })?;
    let registries = registries.patient_for(PATIENCE);
    let credentials = Credentials::of_docker().unwrap_or_else(|error| {
        tracing::warn!("registries are asked without credentials: {error}");
        Credentials::default()
    });
    let asked = metadata.images.iter().map(|image| registries.tags(&image.name, &credentials));
    let answers = futures_util::future::join_all(asked).await;
    let version = claim.version();
    let latest: Vec<&str> =
        metadata.names.iter().filter(|name| name.is_latest).map(|name| name.text.as_str()).collect();
    for (image, answer) in metadata.images.iter_mut().zip(answers) {
        let name = &image.name;
        let why = match answer {
            Tags::Known(tags) => match claim.overtaken_by(&tags) {
                Some(later) => {
                    tracing::warn!(
                        "`latest` of {name} stays where it is: there is {later}, which is later than {version}"
                    );
                    image.keeps_latest = true;
                    continue;
                }
                None => continue,
            },
            Tags::Absent => continue,
            Tags::Forbidden { tried: true } if is_new(&registries, name, &latest, &credentials).await => {
                tracing::warn!(
                    "nothing of {name} can be read with the credentials that there are: it is taken for new"
                );
                continue;
            }
            Tags::Forbidden { tried: true } => {
                "its registry refuses to list its tags with the credentials that there are".to_owned()
            }
            Tags::Forbidden { tried: false } => {
                "its registry does not list its tags to everybody, and nobody has logged in before".to_owned()
            }
            Tags::Unknown { why } => why,
        };
        image.keeps_latest = true;
        tracing::warn!(
            "`latest` of {name} stays where it is, for whether there is a later release than {version} is not known: {why}; {CURE}"
        );
    }
    Ok(())
}

/// Whether there is nothing that could go back. Registries refuse alike what is not there and what may not be read; but who may not read
/// an image may not push it either.
async fn is_new(registries: &Registries, image: &str, latest: &[&str], credentials: &Credentials) -> bool {
    for tag in latest {
        let found = registries.probe(&format!("{}:{tag}", full_name(image)), credentials).await;
        if !matches!(found, Image::Absent | Image::Forbidden { .. }) {
            return false;
        }
    }
    true
}
