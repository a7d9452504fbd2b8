//! Joining slabs in order, and deciding backwards.

use super::super::bits::PAD;
use super::super::geometry::{Bounds, Geometry};
use super::super::seam::Seam;
use super::super::store::{Appender, CHUNK, Store, Values, damaged};
use super::super::union::FLAG;
use super::local::fold;
use super::record::Header;
use super::{FilterPiece, Kept, Rule};
use std::io::Result;
use std::sync::Arc;

/// The verdicts on a component that has ended. In a contest it is instead the place of the component among those of
/// its slab that were the best so far, from 1 on, or `GOES`.
const GOES: u32 = 0;
const STAYS: u32 = 1;

/// Joins the slabs, which must come in order. Holds what is alive between two slabs, never all objects.
pub struct FilterMerger<R: Rule> {
    rule: R,
    seam: Seam,
    bits: Arc<dyn Store>,
    records: Arc<dyn Store>,
    next_slab: u64,
    /// Where every record lies.
    index: Vec<u64>,
    /// What is known of the live components.
    parts: Vec<R::Part>,
    contest: Contest<R>,
    buffer: Vec<u8>,
}

/// The best component that has ended so far.
struct Contest<R: Rule> {
    best: Option<R::Part>,
    /// The record that says so and its verdict there.
    record: u64,
    verdict: u32,
}

impl<R: Rule> Contest<R> {
    fn enter(&mut self, record: u64, part: R::Part) -> u32 {
        if self.best.is_some_and(|best| !R::beats(&part, &best)) {
            return GOES;
        }
        self.best = Some(part);
        self.verdict = if self.record == record { self.verdict + 1 } else { STAYS };
        self.record = record;
        self.verdict
    }
}

impl<R: Rule> FilterMerger<R> {
    /// Starts with nothing alive. Bits and records may share a store; only the merger may append to it.
    pub fn new(geometry: &Geometry, rule: R, bits: Arc<dyn Store>, records: Arc<dyn Store>) -> Self {
        let bounds = geometry.bounds();
        Self {
            rule,
            seam: Seam::new(geometry),
            bits,
            records,
            next_slab: 0,
            index: Vec::with_capacity(record_count(geometry) as usize),
            parts: Vec::with_capacity((bounds.live + bounds.head) as usize),
            contest: Contest { best: None, record: 0, verdict: GOES },
            buffer: Vec::with_capacity(CHUNK),
        }
    }

    /// The bytes held.
    pub fn bytes(&self) -> u64 {
        let own = 8 * self.index.capacity() + self.buffer.capacity() + self.parts.capacity() * size_of::<R::Part>();
        own as u64 + self.seam.bytes()
    }

    pub(super) fn bill(geometry: &Geometry, bounds: &Bounds) -> u64 {
        let parts = size_of::<R::Part>() as u64 * (bounds.live + bounds.head);
        8 * record_count(geometry) + CHUNK as u64 + parts + Seam::bill(geometry, bounds)
    }

    /// Takes in the next slab and spills its bits and what became of the live components.
    ///
    /// # Errors
    /// When a store fails, or someone else appends to it.
    ///
    /// # Panics
    /// When the piece is not that of the next slab.
    pub fn merge(&mut self, piece: &FilterPiece<R::Part>) -> Result<()> {
        let FilterPiece { piece, parts: on_rim, best } = piece;
        assert_eq!(piece.slab, self.next_slab, "slabs are merged in order");
        let bits_at = self.bits.append(&piece.bits[..piece.bits.len() - PAD])?;
        let inside = match best {
            Some(best) => self.contest.enter(self.index.len() as u64, *best),
            None => STAYS,
        };
        let (head, tail) = on_rim.split_at(piece.head as usize);
        self.seam.unite(piece);
        self.parts.extend_from_slice(head);
        fold::<R>(&self.seam.parents, &mut self.parts);
        self.seam.mark(piece);
        let survivors = self.settle();
        self.parts.extend_from_slice(tail);
        let tail = tail.len() as u32;
        let (live, head) = (self.seam.live, piece.head);
        let header = Header { live, head, tail, next_live: survivors + tail, inside, bits_at, ..Header::default() };
        self.spill_record(header)?;
        self.seam.advance(piece, survivors);
        if self.seam.geometry.closes(self.next_slab) {
            self.close()?;
        }
        self.next_slab += 1;
        Ok(())
    }

    /// Ends a periodic frame. What becomes of its components then has a record of its own.
    fn close(&mut self) -> Result<()> {
        self.seam.close();
        fold::<R>(&self.seam.parents, &mut self.parts);
        self.settle();
        self.spill_record(Header { live: self.seam.live, inside: STAYS, ..Header::default() })?;
        self.seam.forget();
        Ok(())
    }

    /// Decides on the components that end here and keeps the parts of the others. Returns how many live on.
    fn settle(&mut self) -> u32 {
        let record = self.index.len() as u64;
        let Self { rule, seam, contest, .. } = self;
        let parts = std::cell::RefCell::new(&mut self.parts);
        let mut lived = 0;
        let survivors = seam.settle(
            |element| {
                let part = parts.borrow()[element as usize];
                if R::CONTEST { contest.enter(record, part) } else { u32::from(rule.keeps(&part)) }
            },
            |element| {
                // Those that live on move to the front, where nobody looks any more.
                let parts = &mut *parts.borrow_mut();
                parts[lived] = parts[element as usize];
                lived += 1;
            },
        );
        self.parts.truncate(survivors as usize);
        survivors
    }

    fn spill_record(&mut self, header: Header) -> Result<()> {
        let mut out = Appender::new(&*self.records, &mut self.buffer);
        out.push(&header.to_bytes())?;
        for value in &self.seam.parents {
            out.push(&value.to_le_bytes())?;
        }
        let offset = out.finish()?;
        self.index.push(offset);
        Ok(())
    }

    /// Follows every component to its end.
    ///
    /// # Errors
    /// When a store fails.
    ///
    /// # Panics
    /// When slabs are missing.
    pub fn finish(self) -> Result<Kept> {
        let Self { seam, bits, records, next_slab, index, parts, contest, buffer, .. } = self;
        let geometry = seam.geometry.clone();
        assert_eq!(next_slab, geometry.slabs(), "all slabs are merged");
        // The bill counts resolving instead of merging.
        drop((seam, parts, buffer));
        let winner = (contest.record, contest.verdict);
        let stays = |record, verdict| {
            if R::CONTEST { verdict != GOES && (record, verdict) == winner } else { verdict == STAYS }
        };
        look_back(&geometry.bounds(), &*records, &index, stays)?;
        Ok(Kept::new(geometry, bits, records, index))
    }
}

pub(super) fn resolve_bill(geometry: &Geometry, bounds: &Bounds) -> u64 {
    2 * bounds.live + 2 * CHUNK as u64 + 8 * record_count(geometry)
}

/// One for every slab, and one for every periodic frame that is closed.
pub(super) fn record_count(geometry: &Geometry) -> u64 {
    geometry.slabs() + geometry.closings()
}

/// Finds, from the last slab to the first, which objects on the rim stay.
fn look_back(bounds: &Bounds, records: &dyn Store, index: &[u64], stays: impl Fn(u64, u32) -> bool) -> Result<()> {
    let mut after: Vec<bool> = Vec::with_capacity(bounds.live as usize);
    let mut before: Vec<bool> = Vec::with_capacity(bounds.live as usize);
    let (mut values, mut table) = (Vec::with_capacity(CHUNK), Vec::with_capacity(CHUNK));
    for (record, offset) in index.iter().enumerate().rev() {
        let record = record as u64;
        let mut header = Header::read(records, *offset, bounds)?;
        if header.next_live as usize != after.len() {
            return Err(damaged());
        }
        let elements = u64::from(header.live) + u64::from(header.head);
        let mut values = Values::new(records, &mut values, *offset + Header::BYTES as u64, elements);
        let mut decide = || -> Result<bool> {
            let value = values.next()?;
            if value & FLAG == 0 {
                return Ok(stays(record, value));
            }
            after.get((value & !FLAG) as usize).copied().ok_or_else(damaged)
        };
        before.clear();
        for _ in 0..header.live {
            before.push(decide()?);
        }
        let mut out = Appender::new(records, &mut table);
        let mut dropped = 0;
        let mut write = |stays: bool| {
            dropped += u32::from(!stays);
            out.push(&[u8::from(stays)])
        };
        for _ in 0..header.head {
            write(decide()?)?;
        }
        for &stays in &after[(header.next_live - header.tail) as usize..] {
            write(stays)?;
        }
        header.table_at = out.finish()?;
        header.dropped = dropped;
        header.inside = u32::from(stays(record, header.inside));
        records.write_at(*offset, &header.to_bytes())?;
        std::mem::swap(&mut after, &mut before);
    }
    Ok(())
}
