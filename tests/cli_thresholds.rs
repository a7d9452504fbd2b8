//! `tilewise compare-thresholds`: what it prints, what it draws, what it does where a method has no answer.
#![cfg(all(feature = "cli", feature = "image"))]

use serde_json::Value as Json;
use std::path::Path;
use std::process::{Command, Output};
use tilewise::Run;
use tilewise::array::{ArraySpec, DType};
use tilewise::graph::{Array, MemArray, Value};
use tilewise::io::Access;
use tilewise::io::{OpenOptions, open};

fn tilewise(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tilewise")).args(args).current_dir(folder).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A dark ground, a bright half.
fn save(path: &Path, shape: &[u64], value: impl Fn(usize) -> u8) {
    let mut image = MemArray::zeros(ArraySpec::unnamed(shape, DType::U8)).unwrap();
    image.data.bytes_mut().iter_mut().enumerate().for_each(|(i, v)| *v = value(i));
    Run::new().save(&Array::value(Value::Array(image.into())), path, false).unwrap().run().unwrap();
}

fn two_hills(i: usize) -> u8 {
    let noise = (i * 7919 % 31) as u8;
    if i % 640 < 300 { 20 + noise } else { 150 + noise }
}

#[test]
fn the_gallery_shows_what_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    save(&folder.path().join("in.npy"), &[3, 200, 640], two_hills);
    let args = ["compare-thresholds", "in.npy", "out.png", "--memory-limit", "64MiB"];
    let done = tilewise(folder.path(), &args);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let out = text(&done.stdout);
    let names: Vec<&str> = out.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, ["isodata", "li", "mean", "minimum", "otsu", "triangle", "yen"]);
    let otsu: f64 = out.lines().nth(4).unwrap().split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!((50.0..150.0).contains(&otsu), "{out}");
    assert!(text(&done.stderr).contains("z = 1"), "{}", text(&done.stderr));

    let source = open(folder.path().join("out.png").to_str().unwrap(), &OpenOptions::default()).unwrap();
    // Two rows of four pictures of 100 × 320, each with its title.
    assert_eq!(source.spec().shape[..], [2 * (100 + 16 + 6) + 6, 4 * (320 + 6) + 6]);
    let mut page = MemArray::zeros(source.spec().clone()).unwrap();
    let shape = page.spec.shape.clone();
    let view = tilewise::array::ViewMut::new(DType::U8, &shape, page.data.bytes_mut());
    source.reader(Access::Positioned).unwrap().read(&tilewise::array::Region::whole(&shape), view).unwrap();
    let at = |y: usize, x: usize| page.view().at(&[y, x]);
    // Otsu's is the second picture of the second row: black to the left, white to the right.
    let (top, left) = (6 + 122 + 16, 6 + 326);
    assert_eq!([at(top + 50, left + 20), at(top + 50, left + 300)], [0.0, 255.0]);
    assert!((0..16).any(|y| (0..168).any(|x| at(6 + 122 + y, left + x) == 0.0)), "a title");

    let again = tilewise(folder.path(), &args);
    assert_eq!(again.status.code(), Some(2));
    assert!(text(&again.stderr).contains("--overwrite"), "{}", text(&again.stderr));
}

#[test]
fn a_method_without_an_answer_does_not_spoil_the_others() {
    let folder = tempfile::tempdir().unwrap();
    save(&folder.path().join("flat.npy"), &[40, 50], |_| 9);
    let done = tilewise(folder.path(), &["compare-thresholds", "flat.npy", "--json"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let report: Json = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(report["thresholds"]["otsu"], 9);
    assert!(report["thresholds"]["minimum"].is_null());
    assert!(report["failed"]["minimum"].as_str().unwrap().contains("two maxima"), "{report}");
    assert_eq!(report["failed"].as_object().unwrap().len(), 1);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn wrong_words_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    save(&folder.path().join("in.npy"), &[4, 5], two_hills);
    let done = tilewise(folder.path(), &["compare-thresholds", "in.npy", "out.tif"]);
    assert_eq!((done.status.code(), text(&done.stderr).contains("the gallery is a .png")), (Some(2), true));
}
