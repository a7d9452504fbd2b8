//! One pass: readers fill tiles, workers compute them, the calling thread writes them in order.

use super::block::{Known, Worker, packed_part};
use super::read::{Origin, origins};
use super::scratch::Kept;
use super::values::Values;
use super::{Context, Event, PassReport};
use crate::array::{Buffer, Region, View, grid_len};
use crate::error::{Error, Result};
use crate::graph::{NodeKind, OpKind, ScanState, Stitcher, Store};
use crate::io::{Encoded, Encoder};
use crate::plan::{Demands, Goal, Output, Pass, Plan, Ref, Target, To};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a waiting thread looks whether the run has ended.
const POLL: Duration = Duration::from_millis(50);

/// Enough for every kernel; small stacks keep transparent huge pages away from them.
const STACK: usize = 1 << 20;

/// The whole working set of one tile, used for one tile after the other.
#[derive(Default)]
pub(crate) struct Slot {
    pub(crate) index: u64,
    pub(crate) region: Region,
    pub(crate) demands: Demands,
    pub(crate) leaves: Vec<Buffer>,
    pub(crate) targets: Vec<Buffer>,
    pub(crate) pieces: Vec<Option<Box<dyn Any + Send>>>,
    /// Per target: what its sink's encoder made of the tile.
    pub(crate) encoded: Vec<Encoded>,
}

impl Slot {
    fn allocate(&mut self, pass: &Pass) -> Result<()> {
        if self.leaves.len() == pass.leaves.len() && self.targets.len() == pass.targets.len() {
            return Ok(());
        }
        let buffers = |bytes: &[u64]| bytes.iter().map(|&b| Buffer::new(b as usize)).collect::<Result<Vec<_>>>();
        self.leaves = buffers(&pass.sweep.leaf_bytes)?;
        self.targets = buffers(&pass.sweep.target_bytes)?;
        self.pieces = pass.targets.iter().map(|_| None).collect();
        self.encoded = pass.targets.iter().map(|_| Encoded::default()).collect();
        Ok(())
    }

    /// The finished tile of a target.
    pub(crate) fn target_view(&self, pass: &Pass, target: usize) -> Result<View<'_>> {
        let spec = &pass.targets[target].spec;
        match pass.targets[target].from {
            Ref::Leaf(l) => packed_part(spec, &self.demands.leaves[l], &self.region, self.leaves[l].bytes()),
            _ => Ok(View::new(spec.dtype, &self.region.shape, self.targets[target].bytes())),
        }
    }
}

/// The first failure ends the pass for everyone.
struct Outcome {
    stop: AtomicBool,
    error: Mutex<Option<Error>>,
}

impl Outcome {
    fn fail(&self, error: Error) {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Runs a thread's body; its error, or panic, becomes the pass's.
    fn guard<T>(&self, body: impl FnOnce() -> Result<T>) -> Option<T> {
        match catch_unwind(AssertUnwindSafe(body)) {
            Ok(Ok(value)) => Some(value),
            Ok(Err(error)) => {
                self.fail(error);
                None
            }
            Err(panic) => {
                self.fail(Error::panicked(panic.as_ref()));
                None
            }
        }
    }
}

/// What the threads of a pass share.
struct Shared<'a> {
    pass: &'a Pass,
    context: &'a Context<'a>,
    outcome: &'a Outcome,
}

impl Shared<'_> {
    fn ended(&self) -> bool {
        self.outcome.stop.load(Ordering::Relaxed) || self.context.cancel.is_cancelled()
    }

    /// The next message, or `None` when the senders are gone or the run has ended.
    fn next<T>(&self, channel: &Receiver<T>) -> Option<T> {
        loop {
            if self.ended() {
                return None;
            }
            match channel.recv_timeout(POLL) {
                Ok(message) => return Some(message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }
}

/// Runs pass `index` of the plan.
pub(crate) fn run_pass(
    plan: &Plan,
    index: usize,
    outputs: &mut [Output],
    values: &mut Values,
    kept: &mut [Option<Arc<Kept>>],
    context: &Context<'_>,
) -> Result<PassReport> {
    let started = Instant::now();
    let pass = &plan.passes[index];
    prepare_kept(plan, pass, kept, context)?;
    let mut takers = Takers::begin(plan, pass, outputs, kept, context)?;
    let known = Known::new(pass, values)?;
    let origins = origins(pass, values, kept)?;
    let stitchers = takers.stitchers.clone();
    let states = run_threads(plan, pass, values, &known, &origins, &stitchers, &mut takers, context)?;
    drop(known);
    finish(plan, pass, values, states, takers.stitchers)?;
    let bytes_in: u64 = pass.sweep.bytes_read + pass.sweep.scratch_bytes;
    Ok(PassReport {
        seconds: started.elapsed().as_secs_f64(),
        tiles: pass.sweep.tiles,
        bytes: bytes_in + pass.sweep.bytes_written,
        decoded: origins.iter().filter_map(Origin::decoded).collect(),
    })
}

/// Makes room for the intermediates that this pass writes.
fn prepare_kept(plan: &Plan, pass: &Pass, kept: &mut [Option<Arc<Kept>>], context: &Context<'_>) -> Result<()> {
    for target in &pass.targets {
        if let Goal::Spill(i) = target.goal {
            let spill = &plan.spills[i];
            let room = if spill.in_memory {
                Kept::in_memory(&spill.spec)?
            } else {
                Kept::on_disk(&spill.spec, &context.scratch)?
            };
            kept[i] = Some(Arc::new(room));
        }
    }
    Ok(())
}

/// Those who take finished tiles, in order.
struct Takers<'a> {
    pass: &'a Pass,
    outputs: &'a mut [Output],
    /// Per target: the intermediate it is kept as.
    kept: Vec<Option<Arc<Kept>>>,
    /// Per target: the stitch op at work.
    stitchers: Vec<Option<Arc<dyn Stitcher>>>,
    /// Per target: whether its tiles come encoded.
    encodes: Vec<bool>,
}

/// Per target: the encoder of its sink, for one worker.
pub(crate) type Encoders = Vec<Option<Box<dyn Encoder>>>;

impl<'a> Takers<'a> {
    fn begin(
        plan: &Plan,
        pass: &'a Pass,
        outputs: &'a mut [Output],
        kept: &[Option<Arc<Kept>>],
        context: &Context<'_>,
    ) -> Result<Self> {
        let mut stitchers: Vec<Option<Arc<dyn Stitcher>>> = Vec::new();
        let mut own = Vec::new();
        for target in &pass.targets {
            let mut stitcher = None;
            let mut intermediate = None;
            match target.goal {
                Goal::Sink(i) => {
                    if let To::Sink(sink) = &mut outputs[i].to {
                        sink.begin()?;
                    }
                }
                Goal::Spill(i) => intermediate = kept[i].clone(),
                Goal::Stitch(step) => {
                    if let (NodeKind::Op(OpKind::Stitch(op)), Some((schedule, _))) =
                        (&plan.steps[step].node.kind, pass.sweep.schedules.get(&step))
                    {
                        let mut stores = || Ok(Arc::new(context.scratch.file()?) as Arc<dyn Store>);
                        stitcher = Some(op.begin(&target.spec, schedule, &mut stores)?);
                    }
                }
                Goal::Scan(_) | Goal::Beside(_) => {}
            }
            stitchers.push(stitcher);
            own.push(intermediate);
        }
        Ok(Takers { pass, outputs, kept: own, stitchers, encodes: Vec::new() })
    }

    /// The encoders of that many workers; where there are any, tiles come encoded from now on.
    fn encoders(&mut self, workers: usize) -> Result<Vec<Encoders>> {
        let all = (0..workers).map(|_| self.encoders_of_one()).collect::<Result<Vec<_>>>()?;
        self.encodes = all.first().map(|one| one.iter().map(Option::is_some).collect()).unwrap_or_default();
        Ok(all)
    }

    fn encoders_of_one(&self) -> Result<Encoders> {
        let one = |target: &Target| match target.goal {
            Goal::Sink(i) => match &self.outputs[i].to {
                To::Sink(sink) => sink.encoder(),
                To::Value => Ok(None),
            },
            _ => Ok(None),
        };
        self.pass.targets.iter().map(one).collect()
    }

    fn take(&mut self, slot: &mut Slot) -> Result<()> {
        for (t, target) in self.pass.targets.iter().enumerate() {
            match target.goal {
                Goal::Sink(i) => {
                    let To::Sink(sink) = &mut self.outputs[i].to else { continue };
                    match self.encodes[t] {
                        true => sink.write_encoded(&slot.region, &slot.encoded[t])?,
                        false => sink.write(&slot.region, slot.target_view(self.pass, t)?)?,
                    }
                }
                Goal::Spill(_) => {
                    if let Some(kept) = &self.kept[t] {
                        kept.write(&slot.region, &slot.target_view(self.pass, t)?)?;
                    }
                }
                Goal::Stitch(_) => {
                    if let (Some(stitcher), Some(piece)) = (&self.stitchers[t], slot.pieces[t].as_mut()) {
                        stitcher.merge(slot.index, piece.as_mut())?;
                    }
                }
                Goal::Scan(_) | Goal::Beside(_) => {}
            }
        }
        Ok(())
    }
}

type States = Vec<Option<Box<dyn ScanState>>>;

/// Runs the threads of a pass and gives the scan states of every worker.
#[allow(clippy::too_many_arguments)]
fn run_threads(
    plan: &Plan,
    pass: &Pass,
    values: &Values,
    known: &Known,
    origins: &[Origin],
    stitchers: &[Option<Arc<dyn Stitcher>>],
    takers: &mut Takers<'_>,
    context: &Context<'_>,
) -> Result<Vec<States>> {
    let sweep = &pass.sweep;
    let outcome = Outcome { stop: AtomicBool::new(false), error: Mutex::new(None) };
    let shared = Shared { pass, context, outcome: &outcome };
    let (free_in, free_out) = bounded(sweep.slots);
    let (read_in, read_out) = bounded(sweep.slots);
    let (done_in, done_out) = bounded(sweep.slots);
    for _ in 0..sweep.slots {
        // The channel holds them all: this cannot fail.
        let _ = free_in.send(Slot::default());
    }
    let tickets = Mutex::new((0u64, free_out));
    let encoders = takers.encoders(sweep.workers)?;
    let states = std::thread::scope(|scope| {
        let mut workers = Vec::new();
        let spawned = outcome.guard(|| {
            for _ in 0..sweep.readers {
                let (shared, tickets, read_in) = (&shared, &tickets, read_in.clone());
                spawn(scope, "tilewise-read", move || {
                    shared.outcome.guard(|| read_tiles(shared, origins, tickets, &read_in));
                })?;
            }
            for encoders in encoders {
                let (shared, read_out, done_in) = (&shared, read_out.clone(), done_in.clone());
                let body = move || {
                    shared.outcome.guard(|| {
                        let mut worker = Worker::new(plan, pass, values, known, stitchers, encoders, context)?;
                        compute_tiles(shared, &mut worker, &read_out, &done_in)?;
                        Ok(worker.scans)
                    })
                };
                workers.push(spawn(scope, "tilewise-work", body)?);
            }
            Ok(())
        });
        drop((read_in, read_out, done_in));
        if spawned.is_some() {
            outcome.guard(|| write_tiles(&shared, takers, &done_out, &free_in));
        }
        drop((free_in, done_out));
        workers.into_iter().filter_map(|w| w.join().ok().flatten()).collect::<Vec<States>>()
    });
    if let Some(error) = outcome.error.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    context.cancel.check()?;
    Ok(states)
}

fn spawn<'scope, 'env, T: Send + 'scope>(
    scope: &'scope std::thread::Scope<'scope, 'env>,
    name: &str,
    body: impl FnOnce() -> T + Send + 'scope,
) -> Result<std::thread::ScopedJoinHandle<'scope, T>> {
    let builder = std::thread::Builder::new().name(name.into()).stack_size(STACK);
    builder.spawn_scoped(scope, body).map_err(|e| Error::Usage(format!("cannot start a thread: {e}")))
}

/// Takes tiles in raster order: whoever holds the ticket gets the next tile and the next free slot together, so the
/// tile that is written next always has one.
fn read_tiles(
    shared: &Shared<'_>,
    origins: &[Origin],
    tickets: &Mutex<(u64, Receiver<Slot>)>,
    out: &Sender<Slot>,
) -> Result<()> {
    let pass = shared.pass;
    let mut readers = origins.iter().map(|o| o.open(shared.context)).collect::<Result<Vec<_>>>()?;
    loop {
        let mut slot = {
            let mut ticket = tickets.lock().unwrap_or_else(PoisonError::into_inner);
            if ticket.0 >= pass.sweep.tiles {
                return Ok(());
            }
            let Some(mut slot) = shared.next(&ticket.1) else { return Ok(()) };
            slot.index = ticket.0;
            ticket.0 += 1;
            slot
        };
        slot.allocate(pass)?;
        slot.region = Region::tile(&pass.domain, &pass.sweep.tile, slot.index);
        pass.demand(&slot.region, &mut slot.demands);
        for (i, origin) in origins.iter().enumerate() {
            origin.fill(&slot.demands.leaves[i], &mut slot.leaves[i], &mut readers[i], &|| shared.ended())?;
        }
        shared.context.observer.event(&Event::TileRead { tile: slot.index });
        if out.send(slot).is_err() {
            return Ok(());
        }
    }
}

fn compute_tiles(
    shared: &Shared<'_>,
    worker: &mut Worker<'_>,
    tiles: &Receiver<Slot>,
    out: &Sender<Slot>,
) -> Result<()> {
    while let Some(mut slot) = shared.next(tiles) {
        worker.tile(&mut slot, shared.context.cancel)?;
        shared.context.observer.event(&Event::TileComputed { tile: slot.index });
        if out.send(slot).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Hands tiles to their takers in raster order and their slots back to the readers.
fn write_tiles(
    shared: &Shared<'_>,
    takers: &mut Takers<'_>,
    tiles: &Receiver<Slot>,
    free: &Sender<Slot>,
) -> Result<()> {
    let mut waiting: BTreeMap<u64, Slot> = BTreeMap::new();
    let mut next = 0;
    while next < shared.pass.sweep.tiles {
        let Some(slot) = shared.next(tiles) else {
            let lost = || Error::Internal("tiles were lost".into());
            return if shared.ended() { Ok(()) } else { Err(lost()) };
        };
        waiting.insert(slot.index, slot);
        while let Some(mut slot) = waiting.remove(&next) {
            takers.take(&mut slot)?;
            next += 1;
            let bytes = slot.leaves.iter().chain(&slot.targets).map(|b| b.len() as u64).sum();
            let elements = slot.region.elements();
            shared.context.observer.event(&Event::TileWritten { tile: slot.index, elements, bytes });
            // Readers that are done no longer listen.
            let _ = free.send(slot);
        }
    }
    Ok(())
}

/// Merges what the workers saw and completes the stitch ops.
fn finish(
    plan: &Plan,
    pass: &Pass,
    values: &mut Values,
    states: Vec<States>,
    stitchers: Vec<Option<Arc<dyn Stitcher>>>,
) -> Result<()> {
    let mut states = states.into_iter();
    let mut merged = states.next().unwrap_or_default();
    for more in states {
        for (state, other) in merged.iter_mut().zip(more) {
            if let (Some(state), Some(other)) = (state, other) {
                state.merge(other);
            }
        }
    }
    for (target, state) in pass.targets.iter().zip(merged) {
        if let (Goal::Scan(step), Some(state)) = (target.goal, state) {
            let name = step_name(plan, step);
            values.set(step, state.finish().map_err(|e| name_error(&name, e))?);
        }
    }
    for (target, stitcher) in pass.targets.iter().zip(stitchers) {
        if let (Goal::Stitch(step), Some(stitcher)) = (target.goal, stitcher) {
            values.set_stitched(step, stitcher.finish()?);
        }
    }
    debug_assert!(pass.sweep.tiles == grid_len(&pass.domain, &pass.sweep.tile));
    Ok(())
}

fn step_name(plan: &Plan, step: usize) -> String {
    plan.steps[step].node.origin.as_ref().map_or_else(String::new, |o| o.to_string())
}

fn name_error(name: &str, error: Error) -> Error {
    match error {
        Error::Usage(what) => Error::op(name, what),
        other => other,
    }
}
