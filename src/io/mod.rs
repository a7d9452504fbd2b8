//! Where pixels come from and go: one file per format behind [`Source`] and [`Sink`].

#[doc(hidden)]
pub mod chunked;
mod file;
#[cfg(feature = "image")]
mod image;
mod npy;
mod open;
mod partial;
mod raw;
mod strided;
mod table;
#[cfg(feature = "tiff")]
mod tiff;
#[cfg(any(feature = "tiff", feature = "image"))]
mod units;

use open::name_axes;
pub use open::{OpenOptions, create, open};
pub use table::write_csv;

use crate::array::{ArraySpec, Dims, Region, View, ViewMut};
use crate::error::Result;
use std::fmt::Debug;
use std::path::Path;

/// How a source's pixels lie, which decides how the executor asks for them.
#[derive(Clone, Debug, PartialEq)]
pub enum Layout {
    /// Any box can be read at the cost of its own bytes. `chunk` is what lies together, where that is not the whole
    /// (a strip, a tile).
    Direct {
        /// Shape of what lies together in the file.
        chunk: Option<Dims>,
    },
    /// Only whole chunks can be had, each at the cost of decoding it. Chunk `[i, j, …]` starts at
    /// `[i, j, …] * chunk`; those at the far edges are cut off at the array's edge.
    Chunked {
        /// Shape of a chunk.
        chunk: Dims,
    },
}

impl Layout {
    /// The shape of what lies together, if it is not the whole array.
    pub fn chunk(&self) -> Option<&Dims> {
        match self {
            Layout::Direct { chunk } => chunk.as_ref(),
            Layout::Chunked { chunk } => Some(chunk),
        }
    }
}

/// How files are reached.
#[derive(Clone, Copy, Debug, Default)]
pub enum Access {
    /// `pread`: the only safe way inside a program that is not ours, because a mapped file that somebody truncates
    /// kills the process.
    #[default]
    Positioned,
    /// Mapped windows, dropped behind the reader. `faulted` tells whether a mapped read failed since the start (a
    /// SIGBUS handler of the program has to notice); the reader then reports an error.
    Mapped {
        /// Whether a mapped page could not be read.
        faulted: fn() -> bool,
    },
}

/// What reading costs in memory beyond the buffers that are read into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadBill {
    /// Bytes every reader holds (windows, decoder state, compressed bytes of one chunk).
    pub per_reader: u64,
    /// Bytes held once (offset tables).
    pub shared: u64,
}

/// Facts about a file for `tilewise info`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// `npy`, `TIFF`, `BigTIFF`, …
    pub format: String,
    /// `none`, `deflate`, …
    pub compression: String,
    /// What else is worth a line, as name and value.
    pub more: Vec<(String, String)>,
}

/// An array that can be read in parts.
pub trait Source: Debug + Send + Sync {
    /// Shape, element type, axes, sizes.
    fn spec(&self) -> &ArraySpec;

    /// What to call it in messages: the path.
    fn name(&self) -> String;

    /// How its pixels lie.
    fn layout(&self) -> Layout;

    /// What reading costs in memory, under that access.
    fn bill(&self, access: Access) -> ReadBill;

    /// Facts for people.
    fn facts(&self) -> Facts;

    /// A reader for one thread.
    ///
    /// # Errors
    /// When the file cannot be opened.
    fn reader(&self, access: Access) -> Result<Box<dyn Reader>>;

    /// The file behind it, so that an output is never written over it.
    fn path(&self) -> Option<&Path> {
        None
    }
}

/// One thread's access to a [`Source`].
pub trait Reader: Send {
    /// Fills `out` with that box. A [`Layout::Chunked`] source is only asked for boxes that are exactly one chunk
    /// (cut at the array's edge).
    ///
    /// # Errors
    /// When the file is truncated, corrupt or cannot be read; the message names it.
    fn read(&mut self, at: &Region, out: ViewMut<'_>) -> Result<()>;
}

/// In which boxes a sink takes pixels.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// Any boxes that cover the array once. They come in raster order of the tile grid.
    Any,
    /// Boxes made of whole chunks of that shape (cut at the array's edge).
    Aligned(Dims),
}

/// An array that is written in parts. Made by the format's constructor, which checks but touches nothing; `begin`
/// creates the output under a temporary name.
pub trait Sink: Debug + Send {
    /// What is written.
    fn spec(&self) -> &ArraySpec;

    /// The output.
    fn path(&self) -> &Path;

    /// Which boxes it takes.
    fn order(&self) -> Order;

    /// Bytes it holds while open (encoder state, tables, whole small images).
    fn bill(&self) -> u64;

    /// Creates the output under a temporary name in the same folder.
    ///
    /// # Errors
    /// When the folder cannot be written or the disk is known to be too small.
    fn begin(&mut self) -> Result<()>;

    /// Writes one box.
    ///
    /// # Errors
    /// When the disk is full or fails.
    fn write(&mut self, at: &Region, tile: View<'_>) -> Result<()>;

    /// Completes the output: fsync once, then rename to its name.
    ///
    /// # Errors
    /// When the disk is full or fails; nothing is left behind then.
    fn commit(&mut self) -> Result<()>;

    /// Removes everything written so far. Dropping an uncommitted sink does the same.
    fn abort(&mut self);
}
