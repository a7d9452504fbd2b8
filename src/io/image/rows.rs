//! Large PNGs row by row. A PNG can only be decoded from the top, so a reader that goes back starts again. Readers hand
//! their half-read streams to each other: together they decode an image once as long as they ask for it in order.

use super::png::{PngReader, broken_png, png_reader};
use crate::array::{ArraySpec, Dims, Region, View, ViewMut, copy};
use crate::error::{Error, Result};
use crate::io::strided::{shape_text, swap};
use crate::io::{Access, Facts, Layout, ReadBill, Reader, Source};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

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
    /// Those that the readers of a run share.
    streams: Mutex<Weak<Streams>>,
}

impl PngRows {
    pub(super) fn new(path: PathBuf, spec: ArraySpec, facts: Facts, bill: u64) -> Self {
        let row = spec.bytes() / spec.shape[0].max(1);
        let band = (BAND / row.max(1)).clamp(1, spec.shape[0].max(1));
        PngRows { path, spec, facts, bill: bill + 2 * row, band, streams: Mutex::new(Weak::new()) }
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
        let mut shared = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let streams = shared.upgrade().unwrap_or_default();
        *shared = Arc::downgrade(&streams);
        Ok(Box::new(RowReader { image: Arc::clone(self), streams }))
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

/// The decoders of all readers: never more than there are readers.
#[derive(Default)]
struct Streams {
    state: Mutex<State>,
    returned: Condvar,
}

impl std::fmt::Debug for Streams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streams").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    idle: Vec<Stream>,
    /// Where those in use will stand.
    busy: Vec<u64>,
}

impl Streams {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stream that stands closest before row `from`, if there is one; a new one has to be made otherwise. One that
    /// will soon stand closer is waited for. It goes back when the use ends; until then it counts as standing at `to`.
    fn take(&self, from: u64, to: u64, readers: usize) -> (Use<'_>, Option<Stream>) {
        let mut state = self.lock();
        let stream = loop {
            let before = state.idle.iter().enumerate().filter(|(_, s)| s.row <= from);
            let closest = before.max_by_key(|(_, s)| s.row).map(|(i, s)| (i, s.row));
            let soon = state.busy.iter().copied().filter(|&row| row <= from).max();
            if soon > closest.map(|(_, row)| row) {
                state = self.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            break match closest {
                Some((i, _)) => Some(state.idle.swap_remove(i)),
                None => {
                    if state.idle.len() + state.busy.len() >= readers {
                        state.idle.pop();
                    }
                    None
                }
            };
        };
        state.busy.push(to);
        (Use { streams: self, to, stream: None }, stream)
    }
}

/// A stream in use. However that ends, others stop waiting for it.
struct Use<'a> {
    streams: &'a Streams,
    to: u64,
    /// Given back.
    stream: Option<Stream>,
}

impl Drop for Use<'_> {
    fn drop(&mut self) {
        let mut state = self.streams.lock();
        if let Some(at) = state.busy.iter().position(|&row| row == self.to) {
            state.busy.swap_remove(at);
        }
        state.idle.extend(self.stream.take());
        drop(state);
        self.streams.returned.notify_all();
    }
}

struct RowReader {
    image: Arc<PngRows>,
    streams: Arc<Streams>,
}

impl Reader for RowReader {
    fn read(&mut self, at: &Region, mut out: ViewMut<'_>) -> Result<()> {
        let image = &*self.image;
        let (first, rows) = (at.start[0], at.shape[0]);
        if at.start[1..].iter().any(|&s| s > 0) || at.shape[1..] != image.spec.shape[1..] {
            return Err(Error::format(&image.path, format!("is read in whole rows, not as {}", shape_text(&at.shape))));
        }
        let readers = Arc::strong_count(&self.streams);
        let (mut taken, stream) = self.streams.take(first, first + rows, readers);
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
            taken.stream = Some(stream);
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
