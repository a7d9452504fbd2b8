//! Convex hulls of objects, from the first and the last pixel of every row.

mod flat;
mod mesh;
mod solid;

use crate::array::Dims;

/// What a hull tells.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Convex {
    /// The pixels whose middles lie in it.
    pub area: u64,
    /// The largest distance between points of the outline of those pixels.
    pub feret: f64,
}

/// A hull has more corners than there is room for.
#[derive(Debug)]
pub(super) struct Full;

/// The hull of one object after the other, along two axes or three.
#[derive(Debug)]
pub(super) enum Hull {
    Flat(flat::Hull),
    Solid(Box<solid::Hull>),
}

impl Hull {
    /// For objects of at most that extent, of two axes or three.
    pub fn new(extent: &Dims) -> Option<Self> {
        match extent[..] {
            [height, width] => Some(Hull::Flat(flat::Hull::new([height, width]))),
            [depth, height, width] => Some(Hull::Solid(Box::new(solid::Hull::new([depth, height, width])))),
            _ => None,
        }
    }

    /// Bytes of that hull.
    pub fn bytes(extent: &Dims) -> u64 {
        match extent[..] {
            [height, width] => flat::Hull::bytes([height, width]),
            [depth, height, width] => solid::Hull::bytes([depth, height, width]),
            _ => 0,
        }
    }

    /// Whether all sums of objects of that extent fit into their words.
    pub fn fits(extent: &Dims) -> bool {
        match extent[..] {
            [depth, height, width] => solid::Hull::fits([depth, height, width]),
            _ => true,
        }
    }

    /// Takes a row of the object in, from its first pixel to its last; rows are numbered through all slices and come in order.
    pub fn add(&mut self, row: u64, first: u64, last: u64) -> Result<(), Full> {
        match self {
            Hull::Flat(hull) => {
                hull.add(row, first, last);
                Ok(())
            }
            Hull::Solid(hull) => hull.add(row, first, last),
        }
    }

    /// What the hull of the rows since the last call tells.
    pub fn finish(&mut self) -> Result<Convex, Full> {
        match self {
            Hull::Flat(hull) => Ok(hull.finish()),
            Hull::Solid(hull) => hull.finish(),
        }
    }
}
