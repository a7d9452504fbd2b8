//! Medians and percentiles: of whole images by narrowing down bits of their keys, sweep by sweep; of columns by
//! selection, or by counting where values are few.

use super::along::{Along, Extents};
use super::column::put;
use super::narrow::narrowed;
use crate::array::{ArraySpec, DType, Dims, Element, Region, Spec, View, ViewMut, for_each_row, with_dtype};
use crate::error::Result;
use crate::graph::{Array, Cx, MemArray, Need, ScanCx, ScanOp, ScanState, TileOp, Value};
use crate::kernels::extrema::Ordered;
use crate::ops::scan::for_each_slice;
use crate::ops::window::{scratch_bytes, scratch_of};
use bytemuck::Pod;
use std::any::Any;
use std::sync::Arc;

/// Which element is sought, or which two it lies between.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quantile {
    /// The part of the way from the least (0) to the greatest (1).
    pub part: f64,
    /// Whether two middle elements are averaged, as `median` does.
    pub middle: bool,
}

/// The ranks on both sides of a quantile and how far it lies from the first to the second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Between {
    /// The rank of the one below, counted from 0.
    pub low: u64,
    /// That of the one above.
    pub high: u64,
    /// The part of the way from the one to the other.
    pub share: f64,
}

impl Quantile {
    /// The ranks on both sides, among `n` elements.
    pub(crate) fn between(self, n: u64) -> Between {
        let last = n.saturating_sub(1);
        if self.middle {
            return Between { low: last / 2, high: n / 2, share: 0.5 };
        }
        let place = last as f64 * self.part;
        let low = (place.floor() as u64).min(last);
        Between { low, high: (low + 1).min(last), share: place - low as f64 }
    }

    /// NumPy's value between two neighbours.
    pub fn value(self, low: f64, high: f64, share: f64) -> f64 {
        let gap = high - low;
        let value = match () {
            () if low.is_nan() || high.is_nan() => f64::NAN,
            () if low == high || share == 0.0 => low,
            () if self.middle => (low + high) / 2.0,
            () if share >= 0.5 => high - gap * (1.0 - share),
            () => low + gap * share,
        };
        if value.is_nan() { f64::NAN } else { value }
    }
}

/// The quantile of an array along axes, float64.
pub(crate) fn quantile(
    name: &'static str,
    input: &Array,
    spec: &ArraySpec,
    along: &Along,
    quantile: Quantile,
) -> Result<Array> {
    let output = along.output(spec).with_dtype(DType::F64);
    let between = quantile.between(along.column());
    if output.rank() == 0 {
        return Ok(narrowed(name, input, spec.dtype, along.column(), quantile));
    }
    let tallies = Tallies { name, quantile, between, along: along.clone(), output: output.clone() };
    Ok(match tallies.are_few(spec) {
        true => Array::scan(tallies, vec![input.clone()], vec![Spec::Array(output)], &[]),
        false => {
            let select = Select { name, quantile, between, along: along.clone() };
            Array::tile(select, vec![input.clone()], output)
        }
    })
}

/// Selection in columns.
#[derive(Debug)]
struct Select {
    name: &'static str,
    quantile: Quantile,
    between: Between,
    along: Along,
}

impl TileOp for Select {
    fn name(&self) -> &'static str {
        self.name
    }

    fn need(&self, _input: usize, out: &Region, _inputs: &[ArraySpec]) -> Need {
        self.along.need(out)
    }

    fn scratch(&self, _out: &[u64], inputs: &[ArraySpec]) -> u64 {
        with_dtype!(inputs[0].dtype, T => scratch_bytes::<<T as Ordered>::Key>(self.along.column() as usize))
    }

    fn run(&self, _cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, scratch: &mut [u8]) -> Result<()> {
        with_dtype!(inputs[0].dtype(), T => self.run_as::<T>(&inputs[0], out, scratch));
        Ok(())
    }

    fn cost(&self) -> f64 {
        6.0 * self.along.column() as f64
    }
}

impl Select {
    fn run_as<T: Element + Ordered<Key: Pod>>(&self, tile: &View<'_>, out: &mut ViewMut<'_>, scratch: &mut [u8]) {
        let keys = &mut scratch_of::<T::Key>(scratch)[..self.along.column() as usize];
        let lengths = |reduced: bool| -> Dims {
            let pick = |(&n, &gone): (&usize, &bool)| if gone == reduced { n as u64 } else { 1 };
            tile.shape().iter().zip(&self.along.reduced).map(pick).collect()
        };
        let (columns, column) = (lengths(false), lengths(true));
        let ones: Dims = columns.iter().map(|_| 1).collect();
        put(out, |i| {
            let start = Region::tile(&columns, &ones, i as u64).start;
            let mut held = 0;
            for_each_slice(&tile.sub(&Region { start, shape: column.clone() }), |xs: &[T]| {
                keys[held..held + xs.len()].iter_mut().zip(xs).for_each(|(key, x)| *key = x.key(true));
                held += xs.len();
            });
            self.chosen::<T>(keys)
        });
    }

    /// The quantile of the keys, whose order is lost.
    fn chosen<T: Element + Ordered>(&self, keys: &mut [T::Key]) -> f64 {
        let Between { low, high, share } = self.between;
        let real = |key: T::Key| T::from_key(key).to_f64();
        if keys.is_empty() {
            return f64::NAN;
        }
        let (_, &mut first, above) = keys.select_nth_unstable(low as usize);
        let second = if high == low { first } else { above.iter().copied().min().unwrap_or(first) };
        let most = above.iter().copied().max().unwrap_or(first);
        // NaN lies above all numbers.
        match real(most).is_nan() {
            true => f64::NAN,
            false => self.quantile.value(real(first), real(second), share),
        }
    }
}

/// Counts of every value, for each column that passes by.
#[derive(Debug)]
struct Tallies {
    name: &'static str,
    quantile: Quantile,
    between: Between,
    along: Along,
    output: ArraySpec,
}

/// A worker's counts take at most this many bytes.
const MOST_BYTES: u64 = 3 << 20;
/// Shorter columns are sorted out where their results are used.
const SHORT: u64 = 128;

impl Tallies {
    /// Whether counting pays: a matter of shapes and types alone.
    fn are_few(&self, input: &ArraySpec) -> bool {
        let column = self.along.column();
        input.dtype.size() <= 2 && column > SHORT && column <= u32::MAX.into() && self.state_bytes(input) <= MOST_BYTES
    }
}

fn values(dtype: DType) -> usize {
    if dtype == DType::Bool { 2 } else { 1 << (8 * dtype.size()) }
}

impl ScanOp for Tallies {
    fn name(&self) -> &'static str {
        self.name
    }

    fn state_bytes(&self, input: &ArraySpec) -> u64 {
        self.along.outputs().saturating_mul(4 * values(input.dtype) as u64)
    }

    fn begin(&self, cx: &ScanCx<'_>) -> Result<Box<dyn ScanState>> {
        let dtype = cx.input().dtype;
        let n = values(dtype);
        // A value's count lies `n` times its column on.
        let cells = self.along.cell_strides(&self.along.shape).into_iter().map(|stride| stride * n).collect();
        Ok(Box::new(Tallied {
            dtype,
            quantile: self.quantile,
            between: self.between,
            output: self.output.clone(),
            cells,
            counts: vec![0; n * self.along.outputs() as usize],
        }))
    }
}

struct Tallied {
    dtype: DType,
    quantile: Quantile,
    between: Between,
    output: ArraySpec,
    cells: Extents,
    counts: Vec<u32>,
}

/// The number of a value of up to 16 bits.
#[inline(always)]
fn slot<T: Element>(x: T) -> usize {
    let least = if T::DTYPE.is_signed_integer() { 1i64 << (8 * size_of::<T>() - 1) } else { 0 };
    (x.to_f64() as i64 + least) as usize
}

impl ScanState for Tallied {
    fn fold(&mut self, at: &Region, tiles: &[View<'_>]) -> Result<()> {
        let first: usize = at.start.iter().zip(&self.cells).map(|(&i, &s)| i as usize * s).sum();
        let (shape, counts) = (tiles[0].shape(), &mut self.counts);
        with_dtype!(self.dtype, T => {
            let data = tiles[0].typed::<T>();
            let strides = tiles[0].strides();
            for_each_row(shape, [strides, &self.cells], |[x, c], n| {
                let last = strides.len() - 1;
                for k in 0..n {
                    counts[first + c + k * self.cells[last] + slot(data[x + k * strides[last]])] += 1;
                }
            });
        });
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn ScanState>) {
        if let Ok(other) = other.into_any().downcast::<Tallied>() {
            self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
        }
    }

    fn finish(self: Box<Self>) -> Result<Vec<Value>> {
        let mut array = MemArray::zeros(self.output.clone())?;
        let least = if self.dtype.is_signed_integer() { 1i64 << (8 * self.dtype.size() - 1) } else { 0 };
        let columns = self.counts.chunks_exact(values(self.dtype));
        for (counts, out) in columns.zip(array.data.bytes_mut().chunks_exact_mut(8)) {
            let at = |rank| (find(counts.iter().map(|&c| c.into()), rank).0 as i64 - least) as f64;
            let Between { low, high, share } = self.between;
            out.copy_from_slice(&self.quantile.value(at(low), at(high), share).to_ne_bytes());
        }
        Ok(vec![Value::Array(Arc::new(array))])
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// The bucket that holds the element of that rank, and the rank within it.
pub(super) fn find(counts: impl Iterator<Item = u64>, rank: u64) -> (usize, u64) {
    let mut left = rank;
    let mut last = 0;
    for (at, count) in counts.enumerate() {
        if left < count {
            return (at, left);
        }
        left -= count;
        last = at;
    }
    (last, left)
}
