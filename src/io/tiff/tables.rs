//! Where the strips or tiles of a file's pages lie. The tables themselves stay in the file: of each page only their
//! places are kept, and that costs nothing where pages follow each other regularly.

use super::ifd::{Directory, Tiff, Values};
use super::page::{Method, Page};
use super::positions::{Pattern, Positions};
use crate::error::Result;
use crate::io::file::FileBytes;
use tiff::tags::Tag;

/// Entries of a table that are looked at together.
const AT_ONCE: usize = 64;

/// The pages of one file that belong to the array.
#[derive(Debug)]
pub(super) struct Tables {
    /// The file's length when its header was read.
    pub len: u64,
    /// Whether its numbers are little endian.
    pub little: bool,
    pub pages: u64,
    offsets: Positions,
    counts: Positions,
    jpeg: Positions,
    jpeg_len: Positions,
    /// Most bytes of a stored strip or tile, tables of a JPEG included.
    pub max_stored: u64,
    pub pattern: Pattern,
}

impl Tables {
    /// No pages yet.
    pub fn new(tiff: &Tiff, page: &Page) -> Self {
        Tables {
            len: tiff.bytes.len(),
            little: tiff.little,
            pages: 0,
            offsets: Positions::default(),
            counts: Positions::default(),
            jpeg: Positions::default(),
            jpeg_len: Positions::default(),
            max_stored: 0,
            pattern: Pattern::new(page.chunks()),
        }
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> u64 {
        [&self.offsets, &self.counts, &self.jpeg, &self.jpeg_len].map(Positions::bytes).iter().sum()
    }

    /// Appends a page that is not part of the array.
    pub fn skip(&mut self) {
        self.place(0, 0, (0, 0));
        self.pattern.break_off();
    }

    fn place(&mut self, offsets: u64, counts: u64, jpeg: (u64, u64)) {
        self.offsets.push(offsets);
        self.counts.push(counts);
        self.jpeg.push(jpeg.0);
        self.jpeg_len.push(jpeg.1);
        self.pages += 1;
    }

    /// Appends a page, whose strips or tiles are checked to lie in the file.
    ///
    /// # Errors
    /// When there are too few, or one does not lie in the file.
    pub fn push(&mut self, tiff: &mut Tiff, directory: &Directory, page: &Page) -> Result<()> {
        let tags = match page.tiled {
            true => (Tag::TileOffsets, Tag::TileByteCounts),
            false => (Tag::StripOffsets, Tag::StripByteCounts),
        };
        let (offsets, counts) = (tiff.values(directory, tags.0)?, tiff.values(directory, tags.1)?);
        let needed = page.chunks();
        let found = offsets.map_or(0, |v| v.count);
        if found < needed {
            return Err(tiff.wrong(format!("has {found} strips or tiles, but its size asks for {needed}")));
        }
        let counts = counts.filter(|v| v.count >= needed);
        if counts.is_none() && !page.is_direct() {
            return Err(tiff.wrong("does not say how long its strips or tiles are"));
        }
        let mut jpeg = (0, 0);
        if page.storage.method == Method::Jpeg {
            jpeg = tiff.blob(directory, Tag::JPEGTables)?.unwrap_or((0, 0));
            if jpeg.1 > u64::from(u16::MAX) {
                return Err(tiff.wrong(format!("has JPEG tables of {} bytes, which cannot be right", jpeg.1)));
            }
        }
        if let Some(offsets) = offsets {
            self.scan(tiff, page, offsets, counts, jpeg.1)?;
        }
        self.place(Values::packed(offsets), Values::packed(counts), jpeg);
        Ok(())
    }

    fn scan(&mut self, tiff: &mut Tiff, page: &Page, offsets: Values, counts: Option<Values>, more: u64) -> Result<()> {
        let needed = page.chunks();
        let (mut places, mut lengths) = ([0; 4096], [0; 4096]);
        let direct = page.is_direct();
        // LZW at its worst takes half as much again as the pixels; what takes more is a mistake or an attack.
        let most = most_stored(page);
        for first in (0..needed).step_by(places.len()) {
            let n = (needed - first).min(places.len() as u64) as usize;
            offsets.read(&mut tiff.bytes, tiff.little, first, &mut places[..n])?;
            if let Some(counts) = counts {
                counts.read(&mut tiff.bytes, tiff.little, first, &mut lengths[..n])?;
            }
            for (i, (&offset, &count)) in places.iter().zip(&lengths).take(n).enumerate() {
                let index = first + i as u64;
                let left_out = counts.is_some() && count == 0;
                if left_out && (offset == 0 || !direct) {
                    self.pattern.break_off();
                    continue;
                }
                if offset == 0 {
                    return Err(tiff.wrong(format!("has strip or tile {index} at its very beginning")));
                }
                let bytes = if direct { page.rows_of(index) * page.row_bytes() } else { count };
                if offset.checked_add(bytes).is_none_or(|end| end > self.len) {
                    let len = self.len;
                    return Err(tiff.wrong(format!(
                        "is truncated: strip or tile {index} has {bytes} bytes at {offset}, the file has {len}"
                    )));
                }
                if !direct && count > most {
                    let pixels = page.chunk_bytes();
                    return Err(tiff.wrong(format!(
                        "has {count} bytes in strip or tile {index} for {pixels} bytes of pixels, which cannot be right"
                    )));
                }
                if !direct {
                    self.max_stored = self.max_stored.max(count + more);
                }
                self.pattern.push(offset);
            }
        }
        Ok(())
    }

    /// The tables of a JPEG that pages share: position and length.
    pub fn jpeg(&self, page: u64) -> (u64, u64) {
        let get = |positions: &Positions| positions.get(page).unwrap_or(0);
        (get(&self.jpeg), get(&self.jpeg_len))
    }
}

/// One reader's look at the tables of the page it is in.
#[derive(Debug)]
pub(super) struct Lookup {
    page: u64,
    first: u64,
    filled: usize,
    offsets: [u64; AT_ONCE],
    counts: [u64; AT_ONCE],
}

impl Lookup {
    /// At no page.
    pub fn new() -> Self {
        Lookup { page: u64::MAX, first: 0, filled: 0, offsets: [0; AT_ONCE], counts: [0; AT_ONCE] }
    }

    /// Position and length of a strip or tile, out of so many. The length is 0 where it is not said, the position
    /// where there is none.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn get(
        &mut self,
        bytes: &mut FileBytes,
        tables: &Tables,
        page: u64,
        chunk: u64,
        chunks: u64,
    ) -> Result<(u64, u64)> {
        let here = self.page == page && chunk >= self.first && chunk - self.first < self.filled as u64;
        if !here {
            self.page = u64::MAX;
            let first = chunk - chunk % AT_ONCE as u64;
            let n = (chunks.saturating_sub(first)).min(AT_ONCE as u64) as usize;
            (self.offsets, self.counts) = ([0; AT_ONCE], [0; AT_ONCE]);
            let lists = [(&tables.offsets, &mut self.offsets), (&tables.counts, &mut self.counts)];
            for (places, out) in lists {
                if let Some(values) = Values::unpacked(places.get(page).unwrap_or(0), chunks) {
                    values.read(bytes, tables.little, first, &mut out[..n])?;
                }
            }
            (self.page, self.first, self.filled) = (page, first, n);
        }
        let at = (chunk - self.first) as usize;
        Ok((self.offsets.get(at).copied().unwrap_or(0), self.counts.get(at).copied().unwrap_or(0)))
    }
}

/// Most bytes that a strip or tile may have.
pub(super) fn most_stored(page: &Page) -> u64 {
    page.chunk_bytes().saturating_add(page.chunk_bytes() / 2).saturating_add(64 << 10)
}
