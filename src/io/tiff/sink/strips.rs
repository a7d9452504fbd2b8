//! Uncompressed strips behind the directories of all pages. Everything's position is known before the first
//! pixel, so tiles come in any order, and what is in the file while it grows never has to be moved.

use super::{MAX_CLASSIC, Pages, usage};
use crate::array::{ArraySpec, DType, Region, View};
use crate::error::{Error, Result};
use crate::io::partial::Partial;
use crate::io::strided::{BoxWriter, FlatSink, Place};
use crate::io::{Order, Sink};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;
use tiff::TiffResult;
use tiff::encoder::{DirectoryEncoder, Rational, TiffEncoder, TiffKind, TiffKindBig, TiffKindStandard};
use tiff::tags::{CompressionMethod, ExtraSamples, PhotometricInterpretation, PlanarConfiguration, ResolutionUnit};
use tiff::tags::{SampleFormat, Tag};

/// Strips are about this large, which suits readers that take one at a time …
const STRIP: u64 = 128 << 10;

/// … but a page has no more than so many, which bounds the memory for its table.
const MAX_STRIPS: u64 = 8192;

/// Memory for a page's tables while its directory is written: positions and lengths, once as numbers, once as bytes.
const TABLES_BILL: u64 = MAX_STRIPS * 8 * 4 + (64 << 10);

/// Pixels start at a multiple of this.
const ALIGN: u64 = 64;

/// Makes a TIFF output.
///
/// # Errors
/// When it may not be written there, or a TIFF cannot hold such an array.
pub fn create(path: &Path, spec: &ArraySpec, overwrite: bool) -> Result<Box<dyn Sink>> {
    let out = Partial::new(path, overwrite)?;
    let pages = Strips::new(Pages::new(spec).map_err(|what| usage(path, what))?, spec);
    let place = pages.place(spec).ok_or_else(|| Error::format(path, "the array is larger than any file can be"))?;
    let len = place.offset + spec.bytes();
    let boxes = BoxWriter::new(spec.dtype == DType::Bool);
    Ok(Box::new(TiffSink { flat: FlatSink::new(out, spec, place, Vec::new(), len, boxes), pages }))
}

#[derive(Debug)]
struct TiffSink {
    flat: FlatSink,
    pages: Strips,
}

impl Sink for TiffSink {
    fn spec(&self) -> &ArraySpec {
        self.flat.spec()
    }

    fn path(&self) -> &Path {
        self.flat.path()
    }

    fn order(&self) -> Order {
        self.flat.order()
    }

    fn bill(&self) -> u64 {
        self.flat.bill() + TABLES_BILL
    }

    fn begin(&mut self) -> Result<()> {
        self.flat.begin()?;
        let written = self.write_directories();
        if written.is_err() {
            self.flat.abort();
        }
        written
    }

    fn write(&mut self, at: &Region, tile: View<'_>) -> Result<()> {
        self.flat.write(at, tile)
    }

    fn commit(&mut self) -> Result<()> {
        self.flat.commit()
    }

    fn abort(&mut self) {
        self.flat.abort();
    }
}

impl TiffSink {
    fn write_directories(&self) -> Result<()> {
        let mut file = BufWriter::new(self.flat.out().file()?);
        let encoded = self.pages.encode(&mut file, self.pages.pages.count);
        let done = encoded.map_err(into_io).and_then(|()| file.flush());
        done.map_err(|e| Error::io(self.path(), "cannot be written", e))
    }
}

fn into_io(e: tiff::TiffError) -> io::Error {
    match e {
        tiff::TiffError::IoError(e) => e,
        other => io::Error::other(other),
    }
}

/// Pages of strips.
#[derive(Debug)]
struct Strips {
    pages: Pages,
    rows: u64,
    row_bytes: u64,
    big: bool,
    /// Where the pixels start.
    data: u64,
}

impl Strips {
    fn new(pages: Pages, spec: &ArraySpec) -> Self {
        let row_bytes = pages.width * pages.samples * spec.dtype.size() as u64;
        let rows = (STRIP / row_bytes).max(pages.height.div_ceil(MAX_STRIPS)).clamp(1, pages.height);
        let mut strips = Strips { pages, rows, row_bytes, big: false, data: 0 };
        strips.data = strips.header_bytes();
        if strips.data.saturating_add(spec.bytes()) > MAX_CLASSIC {
            strips.big = true;
            strips.data = strips.header_bytes();
        }
        strips
    }

    fn place(&self, spec: &ArraySpec) -> Option<Place> {
        Place::packed(self.data, &spec.shape, spec.dtype.size(), false, false).map(|(place, _)| place)
    }

    /// Bytes before the pixels: found by writing a few directories to nowhere, since all but the first are alike.
    fn header_bytes(&self) -> u64 {
        let size = |pages: u64| {
            let mut measure = Measure::default();
            match self.encode(&mut measure, pages) {
                Ok(()) => measure.end,
                // Too large for classic TIFF.
                Err(_) => u64::MAX >> 1,
            }
        };
        let few = size(self.pages.count.min(2));
        let more = if self.pages.count > 2 { (size(3) - few).saturating_mul(self.pages.count - 2) } else { 0 };
        few.saturating_add(more).next_multiple_of(ALIGN)
    }

    fn encode<W: Write + Seek>(&self, to: W, pages: u64) -> TiffResult<()> {
        match self.big {
            true => self.directories(TiffEncoder::<W, TiffKindBig>::new_generic(to)?, pages),
            false => self.directories(TiffEncoder::<W, TiffKindStandard>::new_generic(to)?, pages),
        }
    }

    fn directories<W: Write + Seek, K: TiffKind>(&self, mut encoder: TiffEncoder<W, K>, pages: u64) -> TiffResult<()> {
        for page in 0..pages {
            let mut directory = encoder.image_directory()?;
            if let (0, Some(text)) = (page, &self.pages.description) {
                directory.write_tag(Tag::ImageDescription, text.as_str())?;
            }
            self.pixel_tags(&mut directory)?;
            self.strip_tags(&mut directory, page)?;
            directory.finish()?;
        }
        Ok(())
    }

    fn pixel_tags<W: Write + Seek, K: TiffKind>(&self, to: &mut DirectoryEncoder<'_, W, K>) -> TiffResult<()> {
        let pages = &self.pages;
        let samples = pages.samples as usize;
        let bits = 8 * pages.dtype.size() as u16;
        let format = match pages.dtype {
            d if d.is_float() => SampleFormat::IEEEFP,
            d if d.is_signed_integer() => SampleFormat::Int,
            _ => SampleFormat::Uint,
        };
        let (meaning, known) = match pages.colour {
            true => (PhotometricInterpretation::RGB, 3),
            false => (PhotometricInterpretation::BlackIsZero, 1),
        };
        to.write_tag(Tag::ImageWidth, pages.width as u32)?;
        to.write_tag(Tag::ImageLength, pages.height as u32)?;
        to.write_tag(Tag::BitsPerSample, &vec![bits; samples][..])?;
        to.write_tag(Tag::Compression, CompressionMethod::None)?;
        to.write_tag(Tag::PhotometricInterpretation, meaning)?;
        to.write_tag(Tag::SamplesPerPixel, pages.samples as u16)?;
        to.write_tag(Tag::PlanarConfiguration, PlanarConfiguration::Chunky)?;
        to.write_tag(Tag::SampleFormat, &vec![format; samples][..])?;
        if samples > known {
            let other = if pages.colour { ExtraSamples::UnassociatedAlpha } else { ExtraSamples::Unspecified };
            to.write_tag(Tag::ExtraSamples, &vec![other; samples - known][..])?;
        }
        if let Some([x, y]) = pages.resolution {
            let rational = |(n, d)| Rational { n, d };
            to.write_tag(Tag::XResolution, rational(x))?;
            to.write_tag(Tag::YResolution, rational(y))?;
            to.write_tag(Tag::ResolutionUnit, ResolutionUnit::Centimeter)?;
        }
        Ok(())
    }

    fn strip_tags<W: Write + Seek, K: TiffKind>(
        &self,
        to: &mut DirectoryEncoder<'_, W, K>,
        page: u64,
    ) -> TiffResult<()> {
        let first = self.data.saturating_add(page * self.pages.height * self.row_bytes);
        let strips = self.pages.height.div_ceil(self.rows);
        let position = |strip: u64| first.saturating_add(strip * self.rows * self.row_bytes);
        let length = |strip: u64| self.rows.min(self.pages.height - strip * self.rows) * self.row_bytes;
        to.write_tag(Tag::RowsPerStrip, self.rows as u32)?;
        if self.big {
            to.write_tag(Tag::StripOffsets, &(0..strips).map(position).collect::<Vec<_>>()[..])?;
            to.write_tag(Tag::StripByteCounts, &(0..strips).map(length).collect::<Vec<_>>()[..])
        } else {
            let small = |n: u64| n as u32;
            to.write_tag(Tag::StripOffsets, &(0..strips).map(position).map(small).collect::<Vec<_>>()[..])?;
            to.write_tag(Tag::StripByteCounts, &(0..strips).map(length).map(small).collect::<Vec<_>>()[..])
        }
    }
}

/// A file that only knows how long it would be.
#[derive(Debug, Default)]
struct Measure {
    at: u64,
    end: u64,
}

impl Write for Measure {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.at += bytes.len() as u64;
        self.end = self.end.max(self.at);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Measure {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(n) => n,
            SeekFrom::End(n) => self.end.saturating_add_signed(n),
            SeekFrom::Current(n) => self.at.saturating_add_signed(n),
        };
        Ok(self.at)
    }
}
