//! A box of an array.

use crate::error::Result;
use crate::graph::Array;
use crate::ops::select::{Pick, Selection, select};
use crate::ops::{Arg, Args, INPUT, OpDef, Param, Type};

/// The axes that can be named.
const LETTERS: [&str; 9] = ["n", "t", "c", "z", "y", "x", "w", "v", "u"];

const fn range(name: &'static str) -> Param {
    Param {
        name,
        ty: Type::Any,
        default: Some("none"),
        doc: "[start, stop] or [start, stop, step] along this axis; negative counts from the end, none is open.",
    }
}

fn crop(args: &Args) -> Result<Array> {
    let (input, spec) = (args.array("input")?, args.spec("input")?);
    let mut picks = Vec::new();
    for name in LETTERS.into_iter().filter(|name| args.given(name)) {
        let letter = name.chars().next().filter(|&letter| spec.axis(letter).is_some());
        let Some(letter) = letter else {
            return Err(args.error(format!("`{name}`: there is no such axis, the axes are {:?}", spec.letters())));
        };
        picks.push(Selection { axis: Some(letter), what: pick(args, name)? });
    }
    select(&input, &picks)
}

fn pick(args: &Args, name: &str) -> Result<Pick> {
    let wrong = |arg: &Arg| args.error(format!("`{name}` is [start, stop] or [start, stop, step], not {arg}"));
    let bound = |item: Option<&Arg>, whole: &Arg| match item {
        None | Some(Arg::None) => Ok(None),
        Some(Arg::Int(value)) => Ok(Some(*value)),
        Some(_) => Err(wrong(whole)),
    };
    match args.get(name) {
        Some(whole @ Arg::List(items)) if (2..=3).contains(&items.len()) => Ok(Pick::Slice {
            start: bound(items.first(), whole)?,
            stop: bound(items.get(1), whole)?,
            step: bound(items.get(2), whole)?,
        }),
        other => Err(wrong(other.unwrap_or(&Arg::None))),
    }
}

/// `crop`
pub static CROP: OpDef = OpDef {
    name: "crop",
    family: "geometry",
    summary: "A box of an array.",
    details: "`crop(input, y=[10, 50])` is `input[y=10:50]`, the form for pipelines: start, stop and step are Python's, \
        so that a stop beyond the end means the end and negative numbers count from it. Axes that are not named stay \
        whole. Axes of arrays without names are called x, y, z, w, v, u from the right. Only what is inside is read.",
    reference: "numpy slicing",
    params: &[
        INPUT,
        range("n"),
        range("t"),
        range("c"),
        range("z"),
        range("y"),
        range("x"),
        range("w"),
        range("v"),
        range("u"),
    ],
    returns: &[("part", "The box, in the element type of the input.")],
    examples: &[
        "crop(input, x=[0, 5])",
        "crop(input, y=[1, none, 2], x=[-3, none])",
        "crop(input)",
        "crop(input, x=[none, -1])",
    ],
    build: crop,
};
