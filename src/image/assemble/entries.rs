//! What goes into a layer, in the order in which it goes.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// One entry of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    Directory,
    File {
        /// Where its bytes are.
        source: PathBuf,
        /// How many, in bytes.
        size: u64,
        is_program: bool,
    },
    /// Where it leads to.
    Link(String),
}

/// The entries by their path in the image, without the first slash. The order of the names is that of the layer.
#[derive(Debug, Default)]
pub(super) struct Entries(pub(super) BTreeMap<String, Entry>);

impl Entries {
    /// One program, at a path of the image.
    pub(super) fn of_program(source: &Path, at: &str) -> io::Result<Self> {
        let mut entries = Self::default();
        let at = clean(at)?;
        entries.parents(&at);
        let size = fs::metadata(source)?.len();
        entries.0.insert(at, Entry::File { source: source.to_owned(), size, is_program: true });
        Ok(entries)
    }

    /// What is in a directory, at a path of the image. Links stay links; sockets and devices are left out.
    pub(super) fn of_directory(source: &Path, at: &str) -> io::Result<Self> {
        let mut entries = Self::default();
        let at = clean(at)?;
        entries.parents(&at);
        if !at.is_empty() {
            entries.0.insert(at.clone(), Entry::Directory);
        }
        entries.walk(source, &at)?;
        Ok(entries)
    }

    fn walk(&mut self, source: &Path, at: &str) -> io::Result<()> {
        for found in fs::read_dir(source)? {
            let found = found?;
            let path = found.path();
            let name = found
                .file_name()
                .into_string()
                .map_err(|name| invalid(&format!("the name {} is no UTF-8", name.to_string_lossy())))?;
            let inner = if at.is_empty() { name } else { format!("{at}/{name}") };
            let kind = found.file_type()?;
            if kind.is_dir() {
                self.0.insert(inner.clone(), Entry::Directory);
                self.walk(&path, &inner)?;
            } else if kind.is_symlink() {
                let target = fs::read_link(&path)?;
                let target = target.to_str().ok_or_else(|| invalid("a link leads to what is no UTF-8"))?;
                self.0.insert(inner, Entry::Link(target.to_owned()));
            } else if kind.is_file() {
                let known = found.metadata()?;
                let is_program = known.permissions().mode() & 0o111 != 0;
                self.0.insert(inner, Entry::File { source: path, size: known.len(), is_program });
            }
        }
        Ok(())
    }

    /// The directories above a path: whatever unpacks the layer need not make them up.
    fn parents(&mut self, at: &str) {
        for (end, _) in at.match_indices('/') {
            self.0.insert(at[..end].to_owned(), Entry::Directory);
        }
    }
}

/// A path of the image without slashes around it and without steps.
fn clean(at: &str) -> io::Result<String> {
    let parts: Vec<&str> = at.split('/').filter(|part| !part.is_empty()).collect();
    if parts.iter().any(|part| matches!(*part, "." | "..")) {
        return Err(invalid(&format!("{at} is no path in an image")));
    }
    Ok(parts.join("/"))
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why.to_owned())
}
