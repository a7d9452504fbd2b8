//! The mean over a box.

use super::elementwise::cast;
use super::window::{LineWalk, Window, axis, scratch_bytes, scratch_of, window_len, windows};
use super::{AXES, AXIS, Args, CVAL, INPUT, MODE, MODES, ORIGIN, OpDef, Param, Type};
use crate::array::{ArraySpec, DType, Element, Mode, Region, Scalar, View, ViewMut};
use crate::error::Result;
use crate::graph::{Array, Cx, Need, TileOp};
use crate::kernels::uniform::{Mean, uniform, uniform_scratch};

/// The mean along one axis, from any type that a double holds exactly to floats.
#[derive(Debug)]
struct Uniform1d {
    window: Window,
}

impl TileOp for Uniform1d {
    fn name(&self) -> &'static str {
        "uniform_filter1d"
    }

    fn need(&self, _input: usize, out: &Region, _inputs: &[ArraySpec]) -> Need {
        self.window.need(out)
    }

    fn scratch(&self, out: &[u64], _inputs: &[ArraySpec]) -> u64 {
        let lines = self.window.largest_lines(out);
        scratch_bytes::<f64>(uniform_scratch(lines, self.window.len as usize))
    }

    fn run(&self, cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, scratch: &mut [u8]) -> Result<()> {
        let anchor = self.window.anchor(cx.out);
        let scratch = scratch_of(scratch);
        let src = &inputs[0];
        match (src.dtype(), out.dtype()) {
            (DType::Bool | DType::U8, _) => run::<u8, f32>(&self.window, src, out, anchor, scratch),
            (DType::I8, _) => run::<i8, f32>(&self.window, src, out, anchor, scratch),
            (DType::U16, _) => run::<u16, f32>(&self.window, src, out, anchor, scratch),
            (DType::I16, _) => run::<i16, f32>(&self.window, src, out, anchor, scratch),
            (DType::U32, _) => run::<u32, f64>(&self.window, src, out, anchor, scratch),
            (DType::I32, _) => run::<i32, f64>(&self.window, src, out, anchor, scratch),
            (DType::F32, _) => run::<f32, f32>(&self.window, src, out, anchor, scratch),
            _ => run::<f64, f64>(&self.window, src, out, anchor, scratch),
        }
        Ok(())
    }

    fn cost(&self) -> f64 {
        // Along the last axis 2, along others 0.6.
        1.2
    }
}

fn run<T: Element + Into<f64>, O: Element + Mean>(
    window: &Window,
    src: &View<'_>,
    out: &mut ViewMut<'_>,
    anchor: i64,
    scratch: &mut [f64],
) {
    let walk = LineWalk::new(src, out, window.axis);
    let (from, to) = (src.typed::<T>(), out.typed_mut::<O>());
    let len = window.len as usize;
    walk.for_each(|s, d, lines| uniform(&from[s..], &mut to[d..], lines, len, anchor, scratch));
}

/// Adds the mean along one axis to a chain.
fn step(args: &Args, array: &Array, axis: usize, len: usize, mode: Mode, origin: i64) -> Result<Array> {
    let cval = args.number("cval", 0.0)?;
    let Some(spec) = array.array_spec() else { return Ok(array.clone()) };
    let float = spec.dtype.float();
    // Integers are summed as they are, unless a double does not hold them or what lies outside is none.
    let wide = matches!(spec.dtype, DType::U64 | DType::I64);
    let outside = Scalar::from_f64(cval, spec.dtype);
    let input = if wide || (mode == Mode::Constant && outside.to_f64() != cval) {
        cast::to_float(array)
    } else {
        array.clone()
    };
    let dtype = input.dtype().unwrap_or(float);
    let window = Window::new(args, axis, len, origin, mode, Scalar::from_f64(cval, dtype))?;
    Ok(Array::tile(Uniform1d { window }, vec![input], spec.with_dtype(float)))
}

fn uniform_filter(args: &Args) -> Result<Array> {
    let (mut array, spec) = (args.array("input")?, args.spec("input")?);
    for (axis, len, mode, origin) in windows(args, &spec, 3)? {
        array = step(args, &array, axis, len, mode, origin)?;
    }
    Ok(cast::to_float(&array))
}

fn uniform_filter1d(args: &Args) -> Result<Array> {
    let (array, spec) = (args.array("input")?, args.spec("input")?);
    let len = window_len(args, "size", args.integer("size", 1)?)?;
    step(args, &array, axis(args, &spec)?, len, args.mode("mode", Mode::Reflect)?, args.integer("origin", 0)?)
}

const DETAILS: &str = "The sums run in float64, however large the window, and a NaN touches only the windows that hold \
    it. Gives float32; float64 for float64 and 32- and 64-bit integer input (scipy would store into the input's type, \
    truncating integers). Of arrays with named axes only the spatial axes are filtered.";

/// `uniform_filter`
pub static UNIFORM_FILTER: OpDef = OpDef {
    name: "uniform_filter",
    family: "filters",
    summary: "The mean over a box, in time that does not depend on its size.",
    details: DETAILS,
    reference: "scipy.ndimage.uniform_filter",
    params: &[
        INPUT,
        Param {
            name: "size",
            ty: Type::IntegerPerAxis,
            default: Some("3"),
            doc: "The edge lengths of the box, for all axes or one per axis; at least 1.",
        },
        MODES,
        CVAL,
        Param { ty: Type::IntegerPerAxis, ..ORIGIN },
        AXES,
    ],
    returns: &[("filtered", "The means, in floats.")],
    examples: &[
        "uniform_filter(input, size=5)",
        "uniform_filter(size=4, origin=-2, mode=\"wrap\")",
        "uniform_filter(mode=\"constant\", cval=2.5)",
    ],
    build: uniform_filter,
};

/// `uniform_filter1d`
pub static UNIFORM_FILTER1D: OpDef = OpDef {
    name: "uniform_filter1d",
    family: "filters",
    summary: "The mean over a window along one axis.",
    details: DETAILS,
    reference: "scipy.ndimage.uniform_filter1d",
    params: &[
        INPUT,
        Param { name: "size", ty: Type::Integer, default: None, doc: "The length of the window; at least 1." },
        AXIS,
        MODE,
        CVAL,
        ORIGIN,
    ],
    returns: &[("filtered", "The means, in floats.")],
    examples: &["uniform_filter1d(input, 7, axis=0)", "uniform_filter1d(size=2, mode=\"mirror\", origin=-1)"],
    build: uniform_filter1d,
};
