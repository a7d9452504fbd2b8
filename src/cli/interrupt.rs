//! Ctrl-C.

use std::process::exit;
use tilewise::{Cancel, Error};

/// A flag that the first Ctrl-C (or SIGTERM) raises, so that the run cleans up; the second ends the process at once.
pub(super) fn cancelled_by_ctrl_c() -> Cancel {
    let cancel = Cancel::new();
    let raised = cancel.clone();
    let handler = move || {
        if raised.is_cancelled() {
            exit(i32::from(Error::Cancelled.exit_code()));
        }
        raised.cancel();
    };
    // Without a handler Ctrl-C ends the process as it always did: nothing to tell.
    let _ = ctrlc::set_handler(handler);
    cancel
}
