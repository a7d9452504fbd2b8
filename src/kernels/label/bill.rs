//! What labelling an image can cost, known before it starts.

use super::apply::ApplyScratch;
use super::geometry::Geometry;
use super::local::{LocalScratch, Piece};
use super::merge::Merger;
use super::record::Header;
use super::resolve;
use super::structure::Structure;

/// Upper bounds for every image of a shape. The caller's own buffers, masks going in and labels coming out, are not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bill {
    /// Per worker that labels slabs: a [`LocalScratch`] and a [`Piece`].
    pub local_bytes: u64,
    /// The part of `local_bytes` that is the piece, for those who hold more pieces than workers.
    pub piece_bytes: u64,
    /// The [`Merger`], until it is finished.
    pub merge_bytes: u64,
    /// Finishing the merger, instead of `merge_bytes`.
    pub resolve_bytes: u64,
    /// The finished [`Labels`](super::Labels).
    pub labels_bytes: u64,
    /// Per worker that writes labels: an [`ApplyScratch`].
    pub apply_bytes: u64,
    /// Both stores at their end.
    pub scratch_bytes: u64,
}

/// The bill for an image of `shape` cut into slabs of `rows_per_slab` rows.
///
/// # Errors
/// As [`Geometry::new`].
pub fn bill(shape: &[u64], rows_per_slab: u64, structure: &Structure) -> Result<Bill, String> {
    Ok(Geometry::new(shape, structure, rows_per_slab)?.bill())
}

impl Geometry {
    /// What labelling this image can cost.
    pub fn bill(&self) -> Bill {
        let bounds = self.bounds();
        let piece_bytes = Piece::bill(&bounds);
        Bill {
            local_bytes: LocalScratch::bill(self, &bounds) + piece_bytes,
            piece_bytes,
            merge_bytes: Merger::bill(self, &bounds),
            resolve_bytes: resolve::bill(self, &bounds),
            labels_bytes: 8 * self.slabs(),
            apply_bytes: ApplyScratch::bill(self, &bounds),
            scratch_bytes: self.scratch_bytes(),
        }
    }

    /// Every slab spills its bits and a header. Every seam costs a word for each component alive across it, once to say
    /// what it turns out to be and once what the next slab makes of it, and every object on a rim a word and a number.
    fn scratch_bytes(&self) -> u64 {
        let bounds = self.bounds();
        let slab = bounds.slab_bits + Header::BYTES as u64;
        let number = if self.wide { 8 } else { 4 };
        let rims = self.slabs().saturating_mul((4 + number) * bounds.rim);
        let seams = self.slabs().saturating_sub(1);
        let alive = seams.saturating_mul(2 * 4 * bounds.live);
        self.slabs().saturating_mul(slab).saturating_add(rims).saturating_add(alive)
    }
}
