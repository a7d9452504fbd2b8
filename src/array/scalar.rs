//! One value of any element type.

use super::{DType, Element, with_dtype};
use std::fmt;

/// One value with its element type. Integers are held exactly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scalar {
    dtype: DType,
    bits: [u8; 8],
}

impl Scalar {
    /// A value of the type's own element type.
    pub fn of<T: Element>(value: T) -> Self {
        let mut bits = [0; 8];
        bits[..size_of::<T>()].copy_from_slice(bytemuck::bytes_of(&value));
        Scalar { dtype: T::DTYPE, bits }
    }

    /// A truth value.
    pub fn bool(value: bool) -> Self {
        Scalar { dtype: DType::Bool, ..Scalar::of(u8::from(value)) }
    }

    /// The nearest value of that type.
    pub fn from_f64(value: f64, dtype: DType) -> Self {
        if dtype == DType::Bool {
            return Scalar::bool(value != 0.0);
        }
        with_dtype!(dtype, T => Scalar::of(T::from_f64(value)))
    }

    /// That integer in that type, exactly, or `None` where an integer type does not hold it. Floats take the nearest.
    pub fn from_i128(value: i128, dtype: DType) -> Option<Self> {
        match dtype.integer_range() {
            Some((lo, hi)) if !(lo..=hi).contains(&value) => None,
            Some(_) if dtype == DType::Bool => Some(Scalar::bool(value != 0)),
            Some(_) if dtype == DType::U64 => Some(Scalar::of(value as u64)),
            Some(_) if dtype == DType::I64 => Some(Scalar::of(value as i64)),
            _ => Some(Scalar::from_f64(value as f64, dtype)),
        }
    }

    /// Its element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Its bytes, in the machine's order: the first `dtype().size()` count.
    pub fn bytes(&self) -> &[u8] {
        &self.bits[..self.dtype.size()]
    }

    /// The value of that type stored in those bytes.
    pub fn from_bytes(dtype: DType, bytes: &[u8]) -> Self {
        let mut bits = [0; 8];
        bits[..dtype.size()].copy_from_slice(&bytes[..dtype.size()]);
        Scalar { dtype, bits }
    }

    /// The value as `f64`; 64-bit integers round to nearest.
    pub fn to_f64(&self) -> f64 {
        with_dtype!(self.dtype, T => bytemuck::pod_read_unaligned::<T>(self.bytes()).to_f64())
    }

    /// The value, if it is an integer or a truth value.
    pub fn to_i128(&self) -> Option<i128> {
        match self.dtype {
            DType::F32 | DType::F64 => None,
            DType::U64 => Some(i128::from(u64::from_ne_bytes(self.bits))),
            DType::I64 => Some(i128::from(i64::from_ne_bytes(self.bits))),
            _ => Some(self.to_f64() as i128),
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.dtype, self.to_i128()) {
            (DType::Bool, value) => write!(f, "{}", value == Some(1)),
            (_, Some(value)) => write!(f, "{value}"),
            (DType::F32, None) => write!(f, "{}", self.to_f64() as f32),
            (_, None) => write!(f, "{}", self.to_f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_integers_stay_exact() {
        let big = i128::from(u64::MAX) - 1;
        assert_eq!(Scalar::from_i128(big, DType::U64).and_then(|s| s.to_i128()), Some(big));
        assert_eq!(Scalar::from_i128(256, DType::U8), None);
        assert_eq!(Scalar::from_f64(0.1, DType::F32).to_string(), "0.1");
    }
}
