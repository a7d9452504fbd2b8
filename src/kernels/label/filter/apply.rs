//! Giving back the pixels that stay.

use super::super::bits::{PAD, unpack};
use super::super::geometry::{Bounds, Geometry};
use super::super::local::LocalScratch;
use super::super::store::{Store, damaged};
use super::super::union::settle;
use super::record::Header;
use std::io::Result;
use std::sync::Arc;

/// The name of runs that go.
const GOES: u32 = 0;

/// The components that stay, as bits and tables on scratch. Slabs can be had in any order and at the same time.
pub struct Kept {
    geometry: Geometry,
    bits: Arc<dyn Store>,
    records: Arc<dyn Store>,
    index: Vec<u64>,
}

/// What a worker needs to give back the pixels of a slab; reused from slab to slab.
#[derive(Debug)]
pub struct KeptScratch {
    local: LocalScratch,
    bits: Vec<u8>,
    table: Vec<u8>,
}

impl KeptScratch {
    /// Allocates for the largest slab.
    pub fn new(geometry: &Geometry) -> Self {
        let bounds = geometry.bounds();
        Self {
            local: LocalScratch::new(geometry),
            bits: Vec::with_capacity(bounds.slab_bits as usize + PAD),
            table: Vec::with_capacity(bounds.rim as usize),
        }
    }

    /// The bytes held.
    pub fn bytes(&self) -> u64 {
        self.local.bytes() + (self.bits.capacity() + self.table.capacity()) as u64
    }

    pub(super) fn bill(geometry: &Geometry, bounds: &Bounds) -> u64 {
        LocalScratch::bill(geometry, bounds) + bounds.slab_bits + PAD as u64 + bounds.rim
    }
}

impl Kept {
    pub(super) fn new(geometry: Geometry, bits: Arc<dyn Store>, records: Arc<dyn Store>, index: Vec<u64>) -> Self {
        Self { geometry, bits, records, index }
    }

    /// The image and its slabs.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Writes a slab's pixels: 1 where a component stays, else 0.
    ///
    /// # Errors
    /// When a store fails.
    ///
    /// # Panics
    /// When `out` is not as long as the slab, or there is no such slab.
    pub fn apply(&self, slab: u64, scratch: &mut KeptScratch, out: &mut [u8]) -> Result<()> {
        assert!(slab < self.geometry.slabs(), "there is no slab {slab}");
        assert_eq!(out.len(), self.geometry.slab_pixels(slab), "the pixels of slab {slab}");
        let record = self.index[(slab + self.geometry.closings_before(slab)) as usize];
        let header = Header::read(&*self.records, record, &self.geometry.bounds())?;
        let KeptScratch { local, bits, table } = scratch;
        let len = out.len().div_ceil(8);
        bits.clear();
        bits.resize(len + PAD, 0);
        self.bits.read_at(header.bits_at, &mut bits[..len])?;
        let inside = header.inside != 0;
        if header.dropped > 0 || !inside {
            table.resize(header.rim() as usize, 0);
            self.records.read_at(header.table_at, table)?;
            local.unite_slab(&self.geometry, slab, bits, |_, _| ());
            local.mark_tail(&self.geometry, slab);
            self.name_runs(slab, local, table, inside)?;
            self.geometry.erase(slab, bits, local, GOES);
        }
        unpack(bits, out);
        Ok(())
    }

    /// Names the runs by whether they stay.
    fn name_runs(&self, slab: u64, local: &mut LocalScratch, table: &[u8], inside: bool) -> Result<()> {
        let head_runs = local.head_runs(&self.geometry, slab);
        let mut rim = 0;
        settle(&mut local.parents, |run, in_tail| {
            if (run as usize) >= head_runs && !in_tail {
                return u32::from(inside);
            }
            rim += 1;
            table.get(rim - 1).map_or(GOES, |stays| u32::from(*stays != 0))
        });
        if rim == table.len() { Ok(()) } else { Err(damaged()) }
    }
}
