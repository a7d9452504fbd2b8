//! Histograms. Every function adds to the counts it is given, so tiles accumulate in any order.

use super::convert::ROUND_64;
use super::correlate::Float;
use multiversion::multiversion;

/// An integer whose values can be counted from an offset.
pub trait Countable: Copy + Ord + Send + Sync + 'static {
    /// `self - lo`, or `u64::MAX` if `self < lo`.
    fn above(self, lo: Self) -> u64;
}

macro_rules! countable {
    ($($int:ty, $unsigned:ty;)*) => {$(
        impl Countable for $int {
            #[inline(always)]
            fn above(self, lo: $int) -> u64 {
                if self >= lo { u64::from(self.wrapping_sub(lo) as $unsigned) } else { u64::MAX }
            }
        }
    )*};
}

countable!(u8, u8; u16, u16; u32, u32; u64, u64; i8, u8; i16, u16; i32, u32; i64, u64;);

/// An integer with a bin for each of its values.
pub trait Narrow: Countable {
    /// The number of values.
    const BINS: usize;
    /// The bin of this value: values in ascending order.
    fn bin(self) -> usize;
}

macro_rules! narrow {
    ($($int:ty)*) => {$(
        impl Narrow for $int {
            const BINS: usize = 1 << <$int>::BITS;

            #[inline(always)]
            fn bin(self) -> usize {
                (i32::from(self) - i32::from(<$int>::MIN)) as usize
            }
        }
    )*};
}

narrow!(u8 u16 i8 i16);

/// Adds to `bins[v - T::MIN]` how often each value `v` of an 8- or 16-bit type occurs in `src`.
///
/// `bins` holds 256 or 65536 counts (`T::BINS`). Reference: `numpy.bincount`, shifted for signed types.
///
/// # Panics
/// If `bins` has another length.
pub fn count_values<T: Narrow>(src: &[T], bins: &mut [u64]) {
    assert_eq!(bins.len(), T::BINS, "a bin for every value");
    if T::BINS == 256 {
        count_bytes(src, bins);
        return;
    }
    for &x in src {
        bins[x.bin()] += 1;
    }
}

/// Counts into four tables in turn: an increment need not wait for the last where neighbours are equal.
fn count_bytes<T: Narrow>(src: &[T], bins: &mut [u64]) {
    // Parts short enough that no count of a partial table overflows.
    for part in src.chunks(1 << 30) {
        let mut tables = [[0u32; 256]; 4];
        let (quads, rest) = part.as_chunks::<4>();
        for quad in quads {
            for (table, x) in tables.iter_mut().zip(quad) {
                table[x.bin() & 255] += 1;
            }
        }
        for x in rest {
            tables[0][x.bin() & 255] += 1;
        }
        for (value, bin) in bins.iter_mut().enumerate() {
            *bin += tables.iter().map(|table| u64::from(table[value])).sum::<u64>();
        }
    }
}

/// Adds to `bins[v - lo]` how often each value `v` occurs in `src`; values outside `lo..lo + bins.len()` are ignored.
///
/// Reference: `numpy.bincount(v[(v >= lo) & (v - lo < len(bins))] - lo)`.
pub fn count_from<T: Countable>(src: &[T], lo: T, bins: &mut [u64]) {
    let Some(last) = bins.len().checked_sub(1) else {
        return;
    };
    for &x in src {
        let above = x.above(lo);
        // Adding 0 for what lies outside costs less than a branch that cannot be foreseen.
        bins[above.min(last as u64) as usize] += u64::from(above <= last as u64);
    }
}

/// Bins of equal width over `lo..=hi`, as `numpy.histogram(x, nbins, range=(lo, hi))` has them.
#[derive(Clone, Debug, PartialEq)]
pub struct UniformBins {
    lo: f64,
    hi: f64,
    edges: Vec<f64>,
}

impl UniformBins {
    /// `nbins` bins with the edges `numpy.linspace(lo, hi, nbins + 1)`, computed in `f64`; where `lo == hi`, NumPy's
    /// range `lo - 0.5 ..= hi + 0.5`. Allocates `8 * (nbins + 1)` bytes.
    ///
    /// # Panics
    /// If `nbins` is zero, or `lo <= hi` does not hold, or `hi - lo` is not finite.
    pub fn new(lo: f64, hi: f64, nbins: usize) -> Self {
        assert!(nbins > 0, "a histogram has at least one bin");
        assert!(lo <= hi && (hi - lo).is_finite(), "the range {lo}..={hi} is not one of finite numbers, ascending");
        let (lo, hi) = if lo == hi { (lo - 0.5, hi + 0.5) } else { (lo, hi) };
        let step = (hi - lo) / nbins as f64;
        // NumPy's own two ways: the second where the step underflows.
        let offset = |i: usize| {
            if step == 0.0 { i as f64 / nbins as f64 * (hi - lo) } else { i as f64 * step }
        };
        let mut edges: Vec<f64> = (0..=nbins).map(|i| offset(i) + lo).collect();
        edges[nbins] = hi;
        UniformBins { lo, hi, edges }
    }

    /// Bins between those edges, which must lie as evenly as rounding to the type of the data lets them.
    ///
    /// # Panics
    /// If there are fewer than two, or the first does not lie below the last.
    pub fn from_edges(edges: Vec<f64>) -> Self {
        assert!(edges.len() > 1, "a histogram has at least one bin");
        let (lo, hi) = (edges[0], edges[edges.len() - 1]);
        assert!(lo < hi && (hi - lo).is_finite(), "the range {lo}..={hi} is not one of finite numbers, ascending");
        UniformBins { lo, hi, edges }
    }

    /// The `nbins + 1` edges.
    pub fn edges(&self) -> &[f64] {
        &self.edges
    }

    /// The bin of a value inside the range from its rough position, corrected by the edges as NumPy does.
    #[inline(always)]
    fn settle(&self, x: f64, rough: usize) -> usize {
        let last = self.edges.len() - 2;
        let bin = rough.min(last);
        let bin = bin.saturating_sub(usize::from(x < self.edges[bin]));
        (bin + usize::from(x >= self.edges[bin + 1])).min(last)
    }
}

/// Adds to `counts` how many elements of `src` lie in each bin; those outside the range and NaN are ignored.
///
/// A bin holds its left edge but not its right one; the last holds both. Reference: `numpy.histogram`, computed in `f64`.
///
/// # Panics
/// If `counts` does not hold one count per bin.
pub fn count_uniform<T: Float + Into<f64>>(src: &[T], bins: &UniformBins, counts: &mut [u64]) {
    assert_eq!(counts.len(), bins.edges.len() - 1, "a count for every bin");
    count_blocks(src, bins, counts);
}

#[multiversion(targets("x86_64+avx2+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn count_blocks<T: Float + Into<f64>>(src: &[T], bins: &UniformBins, counts: &mut [u64]) {
    const LANES: usize = 64;
    let (width, nbins) = (bins.hi - bins.lo, counts.len() as f64);
    // Rounding `position - 0.5` by addition gives its floor, or one less where it is whole, which the edges put right; a
    // cast to integers would not vectorise.
    let rough = |x: f64| {
        let position = (x - bins.lo) / width * nbins;
        let position = if position > 0.0 { position } else { 0.0 };
        let position = if position < nbins { position } else { nbins };
        (position - 0.5 + ROUND_64).to_bits() as u32
    };
    // What lies outside counts for nothing: no branch to foresee.
    let mut count = |x: f64, rough: u32| {
        let inside = (x >= bins.lo) & (x <= bins.hi);
        counts[bins.settle(x, rough as usize)] += u64::from(inside);
    };
    let (blocks, rest) = src.as_chunks::<LANES>();
    for block in blocks {
        let (mut x, mut at) = ([0.0; LANES], [0; LANES]);
        for lane in 0..LANES {
            x[lane] = block[lane].into();
            at[lane] = rough(x[lane]);
        }
        for lane in 0..LANES {
            count(x[lane], at[lane]);
        }
    }
    for &x in rest {
        count(x.into(), rough(x.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Rng;
    use super::*;

    fn values<T>(seed: u64, draw: impl Fn(u64) -> T) -> Vec<T> {
        let mut rng = Rng::new(seed);
        (0..10_007).map(|_| draw(rng.bits())).collect()
    }

    fn check_narrow<T: Narrow + Into<i64>>(src: &[T], least: i64) {
        let mut bins = vec![1; T::BINS];
        let (a, b) = src.split_at(4321);
        count_values(a, &mut bins);
        count_values(b, &mut bins);
        let mut expected = vec![1; T::BINS];
        for &x in src {
            expected[(x.into() - least) as usize] += 1;
        }
        assert_eq!(bins, expected);
    }

    #[test]
    fn narrow_integers_have_a_bin_each() {
        check_narrow(&values(1, |bits| bits as u8), 0);
        check_narrow(&values(2, |bits| bits as i8), -128);
        check_narrow(&values(3, |bits| bits as u16), 0);
        check_narrow(&values(4, |bits| bits as i16), -32768);
    }

    #[test]
    fn wide_integers_count_from_an_offset() {
        let mut bins = [0; 3];
        count_from(&[i64::MIN, -2, -1, -1, 0, 1, i64::MAX], -2, &mut bins);
        assert_eq!(bins, [1, 2, 1]);
        let mut bins = [0; 2];
        count_from(&[i64::MIN, i64::MAX, i64::MAX - 1], i64::MAX, &mut bins);
        assert_eq!(bins, [1, 0]);
        let mut bins = [0; 2];
        count_from(&[0, u64::MAX, u64::MAX - 1], u64::MAX - 1, &mut bins);
        assert_eq!(bins, [1, 1]);
    }

    #[test]
    fn float_bins_follow_their_edges() {
        let mut rng = Rng::new(5);
        for _ in 0..50 {
            let (lo, nbins) = (rng.unit() * 10.0, 1 + rng.below(300));
            let bins = UniformBins::new(lo, lo + 0.1 + rng.unit().abs(), nbins);
            let mut src: Vec<f64> = (0..500).map(|_| lo + 1.2 * rng.unit()).collect();
            src.extend(bins.edges().iter().flat_map(|e| [*e, e.next_up(), e.next_down()]));
            src.extend([f64::NAN, f64::INFINITY, f64::NEG_INFINITY]);
            let mut counts = vec![0; nbins];
            count_uniform(&src, &bins, &mut counts);
            let mut expected = vec![0; nbins];
            for x in src {
                if x >= bins.lo && x <= bins.hi {
                    let upper = bins.edges().iter().position(|&e| x < e).unwrap_or(nbins);
                    expected[upper - 1] += 1;
                }
            }
            assert_eq!(counts, expected);
        }
    }

    #[test]
    fn equal_ends_make_a_unit_range() {
        assert_eq!(UniformBins::new(3.0, 3.0, 2).edges(), [2.5, 3.0, 3.5]);
    }
}
