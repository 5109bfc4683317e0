//! One instance as the router uses it: its address, what runs on it, and the connections that are kept to it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::client::conn::http2;
use tokio::time::Instant;

use super::link::Link;
use super::load::Load;
use super::table::InstanceKey;
use super::upload::Upload;

/// Threads that keep connections apart; more than this share.
const SHELVES: usize = 16;
/// Idle connections that a thread keeps to one instance.
const KEPT: usize = 512;
/// Idle connections older than this are closed.
const KEPT_FOR: Duration = Duration::from_secs(50);

/// One instance as the router uses it.
pub(super) struct Upstream {
    pub(super) key: InstanceKey,
    pub(super) address: SocketAddr,
    pub(super) load: Arc<Load>,
    /// One shelf for each thread: a connection belongs to the runtime that opened it, and is cheapest to use there.
    idle: [Mutex<VecDeque<Box<Link>>>; SHELVES],
    shared: Mutex<Option<http2::SendRequest<Upload>>>,
}

impl Upstream {
    pub(super) fn new(key: InstanceKey, address: SocketAddr, load: Arc<Load>) -> Self {
        Self { key, address, load, idle: Default::default(), shared: Mutex::default() }
    }

    /// A kept connection that is still open as far as can be seen. The one that was used last is taken first: it is the
    /// least likely to be closed by the instance, and the others may grow old.
    pub(super) fn take_idle(&self, worker: usize, younger_than: Duration) -> Option<Box<Link>> {
        loop {
            let mut link = self.shelf(worker)?.pop_back()?;
            let age = link.idle_for();
            if age > KEPT_FOR {
                continue;
            }
            if age > younger_than {
                self.keep(link, worker);
                return None;
            }
            if link.is_usable() {
                return Some(link);
            }
        }
    }

    /// Keeps a connection for the next request.
    pub(super) fn keep(&self, link: Box<Link>, worker: usize) {
        let Some(mut shelf) = self.shelf(worker) else { return };
        shelf.push_back(link);
        let surplus = if shelf.len() > KEPT { shelf.pop_front() } else { None };
        drop(shelf);
        drop(surplus);
    }

    /// Closes idle connections that are old or that the instance has closed.
    pub(super) fn sweep(&self) {
        for worker in 0..SHELVES {
            if let Some(mut shelf) = self.shelf(worker) {
                shelf.retain_mut(|link| link.idle_for() < KEPT_FOR && link.is_usable());
            }
        }
    }

    fn shelf(&self, worker: usize) -> Option<MutexGuard<'_, VecDeque<Box<Link>>>> {
        Some(self.idle.get(worker % SHELVES)?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The HTTP/2 connection, where there is one.
    pub(super) fn multiplexed(&self) -> Option<http2::SendRequest<Upload>> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.as_ref().is_some_and(http2::SendRequest::is_closed) {
            *shared = None;
        }
        shared.clone()
    }

    /// Makes this the HTTP/2 connection for all further requests.
    pub(super) fn set_multiplexed(&self, sender: http2::SendRequest<Upload>) {
        *self.shared.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
    }
}

/// Time since a moment, zero where clocks disagree.
pub(super) fn since(then: Instant) -> Duration {
    Instant::now().saturating_duration_since(then)
}
