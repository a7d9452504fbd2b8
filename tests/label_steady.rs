//! Memory is what the bill says, all of it, and taken once.

#![cfg(unix)]

use allocation_counter::measure;
use std::fs::File;
use std::io::Result;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tilewise::kernels::label::filter::{
    AtLeast, FilterMerger, FilterPiece, FilterScratch, KeptScratch, Largest, Marked, Rule,
};
use tilewise::kernels::label::{ApplyScratch, Geometry, LocalScratch, Merger, Piece, Store, Structure};

struct FileStore {
    file: File,
    end: AtomicU64,
}

impl Store for FileStore {
    fn append(&self, bytes: &[u8]) -> Result<u64> {
        let offset = self.end.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.file.write_all_at(bytes, offset)?;
        Ok(offset)
    }
    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        self.file.read_exact_at(out, offset)
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.file.write_all_at(bytes, offset)
    }
}

fn store() -> Arc<FileStore> {
    let file = tempfile::tempfile().unwrap();
    Arc::new(FileStore { file, end: AtomicU64::new(0) })
}

/// A geometry's own copy, the stores' handles.
const SMALL: u64 = 4 << 10;

fn check(geometry: &Geometry, mask: impl Fn(u64, &mut [u8])) {
    let bill = geometry.bill();
    let store = store();
    let mut pixels = vec![0; geometry.slab_pixels(0)];
    let mut made = None;
    let start = measure(|| {
        let merger = Merger::new(geometry, store.clone(), store.clone());
        made = Some((merger, LocalScratch::new(geometry), Piece::new(geometry)));
    });
    assert!(start.bytes_max <= bill.local_bytes + bill.merge_bytes + SMALL);
    let (mut merger, mut scratch, mut piece) = made.unwrap();
    for slab in 0..geometry.slabs() {
        let pixels = &mut pixels[..geometry.slab_pixels(slab)];
        mask(slab, pixels);
        let used = measure(|| {
            geometry.local(slab, pixels, &mut scratch, &mut piece);
            merger.merge(&piece).unwrap();
        });
        assert_eq!(used.count_total, 0, "slab {slab}");
    }
    let mut labels = None;
    let used = measure(|| labels = Some(merger.finish().unwrap()));
    assert!(used.bytes_max <= bill.resolve_bytes + SMALL, "{used:?}");
    let labels = labels.unwrap();
    assert!(store.end.load(Ordering::Relaxed) <= bill.scratch_bytes);
    let mut scratch = None;
    let used = measure(|| scratch = Some(ApplyScratch::new(geometry)));
    assert!(used.bytes_max <= bill.apply_bytes);
    let mut scratch = scratch.unwrap();
    let mut out = vec![0; geometry.slab_pixels(0)];
    for slab in 0..geometry.slabs() {
        let out = &mut out[..geometry.slab_pixels(slab)];
        let used = measure(|| labels.apply_u32(slab, &mut scratch, out).unwrap());
        assert_eq!(used.count_total, 0, "slab {slab}");
    }
}

/// Merging and finishing as one: what the merger held is gone before its records are followed.
fn check_peak(geometry: &Geometry, mask: &impl Fn(u64, &mut [u8])) {
    let bill = geometry.bill();
    let store = store();
    let (mut scratch, mut piece) = (LocalScratch::new(geometry), Piece::new(geometry));
    let mut pixels = vec![0; geometry.slab_pixels(0)];
    let used = measure(|| {
        let mut merger = Merger::new(geometry, store.clone(), store.clone());
        for slab in 0..geometry.slabs() {
            let pixels = &mut pixels[..geometry.slab_pixels(slab)];
            mask(slab, pixels);
            geometry.local(slab, pixels, &mut scratch, &mut piece);
            merger.merge(&piece).unwrap();
        }
        merger.finish().unwrap();
    });
    assert!(used.bytes_max <= bill.merge_bytes.max(bill.resolve_bytes) + SMALL, "{used:?}");
}

/// As [`check`] and [`check_peak`], for a filter.
fn check_filter<R: Rule + Copy>(rule: R, geometry: &Geometry, mask: &impl Fn(u64, &mut [u8])) {
    let bill = geometry.filter_bill::<R>();
    let store = store();
    let mut pixels = vec![0; geometry.slab_pixels(0)];
    let mut made = None;
    let start = measure(|| made = Some((FilterScratch::new(geometry), FilterPiece::new(geometry))));
    assert!(start.bytes_max <= bill.local_bytes + SMALL);
    let (mut scratch, mut piece) = made.unwrap();
    let mut kept = None;
    let used = measure(|| {
        let mut merger = FilterMerger::new(geometry, rule, store.clone(), store.clone());
        for slab in 0..geometry.slabs() {
            let pixels = &mut pixels[..geometry.slab_pixels(slab)];
            mask(slab, pixels);
            let used = measure(|| {
                geometry.filter_local(&rule, slab, pixels, &mut scratch, &mut piece);
                merger.merge(&piece).unwrap();
            });
            assert_eq!(used.count_total, 0, "slab {slab}");
        }
        kept = Some(merger.finish().unwrap());
    });
    assert!(used.bytes_max <= bill.merge_bytes.max(bill.resolve_bytes) + SMALL, "{used:?}");
    assert!(store.end.load(Ordering::Relaxed) <= bill.scratch_bytes);
    let kept = kept.unwrap();
    let mut scratch = None;
    let used = measure(|| scratch = Some(KeptScratch::new(geometry)));
    assert!(used.bytes_max <= bill.apply_bytes);
    let mut scratch = scratch.unwrap();
    for slab in 0..geometry.slabs() {
        let out = &mut pixels[..geometry.slab_pixels(slab)];
        let used = measure(|| kept.apply(slab, &mut scratch, out).unwrap());
        assert_eq!(used.count_total, 0, "slab {slab}");
    }
}

/// Every pixel whose coordinates have an even sum, or are all even.
fn lattice(shape: [u64; 3], all_even: bool, first: u64, pixels: &mut [u8]) {
    for (pixel, value) in (first..).zip(pixels) {
        let at = [pixel / (shape[1] * shape[2]), pixel / shape[2] % shape[1], pixel % shape[2]];
        *value = u8::from(if all_even {
            at.iter().all(|coordinate| coordinate % 2 == 0)
        } else {
            at.iter().sum::<u64>() % 2 == 0
        });
    }
}

#[test]
fn nothing_is_allocated_beyond_the_bill() {
    let shape = [12, 50, 301];
    for connectivity in 0..=3 {
        let structure = Structure::from_connectivity(3, connectivity).unwrap();
        for rows_per_slab in [1, 7, 50, 64, 150, 1000] {
            let geometry = Geometry::new(&shape, &structure, rows_per_slab).unwrap();
            let per_slab = geometry.slab_pixels(0) as u64;
            let each = |mask: &dyn Fn(u64, &mut [u8])| {
                check(&geometry, mask);
                check_peak(&geometry, &mask);
                check_filter(Marked { stay: true }, &geometry, &mask);
                check_filter(AtLeast { pixels: 3 }, &geometry, &mask);
                check_filter(Largest, &geometry, &mask);
            };
            for all_even in [false, true] {
                each(&|slab, pixels| lattice(shape, all_even, slab * per_slab, pixels));
            }
            each(&|_, pixels| pixels.fill(1));
        }
    }
}

#[test]
fn a_torus_costs_no_more_than_its_bill() {
    let shape = [1, 40, 301];
    for connectivity in 0..=2 {
        let structure = Structure::from_connectivity(2, connectivity).unwrap();
        for rows_per_slab in [1, 7, 40] {
            let geometry = Geometry::in_units(&shape[1..], &structure, rows_per_slab, 40).unwrap();
            let geometry = geometry.periodic(&structure).unwrap();
            let per_slab = geometry.slab_pixels(0) as u64;
            for all_even in [false, true] {
                let mask = |slab, pixels: &mut [u8]| lattice(shape, all_even, slab * per_slab, pixels);
                check_filter(Marked { stay: true }, &geometry, &mask);
                check_filter(AtLeast { pixels: 3 }, &geometry, &mask);
            }
            check_filter(Largest, &geometry, &|_, pixels: &mut [u8]| pixels.fill(1));
        }
    }
}
