//! Reductions with whole columns at hand: each output box is computed from the columns over it.

use super::along::{Along, Extents, Way, add_in_order, fold};
use super::{Statistic, best_first};
use crate::array::{ArraySpec, DType, Element, Region, Scalar, View, ViewMut, for_each_row, with_dtype};
use crate::error::{Error, Result};
use crate::graph::{Cx, Need, TileOp};
use crate::kernels::extrema::{Key, Ordered};
use crate::ops::window::{scratch_bytes, scratch_of};

/// A statistic of whole columns.
#[derive(Debug)]
pub(super) struct Columns {
    pub statistic: Statistic,
    pub along: Along,
}

impl TileOp for Columns {
    fn name(&self) -> &'static str {
        self.statistic.name()
    }

    fn need(&self, _input: usize, out: &Region, _inputs: &[ArraySpec]) -> Need {
        self.along.need(out)
    }

    fn scratch(&self, out: &[u64], inputs: &[ArraySpec]) -> u64 {
        let n = out.iter().product::<u64>() as usize;
        let dtype = inputs[0].dtype;
        match self.statistic {
            Statistic::Sum | Statistic::Mean if !dtype.is_float() => scratch_bytes::<i128>(n),
            Statistic::Sum | Statistic::Mean => scratch_bytes::<f64>(n),
            Statistic::Var { .. } | Statistic::Std { .. } => scratch_bytes::<f64>(2 * n),
            Statistic::Min | Statistic::Max => scratch_bytes::<u64>(n),
            Statistic::ArgMin | Statistic::ArgMax => scratch_bytes::<[u64; 2]>(n),
        }
    }

    fn run(&self, cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, scratch: &mut [u8]) -> Result<()> {
        let tile = &inputs[0];
        let lengths: Vec<u64> = tile.shape().iter().map(|&n| n as u64).collect();
        let job = Job { along: &self.along, tile, cells: self.along.cell_strides(&lengths), n: out.elements() };
        match self.statistic {
            Statistic::Sum => job.sum(cx.inputs[0].dtype, out, scratch),
            Statistic::Mean => {
                job.mean(cx.inputs[0].dtype, out, scratch);
                Ok(())
            }
            Statistic::Var { ddof } => {
                job.variance(out, scratch, ddof, |v| v);
                Ok(())
            }
            Statistic::Std { ddof } => {
                job.variance(out, scratch, ddof, f64::sqrt);
                Ok(())
            }
            Statistic::Min => {
                with_dtype!(tile.dtype(), T => job.extreme::<T>(out, scratch, false));
                Ok(())
            }
            Statistic::Max => {
                with_dtype!(tile.dtype(), T => job.extreme::<T>(out, scratch, true));
                Ok(())
            }
            Statistic::ArgMin => {
                with_dtype!(tile.dtype(), T => job.place::<T>(out, scratch, false));
                Ok(())
            }
            Statistic::ArgMax => {
                with_dtype!(tile.dtype(), T => job.place::<T>(out, scratch, true));
                Ok(())
            }
        }
    }

    fn cost(&self) -> f64 {
        // Per output element: every element of the column is looked at once or twice.
        let each = match self.statistic {
            Statistic::Var { .. } | Statistic::Std { .. } => 1.0,
            _ => 0.4,
        };
        each * self.along.column() as f64
    }
}

/// One box.
struct Job<'a> {
    along: &'a Along,
    tile: &'a View<'a>,
    /// Distances in the cells, which lie in C order.
    cells: Extents,
    n: usize,
}

impl Job<'_> {
    fn way<'w>(&'w self, index: &'w [usize]) -> Way<'w> {
        Way { cells: &self.cells, index, first_cell: 0, first_index: 0 }
    }

    fn sum(&self, dtype: DType, out: &mut ViewMut<'_>, scratch: &mut [u8]) -> Result<()> {
        if dtype.is_float() {
            let sums = self.real_sums(&mut scratch_of::<f64>(scratch)[..self.n]);
            put(out, |i| one_nan(sums[i]));
            return Ok(());
        }
        let result = out.dtype();
        self.with_whole_sums(scratch, |sum| {
            let misfit = (0..self.n).map(&sum).find(|&sum| Scalar::from_i128(sum, result).is_none());
            if let Some(sum) = misfit {
                return Err(Error::op("sum", format!("the sum is {sum}, which {result} does not hold")));
            }
            match result {
                DType::U64 => put(out, |i| sum(i) as u64),
                _ => put(out, |i| sum(i) as i64),
            }
            Ok(())
        })
    }

    fn mean(&self, dtype: DType, out: &mut ViewMut<'_>, scratch: &mut [u8]) {
        let n = self.along.column() as f64;
        if dtype.is_float() {
            let sums = self.real_sums(&mut scratch_of::<f64>(scratch)[..self.n]);
            put(out, |i| one_nan(sums[i] / n));
        } else {
            self.with_whole_sums(scratch, |sum| put(out, |i| one_nan(sum(i) as f64 / n)));
        }
    }

    fn real_sums<'s>(&self, sums: &'s mut [f64]) -> &'s [f64] {
        sums.fill(0.0);
        let ends = self.along.ends_reduced();
        with_dtype!(self.tile.dtype(), T => {
            add_in_order(self.tile, sums, &self.cells, ends, |x: T, _| x.to_f64());
        });
        sums
    }

    /// Exact sums of integers: in 64 bits where they cannot overflow.
    fn with_whole_sums<R>(&self, scratch: &mut [u8], then: impl FnOnce(&dyn Fn(usize) -> i128) -> R) -> R {
        let index = self.along.index_strides();
        let way = self.way(&index);
        if self.tile.dtype().size() <= 4 && self.along.column() <= 1 << 31 {
            let sums = &mut scratch_of::<i64>(scratch)[..self.n];
            sums.fill(0);
            with_dtype!(self.tile.dtype(), T => {
                fold(self.tile, sums, &way, |sum: &mut i64, x: T, _| *sum += x.to_f64() as i64);
            });
            return then(&|i| sums[i].into());
        }
        let sums = &mut scratch_of::<i128>(scratch)[..self.n];
        sums.fill(0);
        with_dtype!(self.tile.dtype(), T => {
            fold(self.tile, sums, &way, |sum: &mut i128, x: T, _| *sum += whole(x));
        });
        then(&|i| sums[i])
    }

    /// First the means, then the squares of what is left without them.
    fn variance(&self, out: &mut ViewMut<'_>, scratch: &mut [u8], ddof: f64, finish: impl Fn(f64) -> f64) {
        let (means, squares) = scratch_of::<f64>(scratch)[..2 * self.n].split_at_mut(self.n);
        self.real_sums(means);
        let n = self.along.column() as f64;
        means.iter_mut().for_each(|mean| *mean /= n);
        squares.fill(0.0);
        let ends = self.along.ends_reduced();
        with_dtype!(self.tile.dtype(), T => {
            add_in_order(self.tile, squares, &self.cells, ends, |x: T, cell| (x.to_f64() - means[cell]).powi(2));
        });
        let divisor = n - ddof;
        put(out, |i| if divisor > 0.0 { one_nan(finish(squares[i] / divisor)) } else { f64::NAN });
    }

    fn extreme<T: Element + Ordered<Key: bytemuck::Pod>>(
        &self,
        out: &mut ViewMut<'_>,
        scratch: &mut [u8],
        greatest: bool,
    ) {
        let keys = &mut scratch_of::<T::Key>(scratch)[..self.n];
        let index = self.along.index_strides();
        if greatest {
            keys.fill(T::Key::LEAST);
            fold(self.tile, keys, &self.way(&index), |key, x: T, _| *key = (*key).max(x.key(true)));
        } else {
            keys.fill(T::Key::MOST);
            fold(self.tile, keys, &self.way(&index), |key, x: T, _| *key = (*key).min(x.key(false)));
        }
        let keys = &*keys;
        put(out, |i| T::from_key(keys[i]));
    }

    fn place<T: Element>(&self, out: &mut ViewMut<'_>, scratch: &mut [u8], greatest: bool) {
        let cells = &mut scratch_of::<[u64; 2]>(scratch)[..self.n];
        cells.fill([u64::MAX; 2]);
        let index = self.along.index_strides();
        fold(self.tile, cells, &self.way(&index), |cell: &mut [u64; 2], x: T, at| {
            *cell = (*cell).min([best_first(x, greatest), at as u64]);
        });
        let cells = &*cells;
        put(out, |i| cells[i][1] as i64);
    }
}

/// An integer, whichever its type.
#[inline(always)]
fn whole<T: Element>(x: T) -> i128 {
    match T::DTYPE {
        DType::U64 => i128::from(bytemuck::cast::<T, u64>(x)),
        DType::I64 => i128::from(bytemuck::cast::<T, i64>(x)),
        _ => x.to_f64() as i128,
    }
}

#[inline(always)]
fn one_nan(x: f64) -> f64 {
    if x.is_nan() { f64::NAN } else { x }
}

/// Writes the elements of a box in C order.
pub(crate) fn put<O: Element>(out: &mut ViewMut<'_>, mut of: impl FnMut(usize) -> O) {
    let (shape, strides) = (Extents::from_iter(out.shape().iter().copied()), out.strides().to_vec());
    let to = out.typed_mut::<O>();
    let mut next = 0;
    for_each_row(&shape, [&strides], |[at], n| {
        to[at..at + n].iter_mut().enumerate().for_each(|(k, o)| *o = of(next + k));
        next += n;
    });
}
