//! What client and supervisor say to each other: JSON lines over a unix socket, one request, one reply.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;
use tokio_util::codec::{Framed, LinesCodec};

use super::process::FileId;
use super::proxy::ProxySettings;
use crate::rollout::{Observation, Release, ReleaseId, Weight, millis};
use crate::target::TargetError;

/// The version of this protocol. It grows when an older side could not understand a newer one.
pub(crate) const PROTOCOL: u32 = 1;

/// The longest line: a release carries its spec, a status every instance.
const LONGEST: usize = 8 * 1024 * 1024;

/// The first line, from the supervisor: who it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) protocol: u32,
    pub(crate) version: String,
    pub(crate) pid: u32,
    /// The file that it runs from.
    pub(crate) file: FileId,
}

/// What a client asks for. Not printable: it may hold secrets.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub(crate) enum Request {
    Configure(Box<Settings>),
    Observe {
        newer_than: Option<u64>,
        #[serde(with = "millis")]
        patience: Duration,
    },
    Scale {
        release: Box<Release>,
        instances: u32,
        secrets: BTreeMap<String, String>,
    },
    Route {
        weights: BTreeMap<ReleaseId, Weight>,
    },
    Retire {
        release: ReleaseId,
        at: Option<Timestamp>,
    },
    /// Remove kept programs that neither a set nor this list names.
    Prune {
        keep: BTreeSet<String>,
    },
    Status,
    /// The digest of the binary that runs.
    Digest,
    /// Let this binary take over.
    Upgrade {
        binary: PathBuf,
    },
    /// End, with every instance.
    Stop,
    /// End, with every instance, and remember none of them.
    Forget,
}

/// Where and how the supervisor serves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) listen: SocketAddr,
    #[serde(default)]
    pub(crate) admin: Option<SocketAddr>,
    #[serde(default)]
    pub(crate) proxy: ProxySettings,
    /// After so long without a request its instances are stopped, and started again by the next one.
    #[serde(default, with = "millis::option", skip_serializing_if = "Option::is_none")]
    pub(crate) sleep: Option<Duration>,
}

/// What the supervisor answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub(crate) enum Reply {
    Done,
    Observation(Observation),
    Status(Box<Status>),
    Digest { sha256: String },
    Pruned { removed: usize },
    Refused(Refusal),
}

/// A [`TargetError`] on the wire.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Refusal {
    code: String,
    sentence: String,
    hint: Option<String>,
    fatal: bool,
}

/// The supervisor and its instances, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The version of the running binary.
    pub version: String,
    /// Process number of the supervisor.
    pub pid: u32,
    /// Process number of its standby, once that is ready.
    pub standby: Option<u32>,
    /// When this supervisor began.
    pub since: Timestamp,
    /// Where requests are taken.
    pub listen: Option<SocketAddr>,
    /// Where health and metrics are given.
    pub admin: Option<SocketAddr>,
    /// What a rollout sees.
    pub observation: Observation,
    /// Nobody asked for it for a while: its instances are stopped, and the next request starts them.
    #[serde(default)]
    pub asleep: bool,
    /// Every instance.
    pub instances: Vec<InstanceStatus>,
}

/// One instance, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// Its name in the router.
    pub key: String,
    /// Whose instance it is.
    pub release: ReleaseId,
    /// The version of that release.
    pub version: String,
    /// Its place in the set, from 1.
    pub number: u32,
    /// What it is doing.
    pub phase: Phase,
    /// Process number, while it runs.
    pub pid: Option<i32>,
    /// Where it listens.
    pub address: SocketAddr,
    /// How often it was started again.
    pub restarts: u32,
    /// When the running process was started.
    pub since: Option<Timestamp>,
    /// Requests that it is answering.
    pub in_flight: u64,
    /// Its log file.
    pub log: PathBuf,
}

/// What an instance is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Not ready yet.
    Starting,
    /// Takes requests.
    Ready,
    /// Was ready and fails its checks.
    Unready,
    /// Ended; will be started again.
    Waiting,
    /// Finishes its requests and is then stopped.
    Draining,
}

/// The codes that cross the wire.
const CODES: [&str; 20] = [
    "bad-spec",
    "carries-traffic",
    "disk-full",
    "missing-secret",
    "no-port",
    "no-program",
    "not-configured",
    "not-executable",
    "not-private",
    "not-writable",
    "port-taken",
    "protocol",
    "state-corrupt",
    "state-newer",
    "stopping",
    "supervisor-failed",
    "supervisor-runs",
    "unknown-release",
    "unreachable",
    "upgrade-failed",
];

impl From<TargetError> for Refusal {
    fn from(error: TargetError) -> Self {
        Self { code: error.code.to_owned(), sentence: error.sentence, hint: error.hint, fatal: error.fatal }
    }
}

impl From<Refusal> for TargetError {
    fn from(refusal: Refusal) -> Self {
        let code = CODES.into_iter().find(|c| *c == refusal.code).unwrap_or("refused");
        Self { code, sentence: refusal.sentence, hint: refusal.hint, fatal: refusal.fatal }
    }
}

/// An error that trying again cannot mend.
pub(crate) fn failure(code: &'static str, sentence: String, hint: &str) -> TargetError {
    TargetError { code, sentence, hint: Some(hint.to_owned()), fatal: true }
}

/// An error of the disk, while `doing` was attempted.
pub(crate) fn disk(doing: &str, error: &io::Error) -> TargetError {
    let (code, hint) = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            ("disk-full", "make room and do it again; nothing was changed")
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => (
            "not-writable",
            "give the user who deploys the right to write there, or choose another state directory",
        ),
        _ => ("not-writable", "mend the cause and do it again; nothing was changed"),
    };
    TargetError {
        code,
        sentence: format!("cannot {doing}: {error}"),
        hint: Some(hint.to_owned()),
        fatal: false,
    }
}

/// One conversation.
pub(crate) struct Line(Framed<UnixStream, LinesCodec>);

impl Line {
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self(Framed::new(stream, LinesCodec::new_with_max_length(LONGEST)))
    }

    /// Sends one message.
    pub(crate) async fn send(&mut self, message: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string(message)?;
        self.0.send(text).await.map_err(io::Error::other)
    }

    /// The next message; `None` when the other side hung up.
    pub(crate) async fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        match self.0.next().await {
            None => Ok(None),
            Some(Err(e)) => Err(io::Error::other(e)),
            Some(Ok(text)) => serde_json::from_str(&text).map(Some).map_err(|e| {
                // The parser's message may quote a value; only the place is told.
                let words = format!("not understood at column {}", e.column());
                io::Error::new(io::ErrorKind::InvalidData, words)
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_its_code_over_the_wire() {
        for code in CODES {
            let there: TargetError = Refusal::from(failure(code, "s".into(), "h")).into();
            assert_eq!(there.code, code);
        }
        let odd = Refusal { code: "from-the-future".into(), sentence: "s".into(), hint: None, fatal: false };
        assert_eq!(TargetError::from(odd).code, "refused");
    }

    #[test]
    fn a_full_disk_is_told_from_a_forbidden_one() {
        assert_eq!(disk("write", &io::Error::from(io::ErrorKind::StorageFull)).code, "disk-full");
        assert_eq!(disk("write", &io::Error::from(io::ErrorKind::ReadOnlyFilesystem)).code, "not-writable");
    }
}
