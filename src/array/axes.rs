//! What is known of an array before a pixel is read: shape, element type, axes, pixel sizes, units.

use super::{DType, Dims, MAX_RANK, elements};

/// One axis: its letter, and the pixel size along it where known.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// One letter: `t c z y x`, or `n` for a stack of items.
    pub name: char,
    /// The distance between pixel centres along the axis, in `unit`.
    pub size: Option<f64>,
    /// The unit of `size`, spelled out as OME-NGFF does (`micrometer`).
    pub unit: Option<String>,
    /// The coordinate of the first pixel's centre along the axis, in `unit`: 0 unless the file says otherwise or part
    /// of the axis was cut off.
    pub origin: f64,
    /// What the positions along the axis are called (channel names), first to last; empty where nobody named them.
    pub labels: Vec<String>,
}

impl Axis {
    /// An axis of that letter without pixel size.
    pub fn new(name: char) -> Self {
        Axis { name, size: None, unit: None, origin: 0.0, labels: Vec::new() }
    }

    /// Whether filters act along it: `x`, `y`, `z`.
    pub fn is_spatial(&self) -> bool {
        matches!(self.name, 'x' | 'y' | 'z')
    }
}

/// An array as the planner sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct ArraySpec {
    /// Length of each axis, slowest first. Rank 0 is a scalar.
    pub shape: Dims,
    /// Element type.
    pub dtype: DType,
    /// One per entry of `shape`.
    pub axes: Vec<Axis>,
    /// Whether the file (or the user) named the axes. Axes of unnamed arrays are called `x`, `y`, `z`, … from the
    /// right, and ops act on all of them.
    pub named: bool,
}

/// The letters of unnamed axes, from the right.
const UNNAMED: [char; MAX_RANK] = ['x', 'y', 'z', 'w', 'v', 'u'];

impl ArraySpec {
    /// An array whose axes nobody named.
    pub fn unnamed(shape: &[u64], dtype: DType) -> Self {
        let rank = shape.len();
        let axes = (0..rank).map(|i| Axis::new(UNNAMED[rank - 1 - i])).collect();
        ArraySpec { shape: shape.iter().copied().collect(), dtype, axes, named: false }
    }

    /// An array with named axes, one letter each (`"yxc"`).
    pub fn with_axes(shape: &[u64], dtype: DType, letters: &str) -> Self {
        debug_assert_eq!(shape.len(), letters.chars().count());
        ArraySpec {
            shape: shape.iter().copied().collect(),
            dtype,
            axes: letters.chars().map(Axis::new).collect(),
            named: true,
        }
    }

    /// A scalar of that type.
    pub fn scalar(dtype: DType) -> Self {
        ArraySpec::unnamed(&[], dtype)
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The number of elements, saturating.
    pub fn elements(&self) -> u64 {
        elements(&self.shape)
    }

    /// The bytes of the whole array, saturating.
    pub fn bytes(&self) -> u64 {
        self.elements().saturating_mul(self.dtype.size() as u64)
    }

    /// The same array with another element type.
    pub fn with_dtype(&self, dtype: DType) -> Self {
        ArraySpec { dtype, ..self.clone() }
    }

    /// The axes that filters act on: the spatial ones of a named array, all of an unnamed one.
    pub fn filter_axes(&self) -> Vec<usize> {
        (0..self.rank()).filter(|&a| !self.named || self.axes[a].is_spatial()).collect()
    }

    /// The letters of the axes: `"zyx"`.
    pub fn letters(&self) -> String {
        self.axes.iter().map(|a| a.name).collect()
    }

    /// The index of the axis of that letter.
    pub fn axis(&self, letter: char) -> Option<usize> {
        self.axes.iter().position(|a| a.name == letter)
    }
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its heading.
    pub name: String,
    /// Its element type.
    pub dtype: DType,
}

/// A table as the planner sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct TableSpec {
    /// The columns, in order.
    pub columns: Vec<Column>,
}

/// What a node of the graph stands for.
#[derive(Clone, Debug, PartialEq)]
pub enum Spec {
    /// An array; of rank 0: a scalar.
    Array(ArraySpec),
    /// A table.
    Table(TableSpec),
}

impl Spec {
    /// The array, or `None` for a table.
    pub fn array(&self) -> Option<&ArraySpec> {
        match self {
            Spec::Array(spec) => Some(spec),
            Spec::Table(_) => None,
        }
    }
}
