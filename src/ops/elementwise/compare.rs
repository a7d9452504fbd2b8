//! `< <= > >= == !=`

use super::fold;
use super::pointwise::{Operand, Rule, in_type, pointwise};
use super::promote::{Literal, promote};
use super::rows::{Feed, Loads, map, zip};
use super::{X1, X2};
use crate::array::{DType, Scalar, ViewMut, with_dtype};
use crate::error::Result;
use crate::graph::Array;
use crate::ops::{Args, OpDef};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Comparison {
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
}

use Comparison::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};

impl Comparison {
    /// The comparison that holds for `b, a` where this one holds for `a, b`.
    fn mirrored(self) -> Self {
        match self {
            Less => Greater,
            LessEqual => GreaterEqual,
            Greater => Less,
            GreaterEqual => LessEqual,
            same => same,
        }
    }

    fn holds<T: PartialOrd>(self, a: T, b: T) -> bool {
        match self {
            Less => a < b,
            LessEqual => a <= b,
            Greater => a > b,
            GreaterEqual => a >= b,
            Equal => a == b,
            NotEqual => a != b,
        }
    }
}

/// A number that is compared with, before it is brought to an array's type.
#[derive(Clone, Copy, Debug)]
enum Number {
    Whole(i128),
    Real(f64),
}

impl Number {
    fn of(value: &Scalar) -> Self {
        value.to_i128().map_or_else(|| Number::Real(value.to_f64()), Number::Whole)
    }

    fn to_f64(self) -> f64 {
        match self {
            Number::Whole(v) => v as f64,
            Number::Real(v) => v,
        }
    }
}

/// Compares the first operand with the second, or with `number` where there is only one.
#[derive(Debug)]
struct Compare {
    comparison: Comparison,
    number: Option<Number>,
}

impl Rule for Compare {
    fn apply(&self, operands: &[Feed<'_>], out: &mut ViewMut<'_>) {
        match (operands, self.number) {
            ([a], Some(number)) => with_number(self.comparison, a, number, out),
            ([a @ Feed::Rows(_), Feed::Value(b)], _) => with_number(self.comparison, a, Number::of(b), out),
            ([Feed::Value(a), b @ Feed::Rows(_)], _) => {
                with_number(self.comparison.mirrored(), b, Number::of(a), out);
            }
            ([Feed::Value(a), Feed::Value(b)], _) => {
                let truth = numbers(self.comparison, Number::of(a), Number::of(b));
                out.fill(&[u8::from(truth)]);
            }
            ([a @ Feed::Rows(p), b @ Feed::Rows(q)], _) => arrays(self.comparison, a, b, p.dtype(), q.dtype(), out),
            _ => {}
        }
    }

    fn cost(&self) -> f64 {
        0.05
    }
}

fn numbers(comparison: Comparison, a: Number, b: Number) -> bool {
    match (a, b) {
        (Number::Whole(a), Number::Whole(b)) => comparison.holds(a, b),
        _ => comparison.holds(a.to_f64(), b.to_f64()),
    }
}

/// Compares in the array's own type, with the number that gives the same answers there as `number` does exactly.
fn with_number(comparison: Comparison, a: &Feed<'_>, number: Number, out: &mut ViewMut<'_>) {
    let dtype = match a {
        Feed::Rows(view) => view.dtype(),
        Feed::Value(value) => {
            return out.fill(&[u8::from(numbers(comparison, Number::of(value), number))]);
        }
    };
    let (comparison, bound) = settle(comparison, dtype, number);
    with_dtype!(dtype, T => compare_rows::<T>(comparison, a, T::from_scalar(&bound), out));
}

/// The comparison and the number of type `dtype` that hold for the same elements.
fn settle(comparison: Comparison, dtype: DType, number: Number) -> (Comparison, Scalar) {
    match (dtype.integer_range(), number) {
        (Some(range), Number::Whole(v)) => settle_whole(comparison, dtype, range, v),
        (Some((least, most)), Number::Real(v)) => {
            let never = (Less, least);
            let always = (GreaterEqual, least);
            let (comparison, v) = match comparison {
                NotEqual if v.is_nan() => always,
                _ if v.is_nan() => never,
                // The cast saturates, and so keeps infinities beyond every type.
                Less | GreaterEqual => (comparison, v.ceil() as i128),
                LessEqual | Greater => (comparison, v.floor() as i128),
                Equal if v.fract() != 0.0 => never,
                NotEqual if v.fract() != 0.0 => always,
                Equal | NotEqual => (comparison, v as i128),
            };
            settle_whole(comparison, dtype, (least, most), v)
        }
        (None, number) if dtype == DType::F32 => settle_single(comparison, number.to_f64()),
        (None, number) => (comparison, Scalar::of(number.to_f64())),
    }
}

fn settle_whole(comparison: Comparison, dtype: DType, (least, most): (i128, i128), v: i128) -> (Comparison, Scalar) {
    let always = if v > most {
        matches!(comparison, Less | LessEqual | NotEqual)
    } else {
        matches!(comparison, Greater | GreaterEqual | NotEqual)
    };
    match Scalar::from_i128(v, dtype) {
        Some(bound) => (comparison, bound),
        None if always => (GreaterEqual, Scalar::from_i128(least, dtype).unwrap_or(Scalar::of(0u8))),
        None => (Less, Scalar::from_i128(least, dtype).unwrap_or(Scalar::of(0u8))),
    }
}

fn settle_single(comparison: Comparison, v: f64) -> (Comparison, Scalar) {
    let near = v as f32;
    if f64::from(near) == v || v.is_nan() {
        return (comparison, Scalar::of(near));
    }
    // No single lies between these two, and none equals `v`.
    let below = if f64::from(near) < v { near } else { near.next_down() };
    let bound = match comparison {
        Less | GreaterEqual => below.next_up(),
        LessEqual | Greater => below,
        Equal | NotEqual => f32::NAN,
    };
    (comparison, Scalar::of(bound))
}

fn compare_rows<T: Loads>(comparison: Comparison, a: &Feed<'_>, b: T, out: &mut ViewMut<'_>) {
    match comparison {
        Less => map(
            a,
            out,
            #[inline(always)]
            |x: T| u8::from(x < b),
        ),
        LessEqual => map(
            a,
            out,
            #[inline(always)]
            |x: T| u8::from(x <= b),
        ),
        Greater => map(
            a,
            out,
            #[inline(always)]
            |x: T| u8::from(x > b),
        ),
        GreaterEqual => map(
            a,
            out,
            #[inline(always)]
            |x: T| u8::from(x >= b),
        ),
        Equal => map(
            a,
            out,
            #[inline(always)]
            |x: T| u8::from(x == b),
        ),
        NotEqual => map(
            a,
            out,
            #[inline(always)]
            |x: T| u8::from(x != b),
        ),
    }
}

fn arrays(comparison: Comparison, a: &Feed<'_>, b: &Feed<'_>, p: DType, q: DType, out: &mut ViewMut<'_>) {
    match comparison {
        Greater | GreaterEqual => return arrays(comparison.mirrored(), b, a, q, p, out),
        _ => {}
    }
    let both = promote(p, q);
    match (both.is_float(), p, q) {
        // No integer type holds both; neither would a float, exactly.
        (true, DType::U64, _) if q.is_signed_integer() => mixed::<u64, i64>(comparison, a, b, out),
        (true, _, DType::U64) if p.is_signed_integer() => mixed::<i64, u64>(comparison, a, b, out),
        _ => with_dtype!(both, T => same::<T>(comparison, a, b, out)),
    }
}

fn same<T: Loads>(comparison: Comparison, a: &Feed<'_>, b: &Feed<'_>, out: &mut ViewMut<'_>) {
    match comparison {
        Less => zip(
            a,
            b,
            out,
            #[inline(always)]
            |x: T, y: T| u8::from(x < y),
        ),
        LessEqual => zip(
            a,
            b,
            out,
            #[inline(always)]
            |x: T, y: T| u8::from(x <= y),
        ),
        Equal => zip(
            a,
            b,
            out,
            #[inline(always)]
            |x: T, y: T| u8::from(x == y),
        ),
        _ => zip(
            a,
            b,
            out,
            #[inline(always)]
            |x: T, y: T| u8::from(x != y),
        ),
    }
}

fn mixed<A: Loads + Into<i128>, B: Loads + Into<i128>>(
    comparison: Comparison,
    a: &Feed<'_>,
    b: &Feed<'_>,
    out: &mut ViewMut<'_>,
) {
    zip(a, b, out, |x: A, y: B| u8::from(comparison.holds(x.into(), y.into())));
}

fn compare(args: &Args, comparison: Comparison) -> Result<Array> {
    let operands = Operand::read_all(args)?;
    if let Some(known) = fold::constant(args.name(), &operands)? {
        return Ok(known);
    }
    let build = |comparison, operands: &[Operand], number| {
        pointwise(args.name(), operands, DType::F64, DType::Bool, Compare { comparison, number })
    };
    match &operands[..] {
        [array @ Operand::Array(_, spec), Operand::Literal(literal)] => {
            let number = weak(args.name(), *literal, if spec.rank() > 0 { spec.dtype } else { DType::F64 })?;
            build(comparison, std::slice::from_ref(array), Some(number))
        }
        [Operand::Literal(literal), array @ Operand::Array(_, spec)] => {
            let number = weak(args.name(), *literal, if spec.rank() > 0 { spec.dtype } else { DType::F64 })?;
            build(comparison.mirrored(), std::slice::from_ref(array), Some(number))
        }
        _ => build(comparison, &operands, None),
    }
}

/// A literal takes the type of an array of floats; with anything else it compares as what it is.
fn weak(op: &str, literal: Literal, dtype: DType) -> Result<Number> {
    match (dtype, literal.to_i128()) {
        (DType::F32, _) => Ok(Number::Real(in_type(op, literal, dtype)?.to_f64())),
        (_, Some(v)) => Ok(Number::Whole(v)),
        (_, None) => Ok(Number::Real(literal.to_f64())),
    }
}

const DETAILS: &str = "Gives bool. Integers of any types and literals compare exactly, also beyond the range of the \
    type (uint8 > 300 is false everywhere). A literal takes the type of an array of floats, so float32 values compare \
    with 0.1 rounded to float32, as in NumPy; computed scalars compare in float64. Comparisons with NaN are false, \
    but for !=. Arrays broadcast: named axes by name, others from the right, axes of length one repeat.";

macro_rules! comparison {
    ($id:ident, $name:literal, $comparison:expr, $summary:literal, $examples:expr) => {
        #[doc = concat!("`", $name, "`")]
        pub static $id: OpDef = OpDef {
            name: $name,
            family: "elementwise",
            summary: $summary,
            details: DETAILS,
            reference: concat!("numpy.", $name),
            params: &[X1, X2],
            returns: &[("mask", "bool: where the comparison holds.")],
            examples: $examples,
            build: |args| compare(args, $comparison),
        };
    };
}

comparison!(LESS, "less", Less, "x1 < x2", &["input < 100", "mean(input) < input"]);
comparison!(LESS_EQUAL, "less_equal", LessEqual, "x1 <= x2", &["input <= 5"]);
comparison!(GREATER, "greater", Greater, "x1 > x2", &["input > 2.5", "input > mean(input)"]);
comparison!(GREATER_EQUAL, "greater_equal", GreaterEqual, "x1 >= x2", &["input >= 5"]);
comparison!(EQUAL, "equal", Equal, "x1 == x2", &["input == 7", "input == max(input)"]);
comparison!(NOT_EQUAL, "not_equal", NotEqual, "x1 != x2", &["input != 7"]);

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Comparison; 6] = [Less, LessEqual, Greater, GreaterEqual, Equal, NotEqual];

    #[test]
    fn numbers_settle_into_the_type_without_changing_an_answer() {
        let numbers = [
            -300.0,
            -129.0,
            -128.5,
            -1.0,
            -0.5,
            0.0,
            0.5,
            2.5,
            3.0,
            127.0,
            127.5,
            255.0,
            256.0,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
        ];
        for comparison in ALL {
            for v in numbers {
                let (c, bound) = settle(comparison, DType::I8, Number::Real(v));
                let (d, unsigned) = settle(comparison, DType::U8, Number::Real(v));
                for x in -128..=127 {
                    assert_eq!(
                        c.holds(f64::from(x), bound.to_f64()),
                        comparison.holds(f64::from(x), v),
                        "{x} {comparison:?} {v}"
                    );
                    let u = f64::from(x + 128);
                    assert_eq!(d.holds(u, unsigned.to_f64()), comparison.holds(u, v), "{u} {comparison:?} {v}");
                }
            }
        }
    }

    #[test]
    fn doubles_settle_between_singles() {
        let singles = [0.1f32, 0.1f32.next_up(), 0.1f32.next_down(), f32::MAX, f32::MIN, f32::INFINITY, f32::NAN, 0.0];
        for comparison in ALL {
            for v in [0.1, 0.1 + 1e-12, f64::from(0.1f32), 1e300, -1e300, f64::NAN, 0.0, 1e-60] {
                let (c, bound) = settle(comparison, DType::F32, Number::Real(v));
                for x in singles {
                    assert_eq!(
                        c.holds(f64::from(x), bound.to_f64()),
                        comparison.holds(f64::from(x), v),
                        "{x} {comparison:?} {v}"
                    );
                }
            }
        }
    }
}
