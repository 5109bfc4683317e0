//! The lock of an environment: a file lock of the kernel, which dies with its process, and beside it who holds it and why.

use std::fs::{self, File, TryLockError};
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::store::{problem, write_atomically};
use crate::journal::{Held, Holder, LockError};

/// The lock, held until this is dropped or the process dies.
#[derive(Debug)]
pub struct FileLock {
    /// Open as long as the lock is held; closing it lets go.
    file: File,
    holder_file: PathBuf,
    nonce: String,
}

impl FileLock {
    /// Takes the lock of the environment in `directory`.
    ///
    /// # Errors
    /// [`LockError::Held`] with the holder when somebody else has it.
    pub fn acquire(directory: &Path, holder: &Holder) -> Result<Self, LockError> {
        let path = directory.join("lock");
        let holder_file = directory.join("lock.json");
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| problem("open", &path, &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let unknown = || Holder { name: "another process".to_owned(), ..holder.clone() };
                return Err(LockError::Held(Box::new(read_holder(&holder_file).unwrap_or_else(unknown))));
            }
            Err(TryLockError::Error(error)) => return Err(problem("lock", &path, &error).into()),
        }
        let text = serde_json::to_vec(holder).unwrap_or_default();
        write_atomically(&holder_file, &text)?;
        Ok(Self { file, holder_file, nonce: holder.nonce.clone() })
    }

    /// Takes the lock from whoever holds it: that one finds at its next check that it is lost, and stops acting.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn seize(directory: &Path, holder: &Holder) -> Result<Self, LockError> {
        let path = directory.join("lock");
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(problem("remove", &path, &error).into())
            }
            _ => Self::acquire(directory, holder),
        }
    }

    /// Lets go and leaves the name of this holder, so that the one it was taken from can say who took it.
    pub fn leave_name(mut self) {
        // The file is then no longer ours to remove.
        self.nonce.clear();
    }

    /// Who holds the lock of the environment in `directory` at this moment.
    #[must_use]
    pub fn holder(directory: &Path) -> Option<Holder> {
        let file = File::open(directory.join("lock")).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => read_holder(&directory.join("lock.json")),
            _ => None,
        }
    }
}

impl Held for FileLock {
    fn check(&self) -> Result<(), LockError> {
        match read_holder(&self.holder_file) {
            Some(holder) if holder.nonce == self.nonce => Ok(()),
            Some(holder) => Err(LockError::Lost(holder.name)),
            None => Err(LockError::Lost("somebody who removed its file".to_owned())),
        }
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        if self.check().is_ok() {
            // A file that stays only names a holder that the kernel knows to be gone.
            let _ = fs::remove_file(&self.holder_file);
        }
        let _ = self.file.unlock();
    }
}

fn read_holder(path: &Path) -> Option<Holder> {
    let mut text = String::new();
    File::open(path).ok()?.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}
