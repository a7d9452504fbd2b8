//! NumPy's promotion, in one place.

use crate::array::DType;

/// A number written in the pipeline: it takes the type of the arrays it meets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Literal {
    /// `true`, `false`
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// Any other number.
    Float(f64),
}

impl Literal {
    /// The nearest `f64`.
    pub fn to_f64(self) -> f64 {
        match self {
            Literal::Bool(v) => f64::from(u8::from(v)),
            Literal::Int(v) => v as f64,
            Literal::Float(v) => v,
        }
    }

    /// The value, unless it is a float.
    pub fn to_i128(self) -> Option<i128> {
        match self {
            Literal::Bool(v) => Some(i128::from(v)),
            Literal::Int(v) => Some(v),
            Literal::Float(_) => None,
        }
    }
}

impl std::fmt::Display for Literal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Literal::Bool(v) => write!(f, "{v}"),
            Literal::Int(v) => write!(f, "{v}"),
            Literal::Float(v) => write!(f, "{v:?}"),
        }
    }
}

/// The smallest type that holds both (`numpy.promote_types`); `uint64` with a signed type gives `float64`.
pub(crate) fn promote(a: DType, b: DType) -> DType {
    if a == b || b == DType::Bool {
        return a;
    }
    if a == DType::Bool {
        return b;
    }
    match (a.is_float(), b.is_float()) {
        (true, true) => DType::F64,
        (true, false) => {
            if b.size() < 4 {
                a
            } else {
                DType::F64
            }
        }
        (false, true) => promote(b, a),
        (false, false) => promote_integers(a, b),
    }
}

fn promote_integers(a: DType, b: DType) -> DType {
    if a.is_signed_integer() == b.is_signed_integer() {
        return if a.size() >= b.size() { a } else { b };
    }
    let (signed, unsigned) = if a.is_signed_integer() { (a, b) } else { (b, a) };
    if signed.size() > unsigned.size() {
        return signed;
    }
    match unsigned {
        DType::U8 => DType::I16,
        DType::U16 => DType::I32,
        DType::U32 => DType::I64,
        _ => DType::F64,
    }
}

/// The type an array of type `dtype` and a literal give: the array's, unless the literal is of a higher kind.
pub(crate) fn promote_weak(dtype: DType, literal: Literal) -> DType {
    match literal {
        Literal::Int(_) if dtype == DType::Bool => DType::I64,
        Literal::Float(_) if !dtype.is_float() => DType::F64,
        _ => dtype,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promotes_as_numpy_does() {
        use DType::*;
        let cases = [
            (U8, I8, I16),
            (U8, U16, U16),
            (I8, U16, I32),
            (I64, U32, I64),
            (U64, I8, F64),
            (U64, U8, U64),
            (Bool, I8, I8),
            (Bool, Bool, Bool),
            (F32, U16, F32),
            (F32, I32, F64),
            (F32, F64, F64),
            (I16, U8, I16),
        ];
        for (a, b, both) in cases {
            assert_eq!(promote(a, b), both, "{a} {b}");
            assert_eq!(promote(b, a), both, "{b} {a}");
        }
        assert_eq!(promote_weak(U8, Literal::Float(0.5)), F64);
        assert_eq!(promote_weak(Bool, Literal::Int(2)), I64);
        assert_eq!(promote_weak(F32, Literal::Float(0.1)), F32);
    }
}
