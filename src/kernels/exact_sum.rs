//! Sums without rounding, and hence without an order.
//!
//! Every `f64` and every product of two is an integer multiple of 2^-2148, so a sum of them is one long integer: here
//! limbs of 32 bits, each in an `i64` whose upper half collects carries until they are passed on (R. Neal, "Fast exact
//! summation using small and large superaccumulators", 2015). Slices take a shortcut: a block is first split into leading
//! parts, which plain `f64` lanes add without rounding, and rests (T. Ogita, S. Rump, "Accurate floating-point summation",
//! 2008); mostly the first or second rests are all zero, and only a few lane totals reach the long integer. Singles mostly need
//! no splitting: what 24 bits leave of the 53 of a double holds the sum of a block whose numbers are not too far apart.

use multiversion::multiversion;

/// The weight of the lowest bit is 2^-BIAS: the square of the smallest `f64`.
const BIAS: i32 = 2148;
/// Up to 2^64 products below 2^2048 on top of that bias.
const LIMBS: usize = 134;
/// An addition changes a limb by less than 2^52, so this many fit into an `i64` before carries are passed on.
const ADDITIONS: u32 = 1 << 10;
/// Elements of a block: its lanes add `BLOCK / LANES` = 2^5 values each.
const BLOCK: usize = 512;
const LANES: usize = 16;
/// Fewer elements than this are added one by one.
const FEW: usize = 32;
const LANE_BITS: i32 = (BLOCK / LANES).ilog2() as i32;
/// Singles of a block, and those that are added side by side.
const SINGLES: usize = 2048;
const SINGLE_LANES: usize = 32;
/// How often a block is split before the rest goes to the long integer element by element.
const SPLITS: usize = 4;

/// The exact sum of any number of `f64` values and products; 1.1 KB, no allocation.
///
/// The order of additions and merges never shows. Infinities and NaN act as in an IEEE sum: infinities of both signs, or
/// any NaN, give NaN. Products of finite numbers are exact even where `a * b` would overflow or underflow. A sum of
/// nothing, or of zeros of any sign, is +0.
#[derive(Clone, Debug)]
pub struct ExactSum {
    limbs: [i64; LIMBS],
    additions: u32,
    /// The IEEE sum of the infinities and NaNs: 0 if there were none.
    special: f64,
}

impl Default for ExactSum {
    fn default() -> Self {
        Self::new()
    }
}

impl ExactSum {
    /// The sum of nothing.
    pub fn new() -> Self {
        ExactSum { limbs: [0; LIMBS], additions: 0, special: 0.0 }
    }

    /// Adds one number.
    pub fn add(&mut self, x: f64) {
        if x.is_finite() {
            let (mantissa, exponent) = parts(x);
            self.add_scaled(x.is_sign_negative(), mantissa, exponent + BIAS);
        } else {
            self.special += x;
        }
    }

    /// Adds the product of two numbers without rounding it.
    pub fn add_product(&mut self, a: f64, b: f64) {
        if !(a.is_finite() && b.is_finite()) {
            self.special += a * b;
            return;
        }
        let ((a_mantissa, a_exponent), (b_mantissa, b_exponent)) = (parts(a), parts(b));
        let product = u128::from(a_mantissa) * u128::from(b_mantissa);
        let negative = a.is_sign_negative() != b.is_sign_negative();
        let bit = a_exponent + b_exponent + BIAS;
        self.add_scaled(negative, product as u64 & ((1 << 53) - 1), bit);
        self.add_scaled(negative, (product >> 53) as u64, bit + 53);
    }

    /// Adds every number of a slice, of any type that widens to `f64` without loss.
    pub fn add_slice<T: Into<f64> + Copy>(&mut self, xs: &[T]) {
        for block in xs.chunks(BLOCK) {
            if block.len() < FEW {
                block.iter().for_each(|&x| self.add(x.into()));
                continue;
            }
            let mut values = [0.0; BLOCK];
            widen(block, &mut values);
            self.add_block(&values);
        }
    }

    /// Adds every number of a slice of singles.
    pub fn add_singles(&mut self, xs: &[f32]) {
        for block in xs.chunks(SINGLES) {
            match sum_singles(block) {
                Some(sum) => self.add(sum),
                None => self.add_slice(block),
            }
        }
    }

    /// Adds the products `a[i] * b[i]`: a dot product, or a sum of squares.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn add_products<A, B>(&mut self, a: &[A], b: &[B])
    where
        A: Into<f64> + Copy,
        B: Into<f64> + Copy,
    {
        assert_eq!(a.len(), b.len(), "a product needs two factors");
        for (a, b) in a.chunks(BLOCK).zip(b.chunks(BLOCK)) {
            if a.len() < FEW {
                a.iter().zip(b).for_each(|(&a, &b)| self.add_product(a.into(), b.into()));
                continue;
            }
            let (mut products, mut errors) = ([0.0; BLOCK], [0.0; BLOCK]);
            widen(a, &mut products);
            widen(b, &mut errors);
            match multiply(&mut products, &mut errors) {
                Exactness::Inexact => {
                    a.iter().zip(b).for_each(|(&a, &b)| self.add_product(a.into(), b.into()));
                }
                Exactness::Rounded => {
                    self.add_block(&products);
                    self.add_block(&errors);
                }
                Exactness::Exact => self.add_block(&products),
            }
        }
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &ExactSum) {
        let mut other = other.clone();
        other.carry();
        self.carry();
        for (limb, more) in self.limbs.iter_mut().zip(&other.limbs) {
            *limb += more;
        }
        self.additions = 1;
        self.special += other.special;
    }

    /// The nearest `f64`, ties to even; infinite where the sum lies beyond the largest.
    pub fn to_f64(&self) -> f64 {
        self.scaled_to_f64(0)
    }

    /// The nearest `f64` to the sum times 2^-shift.
    fn scaled_to_f64(&self, shift: i32) -> f64 {
        if self.special != 0.0 {
            // One NaN, whichever came in.
            return if self.special.is_nan() { f64::NAN } else { self.special };
        }
        let mut sum = self.clone();
        sum.carry();
        let negative = sum.limbs[LIMBS - 1] < 0;
        if negative {
            sum.limbs.iter_mut().for_each(|limb| *limb = -*limb);
            sum.carry();
        }
        let magnitude = round(&sum.limbs, shift);
        if negative { -magnitude } else { magnitude }
    }

    /// The sum as an unevaluated `high + low`: `high` is [`to_f64`](Self::to_f64), `low` the nearest `f64` to what
    /// `high` leaves, 0 where `high` is not finite.
    pub fn to_double_double(&self) -> (f64, f64) {
        self.scaled_to_double_double(0)
    }

    /// The sum times 2^-shift, for sums beyond the largest `f64`, as an unevaluated `high + low`; `shift` is not negative.
    pub fn scaled_to_double_double(&self, shift: i32) -> (f64, f64) {
        let high = self.scaled_to_f64(shift);
        if !high.is_finite() {
            return (high, 0.0);
        }
        let mut rest = self.clone();
        let (mantissa, exponent) = parts(high);
        rest.add_scaled(high.is_sign_positive(), mantissa, exponent + shift + BIAS);
        (high, rest.scaled_to_f64(shift))
    }

    /// Whether all numbers were finite.
    pub fn is_of_finite(&self) -> bool {
        self.special == 0.0
    }

    /// Adds `mantissa` (below 2^53) times 2^(bit - BIAS).
    #[inline]
    fn add_scaled(&mut self, negative: bool, mantissa: u64, bit: i32) {
        if self.additions == ADDITIONS {
            self.carry();
        }
        self.additions += 1;
        let (limb, shift) = (bit as usize / 32, bit as usize % 32);
        let wide = u128::from(mantissa) << shift;
        let (low, high) = ((wide & 0xffff_ffff) as i64, (wide >> 32) as i64);
        let sign = if negative { -1 } else { 1 };
        self.limbs[limb] += sign * low;
        self.limbs[limb + 1] += sign * high;
    }

    /// Passes carries on: afterwards every limb lies in 0..2^32, but the last, which holds the sign.
    fn carry(&mut self) {
        let mut carry = 0;
        for limb in &mut self.limbs[..LIMBS - 1] {
            let full = *limb + carry;
            *limb = full & 0xffff_ffff;
            carry = full >> 32;
        }
        self.limbs[LIMBS - 1] += carry;
        self.additions = 0;
    }

    /// Adds a block, one by one if it holds what splitting cannot handle: infinities, NaN, numbers close to overflow or
    /// too far apart.
    fn add_block(&mut self, values: &[f64; BLOCK]) {
        let mut totals = [[0.0; LANES]; SPLITS];
        match split_block(*values, &mut totals) {
            Some(splits) => totals[..splits].as_flattened().iter().for_each(|&total| self.add(total)),
            None => values.iter().for_each(|&x| self.add(x)),
        }
    }
}

/// A finite number as `mantissa * 2^exponent`, sign aside.
#[inline]
fn parts(x: f64) -> (u64, i32) {
    let bits = x.to_bits();
    let (field, fraction) = ((bits >> 52 & 0x7ff) as i32, bits & ((1 << 52) - 1));
    if field == 0 { (fraction, -1074) } else { (fraction | 1 << 52, field - 1075) }
}

/// 2^exponent, for exponents of normal numbers.
pub(crate) fn power(exponent: i32) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

/// Rounds a carried, non-negative long integer, times 2^-shift.
fn round(limbs: &[i64; LIMBS], shift: i32) -> f64 {
    let Some(top) = limbs.iter().rposition(|&limb| limb != 0) else {
        return 0.0;
    };
    // The highest four limbs hold at least 97 significant bits (the top limb of a sum never outgrows 32 bits); whether
    // anything lies below them decides ties.
    let low = top.saturating_sub(3);
    let leading = limbs[low..=top].iter().rev().fold(0u128, |bits, &limb| bits << 32 | limb as u128);
    let sticky = limbs[..low].iter().any(|&limb| limb != 0);
    let lowest_bit = low as i32 * 32 - BIAS - shift;
    let length = 128 - leading.leading_zeros() as i32;
    // The result keeps 53 bits, fewer where it is subnormal.
    let drop = (length - 53).max(-1074 - lowest_bit);
    if drop > length {
        return 0.0;
    }
    let (mut kept, cut) =
        if drop > 0 { (shift_right(leading, drop), leading & low_bits(drop)) } else { (leading << -drop, 0) };
    if drop > 0 {
        let half = 1u128 << (drop - 1);
        let above = cut > half || (cut == half && (sticky || kept & 1 == 1));
        kept += u128::from(above);
    }
    scale(kept as u64, lowest_bit + drop)
}

fn shift_right(bits: u128, by: i32) -> u128 {
    bits.checked_shr(by as u32).unwrap_or(0)
}

fn low_bits(count: i32) -> u128 {
    if count >= 128 { u128::MAX } else { (1 << count) - 1 }
}

/// `mantissa * 2^exponent` for a mantissa up to 2^53 that has no more bits than the result.
fn scale(mantissa: u64, exponent: i32) -> f64 {
    let length = 64 - mantissa.leading_zeros() as i32;
    if mantissa == 0 {
        return 0.0;
    }
    if length + exponent > 1024 {
        return f64::INFINITY;
    }
    // Two exact factors, since 2^exponent alone may lie outside the normal numbers.
    let first = exponent.clamp(-1022, 971);
    let second = exponent - first;
    mantissa as f64 * power(second) * power(first)
}

#[multiversion(targets("x86_64+avx2+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn widen<T: Into<f64> + Copy>(block: &[T], values: &mut [f64; BLOCK]) {
    for (value, &x) in values.iter_mut().zip(block) {
        *value = x.into();
    }
}

/// Splits the values of a block into parts that its lanes add exactly, until nothing is left; gives the number of rows
/// of `totals` filled, or `None` where that is not possible.
#[multiversion(targets("x86_64+avx2+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn split_block(mut values: [f64; BLOCK], totals: &mut [[f64; LANES]; SPLITS]) -> Option<usize> {
    let (rows, _) = values.as_chunks_mut::<LANES>();
    let mut greatest = [0; LANES];
    for row in &*rows {
        for lane in 0..LANES {
            greatest[lane] = magnitude(row[lane]).max(greatest[lane]);
        }
    }
    for (splits, total) in totals.iter_mut().enumerate() {
        let most = greatest.into_iter().fold(0, i64::max);
        if most == 0 {
            return Some(splits);
        }
        let exponent = parts(f64::from_bits(most as u64)).1 + 53;
        if !(-900..=1000).contains(&exponent) {
            return None;
        }
        // All values lie below 2^exponent. Adding 2^(exponent + LANE_BITS) and taking it away again leaves multiples of
        // its last bit whose sums over a lane still fit into 53 bits; the rest is exact and 2^-48 times as large.
        let pivot = power(exponent + LANE_BITS);
        greatest = [0; LANES];
        for row in &mut *rows {
            for lane in 0..LANES {
                let part = (row[lane] + pivot) - pivot;
                total[lane] += part;
                row[lane] -= part;
                greatest[lane] = magnitude(row[lane]).max(greatest[lane]);
            }
        }
    }
    greatest.iter().all(|&most| most == 0).then_some(SPLITS)
}

/// The sum of at most [`SINGLES`] numbers if none of its additions rounds, in whatever order; `None` if one might.
#[multiversion(targets("x86_64+avx2+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn sum_singles(block: &[f32]) -> Option<f64> {
    let (mut greatest, mut least, mut sums) = ([0; SINGLE_LANES], [u32::MAX; SINGLE_LANES], [0.0; SINGLE_LANES]);
    let mut take = |lane: usize, x: f32| {
        let bits = x.to_bits() & 0x7fff_ffff;
        greatest[lane] = bits.max(greatest[lane]);
        // Zeros come last.
        least[lane] = bits.wrapping_sub(1).min(least[lane]);
        sums[lane] += f64::from(x);
    };
    let (rows, rest) = block.as_chunks::<SINGLE_LANES>();
    for row in rows {
        for (lane, &x) in row.iter().enumerate() {
            take(lane, x);
        }
    }
    rest.iter().enumerate().for_each(|(lane, &x)| take(lane, x));
    let greatest = greatest.into_iter().fold(0, u32::max) >> 23;
    let least = (least.into_iter().fold(u32::MAX, u32::min).wrapping_add(1) >> 23).max(1);
    // All numbers are multiples of 2^(least - 150) and below 2^(greatest - 126), their sums 2^11 times as large at most.
    let bits = greatest.saturating_sub(least) + 24 + SINGLES.ilog2();
    // Of zeros alone, the sum is +0, whatever their signs.
    (greatest < 0xff && bits <= 53).then(|| sums.into_iter().sum::<f64>() + 0.0)
}

/// The bits without the sign: as integers they order finite numbers by magnitude, then infinity, then NaN.
#[inline(always)]
fn magnitude(x: f64) -> i64 {
    x.abs().to_bits() as i64
}

/// What [`multiply`] could tell about a block of products.
enum Exactness {
    /// No product was rounded.
    Exact,
    /// Products and their errors add up to the exact ones.
    Rounded,
    /// Some factor is not finite, or so large or small that the error may not be exact.
    Inexact,
}

/// Replaces factors `a` and `b` by their rounded products and the errors of these (Dekker's product; no FMA, which
/// without hardware support is a slow call).
#[multiversion(targets("x86_64+avx2+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn multiply(a: &mut [f64; BLOCK], b: &mut [f64; BLOCK]) -> Exactness {
    let (mut safe, mut exact) = (true, true);
    for (a, b) in a.iter_mut().zip(b) {
        let (x, y) = (*a, *b);
        safe &= is_tame(x) & is_tame(y);
        let (x_high, y_high) = (high_half(x), high_half(y));
        let (x_low, y_low) = (x - x_high, y - y_high);
        let product = x * y;
        let error = x_low * y_low - (((product - x_high * y_high) - x_low * y_high) - x_high * y_low);
        exact &= error == 0.0;
        (*a, *b) = (product, error);
    }
    match (safe, exact) {
        (false, _) => Exactness::Inexact,
        (true, true) => Exactness::Exact,
        (true, false) => Exactness::Rounded,
    }
}

/// Whether products with `x` can neither overflow nor lose bits to underflow: zero, or 2^-400 to 2^400.
#[inline(always)]
fn is_tame(x: f64) -> bool {
    const LEAST: f64 = f64::from_bits((1023 - 400) << 52);
    const MOST: f64 = f64::from_bits((1023 + 400) << 52);
    (x.abs() >= LEAST) & (x.abs() <= MOST) | (x == 0.0)
}

/// The upper 26 bits of the mantissa (Veltkamp's splitting).
#[inline(always)]
fn high_half(x: f64) -> f64 {
    let scaled = x * 134_217_729.0;
    scaled - (scaled - x)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Rng;
    use super::*;

    fn sum_of(xs: &[f64]) -> ExactSum {
        let mut sum = ExactSum::new();
        sum.add_slice(xs);
        sum
    }

    fn one_by_one(xs: &[f64]) -> ExactSum {
        let mut sum = ExactSum::new();
        xs.iter().for_each(|&x| sum.add(x));
        sum
    }

    /// Numbers of all exponents within `spread` of 2^0, so that most sums cancel or round.
    fn wild(rng: &mut Rng, len: usize, spread: usize) -> Vec<f64> {
        (0..len)
            .map(|_| {
                let exponent = (rng.below(2 * spread + 1) as i32 - spread as i32).min(1020);
                rng.unit() * 2f64.powi(exponent / 2) * 2f64.powi(exponent - exponent / 2)
            })
            .collect()
    }

    fn shuffle(rng: &mut Rng, xs: &mut [f64]) {
        for i in (1..xs.len()).rev() {
            xs.swap(i, rng.below(i + 1));
        }
    }

    #[test]
    fn small_integers_of_any_scale_agree_with_i128() {
        let mut rng = Rng::new(1);
        for round in 0..400 {
            let unit = power(rng.below(1900) as i32 - 1000);
            let ints: Vec<i64> = (0..1 + rng.below(1500)).map(|_| (rng.bits() as i64) >> (11 + round % 50)).collect();
            let xs: Vec<f64> = ints.iter().map(|&i| i as f64 * unit).collect();
            let total: i128 = ints.iter().map(|&i| i128::from(i)).sum();
            assert_eq!(sum_of(&xs).to_f64(), total as f64 * unit);
            assert_eq!(one_by_one(&xs).to_f64(), total as f64 * unit);
        }
    }

    #[test]
    fn order_and_grouping_never_show() {
        let mut rng = Rng::new(2);
        for spread in [0, 3, 30, 60, 200, 1000, 1060] {
            for len in [0, 1, 100, 511, 512, 513, 5000] {
                let mut xs = wild(&mut rng, len, spread);
                let whole = sum_of(&xs).to_double_double();
                assert_eq!(one_by_one(&xs).to_double_double(), whole);
                shuffle(&mut rng, &mut xs);
                let (a, b) = xs.split_at(rng.below(len + 1));
                let mut merged = sum_of(b);
                merged.merge(&sum_of(a));
                assert_eq!(merged.to_double_double(), whole);
            }
        }
    }

    #[test]
    fn cancels_to_nothing() {
        let mut rng = Rng::new(3);
        let mut xs = wild(&mut rng, 3000, 1000);
        xs.extend(xs.clone().iter().map(|x| -x));
        shuffle(&mut rng, &mut xs);
        assert_eq!(sum_of(&xs).to_double_double(), (0.0, 0.0));
    }

    #[test]
    fn rounds_once() {
        let ulp = f64::EPSILON;
        let cases: [(&[f64], f64); 9] = [
            (&[1.0, ulp / 2.0], 1.0),
            (&[1.0, ulp / 2.0, 1e-300], 1.0 + ulp),
            (&[1.0, ulp / 2.0, -1e-300], 1.0),
            (&[1.0 + ulp, ulp / 2.0], 1.0 + 2.0 * ulp),
            (&[-1.0, -ulp / 2.0, -1e-300], -1.0 - ulp),
            (&[f64::MAX, f64::MAX, -f64::MAX], f64::MAX),
            (&[f64::MAX, f64::MAX], f64::INFINITY),
            (&[f64::from_bits(1), f64::from_bits(2)], f64::from_bits(3)),
            (&[f64::MIN_POSITIVE, -f64::from_bits(1)], f64::MIN_POSITIVE.next_down()),
        ];
        for (xs, expected) in cases {
            assert_eq!(sum_of(xs).to_f64(), expected, "{xs:?}");
        }
    }

    #[test]
    fn singles_sum_as_doubles_do() {
        let mut rng = Rng::new(6);
        for spread in [0, 4, 8, 10, 12, 30, 120, 126] {
            for len in [0, 1, 31, 2047, 2048, 7000] {
                let mut xs: Vec<f32> = wild(&mut rng, len, spread).into_iter().map(|x| x as f32).collect();
                xs.iter_mut().step_by(7).for_each(|x| *x = 0.0);
                let mut sum = ExactSum::new();
                sum.add_singles(&xs);
                let doubles: Vec<f64> = xs.iter().map(|&x| x.into()).collect();
                assert_eq!(sum.to_double_double(), one_by_one(&doubles).to_double_double(), "spread {spread}, {len}");
            }
        }
    }

    #[test]
    fn singles_at_the_ends_of_their_range() {
        for (xs, expected) in [
            (vec![f32::MAX; 2048], f64::from(f32::MAX) * 2048.0),
            (vec![f32::from_bits(1); 2048], f64::from(f32::from_bits(1)) * 2048.0),
            (vec![-0.0; 40], 0.0),
            (vec![1.0, f32::INFINITY], f64::INFINITY),
            (vec![1.0, f32::NAN], f64::NAN),
            // One bit more than fits side by side, and one that just fits.
            (vec![2f32.powi(19), 1.0 + f32::EPSILON, -(2f32.powi(19))], 1.0 + f64::from(f32::EPSILON)),
            (vec![2f32.powi(30), 1.0 + f32::EPSILON, -(2f32.powi(30))], 1.0 + f64::from(f32::EPSILON)),
        ] {
            let mut sum = ExactSum::new();
            sum.add_singles(&xs);
            assert_eq!(sum.to_f64().to_bits(), expected.to_bits(), "{:?}", &xs[..2]);
        }
    }

    #[test]
    fn double_double_holds_what_one_number_cannot() {
        assert_eq!(sum_of(&[1.0, 1e-30]).to_double_double(), (1.0, 1e-30));
        assert_eq!(sum_of(&[f64::INFINITY]).to_double_double(), (f64::INFINITY, 0.0));
    }

    #[test]
    fn sums_beyond_f64_are_scaled() {
        let mut sum = ExactSum::new();
        sum.add_products(&[1e300, 1.0], &[1e300, 3e-30]);
        assert_eq!((sum.to_f64(), sum.is_of_finite()), (f64::INFINITY, true));
        let (high, low) = sum.scaled_to_double_double(1200);
        let (a, error) = (1e300f64 * power(-600), 1e300f64 * power(-600));
        assert_eq!(high, a * error);
        assert_eq!(low, a.mul_add(error, -high));
        assert_eq!(sum_of(&[3.0, 1e-30]).scaled_to_double_double(2), (0.75, 2.5e-31));
    }

    #[test]
    fn specials_act_as_in_ieee_sums() {
        let inf = f64::INFINITY;
        for (xs, expected) in [
            (vec![inf, 1.0], inf),
            (vec![-inf, f64::MAX, f64::MAX], -inf),
            (vec![inf, -inf], f64::NAN),
            (vec![f64::NAN, 1.0], f64::NAN),
            (vec![f64::NAN], f64::NAN),
            (vec![-0.0], 0.0),
        ] {
            for len in [3, 600] {
                let mut xs = xs.clone();
                xs.resize(len, 0.0);
                assert_eq!(sum_of(&xs).to_f64().to_bits(), expected.to_bits(), "{xs:?}");
            }
        }
    }

    #[test]
    fn products_are_exact() {
        let mut rng = Rng::new(4);
        for spread in [0, 20, 100, 390, 600, 1060] {
            for len in [1, 600, 3000] {
                let (a, b) = (wild(&mut rng, len, spread), wild(&mut rng, len, spread));
                let (mut fast, mut slow) = (ExactSum::new(), ExactSum::new());
                fast.add_products(&a, &b);
                for (&a, &b) in a.iter().zip(&b) {
                    slow.add_product(a, b);
                }
                assert_eq!(fast.to_double_double(), slow.to_double_double(), "spread {spread}");
            }
        }
    }

    #[test]
    fn products_agree_with_i128_and_reach_beyond_f64() {
        let mut rng = Rng::new(5);
        let ints: Vec<(i64, i64)> = (0..900).map(|_| (rng.bits() as i64 >> 11, rng.bits() as i64 >> 11)).collect();
        let (a, b): (Vec<f64>, Vec<f64>) = ints.iter().map(|&(a, b)| (a as f64, b as f64)).unzip();
        let mut sum = ExactSum::new();
        sum.add_products(&a, &b);
        assert_eq!(sum.to_f64(), ints.iter().map(|&(a, b)| i128::from(a) * i128::from(b)).sum::<i128>() as f64);

        let mut sum = ExactSum::new();
        sum.add_products(&[1e300, 1e-300, 1e300], &[1e300, 1e-300, -1e300]);
        assert_eq!(sum.to_f64(), 0.0);
        sum.add_products(&[f64::INFINITY, 1.0], &[2.0, 1.0]);
        assert_eq!(sum.to_f64(), f64::INFINITY);
    }

    #[test]
    fn many_additions_carry() {
        let mut sum = ExactSum::new();
        for _ in 0..100_000 {
            sum.add(f64::MAX);
            sum.add(-1.5);
        }
        for _ in 0..100_000 {
            sum.add(-f64::MAX);
        }
        assert_eq!(sum.to_f64(), -150_000.0);
    }
}
