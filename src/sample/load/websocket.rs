//! A WebSocket session of the load (RFC 6455).

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};
use tokio_tungstenite::tungstenite::{Error, Message, error::ProtocolError};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::connect::Connections;
use super::service::Service;
use super::trail::{Failure, Trail, Whole};
use crate::sample::LossKind;

type Socket = WebSocketStream<TcpStream>;

/// What comes next in a session.
enum Next {
    /// A text or binary message.
    Message(Message),
    /// A Close frame with this code.
    Closed(Option<CloseCode>),
}

/// One session: each message waits for the echo of the one before.
///
/// It counts as answered when every message sent was echoed and it ended with a Close frame of ours or with a Close 1001
/// ("going away") of the other side: that is how a service that is replaced takes its leave.
pub(super) async fn session(
    connections: &Connections,
    trail: &mut Trail,
    service: &Service,
    messages: u32,
    pause: Duration,
) -> Result<Whole, Failure> {
    let stream = connections.tcp().await.map_err(|e| Failure::refused(&e))?;
    trail.goes_out(Instant::now());
    let (mut socket, version) = match client_async(format!("ws://{}/ws", service.host), stream).await {
        Ok((socket, response)) => {
            (socket, service.version(response.status().as_u16(), response.headers(), b"")?)
        }
        Err(Error::Http(response)) => {
            let status = response.status().as_u16();
            let body = response.body().as_deref().unwrap_or_default();
            let version = service.version(status, response.headers(), body)?;
            return Ok(Whole { version, status, served: Instant::now() });
        }
        Err(error) => return Err(before_head(&error)),
    };
    let answer = Whole { version, status: 101, served: Instant::now() };
    for number in 0..messages {
        match echo(&mut socket, number).await? {
            Next::Message(_) => {}
            Next::Closed(code) => {
                let code = code.map_or(1005, u16::from);
                return Err(Failure::new(
                    LossKind::NoEcho,
                    format!("Close {code} came instead of the echo of message {number}"),
                ));
            }
        }
        match timeout(pause, next(&mut socket)).await {
            Err(_) => {}
            Ok(Ok(Next::Closed(Some(CloseCode::Away)))) => {
                return until_end(socket, true).await.map(|()| answer);
            }
            Ok(Ok(Next::Closed(code))) => {
                let code = code.map_or(1005, u16::from);
                return Err(Failure::new(
                    LossKind::Abnormal,
                    format!("Close {code} came after message {number}"),
                ));
            }
            Ok(Ok(Next::Message(_))) => {
                return Err(Failure::new(
                    LossKind::Wrong,
                    format!("a message came unasked after message {number}"),
                ));
            }
            Ok(Err(failure)) => return Err(failure),
        }
    }
    let done = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    match socket.close(Some(done)).await {
        Ok(()) | Err(Error::ConnectionClosed) => until_end(socket, false).await.map(|()| answer),
        Err(error) => Err(Failure::new(LossKind::Abnormal, format!("cannot close: {error}"))),
    }
}

/// Sends a message and waits for what comes back.
async fn echo(socket: &mut Socket, number: u32) -> Result<Next, Failure> {
    let message = Message::text(format!("message {number}"));
    let no_echo = |why: String| Failure::new(LossKind::NoEcho, format!("message {number}: {why}"));
    socket.send(message.clone()).await.map_err(|e| no_echo(e.to_string()))?;
    match next(socket).await.map_err(|failure| no_echo(failure.detail))? {
        Next::Message(echoed) if echoed != message => {
            Err(Failure::new(LossKind::Wrong, format!("message {number} came back as {echoed:?}")))
        }
        next => Ok(next),
    }
}

/// The next message or Close; pings are answered on the way by the protocol library.
async fn next(socket: &mut Socket) -> Result<Next, Failure> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Close(frame))) => return Ok(Next::Closed(frame.map(|f| f.code))),
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => return Ok(Next::Message(message)),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Err(error)) => return Err(Failure::new(LossKind::Abnormal, error.to_string())),
            None => {
                return Err(Failure::new(LossKind::Abnormal, "the connection ended without a Close frame"));
            }
        }
    }
}

/// Waits for the end of the connection. Unless the other side's Close `came` already, it has to come now.
async fn until_end(mut socket: Socket, mut came: bool) -> Result<(), Failure> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Close(_))) => came = true,
            Some(Ok(_)) => {}
            // With both Close frames exchanged nothing is lost any more, however the connection ends.
            Some(Err(_)) | None if came => return Ok(()),
            Some(Err(error)) => {
                return Err(Failure::new(LossKind::Abnormal, format!("no Close came back: {error}")));
            }
            None => return Err(Failure::new(LossKind::Abnormal, "no Close came back")),
        }
    }
}

fn before_head(error: &Error) -> Failure {
    let what = match error {
        Error::Io(_) | Error::Protocol(ProtocolError::HandshakeIncomplete) => LossKind::Reset,
        _ => LossKind::Wrong,
    };
    Failure::new(what, format!("opening handshake: {error}"))
}
