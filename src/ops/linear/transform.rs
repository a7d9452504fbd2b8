//! Correlation with a large window, by the fast Fourier transform of blocks that lie on an absolute grid.

use super::direct::Window;
use crate::array::{ArraySpec, DType, Dims, Element, MAX_RANK, Region, View, ViewMut, for_each_row};
use crate::error::Result;
use crate::graph::{Cx, Need, TileOp};
use crate::kernels::fft::{Coefficient, Convolver};
use crate::ops::window::{scratch_bytes, scratch_of};
use arrayvec::ArrayVec;

type Extents = ArrayVec<usize, MAX_RANK>;

/// Correlation block by block. Every element is computed in the same block, wherever a box of output lies, so a box
/// needs all of the blocks that it touches.
#[derive(Debug)]
pub(super) struct Transformed {
    window: Window,
    /// The axes along which the window holds more than one element.
    axes: Vec<usize>,
    convolver: Convolver,
    taps: Vec<(Dims, f64)>,
}

impl Transformed {
    /// The correlation with weights in C order of the window; `taps` are those that are not zero, with their positions.
    pub fn new(window: Window, weights: &[f64], taps: Vec<(Dims, f64)>) -> Self {
        let axes: Vec<usize> = (0..window.len.len()).filter(|&axis| window.len[axis] > 1).collect();
        let kernel: Vec<usize> = axes.iter().map(|&axis| window.len[axis] as usize).collect();
        Transformed { convolver: Convolver::new(&kernel, weights), window, axes, taps }
    }

    fn step_of(&self, axis: usize) -> Option<u64> {
        self.axes.iter().position(|&a| a == axis).map(|k| self.convolver.step(k) as u64)
    }

    /// Nanoseconds.
    fn block_cost(&self) -> f64 {
        self.convolver.elements() as f64 * ELEMENT
    }

    fn coefficients(&self) -> usize {
        self.convolver.elements().div_ceil(2) + self.convolver.scratch()
    }
}

impl TileOp for Transformed {
    fn name(&self) -> &'static str {
        "correlate (FFT)"
    }

    fn need(&self, _input: usize, out: &Region, _inputs: &[ArraySpec]) -> Need {
        self.window.need(out, |axis| self.step_of(axis).map_or(0, |step| step - 1))
    }

    fn scratch(&self, _out: &[u64], _inputs: &[ArraySpec]) -> u64 {
        scratch_bytes::<Coefficient>(self.coefficients())
    }

    fn run(&self, cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, scratch: &mut [u8]) -> Result<()> {
        match out.dtype() {
            DType::F64 => self.blocks::<f64>(cx.out, &inputs[0], out, scratch),
            _ => self.blocks::<f32>(cx.out, &inputs[0], out, scratch),
        }
        Ok(())
    }

    fn cost(&self) -> f64 {
        let outputs: usize = (0..self.axes.len()).map(|k| self.convolver.step(k)).product();
        self.block_cost() / outputs as f64
    }

    fn box_cost(&self, out: &[u64]) -> f64 {
        // A box that lies anywhere touches as many blocks along an axis, on average.
        let touched = |(axis, &len): (usize, &u64)| match self.step_of(axis) {
            Some(step) => 1.0 + (len as f64 - 1.0) / step as f64,
            None => len as f64,
        };
        out.iter().enumerate().map(touched).product::<f64>() * self.block_cost()
    }
}

/// One block: where its part of the output lies.
struct Part {
    /// Its first element in the input, in the output, and in the block.
    from: usize,
    to: usize,
    at: usize,
    /// The first element of the window of the first output, in the input.
    first: usize,
    /// Its lengths along the axes of the window.
    shape: Extents,
}

impl Transformed {
    fn blocks<T: Element>(&self, at: &Region, src: &View<'_>, out: &mut ViewMut<'_>, scratch: &mut [u8]) {
        let (block, rest) = scratch_of::<Coefficient>(scratch).split_at_mut(self.convolver.elements().div_ceil(2));
        let block: &mut [f64] = bytemuck::cast_slice_mut(block);
        let steps: Extents = (0..at.rank()).map(|axis| self.step_of(axis).unwrap_or(1) as usize).collect();
        let first: Extents = at.start.iter().zip(&steps).map(|(&s, &step)| s as usize / step).collect();
        let last = |axis: usize| (at.end(axis) as usize - 1) / steps[axis];
        if at.elements() == 0 {
            return;
        }
        let counts: Extents = (0..at.rank()).map(|axis| last(axis) - first[axis] + 1).collect();
        for number in 0..counts.iter().product() {
            let mut rest_of = number;
            let mut index = first.clone();
            for axis in (0..counts.len()).rev() {
                index[axis] += rest_of % counts[axis];
                rest_of /= counts[axis];
            }
            let part = self.part(at, &index, &steps, src.strides(), out.strides());
            if self.gather::<T>(src, part.from, block) {
                self.convolver.correlate(block, rest);
                self.scatter::<T>(block, &part, out);
            } else {
                self.directly::<T>(src, &part, out);
            }
        }
    }

    fn part(&self, at: &Region, index: &[usize], steps: &[usize], reads: &[usize], writes: &[usize]) -> Part {
        let mut part = Part { from: 0, to: 0, at: 0, first: 0, shape: Extents::new() };
        let strides = self.strides();
        for axis in 0..index.len() {
            let (start, end) = (at.start[axis] as usize, at.end(axis) as usize);
            let begin = index[axis] * steps[axis];
            let lo = begin.max(start);
            part.to += (lo - start) * writes[axis];
            match self.axes.iter().position(|&a| a == axis) {
                Some(k) => {
                    // The input begins one step less one element before what the first output needs.
                    part.from += (begin + steps[axis] - 1 - start) * reads[axis];
                    part.first += (lo + steps[axis] - 1 - start) * reads[axis];
                    part.at += (lo - begin) * strides[k];
                    part.shape.push((begin + steps[axis]).min(end) - lo);
                }
                None => {
                    part.from += (lo - start) * reads[axis];
                    part.first += (lo - start) * reads[axis];
                }
            }
        }
        part
    }

    /// Steps within a block, in elements.
    fn strides(&self) -> Extents {
        let block = self.convolver.block();
        (0..block.len()).map(|k| block[k + 1..].iter().product()).collect()
    }

    fn along(&self, strides: &[usize]) -> Extents {
        self.axes.iter().map(|&axis| strides[axis]).collect()
    }

    /// Reads a block; says whether all of it is finite. A transform would spread what is not over the whole block.
    fn gather<T: Element>(&self, src: &View<'_>, from: usize, block: &mut [f64]) -> bool {
        let (reads, source) = (self.along(src.strides()), src.typed::<T>());
        let step = reads[reads.len() - 1];
        let mut finite = true;
        for_each_row(self.convolver.block(), [&reads, &self.strides()], |[s, t], n| {
            for (i, value) in block[t..t + n].iter_mut().enumerate() {
                *value = source[from + s + i * step].to_f64();
                finite &= value.abs() < HUGE;
            }
        });
        finite
    }

    fn scatter<T: Element>(&self, block: &[f64], part: &Part, out: &mut ViewMut<'_>) {
        let writes = self.along(out.strides());
        let step = writes[writes.len() - 1];
        let result = out.typed_mut::<T>();
        for_each_row(&part.shape, [&self.strides(), &writes], |[s, t], n| {
            let values = &block[part.at + s..][..n];
            values.iter().enumerate().for_each(|(i, &v)| result[part.to + t + i * step] = T::from_f64(v));
        });
    }

    fn directly<T: Element>(&self, src: &View<'_>, part: &Part, out: &mut ViewMut<'_>) {
        let (reads, writes) = (self.along(src.strides()), self.along(out.strides()));
        let (from, to) = (reads[reads.len() - 1], writes[writes.len() - 1]);
        let (source, strides) = (src.typed::<T>(), src.strides());
        let offset = |at: &Dims| -> usize { at.iter().zip(strides).map(|(&i, &stride)| i as usize * stride).sum() };
        let result = out.typed_mut::<T>();
        for_each_row(&part.shape, [&reads, &writes], |[s, t], n| {
            for i in 0..n {
                let first = part.first + s + i * from;
                let terms = self.taps.iter().map(|(at, w)| w * source[first + offset(at)].to_f64());
                let sum: f64 = terms.sum();
                result[part.to + t + i * to] = T::from_f64(if sum.is_nan() { f64::NAN } else { sum });
            }
        });
    }
}

/// Nanoseconds of an element of a block, there and back, measured.
const ELEMENT: f64 = 6.0;

/// Larger values would overflow in a transform.
const HUGE: f64 = 1e150;
