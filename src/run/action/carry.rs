//! An intent carried out by the stages that the command line has, too.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::bounds;
use super::checkout::{self, Server};
use super::console::Console;
use super::context::Context;
use super::inputs::Inputs;
use super::refusal;
use super::secrets::secrets_of;
use super::source::{Finder, Settled};
use crate::cli::{Common, EnvironmentArgs, LockArgs, ReleaseArgs, ReportArgs, RollbackArgs, UnlockArgs};
use crate::error::Error;
use crate::github::{Client, pulls};
use crate::run::answer::{IntentAnswer, NoteAnswer, PlanAnswer, RolloutAnswer, StatusAnswer};
use crate::run::place::{Place, beside};
use crate::run::reports::github::GitHub;
use crate::run::{close, deploy, image, inspect, plan, print, rollback, steer};
use crate::settings::{Settings, TargetSettings};
use crate::trigger::{COMMANDS, Deploy, Intent, Order};

/// What came of it.
pub(super) enum Done {
    /// A rollout, or the wish for one.
    Rollout(Box<RolloutAnswer>),
    /// A plan.
    Plan(Box<PlanAnswer>),
    /// What runs.
    Status(Box<StatusAnswer>),
    /// A word.
    Note(NoteAnswer),
    /// The intent itself: it is nothing, or it was only to be shown.
    Shown(IntentAnswer),
}

impl Done {
    /// What is told of it, and whether it came out as it was asked for.
    pub(super) fn told(&self) -> (String, bool) {
        match self {
            // One that waits for a person has come as far as it can by itself.
            Self::Rollout(answer) => (answer.sentence.clone(), matches!(answer.exit_code, 0 | 6)),
            Self::Plan(answer) => (answer.to_string(), true),
            Self::Status(answer) => (answer.to_string(), true),
            Self::Note(answer) => (answer.to_string(), true),
            Self::Shown(answer) => (answer.to_string(), true),
        }
    }

    /// Prints the answer.
    pub(super) fn print(&self, common: &Common) -> ExitCode {
        match self {
            Self::Rollout(answer) => print(common, answer.as_ref(), answer.exit_code),
            Self::Plan(answer) => print(common, answer.as_ref(), 0),
            Self::Status(answer) => print(common, answer.as_ref(), 0),
            Self::Note(answer) => print(common, answer, 0),
            Self::Shown(answer) => print(common, answer, 0),
        }
    }
}

/// With what an intent is carried out.
pub(super) struct Work<'a> {
    pub(super) common: &'a Common,
    pub(super) inputs: &'a Inputs,
    pub(super) context: &'a Context,
    pub(super) settings: &'a Settings,
    /// By whom GitHub is asked; nothing where the step has no token.
    pub(super) client: Option<&'a Client>,
    /// The event's payload.
    pub(super) payload: &'a Value,
    /// For what must not be shown.
    pub(super) console: Mutex<&'a mut Console>,
}

impl Work<'_> {
    /// Carries an intent out. Whoever asked for it by a comment may.
    ///
    /// # Errors
    /// As the command that it stands for; and when it is refused.
    pub(super) async fn carry_out(&self, intent: Intent) -> Result<Done, Error> {
        let common = self.common;
        // GitHub hears of it by the step's own token.
        let reports = ReportArgs::default();
        Ok(match intent {
            Intent::Deploy(deploy) => self.roll_out(deploy).await?,
            Intent::Plan(deploy) => match self.settled(&deploy, true).await? {
                (_, Settled::Nothing(why)) => nothing(why),
                (common, _) => Done::Plan(Box::new(plan::show(&common, &self.release(deploy)).await?)),
            },
            Intent::Rollback { order, to } => {
                let environment = Some(order.environment.clone());
                let arguments = RollbackArgs { environment, to, force: false, reports: reports.clone() };
                let work = async |place| rollback::take_back(place, common, &arguments).await;
                self.steered(&order, work).await?
            }
            Intent::Promote(order) => {
                let work = async |place| {
                    steer::promote_at(place, common, &reports, false, order.reason.clone()).await
                };
                self.steered(&order, work).await?
            }
            Intent::Abort(order) => {
                let work = async |place| steer::abort_at(place, common, &reports, order.reason.clone()).await;
                self.steered(&order, work).await?
            }
            Intent::Resume(order) => {
                let work = async |place| steer::take_up(place, common, &reports).await;
                self.steered(&order, work).await?
            }
            Intent::Status(order) => Done::Status(Box::new(inspect::status(common, &named(order)).await?)),
            Intent::Lock(order) => {
                let reason = order.reason.unwrap_or_else(|| "no reason was given".to_owned());
                let environment = Some(order.environment);
                Done::Note(close::lock(common, &LockArgs { environment, reason }).await?)
            }
            Intent::Unlock(order) => {
                let arguments = UnlockArgs { environment: Some(order.environment), force: false };
                Done::Note(close::unlock(common, &arguments).await?)
            }
            Intent::Help { .. } => Done::Note(NoteAnswer { sentence: help(), findings: Vec::new() }),
            Intent::PreviewUp(wanted) => self.preview_up(wanted).await?,
            Intent::PreviewDown { pull, why, is_by_rule, asked } => {
                self.preview_down(pull, &why, is_by_rule, asked.as_ref()).await?
            }
            Intent::PreviewExtend { pull, seconds, .. } => self.preview_extend(pull, seconds).await?,
            Intent::Sweep => self.sweep().await?,
            Intent::Refused { code, why, hint, .. } => return Err(refusal(code, &why, &hint)),
            Intent::Nothing { why } => nothing(why),
        })
    }

    /// Ends in every environment what a dead run left, each as it was under way, and sweeps the previews. One that fails keeps no other from
    /// being looked at.
    async fn sweep(&self) -> Result<Done, Error> {
        let (mut told, mut failure) = (Vec::new(), None);
        for environment in &self.settings.environments {
            match steer::end_left(self.common, &environment.name).await {
                Ok(Some(answer)) => told.push(format!("{}: {}", environment.name, answer.sentence)),
                Ok(None) => told.push(format!("{}: nothing is left", environment.name)),
                Err(error) => failure = Some(error),
            }
        }
        if self.settings.preview.is_some() {
            match Box::pin(self.sweep_previews()).await {
                Ok(lines) => told.extend(lines),
                Err(error) => failure = Some(error),
            }
        }
        match failure {
            Some(error) => Err(error),
            None => Ok(Done::Note(NoteAnswer { sentence: told.join("\n"), findings: Vec::new() })),
        }
    }

    /// Has the runner hide these.
    pub(super) fn mask(&self, secrets: &BTreeSet<String>) {
        self.console.lock().unwrap_or_else(PoisonError::into_inner).mask(secrets);
    }

    fn release(&self, deploy: Deploy) -> ReleaseArgs {
        let image = self.inputs.image.clone();
        ReleaseArgs { environment: Some(deploy.environment), version: deploy.version, image }
    }

    async fn roll_out(&self, deploy: Deploy) -> Result<Done, Error> {
        let (common, settled) = self.settled(&deploy, false).await?;
        let commit = match settled {
            Settled::Nothing(why) => return Ok(nothing(why)),
            Settled::Commit(commit) => Some(commit),
            // The workflow runs for it, or for what GitHub has merged it into.
            Settled::Here | Settled::Checked(_) => None,
        };
        let wanted = self.release(deploy);
        let environment = wanted.environment.clone().unwrap_or_default();
        let reports = ReportArgs::default();
        let work = async |mut place: Place| {
            let mut wanted = wanted;
            if wanted.image.is_none() {
                wanted.image = image::for_deploy(&mut place, wanted.version.as_deref()).await?;
            }
            let asked = wanted.asked();
            deploy::roll_out(place, &common, asked, self.inputs.if_busy, &reports, Vec::new()).await
        };
        self.told(&common, &environment, commit.as_deref(), work).await
    }

    /// What is to be deployed, and the options with which it is: where it is not checked out, it is laid out beside.
    async fn settled(&self, deploy: &Deploy, is_plan: bool) -> Result<(Common, Settled), Error> {
        let environment = self.settings.environment(&deploy.environment).map_err(|error| {
            refusal("unknown-environment", &error.to_string(), "name one that the configuration has")
        })?;
        let finder = Finder { client: self.client, environment, is_plan, payload: self.payload };
        let settled = finder.find(deploy).await?;
        let common = match &settled {
            Settled::Here | Settled::Nothing(_) => self.common.clone(),
            Settled::Checked(commit) => {
                checkout::check(&beside(&self.settings.file), commit).await?;
                self.common.clone()
            }
            Settled::Commit(commit) => {
                let is_run_there = matches!(environment.target, TargetSettings::Local(_));
                let access = self.client.map(Client::access);
                let server =
                    access.map(|access| Server { address: &self.context.server, token: &access.token });
                let moved =
                    checkout::at(self.common, &self.settings.file, commit, server, is_run_there).await?;
                let its = bounds::demand(self.settings, environment, &moved, commit)?;
                // It may take other variables as secrets than what is checked out.
                self.mask(&secrets_of(&its));
                moved
            }
        };
        Ok((common, settled))
    }

    /// Steers what runs there. GitHub hears of it at the last commit of the pull request that it was asked for at.
    async fn steered(
        &self,
        order: &Order,
        work: impl AsyncFnOnce(Place) -> Result<RolloutAnswer, Error>,
    ) -> Result<Done, Error> {
        let commit = match (&order.asked, self.client) {
            (Some(asked), Some(client)) => pulls::head(client, asked.pull).await.ok(),
            _ => None,
        };
        self.told(self.common, &order.environment, commit.as_deref(), work).await
    }

    async fn told(
        &self,
        common: &Common,
        environment: &str,
        commit: Option<&str>,
        work: impl AsyncFnOnce(Place) -> Result<RolloutAnswer, Error>,
    ) -> Result<Done, Error> {
        let answer = self.answered(common, environment, commit, work).await?;
        Ok(Done::Rollout(Box::new(answer)))
    }

    /// Does the work on an environment, and has the `post` of this step know of it, and GitHub.
    pub(super) async fn answered(
        &self,
        common: &Common,
        environment: &str,
        commit: Option<&str>,
        work: impl AsyncFnOnce(Place) -> Result<RolloutAnswer, Error>,
    ) -> Result<RolloutAnswer, Error> {
        // Only now: of what was refused before there is nothing that the post could finish.
        self.context.begins(environment);
        if let Some(commit) = commit {
            self.context.begins_at(commit);
        }
        heard(common, self.context, environment, commit, work).await
    }
}

pub(super) fn nothing(why: String) -> Done {
    Done::Shown(IntentAnswer::shown(Intent::Nothing { why }))
}

/// Does the work on an environment; GitHub hears of its rollouts where the step has a token to tell it with, at `commit` where that is
/// another one than the workflow's.
pub(super) async fn heard(
    common: &Common,
    context: &Context,
    environment: &str,
    commit: Option<&str>,
    work: impl AsyncFnOnce(Place) -> Result<RolloutAnswer, Error>,
) -> Result<RolloutAnswer, Error> {
    let mut place = Place::find(common, Some(environment)).await?;
    if !context.has_token {
        return work(place).await;
    }
    let github = GitHub::begin(&mut place, commit, context.is_post);
    let result = work(place).await;
    github.finish(&result).await;
    context.told();
    context.is_summarized.store(true, Ordering::Relaxed);
    result
}

fn named(order: Order) -> EnvironmentArgs {
    EnvironmentArgs { environment: Some(order.environment) }
}

fn help() -> String {
    let lines = COMMANDS.iter().map(|(_, usage)| format!("  {usage}"));
    format!("comments at pull requests know these commands:\n{}", lines.collect::<Vec<_>>().join("\n"))
}
