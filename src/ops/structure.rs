//! Structuring elements by name, as scikit-image and scipy define them: shape, and 1 for what belongs to it.

/// `skimage.morphology.disk`: what lies within `radius` of the centre, in 2-D.
pub fn disk(radius: u32) -> (Vec<usize>, Vec<u8>) {
    around_centre(radius, 2, |at| within_radius(at, radius))
}

/// `skimage.morphology.ball`: what lies within `radius` of the centre, in 3-D.
pub fn ball(radius: u32) -> (Vec<usize>, Vec<u8>) {
    around_centre(radius, 3, |at| within_radius(at, radius))
}

/// `skimage.morphology.diamond`: what is at most `radius` steps from the centre, in 2-D.
pub fn diamond(radius: u32) -> (Vec<usize>, Vec<u8>) {
    around_centre(radius, 2, |at| steps(at) <= u64::from(radius))
}

/// `skimage.morphology.octahedron`: what is at most `radius` steps from the centre, in 3-D.
pub fn octahedron(radius: u32) -> (Vec<usize>, Vec<u8>) {
    around_centre(radius, 3, |at| steps(at) <= u64::from(radius))
}

/// All of a square of that width.
pub fn square(width: u32) -> (Vec<usize>, Vec<u8>) {
    full(width, 2)
}

/// All of a cube of that width.
pub fn cube(width: u32) -> (Vec<usize>, Vec<u8>) {
    full(width, 3)
}

/// `scipy.ndimage.generate_binary_structure(rank, 1)`: a pixel and its neighbours across faces.
pub fn cross(rank: u32) -> (Vec<usize>, Vec<u8>) {
    around_centre(1, rank, |at| steps(at) <= 1)
}

fn full(width: u32, rank: u32) -> (Vec<usize>, Vec<u8>) {
    let width = width as usize;
    (vec![width; rank as usize], vec![1; width.pow(rank)])
}

fn around_centre(radius: u32, rank: u32, belongs: impl Fn(&[i64]) -> bool) -> (Vec<usize>, Vec<u8>) {
    let side = 2 * radius as usize + 1;
    let mut at = vec![0; rank as usize];
    let element = |index: usize| {
        let mut rest = index;
        for coordinate in at.iter_mut().rev() {
            *coordinate = (rest % side) as i64 - i64::from(radius);
            rest /= side;
        }
        u8::from(belongs(&at))
    };
    let values = (0..side.pow(rank)).map(element).collect();
    (vec![side; rank as usize], values)
}

fn within_radius(at: &[i64], radius: u32) -> bool {
    let square: i64 = at.iter().map(|c| c * c).sum();
    square <= i64::from(radius).pow(2)
}

fn steps(at: &[i64]) -> u64 {
    at.iter().map(|c| c.unsigned_abs()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows((shape, values): (Vec<usize>, Vec<u8>)) -> Vec<String> {
        let row = |row: &[u8]| row.iter().map(|v| if *v == 1 { '#' } else { '.' }).collect();
        values.chunks(shape[shape.len() - 1]).map(row).collect()
    }

    #[test]
    fn as_scikit_image_draws_them() {
        assert_eq!(rows(disk(0)), ["#"]);
        assert_eq!(rows(disk(2)), ["..#..", ".###.", "#####", ".###.", "..#.."]);
        assert_eq!(rows(disk(3))[1], ".#####.");
        assert_eq!(rows(diamond(3))[1], "..###..");
        assert_eq!(rows(square(2)), ["##", "##"]);
        assert_eq!(cube(3), (vec![3, 3, 3], vec![1; 27]));
        let counts = |f: fn(u32) -> (Vec<usize>, Vec<u8>), r| f(r).1.iter().map(|&v| u32::from(v)).sum::<u32>();
        // skimage.morphology.ball(2).sum(), octahedron(2).sum(), disk(5).sum()
        assert_eq!((counts(ball, 2), counts(octahedron, 2), counts(disk, 5)), (33, 25, 81));
    }

    #[test]
    fn crosses_have_the_faces() {
        assert_eq!(rows(cross(1)), ["###"]);
        assert_eq!(rows(cross(2)), [".#.", "###", ".#."]);
        assert_eq!(cross(3).1.iter().filter(|&&v| v == 1).count(), 7);
    }
}
