//! Everything that is kept of objects while the image goes by: their records, and where properties need more than sums,
//! the extent of each of their rows and how often each value occurs in them.

use super::fields::Fields;
use super::hull::{Convex, Full, Hull};
use super::pixel::{Pixel, count_values, of_key};
use super::runs::{Group, Merge, Records, Room};
use crate::array::DType;
use crate::error::{Error, Result};
use crate::graph::Stores;
use crate::kernels::keyed::{Cell, Layout};

/// The records of one worker.
pub(super) struct Kept {
    pub objects: Records,
    /// By object and row: the first and the last pixel.
    pub rows: Option<Records>,
    /// For each channel, by object and value: how often it occurs.
    pub values: Vec<Records>,
}

/// The record of a row: object, row, count, first and last pixel.
fn row_layout() -> Layout {
    let mut layout = Layout::new(2);
    layout.add(Cell::Least);
    layout.add(Cell::Most);
    layout
}

/// Where the first pixel stands in the record of a row; the last follows.
const FIRST: usize = 3;

impl Kept {
    /// The layouts of all records.
    pub fn layouts(fields: &Fields) -> Vec<Layout> {
        let rows = fields.hull.is_some().then(row_layout);
        let values = (0..fields.ranked_channels()).map(|_| Layout::new(2));
        [fields.layout.clone()].into_iter().chain(rows).chain(values).collect()
    }

    pub fn new(fields: &Fields, room: Room, stores: &Stores) -> Result<Self> {
        let records = |layout| Records::new(layout, room, stores.clone());
        Ok(Kept {
            objects: records(fields.layout.clone())?,
            rows: fields.hull.is_some().then(|| records(row_layout())).transpose()?,
            values: (0..fields.ranked_channels()).map(|_| records(Layout::new(2))).collect::<Result<_>>()?,
        })
    }

    /// Takes in that `len` pixels of an object lie in a row.
    #[inline]
    pub fn add_row(&mut self, label: u64, row: u64, first: u64, len: u64) -> Result<()> {
        if let Some(rows) = &mut self.rows {
            let record = rows.find(&[label, row])?;
            record[FIRST - 1] += len;
            record[FIRST] = record[FIRST].min(first);
            record[FIRST + 1] = record[FIRST + 1].max(first + len - 1);
        }
        Ok(())
    }

    /// Takes values of a channel in.
    pub fn add_values<T: Pixel>(&mut self, channel: usize, label: u64, values: &[T]) -> Result<()> {
        count_values(&mut self.values[channel], label, values)
    }
}

/// The records of all workers in the order of the labels.
pub(super) struct Objects<'a> {
    fields: &'a Fields,
    objects: Merge,
    rows: Option<(Group, Hull)>,
    values: Vec<Group>,
    derived: Derived,
}

/// The memory for hulls is that of the most corners that were found in an array of this size, and as many again.
fn too_round(label: u64, Full: Full) -> Error {
    let what = format!(
        "the convex hull of object {label} has more corners than there is memory for: leave out solidity, \
                        area_convex and feret_diameter_max"
    );
    Error::Op { op: "measure".to_string(), what }
}

/// What follows from rows and values.
#[derive(Debug, Default)]
pub(super) struct Derived {
    pub convex: Convex,
    /// For each channel all quantiles.
    pub quantiles: Vec<Vec<f64>>,
}

impl<'a> Objects<'a> {
    pub fn merge(fields: &'a Fields, workers: Vec<Kept>) -> Result<Option<Self>> {
        let (mut objects, mut rows, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for worker in workers {
            objects.push(worker.objects);
            rows.extend(worker.rows);
            values.resize_with(worker.values.len(), Vec::new);
            values.iter_mut().zip(worker.values).for_each(|(all, own): (&mut Vec<_>, _)| all.push(own));
        }
        let Some(objects) = Records::merge(objects)? else { return Ok(None) };
        let hull = fields.hull.as_ref().and_then(Hull::new);
        let rows = Records::merge(rows)?.map(Group::new).zip(hull);
        let values: Vec<Merge> =
            values.into_iter().filter_map(|all| Records::merge(all).transpose()).collect::<Result<_>>()?;
        let values = values.into_iter().map(Group::new).collect();
        Ok(Some(Objects { fields, objects, rows, values, derived: Derived::default() }))
    }

    /// The record of the next object and what follows from the rest.
    pub fn next(&mut self) -> Result<Option<(&[u64], &Derived)>> {
        let Some(record) = self.objects.next()? else { return Ok(None) };
        let (label, count) = (record[0], record[self.fields.layout.count()]);
        if let Some((rows, hull)) = &mut self.rows {
            while let Some(row) = rows.next_of(label)? {
                hull.add(row[1], row[FIRST], row[FIRST + 1]).map_err(|full| too_round(label, full))?;
            }
            self.derived.convex = hull.finish().map_err(|full| too_round(label, full))?;
        }
        self.derived.quantiles.resize_with(self.values.len(), Vec::new);
        let channels = self.values.iter_mut().zip(&self.fields.channels).zip(&mut self.derived.quantiles);
        for ((values, channel), found) in channels {
            self.fields.quantiles_of(label, count, values, channel.dtype, found)?;
        }
        Ok(Some((self.objects.current(), &self.derived)))
    }
}

impl Fields {
    /// How many channels all values are kept of.
    fn ranked_channels(&self) -> usize {
        if self.quantiles.is_empty() { 0 } else { self.channels.len() }
    }

    /// All quantiles of the values of one object, of which there are `count`.
    fn quantiles_of(
        &self,
        label: u64,
        count: u64,
        values: &mut Group,
        dtype: DType,
        found: &mut Vec<f64>,
    ) -> Result<()> {
        let places = || self.quantiles.iter().map(|(_, quantile)| quantile.between(count));
        // Both neighbours of every quantile. NaN comes last.
        let mut neighbours = [[f64::NAN; 2]; MOST_QUANTILES];
        let (mut rank, mut last) = (0, f64::NAN);
        while let Some(record) = values.next_of(label)? {
            let value = of_key(record[1], dtype).to_f64();
            let next = rank + record[2];
            for (pair, place) in neighbours.iter_mut().zip(places()) {
                for (to, wanted) in pair.iter_mut().zip([place.low, place.high]) {
                    if (rank..next).contains(&wanted) {
                        *to = value;
                    }
                }
            }
            (rank, last) = (next, value);
        }
        found.clear();
        for ((_, quantile), [low, high]) in self.quantiles.iter().zip(neighbours) {
            let share = quantile.between(count).share;
            found.push(if last.is_nan() { f64::NAN } else { quantile.value(low, high, share) });
        }
        Ok(())
    }
}

/// More quantiles are not asked for at once.
pub(super) const MOST_QUANTILES: usize = 64;
