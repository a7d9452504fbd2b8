//! What is kept on scratch for every slab: a header, then what becomes of every component that was alive before it and
//! of every object in its first rows; and once that is known, a byte for every object on its rim.

use super::super::geometry::{Bounds, Geometry};
use super::super::store::{Store, damaged};
use std::io::Result;

/// The start of a slab's record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    /// Components alive before the slab.
    pub live: u32,
    /// Objects in the slab's first rows.
    pub head: u32,
    /// Objects in the last rows only.
    pub tail: u32,
    /// Components alive after the slab.
    pub next_live: u32,
    /// The verdict on the objects that are not on the rim and whose bits are set.
    pub inside: u32,
    /// How many objects on the rim go; found last.
    pub dropped: u32,
    /// Where the slab's bits lie.
    pub bits_at: u64,
    /// Where it is written which objects on the rim stay; found last.
    pub table_at: u64,
}

impl Header {
    pub const BYTES: usize = 6 * 4 + 2 * 8;

    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let (small, large) = bytes.split_at_mut(24);
        let words = [self.live, self.head, self.tail, self.next_live, self.inside, self.dropped];
        for (target, word) in small.chunks_exact_mut(4).zip(words) {
            target.copy_from_slice(&word.to_le_bytes());
        }
        for (target, word) in large.chunks_exact_mut(8).zip([self.bits_at, self.table_at]) {
            target.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Reads a header and refuses one that would ask for more memory than was billed.
    pub fn read(store: &dyn Store, offset: u64, bounds: &Bounds) -> Result<Self> {
        let mut bytes = [0; Self::BYTES];
        store.read_at(offset, &mut bytes)?;
        let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| bytes[4 * at + i]));
        let long = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[24 + 8 * at + i]));
        let header = Self {
            live: word(0),
            head: word(1),
            tail: word(2),
            next_live: word(3),
            inside: word(4),
            dropped: word(5),
            bits_at: long(0),
            table_at: long(1),
        };
        let fits = u64::from(header.live) <= bounds.live
            && u64::from(header.next_live) <= bounds.live
            && u64::from(header.head) <= bounds.head
            && header.tail <= header.next_live
            && header.rim() <= bounds.rim;
        if fits { Ok(header) } else { Err(damaged()) }
    }

    /// The number of objects on the slab's rim.
    pub fn rim(&self) -> u64 {
        u64::from(self.head) + u64::from(self.tail)
    }
}

/// Both stores at their end: every slab's bits and header, a word for every component alive across a seam and every
/// object in a slab's first rows, a byte for every object on a rim.
pub(super) fn scratch_bytes(geometry: &Geometry, bounds: &Bounds) -> u64 {
    let slab = bounds.slab_bits + Header::BYTES as u64 + 4 * bounds.head + bounds.rim;
    let seams = geometry.slabs().saturating_sub(1) + geometry.closings();
    let closings = geometry.closings().saturating_mul(Header::BYTES as u64);
    let slabs = geometry.slabs().saturating_mul(slab).saturating_add(closings);
    slabs.saturating_add(seams.saturating_mul(4 * bounds.live))
}
