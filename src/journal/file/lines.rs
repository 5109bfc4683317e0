//! One rollout's file: reading with every check, and appending.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::store::{problem, write_atomically};
use crate::journal::JournalError;
use crate::journal::format::{self, History};
use crate::rollout::Event;

/// A file that is being appended to.
#[derive(Debug)]
pub(super) struct Lines {
    path: PathBuf,
    file: File,
    chain: String,
    length: u64,
}

/// Reads a whole file and checks it.
pub(super) fn read(path: &Path) -> Result<History, JournalError> {
    let place = path.display().to_string();
    let text = fs::read_to_string(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => format::corrupt(&place, 1, "it is not text"),
        _ => problem("read", path, &error),
    })?;
    format::read(&place, &text)
}

impl Lines {
    /// A new file with its first event.
    pub(super) fn create(path: &Path, event: &Event) -> Result<Self, JournalError> {
        let (header, digest) = format::header("");
        let (first, digest) = format::line(&digest, event);
        let text = header + &first;
        write_atomically(path, text.as_bytes())?;
        Self::at(path, digest, text.len() as u64)
    }

    /// A file that is there: what a crash left of a last line is cut off.
    pub(super) fn resume(path: &Path) -> Result<Self, JournalError> {
        let read = read(path)?;
        let lines = Self::at(path, read.chain, read.whole as u64)?;
        lines.file.set_len(lines.length).map_err(|error| problem("write", path, &error))?;
        Ok(lines)
    }

    fn at(path: &Path, chain: String, length: u64) -> Result<Self, JournalError> {
        let file = File::options().write(true).open(path).map_err(|error| problem("write", path, &error))?;
        Ok(Self { path: path.to_owned(), file, chain, length })
    }

    /// Adds an event. A write that fails half way is taken back, so that the next one stands on whole lines.
    pub(super) fn append(&mut self, event: &Event) -> Result<(), JournalError> {
        let (text, digest) = format::line(&self.chain, event);
        let written = self
            .file
            .seek(SeekFrom::Start(self.length))
            .and_then(|_| self.file.write_all(text.as_bytes()))
            .and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // If even this fails, the rest stays as a line without its end, which the next reader ignores.
            let _ = self.file.set_len(self.length);
            return Err(problem("write", &self.path, &error));
        }
        self.length += text.len() as u64;
        self.chain = digest;
        Ok(())
    }
}
