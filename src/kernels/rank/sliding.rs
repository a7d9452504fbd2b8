//! Large windows: a bag of what the window holds, moved along from output to output.

use super::super::extrema::{Key, Ordered};
use super::{Block, Carver, Dims, Footprint, carved, origin, stretches};
use bytemuck::Pod;
use multiversion::multiversion;

/// The elements that change when the window moves by one along an axis.
#[derive(Clone, Debug, Default)]
struct Edges {
    /// Elements of the window that are not in it after the move.
    behind: Vec<Dims>,
    /// Elements of the moved window that were not in it before.
    ahead: Vec<Dims>,
}

/// A window ready to be slid.
#[derive(Debug)]
pub(super) struct Slide {
    /// Per axis.
    edges: Vec<Edges>,
    /// The axes, those with the fewest changes first.
    order: Vec<usize>,
}

/// What a run is about: the window, the rank and where a NaN lies.
#[derive(Clone, Copy)]
pub(super) struct Task<'a> {
    pub footprint: &'a Footprint,
    pub rank: usize,
    pub nan_high: bool,
}

impl Slide {
    pub fn new(footprint: &Footprint) -> Self {
        let edges: Vec<Edges> = (0..footprint.shape.len()).map(|axis| edges(footprint, axis)).collect();
        let mut order: Vec<usize> = (0..edges.len()).collect();
        // Of equals the last, whose neighbours lie closest.
        order.sort_by_key(|&axis| (edges[axis].ahead.len(), std::cmp::Reverse(axis)));
        Slide { edges, order }
    }

    /// The elements that come and go with a step along the best axis.
    pub fn edge(&self) -> usize {
        self.order.first().map_or(0, |&axis| 2 * self.edges[axis].ahead.len())
    }

    /// The axis that lines are walked to and fro along, and the one that leads from line to line.
    fn plane(&self, out: &[usize]) -> [usize; 2] {
        let long = self.order.iter().copied().filter(|&axis| out[axis] > 1);
        let mut axes = long.chain(self.order.iter().copied().filter(|&axis| out[axis] == 1));
        let first = axes.next().unwrap_or(0);
        [first, axes.next().unwrap_or(first)]
    }

    pub fn scratch<T: Ordered>(&self, footprint: &Footprint, out: &[usize]) -> usize {
        let most = self.edges.iter().map(|e| e.behind.len() + e.ahead.len()).max().unwrap_or(0);
        let offsets = carved::<u32>(footprint.len() + 2 * most);
        let shape = under(out, footprint);
        if size_of::<T>() == 1 {
            return offsets + carved::<u8>(apart(&shape).1);
        }
        let n = shape.iter().product();
        let pairs = if size_of::<T>() == 8 { carved::<u128>(n) } else { carved::<u64>(n) };
        offsets + carved::<u32>(n) + 2 * pairs + carved::<u64>(words(n)) + carved::<u32>(blocks(n))
    }

    pub fn run<T: Ordered<Key: Pod>>(
        &self,
        task: Task<'_>,
        src: &[T],
        dst: &mut [T],
        block: Block<'_>,
        scratch: &mut [u8],
    ) {
        let mut carver = Carver(scratch);
        match size_of::<T>() {
            1 => {
                let shape = under(block.shape, task.footprint);
                let (strides, len) = apart(&shape);
                let bytes = carver.take::<u8>(len);
                copy_bytes(src, block.src, &shape, bytes, &strides);
                let path = self.path(task.footprint, block, &strides, &mut carver);
                let bag = Histogram { counts: [0; 256], pivot: 0, below: 0 };
                walk(&path, bag, task.rank, |at| bytes[at].into(), |at, v| dst[at] = of_byte(v as u8));
            }
            8 => self.by_ranks::<T, u128>(task, src, dst, block, carver),
            _ => self.by_ranks::<T, u64>(task, src, dst, block, carver),
        }
    }

    /// Replaces the elements of the box by their ranks in it, and slides a set of these.
    fn by_ranks<T: Ordered<Key: Pod>, P: Pair>(
        &self,
        task: Task<'_>,
        src: &[T],
        dst: &mut [T],
        block: Block<'_>,
        mut carver: Carver<'_>,
    ) {
        let shape = under(block.shape, task.footprint);
        let n = shape.iter().product();
        let (pairs, ranks) = (carver.take::<P>(n), carver.take::<u32>(n));
        let step = block.src[block.src.len() - 1];
        stretches(&shape, block.src, 0, n, |s, to, len| {
            for (i, pair) in pairs[to..to + len].iter_mut().enumerate() {
                *pair = P::new(bits(src[s + i * step].key(task.nan_high)), (to + i) as u32);
            }
        });
        sort(pairs, carver.take::<P>(n), size_of::<T>());
        for (rank, pair) in pairs.iter().enumerate() {
            ranks[pair.position() as usize] = rank as u32;
        }
        let mut packed = shape.clone();
        let mut step = 1;
        for (stride, n) in packed.iter_mut().zip(&shape).rev() {
            *stride = step;
            step *= n;
        }
        let path = self.path(task.footprint, block, &packed, &mut carver);
        let set = Set { words: carver.take(words(n)), blocks: carver.take(blocks(n)), pivot: 0, below: 0 };
        let pairs = &*pairs;
        walk(
            &path,
            set,
            task.rank,
            |at| ranks[at],
            |at, rank| dst[at] = T::from_key(of_bits(pairs[rank as usize].bits())),
        );
    }

    fn path<'a, 'b>(
        &self,
        footprint: &Footprint,
        block: Block<'b>,
        strides: &[usize],
        carver: &mut Carver<'a>,
    ) -> Path<'a, 'b> {
        let axes = self.plane(block.shape);
        let mut offsets = |taps: &[Dims]| -> &'a [u32] {
            let offsets = carver.take::<u32>(taps.len());
            for (offset, tap) in offsets.iter_mut().zip(taps) {
                *offset = tap.iter().zip(strides).map(|(i, s)| i * s).sum::<usize>() as u32;
            }
            offsets
        };
        Path {
            taps: offsets(&footprint.taps),
            edges: axes.map(|axis| [offsets(&self.edges[axis].behind), offsets(&self.edges[axis].ahead)]),
            axes,
            strides: strides.iter().copied().collect(),
            block,
        }
    }
}

/// The shape of the input under a box of outputs.
fn under(out: &[usize], footprint: &Footprint) -> Dims {
    out.iter().zip(&footprint.shape).map(|(o, w)| o + w - 1).collect()
}

/// A line of the cache.
const LINE: usize = 64;

/// Strides of bytes in rows an odd number of cache lines apart, and bytes of them all. In rows that are a power of two apart
/// the window's edge lies in few sets of the cache, and every step waits for memory (2.6 times slower at 4096).
fn apart(shape: &[usize]) -> (Dims, usize) {
    let (mut strides, mut step) = (Dims::from_iter(shape.iter().copied()), 1);
    for (axis, stride) in strides.iter_mut().enumerate().rev() {
        *stride = step;
        step *= shape[axis];
        if axis + 1 == shape.len() {
            step = (step.div_ceil(LINE) | 1) * LINE;
        }
    }
    (strides, step)
}

/// The elements of a box as bytes that sort like them, in rows of their own.
fn copy_bytes<T: Ordered<Key: Pod>>(src: &[T], from: &[usize], shape: &[usize], bytes: &mut [u8], to: &[usize]) {
    let (Some(&step), Some(&row)) = (from.last(), shape.last()) else { return };
    let between = if shape.len() > 1 { to[shape.len() - 2] } else { 0 };
    stretches(shape, from, 0, shape.iter().product(), |s, at, len| {
        let start = at / row * between + at % row;
        for (i, place) in bytes[start..start + len].iter_mut().enumerate() {
            *place = byte(src[s + i * step].key(false));
        }
    });
}

/// What enters and leaves with a step along an axis.
fn edges(footprint: &Footprint, axis: usize) -> Edges {
    let index = |tap: &[usize]| tap.iter().zip(&footprint.shape).fold(0, |at, (i, n)| at * n + i);
    let mut members = vec![false; footprint.shape.iter().product()];
    footprint.taps.iter().for_each(|tap| members[index(tap)] = true);
    let mut edges = Edges::default();
    for tap in &footprint.taps {
        let (mut before, mut after) = (tap.clone(), tap.clone());
        after[axis] += 1;
        if tap[axis] == 0 || {
            before[axis] -= 1;
            !members[index(&before)]
        } {
            edges.behind.push(tap.clone());
        }
        if after[axis] == footprint.shape[axis] || !members[index(&after)] {
            edges.ahead.push(after);
        }
    }
    edges
}

/// How a box is walked.
struct Path<'a, 'b> {
    /// The window's elements, from its first.
    taps: &'a [u32],
    /// Behind and ahead, along both axes of the plane.
    edges: [[&'a [u32]; 2]; 2],
    axes: [usize; 2],
    strides: Dims,
    block: Block<'b>,
}

/// Values with how often they occur.
trait Bag {
    fn clear(&mut self);
    fn add(&mut self, value: u32);
    fn remove(&mut self, value: u32);
    /// The value at that rank, which is below the number of values.
    fn at(&mut self, rank: u32) -> u32;
}

/// Walks planes of two axes to and fro, the bag following the window.
#[multiversion(targets("x86_64+avx2+bmi1+bmi2+popcnt"))]
fn walk<B: Bag>(
    path: &Path<'_, '_>,
    mut bag: B,
    rank: usize,
    read: impl Fn(usize) -> u32,
    mut write: impl FnMut(usize, u32),
) {
    let block = &path.block;
    let [along, across] = path.axes;
    let mut rest: Dims = block.shape.iter().copied().collect();
    let (n, lines) = (rest[along], if across == along { 1 } else { rest[across] });
    (rest[along], rest[across]) = (1, 1);
    for plane in 0..rest.iter().product() {
        let (mut s, mut d) = origin(plane, &rest, &path.strides, block.dst);
        bag.clear();
        path.taps.iter().for_each(|&t| bag.add(read(s + t as usize)));
        for line in 0..lines {
            write(d, bag.at(rank as u32));
            for _ in 1..n {
                // Every second line is walked backwards: what lies ahead is left, what lies behind comes in.
                let [behind, ahead] = path.edges[0];
                let (out, into) = if line % 2 == 0 { (behind, ahead) } else { (ahead, behind) };
                let from = if line % 2 == 0 { s } else { s - path.strides[along] };
                out.iter().for_each(|&t| bag.remove(read(from + t as usize)));
                into.iter().for_each(|&t| bag.add(read(from + t as usize)));
                if line % 2 == 0 {
                    (s, d) = (s + path.strides[along], d + block.dst[along]);
                } else {
                    (s, d) = (s - path.strides[along], d - block.dst[along]);
                }
                write(d, bag.at(rank as u32));
            }
            if line + 1 < lines {
                let [behind, ahead] = path.edges[1];
                behind.iter().for_each(|&t| bag.remove(read(s + t as usize)));
                ahead.iter().for_each(|&t| bag.add(read(s + t as usize)));
                (s, d) = (s + path.strides[across], d + block.dst[across]);
            }
        }
    }
}

/// How often each byte occurs; a pivot follows the rank, and what lies below it is counted along.
struct Histogram {
    counts: [u32; 256],
    pivot: u32,
    below: u32,
}

impl Bag for Histogram {
    #[inline(always)]
    fn clear(&mut self) {
        *self = Histogram { counts: [0; 256], pivot: 0, below: 0 };
    }

    #[inline(always)]
    fn add(&mut self, value: u32) {
        self.counts[value as usize & 255] += 1;
        self.below += u32::from(value < self.pivot);
    }

    #[inline(always)]
    fn remove(&mut self, value: u32) {
        self.counts[value as usize & 255] -= 1;
        self.below -= u32::from(value < self.pivot);
    }

    #[inline(always)]
    fn at(&mut self, rank: u32) -> u32 {
        while self.below > rank {
            self.pivot -= 1;
            self.below -= self.counts[self.pivot as usize & 255];
        }
        while self.below + self.counts[self.pivot as usize & 255] <= rank {
            self.below += self.counts[self.pivot as usize & 255];
            self.pivot += 1;
        }
        self.pivot
    }
}

/// Which ranks are there: a bit for each, and how many bits are set in every block of words. The pivot is a word.
struct Set<'a> {
    words: &'a mut [u64],
    blocks: &'a mut [u32],
    pivot: usize,
    below: u32,
}

/// Words in a block.
const WORDS: usize = 64;

fn words(n: usize) -> usize {
    n.div_ceil(64)
}

fn blocks(n: usize) -> usize {
    words(n).div_ceil(WORDS)
}

impl Bag for Set<'_> {
    #[inline(always)]
    fn clear(&mut self) {
        self.words.fill(0);
        self.blocks.fill(0);
        (self.pivot, self.below) = (0, 0);
    }

    #[inline(always)]
    fn add(&mut self, value: u32) {
        let word = value as usize / 64;
        self.words[word] |= 1 << (value % 64);
        self.blocks[word / WORDS] += 1;
        self.below += u32::from(word < self.pivot);
    }

    #[inline(always)]
    fn remove(&mut self, value: u32) {
        let word = value as usize / 64;
        self.words[word] &= !(1 << (value % 64));
        self.blocks[word / WORDS] -= 1;
        self.below -= u32::from(word < self.pivot);
    }

    #[inline(always)]
    fn at(&mut self, rank: u32) -> u32 {
        while self.below > rank {
            if self.pivot.is_multiple_of(WORDS) && self.below - self.blocks[self.pivot / WORDS - 1] > rank {
                self.pivot -= WORDS;
                self.below -= self.blocks[self.pivot / WORDS];
            } else {
                self.pivot -= 1;
                self.below -= self.words[self.pivot].count_ones();
            }
        }
        loop {
            if self.pivot.is_multiple_of(WORDS) && self.below + self.blocks[self.pivot / WORDS] <= rank {
                self.below += self.blocks[self.pivot / WORDS];
                self.pivot += WORDS;
                continue;
            }
            let here = self.words[self.pivot].count_ones();
            if self.below + here > rank {
                break;
            }
            self.below += here;
            self.pivot += 1;
        }
        let mut word = self.words[self.pivot];
        for _ in self.below..rank {
            word &= word - 1;
        }
        self.pivot as u32 * 64 + word.trailing_zeros()
    }
}

/// A key and the position it came from.
trait Pair: Pod {
    fn new(bits: u64, position: u32) -> Self;
    fn bits(self) -> u64;
    fn position(self) -> u32;
}

/// For keys of up to 32 bits.
impl Pair for u64 {
    #[inline(always)]
    fn new(bits: u64, position: u32) -> Self {
        (bits << 32) | u64::from(position)
    }

    #[inline(always)]
    fn bits(self) -> u64 {
        self >> 32
    }

    #[inline(always)]
    fn position(self) -> u32 {
        self as u32
    }
}

impl Pair for u128 {
    #[inline(always)]
    fn new(bits: u64, position: u32) -> Self {
        (u128::from(bits) << 32) | u128::from(position)
    }

    #[inline(always)]
    fn bits(self) -> u64 {
        (self >> 32) as u64
    }

    #[inline(always)]
    fn position(self) -> u32 {
        self as u32
    }
}

/// Sorts by keys of that many bytes, byte by byte from the last, to and fro between two buffers; equal keys keep their order.
fn sort<P: Pair>(pairs: &mut [P], other: &mut [P], bytes: usize) {
    for byte in (0..bytes).step_by(2) {
        by_byte(pairs, other, byte);
        by_byte(other, pairs, byte + 1);
    }
}

fn by_byte<P: Pair>(from: &[P], to: &mut [P], byte: usize) {
    let digit = |pair: &P| (pair.bits() >> (8 * byte)) as usize & 255;
    let mut slots = [0u32; 256];
    from.iter().for_each(|pair| slots[digit(pair)] += 1);
    let mut start = 0;
    for slot in &mut slots {
        start += std::mem::replace(slot, start);
    }
    for pair in from {
        let slot = &mut slots[digit(pair)];
        to[*slot as usize] = *pair;
        *slot += 1;
    }
}

/// A key as an unsigned number that sorts alike.
#[inline(always)]
fn bits<K: Key + Pod>(key: K) -> u64 {
    match size_of::<K>() {
        2 => u64::from(bytemuck::cast::<K, u16>(key) ^ bytemuck::cast::<K, u16>(K::LEAST)),
        4 => u64::from(bytemuck::cast::<K, u32>(key) ^ bytemuck::cast::<K, u32>(K::LEAST)),
        _ => bytemuck::cast::<K, u64>(key) ^ bytemuck::cast::<K, u64>(K::LEAST),
    }
}

/// The key of such a number.
#[inline(always)]
fn of_bits<K: Key + Pod>(bits: u64) -> K {
    match size_of::<K>() {
        2 => bytemuck::cast(bits as u16 ^ bytemuck::cast::<K, u16>(K::LEAST)),
        4 => bytemuck::cast(bits as u32 ^ bytemuck::cast::<K, u32>(K::LEAST)),
        _ => bytemuck::cast(bits ^ bytemuck::cast::<K, u64>(K::LEAST)),
    }
}

#[inline(always)]
fn byte<K: Key + Pod>(key: K) -> u8 {
    bytemuck::cast::<K, u8>(key) ^ bytemuck::cast::<K, u8>(K::LEAST)
}

#[inline(always)]
fn of_byte<T: Ordered<Key: Pod>>(byte: u8) -> T {
    T::from_key(bytemuck::cast(byte ^ bytemuck::cast::<T::Key, u8>(T::Key::LEAST)))
}
