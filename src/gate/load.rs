//! Synthetic load: requests at a steady rate, as visitors would send them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::rollout::step::{Load, Sent};

/// A request that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client whose every request comes by a connection of its own: what divides connections, not requests, divides these, too.
pub(super) fn client() -> Result<reqwest::Client, reqwest::Error> {
    crate::trust::client(|| {
        reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(0)
            .timeout(PATIENCE)
            .user_agent(concat!("tidegate-load/", env!("CARGO_PKG_VERSION")))
    })
}

/// Sends it all; ends when that is done.
pub(super) async fn send(client: reqwest::Client, base: String, load: Load) {
    if load.requests.is_empty() || load.rate <= 0.0 {
        return;
    }
    let room = Arc::new(Semaphore::new(usize::try_from(load.concurrency).unwrap_or(1)));
    let mut beat = tokio::time::interval(Duration::from_secs_f64(1.0 / load.rate));
    // Who was held up does not make up for it in a burst.
    beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (mut under_way, mut sent) = (JoinSet::new(), 0_u64);
    for request in load.requests.iter().cycle() {
        if sent >= load.total {
            break;
        }
        beat.tick().await;
        while under_way.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else { continue };
        sent += 1;
        let asked = ask(client.clone(), &base, request);
        under_way.spawn(async move {
            asked.await;
            drop(permit);
        });
    }
    under_way.join_all().await;
}

fn ask(client: reqwest::Client, base: &str, request: &Sent) -> impl Future<Output = ()> + Send + 'static {
    let (url, method, body) =
        (format!("{base}{}", request.path), request.method.clone(), request.body.clone());
    async move {
        let Ok(method) = method.parse::<reqwest::Method>() else { return };
        let mut asked = client.request(method, url);
        if let Some((kind, text)) = body {
            asked = asked.header(reqwest::header::CONTENT_TYPE, kind).body(text);
        }
        // Read whole, as a visitor would; what came is for those to judge who count.
        if let Ok(answer) = asked.send().await {
            let _ = answer.bytes().await;
        }
    }
}
