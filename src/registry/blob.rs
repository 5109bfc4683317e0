//! Content by its digest, wherever it lies: it flows in parts of bounded size, and is checked on the way.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::Repository;
use super::failure::{RegistryError, mismatch};

/// So much is read at once, in bytes.
const PART: u64 = 256 << 10;
/// So many parts wait for the network: with [`PART`] it bounds the memory of an upload.
const WAITING: usize = 4;

/// A blob: a layer, a configuration, or what else a manifest names.
#[derive(Debug, Clone)]
pub struct Blob {
    /// Its digest, such as `sha256:…`.
    pub digest: String,
    /// Its size in bytes.
    pub size: u64,
    /// Where its bytes are.
    pub content: Content,
}

/// Where the bytes of a blob are.
#[derive(Debug, Clone)]
pub enum Content {
    /// Here. They are what the digest says.
    Bytes(Bytes),
    /// In a file.
    File {
        /// Which.
        file: Arc<File>,
        /// Where in it they begin, in bytes.
        at: u64,
        /// Whether they were written by this process and are known to be what the digest says.
        is_sure: bool,
    },
    /// In another repository.
    Remote(Arc<Repository>),
}

/// What of a blob was seen so far, by all tries to send it together.
#[derive(Debug, Clone)]
pub(super) struct Seen(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// None where the content is sure, or the digest of a kind that is left to the registry.
    hasher: Option<Sha256>,
    upto: u64,
    wrong: Option<RegistryError>,
}

impl Seen {
    pub(super) fn nothing_of(blob: &Blob) -> Self {
        let is_sure = matches!(blob.content, Content::Bytes(_) | Content::File { is_sure: true, .. });
        let hasher = (!is_sure && blob.digest.starts_with("sha256:")).then(Sha256::new);
        Self(Arc::new(Mutex::new(State { hasher, upto: 0, wrong: None })))
    }

    /// Takes note of a part. The last one is not to be sent when all together is not what the digest says.
    fn take(&self, blob: &Blob, at: u64, part: &[u8]) -> Result<(), RegistryError> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let State { hasher, upto, wrong } = &mut *state;
        let end = at + part.len() as u64;
        if let (Some(hasher), true) = (hasher.as_mut(), end > *upto && at <= *upto) {
            let known = usize::try_from(*upto - at).unwrap_or_default();
            hasher.update(&part[known..]);
            *upto = end;
            if end >= blob.size {
                let found = format!("sha256:{}", hex::encode(hasher.finalize_reset()));
                if found != blob.digest {
                    *wrong = Some(mismatch(format!(
                        "content that is to be {} is {found}, and so is not passed on",
                        blob.digest
                    )));
                }
            }
        }
        wrong.clone().map_or(Ok(()), Err)
    }
}

/// The bytes of a blob from a place on, as the body of a request.
#[derive(Debug)]
pub(super) struct Flow {
    parts: mpsc::Receiver<Result<Bytes, RegistryError>>,
    left: u64,
    sent: Arc<AtomicU64>,
}

impl Flow {
    /// The rest of a blob; `sent` counts what the network has taken, in bytes.
    pub(super) fn of(blob: &Blob, from: u64, seen: &Seen, sent: &Arc<AtomicU64>) -> Self {
        let (giver, parts) = mpsc::channel(WAITING);
        let (whole, seen) = (blob.clone(), seen.clone());
        match &blob.content {
            Content::Bytes(bytes) => {
                let rest = bytes.slice(usize::try_from(from).unwrap_or(usize::MAX).min(bytes.len())..);
                // There is room in a new channel.
                let _ = giver.try_send(Ok(rest));
            }
            Content::File { file, at, .. } => {
                let (file, at) = (Arc::clone(file), *at);
                tokio::task::spawn_blocking(move || read(&whole, &file, at, from, &seen, &giver));
            }
            Content::Remote(repository) => {
                let repository = Arc::clone(repository);
                tokio::spawn(async move {
                    let take = |at, part: &Bytes| seen.take(&whole, at, part);
                    if let Err(error) = repository.pull(&whole, from, take, &giver).await {
                        let _ = giver.send(Err(error)).await;
                    }
                });
            }
        }
        Self { parts, left: blob.size - from, sent: Arc::clone(sent) }
    }
}

/// Reads a file as far as somebody takes its parts.
fn read(
    blob: &Blob,
    file: &File,
    begin: u64,
    from: u64,
    seen: &Seen,
    giver: &mpsc::Sender<Result<Bytes, RegistryError>>,
) {
    let mut at = from;
    while at < blob.size {
        let length = PART.min(blob.size - at);
        let mut part = vec![0; usize::try_from(length).unwrap_or_default()];
        let read = file.read_exact_at(&mut part, begin + at).map_err(|error| {
            RegistryError::new("bad-image", format!("content {} cannot be read: {error}", blob.digest))
        });
        let part = read.and_then(|()| seen.take(blob, at, &part)).map(|()| Bytes::from(part));
        let is_over = part.is_err();
        if giver.blocking_send(part).is_err() || is_over {
            return;
        }
        at += length;
    }
}

impl Body for Flow {
    type Data = Bytes;
    type Error = RegistryError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RegistryError>>> {
        self.parts.poll_recv(context).map(|next| {
            let next = next?;
            if let Ok(part) = &next {
                let length = part.len() as u64;
                self.left = self.left.saturating_sub(length);
                self.sent.fetch_add(length, Ordering::Relaxed);
            }
            Some(next.map(Frame::data))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
