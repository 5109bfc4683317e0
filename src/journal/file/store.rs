//! Files that appear whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::JournalError;

/// A file system error in the journal's words: what was tried, where, why, and what could mend it.
#[must_use]
pub fn problem(tried: &str, path: &Path, error: &io::Error) -> JournalError {
    let place = path.display();
    let (code, cause, hint) = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            ("disk-full", "the disk is full".to_owned(), "free some space")
        }
        io::ErrorKind::PermissionDenied => (
            "not-writable",
            "permission denied".to_owned(),
            "give this user access, or choose another --state-dir",
        ),
        io::ErrorKind::ReadOnlyFilesystem => {
            ("not-writable", "the file system is read-only".to_owned(), "choose another --state-dir")
        }
        io::ErrorKind::NotADirectory => {
            ("not-writable", "a part of the path is not a directory".to_owned(), "choose another --state-dir")
        }
        _ => ("io", error.to_string(), ""),
    };
    let hint = (!hint.is_empty()).then(|| hint.to_owned());
    JournalError { code, sentence: format!("cannot {tried} {place}: {cause}"), hint }
}

/// Creates a directory, and those above it, readable by its owner only.
///
/// # Errors
/// When it cannot be created.
pub fn create_private_dir(path: &Path) -> Result<(), JournalError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| problem("create", path, &error))
}

/// Writes a file aside, syncs it and renames it into its place: readers see the old or the new one, whole.
///
/// # Errors
/// When it cannot be written; what was there before is then unchanged.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), JournalError> {
    let aside = path.with_extension(format!("new-{}", std::process::id()));
    let written = write_synced(&aside, bytes).and_then(|()| fs::rename(&aside, path));
    if let Err(error) = written {
        // Whatever stands aside is incomplete; that it cannot be removed adds nothing to the first error.
        let _ = fs::remove_file(&aside);
        return Err(problem("write", path, &error));
    }
    sync_directory(path)
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes a rename last.
fn sync_directory(path: &Path) -> Result<(), JournalError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| problem("sync", directory, &error))
}
