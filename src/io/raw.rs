//! Headerless pixels: `raw:PATH?shape=100,200&dtype=uint16&order=C&offset=0&endian=little&axes=yx`.

use super::file::FileBytes;
use super::partial::Partial;
use super::strided::{BoxWriter, FlatSink, FlatSource, Place, check_size};
use super::{Facts, OpenOptions, Sink, Source, name_axes};
use crate::array::{ArraySpec, DType, MAX_RANK};
use crate::error::{Error, Result, one_line};
use std::path::Path;
use std::sync::Arc;

/// What such a path starts with.
pub(super) const PREFIX: &str = "raw:";

const EXAMPLE: &str = "raw:PATH?shape=100,200&dtype=uint16";

/// What the part behind the `?` says.
#[derive(Debug, PartialEq)]
struct Description {
    shape: Vec<u64>,
    dtype: DType,
    fortran: bool,
    offset: u64,
    big: bool,
    axes: Option<String>,
}

/// Opens the file that `text` (without `raw:`) names and describes.
///
/// # Errors
/// When the description is incomplete or the file is shorter than it says.
pub fn open(text: &str, options: &OpenOptions) -> Result<Arc<dyn Source>> {
    let (path, description) = match text.rsplit_once('?') {
        Some((path, description)) => (Path::new(path), description),
        None => return Err(wrong(text, &format!("shape and dtype are missing: {EXAMPLE}"))),
    };
    let d = parse(description).map_err(|what| wrong(text, &what))?;
    let bytes = FileBytes::open_new(path)?;
    let axes = OpenOptions { axes: options.axes.clone().or(d.axes), level: options.level };
    let spec = name_axes(ArraySpec::unnamed(&d.shape, d.dtype), &axes, path)?;
    let swapped = d.big != cfg!(target_endian = "big");
    let Some((place, pixels)) = Place::packed(d.offset, &d.shape, d.dtype.size(), d.fortran, swapped) else {
        return Err(wrong(text, "the shape is larger than any file"));
    };
    check_size(path, &spec, d.offset, pixels, bytes.len())?;
    let facts = Facts { format: "raw".into(), compression: "none".into(), more: Vec::new() };
    Ok(Arc::new(FlatSource { path: path.to_path_buf(), len: bytes.len(), spec, place, chunk: None, facts }))
}

fn wrong(text: &str, what: &str) -> Error {
    Error::Usage(one_line(format!("raw:{text}: {what}")))
}

fn parse(text: &str) -> Result<Description, String> {
    let (mut shape, mut dtype, mut axes) = (None, None, None);
    let (mut fortran, mut offset, mut big) = (false, 0, false);
    for item in text.split('&').filter(|item| !item.is_empty()) {
        let (key, value) = item.split_once('=').ok_or_else(|| format!("'{item}' is not of the form name=value"))?;
        let wrong = |expected: &str| format!("{key}={value} is not {expected}");
        match key {
            "shape" => shape = Some(lengths(value).ok_or_else(|| wrong("1 to 6 lengths, such as 100,200"))?),
            "dtype" => dtype = Some(DType::from_name(value).ok_or_else(|| wrong("an element type such as uint16"))?),
            "order" => fortran = choice(value, "C", "F").ok_or_else(|| wrong("C or F"))?,
            "offset" => offset = value.parse().map_err(|_| wrong("a number of bytes"))?,
            "endian" => big = choice(value, "little", "big").ok_or_else(|| wrong("little or big"))?,
            "axes" => axes = Some(value.to_string()),
            other => return Err(format!("'{other}' is unknown; known are shape, dtype, order, offset, endian, axes")),
        }
    }
    let shape = shape.ok_or_else(|| format!("shape is missing: {EXAMPLE}"))?;
    let dtype = dtype.ok_or_else(|| format!("dtype is missing: {EXAMPLE}"))?;
    Ok(Description { shape, dtype, fortran, offset, big, axes })
}

fn lengths(value: &str) -> Option<Vec<u64>> {
    let shape: Vec<u64> = value.split([',', 'x']).map(|n| n.trim().parse().ok()).collect::<Option<_>>()?;
    (shape.len() <= MAX_RANK).then_some(shape)
}

/// Whether it is the second of two words; `None` for neither.
fn choice(value: &str, first: &str, second: &str) -> Option<bool> {
    (value == first || value == second).then_some(value == second)
}

/// Makes a raw output: C order, little endian, nothing before the first pixel.
///
/// # Errors
/// When it may not be written there.
pub fn create(path: &str, spec: &ArraySpec, overwrite: bool) -> Result<Box<dyn Sink>> {
    if path.contains('?') {
        return Err(Error::Usage(format!(
            "raw:{path}: raw output takes no description; it is the array's shape and dtype in C order, little endian"
        )));
    }
    let path = Path::new(path);
    let out = Partial::new(path, overwrite)?;
    let swapped = cfg!(target_endian = "big");
    let Some((place, pixels)) = Place::packed(0, &spec.shape, spec.dtype.size(), false, swapped) else {
        return Err(Error::format(path, "the array is larger than any file can be"));
    };
    Ok(Box::new(FlatSink::new(out, spec, place, Vec::new(), pixels, BoxWriter::new(false))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_are_read() {
        let d = parse("shape=3,4&dtype=float32&order=F&offset=16&endian=big&axes=yx").unwrap();
        let expected = Description {
            shape: vec![3, 4],
            dtype: DType::F32,
            fortran: true,
            offset: 16,
            big: true,
            axes: Some("yx".into()),
        };
        assert_eq!(d, expected);
    }

    #[test]
    fn wrong_descriptions_name_the_part() {
        let cases = [
            ("dtype=uint8", "shape is missing"),
            ("shape=3", "dtype is missing"),
            ("shape=3&dtype=u8", "dtype=u8"),
            ("shape=-3&dtype=uint8", "shape=-3"),
            ("shape=1,1,1,1,1,1,1&dtype=uint8", "1 to 6"),
            ("shape=3&dtype=uint8&order=f", "C or F"),
            ("shape=3&dtype=uint8&skip=4", "'skip'"),
            ("shape", "name=value"),
        ];
        for (text, part) in cases {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn errors_stay_on_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        std::fs::write(&path, [0; 8]).unwrap();
        for description in ["shape=5,8\nshape=\n", "\u{1b}[2J", "shape=2,4&dtype=uint8&axes=y\n"] {
            let text = format!("{}?{description}", path.display());
            let error = open(&text, &OpenOptions::default()).unwrap_err().to_string();
            assert!(!error.contains(char::is_control), "{error}");
        }
    }
}
