//! Grey morphology: erosion, dilation, and what is made of them.

use super::combine::{difference, laplace};
use super::{Modes, Neighbourhood};
use crate::array::{ArraySpec, DType, Scalar};
use crate::error::Result;
use crate::graph::Array;
use crate::kernels::extrema::Extremum;
use crate::ops::extrema::{FOOTPRINT, SIZE};
use crate::ops::{AXES, Args, CVAL, INPUT, MODES, ORIGIN, OpDef, Param, Type};

/// A call, read.
struct Grey<'a> {
    args: &'a Args,
    input: Array,
    spec: ArraySpec,
    erosion: Neighbourhood,
    dilation: Neighbourhood,
    modes: Modes,
    cval: Scalar,
}

impl<'a> Grey<'a> {
    fn new(args: &'a Args) -> Result<Self> {
        let (input, spec) = (args.array("input")?, args.spec("input")?);
        let erosion = neighbourhood(args, &spec)?;
        let cval = args.scalar_of("cval", 0.0, spec.dtype)?;
        let modes = Modes::new(args, &spec)?;
        let dilation = erosion.mirrored();
        Ok(Grey { args, input, spec, erosion, dilation, modes, cval })
    }

    fn eroded(&self, array: &Array) -> Result<Array> {
        self.erosion.extremum(self.args, Extremum::Minimum, array, &self.spec, &self.modes, self.cval)
    }

    fn dilated(&self, array: &Array) -> Result<Array> {
        self.dilation.extremum(self.args, Extremum::Maximum, array, &self.spec, &self.modes, self.cval)
    }

    fn opened(&self) -> Result<Array> {
        self.dilated(&self.eroded(&self.input)?)
    }

    fn closed(&self) -> Result<Array> {
        self.eroded(&self.dilated(&self.input)?)
    }

    fn gradient(&self) -> Result<Array> {
        Ok(difference(&self.dilated(&self.input)?, &self.eroded(&self.input)?, &self.spec))
    }

    fn laplace(&self) -> Result<Array> {
        if self.spec.dtype == DType::Bool {
            return Err(self.args.error("takes numbers, not a mask; cast the array first"));
        }
        Ok(laplace(&self.dilated(&self.input)?, &self.eroded(&self.input)?, &self.input, &self.spec))
    }
}

fn neighbourhood(args: &Args, spec: &ArraySpec) -> Result<Neighbourhood> {
    let [size, footprint, structure] = ["size", "footprint", "structure"].map(|name| args.given(name));
    if size && (footprint || structure) {
        return Err(args.error("give `size`, or `footprint` and `structure`, not both"));
    }
    let flat = match (size, footprint, structure) {
        (true, ..) => Neighbourhood::of_size(args, spec)?,
        (_, true, _) => Neighbourhood::of_list(args, spec, "footprint", "origin")?,
        (_, _, true) => Neighbourhood::of_list(args, spec, "structure", "origin")?.filled(),
        _ => return Err(args.error("needs `size`, `footprint` or `structure`")),
    };
    if flat.is_empty() {
        return Err(args.error("`footprint` is zero everywhere"));
    }
    if structure { raised(args, spec, &flat) } else { Ok(flat) }
}

/// The neighbourhood with the heights that `structure` gives; the flat one where all are zero.
fn raised(args: &Args, spec: &ArraySpec, flat: &Neighbourhood) -> Result<Neighbourhood> {
    let (shape, heights) = args.nested("structure")?;
    if args.given("footprint") && args.nested("footprint")?.0 != shape {
        return Err(args.error(format!("`structure` has shape {shape:?}, not that of `footprint`")));
    }
    let most = match spec.dtype.integer_range() {
        _ if spec.dtype == DType::Bool => Some(0.0),
        range => range.map(|r| r.1 as f64),
    };
    if let Some(most) = most
        && let Some(height) = heights.iter().find(|h| h.fract() != 0.0 || h.abs() > most)
    {
        let dtype = spec.dtype;
        return Err(args.error(format!(
            "`structure` holds {height}: heights for a {dtype} array are whole numbers up to {most}; cast the array first"
        )));
    }
    if heights.iter().all(|&h| h == 0.0) { Ok(flat.clone()) } else { Ok(flat.with_heights(&heights)) }
}

macro_rules! common {
    () => {
        "A flat neighbourhood is a box (`size`) or a `footprint`; `structure` gives every element of it a \
    height, which an erosion subtracts and a dilation adds. An erosion is `min over the neighbourhood of input[i + o] - \
    height[o]`, a dilation `max of input[i - o] + height[o]`: mirrored, as in scipy, for even edges and with an origin too. \
    The element lies at index `n // 2 + origin`.\n\n\
    Keeps the element type. Integers less or plus a height stop at the ends of their type (scipy wraps some of them), and \
    the heights for them are whole numbers. Differences of two images wrap, as in scipy and NumPy (cast to a wider type \
    first where that matters), those of masks are the exclusive or. NaN spreads over the neighbourhood (scipy leaves that \
    open). Boundaries belong to each step: an opening extends what the erosion gave.\n\n\
    Time hardly depends on the size of a box, and grows with the radius, not the area, of a footprint; every \
    element of a structure with heights costs. Of arrays with named axes only the spatial axes are filtered."
    };
}

const STRUCTURE: Param = Param {
    name: "structure",
    ty: Type::Weights,
    default: Some("none"),
    doc: "Heights as a nested list; with a footprint of the same shape only those where it is not zero.",
};

macro_rules! grey {
    ($id:ident, $name:literal, $build:expr, $summary:literal, $extra:literal, $returns:literal, $examples:expr) => {
        #[doc = concat!("`", $name, "`")]
        pub static $id: OpDef = OpDef {
            name: $name,
            family: "morphology",
            summary: $summary,
            details: concat!($extra, "\n\n", common!()),
            reference: concat!("scipy.ndimage.", $name),
            params: &[
                INPUT,
                SIZE,
                FOOTPRINT,
                STRUCTURE,
                MODES,
                CVAL,
                Param { ty: Type::IntegerPerAxis, ..ORIGIN },
                AXES,
            ],
            returns: &[("filtered", $returns)],
            examples: $examples,
            build: |args| {
                let build: fn(&Grey<'_>) -> Result<Array> = $build;
                build(&Grey::new(args)?)
            },
        };
    };
}

grey!(
    GREY_EROSION,
    "grey_erosion",
    |grey| grey.eroded(&grey.input),
    "The smallest element of a neighbourhood, less its height.",
    "Bright things shrink, dark ones grow.",
    "The erosion.",
    &[
        "grey_erosion(input, size=3)",
        "grey_erosion(size=4, mode=\"mirror\", origin=1)",
        "grey_erosion(footprint=disk(2), mode=\"wrap\", axes=\"yx\")",
        "grey_erosion(structure=[1, 0, 1, 1], mode=\"nearest\", origin=1, axes=\"x\")"
    ]
);
grey!(
    GREY_DILATION,
    "grey_dilation",
    |grey| grey.dilated(&grey.input),
    "The largest element of a mirrored neighbourhood, plus its height.",
    "Bright things grow, dark ones shrink.",
    "The dilation.",
    &[
        "grey_dilation(input, size=3)",
        "grey_dilation(size=2, mode=\"constant\", cval=1)",
        "grey_dilation(footprint=[1, 0, 1, 1], origin=-2, axes=\"x\")",
        "grey_dilation(footprint=[[1, 0], [1, 1], [0, 1]], structure=[[1, 1], [0, 1], [0, 1]], axes=\"yx\")"
    ]
);
grey!(
    GREY_OPENING,
    "grey_opening",
    |grey| grey.opened(),
    "Erosion, then dilation: takes away what is brighter and smaller than the neighbourhood.",
    "`grey_dilation(grey_erosion(input, …), …)`.",
    "The opening.",
    &["grey_opening(input, size=3)", "grey_opening(footprint=[1, 1, 0, 1], mode=\"mirror\", axes=\"x\")"]
);
grey!(
    GREY_CLOSING,
    "grey_closing",
    |grey| grey.closed(),
    "Dilation, then erosion: fills what is darker and smaller than the neighbourhood.",
    "`grey_erosion(grey_dilation(input, …), …)`.",
    "The closing.",
    &["grey_closing(input, size=4)", "grey_closing(footprint=diamond(2), origin=[1, 0], mode=\"wrap\", axes=\"yx\")"]
);
grey!(
    WHITE_TOPHAT,
    "white_tophat",
    |grey| Ok(difference(&grey.input, &grey.opened()?, &grey.spec)),
    "The input less its opening: what is brighter and smaller than the neighbourhood.",
    "`input - grey_opening(input, …)`.",
    "What the opening took away.",
    &["white_tophat(input, size=5)", "white_tophat(structure=[0, 1, 0], mode=\"nearest\", axes=\"x\")"]
);
grey!(
    BLACK_TOPHAT,
    "black_tophat",
    |grey| Ok(difference(&grey.closed()?, &grey.input, &grey.spec)),
    "The closing less the input: what is darker and smaller than the neighbourhood.",
    "`grey_closing(input, …) - input`.",
    "What the closing filled in.",
    &["black_tophat(input, size=5)", "black_tophat(footprint=cross(), mode=\"constant\", cval=1, axes=\"yx\")"]
);
grey!(
    MORPHOLOGICAL_GRADIENT,
    "morphological_gradient",
    |grey| grey.gradient(),
    "Dilation less erosion: bright where the image is steep.",
    "`grey_dilation(input, …) - grey_erosion(input, …)`. Of a mask it is its edge (scipy refuses masks here).",
    "The difference.",
    &[
        "morphological_gradient(input, size=3)",
        "morphological_gradient(footprint=[1, 0, 1], mode=\"wrap\", axes=\"x\")"
    ]
);
grey!(
    MORPHOLOGICAL_LAPLACE,
    "morphological_laplace",
    |grey| grey.laplace(),
    "Dilation plus erosion less twice the input.",
    "`grey_dilation(input, …) + grey_erosion(input, …) - 2 * input`, in the input's type: unsigned integers wrap below \
    zero, as in scipy, so cast to a signed or float type first. Masks are refused.",
    "The sum.",
    &[
        "morphological_laplace(input, size=3)",
        "morphological_laplace(footprint=[1, 0, 1], mode=\"mirror\", axes=\"x\")"
    ]
);
