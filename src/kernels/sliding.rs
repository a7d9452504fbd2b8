//! Folding a sliding window in O(1) per element (van Herk, Gil and Werman).
//!
//! The axis is cut into segments as long as the window, so a window covers the end of one segment and the start of the
//! next: its fold is `join(suffix of the one, prefix of the other)`. Both run inside the window, so nothing outside it
//! can leak in, and both depend only on where the segments lie.

use super::{Lines, block_starts, lanes, lanes_mut};

/// An associative way to combine the elements of a window.
pub(super) trait Fold: Copy {
    /// An input element.
    type In: Copy;
    /// What the fold computes in.
    type Acc: Copy;
    /// An output element.
    type Out: Copy;
    /// The fold of nothing: `join` with it changes no bit of the fold of something.
    const EMPTY: Self::Acc;
    /// An input element as an accumulator.
    fn read(self, x: Self::In) -> Self::Acc;
    /// The fold of two neighbouring stretches.
    fn join(self, a: Self::Acc, b: Self::Acc) -> Self::Acc;
    /// The output for a window.
    fn finish(self, window: Self::Acc) -> Self::Out;
}

/// Folds every window of `size` positions, in columns of `B` lanes (then 8, then 1). `phase` is how far position 0 lies
/// behind the start of its segment. `scratch` holds at least `size * B` accumulators.
#[inline(always)]
pub(super) fn fold_columns<F: Fold, const B: usize>(
    fold: F,
    src: &[F::In],
    dst: &mut [F::Out],
    lines: Lines,
    size: usize,
    phase: usize,
    scratch: &mut [F::Acc],
) {
    if lines.inner >= B {
        for lane in block_starts(lines.inner, B) {
            fold_column::<F, B>(fold, &src[lane..], &mut dst[lane..], lines, size, phase, scratch);
        }
    } else if lines.inner >= 8 {
        for lane in block_starts(lines.inner, 8) {
            fold_column::<F, 8>(fold, &src[lane..], &mut dst[lane..], lines, size, phase, scratch);
        }
    } else {
        for lane in 0..lines.inner {
            fold_column::<F, 1>(fold, &src[lane..], &mut dst[lane..], lines, size, phase, scratch);
        }
    }
}

#[inline(always)]
fn fold_column<F: Fold, const B: usize>(
    fold: F,
    src: &[F::In],
    dst: &mut [F::Out],
    lines: Lines,
    size: usize,
    phase: usize,
    scratch: &mut [F::Acc],
) {
    let (suffixes, _) = scratch.as_chunks_mut::<B>();
    let (mut from, mut end) = (0, size - phase);
    while from < lines.n {
        let stop = end.min(lines.n);
        suffixes_of_segment(fold, src, lines.src_stride, from..end, suffixes);
        let mut prefix = [F::EMPTY; B];
        for p in end..from + size {
            prefix = extend(fold, prefix, lanes(src, p * lines.src_stride));
        }
        *lanes_mut(dst, from * lines.dst_stride) = windows(fold, &suffixes[0], &prefix);
        for i in from + 1..stop {
            prefix = extend(fold, prefix, lanes(src, (i + size - 1) * lines.src_stride));
            *lanes_mut(dst, i * lines.dst_stride) = windows(fold, &suffixes[i - from], &prefix);
        }
        (from, end) = (stop, end + size);
    }
}

/// Fills `suffixes[k]` with the fold of the positions from `segment.start + k` to the end of the segment.
#[inline(always)]
fn suffixes_of_segment<F: Fold, const B: usize>(
    fold: F,
    src: &[F::In],
    stride: usize,
    segment: std::ops::Range<usize>,
    suffixes: &mut [[F::Acc; B]],
) {
    let mut suffix = [F::EMPTY; B];
    for (p, slot) in segment.zip(suffixes).rev() {
        let x = lanes::<_, B>(src, p * stride);
        for lane in 0..B {
            suffix[lane] = fold.join(fold.read(x[lane]), suffix[lane]);
        }
        *slot = suffix;
    }
}

#[inline(always)]
fn extend<F: Fold, const B: usize>(fold: F, mut prefix: [F::Acc; B], x: &[F::In; B]) -> [F::Acc; B] {
    for lane in 0..B {
        prefix[lane] = fold.join(prefix[lane], fold.read(x[lane]));
    }
    prefix
}

#[inline(always)]
fn windows<F: Fold, const B: usize>(fold: F, suffix: &[F::Acc; B], prefix: &[F::Acc; B]) -> [F::Out; B] {
    std::array::from_fn(
        #[inline(always)]
        |lane| fold.finish(fold.join(suffix[lane], prefix[lane])),
    )
}

/// Joins to every key the one `ahead` of it; the last `ahead` keys stay.
#[inline(always)]
pub(super) fn join_ahead<F: Fold>(fold: F, keys: &mut [F::Acc], ahead: usize) {
    const LANES: usize = 64;
    let len = keys.len() - ahead;
    let blocks = len / LANES * LANES;
    // Both operands are read before the result is written, which also holds where they overlap.
    for at in (0..blocks).step_by(LANES) {
        let (a, b) = (*lanes::<_, LANES>(keys, at), *lanes::<_, LANES>(keys, at + ahead));
        let joined = lanes_mut::<_, LANES>(keys, at);
        for lane in 0..LANES {
            joined[lane] = fold.join(a[lane], b[lane]);
        }
    }
    for at in blocks..len {
        keys[at] = fold.join(keys[at], keys[at + ahead]);
    }
}
