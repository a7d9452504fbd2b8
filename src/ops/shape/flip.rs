//! Arrays the other way round.

use crate::array::{ArraySpec, MAX_RANK, Region, View, ViewMut, for_each_row_at, with_dtype};
use crate::error::Result;
use crate::graph::{Array, Cx, Need, TileOp};
use crate::ops::{Args, INPUT, OpDef, Param, Type};
use arrayvec::ArrayVec;

#[derive(Debug)]
struct Flip {
    /// Per axis: whether it is turned round.
    turned: ArrayVec<bool, MAX_RANK>,
}

impl TileOp for Flip {
    fn name(&self) -> &'static str {
        "flip"
    }

    fn need(&self, _input: usize, out: &Region, inputs: &[ArraySpec]) -> Need {
        let mut need = Need::inside(out);
        for (axis, &turned) in self.turned.iter().enumerate() {
            if turned {
                need.start[axis] = inputs[0].shape[axis] as i64 - out.end(axis) as i64;
            }
        }
        need
    }

    fn run(&self, _cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, _scratch: &mut [u8]) -> Result<()> {
        turn(out, &inputs[0], &self.turned);
        Ok(())
    }

    fn cost(&self) -> f64 {
        0.3
    }
}

/// Copies row by row, rows and their elements in the other order where they are turned.
fn turn(out: &mut ViewMut<'_>, src: &View<'_>, turned: &[bool]) {
    let Some(last) = out.rank().checked_sub(1) else { return };
    let shape: ArrayVec<usize, MAX_RANK> = out.shape().iter().copied().collect();
    let to: ArrayVec<usize, MAX_RANK> = out.strides().iter().copied().collect();
    let step = src.strides()[last];
    with_dtype!(out.dtype(), T => {
        let (from, out) = (src.typed::<T>(), out.typed_mut::<T>());
        for_each_row_at(&shape, [&to], |index, [at], row| {
            let place = |axis: usize| if turned[axis] { shape[axis] - 1 - index[axis] } else { index[axis] };
            let from = &from[(0..last).map(|axis| place(axis) * src.strides()[axis]).sum::<usize>()..];
            let out = &mut out[at..at + row];
            let values = from.iter().step_by(step.max(1));
            match (turned[last], step) {
                (_, 0) => out.fill(from[0]),
                (true, _) => out.iter_mut().rev().zip(values).for_each(|(o, v)| *o = *v),
                (false, _) => out.iter_mut().zip(values).for_each(|(o, v)| *o = *v),
            }
        });
    });
}

fn flip(args: &Args) -> Result<Array> {
    let (input, spec) = (args.array("input")?, args.spec("input")?);
    let axes = if args.given("axis") { args.axes("axis", &spec)? } else { spec.filter_axes() };
    let turned: ArrayVec<bool, MAX_RANK> = (0..spec.rank()).map(|a| axes.contains(&a)).collect();
    if !turned.contains(&true) {
        return Ok(input);
    }
    let mut output = spec;
    axes.iter().for_each(|&a| output.axes[a].labels.reverse());
    Ok(Array::tile(Flip { turned }, vec![input], output))
}

/// `flip`
pub static FLIP: OpDef = OpDef {
    name: "flip",
    family: "geometry",
    summary: "Turns an array round along axes.",
    details: "The first element along a turned axis becomes the last. Without `axis` the spatial axes of an array with \
        named axes are turned, and all axes of one without names, as NumPy does. Keeps the element type; labels of the \
        axis (channel names) are turned with it.",
    reference: "numpy.flip",
    params: &[
        INPUT,
        Param {
            name: "axis",
            ty: Type::Axes,
            default: Some("none"),
            doc: "The axes to turn: a number, letters (\"yx\") or a list of numbers; else those that filters act on.",
        },
    ],
    returns: &[("flipped", "The array turned round, in the element type of the input.")],
    examples: &["flip(input)", "flip(input, 0)", "flip(input, axis=\"x\")", "flip(input, axis=[-1, 0])"],
    build: flip,
};
