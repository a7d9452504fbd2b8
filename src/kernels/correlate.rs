//! Correlation with a row of taps: the pass of separable filters (gaussians, derivatives, Sobel).

use super::{Lines, Runs, block_starts, lanes, lanes_mut};
use multiversion::multiversion;
use std::ops::{Add, Mul, Sub};

/// Blocks side by side that are walked along the axis together, so that the inputs an output shares with the next one are
/// still in L1, whatever the stride.
const STRIP: usize = 8;

/// What is known about the taps, and hence which pairs may be folded into one product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symmetry {
    /// Nothing: one product per tap, first to last.
    None,
    /// `taps[k] == taps[len-1-k]`: the centre, then `w * (left + right)` for each pair, the outermost first, as scipy.
    Even,
    /// `taps[k] == -taps[len-1-k]`: the centre (so that its NaN propagates), then `w * (right - left)` for each pair,
    /// the outermost first, where `w` is the right tap.
    Odd,
}

impl Symmetry {
    /// The symmetry that `taps` have.
    pub fn of<T: Float>(taps: &[T]) -> Self {
        let pairs = || taps.iter().zip(taps.iter().rev());
        if pairs().all(|(&a, &b)| a == b) {
            Symmetry::Even
        } else if pairs().all(|(&a, &b)| a == T::ZERO - b) {
            Symmetry::Odd
        } else {
            Symmetry::None
        }
    }
}

/// The floats that correlation computes in: `f32` and `f64`.
pub trait Float:
    Copy + PartialEq + Send + Sync + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + 'static
{
    /// 0.
    const ZERO: Self;
    /// The number itself; instead of any NaN, always the same one.
    fn one_nan(self) -> Self;
}

impl Float for f32 {
    const ZERO: Self = 0.0;

    #[inline(always)]
    fn one_nan(self) -> Self {
        if self.is_nan() { f32::NAN } else { self }
    }
}

impl Float for f64 {
    const ZERO: Self = 0.0;

    #[inline(always)]
    fn one_nan(self) -> Self {
        if self.is_nan() { f64::NAN } else { self }
    }
}

/// Elements that sums of type `A` are made of and stored as.
pub trait Sample<A>: Copy + Send + Sync + 'static {
    /// The element as a term of the sum.
    fn widen(self) -> A;
    /// The element nearest to a sum.
    fn narrow(sum: A) -> Self;
}

macro_rules! sample {
    ($($t:ty => $a:ty),*) => {$(
        impl Sample<$a> for $t {
            #[inline(always)]
            fn widen(self) -> $a {
                self.into()
            }

            #[inline(always)]
            fn narrow(sum: $a) -> Self {
                sum as $t
            }
        }
    )*};
}

sample!(f32 => f32, f64 => f64, f32 => f64);

/// Writes `dst[i] = Σ_t taps[t] * src[i + t]` over the positions of a block, in the order `symmetry` describes.
///
/// `src` holds `lines.n + taps.len() - 1` positions; output `i` has its first tap on input position `i`. The type
/// of the taps is that of the sums: `f64` over `f32` elements is what scipy does with them, bit for bit. Reference:
/// `scipy.ndimage.correlate1d`, the input extended by the caller.
///
/// # Panics
/// If `taps` is empty or the slices are too short.
pub fn correlate<S: Sample<A>, A: Float>(src: &[S], dst: &mut [S], lines: Lines, taps: &[A], symmetry: Symmetry) {
    lines.check(src.len(), dst.len(), taps.len());
    if lines.is_empty() {
        return;
    }
    // Few accumulators leave each tap waiting for the last; many spill. Measured: 64 and 16 lanes.
    if size_of::<A>() == 4 {
        correlate_runs::<S, A, 64>(src, dst, lines.runs(STRIP * 64), taps, symmetry);
    } else {
        correlate_runs::<S, A, 16>(src, dst, lines.runs(STRIP * 16), taps, symmetry);
    }
}

#[multiversion(targets("x86_64+avx2+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn correlate_runs<S: Sample<A>, A: Float, const B: usize>(
    src: &[S],
    dst: &mut [S],
    runs: Runs,
    taps: &[A],
    symmetry: Symmetry,
) {
    let strips = (runs.len / (STRIP * B)).max(1);
    for strip in 0..strips {
        let start = strip * STRIP * B;
        let end = if strip + 1 < strips { start + STRIP * B } else { runs.len };
        for run in 0..runs.count {
            let src = &src[run * runs.src_step + start..];
            let dst = &mut dst[run * runs.dst_step..][start..end];
            match symmetry {
                Symmetry::None => correlate_run::<S, A, B>(src, dst, runs.tap, taps, Plain),
                Symmetry::Even => correlate_run::<S, A, B>(src, dst, runs.tap, taps, Even),
                Symmetry::Odd => correlate_run::<S, A, B>(src, dst, runs.tap, taps, Odd),
            }
        }
    }
}

#[inline(always)]
fn correlate_run<S: Sample<A>, A: Float, const B: usize>(
    src: &[S],
    dst: &mut [S],
    tap: usize,
    taps: &[A],
    order: impl Order,
) {
    let len = dst.len();
    if len >= B {
        for at in block_starts(len, B) {
            *lanes_mut::<S, B>(dst, at) = order.block(src, at, tap, taps);
        }
    } else if len >= 8 {
        for at in block_starts(len, 8) {
            *lanes_mut::<S, 8>(dst, at) = order.block(src, at, tap, taps);
        }
    } else {
        for at in 0..len {
            *lanes_mut::<S, 1>(dst, at) = order.block(src, at, tap, taps);
        }
    }
}

/// An order in which the products of a block of outputs are summed.
trait Order: Copy {
    fn sum<S: Sample<A>, A: Float, const B: usize>(self, src: &[S], at: usize, tap: usize, taps: &[A]) -> [A; B];

    #[inline(always)]
    fn block<S: Sample<A>, A: Float, const B: usize>(self, src: &[S], at: usize, tap: usize, taps: &[A]) -> [S; B] {
        // Which of several NaNs survives an addition is the compiler's choice and may differ between the vector body
        // and the tail, so all become one.
        self.sum::<S, A, B>(src, at, tap, taps).map(
            #[inline(always)]
            |sum| S::narrow(sum.one_nan()),
        )
    }
}

#[derive(Clone, Copy)]
struct Plain;
#[derive(Clone, Copy)]
struct Even;
#[derive(Clone, Copy)]
struct Odd;

impl Order for Plain {
    #[inline(always)]
    fn sum<S: Sample<A>, A: Float, const B: usize>(self, src: &[S], at: usize, tap: usize, taps: &[A]) -> [A; B] {
        let mut sums = [A::ZERO; B];
        for (t, &w) in taps.iter().enumerate() {
            let x = lanes::<S, B>(src, at + t * tap);
            for lane in 0..B {
                sums[lane] = sums[lane] + w * x[lane].widen();
            }
        }
        sums
    }
}

impl Order for Even {
    #[inline(always)]
    fn sum<S: Sample<A>, A: Float, const B: usize>(self, src: &[S], at: usize, tap: usize, taps: &[A]) -> [A; B] {
        fold(
            src,
            at,
            tap,
            taps,
            #[inline(always)]
            |left, right| left + right,
        )
    }
}

impl Order for Odd {
    #[inline(always)]
    fn sum<S: Sample<A>, A: Float, const B: usize>(self, src: &[S], at: usize, tap: usize, taps: &[A]) -> [A; B] {
        fold(
            src,
            at,
            tap,
            taps,
            #[inline(always)]
            |left, right| right - left,
        )
    }
}

#[inline(always)]
fn fold<S: Sample<A>, A: Float, const B: usize>(
    src: &[S],
    at: usize,
    tap: usize,
    taps: &[A],
    pair: impl Fn(A, A) -> A,
) -> [A; B] {
    let half = taps.len() / 2;
    let last = taps.len() - 1;
    let mut sums = [A::ZERO; B];
    if taps.len() % 2 == 1 {
        let x = lanes::<S, B>(src, at + half * tap);
        for lane in 0..B {
            sums[lane] = taps[half] * x[lane].widen();
        }
    }
    for t in 0..half {
        let w = taps[last - t];
        let left = lanes::<S, B>(src, at + t * tap);
        let right = lanes::<S, B>(src, at + (last - t) * tap);
        for lane in 0..B {
            sums[lane] = sums[lane] + w * pair(left[lane].widen(), right[lane].widen());
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Rng, split};
    use super::*;

    fn naive(src: &[f64], dst: &mut [f64], lines: Lines, taps: &[f64]) {
        for i in 0..lines.n {
            for j in 0..lines.inner {
                let at = |t: usize| src[(i + t) * lines.src_stride + j];
                dst[i * lines.dst_stride + j] = taps.iter().enumerate().map(|(t, w)| w * at(t)).sum();
            }
        }
    }

    fn random_taps(rng: &mut Rng, symmetry: Symmetry) -> Vec<f64> {
        let len = 1 + rng.below(12);
        let mut taps: Vec<f64> = (0..len).map(|_| rng.unit()).collect();
        for t in 0..len {
            match symmetry {
                Symmetry::None => {}
                Symmetry::Even => taps[t] = taps[len - 1 - t],
                Symmetry::Odd if 2 * t + 1 == len => taps[t] = 0.0,
                Symmetry::Odd => taps[t] = -taps[len - 1 - t],
            }
        }
        taps
    }

    #[test]
    fn agrees_with_the_sum_written_out() {
        let mut rng = Rng::new(1);
        for round in 0..300 {
            let symmetry = [Symmetry::None, Symmetry::Even, Symmetry::Odd][round % 3];
            let (lines, taps) = (rng.lines(), random_taps(&mut rng, symmetry));
            let src: Vec<f64> = (0..lines.src_len(taps.len())).map(|_| rng.unit()).collect();
            let (mut expected, mut got) = (vec![7.0; lines.dst_len()], vec![7.0; lines.dst_len()]);
            naive(&src, &mut expected, lines, &taps);
            correlate(&src, &mut got, lines, &taps, symmetry);
            for (e, g) in expected.iter().zip(&got) {
                assert!((e - g).abs() < 1e-13, "{symmetry:?} {lines:?}: {e} {g}");
            }
        }
    }

    #[test]
    fn splitting_changes_no_bit() {
        let mut rng = Rng::new(2);
        for round in 0..300 {
            let symmetry = [Symmetry::None, Symmetry::Even, Symmetry::Odd][round % 3];
            let (lines, taps) = (rng.lines(), random_taps(&mut rng, symmetry));
            let taps: Vec<f32> = taps.iter().map(|&w| w as f32).collect();
            let mut src: Vec<f32> = (0..lines.src_len(taps.len())).map(|_| rng.unit() as f32).collect();
            for special in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0] {
                let at = rng.below(src.len());
                src[at] = special;
            }
            let (mut whole, mut parts) = (vec![7.0; lines.dst_len()], vec![7.0; lines.dst_len()]);
            correlate(&src, &mut whole, lines, &taps, symmetry);
            let (at, inside) = (rng.below(lines.n + 1), rng.below(lines.inner + 1));
            split(lines, at, inside, |_, from, to, part| {
                correlate(&src[from..], &mut parts[to..], part, &taps, symmetry);
            });
            let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&whole), bits(&parts), "{symmetry:?} {lines:?}");
        }
    }

    #[test]
    fn doubles_sum_singles_without_rounding_between() {
        let mut got = [0.0f32; 1];
        correlate(&[1e8f32, 1.0, -1e8], &mut got, Lines::flat(1, 1), &[1.0f64, 0.5, 1.0], Symmetry::Even);
        assert_eq!(got, [0.5]);
    }

    #[test]
    fn finds_the_symmetry() {
        assert_eq!(Symmetry::of(&[1.0, 2.0, 1.0]), Symmetry::Even);
        assert_eq!(Symmetry::of(&[-1.0, 0.0, 1.0]), Symmetry::Odd);
        assert_eq!(Symmetry::of(&[-1.0f32, 1.0]), Symmetry::Odd);
        assert_eq!(Symmetry::of(&[1.0, 2.0, 3.0]), Symmetry::None);
    }

    #[test]
    #[should_panic(expected = "too few")]
    fn refuses_a_short_input() {
        correlate(&[0.0f32; 4], &mut [0.0; 4], Lines::flat(4, 1), &[1.0f32, 1.0], Symmetry::Even);
    }
}
