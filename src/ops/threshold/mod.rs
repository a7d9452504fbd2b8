//! Thresholds: of a whole image, and of the surroundings of each pixel.

mod counts;
mod global;
mod li;
mod local;
mod multi;
mod niblack;
mod rules;

pub use global::{
    THRESHOLD_ISODATA, THRESHOLD_MEAN, THRESHOLD_MINIMUM, THRESHOLD_OTSU, THRESHOLD_TRIANGLE, THRESHOLD_YEN,
};
pub use li::THRESHOLD_LI;
pub use local::THRESHOLD_LOCAL;
pub use multi::THRESHOLD_MULTIOTSU;
pub use niblack::{THRESHOLD_NIBLACK, THRESHOLD_SAUVOLA};

use super::{Arg, Args, INPUT, OpDef, Param, Type, call, nearest};
use crate::error::Result;
use crate::graph::Array;

/// The methods that give one threshold for the whole image, and their ops; in the order of scikit-image's
/// `try_all_threshold`.
pub const GLOBAL_METHODS: [(&str, &str); 7] = [
    ("isodata", "threshold_isodata"),
    ("li", "threshold_li"),
    ("mean", "threshold_mean"),
    ("minimum", "threshold_minimum"),
    ("otsu", "threshold_otsu"),
    ("triangle", "threshold_triangle"),
    ("yen", "threshold_yen"),
];

fn threshold(args: &Args) -> Result<Array> {
    let input = args.array("input")?;
    let value = match args.get("method") {
        None => by_method(args, &input, "otsu")?,
        Some(Arg::Str(word)) => by_method(args, &input, word)?,
        Some(Arg::Array(array)) if array.is_scalar() => Arg::Array(array.clone()),
        Some(number @ (Arg::Int(_) | Arg::Float(_))) => number.clone(),
        Some(other) => {
            return Err(args.error(format!("`method` is a word, a number or a computed scalar, not {other}")));
        }
    };
    call("greater", vec![Arg::Array(input), value], vec![])
}

fn by_method(args: &Args, input: &Array, word: &str) -> Result<Arg> {
    let Some((_, op)) = GLOBAL_METHODS.iter().find(|(name, _)| *name == word) else {
        let names = GLOBAL_METHODS.map(|(name, _)| name);
        let near = nearest(word, names.into_iter()).map(|n| format!("; did you mean \"{n}\"?"));
        let near = near.unwrap_or_default();
        return Err(args.error(format!("`method` is one of {}, or a number, not {word:?}{near}", names.join(", "))));
    };
    Ok(Arg::Array(call(op, vec![Arg::Array(input.clone())], vec![])?))
}

/// `threshold`
pub static THRESHOLD: OpDef = OpDef {
    name: "threshold",
    family: "thresholds",
    summary: "The mask of what lies above a threshold.",
    details: "`threshold(x, \"otsu\")` is `x > threshold_otsu(x)`, and so on for \"isodata\", \"li\", \"mean\", \
        \"minimum\", \"triangle\" and \"yen\"; `threshold(x, 100)` is `x > 100`.",
    reference: "image > skimage.filters.threshold_otsu(image)",
    params: &[
        INPUT,
        Param {
            name: "method",
            ty: Type::Any,
            default: Some("\"otsu\""),
            doc: "\"isodata\", \"li\", \"mean\", \"minimum\", \"otsu\", \"triangle\", \"yen\", a number or a computed scalar.",
        },
    ],
    returns: &[("mask", "bool: where input lies above the threshold.")],
    examples: &[
        "threshold(input, \"otsu\")",
        "threshold(input, \"li\")",
        "threshold(input, 100)",
        "threshold(input, mean(input))",
    ],
    build: threshold,
};
