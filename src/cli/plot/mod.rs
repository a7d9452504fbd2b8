//! `tilewise plot`: scatter, line and histogram of a table or a 1-D array.

mod draw;
mod figure;
mod read;

use super::{PlotArgs, interrupt, term};
use figure::{Bars, Figure, Marks, Range, Scale, What};
use read::Numbers;
use std::path::Path;
use tilewise::array::{ArraySpec, DType, Region, View};
use tilewise::io;
use tilewise::{Cancel, Error, Result};

/// What is asked for.
enum Kind<'a> {
    /// The columns `x` (the row's number if there is none) and `y`; joined or not.
    Pairs { x: Option<&'a str>, y: Option<&'a str>, line: bool },
    /// The column, and how many bins.
    Histogram { of: Option<&'a str>, bins: usize },
}

/// Rows that were read, and those that could not be shown.
#[derive(Debug, Default)]
struct Rows {
    all: u64,
    left_out: u64,
}

pub(super) fn plot(args: &PlotArgs) -> Result<()> {
    let cancel = interrupt::cancelled_by_ctrl_c();
    let kind = kind(args)?;
    let output = output(args)?;
    let (figure, rows) = match &kind {
        Kind::Pairs { x, y, line } => pairs(args, *x, *y, *line, &cancel)?,
        Kind::Histogram { of, bins } => histogram(args, *of, *bins, &cancel)?,
    };
    write(&figure, &output, args.overwrite)?;
    if !args.quiet {
        let left_out = match rows.left_out {
            0 => String::new(),
            n => format!(", {n} of them left out: no finite numbers"),
        };
        term::note(&format!("{output}: {} rows{left_out}", rows.all));
    }
    Ok(())
}

fn kind(args: &PlotArgs) -> Result<Kind<'_>> {
    let wrong = |what: &str| Err(Error::Usage(what.into()));
    let table = read::is_table(&args.input);
    let (x, y) = (args.x.as_deref(), args.y.as_deref());
    match &args.hist {
        Some(_) if x.is_some() || y.is_some() || args.line => wrong("--hist goes without --x, --y and --line"),
        Some(of) if table && of.is_empty() => wrong("--hist: name the column: --hist area"),
        Some(of) => {
            Ok(Kind::Histogram { of: Some(of.as_str()).filter(|of| !of.is_empty()), bins: args.bins.unwrap_or(50) })
        }
        None if args.bins.is_some() => wrong("--bins goes with --hist"),
        None if table && y.is_none() => wrong("what to plot is missing: --x COLUMN --y COLUMN, or --hist COLUMN"),
        None => Ok(Kind::Pairs { x, y, line: args.line || !table }),
    }
}

/// The plot, beside the table unless it is named.
fn output(args: &PlotArgs) -> Result<String> {
    let beside = || Path::new(&args.input).with_extension("png").display().to_string();
    let path = args.output.clone().unwrap_or_else(beside);
    if !is_svg(&path) && !read::has_ending(&path, "png") {
        return Err(Error::Usage(format!("{path}: a plot is a .png or a .svg")));
    }
    if !args.overwrite && Path::new(&path).symlink_metadata().is_ok() {
        return Err(Error::Usage(format!("{path}: exists; --overwrite replaces it")));
    }
    Ok(path)
}

fn is_svg(path: &str) -> bool {
    read::has_ending(path, "svg")
}

/// Two sweeps: how far the values go, then where each lies.
fn pairs(args: &PlotArgs, x: Option<&str>, y: Option<&str>, line: bool, cancel: &Cancel) -> Result<(Figure, Rows)> {
    let names: Vec<&str> = x.into_iter().chain(y).collect();
    let numbers = Numbers::open(&args.input, &names)?;
    let pair = |row: u64, values: &[f64]| match (x, values) {
        (Some(_), &[x, y]) => [x, y],
        (_, values) => [row as f64, values.last().copied().unwrap_or(f64::NAN)],
    };
    let (mut ranges, mut rows) = ([Range::NONE; 2], Rows::default());
    numbers.for_each(cancel, |row, values| {
        let at = pair(row, values);
        rows.all += 1;
        match at.iter().all(|v| v.is_finite()) {
            true => ranges.iter_mut().zip(at).for_each(|(range, value)| range.add(value)),
            false => rows.left_out += 1,
        }
    })?;
    nothing(&args.input, &names, ranges[0])?;
    let scales = ranges.map(Scale::around);
    let mut marks = Marks::new(line);
    numbers.for_each(cancel, |row, values| {
        let [x, y] = pair(row, values);
        marks.add(scales[0].share(x), scales[1].share(y));
    })?;
    let [x_scale, y_scale] = scales;
    let labels = [x.unwrap_or("row").to_string(), y.unwrap_or("value").to_string()];
    Ok((Figure { title: title(args), labels, x: x_scale, y: y_scale, what: What::Marks(marks) }, rows))
}

fn histogram(args: &PlotArgs, of: Option<&str>, bins: usize, cancel: &Cancel) -> Result<(Figure, Rows)> {
    let names: Vec<&str> = of.into_iter().collect();
    let numbers = Numbers::open(&args.input, &names)?;
    let (mut range, mut rows) = (Range::NONE, Rows::default());
    numbers.for_each(cancel, |_, values| {
        rows.all += 1;
        rows.left_out += u64::from(!values[0].is_finite());
        range.add(values[0]);
    })?;
    nothing(&args.input, &names, range)?;
    let mut bars = Bars::new(range, bins);
    numbers.for_each(cancel, |_, values| bars.add(values[0]))?;
    let most = bars.counts.iter().copied().max().unwrap_or(0);
    let (x, y) = (Scale::exact(bars.low, bars.high), Scale::exact(0.0, most as f64 * 1.04));
    let labels = [of.unwrap_or("value").to_string(), "count".to_string()];
    Ok((Figure { title: title(args), labels, x, y, what: What::Bars(bars) }, rows))
}

fn nothing(path: &str, names: &[&str], range: Range) -> Result<()> {
    if !range.is_empty() {
        return Ok(());
    }
    let place = if names.is_empty() { String::new() } else { format!(" in {}", names.join(" and ")) };
    Err(Error::format(path, format!("there is nothing to plot: no finite numbers{place}")))
}

fn title(args: &PlotArgs) -> String {
    let name = || Path::new(&args.input).file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    args.title.clone().unwrap_or_else(name)
}

fn write(figure: &Figure, path: &str, overwrite: bool) -> Result<()> {
    if is_svg(path) {
        return io::write_file(Path::new(path), draw::svg(figure).as_bytes(), overwrite);
    }
    let shape = [draw::HEIGHT as u64, draw::WIDTH as u64, 3];
    let mut sink = io::create(path, &ArraySpec::with_axes(&shape, DType::U8, "yxc"), overwrite)?;
    let pixels = draw::picture(figure);
    sink.begin()?;
    sink.write(&Region::whole(&shape), View::new(DType::U8, &shape, &pixels))?;
    sink.commit()
}
