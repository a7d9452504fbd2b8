//! `gaussian_filter(sigma=2)` of a 16384 x 16384 uint16 TIFF to float32 against the copy floor: reading the input and
//! writing an output of the same size with plain copies. The two take turns; ratios are of neighbours.
//!
//! `cargo bench --bench floor [-- SIZE]`

#[path = "support/mod.rs"]
#[allow(dead_code)]
mod support;

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Instant;
use support::{folder, image, median, tilewise, watch};

const ROUNDS: usize = 7;

fn main() {
    let size = std::env::args().filter_map(|a| a.parse().ok()).next().unwrap_or(16384);
    let input = image(size);
    let (plain, ours) = (folder().join("floor.bin"), folder().join("out.tif"));
    println!("{size} x {size} uint16 TIFF -> float32 TIFF, warm cache, 2 threads, {ROUNDS} rounds");
    for pipeline in ["gaussian_filter(sigma=2)", "input * 2", "gaussian_filter(sigma=2, truncate=3.7)"] {
        let (mut floors, mut times, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            // Neither side pays for deleting the other's gigabyte, and both start with the same memory free.
            let clean = || [&plain, &ours].into_iter().for_each(|file| drop(std::fs::remove_file(file)));
            clean();
            let floor = copy_floor(&input, &plain, 2 * std::fs::metadata(&input).expect("exists").len());
            clean();
            let mut command = tilewise();
            command.arg("run").args([&input, &ours]).arg(pipeline);
            command.args(["--overwrite", "-q", "--threads=2", "--memory-limit=256MiB"]);
            let done = watch(&mut command);
            assert!(done.ok, "{}", done.err);
            if round > 0 {
                floors.push(floor);
                times.push(done.seconds);
                ratios.push(done.seconds / floor);
            }
        }
        let (floor, time, ratio) = (median(&mut floors), median(&mut times), median(&mut ratios));
        println!(
            "{pipeline:<42} {time:6.2} s   floor {floor:5.2} s   ratio {ratio:4.2} ({:.2} to {:.2})",
            ratios[0],
            ratios[ROUNDS - 1]
        );
    }
}

/// Reads the input and writes `bytes` zeros with plain copies, fsynced once as tilewise does.
fn copy_floor(input: &Path, output: &Path, bytes: u64) -> f64 {
    let started = Instant::now();
    let mut buffer = vec![0u8; 1 << 20];
    let mut file = File::open(input).expect("opens");
    while file.read(&mut buffer).expect("reads") > 0 {}
    let mut file = File::create(output).expect("creates");
    let mut left = bytes;
    while left > 0 {
        let n = left.min(buffer.len() as u64);
        file.write_all(&buffer[..n as usize]).expect("writes");
        left -= n;
    }
    file.sync_all().expect("syncs");
    started.elapsed().as_secs_f64()
}
