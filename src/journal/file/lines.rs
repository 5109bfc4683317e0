//! One rollout's file: reading with every check, and appending.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::store::{problem, write_atomically};
use crate::journal::JournalError;
use crate::rollout::Event;

/// The format that this version writes and reads.
const FORMAT: u32 = 1;
/// Hexadecimal digits of the chained digest at the head of each line.
const DIGEST: usize = 16;

#[derive(Serialize, Deserialize)]
struct Header {
    tidegate: String,
    format: u32,
}

/// What a file holds.
pub(super) struct Read {
    pub(super) events: Vec<Event>,
    /// Digest of the last whole line.
    chain: String,
    /// Length up to the end of the last whole line.
    whole: u64,
}

/// A file that is being appended to.
#[derive(Debug)]
pub(super) struct Lines {
    path: PathBuf,
    file: File,
    chain: String,
    length: u64,
}

/// Reads a whole file and checks it.
pub(super) fn read(path: &Path) -> Result<Read, JournalError> {
    let text = fs::read_to_string(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => corrupt(path, 1, "it is not text"),
        _ => problem("read", path, &error),
    })?;
    let mut whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let header_line = whole.next().ok_or_else(|| corrupt(path, 1, "the header is missing"))?;
    check_header(path, header_line)?;
    let mut read =
        Read { events: Vec::new(), chain: chain("", header_line), whole: header_line.len() as u64 };
    for (index, line) in whole.enumerate() {
        let event = check_line(path, index + 2, line.trim_end_matches('\n'), &read.chain)?;
        if event.seq != read.events.len() as u64 {
            return Err(corrupt(path, index + 2, "an event is missing or stands twice"));
        }
        read.chain = line.get(..DIGEST).unwrap_or_default().to_owned();
        read.whole += line.len() as u64;
        read.events.push(event);
    }
    if read.events.is_empty() {
        return Err(corrupt(path, 2, "the first event is missing"));
    }
    Ok(read)
}

fn check_header(path: &Path, line: &str) -> Result<(), JournalError> {
    let header: Header =
        serde_json::from_str(line).map_err(|_| corrupt(path, 1, "the header cannot be read"))?;
    if header.tidegate != "journal" {
        return Err(corrupt(path, 1, "it is not a journal"));
    }
    if header.format != FORMAT {
        return Err(JournalError {
            code: "newer-format",
            sentence: format!(
                "{} has format {}, and this Tidegate reads format {FORMAT}; it is left as it is",
                path.display(),
                header.format
            ),
            hint: Some("use the Tidegate version that wrote it, or a newer one".to_owned()),
        });
    }
    Ok(())
}

fn check_line(path: &Path, number: usize, line: &str, before: &str) -> Result<Event, JournalError> {
    let parts =
        line.split_at_checked(DIGEST).and_then(|(digest, rest)| Some((digest, rest.strip_prefix(' ')?)));
    let (digest, json) = parts.ok_or_else(|| corrupt(path, number, "the line is cut"))?;
    if chain(before, json) != digest {
        return Err(corrupt(path, number, "the digest does not fit the text"));
    }
    serde_json::from_str(json)
        .map_err(|error| corrupt(path, number, &format!("the event cannot be read ({error})")))
}

fn corrupt(path: &Path, line: usize, what: &str) -> JournalError {
    JournalError {
        code: "corrupt",
        sentence: format!("{}:{line} is damaged: {what}; it is left as it is", path.display()),
        hint: Some("restore the file from a backup, or move it away to forget that rollout".to_owned()),
    }
}

fn chain(before: &str, text: &str) -> String {
    let digest = Sha256::new().chain_update(before).chain_update(text).finalize();
    hex::encode(digest.get(..DIGEST / 2).unwrap_or_default())
}

fn line(before: &str, event: &Event) -> (String, String) {
    let json = serde_json::to_string(event).unwrap_or_default();
    let digest = chain(before, &json);
    (format!("{digest} {json}\n"), digest)
}

impl Lines {
    /// A new file with its first event.
    pub(super) fn create(path: &Path, event: &Event) -> Result<Self, JournalError> {
        let header = Header { tidegate: "journal".to_owned(), format: FORMAT };
        let header = format!("{}\n", serde_json::to_string(&header).unwrap_or_default());
        let (first, digest) = line(&chain("", &header), event);
        let text = header + &first;
        write_atomically(path, text.as_bytes())?;
        Self::at(path, digest, text.len() as u64)
    }

    /// A file that is there: what a crash left of a last line is cut off.
    pub(super) fn resume(path: &Path) -> Result<Self, JournalError> {
        let read = read(path)?;
        let lines = Self::at(path, read.chain, read.whole)?;
        lines.file.set_len(lines.length).map_err(|error| problem("write", path, &error))?;
        Ok(lines)
    }

    fn at(path: &Path, chain: String, length: u64) -> Result<Self, JournalError> {
        let file = File::options().write(true).open(path).map_err(|error| problem("write", path, &error))?;
        Ok(Self { path: path.to_owned(), file, chain, length })
    }

    /// Adds an event. A write that fails half way is taken back, so that the next one stands on whole lines.
    pub(super) fn append(&mut self, event: &Event) -> Result<(), JournalError> {
        let (text, digest) = line(&self.chain, event);
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
