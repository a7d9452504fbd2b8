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

    /// Memory for as many whole records as fit into a page, but at least one.
    fn page_of(&self, words: usize) -> Result<Buffer> {
        Buffer::new((self.page as usize / (words * 8)).max(1) * words * 8)
    }
}

/// A sorted run of records on scratch.
#[derive(Clone, Debug)]
struct Run {
    store: Arc<dyn Store>,
    /// Offset and bytes of the parts it lies in, in the order of their keys.
    parts: Vec<(u64, u64)>,
    /// The key of its last record.
    last: [u64; 2],
}

impl Run {
    fn new(store: Arc<dyn Store>) -> Self {
        Run { store, parts: Vec::new(), last: [0; 2] }
    }

    /// Takes bytes in that follow the others.
    fn add(&mut self, offset: u64, bytes: u64) {
        match self.parts.last_mut() {
            Some((start, len)) if *start + *len == offset => *len += bytes,
            _ => self.parts.push((offset, bytes)),
        }
    }
}

/// A key, with 0 for the words it has not.
fn padded(key: &[u64]) -> [u64; 2] {
    let mut out = [0; 2];
    out.iter_mut().zip(key).for_each(|(to, &from)| *to = from);
    out
}

/// What one worker knows: a table, and the runs it has put aside.
pub(crate) struct Records {
    room: Room,
    slots: Slots,
    records: Buffer,
    order: Buffer,
    /// What is on its way to scratch.
    page: Buffer,
    runs: Vec<Run>,
    store: Option<Arc<dyn Store>>,
    stores: Stores,
}

impl Records {
    pub fn new(layout: Layout, room: Room, stores: Stores) -> Result<Self> {
        let slots = Slots::new(layout, room.table);
        let records = Buffer::new(slots.record_words() * 8)?;
        let order = Buffer::new(slots.order_len() * 4)?;
        let page = room.page_of(slots.layout().words())?;
        Ok(Records { room, slots, records, order, page, runs: Vec::new(), store: None, stores })
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
        let record = |slot: u32| &records[slot as usize * words..][..words];
        let Some(&first) = order.first() else { return Ok(()) };
        let run = Self::run_before(&mut self.runs, padded(self.slots.layout().key(record(first))), &store);
        let mut writer = Writer::new(run, &mut self.page, words);
        for &slot in order {
            writer.push(record(slot), self.slots.layout())?;
        }
        writer.flush()?;
        self.slots.clear(bytemuck::cast_slice_mut(self.records.bytes_mut()));
        Ok(())
    }

    /// The run that can go on with that key: of those that end before it the one that ends last, else a new one. Objects
    /// are numbered in raster order, so that most images make one run for every column of tiles.
    fn run_before<'r>(runs: &'r mut Vec<Run>, key: [u64; 2], store: &Arc<dyn Store>) -> &'r mut Run {
        let before = runs.iter().enumerate().filter(|(_, run)| run.last <= key).max_by_key(|(_, run)| run.last);
        let at = match before.map(|(at, _)| at) {
            Some(at) => at,
            None => {
                runs.push(Run::new(store.clone()));
                runs.len() - 1
            }
        };
        &mut runs[at]
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
        let mut page = room.page_of(layout.words())?;
        // Each level reads every record once and gives back the scratch of the one before.
        while runs.len() > room.fan {
            let store = (stores)()?;
            let mut longer = Vec::new();
            for group in runs.chunks(room.fan) {
                let pages = group.iter().map(|run| Source::run(run, &room, layout.words())).collect::<Result<_>>()?;
                let mut merge = Merge::new(layout.clone(), pages)?;
                let mut run = Run::new(store.clone());
                let mut writer = Writer::new(&mut run, &mut page, layout.words());
                while let Some(record) = merge.next()? {
                    writer.push(record, &layout)?;
                }
                writer.flush()?;
                longer.push(run);
            }
            runs = longer;
        }
        for run in &runs {
            sources.push(Source::run(run, &room, layout.words())?);
        }
        Merge::new(layout, sources).map(Some)
    }
}

/// Writes records behind those of a run.
struct Writer<'a> {
    run: &'a mut Run,
    page: &'a mut Buffer,
    filled: usize,
    words: usize,
}

impl<'a> Writer<'a> {
    fn new(run: &'a mut Run, page: &'a mut Buffer, words: usize) -> Self {
        Writer { run, page, filled: 0, words }
    }

    fn push(&mut self, record: &[u64], layout: &Layout) -> Result<()> {
        let bytes: &[u8] = bytemuck::cast_slice(record);
        self.page.bytes_mut()[self.filled..self.filled + bytes.len()].copy_from_slice(bytes);
        self.filled += bytes.len();
        self.run.last = padded(layout.key(record));
        if self.filled + self.words * 8 > self.page.len() { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        if self.filled > 0 {
            let at = self.run.store.append(&self.page.bytes()[..self.filled])?;
            self.run.add(at, self.filled as u64);
            self.filled = 0;
        }
        Ok(())
    }
}

/// Records in the order of their keys.
enum Source {
    Table {
        records: Buffer,
        order: Buffer,
        n: usize,
        at: usize,
    },
    /// `part` is the one that is read, `done` the bytes of it that are.
    Run {
        run: Run,
        part: usize,
        done: u64,
        page: Buffer,
        at: usize,
        filled: usize,
    },
}

impl Source {
    fn run(run: &Run, room: &Room, words: usize) -> Result<Self> {
        Ok(Source::Run { run: run.clone(), part: 0, done: 0, page: room.page_of(words)?, at: 0, filled: 0 })
    }

    /// Makes sure that the next record, if there is one, is in memory; says whether there is one.
    fn ready(&mut self) -> Result<bool> {
        match self {
            Source::Table { n, at, .. } => Ok(at < n),
            Source::Run { run, part, done, page, at, filled } => {
                if *at < *filled {
                    return Ok(true);
                }
                let Some(&(offset, len)) = run.parts.get(*part) else { return Ok(false) };
                let n = (page.len() as u64).min(len - *done) as usize;
                run.store.read_at(offset + *done, &mut page.bytes_mut()[..n])?;
                (*done, *at, *filled) = (*done + n as u64, 0, n);
                if *done == len {
                    (*part, *done) = (*part + 1, 0);
                }
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
            let key = padded(self.layout.key(self.sources[source].record(self.layout.words())));
            self.heads.push(Reverse((key, source)));
        }
        Ok(())
    }

    /// The record that [`Merge::next`] gave last.
    pub fn current(&self) -> &[u64] {
        &self.record
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

/// Records that are taken apart by the first word of their keys.
pub(crate) struct Group {
    merge: Merge,
    /// Whether the merge's current record is still to be given.
    waiting: bool,
}

impl Group {
    /// Nothing is given yet.
    pub fn new(merge: Merge) -> Self {
        Group { merge, waiting: false }
    }

    /// The next record of that object; objects are asked for in order.
    pub fn next_of(&mut self, label: u64) -> Result<Option<&[u64]>> {
        if !self.waiting && self.merge.next()?.is_none() {
            return Ok(None);
        }
        let own = self.merge.current()[0] == label;
        self.waiting = !own;
        Ok(own.then(|| self.merge.current()))
    }
}
