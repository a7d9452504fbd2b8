//! What becomes of principal directions once they are found: the results, by name.

use super::side::{Rows, Side};
use crate::array::{ArraySpec, Buffer, DType, Dims, Spec};
use crate::error::{Error, Result};
use crate::graph::{MemArray, Value};
use nalgebra::{DMatrix, SymmetricEigen};
use std::sync::Arc;

/// What is wanted of a stack.
#[derive(Clone, Debug)]
pub(super) struct Basis {
    /// How the stack is a matrix.
    pub side: Side,
    /// How many items it has.
    pub items: usize,
    /// How many directions are wanted.
    pub components: usize,
    /// Whether the mean item is taken off.
    pub center: bool,
    /// The shape of an item.
    pub item: Dims,
}

/// Directions among the rows of the matrix, the strongest first.
pub(super) struct Found {
    /// The squares of the singular values.
    pub values: Vec<f64>,
    /// One column each.
    pub vectors: DMatrix<f64>,
    /// The squares of all elements together.
    pub total: f64,
    /// Of values as rows: the mean item; empty if it is not taken off.
    pub means: Vec<f64>,
}

const OF_ITEMS: &[&str] =
    &["coefficients", "singular_values", "explained_variance", "explained_variance_ratio", "projections"];
const OF_VALUES: &[&str] =
    &["directions", "singular_values", "explained_variance", "explained_variance_ratio", "offsets"];

impl Basis {
    /// The names of the results.
    pub fn ports(&self) -> &'static [&'static str] {
        match self.side.rows {
            Rows::Items => OF_ITEMS,
            Rows::Values => OF_VALUES,
        }
    }

    fn arrays(&self) -> [ArraySpec; 5] {
        let of = |shape: &[u64]| ArraySpec::unnamed(shape, DType::F64);
        let (k, items) = (self.components as u64, self.items as u64);
        let directions: Dims = std::iter::once(k).chain(self.item.iter().copied()).collect();
        match self.side.rows {
            Rows::Items => [of(&[k, items]), of(&[k]), of(&[k]), of(&[k]), of(&[items, k])],
            Rows::Values => [of(&directions), of(&[k]), of(&[k]), of(&[k]), of(&[k])],
        }
    }

    /// Their specs.
    pub fn outputs(&self) -> Vec<Spec> {
        self.arrays().into_iter().map(Spec::Array).collect()
    }

    /// The memory that [`Basis::results`] takes for so many rows, and what it is given.
    pub fn bytes(&self, rows: usize) -> u64 {
        let results: u64 = self.arrays().iter().map(ArraySpec::bytes).sum();
        (8 * rows * (self.components + 2)) as u64 + 2 * results
    }

    /// The results.
    ///
    /// # Errors
    /// When the memory cannot be had.
    pub fn results(&self, found: &Found) -> Result<Vec<Value>> {
        let (k, rows) = (self.components, found.vectors.nrows());
        let (mut across, mut along) = (vec![0.0; k * rows], Vec::new());
        match self.side.rows {
            Rows::Items => along.resize(rows * k, 0.0),
            Rows::Values => along.resize(k, 0.0),
        }
        let mut values = [vec![0.0; k], vec![0.0; k], vec![0.0; k]];
        for (at, &value) in found.values.iter().enumerate().filter(|(_, value)| **value != 0.0) {
            let singular = value.sqrt();
            values[0][at] = singular;
            values[1][at] = value / (self.items as f64 - 1.0);
            values[2][at] = value / found.total;
            let vector = found.vectors.column(at);
            let sign = sign_of(vector.iter().copied());
            let across = &mut across[at * rows..][..rows];
            if self.side.rows == Rows::Values {
                across.iter_mut().zip(&vector).for_each(|(to, &entry)| *to = sign * entry);
                along[at] = across.iter().zip(&found.means).map(|(a, b)| a * b).sum();
                continue;
            }
            let mean = if self.center { vector.iter().sum::<f64>() / rows as f64 } else { 0.0 };
            for (i, &entry) in vector.iter().enumerate() {
                across[i] = sign * (entry - mean) / singular;
                along[i * k + at] = sign * entry * singular;
            }
        }
        let [singular, variance, ratio] = values;
        let all = [across, singular, variance, ratio, along];
        self.arrays().into_iter().zip(all).map(|(spec, values)| value(spec, &values)).collect()
    }

    /// The strongest eigenvectors of a matrix, and what rounding leaves of directions that it has not set to zero.
    ///
    /// # Errors
    /// When the eigenvalues cannot be found.
    pub fn strongest(&self, matrix: DMatrix<f64>) -> Result<(Vec<f64>, DMatrix<f64>)> {
        let n = matrix.nrows();
        let Some(eigen) = SymmetricEigen::try_new(matrix, f64::EPSILON, 100 * n + 1000) else {
            return Err(Error::op("pca", "the eigenvalues of the stack were not found"));
        };
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]).then(a.cmp(&b)));
        order.truncate(self.components);
        let most = order.first().map_or(0.0, |&first| eigen.eigenvalues[first]);
        let least = most * n as f64 * 4.0 * f64::EPSILON;
        let clean = |value: f64| if value > least { value } else { 0.0 };
        let values = order.iter().map(|&i| clean(eigen.eigenvalues[i])).collect();
        Ok((values, DMatrix::from_fn(n, order.len(), |row, at| eigen.eigenvectors[(row, order[at])])))
    }
}

/// The sign that makes the entry of largest magnitude positive; of equal ones the first.
fn sign_of(entries: impl Iterator<Item = f64>) -> f64 {
    let largest = entries.fold(0.0f64, |most, x| if x.abs() > most.abs() { x } else { most });
    if largest < 0.0 { -1.0 } else { 1.0 }
}

/// A small array of those values.
fn value(spec: ArraySpec, values: &[f64]) -> Result<Value> {
    let mut data = Buffer::new(size_of_val(values))?;
    for (to, &x) in data.bytes_mut().chunks_exact_mut(8).zip(values) {
        // One NaN, and no negative zeros.
        to.copy_from_slice(&(if x.is_nan() { f64::NAN } else { x + 0.0 }).to_ne_bytes());
    }
    Ok(Value::Array(Arc::new(MemArray { spec, data })))
}
