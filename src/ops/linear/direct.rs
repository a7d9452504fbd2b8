//! Correlation with a window of several axes, tap by tap.

use super::correlate1d::cancels;
use crate::array::{ArraySpec, DType, Dims, Element, Mode, Region, Scalar, View, ViewMut, for_each_row, merge_axes};
use crate::error::Result;
use crate::graph::{Cx, Need, TileOp};
use crate::kernels::convolve::weigh;
use crate::kernels::correlate::{Float, Sample};
use crate::ops::window::{scratch_bytes, scratch_of};

/// A box of elements around every output element, and what lies outside the image.
#[derive(Clone, Debug)]
pub(super) struct Window {
    /// How many elements before the output element it begins, per axis.
    pub before: Dims,
    /// Its lengths.
    pub len: Dims,
    /// How the image goes on.
    pub mode: Mode,
    /// The constant outside, in the input's type.
    pub cval: Scalar,
}

impl Window {
    /// What an output box needs, `margin` more on every side of the axes that the window has.
    pub fn need(&self, out: &Region, margin: impl Fn(usize) -> u64) -> Need {
        let mut need = Need::inside(out);
        for axis in (0..self.len.len()).filter(|&axis| self.len[axis] > 1) {
            let margin = margin(axis);
            need.start[axis] -= (self.before[axis] + margin) as i64;
            need.shape[axis] += self.len[axis] - 1 + 2 * margin;
            need.outside = Some((self.mode, self.cval));
        }
        need
    }
}

/// The weights that are not zero, in raster order, in the type of the sums.
#[derive(Debug)]
enum Weights {
    Single(Vec<f32>),
    Double(Vec<f64>),
    /// Doubles over singles, where products may cancel.
    Wide(Vec<f64>),
}

/// Correlation tap by tap.
#[derive(Debug)]
pub(super) struct Direct {
    window: Window,
    positions: Vec<Dims>,
    weights: Weights,
}

impl Direct {
    /// The correlation with weights that lie at those positions of the window.
    pub fn new(window: Window, taps: Vec<(Dims, f64)>, dtype: DType) -> Self {
        let (positions, weights): (Vec<Dims>, Vec<f64>) = taps.into_iter().unzip();
        let weights = match dtype {
            DType::F64 => Weights::Double(weights),
            _ if cancels(&weights) => Weights::Wide(weights),
            _ => Weights::Single(weights.into_iter().map(|w| w as f32).collect()),
        };
        Direct { window, positions, weights }
    }
}

impl TileOp for Direct {
    fn name(&self) -> &'static str {
        "correlate"
    }

    fn need(&self, _input: usize, out: &Region, _inputs: &[ArraySpec]) -> Need {
        self.window.need(out, |_| 0)
    }

    fn scratch(&self, _out: &[u64], _inputs: &[ArraySpec]) -> u64 {
        scratch_bytes::<usize>(self.positions.len())
    }

    fn run(&self, _cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, scratch: &mut [u8]) -> Result<()> {
        let src = &inputs[0];
        let offsets = scratch_of::<usize>(scratch);
        for (offset, position) in offsets.iter_mut().zip(&self.positions) {
            *offset = position.iter().zip(src.strides()).map(|(&i, &stride)| i as usize * stride).sum();
        }
        match &self.weights {
            Weights::Single(weights) => correlate::<f32, f32>(src, out, offsets, weights),
            Weights::Double(weights) => correlate::<f64, f64>(src, out, offsets, weights),
            Weights::Wide(weights) => correlate::<f32, f64>(src, out, offsets, weights),
        }
        Ok(())
    }

    fn cost(&self) -> f64 {
        match &self.weights {
            Weights::Single(weights) => 0.1 + 0.04 * weights.len() as f64,
            Weights::Double(weights) | Weights::Wide(weights) => 0.1 + 0.08 * weights.len() as f64,
        }
    }
}

fn correlate<T: Sample<A> + Element, A: Float>(
    src: &View<'_>,
    out: &mut ViewMut<'_>,
    offsets: &[usize],
    weights: &[A],
) {
    let (shape, [from, to]) = merge_axes(out.shape(), [src.strides(), out.strides()]);
    let step = from[shape.len() - 1];
    let (source, sums) = (src.typed::<T>(), out.typed_mut::<T>());
    for_each_row(&shape, [&from, &to], |[s, t], n| {
        if step == 1 {
            weigh(&source[s..], &mut sums[t..t + n], offsets, weights);
        } else {
            let elements = sums[t..t + n].chunks_mut(1).enumerate();
            elements.for_each(|(i, sum)| weigh(&source[s + i * step..], sum, offsets, weights));
        }
    });
}
