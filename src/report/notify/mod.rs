//! Notifications of outcomes: a webhook, Slack, Microsoft Teams, e-mail.
//!
//! ```text
//! Event → Sink → Message, where it is an outcome → a task for each channel that wants it → sent, or one sentence why not
//! ```
//! A rollout hands its events over and never waits: each message is sent by a task of its own, within a bounded time and number of tries.
//! What could not be told is a warning at the end, and changes nothing.

mod email;
mod message;
mod post;
mod slack;
mod teams;
mod template;
mod webhook;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

pub use email::{Email, Security};
pub use message::{FIELDS, Message};
pub use template::Template;

use super::Sink;
use crate::rollout::{Event, OutcomeKind, Rollout};
use crate::signature::webhook as signed;

/// So long is waited at the end of a command for what is still to be told.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// All tries of one message have so long together.
const WHOLE: Duration = Duration::from_secs(60);

/// Where messages go.
#[derive(Debug, Clone)]
pub enum Kind {
    /// The outcome as JSON, signed where there is a secret, by the rules of Standard Webhooks (<https://www.standardwebhooks.com>).
    Webhook {
        /// The address.
        url: Secret,
        /// The secret that both sides know.
        secret: Option<Secret>,
    },
    /// An incoming webhook of Slack, by its address.
    Slack(Secret),
    /// A webhook of Microsoft Teams, by its address.
    Teams(Secret),
    /// An e-mail.
    Email(Box<Email>),
}

/// A text that nothing prints.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}

/// Whom to tell of which outcomes, and in which words.
#[derive(Debug, Clone)]
pub struct Channel {
    /// What it is called in warnings, such as `Slack ($SLACK_URL)`.
    pub name: String,
    /// Where its messages go.
    pub kind: Kind,
    /// Of which outcomes it is told.
    pub when: Vec<OutcomeKind>,
    /// The text; without one, the sentence of the outcome.
    pub text: Option<Template>,
}

/// What a rollout does not know of itself.
#[derive(Debug, Clone, Default)]
pub struct Around {
    /// The public address.
    pub url: Option<String>,
    /// The workflow run.
    pub run: Option<String>,
}

/// Notifications of one command.
#[derive(Debug)]
pub struct Notifier {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    channels: Vec<Arc<Channel>>,
    around: Around,
    http: Result<reqwest::Client, String>,
    runtime: Handle,
    /// Each ends with nothing, or with a sentence why its message was not sent.
    under_way: Mutex<JoinSet<Option<String>>>,
    /// The channels whose messages are under way, for when the time runs out.
    unsent: Arc<Mutex<Vec<String>>>,
}

impl Notifier {
    /// Begins to listen. Must be called within a runtime of tokio; messages are sent from tasks of it.
    #[must_use]
    pub fn start(channels: Vec<Channel>, around: Around) -> Self {
        let channels = channels.into_iter().map(Arc::new).collect();
        let (http, runtime) = (post::client(), Handle::current());
        let (under_way, unsent) = (Mutex::default(), Arc::default());
        Self { shared: Arc::new(Shared { channels, around, http, runtime, under_way, unsent }) }
    }

    /// A sink that hands over what it hears. It neither waits nor fails.
    #[must_use]
    pub fn sink(&self) -> Box<dyn Sink> {
        Box::new(Handover(Arc::clone(&self.shared)))
    }

    /// Waits until all is told, for `patience` at most. Gives back a sentence for each channel that could not be told.
    pub async fn finish(self, patience: Duration) -> Vec<String> {
        let mut under_way =
            std::mem::take(&mut *self.shared.under_way.lock().unwrap_or_else(PoisonError::into_inner));
        let (until, mut untold) = (Instant::now() + patience, Vec::new());
        loop {
            match timeout_at(until, under_way.join_next()).await {
                Ok(None) => break,
                Ok(Some(ended)) => untold.extend(ended.unwrap_or(None)),
                Err(_) => {
                    under_way.abort_all();
                    let unsent = self.shared.unsent.lock().unwrap_or_else(PoisonError::into_inner);
                    let late = |name: &String| {
                        format!(
                            "{name} was not told of the outcome: there was no answer in {} s",
                            patience.as_secs()
                        )
                    };
                    untold.extend(unsent.iter().map(late));
                    break;
                }
            }
        }
        untold
    }
}

/// The sink.
struct Handover(Arc<Shared>);

impl Sink for Handover {
    fn publish(&mut self, rollout: &Rollout, event: &Event) {
        let Some((kind, message)) = Message::of(rollout, event, &self.0.around) else { return };
        let message = Arc::new(message);
        for channel in self.0.channels.iter().filter(|channel| channel.when.contains(&kind)) {
            let (channel, message) = (Arc::clone(channel), Arc::clone(&message));
            let (http, unsent) = (self.0.http.clone(), Arc::clone(&self.0.unsent));
            unsent.lock().unwrap_or_else(PoisonError::into_inner).push(channel.name.clone());
            let task = async move {
                let sent = timeout(WHOLE, send(&channel, &message, &http)).await;
                let mut unsent = unsent.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(at) = unsent.iter().position(|name| *name == channel.name) {
                    unsent.remove(at);
                }
                let why = match sent {
                    Ok(Ok(())) => return None,
                    Ok(Err(why)) => why,
                    Err(_) => format!("there was no end within {} s", WHOLE.as_secs()),
                };
                Some(format!("{} was not told of the outcome: {why}", channel.name))
            };
            let mut under_way = self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            under_way.spawn_on(task, &self.0.runtime);
        }
    }
}

/// Sends one message.
///
/// # Errors
/// Why not, as a part of a sentence, without the address.
async fn send(
    channel: &Channel,
    message: &Message,
    http: &Result<reqwest::Client, String>,
) -> Result<(), String> {
    let text = channel.text.as_ref().map_or_else(|| message.sentence.clone(), |text| text.fill(message));
    if let Kind::Email(email) = &channel.kind {
        return email::send(email, message, &text).await;
    }
    let http = http.as_ref().map_err(Clone::clone)?;
    match &channel.kind {
        Kind::Webhook { url, secret } => {
            let body = webhook::body(message, &text);
            let (text, secret) = (body.to_string(), secret.as_ref().map(|secret| secret.0.as_str()));
            let headers = |at: jiff::Timestamp| signed::headers(&message.id, at.as_second(), &text, secret);
            post::send(http, url, &body, headers).await
        }
        Kind::Slack(url) => post::send(http, url, &slack::body(message, &text), |_| Vec::new()).await,
        Kind::Teams(url) => post::send(http, url, &teams::body(message, &text), |_| Vec::new()).await,
        Kind::Email(_) => Ok(()),
    }
}
