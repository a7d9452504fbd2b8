//! Weighted sums over a window of several axes: the direct way, tap by tap.

use super::correlate::{Float, Sample};
use super::{block_starts, lanes, lanes_mut};
use multiversion::multiversion;

/// Taps summed on their own before they join the total: rounding errors of hundreds of taps stay those of dozens.
const GROUP: usize = 32;

/// Writes `dst[i] = Σ_t weights[t] * src[offsets[t] + i]`, in the order of the taps.
///
/// Reference: `scipy.ndimage.correlate`, the input extended by the caller; taps of weight 0 are left out by the caller.
///
/// # Panics
/// If `src` ends before the last element that is needed or there are fewer offsets than weights.
pub fn weigh<S: Sample<A>, A: Float>(src: &[S], dst: &mut [S], offsets: &[usize], weights: &[A]) {
    assert!(offsets.len() >= weights.len(), "{} offsets for {} weights", offsets.len(), weights.len());
    if size_of::<A>() == 4 {
        weigh_row::<S, A, 64>(src, dst, offsets, weights);
    } else {
        weigh_row::<S, A, 32>(src, dst, offsets, weights);
    }
}

#[multiversion(targets("x86_64+avx2+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn weigh_row<S: Sample<A>, A: Float, const B: usize>(src: &[S], dst: &mut [S], offsets: &[usize], weights: &[A]) {
    let len = dst.len();
    if len >= B {
        for at in block_starts(len, B) {
            *lanes_mut::<S, B>(dst, at) = block(src, at, offsets, weights);
        }
    } else if len >= 8 {
        for at in block_starts(len, 8) {
            *lanes_mut::<S, 8>(dst, at) = block(src, at, offsets, weights);
        }
    } else {
        for at in 0..len {
            *lanes_mut::<S, 1>(dst, at) = block(src, at, offsets, weights);
        }
    }
}

#[inline(always)]
fn block<S: Sample<A>, A: Float, const B: usize>(src: &[S], at: usize, offsets: &[usize], weights: &[A]) -> [S; B] {
    let mut total = [A::ZERO; B];
    for (offsets, weights) in offsets.chunks(GROUP).zip(weights.chunks(GROUP)) {
        let mut sums = [A::ZERO; B];
        for (&offset, &w) in offsets.iter().zip(weights) {
            let x = lanes::<S, B>(src, at + offset);
            for lane in 0..B {
                sums[lane] = sums[lane] + w * x[lane].widen();
            }
        }
        for lane in 0..B {
            total[lane] = total[lane] + sums[lane];
        }
    }
    total.map(|sum| S::narrow(sum.one_nan()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::Rng;
    use super::*;

    #[test]
    fn agrees_with_the_sum_written_out_and_splits_anywhere() {
        let mut rng = Rng::new(5);
        for _ in 0..300 {
            let (n, taps) = (1 + rng.below(200), rng.below(90));
            let offsets: Vec<usize> = (0..taps).map(|_| rng.below(300)).collect();
            let weights: Vec<f32> = (0..taps).map(|_| rng.unit() as f32).collect();
            let src: Vec<f32> = (0..n + 300).map(|_| rng.unit() as f32).collect();
            let mut whole = vec![7.0; n];
            weigh(&src, &mut whole, &offsets, &weights);
            for (i, got) in whole.iter().enumerate() {
                let terms = offsets.iter().zip(&weights).map(|(&o, &w)| f64::from(w) * f64::from(src[o + i]));
                assert!((terms.sum::<f64>() - f64::from(*got)).abs() < 1e-5);
            }
            let mut parts = vec![7.0; n];
            let at = rng.below(n + 1);
            weigh(&src, &mut parts[..at], &offsets, &weights);
            weigh(&src[at..], &mut parts[at..], &offsets, &weights);
            assert!(whole.iter().zip(&parts).all(|(a, b)| a.to_bits() == b.to_bits()));
        }
    }

    #[test]
    #[should_panic(expected = "slice")]
    fn refuses_a_short_input() {
        weigh(&[0.0f64; 40], &mut [0.0; 33], &[9], &[1.0]);
    }
}
