//! Giving every pixel its object's number.

use super::bits::PAD;
use super::geometry::{Bounds, Geometry};
use super::local::{LocalScratch, read_row};
use super::record::Header;
use super::store::{Store, damaged};
use super::union::settle;
use std::io::{Error, Result};
use std::ops::Range;
use std::sync::Arc;

/// The finished labels, as bits and tables on scratch. Slabs can be had in any order and at the same time.
pub struct Labels {
    geometry: Geometry,
    bits: Arc<dyn Store>,
    records: Arc<dyn Store>,
    index: Vec<u64>,
    count: u64,
}

/// What a worker needs to label the pixels of a slab; reused from slab to slab.
#[derive(Debug)]
pub struct ApplyScratch {
    local: LocalScratch,
    bits: Vec<u8>,
    table: Vec<u8>,
}

/// The numbers of a slab's objects, given by what their runs are named.
///
/// A name below the number of objects on the rim is a place in the table; the others are born here in the order of
/// their names, the rim's newborn ones counted.
struct Numbers<'a> {
    table: &'a [u8],
    wide: bool,
    rim: u32,
    base: u64,
}

impl ApplyScratch {
    /// Allocates for the largest slab.
    pub fn new(geometry: &Geometry) -> Self {
        let bounds = geometry.bounds();
        Self {
            local: LocalScratch::new(geometry),
            bits: Vec::with_capacity(bounds.slab_bits as usize + PAD),
            table: Vec::with_capacity(entry_bytes(geometry) * bounds.rim as usize),
        }
    }

    /// The bytes held.
    pub fn bytes(&self) -> u64 {
        self.local.bytes() + (self.bits.capacity() + self.table.capacity()) as u64
    }

    pub(super) fn bill(geometry: &Geometry, bounds: &Bounds) -> u64 {
        let table = entry_bytes(geometry) as u64 * bounds.rim;
        LocalScratch::bill(geometry, bounds) + bounds.slab_bits + PAD as u64 + table
    }
}

impl Labels {
    pub(super) fn new(
        geometry: Geometry,
        bits: Arc<dyn Store>,
        records: Arc<dyn Store>,
        index: Vec<u64>,
        count: u64,
    ) -> Self {
        Self { geometry, bits, records, index, count }
    }

    /// The number of objects.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The image and its slabs.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The rows of a slab.
    pub fn rows(&self, slab: u64) -> Range<u64> {
        self.geometry.slab_rows(slab)
    }

    /// Writes the labels of a slab's pixels, 0 for background.
    ///
    /// # Errors
    /// When a store fails, or there are more objects than 32 bits can number.
    ///
    /// # Panics
    /// When `out` is not as long as the slab, or there is no such slab.
    pub fn apply_u32(&self, slab: u64, scratch: &mut ApplyScratch, out: &mut [u32]) -> Result<()> {
        if self.count > u64::from(u32::MAX) {
            let problem = format!("{} objects are too many for 32-bit labels", self.count);
            return Err(Error::other(problem));
        }
        self.apply(slab, scratch, out, |number| number as u32)
    }

    /// Writes the labels of a slab's pixels, 0 for background.
    ///
    /// # Errors
    /// When a store fails.
    ///
    /// # Panics
    /// When `out` is not as long as the slab, or there is no such slab.
    pub fn apply_u64(&self, slab: u64, scratch: &mut ApplyScratch, out: &mut [u64]) -> Result<()> {
        self.apply(slab, scratch, out, |number| number)
    }

    fn apply<T: Copy + Default>(
        &self,
        slab: u64,
        scratch: &mut ApplyScratch,
        out: &mut [T],
        pixel: impl Fn(u64) -> T,
    ) -> Result<()> {
        assert!(slab < self.geometry.slabs(), "there is no slab {slab}");
        assert_eq!(out.len(), self.geometry.slab_pixels(slab), "slab {slab}'s labels");
        let header = self.load(slab, scratch)?;
        let ApplyScratch { local, bits, table } = scratch;
        local.unite_slab(&self.geometry, slab, bits, |_, _| ());
        local.mark_tail(&self.geometry, slab);
        let numbers = Numbers { table, wide: self.geometry.wide, rim: header.rim() as u32, base: header.base };
        self.name_runs(slab, local, &header, &numbers)?;
        self.paint(local, bits, &numbers, out, pixel);
        Ok(())
    }

    /// Reads a slab's bits and table.
    fn load(&self, slab: u64, scratch: &mut ApplyScratch) -> Result<Header> {
        let bounds = self.geometry.bounds();
        let header = Header::read(&*self.records, self.index[slab as usize], &bounds)?;
        let len = self.geometry.slab_pixels(slab).div_ceil(8);
        scratch.bits.clear();
        scratch.bits.resize(len + PAD, 0);
        self.bits.read_at(header.bits_at, &mut scratch.bits[..len])?;
        let len = header.rim() as usize * entry_bytes(&self.geometry);
        scratch.table.resize(len, 0);
        self.records.read_at(header.table_at, &mut scratch.table)?;
        Ok(header)
    }

    /// Names the runs as [`Numbers`] wants it.
    fn name_runs(&self, slab: u64, local: &mut LocalScratch, header: &Header, numbers: &Numbers<'_>) -> Result<()> {
        let head_runs = local.head_runs(&self.geometry, slab);
        let (mut rim, mut born) = (0, 0);
        settle(&mut local.parents, |run, in_tail| {
            if (run as usize) < head_runs || in_tail {
                rim += 1;
                // A number that nothing before it had was given out here.
                let next = header.base + u64::from(born) + 1;
                born += u32::from(numbers.get(rim - 1) == next);
                rim - 1
            } else {
                born += 1;
                header.rim() as u32 + born - 1
            }
        });
        if u64::from(rim) == header.rim() { Ok(()) } else { Err(damaged()) }
    }

    fn paint<T: Copy + Default>(
        &self,
        local: &mut LocalScratch,
        bits: &[u8],
        numbers: &Numbers<'_>,
        out: &mut [T],
        pixel: impl Fn(u64) -> T,
    ) {
        let mut names = local.parents.iter();
        let rows = out.chunks_exact_mut(self.geometry.width() as usize);
        for (row, pixels) in (0..).zip(rows) {
            pixels.fill(T::default());
            read_row(&self.geometry, bits, row, &mut local.row);
            let (runs, _) = local.row.as_chunks::<2>();
            for ([start, end], name) in runs.iter().zip(&mut names) {
                let value = pixel(numbers.get(*name));
                pixels[*start as usize..*end as usize].fill(value);
            }
        }
    }
}

impl Numbers<'_> {
    /// A damaged table can have too few entries; the caller counts them, so any number will do.
    #[inline]
    fn get(&self, name: u32) -> u64 {
        if name >= self.rim {
            return self.base + 1 + u64::from(name - self.rim);
        }
        let place = name as usize;
        if self.wide {
            u64::from_le_bytes(self.table.as_chunks().0[place])
        } else {
            u32::from_le_bytes(self.table.as_chunks().0[place]).into()
        }
    }
}

fn entry_bytes(geometry: &Geometry) -> usize {
    if geometry.wide { 8 } else { 4 }
}
