//! Lists of positions in a file that are usually regular, which costs no table.

/// One number per page.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Positions {
    /// At equal distances.
    Regular { first: u64, step: u64, count: u64 },
    /// Anywhere.
    Table(Vec<u64>),
}

impl Default for Positions {
    fn default() -> Self {
        Positions::Regular { first: 0, step: 0, count: 0 }
    }
}

impl Positions {
    /// Appends a number.
    pub fn push(&mut self, value: u64) {
        match self {
            Positions::Table(table) => table.push(value),
            Positions::Regular { first, step, count } => {
                let fits = match *count {
                    0 => {
                        *first = value;
                        true
                    }
                    1 if value >= *first => {
                        *step = value - *first;
                        true
                    }
                    n => n > 1 && n.checked_mul(*step).and_then(|d| first.checked_add(d)) == Some(value),
                };
                match fits {
                    true => *count += 1,
                    false => {
                        let table = (0..*count).map(|i| *first + i * *step).chain([value]).collect();
                        *self = Positions::Table(table);
                    }
                }
            }
        }
    }

    /// The number of that index.
    pub fn get(&self, index: u64) -> Option<u64> {
        match self {
            Positions::Regular { first, step, count } => (index < *count).then(|| first + index * step),
            Positions::Table(table) => table.get(usize::try_from(index).ok()?).copied(),
        }
    }

    /// Bytes of the table.
    pub fn bytes(&self) -> u64 {
        match self {
            Positions::Regular { .. } => 0,
            Positions::Table(table) => table.capacity() as u64 * 8,
        }
    }
}

/// Notes whether the strips or tiles of all pages lie at regular distances.
#[derive(Debug)]
pub(super) struct Pattern {
    per_page: u64,
    count: u64,
    first: u64,
    page_first: u64,
    chunk_step: u64,
    page_step: u64,
    chunks_regular: bool,
    pages_regular: bool,
}

impl Pattern {
    /// No positions yet, for pages of so many chunks.
    pub fn new(per_page: u64) -> Self {
        let none = Pattern {
            per_page,
            count: 0,
            first: 0,
            page_first: 0,
            chunk_step: 0,
            page_step: 0,
            chunks_regular: true,
            pages_regular: true,
        };
        debug_assert!(per_page > 0);
        none
    }

    /// Appends a position.
    pub fn push(&mut self, offset: u64) {
        let (page, chunk) = (self.count / self.per_page, self.count % self.per_page);
        self.count += 1;
        let expected =
            |base: u64, n: u64, step: u64| n.checked_mul(step).and_then(|d| base.checked_add(d)) == Some(offset);
        match (page, chunk) {
            (0, 0) => (self.first, self.page_first) = (offset, offset),
            (_, 0) => {
                self.page_first = offset;
                if page == 1 {
                    self.page_step = offset.saturating_sub(self.first);
                }
                self.pages_regular &= offset > self.first && expected(self.first, page, self.page_step);
            }
            _ => {
                if (page, chunk) == (0, 1) {
                    self.chunk_step = offset.saturating_sub(self.first);
                }
                self.chunks_regular &= offset > self.page_first && expected(self.page_first, chunk, self.chunk_step);
            }
        }
    }

    /// A chunk that cannot be part of any pattern.
    pub fn break_off(&mut self) {
        self.count += 1;
        (self.chunks_regular, self.pages_regular) = (false, false);
    }

    /// The distance of chunks within a page, if it is the same everywhere.
    pub fn chunk_step(&self) -> Option<u64> {
        self.chunks_regular.then_some(self.chunk_step)
    }

    /// First position, and the distance of pages, if all of that is regular.
    pub fn regular(&self) -> Option<(u64, u64)> {
        (self.chunks_regular && self.pages_regular).then_some((self.first, self.page_step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_given_back() {
        for list in [vec![5], vec![5, 5, 5], vec![5, 8, 11, 14], vec![9, 8, 7], vec![0, u64::MAX, 3], vec![1, 2, 4]] {
            let mut positions = Positions::default();
            list.iter().for_each(|&v| positions.push(v));
            let back: Vec<u64> = (0..list.len() as u64).filter_map(|i| positions.get(i)).collect();
            assert_eq!(back, list);
            assert_eq!(positions.get(list.len() as u64), None);
        }
    }

    #[test]
    fn patterns_are_seen() {
        let pattern = |list: &[u64]| {
            let mut pattern = Pattern::new(4);
            list.iter().for_each(|&v| pattern.push(v));
            (pattern.chunk_step(), pattern.regular())
        };
        let regular: Vec<u64> = (0..12).map(|i| 8 + i / 4 * 500 + i % 4 * 100).collect();
        assert_eq!(pattern(&regular), (Some(100), Some((8, 500))));
        let mut pages = regular.clone();
        pages[8..].iter_mut().for_each(|v| *v += 7);
        assert_eq!(pattern(&pages), (Some(100), None));
        pages[10] = 3;
        assert_eq!(pattern(&pages), (None, None));
        assert_eq!(pattern(&[0, u64::MAX, u64::MAX, 5, 6, 7, 8, 9]), (None, None));
    }
}
