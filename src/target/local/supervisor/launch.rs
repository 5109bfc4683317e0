//! Starting the process of an instance.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::logs;
use crate::rollout::{ReleaseId, Trouble};
use crate::target::local::paths::Paths;
use crate::target::local::process::Process;
use crate::target::local::program::foreign;
use crate::target::local::proxy::InstanceKey;
use crate::target::local::spec::{EnvValue, LaunchSpec};

/// Variables that instances get from the supervisor's own environment; nothing else of it reaches them.
pub(crate) const INHERITED: [&str; 6] = ["PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR"];

/// "Exec format error"; it has no `ErrorKind` of its own.
const ENOEXEC: i32 = 8;

/// Everything that the instances of one release have in common. Not printable: it holds secrets.
pub(crate) struct Recipe {
    pub(crate) release: ReleaseId,
    pub(crate) app: String,
    pub(crate) version: String,
    pub(crate) spec: LaunchSpec,
    pub(crate) secrets: BTreeMap<String, String>,
    pub(crate) paths: Paths,
}

impl Recipe {
    /// The log file of instance `number`.
    pub(crate) fn log(&self, number: u32) -> PathBuf {
        self.paths.logs().join(format!("{}-{number}.log", self.release))
    }

    /// The name of one process of instance `number` in the router.
    pub(crate) fn key(&self, number: u32, restarts: u32) -> InstanceKey {
        InstanceKey::new(format!("{}-{number}.{restarts}", self.release))
    }

    /// Values that must not be shown.
    pub(crate) fn hidden(&self) -> Vec<String> {
        self.secrets.values().cloned().collect()
    }

    fn program(&self) -> PathBuf {
        match &self.spec.program {
            Some(digest) => self.paths.program(digest),
            None => {
                let name = self.spec.command.first().map(String::as_str).unwrap_or_default();
                if name.contains('/') { self.spec.directory.join(name) } else { PathBuf::from(name) }
            }
        }
    }

    fn variables(&self, key: &str, port: u16) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for name in INHERITED {
            if let Ok(value) = std::env::var(name) {
                all.insert(name.to_owned(), value);
            }
        }
        for (name, value) in &self.spec.env {
            let value = match value {
                EnvValue::Literal(text) => Some(text.clone()),
                EnvValue::FromEnvironment(source) => self.secrets.get(source).cloned(),
            };
            all.extend(value.map(|v| (name.clone(), v)));
        }
        let environment = self.paths.root.file_name().map(|n| n.to_string_lossy().into_owned());
        all.insert("PORT".to_owned(), port.to_string());
        all.insert("TIDEGATE_VERSION".to_owned(), self.version.clone());
        all.insert("TIDEGATE_RELEASE".to_owned(), self.release.to_string());
        all.insert("TIDEGATE_APP".to_owned(), self.app.clone());
        all.insert("TIDEGATE_ENVIRONMENT".to_owned(), environment.unwrap_or_default());
        all.insert(INSTANCE.to_owned(), key.to_owned());
        all.insert(MARK.to_owned(), self.paths.root.to_string_lossy().into_owned());
        all
    }

    /// Starts a process that is to listen on `port` and writes to its own log, in a group of its own.
    pub(crate) async fn start(&self, number: u32, restarts: u32, port: u16) -> io::Result<(Process, u64)> {
        let key = self.key(number, restarts);
        if foreign(&self.program()) {
            return Err(io::Error::from_raw_os_error(ENOEXEC));
        }
        let log = logs::open(&self.log(number))?;
        let begin = log.metadata()?.len();
        let mut tries = 0;
        loop {
            let mut command = Command::new(self.program());
            if let Some((name, arguments)) = self.spec.command.split_first() {
                command.arg0(name).args(arguments);
            }
            command
                .current_dir(&self.spec.directory)
                .env_clear()
                .envs(self.variables(key.as_str(), port))
                .stdin(Stdio::null())
                .stdout(log.try_clone()?)
                .stderr(log.try_clone()?)
                .process_group(0)
                .kill_on_drop(false);
            match command.spawn() {
                Ok(child) => return Ok((Process::child(child)?, begin)),
                // A copy that was just written may for a moment be open in a child that is being started.
                Err(e) if e.kind() == io::ErrorKind::ExecutableFileBusy && tries < 10 => tries += 1,
                Err(e) => return Err(e),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What a start that failed means.
    pub(crate) fn start_trouble(&self, who: &str, error: &io::Error) -> Trouble {
        let shown = self.spec.command.first().map(String::as_str).unwrap_or_default();
        let directory = self.spec.directory.display();
        let (code, why) = match error.kind() {
            io::ErrorKind::NotFound if !Path::new(&self.spec.directory).is_dir() => {
                ("no-program", format!("its working directory {directory} does not exist"))
            }
            io::ErrorKind::NotFound => (
                "no-program",
                format!("{shown} (in {directory}), or the interpreter that it names, does not exist"),
            ),
            io::ErrorKind::PermissionDenied => ("not-executable", format!("{shown} may not be executed")),
            _ if error.raw_os_error() == Some(ENOEXEC) => {
                ("not-executable", format!("{shown} is not a program for this machine (exec format error)"))
            }
            _ => ("exited", format!("{shown} cannot be started: {error}")),
        };
        Trouble {
            code: code.to_owned(),
            sentence: format!("{who} cannot start: {why}"),
            fatal: code != "exited",
            log_tail: Vec::new(),
        }
    }
}

/// Marks the processes of an environment: the path of its state directory.
pub(crate) const MARK: &str = "TIDEGATE_STATE";

/// Marks the processes of one instance: its name in the router.
pub(crate) const INSTANCE: &str = "TIDEGATE_INSTANCE";

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(dir: &Path, command: &[&str]) -> Recipe {
        let mut spec = LaunchSpec::new(command.iter().map(ToString::to_string).collect(), dir.to_owned());
        spec.env.insert("GREETING".into(), EnvValue::Literal("hello".into()));
        spec.env.insert("DB".into(), EnvValue::FromEnvironment("DATABASE_URL".into()));
        std::fs::create_dir_all(dir.join("logs")).unwrap();
        Recipe {
            release: ReleaseId::new("abc"),
            app: "shop".into(),
            version: "v1".into(),
            spec,
            secrets: BTreeMap::from([("DATABASE_URL".into(), "postgres://x".into())]),
            paths: Paths::new(dir),
        }
    }

    #[tokio::test]
    async fn an_instance_gets_the_declared_environment_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let recipe = recipe(dir.path(), &["env"]);
        let (mut process, begin) = recipe.start(1, 0, 20_000).await.unwrap();
        assert_eq!(begin, 0);
        process.ended().await;
        let log = std::fs::read_to_string(recipe.log(1)).unwrap();
        for line in ["GREETING=hello", "DB=postgres://x", "PORT=20000", "TIDEGATE_VERSION=v1"] {
            assert!(log.lines().any(|l| l == line), "{line} in {log}");
        }
        assert!(!log.contains("CARGO"), "{log}");
    }

    #[tokio::test]
    async fn a_start_that_fails_is_told_by_its_cause() {
        let dir = tempfile::tempdir().unwrap();
        let none = recipe(dir.path(), &["./none"]);
        let error = none.start(1, 0, 20_000).await.unwrap_err();
        let trouble = none.start_trouble("instance 1 of 2 (version v1)", &error);
        assert_eq!((trouble.code.as_str(), trouble.fatal), ("no-program", true));
        assert!(trouble.sentence.contains("./none"), "{}", trouble.sentence);
        std::fs::write(dir.path().join("plain"), "x").unwrap();
        let plain = recipe(dir.path(), &["./plain"]);
        let error = plain.start(1, 0, 20_000).await.unwrap_err();
        assert_eq!(plain.start_trouble("i", &error).code, "not-executable");
    }
}
