//! `tilewise convert`: the same pixels in another format, with all that the format can hold.

use super::batch::{self, How, Recipe};
use super::job::{Job, open_part};
use super::means::Means;
use super::run::alone;
use super::{ConvertArgs, interrupt, term};
use serde_json::json;
use tilewise::array::DType;
use tilewise::graph::Array;
use tilewise::io::{CreateOptions, Kind};
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
    let outcome = alone(&job, &means, &cancel, args.quiet)?;
    if args.json {
        let mut report = outcome.as_json(&job);
        report["lost"] = json!(job.lost().into_iter().next().map(|(_, what)| what).unwrap_or_default());
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

/// The order that programs expect of what can say how its axes are called: t c z y x, those that exist, behind any
/// others. Colours stay last in what is made of pictures.
fn in_order(input: &Array, path: &str) -> Result<Array> {
    let Some(spec) = input.array_spec().filter(|spec| spec.named) else { return Ok(input.clone()) };
    let colours = spec.letters().ends_with("yxc") && matches!(spec.dtype, DType::U8 | DType::U16);
    let wanted = match Kind::of(path, &CreateOptions::default()) {
        Some(Kind::Npy | Kind::Raw | Kind::Png | Kind::Jpeg) | None => return Ok(input.clone()),
        Some(Kind::Tiff | Kind::OmeTiff) if colours => "tzyxc",
        Some(Kind::Tiff | Kind::OmeTiff | Kind::Zarr | Kind::OmeZarr) => "tczyx",
    };
    let mut order: Vec<usize> = (0..spec.rank()).collect();
    order.sort_by_key(|&axis| wanted.find(spec.axes[axis].name).map_or(0, |place| place + 1));
    if order.is_sorted() {
        return Ok(input.clone());
    }
    let order = Arg::List(order.into_iter().map(|axis| Arg::Int(axis as i128)).collect());
    input.call("transpose", [order], [])
}
