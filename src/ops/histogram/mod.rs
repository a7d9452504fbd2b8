//! Histograms, as NumPy counts them.

mod along;
mod columns;

use super::labelled::{INDEX, LABELS, bins as by_label, labelled};
use super::reduce::range;
use super::scan::{Summary, for_each_slice, state};
use super::{Args, INPUT, OpDef, Param, Type};
use crate::array::{ArraySpec, Buffer, Column, DType, Element, Scalar, Spec, TableSpec, View, with_dtype};
use crate::error::{Error, Result};
use crate::graph::{Array, MemArray, ScanCx, ScanOp, ScanState, Table, Value};
use crate::kernels::convert::{Convert, convert_slice};
use crate::kernels::histogram::{Narrow, UniformBins, count_uniform, count_values};
use std::sync::Arc;

/// Whether a table with an entry for every value of the type is small.
pub(crate) fn is_narrow(dtype: DType) -> bool {
    dtype.size() <= 2
}

/// Counts every value of an 8- or 16-bit type.
#[derive(Clone, Debug)]
pub(crate) struct ValueCounts {
    dtype: DType,
    /// One per value, ascending.
    pub counts: Vec<u64>,
}

impl ValueCounts {
    /// Nothing counted.
    pub fn new(dtype: DType) -> Self {
        ValueCounts { dtype, counts: vec![0; 1 << (8 * dtype.size())] }
    }

    /// The bytes of the table.
    pub fn bytes(dtype: DType) -> u64 {
        8 << (8 * dtype.size())
    }

    /// The smallest value of the type.
    pub fn least(&self) -> i64 {
        self.dtype.integer_range().map_or(0, |(least, _)| least as i64)
    }

    /// The first and last entries that are not zero.
    pub fn ends(&self) -> Option<(usize, usize)> {
        let first = self.counts.iter().position(|&c| c > 0)?;
        let last = self.counts.iter().rposition(|&c| c > 0)?;
        Some((first, last))
    }

    /// Counts the elements of a box.
    pub fn add(&mut self, tile: &View<'_>) {
        match tile.dtype() {
            DType::I8 => self.add_as::<i8>(tile),
            DType::U16 => self.add_as::<u16>(tile),
            DType::I16 => self.add_as::<i16>(tile),
            _ => self.add_as::<u8>(tile),
        }
    }

    fn add_as<T: Element + Narrow>(&mut self, tile: &View<'_>) {
        for_each_slice(tile, |xs: &[T]| count_values(xs, &mut self.counts));
    }
}

/// Adds counts to others, bin by bin.
pub(crate) fn merge_counts(counts: &mut [u64], more: &[u64]) {
    counts.iter_mut().zip(more).for_each(|(c, m)| *c += m);
}

/// Counts the elements of a box in bins, as doubles.
pub(crate) fn count_tile(tile: &View<'_>, bins: &UniformBins, counts: &mut [u64]) {
    match tile.dtype() {
        DType::F32 => for_each_slice(tile, |xs: &[f32]| count_uniform(xs, bins, counts)),
        DType::F64 => for_each_slice(tile, |xs: &[f64]| count_uniform(xs, bins, counts)),
        dtype => with_dtype!(dtype, T => for_each_slice(tile, |xs: &[T]| count_converted(xs, bins, counts))),
    }
}

fn count_converted<T: Convert<f64> + Copy>(xs: &[T], bins: &UniformBins, counts: &mut [u64]) {
    const BLOCK: usize = 512;
    let mut doubles = [0.0; BLOCK];
    for block in xs.chunks(BLOCK) {
        let doubles = &mut doubles[..block.len()];
        convert_slice(block, doubles);
        count_uniform(doubles, bins, counts);
    }
}

/// The range of a histogram: given, or that of the data.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    /// The left edge of the first bin.
    pub lo: f64,
    /// The right edge of the last bin.
    pub hi: f64,
    /// Whether the ends are elements of the array.
    pub of_data: bool,
}

/// NumPy's bin edges for data of type `dtype`: single for single data, else double. Of a range that was found in
/// single data even the steps are.
pub(crate) fn edges(span: Span, nbins: usize, dtype: DType) -> Vec<f64> {
    if dtype != DType::F32 {
        return UniformBins::new(span.lo, span.hi, nbins).edges().to_vec();
    }
    if !span.of_data {
        let doubles = UniformBins::new(span.lo, span.hi, nbins);
        return doubles.edges().iter().map(|&e| f64::from(e as f32)).collect();
    }
    let (mut lo, mut hi) = (span.lo as f32, span.hi as f32);
    if lo == hi {
        (lo, hi) = (lo - 0.5, hi + 0.5);
    }
    let (width, n) = (hi - lo, nbins as f32);
    let step = width / n;
    let offset = |i: usize| if step == 0.0 { i as f32 / n * width } else { i as f32 * step };
    let mut edges: Vec<f64> = (0..nbins).map(|i| f64::from(offset(i) + lo)).collect();
    edges.push(f64::from(hi));
    edges
}

/// The range that the smallest and the largest element give.
///
/// # Errors
/// When there is none, because of NaN or infinities.
pub(crate) fn span_of(op: &str, scalars: &[Scalar]) -> Result<Span> {
    let [lo, hi] = scalars else { return Err(Error::op(op, "the range of the data is missing")) };
    let (lo, hi) = (lo.to_f64(), hi.to_f64());
    if (hi - lo).is_finite() {
        return Ok(Span { lo, hi, of_data: true });
    }
    Err(Error::op(
        op,
        format!("the data range from {lo} to {hi}, which cannot be cut into bins; remove NaN and infinities"),
    ))
}

#[derive(Debug)]
struct Histogram {
    nbins: usize,
    range: Option<(f64, f64)>,
}

impl Histogram {
    fn given(&self) -> Option<Span> {
        self.range.map(|(lo, hi)| Span { lo, hi, of_data: false })
    }
}

enum Counted {
    /// Every value; binned at the end, when the range is known.
    Values {
        counts: ValueCounts,
        span: Option<Span>,
        nbins: usize,
    },
    Bins {
        bins: UniformBins,
        counts: Vec<u64>,
    },
}

impl ScanOp for Histogram {
    fn name(&self) -> &'static str {
        "histogram"
    }

    fn state_bytes(&self, input: &ArraySpec) -> u64 {
        let values = if is_narrow(input.dtype) { ValueCounts::bytes(input.dtype) } else { 0 };
        // Counts and edges.
        values + 16 * (self.nbins as u64 + 1)
    }

    fn finish_bytes(&self, _input: &ArraySpec) -> u64 {
        // Counts, edges and the table's columns.
        48 * (self.nbins as u64 + 1)
    }

    fn begin(&self, cx: &ScanCx<'_>) -> Result<Box<dyn ScanState>> {
        let (input, scalars) = (cx.input(), cx.scalars);
        if is_narrow(input.dtype) {
            let counts = ValueCounts::new(input.dtype);
            return Ok(state(Counted::Values { counts, span: self.given(), nbins: self.nbins }));
        }
        let span = match self.given() {
            Some(span) => span,
            None => span_of("histogram", scalars)?,
        };
        let bins = bins_of(edges(span, self.nbins, input.dtype))?;
        Ok(state(Counted::Bins { bins, counts: vec![0; self.nbins] }))
    }
}

pub(crate) fn bins_of(edges: Vec<f64>) -> Result<UniformBins> {
    match (edges.first(), edges.last()) {
        (Some(lo), Some(hi)) if lo < hi => Ok(UniformBins::from_edges(edges)),
        _ => Err(Error::op("histogram", "the range is too small for the precision of the data")),
    }
}

impl Summary for Counted {
    fn take(&mut self, tile: &View<'_>) {
        match self {
            Counted::Values { counts, .. } => counts.add(tile),
            Counted::Bins { bins, counts } => count_tile(tile, bins, counts),
        }
    }

    fn join(&mut self, other: Self) {
        match (self, other) {
            (Counted::Values { counts, .. }, Counted::Values { counts: more, .. }) => {
                merge_counts(&mut counts.counts, &more.counts);
            }
            (Counted::Bins { counts, .. }, Counted::Bins { counts: more, .. }) => merge_counts(counts, &more),
            _ => {}
        }
    }

    fn answer(self) -> Result<Vec<Value>> {
        match self {
            Counted::Bins { bins, counts } => results(&counts, bins.edges()),
            Counted::Values { counts, span, nbins } => {
                let Some(span) = span.or_else(|| values_span(&counts)) else {
                    return Err(Error::op("histogram", "an empty array has no range; give `range`"));
                };
                let edges = edges(span, nbins, DType::F64);
                results(&binned(&counts, &edges), &edges)
            }
        }
    }
}

fn values_span(counts: &ValueCounts) -> Option<Span> {
    let (first, last) = counts.ends()?;
    let value = |at: usize| (at as i64 + counts.least()) as f64;
    Some(Span { lo: value(first), hi: value(last), of_data: true })
}

/// Counts of values as counts of bins: each holds its left edge, the last also its right one.
fn binned(values: &ValueCounts, edges: &[f64]) -> Vec<u64> {
    let mut bins = vec![0; edges.len() - 1];
    let (last, most) = (bins.len() - 1, edges[edges.len() - 1]);
    for (at, &count) in values.counts.iter().enumerate().filter(|&(_, &count)| count > 0) {
        let value = (at as i64 + values.least()) as f64;
        if value <= most && value >= edges[0] {
            let above = edges.partition_point(|&e| e <= value);
            bins[(above - 1).min(last)] += count;
        }
    }
    bins
}

fn results(counts: &[u64], edges: &[f64]) -> Result<Vec<Value>> {
    let counts: Vec<i64> = counts.iter().map(|&c| c as i64).collect();
    let (rows, bytes) = (counts.len(), bytemuck::cast_slice);
    let columns = [bytes(&edges[..rows]), bytes(&edges[1..]), bytemuck::cast_slice(&counts)];
    let table = Table::of_columns(table_spec(), rows as u64, &columns)?;
    Ok(vec![vector(&counts)?, vector(edges)?, Value::Table(Arc::new(table))])
}

fn buffer<T: Element>(values: &[T]) -> Result<Buffer> {
    let mut buffer = Buffer::new(size_of_val(values))?;
    buffer.bytes_mut().copy_from_slice(bytemuck::cast_slice(values));
    Ok(buffer)
}

/// A small array of those values.
pub(crate) fn vector<T: Element>(values: &[T]) -> Result<Value> {
    let spec = ArraySpec::unnamed(&[values.len() as u64], T::DTYPE);
    Ok(Value::Array(Arc::new(MemArray { spec, data: buffer(values)? })))
}

fn table_spec() -> TableSpec {
    let column = |name: &str, dtype| Column { name: name.to_string(), dtype };
    TableSpec {
        columns: vec![column("bin_left", DType::F64), column("bin_right", DType::F64), column("count", DType::I64)],
    }
}

/// The most bins a histogram may have.
const MAX_BINS: i64 = 1 << 22;

/// A number of bins, or an error that names the range.
pub(crate) fn nbins(args: &Args, name: &str, default: i64) -> Result<usize> {
    let n = args.integer(name, default)?;
    if (1..=MAX_BINS).contains(&n) {
        return Ok(n as usize);
    }
    Err(args.error(format!("`{name}` is {n}, it lies in 1..={MAX_BINS}")))
}

fn given_range(args: &Args, dtype: DType) -> Result<Option<(f64, f64)>> {
    if !args.given("range") {
        return Ok(None);
    }
    match args.numbers("range")?[..] {
        // Edges are singles for singles, and must not fall together.
        [lo, hi] if lo > hi || !(hi - lo).is_finite() || (dtype == DType::F32 && lo < hi && lo as f32 == hi as f32) => {
            Err(args.error(format!("`range` goes from {lo} to {hi}: it must go upwards, to where {dtype} can tell")))
        }
        [lo, hi] => Ok(Some((lo, hi))),
        _ => Err(args.error("`range` is a pair [first, last]")),
    }
}

fn histogram(args: &Args) -> Result<Array> {
    let (input, spec) = (args.array("input")?, args.spec("input")?);
    if spec.rank() == 0 {
        return Err(args.error("takes an array, not a scalar"));
    }
    let nbins = nbins(args, "bins", 10)?;
    let range_given = given_range(args, spec.dtype)?;
    if args.given("labels") || args.given("index") {
        return labelled(args, "input", by_label(args, range_given, nbins)?);
    }
    if args.given("axis") {
        return along::along(args, &input, &spec, nbins, range_given);
    }
    Ok(whole(&input, &spec, nbins, range_given))
}

/// The histogram of all elements.
fn whole(input: &Array, spec: &ArraySpec, nbins: usize, range_given: Option<(f64, f64)>) -> Array {
    let mut inputs = vec![input.clone()];
    if range_given.is_none() && !is_narrow(spec.dtype) {
        inputs.extend(range(input));
    }
    let outputs = vec![
        Spec::Array(ArraySpec::unnamed(&[nbins as u64], DType::I64)),
        Spec::Array(ArraySpec::unnamed(&[nbins as u64 + 1], DType::F64)),
        Spec::Table(table_spec()),
    ];
    let op = Histogram { nbins, range: range_given };
    Array::scan(op, inputs, outputs, &["counts", "bin_edges", "table"])
}

/// `histogram`
pub static HISTOGRAM: OpDef = OpDef {
    name: "histogram",
    family: "reductions",
    summary: "How many elements lie in each of equal bins.",
    details: "A bin holds its left edge, the last one also its right edge. Elements outside the range are not counted. \
        Without `range` the bins span the data, which costs a pass of its own for types of more than 16 bits, and is an \
        error where the data hold NaN or infinities; data that are all equal get a range of ±0.5. The edges of float32 \
        data are float32 numbers, as in NumPy.\n\nWith `axis` there is a histogram for every position of the other axes, \
        all over the same bins (without `range` those of the whole array, which then costs a pass for every type): the \
        counts have those axes and the bins as their last one. Up to 4 MiB of them are counted in one sweep, every worker \
        with counts of its own; more are counted box by box from whole columns of the array, and have no table.\n\nWith `labels` (an integer array of the same shape) it is scipy's \
        measurement by label: only the counts, of the pixels with a label above 0, or with `index` of one label or of \
        each of a list, along a last axis of the result; `index=\"all\"` gives a table of all labels above 0. `range` \
        must be given, bins may be up to 4096, and edges are float64.",
    reference: "numpy.histogram",
    params: &[
        INPUT,
        Param { name: "bins", ty: Type::Integer, default: Some("10"), doc: "The number of bins; at least 1." },
        Param {
            name: "range",
            ty: Type::Any,
            default: Some("none"),
            doc: "The outer edges [first, last]; none for those of the data.",
        },
        Param {
            name: "axis",
            ty: Type::Axes,
            default: Some("none"),
            doc: "The axes to count along: letters (\"yx\"), a number or a list of numbers; none for all of them.",
        },
        LABELS,
        INDEX,
    ],
    returns: &[
        ("counts", "int64, one per bin; with `axis` the axes that stay come first."),
        ("bin_edges", "float64, one more than bins."),
        (
            "table",
            "The columns bin_left, bin_right and count; with `axis` one more for every axis that stays, up to 4 MiB of counts.",
        ),
    ],
    examples: &[
        "histogram(input)",
        "histogram(input, bins=16, range=[0, 100])",
        "histogram(input, bins=5, axis=0)",
        "histogram(input, bins=7, range=[-3, 50.5], axis=-1)",
        "histogram(input, axis=[0, -1])",
        "histogram(input, bins=3, axis=-1).bin_edges",
        "histogram(input, 4, [0, 200], labels=input > 20, index=[1, 0, 7])",
    ],
    build: histogram,
};
