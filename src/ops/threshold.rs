//! Thresholds found in the histogram, and masks made with them.

use super::histogram::{Span, ValueCounts, count_tile, edges, is_narrow, merge_counts, nbins, span_of};
use super::reduce::range;
use super::scan::{Summary, for_each_slice, state};
use super::{Arg, Args, INPUT, OpDef, Param, Type, call};
use crate::array::{ArraySpec, DType, Element, Scalar, Spec, View};
use crate::error::{Error, Result};
use crate::graph::{Array, ScanCx, ScanOp, ScanState, Value};
use crate::kernels::histogram::{Countable, UniformBins, count_from};

/// Integers whose range is smaller get a bin per value.
const MAX_VALUES: u64 = 1 << 16;

#[derive(Debug)]
struct Otsu {
    nbins: usize,
}

enum Counted {
    Values(ValueCounts),
    From { dtype: DType, lo: Scalar, counts: Vec<u64> },
    Bins { dtype: DType, bins: UniformBins, counts: Vec<u64> },
    Constant(f64),
}

impl Otsu {
    /// The most bins there can be.
    fn bins(&self, dtype: DType) -> u64 {
        match dtype {
            DType::F32 | DType::F64 => self.nbins as u64,
            DType::Bool | DType::U8 | DType::I8 => 256.max(self.nbins as u64),
            _ => MAX_VALUES.max(self.nbins as u64),
        }
    }
}

impl ScanOp for Otsu {
    fn name(&self) -> &'static str {
        "threshold_otsu"
    }

    fn state_bytes(&self, input: &ArraySpec) -> u64 {
        // Counts and edges.
        16 * (self.bins(input.dtype) + 1)
    }

    fn finish_bytes(&self, input: &ArraySpec) -> u64 {
        // Weights, means and centres of every bin, from both sides.
        64 * (self.bins(input.dtype) + 1)
    }

    fn begin(&self, cx: &ScanCx<'_>) -> Result<Box<dyn ScanState>> {
        let (input, scalars) = (cx.input(), cx.scalars);
        let dtype = input.dtype;
        if is_narrow(dtype) {
            return Ok(state(Counted::Values(ValueCounts::new(dtype))));
        }
        let span = span_of("threshold_otsu", scalars)?;
        if span.lo == span.hi {
            return Ok(state(Counted::Constant(span.lo)));
        }
        if let [Some(lo), Some(hi)] = [scalars[0].to_i128(), scalars[1].to_i128()]
            && hi - lo < i128::from(MAX_VALUES)
        {
            let counts = vec![0; (hi - lo + 1) as usize];
            return Ok(state(Counted::From { dtype, lo: scalars[0], counts }));
        }
        let edges = edges(Span { of_data: true, ..span }, self.nbins, dtype);
        Ok(state(Counted::Bins { dtype, bins: UniformBins::from_edges(edges), counts: vec![0; self.nbins] }))
    }
}

impl Summary for Counted {
    fn take(&mut self, tile: &View<'_>) {
        match self {
            Counted::Values(values) => values.add(tile),
            Counted::Bins { bins, counts, .. } => count_tile(tile, bins, counts),
            Counted::From { dtype, lo, counts } => match dtype {
                DType::U32 => add_from::<u32>(tile, lo, counts),
                DType::I32 => add_from::<i32>(tile, lo, counts),
                DType::U64 => add_from::<u64>(tile, lo, counts),
                _ => add_from::<i64>(tile, lo, counts),
            },
            Counted::Constant(_) => {}
        }
    }

    fn join(&mut self, other: Self) {
        match (self, other) {
            (Counted::Values(a), Counted::Values(b)) => merge_counts(&mut a.counts, &b.counts),
            (Counted::From { counts: a, .. }, Counted::From { counts: b, .. })
            | (Counted::Bins { counts: a, .. }, Counted::Bins { counts: b, .. }) => merge_counts(a, &b),
            _ => {}
        }
    }

    fn answer(self) -> Result<Vec<Value>> {
        let threshold = match self {
            Counted::Constant(value) => Scalar::of(value),
            Counted::Values(values) => Scalar::of(of_values(&values)?),
            Counted::From { lo, counts, .. } => {
                let lo = lo.to_i128().unwrap_or(0);
                let centres: Vec<f64> = (0..counts.len()).map(|k| (lo + k as i128) as f64).collect();
                Scalar::of(centres[best::<f64>(&counts, &centres)])
            }
            Counted::Bins { dtype: DType::F32, bins, counts } => {
                let single = |e: f64| e as f32;
                let centres: Vec<f32> = bins.edges().windows(2).map(|e| (single(e[0]) + single(e[1])) / 2.0).collect();
                Scalar::of(f64::from(centres[best::<f32>(&counts, &centres)]))
            }
            Counted::Bins { bins, counts, .. } => {
                let centres: Vec<f64> = bins.edges().windows(2).map(|e| (e[0] + e[1]) / 2.0).collect();
                Scalar::of(centres[best::<f64>(&counts, &centres)])
            }
        };
        Ok(vec![Value::scalar(threshold)])
    }
}

fn add_from<T: Element + Countable>(tile: &View<'_>, lo: &Scalar, counts: &mut [u64]) {
    let lo: T = bytemuck::pod_read_unaligned(lo.bytes());
    for_each_slice(tile, |xs: &[T]| count_from(xs, lo, counts));
}

fn of_values(values: &ValueCounts) -> Result<i64> {
    let Some((first, last)) = values.ends() else {
        return Err(Error::op("threshold_otsu", "an empty array has no threshold"));
    };
    if first == last {
        return Ok(first as i64 + values.least());
    }
    let counts = &values.counts[first..=last];
    let centres: Vec<f64> = (first..=last).map(|k| (k as i64 + values.least()) as f64).collect();
    Ok(centres[best::<f64>(counts, &centres)] as i64)
}

/// The numbers that scikit-image computes in: those of the bin centres.
trait Centre: Copy + PartialOrd + std::ops::Mul<Output = Self> + std::ops::Sub<Output = Self> {
    fn of(count: f32) -> Self;
    fn plus(self, other: Self) -> Self;
    fn over(self, weight: f32) -> Self;
}

macro_rules! centre {
    ($($t:ty)*) => {$(
        impl Centre for $t {
            fn of(count: f32) -> Self {
                count.into()
            }

            fn plus(self, other: Self) -> Self {
                self + other
            }

            fn over(self, weight: f32) -> Self {
                self / <$t>::from(weight)
            }
        }
    )*};
}

centre!(f32 f64);

/// The first bin whose right edge separates best, in scikit-image's arithmetic: counts and their running sums are
/// single, sums of products and means are in the type of the centres.
fn best<C: Centre>(counts: &[u64], centres: &[C]) -> usize {
    let counts: Vec<f32> = counts.iter().map(|&c| c as f32).collect();
    let bins = || counts.iter().zip(centres);
    let (weight1, mean1) = running(bins());
    let (mut weight2, mut mean2) = running(bins().rev());
    weight2.reverse();
    mean2.reverse();
    let (mut at, mut most) = (0, None);
    for k in 0..counts.len() - 1 {
        let apart = mean1[k] - mean2[k + 1];
        let variance = C::of(weight1[k] * weight2[k + 1]) * (apart * apart);
        if most.is_none_or(|most| variance > most) {
            (at, most) = (k, Some(variance));
        }
    }
    at
}

/// Weights and means of the bins up to each.
fn running<'a, C: Centre + 'a>(bins: impl Iterator<Item = (&'a f32, &'a C)>) -> (Vec<f32>, Vec<C>) {
    let mut weight = 0.0;
    let mut moment = C::of(0.0);
    bins.map(|(&count, &centre)| {
        weight += count;
        moment = moment.plus(C::of(count) * centre);
        (weight, moment.over(weight))
    })
    .unzip()
}

fn threshold_otsu(args: &Args) -> Result<Array> {
    let (input, spec) = (args.array("input")?, args.spec("input")?);
    if spec.rank() == 0 {
        return Err(args.error("takes an array, not a scalar"));
    }
    let nbins = nbins(args, "nbins", 256)?;
    let mut inputs = vec![input.clone()];
    if !is_narrow(spec.dtype) {
        inputs.extend(range(&input));
    }
    let dtype = if is_narrow(spec.dtype) { DType::I64 } else { DType::F64 };
    Ok(Array::scan(Otsu { nbins }, inputs, vec![Spec::Array(ArraySpec::scalar(dtype))], &[]))
}

fn threshold(args: &Args) -> Result<Array> {
    let input = args.array("input")?;
    let value = match args.get("method") {
        None => Arg::Array(call("threshold_otsu", vec![Arg::Array(input.clone())], vec![])?),
        Some(Arg::Str(word)) if word == "otsu" => {
            Arg::Array(call("threshold_otsu", vec![Arg::Array(input.clone())], vec![])?)
        }
        Some(Arg::Array(array)) if array.is_scalar() => Arg::Array(array.clone()),
        Some(number @ (Arg::Int(_) | Arg::Float(_))) => number.clone(),
        Some(other) => {
            return Err(args.error(format!("`method` is \"otsu\", a number or a computed scalar, not {other}")));
        }
    };
    call("greater", vec![Arg::Array(input), value], vec![])
}

/// `threshold_otsu`
pub static THRESHOLD_OTSU: OpDef = OpDef {
    name: "threshold_otsu",
    family: "thresholds",
    summary: "The threshold that best separates two classes of values (Otsu).",
    details: "A scalar; `input > threshold_otsu(input)` is the mask. Integers have one bin per value, or, where they \
        range over more than 65536 values, are treated as floats (scikit-image always takes one bin per value); floats \
        have `nbins` bins over their range, and NaN or infinities are an error. One pass for types of up to 16 bits, \
        else two. The arithmetic is scikit-image's, single precision included. A constant image gives its value.",
    reference: "skimage.filters.threshold_otsu",
    params: &[
        INPUT,
        Param {
            name: "nbins",
            ty: Type::Integer,
            default: Some("256"),
            doc: "The number of bins for floats; at least 1.",
        },
    ],
    returns: &[("threshold", "The threshold: int64 for types of up to 16 bits, else float64.")],
    examples: &["threshold_otsu(input)", "input > threshold_otsu(input, nbins=64)"],
    build: threshold_otsu,
};

/// `threshold`
pub static THRESHOLD: OpDef = OpDef {
    name: "threshold",
    family: "thresholds",
    summary: "The mask of what lies above a threshold.",
    details: "`threshold(x, \"otsu\")` is `x > threshold_otsu(x)`, `threshold(x, 100)` is `x > 100`.",
    reference: "image > skimage.filters.threshold_otsu(image)",
    params: &[
        INPUT,
        Param {
            name: "method",
            ty: Type::Any,
            default: Some("\"otsu\""),
            doc: "\"otsu\", a number or a computed scalar.",
        },
    ],
    returns: &[("mask", "bool: where input lies above the threshold.")],
    examples: &["threshold(input, \"otsu\")", "threshold(input, 100)", "threshold(input, mean(input))"],
    build: threshold,
};
