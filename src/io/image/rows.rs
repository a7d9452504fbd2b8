//! Large PNGs row by row. A PNG can only be decoded from the top, so a reader that goes back starts again.

use super::png::{PngReader, broken_png, png_reader};
use crate::array::{ArraySpec, Dims, Region, View, ViewMut, copy};
use crate::error::{Error, Result};
use crate::io::streams::{Rows, Shared, Streams};
use crate::io::strided::{shape_text, swap};
use crate::io::{Access, Facts, Layout, ReadBill, Reader, Source};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A chunk is as many rows as have about this many bytes. Smaller images are decoded whole.
pub(super) const BAND: u64 = 1 << 20;

/// A PNG that is read in bands of rows.
#[derive(Debug)]
pub(super) struct PngRows {
    path: PathBuf,
    spec: ArraySpec,
    facts: Facts,
    bill: u64,
    band: u64,
    streams: Shared<Stream>,
}

impl PngRows {
    pub(super) fn new(path: PathBuf, spec: ArraySpec, facts: Facts, bill: u64) -> Self {
        let row = spec.bytes() / spec.shape[0].max(1);
        let band = (BAND / row.max(1)).clamp(1, spec.shape[0].max(1));
        PngRows { path, spec, facts, bill: bill + 2 * row, band, streams: Shared::default() }
    }

    fn chunk(&self) -> Dims {
        let mut chunk = self.spec.shape.clone();
        chunk[0] = self.band;
        chunk
    }
}

impl Source for Arc<PngRows> {
    fn spec(&self) -> &ArraySpec {
        &self.spec
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn layout(&self) -> Layout {
        Layout::Chunked { chunk: self.chunk() }
    }

    fn bill(&self, _: Access) -> ReadBill {
        ReadBill { per_reader: self.bill, shared: 0 }
    }

    fn facts(&self) -> Facts {
        self.facts.clone()
    }

    fn why(&self) -> Option<String> {
        let name = self.path.display();
        Some(format!(
            "{name} is decoded from the top, band by band: whoever comes back to a band that is not held starts again"
        ))
    }

    fn reader(&self, _: Access) -> Result<Box<dyn Reader>> {
        Ok(Box::new(RowReader { image: Arc::clone(self), streams: self.streams.get() }))
    }

    fn path(&self) -> Option<&Path> {
        Some(&self.path)
    }
}

/// A decoder, and the row it gives next.
struct Stream {
    png: PngReader,
    row: u64,
    line: Vec<u8>,
}

struct RowReader {
    image: Arc<PngRows>,
    streams: Arc<Streams<Stream>>,
}

impl Rows for Stream {
    fn at(&self) -> (u64, u64) {
        (0, self.row)
    }
}

impl Reader for RowReader {
    fn read(&mut self, at: &Region, mut out: ViewMut<'_>) -> Result<()> {
        let image = &*self.image;
        let (first, rows) = (at.start[0], at.shape[0]);
        if at.start[1..].iter().any(|&s| s > 0) || at.shape[1..] != image.spec.shape[1..] {
            return Err(Error::format(&image.path, format!("is read in whole rows, not as {}", shape_text(&at.shape))));
        }
        let (taken, stream) = self.streams.take(0, first, first + rows);
        let mut stream = match stream {
            Some(stream) => stream,
            None => Stream::open(image)?,
        };
        while stream.row < first {
            stream.next(image)?;
        }
        for row in 0..rows {
            let line = stream.next(image)?;
            copy(&mut out.item(&[row]), &View::new(image.spec.dtype, &image.spec.shape[1..], line));
        }
        if stream.row < image.spec.shape[0] {
            taken.give_back(stream);
            return Ok(());
        }
        stream.finish(image)
    }
}

impl Stream {
    fn open(image: &PngRows) -> Result<Self> {
        let png = png_reader(&image.path)?;
        let bytes = image.spec.bytes() / image.spec.shape[0];
        if png.output_buffer_size().map(|n| n as u64) != Some(image.spec.bytes()) || png.info().interlaced {
            return Err(changed(image));
        }
        Ok(Stream { png, row: 0, line: vec![0; bytes as usize] })
    }

    /// Decodes a row.
    fn next(&mut self, image: &PngRows) -> Result<&[u8]> {
        if self.png.read_row(&mut self.line).map_err(|e| broken_png(&image.path, e))?.is_none() {
            return Err(changed(image));
        }
        self.row += 1;
        if cfg!(target_endian = "little") {
            swap(&mut self.line, image.spec.dtype.size());
        }
        Ok(&self.line)
    }

    /// Decodes what follows the last row, which may show that the file is broken.
    fn finish(mut self, image: &PngRows) -> Result<()> {
        self.png.read_row(&mut self.line).map(|_| ()).map_err(|e| broken_png(&image.path, e))
    }
}

fn changed(image: &PngRows) -> Error {
    Error::format(&image.path, "is not the PNG that was opened: its size has changed")
}
