//! `tilewise convert`: pixels and what is known of them, in another format; what is lost is said.
#![cfg(all(feature = "cli", feature = "tiff", feature = "zarr", feature = "image"))]

mod cli_common;

use cli_common::{Folder, json};
use serde_json::json;
use std::fs;

#[test]
fn pixels_survive_a_round_trip() {
    let folder = Folder::new();
    folder.ramp("in.npy", &[3, 2, 40, 50]);
    let done = folder.tilewise(&["convert", "in.npy", "a.ome.zarr", "--axes", "zcyx", "--memory-limit", "64MiB"]);
    assert_eq!((done.code, done.out.as_str()), (Some(0), ""), "{}", done.err);
    assert!(!done.err.contains("warning"), "{}", done.err);
    let info = folder.json(&["info", "a.ome.zarr", "--json"]);
    assert_eq!((&info["shape"], info["axes"][0]["name"].as_str()), (&json!([2, 3, 40, 50]), Some("c")));
    folder.prints(&["convert", "a.ome.zarr", "b.ome.tif", "-q"]);
    let info = folder.json(&["info", "b.ome.tif", "--json"]);
    assert_eq!((&info["shape"], info["axes"][1]["name"].as_str()), (&json!([2, 3, 40, 50]), Some("z")));
    let done = folder.tilewise(&["convert", "b.ome.tif", "c.npy", "--json"]);
    assert!(done.err.contains("warning: c.npy cannot hold the names of the axes (czyx)"), "{}", done.err);
    assert_eq!(json(&done.out)["lost"], json!(["the names of the axes (czyx)"]));
    // In the order in which it came.
    folder.prints(&["run", "c.npy", "d.npy", "transpose(input, [1, 0, 2, 3])", "-q"]);
    let pixels = |name: &str| fs::read(folder.path(name)).unwrap().split_off(128);
    assert!(pixels("d.npy") == pixels("in.npy"));
    assert_eq!(pixels("d.npy").len(), 3 * 2 * 40 * 50 * 2);
}

#[test]
fn options_and_parts_are_passed_on() {
    let folder = Folder::new();
    folder.ramp("in.npy", &[300, 400]);
    let args = ["convert", "in.npy", "a.ome.zarr", "--axes", "yx", "--chunks", "64,128", "--format-version", "0.4"];
    folder.prints(&[&args[..], &["--pyramid", "--downsample", "nearest", "--compression", "none"]].concat());
    let info = folder.json(&["info", "a.ome.zarr", "--json"]);
    assert_eq!(info["chunk"], json!([64, 128]));
    assert!(folder.path("a.ome.zarr/1").exists() && folder.path("a.ome.zarr/.zattrs").exists());
    folder.prints(&["convert", "a.ome.zarr", "half.npy", "--level", "1", "--region", "y=:10, x=-5:", "-q"]);
    let info = folder.json(&["info", "half.npy", "--json"]);
    assert_eq!(info["shape"], json!([10, 5]));
    folder.prints(&["convert", "in.npy", "b.ome.zarr", "--axes", "yx", "--no-pyramid", "-q"]);
    assert!(!folder.path("b.ome.zarr/1").exists());
    folder.refuses(&["convert", "in.npy", "b.npy", "--chunks", "3,4"], 2, "has no option `chunks`");
    folder.refuses(&["convert", "in.npy", "half.npy"], 2, "half.npy: exists; --overwrite");
    folder.refuses(&["convert", "in.npy", "in.npy", "--overwrite"], 2, "the output is also an input");
    folder.refuses(&["convert", "in.npy", "x.tif", "--region", "q=1"], 2, "there is no axis `q`");
}

#[test]
fn pages_become_cubes_and_each_is_decoded_once() {
    let folder = Folder::new();
    folder.ramp("in.npy", &[32, 512, 512]);
    folder.prints(&["convert", "in.npy", "pages.zarr", "--chunks", "1,512,512", "-q"]);
    let args = ["convert", "pages.zarr", "cubes.zarr", "--chunks", "32,32,32", "--json", "--memory-limit"];
    let report = folder.json(&[&args[..], &["18MiB"]].concat());
    assert_eq!(report["passes"][0]["decoded"], json!([{ "name": "pages.zarr", "chunks": 32, "decodes": 32 }]));
    assert_eq!(report["passes"].as_array().unwrap().len(), 2, "{report}");
    folder.prints(&["convert", "cubes.zarr", "out.npy", "-q"]);
    let pixels = |name: &str| fs::read(folder.path(name)).unwrap().split_off(128);
    assert!(pixels("out.npy") == pixels("in.npy"));
}

#[test]
fn photographs_keep_their_colours_last_where_that_is_usual() {
    let folder = Folder::new();
    folder.bytes("in.npy", &[30, 40, 3], |i| (i % 251) as u8);
    folder.prints(&["convert", "in.npy", "a.png", "--axes", "yxc", "-q"]);
    folder.prints(&["convert", "a.png", "a.tif", "-q"]);
    folder.prints(&["convert", "a.tif", "a.ome.zarr", "-q"]);
    let shape = |name: &str| folder.json(&["info", name, "--json"])["shape"].clone();
    assert_eq!([shape("a.tif"), shape("a.ome.zarr")], [json!([30, 40, 3]), json!([3, 30, 40])]);
}
