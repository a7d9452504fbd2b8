//! `& | ^ ~`

use super::fold;
use super::pointwise::{Operand, Rule, Types, pointwise};
use super::rows::{Feed, Loads, map, zip};
use super::{X, X1, X2};
use crate::array::{DType, ViewMut};
use crate::error::Result;
use crate::graph::Array;
use crate::ops::{Args, OpDef};
use std::ops::{BitAnd, BitOr, BitXor, Not};

#[derive(Clone, Copy, Debug)]
enum Function {
    And,
    Or,
    Xor,
    Not,
}

#[derive(Debug)]
struct Bitwise {
    function: Function,
    dtype: DType,
}

impl Rule for Bitwise {
    fn apply(&self, operands: &[Feed<'_>], out: &mut ViewMut<'_>) {
        // Signs do not matter to bits, only the width does.
        match (operands, self.dtype) {
            ([a], DType::Bool) => map(
                a,
                out,
                #[inline(always)]
                |x: u8| x ^ 1,
            ),
            (_, dtype) => match (dtype.size(), dtype.is_signed_integer()) {
                (1, false) => bits::<u8>(self.function, operands, out),
                (1, true) => bits::<i8>(self.function, operands, out),
                (2, false) => bits::<u16>(self.function, operands, out),
                (2, true) => bits::<i16>(self.function, operands, out),
                (4, false) => bits::<u32>(self.function, operands, out),
                (4, true) => bits::<i32>(self.function, operands, out),
                (_, false) => bits::<u64>(self.function, operands, out),
                (_, true) => bits::<i64>(self.function, operands, out),
            },
        }
    }

    fn cost(&self) -> f64 {
        0.05
    }
}

fn bits<T>(function: Function, operands: &[Feed<'_>], out: &mut ViewMut<'_>)
where
    T: Loads + BitAnd<Output = T> + BitOr<Output = T> + BitXor<Output = T> + Not<Output = T>,
{
    match (function, operands) {
        (Function::And, [a, b]) => zip(
            a,
            b,
            out,
            #[inline(always)]
            |x: T, y: T| x & y,
        ),
        (Function::Or, [a, b]) => zip(
            a,
            b,
            out,
            #[inline(always)]
            |x: T, y: T| x | y,
        ),
        (Function::Xor, [a, b]) => zip(
            a,
            b,
            out,
            #[inline(always)]
            |x: T, y: T| x ^ y,
        ),
        (Function::Not, [a]) => map(
            a,
            out,
            #[inline(always)]
            |x: T| !x,
        ),
        _ => {}
    }
}

fn bitwise(args: &Args, function: Function) -> Result<Array> {
    let operands = Operand::read_all(args)?;
    if let Some(known) = fold::constant(args.name(), &operands)? {
        return Ok(known);
    }
    let dtype = Types(&operands).all();
    if dtype.is_float() {
        return Err(args.error(
            "takes masks and integers that a common integer type holds, not floats; compare first, \
            as in `(x > 1) & (x < 5)`",
        ));
    }
    pointwise(args.name(), &operands, dtype, dtype, Bitwise { function, dtype })
}

const DETAILS: &str = "On masks a logical operation, on integers one on their bits, in NumPy's common type of the \
    operands. Floats are an error. Arrays broadcast: named axes by name, others from the right, axes of length one \
    repeat.";

macro_rules! operator {
    ($id:ident, $name:literal, $function:expr, $summary:literal, $params:expr, $reference:literal, $examples:expr) => {
        #[doc = concat!("`", $name, "`")]
        pub static $id: OpDef = OpDef {
            name: $name,
            family: "elementwise",
            summary: $summary,
            details: DETAILS,
            reference: $reference,
            params: $params,
            returns: &[("result", "A mask, or integers.")],
            examples: $examples,
            build: |args| bitwise(args, $function),
        };
    };
}

operator!(
    BITWISE_AND,
    "bitwise_and",
    Function::And,
    "x1 & x2",
    &[X1, X2],
    "numpy.bitwise_and",
    &["(input > 10) & (input < 200)"]
);
operator!(
    BITWISE_OR,
    "bitwise_or",
    Function::Or,
    "x1 | x2",
    &[X1, X2],
    "numpy.bitwise_or",
    &["(input < 3) | (input > 9)"]
);
operator!(
    BITWISE_XOR,
    "bitwise_xor",
    Function::Xor,
    "x1 ^ x2",
    &[X1, X2],
    "numpy.bitwise_xor",
    &["(input > 3) ^ (input > 9)"]
);
operator!(BITWISE_NOT, "bitwise_not", Function::Not, "~x", &[X], "numpy.invert", &["~(input > 3)"]);
