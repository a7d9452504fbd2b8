//! The minimum and maximum over a box or a footprint.

use super::morphology::{Modes, Neighbourhood};
use super::window::{LineWalk, Window, axis, scratch_bytes, scratch_of, window_len};
use super::{AXES, AXIS, Args, CVAL, INPUT, MODE, MODES, ORIGIN, OpDef, Param, Type};
use crate::array::{ArraySpec, Element, Mode, Region, View, ViewMut, with_dtype};
use crate::error::Result;
use crate::graph::{Array, Cx, Need, TileOp};
use crate::kernels::Lines;
use crate::kernels::extrema::{Extremum, Ordered, extrema, extrema_scratch};

/// The extremum along one axis.
#[derive(Debug)]
pub(super) struct Extreme1d {
    pub(super) window: Window,
    pub(super) which: Extremum,
}

impl TileOp for Extreme1d {
    fn name(&self) -> &'static str {
        match self.which {
            Extremum::Minimum => "minimum_filter1d",
            Extremum::Maximum => "maximum_filter1d",
        }
    }

    fn need(&self, _input: usize, out: &Region, _inputs: &[ArraySpec]) -> Need {
        self.window.need(out)
    }

    fn scratch(&self, out: &[u64], inputs: &[ArraySpec]) -> u64 {
        let (lines, len) = (self.window.largest_lines(out), self.window.len as usize);
        with_dtype!(inputs[0].dtype, T => scratch_bytes::<T>(keys::<T>(lines, len)))
    }

    fn run(&self, _cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, scratch: &mut [u8]) -> Result<()> {
        with_dtype!(inputs[0].dtype(), T => self.run_as::<T>(&inputs[0], out, scratch));
        Ok(())
    }

    fn cost(&self) -> f64 {
        // 0.05 for bytes, 0.6 for doubles.
        0.3
    }
}

/// Keys enough for lines of any layout that a box no larger than these lines can have: with gaps, and without gaps but
/// narrower.
fn keys<T: Ordered>(lines: Lines, len: usize) -> usize {
    let gaps = Lines { src_stride: lines.src_stride + 1, ..lines };
    let narrow = NARROW.map(|inner| extrema_scratch::<T>(Lines::flat(lines.n, lines.inner.min(inner)), len));
    narrow.into_iter().fold(extrema_scratch::<T>(gaps, len), usize::max)
}

/// The widest lines for which the kernel takes its way for narrow ones, by size of key.
const NARROW: [usize; 2] = [15, 63];

impl Extreme1d {
    fn run_as<T: Element + Ordered<Key: bytemuck::Pod>>(
        &self,
        src: &View<'_>,
        out: &mut ViewMut<'_>,
        scratch: &mut [u8],
    ) {
        let walk = LineWalk::new(src, out, self.window.axis);
        let (from, to) = (src.typed::<T>(), out.typed_mut::<T>());
        let scratch = scratch_of(scratch);
        let len = self.window.len as usize;
        walk.for_each(|s, d, lines| extrema(&from[s..], &mut to[d..], lines, len, self.which, scratch));
    }
}

/// Adds the extremum along one axis to a chain.
fn step(
    args: &Args,
    array: &Array,
    which: Extremum,
    (axis, len, mode, origin): (usize, usize, Mode, i64),
) -> Result<Array> {
    let spec = args.spec("input")?;
    let cval = args.scalar_of("cval", 0.0, spec.dtype)?;
    let window = Window::new(args, axis, len, origin, mode, cval)?;
    Ok(Array::tile(Extreme1d { window, which }, vec![array.clone()], spec))
}

fn filter(args: &Args, which: Extremum) -> Result<Array> {
    let (array, spec) = (args.array("input")?, args.spec("input")?);
    let neighbourhood = match (args.given("size"), args.given("footprint")) {
        (true, false) => Neighbourhood::of_size(args, &spec)?,
        (false, true) => Neighbourhood::of_list(args, &spec, "footprint", "origin")?,
        (true, true) => return Err(args.error("give `size` or `footprint`, not both")),
        (false, false) => return Err(args.error("needs `size`, the edge lengths of a box, or `footprint`")),
    };
    if neighbourhood.is_empty() {
        return Err(args.error("`footprint` is zero everywhere"));
    }
    let cval = args.scalar_of("cval", 0.0, spec.dtype)?;
    neighbourhood.extremum(args, which, &array, &spec, &Modes::new(args, &spec)?, cval)
}

/// The extremum over a box: one window (axis, length, mode, origin) after the other.
pub(super) fn filter_box(
    args: &Args,
    mut array: Array,
    which: Extremum,
    windows: impl IntoIterator<Item = (usize, usize, Mode, i64)>,
) -> Result<Array> {
    for window in windows {
        array = step(args, &array, which, window)?;
    }
    Ok(array)
}

fn filter1d(args: &Args, which: Extremum) -> Result<Array> {
    let (array, spec) = (args.array("input")?, args.spec("input")?);
    let len = window_len(args, "size", args.integer("size", 1)?)?;
    let (mode, origin) = (args.mode("mode", Mode::Reflect)?, args.integer("origin", 0)?);
    step(args, &array, which, (axis(args, &spec)?, len, mode, origin))
}

const DETAILS: &str = "Keeps the element type; `cval` must be one of its values. A window with a NaN gives NaN, and -0 \
    lies below 0 (scipy leaves both open). Of arrays with named axes only the spatial axes are filtered.\n\n\
    A box goes axis by axis, in time that hardly depends on its size. A footprint is cut into runs along its last axis: \
    running extrema as long as each run (van Herk's and Gil's, or by doubling) are made once per row and joined, so a \
    disk costs in proportion to its radius, not to its area. A footprint that fills a box is one; a line or plane of \
    zeros at its border costs nothing.\n\n\
    The footprint has as many axes as are filtered, in the order of the array. As in scipy it lies with its element at \
    index `n // 2 + origin` along each axis, is not mirrored (not even for a maximum), and takes one mode for all axes \
    unless it fills a box. Both `size` and `footprint` are refused where scipy would warn and take the footprint.";

const DETAILS_1D: &str = "Keeps the element type; `cval` must be one of its values. In time that hardly depends on the \
    length of the window. A window with a NaN gives NaN, and -0 lies below 0 (scipy leaves both open).";

pub(super) const SIZE: Param = Param {
    name: "size",
    ty: Type::IntegerPerAxis,
    default: Some("none"),
    doc: "The edge lengths of the box, for all axes or one per axis; at least 1.",
};

pub(super) const FOOTPRINT: Param = Param {
    name: "footprint",
    ty: Type::Weights,
    default: Some("none"),
    doc: "Instead of size: a nested list (or disk(4), ball(2), …), not zero where an element counts.",
};

macro_rules! extremum {
    ($id:ident, $name:literal, $which:expr, $summary:literal, $returns:literal, $examples:expr) => {
        #[doc = concat!("`", $name, "`")]
        pub static $id: OpDef = OpDef {
            name: $name,
            family: "rank",
            summary: $summary,
            details: DETAILS,
            reference: concat!("scipy.ndimage.", $name),
            params: &[INPUT, SIZE, FOOTPRINT, MODES, CVAL, Param { ty: Type::IntegerPerAxis, ..ORIGIN }, AXES],
            returns: &[("filtered", $returns)],
            examples: $examples,
            build: |args| filter(args, $which),
        };
    };
    (1 $id:ident, $name:literal, $which:expr, $summary:literal, $returns:literal, $examples:expr) => {
        #[doc = concat!("`", $name, "`")]
        pub static $id: OpDef = OpDef {
            name: $name,
            family: "rank",
            summary: $summary,
            details: DETAILS_1D,
            reference: concat!("scipy.ndimage.", $name),
            params: &[
                INPUT,
                Param { ty: Type::Integer, default: None, doc: "The length of the window; at least 1.", ..SIZE },
                AXIS,
                MODE,
                CVAL,
                ORIGIN,
            ],
            returns: &[("filtered", $returns)],
            examples: $examples,
            build: |args| filter1d(args, $which),
        };
    };
}

extremum!(
    MINIMUM_FILTER,
    "minimum_filter",
    Extremum::Minimum,
    "The smallest element of a box or footprint.",
    "The minima.",
    &[
        "minimum_filter(input, size=3)",
        "minimum_filter(size=4, mode=\"constant\", cval=1, origin=-2)",
        "minimum_filter(size=3, axes=\"x\")",
        "minimum_filter(footprint=[1, 0, 0, 1, 1], origin=-1, axes=\"x\")",
        "minimum_filter(footprint=disk(3), mode=\"wrap\", axes=\"yx\")"
    ]
);
extremum!(
    MAXIMUM_FILTER,
    "maximum_filter",
    Extremum::Maximum,
    "The largest element of a box or footprint.",
    "The maxima.",
    &[
        "maximum_filter(input, size=3)",
        "maximum_filter(size=6, mode=\"wrap\", origin=1)",
        "maximum_filter(footprint=[[0, 1, 0], [1, 0, 1], [0, 1, 0], [0, 1, 0]], mode=\"mirror\", axes=\"yx\")",
        "maximum_filter(footprint=[[1], [0], [0], [1]], mode=\"constant\", cval=1, origin=[1, 0], axes=\"yx\")"
    ]
);
extremum!(1 MINIMUM_FILTER1D, "minimum_filter1d", Extremum::Minimum, "The smallest element of a window along one axis.",
    "The minima.", &["minimum_filter1d(input, 5, axis=0)", "minimum_filter1d(size=4, mode=\"mirror\", origin=1)"]);
extremum!(1 MAXIMUM_FILTER1D, "maximum_filter1d", Extremum::Maximum, "The largest element of a window along one axis.",
    "The maxima.", &["maximum_filter1d(input, 5, axis=0)", "maximum_filter1d(size=2, mode=\"nearest\")"]);
