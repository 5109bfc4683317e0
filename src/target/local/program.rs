//! Copies of programs, kept by digest: a release runs the bytes that it was made from.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use super::control::{disk, failure};
use super::paths::private_dir;
use crate::target::TargetError;

/// A copy younger than this may belong to a deploy that is just being prepared.
const FRESH: Duration = Duration::from_secs(3600);

/// Finds the file that `name` runs from `directory`.
///
/// # Errors
/// `no-program` and `not-executable`, with the path that was looked at.
pub(crate) fn locate(name: &str, directory: &Path) -> Result<PathBuf, TargetError> {
    if !name.contains('/') {
        let path = std::env::var_os("PATH").unwrap_or_default();
        return std::env::split_paths(&path).map(|d| d.join(name)).find(|p| runs(p)).ok_or_else(|| {
            failure(
                "no-program",
                format!("no directory of PATH has a program {name}"),
                "install it, or write `./` before the name of a program of your own",
            )
        });
    }
    let path = directory.join(name);
    let place = format!("{name} in {}", directory.display());
    let meta = fs::metadata(&path).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => failure(
            "no-program",
            format!("{name} does not exist in {}", directory.display()),
            "build it first or correct `command`",
        ),
        _ => failure("no-program", format!("{place} cannot be looked at: {e}"), "correct `command`"),
    })?;
    if meta.is_dir() {
        let sentence = format!("{place} is a directory, not a program");
        return Err(failure("no-program", sentence, "name the program inside it in `command`"));
    }
    if !runs(&path) {
        let sentence = format!("{place} is not an executable file");
        return Err(failure("not-executable", sentence, "make it executable with chmod +x"));
    }
    if foreign(&path) {
        let sentence = format!(
            "{place} is built for another kind of machine than this one ({})",
            std::env::consts::ARCH
        );
        return Err(failure("not-executable", sentence, "build it for this machine"));
    }
    Ok(path)
}

/// Whether a file is surely no program for this machine. The C library would hand such a file to the shell, whose words about
/// it nobody understands.
pub(crate) fn foreign(path: &Path) -> bool {
    let mut head = [0; 20];
    // A shorter file is no program of any machine's; at most it is a script.
    File::open(path).and_then(|mut f| f.read_exact(&mut head)).is_ok() && other_machine(&head)
}

const fn is_elf(head: &[u8; 20]) -> bool {
    matches!(head, [0x7f, b'E', b'L', b'F', ..])
}

/// Reads the head of an executable: elf(5), `e_ident` and `e_machine`; else the marks of other systems' formats.
fn other_machine(head: &[u8; 20]) -> bool {
    if !is_elf(head) {
        return matches!(
            head,
            [b'M', b'Z', ..] | [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, ..]
        );
    }
    let machine = match head[5] {
        1 => u16::from_le_bytes([head[18], head[19]]),
        _ => u16::from_be_bytes([head[18], head[19]]),
    };
    // Both machines also run the programs of their 32-bit forebears, where the kernel is built so.
    match std::env::consts::ARCH {
        "x86_64" => !matches!(machine, 62 | 3),
        "aarch64" => !matches!(machine, 183 | 40),
        _ => false,
    }
}

fn runs(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// Keeps a copy of `program` in `<state>/programs` and gives its digest.
pub(crate) fn snapshot(program: &Path, state: &Path) -> Result<String, TargetError> {
    private_dir(state)?;
    let kept = state.join("programs");
    private_dir(&kept)?;
    let draft = kept.join(format!(".new-{}-{}", std::process::id(), draft_number()));
    let result = copy(program, &draft, &kept);
    if result.is_err() {
        let _ = fs::remove_file(&draft);
    }
    result.map_err(|e| disk(&format!("keep a copy of {} in {}", program.display(), kept.display()), &e))
}

/// Tells drafts of one process apart.
fn draft_number() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_nanos())
}

fn copy(program: &Path, draft: &Path, kept: &Path) -> io::Result<String> {
    // The copy is digested, not the original: the original may change in between.
    fs::copy(program, draft)?;
    let digest = digest_file(draft)?;
    let place = kept.join(&digest);
    if place.exists() {
        File::open(&place)?.set_modified(SystemTime::now())?;
        fs::remove_file(draft)?;
        return Ok(digest);
    }
    fs::set_permissions(draft, fs::Permissions::from_mode(0o500))?;
    File::open(draft)?.sync_all()?;
    fs::rename(draft, &place)?;
    File::open(kept)?.sync_all()?;
    Ok(digest)
}

/// SHA-256 of a file in hexadecimal.
pub(crate) fn digest_file(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(buffer.get(..n).unwrap_or_default());
    }
}

/// Removes copies that `needed` does not name and that are not fresh; gives how many.
pub(crate) fn prune(state: &Path, needed: &BTreeSet<String>, now: SystemTime) -> io::Result<usize> {
    let entries = match fs::read_dir(state.join("programs")) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(0),
        other => other?,
    };
    let mut removed = 0;
    for entry in entries {
        let entry = entry?;
        let fresh = entry
            .metadata()
            .and_then(|m| m.modified())
            .map_or(true, |t| now.duration_since(t).is_ok_and(|age| age < FRESH) || t > now);
        if !fresh && !needed.contains(&*entry.file_name().to_string_lossy()) {
            fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(dir: &Path, text: &str) -> PathBuf {
        let path = dir.join("server");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn a_rebuilt_program_does_not_change_the_copy() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let first = snapshot(&script(dir.path(), "#!/bin/sh\necho 1\n"), &state).unwrap();
        let second = snapshot(&script(dir.path(), "#!/bin/sh\necho 2\n"), &state).unwrap();
        assert_ne!(first, second);
        assert_eq!(snapshot(&dir.path().join("server"), &state).unwrap(), second);
        assert_eq!(fs::read_to_string(state.join("programs").join(&first)).unwrap(), "#!/bin/sh\necho 1\n");
        assert_eq!(fs::read_dir(state.join("programs")).unwrap().count(), 2, "no draft is left");
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let error = locate("./server", dir.path()).unwrap_err();
        assert_eq!(error.code, "no-program");
        assert!(error.sentence.contains("./server does not exist in "), "{}", error.sentence);
        fs::create_dir(dir.path().join("server")).unwrap();
        assert!(locate("./server", dir.path()).unwrap_err().sentence.contains("is a directory"));
        fs::write(dir.path().join("plain"), "x").unwrap();
        assert_eq!(locate("./plain", dir.path()).unwrap_err().code, "not-executable");
        assert_eq!(locate("no-such-program-anywhere", dir.path()).unwrap_err().code, "no-program");
        assert!(locate("sh", dir.path()).unwrap().ends_with("sh"));
    }

    #[test]
    fn a_program_for_another_machine_is_known_by_its_head() {
        let mut head = [0; 20];
        head[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1]);
        head[18] = 243;
        assert!(other_machine(&head), "RISC-V");
        assert!(other_machine(b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0\xb8\0\0\0"));
        assert!(!other_machine(b"#!/bin/sh\necho hello"));
        assert!(!foreign(&std::env::current_exe().unwrap()));
    }

    #[test]
    fn only_old_and_unneeded_copies_are_pruned() {
        let dir = tempfile::tempdir().unwrap();
        let first = snapshot(&script(dir.path(), "#!/bin/sh\necho 1\n"), dir.path()).unwrap();
        let second = snapshot(&script(dir.path(), "#!/bin/sh\necho 2\n"), dir.path()).unwrap();
        let needed = BTreeSet::from([second.clone()]);
        assert_eq!(prune(dir.path(), &needed, SystemTime::now()).unwrap(), 0, "fresh");
        assert_eq!(prune(dir.path(), &needed, SystemTime::now() + 2 * FRESH).unwrap(), 1);
        assert!(!dir.path().join("programs").join(first).exists());
        assert!(dir.path().join("programs").join(second).exists());
    }
}
