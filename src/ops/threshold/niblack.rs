//! Thresholds from the mean and the deviation of the surroundings.

use super::local::odd_sizes;
use crate::array::{DType, ViewMut};
use crate::error::Result;
use crate::graph::Array;
use crate::ops::elementwise::cast;
use crate::ops::elementwise::pointwise::{Operand, Rule, pointwise};
use crate::ops::elementwise::rows::{Feed, zip};
use crate::ops::{AXES, Arg, Args, INPUT, OpDef, Param, Type, call};

/// What becomes of mean and deviation.
#[derive(Clone, Copy, Debug)]
enum Formula {
    Niblack { k: f64 },
    Sauvola { k: f64, r: f64 },
}

impl Rule for Formula {
    fn apply(&self, operands: &[Feed<'_>], out: &mut ViewMut<'_>) {
        let [mean, square] = operands else { return };
        match *self {
            Formula::Niblack { k } => zip(
                mean,
                square,
                out,
                #[inline(always)]
                |m: f64, q: f64| m - k * deviation(m, q),
            ),
            Formula::Sauvola { k, r } => zip(
                mean,
                square,
                out,
                #[inline(always)]
                |m: f64, q: f64| m * (1.0 + k * (deviation(m, q) / r - 1.0)),
            ),
        }
    }

    fn cost(&self) -> f64 {
        1.5
    }
}

/// From the means of the elements and of their squares; rounding may have made their difference negative.
#[inline(always)]
fn deviation(mean: f64, square: f64) -> f64 {
    let variance = square - mean * mean;
    if variance < 0.0 { 0.0 } else { variance.sqrt() }
}

fn by_formula(args: &Args, formula: Formula) -> Result<Array> {
    let (input, spec) = (args.array("input")?, args.spec("input")?);
    let sizes = odd_sizes(args, "window_size", &spec, 15)?;
    // Squares of wide sums lose digits that the deviation needs: everything but the result is double.
    let double = cast::to(&input, DType::F64);
    let mean = |array: Array| {
        let options = vec![("size".to_string(), sizes.clone().into()), ("mode".to_string(), "mirror".into())];
        call("uniform_filter", vec![Arg::Array(array)], options)
    };
    let square = call("power", vec![Arg::Array(double.clone()), 2.into()], vec![])?;
    let operands: Vec<Operand> = [mean(double)?, mean(square)?]
        .into_iter()
        .map(|array| Operand::Array(array, spec.with_dtype(DType::F64)))
        .collect();
    pointwise(args.name(), &operands, DType::F64, spec.dtype.float(), formula)
}

fn threshold_niblack(args: &Args) -> Result<Array> {
    by_formula(args, Formula::Niblack { k: args.number("k", 0.2)? })
}

fn threshold_sauvola(args: &Args) -> Result<Array> {
    let r = match args.given("r") {
        true => args.number("r", 0.0)?,
        false => half_range(args.spec("input")?.dtype),
    };
    if r == 0.0 {
        return Err(args.error("`r` is 0: the deviation is divided by it"));
    }
    by_formula(args, Formula::Sauvola { k: args.number("k", 0.2)?, r })
}

/// Half of what scikit-image takes for the range of a type: -1 to 1 for floats.
fn half_range(dtype: DType) -> f64 {
    match dtype.integer_range() {
        Some((least, most)) => (most - least) as f64 / 2.0,
        None => 1.0,
    }
}

const WINDOW: Param = Param {
    name: "window_size",
    ty: Type::IntegerPerAxis,
    default: Some("15"),
    doc: "The edge lengths of the window, for all axes or one per axis; odd, at least 1.",
};
const K: Param = Param { name: "k", ty: Type::Number, default: Some("0.2"), doc: "The weight of the deviation." };

macro_rules! local_details {
    ($formula:expr) => {
        concat!(
            $formula,
            "\n\nBeyond an edge the image is mirrored about the outermost pixels (mode \"mirror\"). Means and squares are \
             summed in float64, so that small deviations on a bright ground are not lost; a run of NaN touches only the \
             windows that hold it. Gives float32; float64 for float64 and 32- and 64-bit integer input (scikit-image \
             gives float64 for all integers, and rounds the sums of float32 images to float32). Of arrays with named \
             axes only the spatial axes are filtered. The time does not depend on the size of the window."
        )
    };
}

/// `threshold_niblack`
pub static THRESHOLD_NIBLACK: OpDef = OpDef {
    name: "threshold_niblack",
    family: "thresholds",
    summary: "A threshold for each pixel: the mean of a window less k times its standard deviation (Niblack).",
    details: local_details!(
        "`mean - k * std` (W. Niblack, An introduction to digital image processing, 1986). For dark text on bright paper \
         k is positive; `input > threshold_niblack(input)` is the paper."
    ),
    reference: "skimage.filters.threshold_niblack",
    params: &[INPUT, WINDOW, K, AXES],
    returns: &[("threshold", "The threshold of each pixel, in floats.")],
    examples: &["threshold_niblack(input, window_size=5)", "input > threshold_niblack(input, 3, k=-0.5)"],
    build: threshold_niblack,
};

/// `threshold_sauvola`
pub static THRESHOLD_SAUVOLA: OpDef = OpDef {
    name: "threshold_sauvola",
    family: "thresholds",
    summary: "A threshold for each pixel: the mean of a window, lowered where it deviates little (Sauvola).",
    details: local_details!(
        "`mean * (1 + k * (std / r - 1))` (J. Sauvola, M. Pietikäinen, Adaptive document image binarization, 2000)."
    ),
    reference: "skimage.filters.threshold_sauvola",
    params: &[
        INPUT,
        WINDOW,
        K,
        Param {
            name: "r",
            ty: Type::Number,
            default: Some("none"),
            doc: "The dynamic range of the deviation; none for half the range of the type (1 for floats).",
        },
        AXES,
    ],
    returns: &[("threshold", "The threshold of each pixel, in floats.")],
    examples: &["threshold_sauvola(input, window_size=5)", "input > threshold_sauvola(input, 3, k=0.1, r=20)"],
    build: threshold_sauvola,
};
