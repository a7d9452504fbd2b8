//! Sums and magnitudes of several arrays of floats, element by element.

use crate::array::{ArraySpec, DType, Element, Region, View, ViewMut, for_each_row, merge_axes};
use crate::error::Result;
use crate::graph::{Array, Cx, Need, TileOp};
use std::ops::{Add, Div, Mul};

/// How arrays become one.
#[derive(Clone, Copy, Debug)]
enum How {
    /// Added up, first to last.
    Sum,
    /// The root of the sum of squares, that sum divided by a number first.
    Magnitude { over: usize },
}

#[derive(Debug)]
struct Combine(How);

/// The sum of arrays of one shape and float type.
pub(crate) fn sum(arrays: Vec<Array>) -> Array {
    combine(arrays, How::Sum)
}

/// `sqrt((a² + b² + …) / over)` of arrays of one shape and float type.
pub(crate) fn magnitude(arrays: Vec<Array>, over: usize) -> Array {
    combine(arrays, How::Magnitude { over })
}

fn combine(arrays: Vec<Array>, how: How) -> Array {
    let spec = arrays.iter().find_map(|a| a.array_spec().cloned());
    match (spec, how) {
        (Some(_), How::Sum) if arrays.len() == 1 => arrays[0].clone(),
        (Some(spec), _) => Array::tile(Combine(how), arrays, spec),
        (None, _) => Array::constant(crate::array::Scalar::of(0.0)),
    }
}

impl TileOp for Combine {
    fn name(&self) -> &'static str {
        match self.0 {
            How::Sum => "sum of arrays",
            How::Magnitude { .. } => "magnitude",
        }
    }

    fn need(&self, _input: usize, out: &Region, _inputs: &[ArraySpec]) -> Need {
        Need::inside(out)
    }

    fn run(&self, _cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, _scratch: &mut [u8]) -> Result<()> {
        match out.dtype() {
            DType::F64 => combine_as::<f64>(self.0, inputs, out),
            _ => combine_as::<f32>(self.0, inputs, out),
        }
        Ok(())
    }

    fn cost(&self) -> f64 {
        0.5
    }
}

/// Floats with a root.
trait Real: Element + Add<Output = Self> + Mul<Output = Self> + Div<Output = Self> {
    fn root(self) -> Self;
    fn one_nan(self) -> Self;
}

macro_rules! real {
    ($($t:ty)*) => {$(
        impl Real for $t {
            fn root(self) -> Self {
                self.sqrt()
            }

            fn one_nan(self) -> Self {
                if self.is_nan() { <$t>::NAN } else { self }
            }
        }
    )*};
}

real!(f32 f64);

fn combine_as<T: Real>(how: How, inputs: &[View<'_>], out: &mut ViewMut<'_>) {
    let square = matches!(how, How::Magnitude { .. });
    for (k, input) in inputs.iter().enumerate() {
        let term = |x: T| if square { x * x } else { x };
        match k {
            0 => each(input, out, |_, x| term(x)),
            _ => each(input, out, |sum, x| sum + term(x)),
        }
    }
    let over = T::from_f64(if let How::Magnitude { over } = how { over as f64 } else { 1.0 });
    let (shape, [to]) = merge_axes(out.shape(), [out.strides()]);
    let values = out.typed_mut::<T>();
    for_each_row(&shape, [&to], |[t], n| {
        for value in &mut values[t..t + n] {
            // Which of several NaNs a sum keeps is the compiler's choice, so all become one.
            *value = if square { (*value / over).root() } else { *value }.one_nan();
        }
    });
}

/// Writes `f(out, input)` over every element of `out`.
fn each<T: Real>(input: &View<'_>, out: &mut ViewMut<'_>, f: impl Fn(T, T) -> T) {
    let (shape, [from, to]) = merge_axes(out.shape(), [input.strides(), out.strides()]);
    let step = from[shape.len() - 1];
    let (source, values) = (input.typed::<T>(), out.typed_mut::<T>());
    for_each_row(&shape, [&from, &to], |[s, t], n| {
        let values = &mut values[t..t + n];
        if step == 1 || n == 1 {
            values.iter_mut().zip(&source[s..s + n]).for_each(|(v, &x)| *v = f(*v, x));
        } else {
            values.iter_mut().enumerate().for_each(|(i, v)| *v = f(*v, source[s + i * step]));
        }
    });
}
