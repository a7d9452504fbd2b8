//! Pixels as the component filters want them: 0 is background, 1 is foreground, 2 marks its component.

use crate::array::{ArraySpec, DType, Region, View, ViewMut};
use crate::error::Result;
use crate::graph::{Array, Cx, Need, TileOp};
use crate::ops::elementwise::rows::{Feed, zip};

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
        zip(&weak, &strong, out, |weak: u8, strong: u8| weak << (weak & strong));
        Ok(())
    }

    fn cost(&self) -> f64 {
        0.05
    }
}
