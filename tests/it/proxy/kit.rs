//! Instances and clients to test with. Everything binds to a free port of the loopback interface and ends with its test.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tidegate::rollout::{Counts, ReleaseId, Weight};
use tidegate::target::local::proxy::{Instance, InstanceKey, Pool, Proxy, ProxySettings, Table};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

pub(super) type Body = BoxBody<Bytes, std::io::Error>;

pub(super) fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).map_err(|never| match never {}).boxed()
}

/// An instance that answers by a function.
pub(super) async fn instance<F, A>(answer: F) -> SocketAddr
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    raw(move |stream| {
        let answer = answer.clone();
        async move {
            let service = service_fn(move |request| {
                let answer = answer(request);
                async move { Ok::<_, Infallible>(answer.await) }
            });
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection_with_upgrades(TokioIo::new(stream), service)
                .await;
        }
    })
    .await
}

/// An instance that answers every request with this text.
pub(super) async fn says(text: &'static str) -> SocketAddr {
    instance(move |_| async move { Response::new(full(text)) }).await
}

/// An instance that does with each connection what a function does.
pub(super) async fn raw<F, A>(serve: F) -> SocketAddr
where
    F: Fn(TcpStream) -> A + Send + Sync + 'static,
    A: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// An address where nothing listens.
pub(super) async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

pub(super) fn key(text: &str) -> InstanceKey {
    InstanceKey::new(text)
}

/// A pool named like its release; its version is `v-<release>`, its instances `<release>-0` and so on.
pub(super) fn pool(release: &str, percent: u8, addresses: &[SocketAddr]) -> Pool {
    let instances = addresses
        .iter()
        .enumerate()
        .map(|(number, address)| Instance { key: key(&format!("{release}-{number}")), address: *address })
        .collect();
    Pool {
        release: ReleaseId::new(release),
        version: format!("v-{release}"),
        weight: Weight::from_percent(percent),
        candidate: false,
        instances,
    }
}

/// A router that serves on a free port.
pub(super) struct Router {
    pub(super) proxy: Proxy,
    pub(super) address: SocketAddr,
    pub(super) stop: CancellationToken,
    pub(super) serving: tokio::task::JoinHandle<()>,
    _stop: DropGuard,
}

impl Router {
    pub(super) async fn start(settings: ProxySettings, pools: Vec<Pool>) -> Self {
        let proxy = Proxy::new(settings);
        proxy.set_table(Table { pools });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = tokio::spawn({
            let (proxy, stop) = (proxy.clone(), stop.clone());
            async move { proxy.serve(listener, stop).await }
        });
        Self { proxy, address, stop: stop.clone(), serving, _stop: stop.drop_guard() }
    }

    /// One instance, all requests.
    pub(super) async fn before(address: SocketAddr) -> Self {
        Self::start(ProxySettings::default(), vec![pool("one", 100, &[address])]).await
    }

    pub(super) fn table(&self, pools: Vec<Pool>) {
        self.proxy.set_table(Table { pools });
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Waits for the first instance of release `one` to drain.
    pub(super) async fn drained(&self, grace: Duration) {
        self.proxy.wait_drained(&key("one-0"), grace).await;
    }

    /// Counts of a release once they have reached so many requests; the last byte reaches the client a moment earlier.
    pub(super) async fn counts(&self, release: &str, requests: u64) -> Counts {
        let release = ReleaseId::new(release);
        for _ in 0..200 {
            let counts = self.proxy.counts().get(&release).copied().unwrap_or_default();
            if counts.requests >= requests {
                return counts;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.proxy.counts().get(&release).copied().unwrap_or_default()
    }

    pub(super) async fn get(&self, path: &str) -> (StatusCode, String) {
        let response = client().request(Request::get(self.url(path)).body(full("")).unwrap()).await.unwrap();
        text(response).await
    }

    /// Sends bytes as they are and gives all that comes until the router closes the connection.
    pub(super) async fn raw(&self, bytes: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let _ = tokio::time::timeout(Duration::from_secs(5), read).await.expect("the connection stayed open");
        String::from_utf8_lossy(&answer).into_owned()
    }
}

pub(super) fn client() -> Client<HttpConnector, Body> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).build(connector)
}

pub(super) async fn text(response: Response<Incoming>) -> (StatusCode, String) {
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

/// Reads the head of a message: everything up to the empty line.
pub(super) async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { break };
        head.push(byte);
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// Fails a test that hangs.
pub(super) async fn within<F: Future>(seconds: u64, future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(seconds), future).await.expect("took too long")
}
