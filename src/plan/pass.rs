//! One sweep over the tiles of a domain: what it reads, computes and yields, and what each box demands.

use super::place::Placement;
use super::tile::Sweep;
use super::{Output, Port, Step, To};
use crate::array::{ArraySpec, Dims, IntervalSets, Region};
use crate::error::{Error, Result};
use crate::graph::{Node, NodeKind, OpKind, StitchOp, TileOp};
use crate::io::Source;
use std::convert::Infallible;
use std::sync::Arc;

/// A sweep.
#[derive(Debug)]
pub struct Pass {
    /// How many barriers lie before it.
    pub level: usize,
    /// Shape of what it sweeps over: every target has it.
    pub domain: Dims,
    /// What it reads.
    pub leaves: Vec<Leaf>,
    /// What it computes, inputs first.
    pub nodes: Vec<PassNode>,
    /// What comes of it.
    pub targets: Vec<Target>,
    /// Tiles, blocks, workers and the bill.
    pub sweep: Sweep,
}

/// Something a pass reads.
#[derive(Debug)]
pub struct Leaf {
    /// Where it comes from.
    pub kind: LeafKind,
    /// What it is.
    pub spec: ArraySpec,
}

/// Where a leaf's pixels come from.
#[derive(Debug)]
pub enum LeafKind {
    /// A file.
    Source(Arc<dyn Source>),
    /// A kept intermediate: index into [`super::Plan::spills`].
    Spill(usize),
    /// A result of a stitch op of an earlier pass, read slab by slab.
    Stitched(Port),
    /// A value in memory: a literal array or what a scan gave.
    Value(Port),
}

/// Where an op's input comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ref {
    /// A leaf of the pass.
    Leaf(usize),
    /// A node of the pass.
    Node(usize),
    /// A scalar, known before the pass.
    Scalar(Port),
    /// A table, known before the pass.
    Table(Port),
}

/// A tile op of a pass.
#[derive(Debug)]
pub struct PassNode {
    /// Index into [`super::Plan::steps`].
    pub step: usize,
    /// The node, which is a tile op.
    pub node: Arc<Node>,
    /// Its inputs.
    pub inputs: Vec<Ref>,
    /// The specs of its inputs.
    pub specs: Vec<ArraySpec>,
    /// The spec of its output.
    pub spec: ArraySpec,
}

impl PassNode {
    /// The op.
    ///
    /// # Panics
    /// Never: `build` only takes tile ops.
    pub fn op(&self) -> &dyn TileOp {
        match &self.node.kind {
            NodeKind::Op(OpKind::Tile(op)) => op.as_ref(),
            _ => unreachable!("only tile ops become pass nodes"),
        }
    }
}

/// What comes of a pass.
#[derive(Debug)]
pub struct Target {
    /// What it is made of.
    pub from: Ref,
    /// Its spec.
    pub spec: ArraySpec,
    /// What becomes of it.
    pub goal: Goal,
}

/// What becomes of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Written to the sink of that output.
    Sink(usize),
    /// Kept: index into [`super::Plan::spills`].
    Spill(usize),
    /// Folded by the scan of that step, as the first of the arrays it takes.
    Scan(usize),
    /// Folded by the scan of that step beside the target before: the second array it takes, the third …
    Beside(usize),
    /// Stitched by the op of that step.
    Stitch(usize),
}

impl Goal {
    /// Whether it takes whole tiles (a scan takes blocks as they come).
    pub fn takes_tiles(self) -> bool {
        !matches!(self, Goal::Scan(_) | Goal::Beside(_))
    }
}

/// What is wanted of every leaf and node for one box of the domain.
#[derive(Clone, Debug, Default)]
pub struct Demands {
    /// One per leaf.
    pub leaves: Vec<IntervalSets>,
    /// One per node.
    pub nodes: Vec<IntervalSets>,
}

impl Pass {
    /// What the box `out` of the domain demands.
    pub fn demand(&self, out: &Region, demands: &mut Demands) {
        demands.leaves.clear();
        demands.leaves.extend(self.leaves.iter().map(|l| IntervalSets::empty(l.spec.rank())));
        demands.nodes.clear();
        demands.nodes.extend(self.nodes.iter().map(|n| IntervalSets::empty(n.spec.rank())));
        for target in &self.targets {
            match target.from {
                Ref::Leaf(i) => demands.leaves[i].add(out),
                Ref::Node(i) => demands.nodes[i].add(out),
                Ref::Scalar(_) | Ref::Table(_) => {}
            }
        }
        for i in (0..self.nodes.len()).rev() {
            let (before, from) = demands.nodes.split_at_mut(i);
            self.demand_inputs(&self.nodes[i], &from[0], before, &mut demands.leaves);
        }
    }

    fn demand_inputs(
        &self,
        node: &PassNode,
        wanted: &IntervalSets,
        nodes: &mut [IntervalSets],
        leaves: &mut [IntervalSets],
    ) {
        let op = node.op();
        let done: Result<(), Infallible> = wanted.for_each_box(|at, _| {
            for (k, input) in node.inputs.iter().enumerate() {
                let set = match *input {
                    Ref::Leaf(i) => &mut leaves[i],
                    Ref::Node(i) => &mut nodes[i],
                    Ref::Scalar(_) | Ref::Table(_) => continue,
                };
                let need = op.need(k, at, &node.specs);
                if need.shape.contains(&0) || need.lies_outside(&node.specs[k].shape) {
                    continue;
                }
                for (axis, axis_set) in set.axes.iter_mut().enumerate() {
                    let (lo, n) = (need.start[axis], node.specs[k].shape[axis]);
                    let hi = lo + need.shape[axis] as i64;
                    match need.outside {
                        Some((mode, _)) => axis_set.add_extended(lo, hi, n, mode),
                        None => axis_set.add(lo.max(0) as u64, hi.max(0) as u64),
                    }
                }
            }
            Ok(())
        });
        match done {
            Ok(()) => {}
        }
    }

    /// The stitch ops of the pass, with the spec of what they stitch.
    pub fn stitches<'a>(&'a self, steps: &'a [Step]) -> impl Iterator<Item = (&'a dyn StitchOp, &'a ArraySpec)> {
        self.targets.iter().filter_map(|t| match (t.goal, &t.spec) {
            (Goal::Stitch(step), spec) => match &steps[step].node.kind {
                NodeKind::Op(OpKind::Stitch(op)) => Some((op.as_ref(), spec)),
                _ => None,
            },
            _ => None,
        })
    }

    /// The elements of a slab, if this pass cuts slabs.
    pub(crate) fn slab_elements(&self) -> Option<u64> {
        let cuts = self.targets.iter().any(|t| matches!(t.goal, Goal::Stitch(_)));
        (cuts && !self.sweep.tile.is_empty()).then(|| crate::array::elements(&self.sweep.tile))
    }

    /// The node that is computed straight into the tile of a target: consumed by that target alone.
    pub fn direct_target(&self, node: usize) -> Option<usize> {
        let own = Ref::Node(node);
        let consumed = self.nodes.iter().any(|n| n.inputs.contains(&own));
        let mut targets = (0..self.targets.len()).filter(|&t| self.targets[t].from == own);
        match (targets.next(), targets.next()) {
            (Some(t), None) if !consumed && self.targets[t].goal.takes_tiles() => Some(t),
            _ => None,
        }
    }
}

/// A goal before it has a pass.
struct Wanted {
    level: usize,
    from: Port,
    goal: Goal,
    /// The boxes its taker insists on.
    aligned: Option<Dims>,
}

/// The passes of a plan, without their tiles.
pub(crate) fn build(steps: &[Step], ports: &[Port], outputs: &[Output], placement: &Placement) -> Result<Vec<Pass>> {
    let mut wanted = goals(steps, ports, outputs, placement)?;
    wanted.sort_by_key(|w| w.level);
    let mut passes: Vec<Pass> = Vec::new();
    let mut groups: Vec<(usize, Dims, Option<Dims>, Vec<Wanted>)> = Vec::new();
    for w in wanted {
        let Some(spec) = steps[w.from.step].spec(w.from.port) else { continue };
        let shape = spec.shape.clone();
        let same = |g: &&mut (usize, Dims, Option<Dims>, Vec<Wanted>)| {
            g.0 == w.level && g.1 == shape && (g.2.is_none() || w.aligned.is_none() || g.2 == w.aligned)
        };
        match groups.iter_mut().find(same) {
            Some(group) => {
                group.2 = group.2.take().or_else(|| w.aligned.clone());
                group.3.push(w);
            }
            None => groups.push((w.level, shape, w.aligned.clone(), vec![w])),
        }
    }
    for (level, domain, aligned, wanted) in groups {
        let mut pass = Pass {
            level,
            domain,
            leaves: Vec::new(),
            nodes: Vec::new(),
            targets: Vec::new(),
            sweep: Sweep { aligned, ..Sweep::default() },
        };
        let mut builder = Builder { steps, placement, pass: &mut pass, refs: vec![None; steps.len()] };
        for w in wanted {
            builder.target(&w)?;
        }
        passes.push(pass);
    }
    Ok(passes)
}

fn goals(steps: &[Step], ports: &[Port], outputs: &[Output], placement: &Placement) -> Result<Vec<Wanted>> {
    let mut wanted = Vec::new();
    for (i, (port, output)) in ports.iter().zip(outputs).enumerate() {
        let step = &steps[port.step];
        let streamed = step.spec(port.port).is_some_and(|s| s.rank() > 0);
        match &output.to {
            To::Sink(sink) if streamed => {
                let aligned = match sink.order() {
                    crate::io::Order::Any => None,
                    crate::io::Order::Aligned(chunk) => Some(chunk),
                };
                wanted.push(Wanted { level: step.level, from: *port, goal: Goal::Sink(i), aligned });
            }
            To::Value if streamed && !matches!(&step.node.kind, NodeKind::Op(OpKind::Scan(_)) | NodeKind::Value(_)) => {
                return Err(Error::Usage("an image needs a place to go: name an output file".into()));
            }
            _ => {}
        }
    }
    for (i, spill) in placement.spills.iter().enumerate() {
        let from = Port { step: spill.step, port: 0 };
        wanted.push(Wanted { level: steps[spill.step].level, from, goal: Goal::Spill(i), aligned: None });
    }
    for (i, step) in steps.iter().enumerate() {
        let streamed = step.streamed();
        let spec = |port: &Port| steps[port.step].spec(port.port);
        let Some(first) = streamed.first().and_then(spec) else { continue };
        if streamed.iter().any(|p| spec(p).is_none_or(|s| s.shape != first.shape)) {
            return Err(Error::Internal("a scan takes arrays of different shapes".into()));
        }
        for (k, &from) in streamed.iter().enumerate() {
            let (goal, aligned) = match &step.node.kind {
                NodeKind::Op(OpKind::Scan(op)) => {
                    (if k == 0 { Goal::Scan(i) } else { Goal::Beside(i) }, op.grain(first))
                }
                _ => (Goal::Stitch(i), None),
            };
            wanted.push(Wanted { level: step.runs_at(), from, goal, aligned });
        }
    }
    Ok(wanted)
}

struct Builder<'a> {
    steps: &'a [Step],
    placement: &'a Placement,
    pass: &'a mut Pass,
    /// Where each step (port 0) is found in the pass.
    refs: Vec<Option<Ref>>,
}

impl Builder<'_> {
    fn target(&mut self, w: &Wanted) -> Result<()> {
        let from = self.reference(w.from)?;
        if let Some(spec) = self.steps[w.from.step].spec(w.from.port) {
            self.pass.targets.push(Target { from, spec: spec.clone(), goal: w.goal });
        }
        Ok(())
    }

    /// Makes a step part of the pass, inputs first; steps are in topological order, so recursion is unrolled.
    fn reference(&mut self, port: Port) -> Result<Ref> {
        let mut open = vec![port];
        while let Some(&at) = open.last() {
            if self.found(at).is_some() {
                open.pop();
                continue;
            }
            let missing: Vec<Port> = if self.computed_here(at) { self.missing_inputs(at.step) } else { Vec::new() };
            if missing.is_empty() {
                self.add(at)?;
                open.pop();
            } else {
                open.extend(missing);
            }
        }
        self.found(port).ok_or_else(|| Error::Usage("the graph is not in order".into()))
    }

    fn missing_inputs(&self, step: usize) -> Vec<Port> {
        self.steps[step].inputs.iter().copied().filter(|&p| self.found(p).is_none()).collect()
    }

    /// A streamed op, unless an earlier pass keeps its result.
    fn computed_here(&self, port: Port) -> bool {
        let step = &self.steps[port.step];
        let kept = self.placement.spill_of(port.step).is_some() && step.level < self.pass.level;
        step.streams() && !kept
    }

    fn found(&self, port: Port) -> Option<Ref> {
        match self.steps[port.step].spec(port.port) {
            None => return Some(Ref::Table(port)),
            Some(spec) if spec.rank() == 0 => return Some(Ref::Scalar(port)),
            Some(_) => {}
        }
        if port.port == 0 {
            return self.refs[port.step];
        }
        let same = |l: &Leaf| matches!(l.kind, LeafKind::Value(p) | LeafKind::Stitched(p) if p == port);
        self.pass.leaves.iter().position(same).map(Ref::Leaf)
    }

    fn add(&mut self, port: Port) -> Result<()> {
        let step = &self.steps[port.step];
        let Some(spec) = step.spec(port.port).cloned() else {
            return Err(Error::Usage("a table stands where an array is wanted".into()));
        };
        if self.computed_here(port) {
            let inputs: Vec<Ref> = step.inputs.iter().filter_map(|&p| self.found(p)).collect();
            let specs = step.inputs.iter().map(|p| self.steps[p.step].spec_or_scalar(p.port)).collect();
            self.refs[port.step] = Some(Ref::Node(self.pass.nodes.len()));
            self.pass.nodes.push(PassNode { step: port.step, node: step.node.clone(), inputs, specs, spec });
            return Ok(());
        }
        let kind = match &step.node.kind {
            NodeKind::Source(source) => LeafKind::Source(source.clone()),
            NodeKind::Op(OpKind::Stitch(_)) => LeafKind::Stitched(port),
            NodeKind::Op(OpKind::Tile(_)) => match self.placement.spill_of(port.step) {
                Some(spill) => LeafKind::Spill(spill),
                None => return Err(Error::Usage("an intermediate was neither kept nor computed".into())),
            },
            NodeKind::Value(_) | NodeKind::Op(OpKind::Scan(_)) => LeafKind::Value(port),
        };
        if port.port == 0 {
            self.refs[port.step] = Some(Ref::Leaf(self.pass.leaves.len()));
        }
        self.pass.leaves.push(Leaf { kind, spec });
        Ok(())
    }
}
