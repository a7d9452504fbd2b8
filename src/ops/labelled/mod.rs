//! Measurements of pixel values by label: scipy's `ndimage` measurements, in one sweep whatever the number of labels.

mod cells;
mod groups;
pub(crate) mod own;
mod scan;

use super::elementwise::cast;
use super::{Arg, Args, INPUT, OpDef, Param, Type, call};
use crate::array::{ArraySpec, DType, Scalar};
use crate::error::Result;
use crate::graph::Array;
use crate::kernels::histogram::UniformBins;
pub(crate) use cells::Asked;
use cells::Cells;
use groups::Groups;
use scan::Labelled;

/// The labels, of reductions that also work without.
pub(super) const LABELS: Param = Param {
    name: "labels",
    ty: Type::Array,
    default: Some("none"),
    doc: "An integer array of the same shape, or that broadcasts to it: measures the pixels with a label, above 0 or in \
          `index`.",
};
/// The labels that are asked for.
pub(super) const INDEX: Param = Param {
    name: "index",
    ty: Type::Any,
    default: Some("none"),
    doc: "The labels to measure one by one: a number, a list, or \"all\" for a table; none for all above 0 together.",
};

/// The measurement that `labels` and `index` ask for.
///
/// # Errors
/// When the arguments do not fit together.
pub(super) fn labelled(args: &Args, input: &str, asked: Asked) -> Result<Array> {
    for other in ["axis", "keepdims", "x2"] {
        if args.has(other) && args.given(other) {
            return Err(args.error(format!("`{other}` and `labels` exclude each other")));
        }
    }
    measured(args, input, asked, None)
}

/// The measurement of an array by the parameters `labels` and `index`.
fn measured(args: &Args, input: &str, asked: Asked, default: Option<f64>) -> Result<Array> {
    let input = (args.array(input)?, args.spec(input)?);
    let labels = match args.given("labels") {
        true => Some(labels_over(args, "labels", &input.1)?),
        false => None,
    };
    let groups = match &labels {
        Some((_, spec)) => groups::read(args, "index", spec.dtype)?,
        None if args.given("index") => return Err(args.error("`index` needs `labels`")),
        None => Groups::All,
    };
    node(args, Some(input), labels, groups, asked, default)
}

fn node(
    args: &Args,
    input: Option<(Array, ArraySpec)>,
    labels: Option<(Array, ArraySpec)>,
    groups: Groups,
    asked: Asked,
    default: Option<f64>,
) -> Result<Array> {
    let Some(spec) = input.as_ref().or(labels.as_ref()).map(|(_, spec)| spec.clone()) else {
        return Err(args.error("there is nothing to measure"));
    };
    if spec.rank() == 0 {
        return Err(args.error("takes an array, not a scalar"));
    }
    let places = spec.elements().checked_next_power_of_two().is_some_and(|n| n <= 1 << 56);
    if !places || spec.shape.iter().any(|&n| n > 1 << 40) {
        return Err(args.error(format!("an array of shape {:?} is too large for these sums", spec.shape)));
    }
    let op = Labelled {
        name: args.name(),
        cells: Cells::new(asked, &spec),
        groups,
        values: input.as_ref().map(|(_, spec)| spec.dtype),
        labels: labels.as_ref().map(|(_, spec)| spec.dtype),
        default,
        room: Labelled::ROOM,
        held: Labelled::HELD,
    };
    Ok(op.array(input.into_iter().chain(labels).map(|(array, _)| array).collect()))
}

/// The labels, repeated along axes that they lack or along which they have one element.
fn labels_over(args: &Args, name: &str, input: &ArraySpec) -> Result<(Array, ArraySpec)> {
    let (array, spec) = args.labels(name)?;
    if input.shape == spec.shape {
        return Ok((array, spec));
    }
    let labels = cast::stretch(args.name(), &array, &spec, input)?;
    Ok((labels, input.with_dtype(spec.dtype)))
}

/// A measurement that has another op where there are no labels.
fn or_whole(args: &Args, whole: &str, asked: Asked) -> Result<Array> {
    match args.given("labels") || args.given("index") {
        true => labelled(args, "input", asked),
        false => call(whole, vec![Arg::Array(args.array("input")?)], vec![]),
    }
}

/// The edges of scipy's `histogram`, for reductions.
///
/// # Errors
/// When there are more bins than a record can hold, or no range.
pub(super) fn bins(args: &Args, range: Option<(f64, f64)>, bins: usize) -> Result<Asked> {
    let Some((lo, hi)) = range.filter(|(lo, hi)| lo < hi) else {
        return Err(args.error("with `labels` the outer edges must be given: `range=[first, last]`"));
    };
    if bins > MOST_BINS {
        return Err(args.error(format!("`bins` is {bins}, with `labels` it lies in 1..={MOST_BINS}")));
    }
    Ok(Asked::Histogram(UniformBins::new(lo, hi, bins)))
}

/// A record holds all bins of a label.
const MOST_BINS: usize = 4096;

fn area(args: &Args) -> Result<Array> {
    let (_, spec) = (args.array("image")?, args.spec("image")?);
    if args.given("label_image") {
        let labels = labels_over(args, "label_image", &spec)?;
        let groups = groups::read(args, "index", labels.1.dtype)?;
        return node(args, None, Some(labels), groups, Asked::Area, None);
    }
    match args.given("index") {
        true => Err(args.error("`index` needs `label_image`")),
        false => Ok(Array::constant(Scalar::of(spec.elements() as i64))),
    }
}

fn find_objects(args: &Args) -> Result<Array> {
    let labels = args.labels("input")?;
    let most = args.integer("max_label", 0)?;
    if most < 0 {
        return Err(args.error(format!("`max_label` is {most}, it must not be negative")));
    }
    let groups = groups::up_to(most, labels.1.dtype);
    node(args, None, Some(labels), groups, Asked::Boxes, None)
}

fn labeled_comprehension(args: &Args) -> Result<Array> {
    let asked = match args.text_of("func")? {
        Some("area" | "len" | "count") => Asked::Area,
        Some("sum") => Asked::Sum,
        Some("mean") => Asked::Mean,
        Some("var" | "variance") => Asked::Variance { ddof: 0.0 },
        Some("std" | "standard_deviation") => Asked::Deviation { ddof: 0.0 },
        Some("min" | "minimum") => Asked::Minimum,
        Some("max" | "maximum") => Asked::Maximum,
        Some("median") => Asked::Median,
        other => {
            let other = other.map(|word| format!(", not {word:?}")).unwrap_or_default();
            return Err(args.error(format!(
                "`func` is one of area, sum, mean, var, std, min, max, median{other}; functions of one's own are for the library"
            )));
        }
    };
    if args.bool("pass_positions", false)? {
        return Err(
            args.error("`pass_positions` is for functions of one's own; use minimum_position or maximum_position")
        );
    }
    let default = args.number("default", 0.0)?;
    let result = measured(args, "input", asked, Some(default))?;
    match (args.dtype("out_dtype")?, result.array_spec().is_some()) {
        (None | Some(DType::F64), _) => Ok(result),
        (Some(dtype), true) => Ok(cast::to(&result, dtype)),
        (Some(_), false) => Err(args.error("`out_dtype` is for lists of labels; a table has float64 columns")),
    }
}

macro_rules! details {
    ($text:literal) => {
        concat!(
            $text,
            "\n\n`labels` is an integer array (or a mask) of the same shape. Without `index` the pixels with a label above \
             0 are measured together, and without `labels` all pixels: one result. `index` is a label or a (nested) list \
             of labels, of any sign and 0 too: the result has its shape, one entry per label, in that order. \
             `index=\"all\"` gives a table with a row for every label above 0, in their order.\n\n\
             One sweep, whatever the number of labels: memory holds a table of fixed size, records beyond it go to scratch \
             in sorted runs. All axes count, also those of named arrays. Labels of fewer axes, or of length 1 along some, are repeated along \
             the others, by name where both have named axes."
        )
    };
}

const SUMS: &str = details!(
    "Sums are exact (long integers, also for floats) and rounded once, so that the result depends neither on the order nor \
     on the tiling. NaN propagates. A label that does not occur has the sum 0 and no (NaN) mean, variance or deviation. \
     Sums of integers are uint64 or int64 (scipy: float64), an error where they do not fit; else the result is float64."
);
const PLACES: &str = details!(
    "int64, one number per axis along a last axis of the result. Of equal elements the first in C order counts (scipy's \
     choice is open for a list of labels); zeros of both signs are equal; the first NaN comes before any number. As in \
     scipy a label that does not occur has the position 0."
);
const MASS: &str = details!(
    "The coordinates in pixels, averaged with the values as weights: float64, one number per axis along a last axis of the \
     result. Sums are exact and rounded once. Where the values sum up to 0 it is infinite or NaN, as in scipy; NaN where any \
     value is, and for a label that does not occur."
);
const EXTREMA: &str = details!(
    "Four results: the values in the array's type and the positions as int64, one number per axis along a last axis; with \
     `index=\"all\"` they are columns of one table. Of equal elements the first in C order counts; NaN comes before any \
     number; a label that does not occur has zeros."
);

macro_rules! measurement {
    ($id:ident, $name:literal, $summary:literal, $details:expr, $returns:expr, $examples:expr, $build:expr) => {
        #[doc = concat!("`scipy.ndimage.", $name, "`.")]
        pub static $id: OpDef = OpDef {
            name: $name,
            family: "objects",
            summary: $summary,
            details: $details,
            reference: concat!("scipy.ndimage.", $name),
            params: &[INPUT, LABELS, INDEX],
            returns: $returns,
            examples: $examples,
            build: $build,
        };
    };
}

measurement!(
    SUM_LABELS,
    "sum_labels",
    "The sum of the pixel values of each label.",
    SUMS,
    &[("sum", "uint64, int64 or float64, of the shape of index.")],
    &[
        "sum_labels(input)",
        "sum_labels(input, label(input > 60))",
        "sum_labels(input, label(input > 60), index=[2, 1, 7, 0])",
        "sum_labels(input, input > 60, index=\"all\")",
    ],
    |args| or_whole(args, "sum", Asked::Sum)
);
measurement!(
    VARIANCE,
    "variance",
    "The variance of the pixel values of each label.",
    SUMS,
    &[("variance", "float64, of the shape of index.")],
    &["variance(input)", "variance(input, label(input > 60), index=[[1, 2], [3, 3]])"],
    |args| or_whole(args, "var", Asked::Variance { ddof: 0.0 })
);
measurement!(
    STANDARD_DEVIATION,
    "standard_deviation",
    "The standard deviation of the pixel values of each label.",
    SUMS,
    &[("standard_deviation", "float64, of the shape of index.")],
    &["standard_deviation(input)", "standard_deviation(input, label(input > 60), index=[1, 2])"],
    |args| or_whole(args, "std", Asked::Deviation { ddof: 0.0 })
);
measurement!(
    MINIMUM_POSITION,
    "minimum_position",
    "Where the smallest pixel value of each label first occurs.",
    PLACES,
    &[("positions", "int64, of the shape of index and an axis of coordinates.")],
    &[
        "minimum_position(input)",
        "minimum_position(input, input > 3)",
        "minimum_position(input, label(input > 60), index=[1, 2, 30])",
    ],
    |args| measured(args, "input", Asked::MinimumPosition, None)
);
measurement!(
    MAXIMUM_POSITION,
    "maximum_position",
    "Where the largest pixel value of each label first occurs.",
    PLACES,
    &[("positions", "int64, of the shape of index and an axis of coordinates.")],
    &["maximum_position(input)", "maximum_position(input, label(input > 60), index=2)"],
    |args| measured(args, "input", Asked::MaximumPosition, None)
);
measurement!(
    EXTREMA_OF,
    "extrema",
    "The smallest and the largest pixel value of each label, and where they occur.",
    EXTREMA,
    &[
        ("minimum", "As input, of the shape of index."),
        ("maximum", "As input, of the shape of index."),
        ("minimum_position", "int64, with an axis of coordinates."),
        ("maximum_position", "int64, with an axis of coordinates."),
    ],
    &[
        "extrema(input)",
        "extrema(input, label(input > 60), index=[3, 1])",
        "extrema(input, label(input > 60), index=\"all\")",
    ],
    |args| measured(args, "input", Asked::Extrema, None)
);
measurement!(
    CENTER_OF_MASS,
    "center_of_mass",
    "The centre of each label, weighted by the pixel values.",
    MASS,
    &[("coordinates", "float64, of the shape of index and an axis of coordinates.")],
    &[
        "center_of_mass(input)",
        "center_of_mass(input, label(input > 60))",
        "center_of_mass(input > 3, label(input > 60), index=[1, 2, 40])",
    ],
    |args| measured(args, "input", Asked::CenterOfMass, None)
);

/// `dask_image.ndmeasure.area`.
pub static AREA: OpDef = OpDef {
    name: "area",
    family: "objects",
    summary: "The number of pixels of each label.",
    details: details!("int64; 0 for a label that does not occur. The values of `image` do not matter."),
    reference: "dask_image.ndmeasure.area",
    params: &[Param { name: "image", ..INPUT }, Param { name: "label_image", ..LABELS }, INDEX],
    returns: &[("area", "int64, of the shape of index.")],
    examples: &[
        "area(input)",
        "area(input, label(input > 60))",
        "area(input, label(input > 60), index=[1, 0, 99])",
        "area(input, cast(input, \"int16\"), index=\"all\")",
    ],
    build: area,
};

/// `scipy.ndimage.find_objects`.
pub static FIND_OBJECTS: OpDef = OpDef {
    name: "find_objects",
    family: "objects",
    summary: "The box around the pixels of each label, as a table.",
    details: "One row per label above 0 that occurs, in the order of the labels: `label`, the first coordinate along each \
              axis (`start-0` …) and the one after the last (`stop-0` …). scipy lists `None` for labels that do not \
              occur. All axes count, also those of named arrays. `measure` gives boxes among other properties. Memory \
              holds a table of fixed size; what does not fit goes to scratch.",
    reference: "scipy.ndimage.find_objects",
    params: &[
        Param { name: "input", ty: Type::Array, default: None, doc: "An integer array of labels." },
        Param {
            name: "max_label",
            ty: Type::Integer,
            default: Some("0"),
            doc: "The largest label that is looked for; 0 for all.",
        },
    ],
    returns: &[("table", "label, start-0 …, stop-0 …")],
    examples: &["find_objects(label(input > 60))", "find_objects(label(input > 60), max_label=3)"],
    build: find_objects,
};

/// `scipy.ndimage.labeled_comprehension`.
pub static LABELED_COMPREHENSION: OpDef = OpDef {
    name: "labeled_comprehension",
    family: "objects",
    summary: "A named statistic of the pixel values of each label, with a value for labels that do not occur.",
    details: details!(
        "The statistic of each label as float64, cast to `out_dtype` at the end; `default` where a label does not occur. \
         `func` is the name of a statistic; functions of one's own are for the library, where \
         `tilewise::labeled_comprehension` hands them the values of a label in order."
    ),
    reference: "scipy.ndimage.labeled_comprehension",
    params: &[
        INPUT,
        LABELS,
        INDEX,
        Param {
            name: "func",
            ty: Type::Word(&["area", "sum", "mean", "var", "std", "min", "max", "median"]),
            default: None,
            doc: "The statistic: area, sum, mean, var, std, min, max or median.",
        },
        Param { name: "out_dtype", ty: Type::DType, default: Some("\"float64\""), doc: "The type of the result." },
        Param {
            name: "default",
            ty: Type::Number,
            default: Some("0"),
            doc: "The result for labels that do not occur, before it is cast.",
        },
        Param {
            name: "pass_positions",
            ty: Type::Bool,
            default: Some("false"),
            doc: "Only false: whether scipy hands positions to a function of one's own.",
        },
    ],
    returns: &[("result", "of out_dtype and the shape of index")],
    examples: &[
        "labeled_comprehension(input, label(input > 60), [1, 2, 99], \"mean\", default=-1)",
        "labeled_comprehension(input, label(input > 60), [1, 2], \"max\", \"int16\", -1)",
        "labeled_comprehension(input, label(input > 60), [5, 1, 1], \"median\", default=7)",
        "labeled_comprehension(input, input > 60, none, \"std\")",
    ],
    build: labeled_comprehension,
};
