//! Counts and sums of the elements in bins, over a range or over a small part of it.
//!
//! Elements are first put on a grid of 2^46 steps over the range: then sums are integers, and have no order.

/// Steps of the grid over the range.
const STEPS: f64 = (1u64 << 46) as f64;
/// Bins of a sweep.
const BINS: usize = 1 << 16;
/// Steps in a bin over the whole range, as a power of two.
const COARSE: u32 = 30;
/// Steps in a bin of a window. A window has as many bins, so it is four coarse bins wide.
const FINE: u32 = 16;

/// The length of a step of the grid.
pub fn step(lo: f64, hi: f64) -> f64 {
    // Halves first: the whole difference may overflow.
    (hi / 2.0 - lo / 2.0) / (STEPS / 2.0)
}

/// The first step of the window around a place.
pub fn window(place: f64) -> u64 {
    let bin = (place.clamp(0.0, STEPS - 1.0) as u64) >> COARSE;
    bin.saturating_sub(1).min(BINS as u64 - 4) << COARSE
}

/// Whether a place lies in the window that begins at that step.
pub fn holds(window: u64, place: f64) -> bool {
    (0.0..=BINS as f64).contains(&((place - window as f64) / (1u64 << FINE) as f64))
}

/// How many elements lie in each bin, and the sum of their places in it.
pub struct ZoomedSums {
    lo: f64,
    hi: f64,
    start: u64,
    width: u32,
    bins: Vec<(u64, u64)>,
    /// The elements before the window and after it: how many, and the sum of their places.
    outside: [(u64, u128); 2],
}

impl ZoomedSums {
    /// What the bins take.
    pub const BYTES: u64 = 16 * (BINS as u64 + 1) + 128;

    /// Bins over the whole range. Allocates [`ZoomedSums::BYTES`].
    pub fn over(lo: f64, hi: f64) -> Self {
        ZoomedSums { lo, hi, start: 0, width: COARSE, bins: vec![(0, 0); BINS], outside: [(0, 0); 2] }
    }

    /// Bins over the window that begins there. Allocates [`ZoomedSums::BYTES`].
    pub fn around(lo: f64, hi: f64, start: u64) -> Self {
        ZoomedSums { lo, hi, start, width: FINE, bins: vec![(0, 0); BINS], outside: [(0, 0); 2] }
    }

    /// Adds elements; those outside the range and NaN are ignored.
    pub fn add(&mut self, values: impl Iterator<Item = f64>) {
        let per_half = STEPS / (self.hi / 2.0 - self.lo / 2.0);
        let (lo, half_lo) = (self.lo, self.lo / 2.0);
        for x in values {
            if !(x >= lo && x <= self.hi) {
                continue;
            }
            let place = ((x / 2.0 - half_lo) * per_half).min(STEPS - 1.0) as u64;
            let inside = place.wrapping_sub(self.start);
            if let Some(bin) = self.bins.get_mut((inside >> self.width) as usize) {
                bin.0 += 1;
                bin.1 += inside & ((1 << self.width) - 1);
            } else {
                let side = &mut self.outside[usize::from(place >= self.start)];
                side.0 += 1;
                side.1 += u128::from(place);
            }
        }
    }

    /// Adds what another has seen.
    pub fn merge(&mut self, other: &ZoomedSums) {
        for (bin, more) in self.bins.iter_mut().zip(&other.bins) {
            bin.0 += more.0;
            bin.1 += more.1;
        }
        for (side, more) in self.outside.iter_mut().zip(&other.outside) {
            side.0 += more.0;
            side.1 += more.1;
        }
    }

    /// The sums up to each bin.
    pub fn summed(&self) -> Summed {
        let [mut sum, after] = self.outside;
        let mut up_to = Vec::with_capacity(BINS + 1);
        up_to.push((sum.0 as f64, sum.1 as f64));
        for (k, bin) in self.bins.iter().enumerate() {
            let first = self.start + ((k as u64) << self.width);
            sum.0 += bin.0;
            sum.1 += u128::from(bin.0) * u128::from(first) + u128::from(bin.1);
            up_to.push((sum.0 as f64, sum.1 as f64));
        }
        let total = ((sum.0 + after.0) as f64, (sum.1 + after.1) as f64);
        Summed { start: self.start as f64, bin: (1u64 << self.width) as f64, up_to, total }
    }
}

/// Counts and sums, in steps of the grid, up to each bin.
pub struct Summed {
    start: f64,
    bin: f64,
    up_to: Vec<(f64, f64)>,
    total: (f64, f64),
}

impl Summed {
    /// All elements.
    pub fn total(&self) -> (f64, f64) {
        self.total
    }

    /// The elements of the bins up to a place; those of its own bin are taken to lie evenly.
    pub fn below(&self, place: f64) -> (f64, f64) {
        let at = ((place - self.start) / self.bin).clamp(0.0, BINS as f64);
        let bin = (at as usize).min(BINS - 1);
        let part = at - bin as f64;
        let ((n, sum), (n_after, _)) = (self.up_to[bin], self.up_to[bin + 1]);
        let more = (n_after - n) * part;
        let centre = self.start + (bin as f64 + part / 2.0) * self.bin;
        (n + more, sum + more * centre)
    }

    /// The same, but nothing for a place outside the window.
    pub fn below_inside(&self, place: f64) -> Option<(f64, f64)> {
        let at = (place - self.start) / self.bin;
        (0.0..=BINS as f64).contains(&at).then(|| self.below(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_continue_where_bins_leave_off() {
        let (lo, hi) = (-3.0, 5.0);
        let xs: Vec<f64> = (0..100_000).map(|k| -3.0 + 8.0 * ((k as f64 * 0.618).fract()).powi(2)).collect();
        let xs = || xs.iter().copied().chain([lo, hi, f64::NAN, 7.0]);
        let mut coarse = ZoomedSums::over(lo, hi);
        coarse.add(xs());
        let t = 0.123_456;
        let place = (t - lo) / step(lo, hi);
        let start = window(place);
        let mut fine = ZoomedSums::around(lo, hi, start);
        fine.add(xs());
        let below = fine.summed().below_inside(place).unwrap();
        // No element is as close to the threshold as a bin of the window is wide.
        assert_eq!(below.0, xs().filter(|&x| x <= t).count() as f64);
        let sum: f64 = xs().filter(|&x| x <= t).map(|x| x - lo).sum();
        assert!((below.1 * step(lo, hi) / sum - 1.0).abs() < 1e-12);
        assert!((coarse.summed().below(place).0 / below.0 - 1.0).abs() < 1e-4);
        assert_eq!(coarse.summed().total(), fine.summed().total());
        assert_eq!(fine.summed().total().0, 100_002.0);
        assert!(fine.summed().below_inside(0.0).is_none());
    }

    #[test]
    fn ranges_may_be_as_wide_as_doubles() {
        let mut sums = ZoomedSums::over(f64::MIN, f64::MAX);
        sums.add([f64::MIN, 0.0, f64::MAX].into_iter());
        let total = sums.summed().total();
        assert_eq!((total.0, (total.1 / total.0 / STEPS * 100.0).round()), (3.0, 50.0));
    }
}
