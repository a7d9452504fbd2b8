//! What becomes of an intermediate that a later pass needs again: kept (spilled) or computed once more.

use super::{Output, Port, Spill, Step, To};
use crate::error::Bytes;
use crate::graph::{NodeKind, OpKind};
use crate::io::Layout;
use std::collections::HashSet;

/// Nanoseconds per byte: reading from the page cache, and writing scratch.
const READ: f64 = 0.2;
const WRITE: f64 = 0.65;
/// Nanoseconds per byte of decoding a chunk.
const DECODE: f64 = 3.0;

/// The kept intermediates and the reasons.
#[derive(Debug)]
pub(crate) struct Placement {
    pub(crate) spills: Vec<Spill>,
    pub(crate) why: Vec<String>,
}

impl Placement {
    /// The kept intermediate that is the output of that step, if there is one.
    pub(crate) fn spill_of(&self, step: usize) -> Option<usize> {
        self.spills.iter().position(|s| s.step == step)
    }

    /// Keeps in memory what fits in `room`, smallest first; the rest goes to disk.
    pub(crate) fn hold_in_memory(&mut self, room: u64) {
        let mut order: Vec<usize> = (0..self.spills.len()).collect();
        order.sort_by_key(|&i| self.spills[i].spec.bytes());
        let mut used = 0u64;
        for i in order {
            let bytes = self.spills[i].spec.bytes();
            self.spills[i].in_memory = used.saturating_add(bytes) <= room;
            if self.spills[i].in_memory {
                used += bytes;
            }
        }
    }

    pub(crate) fn any_in_memory(&self) -> bool {
        self.spills.iter().any(|s| s.in_memory)
    }
}

/// Decides for every streamed intermediate that a later pass needs.
pub(crate) fn decide(steps: &[Step], ports: &[Port], outputs: &[Output]) -> Placement {
    let mut placement = Placement { spills: Vec::new(), why: Vec::new() };
    for step in 0..steps.len() {
        if !steps[step].streams() {
            continue;
        }
        let later = later_passes(steps, ports, outputs, step);
        if later == 0 {
            continue;
        }
        let Some(spec) = steps[step].spec(0) else { continue };
        if steps[step].cut {
            placement.why.push(format!(
                "{} is kept ({}): under this limit it would be computed or decoded many times over",
                title(&steps[step]),
                Bytes(spec.bytes())
            ));
            placement.spills.push(Spill { step, spec: spec.clone(), in_memory: false });
            continue;
        }
        let again = later as f64 * compute_cost(steps, &placement, step);
        let size = spec.dtype.size() as f64;
        let keep = size * (WRITE + later as f64 * READ);
        let name = title(&steps[step]);
        let times = if later == 1 { "once".to_string() } else { format!("{later} times") };
        if keep < again {
            placement.why.push(format!(
                "{name} is kept ({}): a later pass needs it {times}; keeping costs {keep:.1} ns per pixel, computing it \
                 again {again:.1} ns",
                Bytes(spec.bytes())
            ));
            placement.spills.push(Spill { step, spec: spec.clone(), in_memory: false });
        } else if steps[step].node.origin.is_some() {
            placement.why.push(format!(
                "{name} is computed again when a later pass needs it ({times}): that costs {again:.1} ns per pixel, \
                 keeping it {keep:.1} ns"
            ));
        }
    }
    drop_unread(&mut placement, steps, ports, outputs);
    placement
}

/// Gives up what is kept but read by no later pass, because something closer to that pass is kept too.
fn drop_unread(placement: &mut Placement, steps: &[Step], ports: &[Port], outputs: &[Output]) {
    for i in (0..placement.spills.len()).rev() {
        if !is_read(placement, steps, ports, outputs, placement.spills[i].step) {
            let name = format!("{} is kept", title(&steps[placement.spills[i].step]));
            placement.why.retain(|why| !why.starts_with(&name));
            placement.spills.remove(i);
        }
    }
}

/// Whether a later pass reaches a kept step without meeting another kept one first.
fn is_read(placement: &Placement, steps: &[Step], ports: &[Port], outputs: &[Output], step: usize) -> bool {
    let mut goals: Vec<(usize, usize)> = Vec::new();
    for (port, output) in ports.iter().zip(outputs) {
        if matches!(output.to, To::Sink(_)) {
            goals.push((port.step, steps[port.step].level));
        }
    }
    for kept in &placement.spills {
        goals.push((kept.step, steps[kept.step].level));
    }
    for at in steps {
        if let NodeKind::Op(OpKind::Scan(_) | OpKind::Stitch(_)) = &at.node.kind {
            goals.extend(at.streamed().iter().map(|p| (p.step, at.runs_at())));
        }
    }
    goals.iter().any(|&(goal, level)| reads(placement, steps, goal, level, step))
}

/// Whether a pass of that level that computes `goal` reads the kept `step`.
fn reads(placement: &Placement, steps: &[Step], goal: usize, level: usize, step: usize) -> bool {
    let mut seen = HashSet::from([goal]);
    let mut open = vec![goal];
    while let Some(at) = open.pop() {
        let kept = placement.spill_of(at).is_some() && steps[at].level < level;
        if kept {
            if at == step {
                return true;
            }
            continue;
        }
        if steps[at].streams() {
            open.extend(steps[at].inputs.iter().map(|p| p.step).filter(|&s| seen.insert(s)));
        }
    }
    false
}

/// The name of a step for people.
pub(crate) fn title(step: &Step) -> String {
    match &step.node.kind {
        NodeKind::Source(source) => source.name(),
        NodeKind::Value(_) => "a constant".into(),
        NodeKind::Op(op) => step.node.origin.as_ref().map_or_else(|| op.name().to_string(), |o| o.to_string()),
    }
}

/// In how many passes after its own the step is a frontier: consumed by a streamed step or a goal of a later level.
fn later_passes(steps: &[Step], ports: &[Port], outputs: &[Output], step: usize) -> usize {
    let own = steps[step].level;
    let mut levels = HashSet::new();
    for (i, consumer) in steps.iter().enumerate().skip(step + 1) {
        if !consumer.inputs.iter().any(|p| p.step == step) {
            continue;
        }
        match &consumer.node.kind {
            NodeKind::Op(OpKind::Scan(_) | OpKind::Stitch(_)) => {
                levels.insert(consumer.runs_at());
            }
            _ => levels.extend(levels_needing(steps, ports, outputs, i)),
        }
    }
    levels.into_iter().filter(|&l| l > own).count()
}

/// The pass levels that stream a step: those of the goals it leads to without a barrier between.
fn levels_needing(steps: &[Step], ports: &[Port], outputs: &[Output], step: usize) -> HashSet<usize> {
    let mut levels = HashSet::new();
    let saved = |o: &Output| matches!(o.to, To::Sink(_));
    if ports.iter().zip(outputs).any(|(p, o)| p.step == step && saved(o)) {
        levels.insert(steps[step].level);
    }
    let mut seen = HashSet::from([step]);
    let mut open = vec![step];
    while let Some(at) = open.pop() {
        if ports.iter().zip(outputs).any(|(p, o)| p.step == at && saved(o)) {
            levels.insert(steps[at].level);
        }
        for (i, consumer) in steps.iter().enumerate().skip(at + 1) {
            if !consumer.inputs.iter().any(|p| p.step == at) {
                continue;
            }
            match &consumer.node.kind {
                NodeKind::Op(OpKind::Scan(_) | OpKind::Stitch(_)) => {
                    levels.insert(consumer.runs_at());
                }
                _ if seen.insert(i) => open.push(i),
                _ => {}
            }
        }
    }
    levels
}

/// Nanoseconds per element to compute a step from files and kept intermediates.
fn compute_cost(steps: &[Step], placement: &Placement, step: usize) -> f64 {
    let mut seen = HashSet::from([step]);
    let mut open = vec![step];
    let mut cost = 0.0;
    while let Some(at) = open.pop() {
        match &steps[at].node.kind {
            NodeKind::Op(OpKind::Tile(op)) if at == step || placement.spill_of(at).is_none() => {
                cost += op.cost();
                for input in &steps[at].inputs {
                    if seen.insert(input.step) {
                        open.push(input.step);
                    }
                }
            }
            kind => cost += read_cost(kind, &steps[at]),
        }
    }
    cost
}

/// Nanoseconds per element to read a file or a kept intermediate.
fn read_cost(kind: &NodeKind, step: &Step) -> f64 {
    let size = step.spec(0).filter(|s| s.rank() > 0).map_or(0.0, |s| s.dtype.size() as f64);
    match kind {
        NodeKind::Source(source) if matches!(source.layout(), Layout::Chunked { .. }) => size * DECODE,
        _ => size * READ,
    }
}
