//! An intent carried out by the stages that the command line has, too.

use std::process::ExitCode;
use std::sync::atomic::Ordering;

use super::context::Context;
use super::inputs::Inputs;
use super::{refusal, source};
use crate::cli::{Common, EnvironmentArgs, LockArgs, ReleaseArgs, ReportArgs, RollbackArgs, UnlockArgs};
use crate::error::Error;
use crate::run::answer::{IntentAnswer, NoteAnswer, PlanAnswer, RolloutAnswer, StatusAnswer};
use crate::run::place::Place;
use crate::run::reports::github::GitHub;
use crate::run::{close, deploy, inspect, plan, print, rollback, steer};
use crate::settings::Settings;
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

/// Carries an intent out.
///
/// # Errors
/// As the command that it stands for; and when it is refused.
pub(super) async fn out(
    common: &Common,
    inputs: &Inputs,
    context: &Context,
    settings: &Settings,
    intent: Intent,
) -> Result<Done, Error> {
    if let Some(asked) = intent.asked() {
        // Whether somebody may is GitHub's to say, and this version does not ask: so nobody may.
        let why = format!(
            "what {} may in {} is not asked in this version of Tidegate",
            asked.by, context.repository
        );
        return Err(refusal("not-in-version", &why, "dispatch the workflow with the input `command`"));
    }
    let rollout = |answer| Done::Rollout(Box::new(answer));
    Ok(match intent {
        Intent::Deploy(deploy) => rollout(roll_out(common, inputs, context, deploy).await?),
        Intent::Plan(deploy) => {
            source::check(&deploy)?;
            Done::Plan(Box::new(plan::show(common, &release(deploy)).await?))
        }
        Intent::Rollback { order, to } => {
            let environment = order.environment.clone();
            let arguments =
                RollbackArgs { environment: Some(order.environment), to, reports: ReportArgs::default() };
            let work = async |place| rollback::take_back(place, common, &arguments).await;
            rollout(heard(common, context, &environment, work).await?)
        }
        Intent::Promote(order) => {
            let work = async |place| steer::promote_at(place, common, false, order.reason).await;
            rollout(heard(common, context, &order.environment, work).await?)
        }
        Intent::Abort(order) => {
            let work = async |place| steer::abort_at(place, common, order.reason).await;
            rollout(heard(common, context, &order.environment, work).await?)
        }
        Intent::Resume(order) => {
            let work = async |place| steer::take_up(place, common).await;
            rollout(heard(common, context, &order.environment, work).await?)
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
        Intent::Sweep => sweep(common, settings).await?,
        Intent::Refused { code, why, hint, .. } => return Err(refusal(code, &why, &hint)),
        nothing @ Intent::Nothing { .. } => Done::Shown(IntentAnswer::shown(nothing)),
    })
}

async fn roll_out(
    common: &Common,
    inputs: &Inputs,
    context: &Context,
    deploy: Deploy,
) -> Result<RolloutAnswer, Error> {
    source::check(&deploy)?;
    let wanted = release(deploy);
    let environment = wanted.environment.clone().unwrap_or_default();
    let reports = ReportArgs::default();
    let work = async |place| {
        let asked = wanted.asked();
        deploy::roll_out(place, common, asked, inputs.if_busy, &reports, Vec::new()).await
    };
    heard(common, context, &environment, work).await
}

/// Does the work on an environment; GitHub hears of its rollouts where the step has a token to tell it with.
async fn heard(
    common: &Common,
    context: &Context,
    environment: &str,
    work: impl AsyncFnOnce(Place) -> Result<RolloutAnswer, Error>,
) -> Result<RolloutAnswer, Error> {
    let mut place = Place::find(common, Some(environment)).await?;
    if !context.has_token {
        return work(place).await;
    }
    let github = GitHub::begin(&mut place);
    let result = work(place).await;
    github.finish(&result).await;
    context.is_summarized.store(true, Ordering::Relaxed);
    result
}

fn release(deploy: Deploy) -> ReleaseArgs {
    ReleaseArgs { environment: Some(deploy.environment), version: deploy.version, image: None }
}

fn named(order: Order) -> EnvironmentArgs {
    EnvironmentArgs { environment: Some(order.environment) }
}

fn help() -> String {
    let lines = COMMANDS.iter().map(|(_, usage)| format!("  {usage}"));
    format!("comments at pull requests know these commands:\n{}", lines.collect::<Vec<_>>().join("\n"))
}

/// Ends in every environment what a dead run left, each as it was under way. One that fails keeps no other from being looked at.
async fn sweep(common: &Common, settings: &Settings) -> Result<Done, Error> {
    let (mut told, mut failure) = (Vec::new(), None);
    for environment in &settings.environments {
        match steer::end_left(common, &environment.name).await {
            Ok(Some(answer)) => told.push(format!("{}: {}", environment.name, answer.sentence)),
            Ok(None) => told.push(format!("{}: nothing is left", environment.name)),
            Err(error) => failure = Some(error),
        }
    }
    match failure {
        Some(error) => Err(error),
        None => Ok(Done::Note(NoteAnswer { sentence: told.join("\n"), findings: Vec::new() })),
    }
}
