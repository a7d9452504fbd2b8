//! Labelling within one slab.

use super::bits::{PAD, pack, runs};
use super::geometry::{Bounds, Geometry, Place};
use super::union::{mark, settle, unite};

/// What a worker needs besides its [`Piece`] to label a slab; reused from slab to slab.
#[derive(Debug)]
pub struct LocalScratch {
    /// The union-find forest over the slab's runs in raster order; later, the runs' names.
    pub(super) parents: Vec<u32>,
    /// The index of every row's first run, and the number of runs.
    pub(super) row_first: Vec<u32>,
    /// The runs of the row at work, of the one before it, and of one farther back.
    pub(super) row: Vec<u32>,
    before: Vec<u32>,
    farther: Vec<u32>,
}

/// What labelling a slab finds out for the slabs around it; reused from slab to slab.
#[derive(Debug)]
pub struct Piece {
    pub(super) slab: u64,
    /// The slab's mask, padded.
    pub(super) bits: Vec<u8>,
    /// For every run in the first and the last rows (the same ones if the slab is short) the object it belongs to.
    /// Only objects on this rim count here, numbered in raster order of their first pixel.
    pub(super) ids: Vec<u32>,
    /// Where the runs of the last rows start in `ids`.
    pub(super) tail_at: usize,
    /// The number of objects in the first rows, which are also the slab's first objects.
    pub(super) head: u32,
    /// For every object in the last rows only, its place among all objects of the slab.
    pub(super) tail_places: Vec<u32>,
    /// The number of objects in the slab.
    pub(super) objects: u32,
}

impl LocalScratch {
    /// Allocates for the largest slab.
    pub fn new(geometry: &Geometry) -> Self {
        let bounds = geometry.bounds();
        let edges = || Vec::with_capacity(2 * bounds.row_runs as usize);
        Self {
            parents: Vec::with_capacity(bounds.slab_runs as usize),
            row_first: Vec::with_capacity(row_firsts(geometry)),
            row: edges(),
            before: edges(),
            farther: edges(),
        }
    }

    /// The bytes held.
    pub fn bytes(&self) -> u64 {
        let vecs = [&self.parents, &self.row_first, &self.row, &self.before, &self.farther];
        vecs.iter().map(|vec| 4 * vec.capacity() as u64).sum()
    }

    pub(super) fn bill(geometry: &Geometry, bounds: &Bounds) -> u64 {
        4 * (bounds.slab_runs + row_firsts(geometry) as u64 + 3 * 2 * bounds.row_runs)
    }

    /// Joins the runs of a slab that touch. `each` sees the runs of every row, counted from the slab's start.
    pub(super) fn unite_slab(
        &mut self,
        geometry: &Geometry,
        slab: u64,
        bits: &[u8],
        mut each: impl FnMut(u64, &[u32]),
    ) {
        self.parents.clear();
        self.row_first.clear();
        self.row.clear();
        let mut place = geometry.place(geometry.slab_rows(slab).start);
        for row in 0..geometry.slab_len(slab) {
            std::mem::swap(&mut self.row, &mut self.before);
            read_row(geometry, bits, row, &mut self.row);
            each(row, &self.row);
            let first = self.parents.len() as u32;
            self.row_first.push(first);
            self.parents.extend(first..first + (self.row.len() / 2) as u32);
            if !self.row.is_empty() {
                for above in geometry.above(&place) {
                    if above.distance <= row {
                        self.unite_rows(geometry, bits, row, row - above.distance, &above.links);
                    }
                }
                self.unite_around(geometry, bits, row, &place);
            }
            geometry.advance(&mut place);
        }
        self.row_first.push(self.parents.len() as u32);
    }

    /// Joins the runs of the row at work that touch others around the edges of a torus.
    fn unite_around(&mut self, geometry: &Geometry, bits: &[u8], row: u64, place: &Place) {
        if let Some(last) = geometry.closes_row(&self.row) {
            let first = self.row_first[row as usize];
            unite(&mut self.parents, first, first + last);
        }
        if let Some((back, links)) = geometry.first_row(place)
            && back <= row
        {
            self.row_first.push(self.parents.len() as u32);
            self.unite_rows(geometry, bits, row, row - back, links);
            self.row_first.pop();
        }
    }

    /// Joins the runs of the row at work with those of an earlier row of the slab.
    fn unite_rows(&mut self, geometry: &Geometry, bits: &[u8], row: u64, above: u64, links: &[super::geometry::Link]) {
        let first = self.row_first[row as usize];
        let above_first = self.row_first[above as usize];
        if above_first == self.row_first[above as usize + 1] {
            return;
        }
        let above_runs = if above + 1 == row {
            &self.before
        } else {
            read_row(geometry, bits, above, &mut self.farther);
            &self.farther
        };
        let parents = &mut self.parents;
        for link in links {
            geometry.meet(&self.row, above_runs, *link, |here, there| {
                unite(parents, above_first + there, first + here);
            });
        }
    }

    /// Marks the objects in the last rows. No more runs may be joined afterwards.
    pub(super) fn mark_tail(&mut self, geometry: &Geometry, slab: u64) {
        for run in self.tail_first(geometry, slab)..self.parents.len() {
            mark(&mut self.parents, run as u32);
        }
    }

    /// The number of runs in the first rows, those an earlier slab can touch.
    pub(super) fn head_runs(&self, geometry: &Geometry, slab: u64) -> usize {
        self.row_first[geometry.head_rows(slab) as usize] as usize
    }

    pub(super) fn tail_first(&self, geometry: &Geometry, slab: u64) -> usize {
        let row = geometry.slab_len(slab) - geometry.tail_rows(slab);
        self.row_first[row as usize] as usize
    }
}

impl Piece {
    /// Allocates for the largest slab.
    pub fn new(geometry: &Geometry) -> Self {
        let bounds = geometry.bounds();
        Self {
            slab: 0,
            bits: Vec::with_capacity(bounds.slab_bits as usize + PAD),
            ids: Vec::with_capacity(bounds.rim_runs as usize),
            tail_at: 0,
            head: 0,
            tail_places: Vec::with_capacity(bounds.tail as usize),
            objects: 0,
        }
    }

    /// The bytes held.
    pub fn bytes(&self) -> u64 {
        let words = self.ids.capacity() + self.tail_places.capacity();
        (self.bits.capacity() + 4 * words) as u64
    }

    pub(super) fn bill(bounds: &Bounds) -> u64 {
        bounds.slab_bits + PAD as u64 + 4 * (bounds.rim_runs + bounds.tail)
    }

    /// Gives every run the name of its object: those on the rim are counted, the others named by `inner`, which hears
    /// of every object by its first run and whether it is on the rim.
    pub(super) fn name_objects(
        &mut self,
        scratch: &mut LocalScratch,
        geometry: &Geometry,
        slab: u64,
        mut inner: impl FnMut(u32, bool) -> u32,
    ) {
        let head_runs = scratch.head_runs(geometry, slab);
        let tail_first = scratch.tail_first(geometry, slab);
        let (mut rim, mut objects) = (0u32, 0u32);
        self.head = 0;
        self.tail_places.clear();
        settle(&mut scratch.parents, |run, in_tail| {
            let in_head = (run as usize) < head_runs;
            let other = inner(run, in_head || in_tail);
            self.head += u32::from(in_head);
            if in_tail && !in_head {
                self.tail_places.push(objects);
            }
            objects += 1;
            if !in_head && !in_tail {
                return other;
            }
            rim += 1;
            rim - 1
        });
        self.objects = objects;
        self.ids.clear();
        self.ids.extend_from_slice(&scratch.parents[..head_runs]);
        self.tail_at = tail_first.min(head_runs);
        let rest = tail_first.max(head_runs);
        self.ids.extend_from_slice(&scratch.parents[rest..]);
    }
}

impl Geometry {
    /// Labels a slab by itself; slabs may be labelled in any order and at the same time.
    ///
    /// `mask` holds the slab's pixels in raster order, nonzero is foreground.
    ///
    /// # Panics
    /// When the mask is not as long as the slab, or there is no such slab.
    pub fn local(&self, slab: u64, mask: &[u8], scratch: &mut LocalScratch, piece: &mut Piece) {
        assert!(slab < self.slabs(), "there is no slab {slab}");
        assert_eq!(mask.len(), self.slab_pixels(slab), "the mask of slab {slab}");
        piece.slab = slab;
        pack(mask, &mut piece.bits);
        scratch.unite_slab(self, slab, &piece.bits, |_, _| ());
        scratch.mark_tail(self, slab);
        piece.name_objects(scratch, self, slab, |_, _| 0);
    }
}

/// Finds the runs of a row of a slab, counted from the slab's start.
pub(super) fn read_row(geometry: &Geometry, bits: &[u8], row: u64, edges: &mut Vec<u32>) {
    let width = geometry.width();
    runs(bits, row * u64::from(width), width, geometry.is_solid(), edges);
}

fn row_firsts(geometry: &Geometry) -> usize {
    let rows = geometry.slab_rows(0);
    (rows.end - rows.start) as usize + 1
}
