//! Colours: to grey, and to the negative.

use super::{Arg, Args, INPUT, OpDef, Param, Type, call};
use crate::array::{ArraySpec, DType, Element, MAX_RANK, Region, View, ViewMut, for_each_row, with_dtype};
use crate::error::Result;
use crate::graph::{Array, Cx, Need, TileOp};
use arrayvec::ArrayVec;

/// What red, green and blue contribute to the luminance.
const WEIGHTS: [f64; 3] = [0.2125, 0.7154, 0.0721];

/// The luminance of three channels.
#[derive(Debug)]
struct Gray {
    axis: usize,
    /// The value that stands for full intensity.
    full: f64,
}

impl TileOp for Gray {
    fn name(&self) -> &'static str {
        "rgb2gray"
    }

    fn need(&self, _input: usize, out: &Region, _inputs: &[ArraySpec]) -> Need {
        let mut need = Need::inside(out);
        need.start.insert(self.axis, 0);
        need.shape.insert(self.axis, 3);
        need
    }

    fn run(&self, _cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, _scratch: &mut [u8]) -> Result<()> {
        let src = &inputs[0];
        with_dtype!(src.dtype(), T => match out.dtype() {
            DType::F32 => self.rows::<T, f32>(src, out),
            _ => self.rows::<T, f64>(src, out),
        });
        Ok(())
    }

    fn cost(&self) -> f64 {
        2.0
    }
}

impl Gray {
    fn rows<T: Element, O: Element>(&self, src: &View<'_>, out: &mut ViewMut<'_>) {
        let apart = src.strides()[self.axis];
        let mut reads: ArrayVec<usize, MAX_RANK> = src.strides().iter().copied().collect();
        reads.remove(self.axis);
        let shape: ArrayVec<usize, MAX_RANK> = out.shape().iter().copied().collect();
        let writes: ArrayVec<usize, MAX_RANK> = out.strides().iter().copied().collect();
        let step = reads.last().copied().unwrap_or(0);
        let (from, to) = (src.typed::<T>(), out.typed_mut::<O>());
        // The most negative integer would lie beyond -1.
        let scaled = |v: T| (v.to_f64() / self.full).max(-1.0);
        let plain = |v: T| v.to_f64();
        let is_float = T::DTYPE.is_float();
        for_each_row(&shape, [&reads, &writes], |[s, d], n| {
            for (i, o) in to[d..d + n].iter_mut().enumerate() {
                let at = s + i * step;
                let colours = [from[at], from[at + apart], from[at + 2 * apart]];
                let [r, g, b] = if is_float { colours.map(plain) } else { colours.map(scaled) };
                *o = O::from_f64(WEIGHTS[0] * r + WEIGHTS[1] * g + WEIGHTS[2] * b);
            }
        });
    }
}

fn rgb2gray(args: &Args) -> Result<Array> {
    let (input, spec) = (args.array("input")?, args.spec("input")?);
    let last = spec.rank() as i64 - 1;
    let default = spec.axis('c').filter(|_| spec.named).map_or(last, |axis| axis as i64);
    if last < 1 {
        return Err(args.error("takes an image with an axis of colours besides others"));
    }
    let axis = args.axis("channel_axis", &spec, default)?;
    match spec.shape[axis] {
        3 => {}
        4 => {
            let what = "axis of colours has 4 channels: select the first three, without alpha, as in `input[c=0:3]`";
            return Err(args.error(format!("the {what}")));
        }
        n => return Err(args.error(format!("axis {:?} has {n} channels, not the 3 of a colour", spec.axes[axis].name))),
    }
    let mut gray = spec.with_dtype(spec.dtype.float());
    gray.shape.remove(axis);
    gray.axes.remove(axis);
    if !gray.named {
        gray = ArraySpec::unnamed(&gray.shape, gray.dtype);
    }
    let full = spec.dtype.integer_range().map_or(1.0, |(_, most)| most as f64);
    Ok(Array::tile(Gray { axis, full }, vec![input], gray))
}

fn invert(args: &Args) -> Result<Array> {
    let (input, spec) = (args.array("input")?, args.spec("input")?);
    let signed = args.bool("signed_float", false)?;
    match spec.dtype.is_float() {
        // Of integers the largest value less the element, or -1 less the element, is every bit turned over.
        false => call("bitwise_not", vec![Arg::Array(input)], vec![]),
        true if signed => call("negative", vec![Arg::Array(input)], vec![]),
        true => call("subtract", vec![1.into(), Arg::Array(input)], vec![]),
    }
}

/// `rgb2gray`
pub static RGB2GRAY: OpDef = OpDef {
    name: "rgb2gray",
    family: "exposure",
    summary: "The luminance of a colour image.",
    details: "`0.2125 R + 0.7154 G + 0.0721 B`. The axis of colours goes; it is `c` where axes are named, else the last, \
        and has length 3 (of an image with alpha select the colours first: `input[c=0:3]`). Integers are scaled by the \
        largest value of their type, so that full intensity is 1. Gives float32; float64 for float64 and 32- and 64-bit \
        integer input (scikit-image gives float64 for all integers). NaN propagates.",
    reference: "skimage.color.rgb2gray",
    params: &[
        INPUT,
        Param {
            name: "channel_axis",
            ty: Type::Axis,
            default: Some("-1"),
            doc: "The axis of colours: its number or letter; by default `c` where axes are named, else the last.",
        },
    ],
    returns: &[("gray", "The luminance, in floats, with one axis less.")],
    examples: &["pad(input, 3, mode=\"wrap\")[0:3] |> rgb2gray(channel_axis=0)"],
    build: rgb2gray,
};

/// `invert`
pub static INVERT: OpDef = OpDef {
    name: "invert",
    family: "exposure",
    summary: "The negative of an image.",
    details: "Keeps the element type. Unsigned integers: the largest value of the type less x. Signed ones: -1 - x. Masks: \
        not x. Floats: 1 - x, or -x with `signed_float`.",
    reference: "skimage.util.invert",
    params: &[
        INPUT,
        Param {
            name: "signed_float",
            ty: Type::Bool,
            default: Some("false"),
            doc: "Whether floats range from -1 to 1 instead of 0 to 1.",
        },
    ],
    returns: &[("inverted", "The negative.")],
    examples: &["invert(input)", "invert(input, signed_float=true)"],
    build: invert,
};
