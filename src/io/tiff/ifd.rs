//! Image file directories. Parsed here, because `tiff::decoder::Decoder` reads the first page's strip table before its
//! limits can be set (32 768 strips at most), and keeps 32 bytes for each; tag numbers and names are that crate's.

use crate::error::{Error, Result};
use crate::io::file::FileBytes;
use tiff::tags::{Tag, Type};

/// Long tags are read in pieces of this size.
const PIECE: u64 = 64 << 10;

/// A TIFF file and how its numbers are written.
#[derive(Debug)]
pub(super) struct Tiff {
    pub bytes: FileBytes,
    /// Whether offsets have 64 bits.
    pub big: bool,
    /// Whether numbers are little endian.
    pub little: bool,
}

/// The tags of one page.
#[derive(Debug)]
pub(super) struct Directory {
    entries: Vec<Entry>,
    /// Where the next one is; 0 after the last.
    pub next: u64,
}

/// A tag: what its values are and where they lie in the file (also when that is in the directory itself).
#[derive(Clone, Copy, Debug)]
struct Entry {
    tag: u16,
    kind: u16,
    count: u64,
    at: u64,
}

/// Where a list of integers lies in a file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Values {
    at: u64,
    pub count: u64,
    size: u64,
}

impl Values {
    /// Position and size of a value in one number. Positions lie in a file, so they are below 2^63 …
    pub fn packed(values: Option<Values>) -> u64 {
        values.map_or(0, |v| v.at << 2 | u64::from(v.size.trailing_zeros()))
    }

    /// … and the other way round; the count is up to the caller.
    pub fn unpacked(packed: u64, count: u64) -> Option<Values> {
        (packed != 0).then_some(Values { at: packed >> 2, count, size: 1 << (packed & 3) })
    }

    /// Reads the values from number `first` on.
    ///
    /// # Errors
    /// When there are too few or the file cannot be read.
    pub fn read(&self, bytes: &mut FileBytes, little: bool, first: u64, out: &mut [u64]) -> Result<()> {
        const AT_ONCE: usize = 512;
        let size = self.size as usize;
        let mut raw = [0; AT_ONCE * 8];
        let mut at = self.at + first * self.size;
        for part in out.chunks_mut(AT_ONCE) {
            let raw = &mut raw[..part.len() * size];
            bytes.read_at(at, raw)?;
            part.iter_mut().zip(raw.chunks_exact(size)).for_each(|(v, e)| *v = number(little, e));
            at += raw.len() as u64;
        }
        Ok(())
    }
}

/// An unsigned number of up to 8 bytes.
fn number(little: bool, bytes: &[u8]) -> u64 {
    let mut all = [0; 8];
    if little {
        all[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(all)
    } else {
        all[8 - bytes.len()..].copy_from_slice(bytes);
        u64::from_be_bytes(all)
    }
}

impl Tiff {
    /// Reads the file's header; gives the position of the first directory.
    ///
    /// # Errors
    /// When it is none.
    pub fn open(mut bytes: FileBytes) -> Result<(Self, u64)> {
        let mut head = [0; 8];
        bytes.read_at(0, &mut head)?;
        let little = head[0] == b'I';
        let mut tiff = Tiff { bytes, big: false, little };
        tiff.big = tiff.number(&head[2..4]) == 43;
        if !tiff.big {
            let first = tiff.number(&head[4..8]);
            return Ok((tiff, first));
        }
        if tiff.number(&head[4..6]) != 8 {
            return Err(tiff.wrong("has a BigTIFF header with offsets that are not 8 bytes"));
        }
        let mut first = [0; 8];
        tiff.bytes.read_at(8, &mut first)?;
        let first = tiff.number(&first);
        Ok((tiff, first))
    }

    /// An error about this file.
    pub fn wrong(&self, what: impl Into<String>) -> Error {
        Error::format(self.bytes.path(), what)
    }

    fn number(&self, bytes: &[u8]) -> u64 {
        number(self.little, bytes)
    }

    /// Reads the directory at that position.
    ///
    /// # Errors
    /// When it does not lie in the file.
    pub fn directory(&mut self, at: u64) -> Result<Directory> {
        let (head, entry, field) = if self.big { (8, 20, 8) } else { (2, 12, 4) };
        let mut count = [0; 8];
        self.bytes.read_at(at, &mut count[..head])?;
        let count = self.number(&count[..head]);
        if count > u64::from(u16::MAX) {
            return Err(self.wrong(format!("has a directory of {count} tags, which cannot be right")));
        }
        // `at` lies in the file, so this does not overflow.
        let first = at + head as u64;
        let mut table = vec![0; count as usize * entry + field];
        self.bytes.read_at(first, &mut table)?;
        let (tags, next) = table.split_at(count as usize * entry);
        let entries = tags.chunks_exact(entry).enumerate();
        let entries = entries.map(|(i, e)| self.entry(e, first + (i * entry) as u64)).collect();
        Ok(Directory { entries, next: self.number(next) })
    }

    fn entry(&self, e: &[u8], at: u64) -> Entry {
        let field = if self.big { 8 } else { 4 };
        let (tag, kind) = (self.number(&e[..2]) as u16, self.number(&e[2..4]) as u16);
        let count = self.number(&e[4..4 + field]);
        let inside = count.saturating_mul(kind_size(kind)) <= field as u64;
        let at = if inside { at + 4 + field as u64 } else { self.number(&e[4 + field..]) };
        Entry { tag, kind, count, at }
    }

    /// The entry of a tag, checked to lie in the file.
    fn find(&self, directory: &Directory, tag: Tag) -> Result<Option<Entry>> {
        let Some(&entry) = directory.entries.iter().find(|e| e.tag == tag.to_u16()) else {
            return Ok(None);
        };
        let bytes = entry.count.checked_mul(kind_size(entry.kind));
        let end = bytes.and_then(|n| entry.at.checked_add(n));
        if end.is_none_or(|end| end > self.bytes.len()) {
            let (count, len) = (entry.count, self.bytes.len());
            return Err(self.wrong(format!("is truncated: {count} values of tag {tag:?} lie beyond its {len} bytes")));
        }
        Ok(Some(entry))
    }

    /// Where the values of an integer tag lie, without reading them.
    ///
    /// # Errors
    /// When they are no integers or do not lie in the file.
    pub fn values(&self, directory: &Directory, tag: Tag) -> Result<Option<Values>> {
        let Some(entry) = self.find(directory, tag)? else {
            return Ok(None);
        };
        const INTEGERS: [Type; 6] = [Type::BYTE, Type::SHORT, Type::LONG, Type::IFD, Type::LONG8, Type::IFD8];
        if !INTEGERS.iter().any(|t| t.to_u16() == entry.kind) {
            return Err(self.wrong(format!("has a tag {tag:?} that is not made of integers")));
        }
        Ok(Some(Values { at: entry.at, count: entry.count, size: kind_size(entry.kind) }))
    }

    /// Where the bytes of a tag lie, whatever they stand for, and how many there are.
    ///
    /// # Errors
    /// When they do not lie in the file.
    pub fn blob(&self, directory: &Directory, tag: Tag) -> Result<Option<(u64, u64)>> {
        Ok(self.find(directory, tag)?.map(|e| (e.at, e.count * kind_size(e.kind))))
    }

    /// How many values a tag has.
    ///
    /// # Errors
    /// When they do not lie in the file.
    pub fn count(&self, directory: &Directory, tag: Tag) -> Result<u64> {
        Ok(self.find(directory, tag)?.map_or(0, |e| e.count))
    }

    /// Hands over the first `most` values of an integer tag.
    ///
    /// # Errors
    /// When they are no integers, do not lie in the file, or `each` fails.
    pub fn integers(
        &mut self,
        directory: &Directory,
        tag: Tag,
        most: u64,
        mut each: impl FnMut(&Self, u64) -> Result<()>,
    ) -> Result<()> {
        let Some(values) = self.values(directory, tag)? else {
            return Ok(());
        };
        let total = values.count.min(most);
        let mut piece = Vec::new();
        for first in (0..total).step_by((PIECE / values.size) as usize) {
            let n = (PIECE / values.size).min(total - first);
            piece.resize((n * values.size) as usize, 0);
            self.bytes.read_at(values.at + first * values.size, &mut piece)?;
            for value in piece.chunks_exact(values.size as usize) {
                each(self, self.number(value))?;
            }
        }
        Ok(())
    }

    /// The first value of an integer tag.
    ///
    /// # Errors
    /// As for `integers`.
    pub fn integer(&mut self, directory: &Directory, tag: Tag) -> Result<Option<u64>> {
        let mut first = None;
        self.integers(directory, tag, 1, |_, value| {
            first = Some(value);
            Ok(())
        })?;
        Ok(first)
    }

    /// The one value that all values of an integer tag have (bits of every sample).
    ///
    /// # Errors
    /// When they differ; else as for `integers`.
    pub fn uniform(&mut self, directory: &Directory, tag: Tag, default: u64) -> Result<u64> {
        let mut all = None;
        self.integers(directory, tag, u64::from(u16::MAX), |tiff, value| match all.replace(value) {
            Some(other) if other != value => {
                Err(tiff.wrong(format!("has samples of different kinds (tag {tag:?}), which is not read")))
            }
            _ => Ok(()),
        })?;
        Ok(all.unwrap_or(default))
    }

    /// A rational tag as a number.
    ///
    /// # Errors
    /// When it does not lie in the file.
    pub fn rational(&mut self, directory: &Directory, tag: Tag) -> Result<Option<f64>> {
        let entry = self.find(directory, tag)?;
        let Some(entry) = entry.filter(|e| e.kind == Type::RATIONAL.to_u16() && e.count > 0) else {
            return Ok(None);
        };
        let mut both = [0; 8];
        self.bytes.read_at(entry.at, &mut both)?;
        Ok(Some(self.number(&both[..4]) as f64 / self.number(&both[4..]) as f64))
    }

    /// The beginning of a text tag.
    ///
    /// # Errors
    /// When it does not lie in the file.
    pub fn text(&mut self, directory: &Directory, tag: Tag) -> Result<String> {
        let entry = self.find(directory, tag)?;
        let Some(entry) = entry.filter(|e| kind_size(e.kind) == 1) else {
            return Ok(String::new());
        };
        let mut text = vec![0; entry.count.min(PIECE) as usize];
        self.bytes.read_at(entry.at, &mut text)?;
        Ok(String::from_utf8_lossy(&text).trim_end_matches('\0').to_string())
    }
}

/// Bytes of one value. Unknown kinds count as one byte: they are never read.
fn kind_size(kind: u16) -> u64 {
    match Type::from_u16(kind) {
        Some(Type::SHORT | Type::SSHORT) => 2,
        Some(Type::LONG | Type::SLONG | Type::FLOAT | Type::IFD) => 4,
        Some(Type::RATIONAL | Type::SRATIONAL | Type::DOUBLE | Type::LONG8 | Type::SLONG8 | Type::IFD8) => 8,
        _ => 1,
    }
}
