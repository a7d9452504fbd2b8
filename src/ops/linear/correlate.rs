//! `correlate` and `convolve`: kernels of several axes, and the way that suits them.

use super::correlate1d::{Chain, cancels};
use super::direct::{Direct, Window};
use super::transform::Transformed;
use crate::array::{ArraySpec, DType, Dims, Mode, Scalar};
use crate::error::Result;
use crate::graph::{Array, MemArray, Value};
use crate::ops::window::{MAX_WINDOW, check_origin};
use crate::ops::{AXES, Arg, Args, CVAL, INPUT, MODE, OpDef, Param, Type};

/// Weights in C order over the axes that they filter.
struct Kernel {
    shape: Vec<usize>,
    weights: Vec<f64>,
}

impl Kernel {
    fn read(args: &Args, name: &str) -> Result<Self> {
        let (shape, weights) = match args.get(name) {
            Some(Arg::Array(array)) => match array.known() {
                Some(Value::Array(known)) => values(known),
                _ => {
                    return Err(args.error(format!(
                        "`{name}` must be known before the run: a nested list or an array in memory, not an opened or \
                         computed one"
                    )));
                }
            },
            _ => args.nested(name)?,
        };
        if weights.is_empty() || shape.iter().any(|&n| n as i64 > MAX_WINDOW) {
            return Err(args.error(format!("`{name}` has the shape {shape:?}, each axis takes 1 to {MAX_WINDOW}")));
        }
        if weights.iter().any(|w| !w.is_finite()) {
            return Err(args.error(format!("`{name}` must hold finite numbers only")));
        }
        Ok(Kernel { shape, weights })
    }

    /// The index along every axis of an element.
    fn index(&self, element: usize) -> Dims {
        let mut rest = element;
        let mut index: Dims = self.shape.iter().map(|_| 0).collect();
        for axis in (0..self.shape.len()).rev() {
            index[axis] = (rest % self.shape[axis]) as u64;
            rest /= self.shape[axis];
        }
        index
    }

    /// One row of weights per axis whose outer product it is to the last bits, or `None`. Weights of zero take no part
    /// in sums, so a kernel with holes has no such rows.
    fn rows(&self) -> Option<Vec<Vec<f64>>> {
        if self.weights.contains(&0.0) {
            return None;
        }
        let largest = |best: usize, (i, w): (usize, &f64)| if w.abs() > self.weights[best].abs() { i } else { best };
        let pivot = self.weights.iter().enumerate().fold(0, largest);
        let (centre, at) = (self.weights[pivot], self.index(pivot));
        let mut rows = Vec::new();
        let mut stride = self.weights.len();
        for (axis, &n) in self.shape.iter().enumerate() {
            stride /= n;
            let first = pivot - at[axis] as usize * stride;
            let line = (0..n).map(|i| self.weights[first + i * stride]);
            rows.push(if axis == 0 { line.collect() } else { line.map(|w| w / centre).collect::<Vec<f64>>() });
        }
        let product = |element: usize| -> f64 {
            let index = self.index(element);
            rows.iter().zip(&index).map(|(row, &i)| row[i as usize]).product()
        };
        let exact = |(i, w): (usize, &f64)| (product(i) - w).abs() <= ROUNDING * w.abs();
        self.weights.iter().enumerate().all(exact).then_some(rows)
    }
}

/// Kernels of more taps are faster by way of the Fourier transform.
fn most_taps(dtype: DType) -> usize {
    if dtype == DType::F64 { 200 } else { 400 }
}

/// How far from an outer product the weights of a separable kernel may lie: a few roundings.
const ROUNDING: f64 = 1e-14;

fn values(known: &MemArray) -> (Vec<usize>, Vec<f64>) {
    let view = known.view();
    let shape = view.shape().to_vec();
    let kernel = Kernel { weights: Vec::new(), shape };
    let at = |element| {
        let index: Vec<usize> = kernel.index(element).iter().map(|&i| i as usize).collect();
        view.at(&index)
    };
    let weights = (0..view.elements()).map(at).collect();
    (kernel.shape, weights)
}

/// A kernel laid over the axes of an array.
struct Placed {
    kernel: Kernel,
    axes: Vec<usize>,
    origins: Vec<i64>,
    mode: Mode,
}

impl Placed {
    fn read(args: &Args, spec: &ArraySpec) -> Result<Self> {
        let (kernel, axes) = (Kernel::read(args, "weights")?, args.filter_axes(spec)?);
        if kernel.shape.len() != axes.len() {
            let (got, n) = (kernel.shape.len(), axes.len());
            return Err(args
                .error(format!("`weights` has {got} axes, it filters {n} ({:?}): see `axes`", letters(spec, &axes))));
        }
        let origins = args.integer_per_axis("origin", spec, 0, 0)?;
        let origins: Vec<i64> = axes.iter().map(|&axis| origins[axis]).collect();
        kernel.shape.iter().zip(&origins).try_for_each(|(&len, &origin)| check_origin(args, len, origin))?;
        Ok(Placed { kernel, axes, origins, mode: args.mode("mode", Mode::Reflect)? })
    }

    /// Turned round in every axis. An even window has no middle: turned round, it leans to the other side.
    fn turned(mut self) -> Self {
        self.kernel.weights.reverse();
        for (origin, &len) in self.origins.iter_mut().zip(&self.kernel.shape) {
            *origin = -*origin - (1 - len as i64 % 2);
        }
        self
    }

    fn apply(&self, mut chain: Chain<'_>) -> Result<Array> {
        match self.kernel.rows() {
            Some(rows) => {
                if cancels(&self.kernel.weights) {
                    chain = chain.widened();
                }
                self.apply_rows(&rows, &mut chain)?;
            }
            None => self.apply_whole(&mut chain),
        }
        chain.narrow(&chain.array)
    }

    fn apply_rows(&self, rows: &[Vec<f64>], chain: &mut Chain<'_>) -> Result<()> {
        for ((row, &axis), &origin) in rows.iter().zip(&self.axes).zip(&self.origins) {
            if row[..] != [1.0] {
                chain.correlate(row, axis, self.mode, origin)?;
                // Beyond an edge, all of the row lay on the constant.
                chain.cval *= row.iter().sum::<f64>();
            }
        }
        Ok(())
    }

    /// The weights in C order of the array's axes, which `axes` may name in another order.
    fn in_order(&self) -> Vec<f64> {
        let mut order: Vec<usize> = (0..self.axes.len()).collect();
        order.sort_by_key(|&k| self.axes[k]);
        let shape: Vec<usize> = order.iter().map(|&k| self.kernel.shape[k]).collect();
        let turned = Kernel { weights: Vec::new(), shape };
        let weight = |element: usize| {
            let index = turned.index(element);
            let place = |k: usize| order.iter().position(|&o| o == k).map_or(0, |at| index[at] as usize);
            let at = (0..order.len()).fold(0, |at, k| at * self.kernel.shape[k] + place(k));
            self.kernel.weights[at]
        };
        (0..self.kernel.weights.len()).map(weight).collect()
    }

    fn apply_whole(&self, chain: &mut Chain<'_>) {
        let dtype = chain.spec.dtype;
        let ones: Dims = chain.spec.shape.iter().map(|_| 1).collect();
        let zeros: Dims = chain.spec.shape.iter().map(|_| 0).collect();
        let (mut len, mut before) = (ones, zeros.clone());
        for ((&axis, &n), &origin) in self.axes.iter().zip(&self.kernel.shape).zip(&self.origins) {
            len[axis] = n as u64;
            before[axis] = (n as i64 / 2 + origin) as u64;
        }
        let window = Window { before, len, mode: self.mode, cval: Scalar::from_f64(chain.cval, dtype) };
        let position = |element: usize| {
            let mut position = zeros.clone();
            self.axes.iter().zip(self.kernel.index(element)).for_each(|(&axis, i)| position[axis] = i);
            position
        };
        let taps = self.kernel.weights.iter().enumerate().filter(|(_, w)| **w != 0.0);
        let taps: Vec<_> = taps.map(|(i, &w)| (position(i), w)).collect();
        let (inputs, spec) = (vec![chain.array.clone()], chain.spec.clone());
        chain.array = if taps.len() > most_taps(dtype) {
            Array::tile(Transformed::new(window, &self.in_order(), taps), inputs, spec)
        } else {
            Array::tile(Direct::new(window, taps, dtype), inputs, spec)
        };
    }
}

fn letters(spec: &ArraySpec, axes: &[usize]) -> String {
    axes.iter().map(|&axis| spec.axes[axis].name).collect()
}

/// Adds the convolution with weights over those axes to a filter.
pub(super) fn convolve_with(chain: &mut Chain<'_>, (shape, weights): (&[usize], &[f64]), axes: &[usize], mode: Mode) {
    let kernel = Kernel { shape: shape.to_vec(), weights: weights.to_vec() };
    Placed { kernel, axes: axes.to_vec(), origins: vec![0; axes.len()], mode }.turned().apply_whole(chain);
}

fn correlate(args: &Args) -> Result<Array> {
    let chain = Chain::new(args)?;
    Placed::read(args, &chain.spec)?.apply(chain)
}

fn convolve(args: &Args) -> Result<Array> {
    let chain = Chain::new(args)?;
    Placed::read(args, &chain.spec)?.turned().apply(chain)
}

const WEIGHTS: Param = Param {
    name: "weights",
    ty: Type::Weights,
    default: None,
    doc: "The weights: a list nested as deep as there are axes to filter, or an array in memory.",
};
const ORIGINS: Param = Param {
    name: "origin",
    ty: Type::IntegerPerAxis,
    default: Some("0"),
    doc: "Moves the window to the left (positive) or right, by up to half its length; or one per axis.",
};

const DETAILS: &str = "The window has its middle, `length // 2` along each axis, on the element. A kernel that is the \
    outer product of one row per axis, to the last bits and without zeros, is applied row by row; any other tap by \
    tap, zeros left out; and one of more than 400 taps (200 in float64) by the fast Fourier transform in float64, of \
    blocks that lie on a fixed grid, so that every pixel comes out of the same block however the image is tiled. (A \
    block that holds NaN or infinity is summed tap by tap. How the transform rounds depends on the processor's vector \
    instructions, within 1e-15 of the largest value.) Computes in and gives float32; float64 for float64 and 32- and \
    64-bit integer input. Weights of both signs are summed in float64. (scipy would compute in float64 and store into \
    the input's type, truncating integers.) NaN spreads to the windows that hold it at a weight other than zero. Of \
    arrays with named axes only the spatial axes are filtered, so an image `y x c` takes a kernel of two axes. Weights \
    must be known before the run. (scipy also leaves out weights below 2.2e-16, and 1.17 errs where the window reaches several \
    lengths of the image beyond its edge.)";

/// `correlate`
pub static CORRELATE: OpDef = OpDef {
    name: "correlate",
    family: "filters",
    summary: "Weighted sums over a window of any shape.",
    details: DETAILS,
    reference: "scipy.ndimage.correlate",
    params: &[INPUT, WEIGHTS, MODE, CVAL, ORIGINS, AXES],
    returns: &[("filtered", "The sums, in floats.")],
    examples: &[
        "correlate(input, [1, 0, -2, 1], axes=[0])",
        "correlate([[1, 2], [0, -1], [3, 1]], axes=[0, 1], mode=\"mirror\", origin=[1, -1])",
        "correlate([[1, 2, 3], [2, 4, 6]], mode=\"constant\", cval=3, axes=[1, 0])",
        "correlate([[[1, 0], [2, 3]], [[0, 5], [-1, 1]], [[2, 2], [0, 1]]], mode=\"wrap\", axes=[0, 1, 2])",
    ],
    build: correlate,
};

/// `convolve`
pub static CONVOLVE: OpDef = OpDef {
    name: "convolve",
    family: "filters",
    summary: "Convolution with a kernel of any shape: correlation with the kernel turned round.",
    details: DETAILS,
    reference: "scipy.ndimage.convolve",
    params: &[INPUT, WEIGHTS, MODE, CVAL, ORIGINS, AXES],
    returns: &[("filtered", "The sums, in floats.")],
    examples: &[
        "convolve(input, [1, 0, -2, 1], axes=[0], mode=\"nearest\")",
        "convolve(disk(22), axes=[0, 1], mode=\"mirror\")",
        "convolve([[1, 2, 0], [0, -1, 4]], axes=[0, 1], mode=\"constant\", cval=-2, origin=-1)",
    ],
    build: convolve,
};

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(shape: &[usize], weights: &[f64]) -> Kernel {
        Kernel { shape: shape.to_vec(), weights: weights.to_vec() }
    }

    #[test]
    fn outer_products_come_apart() {
        let rows = kernel(&[2, 3], &[1.0, 2.0, -1.0, 0.3, 0.6, -0.3]).rows();
        assert_eq!(rows, Some(vec![vec![2.0, 0.6], vec![0.5, 1.0, -0.5]]));
        assert_eq!(kernel(&[3], &[1.0, 2.0, 4.0]).rows(), Some(vec![vec![1.0, 2.0, 4.0]]));
        assert_eq!(kernel(&[2, 2], &[1.0, 2.0, 2.0, 4.000001]).rows(), None);
        assert_eq!(kernel(&[2, 2], &[1.0, 0.0, 1.0, 0.0]).rows(), None);
    }
}
