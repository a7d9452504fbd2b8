//! Joining slabs in order to number their objects: what becomes of each is written down on the way.

use super::Labels;
use super::bits::PAD;
use super::geometry::{Bounds, Geometry};
use super::local::Piece;
use super::record::Header;
use super::resolve::resolve;
use super::seam::Seam;
use super::store::{Appender, CHUNK, Store};
use std::io::Result;
use std::sync::Arc;

/// Joins the slabs, which must come in order. Holds what is alive between two slabs, never all objects.
pub struct Merger {
    seam: Seam,
    bits: Arc<dyn Store>,
    records: Arc<dyn Store>,
    next_slab: u64,
    /// Where every slab's record lies.
    index: Vec<u64>,
    buffer: Vec<u8>,
}

impl Merger {
    /// Starts with nothing alive. Bits and records may share a store; only the merger may append to it.
    pub fn new(geometry: &Geometry, bits: Arc<dyn Store>, records: Arc<dyn Store>) -> Self {
        Self {
            seam: Seam::new(geometry),
            bits,
            records,
            next_slab: 0,
            index: Vec::with_capacity(geometry.slabs() as usize),
            buffer: Vec::with_capacity(CHUNK),
        }
    }

    /// The bytes held.
    pub fn bytes(&self) -> u64 {
        (8 * self.index.capacity() + self.buffer.capacity()) as u64 + self.seam.bytes()
    }

    pub(super) fn bill(geometry: &Geometry, bounds: &Bounds) -> u64 {
        8 * geometry.slabs() + CHUNK as u64 + Seam::bill(geometry, bounds)
    }

    /// Takes in the next slab and spills its bits and what became of the live components.
    ///
    /// # Errors
    /// When a store fails, or someone else appends to it.
    ///
    /// # Panics
    /// When the piece is not that of the next slab.
    pub fn merge(&mut self, piece: &Piece) -> Result<()> {
        assert_eq!(piece.slab, self.next_slab, "slabs are merged in order");
        let bits_at = self.bits.append(&piece.bits[..piece.bits.len() - PAD])?;
        self.seam.unite(piece);
        self.seam.mark(piece);
        let survivors = self.seam.settle(|element| element, |_| ());
        self.spill_record(piece, bits_at, survivors)?;
        self.seam.advance(piece, survivors);
        self.next_slab += 1;
        Ok(())
    }

    /// Follows every component to its end and numbers the objects.
    ///
    /// # Errors
    /// When a store fails.
    ///
    /// # Panics
    /// When slabs are missing.
    pub fn finish(self) -> Result<Labels> {
        let Self { seam, bits, records, next_slab, index, buffer } = self;
        let geometry = seam.geometry.clone();
        assert_eq!(next_slab, geometry.slabs(), "all slabs are merged");
        // The bill counts resolving instead of merging.
        drop((seam, buffer));
        let count = resolve(&geometry, &*records, &index)?;
        Ok(Labels::new(geometry, bits, records, index, count))
    }

    fn spill_record(&mut self, piece: &Piece, bits_at: u64, survivors: u32) -> Result<()> {
        let header = Header {
            live: self.seam.live,
            head: piece.head,
            tail: piece.tail_places.len() as u32,
            objects: piece.objects,
            next_live: survivors + piece.tail_places.len() as u32,
            bits_at,
            ..Header::default()
        };
        let mut out = Appender::new(&*self.records, &mut self.buffer);
        out.push(&header.to_bytes())?;
        for value in self.seam.parents.iter().chain(&piece.tail_places) {
            out.push(&value.to_le_bytes())?;
        }
        let offset = out.finish()?;
        self.index.push(offset);
        Ok(())
    }
}
