//! Test doubles for the executor: a compressed, chunked source and a sink that takes whole chunks. They live here, and
//! not with the tests, so that every integration test shares them.

use super::{Access, EncodeBill, Encoded, Encoder, Facts, Layout, Order, Part, ReadBill, Reader, Sink, Source};
use crate::array::{ArraySpec, Dims, Region, View, ViewMut, copy, grid_len, tiles_along};
use crate::error::{Error, Result};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// An array in memory, cut into chunks that are stored run-length coded and counted when decoded.
#[derive(Debug)]
pub struct ChunkedSource {
    spec: ArraySpec,
    chunk: Dims,
    stored: Vec<Vec<u8>>,
    decoded: Vec<AtomicU32>,
    delay: Duration,
    broken: Option<u64>,
}

impl ChunkedSource {
    /// Cuts an array (in C order) into chunks of that shape.
    pub fn new(spec: ArraySpec, chunk: &[u64], data: &[u8]) -> Self {
        let whole = View::new(spec.dtype, &spec.shape, data);
        let chunks = grid_len(&spec.shape, chunk);
        let stored = (0..chunks).map(|i| compress(&packed(&whole.sub(&Region::tile(&spec.shape, chunk, i))))).collect();
        let decoded = (0..chunks).map(|_| AtomicU32::new(0)).collect();
        let chunk = chunk.iter().copied().collect();
        ChunkedSource { spec, chunk, stored, decoded, delay: Duration::ZERO, broken: None }
    }

    /// Every decoding takes that much longer.
    pub fn with_delay(self, delay: Duration) -> Self {
        ChunkedSource { delay, ..self }
    }

    /// Decoding that chunk (by its number in raster order) is an error.
    pub fn with_failure(self, chunk: u64) -> Self {
        ChunkedSource { broken: Some(chunk), ..self }
    }

    /// How often each chunk was decoded so far, in raster order.
    pub fn decoded(&self) -> Vec<u32> {
        self.decoded.iter().map(|n| n.load(Ordering::Relaxed)).collect()
    }
}

/// The source for the executor, with the double kept at hand for its counts.
impl Source for Arc<ChunkedSource> {
    fn spec(&self) -> &ArraySpec {
        &self.spec
    }

    fn name(&self) -> String {
        "chunked".into()
    }

    fn layout(&self) -> Layout {
        Layout::Chunked { chunk: self.chunk.clone() }
    }

    fn bill(&self, _: Access) -> ReadBill {
        let chunk = self.chunk.iter().product::<u64>() * self.spec.dtype.size() as u64;
        ReadBill { per_reader: chunk, shared: self.stored.iter().map(|c| c.len() as u64).sum() }
    }

    fn facts(&self) -> Facts {
        Facts { format: "chunked".into(), compression: "run length".into(), more: Vec::new() }
    }

    fn reader(&self, _: Access) -> Result<Box<dyn Reader>> {
        Ok(Box::new(ChunkReader { source: Arc::clone(self) }))
    }
}

struct ChunkReader {
    source: Arc<ChunkedSource>,
}

impl Reader for ChunkReader {
    fn read(&mut self, at: &Region, mut out: ViewMut<'_>) -> Result<()> {
        let source = &*self.source;
        let index = chunk_index(&source.spec, &source.chunk, at)?;
        std::thread::sleep(source.delay);
        if source.broken == Some(index) {
            return Err(Error::format("chunked", format!("chunk {index} is broken")));
        }
        source.decoded[index as usize].fetch_add(1, Ordering::Relaxed);
        let bytes = decompress(&source.stored[index as usize]);
        copy(&mut out, &View::new(source.spec.dtype, &at.shape, &bytes));
        Ok(())
    }
}

/// The number of the chunk that is exactly that box.
fn chunk_index(spec: &ArraySpec, chunk: &[u64], at: &Region) -> Result<u64> {
    let index = (0..spec.rank()).fold(0, |i, a| i * tiles_along(spec.shape[a], chunk[a]) + at.start[a] / chunk[a]);
    match Region::tile(&spec.shape, chunk, index) == *at {
        true => Ok(index),
        false => Err(Error::op("chunked", format!("{at:?} is not one chunk of {chunk:?} in {:?}", spec.shape))),
    }
}

fn packed(view: &View<'_>) -> Vec<u8> {
    let shape: Vec<u64> = view.shape().iter().map(|&n| n as u64).collect();
    let mut bytes = vec![0; view.elements() * view.dtype().size()];
    copy(&mut ViewMut::new(view.dtype(), &shape, &mut bytes), view);
    bytes
}

/// Pairs of a count (1 to 255) and a byte.
fn compress(bytes: &[u8]) -> Vec<u8> {
    let same = bytes.chunk_by(|a, b| a == b);
    same.flat_map(|run| run.chunks(255)).flat_map(|run| [run.len() as u8, run[0]]).collect()
}

fn decompress(stored: &[u8]) -> Vec<u8> {
    stored.chunks_exact(2).flat_map(|pair| std::iter::repeat_n(pair[1], pair[0].into())).collect()
}

/// What an [`AlignedSink`] was given, to be looked at by the test.
#[derive(Debug, Default)]
pub struct Collected {
    /// The array in C order.
    pub data: Vec<u8>,
    /// How often each chunk was written.
    pub written: Vec<u32>,
    /// Whether it was committed.
    pub committed: bool,
    /// Whether it was aborted.
    pub aborted: bool,
}

/// A sink that takes boxes of whole chunks, each chunk exactly once.
#[derive(Debug)]
pub struct AlignedSink {
    spec: ArraySpec,
    chunk: Dims,
    collected: Arc<Mutex<Collected>>,
    encodes: bool,
}

impl AlignedSink {
    /// A sink for such an array in chunks of that shape, and what it will have been given.
    pub fn new(spec: ArraySpec, chunk: &[u64]) -> (Self, Arc<Mutex<Collected>>) {
        let chunks = grid_len(&spec.shape, chunk) as usize;
        let data = vec![0; spec.bytes() as usize];
        let collected = Collected { data, written: vec![0; chunks], ..Collected::default() };
        let collected = Arc::new(Mutex::new(collected));
        let sink = AlignedSink {
            spec,
            chunk: chunk.iter().copied().collect(),
            collected: Arc::clone(&collected),
            encodes: false,
        };
        (sink, collected)
    }

    /// The same sink, given its tiles by an encoder: their bytes in C order, back to front.
    pub fn encoding(mut self) -> Self {
        self.encodes = true;
        self
    }

    fn wrong(&self, what: String) -> Error {
        Error::op("aligned sink", what)
    }

    /// The chunks of a box that is made of whole ones.
    fn chunks_of(&self, at: &Region) -> Result<Vec<usize>> {
        let (shape, chunk) = (&self.spec.shape, &self.chunk);
        let whole = |a: usize| {
            let end = at.end(a);
            at.start[a].is_multiple_of(chunk[a]) && (end.is_multiple_of(chunk[a]) || end == shape[a])
        };
        if !(0..at.rank()).all(whole) {
            return Err(self.wrong(format!("{at:?} is not made of whole chunks of {chunk:?}")));
        }
        let chunks = 0..grid_len(shape, chunk);
        Ok(chunks.filter(|&i| Region::tile(shape, chunk, i).intersection(at).is_some()).map(|i| i as usize).collect())
    }
}

impl Sink for AlignedSink {
    fn spec(&self) -> &ArraySpec {
        &self.spec
    }

    fn path(&self) -> &Path {
        Path::new("aligned")
    }

    fn order(&self) -> Order {
        Order::Aligned(self.chunk.clone())
    }

    fn bill(&self) -> u64 {
        self.spec.bytes()
    }

    fn begin(&mut self) -> Result<()> {
        Ok(())
    }

    fn encoder(&self) -> Result<Option<Box<dyn Encoder>>> {
        let encoder: Option<Box<dyn Encoder>> = if self.encodes { Some(Box::new(Backwards)) } else { None };
        Ok(encoder)
    }

    fn encode_bill(&self, tile: &[u64]) -> EncodeBill {
        let per_tile = crate::array::elements(tile) * self.spec.dtype.size() as u64;
        if self.encodes { EncodeBill { per_tile, per_worker: 0 } } else { EncodeBill::default() }
    }

    fn write_encoded(&mut self, at: &Region, encoded: &Encoded) -> Result<()> {
        let Some(part) = encoded.parts.first() else { return Err(self.wrong("nothing was encoded".into())) };
        let bytes: Vec<u8> = encoded.part(part).iter().rev().copied().collect();
        self.write(at, View::new(self.spec.dtype, &at.shape, &bytes))
    }

    fn write(&mut self, at: &Region, tile: View<'_>) -> Result<()> {
        let chunks = self.chunks_of(at)?;
        let mut collected = self.collected.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in chunks {
            collected.written[chunk] += 1;
            if collected.written[chunk] > 1 {
                return Err(self.wrong(format!("chunk {chunk} is written twice")));
            }
        }
        let mut whole = ViewMut::new(self.spec.dtype, &self.spec.shape, &mut collected.data);
        copy(&mut whole.sub(at), &tile);
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        let mut collected = self.collected.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(chunk) = collected.written.iter().position(|&n| n != 1) {
            return Err(self.wrong(format!("chunk {chunk} was never written")));
        }
        collected.committed = true;
        Ok(())
    }

    fn abort(&mut self) {
        self.collected.lock().unwrap_or_else(PoisonError::into_inner).aborted = true;
    }
}

/// The encoder of [`AlignedSink::encoding`].
struct Backwards;

impl Encoder for Backwards {
    fn encode(&mut self, at: &Region, tile: &View<'_>, out: &mut Encoded) -> Result<()> {
        let len = tile.elements() * tile.dtype().size();
        out.bytes.resize(len, 0);
        copy(&mut ViewMut::new(tile.dtype(), &at.shape, &mut out.bytes), tile);
        out.bytes.reverse();
        out.parts.push(Part { id: 0, start: 0, len });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::DType;

    #[test]
    fn chunks_go_through_unchanged_and_are_counted() {
        let spec = ArraySpec::unnamed(&[5, 7], DType::U16);
        let data: Vec<u8> = (0..70).map(|i| i / 9).collect();
        let source = Arc::new(ChunkedSource::new(spec.clone(), &[2, 3], &data).with_failure(8));
        let (mut sink, collected) = AlignedSink::new(spec.clone(), &[2, 3]);
        let mut reader = source.reader(Access::Positioned).unwrap();
        for i in 0..9 {
            let at = Region::tile(&spec.shape, &[2, 3], i);
            let mut out = vec![0; at.elements() as usize * 2];
            let read = reader.read(&at, ViewMut::new(DType::U16, &at.shape, &mut out));
            assert_eq!(read.is_ok(), i != 8);
            let last = View::new(DType::U16, &spec.shape, &data);
            let tile = if i == 8 { last.sub(&at) } else { View::new(DType::U16, &at.shape, &out) };
            sink.write(&at, tile).unwrap();
        }
        assert!(reader.read(&Region::new(&[1, 0], &[2, 3]), ViewMut::new(DType::U16, &[2, 3], &mut [0; 12])).is_err());
        sink.commit().unwrap();
        assert_eq!(source.decoded(), [1, 1, 1, 1, 1, 1, 1, 1, 0]);
        assert_eq!(collected.lock().unwrap().data, data);
        assert!(sink.write(&Region::new(&[0, 0], &[2, 3]), View::new(DType::U16, &[2, 3], &data)).is_err());
        assert!(sink.write(&Region::new(&[0, 1], &[2, 3]), View::new(DType::U16, &[2, 3], &data)).is_err());
    }
}
