//! Differences of an image and gaussians of it.

use super::correlate1d::Chain;
use super::gaussian::Gaussian;
use super::unit::to_unit;
use crate::array::{ArraySpec, DType, Mode};
use crate::error::Result;
use crate::graph::Array;
use crate::ops::elementwise::cast;
use crate::ops::{AXES, Arg, Args, CVAL, INPUT, MODE, OpDef, Param, Type, call};

/// Smooths along every axis whose sigma is not zero.
fn smooth(image: &Chain<'_>, sigma: &[f64], truncate: f64, mode: Mode) -> Result<Array> {
    let mut chain = image.clone();
    for (axis, &sigma) in sigma.iter().enumerate() {
        Gaussian { axis, sigma, order: 0, truncate, radius: None, mode }.apply(&mut chain)?;
    }
    Ok(chain.array)
}

fn binary(op: &str, a: &Array, b: impl Into<Arg>) -> Result<Array> {
    call(op, vec![a.into(), b.into()], vec![])
}

fn unsharp_mask(args: &Args) -> Result<Array> {
    let input = args.array("input")?;
    let keep = args.bool("preserve_range", false)?;
    let float = input.dtype().map_or(DType::F32, DType::float);
    let image = Chain::of(args, if keep { cast::to_float(&input) } else { to_unit(&input, float)? })?;
    let radius = args.number_per_axis("radius", &image.spec, 1.0, 0.0)?;
    let blurred = smooth(&image, &radius, 4.0, Mode::Reflect)?;
    let details = binary("multiply", &binary("subtract", &image.array, &blurred)?, args.number("amount", 1.0)?)?;
    let sharp = binary("add", &image.array, &details)?;
    if keep {
        return Ok(sharp);
    }
    call("clip", vec![Arg::Array(sharp), lowest(&input)?, Arg::Float(1.0)], vec![])
}

/// -1 if the image holds a negative value, else 0.
fn lowest(input: &Array) -> Result<Arg> {
    let signed = input.dtype().is_some_and(|d| d.is_float() || d.is_signed_integer());
    if !signed {
        return Ok(Arg::Float(0.0));
    }
    let any = call("max", vec![Arg::Array(binary("less", input, 0.0)?)], vec![])?;
    call("where", vec![Arg::Array(any), Arg::Float(-1.0), Arg::Float(0.0)], vec![]).map(Arg::Array)
}

fn difference_of_gaussians(args: &Args) -> Result<Array> {
    let input = args.array("input")?;
    let image = Chain::of(args, to_unit(&input, DType::F64)?)?.widened();
    let (low, high) = sigmas(args, &image.spec)?;
    let mode = args.mode("mode", Mode::Nearest)?;
    let truncate = args.number("truncate", 4.0)?;
    let difference =
        binary("subtract", &smooth(&image, &low, truncate, mode)?, &smooth(&image, &high, truncate, mode)?)?;
    image.narrow(&difference)
}

fn sigmas(args: &Args, spec: &ArraySpec) -> Result<(Vec<f64>, Vec<f64>)> {
    let low = args.number_per_axis("low_sigma", spec, 0.0, 0.0)?;
    if let Some(sigma) = low.iter().find(|sigma| **sigma < 0.0) {
        return Err(args.error(format!("`low_sigma` is {sigma}, it must not be negative")));
    }
    if !args.given("high_sigma") {
        let high = low.iter().map(|sigma| sigma * 1.6).collect();
        return Ok((low, high));
    }
    let high = args.number_per_axis("high_sigma", spec, 0.0, 0.0)?;
    match low.iter().zip(&high).find(|(low, high)| high < low) {
        Some((low, high)) => {
            Err(args.error(format!("`high_sigma` is {high}, it must not be smaller than `low_sigma`, {low}")))
        }
        None => Ok((low, high)),
    }
}

/// `unsharp_mask`
pub static UNSHARP_MASK: OpDef = OpDef {
    name: "unsharp_mask",
    family: "filters",
    summary: "Sharpens: adds what a gaussian takes away.",
    details: "`image + (image - gaussian(image, radius)) * amount`, the image reflected beyond its edges. Unless \
        `preserve_range`, integers are first divided by the largest value of their type and the result is clipped to 0 \
        to 1, or to -1 to 1 if the image holds a negative value, which takes a pass of its own for signed integers and \
        floats; floats are taken as they are. Computes in and gives float32; float64 for float64 and 32- and 64-bit \
        integer input. Of arrays with named axes only the spatial axes are filtered, each channel on its own; \
        scikit-image's `channel_axis` is said with `axes` where axes have no names.",
    reference: "skimage.filters.unsharp_mask",
    params: &[
        INPUT,
        Param {
            name: "radius",
            ty: Type::NumberPerAxis,
            default: Some("1.0"),
            doc: "The standard deviation of the gaussian, for all axes or one per axis; not negative.",
        },
        Param { name: "amount", ty: Type::Number, default: Some("1.0"), doc: "How much of the details is added." },
        Param {
            name: "preserve_range",
            ty: Type::Bool,
            default: Some("false"),
            doc: "Whether values are taken as they are, and not clipped.",
        },
        AXES,
    ],
    returns: &[("sharpened", "The sharpened image, in floats.")],
    examples: &[
        "unsharp_mask(input)",
        "unsharp_mask(radius=2, amount=0.5, preserve_range=true)",
        "unsharp_mask(radius=[1.5], amount=3, axes=[0])",
    ],
    build: unsharp_mask,
};

/// `difference_of_gaussians`
pub static DIFFERENCE_OF_GAUSSIANS: OpDef = OpDef {
    name: "difference_of_gaussians",
    family: "filters",
    summary: "A band pass: what one gaussian keeps and a wider one loses.",
    details: "`gaussian(image, low_sigma) - gaussian(image, high_sigma)`. Integers are first divided by the largest \
        value of their type, as scikit-image does. Computes in float64 and gives float32; float64 for float64 and 32- \
        and 64-bit integer input. NaN spreads over the window. Of arrays with named axes only the spatial axes are \
        filtered; scikit-image's `channel_axis` is said with `axes` where axes have no names.",
    reference: "skimage.filters.difference_of_gaussians",
    params: &[
        INPUT,
        Param {
            name: "low_sigma",
            ty: Type::NumberPerAxis,
            default: None,
            doc: "The standard deviation of the narrower gaussian, for all axes or one per axis; not negative.",
        },
        Param {
            name: "high_sigma",
            ty: Type::NumberPerAxis,
            default: Some("none"),
            doc: "That of the wider one; 1.6 times the narrower unless given.",
        },
        Param { default: Some("\"nearest\""), ..MODE },
        CVAL,
        Param {
            name: "truncate",
            ty: Type::Number,
            default: Some("4.0"),
            doc: "Where the kernels are cut off, in standard deviations; not negative.",
        },
        AXES,
    ],
    returns: &[("filtered", "The difference, in floats.")],
    examples: &[
        "difference_of_gaussians(input, 1)",
        "difference_of_gaussians(1, 3, mode=\"constant\", cval=0.25, truncate=2)",
        "difference_of_gaussians(0, [2], mode=\"wrap\", axes=[0])",
    ],
    build: difference_of_gaussians,
};
