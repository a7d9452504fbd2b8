//! Li's minimum cross entropy threshold: repeated means of what lies below and above, in histograms.

use super::counts::{Distribution, Rule, from_histogram, image};
use crate::array::{ArraySpec, DType, Element, Scalar, Spec, View, with_dtype};
use crate::error::{Error, Result};
use crate::graph::{Array, ScanCx, ScanOp, ScanState, Value};
use crate::kernels::distinct::{DistinctCounts, MOST_DISTINCT};
use crate::kernels::zoom::{self, ZoomedSums};
use crate::ops::histogram::is_narrow;
use crate::ops::scan::{Summary, for_each_slice, state};
use crate::ops::{Args, INPUT, OpDef, Param, Type};

const NAME: &str = "threshold_li";

/// Far more rounds than any data take; the iteration converges like a contraction.
const MAX_ROUNDS: usize = 10_000;

#[derive(Clone, Copy, Debug)]
struct Li {
    /// `None` for half the smallest difference between two values.
    tolerance: Option<f64>,
    guess: Option<f64>,
}

impl Li {
    /// Where the iteration starts, above the least value, of data of that type whose mean and greatest value are known.
    fn start(&self, dtype: DType, least: f64, mean: f64, most: f64) -> Result<f64> {
        let Some(guess) = self.guess else { return Ok(mean) };
        let start = guess - least;
        if !(start > 0.0 && start < most) {
            let most = most + least;
            let what = format!("`initial_guess` is {guess}, it lies between {least} and {most}, the ends of the data");
            return Err(Error::op(NAME, what));
        }
        Ok(match dtype {
            DType::F32 => f64::from(start as f32),
            DType::F64 => start,
            _ => start.trunc(),
        })
    }

    /// The threshold of values above the least one, with how often each occurs.
    fn of_values(&self, dtype: DType, least: f64, values: &[(f64, f64)]) -> Result<f64> {
        let (count, sum) = moments(values);
        let most = values.last().map_or(0.0, |v| v.0);
        let tolerance = self.tolerance.unwrap_or_else(|| half_smallest_step(dtype, values));
        let start = self.start(dtype, least, sum / count, most)?;
        let found = iterate(start, tolerance, |t| {
            let split = values.partition_point(|v| v.0 <= t);
            let (below, above) = (moments(&values[..split]), moments(&values[split..]));
            Some((below.1 / below.0, above.1 / above.0))
        });
        Ok(found + least)
    }
}

/// How many, and their sum.
fn moments(values: &[(f64, f64)]) -> (f64, f64) {
    values.iter().fold((0.0, 0.0), |(count, sum), &(value, n)| (count + n, sum + value * n))
}

fn half_smallest_step(dtype: DType, values: &[(f64, f64)]) -> f64 {
    if !dtype.is_float() {
        return 0.5;
    }
    values.windows(2).map(|w| w[1].0 - w[0].0).fold(f64::INFINITY, f64::min) / 2.0
}

/// scikit-image's loop: stops when the threshold moves by no more than the tolerance, when all below it is the least
/// value, or where `means` has none.
fn iterate(start: f64, tolerance: f64, mut means: impl FnMut(f64) -> Option<(f64, f64)>) -> f64 {
    let (mut last, mut next) = (-2.0 * tolerance, start);
    for _ in 0..MAX_ROUNDS {
        if (next - last).abs() <= tolerance {
            break;
        }
        let Some((below, above)) = means(next) else { break };
        last = next;
        if below == 0.0 {
            break;
        }
        next = (below - above) / (below.ln() - above.ln());
    }
    next
}

impl Rule for Li {
    fn name(&self) -> &'static str {
        NAME
    }

    fn dtype(&self, _input: DType) -> DType {
        DType::F64
    }

    fn find(&self, seen: &Distribution) -> Result<Vec<f64>> {
        if let Some(value) = seen.constant {
            return Ok(vec![value]);
        }
        let least = seen.centres.at(0);
        let counts = seen.counts.iter().enumerate().filter(|&(_, &count)| count > 0);
        let values: Vec<(f64, f64)> = counts.map(|(k, &count)| (k as f64, count as f64)).collect();
        Ok(vec![self.of_values(DType::I64, least, &values)?])
    }
}

/// The first sweep over wide types: the range, and the answer if there are few values.
#[derive(Debug)]
struct Values(Li);

struct SeenValues {
    li: Li,
    dtype: DType,
    values: DistinctCounts,
}

impl ScanOp for Values {
    fn name(&self) -> &'static str {
        "threshold_li (values)"
    }

    fn state_bytes(&self, _input: &ArraySpec) -> u64 {
        DistinctCounts::BYTES
    }

    fn finish_bytes(&self, _input: &ArraySpec) -> u64 {
        // The values with their counts, sorted.
        16 * MOST_DISTINCT as u64
    }

    fn begin(&self, cx: &ScanCx<'_>) -> Result<Box<dyn ScanState>> {
        let input = cx.input();
        Ok(state(SeenValues { li: self.0, dtype: input.dtype, values: DistinctCounts::new() }))
    }
}

impl Summary for SeenValues {
    fn take(&mut self, tile: &View<'_>) {
        with_dtype!(tile.dtype(), T => for_each_slice(tile, |xs: &[T]| self.values.add(xs.iter().map(|x| x.to_f64()))));
    }

    fn join(&mut self, other: Self) {
        self.values.merge(&other.values);
    }

    fn answer(self) -> Result<Vec<Value>> {
        let (lo, hi) = self.values.range().unwrap_or((f64::NAN, f64::NAN));
        let known = match self.values.without_infinities() {
            Some(answer) => Some(answer),
            None => match self.values.sorted() {
                Some(mut values) => {
                    values.iter_mut().for_each(|(value, _)| *value -= lo);
                    Some(self.li.of_values(self.dtype, lo, &values)?)
                }
                None => None,
            },
        };
        let known = known.unwrap_or(f64::NAN);
        Ok([lo, hi, known].map(|v| Value::scalar(Scalar::of(v))).into())
    }
}

/// The sweeps that follow where there are many values: sums in bins over the range, then in bins around the threshold
/// that these gave.
#[derive(Debug)]
struct Zoomed {
    li: Li,
    dtype: DType,
    around: bool,
}

struct SeenSums {
    li: Li,
    dtype: DType,
    frame: Option<Frame>,
    /// The answer, where the first sweep has found it.
    known: f64,
    around: bool,
}

/// What a sweep looks at.
struct Frame {
    lo: f64,
    hi: f64,
    sums: ZoomedSums,
    /// Where the second sweep starts, in steps of the grid.
    start: Option<f64>,
}

impl ScanOp for Zoomed {
    fn name(&self) -> &'static str {
        if self.around { "threshold_li (around the threshold)" } else { "threshold_li (over the range)" }
    }

    fn state_bytes(&self, _input: &ArraySpec) -> u64 {
        ZoomedSums::BYTES
    }

    fn finish_bytes(&self, _input: &ArraySpec) -> u64 {
        // Counts and sums up to each bin, and the thresholds that were tried.
        ZoomedSums::BYTES + 8 * MAX_ROUNDS as u64
    }

    fn begin(&self, cx: &ScanCx<'_>) -> Result<Box<dyn ScanState>> {
        let scalars = cx.scalars;
        let given: Vec<f64> = scalars.iter().map(Scalar::to_f64).collect();
        let (frame, known) = match given[..] {
            [lo, hi, known] if known.is_nan() && lo < hi => {
                (Some(Frame { lo, hi, sums: ZoomedSums::over(lo, hi), start: None }), known)
            }
            [lo, hi, known, start, last] if known.is_nan() && lo < hi => {
                let sums = ZoomedSums::around(lo, hi, zoom::window(last));
                (Some(Frame { lo, hi, sums, start: Some(start) }), known)
            }
            [_, _, known, ..] => (None, known),
            _ => return Err(Error::op(NAME, "the range of the data is missing")),
        };
        Ok(state(SeenSums { li: self.li, dtype: self.dtype, frame, known, around: self.around }))
    }
}

impl Summary for SeenSums {
    fn take(&mut self, tile: &View<'_>) {
        let Some(frame) = &mut self.frame else { return };
        with_dtype!(tile.dtype(), T => for_each_slice(tile, |xs: &[T]| frame.sums.add(xs.iter().map(|x| x.to_f64()))));
    }

    fn join(&mut self, other: Self) {
        if let (Some(a), Some(b)) = (&mut self.frame, other.frame) {
            a.sums.merge(&b.sums);
        }
    }

    fn answer(self) -> Result<Vec<Value>> {
        let outputs = match &self.frame {
            Some(frame) => self.sweep(frame)?,
            None => [self.known; 2],
        };
        let outputs = &outputs[..if self.around { 1 } else { 2 }];
        Ok(outputs.iter().map(|&v| Value::scalar(Scalar::of(v))).collect())
    }
}

impl SeenSums {
    /// The tolerance in steps of the grid; where it is to be half the smallest difference between floats, which are
    /// many, the finest there is.
    fn tolerance(&self, step: f64) -> f64 {
        let integers = (!self.dtype.is_float()).then_some(0.5);
        self.li.tolerance.or(integers).map_or(1.0, |t| (t / step).max(1.0))
    }

    /// Of the first sweep where the second one starts and where this one ended, in steps of the grid. The second gives the
    /// threshold (twice).
    fn sweep(&self, frame: &Frame) -> Result<[f64; 2]> {
        let sums = frame.sums.summed();
        let step = zoom::step(frame.lo, frame.hi);
        let (total, tolerance) = (sums.total(), self.tolerance(step));
        match frame.start {
            None => {
                let mean = total.1 / total.0 * step;
                let start = self.li.start(self.dtype, frame.lo, mean, frame.hi - frame.lo)? / step;
                let mut tried = Vec::with_capacity(MAX_ROUNDS);
                iterate(start, tolerance, |t| {
                    tried.push(t);
                    Some(means(sums.below(t), total))
                });
                Ok(entry(&tried).unwrap_or([start; 2]))
            }
            Some(start) => {
                let found = iterate(start, tolerance, |t| Some(means(sums.below_inside(t)?, total)));
                Ok([frame.lo + found * step; 2])
            }
        }
    }
}

/// Where the thresholds came to the window around the last of them to stay, and the last. From there the next sweep
/// comes from the side that it would with all values at hand: where the iteration can end at several values that lie close
/// together, it ends at the same.
fn entry(tried: &[f64]) -> Option<[f64; 2]> {
    let &last = tried.last()?;
    let window = zoom::window(last);
    let first = tried.iter().rev().take_while(|&&t| zoom::holds(window, t)).last();
    Some([first.copied().unwrap_or(last), last])
}

fn means(below: (f64, f64), total: (f64, f64)) -> (f64, f64) {
    (below.1 / below.0, (total.1 - below.1) / (total.0 - below.0))
}

fn threshold_li(args: &Args) -> Result<Array> {
    let optional = |name: &str| if args.given(name) { args.number(name, 0.0).map(Some) } else { Ok(None) };
    // As in scikit-image zero is none.
    let tolerance = optional("tolerance")?.filter(|&t| t != 0.0);
    if let Some(negative) = tolerance.filter(|&t| t < 0.0) {
        return Err(args.error(format!("`tolerance` is {negative}, it must not be negative")));
    }
    let li = Li { tolerance, guess: optional("initial_guess")? };
    let (input, spec) = image(args)?;
    if is_narrow(spec.dtype) {
        return from_histogram(args, 1, li, &[]);
    }
    let double = || Spec::Array(ArraySpec::scalar(DType::F64));
    let values = Array::scan(Values(li), vec![input.clone()], vec![double(); 3], &["lo", "hi", "known"]);
    let mut inputs = vec![input];
    for port in ["lo", "hi", "known"] {
        inputs.push(values.output(port)?);
    }
    let zoomed = |around| Zoomed { li, dtype: spec.dtype, around };
    let coarse = Array::scan(zoomed(false), inputs.clone(), vec![double(); 2], &["start", "last"]);
    inputs.extend([coarse.output("start")?, coarse.output("last")?]);
    Ok(Array::scan(zoomed(true), inputs, vec![double()], &[]))
}

/// `threshold_li`
pub static THRESHOLD_LI: OpDef = OpDef {
    name: NAME,
    family: "thresholds",
    summary: "The threshold of minimum cross entropy (Li).",
    details: "Starts from the mean, or from `initial_guess`, and moves to the logarithmic mean of the means on the two \
        sides, above the least value, until it moves by no more than `tolerance` (C. H. Li, P. K. S. Tam, An iterative \
        algorithm for minimum cross entropy thresholding, 1998). NaN and infinities are left out; a constant image \
        gives its value.\n\nTypes of up to 16 bits take one pass. Others take three: one for the range and for the \
        values themselves; two for sums in 65536 bins over the range, then in 65536 bins around the threshold. Data of \
        up to 65536 different values are treated as scikit-image does, in float64. Of more values the means \
        are exact to 2^-30 of the range at the last threshold, and the default tolerance, half the smallest difference, is \
        taken to be nothing, so that the iteration goes on to its end: 1e-6 of scikit-image, unless a few elements \
        stretch the range more than a thousandfold. scikit-image computes in the type of the data, which wraps around \
        for signed integers of a large range.",
    reference: "skimage.filters.threshold_li",
    params: &[
        INPUT,
        Param {
            name: "tolerance",
            ty: Type::Number,
            default: Some("none"),
            doc: "The step at which to stop; none or 0 for half the smallest difference between two values.",
        },
        Param {
            name: "initial_guess",
            ty: Type::Number,
            default: Some("none"),
            doc: "Where to start, between the least and the greatest value; none for the mean.",
        },
    ],
    returns: &[("threshold", "The threshold, a float64 scalar.")],
    examples: &["threshold_li(input)", "input > threshold_li(input, tolerance=2)"],
    build: threshold_li,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Run;
    use crate::graph::MemArray;
    use crate::kernels::testing::Rng;

    const SIDE: usize = 300;

    fn ours<T: Element>(pixels: &[T], dtype: DType) -> f64 {
        let mut image = MemArray::zeros(ArraySpec::unnamed(&[SIDE as u64; 2], dtype)).unwrap();
        image.data.bytes_mut().copy_from_slice(bytemuck::cast_slice(pixels));
        let image = Array::value(Value::Array(image.into()));
        let threshold = image.call("threshold_li", [], []).unwrap();
        let report = Run::new().memory_limit(64 << 20).threads(1).value(&threshold).run().unwrap();
        let found = report.values[0].as_ref().and_then(Value::to_scalar);
        found.unwrap().to_f64()
    }

    /// scikit-image's loop on all values, in float64.
    fn whole(pixels: &[f64]) -> f64 {
        let mut sorted = pixels.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let least = sorted[0];
        let values: Vec<(f64, f64)> = sorted.iter().map(|v| (v - least, 1.0)).collect();
        let mut distinct = values.clone();
        distinct.dedup();
        assert!(distinct.len() > MOST_DISTINCT, "{} values are few", distinct.len());
        let sums: Vec<f64> = std::iter::once(0.0)
            .chain(values.iter().scan(0.0, |sum, v| {
                *sum += v.0;
                Some(*sum)
            }))
            .collect();
        let (n, total) = (values.len() as f64, sums[values.len()]);
        let found = iterate(total / n, half_smallest_step(DType::F64, &distinct), |t| {
            let k = values.partition_point(|v| v.0 <= t);
            Some((sums[k] / k as f64, (total - sums[k]) / (n - k as f64)))
        });
        found + least
    }

    #[test]
    fn many_values_give_what_all_at_hand_give() {
        let mut rng = Rng::new(9);
        let mut normal = move || -> f64 { (0..12).map(|_| rng.unit()).sum::<f64>() / 2.0 };
        let mut rng = Rng::new(10);
        let mut unit = move || -> f64 { (rng.unit() + 1.0) / 2.0 };
        let n = SIDE * SIDE;
        let hills: Vec<f64> =
            (0..n).map(|k| if k % 10 < 7 { 0.2 + 0.05 * normal() } else { 0.7 + 0.1 * normal() }).collect();
        let with = |outliers: &[f64]| {
            let mut image = hills.clone();
            image.iter_mut().skip(99).step_by(997).zip(outliers).for_each(|(x, &outlier)| *x = outlier);
            image
        };
        let cases: [(&str, Vec<f64>); 9] = [
            ("hills", hills.clone()),
            ("flat", (0..n).map(|_| unit()).collect()),
            ("tail", (0..n).map(|_| -unit().ln()).collect()),
            ("long tail", (0..n).map(|_| (1.5 * normal()).exp()).collect()),
            ("far from zero", (0..n).map(|_| -1e4 + 100.0 * normal()).collect()),
            ("one outlier", with(&[20.0])),
            ("below", with(&[-300.0])),
            ("far above", with(&[600.0])),
            ("several", with(&[90.0, 5.0, -70.0, 100.0, 100.0, 3.0])),
        ];
        for (name, image) in &cases {
            let (got, wanted) = (ours(image, DType::F64), whole(image));
            assert!((got / wanted - 1.0).abs() < 1e-6, "{name}: {got} for {wanted}");
            let single: Vec<f32> = image.iter().map(|&x| x as f32).collect();
            let wide: Vec<f64> = single.iter().map(|&x| f64::from(x)).collect();
            let (got, wanted) = (ours(&single, DType::F32), whole(&wide));
            assert!((got / wanted - 1.0).abs() < 1e-6, "{name}, f32: {got} for {wanted}");
        }
    }
}
