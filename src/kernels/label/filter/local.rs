//! Deciding within one slab what can be decided there.

use super::super::bits::{clear, pack};
use super::super::geometry::{Bounds, Geometry};
use super::super::local::{LocalScratch, Piece, read_row};
use super::super::union::FLAG;
use super::Rule;

/// The name of runs that go; those that stay and are not on the rim are named `KEPT`. Objects on the rim have smaller
/// names.
const DROPPED: u32 = u32::MAX;
const KEPT: u32 = u32::MAX - 1;

/// What a worker needs besides its [`FilterPiece`]; reused from slab to slab. `P` is [`Rule::Part`].
#[derive(Debug)]
pub struct FilterScratch<P> {
    local: LocalScratch,
    /// For every run what it adds to its component; later, for every object all that its runs add.
    parts: Vec<P>,
}

/// What filtering a slab by itself leaves open; reused from slab to slab.
#[derive(Debug)]
pub struct FilterPiece<P> {
    pub(super) piece: Piece,
    /// What is known of the objects on the rim.
    pub(super) parts: Vec<P>,
    /// What is known of the object that is still in a contest but not on the rim: the best there.
    pub(super) best: Option<P>,
}

impl<P> FilterScratch<P> {
    /// Allocates for the largest slab.
    pub fn new(geometry: &Geometry) -> Self {
        let runs = geometry.bounds().slab_runs as usize;
        Self { local: LocalScratch::new(geometry), parts: Vec::with_capacity(runs) }
    }

    /// The bytes held.
    pub fn bytes(&self) -> u64 {
        self.local.bytes() + (self.parts.capacity() * size_of::<P>()) as u64
    }

    pub(super) fn bill(geometry: &Geometry, bounds: &Bounds) -> u64 {
        LocalScratch::bill(geometry, bounds) + size_of::<P>() as u64 * bounds.slab_runs
    }
}

impl<P> FilterPiece<P> {
    /// Allocates for the largest slab.
    pub fn new(geometry: &Geometry) -> Self {
        let rim = geometry.bounds().rim as usize;
        Self { piece: Piece::new(geometry), parts: Vec::with_capacity(rim), best: None }
    }

    /// The bytes held.
    pub fn bytes(&self) -> u64 {
        self.piece.bytes() + (self.parts.capacity() * size_of::<P>()) as u64
    }

    pub(super) fn bill(bounds: &Bounds) -> u64 {
        Piece::bill(bounds) + size_of::<P>() as u64 * bounds.rim
    }
}

impl Geometry {
    /// Filters a slab by itself; slabs may come in any order and at the same time.
    ///
    /// `pixels` holds the slab's pixels in raster order, nonzero is foreground.
    ///
    /// # Panics
    /// When there are not as many pixels as the slab has, or there is no such slab.
    pub fn filter_local<R: Rule>(
        &self,
        rule: &R,
        slab: u64,
        pixels: &[u8],
        scratch: &mut FilterScratch<R::Part>,
        piece: &mut FilterPiece<R::Part>,
    ) {
        assert!(slab < self.slabs(), "there is no slab {slab}");
        assert_eq!(pixels.len(), self.slab_pixels(slab), "the pixels of slab {slab}");
        let FilterScratch { local, parts } = scratch;
        let FilterPiece { piece, parts: on_rim, best } = piece;
        piece.slab = slab;
        pack(pixels, &mut piece.bits);
        let width = u64::from(self.width());
        let start = self.slab_rows(slab).start * width;
        parts.clear();
        local.unite_slab(self, slab, &piece.bits, |row, edges| {
            let (runs, _) = edges.as_chunks::<2>();
            let at = row * width;
            let line = &pixels[at as usize..];
            parts.extend(
                runs.iter()
                    .map(|[from, to]| rule.part(start + at + u64::from(*from), &line[*from as usize..*to as usize])),
            );
        });
        fold::<R>(&local.parents, parts);
        local.mark_tail(self, slab);
        let winner = if R::CONTEST { self.best_inside::<R>(local, slab, parts) } else { None };
        *best = winner.map(|run| parts[run as usize]);
        on_rim.clear();
        let mut drops = false;
        piece.name_objects(local, self, slab, |run, rim| {
            if rim {
                on_rim.push(parts[run as usize]);
                return KEPT;
            }
            let stays = if R::CONTEST { winner == Some(run) } else { rule.keeps(&parts[run as usize]) };
            drops |= !stays;
            if stays { KEPT } else { DROPPED }
        });
        if drops {
            self.erase(slab, &mut piece.bits, local, DROPPED);
        }
    }

    /// The first run of the best object that is not on the rim.
    fn best_inside<R: Rule>(&self, local: &LocalScratch, slab: u64, parts: &[R::Part]) -> Option<u32> {
        let inside = local.head_runs(self, slab).min(local.parents.len())..local.tail_first(self, slab);
        let roots = inside.filter(|&run| local.parents[run] == run as u32);
        roots.fold(None, |best: Option<u32>, run| match best {
            Some(best) if !R::beats(&parts[run], &parts[best as usize]) => Some(best),
            _ => Some(run as u32),
        })
    }

    /// Clears the runs of that name.
    pub(super) fn erase(&self, slab: u64, bits: &mut [u8], local: &mut LocalScratch, name: u32) {
        let mut names = local.parents.iter();
        for row in 0..self.slab_len(slab) {
            read_row(self, bits, row, &mut local.row);
            let at = row * u64::from(self.width());
            let (runs, _) = local.row.as_chunks::<2>();
            for ([start, end], _) in runs.iter().zip(&mut names).filter(|(_, run)| **run == name) {
                clear(bits, at + u64::from(*start), at + u64::from(*end));
            }
        }
    }
}

/// Puts the parts of every set together where its smallest index is. No root may be marked yet.
pub(super) fn fold<R: Rule>(parents: &[u32], parts: &mut [R::Part]) {
    debug_assert!(parents.iter().all(|parent| parent & FLAG == 0));
    for (index, parent) in parents.iter().enumerate().rev() {
        if *parent as usize != index {
            let part = parts[index];
            R::join(&mut parts[*parent as usize], part);
        }
    }
}
