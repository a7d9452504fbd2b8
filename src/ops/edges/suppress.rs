//! Thinning of the gradient to candidates for edges.

use crate::array::{ArraySpec, DType, Element, MAX_RANK, Mode, Region, Scalar, View, ViewMut, for_each_row_at};
use crate::error::Result;
use crate::graph::{Cx, Need, TileOp};
use arrayvec::ArrayVec;

/// Marks the elements whose gradient is at least as long as that before and behind them, interpolated along the
/// gradient's direction: 0 for none, 1 from the low threshold on, 2 from the high one on.
///
/// Its inputs are the derivatives along two axes, if `masked` where candidates may lie, and the thresholds, as float64.
#[derive(Debug)]
pub(super) struct Suppress {
    /// The two axes, in the order of the derivatives.
    pub axes: [usize; 2],
    /// Whether there is an input that says where candidates may lie.
    pub masked: bool,
    /// Whether the image is a torus.
    pub periodic: bool,
}

/// scikit-image takes the low threshold in single precision, and this instead of none.
const LEAST: f32 = 1e-14;

impl TileOp for Suppress {
    fn name(&self) -> &'static str {
        "thin gradient"
    }

    fn need(&self, input: usize, out: &Region, inputs: &[ArraySpec]) -> Need {
        let mut need = Need::inside(out);
        if input < 2 {
            for axis in self.axes {
                need.start[axis] -= 1;
                need.shape[axis] += 2;
            }
            let mode = if self.periodic { Mode::Wrap } else { Mode::Nearest };
            need.outside = Some((mode, Scalar::from_f64(0.0, inputs[input].dtype)));
        }
        need
    }

    fn run(&self, cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, _scratch: &mut [u8]) -> Result<()> {
        match inputs[0].dtype() {
            DType::F64 => self.mark::<f64>(cx, inputs, out),
            _ => self.mark::<f32>(cx, inputs, out),
        }
        Ok(())
    }

    fn cost(&self) -> f64 {
        6.0
    }
}

/// Floats as scikit-image's arithmetic mixes them: products in their own type, differences from 1 in double.
trait Real: Element + Into<f64> {
    fn length(i: Self, j: Self) -> Self;
    fn size(self) -> Self;
    fn product(self, by: Self) -> Self;
    fn quotient(self, by: Self) -> Self;
}

macro_rules! real {
    ($($t:ty)*) => {$(
        impl Real for $t {
            #[inline(always)]
            fn length(i: Self, j: Self) -> Self {
                (i * i + j * j).sqrt()
            }

            #[inline(always)]
            fn size(self) -> Self {
                self.abs()
            }

            #[inline(always)]
            fn product(self, by: Self) -> Self {
                self * by
            }

            #[inline(always)]
            fn quotient(self, by: Self) -> Self {
                self / by
            }
        }
    )*};
}

real!(f32 f64);

/// Gradient lengths at a time.
const CHUNK: usize = 256;

/// The derivatives around one row.
struct Gradient<'a, T> {
    along: [&'a [T]; 2],
    /// Elements from one neighbour to the next along the two axes, in either array.
    steps: [[usize; 2]; 2],
}

impl<T: Real> Gradient<'_, T> {
    /// The length of the gradient so many steps away from the element that lies at those offsets.
    fn length(&self, at: [usize; 2], steps: [i64; 2]) -> T {
        let [i, j]: [T; 2] = std::array::from_fn(|k| {
            let offset = steps[0] * self.steps[k][0] as i64 + steps[1] * self.steps[k][1] as i64;
            self.along[k][(at[k] as i64 + offset) as usize]
        });
        T::length(i, j)
    }

    /// Whether no interpolated neighbour along the gradient is longer than `length`.
    fn is_crest(&self, at: [usize; 2], length: T) -> bool {
        let (i, j) = (self.along[0][at[0]], self.along[1][at[1]]);
        let zero = T::from_f64(0.0);
        // The gradient runs along the main diagonal or along the other; and nearer to the first axis or the second.
        let same = (i <= zero) == (j <= zero);
        let side = if same { 1 } else { -1 };
        let first = if same { i.size() > j.size() } else { i.size() >= j.size() };
        let (straight, weight) = match (first, same) {
            (true, true) => ([1, 0], j.size().quotient(i.size())),
            (true, false) => ([-1, 0], j.size().quotient(i.size())),
            (false, _) => ([0, 1], i.size().quotient(j.size())),
        };
        let diagonal = [side, 1];
        let longer = |sign: i64| {
            let near = self.length(at, straight.map(|s| s * sign));
            let far = self.length(at, diagonal.map(|s| s * sign));
            let rest: f64 = near.into() * (1.0 - weight.into());
            let between: f64 = far.product(weight).into() + rest;
            // Beside a NaN there is no crest.
            between.is_nan() || between > length.into()
        };
        !longer(1) && !longer(-1)
    }
}

/// The low threshold as it is compared.
fn least(low: f64) -> f64 {
    let low = low as f32;
    f64::from(if low == 0.0 { LEAST } else { low })
}

impl Suppress {
    fn mark<T: Real>(&self, cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>) {
        let shape: ArrayVec<usize, MAX_RANK> = out.shape().iter().copied().collect();
        let strides: ArrayVec<usize, MAX_RANK> = out.strides().iter().copied().collect();
        let last = shape.len() - 1;
        let kept = if self.masked { Some(&inputs[2]) } else { None };
        let steps = [0, 1].map(|k| self.axes.map(|axis| inputs[k].strides()[axis]));
        let gradient = Gradient { along: [inputs[0].typed::<T>(), inputs[1].typed::<T>()], steps };
        let [low, high] = [2, 1].map(|from_end| inputs[inputs.len() - from_end].typed::<f64>()[0]);
        let (low, high) = (least(low), T::from_f64(high));
        let classes = out.typed_mut::<u8>();
        let kept_strides = kept.map_or(&strides[..], |view| view.strides());
        let operands = [inputs[0].strides(), inputs[1].strides(), &strides, kept_strides];
        for_each_row_at(&shape, operands, |index, [a, b, to, m], _| {
            let classes = &mut classes[to..to + shape[last]];
            classes.fill(0);
            let inner = self.inner(cx, index, shape[last], last);
            // Both derivatives begin one step before the box.
            let first = [a + steps[0][0] + steps[0][1], b + steps[1][0] + steps[1][1]];
            let row = [inputs[0].strides()[last], inputs[1].strides()[last]];
            let mut lengths = [T::from_f64(0.0); CHUNK];
            let (mut from, end) = (inner.start, inner.end);
            while from < end {
                let n = CHUNK.min(end - from);
                let at = |i: usize| [first[0] + (from + i) * row[0], first[1] + (from + i) * row[1]];
                for (i, length) in lengths[..n].iter_mut().enumerate() {
                    let at = at(i);
                    *length = T::length(gradient.along[0][at[0]], gradient.along[1][at[1]]);
                }
                for (i, &length) in lengths[..n].iter().enumerate() {
                    let strong = length.into() >= low && length > T::from_f64(0.0);
                    let here = || kept.is_none_or(|v| v.typed::<u8>()[m + (from + i) * v.strides()[last]] != 0);
                    if strong && here() && gradient.is_crest(at(i), length) {
                        classes[from + i] = if length >= high { 2 } else { 1 };
                    }
                }
                from += n;
            }
        });
    }

    /// The elements of a row that may be candidates: without a mask, not those at the edge of the image.
    fn inner(&self, cx: &Cx<'_>, index: &[usize], n: usize, last: usize) -> std::ops::Range<usize> {
        let mut range = 0..n;
        if self.masked || self.periodic {
            return range;
        }
        for axis in self.axes {
            let (start, len) = (cx.out.start[axis], cx.output.shape[axis]);
            if axis == last {
                let lo = 1u64.saturating_sub(start) as usize;
                let hi = (len - 1).saturating_sub(start).min(n as u64) as usize;
                range = range.start.max(lo)..range.end.min(hi.max(lo));
            } else {
                let at = start + index[axis] as u64;
                if at == 0 || at + 1 == len {
                    return 0..0;
                }
            }
        }
        range
    }
}
