//! Masks by component: what stays and what goes is decided for each connected component as a whole.

mod classes;
pub(crate) mod hysteresis;
mod stitch;

pub use hysteresis::APPLY_HYSTERESIS_THRESHOLD;
