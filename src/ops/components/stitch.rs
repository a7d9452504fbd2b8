//! Component filters in the engine: slabs go in, a mask comes out.

use crate::array::{ArraySpec, DType, Dims, Region, Spec, View, ViewMut};
use crate::error::{Error, Result};
use crate::graph::{Array, Schedule, StitchBill, StitchOp, StitchOutput, Stitcher, Store};
use crate::io::{Access, Facts, Layout, ReadBill, Reader, Source};
use crate::kernels::label::filter::{FilterMerger, FilterPiece, FilterScratch, Kept, KeptScratch, Rule};
use crate::kernels::label::{self, Geometry, Structure};
use crate::ops::label::{contiguous, geometry_of, label_stores, scratch_error, slab_at, stitch_bill};
use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

/// The components of `classes` (uint8 or bool; nonzero is foreground) that a rule keeps, as a mask.
///
/// # Errors
/// When the array is too large to be indexed, or the structure has another rank.
pub(super) fn filter<R: Rule + Clone + 'static>(
    name: &'static str,
    classes: &Array,
    structure: &Structure,
    rule: R,
) -> Result<Array> {
    stitch(name, classes, structure, rule, false)
}

/// As [`filter`] where every plane along the last two axes is a torus.
///
/// # Errors
/// As [`filter`]; besides, when the structure reaches along other axes.
pub(super) fn filter_on_torus<R: Rule + Clone + 'static>(
    name: &'static str,
    classes: &Array,
    structure: &Structure,
    rule: R,
) -> Result<Array> {
    stitch(name, classes, structure, rule, true)
}

fn stitch<R: Rule + Clone + 'static>(
    name: &'static str,
    classes: &Array,
    structure: &Structure,
    rule: R,
    periodic: bool,
) -> Result<Array> {
    let Some(spec) = classes.array_spec().filter(|s| matches!(s.dtype, DType::Bool | DType::U8)) else {
        return Err(Error::Internal(format!("{name}: its classes are not bytes")));
    };
    // One row per slab: what can be said about any schedule.
    Geometry::new(&spec.shape, structure, 1).map_err(|e| Error::op(name, e))?;
    if periodic && structure.axes().iter().any(|axis| axis + 2 < spec.rank()) {
        return Err(Error::op(name, "only planes along the last two axes of an array can be periodic"));
    }
    let spec = spec.with_dtype(DType::Bool);
    let op = Filter { name, structure: structure.clone(), rule, periodic, spec: spec.clone() };
    Ok(Array::stitch(op, classes.clone(), vec![Spec::Array(spec)], &[]))
}

#[derive(Debug)]
struct Filter<R> {
    name: &'static str,
    structure: Structure,
    rule: R,
    periodic: bool,
    /// The mask that comes out.
    spec: ArraySpec,
}

impl<R> Filter<R> {
    fn geometry(&self, schedule: &Schedule) -> Result<Geometry> {
        let geometry = geometry_of(self.name, &self.structure, schedule)?;
        match self.periodic {
            true => geometry.periodic(&self.structure).map_err(|e| Error::op(self.name, e)),
            false => Ok(geometry),
        }
    }
}

impl<R: Rule + Clone + 'static> StitchOp for Filter<R> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn bill(&self, _input: &ArraySpec, schedule: &Schedule) -> StitchBill {
        let geometry = self.geometry(schedule);
        stitch_bill(geometry.ok().map(|g| g.filter_bill::<R>()), schedule)
    }

    fn begin(
        &self,
        _input: &ArraySpec,
        schedule: &Schedule,
        stores: &mut dyn FnMut() -> Result<Arc<dyn Store>>,
    ) -> Result<Arc<dyn Stitcher>> {
        let geometry = self.geometry(schedule)?;
        let [bits, records] = label_stores(stores)?;
        let merger = FilterMerger::new(&geometry, self.rule.clone(), bits, records);
        Ok(Arc::new(Filtering {
            name: self.name,
            geometry,
            rule: self.rule.clone(),
            merger: Mutex::new(Some(merger)),
            spec: self.spec.clone(),
            slab: schedule.slab.clone(),
        }))
    }
}

struct Filtering<R: Rule> {
    name: &'static str,
    geometry: Geometry,
    rule: R,
    merger: Mutex<Option<FilterMerger<R>>>,
    spec: ArraySpec,
    slab: Dims,
}

impl<R: Rule> Filtering<R> {
    fn misused(&self, what: &str) -> Error {
        Error::Internal(format!("{}: {what}", self.name))
    }
}

impl<R: Rule + 'static> Stitcher for Filtering<R> {
    fn piece(&self) -> Box<dyn Any + Send> {
        Box::new(FilterPiece::<R::Part>::new(&self.geometry))
    }

    fn local_space(&self) -> Box<dyn Any + Send> {
        Box::new(FilterScratch::<R::Part>::new(&self.geometry))
    }

    fn local(&self, slab: u64, tile: &View<'_>, space: &mut dyn Any, piece: &mut dyn Any) -> Result<()> {
        let (Some(space), Some(piece)) = (space.downcast_mut(), piece.downcast_mut()) else {
            return Err(self.misused("a worker brought another op's memory"));
        };
        let pixels = tile.typed::<u8>();
        if pixels.len() != self.geometry.slab_pixels(slab) {
            return Err(self.misused("a slab is not contiguous"));
        }
        self.geometry.filter_local(&self.rule, slab, pixels, space, piece);
        Ok(())
    }

    fn merge(&self, _slab: u64, piece: &mut dyn Any) -> Result<()> {
        let Some(piece) = piece.downcast_mut::<FilterPiece<R::Part>>() else {
            return Err(self.misused("a worker brought another op's piece"));
        };
        match self.merger.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(merger) => merger.merge(piece).map_err(scratch_error(self.name)),
            None => Err(self.misused("a slab came after the end")),
        }
    }

    fn finish(&self) -> Result<Vec<StitchOutput>> {
        let Some(merger) = self.merger.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return Err(self.misused("finished twice"));
        };
        let kept = Arc::new(merger.finish().map_err(scratch_error(self.name))?);
        let source = KeptSource {
            name: self.name,
            bill: self.geometry.filter_bill::<R>(),
            kept,
            spec: self.spec.clone(),
            slab: self.slab.clone(),
        };
        Ok(vec![StitchOutput::Source(Arc::new(source))])
    }
}

/// The components that stay, given back slab by slab when asked for.
#[derive(Clone)]
struct KeptSource {
    name: &'static str,
    bill: label::Bill,
    kept: Arc<Kept>,
    spec: ArraySpec,
    slab: Dims,
}

impl std::fmt::Debug for KeptSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeptSource({} {:?})", self.name, self.spec.shape)
    }
}

impl Source for KeptSource {
    fn spec(&self) -> &ArraySpec {
        &self.spec
    }

    fn name(&self) -> String {
        format!("{}()", self.name)
    }

    fn layout(&self) -> Layout {
        Layout::Chunked { chunk: self.slab.clone() }
    }

    fn bill(&self, _access: Access) -> ReadBill {
        ReadBill { per_reader: self.bill.apply_bytes, shared: self.bill.labels_bytes }
    }

    fn facts(&self) -> Facts {
        Facts::default()
    }

    fn reader(&self, _access: Access) -> Result<Box<dyn Reader>> {
        let space = KeptScratch::new(self.kept.geometry());
        Ok(Box::new(KeptReader { source: self.clone(), space }))
    }
}

struct KeptReader {
    source: KeptSource,
    space: KeptScratch,
}

impl Reader for KeptReader {
    fn read(&mut self, at: &Region, mut out: ViewMut<'_>) -> Result<()> {
        let KeptSource { name, kept, spec, slab, .. } = &self.source;
        let slab = slab_at(at, &spec.shape, slab);
        if out.elements() != kept.geometry().slab_pixels(slab) {
            return Err(Error::Internal(format!("{name}: its mask is read slab by slab")));
        }
        kept.apply(slab, &mut self.space, contiguous(&mut out)?).map_err(scratch_error(name))
    }
}
