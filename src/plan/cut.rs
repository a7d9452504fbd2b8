//! Cuts: places in the graph where a pass ends although nothing global happens there, because keeping what it computes
//! beats computing or decoding it many times over. A separable filter with a large window under a small limit is cut
//! between its axes; a source whose chunks suit neither the tiles nor the limit is unpacked to scratch first.

use super::steps::{self, Step};
use super::{Output, Plan, Resources};
use crate::array::{ArraySpec, Region, View, ViewMut, copy};
use crate::error::{Error, Result};
use crate::graph::{Array, Cx, Need, Node, NodeKind, OpKind, TileOp};
use crate::io::Layout;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

/// Most cuts in one plan.
const MOST: usize = 4;
/// Most places that are tried for one cut: each costs a plan.
const TRIED: usize = 16;
/// Passes that compute or decode more often than this are worth a look.
const WASTEFUL: f64 = 1.4;
/// Nanoseconds per element from which on an op without a margin is worth keeping.
const COSTLY: f64 = 3.0;
/// A cut must save this part of the time.
const WORTH: f64 = 0.9;

/// The nodes whose results are kept come what may.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cuts(HashSet<*const Node>);

impl Cuts {
    pub(crate) fn contains(&self, node: &Arc<Node>) -> bool {
        self.0.contains(&Arc::as_ptr(node))
    }

    fn with(&self, node: &Arc<Node>) -> Self {
        let mut more = self.clone();
        more.0.insert(Arc::as_ptr(node));
        more
    }
}

/// A copy of a source, for a cut to keep.
#[derive(Debug)]
struct Unpack;

impl TileOp for Unpack {
    fn name(&self) -> &'static str {
        "unpack"
    }

    fn need(&self, _input: usize, out: &Region, _inputs: &[ArraySpec]) -> Need {
        Need::inside(out)
    }

    fn run(&self, _cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, _scratch: &mut [u8]) -> Result<()> {
        copy(out, &inputs[0]);
        Ok(())
    }

    fn cost(&self) -> f64 {
        0.1
    }
}

/// The node that unpacks a source.
pub(crate) fn unpacked(source: &Arc<Node>) -> Option<Arc<Node>> {
    let spec = source.outputs[0].array()?.clone();
    let from = Array::of_node(source.clone());
    let call = source.origin.as_ref().map_or_else(|| "unpack".to_string(), |o| format!("{o}, decoded"));
    Some(Array::tile(Unpack, vec![from], spec).from_call(&call).node().clone())
}

/// The node that reads back what was unpacked.
pub(super) fn read_back(copy: &Arc<Node>) -> Option<Arc<Node>> {
    let spec = copy.outputs[0].array()?.clone();
    Some(Array::tile(Unpack, vec![Array::of_node(copy.clone())], spec).node().clone())
}

/// The plan without cuts, or with those that make it possible or much faster.
pub(super) fn best(outputs: &[Output], resources: &Resources) -> Result<Plan> {
    let mut cuts = Cuts::default();
    let mut best = Plan::with_cuts(outputs, resources, &cuts);
    for _ in 0..MOST {
        let tried = candidates(&best, outputs, &cuts).into_iter().map(|node| {
            let cuts = cuts.with(&node);
            (Plan::with_cuts(outputs, resources, &cuts), cuts)
        });
        let Some((plan, more)) = tried.min_by(|a, b| order(rank(&a.0), rank(&b.0))) else { break };
        if !is_better(&plan, &best) {
            break;
        }
        (best, cuts) = (plan, more);
    }
    best
}

/// Plans by their time, then plans that do not fit by how much they lack.
fn rank(plan: &Result<Plan>) -> (u8, f64) {
    match plan {
        Ok(plan) => (0, plan.time()),
        Err(Error::Memory(short)) => (1, short.need as f64),
        Err(_) => (2, 0.0),
    }
}

fn order(a: (u8, f64), b: (u8, f64)) -> Ordering {
    a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
}

fn is_better(plan: &Result<Plan>, than: &Result<Plan>) -> bool {
    match (rank(plan), rank(than)) {
        ((0, time), (0, before)) => time < before * WORTH,
        (new, old) => new < old,
    }
}

/// Where a cut might help: nowhere as long as nothing is computed or decoded again and again.
fn candidates(plan: &Result<Plan>, outputs: &[Output], cuts: &Cuts) -> Vec<Arc<Node>> {
    match plan {
        Ok(plan) => {
            let wasted = |w: f64| w > WASTEFUL;
            let computes = plan.passes.iter().any(|p| wasted(p.sweep.amplification));
            let decodes = plan.passes.iter().any(|p| wasted(p.sweep.repeats));
            places(&plan.steps, cuts, computes, decodes)
        }
        Err(Error::Memory(_)) => places(&steps::order(outputs, false, cuts).0, cuts, true, true),
        Err(_) => Vec::new(),
    }
}

fn places(steps: &[Step], cuts: &Cuts, computed: bool, decoded: bool) -> Vec<Arc<Node>> {
    let last = |i: usize| !steps[i + 1..].iter().any(|s| s.inputs.iter().any(|p| p.step == i));
    let fits = |(i, step): &(usize, &Step)| {
        !step.cut
            && !cuts.contains(&step.node)
            && (is_packed(step) || !last(*i))
            && ((computed && step.streams() && is_costly(step, steps)) || (decoded && is_packed(step)))
    };
    let all: Vec<Arc<Node>> = steps.iter().enumerate().filter(fits).map(|(_, s)| s.node.clone()).collect();
    // The last ones: what lies far back has fewer margins to be computed for.
    all[all.len().saturating_sub(TRIED)..].to_vec()
}

/// Whether it wants more than the same place of an input, or costs enough by itself: elsewhere a cut saves nothing.
fn is_costly(step: &Step, steps: &[Step]) -> bool {
    let (NodeKind::Op(OpKind::Tile(op)), Some(out)) = (&step.node.kind, step.spec(0)) else { return false };
    let specs: Vec<ArraySpec> = step.inputs.iter().map(|p| steps[p.step].spec_or_scalar(p.port)).collect();
    let start = out.shape.iter().map(|&n| n / 2).collect();
    let one = Region { start, shape: out.shape.iter().map(|_| 1).collect() };
    let around =
        |(k, spec): (usize, &ArraySpec)| spec.rank() > 0 && op.need(k, &one, &specs).shape.iter().product::<u64>() > 1;
    op.cost() > COSTLY || specs.iter().enumerate().any(around)
}

/// Whether it is a source that can only be read by chunks.
fn is_packed(step: &Step) -> bool {
    matches!(&step.node.kind, NodeKind::Source(s) if matches!(s.layout(), Layout::Chunked { .. }) && s.spec().rank() > 0)
}
