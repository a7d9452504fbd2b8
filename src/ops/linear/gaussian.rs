//! Gaussians, their derivatives, and filters that are sums and differences of them.

use super::combine::{magnitude, sum};
use super::correlate1d::{Chain, FLOATS};
use crate::array::{ArraySpec, Mode};
use crate::error::Result;
use crate::graph::Array;
use crate::ops::window::{MAX_WINDOW, axis};
use crate::ops::{AXES, AXIS, Args, CVAL, INPUT, MODE, MODES, OpDef, Param, Type};

/// Taps of a gaussian or its derivative, in the order of correlation: scipy's polynomial times a normalised gaussian.
fn gaussian_taps(sigma: f64, order: usize, radius: usize) -> Vec<f64> {
    let variance = sigma * sigma;
    let positions = || (0..=2 * radius).map(|i| i as f64 - radius as f64);
    let mut taps: Vec<f64> = positions().map(|x| (-0.5 / variance * (x * x)).exp()).collect();
    let sum = pairwise_sum(&taps);
    taps.iter_mut().for_each(|t| *t /= sum);
    if order > 0 {
        let q = derivative_polynomial(variance, order);
        let value = |x: f64| q.iter().rev().fold(0.0, |sum, c| sum * x + c);
        taps.iter_mut().zip(positions()).for_each(|(t, x)| *t *= value(x));
        // Derivatives of odd order are odd functions, and correlation walks the other way.
        taps.reverse();
    }
    taps
}

/// The sum in NumPy's order, so that the weights are scipy's to the last bit.
fn pairwise_sum(values: &[f64]) -> f64 {
    let n = values.len();
    if n < 8 {
        return values.iter().sum();
    }
    if n > 128 {
        let (left, right) = values.split_at(n / 2 - n / 2 % 8);
        return pairwise_sum(left) + pairwise_sum(right);
    }
    let mut r = [0.0; 8];
    let chunks = values.chunks_exact(8);
    let rest = chunks.remainder();
    chunks.for_each(|chunk| r.iter_mut().zip(chunk).for_each(|(sum, v)| *sum += v));
    let eight = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
    rest.iter().fold(eight, |sum, v| sum + v)
}

/// Coefficients of the polynomial q with `d^order/dx^order g = q g`, lowest first: each derivative makes `q` to
/// `q' - x / variance q`.
fn derivative_polynomial(variance: f64, order: usize) -> Vec<f64> {
    let mut q = vec![0.0; order + 1];
    q[0] = 1.0;
    for _ in 0..order {
        let old = q.clone();
        for k in 0..=order {
            let slope = if k < order { (k + 1) as f64 * old[k + 1] } else { 0.0 };
            let pull = if k > 0 { old[k - 1] / -variance } else { 0.0 };
            q[k] = slope + pull;
        }
    }
    q
}

/// What a gaussian does along one axis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gaussian {
    pub axis: usize,
    pub sigma: f64,
    pub order: i64,
    pub truncate: f64,
    pub radius: Option<i64>,
    pub mode: Mode,
}

/// Below this a gaussian is no filter: scipy leaves such axes alone.
const NO_SIGMA: f64 = 1e-15;

/// Derivatives beyond this order are noise.
const MAX_ORDER: i64 = 16;

impl Gaussian {
    fn check(&self, args: &Args) -> Result<()> {
        let bad = |what: String| Err(args.error(what));
        if self.sigma < 0.0 {
            return bad(format!("`sigma` is {}, it must not be negative", self.sigma));
        }
        if !(0..=MAX_ORDER).contains(&self.order) {
            return bad(format!("`order` is {}, it lies in 0..={MAX_ORDER}", self.order));
        }
        if self.truncate < 0.0 {
            return bad(format!("`truncate` is {}, it must not be negative", self.truncate));
        }
        match self.radius {
            Some(radius) if radius < 0 => bad(format!("`radius` is {radius}, it must not be negative")),
            Some(radius) if radius > MAX_WINDOW / 2 => {
                bad(format!("`radius` is {radius}, the most is {}", MAX_WINDOW / 2))
            }
            _ if self.reach() > MAX_WINDOW / 2 => {
                bad(format!("`sigma` and `truncate` give a radius of {}, the most is {}", self.reach(), MAX_WINDOW / 2))
            }
            _ => Ok(()),
        }
    }

    fn reach(&self) -> i64 {
        self.radius.unwrap_or((self.truncate * self.sigma + 0.5) as i64)
    }

    /// The weights in the order of correlation; none where the axis is left alone.
    pub fn taps(&self, args: &Args) -> Result<Option<Vec<f64>>> {
        self.check(args)?;
        let taps = || gaussian_taps(self.sigma, self.order as usize, self.reach() as usize);
        Ok((self.sigma > NO_SIGMA).then(taps))
    }

    /// Adds it to a filter.
    pub fn apply(&self, chain: &mut Chain<'_>) -> Result<()> {
        match self.taps(chain.args)? {
            Some(taps) => chain.correlate(&taps, self.axis, self.mode, 0),
            None => Ok(()),
        }
    }
}

/// A gaussian along every axis, of order 0.
fn smoothing(args: &Args, spec: &ArraySpec) -> Result<Vec<Gaussian>> {
    let sigma = args.number_per_axis("sigma", spec, 0.0, 0.0)?;
    let truncate = args.number_per_axis("truncate", spec, 4.0, 4.0)?;
    let radius = args.optional_integer_per_axis("radius", spec)?;
    let mode = args.mode_per_axis("mode", spec)?;
    let one = |axis: usize| Gaussian {
        axis,
        sigma: sigma[axis],
        order: 0,
        truncate: truncate[axis],
        radius: radius[axis],
        mode: mode[axis],
    };
    Ok((0..spec.rank()).map(one).collect())
}

fn gaussian_filter(args: &Args) -> Result<Array> {
    let mut chain = Chain::new(args)?;
    let order = args.integer_per_axis("order", &chain.spec, 0, 0)?;
    if order.iter().any(|&order| order > 0) {
        chain = chain.widened();
    }
    for (step, order) in smoothing(args, &chain.spec)?.into_iter().zip(order) {
        Gaussian { order, ..step }.apply(&mut chain)?;
    }
    chain.narrow(&chain.array)
}

/// The derivatives of that order along each axis that filters act on, of the smoothed input. As in scipy, the mode of an
/// axis holds for all of its derivative, whichever way that smooths.
fn derivatives(input: &Chain<'_>, order: i64) -> Result<Vec<Array>> {
    let args = input.args;
    let steps = smoothing(args, &input.spec)?;
    let along = |axis: usize| {
        let mut chain = input.clone();
        for step in &steps {
            let order = if step.axis == axis { order } else { 0 };
            Gaussian { order, mode: steps[axis].mode, ..*step }.apply(&mut chain)?;
        }
        Ok(chain.array)
    };
    args.filter_axes(&input.spec)?.into_iter().map(along).collect()
}

fn gaussian_laplace(args: &Args) -> Result<Array> {
    let input = Chain::new(args)?.widened();
    let derivatives = derivatives(&input, 2)?;
    input.narrow(&if derivatives.is_empty() { input.array.clone() } else { sum(derivatives) })
}

fn gaussian_gradient_magnitude(args: &Args) -> Result<Array> {
    let input = Chain::new(args)?.widened();
    let derivatives = derivatives(&input, 1)?;
    input.narrow(&if derivatives.is_empty() { input.array.clone() } else { magnitude(derivatives, 1) })
}

fn gaussian_filter1d(args: &Args) -> Result<Array> {
    let mut chain = Chain::new(args)?;
    let radius = if args.given("radius") { Some(args.integer("radius", 0)?) } else { None };
    let step = Gaussian {
        axis: axis(args, &chain.spec)?,
        sigma: args.number("sigma", 0.0)?,
        order: args.integer("order", 0)?,
        truncate: args.number("truncate", 4.0)?,
        radius,
        mode: args.mode("mode", Mode::Reflect)?,
    };
    step.apply(&mut chain)?;
    Ok(chain.array)
}

pub(super) const SIGMA: Param = Param {
    name: "sigma",
    ty: Type::NumberPerAxis,
    default: None,
    doc: "The standard deviation in pixels, for all axes or one per axis; not negative.",
};
pub(super) const TRUNCATE: Param = Param {
    name: "truncate",
    ty: Type::NumberPerAxis,
    default: Some("4.0"),
    doc: "Where the kernel is cut off, in standard deviations; not negative.",
};
const RADIUS: Param = Param {
    name: "radius",
    ty: Type::IntegerPerAxis,
    default: Some("none"),
    doc: "The radius of the kernel in pixels, instead of `truncate`; not negative.",
};

/// `gaussian_filter`
pub static GAUSSIAN_FILTER: OpDef = OpDef {
    name: "gaussian_filter",
    family: "filters",
    summary: "Gaussian smoothing and its derivatives.",
    details: "One correlation per axis with a kernel of `2 * radius + 1` weights, where the radius is `truncate * \
        sigma`, rounded. An axis with sigma 0 is left alone, its order too. Computes in and gives float32; float64 for \
        float64 and 32- and 64-bit integer input. Derivatives are computed in float64 and then rounded. NaN spreads \
        over the window. Of arrays with named axes only the spatial axes are filtered.",
    reference: "scipy.ndimage.gaussian_filter",
    params: &[
        INPUT,
        SIGMA,
        Param {
            name: "order",
            ty: Type::IntegerPerAxis,
            default: Some("0"),
            doc: "0 smooths, 1 is the first derivative, 2 the second …, for all axes or one per axis.",
        },
        MODES,
        CVAL,
        TRUNCATE,
        RADIUS,
        AXES,
    ],
    returns: &[("filtered", "The smoothed array, in floats.")],
    examples: &[
        "gaussian_filter(input, sigma=2)",
        "gaussian_filter(sigma=2, axes=[0])",
        "gaussian_filter(sigma=1.5, order=1, mode=\"mirror\")",
        "gaussian_filter(sigma=3, mode=\"wrap\", truncate=2)",
        "gaussian_filter(sigma=1, mode=\"constant\", cval=9, radius=3)",
    ],
    build: gaussian_filter,
};

/// `gaussian_filter1d`
pub static GAUSSIAN_FILTER1D: OpDef = OpDef {
    name: "gaussian_filter1d",
    family: "filters",
    summary: "Gaussian smoothing or a derivative along one axis.",
    details: FLOATS,
    reference: "scipy.ndimage.gaussian_filter1d",
    params: &[
        INPUT,
        Param {
            name: "sigma",
            ty: Type::Number,
            default: None,
            doc: "The standard deviation in pixels; not negative.",
        },
        AXIS,
        Param {
            name: "order",
            ty: Type::Integer,
            default: Some("0"),
            doc: "0 smooths, 1 is the first derivative, 2 the second …",
        },
        MODE,
        CVAL,
        Param { ty: Type::Number, ..TRUNCATE },
        Param { ty: Type::Integer, ..RADIUS },
    ],
    returns: &[("filtered", "The smoothed array, in floats.")],
    examples: &["gaussian_filter1d(input, 2, axis=0)", "gaussian_filter1d(sigma=1, order=2, mode=\"nearest\")"],
    build: gaussian_filter1d,
};

/// `gaussian_laplace`
pub static GAUSSIAN_LAPLACE: OpDef = OpDef {
    name: "gaussian_laplace",
    family: "filters",
    summary: "The Laplacian of a gaussian: finds blobs and, at its zeros, edges.",
    details: "The sum over the axes of the gaussian's second derivative along that axis, smoothed along the others. \
        The kernel of each is cut off at `truncate * sigma`, rounded, as in `gaussian_filter`; an axis with sigma 0 is \
        neither smoothed nor derived. Computes in float64 and gives float32; float64 for float64 and 32- and 64-bit \
        integer input. NaN spreads over the window. Of arrays with named axes only the spatial axes are filtered. The \
        keywords that scipy hands on to `gaussian_filter` are parameters here. With a mode per axis, the derivative \
        along an axis takes that axis's mode everywhere, as in scipy.",
    reference: "scipy.ndimage.gaussian_laplace",
    params: &[INPUT, SIGMA, MODES, CVAL, TRUNCATE, RADIUS, AXES],
    returns: &[("filtered", "The Laplacian, in floats.")],
    examples: &[
        "gaussian_laplace(input, sigma=2)",
        "gaussian_laplace(sigma=1, mode=\"wrap\", truncate=3)",
        "gaussian_laplace(sigma=1.5, mode=\"constant\", cval=4, axes=[0])",
    ],
    build: gaussian_laplace,
};

/// `gaussian_gradient_magnitude`
pub static GAUSSIAN_GRADIENT_MAGNITUDE: OpDef = OpDef {
    name: "gaussian_gradient_magnitude",
    family: "filters",
    summary: "The length of the gradient of the smoothed image.",
    details: "The root of the sum over the axes of the squared first derivative of the gaussian along that axis, \
        smoothed along the others. The kernel of each is cut off at `truncate * sigma`, rounded, as in \
        `gaussian_filter`; an axis with sigma 0 is neither smoothed nor derived. Computes in float64 and gives \
        float32; float64 for float64 and 32- and 64-bit integer input. NaN spreads over the window. Of arrays with \
        named axes only the spatial axes are filtered. The keywords that scipy hands on to `gaussian_filter` are \
        parameters here. With a mode per axis, the derivative along an axis takes that axis's mode everywhere, as in \
        scipy. (With `axes`, scipy 1.17 still smooths along all axes; this does not.)",
    reference: "scipy.ndimage.gaussian_gradient_magnitude",
    params: &[INPUT, SIGMA, MODES, CVAL, TRUNCATE, RADIUS, AXES],
    returns: &[("magnitude", "The length of the gradient, in floats; not negative.")],
    examples: &[
        "gaussian_gradient_magnitude(input, sigma=2)",
        "gaussian_gradient_magnitude(sigma=1, mode=\"mirror\", radius=2)",
        "gaussian_gradient_magnitude(sigma=1, mode=\"constant\", cval=-7, axes=[0])",
    ],
    build: gaussian_gradient_magnitude,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivatives_are_those_of_the_gaussian() {
        // q for orders 1 to 3 with variance 4: -x/4, x²/16 - 1/4, 3x/16 - x³/64.
        assert_eq!(derivative_polynomial(4.0, 1), [0.0, -0.25]);
        assert_eq!(derivative_polynomial(4.0, 2), [-0.25, 0.0, 0.0625]);
        assert_eq!(derivative_polynomial(4.0, 3), [0.0, 0.1875, 0.0, -1.0 / 64.0]);
        let taps = gaussian_taps(1.5, 0, 6);
        assert!((taps.iter().sum::<f64>() - 1.0).abs() < 1e-15 && taps[0] == taps[12]);
        assert!(gaussian_taps(1.0, 1, 4)[8] > 0.0);
    }
}
