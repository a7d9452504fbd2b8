//! Which neighbours of a pixel belong to it: scipy's `structure`.

/// The highest rank an image may have.
pub const MAX_RANK: usize = 6;

/// A neighbourhood of 3 cells along every axis, equal to its own point reflection.
///
/// As in scipy the centre cell does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure {
    rank: usize,
    cells: Vec<bool>,
}

impl Structure {
    /// The neighbours that differ along at most `connectivity` axes, as
    /// `scipy.ndimage.generate_binary_structure(rank, connectivity)`.
    ///
    /// # Errors
    /// When the rank is not 1 to 6.
    pub fn from_connectivity(rank: usize, connectivity: usize) -> Result<Self, String> {
        check_rank(rank)?;
        let cells = (0..3usize.pow(rank as u32))
            .map(|cell| {
                let moved = offset_of(cell, rank).iter().filter(|step| **step != 0).count();
                moved <= connectivity
            })
            .collect();
        Ok(Self { rank, cells })
    }

    /// Any neighbourhood scipy accepts, in raster order.
    ///
    /// # Errors
    /// When the rank is not 1 to 6, the cells are not 3 along every axis, or not centro-symmetric.
    pub fn from_bools(rank: usize, cells: &[bool]) -> Result<Self, String> {
        check_rank(rank)?;
        let want = 3usize.pow(rank as u32);
        if cells.len() != want {
            return Err(format!(
                "the structure must have 3 cells along each of {rank} axes ({want} cells), not {} cells",
                cells.len()
            ));
        }
        if !cells.iter().eq(cells.iter().rev()) {
            return Err("the structure must be symmetric about its centre".to_string());
        }
        Ok(Self { rank, cells: cells.to_vec() })
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// The neighbours, the pixel itself left out.
    pub fn offsets(&self) -> Vec<Vec<i8>> {
        let set = (0..self.cells.len()).filter(|cell| self.cells[*cell] && *cell != self.cells.len() / 2);
        set.map(|cell| offset_of(cell, self.rank)).collect()
    }

    /// The axes along which a pixel has neighbours.
    pub fn axes(&self) -> Vec<usize> {
        let offsets = self.offsets();
        (0..self.rank).filter(|axis| offsets.iter().any(|step| step[*axis] != 0)).collect()
    }

    /// Whether the pixel at `offset` (−1, 0 or 1 along each axis) is a neighbour.
    pub fn has(&self, offset: &[i8]) -> bool {
        let cell = offset.iter().fold(0usize, |cell, step| cell * 3 + (step + 1) as usize);
        self.cells[cell]
    }
}

/// The offset of a cell, given by its raster index in a block of 3 cells along `rank` axes.
pub(super) fn offset_of(mut cell: usize, rank: usize) -> Vec<i8> {
    let mut offset = vec![0; rank];
    for step in offset.iter_mut().rev() {
        *step = (cell % 3) as i8 - 1;
        cell /= 3;
    }
    offset
}

fn check_rank(rank: usize) -> Result<(), String> {
    if (1..=MAX_RANK).contains(&rank) {
        Ok(())
    } else {
        Err(format!("labelling works on 1 to {MAX_RANK} axes, not {rank}"))
    }
}
