//! The testbed's parts, each seen to be the real one by something that a fake could not do.
//!
//! They need a testbed that runs (`make testbed-up`; `make test` sees to it) and the tier `testbed`.

mod act;
pub mod action;
mod apply;
mod build;
mod buildah;
mod builds;
pub mod checkout;
mod cluster;
mod docker;
mod faults;
mod gateway;
mod gha_cache;
mod journal;
pub mod kube;
mod large;
mod lint;
mod mariadb;
mod meter;
mod migrate;
mod own;
mod preflight;
mod preview_database;
mod promql;
mod push;
mod refusals;
mod registry;
mod rights;
mod services;
mod simulated;
mod traffic;

use std::process::{Command, Output};

use testbed::{Bed, Home, Part, Request};

use crate::tiers::wanted;

/// The testbed with these parts up; nothing when its tier is not wanted.
pub async fn bed(test: &str, parts: &[Part]) -> Option<Bed> {
    if !wanted("testbed", test) {
        return None;
    }
    let bed = Bed::at(Home::of_user().unwrap());
    bed.ask(Request::Up(parts.to_vec()), &|_| ()).await.unwrap_or_else(|error| panic!("{error}"));
    Some(bed)
}

/// Runs a command and gives its output, which must be that of a success.
pub fn run(command: &mut Command) -> String {
    let output = tried(command);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{said}{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a command, however it ends.
pub fn tried(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"))
}
