//! What is made of a dilation, an erosion and the image, in the image's own type.

use crate::array::{ArraySpec, DType, Region, View, ViewMut, with_dtype};
use crate::error::Result;
use crate::graph::{Array, Cx, Need, TileOp};
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

/// NumPy's sums: integers wrap.
trait Wrapping {
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
}

macro_rules! wrapping_integers {
    ($($t:ty)*) => {$(
        impl Wrapping for $t {
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }

            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
        }
    )*};
}

wrapping_integers!(u8 u16 u32 u64 i8 i16 i32 i64);

macro_rules! wrapping_floats {
    ($($t:ty)*) => {$(
        impl Wrapping for $t {
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                let sum = self + other;
                // Which NaN comes out of two depends on the order in which the compiler adds them.
                if sum.is_nan() { <$t>::NAN } else { sum }
            }

            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self.plus(-other)
            }
        }
    )*};
}

wrapping_floats!(f32 f64);

fn subtract<T: Loads + Wrapping>(a: &Feed<'_>, b: &Feed<'_>, out: &mut ViewMut<'_>) {
    zip(
        a,
        b,
        out,
        #[inline(always)]
        |a: T, b: T| a.minus(b),
    );
}

fn second<T: Loads + Wrapping>(abc: [&Feed<'_>; 3], out: &mut ViewMut<'_>) {
    zip3(
        abc,
        out,
        #[inline(always)]
        |a: T, b: T, c: T| a.plus(b).minus(c).minus(c),
    );
}
