//! Which kinds of request a load is made of.

use std::time::Duration;

/// A kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A plain GET of `/` on a kept connection.
    Get,
    /// A chunked POST of so many KiB to `/upload` on a kept connection; the answer must tell the same size.
    Upload {
        /// The size in KiB.
        kib: u32,
    },
    /// A GET of `/poll` that asks to be answered after a wait.
    LongPoll {
        /// The wait.
        wait: Duration,
    },
    /// A WebSocket session on a connection of its own: each message is sent when the one before was echoed.
    WebSocket {
        /// How many messages.
        messages: u32,
        /// The pause between two messages.
        pause: Duration,
    },
    /// A GET of `/` on a new connection that is closed afterwards (`connection: close`).
    NewConnection,
    /// A GET of `/events` on a kept connection; all events must come.
    Events {
        /// How many events.
        count: u32,
        /// The time between two events.
        every: Duration,
    },
    /// A GET of `/` over one shared HTTP/2 connection in clear text.
    Http2,
}

impl Kind {
    /// The name in the ledger.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Upload { .. } => "upload",
            Self::LongPoll { .. } => "long-poll",
            Self::WebSocket { .. } => "websocket",
            Self::NewConnection => "new-connection",
            Self::Events { .. } => "events",
            Self::Http2 => "http2",
        }
    }

    /// The time that the request itself asks the service to take.
    #[must_use]
    pub fn asks(self) -> Duration {
        match self {
            Self::Get | Self::Upload { .. } | Self::NewConnection | Self::Http2 => Duration::ZERO,
            Self::LongPoll { wait } => wait,
            Self::WebSocket { messages, pause } => pause.saturating_mul(messages),
            Self::Events { count, every } => every.saturating_mul(count),
        }
    }
}

/// Kinds of request with their weights.
///
/// The kinds follow each other evenly mixed and in the same order in every run, by the smooth weighted round robin that
/// nginx uses for its upstreams: of any `n` requests in a row each kind has its share, give or take one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mix {
    kinds: Vec<Entry>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    kind: Kind,
    weight: u32,
    credit: i64,
}

impl Mix {
    /// Only one kind.
    #[must_use]
    pub fn only(kind: Kind) -> Self {
        Self::default().with(kind, 1)
    }

    /// Adds a kind with its weight: its share is the weight over the sum of all weights. A weight of 0 adds nothing.
    #[must_use]
    pub fn with(mut self, kind: Kind, weight: u32) -> Self {
        if weight > 0 {
            self.kinds.push(Entry { kind, weight, credit: 0 });
        }
        self
    }

    /// Every kind of traffic, with the shares of an ordinary service: many short requests, few long ones.
    #[must_use]
    pub fn everything() -> Self {
        let ms = Duration::from_millis;
        Self::default()
            .with(Kind::Get, 68)
            .with(Kind::Http2, 10)
            .with(Kind::NewConnection, 10)
            .with(Kind::Upload { kib: 64 }, 5)
            .with(Kind::LongPoll { wait: ms(500) }, 3)
            .with(Kind::Events { count: 10, every: ms(50) }, 2)
            .with(Kind::WebSocket { messages: 20, pause: ms(50) }, 2)
    }

    /// The kind of the next request; `None` when there is no kind.
    pub(super) fn next(&mut self) -> Option<Kind> {
        let sum: i64 = self.kinds.iter().map(|e| i64::from(e.weight)).sum();
        self.kinds.iter_mut().for_each(|e| e.credit += i64::from(e.weight));
        // Of equals the first wins, so the order of `with` decides.
        let best = self.kinds.iter_mut().rev().max_by_key(|e| e.credit)?;
        best.credit -= sum;
        Some(best.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLL: Kind = Kind::LongPoll { wait: Duration::from_millis(5) };

    #[test]
    fn kinds_are_spread_and_not_in_clumps() {
        let mut mix = Mix::default().with(Kind::Get, 5).with(POLL, 1).with(Kind::Http2, 1);
        let names: Vec<&str> = (0..7).filter_map(|_| mix.next()).map(Kind::name).collect();
        assert_eq!(names, ["get", "get", "long-poll", "get", "http2", "get", "get"]);
    }

    #[test]
    fn shares_are_exact_over_a_full_turn() {
        let mut mix = Mix::default().with(Kind::Get, 70).with(POLL, 27).with(Kind::NewConnection, 3);
        let names: Vec<&str> = (0..1000).filter_map(|_| mix.next()).map(Kind::name).collect();
        let count = |name| names.iter().filter(|n| **n == name).count();
        assert_eq!((count("get"), count("long-poll"), count("new-connection")), (700, 270, 30));
    }

    #[test]
    fn no_kind_or_no_weight_is_nothing_to_send() {
        assert_eq!(Mix::default().next(), None);
        assert_eq!(Mix::default().with(Kind::Get, 0).next(), None);
    }
}
