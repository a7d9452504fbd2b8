//! PNGs: what they hold, and decoding the small and the interlaced ones whole.

use super::rows::{BAND, PngRows};
use super::{WholeImage, image_spec};
use crate::array::DType;
use crate::error::{Error, Result};
use crate::io::strided::swap;
use crate::io::units::{micrometers_unless_print, set_sizes};
use crate::io::{Facts, OpenOptions, Source, name_axes};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

/// Decoder state of a PNG beside its rows (inflate window, chunk buffers), and of its encoder.
pub(super) const PNG_BILL: u64 = 1 << 20;

/// Opens a PNG. Palettes become colours, colours declared transparent an alpha channel, and 1, 2 and 4-bit greys 8-bit
/// ones.
///
/// # Errors
/// When its header is broken.
pub fn open_png(path: &Path, options: &OpenOptions) -> Result<Arc<dyn Source>> {
    let reader = png_reader(path)?;
    let info = reader.info();
    let (colour, depth) = reader.output_color_type();
    let dtype = if depth == png::BitDepth::Sixteen { DType::U16 } else { DType::U8 };
    let channels = colour.samples() as u64;
    let mut spec = image_spec(info.width.into(), info.height.into(), channels, dtype);
    if let Some(density) = info.pixel_dims.filter(|d| d.unit == png::Unit::Meter) {
        let size = |per_meter: u32| micrometers_unless_print(f64::from(per_meter) / 100.0);
        set_sizes(&mut spec, [size(density.yppu), size(density.xppu)]);
    }
    let spec = name_axes(spec, options, path)?;
    let more = vec![("stored as".into(), format!("{:?}, {} bits", info.color_type, info.bit_depth as u8))];
    let interlaced = info.interlaced;
    let facts = Facts { format: "PNG".into(), compression: "deflate".into(), more };
    // A row as stored, as unfiltered and as expanded, and the decoder's backlog of rows.
    let bill = PNG_BILL + u64::from(info.width) * 8 * 8;
    let len = path.metadata().map_err(|e| Error::io(path, "cannot be examined", e))?.len();
    let path = path.to_path_buf();
    if spec.bytes() > BAND && !interlaced {
        return Ok(Arc::new(Arc::new(PngRows::new(path, spec, facts, bill))));
    }
    let why = interlaced.then_some("it is interlaced");
    Ok(Arc::new(Arc::new(WholeImage { path, len, spec, facts, bill, decode: decode_png, why })))
}

pub(super) type PngReader = png::Reader<BufReader<File>>;

pub(super) fn png_reader(path: &Path) -> Result<PngReader> {
    let file = File::open(path).map_err(|e| Error::io(path, "cannot be opened", e))?;
    let mut decoder = png::Decoder::new(BufReader::new(file));
    decoder.set_transformations(png::Transformations::EXPAND);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.read_info().map_err(|e| broken_png(path, e))
}

pub(super) fn broken_png(path: &Path, e: png::DecodingError) -> Error {
    match e {
        png::DecodingError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            Error::format(path, "is a truncated PNG")
        }
        png::DecodingError::IoError(e) => Error::io(path, "cannot be read", e),
        other => Error::format(path, format!("is not an intact PNG: {other}")),
    }
}

fn decode_png(image: &WholeImage, out: &mut [u8]) -> Result<()> {
    let mut reader = png_reader(&image.path)?;
    if reader.output_buffer_size() != Some(out.len()) {
        return Err(Error::format(&image.path, "is not the PNG that was opened: its size has changed"));
    }
    reader.next_frame(out).map_err(|e| broken_png(&image.path, e))?;
    if cfg!(target_endian = "little") {
        swap(out, image.spec.dtype.size());
    }
    Ok(())
}
