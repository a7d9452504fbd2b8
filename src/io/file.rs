//! Bytes of a file by position: `pread`, or a mapped window that moves with the reader.

use super::Access;
use crate::error::{Error, Result};
use crate::sys;
use memmap2::Mmap;
use std::fs::File;
use std::path::{Path, PathBuf};

/// A mapped window. It is unmapped as a whole: `MADV_DONTNEED` would keep the page tables (2 MiB for each GiB read),
/// which a memory control group counts, and from Linux 6.18 on one touch of a larger mapping may make the 2 MiB around
/// it resident. The window's size bounds both.
const WINDOW: u64 = 512 << 10;

/// Mapping costs for all of a window, so it pays only where most of that is used: for reads this large, and for those
/// that have gone on for as long …
const LARGE: u64 = 128 << 10;

/// … without jumping further than this.
const NEAR: u64 = 8 << 10;

/// What a mapped reader may hold: the window and its page tables.
pub(super) const MAPPED_BILL: u64 = WINDOW + (32 << 10);

/// One reader's open file.
#[derive(Debug)]
pub struct FileBytes {
    file: File,
    path: PathBuf,
    len: u64,
    mapped: Option<Mapped>,
}

/// What a mapped reader remembers.
#[derive(Debug)]
struct Mapped {
    faulted: fn() -> bool,
    window: Option<Window>,
    /// Where the last jump went.
    begun: u64,
    /// Where the last read ended.
    last: u64,
}

#[derive(Debug)]
struct Window {
    start: u64,
    map: Mmap,
}

impl Window {
    fn get(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let at = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        self.map.get(at..at.checked_add(len)?)
    }
}

impl FileBytes {
    /// Opens the file for one reader. It has to be as long as it was when its header was read.
    ///
    /// # Errors
    /// When it cannot be opened, or has shrunk since.
    pub fn open(path: &Path, len: u64, access: Access) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, "cannot be opened", e))?;
        let mapped = match access {
            Access::Positioned => None,
            Access::Mapped { faulted } => Some(Mapped { faulted, window: None, begun: 0, last: 0 }),
        };
        let bytes = FileBytes { file, path: path.to_path_buf(), len, mapped };
        bytes.check_length()?;
        Ok(bytes)
    }

    /// Opens a file whose length is not known yet, for positioned reads.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open_new(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, "cannot be opened", e))?;
        let len = file.metadata().map_err(|e| Error::io(path, "cannot be examined", e))?.len();
        Ok(FileBytes { file, path: path.to_path_buf(), len, mapped: None })
    }

    /// The file's length when it was opened.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The file's path, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Fills `out` with the bytes at that position.
    ///
    /// # Errors
    /// When the file ends before, or cannot be read; the message names it.
    pub fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<()> {
        let end = offset.checked_add(out.len() as u64);
        if end.is_none_or(|end| end > self.len) {
            return Err(self.too_short(offset, out.len(), self.len));
        }
        if self.mapped.is_some() {
            return self.read_mapped(offset, out);
        }
        self.read_positioned(offset, out)
    }

    fn read_positioned(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        sys::read_exact_at(&self.file, out, offset).map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => {
                let now = self.file.metadata().map_or(0, |m| m.len());
                self.too_short(offset, out.len(), now)
            }
            _ => Error::io(&self.path, "cannot be read", e),
        })
    }

    /// Whether everything read through the mapping since the last call was really there. Positioned reads have
    /// always said so themselves.
    ///
    /// # Errors
    /// When a mapped page could not be read or the file has become shorter.
    pub fn check(&self) -> Result<()> {
        let Some(mapped) = &self.mapped else {
            return Ok(());
        };
        self.check_length()?;
        match (mapped.faulted)() {
            true => Err(Error::format(&self.path, "could not be read: the disk failed under the mapped file")),
            false => Ok(()),
        }
    }

    fn read_mapped(&mut self, offset: u64, out: &mut [u8]) -> Result<()> {
        let mut at = offset;
        for piece in out.chunks_mut(WINDOW as usize) {
            let missed = !self.copy_from_window(at, piece);
            if missed && !(self.worth_mapping(at, piece.len()) && self.map(at) && self.copy_from_window(at, piece)) {
                self.read_positioned(at, piece)?;
            }
            at += piece.len() as u64;
            if let Some(mapped) = &mut self.mapped {
                mapped.last = at;
                if (mapped.faulted)() {
                    self.check()?;
                }
            }
        }
        Ok(())
    }

    fn copy_from_window(&self, offset: u64, out: &mut [u8]) -> bool {
        let window = self.mapped.as_ref().and_then(|m| m.window.as_ref());
        match window.and_then(|w| w.get(offset, out.len())) {
            Some(bytes) => {
                out.copy_from_slice(bytes);
                true
            }
            None => false,
        }
    }

    /// Notes where reads go; tells whether a window there would be used.
    fn worth_mapping(&mut self, offset: u64, len: usize) -> bool {
        let Some(mapped) = &mut self.mapped else {
            return false;
        };
        let jump = offset.checked_sub(mapped.last);
        if jump.is_none_or(|jump| jump > NEAR) {
            mapped.begun = offset;
        }
        (offset + len as u64).saturating_sub(mapped.begun) >= LARGE
    }

    /// Maps the window that starts there. Where that fails (`ulimit -v`), positioned reads do the same.
    fn map(&mut self, offset: u64) -> bool {
        let Some(mapped) = &mut self.mapped else {
            return false;
        };
        // The old one goes first, so that there are never two.
        mapped.window = None;
        let len = WINDOW.min(self.len - offset) as usize;
        // SAFETY: the mapping is private to its reader and only copied out of. Bytes that change below are like a
        // file that changes between two reads; a file that shrinks raises SIGBUS, for which the caller of
        // `Access::Mapped` answers.
        let map = unsafe { memmap2::MmapOptions::new().offset(offset).len(len).map(&self.file) };
        mapped.window = map.ok().map(|map| Window { start: offset, map });
        mapped.window.is_some()
    }

    fn check_length(&self) -> Result<()> {
        let now = self.file.metadata().map_err(|e| Error::io(&self.path, "cannot be examined", e))?.len();
        if now < self.len {
            let was = self.len;
            return Err(Error::format(&self.path, format!("was cut from {was} to {now} bytes while in use")));
        }
        Ok(())
    }

    fn too_short(&self, offset: u64, wanted: usize, len: u64) -> Error {
        Error::format(&self.path, format!("is truncated: {wanted} bytes expected at {offset}, but it has {len} bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn never() -> bool {
        false
    }

    fn sample() -> (tempfile::NamedTempFile, Vec<u8>) {
        let bytes: Vec<u8> = (0..3_000_000u32).map(|i| (i * 7 + i / 251) as u8).collect();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&bytes).unwrap();
        (file, bytes)
    }

    #[test]
    fn both_ways_read_the_same() {
        let (file, bytes) = sample();
        for access in [Access::Positioned, Access::Mapped { faulted: never }] {
            let mut reader = FileBytes::open(file.path(), bytes.len() as u64, access).unwrap();
            for (offset, len) in [(0, 10), (2_999_999, 1), (5, 2_500_000), (70_000, 0), (3_000_000, 0)] {
                let mut out = vec![0; len];
                reader.read_at(offset as u64, &mut out).unwrap();
                assert_eq!(out, bytes[offset..offset + len]);
            }
            assert!(reader.read_at(2_999_999, &mut [0; 2]).is_err());
            assert!(reader.read_at(u64::MAX, &mut [0; 2]).is_err());
            reader.check().unwrap();
        }
    }

    #[test]
    fn a_cut_file_is_an_error_that_names_it() {
        let (file, bytes) = sample();
        let mut reader = FileBytes::open(file.path(), bytes.len() as u64, Access::Positioned).unwrap();
        let mapped = FileBytes::open(file.path(), bytes.len() as u64, Access::Mapped { faulted: never }).unwrap();
        file.as_file().set_len(1000).unwrap();
        let text = reader.read_at(500, &mut [0; 1000]).unwrap_err().to_string();
        assert!(text.contains("1000 bytes") && text.contains(file.path().to_str().unwrap()), "{text}");
        assert!(mapped.check().unwrap_err().to_string().contains("cut from 3000000 to 1000"));
        assert!(FileBytes::open(file.path(), bytes.len() as u64, Access::Positioned).is_err());
    }
}
