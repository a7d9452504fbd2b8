//! TIFF and BigTIFF: pages of strips and tiles, compressed or not, with what OME, ImageJ and tifffile say about them.

mod about;
mod chain;
mod codec;
mod ifd;
mod ome;
mod open;
mod page;
mod positions;
mod set;
mod shaped;
mod sink;
mod source;
mod strip;
mod tables;
mod xml;

pub use open::open;
pub use sink::{OPTIONS, create};
