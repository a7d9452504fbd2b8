//! The limit is a limit: child processes measured against it, from outside.
//!
//! The peak is read from `/proc/PID/status` while the child lives (`ru_maxrss` of a child also holds its parent's peak at the
//! fork), and compared with what the child says of itself.
#![cfg(target_os = "linux")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const MIB: u64 = 1 << 20;

struct Done {
    peak: u64,
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs a command to its end, watching its resident set.
fn watch(command: &mut Command) -> Done {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let mut peak = 0;
    loop {
        // It never falls; before the command has begun it is that of this process.
        peak = high_water(&child).unwrap_or(peak);
        match child.try_wait().expect("waits") {
            Some(_) => break,
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    }
    let output = child.wait_with_output().expect("ends");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Done { peak, code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn high_water(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// A C-order uint16 array with structure at every scale.
fn write_npy(path: &Path, shape: &[u64]) {
    let dims: Vec<String> = shape.iter().map(|n| n.to_string()).collect();
    let comma = if shape.len() == 1 { "," } else { "" };
    let text = format!("{{'descr': '<u2', 'fortran_order': False, 'shape': ({}{comma}), }}", dims.join(", "));
    let padded = (10 + text.len() + 1).next_multiple_of(64) - 11;
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).expect("creates"));
    file.write_all(b"\x93NUMPY\x01\x00").expect("writes");
    file.write_all(&((padded + 1) as u16).to_le_bytes()).expect("writes");
    file.write_all(format!("{text:<padded$}\n").as_bytes()).expect("writes");
    let n: u64 = shape.iter().product();
    let width = *shape.last().expect("has axes");
    for i in 0..n {
        let (x, y) = (i % width, i / width);
        let noise = (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 52) as u16;
        let blob = if (x / 37 + y / 29) % 5 == 0 { 9000 } else { 300 };
        file.write_all(&(noise + blob).to_le_bytes()).expect("writes");
    }
    file.flush().expect("writes");
}

fn tilewise(folder: &Path, input: &Path, output: &str, pipeline: &str, limit: u64, threads: usize) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tilewise"));
    command.arg("run").arg(input).arg(folder.join(output)).arg(pipeline);
    command.args(["--overwrite", "--json", "--quiet"]);
    command.arg(format!("--memory-limit={limit}B")).arg(format!("--threads={threads}"));
    command
}

fn field(report: &serde_json::Value, name: &str) -> u64 {
    report[name].as_u64().unwrap_or_else(|| panic!("no {name} in {report}"))
}

/// Runs within the limit, and with the bill the plan gave. Returns the predicted and the measured peak.
fn keeps_the_limit(command: &mut Command, limit: u64) -> (u64, u64) {
    let done = watch(command);
    assert_eq!(done.code, Some(0), "{command:?}\n{}", done.err);
    let report: serde_json::Value = serde_json::from_str(&done.out).expect("a JSON report");
    let predicted = field(&report, "predicted_bytes");
    let measured = done.peak.max(field(&report, "peak_bytes"));
    assert!(measured <= limit, "{command:?}: peak {measured} of {limit}");
    assert!(measured <= predicted, "{command:?}: peak {measured}, predicted {predicted}");
    (predicted, measured)
}

/// Keeps the limit, and the prediction is not far above what is reached. It bounds the peak of every schedule, and a
/// short run may never hold all its tiles at the same moment: the highest of several runs counts.
fn comes_near_the_prediction(command: &mut Command, limit: u64) {
    let mut nearest = f64::INFINITY;
    for _ in 0..8 {
        let (predicted, measured) = keeps_the_limit(command, limit);
        nearest = nearest.min(predicted as f64 / measured as f64);
        if nearest <= 1.3 {
            return;
        }
    }
    panic!("{command:?}: predicted {nearest:.2} times what was measured, at best");
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_path_buf();
    (folder, path)
}

const CHAIN: &str = "gaussian_filter(sigma=1) |> uniform_filter(size=5) |> gaussian_filter(sigma=3, mode=\"mirror\") \
                     |> threshold(\"otsu\")";

#[test]
fn peaks_stay_below_the_limit_and_near_the_prediction() {
    let (_keep, folder) = folder();
    let image = folder.join("image.npy");
    write_npy(&image, &[4096, 4096]);
    for pipeline in ["gaussian_filter(sigma=2)", "maximum_filter(size=15)", "input + 1", CHAIN] {
        for limit in [16 * MIB, 24 * MIB, 64 * MIB] {
            for threads in [1, 2] {
                comes_near_the_prediction(&mut tilewise(&folder, &image, "out.npy", pipeline, limit, threads), limit);
            }
            // Of more workers than cores, few hold a tile at the same moment.
            keeps_the_limit(&mut tilewise(&folder, &image, "out.npy", pipeline, limit, 8), limit);
        }
    }
}

#[test]
fn the_result_is_the_same_under_every_limit() {
    let (_keep, folder) = folder();
    let image = folder.join("image.npy");
    write_npy(&image, &[1500, 1700]);
    // The last two need less than what starting up takes.
    for pipeline in [
        CHAIN,
        "threshold(5000) |> label()",
        "gaussian_filter(sigma=4, mode=\"wrap\")",
        "median_filter(size=5)",
        "canny(sigma=2)",
    ] {
        let mut first: Option<Vec<u8>> = None;
        for (limit, threads) in [(16 * MIB, 1), (17 * MIB, 2), (20 * MIB, 3), (40 * MIB, 2), (1024 * MIB, 8)] {
            keeps_the_limit(&mut tilewise(&folder, &image, "out.npy", pipeline, limit, threads), limit);
            let bytes = std::fs::read(folder.join("out.npy")).expect("an output");
            assert!(first.get_or_insert_with(|| bytes.clone()) == &bytes, "{pipeline} differs at {limit}, {threads}");
        }
    }
}

#[cfg(all(feature = "tiff", feature = "zarr"))]
#[test]
fn conversions_keep_the_limit() {
    let (_keep, folder) = folder();
    write_npy(&folder.join("in.npy"), &[3100, 3700]);
    // From format to format and back, each through chunks that do not suit the one before.
    let steps: [(&str, &str, &[&str]); 6] = [
        ("in.npy", "a.ome.zarr", &["--axes=yx"]),
        ("a.ome.zarr", "b.zarr", &["--chunks=96,160", "--shards=480,640", "--compression=gzip"]),
        ("b.zarr", "c.ome.tif", &[]),
        ("c.ome.tif", "d.ome.zarr", &["--format-version=0.4", "--compression=blosc", "--downsample=nearest"]),
        ("d.ome.zarr", "e.ome.tif", &["--compression=zstd", "--chunks=512,512"]),
        ("e.ome.tif", "out.npy", &[]),
    ];
    for (limit, threads) in [(24 * MIB, 1), (28 * MIB, 2), (64 * MIB, 2), (64 * MIB, 5)] {
        for (from, to, options) in steps {
            let mut command = Command::new(env!("CARGO_BIN_EXE_tilewise"));
            command.arg("convert").args([folder.join(from), folder.join(to)]).args(options);
            command.args(["--overwrite", "--json", "--quiet"]);
            command.arg(format!("--memory-limit={limit}B")).arg(format!("--threads={threads}"));
            keeps_the_limit(&mut command, limit);
        }
        let pixels = |name: &str| std::fs::read(folder.join(name)).expect("a file").split_off(128);
        assert!(pixels("out.npy") == pixels("in.npy"), "pixels differ at {limit}, {threads}");
        std::fs::remove_file(folder.join("out.npy")).expect("removes");
    }
}

#[test]
fn labelling_keeps_the_limit_whatever_the_data() {
    let (_keep, folder) = folder();
    let image = folder.join("image.npy");
    write_npy(&image, &[4000, 5000]);
    // The second is near the percolation threshold, the third a checkerboard of single pixels.
    for pipeline in
        ["threshold(5000) |> label()", "input % 5 < 3 |> label()", "input % 2 == 0 |> label(structure=\"full\")"]
    {
        for limit in [16 * MIB, 64 * MIB] {
            keeps_the_limit(&mut tilewise(&folder, &image, "out.npy", pipeline, limit, 2), limit);
        }
    }
}

#[test]
fn volumes_and_long_rows_keep_the_limit() {
    let (_keep, folder) = folder();
    let volume = folder.join("volume.npy");
    write_npy(&volume, &[160, 256, 256]);
    for pipeline in ["gaussian_filter(sigma=2)", "minimum_filter(size=[3,5,7])", "sobel(axis=0)"] {
        comes_near_the_prediction(&mut tilewise(&folder, &volume, "out.npy", pipeline, 16 * MIB, 2), 16 * MIB);
    }
    let long = folder.join("long.npy");
    write_npy(&long, &[800, 20_000]);
    for pipeline in ["gaussian_filter(sigma=10)", "label(input > 5000)"] {
        keeps_the_limit(&mut tilewise(&folder, &long, "out.npy", pipeline, 16 * MIB, 2), 16 * MIB);
    }
}

#[test]
fn tables_of_objects_keep_the_limit() {
    let (_keep, folder) = folder();
    let (flat, deep) = (folder.join("flat.npy"), folder.join("deep.npy"));
    write_npy(&flat, &[1500, 2000]);
    write_npy(&deep, &[40, 120, 300]);
    let own = "[\"area\", \"centroid\", \"intensity_std\"]";
    let kept = "[\"area\", \"solidity\", \"feret_diameter_max\", \"intensity_median\"]";
    for (image, properties) in [(&flat, own), (&flat, kept), (&deep, kept)] {
        // A few large objects, and as many small ones as their records outgrow memory.
        for mask in ["input > 5000", "input % 3 == 0"] {
            let pipeline = format!("measure(label({mask}), input, {properties})");
            for ending in ["csv", "parquet"] {
                let output = format!("out.{ending}");
                let mut first: Option<Vec<u8>> = None;
                for (limit, threads) in [(32 * MIB, 2), (64 * MIB, 8)] {
                    keeps_the_limit(&mut tilewise(&folder, image, &output, &pipeline, limit, threads), limit);
                    let bytes = std::fs::read(folder.join(&output)).expect("an output");
                    assert!(
                        first.get_or_insert_with(|| bytes.clone()) == &bytes,
                        "{pipeline} differs at {limit}, {threads}"
                    );
                }
            }
        }
    }
}

/// The same command without an output of its own.
fn saves(input: &Path, pipeline: &str, limit: u64, threads: usize) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tilewise"));
    command.arg("run").arg(input).arg(pipeline).args(["--overwrite", "--json", "--quiet"]);
    command.arg(format!("--memory-limit={limit}B")).arg(format!("--threads={threads}"));
    command
}

#[test]
fn statistics_of_stacks_keep_the_limit() {
    let (_keep, folder) = folder();
    let stack = folder.join("stack.npy");
    write_npy(&stack, &[300, 200, 600]);
    let pipelines = [
        "mean(input, axis=0)",
        "std(input, axis=[1, 2])",
        "median(input, axis=0)",
        "percentile(input, 99, axis=[0, 2])",
        "argmax(input, axis=0)",
        "histogram(input, bins=50, axis=[1, 2])",
        "histogram(input, bins=20, range=[0, 65536], axis=0)",
        "(input - mean(input, axis=0)) / std(input, axis=0)",
        "cumsum(input, axis=0)",
    ];
    for pipeline in pipelines {
        let mut first: Option<Vec<u8>> = None;
        for (limit, threads) in [(16 * MIB, 2), (64 * MIB, 8)] {
            keeps_the_limit(&mut tilewise(&folder, &stack, "out.npy", pipeline, limit, threads), limit);
            let bytes = std::fs::read(folder.join("out.npy")).expect("an output");
            assert!(first.get_or_insert_with(|| bytes.clone()) == &bytes, "{pipeline} differs at {limit}, {threads}");
        }
    }
}

#[test]
fn principal_components_keep_the_limit() {
    let (_keep, folder) = folder();
    let (wide, tall) = (folder.join("wide.npy"), folder.join("tall.npy"));
    write_npy(&wide, &[200, 300, 500]);
    write_npy(&tall, &[60_000, 300]);
    let randomized = "svd_solver=\"randomized\", iterated_power=2";
    for (stack, more) in [(&wide, ""), (&tall, ""), (&wide, randomized), (&tall, randomized)] {
        let call = format!("pca(input, 5, {more})").replace(", )", ")");
        let saved = |name: &str| folder.join(name).display().to_string();
        let pipeline = format!(
            "p = {call}; save(p, \"{}\"); save(p.projections, \"{}\"); p.singular_values",
            saved("out.npy"),
            saved("projections.npy")
        );
        let mut first: Option<Vec<u8>> = None;
        for (limit, threads) in [(24 * MIB, 1), (64 * MIB, 2)] {
            keeps_the_limit(&mut saves(stack, &pipeline, limit, threads), limit);
            let both = ["out.npy", "projections.npy"].map(|name| std::fs::read(folder.join(name)).expect("an output"));
            let bytes = both.concat();
            assert!(first.get_or_insert_with(|| bytes.clone()) == &bytes, "{call} differs at {limit}, {threads}");
        }
    }
}

#[test]
fn a_batch_keeps_the_limit() {
    let (_keep, folder) = folder();
    (0..12).for_each(|i| write_npy(&folder.join(format!("image{i}.npy")), &[600 + i, 700]));
    for (limit, threads) in [(16 * MIB, 2), (48 * MIB, 8)] {
        let mut command = tilewise(&folder, &folder.join("image*.npy"), "out/{stem}.npy", CHAIN, limit, threads);
        let done = watch(&mut command);
        assert_eq!(done.code, Some(0), "{}", done.err);
        assert!(done.peak <= limit, "a batch: peak {} of {limit}", done.peak);
        assert_eq!(std::fs::read_dir(folder.join("out")).expect("a folder").count(), 12);
    }
}

#[test]
fn what_works_under_a_limit_works_under_every_larger_one() {
    let (_keep, folder) = folder();
    let image = folder.join("image.npy");
    write_npy(&image, &[700, 900]);
    let mut worked = false;
    for limit in (4..24).map(|m| m * MIB) {
        let done = watch(&mut tilewise(&folder, &image, "out.npy", CHAIN, limit, 2));
        assert!(matches!(done.code, Some(0 | 3)), "{}: {}", limit / MIB, done.err);
        assert!(!worked || done.code == Some(0), "works below {} MiB and not there: {}", limit / MIB, done.err);
        worked |= done.code == Some(0);
    }
    assert!(worked);
}

/// Not a test of its own: what [`the_guard_can_fail`] measures.
#[test]
#[ignore = "a memory hog, run by the_guard_can_fail"]
fn hog() {
    let mut held = vec![0u8; 60 << 20];
    held.iter_mut().step_by(4096).for_each(|b| *b = 1);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(held.iter().filter(|&&b| b == 1).count(), 15360);
}

#[test]
fn the_guard_can_fail() {
    let own = std::env::current_exe().expect("a path");
    let done = watch(Command::new(own).args(["--exact", "hog", "--ignored"]));
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.peak > 60 * MIB, "a hog of 60 MiB was measured with {}", done.peak);
}

/// A memory cgroup below our own, if this machine lets us make one.
struct Cage(PathBuf);

impl Cage {
    fn new(limit: u64) -> Option<Cage> {
        let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
        let own = groups.lines().find_map(|l| l.split_once(":memory:").map(|(_, path)| path.to_string()))?;
        let path = PathBuf::from(format!("/sys/fs/cgroup/memory{own}/tilewise-test-{}", std::process::id()));
        std::fs::create_dir(&path).ok()?;
        let cage = Cage(path);
        std::fs::write(cage.0.join("memory.limit_in_bytes"), limit.to_string()).ok()?;
        Some(cage)
    }

    /// The command, started inside.
    fn wrap(&self, command: &Command) -> Command {
        let mut shell = Command::new("sh");
        let procs = self.0.join("cgroup.procs");
        shell.arg("-c").arg(format!("echo $$ > '{}' && exec \"$@\"", procs.display())).arg("sh");
        shell.arg(command.get_program()).args(command.get_args());
        shell
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[test]
fn a_cgroup_of_the_limit_and_an_eighth_is_enough() {
    let limit = 24 * MIB;
    let Some(cage) = Cage::new(limit + (8 * MIB).max(limit / 8)) else {
        eprintln!("skipped: no cgroup v1 memory controller that we may use");
        return;
    };
    let (_keep, folder) = folder();
    let image = folder.join("image.npy");
    write_npy(&image, &[4096, 4096]);
    for pipeline in ["gaussian_filter(sigma=2)", CHAIN, "threshold(5000) |> label()"] {
        let command = tilewise(&folder, &image, "out.npy", pipeline, limit, 2);
        keeps_the_limit(&mut cage.wrap(&command), limit);
    }
}
