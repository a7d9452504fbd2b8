//! Tiles, compressed by the workers and written as they come; the directories follow behind the last one.

use super::directory::{Values, Written, header};
use super::encode::{Method, TileCodec, predictor};
use super::{MAX_CLASSIC, Pages, omexml, usage};
use crate::array::{ArraySpec, Buffer, DType, Dims, Region, View, elements, grid_len, tiles_along};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::io::partial::Partial;
use crate::io::pyramid::{self, LevelEncoder, Levels};
use crate::io::{CreateOptions, EncodeBill, Encoded, Encoder, Order, Part, Sink};
use crate::sys;
use std::path::Path;
use std::sync::Arc;
use tiff::tags::{PhotometricInterpretation, PlanarConfiguration, ResolutionUnit, SampleFormat, Tag};

/// Length and width of a tile where nothing else is asked for.
const TILE: u64 = 256;

/// Lengths of tiles are multiples of this.
const STEP: u64 = 16;

/// Images longer than this get smaller copies where it is not said; the copies are made until one is no longer than that.
const LARGE: u64 = 1024;
const SMALL: u64 = 256;

/// The number of what is no tile but the pixels of a tile at half the resolution.
const REDUCED: u64 = u64::MAX;

/// Memory for one directory besides its tables.
const DIRECTORY_BILL: u64 = 64 << 10;

/// Makes a tiled TIFF.
///
/// # Errors
/// When it may not be written there, a TIFF cannot hold such an array, or an option makes no sense.
pub(super) fn create(path: &Path, spec: &ArraySpec, options: &CreateOptions, ome: bool) -> Result<Box<dyn Sink>> {
    let out = Partial::new(path, options.overwrite)?;
    let plan = Plan::new(path, spec, options, ome).map_err(|what| usage(path, what))?;
    let (offsets, counts) = (Vec::new(), Vec::new());
    Ok(Box::new(TiledSink { out, plan: Arc::new(plan), end: 0, offsets, counts, below: None }))
}

/// What the file will look like.
#[derive(Debug)]
struct Plan {
    spec: ArraySpec,
    pages: Pages,
    /// Shape of a tile, on all axes.
    tile: Dims,
    /// Which axis is y; x follows.
    rows: usize,
    method: Method,
    levels: Vec<Level>,
    /// Which axes are halved from level to level, and how.
    halved: Vec<bool>,
    reduction: pyramid::Method,
    big: bool,
}

/// The image at one resolution.
#[derive(Debug)]
struct Level {
    shape: Dims,
    /// Number of its first tile among those of all levels.
    first: u64,
    tiles: u64,
}

impl Plan {
    fn new(path: &Path, spec: &ArraySpec, options: &CreateOptions, ome: bool) -> Result<Self, String> {
        let mut pages = Pages::new(spec)?;
        let lone = spec.named && spec.axes.last().is_some_and(|a| a.name == 'c') && spec.rank() > 2;
        let rows = spec.rank() - if lone { 3 } else { 2 };
        if ome {
            pages.description = Some(omexml::describe(spec, &pages, path)?);
        }
        let (height, width) = tile_lengths(options, spec, rows)?;
        let mut tile: Dims = spec.shape.iter().map(|_| 1).collect();
        (tile[rows], tile[rows + 1]) = (height, width);
        if let Some(samples) = tile.get_mut(rows + 2) {
            *samples = pages.samples;
        }
        let default = if ome { Method::Deflate(6) } else { Method::None };
        let method = options.compression.as_deref().map_or(Ok(default), Method::parse)?;
        let halved: Vec<bool> = (0..spec.rank()).map(|a| a == rows || a == rows + 1).collect();
        let reduction = pyramid::Method::of(options.downsample.as_deref(), spec.dtype)?;
        let large = ome && spec.shape[rows].max(spec.shape[rows + 1]) > LARGE;
        let shapes = match options.pyramid.unwrap_or(large) {
            true => pyramid::shapes(&spec.shape, &halved, SMALL),
            false => vec![spec.shape.clone()],
        };
        let levels = levels(&shapes, &tile);
        let total = levels.iter().map(|l| l.tiles).fold(0u64, u64::saturating_add);
        let tile_bytes = elements(&tile).saturating_mul(spec.dtype.size() as u64);
        if tile_bytes > 1 << 30 {
            return Err(format!("`chunks`: tiles of {tile_bytes} bytes are too large"));
        }
        let most = (method.bound(tile_bytes as usize) as u64 + 16).saturating_mul(total);
        let directories = (levels.len() as u64 * 1024).saturating_mul(pages.count);
        let big = most.saturating_add(directories) > MAX_CLASSIC;
        Ok(Plan { spec: spec.clone(), pages, tile, rows, method, levels, halved, reduction, big })
    }

    fn tile_bytes(&self) -> u64 {
        elements(&self.tile) * self.spec.dtype.size() as u64
    }

    fn total(&self) -> u64 {
        self.levels.iter().map(|l| l.tiles).sum()
    }

    fn codec(&self) -> Result<TileCodec, String> {
        let width = self.tile[self.rows + 1];
        TileCodec::new(self.method, self.spec.dtype, &self.tile, [width, self.pages.samples])
    }

    /// Encodes the tiles of a box of a level.
    fn encode(
        &self,
        codec: &mut TileCodec,
        level: usize,
        at: &Region,
        pixels: &View<'_>,
        out: &mut Encoded,
    ) -> Result<()> {
        let level = &self.levels[level];
        for i in 0..grid_len(&at.shape, &self.tile) {
            let part = Region::tile(&at.shape, &self.tile, i);
            let number = (0..at.rank()).fold(0, |n, a| {
                let index = (at.start[a] + part.start[a]) / self.tile[a];
                n * tiles_along(level.shape[a], self.tile[a]) + index
            });
            let start = out.bytes.len();
            let done = codec.encode(&pixels.sub(&part), &mut out.bytes);
            done.map_err(|what| Error::Internal(format!("a tile cannot be compressed: {what}")))?;
            out.parts.push(Part { id: level.first + number, start, len: out.bytes.len() - start });
        }
        Ok(())
    }

    /// Most bytes that one tile becomes.
    fn tile_bound(&self) -> usize {
        self.method.bound(self.tile_bytes() as usize)
    }

    /// Bytes of a box of the full image at half the resolution; none if there are no levels.
    fn reduced_bytes(&self, at: &Region) -> usize {
        match self.levels.len() {
            0 | 1 => 0,
            _ => pyramid::reduced(at, &self.halved).elements() as usize * self.spec.dtype.size(),
        }
    }

    /// Most bytes that the tiles of a box of that shape become.
    fn encoded_bound(&self, tile: &[u64]) -> u64 {
        let reduced = self.reduced_bytes(&Region::whole(tile)) as u64;
        let one = self.tile_bound() as u64 + size_of::<Part>() as u64;
        grid_len(tile, &self.tile) * one + reduced + size_of::<Part>() as u64
    }
}

fn tile_lengths(options: &CreateOptions, spec: &ArraySpec, rows: usize) -> Result<(u64, u64), String> {
    let Some(chunks) = &options.chunks else { return Ok((TILE, TILE)) };
    let wrong = |what: &str| Err(format!("`chunks`: {what}, not {chunks:?}"));
    let behind = spec.rank() - rows - 2;
    let plane = match chunks.len() {
        2 => &chunks[..],
        n if n == spec.rank() => {
            let (lead, samples) = (&chunks[..rows], &chunks[rows + 2..]);
            if lead.iter().any(|&n| n != 1) || samples.iter().zip(&spec.shape[rows + 2..]).any(|(a, b)| a != b) {
                return wrong("a tile of a TIFF lies in one page, with all its channels");
            }
            &chunks[rows..n - behind]
        }
        _ => return wrong("two lengths, along y and x"),
    };
    match plane {
        &[height, width] if height % STEP == 0 && width % STEP == 0 => Ok((height, width)),
        _ => wrong("lengths of tiles are multiples of 16"),
    }
}

fn levels(shapes: &[Dims], tile: &[u64]) -> Vec<Level> {
    let mut first = 0u64;
    let level = |shape: &Dims| {
        let level = Level { shape: shape.clone(), first, tiles: grid_len(shape, tile) };
        first = first.saturating_add(level.tiles);
        level
    };
    shapes.iter().map(level).collect()
}

/// The output.
#[derive(Debug)]
struct TiledSink {
    out: Partial,
    plan: Arc<Plan>,
    /// Where the next tile goes.
    end: u64,
    /// By number of the tile, level by level.
    offsets: Vec<u64>,
    counts: Vec<u32>,
    /// The levels below the full image, while that is written.
    below: Option<Levels>,
}

/// One worker's encoder.
struct TileEncoder {
    plan: Arc<Plan>,
    codec: TileCodec,
    reduced: Buffer,
}

impl TileEncoder {
    fn new(plan: &Arc<Plan>) -> Result<Self, String> {
        Ok(TileEncoder { plan: Arc::clone(plan), codec: plan.codec()?, reduced: Buffer::default() })
    }
}

impl LevelEncoder for TileEncoder {
    fn encode_level(&mut self, level: usize, at: &Region, pixels: &View<'_>, out: &mut Encoded) -> Result<()> {
        let tiles = grid_len(&at.shape, &self.plan.tile) as usize;
        out.bytes.reserve_exact(tiles * self.plan.tile_bound());
        out.parts.reserve_exact(tiles);
        self.plan.encode(&mut self.codec, level, at, pixels, out)
    }
}

impl Encoder for TileEncoder {
    fn encode(&mut self, at: &Region, tile: &View<'_>, out: &mut Encoded) -> Result<()> {
        let tiles = grid_len(&at.shape, &self.plan.tile) as usize;
        // Exactly, since growing by doubling would take more than the bill says.
        let reduced = self.plan.reduced_bytes(at);
        out.bytes.reserve_exact(tiles * self.plan.tile_bound() + reduced);
        out.parts.reserve_exact(tiles + 1);
        self.plan.encode(&mut self.codec, 0, at, tile, out)?;
        if reduced > 0 {
            if self.reduced.len() < reduced {
                self.reduced = Buffer::new(reduced)?;
            }
            let pixels = &mut self.reduced.bytes_mut()[..reduced];
            pyramid::reduce(self.plan.reduction, &self.plan.halved, tile, pixels);
            out.parts.push(Part { id: REDUCED, start: out.bytes.len(), len: reduced });
            out.bytes.extend_from_slice(pixels);
        }
        Ok(())
    }
}

impl Sink for TiledSink {
    fn spec(&self) -> &ArraySpec {
        &self.plan.spec
    }

    fn path(&self) -> &Path {
        self.out.path()
    }

    fn order(&self) -> Order {
        Order::Aligned(self.plan.tile.clone())
    }

    fn bill(&self) -> u64 {
        let plan = &self.plan;
        let per_page = plan.levels.iter().map(|l| l.tiles / plan.pages.count).max().unwrap_or(0);
        let text = plan.pages.description.as_ref().map_or(0, |t| 4 * t.len() as u64);
        let below = if plan.levels.len() > 1 { self.levels_on_tmpfs() } else { 0 };
        plan.total() * 12 + per_page * 64 + text + DIRECTORY_BILL + below
    }

    fn begin(&mut self) -> Result<()> {
        self.out.begin(0)?;
        self.end = header(self.plan.big, 0).len().next_multiple_of(16) as u64;
        let total = self.plan.total() as usize;
        (self.offsets, self.counts) = (vec![0; total], vec![0; total]);
        if self.plan.levels.len() > 1 {
            self.below = Some(self.levels_below().inspect_err(|_| self.out.abort())?);
        }
        Ok(())
    }

    fn encoder(&self) -> Result<Option<Box<dyn Encoder>>> {
        let encoder = TileEncoder::new(&self.plan).map_err(|what| usage(self.out.path(), what))?;
        Ok(Some(Box::new(encoder)))
    }

    fn encode_bill(&self, tile: &[u64]) -> EncodeBill {
        let plan = &self.plan;
        let reduced = match plan.reduced_bytes(&Region::whole(tile)) as u64 {
            0 => 0,
            bytes => bytes + pyramid::reduce_bill(tile),
        };
        let per_worker = TileCodec::bill(plan.method, plan.spec.dtype, &plan.tile) + reduced;
        EncodeBill { per_tile: plan.encoded_bound(tile), per_worker }
    }

    fn write_encoded(&mut self, at: &Region, encoded: &Encoded) -> Result<()> {
        self.append_tiles(encoded)?;
        match (&self.below, encoded.parts.last()) {
            (Some(below), Some(part)) if part.id == REDUCED => {
                below.put(&pyramid::reduced(at, &self.plan.halved), encoded.part(part))
            }
            _ => Ok(()),
        }
    }

    fn write(&mut self, at: &Region, tile: View<'_>) -> Result<()> {
        let Some(mut encoder) = self.encoder()? else { return Ok(()) };
        let mut encoded = Encoded::default();
        encoder.encode(at, &tile, &mut encoded)?;
        self.write_encoded(at, &encoded)
    }

    fn finish_bill(&self, threads: usize) -> u64 {
        let plan = &self.plan;
        if plan.levels.len() < 2 {
            return 0;
        }
        let codec = TileCodec::bill(plan.method, plan.spec.dtype, &plan.tile);
        let one = Levels::bill(&plan.tile, plan.spec.dtype) + codec + plan.encoded_bound(&plan.tile);
        one.saturating_mul(threads as u64)
    }

    fn finish(&mut self, threads: usize, cancel: &Cancel) -> Result<()> {
        let Some(below) = self.below.take() else { return Ok(()) };
        let plan = Arc::clone(&self.plan);
        let encoder = || Ok(Box::new(TileEncoder::new(&plan)?) as Box<dyn LevelEncoder>);
        let encoders = (0..threads.max(1)).map(|_| encoder()).collect::<Result<Vec<_>, String>>();
        let encoders = encoders.map_err(|what| usage(self.out.path(), what))?;
        let folder = self.folder().to_path_buf();
        below.finish(&folder, &plan.tile, encoders, &mut |_, encoded| self.append_tiles(encoded), cancel)
    }

    fn commit(&mut self) -> Result<()> {
        let done = self.finish(1, &Cancel::new()).and_then(|()| self.write_directories());
        done.inspect_err(|_| self.out.abort())?;
        self.out.commit()
    }

    fn abort(&mut self) {
        self.below = None;
        self.out.abort();
    }
}

impl TiledSink {
    /// Scratch lies beside the output, where there has to be room anyway.
    fn folder(&self) -> &Path {
        let folder = self.out.path().parent().filter(|p| !p.as_os_str().is_empty());
        folder.unwrap_or(Path::new("."))
    }

    /// Levels in a folder that is memory: all of them at the end, and two in scratch files while they are made.
    fn levels_on_tmpfs(&self) -> u64 {
        if !sys::is_memory_backed(self.folder()) {
            return 0;
        }
        let size = self.plan.spec.dtype.size() as u64;
        let bytes = |levels: &[Level]| levels.iter().map(|l| elements(&l.shape).saturating_mul(size)).sum::<u64>();
        let levels = self.plan.levels.get(1..).unwrap_or_default();
        bytes(levels).saturating_add(bytes(&levels[..levels.len().min(2)]))
    }

    fn levels_below(&self) -> Result<Levels> {
        let plan = &self.plan;
        let shapes: Vec<Dims> = plan.levels.iter().map(|l| l.shape.clone()).collect();
        Levels::begin(self.out.path(), self.folder(), &plan.spec, plan.reduction, &plan.halved, &shapes)
    }

    fn append_tiles(&mut self, encoded: &Encoded) -> Result<()> {
        let mut len = 0;
        for part in encoded.parts.iter().filter(|p| p.id != REDUCED) {
            let number = part.id as usize;
            let (Some(offset), Some(count)) = (self.offsets.get_mut(number), self.counts.get_mut(number)) else {
                return Err(Error::Internal(format!("tile {number} is not one of this file")));
            };
            (*offset, *count) = (self.end + part.start as u64, part.len as u32);
            len = part.start + part.len;
        }
        self.out.write_at(self.end, &encoded.bytes[..len])?;
        self.end += len as u64;
        Ok(())
    }

    fn write_directories(&mut self) -> Result<()> {
        let plan = Arc::clone(&self.plan);
        let mut last: Option<(u64, Written)> = None;
        for page in 0..plan.pages.count {
            let mut behind = Vec::new();
            for level in 1..plan.levels.len() {
                let written = self.directory(page, level, &[]);
                behind.push(written.at);
                self.append(&written)?;
            }
            let start = self.end.next_multiple_of(8);
            let written = self.directory(page, 0, &behind);
            match &mut last {
                None => self.out.write_at(0, &header(plan.big, written.at))?,
                Some((at, before)) => {
                    before.set_next(written.at);
                    self.out.write_at(*at, &before.bytes)?;
                }
            }
            self.end = start + written.bytes.len() as u64;
            last = Some((start, written));
        }
        match last {
            Some((at, written)) => self.out.write_at(at, &written.bytes),
            None => Ok(()),
        }
    }

    fn append(&mut self, written: &Written) -> Result<()> {
        let start = self.end.next_multiple_of(8);
        self.out.write_at(start, &written.bytes)?;
        self.end = start + written.bytes.len() as u64;
        Ok(())
    }

    /// The directory of a page at one resolution.
    fn directory(&self, page: u64, level: usize, behind: &[u64]) -> Written {
        let plan = &self.plan;
        let pages = &plan.pages;
        let (samples, shape) = (pages.samples as usize, &plan.levels[level].shape);
        let format = match plan.spec.dtype {
            d if d.is_float() => SampleFormat::IEEEFP,
            d if d.is_signed_integer() => SampleFormat::Int,
            _ => SampleFormat::Uint,
        };
        let (meaning, known) = match pages.colour && plan.spec.dtype != DType::Bool {
            true => (PhotometricInterpretation::RGB, 3),
            false => (PhotometricInterpretation::BlackIsZero, 1),
        };
        let short = |n: u16| Values::Short(vec![n]);
        let bits = 8 * plan.spec.dtype.size() as u16;
        let mut tags = vec![
            (Tag::NewSubfileType, Values::Long(vec![u32::from(level > 0)])),
            (Tag::ImageWidth, Values::Long(vec![shape[plan.rows + 1] as u32])),
            (Tag::ImageLength, Values::Long(vec![shape[plan.rows] as u32])),
            (Tag::BitsPerSample, Values::Short(vec![bits; samples])),
            (Tag::Compression, short(plan.method.code())),
            (Tag::PhotometricInterpretation, short(meaning.to_u16())),
            (Tag::SamplesPerPixel, short(samples as u16)),
            (Tag::PlanarConfiguration, short(PlanarConfiguration::Chunky.to_u16())),
            (Tag::Software, Values::Text(format!("tilewise {}", env!("CARGO_PKG_VERSION")))),
            (Tag::TileWidth, Values::Long(vec![plan.tile[plan.rows + 1] as u32])),
            (Tag::TileLength, Values::Long(vec![plan.tile[plan.rows] as u32])),
            (Tag::SampleFormat, Values::Short(vec![format.to_u16(); samples])),
        ];
        let (offsets, counts) = self.tables(page, level);
        tags.extend([(Tag::TileOffsets, Values::Offsets(offsets)), (Tag::TileByteCounts, Values::Long(counts))]);
        if let (0, 0, Some(text)) = (page, level, &pages.description) {
            tags.push((Tag::ImageDescription, Values::Text(text.clone())));
        }
        let predictor = predictor(plan.method, plan.spec.dtype);
        if predictor != 1 {
            tags.push((Tag::Predictor, short(predictor)));
        }
        if samples > known {
            // 2 is opacity that colours are not multiplied with, 0 is anything.
            let other = if known == 3 { 2 } else { 0 };
            tags.push((Tag::ExtraSamples, Values::Short(vec![other; samples - known])));
        }
        if !behind.is_empty() {
            tags.push((Tag::SubIfd, Values::Directories(behind.to_vec())));
        }
        if let (0, Some([x, y])) = (level, pages.resolution) {
            tags.push((Tag::XResolution, Values::Rational(x.0, x.1)));
            tags.push((Tag::YResolution, Values::Rational(y.0, y.1)));
            tags.push((Tag::ResolutionUnit, short(ResolutionUnit::Centimeter.to_u16())));
        }
        Written::new(plan.big, self.end.next_multiple_of(8), tags)
    }

    fn tables(&self, page: u64, level: usize) -> (Vec<u64>, Vec<u32>) {
        let level = &self.plan.levels[level];
        let per_page = (level.tiles / self.plan.pages.count) as usize;
        let first = level.first as usize + page as usize * per_page;
        (self.offsets[first..first + per_page].to_vec(), self.counts[first..first + per_page].to_vec())
    }
}
