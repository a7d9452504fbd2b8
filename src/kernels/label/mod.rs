//! Connected components of images of any size, numbered as `scipy.ndimage.label` does: from 1 on, in raster order of
//! their first pixels, whatever the image is cut into.
//!
//! The image comes as slabs of whole rows in raster order. Memory holds slabs and the frontier between two of them; all
//! else goes to scratch and comes back in order:
//!
//! 1. [`Geometry::local`] labels a slab by itself. Slabs are independent.
//! 2. [`Merger::merge`] takes the slabs in order, joins what touches across the seam, and writes down what becomes of
//!    every component that was alive: another one after the slab, or it ends.
//! 3. [`Merger::finish`] walks these records backwards to learn which components turn out to be one (the arms of a U),
//!    then forwards to number the objects where they are born.
//! 4. [`Labels::apply_u32`] reads a slab's bits and numbers back and paints its pixels. Slabs are independent.
//!
//! [`filter`] keeps some of the components of a mask by what is known of the whole of each, on the same seams.
//!
//! Only objects on a slab's rim, its first and last rows, take part in 2 and 3. The others are born and end in their
//! slab, so counting them is enough: they are numbered when painted.

mod apply;
mod bill;
mod bits;
pub mod filter;
mod geometry;
mod local;
mod merge;
mod record;
mod resolve;
mod seam;
mod store;
mod structure;
mod union;

#[cfg(test)]
mod tests;

pub use apply::{ApplyScratch, Labels};
pub use bill::{Bill, bill};
pub use geometry::Geometry;
pub use local::{LocalScratch, Piece};
pub use merge::Merger;
pub use store::{MemoryStore, Store};
pub use structure::{MAX_RANK, Structure};
