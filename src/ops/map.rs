//! Operations that the library's user brings: closures over tiles, under the same promises.

use crate::array::{ArraySpec, Element, Mode, Region, Scalar, View, ViewMut};
use crate::error::{Error, Result};
use crate::graph::{Array, Cx, Need, TileOp};
use ndarray::{ArrayViewD, ArrayViewMutD, IxDyn, ShapeBuilder};
use std::fmt;
use std::marker::PhantomData;

/// Applies a closure to every element's tile: `f` gets a box of the input and the same box of the output.
///
/// What `f` writes to an element may depend only on the same element of the input, or the result depends on the
/// tiling. Memory that `f` allocates is not on the bill.
///
/// # Errors
/// When `input` is a table or its element type is not `T` (`bool` arrays are `u8`).
///
/// ```
/// # fn main() -> tilewise::Result<()> {
/// use tilewise::array::{ArraySpec, DType};
/// use tilewise::graph::{Array, MemArray, Value};
/// let zeros = MemArray::zeros(ArraySpec::unnamed(&[4, 4], DType::F32))?;
/// let input = Array::value(Value::Array(zeros.into()));
/// let plus_one = tilewise::map_blocks::<f32, f32>(&input, |tile, mut out| out.assign(&tile.mapv(|v| v + 1.0)))?;
/// assert_eq!(plus_one.dtype(), Some(DType::F32));
/// # Ok(()) }
/// ```
pub fn map_blocks<T: Element, U: Element>(
    input: &Array,
    f: impl Fn(ArrayViewD<'_, T>, ArrayViewMutD<'_, U>) + Send + Sync + 'static,
) -> Result<Array> {
    let rank = input.array_spec().map_or(0, ArraySpec::rank);
    map_overlap(input, &vec![0; rank], Mode::Reflect, T::default(), f)
}

/// Applies a closure to every tile with a margin: `f` gets the box of the input that is `depth[axis]` wider on both
/// sides of every axis, what lies outside the image filled in as `boundary` says (`cval` for [`Mode::Constant`]), and
/// the box of the output to write.
///
/// What `f` writes to an element may depend only on the input within `depth` of it, or the result depends on the
/// tiling. Memory that `f` allocates is not on the bill.
///
/// # Errors
/// When `input` is a table, its element type is not `T` (`bool` arrays are `u8`), or `depth` has not one entry per
/// axis.
pub fn map_overlap<T: Element, U: Element>(
    input: &Array,
    depth: &[u64],
    boundary: Mode,
    cval: T,
    f: impl Fn(ArrayViewD<'_, T>, ArrayViewMutD<'_, U>) + Send + Sync + 'static,
) -> Result<Array> {
    let Some(spec) = input.array_spec() else {
        return Err(Error::op("map_overlap", "the input is a table, not an array"));
    };
    let stored_as_u8 = spec.dtype == crate::array::DType::Bool && T::DTYPE == crate::array::DType::U8;
    if spec.dtype != T::DTYPE && !stored_as_u8 {
        return Err(Error::op("map_overlap", format!("the closure takes {}, the input is {}", T::DTYPE, spec.dtype)));
    }
    if depth.len() != spec.rank() {
        let (got, rank) = (depth.len(), spec.rank());
        return Err(Error::op("map_overlap", format!("`depth` has {got} entries for {rank} axes")));
    }
    let output = spec.with_dtype(U::DTYPE);
    let op = MapOverlap { depth: depth.to_vec(), boundary, cval, f, types: PhantomData::<fn(T) -> U> };
    Ok(Array::tile(op, vec![input.clone()], output).from_call("map_overlap()"))
}

struct MapOverlap<T, U, F> {
    depth: Vec<u64>,
    boundary: Mode,
    cval: T,
    f: F,
    types: PhantomData<fn(T) -> U>,
}

impl<T: Element, U, F> fmt::Debug for MapOverlap<T, U, F> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "MapOverlap {{ depth: {:?}, boundary: {:?} }}", self.depth, self.boundary)
    }
}

impl<T, U, F> TileOp for MapOverlap<T, U, F>
where
    T: Element,
    U: Element,
    F: Fn(ArrayViewD<'_, T>, ArrayViewMutD<'_, U>) + Send + Sync,
{
    fn name(&self) -> &'static str {
        "map_overlap"
    }

    fn need(&self, _input: usize, out: &Region, _inputs: &[ArraySpec]) -> Need {
        let mut need = Need::inside(out);
        for (axis, &depth) in self.depth.iter().enumerate() {
            need.start[axis] -= depth as i64;
            need.shape[axis] += 2 * depth;
        }
        if self.depth.iter().any(|&d| d > 0) {
            need.outside = Some((self.boundary, Scalar::of(self.cval)));
        }
        need
    }

    fn run(&self, _cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, _scratch: &mut [u8]) -> Result<()> {
        let bad = |e: ndarray::ShapeError| Error::op("map_overlap", format!("a tile cannot be shown: {e}"));
        let input = &inputs[0];
        let shape = IxDyn(input.shape()).strides(IxDyn(input.strides()));
        let tile = ArrayViewD::from_shape(shape, input.typed::<T>()).map_err(bad)?;
        let shape = IxDyn(out.shape()).strides(IxDyn(out.strides()));
        let out = ArrayViewMutD::from_shape(shape, out.typed_mut::<U>()).map_err(bad)?;
        (self.f)(tile, out);
        Ok(())
    }

    fn cost(&self) -> f64 {
        5.0
    }
}
