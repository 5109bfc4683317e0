//! A layer: entries as a tar, summed and compressed while it is written, with every core.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use flate2::Crc;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::entries::{Entries, Entry};
use super::{gzip, tar};
use crate::registry::Content;

/// So many blocks wait for each who works on them: with [`gzip::BLOCK`] it bounds the memory.
const WAITING: usize = 3;
/// More threads than that do not help: the tar is read by one.
const MOST_THREADS: usize = 8;

/// A layer in a file without a name.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) is_compressed: bool,
    pub(super) digest: String,
    pub(super) size: u64,
    /// Digest of the tar, before it was compressed.
    pub(super) diff_id: String,
    pub(super) content: Content,
    pub(super) files: Vec<Sums>,
    /// The dynamic loader that its program asks for.
    pub(super) loader: Option<String>,
}

/// A file in a layer.
#[derive(Debug)]
pub(super) struct Sums {
    pub(super) name: String,
    pub(super) sha1: String,
    pub(super) sha256: String,
}

type Block = Arc<Vec<u8>>;
type Done = (usize, Vec<u8>, Crc);

/// Writes a layer.
pub(super) fn write(entries: &Entries, time: i64, is_compressed: bool) -> io::Result<Layer> {
    let file = tempfile::tempfile()?;
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    let (to_sum, summed) = sync_channel::<Block>(WAITING);
    let (to_pack, packed) = sync_channel::<(usize, Block)>(WAITING);
    let (to_write, written) = sync_channel::<Done>(WAITING);
    let packed = Mutex::new(packed);
    let mut files = Sum::default();
    let (made, diff_id, stored) = thread::scope(|scope| {
        let diff_id = scope.spawn(move || sum(&summed));
        let own = &file;
        let stored = scope.spawn(move || store(own, &written, is_compressed));
        for _ in 0..threads {
            let to_write = to_write.clone();
            let packed = &packed;
            scope.spawn(move || pack(packed, &to_write, is_compressed));
        }
        drop(to_write);
        let mut blocks = Blocks { to_sum, to_pack, open: Vec::new(), count: 0 };
        let made = tar::write(entries, time, &mut blocks, &mut |name, part| files.take(name, part));
        let made = made.and_then(|()| blocks.flush());
        drop(blocks);
        (made, diff_id.join(), stored.join())
    });
    made?;
    let panicked = |_| io::Error::other("a thread ended before its time");
    let (digest, size) = stored.map_err(panicked)??;
    let diff_id = diff_id.map_err(panicked)?;
    let content = Content::File { file: Arc::new(file), at: 0, is_sure: true };
    debug_assert!(
        entries.0.values().filter(|entry| matches!(entry, Entry::File { .. })).count() == files.done.len()
    );
    Ok(Layer { is_compressed, digest, size, diff_id, content, files: files.done, loader: None })
}

/// Cuts what is written to it into blocks.
struct Blocks {
    to_sum: SyncSender<Block>,
    to_pack: SyncSender<(usize, Block)>,
    open: Vec<u8>,
    count: usize,
}

impl Write for Blocks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = gzip::BLOCK - self.open.len();
        let taken = room.min(bytes.len());
        self.open.extend_from_slice(&bytes[..taken]);
        if self.open.len() == gzip::BLOCK {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.open.is_empty() {
            return Ok(());
        }
        let block = Arc::new(std::mem::replace(&mut self.open, Vec::with_capacity(gzip::BLOCK)));
        let gone = |()| io::Error::other("the layer cannot be written any more");
        self.to_sum.send(Arc::clone(&block)).map_err(|_| gone(()))?;
        self.to_pack.send((self.count, block)).map_err(|_| gone(()))?;
        self.count += 1;
        Ok(())
    }
}

fn sum(blocks: &Receiver<Block>) -> String {
    let mut hasher = Sha256::new();
    blocks.iter().for_each(|block| hasher.update(block.as_slice()));
    format!("sha256:{}", hex::encode(hasher.finalize()))
}

/// Takes blocks as they come until there are no more; also when they are of no use any more, for else the reader would wait for ever.
fn pack(blocks: &Mutex<Receiver<(usize, Block)>>, done: &SyncSender<Done>, is_compressed: bool) {
    loop {
        let next = blocks.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((index, block)) = next else { return };
        let packed = match is_compressed {
            true => gzip::block(&block),
            false => Ok((block.to_vec(), Crc::new())),
        };
        // Without its block the writer sees a gap, and says so.
        if let Ok((bytes, crc)) = packed {
            let _ = done.send((index, bytes, crc));
        }
    }
}

/// Writes the blocks in their order; digest and size of the whole.
fn store(mut file: &File, done: &Receiver<Done>, is_compressed: bool) -> io::Result<(String, u64)> {
    let (mut hasher, mut size, mut whole) = (Sha256::new(), 0, Crc::new());
    let mut put = |bytes: &[u8]| -> io::Result<()> {
        hasher.update(bytes);
        size += bytes.len() as u64;
        file.write_all(bytes)
    };
    if is_compressed {
        put(&gzip::HEAD)?;
    }
    let (mut early, mut next) = (BTreeMap::new(), 0);
    for (index, bytes, crc) in done {
        early.insert(index, (bytes, crc));
        while let Some((bytes, crc)) = early.remove(&next) {
            put(&bytes)?;
            whole.combine(&crc);
            next += 1;
        }
    }
    if !early.is_empty() {
        return Err(io::Error::other("a block could not be compressed"));
    }
    if is_compressed {
        put(&gzip::tail(&whole))?;
    }
    Ok((format!("sha256:{}", hex::encode(hasher.finalize())), size))
}

/// Sums of files, as their bytes go by.
#[derive(Default)]
struct Sum {
    sha1: Sha1,
    sha256: Sha256,
    done: Vec<Sums>,
}

impl Sum {
    fn take(&mut self, name: &str, part: Option<&[u8]>) {
        match part {
            Some(part) => {
                self.sha1.update(part);
                self.sha256.update(part);
            }
            None => self.done.push(Sums {
                name: name.to_owned(),
                sha1: hex::encode(self.sha1.finalize_reset()),
                sha256: hex::encode(self.sha256.finalize_reset()),
            }),
        }
    }
}
