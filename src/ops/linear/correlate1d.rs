//! Correlation along axes: what all separable filters are made of.

use crate::array::{ArraySpec, DType, Element, Mode, Region, Scalar, View, ViewMut};
use crate::error::Result;
use crate::graph::{Array, Cx, Need, TileOp};
use crate::kernels::correlate::{Float, Sample, Symmetry, correlate};
use crate::ops::elementwise::cast;
use crate::ops::window::{LineWalk, MAX_WINDOW, Window, axis, check_origin};
use crate::ops::{AXIS, Args, CVAL, INPUT, MODE, ORIGIN, OpDef, Param, Type};

/// Correlation of floats along one axis.
#[derive(Debug)]
struct Correlate1d {
    window: Window,
    taps: Taps,
}

#[derive(Debug)]
enum Taps {
    Single(Vec<f32>, Symmetry),
    Double(Vec<f64>, Symmetry),
    /// Doubles over singles: rounded once per axis, as scipy does.
    Wide(Vec<f64>, Symmetry),
}

/// Whether products may cancel, so that their sum is far smaller than they are and keeps few digits of its own.
pub(super) fn cancels(weights: &[f64]) -> bool {
    weights.iter().any(|&w| w > 0.0) && weights.iter().any(|&w| w < 0.0)
}

impl Taps {
    fn new(weights: &[f64], dtype: DType, sums: Sums) -> Self {
        let double = Symmetry::of(weights);
        if dtype == DType::F64 {
            return Taps::Double(weights.to_vec(), double);
        }
        if sums == Sums::Double || cancels(weights) {
            return Taps::Wide(weights.to_vec(), double);
        }
        let single: Vec<f32> = weights.iter().map(|&w| w as f32).collect();
        let symmetry = Symmetry::of(&single);
        Taps::Single(single, symmetry)
    }
}

impl TileOp for Correlate1d {
    fn name(&self) -> &'static str {
        "correlate1d"
    }

    fn need(&self, _input: usize, out: &Region, _inputs: &[ArraySpec]) -> Need {
        self.window.need(out)
    }

    fn run(&self, _cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, _scratch: &mut [u8]) -> Result<()> {
        match &self.taps {
            Taps::Single(taps, symmetry) => run::<f32, f32>(&inputs[0], out, self.window.axis, taps, *symmetry),
            Taps::Double(taps, symmetry) => run::<f64, f64>(&inputs[0], out, self.window.axis, taps, *symmetry),
            Taps::Wide(taps, symmetry) => run::<f32, f64>(&inputs[0], out, self.window.axis, taps, *symmetry),
        }
        Ok(())
    }

    fn cost(&self) -> f64 {
        let (per_tap, taps) = match &self.taps {
            Taps::Single(taps, _) => (0.03, taps.len()),
            Taps::Double(taps, _) | Taps::Wide(taps, _) => (0.08, taps.len()),
        };
        0.05 + per_tap * taps as f64
    }
}

fn run<T: Sample<A> + Element, A: Float>(
    src: &View<'_>,
    out: &mut ViewMut<'_>,
    axis: usize,
    taps: &[A],
    symmetry: Symmetry,
) {
    let walk = LineWalk::new(src, out, axis);
    let (from, to) = (src.typed::<T>(), out.typed_mut::<T>());
    walk.for_each(|s, d, lines| correlate(&from[s..], &mut to[d..], lines, taps, symmetry));
}

/// The type in which products are summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sums {
    /// The elements' own, unless products may cancel.
    Own,
    /// `f64`, so that decisions made of the result are scipy's.
    Double,
}

/// A filter under construction: an array of floats and what lies outside it.
#[derive(Clone)]
pub(crate) struct Chain<'a> {
    pub args: &'a Args,
    pub array: Array,
    pub spec: ArraySpec,
    pub cval: f64,
    pub sums: Sums,
}

impl<'a> Chain<'a> {
    /// The input in floats.
    pub fn new(args: &'a Args) -> Result<Self> {
        Chain::of(args, cast::to_float(&args.array("input")?))
    }

    /// An array of floats, shaped as the input.
    pub fn of(args: &'a Args, array: Array) -> Result<Self> {
        let input = args.spec("input")?;
        let spec = input.with_dtype(array.dtype().unwrap_or(input.dtype.float()));
        let cval = if args.has("cval") { args.number("cval", 0.0)? } else { 0.0 };
        Ok(Chain { args, array, spec, cval, sums: Sums::Own })
    }

    /// The same in doubles: for differences of sums, where what rounding between the axes takes may be as large as what is
    /// left. [`narrow`](Self::narrow) ends it.
    pub fn widened(self) -> Self {
        Chain { array: cast::to(&self.array, DType::F64), spec: self.spec.with_dtype(DType::F64), ..self }
    }

    /// What was computed, in the type that derivatives of the input are given in.
    pub fn narrow(&self, array: &Array) -> Result<Array> {
        Ok(cast::to(array, self.args.spec("input")?.dtype.float()))
    }

    /// Adds a correlation along one axis.
    pub fn correlate(&mut self, weights: &[f64], axis: usize, mode: Mode, origin: i64) -> Result<()> {
        let cval = Scalar::from_f64(self.cval, self.spec.dtype);
        let window = Window::new(self.args, axis, weights.len(), origin, mode, cval)?;
        let op = Correlate1d { window, taps: Taps::new(weights, self.spec.dtype, self.sums) };
        self.array = Array::tile(op, vec![self.array.clone()], self.spec.clone());
        Ok(())
    }
}

fn weights(args: &Args) -> Result<Vec<f64>> {
    let weights = args.numbers("weights")?;
    if weights.is_empty() || weights.len() as i64 > MAX_WINDOW {
        return Err(args.error(format!("`weights` has {} entries, it takes 1 to {MAX_WINDOW}", weights.len())));
    }
    Ok(weights)
}

fn correlate1d(args: &Args) -> Result<Array> {
    let mut chain = Chain::new(args)?;
    let axis = axis(args, &chain.spec)?;
    chain.correlate(&weights(args)?, axis, args.mode("mode", Mode::Reflect)?, args.integer("origin", 0)?)?;
    Ok(chain.array)
}

fn convolve1d(args: &Args) -> Result<Array> {
    let mut chain = Chain::new(args)?;
    let (axis, mut weights) = (axis(args, &chain.spec)?, weights(args)?);
    weights.reverse();
    let origin = args.integer("origin", 0)?;
    check_origin(args, weights.len(), origin)?;
    // An even window has no middle: turned round, it leans to the other side.
    let lean = 1 - weights.len() as i64 % 2;
    chain.correlate(&weights, axis, args.mode("mode", Mode::Reflect)?, -origin - lean)?;
    Ok(chain.array)
}

const WEIGHTS: Param =
    Param { name: "weights", ty: Type::Weights, default: None, doc: "The weights, one per element of the window." };
pub(super) const FLOATS: &str = "Computes in and gives float32; float64 for float64 and 32- and 64-bit integer input. \
    Weights of both signs are summed in float64. (scipy would compute in float64 and store into the input's type, \
    truncating integers.) NaN spreads over the window.";

/// `correlate1d`
pub static CORRELATE1D: OpDef = OpDef {
    name: "correlate1d",
    family: "filters",
    summary: "Weighted sums along one axis.",
    details: FLOATS,
    reference: "scipy.ndimage.correlate1d",
    params: &[INPUT, WEIGHTS, AXIS, MODE, CVAL, ORIGIN],
    returns: &[("filtered", "The sums, in floats.")],
    examples: &[
        "correlate1d(input, [1, 2, 3, 4], axis=0)",
        "correlate1d([1, 0, -1], mode=\"wrap\")",
        "correlate1d([1, 2, 5], mode=\"constant\", cval=3, origin=-1)",
    ],
    build: correlate1d,
};

/// `convolve1d`
pub static CONVOLVE1D: OpDef = OpDef {
    name: "convolve1d",
    family: "filters",
    summary: "Convolution along one axis: correlation with the weights turned round.",
    details: FLOATS,
    reference: "scipy.ndimage.convolve1d",
    params: &[INPUT, WEIGHTS, AXIS, MODE, CVAL, ORIGIN],
    returns: &[("filtered", "The sums, in floats.")],
    examples: &["convolve1d(input, [1, 2, 3, 4], axis=0)", "convolve1d([1, 2, 5], mode=\"nearest\", origin=1)"],
    build: convolve1d,
};
