//! The sweep that takes stock of the labels of an image: a sorted table of them, with what is decided by.

use super::keys::{CHUNK, for_each_run, key_of, keys, label_of, zero};
use crate::array::{ArraySpec, Column, DType, Region, Scalar, Spec, TableSpec, View, for_each_row};
use crate::error::{Error, Result};
use crate::graph::{Array, ScanCx, ScanOp, ScanState, Stores, TABLE_MEMORY, TableWriter, Value};
use crate::kernels::keyed::{Cell, Layout};
use crate::ops::measure::runs::{Records, Room};
use arrayvec::ArrayVec;
use std::any::Any;
use std::sync::Arc;

/// What a census is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The number of pixels: column `area`.
    Area,
    /// The largest mark (uint8), which streams by beside the labels: column `mark`.
    Mark,
    /// New numbers from `offset` on in the order of the labels, which that type must hold: column `number`.
    Numbers {
        /// The first number.
        offset: u64,
        /// The type of the numbers.
        dtype: DType,
    },
    /// Only the label with the most pixels, the first of several.
    Largest,
}

/// One row per label that is not 0, or pair of labels that are not both 0, in their order.
#[derive(Clone, Debug)]
struct Census {
    name: &'static str,
    /// The types of the label images.
    dtypes: ArrayVec<DType, 2>,
    asked: Asked,
    table: TableSpec,
    layout: Layout,
    room: Room,
    held: u64,
}

/// The census of one label image, or of two of the same shape; `marks` stream by beside them where they are asked for.
pub(super) fn census(name: &'static str, labels: &[&Array], marks: Option<&Array>, asked: Asked) -> Array {
    let dtypes: ArrayVec<DType, 2> = labels.iter().filter_map(|l| l.dtype()).collect();
    let op = Census::new(name, dtypes, asked, Room::USUAL, TABLE_MEMORY);
    let output = vec![Spec::Table(op.table.clone())];
    let inputs = labels.iter().copied().chain(marks).cloned().collect();
    Array::scan(op, inputs, output, &[])
}

impl Census {
    fn new(name: &'static str, dtypes: ArrayVec<DType, 2>, asked: Asked, room: Room, held: u64) -> Self {
        let wide = |dtype: DType| if dtype.is_signed_integer() { DType::I64 } else { DType::U64 };
        let named = ["label", "label_2"].iter().zip(&dtypes);
        let mut columns: Vec<Column> =
            named.map(|(name, &dtype)| Column { name: name.to_string(), dtype: wide(dtype) }).collect();
        let own = match asked {
            Asked::Area | Asked::Largest => "area",
            Asked::Mark => "mark",
            Asked::Numbers { .. } => "number",
        };
        columns.push(Column { name: own.to_string(), dtype: DType::U64 });
        let mut layout = Layout::new(dtypes.len());
        if asked == Asked::Mark {
            layout.add(Cell::Most);
        }
        Census { name, dtypes, asked, table: TableSpec { columns }, layout, room, held }
    }

    fn streams(&self) -> usize {
        self.dtypes.len() + usize::from(self.asked == Asked::Mark)
    }

    fn row(&self, record: &[u64], last: u64) -> Vec<Scalar> {
        let key = |(&key, &dtype): (&u64, &DType)| match dtype.is_signed_integer() {
            true => Scalar::of(label_of(key, dtype) as i64),
            false => Scalar::of(key),
        };
        record.iter().zip(&self.dtypes).map(key).chain([Scalar::of(last)]).collect()
    }
}

impl ScanOp for Census {
    fn name(&self) -> &'static str {
        self.name
    }

    fn streams(&self) -> usize {
        Census::streams(self)
    }

    fn state_bytes(&self, _input: &ArraySpec) -> u64 {
        self.room.state_bytes(&self.layout)
    }

    fn scratch(&self, input: &ArraySpec) -> u64 {
        // Every pixel its own label, a level of the merge beside the one before, and the table.
        let words = 2 * self.layout.words() + self.table.columns.len();
        input.elements().saturating_mul(8 * words as u64)
    }

    fn finish_bytes(&self, _input: &ArraySpec) -> u64 {
        self.room.merge_bytes(&self.layout) + (16 << 10)
    }

    fn begin(&self, cx: &ScanCx<'_>) -> Result<Box<dyn ScanState>> {
        let records = Records::new(self.layout.clone(), self.room, cx.stores.clone())?;
        Ok(Box::new(State { op: self.clone(), records, others: Vec::new(), stores: cx.stores.clone() }))
    }
}

struct State {
    op: Census,
    records: Records,
    others: Vec<Records>,
    stores: Stores,
}

impl State {
    /// Takes the pixels of a run in: the words of their labels, their number, their largest mark.
    #[inline]
    fn take(&mut self, key: &[u64], background: &[u64], pixels: u64, mark: u64) -> Result<()> {
        if key == background {
            return Ok(());
        }
        for (&word, &dtype) in key.iter().zip(&self.op.dtypes) {
            if word < zero(dtype) {
                let label = label_of(word, dtype);
                return Err(Error::op(self.op.name, format!("there is a label {label}; labels must not be negative")));
            }
        }
        let record = self.records.find(key)?;
        record[key.len()] += pixels;
        if let Some(most) = record.get_mut(key.len() + 1) {
            *most = (*most).max(mark);
        }
        Ok(())
    }
}

impl ScanState for State {
    fn fold(&mut self, _at: &Region, tiles: &[View<'_>]) -> Result<()> {
        let labels = self.op.dtypes.len();
        let background: ArrayVec<u64, 2> = self.op.dtypes.iter().map(|&d| zero(d)).collect();
        let step = |view: &View<'_>| view.strides().last().copied().unwrap_or(1);
        // What is not there stands still at the labels.
        let view = |k: usize| tiles.get(k).unwrap_or(&tiles[0]);
        let views = [view(0), view(1), view(2)];
        let mut words = [[0u64; CHUNK]; 3];
        let mut done = Ok(());
        for_each_row(views[0].shape(), views.map(View::strides), |firsts, n| {
            for start in (0..n).step_by(CHUNK) {
                let m = CHUNK.min(n - start);
                for (k, tile) in tiles.iter().enumerate() {
                    keys(tile, firsts[k] + start * step(tile), step(tile), &mut words[k][..m]);
                }
                let [first, second, third] = &words;
                let marks = if labels == 2 { third } else { second };
                let mut each = |run: std::ops::Range<usize>| {
                    if done.is_err() {
                        return;
                    }
                    let mark = match tiles.len() > labels {
                        true => marks[run.clone()].iter().copied().max().unwrap_or(0),
                        false => 0,
                    };
                    let key = [first[run.start], second[run.start]];
                    done = self.take(&key[..labels], &background, run.len() as u64, mark);
                };
                match labels {
                    1 => for_each_run([&first[..m]], &mut each),
                    _ => for_each_run([&first[..m], &second[..m]], &mut each),
                }
            }
        });
        done
    }

    fn merge(&mut self, other: Box<dyn ScanState>) {
        if let Ok(mut other) = other.into_any().downcast::<State>() {
            self.others.append(&mut other.others);
            self.others.push(other.records);
        }
    }

    fn finish(self: Box<Self>) -> Result<Vec<Value>> {
        let State { op, records, mut others, stores } = *self;
        others.insert(0, records);
        let mut writer = TableWriter::new(op.table.clone(), op.held, stores)?;
        let count = op.layout.count();
        let mut largest: Option<Vec<u64>> = None;
        let mut rows = 0;
        if let Some(mut merged) = Records::merge(others)? {
            while let Some(record) = merged.next()? {
                let last = match op.asked {
                    Asked::Area => record[count],
                    Asked::Mark => record[count + 1],
                    Asked::Numbers { offset, dtype } => number(op.name, offset, rows, dtype)?,
                    Asked::Largest => {
                        if largest.as_ref().is_none_or(|l| record[count] > l[count]) {
                            largest = Some(record.to_vec());
                        }
                        continue;
                    }
                };
                rows += 1;
                writer.push(&op.row(record, last))?;
            }
        }
        if let Some(record) = largest {
            writer.push(&op.row(&record, record[count]))?;
        }
        Ok(vec![Value::Table(Arc::new(writer.finish()?))])
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// The new number of the label after `rows` others.
fn number(name: &'static str, offset: u64, rows: u64, dtype: DType) -> Result<u64> {
    let number = offset.saturating_add(rows);
    let fits = dtype.integer_range().is_some_and(|(_, most)| i128::from(number) <= most);
    match fits && key_of(number.into(), dtype).is_some() {
        true => Ok(number),
        false => {
            Err(Error::op(name, format!("labels go up to {number} or more, which {dtype} cannot hold; cast first")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::grid_len;
    use crate::graph::testing::Appended;
    use crate::graph::{Store, Table};
    use crate::kernels::testing::Rng;
    use std::collections::BTreeMap;

    fn taken(op: &Census, tile: &[u64], workers: usize, arrays: &[(DType, Vec<u8>)], shape: &[u64]) -> Result<Table> {
        let stores: Stores = Arc::new(|| Ok(Arc::new(Appended::default()) as Arc<dyn Store>));
        let specs: Vec<ArraySpec> = arrays.iter().map(|(d, _)| ArraySpec::unnamed(shape, *d)).collect();
        let cx = ScanCx { inputs: &specs, scalars: &[], arrays: &[], stores: &stores };
        let mut states: Vec<_> = (0..workers).map(|_| op.begin(&cx).unwrap()).collect();
        let views: Vec<View<'_>> = arrays.iter().map(|(d, bytes)| View::new(*d, shape, bytes)).collect();
        for i in 0..grid_len(shape, tile) {
            let at = Region::tile(shape, tile, i);
            let tiles: Vec<View<'_>> = views.iter().map(|v| v.sub(&at)).collect();
            states[i as usize % workers].fold(&at, &tiles)?;
        }
        let mut first = states.remove(0);
        states.into_iter().for_each(|other| first.merge(other));
        match first.finish()?.remove(0) {
            Value::Table(table) => Ok(Arc::into_inner(table).unwrap()),
            Value::Array(_) => panic!("no table"),
        }
    }

    #[test]
    fn pairs_are_numbered_in_their_order() {
        let mut rng = Rng::new(4);
        let one: Vec<i32> = (0..3000).map(|_| rng.below(40) as i32).collect();
        let two: Vec<u16> = (0..3000).map(|_| rng.below(30) as u16).collect();
        let mut wanted: BTreeMap<(i32, u16), u64> = BTreeMap::new();
        one.iter().zip(&two).filter(|p| (*p.0, *p.1) != (0, 0)).for_each(|(&a, &b)| {
            wanted.insert((a, b), 0);
        });
        wanted.values_mut().enumerate().for_each(|(i, n)| *n = i as u64 + 1);
        let dtypes = [DType::I32, DType::U16].into_iter().collect();
        let asked = Asked::Numbers { offset: 1, dtype: DType::U32 };
        let arrays =
            [(DType::I32, bytemuck::cast_slice(&one).to_vec()), (DType::U16, bytemuck::cast_slice(&two).to_vec())];
        let op = Census::new("test", dtypes, asked, Room { table: 2000, page: 300, fan: 2 }, 500);
        let table = taken(&op, &[7, 9], 3, &arrays, &[60, 50]).unwrap();
        assert!(!table.is_in_memory());
        let row = |i| (0..3).map(|c| table.get(c, i).unwrap().to_i128().unwrap()).collect::<Vec<i128>>();
        assert_eq!(table.rows, wanted.len() as u64);
        for (i, (&(a, b), &n)) in wanted.iter().enumerate() {
            assert_eq!(row(i as u64), [a.into(), b.into(), n.into()]);
        }
    }

    #[test]
    fn labels_below_zero_and_numbers_too_large_are_refused() {
        let op = |asked| Census::new("test", [DType::I8].into_iter().collect(), asked, Room::USUAL, 500);
        let bytes = |labels: [i8; 3]| [(DType::I8, bytemuck::cast_slice(&labels).to_vec())];
        let refused = |asked, labels| taken(&op(asked), &[3], 1, &bytes(labels), &[3]).unwrap_err().to_string();
        assert!(refused(Asked::Area, [1, -2, 0]).contains("-2"));
        let numbers = Asked::Numbers { offset: 126, dtype: DType::I8 };
        assert!(refused(numbers, [1, 2, 3]).contains("128"));
        assert!(taken(&op(numbers), &[3], 1, &bytes([1, 2, 0]), &[3]).is_ok());
    }
}
