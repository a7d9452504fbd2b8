//! One threshold for the whole image, found in its histogram.

use super::counts::{Rule, from_histogram, image};
use super::rules::{Isodata, Minimum, Otsu, Triangle, Yen};
use crate::error::Result;
use crate::graph::Array;
use crate::ops::histogram::nbins;
use crate::ops::{Arg, Args, INPUT, OpDef, Param, Type, call};

const NBINS: Param =
    Param { name: "nbins", ty: Type::Integer, default: Some("256"), doc: "The number of bins for floats; at least 1." };

const RETURNS: &[(&str, &str)] = &[("threshold", "The threshold: int64 for types of up to 16 bits, else float64.")];

fn by_rule(args: &Args, rule: impl Rule) -> Result<Array> {
    from_histogram(args, nbins(args, "nbins", 256)?, rule, &[])
}

fn threshold_minimum(args: &Args) -> Result<Array> {
    let max_num_iter = args.integer("max_num_iter", 10_000)?;
    match u64::try_from(max_num_iter) {
        Ok(max_num_iter) if (1..=1_000_000).contains(&max_num_iter) => by_rule(args, Minimum { max_num_iter }),
        _ => Err(args.error(format!("`max_num_iter` is {max_num_iter}, it lies in 1..=1000000"))),
    }
}

fn threshold_mean(args: &Args) -> Result<Array> {
    let (input, _) = image(args)?;
    call("mean", vec![Arg::Array(input)], vec![])
}

macro_rules! with_bins {
    ($details:expr) => {
        concat!(
            $details,
            "\n\nA scalar. Integers have one bin per value between the least and the greatest, or, where they range \
             over more than 65536 values, `nbins` bins as floats do (scikit-image always takes one bin per value, and \
             as much memory); masks count as integers 0 and 1. Floats have `nbins` bins over their range, and NaN or \
             infinities are an error. One pass for types of up to 16 bits, else two. The arithmetic is \
             scikit-image's, single precision included, so that the same bin is chosen."
        )
    };
}

/// `threshold_otsu`
pub static THRESHOLD_OTSU: OpDef = OpDef {
    name: "threshold_otsu",
    family: "thresholds",
    summary: "The threshold that best separates two classes of values (Otsu).",
    details: with_bins!(
        "Maximises the variance between what lies above and what does not (N. Otsu, A threshold selection method from \
         gray-level histograms, 1979); `input > threshold_otsu(input)` is the mask. A constant image gives its value."
    ),
    reference: "skimage.filters.threshold_otsu",
    params: &[INPUT, NBINS],
    returns: RETURNS,
    examples: &["threshold_otsu(input)", "input > threshold_otsu(input, nbins=64)"],
    build: |args| by_rule(args, Otsu),
};

/// `threshold_yen`
pub static THRESHOLD_YEN: OpDef = OpDef {
    name: "threshold_yen",
    family: "thresholds",
    summary: "The threshold of maximum correlation (Yen).",
    details: with_bins!(
        "Maximises -log(G1 G2) + 2 log(P (1 - P)), where P is the share of what does not lie above and G1, G2 are the \
         sums of the squared shares of the values on the two sides (J.-C. Yen, F.-J. Chang, S. Chang, A new criterion \
         for automatic multilevel thresholding, 1995). The logarithm is rounded to single precision; NumPy's may be \
         the next number on some processors, and then another of several bins that are as good is chosen. Constant \
         integers give their value, a constant of floats, as in scikit-image, the first centre of the bins around it."
    ),
    reference: "skimage.filters.threshold_yen",
    params: &[INPUT, NBINS],
    returns: RETURNS,
    examples: &["threshold_yen(input)", "input > threshold_yen(input, nbins=64)"],
    build: |args| by_rule(args, Yen),
};

/// `threshold_isodata`
pub static THRESHOLD_ISODATA: OpDef = OpDef {
    name: "threshold_isodata",
    family: "thresholds",
    summary: "The lowest threshold halfway between the means on its two sides (ISODATA, Ridler-Calvard).",
    details: with_bins!(
        "The first bin that is at most a bin's width below the mean of the two means (T. W. Ridler, S. Calvard, Picture \
         thresholding using an iterative selection method, 1978). A constant image gives its value, of floats too, \
         where scikit-image fails. There is no `return_all`: an array of unknown length cannot be planned."
    ),
    reference: "skimage.filters.threshold_isodata",
    params: &[INPUT, NBINS],
    returns: RETURNS,
    examples: &["threshold_isodata(input)", "input > threshold_isodata(input, nbins=64)"],
    build: |args| by_rule(args, Isodata),
};

/// `threshold_triangle`
pub static THRESHOLD_TRIANGLE: OpDef = OpDef {
    name: "threshold_triangle",
    family: "thresholds",
    summary: "The threshold at the foot of the histogram's peak (triangle).",
    details: with_bins!(
        "The bin farthest below the line from the peak of the histogram to the end of its longer tail (G. W. Zack, W. E. \
         Rogers, S. A. Latt, Automatic measurement of sister chromatid exchange frequency, 1977). A constant image \
         gives its value."
    ),
    reference: "skimage.filters.threshold_triangle",
    params: &[INPUT, NBINS],
    returns: RETURNS,
    examples: &["threshold_triangle(input)", "input > threshold_triangle(input, nbins=64)"],
    build: |args| by_rule(args, Triangle),
};

/// `threshold_minimum`
pub static THRESHOLD_MINIMUM: OpDef = OpDef {
    name: "threshold_minimum",
    family: "thresholds",
    summary: "The threshold in the valley between the two peaks of the histogram.",
    details: with_bins!(
        "Smooths the histogram with a mean over three bins until it has fewer than three maxima, and takes the lowest \
         bin between the two that are left (J. M. S. Prewitt, M. L. Mendelsohn, The analysis of cell images, 1966; C. A. \
         Glasbey, An analysis of histogram-based thresholding algorithms, 1993). It is an error if there are not two, as \
         for a constant image, or after `max_num_iter` rounds."
    ),
    reference: "skimage.filters.threshold_minimum",
    params: &[
        INPUT,
        NBINS,
        Param {
            name: "max_num_iter",
            ty: Type::Integer,
            default: Some("10000"),
            doc: "The most rounds of smoothing, 1 to 1000000.",
        },
    ],
    returns: RETURNS,
    examples: &["threshold_minimum(input)", "input > threshold_minimum(input, nbins=64, max_num_iter=500)"],
    build: threshold_minimum,
};

/// `threshold_mean`
pub static THRESHOLD_MEAN: OpDef = OpDef {
    name: "threshold_mean",
    family: "thresholds",
    summary: "The mean of the image, as a threshold.",
    details: "A scalar, the same as `mean`: the exact sum, rounded once, divided by the number of elements. NaN propagates.",
    reference: "skimage.filters.threshold_mean, in float64",
    params: &[INPUT],
    returns: &[("threshold", "The mean, a float64 scalar; NaN for an empty array.")],
    examples: &["threshold_mean(input)", "input > threshold_mean(input)"],
    build: threshold_mean,
};
