//! Conversion between element types.

use super::pointwise::{Operand, Rule, pointwise, stretched};
use super::rows::{Feed, map};
use crate::array::{ArraySpec, DType, View, ViewMut, with_dtype};
use crate::error::Result;
use crate::graph::Array;
use crate::ops::{Args, OpDef, Param, Type};

#[derive(Debug)]
struct Cast;

impl Rule for Cast {
    fn apply(&self, operands: &[Feed<'_>], out: &mut ViewMut<'_>) {
        let [a] = operands else { return };
        let from = match a {
            Feed::Rows(view) => View::dtype(view),
            Feed::Value(value) => value.dtype(),
        };
        if out.dtype() == DType::Bool {
            with_dtype!(from, S => map(a, out, #[inline(always)] |x: S| u8::from(x != S::default())));
        } else {
            with_dtype!(out.dtype(), T => map(a, out, #[inline(always)] |x: T| x));
        }
    }

    fn cost(&self) -> f64 {
        0.1
    }
}

/// The array in that type; itself if it has it already.
pub(crate) fn to(array: &Array, dtype: DType) -> Array {
    let Some(spec) = array.array_spec().filter(|s| s.dtype != dtype) else { return array.clone() };
    let operand = Operand::Array(array.clone(), spec.clone());
    // One operand always goes together with itself.
    pointwise("cast", &[operand], dtype, dtype, Cast).unwrap_or_else(|_| array.clone())
}

/// The array in the type that smoothing and derivatives compute in.
pub(crate) fn to_float(array: &Array) -> Array {
    array.dtype().map_or_else(|| array.clone(), |d| to(array, d.float()))
}

/// The array repeated along the axes of `to` that it lacks or along which it has one element.
///
/// # Errors
/// When it has an axis that `to` has not, or one of another length.
pub(crate) fn stretch(op: &str, array: &Array, spec: &ArraySpec, to: &ArraySpec) -> Result<Array> {
    stretched(op, array, spec, to, Cast)
}

fn cast(args: &Args) -> Result<Array> {
    let input = args.array("input")?;
    match args.dtype("dtype")? {
        Some(dtype) => Ok(to(&input, dtype)),
        None => Err(args.error("`dtype` is missing: an element type by its NumPy name, such as \"uint8\"")),
    }
}

/// `cast`
pub static CAST: OpDef = OpDef {
    name: "cast",
    family: "elementwise",
    summary: "Converts to another element type, rounding and saturating.",
    details: "To an integer type: rounds half to even, what lies outside the range becomes the end of the range, NaN \
        becomes 0. To bool: whether it is not zero (NaN is not). To a float: the nearest. From bool: 0 and 1. \
        (NumPy's astype truncates and wraps around instead.)",
    reference: "numpy.rint(x).clip(min, max).astype(dtype)",
    params: &[
        Param { name: "input", ty: Type::Array, default: None, doc: "The array." },
        Param {
            name: "dtype",
            ty: Type::DType,
            default: None,
            doc: "The element type by its NumPy name: \"uint8\", \"float32\", \"bool\" …",
        },
    ],
    returns: &[("result", "The array in that type.")],
    examples: &[
        "cast(input, \"uint8\")",
        "cast(input / 3, \"int16\")",
        "cast(input, \"bool\")",
        "cast(input, \"float64\")",
    ],
    build: cast,
};
