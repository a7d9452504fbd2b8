//! Records by key: what is known of each object, in a table of fixed size with open addressing.
//!
//! A record is a row of 64-bit words: its key (one word or two), then cells. Cells only know how two records of one key
//! become one: by adding long integers, by the smaller or larger word, by the smaller pair of words, by bits. All of that is exact and has no order, so
//! it does not show how an image was cut, nor which records were put aside when the table was full.

/// How the cells of two records of one key become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// A signed integer of that many words, lowest first, that wraps round.
    Sum(usize),
    /// A word of which the smaller stays.
    Least,
    /// A word of which the larger stays.
    Most,
    /// Two words of which the smaller pair stays: what is sought, and where it is.
    First,
    /// A word of flags.
    Flags,
}

impl Cell {
    const fn words(self) -> usize {
        match self {
            Cell::Sum(words) => words,
            Cell::First => 2,
            Cell::Least | Cell::Most | Cell::Flags => 1,
        }
    }
}

/// What a record is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    keys: usize,
    words: usize,
    cells: Vec<(usize, Cell)>,
}

impl Layout {
    /// Records with that many key words and a first cell that counts: never 0 in a record.
    pub fn new(keys: usize) -> Self {
        Layout { keys, words: keys + 1, cells: vec![(keys, Cell::Sum(1))] }
    }

    /// Adds a cell and says at which word of the record it starts.
    pub fn add(&mut self, cell: Cell) -> usize {
        let at = self.words;
        self.cells.push((at, cell));
        self.words += cell.words();
        at
    }

    /// The word that counts.
    pub fn count(&self) -> usize {
        self.keys
    }

    /// Words of a record.
    pub fn words(&self) -> usize {
        self.words
    }

    /// The key of a record.
    pub fn key<'r>(&self, record: &'r [u64]) -> &'r [u64] {
        &record[..self.keys]
    }

    /// Makes an empty record of that key.
    pub fn clear(&self, key: &[u64], record: &mut [u64]) {
        record.fill(0);
        record[..self.keys].copy_from_slice(key);
        for &(at, cell) in &self.cells {
            if matches!(cell, Cell::Least | Cell::First) {
                record[at..at + cell.words()].fill(u64::MAX);
            }
        }
    }

    /// Takes another record of the same key in.
    pub fn join(&self, record: &mut [u64], other: &[u64]) {
        for &(at, cell) in &self.cells {
            match cell {
                Cell::Sum(words) => add_words(&mut record[at..at + words], &other[at..at + words]),
                Cell::Least => record[at] = record[at].min(other[at]),
                Cell::Most => record[at] = record[at].max(other[at]),
                Cell::First => {
                    if other[at..at + 2] < record[at..at + 2] {
                        record[at..at + 2].copy_from_slice(&other[at..at + 2]);
                    }
                }
                Cell::Flags => record[at] |= other[at],
            }
        }
    }
}

fn add_words(sum: &mut [u64], other: &[u64]) {
    let mut carry = false;
    for (word, &more) in sum.iter_mut().zip(other) {
        (*word, carry) = carrying_add(*word, more, carry);
    }
}

#[inline(always)]
fn carrying_add(a: u64, b: u64, carry: bool) -> (u64, bool) {
    let (sum, first) = a.overflowing_add(b);
    let (sum, second) = sum.overflowing_add(u64::from(carry));
    (sum, first | second)
}

/// Adds an integer to a sum of any number of words.
#[inline]
pub fn add_integer(sum: &mut [u64], value: i128) {
    let sign = (value >> 127) as u64;
    let mut carry = false;
    for (k, word) in sum.iter_mut().enumerate() {
        let more = match k {
            0 => value as u64,
            1 => (value >> 64) as u64,
            _ => sign,
        };
        (*word, carry) = carrying_add(*word, more, carry);
    }
}

/// Adds `value << bit` to a sum.
#[inline]
pub fn add_shifted(sum: &mut [u64], value: i128, bit: usize) {
    let (first, shift) = ((bit / 64).min(sum.len()), bit % 64);
    if shift == 0 {
        return add_integer(&mut sum[first..], value);
    }
    let sign = (value >> 127) as u64;
    let words = [value as u64, (value >> 64) as u64, sign];
    let mut below = 0;
    let mut carry = false;
    for (k, word) in sum[first..].iter_mut().enumerate() {
        let own = words.get(k).copied().unwrap_or(sign);
        (*word, carry) = carrying_add(*word, own << shift | below >> (64 - shift), carry);
        below = own;
    }
}

/// The integer in a cell of up to two words.
pub fn integer(words: &[u64]) -> i128 {
    match words {
        [] => 0,
        [one] => i128::from(*one as i64),
        [low, high, ..] => i128::from(*low) | i128::from(*high as i64) << 64,
    }
}

/// Open addressing in memory that the caller gives.
#[derive(Debug)]
pub struct Slots {
    layout: Layout,
    /// How many slots there are: a power of two.
    slots: usize,
    used: usize,
}

impl Slots {
    /// As many slots as fit into that many bytes, but at least four.
    pub fn new(layout: Layout, bytes: u64) -> Self {
        let most = bytes / Self::slot_bytes(&layout) as u64;
        let slots = if most < 4 { 4 } else { 1 << most.ilog2().min(30) };
        Slots { layout, slots, used: 0 }
    }

    fn slot_bytes(layout: &Layout) -> usize {
        layout.words() * 8 + 4
    }

    /// Words of memory for the records, zero at first.
    pub fn record_words(&self) -> usize {
        self.slots * self.layout.words()
    }

    /// Entries of memory for [`Slots::order`].
    pub fn order_len(&self) -> usize {
        self.slots
    }

    /// What the records are made of.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The number of records.
    pub fn used(&self) -> usize {
        self.used
    }

    /// The record of a key, new where there was none; `None` when the table is full.
    #[inline]
    pub fn find<'r>(&mut self, records: &'r mut [u64], key: &[u64]) -> Option<&'r mut [u64]> {
        let at = self.place(records, key)?;
        Some(&mut records[at..at + self.layout.words()])
    }

    /// Where the record of a key starts, as [`Slots::find`].
    #[inline]
    pub fn place(&mut self, records: &mut [u64], key: &[u64]) -> Option<usize> {
        let (words, count) = (self.layout.words(), self.layout.count());
        let mut slot = hash(key) as usize >> (64 - self.slots.ilog2());
        loop {
            let at = slot * words;
            let record = &mut records[at..at + words];
            if record[count] == 0 {
                if self.used >= self.slots / 4 * 3 {
                    return None;
                }
                self.used += 1;
                self.layout.clear(key, record);
                // Whoever asks for a record counts something; until then it must not look empty.
                record[count] = 0;
                return Some(at);
            }
            if self.layout.key(record) == key {
                return Some(at);
            }
            slot = (slot + 1) & (self.slots - 1);
        }
    }

    /// The slots that hold records, by key.
    pub fn order<'o>(&self, records: &[u64], order: &'o mut [u32]) -> &'o [u32] {
        let (words, count) = (self.layout.words(), self.layout.count());
        let mut n = 0;
        for slot in 0..self.slots {
            if records[slot * words + count] != 0 {
                order[n] = slot as u32;
                n += 1;
            }
        }
        let key = |slot: u32| self.layout.key(&records[slot as usize * words..]);
        order[..n].sort_unstable_by(|&a, &b| key(a).cmp(key(b)));
        &order[..n]
    }

    /// Forgets all records.
    pub fn clear(&mut self, records: &mut [u64]) {
        records.fill(0);
        self.used = 0;
    }
}

/// Spreads neighbouring keys over the table; the upper bits are the good ones.
#[inline]
fn hash(key: &[u64]) -> u64 {
    key.iter().fold(0, |h: u64, &k| (h.rotate_left(23) ^ k).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

#[cfg(test)]
mod tests {
    use super::super::testing::Rng;
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn records_are_found_again_and_come_in_order() {
        let mut rng = Rng::new(3);
        let mut layout = Layout::new(2);
        let (sum, least, most) = (layout.add(Cell::Sum(2)), layout.add(Cell::Least), layout.add(Cell::Most));
        let mut slots = Slots::new(layout, 20_000);
        let (mut records, mut order) = (vec![0; slots.record_words()], vec![0; slots.order_len()]);
        let mut plain: BTreeMap<[u64; 2], (i128, u64, u64)> = BTreeMap::new();
        for _ in 0..3000 {
            let (key, value) = ([rng.below(9) as u64, rng.below(9) as u64], rng.bits() >> 40);
            let record = slots.find(&mut records, &key).unwrap();
            record[2] += 1;
            add_integer(&mut record[sum..sum + 2], -i128::from(value));
            record[least] = record[least].min(value);
            record[most] = record[most].max(value);
            let known = plain.entry(key).or_insert((0, u64::MAX, 0));
            *known = (known.0 - i128::from(value), known.1.min(value), known.2.max(value));
        }
        let words = slots.layout().words();
        let order = slots.order(&records, &mut order);
        assert_eq!(order.len(), plain.len());
        for (&slot, (key, known)) in order.iter().zip(&plain) {
            let record = &records[slot as usize * words..][..words];
            assert_eq!(record[..2], key[..]);
            assert_eq!((integer(&record[sum..sum + 2]), record[least], record[most]), *known);
        }
        slots.clear(&mut records);
        assert_eq!(slots.used(), 0);
    }

    #[test]
    fn of_two_places_the_first_with_the_smaller_key_stays() {
        let mut layout = Layout::new(1);
        let at = layout.add(Cell::First);
        let record = |pair: Option<[u64; 2]>| {
            let mut record = vec![0; layout.words()];
            layout.clear(&[3], &mut record);
            pair.into_iter().for_each(|pair| record[at..at + 2].copy_from_slice(&pair));
            record
        };
        let pairs = [None, Some([5, 9]), Some([5, 7]), Some([6, 0]), Some([5, 8])];
        for turn in 0..5 {
            let mut all = record(None);
            (0..5).for_each(|i| layout.join(&mut all, &record(pairs[(i + turn) % 5])));
            assert_eq!(all[at..at + 2], [5, 7]);
        }
    }

    #[test]
    fn a_full_table_says_so() {
        let mut slots = Slots::new(Layout::new(1), 0);
        let mut records = vec![0; slots.record_words()];
        for key in 0..3 {
            slots.find(&mut records, &[key]).unwrap()[1] = 1;
        }
        assert!(slots.find(&mut records, &[9]).is_none());
        assert!(slots.find(&mut records, &[2]).is_some());
    }

    #[test]
    fn long_sums_carry() {
        let mut rng = Rng::new(5);
        for _ in 0..2000 {
            let (value, bit) = ((rng.bits() as i64 >> rng.below(60)) as i128, rng.below(60));
            let mut sum = [0u64; 3];
            add_shifted(&mut sum, value, bit);
            assert_eq!((integer(&sum[..2]), sum[2]), (value << bit, ((value >> 127) as u64)));
            let mut high = [7u64; 4];
            add_shifted(&mut high, value, bit + 64);
            assert_eq!((high[0], integer(&high[1..3])), (7, (value << bit) + (7 | 7 << 64)));
            add_shifted(&mut sum, -value, bit);
            assert_eq!(sum, [0; 3]);
        }
    }
}
