//! PNG and JPEG outputs, held in memory until they are complete.

use super::png::PNG_BILL;
use crate::array::{ArraySpec, Buffer, DType, Region, View, ViewMut, copy};
use crate::error::{Error, Result};
use crate::io::partial::Partial;
use crate::io::strided::{shape_text, swap};
use crate::io::units::per_centimeter;
use crate::io::{Order, Sink};
use std::io::{BufWriter, Write};
use std::path::Path;

/// Outputs of more pixels are refused: they are held in memory.
const MOST: u64 = 64 << 20;

/// State of an encoder …
const ENCODER_BILL: u64 = PNG_BILL;

/// … and for each pixel of a row: filtered rows of a PNG, the blocks of a JPEG in all components.
const ROW_BILL: u64 = 256;

/// The quality of a JPEG where nobody says.
const QUALITY: u8 = 90;

/// What the pixels become.
#[derive(Debug)]
enum Format {
    Png(png::ColorType),
    Jpeg(jpeg_encoder::ColorType, u8),
}

/// Makes a PNG output.
///
/// # Errors
/// When it may not be written there, or a PNG cannot hold such an array.
pub fn create_png(path: &Path, spec: &ArraySpec, overwrite: bool) -> Result<Box<dyn Sink>> {
    let kinds = "a PNG holds yx or yxc arrays of uint8 and uint16, and yx masks";
    create(path, spec, overwrite, png_colour(spec).map(Format::Png), kinds)
}

/// Makes a JPEG output.
///
/// # Errors
/// When it may not be written there, or a JPEG cannot hold such an array.
pub fn create_jpeg(path: &Path, spec: &ArraySpec, overwrite: bool, quality: Option<u8>) -> Result<Box<dyn Sink>> {
    let quality = quality.unwrap_or(QUALITY);
    if !(1..=100).contains(&quality) {
        return Err(Error::Usage(format!("{}: `quality` is {quality}, it is in 1..=100", path.display())));
    }
    let kinds =
        "a JPEG holds yx or yxc arrays of uint8 with 1 or 3 channels and up to 65535 pixels a side, and yx masks";
    create(path, spec, overwrite, jpeg_colour(spec).map(|colour| Format::Jpeg(colour, quality)), kinds)
}

fn create(
    path: &Path,
    spec: &ArraySpec,
    overwrite: bool,
    format: Option<Format>,
    kinds: &str,
) -> Result<Box<dyn Sink>> {
    let out = Partial::new(path, overwrite)?;
    let wrong = |what: String| Error::Usage(format!("{}: {what}", path.display()));
    let format = format.ok_or_else(|| {
        let array = format!("{} {} ({})", shape_text(&spec.shape), spec.dtype, spec.letters());
        wrong(format!("{kinds}, not {array}"))
    })?;
    let (height, width) = (spec.shape[0], spec.shape[1]);
    if height * width > MOST {
        let n = (1..).find(|n| height.div_ceil(*n) * width.div_ceil(*n) <= MOST).unwrap_or(1);
        let hint = format!("for an overview select every n-th ([y=::{n}, x=::{n}]), else write a TIFF");
        let name = if matches!(format, Format::Png(_)) { "PNG" } else { "JPEG" };
        return Err(wrong(format!("{width} x {height} pixels are too many for a {name}; {hint}")));
    }
    Ok(Box::new(HeldSink { out, spec: spec.clone(), format, pixels: Buffer::default() }))
}

/// The kind of JPEG for such an array; `None` where there is none.
fn jpeg_colour(spec: &ArraySpec) -> Option<jpeg_encoder::ColorType> {
    let fits = spec.shape.iter().take(2).all(|&n| (1..=u64::from(u16::MAX)).contains(&n));
    match (png_colour(spec)?, spec.dtype) {
        _ if !fits => None,
        (png::ColorType::Grayscale, DType::U8 | DType::Bool) => Some(jpeg_encoder::ColorType::Luma),
        (png::ColorType::Rgb, DType::U8) => Some(jpeg_encoder::ColorType::Rgb),
        _ => None,
    }
}

/// The kind of PNG for such an array; `None` where there is none.
fn png_colour(spec: &ArraySpec) -> Option<png::ColorType> {
    let fits = spec.shape.iter().take(2).all(|&n| (1..=i32::MAX as u64).contains(&n));
    let last = spec.axes.last().map(|a| a.name);
    match (&spec.shape[..], spec.dtype) {
        _ if !fits => None,
        ([_, _], DType::U8 | DType::U16 | DType::Bool) => Some(png::ColorType::Grayscale),
        (&[_, _, channels], DType::U8 | DType::U16) if spec.named && last == Some('c') => match channels {
            1 => Some(png::ColorType::Grayscale),
            2 => Some(png::ColorType::GrayscaleAlpha),
            3 => Some(png::ColorType::Rgb),
            4 => Some(png::ColorType::Rgba),
            _ => None,
        },
        _ => None,
    }
}

#[derive(Debug)]
struct HeldSink {
    out: Partial,
    spec: ArraySpec,
    format: Format,
    pixels: Buffer,
}

impl Sink for HeldSink {
    fn spec(&self) -> &ArraySpec {
        &self.spec
    }

    fn path(&self) -> &Path {
        self.out.path()
    }

    fn order(&self) -> Order {
        Order::Any
    }

    fn bill(&self) -> u64 {
        self.spec.bytes() + ENCODER_BILL + self.spec.shape[1] * ROW_BILL
    }

    fn begin(&mut self) -> Result<()> {
        self.out.begin(0)?;
        self.pixels = Buffer::new(self.spec.bytes() as usize)?;
        Ok(())
    }

    fn write(&mut self, at: &Region, tile: View<'_>) -> Result<()> {
        let mut whole = ViewMut::new(self.spec.dtype, &self.spec.shape, self.pixels.bytes_mut());
        copy(&mut whole.sub(at), &tile);
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        let pixels = self.pixels.bytes_mut();
        if self.spec.dtype == DType::Bool {
            pixels.iter_mut().for_each(|b| *b = if *b == 0 { 0 } else { 255 });
        }
        if cfg!(target_endian = "little") {
            swap(pixels, self.spec.dtype.size());
        }
        let encoded = self.encode().inspect_err(|_| self.out.abort());
        self.pixels = Buffer::default();
        encoded.and_then(|()| self.out.commit())
    }

    fn abort(&mut self) {
        self.pixels = Buffer::default();
        self.out.abort();
    }
}

impl HeldSink {
    fn encode(&self) -> Result<()> {
        match self.format {
            Format::Png(colour) => self.encode_png(colour),
            Format::Jpeg(colour, quality) => self.encode_jpeg(colour, quality),
        }
    }

    fn encode_jpeg(&self, colour: jpeg_encoder::ColorType, quality: u8) -> Result<()> {
        let (height, width) = (self.spec.shape[0] as u16, self.spec.shape[1] as u16);
        let mut file = BufWriter::new(self.out.file()?);
        let encoded = jpeg_encoder::Encoder::new(&mut file, quality).encode(self.pixels.bytes(), width, height, colour);
        let io = |e| Error::io(self.out.path(), "cannot be written", e);
        encoded.map_err(|e| match e {
            jpeg_encoder::EncodingError::IoError(e) => io(e),
            other => Error::format(self.out.path(), other.to_string()),
        })?;
        file.flush().map_err(io)
    }

    fn encode_png(&self, colour: png::ColorType) -> Result<()> {
        let failed = |e| match e {
            png::EncodingError::IoError(e) => Error::io(self.out.path(), "cannot be written", e),
            other => Error::format(self.out.path(), other.to_string()),
        };
        let (height, width) = (self.spec.shape[0] as u32, self.spec.shape[1] as u32);
        let mut file = BufWriter::new(self.out.file()?);
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(colour);
        let wide = self.spec.dtype.size() == 2;
        encoder.set_depth(if wide { png::BitDepth::Sixteen } else { png::BitDepth::Eight });
        encoder.set_compression(png::Compression::Fast);
        encoder.set_pixel_dims(self.density());
        let mut writer = encoder.write_header().map_err(failed)?;
        // In pieces: at once it would hold the compressed image as well.
        let mut stream = writer.stream_writer().map_err(failed)?;
        let io = |e| Error::io(self.out.path(), "cannot be written", e);
        stream.write_all(self.pixels.bytes()).map_err(io)?;
        stream.finish().map_err(failed)?;
        writer.finish().map_err(failed)?;
        file.flush().map_err(io)
    }

    fn density(&self) -> Option<png::PixelDimensions> {
        let [x, y] = per_centimeter([&self.spec.axes[1], &self.spec.axes[0]])?;
        let per_meter = |d: f64| (d * 100.0).round() as u32;
        Some(png::PixelDimensions { xppu: per_meter(x), yppu: per_meter(y), unit: png::Unit::Meter })
    }
}
