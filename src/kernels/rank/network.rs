//! Windows through sorting networks, a chunk of a row of outputs at a time.

use super::super::extrema::Ordered;
use super::super::{lanes, lanes_mut};
use super::program::{Instruction, build};
use super::{Block, Carver, Dims, Footprint, Program, carved, origin, stretches};
use multiversion::multiversion;

/// A program and how its inputs lie in the image.
#[derive(Debug)]
pub(super) struct Network {
    program: Program,
    /// The elements that are read: those of the first column of a box that shares columns, else all.
    taps: Vec<Dims>,
    /// The axis along which columns are shared, and how many there are.
    shared: Option<(usize, usize)>,
}

/// Columns are shared along an axis whose neighbours lie at most this far apart in a row.
const NEAR: usize = 16;
/// The bytes that the rows of a program should take: they are to stay in the first-level cache.
const CACHED: usize = 40 << 10;
/// Chunks have at least this many times their overlap.
const OVERLAP: usize = 3;
/// The longest chunk, in blocks of lanes.
const LONGEST: usize = 16;
/// Rows are joined until they have this many elements.
const LONG_ROW: usize = 256;
/// The elements of a block of lanes, by their size.
fn lanes_of(size: usize) -> usize {
    match size {
        2 => 32,
        4 => 16,
        _ => 64,
    }
}

/// How a box is walked: rows of `len` outputs over the axes from `axis` on, in chunks.
struct Walk {
    axis: usize,
    len: usize,
    chunk: usize,
    /// Elements from one row of the program to the next.
    pitch: usize,
    /// Elements of one step along the shared axis.
    step: usize,
}

impl Network {
    pub fn new(footprint: &Footprint, rank: usize, array: &[usize]) -> Self {
        let widest = footprint.shape.iter().rposition(|&n| n > 1);
        let shared = widest.filter(|&axis| footprint.is_box() && array[axis + 1..].iter().product::<usize>() <= NEAR);
        let shared = shared.map(|axis| (axis, footprint.shape[axis]));
        let in_first = |tap: &&Dims| shared.is_none_or(|(axis, _)| tap[axis] == 0);
        let taps: Vec<Dims> = footprint.taps.iter().filter(in_first).cloned().collect();
        let program = build(taps.len(), shared.map_or(1, |s| s.1), rank);
        Network { program, taps, shared }
    }

    /// The rows that are computed for an output, those that are read included.
    pub fn results(&self) -> usize {
        let results = |i: &Instruction| usize::from(i.low.is_some()) + usize::from(i.high.is_some());
        self.program.code.iter().map(results).sum::<usize>() + self.taps.len()
    }

    pub fn scratch<T: Ordered>(&self, out: &[usize]) -> usize {
        // A smaller box may be walked in longer rows.
        let all = out.iter().product::<usize>();
        let step = self.shared.map_or(0, |(axis, _)| out[axis + 1..].iter().product());
        carved::<T::Key>(self.program.rows * self.pitch(self.chunk::<T>(all, step), step, size_of::<T>()))
    }

    fn walk<T>(&self, out: &[usize]) -> Walk {
        let axis = match self.shared {
            Some((axis, _)) => axis,
            None => {
                let mut axis = out.len() - 1;
                while axis > 0 && out[axis..].iter().product::<usize>() < LONG_ROW {
                    axis -= 1;
                }
                axis
            }
        };
        let len = out[axis..].iter().product();
        let step = self.shared.map_or(0, |_| out[axis + 1..].iter().product());
        let chunk = self.chunk::<T>(len, step);
        Walk { axis, len, chunk, pitch: self.pitch(chunk, step, size_of::<T>()), step }
    }

    /// The outputs computed at a time: whole blocks.
    fn chunk<T>(&self, len: usize, step: usize) -> usize {
        let lanes = lanes_of(size_of::<T>());
        let cached = CACHED / (self.program.rows * size_of::<T>());
        let least = (OVERLAP * self.program.extent * step).max(lanes);
        cached.max(least).min(LONGEST * lanes).max(lanes).min(len).next_multiple_of(lanes)
    }

    fn pitch(&self, chunk: usize, step: usize, size: usize) -> usize {
        let lanes = lanes_of(size);
        (chunk + self.program.extent * step + lanes).next_multiple_of(lanes)
    }

    pub fn run<T: Ordered<Key: bytemuck::Pod>>(
        &self,
        src: &[T],
        dst: &mut [T],
        block: Block<'_>,
        nan_high: bool,
        scratch: &mut [u8],
    ) {
        let walk = self.walk::<T>(block.shape);
        let mem: &mut [T::Key] = Carver(scratch).take(self.program.rows * walk.pitch);
        let mut shape: Dims = block.shape[walk.axis..].iter().copied().collect();
        let results = joined(&shape, &block.dst[walk.axis..]);
        if self.shared.is_some() {
            shape[0] += self.program.extent;
        }
        let operands = joined(&shape, &block.src[walk.axis..]);
        let outer = block.shape[..walk.axis].iter().product::<usize>();
        for index in 0..outer {
            let (s, d) = origin(index, &block.shape[..walk.axis], block.src, block.dst);
            for from in (0..walk.len).step_by(walk.chunk) {
                let len = walk.chunk.min(walk.len - from);
                for (tap, row) in self.taps.iter().zip(&self.program.inputs) {
                    let Some(row) = *row else { continue };
                    let at = s + tap.iter().zip(block.src).map(|(i, stride)| i * stride).sum::<usize>();
                    let keys = &mut mem[row as usize * walk.pitch..][..len + self.program.extent * walk.step];
                    read(&src[at..], &operands, from, nan_high, keys);
                }
                execute::<T>(&self.program.code, mem, walk.pitch, len, walk.step);
                let (row, shift) = self.program.output;
                let keys = &mem[row as usize * walk.pitch + shift as usize * walk.step..][..len];
                write(keys, &results, from, &mut dst[d..]);
            }
        }
    }
}

/// Axes that follow each other without gaps, joined.
fn joined(shape: &[usize], strides: &[usize]) -> (Dims, Dims) {
    let (mut to, mut steps) = (Dims::new(), Dims::new());
    for (&n, &stride) in shape.iter().zip(strides) {
        match (to.last_mut(), steps.last_mut()) {
            (Some(last), Some(step)) if *step == n * stride || *last == 1 => {
                *last *= n;
                *step = stride;
            }
            _ => {
                to.push(n);
                steps.push(stride);
            }
        }
    }
    (to, steps)
}

fn read<T: Ordered>(src: &[T], (shape, strides): &(Dims, Dims), from: usize, nan_high: bool, keys: &mut [T::Key]) {
    let step = strides[strides.len() - 1];
    stretches(shape, strides, from, keys.len(), |at, to, n| {
        let keys = &mut keys[to..to + n];
        match step {
            1 => keys.iter_mut().zip(&src[at..at + n]).for_each(|(k, x)| *k = x.key(nan_high)),
            _ => keys.iter_mut().enumerate().for_each(|(i, k)| *k = src[at + i * step].key(nan_high)),
        }
    });
}

fn write<T: Ordered>(keys: &[T::Key], (shape, strides): &(Dims, Dims), from: usize, dst: &mut [T]) {
    let step = strides[strides.len() - 1];
    stretches(shape, strides, from, keys.len(), |at, of, n| {
        let keys = &keys[of..of + n];
        match step {
            1 => dst[at..at + n].iter_mut().zip(keys).for_each(|(x, &k)| *x = T::from_key(k)),
            _ => keys.iter().enumerate().for_each(|(i, &k)| dst[at + i * step] = T::from_key(k)),
        }
    });
}

fn execute<T: Ordered>(code: &[Instruction], mem: &mut [T::Key], pitch: usize, len: usize, step: usize) {
    match size_of::<T>() {
        1 => instructions::<T::Key, 64>(code, mem, pitch, len, step),
        2 => instructions::<T::Key, 32>(code, mem, pitch, len, step),
        4 => instructions::<T::Key, 16>(code, mem, pitch, len, step),
        _ => instructions::<T::Key, 64>(code, mem, pitch, len, step),
    }
}

// A row is written from its start and read at or ahead of where it is written, so results may replace operands.
#[multiversion(targets("x86_64+avx2+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn instructions<K: Ord + Copy, const B: usize>(
    code: &[Instruction],
    mem: &mut [K],
    pitch: usize,
    len: usize,
    step: usize,
) {
    for i in code {
        let at = |(row, shift): (u16, u16)| row as usize * pitch + shift as usize * step;
        let (a, b) = (at(i.a), at(i.b));
        let n = len + i.extent as usize * step;
        match (i.low, i.high) {
            (Some(low), Some(high)) => {
                let (low, high) = (low as usize * pitch, high as usize * pitch);
                for k in (0..n).step_by(B) {
                    let (x, y) = (*lanes::<K, B>(mem, a + k), *lanes::<K, B>(mem, b + k));
                    let out = lanes_mut::<K, B>(mem, low + k);
                    for lane in 0..B {
                        out[lane] = x[lane].min(y[lane]);
                    }
                    let out = lanes_mut::<K, B>(mem, high + k);
                    for lane in 0..B {
                        out[lane] = x[lane].max(y[lane]);
                    }
                }
            }
            (Some(low), None) => {
                let low = low as usize * pitch;
                for k in (0..n).step_by(B) {
                    let (x, y) = (*lanes::<K, B>(mem, a + k), *lanes::<K, B>(mem, b + k));
                    let out = lanes_mut::<K, B>(mem, low + k);
                    for lane in 0..B {
                        out[lane] = x[lane].min(y[lane]);
                    }
                }
            }
            (None, Some(high)) => {
                let high = high as usize * pitch;
                for k in (0..n).step_by(B) {
                    let (x, y) = (*lanes::<K, B>(mem, a + k), *lanes::<K, B>(mem, b + k));
                    let out = lanes_mut::<K, B>(mem, high + k);
                    for lane in 0..B {
                        out[lane] = x[lane].max(y[lane]);
                    }
                }
            }
            (None, None) => {}
        }
    }
}
