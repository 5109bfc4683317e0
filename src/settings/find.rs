//! Where the file is, and reading it from the disk.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::SettingsError;
use super::model::Settings;
use crate::yaml::Diagnostic;
use crate::yaml::Finding;
use crate::yaml::{Path as Way, Position};

/// The names that [`find`] looks for in each folder, in this order.
pub const NAMES: [&str; 3] = ["tidegate.yaml", "tidegate.yml", ".github/tidegate.yaml"];

/// The largest file that is read, in bytes: 1 MiB.
pub const LARGEST: u64 = 1 << 20;

/// The nearest file with one of [`NAMES`], from the folder `from` upwards. The search ends with the folder that holds
/// `.git`, or where there is none, with the root of the file system.
#[must_use]
pub fn find(from: &Path) -> Option<PathBuf> {
    let from = std::path::absolute(from).ok()?;
    for folder in from.ancestors() {
        let found = NAMES.iter().map(|name| folder.join(name)).find(|file| file.is_file());
        if found.is_some() {
            return found;
        }
        if folder.join(".git").exists() {
            break;
        }
    }
    None
}

/// Reads and checks the settings in a file.
///
/// # Errors
/// [`SettingsError::Read`] when the file cannot be read, [`SettingsError::Invalid`] with all that is wrong in it.
pub fn load(file: &Path) -> Result<Settings, SettingsError> {
    let bytes = read(file).map_err(|error| unreadable(file, &error))?;
    let whole = |message: String, at: Position, help: &str| {
        let finding = Finding::error(Way::default(), at, message).help(help);
        SettingsError::Invalid(vec![Diagnostic::new(file, "", &[], finding)])
    };
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LARGEST {
        let message = "the file is larger than 1 MiB".to_owned();
        return Err(whole(
            message,
            Position::START,
            "this is hardly a settings file; was another file meant?",
        ));
    }
    match String::from_utf8(bytes) {
        Ok(text) => super::parse(file, &text),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let before = &error.as_bytes()[..valid];
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
            let message = format!("byte {} of the file is not UTF-8", valid + 1);
            Err(whole(message, Position { line, column, width: 1 }, "save the file as UTF-8"))
        }
    }
}

/// At most one byte more than [`LARGEST`].
fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn unreadable(file: &Path, error: &io::Error) -> SettingsError {
    let place = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let (sentence, hint) = match error.kind() {
        io::ErrorKind::NotFound => (
            format!("there is no settings file at {}", place.display()),
            "`tidegate init` writes one; or name another file".to_owned(),
        ),
        io::ErrorKind::PermissionDenied => (
            format!("the settings file {} may not be read by this user", place.display()),
            "give this user the right to read it".to_owned(),
        ),
        _ => (
            format!("the settings file {} could not be read: {error}", place.display()),
            "name a regular file".to_owned(),
        ),
    };
    SettingsError::Read { file: place, sentence, hint }
}
