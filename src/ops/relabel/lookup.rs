//! Rows of a sorted table by key, read page by page: pages are kept, since neighbours ask for the same ones, and narrow
//! the search for others.

use super::keys::zero;
use crate::array::DType;
use crate::error::{Error, Result};
use crate::graph::Table;

/// Rows of a page.
pub(super) const PAGE: usize = 64;
/// Pages that are kept.
const PAGES: usize = 64;
/// Words of a kept page besides its rows: its number and one, its first and its last key.
const HEAD: usize = 5;

/// What is made of the rows of a page: a word for each.
pub(super) trait Rule: std::fmt::Debug + Send + Sync {
    /// Fills `words` for the rows from `first` on, whose keys (by their first column) are `keys`.
    fn words(&self, table: &Table, first: u64, keys: &[u64], words: &mut [u64]) -> Result<()>;
}

/// A table by its first one or two columns, which rows are sorted by.
pub(super) struct Lookup<'a> {
    table: &'a Table,
    rule: &'a dyn Rule,
    columns: usize,
    /// What turns the bits of each key column into a word of its order.
    flips: [u64; 2],
    /// The keys of the first and the last row.
    ends: Option<[[u64; 2]; 2]>,
    /// Per kept page: what tells it.
    heads: &'a mut [[u64; HEAD]],
    /// The place of the page that was asked for last.
    latest: usize,
    /// Per kept page: the columns of its keys, then its words.
    pages: &'a mut [u64],
}

impl<'a> Lookup<'a> {
    /// Words of memory for a table with that many key columns.
    pub fn memory(columns: usize) -> usize {
        PAGES * (HEAD + PAGE * (columns + 1))
    }

    pub fn new(table: &'a Table, columns: usize, rule: &'a dyn Rule, memory: &'a mut [u64]) -> Result<Self> {
        let (heads, pages) = memory[..Self::memory(columns)].split_at_mut(PAGES * HEAD);
        heads.fill(0);
        let (heads, _) = heads.as_chunks_mut();
        let mut flips = [0; 2];
        for (flip, column) in flips.iter_mut().zip(&table.spec.columns[..columns]) {
            if !matches!(column.dtype, DType::U64 | DType::I64) {
                return Err(Error::Internal(format!("the key {} is {}", column.name, column.dtype)));
            }
            *flip = zero(column.dtype);
        }
        let mut lookup = Lookup { table, rule, columns, flips, ends: None, heads, latest: 0, pages };
        if table.rows > 0 {
            lookup.ends = Some([lookup.key_at(0)?, lookup.key_at(table.rows - 1)?]);
        }
        Ok(lookup)
    }

    fn key_at(&self, row: u64) -> Result<[u64; 2]> {
        let mut key = [0; 2];
        for (column, word) in key.iter_mut().enumerate().take(self.columns) {
            self.table.read(column, row, bytemuck::bytes_of_mut(word))?;
            *word ^= self.flips[column];
        }
        Ok(key)
    }

    /// The word of the row with that key; `None` where there is none.
    #[inline]
    pub fn find(&mut self, key: [u64; 2]) -> Result<Option<u64>> {
        match self.holds(self.latest, key) {
            true => Ok(self.within(self.latest, key)),
            false => self.find_elsewhere(key),
        }
    }

    /// Whether the page kept there holds the key if any does.
    fn holds(&self, place: usize, key: [u64; 2]) -> bool {
        let [number, a, b, c, d] = self.heads[place];
        number != 0 && [a, b] <= key && key <= [c, d]
    }

    fn find_elsewhere(&mut self, key: [u64; 2]) -> Result<Option<u64>> {
        let Some([mut below, mut above]) = self.ends else { return Ok(None) };
        if key < below || key > above {
            return Ok(None);
        }
        // Pages that may hold it: kept ones tell much of that.
        let (mut lo, mut hi) = (0, self.table.rows.div_ceil(PAGE as u64));
        for (place, &[number, a, b, c, d]) in self.heads.iter().enumerate().filter(|(_, head)| head[0] != 0) {
            let (first, last) = ([a, b], [c, d]);
            if last < key {
                if number > lo {
                    (lo, below) = (number, last);
                }
            } else if first > key {
                if number - 1 < hi {
                    (hi, above) = (number - 1, first);
                }
            } else {
                self.latest = place;
                return Ok(self.within(place, key));
            }
        }
        // Between them labels mostly lie evenly, so that a guess finds the page; halving bounds the search.
        let mut halve = false;
        while lo < hi {
            let middle = lo + (hi - lo) / 2;
            let page = if halve { middle } else { self.guess(key, [below, above], lo, hi) };
            halve = !halve;
            let place = self.load(page)?;
            let [_, a, b, c, d] = self.heads[place];
            let (first, last) = ([a, b], [c, d]);
            if key < first {
                (hi, above) = (page, first);
            } else if key > last {
                (lo, below) = (page + 1, last);
            } else {
                self.latest = place;
                return Ok(self.within(place, key));
            }
        }
        Ok(None)
    }

    /// The word of the row with that key in the page that is kept there.
    fn within(&self, place: usize, key: [u64; 2]) -> Option<u64> {
        let slot = place * PAGE * (self.columns + 1);
        let rows = self.rows_of(self.heads[place][0] - 1);
        let (mut from, mut to) = (0, rows);
        while from < to {
            let middle = from + (to - from) / 2;
            if self.key(slot, middle) < key { from = middle + 1 } else { to = middle }
        }
        let found = from < rows && self.key(slot, from) == key;
        found.then(|| self.pages[slot + self.columns * PAGE + from])
    }

    /// The key of a row of the page that lies there.
    #[inline]
    fn key(&self, slot: usize, row: usize) -> [u64; 2] {
        let at = slot + row;
        [self.pages[at], if self.columns == 2 { self.pages[at + PAGE] } else { 0 }]
    }

    fn rows_of(&self, page: u64) -> usize {
        (self.table.rows - page * PAGE as u64).min(PAGE as u64) as usize
    }

    /// The page, of those from `lo` to `hi`, where the key lies if keys lie evenly.
    fn guess(&self, key: [u64; 2], [below, above]: [[u64; 2]; 2], lo: u64, hi: u64) -> u64 {
        // The first word where the ends differ tells most.
        let word = usize::from(below[0] == above[0]);
        let part =
            key[word].saturating_sub(below[word]) as f64 / (above[word].saturating_sub(below[word])).max(1) as f64;
        let (first, end) = (lo * PAGE as u64, (hi * PAGE as u64).min(self.table.rows));
        let row = first + (part * (end - 1 - first) as f64).round() as u64;
        (row / PAGE as u64).clamp(lo, hi - 1)
    }

    /// Keeps a page, and says at which place.
    fn load(&mut self, page: u64) -> Result<usize> {
        let first = page * PAGE as u64;
        let rows = self.rows_of(page);
        let place = (page % PAGES as u64) as usize;
        if self.heads[place][0] == page + 1 {
            return Ok(place);
        }
        self.heads[place][0] = 0;
        let size = PAGE * (self.columns + 1);
        let slot = place * size;
        let (keys, words) = self.pages[slot..slot + size].split_at_mut(self.columns * PAGE);
        for (column, keys) in keys.chunks_exact_mut(PAGE).enumerate() {
            self.table.read(column, first, bytemuck::cast_slice_mut(&mut keys[..rows]))?;
            keys[..rows].iter_mut().for_each(|key| *key ^= self.flips[column]);
        }
        self.rule.words(self.table, first, &keys[..rows], &mut words[..rows])?;
        let ([a, b], [c, d]) = (self.key(slot, 0), self.key(slot, rows - 1));
        self.heads[place] = [page + 1, a, b, c, d];
        Ok(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::{Column, Scalar, TableSpec};
    use crate::graph::testing::Appended;
    use crate::graph::{Store, Stores, TableWriter};
    use crate::kernels::testing::Rng;
    use std::collections::BTreeMap;
    use std::sync::Arc;

    #[derive(Debug)]
    struct RowNumber;

    impl Rule for RowNumber {
        fn words(&self, _table: &Table, first: u64, _keys: &[u64], words: &mut [u64]) -> Result<()> {
            words.iter_mut().enumerate().for_each(|(i, word)| *word = first + i as u64);
            Ok(())
        }
    }

    fn table(keys: &[[i64; 2]], columns: usize, bytes: u64) -> Table {
        let column = |i| Column { name: format!("k{i}"), dtype: DType::I64 };
        let stores: Stores = Arc::new(|| Ok(Arc::new(Appended::default()) as Arc<dyn Store>));
        let mut writer =
            TableWriter::new(TableSpec { columns: (0..columns).map(column).collect() }, bytes, stores).unwrap();
        for key in keys {
            let row: Vec<Scalar> = key[..columns].iter().map(|&k| Scalar::of(k)).collect();
            writer.push(&row).unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn every_key_is_found_and_no_other() {
        let mut rng = Rng::new(7);
        let word = |key: i64| key as u64 ^ 1 << 63;
        for (n, span, columns, bytes) in [
            (0, 10, 1, 100),
            (1, 10, 1, 100),
            (5000, 5001, 1, 1000),
            (5000, 1 << 40, 1, 1 << 20),
            (700, 100, 2, 300),
            (3000, 2, 2, 1 << 20),
            (3000, 1 << 30, 2, 3000),
        ] {
            let mut keys: BTreeMap<[i64; 2], u64> = BTreeMap::new();
            for _ in 0..n {
                let second = if columns == 2 { rng.below(1 << 12) as i64 } else { 0 };
                // Dense at one end, so that guesses go wrong.
                let first = rng.below(span) as i64 - 50;
                keys.insert([if rng.below(3) == 0 { first } else { first >> 20 }, second], 0);
            }
            keys.values_mut().enumerate().for_each(|(i, row)| *row = i as u64);
            let all: Vec<[i64; 2]> = keys.keys().copied().collect();
            let table = table(&all, columns, bytes);
            let mut memory = vec![u64::MAX; Lookup::memory(columns)];
            let mut lookup = Lookup::new(&table, columns, &RowNumber, &mut memory).unwrap();
            let others = (0..2000).map(|_| [rng.below(span) as i64 - 60, 0]);
            for key in all.iter().copied().chain(others.collect::<Vec<_>>()) {
                let words = [word(key[0]), if columns == 2 { word(key[1]) } else { 0 }];
                assert_eq!(lookup.find(words).unwrap(), keys.get(&key).copied(), "{key:?}");
            }
        }
    }
}
