//! From a file to an array: which pages belong together, and what their axes are.

use super::about::{About, Sized, axis};
use super::chain::walk;
use super::ifd::{Directory, Tiff};
use super::ome::{self, Ome};
use super::page::{Page, is_mask, is_reduced};
use super::set::{PageSet, Run, same, smaller};
use super::shaped::Shaped;
use super::source::{PagedSource, joined};
use super::tables::Tables;
use crate::array::{ArraySpec, Axis, Dims, MAX_RANK};
use crate::error::{Error, Result};
use crate::io::half::HalfSource;
use crate::io::strided::{FlatSource, Place, shape_text};
use crate::io::units::set_sizes;
use crate::io::{Facts, OpenOptions, Source, name_axes};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tiff::tags::Tag;

/// More levels than that are not looked for: sizes halve from one to the next.
const MAX_LEVELS: usize = 32;

/// Opens a TIFF file: all its pages as one array, or the smaller copies of them that `options.level` asks for.
///
/// # Errors
/// When it is not intact, its pages differ, or they are stored in a way that is not read.
pub fn open(path: &Path, options: &OpenOptions) -> Result<Arc<dyn Source>> {
    let (mut tiff, first) = Tiff::open_path(path)?;
    let directory = tiff.directory(first)?;
    let level = options.level.unwrap_or(0) as usize;
    let found = match ome::read(&mut tiff, &directory)? {
        Some(ome) => open_ome(path, &mut tiff, &directory, &ome, level)?,
        None => open_plain(path, &mut tiff, first, &directory, level)?,
    };
    let Found { full, set, mut spec, lone, mut facts, levels, flat } = found;
    shrink(&mut spec, &full, &set.page, lone);
    if !levels.is_empty() {
        let shapes = std::iter::once(&full).chain(&levels).map(|p| shape_text(&p.shape()));
        facts.more.push(("levels".into(), shapes.collect::<Vec<_>>().join(", ")));
    }
    let spec = name_axes(spec, options, path)?;
    let half = set.page.storage.half;
    let source = match flat {
        Some(flat) => flat.source(path, spec, facts, &set, lone),
        None => Arc::new(PagedSource::new(path, spec, facts, set, lone)),
    };
    Ok(if half { Arc::new(HalfSource::new(source)) } else { source })
}

/// What a file turned out to hold.
struct Found {
    /// A page of the full resolution.
    full: Page,
    /// The pages of the level that was asked for.
    set: PageSet,
    /// All of them at full resolution.
    spec: ArraySpec,
    /// Axes of length one behind those of a page.
    lone: usize,
    facts: Facts,
    levels: Vec<Page>,
    flat: Option<Flat>,
}

/// Pixels at regular distances.
struct Flat {
    first: u64,
    page_step: u64,
    chunk_step: u64,
    swapped: bool,
    len: u64,
}

impl Flat {
    fn source(self, path: &Path, spec: ArraySpec, facts: Facts, set: &PageSet, lone: usize) -> Arc<dyn Source> {
        let page = &set.page;
        let size = page.dtype.size() as u64;
        let inner: Dims = page.strides().into_iter().chain((0..lone).map(|_| size)).collect();
        let chunk: Dims = page.chunk_shape().into_iter().chain((0..lone).map(|_| 1)).collect();
        let lead = spec.rank() - inner.len();
        let mut strides: Dims = (0..lead).map(|_| 0).chain(inner).collect();
        let mut distance = self.page_step;
        for axis in (0..lead).rev() {
            strides[axis] = distance;
            distance = distance.saturating_mul(spec.shape[axis]);
        }
        if page.separate {
            strides[lead] = self.chunk_step * page.chunks_per_plane();
        }
        let shown: Dims = (0..lead).map(|_| 1).chain(chunk).collect();
        let chunk = (shown != spec.shape).then_some(shown);
        let place = Place { offset: self.first, strides, swapped: self.swapped };
        Arc::new(FlatSource { path: path.to_path_buf(), len: self.len, spec, place, chunk, facts })
    }
}

/// Smaller copies that stand in the chain, all alike.
struct Copies {
    page: Page,
    tables: Tables,
    /// Number of the first one in the chain, and whether it says that it is a copy.
    index: u64,
    reduced: bool,
}

fn open_plain(path: &Path, tiff: &mut Tiff, first: u64, directory: &Directory, level: usize) -> Result<Found> {
    let full = Page::read(tiff, directory)?;
    let about = About::read(tiff, directory)?;
    let behind = levels_behind(tiff, directory, &full)?;
    let wanted = (level > 0).then(|| behind.get(level - 1).cloned()).flatten();
    let aperio = about.description.starts_with("Aperio");
    let mut main = Tables::new(tiff, &full);
    let mut copy = wanted.as_ref().map(|(number, page)| (*number, page.clone(), Tables::new(tiff, page)));
    let mut copies: Vec<Copies> = Vec::new();
    walk(tiff, first, |tiff, index, directory| {
        let extra = index > 0 && is_reduced(tiff, directory)?;
        if index > 0 && is_mask(tiff, directory)? {
            return Ok(true);
        }
        let page = match Page::read(tiff, directory) {
            Err(_) if extra => return Ok(true),
            page => page?,
        };
        if !extra && page == full {
            main.push(tiff, directory, &full)?;
            if let Some((number, page, tables)) = &mut copy {
                let directory = smaller(tiff, directory, *number)?;
                let here = Page::read(tiff, &directory)?;
                same(tiff, index, &here, page)?;
                tables.push(tiff, &directory, page)?;
            }
        } else if full.has_copy(&page) && (extra || page.tiled == full.tiled) {
            let at = copies.iter().position(|c| c.page == page).unwrap_or(copies.len());
            if at == copies.len() && at < MAX_LEVELS {
                let tables = Tables::new(tiff, &page);
                copies.push(Copies { page: page.clone(), tables, index, reduced: extra });
            }
            if let Some(copies) = copies.get_mut(at) {
                copies.tables.push(tiff, directory, &page)?;
            }
        } else if !extra && !aperio {
            same(tiff, index, &page, &full)?;
        }
        Ok(true)
    })?;
    if let Some(odd) = copies.iter().find(|c| !c.reduced && c.tables.pages != main.pages) {
        same(tiff, odd.index, &odd.page, &full)?;
    }
    copies.retain(|c| c.tables.pages == main.pages);
    copies.sort_by_key(|c| std::cmp::Reverse(c.page.height.saturating_mul(c.page.width)));
    let levels: Vec<Page> = match behind.is_empty() {
        true => copies.iter().map(|c| c.page.clone()).collect(),
        false => behind.iter().map(|l| l.1.clone()).collect(),
    };
    let pages = main.pages;
    let (page, tables) = match (copy, level) {
        (Some((_, page, tables)), _) => (page, tables),
        (None, 0) => (full.clone(), main),
        (None, level) if behind.is_empty() && level <= copies.len() => {
            let chosen = copies.swap_remove(level - 1);
            (chosen.page, chosen.tables)
        }
        (None, level) => return Err(no_level(path, level, levels.len())),
    };
    let images = about.imagej().map_or(pages, |imagej| imagej.images);
    let (spec, lone) = plain_spec(&full, pages, &about);
    let facts = facts(tiff, &page, pages);
    let tables_of_level = (tables.pattern.chunk_step(), tables.pattern.regular());
    let swapped = tiff.little != cfg!(target_endian = "little");
    let len = tables.len;
    let mut flat = None;
    let mut set_page = page.clone();
    if let (true, Some(chunk_step)) = (page.is_direct(), tables_of_level.0.filter(|&step| page.rows_follow(step))) {
        flat = tables_of_level.1.map(|(first, page_step)| Flat { first, page_step, chunk_step, swapped, len });
        // Strips that follow each other are one large strip.
        if flat.is_none() && !page.separate {
            set_page = joined(&page);
        }
    }
    if images > pages {
        flat = Some(one_block(tiff, flat, &page, pages, images)?);
    }
    let set = PageSet::single(path, set_page, tables);
    Ok(Found { full, set, spec, lone, facts, levels, flat })
}

/// The pixels of a large stack of ImageJ, which keeps one directory for all images above 4 GiB.
fn one_block(tiff: &Tiff, flat: Option<Flat>, page: &Page, pages: u64, images: u64) -> Result<Flat> {
    let behind = format!("holds {images} images of ImageJ behind {pages} directories");
    let flat = flat.filter(|_| pages == 1 && !page.separate);
    let mut flat = flat.ok_or_else(|| tiff.wrong(format!("{behind}, but not one after the other")))?;
    flat.page_step = page.row_bytes() * page.height;
    let bytes = images.checked_mul(flat.page_step);
    let end = bytes.and_then(|n| n.checked_add(flat.first));
    match end.is_some_and(|end| end <= flat.len) {
        true => Ok(flat),
        false => Err(tiff.wrong(format!("is truncated: it {behind}, but has {} bytes", flat.len))),
    }
}

fn no_level(path: &Path, level: usize, levels: usize) -> Error {
    let path = path.display();
    match levels {
        0 => Error::Usage(format!("{path}: has only level 0, not {level}")),
        n => Error::Usage(format!("{path}: has levels 0 to {n}, not {level}")),
    }
}

/// Smaller copies behind a page, largest first: the number of each and its page.
fn levels_behind(tiff: &mut Tiff, directory: &Directory, full: &Page) -> Result<Vec<(u64, Page)>> {
    let mut places = Vec::new();
    tiff.integers(directory, Tag::SubIfd, MAX_LEVELS as u64, |_, at| {
        places.push(at);
        Ok(())
    })?;
    let mut levels = Vec::new();
    for (number, at) in places.into_iter().enumerate() {
        let directory = tiff.directory(at)?;
        match Page::read(tiff, &directory) {
            Ok(page) if full.has_copy(&page) => levels.push((number as u64, page)),
            // Other things are kept there too: raw pixels of cameras, masks.
            _ => {}
        }
    }
    levels.sort_by_key(|l| std::cmp::Reverse(l.1.height.saturating_mul(l.1.width)));
    Ok(levels)
}

fn open_ome(path: &Path, tiff: &mut Tiff, directory: &Directory, ome: &Ome, level: usize) -> Result<Found> {
    let samples = tiff.integer(directory, Tag::SamplesPerPixel)?.unwrap_or(1).max(1);
    let tiff = &*tiff;
    let (paths, runs) = ome.runs(path, samples).map_err(|what| tiff.wrong(format!("its OME-XML {what}")))?;
    let (full, levels) = first_plane(&paths, &runs)?;
    if full.samples != samples {
        return Err(tiff.wrong(format!("has pages of {samples} and of {} channels", full.samples)));
    }
    let page = match level {
        0 => full.clone(),
        n => levels.get(n - 1).map(|l| l.1.clone()).ok_or_else(|| no_level(path, n, levels.len()))?,
    };
    let copy = (level > 0).then(|| levels.get(level - 1).map(|l| l.0)).flatten();
    let spec = ome_spec(tiff, ome, &full)?;
    let files = paths.len();
    let planes = runs.last().map_or(0, |run| run.plane + run.count);
    let single = files == 1;
    let set = PageSet::several(paths, page.clone(), runs, copy);
    let mut facts = facts(tiff, &page, planes);
    facts.format = format!("OME-{}", facts.format);
    if !single {
        facts.more.push(("files".into(), files.to_string()));
    }
    if ome.images > 1 {
        facts.more.push(("images".into(), format!("{}, of which the first is read", ome.images)));
    }
    let mut flat = None;
    if single {
        // A file that is not what it says is noticed at once.
        let tables = set.tables(0)?;
        let step = tables.pattern.chunk_step().filter(|&step| page.is_direct() && page.rows_follow(step));
        if let (Some(chunk_step), Some((first, page_step)), true) = (step, tables.pattern.regular(), set.is_plain()) {
            let swapped = tables.little != cfg!(target_endian = "little");
            flat = Some(Flat { first, page_step, chunk_step, swapped, len: tables.len });
        }
    }
    let levels = levels.into_iter().map(|l| l.1).collect();
    Ok(Found { full, set, spec, lone: 0, facts, levels, flat })
}

/// The page of the first plane, and the smaller copies behind it.
fn first_plane(paths: &[PathBuf], runs: &[Run]) -> Result<(Page, Vec<(u64, Page)>)> {
    let (file, page) = runs.first().map_or((0, 0), |run| (run.file, run.page));
    let (mut tiff, first) = Tiff::open_path(paths.get(file).map_or(Path::new(""), PathBuf::as_path))?;
    let mut found = None;
    walk(&mut tiff, first, |tiff, index, directory| {
        if index == page {
            let full = Page::read(tiff, directory)?;
            found = Some((levels_behind(tiff, directory, &full)?, full));
        }
        Ok(index < page)
    })?;
    let (levels, full) = found.ok_or_else(|| tiff.wrong(format!("has no page {page}, which its OME-XML names")))?;
    Ok((full, levels))
}

/// Shape and axes of the planes of an OME-TIFF.
fn ome_spec(tiff: &Tiff, ome: &Ome, page: &Page) -> Result<ArraySpec> {
    let (height, width) = (ome.length('y', 1), ome.length('x', 1));
    if (height, width) != (page.height, page.width) {
        let (said, is) = (shape_text(&[height, width]), shape_text(&[page.height, page.width]));
        return Err(tiff.wrong(format!("has planes of {is}, but its OME-XML says {said}")));
    }
    let lead = ome.order.iter().map(|&c| (axis(c, ome.scale(c)), ome.length(c, page.samples)));
    let mut lead: Vec<Sized> = lead.filter(|a| a.1 > 1).collect();
    if let Some((axis, n)) = lead.iter_mut().find(|a| a.0.name == 'c') {
        let known = ome.channels.len() as u64 == *n && ome.channels.iter().any(|name| !name.is_empty());
        axis.labels = if known { ome.channels.clone() } else { Vec::new() };
    }
    let channels = if lead.iter().any(|a| a.0.name == 'c') { 's' } else { 'c' };
    let plane = ['y', 'x'].map(|c| axis(c, ome.scale(c)));
    Ok(named(page, lead, plane.into(), channels))
}

/// An array of pages with named axes; `channels` is what the samples of a pixel are called.
fn named(page: &Page, lead: Vec<Sized>, plane: Vec<Axis>, channels: char) -> ArraySpec {
    let mut axes: Vec<Axis> = plane;
    match (page.samples, page.separate) {
        (1, _) => {}
        (_, true) => axes.insert(0, Axis::new(channels)),
        (_, false) => axes.push(Axis::new(channels)),
    }
    let shape: Dims = lead.iter().map(|a| a.1).chain(page.shape()).take(MAX_RANK).collect();
    let axes = lead.into_iter().map(|a| a.0).chain(axes).take(MAX_RANK).collect();
    ArraySpec { shape, dtype: page.dtype, axes, named: true }
}

/// Shape and axes of all pages together, and how many axes of length one stand behind those of a page.
fn plain_spec(page: &Page, pages: u64, about: &About) -> (ArraySpec, usize) {
    if let Some(imagej) = about.imagej() {
        let product = imagej.lead.iter().fold(1u64, |n, a| n.saturating_mul(a.1));
        if imagej.images >= pages && product == imagej.images {
            let channels = if imagej.lead.iter().any(|a| a.0.name == 'c') { 's' } else { 'c' };
            return (named(page, imagej.lead, imagej.plane, channels), 0);
        }
    }
    let mut shape: Vec<u64> = if pages > 1 { vec![pages] } else { vec![] };
    shape.extend(page.shape());
    let mut spec = match Shaped::parse(&about.description) {
        Some(shaped) if shaped.fits(pages, &page.shape()) => shaped.spec(page.dtype),
        _ if page.samples == 1 => ArraySpec::unnamed(&shape, page.dtype),
        _ => {
            let letters = if page.separate { "zcyx" } else { "zyxc" };
            ArraySpec::with_axes(&shape, page.dtype, &letters[4 - shape.len()..])
        }
    };
    set_sizes(&mut spec, about.sizes());
    let lone = usize::from(!spec.shape.ends_with(&page.shape()));
    (spec, lone)
}

/// Makes the array of the full resolution that of a smaller copy.
fn shrink(spec: &mut ArraySpec, full: &Page, page: &Page, lone: usize) {
    let rows = spec.rank() - lone - full.shape().len() + full.row_axis();
    for (axis, whole, part) in [(rows, full.height, page.height), (rows + 1, full.width, page.width)] {
        spec.shape[axis] = part;
        if whole != part {
            let axis = &mut spec.axes[axis];
            let factor = factor(whole, part);
            if let Some(size) = &mut axis.size {
                // A pixel stands for the mean of those it was made of, so its centre is theirs.
                axis.origin += *size * (factor - 1.0) / 2.0;
                *size *= factor;
            }
        }
    }
}

/// How many pixels along an axis became one: a power of two where the lengths allow that, since levels are halves of each
/// other whose odd lengths were rounded up or down.
fn factor(whole: u64, part: u64) -> f64 {
    let halved = (1..32).map(|k| 1u64 << k).find(|f| whole.div_ceil(*f) == part || whole / f == part);
    halved.map_or(whole as f64 / part as f64, |f| f as f64)
}

fn facts(tiff: &Tiff, page: &Page, pages: u64) -> Facts {
    let order = if tiff.little { "little endian" } else { "big endian" };
    let kind = if page.tiled { "tiles" } else { "strips" };
    let mut more = vec![
        ("byte order".into(), order.into()),
        ("pages".into(), pages.to_string()),
        (kind.into(), shape_text(&[page.chunk_height, page.chunk_width])),
    ];
    if !page.is_direct() && page.chunks() == 1 && !page.tiled && page.chunk_bytes() > 1 << 20 {
        more.push(("note".into(), "every page is one compressed strip, which is only read whole".into()));
    }
    if let Some(predictor) = page.storage.predictor.name() {
        more.push(("predictor".into(), predictor.into()));
    }
    Facts {
        format: if tiff.big { "BigTIFF" } else { "TIFF" }.into(),
        compression: page.storage.method.name().into(),
        more,
    }
}
