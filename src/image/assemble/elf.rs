//! What a program for Linux is made for, by its header (ELF, <https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html>).

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// What an image is for, in the words of Go.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Platform {
    /// Operating system.
    pub os: String,
    /// Architecture.
    pub architecture: String,
    /// Variant of the architecture.
    pub variant: Option<String>,
}

impl Platform {
    /// Linux on the architecture of this machine.
    #[must_use]
    pub fn here() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        Self { os: "linux".into(), architecture: architecture.into(), variant: None }
    }

    /// Reads `OS/ARCHITECTURE[/VARIANT]`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/').map(str::to_owned);
        let (os, architecture, variant) = (parts.next()?, parts.next()?, parts.next());
        let is_whole = parts.next().is_none() && !os.is_empty() && !architecture.is_empty();
        is_whole.then_some(Self { os, architecture, variant })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.iter().try_for_each(|variant| write!(f, "/{variant}"))
    }
}

/// A program.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) platform: Platform,
    /// The dynamic loader that it asks for; a static program asks for none.
    pub(super) loader: Option<String>,
}

/// Program header: the path of the dynamic loader.
const INTERPRETER: u32 = 3;
/// More program headers than any program has.
const MOST: u64 = 1024;

impl Program {
    /// Reads the header; nothing when it is no such program.
    pub(super) fn read(path: &Path) -> io::Result<Option<Self>> {
        let file = File::open(path)?;
        let mut head = [0; 64];
        match file.read_exact_at(&mut head, 0) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let (is_wide, is_little) = match (&head[..4], head[4], head[5]) {
            (b"\x7fELF", 1 | 2, 1 | 2) => (head[4] == 2, head[5] == 1),
            _ => return Ok(None),
        };
        let machine = number(&head[18..20], is_little);
        let architecture = match (machine, is_wide, is_little) {
            (62, true, _) => "amd64",
            (183, true, true) => "arm64",
            (40, false, true) => "arm",
            (3, false, _) => "386",
            (243, true, _) => "riscv64",
            (21, true, true) => "ppc64le",
            (22, true, false) => "s390x",
            _ => return Ok(None),
        };
        // The header does not tell the variants of this one apart: this is what Linux is built for nowadays.
        let variant = (machine == 40).then(|| "v7".to_owned());
        let platform = Platform { os: "linux".into(), architecture: architecture.into(), variant };
        Ok(Some(Self { platform, loader: loader(&file, &head, is_wide, is_little)? }))
    }
}

/// The path in the program header for the dynamic loader.
fn loader(file: &File, head: &[u8; 64], is_wide: bool, is_little: bool) -> io::Result<Option<String>> {
    let field = |wide: std::ops::Range<usize>, narrow: std::ops::Range<usize>| {
        number(&head[if is_wide { wide } else { narrow }], is_little)
    };
    let (at, size, count) = (field(32..40, 28..32), field(54..56, 42..44), field(56..58, 44..46));
    for index in 0..count.min(MOST) {
        let mut header = [0; 56];
        let length = if is_wide { 56 } else { 32 };
        let place = at.saturating_add(index * size);
        if file.read_exact_at(&mut header[..length], place).is_err() {
            return Ok(None);
        }
        if number(&header[..4], is_little) == u64::from(INTERPRETER) {
            let of = |wide: std::ops::Range<usize>, narrow: std::ops::Range<usize>| {
                number(&header[if is_wide { wide } else { narrow }], is_little)
            };
            let (from, length) = (of(8..16, 4..8), of(32..40, 16..20).min(4096));
            let mut path = vec![0; usize::try_from(length).unwrap_or_default()];
            file.read_exact_at(&mut path, from)?;
            let path = String::from_utf8_lossy(&path).trim_end_matches('\0').to_owned();
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn number(bytes: &[u8], is_little: bool) -> u64 {
    let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
    if is_little { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_test_is_a_program_for_this_machine_and_a_text_is_none() {
        let own = Program::read(&std::env::current_exe().unwrap()).unwrap().unwrap();
        assert_eq!(own.platform, Platform::here());
        assert_eq!(
            Program::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml").as_path()).unwrap(),
            None
        );
    }

    #[test]
    fn platforms_are_read_in_gos_words() {
        assert_eq!(Platform::parse("linux/arm/v7").unwrap().to_string(), "linux/arm/v7");
        for text in ["linux", "linux/", "/amd64", "a/b/c/d"] {
            assert_eq!(Platform::parse(text), None, "{text}");
        }
    }
}
