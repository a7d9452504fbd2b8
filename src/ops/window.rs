//! What ops with a window along one axis share: where the window lies, and walking a box as lines for the kernels.

use super::Args;
use crate::array::{ArraySpec, MAX_RANK, Mode, Region, Scalar, View, ViewMut, for_each_row, merge_axes};
use crate::error::Result;
use crate::graph::Need;
use crate::kernels::Lines;
use arrayvec::ArrayVec;

/// Windows may hold at most this many elements along an axis.
pub(crate) const MAX_WINDOW: i64 = 1 << 21;

/// A window along one axis and what lies outside the image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// The axis.
    pub axis: usize,
    /// How many elements before the output element it begins.
    pub before: u64,
    /// Its length.
    pub len: u64,
    /// How the image goes on.
    pub mode: Mode,
    /// The constant outside, in the input's type.
    pub cval: Scalar,
}

impl Window {
    /// scipy's window of `len` elements: `in[i - len / 2 - origin]` is the first that output `i` sees.
    ///
    /// # Errors
    /// When the origin moves the window off its element.
    pub fn new(args: &Args, axis: usize, len: usize, origin: i64, mode: Mode, cval: Scalar) -> Result<Self> {
        check_origin(args, len, origin)?;
        Ok(Window { axis, before: (len as i64 / 2 + origin) as u64, len: len as u64, mode, cval })
    }

    /// What an output box needs.
    pub fn need(&self, out: &Region) -> Need {
        if self.len == 1 {
            return Need::inside(out);
        }
        Need::window(out, self.axis, self.before, self.len - 1 - self.before, self.mode, self.cval)
    }

    /// The absolute coordinate of the first input position.
    pub fn anchor(&self, out: &Region) -> i64 {
        out.start[self.axis] as i64 - self.before as i64
    }

    /// The lines that kernels will see in an output box of that shape, for their scratch; at least as large as any.
    pub fn largest_lines(&self, out: &[u64]) -> Lines {
        let inner: u64 = out[self.axis + 1..].iter().product();
        Lines::flat(out[self.axis] as usize, inner as usize)
    }
}

/// Whether a window of `len` elements still holds its own one when moved by `origin`.
///
/// # Errors
/// When it does not.
pub(crate) fn check_origin(args: &Args, len: usize, origin: i64) -> Result<()> {
    let n = len as i64;
    let (least, most) = (-(n / 2), (n - 1) / 2);
    if (least..=most).contains(&origin) {
        return Ok(());
    }
    Err(args.error(format!("`origin` is {origin}, for a window of {n} it lies in {least}..={most}")))
}

/// Working space for that many elements, in bytes: with room to find the first aligned one.
pub(crate) fn scratch_bytes<T>(elements: usize) -> u64 {
    ((elements + 1) * size_of::<T>()) as u64
}

/// Working space as elements.
pub(crate) fn scratch_of<T: bytemuck::Pod>(bytes: &mut [u8]) -> &mut [T] {
    bytemuck::pod_align_to_mut(bytes).1
}

/// A box as lines along one axis, the way kernels take them.
pub(crate) struct LineWalk {
    shape: Steps,
    reads: Steps,
    writes: Steps,
    lines: Lines,
}

type Steps = ArrayVec<usize, { MAX_RANK + 2 }>;

impl LineWalk {
    /// The lines of `dst` along `axis`, and of `src`, which is longer along that axis only.
    pub fn new(src: &View<'_>, dst: &ViewMut<'_>, axis: usize) -> Self {
        let (after, [from, to]) =
            merge_axes(&dst.shape()[axis + 1..], [&src.strides()[axis + 1..], &dst.strides()[axis + 1..]]);
        let last = after.len() - 1;
        let contiguous = after[last] == 1 || (from[last] == 1 && to[last] == 1);
        let (inner, stepped) = if contiguous { (after[last], last) } else { (1, last + 1) };
        // A row of one step closes the walk: the lines themselves are the innermost part.
        let steps = |before: &[usize], after: &[usize], step| -> Steps {
            before[..axis].iter().chain(&after[..stepped]).copied().chain([step]).collect()
        };
        LineWalk {
            shape: steps(dst.shape(), &after, 1),
            reads: steps(src.strides(), &from, 0),
            writes: steps(dst.strides(), &to, 0),
            lines: Lines {
                n: dst.shape()[axis],
                inner,
                src_stride: src.strides()[axis].max(inner),
                dst_stride: dst.strides()[axis].max(inner),
            },
        }
    }

    /// Calls `kernel(src offset, dst offset, lines)` for all lines that a kernel takes at once.
    pub fn for_each(&self, mut kernel: impl FnMut(usize, usize, Lines)) {
        if self.lines.n > 0 && self.lines.inner > 0 {
            for_each_row(&self.shape, [&self.reads, &self.writes], |[s, d], _| kernel(s, d, self.lines));
        }
    }
}

/// The axis that `axis=` names; the last one that filters act on where it is not given.
pub(crate) fn axis(args: &Args, spec: &ArraySpec) -> Result<usize> {
    let last = args.filter_axes(spec)?.last().map_or(-1, |&a| a as i64);
    args.axis("axis", spec, last)
}

/// The length of a window, or an error that names the range.
pub(crate) fn window_len(args: &Args, name: &str, value: i64) -> Result<usize> {
    if (1..=MAX_WINDOW).contains(&value) {
        return Ok(value as usize);
    }
    Err(args.error(format!("`{name}` is {value}, it lies in 1..={MAX_WINDOW}")))
}

/// A length, a mode and an origin for every axis whose window holds more than one element.
pub(crate) fn windows(args: &Args, spec: &ArraySpec, default_size: i64) -> Result<Vec<(usize, usize, Mode, i64)>> {
    let sizes = args.integer_per_axis("size", spec, default_size, 1)?;
    let modes = args.mode_per_axis("mode", spec)?;
    let origins = args.integer_per_axis("origin", spec, 0, 0)?;
    let mut windows = Vec::new();
    for axis in 0..spec.rank() {
        let len = window_len(args, "size", sizes[axis])?;
        if len > 1 {
            windows.push((axis, len, modes[axis], origins[axis]));
        }
    }
    Ok(windows)
}
