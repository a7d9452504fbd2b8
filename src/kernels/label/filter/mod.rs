//! Keeping some components of a mask and dropping the others, for images of any size.
//!
//! What a rule wants to know of a component (its *part*: a count, a mark) is put together while the slabs are joined.
//! An object that does not reach the rim of its slab is decided there, and left out of the bits that are spilled if it
//! goes. Of the others it is written down, seam by seam, what becomes of them; walking back from the last slab tells
//! every slab which objects on its rim stay.

mod apply;
mod local;
mod merge;
mod record;
mod rule;

#[cfg(test)]
mod tests;

pub use apply::{Kept, KeptScratch};
pub use local::{FilterPiece, FilterScratch};
pub use merge::FilterMerger;
pub use rule::{AtLeast, Extent, Largest, Marked, Rule};

use super::bill::Bill;
use super::geometry::Geometry;

impl Geometry {
    /// What filtering the components of this image by a rule can cost; `labels_bytes` stands for the finished [`Kept`].
    pub fn filter_bill<R: Rule>(&self) -> Bill {
        let bounds = self.bounds();
        let piece_bytes = FilterPiece::<R::Part>::bill(&bounds);
        Bill {
            local_bytes: FilterScratch::<R::Part>::bill(self, &bounds) + piece_bytes,
            piece_bytes,
            merge_bytes: FilterMerger::<R>::bill(self, &bounds),
            resolve_bytes: merge::resolve_bill(self, &bounds),
            labels_bytes: 8 * merge::record_count(self),
            apply_bytes: KeptScratch::bill(self, &bounds),
            scratch_bytes: record::scratch_bytes(self, &bounds),
        }
    }
}
