//! Predicted against measured peak memory, and the same bits under every limit and thread count: the figures of
//! `benches/README.md`.
//!
//! `cargo bench --bench limits`

#[path = "support/mod.rs"]
#[allow(dead_code)]
mod support;

use std::collections::HashMap;
use std::path::Path;
use support::{folder, hash, image, mask, tilewise, volume, watch};

const MIB: u64 = 1 << 20;

fn main() {
    println!(
        "| work | limit | threads | seconds | predicted | measured | ratio | hash |\n|---|--:|--:|--:|--:|--:|--:|---|"
    );
    let mut seen = HashMap::new();
    let chain = "gaussian_filter(sigma=1) |> uniform_filter(size=5) |> gaussian_filter(sigma=3) |> threshold(\"otsu\")";
    for limit in [32, 64, 256, 2048] {
        measure(&mut seen, &image(16384), "tif", "gaussian_filter(sigma=2)", limit, 2);
    }
    for threads in [1, 8] {
        measure(&mut seen, &image(16384), "tif", "gaussian_filter(sigma=2)", 64, threads);
    }
    measure(&mut seen, &image(16384), "tif", chain, 32, 2);
    measure(&mut seen, &image(16384), "tif", chain, 64, 2);
    measure(&mut seen, &volume(), "npy", "gaussian_filter(sigma=2)", 64, 2);
    for (limit, threads) in [(16, 2), (64, 1), (64, 2), (64, 8), (256, 2)] {
        measure(&mut seen, &mask(16384), "npy", "label()", limit, threads);
    }
}

fn measure(seen: &mut HashMap<String, u64>, input: &Path, ending: &str, pipeline: &str, limit: u64, threads: u64) {
    let output = folder().join(format!("limits.{ending}"));
    let mut command = tilewise();
    command.arg("run").arg(input).arg(&output).arg(pipeline).args(["--overwrite", "--json", "-q"]);
    command.arg(format!("--memory-limit={limit}MiB")).arg(format!("--threads={threads}"));
    let done = watch(&mut command);
    assert!(done.ok, "{}", done.err);
    let predicted = number_after(&done.out, "\"predicted_bytes\":");
    let bits = hash(&output);
    let name = input.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let same = *seen.entry(format!("{name} {pipeline}")).or_insert(bits) == bits;
    let mib = |bytes: u64| bytes as f64 / MIB as f64;
    println!(
        "| {name} `{pipeline}` | {limit} MiB | {threads} | {:.2} | {:.1} MiB | {:.1} MiB | {:.2} | {bits:016x}{} |",
        done.seconds,
        mib(predicted),
        mib(done.peak),
        predicted as f64 / done.peak as f64,
        if same { "" } else { " **DIFFERS**" }
    );
    assert!(done.peak <= limit * MIB, "over the limit");
}

fn number_after(text: &str, key: &str) -> u64 {
    let digits =
        text.split(key).nth(1).map(|rest| rest.trim_start().chars().take_while(char::is_ascii_digit).collect());
    digits.and_then(|d: String| d.parse().ok()).unwrap_or(0)
}
