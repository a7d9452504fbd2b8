//! Integers as fractions of their type's range, as scikit-image takes images.

use crate::array::{DType, ViewMut};
use crate::error::Result;
use crate::graph::Array;
use crate::ops::elementwise::pointwise::{Operand, Rule, pointwise};
use crate::ops::elementwise::rows::{Feed, map};

/// Divides by the largest value of the type, the quotient rounded as NumPy's product with its inverse is.
#[derive(Debug)]
struct Unit {
    inverse: f64,
}

impl Rule for Unit {
    fn apply(&self, operands: &[Feed<'_>], out: &mut ViewMut<'_>) {
        let [a] = operands else { return };
        let inverse = self.inverse;
        // The smallest signed integer lies one step below -1.
        map(
            a,
            out,
            #[inline(always)]
            |x: f64| (x * inverse).max(-1.0),
        );
    }

    fn cost(&self) -> f64 {
        0.3
    }
}

/// scikit-image's `img_as_float`: integers become -1 or 0 to 1, of the type `float`; floats stay as they are.
///
/// # Errors
/// None that a valid array could cause.
pub(crate) fn to_unit(array: &Array, float: DType) -> Result<Array> {
    let Some(spec) = array.array_spec() else { return Ok(array.clone()) };
    let Some((_, largest)) = spec.dtype.integer_range() else { return Ok(array.clone()) };
    let operand = Operand::Array(array.clone(), spec.clone());
    pointwise("img_as_float", &[operand], float, float, Unit { inverse: 1.0 / largest as f64 })
}
