//! What somebody asks for by a comment: he sees that it was read, GitHub says whether he may, and he is told what came of it.
//!
//! Whoever may not is told by a sign alone: nobody who is a stranger to the repository can have it write.

use serde_json::Value;

use super::refusal;
use crate::error::{Error, ErrorKind};
use crate::github::comments::{self, Reaction};
use crate::github::{Client, Failure, people};
use crate::report::reply::Reply;
use crate::trigger::Asked;

/// Somebody who asked for something, and by whom GitHub is asked about it.
pub(super) struct Asker<'a> {
    client: &'a Client,
    asked: Asked,
    /// The first line of the comment.
    command: String,
    run: Option<&'a str>,
}

impl<'a> Asker<'a> {
    /// Who asked, as the payload tells.
    pub(super) fn new(client: &'a Client, asked: Asked, payload: &Value, run: Option<&'a str>) -> Self {
        let body = payload["comment"]["body"].as_str().unwrap_or_default();
        Self { client, asked, command: body.lines().next().unwrap_or_default().to_owned(), run }
    }

    /// Lets him know that his comment was read, and finds out whether he may.
    ///
    /// # Errors
    /// When he may not, or GitHub does not say: then nothing is done.
    pub(super) async fn admit(&self) -> Result<(), Error> {
        self.sign(Reaction::Eyes).await;
        let by = &self.asked.by;
        if people::permission(self.client, by).await.map_err(unsaid)?.may_deploy() {
            return Ok(());
        }
        self.sign(Reaction::Refused).await;
        let repository = &self.client.access().repository;
        let why = format!("{by} may not write to {repository}, and only those who may can give commands");
        Err(refusal("not-yours", &why, "have somebody with write access write the comment"))
    }

    /// Tells him what came of it.
    pub(super) async fn answer(&self, text: &str, is_well: bool) {
        self.sign(if is_well { Reaction::Done } else { Reaction::Refused }).await;
        let reply = Reply { command: &self.command, by: &self.asked.by, text, run: self.run };
        if let Err(failure) = comments::create(self.client, self.asked.pull, &reply.render()).await {
            tracing::warn!("the comment could not be answered: {failure}");
        }
    }

    async fn sign(&self, reaction: Reaction) {
        if let Err(failure) = comments::react(self.client, self.asked.comment, reaction).await {
            tracing::warn!("the comment could not be given a sign: {failure}");
        }
    }
}

/// What GitHub alone knows, and does not say: nothing is done on a guess.
pub(in crate::run) fn unsaid(failure: Failure) -> Error {
    let kind = match failure.code {
        "github-permission" | "github-token" => ErrorKind::Refused,
        _ => ErrorKind::Failed,
    };
    let error = Error::new(kind, failure.code, failure.sentence);
    match failure.hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}
