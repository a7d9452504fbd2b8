//! Scratch: what it must be able to do, and streams of numbers on it.

use std::io::{Error, ErrorKind, Result};
use std::sync::{Arc, PoisonError, RwLock};

/// The size of every stream's buffer.
pub(super) const CHUNK: usize = 32 << 10;

/// A scratch file, or something that behaves like one.
///
/// While a [`Merger`](super::Merger) is at work nobody else may append to its stores; that is checked.
pub trait Store: Send + Sync {
    /// Writes at the end and says where that was.
    ///
    /// # Errors
    /// When the bytes could not be written.
    fn append(&self, bytes: &[u8]) -> Result<u64>;

    /// Fills `out` with the bytes from `offset` on.
    ///
    /// # Errors
    /// When they could not be read, or are not all there.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<()>;

    /// Overwrites bytes that were appended before.
    ///
    /// # Errors
    /// When the bytes could not be written, or were never appended.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()>;
}

impl<S: Store + ?Sized> Store for Arc<S> {
    fn append(&self, bytes: &[u8]) -> Result<u64> {
        (**self).append(bytes)
    }
    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        (**self).read_at(offset, out)
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        (**self).write_at(offset, bytes)
    }
}

/// A store in memory, for tests and for scratch that fits.
#[derive(Debug, Default)]
pub struct MemoryStore {
    bytes: RwLock<Vec<u8>>,
}

impl MemoryStore {
    /// The number of bytes appended so far.
    pub fn len(&self) -> u64 {
        self.bytes.read().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    /// Whether nothing was appended yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Store for MemoryStore {
    fn append(&self, bytes: &[u8]) -> Result<u64> {
        let mut all = self.bytes.write().unwrap_or_else(PoisonError::into_inner);
        let offset = all.len() as u64;
        all.extend_from_slice(bytes);
        Ok(offset)
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let all = self.bytes.read().unwrap_or_else(PoisonError::into_inner);
        let range = offset as usize..offset as usize + out.len();
        let bytes = all.get(range).ok_or(ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let mut all = self.bytes.write().unwrap_or_else(PoisonError::into_inner);
        let range = offset as usize..offset as usize + bytes.len();
        let target = all.get_mut(range).ok_or(ErrorKind::UnexpectedEof)?;
        target.copy_from_slice(bytes);
        Ok(())
    }
}

/// What a read-back that cannot be right is reported as.
pub(super) fn damaged() -> Error {
    Error::new(ErrorKind::InvalidData, "the label scratch does not hold what was written to it")
}

/// An object's number as it is kept: 32 bits where the image cannot hold more objects.
pub(super) trait Number: Copy {
    const BYTES: usize;
    fn new(number: u64) -> Self;
    fn get(self) -> u64;
}

impl Number for u32 {
    const BYTES: usize = 4;
    fn new(number: u64) -> Self {
        number as u32
    }
    fn get(self) -> u64 {
        self.into()
    }
}

impl Number for u64 {
    const BYTES: usize = 8;
    fn new(number: u64) -> Self {
        number
    }
    fn get(self) -> u64 {
        self
    }
}

/// Appends to a store in chunks and makes sure that they lie side by side.
pub(super) struct Appender<'a> {
    store: &'a dyn Store,
    buffer: &'a mut Vec<u8>,
    start: Option<u64>,
    flushed: u64,
}

impl<'a> Appender<'a> {
    /// The buffer must have room for [`CHUNK`] bytes.
    pub fn new(store: &'a dyn Store, buffer: &'a mut Vec<u8>) -> Self {
        buffer.clear();
        Self { store, buffer, start: None, flushed: 0 }
    }

    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        if self.buffer.len() + bytes.len() > CHUNK {
            self.flush()?;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// Writes what is left and says where all of it starts.
    pub fn finish(mut self) -> Result<u64> {
        self.flush()?;
        Ok(self.start.unwrap_or(0))
    }

    fn flush(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let offset = self.store.append(self.buffer)?;
        let start = *self.start.get_or_insert(offset);
        if offset != start + self.flushed {
            return Err(Error::other("someone else appends to the label scratch"));
        }
        self.flushed += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// Reads a given number of 32-bit values in order.
pub(super) struct Values<'a> {
    store: &'a dyn Store,
    buffer: &'a mut Vec<u8>,
    used: usize,
    offset: u64,
    left: u64,
}

impl<'a> Values<'a> {
    /// The buffer must have room for [`CHUNK`] bytes.
    pub fn new(store: &'a dyn Store, buffer: &'a mut Vec<u8>, offset: u64, count: u64) -> Self {
        buffer.clear();
        Self { store, buffer, used: 0, offset, left: count }
    }

    #[inline]
    pub fn next(&mut self) -> Result<u32> {
        if self.used == self.buffer.len() {
            self.refill()?;
        }
        let (bytes, _) = self.buffer[self.used..].as_chunks::<4>();
        self.used += 4;
        bytes.first().map(|bytes| u32::from_le_bytes(*bytes)).ok_or_else(damaged)
    }

    fn refill(&mut self) -> Result<()> {
        let count = self.left.min(CHUNK as u64 / 4);
        self.buffer.resize(count as usize * 4, 0);
        self.store.read_at(self.offset, self.buffer)?;
        self.offset += count * 4;
        self.left -= count;
        self.used = 0;
        Ok(())
    }
}
