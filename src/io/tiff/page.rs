//! One page: its size, its elements, how it is cut into strips or tiles, and how those are stored.

use super::ifd::{Directory, Tiff};
use crate::array::{DType, Dims};
use crate::error::Result;
use tiff::tags::{CompressionMethod, PhotometricInterpretation, SampleFormat, Tag};

/// Tiles may be larger than their page, but a tile above this size that is much larger is a mistake or an attack.
const LARGE_TILE: u64 = 16 << 20;

/// What all pages of an array have in common.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Page {
    pub width: u64,
    pub height: u64,
    /// `uint16` for the bits of halves.
    pub dtype: DType,
    /// Channels of a pixel.
    pub samples: u64,
    /// Whether each channel is stored on its own.
    pub separate: bool,
    pub tiled: bool,
    pub chunk_width: u64,
    pub chunk_height: u64,
    pub storage: Storage,
}

/// How the bytes of a strip or tile stand for its pixels.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Storage {
    pub method: Method,
    pub predictor: Predictor,
    /// Whether elements are floats of 16 bits.
    pub half: bool,
    /// Whether eight pixels share a byte.
    pub bits: bool,
    /// Whether the bits of every byte are in reverse order.
    pub reversed: bool,
    /// Whether colours are stored as luminance and chrominance.
    pub ycbcr: bool,
}

/// How a strip or tile is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    None,
    PackBits,
    Lzw,
    Deflate,
    Zstd,
    Jpeg,
}

impl Method {
    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Method::None => "none",
            Method::PackBits => "PackBits",
            Method::Lzw => "LZW",
            Method::Deflate => "deflate",
            Method::Zstd => "zstd",
            Method::Jpeg => "JPEG",
        }
    }
}

/// What was done to the rows before they were compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Predictor {
    None,
    /// Each element less its left neighbour.
    Horizontal,
    /// The same with the bytes of floats, sorted by significance.
    Float,
}

impl Predictor {
    /// Its name, for people.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Predictor::None => None,
            Predictor::Horizontal => Some("horizontal"),
            Predictor::Float => Some("floating point"),
        }
    }
}

/// Whether a page says that it is a smaller copy of another one.
pub(super) fn is_reduced(tiff: &mut Tiff, directory: &Directory) -> Result<bool> {
    Ok(tiff.integer(directory, Tag::NewSubfileType)?.unwrap_or(0) & 1 != 0)
}

/// Whether a page says that it is a mask of another one.
pub(super) fn is_mask(tiff: &mut Tiff, directory: &Directory) -> Result<bool> {
    Ok(tiff.integer(directory, Tag::NewSubfileType)?.unwrap_or(0) & 4 != 0)
}

impl Page {
    /// Reads the tags that describe the pixels.
    ///
    /// # Errors
    /// When they are missing or wrong, or the pixels are stored in a way that is not read.
    pub fn read(tiff: &mut Tiff, directory: &Directory) -> Result<Page> {
        let width = length(tiff, directory, Tag::ImageWidth)?;
        let height = length(tiff, directory, Tag::ImageLength)?;
        let samples = tiff.integer(directory, Tag::SamplesPerPixel)?.unwrap_or(1);
        if !(1..=u64::from(u16::MAX)).contains(&samples) {
            return Err(tiff.wrong(format!("has {samples} channels, which cannot be right")));
        }
        let method = method(tiff, directory)?;
        let (dtype, kind) = element_type(tiff, directory)?;
        let separate = samples > 1 && tiff.integer(directory, Tag::PlanarConfiguration)? == Some(2);
        let tiled = tiff.count(directory, Tag::TileOffsets)? > 0;
        let (chunk_width, chunk_height) = match tiled {
            true => (length(tiff, directory, Tag::TileWidth)?, length(tiff, directory, Tag::TileLength)?),
            false => {
                let rows = tiff.integer(directory, Tag::RowsPerStrip)?.unwrap_or(height).min(height);
                (width, rows)
            }
        };
        if chunk_height == 0 {
            return Err(tiff.wrong("has strips of no rows"));
        }
        let storage = storage(tiff, directory, method, dtype, kind)?;
        let page = Page { width, height, dtype, samples, separate, tiled, chunk_width, chunk_height, storage };
        page.check(tiff)?;
        Ok(page)
    }

    fn check(&self, tiff: &Tiff) -> Result<()> {
        let page = self.pixel_row_bytes(self.width).checked_mul(self.height);
        let chunk = self.pixel_row_bytes(self.chunk_width).checked_mul(self.chunk_height);
        let (Some(page), Some(chunk)) = (page, chunk) else {
            return Err(tiff.wrong("has pages larger than any file"));
        };
        if page.max(chunk) > i64::MAX as u64 {
            return Err(tiff.wrong("has pages larger than any file"));
        }
        if chunk > LARGE_TILE && chunk / 4 > page {
            let tile = format!("{} x {}", self.chunk_height, self.chunk_width);
            return Err(tiff.wrong(format!("has tiles of {tile} pixels for a far smaller page, which cannot be right")));
        }
        if self.storage.method == Method::Jpeg && !self.suits_jpeg() {
            return Err(tiff.wrong(format!(
                "is compressed with JPEG, of which 8-bit pages of one or three channels are read, not {} of {} channels",
                self.dtype, self.samples
            )));
        }
        Ok(())
    }

    /// Whether the pixels are such as are read from a JPEG.
    fn suits_jpeg(&self) -> bool {
        self.dtype == DType::U8 && matches!(self.samples_together(), 1 | 3)
    }

    /// Whether any part of a strip or tile can be read without the rest.
    pub fn is_direct(&self) -> bool {
        self.storage.method == Method::None && !self.storage.bits && !self.storage.reversed
    }

    /// Length of each axis.
    pub fn shape(&self) -> Vec<u64> {
        self.on_axes(self.height, self.width)
    }

    /// Shape of a strip or tile, on the same axes.
    pub fn chunk_shape(&self) -> Vec<u64> {
        let mut shape = self.on_axes(self.chunk_height, self.chunk_width);
        if self.separate {
            shape[0] = 1;
        }
        shape
    }

    /// Which of these axes are the rows.
    pub fn row_axis(&self) -> usize {
        usize::from(self.separate)
    }

    fn on_axes(&self, height: u64, width: u64) -> Vec<u64> {
        match (self.samples, self.separate) {
            (1, _) => vec![height, width],
            (n, true) => vec![n, height, width],
            (n, false) => vec![height, width, n],
        }
    }

    /// Distances of neighbours in a chunk, in bytes, on the same axes; 0 between planes.
    pub fn strides(&self) -> Dims {
        let size = self.dtype.size() as u64;
        let row = self.pixel_row_bytes(self.chunk_width);
        let strides: &[u64] = match (self.samples, self.separate) {
            (1, _) => &[row, size],
            (_, true) => &[0, row, size],
            (n, false) => &[row, n * size, size],
        };
        strides.iter().copied().collect()
    }

    /// Channels that lie together in a chunk.
    pub fn samples_together(&self) -> u64 {
        if self.separate { 1 } else { self.samples }
    }

    /// Bytes of a row of that many pixels in memory. All lengths are below 2^32, so this fits.
    fn pixel_row_bytes(&self, width: u64) -> u64 {
        width * self.samples_together() * self.dtype.size() as u64
    }

    /// Bytes of a row of a chunk in memory.
    pub fn row_bytes(&self) -> u64 {
        self.pixel_row_bytes(self.chunk_width)
    }

    /// Bytes of a row of a chunk once it is decompressed.
    pub fn stored_row_bytes(&self) -> u64 {
        match self.storage.bits {
            true => (self.chunk_width * self.samples_together()).div_ceil(8),
            false => self.row_bytes(),
        }
    }

    /// Bytes of a chunk in memory.
    pub fn chunk_bytes(&self) -> u64 {
        self.row_bytes() * self.chunk_height
    }

    fn across(&self) -> u64 {
        self.width.div_ceil(self.chunk_width)
    }

    /// Strips or tiles of one plane.
    pub fn chunks_per_plane(&self) -> u64 {
        self.across() * self.height.div_ceil(self.chunk_height)
    }

    /// Strips or tiles of the page.
    pub fn chunks(&self) -> u64 {
        self.chunks_per_plane().saturating_mul(if self.separate { self.samples } else { 1 })
    }

    /// Rows that a strip or tile stores: the last strip has fewer.
    pub fn rows_of(&self, chunk: u64) -> u64 {
        let row = chunk % self.chunks_per_plane() / self.across() * self.chunk_height;
        if self.tiled { self.chunk_height } else { self.chunk_height.min(self.height - row) }
    }

    /// Whether chunks at that distance make the rows of a plane follow each other without gaps.
    pub fn rows_follow(&self, chunk_step: u64) -> bool {
        self.chunks_per_plane() == 1 || self.across() == 1 && chunk_step == self.chunk_height * self.row_bytes()
    }

    /// Whether that page may be a smaller copy of this one.
    pub fn has_copy(&self, other: &Page) -> bool {
        let ratio = |whole: u64, part: u64| whole as f64 / part as f64;
        let (down, across) = (ratio(self.height, other.height), ratio(self.width, other.width));
        // Lengths are rounded up or down at every level.
        let slack = 2.0 * down.max(across) * (1.0 / other.height as f64 + 1.0 / other.width as f64);
        // Levels are a half or a quarter of each other; pages that differ by little are something else.
        let smaller = other.height <= self.height && other.width <= self.width && down.max(across) > 1.4;
        smaller && other.dtype == self.dtype && other.samples == self.samples && (down - across).abs() <= slack
    }
}

fn length(tiff: &mut Tiff, directory: &Directory, tag: Tag) -> Result<u64> {
    match tiff.integer(directory, tag)? {
        Some(n) if (1..=u64::from(u32::MAX)).contains(&n) => Ok(n),
        Some(n) => Err(tiff.wrong(format!("says {n} for {tag:?}, which cannot be right"))),
        None => Err(tiff.wrong(format!("has no tag {tag:?}"))),
    }
}

fn method(tiff: &mut Tiff, directory: &Directory) -> Result<Method> {
    let code = tiff.integer(directory, Tag::Compression)?.unwrap_or(1);
    Ok(match code {
        0 | 1 => Method::None,
        5 => Method::Lzw,
        7 => Method::Jpeg,
        8 | 32946 => Method::Deflate,
        32773 => Method::PackBits,
        50000 => Method::Zstd,
        other => {
            let name = CompressionMethod::from_u16_exhaustive(u16::try_from(other).unwrap_or(0));
            let name = match name {
                CompressionMethod::Unknown(_) => format!("method {other}"),
                known => format!("{known:?}"),
            };
            return Err(
                tiff.wrong(format!("is compressed with {name}; PackBits, LZW, deflate, zstd and JPEG are read"))
            );
        }
    })
}

fn storage(tiff: &mut Tiff, directory: &Directory, method: Method, dtype: DType, kind: Packed) -> Result<Storage> {
    let (bits, half) = (kind == Packed::Bits, kind == Packed::Halves);
    let photometric = tiff.integer(directory, Tag::PhotometricInterpretation)?;
    let ycbcr = photometric == Some(u64::from(PhotometricInterpretation::YCbCr.to_u16()));
    if ycbcr && method != Method::Jpeg {
        return Err(tiff.wrong("holds YCbCr that is not in JPEGs, which is not read"));
    }
    let predictor = match tiff.integer(directory, Tag::Predictor)?.unwrap_or(1) {
        // Nothing is predicted there, whatever the tag says: so libtiff.
        _ if !matches!(method, Method::Lzw | Method::Deflate | Method::Zstd) => Predictor::None,
        0 | 1 => Predictor::None,
        2 if !bits => Predictor::Horizontal,
        3 if dtype.is_float() || half => Predictor::Float,
        n => return Err(tiff.wrong(format!("has predictor {n} for {dtype}, which is not read"))),
    };
    let reversed = tiff.integer(directory, Tag::FillOrder)? == Some(2) && method != Method::Jpeg;
    Ok(Storage { method, predictor, half, bits, reversed, ycbcr })
}

/// How elements are stored that have no type of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packed {
    No,
    /// Eight share a byte.
    Bits,
    /// Floats of 16 bits.
    Halves,
}

/// The element type as it is read.
fn element_type(tiff: &mut Tiff, directory: &Directory) -> Result<(DType, Packed)> {
    let bits = tiff.uniform(directory, Tag::BitsPerSample, 1)?;
    let format = tiff.uniform(directory, Tag::SampleFormat, 1)?;
    let format = SampleFormat::from_u16_exhaustive(u16::try_from(format).unwrap_or(0));
    Ok(match (&format, bits) {
        (SampleFormat::Uint | SampleFormat::Void, 1) => (DType::Bool, Packed::Bits),
        (SampleFormat::Uint | SampleFormat::Void, 8) => (DType::U8, Packed::No),
        (SampleFormat::Uint | SampleFormat::Void, 16) => (DType::U16, Packed::No),
        (SampleFormat::Uint | SampleFormat::Void, 32) => (DType::U32, Packed::No),
        (SampleFormat::Uint, 64) => (DType::U64, Packed::No),
        (SampleFormat::Int, 8) => (DType::I8, Packed::No),
        (SampleFormat::Int, 16) => (DType::I16, Packed::No),
        (SampleFormat::Int, 32) => (DType::I32, Packed::No),
        (SampleFormat::Int, 64) => (DType::I64, Packed::No),
        (SampleFormat::IEEEFP, 16) => (DType::U16, Packed::Halves),
        (SampleFormat::IEEEFP, 32) => (DType::F32, Packed::No),
        (SampleFormat::IEEEFP, 64) => (DType::F64, Packed::No),
        _ => {
            let what = format!("holds {bits}-bit elements ({format:?}); 1-bit masks, 8 to 64-bit integers and");
            return Err(tiff.wrong(what + " 16 to 64-bit floats are read"));
        }
    })
}
