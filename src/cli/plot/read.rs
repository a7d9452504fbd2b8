//! The numbers to plot: columns of a `.csv` or `.parquet`, or a 1-D array; read in pieces, whatever their number.

use csv_core::{ReadRecordResult, ReaderBuilder};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;
use tilewise::array::{Buffer, Region, View, ViewMut};
use tilewise::io::{self, Access, Layout, OpenOptions, Source};
use tilewise::ops::nearest;
use tilewise::{Cancel, Error, Result};

/// No line of a table is longer, or has more columns.
const LONGEST: usize = 256 << 10;
const COLUMNS: usize = 4096;

/// So many elements of an array are read at once.
const PIECE: u64 = 16 << 10;

/// So many columns are named in a message.
const SHOWN: usize = 40;

/// Columns of numbers.
#[derive(Debug)]
pub(super) enum Numbers {
    /// A `.csv`, and which of its columns.
    Lines { path: String, columns: Vec<usize> },
    /// A `.parquet`, and which of its columns.
    Parquet { path: String, columns: Vec<usize> },
    /// The elements of an array, the only column.
    Array(Arc<dyn Source>),
}

impl Numbers {
    /// Columns of a table; for an array `names` is empty.
    ///
    /// # Errors
    /// When the file cannot be read or has no such column.
    pub(super) fn open(path: &str, names: &[&str]) -> Result<Self> {
        if !is_table(path) {
            return array(path, names).map(Numbers::Array);
        }
        let parquet = has_ending(path, "parquet");
        let headings = if parquet { io::parquet_columns(Path::new(path))? } else { headings(path)? };
        let columns = names.iter().map(|name| column(path, &headings, name)).collect::<Result<_>>()?;
        let path = path.to_string();
        Ok(if parquet { Numbers::Parquet { path, columns } } else { Numbers::Lines { path, columns } })
    }

    /// Hands over every row: its number, and the value of each column; what is no number is NaN.
    ///
    /// # Errors
    /// When the file cannot be read, or the run is cancelled.
    pub(super) fn for_each(&self, cancel: &Cancel, mut row: impl FnMut(u64, &[f64])) -> Result<()> {
        match self {
            Numbers::Parquet { path, columns } => io::read_parquet(Path::new(path), columns, |number, values| {
                if number % PIECE == 0 {
                    cancel.check()?;
                }
                row(number, values);
                Ok(())
            }),
            Numbers::Lines { path, columns } => {
                let mut records = Records::open(path)?;
                records.next()?;
                let mut values = vec![0.0; columns.len()];
                let mut number = 0;
                while records.next()? {
                    for (value, &column) in values.iter_mut().zip(columns) {
                        *value = records.text(column).trim().parse().unwrap_or(f64::NAN);
                    }
                    row(number, &values);
                    number += 1;
                    if number % PIECE == 0 {
                        cancel.check()?;
                    }
                }
                Ok(())
            }
            Numbers::Array(source) => elements(source.as_ref(), cancel, row),
        }
    }
}

/// Whether a path is that of a table.
pub(super) fn is_table(path: &str) -> bool {
    has_ending(path, "csv") || has_ending(path, "parquet")
}

pub(super) fn has_ending(path: &str, ending: &str) -> bool {
    Path::new(path).extension().is_some_and(|e| e.eq_ignore_ascii_case(ending))
}

/// The first line of a `.csv`.
fn headings(path: &str) -> Result<Vec<String>> {
    let mut records = Records::open(path)?;
    if !records.next()? {
        return Err(Error::format(path, "is empty"));
    }
    Ok((0..records.len()).map(|i| records.text(i).trim().to_string()).collect())
}

fn array(path: &str, names: &[&str]) -> Result<Arc<dyn Source>> {
    if let Some(name) = names.first() {
        return Err(Error::Usage(format!("{path}: is no table (.csv, .parquet), so it has no column `{name}`")));
    }
    let source = io::open(path, &OpenOptions::default())?;
    let spec = source.spec();
    if spec.rank() != 1 {
        let what =
            format!("has {} axes; a plot is of a table (.csv, .parquet) or of an array of one axis", spec.rank());
        return Err(Error::Usage(format!("{path}: {what}")));
    }
    match source.layout() {
        Layout::Direct { .. } => Ok(source),
        Layout::Chunked { .. } => Err(Error::Usage(format!("{path}: is compressed; convert it to .npy first"))),
    }
}

fn elements(source: &dyn Source, cancel: &Cancel, mut row: impl FnMut(u64, &[f64])) -> Result<()> {
    let (length, dtype) = (source.spec().shape[0], source.spec().dtype);
    let mut reader = source.reader(Access::Positioned)?;
    let mut buffer = Buffer::new((PIECE.min(length) as usize) * dtype.size())?;
    let mut start = 0;
    while start < length {
        cancel.check()?;
        let shape = [PIECE.min(length - start)];
        let size = shape[0] as usize * dtype.size();
        let bytes = &mut buffer.bytes_mut()[..size];
        reader.read(&Region::new(&[start], &shape), ViewMut::new(dtype, &shape, bytes))?;
        let piece = View::new(dtype, &shape, &buffer.bytes()[..size]);
        (0..shape[0]).for_each(|i| row(start + i, &[piece.at(&[i as usize])]));
        start += shape[0];
    }
    Ok(())
}

fn column(path: &str, headings: &[String], name: &str) -> Result<usize> {
    headings.iter().position(|heading| heading == name).ok_or_else(|| {
        let mut hint = match nearest(name, headings.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`? There are "),
            None => "there are ".into(),
        };
        hint += &headings.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
        if headings.len() > SHOWN {
            hint += ", …";
        }
        Error::Usage(format!("{path}: no column is called `{name}`; {hint}"))
    })
}

/// The records of a `.csv`, one at a time in buffers of fixed size.
struct Records<'a> {
    path: &'a str,
    file: BufReader<File>,
    parser: csv_core::Reader,
    text: Vec<u8>,
    ends: Vec<usize>,
    len: usize,
}

impl<'a> Records<'a> {
    fn open(path: &'a str) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, "cannot be opened", e))?;
        let mut file = BufReader::with_capacity(64 << 10, file);
        // Spreadsheets put a mark in front of UTF-8.
        let start = file.fill_buf().map_err(|e| Error::io(path, "cannot be read", e))?;
        if start.starts_with(b"\xef\xbb\xbf") {
            file.consume(3);
        }
        let parser = ReaderBuilder::new().build();
        Ok(Records { path, file, parser, text: vec![0; LONGEST], ends: vec![0; COLUMNS], len: 0 })
    }

    /// Goes to the next record, if there is one.
    fn next(&mut self) -> Result<bool> {
        let (mut text, mut ends) = (0, 0);
        loop {
            let input = self.file.fill_buf().map_err(|e| Error::io(self.path, "cannot be read", e))?;
            let (result, read, written, ended) =
                self.parser.read_record(input, &mut self.text[text..], &mut self.ends[ends..]);
            self.file.consume(read);
            text += written;
            ends += ended;
            let too = |what: &str| Error::format(self.path, format!("line {}: {what}", self.parser.line()));
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => return Err(too("longer than 256 KiB")),
                ReadRecordResult::OutputEndsFull => return Err(too("more than 4096 columns")),
                ReadRecordResult::Record => {
                    self.len = ends;
                    return Ok(true);
                }
                ReadRecordResult::End => return Ok(false),
            }
        }
    }

    fn len(&self) -> usize {
        self.len
    }

    /// A field of the record; nothing where the record is too short, or is not UTF-8.
    fn text(&self, column: usize) -> &str {
        if column >= self.len {
            return "";
        }
        let start = column.checked_sub(1).map_or(0, |before| self.ends[before]);
        std::str::from_utf8(&self.text[start..self.ends[column]]).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv").display().to_string();
        std::fs::write(&path, "\u{feff}label,\"a, b\",area\r\n1,x,2.5\n\"2\",\"y\"\"z\",inf\n3,,\n4\n").unwrap();
        let numbers = Numbers::open(&path, &["area", "label"]).unwrap();
        let mut rows = Vec::new();
        numbers.for_each(&Cancel::new(), |i, row| rows.push((i, row[0].to_string(), row[1]))).unwrap();
        let row = |i, area: &str, label| (i, area.to_string(), label);
        assert_eq!(rows, [row(0, "2.5", 1.0), row(1, "inf", 2.0), row(2, "NaN", 3.0), row(3, "NaN", 4.0)]);
        let error = Numbers::open(&path, &["areas"]).unwrap_err().to_string();
        assert!(error.contains("did you mean `area`?") && error.contains("label, a, b, area"), "{error}");
        std::fs::write(&path, format!("a\n{}", "1".repeat(LONGEST + 1))).unwrap();
        let long = Numbers::open(&path, &["a"]).unwrap().for_each(&Cancel::new(), |_, _| {});
        assert!(long.unwrap_err().to_string().contains("line 2: longer"));
    }
}
