//! The different values of an array, as long as they are few.

/// More different values than this are not kept.
pub const MOST_DISTINCT: usize = 1 << 16;

/// Slots of the table: twice as many, so that chains stay short.
const SLOTS: usize = 2 * MOST_DISTINCT;

/// How often each finite value occurs, up to [`MOST_DISTINCT`] of them; the range of the finite values; whether there
/// were infinities. What it says depends neither on the order of additions nor on that of merges.
pub struct DistinctCounts {
    /// Bits and count; a count of 0 is an empty slot. Nothing where there were too many values.
    slots: Vec<(u64, u64)>,
    distinct: usize,
    range: Option<(f64, f64)>,
    /// Of both signs.
    infinite: [bool; 2],
}

impl Default for DistinctCounts {
    fn default() -> Self {
        Self::new()
    }
}

impl DistinctCounts {
    /// What a table takes.
    pub const BYTES: u64 = 16 * SLOTS as u64 + 128;

    /// Nothing seen. Allocates [`DistinctCounts::BYTES`].
    pub fn new() -> Self {
        DistinctCounts { slots: vec![(0, 0); SLOTS], distinct: 0, range: None, infinite: [false; 2] }
    }

    /// Adds values; NaN is ignored, and -0 counts as 0.
    pub fn add(&mut self, values: impl Iterator<Item = f64>) {
        let (mut lo, mut hi) = self.range.unwrap_or((f64::INFINITY, f64::NEG_INFINITY));
        for x in values {
            if !x.is_finite() {
                self.infinite[0] |= x == f64::NEG_INFINITY;
                self.infinite[1] |= x == f64::INFINITY;
                continue;
            }
            (lo, hi) = (lo.min(x), hi.max(x));
            if !self.slots.is_empty() {
                self.count(x, 1);
            }
        }
        if lo <= hi {
            self.range = Some((lo, hi));
        }
    }

    /// Adds what another has seen.
    pub fn merge(&mut self, other: &DistinctCounts) {
        self.range = match (self.range, other.range) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        };
        (0..2).for_each(|k| self.infinite[k] |= other.infinite[k]);
        if other.slots.is_empty() {
            self.slots = Vec::new();
        }
        for &(bits, count) in other.slots.iter().filter(|slot| slot.1 > 0) {
            if self.slots.is_empty() {
                break;
            }
            self.count(f64::from_bits(bits), count);
        }
    }

    fn count(&mut self, x: f64, count: u64) {
        let bits = (x + 0.0).to_bits();
        let mut at = (bits.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as usize % SLOTS;
        loop {
            let slot = &mut self.slots[at];
            if slot.1 > 0 && slot.0 != bits {
                at = (at + 1) % SLOTS;
                continue;
            }
            if slot.1 == 0 {
                if self.distinct == MOST_DISTINCT {
                    self.slots = Vec::new();
                    return;
                }
                self.distinct += 1;
            }
            *slot = (bits, slot.1 + count);
            return;
        }
    }

    /// The least and the greatest finite value.
    pub fn range(&self) -> Option<(f64, f64)> {
        self.range.map(|(lo, hi)| (lo + 0.0, hi + 0.0))
    }

    /// What li's method makes of data that are all the same, or have no finite value: the value, 0 for infinities of
    /// both signs, NaN for nothing.
    pub fn without_infinities(&self) -> Option<f64> {
        match (self.range(), self.infinite) {
            (Some((lo, hi)), _) if lo == hi => Some(lo),
            (Some(_), _) => None,
            (None, [true, true]) => Some(0.0),
            (None, [true, false]) => Some(f64::NEG_INFINITY),
            (None, [false, true]) => Some(f64::INFINITY),
            (None, [false, false]) => Some(f64::NAN),
        }
    }

    /// The finite values in ascending order with their counts, unless they are too many.
    pub fn sorted(&self) -> Option<Vec<(f64, f64)>> {
        if self.slots.is_empty() {
            return None;
        }
        let mut values = Vec::with_capacity(self.distinct);
        values.extend(self.slots.iter().filter(|s| s.1 > 0).map(|&(bits, n)| (f64::from_bits(bits), n as f64)));
        values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        Some(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_until_there_are_too_many() {
        let mut seen = DistinctCounts::new();
        seen.add([1.5, -0.0, 0.0, f64::NAN, 1.5, f64::INFINITY].into_iter());
        let mut more = DistinctCounts::new();
        more.add([1.5, -7.0].into_iter());
        seen.merge(&more);
        assert_eq!(seen.sorted().unwrap(), [(-7.0, 1.0), (0.0, 2.0), (1.5, 3.0)]);
        assert_eq!(seen.range(), Some((-7.0, 1.5)));
        seen.add((0..MOST_DISTINCT - 2).map(|k| k as f64 + 0.25));
        assert!(seen.sorted().is_none());
        assert_eq!(seen.range(), Some((-7.0, MOST_DISTINCT as f64 - 3.0 + 0.25)));
        let mut full = DistinctCounts::new();
        full.add((0..MOST_DISTINCT).map(|k| k as f64));
        assert_eq!(full.sorted().unwrap().len(), MOST_DISTINCT);
        more.merge(&full);
        assert!(more.sorted().is_none());
    }

    #[test]
    fn data_without_two_finite_values_have_an_answer() {
        let answer = |xs: &[f64]| {
            let mut seen = DistinctCounts::new();
            seen.add(xs.iter().copied());
            seen.without_infinities()
        };
        assert!(answer(&[f64::NAN]).is_some_and(f64::is_nan));
        assert_eq!(answer(&[3.0, f64::NAN, 3.0]), Some(3.0));
        assert_eq!(answer(&[f64::INFINITY, f64::NEG_INFINITY]), Some(0.0));
        assert_eq!(answer(&[f64::INFINITY]), Some(f64::INFINITY));
        assert_eq!(answer(&[1.0, 2.0]), None);
    }
}
