//! JPEG and PNG, decoded and encoded whole: one chunk is the whole image.

use super::file::FileBytes;
use super::partial::Partial;
use super::strided::{shape_text, swap};
use super::units::{micrometers_unless_print, per_centimeter, set_sizes};
use super::{Access, Facts, Layout, OpenOptions, Order, ReadBill, Reader, Sink, Source, name_axes};
use crate::array::{ArraySpec, Buffer, DType, Region, View, ViewMut, copy, merge_axes};
use crate::error::{Error, Result};
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

/// PNG outputs above this are refused: they are held in memory.
const MAX_PNG: u64 = 64 << 20;

/// Decoder state of a PNG beside its rows (inflate window, chunk buffers), and of its encoder.
const PNG_BILL: u64 = 1 << 20;

/// Decoder state of a JPEG beside its rows and coefficients (Huffman tables).
const JPEG_BILL: u64 = 512 << 10;

/// An image that is decoded whole.
#[derive(Debug)]
struct WholeImage {
    path: PathBuf,
    len: u64,
    spec: ArraySpec,
    facts: Facts,
    bill: u64,
    decode: Decode,
}

/// Decodes the file into a buffer of exactly the image's size.
type Decode = fn(&WholeImage, &mut [u8]) -> Result<()>;

impl Source for Arc<WholeImage> {
    fn spec(&self) -> &ArraySpec {
        &self.spec
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn layout(&self) -> Layout {
        Layout::Chunked { chunk: self.spec.shape.clone() }
    }

    fn bill(&self, _: Access) -> ReadBill {
        ReadBill { per_reader: self.bill, shared: 0 }
    }

    fn facts(&self) -> Facts {
        self.facts.clone()
    }

    fn reader(&self, _: Access) -> Result<Box<dyn Reader>> {
        Ok(Box::new(WholeReader { image: Arc::clone(self) }))
    }

    fn path(&self) -> Option<&Path> {
        Some(&self.path)
    }
}

struct WholeReader {
    image: Arc<WholeImage>,
}

impl Reader for WholeReader {
    fn read(&mut self, at: &Region, mut out: ViewMut<'_>) -> Result<()> {
        let image = &*self.image;
        if *at != Region::whole(&image.spec.shape) {
            return Err(Error::format(&image.path, format!("is read whole, not as {}", shape_text(&at.shape))));
        }
        let (rows, [strides]) = merge_axes(out.shape(), [out.strides()]);
        if rows.len() == 1 && strides[0] == 1 {
            return (image.decode)(image, out.data_mut());
        }
        // Chunks are decoded into buffers of their own, without gaps; this is for callers that do otherwise.
        let mut whole = Buffer::new(image.spec.bytes() as usize)?;
        (image.decode)(image, whole.bytes_mut())?;
        copy(&mut out, &View::new(image.spec.dtype, &image.spec.shape, whole.bytes()));
        Ok(())
    }
}

/// The array of an image: `yx` for one channel, else `yxc`.
fn image_spec(width: u64, height: u64, channels: u64, dtype: DType) -> ArraySpec {
    match channels {
        1 => ArraySpec::with_axes(&[height, width], dtype, "yx"),
        n => ArraySpec::with_axes(&[height, width, n], dtype, "yxc"),
    }
}

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
    let image = WholeImage { path: path.to_path_buf(), len: bytes.len(), spec, facts, bill, decode: decode_jpeg };
    Ok(Arc::new(Arc::new(image)))
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
                    let all_in_one = u64::from(body[0]) == head.components;
                    return Ok(JpegHead { kept: head.kept || !all_in_one, metadata, ..head });
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

/// Opens a PNG. Palettes become colours and 1, 2 and 4-bit greys 8-bit ones.
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
    let facts = Facts { format: "PNG".into(), compression: "deflate".into(), more };
    // A row as stored, as unfiltered and as expanded, and the decoder's backlog of rows.
    let bill = PNG_BILL + u64::from(info.width) * 8 * 8;
    let len = path.metadata().map_err(|e| Error::io(path, "cannot be examined", e))?.len();
    let image = WholeImage { path: path.to_path_buf(), len, spec, facts, bill, decode: decode_png };
    Ok(Arc::new(Arc::new(image)))
}

fn png_reader(path: &Path) -> Result<png::Reader<BufReader<File>>> {
    let file = File::open(path).map_err(|e| Error::io(path, "cannot be opened", e))?;
    let mut decoder = png::Decoder::new(BufReader::new(file));
    decoder.set_transformations(png::Transformations::EXPAND);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.read_info().map_err(|e| broken_png(path, e))
}

fn broken_png(path: &Path, e: png::DecodingError) -> Error {
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

/// Makes a PNG output, which is held in memory until it is complete.
///
/// # Errors
/// When it may not be written there, or a PNG cannot hold such an array.
pub fn create_png(path: &Path, spec: &ArraySpec, overwrite: bool) -> Result<Box<dyn Sink>> {
    let out = Partial::new(path, overwrite)?;
    let wrong = |what: String| Error::Usage(format!("{}: {what}", path.display()));
    let colour = png_colour(spec).ok_or_else(|| {
        let array = format!("{} {} ({})", shape_text(&spec.shape), spec.dtype, spec.letters());
        wrong(format!("a PNG holds yx or yxc arrays of uint8 and uint16, and yx masks, not {array}"))
    })?;
    let (height, width) = (spec.shape[0], spec.shape[1]);
    if height * width > MAX_PNG {
        let n = (1..).find(|n| height.div_ceil(*n) * width.div_ceil(*n) <= MAX_PNG).unwrap_or(1);
        let hint = format!("for an overview select every n-th ([y=::{n}, x=::{n}]), else write a TIFF");
        return Err(wrong(format!("{width} x {height} pixels are too many for a PNG; {hint}")));
    }
    Ok(Box::new(PngSink { out, spec: spec.clone(), colour, pixels: Buffer::default() }))
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
struct PngSink {
    out: Partial,
    spec: ArraySpec,
    colour: png::ColorType,
    pixels: Buffer,
}

impl Sink for PngSink {
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
        self.spec.bytes() + PNG_BILL
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

impl PngSink {
    fn encode(&self) -> Result<()> {
        let failed = |e| match e {
            png::EncodingError::IoError(e) => Error::io(self.out.path(), "cannot be written", e),
            other => Error::format(self.out.path(), other.to_string()),
        };
        let (height, width) = (self.spec.shape[0] as u32, self.spec.shape[1] as u32);
        let mut file = BufWriter::new(self.out.file()?);
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(self.colour);
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
