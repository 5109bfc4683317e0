//! The process that holds the testbed: it makes its world, then starts parts as it is asked.

mod machine;
mod world;

use std::sync::Arc;

use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

use crate::control::{Request, Word};
use crate::parts::Stage;
use crate::{BedError, home};

pub(crate) use machine::{Machine, enter};

/// Makes the world and serves requests until it is killed. Must be the child of the first process of new namespaces, which
/// `testbed up` sees to.
///
/// # Errors
/// When the world cannot be made; the sentence says which step failed.
pub async fn hold() -> Result<(), BedError> {
    world::make().await?;
    let stage = Arc::new(Stage::new()?);
    let socket = home::run("control.sock");
    let listener = UnixListener::bind(&socket).map_err(|e| BedError::file("listen on", &socket, &e))?;
    loop {
        let (stream, _) =
            listener.accept().await.map_err(|e| BedError::file("take a connection on", &socket, &e))?;
        let stage = Arc::clone(&stage);
        // A caller that goes away in the middle does not end what it asked for: the next one finds it begun.
        tokio::spawn(async move { serve(stream, stage).await });
    }
}

/// Answers one request.
async fn serve(stream: UnixStream, stage: Arc<Stage>) {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    if BufReader::new(read).read_line(&mut line).await.is_err() {
        return;
    }
    let (tell, mut words) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let last = match serde_json::from_str(&line) {
            Ok(request) => answer(request, &stage, &tell).await,
            Err(error) => Err(BedError::new(format!("not a request: {error}"))),
        };
        let last = last.map_or_else(Word::Failed, Word::Done);
        // Nobody may be there any more to hear it.
        let _ = tell.send(last);
    });
    while let Some(word) = words.recv().await {
        let Ok(mut line) = serde_json::to_string(&word) else { return };
        line.push('\n');
        if write.write_all(line.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn answer(
    request: Request,
    stage: &Arc<Stage>,
    tell: &mpsc::UnboundedSender<Word>,
) -> Result<Vec<String>, BedError> {
    match request {
        Request::Up(parts) => stage.up(&parts, tell).await.map(|()| Vec::new()),
        Request::Status => Ok(stage.processes.lines()),
        Request::Cut(machine) => Machine::named(&machine)?.cut().await.map(|()| Vec::new()),
        Request::Join(machine) => Machine::named(&machine)?.join().await.map(|()| Vec::new()),
        Request::Signal(process, signal) => {
            stage.processes.signal(&process, named_signal(&signal)?).await.map(|()| Vec::new())
        }
    }
}

fn named_signal(name: &str) -> Result<Signal, BedError> {
    match name {
        "KILL" => Ok(Signal::KILL),
        "TERM" => Ok(Signal::TERM),
        "STOP" => Ok(Signal::STOP),
        "CONT" => Ok(Signal::CONT),
        "HUP" => Ok(Signal::HUP),
        _ => Err(BedError::new(format!("no signal {name:?}; KILL, TERM, STOP, CONT and HUP can be sent"))),
    }
}
