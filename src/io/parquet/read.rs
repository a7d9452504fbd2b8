//! Columns of numbers out of a Parquet file, a few thousand rows at a time.

use super::Done;
use crate::error::{Error, Result};
use parquet::basic::{Compression, ConvertedType, LogicalType, Type};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;
use std::fs::File;
use std::path::Path;

/// Rows that are read at once.
const ROWS: usize = super::ROWS as usize;

fn opened(path: &Path) -> Result<SerializedFileReader<File>> {
    let file = File::open(path).map_err(|e| Error::io(path, "cannot be opened", e))?;
    SerializedFileReader::new(file).map_err(|e| unreadable(path, &e))
}

fn unreadable(path: &Path, error: &ParquetError) -> Error {
    Error::format(path, format!("cannot be read as Parquet: {error}"))
}

/// The names of the columns; those of nested ones with dots between.
pub(in crate::io) fn names(path: &Path) -> Result<Vec<String>> {
    let columns = opened(path)?;
    let columns = columns.metadata().file_metadata().schema_descr().columns();
    Ok(columns.iter().map(|column| column.path().string()).collect())
}

/// Hands over every row: its number, and the value of each of those columns; what is missing is NaN.
pub(in crate::io) fn for_each(
    path: &Path,
    columns: &[usize],
    mut row: impl FnMut(u64, &[f64]) -> Result<()>,
) -> Result<()> {
    let file = opened(path)?;
    let failed = |e: ParquetError| unreadable(path, &e);
    let schema = file.metadata().file_metadata().schema_descr_ptr();
    if let Some(at) = columns.iter().find(|&&at| at >= schema.num_columns()) {
        return Err(unreadable(path, &ParquetError::General(format!("there is no column {at}"))));
    }
    let (mut number, mut values) = (0, vec![0.0; columns.len()]);
    for group in 0..file.num_row_groups() {
        let group = file.get_row_group(group).map_err(failed)?;
        let open = |&at: &usize| Column::open(group.as_ref(), at, &schema.column(at));
        let mut parts = columns.iter().map(open).collect::<Done<Vec<Column>>>().map_err(failed)?;
        let mut left = u64::try_from(group.metadata().num_rows()).unwrap_or(0);
        while left > 0 {
            let rows = left.min(ROWS as u64) as usize;
            parts.iter_mut().try_for_each(|part| part.fill(rows)).map_err(failed)?;
            for i in 0..rows {
                values.iter_mut().zip(&parts).for_each(|(value, part)| *value = part.values[i]);
                row(number, &values)?;
                number += 1;
            }
            left -= rows as u64;
        }
    }
    Ok(())
}

/// A column of a group of rows.
struct Column {
    reader: ColumnReader,
    /// The level at which a value is there, in columns that may lack some.
    present: i16,
    unsigned: bool,
    values: Vec<f64>,
}

impl Column {
    fn open(group: &dyn RowGroupReader, at: usize, of: &ColumnDescriptor) -> Done<Self> {
        let name = of.path().string();
        let cannot = |what: String| Err(ParquetError::General(format!("column {name} {what}")));
        if of.max_rep_level() > 0 {
            return cannot("holds lists".into());
        }
        let decimal = matches!(of.logical_type_ref(), Some(LogicalType::Decimal(_)));
        let kind = of.physical_type();
        if decimal || matches!(kind, Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY | Type::INT96) {
            return cannot(format!(
                "holds no plain numbers ({})",
                if decimal { "decimal".into() } else { kind.to_string() }
            ));
        }
        let codec = group.metadata().column(at).compression();
        if !matches!(codec, Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::ZSTD(_)) {
            return cannot(format!("is compressed with {codec}; none, snappy and zstd are read"));
        }
        let unsigned = match of.logical_type_ref() {
            Some(LogicalType::Integer(kind)) => !kind.is_signed,
            _ => matches!(of.converted_type(), ConvertedType::UINT_32 | ConvertedType::UINT_64),
        };
        let reader = group.get_column_reader(at)?;
        Ok(Column { reader, present: of.max_def_level(), unsigned, values: Vec::with_capacity(ROWS) })
    }

    /// Reads so many rows.
    fn fill(&mut self, rows: usize) -> Done<()> {
        let (present, unsigned, to) = (self.present, self.unsigned, &mut self.values);
        match &mut self.reader {
            ColumnReader::BoolColumnReader(r) => read(r, rows, present, to, |v| f64::from(u8::from(v))),
            ColumnReader::Int32ColumnReader(r) if unsigned => read(r, rows, present, to, |v| f64::from(v as u32)),
            ColumnReader::Int32ColumnReader(r) => read(r, rows, present, to, f64::from),
            ColumnReader::Int64ColumnReader(r) if unsigned => read(r, rows, present, to, |v| v as u64 as f64),
            ColumnReader::Int64ColumnReader(r) => read(r, rows, present, to, |v| v as f64),
            ColumnReader::FloatColumnReader(r) => read(r, rows, present, to, f64::from),
            ColumnReader::DoubleColumnReader(r) => read(r, rows, present, to, |v| v),
            _ => Err(ParquetError::General("a column of another type than the file says".into())),
        }
    }
}

fn read<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    rows: usize,
    present: i16,
    to: &mut Vec<f64>,
    of: impl Fn(T::T) -> f64,
) -> Done<()> {
    let (mut values, mut levels) = (Vec::with_capacity(rows), Vec::new());
    let mut done = 0;
    while done < rows {
        let (records, ..) = reader.read_records(rows - done, Some(&mut levels), None, &mut values)?;
        if records == 0 {
            return Err(ParquetError::EOF(format!("{} rows are missing", rows - done)));
        }
        done += records;
    }
    to.clear();
    let mut values = values.into_iter().map(of);
    match present {
        0 => to.extend(values),
        _ => to.extend(levels.iter().map(|&l| if l == present { values.next().unwrap_or(f64::NAN) } else { f64::NAN })),
    }
    match to.len() == rows {
        true => Ok(()),
        false => Err(ParquetError::General("a column has fewer values than rows".into())),
    }
}
