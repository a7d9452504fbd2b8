//! PNG and JPEG.
#![cfg(feature = "image")]

mod io_common;

use io_common::*;
use std::path::{Path, PathBuf};
use tilewise::array::{ArraySpec, DType, Region};
use tilewise::io::{Layout, Source, create};

fn read_whole(source: &dyn Source) -> Vec<u8> {
    read_box(source, ACCESSES[0], &Region::whole(&source.spec().shape)).unwrap()
}

fn photograph() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/hubble_deep_field.jpg")
}

#[test]
fn png_round_trips() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    let mut rng = Rng(9);
    let named = |shape: &[u64], dtype| ArraySpec::with_axes(shape, dtype, if shape.len() == 2 { "yx" } else { "yxc" });
    let specs = [
        named(&[31, 23], DType::U8),
        named(&[31, 23], DType::U16),
        named(&[31, 23], DType::Bool),
        named(&[31, 23, 2], DType::U16),
        named(&[31, 23, 3], DType::U8),
        named(&[31, 23, 4], DType::U16),
        named(&[1, 1], DType::U8),
    ];
    for spec in specs {
        for _ in 0..4 {
            let data = random_data(&mut rng, &spec);
            let mut sink = create(path.to_str().unwrap(), &spec, true).unwrap();
            write_tiles(&mut rng, &mut *sink, &spec, &data).unwrap();
            let source = open_plain(&path).unwrap();
            let (dtype, stored) = match spec.dtype {
                DType::Bool => (DType::U8, data.iter().map(|b| b * 255).collect()),
                dtype => (dtype, data),
            };
            assert_eq!(source.spec(), &spec.with_dtype(dtype));
            assert_eq!(source.layout(), Layout::Chunked { chunk: spec.shape.clone() });
            assert!(read_whole(&*source) == stored, "{spec:?}");
        }
    }
}

#[test]
fn pixel_sizes_go_through_a_png() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    let mut spec = ArraySpec::with_axes(&[4, 5], DType::U8, "yx");
    for axis in &mut spec.axes {
        axis.size = Some(0.5);
        axis.unit = Some("micrometer".into());
    }
    write_tiles(&mut Rng(10), &mut *create(path.to_str().unwrap(), &spec, false).unwrap(), &spec, &[7; 20]).unwrap();
    assert_eq!(open_plain(&path).unwrap().spec(), &spec);
}

#[test]
fn what_a_png_cannot_hold_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    let error = |spec: &ArraySpec| create(path.to_str().unwrap(), spec, false).unwrap_err().to_string();
    assert!(error(&ArraySpec::unnamed(&[4, 5], DType::F32)).contains("float32"));
    assert!(error(&ArraySpec::unnamed(&[4, 5, 3], DType::U8)).contains("(zyx)"));
    assert!(error(&ArraySpec::unnamed(&[20_000, 20_000], DType::U8)).contains("y=::3"));
}

#[test]
fn a_photograph_is_read() {
    let source = open_plain(&photograph()).unwrap();
    assert_eq!(source.spec(), &ArraySpec::with_axes(&[872, 1000, 3], DType::U8, "yxc"));
    let pixels = read_whole(&*source);
    let mean = pixels.iter().map(|&p| f64::from(p)).sum::<f64>() / pixels.len() as f64;
    assert!((1.0..100.0).contains(&mean), "{mean}");
}

#[test]
fn hostile_pngs_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    let mut rng = Rng(11);
    let spec = ArraySpec::with_axes(&[4, 5, 3], DType::U8, "yxc");
    let data = random_data(&mut rng, &spec);
    write_tiles(&mut rng, &mut *create(path.to_str().unwrap(), &spec, false).unwrap(), &spec, &data).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let image_end = bytes.len() - 12; // the closing chunk says nothing about pixels
    for len in 0..image_end - 4 {
        assert!(try_everything(&path, &bytes[..len]).is_some(), "{len}");
    }
    for at in 0..bytes.len() {
        for value in [0, 1, 0x7F, 0xFF, bytes[at] ^ 4] {
            let mut changed = bytes.clone();
            changed[at] = value;
            try_everything(&path, &changed);
        }
    }
}

#[test]
fn hostile_jpegs_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jpg");
    let bytes = std::fs::read(photograph()).unwrap();
    for len in (0..bytes.len() - 64).step_by(bytes.len() / 40) {
        std::fs::write(&path, &bytes[..len]).unwrap();
        let read = open_plain(&path).and_then(|s| read_box(&*s, ACCESSES[0], &Region::whole(&s.spec().shape)));
        assert!(read.is_err(), "{len} of {}", bytes.len());
    }
    let mut rng = Rng(12);
    for _ in 0..60 {
        let mut changed = bytes.clone();
        for _ in 0..3 {
            changed[rng.below(40_000) as usize] = rng.below(256) as u8;
        }
        std::fs::write(&path, &changed).unwrap();
        if let Ok(source) = open_plain(&path)
            && source.spec().bytes() < 8 << 20
        {
            let _ = read_box(&*source, ACCESSES[0], &Region::whole(&source.spec().shape));
        }
    }
}
