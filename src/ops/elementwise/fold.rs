//! Calls whose operands are all literals, computed at once as Python does.

use super::pointwise::{Operand, in_type};
use super::promote::Literal;
use crate::array::DType;
use crate::error::{Error, Result};
use crate::graph::Array;

/// The known scalar that a call stands for whose operands are all literals.
pub(crate) fn constant(op: &str, operands: &[Operand]) -> Result<Option<Array>> {
    let Some(literals) = operands.iter().map(Operand::literal).collect::<Option<Vec<_>>>() else { return Ok(None) };
    let folded = match literals[..] {
        [a] => unary(op, a),
        [a, b] => binary(op, a, b)?,
        _ => None,
    };
    let Some(value) = folded else { return Err(Error::op(op, "needs at least one array")) };
    Ok(Some(Array::constant(in_type(op, value, dtype_of(value))?)))
}

/// NumPy's type of a number on its own.
pub(crate) fn dtype_of(literal: Literal) -> DType {
    match literal {
        Literal::Bool(_) => DType::Bool,
        Literal::Int(_) => DType::I64,
        Literal::Float(_) => DType::F64,
    }
}

fn unary(op: &str, a: Literal) -> Option<Literal> {
    match (op, a.to_i128()) {
        ("negative", Some(v)) => v.checked_neg().map(Literal::Int),
        ("negative", None) => Some(Literal::Float(-a.to_f64())),
        ("abs", Some(v)) => v.checked_abs().map(Literal::Int),
        ("abs", None) => Some(Literal::Float(a.to_f64().abs())),
        ("sqrt", _) => Some(Literal::Float(a.to_f64().sqrt())),
        ("bitwise_not", Some(v)) => Some(if let Literal::Bool(b) = a { Literal::Bool(!b) } else { Literal::Int(!v) }),
        _ => None,
    }
}

fn binary(op: &str, a: Literal, b: Literal) -> Result<Option<Literal>> {
    let divides = matches!(op, "divide" | "floor_divide" | "remainder");
    if divides && b.to_f64() == 0.0 {
        return Err(Error::op(op, format!("{a} divided by zero")));
    }
    Ok(match (a.to_i128(), b.to_i128()) {
        (Some(x), Some(y)) => whole(op, x, y).or_else(|| real(op, x as f64, y as f64)),
        _ => real(op, a.to_f64(), b.to_f64()),
    })
}

fn whole(op: &str, x: i128, y: i128) -> Option<Literal> {
    let number = match op {
        "add" => x.checked_add(y),
        "subtract" => x.checked_sub(y),
        "multiply" => x.checked_mul(y),
        "floor_divide" => x.checked_div(y).map(|q| q - i128::from(x % y != 0 && (x < 0) != (y < 0))),
        "remainder" => Some(match x.checked_rem(y)? {
            r if r != 0 && (r < 0) != (y < 0) => r + y,
            r => r,
        }),
        "power" => x.checked_pow(u32::try_from(y).ok()?),
        "bitwise_and" => Some(x & y),
        "bitwise_or" => Some(x | y),
        "bitwise_xor" => Some(x ^ y),
        "minimum" => Some(x.min(y)),
        "maximum" => Some(x.max(y)),
        _ => return compare(op, x, y),
    };
    number.map(Literal::Int)
}

fn real(op: &str, x: f64, y: f64) -> Option<Literal> {
    use super::numeric::Numeric;
    let number = match op {
        "add" => x + y,
        "subtract" => x - y,
        "multiply" => x * y,
        "divide" => x / y,
        "floor_divide" => x.floor_divide(y),
        "remainder" => x.remainder(y),
        "power" => x.powf(y),
        "hypot" => x.hypot(y),
        "minimum" => x.smaller(y),
        "maximum" => x.larger(y),
        _ => return compare(op, x, y),
    };
    Some(Literal::Float(number))
}

fn compare<T: PartialOrd>(op: &str, x: T, y: T) -> Option<Literal> {
    let truth = match op {
        "less" => x < y,
        "less_equal" => x <= y,
        "greater" => x > y,
        "greater_equal" => x >= y,
        "equal" => x == y,
        "not_equal" => x != y,
        _ => return None,
    };
    Some(Literal::Bool(truth))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(op: &str, a: Literal, b: Literal) -> String {
        binary(op, a, b).map_or_else(|e| e.to_string(), |v| format!("{v:?}"))
    }

    fn ints(op: &str, a: i128, b: i128) -> String {
        folded(op, Literal::Int(a), Literal::Int(b))
    }

    #[test]
    fn folds_as_python_does() {
        assert_eq!(ints("power", 3, 2), "Some(Int(9))");
        assert_eq!(ints("power", 2, -1), "Some(Float(0.5))");
        assert_eq!(ints("divide", 6, 3), "Some(Float(2.0))");
        let floored = [(-7, 2), (7, -2), (-7, -2)].map(|(a, b)| ints("floor_divide", a, b));
        assert_eq!(floored, ["Some(Int(-4))", "Some(Int(-4))", "Some(Int(3))"]);
        assert_eq!([ints("remainder", -7, 2), ints("remainder", 7, -2)], ["Some(Int(1))", "Some(Int(-1))"]);
        assert_eq!(folded("less", Literal::Int(2), Literal::Float(2.5)), "Some(Bool(true))");
        assert_eq!(ints("divide", 1, 0), "divide: 1 divided by zero");
    }
}
