//! TIFFs that other programs wrote (`scripts/make_tiff_files.py`): what they hold, and what becomes of them when
//! bytes are changed.
#![cfg(feature = "tiff")]

mod io_common;

use io_common::*;
use serde_json::Value;
use std::path::PathBuf;
use tilewise::array::{DType, Region, grid_len};
use tilewise::io::{Layout, OpenOptions, Source, open};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/files/tiff")
}

fn manifest() -> Vec<Value> {
    let text = std::fs::read_to_string(folder().join("manifest.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The formula of the script.
fn ramp(shape: &[u64], dtype: DType) -> Vec<u8> {
    const STEPS: [u64; 6] = [3, 7, 11, 5, 13, 17];
    let ones = vec![1; shape.len()];
    let mut data = Vec::new();
    for i in 0..shape.iter().product() {
        let index: Vec<u64> = Region::tile(shape, &ones, i).start.iter().rev().copied().collect();
        let mut value: u64 = index.iter().zip(STEPS).map(|(i, step)| i * step).sum();
        if let [x, y, ..] = index[..] {
            value += x * y / 8;
        }
        match dtype {
            DType::Bool => data.push(u8::from(value & 4 != 0)),
            DType::F32 => data.extend((value as f32 / 4.0).to_ne_bytes()),
            DType::F64 => data.extend((value as f64 / 4.0).to_ne_bytes()),
            _ => data.extend(&value.to_le_bytes()[..dtype.size()]),
        }
    }
    data
}

fn whole(source: &dyn Source) -> Vec<u8> {
    read_box(source, ACCESSES[0], &Region::whole(&source.spec().shape)).unwrap()
}

fn expected(entry: &Value, source: &dyn Source) -> Vec<u8> {
    match entry["data"].as_str().unwrap() {
        "ramp" => ramp(&source.spec().shape, source.spec().dtype),
        file => whole(&*open_plain(&folder().join(file)).unwrap()),
    }
}

fn opened(entry: &Value) -> std::sync::Arc<dyn Source> {
    let level = entry["level"].as_u64().map(|n| n as u32);
    let path = folder().join(entry["file"].as_str().unwrap());
    open(path.to_str().unwrap(), &OpenOptions { level, axes: None }).unwrap()
}

#[test]
fn every_file_holds_what_was_written() {
    for entry in manifest() {
        let source = opened(&entry);
        let spec = source.spec();
        let shape: Vec<u64> = entry["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
        assert_eq!((&spec.shape[..], spec.dtype.name()), (&shape[..], entry["dtype"].as_str().unwrap()), "{entry}");
        if let Some(axes) = entry["axes"].as_str() {
            assert_eq!((spec.letters().as_str(), spec.named), (axes, true), "{entry}");
        }
        let expected = expected(&entry, &*source);
        match entry["tolerance"].as_u64() {
            None => assert!(whole(&*source) == expected, "{entry}"),
            Some(most) => {
                let off = whole(&*source).iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
                assert!(u64::from(off) <= most, "{off} {entry}");
            }
        }
    }
}

#[test]
fn sizes_units_and_levels_are_told() {
    for entry in manifest() {
        let source = opened(&entry);
        for axis in &source.spec().axes {
            let Some(scale) = entry["scales"].get(axis.name.to_string()) else { continue };
            assert!((axis.size.unwrap() - scale[0].as_f64().unwrap()).abs() < 1e-6, "{axis:?} {entry}");
            assert_eq!(axis.unit.as_deref(), scale[1].as_str(), "{entry}");
        }
        let fact = |name: &str| source.facts().more.iter().find(|f| f.0 == name).map(|f| f.1.clone());
        let levels = entry["levels"].as_u64().unwrap_or(1) as usize;
        assert_eq!(fact("levels").map_or(1, |text| text.split(", ").count()), levels, "{entry}");
        if let Some(names) = entry["channels"].as_array() {
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            let spec = source.spec();
            assert_eq!(spec.axes[spec.axis('c').unwrap()].labels, names);
        }
        let path = folder().join(entry["file"].as_str().unwrap());
        let beyond = OpenOptions { level: Some(levels as u32), axes: None };
        let e = open(path.to_str().unwrap(), &beyond).unwrap_err().to_string();
        assert!(e.contains(&format!("not {levels}")), "{e}");
    }
}

/// Chunks, one by one as the executor asks for them, and random boxes, which need not be chunks.
#[test]
fn chunks_and_boxes_are_parts_of_the_whole() {
    let mut rng = Rng(11);
    for entry in manifest() {
        let source = opened(&entry);
        let spec = source.spec().clone();
        let data = whole(&*source);
        check_boxes(&mut rng, &*source, &data);
        if let Layout::Chunked { chunk } = source.layout() {
            for i in 0..grid_len(&spec.shape, &chunk) {
                let at = Region::tile(&spec.shape, &chunk, i);
                let mut out = vec![0x55; at.elements() as usize * spec.dtype.size()];
                let view = tilewise::array::ViewMut::new(spec.dtype, &at.shape, &mut out);
                source.reader(ACCESSES[1]).unwrap().read(&at, view).unwrap();
                assert!(out == cut(&spec, &data, &at), "{entry} chunk {i}");
            }
        }
    }
}

/// Every byte of the small files and many of the larger ones, changed and cut: an error or other pixels, but never a
/// panic, and never memory beyond a bound.
#[test]
fn changed_bytes_do_no_harm() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("a.tif");
    let before = tilewise::sys::peak_resident().unwrap_or(0);
    let mut seen = std::collections::HashSet::new();
    let mut rng = Rng(12);
    for entry in manifest() {
        let name = entry["file"].as_str().unwrap().to_string();
        if !seen.insert(name.clone()) {
            continue;
        }
        let bytes = std::fs::read(folder().join(&name)).unwrap();
        for _ in 0..150 {
            let mut changed = bytes.clone();
            for _ in 0..1 + rng.below(3) {
                let at = rng.below(bytes.len() as u64) as usize;
                changed[at] = match rng.below(4) {
                    0 => 0,
                    1 => 0xFF,
                    2 => changed[at] ^ (1 << rng.below(8)),
                    _ => rng.below(256) as u8,
                };
            }
            if rng.below(8) == 0 {
                changed.truncate(rng.below(bytes.len() as u64) as usize);
            }
            try_everything(&path, &changed);
        }
    }
    let after = tilewise::sys::peak_resident().unwrap_or(0);
    assert!(after - before < 96 << 20, "hostile files took {} bytes", after - before);
}

#[test]
fn a_missing_file_of_a_set_is_named() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("set_c0.ome.tif");
    std::fs::copy(folder().join("set_c0.ome.tif"), &path).unwrap();
    let source = open_plain(&path).unwrap();
    let first = Region::new(&[0; 4], &[1, 3, 21, 19]);
    let both = Region::whole(&source.spec().shape);
    assert!(read_box(&*source, ACCESSES[0], &first).is_ok());
    let e = read_box(&*source, ACCESSES[0], &both).unwrap_err().to_string();
    assert!(e.contains("set_c1.ome.tif: no such file"), "{e}");
}
