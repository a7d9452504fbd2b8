//! Weighted sums over large windows: blocks of fixed size through the fast Fourier transform.

use bytemuck::Zeroable;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};
use std::fmt;
use std::sync::Arc;

/// One coefficient of a spectrum.
pub type Coefficient = Complex<f64>;

/// Lines along other axes than the last that are transformed together, so that memory is read in runs.
const LINES: usize = 16;

/// The transform along one axis and its inverse.
type ThereAndBack = (Arc<dyn Fft<f64>>, Arc<dyn Fft<f64>>);

/// The correlation of blocks with one kernel.
pub struct Convolver {
    kernel: Vec<usize>,
    block: Vec<usize>,
    rows: (Arc<dyn RealToComplex<f64>>, Arc<dyn ComplexToReal<f64>>),
    columns: Vec<ThereAndBack>,
    /// Conjugated and divided by the number of elements of a block.
    spectrum: Vec<Coefficient>,
    work: usize,
}

impl fmt::Debug for Convolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Convolver {{ kernel: {:?}, block: {:?} }}", self.kernel, self.block)
    }
}

impl Convolver {
    /// Prepares for the kernel `weights` of that shape, in C order.
    ///
    /// # Panics
    /// If the shape is empty or does not fit the weights.
    pub fn new(kernel: &[usize], weights: &[f64]) -> Self {
        assert_eq!(kernel.iter().product::<usize>(), weights.len(), "weights and shape differ");
        let factor = if kernel.len() > 2 { 2 } else { 3 };
        let block: Vec<usize> =
            kernel.iter().map(|&n| if n == 1 { 1 } else { (factor * n).next_power_of_two() }).collect();
        let last = block[block.len() - 1];
        let mut planner = RealFftPlanner::new();
        let rows = (planner.plan_fft_forward(last), planner.plan_fft_inverse(last));
        let mut planner = FftPlanner::new();
        let columns: Vec<_> = block[..block.len() - 1]
            .iter()
            .map(|&n| (planner.plan_fft_forward(n), planner.plan_fft_inverse(n)))
            .collect();
        let both = |c: &(Arc<dyn Fft<f64>>, Arc<dyn Fft<f64>>)| {
            c.0.get_inplace_scratch_len().max(c.1.get_inplace_scratch_len()) + LINES * c.0.len()
        };
        let row_work = rows.0.get_scratch_len().max(rows.1.get_scratch_len());
        let work = columns.iter().map(both).fold(row_work, usize::max);
        let mut this = Convolver { kernel: kernel.to_vec(), block, rows, columns, spectrum: Vec::new(), work };
        this.spectrum = this.spectrum_of(weights);
        this
    }

    fn spectrum_of(&self, weights: &[f64]) -> Vec<Coefficient> {
        let mut real = vec![0.0; self.elements()];
        for (element, &w) in weights.iter().enumerate() {
            let (mut rest, mut at, mut stride) = (element, 0, 1);
            for (&n, &len) in self.kernel.iter().zip(&self.block).rev() {
                at += rest % n * stride;
                rest /= n;
                stride *= len;
            }
            real[at] = w;
        }
        let mut space = vec![Coefficient::zeroed(); self.scratch()];
        let (spectrum, work) = space.split_at_mut(self.coefficients());
        self.forward(&mut real, spectrum, work);
        let scale = 1.0 / self.elements() as f64;
        spectrum.iter().map(|c| c.conj() * scale).collect()
    }

    /// The shape of a block of input.
    pub fn block(&self) -> &[usize] {
        &self.block
    }

    /// How many outputs a block gives along an axis: the first ones.
    pub fn step(&self, axis: usize) -> usize {
        self.block[axis] - self.kernel[axis] + 1
    }

    /// The elements of a block.
    pub fn elements(&self) -> usize {
        self.block.iter().product()
    }

    fn half(&self) -> usize {
        self.block[self.block.len() - 1] / 2 + 1
    }

    fn coefficients(&self) -> usize {
        self.elements() / self.block[self.block.len() - 1] * self.half()
    }

    /// The coefficients of working space that [`Convolver::correlate`] needs.
    pub fn scratch(&self) -> usize {
        self.coefficients() + self.work
    }

    /// Turns a block of input into outputs: `Σ_k weights[k] * block[i + k]` at every `i` below [`Convolver::step`], and
    /// something else beyond. The same block gives the same bits.
    ///
    /// # Panics
    /// If a slice is too short.
    pub fn correlate(&self, block: &mut [f64], scratch: &mut [Coefficient]) {
        let (spectrum, work) = scratch.split_at_mut(self.coefficients());
        let block = &mut block[..self.elements()];
        self.forward(block, spectrum, work);
        spectrum.iter_mut().zip(&self.spectrum).for_each(|(c, k)| *c *= k);
        self.backward(spectrum, block, work);
    }

    fn forward(&self, real: &mut [f64], spectrum: &mut [Coefficient], work: &mut [Coefficient]) {
        let (n, half) = (self.block[self.block.len() - 1], self.half());
        for (row, out) in real.chunks_exact_mut(n).zip(spectrum.chunks_exact_mut(half)) {
            self.rows
                .0
                .process_with_scratch(row, out, &mut work[..self.rows.0.get_scratch_len()])
                .expect("lengths fit");
        }
        (0..self.columns.len()).for_each(|axis| self.along(axis, &self.columns[axis].0, spectrum, work));
    }

    fn backward(&self, spectrum: &mut [Coefficient], real: &mut [f64], work: &mut [Coefficient]) {
        (0..self.columns.len()).for_each(|axis| self.along(axis, &self.columns[axis].1, spectrum, work));
        let (n, half) = (self.block[self.block.len() - 1], self.half());
        for (row, out) in spectrum.chunks_exact_mut(half).zip(real.chunks_exact_mut(n)) {
            // What rounding leaves there a real signal has not.
            row[0].im = 0.0;
            row[half - 1].im = 0.0;
            self.rows
                .1
                .process_with_scratch(row, out, &mut work[..self.rows.1.get_scratch_len()])
                .expect("lengths fit");
        }
    }

    fn along(&self, axis: usize, fft: &Arc<dyn Fft<f64>>, data: &mut [Coefficient], work: &mut [Coefficient]) {
        let n = self.block[axis];
        if n == 1 {
            return;
        }
        let inner = self.block[axis + 1..self.block.len() - 1].iter().product::<usize>() * self.half();
        let (lines, work) = work.split_at_mut(LINES * n);
        for slab in data.chunks_exact_mut(n * inner) {
            for first in (0..inner).step_by(LINES) {
                let width = LINES.min(inner - first);
                for i in 0..n {
                    let run = &slab[i * inner + first..][..width];
                    run.iter().enumerate().for_each(|(line, c)| lines[line * n + i] = *c);
                }
                fft.process_with_scratch(&mut lines[..width * n], &mut work[..fft.get_inplace_scratch_len()]);
                for i in 0..n {
                    let run = &mut slab[i * inner + first..][..width];
                    run.iter_mut().enumerate().for_each(|(line, c)| *c = lines[line * n + i]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Rng;
    use super::*;

    #[test]
    fn agrees_with_the_sum_written_out_and_with_itself() {
        let mut rng = Rng::new(6);
        for kernel in [&[5][..], &[3, 4], &[1, 7], &[6, 1], &[2, 3, 4], &[3, 1, 2, 2]] {
            let taps: usize = kernel.iter().product();
            let weights: Vec<f64> = (0..taps).map(|_| rng.unit()).collect();
            let convolver = Convolver::new(kernel, &weights);
            let input: Vec<f64> = (0..convolver.elements()).map(|_| rng.unit()).collect();
            let mut scratch = vec![Coefficient::new(f64::NAN, 1.0); convolver.scratch()];
            let mut run = || {
                let mut block = input.clone();
                convolver.correlate(&mut block, &mut scratch);
                block
            };
            let (got, again) = (run(), run());
            assert!(got.iter().zip(&again).all(|(a, b)| a.to_bits() == b.to_bits()));
            let index = |mut element: usize, shape: &[usize]| -> Vec<usize> {
                let mut at = vec![0; shape.len()];
                for axis in (0..shape.len()).rev() {
                    at[axis] = element % shape[axis];
                    element /= shape[axis];
                }
                at
            };
            let place = |at: &[usize]| at.iter().zip(convolver.block()).fold(0, |p, (i, n)| p * n + i);
            let steps: Vec<usize> = (0..kernel.len()).map(|axis| convolver.step(axis)).collect();
            for output in 0..steps.iter().product() {
                let at = index(output, &steps);
                let term = |(k, w): (usize, &f64)| {
                    let moved: Vec<usize> = index(k, kernel).iter().zip(&at).map(|(k, i)| k + i).collect();
                    w * input[place(&moved)]
                };
                let expected: f64 = weights.iter().enumerate().map(term).sum();
                assert!((expected - got[place(&at)]).abs() < 1e-13, "{kernel:?} {at:?}");
            }
        }
    }
}
