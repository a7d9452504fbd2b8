//! PNG and JPEG.
#![cfg(feature = "image")]

mod io_common;

use io_common::*;
use std::path::{Path, PathBuf};
use tilewise::Run;
use tilewise::array::{ArraySpec, DType, Region, ViewMut, grid_len};
use tilewise::io::{CreateOptions, Layout, Source, create, create_with};

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

/// Reads all chunks in that order, with as many readers in turn.
fn read_chunks(source: &dyn Source, readers: usize, order: &[u64]) -> tilewise::Result<Vec<u8>> {
    let (spec, layout) = (source.spec(), source.layout());
    let chunk = layout.chunk().unwrap();
    let mut readers: Vec<_> = (0..readers).map(|_| source.reader(ACCESSES[0]).unwrap()).collect();
    let mut all = vec![0; spec.bytes() as usize];
    for (turn, &i) in order.iter().enumerate() {
        let at = Region::tile(&spec.shape, chunk, i);
        let mut whole = ViewMut::new(spec.dtype, &spec.shape, &mut all);
        let n = readers.len();
        readers[turn % n].read(&at, whole.sub(&at))?;
    }
    Ok(all)
}

#[test]
fn large_pngs_are_read_in_bands() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    let mut rng = Rng(13);
    for (shape, letters, dtype) in [(&[1501, 700, 3][..], "yxc", DType::U8), (&[900, 1300], "yx", DType::U16)] {
        let spec = ArraySpec::with_axes(shape, dtype, letters);
        let data = random_data(&mut rng, &spec);
        write_tiles(&mut rng, &mut *create(path.to_str().unwrap(), &spec, true).unwrap(), &spec, &data).unwrap();
        let source = open_plain(&path).unwrap();
        let chunks = grid_len(&spec.shape, source.layout().chunk().unwrap());
        assert!(chunks > 2 && source.bill(ACCESSES[0]).per_reader < 2 << 20);
        let forward: Vec<u64> = (0..chunks).collect();
        let backward: Vec<u64> = (0..chunks).rev().collect();
        for order in [&forward, &backward] {
            for readers in [1, 2, 3] {
                assert!(read_chunks(&*source, readers, order).unwrap() == data, "{order:?} {readers}");
            }
        }
        let reversed = || tilewise::open(path.to_str().unwrap()).unwrap().call("flip", ["y".into()], []).unwrap();
        let out = folder.path().join("a.npy");
        Run::new().threads(3).save(&reversed(), &out, true).unwrap().run().unwrap();
        let row = data.len() / shape[0] as usize;
        let flipped: Vec<u8> = data.chunks(row).rev().flatten().copied().collect();
        assert!(read_whole(&*open_plain(&out).unwrap()) == flipped);

        let bytes = std::fs::read(&path).unwrap();
        for cut in [bytes.len() / 3, bytes.len() - 20] {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            let broken = open_plain(&path).unwrap();
            let text = read_chunks(&*broken, 2, &forward).unwrap_err().to_string();
            assert!(text.contains("a.png") && text.contains("PNG"), "{text}");
            let run = Run::new().save(&reversed(), folder.path().join("b.npy"), true).unwrap().run();
            assert!(run.is_err() && !folder.path().join("b.npy").exists());
        }
    }
}

#[test]
fn readers_share_the_work_of_decoding() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    let spec = ArraySpec::with_axes(&[4000, 2000], DType::U8, "yx");
    let data: Vec<u8> = (0..spec.bytes()).map(|i| (i / 7) as u8).collect();
    write_tiles(&mut Rng(14), &mut *create(path.to_str().unwrap(), &spec, true).unwrap(), &spec, &data).unwrap();
    let source = open_plain(&path).unwrap();
    let chunks = grid_len(&spec.shape, source.layout().chunk().unwrap());
    let next = std::sync::atomic::AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut reader = source.reader(ACCESSES[0]).unwrap();
                loop {
                    let i = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if i >= chunks {
                        break;
                    }
                    let at = Region::tile(&spec.shape, source.layout().chunk().unwrap(), i);
                    let mut out = vec![0; at.elements() as usize];
                    reader.read(&at, ViewMut::new(DType::U8, &at.shape, &mut out)).unwrap();
                    assert!(out == cut(&spec, &data, &at));
                }
            });
        }
    });
}

#[test]
fn every_kind_of_png_is_expanded() {
    use png::{BitDepth, ColorType};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    let palette = [9u8, 8, 7, 60, 50, 40, 1, 2, 3];
    type Case<'a> = (ColorType, BitDepth, &'a [u8], bool, &'a str, DType, &'a [u8]);
    let cases: [Case<'_>; 7] = [
        (ColorType::Grayscale, BitDepth::One, &[0b1010_0000], false, "yx", DType::U8, &[255, 0, 255]),
        (ColorType::Grayscale, BitDepth::Two, &[0b0001_1000], false, "yx", DType::U8, &[0, 85, 170]),
        (ColorType::Grayscale, BitDepth::Four, &[0x0F, 0x30], false, "yx", DType::U8, &[0, 255, 51]),
        (ColorType::Indexed, BitDepth::Two, &[0b0110_0000], false, "yxc", DType::U8, &[60, 50, 40, 1, 2, 3, 9, 8, 7]),
        (
            ColorType::Indexed,
            BitDepth::Eight,
            &[2, 0, 1],
            true,
            "yxc",
            DType::U8,
            &[1, 2, 3, 255, 9, 8, 7, 0, 60, 50, 40, 128],
        ),
        (ColorType::GrayscaleAlpha, BitDepth::Eight, &[1, 2, 3, 4, 5, 6], false, "yxc", DType::U8, &[1, 2, 3, 4, 5, 6]),
        (ColorType::Grayscale, BitDepth::Sixteen, &[1, 2, 3, 4, 5, 6], false, "yx", DType::U16, &[2, 1, 4, 3, 6, 5]),
    ];
    for (colour, depth, stored, transparent, letters, dtype, pixels) in cases {
        let file = std::fs::File::create(&path).unwrap();
        let mut encoder = png::Encoder::new(file, 3, 1);
        encoder.set_color(colour);
        encoder.set_depth(depth);
        if colour == ColorType::Indexed {
            encoder.set_palette(&palette[..]);
        }
        if transparent {
            encoder.set_trns(&[0u8, 128][..]);
        }
        encoder.write_header().unwrap().write_image_data(stored).unwrap();
        let source = open_plain(&path).unwrap();
        assert_eq!((source.spec().letters().as_str(), source.spec().dtype), (letters, dtype), "{colour:?} {depth:?}");
        assert_eq!(read_whole(&*source), pixels, "{colour:?} {depth:?}");
    }
}

#[test]
fn jpegs_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jpg");
    let smooth =
        |i: u64, j: u64, c: u64| (128.0 + 100.0 * ((i as f64) / 9.0 + c as f64).sin() * (j as f64 / 7.0).cos()) as u8;
    for (shape, letters) in [(&[33, 47][..], "yx"), (&[33, 47, 3], "yxc"), (&[16, 16, 1], "yxc"), (&[1, 1], "yx")] {
        let spec = ArraySpec::with_axes(shape, DType::U8, letters);
        let channels = shape.get(2).copied().unwrap_or(1);
        let data: Vec<u8> =
            (0..spec.bytes()).map(|k| smooth(k / channels / shape[1], k / channels % shape[1], k % channels)).collect();
        let mut sizes = Vec::new();
        for quality in [30, 95] {
            let options = CreateOptions { overwrite: true, quality: Some(quality), ..CreateOptions::default() };
            let mut sink = create_with(path.to_str().unwrap(), &spec, &options).unwrap();
            write_tiles(&mut Rng(15), &mut *sink, &spec, &data).unwrap();
            sizes.push(path.metadata().unwrap().len());
        }
        let source = open_plain(&path).unwrap();
        assert_eq!(source.spec().shape[..2], shape[..2]);
        let most = read_whole(&*source).iter().zip(&data).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(most < 12 && sizes[0] <= sizes[1], "{most} {sizes:?}");
    }
    let error = |spec: &ArraySpec| create(path.to_str().unwrap(), spec, true).unwrap_err().to_string();
    assert!(error(&ArraySpec::unnamed(&[4, 5], DType::U16)).contains("a JPEG holds"));
    assert!(error(&ArraySpec::with_axes(&[4, 5, 4], DType::U8, "yxc")).contains("a JPEG holds"));
    assert!(error(&ArraySpec::unnamed(&[4, 65536], DType::U8)).contains("a JPEG holds"));
    assert!(error(&ArraySpec::unnamed(&[65535, 65535], DType::U8)).contains("too many for a JPEG"));
    let mask = ArraySpec::unnamed(&[2, 8], DType::Bool);
    let mut sink = create(path.to_str().unwrap(), &mask, true).unwrap();
    write_tiles(&mut Rng(16), &mut *sink, &mask, &[1; 16]).unwrap();
    assert_eq!(read_whole(&*open_plain(&path).unwrap()), [255; 16]);
}

#[test]
fn what_is_decoded_whole_says_so() {
    let source = open_plain(&photograph()).unwrap();
    assert!(source.why().unwrap().contains("decoded whole"));
    let array = tilewise::open(photograph().to_str().unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let plan = Run::new().save(&array, folder.path().join("a.npy"), false).unwrap().plan().unwrap();
    assert!(plan.why.iter().any(|why| why.contains("hubble_deep_field.jpg is decoded whole")), "{:?}", plan.why);
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
fn baseline_jpegs_of_separate_scans_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jpg");
    let frame = [0xFF, 0xC0, 0, 17, 8, 0, 8, 0, 8, 3, 1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0];
    let scan = [0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0, 0x55, 0x55, 0xFF, 0xD9, 0, 0, 0, 0, 0, 0, 0, 0];
    std::fs::write(&path, [&[0xFF, 0xD8][..], &frame, &scan].concat()).unwrap();
    assert!(open_plain(&path).unwrap_err().to_string().contains("separate scans"));
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
