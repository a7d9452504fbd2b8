//! The operations, one file per family, and the registry from which parser, help and tests derive.
//!
//! A new operation is one [`OpDef`] and one line in [`OPS`].

mod args;
mod color;
mod components;
mod cumulative;
mod edges;
mod elementwise;
mod exposure;
mod extrema;
mod histogram;
mod label;
pub(crate) mod labelled;
mod linear;
pub(crate) mod map;
mod measure;
mod moments;
mod morphology;
mod normalise;
mod pad;
mod pca;
mod rank;
mod reduce;
mod relabel;
mod scan;
mod select;
mod shape;
pub mod structure;
mod threshold;
mod uniform;
mod window;

pub use args::{Arg, Args};
pub use select::{Pick, Selection, select};
pub use threshold::GLOBAL_METHODS;

use crate::error::{Error, Result};
use crate::graph::Array;
pub use crate::suggest::nearest;

/// Every operation, in the order `tilewise ops` shows them.
pub static OPS: &[&OpDef] = &[
    &elementwise::ADD,
    &elementwise::SUBTRACT,
    &elementwise::MULTIPLY,
    &elementwise::DIVIDE,
    &elementwise::FLOOR_DIVIDE,
    &elementwise::REMAINDER,
    &elementwise::POWER,
    &elementwise::NEGATIVE,
    &elementwise::ABS,
    &elementwise::SQRT,
    &elementwise::HYPOT,
    &elementwise::MINIMUM,
    &elementwise::MAXIMUM,
    &elementwise::WHERE,
    &elementwise::CLIP,
    &elementwise::CAST,
    &elementwise::LESS,
    &elementwise::LESS_EQUAL,
    &elementwise::GREATER,
    &elementwise::GREATER_EQUAL,
    &elementwise::EQUAL,
    &elementwise::NOT_EQUAL,
    &elementwise::BITWISE_AND,
    &elementwise::BITWISE_OR,
    &elementwise::BITWISE_XOR,
    &elementwise::BITWISE_NOT,
    &linear::GAUSSIAN_FILTER,
    &linear::GAUSSIAN_FILTER1D,
    &uniform::UNIFORM_FILTER,
    &uniform::UNIFORM_FILTER1D,
    &linear::GAUSSIAN_LAPLACE,
    &linear::GAUSSIAN_GRADIENT_MAGNITUDE,
    &linear::DIFFERENCE_OF_GAUSSIANS,
    &linear::UNSHARP_MASK,
    &linear::LAPLACE,
    &linear::SOBEL,
    &linear::PREWITT,
    &linear::CORRELATE,
    &linear::CONVOLVE,
    &linear::CORRELATE1D,
    &linear::CONVOLVE1D,
    &linear::SCHARR,
    &linear::ROBERTS,
    &edges::CANNY,
    &extrema::MINIMUM_FILTER,
    &extrema::MAXIMUM_FILTER,
    &extrema::MINIMUM_FILTER1D,
    &extrema::MAXIMUM_FILTER1D,
    &rank::MEDIAN_FILTER,
    &rank::PERCENTILE_FILTER,
    &rank::RANK_FILTER,
    &morphology::grey::GREY_EROSION,
    &morphology::grey::GREY_DILATION,
    &morphology::grey::GREY_OPENING,
    &morphology::grey::GREY_CLOSING,
    &morphology::grey::WHITE_TOPHAT,
    &morphology::grey::BLACK_TOPHAT,
    &morphology::grey::MORPHOLOGICAL_GRADIENT,
    &morphology::grey::MORPHOLOGICAL_LAPLACE,
    &morphology::binary::BINARY_EROSION,
    &morphology::binary::BINARY_DILATION,
    &morphology::binary::BINARY_PROPAGATION,
    &morphology::binary::BINARY_OPENING,
    &morphology::binary::BINARY_CLOSING,
    &morphology::binary::BINARY_HIT_OR_MISS,
    &pad::PAD,
    &shape::CROP,
    &shape::FLIP,
    &shape::TRANSPOSE,
    &shape::EXPAND_DIMS,
    &shape::SQUEEZE,
    &shape::CONCATENATE,
    &shape::STACK,
    &shape::BLOCK,
    &reduce::MIN,
    &reduce::MAX,
    &reduce::MEAN,
    &reduce::STD,
    &reduce::SUM,
    &reduce::VAR,
    &reduce::MEDIAN,
    &reduce::PERCENTILE,
    &reduce::ARGMIN,
    &reduce::ARGMAX,
    &reduce::ANY,
    &reduce::ALL,
    &reduce::COUNT_NONZERO,
    &cumulative::CUMSUM,
    &cumulative::CUMPROD,
    &normalise::ZSCORE,
    &normalise::NORMALIZE_PERCENTILE,
    &normalise::FLAT_FIELD,
    &normalise::BLEACH_CORRECT,
    &pca::PCA,
    &histogram::HISTOGRAM,
    &threshold::THRESHOLD_ISODATA,
    &threshold::THRESHOLD_LI,
    &threshold::THRESHOLD_MEAN,
    &threshold::THRESHOLD_MINIMUM,
    &threshold::THRESHOLD_MULTIOTSU,
    &threshold::THRESHOLD_OTSU,
    &threshold::THRESHOLD_TRIANGLE,
    &threshold::THRESHOLD_YEN,
    &threshold::THRESHOLD_LOCAL,
    &threshold::THRESHOLD_NIBLACK,
    &threshold::THRESHOLD_SAUVOLA,
    &threshold::THRESHOLD,
    &exposure::RESCALE_INTENSITY,
    &exposure::ADJUST_GAMMA,
    &exposure::ADJUST_LOG,
    &exposure::ADJUST_SIGMOID,
    &exposure::EQUALIZE_HIST,
    &color::RGB2GRAY,
    &color::INVERT,
    &label::LABEL,
    &measure::MEASURE,
    &labelled::SUM_LABELS,
    &labelled::VARIANCE,
    &labelled::STANDARD_DEVIATION,
    &labelled::MINIMUM_POSITION,
    &labelled::MAXIMUM_POSITION,
    &labelled::EXTREMA_OF,
    &labelled::CENTER_OF_MASS,
    &labelled::AREA,
    &labelled::FIND_OBJECTS,
    &labelled::LABELED_COMPREHENSION,
    &components::APPLY_HYSTERESIS_THRESHOLD,
    &components::BINARY_FILL_HOLES,
    &components::REMOVE_SMALL_OBJECTS,
    &components::REMOVE_SMALL_HOLES,
    &components::CLEAR_BORDER,
    &components::KEEP_LARGEST,
    &components::FIND_BOUNDARIES,
    &components::EXPAND_LABELS,
    &relabel::RELABEL_SEQUENTIAL,
    &relabel::JOIN_SEGMENTATIONS,
    &relabel::FILTER_LABELS,
];

/// One operation as the user knows it.
#[derive(Debug)]
pub struct OpDef {
    /// Its name, scipy.ndimage's or scikit-image's where they have it.
    pub name: &'static str,
    /// The group it is listed under.
    pub family: &'static str,
    /// One line.
    pub summary: &'static str,
    /// Paragraphs: shapes, dtypes, NaN, differences from the reference.
    pub details: &'static str,
    /// The function it equals.
    pub reference: &'static str,
    /// The parameters in positional order, arrays included.
    pub params: &'static [Param],
    /// What comes back, one entry per output; the first stands for the op.
    pub returns: &'static [(&'static str, &'static str)],
    /// Pipelines on `input` that run on any numeric array of rank 1 to 5; shown in the help and run by the oracle
    /// test, so they should cover the parameters.
    pub examples: &'static [&'static str],
    /// Builds its part of the graph.
    pub build: fn(&Args) -> Result<Array>,
}

/// One parameter.
#[derive(Debug)]
pub struct Param {
    /// scipy's or scikit-image's name.
    pub name: &'static str,
    /// What it takes.
    pub ty: Type,
    /// Its default as it is written in the language; `None` where it must be given.
    pub default: Option<&'static str>,
    /// One line: meaning, unit, range.
    pub doc: &'static str,
}

/// What a parameter takes; for help, and for errors that come before anything is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// An array or a computed scalar.
    Array,
    /// An array, a computed scalar or a number.
    ArrayOrNumber,
    /// A number.
    Number,
    /// A whole number.
    Integer,
    /// A number, or a list with one per axis.
    NumberPerAxis,
    /// A whole number, or a list with one per axis.
    IntegerPerAxis,
    /// A list of numbers, nested for several axes.
    Weights,
    /// `true` or `false`.
    Bool,
    /// A boundary mode.
    Mode,
    /// A boundary mode, or a list with one per axis.
    ModePerAxis,
    /// An element type by its NumPy name.
    DType,
    /// An axis: its number (negative counts from the last) or its letter.
    Axis,
    /// Axes: letters (`"yx"`) or a list of numbers.
    Axes,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Anything the op itself sorts out.
    Any,
}

const INPUT: Param = Param { name: "input", ty: Type::Array, default: None, doc: "The array." };
const AXIS: Param = Param {
    name: "axis",
    ty: Type::Axis,
    default: Some("-1"),
    doc: "The axis: its number (negative from the last) or letter; by default the last one that filters act on.",
};
const MODE: Param = Param {
    name: "mode",
    ty: Type::Mode,
    default: Some("\"reflect\""),
    doc: "How the image goes on outside: reflect, mirror, nearest, constant or wrap.",
};
const MODES: Param = Param {
    doc: "How the image goes on outside: reflect, mirror, nearest, constant or wrap; or one per axis.",
    ty: Type::ModePerAxis,
    ..MODE
};
const AXES: Param = Param {
    name: "axes",
    ty: Type::Axes,
    default: Some("none"),
    doc: "The axes to act on: letters (\"yx\") or a list of numbers; else the spatial ones, or all if they have no names.",
};
const CVAL: Param =
    Param { name: "cval", ty: Type::Number, default: Some("0.0"), doc: "What lies outside with mode=\"constant\"." };
const ORIGIN: Param = Param {
    name: "origin",
    ty: Type::Integer,
    default: Some("0"),
    doc: "Moves the window to the left (positive) or right, by up to half its length.",
};

/// The operation of that name.
pub fn find(name: &str) -> Option<&'static OpDef> {
    OPS.iter().copied().find(|op| op.name == name)
}

/// Builds a call: what the language and the library's builder both end in.
///
/// # Errors
/// [`Error::Op`] naming the parameter that is unknown, missing, doubled or out of range.
pub fn call(name: &str, positional: Vec<Arg>, keyword: Vec<(String, Arg)>) -> Result<Array> {
    let Some(def) = find(name) else {
        let near = nearest(name, OPS.iter().map(|op| op.name));
        let hint = near.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
        return Err(Error::Usage(format!("unknown operation `{name}`{hint}")));
    };
    def.call(positional, keyword)
}

impl Array {
    /// Calls an operation with this array as its first argument, the others by position and by name.
    ///
    /// ```
    /// # fn main() -> tilewise::Result<()> {
    /// # let zeros = tilewise::graph::MemArray::zeros(tilewise::array::ArraySpec::unnamed(&[4, 4], tilewise::array::DType::U16))?;
    /// # let image = tilewise::graph::Array::value(tilewise::graph::Value::Array(zeros.into()));
    /// let smooth = image.call("gaussian_filter", [2.0.into()], [("mode", "wrap".into())])?;
    /// let mask = smooth.call("threshold", ["otsu".into()], [])?;
    /// # assert_eq!(mask.dtype(), Some(tilewise::array::DType::Bool));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`call`].
    pub fn call<'k>(
        &self,
        name: &str,
        positional: impl IntoIterator<Item = Arg>,
        keyword: impl IntoIterator<Item = (&'k str, Arg)>,
    ) -> Result<Array> {
        let positional = std::iter::once(Arg::Array(self.clone())).chain(positional).collect();
        call(name, positional, keyword.into_iter().map(|(k, v)| (k.to_string(), v)).collect())
    }
}

impl OpDef {
    /// Builds a call of this operation.
    ///
    /// # Errors
    /// As the free function [`call`], but for the name.
    pub fn call(&'static self, positional: Vec<Arg>, keyword: Vec<(String, Arg)>) -> Result<Array> {
        let args = Args::bind(self, positional, keyword)?;
        let array = (self.build)(&args)?;
        Ok(array.from_call(&args.text()))
    }

    /// `gaussian_filter(input, sigma, order=0, …)`.
    pub fn signature(&self) -> String {
        let params: Vec<String> = self
            .params
            .iter()
            .map(|p| match p.default {
                Some(default) => format!("{}={default}", p.name),
                None => p.name.to_string(),
            })
            .collect();
        format!("{}({})", self.name, params.join(", "))
    }
}
