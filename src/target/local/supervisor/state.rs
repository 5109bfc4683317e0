//! What a supervisor must not forget, on disk. A file is written aside, brought to the disk and then renamed: at any instant
//! the old content or the new one is there, whole.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::rollout::{Release, ReleaseId, Weight};
use crate::target::TargetError;
use crate::target::local::control::{Settings, disk, failure};
use crate::target::local::paths::Paths;
use crate::target::local::process::ProcessId;

/// The format that this binary writes, and the newest that it reads.
const FORMAT: u32 = 1;

/// Everything but secrets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Durable {
    format: u32,
    /// The last generation that was given out.
    pub(crate) generation: u64,
    pub(crate) settings: Option<Settings>,
    /// Where requests are in fact taken; differs from the settings where they leave the port open.
    pub(crate) bound: Option<SocketAddr>,
    pub(crate) sets: Vec<SetRecord>,
    pub(crate) weights: BTreeMap<ReleaseId, Weight>,
    pub(crate) instances: Vec<InstanceRecord>,
    /// No instance runs until somebody asks for one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) asleep: bool,
}

/// One set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SetRecord {
    pub(crate) release: Release,
    pub(crate) desired: u32,
    pub(crate) retire_at: Option<Timestamp>,
    /// Grows with each set that came up from nothing: the highest is the newest.
    pub(crate) order: u64,
}

/// One instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct InstanceRecord {
    pub(crate) release: ReleaseId,
    pub(crate) number: u32,
    pub(crate) port: u16,
    pub(crate) restarts: u32,
    pub(crate) process: Option<ProcessId>,
    pub(crate) since: Option<Timestamp>,
    /// Where the log of the running process begins in its file.
    pub(crate) log_start: u64,
    pub(crate) ready: bool,
    pub(crate) was_ready: bool,
    pub(crate) draining: bool,
}

/// Values of secrets by release and name.
pub(crate) type Secrets = BTreeMap<ReleaseId, BTreeMap<String, String>>;

impl Default for Durable {
    fn default() -> Self {
        Self {
            format: FORMAT,
            generation: 0,
            settings: None,
            bound: None,
            sets: Vec::new(),
            weights: BTreeMap::new(),
            instances: Vec::new(),
            asleep: false,
        }
    }
}

impl Durable {
    /// Reads the state; a directory without one is a new environment.
    ///
    /// # Errors
    /// `state-corrupt` and `state-newer`. The file is left as it is.
    pub(crate) fn load(paths: &Paths) -> Result<Self, TargetError> {
        let path = paths.state();
        let Some(bytes) = read(&path)? else { return Ok(Self::default()) };
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let corrupt = |e: serde_json::Error| {
            failure(
                "state-corrupt",
                format!(
                    "{} is damaged: {e}; nothing was started and the file was left as it is",
                    path.display()
                ),
                "restore the file from a backup, or stop what still runs by hand and remove the file",
            )
        };
        let head: Head = serde_json::from_slice(&bytes).map_err(corrupt)?;
        if head.format > FORMAT {
            return Err(failure(
                "state-newer",
                format!(
                    "{} was written by a newer tidegate (format {}; this one reads up to {FORMAT})",
                    path.display(),
                    head.format
                ),
                "use that version or a newer one",
            ));
        }
        serde_json::from_slice(&bytes).map_err(corrupt)
    }

    /// Writes the state.
    ///
    /// # Errors
    /// `disk-full`, `not-writable`; then the old content is still there.
    pub(crate) fn save(&self, paths: &Paths) -> Result<(), TargetError> {
        write(&paths.state(), self)
    }
}

/// Reads the secrets.
pub(crate) fn load_secrets(paths: &Paths) -> Result<Secrets, TargetError> {
    let path = paths.secrets();
    let Some(bytes) = read(&path)? else { return Ok(Secrets::new()) };
    // The parser's message may quote what it read; only the place is told.
    serde_json::from_slice(&bytes).map_err(|e| {
        failure(
            "state-corrupt",
            format!("{} is damaged at line {} column {}", path.display(), e.line(), e.column()),
            "remove the file and deploy again",
        )
    })
}

/// Writes the secrets, readable to the owner only.
pub(crate) fn save_secrets(paths: &Paths, secrets: &Secrets) -> Result<(), TargetError> {
    write(&paths.secrets(), secrets)
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, TargetError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(disk(&format!("read {}", path.display()), &e)),
    }
}

fn write(path: &Path, content: &impl Serialize) -> Result<(), TargetError> {
    let result = serde_json::to_vec(content).map_err(io::Error::from).and_then(|bytes| replace(path, &bytes));
    result.map_err(|e| disk(&format!("write {}", path.display()), &e))
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("json.new");
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&draft, path)
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&draft);
    }
    written?;
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    fn place() -> (tempfile::TempDir, Paths) {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path());
        (dir, paths)
    }

    #[test]
    fn what_was_written_is_read() {
        let (_dir, paths) = place();
        assert_eq!(Durable::load(&paths).unwrap(), Durable::default());
        let state = Durable {
            generation: 7,
            weights: BTreeMap::from([(ReleaseId::new("a"), Weight::FULL)]),
            ..Durable::default()
        };
        state.save(&paths).unwrap();
        assert_eq!(Durable::load(&paths).unwrap(), state);
    }

    #[test]
    fn a_damaged_or_newer_file_is_refused_and_left() {
        let (_dir, paths) = place();
        for (text, code) in [
            ("{\"format\":1,\"gener", "state-corrupt"),
            ("", "state-corrupt"),
            ("{\"format\":99,\"whatever\":true}", "state-newer"),
        ] {
            std::fs::write(paths.state(), text).unwrap();
            assert_eq!(Durable::load(&paths).unwrap_err().code, code);
            assert_eq!(std::fs::read_to_string(paths.state()).unwrap(), text);
        }
    }

    #[test]
    fn secrets_are_for_the_owner_and_errors_do_not_quote_them() {
        let (_dir, paths) = place();
        let secrets =
            Secrets::from([(ReleaseId::new("a"), BTreeMap::from([("T".to_owned(), "hush".to_owned())]))]);
        save_secrets(&paths, &secrets).unwrap();
        assert_eq!(std::fs::metadata(paths.secrets()).unwrap().mode() & 0o777, 0o600);
        assert_eq!(load_secrets(&paths).unwrap(), secrets);
        std::fs::write(paths.secrets(), "{\"a\": \"hush\"}").unwrap();
        assert!(!load_secrets(&paths).unwrap_err().sentence.contains("hush"));
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_state() {
        let (dir, paths) = place();
        Durable::default().save(&paths).unwrap();
        // The place of the draft is blocked, whoever runs the test.
        std::fs::create_dir(dir.path().join("supervisor.json.new")).unwrap();
        let newer = Durable { generation: 9, ..Durable::default() };
        assert_eq!(newer.save(&paths).unwrap_err().code, "not-writable");
        assert_eq!(Durable::load(&paths).unwrap().generation, 0);
    }
}
