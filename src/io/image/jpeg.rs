//! JPEGs, decoded whole.

use super::{WholeImage, image_spec};
use crate::array::{Buffer, DType};
use crate::error::{Error, Result};
use crate::io::file::FileBytes;
use crate::io::{Access, Facts, OpenOptions, Source, name_axes};
use std::path::Path;
use std::sync::Arc;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

/// Decoder state of a JPEG beside its rows and coefficients (Huffman tables).
const JPEG_BILL: u64 = 512 << 10;

/// Opens a JPEG.
///
/// # Errors
/// When its header is broken.
pub fn open_jpeg(path: &Path, options: &OpenOptions) -> Result<Arc<dyn Source>> {
    let mut bytes = FileBytes::open_new(path)?;
    let head = JpegHead::read(&mut bytes)?;
    let channels = if head.components == 1 { 1 } else { 3 };
    let spec = name_axes(image_spec(head.width, head.height, channels, DType::U8), options, path)?;
    let kind = if head.kept { "JPEG (progressive)" } else { "JPEG" };
    let facts = Facts { format: "JPEG".into(), compression: kind.into(), more: Vec::new() };
    let bill = head.memory() + bytes.len() + JPEG_BILL;
    let why = Some("zune-jpeg gives no rows of an image, only all of them");
    let path = path.to_path_buf();
    Ok(Arc::new(Arc::new(WholeImage { path, len: bytes.len(), spec, facts, bill, decode: decode_jpeg, why })))
}

/// What decides the memory for decoding a JPEG.
#[derive(Debug, PartialEq)]
struct JpegHead {
    width: u64,
    height: u64,
    components: u64,
    /// Most horizontal and vertical samples of a component in a block.
    sampling: [u64; 2],
    /// Samples of all components in a block.
    samples: u64,
    /// Whether all coefficients are kept until the last scan.
    kept: bool,
    /// Bytes of metadata, which the decoder copies.
    metadata: u64,
}

impl JpegHead {
    /// Walks the segments up to the first scan.
    fn read(bytes: &mut FileBytes) -> Result<Self> {
        let path = bytes.path().to_path_buf();
        let broken = |what: &str| Error::format(&path, format!("is not an intact JPEG: {what}"));
        let mut head: Option<JpegHead> = None;
        let (mut at, mut metadata) = (2, 0);
        loop {
            let mut start = [0; 4];
            bytes.read_at(at, &mut start)?;
            if start[0] != 0xFF {
                return Err(broken("a marker is missing"));
            }
            if start[1] == 0xFF {
                at += 1;
                continue;
            }
            let length = u64::from(u16::from_be_bytes([start[2], start[3]]));
            let mut body = [0; 18];
            let known = (length.saturating_sub(2) as usize).min(body.len());
            bytes.read_at(at + 4, &mut body[..known])?;
            match start[1] {
                0xC0..=0xC2 => {
                    head = Some(Self::frame(start[1] == 0xC2, &body[..known]).ok_or_else(|| broken("frame"))?)
                }
                0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                    return Err(broken("it is lossless, hierarchical or arithmetic coded, which is not read"));
                }
                0xDA => {
                    let head = head.ok_or_else(|| broken("it has no frame"))?;
                    // zune-jpeg 0.5 takes the scans of such an image for each other's and says nothing.
                    if !head.kept && u64::from(body[0]) != head.components {
                        return Err(broken("its colours stand in separate scans, which is not read"));
                    }
                    return Ok(JpegHead { metadata, ..head });
                }
                _ => metadata += length,
            }
            at += 2 + length.max(2);
        }
    }

    fn frame(progressive: bool, body: &[u8]) -> Option<Self> {
        let (&[bits, h1, h0, w1, w0, components], parts) = body.split_at_checked(6)? else {
            return None;
        };
        let (height, width) = (u64::from(u16::from_be_bytes([h1, h0])), u64::from(u16::from_be_bytes([w1, w0])));
        let (mut sampling, mut samples) = ([1, 1], 0);
        for part in parts.chunks_exact(3).take(components.into()) {
            let [h, v] = [u64::from(part[1] >> 4), u64::from(part[1] & 15)];
            sampling = [sampling[0].max(h), sampling[1].max(v)];
            samples += h * v;
        }
        let good = bits == 8 && height > 0 && width > 0 && matches!(components, 1 | 3 | 4);
        let components = components.into();
        good.then_some(JpegHead { width, height, components, sampling, samples, kept: progressive, metadata: 0 })
    }

    /// An upper bound of what the decoder allocates: rows of coefficients and upsampled rows, and all coefficients
    /// where they are kept.
    fn memory(&self) -> u64 {
        let [h, v] = self.sampling;
        let padded = |length: u64, samples: u64| length.next_multiple_of(8 * samples) + 8 * samples;
        let (width, height) = (padded(self.width, h), padded(self.height, v));
        let rows = width * self.components * 8 * 2 * (v + h * v);
        let kept = if self.kept { width * height * 2 * self.samples / (h * v) } else { 0 };
        rows + kept + 2 * self.metadata
    }
}

fn decode_jpeg(image: &WholeImage, out: &mut [u8]) -> Result<()> {
    let mut file = FileBytes::open(&image.path, image.len, Access::Positioned)?;
    let mut stored = Buffer::new(image.len as usize)?;
    file.read_at(0, stored.bytes_mut())?;
    let colours = if image.spec.rank() == 2 { ColorSpace::Luma } else { ColorSpace::RGB };
    // Strict, since a truncated photograph would otherwise go grey from there on.
    let options = DecoderOptions::default().set_strict_mode(true).jpeg_set_out_colorspace(colours);
    let options = options.set_max_width(usize::from(u16::MAX)).set_max_height(usize::from(u16::MAX));
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(stored.bytes()), options);
    let broken = |what: String| Error::format(&image.path, format!("is not an intact JPEG: {what}"));
    decoder.decode_headers().map_err(|e| broken(one_line(&e)))?;
    if decoder.output_buffer_size() != Some(out.len()) {
        return Err(broken("its size has changed".into()));
    }
    decoder.decode_into(out).map_err(|e| broken(one_line(&e)))
}

/// The decoder's words without its line breaks.
fn one_line(e: &dyn std::fmt::Debug) -> String {
    format!("{e:?}").split_whitespace().collect::<Vec<_>>().join(" ")
}
