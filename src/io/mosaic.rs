//! Mosaics: arrays in files side by side as one, read piece by piece.

use super::{Access, Facts, Layout, ReadBill, Reader, Source};
use crate::array::{ArraySpec, Dims, Region, ViewMut};
use crate::error::{Error, Result};
use lru::LruCache;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

/// A reader keeps up to this many pieces open …
const OPEN: u64 = 8;

/// … as long as they cost no more than this together.
const OPEN_BYTES: u64 = 512 << 10;

/// A piece of a mosaic: where it begins, and its pixels.
pub(crate) type Piece = (Dims, Arc<dyn Source>);

/// The pieces as one array, which they fill without gaps. `None` where that is not possible without decoding chunks
/// again and again: when they are stored in chunks that do not make one grid.
pub(crate) fn mosaic(spec: ArraySpec, pieces: Vec<Piece>) -> Option<Arc<dyn Source>> {
    let layout = layout(&spec, &pieces)?;
    Some(Arc::new(Arc::new(Mosaic { spec, layout, pieces })))
}

#[derive(Debug)]
struct Mosaic {
    spec: ArraySpec,
    layout: Layout,
    pieces: Vec<Piece>,
}

fn layout(spec: &ArraySpec, pieces: &[Piece]) -> Option<Layout> {
    let decoded = pieces.iter().any(|(_, source)| matches!(source.layout(), Layout::Chunked { .. }));
    if !decoded {
        let first = pieces.first().and_then(|(_, source)| source.layout().chunk().cloned());
        let common = first.filter(|chunk| is_grid(spec, pieces, chunk));
        return Some(Layout::Direct { chunk: common });
    }
    let mut chunk: Dims = spec.shape.iter().map(|_| 1).collect();
    for (_, source) in pieces {
        if let Layout::Chunked { chunk: own } = source.layout() {
            let own = own.iter().zip(&source.spec().shape).map(|(&c, &n)| c.min(n));
            chunk.iter_mut().zip(own).for_each(|(all, own)| *all = own.max(*all));
        }
    }
    is_grid(spec, pieces, &chunk).then_some(Layout::Chunked { chunk })
}

/// Whether the chunks of all pieces make one grid of that chunk.
fn is_grid(spec: &ArraySpec, pieces: &[Piece], chunk: &Dims) -> bool {
    pieces.iter().all(|(start, source)| {
        let shape = &source.spec().shape;
        let own = match source.layout() {
            Layout::Chunked { chunk } => Some(chunk),
            Layout::Direct { .. } => None,
        };
        (0..spec.rank()).all(|a| {
            let end = start[a] + shape[a];
            let same =
                own.as_ref().is_none_or(|own| own[a] == chunk[a] || (shape[a] <= chunk[a] && own[a] >= shape[a]));
            let closed = end.is_multiple_of(chunk[a]) || end == spec.shape[a];
            same && closed && start[a].is_multiple_of(chunk[a])
        })
    })
}

impl Mosaic {
    fn dearest(&self, access: Access) -> u64 {
        self.pieces.iter().map(|(_, source)| source.bill(access).per_reader).max().unwrap_or(0)
    }

    fn kept_open(&self, access: Access) -> u64 {
        (OPEN_BYTES / self.dearest(access).max(1)).clamp(1, OPEN)
    }
}

impl Source for Arc<Mosaic> {
    fn spec(&self) -> &ArraySpec {
        &self.spec
    }

    fn name(&self) -> String {
        let first = self.pieces.first().map(|(_, source)| source.name()).unwrap_or_default();
        format!("mosaic of {} pieces ({first} …)", self.pieces.len())
    }

    fn layout(&self) -> Layout {
        self.layout.clone()
    }

    fn bill(&self, access: Access) -> ReadBill {
        let shared = self.pieces.iter().map(|(_, source)| source.bill(access).shared).fold(0, u64::saturating_add);
        ReadBill { per_reader: self.dearest(access).saturating_mul(self.kept_open(access)), shared }
    }

    fn facts(&self) -> Facts {
        let mut facts = self.pieces.first().map(|(_, source)| source.facts()).unwrap_or_default();
        facts.format = format!("mosaic of {} pieces", self.pieces.len());
        facts
    }

    fn reader(&self, access: Access) -> Result<Box<dyn Reader>> {
        let room = NonZeroUsize::new(self.kept_open(access) as usize).unwrap_or(NonZeroUsize::MIN);
        Ok(Box::new(MosaicReader { mosaic: Arc::clone(self), access, open: LruCache::new(room) }))
    }

    fn reads(&self, file: &Path) -> bool {
        self.pieces.iter().any(|(_, source)| source.reads(file))
    }
}

struct MosaicReader {
    mosaic: Arc<Mosaic>,
    access: Access,
    open: LruCache<usize, Box<dyn Reader>>,
}

impl Reader for MosaicReader {
    fn read(&mut self, at: &Region, mut out: ViewMut<'_>) -> Result<()> {
        let MosaicReader { mosaic, access, open } = self;
        for (index, (start, source)) in mosaic.pieces.iter().enumerate() {
            let piece = Region { start: start.clone(), shape: source.spec().shape.clone() };
            let Some(both) = piece.intersection(at) else { continue };
            if !open.contains(&index) {
                // Before the next is opened: never more than were promised.
                if open.len() == open.cap().get() {
                    open.pop_lru();
                }
                open.put(index, source.reader(*access)?);
            }
            let lost = || Error::Internal("a piece that was opened is not open".into());
            let reader = open.get_mut(&index).ok_or_else(lost)?;
            reader.read(&both.relative_to(start), out.sub(&both.relative_to(&at.start)))?;
        }
        Ok(())
    }
}
