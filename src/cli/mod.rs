//! The command line: what can be said, and which file answers it. Only this folder prints.

mod batch;
mod code_pages;
mod compare_thresholds;
mod completions;
mod convert;
mod demo;
mod explain;
pub(crate) mod fault;
mod info;
mod interrupt;
mod job;
mod letters;
mod means;
mod ops;
mod options;
mod overlay;
mod picture;
mod plot;
mod progress;
mod run;
mod term;
mod value;

use clap::builder::TypedValueParser;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// n-D scientific images larger than memory, under a hard memory limit, bit for bit as if they had fitted.
#[derive(Debug, Parser)]
#[command(name = "tilewise", version, max_term_width = 100, propagate_version = true)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed (files, disks), 2 usage or pipeline, 3 does not fit the memory or \
                        scratch limit, 130 interrupted."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a pipeline.
    #[command(after_help = RUN_EXAMPLES, override_usage = "tilewise run [OPTIONS] [IN [OUT]] PIPELINE")]
    Run(RunArgs),
    /// Show what `run` with the same arguments would do, read, write and hold in memory; touches nothing.
    #[command(override_usage = "tilewise explain [OPTIONS] [IN [OUT]] PIPELINE")]
    Explain(ExplainArgs),
    /// Show the shape, axes, element type, chunks and compression of an image.
    Info(InfoArgs),
    /// Write an image in another format, with its axes, pixel sizes and channel names; what is lost is named.
    #[command(after_help = CONVERT_EXAMPLES)]
    Convert(ConvertArgs),
    /// Draw a scatter plot, a line or a histogram of a table or of an array of one axis.
    #[command(after_help = PLOT_EXAMPLES)]
    Plot(PlotArgs),
    /// Draw the boundaries of labels on an overview of their image.
    #[command(after_help = OVERLAY_EXAMPLES)]
    Overlay(OverlayArgs),
    /// List the operations, or show the page of one.
    Ops(OpsArgs),
    /// Print every global threshold of an image, and draw what lies above each.
    CompareThresholds(CompareArgs),
    /// Print the completions for a shell.
    #[command(after_help = "For bash: tilewise completions bash > ~/.local/share/bash-completion/completions/tilewise")]
    Completions(CompletionsArgs),
    /// See it work: find the galaxies in a mosaic that is several times larger than the memory limit.
    Demo(DemoArgs),
}

const RUN_EXAMPLES: &str = "\
Examples:
  tilewise run cells.tif mask.tif 'gaussian_filter(sigma=2) |> threshold(\"otsu\")'
  tilewise run cells.npy 'mean(input)' --memory-limit 512MiB
  tilewise run nuclei.tw --set img=plate.tif

With a pattern as IN (in quotation marks) the files are one stack. With a field in OUT, or in a path
that the pipeline saves to, they are a batch: each file is run by itself, several at a time where
they are small, all within one limit. A file that fails costs itself alone; the exit code is then 1.
  {stem}    the file's name without its ending    {name}   its name
  {parent}  the name of the folder it lies in     {index}  its number in natural order, from 0
Tables get a column `file`; one saved to a path without a field takes the rows of all files.

  tilewise run 'plates/*.tif' 'out/{stem}.ome.zarr' 'median_filter(size=3)' --skip-existing
  tilewise run 'plates/*.tif' 'mean(input)'                 one number: that of the stack
  tilewise run 'plates/*.tif' 'save(label(input > 50), \"{stem}_labels.tif\"); mean(input)'";

const CONVERT_EXAMPLES: &str = "\
The ending of OUT chooses the format. An .ome.zarr or .ome.tif gets an image pyramid where the image
is large; axes are put into the order t c z y x.

Examples:
  tilewise convert plate.tif plate.ome.zarr --memory-limit 512MiB
  tilewise convert plate.ome.zarr plate.ome.tif --compression zstd
  tilewise convert volume.tif volume.zarr --chunks 64,64,64 --shards 512,512,512
  tilewise convert plate.ome.zarr small.png --level 4 --region 'c=0'
  tilewise convert 'plates/*.tif' 'out/{stem}.ome.zarr'     a batch, as `run` does";

const PLOT_EXAMPLES: &str = "\
Rows are read twice and never held, so there may be any number of them. Those without finite numbers
are left out and counted.

Examples:
  tilewise plot nuclei.csv --x area --y intensity_mean
  tilewise plot nuclei.csv areas.svg --hist area --bins 80
  tilewise plot curve.csv curve.png --x t --y mean --line
  tilewise plot profile.npy";

const OVERLAY_EXAMPLES: &str = "\
Examples:
  tilewise overlay plate.tif labels.tif look.png
  tilewise overlay plate.ome.zarr labels.ome.zarr look.png --region 'c=1, y=2000:3000, x=2000:3000'";

/// What `run` and `explain` have in common.
#[derive(Debug, Args)]
struct JobArgs {
    /// The input (`input` in the pipeline), the output, and the pipeline: its text, or a script ending in .tw.
    /// Without OUT the result is a number that is printed, or the pipeline calls `save`. With `{stem}` in OUT the files
    /// of a pattern are run one by one.
    #[arg(value_name = "[IN [OUT]] PIPELINE", num_args = 1..=3, required = true)]
    words: Vec<String>,
    /// Replace the right side of `NAME = …` by a path or a literal (repeatable).
    #[arg(long = "set", value_name = "NAME=VALUE")]
    sets: Vec<String>,
    /// The axes of IN, a letter each, such as `tzyx`.
    #[arg(long)]
    axes: Option<String>,
    /// The part of IN to work on, as in `input[…]`: 'y=0:4096, x=-512:, c="DAPI"'. Only that is read.
    #[arg(long, value_name = "SELECTION", allow_hyphen_values = true)]
    region: Option<String>,
    /// Replace outputs that exist.
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    means: MeansArgs,
}

/// What a run may use.
#[derive(Debug, Default, Args)]
struct MeansArgs {
    /// The most memory the process may hold: 512MiB, 2GB, 25% (of what is available). Half of what is available
    /// otherwise.
    #[arg(long, value_name = "SIZE")]
    memory_limit: Option<String>,
    /// Threads that compute; as many as there are processors otherwise.
    #[arg(long, value_name = "N")]
    threads: Option<String>,
    /// The folder for intermediates; that of the output otherwise.
    #[arg(long, value_name = "DIR")]
    scratch_dir: Option<PathBuf>,
    /// The most bytes of intermediates on disk.
    #[arg(long, value_name = "SIZE")]
    scratch_limit: Option<String>,
    /// Map files into memory, window by window, instead of reading them by position.
    #[arg(long)]
    mmap: bool,
    /// The shape of a tile, for tests.
    #[arg(long, value_delimiter = ',', hide = true)]
    tile: Option<Vec<u64>>,
}

#[derive(Debug, Args)]
struct RunArgs {
    #[command(flatten)]
    job: JobArgs,
    /// Neither progress nor summary.
    #[arg(short, long)]
    quiet: bool,
    /// Print a report of the run as one JSON object.
    #[arg(long)]
    json: bool,
    /// In a batch: leave out the files whose outputs exist.
    #[arg(long, conflicts_with = "overwrite")]
    skip_existing: bool,
}

#[derive(Debug, Args)]
struct ExplainArgs {
    #[command(flatten)]
    job: JobArgs,
    /// Print the plan as one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct InfoArgs {
    /// The image.
    path: String,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ConvertArgs {
    /// The image.
    #[arg(value_name = "IN")]
    input: String,
    /// Where it goes: .ome.zarr, .zarr, .ome.tif, .tif, .npy, .png, .jpg, raw:PATH.
    #[arg(value_name = "OUT")]
    output: String,
    /// The axes of IN, a letter each, such as `tzyx`.
    #[arg(long)]
    axes: Option<String>,
    /// The level of IN, if it is a pyramid; 0 is the full resolution.
    #[arg(long)]
    level: Option<u32>,
    /// The part of IN to convert, as in `input[…]`: 'y=0:4096, x=-512:, c="DAPI"'. Only that is read.
    #[arg(long, value_name = "SELECTION", allow_hyphen_values = true)]
    region: Option<String>,
    /// The shape of a chunk or tile, slowest axis first; of fewer numbers than axes, the last axes.
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u64).range(1..))]
    chunks: Option<Vec<u64>>,
    /// The shape of a shard, as --chunks.
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u64).range(1..))]
    shards: Option<Vec<u64>>,
    /// `none`, or a codec of the format, with a level where it has some: zstd, deflate:6.
    #[arg(long)]
    compression: Option<String>,
    /// Write an image pyramid, however small the image is.
    #[arg(long, conflicts_with = "no_pyramid")]
    pyramid: bool,
    /// Write no image pyramid.
    #[arg(long)]
    no_pyramid: bool,
    /// How a level of the pyramid is made of the one before: mean, nearest or mode.
    #[arg(long, value_name = "METHOD")]
    downsample: Option<String>,
    /// The version of the format: 0.4 or 0.5 for OME-Zarr, 2 or 3 for Zarr.
    #[arg(long, value_name = "VERSION")]
    format_version: Option<String>,
    /// 1 to 100, for JPEG.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=100))]
    quality: Option<u8>,
    /// Replace an output that exists.
    #[arg(long)]
    overwrite: bool,
    /// Neither progress nor summary nor warnings.
    #[arg(short, long)]
    quiet: bool,
    /// Print a report of the run as one JSON object; `lost` is what OUT cannot hold.
    #[arg(long)]
    json: bool,
    /// In a batch: leave out the files whose outputs exist.
    #[arg(long, conflicts_with = "overwrite")]
    skip_existing: bool,
    #[command(flatten)]
    means: MeansArgs,
}

#[derive(Debug, Args)]
struct PlotArgs {
    /// A table (.csv, whose first line has the names of the columns, or .parquet), or an array of one axis (.npy).
    #[arg(value_name = "TABLE")]
    input: String,
    /// The plot, a .png or .svg; beside the table with the ending .png otherwise.
    #[arg(value_name = "OUT")]
    output: Option<String>,
    /// The column to the right; the number of the row otherwise.
    #[arg(long, value_name = "COLUMN")]
    x: Option<String>,
    /// The column upwards.
    #[arg(long, value_name = "COLUMN")]
    y: Option<String>,
    /// Join the points, in the order of the rows.
    #[arg(long)]
    line: bool,
    /// A histogram of that column; of an array without a name.
    #[arg(long, value_name = "COLUMN", num_args = 0..=1, default_missing_value = "")]
    hist: Option<String>,
    /// The bins of the histogram, 50 otherwise.
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=780).map(|n| n as usize))]
    bins: Option<usize>,
    /// What stands above the plot; the name of the table otherwise.
    #[arg(long)]
    title: Option<String>,
    /// Replace a plot that exists.
    #[arg(long)]
    overwrite: bool,
    /// Do not tell how many rows there were.
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Debug, Args)]
struct OverlayArgs {
    /// The image: grey, or with three or four channels behind x in its colours. Of further axes the middle is shown,
    /// of other channels the first.
    #[arg(value_name = "IMAGE")]
    image: String,
    /// Its labels, or a mask.
    #[arg(value_name = "LABELS")]
    labels: String,
    /// The picture, a .png of at most 2048 pixels along each axis.
    #[arg(value_name = "OUT")]
    output: String,
    /// The axes of IMAGE, a letter each, such as `tzyx`.
    #[arg(long)]
    axes: Option<String>,
    /// The part to show, as in `input[…]`: 'z=5, y=0:1000'. Axes that LABELS has not are chosen of IMAGE only.
    #[arg(long, value_name = "SELECTION", allow_hyphen_values = true)]
    region: Option<String>,
    /// Replace a picture that exists.
    #[arg(long)]
    overwrite: bool,
    /// No progress.
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    means: MeansArgs,
}

#[derive(Debug, Args)]
struct OpsArgs {
    /// The operation to show.
    name: Option<String>,
}

#[derive(Debug, Args)]
struct CompareArgs {
    /// The image.
    #[arg(value_name = "IN")]
    input: String,
    /// The gallery, a .png: the image, at most 512 pixels wide and high, and what lies above each threshold. Of further
    /// axes the middle is shown.
    #[arg(value_name = "OUT")]
    output: Option<String>,
    /// The axes of IN, a letter each, such as `tzyx`.
    #[arg(long)]
    axes: Option<String>,
    /// Replace a gallery that exists.
    #[arg(long)]
    overwrite: bool,
    /// No progress.
    #[arg(short, long)]
    quiet: bool,
    /// Print the thresholds as one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    means: MeansArgs,
}

#[derive(Debug, Args)]
struct CompletionsArgs {
    /// The shell.
    shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
struct DemoArgs {
    /// Where to make a folder for the images; among the temporary files otherwise.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The most memory the process may hold.
    #[arg(long, value_name = "SIZE", default_value = "64MiB")]
    memory_limit: String,
    /// Width and height of the mosaic.
    #[arg(long, value_name = "PIXELS", default_value_t = 12_000, value_parser = clap::value_parser!(u64).range(1000..=100_000))]
    size: u64,
}

/// Does what the command line says and tells how it went.
pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Printing can only fail where nobody reads it.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let done = match &cli.command {
        Command::Run(args) => run::run(args),
        Command::Explain(args) => explain::explain(args),
        Command::Info(args) => info::info(args),
        Command::Convert(args) => convert::convert(args),
        Command::Plot(args) => plot::plot(args),
        Command::Overlay(args) => overlay::overlay(args),
        Command::Ops(args) => ops::ops(args),
        Command::CompareThresholds(args) => compare_thresholds::compare_thresholds(args),
        Command::Completions(args) => completions::completions(args),
        Command::Demo(args) => demo::demo(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            term::complain(&error);
            ExitCode::from(error.exit_code())
        }
    }
}
