//! One number for a whole image: `min max mean std sum`.

use super::moments::Moments;
use super::scan::{Summary, for_each_slice, state};
use super::{Args, INPUT, OpDef, Param, Type};
use crate::array::{ArraySpec, DType, Element, Scalar, Spec, View, with_dtype};
use crate::error::{Error, Result};
use crate::graph::{Array, ScanCx, ScanOp, ScanState, Value};
use crate::kernels::extrema::Ordered;
use multiversion::multiversion;

/// Which ends of the range are wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ends {
    Min,
    Max,
    Both,
}

/// The smallest and the largest element.
#[derive(Debug)]
struct Extremes {
    ends: Ends,
}

struct Seen<T: Ordered> {
    ends: Ends,
    dtype: DType,
    least: Option<T::Key>,
    most: Option<T::Key>,
}

impl ScanOp for Extremes {
    fn name(&self) -> &'static str {
        match self.ends {
            Ends::Min => "min",
            Ends::Max => "max",
            Ends::Both => "range",
        }
    }

    fn state_bytes(&self, _input: &ArraySpec) -> u64 {
        size_of::<Seen<f64>>() as u64
    }

    fn begin(&self, cx: &ScanCx<'_>) -> Result<Box<dyn ScanState>> {
        let input = cx.input();
        let (ends, dtype) = (self.ends, input.dtype);
        Ok(with_dtype!(dtype, T => state(Seen::<T> { ends, dtype, least: None, most: None })))
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn least<T: Ordered>(xs: &[T]) -> Option<T::Key> {
    xs.iter()
        .map(
            #[inline(always)]
            |x| x.key(false),
        )
        .min()
}

#[multiversion(targets("x86_64+avx2"))]
fn most<T: Ordered>(xs: &[T]) -> Option<T::Key> {
    xs.iter()
        .map(
            #[inline(always)]
            |x| x.key(true),
        )
        .max()
}

fn better<K>(a: Option<K>, b: Option<K>, pick: impl Fn(K, K) -> K) -> Option<K> {
    match (a, b) {
        (Some(a), Some(b)) => Some(pick(a, b)),
        (a, b) => a.or(b),
    }
}

impl<T: Element + Ordered> Summary for Seen<T> {
    fn take(&mut self, tile: &View<'_>) {
        for_each_slice(tile, |xs: &[T]| {
            if self.ends != Ends::Max {
                self.least = better(self.least, least(xs), Ord::min);
            }
            if self.ends != Ends::Min {
                self.most = better(self.most, most(xs), Ord::max);
            }
        });
    }

    fn join(&mut self, other: Self) {
        self.least = better(self.least, other.least, Ord::min);
        self.most = better(self.most, other.most, Ord::max);
    }

    fn answer(self) -> Result<Vec<Value>> {
        let ends: Vec<Value> = [self.least, self.most]
            .into_iter()
            .flatten()
            .map(|key| Value::scalar(Scalar::from_bytes(self.dtype, bytemuck::bytes_of(&T::from_key(key)))))
            .collect();
        match ends.is_empty() {
            true => Err(Error::op("min", "an empty array has no minimum and no maximum")),
            false => Ok(ends),
        }
    }
}

/// The smallest and the largest element of an array, as two scalars.
pub(crate) fn range(input: &Array) -> Vec<Array> {
    let Some(spec) = input.array_spec() else { return Vec::new() };
    let scalar = Spec::Array(ArraySpec::scalar(spec.dtype));
    let both =
        Array::scan(Extremes { ends: Ends::Both }, vec![input.clone()], vec![scalar.clone(), scalar], &["min", "max"]);
    ["min", "max"].into_iter().filter_map(|port| both.output(port).ok()).collect()
}

fn extreme(args: &Args, ends: Ends) -> Result<Array> {
    let (input, spec) = (args.array("input")?, args.spec("input")?);
    if spec.rank() == 0 {
        return Ok(input);
    }
    Ok(Array::scan(Extremes { ends }, vec![input], vec![Spec::Array(ArraySpec::scalar(spec.dtype))], &[]))
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Statistic {
    Sum,
    Mean,
    Std { ddof: f64 },
}

impl Statistic {
    fn name(self) -> &'static str {
        match self {
            Statistic::Sum => "sum",
            Statistic::Mean => "mean",
            Statistic::Std { .. } => "std",
        }
    }

    fn dtype(self, input: DType) -> DType {
        match self {
            Statistic::Sum if input.is_float() => DType::F64,
            Statistic::Sum if input == DType::Bool || input.is_signed_integer() => DType::I64,
            Statistic::Sum => DType::U64,
            _ => DType::F64,
        }
    }
}

#[derive(Debug)]
struct Reduce {
    statistic: Statistic,
}

struct Summed {
    statistic: Statistic,
    dtype: DType,
    moments: Moments,
}

impl ScanOp for Reduce {
    fn name(&self) -> &'static str {
        self.statistic.name()
    }

    fn state_bytes(&self, _input: &ArraySpec) -> u64 {
        size_of::<Summed>() as u64
    }

    fn begin(&self, cx: &ScanCx<'_>) -> Result<Box<dyn ScanState>> {
        let input = cx.input();
        let statistic = self.statistic;
        let moments = Moments::new(input.dtype, matches!(statistic, Statistic::Std { .. }));
        Ok(state(Summed { statistic, dtype: statistic.dtype(input.dtype), moments }))
    }
}

impl Summary for Summed {
    fn take(&mut self, tile: &View<'_>) {
        self.moments.add(tile);
    }

    fn join(&mut self, other: Self) {
        self.moments.merge(&other.moments);
    }

    fn answer(self) -> Result<Vec<Value>> {
        let value = match (self.statistic, self.moments.whole_sum()) {
            (Statistic::Sum, Some(sum)) => Scalar::from_i128(sum, self.dtype)
                .ok_or_else(|| Error::op("sum", format!("the sum is {sum}, which {} does not hold", self.dtype)))?,
            (Statistic::Sum, None) => Scalar::of(self.moments.sum()),
            (Statistic::Mean, _) => Scalar::of(self.moments.mean()),
            (Statistic::Std { ddof }, _) => Scalar::of(self.moments.variance(ddof).sqrt()),
        };
        Ok(vec![Value::scalar(value)])
    }
}

fn reduce(args: &Args, statistic: Statistic) -> Result<Array> {
    let (input, spec) = (args.array("input")?, args.spec("input")?);
    if spec.rank() == 0 {
        return Err(args.error("takes an array, not a scalar"));
    }
    let output = ArraySpec::scalar(statistic.dtype(spec.dtype));
    Ok(Array::scan(Reduce { statistic }, vec![input], vec![Spec::Array(output)], &[]))
}

fn std(args: &Args) -> Result<Array> {
    let ddof = args.number("ddof", 0.0)?;
    if ddof < 0.0 {
        return Err(args.error(format!("`ddof` is {ddof}, it must not be negative")));
    }
    reduce(args, Statistic::Std { ddof })
}

const EXACT: &str = "Exact: elements are summed without rounding, and the result is rounded at the end, so that it \
    depends neither on the order nor on the tiling. NaN propagates.";

/// `min`
pub static MIN: OpDef = OpDef {
    name: "min",
    family: "reductions",
    summary: "The smallest element of the image.",
    details: "A scalar of the array's type. NaN if any element is; an error for an empty array.",
    reference: "numpy.min",
    params: &[INPUT],
    returns: &[("min", "The minimum, a scalar.")],
    examples: &["min(input)", "input - min(input)"],
    build: |args| extreme(args, Ends::Min),
};

/// `max`
pub static MAX: OpDef = OpDef {
    name: "max",
    family: "reductions",
    summary: "The largest element of the image.",
    details: "A scalar of the array's type. NaN if any element is; an error for an empty array.",
    reference: "numpy.max",
    params: &[INPUT],
    returns: &[("max", "The maximum, a scalar.")],
    examples: &["max(input)", "input / max(input)"],
    build: |args| extreme(args, Ends::Max),
};

/// `mean`
pub static MEAN: OpDef = OpDef {
    name: "mean",
    family: "reductions",
    summary: "The mean of the image.",
    details: EXACT,
    reference: "numpy.mean, in float64",
    params: &[INPUT],
    returns: &[("mean", "The mean, a float64 scalar; NaN for an empty array.")],
    examples: &["mean(input)", "input > mean(input)"],
    build: |args| reduce(args, Statistic::Mean),
};

/// `std`
pub static STD: OpDef = OpDef {
    name: "std",
    family: "reductions",
    summary: "The standard deviation of the image.",
    details: EXACT,
    reference: "numpy.std, in float64",
    params: &[
        INPUT,
        Param {
            name: "ddof",
            ty: Type::Number,
            default: Some("0"),
            doc: "What is taken off the number of elements to divide by; not negative.",
        },
    ],
    returns: &[("std", "The standard deviation, a float64 scalar; NaN where there are no more than ddof elements.")],
    examples: &["std(input)", "std(input, ddof=1)", "(input - mean(input)) / std(input)"],
    build: std,
};

/// `sum`
pub static SUM: OpDef = OpDef {
    name: "sum",
    family: "reductions",
    summary: "The sum of the image.",
    details: "uint64 for unsigned integers, int64 for signed ones and masks (exact; an error where it does not fit), \
        float64 for floats (exact, rounded once). Depends neither on the order nor on the tiling. NaN propagates.",
    reference: "numpy.sum",
    params: &[INPUT],
    returns: &[("sum", "The sum, a scalar.")],
    examples: &["sum(input)", "sum(input > 3)"],
    build: |args| reduce(args, Statistic::Sum),
};
