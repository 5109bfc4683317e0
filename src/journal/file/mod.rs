//! The journal as files: one a rollout, one line an event.
//!
//! ```text
//! <directory>/rollouts/20261121T101500123-7f3a.jsonl   a header line, then a line an event
//! <directory>/requests/<id>.json                       what people asked for
//! <directory>/lock                                     who works on the environment (see `lock`)
//! <directory>/hold.json                                who closed it by hand (see `hold`)
//! ```
//! A file appears whole (written aside, synced, renamed) with its header and first event; every later line is appended and
//! synced. Each line carries a digest that is chained to the line before. A last line without its end is a write that a
//! crash cut off: it never counted, and the next append removes it. Any other damage is refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::rollout::event::Asked;
use crate::rollout::{Event, RolloutId};

use super::{Journal, JournalError, LockProof};

pub mod hold;
mod lines;
pub mod lock;
mod store;

use lines::Lines;
pub use store::{create_private_dir, problem, write_atomically};

/// The journal of one environment in a directory.
#[derive(Debug)]
pub struct FileJournal {
    directory: PathBuf,
    writing: Mutex<Option<(RolloutId, Lines)>>,
}

impl FileJournal {
    /// The journal in `directory`, which is created, readable by its owner only, when it is not there.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn open(directory: &Path) -> Result<Self, JournalError> {
        for part in ["rollouts", "requests"] {
            create_private_dir(&directory.join(part))?;
        }
        Ok(Self { directory: directory.to_owned(), writing: Mutex::new(None) })
    }

    /// The journal in `directory` if there is one.
    #[must_use]
    pub fn existing(directory: &Path) -> Option<Self> {
        let there = directory.join("rollouts").is_dir();
        there.then(|| Self { directory: directory.to_owned(), writing: Mutex::new(None) })
    }

    /// The directory that it lives in.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn rollout_files(&self) -> Result<Vec<PathBuf>, JournalError> {
        let directory = self.directory.join("rollouts");
        let entries = fs::read_dir(&directory).map_err(|error| problem("read", &directory, &error))?;
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| problem("read", &directory, &error))?.path();
            if path.extension().is_some_and(|extension| extension == "jsonl") {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }

    /// All histories, oldest first.
    ///
    /// # Errors
    /// When a file is damaged, of a newer format, or cannot be read.
    pub fn read(&self) -> Result<Vec<Vec<Event>>, JournalError> {
        self.rollout_files()?.iter().map(|path| Ok(lines::read(path)?.events)).collect()
    }

    fn write(&self, event: &Event) -> Result<(), JournalError> {
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((rollout, lines)) = writing.as_mut()
            && *rollout == event.rollout
        {
            return lines.append(event);
        }
        let path = self.directory.join("rollouts").join(format!("{}.jsonl", event.rollout));
        let lines = if path.exists() {
            let mut lines = Lines::resume(&path)?;
            lines.append(event)?;
            lines
        } else {
            Lines::create(&path, event)?
        };
        *writing = Some((event.rollout.clone(), lines));
        Ok(())
    }

    /// Removes the oldest rollouts until `keep` are left; those in `needed` (whose release may be wanted again) stay.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn prune(
        &self,
        _proof: &LockProof<'_>,
        keep: usize,
        needed: &[RolloutId],
    ) -> Result<usize, JournalError> {
        let files = self.rollout_files()?;
        let surplus = files.len().saturating_sub(keep.max(1));
        let mut removed = 0;
        for path in files.iter().take(surplus) {
            let is_needed = needed.iter().any(|id| path.file_stem().is_some_and(|stem| stem == id.as_str()));
            if !is_needed {
                fs::remove_file(path).map_err(|error| problem("remove", path, &error))?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    fn read_requests(&self) -> Result<Vec<Asked>, JournalError> {
        let directory = self.directory.join("requests");
        let mut paths: Vec<_> = match fs::read_dir(&directory) {
            Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(problem("read", &directory, &error)),
        };
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        paths.sort();
        // A request that cannot be read is left for a person; it must not stop the rollout.
        let parse = |path: &PathBuf| serde_json::from_slice(&fs::read(path).ok()?).ok();
        Ok(paths.iter().filter_map(parse).collect())
    }
}

impl Journal for FileJournal {
    async fn histories(&self) -> Result<Vec<Vec<Event>>, JournalError> {
        self.read()
    }

    async fn append(&self, _proof: &LockProof<'_>, event: &Event) -> Result<(), JournalError> {
        self.write(event)
    }

    async fn asked(&self) -> Result<Vec<Asked>, JournalError> {
        self.read_requests()
    }

    async fn ask(&self, asked: &Asked) -> Result<(), JournalError> {
        let text = serde_json::to_vec(asked).unwrap_or_default();
        write_atomically(&self.directory.join("requests").join(format!("{}.json", asked.id)), &text)
    }

    async fn answered(&self, _proof: &LockProof<'_>, id: &str) -> Result<(), JournalError> {
        let path = self.directory.join("requests").join(format!("{id}.json"));
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(problem("remove", &path, &error))
            }
            _ => Ok(()),
        }
    }
}
