//! Histograms along axes where all of them together are large: each box of them is counted from the columns over it.

use super::{Span, bins_of, count_tile, edges, span_of};
use crate::array::{ArraySpec, Dims, Region, Scalar, View, ViewMut};
use crate::error::Result;
use crate::graph::{Cx, Need, TileOp};
use crate::kernels::histogram::UniformBins;
use crate::ops::reduce::{Along, put};
use crate::ops::window::{scratch_bytes, scratch_of};

/// The counts: the axes that stay, and the bins.
#[derive(Debug)]
pub(super) struct Columns {
    pub along: Along,
    pub nbins: usize,
    /// None for the range of the data: two scalars more.
    pub range: Option<(f64, f64)>,
}

impl Columns {
    fn bins(&self, cx: &Cx<'_>, inputs: &[View<'_>]) -> Result<UniformBins> {
        let span = match self.range {
            Some((lo, hi)) => Span { lo, hi, of_data: false },
            None => {
                let ends: Vec<Scalar> = inputs[1..].iter().map(|v| Scalar::from_bytes(v.dtype(), v.data())).collect();
                span_of("histogram", &ends)?
            }
        };
        bins_of(edges(span, self.nbins, cx.inputs[0].dtype))
    }
}

impl TileOp for Columns {
    fn name(&self) -> &'static str {
        "histogram"
    }

    fn need(&self, input: usize, out: &Region, _inputs: &[ArraySpec]) -> Need {
        match input {
            0 => self.along.need(out),
            _ => Need::inside(&Region::whole(&[])),
        }
    }

    fn scratch(&self, out: &[u64], _inputs: &[ArraySpec]) -> u64 {
        // The counts in C order, those of one column, and the edges of its bins, made twice.
        scratch_bytes::<i64>(out.iter().product::<u64>() as usize) + 4 * scratch_bytes::<u64>(self.nbins + 1)
    }

    fn run(&self, cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, scratch: &mut [u8]) -> Result<()> {
        let (bins, tile) = (self.bins(cx, inputs)?, &inputs[0]);
        let words = scratch_of::<u64>(scratch);
        let (column, counts) = words.split_at_mut(self.nbins);
        let last = cx.out.shape.len() - 1;
        let wanted = cx.out.start[last] as usize..(cx.out.start[last] + cx.out.shape[last]) as usize;
        let lengths: Dims = tile.shape().iter().map(|&n| n as u64).collect();
        for (over, counts) in self.along.columns(&lengths).zip(counts.chunks_exact_mut(wanted.len())) {
            column.fill(0);
            count_tile(&tile.sub(&over), &bins, column);
            counts.copy_from_slice(&column[wanted.clone()]);
        }
        put(out, |i| counts[i] as i64);
        Ok(())
    }

    fn cost(&self) -> f64 {
        EACH * self.along.column() as f64 / self.nbins as f64 + 0.5
    }

    fn box_cost(&self, out: &[u64]) -> f64 {
        // Of some bins every element is looked at as of all of them.
        let columns: u64 = out.iter().rev().skip(1).product();
        columns as f64 * (EACH * self.along.column() as f64 + 0.5 * self.nbins as f64)
    }
}

/// Nanoseconds to count an element.
const EACH: f64 = 4.0;
