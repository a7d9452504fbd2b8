//! `expand_labels`.

use crate::array::{
    ArraySpec, Element, MAX_RANK, Mode, Region, Scalar, View, ViewMut, elements, for_each_row, with_dtype,
};
use crate::error::Result;
use crate::graph::{Array, Cx, Need, TileOp};
use crate::ops::window::{scratch_bytes, scratch_of};
use crate::ops::{AXES, Args, OpDef, Param, Type};
use arrayvec::ArrayVec;

/// Squares of larger distances along several axes would not fit their type.
const FARTHEST: u64 = 10_000;
/// The square of the distance where no label is near.
const FAR: u32 = u32::MAX / 2;

/// `skimage.segmentation.expand_labels`.
pub static EXPAND_LABELS: OpDef = OpDef {
    name: "expand_labels",
    family: "objects",
    summary: "Grows labels by up to `distance` pixels without letting them overlap.",
    details: "Every background pixel within `distance` (Euclidean, in pixels) of a labelled one takes the label of the \
              nearest. Of several at the same distance the one with the smallest coordinate along the last axis \
              counts, then along the axis before it, and so on: what scikit-image does, which leaves it open. Any \
              numeric type, which is kept; separate frames and channels of an array with named axes are taken one by \
              one. scikit-image's `spacing` is not offered. Time grows with the distance times the number of axes.",
    reference: "skimage.segmentation.expand_labels",
    params: &[
        Param { name: "label_image", ty: Type::Array, default: None, doc: "The labels; 0 is background." },
        Param {
            name: "distance",
            ty: Type::Number,
            default: Some("1"),
            doc: "How far labels grow, 0 to 10000 pixels.",
        },
        AXES,
    ],
    returns: &[("labels", "as label_image")],
    examples: &[
        "expand_labels(label(input > 110), distance=2)",
        "expand_labels(input > 110)",
        "expand_labels(where(input > 100, input, 0), distance=3.7)",
        "expand_labels(label(input > 110), distance=1.5, axes=[-1])",
        "expand_labels(label(input > 120), distance=30, axes=[0])",
    ],
    build,
};

fn build(args: &Args) -> Result<Array> {
    let (array, spec) = (args.array("label_image")?, args.spec("label_image")?);
    if spec.rank() == 0 {
        return Err(args.error("takes an array, not a scalar"));
    }
    let distance = args.number("distance", 1.0)?;
    if !(0.0..=FARTHEST as f64).contains(&distance) {
        return Err(args.error(format!("`distance` is {distance}, it lies in 0..={FARTHEST}")));
    }
    // The largest square whose root is within the distance.
    let whole = distance as u64;
    let square = (whole * whole..=(whole + 1) * (whole + 1)).take_while(|&s| (s as f64).sqrt() <= distance).last();
    let mut depth = vec![0; spec.rank()];
    for axis in args.filter_axes(&spec)? {
        depth[axis] = whole.min(spec.shape[axis]);
    }
    let op = ExpandLabels { depth, square: square.unwrap_or(0) as u32 };
    Ok(Array::tile(op, vec![array], spec))
}

#[derive(Debug)]
struct ExpandLabels {
    /// How far labels come from, along each axis.
    depth: Vec<u64>,
    /// The largest square of a distance that counts.
    square: u32,
}

type Sizes = ArrayVec<usize, MAX_RANK>;

/// The squares of the distances to the nearest labels so far, and these labels, as dense boxes.
struct Fields<'a, T> {
    squares: &'a mut [u32],
    labels: &'a mut [T],
}

impl ExpandLabels {
    fn window(&self, out: &[u64]) -> Vec<u64> {
        out.iter().zip(&self.depth).map(|(n, depth)| n + 2 * depth).collect()
    }

    fn grow<T: Element>(&self, input: &View<'_>, out: &mut ViewMut<'_>, scratch: &mut [u8]) {
        let mut shape: Sizes = input.shape().iter().copied().collect();
        let n: usize = shape.iter().product();
        let (squares, labels) = scratch.split_at_mut(scratch_bytes::<u32>(2 * n) as usize);
        let (one, other) = scratch_of::<u32>(squares).split_at_mut(n);
        let (first, second) = scratch_of::<T>(labels).split_at_mut(n);
        let mut from = Fields { squares: one, labels: first };
        let mut to = Fields { squares: &mut other[..n], labels: &mut second[..n] };
        fill(input, &mut from);
        for (axis, &depth) in self.depth.iter().enumerate().filter(|(_, depth)| **depth > 0) {
            along(&mut shape, axis, depth as usize, self.square, &from, &mut to);
            std::mem::swap(&mut from, &mut to);
        }
        let strides: Sizes = out.strides().iter().copied().collect();
        let target = out.typed_mut::<T>();
        let mut at = 0;
        for_each_row(&shape, [&strides], |[start], len| {
            target[start..start + len].copy_from_slice(&from.labels[at..at + len]);
            at += len;
        });
    }
}

/// Every label is its own nearest.
fn fill<T: Element>(input: &View<'_>, to: &mut Fields<'_, T>) {
    let source = input.typed::<T>();
    let mut at = 0;
    for_each_row(input.shape(), [input.strides()], |[start], len| {
        let row = &source[start..start + len];
        to.labels[at..at + len].copy_from_slice(row);
        let squares = to.squares[at..at + len].iter_mut().zip(row);
        squares.for_each(|(square, label)| *square = if *label == T::default() { FAR } else { 0 });
        at += len;
    });
}

/// Takes the nearest label along one axis, the first of several; the box gets shorter by the margins there.
fn along<T: Element>(
    shape: &mut Sizes,
    axis: usize,
    depth: usize,
    most: u32,
    from: &Fields<'_, T>,
    to: &mut Fields<'_, T>,
) {
    let inner: usize = shape[axis + 1..].iter().product();
    let outer: usize = shape[..axis].iter().product();
    let long = shape[axis];
    shape[axis] -= 2 * depth;
    let len = (shape[axis] * inner).max(1);
    let lines = to.squares.chunks_exact_mut(len).zip(to.labels.chunks_exact_mut(len)).take(outer);
    for (line, (squares, labels)) in lines.enumerate() {
        squares.fill(FAR);
        labels.fill(T::default());
        for step in 0..=2 * depth {
            let start = (line * long + step) * inner;
            let away = (step.abs_diff(depth) * step.abs_diff(depth)) as u32;
            let others = from.squares[start..start + len].iter().zip(&from.labels[start..start + len]);
            for ((square, label), (other, its)) in squares.iter_mut().zip(labels.iter_mut()).zip(others) {
                let sum = other + away;
                let nearer = sum < *square && sum <= most;
                *square = if nearer { sum } else { *square };
                *label = if nearer { *its } else { *label };
            }
        }
    }
}

impl TileOp for ExpandLabels {
    fn name(&self) -> &'static str {
        "expand_labels"
    }

    fn need(&self, _input: usize, out: &Region, inputs: &[ArraySpec]) -> Need {
        let mut need = Need::inside(out);
        for (axis, &depth) in self.depth.iter().enumerate() {
            need.start[axis] -= depth as i64;
            need.shape[axis] += 2 * depth;
        }
        need.outside = Some((Mode::Constant, Scalar::from_f64(0.0, inputs[0].dtype)));
        need
    }

    fn scratch(&self, out: &[u64], inputs: &[ArraySpec]) -> u64 {
        let n = elements(&self.window(out)) as usize;
        scratch_bytes::<u32>(2 * n) + with_dtype!(inputs[0].dtype, T => scratch_bytes::<T>(2 * n))
    }

    fn run(&self, _cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, scratch: &mut [u8]) -> Result<()> {
        let [input] = inputs else { return Ok(()) };
        with_dtype!(input.dtype(), T => self.grow::<T>(input, out, scratch));
        Ok(())
    }

    fn cost(&self) -> f64 {
        self.depth.iter().map(|&depth| 2 * depth + 1).sum::<u64>() as f64
    }
}
