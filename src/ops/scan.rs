//! What whole-image scans share.

use crate::array::{Element, Region, View, for_each_row, merge_axes};
use crate::error::Result;
use crate::graph::{ScanState, Value};
use std::any::Any;

/// What is known of the tiles seen so far; independent of their order and shape.
pub(crate) trait Summary: Send + Sized + 'static {
    /// Takes one box in.
    fn take(&mut self, tile: &View<'_>);

    /// Takes in what another worker has seen.
    fn join(&mut self, other: Self);

    /// The results.
    ///
    /// # Errors
    /// When what was seen has no answer.
    fn answer(self) -> Result<Vec<Value>>;
}

struct State<S>(S);

/// A summary as the executor knows it.
pub(crate) fn state(summary: impl Summary) -> Box<dyn ScanState> {
    Box::new(State(summary))
}

impl<S: Summary> ScanState for State<S> {
    fn fold(&mut self, _at: &Region, tiles: &[View<'_>]) -> Result<()> {
        self.0.take(&tiles[0]);
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn ScanState>) {
        if let Ok(other) = other.into_any().downcast::<State<S>>() {
            self.0.join(other.0);
        }
    }

    fn finish(self: Box<Self>) -> Result<Vec<Value>> {
        self.0.answer()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Elements that lie apart are copied side by side in blocks of so many.
const APART: usize = 512;

/// Calls `take` with the elements of a box, in pieces.
pub(crate) fn for_each_slice<T: Element>(tile: &View<'_>, mut take: impl FnMut(&[T])) {
    let data = tile.typed::<T>();
    let (shape, [strides]) = merge_axes(tile.shape(), [tile.strides()]);
    let step = strides[shape.len() - 1];
    if step == 1 && shape[shape.len() - 1] > 1 {
        return for_each_row(&shape, [&strides], |[at], n| take(&data[at..at + n]));
    }
    let (mut block, mut held) = ([T::default(); APART], 0);
    for_each_row(&shape, [&strides], |[at], n| {
        for i in 0..n {
            block[held] = data[at + i * step];
            held += 1;
            if held == APART {
                take(&block);
                held = 0;
            }
        }
    });
    if held > 0 {
        take(&block[..held]);
    }
}
