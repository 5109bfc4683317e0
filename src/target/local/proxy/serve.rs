//! Accepts connections and brings them to an end.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{MissedTickBehavior, Sleep, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client::{Client, Order, Serving};
use super::crew::Crew;
use super::forward;
use super::shared::Shared;

/// How often connections are looked at for limits of time.
const LOOK: Duration = Duration::from_millis(500);
/// Pause after an accept that failed for want of a resource, such as file descriptors.
const BREATH: Duration = Duration::from_millis(20);
/// A client that was let in just before the end gets this time for its first request: it has no other connection to try.
const FIRST: Duration = Duration::from_secs(1);
/// Largest head of a request (HTTP/1.1 and HTTP/2), and largest piece of a body that is moved at once.
const HEAD: usize = 64 * 1024;

type Clients = Arc<Mutex<HashMap<usize, Arc<Client>>>>;

/// Serves a listener until `stop`, then ends in good order.
pub(super) async fn serve(shared: &Arc<Shared>, listener: TcpListener, stop: CancellationToken) {
    let serving = Arc::new(Serving {
        tasks: TaskTracker::new(),
        goodbye: CancellationToken::new(),
        cut: CancellationToken::new(),
    });
    let clients = Clients::default();
    let builder = Arc::new(builder());
    let watching = watch(Arc::clone(shared), Arc::clone(&clients));
    let crew = Crew::start(shared.settings.load().workers).unwrap_or_else(|error| {
        tracing::warn!(%error, "no threads for connections could be started; they share the runtime of the supervisor");
        Crew::none()
    });
    let accepting = accept(shared, &listener, &serving, &clients, &builder, &crew);
    tokio::select! {
        () = stop.cancelled() => {}
        () = accepting => {}
        () = watching => {}
    }
    drop(listener);
    end(shared, &serving, &clients).await;
}

async fn accept(
    shared: &Arc<Shared>,
    listener: &TcpListener,
    serving: &Arc<Serving>,
    clients: &Clients,
    builder: &Arc<Builder<TokioExecutor>>,
    crew: &Crew,
) {
    for number in 0_usize.. {
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                sleep(BREATH).await;
                continue;
            }
        };
        let hand = crew.turn(number);
        let client = Arc::new(Client::new(Arc::clone(serving), address.ip(), number, hand.unwrap_or(0)));
        locked(clients).insert(number, Arc::clone(&client));
        let leaving = Leaving { clients: Arc::clone(clients), number };
        let (shared, builder, tasks) = (Arc::clone(shared), Arc::clone(builder), serving.tasks.clone());
        let Some(hand) = hand else {
            drop(tasks.spawn(connection(shared, client, stream, address, builder, leaving)));
            continue;
        };
        // The socket goes over to the thread's own runtime.
        let Ok(stream) = stream.into_std() else { continue };
        // Counts the connection while it waits for its thread: a stop must not overlook it.
        let waiting = tasks.token();
        let begin = move || {
            if let Ok(stream) = TcpStream::from_std(stream) {
                drop(tasks.spawn(connection(shared, client, stream, address, builder, leaving)));
            }
            drop(waiting);
        };
        crew.begin(hand, Box::new(begin));
    }
}

/// Takes a connection off the list when its task ends, however it ends.
struct Leaving {
    clients: Clients,
    number: usize,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        locked(&self.clients).remove(&self.number);
    }
}

async fn connection(
    shared: Arc<Shared>,
    client: Arc<Client>,
    stream: TcpStream,
    address: SocketAddr,
    builder: Arc<Builder<TokioExecutor>>,
    _leaving: Leaving,
) {
    let _ = stream.set_nodelay(true);
    let _ = rustix::net::sockopt::set_socket_keepalive(&stream, true);
    let service = service_fn(|request| {
        let answer = forward::answer(Arc::clone(&shared), Arc::clone(&client), request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let mut connection = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let mut finishing = false;
    let mut first: Option<Pin<Box<Sleep>>> = None;
    let ended = poll_fn(|cx| {
        let order = client.order(cx);
        if order == Order::Cut {
            return Poll::Ready(Ok(()));
        }
        // What has come is read before the connection is told to finish: told first, hyper closes one from which it has read
        // nothing, whatever waits in the socket.
        if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
            return Poll::Ready(ended);
        }
        if order == Order::Run || finishing {
            return Poll::Pending;
        }
        if client.is_new()
            && first.get_or_insert_with(|| Box::pin(sleep(FIRST))).as_mut().poll(cx).is_pending()
        {
            return Poll::Pending;
        }
        finishing = true;
        connection.as_mut().graceful_shutdown();
        connection.as_mut().poll(cx)
    })
    .await;
    if let Err(error) = ended {
        tracing::debug!(%error, %address, "a client's connection ended badly");
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // Limits of time are watched by `watch`: a timer for each head would cost every request.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(HEAD);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(HEAD).unwrap_or(u32::MAX))
        .keep_alive_interval(Duration::from_secs(20))
        .adaptive_window(true);
    builder
}

/// Looks after limits of time of all connections.
async fn watch(shared: Arc<Shared>, clients: Clients) {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for look in 0_u64.. {
        looks.tick().await;
        let settings = shared.settings.load_full();
        for client in locked(&clients).values() {
            client.review(settings.client_header_timeout, settings.idle_timeout);
        }
        if look % 20 == 0 {
            shared.sweep();
        }
    }
}

/// Lets requests end, tells upgraded connections to, and cuts what is left after the grace.
async fn end(shared: &Shared, serving: &Serving, clients: &Clients) {
    let settings = shared.settings.load_full();
    for client in locked(clients).values() {
        client.tell(Order::Finish);
    }
    serving.tasks.close();
    let grace = settings.shutdown_grace;
    let part = grace.min(settings.upgraded_grace);
    if timeout(part, serving.tasks.wait()).await.is_ok() {
        return;
    }
    serving.goodbye.cancel();
    if timeout(grace.saturating_sub(part), serving.tasks.wait()).await.is_ok() {
        return;
    }
    serving.cut.cancel();
    for client in locked(clients).values() {
        client.tell(Order::Cut);
    }
    let _ = timeout(LOOK, serving.tasks.wait()).await;
}

fn locked(clients: &Clients) -> std::sync::MutexGuard<'_, HashMap<usize, Arc<Client>>> {
    clients.lock().unwrap_or_else(PoisonError::into_inner)
}
