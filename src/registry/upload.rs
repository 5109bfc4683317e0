//! How a blob comes into a repository: it is there, it is mounted from another, or it is uploaded; after a broken connection from
//! the place that the registry has kept.
//!
//! ```text
//! HEAD blob ── there ──→ done
//!   └→ POST (with a mount where there is one) ── 201 ──→ done
//!        └ 202 → small: PUT with all of it;  else: PATCH in one stream → PUT
//!                  └ broken → HEAD blob → GET upload: Range → PATCH the rest, or POST anew
//! ```
//! A registry of the distribution project (2.x) refuses to tell how far an upload has come once a part of a stream has been
//! written: there it is begun anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderName, RANGE};
use reqwest::{Method, Response, StatusCode, Url};
use tokio::time::{Instant, sleep};

use super::access::Ask;
use super::again::Again;
use super::blob::{Blob, Flow, Seen};
use super::failure::{Failure, RegistryError, mismatch};
use super::repository::{Repository, told_digest};

/// What is no larger goes in two requests instead of three, in bytes.
const SMALL: u64 = 4 << 20;
/// How long a registry may take to store what it has got: some copy it once more then.
const STORING: Duration = Duration::from_secs(300);
/// How often it is looked whether the network still takes something.
const LOOK: Duration = Duration::from_millis(500);

/// How a blob came to be in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    /// It was there.
    Present,
    /// From another repository of the registry, without its bytes.
    Mounted,
    /// By its bytes.
    Uploaded {
        /// How many the network took, with those that had to be sent again.
        sent: u64,
        /// How often it went on after a break from where it was.
        resumed: u32,
    },
}

/// Where an upload stands.
#[derive(Debug, Clone)]
struct Place {
    url: Url,
    /// So many bytes the registry has kept.
    kept: u64,
}

struct Upload<'a> {
    to: &'a Repository,
    blob: &'a Blob,
    /// A repository of the same registry that may have it.
    from: Option<&'a str>,
    seen: Seen,
    sent: Arc<AtomicU64>,
    place: Option<Place>,
    resumed: u32,
}

impl Repository {
    /// Sees to it that a blob is here.
    ///
    /// # Errors
    /// When it does not come, after as many tries as the pace has.
    pub(super) async fn bring(&self, blob: &Blob, from: Option<&str>) -> Result<Came, RegistryError> {
        let upload = Upload {
            to: self,
            blob,
            from,
            seen: Seen::nothing_of(blob),
            sent: Arc::default(),
            place: None,
            resumed: 0,
        };
        upload.run().await.map_err(|failure| match failure {
            Failure::Absent => RegistryError::new(
                "no-repository",
                format!(
                    "registry {} has no repository {}, and makes none at a push",
                    self.access.reference.registry, self.access.reference.repository
                ),
            )
            .hint("make the repository there first"),
            other => self.told(other),
        })
    }
}

impl Upload<'_> {
    async fn run(mut self) -> Result<Came, Failure> {
        let mut tries = Again::new(self.to.pace);
        let mut furthest = 0;
        loop {
            match self.once().await {
                Ok(came) => return Ok(came),
                Err(failure) => tries.after(self.softened(failure)).await?,
            }
            // What is kept is progress; what was sent and not kept is none.
            let kept = self.place.as_ref().map_or(0, |place| place.kept);
            if kept > furthest {
                furthest = kept;
                tries.progressed();
            }
        }
    }

    /// One try, from where the last one has come.
    async fn once(&mut self) -> Result<Came, Failure> {
        if self.to.has(&self.blob.digest).await? {
            let sent = self.sent.load(Ordering::Relaxed);
            return Ok(if sent == 0 { Came::Present } else { self.uploaded() });
        }
        self.look().await?;
        if self.place.is_none() {
            match self.begin().await? {
                Some(place) => self.place = Some(place),
                None => return Ok(Came::Mounted),
            }
        }
        let Some(Place { url, kept }) = self.place.clone() else { return Err(Failure::passing("")) };
        let whole = self.blob.size;
        if kept == 0 && whole <= SMALL {
            return self.put(&url, true).await;
        }
        if kept < whole {
            self.patch(&url, kept).await?;
        }
        let url = self.place.as_ref().map_or(url, |place| place.url.clone());
        self.put(&url, false).await
    }

    /// Asks how far the upload has come. Where nothing is left of it, or that cannot be told, it is begun anew.
    async fn look(&mut self) -> Result<(), Failure> {
        let Some(place) = self.place.clone() else { return Ok(()) };
        let response = self.to.access.ask(&Ask::at(Method::GET, &place.url)).await?;
        self.place = None;
        if response.status() != StatusCode::NO_CONTENT {
            return Ok(());
        }
        let kept = kept(&response);
        if kept > 0 && kept <= self.blob.size {
            // Some do not tell the address again.
            let url = self.to.access.location(&response).unwrap_or(place.url);
            self.resumed += 1;
            tracing::debug!(digest = self.blob.digest, kept, "the upload goes on");
            self.place = Some(Place { url, kept });
        }
        Ok(())
    }

    /// Begins an upload; nothing when the blob was mounted.
    async fn begin(&mut self) -> Result<Option<Place>, Failure> {
        // Neither digests nor names of repositories have anything that a query would not.
        let mount = self.from.map(|from| format!("blobs/uploads/?mount={}&from={from}", self.blob.digest));
        let path = mount.unwrap_or_else(|| "blobs/uploads/".to_owned());
        let mut ask = Ask::new(Method::POST, &path);
        ask.body = Some(Bytes::new());
        let response = self.to.access.ask(&ask).await?;
        match response.status() {
            StatusCode::CREATED if self.from.is_some() => Ok(None),
            StatusCode::ACCEPTED => Ok(Some(Place { url: self.to.access.location(&response)?, kept: 0 })),
            status if self.from.is_some() && status.is_client_error() => {
                // It may not be taken from there.
                self.from = None;
                Box::pin(self.begin()).await
            }
            _ => Err(self.to.verdict(response).await),
        }
    }

    /// Sends the rest in one stream.
    async fn patch(&mut self, url: &Url, kept: u64) -> Result<(), Failure> {
        let mut headers = vec![(CONTENT_TYPE, "application/octet-stream".to_owned())];
        if kept > 0 {
            headers.push((CONTENT_RANGE, format!("{kept}-{}", self.blob.size - 1)));
        }
        let response = self.stream(Method::PATCH, url, kept, &headers).await?;
        if !response.status().is_success() {
            return Err(self.to.verdict(response).await);
        }
        let url = self.to.access.location(&response)?;
        self.place = Some(Place { url, kept: self.blob.size });
        Ok(())
    }

    /// Ends the upload: with all bytes, or with none more.
    async fn put(&self, url: &Url, with_all: bool) -> Result<Came, Failure> {
        let mut url = url.clone();
        url.query_pairs_mut().append_pair("digest", &self.blob.digest);
        let response = if with_all {
            let headers = [(CONTENT_TYPE, "application/octet-stream".to_owned())];
            self.stream(Method::PUT, &url, 0, &headers).await?
        } else {
            let none = Blob { size: 0, content: super::Content::Bytes(Bytes::new()), ..self.blob.clone() };
            let body = reqwest::Body::wrap(Flow::of(&none, 0, &Seen::nothing_of(&none), &Arc::default()));
            let sending = self.to.access.streamed(Method::PUT, &url, &[], body);
            self.watched(sending, 0).await?
        };
        if !response.status().is_success() {
            return Err(self.to.verdict(response).await);
        }
        match told_digest(&response) {
            Some(told) if told != self.blob.digest && told.starts_with("sha256:") => Err(Failure::Named(
                mismatch(format!("{} took {} for {told}", self.to.access.who(), self.blob.digest)),
            )),
            _ => Ok(self.uploaded()),
        }
    }

    /// A request with the bytes from a place on.
    async fn stream(
        &self,
        method: Method,
        url: &Url,
        from: u64,
        headers: &[(HeaderName, String)],
    ) -> Result<Response, Failure> {
        let flow = Flow::of(self.blob, from, &self.seen, &self.sent);
        let before = self.sent.load(Ordering::Relaxed);
        let sending = self.to.access.streamed(method, url, headers, reqwest::Body::wrap(flow));
        self.watched(sending, before + self.blob.size - from).await
    }

    /// Waits for an answer as long as something goes on; `until` is the count of bytes after which there is nothing more to send.
    async fn watched(
        &self,
        sending: impl Future<Output = Result<Response, Failure>>,
        until: u64,
    ) -> Result<Response, Failure> {
        tokio::pin!(sending);
        let mut last = (self.sent.load(Ordering::Relaxed), Instant::now());
        loop {
            tokio::select! {
                done = &mut sending => return done,
                () = sleep(LOOK) => {}
            }
            let now = self.sent.load(Ordering::Relaxed);
            if now != last.0 {
                last = (now, Instant::now());
            }
            let bearable = if now >= until { STORING } else { self.to.pace.stall };
            if last.1.elapsed() >= bearable {
                let (who, seconds) = (self.to.access.who(), bearable.as_secs());
                return Err(Failure::passing(format!(
                    "{who} stopped in the middle of an upload for {seconds} s"
                )));
            }
        }
    }

    /// Where an upload was gone on with, a wrong digest may come of the break: bytes of the broken connection that arrived after the
    /// registry had told how far it was. Then it is begun anew.
    fn softened(&mut self, failure: Failure) -> Failure {
        match failure {
            Failure::Named(error) if error.code == "digest-mismatch" && self.resumed > 0 => {
                self.place = None;
                self.resumed = 0;
                Failure::passing(error.sentence)
            }
            other => other,
        }
    }

    fn uploaded(&self) -> Came {
        Came::Uploaded { sent: self.sent.load(Ordering::Relaxed), resumed: self.resumed }
    }
}

/// How many bytes an upload has, by its `Range`: `0-99`, or in some registries `bytes=0-99`. Of one that has none, registries say
/// `0-0`, as of one that has a single byte; so that counts as none.
fn kept(response: &Response) -> u64 {
    let range = response.headers().get(RANGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let last =
        range.trim_start_matches("bytes=").strip_prefix("0-").and_then(|last| last.parse::<u64>().ok());
    last.filter(|last| *last > 0).map_or(0, |last| last + 1)
}
