//! Products of rows with each other: the Gram matrix of a block.

use multiversion::multiversion;

/// Products go to as many lanes, by position; rows are padded with zeros to a multiple of it.
pub const LANES: usize = 16;
/// The longest row of 8-bit numbers whose products cannot overflow 32 bits.
pub const MOST_WHOLE: usize = 1 << 14;

/// The lower triangle of products of rows, row by row: `sink(i, j, rows[i] · rows[j])` for `j <= i`.
///
/// In every product element `k` goes to lane `k % 16`; lanes are added in pairs.
pub fn products(rows: &[f64], len: usize, sink: &mut impl FnMut(usize, usize, f64)) {
    for_each_pair(rows, len, sink, dot);
}

/// The same of whole numbers of up to 9 bits with a sign, exactly.
///
/// # Panics
/// If the rows are longer than [`MOST_WHOLE`].
pub fn whole_products(rows: &[i16], len: usize, sink: &mut impl FnMut(usize, usize, i32)) {
    assert!(len <= MOST_WHOLE, "the products of a longer row could overflow");
    for_each_pair(rows, len, sink, whole_dot);
}

/// Rows that are taken together, so that each is loaded less often.
const TOGETHER: usize = 4;

fn for_each_pair<T: Copy, S: Copy>(
    rows: &[T],
    len: usize,
    sink: &mut impl FnMut(usize, usize, S),
    dot: impl Fn(&[T], [&[T]; TOGETHER]) -> [S; TOGETHER],
) {
    let row = |i: usize| &rows[i * len..(i + 1) * len];
    let n = rows.len().checked_div(len).unwrap_or(0);
    for j in (0..n).step_by(TOGETHER) {
        // Rows past the end stand for the last one.
        let group: [&[T]; TOGETHER] = std::array::from_fn(|k| row((j + k).min(n - 1)));
        for i in j..n {
            let sums = dot(row(i), group);
            (j..n.min(j + TOGETHER)).filter(|&j| j <= i).for_each(|at| sink(i, at, sums[at - j]));
        }
    }
}

#[multiversion(targets("x86_64+avx2+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn dot(a: &[f64], group: [&[f64]; TOGETHER]) -> [f64; TOGETHER] {
    let mut lanes = [[0.0; LANES]; TOGETHER];
    let (a, _) = a.as_chunks::<LANES>();
    let group = group.map(|b| b.as_chunks::<LANES>().0);
    for (k, a) in a.iter().enumerate() {
        for (lanes, b) in lanes.iter_mut().zip(&group) {
            let b = &b[k];
            for lane in 0..LANES {
                lanes[lane] += a[lane] * b[lane];
            }
        }
    }
    lanes.map(|mut lanes| {
        let mut width = LANES / 2;
        while width > 0 {
            (0..width).for_each(|lane| lanes[lane] += lanes[lane + width]);
            width /= 2;
        }
        lanes[0]
    })
}

#[multiversion(targets("x86_64+avx2+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn whole_dot(a: &[i16], group: [&[i16]; TOGETHER]) -> [i32; TOGETHER] {
    group.map(
        #[inline(always)]
        |b| a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum(),
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::Rng;
    use super::*;

    #[test]
    fn every_pair_is_met_once_with_its_product() {
        let mut rng = Rng::new(5);
        for (n, len) in [(1, 16), (3, 32), (9, 48), (4, 16)] {
            let whole: Vec<i16> = (0..n * len).map(|_| rng.below(511) as i16 - 255).collect();
            let real: Vec<f64> = whole.iter().map(|&x| x.into()).collect();
            let wanted = |i: usize, j: usize| -> i32 {
                (0..len).map(|k| i32::from(whole[i * len + k]) * i32::from(whole[j * len + k])).sum()
            };
            let (mut seen, mut also) = (Vec::new(), Vec::new());
            whole_products(&whole, len, &mut |i, j, s| seen.push((i, j, s)));
            products(&real, len, &mut |i, j, s| also.push((i, j, s as i32)));
            assert_eq!((seen.len(), &seen), (n * (n + 1) / 2, &also));
            assert!(seen.iter().all(|&(i, j, s)| j <= i && s == wanted(i, j)));
        }
    }
}
