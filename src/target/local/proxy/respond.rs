//! The response of an instance made one of ours.

use std::sync::Arc;

use http::header::{CONTENT_TYPE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::Body;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

use super::client::{Client, Visit};
use super::deadline::Deadline;
use super::headers;
use super::meter::Tally;
use super::refusal::Refusal;
use super::relay::{Answer, Carrier, Relay};
use super::route::Wish;
use super::settings::ProxySettings;
use super::shared::Chosen;
use super::tunnel::Tunnel;
use super::upload::Progress;
use crate::rollout::ReleaseId;

const VERSION: HeaderName = HeaderName::from_static("x-tidegate-version");

/// The head of a response, and all that its rest needs.
pub(super) struct Arrival {
    pub(super) response: Response<Incoming>,
    pub(super) carrier: Carrier,
    pub(super) chosen: Chosen,
    pub(super) tally: Tally,
    pub(super) progress: Option<Arc<Progress>>,
    pub(super) visit: Visit,
}

/// Makes the answer to the client. `upgrade`: the client's connection, where it asked for another protocol.
pub(super) fn respond(
    mut arrival: Arrival,
    settings: &ProxySettings,
    wish: &Wish,
    client: &Client,
    upgrade: Option<OnUpgrade>,
) -> Response<Answer> {
    let switching = arrival.response.status() == StatusCode::SWITCHING_PROTOCOLS;
    if arrival.response.status().is_server_error() {
        arrival.tally.fail();
    }
    let headers = arrival.response.headers_mut();
    headers::clean_response(headers, switching);
    if settings.announce
        && let Some(version) = &arrival.chosen.pool.version
    {
        headers.insert(VERSION, version.clone());
    }
    if let Some(name) = &settings.sticky_cookie {
        stick(headers, name, &arrival.chosen.pool.release, wish);
    }
    if switching { switch(arrival, client, upgrade) } else { relay(arrival, settings) }
}

fn relay(arrival: Arrival, settings: &ProxySettings) -> Response<Answer> {
    let Arrival { response, carrier, chosen, tally, progress, visit } = arrival;
    let (head, inner) = response.into_parts();
    let complete = inner.is_end_stream();
    let events = !complete && is_event_stream(&head.headers);
    let mut relay = Box::new(Relay {
        inner,
        carrier,
        upstream: chosen.upstream,
        ticket: None,
        tally,
        progress,
        visit,
        idle: settings.idle_timeout,
        deadline: Deadline::default(),
        farewell: None,
    });
    if complete {
        relay.finish();
        return Response::from_parts(head, Answer::Text(None));
    }
    let mut ticket = chosen.ticket;
    if events {
        // It has no end of its own: its time is that of its head, and a drain does not wait for it for ever.
        relay.tally.enter();
        ticket.settle_in();
        relay.farewell = Some(Box::pin(ticket.farewell().cancelled_owned()));
    }
    relay.ticket = Some(ticket);
    Response::from_parts(head, Answer::Relay(relay))
}

fn switch(arrival: Arrival, client: &Client, upgrade: Option<OnUpgrade>) -> Response<Answer> {
    let Arrival { response, carrier, chosen, mut tally, .. } = arrival;
    let (Some(theirs), Carrier::Own(link)) = (upgrade, carrier) else {
        tally.fail();
        return Refusal::WrongProtocol.response();
    };
    let websocket = response
        .headers()
        .get(http::header::UPGRADE)
        .is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"));
    tally.enter();
    let mut ticket = chosen.ticket;
    ticket.settle_in();
    let tunnel = Tunnel {
        client: theirs,
        instance: link,
        websocket,
        ticket,
        tally,
        goodbye: client.serving.goodbye.clone(),
        cut: client.serving.cut.clone(),
    };
    drop(client.serving.tasks.spawn(tunnel.run()));
    let (head, _) = response.into_parts();
    Response::from_parts(head, Answer::Text(None))
}

/// Keeps the visitor on this release from now on. Not where a header asked for the candidate: that is a look, not a stay.
fn stick(headers: &mut HeaderMap, name: &str, release: &ReleaseId, wish: &Wish) {
    let known = match wish {
        Wish::None => false,
        Wish::Candidate => true,
        Wish::Release(before) => before == release.as_str(),
    };
    if known {
        return;
    }
    let cookie = format!("{name}={release}; Path=/; HttpOnly; SameSite=Lax");
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        headers.append(SET_COOKIE, cookie);
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.as_bytes().get(..17))
        .is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/event-stream"))
}
