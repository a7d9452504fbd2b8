//! What reading costs in memory, measured. One test, in a process of its own, because the peak is the process's.
#![cfg(target_os = "linux")]

mod io_common;

use io_common::*;
use std::time::Instant;
use tilewise::array::{Buffer, DType, Region, ViewMut, grid_len};
use tilewise::io::{OpenOptions, open};
use tilewise::sys::peak_resident;

/// Page tables, which are not part of the resident set but of what a control group counts.
fn page_tables() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmPTE:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn mapped_reading_holds_no_more_than_its_bill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sparse");
    // Half a GiB of nothing: page tables alone would be 1 MiB.
    std::fs::File::create(&path).unwrap().set_len(512 << 20).unwrap();
    let path = path.to_str().unwrap();
    let open = |text: &str| open(&format!("raw:{path}?dtype=uint16&{text}"), &OpenOptions::default()).unwrap();
    let cases = [
        ("shape=16384,16384", [64u64, 16384].as_slice(), 1),
        ("shape=16384,16384", &[64, 16384], 1),
        ("shape=16384,16384", &[512, 512], 1),
        ("shape=16384,16384", &[512, 4096], 1),
        ("shape=131072,2048", &[512, 512], 1),
        ("shape=256,1024,1024", &[64, 64, 64], 4),
        ("shape=256,1024,1024&order=F", &[64, 64, 64], 16),
        ("shape=2048,131072&order=F", &[512, 512], 4),
        ("shape=16384,5461,3", &[512, 512, 1], 4),
    ];
    for (text, tile, every) in cases {
        for access in ACCESSES {
            let source = open(text);
            let spec = source.spec().clone();
            let bytes = tile.iter().product::<u64>() * 2;
            let mut buffer = Buffer::new(bytes as usize).unwrap();
            buffer.bytes_mut().fill(1);
            let mut reader = source.reader(access).unwrap();
            let (before, tables, start) = (peak_resident().unwrap(), page_tables(), Instant::now());
            let mut most_tables = 0;
            let mut read = 0;
            for i in (0..grid_len(&spec.shape, tile)).step_by(every) {
                let at = Region::tile(&spec.shape, tile, i);
                reader.read(&at, ViewMut::new(DType::U16, &at.shape, buffer.bytes_mut())).unwrap();
                most_tables = most_tables.max(page_tables());
                read += bytes;
            }
            let seconds = start.elapsed().as_secs_f64();
            let (pages, tables) = (peak_resident().unwrap() - before, most_tables.saturating_sub(tables));
            println!(
                "{text} {tile:?} {access:?}: {:.2} GB/s, {} KiB, page tables {} KiB",
                read as f64 / 1e9 / seconds,
                pages >> 10,
                tables >> 10
            );
            let bill = source.bill(access).per_reader;
            // What the kernel counts in batches per thread.
            let slack = 512 << 10;
            assert!(pages + tables <= bill + slack, "{text} {access:?}: {pages} + {tables} of {bill}");
        }
    }
}
