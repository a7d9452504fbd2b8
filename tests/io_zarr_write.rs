//! What is written as Zarr and OME-Zarr is read back; `scripts/check_zarr.py` has other programs read it.
#![cfg(feature = "zarr")]

mod io_common;

use io_common::*;
use std::path::Path;
use std::sync::Arc;
use tilewise::Result;
use tilewise::array::{ArraySpec, DType, Dims, Region, View, grid_len};
use tilewise::io::{CreateOptions, Encoded, Layout, OpenOptions, Order, Sink, Source, create_with, open};

/// Writes an array in tiles of a few of the sink's boxes, as the executor does, last tile first.
fn write_all(rng: &mut Rng, sink: &mut dyn Sink, spec: &ArraySpec, data: &[u8]) -> Result<()> {
    sink.begin()?;
    let Order::Aligned(unit) = sink.order() else { panic!("not aligned") };
    let tile: Dims = unit.iter().map(|&n| n * (1 + rng.below(3))).collect();
    let bill = sink.encode_bill(&tile);
    let mut encoder = sink.encoder()?.unwrap();
    let mut encoded = Encoded::default();
    for i in (0..grid_len(&spec.shape, &tile)).rev() {
        let at = Region::tile(&spec.shape, &tile, i);
        encoded.clear();
        encoder.encode(&at, &View::new(spec.dtype, &spec.shape, data).sub(&at), &mut encoded)?;
        assert!(encoded.bytes.capacity() as u64 <= bill.per_tile, "{tile:?}: {} > {bill:?}", encoded.bytes.capacity());
        sink.write_encoded(&at, &encoded)?;
    }
    sink.commit()
}

fn read_all(source: &dyn Source) -> Vec<u8> {
    let spec = source.spec().clone();
    let Layout::Chunked { chunk } = source.layout() else { panic!("{source:?} has no chunks") };
    let size = spec.dtype.size();
    let mut data = vec![0x55; spec.bytes() as usize];
    let ones = vec![1; spec.rank()];
    for i in 0..grid_len(&spec.shape, &chunk) {
        let at = Region::tile(&spec.shape, &chunk, i);
        let part = read_box(source, ACCESSES[0], &at).unwrap();
        for (e, bytes) in part.chunks_exact(size).enumerate() {
            let index = Region::tile(&at.shape, &ones, e as u64).start;
            let flat = (0..spec.rank()).fold(0, |sum, a| sum * spec.shape[a] + at.start[a] + index[a]) as usize;
            data[flat * size..][..size].copy_from_slice(bytes);
        }
    }
    data
}

fn opened(path: &Path, level: u32) -> Result<Arc<dyn Source>> {
    open(path.to_str().unwrap(), &OpenOptions { level: Some(level), axes: None })
}

fn sink(path: &Path, spec: &ArraySpec, options: &CreateOptions) -> Result<Box<dyn Sink>> {
    create_with(path.to_str().unwrap(), spec, options)
}

#[test]
fn every_dtype_rank_and_codec_round_trips() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.zarr");
    let mut rng = Rng(7);
    let codecs = ["none", "zstd", "gzip:1", "blosc", "zstd:9"];
    for (i, dtype) in DType::ALL.into_iter().enumerate() {
        for rank in 0..=5 {
            let spec = ArraySpec::unnamed(&random_shape(&mut rng, rank), dtype);
            let mut data = random_data(&mut rng, &spec);
            let half = data.len() / 2;
            data[..half].fill(0);
            let chunks: Vec<u64> = (0..rank).map(|_| 1 + rng.below(3)).collect();
            let shards = chunks.iter().map(|c| c * (1 + rng.below(3))).collect();
            let version = if (i + rank).is_multiple_of(2) { "2" } else { "3" };
            let options = CreateOptions {
                overwrite: true,
                shards: (version == "3" && rank > 1).then_some(shards),
                chunks: Some(chunks),
                compression: Some(codecs[(i + rank) % 5].into()),
                format_version: Some(version.into()),
                ..CreateOptions::default()
            };
            write_all(&mut rng, &mut *sink(&path, &spec, &options).unwrap(), &spec, &data).unwrap();
            let source = opened(&path, 0).unwrap();
            assert_eq!((&source.spec().shape, source.spec().dtype), (&spec.shape, spec.dtype));
            assert!(read_all(&*source) == data, "{spec:?} {options:?}");
        }
    }
    assert_eq!(files_in(folder.path()), ["a.zarr"]);
}

fn image(shape: &[u64], letters: &str) -> ArraySpec {
    let mut spec = ArraySpec::with_axes(shape, DType::U16, letters);
    for axis in spec.axes.iter_mut().filter(|a| a.is_spatial()) {
        axis.size = Some(if axis.name == 'z' { 2.0 } else { 0.5 });
        axis.unit = Some("micrometer".into());
        axis.origin = if axis.name == 'x' { 10.0 } else { 0.0 };
    }
    if let Some(c) = spec.axis('c') {
        spec.axes[c].labels = (0..spec.shape[c]).map(|i| format!("channel {i}")).collect();
    }
    spec
}

#[test]
fn images_keep_axes_sizes_units_and_names_and_get_a_pyramid() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ome.zarr");
    let mut rng = Rng(9);
    for version in ["0.4", "0.5"] {
        let spec = image(&[2, 3, 601, 530], "czyx");
        let data = random_data(&mut rng, &spec);
        let options =
            CreateOptions { overwrite: true, format_version: Some(version.into()), ..CreateOptions::default() };
        write_all(&mut rng, &mut *sink(&path, &spec, &options).unwrap(), &spec, &data).unwrap();
        let full = opened(&path, 0).unwrap();
        assert_eq!(full.spec(), &spec);
        assert!(read_all(&*full) == data);
        let half = opened(&path, 1).unwrap();
        // `z` is four times as coarse as `x`: it stays.
        assert_eq!(&half.spec().shape[..], [2, 3, 301, 265]);
        assert_eq!((half.spec().axes[3].size, half.spec().axes[3].origin), (Some(1.0), 10.25));
        let quarter = opened(&path, 2).unwrap();
        assert_eq!((&quarter.spec().shape[..], quarter.spec().axes[2].origin), (&[2, 3, 151, 133][..], 0.75));
        assert!(opened(&path, 3).is_err());
        let pixels = |source: &dyn Source| -> Vec<u16> {
            read_all(source).chunks_exact(2).map(|b| u16::from_ne_bytes([b[0], b[1]])).collect()
        };
        let (big, small) = (pixels(&*full), pixels(&*half));
        let at = |y: usize, x: usize| u64::from(big[(601 + y) * 530 + x]);
        let mean = |y: usize, x: usize| (at(y, x) + at(y, x + 1) + at(y + 1, x) + at(y + 1, x + 1)) as f64 / 4.0;
        for (y, x) in [(0, 0), (7, 200), (299, 264)] {
            assert!((f64::from(small[(301 + y) * 265 + x]) - mean(2 * y, 2 * x)).abs() <= 0.5);
        }
    }
}

#[test]
fn axes_are_stored_in_their_order_and_labels_below_their_image() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ome.zarr");
    let mut rng = Rng(11);
    let spec = image(&[40, 50, 3], "yxc");
    let data = random_data(&mut rng, &spec);
    write_all(&mut rng, &mut *sink(&path, &spec, &CreateOptions::default()).unwrap(), &spec, &data).unwrap();
    let source = opened(&path, 0).unwrap();
    assert_eq!((source.spec().letters().as_str(), &source.spec().shape[..]), ("cyx", &[3, 40, 50][..]));
    let stored = read_all(&*source);
    for (y, x, c) in [(0, 0, 0), (1, 2, 2), (39, 49, 1)] {
        assert_eq!(stored[((c * 40 + y) * 50 + x) * 2..][..2], data[((y * 50 + x) * 3 + c) * 2..][..2]);
    }
    for name in ["cells", "nuclei"] {
        let labels = ArraySpec::with_axes(&[40, 50], DType::U32, "yx");
        let data = random_data(&mut rng, &labels);
        let path = path.join("labels").join(name);
        write_all(&mut rng, &mut *sink(&path, &labels, &CreateOptions::default()).unwrap(), &labels, &data).unwrap();
        assert!(read_all(&*opened(&path, 0).unwrap()) == data);
    }
    let listed = std::fs::read_to_string(path.join("labels/zarr.json")).unwrap();
    assert!(listed.contains("\"cells\"") && listed.contains("\"nuclei\""), "{listed}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let spec = ArraySpec::with_axes(&[40, 50], DType::Bool, "yx");
    let plain = CreateOptions::default;
    let text = |s: &str| Some(s.to_string());
    let error =
        |name: &str, options: CreateOptions| sink(&folder.path().join(name), &spec, &options).unwrap_err().to_string();
    assert!(error("a.zarr", CreateOptions { compression: text("lzw"), ..plain() }).contains("none, zstd"));
    assert!(error("a.zarr", CreateOptions { compression: text("zstd:99"), ..plain() }).contains("0 to 19"));
    assert!(error("a.zarr", CreateOptions { pyramid: Some(true), ..plain() }).contains("no pyramid"));
    assert!(error("a.zarr", CreateOptions { quality: Some(3), ..plain() }).contains("`quality`"));
    assert!(error("a.zarr", CreateOptions { chunks: Some(vec![0, 1]), ..plain() }).contains("`chunks`"));
    let shards = CreateOptions { chunks: Some(vec![4, 4]), shards: Some(vec![6, 4]), ..plain() };
    assert!(error("a.zarr", shards).contains("whole chunks"));
    assert!(error("a.ome.zarr", CreateOptions { format_version: text("2"), ..plain() }).contains("0.4, 0.5"));
    assert!(error("a.ome.zarr", CreateOptions { downsample: text("mean"), ..plain() }).contains("masks"));
    let line = ArraySpec::unnamed(&[9], DType::U8);
    let refused = sink(&folder.path().join("a.ome.zarr"), &line, &plain()).unwrap_err().to_string();
    assert!(refused.contains("two or three axes"), "{refused}");
    std::fs::create_dir(folder.path().join("b.zarr")).unwrap();
    std::fs::write(folder.path().join("b.zarr/thesis.txt"), "").unwrap();
    assert!(error("b.zarr", CreateOptions { overwrite: true, ..plain() }).contains("something else"));
}

#[test]
fn an_aborted_output_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ome.zarr");
    let spec = image(&[600, 600], "yx");
    let mut out = sink(&path, &spec, &CreateOptions::default()).unwrap();
    out.begin().unwrap();
    assert_eq!(files_in(folder.path()), [".a.ome.zarr.tilewise-partial"]);
    drop(out);
    assert!(files_in(folder.path()).is_empty());
}

/// Used by `scripts/check_zarr.py`: lines of input.npy, output, axes, version, compression, chunks, shards, tab-separated.
#[test]
#[ignore = "driven by scripts/check_zarr.py"]
fn write_jobs() {
    let jobs = std::fs::read_to_string(std::env::var("TILEWISE_JOBS").unwrap()).unwrap();
    let mut rng = Rng(13);
    for job in jobs.lines() {
        let [input, output, axes, version, compression, chunks, shards] = job.split('\t').collect::<Vec<_>>()[..]
        else {
            panic!("{job}");
        };
        let source = open(input, &OpenOptions::default()).unwrap();
        let data = read_box(&*source, ACCESSES[0], &Region::whole(&source.spec().shape)).unwrap();
        let spec = match axes {
            "" => source.spec().clone(),
            _ => ArraySpec { dtype: source.spec().dtype, ..image(&source.spec().shape, axes) },
        };
        let text = |s: &str| (!s.is_empty()).then(|| s.to_string());
        let lengths = |s: &str| (!s.is_empty()).then(|| s.split(',').map(|n| n.parse().unwrap()).collect());
        let options = CreateOptions {
            chunks: lengths(chunks),
            shards: lengths(shards),
            compression: text(compression),
            format_version: text(version),
            ..CreateOptions::default()
        };
        write_all(&mut rng, &mut *sink(Path::new(output), &spec, &options).unwrap(), &spec, &data).unwrap();
    }
}
