//! Walking operands row by row, each brought to the type a function computes in.

use crate::array::{DType, Element, MAX_RANK, Scalar, View, ViewMut, for_each_row, merge_axes, with_dtype};
use crate::kernels::convert::{Convert, convert_slice};
use arrayvec::ArrayVec;
use multiversion::multiversion;

/// Elements at a time: conversions stay in the first-level cache.
const CHUNK: usize = 512;

/// One operand, broadcast to the shape of the result.
pub(crate) enum Feed<'a> {
    /// An array; repeated axes have stride 0.
    Rows(View<'a>),
    /// One value for all.
    Value(Scalar),
}

impl Feed<'_> {
    fn strides(&self, rank: usize) -> ArrayVec<usize, MAX_RANK> {
        match self {
            Feed::Rows(view) => view.strides().iter().copied().collect(),
            Feed::Value(_) => std::iter::repeat_n(0, rank).collect(),
        }
    }
}

/// Element types that every other one converts to and from.
pub(crate) trait Loads: Element {
    /// Fills `dst` with elements of `view`, the first at `at`, then every `step`-th.
    fn load(view: &View<'_>, at: usize, step: usize, dst: &mut [Self]);

    /// Writes elements into a row of `out`.
    fn store(src: &[Self], out: &mut ViewMut<'_>, at: usize);

    /// One value.
    fn from_scalar(value: &Scalar) -> Self;
}

macro_rules! loads {
    ($($t:ty)*) => {$(
        impl Loads for $t {
            fn load(view: &View<'_>, at: usize, step: usize, dst: &mut [Self]) {
                with_dtype!(view.dtype(), S => gather::<S, $t>(&view.typed()[at..], step, dst));
            }

            fn store(src: &[Self], out: &mut ViewMut<'_>, at: usize) {
                with_dtype!(out.dtype(), D => convert_slice(src, &mut out.typed_mut::<D>()[at..at + src.len()]));
            }

            fn from_scalar(value: &Scalar) -> Self {
                with_dtype!(value.dtype(), S => bytemuck::pod_read_unaligned::<S>(value.bytes()).convert())
            }
        }
    )*};
}

loads!(u8 u16 u32 u64 i8 i16 i32 i64 f32 f64);

fn gather<S: Convert<T> + Copy, T: Copy>(src: &[S], step: usize, dst: &mut [T]) {
    match step {
        1 => convert_slice(&src[..dst.len()], dst),
        0 => dst.fill(src[0].convert()),
        _ => dst.iter_mut().zip(src.iter().step_by(step)).for_each(|(d, s)| *d = s.convert()),
    }
}

/// Whether elements of that type are stored as `T`.
fn stored_as<T: Element>(dtype: DType) -> bool {
    dtype == T::DTYPE || (dtype == DType::Bool && T::DTYPE == DType::U8)
}

/// An operand in the type `T`.
struct Lane<'a, T> {
    rows: Option<&'a View<'a>>,
    direct: bool,
    step: usize,
    buffer: [T; CHUNK],
}

impl<'a, T: Loads> Lane<'a, T> {
    fn new(feed: &'a Feed<'a>, step: usize) -> Self {
        match feed {
            Feed::Rows(view) => {
                let direct = step == 1 && stored_as::<T>(view.dtype());
                Lane { rows: Some(view), direct, step, buffer: [T::default(); CHUNK] }
            }
            Feed::Value(value) => Lane { rows: None, direct: false, step, buffer: [T::from_scalar(value); CHUNK] },
        }
    }

    /// The elements `first..first + len` of the row at `row`.
    fn get(&mut self, row: usize, first: usize, len: usize) -> &[T] {
        let Some(view) = self.rows else { return &self.buffer[..len] };
        let at = row + first * self.step;
        if self.direct {
            return &view.typed()[at..at + len];
        }
        T::load(view, at, self.step, &mut self.buffer[..len]);
        &self.buffer[..len]
    }
}

/// Where results of type `T` go.
struct Drain<'a, 'b, T> {
    out: &'a mut ViewMut<'b>,
    direct: bool,
    buffer: [T; CHUNK],
}

impl<'a, 'b, T: Loads> Drain<'a, 'b, T> {
    fn new(out: &'a mut ViewMut<'b>) -> Self {
        let direct = stored_as::<T>(out.dtype());
        Drain { out, direct, buffer: [T::default(); CHUNK] }
    }

    fn put(&mut self, at: usize, len: usize, compute: impl FnOnce(&mut [T])) {
        if self.direct {
            return compute(&mut self.out.typed_mut()[at..at + len]);
        }
        compute(&mut self.buffer[..len]);
        T::store(&self.buffer[..len], self.out, at);
    }
}

fn chunks(n: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).step_by(CHUNK).map(move |first| (first, CHUNK.min(n - first)))
}

/// Writes `f(a)` for every element, computed from `A` to `O`, converted from and to what the operand and `out` hold.
pub(crate) fn map<A: Loads, O: Loads>(a: &Feed<'_>, out: &mut ViewMut<'_>, f: impl Fn(A) -> O + Copy) {
    map_slices(a, out, |x: &[A], o: &mut [O]| each1(x, o, f));
}

/// Has `f` compute the elements of one slice from those of the other. For what is too long to be inlined into a loop.
pub(crate) fn map_slices<A: Loads, O: Loads>(a: &Feed<'_>, out: &mut ViewMut<'_>, f: impl Fn(&[A], &mut [O])) {
    let (shape, [to, from]) = merge_axes(out.shape(), [out.strides(), &a.strides(out.rank())]);
    let mut lane = Lane::<A>::new(a, from[shape.len() - 1]);
    let mut drain = Drain::new(out);
    for_each_row(&shape, [&to, &from], |[t, i], n| {
        for (first, len) in chunks(n) {
            let x = lane.get(i, first, len);
            drain.put(t + first, len, |o| f(x, o));
        }
    });
}

/// Writes `f(a, b)` for every element.
pub(crate) fn zip<A: Loads, B: Loads, O: Loads>(
    a: &Feed<'_>,
    b: &Feed<'_>,
    out: &mut ViewMut<'_>,
    f: impl Fn(A, B) -> O + Copy,
) {
    let rank = out.rank();
    let (shape, [to, from_a, from_b]) = merge_axes(out.shape(), [out.strides(), &a.strides(rank), &b.strides(rank)]);
    let last = shape.len() - 1;
    let (mut left, mut right) = (Lane::<A>::new(a, from_a[last]), Lane::<B>::new(b, from_b[last]));
    let mut drain = Drain::new(out);
    for_each_row(&shape, [&to, &from_a, &from_b], |[t, i, j], n| {
        for (first, len) in chunks(n) {
            let (x, y) = (left.get(i, first, len), right.get(j, first, len));
            drain.put(t + first, len, |o| each2(x, y, o, f));
        }
    });
}

/// Writes `f(a, b, c)` for every element.
pub(crate) fn zip3<A: Loads, B: Loads, C: Loads, O: Loads>(
    [a, b, c]: [&Feed<'_>; 3],
    out: &mut ViewMut<'_>,
    f: impl Fn(A, B, C) -> O + Copy,
) {
    let rank = out.rank();
    let strides = [a, b, c].map(|feed| feed.strides(rank));
    let (shape, [to, p, q, r]) = merge_axes(out.shape(), [out.strides(), &strides[0], &strides[1], &strides[2]]);
    let last = shape.len() - 1;
    let mut lane_a = Lane::<A>::new(a, p[last]);
    let (mut lane_b, mut lane_c) = (Lane::<B>::new(b, q[last]), Lane::<C>::new(c, r[last]));
    let mut drain = Drain::new(out);
    for_each_row(&shape, [&to, &p, &q, &r], |[t, i, j, k], n| {
        for (first, len) in chunks(n) {
            let x = lane_a.get(i, first, len);
            let (y, z) = (lane_b.get(j, first, len), lane_c.get(k, first, len));
            drain.put(t + first, len, |o| each3(x, y, z, o, f));
        }
    });
}

// AVX2 measured up to twice as fast as the baseline in cache, and `hypot` four times.
#[multiversion(targets("x86_64+avx2"))]
fn each1<A: Copy, O>(a: &[A], out: &mut [O], f: impl Fn(A) -> O + Copy) {
    for (o, &x) in out.iter_mut().zip(a) {
        *o = f(x);
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn each2<A: Copy, B: Copy, O>(a: &[A], b: &[B], out: &mut [O], f: impl Fn(A, B) -> O + Copy) {
    for ((o, &x), &y) in out.iter_mut().zip(a).zip(b) {
        *o = f(x, y);
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn each3<A: Copy, B: Copy, C: Copy, O>(a: &[A], b: &[B], c: &[C], out: &mut [O], f: impl Fn(A, B, C) -> O + Copy) {
    for (((o, &x), &y), &z) in out.iter_mut().zip(a).zip(b).zip(c) {
        *o = f(x, y, z);
    }
}
