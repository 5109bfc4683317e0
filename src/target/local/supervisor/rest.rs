//! Sleep: where the settings have it, instances that nobody asks for are stopped, and the next request starts them again. The router holds that
//! request meanwhile, as any other for which no instance is ready.

use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::core::{Core, Event};
use crate::rollout::Weight;
use crate::target::local::control::Phase;
use crate::target::local::proxy::Proxy;

/// What is known of whether anybody is there.
pub(crate) struct Rest {
    /// Requests that were answered when it was last looked.
    answered: u64,
    /// When somebody was last there.
    busy: Instant,
    /// Hears of requests that are held.
    _ear: AbortOnDropHandle<()>,
}

impl Rest {
    pub(crate) fn begin(proxy: Proxy, events: UnboundedSender<Event>) -> Self {
        let ear = tokio::spawn(async move {
            loop {
                proxy.wanted().await;
                if events.send(Event::Wanted).is_err() {
                    return;
                }
            }
        });
        Self { answered: 0, busy: Instant::now(), _ear: AbortOnDropHandle::new(ear) }
    }
}

impl Core {
    /// Somebody works on it: it stays awake, or wakes.
    pub(crate) fn touch(&mut self) {
        self.rest.busy = Instant::now();
        self.wake("a rollout begins");
    }

    /// Starts the instances of an environment that sleeps.
    pub(crate) fn wake(&mut self, why: &str) {
        if !self.durable.asleep {
            return;
        }
        tracing::info!("{why}: its instances are started");
        self.durable.asleep = false;
        self.rest.busy = Instant::now();
        self.settle();
    }

    /// Stops the instances once nobody has asked for them for the time of the settings. While a rollout is under way or a former release is kept,
    /// they stay.
    pub(crate) fn rest_if_idle(&mut self) {
        if self.durable.asleep {
            // Told by the router, too; one that came in the instant between two reigns was told to nobody.
            if self.seat.proxy.held() > 0 {
                self.wake("a request waits");
            }
            return;
        }
        let Some(after) = self.durable.settings.as_ref().and_then(|settings| settings.sleep) else { return };
        let answered = self.seat.proxy.counts().values().map(|counts| counts.requests).sum();
        let is_asked = answered != std::mem::replace(&mut self.rest.answered, answered);
        if is_asked || self.is_in_use() {
            self.rest.busy = Instant::now();
        }
        if self.rest.busy.elapsed() < after {
            return;
        }
        tracing::info!("nobody asked for it for {after:?}: its instances are stopped until somebody does");
        self.durable.asleep = true;
        self.settle();
    }

    /// Whether a request is under way, or anything but one release that takes them all and is ready.
    fn is_in_use(&self) -> bool {
        let proxy = &self.seat.proxy;
        let [only] = self.durable.sets.as_slice() else { return true };
        let is_whole = only.retire_at.is_none()
            && self.durable.weights.get(&only.release.id) == Some(&Weight::FULL)
            && self.lives.values().all(|live| live.phase == Phase::Ready);
        let is_asked = |live: &super::core::Live| {
            proxy.in_flight(&live.recipe.key(live.record.number, live.record.restarts)) > 0
        };
        !is_whole || proxy.held() > 0 || self.lives.values().any(is_asked)
    }
}
