//! What can be measured, by scikit-image's names.

use super::pixel::Of;
use crate::array::{Column, DType};
use crate::ops::reduce::Quantile;

/// A property of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Property {
    Label,
    Area,
    AreaPhysical,
    AreaBbox,
    Bbox,
    Centroid,
    EquivalentDiameter,
    Extent,
    Moments,
    MomentsCentral,
    InertiaTensor,
    InertiaEigvals,
    AxisMajor,
    AxisMinor,
    Eccentricity,
    Orientation,
    EulerNumber,
    Perimeter,
    PerimeterCrofton,
    SurfaceArea,
    AreaConvex,
    Solidity,
    FeretMax,
    TouchesBorder,
    Sum,
    Mean,
    Min,
    Max,
    Std,
    Median,
    Percentile(Percent),
    CentroidWeighted,
}

/// A number from 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Percent(f64);

impl Eq for Percent {}

impl Percent {
    pub fn new(value: f64) -> Option<Percent> {
        // Adding 0 makes one of the two zeros.
        (0.0..=100.0).contains(&value).then_some(Percent(value + 0.0))
    }
}

use Property::*;

/// What the names of percentiles start with.
const PERCENTILE: &str = "intensity_percentile";

/// Every property by its name, in the order of the help.
pub(crate) const NAMES: &[(&str, Property)] = &[
    ("label", Label),
    ("area", Area),
    ("area_physical", AreaPhysical),
    ("area_bbox", AreaBbox),
    ("bbox", Bbox),
    ("centroid", Centroid),
    ("equivalent_diameter_area", EquivalentDiameter),
    ("extent", Extent),
    ("moments", Moments),
    ("moments_central", MomentsCentral),
    ("inertia_tensor", InertiaTensor),
    ("inertia_tensor_eigvals", InertiaEigvals),
    ("axis_major_length", AxisMajor),
    ("axis_minor_length", AxisMinor),
    ("eccentricity", Eccentricity),
    ("orientation", Orientation),
    ("euler_number", EulerNumber),
    ("perimeter", Perimeter),
    ("perimeter_crofton", PerimeterCrofton),
    ("surface_area", SurfaceArea),
    ("area_convex", AreaConvex),
    ("solidity", Solidity),
    ("feret_diameter_max", FeretMax),
    ("touches_border", TouchesBorder),
    ("intensity_sum", Sum),
    ("intensity_mean", Mean),
    ("intensity_min", Min),
    ("intensity_max", Max),
    ("intensity_std", Std),
    ("intensity_median", Median),
    ("centroid_weighted", CentroidWeighted),
];

/// What older versions of scikit-image called them.
const OLD: &[(&str, Property)] = &[
    ("bbox_area", AreaBbox),
    ("convex_area", AreaConvex),
    ("equivalent_diameter", EquivalentDiameter),
    ("major_axis_length", AxisMajor),
    ("minor_axis_length", AxisMinor),
    ("mean_intensity", Mean),
    ("min_intensity", Min),
    ("max_intensity", Max),
    ("std_intensity", Std),
    ("weighted_centroid", CentroidWeighted),
];

impl Property {
    pub fn from_name(name: &str) -> Option<Property> {
        if let Some(percent) = name.strip_prefix(PERCENTILE).and_then(|rest| rest.strip_prefix('-')) {
            return Percent::new(percent.parse().ok()?).map(Percentile);
        }
        NAMES.iter().chain(OLD).find(|(n, _)| *n == name).map(|&(_, p)| p)
    }

    pub fn name(self) -> &'static str {
        if let Percentile(_) = self {
            return PERCENTILE;
        }
        NAMES.iter().find(|(_, p)| *p == self).map_or("", |&(n, _)| n)
    }

    /// Whether it is measured once per channel of intensities.
    pub fn is_of_intensity(self) -> bool {
        self.of() != Of::default() || self.quantile().is_some()
    }

    /// Which value of an object it is, in the order of their size.
    pub fn quantile(self) -> Option<Quantile> {
        match self {
            Median => Some(Quantile { part: 0.5, middle: true }),
            Percentile(Percent(p)) => Some(Quantile { part: p / 100.0, middle: false }),
            _ => None,
        }
    }

    /// Whether it needs the convex hull.
    pub fn needs_hull(self) -> bool {
        matches!(self, AreaConvex | Solidity | FeretMax)
    }

    /// What it needs of intensities.
    pub fn of(self) -> Of {
        match self {
            Sum | Mean => Of { sum: true, ..Of::default() },
            Min => Of { least: true, ..Of::default() },
            Max => Of { most: true, ..Of::default() },
            Std => Of { squares: true, ..Of::default() },
            CentroidWeighted => Of { weighted: true, ..Of::default() },
            _ => Of::default(),
        }
    }

    /// The highest powers of coordinates that it needs sums of.
    pub fn order(self) -> u8 {
        match self {
            Centroid => 1,
            InertiaTensor | InertiaEigvals | AxisMajor | AxisMinor | Eccentricity | Orientation => 2,
            Moments | MomentsCentral => 3,
            _ => 0,
        }
    }

    /// Whether it needs the bounding box.
    pub fn needs_bbox(self) -> bool {
        matches!(self, AreaBbox | Bbox | Extent | TouchesBorder | Moments)
    }

    /// The numbers of axes it is defined for.
    pub fn axes(self) -> std::ops::RangeInclusive<usize> {
        match self {
            Eccentricity | Orientation | Perimeter | PerimeterCrofton => 2..=2,
            SurfaceArea => 3..=3,
            AxisMajor | AxisMinor | EulerNumber | AreaConvex | Solidity | FeretMax => 2..=3,
            InertiaTensor | InertiaEigvals => 2..=6,
            _ => 0..=6,
        }
    }

    /// Its columns for objects along `n` axes: what follows the name, and the type.
    pub fn columns(self, n: usize, pixel: DType) -> Vec<(String, DType)> {
        let one = |dtype| vec![(String::new(), dtype)];
        let each = |count: usize, dtype| (0..count).map(|i| (format!("-{i}"), dtype)).collect();
        match self {
            Label | Area | AreaBbox | AreaConvex => one(DType::U64),
            Percentile(Percent(p)) => vec![(format!("-{p}"), DType::F64)],
            EulerNumber => one(DType::I64),
            TouchesBorder => one(DType::Bool),
            Bbox => each(2 * n, DType::U64),
            Centroid | CentroidWeighted | InertiaEigvals => each(n, DType::F64),
            InertiaTensor => (0..n * n).map(|i| (format!("-{}-{}", i / n, i % n), DType::F64)).collect(),
            Moments | MomentsCentral => {
                let name = |e: Vec<u8>| e.iter().map(|p| format!("-{p}")).collect();
                exponents(n, 3).into_iter().map(|e| (name(e), DType::F64)).collect()
            }
            Min | Max => one(pixel),
            Sum => one(if pixel.is_float() {
                DType::F64
            } else if pixel.is_signed_integer() {
                DType::I64
            } else {
                DType::U64
            }),
            _ => one(DType::F64),
        }
    }
}

/// The powers of coordinates along `n` axes of total order 0 to `order`, in raster order.
pub(crate) fn exponents(n: usize, order: u8) -> Vec<Vec<u8>> {
    let base = usize::from(order) + 1;
    (0..base.pow(n as u32))
        .map(|i| (0..n).map(|a| (i / base.pow((n - 1 - a) as u32) % base) as u8).collect::<Vec<u8>>())
        .filter(|e| e.iter().sum::<u8>() <= order)
        .collect()
}

/// The headings of all columns: intensities once per channel, numbered where there are several or they lie along an axis.
pub(crate) fn columns(properties: &[Property], n: usize, channels: &[DType], numbered: bool) -> Vec<Column> {
    let mut columns = Vec::new();
    for property in properties {
        if !property.is_of_intensity() {
            let own = property.columns(n, DType::F64).into_iter();
            columns.extend(own.map(|(rest, dtype)| Column { name: format!("{}{rest}", property.name()), dtype }));
            continue;
        }
        // scikit-image numbers a vector's components first and channels last.
        let own: Vec<Vec<(String, DType)>> = channels.iter().map(|&d| property.columns(n, d)).collect();
        for component in 0..own.first().map_or(0, Vec::len) {
            for (channel, own) in own.iter().enumerate() {
                let (rest, dtype) = &own[component];
                let channel = if numbered { format!("-{channel}") } else { String::new() };
                columns.push(Column { name: format!("{}{rest}{channel}", property.name()), dtype: *dtype });
            }
        }
    }
    columns
}
