//! Union-find over indices where the smallest index of a set stands for it.

use super::geometry::Link;

/// Marks a root; indices stay below it.
pub(super) const FLAG: u32 = 1 << 31;

/// Halves the path on the way. No root on it may be marked yet.
#[inline]
fn find(parents: &mut [u32], mut index: u32) -> u32 {
    loop {
        let parent = parents[index as usize];
        if parent == index {
            return index;
        }
        let grandparent = parents[parent as usize];
        parents[index as usize] = grandparent;
        index = grandparent;
    }
}

#[inline]
pub(super) fn unite(parents: &mut [u32], one: u32, other: u32) {
    // In large components most pairs that touch know each other already.
    if parents[one as usize] == parents[other as usize] {
        return;
    }
    let one = find(parents, one);
    let other = find(parents, other);
    parents[one.max(other) as usize] = one.min(other);
}

/// Marks the root of `index`. No more sets may be united afterwards.
pub(super) fn mark(parents: &mut [u32], mut index: u32) {
    loop {
        let parent = parents[index as usize] & !FLAG;
        if parent == index {
            parents[index as usize] |= FLAG;
            return;
        }
        let grandparent = parents[parent as usize] & !FLAG;
        parents[index as usize] = grandparent;
        index = grandparent;
    }
}

/// Replaces every index by what `name` says of its root, given with its mark; roots come in ascending order.
pub(super) fn settle(parents: &mut [u32], mut name: impl FnMut(u32, bool) -> u32) {
    for index in 0..parents.len() {
        let parent = parents[index];
        let earlier = parent & !FLAG;
        // A parent comes before its children, so its own name is already there.
        parents[index] =
            if earlier as usize == index { name(earlier, parent & FLAG != 0) } else { parents[earlier as usize] };
    }
}

/// Sweeps over the runs of two rows and reports the pairs (indices within the rows) that touch.
#[inline]
pub(super) fn join(row: &[u32], above: &[u32], link: Link, mut touch: impl FnMut(u32, u32)) {
    let (row, _) = row.as_chunks::<2>();
    let (above, _) = above.as_chunks::<2>();
    let (mut here, mut there) = (0, 0);
    while here < row.len() && there < above.len() {
        let [start, end] = row[here];
        let [above_start, above_end] = above[there];
        if start + link.low <= above_end && above_start + 1 < end + link.high {
            touch(here as u32, there as u32);
        }
        let above_ends = above_end < end + link.low;
        there += usize::from(above_ends);
        here += usize::from(!above_ends);
    }
}
