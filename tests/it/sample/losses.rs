//! The load against services that lose requests: each loss is found and called by its name.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use tidegate::sample::app::Faults;
use tidegate::sample::load::{Kind, Load, Mix};
use tidegate::sample::{Ledger, LossKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::sleep;
use tokio_tungstenite::accept_async;
use tokio_util::task::AbortOnDropHandle;

use super::{Running, ms};

/// What a service does with the `n`th piece (from 0) that it reads from a connection: answer so, or close.
type Behaviour = fn(usize) -> Option<&'static str>;

const GOOD: &str = "HTTP/1.1 200 OK\r\nx-sample-version: 1\r\ncontent-length: 2\r\n\r\n{}";

async fn service(behaviour: Behaviour) -> (SocketAddr, AbortOnDropHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = vec![0; 64 * 1024];
                for n in 0.. {
                    match (stream.read(&mut buffer).await, behaviour(n)) {
                        (Ok(1..), Some(answer)) => stream.write_all(answer.as_bytes()).await.unwrap(),
                        _ => break,
                    }
                }
            });
        }
    });
    (address, AbortOnDropHandle::new(task))
}

async fn load_for(address: SocketAddr, kind: Kind, time: Duration) -> Ledger {
    let load = Load { mix: Mix::only(kind), timeout: ms(300), ..Load::new(address, 50) };
    let handle = load.start();
    sleep(time).await;
    let ledger = handle.stop().await;
    assert_eq!(ledger.requests, ledger.answered + ledger.lost);
    ledger
}

fn kinds(ledger: &Ledger) -> BTreeSet<LossKind> {
    ledger.losses.iter().map(|l| l.what).collect()
}

#[tokio::test]
async fn an_answer_without_the_version_is_somebody_elses() {
    let (address, _service) =
        service(|_| Some("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n")).await;
    let ledger = load_for(address, Kind::Get, ms(200)).await;
    assert!(ledger.lost >= 3 && ledger.answered == 0, "{ledger}");
    assert_eq!(kinds(&ledger), BTreeSet::from([LossKind::Foreign(502)]));
    assert!(ledger.losses[0].connection_age.is_some());
}

#[tokio::test]
async fn a_refused_connection_is_a_loss_without_a_connection() {
    // Held but not listened on, so that no other test can take it meanwhile.
    let held = TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = held.local_addr().unwrap();
    for kind in [Kind::Get, Kind::Http2, Kind::WebSocket { messages: 1, pause: ms(1) }] {
        let ledger = load_for(address, kind, ms(100)).await;
        assert!(ledger.lost >= 3, "{ledger}");
        assert_eq!(kinds(&ledger), BTreeSet::from([LossKind::Refused]), "{kind:?}");
        assert_eq!(ledger.losses[0].connection_age, None);
    }
}

#[tokio::test]
async fn a_new_connection_that_is_closed_without_an_answer_is_a_loss() {
    let (address, _service) = service(|_| None).await;
    let ledger = load_for(address, Kind::Get, ms(200)).await;
    assert!(ledger.lost >= 3, "{ledger}");
    assert_eq!(ledger.reconnected, 0, "only a request on a kept connection may be repeated");
    assert_eq!(kinds(&ledger), BTreeSet::from([LossKind::Reset]));
}

#[tokio::test]
async fn a_kept_connection_that_is_closed_without_an_answer_is_repeated_once_for_a_get() {
    let (address, _service) = service(|n| (n == 0).then_some(GOOD)).await;
    let ledger = load_for(address, Kind::Get, ms(400)).await;
    assert!(ledger.answered >= 6 && ledger.lost == 0, "{:?}", ledger.losses);
    assert!(ledger.reconnected >= ledger.answered / 3, "{} of {ledger}", ledger.reconnected);
    let first_try = &ledger.reconnects[0];
    assert_eq!(first_try.what, LossKind::Reset);
    assert!(first_try.connection_age.is_some_and(|age| age >= ms(10)), "{first_try:?}");
}

#[tokio::test]
async fn an_upload_on_a_kept_connection_is_not_repeated() {
    const STORED: &str =
        "HTTP/1.1 200 OK\r\nx-sample-version: 1\r\ncontent-length: 14\r\n\r\n{\"bytes\":1024}";
    let (address, _service) = service(|n| (n == 0).then_some(STORED)).await;
    let ledger = load_for(address, Kind::Upload { kib: 1 }, ms(400)).await;
    assert!(ledger.answered > 0 && ledger.lost >= ledger.answered / 3, "{ledger}");
    assert!(
        kinds(&ledger).is_subset(&BTreeSet::from([LossKind::Reset, LossKind::Truncated])),
        "{:?}",
        ledger.losses
    );
    assert_eq!(ledger.reconnected, 0);
}

#[tokio::test]
async fn a_wrong_count_of_an_upload_is_a_loss() {
    let (address, _service) = service(|_| Some(GOOD)).await;
    let ledger = load_for(address, Kind::Upload { kib: 1 }, ms(100)).await;
    assert!(ledger.lost > 0 && ledger.answered == 0, "{ledger}");
    assert!(kinds(&ledger).contains(&LossKind::Wrong), "{:?}", ledger.losses);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_truncated_in_head_and_body() {
    const HALF_BODY: &str = "HTTP/1.1 200 OK\r\nx-sample-version: 1\r\ncontent-length: 100\r\n\r\n{";
    const HALF_HEAD: &str = "HTTP/1.1 200 OK\r\nx-sample-ver";
    // The second read is the client's silence: it ends when the client gives up or the service closes after a first answer.
    for half in [HALF_BODY, HALF_HEAD] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let _service = AbortOnDropHandle::new(tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 4096]).await;
                stream.write_all(half.as_bytes()).await.unwrap();
            }
        }));
        let ledger = load_for(address, Kind::Get, ms(100)).await;
        assert!(ledger.lost >= 3, "{ledger}");
        assert_eq!(kinds(&ledger), BTreeSet::from([LossKind::Truncated]), "{half:?}: {:?}", ledger.losses);
    }
}

#[tokio::test]
async fn events_that_end_early_in_good_form_are_truncated() {
    const TWO: &str =
        "HTTP/1.1 200 OK\r\nx-sample-version: 1\r\ncontent-length: 18\r\n\r\ndata: 1\n\ndata: 1\n\n";
    let (address, _service) = service(|_| Some(TWO)).await;
    let two = load_for(address, Kind::Events { count: 2, every: ms(1) }, ms(100)).await;
    assert_eq!(two.lost, 0, "{:?}", two.losses);
    let three = load_for(address, Kind::Events { count: 3, every: ms(1) }, ms(100)).await;
    assert!(three.answered == 0 && kinds(&three) == BTreeSet::from([LossKind::Truncated]), "{three}");
}

#[tokio::test]
async fn silence_is_a_loss_after_the_time_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ledger = load_for(listener.local_addr().unwrap(), Kind::Get, ms(100)).await;
    assert!(ledger.lost >= 3, "{ledger}");
    assert_eq!(kinds(&ledger), BTreeSet::from([LossKind::TimedOut]));
    let age = ledger.losses[0].connection_age.unwrap();
    assert!(age >= ms(250), "{age:?}");
}

/// Takes WebSocket sessions and ends each after `echoes` echoes by cutting the connection.
async fn cutting_echo(echoes: usize) -> (SocketAddr, AbortOnDropHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(session(stream, echoes));
        }
    });
    (address, AbortOnDropHandle::new(task))
}

async fn session(stream: TcpStream, echoes: usize) {
    use futures_util::SinkExt;
    use tokio_tungstenite::accept_hdr_async;
    use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
    #[expect(clippy::result_large_err, reason = "the library's own signature")]
    let named = |_: &Request, mut response: Response| {
        response.headers_mut().insert("x-sample-version", "1".parse().unwrap());
        Ok(response)
    };
    let mut socket = accept_hdr_async(stream, named).await.unwrap();
    for _ in 0..echoes {
        let Some(Ok(message)) = socket.next().await else { return };
        socket.send(message).await.unwrap();
    }
}

#[tokio::test]
async fn a_websocket_that_is_cut_is_a_loss_also_between_two_messages() {
    let (address, _service) = cutting_echo(2).await;
    let ledger = load_for(address, Kind::WebSocket { messages: 4, pause: ms(20) }, ms(100)).await;
    assert!(ledger.lost >= 3 && ledger.answered == 0, "{ledger}");
    let ends = BTreeSet::from([LossKind::Abnormal, LossKind::NoEcho]);
    assert!(kinds(&ledger).is_subset(&ends), "{:?}", ledger.losses);
}

#[tokio::test]
async fn a_websocket_without_the_version_is_somebody_elses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let _service = AbortOnDropHandle::new(tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = accept_async(stream).await;
        }
    }));
    let ledger = load_for(address, Kind::WebSocket { messages: 1, pause: ms(1) }, ms(100)).await;
    assert_eq!(kinds(&ledger), BTreeSet::from([LossKind::Foreign(101)]));
}

/// The whole story: an app that crashes in the middle of every kind of traffic.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_costs_what_was_in_flight_and_all_that_comes_after() {
    let app = Running::start("1", Faults { exit_after_ms: Some(600), ..Faults::default() }).await;
    let mix = Mix::default()
        .with(Kind::Get, 6)
        .with(Kind::LongPoll { wait: ms(400) }, 1)
        .with(Kind::Http2, 1)
        .with(Kind::Events { count: 10, every: ms(50) }, 1)
        .with(Kind::WebSocket { messages: 10, pause: ms(50) }, 1);
    let handle = Load { mix, ..Load::new(app.address, 100) }.start();
    sleep(ms(1000)).await;
    let ledger = handle.stop().await;
    assert_eq!(ledger.requests, ledger.answered + ledger.lost);
    assert!(ledger.answered > 10 && ledger.lost > 10, "{ledger}");
    let by_kind = |name: &str| -> BTreeSet<LossKind> {
        ledger.losses.iter().filter(|l| l.kind == name).map(|l| l.what).collect()
    };
    // Polls on kept connections are sent again, and find nobody there.
    assert!(!by_kind("long-poll").is_disjoint(&BTreeSet::from([LossKind::Reset, LossKind::Refused])));
    assert!(ledger.reconnects.iter().any(|l| l.kind == "long-poll" && l.what == LossKind::Reset), "{ledger}");
    assert!(by_kind("events").contains(&LossKind::Truncated), "{:?}", by_kind("events"));
    assert!(!by_kind("websocket").is_disjoint(&BTreeSet::from([LossKind::Abnormal, LossKind::NoEcho])));
    assert_eq!(
        by_kind("get"),
        BTreeSet::from([LossKind::Refused]),
        "a GET on a kept connection is tried again first"
    );
    assert!(ledger.losses.iter().all(|l| l.at >= ms(550)), "nothing was lost before the crash");
}
