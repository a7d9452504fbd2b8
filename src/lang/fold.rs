//! Python's arithmetic on values that are written out. What fails says why; the caller knows the place.

use super::ast::{BinaryOp, UnaryOp};
use crate::ops::Arg;
use std::cmp::Ordering;

type Folded = Result<Arg, String>;

/// A number; truth values count as 0 and 1, as in Python.
#[derive(Clone, Copy)]
enum Number {
    Int(i128),
    Float(f64),
}

impl Number {
    fn of(arg: &Arg) -> Option<Self> {
        match arg {
            Arg::Bool(value) => Some(Self::Int((*value).into())),
            Arg::Int(value) => Some(Self::Int(*value)),
            Arg::Float(value) => Some(Self::Float(*value)),
            _ => None,
        }
    }

    fn float(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
        }
    }

    fn is_zero(self) -> bool {
        self.float() == 0.0
    }
}

/// What kind of thing it is, with its article.
pub(super) fn kind(arg: &Arg) -> &'static str {
    match arg {
        Arg::None => "none",
        Arg::Bool(_) => "a truth value",
        Arg::Int(_) | Arg::Float(_) => "a number",
        Arg::Str(_) => "a text",
        Arg::List(_) => "a list",
        Arg::Array(array) if array.array_spec().is_none() => "a table",
        Arg::Array(array) if array.is_scalar() => "a computed scalar",
        Arg::Array(_) => "an array",
    }
}

/// `-a`, `+a`, `~a` without arrays.
pub(super) fn unary(op: UnaryOp, operand: &Arg) -> Folded {
    // NumPy's `~true` is `false`; Python's, -2, is on its way out.
    if let (UnaryOp::Not, Arg::Bool(value)) = (op, operand) {
        return Ok(Arg::Bool(!value));
    }
    match (op, Number::of(operand)) {
        (UnaryOp::Neg, Some(Number::Int(value))) => integer(value.checked_neg()),
        (UnaryOp::Neg, Some(Number::Float(value))) => Ok(Arg::Float(-value)),
        (UnaryOp::Pos, Some(Number::Int(value))) => Ok(Arg::Int(value)),
        (UnaryOp::Pos, Some(Number::Float(value))) => Ok(Arg::Float(value)),
        (UnaryOp::Not, Some(Number::Int(value))) => Ok(Arg::Int(!value)),
        _ => Err(format!("`{}` cannot be applied to {}", op.symbol(), shown(operand))),
    }
}

/// `a + b`, `a < b`, … without arrays.
pub(super) fn binary(op: BinaryOp, left: &Arg, right: &Arg) -> Folded {
    if let Some(equal) = equality_of_words(left, right) {
        match op {
            BinaryOp::Eq => return Ok(Arg::Bool(equal)),
            BinaryOp::Ne => return Ok(Arg::Bool(!equal)),
            _ => {}
        }
    }
    let (Some(a), Some(b)) = (Number::of(left), Number::of(right)) else {
        return Err(mismatch(op, left, right));
    };
    match (op, a, b) {
        _ if op.is_comparison() => Ok(Arg::Bool(compares(op, a, b))),
        (BinaryOp::And | BinaryOp::Or | BinaryOp::Xor, Number::Int(a), Number::Int(b)) => {
            let bits = bitwise(op, a, b);
            let are_truths = matches!((left, right), (Arg::Bool(_), Arg::Bool(_)));
            Ok(if are_truths { Arg::Bool(bits != 0) } else { Arg::Int(bits) })
        }
        (BinaryOp::And | BinaryOp::Or | BinaryOp::Xor, ..) => Err(mismatch(op, left, right)),
        (BinaryOp::Div | BinaryOp::FloorDiv | BinaryOp::Rem, _, b) if b.is_zero() => Err("division by zero".into()),
        (BinaryOp::Pow, Number::Int(base), Number::Int(exponent)) if exponent >= 0 => integer(power(base, exponent)),
        (BinaryOp::Pow, ..) => real_power(a.float(), b.float()),
        (BinaryOp::Div, ..) => float(a.float() / b.float()),
        (_, Number::Int(a), Number::Int(b)) => integer(of_integers(op, a, b)),
        _ => float(of_floats(op, a.float(), b.float())),
    }
}

/// Whether two texts, or two `none`s, are the same; nothing for anything else.
fn equality_of_words(left: &Arg, right: &Arg) -> Option<bool> {
    match (left, right) {
        (Arg::Str(a), Arg::Str(b)) => Some(a == b),
        (Arg::None, Arg::None) => Some(true),
        (Arg::None, Arg::Str(_)) | (Arg::Str(_), Arg::None) => Some(false),
        _ => None,
    }
}

fn compares(op: BinaryOp, a: Number, b: Number) -> bool {
    let order = match (a, b) {
        (Number::Int(a), Number::Int(b)) => Some(a.cmp(&b)),
        _ => a.float().partial_cmp(&b.float()),
    };
    match op {
        BinaryOp::Lt => order == Some(Ordering::Less),
        BinaryOp::Le => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        BinaryOp::Gt => order == Some(Ordering::Greater),
        BinaryOp::Ge => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        BinaryOp::Eq => order == Some(Ordering::Equal),
        _ => order != Some(Ordering::Equal),
    }
}

fn bitwise(op: BinaryOp, a: i128, b: i128) -> i128 {
    match op {
        BinaryOp::And => a & b,
        BinaryOp::Or => a | b,
        _ => a ^ b,
    }
}

/// The other operators; the divisor is not zero.
fn of_integers(op: BinaryOp, a: i128, b: i128) -> Option<i128> {
    match op {
        BinaryOp::Add => a.checked_add(b),
        BinaryOp::Sub => a.checked_sub(b),
        BinaryOp::Mul => a.checked_mul(b),
        BinaryOp::FloorDiv => floor_quotient(a, b),
        _ => floor_remainder(a, b),
    }
}

fn floor_quotient(a: i128, b: i128) -> Option<i128> {
    let quotient = a.checked_div(b)?;
    let is_inexact = a.checked_rem(b)? != 0;
    Some(quotient - i128::from(is_inexact && (a < 0) != (b < 0)))
}

/// The remainder has the divisor's sign.
fn floor_remainder(a: i128, b: i128) -> Option<i128> {
    let remainder = a.checked_rem(b)?;
    let is_opposite = remainder != 0 && (remainder < 0) != (b < 0);
    Some(if is_opposite { remainder + b } else { remainder })
}

fn of_floats(op: BinaryOp, a: f64, b: f64) -> f64 {
    match op {
        BinaryOp::Add => a + b,
        BinaryOp::Sub => a - b,
        BinaryOp::Mul => a * b,
        BinaryOp::FloorDiv => divided(a, b).0,
        _ => divided(a, b).1,
    }
}

/// Python's `divmod`: the quotient is rounded from the exact remainder, so `1 // 0.1` is 9.
fn divided(a: f64, b: f64) -> (f64, f64) {
    let mut remainder = a % b;
    let mut quotient = (a - remainder) / b;
    if remainder != 0.0 && (remainder < 0.0) != (b < 0.0) {
        remainder += b;
        quotient -= 1.0;
    }
    let floor = quotient.floor();
    let floor = if quotient - floor > 0.5 { floor + 1.0 } else { floor };
    let remainder = if remainder == 0.0 { 0.0_f64.copysign(b) } else { remainder };
    (floor, remainder)
}

fn power(base: i128, exponent: i128) -> Option<i128> {
    match (base, u32::try_from(exponent)) {
        (_, Ok(exponent)) => base.checked_pow(exponent),
        (0 | 1, Err(_)) => Some(base),
        (-1, Err(_)) => Some(1 - 2 * (exponent % 2)),
        (_, Err(_)) => None,
    }
}

fn real_power(base: f64, exponent: f64) -> Folded {
    if base == 0.0 && exponent < 0.0 {
        return Err("zero to a negative power: division by zero".into());
    }
    let value = base.powf(exponent);
    if value.is_nan() {
        return Err("a negative number has no real power of a fraction".into());
    }
    float(value)
}

fn integer(value: Option<i128>) -> Folded {
    value.map(Arg::Int).ok_or_else(|| "the integer becomes too large".into())
}

fn float(value: f64) -> Folded {
    if value.is_finite() { Ok(Arg::Float(value)) } else { Err("the number becomes too large".into()) }
}

fn mismatch(op: BinaryOp, left: &Arg, right: &Arg) -> String {
    format!("`{}` cannot be applied to {} and {}", op.symbol(), shown(left), shown(right))
}

/// Bitwise operators refuse floats, so for those "a number" would not say enough.
fn shown(arg: &Arg) -> &'static str {
    match arg {
        Arg::Float(_) => "a float",
        Arg::Int(_) => "an integer",
        other => kind(other),
    }
}
