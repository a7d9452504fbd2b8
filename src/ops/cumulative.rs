//! Sums and products of all elements up to each, along an axis.

use super::{Args, INPUT, OpDef, Param, Type};
use crate::array::{ArraySpec, DType, Dims, Element, Region, View, ViewMut, for_each_row, with_dtype};
use crate::error::Result;
use crate::graph::{Array, Cx, Need, TileOp};
use crate::ops::window::{scratch_bytes, scratch_of};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Running {
    Sum,
    Product,
}

/// A running sum or product: every box starts from the beginning of the axis.
#[derive(Debug)]
struct Cumulative {
    which: Running,
    axis: usize,
}

impl TileOp for Cumulative {
    fn name(&self) -> &'static str {
        match self.which {
            Running::Sum => "cumsum",
            Running::Product => "cumprod",
        }
    }

    fn need(&self, _input: usize, out: &Region, inputs: &[ArraySpec]) -> Need {
        let mut region = out.clone();
        (region.start[self.axis], region.shape[self.axis]) = (0, inputs[0].shape[self.axis]);
        Need::inside(&region)
    }

    fn scratch(&self, out: &[u64], _inputs: &[ArraySpec]) -> u64 {
        let across: u64 = out.iter().enumerate().filter(|&(a, _)| a != self.axis).map(|(_, &n)| n).product();
        scratch_bytes::<u64>(across as usize)
    }

    fn run(&self, cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, scratch: &mut [u8]) -> Result<()> {
        let product = self.which == Running::Product;
        match cx.output.dtype {
            DType::F64 => with_dtype!(inputs[0].dtype(), T => {
                let join = |sum: f64, x: T| if product { sum * x.to_f64() } else { sum + x.to_f64() };
                let first = if product { 1.0 } else { 0.0 };
                self.run_as(cx.out, &inputs[0], out, scratch_of::<f64>(scratch), first, join, one_nan);
            }),
            // As in NumPy, 64 bits wrap around; those of signed and unsigned sums are the same.
            _ => with_dtype!(inputs[0].dtype(), T => {
                let join = |sum: u64, x: T| match product {
                    true => sum.wrapping_mul(bits(x)),
                    false => sum.wrapping_add(bits(x)),
                };
                let first = u64::from(product);
                self.run_as(cx.out, &inputs[0], out, scratch_of::<u64>(scratch), first, join, |x| x);
            }),
        }
        Ok(())
    }

    fn cost(&self) -> f64 {
        1.5
    }
}

fn one_nan(x: f64) -> f64 {
    if x.is_nan() { f64::NAN } else { x }
}

/// An integer with its sign extended to 64 bits.
#[inline(always)]
fn bits<T: Element>(x: T) -> u64 {
    match T::DTYPE {
        DType::U64 | DType::I64 => bytemuck::cast(x),
        _ => x.to_f64() as i64 as u64,
    }
}

impl Cumulative {
    #[expect(clippy::too_many_arguments, reason = "a box, its memory and what is done to it")]
    fn run_as<T: Element, S: Element>(
        &self,
        at: &Region,
        tile: &View<'_>,
        out: &mut ViewMut<'_>,
        sums: &mut [S],
        first: S,
        join: impl Fn(S, T) -> S,
        shown: impl Fn(S) -> S,
    ) {
        let skipped = at.start[self.axis] as usize;
        let data = tile.typed::<T>();
        let mut slab: Dims = tile.shape().iter().map(|&n| n as u64).collect();
        slab[self.axis] = 1;
        let shape: Vec<usize> = slab.iter().map(|&n| n as usize).collect();
        let across: usize = shape.iter().product();
        let sums = &mut sums[..across];
        sums.fill(first);
        let last = shape.len() - 1;
        let (from_step, strides) = (tile.strides()[last], out.strides().to_vec());
        let size = out.shape()[self.axis];
        let to = out.typed_mut::<S>();
        for i in 0..skipped + size {
            let mut next = 0;
            let from = i * tile.strides()[self.axis];
            for_each_row(&shape, [tile.strides(), &strides], |[x, o], n| {
                let sums = &mut sums[next..next + n];
                for (k, sum) in sums.iter_mut().enumerate() {
                    *sum = join(*sum, data[from + x + k * from_step]);
                }
                if i >= skipped {
                    let o = o + (i - skipped) * strides[self.axis];
                    sums.iter().enumerate().for_each(|(k, &sum)| to[o + k] = shown(sum));
                }
                next += n;
            });
        }
    }
}

fn cumulative(args: &Args, which: Running) -> Result<Array> {
    let (input, spec) = (args.array("input")?, args.spec("input")?);
    if spec.rank() == 0 {
        return Err(args.error("takes an array, not a scalar"));
    }
    let axis = args.axis("axis", &spec, -1)?;
    let dtype = match spec.dtype {
        dtype if dtype.is_float() => DType::F64,
        dtype if dtype == DType::Bool || dtype.is_signed_integer() => DType::I64,
        _ => DType::U64,
    };
    Ok(Array::tile(Cumulative { which, axis }, vec![input], spec.with_dtype(dtype)))
}

const ALONG: Param = Param {
    name: "axis",
    ty: Type::Axis,
    default: None,
    doc: "The axis: its number (negative from the last) or letter.",
};

const DETAILS: &str = "Of the elements from the beginning of the axis to each, in that order, in float64 for floats (the \
    relative error of n sums is at most n·2⁻⁵³ of the sum of magnitudes); uint64 for unsigned integers, int64 for signed \
    ones and masks, which wrap around as in NumPy. NaN propagates to all that follow. NumPy's form without an axis, which \
    flattens the array, is not there. Whole lines along the axis are held in memory.";

/// `cumsum`
pub static CUMSUM: OpDef = OpDef {
    name: "cumsum",
    family: "reductions",
    summary: "The sum of all elements up to each, along an axis.",
    details: DETAILS,
    reference: "numpy.cumsum",
    params: &[INPUT, ALONG],
    returns: &[("sums", "As large as the array.")],
    examples: &["cumsum(input, axis=0)", "cumsum(input, axis=-1)", "cumsum(input > 3, axis=-1)"],
    build: |args| cumulative(args, Running::Sum),
};

/// `cumprod`
pub static CUMPROD: OpDef = OpDef {
    name: "cumprod",
    family: "reductions",
    summary: "The product of all elements up to each, along an axis.",
    details: DETAILS,
    reference: "numpy.cumprod",
    params: &[INPUT, ALONG],
    returns: &[("products", "As large as the array.")],
    examples: &["cumprod(input, axis=0)", "cumprod(input, axis=-1)"],
    build: |args| cumulative(args, Running::Product),
};
