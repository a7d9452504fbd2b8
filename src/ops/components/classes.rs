//! Pixels as the component filters want them: 0 is background, 1 is foreground, 2 marks its component.

use crate::array::{ArraySpec, DType, Region, View, ViewMut, for_each_row};
use crate::error::Result;
use crate::graph::{Array, Cx, Need, TileOp};

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
        let shape = out.shape().to_vec();
        let strides = [weak.strides().to_vec(), strong.strides().to_vec(), out.strides().to_vec()];
        let (weak, strong, out) = (weak.typed::<u8>(), strong.typed::<u8>(), out.typed_mut::<u8>());
        for_each_row(&shape, [&strides[0], &strides[1], &strides[2]], |[w, s, o], len| {
            let row = out[o..o + len].iter_mut().zip(&weak[w..w + len]).zip(&strong[s..s + len]);
            row.for_each(|((out, weak), strong)| *out = weak << (weak & strong));
        });
        Ok(())
    }

    fn cost(&self) -> f64 {
        0.05
    }
}
