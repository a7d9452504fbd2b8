//! Convex hulls of objects in images, from the first and the last pixel of every row: exact, in whole numbers.
//!
//! A pixel is the diamond of the middles of its four sides, as in scikit-image's `convex_hull_image`, and coordinates are
//! counted in halves of pixels.

use super::Convex;

/// The lower envelope of points that come by their first coordinate: a chain whose slopes grow.
#[derive(Debug)]
struct Chain(Vec<[i64; 2]>);

/// What decides on which side of a→b the point p lies: positive on the left of a chain that goes down the left side.
fn cross(a: [i64; 2], b: [i64; 2], p: [i64; 2]) -> i128 {
    let by = |u: [i64; 2], v: [i64; 2]| [i128::from(v[0] - u[0]), i128::from(v[1] - u[1])];
    let (ab, ap) = (by(a, b), by(a, p));
    ab[0] * ap[1] - ab[1] * ap[0]
}

fn squared_distance(a: [i64; 2], b: [i64; 2]) -> i128 {
    (0..2).map(|k| i128::from(a[k] - b[k]).pow(2)).sum()
}

impl Chain {
    fn push(&mut self, point: [i64; 2]) {
        let chain = &mut self.0;
        if let Some(&[at, value]) = chain.last()
            && at == point[0]
        {
            if value <= point[1] {
                return;
            }
            chain.pop();
        }
        while let [.., a, b] = chain[..]
            && cross(a, b, point) <= 0
        {
            chain.pop();
        }
        chain.push(point);
    }

    /// The least whole pixel that is not below the envelope at `at`, which lies at or behind the point `from`.
    fn pixel(&self, from: &mut usize, at: i64) -> i64 {
        while self.0.get(*from + 1).is_some_and(|next| next[0] < at) {
            *from += 1;
        }
        let (Some(&[y, x]), Some(&[end, other])) = (self.0.get(*from), self.0.get(*from + 1)) else { return 0 };
        let length = i128::from(end - y);
        let value = i128::from(x) * length + i128::from(other - x) * i128::from(at - y);
        // Rounded up; two halves are a pixel.
        -(-value).div_euclid(2 * length) as i64
    }
}

/// The two sides of a hull; the right one is turned over.
#[derive(Debug)]
pub(super) struct Sides {
    left: Chain,
    right: Chain,
}

impl Sides {
    pub fn with_room(points: usize) -> Self {
        let chain = || Chain(Vec::with_capacity(points));
        Sides { left: chain(), right: chain() }
    }

    /// Bytes of that room.
    pub fn bytes(points: u64) -> u64 {
        points.saturating_mul(2 * 16)
    }

    /// Takes the middles of the pixels `first` to `last` of a row in, which does not lie above those before.
    pub fn add_middles(&mut self, row: i64, first: i64, last: i64) {
        self.left.push([2 * row, 2 * first]);
        self.right.push([2 * row, -2 * last]);
    }

    /// Both of two, which are taken apart.
    pub fn join(&mut self, a: &Sides, b: &Sides) {
        self.clear();
        for (to, a, b) in [(&mut self.left, &a.left, &b.left), (&mut self.right, &a.right, &b.right)] {
            let (mut a, mut b) = (a.0.iter().peekable(), b.0.iter().peekable());
            while let Some(point) = match (a.peek(), b.peek()) {
                (Some(p), Some(q)) if q < p => b.next(),
                (Some(_), _) => a.next(),
                (None, _) => b.next(),
            } {
                to.push(*point);
            }
        }
    }

    /// All corners, row by row and in a row from left to right.
    pub fn corners(&self) -> impl Iterator<Item = [i64; 2]> {
        let turned = |[y, x]: [i64; 2]| [y, -x];
        let (mut left, mut right) = (self.left.0.iter().peekable(), self.right.0.iter().peekable());
        std::iter::from_fn(move || match (left.peek(), right.peek()) {
            (Some(l), Some(r)) if r[0] < l[0] => right.next().copied().map(turned),
            (Some(_), _) => left.next().copied(),
            (None, _) => right.next().copied().map(turned),
        })
    }

    /// Takes the pixels `first` to `last` of a row in, which does not lie above those before.
    pub fn add(&mut self, row: i64, first: i64, last: i64) {
        for (chain, side) in [(&mut self.left, 2 * first), (&mut self.right, -2 * last)] {
            [[2 * row - 1, side], [2 * row, side - 1], [2 * row + 1, side]].into_iter().for_each(|p| chain.push(p));
        }
    }

    pub fn clear(&mut self) {
        self.left.0.clear();
        self.right.0.clear();
    }

    /// The largest distance between its corners, squared, in halves of pixels: along pairs of parallel tangents.
    fn squared_diameter(&self) -> i128 {
        let (left, right) = (&self.left.0[..], &self.right.0[..]);
        let turned = |[y, x]: [i64; 2]| [y, -x];
        // Corners that both sides share count once.
        let shared = |l: Option<&[i64; 2]>, r: Option<&[i64; 2]>| l.copied() == r.copied().map(turned);
        let first = usize::from(shared(left.first(), right.first()));
        let last = right.len() - usize::from(right.len() > first && shared(left.last(), right.last()));
        let right = &right[first..last];
        let n = left.len() + right.len();
        let corner = |i: usize| match i % n {
            i if i < left.len() => left[i],
            i => turned(right[n - 1 - i]),
        };
        let (mut far, mut most) = (1, 0);
        for i in 0..n {
            let (a, b) = (corner(i), corner(i + 1));
            while cross(a, b, corner(far + 1)) > cross(a, b, corner(far)) {
                far += 1;
            }
            for p in [corner(far), corner(far + 1)] {
                most = most.max(squared_distance(a, p)).max(squared_distance(b, p));
            }
        }
        most
    }
}

/// The most corners of one side: edges differ in direction, and all of them together go down by the height and across
/// by twice the width. There are 2s - 1 directions of length s (down and across together).
pub(super) fn most_points([height, width]: [u64; 2]) -> u64 {
    let [height, width] = [height, width].map(|n| n.saturating_mul(2).saturating_add(2));
    let length = height.saturating_add(width.saturating_mul(2));
    let longest = (1.5 * length as f64).cbrt() as u64 + 2;
    height.saturating_mul(2).min(longest * longest) + 4
}

/// The hull of one object after the other.
#[derive(Debug)]
pub(in crate::ops::measure) struct Hull {
    own: Sides,
    /// Of the pixels in the hull.
    filled: Sides,
    rows: Option<(i64, i64)>,
}

impl Hull {
    /// For objects of at most that extent.
    pub fn new(extent: [u64; 2]) -> Self {
        let points = most_points(extent) as usize;
        Hull { own: Sides::with_room(points), filled: Sides::with_room(points), rows: None }
    }

    /// Bytes of all chains.
    pub fn bytes(extent: [u64; 2]) -> u64 {
        most_points(extent).saturating_mul(4 * 16)
    }

    /// Takes a row of the object in; rows come in order.
    pub fn add(&mut self, row: u64, first: u64, last: u64) {
        self.own.add(row as i64, first as i64, last as i64);
        let top = self.rows.map_or(row as i64, |(top, _)| top);
        self.rows = Some((top, row as i64));
    }

    /// What the hull of the rows since the last call tells.
    pub fn finish(&mut self) -> Convex {
        let Some((top, bottom)) = self.rows.take() else { return Convex::default() };
        let (mut left, mut right) = (0, 0);
        let mut area = 0;
        for row in top..=bottom {
            let first = self.own.left.pixel(&mut left, 2 * row);
            let last = -self.own.right.pixel(&mut right, 2 * row);
            if first <= last {
                area += (last - first + 1) as u64;
                self.filled.add(row, first, last);
            }
        }
        let feret = (self.filled.squared_diameter() as f64).sqrt() / 2.0;
        self.own.clear();
        self.filled.clear();
        Convex { area, feret }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::Rng;

    /// By the definition: pixel centres against all pairs of half-points, distances between all of them.
    fn plain(pixels: &[[i64; 2]]) -> Convex {
        let diamond = |p: &[i64; 2]| {
            let [y, x] = p.map(|v| 2 * v);
            [[y - 1, x], [y, x - 1], [y, x + 1], [y + 1, x]]
        };
        let points: Vec<[i64; 2]> = pixels.iter().flat_map(diamond).collect();
        // A point is outside if some line through two points has all points on one side and it on the other.
        let edges: Vec<([i64; 2], [i64; 2])> = points
            .iter()
            .flat_map(|&a| points.iter().map(move |&b| (a, b)))
            .filter(|&(a, b)| a != b && points.iter().all(|&p| cross(a, b, p) >= 0))
            .collect();
        let bounds = |k: usize| {
            let all = || pixels.iter().map(move |p| p[k]);
            all().min().unwrap()..=all().max().unwrap()
        };
        let inside: Vec<[i64; 2]> = bounds(0)
            .flat_map(|y| bounds(1).map(move |x| [y, x]))
            .filter(|p| edges.iter().all(|&(a, b)| cross(a, b, p.map(|v| 2 * v)) >= 0))
            .collect();
        let outline: Vec<[i64; 2]> = inside.iter().flat_map(diamond).collect();
        let most = outline.iter().flat_map(|&a| outline.iter().map(move |&b| squared_distance(a, b))).max().unwrap();
        Convex { area: inside.len() as u64, feret: (most as f64).sqrt() / 2.0 }
    }

    #[test]
    fn hulls_are_those_of_the_definition() {
        let mut rng = Rng::new(21);
        let mut hull = Hull::new([20, 20]);
        for _ in 0..300 {
            let size = 1 + rng.below(9);
            let pixels: Vec<[i64; 2]> =
                (0..1 + rng.below(6)).map(|_| [rng.below(size) as i64 + 2, rng.below(size) as i64 + 3]).collect();
            for row in 0..20 {
                let own = || pixels.iter().filter(|p| p[0] == row).map(|p| p[1] as u64);
                if let (Some(first), Some(last)) = (own().min(), own().max()) {
                    hull.add(row as u64, first, last);
                }
            }
            assert_eq!(hull.finish(), plain(&pixels), "{pixels:?}");
        }
    }

    #[test]
    fn round_objects_keep_few_points() {
        for radius in [3i64, 40, 1000, 30_000] {
            let extent = 2 * radius as u64 + 1;
            let mut hull = Hull::new([extent; 2]);
            let room = hull.own.left.0.capacity();
            for y in -radius..=radius {
                let half = (radius * radius - y * y).isqrt();
                hull.add((y + radius) as u64, (radius - half) as u64, (radius + half) as u64);
            }
            let most = hull.own.left.0.len();
            let found = hull.finish();
            assert!(most < room && hull.own.left.0.capacity() == room, "{most} of {room}");
            assert!((found.feret - extent as f64).abs() <= 1.0, "{found:?}");
            let disk = std::f64::consts::PI * (radius as f64 + 0.5).powi(2);
            assert!((found.area as f64 / disk - 1.0).abs() < 0.5 / radius as f64, "{found:?}");
        }
    }
}
