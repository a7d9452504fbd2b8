//! Exact sums and sums of squares, and the variance they give.

use crate::array::{DType, Element, View, with_dtype};
use crate::kernels::exact_sum::{ExactSum, power};
use crate::ops::scan::for_each_slice;

/// An unsigned integer of 256 bits, lowest word first.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
struct Wide([u64; 4]);

impl Wide {
    fn of(v: u128) -> Self {
        Wide([v as u64, (v >> 64) as u64, 0, 0])
    }

    fn plus(self, other: Self) -> Self {
        let mut sum = [0; 4];
        let mut carry = 0u128;
        for (k, word) in sum.iter_mut().enumerate() {
            carry += u128::from(self.0[k]) + u128::from(other.0[k]);
            *word = carry as u64;
            carry >>= 64;
        }
        Wide(sum)
    }

    /// `self - other`, which is not negative.
    fn minus(self, other: Self) -> Self {
        let complement = Wide(other.0.map(|w| !w));
        self.plus(complement).plus(Wide::of(1))
    }

    fn times(self, factor: u64) -> Self {
        let mut product = [0; 4];
        let mut carry = 0u128;
        for (word, &own) in product.iter_mut().zip(&self.0) {
            carry += u128::from(own) * u128::from(factor);
            *word = carry as u64;
            carry >>= 64;
        }
        Wide(product)
    }

    fn square(v: u128) -> Self {
        let low = Wide::of(v).times(v as u64);
        let high = Wide::of(v).times((v >> 64) as u64);
        low.plus(Wide([0, high.0[0], high.0[1], high.0[2]]))
    }

    fn to_f64(self) -> f64 {
        self.0.iter().rev().fold(0.0, |sum, &word| sum * 2f64.powi(64) + word as f64)
    }
}

/// The exact sum of elements, and of their squares where wanted.
#[derive(Clone, Debug)]
pub(crate) struct Moments {
    /// How many elements.
    pub count: u64,
    squared: bool,
    sums: Sums,
}

#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "it lies in one box per worker, whichever variant it is")]
enum Sums {
    Whole { sum: i128, squares: Wide },
    Real { sum: ExactSum, squares: ExactSum },
}

impl Moments {
    /// Of nothing.
    pub fn new(dtype: DType, squared: bool) -> Self {
        let sums = match dtype.is_float() {
            true => Sums::Real { sum: ExactSum::new(), squares: ExactSum::new() },
            false => Sums::Whole { sum: 0, squares: Wide::default() },
        };
        Moments { count: 0, squared, sums }
    }

    /// From sums of integers and of their squares (words, lowest first).
    pub fn of_whole(count: u64, sum: i128, squares: [u64; 4]) -> Self {
        Moments { count, squared: true, sums: Sums::Whole { sum, squares: Wide(squares) } }
    }

    /// From sums of floats and of their squares.
    pub fn of_real(count: u64, sum: ExactSum, squares: ExactSum) -> Self {
        Moments { count, squared: true, sums: Sums::Real { sum, squares } }
    }

    /// Adds the elements of a box.
    pub fn add(&mut self, tile: &View<'_>) {
        self.count += tile.elements() as u64;
        let squared = self.squared;
        match &mut self.sums {
            Sums::Real { sum, squares } => match tile.dtype() {
                DType::F32 => for_each_slice(tile, |xs: &[f32]| {
                    sum.add_singles(xs);
                    add_squares(xs, squared, squares);
                }),
                _ => for_each_slice(tile, |xs: &[f64]| {
                    sum.add_slice(xs);
                    add_squares(xs, squared, squares);
                }),
            },
            Sums::Whole { sum, squares } => {
                with_dtype!(tile.dtype(), T => for_each_slice(tile, |xs: &[T]| add_whole(xs, squared, sum, squares)));
            }
        }
    }

    /// Adds other elements.
    pub fn merge(&mut self, other: &Moments) {
        self.count += other.count;
        match (&mut self.sums, &other.sums) {
            (Sums::Whole { sum, squares }, Sums::Whole { sum: s, squares: q }) => {
                *sum += s;
                *squares = squares.plus(*q);
            }
            (Sums::Real { sum, squares }, Sums::Real { sum: s, squares: q }) => {
                sum.merge(s);
                squares.merge(q);
            }
            _ => {}
        }
    }

    /// The sum, if the elements are integers.
    pub fn whole_sum(&self) -> Option<i128> {
        match self.sums {
            Sums::Whole { sum, .. } => Some(sum),
            Sums::Real { .. } => None,
        }
    }

    /// The sum, rounded once.
    pub fn sum(&self) -> f64 {
        match &self.sums {
            Sums::Whole { sum, .. } => *sum as f64,
            Sums::Real { sum, .. } => sum.to_f64(),
        }
    }

    /// The mean; NaN of nothing.
    pub fn mean(&self) -> f64 {
        self.sum() / self.count as f64
    }

    /// The variance with divisor `count - ddof`; NaN where that is not positive.
    pub fn variance(&self, ddof: f64) -> f64 {
        let n = self.count as f64;
        if n - ddof <= 0.0 {
            return f64::NAN;
        }
        // n Σx² - (Σx)² is n² times the variance, in units whose square is 2^(2 * halves).
        let (scaled, halves) = match &self.sums {
            Sums::Whole { sum, squares } => {
                (squares.times(self.count).minus(Wide::square(sum.unsigned_abs())).to_f64(), 0)
            }
            Sums::Real { sum, squares } => scaled_variance(n, sum, squares),
        };
        scaled / n / (n - ddof) * power(halves) * power(halves)
    }
}

fn add_squares<T: Element + Into<f64>>(xs: &[T], squared: bool, squares: &mut ExactSum) {
    if squared {
        squares.add_products(xs, xs);
    }
}

/// How an element counts: exactly, whatever its type.
trait Whole: Element {
    fn sum(xs: &[Self]) -> i128;
    fn squares(xs: &[Self]) -> Wide;
}

/// Elements whose partial sums cannot overflow 64 bits.
const BLOCK: usize = 4096;

macro_rules! narrow {
    ($($t:ty)*) => {$(
        impl Whole for $t {
            fn sum(xs: &[Self]) -> i128 {
                xs.chunks(BLOCK).map(|c| i128::from(c.iter().map(|&x| i64::from(x)).sum::<i64>())).sum()
            }

            fn squares(xs: &[Self]) -> Wide {
                let block = |c: &[Self]| {
                    // The halves of each square, so that none of the two sums overflows.
                    let (mut low, mut high) = (0u64, 0u64);
                    for &x in c {
                        let square = i64::from(x).unsigned_abs().pow(2);
                        low += square & 0xffff_ffff;
                        high += square >> 32;
                    }
                    u128::from(low) + (u128::from(high) << 32)
                };
                Wide::of(xs.chunks(BLOCK).map(block).sum())
            }
        }
    )*};
}

macro_rules! broad {
    ($($t:ty)*) => {$(
        impl Whole for $t {
            fn sum(xs: &[Self]) -> i128 {
                xs.iter().map(|&x| i128::from(x)).sum()
            }

            fn squares(xs: &[Self]) -> Wide {
                xs.iter().fold(Wide::default(), |sum, &x| sum.plus(Wide::of(i128::from(x).unsigned_abs().pow(2))))
            }
        }
    )*};
}

/// Floats are summed elsewhere; this only completes the choice by element type.
macro_rules! real {
    ($($t:ty)*) => {$(
        impl Whole for $t {
            fn sum(_: &[Self]) -> i128 {
                0
            }

            fn squares(_: &[Self]) -> Wide {
                Wide::default()
            }
        }
    )*};
}

narrow!(u8 u16 u32 i8 i16 i32);
broad!(u64 i64);
real!(f32 f64);

fn add_whole<T: Whole>(xs: &[T], squared: bool, sum: &mut i128, squares: &mut Wide) {
    *sum += T::sum(xs);
    if squared {
        *squares = squares.plus(T::squares(xs));
    }
}

/// From here on the products below might overflow: of 2^64 squares at most.
const HUGE: f64 = 1e280;

/// What large numbers are divided by, a power of two.
const HALVES: i32 = 600;

/// `n Σx² - (Σx)²` of numbers divided by 2^halves, which is 0 but for huge ones, from sums that are exact to twice the
/// precision of a double.
fn scaled_variance(n: f64, sum: &ExactSum, squares: &ExactSum) -> (f64, i32) {
    let plain = squares.to_double_double();
    let huge = plain.0 > HUGE && squares.is_of_finite();
    let halves = if huge { HALVES } else { 0 };
    let (q, q_low) = if huge { squares.scaled_to_double_double(2 * halves) } else { plain };
    let (s, s_low) = sum.scaled_to_double_double(halves);
    let (a, a_error) = product(n, q);
    let (b, b_error) = product(s, s);
    let rest = (a_error + n * q_low) - (b_error + 2.0 * s * s_low);
    let difference = (a - b) + rest;
    // What is smaller than this is what rounding left of equal terms.
    (if difference.abs() <= a * 2f64.powi(-98) { 0.0 } else { difference }, halves)
}

/// The product and what rounding took from it.
fn product(a: f64, b: f64) -> (f64, f64) {
    let p = a * b;
    (p, a.mul_add(b, -p))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments<T: Element>(dtype: DType, xs: &[T]) -> Moments {
        let mut moments = Moments::new(dtype, true);
        moments.add(&View::new(dtype, &[xs.len() as u64], bytemuck::cast_slice(xs)));
        moments
    }

    #[test]
    fn large_integers_keep_their_variance() {
        let base = u64::MAX - 10;
        let m = moments(DType::U64, &[base, base + 2, base + 4, base + 6]);
        assert_eq!((m.variance(0.0), m.whole_sum()), (5.0, Some(4 * i128::from(base) + 12)));
        let m = moments(DType::I64, &[i64::MIN, i64::MIN + 2]);
        assert_eq!(m.variance(1.0), 2.0);
        assert_eq!(moments(DType::I8, &[-128i8, 127]).variance(0.0), 127.5 * 127.5);
        assert_eq!(moments(DType::U32, &[u32::MAX, 0]).variance(0.0), (f64::from(u32::MAX) / 2.0).powi(2));
    }

    #[test]
    fn far_from_zero_floats_keep_their_variance() {
        let m = moments(DType::F64, &[1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0]);
        assert!((m.variance(0.0) - 2.0 / 3.0).abs() < 1e-15);
        assert_eq!(moments(DType::F64, &[0.1; 7]).variance(0.0), 0.0);
        assert_eq!(moments(DType::F64, &[1e200, -1e200]).variance(0.0), f64::INFINITY);
        assert_eq!(moments(DType::F64, &[1e200; 5]).variance(0.0), 0.0);
        assert_eq!(moments(DType::F64, &[f64::MAX, -f64::MAX, f64::MAX]).variance(1.0), f64::INFINITY);
        let near = moments(DType::F64, &[1e154, 1.5e154, 0.5e154]).variance(0.0);
        assert!((near / (1e154 * 1e154 / 6.0) - 1.0).abs() < 1e-14, "{near}");
        assert_eq!(moments(DType::F32, &[0.1f32; 1000]).variance(0.0), 0.0);
        assert!(moments(DType::F32, &[1f32, f32::NAN]).variance(0.0).is_nan());
        assert!(moments(DType::F32, &[1f32, f32::INFINITY]).variance(0.0).is_nan());
        assert!(moments(DType::F64, &[1f64]).variance(1.0).is_nan());
    }
}
