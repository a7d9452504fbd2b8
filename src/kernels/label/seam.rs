//! What is alive between two slabs, and how the next slab joins it: the part of merging that does not care what is
//! wanted of the components.

use super::bits::{BitQueue, runs};
use super::geometry::{Bounds, Geometry};
use super::local::{Piece, read_row};
use super::union::{FLAG, mark, settle, unite};

/// The rows before the next slab that it can touch.
#[derive(Debug)]
struct Frontier {
    bits: BitQueue,
    /// The index of every row's first run, and the number of runs.
    row_first: Vec<u32>,
    /// The live component every run belongs to.
    components: Vec<u32>,
}

/// The frontier, and the forest that the next slab's first objects are joined with.
#[derive(Debug)]
pub(super) struct Seam {
    pub geometry: Geometry,
    frontier: Frontier,
    /// The number of live components, numbered in the order of their first pixels.
    pub live: u32,
    /// The forest over the live components and then the slab's first objects; later, what becomes of them.
    pub parents: Vec<u32>,
    row: Vec<u32>,
    above: Vec<u32>,
    /// The first row of a periodic frame that is not complete yet.
    held: Held,
}

/// A row that is held until a later one has come.
#[derive(Debug, Default)]
struct Held {
    /// Its runs.
    row: Vec<u32>,
    /// The live component every run belongs to.
    components: Vec<u32>,
}

impl Seam {
    pub fn new(geometry: &Geometry) -> Self {
        let bounds = geometry.bounds();
        let edges = || Vec::with_capacity(2 * bounds.row_runs as usize);
        Self {
            geometry: geometry.clone(),
            frontier: Frontier::new(geometry, &bounds),
            live: 0,
            parents: Vec::with_capacity((bounds.live + bounds.head) as usize),
            row: edges(),
            above: edges(),
            held: Held::new(geometry, &bounds),
        }
    }

    /// The bytes held.
    pub fn bytes(&self) -> u64 {
        let words = self.parents.capacity() + self.row.capacity() + self.above.capacity();
        4 * words as u64 + self.frontier.bytes() + self.held.bytes()
    }

    pub fn bill(geometry: &Geometry, bounds: &Bounds) -> u64 {
        let words = bounds.live + bounds.head + 2 * 2 * bounds.row_runs;
        4 * words + Frontier::bill(geometry, bounds) + Held::bill(geometry, bounds)
    }

    /// Joins live components with objects in the slab's first rows.
    pub fn unite(&mut self, piece: &Piece) {
        self.parents.clear();
        self.parents.extend(0..self.live + piece.head);
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
                    self.geometry.meet(&self.row, &self.above, *link, |here, there| {
                        let id = self.live + ids[here as usize];
                        unite(&mut self.parents, components[there as usize], id);
                    });
                }
            }
            first += ids.len();
            self.geometry.advance(&mut place);
        }
    }

    /// Marks the components that the slabs after this one can still touch. None may be joined afterwards.
    pub fn mark(&mut self, piece: &Piece) {
        let kept = self.kept_rows(piece.slab);
        for component in self.frontier.last_components(kept).iter().chain(&self.held.components) {
            mark(&mut self.parents, *component);
        }
        if self.geometry.opens(piece.slab) {
            self.held.take(&self.geometry, piece);
            for id in &self.held.components {
                mark(&mut self.parents, self.live + id);
            }
        }
        for id in &piece.ids[piece.tail_at..] {
            if *id < piece.head {
                mark(&mut self.parents, self.live + id);
            }
        }
    }

    /// Says of every element what becomes of it: a flagged new live component, or what `ends` says of the one
    /// that stands for it. `lives` hears of those that live on, in order. Returns how many do.
    pub fn settle(&mut self, mut ends: impl FnMut(u32) -> u32, mut lives: impl FnMut(u32)) -> u32 {
        let mut survivors = 0;
        settle(&mut self.parents, |element, survives| {
            if !survives {
                return ends(element);
            }
            lives(element);
            survivors += 1;
            FLAG | (survivors - 1)
        });
        survivors
    }

    /// Makes the slab's last rows part of the frontier.
    pub fn advance(&mut self, piece: &Piece, survivors: u32) {
        let kept = self.kept_rows(piece.slab);
        let frontier = &mut self.frontier;
        frontier.keep(kept, &self.geometry);
        for component in &mut frontier.components {
            *component = self.parents[*component as usize] & !FLAG;
        }
        let (live, parents) = (self.live, &self.parents);
        // A row that was just taken still knows its objects by their names in the slab.
        let first = if self.geometry.opens(piece.slab) { live } else { 0 };
        for component in &mut self.held.components {
            *component = parents[(first + *component) as usize] & !FLAG;
        }
        frontier.components.extend(piece.ids[piece.tail_at..].iter().map(|id| {
            if *id < piece.head { parents[(live + id) as usize] & !FLAG } else { survivors + (id - piece.head) }
        }));
        frontier.append_rows(piece, &self.geometry, &mut self.row);
        self.live = survivors + piece.tail_places.len() as u32;
    }

    /// Joins a periodic frame's last row with the first one; nothing of the frame is alive afterwards.
    pub fn close(&mut self) {
        self.parents.clear();
        self.parents.extend(0..self.live);
        let components = self.frontier.read_row(&self.geometry, 1, &mut self.above);
        for link in self.geometry.closing_links() {
            // The last row looks down at the first one.
            self.geometry.meet(&self.above, &self.held.row, *link, |here, there| {
                unite(&mut self.parents, components[here as usize], self.held.components[there as usize]);
            });
        }
    }

    /// Forgets the frame that was closed.
    pub fn forget(&mut self) {
        self.frontier.keep(0, &self.geometry);
        self.held.row.clear();
        self.held.components.clear();
        self.live = 0;
    }

    /// How many rows of the frontier the slab after `slab` can still touch.
    fn kept_rows(&self, slab: u64) -> usize {
        if slab + 1 == self.geometry.slabs() && !self.geometry.is_open() {
            return 0;
        }
        let wanted = self.geometry.reach() - self.geometry.tail_rows(slab);
        self.frontier.rows().min(wanted as usize)
    }
}

impl Held {
    fn new(geometry: &Geometry, bounds: &Bounds) -> Self {
        let runs = if geometry.is_open() { bounds.row_runs as usize } else { 0 };
        Self { row: Vec::with_capacity(2 * runs), components: Vec::with_capacity(runs) }
    }

    fn bytes(&self) -> u64 {
        4 * (self.row.capacity() + self.components.capacity()) as u64
    }

    fn bill(geometry: &Geometry, bounds: &Bounds) -> u64 {
        if geometry.is_open() { 4 * 3 * bounds.row_runs } else { 0 }
    }

    /// Takes a slab's first row, and what its runs are named there.
    fn take(&mut self, geometry: &Geometry, piece: &Piece) {
        read_row(geometry, &piece.bits, 0, &mut self.row);
        self.components.clear();
        self.components.extend_from_slice(&piece.ids[..self.row.len() / 2]);
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
