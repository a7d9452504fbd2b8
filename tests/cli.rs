//! The command as people and scripts meet it: what it prints, its exit codes, what it leaves behind.
#![cfg(feature = "cli")]

mod cli_common;

use cli_common::{Folder, json};
use serde_json::Value as Json;
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// The elements of a version 1 `.npy` file of that type.
fn npy_data(path: &Path, descr: &str) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = String::from_utf8_lossy(&bytes[10..start]);
    assert!(header.contains(&format!("'descr': '{descr}'")), "{header}");
    bytes[start..].to_vec()
}

fn u16s(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect()
}

#[test]
fn an_image_goes_in_and_an_image_comes_out() {
    let folder = Folder::new();
    folder.ramp("in.npy", &[3, 4]);
    let done = folder.tilewise(&["run", "in.npy", "out.npy", "maximum_filter(size=3)"]);
    assert_eq!((done.code, done.out.as_str()), (Some(0), ""), "{}", done.err);
    assert_eq!(u16s(&npy_data(&folder.path("out.npy"), "<u2")), [5, 6, 7, 7, 9, 10, 11, 11, 9, 10, 11, 11]);
    let lines: Vec<&str> = done.err.lines().collect();
    assert!(lines[0].starts_with("pass 1 of 1: "), "{}", done.err);
    assert!(lines[1].starts_with("done in ") && lines[1].contains("limit"), "{}", done.err);
    assert_eq!(lines.len(), 2);
    assert_eq!(folder.names(), ["in.npy", "out.npy"]);
    let quiet = folder.tilewise(&["run", "in.npy", "out.npy", "maximum_filter(size=3)", "--overwrite", "-q"]);
    assert_eq!((quiet.code, quiet.out.as_str(), quiet.err.as_str()), (Some(0), "", ""));
}

#[test]
fn tiles_threads_and_access_do_not_show() {
    let folder = Folder::new();
    folder.ramp("in.npy", &[70, 90]);
    let pipeline = "gaussian_filter(sigma=2) |> threshold(\"otsu\") |> label()";
    folder.prints(&["run", "in.npy", "one.npy", pipeline]);
    for more in [&["--tile", "7,90"][..], &["--threads", "3", "--mmap"], &["--memory-limit", "16MiB"]] {
        folder.prints(&[&["run", "in.npy", "other.npy", pipeline, "--overwrite"][..], more].concat());
        assert!(fs::read(folder.path("one.npy")).unwrap() == fs::read(folder.path("other.npy")).unwrap(), "{more:?}");
    }
}

#[test]
fn numbers_are_printed() {
    let folder = Folder::new();
    folder.ramp("in.npy", &[3, 4]);
    assert_eq!(folder.prints(&["run", "in.npy", "mean()"]), "5.5\n");
    assert_eq!(folder.prints(&["run", "in.npy", "mean(input) > 5"]), "true\n");
    assert_eq!(folder.prints(&["run", "in.npy", "label(input).count"]), "1\n");
    assert_eq!(folder.prints(&["run", "in.npy", "histogram(input, bins=3)"]), "[4,4,4]\n");
    assert_eq!(folder.prints(&["run", "1 / 4"]), "0.25\n");
    assert_eq!(folder.prints(&["run", "mean(open(\"in.npy\"))"]), "5.5\n");
    folder.prints(&["run", "in.npy", "mean.npy", "mean()"]);
    assert_eq!(npy_data(&folder.path("mean.npy"), "<f8"), 5.5f64.to_le_bytes());
}

#[test]
fn scripts_save_several_results() {
    let folder = Folder::new();
    folder.ramp("in.npy", &[5, 6]);
    let script = "img = open(\"elsewhere.npy\")\nbig = 3\nsave(maximum_filter(img, size=big), \"max.npy\")\n\
                  save(minimum_filter(img, size=big), \"min.tif\")\nmax(img)\n";
    fs::write(folder.path("both.tw"), script).unwrap();
    let out = folder.prints(&["run", "both.tw", "--set", "img=in.npy", "--set", "big=1"]);
    assert_eq!(out, "29\n");
    assert_eq!(u16s(&npy_data(&folder.path("max.npy"), "<u2")), (0..30).collect::<Vec<u16>>());
    assert_eq!(folder.names(), ["both.tw", "in.npy", "max.npy", "min.tif"]);
    folder.refuses(&["run", "both.tw"], 1, "elsewhere.npy: no such file");
    folder.refuses(&["run", "both.tw", "--set", "imf=in.npy"], 2, "did you mean `img`?");
    folder.refuses(&["run", "both.tw", "--set", "img"], 2, "NAME=VALUE");
    folder.refuses(&["run", "both.tw", "in.npy", "out.npy"], 2, "the script goes last");
    folder.refuses(&["run", "missing.tw"], 1, "missing.tw: no such file");
}

#[test]
fn axes_can_be_named() {
    let folder = Folder::new();
    folder.ramp("in.npy", &[3, 4, 2]);
    folder.prints(&["run", "in.npy", "out.npy", "input[c=1]", "--axes", "yxc"]);
    assert_eq!(u16s(&npy_data(&folder.path("out.npy"), "<u2")), (0..12).map(|i| 2 * i + 1).collect::<Vec<u16>>());
    folder.refuses(&["run", "in.npy", "o.npy", "input", "--axes", "yx"], 2, "2 letters");
    folder.refuses(&["run", "1 + 1", "--axes", "yx"], 2, "--axes yx");
}

#[test]
fn what_is_wrong_is_one_line_and_leaves_nothing() {
    let folder = Folder::new();
    folder.ramp("in.npy", &[30, 40]);
    fs::write(folder.path("there.npy"), "x").unwrap();
    fs::write(folder.path("broken.npy"), "x").unwrap();
    let smooth = "gaussian_filter(sigma=1)";
    let cases: &[(&[&str], i32, &str)] = &[
        (&["in.npy", "out.npy", "gausian_filter(sigma=1)"], 2, "unknown operation"),
        (&["in.npy", "out.npy", "gaussian_filter(sgma=1)"], 2, "did you mean `sigma`"),
        (&["in.npy", "out.npy", "gaussian_filter(sigma=-1)"], 2, "sigma"),
        (&["in.npy", "out.npy", "input +"], 2, ""),
        (&["no.npy", "out.npy", smooth], 1, "no.npy: no such file"),
        (&["broken.npy", "out.npy", smooth], 1, "broken.npy: is not a .npy file"),
        (&["in.npy", "there.npy", smooth], 2, "there.npy: exists; --overwrite replaces it"),
        (&["in.npy", "in.npy", smooth, "--overwrite"], 2, "the output is also an input"),
        (&["in.npy", "no/out.npy", smooth], 1, "its folder no does not exist"),
        (&["in.npy", "out.xyz", smooth], 2, "out.xyz: unknown ending"),
        (&["in.npy", "out", smooth], 2, "unknown ending"),
        (&["no*.npy", "out.npy", smooth], 1, "no*.npy: no file matches"),
        (&["in.npy", smooth], 2, "the result is an image (30 × 40 (yx) float32)"),
        (&["in.npy", "out.npy", "save(input, \"a.npy\")"], 2, "without a result"),
        (&["in.npy", "save(input, \"a.npy\", quality=3)"], 2, "no option `quality`"),
        (&["in.npy", "out.npy", "1 + 1"], 2, "does not use `input`"),
        (&["in.npy", "input; \"a text\""], 2, ""),
        (&["in.npy", "out.npy", smooth, "--memory-limit", "512"], 2, "needs a unit: 512MiB"),
        (&["in.npy", "out.npy", smooth, "--memory-limit", "5 parsec"], 2, "unknown unit"),
        (&["in.npy", "out.npy", smooth, "--scratch-limit", "7"], 2, "--scratch-limit 7: a size needs a unit"),
        (&["in.npy", "out.npy", smooth, "--scratch-dir", "no"], 2, "--scratch-dir no"),
        (&["in.npy", "out.npy", smooth, "--threads", "0"], 2, "--threads 0"),
        (&["in.npy", "out.npy", "label(input)", "--scratch-limit", "1B"], 3, "--scratch-limit"),
    ];
    for (args, code, part) in cases {
        folder.refuses(&[&["run"], *args].concat(), *code, part);
        folder.refuses(&[&["explain"], *args].concat(), *code, part);
    }
}

#[test]
fn a_limit_that_is_too_small_names_the_need() {
    let folder = Folder::new();
    folder.ramp("in.npy", &[300, 400]);
    let run = |limit: &str| {
        folder.tilewise(&["run", "in.npy", "out.npy", "gaussian_filter(sigma=1)", "--memory-limit", limit])
    };
    let err = folder.refuses(
        &["run", "in.npy", "out.npy", "gaussian_filter(sigma=1)", "--memory-limit", "1MiB"],
        3,
        "limit is 1 MiB",
    );
    let need = err.split("needs at least ").nth(1).and_then(|rest| rest.split(',').next()).unwrap();
    let (number, unit) = need.split_once(' ').unwrap();
    // What it names is enough, give or take the pages another run of the program happens to touch.
    let enough = number.parse::<f64>().unwrap() + 0.5;
    assert_eq!(run(&format!("{enough}{unit}")).code, Some(0));
}

#[test]
fn pipelines_errors_show_the_place() {
    let folder = Folder::new();
    folder.ramp("in.npy", &[3, 4]);
    let err = folder.refuses(&["run", "in.npy", "out.npy", "input |> gausian_filter(sigma=1)"], 2, "gausian_filter");
    assert!(err.contains("pipeline:1:10") && err.contains("^^^^^^") && err.contains("`gaussian_filter`"), "{err}");
    fs::write(folder.path("s.tw"), "a = 1\nb = open(\"in.npy\") + nothing\nmean(b)").unwrap();
    assert!(folder.refuses(&["run", "s.tw"], 2, "nothing").contains("s.tw:2:"));
}

#[test]
fn the_report_is_one_json_object() {
    let folder = Folder::new();
    folder.ramp("in.npy", &[30, 40]);
    let report = folder.json(&["run", "in.npy", "mean(input)", "--json", "--memory-limit", "64MiB"]);
    assert_eq!(report["result"], 599.5);
    assert_eq!(report["limit_bytes"], 64 << 20);
    let report = folder.json(&["run", "in.npy", "out.npy", "gaussian_filter(sigma=1)", "--json"]);
    assert_eq!(report["result"], Json::Null);
    assert_eq!(report["outputs"][0]["path"], "out.npy");
    assert_eq!(report["outputs"][0]["shape"], serde_json::json!([30, 40]));
    assert_eq!(report["outputs"][0]["dtype"], "float32");
    assert!(report["passes"][0]["tiles"].as_u64().is_some_and(|n| n > 0));
    for name in ["predicted_bytes", "peak_bytes", "limit_bytes"] {
        assert!(report[name].as_u64().is_some_and(|b| b > 1 << 20), "{name}: {report}");
    }
    assert!(report["seconds"].as_f64().is_some());
}

#[test]
fn explain_says_what_run_would_do_and_touches_nothing() {
    let folder = Folder::new();
    folder.ramp("in.npy", &[300, 400]);
    let pipeline = "gaussian_filter(sigma=2) |> threshold(\"otsu\") |> label()";
    let args = ["in.npy", "out.npy", pipeline, "--memory-limit", "64MiB"];
    let before = folder.names();
    let text = folder.prints(&[&["explain"], &args[..]].concat());
    assert_eq!(folder.names(), before);
    for part in [
        "out.npy: 300 × 400 (yx) uint32",
        "pass 1 of ",
        "in.npy: 300 × 400",
        "gaussian_filter",
        "why",
        "limit is 64 MiB",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    let json = folder.json(&[&["explain"], &args[..], &["--json"]].concat());
    assert_eq!(folder.names(), before);
    let passes = json["passes"].as_array().unwrap();
    assert!(text.contains(&format!("pass {0} of {0}", passes.len())));
    assert_eq!(json["limit_bytes"], 64 << 20);
    let bill: u64 = json["bill"].as_array().unwrap().iter().map(|e| e["bytes"].as_u64().unwrap()).sum();
    assert_eq!(json["predicted_bytes"], bill);
    let report = folder.json(&[&["run"], &args[..], &["--json"]].concat());
    assert_eq!(report["passes"].as_array().unwrap().len(), passes.len());
    for (did, said) in report["passes"].as_array().unwrap().iter().zip(passes) {
        assert_eq!(did["tiles"], said["tiles"]);
    }
}

#[test]
fn a_region_of_the_input_is_enough() {
    let folder = Folder::new();
    folder.ramp("in.npy", &[30, 40]);
    folder.prints(&["run", "in.npy", "out.npy", "input", "--region", "y=5:9, x=-2:", "-q"]);
    assert_eq!(folder.json(&["info", "out.npy", "--json"])["shape"], serde_json::json!([4, 2]));
    folder.prints(&["explain", "in.npy", "part.npy", "pad(1)", "--region", "-3:"]);
    let region = |region: &str, part: &str| {
        folder.refuses(&["run", "in.npy", "x.npy", "input", "--region", region], 2, part);
    };
    region("z=1", "there is no axis `z`");
    region("", "the selection is empty");
    folder.refuses(&["run", "1 + 1", "--region", "y=0"], 2, "--region y=0");
}

#[test]
fn info_knows_shape_and_type() {
    let folder = Folder::new();
    folder.ramp("in.npy", &[30, 40]);
    let text = folder.prints(&["info", "in.npy"]);
    for part in ["30 × 40", "uint16", "npy", "2.3 KiB of pixels"] {
        assert!(text.contains(part), "{text}");
    }
    let json = folder.json(&["info", "in.npy", "--json"]);
    assert_eq!((&json["shape"], &json["dtype"]), (&serde_json::json!([30, 40]), &Json::from("uint16")));
    assert_eq!(json["axes"][0]["name"], "y");
    folder.refuses(&["info", "no.npy"], 1, "no.npy: no such file");
    assert!(folder.prints(&["info", "."]).contains("stack of npy"));
}

#[test]
fn operations_are_listed_and_explained() {
    let folder = Folder::new();
    let list = folder.prints(&["ops"]);
    for op in tilewise::ops::OPS {
        assert!(list.contains(&format!("  {} ", op.name)), "{}", op.name);
        let page = folder.prints(&["ops", op.name]);
        assert!(page.starts_with(&format!("{}(", op.name)), "{page}");
        assert!(page.lines().all(|line| line.chars().count() <= 100 || line.starts_with("  ")), "{page}");
    }
    assert!(folder.prints(&["ops", "disk"]).starts_with("disk(radius)"));
    folder.refuses(&["ops", "lable"], 2, "did you mean `label`?");
    folder.refuses(&["ops", "qqqqqqqq"], 2, "lists them");
}

#[test]
fn help_and_completions_are_there() {
    let folder = Folder::new();
    for command in ["run", "explain", "info", "convert", "plot", "overlay", "ops", "completions", "demo"] {
        assert!(folder.prints(&["--help"]).contains(&format!("  {command} ")));
        assert!(folder.prints(&[command, "--help"]).contains("Usage:"));
    }
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(folder.prints(&["completions", shell]).contains("memory-limit"), "{shell}");
    }
    assert!(folder.prints(&["--version"]).starts_with("tilewise 0."));
    assert_eq!(folder.tilewise(&["frobnicate"]).code, Some(2));
    assert_eq!(folder.tilewise(&[]).code, Some(2));
}

#[test]
fn the_demo_does_the_main_job() {
    let folder = Folder::new();
    let text = folder.prints(&["demo", "--size", "1500", "--memory-limit", "32MiB", "--dir", "."]);
    for part in ["objects found", "predicted", "overview.png", "to remove them"] {
        assert!(text.contains(part), "{text}");
    }
    let [made] = &folder.names()[..] else { panic!("{:?}", folder.names()) };
    let labels = format!("{made}/labels.tif");
    let found: u64 = text.lines().find_map(|l| l.strip_suffix(" objects found.")).unwrap().parse().unwrap();
    assert_eq!(folder.prints(&["run", &labels, "max(input)"]).trim().parse::<u64>().unwrap(), found);
    assert!(found > 100);
    assert_eq!(folder.json(&["info", &format!("{made}/overview.png"), "--json"])["shape"][2], 3);
    folder.refuses(&["demo", "--dir", "no"], 2, "--dir no");
    let before = folder.names();
    let refused = folder.tilewise(&["demo", "--dir", ".", "--memory-limit", "6MiB"]);
    assert!(refused.code == Some(3) && refused.err.contains("does not fit"), "{}", refused.err);
    assert_eq!(folder.names(), before);
}

/// Reads only the first bytes of what is printed, then goes away.
#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let folder = Folder::new();
    for args in [&["ops"][..], &["completions", "bash"], &["--help"]] {
        let mut child = folder.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let done = child.wait_with_output().unwrap();
        assert_eq!(done.status.code(), Some(0), "{args:?}");
        assert_eq!(String::from_utf8_lossy(&done.stderr), "", "{args:?}");
    }
}

/// A run of several seconds on one thread.
fn long_run(folder: &Folder, more: &[&str]) -> Child {
    folder.zeros("in.npy", &[8000, 8000]);
    let slow = "median_filter(size=25) |> cast(\"uint8\")";
    let args = ["run", "in.npy", "out.npy", slow, "--threads", "1", "--memory-limit", "64MiB"];
    let mut command = folder.command(&[&args, more].concat());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
#[cfg(unix)]
fn an_interrupted_run_cleans_up() {
    interrupted_by(&[libc::SIGINT]);
}

#[test]
#[cfg(unix)]
fn a_signal_that_arrives_twice_is_one() {
    interrupted_by(&[libc::SIGTERM, libc::SIGTERM, libc::SIGINT]);
}

#[cfg(unix)]
fn interrupted_by(signals: &[libc::c_int]) {
    let folder = Folder::new();
    let mut child = long_run(&folder, &[]);
    folder.wait_for_output(&mut child);
    for &signal in signals {
        // SAFETY: kill only takes numbers; the child has not been waited for, so the number is still its own.
        assert_eq!(unsafe { libc::kill(child.id() as libc::pid_t, signal) }, 0);
        std::thread::sleep(Duration::from_millis(2));
    }
    let sent = Instant::now();
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(130), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(String::from_utf8_lossy(&done.stderr).ends_with("error: interrupted\n"));
    assert!(sent.elapsed() < Duration::from_secs(5), "{:?}", sent.elapsed());
    assert_eq!(folder.names(), ["in.npy"]);
}

#[test]
#[cfg(unix)]
fn a_file_that_is_cut_off_during_the_run_is_one_line() {
    for more in [&[][..], &["--mmap"]] {
        let folder = Folder::new();
        let mut child = long_run(&folder, more);
        folder.wait_for_output(&mut child);
        fs::OpenOptions::new().write(true).open(folder.path("in.npy")).unwrap().set_len(1000).unwrap();
        let done = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(1), "{more:?}: {err}");
        let errors: Vec<&str> = err.lines().filter(|l| l.starts_with("error")).collect();
        assert!(errors.len() == 1 && errors[0].starts_with("error: in.npy: "), "{more:?}: {err}");
        assert_eq!(folder.names(), ["in.npy"]);
    }
}

#[test]
fn what_two_statistics_look_at_is_read_once() {
    let folder = Folder::new();
    folder.ramp("in.npy", &[64, 50]);
    let read = |pipeline: &str| json(&folder.prints(&["explain", "in.npy", pipeline, "--json"]))["read_bytes"].clone();
    let one = read("part = input[y=8:40]; mean(part)");
    assert_eq!((&one, read("part = input[y=8:40]; mean(part) * std(part)")), (&one, one.clone()));
}
