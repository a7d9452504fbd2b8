//! A batch: one pipeline on many files, one after the other or several at a time within one limit. A bad file costs
//! that file alone.

use super::job::{Job, Place, check_shared_table};
use super::means::Means;
use super::progress::Progress;
use super::run::{Outcome, carry_out, memory_text, seconds_text};
use super::{MeansArgs, interrupt, term, value};
use serde_json::{Value as Json, json};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tilewise::io::{self, MergedCsv};
use tilewise::{Cancel, Error, Result, sys};

/// The fields that the name of an output may have.
const FIELDS: &str = "{stem}, {name}, {parent}, {index}";

/// Files up to this size are worth running several at a time; one that is larger keeps all threads busy by itself.
const SMALL: u64 = 32 << 20;

/// So many files are tried until one shows what the pipeline saves.
const MOST_TRIED: usize = 16;

/// Off a terminal so many lines tell of the progress, at most.
const LINES: usize = 20;

/// Whether the name of an output has a field, known or not.
pub(super) fn has_field(path: &str) -> bool {
    path.split_once('{').is_some_and(|(_, rest)| rest.contains('}'))
}

/// What is made of every file.
pub(super) trait Recipe: Sync {
    /// The word that names the inputs.
    fn input(&self) -> Option<&str>;

    /// Whether outputs that exist may be replaced.
    fn overwrite(&self) -> bool;

    /// What is made of a file; the names of its outputs still have their fields.
    ///
    /// # Errors
    /// When the file cannot be opened, or is none that this can be made of.
    fn job_on(&self, file: &str) -> Result<Job>;
}

/// How a batch is run.
pub(super) struct How<'a> {
    pub(super) means: &'a MeansArgs,
    pub(super) quiet: bool,
    pub(super) json: bool,
    pub(super) skip_existing: bool,
}

/// A batch that is ready to begin: the inputs in natural order, and the names of what each of them makes.
pub(super) struct Batch<'a> {
    recipe: &'a dyn Recipe,
    files: Vec<String>,
    /// With fields.
    outputs: Vec<String>,
    /// Tables that all files share.
    merged: Vec<String>,
    /// The first file that can be opened.
    first: usize,
}

/// What became of a file.
#[derive(Debug)]
enum Fate {
    Done(Box<Figures>),
    /// Its outputs were there already.
    Skipped,
    Failed(Error),
}

/// What is known of a file that is done.
#[derive(Debug)]
struct Figures {
    seconds: f64,
    predicted: u64,
    result: Option<Json>,
    /// The result, for people.
    text: Option<String>,
}

impl<'a> Batch<'a> {
    /// Lists the inputs and finds out what goes where.
    ///
    /// # Errors
    /// When there are no inputs, the pipeline is wrong for all of them, or two of them would make the same file.
    pub(super) fn new(recipe: &'a dyn Recipe) -> Result<Self> {
        let Some(pattern) = recipe.input() else {
            let what = "a path with a field makes a batch, and a batch has an IN";
            return Err(Error::Usage(format!("{what}: tilewise run 'plates/*.tif' 'out/{{stem}}.tif' PIPELINE")));
        };
        let files = io::files(pattern)?;
        let (first, job) = first_job(recipe, &files)?;
        let (mut outputs, mut merged) = (Vec::new(), Vec::new());
        for wanted in &job.wanted {
            match &wanted.place {
                Place::Table(path) if !has_field(path) => merged.push(path.clone()),
                Place::Table(path) | Place::Image(path) => outputs.push(path.clone()),
                Place::Merged(_) | Place::Printed => {}
            }
        }
        let batch = Batch { recipe, files, outputs, merged, first };
        batch.check_names()?;
        Ok(batch)
    }

    /// How many files, and which is the first that can be opened.
    pub(super) fn first(&self) -> (usize, &str) {
        (self.files.len(), &self.files[self.first])
    }

    /// The run on the first file that can be opened.
    pub(super) fn first_job(&self) -> Result<Job> {
        self.job(self.first, false)
    }

    /// How many runs go at the same time on these files, and what each may use.
    fn shares(&self, files: &[usize], means: &Means) -> (Means, usize) {
        means.shared(files.iter().filter(|&&i| is_small(&self.files[i])).count())
    }

    /// The same, if none is done yet.
    pub(super) fn all_shares(&self, means: &Means) -> (Means, usize) {
        self.shares(&(0..self.files.len()).collect::<Vec<_>>(), means)
    }

    fn job(&self, index: usize, make_folders: bool) -> Result<Job> {
        let file = &self.files[index];
        let job = self.recipe.job_on(file)?;
        if make_folders {
            self.folders(index)?.iter().try_for_each(|folder| {
                std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, "cannot be made", e))
            })?;
        }
        job.named(file, |template| self.fill(template, index))
    }

    /// The names of all that a file makes.
    fn names(&self, index: usize) -> Result<Vec<String>> {
        self.outputs.iter().map(|template| self.fill(template, index)).collect()
    }

    /// The folders that are missing: those of a batch's outputs are made.
    fn folders(&self, index: usize) -> Result<Vec<PathBuf>> {
        let of = |path: &str| Path::new(path).parent().map(Path::to_path_buf).unwrap_or_default();
        let folders = self.names(index)?.into_iter().map(|path| of(&path));
        Ok(folders.filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()).collect())
    }

    fn fill(&self, template: &str, index: usize) -> Result<String> {
        let width = (self.files.len() - 1).to_string().len();
        fill(template, &self.files[index], &format!("{index:0width$}"))
    }

    /// Two inputs must not make the same file.
    fn check_names(&self) -> Result<()> {
        self.merged.iter().try_for_each(|path| check_shared_table(path))?;
        let mut makers: HashMap<String, usize> = HashMap::new();
        for index in 0..self.files.len() {
            for name in self.names(index)? {
                match makers.entry(name) {
                    Entry::Occupied(taken) if *taken.get() != index => {
                        let (a, b) = (&self.files[*taken.get()], &self.files[index]);
                        let hint = "{parent} or {index} tells them apart";
                        return Err(Error::Usage(format!("{}: both {a} and {b} would go there; {hint}", taken.key())));
                    }
                    Entry::Occupied(_) => {}
                    Entry::Vacant(free) => {
                        free.insert(index);
                    }
                }
            }
        }
        Ok(())
    }

    /// The files that are done already. Without `skip` no output may be there; with it, all of a file or none.
    fn finished(&self, skip: bool) -> Result<Vec<bool>> {
        if skip && !self.merged.is_empty() {
            let table = &self.merged[0];
            return Err(Error::Usage(format!(
                "{table}: the rows of skipped files would be missing; save {{stem}}.csv"
            )));
        }
        let exists = |name: &String| Path::new(name.trim_end_matches('/')).symlink_metadata().is_ok();
        let mut finished = vec![false; self.files.len()];
        if self.recipe.overwrite() {
            return Ok(finished);
        }
        let (mut there, mut count) = (None, 0);
        for (index, finished) in finished.iter_mut().enumerate() {
            let names = self.names(index)?;
            let existing = names.iter().filter(|name| exists(name)).count();
            *finished = skip && existing > 0 && existing == names.len();
            if existing > 0 && !*finished {
                count += 1;
                there = there.or_else(|| names.into_iter().find(exists));
            }
        }
        match there {
            Some(name) if skip => {
                let what = "exists, but not all that its file makes; --overwrite makes it again";
                Err(Error::Usage(format!("{name}: {what}")))
            }
            Some(name) => {
                let more =
                    if count > 1 { format!(" (as do those of {} more files)", count - 1) } else { String::new() };
                let what = "--overwrite replaces such outputs, --skip-existing leaves their files out";
                Err(Error::Usage(format!("{name}: exists{more}; {what}")))
            }
            None => Ok(finished),
        }
    }
}

/// The pipeline on the first file that it can be bound to. A pipeline that suits none is wrong itself.
fn first_job(recipe: &dyn Recipe, files: &[String]) -> Result<(usize, Job)> {
    let (mut wrong, mut broken) = (Vec::new(), None);
    for (index, file) in files.iter().enumerate() {
        match recipe.job_on(file) {
            Ok(job) => return Ok((index, job)),
            Err(error @ (Error::File { .. } | Error::Format { .. })) => broken = broken.or(Some(error)),
            Err(error) => wrong.push(error),
        }
        if wrong.len() == MOST_TRIED {
            break;
        }
    }
    let error = wrong.into_iter().next().or(broken);
    Err(error.unwrap_or_else(|| Error::Usage("there are no files to run on".into())))
}

/// Whether it is a file of its own and small.
fn is_small(path: &str) -> bool {
    Path::new(path).metadata().is_ok_and(|m| m.is_file() && m.len() <= SMALL)
}

/// The name of an output, made from that of an input.
fn fill(template: &str, input: &str, index: &str) -> Result<String> {
    let wrong = |what: String| Error::Usage(format!("{template}: {what}"));
    let input = input.strip_prefix("raw:").unwrap_or(input);
    let described = input.rfind('?').filter(|&at| input[at..].contains('='));
    let input = Path::new(&input[..described.unwrap_or(input.len())]);
    let name = input.file_name().map(|n| n.to_string_lossy()).unwrap_or_default();
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((field, after)) = after.split_once('}') else {
            return Err(wrong("a `{` without its `}`".into()));
        };
        text.push_str(before);
        match field {
            "stem" => text.push_str(stem(&name)),
            "name" => text.push_str(&name),
            "parent" => text.push_str(&parent(input)),
            "index" => text.push_str(index),
            _ => return Err(wrong(format!("there is no field {{{field}}}; there are {FIELDS}"))),
        }
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

/// The name without its ending; `.ome.tif` is one.
fn stem(name: &str) -> &str {
    let without = |name| Path::new(name).file_stem().and_then(|s| s.to_str());
    let stem = without(name).unwrap_or(name);
    let double =
        stem.len() > 4 && stem.is_char_boundary(stem.len() - 4) && stem[stem.len() - 4..].eq_ignore_ascii_case(".ome");
    if double { &stem[..stem.len() - 4] } else { stem }
}

/// The name of the folder it lies in.
fn parent(input: &Path) -> String {
    let folder = input.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let named = |p: &Path| p.file_name().map(|n| n.to_string_lossy().into_owned());
    named(folder).or_else(|| named(&folder.canonicalize().ok()?)).unwrap_or_default()
}

/// A batch under way.
struct Going<'a> {
    batch: &'a Batch<'a>,
    cancel: &'a Cancel,
    merged: Mutex<HashMap<String, MergedCsv>>,
    fates: Mutex<Vec<Option<Fate>>>,
    tally: Option<Tally>,
}

pub(super) fn run(recipe: &dyn Recipe, how: &How) -> Result<()> {
    let cancel = interrupt::cancelled_by_ctrl_c();
    let means = Means::new(how.means)?;
    if means.mapped {
        let why = "a file that is cut off meanwhile would cost all that come after it";
        return Err(Error::Usage(format!("--mmap: a batch reads by position: {why}")));
    }
    let started = Instant::now();
    let batch = Batch::new(recipe)?;
    let finished = batch.finished(how.skip_existing)?;
    let new_table = |path: &String| Ok((path.clone(), MergedCsv::new(Path::new(path), recipe.overwrite())?));
    let merged: HashMap<_, _> = batch.merged.iter().map(new_table).collect::<Result<_>>()?;
    if !how.quiet {
        means.warn();
    }
    let fates = finished.iter().map(|&skipped| skipped.then_some(Fate::Skipped)).collect();
    let total = finished.iter().filter(|skipped| !**skipped).count();
    let tally = (!how.quiet).then(|| Tally::new(total));
    let going = Going { batch: &batch, cancel: &cancel, merged: Mutex::new(merged), fates: Mutex::new(fates), tally };
    let jobs = going.run_all(&means)?;
    let Going { merged, fates, .. } = going;
    for table in merged.into_inner().unwrap_or_else(PoisonError::into_inner).into_values() {
        table.commit()?;
    }
    let fates = fates.into_inner().unwrap_or_else(PoisonError::into_inner);
    let fates: Vec<Fate> = fates.into_iter().map(|fate| fate.unwrap_or(Fate::Failed(Error::Cancelled))).collect();
    let summary = Summary { batch: &batch, fates, jobs, limit: means.limit, seconds: started.elapsed().as_secs_f64() };
    summary.tell(how)
}

impl Going<'_> {
    /// Small files several at a time; then the large ones, and what did not fit a share, one by one.
    fn run_all(&self, means: &Means) -> Result<usize> {
        let todo: Vec<usize> = (0..self.batch.files.len()).filter(|&i| locked(&self.fates)[i].is_none()).collect();
        let (share, jobs) = self.batch.shares(&todo, means);
        let (small, mut large): (Vec<usize>, Vec<usize>) = match jobs {
            1 => (Vec::new(), todo),
            _ => todo.into_iter().partition(|&i| is_small(&self.batch.files[i])),
        };
        let (next, again) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..jobs.min(small.len()) {
                scope.spawn(|| {
                    while let Some(&index) = small.get(next.fetch_add(1, Ordering::Relaxed)) {
                        match self.one(index, &share) {
                            Err(Error::Memory(_) | Error::Scratch(_)) => locked(&again).push(index),
                            done => self.settle(index, done),
                        }
                    }
                });
            }
        });
        large.extend(again.into_inner().unwrap_or_else(PoisonError::into_inner));
        large.sort_unstable();
        large.into_iter().for_each(|index| self.settle(index, self.one(index, means)));
        self.cancel.check()?;
        Ok(jobs)
    }

    fn one(&self, index: usize, means: &Means) -> Result<Figures> {
        self.cancel.check()?;
        let made: Vec<PathBuf> = self.batch.folders(index)?;
        let done = self.work(index, means);
        if done.is_err() {
            // Only those that are empty go.
            made.iter().for_each(|folder| drop(std::fs::remove_dir(folder)));
        }
        done
    }

    fn work(&self, index: usize, means: &Means) -> Result<Figures> {
        let job = self.batch.job(index, true)?;
        let progress = if means.is_share() { Progress::BesideOthers } else { Progress::silent() };
        let Outcome { report, .. } = carry_out(&job, means, &progress, self.cancel, |_| Ok(()))?;
        for (path, table) in job.merged(&report) {
            if let Some(merged) = locked(&self.merged).get_mut(path) {
                merged.add(index, &self.batch.files[index], table)?;
            }
        }
        let result = job.printed(&report);
        let (seconds, predicted) = (report.seconds, report.predicted);
        Ok(Figures { seconds, predicted, result: result.map(value::json), text: result.map(value::text) })
    }

    fn settle(&self, index: usize, done: Result<Figures>) {
        let fate = match done {
            Ok(figures) => Fate::Done(Box::new(figures)),
            Err(Error::Cancelled) => return,
            Err(error) => Fate::Failed(error),
        };
        if let Some(tally) = &self.tally {
            tally.count(&self.batch.files[index], &fate);
        }
        locked(&self.fates)[index] = Some(fate);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells how far a batch is: every failure, and now and then a count.
struct Tally {
    total: usize,
    done: AtomicUsize,
    bar: Option<indicatif::ProgressBar>,
}

impl Tally {
    fn new(total: usize) -> Self {
        use std::io::IsTerminal;
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = indicatif::ProgressStyle::with_template("[{wide_bar}] {pos}/{len} files {msg} ETA {eta}");
            let style = style.unwrap_or_else(|_| indicatif::ProgressStyle::default_bar());
            indicatif::ProgressBar::new(total as u64).with_style(style.progress_chars("=> "))
        });
        Tally { total, done: AtomicUsize::new(0), bar }
    }

    fn count(&self, file: &str, fate: &Fate) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let say = || {
            if let Fate::Failed(error) = fate {
                term::complain(&named(file, error));
            }
        };
        match &self.bar {
            Some(bar) => {
                bar.suspend(say);
                bar.set_message(file.to_string());
                bar.inc(1);
                if done == self.total {
                    bar.finish_and_clear();
                }
            }
            None => {
                say();
                let lines = |n: usize| n * LINES.min(self.total) / self.total;
                if lines(done) > lines(done - 1) {
                    term::note(&format!("{done} of {} files", self.total));
                }
            }
        }
    }
}

/// The failure of a file, which its message may not name.
fn named(file: &str, error: &Error) -> Error {
    let text = error.to_string();
    let text = text.trim_end();
    match text.contains(file) {
        true => Error::Usage(text.into()),
        false => Error::Usage(format!("{file}: {}", text.strip_prefix("error: ").unwrap_or(text))),
    }
}

/// A batch that is over.
struct Summary<'a> {
    batch: &'a Batch<'a>,
    fates: Vec<Fate>,
    jobs: usize,
    limit: u64,
    seconds: f64,
}

impl Summary<'_> {
    fn tell(&self, how: &How) -> Result<()> {
        if !how.quiet {
            term::note(&self.text());
        }
        if how.json {
            term::print_json(&self.as_json()?)?;
        } else {
            let files = self.batch.files.iter().zip(&self.fates);
            let lines = files.filter_map(|(file, fate)| match fate {
                Fate::Done(figures) => figures.text.as_ref().map(|text| format!("{file}\t{text}\n")),
                _ => None,
            });
            term::print(&lines.collect::<String>())?;
        }
        match self.counts() {
            [_, _, 0] => Ok(()),
            [_, _, failed] => {
                let (n, pattern) = (self.fates.len(), self.batch.recipe.input().unwrap_or_default());
                Err(Error::format(pattern, format!("{failed} of {n} files failed")))
            }
        }
    }

    /// Done, skipped, failed.
    fn counts(&self) -> [usize; 3] {
        let mut counts = [0; 3];
        for fate in &self.fates {
            match fate {
                Fate::Done(_) => counts[0] += 1,
                Fate::Skipped => counts[1] += 1,
                Fate::Failed(_) => counts[2] += 1,
            }
        }
        counts
    }

    fn predicted(&self) -> u64 {
        let predicted = self.fates.iter().filter_map(|fate| match fate {
            Fate::Done(figures) => Some(figures.predicted),
            _ => None,
        });
        // Several at a time hold no more than the dearest so many times.
        predicted.max().unwrap_or(0).saturating_mul(self.jobs as u64).min(self.limit)
    }

    fn text(&self) -> String {
        let [done, skipped, failed] = self.counts();
        let s = if done == 1 { "" } else { "s" };
        let mut text = format!("{done} file{s} done");
        if skipped > 0 {
            text += &format!(", {skipped} skipped");
        }
        if failed > 0 {
            text += &format!(", {failed} failed");
        }
        let at_once = if self.jobs > 1 { format!(", {} at a time", self.jobs) } else { String::new() };
        let memory = memory_text(self.predicted(), sys::peak_resident(), self.limit);
        format!("{text} in {}{at_once}; memory: {memory}", seconds_text(self.seconds))
    }

    fn as_json(&self) -> Result<Json> {
        let [done, skipped, failed] = self.counts();
        let mut files = Vec::with_capacity(self.fates.len());
        for (index, fate) in self.fates.iter().enumerate() {
            let mut file = json!({ "path": self.batch.files[index], "outputs": self.batch.names(index)? });
            match fate {
                Fate::Done(figures) => {
                    file["outcome"] = json!("done");
                    file["seconds"] = json!(figures.seconds);
                    file["predicted_bytes"] = json!(figures.predicted);
                    file["result"] = json!(figures.result);
                }
                Fate::Skipped => file["outcome"] = json!("skipped"),
                Fate::Failed(error) => {
                    file["outcome"] = json!("failed");
                    file["error"] = json!(error.to_string().trim_end());
                }
            }
            files.push(file);
        }
        Ok(json!({
            "files": files,
            "done": done,
            "skipped": skipped,
            "failed": failed,
            "tables": self.batch.merged,
            "at_a_time": self.jobs,
            "seconds": self.seconds,
            "limit_bytes": self.limit,
            "predicted_bytes": self.predicted(),
            "peak_bytes": sys::peak_resident(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_in() {
        let filled = |template: &str, input: &str| fill(template, input, "007").map_err(|e| e.to_string());
        assert_eq!(filled("out/{stem}.npy", "plates/a.b.tif").as_deref(), Ok("out/a.b.npy"));
        assert_eq!(filled("{stem}{stem}", "a.ome.tif").as_deref(), Ok("aa"));
        assert_eq!(filled("{parent}_{name}_{index}", "x/p1/a.ome.zarr/").as_deref(), Ok("p1_a.ome.zarr_007"));
        assert_eq!(filled("{stem}.tif", "raw:d/b.bin?shape=2,3&dtype=uint8").as_deref(), Ok("b.tif"));
        assert!(filled("{steam}.npy", "a.tif").unwrap_err().contains("no field {steam}; there are {stem}, {name}"));
        assert!(filled("{stem}{", "a.tif").unwrap_err().contains("without its"));
        assert!(has_field("a{b}c") && !has_field("a}b{c") && !has_field("{"));
    }
}
