//! The element of a given rank in a window of any shape.
//!
//! Elements are compared as integer keys ([`super::extrema::Ordered`]), so every way to the answer gives the same bits, and
//! the way is chosen by what costs least for that window and element type:
//!
//! * `network`: windows of up to a few hundred elements run through a pruned sorting network, whole rows of pixels at a
//!   time. Of a box, sorted columns and merged pairs of columns are shared by neighbouring pixels.
//! * `sliding`: larger windows keep a bag of what they hold, from which the edge that is left behind is taken, to which
//!   the edge ahead is added. The bag is a histogram for bytes; other types are replaced by their ranks in the box that is
//!   computed, and the bag is a set of bits.

mod network;
mod program;
mod sliding;

use super::extrema::Ordered;
use arrayvec::ArrayVec;
use network::Network;
use program::Program;
use sliding::{Slide, Task};

/// Arrays have at most this many axes.
const AXES: usize = 6;

type Dims = ArrayVec<usize, AXES>;

/// A window: its extent along each axis, and which of its elements belong to it.
#[derive(Clone, Debug)]
pub struct Footprint {
    shape: Dims,
    taps: Vec<Dims>,
}

impl Footprint {
    /// A window of that extent, of which those elements belong that are `true`, in C order.
    ///
    /// # Panics
    /// If there are more than six axes.
    pub fn new(shape: &[usize], members: &[bool]) -> Self {
        let tap = |index: usize| {
            let mut rest = index;
            let mut at: Dims = shape.iter().copied().collect();
            for (i, &n) in at.iter_mut().zip(shape).rev() {
                *i = rest % n;
                rest /= n;
            }
            at
        };
        let taps = members.iter().enumerate().filter(|m| *m.1).map(|m| tap(m.0)).collect();
        Footprint { shape: shape.iter().copied().collect(), taps }
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.taps.len()
    }

    /// Whether nothing belongs to it.
    pub fn is_empty(&self) -> bool {
        self.taps.is_empty()
    }

    fn is_box(&self) -> bool {
        self.taps.len() == self.shape.iter().product::<usize>()
    }
}

/// A box to compute: `shape` outputs, and how far neighbours lie apart, in elements. The input is larger than the output by
/// the window's extent less one along each axis; both start with their first element.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    /// The outputs along each axis.
    pub shape: &'a [usize],
    /// The strides of the input.
    pub src: &'a [usize],
    /// The strides of the output; the last is 1.
    pub dst: &'a [usize],
}

/// A rank filter, ready to run on boxes.
#[derive(Debug)]
pub struct RankFilter {
    footprint: Footprint,
    rank: usize,
    nan_high: bool,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Network(Network),
    Slide(Slide),
}

/// Programs of more elements do not stay in the first-level cache.
const LARGEST_NETWORK: usize = 200;

/// Nanoseconds per output, as measured.
mod cost {
    /// One result of a network, per byte of key.
    pub const RESULT: f64 = 0.015;
    /// The start of a sliding histogram, and one element in or out.
    pub const HISTOGRAM: f64 = 4.0;
    pub const COUNT: f64 = 0.6;
    /// The start of a sliding set, per byte of element (it is sorted), and one element in or out.
    pub const SET: f64 = 6.0;
    pub const SORT: f64 = 3.0;
    pub const BIT: f64 = 2.2;
}

impl RankFilter {
    /// The element at `rank` (from 0, below the footprint's length) in ascending order of every window, for elements of
    /// `size` bytes in an array of that shape. A NaN lies above every number if `nan_high`, else below.
    ///
    /// # Panics
    /// If the rank is not below the footprint's length, or the shapes have different ranks.
    pub fn new(footprint: Footprint, rank: usize, nan_high: bool, size: usize, array: &[usize]) -> Self {
        assert!(rank < footprint.len(), "rank {rank} of {} elements", footprint.len());
        assert_eq!(footprint.shape.len(), array.len(), "the window has the array's axes");
        let way = choose(&footprint, rank, size, array).1;
        RankFilter { footprint, rank, nan_high, way }
    }

    /// Nanoseconds per output, roughly.
    pub fn cost(&self, size: usize) -> f64 {
        self.way.cost(size)
    }

    /// The bytes of scratch that [`RankFilter::run`] needs for an output box of that shape, or one inside it.
    pub fn scratch<T: Ordered>(&self, out: &[usize]) -> usize {
        match &self.way {
            Way::Network(network) => network.scratch::<T>(out),
            Way::Slide(slide) => slide.scratch::<T>(&self.footprint, out),
        }
    }

    /// Computes a box. `scratch` holds [`RankFilter::scratch`] bytes of any content.
    ///
    /// # Panics
    /// If a slice is too short.
    pub fn run<T: Ordered<Key: bytemuck::Pod>>(&self, src: &[T], dst: &mut [T], block: Block<'_>, scratch: &mut [u8]) {
        if block.shape.contains(&0) {
            return;
        }
        match &self.way {
            Way::Network(network) => network.run(src, dst, block, self.nan_high, scratch),
            Way::Slide(slide) => {
                let task = Task { footprint: &self.footprint, rank: self.rank, nan_high: self.nan_high };
                slide.run(task, src, dst, block, scratch);
            }
        }
    }
}

impl Way {
    fn cost(&self, size: usize) -> f64 {
        match self {
            Way::Network(network) => 0.05 + network.results() as f64 * size as f64 * cost::RESULT,
            Way::Slide(slide) if size == 1 => cost::HISTOGRAM + cost::COUNT * slide.edge() as f64,
            Way::Slide(slide) => cost::SET + cost::SORT * size as f64 + cost::BIT * slide.edge() as f64,
        }
    }
}

/// The cheapest way and its cost.
fn choose(footprint: &Footprint, rank: usize, size: usize, array: &[usize]) -> (f64, Way) {
    let mut ways = vec![Way::Slide(Slide::new(footprint))];
    if footprint.len() <= LARGEST_NETWORK {
        ways.push(Way::Network(Network::new(footprint, rank, array)));
    }
    let priced = ways.into_iter().map(|way| (way.cost(size), way));
    priced.min_by(|a, b| a.0.total_cmp(&b.0)).expect("there is always one way")
}

/// Where element `index` of a box in C order lies in the input and in the output.
fn origin(index: usize, shape: &[usize], src: &[usize], dst: &[usize]) -> (usize, usize) {
    let (mut rest, mut s, mut d) = (index, 0, 0);
    for axis in (0..shape.len()).rev() {
        let i = rest % shape[axis];
        rest /= shape[axis];
        s += i * src[axis];
        d += i * dst[axis];
    }
    (s, d)
}

/// Calls `each(offset, position, length)` for every stretch along the last axis of the elements `from..from + len` of a box
/// in C order.
fn stretches(shape: &[usize], strides: &[usize], from: usize, len: usize, mut each: impl FnMut(usize, usize, usize)) {
    let last = shape.len() - 1;
    let mut done = 0;
    while done < len {
        let (mut rest, mut at) = ((from + done) / shape[last], 0);
        for axis in (0..last).rev() {
            at += rest % shape[axis] * strides[axis];
            rest /= shape[axis];
        }
        let first = (from + done) % shape[last];
        let n = (shape[last] - first).min(len - done);
        each(at + first * strides[last], done, n);
        done += n;
    }
}

/// Parts of a byte buffer as slices of other types.
struct Carver<'a>(&'a mut [u8]);

/// What [`Carver::take`] uses for `n` elements, at most.
fn carved<T>(n: usize) -> usize {
    n * size_of::<T>() + align_of::<T>()
}

impl<'a> Carver<'a> {
    fn take<T: bytemuck::Pod>(&mut self, n: usize) -> &'a mut [T] {
        let bytes = std::mem::take(&mut self.0);
        let skip = bytes.as_ptr().align_offset(align_of::<T>());
        let (mine, rest) = bytes[skip..].split_at_mut(n * size_of::<T>());
        self.0 = rest;
        bytemuck::cast_slice_mut(mine)
    }
}

#[cfg(test)]
mod tests;
