//! n-D scientific images larger than memory, under a hard memory limit, bit for bit as if they had fitted.

pub mod array;
pub mod budget;
mod cancel;
pub mod error;
pub mod graph;
pub mod io;
mod kernels;
pub mod ops;
pub mod plan;

pub use cancel::Cancel;
pub use error::{Error, Result};
