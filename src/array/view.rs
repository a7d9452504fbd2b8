//! Strided windows onto bytes: what an op reads and writes. Ranks are merged away before kernels see them.

use super::{DType, Element, MAX_RANK, Region, with_dtype};
use arrayvec::ArrayVec;

type Extents = ArrayVec<usize, MAX_RANK>;

/// A read-only window: element type, shape, strides in elements (0 repeats along an axis).
#[derive(Clone, Debug)]
pub struct View<'a> {
    dtype: DType,
    shape: Extents,
    strides: Extents,
    data: &'a [u8],
}

/// A writable window. Its last axis has stride 1 and no two of its elements coincide.
#[derive(Debug)]
pub struct ViewMut<'a> {
    dtype: DType,
    shape: Extents,
    strides: Extents,
    data: &'a mut [u8],
}

fn row_major(shape: &[u64]) -> (Extents, Extents) {
    let shape: Extents = shape.iter().map(|&d| d as usize).collect();
    let mut strides = shape.clone();
    let mut step = 1;
    for axis in (0..shape.len()).rev() {
        strides[axis] = step;
        step *= shape[axis];
    }
    (shape, strides)
}

fn span(shape: &[usize], strides: &[usize]) -> usize {
    if shape.contains(&0) {
        return 0;
    }
    shape.iter().zip(strides).map(|(&n, &s)| (n - 1) * s).sum::<usize>() + 1
}

macro_rules! common {
    () => {
        /// The element type.
        pub fn dtype(&self) -> DType {
            self.dtype
        }

        /// Length of each axis.
        pub fn shape(&self) -> &[usize] {
            &self.shape
        }

        /// Distance, in elements, between neighbours along each axis.
        pub fn strides(&self) -> &[usize] {
            &self.strides
        }

        /// The number of axes.
        pub fn rank(&self) -> usize {
            self.shape.len()
        }

        /// The number of elements.
        pub fn elements(&self) -> usize {
            self.shape.iter().product()
        }

        /// The elements from the first to the last in memory; index it with the strides.
        ///
        /// # Panics
        /// If `T` has another size than the element type: a mistake of the caller, not of any input.
        pub fn typed<T: Element>(&self) -> &[T] {
            assert_eq!(size_of::<T>(), self.dtype.size(), "{} read as {}", self.dtype, T::DTYPE);
            bytemuck::cast_slice(self.data)
        }
    };
}

impl<'a> View<'a> {
    common!();

    /// The first `shape` elements of `data` in C order.
    pub fn new(dtype: DType, shape: &[u64], data: &'a [u8]) -> Self {
        let (shape, strides) = row_major(shape);
        let bytes = span(&shape, &strides) * dtype.size();
        View { dtype, shape, strides, data: &data[..bytes] }
    }

    /// A window with those strides, in elements.
    pub fn strided(dtype: DType, shape: &[usize], strides: &[usize], data: &'a [u8]) -> Self {
        let bytes = span(shape, strides) * dtype.size();
        View {
            dtype,
            shape: shape.iter().copied().collect(),
            strides: strides.iter().copied().collect(),
            data: &data[..bytes],
        }
    }

    /// The bytes behind it, for [`View::strided`].
    pub fn data(&self) -> &'a [u8] {
        self.data
    }

    /// A box of it.
    pub fn sub(&self, at: &Region) -> View<'a> {
        let shape: Extents = at.shape.iter().map(|&d| d as usize).collect();
        let first: usize = at.start.iter().zip(&self.strides).map(|(&i, &s)| i as usize * s).sum();
        let size = self.dtype.size();
        let bytes = span(&shape, &self.strides) * size;
        let data = if bytes == 0 { &self.data[..0] } else { &self.data[first * size..first * size + bytes] };
        View { dtype: self.dtype, shape, strides: self.strides.clone(), data }
    }

    /// The element at an index, as `f64`: for tests and small arrays.
    pub fn at(&self, index: &[usize]) -> f64 {
        let offset: usize = index.iter().zip(&self.strides).map(|(i, s)| i * s).sum();
        with_dtype!(self.dtype, T => self.typed::<T>()[offset].to_f64())
    }
}

impl<'a> ViewMut<'a> {
    common!();

    /// The first `shape` elements of `data` in C order.
    pub fn new(dtype: DType, shape: &[u64], data: &'a mut [u8]) -> Self {
        let (shape, strides) = row_major(shape);
        let bytes = span(&shape, &strides) * dtype.size();
        ViewMut { dtype, shape, strides, data: &mut data[..bytes] }
    }

    /// A box of it.
    pub fn sub(&mut self, at: &Region) -> ViewMut<'_> {
        let shape: Extents = at.shape.iter().map(|&d| d as usize).collect();
        let first: usize = at.start.iter().zip(&self.strides).map(|(&i, &s)| i as usize * s).sum();
        let size = self.dtype.size();
        let bytes = span(&shape, &self.strides) * size;
        let range = if bytes == 0 { 0..0 } else { first * size..first * size + bytes };
        ViewMut { dtype: self.dtype, shape, strides: self.strides.clone(), data: &mut self.data[range] }
    }

    /// The window of one index along each of the first axes, which are dropped.
    pub fn item(&mut self, index: &[u64]) -> ViewMut<'_> {
        let lead = index.len();
        let shape: Extents = self.shape[lead..].iter().copied().collect();
        let strides: Extents = self.strides[lead..].iter().copied().collect();
        let first: usize = index.iter().zip(&self.strides).map(|(&i, &s)| i as usize * s).sum();
        let size = self.dtype.size();
        let bytes = span(&shape, &strides) * size;
        let range = if bytes == 0 { 0..0 } else { first * size..first * size + bytes };
        ViewMut { dtype: self.dtype, shape, strides, data: &mut self.data[range] }
    }

    /// The same window, read-only.
    pub fn view(&self) -> View<'_> {
        View { dtype: self.dtype, shape: self.shape.clone(), strides: self.strides.clone(), data: self.data }
    }

    /// The elements from the first to the last in memory, to be written; index it with the strides.
    ///
    /// # Panics
    /// If `T` has another size than the element type: a mistake of the caller, not of any input.
    pub fn typed_mut<T: Element>(&mut self) -> &mut [T] {
        assert_eq!(size_of::<T>(), self.dtype.size(), "{} written as {}", self.dtype, T::DTYPE);
        bytemuck::cast_slice_mut(self.data)
    }

    /// The bytes behind it.
    pub fn data_mut(&mut self) -> &mut [u8] {
        self.data
    }

    /// Sets every element to those bytes (one element's worth).
    pub fn fill(&mut self, element: &[u8]) {
        let size = self.dtype.size();
        let (shape, [strides]) = merge_axes(&self.shape, [&self.strides]);
        for_each_row(&shape, [&strides], |[at], n| {
            for e in self.data[at * size..(at + n) * size].chunks_exact_mut(size) {
                e.copy_from_slice(&element[..size]);
            }
        });
    }
}

/// Drops axes of length one and joins neighbours that every operand walks as one, so that kernels see few axes and
/// long rows. The result has at least one axis; its last is the row.
pub fn merge_axes<const K: usize>(shape: &[usize], strides: [&[usize]; K]) -> (Extents, [Extents; K]) {
    let mut merged = Extents::new();
    let mut steps: [Extents; K] = std::array::from_fn(|_| Extents::new());
    for axis in 0..shape.len() {
        if shape[axis] == 1 {
            continue;
        }
        let last = merged.len().wrapping_sub(1);
        let joins = !merged.is_empty() && (0..K).all(|k| steps[k][last] == strides[k][axis] * shape[axis]);
        if joins {
            merged[last] *= shape[axis];
            (0..K).for_each(|k| steps[k][last] = strides[k][axis]);
        } else {
            merged.push(shape[axis]);
            (0..K).for_each(|k| steps[k].push(strides[k][axis]));
        }
    }
    // Rows stay runs of neighbours: an axis whose elements lie apart does not become the row because those after it
    // have length one.
    let dropped_row = shape.last() == Some(&1) && steps.iter().any(|s| s.last().is_some_and(|&step| step != 1));
    if merged.is_empty() || (dropped_row && !merged.is_full()) {
        merged.push(1);
        steps.iter_mut().for_each(|s| s.push(1));
    }
    (merged, steps)
}

/// Calls `row` with the offset of every row (a line along the last axis) in each operand, and the row's length.
pub fn for_each_row<const K: usize>(shape: &[usize], strides: [&[usize]; K], mut row: impl FnMut([usize; K], usize)) {
    for_each_row_at(shape, strides, |_, at, n| row(at, n));
}

/// [`for_each_row`] that also gives the index of every row's first element.
pub fn for_each_row_at<const K: usize>(
    shape: &[usize],
    strides: [&[usize]; K],
    mut row: impl FnMut(&[usize], [usize; K], usize),
) {
    if shape.contains(&0) {
        return;
    }
    let Some((&n, outer)) = shape.split_last() else {
        return row(&[], [0; K], 1);
    };
    let mut index = Extents::from_iter(shape.iter().map(|_| 0));
    let mut at = [0; K];
    loop {
        row(&index, at, n);
        let mut axis = outer.len();
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            index[axis] += 1;
            (0..K).for_each(|k| at[k] += strides[k][axis]);
            if index[axis] < outer[axis] {
                break;
            }
            (0..K).for_each(|k| at[k] -= strides[k][axis] * outer[axis]);
            index[axis] = 0;
        }
    }
}

/// Copies one window onto another of the same shape and element size.
pub fn copy(dst: &mut ViewMut<'_>, src: &View<'_>) {
    debug_assert_eq!(dst.shape, src.shape);
    let size = dst.dtype.size();
    let (shape, [to, from]) = merge_axes(&dst.shape, [&dst.strides, &src.strides]);
    let last = shape.len() - 1;
    let step = from[last];
    for_each_row(&shape, [&to, &from], |[t, f], n| {
        let row = &mut dst.data[t * size..(t + n) * size];
        if step == 1 || n == 1 {
            row.copy_from_slice(&src.data[f * size..(f + n) * size]);
        } else {
            for (i, e) in row.chunks_exact_mut(size).enumerate() {
                let at = (f + i * step) * size;
                e.copy_from_slice(&src.data[at..at + size]);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contiguous_axes_merge_to_one_row() {
        let (shape, [a]) = merge_axes(&[3, 1, 4, 5], [&[20, 20, 5, 1]]);
        assert_eq!((&shape[..], &a[..]), (&[60][..], &[1][..]));
        let (shape, [a]) = merge_axes(&[3, 4, 5], [&[40, 5, 1]]);
        assert_eq!((&shape[..], &a[..]), (&[3, 20][..], &[40, 1][..]));
        let (shape, [a]) = merge_axes(&[3, 1, 1], [&[2, 1, 1]]);
        assert_eq!((&shape[..], &a[..]), (&[3, 1][..], &[2, 1][..]));
        let (shape, [a]) = merge_axes(&[1, 1], [&[7, 7]]);
        assert_eq!((&shape[..], &a[..]), (&[1][..], &[1][..]));
    }

    #[test]
    fn sub_views_copy_the_right_box() {
        let bytes: Vec<u8> = (0..60).collect();
        let whole = View::new(DType::U8, &[3, 4, 5], &bytes);
        let part = whole.sub(&Region::new(&[1, 1, 2], &[2, 2, 3]));
        let mut out = [0u8; 12];
        copy(&mut ViewMut::new(DType::U8, &[2, 2, 3], &mut out), &part);
        assert_eq!(out, [27, 28, 29, 32, 33, 34, 47, 48, 49, 52, 53, 54]);
    }

    #[test]
    fn repeated_axes_copy_their_one_value() {
        let bytes = [1u8, 2];
        let repeated = View::strided(DType::U8, &[2, 3], &[1, 0], &bytes);
        let mut out = [0u8; 6];
        copy(&mut ViewMut::new(DType::U8, &[2, 3], &mut out), &repeated);
        assert_eq!(out, [1, 1, 1, 2, 2, 2]);
    }
}
