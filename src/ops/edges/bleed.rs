//! What a smoothed image loses to its surroundings: the smoothed image divided by smoothed ones.

use crate::array::{ArraySpec, DType, Element, Region, View, ViewMut, for_each_row_at};
use crate::error::Result;
use crate::graph::{Array, Cx, Need, TileOp};
use crate::kernels::correlate::Sample;
use crate::ops::elementwise::pointwise::{Operand, Rule, pointwise};
use crate::ops::elementwise::rows::{Feed, zip};

/// Floats as this module needs them.
trait Real: Element + Sample<f64> {
    /// Divides, kept from zero by the type's epsilon.
    fn quotient(self, by: Self) -> Self;
}

macro_rules! real {
    ($($t:ident)*) => {$(
        impl Real for $t {
            #[inline(always)]
            fn quotient(self, by: Self) -> Self {
                self / (by + $t::EPSILON)
            }
        }
    )*};
}

real!(f32 f64);

/// A gaussian of ones within an image and a constant around it, as correlation along one axis after the other sums it.
#[derive(Debug)]
struct Ones {
    axes: [usize; 2],
    taps: [Vec<f64>; 2],
    outside: f64,
}

/// Divides a smoothed image by smoothed ones.
#[derive(Debug)]
struct Unbleed(Ones);

/// `smoothed / (ones + epsilon)`, where `ones` is what the same gaussian (`taps` along `axes`) makes of an image of ones
/// with `outside` around it.
pub(super) fn unbleed(smoothed: &Array, axes: [usize; 2], taps: [Vec<f64>; 2], outside: f64) -> Array {
    match smoothed.array_spec() {
        Some(spec) => Array::tile(Unbleed(Ones { axes, taps, outside }), vec![smoothed.clone()], spec.clone()),
        None => smoothed.clone(),
    }
}

/// `smoothed / (share + epsilon)`, where `share` is the smoothed mask.
///
/// # Errors
/// When the shapes differ.
pub(super) fn divide_by_share(smoothed: &Array, share: &Array) -> Result<Array> {
    let operands: Vec<Operand> =
        [smoothed, share].iter().filter_map(|a| Some(Operand::Array((*a).clone(), a.array_spec()?.clone()))).collect();
    let dtype = smoothed.dtype().unwrap_or(DType::F64);
    pointwise("divide", &operands, dtype, dtype, Share)
}

#[derive(Debug)]
struct Share;

impl Rule for Share {
    fn apply(&self, operands: &[Feed<'_>], out: &mut ViewMut<'_>) {
        let [a, b] = operands else { return };
        match out.dtype() {
            DType::F64 => zip(
                a,
                b,
                out,
                #[inline(always)]
                |x: f64, y: f64| x.quotient(y),
            ),
            _ => zip(
                a,
                b,
                out,
                #[inline(always)]
                |x: f32, y: f32| x.quotient(y),
            ),
        }
    }

    fn cost(&self) -> f64 {
        0.3
    }
}

impl TileOp for Unbleed {
    fn name(&self) -> &'static str {
        "divide"
    }

    fn need(&self, _input: usize, out: &Region, _inputs: &[ArraySpec]) -> Need {
        Need::inside(out)
    }

    fn run(&self, cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, _scratch: &mut [u8]) -> Result<()> {
        match out.dtype() {
            DType::F64 => self.divide::<f64>(cx, &inputs[0], out),
            _ => self.divide::<f32>(cx, &inputs[0], out),
        }
        Ok(())
    }

    fn cost(&self) -> f64 {
        1.0
    }
}

impl Unbleed {
    fn divide<T: Real>(&self, cx: &Cx<'_>, src: &View<'_>, out: &mut ViewMut<'_>) {
        let shape: Vec1 = out.shape().iter().copied().collect();
        let strides: Vec1 = out.strides().iter().copied().collect();
        let (last, step) = (shape.len() - 1, src.strides()[shape.len() - 1]);
        let (source, result) = (src.typed::<T>(), out.typed_mut::<T>());
        let mut known: Option<([u64; 2], T)> = None;
        for_each_row_at(&shape, [src.strides(), &strides], |index, [s, t], _| {
            let mut at = self.0.axes.map(|axis| cx.out.start[axis] + index[axis] as u64);
            for i in 0..shape[last] {
                for (at, &axis) in at.iter_mut().zip(&self.0.axes) {
                    if axis == last {
                        *at = cx.out.start[axis] + i as u64;
                    }
                }
                let place = self.0.place(at, &cx.output.shape);
                let share = match known {
                    Some((same, share)) if same == place => share,
                    _ => self.0.at(at, &cx.output.shape),
                };
                known = Some((place, share));
                result[t + i] = source[s + i * step].quotient(share);
            }
        });
    }
}

type Vec1 = arrayvec::ArrayVec<usize, { crate::array::MAX_RANK }>;

impl Ones {
    /// Elements of one place have the same value: all whose window lies inside the image do.
    fn place(&self, at: [u64; 2], shape: &[u64]) -> [u64; 2] {
        std::array::from_fn(|k| {
            let (half, n) = (self.taps[k].len() as u64 / 2, shape[self.axes[k]]);
            if at[k] >= half && at[k] + half < n { u64::MAX } else { at[k] }
        })
    }

    fn at<T: Real>(&self, at: [u64; 2], shape: &[u64]) -> T {
        let first: T = self.along(0, at[0], shape, 1.0);
        self.along(1, at[1], shape, first.to_f64())
    }

    /// The sum over `inside` within the axis and the constant beyond, in the order of the correlation kernel.
    fn along<T: Real>(&self, k: usize, at: u64, shape: &[u64], inside: f64) -> T {
        let (taps, n) = (&self.taps[k], shape[self.axes[k]] as i64);
        let half = taps.len() as i64 / 2;
        let value = |i: i64| if (0..n).contains(&i) { inside } else { self.outside };
        let mut sum = taps[half as usize] * inside;
        for reach in (1..=half).rev() {
            sum += taps[(half + reach) as usize] * (value(at as i64 - reach) + value(at as i64 + reach));
        }
        T::narrow(sum)
    }
}
