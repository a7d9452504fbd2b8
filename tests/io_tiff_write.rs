//! Tiled, compressed and OME-TIFFs: what is written is read back. `scripts/check_tiff.py` has tifffile read it too.
#![cfg(feature = "tiff")]

mod io_common;

use io_common::*;
use tilewise::array::{ArraySpec, DType, Region};
use tilewise::io::{CreateOptions, Layout, OpenOptions, Order, create_with, open};

fn options(compression: Option<&str>, chunks: Option<&[u64]>) -> CreateOptions {
    CreateOptions {
        overwrite: true,
        compression: compression.map(String::from),
        chunks: chunks.map(<[u64]>::to_vec),
        ..CreateOptions::default()
    }
}

#[test]
fn every_dtype_and_method_round_trips() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tif");
    let mut rng = Rng(21);
    for dtype in DType::ALL {
        for (letters, shape) in
            [("yx", vec![70, 50]), ("zyx", vec![3, 20, 40]), ("yxc", vec![40, 33, 3]), ("tczyx", vec![2, 2, 2, 17, 5])]
        {
            for method in ["none", "lzw", "deflate:1", "deflate", "zstd"] {
                let spec = ArraySpec::with_axes(&shape, dtype, letters);
                let data = random_data(&mut rng, &spec);
                let wanted = options(Some(method), Some(&[16, 32]));
                let mut sink = create_with(path.to_str().unwrap(), &spec, &wanted).unwrap();
                assert!(matches!(sink.order(), Order::Aligned(_)));
                write_tiles(&mut rng, &mut *sink, &spec, &data).unwrap();
                drop(sink);
                let source = open_plain(&path).unwrap();
                let (back, stored) = match dtype {
                    DType::Bool => (spec.with_dtype(DType::U8), data.iter().map(|b| b * 255).collect()),
                    _ => (spec.clone(), data),
                };
                assert_eq!((&source.spec().shape, source.spec().dtype), (&back.shape, back.dtype));
                assert_eq!(source.spec().letters(), letters, "{method}");
                assert_eq!(source.facts().compression, method.split(':').next().unwrap().replace("lzw", "LZW"));
                assert_eq!(matches!(source.layout(), Layout::Direct { .. }), method == "none");
                check_boxes(&mut rng, &*source, &stored);
            }
        }
    }
}

#[test]
fn ome_tiffs_keep_axes_sizes_and_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ome.tif");
    let mut rng = Rng(22);
    for (letters, shape) in [
        ("yx", vec![300, 270]),
        ("zcyx", vec![3, 2, 30, 20]),
        ("czyx", vec![2, 3, 30, 20]),
        ("tyxc", vec![2, 30, 20, 3]),
    ] {
        let mut spec = ArraySpec::with_axes(&shape, DType::U16, letters);
        for axis in &mut spec.axes {
            match axis.name {
                'c' if letters.ends_with('x') => axis.labels = vec!["DAPI".into(), "β & \"γ\"".into()],
                'c' => {}
                't' => (axis.size, axis.unit) = (Some(1.5), Some("second".into())),
                _ => (axis.size, axis.unit) = (Some(0.3), Some("micrometer".into())),
            }
        }
        let data = random_data(&mut rng, &spec);
        let mut sink = create_with(path.to_str().unwrap(), &spec, &options(None, None)).unwrap();
        write_tiles(&mut rng, &mut *sink, &spec, &data).unwrap();
        let source = open_plain(&path).unwrap();
        assert_eq!(source.spec(), &spec);
        assert_eq!((source.facts().format.as_str(), source.facts().compression.as_str()), ("OME-TIFF", "deflate"));
        check_boxes(&mut rng, &*source, &data);
    }
}

#[test]
fn pyramids_are_means_of_means() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ome.tif");
    let mut rng = Rng(23);
    for (letters, shape, dtype) in [
        ("yx", vec![1100, 700], DType::U8),
        ("czyx", vec![2, 2, 60, 530], DType::F32),
        ("yxc", vec![601, 300, 3], DType::U16),
    ] {
        let mut spec = ArraySpec::with_axes(&shape, dtype, letters);
        let rows = spec.axis('y').unwrap();
        for axis in &mut spec.axes[rows..rows + 2] {
            (axis.size, axis.unit) = (Some(0.5), Some("micrometer".into()));
        }
        let data: Vec<u8> = match dtype {
            DType::F32 => (0..spec.elements()).flat_map(|_| (rng.below(1000) as f32).to_ne_bytes()).collect(),
            _ => random_data(&mut rng, &spec),
        };
        let wanted = CreateOptions { pyramid: Some(true), ..options(Some("zstd"), Some(&[64, 96])) };
        let mut sink = create_with(path.to_str().unwrap(), &spec, &wanted).unwrap();
        write_tiles(&mut rng, &mut *sink, &spec, &data).unwrap();
        assert_eq!(files_in(folder.path()), ["a.ome.tif"]);
        let (mut above, mut above_spec, mut level) = (data, spec.clone(), 1);
        while above_spec.shape[rows].max(above_spec.shape[rows + 1]) > 256 {
            let at = OpenOptions { level: Some(level), axes: None };
            let source = open(path.to_str().unwrap(), &at).unwrap();
            let below = source.spec().clone();
            let found = read_box(&*source, ACCESSES[0], &Region::whole(&below.shape)).unwrap();
            let half = |n: u64| n.div_ceil(2);
            assert_eq!(
                below.shape[rows..rows + 2],
                above_spec.shape[rows..rows + 2].iter().map(|&n| half(n)).collect::<Vec<_>>()
            );
            let size = below.axes[rows].size.unwrap();
            assert_eq!(size, 0.5 * 2f64.powi(level as i32));
            for _ in 0..200 {
                let mut window = Region::whole(&below.shape);
                for a in 0..below.rank() {
                    (window.start[a], window.shape[a]) = (rng.below(below.shape[a]), 1);
                }
                let one = value(&cut(&below, &found, &window), dtype);
                for a in rows..rows + 2 {
                    window.start[a] *= 2;
                    window.shape[a] = 2.min(above_spec.shape[a] - window.start[a]);
                }
                let many = cut(&above_spec, &above, &window);
                let values: Vec<f64> = many.chunks(dtype.size()).map(|v| value(v, dtype)).collect();
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                let mean = if dtype.is_float() { f64::from(mean as f32) } else { mean.round_ties_even() };
                assert_eq!(one, mean, "{letters} level {level}");
            }
            (above, above_spec, level) = (found, below, level + 1);
        }
        assert!(level > 2);
        let at = OpenOptions { level: Some(level), axes: None };
        assert!(open(path.to_str().unwrap(), &at).is_err());
    }
}

fn value(bytes: &[u8], dtype: DType) -> f64 {
    match dtype {
        DType::U8 => bytes[0].into(),
        DType::U16 => u16::from_ne_bytes(bytes.try_into().unwrap()).into(),
        _ => f32::from_ne_bytes(bytes.try_into().unwrap()).into(),
    }
}

#[test]
fn what_cannot_be_written_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let error = |name: &str, letters: &str, dtype, wanted: &CreateOptions| {
        let shape: Vec<u64> = letters.chars().map(|_| 20).collect();
        let spec = ArraySpec::with_axes(&shape, dtype, letters);
        create_with(folder.path().join(name).to_str().unwrap(), &spec, wanted).unwrap_err().to_string()
    };
    let plain = CreateOptions::default();
    assert!(error("a.ome.tif", "nyx", DType::U8, &plain).contains("axes among"));
    assert!(error("a.ome.tif", "zyx", DType::U64, &plain).contains("uint64"));
    assert!(error("a.tif", "zyx", DType::U8, &options(Some("zip"), None)).contains("\"zip\""));
    assert!(error("a.tif", "zyx", DType::U8, &options(None, Some(&[100, 100]))).contains("multiples of 16"));
    assert!(error("a.tif", "zyx", DType::U8, &options(None, Some(&[2, 16, 16]))).contains("one page"));
    let shards = CreateOptions { shards: Some(vec![64, 64]), ..plain };
    assert!(error("a.tif", "zyx", DType::U8, &shards).contains("`shards`"));
}

#[test]
fn an_abandoned_output_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tif");
    let spec = ArraySpec::unnamed(&[100, 100], DType::U8);
    let mut sink = create_with(path.to_str().unwrap(), &spec, &options(Some("zstd"), None)).unwrap();
    sink.begin().unwrap();
    let whole = Region::whole(&spec.shape);
    sink.write(&whole, tilewise::array::View::new(DType::U8, &spec.shape, &[7; 10_000])).unwrap();
    drop(sink);
    assert!(files_in(folder.path()).is_empty());
}
