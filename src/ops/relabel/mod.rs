//! Label images changed label by label: a sweep takes stock of the labels in a table, the next one reads the table.

mod census;
mod condition;
pub(crate) mod keys;
mod lookup;
mod remap;

use super::{AXES, Arg, Args, OpDef, Param, Type, call, measure};
use crate::array::{ArraySpec, DType, Spec};
use crate::error::Result;
use crate::graph::Array;
use census::{Asked, census};
use condition::{Binary, Condition, names};
use keys::{key_of, zero};
use remap::{Keep, Renumber, remap};

/// `skimage.segmentation.relabel_sequential`.
pub static RELABEL_SEQUENTIAL: OpDef = OpDef {
    name: "relabel_sequential",
    family: "objects",
    summary: "Numbers labels anew, without gaps, in the order of their old numbers.",
    details: "The labels become `offset`, `offset + 1`, …; 0 is background and stays 0. The element type is kept: where \
              it does not hold the new labels (only with an `offset`) the run fails; cast first. (scikit-image chooses \
              a wider type then.) `.map` is a table of the old labels (`label`) and the new ones (`number`). Labels \
              below 0 are an error.\n\n\
              One sweep collects the labels, a second one rewrites them. Memory holds a table of fixed size; what does \
              not fit, millions of labels, goes to scratch.",
    reference: "skimage.segmentation.relabel_sequential",
    params: &[
        Param { name: "label_field", ..LABELS },
        Param { name: "offset", ty: Type::Integer, default: Some("1"), doc: "The first new label, at least 1." },
    ],
    returns: &[("labels", "as label_field"), ("map", "a table: label, number")],
    examples: &[
        "relabel_sequential(label(input > 60))",
        "relabel_sequential(cast(abs(cast(input, \"int32\")), \"uint16\"), offset=300)",
        "relabel_sequential(cast(input, \"uint8\"))",
    ],
    build: relabel_sequential,
};

/// `skimage.segmentation.join_segmentations`.
pub static JOIN_SEGMENTATIONS: OpDef = OpDef {
    name: "join_segmentations",
    family: "objects",
    summary: "Labels the parts that two label images cut each other into.",
    details: "Two pixels have the same label in the result when they have the same label in both images. The pairs of \
              labels that occur are numbered from 1 in their order, by `s1` first; pixels that are 0 in both stay 0. If \
              no pixel is 0 in both, scikit-image numbers from 1 all the same, and so does this.\n\n\
              The result is uint32, or uint64 for arrays of 2^32 pixels or more. `.map` is a table of the pairs \
              (`label`, `label_2`) and their numbers (`number`). Labels below 0 are an error. Memory holds a table of \
              fixed size; what does not fit goes to scratch.",
    reference: "skimage.segmentation.join_segmentations",
    params: &[
        Param { name: "s1", doc: "An integer array of labels; 0 is background.", ..LABELS },
        Param { name: "s2", doc: "Another one of the same shape.", ..LABELS },
    ],
    returns: &[("labels", "uint32 or uint64"), ("map", "a table: label, label_2, number")],
    examples: &[
        "join_segmentations(label(input > 60), label(input > 90, structure=\"full\"))",
        "join_segmentations(cast(input, \"uint8\"), label(input > 30))",
    ],
    build: join_segmentations,
};

/// Labels chosen by their properties.
pub static FILTER_LABELS: OpDef = OpDef {
    name: "filter_labels",
    family: "objects",
    summary: "Keeps the labels whose properties meet a condition, and removes the others.",
    details: "`condition` is a text such as \"area > 50 and eccentricity < 0.9\": names are columns of `measure` \
              (`area`, `centroid-0`, `intensity_mean`; with several intensities `intensity_mean-0` …), operators \
              Python's: `+ - * / % **`, `< <= > >= == !=`, `and or not` (also `& | ~`, which bind as these do) and \
              parentheses; `pi` is a number, `true` and `false` are truth values, `touches_border` is one. Comparisons \
              with NaN are not met. \"4 * pi * area / perimeter ** 2 > 0.8\" keeps what is round.\n\n\
              Labels that stay keep their numbers (`relabel_sequential` closes the gaps), others become 0, as do those \
              below 0. Properties are measured for each label as a whole, wherever its pixels lie, in one sweep; \
              a second one removes labels. The table of properties goes to scratch when it is large.",
    reference: "skimage.measure.regionprops_table, numpy.isin",
    params: &[
        LABELS,
        Param { name: "condition", ty: Type::Any, default: None, doc: "A text: what labels must meet to stay." },
        Param {
            name: "intensity",
            ty: Type::Any,
            default: Some("none"),
            doc: "What `measure` takes: an array of the same shape, or with an axis of channels more, or a list.",
        },
        AXES,
    ],
    returns: &[("labels", "as labels")],
    examples: &[
        "filter_labels(label(input > 60), \"area > 3 and area < 30\")",
        "filter_labels(label(input > 60), \"intensity_mean > 100 or touches_border\", intensity=input)",
        "filter_labels(label(input > 90, axes=[-1]), \"not (extent == 1 or label % 3 == 0)\", axes=[-1])",
        "filter_labels(cast(input, \"uint8\"), \"centroid-0 >= 2\")",
    ],
    build: filter_labels,
};

const LABELS: Param =
    Param { name: "labels", ty: Type::Array, default: None, doc: "An integer array of labels; 0 is background." };

/// A label image.
fn labels(args: &Args, name: &str) -> Result<(Array, ArraySpec)> {
    let (array, spec) = args.labels(name)?;
    if spec.dtype == DType::Bool {
        return Err(args.no_labels(name, spec.dtype));
    }
    if spec.rank() == 0 {
        return Err(args.error(format!("`{name}` must be an array, not a scalar")));
    }
    Ok((array, spec))
}

fn relabel_sequential(args: &Args) -> Result<Array> {
    let (array, spec) = labels(args, "label_field")?;
    let offset = args.integer("offset", 1)?;
    let fits = spec.dtype.integer_range().is_some_and(|(_, most)| i128::from(offset) <= most);
    if offset < 1 || !fits {
        return Err(args.error(format!("`offset` is {offset}, it must be at least 1 and fit {}", spec.dtype)));
    }
    let asked = Asked::Numbers { offset: offset as u64, dtype: spec.dtype };
    let map = census(args.name(), &[&array], None, asked);
    let rule = Renumber { column: 1, dtype: spec.dtype };
    Ok(remap(args.name(), &[&array], map.clone(), rule, spec).with_related(vec![("map", map)]))
}

fn join_segmentations(args: &Args) -> Result<Array> {
    let ((one, spec), (two, other)) = (labels(args, "s1")?, labels(args, "s2")?);
    if spec.shape != other.shape {
        return Err(args.error(format!("`s1` has shape {:?} and `s2` {:?}", spec.shape, other.shape)));
    }
    let dtype = if spec.elements() <= u32::MAX.into() { DType::U32 } else { DType::U64 };
    let map = census(args.name(), &[&one, &two], None, Asked::Numbers { offset: 1, dtype });
    let rule = Renumber { column: 2, dtype };
    Ok(remap(args.name(), &[&one, &two], map.clone(), rule, spec.with_dtype(dtype)).with_related(vec![("map", map)]))
}

fn filter_labels(args: &Args) -> Result<Array> {
    let (array, spec) = labels(args, "labels")?;
    let Some(text) = args.text_of("condition")? else {
        return Err(args.error("`condition` is a text: \"area > 50\""));
    };
    let bad = |what: String| args.error(format!("`condition` {what}"));
    let wanted: Vec<Arg> = names(text).into_iter().map(Arg::from).collect();
    let option = |name: &str| args.get(name).cloned().map(|value| (name.to_string(), value));
    let options = option("intensity").into_iter().chain(option("axes"));
    let options = options.chain([("properties".to_string(), Arg::List(wanted))]).collect();
    let table = call("measure", vec![Arg::Array(array.clone())], options)?;
    let Spec::Table(columns) = table.spec() else { return Err(bad("has no table".into())) };
    // Old names of properties have columns with the new ones.
    let mut text = text.to_string();
    for name in names(&text.clone()) {
        if let Some(new) = measure::name_of(name).filter(|new| *new != name) {
            text = renamed(&text, name, new);
        }
    }
    let condition = Condition::read(&text, &columns.columns).map_err(bad)?;
    let rule = Keep { condition, other: zero(spec.dtype) };
    Ok(remap(args.name(), &[&array], table, rule, spec))
}

/// The text with one whole word put in the place of another.
fn renamed(text: &str, old: &str, new: &str) -> String {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut result = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(old) {
        let end = at + old.len();
        let whole = !rest[..at].ends_with(part) && !rest[end..].starts_with(part);
        result += &rest[..at];
        result += if whole { new } else { old };
        rest = &rest[end..];
    }
    result + rest
}

/// The labels with at least that many pixels.
pub(super) fn at_least(name: &'static str, labels: &Array, spec: &ArraySpec, pixels: u64) -> Array {
    let table = census(name, &[labels], None, Asked::Area);
    let condition = Condition::compare(1, Binary::GreaterEqual, pixels as f64);
    remap(name, &[labels], table, Keep { condition, other: zero(spec.dtype) }, spec.clone())
}

/// The labels without a pixel whose mark (uint8) is 2; the others become `other`.
///
/// # Errors
/// When the type does not hold `other`.
pub(super) fn unmarked(args: &Args, labels: &Array, spec: &ArraySpec, marks: &Array, other: i64) -> Result<Array> {
    let fits = spec.dtype.integer_range().is_some_and(|(least, most)| (least..=most).contains(&other.into()));
    let Some(other) = key_of(other.into(), spec.dtype).filter(|_| fits) else {
        return Err(args.error(format!("`bgval` is {other}, which {} labels cannot hold", spec.dtype)));
    };
    let table = census(args.def().name, &[labels], Some(marks), Asked::Mark);
    let condition = Condition::compare(1, Binary::Less, 2.0);
    Ok(remap(args.def().name, &[labels], table, Keep { condition, other }, spec.clone()))
}

/// The label with the most pixels, the smallest of several.
pub(super) fn largest(name: &'static str, labels: &Array, spec: &ArraySpec) -> Array {
    let table = census(name, &[labels], None, Asked::Largest);
    remap(name, &[labels], table, Keep { condition: Condition::always(), other: zero(spec.dtype) }, spec.clone())
}
