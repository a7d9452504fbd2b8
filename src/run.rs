//! The library's way to run something: say what is wanted, within what means, then plan or run it.

use crate::budget::Budget;
use crate::cancel::Cancel;
use crate::error::{Bytes, Error, Result};
use crate::exec::{self, Context, Observer, Quiet, Report, Scratch};
use crate::graph::Array;
use crate::io::partial::folder_of;
use crate::io::{Access, CreateOptions, Sink};
use crate::lang::{self, Host, OpenArgs, Request};
use crate::ops::Arg;
use crate::plan::{Output, Plan, Resources, To};
use crate::sys;
use std::path::{Path, PathBuf};

/// The limit of a library run that names none.
const DEFAULT_LIMIT: u64 = 256 << 20;

/// What a run adds to a process before its first tile: code that becomes resident, thread structures.
pub const OWN_OVERHEAD: u64 = (1 << 20) + (256 << 10);

/// Opens a file as a lazy array: only its header is read.
///
/// # Errors
/// When the file is missing, not readable, or of an unknown format.
pub fn open(path: &str) -> Result<Array> {
    crate::io::open(path, &crate::io::OpenOptions::default()).map(Array::source)
}

/// The array that a pipeline in the language comes to, where `input` stands for an array.
///
/// # Errors
/// [`Error::Pipeline`] with a picture of the place for whatever is wrong with the text; [`Error::Usage`] when it saves
/// something itself or comes to a plain number.
pub fn pipeline(text: &str, input: &Array) -> Result<Array> {
    let open = |path: &str, args: &OpenArgs| {
        let options = crate::io::OpenOptions { axes: args.axes.clone(), level: args.level };
        crate::io::open(path, &options).map(Array::source)
    };
    let request = Request { name: "pipeline", text, input: Some(input.clone()), sets: Vec::new(), inline: true };
    let compiled = lang::compile(&request, &Host { open: &open })?;
    if !compiled.saves.is_empty() {
        return Err(Error::Usage("the pipeline saves its results itself: use `lang::compile`".into()));
    }
    match compiled.result {
        Some(Arg::Array(array)) => Ok(array),
        _ => Err(Error::Usage("the pipeline does not come to an array".into())),
    }
}

/// A run in preparation: outputs, and the means it may use.
///
/// The memory limit bounds what the run itself holds, tiles, windows, caches, thread stacks and its own code
/// included; what the process held before is not counted unless [`Run::baseline`] says so.
pub struct Run<'a> {
    outputs: Vec<Output>,
    resources: Resources,
    /// What the process has held at most before.
    reached: u64,
    budget: Option<&'a Budget>,
    scratch_dir: Option<PathBuf>,
    scratch_beside: Option<PathBuf>,
    observer: &'a dyn Observer,
    cancel: Cancel,
}

impl Default for Run<'_> {
    fn default() -> Self {
        Run::new()
    }
}

impl<'a> Run<'a> {
    /// Nothing to do yet; 256 MiB, as many threads as there are processors, positioned reads.
    pub fn new() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
        Run {
            outputs: Vec::new(),
            resources: Resources {
                memory: DEFAULT_LIMIT,
                baseline: OWN_OVERHEAD,
                threads,
                access: Access::Positioned,
                scratch: None,
                tile: None,
                memory_backed: 0,
            },
            reached: 0,
            budget: None,
            scratch_dir: None,
            scratch_beside: None,
            observer: &Quiet,
            cancel: Cancel::new(),
        }
    }

    /// The memory limit in bytes.
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.resources.memory = bytes;
        self
    }

    /// Bytes that count against the limit from the start: for a limit on the whole process, what is resident now.
    pub fn baseline(mut self, bytes: u64) -> Self {
        self.resources.baseline = bytes;
        self
    }

    /// What the process has held at most before the run: where that is more than the run needs, the prediction is no
    /// less, since the peak of the process is not either. It counts up to the limit.
    pub fn reached(mut self, bytes: u64) -> Self {
        self.reached = bytes;
        self
    }

    /// How many threads compute; reading and writing have threads of their own.
    pub fn threads(mut self, threads: usize) -> Self {
        self.resources.threads = threads.max(1);
        self
    }

    /// How files are read.
    pub fn access(mut self, access: Access) -> Self {
        self.resources.access = access;
        self
    }

    /// Where intermediates go; without it, into the folder of the first output. A run without output files that needs
    /// scratch must name one.
    pub fn scratch_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.scratch_dir = Some(folder.into());
        self
    }

    /// A file that the caller makes of what the run gives: intermediates go into its folder where the run writes no file
    /// itself and no folder is named.
    pub fn scratch_beside(mut self, path: impl AsRef<Path>) -> Self {
        self.scratch_beside.get_or_insert_with(|| folder_of(path.as_ref()).to_path_buf());
        self
    }

    /// The most bytes of intermediates on disk.
    pub fn scratch_limit(mut self, bytes: u64) -> Self {
        self.resources.scratch = Some(bytes);
        self
    }

    /// Fixes the tile shape, slowest axis first, instead of choosing one: for tests and experiments.
    pub fn tile(mut self, shape: &[u64]) -> Self {
        self.resources.tile = Some(shape.to_vec());
        self
    }

    /// Takes memory from a budget that is shared with other runs, instead of one of its own.
    pub fn budget(mut self, budget: &'a Budget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Hears about progress.
    pub fn observer(mut self, observer: &'a dyn Observer) -> Self {
        self.observer = observer;
        self
    }

    /// A flag that stops the run.
    pub fn cancel(mut self, cancel: &Cancel) -> Self {
        self.cancel = cancel.clone();
        self
    }

    /// Writes an array to a file whose ending names the format.
    ///
    /// # Errors
    /// When the format cannot hold it, or the file exists and `overwrite` is false, or it is one of the inputs.
    pub fn save(self, array: &Array, path: impl AsRef<Path>, overwrite: bool) -> Result<Self> {
        self.save_with(array, path, &CreateOptions { overwrite, ..CreateOptions::default() })
    }

    /// [`Run::save`] with the format's options.
    ///
    /// # Errors
    /// As [`Run::save`], and when the format has no such option.
    pub fn save_with(self, array: &Array, path: impl AsRef<Path>, options: &CreateOptions) -> Result<Self> {
        let path = path.as_ref();
        let name = path.to_str().ok_or_else(|| Error::Usage(format!("{}: not a UTF-8 path", path.display())))?;
        let Some(spec) = array.array_spec() else {
            return Err(Error::Usage(format!("{name}: a table is saved as .csv or .parquet, when the run is over")));
        };
        let sink = crate::io::create_with(name, spec, options)?;
        Ok(self.sink(array, sink))
    }

    /// Writes an array to a sink of the caller's.
    pub fn sink(mut self, array: &Array, sink: Box<dyn Sink>) -> Self {
        self.outputs.push(Output { array: array.clone(), to: To::Sink(sink) });
        self
    }

    /// Asks for a scalar, a small array a scan gives, or a table: [`Report::values`] has it, in the order of the
    /// outputs.
    pub fn value(mut self, array: &Array) -> Self {
        self.outputs.push(Output { array: array.clone(), to: To::Value });
        self
    }

    /// Plans without running: reads no pixel, touches no file.
    ///
    /// # Errors
    /// What [`Plan::new`] reports, an output that is also an input, scratch or outputs that the disk cannot hold.
    pub fn plan(&self) -> Result<Plan> {
        self.check_inputs()?;
        let mut resources = self.resources.clone();
        resources.memory_backed = self.bytes_on_tmpfs();
        // A plan that would need more scratch than there is room for is not worth choosing.
        let free = self.scratch_folder().and_then(|folder| sys::free_space(&folder));
        resources.scratch = resources.scratch.into_iter().chain(free).min();
        let mut plan = Plan::new(&self.outputs, &resources)?;
        plan.bill.raise("start-up", self.reached.min(resources.memory));
        self.check_disk(&plan)?;
        Ok(plan)
    }

    /// Plans and runs.
    ///
    /// # Errors
    /// What [`Run::plan`] reports, and whatever files, operations and closures fail with; no output is left then.
    pub fn run(mut self) -> Result<Report> {
        let plan = self.plan()?;
        self.run_plan(&plan)
    }

    /// Runs what [`Run::plan`] planned.
    ///
    /// # Errors
    /// As [`Run::run`].
    pub fn run_plan(&mut self, plan: &Plan) -> Result<Report> {
        let own = Budget::new(self.resources.memory);
        let context = Context {
            resources: &self.resources,
            budget: self.budget.unwrap_or(&own),
            scratch: Scratch::new(self.scratch_folder().as_deref(), self.resources.scratch, &self.cancel),
            observer: self.observer,
            cancel: &self.cancel,
        };
        exec::run(plan, &mut self.outputs, &context)
    }

    /// Whether there is a folder for intermediates.
    pub fn has_scratch(&self) -> bool {
        self.scratch_folder().is_some()
    }

    fn sinks(&self) -> impl Iterator<Item = &dyn Sink> {
        self.outputs.iter().filter_map(|o| match &o.to {
            To::Sink(sink) => Some(sink.as_ref()),
            To::Value => None,
        })
    }

    fn scratch_folder(&self) -> Option<PathBuf> {
        let beside = || self.sinks().next().map(|s| folder_of(s.path()).to_path_buf());
        self.scratch_dir.clone().or_else(beside).or_else(|| self.scratch_beside.clone())
    }

    fn check_inputs(&self) -> Result<()> {
        let mut outputs: Vec<PathBuf> = Vec::new();
        for sink in self.sinks() {
            let real = real_path(sink.path());
            if outputs.contains(&real) {
                return Err(Error::Usage(format!("{}: saved to twice", sink.path().display())));
            }
            outputs.push(real);
        }
        let mut open: Vec<&Array> = self.outputs.iter().map(|o| &o.array).collect();
        let mut seen = std::collections::HashSet::new();
        while let Some(array) = open.pop() {
            if !seen.insert(std::sync::Arc::as_ptr(array.node())) {
                continue;
            }
            if let crate::graph::NodeKind::Source(source) = &array.node().kind
                && let Some(path) = outputs.iter().find(|path| source.reads(path))
            {
                return Err(Error::Usage(format!("{}: the output is also an input", path.display())));
            }
            open.extend(&array.node().inputs);
        }
        Ok(())
    }

    /// Outputs on tmpfs are memory.
    fn bytes_on_tmpfs(&self) -> u64 {
        self.sinks().filter(|s| sys::is_memory_backed(folder_of(s.path()))).map(|s| s.spec().bytes()).sum()
    }

    fn check_disk(&self, plan: &Plan) -> Result<()> {
        if plan.scratch_least > 0 {
            let Some(folder) = self.scratch_folder() else {
                let needed = Bytes(plan.scratch_least);
                return Err(Error::Scratch(format!(
                    "intermediates need {needed}: name a folder for them (scratch_dir)"
                )));
            };
            if sys::is_memory_backed(&folder) {
                return Err(Error::Scratch(format!(
                    "{} is memory (tmpfs), and intermediates need {}; name a folder on a disk with --scratch-dir",
                    folder.display(),
                    Bytes(plan.scratch_least)
                )));
            }
        }
        for sink in self.sinks() {
            let needed = sink.spec().bytes();
            if let Some(free) = sys::free_space(folder_of(sink.path()))
                && free < needed
            {
                return Err(Error::File {
                    path: sink.path().to_path_buf(),
                    what: format!("the disk is too small: {} free, {} needed", Bytes(free), Bytes(needed)),
                    source: None,
                });
            }
        }
        Ok(())
    }
}

/// The path with links resolved as far as it exists.
fn real_path(path: &Path) -> PathBuf {
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    let folder = folder_of(path);
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    path.file_name().map_or(folder.clone(), |name| folder.join(name))
}
