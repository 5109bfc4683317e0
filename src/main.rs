//! The `tidegate` command.

use std::process::ExitCode;

use tidegate::target::local::{SuperviseOptions, standby, supervise};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let _ = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).try_init();
    let result = match words.as_slice() {
        ["local", "supervise", "--state", state] => {
            supervise(SuperviseOptions { state: state.into(), extra: None }).await
        }
        ["local", "standby", "--state", state] => {
            standby(SuperviseOptions { state: state.into(), extra: None }).await
        }
        _ => return ExitCode::from(2),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", error.sentence);
            ExitCode::FAILURE
        }
    }
}
