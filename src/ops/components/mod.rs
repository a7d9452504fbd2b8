//! Masks by component: what stays and what goes is decided for each connected component as a whole. And labels at the
//! pixels where they meet or grow.

mod boundaries;
mod classes;
mod expand;
mod filters;
pub(crate) mod hysteresis;
mod stitch;

pub use boundaries::FIND_BOUNDARIES;
pub use expand::EXPAND_LABELS;
pub use filters::{BINARY_FILL_HOLES, CLEAR_BORDER, KEEP_LARGEST, REMOVE_SMALL_HOLES, REMOVE_SMALL_OBJECTS};
pub use hysteresis::APPLY_HYSTERESIS_THRESHOLD;
pub(crate) use hysteresis::touched;
