//! Strips and tiles that are JPEGs.

use crate::io::tiff::page::Page;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

/// An upper bound of the decoder's memory: all coefficients of a progressive image, rows of them otherwise.
pub(super) fn bill(page: &Page) -> u64 {
    let side = |n: u64| n.next_multiple_of(32) + 32;
    let samples = side(page.chunk_width) * side(page.chunk_height) * page.samples_together();
    let rows = side(page.chunk_width) * page.samples_together() * 8 * 2 * 4;
    // Coefficients have two bytes.
    samples * 2 + rows * 4
}

/// Decodes an image with its tables into the beginning of `out`; gives the number of bytes.
pub(super) fn decode(page: &Page, stored: &[u8], out: &mut [u8]) -> Result<usize, String> {
    let samples = page.samples_together() as usize;
    let row = page.row_bytes() as usize;
    let side = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(usize::from(u16::MAX));
    let options = DecoderOptions::default().set_strict_mode(true);
    let options = options.set_max_width(side(page.chunk_width)).set_max_height(side(page.chunk_height));
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(stored), options);
    decoder.decode_headers().map_err(words)?;
    let components = decoder.info().map_or(0, |info| usize::from(info.components));
    let (width, height) = decoder.dimensions().unwrap_or((0, 0));
    if width as u64 != page.chunk_width || components != samples || height * row > out.len() {
        return Err(format!("its JPEG is {height} x {width} of {components} channels"));
    }
    let colours = match (samples, page.storage.ycbcr, decoder.input_colorspace()) {
        (1, ..) => ColorSpace::Luma,
        (_, true, _) | (_, _, Some(ColorSpace::RGB)) => ColorSpace::RGB,
        // As they are stored: the decoder takes them for luminance and chrominance, but the page says otherwise.
        _ => ColorSpace::YCbCr,
    };
    decoder.set_options(options.jpeg_set_out_colorspace(colours));
    let bytes = height * row;
    if decoder.output_buffer_size() != Some(bytes) {
        return Err("its JPEG has other colours than the page says".into());
    }
    decoder.decode_into(&mut out[..bytes]).map_err(words)?;
    Ok(bytes)
}

/// The decoder's words without its line breaks.
fn words(e: impl std::fmt::Debug) -> String {
    let text = format!("{e:?}");
    format!("its JPEG is corrupt: {}", text.split_whitespace().collect::<Vec<_>>().join(" "))
}
