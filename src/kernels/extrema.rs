//! The minimum and maximum over a sliding window.
//!
//! Elements are compared as integer *keys*, floats through a total order of their bits in which -0 lies below 0 and a
//! NaN beyond every number on the winning side. That makes the answer independent of the order of comparisons.

use super::Lines;
use super::sliding::{Fold, fold_columns, join_ahead};
use multiversion::multiversion;
use std::marker::PhantomData;

/// Which extremum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extremum {
    /// The smallest element of the window.
    Minimum,
    /// The largest element of the window.
    Maximum,
}

/// An integer that elements are compared by.
pub trait Key: Copy + Ord + Send + Sync + 'static {
    /// The smallest key.
    const LEAST: Self;
    /// The largest key.
    const MOST: Self;
}

/// An element type with a total order: all integers, `f32` and `f64`.
pub trait Ordered: Copy + Send + Sync + 'static {
    /// What elements are compared by.
    type Key: Key;
    /// The key of an element; a NaN gets the largest key if `nan_high`, else the smallest one any element has.
    fn key(self, nan_high: bool) -> Self::Key;
    /// The element of a key.
    fn from_key(key: Self::Key) -> Self;
}

macro_rules! integers {
    ($($int:ty)*) => {$(
        impl Key for $int {
            const LEAST: Self = <$int>::MIN;
            const MOST: Self = <$int>::MAX;
        }

        impl Ordered for $int {
            type Key = $int;

            #[inline(always)]
            fn key(self, _nan_high: bool) -> $int {
                self
            }

            #[inline(always)]
            fn from_key(key: $int) -> $int {
                key
            }
        }
    )*};
}

integers!(u8 u16 u32 u64 i8 i16 i32 i64);

macro_rules! floats {
    ($($float:ty, $int:ty;)*) => {$(
        impl Ordered for $float {
            type Key = $int;

            #[inline(always)]
            fn key(self, nan_high: bool) -> $int {
                let nan = if nan_high { <$int>::MAX } else { <$int>::MIN };
                if self.is_nan() { nan } else { flip(self.to_bits() as $int) }
            }

            #[inline(always)]
            fn from_key(key: $int) -> $float {
                let x = <$float>::from_bits(flip(key) as _);
                if x.is_nan() { <$float>::NAN } else { x }
            }
        }

        impl Flip for $int {
            #[inline(always)]
            fn flip(self) -> $int {
                self ^ ((self >> (<$int>::BITS - 1)) & <$int>::MAX)
            }
        }
    )*};
}

floats!(f32, i32; f64, i64;);

/// The bits of negative floats count backwards: turning all but the sign over makes them count forwards, and is its own
/// inverse.
trait Flip {
    fn flip(self) -> Self;
}

#[inline(always)]
fn flip<K: Flip>(bits: K) -> K {
    bits.flip()
}

/// The keys of scratch that [`extrema`] needs for elements of type `T`.
pub fn extrema_scratch<T: Ordered>(lines: Lines, size: usize) -> usize {
    if doubles::<T>(lines) { chunk::<T>(lines, size) + (size - 1) * lines.inner } else { size * column::<T>() }
}

/// Writes the extremum of every window of `size` positions: `dst[i] = min or max(src[i], …, src[i + size - 1])`.
///
/// `src` holds `lines.n + size - 1` positions. A window with a NaN gives NaN; -0 lies below 0. `scratch` holds
/// [`extrema_scratch`] keys of any content. Reference: `scipy.ndimage.minimum_filter1d` and `maximum_filter1d`, the input
/// extended by the caller (scipy leaves NaN undefined).
///
/// # Panics
/// If `size` is zero or a slice is too short.
pub fn extrema<T: Ordered>(
    src: &[T],
    dst: &mut [T],
    lines: Lines,
    size: usize,
    which: Extremum,
    scratch: &mut [T::Key],
) {
    lines.check(src.len(), dst.len(), size);
    assert!(scratch.len() >= extrema_scratch::<T>(lines, size), "{} keys of scratch are too few", scratch.len());
    if lines.is_empty() {
        return;
    }
    match which {
        Extremum::Minimum => fold::<T, Least<T>>(Least(PhantomData), src, dst, lines, size, scratch),
        Extremum::Maximum => fold::<T, Most<T>>(Most(PhantomData), src, dst, lines, size, scratch),
    }
}

/// Whether a block is folded by doubling: it needs no lanes across the axis, but log2(size) sweeps instead of three.
fn doubles<T>(lines: Lines) -> bool {
    lines.is_flat() && lines.inner < column::<T>()
}

/// The lanes of a column, as they measured best.
const fn column<T>() -> usize {
    match size_of::<T>() {
        1 | 2 | 4 => 64,
        _ => 16,
    }
}

/// The outputs that are doubled at a time: enough to make the overlap of chunks small, few enough to stay in cache.
fn chunk<T>(lines: Lines, size: usize) -> usize {
    (8192 / size_of::<T>()).max(4 * (size - 1) * lines.inner).min(lines.n * lines.inner)
}

fn fold<T: Ordered, F>(fold: F, src: &[T], dst: &mut [T], lines: Lines, size: usize, scratch: &mut [T::Key])
where
    F: Fold<In = T, Out = T, Acc = T::Key>,
{
    if doubles::<T>(lines) {
        let (len, step) = (lines.n * lines.inner, chunk::<T>(lines, size));
        for start in (0..len).step_by(step) {
            let dst = &mut dst[start..len.min(start + step)];
            doubling(fold, &src[start..], dst, lines.inner, size, scratch);
        }
        return;
    }
    match column::<T>() {
        64 => columns::<F, 64>(fold, src, dst, lines, size, scratch),
        _ => columns::<F, 16>(fold, src, dst, lines, size, scratch),
    }
}

// AVX-512 measured a quarter slower here.
#[multiversion(targets("x86_64+avx2"))]
fn columns<F: Fold, const B: usize>(
    fold: F,
    src: &[F::In],
    dst: &mut [F::Out],
    lines: Lines,
    size: usize,
    scratch: &mut [F::Acc],
) {
    fold_columns::<F, B>(fold, src, dst, lines, size, 0, scratch);
}

/// Folds windows of one element, then two, four, eight …, each from two of the last, and at the end the window of `size`
/// from two overlapping ones, since an extremum does not mind elements that count twice.
#[multiversion(targets("x86_64+avx2+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn doubling<F: Fold>(fold: F, src: &[F::In], dst: &mut [F::Out], tap: usize, size: usize, scratch: &mut [F::Acc]) {
    let len = dst.len();
    let keys = &mut scratch[..len + (size - 1) * tap];
    for (key, &x) in keys.iter_mut().zip(src) {
        *key = fold.read(x);
    }
    let mut have = 1;
    while 2 * have <= size {
        join_ahead(fold, &mut keys[..len + (size - have) * tap], have * tap);
        have *= 2;
    }
    let rest = &keys[(size - have) * tap..];
    for ((out, &a), &b) in dst.iter_mut().zip(&*keys).zip(rest) {
        *out = fold.finish(fold.join(a, b));
    }
}

#[derive(Clone, Copy)]
pub(super) struct Least<T>(pub(super) PhantomData<T>);
#[derive(Clone, Copy)]
pub(super) struct Most<T>(pub(super) PhantomData<T>);

impl<T: Ordered> Fold for Least<T> {
    type In = T;
    type Acc = T::Key;
    type Out = T;
    const EMPTY: T::Key = T::Key::MOST;

    #[inline(always)]
    fn read(self, x: T) -> T::Key {
        x.key(false)
    }

    #[inline(always)]
    fn join(self, a: T::Key, b: T::Key) -> T::Key {
        a.min(b)
    }

    #[inline(always)]
    fn finish(self, window: T::Key) -> T {
        T::from_key(window)
    }
}

impl<T: Ordered> Fold for Most<T> {
    type In = T;
    type Acc = T::Key;
    type Out = T;
    const EMPTY: T::Key = T::Key::LEAST;

    #[inline(always)]
    fn read(self, x: T) -> T::Key {
        x.key(true)
    }

    #[inline(always)]
    fn join(self, a: T::Key, b: T::Key) -> T::Key {
        a.max(b)
    }

    #[inline(always)]
    fn finish(self, window: T::Key) -> T {
        T::from_key(window)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Rng, split};
    use super::*;
    use std::fmt::Debug;

    fn run<T: Ordered>(src: &[T], dst: &mut [T], lines: Lines, size: usize, which: Extremum) {
        let mut scratch = vec![T::Key::LEAST; extrema_scratch::<T>(lines, size)];
        extrema(src, dst, lines, size, which, &mut scratch);
    }

    /// Checks against `best`, the extremum of two elements, written naively; `bits` tells -0 from 0.
    fn check<T: Ordered, B: PartialEq + Debug>(
        seed: u64,
        mut draw: impl FnMut(&mut Rng) -> T,
        best: impl Fn(Extremum, T, T) -> T,
        bits: impl Fn(T) -> B,
    ) {
        let mut rng = Rng::new(seed);
        for round in 0..120 {
            let which = [Extremum::Minimum, Extremum::Maximum][round % 2];
            let (lines, size) = (rng.lines(), 1 + rng.below(40));
            let src: Vec<T> = (0..lines.src_len(size)).map(|_| draw(&mut rng)).collect();
            let fill = draw(&mut rng);
            let (mut whole, mut parts) = (vec![fill; lines.dst_len()], vec![fill; lines.dst_len()]);
            run(&src, &mut whole, lines, size, which);
            for i in 0..lines.n {
                for j in 0..lines.inner {
                    let window = (0..size).map(|t| src[(i + t) * lines.src_stride + j]);
                    let expected = window.reduce(|a, b| best(which, a, b)).unwrap();
                    assert_eq!(bits(whole[i * lines.dst_stride + j]), bits(expected), "{which:?} {size} {lines:?}");
                }
            }
            let (at, inside) = (rng.below(lines.n + 1), rng.below(lines.inner + 1));
            split(lines, at, inside, |_, from, to, part| run(&src[from..], &mut parts[to..], part, size, which));
            assert!(whole.iter().zip(&parts).all(|(&a, &b)| bits(a) == bits(b)), "{which:?} {size} {lines:?}");
        }
    }

    macro_rules! integer_tests {
        ($($int:ident)*) => {$(
            #[test]
            fn $int() {
                let best = |which, a: $int, b: $int| if which == Extremum::Minimum { a.min(b) } else { a.max(b) };
                check(5, |rng| rng.bits() as $int, best, |x| x);
            }
        )*};
    }

    integer_tests!(u8 u16 u32 u64 i8 i16 i32 i64);

    fn best_float(which: Extremum, a: f64, b: f64) -> f64 {
        match which {
            _ if a.is_nan() || b.is_nan() => f64::NAN,
            Extremum::Minimum if a.total_cmp(&b).is_lt() => a,
            Extremum::Maximum if a.total_cmp(&b).is_gt() => a,
            _ => b,
        }
    }

    fn draw_float(rng: &mut Rng) -> f64 {
        let specials = [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -f64::NAN, f64::MIN_POSITIVE];
        if rng.below(20) == 0 { specials[rng.below(7)] } else { f64::from(rng.unit() as f32) }
    }

    #[test]
    fn f64() {
        check(6, draw_float, best_float, |x| if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() });
    }

    #[test]
    fn f32() {
        let best = |which, a: f32, b: f32| best_float(which, a.into(), b.into()) as f32;
        check(
            7,
            |rng| draw_float(rng) as f32,
            best,
            |x| {
                if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() }
            },
        );
    }

    #[test]
    fn one_nan_sign_comes_out() {
        let mut got = [0.0f32; 1];
        for which in [Extremum::Minimum, Extremum::Maximum] {
            run(&[-f32::NAN], &mut got, Lines::flat(1, 1), 1, which);
            assert_eq!(got[0].to_bits(), f32::NAN.to_bits());
        }
    }
}
