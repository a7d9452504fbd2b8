//! Against a flood fill of the whole image.

use super::super::tests::{
    Damaged, Failing, Kind, board, comb, coordinates, densities, flood, kinds, noise, picture, pixels, rings, shapes,
    spiral, structure_of,
};
use super::super::{MemoryStore, Store, Structure};
use super::*;
use proptest::prelude::*;
use std::sync::Arc;

/// What a rule should leave, by looking at every component as a whole.
fn wanted<R: Rule>(rule: &R, shape: &[u64], structure: &Structure, classes: &[u8]) -> Vec<u8> {
    wanted_of(rule, &flood(shape, structure, classes).1, classes)
}

fn wanted_of<R: Rule>(rule: &R, labels: &[u64], classes: &[u8]) -> Vec<u8> {
    let count = labels.iter().max().copied().unwrap_or(0);
    let mut parts: Vec<Option<R::Part>> = vec![None; count as usize + 1];
    for (pixel, label) in labels.iter().enumerate().filter(|(_, label)| **label > 0) {
        let part = rule.part(pixel as u64, &classes[pixel..pixel + 1]);
        match &mut parts[*label as usize] {
            Some(known) => R::join(known, part),
            none => *none = Some(part),
        }
    }
    let best = parts.iter().flatten().copied().reduce(|a, b| if R::beats(&b, &a) { b } else { a });
    let stays = |part: &R::Part| {
        if R::CONTEST { best.is_some_and(|best| !R::beats(&best, part)) } else { rule.keeps(part) }
    };
    labels.iter().map(|label| u8::from(parts[*label as usize].as_ref().is_some_and(stays))).collect()
}

/// Filters slab by slab, gives the slabs back from the last to the first, and holds everything against the bill.
fn tiled<R: Rule + Copy>(rule: R, geometry: &Geometry, classes: &[u8]) -> Vec<u8> {
    let bill = geometry.filter_bill::<R>();
    let store = Arc::new(MemoryStore::default());
    let mut scratch = FilterScratch::new(geometry);
    let mut piece = FilterPiece::new(geometry);
    let mut merger = FilterMerger::new(geometry, rule, store.clone(), store.clone());
    let mut rest = classes;
    for slab in 0..geometry.slabs() {
        let pixels = rest.split_off(..geometry.slab_pixels(slab)).unwrap();
        geometry.filter_local(&rule, slab, pixels, &mut scratch, &mut piece);
        merger.merge(&piece).unwrap();
    }
    assert!(scratch.bytes() + piece.bytes() <= bill.local_bytes, "local");
    assert!(piece.bytes() <= bill.piece_bytes, "piece");
    assert!(merger.bytes() <= bill.merge_bytes, "merge");
    let kept = merger.finish().unwrap();
    assert!(store.len() <= bill.scratch_bytes, "scratch");
    let mut scratch = KeptScratch::new(geometry);
    let mut all = vec![7; classes.len()];
    let mut end = all.len();
    for slab in (0..geometry.slabs()).rev() {
        let start = end - geometry.slab_pixels(slab);
        kept.apply(slab, &mut scratch, &mut all[start..end]).unwrap();
        end = start;
    }
    assert!(scratch.bytes() <= bill.apply_bytes, "apply");
    all
}

fn check_rule<R: Rule + Copy>(rule: R, shape: &[u64], structure: &Structure, rows_per_slab: u64, classes: &[u8]) {
    let want = wanted(&rule, shape, structure, classes);
    let geometry = Geometry::new(shape, structure, rows_per_slab).unwrap();
    let got = tiled(rule, &geometry, classes);
    assert!(got == want, "{rule:?} on {shape:?} with {structure:?} by {rows_per_slab} rows: {got:?} is not {want:?}");
}

fn check(shape: &[u64], structure: &Structure, rows_per_slab: u64, classes: &[u8]) {
    for stay in [true, false] {
        check_rule(Marked { stay }, shape, structure, rows_per_slab, classes);
    }
    for least in [0, 2, 5, 40] {
        check_rule(AtLeast { pixels: least }, shape, structure, rows_per_slab, classes);
    }
    check_rule(Largest, shape, structure, rows_per_slab, classes);
}

/// Every connectivity, and slabs of one row, some rows, about a plane, and all.
fn check_all(shape: &[u64], classes: &[u8]) {
    let rows: u64 = shape[..shape.len() - 1].iter().product();
    for connectivity in 0..=shape.len() {
        let structure = Structure::from_connectivity(shape.len(), connectivity).unwrap();
        for rows_per_slab in [1, 2, 3, 5, rows / 2 + 1, rows.max(1), rows + 7] {
            check(shape, &structure, rows_per_slab, classes);
        }
    }
}

/// Floods planes that are tori, labels given in raster order.
fn flood_around(shape: &[u64], structure: &Structure, mask: &[u8]) -> Vec<u64> {
    let (height, width) = (shape[shape.len() - 2] as usize, shape[shape.len() - 1] as usize);
    let steps: Vec<(usize, usize)> = structure
        .offsets()
        .iter()
        .map(|step| step[step.len() - 2..].to_vec())
        .map(|step| ((height as i64 + i64::from(step[0])) as usize, (width as i64 + i64::from(step[1])) as usize))
        .collect();
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
            let (plane, y, x) = (pixel / (height * width), pixel / width % height, pixel % width);
            for (down, right) in &steps {
                let next = (plane * height + (y + down) % height) * width + (x + right) % width;
                if mask[next] != 0 && labels[next] == 0 {
                    labels[next] = count;
                    open.push(next);
                }
            }
        }
    }
    labels
}

fn check_around(shape: &[u64], structure: &Structure, rows_per_slab: u64, rows_per_unit: u64, classes: &[u8]) {
    let labels = flood_around(shape, structure, classes);
    let geometry = Geometry::in_units(shape, structure, rows_per_slab, rows_per_unit).unwrap();
    let geometry = geometry.periodic(structure).unwrap();
    let what = format!("{shape:?} with {structure:?} by {rows_per_slab} rows of {rows_per_unit}: {classes:?}");
    for stay in [true, false] {
        let rule = Marked { stay };
        assert_eq!(tiled(rule, &geometry, classes), wanted_of(&rule, &labels, classes), "{rule:?} {what}");
    }
    let rule = AtLeast { pixels: 6 };
    assert_eq!(tiled(rule, &geometry, classes), wanted_of(&rule, &labels, classes), "{rule:?} {what}");
    assert_eq!(tiled(Largest, &geometry, classes), wanted_of(&Largest, &labels, classes), "largest {what}");
}

/// A mask with some of its pixels marked.
fn marked(mask: &[u8], density: f64, seed: u64) -> Vec<u8> {
    let marks = noise(mask.len(), density, seed);
    mask.iter().zip(marks).map(|(pixel, mark)| u8::from(*pixel != 0) << u8::from(mark != 0)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_image_in_any_slabs(
        shape in shapes(),
        kind in kinds(),
        rows_per_slab in prop_oneof![1u64..12, 1u64..200, Just(u64::MAX)],
        density in densities(),
        marks in prop::sample::select(vec![0.0, 0.01, 0.1, 0.5]),
        seed in any::<u64>(),
    ) {
        let structure = structure_of(shape.len(), &kind);
        let mask = noise(pixels(&shape), density, seed);
        check(&shape, &structure, rows_per_slab, &marked(&mask, marks, seed ^ 0x55));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_torus_in_any_slabs(
        frames in 1u64..4,
        height in 1u64..12,
        width in 1u64..80,
        kind in kinds(),
        rows_per_slab in 1u64..14,
        density in densities(),
        marks in prop::sample::select(vec![0.0, 0.01, 0.1, 0.5]),
        seed in any::<u64>(),
    ) {
        let flat = structure_of(2, &kind);
        let cells: Vec<bool> = (0..27).map(|cell| cell / 9 == 1 && {
            let cell = cell % 9;
            flat.has(&[(cell / 3) as i8 - 1, (cell % 3) as i8 - 1])
        }).collect();
        let structure = Structure::from_bools(3, &cells).unwrap();
        let shape = [frames, height, width];
        let classes = marked(&noise(pixels(&shape), density, seed), marks, seed ^ 0x55);
        // Parts of a plane, and whole planes.
        check_around(&shape, &structure, rows_per_slab, height, &classes);
        check_around(&shape, &structure, height * (1 + rows_per_slab % 3), height * frames, &classes);
        let first = &classes[..pixels(&shape[1..])];
        check_around(&shape[1..], &flat, rows_per_slab, height, first);
    }
}

#[test]
fn tori_of_other_axes_or_uneven_slabs_are_refused() {
    let cube = Structure::from_connectivity(3, 1).unwrap();
    assert!(Geometry::new(&[4, 4, 4], &cube, 1).unwrap().periodic(&cube).is_err());
    let cells: Vec<bool> = (0..27).map(|cell| cell / 9 == 1).collect();
    let flat = Structure::from_bools(3, &cells).unwrap();
    assert!(Geometry::new(&[4, 4, 4], &flat, 3).unwrap().periodic(&flat).is_err());
    assert!(Geometry::new(&[4, 4, 4], &flat, 8).unwrap().periodic(&flat).is_ok());
    assert!(Geometry::in_units(&[4, 4, 4], &flat, 3, 4).unwrap().periodic(&flat).is_ok());
}

#[test]
fn one_mark_at_the_end_of_a_spiral_is_enough() {
    let (shape, mask) = spiral();
    for pixel in (0..mask.len()).filter(|pixel| mask[*pixel] != 0).step_by(7) {
        let mut classes = mask.clone();
        classes[pixel] = 2;
        check_all(&shape, &classes);
    }
}

#[test]
fn combs_are_decided_at_any_tooth() {
    let (rows, columns) = (9u64, 40u64);
    for back in [0, rows - 1, rows / 2] {
        let comb = comb(rows, columns, back);
        for mark in [0, 20, (rows - 1) * columns, (rows - 1) * columns + 38] {
            let mut classes = comb.clone();
            classes[mark as usize] *= 2;
            check_all(&[rows, columns], &classes);
        }
    }
}

#[test]
fn rings_checkerboards_and_full_images() {
    let size = 17u64;
    check_all(&[size, size], &marked(&rings(size), 0.02, 4));
    for shape in [vec![9, 70], vec![1, 1, 9], vec![4, 6, 7], vec![3, 4, 5, 3], vec![64], vec![0, 5], vec![5, 0]] {
        check_all(&shape, &marked(&board(&shape, 2, 0), 0.2, 5));
        check_all(&shape, &vec![1; pixels(&shape)]);
        check_all(&shape, &vec![0; pixels(&shape)]);
    }
}

#[test]
fn the_first_of_equals_is_the_largest() {
    let (shape, mask) = picture(&["..#.#.", "..#.#.", "......", "##..##", "......", ".#.##.", ".#...#"]);
    check_all(&shape, &mask);
    let structure = structure_of(2, &Kind::Connectivity(1));
    let geometry = Geometry::new(&shape, &structure, 1).unwrap();
    let kept = tiled(Largest, &geometry, &mask);
    assert_eq!((kept[2], kept[8], kept.iter().sum::<u8>()), (1, 1, 2));
}

#[test]
fn knots_in_three_dimensions() {
    let side = 9u64;
    let shape = [side; 3];
    // Two interlocked square rings that never touch, and a marked pixel on one of them.
    let on_one = |at: &[u64]| {
        at[0] == 4
            && (1..=5).contains(&at[1])
            && (1..=5).contains(&at[2])
            && (at[1] == 1 || at[1] == 5 || at[2] == 1 || at[2] == 5)
    };
    let on_other = |at: &[u64]| {
        at[1] == 3
            && (2..=6).contains(&at[0])
            && (3..=7).contains(&at[2])
            && (at[0] == 2 || at[0] == 6 || at[2] == 3 || at[2] == 7)
    };
    let mut classes: Vec<u8> = (0..pixels(&shape))
        .map(|pixel| {
            let at = coordinates(&shape, pixel);
            u8::from(on_one(&at) || on_other(&at))
        })
        .collect();
    check_all(&shape, &classes);
    classes[(4 * side * side + side + 1) as usize] = 2;
    check_all(&shape, &classes);
}

fn run_on<R: Rule + Copy>(rule: R, store: Arc<dyn Store>, shape: &[u64], classes: &[u8]) -> std::io::Result<()> {
    let structure = Structure::from_connectivity(shape.len(), 1).unwrap();
    let geometry = Geometry::new(shape, &structure, 2).unwrap();
    let mut scratch = FilterScratch::new(&geometry);
    let mut piece = FilterPiece::new(&geometry);
    let mut merger = FilterMerger::new(&geometry, rule, store.clone(), store);
    let per_slab = geometry.slab_pixels(0);
    for (slab, pixels) in (0..).zip(classes.chunks(per_slab)) {
        geometry.filter_local(&rule, slab, pixels, &mut scratch, &mut piece);
        merger.merge(&piece)?;
    }
    let kept = merger.finish()?;
    let mut scratch = KeptScratch::new(&geometry);
    let mut out = vec![0; per_slab];
    (0..geometry.slabs()).try_for_each(|slab| kept.apply(slab, &mut scratch, &mut out[..geometry.slab_pixels(slab)]))
}

#[test]
fn every_failure_of_the_store_is_reported() {
    let mask = noise(20 * 30, 0.5, 3);
    let mut failures = 0;
    while let Err(error) = run_on(Largest, Arc::new(Failing::after(failures)), &[20, 30], &mask) {
        assert_eq!(error.to_string(), "no more");
        failures += 1;
    }
    assert!(failures > 50, "{failures}");
}

#[test]
fn damaged_scratch_does_not_panic() {
    let mask = noise(12 * 20, 0.5, 5);
    let run = |at| run_on(AtLeast { pixels: 9 }, Arc::new(Damaged::at(at)), &[12, 20], &mask);
    let noticed = (0..2000).filter(|at| run(*at).is_err()).count();
    assert!(noticed > 50, "{noticed}");
}
