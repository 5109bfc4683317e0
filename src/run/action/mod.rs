//! `run`: what the action runs. The event of the workflow, or an input, says what is to be done; the same stages as everywhere
//! do it; the runner hears of it in outputs, a summary and annotations.
//!
//! ```text
//! GITHUB_* + INPUT_* → Intent → deploy | rollback | promote | … → answer → outputs, summary, annotations
//! ```
//! What the runner is told is a report: where it cannot be written, that is a warning, and nothing else changes.

mod asked;
mod bounds;
mod carry;
mod checkout;
mod console;
mod context;
mod inputs;
mod outputs;
mod post;
mod previews;
mod secrets;
mod source;
mod written;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::process::ExitCode;
use std::sync::Mutex;

use serde_json::Value;

use super::answer::{ErrorAnswer, IntentAnswer};
use super::place;
use super::places::of_diagnostics;
use crate::cli::{Common, RunArgs};
use crate::error::{Error, ErrorKind};
use crate::trigger::{self, Intent, Occasion};

use asked::Asker;
pub(super) use asked::unsaid;
use carry::{Done, Work};
use console::Console;
pub(super) use console::hide;
use context::Context;
use inputs::Inputs;

/// Does what the event or the inputs ask for, and tells the runner.
///
/// # Errors
/// As the command that the intent stands for.
pub async fn run(common: &Common, arguments: &RunArgs) -> Result<ExitCode, Error> {
    go_with_the_step();
    let mut console = Console::of_process();
    let context = Context { is_post: arguments.post, ..Context::of_process() };
    let result = Box::pin(told(common, arguments, &context, &mut console)).await;
    let code = match &result {
        Ok((done, common)) => {
            // A `post` that had nothing to do has nothing to tell.
            if !arguments.post || matches!(done, Done::Rollout(_)) {
                outputs::write(&context, done, common).await;
            }
            console.tell_done(done);
            done.print(common)
        }
        Err(error) => {
            outputs::write_error(&context, &ErrorAnswer::new(error));
            let has_lines = context.refuse(error).await;
            console.tell_error(error, has_lines);
            super::refuse(common, error)
        }
    };
    console.end();
    Ok(code)
}

async fn told(
    common: &Common,
    arguments: &RunArgs,
    context: &Context,
    console: &mut Console,
) -> Result<(Done, Common), Error> {
    // Before anything else is printed.
    console.begin(&context.secrets());
    let inputs = Inputs::read(arguments)?;
    let common = inputs.common(common, context)?;
    let settings = match place::read(&common)? {
        Ok(settings) => settings,
        Err(error) => return Err(inputs.fault(&error)),
    };
    console.mask(&secrets::secrets_of(&settings));
    console.annotate(&of_diagnostics(&settings.warnings));
    if arguments.post {
        return Ok((post::finish(&common, context).await?, common));
    }
    let payload = context.payload()?;
    let intent = intent(context, &payload, &inputs, &settings);
    tracing::debug!("the event `{}` asks for {intent:?}", context.event);
    if inputs.is_dry {
        return Ok((Done::Shown(IntentAnswer::shown(intent)), common));
    }
    let client = context.client().map_err(unsaid)?;
    let run = context.run(&payload);
    let asker = match intent.asked().cloned() {
        Some(asked) => {
            Some(Asker::new(client.as_ref().ok_or_else(no_token)?, asked, &payload, run.as_deref()))
        }
        None => None,
    };
    if let Some(asker) = &asker {
        asker.admit().await?;
    }
    let work = Work {
        common: &common,
        inputs: &inputs,
        context,
        settings: &settings,
        client: client.as_ref(),
        payload: &payload,
        console: Mutex::new(console),
    };
    let result = work.carry_out(intent).await;
    if let Some(asker) = &asker {
        let (text, is_well) = match &result {
            Ok(done) => done.told(),
            Err(error) => (ErrorAnswer::new(error).to_string(), false),
        };
        asker.answer(&text, is_well).await;
    }
    let done = result?;
    context.ended();
    Ok((done, common))
}

fn no_token() -> Error {
    let why =
        "whether somebody may give commands has to be asked of GitHub, and the step has no token for that";
    refusal("no-token", why, "give it `github-token`, or the variable GITHUB_TOKEN")
}

fn intent(
    context: &Context,
    payload: &Value,
    inputs: &Inputs,
    settings: &crate::settings::Settings,
) -> Intent {
    let occasion = Occasion {
        name: &context.event,
        reference: &context.reference,
        sha: &context.sha,
        actor: &context.actor,
        payload,
        wish: &inputs.wish,
        previews: settings.preview.as_ref().map(|preview| &preview.on),
    };
    trigger::intent(&occasion, &settings.environments)
}

/// Has the system tell this process to stop when the step's own dies: a runner that kills the step cannot know of this one.
fn go_with_the_step() {
    if std::env::var("GITHUB_ACTIONS").is_ok_and(|value| value == "true") {
        let asked = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM));
        if let Err(error) = asked {
            tracing::debug!("the end of the step will not be noticed: {error}");
        }
    }
}

/// What somebody asked for, and is not done.
fn refusal(code: &str, why: &str, hint: &str) -> Error {
    let kind = if matches!(code, "unknown-environment" | "which-environment" | "unknown-command") {
        ErrorKind::Usage
    } else {
        ErrorKind::Refused
    };
    Error::new(kind, code, why).hint(hint)
}

/// A word that nobody knows before: the library's hashes begin with random numbers of the system's.
fn salt() -> String {
    let random = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", random(), random())
}
