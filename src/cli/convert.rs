//! `tilewise convert`: the same pixels in another format, with all that the format can hold.

use super::batch::{self, How, Recipe};
use super::job::{Job, open_part};
use super::means::Means;
use super::run::alone;
use super::{ConvertArgs, interrupt, term};
use serde_json::json;
use tilewise::array::{ArraySpec, Axis, DType};
use tilewise::graph::Array;
use tilewise::io::CreateOptions;
use tilewise::lang::OpenArgs;
use tilewise::ops::Arg;
use tilewise::{Error, Result};

pub(super) fn convert(args: &ConvertArgs) -> Result<()> {
    if batch::has_field(&args.output) {
        let ConvertArgs { means, quiet, json, skip_existing, .. } = args;
        let how = How { means, quiet: *quiet, json: *json, skip_existing: *skip_existing };
        return batch::run(args, &how);
    }
    if args.skip_existing {
        return Err(Error::Usage("--skip-existing is for batches: OUT with a field such as {stem}".into()));
    }
    let cancel = interrupt::cancelled_by_ctrl_c();
    let means = Means::new(&args.means)?;
    let job = args.job_on(&args.input)?;
    let spec = job.wanted.first().and_then(|wanted| wanted.array.array_spec());
    let lost = spec.map(|spec| lost(spec, &args.output, args.format_version.as_deref())).unwrap_or_default();
    let outcome = alone(&job, &means, &cancel, args.quiet)?;
    if !args.quiet && !lost.is_empty() {
        term::note(&format!("warning: {} cannot hold {}", args.output, lost.join("; ")));
    }
    if args.json {
        let mut report = outcome.as_json(&job);
        report["lost"] = json!(lost);
        return term::print_json(&report);
    }
    Ok(())
}

impl Recipe for ConvertArgs {
    fn input(&self) -> Option<&str> {
        Some(&self.input)
    }

    fn overwrite(&self) -> bool {
        self.overwrite
    }

    fn job_on(&self, file: &str) -> Result<Job> {
        let opened = OpenArgs { axes: self.axes.clone(), level: self.level };
        let array = in_order(&open_part(file, &opened, self.region.as_deref())?, &self.output)?;
        Ok(Job::copy(array, &self.output, options(self)))
    }
}

fn options(args: &ConvertArgs) -> CreateOptions {
    let pyramid = if args.pyramid { Some(true) } else { args.no_pyramid.then_some(false) };
    CreateOptions {
        overwrite: args.overwrite,
        chunks: args.chunks.clone(),
        shards: args.shards.clone(),
        compression: args.compression.clone(),
        pyramid,
        downsample: args.downsample.clone(),
        format_version: args.format_version.clone(),
        quality: args.quality,
    }
}

/// A format by its ending, and what it can say about an array.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Format {
    /// Numbers only.
    Plain,
    Picture,
    Tiff,
    OmeTiff,
    Zarr {
        names: bool,
    },
    OmeZarr,
}

impl Format {
    fn of(path: &str, version: Option<&str>) -> Format {
        let name = path.trim_end_matches('/').to_lowercase();
        let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
        match () {
            () if path.starts_with("raw:") => Format::Plain,
            () if ends(&[".ome.tif", ".ome.tiff"]) => Format::OmeTiff,
            () if ends(&[".tif", ".tiff"]) => Format::Tiff,
            // A label image lies within an OME-Zarr.
            () if ends(&[".ome.zarr"]) || name.contains(".zarr/labels/") => Format::OmeZarr,
            () if ends(&[".zarr"]) => Format::Zarr { names: version != Some("2") },
            () if ends(&[".png", ".jpg", ".jpeg"]) => Format::Picture,
            () => Format::Plain,
        }
    }

    fn holds_names(self, spec: &ArraySpec) -> bool {
        match self {
            Format::Plain => false,
            Format::Zarr { names } => names,
            Format::Tiff => spec.axes.iter().all(|axis| "tczyxn".contains(axis.name)),
            Format::Picture | Format::OmeTiff | Format::OmeZarr => true,
        }
    }

    fn holds_size(self, axis: &Axis) -> bool {
        let of_length =
            matches!(axis.unit.as_deref(), Some("nanometer" | "micrometer" | "millimeter" | "centimeter" | "meter"));
        match self {
            Format::Plain | Format::Zarr { .. } => false,
            // Pixels per metre.
            Format::Picture | Format::Tiff => of_length && matches!(axis.name, 'y' | 'x'),
            Format::OmeTiff => axis.unit.is_some() && matches!(axis.name, 't' | 'z' | 'y' | 'x'),
            Format::OmeZarr => true,
        }
    }

    fn holds_labels(self, spec: &ArraySpec, axis: &Axis) -> bool {
        let samples = spec.letters().ends_with("xc");
        axis.name == 'c' && (self == Format::OmeZarr || self == Format::OmeTiff && !samples)
    }
}

/// What is known of an array that a file of that name, and that version of its format, cannot say; for people.
fn lost(spec: &ArraySpec, path: &str, version: Option<&str>) -> Vec<String> {
    let format = Format::of(path, version);
    let mut lost = Vec::new();
    if spec.named && !format.holds_names(spec) {
        lost.push(format!("the names of the axes ({})", spec.letters()));
    }
    let of = |which: &dyn Fn(&Axis) -> Option<String>| -> Vec<String> { spec.axes.iter().filter_map(which).collect() };
    let unit = |axis: &Axis| axis.unit.as_deref().map_or(String::new(), |unit| format!(" {unit}"));
    let sizes = of(&|axis| match axis.size {
        Some(size) if !format.holds_size(axis) => Some(format!("{} {size}{}", axis.name, unit(axis))),
        _ => None,
    });
    let origins = of(&|axis| {
        let kept = format == Format::OmeZarr || axis.origin == 0.0;
        (!kept).then(|| format!("{} {}{}", axis.name, axis.origin, unit(axis)))
    });
    let labels = of(&|axis| {
        let kept = axis.labels.is_empty() || format.holds_labels(spec, axis);
        (!kept).then(|| format!("{}: {}", axis.name, axis.labels.join(", ")))
    });
    for (what, which) in [("pixel sizes", sizes), ("origins", origins), ("names along an axis", labels)] {
        if !which.is_empty() {
            lost.push(format!("{what} ({})", which.join(", ")));
        }
    }
    lost
}

/// The order that programs expect of what can say how its axes are called: t c z y x, those that exist, behind any
/// others. Colours stay last in what is made of pictures.
fn in_order(input: &Array, path: &str) -> Result<Array> {
    let Some(spec) = input.array_spec().filter(|spec| spec.named) else { return Ok(input.clone()) };
    let colours = spec.letters().ends_with("yxc") && matches!(spec.dtype, DType::U8 | DType::U16);
    let wanted = match Format::of(path, None) {
        Format::Plain | Format::Picture => return Ok(input.clone()),
        Format::Tiff | Format::OmeTiff if colours => "tzyxc",
        Format::Tiff | Format::OmeTiff | Format::Zarr { .. } | Format::OmeZarr => "tczyx",
    };
    let mut order: Vec<usize> = (0..spec.rank()).collect();
    order.sort_by_key(|&axis| wanted.find(spec.axes[axis].name).map_or(0, |place| place + 1));
    if order.is_sorted() {
        return Ok(input.clone());
    }
    let order = Arg::List(order.into_iter().map(|axis| Arg::Int(axis as i128)).collect());
    input.call("transpose", [order], [])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume() -> ArraySpec {
        let mut spec = ArraySpec::with_axes(&[2, 3, 4, 5], DType::U16, "czyx");
        for axis in &mut spec.axes[1..] {
            (axis.size, axis.unit) = (Some(0.5), Some("micrometer".into()));
        }
        spec.axes[0].labels = vec!["DAPI".into(), "GFP".into()];
        spec.axes[3].origin = 7.0;
        spec
    }

    #[test]
    fn what_a_format_cannot_hold_is_named() {
        let spec = volume();
        let lost = |path: &str| super::lost(&spec, path, None);
        assert_eq!(lost("a.ome.zarr/"), [""; 0]);
        assert_eq!(lost("a.OME.tif"), ["origins (x 7 micrometer)"]);
        let channels = "names along an axis (c: DAPI, GFP)";
        assert_eq!(lost("a.tif"), ["pixel sizes (z 0.5 micrometer)", "origins (x 7 micrometer)", channels]);
        let all = [
            "the names of the axes (czyx)",
            "pixel sizes (z 0.5 micrometer, y 0.5 micrometer, x 0.5 micrometer)",
            "origins (x 7 micrometer)",
            channels,
        ];
        assert_eq!(lost("a.npy"), all);
        assert_eq!(lost("raw:a.ome.zarr"), all);
        assert_eq!(lost("a.zarr"), all[1..]);
        assert_eq!(super::lost(&spec, "a.zarr", Some("2")), all);
        assert_eq!(super::lost(&ArraySpec::unnamed(&[4, 5], DType::U8), "a.npy", None), [""; 0]);
    }
}
