//! `front`: the process of the pod that stands before a preview in a cluster.

mod doors;
mod sleeper;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use self::doors::Doors;
use self::sleeper::Sleeper;
use crate::cli::FrontArgs;
use crate::cluster::{Access as Reach, connect};
use crate::error::{Error, ErrorKind};
use crate::target::kubernetes::front::{ACCESS, BEFORE, HEALTH, NAMESPACE, leads};
use crate::target::local::proxy::Access;

/// So long after it is told to end visitors may still be led to this pod.
const HEARD: Duration = Duration::from_secs(8);
/// So long those who wait for the app are held on to before it ends.
const HELD: Duration = Duration::from_secs(35);
/// A port is waited for so long.
const LEFT: Duration = Duration::from_secs(2);
/// How often it is looked whether anybody is there.
const TICK: Duration = Duration::from_millis(500);

/// Serves until it is told to end.
///
/// # Errors
/// When it is not in a pod as it should be, or a port cannot be had.
pub(super) async fn serve(arguments: &FrontArgs) -> Result<ExitCode, Error> {
    let namespace = std::env::var(NAMESPACE).map_err(|_| {
        let sentence =
            format!("this process stands before a preview in a cluster, and ${NAMESPACE} does not say where");
        Error::new(ErrorKind::Usage, "variable-not-set", sentence).hint("`tidegate preview up` makes its pod")
    })?;
    let sleep = arguments.sleep.as_deref().map(crate::settings::duration).transpose();
    let sleep = sleep.map_err(|sentence| Error::new(ErrorKind::Usage, "bad-input", sentence))?;
    let (client, _) = connect(&Reach::default()).await?;
    let mut doors = Doors::new(access()?);
    let mut sleeper = Sleeper::new(client.clone(), namespace.clone(), sleep);
    let (mut terminate, mut interrupt) = (heard(SignalKind::terminate())?, heard(SignalKind::interrupt())?);
    let every = watcher::Config::default();
    let slices = watcher(Api::<EndpointSlice>::namespaced(client.clone(), &namespace), every.clone());
    let mut slices = std::pin::pin!(slices.default_backoff());
    let services = watcher(Api::<Service>::namespaced(client, &namespace), every.labels(BEFORE));
    let mut services = std::pin::pin!(services.default_backoff());
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut health, mut leaves) = (None, None);
    loop {
        tokio::select! {
            Some(event) = services.next() => match event {
                Ok(Event::Apply(service) | Event::InitApply(service)) => {
                    for lead in leads(&service) {
                        doors.open(lead).await?;
                    }
                }
                // All that there are have been told.
                Ok(Event::InitDone) if health.is_none() && leaves.is_none() => health = Some(healthy().await?),
                Ok(_) => {}
                Err(error) => tracing::warn!("the Services of {namespace} cannot be watched: {error}"),
            },
            Some(event) = slices.next() => match event {
                Ok(event) => doors.hear(event),
                Err(error) => tracing::warn!("the endpoints of {namespace} cannot be watched: {error}"),
            },
            () = doors.wanted() => sleeper.wanted(&mut doors).await,
            _ = tick.tick() => sleeper.look(&mut doors).await,
            _ = terminate.recv(), if leaves.is_none() => {
                // It serves on until those who lead visitors here have heard that it leaves.
                health = None;
                leaves = Some(Instant::now());
            }
            _ = interrupt.recv() => break,
        }
        let is_over =
            |since: Instant| since.elapsed() > HEARD && (doors.held() == 0 || since.elapsed() > HELD);
        if leaves.is_some_and(is_over) {
            break;
        }
    }
    drop(health);
    doors.close().await;
    Ok(ExitCode::SUCCESS)
}

/// What opens, where something has to.
fn access() -> Result<Option<Access>, Error> {
    let Ok(text) = std::env::var(ACCESS) else { return Ok(None) };
    // Never the text: it is about passwords, if only their digests.
    serde_json::from_str(&text).map(Some).map_err(|_| {
        Error::new(ErrorKind::Usage, "bad-input", format!("${ACCESS} cannot be read, and nobody is let in"))
            .hint("`tidegate preview up` writes it anew")
    })
}

/// The port that says it serves: whoever asks is taken, and let go.
async fn healthy() -> Result<tokio_util::task::AbortOnDropHandle<()>, Error> {
    let listener = listen(HEALTH).await?;
    let taking = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream);
        }
    });
    Ok(tokio_util::task::AbortOnDropHandle::new(taking))
}

fn heard(kind: SignalKind) -> Result<Signal, Error> {
    signal(kind)
        .map_err(|error| Error::new(ErrorKind::Failed, "signals", format!("signals are not heard: {error}")))
}

/// Listens at a port of the pod.
async fn listen(port: u16) -> Result<TcpListener, Error> {
    let begun = Instant::now();
    loop {
        // Where there is no IPv6, by IPv4 alone.
        let bound = match TcpListener::bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))).await {
            Ok(listener) => Ok(listener),
            Err(_) => TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))).await,
        };
        match bound {
            Ok(listener) => return Ok(listener),
            // Who had it before leaves it in an instant.
            Err(_) if begun.elapsed() < LEFT => tokio::time::sleep(TICK / 10).await,
            Err(error) => {
                let sentence = format!("cannot listen on port {port}: {error}");
                return Err(Error::new(ErrorKind::Failed, "port-taken", sentence));
            }
        }
    }
}
