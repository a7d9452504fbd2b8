//! Records by key that outgrow their memory: sorted runs on scratch, and the merge that reads them back in order.

use crate::array::Buffer;
use crate::error::Result;
use crate::graph::{Store, Stores};
use crate::kernels::keyed::{Layout, Slots};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// How much memory the records of one worker, and the merge of all, may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// Bytes of a worker's table.
    pub table: u64,
    /// Bytes that are read or written at once.
    pub page: u64,
    /// Runs that are merged at once.
    pub fan: usize,
}

impl Room {
    /// What runs use.
    pub const USUAL: Room = Room { table: 1 << 20, page: 16 << 10, fan: 32 };

    /// Bytes of the records of a worker: at least four fit.
    pub fn state_bytes(&self, layout: &Layout) -> u64 {
        self.table.max(4 * (layout.words() as u64 * 8 + 4)) + self.page + (16 << 10)
    }

    /// Bytes of a merge: a page for every run and the one that is written.
    pub fn merge_bytes(&self, layout: &Layout) -> u64 {
        (self.fan as u64 + 1) * self.page.max(layout.words() as u64 * 8) + 8 * layout.words() as u64
    }
}

/// A sorted run of records on scratch.
#[derive(Clone, Debug)]
struct Run {
    store: Arc<dyn Store>,
    offset: u64,
    records: u64,
}

/// What one worker knows: a table, and the runs it has put aside.
pub(crate) struct Records {
    room: Room,
    slots: Slots,
    records: Buffer,
    order: Buffer,
    runs: Vec<Run>,
    store: Option<Arc<dyn Store>>,
    stores: Stores,
}

impl Records {
    pub fn new(layout: Layout, room: Room, stores: Stores) -> Result<Self> {
        let slots = Slots::new(layout, room.table);
        let records = Buffer::new(slots.record_words() * 8)?;
        let order = Buffer::new(slots.order_len() * 4)?;
        Ok(Records { room, slots, records, order, runs: Vec::new(), store: None, stores })
    }

    /// The record of a key; its count must become larger than 0. Where there is no room, all records go to scratch first.
    #[inline]
    pub fn find(&mut self, key: &[u64]) -> Result<&mut [u64]> {
        let at = match self.slots.place(bytemuck::cast_slice_mut(self.records.bytes_mut()), key) {
            Some(at) => at,
            None => self.find_after_spill(key)?,
        };
        let words = self.slots.layout().words();
        Ok(&mut bytemuck::cast_slice_mut(self.records.bytes_mut())[at..at + words])
    }

    #[cold]
    fn find_after_spill(&mut self, key: &[u64]) -> Result<usize> {
        self.spill()?;
        let records = bytemuck::cast_slice_mut(self.records.bytes_mut());
        // An empty table has room.
        Ok(self.slots.place(records, key).unwrap_or(0))
    }

    fn spill(&mut self) -> Result<()> {
        let store = match &self.store {
            Some(store) => store.clone(),
            None => self.store.insert((self.stores)()?).clone(),
        };
        let words = self.slots.layout().words();
        let records: &[u64] = bytemuck::cast_slice(self.records.bytes());
        let order = self.slots.order(records, bytemuck::cast_slice_mut(self.order.bytes_mut()));
        let mut writer = Writer::new(store, self.room.page, words)?;
        for &slot in order {
            writer.push(&records[slot as usize * words..][..words])?;
        }
        self.runs.push(writer.finish()?);
        self.slots.clear(bytemuck::cast_slice_mut(self.records.bytes_mut()));
        Ok(())
    }

    /// The records of several workers in the order of their keys, each key once.
    pub fn merge(workers: Vec<Records>) -> Result<Option<Merge>> {
        let Some(first) = workers.first() else { return Ok(None) };
        let (room, layout, stores) = (first.room, first.slots.layout().clone(), first.stores.clone());
        let mut runs = Vec::new();
        let mut sources = Vec::new();
        for mut worker in workers {
            runs.append(&mut worker.runs);
            let n = {
                let records: &[u64] = bytemuck::cast_slice(worker.records.bytes());
                worker.slots.order(records, bytemuck::cast_slice_mut(worker.order.bytes_mut())).len()
            };
            sources.push(Source::Table { records: worker.records, order: worker.order, n, at: 0 });
        }
        // Each level reads every record once and gives back the scratch of the one before.
        while runs.len() > room.fan {
            let store = (stores)()?;
            let mut longer = Vec::new();
            for group in runs.chunks(room.fan) {
                let pages = group.iter().map(|run| Source::run(run, &room, layout.words())).collect::<Result<_>>()?;
                let mut merge = Merge::new(layout.clone(), pages)?;
                let mut writer = Writer::new(store.clone(), room.page, layout.words())?;
                while let Some(record) = merge.next()? {
                    writer.push(record)?;
                }
                longer.push(writer.finish()?);
            }
            runs = longer;
        }
        for run in &runs {
            sources.push(Source::run(run, &room, layout.words())?);
        }
        Merge::new(layout, sources).map(Some)
    }
}

/// Writes a run.
struct Writer {
    run: Run,
    page: Buffer,
    filled: usize,
}

impl Writer {
    fn new(store: Arc<dyn Store>, page: u64, words: usize) -> Result<Self> {
        let bytes = (page as usize / (words * 8)).max(1) * words * 8;
        Ok(Writer { run: Run { store, offset: u64::MAX, records: 0 }, page: Buffer::new(bytes)?, filled: 0 })
    }

    fn push(&mut self, record: &[u64]) -> Result<()> {
        let bytes: &[u8] = bytemuck::cast_slice(record);
        self.page.bytes_mut()[self.filled..self.filled + bytes.len()].copy_from_slice(bytes);
        self.filled += bytes.len();
        self.run.records += 1;
        if self.filled == self.page.len() { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        // One after the other: nobody else writes to the store meanwhile, so the run is contiguous.
        let at = self.run.store.append(&self.page.bytes()[..self.filled])?;
        self.run.offset = self.run.offset.min(at);
        self.filled = 0;
        Ok(())
    }

    fn finish(mut self) -> Result<Run> {
        if self.filled > 0 {
            self.flush()?;
        }
        Ok(self.run)
    }
}

/// Records in the order of their keys.
enum Source {
    Table { records: Buffer, order: Buffer, n: usize, at: usize },
    Run { store: Arc<dyn Store>, offset: u64, left: u64, page: Buffer, at: usize, filled: usize },
}

impl Source {
    fn run(run: &Run, room: &Room, words: usize) -> Result<Self> {
        let page = Buffer::new((room.page as usize / (words * 8)).max(1) * words * 8)?;
        let left = run.records * words as u64 * 8;
        Ok(Source::Run { store: run.store.clone(), offset: run.offset, left, page, at: 0, filled: 0 })
    }

    /// Makes sure that the next record, if there is one, is in memory; says whether there is one.
    fn ready(&mut self) -> Result<bool> {
        match self {
            Source::Table { n, at, .. } => Ok(at < n),
            Source::Run { store, offset, left, page, at, filled } => {
                if *at < *filled {
                    return Ok(true);
                }
                let n = (page.len() as u64).min(*left) as usize;
                if n == 0 {
                    return Ok(false);
                }
                store.read_at(*offset, &mut page.bytes_mut()[..n])?;
                (*offset, *left, *at, *filled) = (*offset + n as u64, *left - n as u64, 0, n);
                Ok(true)
            }
        }
    }

    fn record(&self, words: usize) -> &[u64] {
        match self {
            Source::Table { records, order, at, .. } => {
                let order: &[u32] = bytemuck::cast_slice(order.bytes());
                &bytemuck::cast_slice(records.bytes())[order[*at] as usize * words..][..words]
            }
            Source::Run { page, at, .. } => bytemuck::cast_slice(&page.bytes()[*at..*at + words * 8]),
        }
    }

    fn advance(&mut self, words: usize) {
        match self {
            Source::Table { at, .. } => *at += 1,
            Source::Run { at, .. } => *at += words * 8,
        }
    }
}

/// The records of several sources, in the order of their keys, each key once.
pub(crate) struct Merge {
    layout: Layout,
    sources: Vec<Source>,
    /// The next key of every source that has one.
    heads: BinaryHeap<Reverse<([u64; 2], usize)>>,
    record: Vec<u64>,
}

impl Merge {
    fn new(layout: Layout, sources: Vec<Source>) -> Result<Self> {
        let (heads, record) = (BinaryHeap::with_capacity(sources.len()), vec![0; layout.words()]);
        let mut merge = Merge { layout, sources, heads, record };
        for source in 0..merge.sources.len() {
            merge.queue(source)?;
        }
        Ok(merge)
    }

    fn queue(&mut self, source: usize) -> Result<()> {
        if self.sources[source].ready()? {
            let record = self.sources[source].record(self.layout.words());
            let mut key = [0; 2];
            key.iter_mut().zip(self.layout.key(record)).for_each(|(to, &from)| *to = from);
            self.heads.push(Reverse((key, source)));
        }
        Ok(())
    }

    /// The next record.
    pub fn next(&mut self) -> Result<Option<&[u64]>> {
        let words = self.layout.words();
        let Some(Reverse((key, source))) = self.heads.pop() else { return Ok(None) };
        self.record.copy_from_slice(self.sources[source].record(words));
        self.sources[source].advance(words);
        self.queue(source)?;
        while let Some(&Reverse((other, source))) = self.heads.peek() {
            if other != key {
                break;
            }
            self.heads.pop();
            self.layout.join(&mut self.record, self.sources[source].record(words));
            self.sources[source].advance(words);
            self.queue(source)?;
        }
        Ok(Some(&self.record))
    }
}
