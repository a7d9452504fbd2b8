//! `tilewise compare-thresholds`: every global threshold of an image, in numbers and in one picture.

use super::letters::{LETTER, glyph};
use super::means::Means;
use super::picture::{Held, plane, plane_axes, taken};
use super::progress::Progress;
use super::{CompareArgs, interrupt, term, value};
use serde_json::{Map, Value as Json, json};
use std::path::Path;
use std::sync::{Arc, Mutex};
use tilewise::array::{ArraySpec, DType, Region, Scalar, View};
use tilewise::exec::Report;
use tilewise::graph::{Array, Value};
use tilewise::io::{self, OpenOptions, Sink};
use tilewise::ops::GLOBAL_METHODS;
use tilewise::{Cancel, Error, Result, Run};

/// Width and height of a picture in the gallery, at most.
const OVERVIEW: u64 = 512;
/// Pictures in a row.
const COLUMNS: usize = 4;
/// Narrower pictures would cut their titles.
const NARROWEST: usize = 168;
const TITLE: usize = 2 * LETTER;
const GAP: usize = 6;
const PAPER: u8 = 255;

/// A method and its threshold, or why it has none.
struct Row {
    method: &'static str,
    threshold: std::result::Result<Value, String>,
}

/// The image small enough to look at.
struct Overview {
    height: usize,
    width: usize,
    pixels: Vec<f64>,
}

pub(super) fn compare_thresholds(args: &CompareArgs) -> Result<()> {
    let cancel = interrupt::cancelled_by_ctrl_c();
    let means = Means::new(&args.means)?;
    let options = OpenOptions { axes: args.axes.clone(), ..OpenOptions::default() };
    let input = Array::source(io::open(&args.input, &options)?);
    let small = picture(&input)?;
    let gallery = match &args.output {
        Some(path) => Some(gallery_sink(path, &small.array, args.overwrite)?),
        None => None,
    };
    let progress = if args.quiet || args.json { Progress::silent() } else { Progress::new(means.limit) };
    let (rows, overview) = compute(&input, &small.array, &means, &progress, &cancel)?;
    progress.finish();
    if let Some(sink) = gallery {
        write_gallery(sink, &overview, &rows)?;
    }
    if args.json {
        return term::print_json(&as_json(args, &rows, &small));
    }
    if !args.quiet && !small.middle.is_empty() && args.output.is_some() {
        term::note(&format!("the picture shows {}; the thresholds are those of the whole image", small.middle));
    }
    let lines: String = rows.iter().map(|row| format!("{:<9} {}\n", row.method, row.text())).collect();
    term::print(&lines)
}

impl Row {
    /// The threshold, or what there is to say instead.
    fn text(&self) -> String {
        match &self.threshold {
            Ok(threshold) => value::text(threshold),
            Err(why) => format!("none: {why}"),
        }
    }

    fn title(&self) -> String {
        match &self.threshold {
            Ok(threshold) => format!("{} {:.7}", self.method, number(threshold)),
            Err(_) => format!("{} none", self.method),
        }
    }
}

fn number(value: &Value) -> f64 {
    value.to_scalar().map_or(f64::NAN, |s| s.to_f64())
}

fn as_json(args: &CompareArgs, rows: &[Row], small: &Picture) -> Json {
    let thresholds: Map<String, Json> = rows
        .iter()
        .map(|row| (row.method.to_string(), row.threshold.as_ref().map_or(Json::Null, value::json)))
        .collect();
    let failed: Map<String, Json> =
        rows.iter().filter_map(|row| Some((row.method.to_string(), json!(row.threshold.as_ref().err()?)))).collect();
    json!({
        "path": args.input,
        "thresholds": thresholds,
        "failed": failed,
        "gallery": args.output,
        "overview_step": small.step,
    })
}

/// The part of an image that can be shown.
struct Picture {
    array: Array,
    /// Every how many pixels one is shown.
    step: u64,
    /// Which planes were picked, for people.
    middle: String,
}

/// The middle plane of all axes but y and x (of unnamed arrays: but the last two), every n-th pixel of it.
fn picture(input: &Array) -> Result<Picture> {
    let Some(spec) = input.array_spec().filter(|s| s.rank() > 0) else {
        return Err(Error::Usage("thresholds are those of an image, not of one number".into()));
    };
    let shown = plane_axes(spec);
    let longest = shown.iter().map(|&axis| spec.shape[axis]).max().unwrap_or(1);
    let step = longest.div_ceil(OVERVIEW).max(1);
    let (array, middle) =
        plane(input, spec, Some(step.into()), |axis| shown.contains(&axis), |axis| spec.shape[axis] / 2)?;
    Ok(Picture { array, step, middle })
}

/// One run for everything; a method that cannot answer is left out, and the run made again.
fn compute(
    input: &Array,
    small: &Array,
    means: &Means,
    progress: &Progress,
    cancel: &Cancel,
) -> Result<(Vec<Row>, Overview)> {
    let mut failed: Vec<(&str, String)> = Vec::new();
    loop {
        let methods: Vec<(&str, &str)> =
            GLOBAL_METHODS.into_iter().filter(|(_, op)| failed.iter().all(|(gone, _)| gone != op)).collect();
        let pixels = Arc::new(Mutex::new(Vec::new()));
        match run_once(input, small, &methods, &pixels, |run| means.apply(run.observer(progress).cancel(cancel))) {
            Ok(report) => {
                let overview = overview(small, &pixels);
                return Ok((rows(&failed, &methods, report), overview));
            }
            Err(Error::Op { op, what }) => match methods.iter().find(|(_, name)| *name == op) {
                Some((_, name)) => failed.push((name, what)),
                None => return Err(Error::Op { op, what }),
            },
            Err(other) => return Err(other),
        }
    }
}

fn run_once<'a>(
    input: &Array,
    small: &Array,
    methods: &[(&str, &str)],
    pixels: &Arc<Mutex<Vec<u8>>>,
    with_means: impl FnOnce(Run<'a>) -> Run<'a>,
) -> Result<Report> {
    let mut run = Run::new();
    for (_, op) in methods {
        run = run.value(&input.call(op, [], [])?);
    }
    if let Some(spec) = small.array_spec().cloned() {
        // As bytes, and as numbers when the run is over.
        let numbers = 8 * spec.elements();
        run = run.sink(small, Box::new(Held::new("the overview", spec, pixels, numbers)));
    }
    with_means(run).run()
}

/// In the order of the methods, failed ones included.
fn rows(failed: &[(&str, String)], methods: &[(&str, &str)], report: Report) -> Vec<Row> {
    let mut values = methods.iter().zip(report.values);
    GLOBAL_METHODS
        .into_iter()
        .map(|(method, op)| {
            let threshold = match failed.iter().find(|(gone, _)| *gone == op) {
                Some((_, why)) => Err(why.clone()),
                None => values.next().and_then(|(_, value)| value).ok_or_else(|| "the run gave none".to_string()),
            };
            Row { method, threshold }
        })
        .collect()
}

fn overview(small: &Array, bytes: &Mutex<Vec<u8>>) -> Overview {
    let (height, width) = size(small);
    let dtype = small.dtype().unwrap_or(DType::U8);
    let value = |element: &[u8]| Scalar::from_bytes(dtype, element).to_f64();
    let pixels = taken(bytes).chunks_exact(dtype.size()).map(value).collect();
    Overview { height, width, pixels }
}

/// Height and width of the overview.
fn size(small: &Array) -> (usize, usize) {
    let shape = small.shape().cloned().unwrap_or_default();
    let width = shape.last().map_or(1, |&n| n as usize);
    (if shape.len() > 1 { shape[0] as usize } else { 1 }, width)
}

/// Height and width of one picture with its frame.
fn cell((height, width): (usize, usize)) -> (usize, usize) {
    (height + TITLE + GAP, width.max(NARROWEST) + GAP)
}

/// The output, made before the run so that what is wrong with it is found first.
fn gallery_sink(path: &str, small: &Array, overwrite: bool) -> Result<Box<dyn Sink>> {
    if !Path::new(path).extension().is_some_and(|e| e.eq_ignore_ascii_case("png")) {
        return Err(Error::Usage(format!("{path}: the gallery is a .png")));
    }
    let (height, width) = cell(size(small));
    let down = (GLOBAL_METHODS.len() + 1).div_ceil(COLUMNS);
    let shape = [(down * height + GAP) as u64, (COLUMNS * width + GAP) as u64];
    io::create(path, &ArraySpec::with_axes(&shape, DType::U8, "yx"), overwrite)
}

fn write_gallery(mut sink: Box<dyn Sink>, overview: &Overview, rows: &[Row]) -> Result<()> {
    let shape = sink.spec().shape.clone();
    let mut page = Page { width: shape[1] as usize, pixels: vec![PAPER; sink.spec().elements() as usize] };
    let (height, width) = cell((overview.height, overview.width));
    let place = |k: usize| (GAP + k / COLUMNS * height, GAP + k % COLUMNS * width);
    page.show(place(0), "original", overview, grey_of(&overview.pixels));
    for (k, row) in rows.iter().enumerate() {
        let threshold = row.threshold.as_ref().map(number);
        let shade = move |v: f64| match threshold {
            Ok(t) => {
                if v > t {
                    255
                } else {
                    0
                }
            }
            Err(_) => 128,
        };
        page.show(place(k + 1), &row.title(), overview, shade);
    }
    sink.begin()?;
    sink.write(&Region::whole(&shape), View::new(DType::U8, &shape, &page.pixels))?;
    sink.commit()
}

/// From the least value, black, to the greatest, white.
fn grey_of(pixels: &[f64]) -> impl Fn(f64) -> u8 {
    let finite = || pixels.iter().copied().filter(|v| v.is_finite());
    let (lo, hi) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    let span = if hi > lo { hi - lo } else { 1.0 };
    move |v| ((v - lo) / span * 255.0).round() as u8
}

struct Page {
    width: usize,
    pixels: Vec<u8>,
}

impl Page {
    fn show(&mut self, (top, left): (usize, usize), title: &str, overview: &Overview, shade: impl Fn(f64) -> u8) {
        self.write((top + LETTER / 2, left), title);
        for (y, row) in overview.pixels.chunks(overview.width.max(1)).enumerate() {
            let at = (top + TITLE + y) * self.width + left;
            for (pixel, &v) in self.pixels[at..].iter_mut().zip(row) {
                *pixel = shade(v);
            }
        }
    }

    fn write(&mut self, (top, left): (usize, usize), text: &str) {
        for (k, letter) in text.chars().map(glyph).enumerate().take(NARROWEST / LETTER) {
            for (y, bits) in letter.into_iter().enumerate() {
                for x in (0..LETTER).filter(|x| bits >> x & 1 == 1) {
                    self.pixels[(top + y) * self.width + left + k * LETTER + x] = 0;
                }
            }
        }
    }
}
