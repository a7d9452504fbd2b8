//! Progress on stderr: a bar on a terminal, a line per pass elsewhere.

use super::{code_pages, term};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tilewise::error::Bytes;
use tilewise::exec::{Event, Observer};
use tilewise::sys;

/// How often the figures beside the bar change.
const REFRESH: Duration = Duration::from_millis(150);

/// What is shown while a run goes.
#[derive(Debug)]
pub(super) enum Progress {
    Silent,
    /// Of one of several runs at the same time: what code one gives back the others need, and fetch again.
    BesideOthers,
    Lines,
    Bar(Bar),
}

#[derive(Debug)]
pub(super) struct Bar {
    bar: ProgressBar,
    limit: u64,
    pace: Mutex<Pace>,
}

/// How fast the present pass goes.
#[derive(Debug)]
struct Pace {
    started: Instant,
    shown: Instant,
    bytes: u64,
}

impl Progress {
    pub(super) fn silent() -> Self {
        Progress::Silent
    }

    /// A bar if stderr is a terminal.
    pub(super) fn new(limit: u64) -> Self {
        if !std::io::stderr().is_terminal() {
            return Progress::Lines;
        }
        let bar = ProgressBar::new(0);
        // Without colours, so that NO_COLOR has nothing to forbid.
        let style = ProgressStyle::with_template("{prefix} [{wide_bar}] {pos}/{len} tiles {msg} ETA {eta}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        let now = Instant::now();
        Progress::Bar(Bar { bar, limit, pace: Mutex::new(Pace { started: now, shown: now, bytes: 0 }) })
    }

    /// Clears the bar.
    pub(super) fn finish(&self) {
        if let Progress::Bar(bar) = self {
            bar.bar.finish_and_clear();
        }
    }
}

impl Observer for Progress {
    fn event(&self, event: &Event) {
        if matches!(self, Progress::BesideOthers) {
            return;
        }
        // What a pass is set up with is not needed to go on either; and pages come back in windows that hold more than is
        // needed, so they are given back again, ever more seldom.
        let is_due = match event {
            Event::PassStarted { .. } => true,
            Event::TileComputed { tile } | Event::TileWritten { tile, .. } => *tile == 0 || tile.is_power_of_two(),
            Event::TileRead { .. } => false,
        };
        if is_due {
            code_pages::give_back();
        }
        match (self, event) {
            (Progress::Lines, Event::PassStarted { pass, passes, tiles }) => {
                term::note(&pass_text(*pass, *passes, *tiles));
            }
            (Progress::Bar(bar), Event::PassStarted { pass, passes, tiles }) => bar.start(*pass, *passes, *tiles),
            (Progress::Bar(bar), Event::TileWritten { bytes, .. }) => bar.advance(*bytes),
            _ => {}
        }
    }
}

fn pass_text(pass: usize, passes: usize, tiles: u64) -> String {
    let s = if tiles == 1 { "" } else { "s" };
    format!("pass {} of {passes}: {tiles} tile{s}", pass + 1)
}

impl Bar {
    fn start(&self, pass: usize, passes: usize, tiles: u64) {
        let now = Instant::now();
        let mut pace = self.pace();
        *pace = Pace { started: now, shown: now, bytes: 0 };
        self.bar.set_length(tiles);
        self.bar.set_prefix(format!("pass {}/{passes}", pass + 1));
        self.bar.set_message(self.figures(&pace));
        self.bar.reset();
    }

    fn advance(&self, bytes: u64) {
        let mut pace = self.pace();
        pace.bytes += bytes;
        if pace.shown.elapsed() >= REFRESH {
            pace.shown = Instant::now();
            self.bar.set_message(self.figures(&pace));
        }
        drop(pace);
        self.bar.inc(1);
    }

    fn figures(&self, pace: &Pace) -> String {
        let speed = pace.bytes as f64 / 1e6 / pace.started.elapsed().as_secs_f64().max(1e-3);
        let limit = Bytes(self.limit);
        match sys::resident() {
            Some(held) => format!("{speed:.0} MB/s, {} of {limit}", Bytes(held)),
            None => format!("{speed:.0} MB/s, limit {limit}"),
        }
    }

    fn pace(&self) -> std::sync::MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
