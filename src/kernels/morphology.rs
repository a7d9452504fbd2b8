//! The extremum over a neighbourhood of any shape.
//!
//! Two ways, chosen from the neighbourhood alone. [`points`] folds every point of it in registers: best for few points,
//! and for neighbourhoods with heights. [`chords`] cuts it into runs along one axis (chords, after Urbach and Wilkinson): every
//! input row is folded over windows as long as the shortest chord, then the next longer one …, each made from the last by
//! one sweep, and goes into all output rows whose chord of that length lies there. A disk of radius r costs about 3 r
//! vector operations per element instead of 3 r².

use super::extrema::{Extremum, Least, Most, Ordered};
use super::sliding::{Fold, join_ahead};
use super::{block_starts, lanes, lanes_mut};
use arrayvec::ArrayVec;
use multiversion::multiversion;
use std::marker::PhantomData;

/// Axes before the rows at most.
const MAX_OUTER: usize = crate::array::MAX_RANK;

type Index = ArrayVec<usize, MAX_OUTER>;

/// An axis before the rows.
#[derive(Clone, Copy, Debug)]
pub struct Outer {
    /// Output positions.
    pub n: usize,
    /// Elements from one input position to the next.
    pub src: usize,
    /// Elements from one output position to the next.
    pub dst: usize,
}

/// A block as rows: `n` output positions along the axis of the chords, each a contiguous run of `inner` elements.
#[derive(Clone, Debug)]
pub struct Block {
    /// The axes before the rows, slowest first.
    pub outer: ArrayVec<Outer, MAX_OUTER>,
    /// Output positions of a row.
    pub n: usize,
    /// Contiguous elements per position.
    pub inner: usize,
    /// Elements from one input position to the next, at least `inner`.
    pub src_stride: usize,
    /// Elements from one output position to the next, at least `inner`.
    pub dst_stride: usize,
}

impl Block {
    fn is_empty(&self) -> bool {
        self.n == 0 || self.inner == 0 || self.outer.iter().any(|o| o.n == 0)
    }

    /// Calls `run(src offset, dst offset, elements)` for all stretches of the output that are contiguous in both.
    #[inline(always)]
    fn stretches(&self, mut run: impl FnMut(usize, usize, usize)) {
        let flat = self.n == 1 || (self.src_stride == self.inner && self.dst_stride == self.inner);
        for_each_index(self.outer.iter().map(|o| o.n).collect(), |at| {
            let offset = |stride: fn(&Outer) -> usize| at.iter().zip(&self.outer).map(|(i, o)| i * stride(o)).sum();
            let (src, dst): (usize, usize) = (offset(|o| o.src), offset(|o| o.dst));
            if flat {
                return run(src, dst, self.n * self.inner);
            }
            for i in 0..self.n {
                run(src + i * self.src_stride, dst + i * self.dst_stride, self.inner);
            }
        });
    }
}

/// Calls `f` with every index below `shape`, in raster order.
#[inline(always)]
fn for_each_index(shape: Index, mut f: impl FnMut(&Index)) {
    let mut at: Index = shape.iter().map(|_| 0).collect();
    loop {
        f(&at);
        let Some(axis) = (0..shape.len()).rev().find(|&a| at[a] + 1 < shape[a]) else { return };
        at[axis] += 1;
        at[axis + 1..].fill(0);
    }
}

/// A neighbourhood cut into runs along its last axis that is longer than one.
#[derive(Clone, Debug)]
pub struct Chords {
    /// Its extents along the axes before that of the runs.
    extents: Index,
    /// Its extent along that of the runs.
    width: usize,
    steps: Vec<Step>,
}

/// What is done with the windows of one length.
#[derive(Clone, Debug)]
struct Step {
    /// How far on lies the window that is joined to that of the last step to make that of this one.
    ahead: usize,
    chords: Vec<Chord>,
}

/// Where a chord lies: its row, and where it begins.
#[derive(Clone, Debug)]
struct Chord {
    row: Index,
    start: usize,
}

impl Chords {
    /// The runs of a neighbourhood of that shape, whose last axis is that of the runs, given in C order.
    pub fn new(shape: &[usize], cells: &[bool]) -> Self {
        let (&width, extents) = shape.split_last().unwrap_or((&1, &[]));
        let mut found: Vec<(usize, Chord)> = Vec::new();
        for (at, row) in cells.chunks(width.max(1)).enumerate() {
            let index = index_of(at, extents);
            let mut start = 0;
            for run in row.chunk_by(|a, b| a == b) {
                if run[0] {
                    found.push((run.len(), Chord { row: index.clone(), start }));
                }
                start += run.len();
            }
        }
        found.sort_by_key(|f| f.0);
        let (mut steps, mut have): (Vec<Step>, usize) = (Vec::new(), 1);
        for same in found.chunk_by(|a, b| a.0 == b.0) {
            let len = same[0].0;
            while len > 2 * have {
                steps.push(Step { ahead: have, chords: Vec::new() });
                have *= 2;
            }
            steps.push(Step { ahead: len - have, chords: same.iter().map(|f| f.1.clone()).collect() });
            have = len;
        }
        Chords { extents: extents.iter().copied().collect(), width, steps }
    }

    /// The sweeps over a row that they take.
    pub fn sweeps(&self) -> usize {
        self.steps.iter().map(|s| 1 + s.chords.len()).sum()
    }

    /// The keys of scratch that [`chords`] needs for rows of `n` outputs of `inner` elements.
    pub fn scratch(&self, n: usize, inner: usize) -> usize {
        (n + self.width - 1) * inner
    }
}

fn index_of(mut at: usize, shape: &[usize]) -> Index {
    let mut index: Index = shape.iter().map(|_| 0).collect();
    for (i, &n) in index.iter_mut().zip(shape).rev() {
        *i = at % n;
        at /= n;
    }
    index
}

/// Writes the extremum over the neighbourhood of every element; for one without any cell what is beyond all elements.
///
/// `src` holds `n + extent - 1` positions along every axis. A neighbourhood with a NaN gives NaN, -0 lies below 0.
/// `scratch` holds [`Chords::scratch`] keys of any content. Reference: `scipy.ndimage.minimum_filter`, the input extended
/// by the caller.
///
/// # Panics
/// If a slice is too short.
pub fn chords<T>(which: Extremum, chords: &Chords, src: &[T], dst: &mut [T], block: &Block, scratch: &mut [T::Key])
where
    T: Ordered<Key: bytemuck::Pod> + bytemuck::Pod,
{
    if block.is_empty() {
        return;
    }
    match which {
        Extremum::Minimum => sweep::<T, Least<T>>(Least(PhantomData), chords, src, dst, block, scratch),
        Extremum::Maximum => sweep::<T, Most<T>>(Most(PhantomData), chords, src, dst, block, scratch),
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn sweep<T, F>(fold: F, chords: &Chords, src: &[T], dst: &mut [T], block: &Block, scratch: &mut [T::Key])
where
    T: Ordered<Key: bytemuck::Pod> + bytemuck::Pod,
    F: Fold<In = T, Out = T, Acc = T::Key>,
{
    // The results are gathered as keys where the elements will lie.
    block.stretches(|_, to, len| bytemuck::cast_slice_mut::<T, T::Key>(&mut dst[to..to + len]).fill(F::EMPTY));
    let extent = |axis: usize| chords.extents.get(axis).copied().unwrap_or(1);
    let shape = block.outer.iter().enumerate().map(|(axis, o)| o.n + extent(axis) - 1).collect();
    let positions = block.n + chords.width - 1;
    for_each_index(shape, |at| {
        let from: usize = at.iter().zip(&block.outer).map(|(i, o)| i * o.src).sum();
        let keys = &mut scratch[..positions * block.inner];
        read_row(fold, &src[from..], keys, block);
        let mut have = positions;
        for step in &chords.steps {
            if step.ahead > 0 {
                join_ahead(fold, &mut keys[..have * block.inner], step.ahead * block.inner);
                have -= step.ahead;
            }
            for chord in &step.chords {
                if let Some(to) = place(at, &chord.row, &block.outer) {
                    let keys = &keys[chord.start * block.inner..];
                    join_row(fold, bytemuck::cast_slice_mut(&mut dst[to..]), keys, block);
                }
            }
        }
    });
    block.stretches(|_, to, len| {
        for out in &mut dst[to..to + len] {
            *out = fold.finish(bytemuck::cast(*out));
        }
    });
}

/// Where the output row lies that has the input row `at` at that place of its neighbourhood.
#[inline(always)]
fn place(at: &Index, row: &Index, outer: &[Outer]) -> Option<usize> {
    let mut to = 0;
    for (axis, (&i, o)) in at.iter().zip(outer).enumerate() {
        let out = i.checked_sub(row.get(axis).copied().unwrap_or(0))?;
        if out >= o.n {
            return None;
        }
        to += out * o.dst;
    }
    Some(to)
}

#[inline(always)]
fn read_row<F: Fold>(fold: F, src: &[F::In], keys: &mut [F::Acc], block: &Block) {
    let read = |src: &[F::In], keys: &mut [F::Acc]| {
        for (key, &x) in keys.iter_mut().zip(src) {
            *key = fold.read(x);
        }
    };
    if block.src_stride == block.inner {
        return read(src, keys);
    }
    for (i, keys) in keys.chunks_exact_mut(block.inner).enumerate() {
        read(&src[i * block.src_stride..], keys);
    }
}

#[inline(always)]
fn join_row<F: Fold>(fold: F, dst: &mut [F::Acc], keys: &[F::Acc], block: &Block) {
    let join = |dst: &mut [F::Acc], keys: &[F::Acc]| {
        for (out, &key) in dst.iter_mut().zip(keys) {
            *out = fold.join(*out, key);
        }
    };
    if block.dst_stride == block.inner || block.n == 1 {
        let len = block.n * block.inner;
        return join(&mut dst[..len], &keys[..len]);
    }
    for (i, keys) in keys.chunks_exact(block.inner).take(block.n).enumerate() {
        join(&mut dst[i * block.dst_stride..][..block.inner], keys);
    }
}

/// An element that can be raised by a height.
pub trait Height: Copy {
    /// A height, ready to be added.
    type By: Copy;
    /// A height; of an integer type it is a whole number that the type holds, but for the sign.
    fn by(height: f64) -> Self::By;
    /// This element so much higher; integers stop at the ends of their type.
    fn raised(self, by: Self::By) -> Self;
    /// Whether the type holds these heights, so that [`Height::raised_by_own`] gives what `raised` does.
    fn holds(heights: &[f64]) -> bool;
    /// `raised` by a height that the type holds, computed in the type.
    fn raised_by_own(self, by: f64) -> Self;
    /// What lies below everything.
    const LOWEST: Self;
    /// What lies above everything.
    const HIGHEST: Self;
    /// The second if it is lower, or a NaN; else the first.
    fn lower(self, other: Self) -> Self;
    /// The second if it is higher, or a NaN; else the first.
    fn higher(self, other: Self) -> Self;
    /// Itself, or the one NaN that all stand for.
    fn plain(self) -> Self;
}

macro_rules! integer_heights {
    ($($t:ty)*) => {$(
        impl Height for $t {
            /// What is added and what is taken away: one of them is zero.
            type By = ($t, $t);

            const LOWEST: Self = <$t>::MIN;
            const HIGHEST: Self = <$t>::MAX;

            #[inline(always)]
            fn by(height: f64) -> ($t, $t) {
                (height.max(0.0) as $t, (-height).max(0.0) as $t)
            }

            #[inline(always)]
            fn raised(self, (up, down): ($t, $t)) -> Self {
                self.saturating_add(up).saturating_sub(down)
            }

            fn holds(_heights: &[f64]) -> bool {
                true
            }

            #[inline(always)]
            fn raised_by_own(self, by: f64) -> Self {
                self.raised(Self::by(by))
            }

            #[inline(always)]
            fn lower(self, other: Self) -> Self {
                self.min(other)
            }

            #[inline(always)]
            fn higher(self, other: Self) -> Self {
                self.max(other)
            }

            #[inline(always)]
            fn plain(self) -> Self {
                self
            }
        }
    )*};
}

integer_heights!(u8 u16 u32 u64 i8 i16 i32 i64);

macro_rules! float_heights {
    ($($t:ty)*) => {$(
        impl Height for $t {
            type By = f64;

            const LOWEST: Self = <$t>::NEG_INFINITY;
            const HIGHEST: Self = <$t>::INFINITY;

            #[inline(always)]
            fn by(height: f64) -> f64 {
                height
            }

            #[inline(always)]
            fn raised(self, by: f64) -> Self {
                (f64::from(self) + by) as $t
            }

            fn holds(heights: &[f64]) -> bool {
                heights.iter().all(|&h| f64::from(h as $t) == h)
            }

            // A sum in f64 rounded to f32 is that in f32: 53 bits are more than twice 24 and 2.
            #[inline(always)]
            fn raised_by_own(self, by: f64) -> Self {
                self + by as $t
            }

            #[inline(always)]
            fn lower(self, other: Self) -> Self {
                if (other < self) | other.is_nan() { other } else { self }
            }

            #[inline(always)]
            fn higher(self, other: Self) -> Self {
                if (other > self) | other.is_nan() { other } else { self }
            }

            #[inline(always)]
            fn plain(self) -> Self {
                if self.is_nan() { <$t>::NAN } else { self }
            }
        }
    )*};
}

float_heights!(f32 f64);

/// The extremum of raised elements. They are compared in their own type, without keys; a NaN spreads, and of zeros of both
/// signs the first stays, which is the same wherever the neighbourhood lies.
#[derive(Clone, Copy)]
struct Lowest<T>(PhantomData<T>);
#[derive(Clone, Copy)]
struct Highest<T>(PhantomData<T>);

macro_rules! raised_folds {
    ($($fold:ident $empty:ident $join:ident;)*) => {$(
        impl<T: Height> Fold for $fold<T> {
            type In = T;
            type Acc = T;
            type Out = T;
            const EMPTY: T = T::$empty;

            #[inline(always)]
            fn read(self, x: T) -> T {
                x
            }

            #[inline(always)]
            fn join(self, a: T, b: T) -> T {
                a.$join(b)
            }

            #[inline(always)]
            fn finish(self, window: T) -> T {
                window.plain()
            }
        }
    )*};
}

raised_folds!(Lowest HIGHEST lower; Highest LOWEST higher;);

/// Writes the extremum over the points of every element's neighbourhood, point `k` lying `offsets[k]` elements after the
/// first of the input that the element sees. With heights a minimum is over `x - height`, a maximum over `x + height`.
///
/// A NaN gives NaN. -0 lies below 0; with heights the one stays that comes first. Reference: `scipy.ndimage.grey_erosion`
/// and `grey_dilation`, the input extended by the caller.
///
/// # Panics
/// If a slice is too short, or `heights` is neither empty nor as long as `offsets`.
pub fn points<T: Ordered + Height>(
    which: Extremum,
    offsets: &[usize],
    heights: &[f64],
    src: &[T],
    dst: &mut [T],
    block: &Block,
) {
    assert!(heights.is_empty() || heights.len() == offsets.len(), "a height for every point");
    if block.is_empty() {
        return;
    }
    match (which, heights.is_empty()) {
        (Extremum::Minimum, true) => gather(Least(PhantomData), |x, _| x, offsets, src, dst, block),
        (Extremum::Maximum, true) => gather(Most(PhantomData), |x, _| x, offsets, src, dst, block),
        (Extremum::Minimum, false) => raised(Lowest(PhantomData), -1.0, offsets, heights, src, dst, block),
        (Extremum::Maximum, false) => raised(Highest(PhantomData), 1.0, offsets, heights, src, dst, block),
    }
}

fn raised<T: Height>(
    fold: impl Fold<In = T, Out = T>,
    sign: f64,
    offsets: &[usize],
    heights: &[f64],
    src: &[T],
    dst: &mut [T],
    block: &Block,
) {
    if T::holds(heights) {
        return gather(
            fold,
            #[inline(always)]
            |x: T, k| x.raised_by_own(sign * heights[k]),
            offsets,
            src,
            dst,
            block,
        );
    }
    gather(
        fold,
        #[inline(always)]
        |x: T, k| x.raised(T::by(sign * heights[k])),
        offsets,
        src,
        dst,
        block,
    );
}

#[multiversion(targets("x86_64+avx2"))]
fn gather<F: Fold>(
    fold: F,
    shift: impl Fn(F::In, usize) -> F::In + Copy,
    offsets: &[usize],
    src: &[F::In],
    dst: &mut [F::Out],
    block: &Block,
) {
    block.stretches(|from, to, len| {
        let (src, dst) = (&src[from..], &mut dst[to..to + len]);
        match size_of::<F::In>() {
            1 => gather_stretch::<F, 128>(fold, shift, offsets, src, dst),
            2 => gather_stretch::<F, 64>(fold, shift, offsets, src, dst),
            4 => gather_stretch::<F, 32>(fold, shift, offsets, src, dst),
            _ => gather_stretch::<F, 16>(fold, shift, offsets, src, dst),
        }
    });
}

#[inline(always)]
fn gather_stretch<F: Fold, const B: usize>(
    fold: F,
    shift: impl Fn(F::In, usize) -> F::In + Copy,
    offsets: &[usize],
    src: &[F::In],
    dst: &mut [F::Out],
) {
    let len = dst.len();
    if len >= B {
        block_starts(len, B).for_each(|at| gather_lanes::<F, B>(fold, shift, offsets, &src[at..], &mut dst[at..]));
    } else if len >= 16 {
        block_starts(len, 16).for_each(|at| gather_lanes::<F, 16>(fold, shift, offsets, &src[at..], &mut dst[at..]));
    } else {
        (0..len).for_each(|at| gather_lanes::<F, 1>(fold, shift, offsets, &src[at..], &mut dst[at..]));
    }
}

#[inline(always)]
fn gather_lanes<F: Fold, const B: usize>(
    fold: F,
    shift: impl Fn(F::In, usize) -> F::In + Copy,
    offsets: &[usize],
    src: &[F::In],
    dst: &mut [F::Out],
) {
    let mut best = [F::EMPTY; B];
    for (k, &offset) in offsets.iter().enumerate() {
        let x = lanes::<_, B>(src, offset);
        for lane in 0..B {
            best[lane] = fold.join(best[lane], fold.read(shift(x[lane], k)));
        }
    }
    let out = lanes_mut::<_, B>(dst, 0);
    for lane in 0..B {
        out[lane] = fold.finish(best[lane]);
    }
}

#[cfg(test)]
mod tests {
    use super::super::extrema::Key;
    use super::super::testing::Rng;
    use super::*;

    /// A random block, its neighbourhood, and everything in both buffers.
    struct Case<T> {
        block: Block,
        shape: Vec<usize>,
        cells: Vec<bool>,
        src: Vec<T>,
        dst: usize,
    }

    impl<T: Copy> Case<T> {
        fn random(rng: &mut Rng, draw: impl Fn(&mut Rng) -> T) -> Self {
            let rank = 1 + rng.below(3);
            let widest = [13, 5, 3][rank - 1];
            let shape: Vec<usize> = (0..rank).map(|_| 1 + rng.below(widest)).collect();
            let dense = 1 + rng.below(4);
            let cells = (0..shape.iter().product()).map(|_| rng.below(4) < dense).collect();
            let (n, inner) = ([1, 5, 40, 300][rng.below(4)], [1, 1, 1, 3, 20][rng.below(5)]);
            let gap = |rng: &mut Rng| [0, 0, 2][rng.below(3)];
            let (src_stride, dst_stride) = (inner + gap(rng), inner + gap(rng));
            let (mut src, mut dst) = (src_stride * (n + shape[rank - 1] - 1), dst_stride * n);
            let mut outer = ArrayVec::new();
            for axis in (0..rank - 1).rev() {
                let n = 1 + rng.below(6);
                outer.insert(0, Outer { n, src: src + gap(rng), dst: dst + gap(rng) });
                (src, dst) = (outer[0].src * (n + shape[axis] - 1), outer[0].dst * n);
            }
            let src = (0..src).map(|_| draw(rng)).collect();
            Case { block: Block { outer, n, inner, src_stride, dst_stride }, shape, cells, src, dst }
        }

        /// Calls `f` with the place of every output element and all elements of its neighbourhood.
        fn for_each(&self, mut f: impl FnMut(usize, &[(usize, T)])) {
            let b = &self.block;
            let all: Index = b.outer.iter().map(|o| o.n).chain([b.n, b.inner]).collect();
            let src: Vec<usize> = b.outer.iter().map(|o| o.src).chain([b.src_stride, 1]).collect();
            let dst: Vec<usize> = b.outer.iter().map(|o| o.dst).chain([b.dst_stride, 1]).collect();
            for_each_index(all, |at| {
                let mut seen = Vec::new();
                for (k, _) in self.cells.iter().enumerate().filter(|c| *c.1) {
                    let cell = index_of(k, &self.shape);
                    let place = at.iter().enumerate().map(|(a, i)| (i + cell.get(a).unwrap_or(&0)) * src[a]);
                    seen.push((k, self.src[place.sum::<usize>()]));
                }
                f(at.iter().zip(&dst).map(|(i, s)| i * s).sum(), &seen);
            });
        }

        fn offsets(&self) -> Vec<usize> {
            let strides: Vec<usize> = self.block.outer.iter().map(|o| o.src).chain([self.block.src_stride]).collect();
            let place = |k| index_of(k, &self.shape).iter().zip(&strides).map(|(i, s)| i * s).sum();
            (0..self.cells.len()).filter(|&k| self.cells[k]).map(place).collect()
        }
    }

    fn check<T, B: PartialEq + std::fmt::Debug>(seed: u64, draw: fn(&mut Rng) -> T, bits: fn(T) -> B)
    where
        T: Ordered<Key: bytemuck::Pod> + bytemuck::Pod + Height,
    {
        let mut rng = Rng::new(seed);
        for round in 0..150 {
            let case = Case::random(&mut rng, draw);
            let which = [Extremum::Minimum, Extremum::Maximum][round % 2];
            let heights: Vec<f64> = case.cells.iter().map(|_| rng.below(90) as f64 - 30.0).collect();
            let set: Vec<f64> = (0..heights.len()).filter(|&k| case.cells[k]).map(|k| heights[k]).collect();
            let fill = draw(&mut rng);
            let mut got = [vec![fill; case.dst], vec![fill; case.dst], vec![fill; case.dst]];
            let made = Chords::new(&case.shape, &case.cells);
            let mut scratch = vec![T::Key::LEAST; made.scratch(case.block.n, case.block.inner)];
            chords(which, &made, &case.src, &mut got[0], &case.block, &mut scratch);
            points(which, &case.offsets(), &[], &case.src, &mut got[1], &case.block);
            points(which, &case.offsets(), &set, &case.src, &mut got[2], &case.block);
            let mut wanted = [vec![fill; case.dst], vec![fill; case.dst]];
            case.for_each(|to, seen| {
                let least = which == Extremum::Minimum;
                let best = |keys: &mut dyn Iterator<Item = T::Key>| match least {
                    true => keys.min().unwrap_or(T::Key::MOST),
                    false => keys.max().unwrap_or(T::Key::LEAST),
                };
                let higher = |&(k, x): &(usize, T)| x.raised(T::by(if least { -heights[k] } else { heights[k] }));
                wanted[0][to] = T::from_key(best(&mut seen.iter().map(|s| s.1.key(!least))));
                wanted[1][to] = T::from_key(best(&mut seen.iter().map(|s| higher(s).key(!least))));
            });
            for (got, wanted) in got.iter().zip([&wanted[0], &wanted[0], &wanted[1]]) {
                let same = got.iter().zip(wanted).all(|(&g, &w)| bits(g) == bits(w));
                assert!(same, "{which:?} {:?} {:?} {:?}", case.block, case.shape, case.cells);
            }
        }
    }

    #[test]
    fn bytes() {
        check(1, |rng| rng.bits() as u8, |x| x);
    }

    #[test]
    fn signed_shorts() {
        check(2, |rng| rng.bits() as i16, |x| x);
    }

    #[test]
    fn wide_integers() {
        check(3, |rng| rng.bits(), |x| x);
    }

    #[test]
    fn floats_with_nan_and_zeros() {
        let draw = |rng: &mut Rng| match rng.below(30) {
            0 => [f32::NAN, -f32::NAN, 0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY][rng.below(6)],
            _ => rng.unit() as f32,
        };
        check(4, draw, |x: f32| if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() });
    }

    #[test]
    fn integers_stop_at_the_ends_of_their_type() {
        assert_eq!([250u8.raised(u8::by(9.0)), 3u8.raised(u8::by(-9.0)), 3u8.raised(u8::by(9.0))], [255, 0, 12]);
        assert_eq!([100i8.raised(i8::by(99.0)), (-100i8).raised(i8::by(-99.0))], [127, -128]);
    }

    #[test]
    fn raised_floats_spread_nan_and_keep_the_first_zero() {
        fn extreme<T: Ordered + Height>(which: Extremum, src: [T; 3], heights: [f64; 3]) -> T {
            let mut dst = [src[0]];
            let block = Block { outer: ArrayVec::new(), n: 1, inner: 1, src_stride: 1, dst_stride: 1 };
            points(which, &[0, 1, 2], &heights, &src, &mut dst, &block);
            dst[0]
        }
        for which in [Extremum::Minimum, Extremum::Maximum] {
            // 0.1 is no f32: the sum is made in f64.
            for heights in [[0.0; 3], [0.0, 0.1, 2.5]] {
                for at in 0..3 {
                    let mut src = [1.0, f64::INFINITY, f64::NEG_INFINITY];
                    src[at] = -f64::NAN;
                    assert!(extreme(which, src, heights).is_nan());
                    assert!(extreme(which, src.map(|x| x as f32), heights).is_nan());
                }
            }
            let zeros = [0.0f64, -0.0, 0.0];
            assert_eq!(extreme(which, zeros, [-0.0; 3]).to_bits(), 0.0f64.to_bits());
            assert_eq!(extreme(Extremum::Maximum, zeros.map(|x| -x), [-0.0; 3]).to_bits(), (-0.0f64).to_bits());
        }
        assert_eq!(extreme(Extremum::Maximum, [16777216f32, 0.0, 0.0], [1.5, 0.0, 0.0]), 16777218.0);
        assert_eq!(extreme(Extremum::Minimum, [1f32, 9.0, 9.0], [0.1, 0.0, 0.0]), (1.0 - 0.1f64) as f32);
    }

    #[test]
    fn a_disk_takes_a_sweep_per_row_and_length() {
        let (shape, cells) = crate::ops::structure::disk(15);
        let cells: Vec<bool> = cells.iter().map(|&c| c == 1).collect();
        let points = cells.iter().filter(|&&c| c).count();
        let sweeps = Chords::new(&shape, &cells).sweeps();
        assert!(points > 700 && sweeps < 50, "{points} points, {sweeps} sweeps");
    }
}
