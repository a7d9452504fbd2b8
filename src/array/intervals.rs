//! What part of an array is wanted when some of it lies at one edge and some at the opposite one: a few intervals
//! per axis. A buffer of such a set holds the intervals side by side ("packed").

use super::{Dims, MAX_RANK, Mode, Region, Source1};
use arrayvec::ArrayVec;

/// Sets with more pieces than this along an axis swallow the smallest gap between two of them.
const MAX_PIECES: usize = 4;

/// Half-open interval `[lo, hi)`.
pub type Box1 = (u64, u64);

/// Sorted, disjoint, non-empty intervals along one axis.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntervalSet {
    pieces: ArrayVec<Box1, { MAX_PIECES + 1 }>,
}

impl IntervalSet {
    /// The intervals.
    pub fn pieces(&self) -> &[Box1] {
        &self.pieces
    }

    /// The number of indices in the set.
    pub fn len(&self) -> u64 {
        self.pieces.iter().map(|(lo, hi)| hi - lo).sum()
    }

    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Adds `[lo, hi)`.
    pub fn add(&mut self, lo: u64, hi: u64) {
        if lo >= hi {
            return;
        }
        let (mut lo, mut hi) = (lo, hi);
        self.pieces.retain(|&mut (a, b)| {
            let apart = b < lo || a > hi;
            if !apart {
                lo = lo.min(a);
                hi = hi.max(b);
            }
            apart
        });
        let place = self.pieces.iter().position(|p| p.0 > lo).unwrap_or(self.pieces.len());
        self.pieces.insert(place, (lo, hi));
        if self.pieces.len() > MAX_PIECES {
            self.close_smallest_gap();
        }
    }

    fn close_smallest_gap(&mut self) {
        let gaps = self.pieces.windows(2).map(|w| w[1].0 - w[0].1);
        if let Some((i, _)) = gaps.enumerate().min_by_key(|&(_, gap)| gap) {
            self.pieces[i].1 = self.pieces[i + 1].1;
            self.pieces.remove(i + 1);
        }
    }

    /// Where index `i`, which is in the set, lies in a packed buffer.
    pub fn packed(&self, i: u64) -> u64 {
        let mut before = 0;
        for &(lo, hi) in &self.pieces {
            if i < hi {
                debug_assert!(i >= lo);
                return before + i - lo;
            }
            before += hi - lo;
        }
        debug_assert!(false, "{i} is not in {self:?}");
        before
    }

    /// Adds what coordinates `[lo, hi)` of an axis of length `n` ask for under that boundary mode.
    pub fn add_extended(&mut self, lo: i64, hi: i64, n: u64, mode: Mode) {
        let len = n as i64;
        self.add(lo.clamp(0, len) as u64, hi.clamp(0, len) as u64);
        if n == 0 || lo >= hi || (lo >= 0 && hi <= len) {
            return;
        }
        match mode {
            Mode::Constant => {}
            Mode::Nearest => {
                if lo < 0 {
                    self.add(0, 1);
                }
                if hi > len {
                    self.add(n - 1, n);
                }
            }
            Mode::Reflect | Mode::Mirror | Mode::Wrap => {
                self.add_folded(lo, hi.min(0), n, mode);
                self.add_folded(lo.max(len), hi, n, mode);
            }
        }
    }

    /// Adds the images of coordinates that all lie on one side of the axis.
    fn add_folded(&mut self, lo: i64, hi: i64, n: u64, mode: Mode) {
        if lo >= hi {
            return;
        }
        if (hi - lo) as u64 >= n {
            return self.add(0, n);
        }
        let at = |i| match mode.source(i, n) {
            Source1::At(k) => k,
            Source1::Constant => 0,
        };
        let mut first = lo;
        for end in fold_breaks(lo, hi, n, mode).into_iter().chain([hi]) {
            let (a, b) = (at(first), at(end - 1));
            self.add(a.min(b), a.max(b) + 1);
            first = end;
        }
    }
}

/// Coordinates in `(lo, hi)`, fewer than `n`, where the folded index turns or jumps: it is monotone between them.
fn fold_breaks(lo: i64, hi: i64, n: u64, mode: Mode) -> ArrayVec<i64, 4> {
    let n = n as i64;
    let period = if mode == Mode::Mirror { (n - 1).max(1) } else { n };
    let first = (lo.div_euclid(period) + 1) * period;
    (0..4).map(|k| first + k * period).filter(|&b| b > lo && b < hi).collect()
}

/// One set per axis: the wanted part is their product.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntervalSets {
    /// Per axis, slowest first.
    pub axes: ArrayVec<IntervalSet, MAX_RANK>,
}

impl IntervalSets {
    /// Nothing of an array of that rank. Rank 0 always holds its one element.
    pub fn empty(rank: usize) -> Self {
        IntervalSets { axes: (0..rank).map(|_| IntervalSet::default()).collect() }
    }

    /// A single box.
    pub fn of(region: &Region) -> Self {
        let mut sets = IntervalSets::empty(region.rank());
        sets.add(region);
        sets
    }

    /// Adds a box: the set becomes the smallest product that holds both.
    pub fn add(&mut self, region: &Region) {
        if region.shape.contains(&0) {
            return;
        }
        for (axis, set) in self.axes.iter_mut().enumerate() {
            set.add(region.start[axis], region.end(axis));
        }
    }

    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.axes.iter().any(|s| s.is_empty())
    }

    /// The shape of a packed buffer.
    pub fn packed_shape(&self) -> Dims {
        self.axes.iter().map(|s| s.len()).collect()
    }

    /// The boxes of the product with their places in the packed buffer, in raster order.
    pub fn for_each_box<E>(&self, mut f: impl FnMut(&Region, &Region) -> Result<(), E>) -> Result<(), E> {
        if self.is_empty() {
            return Ok(());
        }
        let rank = self.axes.len();
        let mut pick: ArrayVec<usize, MAX_RANK> = (0..rank).map(|_| 0).collect();
        let mut offset: Dims = (0..rank).map(|_| 0).collect();
        loop {
            let start: Dims = (0..rank).map(|a| self.axes[a].pieces[pick[a]].0).collect();
            let shape: Dims = (0..rank).map(|a| self.axes[a].pieces[pick[a]].1 - start[a]).collect();
            f(&Region { start, shape: shape.clone() }, &Region { start: offset.clone(), shape: shape.clone() })?;
            let mut axis = rank;
            loop {
                if axis == 0 {
                    return Ok(());
                }
                axis -= 1;
                pick[axis] += 1;
                offset[axis] += shape[axis];
                if pick[axis] < self.axes[axis].pieces.len() {
                    break;
                }
                pick[axis] = 0;
                offset[axis] = 0;
            }
        }
    }

    /// Where a box that lies within one piece per axis is in the packed buffer; `None` if it spans several.
    pub fn packed_box(&self, region: &Region) -> Option<Region> {
        let mut start = Dims::new();
        for (axis, set) in self.axes.iter().enumerate() {
            let (lo, hi) = (region.start[axis], region.end(axis));
            if !set.pieces.iter().any(|&(a, b)| a <= lo && hi <= b) {
                return None;
            }
            start.push(set.packed(lo));
        }
        Some(Region { start, shape: region.shape.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extended_demand_is_what_the_coordinates_touch() {
        for mode in Mode::ALL {
            for n in 1..7u64 {
                for lo in -9i64..9 {
                    for hi in lo..12 {
                        let mut set = IntervalSet::default();
                        set.add_extended(lo, hi, n, mode);
                        let wanted: std::collections::BTreeSet<u64> = (lo..hi)
                            .filter_map(|i| match mode.source(i, n) {
                                Source1::At(k) => Some(k),
                                Source1::Constant => None,
                            })
                            .collect();
                        let got: std::collections::BTreeSet<u64> =
                            set.pieces().iter().flat_map(|&(a, b)| a..b).collect();
                        let what = format!("{mode:?} n={n} {lo}..{hi}");
                        assert!(got.is_superset(&wanted), "{what}");
                        if ((hi - lo) as u64) < n {
                            assert_eq!(got, wanted, "{what}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn too_many_pieces_swallow_the_smallest_gap() {
        let mut set = IntervalSet::default();
        for i in [0, 10, 20, 31, 40] {
            set.add(i, i + 2);
        }
        assert_eq!(set.pieces(), [(0, 2), (10, 12), (20, 22), (31, 42)]);
        assert_eq!(set.packed(21), 5);
    }

    #[test]
    fn boxes_of_a_product_tile_the_packed_buffer() {
        let mut sets = IntervalSets::empty(2);
        sets.add(&Region::new(&[0, 0], &[1, 2]));
        sets.add(&Region::new(&[4, 5], &[2, 1]));
        assert_eq!(&sets.packed_shape()[..], &[3, 3]);
        let mut seen = Vec::new();
        let done: Result<(), ()> = sets.for_each_box(|at, packed| {
            seen.push((at.start.to_vec(), packed.start.to_vec(), at.shape.to_vec()));
            Ok(())
        });
        assert!(done.is_ok());
        assert_eq!(seen.len(), 4);
        assert_eq!(seen[3], (vec![4, 5], vec![1, 2], vec![2, 1]));
    }
}
