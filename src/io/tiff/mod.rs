//! TIFF and BigTIFF: uncompressed strips and tiles are read, uncompressed strips are written.

mod ifd;
mod offsets;
mod page;
mod shaped;
mod sink;

use super::file::FileBytes;
use super::strided::{BoxReader, FlatSource, Place, reader_bill, shape_text};
use super::units::{micrometers, micrometers_unless_print, set_sizes};
use super::{Access, Facts, Layout, OpenOptions, ReadBill, Reader, Source, name_axes};
use crate::array::{ArraySpec, Dims, Region, ViewMut, tiles_along};
use crate::error::Result;
use ifd::{Directory, Tiff};
use offsets::Offsets;
use page::Page;
use shaped::Shaped;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tiff::tags::Tag;

pub use sink::create;

/// Opens a TIFF file: all its pages as one array.
///
/// # Errors
/// When it is not intact, its pages differ, or they are stored in a way that is not read (yet).
pub fn open(path: &Path, options: &OpenOptions) -> Result<Arc<dyn Source>> {
    let (mut tiff, first) = Tiff::open(FileBytes::open_new(path)?)?;
    let directory = tiff.directory(first)?;
    let page = Page::read(&mut tiff, &directory)?;
    let about = About::read(&mut tiff, &directory)?;
    let (pages, offsets) = walk(&mut tiff, first, &page)?;
    about.check(&tiff, pages)?;
    let spec = name_axes(spec(&page, pages, &about), options, path)?;
    let facts = facts(&tiff, &page, pages);
    let swapped = tiff.little != cfg!(target_endian = "little");
    let file = TiffFile { path: path.to_path_buf(), len: tiff.bytes.len(), spec, facts };
    Ok(file.source(&page, pages, offsets, swapped))
}

/// What the first page says beyond its pixels.
struct About {
    description: String,
    sizes: [Option<f64>; 2],
}

impl About {
    fn read(tiff: &mut Tiff, directory: &Directory) -> Result<Self> {
        let description = tiff.text(directory, Tag::ImageDescription)?;
        let unit = tiff.integer(directory, Tag::ResolutionUnit)?;
        let mut size = |tag| Ok(tiff.rational(directory, tag)?.and_then(|per_unit| pixel_size(unit, per_unit)));
        let sizes = [size(Tag::YResolution)?, size(Tag::XResolution)?];
        Ok(About { description, sizes })
    }

    /// ImageJ keeps stacks above 4 GiB behind one directory, and reading one page of them would lose the rest.
    fn check(&self, tiff: &Tiff, pages: u64) -> Result<()> {
        let lines = self.description.starts_with("ImageJ=").then(|| self.description.lines());
        let images = lines.and_then(|mut l| l.find_map(|l| l.strip_prefix("images=")?.trim().parse::<u64>().ok()));
        match images {
            Some(n) if n > pages => Err(tiff.wrong(format!(
                "holds {n} images behind {pages} directories (a large ImageJ stack), which is not read yet"
            ))),
            _ => Ok(()),
        }
    }
}

/// The pixel size that a resolution stands for.
fn pixel_size(unit: Option<u64>, per_unit: f64) -> Option<f64> {
    match unit {
        Some(3) => micrometers(per_unit),
        None | Some(2) => micrometers_unless_print(per_unit / 2.54),
        _ => None,
    }
}

/// Follows the chain of directories.
fn walk(tiff: &mut Tiff, first: u64, page: &Page) -> Result<(u64, Offsets)> {
    let mut offsets = Offsets::new(page.chunks());
    let (mut at, mut pages, mut seen) = (first, 0u64, 0u64);
    // Brent's way to notice a chain that bites its tail, without keeping every directory in mind.
    let (mut mark, mut mark_at) = (first, 1u64);
    while at != 0 {
        let directory = tiff.directory(at)?;
        if seen == 0 || !page::is_extra(tiff, &directory)? {
            let other = Page::read(tiff, &directory)?;
            if other != *page {
                let (here, first) = (shape_text(&other.shape()), shape_text(&page.shape()));
                return Err(tiff.wrong(format!(
                    "has pages of different kinds, which are not one array: page {seen} ({here}) and page 0 ({first})"
                )));
            }
            page.offsets(tiff, &directory, &mut offsets)?;
            pages += 1;
        }
        seen += 1;
        if seen == mark_at {
            (mark, mark_at) = (at, mark_at * 2);
        }
        at = directory.next;
        if at == mark {
            return Err(tiff.wrong("has directories that go in a circle"));
        }
    }
    Ok((pages, offsets))
}

/// Shape and axes of all pages together.
fn spec(page: &Page, pages: u64, about: &About) -> ArraySpec {
    let mut shape: Vec<u64> = if pages > 1 { vec![pages] } else { vec![] };
    shape.extend(page.shape());
    let mut spec = match Shaped::parse(&about.description) {
        Some(shaped) if shaped.fits(pages, &page.shape()) => shaped.spec(page.dtype),
        _ if page.samples == 1 => ArraySpec::unnamed(&shape, page.dtype),
        _ => {
            let letters = if page.separate { "zcyx" } else { "zyxc" };
            ArraySpec::with_axes(&shape, page.dtype, &letters[4 - shape.len()..])
        }
    };
    set_sizes(&mut spec, about.sizes);
    spec
}

fn facts(tiff: &Tiff, page: &Page, pages: u64) -> Facts {
    let order = if tiff.little { "little endian" } else { "big endian" };
    let kind = if page.tiled { "tiles" } else { "strips" };
    Facts {
        format: if tiff.big { "BigTIFF" } else { "TIFF" }.into(),
        compression: "none".into(),
        more: vec![
            ("byte order".into(), order.into()),
            ("pages".into(), pages.to_string()),
            (kind.into(), shape_text(&[page.chunk_height, page.chunk_width])),
        ],
    }
}

/// What is known of the file, whichever way its pixels lie.
#[derive(Debug)]
struct TiffFile {
    path: PathBuf,
    len: u64,
    spec: ArraySpec,
    facts: Facts,
}

impl TiffFile {
    fn source(self, page: &Page, pages: u64, offsets: Offsets, swapped: bool) -> Arc<dyn Source> {
        let rank = self.spec.rank();
        // An axis of one channel (from the description) is not an axis of the page.
        let lone = if self.spec.shape.ends_with(&page.shape()) { None } else { Some(1) };
        let chunk: Dims = page.chunk_shape().into_iter().chain(lone).collect();
        let inner: Dims = page.strides().into_iter().chain(lone.map(|_| page.dtype.size() as u64)).collect();
        let lead = rank - inner.len();
        let whole = self.spec.shape[lead..] == chunk[..] && pages == 1;
        let shown: Dims = (0..lead).map(|_| 1).chain(chunk.iter().copied()).collect();
        let shown = (!whole).then_some(shown);
        let step = offsets.chunk_step().filter(|&step| page.rows_follow(step));
        if let (Some(_), Some((first, chunk_step, page_step))) = (step, offsets.regular()) {
            let mut strides: Dims = (0..lead).map(|_| 0).chain(inner).collect();
            let mut distance = page_step;
            for axis in (0..lead).rev() {
                strides[axis] = distance;
                distance = distance.saturating_mul(self.spec.shape[axis]);
            }
            if page.separate {
                strides[lead] = chunk_step * page.chunks_per_plane();
            }
            let place = Place { offset: first, strides, swapped };
            let TiffFile { path, len, spec, facts } = self;
            return Arc::new(FlatSource { path, len, spec, place, chunk: shown, facts });
        }
        // Strips that follow each other are one large strip.
        let (chunk, offsets) = match step {
            Some(_) if !page.separate => (self.spec.shape[lead..].iter().copied().collect(), offsets.of_pages()),
            _ => (chunk, offsets),
        };
        let strides = (0..lead).map(|_| 0).chain(inner).collect();
        let place = Place { offset: 0, strides, swapped };
        let grid = Grid { lead, chunk, offsets, place, shape: self.spec.shape.clone() };
        Arc::new(TiffSource { file: self, layout: Layout::Direct { chunk: shown }, grid: Arc::new(grid) })
    }
}

/// A file whose strips or tiles lie anywhere.
#[derive(Debug)]
struct TiffSource {
    file: TiffFile,
    layout: Layout,
    grid: Arc<Grid>,
}

impl Source for TiffSource {
    fn spec(&self) -> &ArraySpec {
        &self.file.spec
    }

    fn name(&self) -> String {
        self.file.path.display().to_string()
    }

    fn layout(&self) -> Layout {
        self.layout.clone()
    }

    fn bill(&self, access: Access) -> ReadBill {
        ReadBill { per_reader: reader_bill(access), shared: self.grid.offsets.bytes() }
    }

    fn facts(&self) -> Facts {
        self.file.facts.clone()
    }

    fn reader(&self, access: Access) -> Result<Box<dyn Reader>> {
        let bytes = FileBytes::open(&self.file.path, self.file.len, access)?;
        Ok(Box::new(GridReader { boxes: BoxReader::new(bytes), grid: Arc::clone(&self.grid) }))
    }

    fn path(&self) -> Option<&Path> {
        Some(&self.file.path)
    }
}

/// Where the pieces of an array are that is a grid of chunks within each page.
#[derive(Debug)]
struct Grid {
    shape: Dims,
    /// So many of the first axes count pages.
    lead: usize,
    /// Shape of a chunk on the other axes.
    chunk: Dims,
    offsets: Offsets,
    /// How pixels lie in a chunk.
    place: Place,
}

impl Grid {
    /// The number of chunk `index` (of those that the box meets) and its region, not cut at the array's edge.
    fn chunk(&self, at: &Region, index: u64) -> (u64, Region) {
        let rank = self.shape.len();
        let side = |a: usize| if a < self.lead { 1 } else { self.chunk[a - self.lead] };
        let first: Dims = (0..rank).map(|a| at.start[a] / side(a)).collect();
        let counts: Dims = (0..rank).map(|a| (at.end(a) - 1) / side(a) + 1 - first[a]).collect();
        let ones: Dims = counts.iter().map(|_| 1).collect();
        let mut region = Region::tile(&counts, &ones, index);
        let mut number = 0;
        for a in 0..rank {
            let coordinate = first[a] + region.start[a];
            number = number * tiles_along(self.shape[a], side(a)) + coordinate;
            region.start[a] = coordinate * side(a);
            region.shape[a] = side(a);
        }
        (number, region)
    }

    fn chunks(&self, at: &Region) -> u64 {
        let side = |a: usize| if a < self.lead { 1 } else { self.chunk[a - self.lead] };
        (0..self.shape.len()).map(|a| (at.end(a) - 1) / side(a) + 1 - at.start[a] / side(a)).product()
    }
}

struct GridReader {
    boxes: BoxReader,
    grid: Arc<Grid>,
}

impl Reader for GridReader {
    fn read(&mut self, at: &Region, mut out: ViewMut<'_>) -> Result<()> {
        if at.elements() == 0 {
            return Ok(());
        }
        let mut place = self.grid.place.clone();
        for index in 0..self.grid.chunks(at) {
            let (number, region) = self.grid.chunk(at, index);
            if let Some(part) = region.intersection(at) {
                place.offset = self.grid.offsets.get(number);
                let piece = out.sub(&part.relative_to(&at.start));
                self.boxes.read(&place, &part.relative_to(&region.start), piece)?;
            }
        }
        Ok(())
    }
}
