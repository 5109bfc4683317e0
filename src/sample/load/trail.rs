//! What is known of one request while it is under way, and how it failed if it did.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use tokio::time::Instant;

use super::connect::Link;
use crate::sample::LossKind;

/// The traces that a request leaves. They outlive it when it is given up for lack of time.
#[derive(Debug)]
pub(super) struct Trail {
    /// When it was sent, the last time.
    pub(super) started: Instant,
    /// When the connection that it was sent on was opened.
    opened: Option<Instant>,
    /// Why it was sent a second time on a new connection, and the age of the first one; `None` when it was not.
    pub(super) first_try: Option<(Failure, Option<Duration>)>,
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Whole {
    /// The version that answered.
    pub(super) version: String,
    /// The status.
    pub(super) status: u16,
    /// When the service had done its part: the end of the answer, or its head where the rest takes the time that was asked
    /// for.
    pub(super) served: Instant,
}

/// Why there is no whole answer.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) what: LossKind,
    pub(super) detail: String,
}

impl Trail {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), opened: None, first_try: None }
    }

    /// The request goes out on a connection that was opened at that moment.
    pub(super) fn goes_out(&mut self, opened: Instant) {
        self.started = Instant::now();
        self.opened = Some(opened);
    }

    /// The connection that it went out on is of no use; it goes out once more on a new one.
    pub(super) fn goes_again(&mut self, why: Failure) {
        self.first_try = Some((why, self.connection_age()));
        self.opened = None;
    }

    /// The age of the connection by now.
    pub(super) fn connection_age(&self) -> Option<Duration> {
        self.opened.map(|opened| opened.elapsed())
    }
}

impl Failure {
    pub(super) fn new(what: LossKind, detail: impl Into<String>) -> Self {
        Self { what, detail: detail.into() }
    }

    pub(super) fn refused(error: &io::Error) -> Self {
        Self::new(LossKind::Refused, format!("cannot connect: {error}"))
    }

    /// An error of HTTP before the head of the answer. A head that began is a cut answer, not a missing one.
    pub(super) fn before_head(error: &hyper::Error, link: &Link, silent: bool) -> Self {
        let what = match (error.is_parse(), silent) {
            (true, _) => LossKind::Wrong,
            (false, true) => LossKind::Reset,
            (false, false) => LossKind::Truncated,
        };
        Self::new(what, format!("{} (request {} on its connection)", chain(error), link.used))
    }

    /// An error of HTTP within the answer.
    pub(super) fn within_body(error: &hyper::Error) -> Self {
        Self::new(LossKind::Truncated, format!("the answer broke off: {}", chain(error)))
    }
}

/// An error with its causes.
pub(super) fn chain(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
