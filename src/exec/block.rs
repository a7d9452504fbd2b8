//! Runs the fused operations of a pass over one tile, block by block.

use super::Context;
use super::gather::{Tables, gather};
use super::pipeline::{Encoders, Slot};
use super::read::packed_view;
use super::values::{Values, aligned};
use crate::array::{ArraySpec, Buffer, DType, IntervalSets, Region, Scalar, View, ViewMut, copy, grid_len};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::graph::{Cx, MemArray, NodeKind, OpKind, ScanCx, ScanState, Stitcher, Store, Stores, Table};
use crate::plan::MAX_INPUTS;
use crate::plan::{Demands, Goal, Pass, PassNode, Plan, Port, Ref, Target};
use arrayvec::ArrayVec;
use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

/// One worker's memory and what its scans have seen.
pub(crate) struct Worker<'a> {
    pass: &'a Pass,
    known: &'a Known,
    stitchers: &'a [Option<Arc<dyn Stitcher>>],
    arena: Vec<Buffer>,
    gathered: Buffer,
    scratch: Buffer,
    tables: Tables,
    demands: Demands,
    /// Per target: the state of its scan.
    pub(crate) scans: Vec<Option<Box<dyn ScanState>>>,
    /// Per target: the working space of its stitch op.
    spaces: Vec<Option<Box<dyn Any + Send>>>,
    /// Per target: the encoder of its sink.
    encoders: Encoders,
}

/// What the ops of a pass read that is known before it: scalars, at aligned addresses, and tables.
#[derive(Default)]
pub(crate) struct Known {
    scalars: HashMap<Port, (Scalar, [u64; 1])>,
    tables: HashMap<Port, Arc<Table>>,
}

impl Known {
    pub(crate) fn new(pass: &Pass, values: &Values) -> Result<Self> {
        let mut known = Known::default();
        for port in pass.nodes.iter().flat_map(|n| &n.inputs) {
            match port {
                Ref::Scalar(port) => {
                    let value = values.scalar(*port)?;
                    known.scalars.insert(*port, (value, aligned(&value)));
                }
                Ref::Table(port) => {
                    known.tables.insert(*port, values.table(*port)?);
                }
                Ref::Leaf(_) | Ref::Node(_) => {}
            }
        }
        Ok(known)
    }

    fn scalar(&self, port: Port) -> View<'_> {
        let (value, bytes) = &self.scalars[&port];
        View::new(value.dtype(), &[], bytemuck::cast_slice(bytes))
    }

    /// What stands in the place of a table among the inputs.
    fn no_array() -> View<'static> {
        View::new(DType::U64, &[], &[0; 8])
    }
}

impl<'a> Worker<'a> {
    pub(crate) fn new(
        plan: &Plan,
        pass: &'a Pass,
        values: &Values,
        known: &'a Known,
        stitchers: &'a [Option<Arc<dyn Stitcher>>],
        encoders: Encoders,
        context: &Context<'_>,
    ) -> Result<Self> {
        let scans = pass.targets.iter().map(|t| scan_state(plan, t.goal, values, context)).collect::<Result<_>>()?;
        Ok(Worker {
            pass,
            known,
            stitchers,
            arena: pass.sweep.arena.iter().map(|&bytes| Buffer::new(bytes as usize)).collect::<Result<_>>()?,
            gathered: Buffer::new(pass.sweep.gather as usize)?,
            scratch: Buffer::new(pass.sweep.scratch as usize)?,
            tables: Tables::default(),
            demands: Demands::default(),
            scans,
            spaces: stitchers.iter().map(|s| s.as_ref().map(|s| s.local_space())).collect(),
            encoders,
        })
    }

    /// Computes a tile whose inputs are read.
    pub(crate) fn tile(&mut self, slot: &mut Slot, cancel: &Cancel) -> Result<()> {
        let tile = slot.region.clone();
        for i in 0..grid_len(&tile.shape, &self.pass.sweep.block) {
            cancel.check()?;
            let inner = Region::tile(&tile.shape, &self.pass.sweep.block, i);
            let start = inner.start.iter().zip(&tile.start).map(|(b, t)| b + t).collect();
            self.block(&Region { start, shape: inner.shape.clone() }, &inner, slot)?;
        }
        self.stitch(slot)?;
        self.encode(slot)
    }

    /// Encodes the finished tile for the sinks that want it so.
    fn encode(&mut self, slot: &mut Slot) -> Result<()> {
        for (t, encoder) in self.encoders.iter_mut().enumerate() {
            let Some(encoder) = encoder else { continue };
            let mut encoded = std::mem::take(&mut slot.encoded[t]);
            encoded.clear();
            let done =
                slot.target_view(self.pass, t).and_then(|view| encoder.encode(&slot.region, &view, &mut encoded));
            slot.encoded[t] = encoded;
            done?;
        }
        Ok(())
    }

    /// Computes the block `at`, which is the box `inner` of its tile.
    fn block(&mut self, at: &Region, inner: &Region, slot: &mut Slot) -> Result<()> {
        let pass = self.pass;
        let mut demands = std::mem::take(&mut self.demands);
        pass.demand(at, &mut demands);
        for i in 0..pass.nodes.len() {
            match (pass.sweep.arena_of[i], pass.direct_target(i)) {
                (Some(buffer), _) => {
                    let mut out = std::mem::take(&mut self.arena[buffer]);
                    let done = self.node(i, &demands, slot, &mut out);
                    self.arena[buffer] = out;
                    done?;
                }
                (None, Some(target)) => {
                    let mut out = std::mem::take(&mut slot.targets[target]);
                    let done = self.direct(i, at, inner, &demands, slot, &mut out);
                    slot.targets[target] = out;
                    done?;
                }
                (None, None) => return Err(Error::Internal("a node has no buffer".into())),
            }
        }
        self.take_targets(at, inner, &demands, slot)?;
        self.demands = demands;
        Ok(())
    }

    /// Computes what the block demands of a node into its packed buffer.
    fn node(&mut self, i: usize, demands: &Demands, slot: &Slot, out: &mut Buffer) -> Result<()> {
        let node = &self.pass.nodes[i];
        let wanted = &demands.nodes[i];
        let mut packed = packed_view(&node.spec, &wanted.packed_shape(), out)?;
        wanted.for_each_box(|at, to| self.run(node, at, demands, slot, &mut packed.sub(to)))
    }

    /// Computes a node's block straight into its target's tile.
    fn direct(
        &mut self,
        i: usize,
        at: &Region,
        inner: &Region,
        demands: &Demands,
        slot: &Slot,
        out: &mut Buffer,
    ) -> Result<()> {
        let node = &self.pass.nodes[i];
        let mut tile = packed_view(&node.spec, &slot.region.shape, out)?;
        self.run(node, at, demands, slot, &mut tile.sub(inner))
    }

    fn run(
        &mut self,
        node: &PassNode,
        at: &Region,
        demands: &Demands,
        slot: &Slot,
        out: &mut ViewMut<'_>,
    ) -> Result<()> {
        let op = node.op();
        let mut inputs: ArrayVec<View<'_>, MAX_INPUTS> = ArrayVec::new();
        let mut tables: ArrayVec<Arc<Table>, MAX_INPUTS> = ArrayVec::new();
        let mut space = self.gathered.bytes_mut();
        for (k, &input) in node.inputs.iter().enumerate() {
            let (sets, packed) = match input {
                Ref::Scalar(port) => {
                    inputs.push(self.known.scalar(port));
                    continue;
                }
                Ref::Table(port) => {
                    inputs.push(Known::no_array());
                    tables.push(self.known.tables[&port].clone());
                    continue;
                }
                Ref::Leaf(l) => {
                    let (sets, buffer) = (&slot.demands.leaves[l], &slot.leaves[l]);
                    (sets, View::new(self.pass.leaves[l].spec.dtype, &sets.packed_shape(), buffer.bytes()))
                }
                Ref::Node(n) => {
                    let Some(buffer) = self.pass.sweep.arena_of[n] else {
                        return Err(Error::Internal("an input has no buffer".into()));
                    };
                    let sets = &demands.nodes[n];
                    let bytes = self.arena[buffer].bytes();
                    (sets, View::new(self.pass.nodes[n].spec.dtype, &sets.packed_shape(), bytes))
                }
            };
            let need = op.need(k, at, &node.specs);
            let spec = &node.specs[k];
            if let Some(direct) = inside(&need, &spec.shape).and_then(|region| sets.packed_box(&region)) {
                inputs.push(packed.sub(&direct));
                continue;
            }
            let Some(outside) = need.outside else {
                return Err(Error::Internal(format!("{} wants what was not read", op.name())));
            };
            let bytes = crate::array::elements(&need.shape) as usize * spec.dtype.size();
            let (own, rest) = space
                .split_at_mut_checked(bytes.next_multiple_of(64))
                .ok_or_else(|| Error::Internal("too little room to gather".into()))?;
            space = rest;
            let mut view = ViewMut::new(spec.dtype, &need.shape, own);
            gather(&mut view, &need, outside, sets, &packed, &spec.shape, &mut self.tables);
            let own: &[u8] = own;
            inputs.push(View::new(spec.dtype, &need.shape, own));
        }
        let cx = Cx { out: at, inputs: &node.specs, output: &node.spec, tables: &tables };
        op.run(&cx, &inputs, out, self.scratch.bytes_mut())
    }

    /// Hands the block to the targets that are not computed in place.
    fn take_targets(&mut self, at: &Region, inner: &Region, demands: &Demands, slot: &mut Slot) -> Result<()> {
        for t in 0..self.pass.targets.len() {
            if let Some(mut scan) = self.scans[t].take() {
                let done = self.fold(scan.as_mut(), t, at, demands, slot);
                self.scans[t] = Some(scan);
                done?;
                continue;
            }
            let target = &self.pass.targets[t];
            let Ref::Node(i) = target.from else { continue };
            let Some(buffer) = self.pass.sweep.arena_of[i].filter(|_| target.goal.takes_tiles()) else { continue };
            let view = packed_part(&target.spec, &demands.nodes[i], at, self.arena[buffer].bytes())?;
            let mut tile = packed_view(&target.spec, &slot.region.shape, &mut slot.targets[t])?;
            copy(&mut tile.sub(inner), &view);
        }
        Ok(())
    }

    /// Hands the block to the scan of target `first`: of that target, and of those beside it.
    fn fold(&self, scan: &mut dyn ScanState, first: usize, at: &Region, demands: &Demands, slot: &Slot) -> Result<()> {
        let beside =
            |t: &&Target| matches!((t.goal, self.pass.targets[first].goal), (Goal::Beside(a), Goal::Scan(b)) if a == b);
        let more = self.pass.targets[first + 1..].iter().take_while(beside);
        let mut views: ArrayVec<View<'_>, MAX_INPUTS> = ArrayVec::new();
        for target in std::iter::once(&self.pass.targets[first]).chain(more) {
            let (sets, bytes) = match target.from {
                Ref::Leaf(l) => (&slot.demands.leaves[l], slot.leaves[l].bytes()),
                Ref::Node(i) => match self.pass.sweep.arena_of[i] {
                    Some(buffer) => (&demands.nodes[i], self.arena[buffer].bytes()),
                    None => return Err(Error::Internal("what is scanned has no buffer".into())),
                },
                Ref::Scalar(_) | Ref::Table(_) => return Err(Error::Internal("a scalar is scanned".into())),
            };
            views.push(packed_part(&target.spec, sets, at, bytes)?);
        }
        scan.fold(at, &views)
    }

    /// The local step of the stitch ops.
    fn stitch(&mut self, slot: &mut Slot) -> Result<()> {
        for t in 0..self.pass.targets.len() {
            let (Some(stitcher), Some(space)) = (&self.stitchers[t], &mut self.spaces[t]) else { continue };
            let mut piece = slot.pieces[t].take().unwrap_or_else(|| stitcher.piece());
            let done = slot
                .target_view(self.pass, t)
                .and_then(|view| stitcher.local(slot.index, &view, space.as_mut(), piece.as_mut()));
            slot.pieces[t] = Some(piece);
            done?;
        }
        Ok(())
    }
}

/// The box an op asks for, if all of it lies inside the array.
fn inside(need: &crate::graph::Need, shape: &[u64]) -> Option<Region> {
    let mut region = Region { start: Default::default(), shape: need.shape.clone() };
    for ((&lo, &len), &n) in need.start.iter().zip(&need.shape).zip(shape) {
        if lo < 0 || lo as u64 + len > n {
            return None;
        }
        region.start.push(lo as u64);
    }
    Some(region)
}

/// A box of a packed buffer.
pub(crate) fn packed_part<'a>(spec: &ArraySpec, sets: &IntervalSets, at: &Region, bytes: &'a [u8]) -> Result<View<'a>> {
    let part = sets.packed_box(at).ok_or_else(|| Error::Internal("a target was not computed".into()))?;
    Ok(View::new(spec.dtype, &sets.packed_shape(), bytes).sub(&part))
}

fn scan_state(plan: &Plan, goal: Goal, values: &Values, context: &Context<'_>) -> Result<Option<Box<dyn ScanState>>> {
    let Goal::Scan(step) = goal else { return Ok(None) };
    let step = &plan.steps[step];
    let NodeKind::Op(OpKind::Scan(op)) = &step.node.kind else { return Ok(None) };
    let streamed = step.streamed();
    let inputs: Vec<ArraySpec> = streamed.iter().map(|p| plan.steps[p.step].spec_or_scalar(p.port)).collect();
    let (mut scalars, mut arrays): (Vec<Scalar>, Vec<Arc<MemArray>>) = (Vec::new(), Vec::new());
    for &port in &step.inputs[streamed.len()..] {
        match plan.steps[port.step].spec(port.port).is_some_and(|s| s.rank() > 0) {
            true => arrays.push(values.array(port)?),
            false => scalars.push(values.scalar(port)?),
        }
    }
    let scratch = context.scratch.clone();
    let stores: Stores = Arc::new(move || Ok(Arc::new(scratch.file()?) as Arc<dyn Store>));
    op.begin(&ScanCx { inputs: &inputs, scalars: &scalars, arrays: &arrays, stores: &stores }).map(Some)
}
