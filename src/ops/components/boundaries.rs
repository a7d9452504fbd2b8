//! `find_boundaries`.

use crate::array::{
    ArraySpec, DType, Element, MAX_RANK, Mode, Region, Scalar, View, ViewMut, for_each_row, with_dtype,
};
use crate::error::Result;
use crate::graph::{Array, Cx, Need, TileOp};
use crate::ops::label::{by_connectivity, connected};
use crate::ops::window::{scratch_bytes, scratch_of};
use crate::ops::{AXES, Args, OpDef, Param, Type};
use arrayvec::ArrayVec;

/// Elements at a time.
const CHUNK: usize = 512;

/// `skimage.segmentation.find_boundaries`.
pub static FIND_BOUNDARIES: OpDef = OpDef {
    name: "find_boundaries",
    family: "objects",
    summary: "Marks the pixels where labels meet.",
    details: "`thick` marks every pixel that has a neighbour with another label; `inner` those of them that are not \
              background, the pixels just inside of objects; `outer` those that are background, and where two objects \
              touch (corners included) those of the objects too. `connectivity` says which pixels are neighbours. The \
              edge of the image is no boundary.\n\n\
              Takes integers and masks; separate frames and channels of an array with named axes are taken one by one. \
              scikit-image's mode \"subpixel\", which doubles the image, is not offered. The result is bool.",
    reference: "skimage.segmentation.find_boundaries",
    params: &[
        Param { name: "label_img", ty: Type::Array, default: None, doc: "An integer or bool array." },
        Param {
            name: "connectivity",
            ty: Type::Integer,
            default: Some("1"),
            doc: "Steps along how many axes at once are neighbours: 1 (faces) to the number of axes (all).",
        },
        Param {
            name: "mode",
            ty: Type::Word(&["thick", "inner", "outer"]),
            default: Some("\"thick\""),
            doc: "Which pixels are marked: thick, inner or outer.",
        },
        Param {
            name: "background",
            ty: Type::Integer,
            default: Some("0"),
            doc: "The label of the background, for inner and outer.",
        },
        AXES,
    ],
    returns: &[("mask", "bool")],
    examples: &[
        "find_boundaries(input > 90)",
        "find_boundaries(label(input > 60), mode=\"inner\")",
        "find_boundaries(cast(input, \"uint8\"), mode=\"outer\", background=3)",
        "find_boundaries(label(input > 90), mode=\"outer\", connectivity=1, axes=[-1])",
        "find_boundaries(cast(input, \"int16\"), axes=[0])",
    ],
    build,
};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Which {
    Thick,
    Inner,
    Outer,
}

fn build(args: &Args) -> Result<Array> {
    let (array, spec) = (args.array("label_img")?, args.spec("label_img")?);
    if !spec.dtype.is_integer() && spec.dtype != DType::Bool {
        return Err(args.error(format!("`label_img` must be integer or bool, not {}; cast it first", spec.dtype)));
    }
    if spec.rank() == 0 {
        return Err(args.error("takes an array, not a scalar"));
    }
    let which = match args.text_of("mode")? {
        None | Some("thick") => Which::Thick,
        Some("inner") => Which::Inner,
        Some("outer") => Which::Outer,
        Some(other) => return Err(args.error(format!("`mode` is thick, inner or outer, not {other:?}"))),
    };
    let axes = args.filter_axes(&spec)?;
    let near = by_connectivity(args, &spec)?.offsets();
    let full = connected(spec.rank(), &axes, axes.len()).map_err(|e| args.error(e))?;
    let background = args.integer("background", 0)?;
    if background.unsigned_abs() > 1 << 53 {
        return Err(args.error(format!("`background` is {background}, it must be a number of 53 bits")));
    }
    let around = if which == Which::Outer { full.offsets() } else { Vec::new() };
    let mut depth = vec![0; spec.rank()];
    axes.iter().for_each(|&axis| depth[axis] = 1);
    let op = FindBoundaries { which, near, around, depth, background: background as f64 };
    Ok(Array::tile(op, vec![array], spec.with_dtype(DType::Bool)))
}

#[derive(Debug)]
struct FindBoundaries {
    which: Which,
    /// The neighbours whose labels count.
    near: Vec<Vec<i8>>,
    /// The neighbours in which two objects are looked for.
    around: Vec<Vec<i8>>,
    /// 1 along the axes that neighbours lie along.
    depth: Vec<u64>,
    background: f64,
}

impl FindBoundaries {
    /// How far the neighbours' elements lie from the start of the window that a pixel is the centre of.
    fn places(&self, offsets: &[Vec<i8>], strides: &[usize], places: &mut [usize]) {
        for (place, offset) in places.iter_mut().zip(offsets) {
            *place = offset
                .iter()
                .zip(&self.depth)
                .zip(strides)
                .map(|((&step, &depth), stride)| (depth as i64 + i64::from(step)) as usize * stride)
                .sum();
        }
    }

    fn rows<T: Element>(&self, input: &View<'_>, out: &mut ViewMut<'_>, scratch: &mut [u8]) {
        let background = Some(T::from_f64(self.background)).filter(|value| value.to_f64() == self.background);
        let strides: ArrayVec<usize, MAX_RANK> = out.strides().iter().copied().collect();
        let shape: ArrayVec<usize, MAX_RANK> = out.shape().iter().copied().collect();
        let (near, rest) = scratch_of::<usize>(scratch).split_at_mut(self.near.len());
        let around = &mut rest[..self.around.len()];
        self.places(&self.near, input.strides(), near);
        self.places(&self.around, input.strides(), around);
        let centre: usize =
            self.depth.iter().zip(input.strides()).map(|(&depth, stride)| depth as usize * stride).sum();
        let (from, to) = (input.typed::<T>(), out.typed_mut::<u8>());
        for_each_row(&shape, [input.strides(), &strides], |[source, target], len| {
            for first in (0..len).step_by(CHUNK) {
                let n = CHUNK.min(len - first);
                let window = &from[source + first..];
                let out = &mut to[target + first..target + first + n];
                let own = &window[centre..centre + n];
                out.fill(0);
                for &place in near.iter() {
                    let others = window[place..place + n].iter().zip(own);
                    out.iter_mut().zip(others).for_each(|(out, (other, own))| *out |= u8::from(other != own));
                }
                match (self.which, background) {
                    (Which::Inner, Some(background)) => {
                        out.iter_mut().zip(own).for_each(|(out, own)| *out &= u8::from(*own != background));
                    }
                    (Which::Outer, background) => meeting(out, own, window, around, background),
                    _ => {}
                }
            }
        });
    }
}

/// Takes back the pixels of objects around which no other object lies.
fn meeting<T: Element>(out: &mut [u8], own: &[T], window: &[T], around: &[usize], background: Option<T>) {
    let n = own.len();
    // The largest value stands for background where the smallest label is looked for.
    let most = T::from_f64(f64::MAX);
    let is_background = |value: T| background == Some(value);
    let (mut high, mut low) = ([T::default(); CHUNK], [T::default(); CHUNK]);
    high[..n].copy_from_slice(own);
    low[..n].copy_from_slice(own);
    for &place in around {
        let row = high.iter_mut().zip(&mut low).zip(&window[place..place + n]);
        row.for_each(|((high, low), &other)| {
            let object = if is_background(other) { most } else { other };
            *high = if other > *high { other } else { *high };
            *low = if object < *low { object } else { *low };
        });
    }
    let row = out.iter_mut().zip(own).zip(high.iter().zip(&low));
    row.for_each(|((out, own), (high, low))| *out &= u8::from(is_background(*own) || high != low));
}

impl TileOp for FindBoundaries {
    fn name(&self) -> &'static str {
        "find_boundaries"
    }

    fn need(&self, _input: usize, out: &Region, inputs: &[ArraySpec]) -> Need {
        let mut need = Need::inside(out);
        for (axis, &depth) in self.depth.iter().enumerate() {
            need.start[axis] -= depth as i64;
            need.shape[axis] += 2 * depth;
        }
        // Outside lies what lies at the edge, which is no other label.
        need.outside = Some((Mode::Nearest, Scalar::from_f64(0.0, inputs[0].dtype)));
        need
    }

    fn scratch(&self, _out: &[u64], _inputs: &[ArraySpec]) -> u64 {
        scratch_bytes::<usize>(self.near.len() + self.around.len())
    }

    fn run(&self, _cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, scratch: &mut [u8]) -> Result<()> {
        let [input] = inputs else { return Ok(()) };
        with_dtype!(input.dtype(), T => self.rows::<T>(input, out, scratch));
        Ok(())
    }

    fn cost(&self) -> f64 {
        0.1 * (self.near.len() + 2 * self.around.len()) as f64
    }
}
