//! From a graph to passes: what is computed when, in which tiles, and what it will cost in memory. Reads no pixel.
//!
//! `steps` puts the nodes in order and finds the barriers, `place` decides what is spilled and what is computed
//! again, `pass` holds one sweep and its demands, `tile` chooses tile, block, workers and the bill.

mod bill;
mod cut;
mod pass;
mod place;
mod steps;
mod tile;

pub use bill::Bill;
use cut::Cuts;
pub use pass::{Demands, Goal, Leaf, LeafKind, Pass, PassNode, Ref, Target};
pub use steps::{Port, Step};
pub use tile::Sweep;

use crate::array::{ArraySpec, Spec};
use crate::error::{Error, Result, Shortage};
use crate::graph::{Array, NodeKind, OpKind, TABLE_MEMORY};
use crate::io::{Access, Sink};

/// Where a result goes.
#[derive(Debug)]
pub enum To {
    /// Into a file.
    Sink(Box<dyn Sink>),
    /// Into the report: scalars, tables, small arrays.
    Value,
}

/// One result that is wanted.
#[derive(Debug)]
pub struct Output {
    /// What is wanted.
    pub array: Array,
    /// Where it goes.
    pub to: To,
}

/// What a run may use: the planner and the executor are handed this and look at nothing else.
#[derive(Clone, Debug)]
pub struct Resources {
    /// The memory limit in bytes.
    pub memory: u64,
    /// Bytes that count against the limit before the first tile: the process as it stands, and its code to come.
    pub baseline: u64,
    /// How many workers compute at the same time.
    pub threads: usize,
    /// How files are read.
    pub access: Access,
    /// The scratch limit in bytes; `None` for what the disk holds.
    pub scratch: Option<u64>,
    /// Fixes the tile shape instead of choosing one.
    pub tile: Option<Vec<u64>>,
    /// Bytes of outputs that go to a file system that is memory (tmpfs).
    pub memory_backed: u64,
}

/// An intermediate that is kept between passes.
#[derive(Debug, Clone)]
pub struct Spill {
    /// The step whose output it is.
    pub step: usize,
    /// What is kept.
    pub spec: ArraySpec,
    /// In memory (on the bill) or on disk.
    pub in_memory: bool,
}

/// Everything that is decided before a run.
#[derive(Debug)]
pub struct Plan {
    /// The nodes in an order in which each comes after its inputs.
    pub steps: Vec<Step>,
    /// The sweeps, in order.
    pub passes: Vec<Pass>,
    /// Per step: the level of the last pass that wants its values.
    pub wanted_until: Vec<usize>,
    /// Kept intermediates.
    pub spills: Vec<Spill>,
    /// Per output: the step and port it is.
    pub outputs: Vec<Port>,
    /// Threads that finish the outputs after the last pass: make what is made of a complete image, such as the smaller
    /// levels of a pyramid. 0 where there is nothing to do.
    pub finishers: usize,
    /// The bill of the most expensive pass, or of finishing the outputs.
    pub bill: Bill,
    /// Bytes of scratch that may be written, for the worst data.
    pub scratch: u64,
    /// Bytes of scratch that will be written whatever the data.
    pub scratch_least: u64,
    /// Whether the memory in use may depend on the pixel values (the bill is then a bound, not a prediction).
    pub data_dependent: bool,
    /// Why it is as it is, one sentence each.
    pub why: Vec<String>,
}

/// Results in memory: from the pass that makes them until the last one that wants them, by level.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    from: usize,
    until: usize,
    bytes: u64,
}

impl Held {
    /// What is in memory during a pass of that level.
    pub(crate) fn during(level: usize, all: &[Held]) -> u64 {
        all.iter().filter(|held| (held.from..=held.until).contains(&level)).map(|held| held.bytes).sum()
    }
}

impl Plan {
    /// Plans a run.
    ///
    /// # Errors
    /// [`Error::Memory`] when no tiling fits the limit, naming the need; [`Error::Scratch`] when the intermediates do
    /// not fit the scratch limit; [`Error::Usage`] when there is nothing to do.
    pub fn new(outputs: &[Output], resources: &Resources) -> Result<Plan> {
        if outputs.is_empty() {
            return Err(Error::Usage("nothing to do: the pipeline saves nothing and has no result".into()));
        }
        cut::best(outputs, resources)
    }

    /// The better of two ways to stitch.
    fn with_cuts(outputs: &[Output], resources: &Resources, cuts: &Cuts) -> Result<Plan> {
        let together = Plan::best(outputs, resources, false, cuts);
        let stitches = |p: &Plan| p.steps.iter().any(|s| matches!(&s.node.kind, NodeKind::Op(OpKind::Stitch(_))));
        match together {
            Ok(plan) if !stitches(&plan) => Ok(plan),
            Ok(plan) => match Plan::best(outputs, resources, true, cuts) {
                Ok(apart) if apart.time() < plan.time() => Ok(apart),
                _ => Ok(plan),
            },
            Err(Error::Memory(shortage)) => Plan::best(outputs, resources, true, cuts).map_err(|e| match e {
                Error::Memory(other) if other.need < shortage.need => Error::Memory(other),
                _ => Error::Memory(shortage),
            }),
            Err(other) => Err(other),
        }
    }

    /// The plan with small intermediates in memory, or if that does not fit, all of them on disk.
    fn best(outputs: &[Output], resources: &Resources, apart: bool, cuts: &Cuts) -> Result<Plan> {
        let (steps, ports) = steps::order(outputs, apart, cuts);
        steps.iter().try_for_each(Step::check)?;
        let room = resources.memory.saturating_sub(resources.baseline);
        let mut placement = place::decide(&steps, &ports, outputs);
        placement.hold_in_memory(room / 4);
        match Plan::with_placement(outputs, resources, &steps, &ports, &placement) {
            Err(Error::Memory(_)) if placement.any_in_memory() => {
                placement.hold_in_memory(0);
                Plan::with_placement(outputs, resources, &steps, &ports, &placement)
            }
            done => done,
        }
    }

    /// Estimated nanoseconds of work.
    fn time(&self) -> f64 {
        self.passes.iter().map(|p| p.sweep.time).sum()
    }

    fn with_placement(
        outputs: &[Output],
        resources: &Resources,
        steps: &[Step],
        ports: &[Port],
        placement: &place::Placement,
    ) -> Result<Plan> {
        let held = placement.spills.iter().filter(|s| s.in_memory).map(|s| s.spec.bytes()).sum();
        let wanted_until = steps::wanted_until(steps, ports);
        let values: Vec<Held> = (steps.iter().zip(&wanted_until))
            .filter_map(|(s, &until)| Some(Held { from: s.runs_at(), until, bytes: s.value_bytes()? }))
            .collect();
        let mut passes = pass::build(steps, ports, outputs, placement)?;
        let mut slab_cap = u64::MAX;
        let short = loop {
            let short = tile::choose_all(&mut passes, steps, outputs, resources, (held, &values), slab_cap)?;
            // Slabs that suit the pass that cuts them may be too large for the passes that read them.
            let slabs = passes.iter().filter_map(Pass::slab_elements).max().unwrap_or(0);
            if short.is_none() || slabs <= 1 || slab_cap == 1 {
                break short;
            }
            slab_cap = (slabs / 2).min(slab_cap / 2).max(1);
        };
        if let Some(short) = short {
            return Err(Error::Memory(short));
        }
        let mut why = placement.why.clone();
        why.extend(passes.iter().flat_map(|p| p.sweep.why.iter().cloned()));
        let to_the_end = values.iter().filter(|v| v.until == usize::MAX).map(|v| v.bytes).sum();
        let (finishers, finishing) = finish(outputs, resources, to_the_end);
        if finishers > 0 {
            why.push(format!(
                "smaller levels of an image are made when the image is complete, by {finishers} of {} threads",
                resources.threads
            ));
        }
        let bills = passes.iter().map(|p| &p.sweep.bill).chain(finishing.as_ref());
        let bill = match bills.max_by_key(|b| b.total()) {
            Some(bill) => bill.clone(),
            None => Bill::base(resources, held, 0),
        };
        if bill.total() > resources.memory {
            return Err(shortage(&bill, resources.memory));
        }
        let kept = placement.spills.iter().filter(|s| !s.in_memory).map(|s| s.spec.bytes()).sum::<u64>();
        let scratch_least = kept + passes.iter().map(|p| p.sweep.stitch_scratch.0).sum::<u64>();
        let scratch = passes.iter().fold(kept, |sum, p| sum.saturating_add(p.sweep.stitch_scratch.1));
        if let Some(limit) = resources.scratch
            && scratch_least > limit
        {
            return Err(Error::Scratch(format!(
                "intermediates need {}, there is room for {} (--scratch-limit, or what the disk has free); raise \
                 --memory-limit so that they fit in memory, or name a larger disk with --scratch-dir",
                crate::error::Bytes(scratch_least),
                crate::error::Bytes(limit)
            )));
        }
        let data_dependent = steps.iter().any(|s| matches!(&s.node.kind, NodeKind::Op(OpKind::Stitch(_))));
        Ok(Plan {
            steps: steps.to_vec(),
            passes,
            wanted_until,
            spills: placement.spills.clone(),
            outputs: ports.to_vec(),
            finishers,
            bill,
            scratch,
            scratch_least,
            data_dependent,
            why,
        })
    }

    /// Bytes read from and written to disk, as far as they are known: sources, then outputs, then scratch.
    pub fn traffic(&self) -> (u64, u64, u64) {
        let (mut read, mut written, mut scratch) = (0, 0, 0);
        for pass in &self.passes {
            read += pass.sweep.bytes_read;
            written += pass.sweep.bytes_written;
            scratch += pass.sweep.scratch_bytes;
        }
        (read, written, scratch)
    }
}

/// On how many threads the outputs are finished, and what that holds: as many as fit, one after the other output.
fn finish(outputs: &[Output], resources: &Resources, values: u64) -> (usize, Option<Bill>) {
    let sinks = || {
        outputs.iter().filter_map(|o| match &o.to {
            To::Sink(sink) => Some(sink),
            To::Value => None,
        })
    };
    if sinks().all(|sink| sink.finish_bill(1) == 0) {
        return (0, None);
    }
    let bill = |threads: usize| {
        let mut bill = Bill::base(resources, 0, values);
        bill.add_stacks(threads as u64 - 1);
        bill.add("smaller levels", sinks().map(|sink| sink.finish_bill(threads)).max().unwrap_or(0));
        bill.add("writing", sinks().map(|sink| sink.bill()).sum());
        bill
    };
    let fits = |threads: &usize| bill(*threads).total() <= resources.memory;
    let threads = (1..=resources.threads.max(1)).rev().find(fits).unwrap_or(1);
    (threads, Some(bill(threads)))
}

pub(crate) fn shortage(bill: &Bill, limit: u64) -> Error {
    let worst = bill.worst();
    Error::Memory(Box::new(Shortage {
        need: bill.total(),
        limit,
        worst,
        remedy: "raise --memory-limit, use fewer threads, or make the filters' windows smaller".into(),
    }))
}

/// No array has more elements: byte offsets stay far from the end of 64 bits.
const MAX_ELEMENTS: u64 = 1 << 56;

/// No op has more inputs.
pub(crate) const MAX_INPUTS: usize = 8;

impl Step {
    /// Refuses what cannot be indexed.
    fn check(&self) -> Result<()> {
        let specs = self.node.outputs.iter().filter_map(Spec::array);
        if let Some(spec) = specs.into_iter().find(|s| s.elements() > MAX_ELEMENTS) {
            return Err(Error::Usage(format!("an array of shape {:?} is too large", spec.shape)));
        }
        if self.node.inputs.len() > MAX_INPUTS {
            return Err(Error::Usage(format!("an operation has at most {MAX_INPUTS} inputs")));
        }
        Ok(())
    }

    /// Bytes of results this step leaves in memory: what scans give.
    fn value_bytes(&self) -> Option<u64> {
        let NodeKind::Op(OpKind::Scan(_)) = &self.node.kind else { return None };
        Some(
            self.node
                .outputs
                .iter()
                .map(|spec| match spec {
                    Spec::Array(a) => a.bytes(),
                    // What does not fit lies on scratch.
                    Spec::Table(_) => TABLE_MEMORY,
                })
                .sum(),
        )
    }
}
