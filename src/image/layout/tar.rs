//! What is where in a tar: only its headers are read
//! (POSIX `pax` interchange format, <https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html>).

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

const BLOCK: u64 = 512;
/// Where in a header its mark is.
const MARK: std::ops::Range<usize> = 257..262;

/// Whether a file begins as a tar does.
pub(super) fn is_tar(path: &Path) -> bool {
    let mut header = [0; 512];
    File::open(path).and_then(|file| file.read_exact_at(&mut header, 0)).is_ok() && &header[MARK] == b"ustar"
}

/// Each regular file by its name, with where it begins and its size, in bytes. The names in a layout are short: extended headers
/// are passed over.
pub(super) fn contents(file: &File) -> io::Result<BTreeMap<String, (u64, u64)>> {
    let end = file.metadata()?.len();
    let mut found = BTreeMap::new();
    let mut at = 0;
    while at + BLOCK <= end {
        let mut header = [0; 512];
        file.read_exact_at(&mut header, at)?;
        if header.iter().all(|byte| *byte == 0) {
            break;
        }
        if &header[MARK] != b"ustar" {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("there is no header at byte {at}"),
            ));
        }
        let size = number(&header[124..136]).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, format!("the header at byte {at} has no size"))
        })?;
        at += BLOCK;
        if at.checked_add(size).is_none_or(|after| after > end) {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ends in the middle of a file"));
        }
        if matches!(header[156], b'0' | 0) {
            let name = text(&header[..100]);
            let prefix = text(&header[345..500]);
            let whole = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            found.insert(whole.trim_start_matches("./").to_owned(), (at, size));
        }
        at += size.div_ceil(BLOCK) * BLOCK;
    }
    Ok(found)
}

fn text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

/// A number in octal digits, or where it is large, in binary.
fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        return Some(field[4..].iter().fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte)));
    }
    let digits = text(field);
    u64::from_str_radix(digits.trim(), 8).ok()
}
