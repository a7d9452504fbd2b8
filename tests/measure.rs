//! Tables of objects: equal to scikit-image's, the same however the image is tiled, and on scratch when they are large.

mod common;

use common::{Random, graph};
use serde_json::Value as Json;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tilewise::array::{ArraySpec, DType, Spec};
use tilewise::exec::{Event, Observer};
use tilewise::graph::{Array, MemArray, Table, Value};
use tilewise::io::{OpenOptions, open};
use tilewise::ops::Arg;
use tilewise::{Cancel, Run};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/measure")
}

fn image(name: &str) -> Array {
    let path = folder().join(format!("{name}.npy"));
    Array::source(open(path.to_str().unwrap(), &OpenOptions::default()).unwrap())
}

fn table(array: &Array, run: Run<'_>) -> Arc<Table> {
    let report = run.scratch_dir(std::env::temp_dir()).value(array).run().unwrap();
    match &report.values[0] {
        Some(Value::Table(table)) => table.clone(),
        other => panic!("no table but {other:?}"),
    }
}

fn column(table: &Table, name: &str) -> Vec<f64> {
    let at = table.column(name).unwrap_or_else(|| panic!("no column {name} among {:?}", table.spec.columns));
    (0..table.rows).map(|row| table.get(at, row).unwrap().to_f64()).collect()
}

fn all_bytes(table: &Table) -> Vec<Vec<u8>> {
    let bytes = |(at, c): (usize, &tilewise::array::Column)| {
        let mut bytes = vec![0; table.rows as usize * c.dtype.size()];
        table.read(at, 0, &mut bytes).unwrap();
        bytes
    };
    table.spec.columns.iter().enumerate().map(bytes).collect()
}

fn tiled(random: &mut Random, rank: usize) -> Run<'static> {
    let tile: Vec<u64> = (0..rank).map(|_| 1 + random.below(9)).collect();
    Run::new().memory_limit(64 << 20).threads(1 + random.below(3) as usize).tile(&tile)
}

#[test]
fn tables_are_those_of_scikit_image() {
    let manifest: Json = serde_json::from_slice(&std::fs::read(folder().join("tables.json")).unwrap()).unwrap();
    let mut random = Random(3);
    let mut wrong = Vec::new();
    for case in manifest["cases"].as_array().unwrap() {
        let labels = image(case["labels"].as_str().unwrap());
        let names: Vec<&str> = case["properties"].as_array().unwrap().iter().map(|p| p.as_str().unwrap()).collect();
        let intensity = case["intensity"].as_str().map(|name| Arg::Array(image(name))).unwrap_or(Arg::None);
        let measured = labels.call("measure", [intensity, names.into()], []).unwrap();
        let run = tiled(&mut random, labels.shape().unwrap().len());
        let got = table(&measured, run);
        for (name, wanted) in case["columns"].as_object().unwrap() {
            let wanted: Vec<f64> = wanted.as_array().unwrap().iter().map(|v| v.as_f64().unwrap_or(f64::NAN)).collect();
            let got = column(&got, name);
            let scale = wanted.iter().filter(|v| v.is_finite()).fold(0.0, |m: f64, v| m.max(v.abs()));
            let same = |(g, w): (&f64, &f64)| (g.is_nan() && w.is_nan()) || (g - w).abs() <= 1e-9 * scale.max(1e-3);
            if got.len() != wanted.len() || !got.iter().zip(&wanted).all(same) {
                wrong.push(format!("{}: {name}:\n  {got:?}\n  {wanted:?}", case["labels"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_surface_of_balls() {
    for radius in [4.3f64, 9.7] {
        let n = 2 * radius.ceil() as u64 + 3;
        let far = |i: u64| (i as f64 - radius.ceil() - 1.2).powi(2);
        let inside = |i: u64| far(i / n / n) + far(i / n % n) + far(i % n) <= radius * radius;
        let ball: Vec<u8> = (0..n * n * n).map(|i| 7 * u8::from(inside(i))).collect();
        let ball = memory(ArraySpec::unnamed(&[n, n, n], DType::U8), &ball);
        let measured = ball.call("measure", [Arg::None, "surface_area".into()], []).unwrap();
        let got = column(&table(&measured, Run::new().tile(&[5, 4, 7])), "surface_area")[0];
        let wanted = 4.0 * std::f64::consts::PI * radius * radius;
        assert!((got / wanted - 1.0).abs() < 0.02, "{got}, not {wanted}");
    }
}

fn memory<T: bytemuck::Pod>(spec: ArraySpec, values: &[T]) -> Array {
    let mut array = MemArray::zeros(spec).unwrap();
    array.data.bytes_mut().copy_from_slice(bytemuck::cast_slice(values));
    Array::value(Value::Array(Arc::new(array)))
}

/// Objects of several pieces anywhere, with intensities of any kind.
fn random_image(random: &mut Random) -> (Array, Array) {
    let rank = 1 + random.below(3) as usize;
    let shape: Vec<u64> = (0..rank).map(|_| 1 + random.below([90, 30, 12][rank - 1])).collect();
    let n = shape.iter().product::<u64>();
    let kinds = 1 + random.below(40);
    let labels: Vec<i32> = (0..n).map(|_| random.below(kinds) as i32 * 77_777 - 2).collect();
    let values: Vec<f32> = (0..n).map(|_| (random.below(2000) as f32 - 700.0) * 1e-3).collect();
    let float = memory(ArraySpec::unnamed(&shape, DType::F32), &values);
    (memory(ArraySpec::unnamed(&shape, DType::I32), &labels), float)
}

#[test]
fn tiling_is_invisible() {
    let names = [
        vec!["area", "bbox", "centroid", "moments_central", "touches_border"],
        vec!["intensity_std", "centroid_weighted", "intensity_min", "intensity_sum"],
        vec!["moments", "intensity_mean", "intensity_max", "extent"],
        vec!["intensity_median", "intensity_percentile-97.5", "intensity_percentile-0"],
    ];
    for seed in 0..60 {
        let mut random = Random(seed * 91 + 1);
        let (labels, intensity) = random_image(&mut random);
        let whole_numbers = graph("cast(input, \"int8\")", &intensity).unwrap();
        let mut names = names[seed as usize % names.len()].clone();
        if labels.shape().unwrap().len() == 2 {
            names.extend(["perimeter", "perimeter_crofton", "euler_number"]);
        }
        if labels.shape().unwrap().len() > 1 {
            names.extend(["solidity", "feret_diameter_max"]);
        }
        let channels = Arg::List(vec![Arg::Array(intensity), Arg::Array(whole_numbers)]);
        let measured = labels.call("measure", [channels, names.into()], []).unwrap();
        let rank = labels.shape().unwrap().len();
        let whole = table(&measured, Run::new().threads(1));
        let parts = table(&measured, tiled(&mut random, rank));
        assert_eq!(all_bytes(&whole), all_bytes(&parts), "seed {seed}");
    }
}

/// A checkerboard of two million objects of one pixel.
fn checkerboard() -> Array {
    let n = 2000u64;
    let labels: Vec<u32> = (0..n * n)
        .map(|i| {
            let (y, x) = ((i / n) as u32, (i % n) as u32);
            if (y + x) % 2 == 0 { y * 1000 + x / 2 + 1 } else { 0 }
        })
        .collect();
    memory(ArraySpec::unnamed(&[n, n], DType::U32), &labels)
}

/// Raises a flag a moment after the last tile is computed.
struct Later(Cancel, AtomicU64);

impl Observer for Later {
    fn event(&self, event: &Event) {
        match event {
            Event::PassStarted { tiles, .. } => self.1.store(*tiles, Ordering::Relaxed),
            Event::TileComputed { .. } if self.1.fetch_sub(1, Ordering::Relaxed) == 1 => {
                let flag = self.0.clone();
                std::thread::spawn(move || {
                    std::thread::sleep(Duration::from_millis(60));
                    flag.cancel();
                });
            }
            _ => {}
        }
    }
}

#[test]
fn a_run_is_cancelled_while_its_records_are_merged() {
    let labels = checkerboard();
    let measured =
        graph("measure(input, input, [\"area\", \"bbox\", \"solidity\", \"intensity_median\"])", &labels).unwrap();
    let later = Later(Cancel::new(), AtomicU64::new(0));
    let folder = tempfile::tempdir().unwrap();
    let run = Run::new().memory_limit(64 << 20).threads(2).cancel(&later.0).observer(&later);
    let error = run.scratch_dir(folder.path()).value(&measured).run().unwrap_err();
    assert!(matches!(error, tilewise::Error::Cancelled), "{error}");
    assert!(later.0.is_cancelled() && later.1.load(Ordering::Relaxed) == 0, "all tiles were through");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_million_objects_are_measured_on_scratch() {
    let labels = checkerboard();
    let measured = graph("measure(input, input, [\"area\", \"intensity_mean\", \"bbox\"])", &labels).unwrap();
    let got = table(&measured, Run::new().memory_limit(64 << 20).threads(2));
    assert_eq!(got.rows, 2_000_000);
    assert!(!got.is_in_memory());
    for row in (0..got.rows).step_by(9973).chain([got.rows - 1]) {
        let value = |name: &str| got.get(got.column(name).unwrap(), row).unwrap().to_f64();
        let label = row as f64 + 1.0;
        assert_eq!([value("label"), value("area"), value("intensity_mean")], [label, 1.0, label]);
        let (y, x) = (row / 1000, row % 1000 * 2 + (row / 1000) % 2);
        assert_eq!([value("bbox-0"), value("bbox-1")], [y as f64, x as f64]);
    }
    let path = tempfile::tempdir().unwrap();
    let path = path.path().join("t.csv");
    tilewise::io::write_csv(&got, &path, false).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 2_000_001);
    assert_eq!(text.lines().nth(3).unwrap(), "3,1,3,0,4,1,5");
}

#[test]
fn channels_and_frames() {
    let spec = ArraySpec::with_axes(&[2, 2, 3], DType::U8, "tyx");
    let labels = memory(spec, &[1u8, 1, 0, 0, 2, 2, 3, 0, 0, 3, 0, 3]);
    let colours = ArraySpec::with_axes(&[2, 2, 3, 2], DType::U8, "tyxc");
    let colours = memory(colours, &(0..24).collect::<Vec<u8>>());
    let measured = labels.call("measure", [Arg::Array(colours)], []).unwrap();
    let Spec::Table(spec) = measured.spec() else { panic!("no table") };
    let names: Vec<&str> = spec.columns.iter().map(|c| c.name.as_str()).collect();
    let first = ["label", "area", "bbox-0", "bbox-1", "bbox-2", "bbox-3", "centroid-0", "centroid-1"];
    assert_eq!(names[..8], first);
    assert_eq!(names[8..], ["intensity_mean-0", "intensity_mean-1"]);
    let got = table(&measured, Run::new());
    assert_eq!(column(&got, "area"), [2.0, 2.0, 3.0]);
    assert_eq!(column(&got, "bbox-3"), [2.0, 3.0, 3.0]);
    assert_eq!(column(&got, "intensity_mean-1"), [2.0, 10.0, 55.0 / 3.0]);
}

#[test]
fn what_cannot_be_measured_is_said() {
    let labels = memory(ArraySpec::unnamed(&[4, 5, 6], DType::U8), &[1u8; 120]);
    let refused = |text: &str| graph(text, &labels).map(|_| ()).unwrap_err().to_string();
    assert!(refused("measure(input, properties=\"aera\")").contains("did you mean \"area\"?"));
    assert!(refused("measure(input, properties=\"eccentricity\")").contains("along 2 axes, not 3"));
    assert!(refused("measure(input, properties=\"intensity_mean\")").contains("needs `intensity`"));
    assert!(refused("measure(input * 0.5)").contains("must be integers"));
    assert!(refused("measure(input, input[0])").contains("has shape"));
    assert!(graph("measure(input, [\"area\"])", &labels).is_ok());
}
