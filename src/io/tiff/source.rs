//! Pages whose strips or tiles lie anywhere, compressed or not.

use super::codec::Codec;
use super::page::Page;
use super::set::PageSet;
use super::strip::{self, StripStream, broken};
use super::tables::{Lookup, Tables};
use crate::array::{ArraySpec, Buffer, Dims, Region, View, ViewMut, copy, merge_axes, tiles_along};
use crate::error::{Error, Result};
use crate::io::file::{FileBytes, MAPPED_BILL};
use crate::io::streams::{Rows, Shared, Streams};
use crate::io::strided::{BoxReader, Place, reader_bill};
use crate::io::{Access, Facts, Layout, ReadBill, Reader, Source};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Compressed strips smaller than this are taken several at a time.
const SMALL_STRIP: u64 = 128 << 10;

/// A TIFF as a grid of strips or tiles within each page.
#[derive(Debug)]
pub(super) struct PagedSource {
    path: PathBuf,
    spec: ArraySpec,
    facts: Facts,
    layout: Layout,
    grid: Arc<Grid>,
    streams: Shared<StripStream>,
}

impl PagedSource {
    /// An array of such pages; its last axes are those of a page, and `lone` axes of length one.
    pub fn new(path: &Path, spec: ArraySpec, facts: Facts, set: PageSet, lone: usize) -> Self {
        let page = &set.page;
        let ones = std::iter::repeat_n(1, lone);
        let chunk: Dims = page.chunk_shape().into_iter().chain(ones.clone()).collect();
        let size = page.dtype.size() as u64;
        let inner = page.strides().into_iter().chain(ones.map(|_| size));
        let lead = spec.rank() - chunk.len();
        let strides = (0..lead).map(|_| 0).chain(inner).collect();
        let row_axis = lead + page.row_axis();
        let mut shown: Dims = (0..lead).map(|_| 1).chain(chunk.iter().copied()).collect();
        let direct = page.is_direct();
        if !direct && !page.tiled && page.chunk_bytes() < SMALL_STRIP {
            let strips = (SMALL_STRIP / page.chunk_bytes()).max(1);
            shown[row_axis] = shown[row_axis].saturating_mul(strips);
        }
        if strip::is_streamed(page) {
            shown[row_axis] = strip::band(page);
        }
        shown.iter_mut().zip(&spec.shape).for_each(|(side, &n)| *side = (*side).min(n));
        let layout = match direct {
            true => Layout::Direct { chunk: (shown != spec.shape).then_some(shown) },
            false => Layout::Chunked { chunk: shown },
        };
        let grid = Grid { shape: spec.shape.clone(), lead, chunk, strides, set };
        PagedSource { path: path.to_path_buf(), spec, facts, layout, grid: Arc::new(grid), streams: Shared::default() }
    }
}

impl Source for PagedSource {
    fn spec(&self) -> &ArraySpec {
        &self.spec
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn layout(&self) -> Layout {
        self.layout.clone()
    }

    fn bill(&self, access: Access) -> ReadBill {
        let (set, page) = (&self.grid.set, &self.grid.set.page);
        let lookup = (2 * size_of::<Lookup>()) as u64;
        let per_reader = match page.is_direct() {
            true => reader_bill(access) + lookup,
            false if strip::is_streamed(page) => strip::bill(page) + lookup,
            false => {
                let mapped = if matches!(access, Access::Mapped { .. }) { MAPPED_BILL } else { 0 };
                // A strip that is the whole page is never cut, so it is decoded where it is wanted.
                let cut = if page.tiled || page.chunks_per_plane() > 1 { page.chunk_bytes() } else { 0 };
                mapped + lookup + set.max_stored() + cut + Codec::bill(page)
            }
        };
        ReadBill { per_reader, shared: set.bytes() }
    }

    fn facts(&self) -> Facts {
        self.facts.clone()
    }

    fn why(&self) -> Option<String> {
        let page = &self.grid.set.page;
        strip::is_streamed(page).then(|| {
            format!(
                "{}: its strips of {} x {} pixels are decoded from the top, band by band: whoever comes back to a band that \
                 is not held starts again",
                self.name(),
                page.chunk_height,
                page.chunk_width
            )
        })
    }

    fn reader(&self, access: Access) -> Result<Box<dyn Reader>> {
        let grid = Arc::clone(&self.grid);
        // A file that has gone or shrunk is noticed before the run begins.
        let opened = Opened::new(&grid.set, 0, access)?;
        let (stored, chunk) = (Buffer::default(), Buffer::default());
        let streams = strip::is_streamed(&grid.set.page).then(|| self.streams.get());
        Ok(Box::new(PageReader { grid, access, opened, codec: Codec::new(), stored, chunk, streams }))
    }

    fn path(&self) -> Option<&Path> {
        Some(&self.path)
    }
}

/// How the strips or tiles of all pages cover the array.
#[derive(Debug)]
struct Grid {
    shape: Dims,
    /// So many of the first axes count pages.
    lead: usize,
    /// Shape of a chunk on the other axes.
    chunk: Dims,
    /// How pixels lie in a decoded chunk, in bytes.
    strides: Dims,
    set: PageSet,
}

impl Grid {
    fn side(&self, axis: usize) -> u64 {
        if axis < self.lead { 1 } else { self.chunk[axis - self.lead] }
    }

    /// How many chunks a box meets.
    fn chunks(&self, at: &Region) -> u64 {
        (0..self.shape.len()).map(|a| (at.end(a) - 1) / self.side(a) + 1 - at.start[a] / self.side(a)).product()
    }

    /// The number of chunk `index` (of those that the box meets) and its region, not cut at the array's edge.
    fn chunk(&self, at: &Region, index: u64) -> (u64, Region) {
        let rank = self.shape.len();
        let first: Dims = (0..rank).map(|a| at.start[a] / self.side(a)).collect();
        let counts: Dims = (0..rank).map(|a| (at.end(a) - 1) / self.side(a) + 1 - first[a]).collect();
        let ones: Dims = counts.iter().map(|_| 1).collect();
        let mut region = Region::tile(&counts, &ones, index);
        let mut number = 0;
        for (a, &first) in first.iter().enumerate() {
            let coordinate = first + region.start[a];
            number = number * tiles_along(self.shape[a], self.side(a)) + coordinate;
            region.start[a] = coordinate * self.side(a);
            region.shape[a] = self.side(a);
        }
        (number, region)
    }
}

/// The file a reader is in.
struct Opened {
    file: usize,
    tables: Arc<Tables>,
    boxes: BoxReader,
    lookup: Lookup,
}

impl Opened {
    fn new(set: &PageSet, file: usize, access: Access) -> Result<Self> {
        let tables = set.tables(file)?;
        let bytes = FileBytes::open(set.path(file), tables.len, access)?;
        Ok(Opened { file, tables, boxes: BoxReader::new(bytes), lookup: Lookup::new() })
    }
}

/// One thread's access to the strips or tiles.
struct PageReader {
    grid: Arc<Grid>,
    access: Access,
    opened: Opened,
    codec: Codec,
    stored: Buffer,
    chunk: Buffer,
    /// Where strips are decoded row by row.
    streams: Option<Arc<Streams<StripStream>>>,
}

impl Reader for PageReader {
    fn read(&mut self, at: &Region, mut out: ViewMut<'_>) -> Result<()> {
        if at.elements() == 0 {
            return Ok(());
        }
        let grid = Arc::clone(&self.grid);
        let per_page = grid.set.page.chunks();
        for index in 0..grid.chunks(at) {
            let (number, region) = grid.chunk(at, index);
            let Some(part) = region.intersection(at) else { continue };
            let (plane, chunk) = (number / per_page, number % per_page);
            let piece = out.sub(&part.relative_to(&at.start));
            self.read_chunk(&grid, plane, chunk, &part.relative_to(&region.start), piece)?;
        }
        Ok(())
    }
}

impl PageReader {
    /// Reads a part of a chunk.
    fn read_chunk(&mut self, grid: &Grid, plane: u64, chunk: u64, part: &Region, mut out: ViewMut<'_>) -> Result<()> {
        let set = &grid.set;
        let Some((file, page)) = set.locate(plane) else {
            return Err(Error::Internal(format!("plane {plane} lies in no file")));
        };
        if self.opened.file != file {
            self.opened = Opened::new(set, file, self.access)?;
        }
        let Opened { tables, boxes, lookup, .. } = &mut self.opened;
        let (offset, count) = lookup.get(boxes.bytes(), tables, page, chunk, set.page.chunks())?;
        if offset == 0 || (count == 0 && !set.page.is_direct()) {
            // Left out, which stands for zeros.
            out.fill(&[0; 8]);
            return Ok(());
        }
        let swapped = tables.little != cfg!(target_endian = "little");
        if set.page.is_direct() {
            let place = Place { offset, strides: grid.strides.clone(), swapped };
            return boxes.read(&place, part, out);
        }
        if let Some(streams) = &self.streams {
            let wrong = |what: String| broken(set.path(file), page, chunk, &what);
            let number = plane.saturating_mul(set.page.chunks()).saturating_add(chunk);
            let axis = grid.lead + set.page.row_axis();
            let (first, rows) = (part.start[axis], part.shape[axis]);
            let (taken, stream) = streams.take(number, first, first + rows);
            let mut stream = match stream {
                Some(stream) => stream,
                None => {
                    let bytes = FileBytes::open(set.path(file), tables.len, Access::Positioned)?;
                    StripStream::new(&set.page, number, bytes, (offset, count), swapped).map_err(wrong)?
                }
            };
            copy_rows(&mut stream, &set.page, axis, part, &mut out).map_err(wrong)?;
            if stream.at().1 < set.page.rows_of(chunk) {
                taken.give_back(stream);
                return Ok(());
            }
            return stream.finish(&set.page).map_err(wrong);
        }
        let jpeg = tables.jpeg(page);
        let stored = fetch(boxes.bytes(), &mut self.stored, (offset, count), jpeg)?;
        let rows = set.page.rows_of(chunk);
        let wrong = |what: String| broken(set.path(file), page, chunk, &what);
        // The whole of a chunk goes straight to where it is wanted.
        let whole = part.elements() * set.page.dtype.size() as u64 == rows * set.page.row_bytes();
        if whole && let Some(bytes) = gapless(&mut out) {
            let found = self.codec.decode(&set.page, swapped, stored, bytes);
            match found {
                Ok(found) if found == rows => return Ok(()),
                // A last strip may be as long as the others, with rows that belong to nothing.
                Err(_) | Ok(_) if rows == set.page.chunk_height => {
                    return Err(wrong(found.map_or_else(|e| e, |found| too_few(found, rows))));
                }
                _ => {}
            }
        }
        let stored = fetch(boxes.bytes(), &mut self.stored, (offset, count), jpeg)?;
        let bytes = set.page.chunk_bytes() as usize;
        if self.chunk.len() != bytes {
            self.chunk = Buffer::new(bytes)?;
        }
        let found = self.codec.decode(&set.page, swapped, stored, self.chunk.bytes_mut()).map_err(wrong)?;
        if found != rows && found != set.page.chunk_height {
            return Err(wrong(too_few(found, rows)));
        }
        let shape: Dims = (0..grid.shape.len()).map(|a| grid.side(a)).collect();
        let decoded = View::new(set.page.dtype, &shape, self.chunk.bytes());
        copy(&mut out, &decoded.sub(part));
        Ok(())
    }
}

/// Decodes the rows of a part of a strip, along that axis.
fn copy_rows(
    stream: &mut StripStream,
    page: &Page,
    axis: usize,
    part: &Region,
    out: &mut ViewMut<'_>,
) -> Result<(), String> {
    while stream.at().1 < part.start[axis] {
        stream.next(page)?;
    }
    let line = page_row(page, part.rank(), axis);
    // Where in a row, and where in `out`.
    let mut from = part.clone();
    (from.start[axis], from.shape[axis]) = (0, 1);
    let mut to = Region { start: line.iter().map(|_| 0).collect(), shape: from.shape.clone() };
    for row in 0..part.shape[axis] {
        let pixels = View::new(page.dtype, &line, stream.next(page)?);
        to.start[axis] = row;
        copy(&mut out.sub(&to), &pixels.sub(&from));
    }
    Ok(())
}

/// The shape of a row of a strip on the axes of the array.
fn page_row(page: &Page, rank: usize, axis: usize) -> Dims {
    let mut row: Dims = (0..rank).map(|_| 1).collect();
    row[axis + 1] = page.chunk_width;
    if let Some(samples) = row.get_mut(axis + 2) {
        *samples = page.samples_together();
    }
    row
}

fn too_few(found: u64, rows: u64) -> String {
    format!("it holds {found} rows instead of {rows}")
}

/// The bytes of a window, if no others lie between them.
fn gapless<'a>(out: &'a mut ViewMut<'_>) -> Option<&'a mut [u8]> {
    let (shape, [strides]) = merge_axes(out.shape(), [out.strides()]);
    (shape.len() == 1 && strides.first() == Some(&1)).then(|| out.data_mut())
}

/// Reads the stored bytes of a strip or tile, behind the tables of a JPEG where there are any.
fn fetch<'a>(
    bytes: &mut FileBytes,
    buffer: &'a mut Buffer,
    (offset, count): (u64, u64),
    jpeg: (u64, u64),
) -> Result<&'a mut [u8]> {
    // An image in tables begins with a marker of its own; of both only the outer markers are kept.
    const MARKER: u64 = 2;
    let (tables, skip) = match jpeg {
        (at, length) if at != 0 && length > 2 * MARKER && count > MARKER => (length - MARKER, MARKER),
        _ => (0, 0),
    };
    let total = (tables + count - skip) as usize;
    if buffer.len() < total {
        *buffer = Buffer::new(total)?;
    }
    let (head, rest) = buffer.bytes_mut()[..total].split_at_mut(tables as usize);
    if tables > 0 {
        bytes.read_at(jpeg.0, head)?;
    }
    bytes.read_at(offset + skip, rest)?;
    bytes.check()?;
    Ok(&mut buffer.bytes_mut()[..total])
}

/// The strips of a page as one, where they follow each other.
pub(super) fn joined(page: &Page) -> Page {
    Page { chunk_height: page.height, ..page.clone() }
}
