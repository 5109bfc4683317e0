//! From taking the seat to leaving it.

use std::time::Duration;

use rustix::process::Signal;
use tokio::sync::{oneshot, watch};

use super::core::{Core, End, Event};
use super::standby::{Link, Stage, Standby, Word};
use super::{Seat, lock_in_turn};
use crate::target::TargetError;
use crate::target::local::control::{Phase, Reply, disk, failure};
use crate::target::local::process::{Process, signal_group};

/// Requests that a supervisor had taken before it gave way may last this long.
const LAST_REQUESTS: Duration = Duration::from_secs(600);

/// Requests in flight at a stop may last this long.
const STOP_REQUESTS: Duration = Duration::from_secs(30);

/// Time for a successor to serve.
const TAKE_OVER: Duration = Duration::from_secs(10);

/// Acts until told to end. `before` is the link to the supervisor that gives way to this one.
pub(super) async fn reign(
    seat: Seat,
    before: Option<(Link, watch::Sender<bool>)>,
) -> Result<(), TargetError> {
    let mut core = Core::start(seat).await?;
    obey_signals(&core);
    if let Some((mut link, alone)) = before {
        link.say_active().await.map_err(|e| disk("speak to the supervisor before", &e))?;
        tokio::spawn(async move {
            // Its end of the link closes when it has passed on its last request and exits.
            while link.word().await != Word::Orphaned {}
            alone.send_replace(true);
        });
    }
    loop {
        match core.reign().await {
            End::Stop { reply, forget } => return stop(core, reply, forget).await,
            End::GiveWay { successor, reply } => match give_way(core, successor).await? {
                Ok(()) => {
                    let _ = reply.send(Reply::Done);
                    // The reply is on its way in another task.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    return Ok(());
                }
                Err((seat, error)) => {
                    core = Core::start(*seat).await?;
                    obey_signals(&core);
                    let _ = reply.send(Reply::Refused(error.into()));
                }
            },
        }
    }
}

fn obey_signals(core: &Core) {
    let (mut ending, events) = (core.seat.ending.clone(), core.events.clone());
    tokio::spawn(async move {
        if ending.wait_for(|ending| *ending).await.is_ok() {
            let _ = events.send(Event::Terminate);
        }
    });
}

/// Ends everything: requests, then instances, then this process.
async fn stop(
    mut core: Core,
    reply: Option<oneshot::Sender<Reply>>,
    forget: bool,
) -> Result<(), TargetError> {
    tracing::info!("stopping");
    // First of all the standby, which would take the end of this process for a reason to take over.
    if let Some(standby) = core.standby.take() {
        standby.dismiss().await;
    }
    if let Some(door) = core.seat.door.take() {
        door.close(STOP_REQUESTS).await;
    }
    // What is wanted stays as it is on disk: a supervisor that is started later brings it up again.
    let wanted = core.durable.clone();
    for set in &mut core.durable.sets {
        set.desired = 0;
    }
    core.settle();
    let patience: Duration =
        core.lives.values().map(|l| l.recipe.spec.drain + l.recipe.spec.stop_grace).max().unwrap_or_default();
    let until = tokio::time::Instant::now() + patience + Duration::from_secs(10);
    while !core.lives.is_empty() {
        match tokio::time::timeout_at(until, core.inbox.recv()).await {
            Ok(Some(Event::Instance(id, report))) => core.hear(id, report),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => break,
        }
    }
    for live in core.lives.values() {
        if let Some(process) = live.record.process.as_ref().filter(|p| p.lives()) {
            signal_group(process, Signal::KILL);
        }
    }
    core.durable.sets = wanted.sets.into_iter().filter(|s| s.desired > 0).collect();
    core.durable.weights = wanted.weights;
    core.lives.clear();
    let result = if forget { forget_all(&core) } else { restore_secrets(&mut core).await };
    let answer = result.as_ref().map_or_else(|e| Reply::Refused(copy(e).into()), |()| Reply::Done);
    if let Some(reply) = reply {
        let _ = reply.send(answer);
    }
    // A client must find either a supervisor or none: the socket goes before the lock.
    let _ = std::fs::remove_file(core.seat.paths.socket());
    if let Some(server) = core.server.take() {
        server.close().await;
    }
    result
}

fn copy(error: &TargetError) -> TargetError {
    TargetError {
        code: error.code,
        sentence: error.sentence.clone(),
        hint: error.hint.clone(),
        fatal: error.fatal,
    }
}

/// Writes the final state; the secrets of the sets, which the ending of those dropped, are still in the file.
async fn restore_secrets(core: &mut Core) -> Result<(), TargetError> {
    core.secrets = super::state::load_secrets(&core.seat.paths)?;
    core.seat.saved_secrets = Some(core.secrets.clone());
    core.save().await
}

/// Removes what the environment left on disk, the supervisor's own log and lock excepted.
fn forget_all(core: &Core) -> Result<(), TargetError> {
    let paths = &core.seat.paths;
    let gone = |result: std::io::Result<()>| match result {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(disk("remove the environment's files", &e)),
        _ => Ok(()),
    };
    gone(std::fs::remove_file(paths.state()))?;
    gone(std::fs::remove_file(paths.secrets()))?;
    gone(std::fs::remove_dir_all(paths.logs()))?;
    gone(std::fs::remove_dir_all(paths.root.join("programs")))
}

/// Lets `successor` take over. Gives the seat back where it could not.
async fn give_way(
    mut core: Core,
    mut successor: Standby,
) -> Result<Result<(), (Box<Seat>, TargetError)>, TargetError> {
    if let Some(standby) = core.standby.take() {
        standby.dismiss().await;
    }
    core.release_instances().await;
    let saved = core.save().await;
    if let Some(server) = &core.server {
        server.shut();
    }
    let Core { mut seat, view, admin, .. } = core;
    // With the view gone, waiting clients hang up and ask the successor; the admin address becomes free for it.
    drop((view, admin));
    let failed = |sentence: String| {
        failure("upgrade-failed", sentence, "the old supervisor goes on; mend the cause and do it again")
    };
    if let Err(error) = saved {
        successor.dismiss().await;
        return Ok(Err((Box::new(seat), error)));
    }
    seat.lock = None;
    let told = successor.promote().await;
    if told.is_ok() && successor.reached(Stage::Active, TAKE_OVER).await {
        tracing::info!("process {} has taken over", successor.pid);
        if let Some(door) = seat.door.take() {
            door.close(LAST_REQUESTS).await;
        }
        return Ok(Ok(()));
    }
    successor.dismiss().await;
    seat.lock = Some(lock_in_turn(&seat.paths).await?);
    Ok(Err((
        Box::new(seat),
        failed("the new binary could not take over; supervisor.log says why".to_owned()),
    )))
}

impl Core {
    /// Lets go of the instances without touching them, everything that they told taken into the state.
    async fn release_instances(&mut self) {
        for live in self.lives.values_mut() {
            live.task.abort();
            // An instance that has just been started has said so by the time its task has ended.
            let _ = (&mut live.task).await;
        }
        while let Ok(event) = self.inbox.try_recv() {
            if let Event::Instance(id, super::instance::Report::Started { process, port, log_start }) = event
                && let Some(live) = self.lives.get_mut(&id)
            {
                live.record.process = Some(process);
                live.record.port = port;
                live.record.log_start = log_start;
            }
        }
        for live in self.lives.values_mut() {
            let lives = live.record.process.as_ref().is_some_and(|p| Process::adopt(p).is_some());
            if !lives && live.phase == Phase::Draining {
                live.record.process = None;
            }
        }
    }
}
