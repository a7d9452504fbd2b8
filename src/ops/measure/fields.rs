//! The records of objects: what is added up while the image goes by.

use super::hull::Hull;
use super::kept::Kept;
use super::local::chord_counts;
use super::pixel::{ChannelCells, Of, Pixel};
use super::property::{Property, exponents};
use crate::array::{ArraySpec, DType, Dims, Element, MAX_RANK, Region, View, with_dtype};
use crate::error::Result;
use crate::kernels::keyed::{Cell, Layout, add_integer};
use crate::ops::reduce::Quantile;
use arrayvec::ArrayVec;

/// Where everything lies in the record of an object.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    pub layout: Layout,
    /// The axes of the array that objects extend along.
    pub axes: Vec<usize>,
    /// Per axis: the word of the least coordinate, which that of the largest follows.
    pub bbox: Option<usize>,
    /// Sums of products of powers of coordinates, and their words (two each); those of order 0 are the count.
    pub powers: Vec<(Vec<u8>, usize)>,
    pub channels: Vec<ChannelCells>,
    /// The sum of what each pixel adds to the Euler number.
    pub euler: Option<usize>,
    /// How many pixels of the outline are of each of three kinds.
    pub outline: Option<usize>,
    /// How many chords there are of each of three kinds.
    pub chords: Option<usize>,
    /// The extent of the array along the axes, where that of every row is kept for hulls.
    pub hull: Option<Dims>,
    /// The properties that are ranks of values; values are kept where there are any.
    pub quantiles: Vec<(Property, Quantile)>,
}

impl Fields {
    pub fn new(properties: &[Property], spec: &ArraySpec, axes: Vec<usize>, channels: &[DType]) -> Self {
        let mut layout = Layout::new(1);
        let any = |what: fn(Property) -> bool| properties.iter().any(|&p| what(p));
        let n = axes.len();
        let mut bbox = None;
        if any(Property::needs_bbox) {
            for _ in 0..n {
                let least = layout.add(Cell::Least);
                layout.add(Cell::Most);
                bbox.get_or_insert(least);
            }
        }
        let order = properties.iter().map(|p| p.order()).max().unwrap_or(0);
        let powers = exponents(n, order).into_iter().filter(|e| e.iter().any(|&p| p > 0));
        let powers = powers.map(|e| (e, layout.add(Cell::Sum(2)))).collect();
        let of = properties.iter().map(|p| p.of()).fold(Of::default(), Of::or);
        let channels = channels.iter().map(|&dtype| ChannelCells::new(&mut layout, dtype, of, n)).collect();
        let euler = any(|p| p == Property::EulerNumber).then(|| layout.add(Cell::Sum(1)));
        let mut three = |wanted: bool| wanted.then(|| [0; 3].map(|_| layout.add(Cell::Sum(1)))[0]);
        let outline = three(any(|p| p == Property::Perimeter));
        let chords = three(any(|p| matches!(p, Property::PerimeterCrofton | Property::SurfaceArea)));
        let hull = any(Property::needs_hull).then(|| axes.iter().map(|&axis| spec.shape[axis]).collect());
        let quantiles = properties.iter().filter_map(|&p| p.quantile().map(|q| (p, q))).collect();
        Fields { layout, axes, bbox, powers, channels, euler, outline, chords, hull, quantiles }
    }

    /// Whether every sum stays within its words for an array of that shape.
    pub fn fits(&self, spec: &ArraySpec) -> bool {
        let bits = |n: u64| 64 - n.leading_zeros();
        let longest = self.axes.iter().map(|&a| bits(spec.shape[a])).max().unwrap_or(0);
        let order = self.powers.iter().map(|(e, _)| e.iter().sum::<u8>()).max().unwrap_or(0);
        let hulls = self.hull.as_ref().is_none_or(Hull::fits);
        hulls && longest <= 40 && bits(spec.elements()) + u32::from(order) * longest < 127
    }

    /// Takes a box in: of the labels, the intensities, and where they are wanted the parts of the Euler number and the
    /// kinds of the outline.
    pub fn fold(&self, kept: &mut Kept, at: &Region, tiles: &[View<'_>]) -> Result<()> {
        with_dtype!(tiles[0].dtype(), T => self.rows::<T>(kept, at, tiles))
    }

    fn rows<T: Pixel>(&self, kept: &mut Kept, at: &Region, tiles: &[View<'_>]) -> Result<()> {
        let (labels, rank) = (&tiles[0], tiles[0].rank());
        let Some((last, outer)) = rank.checked_sub(1).map(|last| (last, &labels.shape()[..last])) else {
            return Ok(());
        };
        if labels.elements() == 0 {
            return Ok(());
        }
        let n = labels.shape()[last];
        let data = labels.typed::<T>();
        let step = if n == 1 { 1 } else { labels.strides()[last] };
        let mut index: ArrayVec<usize, MAX_RANK> = outer.iter().map(|_| 0).collect();
        let mut coordinates: ArrayVec<u64, MAX_RANK> = at.start.iter().copied().collect();
        loop {
            let first = |view: &View<'_>| -> usize { index.iter().zip(view.strides()).map(|(i, s)| i * s).sum() };
            let offset = first(labels);
            let mut from = 0;
            while from < n {
                let label = data[offset + from * step];
                let to = match step {
                    1 => from + alike(&data[offset + from..offset + n], label),
                    _ => (from + 1..n).find(|&to| data[offset + to * step] != label).unwrap_or(n),
                };
                if label > T::default() {
                    let label = label.exact().map_or(0, |(v, _)| v as u64);
                    let record = kept.objects.find(&[label])?;
                    coordinates[last] = at.start[last] + from as u64;
                    self.run(record, &coordinates, (to - from) as u64);
                    self.values(record, &coordinates, &tiles[1..], &first, from..to);
                    if self.hull.is_some() {
                        self.extents(kept, label, &coordinates, (to - from) as u64)?;
                    }
                    if !self.quantiles.is_empty() {
                        self.ranked(kept, label, &tiles[1..], &first, from..to)?;
                    }
                }
                from = to;
            }
            let mut axis = outer.len();
            loop {
                if axis == 0 {
                    return Ok(());
                }
                axis -= 1;
                index[axis] += 1;
                coordinates[axis] += 1;
                if index[axis] < outer[axis] {
                    break;
                }
                index[axis] = 0;
                coordinates[axis] = at.start[axis];
            }
        }
    }

    /// Takes in where a run of pixels along the last axis lies.
    fn run(&self, record: &mut [u64], start: &[u64], len: u64) {
        let last = start.len() - 1;
        record[self.layout.count()] += len;
        if let Some(first) = self.bbox {
            for (k, &axis) in self.axes.iter().enumerate() {
                let (lo, hi) = (start[axis], start[axis] + if axis == last { len - 1 } else { 0 });
                let at = first + 2 * k;
                record[at] = record[at].min(lo);
                record[at + 1] = record[at + 1].max(hi);
            }
        }
        if self.powers.is_empty() {
            return;
        }
        // Sums of powers of the coordinate along the run.
        let along: [i128; 4] = std::array::from_fn(|p| below(start[last] + len, p) - below(start[last], p));
        for (exponents, at) in &self.powers {
            let mut product = i128::from(len);
            for (&axis, &power) in self.axes.iter().zip(exponents) {
                if axis == last {
                    product = along[usize::from(power)];
                }
            }
            for (&axis, &power) in self.axes.iter().zip(exponents) {
                if axis != last {
                    (0..power).for_each(|_| product *= i128::from(start[axis]));
                }
            }
            add_integer(&mut record[*at..*at + 2], product);
        }
    }

    /// Takes in which rows of its object a run of pixels lies in.
    fn extents(&self, kept: &mut Kept, label: u64, start: &[u64], len: u64) -> Result<()> {
        let (Some((&across, down)), Some(extent), last) = (self.axes.split_last(), &self.hull, start.len() - 1) else {
            return Ok(());
        };
        let row = |i: u64| {
            let place = |axis: usize| start[axis] + if axis == last { i } else { 0 };
            down.iter().zip(extent).fold(0, |row, (&axis, n)| row * n + place(axis))
        };
        if down.contains(&last) {
            return (0..len).try_for_each(|i| kept.add_row(label, row(i), start[across], 1));
        }
        kept.add_row(label, row(0), start[across], if across == last { len } else { 1 })
    }

    /// Takes in which values occur in a run.
    fn ranked(
        &self,
        kept: &mut Kept,
        label: u64,
        tiles: &[View<'_>],
        first: &impl Fn(&View<'_>) -> usize,
        run: std::ops::Range<usize>,
    ) -> Result<()> {
        for (channel, view) in tiles.iter().enumerate().take(self.channels.len()) {
            let mut done = Ok(());
            with_dtype!(view.dtype(), V => row(view, first(view), run.clone(), |_, values: &[V]| {
                if done.is_ok() {
                    done = kept.add_values(channel, label, values);
                }
            }));
            done?;
        }
        Ok(())
    }

    /// Takes in the values of a run.
    fn values(
        &self,
        record: &mut [u64],
        start: &[u64],
        tiles: &[View<'_>],
        first: &impl Fn(&View<'_>) -> usize,
        run: std::ops::Range<usize>,
    ) {
        let last = start.len() - 1;
        let place: ArrayVec<(u64, u64), MAX_RANK> =
            self.axes.iter().map(|&axis| (start[axis], u64::from(axis == last))).collect();
        for (channel, view) in self.channels.iter().zip(tiles) {
            with_dtype!(view.dtype(), V => row(view, first(view), run.clone(), |i, values: &[V]| {
                let mut place = place.clone();
                place.iter_mut().for_each(|p| p.0 += i * p.1);
                channel.add(record, values, &place);
            }));
        }
        let mut more = tiles[self.channels.len()..].iter();
        if let (Some(at), Some(view)) = (self.euler, self.euler.and_then(|_| more.next())) {
            row(view, first(view), run.clone(), |_, parts: &[i8]| {
                let sum: i64 = parts.iter().map(|&p| i64::from(p)).sum();
                add_integer(&mut record[at..at + 1], sum.into());
            });
        }
        if let (Some(at), Some(view)) = (self.outline, self.outline.and_then(|_| more.next())) {
            row(view, first(view), run.clone(), |_, kinds: &[u8]| {
                kinds.iter().filter(|&&k| (1..4).contains(&k)).for_each(|&k| record[at + usize::from(k) - 1] += 1);
            });
        }
        if let (Some(at), Some(view)) = (self.chords, self.chords.and_then(|_| more.next())) {
            row(view, first(view), run, |_, codes: &[u8]| {
                for &code in codes.iter().filter(|&&code| code > 0) {
                    record[at..].iter_mut().zip(chord_counts(code)).for_each(|(sum, n)| *sum += n);
                }
            });
        }
    }
}

/// How many elements at the start are that label.
#[inline]
fn alike<T: Element>(row: &[T], label: T) -> usize {
    const BLOCK: usize = 32;
    // Whole blocks without leaving early: these compare side by side.
    let whole = |block: &&[T]| block.iter().fold(true, |all, v| all & (*v == label));
    let n = BLOCK * row.chunks_exact(BLOCK).take_while(whole).count();
    n + row[n..].iter().take_while(|v| **v == label).count()
}

/// Hands over a part of a row in pieces that lie together, with their distance from its first element.
fn row<V: Element>(view: &View<'_>, first: usize, run: std::ops::Range<usize>, mut take: impl FnMut(u64, &[V])) {
    let data = view.typed::<V>();
    let step = view.strides().last().copied().unwrap_or(1);
    if step == 1 || run.len() == 1 {
        let at = first + run.start * step;
        return take(0, &data[at..at + run.len()]);
    }
    for (i, k) in run.enumerate() {
        take(i as u64, &data[first + k * step..][..1]);
    }
}

/// The sum of the `power`-th powers of the whole numbers below `m`.
fn below(m: u64, power: usize) -> i128 {
    let m = i128::from(m);
    match power {
        0 => m,
        1 => m * (m - 1) / 2,
        2 => m * (m - 1) * (2 * m - 1) / 6,
        _ => (m * (m - 1) / 2).pow(2),
    }
}
