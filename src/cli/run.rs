//! `tilewise run`, and what the demo shares with it: a run with progress, and what there is to say afterwards.

use super::batch::{self, How};
use super::job::{Asked, Job, Place, Wanted};
use super::means::Means;
use super::progress::Progress;
use super::{RunArgs, interrupt, term, value};
use serde_json::{Value as Json, json};
use tilewise::error::Bytes;
use tilewise::exec::{Decoded, Report};
use tilewise::plan::Plan;
use tilewise::{Cancel, Error, Result, Run, sys};

pub(super) fn run(args: &RunArgs) -> Result<()> {
    let asked = Asked::new(&args.job)?;
    if asked.is_batch() {
        let RunArgs { job, quiet, json, skip_existing } = args;
        let how = How { means: &job.means, quiet: *quiet, json: *json, skip_existing: *skip_existing };
        return batch::run(&asked, &how);
    }
    if args.skip_existing {
        return Err(Error::Usage("--skip-existing is for batches: OUT with a field such as {stem}".into()));
    }
    let cancel = interrupt::cancelled_by_ctrl_c();
    let means = Means::new(&args.job.means)?;
    let job = asked.job()?;
    let outcome = alone(&job, &means, &cancel, args.quiet)?;
    if args.json {
        return term::print_json(&outcome.as_json(&job));
    }
    match job.printed(&outcome.report) {
        Some(result) => term::print(&format!("{}\n", value::text(result))),
        None => Ok(()),
    }
}

/// Runs one job and sums it up on stderr.
pub(super) fn alone(job: &Job, means: &Means, cancel: &Cancel, quiet: bool) -> Result<Outcome> {
    if !quiet {
        means.warn();
    }
    let progress = if quiet { Progress::silent() } else { Progress::new(means.limit) };
    let outcome = carry_out(job, means, &progress, cancel, |plan| {
        if !quiet {
            warn_of_repeats(plan);
        }
        Ok(())
    })?;
    if !quiet {
        term::note(&outcome.summary());
        for (path, what) in job.lost() {
            term::note(&format!("warning: {path} cannot hold {}", what.join("; ")));
        }
    }
    Ok(outcome)
}

/// From here on a run says beforehand that it will take long because the limit is small.
const MANY_TIMES: f64 = 10.0;

fn warn_of_repeats(plan: &Plan) {
    let most = plan.passes.iter().map(|p| p.sweep.amplification).fold(1.0, f64::max);
    if most > MANY_TIMES {
        term::note(&format!(
            "warning: the windows are large for this limit: pixels are computed {most:.0} times over; a larger \
             --memory-limit avoids that (`tilewise explain` shows it)"
        ));
    }
}

/// What a run did and what was known before.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) report: Report,
    pub(super) limit: u64,
    /// The most memory the process ever held, where the system says so.
    pub(super) peak: Option<u64>,
}

/// Plans, shows the plan to `look`, runs, writes the tables.
pub(super) fn carry_out(
    job: &Job,
    means: &Means,
    progress: &Progress,
    cancel: &Cancel,
    look: impl FnOnce(&Plan) -> Result<()>,
) -> Result<Outcome> {
    let run = job.add_to(Run::new().observer(progress).cancel(cancel))?;
    let mut run = means.apply(run);
    let plan = run.plan()?;
    look(&plan)?;
    let done = run.run_plan(&plan);
    progress.finish();
    let report = done?;
    job.write_tables(&report)?;
    Ok(Outcome { report, limit: means.limit, peak: sys::peak_resident() })
}

impl Outcome {
    /// One line: how long, how much memory, what was decoded more than once.
    pub(super) fn summary(&self) -> String {
        let mut line = format!("done in {}; ", seconds_text(self.report.seconds));
        line += &format!("memory: {}", memory_text(self.report.predicted, self.peak, self.limit));
        for again in self.decoded().filter(|d| d.decodes > d.chunks) {
            let times = again.decodes as f64 / again.chunks.max(1) as f64;
            line += &format!("; {}: chunks decoded {times:.1} times", again.name);
        }
        line
    }

    fn decoded(&self) -> impl Iterator<Item = &Decoded> {
        self.report.passes.iter().flat_map(|p| &p.decoded)
    }

    pub(super) fn as_json(&self, job: &Job) -> Json {
        let report = &self.report;
        let outputs: Vec<Json> = job.wanted.iter().filter(|w| w.place != Place::Printed).map(output_json).collect();
        let passes: Vec<Json> = report
            .passes
            .iter()
            .map(|pass| {
                let decoded: Vec<Json> = pass
                    .decoded
                    .iter()
                    .map(|d| json!({ "name": d.name, "chunks": d.chunks, "decodes": d.decodes }))
                    .collect();
                json!({ "seconds": pass.seconds, "tiles": pass.tiles, "bytes": pass.bytes, "decoded": decoded })
            })
            .collect();
        let accounts: Vec<Json> =
            report.accounts.iter().map(|a| json!({ "name": a.name, "peak_bytes": a.peak })).collect();
        json!({
            "result": job.printed(report).map(value::json),
            "outputs": outputs,
            "seconds": report.seconds,
            "limit_bytes": self.limit,
            "predicted_bytes": report.predicted,
            "peak_bytes": self.peak,
            "scratch_bytes": report.scratch,
            "passes": passes,
            "accounts": accounts,
        })
    }
}

/// A result and where it went (or will go).
pub(super) fn output_json(wanted: &Wanted) -> Json {
    let spec = wanted.array.array_spec();
    json!({
        "path": wanted.place_text(),
        "shape": spec.map(|s| s.shape.to_vec()),
        "axes": spec.map(|s| s.letters()),
        "dtype": spec.map(|s| s.dtype.to_string()),
        "bytes": spec.map(|s| s.bytes()),
    })
}

/// Predicted, measured, allowed.
pub(super) fn memory_text(predicted: u64, peak: Option<u64>, limit: u64) -> String {
    let peak = peak.map_or_else(|| "not measured here".to_string(), |p| Bytes(p).to_string());
    format!("predicted {}, peak {peak}, limit {}", Bytes(predicted), Bytes(limit))
}

/// `0.02 s`, `12.3 s`, `4 min 05 s`
pub(super) fn seconds_text(seconds: f64) -> String {
    match seconds {
        s if s < 10.0 => format!("{s:.2} s"),
        s if s < 120.0 => format!("{s:.1} s"),
        s => format!("{} min {:02} s", s as u64 / 60, s as u64 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let cases = [(0.004, "0.00 s"), (12.34, "12.3 s"), (245.6, "4 min 05 s")];
        cases.into_iter().for_each(|(seconds, text)| assert_eq!(seconds_text(seconds), text));
    }
}
