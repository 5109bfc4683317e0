//! Which commit is deployed: the one that the intent names, where GitHub has to say which one that is, and nothing else.
//!
//! Who asks by a comment asks for what he has seen: the last commit of the pull request when he wrote, if reviews and checks stand well
//! for that very commit. What is named instead must have been accepted already: by a tag, on the default branch, or on a branch that the
//! environment deploys by itself.

use jiff::Timestamp;
use serde_json::Value;

use super::asked::unsaid;
use super::refusal;
use crate::error::Error;
use crate::github::refs::{self, Named};
use crate::github::{Client, pulls};
use crate::settings::EnvironmentSettings;
use crate::trigger::{self, Asked, Deploy, Source};

/// What the names of our own check runs begin with: those are not waited for.
const OURS: &str = "tidegate / ";

/// What is to be deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Settled {
    /// What is checked out.
    Here,
    /// What is checked out, and that is this commit: who checks out another one has a workflow that does not do what it says.
    Checked(String),
    /// This commit, wherever the working tree is.
    Commit(String),
    /// Nothing, for this reason.
    Nothing(String),
}

/// Finds out which commit is meant.
pub(super) struct Finder<'a> {
    /// By whom GitHub is asked; nothing where the step has no token.
    pub(super) client: Option<&'a Client>,
    /// Where it goes to.
    pub(super) environment: &'a EnvironmentSettings,
    /// Nothing will be changed.
    pub(super) is_plan: bool,
    /// The event's payload.
    pub(super) payload: &'a Value,
}

impl Finder<'_> {
    /// The commit.
    ///
    /// # Errors
    /// When it must not be deployed, or GitHub does not say which one it is.
    pub(super) async fn find(&self, deploy: &Deploy) -> Result<Settled, Error> {
        match (&deploy.source, &deploy.asked) {
            (Source::CheckedOut, _) => Ok(Settled::Here),
            (Source::Commit(commit), None) => Ok(Settled::Checked(commit.clone())),
            (Source::Commit(commit), Some(asked)) => self.accepted(commit, commit, asked).await,
            (Source::Tip { branch, commit }, _) => self.still(Named::Branch(branch), commit).await,
            (Source::Tagged { tag, commit }, _) => self.still(Named::Tag(tag), commit).await,
            (Source::Pull(number), _) => self.pull(*number, None).await,
            (Source::Branch(branch), asked) => self.branch(branch, asked.as_ref()).await,
            (Source::Tag(tag), _) => {
                let found = self.named(Named::Tag(tag)).await?;
                found.map(Settled::Commit).ok_or_else(|| absent(&format!("tag `{tag}`")))
            }
            (Source::Named(name), asked) => match self.named(Named::Tag(name)).await? {
                Some(commit) => Ok(Settled::Commit(commit)),
                None => self.branch(name, asked.as_ref()).await,
            },
        }
    }

    fn client(&self) -> Result<&Client, Error> {
        let why = "which commit is meant has to be asked of GitHub, and the step has no token for that";
        self.client
            .ok_or_else(|| refusal("no-token", why, "give it `github-token`, or the variable GITHUB_TOKEN"))
    }

    async fn named(&self, named: Named<'_>) -> Result<Option<String>, Error> {
        refs::commit(self.client()?, named).await.map_err(unsaid)
    }

    /// What another workflow ran for, if nothing newer has come since: that one's run deploys it.
    async fn still(&self, named: Named<'_>, commit: &str) -> Result<Settled, Error> {
        let (Named::Branch(name) | Named::Tag(name)) = named;
        Ok(match self.named(named).await? {
            Some(now) if now == commit => Settled::Commit(now),
            Some(now) => Settled::Nothing(format!(
                "the other workflow ran for commit {commit}, and `{name}` is at {now} by now, whose own run deploys it"
            )),
            None => {
                Settled::Nothing(format!("`{name}`, which the other workflow ran for, is not there any more"))
            }
        })
    }

    async fn branch(&self, branch: &str, asked: Option<&Asked>) -> Result<Settled, Error> {
        let commit = self.named(Named::Branch(branch)).await?;
        let commit = commit.ok_or_else(|| absent(&format!("branch or tag `{branch}`")))?;
        match asked {
            Some(asked) if !trigger::takes_branch(self.environment, branch) => {
                self.accepted(&commit, &format!("branch `{branch}`"), asked).await
            }
            _ => Ok(Settled::Commit(commit)),
        }
    }

    /// A commit that somebody named: it is on the default branch, or it is what the pull request is about.
    async fn accepted(&self, commit: &str, name: &str, asked: &Asked) -> Result<Settled, Error> {
        let client = self.client()?;
        if refs::is_on_default_branch(client, commit).await.map_err(unsaid)? {
            return Ok(Settled::Commit(commit.to_owned()));
        }
        if pulls::head(client, asked.pull).await.map_err(unsaid)? == commit {
            return self.pull(asked.pull, Some(commit)).await;
        }
        let why = format!(
            "{name} is neither on the default branch nor the last commit of pull request {}: nobody has accepted it",
            asked.pull
        );
        Err(refusal("not-accepted", &why, "open a pull request for it, or tag it"))
    }

    /// The last commit of a pull request; `seen` is the one that was named.
    async fn pull(&self, number: u64, seen: Option<&str>) -> Result<Settled, Error> {
        let client = self.client()?;
        let ready = pulls::readiness(client, number, OURS).await.map_err(unsaid)?;
        if ready.is_fork {
            let why =
                format!("pull request {number} comes from a fork, and what comes from there meets no secret");
            return Err(refusal(
                "from-fork",
                &why,
                "merge it, or push its branch to this repository after a look at it",
            ));
        }
        if let Some(why) = ready.objection().filter(|_| !self.is_plan) {
            let why = format!("pull request {number} is not deployed: {why}");
            return Err(refusal("pull-not-ready", &why, "settle that, and write the comment again"));
        }
        let was_seen = match seen {
            Some(seen) => ready.head == seen,
            None => {
                let pushed = refs::pushed(client, &ready.branch, &ready.head).await.map_err(unsaid)?;
                // GitHub's times are whole seconds: of the same one nobody has seen what was pushed.
                let asked = self.payload["comment"]["created_at"].as_str();
                asked
                    .and_then(|text| text.parse::<Timestamp>().ok())
                    .zip(pushed)
                    .is_some_and(|(asked, pushed)| pushed < asked)
            }
        };
        if was_seen {
            return Ok(Settled::Commit(ready.head));
        }
        let why = format!(
            "commit {} was not there yet, as far as GitHub tells, when the comment was written",
            ready.head
        );
        let hint = format!("look at it, and write the comment again, or with `--ref {}`", ready.head);
        Err(refusal("pushed-since", &why, &hint))
    }
}

fn absent(what: &str) -> Error {
    refusal("no-such-ref", &format!("the repository has no {what}"), "name a branch, a tag or a whole commit")
}
