//! What the figures were measured on.

use std::fs;
use std::process::Command;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Outcome;
use super::number::rounded;

/// One line about this machine and its programs.
pub(super) fn describe() -> Outcome<Value> {
    let cpu = fs::read_to_string("/proc/cpuinfo")?;
    let memory = fs::read_to_string("/proc/meminfo")?;
    let kib = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    Ok(json!({
        "measure": "machine",
        "date": Timestamp::now().strftime("%Y-%m-%d").to_string(),
        "cores": std::thread::available_parallelism()?,
        "memory_gib": kib.map(|kib| rounded(kib / 1024.0 / 1024.0, 1)),
        "virtual": cpu.contains("hypervisor"),
        "kernel": kernel.trim(),
        "rustc": first_line(Command::new("rustc").arg("--version")),
        "nginx": first_line(Command::new("nginx").arg("-v")),
        "wrk": first_line(Command::new("wrk").arg("-v")),
    }))
}

/// What a program says of itself; `None` where it is not installed.
fn first_line(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    // nginx and others say their version on standard error.
    let said = [output.stdout, output.stderr].concat();
    let line = String::from_utf8_lossy(&said).lines().next()?.trim().to_owned();
    Some(line)
}
