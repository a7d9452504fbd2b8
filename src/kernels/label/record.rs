//! What is kept on scratch for every slab: a header, then what became of every live component and of every object
//! in the slab's first rows, then the places of the objects in the last rows only.

use super::geometry::{Bounds, MAX_PIXELS};
use super::store::{Store, damaged};
use std::io::Result;

/// The start of a slab's record. What later passes find out is filled in by them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    /// Components alive before the slab.
    pub live: u32,
    /// Objects in the slab's first rows.
    pub head: u32,
    /// Objects in the last rows only.
    pub tail: u32,
    /// All objects of the slab.
    pub objects: u32,
    /// Components alive after the slab.
    pub next_live: u32,
    /// Where the slab's bits lie.
    pub bits_at: u64,
    /// Where it is written which of the components alive after the slab turn out to be one.
    pub future_at: u64,
    /// Where the numbers of the objects on the rim lie.
    pub table_at: u64,
    /// How many objects were born before the slab.
    pub base: u64,
}

impl Header {
    pub const BYTES: usize = 5 * 4 + 4 * 8;

    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let (small, large) = bytes.split_at_mut(20);
        let words = [self.live, self.head, self.tail, self.objects, self.next_live];
        for (target, word) in small.chunks_exact_mut(4).zip(words) {
            target.copy_from_slice(&word.to_le_bytes());
        }
        let words = [self.bits_at, self.future_at, self.table_at, self.base];
        for (target, word) in large.chunks_exact_mut(8).zip(words) {
            target.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| bytes[4 * at + i]));
        let long = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[20 + 8 * at + i]));
        Self {
            live: word(0),
            head: word(1),
            tail: word(2),
            objects: word(3),
            next_live: word(4),
            bits_at: long(0),
            future_at: long(1),
            table_at: long(2),
            base: long(3),
        }
    }

    /// Reads a header and refuses one that would ask for more memory than was billed.
    pub fn read(store: &dyn Store, offset: u64, bounds: &Bounds) -> Result<Self> {
        let mut bytes = [0; Self::BYTES];
        store.read_at(offset, &mut bytes)?;
        let header = Self::from_bytes(&bytes);
        let fits = u64::from(header.live) <= bounds.live
            && u64::from(header.next_live) <= bounds.live
            && u64::from(header.head) <= bounds.head
            && u64::from(header.tail) <= bounds.tail
            && header.rim() <= bounds.rim
            && header.rim() <= u64::from(header.objects)
            && header.base <= MAX_PIXELS;
        if fits { Ok(header) } else { Err(damaged()) }
    }

    /// The number of objects on the slab's rim.
    pub fn rim(&self) -> u64 {
        u64::from(self.head) + u64::from(self.tail)
    }

    /// The number of values after the header that say what became of live components and first objects.
    pub fn elements(&self) -> u64 {
        u64::from(self.live) + u64::from(self.head)
    }
}
