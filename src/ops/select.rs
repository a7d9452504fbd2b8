//! `img[z=10:50, c=1]`: parts of an array by index and slice.

use super::scan::{Summary, state};
use crate::array::{ArraySpec, Axis, MAX_RANK, Region, Scalar, Spec, View, ViewMut, copy};
use crate::error::{Error, Result};
use crate::graph::{Array, Cx, Need, ScanCx, ScanOp, ScanState, TileOp, Value};
use arrayvec::ArrayVec;

/// What is selected along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The axis by its letter; without one the selection's position says which.
    pub axis: Option<char>,
    /// Which part of it.
    pub what: Pick,
}

/// Which part of an axis is selected, as Python's `a[i]` and `a[start:stop:step]` say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// One index; the axis is dropped. Negative counts from the end.
    Index(i128),
    /// Every `step`-th index of a range.
    Slice {
        /// The first index; negative counts from the end.
        start: Option<i128>,
        /// The index before which to stop; negative counts from the end.
        stop: Option<i128>,
        /// The stride, positive.
        step: Option<i128>,
    },
}

/// What is taken along one axis of the input.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Taken {
    start: u64,
    len: u64,
    step: u64,
    dropped: bool,
}

#[derive(Debug)]
struct Select {
    taken: ArrayVec<Taken, MAX_RANK>,
}

impl TileOp for Select {
    fn name(&self) -> &'static str {
        "select"
    }

    fn need(&self, _input: usize, out: &Region, _inputs: &[ArraySpec]) -> Need {
        let mut need = Need { start: ArrayVec::new(), shape: ArrayVec::new(), outside: None };
        let mut kept = out.start.iter().zip(&out.shape);
        for taken in &self.taken {
            let (first, n) = match taken.dropped {
                true => (0, 1),
                false => kept.next().map_or((0, 1), |(&s, &n)| (s, n)),
            };
            need.start.push((taken.start + first * taken.step) as i64);
            need.shape.push(if n == 0 { 0 } else { (n - 1) * taken.step + 1 });
        }
        need
    }

    fn run(&self, _cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, _scratch: &mut [u8]) -> Result<()> {
        let src = &inputs[0];
        let kept = self.taken.iter().zip(src.strides()).filter(|(t, _)| !t.dropped);
        let strides: ArrayVec<usize, MAX_RANK> = kept.map(|(t, s)| s * t.step as usize).collect();
        let picked = View::strided(src.dtype(), out.shape(), &strides, src.data());
        copy(out, &picked);
        Ok(())
    }

    fn cost(&self) -> f64 {
        0.3
    }
}

/// The part of `input` that `items` select, as NumPy does: an index drops its axis, a slice keeps it. Selections
/// without a letter count from the first axis.
///
/// # Errors
/// When an axis does not exist or is named twice, an index lies outside, a step is not positive, or nothing is left.
pub fn select(input: &Array, items: &[Selection]) -> Result<Array> {
    let Some(spec) = input.array_spec() else { return Err(error("selects from arrays, not from a table")) };
    let mut taken: ArrayVec<Taken, MAX_RANK> = spec.shape.iter().map(|&n| whole(n)).collect();
    let mut seen = [false; MAX_RANK];
    for (position, item) in items.iter().enumerate() {
        let axis = axis_of(spec, item, position)?;
        if std::mem::replace(&mut seen[axis], true) {
            return Err(error(format!("axis {:?} is selected twice", spec.axes[axis].name)));
        }
        taken[axis] = take(spec, axis, item.what)?;
    }
    if spec.shape.iter().zip(&taken).all(|(&n, t)| *t == whole(n)) {
        return Ok(input.clone());
    }
    if !taken.is_empty() && taken.iter().all(|t| t.dropped) {
        return Ok(one_element(input, spec, taken));
    }
    let output = selected(spec, &taken);
    Ok(Array::tile(Select { taken }, vec![input.clone()], output))
}

fn error(what: impl Into<String>) -> Error {
    Error::op("select", what)
}

fn whole(len: u64) -> Taken {
    Taken { start: 0, len, step: 1, dropped: false }
}

fn axis_of(spec: &ArraySpec, item: &Selection, position: usize) -> Result<usize> {
    let letters = spec.letters();
    match item.axis {
        Some(name) => {
            spec.axis(name).ok_or_else(|| error(format!("there is no axis {name:?}, the axes are {letters:?}")))
        }
        None if position < spec.rank() => Ok(position),
        None => Err(error(format!("more selections than the {} axes ({letters:?})", spec.rank()))),
    }
}

fn take(spec: &ArraySpec, axis: usize, what: Pick) -> Result<Taken> {
    let (n, name) = (i128::from(spec.shape[axis]), spec.axes[axis].name);
    let from_end = |i: i128| if i < 0 { i.saturating_add(n) } else { i };
    match what {
        Pick::Index(i) if (0..n).contains(&from_end(i)) => {
            Ok(Taken { start: from_end(i) as u64, len: 1, step: 1, dropped: true })
        }
        Pick::Index(i) => Err(error(format!("index {i} lies outside axis {name:?} of length {n}"))),
        Pick::Slice { step: Some(step), .. } if step <= 0 => {
            Err(error(format!("the step of axis {name:?} is {step}, it must be positive")))
        }
        Pick::Slice { start, stop, step } => {
            let start = from_end(start.unwrap_or(0)).clamp(0, n);
            let stop = from_end(stop.unwrap_or(n)).clamp(0, n);
            if start >= stop {
                return Err(error(format!("nothing is left of axis {name:?} of length {n}: {start}:{stop} is empty")));
            }
            // A step beyond the axis only ever takes the first element.
            let step = step.unwrap_or(1).min(n);
            let len = (stop - start - 1) / step + 1;
            Ok(Taken { start: start as u64, len: len as u64, step: step as u64, dropped: false })
        }
    }
}

fn selected(spec: &ArraySpec, taken: &[Taken]) -> ArraySpec {
    let kept: Vec<(&Axis, &Taken)> = spec.axes.iter().zip(taken).filter(|(_, t)| !t.dropped).collect();
    let mut out = ArraySpec::unnamed(&kept.iter().map(|(_, t)| t.len).collect::<Vec<_>>(), spec.dtype);
    out.named = spec.named;
    for (axis, (old, taken)) in out.axes.iter_mut().zip(kept) {
        axis.size = old.size.map(|s| s * taken.step as f64);
        axis.unit.clone_from(&old.unit);
        axis.origin = old.origin + old.size.map_or(0.0, |s| s * taken.start as f64);
        let picked = old.labels.iter().skip(taken.start as usize).step_by(taken.step as usize);
        axis.labels = picked.take(taken.len as usize).cloned().collect();
        if spec.named {
            axis.name = old.name;
        }
    }
    out
}

/// A single element is a scalar, which only a scan makes of an array.
fn one_element(input: &Array, spec: &ArraySpec, mut taken: ArrayVec<Taken, MAX_RANK>) -> Array {
    taken.iter_mut().for_each(|t| t.dropped = false);
    let output = selected(spec, &taken);
    let part = Array::tile(Select { taken }, vec![input.clone()], output);
    Array::scan(Element, vec![part], vec![Spec::Array(ArraySpec::scalar(spec.dtype))], &[])
}

/// The only element of an array.
#[derive(Debug)]
struct Element;

struct Seen(Option<Scalar>);

impl ScanOp for Element {
    fn name(&self) -> &'static str {
        "select"
    }

    fn state_bytes(&self, _input: &ArraySpec) -> u64 {
        size_of::<Seen>() as u64
    }

    fn begin(&self, _cx: &ScanCx<'_>) -> Result<Box<dyn ScanState>> {
        Ok(state(Seen(None)))
    }
}

impl Summary for Seen {
    fn take(&mut self, tile: &View<'_>) {
        self.0 = Some(Scalar::from_bytes(tile.dtype(), tile.data()));
    }

    fn join(&mut self, other: Self) {
        self.0 = self.0.or(other.0);
    }

    fn answer(self) -> Result<Vec<Value>> {
        self.0.map(|s| vec![Value::scalar(s)]).ok_or_else(|| error("there is no element"))
    }
}
