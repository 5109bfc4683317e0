//! The `tidegate` command.

use std::process::ExitCode;

use clap::Parser;
use tidegate::sample::app::{AppOptions, serve};

#[derive(Parser)]
enum Command {
    #[command(hide = true)]
    SampleApp(AppOptions),
}

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let Command::SampleApp(options) = Command::parse();
    let ended = tokio::runtime::Runtime::new().map(|runtime| runtime.block_on(serve(options)));
    match ended {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            tracing::error!(%error);
            ExitCode::from(error.exit_code())
        }
        Err(error) => {
            tracing::error!(%error, "no runtime");
            ExitCode::FAILURE
        }
    }
}
