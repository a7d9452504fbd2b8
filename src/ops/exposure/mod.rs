//! Exposure: the range of the values and their distribution.

mod adjust;
mod equalize;
mod rescale;

pub use adjust::{ADJUST_GAMMA, ADJUST_LOG, ADJUST_SIGMOID};
pub use equalize::EQUALIZE_HIST;
pub use rescale::RESCALE_INTENSITY;
