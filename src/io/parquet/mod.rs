//! Tables of numbers as Parquet: columns of plain numbers without nulls, in groups of rows, written page by page.

mod read;

pub(super) use read::{for_each, names};

use super::partial::Partial;
use super::table::FILE;
use crate::array::{Column, DType, Element, with_dtype};
use crate::error::{Error, Result};
use crate::graph::Table;
use crate::sys;
use parquet::basic::{Encoding, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{ColumnPath, Type};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// Rows of a group. Only a page of a group is in memory; what grows with the number of groups is the index at the end.
const GROUP: u64 = 1 << 20;

/// Bytes of a page.
const PAGE: usize = 64 << 10;

/// Rows that are read at once.
const ROWS: u64 = 4096;

type Done<T> = std::result::Result<T, ParquetError>;

/// Writes a table as Parquet, with a first column `file` where one is given. It appears complete or not at all.
///
/// # Errors
/// When the output exists and `overwrite` is false, or the disk is full or fails.
pub(super) fn write_parquet(table: &Table, path: &Path, file: Option<&str>, overwrite: bool) -> Result<()> {
    let mut out = Partial::new(path, overwrite)?;
    out.begin(0)?;
    put(table, &out, file).map_err(|e| described(path, e))?;
    out.commit()
}

/// The system's error or ours where there is one below.
fn described(path: &Path, error: ParquetError) -> Error {
    let below = match error {
        ParquetError::External(below) => below,
        other => return Error::format(path, format!("cannot be written: {other}")),
    };
    match below.downcast::<std::io::Error>() {
        Ok(e) => Error::io(path, "cannot be written", *e),
        Err(other) => match other.downcast::<Error>() {
            Ok(own) => *own,
            Err(other) => Error::format(path, format!("cannot be written: {other}")),
        },
    }
}

/// Appends to a partial file.
struct Append<'a> {
    out: &'a Partial,
    at: u64,
}

impl Write for Append<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let file = self.out.file().map_err(|e| std::io::Error::other(e.to_string()))?;
        sys::write_all_at(file, bytes, self.at)?;
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn put(table: &Table, out: &Partial, file: Option<&str>) -> Done<()> {
    let columns = &table.spec.columns;
    let mut properties = WriterProperties::builder()
        .set_created_by(format!("tilewise {}", env!("CARGO_PKG_VERSION")))
        .set_dictionary_enabled(false)
        .set_encoding(Encoding::PLAIN)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_data_page_size_limit(PAGE)
        .set_write_batch_size(1024)
        .set_column_dictionary_enabled(ColumnPath::from(FILE), file.is_some());
    for column in columns.iter().filter(|c| is_whole(c.dtype)) {
        // Labels and boxes grow from row to row: their steps are small.
        properties = properties.set_column_encoding(path_of(column), Encoding::DELTA_BINARY_PACKED);
    }
    let first = file.map(|_| field(FILE, Physical::BYTE_ARRAY, Some(LogicalType::String)));
    let own = columns.iter().map(|c| field(&c.name, physical(c.dtype), logical(c.dtype)));
    let fields = first.into_iter().chain(own).collect::<Done<_>>()?;
    let schema = Arc::new(Type::group_type_builder("table").with_fields(fields).build()?);
    let append = Append { out, at: 0 };
    let mut writer = SerializedFileWriter::new(append, schema, Arc::new(properties.build()))?;
    let mut row = 0;
    while row < table.rows {
        let rows = GROUP.min(table.rows - row);
        let mut group = writer.next_row_group()?;
        if let (Some(file), Some(mut column)) = (file, if file.is_some() { group.next_column()? } else { None }) {
            repeat(&mut column, file, rows)?;
            column.close()?;
        }
        for at in 0..columns.len() {
            let Some(mut column) = group.next_column()? else { break };
            copy(table, at, row, rows, &mut column)?;
            column.close()?;
        }
        group.close()?;
        row += rows;
    }
    writer.close().map(|_| ())
}

fn path_of(column: &Column) -> ColumnPath {
    ColumnPath::from(column.name.clone())
}

fn is_whole(dtype: DType) -> bool {
    !dtype.is_float() && dtype != DType::Bool
}

fn field(name: &str, kind: Physical, meaning: Option<LogicalType>) -> Done<Arc<Type>> {
    let field = Type::primitive_type_builder(name, kind).with_repetition(Repetition::REQUIRED);
    field.with_logical_type(meaning).build().map(Arc::new)
}

fn physical(dtype: DType) -> Physical {
    match dtype {
        DType::Bool => Physical::BOOLEAN,
        DType::F32 => Physical::FLOAT,
        DType::F64 => Physical::DOUBLE,
        DType::U64 | DType::I64 => Physical::INT64,
        _ => Physical::INT32,
    }
}

fn logical(dtype: DType) -> Option<LogicalType> {
    is_whole(dtype).then(|| LogicalType::integer(8 * dtype.size() as i8, dtype.is_signed_integer()))
}

/// The same text for many rows.
fn repeat(out: &mut SerializedColumnWriter<'_>, text: &str, rows: u64) -> Done<()> {
    let values = vec![ByteArray::from(text); ROWS.min(rows) as usize];
    let mut left = rows;
    while left > 0 {
        let n = ROWS.min(left);
        out.typed::<ByteArrayType>().write_batch(&values[..n as usize], None, None)?;
        left -= n;
    }
    Ok(())
}

/// Some rows of a column.
fn copy(table: &Table, column: usize, first: u64, rows: u64, out: &mut SerializedColumnWriter<'_>) -> Done<()> {
    let part = Part { table, column, first, rows };
    match table.spec.columns[column].dtype {
        DType::Bool => part.copy::<u8, BoolType>(out, |v| v != 0),
        DType::F32 => part.copy::<f32, FloatType>(out, |v| v),
        DType::F64 => part.copy::<f64, DoubleType>(out, |v| v),
        DType::U64 => part.copy::<u64, Int64Type>(out, |v| v as i64),
        DType::I64 => part.copy::<i64, Int64Type>(out, |v| v),
        DType::U32 => part.copy::<u32, Int32Type>(out, |v| v as i32),
        // What is shorter fits.
        dtype => with_dtype!(dtype, V => part.copy::<V, Int32Type>(out, |v| v.to_f64() as i32)),
    }
}

struct Part<'a> {
    table: &'a Table,
    column: usize,
    first: u64,
    rows: u64,
}

impl Part<'_> {
    fn copy<V: Element, D: DataType>(&self, out: &mut SerializedColumnWriter<'_>, of: impl Fn(V) -> D::T) -> Done<()> {
        let most = ROWS.min(self.rows) as usize;
        let mut values = vec![V::default(); most];
        let mut converted: Vec<D::T> = Vec::with_capacity(most);
        let mut done = 0;
        while done < self.rows {
            let values = &mut values[..ROWS.min(self.rows - done) as usize];
            let read = self.table.read(self.column, self.first + done, bytemuck::cast_slice_mut(values));
            read.map_err(|e| ParquetError::External(Box::new(e)))?;
            converted.clear();
            converted.extend(values.iter().map(|&v| of(v)));
            out.typed::<D>().write_batch(&converted, None, None)?;
            done += values.len() as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::{Scalar, TableSpec};
    use crate::graph::testing::Appended;
    use crate::graph::{Store, Stores, TableWriter};
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    /// Every type, the extremes first, on scratch.
    fn table(rows: u64) -> (Table, Vec<Vec<Scalar>>) {
        let columns: Vec<Column> =
            DType::ALL.iter().map(|&dtype| Column { name: format!("{dtype}-0"), dtype }).collect();
        let stores: Stores = Arc::new(|| Ok(Arc::new(Appended::default()) as Arc<dyn Store>));
        let mut writer = TableWriter::new(TableSpec { columns }, 9000, stores).unwrap();
        let value = |row: u64, dtype: DType| match row {
            0 => Scalar::from_f64(f64::INFINITY, dtype),
            1 => Scalar::from_f64(f64::NEG_INFINITY, dtype),
            _ => Scalar::from_f64((row % 117) as f64 + if dtype.is_float() { 0.25 } else { 0.0 }, dtype),
        };
        let all: Vec<Vec<Scalar>> = (0..rows).map(|row| DType::ALL.iter().map(|&d| value(row, d)).collect()).collect();
        all.iter().for_each(|row| writer.push(row).unwrap());
        (writer.finish().unwrap(), all)
    }

    fn same(field: &Field, value: &Scalar) -> bool {
        match (field, value.dtype()) {
            (Field::Bool(v), DType::Bool) => *v == (value.to_f64() != 0.0),
            (Field::UByte(v), DType::U8) => Scalar::of(*v) == *value,
            (Field::UShort(v), DType::U16) => Scalar::of(*v) == *value,
            (Field::UInt(v), DType::U32) => Scalar::of(*v) == *value,
            (Field::ULong(v), DType::U64) => Scalar::of(*v) == *value,
            (Field::Byte(v), DType::I8) => Scalar::of(*v) == *value,
            (Field::Short(v), DType::I16) => Scalar::of(*v) == *value,
            (Field::Int(v), DType::I32) => Scalar::of(*v) == *value,
            (Field::Long(v), DType::I64) => Scalar::of(*v) == *value,
            (Field::Float(v), DType::F32) => Scalar::of(*v) == *value,
            (Field::Double(v), DType::F64) => Scalar::of(*v) == *value,
            _ => false,
        }
    }

    /// Through the reader of the crate, every column as f64.
    fn read_back(path: &Path, wanted: &[Vec<Scalar>], first: usize) {
        let columns: Vec<usize> = (0..DType::ALL.len()).map(|i| first + i).collect();
        assert_eq!(names(path).unwrap()[first], "bool-0");
        let mut rows = 0;
        for_each(path, &columns, |number, values| {
            assert_eq!(number as usize, rows);
            let row: Vec<f64> = wanted[rows].iter().map(|v| v.to_f64()).collect();
            assert_eq!(values, row);
            rows += 1;
            Ok(())
        })
        .unwrap();
        assert_eq!(rows, wanted.len());
    }

    #[test]
    fn what_is_no_parquet_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let (table, _) = table(5000);
        let path = folder.path().join("t.parquet");
        write_parquet(&table, &path, Some("a.tif"), false).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let text = for_each(&path, &[0], |_, _| Ok(())).unwrap_err().to_string();
        assert!(text.contains("column file holds no plain numbers (BYTE_ARRAY)"), "{text}");
        for (at, bytes) in [(0, &b""[..]), (9, b"not one"), (whole.len() / 2, &whole[..whole.len() / 2])] {
            std::fs::write(&path, bytes).unwrap();
            let error = for_each(&path, &[1], |_, _| Ok(())).unwrap_err().to_string();
            assert!(error.contains("t.parquet") && error.contains("Parquet"), "{at}: {error}");
        }
        let mut bytes = whole.clone();
        for at in (4..whole.len()).step_by(whole.len() / 400) {
            bytes[at] ^= 0xa5;
            std::fs::write(&path, &bytes).unwrap();
            // An error or other numbers, but an end.
            let _ = for_each(&path, &[1, 3, 9, 12], |_, _| Ok(()));
            bytes[at] = whole[at];
        }
    }

    #[test]
    fn tables_are_read_back() {
        let folder = tempfile::tempdir().unwrap();
        for (rows, file) in [(0, None), (1, None), (10_000, Some("plates/a, b.tif"))] {
            let (table, wanted) = table(rows);
            let path = folder.path().join(format!("{rows}.parquet"));
            write_parquet(&table, &path, file, false).unwrap();
            let reader = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
            assert_eq!(reader.metadata().file_metadata().num_rows(), rows as i64);
            let mut count = 0;
            for (row, wanted) in reader.get_row_iter(None).unwrap().zip(&wanted) {
                let row = row.unwrap();
                let mut fields = row.get_column_iter();
                if let Some(file) = file {
                    assert_eq!(fields.next(), Some((&"file".to_string(), &Field::Str(file.into()))));
                }
                for ((name, field), value) in fields.zip(wanted) {
                    assert!(same(field, value), "{name} of row {count}: {field:?}, not {value:?}");
                }
                count += 1;
            }
            assert_eq!(count, rows);
            read_back(&path, &wanted, usize::from(file.is_some()));
            assert!(write_parquet(&table, &path, file, false).is_err());
            write_parquet(&table, &path, file, true).unwrap();
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
