//! Against a flood fill that knows nothing of slabs.

use super::structure::offset_of;
use super::*;
use proptest::prelude::*;
use std::io::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers components in raster order by flooding each from its first pixel.
pub(super) fn flood(shape: &[u64], structure: &Structure, mask: &[u8]) -> (u64, Vec<u64>) {
    let rank = shape.len();
    let offsets: Vec<Vec<i8>> =
        (0..3usize.pow(rank as u32)).map(|cell| offset_of(cell, rank)).filter(|offset| structure.has(offset)).collect();
    let mut labels = vec![0; mask.len()];
    let mut count = 0;
    for first in 0..mask.len() {
        if mask[first] == 0 || labels[first] != 0 {
            continue;
        }
        count += 1;
        labels[first] = count;
        let mut open = vec![first];
        while let Some(pixel) = open.pop() {
            for offset in &offsets {
                if let Some(next) = neighbour(shape, pixel, offset)
                    && mask[next] != 0
                    && labels[next] == 0
                {
                    labels[next] = count;
                    open.push(next);
                }
            }
        }
    }
    (count, labels)
}

fn neighbour(shape: &[u64], mut pixel: usize, offset: &[i8]) -> Option<usize> {
    let mut index = 0;
    let mut stride = 1;
    for (extent, step) in shape.iter().zip(offset).rev() {
        let extent = *extent as usize;
        let at = (pixel % extent).checked_add_signed(*step as isize).filter(|at| *at < extent)?;
        index += at * stride;
        stride *= extent;
        pixel /= extent;
    }
    Some(index)
}

/// Labels slab by slab and holds every structure against its bill.
fn tiled(geometry: &Geometry, mask: &[u8]) -> (u64, Vec<u64>) {
    let bill = geometry.bill();
    let store = Arc::new(MemoryStore::default());
    let mut scratch = LocalScratch::new(geometry);
    let mut piece = Piece::new(geometry);
    let mut merger = Merger::new(geometry, store.clone(), store.clone());
    let mut rest = mask;
    for slab in 0..geometry.slabs() {
        let pixels = rest.split_off(..geometry.slab_pixels(slab)).unwrap();
        geometry.local(slab, pixels, &mut scratch, &mut piece);
        merger.merge(&piece).unwrap();
    }
    assert!(scratch.bytes() + piece.bytes() <= bill.local_bytes, "local");
    assert!(piece.bytes() <= bill.piece_bytes, "piece");
    assert!(merger.bytes() <= bill.merge_bytes, "merge");
    let labels = merger.finish().unwrap();
    assert!(store.len() <= bill.scratch_bytes, "scratch");
    (labels.count(), painted(&labels, &bill, mask.len()))
}

/// Paints from the last slab to the first, as order must not matter, in both widths.
fn painted(labels: &Labels, bill: &Bill, pixels: usize) -> Vec<u64> {
    let geometry = labels.geometry();
    let mut scratch = ApplyScratch::new(geometry);
    let mut all = vec![u64::MAX; pixels];
    let mut end = pixels;
    for slab in (0..geometry.slabs()).rev() {
        let start = end - geometry.slab_pixels(slab);
        let out = &mut all[start..end];
        labels.apply_u64(slab, &mut scratch, out).unwrap();
        let mut narrow = vec![u32::MAX; out.len()];
        labels.apply_u32(slab, &mut scratch, &mut narrow).unwrap();
        assert!(narrow.iter().map(|label| u64::from(*label)).eq(out.iter().copied()));
        end = start;
    }
    assert!(scratch.bytes() <= bill.apply_bytes, "apply");
    all
}

fn check(shape: &[u64], structure: &Structure, rows_per_slab: u64, mask: &[u8]) {
    let want = flood(shape, structure, mask);
    let mut geometry = Geometry::new(shape, structure, rows_per_slab).unwrap();
    // 64-bit numbers are for images too large for a test.
    for wide in [false, true] {
        geometry.wide = wide;
        let got = tiled(&geometry, mask);
        assert!(got == want, "{shape:?} with {structure:?} by {rows_per_slab} rows: {got:?} is not {want:?}");
    }
}

/// Every connectivity, and slabs of one row, some rows, about a plane, and all.
fn check_all(shape: &[u64], mask: &[u8]) {
    let rows: u64 = shape[..shape.len() - 1].iter().product();
    for connectivity in 0..=shape.len() {
        let structure = Structure::from_connectivity(shape.len(), connectivity).unwrap();
        for rows_per_slab in [1, 2, 3, 5, rows / 2 + 1, rows.max(1), rows + 7] {
            check(shape, &structure, rows_per_slab, mask);
        }
    }
}

pub(super) fn picture(rows: &[&str]) -> (Vec<u64>, Vec<u8>) {
    let shape = vec![rows.len() as u64, rows[0].len() as u64];
    let mask = rows.concat().bytes().map(|byte| u8::from(byte == b'#')).collect();
    (shape, mask)
}

fn random(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }
}

pub(super) fn noise(pixels: usize, density: f64, seed: u64) -> Vec<u8> {
    let mut next = random(seed);
    let limit = (density * (1u64 << 53) as f64) as u64;
    (0..pixels)
        .map(|_| {
            let value = next();
            // Any nonzero byte is foreground.
            if value < limit { 1 + (value % 255) as u8 } else { 0 }
        })
        .collect()
}

pub(super) fn pixels(shape: &[u64]) -> usize {
    shape.iter().product::<u64>() as usize
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Connectivity(usize),
    Cells(u64, f64),
    OneAxis(usize),
    Diagonals,
}

pub(super) fn structure_of(rank: usize, kind: &Kind) -> Structure {
    let cells = 3usize.pow(rank as u32);
    let moved = |cell: usize| offset_of(cell, rank).iter().filter(|step| **step != 0).count();
    let bools: Vec<bool> = match kind {
        Kind::Connectivity(connectivity) => {
            return Structure::from_connectivity(rank, connectivity % (rank + 1)).unwrap();
        }
        Kind::Cells(seed, density) => {
            let half = noise(cells / 2 + 1, *density, *seed);
            (0..cells).map(|cell| half[cell.min(cells - 1 - cell)] != 0).collect()
        }
        Kind::OneAxis(axis) => {
            (0..cells).map(|cell| moved(cell) == 1 && offset_of(cell, rank)[axis % rank] != 0).collect()
        }
        Kind::Diagonals => (0..cells).map(|cell| moved(cell) == rank).collect(),
    };
    Structure::from_bools(rank, &bools).unwrap()
}

pub(super) fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![
        4 => (0usize..6).prop_map(Kind::Connectivity),
        4 => (any::<u64>(), 0.02..0.9).prop_map(|(seed, density)| Kind::Cells(seed, density)),
        1 => (0usize..6).prop_map(Kind::OneAxis),
        1 => Just(Kind::Diagonals),
    ]
}

pub(super) fn shapes() -> impl Strategy<Value = Vec<u64>> {
    prop_oneof![
        prop::collection::vec(prop_oneof![9 => 1u64..400, 1 => Just(0u64)], 1),
        (1u64..40, 1u64..200).prop_map(|(rows, columns)| vec![rows, columns]),
        prop::collection::vec(prop_oneof![1 => Just(0u64), 60 => 1u64..14], 3),
        prop::collection::vec(1u64..7, 4),
        prop::collection::vec(1u64..5, 5),
        prop::collection::vec(1u64..4, 6),
    ]
}

pub(super) fn densities() -> impl Strategy<Value = f64> {
    prop::sample::select(vec![0.0, 0.05, 0.2, 0.31, 0.4, 0.5, 0.593, 0.7, 0.9, 1.0])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_image_in_any_slabs(
        shape in shapes(),
        kind in kinds(),
        rows_per_slab in prop_oneof![1u64..12, 1u64..200, Just(u64::MAX)],
        density in densities(),
        seed in any::<u64>(),
    ) {
        let structure = structure_of(shape.len(), &kind);
        check(&shape, &structure, rows_per_slab, &noise(pixels(&shape), density, seed));
    }
}

#[test]
fn arms_of_a_u_get_the_first_number() {
    let (shape, mask) = picture(&[
        "..........#",
        "#.#.#.#.#.#",
        "#.#.#.#.#.#",
        "#.#.#.###.#",
        "#.#.#.....#",
        "#.#.#######",
        "#.#........",
        "###.#.#.#.#",
    ]);
    check_all(&shape, &mask);
    let structure = Structure::from_connectivity(2, 1).unwrap();
    let geometry = Geometry::new(&shape, &structure, 1).unwrap();
    let (count, labels) = tiled(&geometry, &mask);
    assert_eq!(count, 7);
    assert_eq!(&labels[..22], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 2, 0, 1, 0, 3, 0, 3, 0, 1]);
}

#[test]
fn two_arms_born_in_one_slab_are_one_birth() {
    let (shape, mask) = picture(&["#.....#", ".......", ".#.#.#.", ".#.#.#.", ".#.###.", ".#.....", "##..#.#"]);
    check_all(&shape, &mask);
}

/// A spiral that enters a ring.
pub(super) fn spiral() -> (Vec<u64>, Vec<u8>) {
    picture(&[
        "###########.#",
        "#.........#.#",
        "#.#######.#.#",
        "#.#.....#.#.#",
        "#.#.###.#.#.#",
        "#.#.#.#.#.#.#",
        "#.#.#...#.#.#",
        "#.#.#####.#.#",
        "#.#.......#.#",
        "#.#########.#",
        "#...........#",
        "#############",
    ])
}

#[test]
fn shapes_that_wind() {
    let (shape, mask) = spiral();
    check_all(&shape, &mask);
}

/// Square rings, one within the other.
pub(super) fn rings(size: u64) -> Vec<u8> {
    let ring = |row: u64, column: u64| row.min(column).min(size - 1 - row).min(size - 1 - column);
    (0..size * size).map(|pixel| u8::from(ring(pixel / size, pixel % size) % 2 == 0)).collect()
}

#[test]
fn rings_within_rings() {
    check_all(&[33, 33], &rings(33));
}

/// Every other column, and the row `back` that joins them.
pub(super) fn comb(rows: u64, columns: u64, back: u64) -> Vec<u8> {
    (0..rows * columns).map(|pixel| u8::from(pixel / columns == back || pixel % 2 == 0)).collect()
}

#[test]
fn combs_with_teeth_up_and_down() {
    let (rows, columns) = (12u64, 130u64);
    for back in [0, rows - 1, rows / 2] {
        check_all(&[rows, columns], &comb(rows, columns, back));
    }
}

/// The pixels whose coordinates add up to `odd`, but for multiples of `period`.
pub(super) fn board(shape: &[u64], period: u64, odd: u64) -> Vec<u8> {
    let sum = |pixel: usize| coordinates(shape, pixel).iter().sum::<u64>();
    (0..pixels(shape)).map(|pixel| u8::from(sum(pixel) % period == odd)).collect()
}

#[test]
fn checkerboards_and_grids_fill_the_bill() {
    for shape in [vec![9, 70], vec![1, 1, 9], vec![5, 7, 9], vec![4, 6, 66], vec![3, 4, 5, 6]] {
        for (period, odd) in [(2, 0), (2, 1)] {
            check_all(&shape, &board(&shape, period, odd));
        }
        let grid: Vec<u8> = (0..pixels(&shape))
            .map(|pixel| u8::from(coordinates(&shape, pixel).iter().all(|at| at % 2 == 0)))
            .collect();
        check_all(&shape, &grid);
    }
}

pub(super) fn coordinates(shape: &[u64], pixel: usize) -> Vec<u64> {
    let mut rest = pixel as u64;
    let mut coordinates: Vec<u64> = shape
        .iter()
        .rev()
        .map(|extent| {
            let at = rest % extent;
            rest /= extent;
            at
        })
        .collect();
    coordinates.reverse();
    coordinates
}

#[test]
fn full_and_empty_images() {
    for shape in [vec![64], vec![65], vec![4, 64], vec![5, 127], vec![3, 4, 5], vec![2, 1, 3, 1, 2]] {
        check_all(&shape, &vec![1; pixels(&shape)]);
        check_all(&shape, &vec![0; pixels(&shape)]);
    }
}

#[test]
fn empty_axes_hold_nothing() {
    for shape in [vec![0], vec![0, 5], vec![5, 0], vec![3, 0, 4], vec![0, 0, 0]] {
        let structure = Structure::from_connectivity(shape.len(), 1).unwrap();
        let geometry = Geometry::new(&shape, &structure, 4).unwrap();
        assert_eq!(geometry.slabs(), 0);
        assert_eq!(tiled(&geometry, &[]), (0, vec![]));
    }
}

#[test]
fn structures_follow_scipys_rule() {
    assert!(Structure::from_bools(2, &[true; 9]).is_ok());
    assert!(Structure::from_bools(2, &[true; 8]).is_err());
    assert!(Structure::from_bools(1, &[true, true, false]).is_err());
    assert!(Structure::from_bools(0, &[true]).is_err());
    assert!(Structure::from_connectivity(7, 1).is_err());
    let cross = [false, true, false, true, true, true, false, true, false];
    let same = Structure::from_bools(2, &cross).unwrap();
    assert_eq!(Structure::from_connectivity(2, 1).unwrap(), same);
}

#[test]
fn impossible_geometries_are_refused() {
    let flat = Structure::from_connectivity(2, 1).unwrap();
    assert!(Geometry::new(&[4, 4], &flat, 0).is_err());
    assert!(Geometry::new(&[4, 4, 4], &flat, 1).is_err());
    assert!(Geometry::new(&[2, 1 << 32], &flat, 1).is_err());
    assert!(Geometry::new(&[1 << 40, 1 << 40], &flat, 1).is_err());
    assert!(Geometry::new(&[0, 1 << 60], &flat, 1).is_err());
    assert!(Geometry::new(&[1 << 30, 1 << 20], &flat, 1 << 20).is_err());
    assert!(Geometry::new(&[1 << 30, 1 << 20], &flat, 1 << 8).is_ok());
}

#[test]
fn bills_of_large_images() {
    let mega = 1 << 20;
    let flat = bill(&[20_000, 20_000], 64, &Structure::from_connectivity(2, 1).unwrap()).unwrap();
    assert!(flat.merge_bytes < mega / 2 && flat.resolve_bytes < mega / 2, "{flat:?}");
    let shape = [1000, 1000, 1000];
    for connectivity in 1..=3 {
        let structure = Structure::from_connectivity(3, connectivity).unwrap();
        let cube = bill(&shape, 1000, &structure).unwrap();
        assert!(cube.merge_bytes <= 6_300_000 && cube.resolve_bytes <= 4_200_000, "{cube:?}");
    }
}

#[test]
fn numbers_are_wide_where_an_image_can_hold_more() {
    let structure = Structure::from_connectivity(3, 1).unwrap();
    let is_wide = |depth| Geometry::new(&[depth, 2048, 2048], &structure, 1).unwrap().wide;
    assert!(!is_wide(2047));
    assert!(is_wide(2048));
}

/// Fails at the given operation.
pub(super) struct Failing {
    inner: MemoryStore,
    left: AtomicU64,
}

impl Failing {
    pub(super) fn after(operations: u64) -> Self {
        Failing { inner: MemoryStore::default(), left: AtomicU64::new(operations) }
    }

    fn tick(&self) -> Result<()> {
        let step = |left: u64| left.checked_sub(1);
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, step)
            .map(|_| ())
            .map_err(|_| Error::other("no more"))
    }
}

impl Store for Failing {
    fn append(&self, bytes: &[u8]) -> Result<u64> {
        self.tick()?;
        self.inner.append(bytes)
    }
    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        self.tick()?;
        self.inner.read_at(offset, out)
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.tick()?;
        self.inner.write_at(offset, bytes)
    }
}

fn run_on(store: Arc<dyn Store>, shape: &[u64], mask: &[u8]) -> Result<Vec<u32>> {
    let structure = Structure::from_connectivity(shape.len(), 1).unwrap();
    let geometry = Geometry::new(shape, &structure, 2).unwrap();
    let mut scratch = LocalScratch::new(&geometry);
    let mut piece = Piece::new(&geometry);
    let mut merger = Merger::new(&geometry, store.clone(), store);
    let per_slab = geometry.slab_pixels(0);
    for (slab, pixels) in (0..).zip(mask.chunks(per_slab)) {
        geometry.local(slab, pixels, &mut scratch, &mut piece);
        merger.merge(&piece)?;
    }
    let labels = merger.finish()?;
    let mut apply = ApplyScratch::new(&geometry);
    let mut out = vec![0; mask.len()];
    for (slab, pixels) in (0..).zip(out.chunks_mut(per_slab)) {
        labels.apply_u32(slab, &mut apply, pixels)?;
    }
    Ok(out)
}

#[test]
fn every_failure_of_the_store_is_reported() {
    let mask = noise(20 * 30, 0.5, 3);
    let mut failures = 0;
    for left in 0..u64::MAX {
        match run_on(Arc::new(Failing::after(left)), &[20, 30], &mask) {
            Err(error) => assert_eq!(error.to_string(), "no more"),
            Ok(_) => break,
        }
        failures += 1;
    }
    assert!(failures > 50, "{failures}");
}

/// Returns one wrong byte.
pub(super) struct Damaged {
    inner: MemoryStore,
    at: u64,
}

impl Damaged {
    pub(super) fn at(at: u64) -> Self {
        Damaged { inner: MemoryStore::default(), at }
    }
}

impl Store for Damaged {
    fn append(&self, bytes: &[u8]) -> Result<u64> {
        self.inner.append(bytes)
    }
    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        self.inner.read_at(offset, out)?;
        if let Some(byte) = self.at.checked_sub(offset).and_then(|at| out.get_mut(at as usize)) {
            *byte ^= 0xa5;
        }
        Ok(())
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.inner.write_at(offset, bytes)
    }
}

#[test]
fn damaged_scratch_does_not_panic() {
    let mask = noise(12 * 20, 0.5, 5);
    let mut noticed = 0;
    for at in 0..2000 {
        let damaged = run_on(Arc::new(Damaged::at(at)), &[12, 20], &mask);
        noticed += u64::from(damaged.is_err());
    }
    assert!(noticed > 100, "{noticed}");
}

/// Appends something of its own before every append.
struct Shared(MemoryStore);

impl Store for Shared {
    fn append(&self, bytes: &[u8]) -> Result<u64> {
        self.0.append(&[0])?;
        self.0.append(bytes)
    }
    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        self.0.read_at(offset, out)
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.0.write_at(offset, bytes)
    }
}

#[test]
fn a_record_in_two_places_is_noticed() {
    let shape = [4, 40_000];
    let mask: Vec<u8> = (0..160_000).map(|pixel| u8::from(pixel % 2 == 0)).collect();
    let error = run_on(Arc::new(Shared(MemoryStore::default())), &shape, &mask).unwrap_err();
    assert!(error.to_string().contains("someone else"), "{error}");
}

#[test]
fn records_longer_than_a_buffer() {
    let shape = [6, 30_001];
    for density in [0.5, 0.593] {
        let mask = noise(pixels(&shape), density, 9);
        for connectivity in [0, 1, 2] {
            let structure = Structure::from_connectivity(2, connectivity).unwrap();
            for rows_per_slab in [1, 2, 4] {
                check(&shape, &structure, rows_per_slab, &mask);
            }
        }
    }
}
