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
        let [y, x] = match (spec.named, spec.axis('y'), spec.axis('x')) {
            (true, Some(y), Some(x)) => [y, x],
            _ => [rank - 2, rank - 1],
        };
        let c = spec.axis('c').filter(|_| spec.named);
        let colours = c.filter(|&c| is_image && c + 1 == rank && matches!(spec.shape[c], 3 | 4));
        let mut middle = Vec::new();
        let selections: Vec<Selection> = (0..rank)
            .map(|axis| {
                let what = if axis == y || axis == x || Some(axis) == colours {
                    Pick::Slice { start: None, stop: None, step: None }
                } else {
                    let at = if Some(axis) == c { 0 } else { spec.shape[axis] / 2 };
                    middle.push(format!("{} = {at}", spec.axes[axis].name));
                    Pick::Index(at.into())
                };
                Selection { axis: None, what }
            })
            .collect();
        let size = [spec.shape[y], spec.shape[x]];
        let step = size[0].max(size[1]).div_ceil(largest).max(1);
        let plane = select(input, &selections)?;
        let middle = if middle.is_empty() { String::new() } else { format!("the plane {}", middle.join(", ")) };
        let array = if step > 1 { smaller(&plane, step, is_image)? } else { plane };
        Ok(Plane { array, size, middle })
    }
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
