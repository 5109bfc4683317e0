//! A repository that images are had from and given to.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, RANGE};
use reqwest::{Method, Response, StatusCode};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::access::{Access, Ask, body, chunk};
use super::again::{Again, Pace, again};
use super::blob::Blob;
use super::failure::{Failure, RegistryError, cause, mismatch, verdict};
use super::manifest::ACCEPTED;
use super::redirect::Guard;
use super::{CONNECT, Credential, Credentials, Reference};

/// The header in which registries tell a digest.
const DIGEST: &str = "docker-content-digest";

/// Carries images between this machine and registries, and from one registry to another.
#[derive(Debug)]
pub struct Carrier {
    client: reqwest::Client,
    guard: Guard,
    pace: Pace,
    credentials: Credentials,
}

/// What is to be done in a repository: a token is asked for no more than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right<'a> {
    /// To have images from it.
    Pull,
    /// To give images to it, with content of these repositories of the same registry.
    Push(&'a [String]),
}

impl Carrier {
    /// With a connection pool of its own. A proxy of the environment (`HTTPS_PROXY`, `NO_PROXY`) is used. Redirects to private
    /// addresses are refused unless they are allowed.
    ///
    /// # Errors
    /// `tls` when the TLS library cannot be set up.
    pub fn new(
        credentials: Credentials,
        allows_private_redirects: bool,
        pace: Pace,
    ) -> Result<Self, RegistryError> {
        let guard = Guard::new(allows_private_redirects);
        let client = crate::trust::client(|| {
            reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .dns_resolver(Arc::new(guard.clone()))
                .connect_timeout(CONNECT)
                .tcp_nodelay(true)
                .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")))
        });
        let client = client.map_err(|error| {
            RegistryError::new("tls", format!("the HTTP client cannot be set up: {}", cause(&error)))
        })?;
        Ok(Self { client, guard, pace, credentials })
    }

    /// A repository. The closest credential for it is used; a helper is asked where Docker's configuration says so.
    ///
    /// # Errors
    /// `bad-credentials` when the helper fails.
    pub async fn repository(
        &self,
        reference: &Reference,
        right: Right<'_>,
    ) -> Result<Repository, RegistryError> {
        let credential: Option<Credential> = self.credentials.closest(reference).await?;
        let actions = if right == Right::Pull { "pull" } else { "pull,push" };
        let mut scopes = vec![format!("repository:{}:{actions}", reference.repository)];
        if let Right::Push(others) = right {
            let others = others.iter().filter(|other| **other != reference.repository);
            scopes.extend(others.map(|other| format!("repository:{other}:pull")));
        }
        let access = Access::new(&self.client, reference, credential.as_ref(), scopes, self.guard.clone());
        Ok(Repository { access, pace: self.pace, is_for_push: right != Right::Pull })
    }
}

/// One repository of one registry, asked as one person.
#[derive(Debug)]
pub struct Repository {
    pub(super) access: Access,
    pub(super) pace: Pace,
    is_for_push: bool,
}

/// A manifest as a registry gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Its media type.
    pub media_type: String,
    /// The digest of its bytes, by this process's own reckoning.
    pub digest: String,
    /// Its bytes.
    pub bytes: Bytes,
}

impl Repository {
    /// Registry and name.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.access.reference.registry, self.access.reference.repository)
    }

    /// The manifest of a tag or digest; nothing where there is none.
    ///
    /// # Errors
    /// When it cannot be had, or is not what the digest says.
    pub async fn manifest(&self, version: &str) -> Result<Option<Received>, RegistryError> {
        let got = again(self.pace, async || self.get_manifest(version).await).await;
        match got {
            Ok(received) => Ok(Some(received)),
            Err(Failure::Absent) => Ok(None),
            Err(failure) => Err(self.told(failure)),
        }
    }

    async fn get_manifest(&self, version: &str) -> Result<Received, Failure> {
        let path = format!("manifests/{version}");
        let response = self.access.ask(&Ask::new(Method::GET, &path).header(ACCEPT, ACCEPTED)).await?;
        if response.status() != StatusCode::OK {
            return Err(self.verdict(response).await);
        }
        let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = media_type.unwrap_or_default().split(';').next().unwrap_or_default().to_owned();
        let bytes = Bytes::from(body(response, &self.access.who()).await?);
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(&bytes)));
        if version.starts_with("sha256:") && version != digest {
            let sentence = format!("{} gives another manifest than {version}", self.access.who());
            return Err(Failure::Named(mismatch(sentence)));
        }
        Ok(Received { media_type, digest, bytes })
    }

    /// The digest of what a tag or digest names; nothing where there is none.
    ///
    /// # Errors
    /// When it cannot be told.
    pub async fn digest(&self, version: &str) -> Result<Option<String>, RegistryError> {
        let path = format!("manifests/{version}");
        let asked = again(self.pace, async || {
            let response = self.access.ask(&Ask::new(Method::HEAD, &path).header(ACCEPT, ACCEPTED)).await?;
            match response.status() {
                StatusCode::OK => Ok(told_digest(&response)),
                _ => Err(self.verdict(response).await),
            }
        });
        match asked.await {
            Ok(Some(digest)) => Ok(Some(digest)),
            // It is there, and has to be read to know its digest.
            Ok(None) => Ok(self.manifest(version).await?.map(|received| received.digest)),
            Err(Failure::Absent) => Ok(None),
            Err(failure) => Err(self.told(failure)),
        }
    }

    /// Writes a manifest under a tag or its digest.
    ///
    /// # Errors
    /// When it is not taken, or taken for something else.
    pub async fn put_manifest(
        &self,
        version: &str,
        media_type: &str,
        digest: &str,
        bytes: &Bytes,
    ) -> Result<(), RegistryError> {
        let path = format!("manifests/{version}");
        let put = again(self.pace, async || {
            let mut ask = Ask::new(Method::PUT, &path).header(CONTENT_TYPE, media_type);
            ask.body = Some(bytes.clone());
            let response = self.access.ask(&ask).await?;
            if !response.status().is_success() {
                return Err(self.verdict(response).await);
            }
            match told_digest(&response) {
                Some(told) if told != digest && told.starts_with("sha256:") => Err(Failure::Named(mismatch(
                    format!("{} took the manifest {digest} for {told}", self.access.who()),
                ))),
                _ => Ok(()),
            }
        });
        put.await.map_err(|failure| self.told(failure))
    }

    /// Whether a blob is there; asked once.
    pub(super) async fn has(&self, digest: &str) -> Result<bool, Failure> {
        let path = format!("blobs/{digest}");
        let response = self.access.ask(&Ask::new(Method::HEAD, &path)).await?;
        match response.status() {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(self.verdict(response).await),
        }
    }

    /// The whole of a small blob, such as a configuration.
    ///
    /// # Errors
    /// When it cannot be had, or is not what the digest says.
    pub async fn small(&self, digest: &str) -> Result<Bytes, RegistryError> {
        let path = format!("blobs/{digest}");
        let got = again(self.pace, async || {
            let response = self.access.ask(&Ask::new(Method::GET, &path)).await?;
            match response.status() {
                StatusCode::OK => body(response, &self.access.who()).await,
                _ => Err(self.verdict(response).await),
            }
        });
        let bytes = got.await.map_err(|failure| self.told(failure))?;
        let found = format!("sha256:{}", hex::encode(Sha256::digest(&bytes)));
        if digest.starts_with("sha256:") && found != digest {
            return Err(mismatch(format!("{} gives {found} for {digest}", self.access.who())));
        }
        Ok(bytes.into())
    }

    /// Gives the bytes of a blob from a place on to somebody, in order. A connection that breaks is made anew at the place that was
    /// reached. `take` sees each part before it is given on.
    pub(super) async fn pull(
        &self,
        blob: &Blob,
        from: u64,
        take: impl Fn(u64, &Bytes) -> Result<(), RegistryError>,
        giver: &mpsc::Sender<Result<Bytes, RegistryError>>,
    ) -> Result<(), RegistryError> {
        let mut at = from;
        let mut tries = Again::new(self.pace);
        while at < blob.size {
            let before = at;
            let pulled = self.pull_once(blob, &mut at, &take, giver).await;
            if at > before {
                tries.progressed();
            }
            match pulled {
                Ok(()) => return Ok(()),
                Err(failure) => tries.after(failure).await.map_err(|failure| self.told(failure))?,
            }
        }
        Ok(())
    }

    async fn pull_once(
        &self,
        blob: &Blob,
        at: &mut u64,
        take: &impl Fn(u64, &Bytes) -> Result<(), RegistryError>,
        giver: &mpsc::Sender<Result<Bytes, RegistryError>>,
    ) -> Result<(), Failure> {
        let path = format!("blobs/{}", blob.digest);
        let mut ask = Ask::new(Method::GET, &path);
        if *at > 0 {
            ask = ask.header(RANGE, format!("bytes={at}-"));
        }
        let mut response = self.access.ask(&ask).await?;
        // A registry that knows no ranges begins anew: what was had already is passed over.
        let mut over = match response.status() {
            StatusCode::OK => *at,
            StatusCode::PARTIAL_CONTENT => 0,
            _ => return Err(self.verdict(response).await),
        };
        let who = self.access.who();
        while let Some(mut part) = chunk(&mut response, &who, self.pace.stall).await? {
            let known = over.min(part.len() as u64);
            over -= known;
            part = part.split_off(usize::try_from(known).unwrap_or_default());
            part.truncate(usize::try_from(blob.size - *at).unwrap_or(usize::MAX));
            if part.is_empty() {
                continue;
            }
            take(*at, &part).map_err(Failure::Named)?;
            *at += part.len() as u64;
            if giver.send(Ok(part)).await.is_err() {
                // Nobody wants the rest.
                return Ok(());
            }
        }
        if *at < blob.size {
            return Err(Failure::passing(format!("{who} ended in the middle of {}", blob.digest)));
        }
        Ok(())
    }

    /// What an answer that is no success means.
    pub(super) async fn verdict(&self, response: Response) -> Failure {
        let (status, headers) = (response.status(), response.headers().clone());
        let who = self.access.who();
        let words = body(response, &who).await.unwrap_or_default();
        verdict(status, &headers, &words, &who)
    }

    /// What is told of a failure.
    pub(super) fn told(&self, failure: Failure) -> RegistryError {
        let (who, name) = (self.access.who(), &self.access.reference.repository);
        match failure {
            Failure::Named(error) => error,
            Failure::Absent => {
                RegistryError::new("image-absent", format!("{who} has no such content in {name}"))
            }
            Failure::Passing { why, .. } => RegistryError::new("registry-unreachable", why),
            Failure::Lasting(why) => RegistryError::new("registry-answer", why),
            Failure::Refused(words) => {
                let right = if self.is_for_push { "push to" } else { "pull from" };
                let words = if words.is_empty() { words } else { format!(": {words}") };
                let sentence = match &self.access.credential {
                    Some(_) => format!("{who} does not let these credentials {right} {name}{words}"),
                    None => format!(
                        "{who} lets nobody {right} {name} without credentials, and none are known for it{words}"
                    ),
                };
                RegistryError::new("registry-refused", sentence).hint(
                    "`docker login` writes credentials; or set TIDEGATE_REGISTRY, TIDEGATE_REGISTRY_USER and \
                     TIDEGATE_REGISTRY_PASSWORD",
                )
            }
        }
    }
}

/// The digest that a registry tells of what it was asked for.
pub(super) fn told_digest(response: &Response) -> Option<String> {
    let told = response.headers().get(DIGEST)?.to_str().ok()?;
    told.contains(':').then(|| told.to_owned())
}
