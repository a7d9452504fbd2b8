//! `tilewise overlay`: an overview of an image with the boundaries of its labels drawn on it.

use super::job::open;
use super::means::Means;
use super::picture::{Held, Plane, taken};
use super::progress::Progress;
use super::{OverlayArgs, interrupt, job, term};
use std::path::Path;
use std::sync::{Arc, Mutex};
use tilewise::array::{ArraySpec, DType, Region, View};
use tilewise::graph::Array;
use tilewise::io::{self, Sink};
use tilewise::lang::OpenArgs;
use tilewise::{Error, Result, Run};

/// Width and height of the overview, at most.
const LARGEST: u64 = 2048;

/// So many colours tell labels apart.
const COLOURS: u64 = 60_000;

/// Of the pixels that are not photographs, so many per thousand may be darker than black, and brighter than white.
const CLIPPED: f64 = 0.002;

pub(super) fn overlay(args: &OverlayArgs) -> Result<()> {
    let cancel = interrupt::cancelled_by_ctrl_c();
    let means = Means::new(&args.means)?;
    let image = opened(&args.image, args.axes.as_deref(), args.region.as_deref())?;
    let labels = opened(&args.labels, None, args.region.as_deref())?;
    let (image, labels) = (Plane::of(&image, LARGEST, true)?, Plane::of(&labels, LARGEST, false)?);
    if image.size != labels.size {
        let [[a, b], [c, d]] = [image.size, labels.size];
        let what = format!("has {c} × {d} pixels, and {} has {a} × {b}", args.image);
        return Err(Error::Usage(format!("{}: {what}", args.labels)));
    }
    let pictures = Pictures::new(&image, &labels)?;
    let sink = output(args, &pictures)?;
    let progress = if args.quiet { Progress::silent() } else { Progress::new(means.limit) };
    let run = pictures.add_to(Run::new().observer(&progress).cancel(&cancel), sink.bill());
    let done = means.apply(run).run();
    progress.finish();
    done?;
    pictures.write(sink)?;
    if !args.quiet && !image.middle.is_empty() {
        term::note(&format!("the picture shows {}", image.middle));
    }
    Ok(())
}

/// Opens an image; of a region only what speaks of axes that it has, so that a channel can be chosen of an image whose
/// labels have none.
fn opened(path: &str, axes: Option<&str>, region: Option<&str>) -> Result<Array> {
    let args = OpenArgs { axes: axes.map(str::to_string), level: None };
    let Some(region) = region else { return open(path, &args) };
    let array = open(path, &args)?;
    let letters = array.array_spec().map(ArraySpec::letters).unwrap_or_default();
    let speaks_of = |part: &&str| match part.split_once('=') {
        Some((name, _)) => letters.contains(name.trim()),
        None => true,
    };
    let parts: Vec<&str> = region.split(',').filter(speaks_of).collect();
    if parts.is_empty() { Ok(array) } else { job::part(array, &parts.join(",")) }
}

fn output(args: &OverlayArgs, pictures: &Pictures) -> Result<Box<dyn Sink>> {
    let path = &args.output;
    if !Path::new(path).extension().is_some_and(|e| e.eq_ignore_ascii_case("png")) {
        return Err(Error::Usage(format!("{path}: the overlay is a .png")));
    }
    let [height, width] = pictures.size;
    io::create(path, &ArraySpec::with_axes(&[height as u64, width as u64, 3], DType::U8, "yxc"), args.overwrite)
}

/// What the overlay is made of, as small as it is shown.
struct Pictures {
    size: [usize; 2],
    image: Array,
    /// 0 where nothing is drawn, else one of the colours.
    lines: Array,
    image_bytes: Arc<Mutex<Vec<u8>>>,
    line_bytes: Arc<Mutex<Vec<u8>>>,
}

impl Pictures {
    fn new(image: &Plane, labels: &Plane) -> Result<Self> {
        let kind = labels.array.dtype();
        if kind.is_none_or(|dtype| dtype.is_float()) {
            let what = kind.map(|dtype| dtype.to_string()).unwrap_or_default();
            return Err(Error::Usage(format!("labels are whole numbers or a mask, not {what}")));
        }
        let spec = labels.array.array_spec().cloned().unwrap_or_else(|| ArraySpec::scalar(DType::U8));
        // What is drawn is never 0, so that it can stand for a colour.
        let edges = "find_boundaries(input, mode=\"inner\", axes=[0, 1])";
        let colour = format!("cast(input, \"int64\") % {COLOURS} + 1");
        let lines = tilewise::pipeline(&format!("cast(where({edges}, {colour}, 0), \"uint16\")"), &labels.array)?;
        let image = match image.array.dtype() {
            Some(DType::U8) => image.array.clone(),
            Some(DType::Bool) => image.array.call("cast", ["uint8".into()], [])?,
            Some(DType::U16) => image.array.clone(),
            _ => image.array.call("cast", ["float32".into()], [])?,
        };
        let size = [spec.shape[0] as usize, spec.shape[1] as usize];
        Ok(Pictures { size, image, lines, image_bytes: Arc::default(), line_bytes: Arc::default() })
    }

    fn add_to<'a>(&self, run: Run<'a>, png: u64) -> Run<'a> {
        let spec = |array: &Array| array.array_spec().cloned().unwrap_or_else(|| ArraySpec::scalar(DType::U8));
        // The picture itself is held at the end, beside the others; twice, until it is encoded.
        let image = Held::new("the image of the picture", spec(&self.image), &self.image_bytes, 2 * png);
        let lines = Held::new("the lines of the picture", spec(&self.lines), &self.line_bytes, 0);
        run.sink(&self.image, Box::new(image)).sink(&self.lines, Box::new(lines))
    }

    fn write(&self, mut sink: Box<dyn Sink>) -> Result<()> {
        let image = taken(&self.image_bytes);
        let lines = taken(&self.line_bytes);
        let Some(spec) = self.image.array_spec() else { return Ok(()) };
        let view = View::new(spec.dtype, &spec.shape, &image);
        let drawn = |at: usize| lines.get(2 * at..2 * at + 2).map_or(0, |b| u16::from_ne_bytes([b[0], b[1]]));
        let channels = if spec.rank() == 3 { spec.shape[2] as usize } else { 1 };
        let at = |y: usize, x: usize, c: usize| if spec.rank() == 3 { view.at(&[y, x, c]) } else { view.at(&[y, x]) };
        let [height, width] = self.size;
        let values = || {
            (0..height).flat_map(move |y| (0..width).flat_map(move |x| (0..channels.min(3)).map(move |c| at(y, x, c))))
        };
        let [black, white] = if spec.dtype == DType::U8 && channels > 1 { [0.0, 255.0] } else { contrast(values) };
        let grey = |v: f64| ((v - black) / (white - black) * 255.0).round() as u8;
        sink.begin()?;
        let mut row = vec![0; width * 3];
        for y in 0..height {
            for x in 0..width {
                let pixel = match drawn(y * width + x) {
                    0 => [0, 1, 2].map(|c| grey(at(y, x, if channels >= 3 { c } else { 0 }))),
                    label => colour(label),
                };
                row[x * 3..x * 3 + 3].copy_from_slice(&pixel);
            }
            let region = Region::new(&[y as u64, 0, 0], &[1, width as u64, 3]);
            sink.write(&region, View::new(DType::U8, &region.shape, &row))?;
        }
        sink.commit()
    }
}

/// What is shown black and white: the least and the greatest value but for a few.
fn contrast<I: Iterator<Item = f64>>(values: impl Fn() -> I) -> [f64; 2] {
    const BINS: usize = 4096;
    let finite = || values().filter(|v| v.is_finite());
    let (low, high) = finite().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    if low >= high || !(high - low).is_finite() {
        return if low.is_finite() { [low, low + 1.0] } else { [0.0, 1.0] };
    }
    let width = (high - low) / BINS as f64;
    let mut counts = [0u64; BINS];
    let mut all = 0;
    for v in finite() {
        counts[(((v - low) / width) as usize).min(BINS - 1)] += 1;
        all += 1;
    }
    let few = (CLIPPED * all as f64) as u64;
    let beyond = |mut bins: Box<dyn Iterator<Item = usize>>| {
        let mut passed = 0;
        bins.find(|&bin| {
            passed += counts[bin];
            passed > few
        })
    };
    let first = beyond(Box::new(0..BINS)).unwrap_or(0);
    let last = beyond(Box::new((0..BINS).rev())).unwrap_or(BINS - 1);
    if first >= last { [low, high] } else { [low + first as f64 * width, low + (last + 1) as f64 * width] }
}

/// A bright colour; neighbouring numbers differ.
fn colour(label: u16) -> [u8; 3] {
    // The golden angle around the circle of hues.
    let hue = (f64::from(label) * 0.618_033_988_749_895).fract() * 6.0;
    let ramp = |shift: f64| {
        let distance = ((hue + shift).rem_euclid(6.0) - 3.0).abs() - 1.0;
        (64.0 + 191.0 * distance.clamp(0.0, 1.0)) as u8
    };
    [ramp(0.0), ramp(4.0), ramp(2.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contrast_leaves_a_few_out() {
        let mut values: Vec<f64> = (0..10_000).map(|i| f64::from(i % 100)).collect();
        values[0] = 9e3;
        values[1] = f64::NAN;
        // As fine as a bin of 9000 / 4096.
        let [black, white] = contrast(|| values.iter().copied());
        assert!(black < 3.0 && white < 110.0, "{black} {white}");
        assert_eq!(contrast(|| [5.0, 5.0].into_iter()), [5.0, 6.0]);
        assert_eq!(contrast(|| [f64::NAN].into_iter()), [0.0, 1.0]);
    }

    #[test]
    fn colours_are_bright_and_differ() {
        let colours: std::collections::HashSet<[u8; 3]> = (1..200).map(colour).collect();
        assert!(colours.len() > 150 && colours.iter().all(|c| c.contains(&255) || c.iter().any(|v| *v > 250)));
    }
}
