//! One request from the client to an instance and back.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

use super::access::Entry;
use super::client::{Client, Visit};
use super::headers::{self, Manner};
use super::link::{Fate, Link, NoConnection, exchange_multiplexed, open_multiplexed};
use super::meter::Tally;
use super::refusal::{self, Refusal};
use super::relay::{Answer, Carrier};
use super::respond::{self, Arrival};
use super::route::Wish;
use super::settings::{ProxySettings, UpstreamProtocol};
use super::shared::{Chosen, Shared};
use super::table::InstanceKey;
use super::upload::{Progress, Upload};
use super::upstream::Upstream;

/// A request that must not be sent twice takes only a connection that was in use this recently: instances close idle
/// connections, and a request that meets such a close half-way could not be repeated.
const FRESH: Duration = Duration::from_secs(1);
/// How long a request whose instances all failed waits for a new table.
const MOMENT: Duration = Duration::from_millis(250);
/// How many times a request that may have reached an instance is sent to another. More would let one request that makes
/// instances crash take all of them down.
const REPLAYS: u8 = 1;

/// Answers a request: by an instance if at all possible.
pub(super) async fn answer(
    shared: Arc<Shared>,
    client: Arc<Client>,
    mut request: Request<Incoming>,
) -> Response<Answer> {
    let visit = Visit::begin(&client);
    if request.method() == Method::CONNECT {
        return Refusal::Connect.response();
    }
    let settings = shared.settings.load_full();
    let wish = headers::wish(request.headers(), &settings);
    let upgrade = request.extensions_mut().remove::<OnUpgrade>();
    let (mut head, body) = request.into_parts();
    if let Some(access) = &settings.access {
        match access.admit(&mut head) {
            Entry::Admitted => {}
            Entry::Remembered { location, cookie } => return refusal::remembered(location, cookie),
            Entry::Closed { challenge } => return refusal::closed(challenge),
        }
    }
    let absolute = settings.upstream == UpstreamProtocol::H2c;
    let manner = match headers::prepare(&mut head, &client, &settings, absolute) {
        Ok(manner) => manner,
        Err(refusal) => return refusal.response(),
    };
    let (upload, progress) = Upload::new(body, settings.idle_timeout, manner.waits);
    let replayable = progress.is_none() && !manner.upgrade && head.method.is_idempotent();
    let mut request = Box::new(Request::from_parts(head, upload));
    if manner.waits
        && let Some(progress) = progress.clone()
    {
        hyper::ext::on_informational(&mut *request, move |response| {
            if response.status() == StatusCode::CONTINUE {
                progress.open();
            }
        });
    }
    let chosen = match shared.choose(&wish).await {
        Ok(chosen) => chosen,
        Err(refusal) => return refusal.response(),
    };
    let tally = Tally::open(Arc::clone(&chosen.pool.meter), client.number, settings.slow_bound);
    let journey = Journey {
        shared: &shared,
        settings: &settings,
        wish: &wish,
        manner,
        progress,
        worker: client.worker,
        replayable,
        replays: 0,
        tried: Vec::new(),
        tally,
    };
    journey.run(chosen, request, visit, client, upgrade).await
}

/// A request on its way to an instance. On the heap: it changes hands often.
type Outgoing = Box<Request<Upload>>;

/// A request under way, across its attempts.
struct Journey<'a> {
    shared: &'a Shared,
    settings: &'a ProxySettings,
    wish: &'a Wish,
    manner: Manner,
    progress: Option<Arc<Progress>>,
    worker: usize,
    replayable: bool,
    replays: u8,
    tried: Vec<InstanceKey>,
    tally: Tally,
}

/// What one attempt came to.
enum Attempt {
    /// The head of the response, and who carries the rest.
    Arrived(Response<Incoming>, Carrier),
    /// A kept connection was closed: the same instance, on a new one.
    Afresh(Outgoing),
    /// This instance cannot take it: another one.
    Elsewhere(Outgoing, Refusal),
    /// Nothing more can be done.
    Over(Refusal),
}

impl Journey<'_> {
    async fn run(
        mut self,
        mut chosen: Chosen,
        mut request: Outgoing,
        visit: Visit,
        client: Arc<Client>,
        upgrade: Option<OnUpgrade>,
    ) -> Response<Answer> {
        let mut kept = !self.manner.upgrade;
        loop {
            match self.attempt(&chosen, request, kept).await {
                Attempt::Arrived(response, carrier) => {
                    let arrival = Arrival {
                        response,
                        carrier,
                        chosen,
                        tally: self.tally,
                        progress: self.progress,
                        visit,
                    };
                    return respond::respond(arrival, self.settings, self.wish, &client, upgrade);
                }
                Attempt::Afresh(again) => {
                    request = again;
                    kept = false;
                }
                Attempt::Elsewhere(again, refusal) => {
                    request = again;
                    kept = !self.manner.upgrade;
                    self.tried.push(chosen.upstream.key.clone());
                    let release = chosen.pool.release.clone();
                    drop(chosen.ticket);
                    match Box::pin(self.shared.choose_other(self.wish, &release, &self.tried, MOMENT)).await {
                        Ok(Some(other)) => chosen = other,
                        Ok(None) => return self.over(refusal),
                        Err(refusal) => return self.over(refusal),
                    }
                    self.tally.pass_to(&chosen.pool.meter);
                }
                Attempt::Over(refusal) => return self.over(refusal),
            }
        }
    }

    fn over(mut self, refusal: Refusal) -> Response<Answer> {
        if refusal != Refusal::Unfinished {
            self.tally.fail();
        }
        refusal.response()
    }

    async fn attempt(&mut self, chosen: &Chosen, request: Outgoing, kept: bool) -> Attempt {
        let upstream = &chosen.upstream;
        let spare = self.spare(&request);
        let patience = self.settings.response_header_timeout;
        if self.settings.upstream == UpstreamProtocol::H2c && !self.manner.upgrade {
            let (sender, reused) = match Box::pin(self.multiplexed(upstream)).await {
                Ok(sender) => sender,
                Err(why) => return Attempt::Elsewhere(request, why.into()),
            };
            let exchange = exchange_multiplexed(sender, request, self.progress.as_ref(), patience);
            let fate = Box::pin(exchange).await;
            return self.judge(fate, reused, spare, |_| Carrier::Multiplexed);
        }
        let (mut link, reused) = match self.link(upstream, kept).await {
            Ok(link) => link,
            Err(why) => return Attempt::Elsewhere(request, why.into()),
        };
        let fate = link.exchange(request, self.progress.as_ref(), patience).await;
        let progress = self.progress.clone();
        self.judge(fate, reused, spare, |status| match progress {
            Some(progress)
                if status != StatusCode::SWITCHING_PROTOCOLS && !progress.is_done() && !progress.refuse() =>
            {
                Carrier::Detached(link.detach())
            }
            _ => Carrier::Own(link),
        })
    }

    /// A copy for the case that the connection breaks after the request was sent; only where sending twice does no harm.
    fn spare(&self, request: &Request<Upload>) -> Option<Outgoing> {
        if !self.replayable || self.replays > REPLAYS {
            return None;
        }
        let mut spare = Box::new(Request::new(Upload::Empty));
        *spare.method_mut() = request.method().clone();
        *spare.uri_mut() = request.uri().clone();
        *spare.version_mut() = request.version();
        *spare.headers_mut() = HeaderMap::clone(request.headers());
        Some(spare)
    }

    async fn link(&self, upstream: &Upstream, kept: bool) -> Result<(Box<Link>, bool), NoConnection> {
        let younger_than = if self.replayable { Duration::MAX } else { FRESH };
        if kept && let Some(link) = upstream.take_idle(self.worker, younger_than) {
            return Ok((link, true));
        }
        // What is rare stands aside, so that the state of a request stays small: it is moved several times.
        Box::pin(Link::open(upstream.address, self.settings.connect_timeout)).await.map(|link| (link, false))
    }

    async fn multiplexed(
        &self,
        upstream: &Upstream,
    ) -> Result<(hyper::client::conn::http2::SendRequest<Upload>, bool), NoConnection> {
        if let Some(sender) = upstream.multiplexed() {
            return Ok((sender, true));
        }
        let sender = open_multiplexed(upstream.address, self.settings.connect_timeout).await?;
        upstream.set_multiplexed(sender.clone());
        Ok((sender, false))
    }

    fn judge(
        &mut self,
        fate: Fate,
        reused: bool,
        spare: Option<Outgoing>,
        carrier: impl FnOnce(StatusCode) -> Carrier,
    ) -> Attempt {
        match (fate, spare) {
            (Fate::Answered(response), _) => {
                let carrier = carrier(response.status());
                Attempt::Arrived(response, carrier)
            }
            (Fate::NotSent(request), _) if reused => Attempt::Afresh(request),
            (Fate::NotSent(request), _) => Attempt::Elsewhere(request, Refusal::Unreachable),
            (Fate::Broken, Some(request)) if reused => Attempt::Afresh(request),
            (Fate::Broken, Some(request)) if self.replays < REPLAYS => {
                self.replays += 1;
                Attempt::Elsewhere(request, Refusal::Unreachable)
            }
            (Fate::Broken, _) => Attempt::Over(Refusal::Unreachable),
            (Fate::TimedOut, _) => Attempt::Over(Refusal::TooSlow),
            (Fate::ClientFailed, _) => Attempt::Over(Refusal::Unfinished),
        }
    }
}

impl From<NoConnection> for Refusal {
    fn from(why: NoConnection) -> Self {
        match why {
            NoConnection::Unreachable => Self::Unreachable,
            NoConnection::TimedOut => Self::TooSlow,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It is moved for each request; at 4 kB that was seen in profiles.
    #[test]
    fn the_state_of_a_request_is_small() {
        fn size<F: Future>(_: impl Fn(Arc<Shared>, Arc<Client>, Request<Incoming>) -> F) -> usize {
            size_of::<F>()
        }
        assert!(size(answer) < 2_500, "{} bytes", size(answer));
    }
}
