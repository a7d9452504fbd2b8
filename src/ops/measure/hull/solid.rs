//! Convex hulls of objects in volumes, from the first and the last voxel of every row: exact, in whole numbers.
//!
//! A voxel is the octahedron of the middles of its six sides, as in scikit-image's `convex_hull_image`, and coordinates
//! are counted in halves of voxels: slice `z` adds the outline of its own plane, 2z, and that of its middles to the planes
//! before and behind. Planes come in order, and so do the points that the hull is made of.

use super::flat::{Sides, most_points};
use super::mesh::{LONGEST, Mesh, Point, normal};
use super::{Convex, Full};

/// The hull of rows that come in order.
#[derive(Debug)]
struct Solid {
    mesh: Mesh,
    /// The slice that is being taken in: its middles, and they and the middles of sides in its plane.
    middles: Sides,
    spread: Sides,
    /// The middles of the slice before.
    before: Sides,
    /// The middles of two slices that face each other.
    between: Sides,
    now: Option<i32>,
    /// The slice before the current one that has voxels.
    last: Option<i32>,
}

impl Solid {
    fn with_room([height, width]: [u64; 2], corners: u64) -> Self {
        let sides = || Sides::with_room(most_points([height, width]) as usize);
        Solid {
            mesh: Mesh::with_room(corners as usize),
            middles: sides(),
            spread: sides(),
            before: sides(),
            between: sides(),
            now: None,
            last: None,
        }
    }

    fn bytes(extent: [u64; 2], corners: u64) -> u64 {
        Mesh::bytes(corners) + 4 * Sides::bytes(most_points(extent))
    }

    /// Takes the voxels `first` to `last` of a row in.
    fn add(&mut self, [z, y]: [i32; 2], first: i32, last: i32) -> Result<(), Full> {
        match self.now {
            Some(now) if now == z => {}
            Some(now) => self.end_slice(now)?,
            None => self.mesh.start([2 * z, 2 * y, 2 * first])?,
        }
        self.now = Some(z);
        let [y, first, last] = [y, first, last].map(i64::from);
        self.middles.add_middles(y, first, last);
        self.spread.add(y, first, last);
        Ok(())
    }

    /// Puts the planes of the current slice into the hull, but the one behind it.
    fn end_slice(&mut self, z: i32) -> Result<(), Full> {
        match self.last {
            Some(last) if last == z - 1 => {
                self.between.join(&self.before, &self.middles);
                put(&mut self.mesh, 2 * z - 1, &self.between)?;
            }
            Some(last) => {
                put(&mut self.mesh, 2 * last + 1, &self.before)?;
                put(&mut self.mesh, 2 * z - 1, &self.middles)?;
            }
            None => put(&mut self.mesh, 2 * z - 1, &self.middles)?,
        }
        put(&mut self.mesh, 2 * z, &self.spread)?;
        std::mem::swap(&mut self.before, &mut self.middles);
        self.middles.clear();
        self.spread.clear();
        self.last = Some(z);
        Ok(())
    }

    /// The hull of all that was added; `None` if that was nothing.
    fn finish(&mut self) -> Result<Option<&mut Mesh>, Full> {
        let Some(z) = self.now.take() else { return Ok(None) };
        self.end_slice(z)?;
        put(&mut self.mesh, 2 * z + 1, &self.before)?;
        self.before.clear();
        self.last = None;
        Ok(Some(&mut self.mesh))
    }
}

/// Adds the corners that lie in a plane.
fn put(mesh: &mut Mesh, z: i32, sides: &Sides) -> Result<(), Full> {
    sides.corners().try_for_each(|[y, x]| mesh.add([z, y as i32, x as i32]))
}

/// The hull of one object after the other.
#[derive(Debug)]
pub(in crate::ops::measure) struct Hull {
    height: u64,
    own: Solid,
    /// Of the voxels in the hull.
    filled: Solid,
    slices: Slices,
}

impl Hull {
    /// For objects of at most that extent.
    pub fn new([depth, height, width]: [u64; 3]) -> Self {
        let corners = most_corners([depth, height, width]);
        let solid = || Solid::with_room([height, width], corners);
        Hull { height, own: solid(), filled: solid(), slices: Slices::with_room(corners, height) }
    }

    /// Bytes of both hulls and what is made of them.
    pub fn bytes([depth, height, width]: [u64; 3]) -> u64 {
        let corners = most_corners([depth, height, width]);
        2 * Solid::bytes([height, width], corners) + Slices::bytes(corners, height)
    }

    /// Whether products of three differences of places fit into 64 bits.
    pub fn fits(extent: [u64; 3]) -> bool {
        extent.iter().all(|&n| n < LONGEST / 2)
    }

    /// Takes a row of the object in, numbered through all slices; rows come in order.
    pub fn add(&mut self, row: u64, first: u64, last: u64) -> Result<(), Full> {
        let at = [row / self.height, row % self.height].map(|n| n as i32);
        self.own.add(at, first as i32, last as i32)
    }

    /// What the hull of the rows since the last call tells.
    pub fn finish(&mut self) -> Result<Convex, Full> {
        let mut area = 0;
        let filled = &mut self.filled;
        let Some(own) = self.own.finish()? else { return Ok(Convex::default()) };
        self.slices.rows(own, |at, first, last| {
            area += (last - first + 1) as u64;
            filled.add(at, first, last)
        })?;
        let feret = match filled.finish()? {
            Some(mesh) => diameter(mesh.points()) / 2.0,
            None => 0.0,
        };
        Ok(Convex { area, feret })
    }
}

/// What is made of a hull, and the room for that.
#[derive(Debug)]
struct Slices {
    /// The faces of slices that are not behind, by the slice in which they begin.
    order: Vec<u32>,
    /// Of every row of a slice: the first and the last voxel that no face cuts off.
    rows: Vec<[i64; 2]>,
}

const OPEN: [i64; 2] = [i64::MIN, i64::MAX];

impl Slices {
    fn with_room(corners: u64, height: u64) -> Self {
        Slices { order: Vec::with_capacity(2 * corners as usize), rows: Vec::with_capacity(height as usize) }
    }

    fn bytes(corners: u64, height: u64) -> u64 {
        corners * 8 + height * 16
    }

    /// Calls `take` with every row of voxels whose middles lie in the hull, in order.
    fn rows(&mut self, mesh: &Mesh, mut take: impl FnMut([i32; 2], i32, i32) -> Result<(), Full>) -> Result<(), Full> {
        let Slices { order, rows } = self;
        let Some((zs, ys)) = mesh.ends(0).zip(mesh.ends(1)) else { return Ok(()) };
        // Halves to whole ones; the ends of a hull lie half a voxel outside.
        let whole = |[from, to]: [i32; 2]| from.div_euclid(2) + from.rem_euclid(2)..=to.div_euclid(2);
        let (zs, ys) = (whole(zs), whole(ys));
        order.clear();
        order.extend(mesh.faces());
        order.sort_unstable_by_key(|&face| least(&mesh.corners(face), 0));
        // Of the faces that have begun, those that go on come first.
        let (mut going, mut begun) = (0, 0);
        for z in zs {
            while order.get(begun).is_some_and(|&face| least(&mesh.corners(face), 0) <= 2 * z) {
                order.swap(going, begun);
                going += 1;
                begun += 1;
            }
            rows.clear();
            rows.resize(ys.clone().count(), OPEN);
            let mut at = 0;
            while at < going {
                let face = mesh.corners(order[at]);
                if most(&face, 0) < 2 * z {
                    going -= 1;
                    order.swap(at, going);
                } else {
                    cut(&face, z, *ys.start(), rows);
                    at += 1;
                }
            }
            for (y, &[first, last]) in ys.clone().zip(rows.iter()) {
                if first != OPEN[0] && last != OPEN[1] && first <= last {
                    take([z, y], first as i32, last as i32)?;
                }
            }
        }
        Ok(())
    }
}

/// The largest distance between two points, whose order it changes.
fn diameter(points: &mut [Point]) -> f64 {
    let ends = |k: usize| points.iter().fold((i32::MAX, i32::MIN), |(lo, hi), p| (lo.min(p[k]), hi.max(p[k])));
    let middle = [0, 1, 2].map(|k| (f64::from(ends(k).0) + f64::from(ends(k).1)) / 2.0);
    let distance = |p: &Point| (0..3).map(|k| (f64::from(p[k]) - middle[k]).powi(2)).sum::<f64>().sqrt();
    points.sort_unstable_by(|a, b| distance(b).total_cmp(&distance(a)));
    let (mut most, mut root) = (0, 0.0);
    for (i, p) in points.iter().enumerate() {
        // By way of the middle it is no shorter; a little more, for what rounding took.
        if (distance(p) + distance(&points[0])) * (1.0 + 1e-9) < root {
            break;
        }
        for q in &points[..i] {
            let apart: i64 = (0..3).map(|k| i64::from(p[k] - q[k]).pow(2)).sum();
            if apart > most {
                (most, root) = (apart, (apart as f64).sqrt());
            }
        }
    }
    root
}

fn least(face: &[Point; 3], axis: usize) -> i32 {
    face[0][axis].min(face[1][axis]).min(face[2][axis])
}

fn most(face: &[Point; 3], axis: usize) -> i32 {
    face[0][axis].max(face[1][axis]).max(face[2][axis])
}

/// Cuts from the rows of slice `z` what lies beyond the plane of a face, where the rows meet the face; row 0 is row `y`.
fn cut(face: &[Point; 3], z: i32, y: i32, rows: &mut [[i64; 2]]) {
    let Some((from, to)) = crossing(face, 2 * i64::from(z)) else { return };
    let [nz, ny, nx] = normal(*face);
    let [az, ay, ax] = face[0].map(i64::from);
    // From the voxel at or before the corner on, so that products stay small.
    let (column, odd) = (ax.div_euclid(2), ax.rem_euclid(2));
    for row in from..=to {
        let Some([first, last]) = rows.get_mut((row - i64::from(y)) as usize) else { continue };
        // Inside, nx * 2 * (x - column) <= rest.
        let rest = nz * (az - 2 * i64::from(z)) + ny * (ay - 2 * row) + nx * odd;
        if nx > 0 {
            *last = (*last).min(column + rest.div_euclid(2 * nx));
        } else if nx < 0 {
            *first = (*first).max(column - rest.div_euclid(-2 * nx));
        }
    }
}

/// The first and the last whole row of a face in the plane `z`, both in halves; none if it lies flat in it.
fn crossing(face: &[Point; 3], z: i64) -> Option<(i64, i64)> {
    let (mut from, mut to) = (i64::MAX, i64::MIN);
    for k in 0..3 {
        let ([az, ay, _], [bz, by, _]) = (face[k].map(i64::from), face[(k + 1) % 3].map(i64::from));
        if az == bz || z < az.min(bz) || z > az.max(bz) {
            continue;
        }
        let length = (bz - az).abs();
        let y = ay * length + (by - ay) * (z - az) * (bz - az).signum();
        from = from.min(-(-y).div_euclid(2 * length));
        to = to.max(y.div_euclid(2 * length));
    }
    (from <= to).then_some((from, to))
}

/// Room for corners: the corners of a hull of whole points are at most in proportion to the root of the volume (G. Andrews,
/// 1963); for balls the factor was found to be below half of this.
fn most_corners(extent: [u64; 3]) -> u64 {
    let volume: f64 = extent.iter().map(|&n| 2.0 * n as f64 + 2.0).product();
    (4.0 * volume.sqrt()) as u64 + 64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::Rng;

    /// By the definition: the middles of voxels against the planes through all triples of points, distances between all.
    fn plain(voxels: &[Point]) -> Convex {
        let around = |p: &Point| {
            let middle = p.map(|v| 2 * v);
            (0..6).map(move |side| {
                let mut point = middle;
                point[side / 2] += if side % 2 == 0 { -1 } else { 1 };
                point
            })
        };
        let points: Vec<Point> = voxels.iter().flat_map(around).collect();
        let mut planes = Vec::new();
        for &a in &points {
            for &b in &points {
                for &c in &points {
                    let n = normal([a, b, c]);
                    let height = |p: &Point| (0..3).map(|k| n[k] * i64::from(p[k] - a[k])).sum::<i64>();
                    if n != [0; 3] && points.iter().all(|p| height(p) <= 0) {
                        planes.push((a, n));
                    }
                }
            }
        }
        let inside =
            |p: &Point| planes.iter().all(|(a, n)| (0..3).map(|k| n[k] * i64::from(2 * p[k] - a[k])).sum::<i64>() <= 0);
        let ends = |k: usize| {
            let all = || voxels.iter().map(move |p| p[k]);
            all().min().unwrap()..=all().max().unwrap()
        };
        let grid = ends(0).flat_map(|z| ends(1).flat_map(move |y| ends(2).map(move |x| [z, y, x])));
        let filled: Vec<Point> = grid.filter(inside).collect();
        let outline: Vec<Point> = filled.iter().flat_map(around).collect();
        let apart = |a: &Point, b: &Point| (0..3).map(|k| i64::from(a[k] - b[k]).pow(2)).sum::<i64>();
        let most = outline.iter().flat_map(|a| outline.iter().map(move |b| apart(a, b))).max().unwrap();
        Convex { area: filled.len() as u64, feret: (most as f64).sqrt() / 2.0 }
    }

    /// The rows that the voxels take from first to last, in order.
    fn add(hull: &mut Hull, voxels: &[Point]) {
        let rows = |p: &Point| (p[0], p[1]);
        let mut sorted = voxels.to_vec();
        sorted.sort_unstable();
        for row in sorted.chunk_by(|a, b| rows(a) == rows(b)) {
            let ([z, y, first], [_, _, last]) = (row[0], row[row.len() - 1]);
            hull.add(z as u64 * hull.height + y as u64, first as u64, last as u64).unwrap();
        }
    }

    #[test]
    fn hulls_are_those_of_the_definition() {
        let mut rng = Rng::new(22);
        let mut hull = Hull::new([20, 21, 22]);
        for round in 0..200 {
            let sizes = [0, 1, 2].map(|_| 1 + rng.below(7));
            let count = 1 + rng.below(if round % 20 == 0 { 9 } else { 4 });
            let voxels: Vec<Point> =
                (0..count).map(|_| [0, 1, 2].map(|k| (rng.below(sizes[k]) + 2 * k) as i32)).collect();
            add(&mut hull, &voxels);
            assert_eq!(hull.finish().unwrap(), plain(&voxels), "{voxels:?}");
        }
    }

    /// The rows of a ball, or of an ellipsoid turned into the diagonal.
    fn rows(radius: i64, inside: impl Fn([i64; 3]) -> bool) -> Vec<(u64, u64, u64)> {
        let extent = 2 * radius + 1;
        let mut rows = Vec::new();
        for (z, y) in (-radius..=radius).flat_map(|z| (-radius..=radius).map(move |y| (z, y))) {
            let mut own = (-radius..=radius).filter(|&x| inside([z, y, x])).map(|x| (x + radius) as u64);
            if let Some(first) = own.next() {
                rows.push((((z + radius) * extent + y + radius) as u64, first, own.next_back().unwrap_or(first)));
            }
        }
        rows
    }

    /// What all lists have room for.
    fn rooms(hull: &Hull) -> Vec<usize> {
        let solids = [&hull.own, &hull.filled].map(|s| s.mesh.rooms());
        let slices = [hull.slices.order.capacity(), hull.slices.rows.capacity()];
        solids.into_iter().flatten().chain(slices).collect()
    }

    #[test]
    fn convex_objects_hardly_grow_and_fit() {
        for radius in [3i64, 17, 60] {
            let ball = |[z, y, x]: [i64; 3]| z * z + y * y + x * x <= radius * radius;
            let lens = |[z, y, x]: [i64; 3]| {
                let along = z + y + x;
                4 * (z * z + y * y + x * x) - along * along <= radius * radius && along * along <= 2 * radius * radius
            };
            let shapes: [&dyn Fn([i64; 3]) -> bool; 2] = [&ball, &lens];
            for inside in shapes {
                let rows = rows(radius, inside);
                let mut hull = Hull::new([2 * radius as u64 + 1; 3]);
                let room = rooms(&hull);
                rows.iter().for_each(|&(row, first, last)| hull.add(row, first, last).unwrap());
                let found = hull.finish().unwrap();
                let own: u64 = rows.iter().map(|(_, first, last)| last - first + 1).sum();
                let more = found.area as f64 / own as f64 - 1.0;
                assert!((0.0..3.0 / radius as f64).contains(&more), "{radius}: {more}");
                assert_eq!(rooms(&hull), room);
            }
        }
    }

    #[test]
    fn a_hull_without_room_says_so() {
        let mut hull = Hull::new([30, 30, 30]);
        hull.own.mesh = Mesh::with_room(20);
        let rows = rows(10, |[z, y, x]| z * z + y * y + x * x <= 100);
        let done = rows
            .iter()
            .try_for_each(|&(row, first, last)| hull.add(row, first, last))
            .and_then(|()| hull.finish().map(|_| ()));
        assert!(done.is_err());
    }
}
