//! The scan behind all thresholds that are found in a histogram: scikit-image's bins, and a rule that chooses among them.

use crate::array::{ArraySpec, DType, Element, Scalar, Spec, View};
use crate::error::{Error, Result};
use crate::graph::{Array, ScanCx, ScanOp, ScanState, Value};
use crate::kernels::histogram::{Countable, UniformBins, count_from};
use crate::ops::Args;
use crate::ops::histogram::{Span, ValueCounts, count_tile, edges, is_narrow, merge_counts, span_of, vector};
use crate::ops::reduce::range;
use crate::ops::scan::{Summary, for_each_slice, state};
use std::fmt::Debug;
use std::sync::Arc;

/// Integers whose range is smaller get a bin per value.
pub(super) const MAX_VALUES: u64 = 1 << 16;

/// What a rule chooses thresholds from: counts between the smallest and the largest value, and where the bins lie.
#[derive(Debug)]
pub(super) struct Distribution {
    pub counts: Vec<u64>,
    pub centres: Centres,
    /// The value, if all elements have the same.
    pub constant: Option<f64>,
}

/// Bin centres in the type that scikit-image computes them in.
#[derive(Debug)]
pub(super) enum Centres {
    Single(Vec<f32>),
    Double(Vec<f64>),
}

impl Centres {
    pub fn at(&self, bin: usize) -> f64 {
        match self {
            Centres::Single(centres) => f64::from(centres[bin]),
            Centres::Double(centres) => centres[bin],
        }
    }
}

impl Distribution {
    fn of_values(least: i128, counts: &[u64]) -> Option<Self> {
        let first = counts.iter().position(|&c| c > 0)?;
        let last = counts.iter().rposition(|&c| c > 0)?;
        let value = |at: usize| (least + at as i128) as f64;
        let centres = Centres::Double((first..=last).map(value).collect());
        let constant = (first == last).then(|| value(first));
        Some(Distribution { counts: counts[first..=last].to_vec(), centres, constant })
    }

    fn of_bins(dtype: DType, edges: &[f64], counts: Vec<u64>, constant: Option<f64>) -> Self {
        let centres = match dtype {
            DType::F32 => {
                let edges: Vec<f32> = edges.iter().map(|&e| e as f32).collect();
                Centres::Single(edges.windows(2).map(|e| (e[0] + e[1]) / 2.0).collect())
            }
            _ => Centres::Double(edges.windows(2).map(|e| (e[0] + e[1]) / 2.0).collect()),
        };
        Distribution { counts, centres, constant }
    }

    /// The counts as scikit-image takes them.
    pub fn single_counts(&self) -> Vec<f32> {
        self.counts.iter().map(|&c| c as f32).collect()
    }
}

/// A way to choose thresholds.
pub(super) trait Rule: Debug + Send + Sync + 'static {
    /// The op's name.
    fn name(&self) -> &'static str;

    /// The thresholds, one or as many as [`Rule::list`] says.
    fn find(&self, seen: &Distribution) -> Result<Vec<f64>>;

    /// The number of thresholds, if they are given as an array.
    fn list(&self) -> Option<usize> {
        None
    }

    /// The type of a threshold of such data.
    fn dtype(&self, input: DType) -> DType {
        if is_narrow(input) { DType::I64 } else { DType::F64 }
    }
}

#[derive(Debug)]
struct FromHistogram<R> {
    rule: Arc<R>,
    nbins: usize,
}

struct Counted<R> {
    rule: Arc<R>,
    dtype: DType,
    counts: Counts,
}

enum Counts {
    Values(ValueCounts),
    From { lo: Scalar, counts: Vec<u64> },
    Bins { bins: UniformBins, counts: Vec<u64>, constant: Option<f64> },
    Constant(f64),
}

impl<R: Rule> FromHistogram<R> {
    /// The most bins there can be.
    fn bins(&self, dtype: DType) -> u64 {
        match dtype {
            DType::F32 | DType::F64 => self.nbins as u64,
            DType::Bool | DType::U8 | DType::I8 => 256.max(self.nbins as u64),
            _ => MAX_VALUES.max(self.nbins as u64),
        }
    }
}

impl<R: Rule> ScanOp for FromHistogram<R> {
    fn name(&self) -> &'static str {
        self.rule.name()
    }

    fn state_bytes(&self, input: &ArraySpec) -> u64 {
        // Counts and edges.
        16 * (self.bins(input.dtype) + 1)
    }

    fn finish_bytes(&self, input: &ArraySpec) -> u64 {
        // Counts and centres, and what the rule computes of every bin.
        64 * (self.bins(input.dtype) + 1)
    }

    fn begin(&self, cx: &ScanCx<'_>) -> Result<Box<dyn ScanState>> {
        let (input, scalars) = (cx.input(), cx.scalars);
        let dtype = input.dtype;
        let counts = match is_narrow(dtype) {
            true => Counts::Values(ValueCounts::new(dtype)),
            false => Counts::of_range(self.rule.name(), self.nbins, dtype, scalars)?,
        };
        Ok(state(Counted { rule: self.rule.clone(), dtype, counts }))
    }
}

impl Counts {
    fn of_range(op: &str, nbins: usize, dtype: DType, scalars: &[Scalar]) -> Result<Self> {
        let span = span_of(op, scalars)?;
        if let [Some(lo), Some(hi)] = [scalars[0].to_i128(), scalars[1].to_i128()]
            && hi - lo < i128::from(MAX_VALUES)
        {
            return Ok(Counts::From { lo: scalars[0], counts: vec![0; (hi - lo + 1) as usize] });
        }
        let constant = (span.lo == span.hi).then_some(span.lo);
        let edges = edges(Span { of_data: true, ..span }, nbins, dtype);
        match (edges.first(), edges.last()) {
            (Some(first), Some(last)) if first < last => {
                Ok(Counts::Bins { bins: UniformBins::from_edges(edges), counts: vec![0; nbins], constant })
            }
            // A constant too large for bins around it.
            _ => Ok(Counts::Constant(span.lo)),
        }
    }
}

impl<R: Rule> Summary for Counted<R> {
    fn take(&mut self, tile: &View<'_>) {
        match &mut self.counts {
            Counts::Values(values) => values.add(tile),
            Counts::Bins { bins, counts, .. } => count_tile(tile, bins, counts),
            Counts::From { lo, counts } => match self.dtype {
                DType::U32 => add_from::<u32>(tile, lo, counts),
                DType::I32 => add_from::<i32>(tile, lo, counts),
                DType::U64 => add_from::<u64>(tile, lo, counts),
                _ => add_from::<i64>(tile, lo, counts),
            },
            Counts::Constant(_) => {}
        }
    }

    fn join(&mut self, other: Self) {
        match (&mut self.counts, other.counts) {
            (Counts::Values(a), Counts::Values(b)) => merge_counts(&mut a.counts, &b.counts),
            (Counts::From { counts: a, .. }, Counts::From { counts: b, .. })
            | (Counts::Bins { counts: a, .. }, Counts::Bins { counts: b, .. }) => merge_counts(a, &b),
            _ => {}
        }
    }

    fn answer(self) -> Result<Vec<Value>> {
        let seen = match self.counts {
            Counts::Constant(value) => {
                let centres = Centres::Double(vec![value]);
                Some(Distribution { counts: vec![1], centres, constant: Some(value) })
            }
            Counts::Values(values) => Distribution::of_values(values.least().into(), &values.counts),
            Counts::From { lo, counts } => Distribution::of_values(lo.to_i128().unwrap_or(0), &counts),
            Counts::Bins { bins, counts, constant } => {
                Some(Distribution::of_bins(self.dtype, bins.edges(), counts, constant))
            }
        };
        let name = self.rule.name();
        let seen = seen.ok_or_else(|| Error::op(name, "an empty array has no threshold"))?;
        let found = self.rule.find(&seen)?;
        let dtype = self.rule.dtype(self.dtype);
        let scalars = found.iter().map(|&t| Value::scalar(Scalar::from_f64(t, dtype)));
        match self.rule.list() {
            None => Ok(scalars.collect()),
            Some(_) => Ok(std::iter::once(list(&found, dtype)?).chain(scalars).collect()),
        }
    }
}

fn list(found: &[f64], dtype: DType) -> Result<Value> {
    match dtype {
        DType::I64 => vector(&found.iter().map(|&t| t as i64).collect::<Vec<_>>()),
        _ => vector(found),
    }
}

fn add_from<T: Element + Countable>(tile: &View<'_>, lo: &Scalar, counts: &mut [u64]) {
    let lo: T = bytemuck::pod_read_unaligned(lo.bytes());
    for_each_slice(tile, |xs: &[T]| count_from(xs, lo, counts));
}

/// The array that a threshold is wanted of.
pub(super) fn image(args: &Args) -> Result<(Array, ArraySpec)> {
    let (input, spec) = (args.array("input")?, args.spec("input")?);
    match spec.rank() {
        0 => Err(args.error("takes an array, not a scalar")),
        _ => Ok((input, spec)),
    }
}

/// The thresholds of an array by a rule.
pub(super) fn from_histogram<R: Rule>(
    args: &Args,
    nbins: usize,
    rule: R,
    ports: &'static [&'static str],
) -> Result<Array> {
    let (input, spec) = image(args)?;
    let mut inputs = vec![input.clone()];
    if !is_narrow(spec.dtype) {
        inputs.extend(range(&input));
    }
    let dtype = rule.dtype(spec.dtype);
    let scalar = Spec::Array(ArraySpec::scalar(dtype));
    let outputs = match rule.list() {
        None => vec![scalar],
        Some(n) => {
            let list = Spec::Array(ArraySpec::unnamed(&[n as u64], dtype));
            std::iter::once(list).chain(std::iter::repeat_n(scalar, n)).collect()
        }
    };
    Ok(Array::scan(FromHistogram { rule: Arc::new(rule), nbins }, inputs, outputs, ports))
}
