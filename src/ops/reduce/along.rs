//! Which axes are reduced, and where the elements of a box go.

use crate::array::{ArraySpec, Axis, Dims, Element, MAX_RANK, Region, View, elements, for_each_row, merge_axes};
use crate::error::Result;
use crate::graph::Need;
use crate::ops::Args;
use arrayvec::ArrayVec;

/// The axes that go and those that stay.
#[derive(Clone, Debug)]
pub(crate) struct Along {
    /// The shape of the input.
    pub shape: Dims,
    /// Per axis of the input: whether it is reduced.
    pub reduced: ArrayVec<bool, MAX_RANK>,
    /// Whether reduced axes stay, with length one.
    pub keepdims: bool,
}

impl Along {
    /// What `axis=` and `keepdims=` say; without `axis` all axes go.
    ///
    /// # Errors
    /// When the array has no such axis.
    pub fn read(args: &Args, spec: &ArraySpec) -> Result<Self> {
        let axes: Vec<usize> = match args.given("axis") {
            true => args.axes("axis", spec)?,
            false => (0..spec.rank()).collect(),
        };
        if axes.is_empty() && spec.rank() > 0 {
            return Err(args.error("`axis` names no axis; leave it out to reduce all of them"));
        }
        let keepdims = args.has("keepdims") && args.bool("keepdims", false)?;
        Ok(Along::new(spec, &axes, keepdims))
    }

    /// Of an array, those axes.
    pub fn new(spec: &ArraySpec, axes: &[usize], keepdims: bool) -> Self {
        let reduced = (0..spec.rank()).map(|a| axes.contains(&a)).collect();
        Along { shape: spec.shape.clone(), reduced, keepdims }
    }

    /// What is left of the array.
    pub fn output(&self, input: &ArraySpec) -> ArraySpec {
        if self.keepdims {
            let mut out = input.clone();
            for (axis, _) in self.reduced.iter().enumerate().filter(|&(_, &gone)| gone) {
                out.shape[axis] = 1;
                out.axes[axis] = Axis::new(input.axes[axis].name);
            }
            return out;
        }
        let kept = || (0..input.rank()).filter(|&a| !self.reduced[a]);
        let shape: Dims = kept().map(|a| input.shape[a]).collect();
        let mut axes: Vec<Axis> = kept().map(|a| input.axes[a].clone()).collect();
        // Nobody's names are called from the right again.
        if !input.named {
            let fresh = ArraySpec::unnamed(&shape, input.dtype).axes;
            axes.iter_mut().zip(fresh).for_each(|(axis, fresh)| axis.name = fresh.name);
        }
        let named = input.named && !axes.is_empty();
        ArraySpec { shape, dtype: input.dtype, axes, named }
    }

    /// How many elements become one, saturating.
    pub fn column(&self) -> u64 {
        self.lengths(true)
    }

    /// How many elements are left, saturating.
    pub fn outputs(&self) -> u64 {
        self.lengths(false)
    }

    fn lengths(&self, reduced: bool) -> u64 {
        let lengths = self.shape.iter().zip(&self.reduced).filter(|p| *p.1 == reduced).map(|p| *p.0);
        lengths.fold(1, u64::saturating_mul)
    }

    /// Whether the last axis goes.
    pub fn ends_reduced(&self) -> bool {
        self.reduced.last() == Some(&true)
    }

    /// The whole columns over a box of the output.
    pub fn need(&self, out: &Region) -> Need {
        let mut at = 0;
        let mut region = Region::whole(&self.shape);
        for (axis, &gone) in self.reduced.iter().enumerate() {
            if !gone {
                (region.start[axis], region.shape[axis]) = (out.start[at], out.shape[at]);
            }
            at += usize::from(!gone || self.keepdims);
        }
        Need::inside(&region)
    }

    /// The columns of a box of that shape, in C order of the axes that stay.
    pub fn columns(&self, lengths: &[u64]) -> impl Iterator<Item = Region> {
        let part = |stay: bool| -> Dims {
            lengths.iter().zip(&self.reduced).map(|(&n, &gone)| if gone == stay { 1 } else { n }).collect()
        };
        let (kept, column) = (part(true), part(false));
        let ones: Dims = kept.iter().map(|_| 1).collect();
        (0..elements(&kept)).map(move |i| Region::new(&Region::tile(&kept, &ones, i).start, &column))
    }

    /// How far apart the cells of neighbours lie when the kept axes have those lengths, in C order.
    pub fn cell_strides(&self, lengths: &[u64]) -> Extents {
        self.strides(lengths, false)
    }

    /// How far apart the positions of neighbours lie, counted in C order over the axes that are reduced.
    pub fn index_strides(&self) -> Extents {
        self.strides(&self.shape, true)
    }

    fn strides(&self, lengths: &[u64], reduced: bool) -> Extents {
        let mut strides = Extents::from_iter(lengths.iter().map(|_| 0));
        let mut step = 1;
        for axis in (0..lengths.len()).rev().filter(|&a| self.reduced[a] == reduced) {
            strides[axis] = step;
            step *= lengths[axis] as usize;
        }
        strides
    }
}

pub(crate) type Extents = ArrayVec<usize, MAX_RANK>;

/// Where the elements of a box go: the distances between neighbours in the cells and in the positions, and where both
/// begin.
pub(crate) struct Way<'a> {
    pub cells: &'a [usize],
    pub index: &'a [usize],
    pub first_cell: usize,
    pub first_index: usize,
}

/// Hands every element of a box, with its position among those that are reduced, to its cell: for each cell in C order.
pub(crate) fn fold<T: Element, C: Copy>(
    tile: &View<'_>,
    cells: &mut [C],
    way: &Way<'_>,
    take: impl Fn(&mut C, T, usize) + Copy,
) {
    let data = tile.typed::<T>();
    let (shape, [xs, cs, is]) = merge_axes(tile.shape(), [tile.strides(), way.cells, way.index]);
    let last = shape.len() - 1;
    let (x_step, c_step, i_step) = (xs[last], cs[last], is[last]);
    for_each_row(&shape, [&xs, &cs, &is], |[x, c, i], n| {
        let (c, i) = (way.first_cell + c, way.first_index + i);
        match (x_step, c_step) {
            (1, 0) => {
                let mut cell = cells[c];
                data[x..x + n].iter().enumerate().for_each(|(k, &v)| take(&mut cell, v, i + k * i_step));
                cells[c] = cell;
            }
            (1, 1) => {
                let pairs = cells[c..c + n].iter_mut().zip(&data[x..x + n]);
                pairs.enumerate().for_each(|(k, (cell, &v))| take(cell, v, i + k * i_step));
            }
            _ => (0..n).for_each(|k| take(&mut cells[c + k * c_step], data[x + k * x_step], i + k * i_step)),
        }
    });
}

/// How many partial sums a row along the last axis has.
const LANES: usize = 8;

/// Adds a function of every element to its cell in a fixed order. Where the last axis stays, the elements of a cell are
/// added one by one in C order; where it goes, element `i` of a row goes to lane `i % 8`, the lanes are added in pairs,
/// and rows in C order.
///
/// The box holds whole columns, so that the order is the same whatever the box.
pub(crate) fn add_in_order<T: Element>(
    tile: &View<'_>,
    cells: &mut [f64],
    cell_strides: &[usize],
    ends_reduced: bool,
    term: impl Fn(T, usize) -> f64 + Copy,
) {
    let data = tile.typed::<T>();
    if !ends_reduced {
        // Terms ask for the number of their cell, which takes the place of the position.
        let way = Way { cells: cell_strides, index: cell_strides, first_cell: 0, first_index: 0 };
        return fold(tile, cells, &way, |cell, x: T, number| *cell += term(x, number));
    }
    let last = tile.rank() - 1;
    let step = tile.strides()[last];
    for_each_row(tile.shape(), [tile.strides(), cell_strides], |[x, c], n| {
        let mut lanes = [0.0; LANES];
        let whole = n - n % LANES;
        for i in (0..whole).step_by(LANES) {
            (0..LANES).for_each(|lane| lanes[lane] += term(data[x + (i + lane) * step], c));
        }
        (whole..n).for_each(|i| lanes[i - whole] += term(data[x + i * step], c));
        let pairs = [lanes[0] + lanes[4], lanes[1] + lanes[5], lanes[2] + lanes[6], lanes[3] + lanes[7]];
        cells[c] += (pairs[0] + pairs[2]) + (pairs[1] + pairs[3]);
    });
}
