//! Entries as a tar, in the POSIX format, which knows names of any length (`pax`).

use std::fs::File;
use std::io::{self, Read as _, Write};

use super::entries::{Entries, Entry};

const BLOCK: usize = 512;
/// The largest size that a header holds in its twelve octal digits.
const LARGEST: u64 = 0o777_7777_7777;
/// So much of a file is read at once, in bytes.
const PART: usize = 256 << 10;

/// Writes all entries, with one time for all of them. `seen` is given each file's bytes in order, and nothing at its end.
pub(super) fn write(
    entries: &Entries,
    time: i64,
    out: &mut dyn Write,
    seen: &mut dyn FnMut(&str, Option<&[u8]>),
) -> io::Result<()> {
    for (name, entry) in &entries.0 {
        match entry {
            Entry::Directory => header(out, &format!("{name}/"), b'5', 0o755, 0, time, "")?,
            Entry::Link(target) => header(out, name, b'2', 0o777, 0, time, target)?,
            Entry::File { source, size, is_program } => {
                let mode = if *is_program { 0o755 } else { 0o644 };
                header(out, name, b'0', mode, *size, time, "")?;
                let mut file = File::open(source)?.take(*size);
                let mut part = vec![0; PART];
                let mut left = *size;
                while left > 0 {
                    let read = file.read(&mut part)?;
                    if read == 0 {
                        let why = format!("{} became shorter while it was read", source.display());
                        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
                    }
                    seen(name, Some(&part[..read]));
                    out.write_all(&part[..read])?;
                    left -= read as u64;
                }
                seen(name, None);
                fill(out, *size)?;
            }
        }
    }
    out.write_all(&[0; 2 * BLOCK])
}

/// Fills up to a whole block.
fn fill(out: &mut dyn Write, size: u64) -> io::Result<()> {
    let over = usize::try_from(size % BLOCK as u64).unwrap_or_default();
    if over > 0 { out.write_all(&[0; BLOCK][over..]) } else { Ok(()) }
}

/// A header, with an extended one before it where something does not fit.
fn header(
    out: &mut dyn Write,
    name: &str,
    kind: u8,
    mode: u32,
    size: u64,
    time: i64,
    link: &str,
) -> io::Result<()> {
    let fits = |text: &str| text.len() <= 100 && text.is_ascii();
    let mut more = String::new();
    if !fits(name) {
        more += &record("path", name);
    }
    if !fits(link) {
        more += &record("linkpath", link);
    }
    if size > LARGEST {
        more += &record("size", &size.to_string());
    }
    if !more.is_empty() {
        out.write_all(&block("PaxHeaders", b'x', 0o644, more.len() as u64, time, ""))?;
        out.write_all(more.as_bytes())?;
        fill(out, more.len() as u64)?;
    }
    out.write_all(&block(name, kind, mode, size.min(LARGEST), time, link))
}

fn block(name: &str, kind: u8, mode: u32, size: u64, time: i64, link: &str) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    // What is too long, or not in ASCII, stands whole in the extended header.
    let short = |text: &str| -> Vec<u8> {
        text.bytes().take(100).map(|byte| if byte.is_ascii() { byte } else { b'_' }).collect()
    };
    put(0, &short(name));
    put(100, format!("{mode:07o}\0").as_bytes());
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, format!("{:011o}\0", time.clamp(0, 0o777_7777_7777)).as_bytes());
    put(148, b"        ");
    put(156, &[kind]);
    put(157, &short(link));
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// A record of an extended header: it begins with its own length.
fn record(key: &str, value: &str) -> String {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len() + 1;
    while length.to_string().len() + rest.len() != length {
        length = length.to_string().len() + rest.len();
    }
    format!("{length}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_its_own_length() {
        assert_eq!(record("path", "x"), "9 path=x\n");
        for length in [1, 88, 89, 90, 91, 92, 93, 990, 991, 992, 993, 994] {
            let text = record("path", &"x".repeat(length));
            let told: usize = text.split_once(' ').unwrap().0.parse().unwrap();
            assert_eq!(told, text.len());
        }
    }
}
