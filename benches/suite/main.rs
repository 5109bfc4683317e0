//! Measures the program from outside, as its users have it: a release binary, its command line, its answers in JSON.
//!
//! `suite PART…` measures `machine`, `program`, `demo`, `judge` and `takeover` and prints one JSON object a line; the variable
//! `TIDEGATE` names the binary. `suite --table FILE` prints the Markdown table of such lines. Without either it does nothing,
//! so that `cargo bench` and `cargo test` may run it. `make bench` does all of it.

mod demo;
mod judge;
mod machine;
mod number;
mod program;
mod table;
mod takeover;
mod trace;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use serde_json::Value;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "suite: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome<()> {
    // `cargo bench` adds `--bench` of its own.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["--table", file] = words.as_slice() {
        return table::print(Path::new(file));
    }
    for part in words {
        match part {
            "machine" => say(&machine::describe()?)?,
            "program" => program::measure(&binary()?)?,
            "demo" => demo::measure(&binary()?)?,
            "judge" => judge::measure(&binary()?)?,
            "takeover" => takeover::measure(&binary()?)?,
            other => {
                return Err(format!(
                    "there is no part {other}: name machine, program, demo, judge or takeover"
                )
                .into());
            }
        }
    }
    Ok(())
}

/// The binary that is measured.
fn binary() -> Outcome<PathBuf> {
    let path = std::env::var_os("TIDEGATE")
        .ok_or("the variable TIDEGATE is not set: set it to the path of the release binary to measure")?;
    Ok(std::path::absolute(PathBuf::from(path))?)
}

/// How often something is done: the variable of that name, else `otherwise`.
fn times(variable: &str, otherwise: usize) -> Outcome<usize> {
    match std::env::var(variable) {
        Ok(text) => {
            Ok(text.parse().map_err(|error| format!("{variable} is {text:?}, not a number: {error}"))?)
        }
        Err(_) => Ok(otherwise),
    }
}

/// Prints one result.
fn say(line: &Value) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{line}")
}

/// What a command answers in JSON. An exit code other than 0 is an error, with what it wrote to standard error.
fn answer(command: &mut Command) -> Outcome<(Value, String)> {
    let output = command.output().map_err(|error| format!("{command:?} cannot be started: {error}"))?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        return Err(format!("{command:?} ended with {}: {errors}", output.status).into());
    }
    let value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{command:?} did not answer in JSON: {error}"))?;
    Ok((value, errors))
}
