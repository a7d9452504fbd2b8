//! The index of a shard: where each chunk of it lies in the file.

use super::array::Shard;
use crate::error::{Error, Result};
use crate::sys;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Larger indices are not kept but looked up in the file.
const KEPT: u64 = 256 << 10;

/// At most so many shards are known at a time.
const SHARDS: u64 = 16;

/// A piece of an index that is only checked.
const PIECE: usize = 16 << 10;

/// What [`Shards`] may hold for that index.
pub(super) fn memory(shard: &Shard) -> u64 {
    kept(shard) * shard.bytes().min(KEPT) + PIECE as u64
}

fn kept(shard: &Shard) -> u64 {
    (KEPT / shard.bytes().max(1)).clamp(1, SHARDS)
}

/// The shards that one reader has open, the latest last.
pub(super) struct Shards {
    shard: Shard,
    open: Vec<Open>,
}

struct Open {
    path: PathBuf,
    /// `None` for a shard that does not exist: all its chunks are missing.
    file: Option<File>,
    len: u64,
    /// The index; empty if it is looked up in the file.
    index: Vec<u8>,
}

/// Where a chunk lies.
pub(super) struct Place<'a> {
    pub file: &'a File,
    pub offset: u64,
    pub len: u64,
}

impl Shards {
    pub fn new(shard: &Shard) -> Self {
        Shards { shard: shard.clone(), open: Vec::new() }
    }

    /// The place of a chunk, by its number in the shard; `None` if it is missing.
    ///
    /// # Errors
    /// When the shard cannot be read or its index is corrupt.
    pub fn place(&mut self, path: &Path, chunk: u64) -> Result<Option<Place<'_>>> {
        match self.open.iter().position(|o| o.path == path) {
            Some(i) => self.open[i..].rotate_left(1),
            None => {
                if self.open.len() as u64 >= kept(&self.shard) {
                    self.open.remove(0);
                }
                let open = Open::new(path, &self.shard)?;
                self.open.push(open);
            }
        }
        match self.open.last() {
            Some(open) => open.place(&self.shard, chunk),
            None => Ok(None),
        }
    }
}

impl Open {
    fn new(path: &Path, shard: &Shard) -> Result<Self> {
        let path = path.to_path_buf();
        let (file, len) = match open_file(&path)? {
            Some((file, len)) => (file, len),
            None => return Ok(Open { path, file: None, len: 0, index: Vec::new() }),
        };
        let whole = shard.bytes() + 4 * shard.sums;
        if len < whole {
            return Err(Error::format(path, format!("is cut off: {len} bytes are too few for a shard's index")));
        }
        let mut open = Open { path, file: Some(file), len, index: Vec::new() };
        open.load(shard)?;
        Ok(open)
    }

    fn index_start(&self, shard: &Shard) -> u64 {
        if shard.at_start { 0 } else { self.len - shard.bytes() - 4 * shard.sums }
    }

    /// Reads the index if it is small; checks it in any case.
    fn load(&mut self, shard: &Shard) -> Result<()> {
        let (start, bytes) = (self.index_start(shard), shard.bytes());
        let small = bytes <= KEPT;
        let mut buffer = vec![0; if small { bytes as usize } else { PIECE }];
        let mut sum = 0;
        let mut at = 0;
        while at < bytes && (small || shard.sums > 0) {
            let n = (bytes - at).min(buffer.len() as u64) as usize;
            self.read(start + at, &mut buffer[..n])?;
            sum = crc32c::crc32c_append(sum, &buffer[..n]);
            at += n as u64;
        }
        for i in 0..shard.sums {
            let mut stored = [0; 4];
            self.read(start + bytes + 4 * i, &mut stored)?;
            if stored != sum.to_le_bytes() {
                return Err(Error::format(&self.path, "is damaged: the checksum of its shard index does not match"));
            }
            sum = crc32c::crc32c_append(sum, &stored);
        }
        if small {
            self.index = buffer;
        }
        Ok(())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        sys::read_exact_at(file, out, offset).map_err(|e| Error::io(&self.path, "cannot be read", e))
    }

    fn place(&self, shard: &Shard, chunk: u64) -> Result<Option<Place<'_>>> {
        let Some(file) = &self.file else { return Ok(None) };
        let mut entry = [0; 16];
        let at = usize::try_from(chunk * 16).ok();
        match at.and_then(|at| self.index.get(at..at + 16)) {
            Some(bytes) => entry.copy_from_slice(bytes),
            None => self.read(self.index_start(shard) + chunk * 16, &mut entry)?,
        }
        let number = |bytes: &[u8]| {
            let mut eight = [0; 8];
            eight.copy_from_slice(bytes);
            let n = u64::from_ne_bytes(eight);
            if shard.swapped { n.swap_bytes() } else { n }
        };
        let (offset, len) = (number(&entry[..8]), number(&entry[8..]));
        if (offset, len) == (u64::MAX, u64::MAX) {
            return Ok(None);
        }
        if offset.checked_add(len).is_none_or(|end| end > self.len) {
            let what = format!("is damaged: its chunk {chunk} is said to lie beyond its end");
            return Err(Error::format(&self.path, what));
        }
        Ok(Some(Place { file, offset, len }))
    }
}

/// The file and its length, or `None` if there is none.
pub(super) fn open_file(path: &Path) -> Result<Option<(File, u64)>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io(path, "cannot be opened", e)),
    };
    let len = file.metadata().map_err(|e| Error::io(path, "cannot be examined", e))?.len();
    Ok(Some((file, len)))
}
