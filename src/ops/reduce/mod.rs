//! Reductions: arrays made smaller along any of their axes.
//!
//! Three ways lead to the same numbers, chosen by shapes and types alone. A whole image becomes one number in one sweep
//! (`whole`); few results are gathered in one sweep, each in a cell of its own (`gather`); otherwise every box of the
//! output is computed from the columns over it (`column`).

mod along;
mod column;
mod gather;
mod narrow;
mod quantile;
mod whole;

pub(crate) use along::{Along, Extents};
pub(crate) use column::put;
pub(crate) use quantile::{Quantile, quantile};
pub(crate) use whole::range;

use crate::array::{ArraySpec, DType, Element, Spec};
use crate::error::{Error, Result};
use crate::graph::Array;
use crate::ops::labelled::{Asked, INDEX, LABELS, labelled};
use crate::ops::{Args, INPUT, OpDef, Param, Type, call};
use column::Columns;
use gather::Gather;

/// What becomes of the elements that are reduced to one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Statistic {
    /// Their sum.
    Sum,
    /// Their mean.
    Mean,
    /// Their least.
    Min,
    /// Their greatest.
    Max,
    /// Their variance.
    Var {
        /// What is taken off their number to divide by.
        ddof: f64,
    },
    /// The square root of the variance.
    Std {
        /// What is taken off their number to divide by.
        ddof: f64,
    },
    /// Where the least first occurs.
    ArgMin,
    /// Where the greatest first occurs.
    ArgMax,
}

impl Statistic {
    fn name(self) -> &'static str {
        match self {
            Statistic::Sum => "sum",
            Statistic::Mean => "mean",
            Statistic::Min => "min",
            Statistic::Max => "max",
            Statistic::Var { .. } => "var",
            Statistic::Std { .. } => "std",
            Statistic::ArgMin => "argmin",
            Statistic::ArgMax => "argmax",
        }
    }

    fn dtype(self, input: DType) -> DType {
        match self {
            Statistic::Min | Statistic::Max => input,
            Statistic::ArgMin | Statistic::ArgMax => DType::I64,
            Statistic::Sum if input == DType::Bool || input.is_signed_integer() => DType::I64,
            Statistic::Sum if !input.is_float() => DType::U64,
            _ => DType::F64,
        }
    }

    /// Whether nothing has an answer.
    fn wants_elements(self) -> bool {
        self.dtype(DType::F32) != DType::F64
    }
}

/// The statistic of an array along axes.
///
/// # Errors
/// When there is nothing to take a minimum or maximum of.
pub(crate) fn reduced(input: &Array, spec: &ArraySpec, statistic: Statistic, along: &Along) -> Result<Array> {
    if along.column() == 0 && statistic.wants_elements() {
        return Err(Error::op(statistic.name(), "there are no elements along the axes to choose from"));
    }
    let output = along.output(spec).with_dtype(statistic.dtype(spec.dtype));
    if output.rank() == 0
        && let Some(scalar) = whole::whole(input, spec, statistic)
    {
        return Ok(scalar);
    }
    Ok(match Gather::new(statistic, along, spec, &output) {
        Some(gather) => Array::scan(gather, vec![input.clone()], vec![Spec::Array(output)], &[]),
        None => Array::tile(Columns { statistic, along: along.clone() }, vec![input.clone()], output),
    })
}

/// Whether pixels are measured by label.
fn by_label(args: &Args) -> bool {
    ["labels", "index"].iter().any(|name| args.has(name) && args.given(name))
}

fn reduce(args: &Args, statistic: Statistic) -> Result<Array> {
    if by_label(args) {
        let asked = match statistic {
            Statistic::Sum => Asked::Sum,
            Statistic::Mean => Asked::Mean,
            Statistic::Min => Asked::Minimum,
            Statistic::Max => Asked::Maximum,
            Statistic::Var { ddof } => Asked::Variance { ddof },
            Statistic::Std { ddof } => Asked::Deviation { ddof },
            Statistic::ArgMin => Asked::MinimumPosition,
            Statistic::ArgMax => Asked::MaximumPosition,
        };
        return labelled(args, "input", asked);
    }
    let (input, spec) = (args.array("input")?, args.spec("input")?);
    match statistic {
        Statistic::Min | Statistic::Max if spec.rank() == 0 => Ok(input),
        _ if spec.rank() == 0 => Err(args.error("takes an array, not a scalar")),
        _ => reduced(&input, &spec, statistic, &Along::read(args, &spec)?),
    }
}

fn ddof(args: &Args) -> Result<f64> {
    let ddof = args.number("ddof", 0.0)?;
    match ddof < 0.0 {
        true => Err(args.error(format!("`ddof` is {ddof}, it must not be negative"))),
        false => Ok(ddof),
    }
}

/// Where the extreme lies: along one axis, or counted through the whole array.
fn place(args: &Args, statistic: Statistic) -> Result<Array> {
    let spec = args.spec("input")?;
    if args.given("axis") && args.axes("axis", &spec)?.len() > 1 {
        return Err(args.error("`axis` is one axis, or none for the place in the whole array"));
    }
    reduce(args, statistic)
}

/// A reduction of which elements are not zero.
fn truth(args: &Args, statistic: Statistic) -> Result<Array> {
    let (input, spec) = (args.array("input")?, args.spec("input")?);
    if spec.rank() == 0 {
        return Err(args.error("takes an array, not a scalar"));
    }
    let mask = match spec.dtype {
        DType::Bool => input,
        _ => call("not_equal", vec![input.into(), 0.into()], Vec::new())?,
    };
    reduced(&mask, &spec.with_dtype(DType::Bool), statistic, &Along::read(args, &spec)?)
}

/// A key by which the element that is sought comes first: NaN, else the least or the greatest. Zeros of both signs are
/// the same.
#[inline(always)]
fn best_first<T: Element>(x: T, greatest: bool) -> u64 {
    let key = match T::DTYPE {
        DType::U64 => bytemuck::cast::<T, u64>(x),
        DType::I64 => bytemuck::cast::<T, u64>(x) ^ 1 << 63,
        _ => {
            let x = x.to_f64() + 0.0;
            if x.is_nan() {
                return 0;
            }
            let bits = x.to_bits();
            if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
        }
    };
    if greatest { !key } else { key }
}

fn quantile_of(args: &Args, sought: Quantile) -> Result<Array> {
    if by_label(args) {
        return labelled(args, "input", Asked::Median);
    }
    let (input, spec) = (args.array("input")?, args.spec("input")?);
    if spec.rank() == 0 {
        return Err(args.error("takes an array, not a scalar"));
    }
    quantile(args.def().name, &input, &spec, &Along::read(args, &spec)?, sought)
}

fn percentile(args: &Args) -> Result<Array> {
    let q = args.number("q", 50.0)?;
    if !(0.0..=100.0).contains(&q) {
        return Err(args.error(format!("`q` is {q}, it lies in 0..=100")));
    }
    quantile_of(args, Quantile { part: q / 100.0, middle: false })
}

const AXIS_OF: Param = Param {
    name: "axis",
    ty: Type::Axes,
    default: Some("none"),
    doc: "The axes to reduce: letters (\"yx\"), a number or a list of numbers; none for all of them.",
};
const KEEPDIMS: Param = Param {
    name: "keepdims",
    ty: Type::Bool,
    default: Some("false"),
    doc: "Whether reduced axes stay, with length one.",
};
const DDOF: Param = Param {
    name: "ddof",
    ty: Type::Number,
    default: Some("0"),
    doc: "What is taken off the number of elements to divide by; not negative.",
};

macro_rules! reduction {
    ($id:ident, $name:literal, $summary:literal, $details:expr, [$($param:expr),*], $returns:expr, $examples:expr, $build:expr) => {
        #[doc = concat!("`", $name, "`")]
        pub static $id: OpDef = OpDef {
            name: $name,
            family: "reductions",
            summary: $summary,
            details: $details,
            reference: concat!("numpy.", $name),
            params: &[INPUT, $($param),*],
            returns: &[($name, $returns)],
            examples: $examples,
            build: $build,
        };
    };
}

macro_rules! details {
    (by label $($text:tt)+) => {
        concat!(
            details!($($text)+),
            "\n\nWith `labels` (an integer array of the same shape) the pixels are measured by label instead, as by scipy's \
             ndimage: those with a label above 0 together, or with `index` the pixels of one label, or of each label of a \
             list, in an array of its shape; `index=\"all\"` gives a table of all labels above 0. See `sum_labels`."
        )
    };
    ($($text:tt)+) => {
        concat!(
            $($text)+,
            "\n\nWithout `axis` the result is one number. Otherwise the named axes go and the others stay with their names \
             and pixel sizes, so that the result of a named array goes back to it by name: `img - mean(img, axis=\"t\")`. \
             Arrays without names go back from the right as in NumPy: after reducing any but the first axes, give \
             `keepdims=true`."
        )
    };
}

macro_rules! quantiles {
    () => {
    "float64, whatever the array's type, and exact: the elements in their order, between two neighbours linearly, as \
     NumPy's default method. Of a whole image they are found by counting, 16 bits of the elements per sweep: one sweep \
     for 8 and 16 bits, two for 32, four for 64. Along axes every column of the array is held in memory, unless counts of \
     all values of 8- and 16-bit types need less. NaN if any element is; infinities \
     are elements like others (NumPy gives NaN beside them); an error for an empty image."
    };
}

const QUANTILE: &str = details!(quantiles!());
const MEDIAN_TEXT: &str = details!(
    by label quantiles!(),
    " By label: values are counted by label and value, on scratch where they are many (24 to 48 bytes for each pixel of \
     noise); NaN for a label that does not occur, for which scipy gives some element."
);
const SUMS: &str = details!(
    by label
    "In float64. The elements of integers and of whole images are summed without rounding and the result is rounded at \
     the end; so are those of float arrays where there are few results. Other sums of floats are taken in float64 in a \
     fixed order, with a relative error of at most n·2⁻⁵³ of the sum of magnitudes of n elements. The result depends \
     neither on the order nor on the tiling. NaN propagates. The mean of nothing is NaN."
);
const SUM_TEXT: &str = details!(
    by label
    "uint64 for unsigned integers, int64 for signed ones and masks (exact; an error where it does not fit), float64 for \
     floats: exact and rounded once for whole images and where there are few results, else summed in float64 in a fixed \
     order, with a relative error of at most n·2⁻⁵³ of the sum of magnitudes of n elements. Depends neither on the order \
     nor on the tiling. NaN propagates."
);
const EXTREME: &str = details!(by label "In the array's type. NaN if any element is; an error for nothing. -0 counts as smaller than 0. By \
    label: 0, as in scipy, for a label that does not occur.");
const PLACE: &str = details!(
    "int64: the position along `axis`, or without it in the whole array in C order. Of equal elements the first counts; \
     zeros of both signs are equal. The first NaN comes before any number."
);
const TRUTH: &str = details!("Elements that are not zero are true, NaN too.");

reduction!(
    MIN,
    "min",
    "The smallest element, of the image or along axes.",
    EXTREME,
    [AXIS_OF, KEEPDIMS, LABELS, INDEX],
    "The minimum.",
    &[
        "min(input)",
        "input - min(input)",
        "min(input, axis=0)",
        "min(input, axis=-1, keepdims=true)",
        "min(input, labels=input > 50)"
    ],
    |args| reduce(args, Statistic::Min)
);
reduction!(
    MAX,
    "max",
    "The largest element, of the image or along axes.",
    EXTREME,
    [AXIS_OF, KEEPDIMS, LABELS, INDEX],
    "The maximum.",
    &[
        "max(input)",
        "input / max(input)",
        "max(input, axis=-1)",
        "input - max(input, axis=0, keepdims=true)",
        "max(input, keepdims=true)",
        "max(input, labels=label(input > 60), index=[2, 1, 50])"
    ],
    |args| reduce(args, Statistic::Max)
);
reduction!(
    MEAN,
    "mean",
    "The mean, of the image or along axes.",
    SUMS,
    [AXIS_OF, KEEPDIMS, LABELS, INDEX],
    "The mean, float64.",
    &[
        "mean(input)",
        "input > mean(input)",
        "mean(input, axis=0)",
        "input - mean(input, axis=-1, keepdims=true)",
        "mean(input, axis=[0, -1])",
        "mean(input, labels=label(input > 60), index=[2, 1, 50])",
        "mean(input, labels=label(input > 60), index=\"all\")"
    ],
    |args| reduce(args, Statistic::Mean)
);
reduction!(
    STD,
    "std",
    "The standard deviation, of the image or along axes.",
    SUMS,
    [AXIS_OF, KEEPDIMS, DDOF, LABELS, INDEX],
    "The standard deviation, float64; NaN where there are no more than ddof elements.",
    &[
        "std(input)",
        "std(input, ddof=1)",
        "(input - mean(input)) / std(input)",
        "std(input, axis=0, ddof=1)",
        "std(input, axis=-1, keepdims=true)",
        "(input - mean(input, axis=0, keepdims=true)) / std(input, axis=0, keepdims=true)"
    ],
    |args| reduce(args, Statistic::Std { ddof: ddof(args)? })
);
reduction!(
    VAR,
    "var",
    "The variance, of the image or along axes.",
    SUMS,
    [AXIS_OF, KEEPDIMS, DDOF, LABELS, INDEX],
    "The variance, float64; NaN where there are no more than ddof elements.",
    &["var(input)", "var(input, axis=0)", "var(input, axis=-1, ddof=1)", "var(input, labels=input > 9, ddof=2)"],
    |args| reduce(args, Statistic::Var { ddof: ddof(args)? })
);
reduction!(
    SUM,
    "sum",
    "The sum, of the image or along axes.",
    SUM_TEXT,
    [AXIS_OF, KEEPDIMS, LABELS, INDEX],
    "The sum.",
    &[
        "sum(input)",
        "sum(input > 3)",
        "sum(input, axis=0)",
        "sum(input, axis=-1, keepdims=true)",
        "sum(input > 3, axis=[-1])",
        "sum(input, labels=cast(input, \"int8\"), index=[3, -100, 0, 3])"
    ],
    |args| reduce(args, Statistic::Sum)
);
reduction!(
    ARGMIN,
    "argmin",
    "Where the smallest element lies.",
    PLACE,
    [AXIS_OF, KEEPDIMS],
    "The position, int64.",
    &["argmin(input)", "argmin(input, axis=0)", "argmin(input, axis=-1, keepdims=true)"],
    |args| place(args, Statistic::ArgMin)
);
reduction!(
    ARGMAX,
    "argmax",
    "Where the largest element lies.",
    PLACE,
    [AXIS_OF, KEEPDIMS],
    "The position, int64.",
    &["argmax(input)", "argmax(input, axis=0)", "argmax(input, axis=-1)"],
    |args| place(args, Statistic::ArgMax)
);
reduction!(
    ANY,
    "any",
    "Whether any element is true.",
    TRUTH,
    [AXIS_OF, KEEPDIMS],
    "bool.",
    &["any(input > 5)", "any(input, axis=0)", "any(input, axis=-1, keepdims=true)"],
    |args| truth(args, Statistic::Max)
);
reduction!(
    ALL,
    "all",
    "Whether all elements are true.",
    TRUTH,
    [AXIS_OF, KEEPDIMS],
    "bool.",
    &["all(input < 5)", "all(input, axis=0)", "all(input, axis=-1, keepdims=true)"],
    |args| truth(args, Statistic::Min)
);
reduction!(
    COUNT_NONZERO,
    "count_nonzero",
    "How many elements are not zero.",
    TRUTH,
    [AXIS_OF, KEEPDIMS],
    "int64.",
    &["count_nonzero(input)", "count_nonzero(input > 3, axis=0)", "count_nonzero(input, axis=-1)"],
    |args| truth(args, Statistic::Sum)
);

reduction!(
    MEDIAN,
    "median",
    "The median, of the image or along axes.",
    MEDIAN_TEXT,
    [AXIS_OF, KEEPDIMS, LABELS, INDEX],
    "The median, float64.",
    &[
        "median(input)",
        "input > median(input)",
        "median(input, axis=0)",
        "median(input, axis=-1, keepdims=true)",
        "median(input, axis=[0, -1])",
        "median(input, labels=input > 60)",
        "median(input, labels=label(input > 60), index=[1, 4, 2])"
    ],
    |args| quantile_of(args, Quantile { part: 0.5, middle: true })
);
reduction!(
    PERCENTILE,
    "percentile",
    "A percentile, of the image or along axes.",
    QUANTILE,
    [Param { name: "q", ty: Type::Number, default: None, doc: "The percentile, 0 to 100." }, AXIS_OF, KEEPDIMS],
    "The percentile, float64.",
    &[
        "percentile(input, 25)",
        "percentile(input, 99.8, axis=0)",
        "percentile(input, q=33.3, axis=-1)",
        "percentile(input, 100, axis=[0, -1], keepdims=true)",
        "percentile(input, 0)"
    ],
    percentile
);
