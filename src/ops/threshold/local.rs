//! A threshold for each pixel from a smoothed image.

use crate::array::{ArraySpec, Mode, Scalar};
use crate::error::Result;
use crate::graph::Array;
use crate::ops::elementwise::cast;
use crate::ops::window::window_len;
use crate::ops::{AXES, Arg, Args, CVAL, INPUT, MODE, OpDef, Param, Type, call, find};

/// The lengths of a window with a centre, one per axis; 1 along axes that filters do not act on.
pub(super) fn odd_sizes(args: &Args, name: &str, spec: &ArraySpec, default: i64) -> Result<Vec<i64>> {
    let sizes = args.integer_per_axis(name, spec, default, 1)?;
    for &size in &sizes {
        window_len(args, name, size)?;
        if size % 2 == 0 {
            return Err(args.error(format!("`{name}` is {size}, it must be odd")));
        }
    }
    Ok(sizes)
}

fn threshold_local(args: &Args) -> Result<Array> {
    let (input, spec) = (args.array("input")?, args.spec("input")?);
    let sizes = odd_sizes(args, "block_size", &spec, 3)?;
    let (mode, cval) = (args.mode("mode", Mode::Reflect)?, args.number("cval", 0.0)?);
    let method = args.text_of("method")?.unwrap_or("gaussian");
    if args.given("param") && method != "gaussian" {
        return Err(args.error(format!("`param` is the sigma of method=\"gaussian\"; \"{method}\" takes none")));
    }
    let outside = vec![("mode".to_string(), Arg::from(mode.name())), ("cval".to_string(), Arg::from(cval))];
    let with = |name: &str, value: Arg| std::iter::once((name.to_string(), value)).chain(outside.clone()).collect();
    let smooth = match method {
        "gaussian" => {
            let sigma = if args.given("param") {
                args.number_per_axis("param", &spec, 0.0, 0.0)?
            } else {
                sizes.iter().map(|&size| (size - 1) as f64 / 6.0).collect()
            };
            call("gaussian_filter", vec![Arg::Array(input)], with("sigma", sigma.into()))?
        }
        "mean" => call("uniform_filter", vec![Arg::Array(input)], with("size", sizes.into()))?,
        "median" if find("median_filter").is_none() => {
            return Err(args.error("`method` \"median\" needs `median_filter`, which there is not yet"));
        }
        "median" => {
            // An integer type may not hold what lies outside.
            let fits = mode != Mode::Constant || Scalar::from_f64(cval, spec.dtype).to_f64() == cval;
            let input = if fits { input } else { cast::to_float(&input) };
            call("median_filter", vec![Arg::Array(input)], with("size", sizes.into()))?
        }
        other => return Err(args.error(format!("`method` is \"gaussian\", \"mean\" or \"median\", not {other:?}"))),
    };
    // A median keeps its type; the threshold is a float that offsets can be taken from.
    let dtype = spec.dtype.float();
    let smooth = if smooth.dtype() == Some(dtype) { smooth } else { cast::to(&smooth, dtype) };
    match args.number("offset", 0.0)? {
        0.0 => Ok(smooth),
        offset => call("subtract", vec![Arg::Array(smooth), offset.into()], vec![]),
    }
}

/// `threshold_local`
pub static THRESHOLD_LOCAL: OpDef = OpDef {
    name: "threshold_local",
    family: "thresholds",
    summary: "A threshold for each pixel: the mean or median of its surroundings, less an offset.",
    details: "Also known as adaptive threshold; `input > threshold_local(input, 51)` is the mask. \"gaussian\" is a \
        gaussian filter of sigma (block_size - 1) / 6, or of sigma `param`; \"mean\" and \"median\" are those of a box. \
        (scikit-image's \"generic\" takes a function; use `map_overlap` of the library.) Gives float32; float64 for \
        float64 and 32- and 64-bit integer input (scikit-image gives float64 for all integers). NaN spoils the windows \
        that hold it. Of arrays with named axes only the spatial axes are filtered.",
    reference: "skimage.filters.threshold_local",
    params: &[
        INPUT,
        Param {
            name: "block_size",
            ty: Type::IntegerPerAxis,
            default: Some("3"),
            doc: "The edge lengths of the surroundings, for all axes or one per axis; odd, at least 1.",
        },
        Param {
            name: "method",
            ty: Type::Word(&["gaussian", "mean", "median"]),
            default: Some("\"gaussian\""),
            doc: "gaussian, mean or median.",
        },
        Param { name: "offset", ty: Type::Number, default: Some("0"), doc: "What is taken off." },
        MODE,
        Param {
            name: "param",
            ty: Type::NumberPerAxis,
            default: Some("none"),
            doc: "The sigma of the gaussian, for all axes or one per axis; none for (block_size - 1) / 6.",
        },
        CVAL,
        AXES,
    ],
    returns: &[("threshold", "The threshold of each pixel, in floats.")],
    examples: &[
        "threshold_local(input, 5)",
        "input > threshold_local(input, block_size=3, method=\"mean\", offset=1.5, mode=\"wrap\")",
        "threshold_local(input, 7, param=1.5, mode=\"constant\", cval=3)",
    ],
    build: threshold_local,
};
