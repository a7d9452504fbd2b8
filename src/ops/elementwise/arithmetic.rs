//! `+ - * / ** // %`, unary minus, `sqrt` and `hypot`.

use super::fold;
use super::numeric::{Numeric, Real};
use super::pointwise::{Operand, Rule, Types, pointwise};
use super::promote::Literal;
use super::rows::{Feed, Loads, map, zip};
use super::{X, X1, X2};
use crate::array::{DType, ViewMut, with_dtype};
use crate::error::Result;
use crate::graph::Array;
use crate::ops::{Args, OpDef};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Function {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    Hypot,
    FloorDivide,
    Remainder,
    Negative,
    Square,
    Sqrt,
}

/// A function computed in one type; the result is converted to that of the output.
#[derive(Debug)]
struct Arithmetic {
    function: Function,
    compute: DType,
}

impl Rule for Arithmetic {
    fn apply(&self, operands: &[Feed<'_>], out: &mut ViewMut<'_>) {
        match (operands, self.compute) {
            ([a], DType::F64) => real1::<f64>(self.function, a, out),
            ([a], _) => real1::<f32>(self.function, a, out),
            ([a, b], DType::F64) => real2::<f64>(self.function, a, b, out),
            ([a, b], DType::F32) => real2::<f32>(self.function, a, b, out),
            ([a, b], _) => with_dtype!(self.compute, T => whole2::<T>(self.function, a, b, out)),
            _ => {}
        }
    }

    fn cost(&self) -> f64 {
        let (single, double) = match self.function {
            Function::Power => (3.7, 9.7),
            Function::FloorDivide | Function::Remainder if !self.compute.is_float() => (1.1, 1.1),
            Function::FloorDivide | Function::Remainder => (4.5, 7.0),
            Function::Hypot => (0.6, 3.9),
            _ => (0.1, 0.2),
        };
        if self.compute == DType::F64 { double } else { single }
    }
}

fn real1<T: Real + Loads + std::ops::Mul<Output = T> + std::ops::Neg<Output = T>>(
    function: Function,
    a: &Feed<'_>,
    out: &mut ViewMut<'_>,
) {
    match function {
        Function::Square => map(
            a,
            out,
            #[inline(always)]
            |x: T| (x * x).one_nan(),
        ),
        Function::Sqrt => map(
            a,
            out,
            #[inline(always)]
            |x: T| x.root().one_nan(),
        ),
        _ => map(
            a,
            out,
            #[inline(always)]
            |x: T| -x,
        ),
    }
}

fn real2<T>(function: Function, a: &Feed<'_>, b: &Feed<'_>, out: &mut ViewMut<'_>)
where
    T: Real + Loads,
    T: std::ops::Add<Output = T> + std::ops::Sub<Output = T> + std::ops::Mul<Output = T> + std::ops::Div<Output = T>,
{
    match function {
        Function::Add => zip(
            a,
            b,
            out,
            #[inline(always)]
            |x: T, y: T| (x + y).one_nan(),
        ),
        Function::Subtract => zip(
            a,
            b,
            out,
            #[inline(always)]
            |x: T, y: T| (x - y).one_nan(),
        ),
        Function::Multiply => zip(
            a,
            b,
            out,
            #[inline(always)]
            |x: T, y: T| (x * y).one_nan(),
        ),
        Function::Divide => zip(
            a,
            b,
            out,
            #[inline(always)]
            |x: T, y: T| (x / y).one_nan(),
        ),
        Function::Power => zip(
            a,
            b,
            out,
            #[inline(always)]
            |x: T, y: T| x.power(y).one_nan(),
        ),
        Function::Hypot => zip(
            a,
            b,
            out,
            #[inline(always)]
            |x: T, y: T| x.hypotenuse(y).one_nan(),
        ),
        Function::FloorDivide => zip(
            a,
            b,
            out,
            #[inline(always)]
            |x: T, y: T| x.floor_divide(y).one_nan(),
        ),
        _ => zip(
            a,
            b,
            out,
            #[inline(always)]
            |x: T, y: T| x.remainder(y).one_nan(),
        ),
    }
}

fn whole2<T: Numeric + Loads>(function: Function, a: &Feed<'_>, b: &Feed<'_>, out: &mut ViewMut<'_>) {
    match function {
        Function::FloorDivide => zip(
            a,
            b,
            out,
            #[inline(always)]
            |x: T, y: T| x.floor_divide(y),
        ),
        _ => zip(
            a,
            b,
            out,
            #[inline(always)]
            |x: T, y: T| x.remainder(y),
        ),
    }
}

/// A function that computes in floats.
fn real(args: &Args, function: Function) -> Result<Array> {
    let operands = Operand::read_all(args)?;
    if let Some(known) = fold::constant(args.name(), &operands)? {
        return Ok(known);
    }
    build_real(args, function, &operands)
}

fn build_real(args: &Args, function: Function, operands: &[Operand]) -> Result<Array> {
    let types = Types(operands);
    let output = types.arithmetic();
    // Computed scalars are f64: with them the element is computed in f64 and rounded once.
    let compute = if types.any_scalar() { DType::F64 } else { output };
    pointwise(args.name(), operands, compute, output, Arithmetic { function, compute })
}

/// `//` and `%`: integers stay integers.
fn whole(args: &Args, function: Function) -> Result<Array> {
    let operands = Operand::read_all(args)?;
    if let Some(known) = fold::constant(args.name(), &operands)? {
        return Ok(known);
    }
    let types = Types(&operands);
    let dtype = match types.all() {
        DType::Bool => DType::I8,
        dtype => dtype,
    };
    if dtype.is_float() || types.only_scalars() {
        return build_real(args, function, &operands);
    }
    pointwise(args.name(), &operands, dtype, dtype, Arithmetic { function, compute: dtype })
}

fn power(args: &Args) -> Result<Array> {
    let operands = Operand::read_all(args)?;
    if let Some(known) = fold::constant(args.name(), &operands)? {
        return Ok(known);
    }
    // As NumPy: these two are exact, and much faster than the general power.
    match operands[1].literal() {
        Some(Literal::Int(2) | Literal::Float(2.0)) => build_real(args, Function::Square, &operands[..1]),
        Some(Literal::Float(0.5)) => build_real(args, Function::Sqrt, &operands[..1]),
        _ => build_real(args, Function::Power, &operands),
    }
}

const REAL: &str = "Computes in and gives float32, or float64 if an array operand is float64 or a 32- or 64-bit \
    integer type, so nothing wraps around. Literals take the arrays' type; computed scalars enter in float64, and the \
    result is rounded once. Two scalars give a float64 scalar. Arrays broadcast: named axes by name, others from the \
    right, axes of length one repeat.";

const WHOLE: &str = "Integers stay integers, in NumPy's common type of the operands; a literal must fit into it. \
    Integer division by zero gives 0. With a float among the operands it computes as `+` does. Rounds towards minus \
    infinity, so a remainder has the sign of the divisor.";

macro_rules! operator {
    ($id:ident, $name:literal, $build:expr, $summary:literal, $details:expr, $result:literal, $examples:expr) => {
        #[doc = concat!("`", $name, "`")]
        pub static $id: OpDef = OpDef {
            name: $name,
            family: "elementwise",
            summary: $summary,
            details: $details,
            reference: concat!("numpy.", $name),
            params: &[X1, X2],
            returns: &[("result", $result)],
            examples: $examples,
            build: $build,
        };
    };
}

operator!(
    ADD,
    "add",
    |args| real(args, Function::Add),
    "x1 + x2",
    REAL,
    "The sums.",
    &["input + 1", "add(input, input)"]
);
operator!(
    SUBTRACT,
    "subtract",
    |args| real(args, Function::Subtract),
    "x1 - x2",
    REAL,
    "The differences.",
    &["1 - input", "input - mean(input)"]
);
operator!(
    MULTIPLY,
    "multiply",
    |args| real(args, Function::Multiply),
    "x1 * x2",
    REAL,
    "The products.",
    &["input * 2.5", "input * input"]
);
operator!(
    DIVIDE,
    "divide",
    |args| real(args, Function::Divide),
    "x1 / x2",
    REAL,
    "The quotients; infinite or NaN where x2 is 0.",
    &["input / 3", "1 / input", "input / max(input)"]
);
operator!(
    POWER,
    "power",
    power,
    "x1 ** x2",
    REAL,
    "The powers; NaN for a fractional power of a negative number.",
    &["input ** 2", "input ** 1.5", "2 ** (input / 100)"]
);
operator!(
    HYPOT,
    "hypot",
    |args| real(args, Function::Hypot),
    "sqrt(x1 ** 2 + x2 ** 2), the length of a vector",
    REAL,
    "The lengths.",
    &["hypot(input, 3)", "hypot(input, input)"]
);
operator!(
    FLOOR_DIVIDE,
    "floor_divide",
    |args| whole(args, Function::FloorDivide),
    "x1 // x2",
    WHOLE,
    "The quotients, rounded down.",
    &["input // 3", "input // 2.5", "100 // input"]
);
operator!(
    REMAINDER,
    "remainder",
    |args| whole(args, Function::Remainder),
    "x1 % x2",
    WHOLE,
    "The remainders.",
    &["input % 7", "input % 0.75"]
);

/// `negative`
pub static NEGATIVE: OpDef = OpDef {
    name: "negative",
    family: "elementwise",
    summary: "-x",
    details: REAL,
    reference: "numpy.negative",
    params: &[X],
    returns: &[("result", "The numbers with the other sign.")],
    examples: &["-input"],
    build: |args| real(args, Function::Negative),
};

/// `sqrt`
pub static SQRT: OpDef = OpDef {
    name: "sqrt",
    family: "elementwise",
    summary: "The square root.",
    details: REAL,
    reference: "numpy.sqrt",
    params: &[X],
    returns: &[("result", "The roots; NaN for negative numbers.")],
    examples: &["sqrt(input)"],
    build: |args| real(args, Function::Sqrt),
};
