//! `tilewise plot` and `tilewise overlay`: what is drawn, how much is held.
#![cfg(all(feature = "cli", feature = "image"))]

mod cli_common;

use cli_common::{Folder, npy_header};
use std::fmt::Write as _;
use std::fs;
use tilewise::array::{Region, ViewMut};
use tilewise::graph::MemArray;
use tilewise::io::{Access, OpenOptions, open};

fn picture(folder: &Folder, name: &str) -> MemArray {
    let source = open(folder.path(name).to_str().unwrap(), &OpenOptions::default()).unwrap();
    let mut image = MemArray::zeros(source.spec().clone()).unwrap();
    let (dtype, shape) = (image.spec.dtype, image.spec.shape.clone());
    let chunk = source.layout().chunk().cloned().unwrap_or_else(|| shape.clone());
    let mut reader = source.reader(Access::Positioned).unwrap();
    let mut whole = ViewMut::new(dtype, &shape, image.data.bytes_mut());
    for index in 0..tilewise::array::grid_len(&shape, &chunk) {
        let at = Region::tile(&shape, &chunk, index);
        reader.read(&at, whole.sub(&at)).unwrap();
    }
    image
}

fn pixel(image: &MemArray, y: usize, x: usize) -> [u8; 3] {
    [0, 1, 2].map(|c| image.view().at(&[y, x, c]) as u8)
}

fn table(folder: &Folder, rows: usize) {
    let mut text = String::from("file,area,intensity_mean\n");
    for i in 0..rows {
        let _ = writeln!(text, "\"a, b.tif\",{},{}", i % 1000, (i * 7919) % 1013);
    }
    text += "x,nan,5\nx,,7\n";
    fs::write(folder.path("t.csv"), text).unwrap();
}

#[test]
fn a_scatter_plot_is_drawn_beside_its_table() {
    let folder = Folder::new();
    fs::write(folder.path("t.csv"), "a,b\n0,0\n10,5\n").unwrap();
    let done = folder.tilewise(&["plot", "t.csv", "--x", "a", "--y", "b"]);
    assert_eq!((done.code, done.err.as_str()), (Some(0), "t.png: 2 rows\n"));
    let image = picture(&folder, "t.png");
    assert_eq!(image.spec.shape[..], [620, 900, 3]);
    let blue = |y: usize, x: usize| pixel(&image, y, x)[2] > pixel(&image, y, x)[0].saturating_add(20);
    let marked: Vec<(usize, usize)> =
        (40..560).flat_map(|y| (90..870).map(move |x| (y, x))).filter(|&(y, x)| blue(y, x)).collect();
    // Two discs of five pixels, lower left and upper right.
    assert_eq!(marked.len(), 10, "{marked:?}");
    assert!(marked[0].0 < 60 && marked[0].1 > 840 && marked[9].0 > 540 && marked[9].1 < 120, "{marked:?}");
    let dark = (566..600).any(|y| (90..870).any(|x| pixel(&image, y, x) == [64, 64, 64]));
    assert!(dark, "numbers below the axis");
    folder.refuses(&["plot", "t.csv", "--x", "a", "--y", "b"], 2, "t.png: exists; --overwrite");
}

#[test]
fn few_points_are_discs_and_many_are_shades() {
    let folder = Folder::new();
    table(&folder, 100);
    let plot = ["plot", "t.csv", "t.svg", "--x", "area", "--y", "intensity_mean", "--overwrite"];
    let done = folder.tilewise(&plot);
    assert_eq!(done.err, "t.svg: 102 rows, 2 of them left out: no finite numbers\n");
    let svg = fs::read_to_string(folder.path("t.svg")).unwrap();
    assert_eq!(svg.matches("<circle").count(), 100);
    assert!(svg.contains(">area</text>") && svg.contains(">intensity_mean</text>") && svg.contains(">t.csv</text>"));
    table(&folder, 30_000);
    folder.prints(&plot);
    let svg = fs::read_to_string(folder.path("t.svg")).unwrap();
    assert!(!svg.contains("<circle") && svg.contains("fill-opacity"));
}

#[test]
fn histograms_count_every_row() {
    let folder = Folder::new();
    table(&folder, 5000);
    folder.prints(&["plot", "t.csv", "h.svg", "--hist", "area", "--bins", "10"]);
    let svg = fs::read_to_string(folder.path("h.svg")).unwrap();
    let bars: Vec<&str> = svg.lines().filter(|l| l.starts_with("<rect x=")).collect();
    assert_eq!(bars.len(), 10);
    let height = |bar: &str| bar.rsplit("height=\"").next().unwrap().trim_end_matches("\"/>").to_string();
    assert!(bars.iter().all(|bar| height(bar) == height(bars[0])), "{bars:?}");
    folder.prints(&["plot", "t.csv", "h.png", "--hist", "area"]);
    assert_eq!(picture(&folder, "h.png").spec.shape[..], [620, 900, 3]);
}

#[test]
#[cfg(feature = "parquet")]
fn tables_are_plotted_alike_from_csv_and_parquet() {
    let folder = Folder::new();
    folder.ramp("in.npy", &[70, 90]);
    for name in ["t.csv", "t.parquet"] {
        folder.prints(&["run", "in.npy", name, "measure(cast(input / 7, \"uint16\"), input)"]);
    }
    let plot = |table: &str, rest: &[&str]| {
        let words = [&["plot", table, "out.svg", "--title", "t", "--overwrite"], rest].concat();
        let said = folder.tilewise(&words);
        assert_eq!(said.code, Some(0), "{}", said.err);
        (said.err, fs::read_to_string(folder.path("out.svg")).unwrap())
    };
    for rest in [&["--x", "area", "--y", "intensity_mean"][..], &["--hist", "label", "--bins", "7"]] {
        assert_eq!(plot("t.csv", rest), plot("t.parquet", rest));
    }
    folder.refuses(&["plot", "t.parquet", "x.svg", "--hist", "ares"], 2, "did you mean `area`?");
    fs::write(folder.path("bad.parquet"), "PAR1 and no more").unwrap();
    folder.refuses(&["plot", "bad.parquet", "x.svg", "--hist", "area"], 1, "bad.parquet: cannot be read as Parquet");
}

/// Tables that pyarrow wrote: `scripts/make_parquet_files.py`.
#[test]
#[cfg(feature = "parquet")]
fn parquet_of_other_programs_is_plotted() {
    let folder = Folder::new();
    let file = |name: &str| format!("{}/tests/files/parquet/{name}.parquet", env!("CARGO_MANIFEST_DIR"));
    let mut text = String::from("a,b,c\n");
    for i in 0..300u64 {
        let a = if i % 5 == 4 { String::new() } else { i.to_string() };
        let _ = writeln!(text, "{a},{},{}", 4_000_000_000 + i, i as f64 / 4.0);
    }
    fs::write(folder.path("t.csv"), text).unwrap();
    let plot = |table: &str, rest: &[&str]| {
        let said = folder.tilewise(&[&["plot", table, "out.svg", "--title", "t", "--overwrite"], rest].concat());
        assert_eq!(said.code, Some(0), "{}", said.err);
        (said.err, fs::read_to_string(folder.path("out.svg")).unwrap())
    };
    for rest in [&["--x", "a", "--y", "c"][..], &["--x", "b", "--y", "c", "--line"], &["--hist", "a"]] {
        for name in ["snappy", "zstd"] {
            assert_eq!(plot("t.csv", rest), plot(&file(name), rest), "{name}");
        }
    }
    for (name, column, what) in [
        ("gzip", "a", "column a is compressed with GZIP"),
        ("zstd", "text", "column text holds no plain numbers"),
        ("zstd", "list.list.element", "holds lists"),
    ] {
        folder.refuses(&["plot", &file(name), "x.svg", "--hist", column], 1, what);
    }
}

#[test]
fn arrays_of_one_axis_are_lines() {
    let folder = Folder::new();
    let values: Vec<u8> = (0..100).flat_map(|i| f64::from(i * i).to_le_bytes()).collect();
    fs::write(folder.path("v.npy"), [npy_header("<f8", &[100]), values].concat()).unwrap();
    folder.prints(&["plot", "v.npy", "v.svg"]);
    let svg = fs::read_to_string(folder.path("v.svg")).unwrap();
    let path = svg.lines().find(|l| l.contains("stroke-width=\"1.5\"")).unwrap();
    assert_eq!((path.matches('M').count(), path.matches('L').count()), (1, 99));
    folder.prints(&["plot", "v.npy", "h.svg", "--hist", "--bins", "5"]);
    folder.ramp("two.npy", &[3, 4]);
    folder.refuses(&["plot", "two.npy"], 2, "has 2 axes");
    folder.refuses(&["plot", "v.npy", "x.png", "--x", "a", "--y", "b"], 2, "is no table");
}

#[test]
fn wrong_plots_are_explained() {
    let folder = Folder::new();
    table(&folder, 10);
    let run = |args: &[&str], code, part: &str| folder.refuses(&[&["plot", "t.csv"], args].concat(), code, part);
    run(&["--x", "aera", "--y", "intensity_mean"], 2, "did you mean `area`? There are file, area, intensity_mean");
    run(&["--x", "area"], 2, "what to plot is missing");
    run(&["p.pdf", "--y", "area"], 2, "a plot is a .png or a .svg");
    run(&["--hist", "area", "--x", "area"], 2, "--hist goes without");
    run(&["--y", "file"], 1, "no finite numbers in file");
    folder.refuses(&["plot", "no.csv", "--y", "a"], 1, "no.csv: no such file");
}

#[test]
#[cfg(target_os = "linux")]
fn a_million_rows_take_no_more_memory_than_a_few() {
    let folder = Folder::new();
    table(&folder, 1_000_000);
    let command =
        format!("{} plot t.csv --x area --y intensity_mean & wait $!; exit $?", env!("CARGO_BIN_EXE_tilewise"));
    // The shell limits the address space of its child: far less than the 20 MB of text and its numbers would take.
    let limited = format!("ulimit -d 24000; {command}");
    let done = std::process::Command::new("sh").args(["-c", &limited]).current_dir(folder.path(".")).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn boundaries_are_drawn_on_the_image() {
    let folder = Folder::new();
    folder.bytes("image.npy", &[3, 60, 80], |i| (i % 80) as u8);
    folder.bytes("labels.npy", &[3, 60, 80], |i| {
        let (y, x) = (i / 80 % 60, i % 80);
        if (20..40).contains(&y) && (30..50).contains(&x) { 7 } else { 0 }
    });
    let done = folder.tilewise(&["overlay", "image.npy", "labels.npy", "out.png", "--memory-limit", "64MiB"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.err.contains("the picture shows the plane z = 1"), "{}", done.err);
    let image = picture(&folder, "out.png");
    assert_eq!(image.spec.shape[..], [60, 80, 3]);
    let is_grey = |y, x| matches!(pixel(&image, y, x), [r, g, b] if r == g && g == b);
    assert!(is_grey(30, 40) && is_grey(10, 10) && is_grey(19, 30));
    assert!([(20, 30), (20, 49), (39, 30), (30, 49)].into_iter().all(|(y, x)| !is_grey(y, x)));
    assert!(pixel(&image, 0, 0)[0] < 5 && pixel(&image, 0, 79)[0] > 250, "contrast");

    folder.prints(&["overlay", "image.npy", "labels.npy", "part.png", "--region", "y=20:30, x=30:45", "-q"]);
    assert_eq!(picture(&folder, "part.png").spec.shape[..], [10, 15, 3]);
    folder.bytes("other.npy", &[60, 81], |_| 0);
    folder.refuses(&["overlay", "image.npy", "other.npy", "x.png"], 2, "has 60 × 81 pixels");
    folder.refuses(&["overlay", "image.npy", "labels.npy", "x.tif"], 2, "the overlay is a .png");
    folder.refuses(&["overlay", "image.npy", "labels.npy", "out.png"], 2, "--overwrite");
}

#[test]
fn large_images_become_overviews_and_small_objects_stay() {
    let folder = Folder::new();
    folder.bytes("image.npy", &[100, 5000, 3], |i| if i / 3 % 5000 < 2500 { [200, 10, 10][i % 3] } else { 50 });
    folder.bytes("labels.npy", &[100, 5000], |i| u8::from(i == 50 * 5000 + 1000));
    let done = folder.tilewise(&["overlay", "image.npy", "labels.npy", "out.png", "--axes", "yxc", "-q"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let image = picture(&folder, "out.png");
    assert!(image.spec.shape[1] <= 2048 && image.spec.shape[1] > 1600, "{:?}", image.spec.shape);
    assert_eq!(pixel(&image, 5, 5), [200, 10, 10]);
    let shape = image.spec.shape.clone();
    let known = [[200, 10, 10], [50, 50, 50]];
    let drawn = (0..shape[0] as usize)
        .flat_map(|y| (0..600).map(move |x| (y, x)))
        .filter(|&(y, x)| !known.contains(&pixel(&image, y, x)))
        .count();
    assert_eq!(drawn, 1);
}
