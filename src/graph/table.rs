//! Tables: columns of numbers, in memory while they are small, on scratch when they are not.

use super::Store;
use crate::array::{Buffer, Scalar, TableSpec};
use crate::error::{Error, Result};
use std::sync::Arc;

/// A table. Its rows lie in groups, column after column within a group; the one group of a small table is in memory.
#[derive(Debug)]
pub struct Table {
    /// Its columns.
    pub spec: TableSpec,
    /// The number of rows.
    pub rows: u64,
    /// Rows of a group; the last may hold fewer.
    group: u64,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Memory(Buffer),
    Stored(Arc<dyn Store>),
}

/// Makes new files on scratch.
pub type Stores = Arc<dyn Fn() -> Result<Arc<dyn Store>> + Send + Sync>;

/// The most bytes of a table that a [`TableWriter`] leaves in memory.
pub const TABLE_MEMORY: u64 = 512 << 10;

impl Table {
    /// A table in memory, from the bytes of each column.
    ///
    /// # Errors
    /// When a column does not hold that many rows, or the memory cannot be had.
    pub fn of_columns(spec: TableSpec, rows: u64, columns: &[&[u8]]) -> Result<Self> {
        let mut data = Buffer::new((row_bytes(&spec) * rows) as usize + spec.columns.len() * 8)?;
        for (at, bytes) in columns.iter().enumerate() {
            let size = spec.columns.get(at).map_or(0, |c| c.dtype.size());
            if bytes.len() != size * rows as usize {
                return Err(Error::Internal(format!("column {at} of a table does not have {rows} rows")));
            }
            let start = start_of(&spec, rows, at) as usize;
            data.bytes_mut()[start..start + bytes.len()].copy_from_slice(bytes);
        }
        Ok(Table { spec, rows, group: rows, place: Place::Memory(data) })
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.spec.columns.iter().position(|c| c.name == name)
    }

    /// Whether it lies in memory.
    pub fn is_in_memory(&self) -> bool {
        matches!(self.place, Place::Memory(_))
    }

    /// Reads as many elements of a column as `out` has room for, from row `first` on.
    ///
    /// # Errors
    /// When there are not so many rows, or scratch fails.
    pub fn read(&self, column: usize, first: u64, out: &mut [u8]) -> Result<()> {
        let size = self.spec.columns.get(column).map_or(1, |c| c.dtype.size()) as u64;
        let rows = out.len() as u64 / size;
        if column >= self.spec.columns.len() || first.saturating_add(rows) > self.rows {
            return Err(Error::Internal("a table is read beyond its end".into()));
        }
        let start = start_of(&self.spec, self.group, column);
        let (mut row, mut out) = (first, out);
        while !out.is_empty() {
            let (group, within) = (row / self.group, row % self.group);
            let n = (self.group - within).min(out.len() as u64 / size);
            let (part, rest) = out.split_at_mut((n * size) as usize);
            let at = group * group_bytes(&self.spec, self.group) + start + within * size;
            match &self.place {
                Place::Memory(data) => part.copy_from_slice(&data.bytes()[at as usize..][..part.len()]),
                Place::Stored(store) => store.read_at(at, part)?,
            }
            (row, out) = (row + n, rest);
        }
        Ok(())
    }

    /// One element.
    ///
    /// # Errors
    /// As [`Table::read`].
    pub fn get(&self, column: usize, row: u64) -> Result<Scalar> {
        let Some(dtype) = self.spec.columns.get(column).map(|c| c.dtype) else {
            return Err(Error::Internal("a table has no such column".into()));
        };
        let mut word = [0u8; 8];
        self.read(column, row, &mut word[..dtype.size()])?;
        Ok(Scalar::from_bytes(dtype, &word))
    }
}

fn row_bytes(spec: &TableSpec) -> u64 {
    spec.columns.iter().map(|c| c.dtype.size() as u64).sum()
}

/// Where a column starts in a group of that many rows.
fn start_of(spec: &TableSpec, group: u64, column: usize) -> u64 {
    spec.columns[..column].iter().map(|c| (c.dtype.size() as u64 * group).next_multiple_of(8)).sum()
}

fn group_bytes(spec: &TableSpec, group: u64) -> u64 {
    start_of(spec, group, spec.columns.len())
}

/// Makes a table row by row, in memory until it outgrows it.
pub struct TableWriter {
    spec: TableSpec,
    rows: u64,
    group: u64,
    data: Buffer,
    stored: Option<Arc<dyn Store>>,
    stores: Stores,
}

impl TableWriter {
    /// An empty table of which no more than `bytes` stay in memory (at least one row does).
    ///
    /// # Errors
    /// When the memory cannot be had.
    pub fn new(spec: TableSpec, bytes: u64, stores: Stores) -> Result<Self> {
        let room = bytes.saturating_sub(8 * spec.columns.len() as u64);
        let group = (room / row_bytes(&spec).max(1)).max(1);
        let data = Buffer::new(group_bytes(&spec, group) as usize)?;
        Ok(TableWriter { spec, rows: 0, group, data, stored: None, stores })
    }

    /// Adds a row: one value per column, of its type.
    ///
    /// # Errors
    /// When scratch is full or the row is another table's.
    pub fn push(&mut self, row: &[Scalar]) -> Result<()> {
        let within = self.rows % self.group;
        if self.rows > 0 && within == 0 {
            self.store()?;
        }
        let mut start = 0;
        for (column, value) in self.spec.columns.iter().zip(row) {
            let size = column.dtype.size();
            if value.dtype() != column.dtype {
                return Err(Error::Internal(format!("column {} is {}", column.name, column.dtype)));
            }
            let at = (start + within * size as u64) as usize;
            self.data.bytes_mut()[at..at + size].copy_from_slice(value.bytes());
            start += (size as u64 * self.group).next_multiple_of(8);
        }
        self.rows += 1;
        Ok(())
    }

    /// Moves the group in memory to scratch.
    fn store(&mut self) -> Result<()> {
        let store = match &self.stored {
            Some(store) => store.clone(),
            None => self.stored.insert((self.stores)()?).clone(),
        };
        store.append(self.data.bytes()).map(|_| ())
    }

    /// The table.
    ///
    /// # Errors
    /// When scratch is full.
    pub fn finish(mut self) -> Result<Table> {
        if self.stored.is_some() {
            self.store()?;
        }
        let TableWriter { spec, rows, group, data, stored, .. } = self;
        let place = match stored {
            Some(store) => Place::Stored(store),
            None => Place::Memory(data),
        };
        Ok(Table { spec, rows, group, place })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::{Column, DType};
    use crate::graph::testing::Appended;

    #[test]
    fn a_table_reads_the_same_wherever_it_lies() {
        let columns = [("a", DType::U8), ("b", DType::F64), ("c", DType::U16)];
        let columns = columns.map(|(name, dtype)| Column { name: name.into(), dtype }).to_vec();
        let spec = TableSpec { columns };
        for (bytes, rows) in [(1 << 20, 100u64), (100, 100), (1, 7), (100, 0), (60, 12)] {
            let stores: Stores = Arc::new(|| Ok(Arc::new(Appended::default()) as Arc<dyn Store>));
            let mut writer = TableWriter::new(spec.clone(), bytes, stores).unwrap();
            for i in 0..rows {
                writer.push(&[Scalar::of(i as u8), Scalar::of(i as f64), Scalar::of(i as u16 * 3)]).unwrap();
            }
            let table = writer.finish().unwrap();
            assert_eq!((table.rows, table.column("c")), (rows, Some(2)));
            let mut all = vec![0u16; rows as usize];
            table.read(2, 0, bytemuck::cast_slice_mut(&mut all)).unwrap();
            assert!(all.iter().enumerate().all(|(i, &v)| v as usize == i * 3));
            for i in 0..rows {
                assert_eq!(table.get(1, i).unwrap().to_f64(), i as f64);
            }
            assert!(table.get(0, rows).is_err() && table.get(3, 0).is_err());
        }
    }
}
