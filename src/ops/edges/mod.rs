//! Canny's edges.

mod bleed;
mod canny;
mod suppress;

pub use canny::CANNY;

use crate::array::MAX_RANK;
use arrayvec::ArrayVec;

/// Calls `row` for every line along the last axis with the index of its first element and that element's offset in each
/// operand.
fn for_each_line<const K: usize>(shape: &[usize], strides: [&[usize]; K], mut row: impl FnMut(&[usize], [usize; K])) {
    let Some((&last, outer)) = shape.split_last() else { return };
    if last == 0 {
        return;
    }
    let mut index: ArrayVec<usize, MAX_RANK> = shape.iter().map(|_| 0).collect();
    for line in 0..outer.iter().product() {
        let mut rest = line;
        for axis in (0..outer.len()).rev() {
            index[axis] = rest % outer[axis];
            rest /= outer[axis];
        }
        let offset = |strides: &[usize]| index.iter().zip(strides).map(|(i, s)| i * s).sum();
        row(&index, std::array::from_fn(|k| offset(strides[k])));
    }
}
