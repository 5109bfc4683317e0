//! The text of one rollout's history: a header line, then a line an event, each with a digest chained to the line before.
//!
//! The same wherever it lives. Where it lives is named in every complaint, so `place` is whatever a person would look for: a
//! file's path, or a ConfigMap's name.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::JournalError;
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

/// A history as far as it has been read or written.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) events: Vec<Event>,
    /// Digest of the last whole line.
    pub(super) chain: String,
    /// Length of the last text up to the end of its last whole line, in bytes.
    pub(super) whole: usize,
}

/// Reads a text and checks it.
pub(super) fn read(place: &str, text: &str) -> Result<History, JournalError> {
    History::default().on(place, text)
}

impl History {
    /// Reads a text that goes on from here and checks it; it has at least one event. A last line without its end is a write
    /// that was cut off: it never counted.
    pub(super) fn on(mut self, place: &str, text: &str) -> Result<Self, JournalError> {
        let mut whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let header_line = whole.next().ok_or_else(|| corrupt(place, 1, "the header is missing"))?;
        check_header(place, header_line)?;
        let before = self.events.len();
        self.chain = chain(&self.chain, header_line);
        self.whole = header_line.len();
        for (index, line) in whole.enumerate() {
            let event = check_line(place, index + 2, line.trim_end_matches('\n'), &self.chain)?;
            if event.seq != self.events.len() as u64 {
                return Err(corrupt(place, index + 2, "an event is missing or stands twice"));
            }
            self.chain = line.get(..DIGEST).unwrap_or_default().to_owned();
            self.whole += line.len();
            self.events.push(event);
        }
        if self.events.len() == before {
            return Err(corrupt(place, 2, "the first event is missing"));
        }
        Ok(self)
    }
}

/// The header line of a text that goes on from one whose last digest was `before` (empty for the first), and its digest.
pub(super) fn header(before: &str) -> (String, String) {
    let header = Header { tidegate: "journal".to_owned(), format: FORMAT };
    let text = format!("{}\n", serde_json::to_string(&header).unwrap_or_default());
    let digest = chain(before, &text);
    (text, digest)
}

/// The line of an event after the line whose digest was `before`, and its digest.
pub(super) fn line(before: &str, event: &Event) -> (String, String) {
    let json = serde_json::to_string(event).unwrap_or_default();
    let digest = chain(before, &json);
    (format!("{digest} {json}\n"), digest)
}

/// A complaint about damage at a line.
pub(super) fn corrupt(place: &str, line: usize, what: &str) -> JournalError {
    JournalError {
        code: "corrupt",
        sentence: format!("{place}:{line} is damaged: {what}; it is left as it is"),
        hint: Some("restore it from a backup, or move it away to forget that rollout".to_owned()),
    }
}

fn check_header(place: &str, line: &str) -> Result<(), JournalError> {
    let header: Header =
        serde_json::from_str(line).map_err(|_| corrupt(place, 1, "the header cannot be read"))?;
    if header.tidegate != "journal" {
        return Err(corrupt(place, 1, "it is not a journal"));
    }
    if header.format != FORMAT {
        return Err(JournalError {
            code: "newer-format",
            sentence: format!(
                "{place} has format {}, and this Tidegate reads format {FORMAT}; it is left as it is",
                header.format
            ),
            hint: Some("use the Tidegate version that wrote it, or a newer one".to_owned()),
        });
    }
    Ok(())
}

fn check_line(place: &str, number: usize, line: &str, before: &str) -> Result<Event, JournalError> {
    let parts =
        line.split_at_checked(DIGEST).and_then(|(digest, rest)| Some((digest, rest.strip_prefix(' ')?)));
    let (digest, json) = parts.ok_or_else(|| corrupt(place, number, "the line is cut"))?;
    if chain(before, json) != digest {
        return Err(corrupt(place, number, "the digest does not fit the text"));
    }
    serde_json::from_str(json)
        .map_err(|error| corrupt(place, number, &format!("the event cannot be read ({error})")))
}

fn chain(before: &str, text: &str) -> String {
    let digest = Sha256::new().chain_update(before).chain_update(text).finalize();
    hex::encode(digest.get(..DIGEST / 2).unwrap_or_default())
}
