//! Bytes of a file by position: `pread`, or a mapping whose pages are given back behind the reader.

use super::Access;
use crate::error::{Error, Result};
use crate::sys;
use memmap2::Mmap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Mapped pages are given back once this many bytes were touched.
const DROP_AFTER: u64 = 1 << 20;

/// A mapped read is done in pieces of this size, so that one large read holds no more pages than many small ones.
const PIECE: usize = 512 << 10;

/// Linux maps what it has in the page cache around a fault, in aligned windows of this size.
const FAULT_AROUND: usize = 64 << 10;

/// What one page of the page table covers.
const TABLE_SPAN: usize = 2 << 20;

/// The file is mapped anew after touching this many page-table pages: giving pages back keeps their tables, which a
/// memory control group counts (2 MiB for each GiB read).
const MAX_TABLES: usize = 128;

/// What a mapped reader may hold: the pages of [`DROP_AFTER`] and one piece, page tables, and a margin.
pub(super) const MAPPED_BILL: u64 =
    DROP_AFTER + PIECE as u64 + 2 * FAULT_AROUND as u64 + (MAX_TABLES as u64 + 8) * 4096;

/// One reader's open file.
#[derive(Debug)]
pub struct FileBytes {
    file: File,
    path: PathBuf,
    len: u64,
    window: Option<Window>,
}

/// The mapping and what of it may be resident. All positions are addresses, since the kernel's windows are aligned
/// to those.
#[derive(Debug)]
struct Window {
    map: Mmap,
    faulted: fn() -> bool,
    /// Everything touched since pages were last given back.
    extent: Range<usize>,
    /// The latest touch, so that neighbouring rows are not charged twice.
    latest: Range<usize>,
    touched: u64,
    tables: usize,
}

impl FileBytes {
    /// Opens the file for one reader. It has to be as long as it was when its header was read.
    ///
    /// # Errors
    /// When it cannot be opened, or has shrunk since.
    pub fn open(path: &Path, len: u64, access: Access) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, "cannot be opened", e))?;
        let mut bytes = FileBytes { file, path: path.to_path_buf(), len, window: None };
        bytes.check_length()?;
        if let Access::Mapped { faulted } = access {
            // Where the address space has no room for it (`ulimit -v`), positioned reads do the same.
            bytes.window = map(&bytes.file, len).map(|map| Window::new(map, faulted));
        }
        Ok(bytes)
    }

    /// Opens a file whose length is not known yet, for positioned reads.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open_new(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, "cannot be opened", e))?;
        let len = file.metadata().map_err(|e| Error::io(path, "cannot be examined", e))?.len();
        Ok(FileBytes { file, path: path.to_path_buf(), len, window: None })
    }

    /// The file's length when it was opened.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the file has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
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
        if self.window.is_some() {
            return self.read_mapped(offset as usize, out);
        }
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
        match &self.window {
            Some(window) => {
                self.check_length()?;
                match (window.faulted)() {
                    true => Err(Error::format(&self.path, "could not be read: the disk failed under the mapped file")),
                    false => Ok(()),
                }
            }
            None => Ok(()),
        }
    }

    fn read_mapped(&mut self, offset: usize, out: &mut [u8]) -> Result<()> {
        let mut at = offset;
        for piece in out.chunks_mut(PIECE) {
            let Some(window) = &mut self.window else { break };
            piece.copy_from_slice(&window.map[at..at + piece.len()]);
            let gone = (window.faulted)();
            window.touch(at, piece.len());
            if window.touched >= DROP_AFTER {
                window.give_back(&self.file, self.len);
            }
            if gone {
                self.check()?;
            }
            at += piece.len();
        }
        Ok(())
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

/// Maps the whole file, unless it is empty or does not fit the address space.
fn map(file: &File, len: u64) -> Option<Mmap> {
    let len = usize::try_from(len).ok().filter(|&n| n > 0)?;
    // SAFETY: the mapping is private to its reader and only copied out of. Bytes that change below are like a file
    // that changes between two reads; a file that shrinks raises SIGBUS, for which the caller of `Access::Mapped`
    // answers.
    let map = unsafe { memmap2::MmapOptions::new().len(len).map(file) }.ok()?;
    // One touch of a huge page in the page cache would map 2 MiB.
    #[cfg(target_os = "linux")]
    let _ = map.advise(memmap2::Advice::NoHugePage);
    Some(map)
}

impl Window {
    fn new(map: Mmap, faulted: fn() -> bool) -> Self {
        Window { map, faulted, extent: 0..0, latest: 0..0, touched: 0, tables: 0 }
    }

    /// Notes what a read of `len` bytes at `offset` may have made resident.
    fn touch(&mut self, offset: usize, len: usize) {
        let address = self.map.as_ptr() as usize + offset;
        let lo = address & !(FAULT_AROUND - 1);
        let hi = (address + len).next_multiple_of(FAULT_AROUND);
        let again = self.latest.end.min(hi).saturating_sub(self.latest.start.max(lo));
        self.touched += (hi - lo - again) as u64;
        let (first, last) = (lo / TABLE_SPAN, (hi - 1) / TABLE_SPAN);
        let known = !self.latest.is_empty() && first == (self.latest.end - 1) / TABLE_SPAN;
        self.tables += last - first + usize::from(!known);
        self.latest = lo..hi;
        let empty = self.extent.is_empty();
        self.extent = if empty { lo..hi } else { self.extent.start.min(lo)..self.extent.end.max(hi) };
    }

    fn give_back(&mut self, file: &File, len: u64) {
        if self.tables > MAX_TABLES
            && let Some(map) = map(file, len)
        {
            *self = Window::new(map, self.faulted);
            return;
        }
        self.forget_pages();
        self.touched = 0;
        self.extent = 0..0;
        self.latest = 0..0;
    }

    #[cfg(unix)]
    fn forget_pages(&self) {
        let base = self.map.as_ptr() as usize;
        let lo = self.extent.start.max(base) - base;
        let hi = (self.extent.end - base).min(self.map.len());
        // SAFETY: nothing borrows from the mapping now, and pages of a shared file mapping come back from the file.
        let _ = unsafe { self.map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, lo, hi - lo) };
    }

    #[cfg(not(unix))]
    fn forget_pages(&self) {}
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
