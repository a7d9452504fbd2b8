//! `labeled_comprehension` with a function of the library user's.

use super::cells::Asked;
use super::{LABELED_COMPREHENSION, measured};
use crate::array::DType;
use crate::error::Result;
use crate::graph::Array;
use crate::ops::measure::pixel::of_key;
use crate::ops::measure::runs::Group;
use crate::ops::{Arg, Args};
use std::fmt;
use std::sync::Arc;

/// The pixel values of one label in ascending order, each with how often it occurs; NaN comes last.
///
/// They come from memory or scratch as they are asked for, so that a label may have more of them than fit into memory.
pub struct Values<'a> {
    sorted: &'a mut Group,
    dtype: DType,
    group: u64,
    pixels: u64,
    failed: Option<crate::Error>,
}

impl Values<'_> {
    /// How many pixels have the label: the sum of all counts.
    pub fn pixels(&self) -> u64 {
        self.pixels
    }
}

impl Iterator for Values<'_> {
    type Item = (f64, u64);

    fn next(&mut self) -> Option<(f64, u64)> {
        match self.sorted.next_of(self.group) {
            Ok(record) => record.map(|record| (of_key(record[1], self.dtype).to_f64(), record[2])),
            Err(error) => {
                self.failed = Some(error);
                None
            }
        }
    }
}

impl fmt::Debug for Values<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Values {{ pixels: {} }}", self.pixels)
    }
}

type Function = dyn Fn(&mut Values<'_>) -> f64 + Send + Sync;

/// A function of the user's.
#[derive(Clone)]
pub(crate) struct Own(Arc<Function>);

impl Own {
    /// What it makes of the values of a group, of which there are so many.
    pub fn of(&self, sorted: &mut Group, dtype: DType, group: u64, pixels: u64) -> Result<f64> {
        let mut values = Values { sorted, dtype, group, pixels, failed: None };
        let result = (self.0)(&mut values);
        // What it did not ask for.
        while values.failed.is_none() && values.next().is_some() {}
        values.failed.map_or(Ok(result), Err)
    }
}

impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a function")
    }
}

impl PartialEq for Own {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Calls a function with the pixel values of every label: `scipy.ndimage.labeled_comprehension`, whatever the size of the
/// image and of its labels.
///
/// `labels` is an integer array of the input's shape, or one that broadcasts to it. `index` is a label or a (nested) list of
/// them: the result, float64, has its shape, and `default` where a label does not occur; `"all"` gives a table with a row
/// for every label above 0, and [`Arg::None`] one value of all pixels with a label above 0.
///
/// scipy hands `f` an array of values in C order; here they come sorted, equal ones together, so that the result depends
/// neither on the tiling nor on what fits into memory: what `f` makes of them must not depend on where they lie. `f` runs
/// when the sweep over the image is over, on one thread; memory that it allocates is not on the bill.
///
/// # Errors
/// When the labels are no integers or their shape does not go with that of the input, or `index` is none of these.
///
/// ```
/// # fn main() -> tilewise::Result<()> {
/// use tilewise::array::{ArraySpec, DType};
/// use tilewise::graph::{Array, MemArray, Value};
/// # let (zeros, ones) = (MemArray::zeros(ArraySpec::unnamed(&[4, 4], DType::U16))?, MemArray::zeros(ArraySpec::unnamed(&[4, 4], DType::U8))?);
/// # let (image, labels) = (Array::value(Value::Array(zeros.into())), Array::value(Value::Array(ones.into())));
/// // The entropy of the grey values of each label, in bits.
/// let entropy = tilewise::labeled_comprehension(&image, &labels, [0, 1], -1.0, |values| {
///     let n = values.pixels() as f64;
///     values.map(|(_, count)| count as f64 / n).map(|p| -p * p.log2()).sum()
/// })?;
/// let report = tilewise::Run::new().value(&entropy).run()?;
/// # let Some(Value::Array(found)) = &report.values[0] else { panic!() };
/// # assert_eq!([found.view().at(&[0]), found.view().at(&[1])], [0.0, -1.0]);
/// # Ok(()) }
/// ```
pub fn labeled_comprehension(
    input: &Array,
    labels: &Array,
    index: impl Into<Arg>,
    default: f64,
    f: impl Fn(&mut Values<'_>) -> f64 + Send + Sync + 'static,
) -> Result<Array> {
    // The name stands where the pipeline language has the name of a statistic.
    let given = vec![input.into(), labels.into(), index.into(), "own".into()];
    let args = Args::bind(&LABELED_COMPREHENSION, given, Vec::new())?;
    let result = measured(&args, "input", Asked::Own(Own(Arc::new(f))), Some(default))?;
    Ok(result.from_call(&args.text()))
}
