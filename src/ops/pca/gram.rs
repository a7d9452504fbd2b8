//! The products of all rows of a matrix with each other, in one sweep.

use super::basis::{Basis, Found};
use super::side::{Places, Rows};
use crate::array::{ArraySpec, DType, Dims, Element, Region, View, with_dtype};
use crate::error::{Error, Result};
use crate::graph::{ScanCx, ScanOp, ScanState, Value};
use crate::kernels::exact_sum::ExactSum;
use crate::kernels::gram::{LANES, products, whole_products};
use nalgebra::DMatrix;
use std::any::Any;

/// The exact way: directions from the products of all rows.
#[derive(Clone, Debug)]
pub(super) struct Gram {
    /// What is wanted.
    pub basis: Basis,
    /// How many rows there are.
    pub rows: usize,
}

/// Bytes of rows that are multiplied at a time.
const BLOCK: usize = 1 << 20;
/// A row of a block has at most this many elements.
const MOST: usize = 1 << 12;

/// Whether sums of products of that type are held as integers; the range of others has to be known before.
pub(super) fn is_whole(dtype: DType) -> bool {
    !dtype.is_float() && dtype.size() <= 2
}

/// Whether rows are multiplied as 16-bit integers.
fn is_narrow(dtype: DType) -> bool {
    dtype.size() == 1
}

impl Gram {
    /// The fixed grid: all rows, and so many of their elements that a block of them stays in the cache.
    fn cell(&self, input: &ArraySpec) -> Dims {
        let size = if is_narrow(input.dtype) { 2 } else { 8 };
        let columns = (BLOCK / (size * self.rows.max(1))).clamp(LANES, MOST);
        self.basis.side.cell(input, columns as u64)
    }

    /// The length of a block's rows.
    fn row(&self, input: &ArraySpec) -> usize {
        self.basis.side.columns(&self.cell(input)).next_multiple_of(LANES)
    }

    /// The rows of a block: those of the matrix, and one of ones that gives their sums where a mean item must be known.
    fn height(&self) -> usize {
        self.rows + usize::from(self.basis.side.rows == Rows::Values)
    }

    fn triangle(&self) -> usize {
        self.height() * (self.height() + 1) / 2
    }

    /// The directions, from the lower triangle of products, which are `2^scale` times too large, the ones `unit` times.
    fn found(&self, sums: Vec<i128>, scale: i32, unit: f64, shift: f64) -> Result<Found> {
        let (matrix, mut means) = match self.basis.side.rows {
            Rows::Items => (self.of_items(&sums, scale), Vec::new()),
            Rows::Values => self.of_values(&sums, scale, unit),
        };
        drop(sums);
        means.iter_mut().for_each(|mean| *mean += shift);
        let total = (0..self.rows).map(|i| matrix[(i, i)]).sum();
        let (values, vectors) = self.basis.strongest(matrix)?;
        Ok(Found { values, vectors, total, means })
    }

    /// The products of items; of centred ones where that is wanted, which integers lose nothing by.
    fn of_items(&self, sums: &[i128], scale: i32) -> DMatrix<f64> {
        let items = self.rows;
        let sum = |i: usize, j: usize| sums[place(i.max(j), i.min(j))];
        let n = items as i128;
        let rows: Vec<i128> = (0..items).map(|i| (0..items).map(|j| sum(i, j)).sum()).collect();
        let all: i128 = rows.iter().sum();
        DMatrix::from_fn(items, items, |i, j| match self.basis.center {
            true => scaled((n * n * sum(i, j) - n * (rows[i] + rows[j]) + all) as f64 / (n * n) as f64, -scale),
            false => scaled(sum(i, j) as f64, -scale),
        })
    }

    /// The products of values over all items, and the means that were taken off, without rounding in between.
    fn of_values(&self, sums: &[i128], scale: i32, unit: f64) -> (DMatrix<f64>, Vec<f64>) {
        let n = self.basis.items as f64;
        let parts = |sum: i128| {
            let high = sum as f64;
            [high, (sum - high as i128) as f64].map(|part| scaled(part, -scale))
        };
        if !self.basis.center {
            let product = |i: usize, j: usize| parts(sums[place(i.max(j), i.min(j))])[0];
            return (DMatrix::from_fn(self.rows, self.rows, product), Vec::new());
        }
        // The row of ones is a power of two.
        let totals: Vec<[f64; 2]> =
            (0..self.rows).map(|i| parts(sums[place(self.rows, i)]).map(|part| part / unit)).collect();
        let mut matrix = DMatrix::zeros(self.rows, self.rows);
        for i in 0..self.rows {
            for j in 0..=i {
                let mut exact = ExactSum::new();
                parts(sums[place(i, j)]).iter().for_each(|&part| exact.add_product(n, part));
                for a in totals[i] {
                    totals[j].iter().for_each(|&b| exact.add_product(-a, b));
                }
                let product = exact.to_f64() / n;
                (matrix[(i, j)], matrix[(j, i)]) = (product, product);
            }
        }
        (matrix, totals.iter().map(|total| total[0] / n).collect())
    }
}

impl ScanOp for Gram {
    fn name(&self) -> &'static str {
        "pca: the products of all rows"
    }

    fn grain(&self, input: &ArraySpec) -> Option<Dims> {
        Some(self.cell(input))
    }

    fn state_bytes(&self, input: &ArraySpec) -> u64 {
        let sum = if is_whole(input.dtype) { 8 } else { 16 };
        let element = if is_narrow(input.dtype) { 2 } else { 8 };
        let row = self.row(input);
        (sum * self.triangle() + element * self.height() * row) as u64 + Places::bytes(self.rows as u64, row)
    }

    fn finish_bytes(&self, _input: &ArraySpec) -> u64 {
        // The products once more, the matrix, and the solver's copies.
        self.basis.bytes(self.rows) + 56 * (self.height() * self.height()) as u64 + 64 * self.rows as u64
    }

    fn begin(&self, cx: &ScanCx<'_>) -> Result<Box<dyn ScanState>> {
        let input = cx.input();
        let (shift, most) = shift(cx, self.basis.center);
        let whole = is_whole(input.dtype);
        let (row, height, triangle) = (self.row(input), self.height(), self.triangle());
        let of = |wanted: bool, n: usize| if wanted { n } else { 0 };
        Ok(Box::new(Sums {
            cell: self.cell(input),
            row,
            gram: self.clone(),
            scale: if whole { 0 } else { scale(most, input.elements())? },
            unit: if whole { 1.0 } else { power_above(most) },
            shift,
            places: Places::with_room(self.rows as u64, row),
            whole: vec![0; of(whole, triangle)],
            fixed: vec![0; of(!whole, triangle)],
            narrow: vec![0; of(is_narrow(input.dtype), height * row)],
            real: vec![0.0; of(!is_narrow(input.dtype), height * row)],
        }))
    }
}

/// The exponent of a power of two that is larger than `x`, and not by much.
pub(super) fn bits(x: f64) -> i32 {
    if x > 0.0 { x.log2().ceil() as i32 + 1 } else { 0 }
}

/// A power of two that is no smaller than any element.
pub(super) fn power_above(most: f64) -> f64 {
    2f64.powi(bits(most).clamp(-500, 500))
}

/// What is taken off all elements before they are multiplied, and the largest magnitude they have then. Where the mean item
/// is taken off, no constant shows, and far from zero products would lose what makes the elements differ.
pub(super) fn shift(cx: &ScanCx<'_>, center: bool) -> (f64, f64) {
    let range = match (cx.scalars, cx.input().dtype.integer_range()) {
        ([low, high], _) => (low.to_f64(), high.to_f64()),
        (_, Some((low, high))) => (low as f64, high as f64),
        _ => (0.0, 1.0),
    };
    let known = !cx.scalars.is_empty() && range.0.is_finite() && range.1.is_finite();
    let shift = if center && known { range.0 / 2.0 + range.1 / 2.0 } else { 0.0 };
    let ends = [(range.0 - shift).abs(), (range.1 - shift).abs()];
    (shift, if ends[0] <= ends[1] { ends[1] } else { ends[0] })
}

/// Whether the elements can be multiplied at all.
///
/// # Errors
/// When some are not numbers, or too large.
pub(super) fn check(most: f64, elements: u64) -> Result<()> {
    if !most.is_finite() {
        return Err(Error::op("pca", "the stack holds NaN or infinities; remove them first"));
    }
    if !(most * most * elements as f64).is_finite() {
        return Err(Error::op("pca", format!("the stack holds {most:e}: products of such numbers have no room")));
    }
    Ok(())
}

/// The power of two by which sums are multiplied before they become integers: the sums keep 94 bits, so that n² of them fit into 128.
fn scale(most: f64, elements: u64) -> Result<i32> {
    check(most, elements)?;
    Ok(94 - 2 * bits(most) - bits(elements as f64))
}

/// What one worker has seen.
struct Sums {
    cell: Dims,
    row: usize,
    gram: Gram,
    scale: i32,
    unit: f64,
    shift: f64,
    places: Places,
    whole: Vec<i64>,
    fixed: Vec<i128>,
    narrow: Vec<i16>,
    real: Vec<f64>,
}

/// Where the sum of products of rows `i >= j` lies.
fn place(i: usize, j: usize) -> usize {
    i * (i + 1) / 2 + j
}

/// `x · 2^by`, rounded at most once.
pub(super) fn scaled(x: f64, by: i32) -> f64 {
    let half = by / 2;
    x * 2f64.powi(half) * 2f64.powi(by - half)
}

impl Sums {
    /// The products of one cell of the grid.
    fn take(&mut self, tile: &View<'_>) {
        let Sums { places, row, .. } = self;
        let row = *row;
        places.find(self.gram.basis.side, tile);
        if is_narrow(tile.dtype()) {
            with_dtype!(tile.dtype(), T => load(tile, places, row, &mut self.narrow, 1, |x: T| x.to_f64() as i16));
            let whole = &mut self.whole;
            whole_products(&self.narrow, row, &mut |i, j, sum| whole[place(i, j)] += i64::from(sum));
            return;
        }
        let (unit, shift) = (self.unit, self.shift);
        with_dtype!(tile.dtype(), T => load(tile, places, row, &mut self.real, unit, |x: T| x.to_f64() - shift));
        if is_whole(tile.dtype()) {
            let whole = &mut self.whole;
            products(&self.real, row, &mut |i, j, sum| whole[place(i, j)] += sum as i64);
        } else {
            let (fixed, by) = (&mut self.fixed, self.scale);
            products(&self.real, row, &mut |i, j, sum| fixed[place(i, j)] += scaled(sum, by) as i128);
        }
    }
}

/// The rows side by side, zeros after them; behind them, where there is room, one of ones.
fn load<T: Element, O: Copy + Default>(
    tile: &View<'_>,
    places: &Places,
    row: usize,
    rows: &mut [O],
    one: O,
    of: impl Fn(T) -> O + Copy,
) {
    let data = tile.typed::<T>();
    for (i, to) in rows.chunks_exact_mut(row).enumerate() {
        places.load(data, i, to, of);
        if i == places.rows() {
            to[..places.columns()].fill(one);
        }
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
        let Sums { gram, scale, unit, shift, whole, fixed, narrow, real, places, .. } = *self;
        drop((narrow, real, places));
        let sums = if whole.is_empty() { fixed } else { whole.into_iter().map(i128::from).collect() };
        gram.basis.results(&gram.found(sums, scale, unit, shift)?)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
