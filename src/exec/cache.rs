//! Decoded chunks that tiles come back to. A chunk is decoded by one reader; others who want it wait.

use crate::array::{ArraySpec, Buffer, Dims, Region, View, ViewMut, elements, tiles_along};
use crate::error::{Error, Result};
use crate::io::Reader;
use lru::LruCache;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

const POLL: Duration = Duration::from_millis(50);

/// A fixed number of chunk buffers, the least recently used one given up first.
pub(crate) struct ChunkCache {
    spec: ArraySpec,
    chunk: Dims,
    buffers: Vec<RwLock<Buffer>>,
    state: Mutex<State>,
    changed: Condvar,
    decodes: AtomicU64,
}

struct State {
    /// Chunk number to buffer.
    places: LruCache<u64, usize>,
    slots: Vec<Slot>,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    users: u32,
    ready: bool,
    chunk: Option<u64>,
}

impl ChunkCache {
    /// Room for `slots` decoded chunks of that shape.
    pub(crate) fn new(spec: &ArraySpec, chunk: &Dims, slots: u64) -> Result<Self> {
        let slots = slots.max(1) as usize;
        let bytes = elements(chunk) as usize * spec.dtype.size();
        let buffers = (0..slots).map(|_| Ok(RwLock::new(Buffer::new(bytes)?))).collect::<Result<_>>()?;
        Ok(ChunkCache {
            spec: spec.clone(),
            chunk: chunk.clone(),
            buffers,
            state: Mutex::new(State { places: LruCache::unbounded(), slots: vec![Slot::default(); slots] }),
            changed: Condvar::new(),
            decodes: AtomicU64::new(0),
        })
    }

    /// How many chunks were decoded, repetitions counted.
    pub(crate) fn decodes(&self) -> u64 {
        self.decodes.load(Ordering::Relaxed)
    }

    /// Calls `with` with chunk `id`, decoding it first if need be.
    pub(crate) fn with_chunk(
        &self,
        id: u64,
        reader: &mut dyn Reader,
        ended: &dyn Fn() -> bool,
        with: impl FnOnce(&Region, &View<'_>),
    ) -> Result<()> {
        let region = chunk_region(&self.spec, &self.chunk, id);
        let (slot, decode) = match self.claim(id, ended)? {
            Claim::Ready(slot) => (slot, false),
            Claim::Decode(slot) => (slot, true),
        };
        let _use = Use { cache: self, slot };
        if decode {
            self.decode(slot, &region, reader)?;
        }
        let buffer = self.buffers[slot].read().unwrap_or_else(PoisonError::into_inner);
        with(&region, &View::new(self.spec.dtype, &region.shape, buffer.bytes()));
        Ok(())
    }

    fn claim(&self, id: u64, ended: &dyn Fn() -> bool) -> Result<Claim> {
        let mut state = self.lock();
        loop {
            if ended() {
                return Err(Error::Cancelled);
            }
            if let Some(&slot) = state.places.get(&id) {
                if state.slots[slot].ready {
                    state.slots[slot].users += 1;
                    return Ok(Claim::Ready(slot));
                }
            } else if let Some(slot) = state.vacant() {
                if let Some(old) = state.slots[slot].chunk.take() {
                    state.places.pop(&old);
                }
                state.places.put(id, slot);
                state.slots[slot] = Slot { users: 1, ready: false, chunk: Some(id) };
                return Ok(Claim::Decode(slot));
            }
            let waited = self.changed.wait_timeout(state, POLL);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn decode(&self, slot: usize, region: &Region, reader: &mut dyn Reader) -> Result<()> {
        self.decodes.fetch_add(1, Ordering::Relaxed);
        let done = {
            let mut buffer = self.buffers[slot].write().unwrap_or_else(PoisonError::into_inner);
            reader.read(region, ViewMut::new(self.spec.dtype, &region.shape, buffer.bytes_mut()))
        };
        if done.is_ok() {
            self.lock().slots[slot].ready = true;
            self.changed.notify_all();
        }
        done
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A buffer in use. However the use ends, others get the buffer back; one that was not filled is forgotten.
struct Use<'a> {
    cache: &'a ChunkCache,
    slot: usize,
}

impl Drop for Use<'_> {
    fn drop(&mut self) {
        let mut state = self.cache.lock();
        let slot = &mut state.slots[self.slot];
        slot.users -= 1;
        if !slot.ready {
            let chunk = slot.chunk.take();
            *slot = Slot::default();
            chunk.map(|id| state.places.pop(&id));
        }
        drop(state);
        self.cache.changed.notify_all();
    }
}

enum Claim {
    Ready(usize),
    Decode(usize),
}

impl State {
    /// A buffer nobody uses: an empty one, else the least recently used.
    fn vacant(&self) -> Option<usize> {
        let empty = self.slots.iter().position(|s| s.users == 0 && s.chunk.is_none());
        empty.or_else(|| {
            let oldest_first = self.places.iter().rev().map(|(_, &slot)| slot);
            oldest_first.into_iter().find(|&slot| self.slots[slot].users == 0 && self.slots[slot].ready)
        })
    }
}

/// The number, in raster order of the chunk grid, of every chunk that a box meets.
pub(crate) fn chunks_of(
    spec: &ArraySpec,
    chunk: &[u64],
    at: &Region,
    mut each: impl FnMut(u64) -> Result<()>,
) -> Result<()> {
    if at.shape.contains(&0) {
        return Ok(());
    }
    let rank = spec.rank();
    let lo: Dims = (0..rank).map(|a| at.start[a] / chunk[a]).collect();
    let hi: Dims = (0..rank).map(|a| (at.end(a) - 1) / chunk[a]).collect();
    let mut index = lo.clone();
    loop {
        let id = (0..rank).fold(0, |id, a| id * tiles_along(spec.shape[a], chunk[a]) + index[a]);
        each(id)?;
        let mut axis = rank;
        loop {
            if axis == 0 {
                return Ok(());
            }
            axis -= 1;
            if index[axis] < hi[axis] {
                index[axis] += 1;
                break;
            }
            index[axis] = lo[axis];
        }
    }
}

/// The box of a chunk, cut at the array's edge.
pub(crate) fn chunk_region(spec: &ArraySpec, chunk: &[u64], id: u64) -> Region {
    Region::tile(&spec.shape, chunk, id)
}
