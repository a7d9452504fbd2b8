//! Pure loops over slices: no files, plans, threads or allocation.
//!
//! Every kernel computes each output element by the same operations in the same order wherever the element lies in
//! the call, so that a block may be split anywhere and still give the same bits. Multiply and add stay two roundings.
//!
//! The bodies are generic code over lane blocks `[T; B]` that the compiler vectorises; `multiversion` compiles them
//! once more for AVX2 and, where it measured better, AVX-512, and picks at run time.

pub mod convert;
pub mod convolve;
pub mod correlate;
pub mod distinct;
pub mod exact_sum;
pub mod extrema;
pub mod fft;
pub mod gram;
pub mod histogram;
pub mod keyed;
pub mod label;
pub mod morphology;
pub mod panels;
pub mod power;
pub mod rank;
mod sliding;
pub mod uniform;
pub mod zoom;

#[cfg(test)]
pub(crate) mod testing;

/// A block seen along one axis: `n` output positions along the axis, each a contiguous run of `inner` elements;
/// consecutive positions lie `src_stride` / `dst_stride` elements apart.
///
/// A kernel with a window of `w` positions reads `n + w - 1` positions. When both strides equal `inner` the block is
/// *flat*: positions follow each other without gaps, and kernels may walk it as one long run.
#[derive(Clone, Copy, Debug)]
pub struct Lines {
    /// Output positions along the axis.
    pub n: usize,
    /// Contiguous elements per position.
    pub inner: usize,
    /// Elements from one input position to the next, at least `inner`.
    pub src_stride: usize,
    /// Elements from one output position to the next, at least `inner`.
    pub dst_stride: usize,
}

/// A block as `count` runs of `len` outputs, where tap `t` of an output lies `t * tap` elements after its first.
#[derive(Clone, Copy)]
struct Runs {
    count: usize,
    len: usize,
    src_step: usize,
    dst_step: usize,
    tap: usize,
}

impl Lines {
    /// A block without gaps: `n` positions of `inner` elements each.
    pub fn flat(n: usize, inner: usize) -> Self {
        Lines { n, inner, src_stride: inner, dst_stride: inner }
    }

    /// Elements the input must hold for a window of `window` positions.
    pub fn src_len(&self, window: usize) -> usize {
        span(self.n + window - 1, self.inner, self.src_stride, self.n)
    }

    /// Elements the output must hold.
    pub fn dst_len(&self) -> usize {
        span(self.n, self.inner, self.dst_stride, self.n)
    }

    fn is_flat(&self) -> bool {
        self.src_stride == self.inner && self.dst_stride == self.inner
    }

    fn is_empty(&self) -> bool {
        self.n == 0 || self.inner == 0
    }

    /// A flat block is one run, unless its positions are `wide` or more elements each.
    fn runs(&self, wide: usize) -> Runs {
        let &Lines { n, inner, src_stride, dst_stride } = self;
        if self.is_flat() && inner < wide {
            Runs { count: 1, len: n * inner, src_step: 0, dst_step: 0, tap: inner }
        } else {
            Runs { count: n, len: inner, src_step: src_stride, dst_step: dst_stride, tap: src_stride }
        }
    }

    /// The callers' mistakes that would otherwise show as an index out of bounds deep inside a loop.
    fn check(&self, src: usize, dst: usize, window: usize) {
        assert!(window > 0, "a window holds at least one position");
        assert!(self.src_stride >= self.inner && self.dst_stride >= self.inner, "positions overlap: {self:?}");
        assert!(src >= self.src_len(window), "{src} input elements are too few for {self:?}, window {window}");
        assert!(dst >= self.dst_len(), "{dst} output elements are too few for {self:?}");
    }
}

fn span(positions: usize, inner: usize, stride: usize, outputs: usize) -> usize {
    if outputs == 0 || inner == 0 { 0 } else { (positions - 1) * stride + inner }
}

/// Where blocks of `width` start so that they cover `0..len`: every multiple, and a last one that ends at `len`.
/// It overlaps its neighbour, which is harmless where writing an element twice writes the same bits.
#[inline(always)]
fn block_starts(len: usize, width: usize) -> impl Iterator<Item = usize> {
    (0..len.div_ceil(width)).map(move |block| (block * width).min(len - width))
}

#[inline(always)]
fn lanes<T, const B: usize>(slice: &[T], at: usize) -> &[T; B] {
    slice[at..].first_chunk().expect("the block lies inside the slice")
}

#[inline(always)]
fn lanes_mut<T, const B: usize>(slice: &mut [T], at: usize) -> &mut [T; B] {
    slice[at..].first_chunk_mut().expect("the block lies inside the slice")
}
