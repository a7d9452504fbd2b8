//! The sweep that measures groups of pixels: records by group, and where values are asked for counts by group and value.

use super::cells::{Asked, Cells, Port};
use super::groups::{Groups, background, label};
use crate::array::{
    ArraySpec, Column, DType, MAX_RANK, Region, Scalar, Spec, TableSpec, View, for_each_row_at, with_dtype,
};
use crate::error::{Error, Result};
use crate::graph::{Array, MemArray, ScanCx, ScanOp, ScanState, Stores, TABLE_MEMORY, TableWriter, Value};
use crate::kernels::keyed::Layout;
use crate::ops::measure::pixel::{Pixel, count_values, of_key};
use crate::ops::measure::runs::{Group, Records, Room};
use crate::ops::relabel::keys::{CHUNK, for_each_run, keys};
use arrayvec::ArrayVec;
use std::any::Any;
use std::sync::Arc;

/// Groups of pixels, measured.
#[derive(Clone, Debug)]
pub(super) struct Labelled {
    pub name: &'static str,
    pub cells: Cells,
    pub groups: Groups,
    /// The type of the values, where they are looked at.
    pub values: Option<DType>,
    /// The type of the labels, where there are any.
    pub labels: Option<DType>,
    /// What groups without pixels get; then all results are float64.
    pub default: Option<f64>,
    pub room: Room,
    /// Bytes of a table that stay in memory.
    pub held: u64,
}

/// Counts by group and value.
fn pairs() -> Layout {
    Layout::new(2)
}

impl Labelled {
    /// What runs use.
    pub const ROOM: Room = Room { table: 512 << 10, ..Room::USUAL };
    /// What runs use.
    pub const HELD: u64 = TABLE_MEMORY;

    fn ports(&self) -> Vec<Port> {
        let mut ports = self.cells.ports();
        if self.default.is_some() {
            ports.iter_mut().for_each(|port| port.dtype = DType::F64);
        }
        ports
    }

    /// The node, and the names of its outputs.
    pub fn array(self, inputs: Vec<Array>) -> Array {
        let names: &'static [&'static str] = match (&self.groups, &self.cells.asked) {
            (Groups::Each { .. }, _) => &[],
            (_, Asked::Extrema) => &["minimum", "maximum", "minimum_position", "maximum_position"],
            _ => &[],
        };
        let outputs = match &self.groups {
            Groups::Each { .. } => vec![Spec::Table(self.table())],
            _ => self.ports().iter().map(|port| Spec::Array(self.output(port))).collect(),
        };
        Array::scan(self, inputs, outputs, names)
    }

    fn table(&self) -> TableSpec {
        let mut columns = vec![Column { name: "label".into(), dtype: DType::U64 }];
        for port in self.ports() {
            let named = |name: String| Column { name, dtype: port.dtype };
            match port.each {
                None => columns.push(named(port.name.into())),
                Some(n) => columns.extend((0..n).map(|i| named(format!("{}-{i}", port.name)))),
            }
        }
        TableSpec { columns }
    }

    fn output(&self, port: &Port) -> ArraySpec {
        let mut shape = match &self.groups {
            Groups::Listed(index) => index.shape.clone(),
            _ => ArraySpec::scalar(port.dtype).shape,
        };
        shape.extend(port.each.map(|n| n as u64));
        ArraySpec::unnamed(&shape, port.dtype)
    }

    /// Whether the values are kept, by group and value.
    fn keeps_values(&self) -> bool {
        matches!(self.cells.asked, Asked::Median | Asked::Own(_))
    }

    /// What the sorted values of a group give, of which there are so many.
    fn of_sorted(&self, sorted: &mut Group, group: u64, pixels: u64) -> Result<f64> {
        match &self.cells.asked {
            Asked::Own(own) => own.of(sorted, self.cells.dtype, group, pixels),
            _ => median(sorted, self.cells.dtype, group, pixels),
        }
    }

    /// The results of a group, or of none.
    fn row(&self, record: Option<&[u64]>, of_sorted: Option<f64>) -> Result<Vec<Scalar>> {
        let mut row = Vec::new();
        match (of_sorted, self.default) {
            (Some(result), _) => row.push(Scalar::of(result)),
            (None, Some(default)) if record.is_none() => row.push(Scalar::of(default)),
            _ if record.is_none() && self.keeps_values() => row.push(Scalar::of(f64::NAN)),
            _ => self.cells.put(self.name, record, &mut row)?,
        }
        if self.default.is_some() {
            row.iter_mut().for_each(|value| *value = Scalar::of(value.to_f64()));
        }
        Ok(row)
    }
}

impl ScanOp for Labelled {
    fn name(&self) -> &'static str {
        self.name
    }

    fn streams(&self) -> usize {
        usize::from(self.values.is_some()) + usize::from(self.labels.is_some())
    }

    fn state_bytes(&self, _input: &ArraySpec) -> u64 {
        let values = if self.keeps_values() { self.room.state_bytes(&pairs()) } else { 0 };
        self.room.state_bytes(&self.cells.layout) + values
    }

    fn scratch(&self, input: &ArraySpec) -> u64 {
        // Every pixel its own record, and a level of the merge beside the one before.
        let values = if self.keeps_values() { pairs().words() } else { 0 };
        let row: usize = self.table().columns.iter().map(|c| c.dtype.size()).sum();
        input.elements().saturating_mul(16 * (self.cells.layout.words() + values) as u64 + row as u64)
    }

    fn finish_bytes(&self, _input: &ArraySpec) -> u64 {
        let values = if self.keeps_values() { self.room.merge_bytes(&pairs()) } else { 0 };
        let results = match &self.groups {
            // The results by group, before they go to their places.
            Groups::Listed(index) => {
                let row: usize = self.ports().iter().map(|p| p.dtype.size() * p.each.unwrap_or(1)).sum();
                (row * index.groups.len()) as u64
            }
            _ => 0,
        };
        self.room.merge_bytes(&self.cells.layout) + values + results + (16 << 10)
    }

    fn begin(&self, cx: &ScanCx<'_>) -> Result<Box<dyn ScanState>> {
        let known = Known {
            groups: Records::new(self.cells.layout.clone(), self.room, cx.stores.clone())?,
            values: match self.keeps_values() {
                true => Some(Records::new(pairs(), self.room, cx.stores.clone())?),
                false => None,
            },
        };
        Ok(Box::new(State { op: self.clone(), known, others: Vec::new(), stores: cx.stores.clone() }))
    }
}

/// What one worker has seen.
struct Known {
    groups: Records,
    values: Option<Records>,
}

struct State {
    op: Labelled,
    known: Known,
    others: Vec<Known>,
    stores: Stores,
}

impl ScanState for State {
    fn fold(&mut self, at: &Region, tiles: &[View<'_>]) -> Result<()> {
        let (values, rest) = tiles.split_at(usize::from(self.op.values.is_some()));
        match values.first() {
            Some(view) => {
                with_dtype!(view.dtype(), V => rows::<V>(&self.op, &mut self.known, at, Some(view), rest.first()))
            }
            None => rows::<u8>(&self.op, &mut self.known, at, None, rest.first()),
        }
    }

    fn merge(&mut self, other: Box<dyn ScanState>) {
        if let Ok(mut other) = other.into_any().downcast::<State>() {
            self.others.append(&mut other.others);
            self.others.push(other.known);
        }
    }

    fn finish(self: Box<Self>) -> Result<Vec<Value>> {
        let State { op, known, mut others, stores } = *self;
        others.insert(0, known);
        let (mut groups, mut values) = (Vec::new(), Vec::new());
        for known in others {
            groups.push(known.groups);
            values.extend(known.values);
        }
        let mut results = Results::new(&op, stores)?;
        let mut sorted = Records::merge(values)?.map(Group::new);
        if let Some(mut merged) = Records::merge(groups)? {
            while let Some(record) = merged.next()? {
                let count = record[op.cells.layout.count()];
                let of_sorted = sorted.as_mut().map(|sorted| op.of_sorted(sorted, record[0], count)).transpose()?;
                results.take(record[0], op.row(Some(record), of_sorted)?)?;
            }
        }
        results.finish()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Takes a box in, row by row.
fn rows<V: Pixel>(
    op: &Labelled,
    known: &mut Known,
    at: &Region,
    values: Option<&View<'_>>,
    labels: Option<&View<'_>>,
) -> Result<()> {
    let Some(lead) = values.or(labels) else { return Ok(()) };
    let Some(last) = lead.rank().checked_sub(1) else { return Ok(()) };
    let (value_view, label_view) = (values.unwrap_or(lead), labels.unwrap_or(lead));
    let data: &[V] = values.map_or(&[], |view| view.typed::<V>());
    let (value_step, label_step) = (value_view.strides()[last], label_view.strides()[last]);
    let background = background(op.labels);
    let whole = op.cells.strides();
    let mut coordinates: ArrayVec<u64, MAX_RANK> = at.start.iter().copied().collect();
    let (mut words, mut block) = ([0u64; CHUNK], [V::default(); CHUNK]);
    let mut done = Ok(());
    for_each_row_at(lead.shape(), [value_view.strides(), label_view.strides()], |index, [v, l], n| {
        coordinates.iter_mut().zip(&at.start).zip(index).for_each(|((c, &s), &i)| *c = s + i as u64);
        let number: u64 = coordinates.iter().zip(&whole).map(|(c, s)| c * s).sum();
        for start in (0..n).step_by(CHUNK) {
            let m = CHUNK.min(n - start);
            if labels.is_some() {
                keys(label_view, l + start * label_step, label_step, &mut words[..m]);
            }
            let near: &[V] = match values {
                None => &[],
                Some(_) if value_step == 1 => &data[v + start..v + start + m],
                Some(_) => {
                    (0..m).for_each(|i| block[i] = data[v + (start + i) * value_step]);
                    &block[..m]
                }
            };
            for_each_run([&words[..m]], |run| {
                let Some(group) = op.groups.of(words[run.start], background).filter(|_| done.is_ok()) else { return };
                let along = (start + run.start) as u64;
                coordinates[last] = at.start[last] + along;
                let own = near.get(run.clone()).unwrap_or(&[]);
                done = take(op, known, group, own, run.len(), &coordinates, number + along);
            });
        }
    });
    done
}

/// Takes in a run of values of one group.
#[inline]
fn take<V: Pixel>(
    op: &Labelled,
    known: &mut Known,
    group: u64,
    values: &[V],
    len: usize,
    coordinates: &[u64],
    number: u64,
) -> Result<()> {
    op.cells.add(known.groups.find(&[group])?, values, len, coordinates, number);
    if let Some(counts) = &mut known.values {
        count_values(counts, group, values)?;
    }
    Ok(())
}

/// The median of a group of so many values, from its counts by value.
fn median(sorted: &mut Group, dtype: DType, group: u64, values: u64) -> Result<f64> {
    let ranks = [values.saturating_sub(1) / 2, values / 2];
    let (mut middle, mut seen, mut last) = ([None; 2], 0, 0);
    while let Some(record) = sorted.next_of(group)? {
        seen += record[2];
        for (middle, &rank) in middle.iter_mut().zip(&ranks) {
            if rank < seen {
                middle.get_or_insert(record[1]);
            }
        }
        last = record[1];
    }
    let real = |key: u64| of_key(key, dtype).to_f64();
    let [Some(low), Some(high)] = middle else {
        return Err(Error::Internal("a median lacks values".into()));
    };
    // NaN lies above all numbers.
    Ok(match (real(low), real(high), real(last)) {
        (_, _, last) if last.is_nan() => f64::NAN,
        (low, high, _) if low == high => low,
        (low, high, _) => (low + high) / 2.0,
    })
}

/// Where results go.
enum Results<'a> {
    /// A row per label.
    Table(&'a Labelled, TableWriter),
    /// A place per group: the bytes of its results, one after the other.
    Places { op: &'a Labelled, width: usize, bytes: Vec<u8>, found: bool },
}

impl<'a> Results<'a> {
    fn new(op: &'a Labelled, stores: Stores) -> Result<Self> {
        let groups = match &op.groups {
            Groups::Each { .. } => return Ok(Results::Table(op, TableWriter::new(op.table(), op.held, stores)?)),
            Groups::Listed(index) => index.sorted.len(),
            Groups::All | Groups::Positive => 1,
        };
        let absent = packed(&op.row(None, None)?);
        Ok(Results::Places { op, width: absent.len(), bytes: absent.repeat(groups), found: false })
    }

    fn take(&mut self, group: u64, mut row: Vec<Scalar>) -> Result<()> {
        match self {
            Results::Table(op, writer) => {
                row.insert(0, Scalar::of(label(group, op.labels.unwrap_or(DType::U64))));
                writer.push(&row)
            }
            Results::Places { width, bytes, found, .. } => {
                *found = true;
                let at = group as usize * *width;
                bytes[at..at + *width].copy_from_slice(&packed(&row));
                Ok(())
            }
        }
    }

    fn finish(self) -> Result<Vec<Value>> {
        let (op, width, bytes, found) = match self {
            Results::Table(_, writer) => return Ok(vec![Value::Table(Arc::new(writer.finish()?))]),
            Results::Places { op, width, bytes, found } => (op, width, bytes, found),
        };
        let listed = matches!(op.groups, Groups::Listed(_));
        if !listed && !found && op.cells.wants_pixels() && op.default.is_none() {
            return Err(Error::op(op.name, "there are no pixels to choose from: no label is above 0"));
        }
        let absent = packed(&op.row(None, None)?);
        let mut values = Vec::new();
        let mut from = 0;
        for port in op.ports() {
            let size = port.dtype.size() * port.each.unwrap_or(1);
            let mut array = MemArray::zeros(op.output(&port))?;
            let one = [Some(0)];
            let groups = if let Groups::Listed(index) = &op.groups { &index.groups[..] } else { &one[..] };
            for (out, group) in array.data.bytes_mut().chunks_exact_mut(size.max(1)).zip(groups) {
                let row = group.map_or(&absent[..], |group| &bytes[group * width..(group + 1) * width]);
                out.copy_from_slice(&row[from..from + size]);
            }
            values.push(Value::Array(Arc::new(array)));
            from += size;
        }
        Ok(values)
    }
}

fn packed(row: &[Scalar]) -> Vec<u8> {
    row.iter().flat_map(|value| value.bytes().iter().copied()).collect()
}
