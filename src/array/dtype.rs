//! Element types, and the only place that chooses code by them.

use std::fmt;

/// The type of an array's elements.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum DType {
    /// Truth values, stored as one byte that is 0 or 1.
    Bool,
    /// Unsigned 8-bit integers.
    U8,
    /// Unsigned 16-bit integers.
    U16,
    /// Unsigned 32-bit integers.
    U32,
    /// Unsigned 64-bit integers.
    U64,
    /// Signed 8-bit integers.
    I8,
    /// Signed 16-bit integers.
    I16,
    /// Signed 32-bit integers.
    I32,
    /// Signed 64-bit integers.
    I64,
    /// IEEE single precision.
    F32,
    /// IEEE double precision.
    F64,
}

impl DType {
    /// Every element type.
    pub const ALL: [DType; 11] = [
        DType::Bool,
        DType::U8,
        DType::U16,
        DType::U32,
        DType::U64,
        DType::I8,
        DType::I16,
        DType::I32,
        DType::I64,
        DType::F32,
        DType::F64,
    ];

    /// Bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            DType::Bool | DType::U8 | DType::I8 => 1,
            DType::U16 | DType::I16 => 2,
            DType::U32 | DType::I32 | DType::F32 => 4,
            DType::U64 | DType::I64 | DType::F64 => 8,
        }
    }

    /// NumPy's full name: `uint16`, `float32`, `bool`.
    pub const fn name(self) -> &'static str {
        match self {
            DType::Bool => "bool",
            DType::U8 => "uint8",
            DType::U16 => "uint16",
            DType::U32 => "uint32",
            DType::U64 => "uint64",
            DType::I8 => "int8",
            DType::I16 => "int16",
            DType::I32 => "int32",
            DType::I64 => "int64",
            DType::F32 => "float32",
            DType::F64 => "float64",
        }
    }

    /// The type of that full NumPy name. Short codes such as `u2` or `u8` are not names: NumPy and Rust disagree on
    /// them.
    pub fn from_name(name: &str) -> Option<DType> {
        DType::ALL.into_iter().find(|d| d.name() == name)
    }

    /// `float32` or `float64`.
    pub const fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F64)
    }

    /// An integer type; `bool` is none.
    pub const fn is_integer(self) -> bool {
        !self.is_float() && !matches!(self, DType::Bool)
    }

    /// An integer type with negative values.
    pub const fn is_signed_integer(self) -> bool {
        matches!(self, DType::I8 | DType::I16 | DType::I32 | DType::I64)
    }

    /// The type in which smoothing, derivatives and `+ - * /` compute and answer: `float64` for `float64` and 32-
    /// and 64-bit integers, else `float32`.
    pub const fn float(self) -> DType {
        match self {
            DType::F64 | DType::U32 | DType::U64 | DType::I32 | DType::I64 => DType::F64,
            _ => DType::F32,
        }
    }

    /// The smallest and largest integer the type holds; `None` for floats.
    pub const fn integer_range(self) -> Option<(i128, i128)> {
        match self {
            DType::Bool => Some((0, 1)),
            DType::U8 => Some((0, u8::MAX as i128)),
            DType::U16 => Some((0, u16::MAX as i128)),
            DType::U32 => Some((0, u32::MAX as i128)),
            DType::U64 => Some((0, u64::MAX as i128)),
            DType::I8 => Some((i8::MIN as i128, i8::MAX as i128)),
            DType::I16 => Some((i16::MIN as i128, i16::MAX as i128)),
            DType::I32 => Some((i32::MIN as i128, i32::MAX as i128)),
            DType::I64 => Some((i64::MIN as i128, i64::MAX as i128)),
            DType::F32 | DType::F64 => None,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

mod sealed {
    pub trait Sealed {}
}

/// A Rust type that arrays hold. Arrays of [`DType::Bool`] are read and written as `u8` (0 or 1).
pub trait Element:
    sealed::Sealed + bytemuck::Pod + PartialOrd + PartialEq + Send + Sync + fmt::Debug + fmt::Display + Default + 'static
{
    /// The element type.
    const DTYPE: DType;

    /// The value as `f64`; 64-bit integers round to nearest.
    fn to_f64(self) -> f64;

    /// The nearest value: round half to even, saturate, NaN becomes 0 for integers.
    fn from_f64(value: f64) -> Self;
}

macro_rules! element {
    ($($t:ty => $d:ident, $from:expr;)*) => {$(
        impl sealed::Sealed for $t {}
        impl Element for $t {
            const DTYPE: DType = DType::$d;
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                let from: fn(f64) -> $t = $from;
                from(value)
            }
        }
    )*};
}

element! {
    u8 => U8, |v| v.round_ties_even() as u8;
    u16 => U16, |v| v.round_ties_even() as u16;
    u32 => U32, |v| v.round_ties_even() as u32;
    u64 => U64, |v| v.round_ties_even() as u64;
    i8 => I8, |v| v.round_ties_even() as i8;
    i16 => I16, |v| v.round_ties_even() as i16;
    i32 => I32, |v| v.round_ties_even() as i32;
    i64 => I64, |v| v.round_ties_even() as i64;
    f32 => F32, |v| v as f32;
    f64 => F64, |v| v;
}

/// Runs the expression with `$T` bound to the Rust type that stores `$dtype` (`bool` is stored as `u8`).
macro_rules! with_dtype {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::array::DType::Bool | $crate::array::DType::U8 => {
                type $T = u8;
                $body
            }
            $crate::array::DType::U16 => {
                type $T = u16;
                $body
            }
            $crate::array::DType::U32 => {
                type $T = u32;
                $body
            }
            $crate::array::DType::U64 => {
                type $T = u64;
                $body
            }
            $crate::array::DType::I8 => {
                type $T = i8;
                $body
            }
            $crate::array::DType::I16 => {
                type $T = i16;
                $body
            }
            $crate::array::DType::I32 => {
                type $T = i32;
                $body
            }
            $crate::array::DType::I64 => {
                type $T = i64;
                $body
            }
            $crate::array::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::array::DType::F64 => {
                type $T = f64;
                $body
            }
        }
    };
}
pub(crate) use with_dtype;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_short_codes_do_not() {
        for dtype in DType::ALL {
            assert_eq!(DType::from_name(dtype.name()), Some(dtype));
        }
        assert_eq!(DType::from_name("u8"), None);
        assert_eq!(DType::from_name("u2"), None);
    }

    #[test]
    fn from_f64_rounds_half_to_even_and_saturates() {
        assert_eq!(u8::from_f64(2.5), 2);
        assert_eq!(u8::from_f64(3.5), 4);
        assert_eq!(u8::from_f64(-1.0), 0);
        assert_eq!(u8::from_f64(300.0), 255);
        assert_eq!(i16::from_f64(f64::NAN), 0);
    }
}
