//! Gamma, logarithmic and sigmoid correction.

use super::rescale::range_of_type;
use crate::array::{ArraySpec, DType, Element, Region, View, ViewMut, with_dtype};
use crate::error::{Error, Result};
use crate::graph::{Array, Cx, Need, TileOp};
use crate::kernels::power::powers;
use crate::ops::elementwise::rows::{Feed, map, map_slices};
use crate::ops::histogram::is_narrow;
use crate::ops::scan::for_each_slice;
use crate::ops::{Args, INPUT, OpDef, Param, Type};

#[derive(Clone, Copy, Debug)]
enum Curve {
    Gamma { gamma: f64, gain: f64 },
    Log { gain: f64, inverse: bool },
    Sigmoid { cutoff: f64, gain: f64, inverse: bool },
}

macro_rules! curve_in {
    ($name:ident, $t:ty) => {
        /// In scikit-image's order of operations, since integers are truncated afterwards.
        #[inline(always)]
        fn $name(self, x: $t, scale: $t) -> $t {
            let part = x / scale;
            match self {
                Curve::Gamma { gamma, gain } => powered(f64::from(part), gamma) as $t * scale * gain as $t,
                Curve::Log { gain, inverse: false } => (1.0 + part).log2() * scale * gain as $t,
                Curve::Log { gain, inverse: true } => (part.exp2() - 1.0) * scale * gain as $t,
                Curve::Sigmoid { cutoff, gain, inverse } => {
                    let curve = 1.0 / (1.0 + (gain as $t * (cutoff as $t - part)).exp());
                    if inverse { (1.0 - curve) * scale } else { curve * scale }
                }
            }
        }
    };
}

impl Curve {
    curve_in!(double, f64);
    curve_in!(single, f32);

    fn name(self) -> &'static str {
        match self {
            Curve::Gamma { .. } => "adjust_gamma",
            Curve::Log { .. } => "adjust_log",
            Curve::Sigmoid { .. } => "adjust_sigmoid",
        }
    }

    /// The value of an element that is not below zero, in its type.
    fn of_integer(self, x: f64, dtype: DType) -> f64 {
        if let (Curve::Gamma { gamma, gain }, DType::U8) = (self, dtype) {
            // scikit-image rounds here, and nowhere else.
            return (255.0 * gain * powered(x / 255.0, gamma)).round_ties_even().clamp(0.0, 255.0);
        }
        let value = self.double(x, range_of_type(dtype).1);
        if dtype == DType::Bool { f64::from(u8::from(value != 0.0)) } else { value.trunc() }
    }
}

/// NumPy's power: these exponents are exact there.
#[inline(always)]
fn powered(x: f64, exponent: f64) -> f64 {
    match exponent {
        1.0 => x,
        2.0 => x * x,
        0.5 => x.sqrt(),
        _ => x.powf(exponent),
    }
}

#[derive(Debug)]
struct Adjust {
    curve: Curve,
    /// Of types of up to 16 bits: the result for each value from 0 on, as bits.
    table: Vec<u16>,
}

impl Adjust {
    fn new(curve: Curve, dtype: DType) -> Self {
        let most = if is_narrow(dtype) { range_of_type(dtype).1 as usize + 1 } else { 0 };
        let bits = |x: usize| {
            let value = curve.of_integer(x as f64, dtype);
            match dtype {
                DType::I8 => value as i8 as u8 as u16,
                DType::I16 => value as i16 as u16,
                DType::U16 => value as u16,
                _ => u16::from(value as u8),
            }
        };
        Adjust { curve, table: (0..most).map(bits).collect() }
    }

    fn look_up(&self, x: &Feed<'_>, dtype: DType, out: &mut ViewMut<'_>) {
        let table = &self.table[..];
        // An element is never larger than the table.
        let at = |x: usize| table.get(x).copied().unwrap_or(0);
        match dtype {
            DType::U16 => map(x, out, |x: u16| at(x.into())),
            DType::I16 => map(x, out, |x: i16| at(x as usize) as i16),
            DType::I8 => map(x, out, |x: i8| at(x as usize) as i8),
            _ => map(x, out, |x: u8| at(x.into()) as u8),
        }
    }
}

impl TileOp for Adjust {
    fn name(&self) -> &'static str {
        self.curve.name()
    }

    fn need(&self, _input: usize, out: &Region, _inputs: &[ArraySpec]) -> Need {
        Need::inside(out)
    }

    fn run(&self, _cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, _scratch: &mut [u8]) -> Result<()> {
        let (view, dtype, curve) = (&inputs[0], inputs[0].dtype(), self.curve);
        check_sign(self.name(), view)?;
        let x = Feed::Rows(view.clone());
        let scale = range_of_type(dtype).1;
        match dtype {
            DType::F32 => match curve {
                // Exponents that NumPy takes exactly go the way of the other types.
                Curve::Gamma { gamma, gain } if ![1.0, 2.0, 0.5].contains(&gamma) => {
                    map_slices(&x, out, |x: &[f32], out: &mut [f32]| powers(x, gamma, gain as f32, out))
                }
                _ => map(&x, out, |x: f32| curve.single(x, 1.0)),
            },
            DType::F64 => map(&x, out, |x: f64| curve.double(x, 1.0)),
            DType::U32 => map(&x, out, |x: u32| curve.double(x.to_f64(), scale) as u32),
            DType::I32 => map(&x, out, |x: i32| curve.double(x.to_f64(), scale) as i32),
            DType::U64 => map(&x, out, |x: u64| curve.double(x.to_f64(), scale) as u64),
            DType::I64 => map(&x, out, |x: i64| curve.double(x.to_f64(), scale) as i64),
            _ => self.look_up(&x, dtype, out),
        }
        Ok(())
    }

    fn cost(&self) -> f64 {
        if self.table.is_empty() { 15.0 } else { 1.0 }
    }
}

fn check_sign(op: &str, view: &View<'_>) -> Result<()> {
    if view.dtype() == DType::Bool || (view.dtype().is_integer() && !view.dtype().is_signed_integer()) {
        return Ok(());
    }
    let mut negative = false;
    with_dtype!(view.dtype(), T => for_each_slice(view, |xs: &[T]| {
        negative |= xs.iter().any(|&x| x < T::default());
    }));
    match negative {
        true => Err(Error::op(op, "the image has values below zero; rescale_intensity brings them above")),
        false => Ok(()),
    }
}

fn adjust(args: &Args, curve: Curve) -> Result<Array> {
    let (input, spec) = (args.array("input")?, args.spec("input")?);
    Ok(Array::tile(Adjust::new(curve, spec.dtype), vec![input], spec))
}

fn adjust_gamma(args: &Args) -> Result<Array> {
    let gamma = args.number("gamma", 1.0)?;
    if gamma < 0.0 {
        return Err(args.error(format!("`gamma` is {gamma}, it must not be negative")));
    }
    adjust(args, Curve::Gamma { gamma, gain: args.number("gain", 1.0)? })
}

fn adjust_log(args: &Args) -> Result<Array> {
    adjust(args, Curve::Log { gain: args.number("gain", 1.0)?, inverse: args.bool("inv", false)? })
}

fn adjust_sigmoid(args: &Args) -> Result<Array> {
    let (cutoff, gain) = (args.number("cutoff", 0.5)?, args.number("gain", 10.0)?);
    adjust(args, Curve::Sigmoid { cutoff, gain, inverse: args.bool("inv", false)? })
}

macro_rules! details {
    ($formula:expr) => {
        concat!(
            $formula,
            "\n\nKeeps the element type. Integers are scaled by the largest value of their type and computed in float64; \
             results are truncated as in scikit-image, and saturate where they leave the type (scikit-image wraps \
             around). float32 is computed in float32. Values below zero are an error. NaN stays NaN."
        )
    };
}

const INV: Param = Param { name: "inv", ty: Type::Bool, default: Some("false"), doc: "Whether to invert the curve." };
const GAIN: Param = Param { name: "gain", ty: Type::Number, default: Some("1"), doc: "A factor on the result." };

/// `adjust_gamma`
pub static ADJUST_GAMMA: OpDef = OpDef {
    name: "adjust_gamma",
    family: "exposure",
    summary: "Gamma correction: the gamma-th power of the values, scaled to 0 to 1.",
    details: details!("`gain * scale * (x / scale) ** gamma`; of uint8 the result is rounded instead of truncated."),
    reference: "skimage.exposure.adjust_gamma",
    params: &[
        INPUT,
        Param { name: "gamma", ty: Type::Number, default: Some("1"), doc: "The exponent; not negative." },
        GAIN,
    ],
    returns: &[("adjusted", "The array in its own type.")],
    examples: &["adjust_gamma(abs(input), 0.7)", "adjust_gamma(maximum(input, 0), gamma=2, gain=0.8)"],
    build: adjust_gamma,
};

/// `adjust_log`
pub static ADJUST_LOG: OpDef = OpDef {
    name: "adjust_log",
    family: "exposure",
    summary: "Logarithmic correction of the values, scaled to 0 to 1.",
    details: details!("`gain * scale * log2(1 + x / scale)`; with `inv`, `gain * scale * (2 ** (x / scale) - 1)`."),
    reference: "skimage.exposure.adjust_log",
    params: &[INPUT, GAIN, INV],
    returns: &[("adjusted", "The array in its own type.")],
    examples: &["adjust_log(maximum(input, 0))", "adjust_log(maximum(input, 0), gain=0.5, inv=true)"],
    build: adjust_log,
};

/// `adjust_sigmoid`
pub static ADJUST_SIGMOID: OpDef = OpDef {
    name: "adjust_sigmoid",
    family: "exposure",
    summary: "Sigmoid correction of the values, scaled to 0 to 1: more contrast around the cutoff.",
    details: details!("`scale / (1 + exp(gain * (cutoff - x / scale)))`; with `inv`, `scale` less that."),
    reference: "skimage.exposure.adjust_sigmoid",
    params: &[
        INPUT,
        Param {
            name: "cutoff",
            ty: Type::Number,
            default: Some("0.5"),
            doc: "Where the curve is steepest, from 0 to 1.",
        },
        Param { name: "gain", ty: Type::Number, default: Some("10"), doc: "How steep it is." },
        INV,
    ],
    returns: &[("adjusted", "The array in its own type.")],
    examples: &["adjust_sigmoid(maximum(input, 0))", "adjust_sigmoid(maximum(input, 0), 0.2, gain=5, inv=true)"],
    build: adjust_sigmoid,
};
