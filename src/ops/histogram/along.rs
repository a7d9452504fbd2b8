//! Histograms along axes: one for every position of the axes that stay, all over the same bins, in one sweep.

use super::columns::Columns;
use super::{Span, bins_of, count_tile, edges, merge_counts, span_of, vector, whole};
use crate::array::{ArraySpec, Column, DType, Dims, Region, Scalar, Spec, TableSpec, View};
use crate::error::Result;
use crate::graph::{Array, MemArray, ScanCx, ScanOp, ScanState, Stores, TABLE_MEMORY, TableWriter, Value};
use crate::kernels::histogram::UniformBins;
use crate::ops::Args;
use crate::ops::reduce::{Along, Extents, range};
use std::any::Any;
use std::sync::Arc;

#[derive(Clone, Debug)]
struct Histograms {
    along: Along,
    nbins: usize,
    range: Option<(f64, f64)>,
    counts: ArraySpec,
    table: TableSpec,
}

/// Bytes of counts that every worker can hold.
const MOST: u64 = 4 << 20;

/// The histograms along the axes that `axis=` names.
///
/// # Errors
/// When the array has no such axis.
pub(super) fn along(
    args: &Args,
    input: &Array,
    spec: &ArraySpec,
    nbins: usize,
    range_given: Option<(f64, f64)>,
) -> Result<Array> {
    let along = Along::read(args, spec)?;
    let kept: Vec<usize> = (0..spec.rank()).filter(|&a| !along.reduced[a]).collect();
    let shape: Dims = kept.iter().map(|&a| spec.shape[a]).chain([nbins as u64]).collect();
    let mut inputs = vec![input.clone()];
    if range_given.is_none() {
        inputs.extend(range(input));
    }
    let counts = ArraySpec::unnamed(&shape, DType::I64);
    if counts.bytes() > MOST {
        let op = Columns { along, nbins, range: range_given };
        let edges = whole(input, spec, nbins, range_given).output("bin_edges")?;
        return Ok(Array::tile(op, inputs, counts).with_related(vec![("bin_edges", edges)]));
    }
    let column = |name: String, dtype| Column { name, dtype };
    let mut columns: Vec<Column> = kept.iter().map(|&a| column(spec.axes[a].name.to_string(), DType::U64)).collect();
    let ends = [("bin_left", DType::F64), ("bin_right", DType::F64), ("count", DType::I64)];
    columns.extend(ends.map(|(name, dtype)| column(name.to_string(), dtype)));
    let op = Histograms { along, nbins, range: range_given, counts, table: TableSpec { columns } };
    let outputs = vec![
        Spec::Array(op.counts.clone()),
        Spec::Array(ArraySpec::unnamed(&[nbins as u64 + 1], DType::F64)),
        Spec::Table(op.table.clone()),
    ];
    Ok(Array::scan(op, inputs, outputs, &["counts", "bin_edges", "table"]))
}

impl ScanOp for Histograms {
    fn name(&self) -> &'static str {
        "histogram"
    }

    fn state_bytes(&self, _input: &ArraySpec) -> u64 {
        self.counts.bytes().saturating_add(8 * (self.nbins as u64 + 1))
    }

    fn scratch(&self, _input: &ArraySpec) -> u64 {
        let row: usize = self.table.columns.iter().map(|c| c.dtype.size()).sum();
        self.counts.elements().saturating_mul(row as u64)
    }

    fn finish_bytes(&self, _input: &ArraySpec) -> u64 {
        self.counts.bytes().saturating_add(TABLE_MEMORY + 16 * (self.nbins as u64 + 1))
    }

    fn begin(&self, cx: &ScanCx<'_>) -> Result<Box<dyn ScanState>> {
        let span = match self.range {
            Some((lo, hi)) => Span { lo, hi, of_data: false },
            None => span_of("histogram", cx.scalars)?,
        };
        Ok(Box::new(Counts {
            bins: bins_of(edges(span, self.nbins, cx.input().dtype))?,
            held: vec![0; self.counts.elements() as usize],
            cells: self.along.cell_strides(&self.along.shape),
            op: self.clone(),
            stores: cx.stores.clone(),
        }))
    }
}

/// What one worker has counted: bin by bin of every histogram.
struct Counts {
    op: Histograms,
    bins: UniformBins,
    held: Vec<u64>,
    cells: Extents,
    stores: Stores,
}

impl ScanState for Counts {
    fn fold(&mut self, at: &Region, tiles: &[View<'_>]) -> Result<()> {
        for column in self.op.along.columns(&at.shape) {
            let position = column.start.iter().zip(&at.start).zip(&self.cells);
            let cell: usize = position.map(|((&i, &first), &stride)| (i + first) as usize * stride).sum();
            let counts = &mut self.held[cell * self.op.nbins..][..self.op.nbins];
            count_tile(&tiles[0].sub(&column), &self.bins, counts);
        }
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn ScanState>) {
        if let Ok(other) = other.into_any().downcast::<Counts>() {
            merge_counts(&mut self.held, &other.held);
        }
    }

    fn finish(self: Box<Self>) -> Result<Vec<Value>> {
        let Counts { op, bins, held, stores, .. } = *self;
        let mut counts = MemArray::zeros(op.counts.clone())?;
        let bytes = counts.data.bytes_mut().chunks_exact_mut(8);
        bytes.zip(&held).for_each(|(to, &count)| to.copy_from_slice(&(count as i64).to_ne_bytes()));
        let mut table = TableWriter::new(op.table.clone(), TABLE_MEMORY, stores)?;
        let ones: Dims = op.counts.shape.iter().map(|_| 1).collect();
        let (shape, edges) = (&op.counts.shape, bins.edges());
        let mut row: Vec<Scalar> = Vec::with_capacity(op.table.columns.len());
        for (i, &count) in held.iter().enumerate() {
            row.clear();
            let at = Region::tile(shape, &ones, i as u64).start;
            row.extend(at[..at.len() - 1].iter().map(|&i| Scalar::of(i)));
            let bin = i % op.nbins;
            row.extend([Scalar::of(edges[bin]), Scalar::of(edges[bin + 1]), Scalar::of(count as i64)]);
            table.push(&row)?;
        }
        Ok(vec![Value::Array(Arc::new(counts)), vector(edges)?, Value::Table(Arc::new(table.finish()?))])
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
