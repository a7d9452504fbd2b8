//! Correlation along axes, and the filters made of it: gaussians and their derivatives, Sobel, Prewitt.

use super::elementwise::cast;
use super::window::{LineWalk, MAX_WINDOW, Window, axis, check_origin};
use super::{AXES, AXIS, Args, CVAL, INPUT, MODE, MODES, ORIGIN, OpDef, Param, Type};
use crate::array::{ArraySpec, DType, Element, Mode, Region, Scalar, View, ViewMut};
use crate::error::Result;
use crate::graph::{Array, Cx, Need, TileOp};
use crate::kernels::correlate::{Float, Symmetry, correlate};

/// Correlation of floats along one axis.
#[derive(Debug)]
struct Correlate1d {
    window: Window,
    taps: Taps,
}

#[derive(Debug)]
enum Taps {
    Single(Vec<f32>, Symmetry),
    Double(Vec<f64>, Symmetry),
}

impl Taps {
    fn new(weights: &[f64], dtype: DType) -> Self {
        if dtype == DType::F64 {
            return Taps::Double(weights.to_vec(), Symmetry::of(weights));
        }
        let single: Vec<f32> = weights.iter().map(|&w| w as f32).collect();
        let symmetry = Symmetry::of(&single);
        Taps::Single(single, symmetry)
    }
}

impl TileOp for Correlate1d {
    fn name(&self) -> &'static str {
        "correlate1d"
    }

    fn need(&self, _input: usize, out: &Region, _inputs: &[ArraySpec]) -> Need {
        self.window.need(out)
    }

    fn run(&self, _cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, _scratch: &mut [u8]) -> Result<()> {
        match &self.taps {
            Taps::Single(taps, symmetry) => run::<f32>(&inputs[0], out, self.window.axis, taps, *symmetry),
            Taps::Double(taps, symmetry) => run::<f64>(&inputs[0], out, self.window.axis, taps, *symmetry),
        }
        Ok(())
    }

    fn cost(&self) -> f64 {
        let (per_tap, taps) = match &self.taps {
            Taps::Single(taps, _) => (0.03, taps.len()),
            Taps::Double(taps, _) => (0.08, taps.len()),
        };
        0.05 + per_tap * taps as f64
    }
}

fn run<T: Float + Element>(src: &View<'_>, out: &mut ViewMut<'_>, axis: usize, taps: &[T], symmetry: Symmetry) {
    let walk = LineWalk::new(src, out, axis);
    let (from, to) = (src.typed::<T>(), out.typed_mut::<T>());
    walk.for_each(|s, d, lines| correlate(&from[s..], &mut to[d..], lines, taps, symmetry));
}

/// A filter under construction: an array of floats and what lies outside it.
struct Chain<'a> {
    args: &'a Args,
    array: Array,
    spec: ArraySpec,
    cval: f64,
}

impl<'a> Chain<'a> {
    fn new(args: &'a Args) -> Result<Self> {
        let array = cast::to_float(&args.array("input")?);
        let input = args.spec("input")?;
        let spec = input.with_dtype(input.dtype.float());
        Ok(Chain { args, array, spec, cval: args.number("cval", 0.0)? })
    }

    fn correlate(&mut self, weights: &[f64], axis: usize, mode: Mode, origin: i64) -> Result<()> {
        let cval = Scalar::from_f64(self.cval, self.spec.dtype);
        let window = Window::new(self.args, axis, weights.len(), origin, mode, cval)?;
        let op = Correlate1d { window, taps: Taps::new(weights, self.spec.dtype) };
        self.array = Array::tile(op, vec![self.array.clone()], self.spec.clone());
        Ok(())
    }
}

fn weights(args: &Args) -> Result<Vec<f64>> {
    let weights = args.numbers("weights")?;
    if weights.is_empty() || weights.len() as i64 > MAX_WINDOW {
        return Err(args.error(format!("`weights` has {} entries, it takes 1 to {MAX_WINDOW}", weights.len())));
    }
    Ok(weights)
}

fn correlate1d(args: &Args) -> Result<Array> {
    let mut chain = Chain::new(args)?;
    let axis = axis(args, &chain.spec)?;
    chain.correlate(&weights(args)?, axis, args.mode("mode", Mode::Reflect)?, args.integer("origin", 0)?)?;
    Ok(chain.array)
}

fn convolve1d(args: &Args) -> Result<Array> {
    let mut chain = Chain::new(args)?;
    let (axis, mut weights) = (axis(args, &chain.spec)?, weights(args)?);
    weights.reverse();
    let origin = args.integer("origin", 0)?;
    check_origin(args, weights.len(), origin)?;
    // An even window has no middle: turned round, it leans to the other side.
    let lean = 1 - weights.len() as i64 % 2;
    chain.correlate(&weights, axis, args.mode("mode", Mode::Reflect)?, -origin - lean)?;
    Ok(chain.array)
}

/// Taps of a gaussian or its derivative, in the order of correlation: scipy's polynomial times a normalised gaussian.
fn gaussian_taps(sigma: f64, order: usize, radius: usize) -> Vec<f64> {
    let variance = sigma * sigma;
    let positions = || (0..=2 * radius).map(|i| i as f64 - radius as f64);
    let mut taps: Vec<f64> = positions().map(|x| (-0.5 / variance * (x * x)).exp()).collect();
    let sum: f64 = taps.iter().sum();
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
struct Gaussian {
    axis: usize,
    sigma: f64,
    order: i64,
    truncate: f64,
    radius: Option<i64>,
    mode: Mode,
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
            _ if self.radius() > MAX_WINDOW / 2 => bad(format!(
                "`sigma` and `truncate` give a radius of {}, the most is {}",
                self.radius(),
                MAX_WINDOW / 2
            )),
            _ => Ok(()),
        }
    }

    fn radius(&self) -> i64 {
        self.radius.unwrap_or((self.truncate * self.sigma + 0.5) as i64)
    }

    fn apply(&self, chain: &mut Chain<'_>) -> Result<()> {
        self.check(chain.args)?;
        let taps = gaussian_taps(self.sigma, self.order as usize, self.radius() as usize);
        chain.correlate(&taps, self.axis, self.mode, 0)
    }
}

fn gaussian_filter(args: &Args) -> Result<Array> {
    let mut chain = Chain::new(args)?;
    let spec = chain.spec.clone();
    let sigma = args.number_per_axis("sigma", &spec, 0.0, 0.0)?;
    let order = args.integer_per_axis("order", &spec, 0, 0)?;
    let truncate = args.number_per_axis("truncate", &spec, 4.0, 4.0)?;
    let radius = args.optional_integer_per_axis("radius", &spec)?;
    let mode = args.mode_per_axis("mode", &spec)?;
    for axis in 0..spec.rank() {
        let (sigma, order, truncate) = (sigma[axis], order[axis], truncate[axis]);
        let step = Gaussian { axis, sigma, order, truncate, radius: radius[axis], mode: mode[axis] };
        step.check(args)?;
        if sigma > NO_SIGMA {
            step.apply(&mut chain)?;
        }
    }
    Ok(chain.array)
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
    step.check(args)?;
    if step.sigma > NO_SIGMA {
        step.apply(&mut chain)?;
    }
    Ok(chain.array)
}

/// A difference along one axis, smoothed along the others.
fn edge(args: &Args, smooth: [f64; 3]) -> Result<Array> {
    let mut chain = Chain::new(args)?;
    let spec = chain.spec.clone();
    let (along, modes) = (axis(args, &spec)?, args.mode_per_axis("mode", &spec)?);
    chain.correlate(&[-1.0, 0.0, 1.0], along, modes[along], 0)?;
    for other in args.filter_axes(&spec)? {
        if other != along {
            chain.correlate(&smooth, other, modes[other], 0)?;
        }
    }
    Ok(chain.array)
}

const WEIGHTS: Param =
    Param { name: "weights", ty: Type::Weights, default: None, doc: "The weights, one per element of the window." };
const TRUNCATE: Param = Param {
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

const FLOATS: &str = "Computes in and gives float32; float64 for float64 and 32- and 64-bit integer input. (scipy would \
    compute in float64 and store into the input's type, truncating integers.) NaN spreads over the window.";

/// `correlate1d`
pub static CORRELATE1D: OpDef = OpDef {
    name: "correlate1d",
    family: "filters",
    summary: "Weighted sums along one axis.",
    details: FLOATS,
    reference: "scipy.ndimage.correlate1d",
    params: &[INPUT, WEIGHTS, AXIS, MODE, CVAL, ORIGIN],
    returns: &[("filtered", "The sums, in floats.")],
    examples: &[
        "correlate1d(input, [1, 2, 3, 4], axis=0)",
        "correlate1d([1, 0, -1], mode=\"wrap\")",
        "correlate1d([1, 2, 5], mode=\"constant\", cval=3, origin=-1)",
    ],
    build: correlate1d,
};

/// `convolve1d`
pub static CONVOLVE1D: OpDef = OpDef {
    name: "convolve1d",
    family: "filters",
    summary: "Convolution along one axis: correlation with the weights turned round.",
    details: FLOATS,
    reference: "scipy.ndimage.convolve1d",
    params: &[INPUT, WEIGHTS, AXIS, MODE, CVAL, ORIGIN],
    returns: &[("filtered", "The sums, in floats.")],
    examples: &["convolve1d(input, [1, 2, 3, 4], axis=0)", "convolve1d([1, 2, 5], mode=\"nearest\", origin=1)"],
    build: convolve1d,
};

/// `gaussian_filter`
pub static GAUSSIAN_FILTER: OpDef = OpDef {
    name: "gaussian_filter",
    family: "filters",
    summary: "Gaussian smoothing and its derivatives.",
    details: "One correlation per axis with a kernel of `2 * radius + 1` weights, where the radius is `truncate * \
        sigma`, rounded. An axis with sigma 0 is left alone, its order too. Computes in and gives float32; float64 for \
        float64 and 32- and 64-bit integer input. NaN spreads over the window. Of arrays with named axes only the \
        spatial axes are filtered.",
    reference: "scipy.ndimage.gaussian_filter",
    params: &[
        INPUT,
        Param {
            name: "sigma",
            ty: Type::NumberPerAxis,
            default: None,
            doc: "The standard deviation in pixels, for all axes or one per axis; not negative.",
        },
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

/// `sobel`
pub static SOBEL: OpDef = OpDef {
    name: "sobel",
    family: "filters",
    summary: "The Sobel derivative along one axis.",
    details: "The difference [-1, 0, 1] along the axis, then [1, 2, 1] along every other axis that filters act on. \
        Computes in and gives float32; float64 for float64 and 32- and 64-bit integer input. The magnitude in two \
        dimensions is `hypot(sobel(input, 0), sobel(input, 1))`.",
    reference: "scipy.ndimage.sobel",
    params: &[INPUT, AXIS, MODES, CVAL],
    returns: &[("derivative", "The derivative, in floats.")],
    examples: &["sobel(input, axis=0)", "sobel(mode=\"constant\", cval=5)"],
    build: |args| edge(args, [1.0, 2.0, 1.0]),
};

/// `prewitt`
pub static PREWITT: OpDef = OpDef {
    name: "prewitt",
    family: "filters",
    summary: "The Prewitt derivative along one axis.",
    details: "The difference [-1, 0, 1] along the axis, then [1, 1, 1] along every other axis that filters act on. \
        Computes in and gives float32; float64 for float64 and 32- and 64-bit integer input.",
    reference: "scipy.ndimage.prewitt",
    params: &[INPUT, AXIS, MODES, CVAL],
    returns: &[("derivative", "The derivative, in floats.")],
    examples: &["prewitt(input, axis=0)", "prewitt(mode=\"wrap\")"],
    build: |args| edge(args, [1.0, 1.0, 1.0]),
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
