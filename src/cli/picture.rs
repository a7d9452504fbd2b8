//! Planes of images, small enough to be looked at.

use std::path::Path;
use std::sync::{Arc, Mutex};
use tilewise::array::{ArraySpec, Region, View, ViewMut, copy};
use tilewise::graph::Array;
use tilewise::io::{Order, Sink};
use tilewise::ops::{Arg, Pick, Selection, select};
use tilewise::{Error, Result};

/// A plane of an image: `y x`, or `y x c` with colours.
pub(super) struct Plane {
    pub(super) array: Array,
    /// Height and width in the image.
    pub(super) size: [u64; 2],
    /// Which planes were picked, for people.
    pub(super) middle: String,
}

impl Plane {
    /// The middle plane of all axes but y and x (of unnamed arrays: but the last two), made smaller until neither is
    /// longer than `largest`: images by the mean of what a pixel covers, labels by the greatest, so that small objects
    /// stay. Of an image, three or four channels behind x are colours; of other channels the first is shown.
    pub(super) fn of(input: &Array, largest: u64, is_image: bool) -> Result<Plane> {
        let Some(spec) = input.array_spec().filter(|spec| spec.rank() >= 2) else {
            return Err(Error::Usage("an overlay is of images of two axes at least".into()));
        };
        let rank = spec.rank();
        let (y, x) = (plane_axes(spec)[0], plane_axes(spec)[1]);
        let c = spec.axis('c').filter(|_| spec.named);
        let colours = c.filter(|&c| is_image && c + 1 == rank && matches!(spec.shape[c], 3 | 4));
        let shown = |axis: usize| axis == y || axis == x || Some(axis) == colours;
        let at = |axis: usize| if Some(axis) == c { 0 } else { spec.shape[axis] / 2 };
        let (plane, middle) = plane(input, spec, None, shown, at)?;
        let size = [spec.shape[y], spec.shape[x]];
        let step = size[0].max(size[1]).div_ceil(largest).max(1);
        let array = if step > 1 { smaller(&plane, step, is_image)? } else { plane };
        Ok(Plane { array, size, middle })
    }
}

/// The axes of a plane that is shown: y and x, or where nobody named them the last two; of an array of one axis, that.
pub(super) fn plane_axes(spec: &ArraySpec) -> Vec<usize> {
    let rank = spec.rank();
    match (spec.named, spec.axis('y'), spec.axis('x')) {
        (true, Some(y), Some(x)) => vec![y, x],
        _ => (rank.saturating_sub(2)..rank).collect(),
    }
}

/// The axes that are `shown`, every `step`-th pixel of them, at one place `at` of every other; and which planes those
/// are, for people.
pub(super) fn plane(
    input: &Array,
    spec: &ArraySpec,
    step: Option<i128>,
    shown: impl Fn(usize) -> bool,
    at: impl Fn(usize) -> u64,
) -> Result<(Array, String)> {
    let mut picked = Vec::new();
    let selections: Vec<Selection> = (0..spec.rank())
        .map(|axis| {
            let what = if shown(axis) {
                Pick::Slice { start: None, stop: None, step }
            } else {
                picked.push(format!("{} = {}", spec.axes[axis].name, at(axis)));
                Pick::Index(at(axis).into())
            };
            Selection { axis: None, what }
        })
        .collect();
    let picked = if picked.is_empty() { String::new() } else { format!("the plane {}", picked.join(", ")) };
    Ok((select(input, &selections)?, picked))
}

fn smaller(plane: &Array, step: u64, is_image: bool) -> Result<Array> {
    let axes = || Arg::List(vec![Arg::Int(0), Arg::Int(1)]);
    let filter = if is_image { "uniform_filter" } else { "maximum_filter" };
    let filtered = plane.call(filter, [Arg::Int(step.into())], [("axes", axes())])?;
    let filtered = match plane.dtype().filter(|dtype| is_image && dtype.integer_range().is_some()) {
        Some(dtype) => filtered.call("cast", [dtype.name().into()], [])?,
        None => filtered,
    };
    let every = Pick::Slice { start: Some((step / 2).into()), stop: None, step: Some(step.into()) };
    let first = filtered.array_spec().map_or(0, |spec| spec.shape[0].min(spec.shape[1]));
    // A strip that is thinner than half a step still has one pixel.
    let every = if first > step / 2 { every } else { Pick::Slice { start: None, stop: None, step: Some(step.into()) } };
    let rest = filtered.array_spec().map_or(0, |spec| spec.rank() - 2);
    let all = Pick::Slice { start: None, stop: None, step: None };
    let picks = [every, every].into_iter().chain(std::iter::repeat_n(all, rest));
    select(&filtered, &picks.map(|what| Selection { axis: None, what }).collect::<Vec<_>>())
}

/// The bytes that a [`Held`] was given.
pub(super) fn taken(bytes: &Mutex<Vec<u8>>) -> Vec<u8> {
    bytes.lock().map(|mut bytes| std::mem::take(&mut *bytes)).unwrap_or_default()
}

/// Keeps a small image in memory.
#[derive(Debug)]
pub(super) struct Held {
    name: &'static str,
    spec: ArraySpec,
    bytes: Arc<Mutex<Vec<u8>>>,
    /// What will be held beside it, later.
    more: u64,
}

impl Held {
    /// `name` stands for a path: no two of a run share it.
    pub(super) fn new(name: &'static str, spec: ArraySpec, bytes: &Arc<Mutex<Vec<u8>>>, more: u64) -> Self {
        Held { name, spec, bytes: bytes.clone(), more }
    }
}

impl Sink for Held {
    fn spec(&self) -> &ArraySpec {
        &self.spec
    }

    fn path(&self) -> &Path {
        Path::new(self.name)
    }

    fn order(&self) -> Order {
        Order::Any
    }

    fn bill(&self) -> u64 {
        self.spec.bytes() + self.more
    }

    fn begin(&mut self) -> Result<()> {
        if let Ok(mut bytes) = self.bytes.lock() {
            bytes.resize(self.spec.bytes() as usize, 0);
        }
        Ok(())
    }

    fn write(&mut self, at: &Region, tile: View<'_>) -> Result<()> {
        let Ok(mut bytes) = self.bytes.lock() else { return Ok(()) };
        let mut whole = ViewMut::new(self.spec.dtype, &self.spec.shape, &mut bytes);
        copy(&mut whole.sub(at), &tile);
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        Ok(())
    }

    fn abort(&mut self) {}
}
