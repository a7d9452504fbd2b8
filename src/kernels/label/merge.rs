//! Joining slabs in order: what is alive between them, and what becomes of it.

use super::Labels;
use super::bits::{BitQueue, PAD, runs};
use super::geometry::{Bounds, Geometry};
use super::local::{Piece, read_row};
use super::record::Header;
use super::resolve::resolve;
use super::store::{Appender, CHUNK, Store};
use super::union::{FLAG, join, mark, settle, unite};
use std::io::Result;
use std::sync::Arc;

/// The rows before the next slab that it can touch.
#[derive(Debug)]
struct Frontier {
    bits: BitQueue,
    /// The index of every row's first run, and the number of runs.
    row_first: Vec<u32>,
    /// The live component every run belongs to.
    components: Vec<u32>,
}

/// Joins the slabs, which must come in order. Holds what is alive between two slabs, never all objects.
pub struct Merger {
    geometry: Geometry,
    bits: Arc<dyn Store>,
    records: Arc<dyn Store>,
    next_slab: u64,
    /// Where every slab's record lies.
    index: Vec<u64>,
    frontier: Frontier,
    /// The number of live components, numbered in the order of their first pixels.
    live: u32,
    /// The forest over the live components and then the slab's first objects; later, what becomes of them.
    parents: Vec<u32>,
    row: Vec<u32>,
    above: Vec<u32>,
    buffer: Vec<u8>,
}

impl Merger {
    /// Starts with nothing alive. Bits and records may share a store; only the merger may append to it.
    pub fn new(geometry: &Geometry, bits: Arc<dyn Store>, records: Arc<dyn Store>) -> Self {
        let bounds = geometry.bounds();
        let edges = || Vec::with_capacity(2 * bounds.row_runs as usize);
        Self {
            geometry: geometry.clone(),
            bits,
            records,
            next_slab: 0,
            index: Vec::with_capacity(geometry.slabs() as usize),
            frontier: Frontier::new(geometry, &bounds),
            live: 0,
            parents: Vec::with_capacity((bounds.live + bounds.head) as usize),
            row: edges(),
            above: edges(),
            buffer: Vec::with_capacity(CHUNK),
        }
    }

    /// The bytes held.
    pub fn bytes(&self) -> u64 {
        let words = self.parents.capacity() + self.row.capacity() + self.above.capacity();
        let own = 8 * self.index.capacity() + 4 * words + self.buffer.capacity();
        own as u64 + self.frontier.bytes()
    }

    pub(super) fn bill(geometry: &Geometry, bounds: &Bounds) -> u64 {
        let words = bounds.live + bounds.head + 2 * 2 * bounds.row_runs;
        8 * geometry.slabs() + 4 * words + CHUNK as u64 + Frontier::bill(geometry, bounds)
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
        self.parents.clear();
        self.parents.extend(0..self.live + piece.head);
        self.unite_seam(piece);
        let kept = self.kept_rows(piece.slab);
        self.mark_survivors(piece, kept);
        let survivors = self.settle();
        self.spill_record(piece, bits_at, survivors)?;
        self.advance(piece, kept, survivors);
        self.live = survivors + piece.tail_places.len() as u32;
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
        assert_eq!(self.next_slab, self.geometry.slabs(), "all slabs are merged");
        let Self { geometry, bits, records, index, .. } = self;
        let count = resolve(&geometry, &*records, &index)?;
        Ok(Labels::new(geometry, bits, records, index, count))
    }

    /// Joins live components with objects in the slab's first rows.
    fn unite_seam(&mut self, piece: &Piece) {
        let start = self.geometry.slab_rows(piece.slab).start;
        let mut place = self.geometry.place(start);
        let mut first = 0;
        for row in 0..self.geometry.head_rows(piece.slab) {
            read_row(&self.geometry, &piece.bits, row, &mut self.row);
            let ids = &piece.ids[first..first + self.row.len() / 2];
            for above in self.geometry.above(&place) {
                // Nearer rows are in the slab itself.
                if above.distance <= row {
                    continue;
                }
                let back = (above.distance - row) as usize;
                let components = self.frontier.read_row(&self.geometry, back, &mut self.above);
                for link in &above.links {
                    join(&self.row, &self.above, *link, |here, there| {
                        let id = self.live + ids[here as usize];
                        unite(&mut self.parents, components[there as usize], id);
                    });
                }
            }
            first += ids.len();
            self.geometry.advance(&mut place);
        }
    }

    /// How many rows of the frontier the slab after `slab` can still touch.
    fn kept_rows(&self, slab: u64) -> usize {
        if slab + 1 == self.geometry.slabs() {
            return 0;
        }
        let wanted = self.geometry.reach() - self.geometry.tail_rows(slab);
        self.frontier.rows().min(wanted as usize)
    }

    fn mark_survivors(&mut self, piece: &Piece, kept: usize) {
        for component in self.frontier.last_components(kept) {
            mark(&mut self.parents, *component);
        }
        for id in &piece.ids[piece.tail_at..] {
            if *id < piece.head {
                mark(&mut self.parents, self.live + id);
            }
        }
    }

    /// Says of every element what becomes of it: a flagged new live component, or the element that stands for it
    /// when it ends here. Returns how many live on.
    fn settle(&mut self) -> u32 {
        let mut survivors = 0;
        settle(&mut self.parents, |element, survives| {
            if !survives {
                return element;
            }
            survivors += 1;
            FLAG | (survivors - 1)
        });
        survivors
    }

    fn spill_record(&mut self, piece: &Piece, bits_at: u64, survivors: u32) -> Result<()> {
        let header = Header {
            live: self.live,
            head: piece.head,
            tail: piece.tail_places.len() as u32,
            objects: piece.objects,
            next_live: survivors + piece.tail_places.len() as u32,
            bits_at,
            ..Header::default()
        };
        let mut out = Appender::new(&*self.records, &mut self.buffer);
        out.push(&header.to_bytes())?;
        for value in self.parents.iter().chain(&piece.tail_places) {
            out.push(&value.to_le_bytes())?;
        }
        let offset = out.finish()?;
        self.index.push(offset);
        Ok(())
    }

    /// Makes the slab's last rows part of the frontier.
    fn advance(&mut self, piece: &Piece, kept: usize, survivors: u32) {
        let frontier = &mut self.frontier;
        frontier.keep(kept, &self.geometry);
        for component in &mut frontier.components {
            *component = self.parents[*component as usize] & !FLAG;
        }
        let (live, parents) = (self.live, &self.parents);
        frontier.components.extend(piece.ids[piece.tail_at..].iter().map(|id| {
            if *id < piece.head { parents[(live + id) as usize] & !FLAG } else { survivors + (id - piece.head) }
        }));
        frontier.append_rows(piece, &self.geometry, &mut self.row);
    }
}

impl Frontier {
    fn new(geometry: &Geometry, bounds: &Bounds) -> Self {
        let mut row_first = Vec::with_capacity(bounds.frontier_rows as usize + 1);
        row_first.push(0);
        Self {
            bits: BitQueue::with_capacity(bounds.frontier_rows * u64::from(geometry.width())),
            row_first,
            components: Vec::with_capacity(bounds.frontier_runs as usize),
        }
    }

    fn bytes(&self) -> u64 {
        let words = self.row_first.capacity() + self.components.capacity();
        (self.bits.capacity() + 4 * words) as u64
    }

    fn bill(geometry: &Geometry, bounds: &Bounds) -> u64 {
        let bits = bounds.frontier_rows * u64::from(geometry.width());
        BitQueue::capacity_for(bits) + 4 * (bounds.frontier_rows + 1 + bounds.frontier_runs)
    }

    fn rows(&self) -> usize {
        self.row_first.len() - 1
    }

    /// The components of the runs in the last `rows` rows.
    fn last_components(&self, rows: usize) -> &[u32] {
        &self.components[self.row_first[self.rows() - rows] as usize..]
    }

    /// Finds the runs of the row that lies `back` rows before the frontier's end, and their components.
    fn read_row(&self, geometry: &Geometry, back: usize, edges: &mut Vec<u32>) -> &[u32] {
        let row = self.rows() - back;
        let width = geometry.width();
        let at = self.bits.start() + row as u64 * u64::from(width);
        runs(self.bits.bytes(), at, width, geometry.is_solid(), edges);
        &self.components[self.row_first[row] as usize..self.row_first[row + 1] as usize]
    }

    /// Forgets all rows but the last ones.
    fn keep(&mut self, rows: usize, geometry: &Geometry) {
        let gone = self.rows() - rows;
        let gone_runs = self.row_first[gone];
        self.components.drain(..gone_runs as usize);
        self.row_first.drain(..gone);
        for first in &mut self.row_first {
            *first -= gone_runs;
        }
        self.bits.drop_front(gone as u64 * u64::from(geometry.width()));
    }

    /// Appends the last rows of a slab, whose components are already there.
    fn append_rows(&mut self, piece: &Piece, geometry: &Geometry, edges: &mut Vec<u32>) {
        let width = u64::from(geometry.width());
        let len = geometry.slab_len(piece.slab);
        let rows = geometry.tail_rows(piece.slab);
        let start = len - rows;
        self.bits.append(&piece.bits, start * width, rows * width);
        let mut runs = self.row_first[self.rows()];
        for row in start..len {
            read_row(geometry, &piece.bits, row, edges);
            runs += (edges.len() / 2) as u32;
            self.row_first.push(runs);
        }
    }
}
