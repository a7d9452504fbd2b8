//! The mean over a window, in time that does not depend on its size.

use super::Lines;
use super::sliding::{Fold, fold_columns};
use multiversion::multiversion;
use std::marker::PhantomData;

/// The widest column of lanes that is summed at once; 32 and 64 measured slower.
const LANES: usize = 16;

/// The floats a mean is written as: `f32` and `f64`.
pub trait Mean: Copy + Send + Sync + 'static {
    /// The nearest value; every NaN becomes the same one.
    fn from_f64(mean: f64) -> Self;
}

impl Mean for f32 {
    #[inline(always)]
    fn from_f64(mean: f64) -> Self {
        if mean.is_nan() { f32::NAN } else { mean as f32 }
    }
}

impl Mean for f64 {
    #[inline(always)]
    fn from_f64(mean: f64) -> Self {
        if mean.is_nan() { f64::NAN } else { mean }
    }
}

/// The `f64` elements of scratch that [`uniform`] needs.
pub fn uniform_scratch(_lines: Lines, size: usize) -> usize {
    size * LANES
}

/// Writes the mean of every window of `size` positions: `dst[i] = (src[i] + … + src[i + size - 1]) / size`, summed in
/// `f64`.
///
/// `src` holds `lines.n + size - 1` positions of any type that widens to `f64` without loss; 64-bit integers are
/// converted by the caller. `anchor` is the absolute coordinate of input position 0 along the axis, negative in a
/// border: the order of summation hangs on absolute coordinates (segments start at their multiples of `size`), so any
/// tiling gives the same bits, and an element touches no window that does not hold it. Sums of integers below 2^53 are
/// exact. `scratch` holds [`uniform_scratch`] elements of any content. Reference: `scipy.ndimage.uniform_filter1d`, the
/// input extended by the caller.
///
/// # Panics
/// If `size` is zero or a slice is too short.
pub fn uniform<T, O>(src: &[T], dst: &mut [O], lines: Lines, size: usize, anchor: i64, scratch: &mut [f64])
where
    T: Into<f64> + Copy,
    O: Mean,
{
    lines.check(src.len(), dst.len(), size);
    assert!(scratch.len() >= uniform_scratch(lines, size), "{} elements of scratch are too few", scratch.len());
    if !lines.is_empty() {
        let phase = anchor.rem_euclid(size as i64) as usize;
        uniform_columns(src, dst, lines, size, phase, scratch);
    }
}

// AVX-512 measured no faster here.
#[multiversion(targets("x86_64+avx2"))]
fn uniform_columns<T, O>(src: &[T], dst: &mut [O], lines: Lines, size: usize, phase: usize, scratch: &mut [f64])
where
    T: Into<f64> + Copy,
    O: Mean,
{
    let fold = Average { size: size as f64, types: PhantomData };
    fold_columns::<Average<T, O>, LANES>(fold, src, dst, lines, size, phase, scratch);
}

struct Average<T, O> {
    size: f64,
    types: PhantomData<(T, O)>,
}

impl<T, O> Clone for Average<T, O> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, O> Copy for Average<T, O> {}

impl<T: Into<f64> + Copy, O: Mean> Fold for Average<T, O> {
    type In = T;
    type Acc = f64;
    type Out = O;
    // A sum that starts from +0 is never -0, so joining +0 changes no bit of it.
    const EMPTY: f64 = 0.0;

    #[inline(always)]
    fn read(self, x: T) -> f64 {
        x.into()
    }

    #[inline(always)]
    fn join(self, a: f64, b: f64) -> f64 {
        a + b
    }

    #[inline(always)]
    fn finish(self, sum: f64) -> O {
        O::from_f64(sum / self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Rng, split};
    use super::*;

    fn run<T: Into<f64> + Copy>(src: &[T], dst: &mut [f64], lines: Lines, size: usize, anchor: i64) {
        let mut scratch = vec![f64::NAN; uniform_scratch(lines, size)];
        uniform(src, dst, lines, size, anchor, &mut scratch);
    }

    #[test]
    fn integers_are_exact() {
        let mut rng = Rng::new(3);
        for _ in 0..300 {
            let (lines, size) = (rng.lines(), 1 + rng.below(40));
            let src: Vec<u16> = (0..lines.src_len(size)).map(|_| rng.bits() as u16).collect();
            let mut got = vec![7.0; lines.dst_len()];
            run(&src, &mut got, lines, size, rng.below(100) as i64 - 50);
            for i in 0..lines.n {
                for j in 0..lines.inner {
                    let sum: u64 = (0..size).map(|t| u64::from(src[(i + t) * lines.src_stride + j])).sum();
                    assert_eq!(got[i * lines.dst_stride + j], sum as f64 / size as f64);
                }
            }
        }
    }

    #[test]
    fn splitting_changes_no_bit() {
        let mut rng = Rng::new(4);
        for _ in 0..400 {
            let (lines, size) = (rng.lines(), 1 + rng.below(20));
            let anchor = rng.below(100) as i64 - 50;
            let mut src: Vec<f64> = (0..lines.src_len(size)).map(|_| rng.unit()).collect();
            for special in [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 1e300] {
                let at = rng.below(src.len());
                src[at] = special;
            }
            let (mut whole, mut parts) = (vec![7.0; lines.dst_len()], vec![7.0; lines.dst_len()]);
            run(&src, &mut whole, lines, size, anchor);
            let (at, inside) = (rng.below(lines.n + 1), rng.below(lines.inner + 1));
            split(lines, at, inside, |position, from, to, part| {
                run(&src[from..], &mut parts[to..], part, size, anchor + position as i64);
            });
            let bits = |v: &[f64]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&whole), bits(&parts), "{lines:?}");
        }
    }

    #[test]
    fn specials_stay_in_their_windows() {
        let (n, size) = (60, 7);
        for special in [f32::NAN, f32::INFINITY, 1e38] {
            let mut src = vec![1.0f32; n + size - 1];
            src[30] = special;
            for anchor in -8..8 {
                let mut got = vec![0.0; n];
                run(&src, &mut got, Lines::flat(n, 1), size, anchor);
                for (i, mean) in got.iter().enumerate() {
                    assert_eq!(*mean == 1.0, !(i..i + size).contains(&30), "{special} at {i}");
                }
            }
        }
    }

    #[test]
    fn writes_f32() {
        let mut got = [0.0f32; 2];
        let mut scratch = vec![0.0; uniform_scratch(Lines::flat(2, 1), 3)];
        uniform(&[1u8, 2, 4, 255], &mut got, Lines::flat(2, 1), 3, 0, &mut scratch);
        assert_eq!(got, [7.0 / 3.0, 87.0]);
    }
}
