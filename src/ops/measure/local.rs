//! What a pixel adds to the Euler number and to the outline of its object: neighbourhoods looked at before the sweep.

use super::pixel::Pixel;
use crate::array::{
    ArraySpec, DType, Element, MAX_RANK, Mode, Region, Scalar, View, ViewMut, for_each_row, with_dtype,
};
use crate::error::Result;
use crate::graph::{Array, Cx, Need, TileOp};
use arrayvec::ArrayVec;

/// Neighbours before a pixel in raster order, along up to three axes.
const EARLIER: usize = 13;

/// The parts of the Euler number: for objects whose pixels are connected across corners, vertices less edges plus faces
/// (less cubes) of the union of closed pixels. Each belongs to the first pixel of the object that has it.
#[derive(Debug)]
struct EulerParts {
    axes: Vec<usize>,
    /// The neighbours before a pixel.
    earlier: Vec<Vec<i64>>,
    /// The part of a pixel by which of those belong to its object.
    parts: Vec<i8>,
}

/// A pixel and its neighbours along `n` axes, in raster order.
fn offsets(n: usize) -> Vec<Vec<i64>> {
    let offset = |i: usize| (0..n).map(|a| (i / 3usize.pow((n - 1 - a) as u32) % 3) as i64 - 1).collect();
    (0..3usize.pow(n as u32)).map(offset).collect()
}

/// The neighbours before a pixel.
fn earlier(n: usize) -> Vec<Vec<i64>> {
    let all = offsets(n);
    all[..all.len() / 2].to_vec()
}

/// The parts of the Euler number of every object, as int8.
pub(super) fn euler_parts(labels: &Array, spec: &ArraySpec, axes: &[usize]) -> Array {
    let all = offsets(axes.len());
    let earlier = earlier(axes.len());
    let part = |mask: usize| {
        let has = |cell: &Vec<i64>, o: &Vec<i64>| cell.iter().zip(o).all(|(&c, &o)| o == 0 || o == c);
        let owned = |cell: &&Vec<i64>| !earlier.iter().enumerate().any(|(k, o)| mask >> k & 1 == 1 && has(cell, o));
        let sign = |cell: &Vec<i64>| if cell.iter().filter(|&&c| c == 0).count() % 2 == 0 { 1 } else { -1 };
        all.iter().filter(owned).map(sign).sum()
    };
    let parts = (0..1usize << earlier.len().min(EARLIER)).map(part).collect();
    let op = EulerParts { axes: axes.to_vec(), earlier, parts };
    Array::tile(op, vec![labels.clone()], spec.with_dtype(DType::I8))
}

/// The box of the labels around an output box; outside is background.
fn around(out: &Region, axes: &[usize], depth: u64, inputs: &[ArraySpec]) -> Need {
    let mut need = Need::inside(out);
    for &axis in axes {
        need.start[axis] -= depth as i64;
        need.shape[axis] += 2 * depth;
    }
    need.outside = Some((Mode::Constant, Scalar::from_f64(0.0, inputs[0].dtype)));
    need
}

/// Calls `each` with every output element and the place of its pixel in the window.
fn for_each_pixel<T: Element, U: Element>(
    input: &View<'_>,
    out: &mut ViewMut<'_>,
    axes: &[usize],
    depth: usize,
    each: impl Fn(&[T], usize) -> U,
) {
    let centre: usize = axes.iter().map(|&axis| depth * input.strides()[axis]).sum();
    let shape: ArrayVec<usize, MAX_RANK> = out.shape().iter().copied().collect();
    let strides: ArrayVec<usize, MAX_RANK> = out.strides().iter().copied().collect();
    let (from, to) = (input.typed::<T>(), out.typed_mut::<U>());
    for_each_row(&shape, [input.strides(), &strides], |[source, target], n| {
        to[target..target + n].iter_mut().enumerate().for_each(|(i, out)| *out = each(from, source + centre + i));
    });
}

impl TileOp for EulerParts {
    fn name(&self) -> &'static str {
        "euler_parts"
    }

    fn need(&self, _input: usize, out: &Region, inputs: &[ArraySpec]) -> Need {
        around(out, &self.axes, 1, inputs)
    }

    fn run(&self, _cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, _scratch: &mut [u8]) -> Result<()> {
        let input = &inputs[0];
        let place = |o: &Vec<i64>| -> i64 {
            o.iter().zip(&self.axes).map(|(&o, &axis)| o * input.strides()[axis] as i64).sum()
        };
        let places: ArrayVec<i64, EARLIER> = self.earlier.iter().map(place).collect();
        with_dtype!(input.dtype(), T => for_each_pixel(input, out, &self.axes, 1, |pixels: &[T], at| {
            let label = pixels[at];
            if label <= T::default() {
                return 0i8;
            }
            let same = |(k, &o): (usize, &i64)| usize::from(pixels[(at as i64 + o) as usize] == label) << k;
            self.parts[places.iter().enumerate().map(same).sum::<usize>()]
        }));
        Ok(())
    }

    fn cost(&self) -> f64 {
        4.0
    }
}

/// Along which lines through pixel centres an object begins at a pixel, coming from the neighbours before it: how many
/// axes (bits 0 and 1), diagonals of faces (2 to 4), diagonals of cubes (from 5).
#[derive(Debug)]
struct Chords {
    axes: Vec<usize>,
    earlier: Vec<Vec<i64>>,
}

/// The chords of every object that begin at each pixel, as uint8, along two or three axes.
pub(super) fn chords(labels: &Array, spec: &ArraySpec, axes: &[usize]) -> Array {
    let op = Chords { axes: axes.to_vec(), earlier: earlier(axes.len()) };
    Array::tile(op, vec![labels.clone()], spec.with_dtype(DType::U8))
}

/// How many chords along axes, diagonals of faces, diagonals of cubes a pixel has.
pub(super) fn chord_counts(code: u8) -> [u64; 3] {
    [code & 3, code >> 2 & 7, code >> 5].map(u64::from)
}

impl TileOp for Chords {
    fn name(&self) -> &'static str {
        "chords"
    }

    fn need(&self, _input: usize, out: &Region, inputs: &[ArraySpec]) -> Need {
        around(out, &self.axes, 1, inputs)
    }

    fn run(&self, _cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, _scratch: &mut [u8]) -> Result<()> {
        let input = &inputs[0];
        let place = |o: &Vec<i64>| -> (i64, u8) {
            let along = o.iter().filter(|&&o| o != 0).count();
            let at = o.iter().zip(&self.axes).map(|(&o, &axis)| o * input.strides()[axis] as i64).sum();
            (at, [0, 1, 1 << 2, 1 << 5][along.min(3)])
        };
        let places: ArrayVec<(i64, u8), EARLIER> = self.earlier.iter().map(place).collect();
        with_dtype!(input.dtype(), T => for_each_pixel(input, out, &self.axes, 1, |pixels: &[T], at| {
            let label = pixels[at];
            if label <= T::default() {
                return 0u8;
            }
            let begins = |o: i64| pixels[(at as i64 + o) as usize] != label;
            places.iter().map(|&(o, one)| if begins(o) { one } else { 0 }).sum::<u8>()
        }));
        Ok(())
    }

    fn cost(&self) -> f64 {
        4.0
    }
}

/// The outline of every object, as uint8: 1, 2 and 3 are pixels that add 1, √2 and (1 + √2) / 2 to the perimeter.
#[derive(Debug)]
struct Outline {
    axes: Vec<usize>,
}

/// The kinds of outline pixels of a label image along two axes.
pub(super) fn outline(labels: &Array, spec: &ArraySpec, axes: &[usize]) -> Array {
    Array::tile(Outline { axes: axes.to_vec() }, vec![labels.clone()], spec.with_dtype(DType::U8))
}

impl TileOp for Outline {
    fn name(&self) -> &'static str {
        "outline"
    }

    fn need(&self, _input: usize, out: &Region, inputs: &[ArraySpec]) -> Need {
        around(out, &self.axes, 2, inputs)
    }

    fn run(&self, _cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, _scratch: &mut [u8]) -> Result<()> {
        let input = &inputs[0];
        let (down, right) = match self.axes[..] {
            [a, b] => (input.strides()[a] as i64, input.strides()[b] as i64),
            _ => (0, 0),
        };
        with_dtype!(input.dtype(), T => for_each_pixel(input, out, &self.axes, 2, |pixels: &[T], at| {
            kind(pixels, at as i64, down, right)
        }));
        Ok(())
    }

    fn cost(&self) -> f64 {
        4.0
    }
}

/// scikit-image's: outline pixels that share an edge count 2, those that share a corner 10, the pixel itself 1.
fn kind<T: Pixel>(pixels: &[T], at: i64, down: i64, right: i64) -> u8 {
    let label = pixels[at as usize];
    let faces = [-down, -right, right, down];
    let on_outline = |at: i64| faces.iter().any(|o| pixels[(at + o) as usize] != label);
    if label <= T::default() || !on_outline(at) {
        return 0;
    }
    let has = |o: i64| pixels[(at + o) as usize] == label && on_outline(at + o);
    let corners = [-down - right, -down + right, down - right, down + right];
    let edges = faces.iter().filter(|&&o| has(o)).count();
    match 1 + 2 * edges + 10 * corners.iter().filter(|&&o| has(o)).count() {
        5 | 7 | 15 | 17 | 25 | 27 => 1,
        21 | 33 => 2,
        13 | 23 => 3,
        _ => 0,
    }
}
