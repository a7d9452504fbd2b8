//! Where the strips or tiles of all pages lie: usually at regular distances, which costs no table.

/// The positions of all chunks, page after page.
#[derive(Debug)]
pub(super) struct Offsets {
    per_page: u64,
    count: u64,
    store: Store,
}

#[derive(Debug)]
enum Store {
    /// Pages at equal distances, chunks within them too.
    Regular { first: u64, chunk_step: u64, page_step: u64 },
    /// Pages anywhere, chunks within them at equal distances.
    Pages { firsts: Vec<u64>, chunk_step: u64 },
    /// Chunks anywhere.
    Table(Vec<u64>),
}

impl Offsets {
    /// No positions yet, for pages of so many chunks.
    pub fn new(per_page: u64) -> Self {
        Offsets { per_page, count: 0, store: Store::Regular { first: 0, chunk_step: 0, page_step: 0 } }
    }

    /// The position of a chunk.
    pub fn get(&self, index: u64) -> u64 {
        let (page, chunk) = (index / self.per_page, index % self.per_page);
        match &self.store {
            // Wrapping, since a hostile file may have steps for which a later chunk would lie beyond any file.
            &Store::Regular { first, chunk_step, page_step } => {
                first.wrapping_add(page.wrapping_mul(page_step)).wrapping_add(chunk.wrapping_mul(chunk_step))
            }
            Store::Pages { firsts, chunk_step } => firsts[page as usize].wrapping_add(chunk.wrapping_mul(*chunk_step)),
            Store::Table(table) => table[index as usize],
        }
    }

    /// Appends a position.
    pub fn push(&mut self, offset: u64) {
        let index = self.count;
        let at = (index / self.per_page, index % self.per_page);
        let fits = match (&mut self.store, at) {
            (Store::Table(table), _) => {
                table.push(offset);
                true
            }
            (Store::Pages { firsts, .. }, (_, 0)) => {
                firsts.push(offset);
                true
            }
            (Store::Regular { first, .. }, (0, 0)) => {
                *first = offset;
                true
            }
            (Store::Regular { first, chunk_step, .. }, (0, 1)) if offset > *first => {
                *chunk_step = offset - *first;
                true
            }
            (Store::Regular { first, page_step, .. }, (1, 0)) if offset > *first => {
                *page_step = offset - *first;
                true
            }
            _ => self.get(index) == offset,
        };
        if !fits {
            self.loosen(offset);
        }
        self.count += 1;
    }

    /// Goes over to the next looser store, where `offset` is the first position that did not fit.
    fn loosen(&mut self, offset: u64) {
        let at_page = self.count.is_multiple_of(self.per_page);
        self.store = match self.store {
            Store::Regular { chunk_step, .. } if at_page => {
                let pages = (0..self.count / self.per_page).map(|page| self.get(page * self.per_page));
                Store::Pages { firsts: pages.chain([offset]).collect(), chunk_step }
            }
            _ => Store::Table((0..self.count).map(|i| self.get(i)).chain([offset]).collect()),
        };
    }

    /// First position and distances of chunks and pages, if they are regular.
    pub fn regular(&self) -> Option<(u64, u64, u64)> {
        match self.store {
            Store::Regular { first, chunk_step, page_step } => Some((first, chunk_step, page_step)),
            _ => None,
        }
    }

    /// The distance of chunks within a page, if it is the same everywhere.
    pub fn chunk_step(&self) -> Option<u64> {
        match self.store {
            Store::Regular { chunk_step, .. } | Store::Pages { chunk_step, .. } => Some(chunk_step),
            Store::Table(_) => None,
        }
    }

    /// The same with pages as chunks.
    pub fn of_pages(self) -> Self {
        let pages = self.count / self.per_page;
        let store = match self.store {
            Store::Table(table) => Store::Table(table.iter().step_by(self.per_page as usize).copied().collect()),
            store => store,
        };
        Offsets { per_page: 1, count: pages, store }
    }

    /// Bytes of the table.
    pub fn bytes(&self) -> u64 {
        match &self.store {
            Store::Regular { .. } => 0,
            Store::Pages { firsts: table, .. } | Store::Table(table) => table.capacity() as u64 * 8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_is_given_back() {
        let regular: Vec<u64> = (0..12).map(|i| 8 + i / 4 * 500 + i % 4 * 100).collect();
        let mut pages = regular.clone();
        pages[8..].iter_mut().for_each(|v| *v += 7);
        let mut table = pages.clone();
        table[10] = 3;
        let backwards: Vec<u64> = regular.iter().rev().copied().collect();
        for (list, bytes) in [(regular, 0..1), (pages, 24..65), (table, 96..200), (backwards, 96..200)] {
            let mut offsets = Offsets::new(4);
            list.iter().for_each(|&v| offsets.push(v));
            let back: Vec<u64> = (0..12).map(|i| offsets.get(i)).collect();
            assert_eq!(back, list);
            assert!(bytes.contains(&offsets.bytes()), "{offsets:?}");
        }
    }

    #[test]
    fn hostile_distances_do_not_overflow() {
        let mut offsets = Offsets::new(2);
        [0, u64::MAX, u64::MAX, 5, 6, 7].into_iter().for_each(|v| offsets.push(v));
        assert_eq!((0..6).map(|i| offsets.get(i)).collect::<Vec<_>>(), [0, u64::MAX, u64::MAX, 5, 6, 7]);
    }
}
