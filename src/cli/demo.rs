//! `tilewise demo`: the main job on a picture that comes with the program.

use super::explain::Explained;
use super::job::Job;
use super::means::Means;
use super::progress::Progress;
use super::run::{Outcome, carry_out, memory_text, seconds_text};
use super::{DemoArgs, MeansArgs, interrupt, term, value};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tilewise::array::{ArraySpec, DType, Region, View};
use tilewise::error::Bytes;
use tilewise::exec::Report;
use tilewise::graph::Array;
use tilewise::io::{self, Order, Sink};
use tilewise::lang::Request;
use tilewise::plan::Plan;
use tilewise::{Cancel, Error, Result, Run, sys};

/// The Hubble deep field, public domain.
const PHOTOGRAPH: &[u8] = include_bytes!("../../examples/hubble_deep_field.jpg");

/// Width and height of the overview, about.
const OVERVIEW: u64 = 1000;

/// Where everything lies, and with what it is made.
struct Demo {
    folder: TempDir,
    means: Means,
    cancel: Cancel,
    size: u64,
}

pub(super) fn demo(args: &DemoArgs) -> Result<()> {
    let means = Means::new(&MeansArgs { memory_limit: Some(args.memory_limit.clone()), ..MeansArgs::default() })?;
    means.warn();
    let cancel = interrupt::cancelled_by_ctrl_c();
    let demo = Demo { folder: new_folder(args.dir.as_deref())?, means, cancel, size: args.size };
    let mosaic = demo.make_mosaic()?;
    let objects = demo.find_objects()?;
    let overview = demo.make_overview()?;
    let predicted = [mosaic.report.predicted, objects.report.predicted, overview.predicted].into_iter().max();
    demo.tell(&objects, predicted.unwrap_or(0))
}

impl Demo {
    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Mirrors the photograph into a mosaic.
    fn make_mosaic(&self) -> Result<Outcome> {
        let (photograph, mosaic) = (self.path("hubble.jpg"), self.path("mosaic.tif"));
        std::fs::write(&photograph, PHOTOGRAPH).map_err(|e| Error::io(&photograph, "cannot be written", e))?;
        let input = tilewise::open(&photograph)?;
        let shape = input.shape().cloned().unwrap_or_default();
        let [down, right] = [0, 1].map(|axis| self.size.saturating_sub(shape[axis]));
        let text = format!(
            "gray = 0.2125*input[c=0] + 0.7154*input[c=1] + 0.0721*input[c=2]\n\
             cast(pad(257*gray, [[0, {down}], [0, {right}]], mode=\"symmetric\"), \"uint16\")"
        );
        let (width, height) = (shape[1], shape[0]);
        term::print(&format!("The photograph: the Hubble deep field, {width} × {height} pixels.\n{photograph}\n"))?;
        let job = job(&text, input, Some(&mosaic))?;
        let outcome = carry_out(&job, &self.means, &Progress::new(self.means.limit), &self.cancel, |_| Ok(()))?;
        let bytes = self.size * self.size * 2;
        term::print(&format!(
            "\nThe mosaic: the photograph mirrored over and over, {size} × {size} pixels, {bytes},\n\
             {times:.1} times the memory limit of {limit}, in {seconds}.\n{mosaic}\n",
            size = self.size,
            bytes = Bytes(bytes),
            times = bytes as f64 / self.means.limit as f64,
            limit = Bytes(self.means.limit),
            seconds = seconds_text(outcome.report.seconds),
        ))?;
        Ok(outcome)
    }

    fn find_objects(&self) -> Result<Outcome> {
        let text = format!(
            "smooth = gaussian_filter(input, sigma=2)\n\
             objects = label(smooth > threshold_otsu(smooth))\n\
             save(objects, {:?})\n\
             objects.count",
            self.path("labels.tif")
        );
        let indented = text.replace('\n', "\n    ");
        term::print(&format!("\nThe pipeline:\n    {indented}\n\nThe plan:\n"))?;
        let job = job(&text, tilewise::open(&self.path("mosaic.tif"))?, None)?;
        let limit = self.means.limit;
        let look = |plan: &Plan| term::print(&format!("{}\n", Explained::new(&job, plan, limit)));
        let outcome = carry_out(&job, &self.means, &Progress::new(limit), &self.cancel, look)?;
        let count = job.printed(&outcome.report).map(value::text).unwrap_or_default();
        term::print(&format!("\n{count} objects found.\n"))?;
        Ok(outcome)
    }

    /// A picture of the labels, each in a colour of its own. The largest label of a square stands for it, so that
    /// objects of a few pixels stay.
    fn make_overview(&self) -> Result<Report> {
        let labels = tilewise::open(&self.path("labels.tif"))?;
        let step = self.size.div_ceil(OVERVIEW);
        let text = format!("maximum_filter(input, size={step})[y=::{step}, x=::{step}]");
        let small = tilewise::pipeline(&text, &labels)?;
        let sink = Coloured::new(&self.path("overview.png"), &small)?;
        let run = Run::new().cancel(&self.cancel).sink(&small, Box::new(sink));
        self.means.apply(run).run()
    }

    /// What came of it, and where it lies. From here on the folder stays.
    fn tell(self, objects: &Outcome, predicted: u64) -> Result<()> {
        let bytes = ["hubble.jpg", "mosaic.tif", "labels.tif", "overview.png"]
            .iter()
            .filter_map(|name| std::fs::metadata(self.folder.path().join(name)).ok())
            .map(|m| m.len())
            .sum::<u64>();
        let seconds = objects.report.seconds;
        let pixels = (self.size * self.size) as f64 / 1e6;
        let moved: u64 = objects.report.passes.iter().map(|p| p.bytes).sum();
        let (labels, overview) = (self.path("labels.tif"), self.path("overview.png"));
        let memory = memory_text(predicted, sys::peak_resident(), self.means.limit);
        let folder = self.folder.keep();
        term::print(&format!(
            "time        {}: {:.0} million pixels/s, {:.0} MB/s read and written\n\
             memory      {memory}\n\
             labels      {labels}\noverview    {overview}\n\n\
             The files take {}; to remove them: {} {}\n",
            seconds_text(seconds),
            pixels / seconds.max(1e-3),
            moved as f64 / 1e6 / seconds.max(1e-3),
            Bytes(bytes),
            if cfg!(windows) { "rmdir /s" } else { "rm -r" },
            folder.display(),
        ))
    }
}

fn job(text: &str, input: Array, output: Option<&str>) -> Result<Job> {
    let request = Request { name: "demo", text, input: Some(input), sets: Vec::new(), inline: true };
    Job::compiled(&request, output, false)
}

/// A new folder in `parent`, or among the temporary files; it goes away again if the demo fails.
fn new_folder(parent: Option<&Path>) -> Result<TempDir> {
    if let Some(missing) = parent.filter(|p| !p.is_dir()) {
        return Err(Error::Usage(format!("--dir {}: is not a folder", missing.display())));
    }
    let parent = parent.map_or_else(temporary, Path::to_path_buf);
    let parent = std::path::absolute(&parent).unwrap_or(parent);
    let made = tempfile::Builder::new().prefix("tilewise-demo-").tempdir_in(&parent);
    made.map_err(|e| Error::io(&parent, "cannot make a folder in it", e))
}

/// Files in /tmp are memory on many systems, and memory is what the demo means to save.
fn temporary() -> PathBuf {
    let places = [std::env::temp_dir(), PathBuf::from("/var/tmp"), PathBuf::from(".")];
    let on_disk = places.iter().find(|p| p.is_dir() && !sys::is_memory_backed(p));
    on_disk.cloned().unwrap_or_else(std::env::temp_dir)
}

/// Takes labels and writes colours.
#[derive(Debug)]
struct Coloured {
    spec: ArraySpec,
    picture: Box<dyn Sink>,
}

impl Coloured {
    fn new(path: &str, labels: &Array) -> Result<Self> {
        let Some(spec) = labels.array_spec().cloned() else {
            return Err(Error::Usage("labels are an image".into()));
        };
        let [height, width] = [spec.shape[0], spec.shape[1]];
        let picture = io::create(path, &ArraySpec::with_axes(&[height, width, 3], DType::U8, "yxc"), false)?;
        Ok(Coloured { spec, picture })
    }
}

impl Sink for Coloured {
    fn spec(&self) -> &ArraySpec {
        &self.spec
    }

    fn path(&self) -> &Path {
        self.picture.path()
    }

    fn order(&self) -> Order {
        match self.picture.order() {
            Order::Any => Order::Any,
            Order::Aligned(chunk) => Order::Aligned(chunk.iter().take(2).copied().collect()),
        }
    }

    fn bill(&self) -> u64 {
        // A tile in colours is no larger than its labels; both are there at once.
        self.picture.bill() + self.spec.bytes()
    }

    fn begin(&mut self) -> Result<()> {
        self.picture.begin()
    }

    fn write(&mut self, at: &Region, tile: View<'_>) -> Result<()> {
        let mut colours = Vec::with_capacity(at.elements() as usize * 3);
        for y in 0..tile.shape()[0] {
            (0..tile.shape()[1]).for_each(|x| colours.extend(colour(tile.at(&[y, x]) as u64)));
        }
        let region = Region::new(&[at.start[0], at.start[1], 0], &[at.shape[0], at.shape[1], 3]);
        self.picture.write(&region, View::new(DType::U8, &region.shape, &colours))
    }

    fn commit(&mut self) -> Result<()> {
        self.picture.commit()
    }

    fn abort(&mut self) {
        self.picture.abort();
    }
}

/// Black for the background, else a light colour; neighbouring numbers differ.
fn colour(label: u64) -> [u8; 3] {
    if label == 0 {
        return [0, 0, 0];
    }
    let mixed = label.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    [56, 40, 24].map(|shift| 80 + ((mixed >> shift) % 176) as u8)
}
