//! `apply_hysteresis_threshold`, and the hysteresis that edge detectors end with.

use super::classes::weak_and_strong;
use super::stitch::{filter, filter_on_torus};
use crate::array::{ArraySpec, Scalar};
use crate::error::{Error, Result};
use crate::graph::Array;
use crate::kernels::label::Structure;
use crate::kernels::label::filter::Marked;
use crate::ops::label::{connected, embedded};
use crate::ops::{AXES, Arg, Args, OpDef, Param, Type, call};

/// `skimage.filters.apply_hysteresis_threshold`.
pub static APPLY_HYSTERESIS_THRESHOLD: OpDef = OpDef {
    name: "apply_hysteresis_threshold",
    family: "objects",
    summary: "Keeps what is above the low threshold and connected to something above the high one.",
    details: "A pixel is set when it is greater than `low` and its component, connected across faces, holds a pixel \
              that is greater than `high`. A `low` above `high` counts as `high`. The thresholds are numbers, computed \
              scalars (`threshold_otsu(input)`) or arrays of the shape of `image`; as in scikit-image a plain number \
              `high` takes the element type of the image where `low` is compared in 64 bits.\n\n\
              Components are followed through the whole image, whatever its size: it is swept in slabs, a bit per pixel \
              and what becomes of the components between slabs go to scratch, and memory holds slabs and the seam \
              between two of them. Separate frames and channels of an array with named axes are taken one by one. \
              NaN is not above anything. The result is bool.",
    reference: "skimage.filters.apply_hysteresis_threshold",
    params: &[
        Param { name: "image", ty: Type::Array, default: None, doc: "The array." },
        Param {
            name: "low",
            ty: Type::ArrayOrNumber,
            default: None,
            doc: "What pixels must exceed to be kept with their component.",
        },
        Param {
            name: "high",
            ty: Type::ArrayOrNumber,
            default: None,
            doc: "What one pixel of a component must exceed for it to be kept.",
        },
        AXES,
    ],
    returns: &[("mask", "bool")],
    examples: &[
        "apply_hysteresis_threshold(input, 60, 100)",
        "apply_hysteresis_threshold(input, mean(input), mean(input) + std(input))",
        "apply_hysteresis_threshold(input, 120, 90.5, axes=[-1])",
        "apply_hysteresis_threshold(input, low=20, high=90, axes=[0])",
    ],
    build,
};

fn build(args: &Args) -> Result<Array> {
    let image = args.array("image")?;
    let spec = args.spec("image")?;
    if spec.rank() == 0 {
        return Err(args.error("takes an array, not a scalar"));
    }
    let axes = args.filter_axes(&spec)?;
    let structure = connected(spec.rank(), &axes, 1).map_err(|e| args.error(e))?;
    let high = threshold(args, "high")?;
    let low = clipped(args, threshold(args, "low")?, &high)?;
    let above = |value: Arg| call("greater", vec![Arg::Array(image.clone()), value], vec![]);
    let (weak, strong) = (above(low)?, above(high)?);
    for (name, mask) in [("low", &weak), ("high", &strong)] {
        if mask.shape() != Some(&spec.shape) {
            return Err(args.error(format!("`{name}` must be a number or have the shape of the image")));
        }
    }
    touched(&weak, &strong, &spec, &structure)
}

/// The components of a mask that hold a pixel of the other one, of whose pixels outside the mask nothing comes. `spec` has
/// the shape of both.
///
/// # Errors
/// As [`hysteresis`].
pub(crate) fn touched(mask: &Array, other: &Array, spec: &ArraySpec, structure: &Structure) -> Result<Array> {
    hysteresis(&weak_and_strong(mask, other, spec), structure, false)
}

fn threshold(args: &Args, name: &str) -> Result<Arg> {
    match args.get(name) {
        Some(Arg::Int(v)) => Ok(Arg::Int(*v)),
        Some(Arg::Array(array)) => Ok(Arg::Array(array.clone())),
        _ => args.number(name, 0.0).map(Arg::Float),
    }
}

/// The smaller of the two. Two numbers become a scalar that is not a literal, as NumPy's `clip` makes one of them.
fn clipped(args: &Args, low: Arg, high: &Arg) -> Result<Arg> {
    let number = |arg: &Arg| match arg {
        Arg::Int(v) => Some(*v as f64),
        Arg::Float(v) => Some(*v),
        _ => None,
    };
    match (&low, high) {
        (Arg::Int(a), Arg::Int(b)) => {
            let least = i64::try_from(*a.min(b)).map_err(|_| args.error("`low` must be a number of 64 bits"))?;
            Ok(Arg::Array(Array::constant(Scalar::of(least))))
        }
        (a, b) => match (number(a), number(b)) {
            (Some(a), Some(b)) => Ok(Arg::Array(Array::constant(Scalar::of(a.min(b))))),
            _ => call("minimum", vec![low, high.clone()], vec![]).map(Arg::Array),
        },
    }
}

/// The components of `classes` (uint8: 0 none, 1 weak, 2 strong) that hold a strong pixel.
///
/// `structure` says which pixels are connected: over all axes of the array, or over those that filters act on. With
/// `periodic` every plane along the last two axes is a torus.
///
/// # Errors
/// When the structure fits neither, the image cannot be labelled, or with `periodic` reaches along other axes.
pub(crate) fn hysteresis(classes: &Array, structure: &Structure, periodic: bool) -> Result<Array> {
    const NAME: &str = "hysteresis";
    let Some(spec) = classes.array_spec() else {
        return Err(Error::Internal(format!("{NAME}: a table has no components")));
    };
    let axes = spec.filter_axes();
    let whole = match structure.rank() {
        rank if rank == spec.rank() => structure.clone(),
        rank if rank == axes.len() => embedded(structure, spec.rank(), &axes).map_err(|e| Error::op(NAME, e))?,
        rank => return Err(Error::op(NAME, format!("the structure has {rank} axes, the image {}", spec.rank()))),
    };
    match periodic {
        true => filter_on_torus(NAME, classes, &whole, Marked { stay: true }),
        false => filter(NAME, classes, &whole, Marked { stay: true }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Run;
    use crate::array::DType;
    use crate::graph::{MemArray, Value};
    use crate::io::chunked::AlignedSink;

    fn image(shape: &[u64], classes: &[u8]) -> Array {
        let mut array = MemArray::zeros(ArraySpec::unnamed(shape, DType::U8)).unwrap();
        array.data.bytes_mut().copy_from_slice(classes);
        Array::value(Value::Array(array.into()))
    }

    fn run(array: &Array, tile: &[u64]) -> Vec<u8> {
        let spec = array.array_spec().unwrap().clone();
        let (sink, collected) = AlignedSink::new(spec, tile);
        Run::new().memory_limit(64 << 20).threads(2).tile(tile).sink(array, Box::new(sink)).run().unwrap();
        std::mem::take(&mut collected.lock().unwrap().data)
    }

    #[test]
    fn opposite_edges_touch_where_the_image_is_periodic() {
        // A weak line on each side of the left edge, of the upper edge, and across a corner; one weak pixel alone.
        let classes = [
            [1, 0, 1, 0, 0, 0, 0, 0],
            [0, 0, 0, 0, 0, 1, 0, 0],
            [1, 1, 0, 0, 0, 0, 0, 2],
            [0, 0, 0, 0, 0, 0, 0, 0],
            [0, 0, 2, 0, 0, 0, 0, 2],
        ];
        let image = image(&[5, 8], classes.as_flattened());
        let full = Structure::from_connectivity(2, 2).unwrap();
        let flat = hysteresis(&image, &full, false).unwrap();
        let round = hysteresis(&image, &full, true).unwrap();
        for tile in [[1, 8], [2, 3], [3, 8], [5, 8], [1, 1]] {
            assert_eq!(run(&flat, &tile).iter().map(|&p| u32::from(p)).sum::<u32>(), 3, "{tile:?}");
            let got = run(&round, &tile);
            let lone = 8 + 5;
            let want: Vec<u8> =
                (0..40).map(|pixel| u8::from(classes.as_flattened()[pixel] > 0 && pixel != lone)).collect();
            assert_eq!(got, want, "{tile:?}");
        }
    }

    #[test]
    fn frames_are_tori_by_themselves() {
        // Column by column, one pixel wide: the marks of a frame count for its ends only.
        let image = image(&[3, 4, 1], &[1, 0, 0, 2, 1, 0, 0, 1, 2, 0, 1, 1]);
        let lines = connected(3, &[1, 2], 2).unwrap();
        let round = hysteresis(&image, &lines, true).unwrap();
        for tile in [[1, 1, 1], [1, 3, 1], [2, 4, 1], [3, 4, 1]] {
            assert_eq!(run(&round, &tile), [1, 0, 0, 1, 0, 0, 0, 0, 1, 0, 1, 1], "{tile:?}");
        }
        let all = Structure::from_connectivity(3, 1).unwrap();
        assert!(hysteresis(&image, &all, true).is_err());
        assert!(hysteresis(&image, &Structure::from_connectivity(2, 1).unwrap(), true).is_err());
    }
}
