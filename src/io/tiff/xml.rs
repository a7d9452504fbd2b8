//! Text inside a file as a stream, so that a long one costs no more memory than a short one.

use crate::error::{Error, Result};
use crate::io::file::FileBytes;
use std::io::{self, BufRead, Read};

/// Text is read in pieces of this size.
const PIECE: u64 = 32 << 10;

/// A tag or a text between tags may be so long.
const LONGEST: usize = 4 << 20;

/// The text at a position of a file. What is not UTF-8 is replaced.
pub(super) struct Text<'a> {
    bytes: &'a mut FileBytes,
    at: u64,
    end: u64,
    raw: Vec<u8>,
    text: Vec<u8>,
    used: usize,
    /// Bytes since the last tag ended.
    since: usize,
    failed: Option<Error>,
}

impl<'a> Text<'a> {
    /// So many bytes at that position.
    pub fn new(bytes: &'a mut FileBytes, at: u64, length: u64) -> Self {
        let end = at.saturating_add(length).min(bytes.len());
        Text { bytes, at, end, raw: Vec::new(), text: Vec::new(), used: 0, since: 0, failed: None }
    }

    /// A tag has ended.
    pub fn mark(&mut self) {
        self.since = 0;
    }

    /// What reading the file failed with.
    pub fn failed(&mut self) -> Option<Error> {
        self.failed.take()
    }

    fn refill(&mut self) -> Result<()> {
        (self.used, self.text) = (0, std::mem::take(&mut self.text));
        self.text.clear();
        let n = PIECE.min(self.end.saturating_sub(self.at)) as usize;
        let kept = self.raw.len();
        self.raw.resize(kept + n, 0);
        self.bytes.read_at(self.at, &mut self.raw[kept..])?;
        self.at += n as u64;
        // A character that is cut in two waits for its other half.
        let whole = match std::str::from_utf8(&self.raw) {
            Err(e) if e.error_len().is_none() && self.at < self.end => e.valid_up_to(),
            _ => self.raw.len(),
        };
        let text = String::from_utf8_lossy(&self.raw[..whole]);
        self.text.extend(text.bytes().filter(|&b| b != 0));
        self.raw.drain(..whole);
        Ok(())
    }
}

impl BufRead for Text<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.used == self.text.len() && self.at < self.end {
            if let Err(e) = self.refill() {
                self.failed = Some(e);
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        if self.since > LONGEST {
            return Err(io::Error::other("a tag or text is too long"));
        }
        Ok(&self.text[self.used..])
    }

    fn consume(&mut self, n: usize) {
        self.used = (self.used + n).min(self.text.len());
        self.since += n;
    }
}

impl Read for Text<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(out)?;
        self.consume(n);
        Ok(n)
    }
}
