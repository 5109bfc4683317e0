//! The book of requests: each one sent ends as answered or as lost.
//!
//! Pure: no clock, no network. Moments are durations since the start of the load.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::{Histogram, Series};

/// The most losses that are kept with their story; further ones are only counted. A router that is killed while it holds the requests
/// of a `recreate`, or those that a machine makes up for after it stood still (a second's 70 become thousands), loses all of
/// them at once, and each must be accounted for.
const MOST_LOSSES: usize = 10_000;

/// What became of all requests of a load so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Ledger {
    /// Requests sent (a WebSocket session is one; a retry on a new connection is none).
    pub requests: u64,
    /// Requests with a whole answer from the app, errors of the app included.
    pub answered: u64,
    /// Requests without a whole answer from the app.
    pub lost: u64,
    /// Requests that found their kept connection closed before any byte of an answer and were sent once more on a new one,
    /// as HTTP clients do (RFC 9110 section 9.2.2). They count as answered or lost by what came of the second try. A proxy that
    /// cuts off requests in its care shows here, not only in the losses: see [`Ledger::reconnects`].
    pub reconnected: u64,
    /// Requests sent later than scheduled, because too many were in flight or this machine was too slow. Their latency counts
    /// from the scheduled moment.
    pub delayed: u64,
    /// Scheduled requests that were still waiting for a place in flight when the load was stopped: never sent, so in no other
    /// count. Above zero, the service or this machine did not keep up with the rate.
    pub unsent: u64,
    /// By the version that answered.
    pub by_version: BTreeMap<String, VersionTally>,
    /// By the kind of request.
    pub by_kind: BTreeMap<&'static str, KindTally>,
    /// All losses by how they came about ([`LossKind`] in words).
    pub by_loss: BTreeMap<String, u64>,
    /// The first 10,000 losses.
    pub losses: Vec<Loss>,
    /// The first tries of the first 10,000 requests that were reconnected: how the kept connection failed them.
    pub reconnects: Vec<Loss>,
    /// The run over time.
    pub series: Series,
}

/// What one version did.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct VersionTally {
    /// Requests that it answered.
    pub requests: u64,
    /// Those that it answered with a status of 500 or above.
    pub errors: u64,
    /// How long the answers took, without the time that a request itself asked to wait.
    pub latency: Histogram,
    /// When it answered first and last.
    pub seen: LastSeen,
}

/// When a version answered, since the start of the load.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LastSeen {
    /// The earliest end of an answer.
    #[serde(serialize_with = "millis", rename = "first_ended_ms")]
    pub first_ended: Duration,
    /// The latest moment at which a request was sent that this version then answered.
    #[serde(serialize_with = "millis", rename = "last_started_ms")]
    pub last_started: Duration,
    /// The latest end of an answer.
    #[serde(serialize_with = "millis", rename = "last_ended_ms")]
    pub last_ended: Duration,
}

/// What became of the requests of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct KindTally {
    /// Sent.
    pub requests: u64,
    /// Answered.
    pub answered: u64,
    /// Lost.
    pub lost: u64,
}

/// A whole answer from the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The kind of the request.
    pub kind: &'static str,
    /// The version that answered.
    pub version: &'a str,
    /// The status of the answer.
    pub status: u16,
    /// When the request was sent (the last time, when it was sent twice).
    pub started: Duration,
    /// When the answer was whole.
    pub ended: Duration,
    /// How long the service took.
    pub latency: Duration,
}

/// A request without a whole answer from the app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// When it was found lost.
    #[serde(serialize_with = "millis", rename = "at_ms")]
    pub at: Duration,
    /// The kind of the request.
    pub kind: &'static str,
    /// How it was lost.
    pub what: LossKind,
    /// The story in words.
    pub detail: String,
    /// The age of the connection; `None` when there was none.
    #[serde(serialize_with = "millis_or_null", rename = "connection_age_ms")]
    pub connection_age: Option<Duration>,
}

/// How a request was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    /// No connection could be made.
    Refused,
    /// The connection ended before any answer.
    Reset,
    /// The answer began and did not come to its end.
    Truncated,
    /// No whole answer in time.
    TimedOut,
    /// Somebody else answered in the place of the app, such as a proxy with its own 502.
    Foreign(u16),
    /// A WebSocket message was not echoed.
    NoEcho,
    /// A WebSocket ended without a proper Close frame.
    Abnormal,
    /// An answer came that does not fit the request.
    Wrong,
}

impl fmt::Display for LossKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("refused"),
            Self::Reset => f.write_str("reset"),
            Self::Truncated => f.write_str("truncated"),
            Self::TimedOut => f.write_str("timed out"),
            Self::Foreign(status) => write!(f, "status {status} not from the app"),
            Self::NoEcho => f.write_str("no echo"),
            Self::Abnormal => f.write_str("abnormal end"),
            Self::Wrong => f.write_str("wrong answer"),
        }
    }
}

impl Ledger {
    /// A request is sent now.
    pub fn sent(&mut self, kind: &'static str) {
        self.requests += 1;
        self.by_kind.entry(kind).or_default().requests += 1;
    }

    /// A request that was sent has its whole answer.
    pub fn answered(&mut self, answer: Answer<'_>) {
        let failed = answer.status >= 500;
        self.answered += 1;
        self.by_kind.entry(answer.kind).or_default().answered += 1;
        // The name is copied only when it is new: this runs thousands of times a second.
        if !self.by_version.contains_key(answer.version) {
            let seen = LastSeen { first_ended: answer.ended, ..LastSeen::default() };
            self.by_version
                .insert(answer.version.to_owned(), VersionTally { seen, ..VersionTally::default() });
        }
        if let Some(tally) = self.by_version.get_mut(answer.version) {
            tally.requests += 1;
            tally.errors += u64::from(failed);
            tally.latency.record(answer.latency);
            tally.seen.first_ended = tally.seen.first_ended.min(answer.ended);
            tally.seen.last_started = tally.seen.last_started.max(answer.started);
            tally.seen.last_ended = tally.seen.last_ended.max(answer.ended);
        }
        let slice = self.series.at(answer.ended);
        slice.errors += u32::from(failed);
        match slice.answered.get_mut(answer.version) {
            Some(count) => *count += 1,
            None => drop(slice.answered.insert(answer.version.to_owned(), 1)),
        }
    }

    /// A request that was sent will never have its whole answer.
    pub fn lose(&mut self, loss: Loss) {
        self.lost += 1;
        self.by_kind.entry(loss.kind).or_default().lost += 1;
        *self.by_loss.entry(loss.what.to_string()).or_default() += 1;
        self.series.at(loss.at).lost += 1;
        if self.losses.len() < MOST_LOSSES {
            self.losses.push(loss);
        }
    }

    /// A request was sent a second time on a new connection; `first_try` tells how the kept one failed it.
    pub fn reconnected(&mut self, first_try: Loss) {
        self.reconnected += 1;
        if self.reconnects.len() < MOST_LOSSES {
            self.reconnects.push(first_try);
        }
    }

    /// Requests that were sent and are neither answered nor lost yet.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.requests.saturating_sub(self.answered + self.lost)
    }

    /// Errors of the app (5xx), over all versions.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.by_version.values().map(|v| v.errors).sum()
    }

    /// The versions that answered a request which was sent after `t` (since the start of the load), and when they last did.
    ///
    /// After a shift to a new version has arrived at `t`, the old one must not be among them.
    #[must_use]
    pub fn versions_seen_after(&self, t: Duration) -> BTreeMap<&str, LastSeen> {
        let seen = self.by_version.iter().map(|(version, tally)| (version.as_str(), tally.seen));
        seen.filter(|(_, seen)| seen.last_started > t).collect()
    }
}

/// One line for people: the counts, and the latency of each version.
impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} requests, {} answered, {} lost", self.requests, self.answered, self.lost)?;
        for (version, tally) in &self.by_version {
            let ms = |d: Option<Duration>| d.unwrap_or_default().as_secs_f64() * 1000.0;
            let (p50, p99) = (ms(tally.latency.p50()), ms(tally.latency.p99()));
            write!(f, "; {version}: {} requests, {} errors", tally.requests, tally.errors)?;
            write!(f, ", p50 {p50:.1} ms, p99 {p99:.1} ms")?;
        }
        Ok(())
    }
}

/// Writes a duration as milliseconds with their fraction.
pub(super) fn millis<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(value.as_secs_f64() * 1000.0)
}

fn millis_or_null<S: Serializer>(value: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    value.map(|d| d.as_secs_f64() * 1000.0).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn answer(version: &str, status: u16, started: u64, ended: u64) -> Answer<'_> {
        let latency = ms(ended - started);
        Answer { kind: "get", version, status, started: ms(started), ended: ms(ended), latency }
    }

    fn loss(at: u64, what: LossKind) -> Loss {
        Loss { at: ms(at), kind: "get", what, detail: "told".into(), connection_age: Some(ms(7)) }
    }

    #[test]
    fn a_request_is_in_flight_until_it_is_answered_or_lost() {
        let mut ledger = Ledger::default();
        (0..3).for_each(|_| ledger.sent("get"));
        assert_eq!(ledger.in_flight(), 3);
        ledger.answered(answer("1", 200, 0, 5));
        ledger.lose(loss(6, LossKind::Reset));
        assert_eq!((ledger.in_flight(), ledger.answered, ledger.lost), (1, 1, 1));
        assert_eq!(ledger.by_kind["get"], KindTally { requests: 3, answered: 1, lost: 1 });
    }

    #[test]
    fn an_error_of_the_app_is_answered_and_counts_against_its_version_only() {
        let mut ledger = Ledger::default();
        ledger.answered(answer("1", 404, 0, 5));
        ledger.answered(answer("2", 500, 0, 5));
        ledger.answered(answer("2", 599, 0, 5));
        assert_eq!((ledger.by_version["1"].errors, ledger.by_version["2"].errors), (0, 2));
        assert_eq!((ledger.errors(), ledger.lost, ledger.series.slices[0].errors), (2, 0, 2));
    }

    #[test]
    fn who_answered_after_a_moment_goes_by_the_start_of_the_request() {
        let mut ledger = Ledger::default();
        // Sent to the old version before the shift at 100 ms and answered long after it: that is draining, not a fault.
        ledger.answered(answer("old", 200, 99, 900));
        ledger.answered(answer("new", 200, 50, 60));
        ledger.answered(answer("new", 200, 101, 110));
        assert_eq!(ledger.versions_seen_after(ms(100)).into_keys().collect::<Vec<_>>(), ["new"]);
        assert_eq!(ledger.versions_seen_after(ms(98)).into_keys().collect::<Vec<_>>(), ["new", "old"]);
        let old = ledger.by_version["old"].seen;
        assert_eq!((old.last_started, old.last_ended), (ms(99), ms(900)));
        assert_eq!(ledger.by_version["new"].seen.first_ended, ms(60));
    }

    #[test]
    fn answers_that_end_out_of_order_keep_the_extremes() {
        let mut ledger = Ledger::default();
        ledger.answered(answer("1", 200, 40, 50));
        ledger.answered(answer("1", 200, 10, 20));
        let seen = ledger.by_version["1"].seen;
        assert_eq!((seen.first_ended, seen.last_started, seen.last_ended), (ms(20), ms(40), ms(50)));
    }

    #[test]
    fn only_the_first_losses_are_told_but_all_are_counted() {
        let mut ledger = Ledger::default();
        (0..10_250).for_each(|i| ledger.lose(loss(i, LossKind::Foreign(502))));
        assert_eq!((ledger.lost, ledger.losses.len()), (10_250, 10_000));
        assert_eq!(ledger.losses[9_999].at, ms(9_999));
        assert_eq!(ledger.by_loss["status 502 not from the app"], 10_250);
        assert_eq!(
            ledger.series.slices.iter().map(|s| s.lost).collect::<Vec<_>>(),
            [100; 102].into_iter().chain([50]).collect::<Vec<_>>()
        );
    }

    #[test]
    fn it_is_written_with_its_units_in_the_names() {
        let mut ledger = Ledger::default();
        ledger.sent("get");
        ledger.answered(answer("1", 200, 10, 30));
        ledger.lose(loss(40, LossKind::Foreign(502)));
        let json = serde_json::to_value(&ledger).unwrap();
        assert_eq!(json["by_version"]["1"]["latency"]["p50_ms"], 20.0);
        assert_eq!(json["by_version"]["1"]["seen"]["last_ended_ms"], 30.0);
        assert_eq!(json["losses"][0]["connection_age_ms"], 7.0);
        assert_eq!(json["losses"][0]["what"]["foreign"], 502);
        assert_eq!(json["series"]["width_ms"], 100.0);
    }
}
