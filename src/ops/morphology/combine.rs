//! What is made of a dilation, an erosion and the image, in the image's own type.

use crate::array::{ArraySpec, DType, Region, View, ViewMut, with_dtype};
use crate::error::Result;
use crate::graph::{Array, Cx, Need, TileOp};
use crate::kernels::morphology::Height;
use crate::ops::elementwise::rows::{Feed, Loads, zip, zip3};

/// A difference that wraps as NumPy's does; of masks the exclusive or.
#[derive(Debug)]
enum Combine {
    /// `a - b`
    Difference,
    /// `a + b - c - c`
    Laplace,
}

/// `a - b` in the type of both.
pub(super) fn difference(a: &Array, b: &Array, spec: &ArraySpec) -> Array {
    Array::tile(Combine::Difference, vec![a.clone(), b.clone()], spec.clone())
}

/// `a + b - c - c` in the type of all.
pub(super) fn laplace(a: &Array, b: &Array, c: &Array, spec: &ArraySpec) -> Array {
    Array::tile(Combine::Laplace, vec![a.clone(), b.clone(), c.clone()], spec.clone())
}

impl TileOp for Combine {
    fn name(&self) -> &'static str {
        match self {
            Combine::Difference => "difference",
            Combine::Laplace => "morphological_laplace",
        }
    }

    fn need(&self, _input: usize, out: &Region, _inputs: &[ArraySpec]) -> Need {
        Need::inside(out)
    }

    fn run(&self, _cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, _scratch: &mut [u8]) -> Result<()> {
        let feed = |k: usize| Feed::Rows(inputs[k].clone());
        match (self, out.dtype()) {
            (Combine::Difference, DType::Bool) => zip(
                &feed(0),
                &feed(1),
                out,
                #[inline(always)]
                |a: u8, b: u8| a ^ b,
            ),
            (Combine::Difference, dtype) => with_dtype!(dtype, T => subtract::<T>(&feed(0), &feed(1), out)),
            (Combine::Laplace, dtype) => with_dtype!(dtype, T => second::<T>([&feed(0), &feed(1), &feed(2)], out)),
        }
        Ok(())
    }

    fn cost(&self) -> f64 {
        0.1
    }
}

fn subtract<T: Loads + Height>(a: &Feed<'_>, b: &Feed<'_>, out: &mut ViewMut<'_>) {
    zip(
        a,
        b,
        out,
        #[inline(always)]
        |a: T, b: T| a.lowered(b).one_nan(),
    );
}

fn second<T: Loads + Height>(abc: [&Feed<'_>; 3], out: &mut ViewMut<'_>) {
    zip3(
        abc,
        out,
        #[inline(always)]
        |a: T, b: T, c: T| a.raised(b).lowered(c).lowered(c).one_nan(),
    );
}
