//! Products of a matrix with a few columns, which lie in panels of [`WIDTH`]: a row of a panel is a vector of the machine.
//!
//! A group of rows is taken at a time. Every sum takes its terms one by one in the order of the matrix.

use multiversion::multiversion;

/// Columns of a panel.
pub const WIDTH: usize = 8;
/// Rows of a group.
pub const GROUP: usize = 4;

/// Sums that are in registers at a time. (In one loop over all of them the compiler takes sums, not lanes, as vectors, which is
/// five times slower.)
const BLOCK: usize = 8;

/// A row of a panel.
pub type Line = [f64; WIDTH];

/// `sums[v] += Σ rows[i][v] · weights[i]`: what a group of rows, one after the other in `rows`, adds to the transposed
/// matrix times a panel.
#[multiversion(targets("x86_64+avx2+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn add_outer(rows: &[f64], weights: &[Line; GROUP], sums: &mut [Line]) {
    let n = sums.len();
    let row = |i: usize| &rows[i * n..][..n];
    let rows: [&[f64]; GROUP] = [row(0), row(1), row(2), row(3)];
    let (blocks, rest) = sums.as_chunks_mut::<BLOCK>();
    let done = blocks.len() * BLOCK;
    for (at, block) in blocks.iter_mut().enumerate() {
        let mut lines = *block;
        for (row, weights) in rows.iter().zip(weights) {
            let Some(xs) = row[at * BLOCK..].first_chunk::<BLOCK>() else { continue };
            for (line, x) in lines.iter_mut().zip(xs) {
                add_scaled(line, *x, weights);
            }
        }
        *block = lines;
    }
    for (v, line) in rest.iter_mut().enumerate() {
        rows.iter().zip(weights).for_each(|(row, weights)| add_scaled(line, row[done + v], weights));
    }
}

#[inline(always)]
fn add_scaled(line: &mut Line, x: f64, weights: &Line) {
    for lane in 0..WIDTH {
        line[lane] += x * weights[lane];
    }
}

/// `Σ rows[i][v] · panel[v]` for every row of a group.
#[multiversion(targets("x86_64+avx2+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn inner(rows: &[f64], panel: &[Line]) -> [Line; GROUP] {
    let n = panel.len();
    let (a, rest) = rows.split_at(n);
    let (b, rest) = rest.split_at(n);
    let (c, d) = rest.split_at(n);
    let mut sums = [[0.0; WIDTH]; GROUP];
    for ((((line, &a), &b), &c), &d) in panel.iter().zip(a).zip(b).zip(c).zip(d) {
        for (sums, x) in sums.iter_mut().zip([a, b, c, d]) {
            for lane in 0..WIDTH {
                sums[lane] += x * line[lane];
            }
        }
    }
    sums
}

/// Adds the square of element `k` of each row to lane `k % 8`.
#[multiversion(targets("x86_64+avx2+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn add_squares(row: &[f64], lanes: &mut Line) {
    let (whole, rest) = row.as_chunks::<WIDTH>();
    for xs in whole {
        for lane in 0..WIDTH {
            lanes[lane] += xs[lane] * xs[lane];
        }
    }
    rest.iter().zip(lanes).for_each(|(x, lane)| *lane += x * x);
}

#[cfg(test)]
mod tests {
    use super::super::testing::Rng;
    use super::*;

    #[test]
    fn groups_are_multiplied_with_panels_from_both_sides() {
        let mut rng = Rng::new(8);
        let mut number = || rng.below(19) as f64 - 9.0;
        for n in [1, 5, 16] {
            let rows: Vec<f64> = (0..GROUP * n).map(|_| number()).collect();
            let weights: [Line; GROUP] = std::array::from_fn(|_| std::array::from_fn(|_| number()));
            let mut sums = vec![[1.0; WIDTH]; n];
            add_outer(&rows, &weights, &mut sums);
            let back = inner(&rows, &sums);
            for lane in 0..WIDTH {
                for (v, sum) in sums.iter().enumerate() {
                    let wanted: f64 = (0..GROUP).map(|i| rows[i * n + v] * weights[i][lane]).sum();
                    assert_eq!(sum[lane], 1.0 + wanted);
                }
                for (i, back) in back.iter().enumerate() {
                    assert_eq!(back[lane], (0..n).map(|v| rows[i * n + v] * sums[v][lane]).sum::<f64>());
                }
            }
            let mut lanes = [0.0; WIDTH];
            add_squares(&rows, &mut lanes);
            assert_eq!(lanes.iter().sum::<f64>(), rows.iter().map(|x| x * x).sum::<f64>());
        }
    }
}
