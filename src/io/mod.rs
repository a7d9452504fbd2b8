//! Where pixels come from and go: one file per format behind [`Source`] and [`Sink`].

#[doc(hidden)]
pub mod chunked;
mod file;
mod half;
#[cfg(feature = "image")]
mod image;
mod kind;
mod mosaic;
mod npy;
mod open;
#[cfg(feature = "parquet")]
mod parquet;
pub(crate) mod partial;
#[cfg(any(feature = "tiff", feature = "zarr"))]
mod pyramid;
mod raw;
mod stack;
#[cfg(any(feature = "tiff", feature = "image"))]
mod streams;
mod strided;
mod table;
#[cfg(feature = "tiff")]
mod tiff;
#[cfg(any(feature = "tiff", feature = "image"))]
mod units;
#[cfg(feature = "zarr")]
mod zarr;
#[cfg(any(feature = "tiff", feature = "zarr"))]
mod zstandard;

pub use kind::{Kind, lost};
pub(crate) use mosaic::mosaic;
use open::name_axes;
pub use open::{CreateOptions, OpenOptions, create, create_with, files, open};
pub use partial::write_file;
pub use table::{MergedCsv, check_table, parquet_columns, read_parquet, write_csv, write_table};

use crate::array::{ArraySpec, Dims, Region, View, ViewMut};
use crate::cancel::Cancel;
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

    /// What a plan should say about reading it, if it cannot be read in any part at the cost of that part.
    fn why(&self) -> Option<String> {
        None
    }

    /// A reader for one thread.
    ///
    /// # Errors
    /// When the file cannot be opened.
    fn reader(&self, access: Access) -> Result<Box<dyn Reader>>;

    /// The file behind it, where there is one.
    fn path(&self) -> Option<&Path> {
        None
    }

    /// Whether it reads that file or, where that is a folder, one that lies in it (a canonical path).
    fn reads(&self, file: &Path) -> bool {
        self.path().and_then(|path| path.canonicalize().ok()).is_some_and(|path| path.starts_with(file))
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

/// Chunks of one tile as they go to disk, and whatever else its encoder makes of it (a reduced copy for a pyramid).
#[derive(Clone, Debug, Default)]
pub struct Encoded {
    /// The bytes of all parts, one after the other. The buffer is used for one tile after the other.
    pub bytes: Vec<u8>,
    /// The parts, in an order and with a meaning that the sink and its encoder agree on.
    pub parts: Vec<Part>,
}

/// One part of [`Encoded::bytes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is, such as the number of a chunk.
    pub id: u64,
    /// Where it begins.
    pub start: usize,
    /// How many bytes it has.
    pub len: usize,
}

impl Encoded {
    /// Forgets the last tile.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.parts.clear();
    }

    /// The bytes of a part.
    pub fn part(&self, part: &Part) -> &[u8] {
        &self.bytes[part.start..part.start + part.len]
    }
}

/// What encoding holds in memory, in bytes; true upper bounds for any data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EncodeBill {
    /// For every tile in flight: its [`Encoded`].
    pub per_tile: u64,
    /// For every worker: the encoder.
    pub per_worker: u64,
}

/// Encodes tiles on one worker thread.
pub trait Encoder: Send {
    /// Encodes the box `at` into `out`, which is empty but keeps its room from the tile before: take no more than the
    /// sink's [`EncodeBill`] says.
    ///
    /// # Errors
    /// When the codec fails.
    fn encode(&mut self, at: &Region, tile: &View<'_>, out: &mut Encoded) -> Result<()>;
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

    /// Encodes tiles on the worker threads; one per worker, made after [`Sink::begin`]. A sink that has one is given its
    /// tiles by [`Sink::write_encoded`] (but for a scalar, which comes by [`Sink::write`]).
    ///
    /// # Errors
    /// When the codec cannot be set up.
    fn encoder(&self) -> Result<Option<Box<dyn Encoder>>> {
        Ok(None)
    }

    /// What encoding holds in memory for tiles of that shape; nothing where there is no encoder.
    fn encode_bill(&self, _tile: &[u64]) -> EncodeBill {
        EncodeBill::default()
    }

    /// Writes a box that an encoder has encoded. Boxes come in raster order of the tile grid.
    ///
    /// # Errors
    /// When the disk is full or fails.
    fn write_encoded(&mut self, at: &Region, _encoded: &Encoded) -> Result<()> {
        Err(crate::error::Error::Internal(format!("{}: {at:?} was encoded for nothing", self.path().display())))
    }

    /// Writes one box.
    ///
    /// # Errors
    /// When the disk is full or fails.
    fn write(&mut self, at: &Region, tile: View<'_>) -> Result<()>;

    /// What [`Sink::finish`] holds in memory on so many threads, beyond [`Sink::bill`] and their stacks; nothing where
    /// there is nothing to do.
    fn finish_bill(&self, _threads: usize) -> u64 {
        0
    }

    /// Makes what is made of the complete image, such as the smaller levels of a pyramid, on so many threads, the calling
    /// one among them. Comes after the last box and before [`Sink::commit`], when tiles and encoders are gone.
    ///
    /// # Errors
    /// When the disk is full or fails; [`Error::Cancelled`](crate::Error::Cancelled) when stopped.
    fn finish(&mut self, _threads: usize, _cancel: &Cancel) -> Result<()> {
        Ok(())
    }

    /// Completes the output: fsync once, then rename to its name. What [`Sink::finish`] would have done and has not is
    /// done before.
    ///
    /// # Errors
    /// When the disk is full or fails; nothing is left behind then.
    fn commit(&mut self) -> Result<()>;

    /// Removes everything written so far. Dropping an uncommitted sink does the same.
    fn abort(&mut self);
}
