//! Axes in another order, axes of length one added and taken away.

use crate::array::{ArraySpec, Axis, Dims, MAX_RANK, Region, View, ViewMut, copy};
use crate::error::Result;
use crate::graph::{Array, Cx, Need, TileOp};
use crate::ops::select::{Pick, Selection, select};
use crate::ops::{Arg, Args, INPUT, OpDef, Param, Type};
use arrayvec::ArrayVec;

/// An array whose axes are those of its input in another order, with axes of length one between them.
#[derive(Debug)]
struct Rearrange {
    name: &'static str,
    /// Per axis of the output: the axis of the input it was; `None` for a new one.
    from: ArrayVec<Option<usize>, MAX_RANK>,
}

impl TileOp for Rearrange {
    fn name(&self) -> &'static str {
        self.name
    }

    fn need(&self, _input: usize, out: &Region, inputs: &[ArraySpec]) -> Need {
        let rank = inputs[0].rank();
        let mut region = Region { start: (0..rank).map(|_| 0).collect(), shape: (0..rank).map(|_| 1).collect() };
        let mut empty = false;
        for (axis, from) in self.from.iter().enumerate() {
            match *from {
                Some(from) => (region.start[from], region.shape[from]) = (out.start[axis], out.shape[axis]),
                None => empty |= out.shape[axis] == 0,
            }
        }
        if let (true, Some(first)) = (empty, region.shape.first_mut()) {
            *first = 0;
        }
        Need::inside(&region)
    }

    fn run(&self, _cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, _scratch: &mut [u8]) -> Result<()> {
        let src = &inputs[0];
        let strides: ArrayVec<usize, MAX_RANK> = self.from.iter().map(|f| f.map_or(0, |f| src.strides()[f])).collect();
        let turned = View::strided(src.dtype(), out.shape(), &strides, src.data());
        copy(out, &turned);
        Ok(())
    }

    fn cost(&self) -> f64 {
        0.5
    }
}

fn transpose(args: &Args) -> Result<Array> {
    let (input, spec) = (args.array("input")?, args.spec("input")?);
    let rank = spec.rank();
    let order: Vec<usize> = if args.given("axes") { args.axes("axes", &spec)? } else { (0..rank).rev().collect() };
    if order.len() != rank {
        let (got, letters) = (order.len(), spec.letters());
        return Err(args.error(format!("`axes` names {got} axes, the array has {rank} ({letters:?})")));
    }
    if order.iter().enumerate().all(|(to, &from)| to == from) {
        return Ok(input);
    }
    let mut output = spec.clone();
    for (to, &from) in order.iter().enumerate() {
        output.shape[to] = spec.shape[from];
        let name = if spec.named { spec.axes[from].name } else { spec.axes[to].name };
        output.axes[to] = Axis { name, ..spec.axes[from].clone() };
    }
    let from = order.into_iter().map(Some).collect();
    Ok(Array::tile(Rearrange { name: "transpose", from }, vec![input], output))
}

/// `transpose`
pub static TRANSPOSE: OpDef = OpDef {
    name: "transpose",
    family: "geometry",
    summary: "Puts the axes into another order.",
    details: "Axis k of the result is axis `axes[k]` of the input; without `axes` their order is reversed. The letters, \
        pixel sizes and labels of named axes go with them: `transpose(input, \"xy\")` of a yx image is an xy image. \
        Axes without names are called x, y, z … from the right again. Keeps the element type.",
    reference: "numpy.transpose",
    params: &[
        INPUT,
        Param {
            name: "axes",
            ty: Type::Axes,
            default: Some("none"),
            doc: "All axes in their new order: letters (\"xyc\") or a list of numbers; reversed otherwise.",
        },
    ],
    returns: &[("transposed", "The array with its axes reordered, in the element type of the input.")],
    examples: &["transpose(input)", "transpose(transpose(input)[0:3])", "transpose(input, [2, 0, 1])"],
    build: transpose,
};

/// `array` with an axis of length one before axis `at`.
pub(super) fn expanded(op: &'static str, array: &Array, spec: &ArraySpec, at: usize, name: Option<char>) -> Array {
    let mut shape: Dims = spec.shape.clone();
    shape.insert(at, 1);
    let mut output = ArraySpec::unnamed(&shape, spec.dtype);
    output.named = spec.named || name.is_some();
    let mut old = spec.axes.iter();
    for (axis, slot) in output.axes.iter_mut().enumerate() {
        if axis == at {
            slot.name = name.unwrap_or(slot.name);
        } else if let Some(old) = old.next() {
            let kept = if spec.named || name.is_some() { old.name } else { slot.name };
            *slot = Axis { name: kept, ..old.clone() };
        }
    }
    let mut from: ArrayVec<Option<usize>, MAX_RANK> = (0..spec.rank()).map(Some).collect();
    from.insert(at, None);
    Array::tile(Rearrange { name: op, from }, vec![array.clone()], output)
}

/// The letter of a new axis and its place.
pub(super) fn new_axis(args: &Args, spec: &ArraySpec) -> Result<(usize, Option<char>)> {
    let rank = spec.rank() as i64;
    if spec.rank() == MAX_RANK {
        return Err(args.error(format!("arrays have at most {MAX_RANK} axes")));
    }
    let at = args.integer("axis", 0)?;
    let place = if at < 0 { at + rank + 1 } else { at };
    if !(0..=rank).contains(&place) {
        return Err(args.error(format!(
            "`axis` is {at}: the result has {} axes, so it is in {}..={rank}",
            rank + 1,
            -rank - 1
        )));
    }
    let letters = spec.letters();
    let name = match args.text_of("name")? {
        Some(name) => {
            let mut chars = name.chars();
            match (chars.next(), chars.next()) {
                (Some(c), None) if c.is_ascii_lowercase() && !letters.contains(c) => Some(c),
                (Some(c), None) if letters.contains(c) => {
                    return Err(args.error(format!("`name`: there is an axis {name:?} already ({letters:?})")));
                }
                _ => return Err(args.error(format!("`name` is one small letter, not {name:?}"))),
            }
        }
        None if spec.named => {
            ['n', 't', 'c', 'z', 'y', 'x', 'k', 'w', 'v', 'u'].into_iter().find(|&c| !letters.contains(c))
        }
        None => None,
    };
    Ok((place as usize, name))
}

pub(super) const NAME: Param = Param {
    name: "name",
    ty: Type::Any,
    default: Some("none"),
    doc: "The letter of the new axis; else, where the others have names, the first free one of n t c z y x.",
};

fn expand_dims(args: &Args) -> Result<Array> {
    let (input, spec) = (args.array("input")?, args.spec("input")?);
    if spec.rank() == 0 {
        return Err(args.error("`input` is a single number, which has no axes to add one to"));
    }
    let (at, name) = new_axis(args, &spec)?;
    Ok(expanded("expand_dims", &input, &spec, at, name))
}

/// `expand_dims`
pub static EXPAND_DIMS: OpDef = OpDef {
    name: "expand_dims",
    family: "geometry",
    summary: "Adds an axis of length one.",
    details: "The new axis is number `axis` of the result; negative numbers count from its last. An array without named \
        axes gets names when `name` is given: those it is shown with. Keeps the element type.",
    reference: "numpy.expand_dims",
    params: &[
        INPUT,
        Param { name: "axis", ty: Type::Integer, default: Some("0"), doc: "Where the new axis stands in the result." },
        NAME,
    ],
    returns: &[("expanded", "The array with one axis more, in the element type of the input.")],
    examples: &["expand_dims(input)", "expand_dims(input, -1)", "expand_dims(input, 1, name=\"k\")"],
    build: expand_dims,
};

fn squeeze(args: &Args) -> Result<Array> {
    let (input, spec) = (args.array("input")?, args.spec("input")?);
    let given = args.given("axis");
    let lone = (0..spec.rank()).filter(|&a| spec.shape[a] == 1).collect();
    let axes = if given { args.axes("axis", &spec)? } else { lone };
    if let Some(&long) = axes.iter().find(|&&a| spec.shape[a] != 1) {
        let (name, n) = (spec.axes[long].name, spec.shape[long]);
        return Err(args.error(format!("`axis`: axis {name:?} has length {n}; only axes of length 1 can be dropped")));
    }
    let drop = |axis: &usize| Selection { axis: Some(spec.axes[*axis].name), what: Pick::Index(0) };
    select(&input, &axes.iter().map(drop).collect::<Vec<_>>())
}

/// `squeeze`
pub static SQUEEZE: OpDef = OpDef {
    name: "squeeze",
    family: "geometry",
    summary: "Drops axes of length one.",
    details: "Without `axis` all of them. An array of a single element becomes a number. Keeps the element type.",
    reference: "numpy.squeeze",
    params: &[
        INPUT,
        Param {
            name: "axis",
            ty: Type::Axes,
            default: Some("none"),
            doc: "The axes to drop: a number, letters (\"zc\") or a list of numbers; else all of length one.",
        },
    ],
    returns: &[("squeezed", "The array with fewer axes, in the element type of the input.")],
    examples: &["squeeze(input)", "squeeze(expand_dims(input, 1))", "squeeze(input[0:1, ::2], 0)"],
    build: squeeze,
};

/// The arrays of a list.
pub(super) fn arrays(args: &Args, list: Option<&Arg>) -> Result<Vec<Array>> {
    let wrong = |arg: &Arg| args.error(format!("`arrays` is a list of arrays, not {arg}"));
    match list {
        Some(Arg::List(items)) if !items.is_empty() => items.iter().map(|item| array(args, item)).collect(),
        Some(other) => Err(wrong(other)),
        None => Err(wrong(&Arg::None)),
    }
}

/// One array of a list.
pub(super) fn array(args: &Args, arg: &Arg) -> Result<Array> {
    match arg {
        Arg::Array(array) if array.array_spec().is_some_and(|spec| spec.rank() > 0) => Ok(array.clone()),
        Arg::Array(_) => Err(args.error("`arrays` holds a number or a table; each must be an array with axes")),
        other => Err(args.error(format!("`arrays` holds {other}; each must be an array"))),
    }
}
