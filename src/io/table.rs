//! Tables of numbers as CSV.

use super::partial::Partial;
use crate::array::{DType, Scalar};
use crate::error::{Error, Result};
use crate::graph::Table;
use std::fmt::Write as _;
use std::path::Path;

/// Text is handed to the file in pieces of this size.
const PIECE: usize = 64 << 10;

/// Writes a table as CSV: a line of headings, then a line per row. It appears complete or not at all.
///
/// # Errors
/// When the output exists and `overwrite` is false, or the disk is full or fails.
pub fn write_csv(table: &Table, path: &Path, overwrite: bool) -> Result<()> {
    let mut out = Partial::new(path, overwrite)?;
    out.begin(0)?;
    let headings: Vec<String> = table.spec.columns.iter().map(|c| quoted(&c.name)).collect();
    let mut text = headings.join(",");
    text.push('\n');
    let mut position = 0;
    for row in 0..table.rows {
        write_row(table, row, &mut text)
            .map_err(|_| Error::format(path, "the table has columns of different lengths"))?;
        if text.len() >= PIECE {
            out.write_at(position, text.as_bytes())?;
            position += text.len() as u64;
            text.clear();
        }
    }
    out.write_at(position, text.as_bytes())?;
    out.commit()
}

fn write_row(table: &Table, row: usize, text: &mut String) -> std::fmt::Result {
    for (i, (column, data)) in table.spec.columns.iter().zip(&table.columns).enumerate() {
        let size = column.dtype.size();
        let bytes = data.bytes().get(row * size..(row + 1) * size).ok_or(std::fmt::Error)?;
        let value = Scalar::from_bytes(column.dtype, bytes);
        let comma = if i == 0 { "" } else { "," };
        match (column.dtype, value.to_f64()) {
            // The spellings that pandas, R and spreadsheets read back.
            (DType::F32 | DType::F64, v) if v.is_nan() => write!(text, "{comma}nan")?,
            (DType::F32 | DType::F64, v) if v.is_infinite() => {
                write!(text, "{comma}{}inf", if v < 0.0 { "-" } else { "" })?;
            }
            _ => write!(text, "{comma}{value}")?,
        }
    }
    text.push('\n');
    Ok(())
}

fn quoted(heading: &str) -> String {
    if heading.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", heading.replace('"', "\"\""));
    }
    heading.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::{Buffer, Column, TableSpec};

    fn column(bytes: &[u8]) -> Buffer {
        let mut buffer = Buffer::new(bytes.len()).unwrap();
        buffer.bytes_mut().copy_from_slice(bytes);
        buffer
    }

    #[test]
    fn numbers_and_headings_survive() {
        let columns = [("label", DType::U32), ("a,\"b\"", DType::F64)];
        let columns = columns.map(|(name, dtype)| Column { name: name.into(), dtype }).to_vec();
        let labels = bytemuck::cast_slice::<u32, u8>(&[1, 4_000_000_000, 3]).to_vec();
        let values = bytemuck::cast_slice::<f64, u8>(&[0.1, f64::NAN, -f64::INFINITY]).to_vec();
        let spec = TableSpec { columns };
        let table = Table { spec, rows: 3, columns: vec![column(&labels), column(&values)] };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        write_csv(&table, &path, false).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "label,\"a,\"\"b\"\"\"\n1,0.1\n4000000000,nan\n3,-inf\n");
        assert!(write_csv(&table, &path, false).is_err());
        write_csv(&table, &path, true).unwrap();
    }
}
