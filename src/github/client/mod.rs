//! Asking GitHub's API: bounded in time, in tries and in number.
//!
//! Limits are obeyed for the whole token, what may pass is tried again with a jitter, what was read before is asked for with its ETag
//! (an answer that says "unchanged" costs nothing of the hour), and every failure is one sentence with a code.
//!
//! A call never waits longer than [`Patience`] says: who wants to wait for a limit's end does so itself.

mod access;
mod failure;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::{Instant, sleep};

pub use access::{Access, Token};
pub use failure::{Again, Failure};

/// So many answers are kept for their ETags.
const KEPT: usize = 64;
/// More pages of a list than this are not read: three thousand things.
pub(super) const PAGES: usize = 30;

/// How long and how often is asked.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// One answer must be whole within this time.
    pub answer: Duration,
    /// How often what may pass is tried.
    pub tries: u32,
    /// The pause after the first try; each next one is twice as long, and each is shortened by chance to between half and whole.
    pub pause: Duration,
    /// The longest wait for a limit's end.
    pub limit: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let (answer, pause) = (Duration::from_secs(10), Duration::from_millis(400));
        Self { answer, tries: 3, pause, limit: Duration::from_secs(3) }
    }
}

/// Whether the same request may be sent twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Twice {
    /// Twice is as good as once.
    Harmless,
    /// It would be there twice: where the answer is lost, the caller must look first.
    Never,
}

/// An answer that was read before.
#[derive(Debug, Clone)]
struct Kept {
    etag: http::HeaderValue,
    page: Page,
}

/// One page of a list, or a thing alone.
#[derive(Debug, Clone)]
struct Page {
    body: Value,
    /// Whether another page follows.
    has_next: bool,
}

/// A client for one repository.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    access: Access,
    patience: Patience,
    /// No request is sent before this moment.
    quiet: Mutex<Option<Instant>>,
    kept: Mutex<HashMap<String, Kept>>,
    calls: AtomicU64,
}

impl Client {
    /// A client.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    pub fn new(access: Access, patience: Patience) -> Result<Self, Failure> {
        let broken = |why: String| Failure::unreachable("at all", &why);
        let describe = || {
            let agent = concat!("tidegate/", env!("CARGO_PKG_VERSION"));
            reqwest::Client::builder().user_agent(agent).timeout(patience.answer)
        };
        let http = crate::trust::client(describe).map_err(|error| broken(error.to_string()))?;
        let (quiet, kept) = (Mutex::default(), Mutex::default());
        Ok(Self { http, access, patience, quiet, kept, calls: AtomicU64::new(0) })
    }

    /// How many requests were sent.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Whom it asks.
    #[must_use]
    pub const fn access(&self) -> &Access {
        &self.access
    }

    /// Reads a thing of the repository.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.again(Twice::Harmless, || self.once(Method::GET, path, None)).await.map(|page| page.body)
    }

    /// Makes a thing that would otherwise be there twice.
    pub(crate) async fn create(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.again(Twice::Never, || self.once(Method::POST, path, Some(body))).await.map(|page| page.body)
    }

    /// Adds what may be added twice.
    pub(crate) async fn add(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.again(Twice::Harmless, || self.once(Method::POST, path, Some(body))).await.map(|page| page.body)
    }

    /// Changes a thing.
    pub(crate) async fn change(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.again(Twice::Harmless, || self.once(Method::PATCH, path, Some(body))).await.map(|page| page.body)
    }

    /// Takes a thing away.
    pub(crate) async fn remove(&self, path: &str) -> Result<(), Failure> {
        self.again(Twice::Harmless, || self.once(Method::DELETE, path, None)).await.map(drop)
    }

    /// Reads a list page by page until `find` finds something in one.
    pub(crate) async fn find<T>(
        &self,
        path: &str,
        mut find: impl FnMut(&Value) -> Option<T>,
    ) -> Result<Option<T>, Failure> {
        for number in 1..=PAGES {
            let join = if path.contains('?') { '&' } else { '?' };
            let page = format!("{path}{join}per_page=100&page={number}");
            let page = self.again(Twice::Harmless, || self.once(Method::GET, &page, None)).await?;
            if let Some(found) = page.body.as_array().and_then(|all| all.iter().find_map(&mut find)) {
                return Ok(Some(found));
            }
            if !page.has_next {
                break;
            }
        }
        Ok(None)
    }

    /// Tries until it is done, will not pass, or has been tried often enough.
    async fn again<F: Future<Output = Result<Page, Failure>>>(
        &self,
        twice: Twice,
        act: impl Fn() -> F,
    ) -> Result<Page, Failure> {
        let mut pause = self.patience.pause;
        let mut tried = 0;
        loop {
            self.wait().await?;
            let failure = match act().await {
                Ok(page) => return Ok(page),
                Err(failure) => failure,
            };
            tried += 1;
            match failure.again {
                Again::After(wait) => self.keep_quiet(wait),
                Again::Soon if twice == Twice::Harmless => {}
                Again::Soon | Again::Never => return Err(failure),
            }
            if tried >= self.patience.tries {
                return Err(failure);
            }
            if failure.again == Again::Soon {
                sleep(jitter(pause)).await;
                pause *= 2;
            }
        }
    }

    /// Waits for the end of a limit, where that is soon.
    async fn wait(&self) -> Result<(), Failure> {
        let until = *self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()));
        if wait > self.patience.limit {
            return Err(Failure::limited(wait));
        }
        sleep(wait).await;
        Ok(())
    }

    fn keep_quiet(&self, wait: Duration) {
        let mut quiet = self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        let until = Instant::now() + wait;
        *quiet = Some(quiet.map_or(until, |known| known.max(until)));
    }

    async fn once(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Page, Failure> {
        let path = format!("/repos/{}{path}", self.access.repository);
        let asked = format!("{method} {}", path.split('?').next().unwrap_or_default());
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&path).cloned();
        let known = kept.as_ref().filter(|_| method == Method::GET).map(|kept| &kept.etag);
        let request = self.request(&method, &path, body, known)?;
        self.calls.fetch_add(1, Ordering::Relaxed);
        let broken = |error: reqwest::Error| {
            let why = if error.is_timeout() { "no answer in time" } else { "the connection fails" };
            Failure::unreachable(&asked, why)
        };
        let response = request.send().await.map_err(broken)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await.map_err(broken)?;
        let (code, now) = (status.as_u16(), Timestamp::now());
        let answer = failure::Answer { asked: &asked, status: code, headers: &headers, body: &bytes, now };
        if let Some(failure) = Failure::of(answer) {
            return Err(failure);
        }
        if let (StatusCode::NOT_MODIFIED, Some(kept)) = (status, kept) {
            return Ok(kept.page);
        }
        let body = if bytes.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&bytes) };
        let body = body.map_err(|_| Failure::garbage(&asked))?;
        let link = headers.get("link").and_then(|link| link.to_str().ok()).unwrap_or_default();
        let page = Page { body, has_next: link.contains("rel=\"next\"") };
        if let Some(etag) = headers.get("etag").filter(|_| method == Method::GET) {
            let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if all.len() < KEPT || all.contains_key(&path) {
                all.insert(path, Kept { etag: etag.clone(), page: page.clone() });
            }
        }
        Ok(page)
    }

    fn request(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
        known: Option<&http::HeaderValue>,
    ) -> Result<reqwest::RequestBuilder, Failure> {
        let mut request = self
            .http
            .request(method.clone(), format!("{}{path}", self.access.api))
            .header("accept", "application/vnd.github+json")
            .header("x-github-api-version", "2022-11-28")
            .header("authorization", self.access.token.header()?);
        if let Some(etag) = known {
            request = request.header("if-none-match", etag);
        }
        Ok(match body {
            Some(body) => request.json(body),
            None => request,
        })
    }
}

/// Between half of it and the whole, by chance: so that many jobs that fail at once do not come again at once.
pub(crate) fn jitter(pause: Duration) -> Duration {
    use std::hash::{BuildHasher as _, RandomState};
    let chance = RandomState::new().hash_one(0_u8) % 1000;
    pause / 2 + pause.mul_f64(chance as f64 / 2000.0)
}

/// A part of a path with everything escaped that would make it another path.
pub(crate) fn segment(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            safe.push(char::from(byte));
        } else {
            safe.push_str(&format!("%{byte:02X}"));
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_shortened_by_half_at_most() {
        let pause = Duration::from_secs(10);
        for _ in 0..100 {
            let one = jitter(pause);
            assert!(one >= pause / 2 && one <= pause, "{one:?}");
        }
        assert_ne!((0..9).map(|_| jitter(pause)).min(), (0..9).map(|_| jitter(pause)).max());
    }

    #[test]
    fn a_segment_stays_one_segment() {
        assert_eq!(segment("a/b?c#d é%"), "a%2Fb%3Fc%23d%20%C3%A9%25");
        assert_eq!(segment("v1.2-rc_1~x"), "v1.2-rc_1~x");
    }
}
