//! Median, percentile and rank filters.

use super::extrema::filter_box;
use super::window::{check_origin, window_len};
use super::{AXES, Args, CVAL, INPUT, MODES, ORIGIN, OpDef, Param, Type};
use crate::array::{ArraySpec, Element, Mode, Region, Scalar, View, ViewMut, with_dtype};
use crate::error::Result;
use crate::graph::{Array, Cx, Need, TileOp};
use crate::kernels::extrema::{Extremum, Ordered};
use crate::kernels::rank::{Block, Footprint, RankFilter};

/// A rank filter with a window over any axes.
#[derive(Debug)]
struct Rank {
    name: &'static str,
    filter: RankFilter,
    /// Per axis, how many elements before its output element the window begins.
    before: Vec<i64>,
    /// Per axis, its length.
    len: Vec<u64>,
    mode: Mode,
    cval: Scalar,
    cost: f64,
}

impl TileOp for Rank {
    fn name(&self) -> &'static str {
        self.name
    }

    fn need(&self, _input: usize, out: &Region, _inputs: &[ArraySpec]) -> Need {
        let mut need = Need::inside(out);
        for axis in 0..out.rank() {
            need.start[axis] -= self.before[axis];
            need.shape[axis] += self.len[axis] - 1;
        }
        need.outside = Some((self.mode, self.cval));
        need
    }

    fn scratch(&self, out: &[u64], inputs: &[ArraySpec]) -> u64 {
        let out: Vec<usize> = out.iter().map(|&n| n as usize).collect();
        with_dtype!(inputs[0].dtype, T => self.filter.scratch::<T>(&out) as u64)
    }

    fn run(&self, _cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, scratch: &mut [u8]) -> Result<()> {
        with_dtype!(inputs[0].dtype(), T => self.run_as::<T>(&inputs[0], out, scratch));
        Ok(())
    }

    fn cost(&self) -> f64 {
        self.cost
    }
}

impl Rank {
    fn run_as<T: Element + Ordered<Key: bytemuck::Pod>>(
        &self,
        src: &View<'_>,
        out: &mut ViewMut<'_>,
        scratch: &mut [u8],
    ) {
        let (shape, to): (Vec<usize>, Vec<usize>) = (out.shape().to_vec(), out.strides().to_vec());
        let block = Block { shape: &shape, src: src.strides(), dst: &to };
        self.filter.run(src.typed::<T>(), out.typed_mut::<T>(), block, scratch);
    }
}

/// A window as it was asked for: every axis of the array has an extent and an origin.
struct Window {
    shape: Vec<usize>,
    members: Vec<bool>,
    origins: Vec<i64>,
}

/// The most elements that a window may span.
const MAX_SPAN: usize = 1 << 22;
/// The most elements that a window may hold: they are listed.
const MAX_ELEMENTS: usize = 1 << 16;

impl Window {
    fn new(args: &Args, spec: &ArraySpec) -> Result<Self> {
        let origins = args.integer_per_axis("origin", spec, 0, 0)?;
        let (shape, members) = if args.given("footprint") { footprint(args, spec)? } else { full(args, spec)? };
        for (&len, &origin) in shape.iter().zip(&origins) {
            check_origin(args, len, origin)?;
        }
        Ok(Window { shape, members, origins })
    }

    fn elements(&self) -> usize {
        self.members.iter().filter(|&&m| m).count()
    }

    fn is_box(&self) -> bool {
        self.members.iter().all(|&m| m)
    }

    /// The part that holds elements, and how far before the output element it begins along each axis.
    fn trimmed(&self) -> (Footprint, Vec<i64>, Vec<u64>) {
        let rank = self.shape.len();
        let (mut low, mut high) = (self.shape.clone(), vec![0; rank]);
        let at = |index: usize| {
            let mut rest = index;
            let mut at = self.shape.clone();
            for (i, &n) in at.iter_mut().zip(&self.shape).rev() {
                *i = rest % n;
                rest /= n;
            }
            at
        };
        let inside: Vec<Vec<usize>> = (0..self.members.len()).filter(|&i| self.members[i]).map(at).collect();
        for tap in &inside {
            for axis in 0..rank {
                low[axis] = low[axis].min(tap[axis]);
                high[axis] = high[axis].max(tap[axis] + 1);
            }
        }
        let shape: Vec<usize> = low.iter().zip(&high).map(|(l, h)| h - l).collect();
        let mut members = vec![false; shape.iter().product()];
        for tap in &inside {
            let index = (0..rank).fold(0, |index, axis| index * shape[axis] + tap[axis] - low[axis]);
            members[index] = true;
        }
        let before = (0..rank).map(|a| self.shape[a] as i64 / 2 + self.origins[a] - low[a] as i64).collect();
        let len = shape.iter().map(|&n| n as u64).collect();
        (Footprint::new(&shape, &members), before, len)
    }
}

/// A box of `size`.
fn full(args: &Args, spec: &ArraySpec) -> Result<(Vec<usize>, Vec<bool>)> {
    if !args.given("size") {
        return Err(args.error("needs `size`, the edge lengths of the box, or `footprint`"));
    }
    let sizes = args.integer_per_axis("size", spec, 1, 1)?;
    let shape = sizes.iter().map(|&n| window_len(args, "size", n)).collect::<Result<Vec<usize>>>()?;
    let elements = check_elements(args, &shape)?;
    Ok((shape, vec![true; elements]))
}

/// The footprint over the axes that are filtered; its extent along the others is 1.
fn footprint(args: &Args, spec: &ArraySpec) -> Result<(Vec<usize>, Vec<bool>)> {
    let axes = args.filter_axes(spec)?;
    let (extents, values) = args.nested("footprint")?;
    if extents.len() != axes.len() {
        let (got, n) = (extents.len(), axes.len());
        return Err(args.error(format!("`footprint` has {got} axes, {n} are filtered ({:?})", spec.letters())));
    }
    if !values.iter().any(|&v| v != 0.0) {
        return Err(args.error("`footprint` has no element that is not 0"));
    }
    let mut shape = vec![1; spec.rank()];
    axes.iter().zip(&extents).for_each(|(&axis, &n)| shape[axis] = n);
    let elements = check_elements(args, &shape)?;
    // The axes of the footprint lie as `axes` names them, those of the array in its own order.
    let mut members = vec![false; elements];
    for (index, _) in values.iter().enumerate().filter(|v| *v.1 != 0.0) {
        let (mut rest, mut at) = (index, vec![0; spec.rank()]);
        for (&axis, &n) in axes.iter().zip(&extents).rev() {
            at[axis] = rest % n;
            rest /= n;
        }
        members[at.iter().zip(&shape).fold(0, |index, (i, n)| index * n + i)] = true;
    }
    Ok((shape, members))
}

fn check_elements(args: &Args, shape: &[usize]) -> Result<usize> {
    let elements = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    match elements.filter(|&n| n <= MAX_SPAN) {
        Some(n) => Ok(n),
        None => Err(args.error(format!("the window {shape:?} spans more than {MAX_SPAN} elements"))),
    }
}

/// Adds the filter that takes the element `rank_of(n)` of windows of `n` elements.
fn filter(args: &Args, rank_of: impl FnOnce(usize) -> Result<usize>) -> Result<Array> {
    let (array, spec) = (args.array("input")?, args.spec("input")?);
    let window = Window::new(args, &spec)?;
    let elements = window.elements();
    let rank = rank_of(elements)?;
    let cval = args.scalar_of("cval", 0.0, spec.dtype)?;
    let modes = args.mode_per_axis("mode", &spec)?;
    let extreme = match rank {
        _ if elements == 1 => None,
        0 => Some(Extremum::Minimum),
        _ if rank == elements - 1 => Some(Extremum::Maximum),
        _ => None,
    };
    if let (Some(which), true) = (extreme, window.is_box()) {
        let windows = (0..spec.rank()).map(|a| (a, window.shape[a], modes[a], window.origins[a]));
        return filter_box(args, array, which, windows.filter(|w| w.1 > 1));
    }
    if elements > MAX_ELEMENTS {
        return Err(args.error(format!("the window holds {elements} elements, it may hold {MAX_ELEMENTS}")));
    }
    let (footprint, before, len) = window.trimmed();
    let mut wide = (0..spec.rank()).filter(|&a| len[a] > 1 || before[a] != 0).map(|a| modes[a]);
    let mode = wide.next().unwrap_or(Mode::Reflect);
    if wide.any(|other| other != mode) {
        return Err(args.error("`mode` must be the same for all axes, unless a box gives its minimum or maximum"));
    }
    let shape: Vec<usize> = spec.shape.iter().map(|&n| usize::try_from(n).unwrap_or(usize::MAX)).collect();
    let size = spec.dtype.size();
    let filter = RankFilter::new(footprint, rank, extreme != Some(Extremum::Minimum), size, &shape);
    let cost = filter.cost(size);
    let op = Rank { name: args.name(), filter, before, len, mode, cval, cost };
    Ok(Array::tile(op, vec![array], spec))
}

fn median_filter(args: &Args) -> Result<Array> {
    filter(args, |n| Ok(n / 2))
}

fn percentile_filter(args: &Args) -> Result<Array> {
    let given = args.number("percentile", 50.0)?;
    let percentile = if given < 0.0 { given + 100.0 } else { given };
    if !(0.0..=100.0).contains(&percentile) {
        return Err(args.error(format!("`percentile` is {given}, it lies in -100..=100")));
    }
    filter(args, |n| {
        // scipy multiplies before it divides, and cuts off.
        let rank = if percentile == 100.0 { n - 1 } else { (n as f64 * percentile / 100.0) as usize };
        Ok(rank.min(n - 1))
    })
}

fn rank_filter(args: &Args) -> Result<Array> {
    let rank = args.integer("rank", 0)?;
    filter(args, |n| {
        let count = n as i64;
        let index = if rank < 0 { rank.saturating_add(count) } else { rank };
        if (0..count).contains(&index) {
            return Ok(index as usize);
        }
        Err(args.error(format!("`rank` is {rank}, for {n} elements it lies in -{n}..={}", n - 1)))
    })
}

const SIZE: Param = Param {
    name: "size",
    ty: Type::IntegerPerAxis,
    default: Some("none"),
    doc: "The edge lengths of the box, for all axes or one per axis; at least 1.",
};
const FOOTPRINT: Param = Param {
    name: "footprint",
    ty: Type::Weights,
    default: Some("none"),
    doc: "What belongs to the window: a nested list of 0 and 1, a level per filtered axis, or disk(3) …; goes before size.",
};
const ORIGINS: Param = Param { ty: Type::IntegerPerAxis, ..ORIGIN };

const ONE_MODE: Param = Param {
    doc: "How the image goes on outside, along all axes: reflect, mirror, nearest, constant or wrap.",
    ..MODES
};

/// What holds for all of them, after what holds for one.
macro_rules! details {
    ($own:literal) => {
        concat!(
            $own,
            "The window is the box `size` or the elements of `footprint` that are not 0; one of the two is \
            needed. Its middle is the element `n // 2` of an axis of `n`, moved by `origin`. Windows reach over \
            the edge as `mode` \
            says, one mode for all axes (also in scipy, which in 1.17 errs where the window reaches several lengths of the \
            image beyond its edge).\n\n\
            Keeps the element type, and every result is an element of the window (or `cval`, which must be a \
            value of that type), \
            exact for 64-bit integers too, which scipy passes through float64. Floats have a total order: -0 \
            lies below 0, and NaN \
            above every number, as NumPy sorts them; a window gives NaN when NaN has the rank that is asked \
            for. Rank 0 and the last \
            rank are minimum_filter and maximum_filter, as in scipy, and these give NaN for every window with a \
            NaN. (scipy leaves \
            NaN open.) In one dimension scipy takes a footprint with holes as one without; here the holes count.\n\n\
            Of arrays with named axes only the spatial axes are filtered. Small windows run through sorting \
            networks, whose merged \
            columns neighbouring pixels share; large ones slide a histogram, or a set of the ranks within the \
            block, along rows \
            (Huang, Yang and Tang 1979). A window holds at most 65536 elements."
        )
    };
}

macro_rules! rank_op {
    (
        $id:ident, $name:literal, $build:ident, $summary:literal, $details:literal,
        [$($param:expr)?], $returns:literal, $examples:expr
    ) => {
        #[doc = concat!("`", $name, "`")]
        pub static $id: OpDef = OpDef {
            name: $name,
            family: "rank",
            summary: $summary,
            details: details!($details),
            reference: concat!("scipy.ndimage.", $name),
            params: &[INPUT, $($param,)? SIZE, FOOTPRINT, ONE_MODE, CVAL, ORIGINS, AXES],
            returns: &[("filtered", $returns)],
            examples: $examples,
            build: $build,
        };
    };
}

rank_op!(
    MEDIAN_FILTER,
    "median_filter",
    median_filter,
    "The median of a window.",
    "The element `n // 2` of the `n` elements of the window in ascending order: for even `n` the upper one of \
        the two in the \
     middle, not their mean. ",
    [],
    "The medians.",
    &[
        "median_filter(input, size=3)",
        "median_filter(size=5, mode=\"mirror\")",
        "median_filter(size=4, mode=\"constant\", cval=1, origin=-2)",
        "median_filter(size=17, axes=-1, mode=\"wrap\")",
        "median_filter(size=200, axes=0, mode=\"nearest\", origin=7)"
    ]
);
rank_op!(
    PERCENTILE_FILTER,
    "percentile_filter",
    percentile_filter,
    "A percentile of a window.",
    "The element `int(n * percentile / 100)` of the `n` elements of the window in ascending order, and the last \
        for 100. A \
     negative percentile counts from 100: -20 is 80. ",
    [Param {
        name: "percentile",
        ty: Type::Number,
        default: None,
        doc: "The percentile, from -100 to 100; negative ones count from 100.",
    }],
    "The percentiles.",
    &[
        "percentile_filter(input, 20, size=3)",
        "percentile_filter(-20, size=4, mode=\"wrap\", origin=1)",
        "percentile_filter(100, size=3)"
    ]
);
rank_op!(
    RANK_FILTER,
    "rank_filter",
    rank_filter,
    "The element of a given rank in a window.",
    "The element `rank` of the elements of the window in ascending order; a negative rank counts from the end: \
        -1 is the \
     largest. ",
    [Param {
        name: "rank",
        ty: Type::Integer,
        default: None,
        doc: "The rank, from 0; negative ones count from the end.",
    }],
    "The elements of that rank.",
    &[
        "rank_filter(input, -2, size=3)",
        "rank_filter(0, size=3)",
        "rank_filter(1, size=2, mode=\"nearest\")",
        "rank_filter(5, size=31, axes=0, mode=\"reflect\", origin=-15)"
    ]
);
