//! The products of all items of a stack with each other, in one sweep.

use super::Basis;
use crate::array::{ArraySpec, DType, Dims, Element, MAX_RANK, Region, View, for_each_row, with_dtype};
use crate::error::{Error, Result};
use crate::graph::{ScanCx, ScanOp, ScanState, Value};
use crate::kernels::gram::{LANES, products, whole_products};
use arrayvec::ArrayVec;
use std::any::Any;

/// The items of a stack, and what is wanted of them.
#[derive(Clone, Debug)]
pub(super) struct Gram {
    /// The axis of the items.
    pub axis: usize,
    /// How many there are.
    pub items: usize,
    /// What is made of the products.
    pub basis: Basis,
}

/// Bytes of rows that are multiplied at a time.
const BLOCK: usize = 1 << 20;
/// A row of a block has at most this many elements.
const MOST: usize = 1 << 12;

/// Whether sums of products of that type are held as integers.
fn is_whole(dtype: DType) -> bool {
    !dtype.is_float() && dtype.size() <= 2
}

/// Whether rows are multiplied as 16-bit integers.
fn is_narrow(dtype: DType) -> bool {
    dtype.size() == 1
}

impl Gram {
    /// The fixed grid: all items, and so many of their elements that a block of rows stays in the cache.
    fn cell(&self, input: &ArraySpec) -> Dims {
        let size = if is_narrow(input.dtype) { 2 } else { 8 };
        let mut left = (BLOCK / (size * self.items.max(1))).clamp(LANES, MOST) as u64;
        let mut cell: Dims = input.shape.iter().map(|_| 1).collect();
        cell[self.axis] = input.shape[self.axis];
        for axis in (0..input.rank()).rev().filter(|&a| a != self.axis) {
            cell[axis] = input.shape[axis].min(left).max(1);
            left /= cell[axis];
            if left <= 1 {
                break;
            }
        }
        cell
    }

    fn row(&self, input: &ArraySpec) -> usize {
        let elements: u64 = self.cell(input).iter().product();
        (elements as usize / self.items.max(1)).next_multiple_of(LANES)
    }

    fn triangle(&self) -> usize {
        self.items * (self.items + 1) / 2
    }
}

impl ScanOp for Gram {
    fn name(&self) -> &'static str {
        "gram"
    }

    fn grain(&self, input: &ArraySpec) -> Option<Dims> {
        Some(self.cell(input))
    }

    fn state_bytes(&self, input: &ArraySpec) -> u64 {
        let sum = if is_whole(input.dtype) { 8 } else { 16 };
        let element = if is_narrow(input.dtype) { 2 } else { 8 };
        (sum * self.triangle() + element * self.items * self.row(input)) as u64
    }

    fn finish_bytes(&self, _input: &ArraySpec) -> u64 {
        self.basis.bytes(self.items)
    }

    fn begin(&self, cx: &ScanCx<'_>) -> Result<Box<dyn ScanState>> {
        let input = cx.input();
        let scale = match cx.scalars {
            [low, high] => scale(low.to_f64().abs().max(high.to_f64().abs()), input.elements())?,
            _ => 0,
        };
        let row = self.row(input);
        Ok(Box::new(Sums {
            cell: self.cell(input),
            axis: self.axis,
            row,
            items: self.items,
            basis: self.basis.clone(),
            scale,
            whole: if is_whole(input.dtype) { vec![0; self.triangle()] } else { Vec::new() },
            fixed: if is_whole(input.dtype) { Vec::new() } else { vec![0; self.triangle()] },
            narrow: if is_narrow(input.dtype) { vec![0; self.items * row] } else { Vec::new() },
            real: if is_narrow(input.dtype) { Vec::new() } else { vec![0.0; self.items * row] },
        }))
    }
}

/// The power of two by which sums are multiplied before they become integers: the sums keep 96 bits, so that n² of them fit into 128.
fn scale(most: f64, elements: u64) -> Result<i32> {
    if !most.is_finite() {
        return Err(Error::op("pca", "the stack holds NaN or infinities; remove them first"));
    }
    if !(most * most * elements as f64).is_finite() {
        return Err(Error::op("pca", format!("the stack holds {most:e}: products of such numbers have no room")));
    }
    let bits = |x: f64| if x > 0.0 { x.log2().ceil() as i32 + 1 } else { 0 };
    Ok(96 - 2 * bits(most) - bits(elements as f64))
}

/// What one worker has seen.
struct Sums {
    cell: Dims,
    axis: usize,
    row: usize,
    items: usize,
    basis: Basis,
    scale: i32,
    whole: Vec<i64>,
    fixed: Vec<i128>,
    narrow: Vec<i16>,
    real: Vec<f64>,
}

/// Where the sum of products of items `i >= j` lies.
fn place(i: usize, j: usize) -> usize {
    i * (i + 1) / 2 + j
}

/// `x · 2^by`, rounded at most once.
fn scaled(x: f64, by: i32) -> f64 {
    let half = by / 2;
    x * 2f64.powi(half) * 2f64.powi(by - half)
}

impl Sums {
    /// The products of one cell of the grid.
    fn take(&mut self, tile: &View<'_>) {
        if is_narrow(tile.dtype()) {
            with_dtype!(tile.dtype(), T => {
                load(tile, self.axis, self.row, &mut self.narrow, |x: T| x.to_f64() as i16);
            });
            let whole = &mut self.whole;
            whole_products(&self.narrow, self.row, &mut |i, j, sum| whole[place(i, j)] += i64::from(sum));
            return;
        }
        with_dtype!(tile.dtype(), T => load(tile, self.axis, self.row, &mut self.real, |x: T| x.to_f64()));
        if is_whole(tile.dtype()) {
            let whole = &mut self.whole;
            products(&self.real, self.row, &mut |i, j, sum| whole[place(i, j)] += sum as i64);
        } else {
            let (fixed, by) = (&mut self.fixed, self.scale);
            products(&self.real, self.row, &mut |i, j, sum| fixed[place(i, j)] += scaled(sum, by) as i128);
        }
    }
}

/// The elements of every item side by side, zeros after them.
fn load<T: Element, O: Copy + Default>(
    tile: &View<'_>,
    axis: usize,
    row: usize,
    rows: &mut [O],
    of: impl Fn(T) -> O + Copy,
) {
    let data = tile.typed::<T>();
    let mut shape: ArrayVec<usize, MAX_RANK> = tile.shape().iter().copied().collect();
    let items = std::mem::replace(&mut shape[axis], 1);
    for item in 0..items {
        let rows = &mut rows[item * row..(item + 1) * row];
        let first = item * tile.strides()[axis];
        let mut next = 0;
        for_each_row(&shape, [tile.strides()], |[at], n| {
            let step = tile.strides()[shape.len() - 1];
            let run = rows[next..next + n].iter_mut();
            match step {
                1 => run.zip(&data[first + at..][..n]).for_each(|(to, &x)| *to = of(x)),
                _ => run.enumerate().for_each(|(k, to)| *to = of(data[first + at + k * step])),
            }
            next += n;
        });
        rows[next..].fill(O::default());
    }
}

impl ScanState for Sums {
    fn fold(&mut self, at: &Region, tiles: &[View<'_>]) -> Result<()> {
        let cells = crate::array::grid_len(&at.shape, &self.cell);
        for i in 0..cells {
            let inner = Region::tile(&at.shape, &self.cell, i);
            self.take(&tiles[0].sub(&inner));
        }
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn ScanState>) {
        if let Ok(other) = other.into_any().downcast::<Sums>() {
            self.whole.iter_mut().zip(&other.whole).for_each(|(sum, more)| *sum += more);
            self.fixed.iter_mut().zip(&other.fixed).for_each(|(sum, more)| *sum += more);
        }
    }

    fn finish(self: Box<Self>) -> Result<Vec<Value>> {
        let Sums { items, basis, scale, whole, fixed, narrow, real, .. } = *self;
        drop((narrow, real));
        let sums = if whole.is_empty() { fixed } else { whole.into_iter().map(i128::from).collect() };
        basis.results(items, sums, scale)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
