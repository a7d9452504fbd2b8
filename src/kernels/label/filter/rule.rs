//! Which components stay.

use std::fmt::Debug;

/// Says which components stay, by what is known of the whole of each.
pub trait Rule: Debug + Send + Sync {
    /// What is known of a component: put together from its runs, in any order.
    type Part: Copy + Debug + Send + 'static;

    /// Whether at most one component stays: the one that [`Rule::beats`] all others.
    const CONTEST: bool = false;

    /// What a run of pixels adds, `at` being its first pixel in raster order. All its pixels are nonzero.
    fn part(&self, at: u64, pixels: &[u8]) -> Self::Part;

    /// Puts two parts of a component together.
    fn join(part: &mut Self::Part, other: Self::Part);

    /// Whether a component stays. Not asked in a contest.
    fn keeps(&self, part: &Self::Part) -> bool;

    /// Whether a component comes before another one in a contest. No two are equal.
    fn beats(_part: &Self::Part, _other: &Self::Part) -> bool {
        false
    }
}

/// The value of a pixel that marks its component; other nonzero pixels are plain.
const MARK: u8 = 2;

/// Components with a marked pixel stay, or all others do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marked {
    /// Whether those with a mark stay.
    pub stay: bool,
}

impl Rule for Marked {
    type Part = bool;

    fn part(&self, _at: u64, pixels: &[u8]) -> bool {
        pixels.contains(&MARK)
    }

    fn join(part: &mut bool, other: bool) {
        *part |= other;
    }

    fn keeps(&self, part: &bool) -> bool {
        *part == self.stay
    }
}

/// Components of at least so many pixels stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtLeast {
    /// The fewest pixels of one that stays.
    pub pixels: u64,
}

impl Rule for AtLeast {
    type Part = u64;

    fn part(&self, _at: u64, pixels: &[u8]) -> u64 {
        pixels.len() as u64
    }

    fn join(part: &mut u64, other: u64) {
        *part += other;
    }

    fn keeps(&self, part: &u64) -> bool {
        *part >= self.pixels
    }
}

/// The component with the most pixels stays; of several the one that comes first in raster order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Largest;

/// The size of a component and its first pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    pixels: u64,
    first: u64,
}

impl Rule for Largest {
    type Part = Extent;

    const CONTEST: bool = true;

    fn part(&self, at: u64, pixels: &[u8]) -> Extent {
        Extent { pixels: pixels.len() as u64, first: at }
    }

    fn join(part: &mut Extent, other: Extent) {
        part.pixels += other.pixels;
        part.first = part.first.min(other.first);
    }

    fn keeps(&self, _part: &Extent) -> bool {
        true
    }

    fn beats(part: &Extent, other: &Extent) -> bool {
        (part.pixels, std::cmp::Reverse(part.first)) > (other.pixels, std::cmp::Reverse(other.first))
    }
}
