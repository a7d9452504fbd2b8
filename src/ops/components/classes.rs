//! Pixels as the component filters want them: 0 is background, 1 is foreground, 2 marks its component.

use crate::array::{ArraySpec, DType, MAX_RANK, Region, View, ViewMut, for_each_row};
use crate::error::Result;
use crate::graph::{Array, Cx, Need, TileOp};
use crate::ops::elementwise::rows::{Feed, zip};
use arrayvec::ArrayVec;

/// 2 where both masks are set, 1 where only the first is.
pub(super) fn weak_and_strong(weak: &Array, strong: &Array, spec: &ArraySpec) -> Array {
    Array::tile(WeakAndStrong, vec![weak.clone(), strong.clone()], spec.with_dtype(DType::U8))
}

#[derive(Debug)]
struct WeakAndStrong;

impl TileOp for WeakAndStrong {
    fn name(&self) -> &'static str {
        "weak_and_strong"
    }

    fn need(&self, _input: usize, out: &Region, _inputs: &[ArraySpec]) -> Need {
        Need::inside(out)
    }

    fn run(&self, _cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, _scratch: &mut [u8]) -> Result<()> {
        let [weak, strong] = inputs else { return Ok(()) };
        let (weak, strong) = (Feed::Rows(weak.clone()), Feed::Rows(strong.clone()));
        zip(&weak, &strong, out, |weak: u8, strong: u8| u8::from(weak != 0) << u8::from(strong != 0));
        Ok(())
    }

    fn cost(&self) -> f64 {
        0.05
    }
}

/// 2 where the mask is set within `width` pixels of an edge along one of the axes, 1 where it is set elsewhere.
pub(super) fn bordered(mask: &Array, spec: &ArraySpec, axes: &[usize], width: u64) -> Array {
    let along = (0..spec.rank()).map(|axis| axes.contains(&axis)).collect();
    Array::tile(Bordered { along, width }, vec![mask.clone()], spec.with_dtype(DType::U8))
}

#[derive(Debug)]
struct Bordered {
    /// Whether the ends of each axis are edges.
    along: Vec<bool>,
    width: u64,
}

impl Bordered {
    /// Whether a coordinate lies at an edge.
    fn is_edge(&self, axis: usize, at: u64, extent: u64) -> bool {
        self.along[axis] && (at < self.width || at >= extent.saturating_sub(self.width))
    }

    /// The columns of a row that are not at its ends.
    fn inside(&self, out: &Region, extent: u64) -> std::ops::Range<usize> {
        let axis = out.rank() - 1;
        let (start, len) = (out.start[axis], out.shape[axis]);
        if !self.along[axis] {
            return 0..len as usize;
        }
        let from = self.width.saturating_sub(start).min(len);
        let to = extent.saturating_sub(self.width).saturating_sub(start).min(len);
        from as usize..to.max(from) as usize
    }
}

impl TileOp for Bordered {
    fn name(&self) -> &'static str {
        "bordered"
    }

    fn need(&self, _input: usize, out: &Region, _inputs: &[ArraySpec]) -> Need {
        Need::inside(out)
    }

    fn run(&self, cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, _scratch: &mut [u8]) -> Result<()> {
        let [mask] = inputs else { return Ok(()) };
        let shape = &cx.output.shape;
        let (lead, inside) = (cx.out.rank() - 1, self.inside(cx.out, shape[cx.out.rank() - 1]));
        let strides: ArrayVec<usize, MAX_RANK> = out.strides().iter().copied().collect();
        let sizes: ArrayVec<usize, MAX_RANK> = out.shape().iter().copied().collect();
        let (from, to) = (mask.typed::<u8>(), out.typed_mut::<u8>());
        let mut number = 0;
        for_each_row(&sizes, [mask.strides(), &strides], |[source, target], len| {
            let mut rest = number;
            let edge = (0..lead).rev().any(|axis| {
                let at = cx.out.start[axis] + rest % cx.out.shape[axis];
                rest /= cx.out.shape[axis];
                self.is_edge(axis, at, shape[axis])
            });
            number += 1;
            let row = &mut to[target..target + len];
            row.iter_mut().zip(&from[source..source + len]).for_each(|(out, set)| *out = u8::from(*set != 0) << 1);
            let plain = if edge { 0..0 } else { inside.clone() };
            row[plain].iter_mut().for_each(|pixel| *pixel >>= 1);
        });
        Ok(())
    }

    fn cost(&self) -> f64 {
        0.1
    }
}
