//! The sweep over a label image that makes the table of its objects.

use super::fields::Fields;
use super::property::Property;
use super::row::Object;
use super::runs::{Records, Room};
use crate::array::{ArraySpec, Region, TableSpec, View};
use crate::error::Result;
use crate::graph::{ScanCx, ScanOp, ScanState, Stores, TABLE_MEMORY, TableWriter, Value};
use std::any::Any;
use std::sync::Arc;

/// One row per label.
#[derive(Clone, Debug)]
pub(crate) struct Measure {
    pub fields: Fields,
    pub properties: Vec<Property>,
    /// The labels.
    pub spec: ArraySpec,
    pub table: TableSpec,
    pub streams: usize,
    pub room: Room,
    /// Bytes of the table that stay in memory.
    pub held: u64,
}

impl Measure {
    /// What runs use.
    pub const HELD: u64 = TABLE_MEMORY;
}

impl ScanOp for Measure {
    fn name(&self) -> &'static str {
        "measure"
    }

    fn streams(&self) -> usize {
        self.streams
    }

    fn state_bytes(&self, _input: &ArraySpec) -> u64 {
        // At least four records.
        self.room.table.max(4 * (self.fields.layout.words() as u64 * 8 + 4)) + self.room.page + SMALL
    }

    fn scratch(&self, input: &ArraySpec) -> u64 {
        // Every pixel its own object, and a level of the merge beside the one before.
        let record = self.fields.layout.words() as u64 * 8;
        let row: u64 = self.table.columns.iter().map(|c| c.dtype.size() as u64).sum();
        input.elements().saturating_mul(2 * record + row)
    }

    fn finish_bytes(&self, _input: &ArraySpec) -> u64 {
        self.room.merge_bytes(&self.fields.layout) + SMALL
    }

    fn begin(&self, cx: &ScanCx<'_>) -> Result<Box<dyn ScanState>> {
        let records = Records::new(self.fields.layout.clone(), self.room, cx.stores.clone())?;
        Ok(Box::new(State { op: self.clone(), records, others: Vec::new(), stores: cx.stores.clone() }))
    }
}

/// Headings, rows, the list of runs.
const SMALL: u64 = 16 << 10;

struct State {
    op: Measure,
    records: Records,
    others: Vec<Records>,
    stores: Stores,
}

impl ScanState for State {
    fn fold(&mut self, at: &Region, tiles: &[View<'_>]) -> Result<()> {
        self.op.fields.fold(&mut self.records, at, tiles)
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
        let mut row = Vec::with_capacity(op.table.columns.len());
        if let Some(mut merged) = Records::merge(others)? {
            while let Some(record) = merged.next()? {
                row.clear();
                let object = Object::new(&op.fields, &op.spec, record);
                op.properties.iter().try_for_each(|&property| object.put(property, &mut row))?;
                writer.push(&row)?;
            }
        }
        Ok(vec![Value::Table(Arc::new(writer.finish()?))])
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
