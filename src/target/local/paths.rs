//! Where things lie in a state directory, and the way to its socket.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

use super::control::{disk, failure};
use crate::target::TargetError;

/// The longest path that a socket address surely takes (the kernel's limit is 108 bytes with the final zero).
const LONGEST: usize = 100;

/// Names of the files of one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Paths {
    /// The state directory.
    pub(crate) root: PathBuf,
}

impl Paths {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: std::path::absolute(root).unwrap_or_else(|_| root.to_owned()) }
    }
    pub(crate) fn state(&self) -> PathBuf {
        self.root.join("supervisor.json")
    }
    pub(crate) fn secrets(&self) -> PathBuf {
        self.root.join("secrets.json")
    }
    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("supervisor.lock")
    }
    pub(crate) fn log(&self) -> PathBuf {
        self.root.join("supervisor.log")
    }
    pub(crate) fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }
    pub(crate) fn program(&self, digest: &str) -> PathBuf {
        self.root.join("programs").join(digest)
    }
    pub(crate) fn socket(&self) -> PathBuf {
        self.root.join("control.sock")
    }

    /// Connects to the control socket.
    pub(crate) async fn connect(&self) -> io::Result<UnixStream> {
        let (way, _directory) = self.way("control.sock")?;
        UnixStream::connect(way).await
    }

    /// Binds the control socket. It replaces an old one in one move, so that there is always a socket to connect to.
    pub(crate) fn bind(&self) -> io::Result<UnixListener> {
        let draft = self.root.join("control.new");
        match fs::remove_file(&draft) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let (way, _directory) = self.way("control.new")?;
        let listener = UnixListener::bind(way)?;
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o600))?;
        fs::rename(&draft, self.socket())?;
        Ok(listener)
    }

    /// A path to `name` that is short enough for a socket address: where the real one is too long, it leads through an
    /// open directory, which must stay open while the path is used.
    fn way(&self, name: &str) -> io::Result<(PathBuf, Option<File>)> {
        let path = self.root.join(name);
        if path.as_os_str().len() <= LONGEST {
            return Ok((path, None));
        }
        let directory = File::open(&self.root)?;
        Ok((PathBuf::from(format!("/proc/self/fd/{}/{name}", directory.as_raw_fd())), Some(directory)))
    }
}

/// Makes sure that `path` is a directory of ours that nobody else can enter.
///
/// # Errors
/// `not-private` where it belongs to somebody else, and what the disk says.
pub(crate) fn private_dir(path: &Path) -> Result<(), TargetError> {
    let doing = format!("create the directory {}", path.display());
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|e| disk(&doing, &e))?;
    let meta = fs::metadata(path).map_err(|e| disk(&doing, &e))?;
    if meta.uid() != rustix::process::geteuid().as_raw() {
        let sentence = format!("{} belongs to another user (uid {})", path.display(), meta.uid());
        return Err(failure("not-private", sentence, "choose a state directory of your own"));
    }
    if meta.mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(|e| disk(&doing, &e))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_long_path_is_no_obstacle() {
        let dir = tempfile::tempdir().unwrap();
        let root =
            dir.path().join("a very long name with spaces ".repeat(6)).join("and more of it".repeat(4));
        private_dir(&root).unwrap();
        assert_eq!(fs::metadata(&root).unwrap().mode() & 0o777, 0o700);
        let paths = Paths::new(&root);
        let listener = paths.bind().unwrap();
        assert_eq!(fs::metadata(paths.socket()).unwrap().mode() & 0o777, 0o600);
        let (met, _) = tokio::join!(listener.accept(), paths.connect());
        met.unwrap();
        let second = paths.bind().unwrap();
        let (met, connected) = tokio::join!(second.accept(), paths.connect());
        met.unwrap();
        connected.unwrap();
    }
}
