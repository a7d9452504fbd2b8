//! What an operation is to the planner and the executor. Ops never see files, plans or threads.

use super::{MemArray, Stores, Table, Value};
use crate::array::{ArraySpec, Dims, MAX_RANK, Mode, Region, Scalar, View, ViewMut};
use crate::error::Result;
use crate::io::Source;
use arrayvec::ArrayVec;
use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

/// The kinds of operation the executor runs.
///
/// A repeated local step ("sweep until nothing changes": thinning, reconstruction) will be a further kind: a pass
/// whose target is spilled and read back until its scan reports no change. Passes, spills and scans are already
/// separate parts of a plan for that reason.
#[derive(Debug)]
pub enum OpKind {
    /// Local: each output box needs known boxes of the inputs.
    Tile(Box<dyn TileOp>),
    /// One sweep over an array to a summary.
    Scan(Box<dyn ScanOp>),
    /// Per-tile results joined across seams into a global answer.
    Stitch(Box<dyn StitchOp>),
}

impl OpKind {
    /// The op's name in messages and `explain`.
    pub fn name(&self) -> &'static str {
        match self {
            OpKind::Tile(op) => op.name(),
            OpKind::Scan(op) => op.name(),
            OpKind::Stitch(op) => op.name(),
        }
    }
}

/// What an output box needs of one input: a box that may reach outside it, and what lies outside.
#[derive(Clone, Debug, PartialEq)]
pub struct Need {
    /// First coordinate along each axis of the input; may be negative.
    pub start: ArrayVec<i64, MAX_RANK>,
    /// Length along each axis.
    pub shape: Dims,
    /// What lies outside; `None` where the box never reaches outside.
    pub outside: Option<(Mode, Scalar)>,
}

impl Need {
    /// A box inside the input.
    pub fn inside(region: &Region) -> Self {
        Need { start: region.start.iter().map(|&s| s as i64).collect(), shape: region.shape.clone(), outside: None }
    }

    /// Whether all of it is the constant outside.
    pub fn lies_outside(&self, shape: &[u64]) -> bool {
        let apart = |((&lo, &len), &n): ((&i64, &u64), &u64)| lo >= n as i64 || lo + len as i64 <= 0;
        matches!(self.outside, Some((Mode::Constant, _))) && self.start.iter().zip(&self.shape).zip(shape).any(apart)
    }

    /// The output's own box widened along one axis.
    pub fn window(out: &Region, axis: usize, before: u64, after: u64, mode: Mode, cval: Scalar) -> Self {
        let mut need = Need::inside(out);
        need.start[axis] -= before as i64;
        need.shape[axis] += before + after;
        need.outside = Some((mode, cval));
        need
    }
}

/// What an op is told about the box it computes.
#[derive(Debug)]
pub struct Cx<'a> {
    /// The output box, in absolute coordinates.
    pub out: &'a Region,
    /// The inputs, whole.
    pub inputs: &'a [ArraySpec],
    /// The output, whole.
    pub output: &'a ArraySpec,
    /// The tables among the inputs, in order.
    pub tables: &'a [Arc<Table>],
}

/// A local operation with one output.
///
/// For every output element the same operations run in the same order whatever box it is computed in: that is what
/// makes tiling invisible.
pub trait TileOp: Debug + Send + Sync {
    /// Its name in messages and `explain`.
    fn name(&self) -> &'static str;

    /// The box of input `input` (whose specs are `inputs`; a table shows as a scalar, and is not asked for) that output
    /// box `out` needs. The box's *shape* depends
    /// only on the shape of `out`, and a smaller box inside `out` never needs more.
    fn need(&self, input: usize, out: &Region, inputs: &[ArraySpec]) -> Need;

    /// Bytes of working space for an output box of that shape.
    fn scratch(&self, _out: &[u64], _inputs: &[ArraySpec]) -> u64 {
        0
    }

    /// Computes one box. `inputs[k]` holds exactly what [`TileOp::need`] asked for, scalars have rank 0; of tables it
    /// holds nothing, they are in [`Cx::tables`].
    ///
    /// # Errors
    /// When a value makes the op impossible; most never fail.
    fn run(&self, cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, scratch: &mut [u8]) -> Result<()>;

    /// A rough cost in nanoseconds per output element, to choose between recomputing and spilling.
    fn cost(&self) -> f64 {
        1.0
    }

    /// A rough cost in nanoseconds of an output box of that shape, to choose boxes. Other than the sum of its elements'
    /// costs where the op works in units of its own and a box pays for every unit that it touches.
    fn box_cost(&self, out: &[u64]) -> f64 {
        out.iter().product::<u64>() as f64 * self.cost()
    }
}

/// What a scan is given when it begins.
pub struct ScanCx<'a> {
    /// The arrays that stream by, all of one shape.
    pub inputs: &'a [ArraySpec],
    /// The scalars among the inputs after them.
    pub scalars: &'a [Scalar],
    /// The arrays among the inputs after them, whole: what earlier scans gave.
    pub arrays: &'a [Arc<MemArray>],
    /// Makes new files on scratch; a state that may need one keeps a clone.
    pub stores: &'a Stores,
}

impl ScanCx<'_> {
    /// The first array, which most scans have only one of.
    pub fn input(&self) -> &ArraySpec {
        &self.inputs[0]
    }
}

/// One sweep over arrays to a summary. The result may not depend on the order or shape of the tiles.
pub trait ScanOp: Debug + Send + Sync {
    /// Its name in messages and `explain`.
    fn name(&self) -> &'static str;

    /// How many of the inputs stream by side by side, all of one shape; those after are scalars, or small arrays
    /// that other scans give.
    fn streams(&self) -> usize {
        1
    }

    /// The boxes it insists on: a fixed grid from the origin, of which every box it folds is made of whole cells (cut
    /// at the array's edge). For sums that are only the same if they are always taken over the same boxes.
    fn grain(&self, _input: &ArraySpec) -> Option<Dims> {
        None
    }

    /// Bytes of one worker's state.
    fn state_bytes(&self, input: &ArraySpec) -> u64;

    /// Bytes it may write to scratch, for the worst data.
    fn scratch(&self, _input: &ArraySpec) -> u64 {
        0
    }

    /// Bytes that [`ScanState::finish`] takes for a moment, once, when all tiles are gone.
    fn finish_bytes(&self, _input: &ArraySpec) -> u64 {
        0
    }

    /// An empty state for one worker.
    ///
    /// # Errors
    /// When the scalars make no sense (an empty range).
    fn begin(&self, cx: &ScanCx<'_>) -> Result<Box<dyn ScanState>>;
}

/// What one worker of a scan has seen.
pub trait ScanState: Send {
    /// Takes one box in: of every array that streams by, in order.
    ///
    /// # Errors
    /// When a value makes the scan impossible or scratch is full; most never fail.
    fn fold(&mut self, at: &Region, tiles: &[View<'_>]) -> Result<()>;

    /// Takes in what another worker has seen: a state of the same type.
    fn merge(&mut self, other: Box<dyn ScanState>);

    /// The results, one per output of the node.
    ///
    /// # Errors
    /// When what was seen has no answer (the maximum of nothing).
    fn finish(self: Box<Self>) -> Result<Vec<Value>>;

    /// For [`ScanState::merge`] to get at the other's fields.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

/// Room on disk for intermediates, counted against the scratch limit.
pub trait Store: Send + Sync + Debug {
    /// Appends bytes and says where they lie.
    ///
    /// # Errors
    /// When the scratch limit or the disk is full.
    fn append(&self, bytes: &[u8]) -> Result<u64>;

    /// Reads bytes from there.
    ///
    /// # Errors
    /// When the disk fails.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<()>;

    /// Overwrites bytes there.
    ///
    /// # Errors
    /// When the disk fails.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()>;
}

/// What a stitch op holds in memory, in bytes; true upper bounds for any data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StitchBill {
    /// Per slab in flight: the piece handed from worker to merger.
    pub piece: u64,
    /// Per worker: the working space of the local step.
    pub local: u64,
    /// Once: the merger, and later its resolution.
    pub merge: u64,
    /// Per reader of the result.
    pub apply: u64,
    /// Once, for as long as the result is read.
    pub shared: u64,
    /// On disk, for the worst data.
    pub scratch: u64,
    /// On disk, whatever the data.
    pub scratch_least: u64,
}

/// How an array is cut into slabs for a stitch op: boxes that are contiguous in raster order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Shape of the whole array.
    pub shape: Dims,
    /// Shape of a slab: ones, then any length along one axis, then whole axes.
    pub slab: Dims,
}

/// Per-tile results joined across seams into a global answer (labelling).
pub trait StitchOp: Debug + Send + Sync {
    /// Its name in messages and `explain`.
    fn name(&self) -> &'static str;

    /// What it holds under that schedule.
    fn bill(&self, input: &ArraySpec, schedule: &Schedule) -> StitchBill;

    /// Starts a run. Scratch goes to files that `stores` makes.
    ///
    /// # Errors
    /// When memory for its tables or scratch cannot be had.
    fn begin(
        &self,
        input: &ArraySpec,
        schedule: &Schedule,
        stores: &mut dyn FnMut() -> Result<Arc<dyn Store>>,
    ) -> Result<Arc<dyn Stitcher>>;
}

/// A stitch op at work.
pub trait Stitcher: Send + Sync {
    /// An empty piece, to be reused from slab to slab.
    fn piece(&self) -> Box<dyn Any + Send>;

    /// The working space of one worker.
    fn local_space(&self) -> Box<dyn Any + Send>;

    /// The local step: runs in parallel, in any order.
    ///
    /// # Errors
    /// When a value makes the op impossible.
    fn local(&self, slab: u64, tile: &View<'_>, space: &mut dyn Any, piece: &mut dyn Any) -> Result<()>;

    /// Joins the next slab to those before it: called once per slab, in order.
    ///
    /// # Errors
    /// When scratch is full.
    fn merge(&self, slab: u64, piece: &mut dyn Any) -> Result<()>;

    /// After the last slab: the results, one per output of the node.
    ///
    /// # Errors
    /// When scratch is full or fails.
    fn finish(&self) -> Result<Vec<StitchOutput>>;
}

/// One result of a stitch op.
pub enum StitchOutput {
    /// An array that can be read slab by slab: [`crate::io::Layout::Chunked`] with the slab as its chunk.
    Source(Arc<dyn Source>),
    /// A scalar or small array.
    Value(Value),
}
