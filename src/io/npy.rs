//! NumPy's `.npy`: read in versions 1 to 3, either byte order and either memory order; written as version 1.

use super::file::FileBytes;
use super::half::HalfSource;
use super::partial::Partial;
use super::strided::{BoxWriter, FlatSink, FlatSource, Place, check_size};
use super::{Facts, OpenOptions, Sink, Source, name_axes};
use crate::array::{ArraySpec, DType, MAX_RANK};
use crate::error::{Error, Result};
use std::path::Path;
use std::sync::Arc;

/// The first bytes of every `.npy` file.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

/// NumPy itself refuses headers above 10 000 bytes unless told otherwise.
const MAX_HEADER: u64 = 1 << 20;

/// What the header says.
#[derive(Debug, PartialEq)]
struct Header {
    /// `uint16` for the bits of halves.
    dtype: DType,
    half: bool,
    swapped: bool,
    fortran: bool,
    shape: Vec<u64>,
}

/// Opens a `.npy` file.
///
/// # Errors
/// When the header is not one, the element type is not ours, or the file is too short.
pub fn open(path: &Path, options: &OpenOptions) -> Result<Arc<dyn Source>> {
    let mut bytes = FileBytes::open_new(path)?;
    let (text, version, offset) = header_text(&mut bytes)?;
    let header = parse(&text).map_err(|what| Error::format(path, what))?;
    let spec = name_axes(ArraySpec::unnamed(&header.shape, header.dtype), options, path)?;
    let size = header.dtype.size();
    let Some((place, pixels)) = Place::packed(offset, &header.shape, size, header.fortran, header.swapped) else {
        return Err(Error::format(path, "its header promises more than any file can hold"));
    };
    check_size(path, &spec, offset, pixels, bytes.len())?;
    let order = if header.fortran { "Fortran" } else { "C" };
    let facts = Facts {
        format: "npy".into(),
        compression: "none".into(),
        more: vec![("version".into(), version.to_string()), ("order".into(), order.into())],
    };
    let source = FlatSource { path: path.to_path_buf(), len: bytes.len(), spec, place, chunk: None, facts };
    Ok(if header.half { Arc::new(HalfSource::new(Arc::new(source))) } else { Arc::new(source) })
}

/// The dict, the version, and where the pixels start.
fn header_text(bytes: &mut FileBytes) -> Result<(String, u8, u64)> {
    let path = bytes.path().to_path_buf();
    let mut start = [0; 8];
    bytes.read_at(0, &mut start)?;
    let version = start[6];
    let (head, len) = match version {
        _ if start[..6] != *MAGIC => return Err(Error::format(path, "is not a .npy file")),
        1 => {
            let mut len = [0; 2];
            bytes.read_at(8, &mut len)?;
            (10, u64::from(u16::from_le_bytes(len)))
        }
        2 | 3 => {
            let mut len = [0; 4];
            bytes.read_at(8, &mut len)?;
            (12, u64::from(u32::from_le_bytes(len)))
        }
        other => return Err(Error::format(path, format!("has npy version {other}; versions 1 to 3 are known"))),
    };
    if len > MAX_HEADER {
        return Err(Error::format(path, format!("has a npy header of {len} bytes, which cannot be right")));
    }
    let mut text = vec![0; len as usize];
    bytes.read_at(head, &mut text)?;
    let text = String::from_utf8(text).map_err(|_| Error::format(path, "has a npy header that is not text"))?;
    Ok((text, version, head + len))
}

/// Reads the Python dict of the header.
fn parse(text: &str) -> Result<Header, String> {
    let mut p = Parser { text, at: 0 };
    let (mut descr, mut fortran, mut shape) = (None, None, None);
    p.expect('{')?;
    while !p.take('}') {
        let key = p.string()?;
        p.expect(':')?;
        match key {
            "descr" => descr = Some(p.dtype()?),
            "fortran_order" => fortran = Some(p.truth()?),
            "shape" => shape = Some(p.shape()?),
            other => return Err(format!("has a npy header with an unknown entry '{other}'")),
        }
        if !p.take(',') {
            p.expect('}')?;
            break;
        }
    }
    let missing = |what: &str| format!("has a npy header without '{what}'");
    let (dtype, swapped, half) = descr.ok_or_else(|| missing("descr"))?;
    let fortran = fortran.ok_or_else(|| missing("fortran_order"))?;
    let shape = shape.ok_or_else(|| missing("shape"))?;
    Ok(Header { dtype, half, swapped, fortran, shape })
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn rest(&mut self) -> &'a str {
        let rest = self.text[self.at..].trim_start();
        self.at = self.text.len() - rest.len();
        rest
    }

    fn take(&mut self, c: char) -> bool {
        let found = self.rest().starts_with(c);
        self.at += if found { c.len_utf8() } else { 0 };
        found
    }

    fn expect(&mut self, c: char) -> Result<(), String> {
        if self.take(c) { Ok(()) } else { Err(format!("has a broken npy header: '{c}' expected at {}", self.at)) }
    }

    fn string(&mut self) -> Result<&'a str, String> {
        let rest = self.rest();
        let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'));
        let body = quote.and_then(|q| rest[1..].split_once(q));
        let (body, _) = body.ok_or_else(|| format!("has a broken npy header: text expected at {}", self.at))?;
        self.at += body.len() + 2;
        Ok(body)
    }

    fn truth(&mut self) -> Result<bool, String> {
        for (word, value) in [("True", true), ("False", false)] {
            if self.rest().starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err("has a broken npy header: fortran_order is neither True nor False".into())
    }

    /// The type, whether it is in the other byte order, and whether it stands for halves.
    fn dtype(&mut self) -> Result<(DType, bool, bool), String> {
        if self.rest().starts_with('[') {
            return Err("holds records (a structured dtype), which are not images".into());
        }
        let descr = self.string()?;
        let found = element_type(descr).map(|(dtype, swapped)| (dtype, swapped, descr.ends_with("f2")));
        found.ok_or_else(|| {
            let known: Vec<_> = DType::ALL.iter().map(|d| d.name()).collect();
            format!("holds elements of dtype '{descr}'; known are float16, {}", known.join(", "))
        })
    }

    fn shape(&mut self) -> Result<Vec<u64>, String> {
        self.expect('(')?;
        let mut shape = Vec::new();
        while !self.take(')') {
            shape.push(self.number()?);
            if !self.take(',') {
                self.expect(')')?;
                break;
            }
        }
        match shape.len() {
            n if n > MAX_RANK => Err(format!("has {n} axes; at most {MAX_RANK} are supported")),
            _ => Ok(shape),
        }
    }

    fn number(&mut self) -> Result<u64, String> {
        let rest = self.rest();
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        self.at += digits;
        // Python 2 wrote long integers as `3L`.
        let _ = self.text[self.at..].starts_with('L') && self.take('L');
        rest[..digits].parse().map_err(|_| "has a broken npy header: its shape is not a tuple of lengths".into())
    }
}

/// The element type of a NumPy code such as `<f4`, and whether it is in the other byte order.
fn element_type(descr: &str) -> Option<(DType, bool)> {
    let code = descr.trim_start_matches(['<', '>', '=', '|']);
    let dtype = match code {
        "b1" | "?" => DType::Bool,
        "u1" => DType::U8,
        "u2" | "f2" => DType::U16,
        "u4" => DType::U32,
        "u8" => DType::U64,
        "i1" => DType::I8,
        "i2" => DType::I16,
        "i4" => DType::I32,
        "i8" => DType::I64,
        "f4" => DType::F32,
        "f8" => DType::F64,
        _ => return None,
    };
    let swapped = match &descr[..descr.len() - code.len()] {
        "<" => cfg!(target_endian = "big"),
        ">" => cfg!(target_endian = "little"),
        "" | "=" | "|" => false,
        _ => return None,
    };
    Some((dtype, swapped))
}

/// NumPy's code of an element type in this machine's byte order.
fn descr(dtype: DType) -> String {
    let kind = match dtype {
        DType::Bool => "b",
        _ if dtype.is_float() => "f",
        _ if dtype.is_signed_integer() => "i",
        _ => "u",
    };
    let order = match dtype.size() {
        1 => '|',
        _ if cfg!(target_endian = "big") => '>',
        _ => '<',
    };
    format!("{order}{kind}{}", dtype.size())
}

/// Makes a `.npy` output.
///
/// # Errors
/// When it may not be written there.
pub fn create(path: &Path, spec: &ArraySpec, overwrite: bool) -> Result<Box<dyn Sink>> {
    let out = Partial::new(path, overwrite)?;
    let header = header(spec);
    let offset = header.len() as u64;
    let Some((place, pixels)) = Place::packed(offset, &spec.shape, spec.dtype.size(), false, false) else {
        return Err(Error::format(path, "the array is larger than any file can be"));
    };
    Ok(Box::new(FlatSink::new(out, spec, place, header, offset + pixels, BoxWriter::new(false))))
}

fn header(spec: &ArraySpec) -> Vec<u8> {
    let shape: String = match &spec.shape[..] {
        [n] => format!("{n},"),
        dims => dims.iter().map(u64::to_string).collect::<Vec<_>>().join(", "),
    };
    let dict = format!("{{'descr': '{}', 'fortran_order': False, 'shape': ({shape}), }}", descr(spec.dtype));
    // Magic, version, length, dict, newline: a multiple of 64 bytes together.
    let total = (10 + dict.len() + 1).next_multiple_of(64);
    let mut bytes = [MAGIC, &[1, 0]].concat();
    bytes.extend(((total - 10) as u16).to_le_bytes());
    bytes.extend(dict.bytes());
    bytes.resize(total - 1, b' ');
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_as_numpy_writes_them() {
        let header = parse("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }      \n").unwrap();
        let swapped = cfg!(target_endian = "big");
        assert_eq!(header, Header { dtype: DType::F32, half: false, swapped, fortran: false, shape: vec![3, 4] });
        let header = parse(r#"{"shape": (5L,), "fortran_order": True, "descr": "|b1"}"#).unwrap();
        assert_eq!(header, Header { dtype: DType::Bool, half: false, swapped: false, fortran: true, shape: vec![5] });
        assert_eq!(parse("{'descr': '=i8', 'fortran_order': False, 'shape': ()}").unwrap().shape.len(), 0);
    }

    #[test]
    fn headers_that_are_none_say_so() {
        let cases = [
            ("", "'{' expected"),
            ("[1, 2]", "'{' expected"),
            ("{'descr': '<c8', 'fortran_order': False, 'shape': ()}", "'<c8'"),
            ("{'descr': '<f3', 'fortran_order': False, 'shape': ()}", "'<f3'"),
            ("{'descr': '<>f4', 'fortran_order': False, 'shape': ()}", "'<>f4'"),
            ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}", "structured"),
            ("{'descr': '<f4', 'fortran_order': 1, 'shape': ()}", "fortran_order"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1)}", "7 axes"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "lengths"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", "lengths"),
            ("{'descr': '<f4', 'fortran_order': False}", "'shape'"),
            ("{'descr': '<f4', 'colour': 1}", "'colour'"),
            ("{'descr': '<f4", "text expected"),
        ];
        for (text, part) in cases {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn our_header_is_aligned_and_readable() {
        for shape in [&[][..], &[7], &[1, 2, 3, 4, 5, 6], &[u64::MAX >> 1; 1]] {
            for dtype in DType::ALL {
                let bytes = header(&ArraySpec::unnamed(shape, dtype));
                assert_eq!(bytes.len() % 64, 0);
                let parsed = parse(std::str::from_utf8(&bytes[10..]).unwrap()).unwrap();
                assert_eq!((parsed.dtype, parsed.swapped, &parsed.shape[..]), (dtype, false, shape));
            }
        }
    }
}
