//! The shipped pipelines, run as written: equal to scipy and scikit-image in memory, object for object.
#![cfg(all(feature = "cli", feature = "tiff", feature = "zarr"))]

mod cli_common;

use cli_common::Folder;
use serde_json::Value as Json;
use std::fs;
use std::path::Path;

/// FNV-1a, as `scripts/make_golden_nuclei.py` takes it.
fn hashed(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325u64, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    format!("{hash:016x}")
}

/// The examples in a folder of their own.
fn examples() -> Folder {
    let (folder, here) = (Folder::new(), Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"));
    fs::create_dir_all(folder.path("examples/nuclei")).unwrap();
    fs::copy(here.join("nuclei.tw"), folder.path("examples/nuclei.tw")).unwrap();
    for entry in fs::read_dir(here.join("nuclei")).unwrap() {
        let name = entry.unwrap().file_name();
        fs::copy(here.join("nuclei").join(&name), folder.path("examples/nuclei").join(&name)).unwrap();
    }
    folder
}

#[test]
fn nuclei_are_those_of_scikit_image() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files/nuclei.json");
    let golden: Json = serde_json::from_slice(&fs::read(golden).unwrap()).unwrap();
    let folder = examples();
    folder.prints(&["run", "examples/nuclei.tw", "--memory-limit", "64MiB"]);
    let text = fs::read_to_string(folder.path("nuclei.csv")).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("label,area,intensity_mean,centroid-0,centroid-1"));
    let wanted = golden["rows"].as_array().unwrap();
    let got: Vec<Vec<f64>> = lines.map(|l| l.split(',').map(|v| v.parse().unwrap()).collect()).collect();
    assert_eq!(got.len(), wanted.len());
    for (got, wanted) in got.iter().zip(wanted) {
        let wanted: Vec<f64> = wanted.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        assert_eq!(got[..2], wanted[..2]);
        assert!(got.iter().zip(&wanted).all(|(g, w)| (g - w).abs() <= 1e-12 * w), "{got:?}, not {wanted:?}");
    }
    folder.prints(&["convert", "nuclei.ome.zarr", "labels.npy"]);
    let labels = fs::read(folder.path("labels.npy")).unwrap();
    let header = labels.len() - 4 * 256 * 256 * 4;
    assert!(String::from_utf8_lossy(&labels[..header]).contains("'<u4'"));
    assert_eq!(hashed(&labels[header..]), golden["labels"].as_str().unwrap());
    folder.prints(&["plot", "nuclei.csv", "nuclei.png", "--x", "area", "--y", "intensity_mean"]);
    assert_eq!(folder.names(), ["examples", "labels.npy", "nuclei.csv", "nuclei.ome.zarr", "nuclei.png"]);
}

#[cfg(feature = "parquet")]
#[test]
fn a_table_is_saved_as_parquet() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    let folder = examples();
    let pipeline = "measure(label(input > 60), input, [\"area\", \"intensity_median\", \"solidity\"])";
    let input = "examples/nuclei/field_1.tif";
    folder.prints(&["run", input, "t.csv", pipeline]);
    folder.prints(&["run", input, "t.parquet", pipeline]);
    folder.prints(&["run", "examples/nuclei/field_*.tif", "{stem}.parquet", pipeline]);
    let rows = |name: &str| -> Vec<String> {
        let reader = SerializedFileReader::new(fs::File::open(folder.path(name)).unwrap()).unwrap();
        let text = |row: parquet::record::Row| {
            let values: Vec<String> = row.get_column_iter().map(|(_, value)| value.to_string()).collect();
            values.join(",")
        };
        reader.get_row_iter(None).unwrap().map(|row| text(row.unwrap())).collect()
    };
    let csv = fs::read_to_string(folder.path("t.csv")).unwrap();
    let numbers = |line: &str| line.split(',').map(|v| v.parse::<f64>().unwrap()).collect::<Vec<f64>>();
    let (wanted, got) = (csv.lines().skip(1), rows("t.parquet"));
    assert!(got.len() > 20 && got.len() == wanted.clone().count());
    assert!(got.iter().zip(wanted).all(|(got, wanted)| numbers(got) == numbers(wanted)), "{got:?}\n{csv}");
    assert_eq!(rows("field_1.parquet").len(), got.len());
    assert!(rows("field_1.parquet")[0].contains("field_1.tif"));
    let done = folder.tilewise(&[
        "run",
        "examples/nuclei/field_*.tif",
        "{stem}.png",
        &format!("save({pipeline}, \"all.parquet\"); input"),
    ]);
    assert_eq!(done.code, Some(2), "{}", done.err);
    assert!(done.err.contains("{stem}.parquet"), "{}", done.err);
}

#[cfg(target_os = "linux")]
#[test]
fn what_outgrows_memory_lies_beside_the_table() {
    let folder = Folder::new();
    folder.bytes("board.npy", &[900, 900], |i| ((i / 900 + i % 900) % 2) as u8);
    let pipeline = "measure(label(input), properties=[\"area\", \"centroid\"])";
    let args = ["run", "board.npy", "t.csv", pipeline, "--memory-limit", "32MiB", "--json", "-q"];
    // Scratch in a folder that is memory would be refused.
    let output = folder.command(&args).env("TMPDIR", "/dev/shm").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["scratch_bytes"].as_u64() > Some(405_000 * 30), "{report}");
    assert!(report["peak_bytes"].as_u64() <= Some(32 << 20), "{report}");
    let text = fs::read_to_string(folder.path("t.csv")).unwrap();
    assert_eq!(text.lines().count(), 405_001);
    assert_eq!(text.lines().last(), Some("405000,1,899,898"));
    assert_eq!(folder.names(), ["board.npy", "t.csv"]);
    if fs::read_to_string("/proc/mounts").is_ok_and(|mounts| mounts.contains("tmpfs /dev/shm ")) {
        let more = ["--overwrite", "--scratch-dir", "/dev/shm"];
        folder.refuses(&[&args[..], &more[..]].concat(), 3, "tmpfs");
    }
}
