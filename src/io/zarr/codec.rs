//! Decompression into buffers of a known size. zarrs' own decoders allocate whatever a chunk claims to hold, which a
//! hostile or damaged one could use to break the memory limit; these stop at the size the metadata promises.

use crate::array::Buffer;
use crate::error::Result;
use flate2::bufread::{MultiGzDecoder, ZlibDecoder};
use std::borrow::Cow;
use std::io::Read;
use std::sync::Arc;
use zarrs::array::codec::api::{BytesToBytesCodecTraits, Codec};
use zarrs::array::codec::{blosc_decompress_bytes, blosc_validate};
use zarrs::array::{BytesRepresentation, CodecOptions};
use zarrs::metadata::v3::MetadataV3;

/// A codec between bytes and bytes.
#[derive(Clone, Debug)]
pub(super) enum Squeeze {
    Gzip,
    Zlib,
    Zstd,
    Bz2,
    Lz4,
    Blosc,
    Crc32c,
    /// One of zarrs' that never gives more bytes than it takes.
    Plain(Arc<dyn BytesToBytesCodecTraits>, CodecOptions),
}

/// Memory that decoding takes besides the bytes that go in and come out.
const INFLATE: u64 = 64 << 10;
const ZSTD: u64 = 192 << 10;
const BZ2: u64 = 4 << 20;

impl Squeeze {
    /// The codec of that description; `None` if it is not one between bytes and bytes.
    pub fn of(metadata: &MetadataV3) -> Option<Squeeze> {
        Some(match short_name(metadata.name()) {
            "gzip" => Squeeze::Gzip,
            "zlib" => Squeeze::Zlib,
            "zstd" => Squeeze::Zstd,
            "bz2" => Squeeze::Bz2,
            "lz4" => Squeeze::Lz4,
            "blosc" => Squeeze::Blosc,
            "crc32c" => Squeeze::Crc32c,
            "adler32" | "fletcher32" | "shuffle" => match Codec::from_metadata(metadata) {
                Ok(Codec::BytesToBytes(codec)) => Squeeze::Plain(codec, quiet_options()?),
                _ => return None,
            },
            _ => return None,
        })
    }

    /// The most bytes that so many become.
    pub fn encoded_bound(&self, decoded: u64) -> u64 {
        match self {
            Squeeze::Crc32c => decoded.saturating_add(4),
            Squeeze::Plain(codec, _) => {
                let bound = codec.encoded_representation(&BytesRepresentation::BoundedSize(decoded));
                bound.size().unwrap_or(decoded)
            }
            _ => decoded.saturating_add(decoded / 8).saturating_add(decoded / 64).saturating_add(4096),
        }
    }

    /// Bytes held while so many are decoded, beyond those that go in.
    pub fn memory(&self, decoded: u64) -> u64 {
        match self {
            Squeeze::Gzip | Squeeze::Zlib => decoded.saturating_add(INFLATE),
            Squeeze::Zstd => decoded.saturating_add(ZSTD),
            Squeeze::Bz2 => decoded.saturating_add(BZ2),
            Squeeze::Lz4 | Squeeze::Plain(..) => decoded,
            // Its temporary blocks are at most as large as the data.
            Squeeze::Blosc => decoded.saturating_mul(3),
            Squeeze::Crc32c => 0,
        }
    }
}

/// Options that keep zarrs on the calling thread. Making them asks rayon how many threads it has, which would start its
/// global pool; a thread that is a pool of its own has none to start.
pub(super) fn quiet_options() -> Option<CodecOptions> {
    let make = || {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
        pool.ok().map(|_pool| CodecOptions::default().with_concurrent_target(1).with_chunk_concurrent_minimum(1))
    };
    let thread = std::thread::Builder::new().stack_size(256 << 10).spawn(make).ok()?;
    thread.join().ok().flatten()
}

/// A codec's name without the namespace it may have: `numcodecs.zlib` is `zlib`.
pub(super) fn short_name(name: &str) -> &str {
    let name = name.rsplit('/').next().unwrap_or(name);
    ["numcodecs.", "zarrs."].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name)
}

/// A codec with the buffer it decodes into.
pub(super) struct Stage {
    codec: Squeeze,
    /// The most bytes that decoding may give; exactly so many where `exact`.
    most: usize,
    exact: bool,
    out: Buffer,
    zstd: Option<zstd::bulk::Decompressor<'static>>,
}

impl Stage {
    /// A stage that gives `most` bytes, or up to so many.
    ///
    /// # Errors
    /// When the memory cannot be had.
    pub fn new(codec: Squeeze, most: usize, exact: bool) -> Result<Self> {
        let buffered = !matches!(codec, Squeeze::Crc32c | Squeeze::Blosc | Squeeze::Plain(..));
        let out = Buffer::new(if buffered { most } else { 0 })?;
        Ok(Stage { codec, most, exact, out, zstd: None })
    }

    /// Decodes; the message says what is wrong with the bytes.
    pub fn decode<'a>(&'a mut self, from: Cow<'a, [u8]>) -> Result<Cow<'a, [u8]>, String> {
        let (most, exact) = (self.most, self.exact);
        let wrong = |len: usize| format!("{len} bytes come out of it, not {most}");
        let done = match &self.codec {
            Squeeze::Crc32c => checked(from)?,
            Squeeze::Plain(codec, options) => {
                let size = if exact { BytesRepresentation::FixedSize } else { BytesRepresentation::BoundedSize };
                codec.decode(from, &size(most as u64), options).map_err(|e| e.to_string())?
            }
            Squeeze::Blosc => match blosc_validate(&from) {
                Some(0) if from.len() >= 16 => Cow::Borrowed(&[][..]),
                Some(len) if len <= most => {
                    Cow::Owned(blosc_decompress_bytes(&from, len, 1).map_err(|_| "its blosc data is corrupt")?)
                }
                Some(len) => return Err(wrong(len)),
                None => return Err("its blosc data is corrupt".into()),
            },
            Squeeze::Gzip => fill(MultiGzDecoder::new(&from[..]), self.out.bytes_mut())?.into(),
            Squeeze::Zlib => fill(ZlibDecoder::new(&from[..]), self.out.bytes_mut())?.into(),
            Squeeze::Bz2 => fill(bzip2::bufread::MultiBzDecoder::new(&from[..]), self.out.bytes_mut())?.into(),
            Squeeze::Zstd => {
                if self.zstd.is_none() {
                    self.zstd = Some(zstd::bulk::Decompressor::new().map_err(|e| e.to_string())?);
                }
                let Some(decoder) = &mut self.zstd else { return Err("no zstd decoder".into()) };
                let out = self.out.bytes_mut();
                let len = decoder.decompress_to_buffer(&from, out).map_err(|e| format!("zstd: {e}"))?;
                Cow::Borrowed(&out[..len])
            }
            Squeeze::Lz4 => {
                let (len, block) = from.split_first_chunk::<4>().ok_or("its lz4 data is cut off")?;
                let len = u32::from_le_bytes(*len) as usize;
                let out = self.out.bytes_mut().get_mut(..len).ok_or_else(|| wrong(len))?;
                let got = lz4_flex::block::decompress_into(block, out).map_err(|e| format!("lz4: {e}"))?;
                Cow::Borrowed(&out[..got])
            }
        };
        match done.len() == most || (!exact && done.len() < most) {
            true => Ok(done),
            false => Err(wrong(done.len())),
        }
    }
}

/// The bytes before a valid CRC-32C.
fn checked(from: Cow<'_, [u8]>) -> Result<Cow<'_, [u8]>, String> {
    let Some((body, sum)) = from.split_last_chunk::<4>() else {
        return Err("it is too short for its checksum".into());
    };
    if crc32c::crc32c(body) != u32::from_le_bytes(*sum) {
        return Err("its checksum (CRC-32C) does not match".into());
    }
    let len = body.len();
    Ok(match from {
        Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[..len]),
        Cow::Owned(mut bytes) => {
            bytes.truncate(len);
            Cow::Owned(bytes)
        }
    })
}

/// Reads to the end of a stream that may not give more than the buffer holds.
fn fill(mut from: impl Read, out: &mut [u8]) -> Result<&[u8], String> {
    let mut len = 0;
    while len < out.len() {
        match from.read(&mut out[len..]).map_err(|e| e.to_string())? {
            0 => return Ok(&out[..len]),
            n => len += n,
        }
    }
    // Reads the checksum at the end as well.
    match from.read(&mut [0]).map_err(|e| e.to_string())? {
        0 => Ok(out),
        _ => Err(format!("more than {len} bytes come out of it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn packed(codec: &Squeeze, data: &[u8]) -> Vec<u8> {
        let level = flate2::Compression::default();
        match codec {
            Squeeze::Gzip => {
                let mut out = flate2::write::GzEncoder::new(Vec::new(), level);
                out.write_all(data).unwrap();
                out.finish().unwrap()
            }
            Squeeze::Zlib => {
                let mut out = flate2::write::ZlibEncoder::new(Vec::new(), level);
                out.write_all(data).unwrap();
                out.finish().unwrap()
            }
            Squeeze::Zstd => zstd::bulk::compress(data, 3).unwrap(),
            Squeeze::Bz2 => {
                let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
                out.write_all(data).unwrap();
                out.finish().unwrap()
            }
            Squeeze::Lz4 => [&(data.len() as u32).to_le_bytes()[..], &lz4_flex::block::compress(data)].concat(),
            Squeeze::Blosc => {
                use zarrs::array::codec::{BloscCompressor, BloscShuffleMode, blosc_compress_bytes};
                let level = 5.try_into().unwrap();
                blosc_compress_bytes(data, level, BloscShuffleMode::Shuffle, 2, BloscCompressor::LZ4, 0, 1).unwrap()
            }
            Squeeze::Crc32c => [data, &crc32c::crc32c(data).to_le_bytes()].concat(),
            Squeeze::Plain(..) => data.to_vec(),
        }
    }

    const ALL: [Squeeze; 7] =
        [Squeeze::Gzip, Squeeze::Zlib, Squeeze::Zstd, Squeeze::Bz2, Squeeze::Lz4, Squeeze::Blosc, Squeeze::Crc32c];

    #[test]
    fn what_was_packed_comes_out_and_never_more_than_promised() {
        let data: Vec<u8> = (0..5000u32).map(|i| (i / 7 % 13) as u8).collect();
        for codec in ALL {
            let bytes = packed(&codec, &data);
            assert!(bytes.len() as u64 <= codec.encoded_bound(5000), "{codec:?}");
            let decode = |most: usize, exact: bool, bytes: &[u8]| {
                let mut stage = Stage::new(codec.clone(), most, exact).unwrap();
                stage.decode(Cow::Borrowed(bytes)).map(|out| out.into_owned())
            };
            assert_eq!(decode(5000, true, &bytes).unwrap(), data, "{codec:?}");
            assert_eq!(decode(6000, false, &bytes).unwrap(), data, "{codec:?}");
            for most in [0, 4999, 5001] {
                assert!(decode(most, true, &bytes).is_err(), "{codec:?} {most}");
            }
            for cut in 0..bytes.len() {
                assert!(decode(5000, true, &bytes[..cut]).is_err(), "{codec:?} cut to {cut}");
            }
        }
    }
}
