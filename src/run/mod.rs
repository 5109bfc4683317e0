//! The composition root: picks the adapters, calls the stages, prints the answer. The only part that sees all others.

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _, stderr, stdout};
use std::process::ExitCode;

use clap::Parser as _;
use serde::Serialize;
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command, Common, GateCheckArgs, GateCommand, LocalCommand, LogFormat, Output};
use crate::error::Error;

pub mod action;
pub mod answer;
pub mod busy;
pub mod check;
pub mod close;
pub mod demo;
pub mod deploy;
mod front;
mod gates;
pub mod ground;
pub mod image;
pub mod init;
pub mod inspect;
pub mod local;
mod migrations;
pub mod misuse;
pub mod place;
mod places;
pub mod plan;
pub mod policy;
pub mod preflight;
pub mod preview;
pub mod release;
pub mod reports;
pub mod rollback;
pub mod rules;
pub mod session;
pub mod signals;
pub mod simulate;
pub mod steer;
pub mod tidy;
pub mod validate;
pub mod watchdog;

use answer::ErrorAnswer;

/// Libraries that log each try of a call on its own. The calls are tried again, and what comes of it is told once, in our words.
const QUIET: &str = "kube_client=off,kube_runtime=off,rustls_platform_verifier=off";

/// Parses the command line of this process and runs its command.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => run(cli),
        Err(error) => misuse::answer(&error),
    }
}

/// Runs a command: the answer goes to standard output, progress and logs to standard error.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    start_logs(cli.common.log_format);
    let common = cli.common;
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let sentence = format!("the runtime cannot be started: {error}");
            return refuse(&common, &Error::new(crate::error::ErrorKind::Failed, "runtime", sentence));
        }
    };
    let result = runtime.block_on(Box::pin(dispatch(cli.command, &common)));
    runtime.shutdown_background();
    result.unwrap_or_else(|error| refuse(&common, &error))
}

async fn dispatch(command: Command, common: &Common) -> Result<ExitCode, Error> {
    let rollout = match command {
        Command::Deploy(arguments) => deploy::deploy(common, &arguments).await?,
        Command::Rollback(arguments) => rollback::rollback(common, &arguments).await?,
        Command::Resume(arguments) => steer::resume(common, &arguments).await?,
        Command::Abort(arguments) => steer::abort(common, &arguments).await?,
        Command::Promote(arguments) => steer::promote(common, &arguments).await?,
        Command::Pause(arguments) => steer::pause(common, &arguments).await?,
        Command::Run(arguments) => return Box::pin(action::run(common, &arguments)).await,
        other => return Box::pin(look(other, common)).await,
    };
    Ok(print(common, &rollout, rollout.exit_code))
}

/// The commands that are no rollout.
async fn look(command: Command, common: &Common) -> Result<ExitCode, Error> {
    Ok(match command {
        Command::Demo(arguments) => {
            let answer = demo::demo(common, &arguments).await?;
            let code = u8::from(!answer.is_as_promised());
            print(common, &answer, code)
        }
        Command::Init(arguments) => print(common, &init::init(common, &arguments)?, 0),
        Command::Validate => print(common, &validate::validate(common).await?, 0),
        Command::Plan(arguments) => print(common, &plan::show(common, &arguments).await?, 0),
        Command::Status(arguments) => print(common, &inspect::status(common, &arguments).await?, 0),
        Command::History(arguments) => print(common, &inspect::history(common, &arguments).await?, 0),
        Command::Lock(arguments) => print(common, &close::lock(common, &arguments).await?, 0),
        Command::Unlock(arguments) => print(common, &close::unlock(common, &arguments).await?, 0),
        Command::Gate(GateCommand::Check(GateCheckArgs { environment: Some(environment), .. })) => {
            let answer = check::environment(common, &environment).await?;
            let code = answer.exit_code;
            print(common, &answer, code)
        }
        Command::Gate(GateCommand::Check(arguments)) => {
            let answer = check::check(&arguments)?;
            let code = answer.exit_code;
            print(common, &answer, code)
        }
        Command::Gate(GateCommand::Simulate(arguments)) => print(common, &simulate::simulate(&arguments)?, 0),
        Command::Build(arguments) => print(common, &image::build::run(common, &arguments).await?, 0),
        Command::Image(command) => image::image(command, common).await?,
        Command::Local(LocalCommand::Status(arguments)) => {
            print(common, &local::status(common, &arguments).await?, 0)
        }
        Command::Local(LocalCommand::Stop(arguments)) => {
            print(common, &local::stop(common, &arguments).await?, 0)
        }
        Command::Local(LocalCommand::Supervise { state }) => local::supervise(&state).await?,
        Command::Local(LocalCommand::Standby { state }) => local::standby(&state).await?,
        Command::Preview(command) => preview::run(common, &command).await?,
        Command::Schema(arguments) => {
            let schema = init::schema(arguments.kind);
            let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
            write(&format!("{text}\n"));
            ExitCode::SUCCESS
        }
        Command::Front(arguments) => front::serve(&arguments).await?,
        Command::Watchdog(arguments) => match watchdog::watch(common, &arguments).await? {
            // A Job tries again what fails; that a release was taken back is no failure of the watchdog's.
            Some(answer) => print(common, &answer, if answer.exit_code == 5 { 5 } else { 0 }),
            None => ExitCode::SUCCESS,
        },
        Command::SampleApp(options) => local::sample_app(options).await,
        Command::Run(_)
        | Command::Deploy(_)
        | Command::Rollback(_)
        | Command::Resume(_)
        | Command::Abort(_)
        | Command::Promote(_)
        | Command::Pause(_) => ExitCode::SUCCESS,
    })
}

fn print<A: Serialize + Display>(common: &Common, answer: &A, code: u8) -> ExitCode {
    match common.output {
        Output::Text => write(&answer.to_string()),
        Output::Json => write(&format!("{}\n", serde_json::to_string_pretty(answer).unwrap_or_default())),
    }
    ExitCode::from(code)
}

fn refuse(common: &Common, error: &Error) -> ExitCode {
    let answer = ErrorAnswer::new(error);
    if common.output == Output::Json {
        write(&format!("{}\n", serde_json::to_string_pretty(&answer).unwrap_or_default()));
    } else {
        let _ = write!(stderr().lock(), "{answer}");
    }
    error.exit()
}

/// A reader that has closed its end has seen what it wanted.
fn write(text: &str) {
    let mut out = stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn start_logs(format: LogFormat) {
    let usual = if format == LogFormat::Json { "info" } else { "warn" };
    let usual = format!("{usual},{QUIET}");
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    match format {
        LogFormat::Json => logs.json().flatten_event(true).init(),
        LogFormat::Text => logs.with_target(false).with_ansi(stderr().is_terminal()).init(),
    }
}
