//! Reductions of many elements to few in one sweep: every worker holds a cell for every output.

use super::along::{Along, Extents, Way, fold};
use super::{Statistic, best_first};
use crate::array::{ArraySpec, DType, Element, Region, Scalar, View, with_dtype};
use crate::error::{Error, Result};
use crate::graph::{MemArray, ScanCx, ScanOp, ScanState, Value};
use crate::kernels::extrema::{Key, Ordered};
use crate::ops::moments::Moments;
use std::any::Any;
use std::sync::Arc;

/// A worker's cells take at most this many bytes: in an image of up to a thousand million elements, and in larger ones a
/// byte for so many elements, up to the second number. (Whole columns of a large stack are read in many small pieces.)
const MOST_BYTES: [u64; 2] = [3 << 20, 32 << 20];
const ELEMENTS_PER_BYTE: u64 = 320;
/// Columns of so few elements are better read where their results are used.
const SHORT: u64 = 16;
/// As many squares of 16-bit numbers fit into 64 bits.
const MOST_NARROW: u64 = 1 << 31;

/// A statistic of columns that pass by in pieces.
#[derive(Debug)]
pub(super) struct Gather {
    statistic: Statistic,
    along: Along,
    output: ArraySpec,
    cells: Kind,
}

/// What a cell holds; nothing depends on the order in which elements come.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// The sum in 64 bits.
    Sum,
    /// The sum and that of the squares in 64 bits each.
    Squares,
    /// Exact sums of anything.
    Moments,
    /// The least or greatest key.
    Extreme,
    /// The best key and where it was first seen.
    Place,
}

impl Gather {
    /// The scan for that statistic, if its cells are small; a matter of shapes and types alone.
    pub fn new(statistic: Statistic, along: &Along, input: &ArraySpec, output: &ArraySpec) -> Option<Self> {
        let narrow = !input.dtype.is_float() && input.dtype.size() <= 4 && along.column() <= MOST_NARROW;
        let cells = match statistic {
            Statistic::Min | Statistic::Max => Kind::Extreme,
            Statistic::ArgMin | Statistic::ArgMax => Kind::Place,
            Statistic::Sum | Statistic::Mean if narrow => Kind::Sum,
            Statistic::Var { .. } | Statistic::Std { .. } if narrow && input.dtype.size() <= 2 => Kind::Squares,
            _ => Kind::Moments,
        };
        let gather = Gather { statistic, along: along.clone(), output: output.clone(), cells };
        let long = along.column() > SHORT || along.outputs() == 1;
        let most = (input.elements() / ELEMENTS_PER_BYTE).clamp(MOST_BYTES[0], MOST_BYTES[1]);
        (long && gather.state_bytes(input) <= most).then_some(gather)
    }
}

impl ScanOp for Gather {
    fn name(&self) -> &'static str {
        self.statistic.name()
    }

    fn state_bytes(&self, input: &ArraySpec) -> u64 {
        let cell = match self.cells {
            Kind::Sum => 8,
            Kind::Squares | Kind::Place => 16,
            Kind::Moments => size_of::<Moments>(),
            Kind::Extreme => input.dtype.size(),
        };
        self.along.outputs().saturating_mul(cell as u64)
    }

    fn begin(&self, cx: &ScanCx<'_>) -> Result<Box<dyn ScanState>> {
        let n = self.along.outputs() as usize;
        let dtype = cx.input().dtype;
        let greatest = matches!(self.statistic, Statistic::Max | Statistic::ArgMax);
        let shape = Shape {
            statistic: self.statistic,
            cells: self.along.cell_strides(&self.along.shape),
            index: self.along.index_strides(),
            along: self.along.clone(),
            output: self.output.clone(),
        };
        Ok(match self.cells {
            Kind::Sum => Box::new(Cells { shape, held: vec![0i64; n] }),
            Kind::Squares => Box::new(Cells { shape, held: vec![[0i64; 2]; n] }),
            Kind::Place => Box::new(Cells { shape, held: vec![[u64::MAX; 2]; n] }),
            Kind::Moments => {
                let squared = matches!(self.statistic, Statistic::Var { .. } | Statistic::Std { .. });
                Box::new(Cells { shape, held: vec![Moments::new(dtype, squared); n] })
            }
            Kind::Extreme => with_dtype!(dtype, T => {
                let first = if greatest { <T as Ordered>::Key::LEAST } else { <T as Ordered>::Key::MOST };
                Box::new(Cells { shape, held: vec![Keyed::<T>(first); n] })
            }),
        })
    }
}

/// How elements find their cells.
struct Shape {
    statistic: Statistic,
    along: Along,
    output: ArraySpec,
    cells: Extents,
    index: Extents,
}

/// The cells of all outputs, in C order.
struct Cells<C> {
    shape: Shape,
    held: Vec<C>,
}

/// The key of an element type.
#[derive(Clone, Copy)]
struct Keyed<T: Ordered>(T::Key);

/// What a cell does with elements.
trait Cell: Clone + Send + Sized + 'static {
    fn take(cells: &mut [Self], tile: &View<'_>, at: &Region, shape: &Shape);
    fn join(&mut self, other: &Self, shape: &Shape);
    fn put(&self, shape: &Shape, out: &mut [u8]) -> Result<()>;
}

impl<C: Cell> ScanState for Cells<C> {
    fn fold(&mut self, at: &Region, tiles: &[View<'_>]) -> Result<()> {
        C::take(&mut self.held, &tiles[0], at, &self.shape);
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn ScanState>) {
        if let Ok(other) = other.into_any().downcast::<Cells<C>>() {
            self.held.iter_mut().zip(&other.held).for_each(|(cell, more)| cell.join(more, &self.shape));
        }
    }

    fn finish(self: Box<Self>) -> Result<Vec<Value>> {
        let mut array = MemArray::zeros(self.shape.output.clone())?;
        let size = array.spec.dtype.size();
        for (cell, out) in self.held.iter().zip(array.data.bytes_mut().chunks_exact_mut(size)) {
            cell.put(&self.shape, out)?;
        }
        Ok(vec![Value::Array(Arc::new(array))])
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl Shape {
    fn way(&self, at: &Region) -> Way<'_> {
        let first = |strides: &[usize]| at.start.iter().zip(strides).map(|(&i, &s)| i as usize * s).sum();
        Way { cells: &self.cells, index: &self.index, first_cell: first(&self.cells), first_index: first(&self.index) }
    }

    fn put_f64(&self, value: f64, out: &mut [u8]) {
        out.copy_from_slice(Scalar::of(if value.is_nan() { f64::NAN } else { value }).bytes());
    }

    fn put_sum(&self, sum: i128, out: &mut [u8]) -> Result<()> {
        let dtype = self.output.dtype;
        let Some(value) = Scalar::from_i128(sum, dtype) else {
            return Err(Error::op("sum", format!("the sum is {sum}, which {dtype} does not hold")));
        };
        out.copy_from_slice(value.bytes());
        Ok(())
    }

    fn put_mean(&self, sum: i64, out: &mut [u8]) {
        self.put_f64(sum as f64 / self.along.column() as f64, out);
    }
}

/// An integer of up to 32 bits.
#[inline(always)]
fn narrow<T: Element>(x: T) -> i64 {
    x.to_f64() as i64
}

impl Cell for i64 {
    fn take(cells: &mut [Self], tile: &View<'_>, at: &Region, shape: &Shape) {
        let way = shape.way(at);
        match tile.dtype() {
            DType::Bool | DType::U8 => fold(tile, cells, &way, |sum, x: u8, _| *sum += i64::from(x)),
            DType::U16 => fold(tile, cells, &way, |sum, x: u16, _| *sum += i64::from(x)),
            dtype => with_dtype!(dtype, T => fold(tile, cells, &way, |sum, x: T, _| *sum += narrow(x))),
        }
    }

    fn join(&mut self, other: &Self, _shape: &Shape) {
        *self += other;
    }

    fn put(&self, shape: &Shape, out: &mut [u8]) -> Result<()> {
        match shape.statistic {
            Statistic::Sum => shape.put_sum((*self).into(), out),
            _ => {
                shape.put_mean(*self, out);
                Ok(())
            }
        }
    }
}

impl Cell for [i64; 2] {
    fn take(cells: &mut [Self], tile: &View<'_>, at: &Region, shape: &Shape) {
        let way = shape.way(at);
        let add = |cell: &mut [i64; 2], x: i64| *cell = [cell[0] + x, cell[1] + x * x];
        match tile.dtype() {
            DType::Bool | DType::U8 => fold(tile, cells, &way, |cell, x: u8, _| add(cell, x.into())),
            DType::U16 => fold(tile, cells, &way, |cell, x: u16, _| add(cell, x.into())),
            dtype => with_dtype!(dtype, T => fold(tile, cells, &way, |cell, x: T, _| add(cell, narrow(x)))),
        }
    }

    fn join(&mut self, other: &Self, _shape: &Shape) {
        self.iter_mut().zip(other).for_each(|(a, b)| *a += b);
    }

    fn put(&self, shape: &Shape, out: &mut [u8]) -> Result<()> {
        let (n, [sum, squares]) = (shape.along.column(), self.map(i128::from));
        // n Σx² - (Σx)² is n² times the variance.
        let scaled = (i128::from(n) * squares - sum * sum) as f64;
        let variance = |ddof: f64| match n as f64 - ddof {
            divisor if divisor > 0.0 => scaled / n as f64 / divisor,
            _ => f64::NAN,
        };
        match shape.statistic {
            Statistic::Std { ddof } => shape.put_f64(variance(ddof).sqrt(), out),
            Statistic::Var { ddof } => shape.put_f64(variance(ddof), out),
            _ => {}
        }
        Ok(())
    }
}

impl Cell for [u64; 2] {
    fn take(cells: &mut [Self], tile: &View<'_>, at: &Region, shape: &Shape) {
        let (way, greatest) = (shape.way(at), shape.statistic == Statistic::ArgMax);
        with_dtype!(tile.dtype(), T => fold(tile, cells, &way, |cell: &mut [u64; 2], x: T, at| {
            *cell = (*cell).min([best_first(x, greatest), at as u64]);
        }));
    }

    fn join(&mut self, other: &Self, _shape: &Shape) {
        *self = (*self).min(*other);
    }

    fn put(&self, _shape: &Shape, out: &mut [u8]) -> Result<()> {
        out.copy_from_slice(Scalar::of(self[1] as i64).bytes());
        Ok(())
    }
}

impl Cell for Moments {
    /// Every cell takes its part of the box at once.
    fn take(cells: &mut [Self], tile: &View<'_>, at: &Region, shape: &Shape) {
        let reduced = &shape.along.reduced;
        let kept: Vec<u64> = at.shape.iter().zip(reduced).map(|(&n, &gone)| if gone { 1 } else { n }).collect();
        let column: Vec<u64> = at.shape.iter().zip(reduced).map(|(&n, &gone)| if gone { n } else { 1 }).collect();
        let ones: Vec<u64> = kept.iter().map(|_| 1).collect();
        let first = shape.way(at).first_cell;
        for i in 0..crate::array::elements(&kept) {
            let start = Region::tile(&kept, &ones, i).start;
            let cell: usize = start.iter().zip(&shape.cells).map(|(&i, &s)| i as usize * s).sum();
            cells[first + cell].add(&tile.sub(&Region::new(&start, &column)));
        }
    }

    fn join(&mut self, other: &Self, _shape: &Shape) {
        self.merge(other);
    }

    fn put(&self, shape: &Shape, out: &mut [u8]) -> Result<()> {
        match (shape.statistic, self.whole_sum()) {
            (Statistic::Sum, Some(sum)) => return shape.put_sum(sum, out),
            (Statistic::Sum, None) => shape.put_f64(self.sum(), out),
            (Statistic::Var { ddof }, _) => shape.put_f64(self.variance(ddof), out),
            (Statistic::Std { ddof }, _) => shape.put_f64(self.variance(ddof).sqrt(), out),
            _ => shape.put_f64(self.mean(), out),
        }
        Ok(())
    }
}

impl<T: Element + Ordered> Cell for Keyed<T> {
    fn take(cells: &mut [Self], tile: &View<'_>, at: &Region, shape: &Shape) {
        let way = shape.way(at);
        match shape.statistic {
            Statistic::Max => fold(tile, cells, &way, |cell, x: T, _| cell.0 = cell.0.max(x.key(true))),
            _ => fold(tile, cells, &way, |cell, x: T, _| cell.0 = cell.0.min(x.key(false))),
        }
    }

    fn join(&mut self, other: &Self, shape: &Shape) {
        self.0 = if shape.statistic == Statistic::Max { self.0.max(other.0) } else { self.0.min(other.0) };
    }

    fn put(&self, _shape: &Shape, out: &mut [u8]) -> Result<()> {
        out.copy_from_slice(bytemuck::bytes_of(&T::from_key(self.0)));
        Ok(())
    }
}
