//! Normalisation by what is measured in the array itself or in reference images.

use super::elementwise::cast;
use super::reduce::{Along, Quantile, Statistic, quantile, reduced};
use super::select::{Pick, Selection, select};
use super::{Arg, Args, INPUT, OpDef, Param, Type, call};
use crate::array::{ArraySpec, DType};
use crate::error::Result;
use crate::graph::Array;

/// The array, its spec, and the type that results have.
fn input(args: &Args) -> Result<(Array, ArraySpec, DType)> {
    let (input, spec) = (args.array("input")?, args.spec("input")?);
    match spec.rank() {
        0 => Err(args.error("takes an array, not a scalar")),
        _ => Ok((input, spec.clone(), spec.dtype.float())),
    }
}

/// Axes that are reduced but stay, so that results go back to the array.
fn kept(args: &Args, spec: &ArraySpec) -> Result<Along> {
    Ok(Along { keepdims: args.given("axis"), ..Along::read(args, spec)? })
}

fn arithmetic(op: &str, a: impl Into<Arg>, b: impl Into<Arg>) -> Result<Array> {
    call(op, vec![a.into(), b.into()], Vec::new())
}

fn double(array: &Array) -> Array {
    cast::to(array, DType::F64)
}

fn zscore(args: &Args) -> Result<Array> {
    let (image, spec, dtype) = input(args)?;
    let along = kept(args, &spec)?;
    let ddof = args.number("ddof", 0.0)?;
    if ddof < 0.0 {
        return Err(args.error(format!("`ddof` is {ddof}, it must not be negative")));
    }
    let mean = reduced(&image, &spec, Statistic::Mean, &along)?;
    let std = reduced(&image, &spec, Statistic::Std { ddof }, &along)?;
    let score = arithmetic("divide", arithmetic("subtract", double(&image), mean)?, std)?;
    Ok(cast::to(&score, dtype))
}

/// What csbdeep adds to the range, so that constant images become 0.
const EPS: f64 = 1e-20;

fn normalize_percentile(args: &Args) -> Result<Array> {
    let (image, spec, dtype) = input(args)?;
    let along = kept(args, &spec)?;
    let (low, high) = (args.number("low", 3.0)?, args.number("high", 99.8)?);
    if !(0.0..=100.0).contains(&low) || !(0.0..=100.0).contains(&high) || low >= high {
        return Err(args.error(format!("`low` is {low} and `high` is {high}: 0 <= low < high <= 100")));
    }
    let at =
        |q: f64| quantile("normalize_percentile", &image, &spec, &along, Quantile { part: q / 100.0, middle: false });
    let (low, high) = (at(low)?, at(high)?);
    let range = arithmetic("add", arithmetic("subtract", high, &low)?, EPS)?;
    let scaled = arithmetic("divide", arithmetic("subtract", double(&image), low)?, range)?;
    let clipped = match args.bool("clip", false)? {
        true => call("clip", vec![scaled.into(), 0.into(), 1.into()], Vec::new())?,
        false => scaled,
    };
    Ok(cast::to(&clipped, dtype))
}

fn flat_field(args: &Args) -> Result<Array> {
    let (image, _, dtype) = input(args)?;
    let (flat, flat_spec) = (args.array("flat")?, args.spec("flat")?);
    if flat_spec.rank() == 0 {
        return Err(args.error("`flat` is an image, not a scalar"));
    }
    let dark = match args.get("dark") {
        None | Some(Arg::None) => Arg::Int(0),
        Some(Arg::Array(array)) => Arg::Array(double(array)),
        Some(other) => other.clone(),
    };
    let light = arithmetic("subtract", double(&flat), dark.clone())?;
    let Some(spec) = light.array_spec().cloned() else { return Err(args.error("`dark` is an image or a number")) };
    let along = Along::new(&spec, &spec.filter_axes(), true);
    let mean = reduced(&light, &spec, Statistic::Mean, &along)?;
    let signal = arithmetic("subtract", double(&image), dark)?;
    let flattened = arithmetic("multiply", arithmetic("divide", signal, light)?, mean)?;
    Ok(cast::to(&flattened, dtype))
}

fn bleach_correct(args: &Args) -> Result<Array> {
    let (image, spec, dtype) = input(args)?;
    let axis = match args.given("axis") {
        true => args.axis("axis", &spec, 0)?,
        false => spec.axis('t').ok_or_else(|| {
            args.error(format!("there is no axis \"t\", the axes are {:?}; give `axis`", spec.letters()))
        })?,
    };
    if let Some(other) = args.text_of("method")?.filter(|&method| method != "ratio") {
        return Err(args.error(format!("`method` is \"ratio\", not {other:?}")));
    }
    let background = args.number("background", 0.0)?;
    let frame: Vec<usize> = spec.filter_axes().into_iter().filter(|&a| a != axis).collect();
    let means = reduced(&image, &spec, Statistic::Mean, &Along::new(&spec, &frame, true))?;
    let means = arithmetic("subtract", means, background)?;
    let first = Pick::Slice { start: None, stop: Some(1), step: None };
    let first = select(&means, &[Selection { axis: Some(spec.axes[axis].name), what: first }])?;
    let signal = arithmetic("subtract", double(&image), background)?;
    let corrected = arithmetic("multiply", signal, arithmetic("divide", first, means)?)?;
    Ok(cast::to(&corrected, dtype))
}

const AXIS_OF: Param = Param {
    name: "axis",
    ty: Type::Axes,
    default: Some("none"),
    doc: "The axes to measure along: letters (\"yx\"), a number or a list of numbers; none for all of them.",
};

/// `zscore`
pub static ZSCORE: OpDef = OpDef {
    name: "zscore",
    family: "normalisation",
    summary: "How many standard deviations each element lies from the mean.",
    details: "(input - mean) / std, both measured along `axis`: `axis=\"yx\"` for every frame and channel by itself, \
        `axis=\"t\"` for every pixel over time; without `axis` of the whole array (scipy's default is axis 0). Computed in \
        float64; gives float32, or float64 for float64 and 32- and 64-bit integers. NaN where all elements are equal.",
    reference: "scipy.stats.zscore",
    params: &[
        INPUT,
        AXIS_OF,
        Param {
            name: "ddof",
            ty: Type::Number,
            default: Some("0"),
            doc: "What is taken off the number of elements to divide by; not negative.",
        },
    ],
    returns: &[("scores", "As large as the array.")],
    examples: &["zscore(input)", "zscore(input, axis=0)", "zscore(input, axis=-1, ddof=1)"],
    build: zscore,
};

/// `normalize_percentile`
pub static NORMALIZE_PERCENTILE: OpDef = OpDef {
    name: "normalize_percentile",
    family: "normalisation",
    summary: "Brings one percentile to 0 and another to 1.",
    details: "(input - p_low) / (p_high - p_low + 1e-20), the percentiles measured along `axis` and exact, as \
        `percentile` gives them; what lies beyond them leaves 0..1 unless `clip` is true. Without `axis` they are those of \
        the whole array. Computed in float64; gives float32, or float64 for float64 and 32- and 64-bit integers.",
    reference: "csbdeep.utils.normalize",
    params: &[
        INPUT,
        Param { name: "low", ty: Type::Number, default: Some("3"), doc: "The percentile that becomes 0." },
        Param { name: "high", ty: Type::Number, default: Some("99.8"), doc: "The percentile that becomes 1." },
        AXIS_OF,
        Param { name: "clip", ty: Type::Bool, default: Some("false"), doc: "Whether to cut off what lies beyond." },
    ],
    returns: &[("normalized", "As large as the array.")],
    examples: &[
        "normalize_percentile(input)",
        "normalize_percentile(input, 10, 90, axis=0, clip=true)",
        "normalize_percentile(input, low=1, high=99, axis=-1)",
    ],
    build: normalize_percentile,
};

/// `flat_field`
pub static FLAT_FIELD: OpDef = OpDef {
    name: "flat_field",
    family: "normalisation",
    summary: "Takes out uneven illumination with a flat and a dark image.",
    details: "(input - dark) / (flat - dark) · mean(flat - dark), the mean taken over the spatial axes of the flat image, for \
        each of its channels. `flat` and `dark` go with the array as operands of arithmetic do: a named y x image with every \
        frame, a y x c one with each channel. Computed in float64; gives float32, or float64 for float64 and 32- and \
        64-bit integers. Where flat and dark are equal the result is infinite or NaN.",
    reference: "(input - dark) / (flat - dark) * numpy.mean(flat - dark)",
    params: &[
        INPUT,
        Param { name: "flat", ty: Type::Array, default: None, doc: "An image of an even, bright field." },
        Param {
            name: "dark",
            ty: Type::ArrayOrNumber,
            default: Some("0"),
            doc: "An image without light, or the camera's offset.",
        },
    ],
    returns: &[("corrected", "As large as the array.")],
    examples: &["flat_field(input, flat=maximum(input, 1))", "flat_field(input, gaussian_filter(input, 2), dark=0.5)"],
    build: flat_field,
};

/// `bleach_correct`
pub static BLEACH_CORRECT: OpDef = OpDef {
    name: "bleach_correct",
    family: "normalisation",
    summary: "Makes up for bleaching: every frame gets the mean of the first.",
    details: "(input - background) · (mean of the first frame - background) / (mean of the frame - background), for every \
        channel by itself: a frame's mean is taken over its spatial axes (all but `axis` for arrays without names). \
        Computed in float64; gives float32, or float64 for float64 and 32- and 64-bit integers.",
    reference: "Fiji's Bleach Correction, simple ratio (which adds no background back either)",
    params: &[
        INPUT,
        Param {
            name: "axis",
            ty: Type::Axis,
            default: Some("\"t\""),
            doc: "The axis of the frames: its number (negative from the last) or letter.",
        },
        Param { name: "method", ty: Type::Word(&["ratio"]), default: Some("\"ratio\""), doc: "How it is done." },
        Param { name: "background", ty: Type::Number, default: Some("0"), doc: "What the camera shows without light." },
    ],
    returns: &[("corrected", "As large as the array.")],
    examples: &["bleach_correct(input, axis=0)", "bleach_correct(input, axis=-1, background=0.25)"],
    build: bleach_correct,
};
