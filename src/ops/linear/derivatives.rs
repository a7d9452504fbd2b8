//! Derivatives from differences of neighbours.

use super::combine::{magnitude, sum};
use super::correlate::convolve_with;
use super::correlate1d::Chain;
use super::unit::to_unit;
use crate::array::{ArraySpec, DType, Mode};
use crate::error::Result;
use crate::graph::Array;
use crate::ops::elementwise::cast;
use crate::ops::window::axis;
use crate::ops::{AXES, AXIS, Arg, Args, CVAL, INPUT, MODE, MODES, OpDef, Param, Type, call};

/// A difference along one axis, smoothed along the others.
fn edge(args: &Args, smooth: [f64; 3]) -> Result<Array> {
    let mut chain = Chain::new(args)?;
    let spec = chain.spec.clone();
    let (along, modes) = (axis(args, &spec)?, args.mode_per_axis("mode", &spec)?);
    chain.correlate(&[-1.0, 0.0, 1.0], along, modes[along], 0)?;
    for other in args.filter_axes(&spec)? {
        if other != along {
            chain.correlate(&smooth, other, modes[other], 0)?;
        }
    }
    Ok(chain.array)
}

fn laplace(args: &Args) -> Result<Array> {
    let input = Chain::new(args)?;
    let modes = args.mode_per_axis("mode", &input.spec)?;
    let second = |axis: usize| {
        let mut chain = input.clone();
        chain.correlate(&[1.0, -2.0, 1.0], axis, modes[axis], 0)?;
        Ok(chain.array)
    };
    let derivatives = args.filter_axes(&input.spec)?.into_iter().map(second).collect::<Result<Vec<_>>>()?;
    if derivatives.is_empty() { Ok(input.array) } else { Ok(sum(derivatives)) }
}

/// Integers as fractions of their range, in doubles.
fn unit_chain(args: &Args) -> Result<Chain<'_>> {
    Ok(Chain::of(args, to_unit(&args.array("input")?, DType::F64)?)?.widened())
}

/// scikit-image's `mask`: zero where a neighbour is masked.
fn masked(args: &Args, result: Array, axes: &[usize]) -> Result<Array> {
    if !args.given("mask") {
        return Ok(result);
    }
    let kept = eroded(args, axes, Mode::Constant)?;
    call("multiply", vec![Arg::Array(result), Arg::Array(kept)], vec![])
}

/// The mask without the elements that have a neighbour outside it, in a box of 3 along those axes.
pub(crate) fn eroded(args: &Args, axes: &[usize], mode: Mode) -> Result<Array> {
    let (mask, spec) = (mask(args)?, args.spec("input")?);
    if spec.shape != args.spec("mask")?.shape {
        let (got, wanted) = (args.spec("mask")?.shape, spec.shape);
        return Err(args.error(format!("`mask` has the shape {got:?}, the image {wanted:?}")));
    }
    let axes: Vec<i64> = axes.iter().map(|&axis| axis as i64).collect();
    let keyword = [("size", Arg::from(3)), ("mode", mode.name().into()), ("axes", axes.into())];
    let keyword = keyword.into_iter().map(|(name, value)| (name.to_string(), value)).collect();
    call("minimum_filter", vec![Arg::Array(mask)], keyword)
}

/// The argument `mask` as truth values.
pub(crate) fn mask(args: &Args) -> Result<Array> {
    Ok(cast::to(&args.array("mask")?, DType::Bool))
}

/// The axes that `axis=` names: a number, a letter or a list; all that filters act on where it is not given.
fn edge_axes(args: &Args, spec: &ArraySpec) -> Result<Vec<usize>> {
    if args.given("axis") { args.axes("axis", spec) } else { args.filter_axes(spec) }
}

fn scharr(args: &Args) -> Result<Array> {
    let input = unit_chain(args)?;
    let (all, along) = (args.filter_axes(&input.spec)?, edge_axes(args, &input.spec)?);
    let mode = args.mode("mode", Mode::Reflect)?;
    let derivative = |edge: usize| {
        let mut chain = input.clone();
        // The weights add up to 1, so the constant beyond an edge stays the same.
        for &axis in all.iter().filter(|&&axis| axis != edge) {
            chain.correlate(&[0.1875, 0.625, 0.1875], axis, mode, 0)?;
        }
        convolve_with(&mut chain, (&[3], &[1.0, 0.0, -1.0]), &[edge], mode);
        Ok(chain.array)
    };
    let mut derivatives = along.iter().map(|&axis| derivative(axis)).collect::<Result<Vec<_>>>()?;
    let edges = match derivatives.len() {
        0 => return Err(args.error("`axis` names no axis")),
        1 => derivatives.remove(0),
        _ => magnitude(derivatives, all.len()),
    };
    masked(args, input.narrow(&edges)?, &all)
}

fn roberts(args: &Args) -> Result<Array> {
    let input = unit_chain(args)?;
    let axes = args.filter_axes(&input.spec)?;
    if axes.len() != 2 {
        let n = axes.len();
        return Err(args.error(format!("works in two dimensions, here filters act on {n}: name two with `axes`")));
    }
    let diagonal = |weights: [f64; 4]| {
        let mut chain = input.clone();
        convolve_with(&mut chain, (&[2, 2], &weights), &axes, Mode::Reflect);
        masked(args, chain.array, &axes)
    };
    input.narrow(&magnitude(vec![diagonal([1.0, 0.0, 0.0, -1.0])?, diagonal([0.0, 1.0, -1.0, 0.0])?], 2))
}

const MASK: Param = Param {
    name: "mask",
    ty: Type::Array,
    default: Some("none"),
    doc: "Where it is false, or has a neighbour that is, or lies at the edge of the image, the result is 0.",
};

/// `laplace`
pub static LAPLACE: OpDef = OpDef {
    name: "laplace",
    family: "filters",
    summary: "The Laplacian from second differences.",
    details: "The sum of [1, -2, 1] along each axis. Differences are summed in float64; gives float32, float64 for \
        float64 and 32- and 64-bit integer input. NaN spreads to its neighbours along the axes. Of arrays with named \
        axes only the spatial axes are filtered.",
    reference: "scipy.ndimage.laplace",
    params: &[INPUT, MODES, CVAL, AXES],
    returns: &[("filtered", "The Laplacian, in floats.")],
    examples: &["laplace(input)", "laplace(mode=\"constant\", cval=3, axes=[0])", "laplace(mode=\"wrap\")"],
    build: laplace,
};

/// `scharr`
pub static SCHARR: OpDef = OpDef {
    name: "scharr",
    family: "edges",
    summary: "The strength of edges, or a derivative, by Scharr's operator.",
    details: "Along each axis the difference [-1, 0, 1], smoothed along every other axis with [3, 10, 3] / 16. With \
        one `axis` the derivative itself; otherwise the root of the sum of their squares, divided by the number of \
        axes that filters act on. Integers are first divided by the largest value of their type, as scikit-image does. \
        Computes in float64 and gives float32; float64 for float64 and 32- and 64-bit integer input. NaN spreads over \
        the window. Of arrays with named axes only the spatial axes are filtered.",
    reference: "skimage.filters.scharr",
    params: &[
        INPUT,
        MASK,
        Param {
            name: "axis",
            ty: Type::Axes,
            default: Some("none"),
            doc: "The axis of the derivative: its number or letter; several or none give the magnitude.",
        },
        MODE,
        CVAL,
        AXES,
    ],
    returns: &[("edges", "The magnitude or the derivative, in floats.")],
    examples: &[
        "scharr(input)",
        "scharr(axis=0, mode=\"constant\", cval=0.5)",
        "scharr(input, input > 2, mode=\"nearest\", axes=[0])",
    ],
    build: scharr,
};

/// `roberts`
pub static ROBERTS: OpDef = OpDef {
    name: "roberts",
    family: "edges",
    summary: "The strength of edges from the two diagonal differences.",
    details: "The root of half the sum of the squared differences along the two diagonals of each 2 x 2 square, whose \
        first corner is the element; beyond the edge the image is reflected. Works in two dimensions: frame by frame \
        on arrays with named axes, on the two `axes` of others. Integers are first divided by the largest value of \
        their type, as scikit-image does. Computes in float64 and gives float32; float64 for float64 and 32- and \
        64-bit integer input.",
    reference: "skimage.filters.roberts",
    params: &[INPUT, MASK, AXES],
    returns: &[("edges", "The magnitude, in floats.")],
    examples: &["roberts(input, axes=[0, 1])", "roberts(input, mask=input > 1, axes=[1, 0])"],
    build: roberts,
};

/// `sobel`
pub static SOBEL: OpDef = OpDef {
    name: "sobel",
    family: "filters",
    summary: "The Sobel derivative along one axis.",
    details: "The difference [-1, 0, 1] along the axis, then [1, 2, 1] along every other axis that filters act on. \
        Computes in and gives float32; float64 for float64 and 32- and 64-bit integer input. The magnitude in two \
        dimensions is `hypot(sobel(input, 0), sobel(input, 1))`.",
    reference: "scipy.ndimage.sobel",
    params: &[INPUT, AXIS, MODES, CVAL],
    returns: &[("derivative", "The derivative, in floats.")],
    examples: &["sobel(input, axis=0)", "sobel(mode=\"constant\", cval=5)"],
    build: |args| edge(args, [1.0, 2.0, 1.0]),
};

/// `prewitt`
pub static PREWITT: OpDef = OpDef {
    name: "prewitt",
    family: "filters",
    summary: "The Prewitt derivative along one axis.",
    details: "The difference [-1, 0, 1] along the axis, then [1, 1, 1] along every other axis that filters act on. \
        Computes in and gives float32; float64 for float64 and 32- and 64-bit integer input.",
    reference: "scipy.ndimage.prewitt",
    params: &[INPUT, AXIS, MODES, CVAL],
    returns: &[("derivative", "The derivative, in floats.")],
    examples: &["prewitt(input, axis=0)", "prewitt(mode=\"wrap\")"],
    build: |args| edge(args, [1.0, 1.0, 1.0]),
};
