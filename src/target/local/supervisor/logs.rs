//! Log files of instances. Instances write to their file themselves, so that they need no supervisor; therefore a file that
//! grew too large is copied aside and emptied in place.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::target::local::spec::Logs;

/// How much of the end of a log is looked at for its last lines.
const TAIL: u64 = 16 * 1024;

/// The longest line that is passed on, in characters.
const WIDEST: usize = 400;

/// Opens a log to be appended to, for the owner only.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

/// Sets a log aside when it is too large; says whether it did.
///
/// What is written between the copy and the emptying is lost: that is the price of not standing between an instance and its
/// log. On a full disk the oldest copies are given up.
pub(crate) fn rotate(path: &Path, policy: Logs) -> io::Result<bool> {
    let size = match fs::metadata(path) {
        Ok(meta) => meta.len(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(e),
    };
    if size <= policy.max_size {
        return Ok(false);
    }
    for n in (1..policy.keep).rev() {
        match fs::rename(aside(path, n), aside(path, n + 1)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    if policy.keep > 0
        && let Err(e) = fs::copy(path, aside(path, 1))
    {
        let _ = fs::remove_file(aside(path, 1));
        if e.kind() != io::ErrorKind::StorageFull {
            return Err(e);
        }
    }
    OpenOptions::new().write(true).open(path)?.set_len(0)?;
    Ok(true)
}

/// The name of the copy `n` of a log; 1 is the youngest.
fn aside(path: &Path, n: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{n}"));
    PathBuf::from(name)
}

/// The last `count` lines that were written after `start`, without control characters and with every secret blotted out.
pub(crate) fn tail(path: &Path, start: u64, count: usize, secrets: &[String]) -> Vec<String> {
    let Ok(text) = last_bytes(path, start) else { return Vec::new() };
    let mut text = String::from_utf8_lossy(&text).into_owned();
    for secret in secrets.iter().filter(|s| s.len() >= 4) {
        text = text.replace(secret.as_str(), "***");
    }
    let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
    lines
        .iter()
        .skip(lines.len().saturating_sub(count))
        .map(|line| line.chars().filter(|c| !c.is_control() || *c == '\t').take(WIDEST).collect())
        .collect()
}

fn last_bytes(path: &Path, start: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let end = file.metadata()?.len();
    // After a rotation the file is shorter than where the process began.
    let start = if start > end { 0 } else { start };
    file.seek(SeekFrom::Start(start.max(end.saturating_sub(TAIL))))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Removes the logs of sets that are gone, all but the `keep` youngest files.
pub(crate) fn forget_old(directory: &Path, alive: &[String], keep: usize) -> io::Result<()> {
    let mut old: Vec<_> = fs::read_dir(directory)?
        .flatten()
        .filter(|e| {
            !alive.iter().any(|release| e.file_name().to_string_lossy().starts_with(release.as_str()))
        })
        .filter_map(|e| Some((e.metadata().ok()?.modified().ok()?, e.path())))
        .collect();
    old.sort();
    let surplus = old.len().saturating_sub(keep);
    old.into_iter().take(surplus).try_for_each(|(_, path)| fs::remove_file(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_large_log_is_set_aside_and_its_writer_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a-1.log");
        let policy = Logs { max_size: 10, keep: 2 };
        let mut writer = open(&path).unwrap();
        for text in ["first, a long line\n", "second, a long line\n", "third, a long line\n"] {
            writer.write_all(text.as_bytes()).unwrap();
            assert!(rotate(&path, policy).unwrap());
        }
        writer.write_all(b"now\n").unwrap();
        assert!(!rotate(&path, policy).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "now\n");
        assert_eq!(fs::read_to_string(aside(&path, 1)).unwrap(), "third, a long line\n");
        assert_eq!(fs::read_to_string(aside(&path, 2)).unwrap(), "second, a long line\n");
        assert!(!aside(&path, 3).exists());
    }

    #[test]
    fn a_tail_has_the_last_lines_and_no_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a-1.log");
        fs::write(&path, "of the process before\none\n\ntoken=hush-hush\n\u{1b}[31mthree\n").unwrap();
        let lines = tail(&path, 22, 2, &["hush-hush".to_owned(), String::new()]);
        assert_eq!(lines, ["token=***", "[31mthree"]);
        assert_eq!(tail(&path, 22, 20, &[])[0], "one");
        assert_eq!(tail(&path, 9_999, 20, &[]).len(), 4, "emptied since");
    }

    #[test]
    fn logs_of_living_sets_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["aaa-1.log", "bbb-1.log", "ccc-1.log"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        forget_old(dir.path(), &["aaa".to_owned()], 1).unwrap();
        assert!(dir.path().join("aaa-1.log").exists());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
