//! Registries of images, spoken to by the distribution specification
//! (<https://github.com/opencontainers/distribution-spec/blob/main/spec.md>): whether an image is there, and for what; and images
//! carried there and from one to another.
//!
//! ```text
//! name → Reference ─┐                                ┌→ Session → manifest → digest, platforms        (probing)
//! Credentials ──────┴→ Access (https or http, token) ┤
//!                                                    └→ Repository: blobs, manifests
//! files, or a Repository → Package: documents, each with its blobs ─→ push: blobs at once, manifests, tags last
//! ```
//! Written on the HTTP client that the crate has anyway: the client libraries for registries bring twenty crates, do not tell a
//! refusal by the token server from its being busy, on which the answer turns here, and do not go on with an upload that broke.
//! The documents are read by the types of `oci-spec`.
//!
//! Nothing here imports another module of the crate. No secret stands in any message.

mod access;
mod again;
mod blob;
mod challenge;
mod credentials;
mod failure;
mod helper;
mod manifest;
mod package;
mod push;
mod redirect;
mod reference;
mod repository;
mod session;
mod tags;
mod token;
mod upload;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::{Instant, sleep};

pub use again::Pace;
pub use blob::{Blob, Content};
pub use credentials::{BadCredentials, Credential, Credentials};
use failure::Failure;
pub use failure::RegistryError;
pub use manifest::Platform;
pub use package::{Document, Package, digest_of};
pub use push::{Pushed, push};
pub use reference::{BadReference, Reference};
pub use repository::{Carrier, Received, Repository, Right};
use session::Session;
pub use tags::{Tags, full_name};

/// How long a registry that does not answer, or asks to come later, is asked again.
const PATIENCE: Duration = Duration::from_secs(60);
/// The first pause between two tries; each next one is twice as long, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(20);
/// And how long until it is connected.
const CONNECT: Duration = Duration::from_secs(5);
/// How many images are asked for at a time.
const AT_A_TIME: usize = 8;

/// What a registry says of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Image {
    /// It is there.
    Present {
        /// The digest of its manifest, or of its index where it is for several platforms.
        digest: String,
        /// What it is made for; empty where it does not say.
        platforms: Vec<Platform>,
    },
    /// The registry has no such image.
    Absent,
    /// The registry does not give it out. Many registries say so of an image that is not there, too.
    Forbidden {
        /// Whether there were credentials for it: to anybody else, nothing is said of who has some.
        tried: bool,
    },
    /// It cannot be told: the registry cannot be reached from here, is busy, or speaks otherwise.
    Unknown {
        /// Why, as part of a sentence.
        why: String,
    },
}

/// Asks registries for images.
#[derive(Debug, Clone)]
pub struct Registries {
    client: reqwest::Client,
    patience: Duration,
}

impl Registries {
    /// With a connection pool of its own. A proxy of the environment (`HTTPS_PROXY`, `NO_PROXY`) is used.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    pub fn new() -> Result<Self, reqwest::Error> {
        let client = crate::trust::client(|| {
            reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::custom(followed))
                .timeout(REQUEST)
                .connect_timeout(CONNECT)
                .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")))
        })?;
        Ok(Self { client, patience: PATIENCE })
    }

    /// The same, but with another patience with registries that do not answer or ask to come later; by default a minute.
    #[must_use]
    pub fn patient_for(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// What the registry says of an image. Every credential for it is tried, the closest first; without one, it is asked for as
    /// anybody.
    pub async fn probe(&self, image: &str, credentials: &Credentials) -> Image {
        let reference = match Reference::parse(image) {
            Ok(reference) => reference,
            Err(error) => return Image::Unknown { why: error.to_string() },
        };
        let end = Instant::now() + self.patience;
        let mut pause = FIRST_PAUSE;
        loop {
            match self.ask(&reference, credentials).await {
                Ok(image) => return image,
                Err(Failure::Passing { why, wait }) => {
                    let next = wait.unwrap_or(pause);
                    if Instant::now() + next >= end {
                        return Image::Unknown { why };
                    }
                    tracing::debug!(image, why, "the registry is asked again");
                    sleep(next).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(Failure::Lasting(why)) => return Image::Unknown { why },
                Err(Failure::Absent) => return Image::Absent,
                Err(Failure::Named(error)) => return Image::Unknown { why: error.sentence },
                Err(Failure::Refused(_)) => {
                    return Image::Forbidden { tried: !credentials.of(&reference).is_empty() };
                }
            }
        }
    }

    /// What the registries say of images: each is asked for once, a few at a time.
    pub async fn probe_all(
        &self,
        images: impl IntoIterator<Item = String>,
        credentials: &Credentials,
    ) -> BTreeMap<String, Image> {
        let distinct: BTreeSet<String> = images.into_iter().collect();
        let asked = distinct.into_iter().map(|image| async {
            let found = self.probe(&image, credentials).await;
            (image, found)
        });
        futures_util::stream::iter(asked).buffer_unordered(AT_A_TIME).collect().await
    }

    /// One try with each of the credentials, until one is not refused.
    async fn ask(&self, reference: &Reference, credentials: &Credentials) -> Result<Image, Failure> {
        let known = credentials.of(reference);
        let tries = if known.is_empty() { vec![None] } else { known.into_iter().map(Some).collect() };
        let mut last = Err(Failure::Refused(String::new()));
        for credential in tries {
            last = Session::new(&self.client, reference, credential).image().await;
            if !matches!(last, Err(Failure::Refused(_))) {
                break;
            }
        }
        last
    }
}

/// What the registry says of one image, with the default patience.
pub async fn probe(image: &str, credentials: &Credentials) -> Image {
    match Registries::new() {
        Ok(registries) => registries.probe(image, credentials).await,
        Err(error) => {
            Image::Unknown { why: format!("the HTTP client cannot be set up: {}", failure::cause(&error)) }
        }
    }
}

/// Registries send on to where their content lies. Never from https to http: content would come in the clear.
fn followed(attempt: reqwest::redirect::Attempt<'_>) -> reqwest::redirect::Action {
    const MOST: usize = 5;
    let was_safe = attempt.previous().last().is_some_and(|url| url.scheme() == "https");
    if attempt.previous().len() > MOST || (was_safe && attempt.url().scheme() != "https") {
        attempt.stop()
    } else {
        attempt.follow()
    }
}
