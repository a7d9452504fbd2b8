//! The nodes in order, and the level of each: how many barriers lie before it.

use super::Output;
use super::cut::{self, Cuts};
use crate::array::{ArraySpec, DType};
use crate::graph::{Array, Node, NodeKind, OpKind};
use std::collections::HashMap;
use std::sync::Arc;

/// One output of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Port {
    /// Index into [`super::Plan::steps`].
    pub step: usize,
    /// Which output of it.
    pub port: usize,
}

/// A node with its place in the order.
#[derive(Clone, Debug)]
pub struct Step {
    /// The node.
    pub node: Arc<Node>,
    /// Its inputs, all earlier steps.
    pub inputs: Vec<Port>,
    /// The pass level at which its outputs can first be had: streamed for arrays, known for values.
    pub level: usize,
    /// Whether a pass ends here: it is kept, and all that reads it comes later.
    pub cut: bool,
}

impl Step {
    /// The spec of an output that is an array.
    pub fn spec(&self, port: usize) -> Option<&ArraySpec> {
        self.node.outputs[port].array()
    }

    /// The spec of an output, or where that is a table, a scalar's.
    pub(crate) fn spec_or_scalar(&self, port: usize) -> ArraySpec {
        self.spec(port).cloned().unwrap_or_else(|| ArraySpec::scalar(DType::U64))
    }

    /// The inputs of a scan or stitch op that stream by.
    pub fn streamed(&self) -> &[Port] {
        let count = match &self.node.kind {
            NodeKind::Op(OpKind::Scan(op)) => op.streams(),
            NodeKind::Op(OpKind::Stitch(_)) => 1,
            _ => 0,
        };
        &self.inputs[..count.min(self.inputs.len())]
    }

    /// Whether this is a tile op on arrays, which a pass computes block by block (scalars are computed between
    /// passes).
    pub fn streams(&self) -> bool {
        matches!(&self.node.kind, NodeKind::Op(OpKind::Tile(_))) && self.spec(0).is_some_and(|s| s.rank() > 0)
    }

    /// The level of the pass in which a barrier runs: one before its outputs are known.
    pub fn runs_at(&self) -> usize {
        match &self.node.kind {
            NodeKind::Op(OpKind::Scan(_) | OpKind::Stitch(_)) => self.level - 1,
            _ => self.level,
        }
    }
}

/// Every node the outputs need, inputs first, and which step and port each output is. With `apart`, stitch ops run one
/// pass after their input is computed, so that it is kept first, in tiles of any shape; `cuts` end passes where they say.
pub(crate) fn order(outputs: &[Output], apart: bool, cuts: &Cuts) -> (Vec<Step>, Vec<Port>) {
    let mut index: HashMap<*const Node, usize> = HashMap::new();
    let mut steps: Vec<Step> = Vec::new();
    for output in outputs {
        // An explicit stack: a pipeline may chain more operations than the call stack holds.
        let mut stack = vec![(output.array.node().clone(), false)];
        while let Some((node, inputs_done)) = stack.pop() {
            if index.contains_key(&Arc::as_ptr(&node)) {
                continue;
            }
            if !inputs_done {
                let inputs: Vec<Arc<Node>> = node.inputs.iter().map(|a| a.node().clone()).collect();
                stack.push((node, true));
                stack.extend(inputs.into_iter().rev().map(|n| (n, false)));
                continue;
            }
            let inputs: Vec<Port> = node.inputs.iter().map(|a| port_of(&index, a)).collect();
            let before = inputs.iter().map(|p| steps[p.step].level + usize::from(steps[p.step].cut)).max().unwrap_or(0);
            let passes = match &node.kind {
                NodeKind::Op(OpKind::Stitch(_)) if apart && inputs.iter().any(|p| steps[p.step].streams()) => 2,
                NodeKind::Op(OpKind::Scan(_) | OpKind::Stitch(_)) => 1,
                _ => 0,
            };
            index.insert(Arc::as_ptr(&node), steps.len());
            let copy = if cuts.contains(&node) && inputs.is_empty() { cut::unpacked(&node) } else { None };
            let cut = cuts.contains(&node) && copy.is_none();
            steps.push(Step { node: node.clone(), inputs, level: before + passes, cut });
            if let Some(copy) = copy {
                // Who reads the source reads the copy.
                let from = Port { step: steps.len() - 1, port: 0 };
                index.insert(Arc::as_ptr(&node), steps.len());
                steps.push(Step { node: copy, inputs: vec![from], level: before, cut: true });
            }
        }
    }
    let ports = outputs.iter().map(|o| read_back(port_of(&index, &o.array), &o.array, &mut steps)).collect();
    (steps, ports)
}

/// Per step, the level of the last pass that wants its values in memory: known for what only scans look at, as one scan
/// does at another's result; else the end of the run.
pub(crate) fn wanted_until(steps: &[Step], outputs: &[Port]) -> Vec<usize> {
    let scans = |step: &Step| matches!(&step.node.kind, NodeKind::Op(OpKind::Scan(_)));
    let last = |step: usize| {
        let takers = || steps.iter().filter(move |s| s.inputs.iter().any(|p| p.step == step));
        let kept = !scans(&steps[step]) || outputs.iter().any(|p| p.step == step);
        match kept || takers().any(|s| !scans(s) || s.streamed().iter().any(|p| p.step == step)) {
            true => usize::MAX,
            false => takers().map(Step::runs_at).max().unwrap_or(usize::MAX),
        }
    };
    (0..steps.len()).map(last).collect()
}

/// Where an output is had: a source that is unpacked first is read back from its copy in a later pass.
fn read_back(port: Port, wanted: &Array, steps: &mut Vec<Step>) -> Port {
    let kept = &steps[port.step];
    let is_copy = kept.cut && !Arc::ptr_eq(&kept.node, wanted.node());
    let Some(node) = is_copy.then(|| cut::read_back(&kept.node)).flatten() else { return port };
    let level = kept.level + 1;
    steps.push(Step { node, inputs: vec![port], level, cut: false });
    Port { step: steps.len() - 1, port: 0 }
}

fn port_of(index: &HashMap<*const Node, usize>, array: &Array) -> Port {
    Port { step: index[&Arc::as_ptr(array.node())], port: array.port() }
}
