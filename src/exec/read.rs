//! Fills the input buffers of a tile, from files, kept intermediates, or the cache of decoded chunks.

use super::cache::{ChunkCache, chunk_region, chunks_of};
use super::scratch::Kept;
use super::values::Values;
use super::{Context, Decoded};
use crate::array::{ArraySpec, Buffer, Dims, IntervalSets, ViewMut, copy, grid_len};
use crate::error::{Error, Result};
use crate::graph::{MemArray, Value};
use crate::io::{Layout, Reader, Source};
use crate::plan::{Leaf, LeafKind, Pass};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where a leaf's pixels come from during a pass; shared by all readers.
pub(crate) struct Origin {
    spec: ArraySpec,
    from: From,
}

enum From {
    Source(Arc<dyn Source>),
    /// Whole chunks straight into the tile.
    Chunks(Arc<dyn Source>, Dims, AtomicU64),
    Cached(Arc<dyn Source>, Dims, Box<ChunkCache>),
    Kept(Arc<Kept>),
    Memory(Arc<MemArray>),
}

/// The origins of all leaves of a pass.
pub(crate) fn origins(pass: &Pass, values: &Values, kept: &[Option<Arc<Kept>>]) -> Result<Vec<Origin>> {
    let one = |(i, leaf): (usize, &Leaf)| {
        let spec = leaf.spec.clone();
        let from = match &leaf.kind {
            LeafKind::Source(source) => source_origin(source.clone(), &spec, pass.sweep.cache[i])?,
            LeafKind::Stitched(port) => source_origin(values.stitched(*port)?.clone(), &spec, pass.sweep.cache[i])?,
            LeafKind::Spill(spill) => match &kept[*spill] {
                Some(kept) => From::Kept(kept.clone()),
                None => return Err(Error::Usage("an intermediate is read before it is made".into())),
            },
            LeafKind::Value(port) => match values.get(*port) {
                Some(Value::Array(array)) => From::Memory(array.clone()),
                _ => return Err(Error::Usage("a value is read before it is known".into())),
            },
        };
        Ok(Origin { spec, from })
    };
    pass.leaves.iter().enumerate().map(one).collect()
}

fn source_origin(source: Arc<dyn Source>, spec: &ArraySpec, cache: u64) -> Result<From> {
    Ok(match source.layout() {
        Layout::Direct { .. } => From::Source(source),
        Layout::Chunked { chunk } if cache == 0 => From::Chunks(source, chunk, AtomicU64::new(0)),
        Layout::Chunked { chunk } => {
            let cache = ChunkCache::new(spec, &chunk, cache)?;
            From::Cached(source, chunk, Box::new(cache))
        }
    })
}

impl Origin {
    /// One reader's access.
    pub(crate) fn open(&self, context: &Context<'_>) -> Result<Option<Box<dyn Reader>>> {
        match &self.from {
            From::Source(source) | From::Chunks(source, ..) | From::Cached(source, ..) => {
                source.reader(context.resources.access).map(Some)
            }
            From::Kept(_) | From::Memory(_) => Ok(None),
        }
    }

    /// Fills `buffer` with the wanted part, packed.
    pub(crate) fn fill(
        &self,
        wanted: &IntervalSets,
        buffer: &mut Buffer,
        reader: &mut Option<Box<dyn Reader>>,
        ended: &dyn Fn() -> bool,
    ) -> Result<()> {
        let shape = wanted.packed_shape();
        let mut packed = packed_view(&self.spec, &shape, buffer)?;
        wanted.for_each_box(|at, to| {
            let mut out = packed.sub(to);
            match (&self.from, reader.as_mut()) {
                (From::Source(_), Some(reader)) => reader.read(at, out),
                (From::Chunks(_, chunk, decodes), Some(reader)) => chunks_of(&self.spec, chunk, at, |id| {
                    if ended() {
                        return Err(Error::Cancelled);
                    }
                    decodes.fetch_add(1, Ordering::Relaxed);
                    let region = chunk_region(&self.spec, chunk, id);
                    reader.read(&region, out.sub(&region.relative_to(&at.start)))
                }),
                (From::Cached(_, chunk, cache), Some(reader)) => chunks_of(&self.spec, chunk, at, |id| {
                    cache.with_chunk(id, reader.as_mut(), ended, |region, view| {
                        if let Some(both) = region.intersection(at) {
                            let part = view.sub(&both.relative_to(&region.start));
                            copy(&mut out.sub(&both.relative_to(&at.start)), &part);
                        }
                    })
                }),
                (From::Kept(kept), _) => kept.read(at, &mut out),
                (From::Memory(array), _) => {
                    copy(&mut out, &array.view().sub(at));
                    Ok(())
                }
                (_, None) => Err(Error::Usage("a source has no reader".into())),
            }
        })
    }

    /// How often its chunks were decoded, if it has any.
    pub(crate) fn decoded(&self) -> Option<Decoded> {
        let (source, chunk, decodes) = match &self.from {
            From::Chunks(source, chunk, decodes) => (source, chunk, decodes.load(Ordering::Relaxed)),
            From::Cached(source, chunk, cache) => (source, chunk, cache.decodes()),
            _ => return None,
        };
        Some(Decoded { name: source.name(), chunks: grid_len(&self.spec.shape, chunk), decodes })
    }
}

/// The packed buffer of a leaf or node: sized by the planner for the largest box.
pub(crate) fn packed_view<'a>(spec: &ArraySpec, shape: &[u64], buffer: &'a mut Buffer) -> Result<ViewMut<'a>> {
    let bytes = crate::array::elements(shape) as usize * spec.dtype.size();
    if bytes > buffer.len() {
        let planned = buffer.len();
        return Err(Error::Internal(format!("a box of {bytes} bytes was planned with {planned}")));
    }
    Ok(ViewMut::new(spec.dtype, shape, buffer.bytes_mut()))
}
