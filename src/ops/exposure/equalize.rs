//! `equalize_hist`

use crate::array::{ArraySpec, DType, Region, Spec, View, ViewMut};
use crate::error::{Error, Result};
use crate::graph::{Array, Cx, Need, ScanCx, ScanOp, ScanState, TileOp, Value};
use crate::kernels::histogram::{UniformBins, count_from};
use crate::ops::elementwise::cast;
use crate::ops::elementwise::rows::{Feed, map};
use crate::ops::histogram::{Span, ValueCounts, count_tile, edges, is_narrow, merge_counts, nbins, span_of, vector};
use crate::ops::scan::{Summary, for_each_slice, state};
use crate::ops::{Arg, Args, INPUT, OpDef, Param, Type, call};

/// Integers whose range is smaller get a bin per value.
const MAX_VALUES: u64 = 1 << 16;

/// Marks what a mask leaves out of integers of up to 16 bits.
const LEFT_OUT: i32 = i32::MIN;

/// The distribution function as a table: centres of bins, then the share of what lies in the bins up to each.
#[derive(Debug)]
struct Distribution {
    /// The type of the image; a masked one streams by in another.
    dtype: DType,
    nbins: usize,
}

enum Counted {
    Values(ValueCounts),
    Marked { least: i32, counts: Vec<u64> },
    Bins { dtype: DType, length: usize, bins: UniformBins, counts: Vec<u64> },
}

impl Distribution {
    /// Entries of each half of the table.
    fn length(&self) -> usize {
        match self.dtype {
            DType::F32 | DType::F64 => self.nbins,
            dtype if is_narrow(dtype) => 1 << (8 * dtype.size()),
            _ => self.nbins.max(MAX_VALUES as usize),
        }
    }
}

impl ScanOp for Distribution {
    fn name(&self) -> &'static str {
        "equalize_hist (distribution)"
    }

    fn state_bytes(&self, _input: &ArraySpec) -> u64 {
        // Counts and edges.
        16 * (self.length() as u64 + 1)
    }

    fn finish_bytes(&self, _input: &ArraySpec) -> u64 {
        // The table, as it is made and as it is kept.
        48 * self.length() as u64
    }

    fn begin(&self, cx: &ScanCx<'_>) -> Result<Box<dyn ScanState>> {
        let (input, scalars) = (cx.input(), cx.scalars);
        if is_narrow(input.dtype) {
            return Ok(state(Counted::Values(ValueCounts::new(input.dtype))));
        }
        let length = self.length();
        if is_narrow(self.dtype) {
            let least = self.dtype.integer_range().map_or(0, |(least, _)| least as i32);
            return Ok(state(Counted::Marked { least, counts: vec![0; length] }));
        }
        let span = span_of("equalize_hist", scalars)?;
        let whole = !self.dtype.is_float() && span.hi - span.lo < MAX_VALUES as f64;
        let edges = match whole {
            true => edges(
                Span { lo: span.lo - 0.5, hi: span.hi + 0.5, of_data: false },
                (span.hi - span.lo) as usize + 1,
                DType::F64,
            ),
            false => edges(span, self.nbins, self.dtype),
        };
        match (edges.first(), edges.last()) {
            (Some(first), Some(last)) if first < last => {
                let counts = vec![0; edges.len() - 1];
                let bins = UniformBins::from_edges(edges);
                Ok(state(Counted::Bins { dtype: self.dtype, length, bins, counts }))
            }
            _ => Err(Error::op("equalize_hist", "the range of the data is too small for their precision")),
        }
    }
}

impl Summary for Counted {
    fn take(&mut self, tile: &View<'_>) {
        match self {
            Counted::Values(values) => values.add(tile),
            Counted::Marked { least, counts } => for_each_slice(tile, |xs: &[i32]| count_from(xs, *least, counts)),
            Counted::Bins { bins, counts, .. } => count_tile(tile, bins, counts),
        }
    }

    fn join(&mut self, other: Self) {
        match (self, other) {
            (Counted::Values(a), Counted::Values(b)) => merge_counts(&mut a.counts, &b.counts),
            (Counted::Marked { counts: a, .. }, Counted::Marked { counts: b, .. })
            | (Counted::Bins { counts: a, .. }, Counted::Bins { counts: b, .. }) => merge_counts(a, &b),
            _ => {}
        }
    }

    fn answer(self) -> Result<Vec<Value>> {
        let (mut centres, counts, length) = match self {
            Counted::Values(values) => (from(values.least(), values.counts.len()), values.counts, 0),
            Counted::Marked { least, counts } => (from(least.into(), counts.len()), counts, 0),
            Counted::Bins { dtype, length, bins, counts } => (centres(dtype, bins.edges()), counts, length),
        };
        let total: u64 = counts.iter().sum();
        if total == 0 {
            return Err(Error::op("equalize_hist", "there is nothing to take the distribution of"));
        }
        let mut sum = 0;
        let mut shares: Vec<f64> = counts
            .iter()
            .map(|count| {
                sum += count;
                sum as f64 / total as f64
            })
            .collect();
        // The bins of small integers begin below the least that was counted, where NumPy has none.
        if length == 0 {
            let least = shares.iter().copied().find(|&share| share > 0.0).unwrap_or(0.0);
            shares.iter_mut().take_while(|share| **share == 0.0).for_each(|share| *share = least);
        }
        // A table of values that do not fill it ends in copies of the last.
        let last = centres.last().copied().unwrap_or(0.0);
        centres.resize(length.max(centres.len()), last);
        shares.resize(centres.len(), 1.0);
        centres.append(&mut shares);
        Ok(vec![vector(&centres)?])
    }
}

fn from(least: i64, length: usize) -> Vec<f64> {
    (least..).take(length).map(|v| v as f64).collect()
}

fn centres(dtype: DType, edges: &[f64]) -> Vec<f64> {
    let single = |e: &[f64]| f64::from((e[0] as f32 + e[1] as f32) / 2.0);
    let double = |e: &[f64]| (e[0] + e[1]) / 2.0;
    edges.windows(2).map(|e| if dtype == DType::F32 { single(e) } else { double(e) }).collect()
}

/// Looks elements up in the table, between its entries on the line through them.
#[derive(Debug)]
struct LookUp;

impl TileOp for LookUp {
    fn name(&self) -> &'static str {
        "equalize_hist"
    }

    fn need(&self, input: usize, out: &Region, inputs: &[ArraySpec]) -> Need {
        if input == 0 { Need::inside(out) } else { Need::inside(&Region::whole(&inputs[input].shape)) }
    }

    fn run(&self, _cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, _scratch: &mut [u8]) -> Result<()> {
        let table: &[f64] = inputs[1].typed();
        let (centres, shares) = table.split_at(table.len() / 2);
        let x = Feed::Rows(inputs[0].clone());
        match inputs[0].dtype() {
            DType::Bool | DType::U8 | DType::I8 | DType::U16 | DType::I16 => {
                let least = centres[0] as i32;
                map(&x, out, |x: i32| shares.get((x - least) as usize).copied().unwrap_or(1.0));
            }
            _ => {
                let per_bin = (centres[1.min(centres.len() - 1)] - centres[0]).recip();
                map(&x, out, |x: f64| between(x, centres, shares, per_bin));
            }
        }
        Ok(())
    }

    fn cost(&self) -> f64 {
        5.0
    }
}

/// `numpy.interp`
fn between(x: f64, centres: &[f64], shares: &[f64], per_bin: f64) -> f64 {
    let last = centres.len() - 1;
    if x.is_nan() {
        return f64::NAN;
    }
    if x <= centres[0] {
        return shares[0];
    }
    if x >= centres[last] {
        return shares[last];
    }
    // The centres lie evenly, but for rounding.
    let mut bin = (((x - centres[0]) * per_bin) as usize).min(last - 1);
    while x < centres[bin] {
        bin -= 1;
    }
    while x >= centres[bin + 1] {
        bin += 1;
    }
    let slope = (shares[bin + 1] - shares[bin]) / (centres[bin + 1] - centres[bin]);
    slope * (x - centres[bin]) + shares[bin]
}

/// What streams by to be counted, and its range where it is needed.
fn counted(input: &Array, dtype: DType, mask: Option<Array>) -> Result<Vec<Array>> {
    let choose = |yes: &Array, no: Arg| {
        let Some(mask) = &mask else { return Ok(yes.clone()) };
        call("where", vec![Arg::Array(mask.clone()), Arg::Array(yes.clone()), no], vec![])
    };
    if is_narrow(dtype) {
        return match mask {
            None => Ok(vec![input.clone()]),
            Some(_) => Ok(vec![choose(&cast::to(input, DType::I32), i64::from(LEFT_OUT).into())?]),
        };
    }
    let wide = if dtype == DType::F32 { input.clone() } else { cast::to(input, DType::F64) };
    let end = |op: &str, outside: f64| call(op, vec![Arg::Array(choose(&wide, outside.into())?)], vec![]);
    Ok(vec![choose(&wide, f64::NAN.into())?, end("min", f64::INFINITY)?, end("max", f64::NEG_INFINITY)?])
}

fn equalize_hist(args: &Args) -> Result<Array> {
    let (input, spec) = (args.array("input")?, args.spec("input")?);
    if spec.rank() == 0 {
        return Err(args.error("takes an array, not a scalar"));
    }
    let mask = if args.given("mask") { Some(args.array("mask")?) } else { None };
    if mask.as_ref().and_then(Array::shape).is_some_and(|shape| *shape != spec.shape) {
        return Err(args.error("`mask` has another shape than the input"));
    }
    let scan = Distribution { dtype: spec.dtype, nbins: nbins(args, "nbins", 256)? };
    let table = Spec::Array(ArraySpec::unnamed(&[2 * scan.length() as u64], DType::F64));
    let table = Array::scan(scan, counted(&input, spec.dtype, mask)?, vec![table], &[]);
    Ok(Array::tile(LookUp, vec![input, table], spec.with_dtype(spec.dtype.float())))
}

/// `equalize_hist`
pub static EQUALIZE_HIST: OpDef = OpDef {
    name: "equalize_hist",
    family: "exposure",
    summary: "Histogram equalisation: each value becomes the share of the pixels that do not lie above it.",
    details: "Gives floats from 0 to 1: float32, or float64 for float64 and 32- and 64-bit integer input (scikit-image \
        gives float64 for all integers). Integers have one bin per value, or, where they range over more than 65536 \
        values, `nbins` bins as floats do; between the centres of bins the distribution is taken to be linear. With `mask` \
        only the pixels where it holds are counted, and all are transformed. Floats must be finite where they are \
        counted. Two passes for types of up to 16 bits, else three.",
    reference: "skimage.exposure.equalize_hist",
    params: &[
        INPUT,
        Param {
            name: "nbins",
            ty: Type::Integer,
            default: Some("256"),
            doc: "The number of bins for floats; at least 1.",
        },
        Param {
            name: "mask",
            ty: Type::Array,
            default: Some("none"),
            doc: "Where pixels count; of the shape of the input.",
        },
    ],
    returns: &[("equalized", "The shares, in floats.")],
    examples: &["equalize_hist(input)", "equalize_hist(input, nbins=16, mask=input >= mean(input))"],
    build: equalize_hist,
};
