//! Objects measured: a table with a row for every label.

mod fields;
mod hull;
mod kept;
mod local;
pub(crate) mod pixel;
mod property;
mod row;
pub(crate) mod runs;
mod scan;
#[cfg(test)]
mod tests;

use super::select::{Pick, Selection, select};
use super::{AXES, Arg, Args, OpDef, Param, Type, nearest};
use crate::array::{ArraySpec, DType, Spec, TableSpec};
use crate::error::Result;
use crate::graph::Array;
use fields::Fields;
use kept::MOST_QUANTILES;
use property::{NAMES, Property, columns};
use runs::Room;
use scan::Measure;

/// `skimage.measure.regionprops_table`, larger than memory.
pub static MEASURE: OpDef = OpDef {
    name: "measure",
    family: "objects",
    summary: "A table of the objects of a label image: area, position, shape, intensities.",
    details: "One row per label above 0, in the order of the labels; the first column is `label`, the others are the \
              properties in the order in which they are asked for. Names, definitions and columns (`centroid-0`, \
              `bbox-3`) are those of scikit-image's `regionprops_table`; old names (`mean_intensity`, \
              `major_axis_length`, …) are taken too, the columns have the new ones. All properties come from one sweep \
              over the image.\n\n\
              Shape: area (pixels), area_physical (in the units of the pixel sizes; NaN where these are not known), \
              area_bbox, bbox, centroid, equivalent_diameter_area, extent, moments and moments_central (up to order 3 in \
              all), inertia_tensor, inertia_tensor_eigvals, axis_major_length, axis_minor_length, eccentricity, \
              orientation, euler_number (pixels connected across corners), perimeter (scikit-image's of 4 \
              neighbours), perimeter_crofton, surface_area (along three axes, in pixels: Crofton's formula over 13 \
              directions), area_convex, solidity, feret_diameter_max (of the convex hull of the middles of all sides of \
              pixels, along two axes or three), touches_border. Intensities: intensity_sum, \
              intensity_mean, intensity_min, intensity_max, intensity_std, intensity_median, intensity_percentile-P (any P \
              from 0 to 100, between two values on the line that joins them, as in NumPy), centroid_weighted. Several arrays, \
              or an array with one axis more (channels), give numbered columns: `intensity_mean-0`, `intensity_mean-1`.\n\n\
              Sums are exact (long integers, also for floats) and rounded once, so that a row depends neither on the \
              order nor on the tiling, and nothing cancels far from the origin: central moments are differences of \
              integers. Hulls are computed in whole numbers. NaN propagates.\n\n\
              Objects may lie anywhere and be in several pieces. Along the axes that filters act on they have a \
              position and a shape; separate frames and channels of a label image with named axes count as one place, \
              and `label` numbers them apart.\n\n\
              Memory holds a table of fixed size (1 MiB) per thread, another one for hulls (along three axes also the largest \
              hull that an array of its size can hold: 56 MiB at 512 x 1024 x 1024), and one for each channel whose \
              median or percentiles are asked for; what is beyond goes to scratch in sorted runs, and so does a result that is \
              larger than half a MiB. It is saved as .csv or .parquet.",
    reference: "skimage.measure.regionprops_table",
    params: &[
        Param {
            name: "labels",
            ty: Type::Array,
            default: None,
            doc: "An integer array, or a mask that is one object.",
        },
        Param {
            name: "intensity",
            ty: Type::Any,
            default: Some("none"),
            doc: "An array of the same shape, or with an axis of channels more, or a list of arrays.",
        },
        Param {
            name: "properties",
            ty: Type::Any,
            default: Some("none"),
            doc: "A name or a list of them; else area, bbox and centroid, and intensity_mean with intensities.",
        },
        Param {
            name: "percentiles",
            ty: Type::Any,
            default: Some("none"),
            doc: "Percentiles of the intensities to measure too: `[5, 95]` gives intensity_percentile-5 and -95.",
        },
        AXES,
    ],
    returns: &[("table", "a table with a row per label")],
    examples: &[
        "measure(label(input > 60), input)",
        "measure(label(input > 90), [input, input > 100], [\"area\", \"intensity_std\", \"moments_central\"])",
        "measure(label(input > 60, axes=[0]), properties=[\"area_bbox\", \"extent\", \"equivalent_diameter_area\"])",
        "measure(label(input > 60, axes=[0]), input, [\"intensity_median\"], percentiles=[5, 97.5])",
        "measure(input > 80, input, [\"intensity_min\", \"intensity_max\", \"centroid_weighted\"], axes=[-1])",
    ],
    build,
};

/// The name that the columns of a property have, from any of its names.
pub(crate) fn name_of(property: &str) -> Option<&'static str> {
    Property::from_name(property).map(Property::name)
}

/// More arrays cannot stream by.
const STREAMS: usize = 8;

fn build(args: &Args) -> Result<Array> {
    let (labels, spec) = labels(args, "labels")?;
    let axes = args.filter_axes(&spec)?;
    let (mut intensity, mut wanted) = (args.get("intensity"), args.get("properties"));
    // `measure(labels, ["area"])`
    if let (Some(names), None) = (intensity, wanted)
        && is_names(names)
    {
        (intensity, wanted) = (None, Some(names));
    }
    let (channels, numbered) = channels(args, intensity, &spec)?;
    let properties = properties(args, wanted, !channels.is_empty(), axes.len())?;
    if properties.iter().filter(|p| p.quantile().is_some()).count() > MOST_QUANTILES {
        return Err(args.error(format!("takes at most {MOST_QUANTILES} percentiles at once")));
    }
    table(args, labels, &spec, axes, &properties, channels, numbered)
}

/// The node that measures those properties.
fn table(
    args: &Args,
    labels: Array,
    spec: &ArraySpec,
    axes: Vec<usize>,
    properties: &[Property],
    channels: Vec<Array>,
    numbered: bool,
) -> Result<Array> {
    let dtypes: Vec<DType> = channels.iter().filter_map(Array::dtype).collect();
    let table = TableSpec { columns: columns(properties, axes.len(), &dtypes, numbered) };
    let fields = Fields::new(properties, spec, axes, &dtypes);
    if !fields.fits(spec) {
        return Err(args.error(format!("an array of shape {:?} is too large for these sums", spec.shape)));
    }
    let mut inputs = vec![labels.clone()];
    inputs.extend(channels);
    if fields.euler.is_some() {
        inputs.push(local::euler_parts(&labels, spec, &fields.axes));
    }
    if fields.outline.is_some() {
        inputs.push(local::outline(&labels, spec, &fields.axes));
    }
    if fields.chords.is_some() {
        inputs.push(local::chords(&labels, spec, &fields.axes));
    }
    if inputs.len() > STREAMS {
        let most = STREAMS - 1;
        return Err(args.error(format!(
            "takes at most {most} channels at once, euler_number, perimeter and surface_area count as one each"
        )));
    }
    let op = Measure {
        fields,
        properties: properties.to_vec(),
        spec: spec.clone(),
        table: table.clone(),
        streams: inputs.len(),
        room: Room::USUAL,
        held: Measure::HELD,
    };
    Ok(Array::scan(op, inputs, vec![Spec::Table(table)], &[]))
}

fn labels(args: &Args, name: &str) -> Result<(Array, ArraySpec)> {
    let (array, spec) = args.labels(name)?;
    if spec.rank() == 0 {
        return Err(args.error(format!("`{name}` must be an array, not a scalar")));
    }
    Ok((array, spec))
}

fn is_names(arg: &Arg) -> bool {
    match arg {
        Arg::Str(_) => true,
        Arg::List(items) => !items.is_empty() && items.iter().all(|i| matches!(i, Arg::Str(_))),
        _ => false,
    }
}

/// The intensities, one array of the labels' shape per channel, and whether channels are numbered.
fn channels(args: &Args, arg: Option<&Arg>, labels: &ArraySpec) -> Result<(Vec<Array>, bool)> {
    match arg {
        None | Some(Arg::None) => Ok((Vec::new(), false)),
        Some(Arg::Array(array)) => apart(args, array, labels),
        Some(Arg::List(items)) => {
            let mut channels = Vec::new();
            for item in items {
                let Arg::Array(array) = item else {
                    return Err(args.error(format!("`intensity` is an array or a list of arrays, not {item}")));
                };
                channels.extend(apart(args, array, labels)?.0);
            }
            Ok((channels, true))
        }
        Some(other) => Err(args.error(format!("`intensity` is an array or a list of arrays, not {other}"))),
    }
}

/// An array of the labels' shape as it is; one with an axis more as its channels.
fn apart(args: &Args, array: &Array, labels: &ArraySpec) -> Result<(Vec<Array>, bool)> {
    let Some(spec) = array.array_spec() else {
        return Err(args.error("`intensity` must be an array, not a table"));
    };
    if spec.shape == labels.shape {
        return Ok((vec![array.clone()], false));
    }
    let without = |axis: usize| {
        let mut shape = spec.shape.clone();
        shape.remove(axis);
        shape == labels.shape
    };
    // A channel axis by its name, else the last one, as in scikit-image.
    let named = if spec.named { spec.axis('c') } else { None };
    let Some(axis) = named.or(spec.rank().checked_sub(1)).filter(|&axis| without(axis)) else {
        let (is, shape) = (&spec.shape, &labels.shape);
        return Err(args.error(format!("`intensity` has shape {is:?}, the labels {shape:?}")));
    };
    if spec.shape[axis] >= STREAMS as u64 {
        let n = spec.shape[axis];
        return Err(args.error(format!("`intensity` has {n} channels, at most {} are measured at once", STREAMS - 1)));
    }
    let letter = Some(spec.axes[axis].name);
    let one = |c: u64| select(array, &[Selection { axis: letter, what: Pick::Index(c.into()) }]);
    Ok(((0..spec.shape[axis]).map(one).collect::<Result<_>>()?, true))
}

/// The names of what `percentiles` asks for.
fn percentiles(args: &Args, intensity: bool) -> Result<Vec<String>> {
    let percentiles = match args.get("percentiles") {
        None | Some(Arg::None) => return Ok(Vec::new()),
        Some(Arg::Int(_) | Arg::Float(_)) => vec![args.number("percentiles", 0.0)?],
        Some(_) => args.numbers("percentiles")?,
    };
    if let Some(p) = percentiles.iter().find(|p| !(0.0..=100.0).contains(*p)) {
        return Err(args.error(format!("`percentiles` are from 0 to 100, not {p}")));
    }
    if !intensity {
        return Err(args.error("`percentiles` needs `intensity`"));
    }
    Ok(percentiles.iter().map(|p| format!("intensity_percentile-{p}")).collect())
}

/// The properties by name, each once, `label` first.
fn properties(args: &Args, arg: Option<&Arg>, intensity: bool, axes: usize) -> Result<Vec<Property>> {
    let names: Vec<&str> = match arg {
        None | Some(Arg::None) if intensity => vec!["area", "bbox", "centroid", "intensity_mean"],
        None | Some(Arg::None) => vec!["area", "bbox", "centroid"],
        Some(Arg::Str(name)) => vec![name],
        Some(Arg::List(items)) if items.is_empty() || arg.is_some_and(is_names) => {
            items.iter().filter_map(|i| if let Arg::Str(name) = i { Some(name.as_str()) } else { None }).collect()
        }
        Some(other) => return Err(args.error(format!("`properties` is a name or a list of names, not {other}"))),
    };
    let mut properties = vec![Property::Label];
    let percentiles = percentiles(args, intensity)?;
    for name in names.into_iter().chain(percentiles.iter().map(String::as_str)) {
        let Some(property) = Property::from_name(name) else {
            let near = nearest(name, NAMES.iter().map(|(n, _)| *n));
            let hint = near.map(|n| format!("; did you mean \"{n}\"?")).unwrap_or_default();
            return Err(args.error(format!("`properties`: there is no {name:?}{hint}")));
        };
        if property.is_of_intensity() && !intensity {
            return Err(args.error(format!("`properties`: {name:?} needs `intensity`")));
        }
        if !property.axes().contains(&axes) {
            let most = property.axes();
            let (lo, hi) = (most.start(), most.end());
            let span = if lo == hi { lo.to_string() } else { format!("{lo} to {hi}") };
            return Err(args.error(format!("`properties`: {name:?} is defined along {span} axes, not {axes}")));
        }
        if !properties.contains(&property) {
            properties.push(property);
        }
    }
    Ok(properties)
}
