//! When the app behind the front sleeps, and how it wakes.

use std::time::Duration;

use kube::Client;
use tokio::time::Instant;

use super::doors::Doors;
use crate::target::TargetError;
use crate::target::kubernetes::front::{asleep, is_held, lie_down, wake};

/// Whatever is not awake after this time is woken once more.
const AGAIN: Duration = Duration::from_secs(10);
/// While it sleeps, what others have woken is looked for this often.
const OTHERS: Duration = Duration::from_secs(60);

/// Whether the app is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nobody has looked yet: another pod of this front may have left it in any way.
    Unknown,
    /// It is to be: requests are led on as soon as it takes connections.
    Waking,
    /// It is.
    Awake,
    /// It sleeps.
    Asleep,
}

/// Has it sleep and wake.
pub(super) struct Sleeper {
    client: Client,
    namespace: String,
    after: Option<Duration>,
    state: State,
    answered: u64,
    /// When somebody was last there.
    busy: Instant,
    /// When it was last looked who is awake, or whoever slept was woken.
    looked: Instant,
}

impl Sleeper {
    /// It is not known how things are: until they are, requests wait.
    pub(super) fn new(client: Client, namespace: String, after: Option<Duration>) -> Self {
        let now = Instant::now();
        Self { client, namespace, after, state: State::Unknown, answered: 0, busy: now, looked: now }
    }

    /// A request waits.
    pub(super) async fn wanted(&mut self, doors: &mut Doors) {
        if self.state == State::Asleep {
            self.wake("a request came").await;
        }
        self.look(doors).await;
    }

    /// Looks after what is to be done by now. What cannot be done is told, and tried with the next look.
    pub(super) async fn look(&mut self, doors: &mut Doors) {
        match self.state {
            State::Unknown => match self.is_asleep().await {
                Some(true) => self.state = State::Asleep,
                Some(false) => self.state = State::Waking,
                None => {}
            },
            State::Waking => {
                doors.lead_on();
                if doors.leads_anywhere() {
                    self.state = State::Awake;
                    self.busy = Instant::now();
                } else if doors.held() > 0 && self.looked.elapsed() > AGAIN {
                    self.wake("a request waits still").await;
                }
            }
            State::Awake => self.awake(doors).await,
            State::Asleep => {
                if doors.held() > 0 {
                    self.wake("a request waits").await;
                } else if self.looked.elapsed() > OTHERS {
                    self.looked = Instant::now();
                    if self.is_asleep().await == Some(false) {
                        self.state = State::Waking;
                    }
                }
            }
        }
    }

    async fn awake(&mut self, doors: &mut Doors) {
        doors.lead_on();
        if doors.held() > 0 && self.looked.elapsed() > AGAIN {
            // Perhaps a part of it sleeps.
            return self.wake("a request waits").await;
        }
        let answered = doors.answered();
        let is_asked = answered != std::mem::replace(&mut self.answered, answered);
        if is_asked || doors.is_busy() || doors.held() > 0 {
            self.busy = Instant::now();
        }
        let Some(after) = self.after.filter(|after| self.busy.elapsed() >= *after) else { return };
        match self.sleep(doors).await {
            Ok(true) => tracing::info!("nobody asked for it for {after:?}: it sleeps until somebody does"),
            // A run is at work.
            Ok(false) => self.busy = Instant::now(),
            Err(error) => {
                tracing::warn!("it cannot sleep: {}", error.sentence);
                self.busy = Instant::now();
                // A part of it may; whatever is there takes requests.
                doors.lead_on();
                self.state = State::Unknown;
            }
        }
    }

    /// Has it sleep, unless somebody is at work or a request has come meanwhile.
    async fn sleep(&mut self, doors: &mut Doors) -> Result<bool, TargetError> {
        if is_held(&self.client, &self.namespace).await? {
            return Ok(false);
        }
        // From here on a request waits; one that was on its way is seen.
        doors.shut();
        if doors.is_busy() {
            doors.lead_on();
            return Ok(false);
        }
        lie_down(&self.client, &self.namespace).await?;
        doors.leave();
        // A run that began meanwhile finds everything awake.
        if is_held(&self.client, &self.namespace).await? {
            wake(&self.client, &self.namespace, false).await?;
            self.state = State::Waking;
            return Ok(false);
        }
        self.state = State::Asleep;
        self.looked = Instant::now();
        Ok(true)
    }

    async fn wake(&mut self, why: &str) {
        if self.after.is_none() {
            return;
        }
        tracing::info!("{why}: it wakes");
        self.looked = Instant::now();
        if let Err(error) = wake(&self.client, &self.namespace, false).await {
            tracing::warn!("not all of it can be woken: {}; it is tried again", error.sentence);
        }
        // Whatever is there takes requests; where one waits for long, the rest is woken again.
        self.state = State::Waking;
    }

    /// Nothing where that cannot be told; without sleep nobody may ask.
    async fn is_asleep(&self) -> Option<bool> {
        if self.after.is_none() {
            return Some(false);
        }
        match asleep(&self.client, &self.namespace).await {
            Ok(names) => Some(!names.is_empty()),
            Err(error) => {
                tracing::warn!("whether it sleeps is not known: {}", error.sentence);
                None
            }
        }
    }
}
