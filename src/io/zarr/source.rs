//! A Zarr array as a source: chunks are found, decoded within a fixed memory, and brought into order.

use super::array::{Pixels, Turn};
use super::codec::Stage;
use super::shard::{self, Shards, open_file};
use crate::array::{ArraySpec, Buffer, DType, Dims, Region, View, ViewMut, copy, for_each_row, merge_axes};
use crate::error::{Error, Result};
use crate::io::strided::settle;
use crate::io::{Access, Facts, Layout, ReadBill, Reader, Source};
use crate::sys;
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Tables and small allocations of a reader.
const SMALL: u64 = 16 << 10;

/// An array of a Zarr store.
#[derive(Debug)]
pub(super) struct ZarrSource {
    /// What the user opened: the array, or the image it is a level of.
    pub name: PathBuf,
    pub spec: ArraySpec,
    pub pixels: Arc<Pixels>,
    pub facts: Facts,
}

impl Source for ZarrSource {
    fn spec(&self) -> &ArraySpec {
        &self.spec
    }

    fn name(&self) -> String {
        self.name.display().to_string()
    }

    fn layout(&self) -> Layout {
        let whole = self.pixels.shape.iter().map(|&n| n.max(1));
        Layout::Chunked { chunk: self.pixels.unit.iter().zip(whole).map(|(&c, n)| c.min(n)).collect() }
    }

    fn bill(&self, _: Access) -> ReadBill {
        let pixels = &self.pixels;
        let chain = &pixels.chain;
        let mut decoded = chain.bytes;
        let mut total = pixels.encoded_bound().saturating_add(SMALL);
        for squeeze in &chain.squeezes {
            total = total.saturating_add(squeeze.memory(decoded));
            decoded = squeeze.encoded_bound(decoded);
        }
        if let Turn::Chain { .. } = chain.turn {
            let elements: u64 = pixels.unit.iter().product();
            total = total.saturating_add(elements.saturating_mul(pixels.dtype.size() as u64).saturating_mul(3));
        }
        let index = pixels.shard.as_ref().map_or(0, shard::memory);
        ReadBill { per_reader: total.saturating_add(index), shared: SMALL }
    }

    fn facts(&self) -> Facts {
        self.facts.clone()
    }

    fn reader(&self, _: Access) -> Result<Box<dyn Reader>> {
        Ok(Box::new(ZarrReader::new(Arc::clone(&self.pixels))?))
    }

    fn path(&self) -> Option<&Path> {
        Some(&self.name)
    }
}

struct ZarrReader {
    pixels: Arc<Pixels>,
    /// The chunk as it lies in the file.
    raw: Buffer,
    /// In the order in which they decode.
    stages: Vec<Stage>,
    shards: Option<Shards>,
}

impl ZarrReader {
    fn new(pixels: Arc<Pixels>) -> Result<Self> {
        let too_large = || Error::format(&pixels.folder, "has chunks larger than any memory");
        let mut stages = Vec::new();
        let mut bytes = pixels.chain.bytes;
        for (i, squeeze) in pixels.chain.squeezes.iter().enumerate() {
            let most = usize::try_from(bytes).map_err(|_| too_large())?;
            stages.push(Stage::new(squeeze.clone(), most, i == 0)?);
            bytes = squeeze.encoded_bound(bytes);
        }
        stages.reverse();
        let raw = Buffer::new(usize::try_from(bytes).map_err(|_| too_large())?)?;
        let shards = pixels.shard.as_ref().map(Shards::new);
        Ok(ZarrReader { pixels, raw, stages, shards })
    }

    /// Reads the bytes of a chunk; how many there are, or `None` if it is missing, and the file they are in.
    fn fetch(&mut self, start: &[u64]) -> Result<(Option<usize>, PathBuf)> {
        let pixels = &self.pixels;
        let index = |shape: &Dims| -> Dims { start.iter().zip(shape).map(|(s, n)| s / n).collect() };
        let path = pixels.file(&index(&pixels.stored));
        let opened;
        let (file, offset, len) = match (&mut self.shards, &pixels.shard) {
            (Some(shards), Some(shard)) => {
                let within = index(&pixels.unit).iter().zip(&shard.grid).fold(0, |n, (i, g)| n * g + i % g);
                match shards.place(&path, within)? {
                    Some(place) => (place.file, place.offset, place.len),
                    None => return Ok((None, path)),
                }
            }
            _ => match open_file(&path)? {
                Some((file, len)) => {
                    opened = file;
                    (&opened, 0, len)
                }
                None => return Ok((None, path)),
            },
        };
        let bytes = usize::try_from(len).ok().and_then(|len| self.raw.bytes_mut().get_mut(..len));
        let Some(bytes) = bytes else {
            let what = format!("is damaged: {len} bytes are more than a chunk of {:?} has", pixels.unit);
            return Err(Error::format(path, what));
        };
        sys::read_exact_at(file, bytes, offset).map_err(|e| Error::io(&path, "cannot be read", e))?;
        Ok((Some(len as usize), path))
    }

    /// Decodes what was fetched and copies the part that lies in the array.
    fn decode(&mut self, len: usize, at: &Region, out: &mut ViewMut<'_>) -> Result<(), String> {
        let mut bytes = Cow::Borrowed(&self.raw.bytes()[..len]);
        for stage in &mut self.stages {
            bytes = stage.decode(bytes)?;
        }
        let chain = &self.pixels.chain;
        if bytes.len() as u64 != chain.bytes {
            return Err(format!("{} bytes are not a chunk of {:?}", bytes.len(), self.pixels.unit));
        }
        let corner = Region { start: at.start.iter().map(|_| 0).collect(), shape: at.shape.clone() };
        let dtype = self.pixels.dtype;
        match &chain.turn {
            Turn::Plain { strides, swapped } => {
                let extents = |dims: &Dims| -> Vec<usize> { dims.iter().map(|&n| n as usize).collect() };
                let chunk = View::strided(dtype, &extents(&self.pixels.unit), &extents(strides), &bytes);
                copy(out, &chunk.sub(&corner));
                settle_all(out, dtype, *swapped);
            }
            Turn::Chain { chain, shape, dtype: data_type, fill, options } => {
                use zarrs::array::codec::api::ArrayToBytesCodecTraits;
                let elements = chain.decode(bytes, shape, data_type, fill, options).map_err(|e| e.to_string())?;
                let elements = elements.into_fixed().map_err(|e| e.to_string())?;
                let unit = &self.pixels.unit;
                if elements.len() as u64 != unit.iter().product::<u64>() * dtype.size() as u64 {
                    return Err(format!("{} bytes are not a chunk of {unit:?}", elements.len()));
                }
                copy(out, &View::new(dtype, unit, &elements).sub(&corner));
                settle_all(out, dtype, false);
            }
        }
        Ok(())
    }
}

impl Reader for ZarrReader {
    fn read(&mut self, at: &Region, mut out: ViewMut<'_>) -> Result<()> {
        if at.elements() == 0 {
            return Ok(());
        }
        let (len, path) = self.fetch(&at.start)?;
        match len {
            None => out.fill(&self.pixels.fill),
            Some(len) => {
                let damaged = |what| Error::format(&path, format!("is damaged: {what}"));
                self.decode(len, at, &mut out).map_err(damaged)?;
            }
        }
        Ok(())
    }
}

/// Brings every row into the machine's byte order, and truth values to 0 and 1.
fn settle_all(out: &mut ViewMut<'_>, dtype: DType, swapped: bool) {
    if !swapped && dtype != DType::Bool {
        return;
    }
    let (shape, [strides]) = merge_axes(out.shape(), [out.strides()]);
    let size = dtype.size();
    let data = out.data_mut();
    for_each_row(&shape, [&strides], |[first], n| settle(&mut data[first * size..(first + n) * size], dtype, swapped));
}
