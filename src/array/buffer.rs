//! Aligned bytes whose memory goes back to the system when they are dropped.

use crate::error::{Error, Result};
use memmap2::MmapMut;

/// From this size on a buffer is its own mapping: the allocator would keep freed buffers of this size, and its idea
/// of resident memory is not ours.
const MAPPED_FROM: usize = 64 << 10;

#[repr(C, align(64))]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Line([u8; 64]);

/// A fixed number of bytes, zero at first, aligned for every element type and SIMD width.
pub struct Buffer {
    store: Store,
    len: usize,
}

enum Store {
    Heap(Vec<Line>),
    Mapped(MmapMut),
}

impl Buffer {
    /// That many zero bytes. Pages of large buffers become resident when first touched.
    ///
    /// # Errors
    /// [`Error::Usage`] when the system has no address space left.
    pub fn new(len: usize) -> Result<Self> {
        let store = if len < MAPPED_FROM {
            Store::Heap(vec![Line([0; 64]); len.div_ceil(64)])
        } else {
            let map = MmapMut::map_anon(len).map_err(|e| Error::Usage(format!("cannot map {len} bytes: {e}")))?;
            Store::Mapped(map)
        };
        Ok(Buffer { store, len })
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        match &self.store {
            Store::Heap(lines) => &bytemuck::cast_slice(lines)[..self.len],
            Store::Mapped(map) => &map[..],
        }
    }

    /// The bytes, to be written.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        match &mut self.store {
            Store::Heap(lines) => &mut bytemuck::cast_slice_mut(lines)[..self.len],
            Store::Mapped(map) => &mut map[..],
        }
    }
}

impl Default for Buffer {
    fn default() -> Self {
        Buffer { store: Store::Heap(Vec::new()), len: 0 }
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer({} bytes)", self.len)
    }
}
