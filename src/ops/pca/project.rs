//! From directions among the rows to what lies along the columns: components from coefficients of items, projections
//! from directions of values.

use crate::array::{ArraySpec, DType, Dims, Element, MAX_RANK, Region, View, ViewMut, for_each_row, with_dtype};
use crate::error::Result;
use crate::graph::{Cx, Need, TileOp};
use crate::ops::reduce::put;
use crate::ops::window::{scratch_bytes, scratch_of};
use arrayvec::ArrayVec;
use multiversion::multiversion;

/// Components as sums of items with known coefficients.
#[derive(Debug)]
pub(super) struct Components {
    /// The axis of the items.
    pub axis: usize,
    /// How many there are.
    pub items: usize,
}

impl TileOp for Components {
    fn name(&self) -> &'static str {
        "pca"
    }

    fn need(&self, input: usize, out: &Region, inputs: &[ArraySpec]) -> Need {
        let items = inputs[0].shape[self.axis];
        if input == 1 {
            return Need::inside(&Region::new(&[out.start[0], 0], &[out.shape[0], items]));
        }
        let (mut start, mut shape) = (Dims::new(), Dims::new());
        start.extend(out.start[1..].iter().copied());
        shape.extend(out.shape[1..].iter().copied());
        start.insert(self.axis, 0);
        shape.insert(self.axis, items);
        Need::inside(&Region { start, shape })
    }

    fn scratch(&self, out: &[u64], _inputs: &[ArraySpec]) -> u64 {
        scratch_bytes::<f64>(out.iter().product::<u64>() as usize)
    }

    fn run(&self, _cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, scratch: &mut [u8]) -> Result<()> {
        let sums = &mut scratch_of::<f64>(scratch)[..out.elements()];
        sums.fill(0.0);
        with_dtype!(inputs[0].dtype(), T => self.add::<T>(&inputs[0], &inputs[1], out.shape()[0], sums));
        match out.dtype() {
            DType::F32 => put(out, |i| sums[i] as f32),
            _ => put(out, |i| sums[i]),
        }
        Ok(())
    }

    fn cost(&self) -> f64 {
        0.5 * self.items as f64
    }
}

/// Items that are added at a time.
const TOGETHER: usize = 4;

impl Components {
    /// Item by item, in their order.
    fn add<T: Element>(&self, stack: &View<'_>, coefficients: &View<'_>, components: usize, sums: &mut [f64]) {
        let data = stack.typed::<T>();
        let weights = coefficients.typed::<f64>();
        let weight = |c: usize, item: usize| weights[c * coefficients.strides()[0] + item * coefficients.strides()[1]];
        let mut shape: ArrayVec<usize, MAX_RANK> = stack.shape().iter().copied().collect();
        shape[self.axis] = 1;
        let elements: usize = shape.iter().product();
        let (step, apart) = (stack.strides()[shape.len() - 1], stack.strides()[self.axis]);
        for first in (0..self.items).step_by(TOGETHER) {
            let whole = step == 1 && first + TOGETHER <= self.items;
            let mut next = 0;
            for_each_row(&shape, [stack.strides()], |[at], n| {
                for component in 0..components {
                    let sums = &mut sums[component * elements + next..][..n];
                    if whole {
                        let rows = std::array::from_fn(|k| &data[(first + k) * apart + at..][..n]);
                        add_weighted(sums, rows, std::array::from_fn(|k| weight(component, first + k)));
                        continue;
                    }
                    for item in first..self.items.min(first + TOGETHER) {
                        let (from, weight) = (item * apart + at, weight(component, item));
                        let row = sums.iter_mut().enumerate();
                        row.for_each(|(k, sum)| *sum += weight * data[from + k * step].to_f64());
                    }
                }
                next += n;
            });
        }
    }
}

#[multiversion(targets("x86_64+avx2+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn add_weighted<T: Element>(sums: &mut [f64], rows: [&[T]; TOGETHER], weights: [f64; TOGETHER]) {
    let [a, b, c, d] = rows;
    for ((((sum, &a), &b), &c), &d) in sums.iter_mut().zip(a).zip(b).zip(c).zip(d) {
        let mut s = *sum;
        for (x, weight) in [a, b, c, d].into_iter().zip(weights) {
            s += weight * x.to_f64();
        }
        *sum = s;
    }
}

/// Components that are known, in the type they are shown in.
#[derive(Debug)]
pub(super) struct Shown;

impl TileOp for Shown {
    fn name(&self) -> &'static str {
        "pca"
    }

    fn need(&self, _input: usize, out: &Region, _inputs: &[ArraySpec]) -> Need {
        Need::inside(out)
    }

    fn run(&self, _cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, _scratch: &mut [u8]) -> Result<()> {
        let (xs, shape) = (inputs[0].typed::<f64>(), inputs[0].shape().to_vec());
        let strides: [Vec<usize>; 2] = [inputs[0].strides().to_vec(), out.strides().to_vec()];
        let (from, to) = (strides[0][shape.len() - 1], strides[1][shape.len() - 1]);
        let dtype = out.dtype();
        for_each_row(&shape, [&strides[0], &strides[1]], |[x, o], n| match dtype {
            DType::F32 => {
                let out = out.typed_mut::<f32>();
                (0..n).for_each(|i| out[o + i * to] = xs[x + i * from] as f32);
            }
            _ => {
                let out = out.typed_mut::<f64>();
                (0..n).for_each(|i| out[o + i * to] = xs[x + i * from]);
            }
        });
        Ok(())
    }
}

/// The items in new coordinates: their products with directions, less those of the mean item.
#[derive(Debug)]
pub(super) struct Projections {
    /// The axis of the items.
    pub axis: usize,
}

impl TileOp for Projections {
    fn name(&self) -> &'static str {
        "pca: projections"
    }

    fn need(&self, input: usize, out: &Region, inputs: &[ArraySpec]) -> Need {
        let mut region = Region::whole(&inputs[input].shape);
        let (axis, from) = if input == 0 { (self.axis, 0) } else { (0, 1) };
        (region.start[axis], region.shape[axis]) = (out.start[from], out.shape[from]);
        Need::inside(&region)
    }

    fn run(&self, _cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, _scratch: &mut [u8]) -> Result<()> {
        with_dtype!(inputs[0].dtype(), T => self.project::<T>(&inputs[0], &inputs[1], &inputs[2], out));
        Ok(())
    }

    fn cost(&self) -> f64 {
        200.0
    }
}

/// How many partial sums a row has.
const LANES: usize = 8;

impl Projections {
    fn project<T: Element>(&self, stack: &View<'_>, directions: &View<'_>, means: &View<'_>, out: &mut ViewMut<'_>) {
        let (xs, ds) = (stack.typed::<T>(), directions.typed::<f64>());
        let mut shape: ArrayVec<usize, MAX_RANK> = stack.shape().iter().copied().collect();
        shape[self.axis] = 1;
        // The directions' axes as the stack has them: the first stands in the place of the items.
        let mut strides: ArrayVec<usize, MAX_RANK> = directions.strides()[1..].iter().copied().collect();
        strides.insert(self.axis, 0);
        let last = shape.len() - 1;
        let (x_step, d_step) = (stack.strides()[last], strides[last]);
        let columns = out.shape()[1];
        put(out, |at| {
            let (item, column) = (at / columns, at % columns);
            let (x0, d0) = (item * stack.strides()[self.axis], column * directions.strides()[0]);
            let mut lanes = [0.0; LANES];
            for_each_row(&shape, [stack.strides(), &strides], |[x, d], n| {
                let (x, d) = (x0 + x, d0 + d);
                match (x_step, d_step) {
                    (1, 1) => add_row(&xs[x..x + n], &ds[d..d + n], &mut lanes),
                    _ => {
                        (0..n).for_each(|i| lanes[i % LANES] += xs[x + i * x_step].to_f64() * ds[d + i * d_step]);
                    }
                }
            });
            lanes.iter().sum::<f64>() - means.typed::<f64>()[column * means.strides()[0]]
        });
    }
}

/// Element `i` goes to lane `i % 8`.
fn add_row<T: Element>(xs: &[T], ds: &[f64], lanes: &mut [f64; LANES]) {
    let ((xs, x_rest), (ds, d_rest)) = (xs.as_chunks::<LANES>(), ds.as_chunks::<LANES>());
    for (xs, ds) in xs.iter().zip(ds) {
        (0..LANES).for_each(|i| lanes[i] += xs[i].to_f64() * ds[i]);
    }
    x_rest.iter().zip(d_rest).zip(lanes).for_each(|((x, d), lane)| *lane += x.to_f64() * d);
}
