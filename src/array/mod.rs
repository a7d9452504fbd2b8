//! What an array is: element types, shapes, axes, regions, views. No files, no threads, no operations.

mod axes;
mod boundary;
mod buffer;
mod dtype;
mod intervals;
mod region;
mod scalar;
mod view;

pub use axes::{ArraySpec, Axis, Column, Spec, TableSpec};
pub use boundary::{Mode, Source1};
pub use buffer::Buffer;
pub(crate) use dtype::with_dtype;
pub use dtype::{DType, Element};
pub use intervals::{Box1, IntervalSet, IntervalSets};
pub use region::{Dims, MAX_RANK, Region, elements, grid_len, tiles_along};
pub use scalar::Scalar;
pub use view::{View, ViewMut, copy, for_each_row, for_each_row_at, merge_axes};
