//! Principal component analysis of a stack of items.

mod basis;
mod gram;
mod project;
mod side;
mod sketch;

use super::reduce::{Along, Statistic, range, reduced};
use super::{Arg, Args, OpDef, Param, Type};
use crate::array::{ArraySpec, Axis, DType, Dims, Spec};
use crate::error::Result;
use crate::graph::Array;
use basis::Basis;
use gram::{Gram, is_whole};
use project::{Components, Projections, Shown};
use side::{Rows, Side};
use sketch::{Sketch, Turn};

/// More rows than this would need too large a matrix.
const MOST_ROWS: u64 = 4096;
/// From here on a few components are cheaper to have from a few columns.
const MANY_ROWS: u64 = 1024;

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

/// How the directions are found.
enum Solver {
    /// Through the products of all rows.
    Full,
    /// Through so many columns and power iterations.
    Randomized { columns: usize, iterations: usize, seed: u64 },
}

fn solver(args: &Args, rows: u64, k: usize) -> Result<Solver> {
    let few = (k as u64).saturating_mul(5) < rows;
    let randomized = match args.text_of("svd_solver")?.unwrap_or("auto") {
        "auto" => rows > MOST_ROWS || (rows > MANY_ROWS && few),
        "full" => false,
        "randomized" => true,
        other => {
            return Err(args.error(format!("`svd_solver` is \"auto\", \"full\" or \"randomized\", not {other:?}")));
        }
    };
    if !randomized {
        return match rows <= MOST_ROWS {
            true => Ok(Solver::Full),
            false => Err(args.error(format!(
                "the stack has {rows} items or values, whichever are fewer; svd_solver=\"full\" takes at most {MOST_ROWS}"
            ))),
        };
    }
    let more = args.integer("n_oversamples", 10)?;
    let auto = if (k as u64) * 10 < rows { 7 } else { 4 };
    let iterations = match args.get("iterated_power") {
        Some(Arg::Str(word)) if word == "auto" => auto,
        _ => args.integer("iterated_power", auto)?,
    };
    let columns = (k as u64).saturating_add(more.max(0) as u64).min(rows);
    match (more, iterations) {
        (..0, _) => Err(args.error(format!("`n_oversamples` is {more}, it must not be negative"))),
        (_, ..=0 | 101..) => Err(args.error(format!("`iterated_power` is {iterations}, it lies in 1..=100"))),
        _ if columns > MOST_ROWS => Err(args.error(format!(
            "`n_components` and `n_oversamples` make {columns} columns, at most {MOST_ROWS} are possible"
        ))),
        _ => Ok(Solver::Randomized {
            columns: columns as usize,
            iterations: iterations as usize,
            seed: args.integer("random_state", 0)? as u64,
        }),
    }
}

fn pca(args: &Args) -> Result<Array> {
    let (input, spec) = (args.array("stack")?, args.spec("stack")?);
    if spec.rank() == 0 {
        return Err(args.error("takes an array, not a scalar"));
    }
    let axis = axis_of(args, &spec)?;
    let items = spec.shape[axis];
    let values = spec.elements() / items.max(1);
    let k = components(args, items, values)?;
    let side = Side { axis, rows: if items <= values { Rows::Items } else { Rows::Values } };
    let item: Dims = (0..spec.rank()).filter(|&a| a != axis).map(|a| spec.shape[a]).collect();
    let basis = Basis { side, items: items as usize, components: k, center: args.bool("center", true)?, item };
    let rows = items.min(values);
    let found = match solver(args, rows, k)? {
        Solver::Full => full(&input, &spec, basis, rows as usize),
        Solver::Randomized { columns, iterations, seed } => {
            randomized(&input, &spec, &basis, rows as usize, columns, iterations, seed)
        }
    };
    let shown = output(&spec, axis, k);
    let (directions, projections) = match side.rows {
        Rows::Items => {
            let op = Components { axis, items: items as usize };
            let directions = Array::tile(op, vec![input.clone(), found.output("coefficients")?], shown);
            (directions, found.output("projections")?)
        }
        Rows::Values => {
            let (known, offsets) = (found.output("directions")?, found.output("offsets")?);
            let whole = ArraySpec::unnamed(&[items, k as u64], DType::F64);
            let projections = Array::tile(Projections { axis }, vec![input.clone(), known.clone(), offsets], whole);
            (Array::tile(Shown, vec![known], shown), projections)
        }
    };
    let mean = reduced(&input, &spec, Statistic::Mean, &Along::new(&spec, &[axis], false))?;
    let mut related = vec![("mean", mean), ("projections", projections)];
    for name in ["singular_values", "explained_variance", "explained_variance_ratio"] {
        related.push((name, found.output(name)?));
    }
    Ok(directions.with_related(related))
}

/// What a scan takes: the stack, and where its type does not bound it the range.
fn inputs(input: &Array, spec: &ArraySpec) -> Vec<Array> {
    let mut inputs = vec![input.clone()];
    if !is_whole(spec.dtype) {
        inputs.extend(range(input));
    }
    inputs
}

fn full(input: &Array, spec: &ArraySpec, basis: Basis, rows: usize) -> Array {
    let inputs = inputs(input, spec);
    let (outputs, ports) = (basis.outputs(), basis.ports());
    Array::scan(Gram { basis, rows }, inputs, outputs, ports)
}

/// A chain of sweeps, each of which multiplies the basis that the one before gave.
fn randomized(
    input: &Array,
    spec: &ArraySpec,
    basis: &Basis,
    rows: usize,
    columns: usize,
    iterations: usize,
    seed: u64,
) -> Array {
    let inputs = inputs(input, spec);
    let op = |turn| Sketch { basis: basis.clone(), rows, columns, turn };
    let with = |before: Array| inputs.iter().cloned().chain([before]).collect();
    let output = || vec![Spec::Array(op(Turn::Power).output())];
    let mut found = Array::scan(op(Turn::First(seed)), inputs.clone(), output(), &["basis"]);
    for _ in 1..iterations {
        found = Array::scan(op(Turn::Power), with(found), output(), &["basis"]);
    }
    Array::scan(op(Turn::Last), with(found), basis.outputs(), basis.ports())
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
        values.\n\nsvd_solver=\"full\" finds them through the products X·Xᵀ of all items with each other, or where an item \
        has fewer values than there are items, through Xᵀ·X; at most 4096 of the fewer, whose products must fit into \
        memory. One sweep collects the products, exactly or in 94 bits, and another adds up the components as sums of items \
        (or gives the projections, if they are asked for). A constant in the middle of the range comes off all elements first \
        where it is known. NumPy's SVD to 1e-5 for components whose singular value is more \
        than 1e-3 of the largest; 1e-7 of it is all that the products resolve. Components that the items do not have, as \
        the last one of centred items, are zeros.\n\nsvd_solver=\"randomized\" is for many items of many values: the range \
        finder with power iterations of Halko, Martinsson and Tropp (2011). A basis of n_components + n_oversamples columns \
        is multiplied by X·Xᵀ (or Xᵀ·X, whichever is smaller) `iterated_power` times, one sweep each, made orthonormal \
        between them, and once more for the result: iterated_power + 2 sweeps in all with the components. Each holds twice \
        as many numbers as the basis has for every worker. As exact as the full solver where the singular values fall off; \
        error about (σ[n_components + n_oversamples] / σ[i])^(2·iterated_power) relative to σ[i]. The same bits for the \
        same `random_state`, whatever the tiling.\n\n\"auto\" is \"full\" up to 1024 items (or values, whichever are \
        fewer), or 4096 where n_components is a fifth of them or more, else \"randomized\". Floats \
        and integers of more than 16 bits take one sweep more, to find their range.\n\nSign: in every component the \
        projection of largest magnitude is positive (scikit-learn's svd_flip based on U); where there are more items than \
        values, the element of largest magnitude (based on V, as scikit-learn's PCA since 1.5).\n\nThe components have the \
        axis of the items first and are float32, or float64 for float64 and 32- and 64-bit integers.",
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
        Param {
            name: "svd_solver",
            ty: Type::Word(&["auto", "full", "randomized"]),
            default: Some("\"auto\""),
            doc: "How they are found: auto, full or randomized.",
        },
        Param {
            name: "iterated_power",
            ty: Type::Any,
            default: Some("\"auto\""),
            doc: "Power iterations of the randomized solver, 1 to 100; auto for 7, or 4 for more than a tenth of all components.",
        },
        Param {
            name: "n_oversamples",
            ty: Type::Integer,
            default: Some("10"),
            doc: "Columns of the randomized solver beyond the components wanted.",
        },
        Param {
            name: "random_state",
            ty: Type::Integer,
            default: Some("0"),
            doc: "Which random numbers the randomized solver begins with.",
        },
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
        "pca(input, 1, axis=0, svd_solver=\"randomized\")",
        "pca(input, 1, axis=-1, center=false, svd_solver=\"randomized\", iterated_power=2, random_state=3)",
        "pca(input, 1, axis=0, svd_solver=\"randomized\", n_oversamples=0).projections",
        "pca(input, 1, axis=-1, svd_solver=\"randomized\").explained_variance_ratio",
        "pca(input, 1, axis=-1, svd_solver=\"full\").projections",
    ],
    build: pca,
};
