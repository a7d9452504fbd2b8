//! Compressed strips that are too large to be held, decoded row by row from their top.

use super::codec::Codec;
use super::page::{Method, Page};
use crate::error::{Error, Result};
use crate::io::file::FileBytes;
use crate::io::streams::Rows;
use std::io::{self, BufRead, BufReader, Read};
use weezl::{BitOrder, LzwStatus};

/// Strips larger than this are decoded row by row.
const LARGE: u64 = 8 << 20;

/// Rows of so many bytes are a chunk.
const BAND: u64 = 1 << 20;

/// What is read at a time.
const BUFFER: usize = 64 << 10;

/// zstd looks back no further than this, or it is refused: memory would not be on the bill.
const ZSTD_WINDOW_LOG: u32 = 23;

/// State of a decoder, and for zstd what it looks back on.
const STATE_BILL: u64 = 256 << 10;

/// Whether strips of such pages are decoded row by row.
pub(super) fn is_streamed(page: &Page) -> bool {
    let method = matches!(page.storage.method, Method::PackBits | Method::Lzw | Method::Deflate | Method::Zstd);
    method && !page.tiled && !page.storage.reversed && page.chunk_bytes() > LARGE
}

/// Rows of a chunk.
pub(super) fn band(page: &Page) -> u64 {
    (BAND / page.row_bytes().max(1)).clamp(1, page.chunk_height)
}

/// An upper bound of the memory of one stream.
pub(super) fn bill(page: &Page) -> u64 {
    let window = if page.storage.method == Method::Zstd { (1 << ZSTD_WINDOW_LOG) + (512 << 10) } else { 0 };
    STATE_BILL + BUFFER as u64 + window + page.row_bytes() + page.stored_row_bytes() + Codec::bill(page)
}

/// A part of a file, as a stream.
struct Section {
    bytes: FileBytes,
    at: u64,
    end: u64,
}

impl Read for Section {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = (self.end - self.at).min(out.len() as u64) as usize;
        self.bytes.read_at(self.at, &mut out[..n]).map_err(io::Error::other)?;
        self.at += n as u64;
        Ok(n)
    }
}

/// A strip on its way out of the file.
pub(super) struct StripStream {
    strip: u64,
    row: u64,
    unpack: Box<dyn Read + Send>,
    stored: Vec<u8>,
    line: Vec<u8>,
    codec: Codec,
    swapped: bool,
}

impl Rows for StripStream {
    fn at(&self) -> (u64, u64) {
        (self.strip, self.row)
    }
}

impl StripStream {
    /// The top of a strip that lies there in a file.
    ///
    /// # Errors
    /// When the decoder cannot be set up; in words.
    pub fn new(
        page: &Page,
        strip: u64,
        bytes: FileBytes,
        (offset, count): (u64, u64),
        swapped: bool,
    ) -> Result<Self, String> {
        let section = Section { bytes, at: offset, end: offset.saturating_add(count) };
        let from = BufReader::with_capacity(BUFFER, section);
        let unpack: Box<dyn Read + Send> = match page.storage.method {
            Method::Deflate => Box::new(flate2::bufread::ZlibDecoder::new(from)),
            Method::Zstd => {
                let mut zstd = zstd::stream::read::Decoder::with_buffer(from).map_err(|e| e.to_string())?;
                zstd.window_log_max(ZSTD_WINDOW_LOG).map_err(|e| e.to_string())?;
                Box::new(zstd)
            }
            Method::Lzw => Box::new(Lzw::new(from)?),
            Method::PackBits => Box::new(PackBits { from, literal: 0, repeated: 0, value: 0 }),
            Method::None | Method::Jpeg => return Err("it is not read row by row".into()),
        };
        let stored = vec![0; if page.storage.bits { page.stored_row_bytes() as usize } else { 0 }];
        let line = vec![0; page.row_bytes() as usize];
        Ok(StripStream { strip, row: 0, unpack, stored, line, codec: Codec::new(), swapped })
    }

    /// Decodes a row.
    ///
    /// # Errors
    /// When the data are corrupt or end before; in words.
    pub fn next(&mut self, page: &Page) -> Result<&[u8], String> {
        let failed = |e| failed(page, e);
        self.row += 1;
        if page.storage.bits {
            self.unpack.read_exact(&mut self.stored).map_err(failed)?;
            let bits = |i: usize| self.stored[i / 8] >> (7 - i % 8) & 1;
            self.line.iter_mut().enumerate().for_each(|(i, e)| *e = bits(i));
        } else {
            self.unpack.read_exact(&mut self.line).map_err(failed)?;
            self.codec.settle(page, self.swapped, &mut self.line);
        }
        Ok(&self.line)
    }

    /// Looks behind the last row, where a checksum may stand.
    ///
    /// # Errors
    /// When the data are corrupt; in words.
    pub fn finish(mut self, page: &Page) -> Result<(), String> {
        self.unpack.read(&mut [0]).map(|_| ()).map_err(|e| failed(page, e))
    }
}

fn failed(page: &Page, e: io::Error) -> String {
    match e.kind() {
        io::ErrorKind::UnexpectedEof => "it ends too early".to_string(),
        _ => format!("its {} data is corrupt: {e}", page.storage.method.name()),
    }
}

/// LZW as a stream.
struct Lzw {
    from: BufReader<Section>,
    decoder: weezl::decode::Decoder,
}

impl Lzw {
    fn new(mut from: BufReader<Section>) -> Result<Self, String> {
        if let [0, second, ..] = from.fill_buf().map_err(|e| e.to_string())?
            && second & 1 == 1
        {
            return Err("it is in the LZW of before 1992, which is not read".into());
        }
        Ok(Lzw { from, decoder: weezl::decode::Decoder::with_tiff_size_switch(BitOrder::Msb, 8) })
    }
}

impl Read for Lzw {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let stored = self.from.fill_buf()?;
            let ended = stored.is_empty();
            let step = self.decoder.decode_bytes(stored, out);
            self.from.consume(step.consumed_in);
            let done = match step.status {
                Ok(LzwStatus::Done | LzwStatus::NoProgress) => true,
                Ok(LzwStatus::Ok) => ended,
                Err(e) => return Err(io::Error::other(e)),
            };
            if step.consumed_out > 0 || done || out.is_empty() {
                return Ok(step.consumed_out);
            }
        }
    }
}

/// PackBits as a stream.
struct PackBits {
    from: BufReader<Section>,
    /// Bytes of the present run that are still to come.
    literal: usize,
    repeated: usize,
    value: u8,
}

impl Read for PackBits {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut byte = [0];
        while self.literal == 0 && self.repeated == 0 {
            if self.from.read(&mut byte)? == 0 {
                return Ok(0);
            }
            match byte[0] as i8 {
                -128 => {}
                n @ 0.. => self.literal = n as usize + 1,
                n => {
                    self.repeated = (1 - isize::from(n)) as usize;
                    self.from.read_exact(&mut byte)?;
                    self.value = byte[0];
                }
            }
        }
        if self.repeated > 0 {
            let n = self.repeated.min(out.len());
            out[..n].fill(self.value);
            self.repeated -= n;
            return Ok(n);
        }
        let n = self.literal.min(out.len());
        self.from.read_exact(&mut out[..n])?;
        self.literal -= n;
        Ok(n)
    }
}

/// A message about a strip.
pub(super) fn broken(path: &std::path::Path, page: u64, strip: u64, what: &str) -> Error {
    Error::format(path, format!("page {page}, strip or tile {strip} is broken: {what}"))
}
