//! Principal directions from the products of all items with each other.

use crate::array::{ArraySpec, Buffer};
use crate::error::{Error, Result};
use crate::graph::{MemArray, Value};
use nalgebra::{DMatrix, SymmetricEigen};
use std::sync::Arc;

/// How the products become directions.
#[derive(Clone, Debug)]
pub(super) struct Basis {
    /// How many directions.
    pub components: usize,
    /// Whether the mean item is taken off.
    pub center: bool,
    /// The results' specs: coefficients, singular values, explained variances, their ratios, projections.
    pub outputs: Vec<ArraySpec>,
}

impl Basis {
    /// The memory that [`Basis::results`] takes: products, the matrix, and the solver's copies.
    pub fn bytes(&self, items: usize) -> u64 {
        let results: u64 = self.outputs.iter().map(ArraySpec::bytes).sum();
        56 * (items * items) as u64 + 64 * items as u64 + results
    }

    /// The results, from the lower triangle of products, which are `2^scale` times too large.
    ///
    /// # Errors
    /// When the eigenvalues cannot be found.
    pub fn results(&self, items: usize, sums: Vec<i128>, scale: i32) -> Result<Vec<Value>> {
        let matrix = self.matrix(items, &sums, scale);
        drop(sums);
        let total: f64 = (0..items).map(|i| matrix[(i, i)]).sum();
        let Some(eigen) = SymmetricEigen::try_new(matrix, f64::EPSILON, 100 * items + 1000) else {
            return Err(Error::op("pca", "the eigenvalues of the stack were not found"));
        };
        let mut order: Vec<usize> = (0..items).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]).then(a.cmp(&b)));
        order.truncate(self.components);
        let most = order.first().map_or(0.0, |&first| eigen.eigenvalues[first]);
        // What rounding leaves of directions that the items do not have.
        let least = most * items as f64 * 4.0 * f64::EPSILON;
        let k = order.len();
        let (mut coefficients, mut projections) = (vec![0.0; k * items], vec![0.0; items * k]);
        let mut values = [vec![0.0; k], vec![0.0; k], vec![0.0; k]];
        for (at, &column) in order.iter().enumerate() {
            let value = eigen.eigenvalues[column];
            let value = if value > least { value } else { 0.0 };
            let singular = value.sqrt();
            values[0][at] = singular;
            values[1][at] = value / (items as f64 - 1.0);
            values[2][at] = value / total;
            if value == 0.0 {
                continue;
            }
            let vector = eigen.eigenvectors.column(column);
            let sign = sign_of(vector.iter().copied());
            let mean = if self.center { vector.iter().sum::<f64>() / items as f64 } else { 0.0 };
            for (i, &entry) in vector.iter().enumerate() {
                coefficients[at * items + i] = sign * (entry - mean) / singular;
                projections[i * k + at] = sign * entry * singular;
            }
        }
        let [singular, variance, ratio] = values;
        let all = [coefficients, singular, variance, ratio, projections];
        self.outputs.iter().zip(all).map(|(spec, values)| value(spec, &values)).collect()
    }

    /// The products as a matrix; of centred items where that is wanted, which integers lose nothing by.
    fn matrix(&self, items: usize, sums: &[i128], scale: i32) -> DMatrix<f64> {
        let sum = |i: usize, j: usize| sums[i.max(j) * (i.max(j) + 1) / 2 + i.min(j)];
        let n = items as i128;
        let rows: Vec<i128> = (0..items).map(|i| (0..items).map(|j| sum(i, j)).sum()).collect();
        let all: i128 = rows.iter().sum();
        let unit = 2f64.powi(-scale / 2) * 2f64.powi(-scale - -scale / 2);
        DMatrix::from_fn(items, items, |i, j| match self.center {
            true => (n * n * sum(i, j) - n * (rows[i] + rows[j]) + all) as f64 / (n * n) as f64 * unit,
            false => sum(i, j) as f64 * unit,
        })
    }
}

/// The sign that makes the entry of largest magnitude positive; of equal ones the first.
fn sign_of(entries: impl Iterator<Item = f64>) -> f64 {
    let largest = entries.fold(0.0f64, |most, x| if x.abs() > most.abs() { x } else { most });
    if largest < 0.0 { -1.0 } else { 1.0 }
}

fn value(spec: &ArraySpec, values: &[f64]) -> Result<Value> {
    let mut data = Buffer::new(size_of_val(values))?;
    for (to, &x) in data.bytes_mut().chunks_exact_mut(8).zip(values) {
        // One NaN, and no negative zeros.
        to.copy_from_slice(&(if x.is_nan() { f64::NAN } else { x + 0.0 }).to_ne_bytes());
    }
    Ok(Value::Array(Arc::new(MemArray { spec: spec.clone(), data })))
}
