//! A directory as one sum: names, kinds, modes, contents and the ends of links. Times and owners do not count, as builders do not
//! take them over.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use sha2::{Digest as _, Sha256};

use super::ignore::Ignore;

/// So much of a file is read at a time.
const PART: usize = 256 << 10;

/// A directory's sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tree {
    /// Its sum, in hex.
    pub(super) sum: String,
    /// Whether the whole history of git is among it, which is another one with every commit.
    pub(super) has_history: bool,
}

struct Entry {
    path: PathBuf,
    /// Below the directory.
    name: Vec<u8>,
    mode: u32,
    kind: Kind,
}

enum Kind {
    Directory,
    File,
    Link(Vec<u8>),
}

/// Sums up a directory without what is left out.
pub(super) fn sum(root: &Path, ignore: &Ignore) -> io::Result<Tree> {
    let mut entries = Vec::new();
    gather(root, root, "", ignore, &mut entries)?;
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    let contents = contents(&entries)?;
    let mut sum = Sha256::new();
    for (entry, content) in entries.iter().zip(&contents) {
        let (kind, content) = match &entry.kind {
            Kind::Directory => (b'd', &[][..]),
            Kind::File => (b'f', &content[..]),
            Kind::Link(to) => (b'l', &to[..]),
        };
        sum.update([kind]);
        for part in [&entry.name[..], &entry.mode.to_be_bytes(), content] {
            sum.update((part.len() as u64).to_be_bytes());
            sum.update(part);
        }
    }
    let has_history = entries.iter().any(|entry| entry.name == b".git");
    Ok(Tree { sum: hex::encode(sum.finalize()), has_history })
}

fn gather(
    root: &Path,
    directory: &Path,
    below: &str,
    ignore: &Ignore,
    all: &mut Vec<Entry>,
) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let (name, path) = (entry.file_name(), entry.path());
        let text = name.to_string_lossy();
        let shown = if below.is_empty() { text.into_owned() } else { format!("{below}/{text}") };
        let is_out = ignore.leaves_out(&shown);
        let kind = entry.file_type()?;
        if is_out && !(kind.is_dir() && ignore.has_exceptions()) {
            continue;
        }
        if kind.is_dir() {
            gather(root, &path, &shown, ignore, all)?;
        }
        let kind = match kind {
            kind if kind.is_dir() => Kind::Directory,
            kind if kind.is_symlink() => Kind::Link(fs::read_link(&path)?.as_os_str().as_bytes().to_vec()),
            kind if kind.is_file() => Kind::File,
            // Sockets and pipes are not sent to a builder.
            _ => continue,
        };
        if !is_out {
            // The mode of a link is that of what it leads to, or none.
            let mode = match kind {
                Kind::Link(_) => 0,
                _ => entry.metadata()?.permissions().mode() & 0o7777,
            };
            let name = path.strip_prefix(root).unwrap_or(&path).as_os_str().as_bytes().to_vec();
            all.push(Entry { path, name, mode, kind });
        }
    }
    Ok(())
}

/// The sums of files, on every core.
fn contents(entries: &[Entry]) -> io::Result<Vec<[u8; 32]>> {
    let next = AtomicUsize::new(0);
    let work = || -> io::Result<Vec<(usize, [u8; 32])>> {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            match entries.get(at) {
                None => return Ok(done),
                Some(Entry { kind: Kind::File, path, .. }) => done.push((at, content(path)?)),
                Some(_) => {}
            }
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut sums = vec![[0; 32]; entries.len()];
    std::thread::scope(|scope| {
        let started: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        for worker in started {
            let done =
                worker.join().map_err(|_| io::Error::other("a thread that reads files has ended"))??;
            done.into_iter().for_each(|(at, sum)| sums[at] = sum);
        }
        Ok(sums)
    })
}

fn content(path: &Path) -> io::Result<[u8; 32]> {
    let (mut file, mut part, mut sum) = (File::open(path)?, vec![0; PART], Sha256::new());
    loop {
        match file.read(&mut part)? {
            0 => return Ok(sum.finalize().into()),
            read => sum.update(&part[..read]),
        }
    }
}
