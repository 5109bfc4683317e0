//! Compression by blocks, so that every core has a part in it. The blocks are cut by their place alone: the bytes are the same
//! whatever the machine (RFC 1951, RFC 1952; a block ends at a byte, as after a full flush).

use std::io;

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// So many bytes are one block.
pub(super) const BLOCK: usize = 1 << 20;
/// The begin of a gzip member: deflate, no name, no time, no system.
pub(super) const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// The last block: an empty one with the mark that it is the last.
const LAST: [u8; 2] = [3, 0];
/// Fast: the time to compress is in the way of every push, and the last tenth of the size is in the way of few.
const LEVEL: u32 = 1;

/// One block, and the check sum of what is in it.
pub(super) fn block(data: &[u8]) -> io::Result<(Vec<u8>, Crc)> {
    let mut crc = Crc::new();
    crc.update(data);
    let mut compress = Compress::new(Compression::new(LEVEL), false);
    let mut out = Vec::with_capacity(data.len() + data.len() / 8 + 1024);
    loop {
        let done = usize::try_from(compress.total_in()).unwrap_or_default();
        let status = compress.compress_vec(&data[done..], &mut out, FlushCompress::Sync);
        let status = status.map_err(io::Error::other)?;
        let is_all = usize::try_from(compress.total_in()).is_ok_and(|total| total == data.len());
        if is_all && out.len() < out.capacity() {
            return Ok((out, crc));
        }
        if status == Status::BufError || out.len() == out.capacity() {
            out.reserve(data.len() / 4 + 1024);
        }
    }
}

/// What follows the blocks.
pub(super) fn tail(crc: &Crc) -> Vec<u8> {
    let mut tail = LAST.to_vec();
    tail.extend(crc.sum().to_le_bytes());
    tail.extend(crc.amount().to_le_bytes());
    tail
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn blocks_together_are_one_stream_that_others_read() {
        let data: Vec<u8> = (0..3 * BLOCK / 2).map(|n| (n * n / 7 % 251) as u8).collect();
        let mut all = HEAD.to_vec();
        let mut whole = Crc::new();
        for part in data.chunks(BLOCK).chain([&[][..]]) {
            let (bytes, crc) = block(part).unwrap();
            all.extend(bytes);
            whole.combine(&crc);
        }
        all.extend(tail(&whole));
        let mut back = Vec::new();
        flate2::read::GzDecoder::new(all.as_slice()).read_to_end(&mut back).unwrap();
        assert!(back == data);
    }
}
