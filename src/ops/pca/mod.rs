//! Principal component analysis of a stack of items.

mod basis;
mod gram;

use super::reduce::{Along, Statistic, range, reduced};
use super::window::{scratch_bytes, scratch_of};
use super::{Args, OpDef, Param, Type};
use crate::array::{
    ArraySpec, Axis, DType, Dims, Element, MAX_RANK, Region, Spec, View, ViewMut, for_each_row, with_dtype,
};
use crate::error::Result;
use crate::graph::{Array, Cx, Need, TileOp};
use arrayvec::ArrayVec;
use basis::Basis;
use gram::Gram;

/// More items than this would need too large a matrix.
const MOST_ITEMS: u64 = 4096;

/// The directions: sums of items with known coefficients.
#[derive(Debug)]
struct Components {
    axis: usize,
    items: usize,
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
            DType::F32 => super::reduce::put(out, |i| sums[i] as f32),
            _ => super::reduce::put(out, |i| sums[i]),
        }
        Ok(())
    }

    fn cost(&self) -> f64 {
        0.5 * self.items as f64
    }
}

impl Components {
    /// Item by item, in their order.
    fn add<T: Element>(&self, stack: &View<'_>, coefficients: &View<'_>, components: usize, sums: &mut [f64]) {
        let data = stack.typed::<T>();
        let weights = coefficients.typed::<f64>();
        let mut shape: ArrayVec<usize, MAX_RANK> = stack.shape().iter().copied().collect();
        shape[self.axis] = 1;
        let elements: usize = shape.iter().product();
        let step = stack.strides()[shape.len() - 1];
        for item in 0..self.items {
            let first = item * stack.strides()[self.axis];
            let mut next = 0;
            for_each_row(&shape, [stack.strides()], |[at], n| {
                for component in 0..components {
                    let weight = weights[component * coefficients.strides()[0] + item * coefficients.strides()[1]];
                    let sums = &mut sums[component * elements + next..][..n];
                    match step {
                        1 => add_row(sums, &data[first + at..][..n], weight),
                        _ => {
                            let row = sums.iter_mut().enumerate();
                            row.for_each(|(k, sum)| *sum += weight * data[first + at + k * step].to_f64());
                        }
                    }
                }
                next += n;
            });
        }
    }
}

fn add_row<T: Element>(sums: &mut [f64], xs: &[T], weight: f64) {
    sums.iter_mut().zip(xs).for_each(|(sum, &x)| *sum += weight * x.to_f64());
}

fn axis_of(args: &Args, spec: &ArraySpec) -> Result<usize> {
    match args.given("axis") {
        true => args.axis("axis", spec, 0),
        false => Ok(spec.axis('n').filter(|_| spec.named).unwrap_or(0)),
    }
}

fn components(args: &Args, items: u64, elements: u64) -> Result<usize> {
    let most = items.min(elements);
    let k = if args.given("n_components") { args.integer("n_components", 1)? } else { most as i64 };
    match (1..=most as i64).contains(&k) {
        true => Ok(k as usize),
        false => Err(args.error(format!(
            "`n_components` is {k}, it lies in 1..={most}: the fewer of the items and the elements of each"
        ))),
    }
}

fn pca(args: &Args) -> Result<Array> {
    let (input, spec) = (args.array("stack")?, args.spec("stack")?);
    if spec.rank() == 0 {
        return Err(args.error("takes an array, not a scalar"));
    }
    let axis = axis_of(args, &spec)?;
    let items = spec.shape[axis];
    if items > MOST_ITEMS {
        return Err(args.error(format!("the stack has {items} items along `axis`, at most {MOST_ITEMS} are possible")));
    }
    let center = args.bool("center", true)?;
    let k = components(args, items, spec.elements() / items.max(1))?;
    let vector = ArraySpec::unnamed(&[k as u64], DType::F64);
    let outputs = vec![
        ArraySpec::unnamed(&[k as u64, items], DType::F64),
        vector.clone(),
        vector.clone(),
        vector,
        ArraySpec::unnamed(&[items, k as u64], DType::F64),
    ];
    let mut inputs = vec![input.clone()];
    if spec.dtype.is_float() || spec.dtype.size() > 2 {
        inputs.extend(range(&input));
    }
    let basis = Basis { components: k, center, outputs: outputs.clone() };
    let found = Array::scan(
        Gram { axis, items: items as usize, basis },
        inputs,
        outputs.into_iter().map(Spec::Array).collect(),
        &["coefficients", "singular_values", "explained_variance", "explained_variance_ratio", "projections"],
    );
    let op = Components { axis, items: items as usize };
    let directions = Array::tile(op, vec![input.clone(), found.output("coefficients")?], output(&spec, axis, k));
    let mean = reduced(&input, &spec, Statistic::Mean, &Along::new(&spec, &[axis], false))?;
    let mut related = vec![("mean", mean)];
    for name in ["singular_values", "explained_variance", "explained_variance_ratio", "projections"] {
        related.push((name, found.output(name)?));
    }
    Ok(directions.with_related(related))
}

/// The directions' spec: the axis of the items first, as long as there are directions.
fn output(spec: &ArraySpec, axis: usize, k: usize) -> ArraySpec {
    let mut out = spec.with_dtype(spec.dtype.float());
    out.shape.remove(axis);
    let name = out.axes.remove(axis).name;
    out.shape.insert(0, k as u64);
    out.axes.insert(0, Axis::new(name));
    if !out.named {
        let fresh = ArraySpec::unnamed(&out.shape, out.dtype).axes;
        out.axes.iter_mut().zip(fresh).for_each(|(axis, fresh)| axis.name = fresh.name);
    }
    out
}

/// `pca`
pub static PCA: OpDef = OpDef {
    name: "pca",
    family: "collections",
    summary: "Principal components of a stack of items.",
    details: "The items along `axis` are points, their elements the coordinates. With X the items as rows, the mean item \
        taken off where `center` is true, X = U·S·Vᵀ: the rows of Vᵀ are the components, in falling order of their singular \
        values. They are found through the n × n products of the items (X·Xᵀ), which one sweep collects exactly or in 96 \
        bits, and a second sweep adds up the components as sums of items. Integers of 8 and 16 bits take two sweeps in \
        all, other types one more, to find their range.\n\nNumPy's SVD to 1e-5 for components whose singular value is more \
        than 1e-3 of the largest (1e-7 of it is all that the products resolve); components that the items do not have, as \
        the last one of centred items, are zeros. Sign: in every component the projection of largest magnitude is \
        positive (scikit-learn's svd_flip based on U; since 1.5 its PCA looks at the components). At most 4096 items, \
        whose products must fit into memory.\n\nThe components have the axis of the items first and are float32, or \
        float64 for float64 and 32- and 64-bit integers.",
    reference: "sklearn.decomposition.PCA",
    params: &[
        Param { name: "stack", ty: Type::Array, default: None, doc: "The items." },
        Param {
            name: "n_components",
            ty: Type::Integer,
            default: Some("none"),
            doc: "How many components; none for as many as there can be.",
        },
        Param {
            name: "axis",
            ty: Type::Axis,
            default: Some("none"),
            doc: "The axis of the items: its number (negative from the last) or letter; else \"n\", else the first.",
        },
        Param { name: "center", ty: Type::Bool, default: Some("true"), doc: "Whether the mean item is taken off." },
    ],
    returns: &[
        ("components", "One for each direction, of the shape of an item."),
        ("mean", "The mean item, float64."),
        ("singular_values", "float64, one per component."),
        ("explained_variance", "float64: their squares by the number of items less one."),
        ("explained_variance_ratio", "float64: as parts of the variance of the stack."),
        ("projections", "float64, items × components: the items in the new coordinates."),
    ],
    examples: &[
        "pca(input, n_components=1, axis=0)",
        "pca(input, axis=-1, center=false)",
        "pca(input, 1, axis=0).projections",
        "pca(input, axis=-1).singular_values",
        "pca(input, axis=0).explained_variance_ratio",
        "p = pca(input, 1, axis=0); p.mean + p.explained_variance",
    ],
    build: pca,
};
