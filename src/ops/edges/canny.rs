//! `canny`

use super::bleed::{divide_by_share, unbleed};
use super::suppress::Suppress;
use crate::array::{ArraySpec, DType, Mode, Scalar};
use crate::error::Result;
use crate::graph::Array;
use crate::ops::components::hysteresis::hysteresis;
use crate::ops::elementwise::cast;
use crate::ops::label::connected;
use crate::ops::linear::correlate1d::{Chain, Sums};
use crate::ops::linear::derivatives::{eroded, mask};
use crate::ops::linear::gaussian::Gaussian;
use crate::ops::linear::unit::to_unit;
use crate::ops::{AXES, Arg, Args, CVAL, INPUT, MODE, OpDef, Param, Type, call};

/// The low and the high threshold, on gradients of an image of the range 0 to 1; or the quantiles they are.
fn thresholds(args: &Args, dtype: DType, quantiles: bool) -> Result<(f64, f64)> {
    let largest = match dtype.integer_range() {
        Some((_, hi)) if !quantiles => hi as f64,
        _ => 1.0,
    };
    let one = |name: &str, default: f64| -> Result<f64> {
        if args.given(name) { Ok(args.number(name, default)? / largest) } else { Ok(default) }
    };
    let (low, high) = (one("low_threshold", 0.1)?, one("high_threshold", 0.2)?);
    if high < low {
        return Err(args.error(format!(
            "`high_threshold` ({}) is lower than `low_threshold` ({}); unless given they are 0.2 and 0.1 of the type's \
             largest value",
            high * largest,
            low * largest
        )));
    }
    if quantiles && (low < 0.0 || high > 1.0) {
        return Err(args.error(format!("`low_threshold` ({low}) and `high_threshold` ({high}) are quantiles: 0 to 1")));
    }
    Ok((low, high))
}

/// Everything but the image.
struct Canny<'a> {
    args: &'a Args,
    axes: [usize; 2],
    sigma: [f64; 2],
    mode: Mode,
    periodic: bool,
    quantiles: bool,
    masked: bool,
}

impl<'a> Canny<'a> {
    fn read(args: &'a Args, spec: &ArraySpec) -> Result<Self> {
        if matches!(spec.dtype, DType::U64 | DType::I64) {
            return Err(args.error("64-bit integers are not supported, as in scikit-image; cast the image first"));
        }
        let mut axes = args.filter_axes(spec)?;
        axes.sort_unstable();
        let axes = <[usize; 2]>::try_from(axes).map_err(|axes| {
            args.error(format!("works in two dimensions, here filters act on {}: name two with `axes`", axes.len()))
        })?;
        let sigma = args.number_per_axis("sigma", spec, 1.0, 0.0)?;
        let quantiles = args.bool("use_quantiles", false)?;
        if quantiles && spec.rank() > 2 {
            return Err(args.error("`use_quantiles` takes one image of two axes: select a frame or channel first"));
        }
        let periodic = args.bool("periodic", false)?;
        let mode = args.mode("mode", Mode::Constant)?;
        if periodic && args.given("mode") && mode != Mode::Wrap {
            return Err(args.error(format!("`mode` is \"{}\", which a periodic image has not", mode.name())));
        }
        let mode = if periodic { Mode::Wrap } else { mode };
        let sigma = axes.map(|axis| sigma[axis]);
        Ok(Canny { args, axes, sigma, mode, periodic, quantiles, masked: args.given("mask") })
    }

    fn gaussians(&self) -> [Gaussian; 2] {
        std::array::from_fn(|k| Gaussian {
            axis: self.axes[k],
            sigma: self.sigma[k],
            order: 0,
            truncate: 4.0,
            radius: None,
            mode: self.mode,
        })
    }

    fn chain(&self, array: Array) -> Result<Chain<'a>> {
        Ok(Chain { sums: Sums::Double, ..Chain::of(self.args, array)? })
    }

    fn smoothed(&self, array: Array) -> Result<Array> {
        let mut chain = self.chain(array)?;
        self.gaussians().iter().try_for_each(|step| step.apply(&mut chain))?;
        Ok(chain.array)
    }

    /// The smoothed image; what it takes from outside or from masked pixels is made up for.
    fn image(&self, unit: Array) -> Result<Array> {
        let float = unit.dtype().unwrap_or(DType::F64);
        if self.masked {
            let mask = mask(self.args)?;
            let image = call("where", vec![Arg::Array(mask.clone()), Arg::Array(unit), Arg::Float(0.0)], vec![])?;
            return divide_by_share(&self.smoothed(image)?, &self.smoothed(cast::to(&mask, float))?);
        }
        let smoothed = self.smoothed(unit)?;
        if self.mode != Mode::Constant {
            return Ok(smoothed);
        }
        let mut taps = [vec![1.0], vec![1.0]];
        for (taps, step) in taps.iter_mut().zip(self.gaussians()) {
            *taps = step.taps(self.args)?.unwrap_or_else(|| vec![1.0]);
        }
        Ok(unbleed(&smoothed, self.axes, taps, self.args.number("cval", 0.0)?))
    }

    /// The Sobel derivative along one of the axes.
    fn derivative(&self, smoothed: &Array, k: usize) -> Result<Array> {
        let mode = if self.periodic { Mode::Wrap } else { Mode::Reflect };
        let mut chain = self.chain(smoothed.clone())?;
        chain.correlate(&[-1.0, 0.0, 1.0], self.axes[k], mode, 0)?;
        chain.correlate(&[1.0, 2.0, 1.0], self.axes[1 - k], mode, 0)?;
        Ok(chain.array)
    }

    /// A threshold on the gradient's length: the number, or that quantile of all lengths.
    fn threshold(&self, [down, across]: [&Array; 2], value: f64) -> Result<Array> {
        if !self.quantiles {
            return Ok(Array::constant(Scalar::of(value)));
        }
        let square = |d: &Array| d.call("multiply", [d.into()], []);
        let length = square(down)?.call("add", [square(across)?.into()], [])?.call("sqrt", [], [])?;
        let quantile = length.call("percentile", [(100.0 * value).into()], [])?;
        Ok(cast::to(&quantile, DType::F64))
    }

    /// 1 where an edge may run, 2 where it surely does.
    fn classes(&self, unit: Array, (low, high): (f64, f64), spec: &ArraySpec) -> Result<Array> {
        let smoothed = self.image(unit)?;
        let mut inputs = vec![self.derivative(&smoothed, 0)?, self.derivative(&smoothed, 1)?];
        if self.masked {
            inputs.push(eroded(self.args, &self.axes, if self.periodic { Mode::Wrap } else { Mode::Constant })?);
        }
        for value in [low, high] {
            inputs.push(self.threshold([&inputs[0], &inputs[1]], value)?);
        }
        let suppress = Suppress { axes: self.axes, masked: self.masked, periodic: self.periodic };
        Ok(Array::tile(suppress, inputs, spec.with_dtype(DType::U8)))
    }
}

fn canny(args: &Args) -> Result<Array> {
    let (input, spec) = (args.array("input")?, args.spec("input")?);
    let canny = Canny::read(args, &spec)?;
    let thresholds = thresholds(args, spec.dtype, canny.quantiles)?;
    // scikit-image works on integers in double precision, on floats in their own; so do decisions here.
    let classes = canny.classes(to_unit(&input, DType::F64)?, thresholds, &spec)?;
    let structure = connected(spec.rank(), &canny.axes, 2).map_err(|e| args.error(e))?;
    hysteresis(&classes, &structure, canny.periodic)
}

/// `canny`
pub static CANNY: OpDef = OpDef {
    name: "canny",
    family: "edges",
    summary: "Edges one pixel wide, by Canny's method.",
    details: "Smooths with a gaussian, takes the Sobel derivatives, keeps the pixels whose gradient is no shorter than \
        that before and behind them (interpolated along its direction) and not below the low threshold, and of those the \
        8-connected components that reach the high one. Every pixel is scikit-image's, on the same element type, \
        whatever the tiles and wherever the components run: integers are divided by the largest value of their type and \
        computed in float64, float32 is summed in float64 and rounded after each axis. (Where two gradients are equal, \
        the last bit of the gaussian's weights decides: NumPy's `exp` for AVX-512 rounds some otherwise than that of the C \
        library, so scikit-image itself differs between machines; this is its answer without AVX-512.) With mode=\"constant\" or a mask \
        the smoothed image is divided by the share of each window that lies inside. Pixels at the edge of the image, and \
        those with a neighbour outside the mask, are no edges. NaN is never an edge. Works in two dimensions: frame by \
        frame on arrays with named axes, on the two `axes` of others. With `periodic` the image is a torus in every \
        step. With `use_quantiles` a pass of its own finds the quantiles of the gradient's length first. 64-bit integers are refused, as in scikit-image.\n\n\
        J. Canny, A Computational Approach to Edge Detection, IEEE Trans. PAMI 8 (1986) 679-714.",
    reference: "skimage.feature.canny",
    params: &[
        INPUT,
        Param {
            name: "sigma",
            ty: Type::NumberPerAxis,
            default: Some("1.0"),
            doc: "The standard deviation of the gaussian in pixels, for both axes or one each; not negative.",
        },
        Param {
            name: "low_threshold",
            ty: Type::Number,
            default: Some("none"),
            doc: "The shortest gradient of an edge, in the image's values; 0.1 of the type's largest unless given.",
        },
        Param {
            name: "high_threshold",
            ty: Type::Number,
            default: Some("none"),
            doc: "A gradient that every edge must reach; 0.2 of the type's largest value unless given.",
        },
        Param {
            name: "mask",
            ty: Type::Array,
            default: Some("none"),
            doc: "The pixels to look at, true or not zero, in the image's shape; all unless given.",
        },
        Param {
            name: "use_quantiles",
            ty: Type::Bool,
            default: Some("false"),
            doc: "Whether the thresholds are quantiles (0 to 1) of the gradient's length; only for one image of two axes.",
        },
        Param {
            default: Some("\"constant\""),
            doc: "How the image goes on outside when it is smoothed: reflect, mirror, nearest, constant or wrap.",
            ..MODE
        },
        CVAL,
        Param {
            name: "periodic",
            ty: Type::Bool,
            default: Some("false"),
            doc: "Whether the image is a torus: the first row and column follow the last.",
        },
        AXES,
    ],
    returns: &[("edges", "The edges, bool.")],
    examples: &[
        "canny(input, axes=[0, 1])",
        "canny(sigma=0.5, low_threshold=0.01, high_threshold=2, mode=\"nearest\", axes=[0, 1])",
        "canny(input, [0, 1.5], 1, 3, input > 2, axes=[0, 1])",
        "canny(sigma=0.6, low_threshold=0.2, high_threshold=1, periodic=true, axes=[-2, -1])",
        "canny(sigma=0.7, low_threshold=0.5, high_threshold=1, mode=\"constant\", cval=0.3, axes=[-2, -1])",
    ],
    build: canny,
};
