//! Powers of singles, without branches, so that loops of them vectorise. The same bits on every system, unlike those of
//! its mathematics library.

use multiversion::multiversion;

/// Writes `gain * x ** exponent`, rounded to a single before the product; see [`power`].
///
/// # Panics
/// If the slices differ in length.
#[multiversion(targets("x86_64+avx2+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn powers(x: &[f32], exponent: f64, gain: f32, out: &mut [f32]) {
    assert_eq!(x.len(), out.len(), "as many results as numbers");
    for (out, &x) in out.iter_mut().zip(x) {
        *out = power(x, exponent) as f32 * gain;
    }
}

/// `x ** exponent` for `x` from 0 to infinity (NaN stays NaN) and a finite exponent, in double precision with a relative
/// error below 1e-11, which is right to the last bit of a single in all but a few of a million cases.
#[inline(always)]
pub fn power(x: f32, exponent: f64) -> f64 {
    let (least, most) = at_the_ends(exponent);
    let value = exp2(exponent * log2(f64::from(x)));
    let value = if x == 0.0 { least } else { value };
    let value = if x == f32::INFINITY { most } else { value };
    if x.is_nan() && exponent != 0.0 { f64::NAN } else { value }
}

/// The powers of zero and of infinity.
#[inline(always)]
fn at_the_ends(exponent: f64) -> (f64, f64) {
    if exponent == 0.0 {
        (1.0, 1.0)
    } else if exponent > 0.0 {
        (0.0, f64::INFINITY)
    } else {
        (f64::INFINITY, 0.0)
    }
}

/// 2^52: added to a whole number below it, the number is the low bits.
const WHOLE: f64 = 4_503_599_627_370_496.0;
const MANTISSA: u64 = (1 << 52) - 1;
const BIAS: f64 = 1023.0;

/// The series of `atanh(t) / t` in `t²`.
const HYPERBOLIC: [f64; 8] = [1.0, 1.0 / 3.0, 1.0 / 5.0, 1.0 / 7.0, 1.0 / 9.0, 1.0 / 11.0, 1.0 / 13.0, 1.0 / 15.0];

/// The series of `exp(r)`.
const EXPONENTIAL: [f64; 12] = {
    let mut terms = [1.0; 12];
    let mut k = 1;
    while k < 12 {
        terms[k] = terms[k - 1] / k as f64;
        k += 1;
    }
    terms
};

#[inline(always)]
fn horner<const N: usize>(x: f64, terms: &[f64; N]) -> f64 {
    let mut sum = terms[N - 1];
    for k in (0..N - 1).rev() {
        sum = sum * x + terms[k];
    }
    sum
}

/// The logarithm of a finite, positive and normal number: that of the exponent, and of the rest, which lies about one,
/// by the series of the inverse hyperbolic tangent.
#[inline(always)]
fn log2(x: f64) -> f64 {
    let bits = x.to_bits();
    let exponent = f64::from_bits(WHOLE.to_bits() | (bits >> 52)) - (WHOLE + BIAS);
    let part = f64::from_bits((bits & MANTISSA) | 1f64.to_bits());
    let large = part > std::f64::consts::SQRT_2;
    let part = if large { 0.5 * part } else { part };
    let exponent = if large { exponent + 1.0 } else { exponent };
    let t = (part - 1.0) / (part + 1.0);
    let s = t * t;
    exponent + t * horner(s, &HYPERBOLIC) * (2.0 * std::f64::consts::LOG2_E)
}

/// The exponential: that of the nearest whole number, and of the rest by its series. Beyond what a single can hold it
/// stays at a number that is zero or infinity as a single.
#[inline(always)]
fn exp2(x: f64) -> f64 {
    // Comparisons that are false for NaN, which becomes a number here and NaN again in the caller.
    let x = if x < 400.0 { x } else { 400.0 };
    let x = if x > -400.0 { x } else { -400.0 };
    // The sum has no place for a fraction; its low bits are the whole number and the bias.
    let shifted = x + (1.5 * WHOLE + BIAS);
    let rest = x - (shifted - (1.5 * WHOLE + BIAS));
    let scale = f64::from_bits(shifted.to_bits() << 52);
    let r = rest * std::f64::consts::LN_2;
    horner(r, &EXPONENTIAL) * scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_agree_with_the_library() {
        let mut state = 1u32;
        let mut worst = 0.0f64;
        for round in 0..400_000 {
            state = state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
            // Every finite positive single, and exponents that keep most results finite.
            let x = f32::from_bits(state % 0x7f80_0000).max(f32::from_bits(1));
            let exponent = f64::from(round % 77 - 38) * 0.173;
            let (ours, reference) = (power(x, exponent), f64::from(x).powf(exponent));
            if !(1e-60..1e60).contains(&reference) {
                assert_eq!(ours as f32, reference as f32, "{x} ** {exponent}");
                continue;
            }
            worst = worst.max((ours / reference - 1.0).abs());
        }
        assert!(worst < 1e-11, "{worst}");
        assert!(worst > 0.0, "the library is not the same code");
    }

    #[test]
    fn the_ends_of_the_line() {
        for exponent in [-2.5, -0.0, 0.0, 0.3, 1.7] {
            for x in [0.0, f32::INFINITY, 1.0, f32::NAN, f32::MIN_POSITIVE / 8.0, f32::MAX] {
                let (ours, reference) = (power(x, exponent) as f32, f64::from(x).powf(exponent) as f32);
                assert!(ours == reference || ours.is_nan() && reference.is_nan(), "{x} ** {exponent}: {ours}");
            }
        }
    }
}
