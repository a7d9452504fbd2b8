//! Rules that choose one bin: scikit-image's formulas in scikit-image's arithmetic, single precision included, so that
//! the choice is the same.

use super::counts::{Centres, Distribution, Rule};
use crate::error::{Error, Result};

/// The numbers that scikit-image computes in: those of the bin centres.
pub(super) trait Centre:
    Copy + PartialOrd + std::ops::Mul<Output = Self> + std::ops::Sub<Output = Self>
{
    fn of(count: f32) -> Self;
    fn plus(self, other: Self) -> Self;
    fn over(self, weight: f32) -> Self;
}

macro_rules! centre {
    ($($t:ty)*) => {$(
        impl Centre for $t {
            fn of(count: f32) -> Self {
                count.into()
            }

            fn plus(self, other: Self) -> Self {
                self + other
            }

            fn over(self, weight: f32) -> Self {
                self / <$t>::from(weight)
            }
        }
    )*};
}

centre!(f32 f64);

/// Calls a function with the centres in their own type.
macro_rules! with_centres {
    ($centres:expr, $c:ident => $body:expr) => {
        match $centres {
            Centres::Single($c) => $body,
            Centres::Double($c) => $body,
        }
    };
}

#[derive(Debug)]
pub(super) struct Otsu;

impl Rule for Otsu {
    fn name(&self) -> &'static str {
        "threshold_otsu"
    }

    fn find(&self, seen: &Distribution) -> Result<Vec<f64>> {
        if let Some(value) = seen.constant {
            return Ok(vec![value]);
        }
        let counts = seen.single_counts();
        let bin = with_centres!(&seen.centres, c => best_split(&counts, c));
        Ok(vec![seen.centres.at(bin)])
    }
}

/// The first bin whose right edge separates best: counts and their running sums are single, sums of products and means
/// are in the type of the centres.
fn best_split<C: Centre>(counts: &[f32], centres: &[C]) -> usize {
    let bins = || counts.iter().zip(centres);
    let (weight1, mean1) = running(bins());
    let (mut weight2, mut mean2) = running(bins().rev());
    weight2.reverse();
    mean2.reverse();
    let (mut at, mut most) = (0, None);
    for k in 0..counts.len() - 1 {
        let apart = mean1[k] - mean2[k + 1];
        let variance = C::of(weight1[k] * weight2[k + 1]) * (apart * apart);
        if most.is_none_or(|most| variance > most) {
            (at, most) = (k, Some(variance));
        }
    }
    at
}

/// Weights and means of the bins up to each.
fn running<'a, C: Centre + 'a>(bins: impl Iterator<Item = (&'a f32, &'a C)>) -> (Vec<f32>, Vec<C>) {
    let mut weight = 0.0;
    let mut moment = C::of(0.0);
    bins.map(|(&count, &centre)| {
        weight += count;
        moment = moment.plus(C::of(count) * centre);
        (weight, moment.over(weight))
    })
    .unzip()
}

#[derive(Debug)]
pub(super) struct Yen;

impl Rule for Yen {
    fn name(&self) -> &'static str {
        "threshold_yen"
    }

    fn find(&self, seen: &Distribution) -> Result<Vec<f64>> {
        let counts = seen.single_counts();
        Ok(vec![seen.centres.at(most_correlated(&counts))])
    }
}

/// The first bin with the largest correlation criterion; NaN counts as largest, as in NumPy.
fn most_correlated(counts: &[f32]) -> usize {
    let total = pairwise_sum(counts);
    let share = |c: &f32| c / total;
    let shares = sums(counts.iter().map(share));
    let squares = sums(counts.iter().map(share).map(|p| p * p));
    let mut squares_above = sums(counts.iter().rev().map(share).map(|p| p * p));
    squares_above.reverse();
    let (mut at, mut most) = (0, f32::NEG_INFINITY);
    for k in 0..counts.len() - 1 {
        let spread = shares[k] * (1.0 - shares[k]);
        let criterion = logarithm((1.0 / (squares[k] * squares_above[k + 1])) * (spread * spread));
        if criterion.is_nan() {
            return k;
        }
        if criterion > most {
            (at, most) = (k, criterion);
        }
    }
    at
}

/// The logarithm rounded to single precision: it makes neighbours equal, and the first of equals is taken.
fn logarithm(x: f32) -> f32 {
    f64::from(x).ln() as f32
}

/// Sums of the numbers up to each.
fn sums(numbers: impl Iterator<Item = f32>) -> Vec<f32> {
    let mut sum = 0.0;
    numbers
        .map(|x| {
            sum += x;
            sum
        })
        .collect()
}

/// The sum in NumPy's order: eight lanes in blocks of up to 128, halves above.
fn pairwise_sum(xs: &[f32]) -> f32 {
    if xs.len() < 8 {
        return xs.iter().sum();
    }
    if xs.len() > 128 {
        let half = xs.len() / 2;
        let (low, high) = xs.split_at(half - half % 8);
        return pairwise_sum(low) + pairwise_sum(high);
    }
    let (rows, rest) = xs.as_chunks::<8>();
    let mut lanes = rows[0];
    for row in &rows[1..] {
        lanes.iter_mut().zip(row).for_each(|(lane, x)| *lane += x);
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    rest.iter().fold(((a + b) + (c + d)) + ((e + f) + (g + h)), |sum, x| sum + x)
}

#[derive(Debug)]
pub(super) struct Isodata;

impl Rule for Isodata {
    fn name(&self) -> &'static str {
        "threshold_isodata"
    }

    fn find(&self, seen: &Distribution) -> Result<Vec<f64>> {
        if let Some(value) = seen.constant {
            return Ok(vec![value]);
        }
        let counts = seen.single_counts();
        let bin = with_centres!(&seen.centres, c => first_halfway(&counts, c));
        let bin =
            bin.ok_or_else(|| Error::op(self.name(), "no bin lies halfway between the means on its two sides"))?;
        Ok(vec![seen.centres.at(bin)])
    }
}

/// The first bin that lies halfway, to a bin's width, between the means of what is not above it and what is.
fn first_halfway<C: Centre>(counts: &[f32], centres: &[C]) -> Option<usize> {
    let below = sums(counts.iter().copied());
    let mut moment = C::of(0.0);
    let moments: Vec<C> = counts
        .iter()
        .zip(centres)
        .map(|(&count, &centre)| {
            moment = moment.plus(C::of(count) * centre);
            moment
        })
        .collect();
    let last = counts.len() - 1;
    let width = centres[1] - centres[0];
    (0..last).find(|&k| {
        let lower = moments[k].over(below[k]);
        let higher = (moments[last] - moments[k]).over(below[last] - below[k]);
        let distance = lower.plus(higher).over(2.0) - centres[k];
        distance >= C::of(0.0) && distance < width
    })
}

#[derive(Debug)]
pub(super) struct Triangle;

impl Rule for Triangle {
    fn name(&self) -> &'static str {
        "threshold_triangle"
    }

    fn find(&self, seen: &Distribution) -> Result<Vec<f64>> {
        if let Some(value) = seen.constant {
            return Ok(vec![value]);
        }
        Ok(vec![seen.centres.at(farthest_from_line(&seen.counts))])
    }
}

/// The bin farthest below the line from the peak to the end of the longer tail.
fn farthest_from_line(counts: &[u64]) -> usize {
    let most = counts.iter().copied().max().unwrap_or(0);
    let peak = counts.iter().position(|&c| c == most).unwrap_or(0);
    let low = counts.iter().position(|&c| c > 0).unwrap_or(0);
    let high = counts.iter().rposition(|&c| c > 0).unwrap_or(0);
    let last = counts.len() - 1;
    let flip = peak - low < high - peak;
    let (low, width) = if flip { (last - high, high - peak) } else { (low, peak - low) };
    let norm = ((u128::from(most).pow(2) + (width as u128).pow(2)) as f64).sqrt();
    let (height, step) = (most as f64 / norm, width as f64 / norm);
    let (mut at, mut longest) = (0, f64::NEG_INFINITY);
    for x in 0..width {
        let bin = if flip { last - (low + x) } else { low + x };
        let length = height * x as f64 - step * counts[bin] as f64;
        if length > longest {
            (at, longest) = (x, length);
        }
    }
    if flip { last - (at + low) } else { at + low }
}

#[derive(Debug)]
pub(super) struct Minimum {
    pub max_num_iter: u64,
}

impl Rule for Minimum {
    fn name(&self) -> &'static str {
        "threshold_minimum"
    }

    fn find(&self, seen: &Distribution) -> Result<Vec<f64>> {
        let mut smooth = seen.single_counts();
        let mut peaks = Vec::new();
        for round in 1..=self.max_num_iter {
            smooth = mean_of_three(&smooth);
            peaks.clear();
            peaks.extend(local_maxima(&smooth).take(3));
            if peaks.len() < 3 {
                let [left, right] = peaks[..] else {
                    return Err(Error::op(self.name(), "the histogram has no two maxima with a minimum in between"));
                };
                if round == self.max_num_iter {
                    break;
                }
                let lowest = (left..=right).fold(left, |at, k| if smooth[k] < smooth[at] { k } else { at });
                return Ok(vec![seen.centres.at(lowest)]);
            }
        }
        let rounds = self.max_num_iter;
        Err(Error::op(self.name(), format!("the histogram still has several maxima after `max_num_iter`={rounds}")))
    }
}

/// `scipy.ndimage.uniform_filter1d(x, 3)`: a running sum in double, the means rounded to single.
fn mean_of_three(x: &[f32]) -> Vec<f32> {
    let last = x.len() - 1;
    let at = |i: usize| f64::from(x[i.saturating_sub(1).min(last)]);
    let mut sum = at(0) + at(1) + at(2);
    let mut means = Vec::with_capacity(x.len());
    means.push((sum / 3.0) as f32);
    for i in 1..x.len() {
        sum += at(i + 2) - at(i - 1);
        means.push((sum / 3.0) as f32);
    }
    means
}

/// The ends of plateaus and peaks after which the numbers fall.
fn local_maxima(x: &[f32]) -> impl Iterator<Item = usize> {
    let mut rising = true;
    (0..x.len() - 1).filter(move |&i| {
        let falls = rising && x[i + 1] < x[i];
        if falls || x[i + 1] > x[i] {
            rising = !falls;
        }
        falls
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maxima_of_plateaus_are_their_ends() {
        let maxima = |x: &[f32]| local_maxima(x).collect::<Vec<_>>();
        assert_eq!(maxima(&[0.0, 2.0, 2.0, 1.0, 1.0, 3.0, 0.0]), [2, 5]);
        assert_eq!(maxima(&[3.0, 2.0, 1.0]), [0]);
        assert_eq!(maxima(&[1.0, 2.0]), [] as [usize; 0]);
    }

    #[test]
    fn sums_run_in_the_order_of_numpy() {
        // 2^24 + 1 is not a float32: one chain would lose every 1 that follows.
        let mut xs = vec![1.0; 16];
        xs[0] = 16_777_216.0;
        assert_eq!(pairwise_sum(&xs), 16_777_230.0);
    }
}
