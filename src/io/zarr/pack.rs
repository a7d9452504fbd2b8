//! Chunks on their way into the store: cut out of tiles, filled up at the edges, compressed on the worker threads.

use super::layout::{Layout, Pack};
use crate::array::{Buffer, Dims, Region, View, ViewMut, copy, grid_len, tiles_along};
use crate::error::{Error, Result};
use crate::io::pyramid::{self, LevelEncoder, reduce, reduced};
use crate::io::{EncodeBill, Encoded, Encoder, Part, zstandard};
use std::io::Write;
use std::sync::Arc;
use zarrs::array::codec::{BloscCompressor, BloscShuffleMode, blosc_compress_bytes};

/// The part of an [`Encoded`] that holds the tile's pixels of the next level, and no chunk.
pub(super) const REDUCED: u64 = u64::MAX;

/// Memory of the compressors: tables of deflate, of blosc besides its blocks.
const DEFLATE: u64 = 512 << 10;
const BLOSC: u64 = 1 << 20;

impl Pack {
    /// The most bytes that so many become.
    pub fn bound(self, bytes: u64) -> u64 {
        match self {
            Pack::None => bytes,
            Pack::Zstd(_) => zstd::zstd_safe::compress_bound(bytes as usize) as u64,
            Pack::Gzip(_) | Pack::Blosc(_) => bytes + bytes / 8 + bytes / 64 + 4096,
        }
    }

    /// Memory held while so many are compressed.
    fn memory(self, bytes: u64) -> u64 {
        match self {
            Pack::None => 0,
            Pack::Zstd(level) => zstandard::memory(level, bytes),
            Pack::Gzip(_) => DEFLATE,
            Pack::Blosc(_) => 3 * bytes + BLOSC,
        }
    }
}

/// Encodes boxes of one worker.
pub(super) struct Packer {
    layout: Arc<Layout>,
    chunk: Vec<u8>,
    /// Pixels of the next level.
    half: Buffer,
    zstd: Option<zstd::bulk::Compressor<'static>>,
}

/// What a packer holds besides what it makes.
pub(super) fn memory(layout: &Layout) -> u64 {
    layout.chunk_bytes() + layout.squeeze.memory(layout.chunk_bytes())
}

/// The most bytes that the chunks of a box become, with the list of them.
pub(super) fn chunks_bound(layout: &Layout, boxed: &[u64]) -> u64 {
    let chunks = grid_len(boxed, &layout.chunk);
    chunks.saturating_mul(layout.squeeze.bound(layout.chunk_bytes()) + size_of::<Part>() as u64)
}

/// Bytes of a box at half the resolution; none if there are no levels.
fn half_bytes(layout: &Layout, at: &Region) -> u64 {
    match layout.levels.len() {
        0 | 1 => 0,
        _ => reduced(at, &layout.halved).elements() * layout.spec.dtype.size() as u64,
    }
}

/// What encoding tiles of that shape (in stored order) holds.
pub(super) fn bill(layout: &Layout, tile: &[u64]) -> EncodeBill {
    let half = half_bytes(layout, &Region::whole(tile));
    let mut bill = EncodeBill { per_tile: chunks_bound(layout, tile) + half, per_worker: memory(layout) };
    if half > 0 {
        bill.per_worker += half + pyramid::reduce_bill(tile);
    }
    bill
}

impl Packer {
    /// # Errors
    /// When the compressor cannot be set up.
    pub fn new(layout: Arc<Layout>) -> Result<Self> {
        let zstd = match layout.squeeze {
            Pack::Zstd(level) => Some(zstd::bulk::Compressor::new(level).map_err(|e| failed(&e))?),
            _ => None,
        };
        let chunk = vec![0; layout.chunk_bytes() as usize];
        Ok(Packer { layout, chunk, half: Buffer::default(), zstd })
    }

    /// Encodes the chunks of a box of a level, in stored order. A chunk of nothing but zeros becomes an empty part: it is
    /// not stored.
    ///
    /// # Errors
    /// When the codec fails.
    fn pack(&mut self, level: usize, at: &Region, tile: &View<'_>, out: &mut Encoded) -> Result<()> {
        let layout = Arc::clone(&self.layout);
        let (shape, chunk) = (&layout.levels[level], &layout.chunk);
        let chunks = grid_len(&at.shape, chunk);
        // Exactly, since growing by doubling would take more than the bill says.
        let half = if level == 0 { half_bytes(&layout, at) } else { 0 };
        let room = chunks.saturating_mul(layout.squeeze.bound(layout.chunk_bytes())) + half;
        out.bytes.reserve_exact((room as usize).saturating_sub(out.bytes.len()));
        out.parts.reserve_exact(chunks as usize + 1);
        for i in 0..chunks {
            let part = Region::tile(&at.shape, chunk, i);
            let index: Dims = (0..at.rank()).map(|a| (at.start[a] + part.start[a]) / chunk[a]).collect();
            let id = (0..at.rank()).fold(0, |id, a| id * tiles_along(shape[a], chunk[a]) + index[a]);
            self.cut(tile, &part);
            let start = out.bytes.len();
            if self.chunk.iter().any(|&b| b != 0) {
                self.squeeze(&mut out.bytes)?;
            }
            out.parts.push(Part { id, start, len: out.bytes.len() - start });
        }
        Ok(())
    }

    /// Copies a chunk out of a tile, filled up with zeros beyond the array.
    fn cut(&mut self, tile: &View<'_>, part: &Region) {
        let chunk = &self.layout.chunk;
        if part.shape != *chunk {
            self.chunk.fill(0);
        }
        let corner = Region { start: chunk.iter().map(|_| 0).collect(), shape: part.shape.clone() };
        let mut whole = ViewMut::new(self.layout.spec.dtype, chunk, &mut self.chunk);
        copy(&mut whole.sub(&corner), &tile.sub(part));
    }

    fn squeeze(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let (chunk, start) = (&self.chunk, out.len());
        match self.layout.squeeze {
            Pack::None => out.extend_from_slice(chunk),
            Pack::Zstd(_) => {
                let Some(zstd) = &mut self.zstd else { return Err(Error::Internal("no zstd".into())) };
                out.resize(start + self.layout.squeeze.bound(chunk.len() as u64) as usize, 0);
                let len = zstd.compress_to_buffer(chunk, &mut out[start..]).map_err(|e| failed(&e))?;
                out.truncate(start + len);
            }
            Pack::Gzip(level) => {
                let mut gzip = flate2::write::GzEncoder::new(out, flate2::Compression::new(level));
                gzip.write_all(chunk).and_then(|()| gzip.try_finish()).map_err(|e| failed(&e))?;
            }
            Pack::Blosc(level) => {
                let size = self.layout.spec.dtype.size();
                let level = level.try_into().map_err(|_| Error::Internal("blosc level".into()))?;
                let shuffle = BloscShuffleMode::Shuffle;
                let done = blosc_compress_bytes(chunk, level, shuffle, size, BloscCompressor::LZ4, 0, 1);
                out.extend_from_slice(&done.map_err(|e| failed(&e))?);
            }
        }
        Ok(())
    }
}

fn failed(e: &dyn std::fmt::Display) -> Error {
    Error::op("compression", e.to_string())
}

impl Layout {
    /// A box of the tiles in stored order.
    pub fn stored(&self, at: &Region) -> Region {
        let turn = |dims: &Dims| -> Dims { self.order.iter().map(|&a| dims[a]).collect() };
        Region { start: turn(&at.start), shape: turn(&at.shape) }
    }

    /// A tile in stored order.
    pub fn stored_view<'a>(&self, tile: &View<'a>) -> View<'a> {
        let turn = |extents: &[usize]| -> Vec<usize> { self.order.iter().map(|&a| extents[a]).collect() };
        View::strided(tile.dtype(), &turn(tile.shape()), &turn(tile.strides()), tile.data())
    }
}

impl LevelEncoder for Packer {
    fn encode_level(&mut self, level: usize, at: &Region, pixels: &View<'_>, out: &mut Encoded) -> Result<()> {
        self.pack(level, at, pixels, out)
    }
}

impl Encoder for Packer {
    fn encode(&mut self, at: &Region, tile: &View<'_>, out: &mut Encoded) -> Result<()> {
        let (at, tile) = (self.layout.stored(at), self.layout.stored_view(tile));
        self.pack(0, &at, &tile, out)?;
        let len = half_bytes(&self.layout, &at) as usize;
        if len > 0 {
            let start = out.bytes.len();
            // A buffer of its own, because elements have to lie as their type wants them.
            if self.half.len() < len {
                self.half = Buffer::new(len)?;
            }
            let half = &mut self.half.bytes_mut()[..len];
            reduce(self.layout.method, &self.layout.halved, &tile, half);
            out.bytes.extend_from_slice(half);
            out.parts.push(Part { id: REDUCED, start, len });
        }
        Ok(())
    }
}
