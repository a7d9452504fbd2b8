//! The command line: what can be said, and which file answers it. Only this folder prints.

mod compare_thresholds;
mod completions;
mod demo;
mod explain;
pub(crate) mod fault;
mod info;
mod interrupt;
mod job;
mod means;
mod ops;
mod options;
mod progress;
mod run;
mod term;
mod value;

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
  tilewise run nuclei.tw --set img=plate.tif";

/// What `run` and `explain` have in common.
#[derive(Debug, Args)]
struct JobArgs {
    /// The input (`input` in the pipeline), the output, and the pipeline: its text, or a script ending in .tw.
    /// Without OUT the result is a number that is printed, or the pipeline calls `save`.
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
