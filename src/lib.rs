//! n-D scientific images larger than memory, under a hard memory limit, bit for bit as if they had fitted.

pub mod array;
pub mod budget;
mod cancel;
pub mod error;
pub mod exec;
pub mod graph;
pub mod io;
#[doc(hidden)]
pub mod kernels;
pub mod lang;
pub mod ops;
pub mod plan;
mod run;
pub mod sys;

pub use cancel::Cancel;
pub use error::{Error, Result};
pub use ops::map::{map_blocks, map_overlap};
pub use run::{OWN_OVERHEAD, Run, open, pipeline};
