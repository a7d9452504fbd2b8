//! Arrays side by side as one.

use super::axes::{NAME, array, arrays, expanded, new_axis};
use crate::array::{ArraySpec, Dims, Mode, Region, Scalar, View, ViewMut, copy};
use crate::error::Result;
use crate::graph::{Array, Cx, Need, NodeKind, TileOp};
use crate::io::mosaic;
use crate::ops::{Arg, Args, OpDef, Param, Type};

/// Computed arrays are joined two by two; a graph of more would take long to plan.
const MOST: usize = 4096;

/// Two arrays one after the other.
#[derive(Debug)]
struct Join {
    axis: usize,
    /// The length of the first.
    first: u64,
    /// What stands for what is not there; never seen.
    nothing: Scalar,
}

impl TileOp for Join {
    fn name(&self) -> &'static str {
        "concatenate"
    }

    fn need(&self, input: usize, out: &Region, _inputs: &[ArraySpec]) -> Need {
        let mut need = Need::inside(out);
        if input == 1 {
            need.start[self.axis] -= self.first as i64;
        }
        // The other one lies outside of each, so that a box that meets only one asks for nothing of the other.
        need.outside = Some((Mode::Constant, self.nothing));
        need
    }

    fn run(&self, cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, _scratch: &mut [u8]) -> Result<()> {
        let (start, len) = (cx.out.start[self.axis], cx.out.shape[self.axis]);
        let of_first = self.first.saturating_sub(start).min(len);
        for (input, from, n) in [(&inputs[0], 0, of_first), (&inputs[1], of_first, len - of_first)] {
            if n > 0 {
                let mut part = Region::whole(&cx.out.shape);
                (part.start[self.axis], part.shape[self.axis]) = (from, n);
                copy(&mut out.sub(&part), &input.sub(&part));
            }
        }
        Ok(())
    }

    fn cost(&self) -> f64 {
        0.3
    }
}

/// Arrays joined: as a graph, and as pieces with their places.
struct Joined {
    array: Array,
    spec: ArraySpec,
    pieces: Vec<(Dims, Array)>,
}

impl Joined {
    fn one(array: &Array) -> Option<Self> {
        let spec = array.array_spec()?.clone();
        let start = spec.shape.iter().map(|_| 0).collect();
        Some(Joined { array: array.clone(), pieces: vec![(start, array.clone())], spec })
    }

    /// Joins many along an axis, halves first: a box meets few joints then.
    fn all(args: &Args, mut parts: Vec<Joined>, axis: usize) -> Result<Self> {
        while parts.len() > 1 {
            let mut halved = Vec::with_capacity(parts.len().div_ceil(2));
            let mut rest = parts.into_iter();
            while let Some(first) = rest.next() {
                halved.push(match rest.next() {
                    Some(second) => first.with(args, second, axis)?,
                    None => first,
                });
            }
            parts = halved;
        }
        parts.pop().ok_or_else(|| args.error("`arrays` is empty"))
    }

    fn with(self, args: &Args, other: Joined, axis: usize) -> Result<Self> {
        let spec = joined_spec(args, &self.spec, &other.spec, axis)?;
        let first = self.spec.shape[axis];
        let join = Join { axis, first, nothing: Scalar::from_f64(0.0, spec.dtype) };
        let array = Array::tile(join, vec![self.array, other.array], spec.clone());
        let moved = other.pieces.into_iter().map(|(mut start, piece)| {
            start[axis] += first;
            (start, piece)
        });
        let pieces = self.pieces.into_iter().chain(moved).collect();
        Ok(Joined { array, spec, pieces })
    }

    /// Files that fit together are read as one; else the graph.
    fn finish(self) -> Array {
        let source = |(start, piece): &(Dims, Array)| match &piece.node().kind {
            NodeKind::Source(source) => Some((start.clone(), source.clone())),
            _ => None,
        };
        let files = self.pieces.iter().map(source).collect::<Option<Vec<_>>>().filter(|files| files.len() > 1);
        files.and_then(|files| mosaic(self.spec, files)).map_or(self.array, Array::source)
    }
}

fn joined_spec(args: &Args, a: &ArraySpec, b: &ArraySpec, axis: usize) -> Result<ArraySpec> {
    let show = |s: &ArraySpec| format!("{:?} {} (axes {:?})", &s.shape[..], s.dtype, s.letters());
    let wrong = |what: &str| args.error(format!("{what}: {} and {}", show(a), show(b)));
    if a.dtype != b.dtype {
        return Err(wrong("arrays of different element types are not joined (cast one)"));
    }
    if a.rank() != b.rank() || (a.named && b.named && a.letters() != b.letters()) {
        return Err(wrong("arrays of different axes are not joined"));
    }
    if (0..a.rank()).any(|k| k != axis && a.shape[k] != b.shape[k]) {
        return Err(wrong(&format!("arrays joined along {:?} must be alike along the other axes", a.axes[axis].name)));
    }
    let mut spec = if a.named || !b.named { a.clone() } else { b.clone() };
    spec.shape[axis] =
        a.shape[axis].checked_add(b.shape[axis]).ok_or_else(|| wrong("together longer than 2^64 - 1"))?;
    let labelled = [a, b].iter().all(|s| s.axes[axis].labels.len() as u64 == s.shape[axis]);
    spec.axes[axis].labels =
        if labelled { [a, b].iter().flat_map(|s| s.axes[axis].labels.iter().cloned()).collect() } else { Vec::new() };
    Ok(spec)
}

fn parts(args: &Args, arrays: &[Array]) -> Result<Vec<Joined>> {
    if arrays.len() > MOST {
        return Err(args.error(format!("`arrays` has {} arrays, at most {MOST} are joined", arrays.len())));
    }
    let parts: Option<Vec<Joined>> = arrays.iter().map(Joined::one).collect();
    parts.ok_or_else(|| args.error("`arrays` holds a table"))
}

fn concatenate(args: &Args) -> Result<Array> {
    let arrays = arrays(args, args.get("arrays"))?;
    let parts = parts(args, &arrays)?;
    let axis = args.axis("axis", &parts[0].spec, 0)?;
    Ok(Joined::all(args, parts, axis)?.finish())
}

const ARRAYS: Param = Param { name: "arrays", ty: Type::Any, default: None, doc: "A list of arrays: `[a, b, c]`." };

/// `concatenate`
pub static CONCATENATE: OpDef = OpDef {
    name: "concatenate",
    family: "geometry",
    summary: "Joins arrays along an axis they have.",
    details: "The arrays must be alike but for their length along `axis`: same axes, same element type (NumPy would \
        convert; `cast` says which way). Pixel sizes are those of the first, labels of the axis (channel names) are \
        joined. Files are read as one mosaic; of computed arrays, only those that a tile touches are computed.",
    reference: "numpy.concatenate",
    params: &[
        ARRAYS,
        Param {
            name: "axis",
            ty: Type::Axis,
            default: Some("0"),
            doc: "The axis to join along: its number (negative from the last) or letter.",
        },
    ],
    returns: &[("joined", "One array, in the element type of the inputs.")],
    examples: &[
        "concatenate([input, input])",
        "concatenate([input[0:3], input, input[-1:]], axis=0)",
        "concatenate([flip(input), input, input], axis=-1)",
        "concatenate([maximum_filter(input, 3), input], axis=\"x\")",
    ],
    build: concatenate,
};

fn stack(args: &Args) -> Result<Array> {
    let arrays = arrays(args, args.get("arrays"))?;
    let mut widened = Vec::with_capacity(arrays.len());
    for array in &arrays {
        let Some(spec) = array.array_spec() else { continue };
        let (at, name) = new_axis(args, spec)?;
        let first = arrays[0].array_spec().unwrap_or(spec);
        if spec.shape != first.shape {
            let (a, b) = (&first.shape[..], &spec.shape[..]);
            return Err(args.error(format!("arrays of different shapes are not stacked: {a:?} and {b:?}")));
        }
        widened.push((at, expanded("stack", array, spec, at, name)));
    }
    let axis = widened.first().map_or(0, |(at, _)| *at);
    let widened: Vec<Array> = widened.into_iter().map(|(_, array)| array).collect();
    Ok(Joined::all(args, parts(args, &widened)?, axis)?.finish())
}

/// `stack`
pub static STACK: OpDef = OpDef {
    name: "stack",
    family: "geometry",
    summary: "Joins arrays of one shape along a new axis.",
    details: "The arrays must be alike in shape, axes and element type. The new axis is number `axis` of the result. For \
        many files, `open(\"folder/*.tif\")` is a stack that needs no list.",
    reference: "numpy.stack",
    params: &[
        ARRAYS,
        Param { name: "axis", ty: Type::Integer, default: Some("0"), doc: "Where the new axis stands in the result." },
        NAME,
    ],
    returns: &[("stacked", "One array with one axis more, in the element type of the inputs.")],
    examples: &[
        "stack([input, flip(input)])",
        "stack([input, minimum_filter(input, 3), input], axis=-1)",
        "stack([input, input], axis=1, name=\"k\")",
    ],
    build: stack,
};

/// How deep the lists lie within each other; the same everywhere.
fn depth(args: &Args, arg: &Arg) -> Result<usize> {
    let Arg::List(items) = arg else { return Ok(0) };
    let mut depths = items.iter().map(|item| depth(args, item));
    let first = depths.next().ok_or_else(|| args.error("`arrays` holds an empty list"))??;
    for other in depths {
        if other? != first {
            return Err(args.error("`arrays` holds lists and arrays side by side; all arrays must lie equally deep"));
        }
    }
    Ok(first + 1)
}

fn leaves(args: &Args, arg: &Arg, all: &mut Vec<Array>) -> Result<()> {
    match arg {
        Arg::List(items) => items.iter().try_for_each(|item| leaves(args, item, all)),
        other => {
            all.push(array(args, other)?);
            Ok(())
        }
    }
}

/// The axis of every level of lists, outermost first.
fn levels(args: &Args, depth: usize, spec: &ArraySpec) -> Result<Vec<usize>> {
    let letters = spec.letters();
    if args.given("axes") {
        let axes = args.axes("axes", spec)?;
        if axes.len() != depth {
            let got = axes.len();
            return Err(args.error(format!("`axes` names {got} axes for lists {depth} deep ({letters:?})")));
        }
        return Ok(axes);
    }
    let own = spec.filter_axes();
    let Some(skip) = own.len().checked_sub(depth) else {
        let what = if spec.named { "spatial axes" } else { "axes" };
        return Err(args.error(format!(
            "`arrays` has lists {depth} deep, but the arrays only {} {what} ({letters:?}); `axes` names others",
            own.len()
        )));
    };
    Ok(own[skip..].to_vec())
}

fn nested(args: &Args, arg: &Arg, levels: &[usize], next: &mut dyn Iterator<Item = Joined>) -> Result<Joined> {
    match (arg, levels.split_first()) {
        (Arg::List(items), Some((&axis, inner))) => {
            let parts = items.iter().map(|item| nested(args, item, inner, next)).collect::<Result<_>>()?;
            Joined::all(args, parts, axis)
        }
        _ => next.next().ok_or_else(|| args.error("`arrays` holds too few arrays")),
    }
}

fn block(args: &Args) -> Result<Array> {
    let list = match args.get("arrays") {
        Some(list @ Arg::List(_)) => list,
        other => return arrays(args, other).map(|_| ()).and_then(|()| Err(args.error("`arrays` is a list"))),
    };
    let depth = depth(args, list)?;
    let mut all = Vec::new();
    leaves(args, list, &mut all)?;
    let parts = parts(args, &all)?;
    let levels = levels(args, depth, &parts[0].spec)?;
    if let Some(other) = parts.iter().find(|part| part.spec.rank() != parts[0].spec.rank()) {
        let (a, b) = (parts[0].spec.letters(), other.spec.letters());
        return Err(args.error(format!("arrays of different axes are not joined: {a:?} and {b:?}")));
    }
    Ok(nested(args, list, &levels, &mut parts.into_iter())?.finish())
}

/// `block`
pub static BLOCK: OpDef = OpDef {
    name: "block",
    family: "geometry",
    summary: "Joins a grid of arrays: a mosaic.",
    details: "`block([[a, b], [c, d]])` puts b to the right of a, and c and d below. The innermost lists are joined along \
        the last axis, those around them along the one before, and so on, as NumPy does; of arrays with named axes only \
        the spatial ones count, so that colour images lie side by side too. Pieces may differ in size where they fit: \
        those of a row in width, rows in height. Element types must be the same. The pieces may come from files of any \
        formats, which are read as one image: a tile reads the pieces it touches. Unlike NumPy's, arrays of fewer axes \
        and plain numbers are refused.",
    reference: "numpy.block",
    params: &[
        Param { name: "arrays", ty: Type::Any, default: None, doc: "A list of arrays, or lists of lists of them." },
        Param {
            name: "axes",
            ty: Type::Axes,
            default: Some("none"),
            doc: "The axis of each level of lists, outermost first: letters (\"yx\") or numbers; else the last ones.",
        },
    ],
    returns: &[("joined", "One array, in the element type of the pieces.")],
    examples: &[
        "block([input, input])",
        "block([[input, input[x=0:2]], [input, flip(input[x=-2:], 0)]])",
        "block([[input], [maximum_filter(input, 3)]], axes=[0, -1])",
    ],
    build: block,
};
