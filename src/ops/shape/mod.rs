//! Arrays side by side, turned round, with more or fewer axes. No element changes its value.

mod axes;
mod crop;
mod flip;
mod join;

pub(super) use axes::{EXPAND_DIMS, SQUEEZE, TRANSPOSE};
pub(super) use crop::CROP;
pub(super) use flip::FLIP;
pub(super) use join::{BLOCK, CONCATENATE, STACK};
