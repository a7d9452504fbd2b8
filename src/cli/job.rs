//! What the words of the command line ask for: a pipeline bound to its files, and where every result goes.

use super::batch::Recipe;
use super::options::create_options;
use super::{JobArgs, batch, info, value};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use tilewise::array::{ArraySpec, Scalar, Spec};
use tilewise::exec::Report;
use tilewise::graph::{Array, NodeKind, OpKind, Table, Value};
use tilewise::io::{self, CreateOptions, OpenOptions};
use tilewise::lang::{self, Compiled, ExprKind, Host, Literal, MAX_LENGTH, OpenArgs, Request, Save, Statement};
use tilewise::ops::Arg;
use tilewise::{Error, Result, Run};

/// A pipeline that is ready to be planned.
#[derive(Debug)]
pub(super) struct Job {
    /// Everything that is wanted, in the order in which the run gets it.
    pub(super) wanted: Vec<Wanted>,
    overwrite: bool,
    /// What stands in the column `file` of tables: the input, in a batch.
    file: Option<String>,
}

/// What the command line asks for, before any image is opened.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    args: &'a JobArgs,
    words: Words<'a>,
    script: Option<String>,
    sets: Vec<(String, String)>,
}

/// A result and its place.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) array: Array,
    pub(super) place: Place,
    /// What the file's format is told.
    options: CreateOptions,
}

/// Where a result goes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Place {
    /// To an image file, tile by tile.
    Image(String),
    /// To a .csv or .parquet file, when the run is over.
    Table(String),
    /// To a .csv file that all files of a batch share.
    Merged(String),
    /// To stdout.
    Printed,
}

/// The positional words, told apart.
#[derive(Debug, PartialEq)]
struct Words<'a> {
    input: Option<&'a str>,
    output: Option<&'a str>,
    pipeline: &'a str,
}

impl<'a> Asked<'a> {
    pub(super) fn new(args: &'a JobArgs) -> Result<Self> {
        let words = words(&args.words)?;
        if let (None, Some(axes)) = (words.input, &args.axes) {
            return Err(Error::Usage(format!("--axes {axes}: names the axes of IN, and there is none")));
        }
        if let (None, Some(region)) = (words.input, &args.region) {
            return Err(Error::Usage(format!("--region {region}: selects from IN, and there is none")));
        }
        let script = if is_script(words.pipeline) { Some(read_script(words.pipeline)?) } else { None };
        let sets = args.sets.iter().map(|set| name_and_value(set)).collect::<Result<_>>()?;
        Ok(Asked { args, words, script, sets })
    }

    /// Whether the outputs' names have fields that each input fills: OUT, or a path that the pipeline saves to.
    pub(super) fn is_batch(&self) -> bool {
        // What cannot be parsed is reported when it is bound.
        let saved = || lang::parse(self.text()).is_ok_and(|p| p.statements.iter().any(names_a_field));
        self.words.output.is_some_and(batch::has_field) || saved()
    }

    /// One run on IN as it stands.
    pub(super) fn job(&self) -> Result<Job> {
        let job = self.bound(self.words.input)?;
        let with_field = |w: &&Wanted| w.place != Place::Printed && batch::has_field(w.place_text());
        if let Some(wanted) = job.wanted.iter().find(with_field) {
            let path = wanted.place_text();
            return Err(Error::Usage(format!("{path}: a path with a field has to stand in the `save` in one piece")));
        }
        job.check_tables()?;
        Ok(job)
    }

    fn bound(&self, input: Option<&str>) -> Result<Job> {
        let options = OpenArgs { axes: self.args.axes.clone(), level: None };
        let request = Request {
            name: if self.script.is_some() { self.words.pipeline } else { "pipeline" },
            text: self.text(),
            input: input.map(|path| open_part(path, &options, self.args.region.as_deref())).transpose()?,
            sets: self.sets.clone(),
            inline: self.script.is_none(),
        };
        Job::bound(&request, self.words.output, self.args.overwrite)
    }

    fn text(&self) -> &str {
        self.script.as_deref().unwrap_or(self.words.pipeline)
    }
}

impl Recipe for Asked<'_> {
    fn input(&self) -> Option<&str> {
        self.words.input
    }

    fn overwrite(&self) -> bool {
        self.args.overwrite
    }

    fn job_on(&self, file: &str) -> Result<Job> {
        self.bound(Some(file))
    }
}

/// Whether a text in it that can be a path has a field.
fn names_a_field(statement: &Statement) -> bool {
    let is_it = |kind: &ExprKind| matches!(kind, ExprKind::Literal(Literal::Text(text)) if batch::has_field(text));
    match &statement.value.kind {
        ExprKind::Call(call) => call.name.text == "save" && call.args.iter().any(|arg| is_it(&arg.value.kind)),
        kind => is_it(kind),
    }
}

impl Job {
    /// Binds a pipeline whose result goes to `output`.
    pub(super) fn compiled(request: &Request<'_>, output: Option<&str>, overwrite: bool) -> Result<Job> {
        let job = Job::bound(request, output, overwrite)?;
        job.check_tables()?;
        Ok(job)
    }

    /// One array that goes to one file.
    pub(super) fn copy(array: Array, path: &str, options: CreateOptions) -> Job {
        let overwrite = options.overwrite;
        let wanted = vec![Wanted { array, place: Place::Image(path.to_string()), options }];
        Job { wanted, overwrite, file: None }
    }

    fn bound(request: &Request<'_>, output: Option<&str>, overwrite: bool) -> Result<Job> {
        let compiled = lang::compile(request, &Host { open: &open })?;
        if request.input.is_some() && !compiled.uses_input {
            return Err(Error::Usage("IN is given, but the pipeline does not use `input`".into()));
        }
        let mut wanted = compiled.saves.iter().map(|save| saved(save, overwrite)).collect::<Result<Vec<_>>>()?;
        let options = CreateOptions { overwrite, ..CreateOptions::default() };
        wanted.extend(result(&compiled, output, options)?);
        Ok(Job { wanted, overwrite, file: None })
    }

    /// Gives a job of a batch its outputs' names, and the name of its file for tables.
    pub(super) fn named(mut self, file: &str, name: impl Fn(&str) -> Result<String>) -> Result<Job> {
        for wanted in &mut self.wanted {
            wanted.place = match &wanted.place {
                Place::Table(path) if !batch::has_field(path) => Place::Merged(path.clone()),
                Place::Table(path) => Place::Table(name(path)?),
                Place::Image(path) => Place::Image(name(path)?),
                kept @ (Place::Merged(_) | Place::Printed) => kept.clone(),
            };
        }
        self.file = Some(file.to_string());
        self.check_tables()?;
        Ok(self)
    }

    /// Adds everything that is wanted to a run.
    pub(super) fn add_to<'a>(&self, mut run: Run<'a>) -> Result<Run<'a>> {
        for wanted in &self.wanted {
            run = match &wanted.place {
                Place::Image(path) => run.save_with(&wanted.array, path, &wanted.options)?,
                Place::Table(path) | Place::Merged(path) => run.value(&wanted.array).scratch_beside(path),
                Place::Printed => run.value(&wanted.array),
            };
        }
        Ok(run)
    }

    /// Writes the tables that the run gave.
    pub(super) fn write_tables(&self, report: &Report) -> Result<()> {
        for (wanted, value) in self.wanted.iter().zip(&report.values) {
            if let (Place::Table(path), Some(Value::Table(table))) = (&wanted.place, value) {
                let path = Path::new(path);
                io::write_table(table, path, self.file.as_deref(), self.overwrite)?;
            }
        }
        Ok(())
    }

    /// The tables that the run gave for files that all of a batch share.
    pub(super) fn merged<'r>(&'r self, report: &'r Report) -> impl Iterator<Item = (&'r str, &'r Table)> {
        self.wanted.iter().zip(&report.values).filter_map(|(wanted, value)| match (&wanted.place, value) {
            (Place::Merged(path), Some(Value::Table(table))) => Some((path.as_str(), table.as_ref())),
            _ => None,
        })
    }

    /// Per output that is an image and cannot say all that is known of its array: its path, and what is lost.
    pub(super) fn lost(&self) -> Vec<(&str, Vec<String>)> {
        let one = |wanted: &'_ Wanted| match (&wanted.place, wanted.array.array_spec()) {
            (Place::Image(path), Some(spec)) => io::lost(spec, path, &wanted.options),
            _ => Vec::new(),
        };
        let all = self.wanted.iter().map(|wanted| (wanted.place_text(), one(wanted)));
        all.filter(|(_, what)| !what.is_empty()).collect()
    }

    /// The result that is printed, if there is one.
    pub(super) fn printed<'r>(&self, report: &'r Report) -> Option<&'r Value> {
        let at = self.wanted.iter().position(|w| w.place == Place::Printed)?;
        report.values.get(at)?.as_ref()
    }

    /// Tables are written at the end: what would fail then is found now.
    fn check_tables(&self) -> Result<()> {
        for wanted in &self.wanted {
            let Place::Table(text) = &wanted.place else { continue };
            let path = Path::new(text);
            io::check_table(path)?;
            if !self.overwrite && path.symlink_metadata().is_ok() {
                return Err(Error::Usage(format!("{text}: exists; --overwrite replaces it")));
            }
            if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty() && !f.is_dir()) {
                return Err(Error::format(path, format!("its folder {} does not exist", folder.display())));
            }
        }
        Ok(())
    }
}

impl Wanted {
    /// Where it goes, for people.
    pub(super) fn place_text(&self) -> &str {
        match &self.place {
            Place::Image(path) | Place::Table(path) | Place::Merged(path) => path,
            Place::Printed => "stdout",
        }
    }
}

/// Whether the tables of all files of a batch may go there.
pub(super) fn check_shared_table(text: &str) -> Result<()> {
    match Path::new(text).extension().is_some_and(|e| e.eq_ignore_ascii_case("csv")) {
        true => Ok(()),
        false => Err(Error::Usage(format!(
            "{text}: the tables of a batch are joined in a .csv; {{stem}}.parquet makes one for each file"
        ))),
    }
}

fn words(words: &[String]) -> Result<Words<'_>> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let [script, rest @ ..] = &words[..]
        && !rest.is_empty()
        && is_script(script)
    {
        return Err(Error::Usage(format!("{script}: the script goes last: tilewise run {} {script}", rest.join(" "))));
    }
    match words[..] {
        [pipeline] => Ok(Words { input: None, output: None, pipeline }),
        [input, pipeline] => Ok(Words { input: Some(input), output: None, pipeline }),
        [input, output, pipeline] => Ok(Words { input: Some(input), output: Some(output), pipeline }),
        _ => Err(Error::Usage("what to run is missing: tilewise run [IN] [OUT] PIPELINE".into())),
    }
}

/// Whether that word names a script instead of being a pipeline.
fn is_script(word: &str) -> bool {
    Path::new(word).extension().is_some_and(|e| e == "tw")
}

fn read_script(path: &str) -> Result<String> {
    let file = File::open(path).map_err(|e| Error::io(path, "cannot be opened", e))?;
    let mut text = String::new();
    // A byte more than is allowed: the language says how much that is.
    let read = file.take(MAX_LENGTH as u64 + 1).read_to_string(&mut text);
    read.map_err(|e| Error::io(path, "cannot be read", e))?;
    Ok(text)
}

fn name_and_value(set: &str) -> Result<(String, String)> {
    match set.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_string(), value.to_string())),
        _ => Err(Error::Usage(format!("--set {set}: NAME=VALUE is wanted"))),
    }
}

pub(super) fn open(path: &str, args: &OpenArgs) -> Result<Array> {
    let options = OpenOptions { axes: args.axes.clone(), level: args.level };
    io::open(path, &options).map(Array::source)
}

/// Opens IN, or the part of it that `--region` selects.
pub(super) fn open_part(path: &str, args: &OpenArgs, region: Option<&str>) -> Result<Array> {
    let whole = open(path, args)?;
    match region {
        Some(region) => part(whole, region),
        None => Ok(whole),
    }
}

/// What `--region` selects.
pub(super) fn part(whole: Array, region: &str) -> Result<Array> {
    let text = format!("input[{region}]");
    let request = Request { name: "--region", text: &text, input: Some(whole), sets: Vec::new(), inline: false };
    match lang::compile(&request, &Host { open: &open })?.result {
        Some(Arg::Array(part)) => Ok(part),
        _ => Err(Error::Usage(format!("--region {region}: selects no part of an image"))),
    }
}

fn saved(save: &Save, overwrite: bool) -> Result<Wanted> {
    place(&save.array, &save.path, create_options(&save.path, &save.options, overwrite)?)
}

fn place(array: &Array, path: &str, options: CreateOptions) -> Result<Wanted> {
    let place = match array.spec() {
        Spec::Array(_) => Place::Image(path.to_string()),
        Spec::Table(_) => Place::Table(path.to_string()),
    };
    Ok(Wanted { array: array.clone(), place, options })
}

/// What becomes of the value of the last expression.
fn result(compiled: &Compiled, output: Option<&str>, options: CreateOptions) -> Result<Option<Wanted>> {
    match (&compiled.result, output) {
        (None, None) => Ok(None),
        (None, Some(path)) => {
            Err(Error::Usage(format!("{path}: the pipeline ends without a result that could go there")))
        }
        (Some(result), Some(path)) => place(&as_array(result)?, path, options).map(Some),
        (Some(result), None) => printed(as_array(result)?).map(Some),
    }
}

fn as_array(result: &Arg) -> Result<Array> {
    let constant = match result {
        Arg::Array(array) => return Ok(array.clone()),
        Arg::Bool(value) => Some(Scalar::bool(*value)),
        Arg::Float(value) => Some(Scalar::of(*value)),
        Arg::Int(value) => {
            i64::try_from(*value).map(Scalar::of).or_else(|_| u64::try_from(*value).map(Scalar::of)).ok()
        }
        Arg::None | Arg::Str(_) | Arg::List(_) => None,
    };
    let constant = constant.map(Array::constant);
    constant.ok_or_else(|| Error::Usage(format!("the pipeline comes to {result}, which is no image, number or table")))
}

fn printed(array: Array) -> Result<Wanted> {
    let fits = match array.spec() {
        Spec::Table(_) => {
            return Err(Error::Usage("the result is a table: name a .csv or .parquet file as OUT".into()));
        }
        Spec::Array(spec) => spec.rank() == 0 || is_held_in_memory(&array, spec),
    };
    if !fits {
        let what = array.array_spec().map(spec_text).unwrap_or_default();
        return Err(Error::Usage(format!(
            "the result is an image ({what}): name the file it goes to: tilewise run IN OUT PIPELINE"
        )));
    }
    Ok(Wanted { array, place: Place::Printed, options: CreateOptions::default() })
}

/// What scans give, histograms and the like, is at hand when the run is over; small enough to be printed.
fn is_held_in_memory(array: &Array, spec: &ArraySpec) -> bool {
    let held = matches!(array.node().kind, NodeKind::Value(_) | NodeKind::Op(OpKind::Scan(_)));
    held && spec.elements() <= value::MOST_PRINTED
}

/// `512 × 640 (y x) uint16`
pub(super) fn spec_text(spec: &ArraySpec) -> String {
    if spec.rank() == 0 {
        return format!("one number, {}", spec.dtype);
    }
    format!("{} ({}) {}", info::shape_text(&spec.shape), spec.letters(), spec.dtype)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_apart_by_their_number() {
        let told = |given: &[&str]| {
            let given: Vec<String> = given.iter().map(|w| w.to_string()).collect();
            words(&given).map(|w| format!("{w:?}")).map_err(|e| e.to_string())
        };
        let shown = |input, output, pipeline| Ok(format!("{:?}", Words { input, output, pipeline }));
        assert_eq!(told(&["p"]), shown(None, None, "p"));
        assert_eq!(told(&["i", "s.tw"]), shown(Some("i"), None, "s.tw"));
        assert_eq!(told(&["i", "o", "p"]), shown(Some("i"), Some("o"), "p"));
        assert!(told(&["s.tw", "i", "o"]).unwrap_err().ends_with("tilewise run i o s.tw"));
    }

    #[test]
    fn sets_are_pairs() {
        assert_eq!(name_and_value("a=b=c").unwrap(), ("a".into(), "b=c".into()));
        assert!(name_and_value("a").is_err() && name_and_value("=a").is_err());
    }
}
