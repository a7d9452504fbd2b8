//! Functions that choose among their operands: `minimum maximum where clip abs`.

use super::fold;
use super::numeric::Numeric;
use super::pointwise::{Operand, Rule, Types, pointwise};
use super::rows::{Feed, Loads, map, zip, zip3};
use super::{X, X1, X2, cast};
use crate::array::{DType, Scalar, ViewMut, with_dtype};
use crate::error::Result;
use crate::graph::Array;
use crate::ops::labelled::{Asked, INDEX, LABELS, labelled};
use crate::ops::{Arg, Args, OpDef, Param, Type};

#[derive(Clone, Copy, Debug)]
enum Function {
    Minimum,
    Maximum,
    Abs,
    Where,
}

#[derive(Debug)]
struct Choose {
    function: Function,
    dtype: DType,
}

impl Rule for Choose {
    fn apply(&self, operands: &[Feed<'_>], out: &mut ViewMut<'_>) {
        with_dtype!(self.dtype, T => choose::<T>(self.function, operands, out));
    }

    fn cost(&self) -> f64 {
        0.1
    }
}

fn choose<T: Numeric + Loads>(function: Function, operands: &[Feed<'_>], out: &mut ViewMut<'_>) {
    match (function, operands) {
        (Function::Minimum, [a, b]) => zip(
            a,
            b,
            out,
            #[inline(always)]
            |x: T, y: T| x.smaller(y),
        ),
        (Function::Maximum, [a, b]) => zip(
            a,
            b,
            out,
            #[inline(always)]
            |x: T, y: T| x.larger(y),
        ),
        (Function::Abs, [a]) => map(
            a,
            out,
            #[inline(always)]
            |x: T| x.absolute(),
        ),
        (Function::Where, [c, a, b]) => {
            zip3(
                [c, a, b],
                out,
                #[inline(always)]
                |c: u8, x: T, y: T| if c != 0 { x } else { y },
            );
        }
        _ => {}
    }
}

fn extremum(args: &Args, function: Function, by_label: Asked) -> Result<Array> {
    if args.given("labels") || args.given("index") {
        return labelled(args, "x1", by_label);
    }
    let operands = vec![Operand::read(args, "x1")?, Operand::read(args, "x2")?];
    if let Some(known) = fold::constant(args.name(), &operands)? {
        return Ok(known);
    }
    let dtype = Types(&operands).kept();
    pointwise(args.name(), &operands, dtype, dtype, Choose { function, dtype })
}

fn absolute(args: &Args) -> Result<Array> {
    let operands = Operand::read_all(args)?;
    if let Some(known) = fold::constant(args.name(), &operands)? {
        return Ok(known);
    }
    let dtype = Types(&operands).all();
    if dtype == DType::Bool {
        return args.array("x");
    }
    pointwise(args.name(), &operands, dtype, dtype, Choose { function: Function::Abs, dtype })
}

fn choice(args: &Args) -> Result<Array> {
    let mut operands = Operand::read_all(args)?;
    let values = Types(&operands[1..]);
    let dtype = match (operands[1].literal(), operands[2].literal()) {
        (Some(x), Some(y)) => super::promote::promote(fold::dtype_of(x), fold::dtype_of(y)),
        _ => values.kept(),
    };
    let condition = args.array("condition")?;
    if let Operand::Array(array, spec) = &mut operands[0] {
        *array = cast::to(&condition, DType::Bool);
        spec.dtype = DType::Bool;
    }
    pointwise(args.name(), &operands, dtype, dtype, Choose { function: Function::Where, dtype })
}

/// Limits elements to bounds: literals, already in the array's type, or computed scalars that are so at run time.
#[derive(Debug)]
struct Clip {
    low: Bound,
    high: Bound,
}

#[derive(Clone, Copy, Debug)]
enum Bound {
    None,
    Known(Scalar),
    /// The next operand.
    Computed,
}

impl Rule for Clip {
    fn apply(&self, operands: &[Feed<'_>], out: &mut ViewMut<'_>) {
        let Some((a, computed)) = operands.split_first() else { return };
        let dtype = out.dtype();
        let mut computed = computed.iter().filter_map(|f| if let Feed::Value(v) = f { Some(*v) } else { None });
        let mut value = |bound: Bound, up: bool| match bound {
            Bound::None => None,
            Bound::Known(value) => Some(value),
            Bound::Computed => computed.next().map(|v| limit(v, dtype, up)),
        };
        let (low, high) = (value(self.low, true), value(self.high, false));
        with_dtype!(dtype, T => {
            let (low, high) = (low.map(|v| T::from_scalar(&v)), high.map(|v| T::from_scalar(&v)));
            clip_rows::<T>(a, low, high, out);
        });
    }

    fn cost(&self) -> f64 {
        0.1
    }
}

fn clip_rows<T: Numeric + Loads>(a: &Feed<'_>, low: Option<T>, high: Option<T>, out: &mut ViewMut<'_>) {
    match (low, high) {
        (Some(low), Some(high)) => map(
            a,
            out,
            #[inline(always)]
            |x: T| x.larger(low).smaller(high),
        ),
        (Some(low), None) => map(
            a,
            out,
            #[inline(always)]
            |x: T| x.larger(low),
        ),
        (None, Some(high)) => map(
            a,
            out,
            #[inline(always)]
            |x: T| x.smaller(high),
        ),
        (None, None) => map(
            a,
            out,
            #[inline(always)]
            |x: T| x,
        ),
    }
}

/// A bound in the array's type: into an integer type a fraction goes inwards, and what lies outside saturates.
fn limit(bound: Scalar, dtype: DType, up: bool) -> Scalar {
    let Some((least, most)) = dtype.integer_range() else { return Scalar::from_f64(bound.to_f64(), dtype) };
    let real = bound.to_f64();
    let inward = if up { real.ceil() } else { real.floor() };
    let whole = bound.to_i128().unwrap_or(match real.is_nan() {
        // A bound that is not a number bounds nothing.
        true => {
            if up {
                least
            } else {
                most
            }
        }
        false => inward as i128,
    });
    Scalar::from_i128(whole.clamp(least, most), dtype).unwrap_or(bound)
}

fn clip(args: &Args) -> Result<Array> {
    let (input, spec) = (args.array("input")?, args.spec("input")?);
    let mut operands = vec![Operand::Array(input, spec.clone())];
    let mut bound = |name: &str, up: bool| match args.get(name) {
        None | Some(Arg::None) => Ok(Bound::None),
        Some(Arg::Int(v)) => {
            let (least, most) = spec.dtype.integer_range().unwrap_or((i128::MIN, i128::MAX));
            Ok(Scalar::from_i128(*v.clamp(&least, &most), spec.dtype).map_or(Bound::None, Bound::Known))
        }
        Some(Arg::Float(v)) => Ok(Bound::Known(limit(Scalar::of(*v), spec.dtype, up))),
        Some(Arg::Array(array)) if let Some(scalar) = array.array_spec().filter(|s| s.rank() == 0) => {
            operands.push(Operand::Array(array.clone(), scalar.clone()));
            Ok(Bound::Computed)
        }
        Some(_) => Err(args.error(format!("`{name}` must be a number, a computed scalar or none"))),
    };
    let (low, high) = (bound("a_min", true)?, bound("a_max", false)?);
    pointwise(args.name(), &operands, spec.dtype, spec.dtype, Clip { low, high })
}

const BY_LABEL: &str = "Keeps the element type where the operands agree on it, else gives NumPy's common type; a literal \
    must fit into it, and a computed scalar takes the type of an array of floats. Arrays broadcast: named axes by \
    name, others from the right, axes of length one repeat.\n\nWith `labels=` instead of a second operand it is scipy's \
    measurement by label, as `min` and `max` have it: of the pixels with a label above 0, or of each label in `index`.";

const X2_OR_LABELS: Param = Param { default: Some("none"), ..X2 };

/// `minimum`
pub static MINIMUM: OpDef = OpDef {
    name: "minimum",
    family: "elementwise",
    summary: "The smaller of two, element by element; NaN wins. With labels: the smallest element of each.",
    details: BY_LABEL,
    reference: "numpy.minimum; with labels scipy.ndimage.minimum",
    params: &[X1, X2_OR_LABELS, LABELS, INDEX],
    returns: &[("result", "The smaller elements.")],
    examples: &[
        "minimum(input, 10)",
        "minimum(input, mean(input))",
        "minimum(input, labels=label(input > 60), index=[1, 2])",
    ],
    build: |args| extremum(args, Function::Minimum, Asked::Minimum),
};

/// `maximum`
pub static MAXIMUM: OpDef = OpDef {
    name: "maximum",
    family: "elementwise",
    summary: "The larger of two, element by element; NaN wins. With labels: the largest element of each.",
    details: BY_LABEL,
    reference: "numpy.maximum; with labels scipy.ndimage.maximum",
    params: &[X1, X2_OR_LABELS, LABELS, INDEX],
    returns: &[("result", "The larger elements.")],
    examples: &["maximum(input, 10)", "maximum(0, input)", "maximum(input, labels=input > 60)"],
    build: |args| extremum(args, Function::Maximum, Asked::Maximum),
};

/// `abs`
pub static ABS: OpDef = OpDef {
    name: "abs",
    family: "elementwise",
    summary: "Without the sign.",
    details: "Keeps the element type. As in NumPy the least integer of a signed type, which has no positive \
        counterpart, stays what it is.",
    reference: "numpy.abs",
    params: &[X],
    returns: &[("result", "The magnitudes.")],
    examples: &["abs(input)"],
    build: absolute,
};

/// `where`
pub static WHERE: OpDef = OpDef {
    name: "where",
    family: "elementwise",
    summary: "x where the condition holds, y elsewhere.",
    details: "A condition that is no mask holds where it is not zero (NaN is not). The result has NumPy's common type \
        of x and y; literals take the type of the other and must fit; a computed scalar takes the type of an array \
        of floats. All three broadcast: named axes by name, others from the right, axes of length one repeat.",
    reference: "numpy.where",
    params: &[
        Param { name: "condition", ty: Type::Array, default: None, doc: "A mask, or anything that may be zero." },
        Param { name: "x", ty: Type::ArrayOrNumber, default: None, doc: "What is taken where the condition holds." },
        Param { name: "y", ty: Type::ArrayOrNumber, default: None, doc: "What is taken elsewhere." },
    ],
    returns: &[("result", "Elements of x and y.")],
    examples: &["where(input > 5, input, 0)", "where(input, 1, 0.5)"],
    build: choice,
};

/// `clip`
pub static CLIP: OpDef = OpDef {
    name: "clip",
    family: "elementwise",
    summary: "Limits the elements to a range.",
    details: "Keeps the element type. Of an integer array a bound outside the type's range is its end, and a \
        fractional bound counts inwards (a_min up, a_max down). NaN stays NaN; where a_min > a_max everything becomes \
        a_max.",
    reference: "numpy.clip",
    params: &[
        Param { name: "input", ty: Type::Array, default: None, doc: "The array." },
        Param {
            name: "a_min",
            ty: Type::ArrayOrNumber,
            default: Some("none"),
            doc: "The lower bound: a number, a computed scalar or none.",
        },
        Param {
            name: "a_max",
            ty: Type::ArrayOrNumber,
            default: Some("none"),
            doc: "The upper bound: a number, a computed scalar or none.",
        },
    ],
    returns: &[("result", "The limited elements.")],
    examples: &["clip(input, 10, 100)", "clip(input, a_max=mean(input))", "clip(input, -5.5)"],
    build: clip,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_go_inwards_and_saturate() {
        let limit = |v: f64, dtype, up| limit(Scalar::of(v), dtype, up).to_f64();
        assert_eq!([limit(2.5, DType::U8, true), limit(2.5, DType::U8, false)], [3.0, 2.0]);
        assert_eq!([limit(-7.0, DType::U8, true), limit(1e9, DType::U8, false)], [0.0, 255.0]);
        assert_eq!([limit(f64::NAN, DType::I8, true), limit(f64::NAN, DType::I8, false)], [-128.0, 127.0]);
        assert_eq!(limit(0.1, DType::F32, true), f64::from(0.1f32));
    }
}
