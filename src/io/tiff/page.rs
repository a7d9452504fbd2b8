//! One page: its size, its elements, and how it is cut into strips or tiles.

use super::ifd::{Directory, Tiff};
use super::offsets::Offsets;
use crate::array::{DType, Dims};
use crate::error::Result;
use tiff::tags::{CompressionMethod, PhotometricInterpretation, SampleFormat, Tag};

/// What all pages of a file have in common.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Page {
    pub width: u64,
    pub height: u64,
    pub dtype: DType,
    /// Channels of a pixel.
    pub samples: u64,
    /// Whether each channel is stored on its own.
    pub separate: bool,
    pub tiled: bool,
    pub chunk_width: u64,
    pub chunk_height: u64,
}

/// Whether a page is a smaller copy or a mask of another one.
pub(super) fn is_extra(tiff: &mut Tiff, directory: &Directory) -> Result<bool> {
    const REDUCED_OR_MASK: u64 = 0b101;
    Ok(tiff.integer(directory, Tag::NewSubfileType)?.unwrap_or(0) & REDUCED_OR_MASK != 0)
}

impl Page {
    /// Reads the tags that describe the pixels.
    ///
    /// # Errors
    /// When they are missing or wrong, or the pixels are stored in a way that is not read.
    pub fn read(tiff: &mut Tiff, directory: &Directory) -> Result<Page> {
        check_compression(tiff, directory)?;
        let width = length(tiff, directory, Tag::ImageWidth)?;
        let height = length(tiff, directory, Tag::ImageLength)?;
        let samples = tiff.integer(directory, Tag::SamplesPerPixel)?.unwrap_or(1);
        if !(1..=u64::from(u16::MAX)).contains(&samples) {
            return Err(tiff.wrong(format!("has {samples} channels, which cannot be right")));
        }
        let dtype = element_type(tiff, directory)?;
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
        let page = Page { width, height, dtype, samples, separate, tiled, chunk_width, chunk_height };
        match page.row_bytes().checked_mul(chunk_height.max(height)) {
            Some(bytes) if bytes <= i64::MAX as u64 => Ok(page),
            _ => Err(tiff.wrong("has pages larger than any file")),
        }
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
        let strides: &[u64] = match (self.samples, self.separate) {
            (1, _) => &[self.row_bytes(), size],
            (_, true) => &[0, self.row_bytes(), size],
            (n, false) => &[self.row_bytes(), n * size, size],
        };
        strides.iter().copied().collect()
    }

    /// Bytes of a row of a chunk. All lengths are below 2^32, so this fits.
    fn row_bytes(&self) -> u64 {
        let samples = if self.separate { 1 } else { self.samples };
        self.chunk_width * samples * self.dtype.size() as u64
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
        self.chunks_per_plane() * if self.separate { self.samples } else { 1 }
    }

    /// Whether chunks at that distance make the rows of a plane follow each other without gaps.
    pub fn rows_follow(&self, chunk_step: u64) -> bool {
        self.chunks_per_plane() == 1 || self.across() == 1 && chunk_step == self.chunk_height * self.row_bytes()
    }

    /// Appends the positions of the page's chunks, each checked to lie in the file.
    ///
    /// # Errors
    /// When there are too few, or one does not lie in the file.
    pub fn offsets(&self, tiff: &mut Tiff, directory: &Directory, into: &mut Offsets) -> Result<()> {
        let tag = if self.tiled { Tag::TileOffsets } else { Tag::StripOffsets };
        let (count, needed) = (tiff.count(directory, tag)?, self.chunks());
        if count < needed {
            return Err(tiff.wrong(format!("has {count} strips or tiles, but its size asks for {needed}")));
        }
        let mut index = 0;
        tiff.integers(directory, tag, needed, |tiff, offset| {
            let row = index % self.chunks_per_plane() / self.across() * self.chunk_height;
            let rows = if self.tiled { self.chunk_height } else { self.chunk_height.min(self.height - row) };
            let end = offset.checked_add(rows * self.row_bytes());
            if offset == 0 {
                return Err(tiff.wrong(format!("leaves out strip or tile {index} (a sparse file), which is not read")));
            }
            if end.is_none_or(|end| end > tiff.bytes.len()) {
                let (bytes, len) = (rows * self.row_bytes(), tiff.bytes.len());
                return Err(tiff.wrong(format!(
                    "is truncated: strip or tile {index} has {bytes} bytes at {offset}, the file has {len}"
                )));
            }
            into.push(offset);
            index += 1;
            Ok(())
        })
    }
}

fn length(tiff: &mut Tiff, directory: &Directory, tag: Tag) -> Result<u64> {
    match tiff.integer(directory, tag)? {
        Some(n) if (1..=u64::from(u32::MAX)).contains(&n) => Ok(n),
        Some(n) => Err(tiff.wrong(format!("says {n} for {tag:?}, which cannot be right"))),
        None => Err(tiff.wrong(format!("has no tag {tag:?}"))),
    }
}

fn check_compression(tiff: &mut Tiff, directory: &Directory) -> Result<()> {
    let method = tiff.integer(directory, Tag::Compression)?.unwrap_or(1);
    let method = CompressionMethod::from_u16_exhaustive(u16::try_from(method).unwrap_or(0));
    if method != CompressionMethod::None {
        return Err(tiff.wrong(format!(
            "is compressed ({method:?}); only uncompressed TIFF is read, compressed comes with a later release"
        )));
    }
    let photometric = tiff.integer(directory, Tag::PhotometricInterpretation)?;
    if photometric == Some(u64::from(PhotometricInterpretation::YCbCr.to_u16())) {
        return Err(tiff.wrong("holds uncompressed YCbCr, which is not read"));
    }
    Ok(())
}

fn element_type(tiff: &mut Tiff, directory: &Directory) -> Result<DType> {
    let bits = tiff.uniform(directory, Tag::BitsPerSample, 1)?;
    let format = tiff.uniform(directory, Tag::SampleFormat, 1)?;
    let format = SampleFormat::from_u16_exhaustive(u16::try_from(format).unwrap_or(0));
    Ok(match (&format, bits) {
        (SampleFormat::Uint | SampleFormat::Void, 8) => DType::U8,
        (SampleFormat::Uint | SampleFormat::Void, 16) => DType::U16,
        (SampleFormat::Uint | SampleFormat::Void, 32) => DType::U32,
        (SampleFormat::Uint, 64) => DType::U64,
        (SampleFormat::Int, 8) => DType::I8,
        (SampleFormat::Int, 16) => DType::I16,
        (SampleFormat::Int, 32) => DType::I32,
        (SampleFormat::Int, 64) => DType::I64,
        (SampleFormat::IEEEFP, 32) => DType::F32,
        (SampleFormat::IEEEFP, 64) => DType::F64,
        _ => {
            let what = format!("holds {bits}-bit elements ({format:?}); 8 to 64-bit integers and 32 and 64-bit floats");
            return Err(tiff.wrong(what + " are read"));
        }
    })
}
