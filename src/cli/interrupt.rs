//! Ctrl-C.

use std::process::exit;
use std::time::{Duration, Instant};
use tilewise::{Cancel, Error};

/// A second signal sooner than this after the first is the same wish: shells and `timeout` signal a process and its
/// group, which arrives twice.
const SAME_WISH: Duration = Duration::from_millis(500);

/// A flag that the first Ctrl-C (or SIGTERM) raises, so that the run cleans up; the next ends the process at once.
pub(super) fn cancelled_by_ctrl_c() -> Cancel {
    let cancel = Cancel::new();
    let raised = cancel.clone();
    let mut first: Option<Instant> = None;
    let handler = move || match first {
        Some(at) if at.elapsed() > SAME_WISH => exit(i32::from(Error::Cancelled.exit_code())),
        Some(_) => {}
        None => {
            first = Some(Instant::now());
            raised.cancel();
        }
    };
    // Without a handler Ctrl-C ends the process as it always did: nothing to tell.
    let _ = ctrlc::set_handler(handler);
    cancel
}
