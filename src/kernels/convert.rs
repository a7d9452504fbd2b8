//! Conversion between element types: to a float the nearest, to an integer rounded half to even and saturated.

use multiversion::multiversion;

/// A conversion that never fails: nearest to a float; to an integer, a float rounds half to even (NaN gives 0), and what
/// lies outside the range becomes the end of the range.
pub trait Convert<U> {
    /// The element of type `U` for this one.
    fn convert(self) -> U;
}

/// Converts every element of `src` into the element of `dst` at the same place.
///
/// Reference: `numpy.rint(x).clip(min, max).astype(U)`, computed exactly.
///
/// # Panics
/// If the lengths differ.
pub fn convert_slice<T: Convert<U> + Copy, U>(src: &[T], dst: &mut [U]) {
    assert_eq!(src.len(), dst.len(), "a conversion keeps the number of elements");
    convert_elements(src, dst);
}

#[multiversion(targets("x86_64+avx2+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn convert_elements<T: Convert<U> + Copy, U>(src: &[T], dst: &mut [U]) {
    for (to, &from) in dst.iter_mut().zip(src) {
        *to = from.convert();
    }
}

macro_rules! convert {
    ($($from:ty => $($to:ty)*, |$x:ident, $to_name:ident| $body:expr;)*) => {$($(
        impl Convert<$to> for $from {
            #[inline(always)]
            fn convert(self) -> $to {
                type $to_name = $to;
                let $x = self;
                $body
            }
        }
    )*)*};
}

macro_rules! from_integer {
    ($($from:ty)*) => {$(
        convert! {
            $from => f32 f64, |x, To| x as To;
            $from => u8 u16 u32 u64 i8 i16 i32 i64, |x, To| {
                // The ends of the common range, so that clamping stays in the source's own type and vectorises.
                const LEAST: i128 = if To::MIN as i128 > <$from>::MIN as i128 { To::MIN as i128 } else { <$from>::MIN as i128 };
                const MOST: i128 = if (To::MAX as i128) < <$from>::MAX as i128 { To::MAX as i128 } else { <$from>::MAX as i128 };
                x.clamp(LEAST as $from, MOST as $from) as To
            };
        }
    )*};
}

from_integer!(u8 u16 u32 u64 i8 i16 i32 i64);

/// Adding 1.5 * 2^52 to a float of magnitude up to 2^51 rounds it half to even and leaves the integer in the low bits:
/// unlike a rounding instruction and a saturating cast, that vectorises everywhere.
pub(super) const ROUND_64: f64 = 6_755_399_441_055_744.0;

/// The same for `f32`: 1.5 * 2^23, magnitude up to 2^22.
const ROUND_32: f32 = 12_582_912.0;

convert! {
    f32 => f32, |x, To| x as To;
    f32 => f64, |x, To| x as To;
    f32 => u8 u16 i8 i16, |x, To| {
        let (least, most) = (To::MIN as f32, To::MAX as f32);
        let x = if x.is_nan() { 0.0 } else { x };
        (x.max(least).min(most) + ROUND_32).to_bits() as To
    };
    f32 => u32 i32, |x, To| <f64 as Convert<To>>::convert(f64::from(x));
    f32 => u64 i64, |x, To| x.round_ties_even() as To;
    f64 => f32 f64, |x, To| x as To;
    f64 => u8 u16 u32 i8 i16 i32, |x, To| {
        let (least, most) = (To::MIN as f64, To::MAX as f64);
        let x = if x.is_nan() { 0.0 } else { x };
        (x.max(least).min(most) + ROUND_64).to_bits() as To
    };
    f64 => u64 i64, |x, To| x.round_ties_even() as To;
}

#[cfg(test)]
mod tests {
    use super::super::testing::Rng;
    use super::*;

    fn ints() -> Vec<i128> {
        let mut rng = Rng::new(8);
        let ends = [i8::MAX as i128, u8::MAX as i128, i16::MAX as i128, u16::MAX as i128, i32::MAX as i128];
        let ends = ends.into_iter().chain([u32::MAX as i128, i64::MAX as i128, u64::MAX as i128, 0, 1 << 24, 1 << 53]);
        let near = ends.flat_map(|end| (-2..3).flat_map(move |d| [end + d, -end + d]));
        near.chain((0..2000).map(|i| i128::from(rng.bits()) >> (i % 64))).collect()
    }

    fn floats() -> Vec<f64> {
        let mut floats: Vec<f64> =
            ints().into_iter().flat_map(|i| [i as f64, i as f64 + 0.5, i as f64 - 0.5]).collect();
        floats.extend([
            f64::NAN,
            -f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            -0.0,
            1e300,
            -1e300,
            1e-300,
            0.49999999999999994,
        ]);
        floats.extend([2.5, 3.5, -2.5, -3.5, 0.1, 254.5, 255.5, 127.5, -128.5, 65534.5, 65535.5]);
        floats
    }

    macro_rules! test_to {
        ($from:ty => $($to:ty)*: $src:expr, $expected:expr) => {$({
            let src: Vec<$from> = $src;
            let mut got = vec![<$to>::default(); src.len()];
            convert_slice(&src, &mut got);
            let clamp = |x: i128| x.clamp(<$to>::MIN as i128, <$to>::MAX as i128) as $to;
            for (x, y) in src.into_iter().zip(got) {
                assert_eq!(y, clamp($expected(x)), "{x} as {}", stringify!($from => $to));
            }
        })*};
    }

    macro_rules! test_from_integers {
        ($($from:ty)*) => {$(
            let src: Vec<$from> = ints().into_iter().map(|x| x as $from).collect();
            test_to!($from => u8 u16 u32 u64 i8 i16 i32 i64: src.clone(), |x: $from| x as i128);
            let (mut singles, mut doubles) = (vec![0f32; src.len()], vec![0f64; src.len()]);
            convert_slice(&src, &mut singles);
            convert_slice(&src, &mut doubles);
            assert!(src.iter().zip(&singles).all(|(&x, &y)| x as f32 == y));
            assert!(src.iter().zip(&doubles).all(|(&x, &y)| x as f64 == y));
        )*};
    }

    #[test]
    fn integers_saturate() {
        test_from_integers!(u8 u16 u32 u64 i8 i16 i32 i64);
    }

    #[test]
    fn floats_round_half_to_even_and_saturate() {
        test_to!(f64 => u8 u16 u32 u64 i8 i16 i32 i64: floats(), |x: f64| x.round_ties_even() as i128);
        let singles = || floats().into_iter().map(|x| x as f32).collect();
        test_to!(f32 => u8 u16 u32 u64 i8 i16 i32 i64: singles(), |x: f32| x.round_ties_even() as i128);
    }

    #[test]
    fn floats_go_to_the_nearest() {
        let src = floats();
        let (mut singles, mut doubles) = (vec![0f32; src.len()], vec![0f64; src.len()]);
        convert_slice(&src, &mut singles);
        convert_slice(&singles, &mut doubles);
        for ((x, y), z) in src.into_iter().zip(singles).zip(doubles) {
            assert!((x as f32 == y && f64::from(y) == z) || (x.is_nan() && y.is_nan() && z.is_nan()));
        }
    }
}
