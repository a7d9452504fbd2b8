//! What the benches share: data made once, children timed and watched from outside.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where data and outputs go: `TILEWISE_BENCH_DIR`, else a folder under the build's.
pub fn folder() -> PathBuf {
    let named = std::env::var_os("TILEWISE_BENCH_DIR").map(PathBuf::from);
    let path = named.unwrap_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench"));
    std::fs::create_dir_all(&path).expect("a folder for the data");
    path
}

/// A finished child.
pub struct Done {
    pub seconds: f64,
    pub peak: u64,
    pub ok: bool,
    pub out: String,
    pub err: String,
}

/// Runs a command, timing it and reading its peak resident set (`VmHWM`) while it lives.
pub fn watch(command: &mut Command) -> Done {
    let started = Instant::now();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let mut peak = 0;
    while child.try_wait().expect("waits").is_none() {
        peak = peak.max(high_water(&child).unwrap_or(0));
        std::thread::sleep(Duration::from_millis(3));
    }
    let seconds = started.elapsed().as_secs_f64();
    let output = child.wait_with_output().expect("ends");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Done { seconds, peak, ok: output.status.success(), out: text(output.stdout), err: text(output.stderr) }
}

fn high_water(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

pub fn tilewise() -> Command {
    Command::new(env!("CARGO_BIN_EXE_tilewise"))
}

/// A `size` x `size` uint16 image as a strip TIFF, written by tilewise itself from an `.npy` made here.
pub fn image(size: u64) -> PathBuf {
    let (npy, tif) = (folder().join(format!("image{size}.npy")), folder().join(format!("image{size}.tif")));
    if !tif.exists() {
        write_npy(&npy, &[size, size], "<u2", |i| {
            let (x, y) = (i % size, i / size);
            let blob = if (x / 37 + y / 29) % 5 == 0 { 9000 } else { 300 };
            noise(i) + blob
        });
        let done = watch(tilewise().arg("run").args([&npy, &tif]).args(["input", "--memory-limit=64MiB", "-q"]));
        assert!(done.ok, "{}", done.err);
        std::fs::remove_file(&npy).expect("removes");
    }
    tif
}

fn noise(i: u64) -> u16 {
    (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 52) as u16
}

/// A 1 GiB-voxel volume as `.npy`: 2 GiB of uint16.
pub fn volume() -> PathBuf {
    let path = folder().join("volume.npy");
    if !path.exists() {
        write_npy(&path, &[1024, 1024, 1024], "<u2", |i| noise(i) + ((i >> 14) % 4096) as u16);
    }
    path
}

/// A `size` x `size` mask of blobs as `.npy`, uint8.
pub fn mask(size: u64) -> PathBuf {
    let path = folder().join(format!("mask{size}.npy"));
    if !path.exists() {
        write_npy(&path, &[size, size], "|u1", |i| {
            let (x, y) = (i % size, i / size);
            let (cx, cy) = ((x % 61) as i64 - 30, (y % 53) as i64 - 26);
            let radius = 5 + (noise((x / 61) * 7919 + y / 53) % 18) as i64;
            u8::from(cx * cx + cy * cy < radius * radius) as u16
        });
    }
    path
}

fn write_npy(path: &Path, shape: &[u64], descr: &str, value: impl Fn(u64) -> u16) {
    let dims: Vec<String> = shape.iter().map(|n| n.to_string()).collect();
    let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}), }}", dims.join(", "));
    let padded = (10 + text.len() + 1).next_multiple_of(64) - 11;
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path).expect("creates"));
    file.write_all(b"\x93NUMPY\x01\x00").expect("writes");
    file.write_all(&((padded + 1) as u16).to_le_bytes()).expect("writes");
    file.write_all(format!("{text:<padded$}\n").as_bytes()).expect("writes");
    let bytes = if descr.ends_with('1') { 1 } else { 2 };
    for i in 0..shape.iter().product() {
        file.write_all(&value(i).to_le_bytes()[..bytes]).expect("writes");
    }
    file.flush().expect("writes");
}

/// A hash of a file's bytes (FNV-1a over 8-byte words), to compare outputs.
pub fn hash(path: &Path) -> u64 {
    let mut file = File::open(path).expect("opens");
    let mut buffer = vec![0; 1 << 20];
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    loop {
        let n = file.read(&mut buffer).expect("reads");
        if n == 0 {
            return hash;
        }
        for word in buffer[..n].chunks(8) {
            let mut bytes = [0; 8];
            bytes[..word.len()].copy_from_slice(word);
            hash = (hash ^ u64::from_le_bytes(bytes)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }
}

pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
