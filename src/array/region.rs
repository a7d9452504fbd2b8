//! Shapes and boxes.

use arrayvec::ArrayVec;

/// Arrays have at most this many axes.
pub const MAX_RANK: usize = 6;

/// One number per axis, slowest axis first.
pub type Dims = ArrayVec<u64, MAX_RANK>;

/// The number of elements of that shape (1 for rank 0), saturating.
pub fn elements(shape: &[u64]) -> u64 {
    shape.iter().fold(1u64, |n, &d| n.saturating_mul(d))
}

/// How many pieces of length `tile` cover `len`; 0 for an empty axis.
pub fn tiles_along(len: u64, tile: u64) -> u64 {
    len.div_ceil(tile.max(1))
}

/// How many tiles of that shape cover the array.
pub fn grid_len(shape: &[u64], tile: &[u64]) -> u64 {
    shape.iter().zip(tile).map(|(&n, &t)| tiles_along(n, t)).product()
}

/// A box inside an array: where it starts and how far it goes along each axis.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Region {
    /// The first index along each axis.
    pub start: Dims,
    /// The length along each axis.
    pub shape: Dims,
}

impl Region {
    /// A box of that start and shape, which are of equal length.
    pub fn new(start: &[u64], shape: &[u64]) -> Self {
        debug_assert_eq!(start.len(), shape.len());
        Region { start: start.iter().copied().collect(), shape: shape.iter().copied().collect() }
    }

    /// The whole of an array of that shape.
    pub fn whole(shape: &[u64]) -> Self {
        Region { start: shape.iter().map(|_| 0).collect(), shape: shape.iter().copied().collect() }
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The number of elements.
    pub fn elements(&self) -> u64 {
        elements(&self.shape)
    }

    /// One past the last index along an axis.
    pub fn end(&self, axis: usize) -> u64 {
        self.start[axis] + self.shape[axis]
    }

    /// Tile number `index`, in raster order, of an array cut into tiles of that shape; edge tiles are smaller.
    pub fn tile(shape: &[u64], tile: &[u64], index: u64) -> Self {
        let mut rest = index;
        let mut region = Region::whole(shape);
        for axis in (0..shape.len()).rev() {
            let n = tiles_along(shape[axis], tile[axis]).max(1);
            region.start[axis] = (rest % n) * tile[axis];
            region.shape[axis] = tile[axis].min(shape[axis] - region.start[axis].min(shape[axis]));
            rest /= n;
        }
        region
    }

    /// The common part of two boxes, or `None` where they do not meet.
    pub fn intersection(&self, other: &Region) -> Option<Region> {
        let mut both = self.clone();
        for axis in 0..self.rank() {
            let lo = self.start[axis].max(other.start[axis]);
            let hi = self.end(axis).min(other.end(axis));
            if lo >= hi {
                return None;
            }
            both.start[axis] = lo;
            both.shape[axis] = hi - lo;
        }
        Some(both)
    }

    /// The same box as seen from `origin`: every start less the origin's.
    pub fn relative_to(&self, origin: &[u64]) -> Region {
        let start = self.start.iter().zip(origin).map(|(s, o)| s - o).collect();
        Region { start, shape: self.shape.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_once() {
        let (shape, tile) = ([5u64, 7], [2u64, 3]);
        let mut seen = [[0; 7]; 5];
        for i in 0..grid_len(&shape, &tile) {
            let t = Region::tile(&shape, &tile, i);
            for y in t.start[0]..t.end(0) {
                for x in t.start[1]..t.end(1) {
                    seen[y as usize][x as usize] += 1;
                }
            }
        }
        assert!(seen.iter().flatten().all(|&n| n == 1));
    }

    #[test]
    fn rank_zero_is_one_tile_of_one_element() {
        assert_eq!(grid_len(&[], &[]), 1);
        assert_eq!(Region::tile(&[], &[], 0).elements(), 1);
    }
}
