//! Zarr and OME-Zarr as others write them: `tests/files/zarr` is made by `scripts/make_zarr_files.py`.
#![cfg(feature = "zarr")]

mod io_common;

use io_common::{cut, read_box};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tilewise::Error;
use tilewise::array::{DType, Region, grid_len};
use tilewise::io::{Access, Layout, OpenOptions, Source, open};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files/zarr").join(name)
}

fn open_at(path: &Path, options: &OpenOptions) -> Result<Arc<dyn Source>, Error> {
    open(path.to_str().unwrap(), options)
}

fn opened(name: &str) -> Arc<dyn Source> {
    open_at(&file(name), &OpenOptions::default()).unwrap()
}

fn opened_level(name: &str, level: u32) -> Result<Arc<dyn Source>, Error> {
    open_at(&file(name), &OpenOptions { level: Some(level), axes: None })
}

/// Element `i` of every array of the script.
fn element(dtype: DType, i: u64) -> Vec<u8> {
    let v = (7 * i + 3) % 200;
    let signed = v as i64 - 100;
    match dtype {
        DType::Bool => vec![u8::from(i.is_multiple_of(3))],
        DType::F32 => (signed as f32 / 2.0).to_ne_bytes().to_vec(),
        DType::F64 => (signed as f64 / 2.0).to_ne_bytes().to_vec(),
        _ if dtype.is_signed_integer() => signed.to_le_bytes()[..dtype.size()].to_vec(),
        _ => v.to_le_bytes()[..dtype.size()].to_vec(),
    }
}

fn expected(source: &dyn Source) -> Vec<u8> {
    let spec = source.spec();
    (0..spec.elements()).flat_map(|i| element(spec.dtype, i)).collect()
}

/// The whole array, chunk by chunk.
fn pixels(source: &dyn Source) -> Result<Vec<u8>, Error> {
    let spec = source.spec();
    let Layout::Chunked { chunk } = source.layout() else { panic!("{source:?} has no chunks") };
    let size = spec.dtype.size();
    let mut data = vec![0x55; spec.bytes() as usize];
    let ones = vec![1; spec.rank()];
    for i in 0..grid_len(&spec.shape, &chunk) {
        let at = Region::tile(&spec.shape, &chunk, i);
        let part = read_box(source, Access::Positioned, &at)?;
        for (e, bytes) in part.chunks_exact(size).enumerate() {
            let index = Region::tile(&at.shape, &ones, e as u64).start;
            let flat = (0..spec.rank()).fold(0, |sum, a| sum * spec.shape[a] + at.start[a] + index[a]) as usize;
            data[flat * size..][..size].copy_from_slice(bytes);
        }
    }
    Ok(data)
}

#[test]
fn every_variant_of_zarr_python_is_read() {
    let mut read = 0;
    for entry in file("").read_dir().unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let special = ["missing", "nan", "delta"].iter().any(|word| name.contains(word));
        if special || !name.starts_with('v') {
            continue;
        }
        let source = opened(&name);
        assert!(pixels(&*source).unwrap() == expected(&*source), "{name}: {source:?}");
        read += 1;
    }
    assert!(read > 60, "{read}");
}

#[test]
fn missing_chunks_have_the_fill_value() {
    for name in ["v2_missing", "v3_missing", "v3_shard_missing"] {
        let source = opened(name);
        let mut wanted = expected(&*source);
        for (y, x) in (0..3).flat_map(|y| (4..7).map(move |x| (y, x))) {
            wanted[(y * 7 + x) * 2..][..2].copy_from_slice(&9u16.to_ne_bytes());
        }
        assert_eq!(pixels(&*source).unwrap(), wanted, "{name}");
    }
    for name in ["v2_nan", "v3_nan"] {
        let source = opened(name);
        let bytes = cut(source.spec(), &pixels(&*source).unwrap(), &Region::new(&[3, 0], &[2, 4]));
        assert!(bytes.chunks_exact(4).all(|b| f32::from_ne_bytes(b.try_into().unwrap()).is_nan()), "{name}");
    }
}

#[test]
fn the_unit_of_a_sharded_array_is_the_inner_chunk() {
    let source = opened("v3_shard");
    assert_eq!(source.layout(), Layout::Chunked { chunk: [2, 2].into_iter().collect() });
    let facts = source.facts();
    assert_eq!((facts.format.as_str(), facts.compression.as_str()), ("Zarr v3", "zstd"));
    assert!(facts.more.contains(&("shards".into(), "4 x 6".into())));
    assert_eq!(opened("v2_wide").layout(), Layout::Chunked { chunk: [5, 7].into_iter().collect() });
    assert_eq!(opened("v2_blosc_lz4_1").facts().compression, "blosc (lz4)");
}

#[test]
fn dimension_names_become_axes() {
    assert_eq!((opened("v3_names").spec().letters().as_str(), opened("v3_names").spec().named), ("yx", true));
    assert_eq!(opened("v3_times").spec().letters(), "tx");
    assert!(!opened("v3_uint8").spec().named);
    let options = OpenOptions { axes: Some("tc".into()), level: None };
    assert_eq!(open_at(&file("v3_uint8"), &options).unwrap().spec().letters(), "tc");
}

#[test]
fn what_cannot_be_read_says_why() {
    let error = |path: &Path| open_at(path, &OpenOptions::default()).unwrap_err().to_string();
    assert_eq!(opened("v3_float16").spec().dtype, DType::F32);
    assert!(error(&file("v2_delta")).contains("delta"));
    assert!(opened_level("v3_uint8", 1).unwrap_err().to_string().contains("only level 0"));
    let listed = error(&file("ome05.zarr/labels"));
    assert!(listed.contains("is a Zarr group, not an image; in it: cells (group)"), "{listed}");
}

fn close(value: Option<f64>, wanted: f64) -> bool {
    value.is_some_and(|v| (v - wanted).abs() < 1e-12)
}

#[test]
fn images_have_their_axes_sizes_and_levels() {
    for (name, version, x) in [("ome04.zarr", "OME-Zarr 0.4", 0.5), ("ome05.zarr", "OME-Zarr 0.5", 1.0)] {
        let source = opened(name);
        let spec = source.spec();
        assert_eq!((&spec.shape[..], spec.letters().as_str(), spec.named), (&[2, 3, 5, 7][..], "czyx", true));
        assert_eq!((spec.axes[0].size, &spec.axes[0].labels[..]), (None, &["DAPI".to_string(), "GFP".to_string()][..]));
        assert_eq!((spec.axes[1].origin, spec.axes[3].origin), (10.0, 0.0));
        assert!(close(spec.axes[1].size, 2.0) && close(spec.axes[2].size, 0.5) && close(spec.axes[3].size, x));
        assert_eq!(spec.axes[3].unit.as_deref(), Some("micrometer"));
        assert_eq!(source.facts().format, version);
        let more = source.facts().more;
        assert!(more.contains(&("levels".into(), "0 (2 x 3 x 5 x 7), 1 (2 x 3 x 3 x 4)".into())), "{more:?}");
        assert!(more.contains(&("channels".into(), "DAPI, GFP".into())));
        assert_eq!(pixels(&*source).unwrap(), expected(&*source));
        let half = opened_level(name, 1).unwrap();
        assert_eq!(&half.spec().shape[..], [2, 3, 3, 4]);
        assert!(close(half.spec().axes[2].size, 1.0) && half.spec().axes[3].origin == x / 2.0);
        assert_eq!(pixels(&*half).unwrap(), expected(&*half));
        assert!(opened_level(name, 2).unwrap_err().to_string().contains("levels 0 to 1"));
    }
    let cells = opened("ome05.zarr/labels/cells");
    assert_eq!((cells.spec().letters().as_str(), cells.spec().dtype), ("zyx", DType::U32));
    assert_eq!(pixels(&*cells).unwrap(), expected(&*cells));
    assert_eq!(opened("ome05.zarr/1").spec().letters(), "czyx");
    assert_eq!(opened("bf2raw.zarr").spec().letters(), "yx");
    assert_eq!(opened("bf2raw.zarr").spec().axes[0].unit.as_deref(), Some("micrometer"));
    assert_eq!(opened("ome01.zarr").spec().letters(), "tczyx");
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in from.read_dir().unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn damaged_chunks_are_errors_that_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [("v2_zlib", "0.1"), ("v3_uint8", "c/0/1"), ("v3_big_int32", "c/0/1"), ("v3_shard_sums", "c/0/0")];
    for (name, chunk) in cases {
        let copy = folder.path().join(name);
        copy_folder(&file(name), &copy);
        let path = copy.join(chunk);
        let bytes = std::fs::read(&path).unwrap();
        let source = open_at(&copy, &OpenOptions::default()).unwrap();
        for cut in 0..bytes.len() {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            let error = pixels(&*source).unwrap_err().to_string();
            assert!(error.contains(chunk), "{name} cut to {cut}: {error}");
        }
        std::fs::write(&path, [&bytes[..], &[0; 10_000]].concat()).unwrap();
        let error = pixels(&*source).unwrap_err().to_string();
        assert!(error.contains(chunk), "{name}: {error}");
    }
}

/// Opens and reads whatever the store has become: an error or not, but no panic, and nothing large.
fn try_store(folder: &Path) {
    let Ok(source) = open_at(folder, &OpenOptions::default()) else { return };
    let _ = (source.bill(Access::Positioned), source.facts(), source.layout());
    let Layout::Chunked { chunk } = source.layout() else { return };
    let unit: u64 = chunk.iter().product();
    if source.spec().elements() > 1 << 16 || unit > 1 << 16 || source.bill(Access::Positioned).per_reader > 8 << 20 {
        return;
    }
    let _ = pixels(&*source);
}

#[test]
fn changed_bytes_do_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let before = tilewise::sys::peak_resident().unwrap_or(0);
    let cases = [
        ("v2_fortran", vec![".zarray"]),
        ("v2_shuffle", vec![".zarray"]),
        ("v2_blosc_zstd_2", vec![".zarray", "0.0"]),
        ("v3_shard_sums", vec!["zarr.json"]),
        ("v3_shard_big", vec!["zarr.json", "c/0/0"]),
        ("v3_transpose", vec!["zarr.json"]),
        ("ome04.zarr", vec![".zattrs", "0/.zarray"]),
        ("ome05.zarr", vec!["zarr.json"]),
    ];
    for (name, files) in cases {
        let copy = folder.path().join(name);
        copy_folder(&file(name), &copy);
        for changed in files {
            let path = copy.join(changed);
            let bytes = std::fs::read(&path).unwrap();
            for at in 0..bytes.len().min(1500) {
                let values = [0, b'9', b'-', b'"', b'[', 0xFF, bytes[at] ^ 1];
                for value in [values[at % 7], values[(at + 2) % 7], values[(at + 3) % 7]] {
                    let mut other = bytes.clone();
                    other[at] = value;
                    std::fs::write(&path, &other).unwrap();
                    try_store(&copy);
                }
            }
            for len in (0..bytes.len().min(1500)).step_by(7) {
                std::fs::write(&path, &bytes[..len]).unwrap();
                try_store(&copy);
            }
            std::fs::write(&path, &bytes).unwrap();
        }
    }
    let after = tilewise::sys::peak_resident().unwrap_or(0);
    assert!(after - before < 64 << 20, "hostile stores took {} bytes", after - before);
}

#[test]
fn no_threads_are_left_running() {
    let source = opened("v3_shuffle");
    assert_eq!(pixels(&*source).unwrap(), expected(&*source));
    if let Ok(tasks) = Path::new("/proc/self/task").read_dir() {
        let names: Vec<String> = tasks
            .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
            .filter(|name| !name.starts_with("io_zarr") && !name.contains("_"))
            .collect();
        assert!(names.len() <= 1, "{names:?}");
    }
}
