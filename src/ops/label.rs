//! Connected components: `label`.

use super::{AXES, Arg, Args, OpDef, Param, Type};
use crate::array::{ArraySpec, DType, Dims, Region, Scalar, Spec, View, ViewMut};
use crate::error::{Error, Result};
use crate::graph::{Array, Schedule, StitchBill, StitchOp, StitchOutput, Stitcher, Store, Value};
use crate::io::{Access, Facts, Layout, ReadBill, Reader, Source};
use crate::kernels::label::{self, ApplyScratch, Geometry, Labels, LocalScratch, Merger, Piece, Structure};
use std::any::Any;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// `scipy.ndimage.label`.
pub static LABEL: OpDef = OpDef {
    name: "label",
    family: "objects",
    summary: "Numbers the connected components of the nonzero pixels.",
    details: "Objects are numbered from 1 in raster order of their first pixel, 0 is background: exactly scipy's \
              numbers, at any size. Pixels are connected across faces unless `structure` or `connectivity` says \
              otherwise. Separate frames and channels of an array with named axes are labelled separately and numbered \
              on. The result is uint32, or uint64 for arrays that could hold more than 2^32-1 objects.\n\n\
              The image is swept in slabs of whole rows; memory holds slabs and the seam between two of them, never \
              the objects: a mask of 1 bit per pixel and the seams go to scratch, and the numbers are painted when a \
              later pass asks for them. NaN is nonzero.\n\n\
              The seam of an array with more than two axes is a plane, the product of all axes but the first: for the \
              worst data memory holds about 6 bytes for each of its pixels, so that 1000 x 1000 planes need 13 MiB \
              in all, and arrays of few, huge planes are refused under a small limit.",
    reference: "scipy.ndimage.label; connectivity as skimage.measure.label",
    params: &[
        Param { name: "input", ty: Type::Array, default: None, doc: "any array; nonzero is object" },
        Param {
            name: "structure",
            ty: Type::Any,
            default: Some("none"),
            doc: "which neighbours are connected: a list of 3 per axis, symmetric about its centre, or \"cross\", \"full\"",
        },
        Param {
            name: "connectivity",
            ty: Type::Integer,
            default: Some("none"),
            doc: "instead of structure: steps along how many axes at once are neighbours, 1 (faces) to the rank (all)",
        },
        AXES,
    ],
    returns: &[("labels", "uint32 or uint64, 0 is background"), ("count", "the number of objects, a uint64 scalar")],
    examples: &[
        "label(input > 100)",
        "label(input > 100, axes=[-1])",
        "label(input > 90, structure=\"full\")",
        "label(input < 120, connectivity=1)",
    ],
    build,
};

fn build(args: &Args) -> Result<Array> {
    let input = args.array("input")?;
    let spec = args.spec("input")?;
    let structure = neighbours(args, &spec)?;
    // One row per slab: what can be said about any schedule.
    let geometry = Geometry::new(&spec.shape, &structure, 1).map_err(|e| args.error(e))?;
    let dtype = if geometry.max_objects() <= u64::from(u32::MAX) { DType::U32 } else { DType::U64 };
    let mask = super::call("not_equal", vec![Arg::Array(input), Arg::Int(0)], vec![])?;
    let outputs = vec![Spec::Array(spec.with_dtype(dtype)), Spec::Array(ArraySpec::scalar(DType::U64))];
    let op = Label { structure, spec: spec.with_dtype(dtype) };
    Ok(Array::stitch(op, mask, outputs, &["labels", "count"]))
}

/// Which neighbours are connected: `structure` or `connectivity` over the axes that are labelled, and nothing along the
/// others.
fn neighbours(args: &Args, spec: &ArraySpec) -> Result<Structure> {
    if args.given("structure") && args.given("connectivity") {
        return Err(args.error("give `structure` or `connectivity`, not both"));
    }
    if args.given("connectivity") { by_connectivity(args, spec) } else { by_structure(args, spec) }
}

/// The neighbours that `connectivity` says, faces by default.
pub(super) fn by_connectivity(args: &Args, spec: &ArraySpec) -> Result<Structure> {
    let axes = args.filter_axes(spec)?;
    let most = axes.len().max(1);
    let connectivity = args.integer("connectivity", 1)?;
    let Some(connectivity) = usize::try_from(connectivity).ok().filter(|c| (1..=most).contains(c)) else {
        return Err(args.error(format!("`connectivity` is {connectivity}, it must be 1 to {most}")));
    };
    connected(spec.rank(), &axes, connectivity).map_err(|e| args.error(e))
}

/// The neighbours that `structure` says, faces by default.
pub(super) fn by_structure(args: &Args, spec: &ArraySpec) -> Result<Structure> {
    let axes = args.filter_axes(spec)?;
    let n = axes.len();
    let made = match args.get("structure") {
        None | Some(Arg::None) => connected(spec.rank(), &axes, 1),
        Some(Arg::Str(word)) if word == "cross" => connected(spec.rank(), &axes, 1),
        Some(Arg::Str(word)) if word == "full" => connected(spec.rank(), &axes, n),
        Some(Arg::Str(word)) => Err(format!("`structure` is \"cross\", \"full\" or a nested list, not {word:?}")),
        Some(_) => {
            let (shape, cells) = args.nested("structure")?;
            if shape.len() != n || shape.iter().any(|&n| n != 3) {
                return Err(args.error(format!(
                    "`structure` has shape {shape:?}; it must be 3 along each of the {n} axes that are labelled"
                )));
            }
            let cells: Vec<bool> = cells.iter().map(|&v| v != 0.0).collect();
            Structure::from_bools(n, &cells).and_then(|structure| embedded(&structure, spec.rank(), &axes))
        }
    };
    made.map_err(|e| args.error(e))
}

/// The neighbours that differ along at most `connectivity` of the given axes.
pub(super) fn connected(rank: usize, axes: &[usize], connectivity: usize) -> std::result::Result<Structure, String> {
    // An array whose axes are all left alone has nothing to connect.
    match axes.len() {
        0 => Structure::from_connectivity(rank, 0),
        n => embedded(&Structure::from_connectivity(n, connectivity)?, rank, axes),
    }
}

/// A structure along some axes of an array, with nothing connected along the others.
pub(super) fn embedded(structure: &Structure, rank: usize, axes: &[usize]) -> std::result::Result<Structure, String> {
    let cells: Vec<bool> = (0..3usize.pow(rank as u32))
        .map(|cell| {
            let offset = |axis: usize| (cell / 3usize.pow((rank - 1 - axis) as u32) % 3) as i8 - 1;
            let elsewhere = (0..rank).filter(|a| !axes.contains(a)).any(|a| offset(a) != 0);
            let within: Vec<i8> = axes.iter().map(|&a| offset(a)).collect();
            !elsewhere && structure.has(&within)
        })
        .collect();
    Structure::from_bools(rank, &cells)
}

/// The image as the kernel sees it under that schedule.
pub(super) fn geometry_of(op: &str, structure: &Structure, schedule: &Schedule) -> Result<Geometry> {
    let rows = |shape: &[u64]| shape.split_last().map_or(1, |(_, rows)| rows.iter().product::<u64>()).max(1);
    // The axis along which slabs are cut; all of it, for every index of the axes before, is a unit.
    let lead = schedule.slab.len().saturating_sub(2);
    let cut = schedule.slab.iter().position(|&n| n > 1).unwrap_or(lead).min(lead);
    Geometry::in_units(&schedule.shape, structure, rows(&schedule.slab), rows(&schedule.shape[cut..]))
        .map_err(|e| Error::op(op, e))
}

/// What a kernel that costs so much holds under that schedule; nothing fits one whose slabs cannot be indexed.
pub(super) fn stitch_bill(bill: Option<label::Bill>, schedule: &Schedule) -> StitchBill {
    let Some(bill) = bill else {
        return StitchBill { merge: IMPOSSIBLE, ..StitchBill::default() };
    };
    StitchBill {
        piece: bill.piece_bytes,
        local: bill.local_bytes - bill.piece_bytes,
        merge: bill.merge_bytes.max(bill.resolve_bytes),
        apply: bill.apply_bytes,
        shared: bill.labels_bytes,
        scratch: bill.scratch_bytes,
        // One bit per pixel.
        scratch_least: schedule.shape.iter().product::<u64>() / 8,
    }
}

const IMPOSSIBLE: u64 = 1 << 60;

/// Which slab a box is that is one.
pub(super) fn slab_at(at: &Region, shape: &[u64], slab: &[u64]) -> u64 {
    (0..at.rank()).fold(0, |index, axis| {
        index * crate::array::tiles_along(shape[axis], slab[axis]) + at.start[axis] / slab[axis].max(1)
    })
}

#[derive(Debug)]
struct Label {
    structure: Structure,
    /// The labels, as an array.
    spec: ArraySpec,
}

impl StitchOp for Label {
    fn name(&self) -> &'static str {
        "label"
    }

    fn bill(&self, _input: &ArraySpec, schedule: &Schedule) -> StitchBill {
        let geometry = geometry_of("label", &self.structure, schedule);
        stitch_bill(geometry.ok().map(|g| g.bill()), schedule)
    }

    fn begin(
        &self,
        _input: &ArraySpec,
        schedule: &Schedule,
        stores: &mut dyn FnMut() -> Result<Arc<dyn Store>>,
    ) -> Result<Arc<dyn Stitcher>> {
        let geometry = geometry_of("label", &self.structure, schedule)?;
        let [bits, records] = label_stores(stores)?;
        let merger = Merger::new(&geometry, bits, records);
        Ok(Arc::new(Labelling {
            geometry,
            merger: Mutex::new(Some(merger)),
            spec: self.spec.clone(),
            slab: schedule.slab.clone(),
        }))
    }
}

/// Scratch for the bits of a mask and for the records of its seams.
pub(super) fn label_stores(stores: &mut dyn FnMut() -> Result<Arc<dyn Store>>) -> Result<[Arc<dyn label::Store>; 2]> {
    Ok([Arc::new(LabelStore(stores()?)), Arc::new(LabelStore(stores()?))])
}

/// The engine's scratch as the label kernel sees it.
struct LabelStore(Arc<dyn Store>);

impl label::Store for LabelStore {
    fn append(&self, bytes: &[u8]) -> io::Result<u64> {
        self.0.append(bytes).map_err(io::Error::other)
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, out).map_err(io::Error::other)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, bytes).map_err(io::Error::other)
    }
}

/// The error that scratch gave, or the kernel's own.
pub(super) fn scratch_error(op: &'static str) -> impl Fn(io::Error) -> Error {
    move |error| match error.downcast::<Error>() {
        Ok(own) => own,
        Err(error) => Error::op(op, error.to_string()),
    }
}

struct Labelling {
    geometry: Geometry,
    merger: Mutex<Option<Merger>>,
    spec: ArraySpec,
    slab: Dims,
}

fn misused(what: &str) -> Error {
    Error::Internal(format!("label: {what}"))
}

impl Stitcher for Labelling {
    fn piece(&self) -> Box<dyn Any + Send> {
        Box::new(Piece::new(&self.geometry))
    }

    fn local_space(&self) -> Box<dyn Any + Send> {
        Box::new(LocalScratch::new(&self.geometry))
    }

    fn local(&self, slab: u64, tile: &View<'_>, space: &mut dyn Any, piece: &mut dyn Any) -> Result<()> {
        let (Some(space), Some(piece)) = (space.downcast_mut::<LocalScratch>(), piece.downcast_mut::<Piece>()) else {
            return Err(misused("a worker brought another op's memory"));
        };
        let mask = tile.typed::<u8>();
        if mask.len() != self.geometry.slab_pixels(slab) {
            return Err(misused("a slab is not contiguous"));
        }
        self.geometry.local(slab, mask, space, piece);
        Ok(())
    }

    fn merge(&self, _slab: u64, piece: &mut dyn Any) -> Result<()> {
        let Some(piece) = piece.downcast_mut::<Piece>() else {
            return Err(misused("a worker brought another op's piece"));
        };
        match self.merger.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(merger) => merger.merge(piece).map_err(scratch_error("label")),
            None => Err(misused("a slab came after the end")),
        }
    }

    fn finish(&self) -> Result<Vec<StitchOutput>> {
        let Some(merger) = self.merger.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return Err(misused("finished twice"));
        };
        let labels = merger.finish().map_err(scratch_error("label"))?;
        let count = Value::scalar(Scalar::of(labels.count()));
        let source = LabelSource { labels: Arc::new(labels), spec: self.spec.clone(), slab: self.slab.clone() };
        Ok(vec![StitchOutput::Source(Arc::new(source)), StitchOutput::Value(count)])
    }
}

/// The finished labels, painted slab by slab when asked for.
struct LabelSource {
    labels: Arc<Labels>,
    spec: ArraySpec,
    slab: Dims,
}

impl std::fmt::Debug for LabelSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LabelSource({:?})", self.spec.shape)
    }
}

impl Source for LabelSource {
    fn spec(&self) -> &ArraySpec {
        &self.spec
    }

    fn name(&self) -> String {
        "label()".into()
    }

    fn layout(&self) -> Layout {
        Layout::Chunked { chunk: self.slab.clone() }
    }

    fn bill(&self, _access: Access) -> ReadBill {
        let bill = self.labels.geometry().bill();
        ReadBill { per_reader: bill.apply_bytes, shared: bill.labels_bytes }
    }

    fn facts(&self) -> Facts {
        Facts::default()
    }

    fn reader(&self, _access: Access) -> Result<Box<dyn Reader>> {
        let space = ApplyScratch::new(self.labels.geometry());
        Ok(Box::new(LabelReader {
            labels: self.labels.clone(),
            space,
            slab: self.slab.clone(),
            spec: self.spec.clone(),
        }))
    }
}

struct LabelReader {
    labels: Arc<Labels>,
    space: ApplyScratch,
    slab: Dims,
    spec: ArraySpec,
}

impl Reader for LabelReader {
    fn read(&mut self, at: &Region, mut out: ViewMut<'_>) -> Result<()> {
        let slab = slab_at(at, &self.spec.shape, &self.slab);
        if out.elements() != self.labels.geometry().slab_pixels(slab) {
            return Err(misused("labels are read slab by slab"));
        }
        match self.spec.dtype {
            DType::U32 => self.labels.apply_u32(slab, &mut self.space, contiguous(&mut out)?),
            _ => self.labels.apply_u64(slab, &mut self.space, contiguous(&mut out)?),
        }
        .map_err(scratch_error("label"))
    }
}

/// A slab is contiguous in raster order, and so is its place in a buffer of whole slabs.
pub(super) fn contiguous<'a, T: crate::array::Element>(out: &'a mut ViewMut<'_>) -> Result<&'a mut [T]> {
    let n = out.elements();
    let slice = out.typed_mut::<T>();
    if slice.len() == n { Ok(slice) } else { Err(misused("a slab's place is not contiguous")) }
}
