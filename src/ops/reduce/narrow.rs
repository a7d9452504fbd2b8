//! The quantile of a whole image: sweep by sweep the two elements around it are narrowed down, sixteen bits of their
//! keys at a time.

use super::quantile::{Between, Quantile, find};
use crate::array::{ArraySpec, DType, Element, Scalar, Spec, View, with_dtype};
use crate::error::{Error, Result};
use crate::graph::{Array, ScanCx, ScanOp, ScanState, Value};
use crate::ops::scan::{Summary, for_each_slice, state};

/// Bits of a key that one sweep finds.
const STEP: u32 = 16;

/// The quantile of an array of that type and number of elements, a float64 scalar.
pub(super) fn narrowed(name: &'static str, input: &Array, dtype: DType, elements: u64, quantile: Quantile) -> Array {
    let sweeps = (8 * dtype.size() as u32).div_ceil(STEP);
    let between = quantile.between(elements);
    let mut inputs = vec![input.clone()];
    let state = Spec::Array(ArraySpec::scalar(DType::U64));
    let mut sweep = 0;
    loop {
        let last = sweep + 1 == sweeps;
        let op = Narrow { name, quantile, between, sweep, last };
        if last {
            return Array::scan(op, inputs, vec![Spec::Array(ArraySpec::scalar(DType::F64))], &[]);
        }
        let known = Array::scan(op, inputs, vec![state.clone(); 4], &PORTS);
        inputs = std::iter::once(input.clone()).chain(PORTS.iter().filter_map(|p| known.output(p).ok())).collect();
        sweep += 1;
    }
}

const PORTS: [&str; 4] = ["low", "low_rank", "high", "high_rank"];

/// One sweep.
#[derive(Debug)]
struct Narrow {
    name: &'static str,
    quantile: Quantile,
    between: Between,
    sweep: u32,
    last: bool,
}

/// An element that is sought: the leading bits of its key as far as they are known, and its rank among those that
/// share them.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sought {
    prefix: u64,
    rank: u64,
}

struct Counts {
    name: &'static str,
    quantile: Quantile,
    share: f64,
    last: bool,
    dtype: DType,
    /// How far the bits that are counted lie from the key's end, and how many they are.
    shift: u32,
    bits: u32,
    first: bool,
    sought: [Sought; 2],
    /// For each of the two; one where they share the prefix.
    counts: Vec<Vec<u64>>,
}

impl Narrow {
    fn bits(dtype: DType) -> u32 {
        (8 * dtype.size() as u32).min(STEP)
    }
}

impl ScanOp for Narrow {
    fn name(&self) -> &'static str {
        self.name
    }

    fn state_bytes(&self, input: &ArraySpec) -> u64 {
        let both = if self.sweep == 0 { 1 } else { 2 };
        both * (8 << Narrow::bits(input.dtype))
    }

    fn begin(&self, cx: &ScanCx<'_>) -> Result<Box<dyn ScanState>> {
        let dtype = cx.input().dtype;
        let known: Vec<u64> = cx.scalars.iter().filter_map(|s| s.to_i128()).map(|v| v as u64).collect();
        let sought = match known[..] {
            [low, low_rank, high, high_rank] => {
                [Sought { prefix: low, rank: low_rank }, Sought { prefix: high, rank: high_rank }]
            }
            _ => [self.between.low, self.between.high].map(|rank| Sought { prefix: 0, rank }),
        };
        let bits = Narrow::bits(dtype);
        let tables = if sought[0].prefix == sought[1].prefix { 1 } else { 2 };
        Ok(state(Counts {
            name: self.name,
            quantile: self.quantile,
            share: self.between.share,
            last: self.last,
            dtype,
            shift: 8 * dtype.size() as u32 - bits - STEP * self.sweep,
            bits,
            first: self.sweep == 0,
            sought,
            counts: vec![vec![0; 1 << bits]; tables],
        }))
    }
}

/// The bits of an element, in the order of its values: NaN above all.
trait Bits: Element {
    fn bits(self) -> u64;
    fn real(bits: u64) -> f64;
}

macro_rules! integers {
    ($($int:ty, $unsigned:ty;)*) => {$(
        impl Bits for $int {
            #[inline(always)]
            fn bits(self) -> u64 {
                ((self ^ <$int>::MIN) as $unsigned).into()
            }

            fn real(bits: u64) -> f64 {
                (bits as $int ^ <$int>::MIN) as f64
            }
        }
    )*};
}

macro_rules! floats {
    ($($float:ty, $int:ty;)*) => {$(
        impl Bits for $float {
            #[inline(always)]
            fn bits(self) -> u64 {
                let bits = self.to_bits();
                let negative = bits >> (<$int>::BITS - 1) == 1;
                match (self.is_nan(), negative) {
                    (true, _) => <$int>::MAX.into(),
                    (_, true) => (!bits).into(),
                    (_, false) => (bits | 1 << (<$int>::BITS - 1)).into(),
                }
            }

            fn real(bits: u64) -> f64 {
                let bits = bits as $int;
                let negative = bits >> (<$int>::BITS - 1) == 0;
                <$float>::from_bits(if negative { !bits } else { bits ^ 1 << (<$int>::BITS - 1) }).into()
            }
        }
    )*};
}

integers!(u8, u8; u16, u16; u32, u32; u64, u64; i8, u8; i16, u16; i32, u32; i64, u64;);
floats!(f32, u32; f64, u64;);

impl Summary for Counts {
    fn take(&mut self, tile: &View<'_>) {
        let (shift, bits, first) = (self.shift, self.bits, self.first);
        for (sought, counts) in self.sought.iter().zip(&mut self.counts) {
            with_dtype!(self.dtype, T => for_each_slice(tile, |xs: &[T]| match first {
                true => count_all(xs, shift, counts),
                false => count_below(xs, sought.prefix, shift, bits, counts),
            }));
        }
    }

    fn join(&mut self, other: Self) {
        for (counts, more) in self.counts.iter_mut().zip(&other.counts) {
            counts.iter_mut().zip(more).for_each(|(count, more)| *count += more);
        }
    }

    fn answer(self) -> Result<Vec<Value>> {
        if self.counts[0].iter().all(|&c| c == 0) {
            return Err(Error::op(self.name, "there are no elements"));
        }
        let mut found = self.sought;
        for (k, sought) in found.iter_mut().enumerate() {
            let counts = &self.counts[k.min(self.counts.len() - 1)];
            let (bucket, rank) = match self.first && self.has_nan() {
                // The greatest of them, which is NaN, is the answer.
                true => (counts.len() - 1, counts[counts.len() - 1] - 1),
                false => find(counts.iter().copied(), sought.rank),
            };
            *sought = Sought { prefix: sought.prefix << self.bits | bucket as u64, rank };
        }
        if !self.last {
            let values = found.iter().flat_map(|s| [s.prefix, s.rank]);
            return Ok(values.map(|v| Value::scalar(Scalar::of(v))).collect());
        }
        let [low, high] = found.map(|s| with_dtype!(self.dtype, T => T::real(s.prefix)));
        Ok(vec![Value::scalar(Scalar::of(self.quantile.value(low, high, self.share)))])
    }
}

impl Counts {
    /// Whether there is a NaN: they share their leading bits with nothing else.
    fn has_nan(&self) -> bool {
        self.dtype.is_float() && self.counts[0].last().is_some_and(|&count| count > 0)
    }
}

fn count_all<T: Bits>(xs: &[T], shift: u32, counts: &mut [u64]) {
    for &x in xs {
        counts[(x.bits() >> shift) as usize] += 1;
    }
}

/// Counts those that begin with `prefix` by the bits after it.
fn count_below<T: Bits>(xs: &[T], prefix: u64, shift: u32, bits: u32, counts: &mut [u64]) {
    let mask = (1u64 << bits) - 1;
    for &x in xs {
        let key = x.bits() >> shift;
        if key >> bits == prefix {
            counts[(key & mask) as usize] += 1;
        }
    }
}
