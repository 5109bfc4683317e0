//! An environment that a person closed by hand: no deploy starts until it is opened again.

use std::fs;
use std::path::Path;

use super::store::{problem, write_atomically};
use crate::journal::{Hold, JournalError};

/// The hold on the environment in `directory`, if there is one.
///
/// # Errors
/// When the file is there but cannot be read: the environment then counts as closed.
pub fn read(directory: &Path) -> Result<Option<Hold>, JournalError> {
    let path = directory.join("hold.json");
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(problem("read", &path, &error)),
    };
    serde_json::from_slice(&text).map(Some).map_err(|error| JournalError {
        code: "corrupt",
        sentence: format!("{} is damaged: {error}; it is left as it is", path.display()),
        hint: Some("`tidegate unlock` removes it".to_owned()),
    })
}

/// Closes the environment.
///
/// # Errors
/// When the file cannot be written.
pub fn write(directory: &Path, hold: &Hold) -> Result<(), JournalError> {
    write_atomically(&directory.join("hold.json"), &serde_json::to_vec(hold).unwrap_or_default())
}

/// Opens the environment again; tells whether it was closed.
///
/// # Errors
/// When the file cannot be removed.
pub fn remove(directory: &Path) -> Result<bool, JournalError> {
    let path = directory.join("hold.json");
    match fs::remove_file(&path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(problem("remove", &path, &error)),
    }
}
