//! Synthetic load: requests at a steady rate, as visitors would send them.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderMap;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::rollout::gate::{Measured, Objectives, Sample};
use crate::rollout::step::{Load, Sent};

/// A request that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client whose every request comes by a connection of its own: what divides connections, not requests, divides these, too.
/// All of its requests have these headers.
pub(super) fn client(headers: HeaderMap) -> Result<reqwest::Client, reqwest::Error> {
    crate::trust::client(|| {
        reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(0)
            .default_headers(headers.clone())
            .timeout(PATIENCE)
            .user_agent(concat!("tidegate-load/", env!("CARGO_PKG_VERSION")))
    })
}

/// What came of a request that was due.
enum Came {
    /// It is sent.
    Begun,
    /// A good answer, after this time.
    Well(Duration),
    /// None, or another.
    Badly(String),
    /// It was not sent: too many wait for their answers.
    Held,
}

/// Sends it all; ends when that is done. What is answered is for those to judge who count.
pub(super) async fn send(client: reqwest::Client, base: String, load: Load) {
    let (tell, mut told) = mpsc::unbounded_channel();
    let listening = async { while told.recv().await.is_some() {} };
    tokio::join!(drive(client, base, load, tell, None), listening);
}

/// Sends it all, or until it is clear that too many fail, or the time is over. The end of the time is for the last answers: what has none by
/// then has failed.
pub(super) async fn measure(
    client: reqwest::Client,
    base: String,
    load: Load,
    objectives: Objectives,
    within: Duration,
) -> Sample {
    let allowed = (objectives.errors * load.total as f64).floor() as u64;
    let mut measured = Measured::default();
    let (tell, mut told) = mpsc::unbounded_channel();
    let end = Instant::now() + within;
    let last = end - PATIENCE.min(within / 2);
    // Dropped with this: nothing is sent that nobody waits for.
    let mut work = std::pin::pin!(drive(client, base, load, tell, Some(last)));
    let (mut is_driven, mut in_flight) = (false, 0_u64);
    loop {
        tokio::select! {
            biased;
            came = told.recv() => match came {
                None => break,
                Some(Came::Begun) => in_flight += 1,
                Some(Came::Held) => measured.held += 1,
                Some(Came::Well(took)) => {
                    (measured.sent, in_flight) = (measured.sent + 1, in_flight - 1);
                    measured.took.push(took);
                }
                Some(Came::Badly(why)) => {
                    (measured.sent, measured.failed) = (measured.sent + 1, measured.failed + 1);
                    in_flight -= 1;
                    measured.first.get_or_insert(why);
                    if measured.failed > allowed {
                        break;
                    }
                }
            },
            () = &mut work, if !is_driven => is_driven = true,
            () = tokio::time::sleep_until(end) => {
                measured.sent += in_flight;
                measured.failed += in_flight;
                if in_flight > 0 {
                    measured.first.get_or_insert_with(|| "no whole answer by the end".to_owned());
                }
                break;
            }
        }
    }
    measured.took.sort_unstable();
    Sample::Measured(measured)
}

async fn drive(
    client: reqwest::Client,
    base: String,
    load: Load,
    tell: mpsc::UnboundedSender<Came>,
    last: Option<Instant>,
) {
    if load.requests.is_empty() || load.rate <= 0.0 {
        return;
    }
    let room = Arc::new(Semaphore::new(usize::try_from(load.concurrency).unwrap_or(1)));
    let mut beat = tokio::time::interval(Duration::from_secs_f64(1.0 / load.rate));
    // Who was held up does not make up for it in a burst.
    beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (mut under_way, mut sent) = (JoinSet::new(), 0_u64);
    for request in load.requests.iter().cycle() {
        if sent >= load.total || last.is_some_and(|last| Instant::now() >= last) {
            break;
        }
        beat.tick().await;
        while under_way.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
            let _ = tell.send(Came::Held);
            continue;
        };
        sent += 1;
        let _ = tell.send(Came::Begun);
        let (asked, tell) = (ask(client.clone(), &base, request), tell.clone());
        under_way.spawn(async move {
            // Who counts may have gone.
            let _ = tell.send(asked.await);
            drop(permit);
        });
    }
    under_way.join_all().await;
}

fn ask(client: reqwest::Client, base: &str, request: &Sent) -> impl Future<Output = Came> + Send + 'static {
    let (url, request) = (format!("{base}{}", request.path), request.clone());
    async move {
        let told = |why: String| Came::Badly(format!("{} {}: {why}", request.method, request.path));
        let Ok(method) = request.method.parse::<reqwest::Method>() else {
            return told("no HTTP method".to_owned());
        };
        let began = Instant::now();
        let mut asked = client.request(method, url);
        if let Some((kind, text)) = request.body.clone() {
            asked = asked.header(reqwest::header::CONTENT_TYPE, kind).body(text);
        }
        let answer = match asked.send().await {
            Ok(answer) => answer,
            Err(error) => return told(super::http::in_words(&error)),
        };
        let status = answer.status().as_u16();
        // Read whole, as a visitor would.
        if let Err(error) = answer.bytes().await {
            return told(super::http::in_words(&error));
        }
        match request.status {
            Some(wanted) if status != wanted => told(format!("the answer was {status}, expected {wanted}")),
            None if status >= 500 => told(format!("the answer was {status}")),
            _ => Came::Well(began.elapsed()),
        }
    }
}
