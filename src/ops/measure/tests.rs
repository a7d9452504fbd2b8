//! Tables that outgrow tiny memories are those of large ones.

use super::fields::Fields;
use super::property::{Property, columns};
use super::runs::Room;
use super::scan::Measure;
use crate::array::{ArraySpec, DType, Region, TableSpec, View, grid_len};
use crate::graph::testing::Appended;
use crate::graph::{ScanCx, ScanOp, Store, Stores, Table, Value};
use crate::kernels::testing::Rng;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn op(spec: &ArraySpec, room: Room, held: u64) -> Measure {
    let ranks = [Property::Median].into_iter().chain(Property::from_name("intensity_percentile-12.5"));
    let properties: Vec<Property> =
        [Property::Label, Property::Area, Property::Centroid, Property::Bbox, Property::Std, Property::Min]
            .into_iter()
            .chain([Property::Solidity, Property::FeretMax])
            .chain(ranks)
            .collect();
    let dtypes = [DType::F32];
    let axes: Vec<usize> = (0..spec.rank()).collect();
    let table = TableSpec { columns: columns(&properties, axes.len(), &dtypes, false) };
    let fields = Fields::new(&properties, spec, axes, &dtypes);
    Measure { fields, properties, spec: spec.clone(), table, streams: 2, room, held }
}

/// The columns, by whichever of `workers` states folds each tile; and how many files that took.
fn measured(op: &Measure, tile: &[u64], workers: usize, labels: &[u32], values: &[f32]) -> (Vec<Vec<u8>>, usize) {
    let files = Arc::new(AtomicUsize::new(0));
    let counted = files.clone();
    let stores: Stores = Arc::new(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        Ok(Arc::new(Appended::default()) as Arc<dyn Store>)
    });
    let inputs = [op.spec.clone(), op.spec.with_dtype(DType::F32)];
    let cx = ScanCx { inputs: &inputs, scalars: &[], arrays: &[], stores: &stores };
    let mut states: Vec<_> = (0..workers).map(|_| op.begin(&cx).unwrap()).collect();
    let labels = View::new(DType::U32, &op.spec.shape, bytemuck::cast_slice(labels));
    let values = View::new(DType::F32, &op.spec.shape, bytemuck::cast_slice(values));
    for i in 0..grid_len(&op.spec.shape, tile) {
        let at = Region::tile(&op.spec.shape, tile, i);
        states[i as usize % workers].fold(&at, &[labels.sub(&at), values.sub(&at)]).unwrap();
    }
    let mut first = states.remove(0);
    states.into_iter().for_each(|other| first.merge(other));
    let results = first.finish().unwrap();
    let Value::Table(table) = &results[0] else { panic!("no table") };
    (bytes(table), files.load(Ordering::Relaxed))
}

fn bytes(table: &Table) -> Vec<Vec<u8>> {
    let read = |(at, column): (usize, &crate::array::Column)| {
        let mut out = vec![0; table.rows as usize * column.dtype.size()];
        table.read(at, 0, &mut out).unwrap();
        out
    };
    table.spec.columns.iter().enumerate().map(read).collect()
}

fn elements<T: bytemuck::Pod>(bytes: &[u8]) -> Vec<T> {
    bytes.chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned).collect()
}

#[test]
fn records_on_scratch_are_merged_level_by_level() {
    let mut rng = Rng::new(11);
    for (kinds, room) in [
        (400, Room { table: 0, page: 1, fan: 2 }),
        (3000, Room { table: 3000, page: 700, fan: 3 }),
        (10, Room { table: 2000, page: 100, fan: 2 }),
    ] {
        let spec = ArraySpec::unnamed(&[60, 50], DType::U32);
        let labels: Vec<u32> = (0..3000).map(|_| rng.below(kinds) as u32 * 65_537).collect();
        let values: Vec<f32> = (0..3000).map(|_| (rng.unit() * 100.0) as f32).collect();
        let (wanted, files) = measured(&op(&spec, Room::USUAL, 1 << 20), &[60, 50], 1, &labels, &values);
        assert_eq!(files, 0);
        let (got, files) = measured(&op(&spec, room, 200), &[7, 9], 3, &labels, &values);
        assert!(got == wanted, "{kinds} {room:?}");
        assert!(files > 0, "{kinds} {room:?}");
    }
}

#[test]
fn rows_are_what_a_plain_loop_finds() {
    let mut rng = Rng::new(12);
    let spec = ArraySpec::unnamed(&[13, 40], DType::U32);
    let labels: Vec<u32> = (0..520).map(|_| rng.below(5) as u32).collect();
    let values: Vec<f32> = (0..520).map(|_| rng.below(100) as f32).collect();
    let (got, _) = measured(&op(&spec, Room::USUAL, 1 << 20), &[5, 6], 2, &labels, &values);
    let column = |at: usize| elements::<f64>(&got[at]);
    for label in 1..5usize {
        let own: Vec<usize> = (0..520).filter(|&i| labels[i] as usize == label).collect();
        let n = own.len() as f64;
        let mean = own.iter().map(|&i| f64::from(values[i])).sum::<f64>() / n;
        let var = own.iter().map(|&i| (f64::from(values[i]) - mean).powi(2)).sum::<f64>() / n;
        let count = elements::<u64>(&got[1])[label - 1];
        assert_eq!(count, own.len() as u64);
        let y = own.iter().map(|&i| (i / 40) as f64).sum::<f64>() / n;
        assert!((column(2)[label - 1] - y).abs() < 1e-12);
        assert!((column(8)[label - 1] - var.sqrt()).abs() < 1e-9);
        let least = own.iter().map(|&i| values[i]).fold(f32::MAX, f32::min);
        assert_eq!(elements::<f32>(&got[9])[label - 1], least);
    }
}
