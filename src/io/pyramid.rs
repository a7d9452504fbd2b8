//! Image pyramids for any format: every level is half the one before along the chosen axes, and is made from that one, so
//! that no level is ever held in memory.
//!
//! How a sink uses it: [`shapes`] says which levels there are. Tiles of the full image begin at even positions along the
//! halved axes; a worker's encoder calls [`reduce`] on each, and the sink hands the result to [`Levels::put`], in any order,
//! each once. After the last, [`Levels::finish`] walks level after level in boxes of the sink's choice: the sink encodes
//! them, while the level after is made of them. What is put lies in scratch files without names.
//!
//! Odd lengths round up: a level has `ceil(n / 2)` pixels, as those of bioformats2raw have, and its pixels are exactly twice
//! as far apart. A pixel at the far edge stands for those of its window that exist.

use crate::array::{
    ArraySpec, Buffer, DType, Dims, Element, Region, View, elements, for_each_row_at, grid_len, with_dtype,
};
use crate::error::{Error, Result};
use crate::sys;
use std::fs::File;
use std::path::{Path, PathBuf};

/// How the pixels of a window become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// Their mean: computed exactly and rounded half to even for integers, summed in `float64` for floats.
    Mean,
    /// The first of them.
    Nearest,
    /// The one that is there most often; among equals the first.
    Mode,
}

impl Method {
    /// The method of that name; by default `mean`, but `nearest` for what are masks or labels (`bool`, `uint32`,
    /// `uint64`).
    ///
    /// # Errors
    /// A message when it is unknown or does not suit the element type.
    pub fn of(name: Option<&str>, dtype: DType) -> Result<Self, String> {
        match name {
            Some("mean") if dtype == DType::Bool => Err("`downsample`: masks have no mean; nearest, mode".into()),
            Some("mean") => Ok(Method::Mean),
            Some("nearest") => Ok(Method::Nearest),
            Some("mode") => Ok(Method::Mode),
            Some(other) => Err(format!("`downsample`: '{other}' is not one of mean, nearest, mode")),
            None if matches!(dtype, DType::Bool | DType::U32 | DType::U64) => Ok(Method::Nearest),
            None => Ok(Method::Mean),
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Method::Mean => "mean",
            Method::Nearest => "nearest",
            Method::Mode => "mode",
        }
    }

    /// Where the first pixel of a level lies, in pixels of the full image, counted between centres.
    pub fn shift(self, level: usize) -> f64 {
        match self {
            Method::Nearest => 0.0,
            Method::Mean | Method::Mode => (2f64.powi(level as i32) - 1.0) / 2.0,
        }
    }
}

/// The shapes of all levels, the full image first: halved along the axes marked in `halved` until none of those is longer
/// than `smallest`. An axis of one pixel stays as it is.
pub(super) fn shapes(full: &[u64], halved: &[bool], smallest: u64) -> Vec<Dims> {
    let mut shapes: Vec<Dims> = vec![full.iter().copied().collect()];
    let mut last: Dims = full.iter().copied().collect();
    while last.iter().zip(halved).any(|(&n, &h)| h && n > smallest.max(1)) {
        last = last.iter().zip(halved).map(|(&n, &h)| if h { n.div_ceil(2) } else { n }).collect();
        shapes.push(last.clone());
    }
    shapes
}

/// The box of the next level that a box becomes. It has to begin at even positions along the halved axes.
pub(super) fn reduced(at: &Region, halved: &[bool]) -> Region {
    let mut to = at.clone();
    for axis in (0..at.rank()).filter(|&a| halved[a]) {
        to.start[axis] = at.start[axis] / 2;
        to.shape[axis] = at.end(axis).div_ceil(2) - to.start[axis];
    }
    to
}

/// Reduces a tile into `out`: the box [`reduced`] says, in C order.
pub(super) fn reduce(method: Method, halved: &[bool], tile: &View<'_>, out: &mut [u8]) {
    with_dtype!(tile.dtype(), T => reduce_typed::<T>(method, halved, tile, bytemuck::cast_slice_mut(out)));
}

/// Bytes that [`reduce`] takes for a tile beyond input and output.
pub(super) fn reduce_bill(tile: &[u64]) -> u64 {
    16 * tile.last().copied().unwrap_or(1).div_ceil(2)
}

fn reduce_typed<T: Reduce>(method: Method, halved: &[bool], tile: &View<'_>, out: &mut [T]) {
    let shape = tile.shape();
    let Some((&n, outer)) = shape.split_last() else {
        out.copy_from_slice(tile.typed());
        return;
    };
    if shape.contains(&0) {
        return;
    }
    let data = tile.typed::<T>();
    let last = outer.len();
    let step = tile.strides()[last];
    let pair = if halved[last] { 2 } else { 1 };
    let lengths: Vec<usize> = (0..=last).map(|a| if halved[a] { shape[a].div_ceil(2) } else { shape[a] }).collect();
    let mut sums = Vec::new();
    let mut rows_out = out.chunks_exact_mut(n.div_ceil(pair));
    for_each_row_at(&lengths, [], |index, [], _| {
        let Some(row) = rows_out.next() else { return };
        let rows = window_rows(&index[..last], outer, halved, tile.strides());
        let window = Window { data, rows: &rows, step, pair, n };
        match method {
            Method::Nearest => row.iter_mut().enumerate().for_each(|(j, e)| *e = data[rows[0] + j * pair * step]),
            Method::Mode => row.iter_mut().enumerate().for_each(|(j, e)| *e = window.mode(j)),
            Method::Mean => window.mean(row, &mut sums),
        }
    });
}

/// Where the input rows begin that become one output row, in raster order.
fn window_rows(index: &[usize], outer: &[usize], halved: &[bool], strides: &[usize]) -> Vec<usize> {
    let mut rows = vec![0];
    for axis in 0..index.len() {
        let first = if halved[axis] { 2 * index[axis] } else { index[axis] };
        let second = Some(first + 1).filter(|&i| halved[axis] && i < outer[axis]);
        let starts = |row: usize| [Some(first), second].into_iter().flatten().map(move |i| row + i * strides[axis]);
        rows = rows.into_iter().flat_map(starts).collect();
    }
    rows
}

/// The input rows of one output row.
struct Window<'a, T> {
    data: &'a [T],
    rows: &'a [usize],
    step: usize,
    /// Pixels of a row that become one.
    pair: usize,
    n: usize,
}

impl<T: Reduce> Window<'_, T> {
    fn values(&self, j: usize) -> impl Iterator<Item = T> + Clone {
        let places = j * self.pair..(j * self.pair + self.pair).min(self.n);
        self.rows.iter().flat_map(move |row| places.clone().map(move |i| self.data[row + i * self.step]))
    }

    fn mode(&self, j: usize) -> T {
        let values = self.values(j);
        let (mut best, mut most) = (self.data[self.rows[0] + j * self.pair * self.step], 0);
        for value in values.clone() {
            let count = values.clone().filter(|&v| v == value).count();
            if count > most {
                (best, most) = (value, count);
            }
        }
        best
    }

    fn mean(&self, row: &mut [T], sums: &mut Vec<T::Sum>) {
        sums.clear();
        sums.resize(row.len(), T::Sum::default());
        for first in self.rows {
            for (j, sum) in sums.iter_mut().enumerate() {
                let at = first + j * self.pair * self.step;
                T::add(sum, self.data[at]);
                if self.pair == 2 && 2 * j + 1 < self.n {
                    T::add(sum, self.data[at + self.step]);
                }
            }
        }
        let whole = self.rows.len() * self.pair;
        let cut = self.rows.len() * if self.pair == 2 && self.n % 2 == 1 { 1 } else { self.pair };
        let edge = row.len() - 1;
        for (j, (e, &sum)) in row.iter_mut().zip(sums.iter()).enumerate() {
            *e = T::mean(sum, if j == edge { cut } else { whole });
        }
    }
}

/// Elements of which means are taken.
trait Reduce: Element {
    type Sum: Copy + Default;
    fn add(sum: &mut Self::Sum, value: Self);
    fn mean(sum: Self::Sum, count: usize) -> Self;
}

macro_rules! reduce_integers {
    ($($t:ty: $sum:ty),*) => {$(
        impl Reduce for $t {
            type Sum = $sum;

            fn add(sum: &mut $sum, value: $t) {
                *sum += <$sum>::from(value);
            }

            fn mean(sum: $sum, count: usize) -> $t {
                let count = count as $sum;
                let (floor, twice) = (sum.div_euclid(count), 2 * sum.rem_euclid(count));
                let up = twice > count || (twice == count && floor % 2 != 0);
                (floor + <$sum>::from(up)) as $t
            }
        }
    )*};
}

reduce_integers!(u8: i32, i8: i32, u16: i32, i16: i32, u32: i64, i32: i64, u64: i128, i64: i128);

macro_rules! reduce_floats {
    ($($t:ty),*) => {$(
        impl Reduce for $t {
            type Sum = f64;

            fn add(sum: &mut f64, value: $t) {
                *sum += f64::from(value);
            }

            fn mean(sum: f64, count: usize) -> $t {
                (sum / count as f64) as $t
            }
        }
    )*};
}

reduce_floats!(f32, f64);

/// The levels below the full image, while they are made.
#[derive(Debug)]
pub(super) struct Levels {
    /// The output, for messages.
    path: PathBuf,
    dtype: DType,
    method: Method,
    halved: Vec<bool>,
    /// Without the full image.
    shapes: Vec<Dims>,
    /// The level that is being put together.
    file: File,
}

impl Levels {
    /// Makes the scratch file of the first level in that folder. `shapes` begin with the full image's.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn begin(
        path: &Path,
        folder: &Path,
        spec: &ArraySpec,
        method: Method,
        halved: &[bool],
        shapes: &[Dims],
    ) -> Result<Self> {
        let file = scratch(path, folder)?;
        let shapes = shapes.iter().skip(1).cloned().collect();
        Ok(Levels { path: path.into(), dtype: spec.dtype, method, halved: halved.to_vec(), shapes, file })
    }

    /// Takes a box of the first level (in C order), as [`reduced`] and [`reduce`] made it of a tile.
    ///
    /// # Errors
    /// When the disk is full or fails.
    pub fn put(&self, at: &Region, pixels: &[u8]) -> Result<()> {
        match self.shapes.first() {
            Some(shape) => self.write(&self.file, shape, at, pixels),
            None => Ok(()),
        }
    }

    /// Hands out all levels, from the first below the full image to the last, in boxes of shape `tile` (lengths along
    /// halved axes are even) as `(level, box, pixels)`. The full image is level 0 and is not among them.
    ///
    /// # Errors
    /// When the disk is full or fails, or `each` says so.
    pub fn finish(
        mut self,
        folder: &Path,
        tile: &[u64],
        each: &mut dyn FnMut(usize, &Region, View<'_>) -> Result<()>,
    ) -> Result<()> {
        let size = self.dtype.size();
        let mut pixels = Buffer::new(elements(tile) as usize * size)?;
        let half: Region = reduced(&Region::whole(tile), &self.halved);
        let mut smaller = Buffer::new(half.elements() as usize * size)?;
        for level in 0..self.shapes.len() {
            let shape = &self.shapes[level];
            let next = self.shapes.get(level + 1).map(|shape| Ok((shape, scratch(&self.path, folder)?))).transpose()?;
            for i in 0..grid_len(shape, tile) {
                let at = Region::tile(shape, tile, i);
                let bytes = &mut pixels.bytes_mut()[..at.elements() as usize * size];
                self.read(shape, &at, bytes)?;
                let view = View::new(self.dtype, &at.shape, bytes);
                each(level + 1, &at, view.clone())?;
                if let Some((shape, file)) = &next {
                    let to = reduced(&at, &self.halved);
                    let out = &mut smaller.bytes_mut()[..to.elements() as usize * size];
                    reduce(self.method, &self.halved, &view, out);
                    self.write(file, shape, &to, out)?;
                }
            }
            if let Some((_, file)) = next {
                self.file = file;
            }
        }
        Ok(())
    }

    /// Bytes that [`Levels::finish`] holds for boxes of that shape.
    pub fn bill(tile: &[u64], dtype: DType) -> u64 {
        2 * elements(tile).saturating_mul(dtype.size() as u64) + reduce_bill(tile)
    }

    fn write(&self, file: &File, shape: &[u64], at: &Region, pixels: &[u8]) -> Result<()> {
        self.for_each_run(shape, at, |offset, from, len| sys::write_all_at(file, &pixels[from..from + len], offset))
            .map_err(|e| Error::io(&self.path, "its scratch file cannot be written", e))
    }

    fn read(&self, shape: &[u64], at: &Region, pixels: &mut [u8]) -> Result<()> {
        self.for_each_run(shape, at, |offset, to, len| {
            sys::read_exact_at(&self.file, &mut pixels[to..to + len], offset)
        })
        .map_err(|e| Error::io(&self.path, "its scratch file cannot be read", e))
    }

    /// Calls `run` with position in the file, position in the box and length, in bytes, of all that lies together.
    fn for_each_run(
        &self,
        shape: &[u64],
        at: &Region,
        mut run: impl FnMut(u64, usize, usize) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        let size = self.dtype.size() as u64;
        if at.elements() == 0 {
            return Ok(());
        }
        // The axes from `whole` on lie together.
        let whole = (0..at.rank()).rev().find(|&a| at.shape[a] != shape[a]).unwrap_or(0);
        let outer: Dims = at.shape[..whole].iter().copied().collect();
        let len = at.shape[whole..].iter().product::<u64>() * size;
        let ones = vec![1; whole];
        for i in 0..grid_len(&outer, &ones) {
            let index = Region::tile(&outer, &ones, i).start;
            let start = |a: usize| at.start[a] + index.get(a).copied().unwrap_or(0);
            let first = (0..at.rank()).fold(0, |sum, a| sum * shape[a] + start(a));
            run(first * size, (i * len) as usize, len as usize)?;
        }
        Ok(())
    }
}

fn scratch(path: &Path, folder: &Path) -> Result<File> {
    tempfile::tempfile_in(folder).map_err(|e| Error::io(path, "its scratch file cannot be made", e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::ViewMut;

    fn mean(shape: &[u64], halved: &[bool], data: &[u8]) -> Vec<u8> {
        let mut out = vec![0; reduced(&Region::whole(shape), halved).elements() as usize];
        reduce(Method::Mean, halved, &View::new(DType::U8, shape, data), &mut out);
        out
    }

    #[test]
    fn means_round_half_to_even_and_edges_use_what_is_there() {
        assert_eq!(mean(&[2, 2], &[true, true], &[1, 2, 2, 1]), [2]);
        assert_eq!(mean(&[2, 2], &[true, true], &[2, 3, 3, 2]), [2]);
        assert_eq!(mean(&[1, 3], &[true, true], &[1, 2, 9]), [2, 9]);
        assert_eq!(mean(&[2, 3], &[false, true], &[0, 4, 7, 10, 20, 5]), [2, 7, 15, 5]);
        assert_eq!(mean(&[3, 2], &[true, false], &[0, 1, 4, 5, 9, 9]), [2, 3, 9, 9]);
        assert_eq!(<i64 as Reduce>::mean(-5, 2), -2);
        assert_eq!(<i64 as Reduce>::mean(-7, 2), -4);
        assert_eq!(<u64 as Reduce>::mean(2 * u64::MAX as i128, 2), u64::MAX);
    }

    #[test]
    fn the_mode_is_the_commonest_and_among_equals_the_first() {
        let reduce_to = |method, data: &[u8]| {
            let mut out = [0; 1];
            reduce(method, &[true, true], &View::new(DType::U8, &[2, 2], data), &mut out);
            out[0]
        };
        assert_eq!(reduce_to(Method::Mode, &[1, 7, 7, 2]), 7);
        assert_eq!(reduce_to(Method::Mode, &[5, 7, 7, 5]), 5);
        assert_eq!(reduce_to(Method::Nearest, &[5, 7, 7, 7]), 5);
    }

    #[test]
    fn levels_are_those_of_the_whole_whatever_the_tiles() {
        let folder = tempfile::tempdir().unwrap();
        let spec = ArraySpec::unnamed(&[2, 13, 21], DType::U16);
        let halved = [false, true, true];
        let shapes = shapes(&spec.shape, &halved, 3);
        assert_eq!(shapes.last().unwrap()[..], [2, 2, 3]);
        let data: Vec<u16> = (0..spec.elements()).map(|i| (i * 2654435761 % 65521) as u16).collect();
        let view = View::new(DType::U16, &spec.shape, bytemuck::cast_slice(&data));
        let mut wanted = vec![bytemuck::cast_slice::<u16, u8>(&data).to_vec()];
        for level in 1..shapes.len() {
            let mut next = vec![0; elements(&shapes[level]) as usize * 2];
            reduce(Method::Mean, &halved, &View::new(DType::U16, &shapes[level - 1], &wanted[level - 1]), &mut next);
            wanted.push(next);
        }
        for tile in [[1, 4, 6], [2, 2, 2], [1, 14, 22]] {
            let levels = Levels::begin(folder.path(), folder.path(), &spec, Method::Mean, &halved, &shapes).unwrap();
            for i in (0..grid_len(&spec.shape, &tile)).rev() {
                let at = Region::tile(&spec.shape, &tile, i);
                let to = reduced(&at, &halved);
                let mut out = vec![0; to.elements() as usize * 2];
                reduce(Method::Mean, &halved, &view.sub(&at), &mut out);
                levels.put(&to, &out).unwrap();
            }
            let mut got: Vec<Vec<u8>> = shapes.iter().map(|s| vec![0; elements(s) as usize * 2]).collect();
            let mut each = |level: usize, at: &Region, view: View<'_>| {
                let mut whole = ViewMut::new(DType::U16, &shapes[level], &mut got[level]);
                crate::array::copy(&mut whole.sub(at), &view);
                Ok(())
            };
            levels.finish(folder.path(), &tile, &mut each).unwrap();
            assert_eq!(got[1..], wanted[1..], "{tile:?}");
        }
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }
}
