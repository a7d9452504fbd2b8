//! Functions that go element by element, and the operators.

mod arithmetic;
mod bitwise;
mod broadcast;
pub(crate) mod cast;
mod choose;
mod compare;
mod fold;
mod numeric;
pub(crate) mod pointwise;
pub(crate) mod promote;
pub(crate) mod rows;

pub use arithmetic::{ADD, DIVIDE, FLOOR_DIVIDE, HYPOT, MULTIPLY, NEGATIVE, POWER, REMAINDER, SQRT, SUBTRACT};
pub use bitwise::{BITWISE_AND, BITWISE_NOT, BITWISE_OR, BITWISE_XOR};
pub use cast::CAST;
pub use choose::{ABS, CLIP, MAXIMUM, MINIMUM, WHERE};
pub use compare::{EQUAL, GREATER, GREATER_EQUAL, LESS, LESS_EQUAL, NOT_EQUAL};

use super::{Param, Type};

const X: Param = Param { name: "x", ty: Type::ArrayOrNumber, default: None, doc: "An array or a number." };
const X1: Param =
    Param { name: "x1", ty: Type::ArrayOrNumber, default: None, doc: "The left side: an array or a number." };
const X2: Param =
    Param { name: "x2", ty: Type::ArrayOrNumber, default: None, doc: "The right side: an array or a number." };
