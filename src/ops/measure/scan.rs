//! The sweep over a label image that makes the table of its objects.

use super::fields::Fields;
use super::hull::Hull;
use super::kept::{Kept, Objects};
use super::property::Property;
use super::row::Object;
use super::runs::Room;
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
        let table = |words: u64| self.room.table.max(4 * (words * 8 + 4)) + self.room.page.max(words * 8) + SMALL;
        Kept::layouts(&self.fields).iter().map(|layout| table(layout.words() as u64)).sum()
    }

    fn scratch(&self, input: &ArraySpec) -> u64 {
        // Every pixel its own object, and a level of the merge beside the one before.
        let record: u64 = Kept::layouts(&self.fields).iter().map(|layout| layout.words() as u64 * 8).sum();
        let row: u64 = self.table.columns.iter().map(|c| c.dtype.size() as u64).sum();
        input.elements().saturating_mul(2 * record + row)
    }

    fn finish_bytes(&self, _input: &ArraySpec) -> u64 {
        let merges: u64 = Kept::layouts(&self.fields).iter().map(|layout| self.room.merge_bytes(layout)).sum();
        merges + self.fields.hull.as_ref().map_or(0, Hull::bytes) + SMALL
    }

    fn begin(&self, cx: &ScanCx<'_>) -> Result<Box<dyn ScanState>> {
        let kept = Kept::new(&self.fields, self.room, cx.stores)?;
        Ok(Box::new(State { op: self.clone(), kept, others: Vec::new(), stores: cx.stores.clone() }))
    }
}

/// Headings, rows, the list of runs.
const SMALL: u64 = 16 << 10;

struct State {
    op: Measure,
    kept: Kept,
    others: Vec<Kept>,
    stores: Stores,
}

impl ScanState for State {
    fn fold(&mut self, at: &Region, tiles: &[View<'_>]) -> Result<()> {
        self.op.fields.fold(&mut self.kept, at, tiles)
    }

    fn merge(&mut self, other: Box<dyn ScanState>) {
        if let Ok(mut other) = other.into_any().downcast::<State>() {
            self.others.append(&mut other.others);
            self.others.push(other.kept);
        }
    }

    fn finish(self: Box<Self>) -> Result<Vec<Value>> {
        let State { op, kept, mut others, stores } = *self;
        others.insert(0, kept);
        let mut writer = TableWriter::new(op.table.clone(), op.held, stores)?;
        let mut row = Vec::with_capacity(op.table.columns.len());
        if let Some(mut objects) = Objects::merge(&op.fields, others)? {
            while let Some((record, derived)) = objects.next()? {
                row.clear();
                let object = Object::new(&op.fields, &op.spec, record, derived);
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
