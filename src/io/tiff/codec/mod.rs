//! From the stored bytes of a strip or tile to its pixels.

mod jpeg;
mod packbits;
mod predictor;

pub(super) use predictor::{apply_float, apply_horizontal};

use super::page::{Method, Page, Predictor};
use crate::io::strided::swap;
use libdeflater::{DecompressionError, Decompressor};
use weezl::{BitOrder, LzwStatus};

/// Memory of a codec beyond the strips or tiles.
const STATE_BILL: u64 = 512 << 10;

/// One reader's decoders.
pub(super) struct Codec {
    deflate: Option<Decompressor>,
    lzw: Option<weezl::decode::Decoder>,
    zstd: Option<zstd::bulk::Decompressor<'static>>,
    row: Vec<u8>,
}

impl Codec {
    /// No decoder yet: they are made when they are needed.
    pub fn new() -> Self {
        Codec { deflate: None, lzw: None, zstd: None, row: Vec::new() }
    }

    /// An upper bound of the memory for decoding such strips or tiles into a buffer.
    pub fn bill(page: &Page) -> u64 {
        let row = if page.storage.predictor == Predictor::Float { page.row_bytes() } else { 0 };
        let bits = if page.storage.bits { page.stored_row_bytes() * page.chunk_height } else { 0 };
        let jpeg = if page.storage.method == Method::Jpeg { jpeg::bill(page) } else { 0 };
        STATE_BILL + row + bits + jpeg
    }

    /// Decodes `stored` into the first elements of `out`; gives the number of whole rows. `out` has room for whole
    /// rows in memory; `swapped` says that elements have the other machine's byte order.
    ///
    /// # Errors
    /// When the bytes are corrupt or stand for more than `out` holds; in words.
    pub fn decode(&mut self, page: &Page, swapped: bool, stored: &mut [u8], out: &mut [u8]) -> Result<u64, String> {
        if page.storage.reversed {
            stored.iter_mut().for_each(|b| *b = b.reverse_bits());
        }
        if page.storage.bits {
            return self.decode_bits(page, stored, out);
        }
        let bytes = self.unpack(page, stored, out)?;
        let row = page.row_bytes() as usize;
        if bytes % row != 0 {
            return Err(format!("it is {bytes} bytes, which is not a number of rows of {row} bytes"));
        }
        self.settle(page, swapped, &mut out[..bytes]);
        Ok((bytes / row) as u64)
    }

    /// Turns bits into truth values.
    fn decode_bits(&mut self, page: &Page, stored: &[u8], out: &mut [u8]) -> Result<u64, String> {
        let (packed, row) = (page.stored_row_bytes() as usize, page.row_bytes() as usize);
        let mut bits = vec![0; out.len() / row * packed];
        let bytes = self.unpack(page, stored, &mut bits)?;
        if bytes % packed != 0 {
            return Err(format!("it is {bytes} bytes, which is not a number of rows of {packed} bytes"));
        }
        for (to, from) in out.chunks_exact_mut(row).zip(bits[..bytes].chunks_exact(packed)) {
            to.iter_mut().enumerate().for_each(|(i, e)| *e = from[i / 8] >> (7 - i % 8) & 1);
        }
        Ok((bytes / packed) as u64)
    }

    /// Undoes the compression; gives the number of bytes.
    fn unpack(&mut self, page: &Page, stored: &[u8], out: &mut [u8]) -> Result<usize, String> {
        let most = out.len();
        let too_long = || format!("it stands for more than the {most} bytes of its pixels");
        match page.storage.method {
            Method::None if stored.len() > most => Err(too_long()),
            Method::None => {
                out[..stored.len()].copy_from_slice(stored);
                Ok(stored.len())
            }
            Method::PackBits => packbits::decode(stored, out),
            Method::Deflate => {
                let decoder = self.deflate.get_or_insert_with(Decompressor::new);
                decoder.zlib_decompress(stored, out).map_err(|e| match e {
                    DecompressionError::BadData => "its deflate data is corrupt".to_string(),
                    DecompressionError::InsufficientSpace => too_long(),
                })
            }
            Method::Lzw => self.unpack_lzw(stored, out),
            Method::Zstd => {
                if self.zstd.is_none() {
                    self.zstd = Some(zstd::bulk::Decompressor::new().map_err(|e| e.to_string())?);
                }
                let decoder = self.zstd.as_mut().ok_or("no zstd decoder")?;
                decoder.decompress_to_buffer(stored, out).map_err(|e| format!("its zstd data is corrupt: {e}"))
            }
            Method::Jpeg => jpeg::decode(page, stored, out),
        }
    }

    fn unpack_lzw(&mut self, stored: &[u8], out: &mut [u8]) -> Result<usize, String> {
        if let [0, second, ..] = stored
            && second & 1 == 1
        {
            return Err("it is in the LZW of before 1992, which is not read".into());
        }
        let decoder = self.lzw.get_or_insert_with(|| weezl::decode::Decoder::with_tiff_size_switch(BitOrder::Msb, 8));
        decoder.reset();
        let (mut read, mut written) = (0, 0);
        while written < out.len() {
            let step = decoder.decode_bytes(&stored[read..], &mut out[written..]);
            read += step.consumed_in;
            written += step.consumed_out;
            match step.status {
                Ok(LzwStatus::Done) => break,
                Ok(LzwStatus::NoProgress) => break,
                Ok(LzwStatus::Ok) if step.consumed_in + step.consumed_out == 0 => break,
                Ok(LzwStatus::Ok) => {}
                Err(e) => return Err(format!("its LZW data is corrupt: {e}")),
            }
        }
        Ok(written)
    }

    /// Undoes the predictor and brings elements into the machine's byte order.
    pub fn settle(&mut self, page: &Page, swapped: bool, rows: &mut [u8]) {
        let (size, samples) = (page.dtype.size(), page.samples_together() as usize);
        let row = page.row_bytes() as usize;
        match page.storage.predictor {
            Predictor::Float => {
                self.row.resize(row, 0);
                rows.chunks_exact_mut(row).for_each(|r| predictor::undo_float(r, &mut self.row, size, samples));
            }
            other => {
                if swapped {
                    swap(rows, size);
                }
                if other == Predictor::Horizontal {
                    rows.chunks_exact_mut(row).for_each(|r| predictor::undo_horizontal(r, size, samples));
                }
            }
        }
    }
}
