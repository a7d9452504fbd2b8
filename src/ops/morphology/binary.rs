//! Binary morphology: erosion, dilation, and what is made of them.

use super::{Cells, Modes, Neighbourhood};
use crate::array::{ArraySpec, DType, Scalar};
use crate::error::Result;
use crate::graph::Array;
use crate::kernels::extrema::Extremum;
use crate::kernels::label::Structure;
use crate::ops::components::touched;
use crate::ops::structure::cross;
use crate::ops::window::MAX_WINDOW;
use crate::ops::{AXES, Arg, Args, INPUT, ORIGIN, OpDef, Param, Type, call};

/// More steps than this are not put one after the other.
const MAX_STEPS: i64 = 256;

/// Steps of a plane cross that are done as one diamond: the sweeps grow with them as those of separate steps would, but
/// margins are read once.
const DIAMOND: i64 = 64;

/// Whether it is the one that always goes on until nothing changes.
fn propagates(args: &Args) -> bool {
    args.name() == BINARY_PROPAGATION.name
}

/// A call, read.
struct Binary<'a> {
    args: &'a Args,
    input: Array,
    spec: ArraySpec,
    structure: Neighbourhood,
    iterations: i64,
    mask: Option<Array>,
    border: bool,
}

impl<'a> Binary<'a> {
    fn new(args: &'a Args) -> Result<Self> {
        let input = nonzero(args.array("input")?)?;
        let spec = args.spec("input")?.with_dtype(DType::Bool);
        let structure = structure(args, &spec, "structure", "origin")?;
        let iterations = if propagates(args) { -1 } else { args.integer("iterations", 1)? };
        let mask = if args.given("mask") { Some(args.array("mask")?) } else { None };
        if let Some(mask) = &mask
            && mask.shape() != Some(&spec.shape)
        {
            let got = mask.shape().map(|s| s.to_vec()).unwrap_or_default();
            return Err(args.error(format!("`mask` has shape {got:?}, the input {:?}", &spec.shape[..])));
        }
        let mask = mask.map(nonzero).transpose()?;
        Ok(Binary { args, input, spec, structure, iterations, mask, border: border(args)? })
    }

    fn eroded(&self, array: &Array) -> Result<Array> {
        self.repeated(Extremum::Minimum, &self.structure, array)
    }

    fn dilated(&self, array: &Array) -> Result<Array> {
        self.repeated(Extremum::Maximum, &self.structure.mirrored(), array)
    }

    fn repeated(&self, which: Extremum, structure: &Neighbourhood, array: &Array) -> Result<Array> {
        if structure.is_empty() {
            return self.masked(filled(array, which == Extremum::Minimum)?, array);
        }
        if self.iterations < 1 {
            return self.until_stable(which, structure, array);
        }
        let mut array = array.clone();
        for step in self.steps(which, structure)? {
            let next = self.once(which, &step, &array)?;
            array = self.masked(next, &array)?;
        }
        Ok(array)
    }

    /// One step, whatever the mask.
    fn once(&self, which: Extremum, structure: &Neighbourhood, array: &Array) -> Result<Array> {
        extremum(self.args, which, structure, array, &self.spec, self.border)
    }

    /// What a step gives where the mask lets it.
    fn masked(&self, next: Array, before: &Array) -> Result<Array> {
        match &self.mask {
            None => Ok(next),
            Some(mask) => call("where", vec![mask.into(), next.into(), before.into()], vec![]),
        }
    }

    /// The neighbourhoods that one after the other do all iterations: fewer and larger ones where that is the same.
    fn steps(&self, which: Extremum, structure: &Neighbourhood) -> Result<Vec<Neighbourhood>> {
        let n = self.iterations;
        if n > 1 && self.mask.is_none() {
            let trimmed = structure.trimmed();
            if matches!(trimmed.cells, Cells::All) {
                return self.one_box(&trimmed).map(|grown| vec![grown]);
            }
            if self.is_plane_cross(structure) {
                let whole = (0..n / DIAMOND).map(|_| DIAMOND);
                let sizes: Vec<i64> = whole.chain((n % DIAMOND > 0).then_some(n % DIAMOND)).collect();
                self.check_steps(sizes.len() as i64, which)?;
                return Ok(sizes.iter().map(|&size| self.diamond(structure, size as usize)).collect());
            }
        }
        self.check_steps(n, which)?;
        Ok(vec![structure.clone(); n as usize])
    }

    fn check_steps(&self, steps: i64, which: Extremum) -> Result<()> {
        if steps <= MAX_STEPS {
            return Ok(());
        }
        let word = if which == Extremum::Minimum { "erosions" } else { "dilations" };
        Err(self.args.error(format!(
            "`iterations` is {}, which takes {steps} {word} one after the other; at most {MAX_STEPS} are done, and boxes \
            take any number at once",
            self.iterations
        )))
    }

    /// A box as often: a larger one.
    fn one_box(&self, structure: &Neighbourhood) -> Result<Neighbourhood> {
        let n = self.iterations;
        let grown = |len: usize| n.checked_mul(len as i64 - 1).map(|more| more + 1).filter(|&len| len <= MAX_WINDOW);
        let extents: Option<Vec<usize>> = structure.extents.iter().map(|&len| Some(grown(len)? as usize)).collect();
        let Some(extents) = extents else {
            return Err(self
                .args
                .error(format!("`iterations` is {n}: that reaches further than {MAX_WINDOW} elements")));
        };
        let before = structure.before.iter().map(|b| b * n as usize).collect();
        Ok(Neighbourhood { extents, before, cells: Cells::All })
    }

    /// Whether it is the cross in two axes, about its element.
    fn is_plane_cross(&self, structure: &Neighbourhood) -> bool {
        let Cells::Some(cells) = &structure.cells else { return false };
        let three = structure.extents.iter().filter(|&&n| n == 3).count();
        let rest = structure.extents.iter().filter(|&&n| n == 1).count();
        let central = structure.extents.iter().zip(&structure.before).all(|(n, before)| *before == n / 2);
        three == 2
            && three + rest == structure.extents.len()
            && central
            && cells[..] == [false, true, false, true, true, true, false, true, false]
    }

    /// That cross as often.
    fn diamond(&self, structure: &Neighbourhood, n: usize) -> Neighbourhood {
        let side = 2 * n + 1;
        let cells = (0..side * side).map(|c| (c / side).abs_diff(n) + (c % side).abs_diff(n) <= n).collect();
        let of = |cross: usize, one: usize, three: usize| if cross == 3 { three } else { one };
        Neighbourhood {
            extents: structure.extents.iter().map(|&e| of(e, 1, side)).collect(),
            before: structure.extents.iter().map(|&e| of(e, 0, n)).collect(),
            cells: Cells::Some(cells),
        }
    }

    /// Until nothing changes.
    fn until_stable(&self, which: Extremum, structure: &Neighbourhood, array: &Array) -> Result<Array> {
        if structure.is_only_its_element() {
            return Ok(array.clone());
        }
        let erodes = which == Extremum::Minimum;
        if self.mask.is_none() && self.border != erodes {
            // What lies outside comes in step by step, until nothing else is left.
            return filled(array, self.border);
        }
        let everywhere = structure.holds(|_| 0) && (0..self.spec.rank()).all(|axis| structure.steps_both_ways(axis));
        if self.mask.is_none() && everywhere {
            // One element spreads over the whole image.
            let any = call(if erodes { "min" } else { "max" }, vec![array.into()], vec![])?;
            return call(if erodes { "bitwise_and" } else { "bitwise_or" }, vec![array.into(), any.into()], vec![]);
        }
        let neighbours = structure.neighbours().map_err(|why| {
            self.args.error(format!(
                "`iterations` below 1 (until nothing changes) takes a structure that is known by the neighbours of an \
                element; {why}; give a number of iterations"
            ))
        })?;
        let first = self.once(which, structure, array)?;
        if !erodes {
            return self.reached(array, &first, &neighbours);
        }
        // What erosion eats is what dilation adds to the rest.
        let not = |mask: &Array| call("bitwise_not", vec![mask.into()], vec![]);
        not(&self.reached(&not(array)?, &not(&first)?, &neighbours)?)
    }

    /// The array and what a dilation in the mask reaches from its first step: the components that this step touches.
    fn reached(&self, array: &Array, first: &Array, neighbours: &Structure) -> Result<Array> {
        let mask = match &self.mask {
            Some(mask) => mask.clone(),
            None => filled(array, true)?,
        };
        let components = touched(&mask, first, &self.spec, neighbours)?;
        call("bitwise_or", vec![array.into(), components.into()], vec![])
    }

    fn opened(&self) -> Result<Array> {
        self.dilated(&self.eroded(&self.input)?)
    }

    fn closed(&self) -> Result<Array> {
        self.eroded(&self.dilated(&self.input)?)
    }
}

impl Neighbourhood {
    /// Whether it holds the element at that distance from its own.
    fn holds(&self, at: impl Fn(usize) -> i64) -> bool {
        let mut cell = 0;
        for (axis, (&n, &before)) in self.extents.iter().zip(&self.before).enumerate() {
            let i = before as i64 + at(axis);
            if !(0..n as i64).contains(&i) {
                return false;
            }
            cell = cell * n + i as usize;
        }
        self.has(cell)
    }

    fn is_only_its_element(&self) -> bool {
        self.holds(|_| 0) && (0..self.len()).filter(|&cell| self.has(cell)).count() == 1
    }

    /// The neighbours as components are told by: no further than one step, each with its opposite, and the element itself
    /// (a pattern without it does not come to rest).
    fn neighbours(&self) -> std::result::Result<Structure, String> {
        let own = self.trimmed();
        let far = own.extents.iter().zip(&own.before).any(|(&n, &before)| before > 1 || n - before > 2);
        if far {
            return Err("this one reaches further than one step".into());
        }
        if !own.holds(|_| 0) {
            return Err("this one does not hold the element itself".into());
        }
        let rank = own.extents.len();
        let steps = |cell: usize, axis: usize| (cell / 3usize.pow((rank - 1 - axis) as u32) % 3) as i64 - 1;
        let cells: Vec<bool> = (0..3usize.pow(rank as u32)).map(|cell| own.holds(|axis| steps(cell, axis))).collect();
        Structure::from_bools(rank, &cells).map_err(|_| "this one is not symmetric about its element".into())
    }

    fn steps_both_ways(&self, along: usize) -> bool {
        [-1, 1].iter().all(|&step| self.holds(|axis| if axis == along { step } else { 0 }))
    }
}

/// The extremum of a mask, and the border outside.
fn extremum(
    args: &Args,
    which: Extremum,
    structure: &Neighbourhood,
    array: &Array,
    spec: &ArraySpec,
    border: bool,
) -> Result<Array> {
    if structure.is_empty() {
        return filled(array, which == Extremum::Minimum);
    }
    structure.extremum(args, which, array, spec, &Modes::constant(spec), Scalar::bool(border))
}

/// A mask of one value.
fn filled(array: &Array, value: bool) -> Result<Array> {
    call(if value { "bitwise_or" } else { "bitwise_and" }, vec![array.into(), value.into()], vec![])
}

/// The array as a mask.
fn nonzero(array: Array) -> Result<Array> {
    match array.dtype() {
        Some(DType::Bool) => Ok(array),
        _ => call("not_equal", vec![array.into(), 0.into()], vec![]),
    }
}

fn border(args: &Args) -> Result<bool> {
    match args.get("border_value") {
        Some(Arg::Bool(value)) => Ok(*value),
        _ => Ok(args.integer("border_value", 0)? != 0),
    }
}

/// The structure that a parameter gives: the cross where it gives none.
fn structure(args: &Args, spec: &ArraySpec, name: &str, origin: &str) -> Result<Neighbourhood> {
    let full = match args.get(name) {
        None | Some(Arg::None) => false,
        Some(Arg::Str(word)) if word == "cross" => false,
        Some(Arg::Str(word)) if word == "full" => true,
        Some(Arg::Str(word)) => {
            return Err(args.error(format!("`{name}` is \"cross\", \"full\" or a nested list, not {word:?}")));
        }
        Some(_) => return Neighbourhood::of_list(args, spec, name, origin),
    };
    let axes = args.filter_axes(spec)?;
    let mut extents = vec![1; spec.rank()];
    axes.iter().for_each(|&axis| extents[axis] = 3);
    let cells = match full {
        true => Cells::All,
        false => Cells::Some(cross(axes.len() as u32).1.iter().map(|&cell| cell == 1).collect()),
    };
    Neighbourhood::placed(args, spec, origin, extents, cells)
}

fn hit_or_miss(args: &Args) -> Result<Array> {
    let input = nonzero(args.array("input")?)?;
    let spec = args.spec("input")?.with_dtype(DType::Bool);
    let hit = structure(args, &spec, "structure1", "origin1")?;
    let origin2 = if args.given("origin2") { "origin2" } else { "origin1" };
    let miss = match args.given("structure2") {
        true => structure(args, &spec, "structure2", origin2)?,
        false => {
            let (extents, cells) = (hit.extents.clone(), (0..hit.len()).map(|cell| !hit.has(cell)).collect());
            Neighbourhood::placed(args, &spec, origin2, extents, Cells::Some(cells))?
        }
    };
    let inside = extremum(args, Extremum::Minimum, &hit, &input, &spec, false)?;
    let outside = extremum(args, Extremum::Maximum, &miss, &input, &spec, false)?;
    call("greater", vec![inside.into(), outside.into()], vec![])
}

macro_rules! common {
    () => {
        "Any array is taken as a mask of what is not zero (NaN is not); the result is bool. The element lies at index `n // 2 + \
        origin` of the structure; a dilation mirrors the structure, as in scipy. Outside the image lies `border_value`, at \
        every step: with 0 an erosion eats what touches the edge. Where `mask` is zero nothing changes, in no iteration.\n\n\
        `iterations` below 1 means until nothing changes. Where what lies outside does not fill the image, and one element \
        does not spread over all of it, that is a reconstruction: components of the mask are followed through the whole \
        image, as `label` does. The structure must then hold the element itself and be symmetric about it, of neighbours \
        at most one step away along each axis; scipy takes any (and does not end for some).\n\n\
        Iterations of boxes and plane crosses are done as one larger box or diamond; others one after the other, up to \
        256. Time grows with the radius, not the area, of the structure. Of arrays with named axes only the spatial axes \
        are filtered."
    };
}

const STRUCTURE: Param = Param {
    name: "structure",
    ty: Type::Any,
    default: Some("none"),
    doc: "A nested list (or disk(4), ball(2), …), \"cross\" (an element and its neighbours across faces, the default) or \
        \"full\" (3 along every axis).",
};
const ITERATIONS: Param = Param {
    name: "iterations",
    ty: Type::Integer,
    default: Some("1"),
    doc: "How often, each step; below 1 until nothing changes.",
};
const MASK: Param = Param {
    name: "mask",
    ty: Type::Any,
    default: Some("none"),
    doc: "An array of the input's shape: where it is zero nothing changes.",
};
const BORDER: Param =
    Param { name: "border_value", ty: Type::Any, default: Some("0"), doc: "What lies outside the image: 0 or 1." };
const ORIGINS: Param = Param { ty: Type::IntegerPerAxis, ..ORIGIN };

macro_rules! binary {
    ($id:ident, $name:literal, $params:expr, $build:expr, $summary:literal, $extra:literal, $examples:expr) => {
        #[doc = concat!("`", $name, "`")]
        pub static $id: OpDef = OpDef {
            name: $name,
            family: "morphology",
            summary: $summary,
            details: concat!($extra, "\n\n", common!()),
            reference: concat!("scipy.ndimage.", $name),
            params: &$params,
            returns: &[("mask", "bool")],
            examples: $examples,
            build: |args| {
                let build: fn(&Binary<'_>) -> Result<Array> = $build;
                build(&Binary::new(args)?)
            },
        };
    };
}

binary!(
    BINARY_EROSION,
    "binary_erosion",
    [INPUT, STRUCTURE, ITERATIONS, MASK, BORDER, ORIGINS, AXES],
    |binary| binary.eroded(&binary.input),
    "What still holds the structure around it.",
    "True where the input is true at every cell of the structure.",
    &[
        "binary_erosion(input > 60)",
        "binary_erosion(input > 20, structure=\"full\", border_value=1, iterations=3)",
        "binary_erosion(input, mask=input < 100, iterations=2)",
        "binary_erosion(input > 9, structure=[1, 0, 1, 1], origin=-1, iterations=2, axes=\"x\")",
        "binary_erosion(input > 9, iterations=4, border_value=1, axes=\"yx\")",
        "binary_erosion(input, iterations=0, border_value=1, mask=none)",
        "binary_erosion(input > 70, structure=\"full\", iterations=-1, mask=input < 150)"
    ]
);
binary!(
    BINARY_DILATION,
    "binary_dilation",
    [INPUT, STRUCTURE, ITERATIONS, MASK, BORDER, ORIGINS, AXES],
    |binary| binary.dilated(&binary.input),
    "What the mirrored structure around any true element covers.",
    "True where the input is true at any cell of the mirrored structure.",
    &[
        "binary_dilation(input > 100)",
        "binary_dilation(input > 100, iterations=7, axes=\"yx\")",
        "binary_dilation(input > 100, structure=disk(4), border_value=1, axes=\"yx\")",
        "binary_dilation(input > 100, mask=input > 50, iterations=3)",
        "binary_dilation(input > 90, structure=[[1, 0], [1, 1], [0, 1], [0, 0]], origin=[1, -1], axes=\"yx\")",
        "binary_dilation(input > 100, iterations=0, border_value=1)",
        "binary_dilation(input > 110, structure=[1, 1, 1], iterations=-1, axes=\"x\")"
    ]
);
binary!(
    BINARY_PROPAGATION,
    "binary_propagation",
    [INPUT, STRUCTURE, MASK, BORDER, ORIGINS, AXES],
    |binary| binary.dilated(&binary.input),
    "What a dilation within the mask reaches in the end.",
    "binary_dilation with `iterations=-1`: the input, and of every component of the mask that it touches (or that touches \
    the edge, with `border_value=1`) all of it. Pixels of the input outside the mask stay, and spread to their neighbours \
    in it. Without a mask one element spreads over the whole image.",
    &[
        "binary_propagation(input > 110, mask=input > 80)",
        "binary_propagation(input > 110, structure=\"full\", mask=input < 100, border_value=1, axes=\"yx\")"
    ]
);
binary!(
    BINARY_OPENING,
    "binary_opening",
    [INPUT, STRUCTURE, ITERATIONS, ORIGINS, MASK, BORDER, AXES],
    |binary| binary.opened(),
    "Erosion, then dilation: takes away what cannot hold the structure.",
    "`iterations` erosions, then as many dilations.",
    &[
        "binary_opening(input > 60)",
        "binary_opening(input > 60, structure=[1, 1, 0, 1], iterations=2, origin=1, axes=\"x\")",
        "binary_opening(input > 60, structure=disk(2), border_value=1, axes=\"yx\")"
    ]
);
binary!(
    BINARY_CLOSING,
    "binary_closing",
    [INPUT, STRUCTURE, ITERATIONS, ORIGINS, MASK, BORDER, AXES],
    |binary| binary.closed(),
    "Dilation, then erosion: fills gaps that cannot hold the structure.",
    "`iterations` dilations, then as many erosions. With `border_value=0` the erosion eats what the dilation brought to the \
    edge, as in scipy.",
    &[
        "binary_closing(input > 90)",
        "binary_closing(input > 90, structure=\"full\", iterations=2, mask=input > 40)",
        "binary_closing(input > 90, iterations=3, axes=\"yx\")"
    ]
);

/// `binary_hit_or_miss`
pub static BINARY_HIT_OR_MISS: OpDef = OpDef {
    name: "binary_hit_or_miss",
    family: "morphology",
    summary: "Where a pattern of true and false elements lies.",
    details: "True where the input is true at every cell of `structure1` and false at every cell of `structure2`; outside the \
        image all is false. Any array is taken as a mask of what is not zero (NaN is not); the result is bool. \
        `structure2` is what `structure1` leaves of its box unless it is given, `origin2` is `origin1`. The element \
        lies at index `n // 2 + origin` of each structure. Of arrays with named axes only the spatial axes are filtered.",
    reference: "scipy.ndimage.binary_hit_or_miss",
    params: &[
        INPUT,
        Param { name: "structure1", doc: "What must be true: as `structure` of binary_erosion.", ..STRUCTURE },
        Param {
            name: "structure2",
            doc: "What must be false: likewise; by default all of structure1's box that is not in it.",
            ..STRUCTURE
        },
        Param { name: "origin1", ..ORIGINS },
        Param { name: "origin2", default: Some("none"), doc: "As origin1, of structure2.", ..ORIGINS },
        AXES,
    ],
    returns: &[("mask", "bool")],
    examples: &[
        "binary_hit_or_miss(input > 90)",
        "binary_hit_or_miss(input > 60, [1, 1, 0], axes=\"x\")",
        "binary_hit_or_miss(input > 60, [[1, 1], [0, 1]], [[1]], origin1=-1, origin2=0, axes=\"yx\")",
    ],
    build: hit_or_miss,
};
