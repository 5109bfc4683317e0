//! Calls of the API server: which failures are worth another try, and how each is told.

use std::pin::pin;
use std::time::Duration;

use kube::Error;
use kube::core::response::Status;
use tokio::time::{Instant, sleep, timeout};

/// How long an API server that does not answer is tried again: long enough for one that is started anew.
const PATIENCE: Duration = Duration::from_secs(30);
/// After how much of that a person is told what is being waited for.
const TELL: Duration = Duration::from_secs(2);
/// The first pause between two tries; each next one is twice as long, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How a certificate that cannot be trusted shows in an error: its type is of a library of a library.
const DISTRUSTED: &str = "invalid peer certificate";

/// Why something could not be done in a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Stable code: `unreachable`, `unauthorized`, `forbidden`, `not-found`, `too-large`, `refused`, `bad-kubeconfig`.
    pub code: &'static str,
    /// One sentence with place and cause.
    pub sentence: String,
    /// What could mend it.
    pub hint: Option<String>,
    /// True when the same call may succeed in a moment.
    pub passing: bool,
}

/// Makes a call until it is answered by something other than "not now", for half a minute at most. Whatever `call` does must
/// bear being done twice: an answer that is lost on its way is no answer.
///
/// # Errors
/// The last answer.
pub async fn patiently<T, F>(call: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let began = Instant::now();
    let end = began + PATIENCE;
    let (mut pause, mut told) = (FIRST_PAUSE, false);
    loop {
        let mut calling = pin!(call());
        let answer = match timeout(TELL, &mut calling).await {
            Ok(answer) => answer,
            Err(_) if told => calling.await,
            Err(_) => {
                tracing::warn!("the API server has not answered for {TELL:?}; it is waited for");
                told = true;
                calling.await
            }
        };
        match answer {
            Err(error) if passing(&error) && Instant::now() + pause < end => {
                tracing::debug!(%error, "the API server is asked again");
                if !told && began.elapsed() >= TELL {
                    let cause = chain(&error);
                    tracing::warn!(
                        "the API server does not answer ({cause}); asked again for up to {PATIENCE:?}"
                    );
                    told = true;
                }
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            other => return other,
        }
    }
}

/// Whether the same call may succeed in a moment.
fn passing(error: &Error) -> bool {
    match error {
        Error::Api(status) if is_starting(status) => true,
        Error::Api(status) => matches!(status.code, 429 | 500 | 502..=504) && !is_invalid(status),
        Error::HyperError(_) | Error::Service(_) | Error::ReadEvents(_) => !is_distrusted(error),
        _ => false,
    }
}

/// Whether the API server has only just been started: its admission forbids everything until it knows what there is.
fn is_starting(status: &Status) -> bool {
    status.code == 403 && status.message.ends_with("not yet ready to handle request")
}

/// Whether the API server answers, but is not the one that the kubeconfig expects.
fn is_distrusted(error: &Error) -> bool {
    chain(error).contains(DISTRUSTED)
}

/// Whether the API server says that what it was sent is wrong. It says so of a field that the schema of a server-side apply does
/// not know by an internal error, of all things.
#[must_use]
pub fn is_invalid(status: &Status) -> bool {
    matches!(status.code, 400 | 422) || status.message.starts_with("failed to create typed patch object")
}

/// A failure in words: what was tried, on which object, why, and what could mend it.
#[must_use]
pub fn trouble(tried: &str, object: &str, error: &Error) -> Trouble {
    let told = |code, cause: String, hint: Option<&str>| Trouble {
        code,
        sentence: format!("cannot {tried} {object}: {cause}"),
        hint: hint.map(str::to_owned),
        passing: passing(error),
    };
    let Error::Api(status) = error else {
        if is_distrusted(error) {
            let hint = "give the kubeconfig the cluster's own `certificate-authority`, and its own address";
            return told(
                "unreachable",
                format!("the API server cannot be trusted ({})", chain(error)),
                Some(hint),
            );
        }
        let hint = "check the cluster and the kubeconfig; then run `tidegate resume`";
        return told("unreachable", format!("the API server does not answer ({})", chain(error)), Some(hint));
    };
    let cause = status.message.clone();
    match status.code {
        401 => told(
            "unauthorized",
            "the credentials are refused".to_owned(),
            Some("they may have expired: renew the token or the kubeconfig"),
        ),
        403 if !passing(error) => {
            told("forbidden", cause, Some("give this identity the right that the sentence names"))
        }
        404 => {
            let namespace = cause.starts_with("namespaces ");
            told(
                "not-found",
                cause,
                namespace.then_some("`kubectl create namespace NAME` creates a namespace"),
            )
        }
        413 => told("too-large", cause, None),
        _ if passing(error) => told(
            "unreachable",
            format!("the API server is not able to ({cause})"),
            Some("check the cluster; then run `tidegate resume`"),
        ),
        _ => told("refused", cause, None),
    }
}

/// An error with its causes: the outermost says little about a connection.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let text = source.to_string();
        if !told.contains(&text) {
            told = format!("{told}: {text}");
        }
        next = source.source();
    }
    told
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn api(code: u16, message: &str) -> Error {
        Error::Api(Box::new(Status::failure(message, "").with_code(code)))
    }

    fn distrusted() -> Error {
        Error::Service("invalid peer certificate: UnknownIssuer".into())
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_away_is_asked_again_for_half_a_minute() {
        let (began, tries) = (Instant::now(), Cell::new(0));
        let answer: Result<(), Error> = patiently(|| async {
            tries.set(tries.get() + 1);
            Err(api(503, "not now"))
        })
        .await;
        assert!(answer.is_err());
        let took = began.elapsed();
        assert!(took > Duration::from_secs(25) && took <= PATIENCE, "{took:?}");
        assert!(tries.get() > 10, "{}", tries.get());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_answer_is_waited_for_and_a_late_one_taken() {
        let tries = Cell::new(0);
        let answer = patiently(|| async {
            tries.set(tries.get() + 1);
            sleep(TELL * 2).await;
            if tries.get() == 1 { Err(api(500, "starting")) } else { Ok("here") }
        })
        .await;
        assert_eq!((answer.unwrap(), tries.get()), ("here", 2));
    }

    #[tokio::test(start_paused = true)]
    async fn what_waiting_cannot_mend_is_told_at_once() {
        for error in [api(403, "no"), api(404, "none"), distrusted()] {
            let (began, error) = (Instant::now(), Cell::new(Some(error)));
            let answer: Result<(), Error> = patiently(|| async { Err(error.take().unwrap()) }).await;
            assert!(answer.is_err() && began.elapsed().is_zero());
        }
    }

    #[test]
    fn a_server_that_is_starting_forbids_for_a_moment_only() {
        let starting = "pods \"shop\" is forbidden: not yet ready to handle request";
        assert!(trouble("create", "Pod shop", &api(403, starting)).passing);
        assert!(!trouble("create", "Pod shop", &api(403, "pods \"shop\" is forbidden: no")).passing);
    }

    #[test]
    fn causes_come_with_their_cures() {
        let missing = trouble("write", "Lease x", &api(404, "namespaces \"shop\" not found"));
        assert_eq!(missing.code, "not-found");
        assert!(missing.hint.unwrap().contains("kubectl create namespace"));
        assert_eq!(trouble("read", "Lease x", &api(404, "leases \"x\" not found")).hint, None);
        let distrusted = trouble("read", "Lease x", &distrusted());
        assert_eq!((distrusted.code, distrusted.passing), ("unreachable", false));
        assert!(distrusted.hint.unwrap().contains("certificate-authority"));
    }
}
