//! Directions of a large matrix from its products with a few columns: the randomised range finder with power iterations
//! of N. Halko, P.-G. Martinsson, J. Tropp, "Finding structure with randomness", SIAM Review 53 (2011).
//!
//! With A the matrix (rows as [`super::side`] says), one sweep multiplies a basis Q by A·Aᵀ: every cell of a fixed grid
//! holds all rows, gives a part of Aᵀ·Q and adds its share of A·(Aᵀ·Q). What comes out is made orthonormal and is the
//! next sweep's basis; the last sweep takes the eigenvectors of Qᵀ·A·Aᵀ·Q. Shares are added up as integers, so that
//! neither tiles nor threads show.

use super::basis::{Basis, Found};
use super::gram::{bits, check, power_above, scaled, shift};
use super::side::{Places, Rows};
use crate::array::{ArraySpec, DType, Dims, Element, Region, View, with_dtype};
use crate::error::{Error, Result};
use crate::graph::{MemArray, ScanCx, ScanOp, ScanState, Value};
use crate::kernels::panels::{GROUP, Line, WIDTH, add_outer, add_squares, inner};
use nalgebra::DMatrix;
use std::any::Any;
use std::sync::Arc;

/// A sweep multiplies the basis by A·Aᵀ.
#[derive(Clone, Debug)]
pub(super) struct Sketch {
    /// What is wanted.
    pub basis: Basis,
    /// How many rows the matrix has.
    pub rows: usize,
    /// How many columns the basis has.
    pub columns: usize,
    /// Which sweep it is.
    pub turn: Turn,
}

/// Where a sweep stands among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The first: its basis is random, from that seed.
    First(u64),
    /// One in between.
    Power,
    /// The last: it gives the directions.
    Last,
}

/// A cell has about so many bytes, and of every row so many elements.
const CELL: u64 = 4 << 20;
const LEAST: u64 = 16;
const MOST: u64 = 512;
/// What is left of shares as integers goes to second ones, which hold so many more bits.
const MORE: i32 = 36;

impl Sketch {
    /// A row longer than it needs to be, so that groups are whole.
    fn height(&self) -> usize {
        self.rows.next_multiple_of(GROUP)
    }

    /// The basis and a column more: where rows are items it holds ones and gives their sums; else it gives the sums of
    /// the rows.
    fn panels(&self) -> usize {
        (self.columns + 1).div_ceil(WIDTH)
    }

    fn lines(&self) -> usize {
        self.panels() * self.height()
    }

    fn cell(&self, input: &ArraySpec) -> Dims {
        let row = (self.rows * input.dtype.size()).max(1) as u64;
        self.basis.side.cell(input, (CELL / row).clamp(LEAST, MOST))
    }

    /// The spec of the basis that comes out: line by line of every panel.
    pub fn output(&self) -> ArraySpec {
        ArraySpec::unnamed(&[self.panels() as u64, self.height() as u64, WIDTH as u64], DType::F64)
    }

    /// A basis of signs: of length one, and with a mean of zero where the items are centred.
    fn random(&self, seed: u64) -> Vec<Line> {
        let (height, unit) = (self.height(), 1.0 / (self.rows as f64).sqrt());
        let mut lines = vec![[0.0; WIDTH]; self.lines()];
        for column in 0..self.columns {
            let mut state = mix(seed ^ mix(column as u64 + 1));
            let panel = &mut lines[column / WIDTH * height..][..self.rows];
            for line in panel {
                state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
                line[column % WIDTH] = if mix(state) >> 63 == 1 { unit } else { -unit };
            }
        }
        if self.is_centred() {
            (0..self.columns).for_each(|column| self.center(&mut lines, column));
        }
        self.put_ones(&mut lines);
        lines
    }

    fn is_centred(&self) -> bool {
        self.basis.center && self.basis.side.rows == Rows::Items
    }

    fn center(&self, lines: &mut [Line], column: usize) {
        let panel = &mut lines[column / WIDTH * self.height()..][..self.rows];
        let lane = column % WIDTH;
        let mean = panel.iter().map(|line| line[lane]).sum::<f64>() / self.rows as f64;
        panel.iter_mut().for_each(|line| line[lane] -= mean);
    }

    /// The column of ones, of length one.
    fn put_ones(&self, lines: &mut [Line]) {
        if self.basis.side.rows == Rows::Items {
            let panel = &mut lines[self.columns / WIDTH * self.height()..][..self.rows];
            panel.iter_mut().for_each(|line| line[self.columns % WIDTH] = 1.0 / (self.rows as f64).sqrt());
        }
    }
}

/// A well-mixed number (the finaliser of SplitMix64).
fn mix(x: u64) -> u64 {
    let x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ x >> 31
}

impl ScanOp for Sketch {
    fn name(&self) -> &'static str {
        match self.turn {
            Turn::Last => "pca: the last product with the basis",
            _ => "pca: a power iteration",
        }
    }

    fn grain(&self, input: &ArraySpec) -> Option<Dims> {
        Some(self.cell(input))
    }

    fn state_bytes(&self, input: &ArraySpec) -> u64 {
        let columns = self.basis.side.columns(&self.cell(input));
        let own = if matches!(self.turn, Turn::First(_)) { self.lines() } else { 0 };
        let lines = 2 * self.lines() + own + self.panels() * columns;
        (lines * size_of::<Line>() + 8 * GROUP * columns) as u64 + Places::bytes(self.rows as u64, columns)
    }

    fn finish_bytes(&self, _input: &ArraySpec) -> u64 {
        let small = 80 * (self.columns + 1) * (self.columns + 1);
        self.basis.bytes(self.rows) + (3 * self.lines() * size_of::<Line>() + small) as u64
    }

    fn begin(&self, cx: &ScanCx<'_>) -> Result<Box<dyn ScanState>> {
        let input = cx.input();
        let (shift, most) = shift(cx, self.basis.center);
        check(most, input.elements())?;
        let basis = match (self.turn, cx.arrays) {
            (Turn::First(seed), _) => Lines::Own(self.random(seed)),
            (_, [basis]) => Lines::Shared(basis.clone()),
            _ => return Err(Error::Internal("a basis is missing".into())),
        };
        let cell = self.cell(input);
        let (rows, columns) = self.basis.side.shape(input);
        let (squared, taken) = (2 * bits(most), self.basis.side.columns(&cell));
        Ok(Box::new(Shares {
            sketch: self.clone(),
            basis,
            unit: power_above(most),
            shift,
            // Of columns of length one: a product is no more than √rows of the largest element, its share so many more.
            scale: 60 - squared - bits(columns as f64) - bits((rows as f64).sqrt()),
            square_scale: 60 - squared - bits(input.elements() as f64),
            whole: vec![[0; WIDTH]; self.lines()],
            rest: vec![[0; WIDTH]; self.lines()],
            squares: [0; 2],
            products: vec![[0.0; WIDTH]; self.panels() * taken],
            group: vec![0.0; GROUP * taken],
            places: Places::with_room(rows, taken),
            cell,
        }))
    }
}

/// The basis: made here, or by the sweep before.
enum Lines {
    Own(Vec<Line>),
    Shared(Arc<MemArray>),
}

impl Lines {
    fn all(&self) -> &[Line] {
        match self {
            Lines::Own(lines) => lines,
            Lines::Shared(array) => bytemuck::cast_slice(array.data.bytes()),
        }
    }
}

/// What one worker has added up.
struct Shares {
    sketch: Sketch,
    cell: Dims,
    basis: Lines,
    unit: f64,
    shift: f64,
    scale: i32,
    square_scale: i32,
    whole: Vec<[i64; WIDTH]>,
    rest: Vec<[i64; WIDTH]>,
    squares: [i64; 2],
    products: Vec<Line>,
    group: Vec<f64>,
    places: Places,
}

/// A share as integers: `x · 2^scale`, and what that leaves, [`MORE`] bits finer.
#[inline(always)]
fn split(x: f64, factors: [f64; 2]) -> [i64; 2] {
    let x = x * factors[0] * factors[1];
    let whole = x as i64;
    [whole, ((x - whole as f64) * (1i64 << MORE) as f64) as i64]
}

fn factors(scale: i32) -> [f64; 2] {
    [2f64.powi(scale / 2), 2f64.powi(scale - scale / 2)]
}

fn joined(whole: i64, rest: i64, scale: i32) -> f64 {
    scaled(((i128::from(whole) << MORE) + i128::from(rest)) as f64, -scale - MORE)
}

impl Shares {
    fn take(&mut self, tile: &View<'_>) {
        let side = self.sketch.basis.side;
        self.places.find(side, tile);
        let n = self.places.columns();
        let (panels, height, columns) = (self.sketch.panels(), self.sketch.height(), self.sketch.columns);
        let products = &mut self.products[..panels * n];
        products.fill([0.0; WIDTH]);
        let group = &mut self.group[..GROUP * n];
        let last = self.sketch.turn == Turn::Last;
        let mut squares = [0.0; WIDTH];
        for first in (0..height).step_by(GROUP) {
            load(tile, &self.places, first, self.shift, group);
            if last {
                group.chunks_exact(n).for_each(|row| add_squares(row, &mut squares));
            }
            for panel in 0..panels {
                let at = panel * height + first;
                let Some(weights) = self.basis.all()[at..].first_chunk::<GROUP>() else { continue };
                add_outer(group, weights, &mut products[panel * n..][..n]);
            }
        }
        if side.rows == Rows::Values {
            let panel = &mut products[columns / WIDTH * n..][..n];
            panel.iter_mut().for_each(|line| line[columns % WIDTH] = self.unit);
        }
        let parts = split(squares.iter().sum(), factors(self.square_scale));
        self.squares = [self.squares[0] + parts[0], self.squares[1] + parts[1]];
        let factors = factors(self.scale);
        for first in (0..height).step_by(GROUP) {
            load(tile, &self.places, first, self.shift, group);
            for panel in 0..panels {
                let shares = inner(group, &products[panel * n..][..n]);
                let at = panel * height + first;
                let sums = self.whole[at..].iter_mut().zip(&mut self.rest[at..]);
                for (share, (whole, rest)) in shares.iter().zip(sums) {
                    for lane in 0..WIDTH {
                        let parts = split(share[lane], factors);
                        whole[lane] += parts[0];
                        rest[lane] += parts[1];
                    }
                }
            }
        }
    }

    /// A column of what was added up.
    fn column(&self, column: usize) -> impl Iterator<Item = f64> {
        let (at, lane) = (column / WIDTH * self.sketch.height(), column % WIDTH);
        let sums = self.whole[at..].iter().zip(&self.rest[at..]).take(self.sketch.rows);
        sums.map(move |(whole, rest)| joined(whole[lane], rest[lane], self.scale))
    }

    /// A column of the basis that was multiplied.
    fn before(&self, column: usize) -> impl Iterator<Item = f64> {
        let (at, lane) = (column / WIDTH * self.sketch.height(), column % WIDTH);
        self.basis.all()[at..].iter().take(self.sketch.rows).map(move |line| line[lane])
    }

    /// The mean item less the shift, where values are rows and it is taken off.
    fn means(&self) -> Vec<f64> {
        let Sketch { basis, columns, .. } = &self.sketch;
        match basis.center && basis.side.rows == Rows::Values {
            true => self.column(*columns).map(|sum| sum / self.unit / basis.items as f64).collect(),
            false => Vec::new(),
        }
    }

    /// The basis times A·Aᵀ, with the mean item taken off; column after column.
    fn multiplied(&self, means: &[f64]) -> Vec<f64> {
        let Sketch { basis, columns, rows, .. } = &self.sketch;
        let mut all = Vec::with_capacity(rows * columns);
        for column in 0..*columns {
            all.extend(self.column(column));
            let own = &mut all[column * rows..];
            if !means.is_empty() {
                let part: f64 = self.before(column).zip(means).map(|(a, b)| a * b).sum();
                let part = part * basis.items as f64;
                own.iter_mut().zip(means).for_each(|(x, mean)| *x -= part * mean);
            } else if self.sketch.is_centred() {
                let mean = own.iter().sum::<f64>() / *rows as f64;
                own.iter_mut().for_each(|x| *x -= mean);
            }
        }
        all
    }

    /// The squares of all elements together, with the mean item taken off.
    fn total(&self, means: &[f64]) -> f64 {
        let Sketch { basis, columns, rows, .. } = &self.sketch;
        let all = joined(self.squares[0], self.squares[1], self.square_scale);
        match basis.side.rows {
            _ if !basis.center => all,
            Rows::Items => all - self.column(*columns).sum::<f64>() / (*rows as f64).sqrt(),
            Rows::Values => all - basis.items as f64 * means.iter().map(|mean| mean * mean).sum::<f64>(),
        }
    }

    /// The basis of the next sweep.
    fn next(self) -> Result<Vec<Value>> {
        let sketch = self.sketch.clone();
        let mut columns = self.multiplied(&self.means());
        drop(self);
        orthonormalise(&mut columns, sketch.rows);
        let mut array = MemArray::zeros(sketch.output())?;
        let lines: &mut [Line] = bytemuck::cast_slice_mut(array.data.bytes_mut());
        for (column, entries) in columns.chunks_exact(sketch.rows).enumerate() {
            let panel = &mut lines[column / WIDTH * sketch.height()..];
            panel.iter_mut().zip(entries).for_each(|(line, &x)| line[column % WIDTH] = x);
        }
        sketch.put_ones(lines);
        Ok(vec![Value::Array(Arc::new(array))])
    }

    /// The directions: the basis turned by the eigenvectors of what it makes of A·Aᵀ.
    fn directions(self) -> Result<Vec<Value>> {
        let Sketch { basis, columns, rows, .. } = self.sketch.clone();
        let mut means = self.means();
        let total = self.total(&means);
        let multiplied = self.multiplied(&means);
        means.iter_mut().for_each(|mean| *mean += self.shift);
        let product = |i: usize, j: usize| -> f64 {
            self.before(i).zip(&multiplied[j * rows..][..rows]).map(|(a, b)| a * b).sum()
        };
        let both = DMatrix::from_fn(columns, columns, product);
        let matrix = DMatrix::from_fn(columns, columns, |i, j| 0.5 * (both[(i, j)] + both[(j, i)]));
        drop(multiplied);
        let (values, turned) = basis.strongest(matrix)?;
        let mut vectors = DMatrix::zeros(rows, values.len());
        for at in 0..values.len() {
            for column in 0..columns {
                let weight = turned[(column, at)];
                let entries = vectors.column_mut(at);
                entries.into_iter().zip(self.before(column)).for_each(|(to, x)| *to += weight * x);
            }
        }
        drop(self);
        basis.results(&Found { values, vectors, total, means })
    }
}

fn load(tile: &View<'_>, places: &Places, first: usize, shift: f64, group: &mut [f64]) {
    let n = group.len() / GROUP;
    with_dtype!(tile.dtype(), T => {
        let data = tile.typed::<T>();
        for (i, row) in group.chunks_exact_mut(n).enumerate() {
            places.load(data, first + i, row, |x: T| x.to_f64() - shift);
        }
    });
}

/// Makes columns orthonormal, one after the other; those that depend on the ones before become zero.
fn orthonormalise(columns: &mut [f64], rows: usize) {
    let product = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    let length = |a: &[f64]| product(a, a).sqrt();
    let most = columns.chunks_exact(rows).map(length).fold(0.0, f64::max);
    for at in 0..columns.len() / rows {
        let (done, rest) = columns.split_at_mut(at * rows);
        let own = &mut rest[..rows];
        // What rounding leaves of the others after a first time is gone after a third.
        for _ in 0..3 {
            for other in done.chunks_exact(rows) {
                let part = product(own, other);
                own.iter_mut().zip(other).for_each(|(x, other)| *x -= part * other);
            }
        }
        let length = length(own);
        match length > most * 1e-14 {
            true => own.iter_mut().for_each(|x| *x /= length),
            false => own.fill(0.0),
        }
    }
}

impl ScanState for Shares {
    fn fold(&mut self, at: &Region, tiles: &[View<'_>]) -> Result<()> {
        for i in 0..crate::array::grid_len(&at.shape, &self.cell) {
            self.take(&tiles[0].sub(&Region::tile(&at.shape, &self.cell, i)));
        }
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn ScanState>) {
        if let Ok(other) = other.into_any().downcast::<Shares>() {
            let add = |sums: &mut Vec<[i64; WIDTH]>, more: &[[i64; WIDTH]]| {
                let pairs = sums.as_flattened_mut().iter_mut().zip(more.as_flattened());
                pairs.for_each(|(sum, more)| *sum += more);
            };
            add(&mut self.whole, &other.whole);
            add(&mut self.rest, &other.rest);
            self.squares.iter_mut().zip(other.squares).for_each(|(sum, more)| *sum += more);
        }
    }

    fn finish(self: Box<Self>) -> Result<Vec<Value>> {
        match self.sketch.turn {
            Turn::Last => self.directions(),
            _ => self.next(),
        }
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
