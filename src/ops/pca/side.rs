//! A stack as a matrix: its items as rows, or its values.

use crate::array::{ArraySpec, Dims, Element, MAX_RANK, View, for_each_row};
use arrayvec::ArrayVec;

/// Which of the two are the rows: products are taken of rows with each other, so the fewer of both should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    /// A row is an item, as long as an item has values.
    Items,
    /// A row is a value (a pixel), as long as there are items.
    Values,
}

/// How a stack becomes a matrix.
#[derive(Clone, Copy, Debug)]
pub(super) struct Side {
    /// The axis of the items.
    pub axis: usize,
    /// What the rows are.
    pub rows: Rows,
}

impl Side {
    /// How many rows there are, and how long they are.
    pub fn shape(&self, input: &ArraySpec) -> (u64, u64) {
        let items = input.shape[self.axis];
        let values = input.elements() / items.max(1);
        match self.rows {
            Rows::Items => (items, values),
            Rows::Values => (values, items),
        }
    }

    /// The cell of a fixed grid that holds about so many elements of every row.
    pub fn cell(&self, input: &ArraySpec, columns: u64) -> Dims {
        if self.rows == Rows::Values {
            let mut cell = input.shape.clone();
            cell[self.axis] = columns.clamp(1, cell[self.axis].max(1));
            return cell;
        }
        let mut left = columns;
        let mut cell: Dims = input.shape.iter().map(|_| 1).collect();
        cell[self.axis] = input.shape[self.axis];
        for axis in (0..input.rank()).rev().filter(|&a| a != self.axis) {
            cell[axis] = input.shape[axis].min(left).max(1);
            left /= cell[axis];
            if left <= 1 {
                break;
            }
        }
        cell
    }

    /// How many elements of every row a cell of that shape holds.
    pub fn columns(&self, cell: &[u64]) -> usize {
        let elements: u64 = cell.iter().product();
        match self.rows {
            Rows::Items => (elements / cell[self.axis].max(1)) as usize,
            Rows::Values => cell[self.axis] as usize,
        }
    }
}

/// Where the rows and columns of a box lie.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// The first element of every row.
    rows: Vec<usize>,
    /// The columns, counted from there: where runs of neighbours begin, and how long they are.
    runs: Vec<(usize, usize)>,
}

impl Places {
    /// Bytes for boxes of so many rows and columns.
    pub fn bytes(rows: u64, columns: usize) -> u64 {
        (rows + 2 * columns as u64) * size_of::<usize>() as u64
    }

    /// Room for them.
    pub fn with_room(rows: u64, columns: usize) -> Self {
        Places { rows: Vec::with_capacity(rows as usize), runs: Vec::with_capacity(columns) }
    }

    /// Looks at a box.
    pub fn find(&mut self, side: Side, tile: &View<'_>) {
        let Places { rows, runs } = self;
        rows.clear();
        runs.clear();
        let (axis, strides) = (side.axis, tile.strides());
        let mut values: ArrayVec<usize, MAX_RANK> = tile.shape().iter().copied().collect();
        let items = std::mem::replace(&mut values[axis], 1);
        let step = strides[values.len() - 1];
        match side.rows {
            Rows::Items => {
                rows.extend((0..items).map(|i| i * strides[axis]));
                for_each_row(&values, [strides], |[at], n| match step {
                    1 => runs.push((at, n)),
                    _ => runs.extend((0..n).map(|k| (at + k * step, 1))),
                });
            }
            Rows::Values => {
                for_each_row(&values, [strides], |[at], n| rows.extend((0..n).map(|k| at + k * step)));
                runs.extend((0..items).map(|i| (i * strides[axis], 1)));
            }
        }
    }

    /// How many rows the box has.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// How many columns the box has.
    pub fn columns(&self) -> usize {
        self.runs.iter().map(|run| run.1).sum()
    }

    /// The elements of a row side by side; zeros after them, or for a row that the box has not.
    pub fn load<T: Element, O: Copy + Default>(&self, data: &[T], row: usize, to: &mut [O], of: impl Fn(T) -> O) {
        let mut next = 0;
        if let Some(&first) = self.rows.get(row) {
            for &(at, n) in &self.runs {
                let run = &data[first + at..][..n];
                to[next..next + n].iter_mut().zip(run).for_each(|(to, &x)| *to = of(x));
                next += n;
            }
        }
        to[next..].fill(O::default());
    }
}
