//! From the pixels of a tile to its stored bytes.

use crate::array::{DType, Dims, View, ViewMut, copy};
use crate::io::tiff::codec::{apply_float, apply_horizontal};
use crate::io::zstandard;
use libdeflater::{CompressionLvl, Compressor};
use tiff::tags::CompressionMethod;
use weezl::{BitOrder, LzwStatus};

/// How tiles are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    None,
    Lzw,
    Deflate(i32),
    Zstd(i32),
}

impl Method {
    /// What `compression=…` says.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, level) = text.split_once(':').map_or((text, None), |(name, level)| (name, Some(level)));
        let level = |default: i32| match level.map(str::parse) {
            None => Ok(default),
            Some(Ok(level @ 1..=9)) => Ok(level),
            _ => Err(format!("`compression`: the level of {name} is 1 to 9, not {text:?}")),
        };
        match (name, text.contains(':')) {
            ("none", false) => Ok(Method::None),
            ("lzw", false) => Ok(Method::Lzw),
            ("deflate" | "zlib", _) => Ok(Method::Deflate(level(6)?)),
            ("zstd", _) => Ok(Method::Zstd(level(3)?)),
            _ => Err(format!(
                "`compression`: {text:?} is not one of none, deflate, deflate:1 to 9, zstd, zstd:1 to 9, lzw"
            )),
        }
    }

    /// The number in the file.
    pub fn code(self) -> u16 {
        match self {
            Method::None => CompressionMethod::None.to_u16(),
            Method::Lzw => CompressionMethod::LZW.to_u16(),
            Method::Deflate(_) => CompressionMethod::Deflate.to_u16(),
            Method::Zstd(_) => CompressionMethod::ZSTD.to_u16(),
        }
    }

    /// Most bytes that so many bytes become.
    pub fn bound(self, bytes: usize) -> usize {
        match self {
            Method::None => bytes,
            // Codes of 12 bits for single bytes, and codes that clear the table.
            Method::Lzw => bytes + bytes / 2 + bytes / 256 + 64,
            // Stored blocks of 5 bytes for each 10 000 bytes or so, header and checksum.
            Method::Deflate(_) => bytes + bytes / 1000 + 256,
            Method::Zstd(_) => zstd::zstd_safe::compress_bound(bytes),
        }
    }

    /// An upper bound of the compressor's memory for tiles of so many bytes.
    fn bill(self, bytes: u64) -> u64 {
        match self {
            Method::None => 0,
            Method::Lzw => 512 << 10,
            Method::Deflate(_) => 1 << 20,
            Method::Zstd(level) => zstandard::memory(level, bytes),
        }
    }
}

/// The number of the predictor for that element type, if neighbours are to be predicted.
pub(super) fn predictor(method: Method, dtype: DType) -> u16 {
    match (method, dtype) {
        (Method::None, _) | (_, DType::Bool | DType::U64 | DType::I64) => 1,
        (_, d) if d.is_float() => 3,
        _ => 2,
    }
}

/// One worker's compressor.
pub(super) struct TileCodec {
    method: Method,
    dtype: DType,
    predictor: u16,
    /// Shape of a tile, on the axes of the array.
    shape: Dims,
    /// Elements of a pixel.
    samples: usize,
    raw: Vec<u8>,
    row: Vec<u8>,
    deflate: Option<Compressor>,
    zstd: Option<zstd::bulk::Compressor<'static>>,
}

impl TileCodec {
    /// A compressor for tiles of that shape, whose rows have so many pixels of so many samples.
    pub fn new(method: Method, dtype: DType, shape: &[u64], [width, samples]: [u64; 2]) -> Result<Self, String> {
        let bytes = shape.iter().product::<u64>() as usize * dtype.size();
        let predictor = predictor(method, dtype);
        let deflate = match method {
            Method::Deflate(level) => {
                let level = CompressionLvl::new(level).map_err(|_| format!("no deflate of level {level}"))?;
                Some(Compressor::new(level))
            }
            _ => None,
        };
        let zstd = match method {
            Method::Zstd(level) => Some(zstd::bulk::Compressor::new(level).map_err(|e| e.to_string())?),
            _ => None,
        };
        let row = (width * samples) as usize * dtype.size();
        let (shape, samples) = (shape.iter().copied().collect(), samples as usize);
        let (raw, row) = (vec![0; bytes], vec![0; row]);
        Ok(TileCodec { method, dtype, predictor, shape, samples, raw, row, deflate, zstd })
    }

    /// Memory of one.
    pub fn bill(method: Method, dtype: DType, shape: &[u64]) -> u64 {
        let bytes = shape.iter().product::<u64>() * dtype.size() as u64;
        2 * bytes + method.bill(bytes)
    }

    /// Appends the stored bytes of a tile, of which only `part` (its beginning along every axis) lies in the array.
    ///
    /// # Errors
    /// When the codec fails; in words.
    pub fn encode(&mut self, part: &View<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        let lengths: Dims = part.shape().iter().map(|&n| n as u64).collect();
        if lengths != self.shape {
            self.raw.fill(0);
        }
        let start: Dims = lengths.iter().map(|_| 0).collect();
        let inside = crate::array::Region { start, shape: lengths };
        copy(&mut ViewMut::new(self.dtype, &self.shape, &mut self.raw).sub(&inside), part);
        self.prepare();
        let first = out.len();
        let bound = self.method.bound(self.raw.len());
        if self.method == Method::None {
            out.extend_from_slice(&self.raw);
            return Ok(());
        }
        out.resize(first + bound, 0);
        let room = &mut out[first..];
        let length = match (&mut self.deflate, &mut self.zstd) {
            (Some(deflate), _) => deflate.zlib_compress(&self.raw, room).map_err(|e| e.to_string())?,
            (_, Some(zstd)) => zstd.compress_to_buffer(&self.raw[..], room).map_err(|e| e.to_string())?,
            _ => lzw(&self.raw, room)?,
        };
        out.truncate(first + length);
        Ok(())
    }

    /// Brings the pixels into the form that is compressed.
    fn prepare(&mut self) {
        let size = self.dtype.size();
        if self.dtype == DType::Bool {
            self.raw.iter_mut().for_each(|b| *b = if *b == 0 { 0 } else { 255 });
        }
        let row = self.row.len();
        for part in self.raw.chunks_exact_mut(row) {
            match self.predictor {
                2 => apply_horizontal(part, size, self.samples),
                3 => apply_float(part, &mut self.row, size, self.samples),
                _ => {}
            }
            if cfg!(target_endian = "big") && self.predictor != 3 {
                crate::io::strided::swap(part, size);
            }
        }
    }
}

fn lzw(raw: &[u8], room: &mut [u8]) -> Result<usize, String> {
    let mut encoder = weezl::encode::Encoder::with_tiff_size_switch(BitOrder::Msb, 8);
    encoder.finish();
    let (mut read, mut written) = (0, 0);
    loop {
        let step = encoder.encode_bytes(&raw[read..], &mut room[written..]);
        read += step.consumed_in;
        written += step.consumed_out;
        match step.status {
            Ok(LzwStatus::Done) => return Ok(written),
            Ok(LzwStatus::Ok) if step.consumed_in + step.consumed_out > 0 => {}
            Ok(_) => return Err("LZW makes no progress".into()),
            Err(e) => return Err(e.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_for_noise() {
        let mut state = 1u64;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 56) as u8
        });
        let noise: Vec<u8> = noise.take(1 << 18).collect();
        for text in ["none", "lzw", "deflate:1", "deflate:9", "zstd", "zstd:9"] {
            let method = Method::parse(text).unwrap();
            let mut codec = TileCodec::new(method, DType::U16, &[256, 512], [512, 1]).unwrap();
            let mut out = Vec::new();
            codec.encode(&View::new(DType::U16, &[256, 512], &noise), &mut out).unwrap();
            assert!(out.len() <= method.bound(noise.len()), "{text}: {}", out.len());
        }
    }

    #[test]
    fn compression_is_a_method_and_a_level() {
        assert_eq!(Method::parse("deflate"), Ok(Method::Deflate(6)));
        assert_eq!(Method::parse("zstd:9"), Ok(Method::Zstd(9)));
        for wrong in ["", "zip", "deflate:0", "deflate:10", "zstd:x", "lzw:3", "none:1", "jpeg"] {
            assert!(Method::parse(wrong).unwrap_err().contains("`compression`"), "{wrong}");
        }
    }
}
