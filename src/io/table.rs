//! Tables of numbers as files; those of CSV.

use super::partial::{Partial, folder_of};
use crate::array::{DType, Scalar, TableSpec};
use crate::error::{Error, Result};
use crate::graph::Table;
use crate::sys;
use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;

/// Text is handed to the file in pieces of this size.
const PIECE: usize = 64 << 10;

/// Rows of a table are read in pages of this many.
const ROWS: u64 = 256;

/// Checks that a table may go there, as far as the name says.
///
/// # Errors
/// When the ending is that of no table.
pub fn check_table(path: &Path) -> Result<()> {
    match ending(path) {
        Ending::Csv => Ok(()),
        Ending::Parquet if cfg!(feature = "parquet") => Ok(()),
        Ending::Parquet => Err(without_parquet(path, "writes")),
        Ending::Other => Err(Error::Usage(format!("{}: a table is saved as .csv or .parquet", path.display()))),
    }
}

/// What kind of table a name stands for.
enum Ending {
    Csv,
    Parquet,
    Other,
}

fn ending(path: &Path) -> Ending {
    let is = |ending: &str| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending));
    match () {
        () if is("csv") => Ending::Csv,
        () if is("parquet") => Ending::Parquet,
        () => Ending::Other,
    }
}

/// Writes a table as the ending says, `.csv` or `.parquet`; with a first column `file` where one is given. It appears
/// complete or not at all.
///
/// # Errors
/// When the ending is that of no table, the output exists and `overwrite` is false, or the disk is full or fails.
pub fn write_table(table: &Table, path: &Path, file: Option<&str>, overwrite: bool) -> Result<()> {
    check_table(path)?;
    #[cfg(feature = "parquet")]
    if let Ending::Parquet = ending(path) {
        return super::parquet::write_parquet(table, path, file, overwrite);
    }
    write_lines(table, path, file, overwrite)
}

/// The names of the columns of a `.parquet` file.
///
/// # Errors
/// When it cannot be read as one.
pub fn parquet_columns(path: &Path) -> Result<Vec<String>> {
    #[cfg(feature = "parquet")]
    return super::parquet::names(path);
    #[cfg(not(feature = "parquet"))]
    Err(without_parquet(path, "reads"))
}

/// Hands over every row of a `.parquet` file: its number, and the value of each of those columns (by their places); what is
/// missing is NaN. A page of each column is in memory.
///
/// # Errors
/// When it cannot be read as one, a column holds no plain numbers or is compressed with anything but snappy or zstd, or
/// `row` fails.
pub fn read_parquet(path: &Path, columns: &[usize], row: impl FnMut(u64, &[f64]) -> Result<()>) -> Result<()> {
    #[cfg(feature = "parquet")]
    return super::parquet::for_each(path, columns, row);
    #[cfg(not(feature = "parquet"))]
    {
        let _ = (columns, row);
        Err(without_parquet(path, "reads"))
    }
}

fn without_parquet(path: &Path, does: &str) -> Error {
    let path = path.display();
    Error::Usage(format!("{path}: this tilewise was built without the feature 'parquet' that {does} it"))
}

/// Writes a table as CSV: a line of headings, then a line per row. It appears complete or not at all.
///
/// # Errors
/// When the output exists and `overwrite` is false, or the disk is full or fails.
pub fn write_csv(table: &Table, path: &Path, overwrite: bool) -> Result<()> {
    write_lines(table, path, None, overwrite)
}

fn write_lines(table: &Table, path: &Path, file: Option<&str>, overwrite: bool) -> Result<()> {
    let mut out = Partial::new(path, overwrite)?;
    out.begin(0)?;
    let mut position = 0;
    let mut put = |text: &str| {
        out.write_at(position, text.as_bytes())?;
        position += text.len() as u64;
        Ok(())
    };
    put(&headings(&table.spec, file.map(|_| FILE)))?;
    write_rows(table, &before(file), &mut put)?;
    out.commit()
}

/// The column that says which file a row is from.
pub(super) const FILE: &str = "file";

/// The tables of several files, one after the other in one `.csv`, with a first column `file`. It appears complete or
/// not at all. The tables come in any order and are held on disk until all are there.
#[derive(Debug)]
pub struct MergedCsv {
    out: Partial,
    /// The rows that have come, in a file without a name.
    rows: Option<File>,
    end: u64,
    parts: Vec<Rows>,
    /// Of the first table, and the file it was of.
    columns: Option<(TableSpec, String)>,
}

/// The rows of one file: which of all files it is, and where they lie.
#[derive(Clone, Copy, Debug)]
struct Rows {
    place: usize,
    start: u64,
    len: u64,
}

impl MergedCsv {
    /// Nothing yet; touches nothing.
    ///
    /// # Errors
    /// When the output exists and `overwrite` is false, or its folder is missing.
    pub fn new(path: &Path, overwrite: bool) -> Result<Self> {
        let out = Partial::new(path, overwrite)?;
        Ok(MergedCsv { out, rows: None, end: 0, parts: Vec::new(), columns: None })
    }

    /// Takes the table of `file`, which stands at `place` among all files.
    ///
    /// # Errors
    /// When it has other columns than those before, or the disk is full or fails.
    pub fn add(&mut self, place: usize, file: &str, table: &Table) -> Result<()> {
        match &self.columns {
            Some((columns, first)) if *columns != table.spec => {
                let path = self.out.path().display();
                return Err(Error::format(file, format!("its table has other columns than that of {first} in {path}")));
            }
            Some(_) => {}
            None => self.columns = Some((table.spec.clone(), file.to_string())),
        }
        let path = self.out.path().to_path_buf();
        let failed = |e| Error::io(&path, "cannot be written", e);
        let rows = match self.rows.take() {
            Some(rows) => rows,
            None => tempfile::tempfile_in(folder_of(&path)).map_err(failed)?,
        };
        let start = self.end;
        let mut end = start;
        let written = write_rows(table, &before(Some(file)), &mut |text| {
            sys::write_all_at(&rows, text.as_bytes(), end).map_err(failed)?;
            end += text.len() as u64;
            Ok(())
        });
        self.rows = Some(rows);
        written?;
        self.end = end;
        self.parts.push(Rows { place, start, len: end - start });
        Ok(())
    }

    /// Writes the output, the tables in the order of their places; nothing if none came.
    ///
    /// # Errors
    /// When the disk is full or fails.
    pub fn commit(mut self) -> Result<()> {
        let (Some((columns, _)), Some(rows)) = (&self.columns, &self.rows) else { return Ok(()) };
        let heading = headings(columns, Some(FILE));
        self.out.begin(self.end + heading.len() as u64)?;
        self.out.write_at(0, heading.as_bytes())?;
        self.parts.sort_unstable_by_key(|part| part.place);
        let mut piece = vec![0; PIECE];
        let mut position = heading.len() as u64;
        for part in &self.parts {
            let mut done = 0;
            while done < part.len {
                let bytes = &mut piece[..PIECE.min((part.len - done) as usize)];
                let read = sys::read_exact_at(rows, bytes, part.start + done);
                read.map_err(|e| Error::io(self.out.path(), "its parts cannot be read", e))?;
                self.out.write_at(position, bytes)?;
                done += bytes.len() as u64;
                position += bytes.len() as u64;
            }
        }
        self.out.commit()
    }
}

fn headings(spec: &TableSpec, first: Option<&str>) -> String {
    let own = spec.columns.iter().map(|c| quoted(&c.name));
    let all: Vec<String> = first.map(quoted).into_iter().chain(own).collect();
    all.join(",") + "\n"
}

/// What every row of a file begins with.
fn before(file: Option<&str>) -> String {
    file.map_or(String::new(), |file| format!("{},", quoted(file)))
}

/// Hands over the rows in pieces, each row with `before` in front.
fn write_rows(table: &Table, before: &str, put: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
    let mut text = String::new();
    let mut page = Page::new(table);
    for row in 0..table.rows {
        text.push_str(before);
        page.row(row, &mut text)?;
        if text.len() >= PIECE {
            put(&text)?;
            text.clear();
        }
    }
    put(&text)
}

/// Some rows of a table, read together.
struct Page<'a> {
    table: &'a Table,
    columns: Vec<Vec<u8>>,
    first: u64,
}

impl<'a> Page<'a> {
    fn new(table: &'a Table) -> Self {
        let columns = table.spec.columns.iter().map(|c| vec![0; ROWS as usize * c.dtype.size()]).collect();
        Page { table, columns, first: u64::MAX }
    }

    /// Appends the text of a row.
    fn row(&mut self, row: u64, text: &mut String) -> Result<()> {
        let first = row - row % ROWS;
        let rows = ROWS.min(self.table.rows - first) as usize;
        let specs = &self.table.spec.columns;
        if first != self.first {
            for (at, (column, data)) in specs.iter().zip(&mut self.columns).enumerate() {
                self.table.read(at, first, &mut data[..rows * column.dtype.size()])?;
            }
            self.first = first;
        }
        for (i, (column, data)) in specs.iter().zip(&self.columns).enumerate() {
            let size = column.dtype.size();
            let value = Scalar::from_bytes(column.dtype, &data[(row - first) as usize * size..][..size]);
            if i > 0 {
                text.push(',');
            }
            // Writing to a text cannot fail.
            let _ = cell(&value, text);
        }
        text.push('\n');
        Ok(())
    }
}

/// The spellings that pandas, R and spreadsheets read back.
fn cell(value: &Scalar, text: &mut String) -> std::fmt::Result {
    match (value.dtype(), value.to_f64()) {
        (DType::F32 | DType::F64, v) if v.is_nan() => write!(text, "nan"),
        (DType::F32 | DType::F64, v) if v.is_infinite() => write!(text, "{}inf", if v < 0.0 { "-" } else { "" }),
        _ => write!(text, "{value}"),
    }
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
    use crate::array::{Column, TableSpec};

    #[test]
    fn numbers_and_headings_survive() {
        let columns = [("label", DType::U32), ("a,\"b\"", DType::F64)];
        let columns = columns.map(|(name, dtype)| Column { name: name.into(), dtype }).to_vec();
        let labels = bytemuck::cast_slice::<u32, u8>(&[1, 4_000_000_000, 3]).to_vec();
        let values = bytemuck::cast_slice::<f64, u8>(&[0.1, f64::NAN, -f64::INFINITY]).to_vec();
        let spec = TableSpec { columns };
        let table = Table::of_columns(spec, 3, &[&labels, &values]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        write_csv(&table, &path, false).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "label,\"a,\"\"b\"\"\"\n1,0.1\n4000000000,nan\n3,-inf\n");
        assert!(write_csv(&table, &path, false).is_err());
        write_csv(&table, &path, true).unwrap();

        let merged = folder.path().join("all.csv");
        let mut all = MergedCsv::new(&merged, false).unwrap();
        all.add(7, "b,c.tif", &table).unwrap();
        all.add(2, "a.tif", &table).unwrap();
        let other = Table::of_columns(TableSpec { columns: Vec::new() }, 0, &[]).unwrap();
        assert!(all.add(3, "d.tif", &other).unwrap_err().to_string().contains("other columns than that of b,c.tif"));
        all.commit().unwrap();
        let text = std::fs::read_to_string(&merged).unwrap();
        let rows = |file: &str| ["1,0.1", "4000000000,nan", "3,-inf"].map(|row| format!("{file},{row}\n")).concat();
        assert_eq!(text, format!("file,label,\"a,\"\"b\"\"\"\n{}{}", rows("a.tif"), rows("\"b,c.tif\"")));
        MergedCsv::new(&folder.path().join("none.csv"), false).unwrap().commit().unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
