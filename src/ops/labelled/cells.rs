//! What is known of a group: the cells of its record, and the numbers that come of them.

use super::own::Own;
use crate::array::{ArraySpec, DType, Dims, Scalar, View};
use crate::error::{Error, Result};
use crate::kernels::histogram::UniformBins;
use crate::kernels::keyed::{Cell, Layout};
use crate::ops::histogram::count_tile;
use crate::ops::measure::pixel::{ChannelCells, Of, Pixel, of_key};

/// What is asked of every group.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Asked {
    /// The number of pixels.
    Area,
    /// The sum.
    Sum,
    /// The mean.
    Mean,
    /// The variance.
    Variance {
        /// What is taken off their number to divide by.
        ddof: f64,
    },
    /// The square root of the variance.
    Deviation {
        /// What is taken off their number to divide by.
        ddof: f64,
    },
    /// The least value.
    Minimum,
    /// The greatest value.
    Maximum,
    /// The middle value.
    Median,
    /// What a function of the user's makes of the sorted values.
    Own(Own),
    /// Where the least value first occurs.
    MinimumPosition,
    /// Where the greatest value first occurs.
    MaximumPosition,
    /// Both values and both places.
    Extrema,
    /// The mean coordinates, weighted by the values.
    CenterOfMass,
    /// Counts between the edges of bins.
    Histogram(UniformBins),
    /// The box around the pixels.
    Boxes,
}

/// A result: its name, its type, and how many numbers it is of where it is several.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Port {
    pub name: &'static str,
    pub dtype: DType,
    pub each: Option<usize>,
}

/// What is added up for every group, and where.
#[derive(Clone, Debug)]
pub(super) struct Cells {
    pub asked: Asked,
    /// Of the values.
    pub dtype: DType,
    pub layout: Layout,
    /// Of the whole array.
    shape: Dims,
    channel: Option<ChannelCells>,
    least: Option<usize>,
    most: Option<usize>,
    bins: Option<usize>,
    boxes: Option<usize>,
}

impl Cells {
    pub fn new(asked: Asked, spec: &ArraySpec) -> Self {
        let mut layout = Layout::new(1);
        let of = match asked {
            Asked::Sum | Asked::Mean => Of { sum: true, ..Of::default() },
            Asked::Variance { .. } | Asked::Deviation { .. } => Of { squares: true, ..Of::default() },
            Asked::Minimum => Of { least: true, ..Of::default() },
            Asked::Maximum => Of { most: true, ..Of::default() },
            Asked::CenterOfMass => Of { weighted: true, ..Of::default() },
            _ => Of::default(),
        };
        let channel = (of != Of::default()).then(|| ChannelCells::new(&mut layout, spec.dtype, of, spec.rank()));
        let wants = |one: Asked| asked == one || asked == Asked::Extrema;
        let least = wants(Asked::MinimumPosition).then(|| layout.add(Cell::First));
        let most = wants(Asked::MaximumPosition).then(|| layout.add(Cell::First));
        let mut bins = None;
        if let Asked::Histogram(edges) = &asked {
            for _ in 1..edges.edges().len() {
                let at = layout.add(Cell::Sum(1));
                bins.get_or_insert(at);
            }
        }
        let mut boxes = None;
        if asked == Asked::Boxes {
            for _ in 0..spec.rank() {
                let at = layout.add(Cell::Least);
                layout.add(Cell::Most);
                boxes.get_or_insert(at);
            }
        }
        Cells { asked, dtype: spec.dtype, layout, shape: spec.shape.clone(), channel, least, most, bins, boxes }
    }

    /// The results.
    pub fn ports(&self) -> Vec<Port> {
        let port = |name, dtype, each| Port { name, dtype, each };
        let (one, rank) = (|name, dtype| vec![port(name, dtype, None)], Some(self.shape.len()));
        match &self.asked {
            Asked::Area => one("area", DType::I64),
            Asked::Sum if self.dtype.is_float() => one("sum", DType::F64),
            Asked::Sum if self.dtype.is_signed_integer() || self.dtype == DType::Bool => one("sum", DType::I64),
            Asked::Sum => one("sum", DType::U64),
            Asked::Mean => one("mean", DType::F64),
            Asked::Variance { .. } => one("variance", DType::F64),
            Asked::Deviation { .. } => one("standard_deviation", DType::F64),
            Asked::Minimum => one("minimum", self.dtype),
            Asked::Maximum => one("maximum", self.dtype),
            Asked::Median => one("median", DType::F64),
            Asked::Own(_) => one("result", DType::F64),
            Asked::MinimumPosition => vec![port("minimum_position", DType::I64, rank)],
            Asked::MaximumPosition => vec![port("maximum_position", DType::I64, rank)],
            Asked::Extrema => vec![
                port("minimum", self.dtype, None),
                port("maximum", self.dtype, None),
                port("minimum_position", DType::I64, rank),
                port("maximum_position", DType::I64, rank),
            ],
            Asked::CenterOfMass => vec![port("center_of_mass", DType::F64, rank)],
            Asked::Histogram(bins) => vec![port("count", DType::I64, Some(bins.edges().len() - 1))],
            Asked::Boxes => vec![port("start", DType::I64, rank), port("stop", DType::I64, rank)],
        }
    }

    /// How far apart in C order neighbours along each axis lie.
    pub fn strides(&self) -> Dims {
        let mut strides = self.shape.clone();
        let mut step = 1;
        for (stride, n) in strides.iter_mut().rev().zip(self.shape.iter().rev()) {
            *stride = step;
            step *= n;
        }
        strides
    }

    /// Whether a group without pixels has no answer.
    pub fn wants_pixels(&self) -> bool {
        use Asked::{Boxes, Extrema, Maximum, MaximumPosition, Minimum, MinimumPosition};
        matches!(self.asked, Minimum | Maximum | MinimumPosition | MaximumPosition | Extrema | Boxes)
    }

    /// Takes in a run of values along the last axis, the first of which lies at those coordinates and has that number in C
    /// order. Without values only their count and place are known.
    pub fn add<V: Pixel>(&self, record: &mut [u64], values: &[V], len: usize, coordinates: &[u64], number: u64) {
        record[self.layout.count()] += len as u64;
        if let Some(channel) = &self.channel {
            let last = coordinates.len().wrapping_sub(1);
            let mut place = [(0, 0); crate::array::MAX_RANK];
            let places = place.iter_mut().zip(coordinates).enumerate();
            places.for_each(|(axis, (place, &at))| *place = (at, u64::from(axis == last)));
            channel.add(record, values, &place[..coordinates.len()]);
        }
        for (cell, greatest) in [(self.least, false), (self.most, true)] {
            if let Some(at) = cell {
                first(&mut record[at..at + 2], values, number, greatest);
            }
        }
        if let (Some(at), Asked::Histogram(bins)) = (self.bins, &self.asked) {
            let view = View::new(V::DTYPE, &[values.len() as u64], bytemuck::cast_slice(values));
            count_tile(&view, bins, &mut record[at..at + bins.edges().len() - 1]);
        }
        if let Some(at) = self.boxes {
            for (axis, &lo) in coordinates.iter().enumerate() {
                let hi = if axis + 1 == coordinates.len() { lo + len as u64 - 1 } else { lo };
                let cell = at + 2 * axis;
                record[cell] = record[cell].min(lo);
                record[cell + 1] = record[cell + 1].max(hi);
            }
        }
    }

    /// Appends the results of a group; of one without pixels where there is no record.
    pub fn put(&self, name: &'static str, record: Option<&[u64]>, row: &mut Vec<Scalar>) -> Result<()> {
        let Some(record) = record else {
            for port in self.ports() {
                // Nothing has a sum, a number and, as scipy has it, an extreme of 0.
                let value = match self.asked {
                    Asked::Sum => 0.0,
                    _ if port.dtype == DType::F64 && !self.wants_pixels() => f64::NAN,
                    _ => 0.0,
                };
                row.extend((0..port.each.unwrap_or(1)).map(|_| Scalar::from_f64(value, port.dtype)));
            }
            return Ok(());
        };
        let count = record[self.layout.count()];
        let moments = || self.channel.as_ref().map(|channel| channel.moments(record, count));
        let real = |value: Option<f64>| Scalar::of(value.unwrap_or(f64::NAN));
        match &self.asked {
            Asked::Area => row.push(Scalar::of(count as i64)),
            Asked::Sum => {
                row.push(self.sum(name, moments().and_then(|m| m.whole_sum()), moments().map(|m| m.sum()))?)
            }
            Asked::Mean => row.push(real(moments().map(|m| m.mean()))),
            Asked::Variance { ddof } => row.push(real(moments().map(|m| m.variance(*ddof)))),
            Asked::Deviation { ddof } => row.push(real(moments().map(|m| m.variance(*ddof).sqrt()))),
            Asked::Minimum => row.push(of_key(self.channel.as_ref().map_or(0, |c| c.least(record)), self.dtype)),
            Asked::Maximum => row.push(of_key(self.channel.as_ref().map_or(0, |c| c.most(record)), self.dtype)),
            Asked::CenterOfMass => {
                self.channel.iter().for_each(|c| c.centroid(record, |value| row.push(Scalar::of(value))));
            }
            Asked::MinimumPosition | Asked::MaximumPosition | Asked::Extrema => {
                let pair = |cell: Option<usize>| cell.map_or([0, 0], |at| [record[at], record[at + 1]]);
                let (least, most) = (pair(self.least), pair(self.most));
                if self.asked == Asked::Extrema {
                    row.extend([of_key(least[0], self.dtype), of_key(!most[0], self.dtype)]);
                }
                self.least.iter().for_each(|_| self.place(least[1], row));
                self.most.iter().for_each(|_| self.place(most[1], row));
            }
            Asked::Histogram(bins) => {
                let counts = self.bins.map_or(&[][..], |at| &record[at..at + bins.edges().len() - 1]);
                row.extend(counts.iter().map(|&n| Scalar::of(n as i64)));
            }
            Asked::Boxes => {
                let at = self.boxes.unwrap_or(0);
                row.extend((0..self.shape.len()).map(|axis| Scalar::of(record[at + 2 * axis] as i64)));
                row.extend((0..self.shape.len()).map(|axis| Scalar::of(record[at + 2 * axis + 1] as i64 + 1)));
            }
            Asked::Median | Asked::Own(_) => return Err(Error::Internal("this comes from sorted values".into())),
        }
        Ok(())
    }

    fn sum(&self, name: &'static str, whole: Option<i128>, real: Option<f64>) -> Result<Scalar> {
        let Some(whole) = whole else { return Ok(Scalar::of(real.unwrap_or(0.0))) };
        let wide = self.ports()[0].dtype;
        Scalar::from_i128(whole, wide)
            .ok_or_else(|| Error::op(name, format!("a sum is {whole}, which {wide} does not hold")))
    }

    /// The coordinates of the element with that number in C order.
    fn place(&self, number: u64, row: &mut Vec<Scalar>) {
        let from = row.len();
        let mut rest = number;
        for &n in self.shape.iter().rev() {
            row.insert(from, Scalar::of((rest % n.max(1)) as i64));
            rest /= n.max(1);
        }
    }
}

/// The first of the least or greatest values: a pair of words, the smaller the better.
fn first<V: Pixel>(best: &mut [u64], values: &[V], number: u64, greatest: bool) {
    for (i, value) in values.iter().enumerate() {
        let key = value.key(greatest);
        // Zeros of both signs are equal.
        let key = if V::DTYPE.is_float() && key == (1 << 63) - 1 { 1 << 63 } else { key };
        let key = if greatest { !key } else { key };
        if (key, number + i as u64) < (best[0], best[1]) {
            (best[0], best[1]) = (key, number + i as u64);
        }
    }
}
