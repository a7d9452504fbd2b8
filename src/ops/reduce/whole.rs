//! One number for a whole image, in one sweep.

use super::Statistic;
use crate::array::{ArraySpec, DType, Element, Scalar, Spec, View, with_dtype};
use crate::error::{Error, Result};
use crate::graph::{Array, ScanCx, ScanOp, ScanState, Value};
use crate::kernels::extrema::Ordered;
use crate::ops::moments::Moments;
use crate::ops::scan::{Summary, for_each_slice, state};
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
        let moments = Moments::new(input.dtype, matches!(statistic, Statistic::Std { .. } | Statistic::Var { .. }));
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
            (Statistic::Std { ddof }, _) => Scalar::of(self.moments.variance(ddof).sqrt()),
            (Statistic::Var { ddof }, _) => Scalar::of(self.moments.variance(ddof)),
            _ => Scalar::of(self.moments.mean()),
        };
        Ok(vec![Value::scalar(value)])
    }
}

/// A statistic of all elements as a scalar; none for places.
pub(super) fn whole(input: &Array, spec: &ArraySpec, statistic: Statistic) -> Option<Array> {
    let output = vec![Spec::Array(ArraySpec::scalar(statistic.dtype(spec.dtype)))];
    Some(match statistic {
        Statistic::Min => Array::scan(Extremes { ends: Ends::Min }, vec![input.clone()], output, &[]),
        Statistic::Max => Array::scan(Extremes { ends: Ends::Max }, vec![input.clone()], output, &[]),
        Statistic::ArgMin | Statistic::ArgMax => return None,
        _ => Array::scan(Reduce { statistic }, vec![input.clone()], output, &[]),
    })
}
