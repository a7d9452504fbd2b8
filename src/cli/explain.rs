//! `tilewise explain`: a plan in words and as JSON, both from [`Explained`], so that they agree.

use super::batch::Batch;
use super::job::{Asked, Job, spec_text};
use super::means::Means;
use super::{ExplainArgs, info, run, term};
use serde_json::{Value as Json, json};
use std::fmt::{self, Write as _};
use tilewise::error::Bytes;
use tilewise::graph::NodeKind;
use tilewise::plan::{Goal, Leaf, LeafKind, Pass, Plan, Port, Ref};
use tilewise::{Result, Run};

const WIDTH: usize = 100;

pub(super) fn explain(args: &ExplainArgs) -> Result<()> {
    let means = Means::new(&args.job.means)?;
    let asked = Asked::new(&args.job)?;
    if asked.is_batch() {
        return explain_batch(args, &asked, &means);
    }
    let job = asked.job()?;
    let run = means.apply(job.add_to(Run::new())?);
    let plan = run.plan()?;
    let explained = Explained::new(&job, &plan, means.limit);
    if args.json { term::print_json(&explained.as_json()) } else { term::print(&explained.to_string()) }
}

/// Of a batch the first file is explained, with the means that it would have.
fn explain_batch(args: &ExplainArgs, asked: &Asked, means: &Means) -> Result<()> {
    let batch = Batch::new(asked)?;
    let ((files, first), job) = (batch.first(), batch.first_job()?);
    let (share, at_a_time) = batch.all_shares(means);
    let run = share.apply(job.add_to(Run::new())?);
    let plan = run.plan()?;
    let explained = Explained::new(&job, &plan, means.limit / at_a_time as u64);
    if args.json {
        let mut report = explained.as_json();
        report["batch"] = json!({ "files": files, "first": first, "at_a_time": at_a_time });
        return term::print_json(&report);
    }
    let s = if files == 1 { "" } else { "s" };
    let head = format!("a batch of {files} file{s}, {at_a_time} at a time; this is the plan for {first}");
    term::print(&format!("{head}\n\n{explained}"))
}

/// What a plan comes to, for people and programs.
#[derive(Debug)]
pub(super) struct Explained {
    outputs: Vec<(String, Json, String)>,
    passes: Vec<PassShown>,
    bill: Vec<(String, u64)>,
    predicted: u64,
    limit: u64,
    data_dependent: bool,
    /// Read from sources, written to outputs, written to and read from scratch.
    traffic: (u64, u64, u64),
    /// Scratch, at the least and at the most.
    scratch: (u64, u64),
    why: Vec<String>,
}

#[derive(Debug)]
struct PassShown {
    reads: Vec<String>,
    computes: Vec<String>,
    writes: Vec<String>,
    domain: Vec<u64>,
    tile: Vec<u64>,
    block: Vec<u64>,
    tiles: u64,
    workers: usize,
    readers: usize,
    slots: usize,
    amplification: f64,
    bytes_read: u64,
    bytes_written: u64,
    scratch_bytes: u64,
    memory: u64,
}

impl Explained {
    pub(super) fn new(job: &Job, plan: &Plan, limit: u64) -> Self {
        let outputs = job.wanted.iter().map(|wanted| {
            let what = wanted.array.array_spec().map_or_else(|| "table".into(), spec_text);
            (wanted.place_text().to_string(), run::output_json(wanted), what)
        });
        let namer = Namer { job, plan };
        Explained {
            outputs: outputs.collect(),
            passes: plan.passes.iter().map(|pass| namer.pass(pass)).collect(),
            bill: plan.bill.entries.clone(),
            predicted: plan.bill.total(),
            limit,
            data_dependent: plan.data_dependent,
            traffic: plan.traffic(),
            scratch: (plan.scratch_least, plan.scratch),
            why: plan.why.clone(),
        }
    }

    fn as_json(&self) -> Json {
        let bill: Vec<Json> = self.bill.iter().map(|(name, bytes)| json!({ "name": name, "bytes": bytes })).collect();
        json!({
            "outputs": self.outputs.iter().map(|(_, json, _)| json).collect::<Vec<_>>(),
            "passes": self.passes.iter().map(PassShown::as_json).collect::<Vec<_>>(),
            "bill": bill,
            "predicted_bytes": self.predicted,
            "limit_bytes": self.limit,
            "data_dependent": self.data_dependent,
            "read_bytes": self.traffic.0,
            "written_bytes": self.traffic.1,
            "scratch_traffic_bytes": self.traffic.2,
            "scratch_least_bytes": self.scratch.0,
            "scratch_most_bytes": self.scratch.1,
            "why": self.why,
        })
    }
}

impl PassShown {
    fn as_json(&self) -> Json {
        json!({
            "reads": self.reads,
            "computes": self.computes,
            "writes": self.writes,
            "domain": self.domain,
            "tile": self.tile,
            "block": self.block,
            "tiles": self.tiles,
            "workers": self.workers,
            "readers": self.readers,
            "slots": self.slots,
            "amplification": self.amplification,
            "read_bytes": self.bytes_read,
            "written_bytes": self.bytes_written,
            "scratch_traffic_bytes": self.scratch_bytes,
            "memory_bytes": self.memory,
        })
    }
}

/// Calls steps and files by names that people know.
struct Namer<'a> {
    job: &'a Job,
    plan: &'a Plan,
}

impl Namer<'_> {
    fn pass(&self, pass: &Pass) -> PassShown {
        let sweep = &pass.sweep;
        PassShown {
            reads: pass.leaves.iter().map(|leaf| self.leaf(leaf)).collect(),
            computes: counted(self.called(pass)),
            writes: pass.targets.iter().map(|target| self.goal(target.goal, &target.from, pass)).collect(),
            domain: pass.domain.to_vec(),
            tile: sweep.tile.to_vec(),
            block: sweep.block.to_vec(),
            tiles: sweep.tiles,
            workers: sweep.workers,
            readers: sweep.readers,
            slots: sweep.slots,
            // A pass that only copies has nothing to count.
            amplification: sweep.amplification.max(1.0),
            bytes_read: sweep.bytes_read,
            bytes_written: sweep.bytes_written,
            scratch_bytes: sweep.scratch_bytes,
            memory: sweep.bill.total(),
        }
    }

    /// The calls a pass computes. What a call is made of inside is not shown.
    fn called(&self, pass: &Pass) -> impl Iterator<Item = String> {
        pass.nodes.iter().filter(|node| node.node.origin.is_some()).map(|node| self.step(node.step))
    }

    fn step(&self, step: usize) -> String {
        let node = &self.plan.steps[step].node;
        match &node.kind {
            NodeKind::Source(source) => source.name(),
            NodeKind::Value(_) => "a constant".into(),
            NodeKind::Op(op) => node.origin.as_ref().map_or_else(|| op.name().to_string(), |o| o.to_string()),
        }
    }

    fn leaf(&self, leaf: &Leaf) -> String {
        let port = |port: &Port| self.step(port.step);
        let name = match &leaf.kind {
            LeafKind::Source(source) => source.name(),
            LeafKind::Spill(i) => format!("what was kept of {}", self.step(self.plan.spills[*i].step)),
            LeafKind::Stitched(from) | LeafKind::Value(from) => port(from),
        };
        format!("{name}: {}", spec_text(&leaf.spec))
    }

    fn goal(&self, goal: Goal, from: &Ref, pass: &Pass) -> String {
        match goal {
            Goal::Sink(output) => self.job.wanted[output].place_text().to_string(),
            Goal::Scan(step) | Goal::Beside(step) => format!("the result of {}", self.step(step)),
            Goal::Stitch(step) => format!("the pieces of {}, on scratch", self.step(step)),
            Goal::Spill(spill) => {
                let place = if self.plan.spills[spill].in_memory { "in memory" } else { "on scratch" };
                let what = match from {
                    Ref::Node(node) => self.step(pass.nodes[*node].step),
                    Ref::Leaf(_) | Ref::Scalar(_) | Ref::Table(_) => self.step(self.plan.spills[spill].step),
                };
                format!("{what}, kept {place}")
            }
        }
    }
}

/// Neighbours of the same name become one with a number.
fn counted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut groups: Vec<(String, usize)> = Vec::new();
    for name in names {
        match groups.last_mut() {
            Some((last, count)) if *last == name => *count += 1,
            _ => groups.push((name, 1)),
        }
    }
    groups.into_iter().map(|(name, n)| if n == 1 { name } else { format!("{name} ({n} times)") }).collect()
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&lines("outputs", self.outputs.iter().map(|(path, _, what)| format!("{path}: {what}"))))?;
        for (i, pass) in self.passes.iter().enumerate() {
            writeln!(f, "\npass {} of {}", i + 1, self.passes.len())?;
            pass.fmt(f)?;
        }
        let bound = if self.data_dependent { "at most, whatever the pixels are" } else { "predicted peak" };
        writeln!(f, "\nmemory of the dearest pass")?;
        for (name, bytes) in &self.bill {
            writeln!(f, "  {name:<26} {:>10}", Bytes(*bytes).to_string())?;
        }
        let (predicted, limit) = (Bytes(self.predicted).to_string(), Bytes(self.limit));
        writeln!(f, "  {:<26} {predicted:>10}  {bound}; the limit is {limit}", "together")?;
        let (read, written, scratch) = self.traffic;
        writeln!(f, "\ndisk")?;
        writeln!(f, "  {:<26} {:>10}", "read from sources", Bytes(read).to_string())?;
        writeln!(f, "  {:<26} {:>10}", "written to outputs", Bytes(written).to_string())?;
        if self.scratch.1 > 0 || scratch > 0 {
            let (least, most) = self.scratch;
            writeln!(f, "  {:<26} {:>10}", "through scratch", Bytes(scratch).to_string())?;
            writeln!(f, "  {:<26} {:>10}", "scratch space, at least", Bytes(least).to_string())?;
            writeln!(f, "  {:<26} {:>10}", "scratch space, at most", Bytes(most).to_string())?;
        }
        if !self.why.is_empty() {
            writeln!(f, "\nwhy")?;
        }
        self.why.iter().try_for_each(|reason| f.write_str(&term::wrapped("  - ", reason, WIDTH)))
    }
}

impl fmt::Display for PassShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = |n: u64| if n == 1 { "" } else { "s" };
        f.write_str(&lines("reads", self.reads.iter().cloned()))?;
        f.write_str(&lines("computes", self.computes.iter().cloned()))?;
        f.write_str(&lines("gives", self.writes.iter().cloned()))?;
        let over = info::shape_text(&self.domain);
        let tile = format!("{} over {over}: {} tile{}", info::shape_text(&self.tile), self.tiles, s(self.tiles));
        f.write_str(&lines("tile", [tile].into_iter()))?;
        let block = format!("{}, read and computed {:.2} times", info::shape_text(&self.block), self.amplification);
        f.write_str(&lines("block", [block].into_iter()))?;
        let (workers, readers, slots) = (self.workers as u64, self.readers as u64, self.slots as u64);
        let mut threads = format!("{workers} worker{}, {readers} reader{}", s(workers), s(readers));
        let _ = write!(threads, "; {slots} tile{} in memory at once", s(slots));
        f.write_str(&lines("threads", [threads].into_iter()))?;
        let mut disk = format!("{} read, {} written", Bytes(self.bytes_read), Bytes(self.bytes_written));
        if self.scratch_bytes > 0 {
            let _ = write!(disk, ", {} through scratch", Bytes(self.scratch_bytes));
        }
        f.write_str(&lines("disk", [disk].into_iter()))?;
        f.write_str(&lines("memory", [Bytes(self.memory).to_string()].into_iter()))
    }
}

/// A heading, and beside it an entry per line.
fn lines(heading: &str, entries: impl Iterator<Item = String>) -> String {
    let heads = std::iter::once(heading).chain(std::iter::repeat(""));
    entries.zip(heads).map(|(entry, head)| term::wrapped(&format!("  {head:<9} "), &entry, WIDTH)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_names_are_counted() {
        let names = ["a", "b", "b", "a"].map(String::from);
        assert_eq!(counted(names.into_iter()), ["a", "b (2 times)", "a"]);
    }
}
