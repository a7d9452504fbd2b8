//! Canny's edges.

mod bleed;
mod canny;
mod suppress;

pub use canny::CANNY;
