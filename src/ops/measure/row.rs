//! From the record of an object to a row of the table.

use super::fields::Fields;
use super::kept::Derived;
use super::pixel::of_key;
use super::property::{Property, exponents};
use crate::array::{ArraySpec, DType, Scalar};
use crate::error::{Error, Result};
use crate::kernels::keyed::integer;

/// What a row is computed from.
pub(super) struct Object<'a> {
    fields: &'a Fields,
    spec: &'a ArraySpec,
    record: &'a [u64],
    derived: &'a Derived,
}

impl<'a> Object<'a> {
    pub fn new(fields: &'a Fields, spec: &'a ArraySpec, record: &'a [u64], derived: &'a Derived) -> Self {
        Object { fields, spec, record, derived }
    }

    fn count(&self) -> u64 {
        self.record[self.fields.layout.count()]
    }

    fn rank(&self) -> usize {
        self.fields.axes.len()
    }

    /// The first coordinate along an axis, and one past the last.
    fn bounds(&self, axis: usize) -> (u64, u64) {
        self.fields.bbox.map_or((0, 0), |at| (self.record[at + 2 * axis], self.record[at + 2 * axis + 1] + 1))
    }

    fn area_bbox(&self) -> u64 {
        (0..self.rank()).map(|a| self.bounds(a)).map(|(lo, hi)| hi - lo).product()
    }

    fn touches_border(&self) -> bool {
        let reaches = |(k, &axis): (usize, &usize)| {
            let (lo, hi) = self.bounds(k);
            lo == 0 || hi == self.spec.shape[axis]
        };
        self.fields.axes.iter().enumerate().any(reaches)
    }

    /// The sum of products of powers of the coordinates.
    fn power_sum(&self, exponents: &[u8]) -> i128 {
        match self.fields.powers.iter().find(|(e, _)| e == exponents) {
            Some(&(_, at)) => integer(&self.record[at..at + 2]),
            None => i128::from(self.count()),
        }
    }

    /// The same about another origin. Exact: what wraps round on the way comes back.
    fn power_sum_about(&self, wanted: &[u8], origin: &[u64]) -> i128 {
        let mut sum = 0i128;
        for part in exponents(self.rank(), 3) {
            if part.iter().zip(wanted).any(|(p, w)| p > w) {
                continue;
            }
            let mut term = self.power_sum(&part);
            for ((&p, &w), &o) in part.iter().zip(wanted).zip(origin) {
                term = term.wrapping_mul(choose(w, p));
                (p..w).for_each(|_| term = term.wrapping_mul(-i128::from(o)));
            }
            sum = sum.wrapping_add(term);
        }
        sum
    }

    /// A pixel near the middle: sums about it are small.
    fn middle(&self) -> Vec<u64> {
        let unit = |axis: usize| (0..self.rank()).map(|a| u8::from(a == axis)).collect::<Vec<u8>>();
        (0..self.rank()).map(|a| (self.power_sum(&unit(a)) / i128::from(self.count())) as u64).collect()
    }

    fn centroid(&self, axis: usize) -> f64 {
        let unit: Vec<u8> = (0..self.rank()).map(|a| u8::from(a == axis)).collect();
        self.power_sum(&unit) as f64 / self.count() as f64
    }

    /// The central moment: the difference of integers where these fit into 128 bits, so that nothing cancels.
    fn central(&self, wanted: &[u8]) -> f64 {
        let n = i128::from(self.count());
        let middle = self.middle();
        let sum = |e: &[u8]| self.power_sum_about(e, &middle);
        let axes: Vec<usize> = wanted.iter().enumerate().flat_map(|(a, &p)| vec![a; usize::from(p)]).collect();
        let of = |axes: &[usize]| {
            let mut e = vec![0; wanted.len()];
            axes.iter().for_each(|&a| e[a] += 1);
            sum(&e)
        };
        match axes[..] {
            [] => n as f64,
            [_] => 0.0,
            [a, b] => {
                let exact = || n.checked_mul(of(&[a, b]))?.checked_sub(of(&[a]).checked_mul(of(&[b]))?);
                let rounded = || n as f64 * of(&[a, b]) as f64 - of(&[a]) as f64 * of(&[b]) as f64;
                exact().map_or_else(rounded, |v| v as f64) / n as f64
            }
            [a, b, c, ..] => {
                let pairs = [(a, [b, c]), (b, [a, c]), (c, [a, b])];
                let exact = || {
                    let mut sum = n.checked_mul(n)?.checked_mul(of(&[a, b, c]))?;
                    for (one, two) in pairs {
                        sum = sum.checked_sub(n.checked_mul(of(&[one]))?.checked_mul(of(&two))?)?;
                    }
                    sum.checked_add(2i128.checked_mul(of(&[a]))?.checked_mul(of(&[b]))?.checked_mul(of(&[c]))?)
                };
                let m = |a: usize| of(&[a]) as f64 / n as f64;
                let rounded = || {
                    let mixed: f64 = pairs.iter().map(|(one, two)| m(*one) * of(two) as f64).sum();
                    of(&[a, b, c]) as f64 - mixed + 2.0 * n as f64 * m(a) * m(b) * m(c)
                };
                exact().map_or_else(rounded, |v| v as f64 / n as f64 / n as f64)
            }
        }
    }

    /// scikit-image's inertia tensor, row by row.
    fn inertia(&self) -> Vec<f64> {
        let n = self.rank();
        let mut tensor = vec![0.0; n * n];
        let second = |a: usize, b: usize| {
            let mut e = vec![0; n];
            e[a] += 1;
            e[b] += 1;
            self.central(&e) / self.count() as f64
        };
        let own: Vec<f64> = (0..n).map(|a| second(a, a)).collect();
        for a in 0..n {
            for b in 0..n {
                let others = || (0..n).filter(|&c| c != a).map(|c| own[c]).sum();
                tensor[a * n + b] = if a == b { others() } else { -second(a.min(b), a.max(b)) };
            }
        }
        tensor
    }

    /// The eigenvalues of the inertia tensor, the largest first, none below 0.
    fn eigenvalues(&self) -> Vec<f64> {
        let mut values = eigenvalues(self.inertia(), self.rank());
        values.iter_mut().for_each(|v| *v = v.max(0.0));
        values.sort_by(|a, b| b.total_cmp(a));
        values
    }

    fn axis_length(&self, major: bool) -> f64 {
        let ev = self.eigenvalues();
        match (ev[..].as_ref(), major) {
            ([l1, _], true) => 4.0 * l1.sqrt(),
            ([_, l2], false) => 4.0 * l2.sqrt(),
            ([a, b, c], true) => (10.0 * (a + b - c)).sqrt(),
            // Rounding may leave a flat object a little less than nothing.
            ([a, b, c], false) => (10.0 * (b + c - a)).max(0.0).sqrt(),
            _ => f64::NAN,
        }
    }

    fn eccentricity(&self) -> f64 {
        match self.eigenvalues()[..] {
            [l1, l2, ..] if l1 > 0.0 => (1.0 - l2 / l1).sqrt(),
            _ => 0.0,
        }
    }

    fn orientation(&self) -> f64 {
        use std::f64::consts::FRAC_PI_4;
        match self.inertia()[..] {
            [a, b, _, c] if a - c == 0.0 => {
                if b < 0.0 {
                    FRAC_PI_4
                } else {
                    -FRAC_PI_4
                }
            }
            [a, b, _, c] => 0.5 * (-2.0 * b).atan2(c - a),
            _ => f64::NAN,
        }
    }

    fn equivalent_diameter(&self) -> f64 {
        let n = self.rank() as f64;
        (2.0 * n * self.count() as f64 / std::f64::consts::PI).powf(1.0 / n)
    }

    fn area_physical(&self) -> f64 {
        let size = |&a: &usize| self.spec.axes[a].size.map_or(f64::NAN, f64::abs);
        self.count() as f64 * self.fields.axes.iter().map(size).product::<f64>()
    }

    fn perimeter(&self) -> f64 {
        let kinds = self.fields.outline.map_or([0.0; 3], |at| [0, 1, 2].map(|k| self.record[at + k] as f64));
        let root = std::f64::consts::SQRT_2;
        kinds[0] + kinds[1] * root + kinds[2] * (1.0 + root) / 2.0
    }

    /// How many chords run along axes, diagonals of faces, diagonals of cubes.
    fn chords(&self) -> [f64; 3] {
        self.fields.chords.map_or([0.0; 3], |at| [0, 1, 2].map(|k| self.record[at + k] as f64))
    }

    fn perimeter_crofton(&self) -> f64 {
        use std::f64::consts::{FRAC_PI_4, SQRT_2};
        let [along, across, _] = self.chords();
        FRAC_PI_4 * (along + across / SQRT_2)
    }

    /// Crofton's formula over 13 directions, each with the part of the sphere that is nearest to it.
    fn surface_area(&self) -> f64 {
        const PARTS: [f64; 3] = [0.091_555_782_409_52, 0.073_961_255_752_16, 0.070_391_279_564_64];
        let lengths = [1.0, 2f64.sqrt(), 3f64.sqrt()];
        let of = |k: usize| PARTS[k] * self.chords()[k] / lengths[k];
        4.0 * (of(0) + of(1) + of(2))
    }

    /// Appends the values of a property.
    pub fn put(&self, property: Property, row: &mut Vec<Scalar>) -> Result<()> {
        let n = self.rank();
        match property {
            Property::Label => row.push(Scalar::of(self.fields.layout.key(self.record)[0])),
            Property::Area => row.push(Scalar::of(self.count())),
            Property::AreaPhysical => row.push(Scalar::of(self.area_physical())),
            Property::AreaBbox => row.push(Scalar::of(self.area_bbox())),
            Property::Bbox => {
                row.extend((0..n).map(|a| Scalar::of(self.bounds(a).0)));
                row.extend((0..n).map(|a| Scalar::of(self.bounds(a).1)));
            }
            Property::Centroid => row.extend((0..n).map(|a| Scalar::of(self.centroid(a)))),
            Property::EquivalentDiameter => row.push(Scalar::of(self.equivalent_diameter())),
            Property::Extent => row.push(Scalar::of(self.count() as f64 / self.area_bbox() as f64)),
            Property::Moments => {
                let origin: Vec<u64> = (0..n).map(|a| self.bounds(a).0).collect();
                let about = |e: Vec<u8>| Scalar::of(self.power_sum_about(&e, &origin) as f64);
                row.extend(exponents(n, 3).into_iter().map(about));
            }
            Property::MomentsCentral => {
                row.extend(exponents(n, 3).into_iter().map(|e| Scalar::of(self.central(&e))));
            }
            Property::InertiaTensor => row.extend(self.inertia().into_iter().map(Scalar::of)),
            Property::InertiaEigvals => row.extend(self.eigenvalues().into_iter().map(Scalar::of)),
            Property::AxisMajor => row.push(Scalar::of(self.axis_length(true))),
            Property::AxisMinor => row.push(Scalar::of(self.axis_length(false))),
            Property::Eccentricity => row.push(Scalar::of(self.eccentricity())),
            Property::Orientation => row.push(Scalar::of(self.orientation())),
            Property::EulerNumber => {
                row.push(Scalar::of(self.fields.euler.map_or(0, |at| self.record[at] as i64)));
            }
            Property::Perimeter => row.push(Scalar::of(self.perimeter())),
            Property::TouchesBorder => row.push(Scalar::bool(self.touches_border())),
            Property::PerimeterCrofton => row.push(Scalar::of(self.perimeter_crofton())),
            Property::SurfaceArea => row.push(Scalar::of(self.surface_area())),
            Property::AreaConvex => row.push(Scalar::of(self.derived.convex.area)),
            Property::Solidity => row.push(Scalar::of(self.count() as f64 / self.derived.convex.area as f64)),
            Property::FeretMax => row.push(Scalar::of(self.derived.convex.feret)),
            Property::Median | Property::Percentile(_) => {
                let at = self.fields.quantiles.iter().position(|&(p, _)| p == property);
                let of = |found: &Vec<f64>| at.and_then(|at| found.get(at).copied()).unwrap_or(f64::NAN);
                row.extend(self.derived.quantiles.iter().map(|found| Scalar::of(of(found))));
            }
            Property::Sum
            | Property::Mean
            | Property::Min
            | Property::Max
            | Property::Std
            | Property::CentroidWeighted => return self.put_intensity(property, row),
        }
        Ok(())
    }

    fn put_intensity(&self, property: Property, row: &mut Vec<Scalar>) -> Result<()> {
        let (record, count) = (self.record, self.count());
        let first = row.len();
        for (k, channel) in self.fields.channels.iter().enumerate() {
            let dtype = channel.dtype;
            match property {
                Property::Sum => row.push(sum(channel.moments(record, count).whole_sum(), dtype, || {
                    channel.moments(record, count).sum()
                })?),
                Property::Mean => row.push(Scalar::of(channel.moments(record, count).mean())),
                Property::Std => row.push(Scalar::of(channel.moments(record, count).variance(0.0).sqrt())),
                Property::Min => row.push(of_key(channel.least(record), dtype)),
                Property::Max => row.push(of_key(channel.most(record), dtype)),
                _ => {
                    // Components first, channels last.
                    let mut component = 0;
                    channel.centroid(record, |value| {
                        row.insert((first + component * (k + 1) + k).min(row.len()), Scalar::of(value));
                        component += 1;
                    });
                }
            }
        }
        Ok(())
    }
}

fn sum(whole: Option<i128>, dtype: DType, real: impl Fn() -> f64) -> Result<Scalar> {
    let Some(whole) = whole else { return Ok(Scalar::of(real())) };
    let wide = if dtype.is_signed_integer() { DType::I64 } else { DType::U64 };
    Scalar::from_i128(whole, wide)
        .ok_or_else(|| Error::op("measure", format!("an intensity_sum is {whole}, which {wide} does not hold")))
}

fn choose(n: u8, k: u8) -> i128 {
    match (n, k) {
        (_, 0) => 1,
        (n, k) if n == k => 1,
        (n, 1) => i128::from(n),
        (n, _) => i128::from(n) * i128::from(n - 1) / 2,
    }
}

/// The eigenvalues of a symmetric matrix, by Jacobi's rotations in a fixed order.
fn eigenvalues(mut m: Vec<f64>, n: usize) -> Vec<f64> {
    if let ([a, b, _, c], 2) = (&m[..], n) {
        let (mean, half) = ((a + c) / 2.0, (a - c) / 2.0);
        let root = (half * half + b * b).sqrt();
        return vec![mean + root, mean - root];
    }
    for _ in 0..50 {
        let off: f64 = (0..n * n).filter(|i| i / n != i % n).map(|i| m[i] * m[i]).sum();
        if off == 0.0 {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut m, n, p, q);
            }
        }
    }
    (0..n).map(|a| m[a * n + a]).collect()
}

fn rotate(m: &mut [f64], n: usize, p: usize, q: usize) {
    let apq = m[p * n + q];
    if apq == 0.0 {
        return;
    }
    let theta = (m[q * n + q] - m[p * n + p]) / (2.0 * apq);
    let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
    let c = 1.0 / (t * t + 1.0).sqrt();
    let s = t * c;
    for k in 0..n {
        let (kp, kq) = (m[k * n + p], m[k * n + q]);
        (m[k * n + p], m[k * n + q]) = (c * kp - s * kq, s * kp + c * kq);
    }
    for k in 0..n {
        let (pk, qk) = (m[p * n + k], m[q * n + k]);
        (m[p * n + k], m[q * n + k]) = (c * pk - s * qk, s * pk + c * qk);
    }
    (m[p * n + q], m[q * n + p]) = (0.0, 0.0);
}
