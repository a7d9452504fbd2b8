//! `rescale_intensity`

use crate::array::{DType, ViewMut, with_dtype};
use crate::error::Result;
use crate::graph::Array;
use crate::ops::elementwise::pointwise::{Operand, Rule, pointwise};
use crate::ops::elementwise::promote::Literal;
use crate::ops::elementwise::rows::{Feed, Loads, zip3};
use crate::ops::{Arg, Args, INPUT, OpDef, Param, Type, call};

/// Where the values go.
#[derive(Clone, Copy, Debug)]
enum Target {
    /// To that range; where it begins below zero and the input's does not, from zero on.
    Known { lo: f64, hi: f64, from_zero: bool },
    /// To the input's own range.
    Same,
}

#[derive(Debug)]
struct Rescale {
    /// Whether scikit-image computes in single precision.
    single: bool,
    to: Target,
}

impl Rule for Rescale {
    fn apply(&self, operands: &[Feed<'_>], out: &mut ViewMut<'_>) {
        let [x, lo, hi] = operands else { return };
        match self.single {
            true => with_dtype!(out.dtype(), O => rescale::<f32, O>([x, lo, hi], self.to, out)),
            false => with_dtype!(out.dtype(), O => rescale::<f64, O>([x, lo, hi], self.to, out)),
        }
    }

    fn cost(&self) -> f64 {
        2.0
    }
}

/// The numbers that rescaling computes in.
trait Real: Loads + PartialOrd {
    fn of(v: f64) -> Self;
    fn scaled(self, lo: Self, span: Self, to_span: Self, to_lo: Self) -> Self;
}

macro_rules! real {
    ($($t:ty)*) => {$(
        impl Real for $t {
            #[inline(always)]
            fn of(v: f64) -> Self {
                v as $t
            }

            #[inline(always)]
            fn scaled(self, lo: Self, span: Self, to_span: Self, to_lo: Self) -> Self {
                ((self - lo) / span) * to_span + to_lo
            }
        }
    )*};
}

real!(f32 f64);

/// Types that results are stored in as C converts: towards zero.
trait Stored: Loads {
    fn truncated(v: f64) -> Self;
}

macro_rules! stored {
    ($($t:ty)*) => {$(
        impl Stored for $t {
            #[inline(always)]
            fn truncated(v: f64) -> Self {
                v as $t
            }
        }
    )*};
}

stored!(u8 u16 u32 u64 i8 i16 i32 i64 f32 f64);

/// In scikit-image's order of operations, so that truncation gives the same integers.
fn rescale<T: Real + Into<f64>, O: Stored>(operands: [&Feed<'_>; 3], to: Target, out: &mut ViewMut<'_>) {
    let to_mask = out.dtype() == DType::Bool;
    zip3(
        operands,
        out,
        #[inline(always)]
        |x: T, lo: f64, hi: f64| {
            let (to_lo, to_hi) = match to {
                Target::Known { lo: _, hi: to_hi, from_zero: true } if lo >= 0.0 => (0.0, to_hi),
                Target::Known { lo: to_lo, hi: to_hi, .. } => (to_lo, to_hi),
                Target::Same => (lo, hi),
            };
            let x = clipped(x, T::of(lo), T::of(hi));
            let y = match lo == hi {
                true => clipped(x, T::of(to_lo), T::of(to_hi)),
                false => x.scaled(T::of(lo), T::of(hi - lo), T::of(to_hi - to_lo), T::of(to_lo)),
            };
            let y: f64 = y.into();
            O::truncated(if to_mask { f64::from(u8::from(y != 0.0)) } else { y })
        },
    );
}

/// NumPy's clip: NaN stays.
#[inline(always)]
fn clipped<T: PartialOrd>(x: T, lo: T, hi: T) -> T {
    let x = if x < lo { lo } else { x };
    if x > hi { hi } else { x }
}

/// The range that a word names and the type that holds it; `None` for a word that names none.
fn range_of_word(word: &str) -> Option<(f64, f64, DType)> {
    let bits = |n: i32| Some((0.0, 2f64.powi(n) - 1.0, DType::U16));
    match word {
        "uint10" => bits(10),
        "uint12" => bits(12),
        "uint14" => bits(14),
        "float" => Some((-1.0, 1.0, DType::F64)),
        word => DType::from_name(word).map(|dtype| {
            let (lo, hi) = range_of_type(dtype);
            (lo, hi, dtype)
        }),
    }
}

/// What scikit-image takes for the range of a type.
pub(super) fn range_of_type(dtype: DType) -> (f64, f64) {
    dtype.integer_range().map_or((-1.0, 1.0), |(least, most)| (least as f64, most as f64))
}

fn bad_range(args: &Args, name: &str) -> crate::error::Error {
    args.error(format!(
        "`{name}` is \"image\", \"dtype\", the name of an element type, \"uint10\", \"uint12\", \"uint14\", \"float\" or a \
         pair [lo, hi]"
    ))
}

/// One end of a range: a number, a computed scalar or an array that is broadcast.
fn end(args: &Args, name: &str, arg: &Arg) -> Result<Operand> {
    match arg {
        Arg::Int(v) => Ok(Operand::Literal(Literal::Float(*v as f64))),
        Arg::Float(v) => Ok(Operand::Literal(Literal::Float(*v))),
        Arg::Array(array) if let Some(spec) = array.array_spec() => Ok(Operand::Array(array.clone(), spec.clone())),
        _ => Err(bad_range(args, name)),
    }
}

fn known(lo: f64, hi: f64) -> [Operand; 2] {
    [lo, hi].map(|v| Operand::Literal(Literal::Float(v)))
}

fn input_range(args: &Args, input: &Array, dtype: DType) -> Result<[Operand; 2]> {
    let name = "in_range";
    match args.get(name) {
        None => image_range(args, input),
        Some(Arg::Str(word)) if word == "image" => image_range(args, input),
        Some(Arg::Str(word)) if word == "dtype" => {
            let (lo, hi) = range_of_type(dtype);
            Ok(known(lo, hi))
        }
        Some(Arg::Str(word)) => match range_of_word(word) {
            Some((lo, hi, _)) => Ok(known(lo, hi)),
            None => Err(bad_range(args, name)),
        },
        Some(Arg::List(ends)) => match &ends[..] {
            [lo, hi] => Ok([end(args, name, lo)?, end(args, name, hi)?]),
            _ => Err(bad_range(args, name)),
        },
        Some(_) => Err(bad_range(args, name)),
    }
}

/// The range of the whole image, or of every item of it along the axes that are not given.
fn image_range(args: &Args, input: &Array) -> Result<[Operand; 2]> {
    let along = match args.get("axis").filter(|_| args.given("axis")) {
        Some(axis) => vec![("axis".to_string(), axis.clone()), ("keepdims".to_string(), Arg::Bool(true))],
        None => Vec::new(),
    };
    let one = |op: &str| {
        let found = call(op, vec![Arg::Array(input.clone())], along.clone())?;
        end(args, "in_range", &Arg::Array(found))
    };
    Ok([one("min")?, one("max")?])
}

/// Where the values go, and in what type.
fn output_range(args: &Args, dtype: DType) -> Result<(Target, DType)> {
    let name = "out_range";
    let own = || {
        let (lo, hi) = range_of_type(dtype);
        (Target::Known { lo, hi, from_zero: true }, dtype)
    };
    match args.get(name) {
        None => Ok(own()),
        Some(Arg::Str(word)) if word == "dtype" => Ok(own()),
        Some(Arg::Str(word)) if word == "image" => match args.get("in_range") {
            None => Ok((Target::Same, dtype)),
            Some(Arg::Str(word)) if word == "image" => Ok((Target::Same, dtype)),
            Some(_) => {
                Err(args.error("`out_range`=\"image\" goes with `in_range`=\"image\"; give the range as a pair"))
            }
        },
        Some(Arg::Str(word)) => match range_of_word(word) {
            Some((lo, hi, dtype)) => Ok((Target::Known { lo, hi, from_zero: true }, dtype)),
            None => Err(bad_range(args, name)),
        },
        Some(Arg::List(_)) => match args.numbers(name)?[..] {
            [lo, hi] => Ok((Target::Known { lo, hi, from_zero: false }, dtype.float())),
            _ => Err(bad_range(args, name)),
        },
        Some(_) => Err(bad_range(args, name)),
    }
}

/// The values of an array brought from a range, whose ends may be arrays that are broadcast, to another.
fn rescaled(args: &Args, input: &Array, [lo, hi]: [Operand; 2], to: Target, dtype: DType) -> Result<Array> {
    let spec = args.spec("input")?;
    let single = spec.dtype == DType::F32;
    let operands = [Operand::Array(input.clone(), spec), lo, hi];
    pointwise(args.name(), &operands, DType::F64, dtype, Rescale { single, to })
}

fn rescale_intensity(args: &Args) -> Result<Array> {
    let (input, spec) = (args.array("input")?, args.spec("input")?);
    let ranges_of_items = matches!(args.get("in_range"), None | Some(Arg::Str(_))) && args.given("axis");
    if args.given("axis") && !(ranges_of_items && args.text_of("in_range")?.is_none_or(|word| word == "image")) {
        return Err(args.error("`axis` goes with `in_range`=\"image\": other ranges are the same for all items"));
    }
    let (to, dtype) = output_range(args, spec.dtype)?;
    rescaled(args, &input, input_range(args, &input, spec.dtype)?, to, dtype)
}

/// `rescale_intensity`
pub static RESCALE_INTENSITY: OpDef = OpDef {
    name: "rescale_intensity",
    family: "exposure",
    summary: "Stretches or shrinks the range of the values.",
    details: "What lies in `in_range` is mapped linearly to `out_range`; what lies outside is clipped first. A range is \
        \"image\" (that of the whole image, a pass of its own), \"dtype\" (that of its type; -1 to 1 for floats), the name \
        of an element type, \"uint10\", \"uint12\", \"uint14\", \"float\", or a pair [lo, hi]. The ends of `in_range` may be \
        computed: scalars, or arrays that are broadcast, so that each image of a stack or each channel has its own \
        range: `axis=\"yx\"`, or `in_range=[min(input, axis=\"yx\"), max(input, axis=\"yx\")]`. A named `out_range` starts at 0 where `in_range` does not begin below \
        it.\n\nKeeps the element type for \"dtype\" and \"image\"; another type's name gives that type (uint16 for \
        uint10 to uint14), integers truncated as scikit-image does; a pair gives float32, or float64 for float64 and 32- \
        and 64-bit integer input (scikit-image: float64 for all integers). A constant image is clipped to `out_range`. \
        NaN in the image's range makes everything NaN, or 0 in integers.",
    reference: "skimage.exposure.rescale_intensity",
    params: &[
        INPUT,
        Param {
            name: "in_range",
            ty: Type::Any,
            default: Some("\"image\""),
            doc: "The range to stretch: a word, or a pair of numbers, computed scalars or arrays.",
        },
        Param {
            name: "out_range",
            ty: Type::Any,
            default: Some("\"dtype\""),
            doc: "The range to stretch it to: a word or a pair of numbers.",
        },
        Param {
            name: "axis",
            ty: Type::Axes,
            default: Some("none"),
            doc: "The axes that the range \"image\" is taken over: \"yx\" gives every channel and frame its own; all \
                unless given.",
        },
    ],
    returns: &[("rescaled", "The array in its own type, that of `out_range`, or floats.")],
    examples: &[
        "rescale_intensity(input)",
        "rescale_intensity(input, in_range=[10, 100.5], out_range=\"uint8\")",
        "rescale_intensity(input, in_range=[mean(input), max(input)], out_range=[0, 1])",
        "rescale_intensity(input, \"dtype\", \"uint12\")",
        "rescale_intensity(input, out_range=\"image\")",
        "rescale_intensity(input, axis=-1)",
        "rescale_intensity(input, out_range=[0, 1], axis=[0])",
    ],
    build: rescale_intensity,
};
