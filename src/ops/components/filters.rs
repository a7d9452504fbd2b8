//! Filters that look at the size of objects or at where they lie: of the components of a mask, or of labels.

use super::classes::{bordered, weak_and_strong};
use super::stitch::filter;
use crate::array::{ArraySpec, DType};
use crate::error::Result;
use crate::graph::Array;
use crate::kernels::label::filter::{AtLeast, Largest, Marked};
use crate::ops::label::{by_connectivity, by_structure, connected};
use crate::ops::relabel;
use crate::ops::{AXES, Arg, Args, OpDef, Param, Type, call};

const MASK: Param =
    Param { name: "mask", ty: Type::Array, default: None, doc: "A bool array, or an integer array of labels." };
const CONNECTIVITY: Param = Param {
    name: "connectivity",
    ty: Type::Integer,
    default: Some("1"),
    doc: "Steps along how many axes at once are neighbours: 1 (faces) to the number of axes (all).",
};

/// `scipy.ndimage.binary_fill_holes`.
pub static BINARY_FILL_HOLES: OpDef = OpDef {
    name: "binary_fill_holes",
    family: "objects",
    summary: "Fills the holes of objects: background that no path leads out of.",
    details: "A hole is a component of zero pixels from which no step leads out of the image. `structure` says which \
              background pixels are connected (faces by default) and, as in scipy, along which axes steps out of the \
              image count: with a structure along rows only, a column is closed above and below. It must have 3 cells \
              along every axis and be symmetric about its centre, which does not matter; scipy also takes larger and \
              lopsided ones.\n\n\
              Any numeric array, nonzero (NaN too) is object; the result is bool. The background is followed through the \
              whole image, slab by slab, as `label` follows objects; memory does not depend on the number of holes. \
              Separate frames and channels of an array with named axes are filled one by one.",
    reference: "scipy.ndimage.binary_fill_holes",
    params: &[
        Param { name: "input", ty: Type::Array, default: None, doc: "The array; nonzero is object." },
        Param {
            name: "structure",
            ty: Type::Any,
            default: Some("none"),
            doc: "Which background pixels are connected: a list of 3 per axis, symmetric about its centre, or \"cross\", \
                  \"full\".",
        },
        AXES,
    ],
    returns: &[("mask", "bool")],
    examples: &[
        "binary_fill_holes(input > 60)",
        "binary_fill_holes(input, structure=\"full\")",
        "binary_fill_holes(input < 100, axes=[-1])",
    ],
    build: fill_holes,
};

/// `skimage.morphology.remove_small_objects`.
pub static REMOVE_SMALL_OBJECTS: OpDef = OpDef {
    name: "remove_small_objects",
    family: "objects",
    summary: "Removes the components of a mask, or the labels, that have at most `max_size` pixels.",
    details: "Objects with up to `max_size` pixels go. `min_size` may be given instead: objects with fewer pixels \
              go, which is what scikit-image's deprecated parameter says and did up to 0.25 (0.26 takes it for \
              `max_size`).\n\n\
              Of a bool array the objects are its connected components. Sizes count the whole component, however many \
              slabs it lies in; memory does not depend on the number of components. Separate frames and channels of an \
              array with named axes are taken one by one. The result is bool.\n\n\
              Integers are a label image, as for scikit-image: every label is an object, wherever its pixels lie, and \
              `connectivity` and `axes` do not matter (give `input > 0` to go by component). Labels that stay keep \
              their numbers and their type; labels below 0 are an error. Sizes go to scratch when there are many \
              labels.",
    reference: "skimage.morphology.remove_small_objects",
    params: &[
        Param { name: "ar", ..MASK },
        Param {
            name: "min_size",
            ty: Type::Number,
            default: Some("none"),
            doc: "The fewest pixels of an object that stays; instead of max_size.",
        },
        CONNECTIVITY,
        Param {
            name: "max_size",
            ty: Type::Number,
            default: Some("64"),
            doc: "The most pixels of an object that goes.",
        },
        AXES,
    ],
    returns: &[("objects", "bool, or labels as ar")],
    examples: &[
        "remove_small_objects(input > 60, max_size=4)",
        "remove_small_objects(label(input > 60), max_size=4)",
        "remove_small_objects(cast(input, \"uint16\"), min_size=2)",
        "remove_small_objects(input > 90, min_size=3, connectivity=1, axes=[-1])",
        "remove_small_objects(input < 100)",
    ],
    build: remove_small_objects,
};

/// `skimage.morphology.remove_small_holes`.
pub static REMOVE_SMALL_HOLES: OpDef = OpDef {
    name: "remove_small_holes",
    family: "objects",
    summary: "Fills the components of the background that have at most `max_size` pixels.",
    details: "Components of zero pixels with up to `max_size` pixels are filled, at the border too. `area_threshold` may \
              be given instead: components with fewer pixels are filled, which is what scikit-image's deprecated \
              parameter says and did up to 0.25 (0.26 takes it for `max_size`).\n\n\
              Any numeric array, nonzero is object; the result is bool, also of a label image. Memory does not depend on \
              the number of holes. Separate frames and channels of an array with named axes are taken one by one.",
    reference: "skimage.morphology.remove_small_holes",
    params: &[
        Param { name: "ar", ty: Type::Array, default: None, doc: "The array; nonzero is object." },
        Param {
            name: "area_threshold",
            ty: Type::Number,
            default: Some("none"),
            doc: "The fewest pixels of a hole that stays; instead of max_size.",
        },
        CONNECTIVITY,
        Param {
            name: "max_size",
            ty: Type::Number,
            default: Some("64"),
            doc: "The most pixels of a hole that is filled.",
        },
        AXES,
    ],
    returns: &[("mask", "bool")],
    examples: &[
        "remove_small_holes(input > 60, max_size=4)",
        "remove_small_holes(input, area_threshold=3)",
        "remove_small_holes(input > 30, axes=[0])",
    ],
    build: remove_small_holes,
};

/// `skimage.segmentation.clear_border`.
pub static CLEAR_BORDER: OpDef = OpDef {
    name: "clear_border",
    family: "objects",
    summary: "Removes the components of a mask, or the labels, that reach the border.",
    details: "Objects that hold a pixel within `buffer_size` of the outermost pixels go; with `mask`, those that \
              hold a pixel where it is false, and `buffer_size` does not matter. Separate frames and channels of an array \
              with named axes each have their own border.\n\n\
              Of a bool array the objects are its components, connected along all axes at once as in scikit-image, and \
              cleared pixels are false. They are followed through the whole image; memory does not depend on their \
              number. The result is bool.\n\n\
              Integers are a label image: every label is an object, and cleared pixels become `bgval`. A label in \
              several pieces goes as a whole (scikit-image clears the pieces that reach the border and leaves the \
              others), and with a `bgval` the background stays 0 (scikit-image changes it where it reaches the border). \
              Labels below 0 are an error.",
    reference: "skimage.segmentation.clear_border",
    params: &[
        Param { name: "labels", ..MASK },
        Param {
            name: "buffer_size",
            ty: Type::Integer,
            default: Some("0"),
            doc: "How far from the border objects are cleared: 0 is the outermost pixels.",
        },
        Param { name: "bgval", ty: Type::Integer, default: Some("0"), doc: "What cleared pixels of labels become." },
        Param {
            name: "mask",
            ty: Type::Array,
            default: Some("none"),
            doc: "A bool array of the same shape; objects that lie where it is false go.",
        },
        AXES,
    ],
    returns: &[("objects", "bool, or labels as labels")],
    examples: &[
        "clear_border(input > 60)",
        "clear_border(label(input > 90))",
        "clear_border(label(input > 90, axes=[-1]), bgval=7, axes=[-1])",
        "clear_border(cast(input, \"uint8\"), mask=input < 110)",
        "clear_border(input > 90, axes=[-1])",
        "clear_border(input < 90, mask=input < 110)",
    ],
    build: clear_border,
};

/// The largest component of a mask, or the largest label.
pub static KEEP_LARGEST: OpDef = OpDef {
    name: "keep_largest",
    family: "objects",
    summary: "Keeps the largest component of a mask, or the largest label.",
    details: "The component with the most pixels stays; of several the one whose first pixel comes first in raster \
              order, as `np.bincount(labels.ravel())[1:].argmax() + 1` chooses it. Of an array with named axes it is the \
              largest of all frames and channels together. Sizes count the whole component, and memory does not depend on \
              the number of components. The result is bool.\n\n\
              Integers are a label image: the label with the most pixels stays, the smallest of several, and \
              `connectivity` and `axes` do not matter (give `input > 0` to go by component). Labels below 0 are an \
              error.",
    reference: "scipy.ndimage.label, numpy.bincount, numpy.argmax",
    params: &[MASK, CONNECTIVITY, AXES],
    returns: &[("object", "bool, or labels as mask")],
    examples: &[
        "keep_largest(input > 60)",
        "keep_largest(input < 90, connectivity=1, axes=[-1])",
        "keep_largest(label(input > 60))",
        "keep_largest(cast(input, \"int16\"))",
    ],
    build: keep_largest,
};

/// A mask, whose components are meant, or labels, one value per object.
fn objects(args: &Args, name: &str) -> Result<(Array, ArraySpec)> {
    let (array, spec) = (args.array(name)?, args.spec(name)?);
    if spec.dtype.is_float() {
        return Err(
            args.error(format!("`{name}` must be a bool array or an integer array of labels, not {}", spec.dtype))
        );
    }
    if spec.rank() == 0 {
        return Err(args.error(format!("`{name}` must be an array, not a scalar")));
    }
    Ok((array, spec))
}

fn background(args: &Args, name: &str) -> Result<(Array, ArraySpec)> {
    let (array, spec) = (args.array(name)?, args.spec(name)?);
    if spec.rank() == 0 {
        return Err(args.error(format!("`{name}` must be an array, not a scalar")));
    }
    Ok((call("equal", vec![Arg::Array(array), Arg::Int(0)], vec![])?, spec))
}

fn not(mask: Array) -> Result<Array> {
    call("bitwise_not", vec![Arg::Array(mask)], vec![])
}

fn fill_holes(args: &Args) -> Result<Array> {
    let (background, spec) = background(args, "input")?;
    let structure = by_structure(args, &spec)?;
    let classes = bordered(&background, &spec, &structure.axes(), 1);
    not(filter(args.name(), &classes, &structure, Marked { stay: true })?)
}

/// The fewest pixels of a component that is not small.
fn least(args: &Args, min_size: &str) -> Result<u64> {
    if args.given(min_size) && args.given("max_size") {
        return Err(args.error(format!("give `max_size` or `{min_size}`, not both")));
    }
    let least = match args.given(min_size) {
        true => args.number(min_size, 0.0)?.ceil(),
        false => args.number("max_size", 64.0)?.floor() + 1.0,
    };
    // A negative number becomes 0.
    Ok(least as u64)
}

fn remove_small_objects(args: &Args) -> Result<Array> {
    let (array, spec) = objects(args, "ar")?;
    let structure = by_connectivity(args, &spec)?;
    let pixels = least(args, "min_size")?;
    match spec.dtype {
        DType::Bool => filter(args.name(), &array, &structure, AtLeast { pixels }),
        _ => Ok(relabel::at_least(args.name(), &array, &spec, pixels)),
    }
}

fn remove_small_holes(args: &Args) -> Result<Array> {
    let (background, spec) = background(args, "ar")?;
    let structure = by_connectivity(args, &spec)?;
    not(filter(args.name(), &background, &structure, AtLeast { pixels: least(args, "area_threshold")? })?)
}

fn clear_border(args: &Args) -> Result<Array> {
    let (labels, spec) = objects(args, "labels")?;
    let axes = args.filter_axes(&spec)?;
    let structure = connected(spec.rank(), &axes, axes.len()).map_err(|e| args.error(e))?;
    let (is_mask, bgval) = (spec.dtype == DType::Bool, args.integer("bgval", 0)?);
    if is_mask && bgval != 0 {
        return Err(args.error("`bgval` must be 0: a cleared pixel of a mask is false"));
    }
    let mask = match is_mask {
        true => labels.clone(),
        false => call("not_equal", vec![Arg::Array(labels.clone()), Arg::Int(0)], vec![])?,
    };
    let classes = match args.given("mask") {
        true => weak_and_strong(&mask, &outside(args, &spec)?, &spec),
        false => bordered(&mask, &spec, &axes, border(args, &spec, &axes)?),
    };
    if !is_mask {
        return relabel::unmarked(args, &labels, &spec, &classes, bgval);
    }
    filter(args.name(), &classes, &structure, Marked { stay: false })
}

/// Where the `mask` argument is false.
fn outside(args: &Args, spec: &ArraySpec) -> Result<Array> {
    let (mask, own) = (args.array("mask")?, args.spec("mask")?);
    if own.dtype != DType::Bool || own.shape != spec.shape {
        let (is, shape) = (own.dtype, &own.shape);
        return Err(args.error(format!("`mask` must be bool and of shape {:?}, it is {is} {shape:?}", spec.shape)));
    }
    not(mask)
}

/// How many pixels from each edge on are the border.
fn border(args: &Args, spec: &ArraySpec, axes: &[usize]) -> Result<u64> {
    let size = args.integer("buffer_size", 0)?;
    let most = axes.iter().map(|&axis| spec.shape[axis]).min().unwrap_or(1);
    match u64::try_from(size) {
        Ok(size) if size < most => Ok(size + 1),
        _ => Err(args.error(format!("`buffer_size` is {size}, it must be 0 to {}", most.saturating_sub(1)))),
    }
}

fn keep_largest(args: &Args) -> Result<Array> {
    let (array, spec) = objects(args, "mask")?;
    let structure = by_connectivity(args, &spec)?;
    match spec.dtype {
        DType::Bool => filter(args.name(), &array, &structure, Largest),
        _ => Ok(relabel::largest(args.name(), &array, &spec)),
    }
}
