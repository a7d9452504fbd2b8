//! The convex hull of points in space that come one by one: exact, in whole numbers.
//!
//! A new point sees some of the faces; they make way for the faces that join it to the rim of what it sees. Points that
//! come in lexicographic order lie beyond all before, and one of the faces around the last one sees them, so none is
//! searched for (the beneath-beyond method; F. Preparata, M. Shamos, "Computational Geometry", 1985, section 3.4).

use super::Full;

/// A point of the grid. Products of three differences fit into 64 bits where no axis is longer than [`LONGEST`].
pub(super) type Point = [i32; 3];

/// A triangle; its corners turn left as seen from outside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Face {
    pub corners: [u32; 3],
    /// The faces beyond the edges from corner 0 to 1, 1 to 2 and 2 to 0.
    beyond: [u32; 3],
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Kept,
    /// Seen by the new point.
    Seen,
    /// Free to be used again.
    Gone,
}

/// A hull under construction.
#[derive(Debug)]
pub(super) struct Mesh {
    room: usize,
    points: Vec<Point>,
    /// Of each point: the new face whose rim edge starts there, while a point is joined; the mark of free ones.
    starts: Vec<u32>,
    free_points: Vec<u32>,
    faces: Vec<Face>,
    free_faces: Vec<u32>,
    /// The faces around the point that came last.
    fan: Vec<u32>,
    /// The lexicographically last point, and whether the fan lies around it.
    top: Point,
    fan_on_top: bool,
    seen: Vec<u32>,
    /// Edges around what is seen: from, to, the face beyond.
    rim: Vec<[u32; 3]>,
}

/// The length of an axis, in halves of voxels, up to which sums are exact.
pub(super) const LONGEST: u64 = 1 << 19;

const NONE: u32 = u32::MAX;
const RIM: u32 = u32::MAX - 1;

fn minus(a: Point, b: Point) -> [i64; 3] {
    [0, 1, 2].map(|k| i64::from(a[k]) - i64::from(b[k]))
}

/// Twice the area of a triangle times its normal that points outwards.
pub(super) fn normal([a, b, c]: [Point; 3]) -> [i64; 3] {
    let (u, v) = (minus(b, a), minus(c, a));
    [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]]
}

/// Positive where `p` lies outside of the plane of a face.
fn height(corners: [Point; 3], p: Point) -> i64 {
    let (n, d) = (normal(corners), minus(p, corners[0]));
    n[0] * d[0] + n[1] * d[1] + n[2] * d[2]
}

impl Mesh {
    /// A hull of at most that many corners.
    pub fn with_room(points: usize) -> Self {
        let faces = 2 * points;
        Mesh {
            room: points,
            points: Vec::with_capacity(points),
            starts: Vec::with_capacity(points),
            free_points: Vec::with_capacity(points),
            faces: Vec::with_capacity(faces),
            free_faces: Vec::with_capacity(faces),
            fan: Vec::with_capacity(points),
            top: [0; 3],
            fan_on_top: false,
            seen: Vec::with_capacity(faces),
            rim: Vec::with_capacity(points),
        }
    }

    /// Bytes of a hull with room for so many corners.
    pub fn bytes(points: u64) -> u64 {
        let point = size_of::<Point>() + 4 + 4 + 4 + 12;
        let face = size_of::<Face>() + 4 + 4;
        points * (point + 2 * face) as u64
    }

    pub fn clear(&mut self) {
        self.points.clear();
        self.starts.clear();
        self.free_points.clear();
        self.faces.clear();
        self.free_faces.clear();
        self.fan.clear();
    }

    /// The numbers of the faces.
    pub fn faces(&self) -> impl Iterator<Item = u32> {
        (0..self.faces.len() as u32).filter(|&at| self.is_kept(at))
    }

    fn is_kept(&self, face: u32) -> bool {
        self.faces[face as usize].state == State::Kept
    }

    /// The corners of a face.
    pub fn corners(&self, face: u32) -> [Point; 3] {
        self.faces[face as usize].corners.map(|i| self.points[i as usize])
    }

    /// The first and the last place along an axis.
    pub fn ends(&self, axis: usize) -> Option<[i32; 2]> {
        let places = || self.faces().flat_map(|face| self.corners(face)).map(|p| p[axis]);
        Some([places().min()?, places().max()?])
    }

    /// The corners, in any order; the hull is none any more.
    pub fn points(&mut self) -> &mut [Point] {
        let mut n = 0;
        for i in 0..self.points.len() {
            if self.starts[i] == NONE {
                self.points.swap(n, i);
                n += 1;
            }
        }
        self.faces.clear();
        &mut self.points[..n]
    }

    /// Starts with the octahedron around a point whose corners lie 1 away.
    pub fn start(&mut self, [z, y, x]: Point) -> Result<(), Full> {
        if self.room < 6 {
            return Err(Full);
        }
        self.clear();
        self.points.extend([[z - 1, y, x], [z + 1, y, x], [z, y - 1, x], [z, y + 1, x], [z, y, x - 1], [z, y, x + 1]]);
        self.starts.extend([NONE; 6]);
        for octant in 0..8u32 {
            let side = |axis: u32| octant >> axis & 1;
            let corners = [side(0), 2 + side(1), 4 + side(2)];
            // The faces beyond lie on the other side of one axis; the edge from corner k to k + 1 is opposite to corner k + 2.
            let beyond = [octant ^ 4, octant ^ 1, octant ^ 2];
            // The octant of all positive sides turns left; each change of side turns it over.
            let left = octant.count_ones() % 2 == 1;
            let face = |corners, beyond| Face { corners, beyond, state: State::Kept };
            self.faces.push(match left {
                true => face(corners, beyond),
                false => face([corners[0], corners[2], corners[1]], [beyond[2], beyond[1], beyond[0]]),
            });
        }
        self.fan.extend((0..8).filter(|octant| octant & 1 == 1));
        (self.top, self.fan_on_top) = ([z + 1, y, x], true);
        Ok(())
    }

    /// Takes a point in.
    pub fn add(&mut self, point: Point) -> Result<(), Full> {
        let sees = |at: &u32| self.is_kept(*at) && height(self.corners(*at), point) > 0;
        let beyond = point > self.top;
        let seen = match beyond && self.fan_on_top {
            true => self.fan.iter().copied().find(sees),
            false => (0..self.faces.len() as u32).find(sees),
        };
        let Some(seen) = seen else { return Ok(()) };
        self.join(seen, point)?;
        if beyond {
            self.top = point;
        }
        self.fan_on_top = beyond;
        Ok(())
    }

    /// Joins a point to the rim of what it sees, `first` among it.
    fn join(&mut self, first: u32, point: Point) -> Result<(), Full> {
        self.look(first, point);
        self.release();
        let apex = match self.free_points.pop() {
            Some(free) => {
                self.points[free as usize] = point;
                free
            }
            None if self.points.len() < self.room => {
                self.points.push(point);
                self.starts.push(NONE);
                self.points.len() as u32 - 1
            }
            None => return Err(Full),
        };
        self.starts[apex as usize] = NONE;
        self.fan.clear();
        for k in 0..self.rim.len() {
            let [from, to, beyond] = self.rim[k];
            let face = Face { corners: [from, to, apex], beyond: [beyond, NONE, NONE], state: State::Kept };
            let at = self.place(face);
            self.starts[from as usize] = at;
            let other = &mut self.faces[beyond as usize];
            for edge in 0..3 {
                if other.corners[edge] == to && other.corners[(edge + 1) % 3] == from {
                    other.beyond[edge] = at;
                }
            }
            self.fan.push(at);
        }
        for k in 0..self.rim.len() {
            let [from, to, _] = self.rim[k];
            let (own, next) = (self.starts[from as usize], self.starts[to as usize]);
            self.faces[own as usize].beyond[1] = next;
            self.faces[next as usize].beyond[2] = own;
        }
        for k in 0..self.rim.len() {
            self.starts[self.rim[k][0] as usize] = NONE;
        }
        Ok(())
    }

    /// Finds all that the point sees, and the rim of that.
    fn look(&mut self, first: u32, point: Point) {
        self.seen.clear();
        self.rim.clear();
        self.faces[first as usize].state = State::Seen;
        self.seen.push(first);
        let mut next = 0;
        while let Some(&at) = self.seen.get(next) {
            next += 1;
            let face = self.faces[at as usize];
            for edge in 0..3 {
                let beyond = face.beyond[edge];
                if self.faces[beyond as usize].state == State::Seen {
                    continue;
                }
                if height(self.corners(beyond), point) > 0 {
                    self.faces[beyond as usize].state = State::Seen;
                    self.seen.push(beyond);
                } else {
                    self.rim.push([face.corners[edge], face.corners[(edge + 1) % 3], beyond]);
                }
            }
        }
    }

    /// Gives the faces back that are seen, and the points that only they had.
    fn release(&mut self) {
        for &[from, ..] in &self.rim {
            self.starts[from as usize] = from;
        }
        for &at in &self.seen {
            self.faces[at as usize].state = State::Gone;
            for corner in self.faces[at as usize].corners {
                let start = &mut self.starts[corner as usize];
                if *start == NONE {
                    *start = RIM;
                    self.free_points.push(corner);
                }
            }
            self.free_faces.push(at);
        }
    }

    fn place(&mut self, face: Face) -> u32 {
        match self.free_faces.pop() {
            Some(free) => {
                self.faces[free as usize] = face;
                free
            }
            None => {
                self.faces.push(face);
                self.faces.len() as u32 - 1
            }
        }
    }
}

#[cfg(test)]
impl Mesh {
    /// What its lists have room for.
    pub fn rooms(&self) -> [usize; 8] {
        let points = [self.points.capacity(), self.starts.capacity(), self.free_points.capacity()];
        let faces = [self.faces.capacity(), self.free_faces.capacity(), self.seen.capacity()];
        let [a, b, c] = points;
        let [d, e, f] = faces;
        [a, b, c, d, e, f, self.fan.capacity(), self.rim.capacity()]
    }
}
