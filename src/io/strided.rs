//! Uncompressed pixels at regular distances in a file (npy, raw, most TIFFs): boxes in and out of them.

use super::file::{FileBytes, MAPPED_BILL};
use super::partial::Partial;
use super::{Access, Facts, Layout, Order, ReadBill, Reader, Sink, Source};
use crate::array::{ArraySpec, DType, Dims, MAX_RANK, Region, View, ViewMut, for_each_row, merge_axes};
use crate::error::{Bytes, Error, Result};
use arrayvec::ArrayVec;
use std::path::{Path, PathBuf};

type Extents = ArrayVec<usize, MAX_RANK>;

/// Pixels, and short rows, that do not lie one behind the other are fetched in windows of this size.
const WINDOW: usize = 64 << 10;

/// Those that lie further apart than this are fetched one by one: copying the gaps would cost more than the calls.
const FAR: usize = 4096;

/// A transposed box is turned in blocks of this size, so many rows of the output at a time.
const BLOCK: usize = 128 << 10;
const BLOCK_ROWS: usize = 16;

/// Short rows that lie together in the output file are written in one piece of at most this size.
const GATHER: usize = 256 << 10;

/// Memory of a [`BoxReader`] beyond its mapping.
pub(super) const READ_BILL: u64 = (WINDOW + BLOCK) as u64 + 4096;

/// Memory of a [`BoxWriter`].
pub(super) const WRITE_BILL: u64 = GATHER as u64 + 4096;

/// What one reader of a file costs.
pub(super) fn reader_bill(access: Access) -> u64 {
    match access {
        Access::Positioned => READ_BILL,
        Access::Mapped { .. } => READ_BILL + MAPPED_BILL,
    }
}

/// Where an array lies in a file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place {
    /// Position of the first element.
    pub offset: u64,
    /// Distance between neighbours along each axis, in bytes.
    pub strides: Dims,
    /// Whether the bytes of an element are in the other machine's order.
    pub swapped: bool,
}

impl Place {
    /// A C-order (or Fortran-order) array without gaps, and its length in bytes. `None` when that is more than a
    /// file can hold.
    pub fn packed(offset: u64, shape: &[u64], size: usize, fortran: bool, swapped: bool) -> Option<(Place, u64)> {
        let empty = shape.contains(&0);
        let mut strides: Dims = shape.iter().map(|_| 0).collect();
        let mut bytes = size as u64;
        for step in 0..shape.len() {
            let axis = if fortran { step } else { shape.len() - 1 - step };
            strides[axis] = bytes;
            bytes = if empty { 0 } else { bytes.checked_mul(shape[axis])? };
        }
        let bytes = if empty { 0 } else { bytes };
        let fits = offset.checked_add(bytes)? <= i64::MAX as u64 && shape.iter().all(|&n| n <= i64::MAX as u64);
        fits.then_some((Place { offset, strides, swapped }, bytes))
    }

    fn position(&self, start: &[u64]) -> u64 {
        self.offset + start.iter().zip(&self.strides).map(|(i, s)| i * s).sum::<u64>()
    }

    fn steps(&self) -> Extents {
        self.strides.iter().map(|&s| s as usize).collect()
    }
}

/// Both sides' merged axes: shape, steps in memory (elements) and in the file (bytes).
struct Walk {
    shape: Extents,
    memory: Extents,
    file: Extents,
}

/// On which side a row of a [`Walk`] is to be one piece.
enum Rows {
    InMemory,
    InFile,
}

impl Walk {
    fn new(shape: &[usize], memory: &[usize], place: &Place, size: usize, rows: Rows) -> Self {
        let (mut shape, [mut memory, mut file]) = merge_axes(shape, [memory, &place.steps()]);
        let last = shape.len() - 1;
        let whole = match rows {
            Rows::InMemory => memory[last] == 1,
            Rows::InFile => file[last] == size,
        };
        // Such rows are broken where the last axis had length one and was merged away, which leaves room for it.
        if !whole && shape.len() < MAX_RANK {
            shape.push(1);
            memory.push(1);
            file.push(size);
        }
        Walk { shape, memory, file }
    }

    /// The axis along which the file's neighbours lie closest.
    fn nearest_in_file(&self) -> usize {
        let last = self.shape.len() - 1;
        let long = (0..=last).rev().filter(|&a| self.shape[a] > 1);
        long.min_by_key(|&a| self.file[a]).unwrap_or(last)
    }
}

/// Copies boxes out of a file.
pub(super) struct BoxReader {
    bytes: FileBytes,
    window: Vec<u8>,
    block: Vec<u8>,
}

impl BoxReader {
    pub fn new(bytes: FileBytes) -> Self {
        BoxReader { bytes, window: Vec::new(), block: Vec::new() }
    }

    #[cfg(feature = "tiff")]
    /// The file, for what is not a box.
    pub fn bytes(&mut self) -> &mut FileBytes {
        &mut self.bytes
    }

    /// Fills `out` with the box.
    ///
    /// # Errors
    /// When the file is shorter than the box needs or cannot be read.
    pub fn read(&mut self, place: &Place, at: &Region, mut out: ViewMut<'_>) -> Result<()> {
        if at.elements() == 0 {
            return Ok(());
        }
        let dtype = out.dtype();
        let walk = Walk::new(out.shape(), out.strides(), place, dtype.size(), Rows::InMemory);
        let from = place.position(&at.start);
        let across = walk.nearest_in_file();
        if across + 1 == walk.shape.len() {
            self.read_rows(&walk, from, dtype, place.swapped, out.data_mut())?;
        } else {
            self.read_transposed(&walk, across, from, dtype, place.swapped, out.data_mut())?;
        }
        self.bytes.check()
    }

    fn read_rows(&mut self, walk: &Walk, from: u64, dtype: DType, swapped: bool, out: &mut [u8]) -> Result<()> {
        let size = dtype.size();
        let last = walk.shape.len() - 1;
        let step = walk.file[last];
        let packed = step == size || walk.shape[last] == 1;
        if packed && last > 0 && walk.file[last - 1] <= FAR {
            return self.read_close_rows(walk, from, dtype, swapped, out);
        }
        let mut done = Ok(());
        for_each_row(&walk.shape, [&walk.memory, &walk.file], |[to, at], n| {
            if done.is_ok() {
                let row = &mut out[to * size..(to + n) * size];
                done = run(&mut self.bytes, &mut self.window, from + at as u64, step, size, row);
                settle(row, dtype, swapped);
            }
        });
        done
    }

    /// Short rows close to each other: many with one call.
    fn read_close_rows(&mut self, walk: &Walk, from: u64, dtype: DType, swapped: bool, out: &mut [u8]) -> Result<()> {
        let last = walk.shape.len() - 1;
        let row = walk.shape[last] * dtype.size();
        let (rows, pitch, step) = (walk.shape[last - 1], walk.file[last - 1], walk.memory[last - 1] * dtype.size());
        let at_once = (WINDOW - row) / pitch + 1;
        self.window.resize(WINDOW, 0);
        let mut outer = walk.shape.clone();
        (outer[last], outer[last - 1]) = (1, 1);
        let mut done = Ok(());
        for_each_row(&outer, [&walk.memory, &walk.file], |[to, at], _| {
            for first in (0..rows).step_by(at_once) {
                let n = at_once.min(rows - first);
                let span = &mut self.window[..(n - 1) * pitch + row];
                if done.is_ok() {
                    done = self.bytes.read_at(from + (at + first * pitch) as u64, span);
                }
                for (j, part) in span.chunks(pitch).enumerate() {
                    let to = to * dtype.size() + (first + j) * step;
                    let to = &mut out[to..to + row];
                    to.copy_from_slice(&part[..row]);
                    settle(to, dtype, swapped);
                }
            }
        });
        done
    }

    /// Reads along `across`, where the file's pixels lie together, and writes along the last axis.
    fn read_transposed(
        &mut self,
        walk: &Walk,
        across: usize,
        from: u64,
        dtype: DType,
        swapped: bool,
        out: &mut [u8],
    ) -> Result<()> {
        let last = walk.shape.len() - 1;
        let size = dtype.size();
        self.block.resize(BLOCK, 0);
        let rows = walk.shape[last].min(BLOCK_ROWS);
        let length = (BLOCK / size / rows).min(walk.shape[across]);
        let mut outer = walk.shape.clone();
        (outer[last], outer[across]) = (1, 1);
        let mut done = Ok(());
        for_each_row(&outer, [&walk.memory, &walk.file], |[to, at], _| {
            for a in (0..walk.shape[across]).step_by(length) {
                let n = length.min(walk.shape[across] - a);
                for l in (0..walk.shape[last]).step_by(rows) {
                    let m = rows.min(walk.shape[last] - l);
                    for (j, part) in self.block.chunks_exact_mut(n * size).take(m).enumerate() {
                        let at = from + (at + a * walk.file[across] + (l + j) * walk.file[last]) as u64;
                        if done.is_ok() {
                            done = run(&mut self.bytes, &mut self.window, at, walk.file[across], size, part);
                        }
                    }
                    let block = &mut self.block[..n * m * size];
                    settle(block, dtype, swapped);
                    turn(block, n, out, to + a * walk.memory[across] + l, walk.memory[across], size);
                }
            }
        });
        done
    }
}

/// Fetches elements that lie `step` bytes apart, one behind the other into `out`.
fn run(bytes: &mut FileBytes, window: &mut Vec<u8>, at: u64, step: usize, size: usize, out: &mut [u8]) -> Result<()> {
    if step == size || out.len() == size {
        return bytes.read_at(at, out);
    }
    let per_window = if step > FAR { 1 } else { WINDOW / step };
    window.resize(WINDOW, 0);
    for (i, part) in out.chunks_mut(per_window * size).enumerate() {
        let n = part.len() / size;
        let span = &mut window[..(n - 1) * step + size];
        bytes.read_at(at + (i * per_window * step) as u64, span)?;
        pick(part, span, step, size);
    }
    Ok(())
}

/// Packs elements that lie `step` bytes apart.
fn pick(to: &mut [u8], from: &[u8], step: usize, size: usize) {
    match size {
        1 => pick_sized::<1>(to, from, step),
        2 => pick_sized::<2>(to, from, step),
        4 => pick_sized::<4>(to, from, step),
        _ => pick_sized::<8>(to, from, step),
    }
}

fn pick_sized<const N: usize>(to: &mut [u8], from: &[u8], step: usize) {
    for (e, f) in to.chunks_exact_mut(N).zip(from.chunks(step)) {
        e.copy_from_slice(&f[..N]);
    }
}

/// Writes a block of rows of `n` elements into `out` as columns: element `i` of row `j` goes to `to + i * step + j`.
fn turn(block: &[u8], n: usize, out: &mut [u8], to: usize, step: usize, size: usize) {
    match size {
        1 => turn_sized::<1>(block, n, out, to, step),
        2 => turn_sized::<2>(block, n, out, to, step),
        4 => turn_sized::<4>(block, n, out, to, step),
        _ => turn_sized::<8>(block, n, out, to, step),
    }
}

fn turn_sized<const N: usize>(block: &[u8], n: usize, out: &mut [u8], to: usize, step: usize) {
    let rows = block.len() / N / n;
    for i in 0..n {
        let first = (to + i * step) * N;
        for (j, e) in out[first..first + rows * N].chunks_exact_mut(N).enumerate() {
            let at = (j * n + i) * N;
            e.copy_from_slice(&block[at..at + N]);
        }
    }
}

/// Brings fetched elements into the machine's byte order, and truth values to 0 and 1.
pub(super) fn settle(row: &mut [u8], dtype: DType, swapped: bool) {
    if swapped {
        swap(row, dtype.size());
    }
    if dtype == DType::Bool {
        row.iter_mut().for_each(|b| *b = u8::from(*b != 0));
    }
}

/// Reverses the bytes of every element.
pub(super) fn swap(row: &mut [u8], size: usize) {
    match size {
        2 => row.chunks_exact_mut(2).for_each(|e| e.reverse()),
        4 => row.chunks_exact_mut(4).for_each(|e| e.reverse()),
        8 => row.chunks_exact_mut(8).for_each(|e| e.reverse()),
        _ => {}
    }
}

/// Copies boxes into a C-order file; short rows that lie together there are gathered first.
#[derive(Debug, Default)]
pub(super) struct BoxWriter {
    pending: Vec<u8>,
    position: u64,
    bright: bool,
}

/// Elements on their way into the file.
struct Row<'a> {
    data: &'a [u8],
    step: usize,
    count: usize,
    dtype: DType,
    swapped: bool,
}

impl BoxWriter {
    /// A writer that stores truth values as 0 and 255 if `bright`, else as 0 and 1.
    pub fn new(bright: bool) -> Self {
        BoxWriter { bright, ..BoxWriter::default() }
    }

    /// Writes the box.
    ///
    /// # Errors
    /// When the disk is full or fails.
    pub fn write(&mut self, file: &Partial, place: &Place, at: &Region, tile: &View<'_>) -> Result<()> {
        if at.elements() == 0 {
            return Ok(());
        }
        let (dtype, swapped) = (tile.dtype(), place.swapped);
        let walk = Walk::new(tile.shape(), tile.strides(), place, dtype.size(), Rows::InFile);
        let from = place.position(&at.start);
        let step = walk.memory[walk.shape.len() - 1];
        let mut done = Ok(());
        for_each_row(&walk.shape, [&walk.memory, &walk.file], |[m, f], count| {
            if done.is_ok() {
                let data = &tile.data()[m * dtype.size()..];
                done = self.put(file, from + f as u64, Row { data, step, count, dtype, swapped });
            }
        });
        done.and_then(|()| self.flush(file))
    }

    fn put(&mut self, file: &Partial, at: u64, row: Row<'_>) -> Result<()> {
        let size = row.dtype.size();
        let bytes = row.count * size;
        let bright = self.bright && row.dtype == DType::Bool;
        if row.step == 1 && !row.swapped && !bright && bytes >= GATHER / 4 {
            self.flush(file)?;
            return file.write_at(at, &row.data[..bytes]);
        }
        let mut at = at;
        for first in (0..row.count).step_by(GATHER / size) {
            let count = (GATHER / size).min(row.count - first);
            let together = self.position + self.pending.len() as u64 == at;
            if !together || self.pending.len() + count * size > GATHER {
                self.flush(file)?;
                self.position = at;
            }
            let data = &row.data[first * row.step * size..];
            let part = self.gather(data, row.step, count, size);
            if row.swapped {
                swap(part, size);
            }
            if bright {
                part.iter_mut().for_each(|b| *b = if *b == 0 { 0 } else { 255 });
            }
            at += (count * size) as u64;
        }
        Ok(())
    }

    fn gather(&mut self, data: &[u8], step: usize, count: usize, size: usize) -> &mut [u8] {
        let old = self.pending.len();
        self.pending.reserve_exact(GATHER - old);
        if step == 1 {
            self.pending.extend_from_slice(&data[..count * size]);
        } else {
            (0..count).for_each(|i| self.pending.extend_from_slice(&data[i * step * size..][..size]));
        }
        &mut self.pending[old..]
    }

    fn flush(&mut self, file: &Partial) -> Result<()> {
        if !self.pending.is_empty() {
            file.write_at(self.position, &self.pending)?;
            self.pending.clear();
        }
        Ok(())
    }
}

/// A file that is one strided array behind a header: the source of npy, raw and regular TIFFs.
#[derive(Debug)]
pub(super) struct FlatSource {
    /// The file.
    pub path: PathBuf,
    /// Its length when the header was read.
    pub len: u64,
    /// What it holds.
    pub spec: ArraySpec,
    /// Where.
    pub place: Place,
    /// What lies together in it.
    pub chunk: Option<Dims>,
    /// For people.
    pub facts: Facts,
}

impl Source for FlatSource {
    fn spec(&self) -> &ArraySpec {
        &self.spec
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn layout(&self) -> Layout {
        Layout::Direct { chunk: self.chunk.clone() }
    }

    fn bill(&self, access: Access) -> ReadBill {
        ReadBill { per_reader: reader_bill(access), shared: 0 }
    }

    fn facts(&self) -> Facts {
        self.facts.clone()
    }

    fn reader(&self, access: Access) -> Result<Box<dyn Reader>> {
        let bytes = FileBytes::open(&self.path, self.len, access)?;
        Ok(Box::new(FlatReader { boxes: BoxReader::new(bytes), place: self.place.clone() }))
    }

    fn path(&self) -> Option<&Path> {
        Some(&self.path)
    }
}

struct FlatReader {
    boxes: BoxReader,
    place: Place,
}

impl Reader for FlatReader {
    fn read(&mut self, at: &Region, out: ViewMut<'_>) -> Result<()> {
        self.boxes.read(&self.place, at, out)
    }
}

/// A header and one C-order array behind it: the sink of npy, raw and TIFF.
#[derive(Debug)]
pub(super) struct FlatSink {
    out: Partial,
    spec: ArraySpec,
    place: Place,
    header: Vec<u8>,
    len: u64,
    boxes: BoxWriter,
}

impl FlatSink {
    /// An output whose pixels lie at `place`, which ends at `len`.
    pub fn new(out: Partial, spec: &ArraySpec, place: Place, header: Vec<u8>, len: u64, boxes: BoxWriter) -> Self {
        FlatSink { out, spec: spec.clone(), place, header, len, boxes }
    }

    /// The file being written, for headers too large to be kept.
    #[cfg(feature = "tiff")]
    pub fn out(&self) -> &Partial {
        &self.out
    }
}

impl Sink for FlatSink {
    fn spec(&self) -> &ArraySpec {
        &self.spec
    }

    fn path(&self) -> &Path {
        self.out.path()
    }

    fn order(&self) -> Order {
        Order::Any
    }

    fn bill(&self) -> u64 {
        WRITE_BILL + self.header.len() as u64
    }

    fn begin(&mut self) -> Result<()> {
        self.out.begin(self.len)?;
        self.out.write_at(0, &self.header).inspect_err(|_| self.out.abort())
    }

    fn write(&mut self, at: &Region, tile: View<'_>) -> Result<()> {
        self.boxes.write(&self.out, &self.place, at, &tile)
    }

    fn commit(&mut self) -> Result<()> {
        self.out.commit()
    }

    fn abort(&mut self) {
        self.out.abort();
    }
}

/// Checks that a file has the pixels its header promises.
///
/// # Errors
/// When it is shorter; the message gives both sizes.
pub(super) fn check_size(path: &Path, spec: &ArraySpec, offset: u64, pixels: u64, len: u64) -> Result<()> {
    let needed = offset.saturating_add(pixels);
    if len >= needed {
        return Ok(());
    }
    let shape = shape_text(&spec.shape);
    let text = format!("is truncated: {shape} of {} need {needed} bytes ({}), it has {len}", spec.dtype, Bytes(needed));
    Err(Error::format(path, text))
}

/// `3 x 4 x 5`, for messages.
pub(super) fn shape_text(shape: &[u64]) -> String {
    match shape {
        [] => "a single value".to_string(),
        _ => shape.iter().map(u64::to_string).collect::<Vec<_>>().join(" x "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::elements;

    fn never() -> bool {
        false
    }

    /// Every box of a small array, in every layout, is the same box of the plain one.
    #[test]
    fn boxes_of_any_strides_are_read_right() {
        let folder = tempfile::tempdir().unwrap();
        let shape = [3u64, 4, 1, 5];
        let n = elements(&shape) as usize;
        for (fortran, swapped, gap) in [(false, false, 1), (true, false, 1), (true, true, 1), (false, true, 3)] {
            let (mut place, _) = Place::packed(6, &shape, 2, fortran, swapped).unwrap();
            place.strides.iter_mut().for_each(|s| *s *= gap);
            let mut file = vec![0xEE; 6 + n * 2 * gap as usize];
            for i in 0..n as u64 {
                let at = Region::tile(&shape, &[1, 1, 1, 1], i);
                let value = i as u16 * 300;
                let bytes = if swapped { value.swap_bytes() } else { value }.to_ne_bytes();
                let position = place.position(&at.start) as usize;
                file[position..position + 2].copy_from_slice(&bytes);
            }
            let path = folder.path().join("a");
            std::fs::write(&path, &file).unwrap();
            for access in [Access::Positioned, Access::Mapped { faulted: never }] {
                let bytes = FileBytes::open(&path, file.len() as u64, access).unwrap();
                check_boxes(BoxReader::new(bytes), &place, &shape);
            }
        }
    }

    fn check_boxes(mut reader: BoxReader, place: &Place, shape: &[u64]) {
        for tile in [[1, 1, 1, 1], [2, 3, 1, 2], [3, 4, 1, 5], [3, 1, 1, 1], [1, 4, 1, 5], [3, 4, 1, 1]] {
            for i in 0..crate::array::grid_len(shape, &tile) {
                let at = Region::tile(shape, &tile, i);
                let wide: Vec<u64> = at.shape.iter().map(|n| n + 1).collect();
                let mut out = vec![0u8; elements(&wide) as usize * 2];
                let mut window = ViewMut::new(DType::U16, &wide, &mut out);
                let inner = Region::new(&[0; 4], &at.shape);
                reader.read(place, &at, window.sub(&inner)).unwrap();
                let view = window.view();
                for k in 0..at.elements() {
                    let e = Region::tile(&at.shape, &[1, 1, 1, 1], k).start;
                    let index: Vec<usize> = e.iter().map(|&v| v as usize).collect();
                    let flat = e.iter().zip(&at.start).zip(shape).fold(0, |sum, ((e, s), n)| sum * n + e + s);
                    assert_eq!(view.at(&index), (flat as u16 * 300) as f64, "{place:?} {at:?} {e:?}");
                }
            }
        }
    }

    #[test]
    fn impossible_sizes_are_refused() {
        assert!(Place::packed(0, &[1 << 32, 1 << 32], 1, false, false).is_none());
        assert!(Place::packed(u64::MAX, &[1], 1, false, false).is_none());
        assert_eq!(Place::packed(10, &[u64::MAX >> 1, 0], 8, false, false).unwrap().1, 0);
    }
}
