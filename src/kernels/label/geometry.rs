//! The image as rows and slabs, and how many of anything they can hold.

use super::structure::{MAX_RANK, Structure, offset_of};
use super::union::join;
use std::ops::Range;

/// Element indices leave the top bit free for a flag.
const MAX_ELEMENTS: u64 = (1 << 31) - 1;
/// Keeps every byte count of the bill within `u64`.
pub(super) const MAX_PIXELS: u64 = 1 << 56;

/// Neighbouring columns in another row: `low - 1 ..= high - 1` is the range of column steps.
///
/// Stored one too high so that comparing run ends needs no signed numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub low: u32,
    pub high: u32,
}

/// An earlier row whose pixels can be neighbours.
#[derive(Clone, Debug)]
pub(super) struct Above {
    /// How many rows back it lies.
    pub distance: u64,
    /// Axes along which it lies one back: not there for rows at coordinate 0.
    needs_low: u8,
    /// Axes along which it lies one ahead: not there for rows at the last coordinate.
    needs_high: u8,
    pub links: Vec<Link>,
}

/// What makes the frames of an image, its planes along the last two axes, tori.
#[derive(Clone, Debug)]
struct Torus {
    /// Rows of a frame.
    height: u64,
    /// The steps from a frame's last row to its first one, as if that came below.
    links: Vec<Link>,
    /// Slabs are parts of a frame: its first row is held until the last one has come.
    open: bool,
}

/// The coordinates of a row along the leading axes, as far as neighbours need them.
#[derive(Clone, Debug)]
pub(super) struct Place {
    coords: [u64; MAX_RANK - 1],
    low: u8,
    high: u8,
}

/// Upper bounds for everything that is allocated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Runs in one row.
    pub row_runs: u64,
    /// Runs in one slab.
    pub slab_runs: u64,
    /// Bytes of a slab's bits, padding not counted.
    pub slab_bits: u64,
    /// Rows of the frontier.
    pub frontier_rows: u64,
    pub frontier_runs: u64,
    /// Components alive between two slabs.
    pub live: u64,
    /// A slab's objects in its first rows.
    pub head: u64,
    /// A slab's objects in its last rows, those in the first rows not counted.
    pub tail: u64,
    /// A slab's objects in its first or last rows.
    pub rim: u64,
    /// Runs in a slab's first and last rows.
    pub rim_runs: u64,
}

/// An image of a given shape, cut into slabs of whole rows, with a neighbourhood.
#[derive(Clone, Debug)]
pub struct Geometry {
    /// Extents of all axes but the last.
    lead: Vec<u64>,
    width: u32,
    rows: u64,
    rows_per_slab: u64,
    /// Slabs do not reach over multiples of this many rows.
    rows_per_unit: u64,
    /// Pixels side by side in a row are neighbours, so a run is one thing.
    solid: bool,
    /// Any two pixels of two adjacent rows' 2 x 2 block (2 x 1 if not solid) are neighbours.
    paired: bool,
    above: Vec<Above>,
    reach: u64,
    torus: Option<Torus>,
    /// Numbers need 64 bits.
    pub(super) wide: bool,
}

impl Geometry {
    /// Cuts an image of `shape` into slabs of `rows_per_slab` rows; the last one may be shorter.
    ///
    /// # Errors
    /// When the ranks differ, `rows_per_slab` is 0, or the image, a row or a slab is too large to index.
    pub fn new(shape: &[u64], structure: &Structure, rows_per_slab: u64) -> Result<Self, String> {
        Self::in_units(shape, structure, rows_per_slab, u64::MAX)
    }

    /// As [`Geometry::new`], but every `rows_per_unit` rows (a plane, say) are cut into slabs by themselves, the last of
    /// each shorter. The rows of the image are a multiple of it, unless it is larger than all of them.
    ///
    /// # Errors
    /// As [`Geometry::new`].
    pub fn in_units(
        shape: &[u64],
        structure: &Structure,
        rows_per_slab: u64,
        rows_per_unit: u64,
    ) -> Result<Self, String> {
        check_shape(shape, structure)?;
        if rows_per_slab == 0 || rows_per_unit == 0 {
            return Err("a slab needs at least one row".to_string());
        }
        let (lead, last) = shape.split_at(shape.len() - 1);
        let width = u32::try_from(last[0])
            .ok()
            .filter(|width| u64::from(*width) < MAX_ELEMENTS)
            .ok_or_else(|| format!("a row of {} pixels is too long to label", last[0]))?;
        let empty = shape.contains(&0);
        let rows = if empty { 0 } else { lead.iter().product() };
        let above = rows_above(lead, structure);
        let rows_per_unit = rows_per_unit.min(rows.max(1));
        if !rows.is_multiple_of(rows_per_unit) {
            return Err(format!("{rows} rows are not made of units of {rows_per_unit}"));
        }
        let mut geometry = Self {
            lead: lead.to_vec(),
            width,
            rows,
            rows_per_slab: rows_per_slab.min(rows_per_unit),
            rows_per_unit,
            solid: structure.has(&step(shape.len(), 0, -1)),
            paired: is_paired(shape.len(), structure),
            reach: above.iter().map(|row| row.distance).max().unwrap_or(0),
            above,
            torus: None,
            wide: false,
        };
        geometry.wide = geometry.max_objects() > u64::from(u32::MAX);
        geometry.check_indices()?;
        Ok(geometry)
    }

    /// The same image, each plane along its last two axes being a torus: opposite edges touch. Only filters know of it.
    ///
    /// # Errors
    /// When the structure reaches along other axes, or slabs are neither whole planes nor parts of one.
    pub fn periodic(mut self, structure: &Structure) -> Result<Self, String> {
        let rank = structure.rank();
        if structure.axes().iter().any(|axis| axis + 2 < rank) {
            return Err("only planes along the last two axes can be periodic".to_string());
        }
        let height = self.lead.last().copied().unwrap_or(1).max(1);
        // From the last row the first one is seen as from any other the one below.
        let mut below = vec![0; rank - 1];
        below.iter_mut().rev().take(1).for_each(|step| *step = 1);
        let links = if rank > 1 { links(&below, structure) } else { Vec::new() };
        let open = !links.is_empty() && self.rows_per_unit == height && self.rows_per_slab < height;
        if !links.is_empty() && !open && !self.rows_per_slab.min(self.rows).is_multiple_of(height) {
            return Err("the slabs of periodic planes are whole planes or parts of one".to_string());
        }
        self.torus = Some(Torus { height, links, open });
        self.check_indices()?;
        Ok(self)
    }

    /// Whether a frame's first row is held until its last one has come.
    pub(super) fn is_open(&self) -> bool {
        self.torus.as_ref().is_some_and(|torus| torus.open)
    }

    /// Whether a frame that is open ends with a slab.
    pub(super) fn closes(&self, slab: u64) -> bool {
        self.is_open() && (slab + 1).is_multiple_of(self.slabs_per_unit())
    }

    /// Whether a frame that is open starts with a slab.
    pub(super) fn opens(&self, slab: u64) -> bool {
        self.is_open() && slab.is_multiple_of(self.slabs_per_unit())
    }

    /// How many frames are open at some time.
    pub(super) fn closings(&self) -> u64 {
        if self.is_open() { self.slabs() / self.slabs_per_unit() } else { 0 }
    }

    /// How many frames have closed before a slab.
    pub(super) fn closings_before(&self, slab: u64) -> u64 {
        if self.is_open() { slab / self.slabs_per_unit() } else { 0 }
    }

    /// How far back a frame's first row lies if the row at `place` is its last and touches it, and how.
    pub(super) fn first_row(&self, place: &Place) -> Option<(u64, &[Link])> {
        let torus = self.torus.as_ref().filter(|torus| !torus.links.is_empty())?;
        let axis = self.lead.len().checked_sub(1)?;
        (place.high & (1 << axis) == 0).then_some((torus.height - 1, &torus.links[..]))
    }

    /// The links from a frame's last row to its first one.
    pub(super) fn closing_links(&self) -> &[Link] {
        self.torus.as_ref().map_or(&[], |torus| &torus.links)
    }

    /// Reports the pairs of runs of two rows that touch, across the ends of the rows too where they do.
    #[inline]
    pub(super) fn meet(&self, row: &[u32], above: &[u32], link: Link, mut touch: impl FnMut(u32, u32)) {
        join(row, above, link, &mut touch);
        if self.torus.is_some() {
            self.meet_around(row, above, link, touch);
        }
    }

    fn meet_around(&self, row: &[u32], above: &[u32], link: Link, mut touch: impl FnMut(u32, u32)) {
        let ([start, .., end], [above_start, .., above_end]) = (row, above) else { return };
        let (last, above_last) = ((row.len() / 2 - 1) as u32, (above.len() / 2 - 1) as u32);
        if link.low == 0 && *start == 0 && *above_end == self.width {
            touch(0, above_last);
        }
        if link.high == 2 && *end == self.width && *above_start == 0 {
            touch(last, 0);
        }
    }

    /// The last run of a row if it touches the first one across the ends of the row.
    pub(super) fn closes_row(&self, row: &[u32]) -> Option<u32> {
        let [start, .., end] = row else { return None };
        let around = self.torus.is_some() && self.solid && *start == 0 && *end == self.width;
        around.then_some((row.len() / 2 - 1) as u32)
    }

    /// The number of slabs; 0 for an empty image.
    pub fn slabs(&self) -> u64 {
        self.rows / self.rows_per_unit * self.slabs_per_unit()
    }

    fn slabs_per_unit(&self) -> u64 {
        self.rows_per_unit.div_ceil(self.rows_per_slab)
    }

    /// The rows of a slab, numbered in raster order over the leading axes.
    pub fn slab_rows(&self, slab: u64) -> Range<u64> {
        let (unit, part) = (slab / self.slabs_per_unit(), slab % self.slabs_per_unit());
        let start = part * self.rows_per_slab;
        let end = (start + self.rows_per_slab).min(self.rows_per_unit);
        unit * self.rows_per_unit + start..unit * self.rows_per_unit + end
    }

    /// The number of pixels of a slab.
    pub fn slab_pixels(&self, slab: u64) -> usize {
        self.slab_len(slab) as usize * self.width as usize
    }

    /// How many rows back the farthest neighbour lies: slabs much shorter than this pay for it in scratch.
    pub fn reach(&self) -> u64 {
        self.reach
    }

    /// No image of this shape has more objects.
    pub fn max_objects(&self) -> u64 {
        self.objects(self.rows)
    }

    pub(super) fn width(&self) -> u32 {
        self.width
    }

    pub(super) fn is_solid(&self) -> bool {
        self.solid
    }

    pub(super) fn slab_len(&self, slab: u64) -> u64 {
        let rows = self.slab_rows(slab);
        rows.end - rows.start
    }

    /// The rows at the start of a slab that can touch an earlier slab.
    pub(super) fn head_rows(&self, slab: u64) -> u64 {
        if slab == 0 && !self.is_open() { 0 } else { self.reach.min(self.slab_len(slab)) }
    }

    /// The rows at the end of a slab that a later slab can touch.
    pub(super) fn tail_rows(&self, slab: u64) -> u64 {
        if slab + 1 == self.slabs() && !self.is_open() { 0 } else { self.reach.min(self.slab_len(slab)) }
    }

    /// The earlier rows that hold neighbours of the row at `place`.
    pub(super) fn above(&self, place: &Place) -> impl Iterator<Item = &Above> {
        let (low, high) = (place.low, place.high);
        self.above.iter().filter(move |row| row.needs_low & !low == 0 && row.needs_high & !high == 0)
    }

    pub(super) fn place(&self, row: u64) -> Place {
        let mut coords = [0; MAX_RANK - 1];
        let mut rest = row;
        for (coord, extent) in coords.iter_mut().zip(&self.lead).rev() {
            *coord = rest % extent;
            rest /= extent;
        }
        let mut place = Place { coords, low: 0, high: 0 };
        for axis in 0..self.lead.len() {
            place.note(axis, self.lead[axis]);
        }
        place
    }

    /// Moves on to the next row.
    pub(super) fn advance(&self, place: &mut Place) {
        for axis in (0..self.lead.len()).rev() {
            let wraps = place.coords[axis] + 1 == self.lead[axis];
            place.coords[axis] = if wraps { 0 } else { place.coords[axis] + 1 };
            place.note(axis, self.lead[axis]);
            if !wraps {
                break;
            }
        }
    }

    pub(super) fn bounds(&self) -> Bounds {
        let len = self.rows_per_slab.min(self.rows);
        let seam = |rows: u64| if self.slabs() > 1 { rows } else { 0 };
        let frontier_rows = seam(self.reach);
        let rim_rows = frontier_rows.min(len);
        let head = self.objects(rim_rows);
        // Only rows below the head hold objects that are in the tail alone. The first slab has no head.
        let tail = head;
        let held = if self.is_open() { self.objects(1) } else { 0 };
        Bounds {
            row_runs: self.runs(1),
            slab_runs: self.runs(len),
            slab_bits: (len * u64::from(self.width)).div_ceil(8),
            frontier_rows,
            frontier_runs: self.runs(frontier_rows),
            live: self.objects(frontier_rows) + held,
            head,
            tail,
            rim: (head + tail).min(self.objects(len)),
            rim_runs: self.runs((2 * rim_rows).min(len)),
        }
    }

    fn runs(&self, rows: u64) -> u64 {
        let width = u64::from(self.width);
        rows * if self.solid { width.div_ceil(2) } else { width }
    }

    /// The most components in any `rows` successive rows.
    ///
    /// Pixels that are all neighbours of each other share a component, so it is enough to count such groups.
    pub(super) fn objects(&self, rows: u64) -> u64 {
        match self.lead.last() {
            Some(&extent) if self.paired && rows > 0 => self.runs(paired_rows(rows, extent)),
            _ => self.runs(rows),
        }
    }

    fn check_indices(&self) -> Result<(), String> {
        let bounds = self.bounds();
        if bounds.slab_runs > MAX_ELEMENTS || usize::try_from(bounds.slab_bits * 8).is_err() {
            return Err(format!(
                "a slab of {} rows of {} pixels is too large to label",
                self.rows_per_slab, self.width
            ));
        }
        if bounds.live + bounds.head > MAX_ELEMENTS || bounds.frontier_runs > MAX_ELEMENTS {
            return Err(format!("{} rows between two slabs hold too many objects to label", bounds.frontier_rows));
        }
        Ok(())
    }
}

impl Place {
    fn note(&mut self, axis: usize, extent: u64) {
        let bit = 1 << axis;
        self.low &= !bit;
        self.high &= !bit;
        if self.coords[axis] > 0 {
            self.low |= bit;
        }
        if self.coords[axis] + 1 < extent {
            self.high |= bit;
        }
    }
}

fn check_shape(shape: &[u64], structure: &Structure) -> Result<(), String> {
    if shape.len() != structure.rank() {
        return Err(format!("the image has {} axes, the structure {}", shape.len(), structure.rank()));
    }
    // Empty axes are left out: the others must fit by themselves, products are taken of them too.
    shape
        .iter()
        .try_fold(1u64, |pixels, extent| pixels.checked_mul((*extent).max(1)))
        .filter(|pixels| *pixels <= MAX_PIXELS)
        .map(|_| ())
        .ok_or_else(|| format!("an image of {shape:?} pixels is too large to label"))
}

/// The offset that moves by `row` along the last axis but one (if there is one) and by `column` along the last.
fn step(rank: usize, row: i8, column: i8) -> Vec<i8> {
    let mut offset = vec![0; rank];
    if rank > 1 {
        offset[rank - 2] = row;
    }
    offset[rank - 1] = column;
    offset
}

fn is_paired(rank: usize, structure: &Structure) -> bool {
    let has = |row, column| structure.has(&step(rank, row, column));
    let diagonal = has(-1, -1) && has(-1, 1);
    rank > 1 && has(-1, 0) && (diagonal || !has(0, -1))
}

/// The number of groups of at most two adjacent rows that `rows` successive rows need,
/// when adjacency ends after every `extent` rows.
fn paired_rows(rows: u64, extent: u64) -> u64 {
    let segments = (rows + extent - 2) / extent + 1;
    let odd = if extent.is_multiple_of(2) { segments.min(2) } else { segments };
    rows.min((rows + odd) / 2)
}

/// The rows before a row that hold neighbours of its pixels.
fn rows_above(lead: &[u64], structure: &Structure) -> Vec<Above> {
    // The cells before the centre are those that come earlier in raster order.
    (0..3usize.pow(lead.len() as u32) / 2)
        .map(|cell| offset_of(cell, lead.len()))
        .filter(|offset| fits(offset, lead))
        .map(|offset| row_above(&offset, lead, structure))
        .filter(|row| !row.links.is_empty())
        .collect()
}

/// An axis of one pixel has no neighbours.
fn fits(offset: &[i8], lead: &[u64]) -> bool {
    offset.iter().zip(lead).all(|(step, extent)| *step == 0 || *extent > 1)
}

fn row_above(offset: &[i8], lead: &[u64], structure: &Structure) -> Above {
    let distance = offset.iter().zip(lead).fold(0i64, |rows, (step, extent)| rows * *extent as i64 - i64::from(*step));
    let axes =
        |wanted: i8| (0..offset.len()).filter(|axis| offset[*axis] == wanted).fold(0u8, |mask, axis| mask | 1 << axis);
    Above { distance: distance as u64, needs_low: axes(-1), needs_high: axes(1), links: links(offset, structure) }
}

/// The column steps to the neighbours in the row at `offset`, as ranges.
///
/// Single pixels side by side would make wider ranges overlap, which the sweep over two rows does not allow for;
/// runs of pixels have gaps between them.
fn links(offset: &[i8], structure: &Structure) -> Vec<Link> {
    let solid = structure.has(&step(structure.rank(), 0, -1));
    let mut links: Vec<Link> = Vec::new();
    for column in 0..3u32 {
        let mut whole = offset.to_vec();
        whole.push(column as i8 - 1);
        if !structure.has(&whole) {
            continue;
        }
        match links.last_mut() {
            Some(link) if solid && link.high + 1 == column => link.high = column,
            _ => links.push(Link { low: column, high: column }),
        }
    }
    links
}
