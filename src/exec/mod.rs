//! Carries a plan out: reader → bounded channel → workers → reorder window → writer, one pass after the other.

mod block;
mod cache;
mod gather;
mod pipeline;
mod read;
mod report;
mod scratch;
mod values;

pub use report::{Decoded, Event, Observer, PassReport, Quiet, Report};
pub use scratch::Scratch;

use crate::array::View;
use crate::budget::{Budget, Lease};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::plan::{Output, Plan, Resources, To};
use scratch::Kept;
use std::sync::Arc;
use std::time::Instant;
use values::Values;

/// What a run is handed besides its plan.
pub struct Context<'a> {
    /// What it may use; the same as the plan was made for.
    pub resources: &'a Resources,
    /// The memory it may hold, `resources.memory` or a larger budget shared with others.
    pub budget: &'a Budget,
    /// Where intermediates go.
    pub scratch: Arc<Scratch>,
    /// Hears what happens, from several threads.
    pub observer: &'a dyn Observer,
    /// Stops the run.
    pub cancel: &'a Cancel,
}

/// Carries out `plan` for `outputs`, which it was made from.
///
/// # Errors
/// Whatever the sources, sinks, scratch and ops report, first failure first; [`Error::Cancelled`] when stopped. Then
/// no output is left behind.
pub fn run(plan: &Plan, outputs: &mut [Output], context: &Context<'_>) -> Result<Report> {
    let done = run_to_the_end(plan, outputs, context);
    if done.is_err() {
        for output in outputs {
            if let To::Sink(sink) = &mut output.to {
                sink.abort();
            }
        }
    }
    done
}

fn run_to_the_end(plan: &Plan, outputs: &mut [Output], context: &Context<'_>) -> Result<Report> {
    let started = Instant::now();
    // All that the dearest pass holds, at once: two runs that share a budget must not wait for each other's second half.
    let _leases: Vec<Lease> = context.budget.lease_all(&plan.bill.entries, context.cancel)?;
    let mut report = run_passes(plan, outputs, context)?;
    for output in outputs {
        if let To::Sink(sink) = &mut output.to {
            sink.finish(plan.finishers, context.cancel)?;
            sink.commit()?;
        }
    }
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

fn run_passes(plan: &Plan, outputs: &mut [Output], context: &Context<'_>) -> Result<Report> {
    let mut report = Report { predicted: plan.bill.total(), ..Report::default() };
    let mut values = Values::new(plan, context.resources.access)?;
    let mut kept: Vec<Option<Arc<Kept>>> = plan.spills.iter().map(|_| None).collect();
    for (index, pass) in plan.passes.iter().enumerate() {
        context.cancel.check()?;
        values.compute_scalars(plan, pass.level)?;
        values.forget(plan, pass.level);
        context.observer.event(&Event::PassStarted { pass: index, passes: plan.passes.len(), tiles: pass.sweep.tiles });
        let passed = pipeline::run_pass(plan, index, outputs, &mut values, &mut kept, context)?;
        report.passes.push(passed);
    }
    let last = plan.steps.iter().map(|s| s.level).max().unwrap_or(0);
    values.compute_scalars(plan, last)?;
    for (i, output) in outputs.iter_mut().enumerate() {
        let value = values.get(plan.outputs[i]).cloned();
        write_scalar(output, value.as_ref())?;
        report.values.push(value);
    }
    report.accounts = context.budget.accounts();
    report.scratch = context.scratch.peak();
    Ok(report)
}

/// A scalar that goes to a file never streamed by.
fn write_scalar(output: &mut Output, value: Option<&crate::graph::Value>) -> Result<()> {
    let To::Sink(sink) = &mut output.to else { return Ok(()) };
    if sink.spec().rank() > 0 {
        return Ok(());
    }
    let Some(scalar) = value.and_then(|v| v.to_scalar()) else {
        return Err(Error::Usage(format!("{}: there is no value to write", sink.path().display())));
    };
    sink.begin()?;
    let region = crate::array::Region::whole(&[]);
    sink.write(&region, View::new(scalar.dtype(), &[], scalar.bytes()))
}
