//! Image pyramids for any format: every level is half the one before along the chosen axes, and is made from that one, so
//! that no level is ever held in memory.
//!
//! How a sink uses it: [`shapes`] says which levels there are. Tiles of the full image begin at even positions along the
//! halved axes; a worker's encoder calls [`reduce`] on each, and the sink hands the result to [`Levels::put`], in any order,
//! each once. After the last, [`Levels::finish`] walks level after level in boxes of the sink's choice, several at a time:
//! encoders of the sink encode them, while the level after is made of them; the sink takes them in raster order. What is
//! put lies in scratch files without names.
//!
//! Odd lengths round up: a level has `ceil(n / 2)` pixels, as those of bioformats2raw have, and its pixels are exactly twice
//! as far apart. A pixel at the far edge stands for those of its window that exist.

use crate::array::{
    ArraySpec, Buffer, DType, Dims, Element, Region, View, elements, for_each_row_at, grid_len, with_dtype,
};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::io::Encoded;
use crate::sys;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Enough for every codec; small stacks keep transparent huge pages away from them.
const STACK: usize = 1 << 20;

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

/// Encodes boxes of levels on one thread.
pub(super) trait LevelEncoder: Send {
    /// Encodes a box of a level into `out`, which is empty but keeps its room.
    ///
    /// # Errors
    /// When the codec fails.
    fn encode_level(&mut self, level: usize, at: &Region, pixels: &View<'_>, out: &mut Encoded) -> Result<()>;
}

/// Takes an encoded box of a level.
pub(super) type Take<'a> = dyn FnMut(usize, &Encoded) -> Result<()> + Send + 'a;

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

    /// Has all levels encoded, from the first below the full image (level 1) to the last, in boxes of shape `tile`
    /// (lengths along halved axes are even), by as many threads as there are encoders: the calling one and others.
    /// `take` is given the boxes of level after level, each in raster order.
    ///
    /// # Errors
    /// When the disk is full or fails, an encoder or `take` says so, or the run is cancelled.
    pub fn finish(
        mut self,
        folder: &Path,
        tile: &[u64],
        encoders: Vec<Box<dyn LevelEncoder + '_>>,
        take: &mut Take<'_>,
        cancel: &Cancel,
    ) -> Result<()> {
        let makers = encoders.into_iter().map(|encoder| Maker::new(encoder, tile, &self));
        let mut makers = makers.collect::<Result<Vec<_>>>()?;
        for level in 0..self.shapes.len() {
            let next = self.shapes.get(level + 1).map(|shape| Ok((shape, scratch(&self.path, folder)?))).transpose()?;
            let stage = Stage {
                levels: &self,
                level,
                tile,
                boxes: grid_len(&self.shapes[level], tile),
                next: next.as_ref().map(|(shape, file)| (shape.as_slice(), file)),
                cancel,
                begun: AtomicU64::new(0),
                turn: Mutex::new(Turn { next: 0, take: &mut *take, error: None }),
                moved: Condvar::new(),
            };
            stage.run(&mut makers)?;
            if let Some((_, file)) = next {
                self.file = file;
            }
        }
        Ok(())
    }

    /// Bytes that [`Levels::finish`] holds for every encoder, besides what that and its [`Encoded`] hold, for boxes of
    /// that shape.
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

/// What one thread needs to make boxes.
struct Maker<'a> {
    encoder: Box<dyn LevelEncoder + 'a>,
    pixels: Buffer,
    smaller: Buffer,
    encoded: Encoded,
}

impl<'a> Maker<'a> {
    fn new(encoder: Box<dyn LevelEncoder + 'a>, tile: &[u64], levels: &Levels) -> Result<Self> {
        let buffer = |at: &Region| Buffer::new(at.elements() as usize * levels.dtype.size());
        let whole = Region::whole(tile);
        let (pixels, smaller) = (buffer(&whole)?, buffer(&reduced(&whole, &levels.halved))?);
        Ok(Maker { encoder, pixels, smaller, encoded: Encoded::default() })
    }
}

/// One level while it is made.
struct Stage<'a> {
    levels: &'a Levels,
    /// Its index among the levels below the full image.
    level: usize,
    tile: &'a [u64],
    boxes: u64,
    /// Shape and file of the level after.
    next: Option<(&'a [u64], &'a File)>,
    cancel: &'a Cancel,
    /// Boxes that some thread has begun.
    begun: AtomicU64,
    turn: Mutex<Turn<'a>>,
    moved: Condvar,
}

/// Whose box is taken next.
struct Turn<'a> {
    next: u64,
    take: &'a mut Take<'a>,
    /// The first failure, which ends the stage for everyone.
    error: Option<Error>,
}

impl<'a> Stage<'a> {
    fn run(self, makers: &mut [Maker<'_>]) -> Result<()> {
        let threads = makers.len().min(usize::try_from(self.boxes).unwrap_or(usize::MAX));
        let Some((own, others)) = makers[..threads].split_first_mut() else { return Ok(()) };
        std::thread::scope(|scope| {
            for maker in others {
                let thread = std::thread::Builder::new().name("tilewise-level".into()).stack_size(STACK);
                if let Err(e) = thread.spawn_scoped(scope, || self.work(maker)) {
                    self.fail(Error::Usage(format!("cannot start a thread: {e}")));
                }
            }
            self.work(own);
        });
        let turn = self.turn.into_inner().unwrap_or_else(PoisonError::into_inner);
        turn.error.map_or(Ok(()), Err)
    }

    fn work(&self, maker: &mut Maker<'_>) {
        match catch_unwind(AssertUnwindSafe(|| self.make(maker))) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.fail(error),
            Err(panic) => self.fail(Error::panicked(panic.as_ref())),
        }
    }

    /// Makes boxes until there are no more. Every thread holds one, and waits until it is that one's turn.
    fn make(&self, maker: &mut Maker<'_>) -> Result<()> {
        loop {
            let index = self.begun.fetch_add(1, Ordering::Relaxed);
            if index >= self.boxes {
                return Ok(());
            }
            self.cancel.check()?;
            self.make_one(index, maker)?;
            let mut turn = self.turn();
            while turn.next != index && turn.error.is_none() {
                turn = self.moved.wait(turn).unwrap_or_else(PoisonError::into_inner);
            }
            if turn.error.is_some() {
                return Ok(());
            }
            (turn.take)(self.level + 1, &maker.encoded)?;
            turn.next += 1;
            self.moved.notify_all();
        }
    }

    fn make_one(&self, index: u64, maker: &mut Maker<'_>) -> Result<()> {
        let levels = self.levels;
        let size = levels.dtype.size();
        let shape = &levels.shapes[self.level];
        let at = Region::tile(shape, self.tile, index);
        let bytes = &mut maker.pixels.bytes_mut()[..at.elements() as usize * size];
        levels.read(shape, &at, bytes)?;
        let view = View::new(levels.dtype, &at.shape, bytes);
        if let Some((shape, file)) = self.next {
            let to = reduced(&at, &levels.halved);
            let out = &mut maker.smaller.bytes_mut()[..to.elements() as usize * size];
            reduce(levels.method, &levels.halved, &view, out);
            levels.write(file, shape, &to, out)?;
        }
        maker.encoded.clear();
        maker.encoder.encode_level(self.level + 1, &at, &view, &mut maker.encoded)
    }

    fn fail(&self, error: Error) {
        self.turn().error.get_or_insert(error);
        self.moved.notify_all();
    }

    fn turn(&self) -> MutexGuard<'_, Turn<'a>> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
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

    struct Copies;

    impl LevelEncoder for Copies {
        fn encode_level(&mut self, _: usize, _: &Region, pixels: &View<'_>, out: &mut Encoded) -> Result<()> {
            out.bytes.extend_from_slice(pixels.data());
            Ok(())
        }
    }

    /// Fails, or panics, at a box of level 2.
    struct Breaks(bool);

    impl LevelEncoder for Breaks {
        fn encode_level(&mut self, level: usize, at: &Region, _: &View<'_>, _: &mut Encoded) -> Result<()> {
            match level == 2 && at.start[1] == 8 {
                true if self.0 => panic!("broken"),
                true => Err(Error::Internal("broken".into())),
                false => Ok(()),
            }
        }
    }

    #[test]
    fn the_first_failure_ends_it_and_nobody_waits_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let spec = ArraySpec::unnamed(&[64, 64], DType::U8);
        let halved = [true, true];
        let shapes = shapes(&spec.shape, &halved, 1);
        let finish = |panics: bool, cancel: &Cancel| {
            let levels = Levels::begin(folder.path(), folder.path(), &spec, Method::Mean, &halved, &shapes).unwrap();
            levels.put(&Region::whole(&[32, 32]), &[7; 32 * 32]).unwrap();
            let encoders = (0..3).map(|_| Box::new(Breaks(panics)) as Box<dyn LevelEncoder>).collect();
            levels.finish(folder.path(), &[4, 4], encoders, &mut |_, _| Ok(()), cancel).unwrap_err()
        };
        assert!(matches!(finish(false, &Cancel::new()), Error::Internal(_)));
        assert!(matches!(finish(true, &Cancel::new()), Error::Panicked(text) if text == "broken"));
        let stopped = Cancel::new();
        stopped.cancel();
        assert!(matches!(finish(false, &stopped), Error::Cancelled));
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
        let put_all = |tile: &[u64]| {
            let levels = Levels::begin(folder.path(), folder.path(), &spec, Method::Mean, &halved, &shapes).unwrap();
            for i in (0..grid_len(&spec.shape, tile)).rev() {
                let at = Region::tile(&spec.shape, tile, i);
                let to = reduced(&at, &halved);
                let mut out = vec![0; to.elements() as usize * 2];
                reduce(Method::Mean, &halved, &view.sub(&at), &mut out);
                levels.put(&to, &out).unwrap();
            }
            levels
        };
        for tile in [[1, 4, 6], [2, 2, 2], [1, 14, 22]] {
            for threads in [1, 2, 5] {
                let levels = put_all(&tile);
                let mut got: Vec<Vec<u8>> = shapes.iter().map(|s| vec![0; elements(s) as usize * 2]).collect();
                let mut taken: Vec<u64> = vec![0; shapes.len()];
                let mut take = |level: usize, encoded: &Encoded| {
                    let at = Region::tile(&shapes[level], &tile, taken[level]);
                    taken[level] += 1;
                    let mut pixels = Buffer::new(encoded.bytes.len()).unwrap();
                    pixels.bytes_mut().copy_from_slice(&encoded.bytes);
                    let mut whole = ViewMut::new(DType::U16, &shapes[level], &mut got[level]);
                    crate::array::copy(&mut whole.sub(&at), &View::new(DType::U16, &at.shape, pixels.bytes()));
                    Ok(())
                };
                let encoders = (0..threads).map(|_| Box::new(Copies) as Box<dyn LevelEncoder>).collect();
                levels.finish(folder.path(), &tile, encoders, &mut take, &Cancel::new()).unwrap();
                assert_eq!(got[1..], wanted[1..], "{tile:?}, {threads} threads");
            }
        }
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }
}
