//! The tile, the block, the number of workers, and what they cost.
//!
//! The tile shrinks from the whole domain along a path that does not depend on the limit, so what fits under one
//! limit fits under every larger one. Among the tiles of the path that fit, the smallest working set whose estimated
//! time is close to the best is taken.

use super::bill::Bill;
use super::pass::{Demands, Goal, LeafKind, Pass, Ref};
use super::{Held, Output, Resources, Step, To, shortage};
use crate::array::{ArraySpec, Dims, IntervalSets, MAX_RANK, Mode, Region, elements, grid_len, tiles_along};
use crate::error::{Error, Result, Shortage};
use crate::graph::{NodeKind, OpKind, ScanOp, Schedule, StitchBill};
use crate::io::{EncodeBill, Layout, ReadBill, Sink};
use arrayvec::ArrayVec;
use std::collections::HashMap;

/// Nanoseconds per byte read from the page cache, written to it, decoded.
const READ: f64 = 0.2;
const WRITE: f64 = 0.5;
const DECODE: f64 = 3.0;
/// Nanoseconds per byte that workers compress for a sink.
const ENCODE: f64 = 5.0;
/// Nanoseconds per separate run of bytes in a file, per block and node, per tile.
const RUN: f64 = 400.0;
const BLOCK: f64 = 400.0;
const TILE: f64 = 30_000.0;
/// Nanoseconds per byte of seams in the worst case: real seams are far shorter, but grow in the same way.
const SEAMS: f64 = 0.02;
/// Beyond this the intermediates of a block no longer stay in the second-level cache, and cost this much more.
const CACHED: u64 = 768 << 10;
const UNCACHED: f64 = 1.6;
/// A tile this much slower than the best is taken when it needs less memory.
const CLOSE: f64 = 1.04;
/// From here on a plan says that it computes the same pixels again and again.
const AMPLIFIED: f64 = 5.0;
/// Bytes of index table per coordinate when an input is put together across an edge.
const INDEX: u64 = 40;
/// Sets of intervals have at most this many pieces along an axis; beyond that they swallow gaps.
const MAX_PIECES: u64 = 4;
/// How many positions along an axis are examined: those at both ends and a spread between.
const EXAMINED: u64 = 9;

/// How a pass is carried out.
#[derive(Clone, Debug, Default)]
pub struct Sweep {
    /// The boxes a sink insists on.
    pub aligned: Option<Dims>,
    /// Shape of a tile: the unit of reading, writing and memory.
    pub tile: Dims,
    /// Shape of a block: the unit of computing, a part of a tile that stays in cache.
    pub block: Dims,
    /// How many tiles there are.
    pub tiles: u64,
    /// Threads that compute.
    pub workers: usize,
    /// Threads that read and decode.
    pub readers: usize,
    /// Tiles that may be in memory at once.
    pub slots: usize,
    /// Per leaf: bytes of its buffer in a slot.
    pub leaf_bytes: Vec<u64>,
    /// Per target: bytes of its buffer in a slot; 0 where it needs none.
    pub target_bytes: Vec<u64>,
    /// Per leaf: decoded chunks held in the cache; 0 where chunks go straight into the tile.
    pub cache: Vec<u64>,
    /// Bytes of the buffers in which a worker holds the intermediates of a block.
    pub arena: Vec<u64>,
    /// Per node: which of those buffers it uses; `None` where it goes straight into a target's tile.
    pub arena_of: Vec<Option<usize>>,
    /// Bytes in which a worker puts together inputs that reach over the edge.
    pub gather: u64,
    /// Bytes of an op's own working space.
    pub scratch: u64,
    /// The memory each consumer may hold.
    pub bill: Bill,
    /// Bytes that stitch ops and scans write to scratch: at least, and for the worst data.
    pub stitch_scratch: (u64, u64),
    /// Schedules of the stitch ops of this pass, by step.
    pub schedules: HashMap<usize, (Schedule, StitchBill)>,
    /// Bytes read from sources, written to sinks, written to and read from scratch.
    pub bytes_read: u64,
    /// See `bytes_read`.
    pub bytes_written: u64,
    /// See `bytes_read`.
    pub scratch_bytes: u64,
    /// Estimated nanoseconds that the pass takes.
    pub time: f64,
    /// Elements computed and read per element of the result, 1 where there are no halos.
    pub amplification: f64,
    /// How often the chunks of the source that is decoded most are decoded, as far as is known beforehand.
    pub repeats: f64,
    /// Reasons.
    pub why: Vec<String>,
}

/// What a tile shape costs, before workers and slots are known.
struct Candidate {
    tile: Dims,
    block: Dims,
    leaf_bytes: Vec<u64>,
    target_bytes: Vec<u64>,
    arena: Vec<u64>,
    arena_of: Vec<Option<usize>>,
    gather: u64,
    scratch: u64,
    indices: u64,
    /// Per chunked leaf that needs a cache: index, bytes of a chunk, chunks that are come back to, repeats without.
    caches: Vec<CacheNeed>,
    stitch: StitchBill,
    encode: EncodeBill,
    schedules: HashMap<usize, (Schedule, StitchBill)>,
    /// Estimated nanoseconds per element of the domain, with every chunk decoded once.
    time: f64,
    amplification: f64,
    bytes_read: u64,
}

struct CacheNeed {
    leaf: usize,
    chunk_bytes: u64,
    ideal: u64,
    total: u64,
    repeats: f64,
}

/// What all candidates share.
struct Setting<'a> {
    pass: &'a Pass,
    steps: &'a [Step],
    outputs: &'a [Output],
    resources: &'a Resources,
    base: Bill,
    sinks: u64,
    /// Chunk shapes of the leaves that can only be read by chunks.
    chunks: Vec<Option<Dims>>,
    read_bill: ReadBill,
    raster: bool,
    /// Some op wants something other than its surroundings.
    displaced: bool,
}

/// Whether an op wants of some input a place other than the one around its output.
fn is_displacing(node: &super::PassNode) -> bool {
    let start: Dims = node.spec.shape.iter().map(|&n| n / 2).collect();
    let out = Region { shape: start.iter().map(|_| 1).collect(), start };
    node.specs.iter().enumerate().filter(|(_, spec)| spec.rank() > 0).any(|(k, spec)| {
        let need = node.op().need(k, &out, &node.specs);
        let around = |axis: usize| {
            let (lo, at) = (need.start[axis], out.start[axis] as i64);
            spec.shape[axis] == 1 || (lo <= at && at < lo + need.shape[axis] as i64)
        };
        let same = |axis: usize| spec.shape[axis] == node.spec.shape[axis] || spec.shape[axis] == 1;
        spec.rank() != node.spec.rank() || (0..spec.rank()).any(|axis| !same(axis) || !around(axis))
    })
}

/// Chooses the sweeps of all passes; what the neediest of them is short of, if any is.
pub(crate) fn choose_all(
    passes: &mut [Pass],
    steps: &[Step],
    outputs: &[Output],
    resources: &Resources,
    held: (u64, &[Held]),
    slab_cap: u64,
) -> Result<Option<Box<Shortage>>> {
    let mut schedules = HashMap::new();
    let mut short: Option<Box<Shortage>> = None;
    for pass in passes {
        match choose(pass, steps, outputs, resources, held, &mut schedules, slab_cap) {
            Ok(()) => {}
            Err(Error::Memory(more)) if short.as_ref().is_none_or(|s| s.need < more.need) => short = Some(more),
            Err(Error::Memory(_)) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(short)
}

/// Chooses the sweep of a pass.
fn choose(
    pass: &mut Pass,
    steps: &[Step],
    outputs: &[Output],
    resources: &Resources,
    (held, values): (u64, &[Held]),
    schedules: &mut HashMap<usize, (Schedule, StitchBill)>,
    slab_cap: u64,
) -> Result<()> {
    let base = Bill::base(resources, held, Held::during(pass.level, values));
    let setting = Setting::new(pass, steps, outputs, resources, base, schedules);
    let mut path = setting.path();
    if setting.raster {
        let last = path.pop();
        path.retain(|tile| elements(tile) <= slab_cap);
        path.extend(last);
    }
    let candidates: Vec<Candidate> = path.iter().flat_map(|tile| setting.candidates(tile)).collect();
    let sweep = setting.pick(&candidates)?;
    schedules.extend(sweep.schedules.clone());
    pass.sweep = sweep;
    Ok(())
}

impl<'a> Setting<'a> {
    fn new(
        pass: &'a Pass,
        steps: &'a [Step],
        outputs: &'a [Output],
        resources: &'a Resources,
        base: Bill,
        schedules: &HashMap<usize, (Schedule, StitchBill)>,
    ) -> Self {
        let sinks = outputs
            .iter()
            .map(|o| match &o.to {
                To::Sink(sink) => sink.bill(),
                To::Value => 0,
            })
            .sum();
        let mut read_bill = ReadBill::default();
        let mut chunks = Vec::new();
        for leaf in &pass.leaves {
            let mut chunk = None;
            match &leaf.kind {
                LeafKind::Source(source) => {
                    let bill = source.bill(resources.access);
                    read_bill.per_reader += bill.per_reader;
                    read_bill.shared += bill.shared;
                    if let Layout::Chunked { chunk: shape } = source.layout() {
                        chunk = Some(shape);
                    }
                }
                LeafKind::Stitched(port) => {
                    if let Some((schedule, bill)) = schedules.get(&port.step) {
                        read_bill.per_reader += bill.apply;
                        read_bill.shared += bill.shared;
                        chunk = Some(schedule.slab.clone());
                    }
                }
                LeafKind::Spill(_) | LeafKind::Value(_) => {}
            }
            chunks.push(chunk);
        }
        let raster = pass.targets.iter().any(|t| matches!(t.goal, Goal::Stitch(_)));
        let displaced = pass.nodes.iter().any(is_displacing);
        Setting { pass, steps, outputs, resources, base, sinks, chunks, read_bill, raster, displaced }
    }

    /// Tiles from the whole domain down to the smallest, each cheaper to hold and the least dearer to run.
    fn path(&self) -> Vec<Dims> {
        let domain = &self.pass.domain;
        if let Some(tile) = &self.resources.tile {
            return vec![self.fixed_tile(tile)];
        }
        let mut tile: Dims = domain.iter().map(|&n| n.max(1)).collect();
        let mut path = vec![tile.clone()];
        loop {
            let smaller = (0..tile.len()).filter_map(|axis| {
                let mut next = tile.clone();
                next[axis] = self.halved(&tile, axis)?;
                Some((self.time(&next), next))
            });
            let Some((_, next)) = smaller.min_by(|a, b| a.0.total_cmp(&b.0)) else { return path };
            tile = next;
            path.push(tile.clone());
        }
    }

    /// The tile the caller asked for, made to fit what sinks and stitch ops insist on.
    fn fixed_tile(&self, asked: &[u64]) -> Dims {
        let domain = &self.pass.domain;
        let rank = domain.len();
        let mut tile: Dims = (0..rank)
            .map(|a| {
                let from_right = rank - a;
                let wanted = asked.len().checked_sub(from_right).map_or(1, |i| asked[i]);
                wanted.clamp(1, domain[a].max(1))
            })
            .collect();
        if let Some(unit) = &self.pass.sweep.aligned {
            (0..rank).for_each(|a| tile[a] = tile[a].next_multiple_of(unit[a].max(1)).min(domain[a].max(1)));
        }
        if self.raster {
            make_raster(&mut tile, domain);
        }
        tile
    }

    fn halved(&self, tile: &[u64], axis: usize) -> Option<u64> {
        let n = tile[axis];
        if n <= 1 || (self.raster && !may_split(tile, axis)) {
            return None;
        }
        let half = n.div_ceil(2);
        if let Some(unit) = &self.pass.sweep.aligned {
            return halved_to(n, unit[axis].max(1));
        }
        let unit = self.preferred_unit(axis);
        Some(if half >= unit && half.next_multiple_of(unit) < n { half.next_multiple_of(unit) } else { half })
    }

    /// The chunk length that tiles had better be multiples of.
    fn preferred_unit(&self, axis: usize) -> u64 {
        let same_shape = |leaf: &usize| self.pass.leaves[*leaf].spec.shape == self.pass.domain;
        (0..self.chunks.len())
            .filter(same_shape)
            .filter_map(|leaf| self.chunks[leaf].as_ref())
            .map(|c| c[axis].max(1))
            .max()
            .unwrap_or(1)
    }

    /// Estimated nanoseconds per element for a tile in the middle of the domain, computed in one block.
    fn time(&self, tile: &[u64]) -> f64 {
        let mut demands = Demands::default();
        self.pass.demand(&middle(&self.pass.domain, tile), &mut demands);
        let read: f64 = self.read_time(&demands);
        let compute: f64 = self.compute_time(&demands, 1.0);
        (read + compute + self.write_time(tile) + TILE) / elements(tile).max(1) as f64
    }

    fn read_time(&self, demands: &Demands) -> f64 {
        let one = |(i, set): (usize, &IntervalSets)| {
            let spec = &self.pass.leaves[i].spec;
            let size = spec.dtype.size() as f64;
            match &self.chunks[i] {
                Some(chunk) => {
                    let touched: u64 = (0..spec.rank()).map(|a| chunks_touched(set, chunk, a)).product();
                    (touched * elements(chunk)) as f64 * size * DECODE
                }
                None => {
                    let shape = set.packed_shape();
                    elements(&shape) as f64 * size * READ + runs(&shape, &spec.shape) * RUN
                }
            }
        };
        demands.leaves.iter().enumerate().map(one).sum()
    }

    fn compute_time(&self, demands: &Demands, blocks: f64) -> f64 {
        let nodes = self.pass.nodes.iter().zip(&demands.nodes);
        nodes.map(|(n, set)| n.op().box_cost(&set.packed_shape()) + blocks * BLOCK).sum()
    }

    fn write_time(&self, tile: &[u64]) -> f64 {
        let written = self.pass.targets.iter().filter(|t| matches!(t.goal, Goal::Sink(_) | Goal::Spill(_)));
        written
            .map(|t| {
                let bytes = elements(tile) as f64 * t.spec.dtype.size() as f64;
                let encode = if self.is_encoded(t.goal, tile) { ENCODE } else { 0.0 };
                bytes * (WRITE + encode) + runs(tile, &t.spec.shape) * RUN
            })
            .sum()
    }

    /// Whether workers compress what goes there.
    fn is_encoded(&self, goal: Goal, tile: &[u64]) -> bool {
        let Goal::Sink(output) = goal else { return false };
        match &self.outputs[output].to {
            To::Sink(sink) => sink.encode_bill(tile).per_tile > 0,
            To::Value => false,
        }
    }

    /// The tile with its fastest blocks, and with blocks that take less and less memory.
    fn candidates(&self, tile: &Dims) -> Vec<Candidate> {
        let mut scored: Vec<(f64, u64, Dims)> = self
            .block_path(tile)
            .into_iter()
            .map(|block| {
                let bound = self.bound(&block);
                let bytes = sum(&self.arena(&bound.nodes).0) + self.gather(&bound.nodes).0;
                (self.block_time(&bound.nodes, bytes, 1.0) / elements(&block).max(1) as f64, bytes, block)
            })
            .collect();
        scored.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut smallest = u64::MAX;
        let mut kept = Vec::new();
        for (_, bytes, block) in scored {
            if bytes < smallest / 2 || kept.is_empty() {
                smallest = bytes;
                kept.push(self.candidate(tile, &block));
            }
        }
        kept
    }

    fn block_time(&self, extents: &[Dims], bytes: u64, blocks: f64) -> f64 {
        let nodes = self.pass.nodes.iter().zip(extents);
        let time: f64 = nodes.map(|(n, s)| (n.op().box_cost(s) + BLOCK) * blocks).sum();
        time * if bytes <= CACHED { 1.0 } else { UNCACHED }
    }

    /// An upper bound of what one box of shape `part` demands, wherever it lies. Where every op wants its surroundings,
    /// all demands lie around the same place, and only what goes beyond it adds up over consumers; where one wants
    /// something elsewhere, everything adds up, in pieces that each have a margin.
    fn bound(&self, part: &[u64]) -> Extents {
        let pass = self.pass;
        let mut most = Extents::none(pass);
        let core = (!self.displaced).then_some(part);
        for (t, target) in pass.targets.iter().enumerate() {
            // Targets made of the same node want the same box of it.
            if !pass.targets[..t].iter().any(|other| other.from == target.from) {
                most.raise(target.from, part, 1, core);
            }
        }
        for i in (0..pass.nodes.len()).rev() {
            let node = &pass.nodes[i];
            let (wanted, pieces) = most.of_node(i, &node.spec.shape);
            if wanted.contains(&0) {
                continue;
            }
            for (k, &input) in node.inputs.iter().enumerate() {
                let (shape, pieces) = self.input_bound(node, k, &Region::whole(&wanted), pieces);
                most.raise(input, &shape, pieces, core);
            }
        }
        most.clamp(pass);
        most
    }

    /// What so many pieces that make up `out` need of an input, and in how many pieces.
    fn input_bound(&self, node: &super::PassNode, k: usize, out: &Region, pieces: u64) -> (Dims, u64) {
        let single = Region::whole(&out.shape.iter().map(|_| 1).collect::<Dims>());
        let (need, one) = (node.op().need(k, out, &node.specs), node.op().need(k, &single, &node.specs));
        let folds = match need.outside {
            Some((Mode::Wrap, _)) => 1,
            // What lies outside comes from the edge nearby, which is elsewhere only for a box that lies elsewhere.
            Some((Mode::Reflect | Mode::Mirror | Mode::Nearest, _)) => u64::from(is_displacing(node)),
            Some((Mode::Constant, _)) | None => 0,
        };
        // Around one place, demands are an arc of the axis closed to a ring: at most one piece at either end.
        let pieces = if self.displaced { pieces + folds } else { (pieces + folds).min(2) };
        let lengths = need.shape.iter().zip(&one.shape).zip(&node.specs[k].shape);
        let length = |((&len, &one), &n): ((&u64, &u64), &u64)| (len + (pieces - 1) * one.saturating_sub(1)).min(n);
        (lengths.map(length).collect(), pieces)
    }

    /// The boxes that a scan of the pass insists on. Those of all are the same: passes are made so.
    fn grain(&self) -> Option<Dims> {
        self.scans().find_map(|(op, spec)| op.grain(spec))
    }

    /// The scans of the pass, with the spec of the first array they take.
    fn scans(&self) -> impl Iterator<Item = (&dyn ScanOp, &ArraySpec)> {
        self.pass.targets.iter().filter_map(|t| match t.goal {
            Goal::Scan(step) => match &self.steps[step].node.kind {
                NodeKind::Op(OpKind::Scan(op)) => Some((op.as_ref(), &t.spec)),
                _ => None,
            },
            _ => None,
        })
    }

    fn block_path(&self, tile: &Dims) -> Vec<Dims> {
        if self.pass.nodes.is_empty() {
            return vec![tile.clone()];
        }
        let cost = |block: &Dims| {
            let mut demands = Demands::default();
            self.pass.demand(&middle(&self.pass.domain, block), &mut demands);
            self.compute_time(&demands, 1.0) / elements(block).max(1) as f64
        };
        let grain = self.grain();
        let mut block = tile.clone();
        let mut path = vec![block.clone()];
        while elements(&block) > 1 {
            let halves = (0..block.len()).filter_map(|a| {
                let mut next = block.clone();
                next[a] = halved_to(block[a], grain.as_ref().map_or(1, |g| g[a].max(1)))?;
                Some((cost(&next), next))
            });
            let Some((_, next)) = halves.min_by(|a, b| a.0.total_cmp(&b.0)) else { break };
            block = next;
            path.push(block.clone());
        }
        path
    }

    fn candidate(&self, tile: &Dims, block: &Dims) -> Candidate {
        let pass = self.pass;
        let tiles = self.extents(tile, tile);
        let blocks = self.extents(tile, block);
        let leaf_bytes: Vec<u64> =
            pass.leaves.iter().zip(&tiles.leaves).map(|(l, s)| elements(s) * l.spec.dtype.size() as u64).collect();
        let target_bytes = pass
            .targets
            .iter()
            .map(|t| match t.from {
                Ref::Node(_) if t.goal.takes_tiles() => elements(tile) * t.spec.dtype.size() as u64,
                _ => 0,
            })
            .collect();
        let (arena, arena_of) = self.arena(&blocks.nodes);
        let (gather, indices) = self.gather(&blocks.nodes);
        let scratch = self.op_scratch(&blocks.nodes);
        let caches = self.cache_needs(tile, &tiles);
        let (stitch, schedules) = self.stitch_bills(tile);
        let encode = self.encode_bill(tile);

        let per_tile = elements(tile).max(1) as f64;
        let n_blocks = grid_len(tile, block) as f64;
        let compute = self.block_time(&blocks.nodes, sum(&arena) + gather + scratch, n_blocks);
        let mut demands = Demands::default();
        pass.demand(&middle(&pass.domain, tile), &mut demands);
        let direct_read: f64 = self.read_time(&demands);
        let seams = stitch.scratch as f64 * SEAMS / elements(&pass.domain).max(1) as f64;
        let time = (direct_read + compute + self.write_time(tile) + TILE) / per_tile + seams;
        let computed: f64 = blocks.nodes.iter().map(|s| elements(s) as f64).sum::<f64>() * n_blocks / per_tile;
        let amplification = computed / pass.nodes.len().max(1) as f64;
        let source = |l: &&(usize, &Dims)| matches!(pass.leaves[l.0].kind, LeafKind::Source(_));
        let per_tile_read: u64 = tiles
            .leaves
            .iter()
            .enumerate()
            .collect::<Vec<_>>()
            .iter()
            .filter(source)
            .map(|(i, s)| elements(s) * pass.leaves[*i].spec.dtype.size() as u64)
            .sum();
        Candidate {
            tile: tile.clone(),
            block: block.clone(),
            leaf_bytes,
            target_bytes,
            arena,
            arena_of,
            gather,
            scratch,
            indices,
            caches,
            stitch,
            encode,
            schedules,
            time,
            amplification,
            bytes_read: per_tile_read.saturating_mul(grid_len(&pass.domain, tile)),
        }
    }

    /// The largest packed shape of every leaf and node over boxes of shape `part` cut from tiles: the bound for one
    /// box, and what a sample of positions really demands where consumers want different places.
    fn extents(&self, tile: &[u64], part: &[u64]) -> Extents {
        let mut most = self.bound(part);
        let mut demands = Demands::default();
        for at in positions(&self.pass.domain, tile) {
            for inner in positions(&at.shape, part) {
                let start: Dims = inner.start.iter().zip(&at.start).map(|(i, s)| i + s).collect();
                self.pass.demand(&Region { start, shape: inner.shape }, &mut demands);
                most.take(&demands);
            }
        }
        most
    }

    /// Buffers for the nodes of a block, shared by nodes whose lives do not overlap.
    fn arena(&self, extents: &[Dims]) -> (Vec<u64>, Vec<Option<usize>>) {
        let pass = self.pass;
        let last_use = |node: usize| {
            let read = pass.nodes.iter().rposition(|n| n.inputs.contains(&Ref::Node(node)));
            let aimed = pass.targets.iter().any(|t| t.from == Ref::Node(node));
            // A target's block is taken when all nodes are done.
            if aimed { pass.nodes.len() } else { read.unwrap_or(node) }
        };
        let mut sizes: Vec<u64> = Vec::new();
        let mut busy_until: Vec<usize> = Vec::new();
        let mut of = Vec::new();
        for (i, node) in pass.nodes.iter().enumerate() {
            if pass.direct_target(i).is_some() {
                of.push(None);
                continue;
            }
            let bytes = elements(&extents[i]) * node.spec.dtype.size() as u64;
            let free = (0..sizes.len()).filter(|&s| busy_until[s] < i);
            let slot = match free.min_by_key(|&s| sizes[s].abs_diff(bytes)) {
                Some(slot) => slot,
                None => {
                    sizes.push(0);
                    busy_until.push(0);
                    sizes.len() - 1
                }
            };
            sizes[slot] = sizes[slot].max(bytes);
            busy_until[slot] = last_use(i);
            of.push(Some(slot));
        }
        (sizes, of)
    }

    /// Bytes to put inputs together that reach over an edge, and of the index tables for it.
    fn gather(&self, extents: &[Dims]) -> (u64, u64) {
        let mut most = (0, 0);
        for (node, shape) in self.pass.nodes.iter().zip(extents) {
            let out = Region::whole(shape);
            let mut bytes = 0;
            let mut indices = 0u64;
            for (k, spec) in node.specs.iter().enumerate() {
                let need = node.op().need(k, &out, &node.specs);
                if need.outside.is_some() {
                    bytes += (elements(&need.shape) * spec.dtype.size() as u64).next_multiple_of(64);
                    indices = indices.max(need.shape.iter().sum::<u64>() * INDEX);
                }
            }
            most = (most.0.max(bytes), most.1.max(indices));
        }
        most
    }

    fn op_scratch(&self, extents: &[Dims]) -> u64 {
        let nodes = self.pass.nodes.iter().zip(extents);
        // Whole elements of any type.
        nodes.map(|(n, shape)| n.op().scratch(shape, &n.specs).next_multiple_of(64)).max().unwrap_or(0)
    }

    fn cache_needs(&self, tile: &Dims, most: &Extents) -> Vec<CacheNeed> {
        let mut needs = Vec::new();
        for (leaf, chunk) in self.chunks.iter().enumerate() {
            let Some(chunk) = chunk else { continue };
            let spec = &self.pass.leaves[leaf].spec;
            let rank = spec.rank();
            let own = self.own_box(leaf, tile);
            let whole = |a: usize| own[a] && (tile[a].is_multiple_of(chunk[a].max(1)) || tile[a] >= spec.shape[a]);
            // Every tile wants whole chunks that no other tile wants.
            if (0..rank).all(whole) {
                continue;
            }
            let grid: Dims = (0..rank).map(|a| tiles_along(spec.shape[a], chunk[a])).collect();
            // A box that lies anywhere touches a chunk more along an axis than it has chunks.
            let lies = |a: usize| whole(a) || own[a] && chunk[a].is_multiple_of(tile[a].max(1));
            let touched = |a: usize| most.leaves[leaf][a].div_ceil(chunk[a].max(1)) + u64::from(!lies(a));
            let touched: Dims = (0..rank).map(|a| touched(a).min(grid[a])).collect();
            let same = spec.shape == self.pass.domain;
            let split = (0..rank).find(|&a| same && tile[a] < spec.shape[a]).unwrap_or(0);
            let ideal: u64 = (0..rank).map(|a| if a <= split { touched[a] } else { grid[a] }).product();
            let total: u64 = grid.iter().product();
            let per_tile: u64 = touched.iter().product();
            let tiles = grid_len(&self.pass.domain, tile);
            needs.push(CacheNeed {
                leaf,
                chunk_bytes: elements(chunk) * spec.dtype.size() as u64,
                // Several readers are at several tiles, some of them a row of tiles ahead.
                ideal: if same { (ideal + per_tile * self.resources.threads as u64).min(total) } else { total },
                total,
                repeats: ((per_tile.saturating_mul(tiles)) as f64 / total.max(1) as f64).max(1.0),
            });
        }
        needs
    }

    /// Along which axes every tile wants just its own box of a leaf.
    fn own_box(&self, leaf: usize, tile: &Dims) -> ArrayVec<bool, MAX_RANK> {
        let spec = &self.pass.leaves[leaf].spec;
        let same = spec.shape == self.pass.domain && !self.displaced;
        let mut own: ArrayVec<bool, MAX_RANK> = (0..spec.rank()).map(|_| same).collect();
        let mut demands = Demands::default();
        for at in positions(&self.pass.domain, tile) {
            if !own.contains(&true) {
                break;
            }
            self.pass.demand(&at, &mut demands);
            let wanted = IntervalSets::of(&at);
            let sets = demands.leaves[leaf].axes.iter().zip(&wanted.axes);
            own.iter_mut().zip(sets).for_each(|(own, (set, wanted))| *own &= set == wanted);
        }
        own
    }

    fn stitch_bills(&self, tile: &Dims) -> (StitchBill, HashMap<usize, (Schedule, StitchBill)>) {
        let mut sum = StitchBill::default();
        let mut schedules = HashMap::new();
        let steps = self.pass.targets.iter().filter_map(|t| match t.goal {
            Goal::Stitch(step) => Some(step),
            _ => None,
        });
        for (step, (op, spec)) in steps.zip(self.pass.stitches(self.steps)) {
            let schedule = Schedule { shape: spec.shape.clone(), slab: tile.clone() };
            let bill = op.bill(spec, &schedule);
            sum.piece += bill.piece;
            sum.local += bill.local;
            sum.merge += bill.merge;
            sum.scratch += bill.scratch;
            sum.scratch_least += bill.scratch_least;
            schedules.insert(step, (schedule, bill));
        }
        (sum, schedules)
    }

    /// What the encoders of all sinks of the pass hold.
    fn encode_bill(&self, tile: &[u64]) -> EncodeBill {
        let mut sum = EncodeBill::default();
        for sink in self.sinks_of_pass() {
            let bill = sink.encode_bill(tile);
            sum.per_tile += bill.per_tile;
            sum.per_worker += bill.per_worker;
        }
        sum
    }

    /// The sinks that the pass writes.
    fn sinks_of_pass(&self) -> impl Iterator<Item = &dyn Sink> {
        self.pass.targets.iter().filter_map(|t| match t.goal {
            Goal::Sink(i) => match &self.outputs[i].to {
                To::Sink(sink) => Some(sink.as_ref()),
                To::Value => None,
            },
            _ => None,
        })
    }

    /// The readers that go with that many workers.
    fn readers(&self, workers: usize) -> usize {
        if self.chunks.iter().any(Option::is_some) { workers } else { 1 }
    }

    fn bill(&self, c: &Candidate, workers: usize, slots: usize, cache: &[u64]) -> Bill {
        let readers = self.readers(workers) as u64;
        let (workers, slots) = (workers as u64, slots as u64);
        let mut bill = self.base.clone();
        bill.add_stacks(workers + readers);
        bill.add("tiles", slots * (sum(&c.leaf_bytes) + sum(&c.target_bytes)));
        bill.add("blocks", workers * c.per_worker());
        let (state, finish) = self.scan_bytes();
        bill.add("scans", workers * state);
        // A scan finishes when tiles and blocks are gone.
        let gone = slots * (sum(&c.leaf_bytes) + sum(&c.target_bytes)) + workers * c.per_worker();
        bill.add("results of scans", finish.saturating_sub(gone));
        bill.add("seams", slots * c.stitch.piece + workers * c.stitch.local + c.stitch.merge);
        bill.add("reading", readers * self.read_bill.per_reader + self.read_bill.shared);
        bill.add("decoded chunks", c.caches.iter().zip(cache).map(|(need, n)| need.chunk_bytes * n).sum());
        bill.add("encoding", slots * c.encode.per_tile + workers * c.encode.per_worker);
        bill.add("writing", self.sinks);
        bill
    }

    /// Bytes of every worker's scan states, and of finishing the scans.
    fn scan_bytes(&self) -> (u64, u64) {
        self.scans().fold((0, 0), |sum, (op, spec)| (sum.0 + op.state_bytes(spec), sum.1.max(op.finish_bytes(spec))))
    }

    /// The candidate, workers, slots and cache to use.
    fn pick(&self, candidates: &[Candidate]) -> Result<Sweep> {
        let mut smallest: Option<Bill> = None;
        let mut fitting: Vec<(f64, u64, usize, usize, usize, Vec<u64>)> = Vec::new();
        for workers in (1..=self.resources.threads.max(1)).rev() {
            for (i, candidate) in candidates.iter().enumerate() {
                let Some((slots, cache)) = self.room_for(candidate, workers, &mut smallest) else { continue };
                let wall = self.expected(candidate, workers, slots, &cache) / workers as f64;
                let total = self.bill(candidate, workers, slots, &cache).total();
                fitting.push((wall, total, i, workers, slots, cache));
            }
        }
        let best = fitting.iter().map(|f| f.0).min_by(f64::total_cmp).unwrap_or(0.0);
        match fitting.into_iter().filter(|f| f.0 <= best * CLOSE).min_by_key(|f| f.1) {
            Some((_, _, i, workers, slots, cache)) => Ok(self.sweep(&candidates[i], workers, slots, cache)),
            None => Err(shortage(&smallest.unwrap_or_default(), self.resources.memory)),
        }
    }

    /// The most slots and cached chunks that fit, if any do.
    fn room_for(&self, c: &Candidate, workers: usize, smallest: &mut Option<Bill>) -> Option<(usize, Vec<u64>)> {
        let least: Vec<u64> = c.caches.iter().map(|n| (self.readers(workers) as u64).min(n.total.max(1))).collect();
        let fewest = if workers == 1 { 1 } else { workers + 1 };
        let tiles = grid_len(&self.pass.domain, &c.tile).clamp(1, 2 * workers as u64 + 1) as usize;
        for slots in (fewest.min(tiles)..=tiles).rev() {
            let bill = self.bill(c, workers, slots, &least);
            if bill.total() > self.resources.memory {
                if smallest.as_ref().is_none_or(|s| bill.total() < s.total()) {
                    *smallest = Some(bill);
                }
                continue;
            }
            let mut room = self.resources.memory - bill.total();
            let mut cache = least.clone();
            for (need, n) in c.caches.iter().zip(&mut cache) {
                let more = (room / need.chunk_bytes.max(1)).min(need.ideal.saturating_sub(*n));
                *n += more;
                room -= more * need.chunk_bytes;
            }
            return Some((slots, cache));
        }
        None
    }

    fn expected(&self, c: &Candidate, workers: usize, slots: usize, cache: &[u64]) -> f64 {
        let mut time = c.time;
        for (need, &n) in c.caches.iter().zip(cache) {
            if n < need.ideal {
                time += (need.repeats - 1.0) * need.chunk_bytes as f64 * need.total as f64 * DECODE
                    / elements(&self.pass.domain).max(1) as f64;
            }
        }
        let tiles = grid_len(&self.pass.domain, &c.tile).max(1);
        let rounds = tiles.div_ceil(workers as u64) * workers as u64;
        let starved = if slots <= workers { 1.15 } else { 1.0 };
        time * starved * rounds as f64 / tiles as f64
    }

    fn sweep(&self, c: &Candidate, workers: usize, slots: usize, cache: Vec<u64>) -> Sweep {
        let mut per_leaf = vec![0; self.pass.leaves.len()];
        c.caches.iter().zip(&cache).for_each(|(need, &n)| per_leaf[need.leaf] = n);
        let size = |t: &super::pass::Target| t.spec.bytes();
        let goal = |want: fn(Goal) -> bool| self.pass.targets.iter().filter(move |t| want(t.goal));
        let written = goal(|g| matches!(g, Goal::Sink(_))).map(size).sum();
        let spilled: u64 = goal(|g| matches!(g, Goal::Spill(_))).map(size).sum();
        let read_back: u64 =
            self.pass.leaves.iter().filter(|l| matches!(l.kind, LeafKind::Spill(_))).map(|l| l.spec.bytes()).sum();
        let source =
            |leaf: &super::pass::Leaf| if let LeafKind::Source(source) = &leaf.kind { source.why() } else { None };
        let mut why: Vec<String> = self.pass.leaves.iter().filter_map(source).collect();
        if workers < self.resources.threads {
            why.push(format!(
                "{workers} of {} threads: more do not fit the limit, or only in tiles that make them slower",
                self.resources.threads
            ));
        }
        if c.amplification > AMPLIFIED {
            why.push(format!(
                "windows are large for this limit: each pixel is computed {:.0} times over; more memory would avoid that",
                c.amplification
            ));
        }
        for (need, &n) in c.caches.iter().zip(&cache) {
            if n < need.ideal {
                why.push(format!(
                    "chunks of {} may be decoded again: {n} of the {} that tiles come back to fit the limit",
                    leaf_name(&self.pass.leaves[need.leaf].kind, self.steps),
                    need.ideal
                ));
            }
        }
        Sweep {
            aligned: self.pass.sweep.aligned.clone(),
            tile: c.tile.clone(),
            block: c.block.clone(),
            tiles: grid_len(&self.pass.domain, &c.tile),
            workers,
            readers: self.readers(workers),
            slots,
            leaf_bytes: c.leaf_bytes.clone(),
            target_bytes: c.target_bytes.clone(),
            bill: self.bill(c, workers, slots, &cache),
            cache: per_leaf,
            arena: c.arena.clone(),
            arena_of: c.arena_of.clone(),
            gather: c.gather,
            scratch: c.scratch,
            stitch_scratch: (
                c.stitch.scratch_least,
                c.stitch.scratch + self.scans().map(|(op, s)| op.scratch(s)).sum::<u64>(),
            ),
            schedules: c.schedules.clone(),
            bytes_read: c.bytes_read,
            bytes_written: written,
            scratch_bytes: spilled + read_back + c.stitch.scratch_least,
            time: self.expected(c, workers, slots, &cache) * elements(&self.pass.domain) as f64 / workers as f64,
            amplification: c.amplification,
            repeats: repeats(c, &cache),
            why,
        }
    }
}

/// How often the chunks that are decoded most are decoded with that many of each in the cache.
fn repeats(c: &Candidate, cache: &[u64]) -> f64 {
    let again = c.caches.iter().zip(cache).filter(|(need, n)| **n < need.ideal).map(|(need, _)| need.repeats);
    again.fold(1.0, f64::max)
}

impl Candidate {
    fn per_worker(&self) -> u64 {
        sum(&self.arena) + self.gather + self.scratch + self.indices
    }
}

/// The largest packed shapes of leaves and nodes.
struct Extents {
    leaves: Vec<Dims>,
    nodes: Vec<Dims>,
    /// In how many pieces per axis each is wanted at most.
    leaf_pieces: Vec<u64>,
    node_pieces: Vec<u64>,
}

fn clamped(most: &[u64], pieces: u64, shape: &[u64]) -> Dims {
    most.iter().zip(shape).map(|(&m, &n)| if pieces > MAX_PIECES && m > 0 { n } else { m.min(n) }).collect()
}

impl Extents {
    fn none(pass: &Pass) -> Self {
        let zero = |spec: &ArraySpec| spec.shape.iter().map(|_| 0).collect();
        Extents {
            leaves: pass.leaves.iter().map(|l| zero(&l.spec)).collect(),
            nodes: pass.nodes.iter().map(|n| zero(&n.spec)).collect(),
            leaf_pieces: vec![0; pass.leaves.len()],
            node_pieces: vec![0; pass.nodes.len()],
        }
    }

    /// One more consumer wants a box of that shape in so many pieces: somewhere else, or around the same `core`, where
    /// only what goes beyond it adds up.
    fn raise(&mut self, at: Ref, shape: &[u64], pieces: u64, core: Option<&[u64]>) {
        let (most, have) = match at {
            Ref::Leaf(i) => (&mut self.leaves[i], &mut self.leaf_pieces[i]),
            Ref::Node(i) => (&mut self.nodes[i], &mut self.node_pieces[i]),
            Ref::Scalar(_) | Ref::Table(_) => return,
        };
        *have = if core.is_none() { have.saturating_add(pieces) } else { (*have).max(pieces) };
        for (axis, (n, &more)) in most.iter_mut().zip(shape).enumerate() {
            let shared = core.map_or(0, |core| core[axis].min(*n).min(more));
            *n = n.saturating_add(more) - shared;
        }
    }

    /// What is wanted of a node of that shape: no more than there is, and all of it where the pieces are so many that
    /// the gaps between them are swallowed.
    fn of_node(&self, i: usize, shape: &[u64]) -> (Dims, u64) {
        (clamped(&self.nodes[i], self.node_pieces[i], shape), self.node_pieces[i].clamp(1, MAX_PIECES))
    }

    fn clamp(&mut self, pass: &Pass) {
        for (i, leaf) in pass.leaves.iter().enumerate() {
            self.leaves[i] = clamped(&self.leaves[i], self.leaf_pieces[i], &leaf.spec.shape);
        }
        for (i, node) in pass.nodes.iter().enumerate() {
            self.nodes[i] = clamped(&self.nodes[i], self.node_pieces[i], &node.spec.shape);
        }
    }

    fn take(&mut self, demands: &Demands) {
        let pairs = self.leaves.iter_mut().zip(&demands.leaves).chain(self.nodes.iter_mut().zip(&demands.nodes));
        for (most, set) in pairs {
            for (n, axis) in most.iter_mut().zip(&set.axes) {
                *n = (*n).max(axis.len());
            }
        }
    }
}

fn sum(bytes: &[u64]) -> u64 {
    bytes.iter().fold(0, |s, b| s.saturating_add(*b))
}

fn leaf_name(kind: &LeafKind, steps: &[Step]) -> String {
    match kind {
        LeafKind::Source(source) => source.name(),
        LeafKind::Spill(_) => "a kept intermediate".into(),
        LeafKind::Stitched(port) => super::place::title(&steps[port.step]),
        LeafKind::Value(_) => "a value".into(),
    }
}

/// A tile as far as possible from every edge.
fn middle(domain: &[u64], tile: &[u64]) -> Region {
    let start: Dims = domain.iter().zip(tile).map(|(&n, &t)| tiles_along(n, t) / 2 * t).collect();
    let shape = domain.iter().zip(tile).zip(&start).map(|((&n, &t), &s)| t.min(n.saturating_sub(s))).collect();
    let mut region = Region { start, shape };
    for (axis, &whole) in tile.iter().enumerate() {
        if region.shape[axis] < whole && region.start[axis] >= whole {
            region.start[axis] -= whole;
            region.shape[axis] = whole;
        }
    }
    region
}

/// Tiles along the diagonal of the grid, at both ends and between. As long as every op wants its surroundings, what a
/// tile demands along one axis does not depend on its position along another.
fn positions(domain: &[u64], tile: &[u64]) -> Vec<Region> {
    let counts: Dims = domain.iter().zip(tile).map(|(&n, &t)| tiles_along(n, t)).collect();
    if counts.contains(&0) {
        return Vec::new();
    }
    let most = counts.iter().copied().max().unwrap_or(1);
    let picks: Vec<u64> = if most <= EXAMINED {
        (0..most).collect()
    } else {
        let third = EXAMINED / 3;
        let spread = (1..third).map(|i| i * (most / third));
        let mut all: Vec<u64> = (0..third).chain(spread).chain(most - third..most).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    picks
        .into_iter()
        .map(|i| {
            let start: Dims = (0..domain.len())
                .map(|a| {
                    let from_end = most - 1 - i;
                    let index =
                        if i < most / 2 { i.min(counts[a] - 1) } else { (counts[a] - 1).saturating_sub(from_end) };
                    index * tile[a]
                })
                .collect();
            let shape = (0..domain.len()).map(|a| tile[a].min(domain[a] - start[a])).collect();
            Region { start, shape }
        })
        .collect()
}

/// How many separate runs of memory a box of that shape is in an array of shape `whole` in C order.
fn runs(shape: &[u64], whole: &[u64]) -> f64 {
    let mut runs = 1.0;
    let mut contiguous = true;
    for axis in (0..shape.len()).rev() {
        if !contiguous {
            runs *= shape[axis] as f64;
        }
        contiguous &= shape[axis] == whole[axis];
    }
    runs
}

fn chunks_touched(set: &IntervalSets, chunk: &[u64], axis: usize) -> u64 {
    let unit = chunk[axis].max(1);
    set.axes[axis].pieces().iter().map(|&(lo, hi)| hi.div_ceil(unit) - lo / unit).sum()
}

/// Half of a length in whole units, if that is less.
fn halved_to(n: u64, unit: u64) -> Option<u64> {
    let half = n.div_ceil(2).next_multiple_of(unit);
    (half < n).then_some(half)
}

/// Whether a raster-contiguous tile stays one when it is split along that axis: everything before is 1, and the
/// last axis is never split.
fn may_split(tile: &[u64], axis: usize) -> bool {
    axis + 1 < tile.len() && tile[..axis].iter().all(|&n| n == 1)
}

/// The raster-contiguous tile nearest to the one asked for: whole rows, and whole axes after the first split one.
fn make_raster(tile: &mut [u64], domain: &[u64]) {
    let Some(last) = tile.len().checked_sub(1) else { return };
    let split = (0..last).find(|&a| tile[a] > 1).unwrap_or(last);
    for axis in split + 1..=last {
        tile[axis] = domain[axis].max(1);
    }
    tile[last] = domain[last].max(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raster_tiles_are_whole_rows() {
        let mut tile = [1, 3, 2, 5];
        make_raster(&mut tile, &[9, 9, 9, 9]);
        assert_eq!(tile, [1, 3, 9, 9]);
        assert!(may_split(&[1, 1, 9, 9], 2));
        assert!(!may_split(&[1, 1, 1, 9], 3));
        assert!(!may_split(&[2, 9, 9], 1));
    }

    #[test]
    fn positions_meet_both_ends_of_every_axis() {
        let at = positions(&[10, 100_000], &[4, 7]);
        assert!(at.len() as u64 <= EXAMINED + 2);
        assert_eq!(at[0].start[..], [0, 0]);
        let last = at.last().map(|r| (r.end(0), r.end(1)));
        assert_eq!(last, Some((10, 100_000)));
        assert!(at.iter().any(|r| r.start[0] == 4));
    }

    #[test]
    fn runs_count_what_does_not_lie_together() {
        assert_eq!(runs(&[4, 100], &[50, 100]), 1.0);
        assert_eq!(runs(&[4, 50], &[50, 100]), 4.0);
        assert_eq!(runs(&[2, 4, 100], &[9, 50, 100]), 2.0);
    }

    #[test]
    fn middles_are_whole_tiles() {
        assert_eq!(middle(&[10], &[4]), Region::new(&[4], &[4]));
        assert_eq!(middle(&[9, 3], &[6, 3]), Region::new(&[0, 0], &[6, 3]));
    }
}
