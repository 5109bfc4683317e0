//! The WebSocket echo of the sample app (RFC 6455).

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::header::{
    CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, frame::coding::CloseCode};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::body::Body;
use super::endpoints::{App, Refusal};

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// How long the end waits for one more message, so that Close can go out between two messages instead of across one.
const LAST_WORD: Duration = Duration::from_millis(250);
/// How long the end waits for the other side's Close.
const CLOSE_REPLY: Duration = Duration::from_secs(1);

/// Answers the opening handshake and lets the echo run by itself.
///
/// # Errors
/// 400 or 426 when the request is no opening handshake (RFC 6455 section 4.2.1).
pub(super) fn accept(app: &Arc<App>, mut request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
    let names = |name, token: &str| {
        let values = request.headers().get_all(name).iter().filter_map(|v: &HeaderValue| v.to_str().ok());
        values.flat_map(|v| v.split(',')).any(|v| v.trim().eq_ignore_ascii_case(token))
    };
    if !names(CONNECTION, "upgrade") || !names(UPGRADE, "websocket") || !names(SEC_WEBSOCKET_VERSION, "13") {
        let error = "this path speaks WebSocket version 13 over HTTP/1.1 only".to_owned();
        return Err(Refusal { status: StatusCode::UPGRADE_REQUIRED, error });
    }
    let Some(key) = request.headers().get(SEC_WEBSOCKET_KEY) else {
        return Err(Refusal::bad("header Sec-WebSocket-Key is missing"));
    };
    let Ok(accept) = HeaderValue::from_str(&derive_accept_key(key.as_bytes())) else {
        return Err(Refusal::bad("header Sec-WebSocket-Key is not valid"));
    };
    let (upgrade, app) = (hyper::upgrade::on(&mut request), Arc::clone(app));
    let tasks = app.tasks.clone();
    tasks.spawn(async move {
        let session = async {
            match upgrade.await {
                Ok(io) => {
                    let socket = WebSocketStream::from_raw_socket(TokioIo::new(io), Role::Server, None).await;
                    if let Err(error) = echo(&app, socket).await {
                        tracing::debug!(%error, "sample app: WebSocket session ended");
                    }
                }
                Err(error) => tracing::debug!(%error, "sample app: WebSocket upgrade failed"),
            }
        };
        app.kill.run_until_cancelled(session).await;
    });
    let mut response = Response::new(Empty::new().boxed_unsync());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    Ok(response)
}

/// Echoes until the other side closes or the app is asked to stop.
async fn echo(app: &App, mut socket: Socket) -> Result<(), Error> {
    loop {
        let message = tokio::select! {
            message = socket.next() => message,
            () = app.stop.cancelled() => return leave(socket).await,
        };
        let Some(message) = message.transpose()? else { return Ok(()) };
        reply(&mut socket, message).await?;
    }
}

/// Texts and binaries go back as they came. Pong and the answer to Close are the protocol library's own work; a flush takes
/// them out at once.
async fn reply(socket: &mut Socket, message: Message) -> Result<(), Error> {
    let sent = match message {
        Message::Text(_) | Message::Binary(_) => socket.send(message).await,
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => socket.flush().await,
    };
    match sent {
        Err(Error::ConnectionClosed) => Ok(()),
        other => other,
    }
}

/// Ends a session in good order: Close 1001 ("going away"), right behind an echo where there is one to give.
///
/// After Close no data may be sent any more (RFC 6455 section 5.5.1), so a message that crosses it is never echoed. Who has
/// just been answered is the least likely to be sending.
async fn leave(mut socket: Socket) -> Result<(), Error> {
    let last_word = async {
        while let Some(message) = socket.next().await.transpose()? {
            let is_data = message.is_text() || message.is_binary();
            reply(&mut socket, message).await?;
            if is_data {
                break;
            }
        }
        Ok::<_, Error>(())
    };
    if let Ok(ended) = timeout(LAST_WORD, last_word).await {
        ended?;
    }
    let away = CloseFrame { code: CloseCode::Away, reason: "the app ends".into() };
    match socket.close(Some(away)).await {
        Err(Error::ConnectionClosed | Error::AlreadyClosed) => return Ok(()),
        other => other?,
    }
    let until_closed = async { while let Some(Ok(_)) = socket.next().await {} };
    let _ = timeout(CLOSE_REPLY, until_closed).await;
    Ok(())
}
