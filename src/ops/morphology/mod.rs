//! Morphology: neighbourhoods of any shape, the extremum over one, and the filters made of it.

pub mod binary;
mod combine;
pub mod grey;

use super::Args;
use super::extrema::Extreme1d;
use super::window::{Window, check_origin, scratch_bytes, scratch_of, window_len};
use crate::array::{ArraySpec, DType, Element, MAX_RANK, Mode, Region, Scalar, View, ViewMut, merge_axes, with_dtype};
use crate::error::{Error, Result};
use crate::graph::{Array, Cx, Need, TileOp};
use crate::kernels::extrema::{Extremum, Ordered};
use crate::kernels::morphology::{Block, Chords, Height, Outer, chords, points};
use arrayvec::ArrayVec;

/// Which elements around one count, along every axis of the array, and how high they stand.
#[derive(Clone, Debug)]
pub(crate) struct Neighbourhood {
    /// Its extents.
    extents: Vec<usize>,
    /// How many elements before its own one it begins.
    before: Vec<usize>,
    cells: Cells,
}

#[derive(Clone, Debug)]
enum Cells {
    /// The whole box.
    All,
    /// Those of the box that are true, in C order.
    Some(Vec<bool>),
    /// Those of the box that have a height.
    Heights(Vec<Option<f64>>),
}

impl Neighbourhood {
    /// A box with those edges, one per axis of the array.
    ///
    /// # Errors
    /// When an edge or an origin is out of range.
    pub fn of_size(args: &Args, spec: &ArraySpec) -> Result<Self> {
        let sizes = args.integer_per_axis("size", spec, 1, 1)?;
        let extents: Vec<usize> = sizes.iter().map(|&n| window_len(args, "size", n)).collect::<Result<_>>()?;
        Neighbourhood::placed(args, spec, "origin", extents, Cells::All)
    }

    /// The cells that a nested list gives for the axes that the op acts on.
    ///
    /// # Errors
    /// When its rank is another one or an origin moves it off its element.
    pub fn of_list(args: &Args, spec: &ArraySpec, name: &str, origin: &str) -> Result<Self> {
        let (shape, values) = args.nested(name)?;
        let extents = embedded(args, spec, name, &shape)?;
        let cells = values.iter().map(|&v| v != 0.0).collect();
        Neighbourhood::placed(args, spec, origin, extents, Cells::Some(cells))
    }

    fn placed(args: &Args, spec: &ArraySpec, origin: &str, extents: Vec<usize>, cells: Cells) -> Result<Self> {
        let origins = args.integer_per_axis(origin, spec, 0, 0)?;
        let mut before = vec![0; extents.len()];
        for (axis, &n) in extents.iter().enumerate().filter(|e| *e.1 > 1) {
            check_origin(args, n, origins[axis])?;
            before[axis] = (n as i64 / 2 + origins[axis]) as usize;
        }
        Ok(Neighbourhood { extents, before, cells })
    }

    /// The same point for point on the other side of its element.
    pub fn mirrored(&self) -> Self {
        let mut turned = self.clone();
        for (before, &n) in turned.before.iter_mut().zip(&self.extents) {
            *before = n - 1 - *before;
        }
        match &mut turned.cells {
            Cells::All => {}
            Cells::Some(cells) => cells.reverse(),
            Cells::Heights(heights) => heights.reverse(),
        }
        turned
    }

    fn len(&self) -> usize {
        self.extents.iter().product()
    }

    fn has(&self, cell: usize) -> bool {
        match &self.cells {
            Cells::All => true,
            Cells::Some(cells) => cells[cell],
            Cells::Heights(heights) => heights[cell].is_some(),
        }
    }

    /// All of its box.
    fn filled(self) -> Self {
        Neighbourhood { cells: Cells::All, ..self }
    }

    /// The same with heights, one per cell of its box.
    fn with_heights(&self, heights: &[f64]) -> Self {
        let cells = (0..self.len()).map(|cell| self.has(cell).then(|| heights[cell])).collect();
        Neighbourhood { cells: Cells::Heights(cells), ..self.clone() }
    }

    /// Whether it has no cell.
    pub fn is_empty(&self) -> bool {
        !matches!(self.cells, Cells::All) && (0..self.len()).all(|cell| !self.has(cell))
    }

    /// The coordinates of a cell.
    fn index(&self, mut cell: usize) -> ArrayVec<usize, MAX_RANK> {
        let mut index: ArrayVec<usize, MAX_RANK> = self.extents.iter().map(|_| 0).collect();
        for (i, &n) in index.iter_mut().zip(&self.extents).rev() {
            *i = cell % n;
            cell /= n;
        }
        index
    }

    /// The same cells in the smallest box that holds them and its own element.
    fn trimmed(&self) -> Self {
        if matches!(self.cells, Cells::All) {
            return self.clone();
        }
        let (mut low, mut high) = (self.before.clone(), self.before.clone());
        for cell in (0..self.len()).filter(|&c| self.has(c)) {
            for (axis, &i) in self.index(cell).iter().enumerate() {
                low[axis] = low[axis].min(i);
                high[axis] = high[axis].max(i);
            }
        }
        let inside =
            |cell: &usize| self.index(*cell).iter().enumerate().all(|(axis, i)| (low[axis]..=high[axis]).contains(i));
        let kept = (0..self.len()).filter(inside);
        let cells = match &self.cells {
            Cells::All => Cells::All,
            Cells::Some(cells) => match kept.map(|c| cells[c]).collect::<Vec<bool>>() {
                all if all.iter().all(|&c| c) => Cells::All,
                some => Cells::Some(some),
            },
            Cells::Heights(heights) => Cells::Heights(kept.map(|c| heights[c]).collect()),
        };
        let extents = low.iter().zip(&high).map(|(lo, hi)| hi - lo + 1).collect();
        let before = self.before.iter().zip(&low).map(|(b, lo)| b - lo).collect();
        Neighbourhood { extents, before, cells }
    }

    /// The extremum over it; `modes` has one per axis.
    ///
    /// # Errors
    /// When the modes differ and it is no box.
    pub fn extremum(
        &self,
        args: &Args,
        which: Extremum,
        array: &Array,
        spec: &ArraySpec,
        modes: &Modes,
        cval: Scalar,
    ) -> Result<Array> {
        let own = self.trimmed();
        let Some(axis) = own.extents.iter().rposition(|&n| n > 1).or(spec.rank().checked_sub(1)) else {
            return Ok(array.clone());
        };
        let way = match &own.cells {
            Cells::All => return Ok(own.boxed(which, array, spec, modes, cval)),
            Cells::Some(cells) => own.flat(cells, axis, spec),
            Cells::Heights(heights) => {
                let set = (0..heights.len()).filter_map(|c| heights[c].map(|h| (own.index(c), h)));
                let (points, mut heights): (_, Vec<f64>) = set.unzip();
                if spec.dtype == DType::F32 {
                    // scipy rounds all heights but the first to the type of the array.
                    heights.iter_mut().skip(1).for_each(|h| *h = f64::from(*h as f32));
                }
                Way::Points { points, heights }
            }
        };
        let Some(mode) = modes.one else {
            return Err(args.error("`mode` can differ from axis to axis only for a box; give one mode"));
        };
        let op = Extreme { which, extents: own.extents, before: own.before, mode, cval, axis, way };
        Ok(Array::tile(op, vec![array.clone()], spec.clone()))
    }

    fn boxed(&self, which: Extremum, array: &Array, spec: &ArraySpec, modes: &Modes, cval: Scalar) -> Array {
        let mut array = array.clone();
        for (axis, (&len, &before)) in self.extents.iter().zip(&self.before).enumerate() {
            if len > 1 {
                let window = Window { axis, before: before as u64, len: len as u64, mode: modes.of[axis], cval };
                array = Array::tile(Extreme1d { window, which }, vec![array], spec.clone());
            }
        }
        array
    }

    /// Chords or points, whichever takes fewer vector operations: by dtype and neighbourhood alone.
    fn flat(&self, cells: &[bool], axis: usize, spec: &ArraySpec) -> Way {
        let chords = Chords::new(&self.extents[..=axis], cells);
        let points: Vec<_> = (0..cells.len()).filter(|&c| cells[c]).map(|c| self.index(c)).collect();
        // As measured: a point costs a load; of floats a key besides, which chords make once per element.
        let (point, once) = match (spec.dtype.is_float(), spec.dtype.size()) {
            (true, _) => (4.0, 6.0),
            (_, 1) => (0.55, 3.0),
            _ => (1.0, 2.0),
        };
        match points.len() as f64 * point < chords.sweeps() as f64 + once {
            true => Way::Points { points, heights: Vec::new() },
            false => Way::Chords(chords),
        }
    }
}

/// A list's shape along every axis of the array: one where the op does not act.
fn embedded(args: &Args, spec: &ArraySpec, name: &str, shape: &[usize]) -> Result<Vec<usize>> {
    let mut axes = args.filter_axes(spec)?;
    axes.sort_unstable();
    if shape.len() != axes.len() {
        let (got, wanted) = (shape.len(), axes.len());
        return Err(args.error(format!("`{name}` has {got} axes, the array is filtered along {wanted}")));
    }
    let mut extents = vec![1; spec.rank()];
    for (&axis, &n) in axes.iter().zip(shape) {
        extents[axis] = window_len(args, name, n as i64)?;
    }
    Ok(extents)
}

/// A boundary mode for every axis.
#[derive(Clone, Debug)]
pub(crate) struct Modes {
    of: Vec<Mode>,
    /// That of all axes the op acts on, if it is one.
    one: Option<Mode>,
}

impl Modes {
    /// What `mode=` says.
    ///
    /// # Errors
    /// When it is no mode, or a list of another length.
    pub fn new(args: &Args, spec: &ArraySpec) -> Result<Self> {
        let of = args.mode_per_axis("mode", spec)?;
        let mut acted = args.filter_axes(spec)?.into_iter().map(|axis| of[axis]);
        let first = acted.next().unwrap_or(Mode::Reflect);
        let one = acted.all(|mode| mode == first).then_some(first);
        Ok(Modes { of, one })
    }

    /// A constant outside.
    fn constant(spec: &ArraySpec) -> Self {
        Modes { of: vec![Mode::Constant; spec.rank()], one: Some(Mode::Constant) }
    }
}

/// How the extremum is found.
#[derive(Debug)]
enum Way {
    Chords(Chords),
    Points { points: Vec<ArrayVec<usize, MAX_RANK>>, heights: Vec<f64> },
}

/// The extremum over a neighbourhood.
#[derive(Debug)]
struct Extreme {
    which: Extremum,
    extents: Vec<usize>,
    before: Vec<usize>,
    mode: Mode,
    cval: Scalar,
    /// The axis of the chords: the last along which the neighbourhood extends.
    axis: usize,
    way: Way,
}

impl TileOp for Extreme {
    fn name(&self) -> &'static str {
        match self.which {
            Extremum::Minimum => "minimum_filter",
            Extremum::Maximum => "maximum_filter",
        }
    }

    fn need(&self, _input: usize, out: &Region, _inputs: &[ArraySpec]) -> Need {
        let mut need = Need::inside(out);
        for (axis, (&extent, &before)) in self.extents.iter().zip(&self.before).enumerate() {
            need.start[axis] -= before as i64;
            need.shape[axis] += extent as u64 - 1;
        }
        need.outside = Some((self.mode, self.cval));
        need
    }

    fn scratch(&self, out: &[u64], inputs: &[ArraySpec]) -> u64 {
        match &self.way {
            Way::Points { points, .. } => scratch_bytes::<usize>(points.len()),
            Way::Chords(chords) => {
                let inner: u64 = out[self.axis + 1..].iter().product();
                let keys = chords.scratch(out[self.axis] as usize, inner as usize);
                with_dtype!(inputs[0].dtype, T => scratch_bytes::<T>(keys))
            }
        }
    }

    fn run(&self, _cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, scratch: &mut [u8]) -> Result<()> {
        let block = self.block(&inputs[0], out)?;
        with_dtype!(inputs[0].dtype(), T => self.run_as::<T>(&block, &inputs[0], out, scratch));
        Ok(())
    }

    fn cost(&self) -> f64 {
        // As measured for elements of 2 bytes.
        match &self.way {
            Way::Points { points, .. } => 0.05 + 0.02 * points.len() as f64,
            Way::Chords(chords) => 0.1 + 0.03 * chords.sweeps() as f64,
        }
    }
}

impl Extreme {
    /// The output as rows along the axis of the chords.
    fn block(&self, src: &View<'_>, out: &ViewMut<'_>) -> Result<Block> {
        let axis = self.axis;
        let (after, [from, to]) =
            merge_axes(&out.shape()[axis + 1..], [&src.strides()[axis + 1..], &out.strides()[axis + 1..]]);
        let last = after.len() - 1;
        let contiguous = after[last] == 1 || (from[last] == 1 && to[last] == 1);
        let (inner, stepped) = if contiguous { (after[last], last) } else { (1, last + 1) };
        let mut outer = ArrayVec::new();
        let before = (0..axis).map(|a| Outer { n: out.shape()[a], src: src.strides()[a], dst: out.strides()[a] });
        let between = (0..stepped).map(|a| Outer { n: after[a], src: from[a], dst: to[a] });
        for axis in before.chain(between) {
            outer.try_push(axis).map_err(|_| Error::Internal("more axes than an array has".into()))?;
        }
        Ok(Block {
            outer,
            n: out.shape()[axis],
            inner,
            src_stride: src.strides()[axis].max(inner),
            dst_stride: out.strides()[axis].max(inner),
        })
    }

    fn run_as<T>(&self, block: &Block, src: &View<'_>, out: &mut ViewMut<'_>, scratch: &mut [u8])
    where
        T: Element + Ordered<Key: bytemuck::Pod> + Height,
    {
        let (from, to) = (src.typed::<T>(), out.typed_mut::<T>());
        match &self.way {
            Way::Chords(cut) => chords(self.which, cut, from, to, block, scratch_of(scratch)),
            Way::Points { points: set, heights } => {
                let offsets = &mut scratch_of::<usize>(scratch)[..set.len()];
                for (offset, point) in offsets.iter_mut().zip(set) {
                    *offset = point.iter().zip(src.strides()).map(|(i, s)| i * s).sum();
                }
                points(self.which, offsets, heights, from, to, block);
            }
        }
    }
}
