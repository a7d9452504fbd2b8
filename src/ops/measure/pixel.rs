//! Exact sums, squares and extremes of pixel values of any type, in the cells of a record.

use super::runs::Records;
use crate::array::{DType, Element, Scalar, with_dtype};
use crate::error::Result;
use crate::kernels::exact_sum::ExactSum;
use crate::kernels::keyed::{Cell, Layout, add_integer, add_shifted, integer};
use crate::ops::moments::Moments;

/// What is wanted of the values of one channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Of {
    pub sum: bool,
    pub squares: bool,
    pub least: bool,
    pub most: bool,
    /// Sums of values times coordinates.
    pub weighted: bool,
}

impl Of {
    pub fn or(self, other: Of) -> Of {
        Of {
            sum: self.sum | other.sum,
            squares: self.squares | other.squares,
            least: self.least | other.least,
            most: self.most | other.most,
            weighted: self.weighted | other.weighted,
        }
    }
}

/// Where the cells of one channel lie in a record.
#[derive(Clone, Debug)]
pub(crate) struct ChannelCells {
    pub dtype: DType,
    sum: Option<(usize, usize)>,
    squares: Option<(usize, usize)>,
    least: Option<usize>,
    most: Option<usize>,
    /// One per axis that counts.
    weighted: Vec<(usize, usize)>,
    flags: Option<usize>,
}

/// Floats that are added up as integers: 2^10 mantissas of 53 bits, moved by up to 62, stay below 2^127.
const PIECE: usize = 1 << 10;
const SPAN: usize = 62;

const PLUS: u64 = 1;
const MINUS: u64 = 2;
const NAN: u64 = 4;

/// Words of a sum of values, of squares, of values times coordinates (of up to 40 bits), for up to 2^56 pixels.
fn words(dtype: DType) -> [usize; 3] {
    match dtype {
        DType::F32 => [6, 10, 6],
        DType::F64 => [34, 67, 35],
        DType::U64 | DType::I64 => [2, 4, 3],
        _ => [2, 2, 3],
    }
}

/// The weight of the lowest bit of a sum is 2^-bias; of a sum of squares 2^-2bias.
fn bias(dtype: DType) -> i32 {
    match dtype {
        DType::F32 => 149,
        DType::F64 => 1074,
        _ => 0,
    }
}

impl ChannelCells {
    pub fn new(layout: &mut Layout, dtype: DType, of: Of, axes: usize) -> Self {
        let [sum, squares, weighted] = words(dtype);
        let mut long = |wanted: bool, words: usize| wanted.then(|| (layout.add(Cell::Sum(words)), words));
        let sum = long(of.sum || of.squares || of.weighted, sum);
        let squares = long(of.squares, squares);
        let weighted = (0..if of.weighted { axes } else { 0 }).filter_map(|_| long(true, weighted)).collect();
        let flagged = dtype.is_float() && sum.is_some();
        ChannelCells {
            dtype,
            sum,
            squares,
            weighted,
            least: of.least.then(|| layout.add(Cell::Least)),
            most: of.most.then(|| layout.add(Cell::Most)),
            flags: flagged.then(|| layout.add(Cell::Flags)),
        }
    }

    /// Takes a run of values in. `place` gives the coordinate along each axis that counts, and by how much it grows from
    /// value to value.
    #[inline]
    pub fn add<T: Pixel>(&self, record: &mut [u64], values: &[T], place: &[(u64, u64)]) {
        if let Some(at) = self.least {
            let least = values.iter().fold(u64::MAX, |least, v| least.min(v.key(false)));
            record[at] = record[at].min(least);
        }
        if let Some(at) = self.most {
            let most = values.iter().fold(0, |most, v| most.max(v.key(true)));
            record[at] = record[at].max(most);
        }
        if let (None, Some((at, words))) = (self.flags, self.sum) {
            add_integer(&mut record[at..at + words], T::sum(values));
        }
        if self.flags.is_some() {
            values.chunks(PIECE).for_each(|piece| self.add_reals(record, piece));
        }
        if self.squares.is_some() || !self.weighted.is_empty() {
            values.iter().enumerate().for_each(|(i, v)| self.add_one(record, *v, i as u64, place));
        }
    }

    /// Adds up to [`PIECE`] floats: as integers as long as their exponents are not far apart, which is nearly always.
    fn add_reals<T: Pixel>(&self, record: &mut [u64], values: &[T]) {
        let Some((at, words)) = self.sum else { return };
        let (mut sum, mut lowest) = (0i128, 0);
        for value in values {
            let Some((mantissa, bit)) = value.exact() else {
                self.flag(record, value.to_f64());
                continue;
            };
            if mantissa == 0 {
                continue;
            }
            if !(lowest..=lowest + SPAN).contains(&bit) {
                add_shifted(&mut record[at..at + words], sum, lowest);
                (sum, lowest) = (0, bit.saturating_sub(SPAN / 2));
            }
            sum += mantissa << (bit - lowest);
        }
        add_shifted(&mut record[at..at + words], sum, lowest);
    }

    /// Remembers a value that is not finite.
    #[cold]
    fn flag(&self, record: &mut [u64], value: f64) {
        let flag = match () {
            () if value.is_nan() => NAN,
            () if value > 0.0 => PLUS,
            () => MINUS,
        };
        self.flags.into_iter().for_each(|at| record[at] |= flag);
    }

    fn add_one<T: Pixel>(&self, record: &mut [u64], value: T, i: u64, place: &[(u64, u64)]) {
        let Some((mantissa, bit)) = value.exact() else { return };
        if let Some((at, words)) = self.squares {
            let m = mantissa.unsigned_abs();
            // The square of a 64-bit number fills 128 bits: in two halves, so that none looks negative.
            let square = m * m;
            add_shifted(&mut record[at..at + words], (square & u128::from(u64::MAX)) as i128, 2 * bit);
            if square >> 64 > 0 {
                add_shifted(&mut record[at..at + words], (square >> 64) as i128, 2 * bit + 64);
            }
        }
        for (&(at, words), &(first, step)) in self.weighted.iter().zip(place) {
            add_shifted(&mut record[at..at + words], mantissa * i128::from(first + i * step), bit);
        }
    }

    fn flags_of(&self, record: &[u64]) -> u64 {
        self.flags.map_or(0, |at| record[at])
    }

    /// Sum, mean and variance.
    pub fn moments(&self, record: &[u64], count: u64) -> Moments {
        let cell = |c: Option<(usize, usize)>| c.map_or(&[][..], |(at, words)| &record[at..at + words]);
        let (sum, squares) = (cell(self.sum), cell(self.squares));
        if !self.dtype.is_float() {
            let mut square = [0; 4];
            square.iter_mut().zip(squares).for_each(|(to, &from)| *to = from);
            return Moments::of_whole(count, integer(sum), square);
        }
        let (bias, flags) = (bias(self.dtype), self.flags_of(record));
        let squared = if flags & (PLUS | MINUS) > 0 { flags & NAN | PLUS } else { flags };
        Moments::of_real(count, real(sum, bias, flags), real(squares, 2 * bias, squared))
    }

    /// The mean coordinates, weighted by the values.
    pub fn centroid(&self, record: &[u64], mut each: impl FnMut(f64)) {
        let Some((at, words)) = self.sum else { return };
        let finite = self.flags_of(record) == 0;
        let number = |words: &[u64]| if finite { real(words, bias(self.dtype), 0).to_f64() } else { f64::NAN };
        let total = number(&record[at..at + words]);
        self.weighted.iter().for_each(|&(at, words)| each(number(&record[at..at + words]) / total));
    }

    /// The key of the smallest value.
    pub fn least(&self, record: &[u64]) -> u64 {
        self.least.map_or(0, |at| record[at])
    }

    /// The key of the largest value.
    pub fn most(&self, record: &[u64]) -> u64 {
        self.most.map_or(0, |at| record[at])
    }
}

/// A long signed integer times 2^-bias, with what is not finite.
fn real(words: &[u64], bias: i32, flags: u64) -> ExactSum {
    let mut sum = ExactSum::new();
    let negative = words.last().is_some_and(|&w| (w as i64) < 0);
    let mut carry = negative;
    for (k, &word) in words.iter().enumerate() {
        let mut own = if negative { !word } else { word };
        (own, carry) = own.overflowing_add(u64::from(carry));
        for (half, shift) in [(own & 0xffff_ffff, 0), (own >> 32, 32)] {
            if half == 0 {
                continue;
            }
            let exponent = 64 * k as i32 + shift - bias;
            // Two factors, since the power alone may lie outside the normal numbers.
            let first = exponent.clamp(-1074, 990);
            let half = if negative { -(half as f64) } else { half as f64 };
            sum.add_product(half * power(first), power(exponent - first));
        }
    }
    [(PLUS, f64::INFINITY), (MINUS, f64::NEG_INFINITY), (NAN, f64::NAN)]
        .into_iter()
        .filter(|(flag, _)| flags & flag > 0)
        .for_each(|(_, v)| sum.add(v));
    sum
}

/// 2^exponent of any size; a power below all numbers is made of the smallest.
fn power(exponent: i32) -> f64 {
    2f64.powi(exponent / 2) * 2f64.powi(exponent - exponent / 2)
}

/// An element as a measurement sees it.
pub(crate) trait Pixel: Element {
    /// An integer and the bit it starts at; `None` for what is not finite.
    fn exact(self) -> Option<(i128, usize)>;

    /// A word of the same order; NaN is beyond all numbers on that side.
    fn key(self, greatest: bool) -> u64;

    /// The value of a key.
    fn from_key(key: u64) -> Self;

    /// The sum of integers; nothing for floats.
    fn sum(values: &[Self]) -> i128;
}

/// The value of a key, in its type.
pub(crate) fn of_key(key: u64, dtype: DType) -> Scalar {
    match dtype {
        DType::Bool => Scalar::bool(key != 0),
        _ => with_dtype!(dtype, T => Scalar::of(T::from_key(key))),
    }
}

/// Takes values of a group in, in records by group and value: how often each occurs. Values are the same when their keys
/// are, zeros of both signs two, wherever a row is cut.
pub(crate) fn count_values<T: Pixel>(records: &mut Records, group: u64, values: &[T]) -> Result<()> {
    for equal in values.chunk_by(|a, b| a.key(true) == b.key(true)) {
        records.find(&[group, equal[0].key(true)])?[2] += equal.len() as u64;
    }
    Ok(())
}

/// Elements whose partial sums cannot overflow 64 bits.
const BLOCK: usize = 4096;

const SIGN: u64 = 1 << 63;

/// Integers that fit `$wide`; their keys are its bits with `$flip` turned over.
macro_rules! integers {
    ($wide:ty, $flip:expr; $($t:ty)*) => {$(
        impl Pixel for $t {
            #[inline(always)]
            fn exact(self) -> Option<(i128, usize)> {
                Some((i128::from(self), 0))
            }

            #[inline(always)]
            fn key(self, _greatest: bool) -> u64 {
                <$wide>::from(self) as u64 ^ $flip
            }

            fn from_key(key: u64) -> Self {
                (key ^ $flip) as Self
            }

            #[inline]
            fn sum(values: &[Self]) -> i128 {
                let narrow = size_of::<Self>() < 8;
                let block = |c: &[Self]| match narrow {
                    true => i128::from(c.iter().map(|&x| <$wide>::from(x)).sum::<$wide>()),
                    false => c.iter().map(|&x| i128::from(x)).sum(),
                };
                values.chunks(BLOCK).map(block).sum()
            }
        }
    )*};
}

macro_rules! floats {
    ($($t:ty, $fraction:expr, $exponents:expr;)*) => {$(
        impl Pixel for $t {
            #[inline(always)]
            fn exact(self) -> Option<(i128, usize)> {
                if !self.is_finite() {
                    return None;
                }
                let bits = self.to_bits();
                let field = (bits >> $fraction & $exponents) as usize;
                let fraction = bits & ((1 << $fraction) - 1);
                let (mantissa, bit) = if field == 0 { (fraction, 0) } else { (fraction | 1 << $fraction, field - 1) };
                let mantissa = i128::from(mantissa);
                Some((if self.is_sign_negative() { -mantissa } else { mantissa }, bit))
            }

            #[inline(always)]
            fn key(self, greatest: bool) -> u64 {
                let bits = f64::from(self).to_bits();
                match self.is_nan() {
                    true => if greatest { u64::MAX } else { 0 },
                    false if bits & SIGN > 0 => !bits,
                    false => bits | SIGN,
                }
            }

            fn from_key(key: u64) -> Self {
                // The keys of NaN become NaN.
                f64::from_bits(if key & SIGN > 0 { key ^ SIGN } else { !key }) as Self
            }

            fn sum(_values: &[Self]) -> i128 {
                0
            }
        }
    )*};
}

integers!(u64, 0; u8 u16 u32 u64);
integers!(i64, SIGN; i8 i16 i32 i64);
floats!(f32, 23, 0xff; f64, 52, 0x7ff;);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::View;

    fn check<T: Pixel>(dtype: DType, values: &[T]) {
        let mut layout = Layout::new(1);
        let of = Of { sum: true, squares: true, least: true, most: true, weighted: false };
        let cells = ChannelCells::new(&mut layout, dtype, of, 0);
        let mut record = vec![0; layout.words()];
        layout.clear(&[1], &mut record);
        let (a, b) = values.split_at(values.len() / 2);
        let mut other = record.clone();
        cells.add(&mut record, a, &[]);
        cells.add(&mut other, b, &[]);
        layout.join(&mut record, &other);
        let got = cells.moments(&record, values.len() as u64);
        let mut wanted = Moments::new(dtype, true);
        wanted.add(&View::new(dtype, &[values.len() as u64], bytemuck::cast_slice(values)));
        assert_eq!(got.sum().to_bits(), wanted.sum().to_bits(), "{values:?}");
        assert_eq!(got.variance(1.0).to_bits(), wanted.variance(1.0).to_bits(), "{values:?}");
        let least = values.iter().map(|v| v.key(false)).min().map(T::from_key);
        assert_eq!(least.map(|v| v.to_f64().to_bits()), Some(T::from_key(cells.least(&record)).to_f64().to_bits()));
    }

    #[test]
    fn sums_are_those_of_whole_images() {
        let floats = [1e300, -1e-300, 3.5, -1e300, f64::MIN_POSITIVE / 8.0, 0.1, -0.0, 7.0];
        check(DType::F64, &floats);
        check(DType::F32, &floats.map(|v| (v.clamp(-1e38, 1e38)) as f32));
        check(DType::F32, &[f32::MIN_POSITIVE / 4.0, 1.5, -f32::MAX, f32::MAX, 1e-20]);
        check(DType::F32, &[f32::NAN, 1.0]);
        check(DType::F64, &[f64::INFINITY, 1.0, 2.0]);
        // More than a piece, of exponents near and far.
        for (near, far) in [(3, 5), (240, 1500)] {
            let value = |i: i32, range: i32| f64::from(i * 7919 % 1009 - 400) * 2f64.powi(i % range - range / 2);
            check(DType::F32, &(0..5000).map(|i| value(i, near) as f32).collect::<Vec<_>>());
            check(DType::F64, &(0..5000).map(|i| value(i, far)).collect::<Vec<_>>());
        }
        check(DType::U8, &[255u8, 0, 7]);
        check(DType::I16, &[i16::MIN, 5, i16::MAX]);
        check(DType::U64, &[u64::MAX, u64::MAX - 3, 0]);
        check(DType::I64, &[i64::MIN, i64::MAX, -5]);
    }

    #[test]
    fn keys_keep_the_order() {
        let floats = [f64::NEG_INFINITY, -2.0, -1e-310, 0.0, 1e-310, 2.0, f64::INFINITY];
        assert!(floats.is_sorted_by_key(|v| v.key(true)));
        assert!(floats.iter().all(|&v| f64::from_key(v.key(false)) == v));
        assert!(f64::from_key(f64::NAN.key(false)).is_nan() && f32::from_key(f32::NAN.key(true)).is_nan());
        assert!([i32::MIN, -1, 0, 5].is_sorted_by_key(|v| v.key(true)));
    }
}
