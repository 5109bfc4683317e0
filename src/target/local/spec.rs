//! How an instance is launched: what stands in [`crate::rollout::Release::spec`] for the local target.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::control::{disk, failure};

use crate::rollout::release::Artifact;
use crate::rollout::{Release, millis};
use crate::target::TargetError;

/// How instances of a release are launched and watched. Durations are whole milliseconds in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchSpec {
    /// The program and its arguments. A program with no slash is looked up in `PATH`.
    pub command: Vec<String>,
    /// The working directory, absolute.
    pub directory: PathBuf,
    /// Variables beside the standard ones.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, EnvValue>,
    /// How health is asked for; without it an open port is taken for health.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// Time between the request to stop (SIGTERM) and the end by force (SIGKILL).
    #[serde(with = "millis", default = "stop_grace")]
    pub stop_grace: Duration,
    /// How long requests in flight, and upgraded connections, may hold up a stop.
    #[serde(with = "millis", default = "drain")]
    pub drain: Duration,
    /// What is kept of what instances write.
    #[serde(default)]
    pub logs: Logs,
    /// The digest (64 hexadecimal digits) of the kept copy that runs in place of `command[0]`; see
    /// [`LaunchSpec::prepare`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
}

/// The value of a variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnvValue {
    /// The value itself.
    Literal(String),
    /// The name of a variable of the deploying command, whose value is a secret.
    FromEnvironment(String),
}

/// How health is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Path and query of a GET request; without it an open port is taken for health.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// An answer must be whole within this time.
    #[serde(with = "millis", default = "within")]
    pub within: Duration,
    /// Time between two checks of a ready instance; one that starts is asked more often.
    #[serde(with = "millis", default = "every")]
    pub every: Duration,
    /// A new instance that is not ready by then is in trouble.
    #[serde(with = "millis", default = "start_within")]
    pub start_within: Duration,
    /// Whether a version in the answer must be the release's.
    #[serde(default = "yes")]
    pub version: bool,
}

/// What is kept of what instances write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logs {
    /// A log file that exceeds this many bytes is set aside.
    pub max_size: u64,
    /// How many files set aside are kept for each instance.
    pub keep: u32,
}

const fn stop_grace() -> Duration {
    Duration::from_secs(10)
}
const fn drain() -> Duration {
    Duration::from_secs(30)
}
const fn within() -> Duration {
    Duration::from_secs(2)
}
const fn every() -> Duration {
    Duration::from_secs(1)
}
const fn start_within() -> Duration {
    Duration::from_secs(30)
}
const fn yes() -> bool {
    true
}

impl Default for Logs {
    fn default() -> Self {
        Self { max_size: 10 * 1024 * 1024, keep: 3 }
    }
}

impl Default for Health {
    fn default() -> Self {
        Self { path: None, within: within(), every: every(), start_within: start_within(), version: yes() }
    }
}

impl LaunchSpec {
    /// A spec with the default times.
    #[must_use]
    pub fn new(command: Vec<String>, directory: PathBuf) -> Self {
        Self {
            command,
            directory,
            env: BTreeMap::new(),
            health: None,
            stop_grace: stop_grace(),
            drain: drain(),
            logs: Logs::default(),
            program: None,
        }
    }

    /// Reads the spec of a release.
    ///
    /// # Errors
    /// `bad-spec` where the release was not made for the local target.
    pub fn of(release: &Release) -> Result<Self, TargetError> {
        let spec: Self = serde_json::from_value(release.spec.clone()).map_err(|e| {
            failure(
                "bad-spec",
                format!("release {} of {} cannot be launched here: {e}", release.version, release.app),
                "deploy it again with this version of tidegate",
            )
        })?;
        if spec.command.first().is_none_or(String::is_empty) {
            let sentence = format!("release {} of {} names no command", release.version, release.app);
            return Err(failure("bad-spec", sentence, "give `command` at least the program"));
        }
        Ok(spec)
    }

    /// Checks that the program can run and, where it is a file given relative to `directory`, keeps a copy of it under its
    /// digest in `state`, so that a rebuilt program does not change a release that exists. Blocks on the disk.
    ///
    /// Gives the program as an artifact to put the release together with, and sets [`LaunchSpec::program`]. A program that
    /// is found in `PATH` or given by an absolute path belongs to the machine: it is not copied.
    ///
    /// # Errors
    /// `no-program`, `not-executable`, `disk-full` and `not-writable`.
    pub fn prepare(&mut self, state: &Path) -> Result<Vec<Artifact>, TargetError> {
        self.with_program(|program| super::program::snapshot(program, state))
    }

    /// As [`LaunchSpec::prepare`], but keeps nothing: gives the same artifact for the same bytes, and writes nowhere.
    ///
    /// # Errors
    /// `no-program`, `not-executable`, and what the disk says.
    pub fn inspect(&mut self) -> Result<Vec<Artifact>, TargetError> {
        self.with_program(|program| {
            let read = super::program::digest_file(program);
            read.map_err(|e| disk(&format!("read {}", program.display()), &e))
        })
    }

    fn with_program(
        &mut self,
        digest: impl FnOnce(&Path) -> Result<String, TargetError>,
    ) -> Result<Vec<Artifact>, TargetError> {
        let Some(name) = self.command.first().cloned() else {
            return Err(failure(
                "no-program",
                "`command` is empty".to_owned(),
                "give it at least the program",
            ));
        };
        if !self.directory.is_dir() {
            let sentence = format!("the working directory {} does not exist", self.directory.display());
            return Err(failure("no-program", sentence, "create it or correct the directory"));
        }
        let path = super::program::locate(&name, &self.directory)?;
        if !name.contains('/') || name.starts_with('/') {
            self.program = None;
            return Ok(Vec::new());
        }
        let digest = digest(&path)?;
        self.program = Some(digest.clone());
        Ok(vec![Artifact { name, digest: format!("sha256:{digest}") }])
    }

    /// The names of the variables that hold the secrets of this spec.
    #[must_use]
    pub fn secret_names(&self) -> BTreeSet<&str> {
        self.env
            .values()
            .filter_map(|value| match value {
                EnvValue::FromEnvironment(name) => Some(name.as_str()),
                EnvValue::Literal(_) => None,
            })
            .collect()
    }

    /// How health is asked for, the default where nothing is said.
    pub(crate) fn health(&self) -> Health {
        self.health.clone().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn to_inspect_gives_what_to_prepare_gives_and_writes_nothing() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let (program, state) = (dir.path().join("server"), dir.path().join("state"));
        std::fs::write(&program, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut seen = LaunchSpec::new(vec!["./server".into()], dir.path().to_owned());
        let mut kept = seen.clone();
        let artifacts = seen.inspect().unwrap();
        assert!(!state.exists());
        assert_eq!(artifacts, kept.prepare(&state).unwrap());
        assert_eq!(seen, kept);
        assert!(state.join("programs").join(seen.program.unwrap()).exists());
    }

    #[test]
    fn a_short_spec_gets_the_defaults() {
        let spec: LaunchSpec =
            serde_json::from_value(serde_json::json!({"command": ["./server"], "directory": "/srv",
                "env": {"A": {"literal": "1"}, "B": {"from-environment": "TOKEN"}},
                "health": {"path": "/health"}}))
            .unwrap();
        assert_eq!(spec.stop_grace, Duration::from_secs(10));
        assert_eq!(spec.health().every, Duration::from_secs(1));
        assert_eq!(spec.secret_names().into_iter().collect::<Vec<_>>(), ["TOKEN"]);
        let again: LaunchSpec = serde_json::from_value(serde_json::to_value(&spec).unwrap()).unwrap();
        assert_eq!(again, spec);
    }
}
