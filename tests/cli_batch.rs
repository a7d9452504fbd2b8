//! Batches: many files by one command, within one limit, and a bad file that costs only itself.
#![cfg(feature = "cli")]

mod cli_common;

use cli_common::{Folder, json};
use std::fs;

const PIPELINE: &str = "gaussian_filter(sigma=2) |> threshold(\"otsu\")";

fn plates(folder: &Folder, n: usize) {
    fs::create_dir(folder.path("in")).unwrap();
    (0..n).for_each(|i| folder.ramp(&format!("in/p{i}.npy"), &[40 + i, 50]));
}

#[test]
fn every_file_is_run_by_itself_with_the_same_bytes() {
    let folder = Folder::new();
    plates(&folder, 12);
    fs::create_dir(folder.path("out")).unwrap();
    fs::create_dir(folder.path("one")).unwrap();
    let done = folder.tilewise(&["run", "in/*.npy", "out/{stem}.npy", PIPELINE, "--threads", "4"]);
    assert_eq!((done.code, done.out.as_str()), (Some(0), ""), "{}", done.err);
    let last = done.err.lines().last().unwrap();
    assert!(last.starts_with("12 files done in ") && last.contains(", 4 at a time; memory: "), "{}", done.err);
    for i in 0..12 {
        let (input, output) = (format!("in/p{i}.npy"), format!("one/p{i}.npy"));
        folder.prints(&["run", &input, &output, PIPELINE]);
        let bytes = |name: &str| fs::read(folder.path(name)).unwrap();
        assert!(bytes(&output) == bytes(&format!("out/p{i}.npy")), "{i}");
    }
    assert_eq!(fs::read_dir(folder.path("out")).unwrap().count(), 12);
}

#[test]
fn a_bad_file_costs_itself() {
    let folder = Folder::new();
    plates(&folder, 11);
    fs::write(folder.path("in/p3.npy"), "no image").unwrap();
    fs::write(folder.path("in/p10.npy"), "").unwrap();
    let args = ["run", "in/*.npy", "{stem}.npy", PIPELINE, "--json", "--threads", "2"];
    let done = folder.tilewise(&args);
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(done.err.contains("error: in/p3.npy: is not a .npy file"), "{}", done.err);
    assert!(done.err.contains("error: in/p10.npy: is empty"), "{}", done.err);
    assert!(done.err.ends_with("error: in/*.npy: 2 of 11 files failed\n"), "{}", done.err);
    let report = json(&done.out);
    let outcomes: Vec<&str> =
        report["files"].as_array().unwrap().iter().filter_map(|f| f["outcome"].as_str()).collect();
    // In natural order: p3 before p10.
    let failed: Vec<usize> = (0..11).filter(|&i| outcomes[i] == "failed").collect();
    assert_eq!((failed, &report["done"], &report["failed"]), (vec![3, 10], &9.into(), &2.into()));
    assert!(report["files"][10]["error"].as_str().unwrap().contains("is empty"));
    assert_eq!(report["files"][9]["outputs"][0], "p9.npy");
    assert!(!folder.path("p3.npy").exists() && folder.path("p9.npy").exists());
    assert!(folder.names().iter().all(|name| !name.contains("partial")));

    // The second time there is only the mended file to do.
    folder.ramp("in/p3.npy", &[30, 30]);
    fs::remove_file(folder.path("in/p10.npy")).unwrap();
    let done = folder.tilewise(&["run", "in/*.npy", "{stem}.npy", PIPELINE, "--skip-existing"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.err.contains("1 file done, 9 skipped in "), "{}", done.err);
    let before = folder.names();
    let refused = folder.tilewise(&["run", "in/*.npy", "{stem}.npy", PIPELINE]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.err.contains("p0.npy: exists (as do those of 9 more files)"), "{}", refused.err);
    assert_eq!(folder.names(), before);
}

#[test]
fn tables_say_which_file_and_are_merged() {
    let folder = Folder::new();
    plates(&folder, 3);
    let counted = "save(histogram(input, bins=2, range=[0, 2000]).table, ";
    folder.prints(&["run", "in/*.npy", &format!("{counted}\"all.csv\"); save(input, \"{{stem}}_copy.npy\")")]);
    let all = fs::read_to_string(folder.path("all.csv")).unwrap();
    let rows = |file: &str, counts: [u64; 2]| {
        let [a, b] = counts;
        format!("in/{file}.npy,0,1000,{a}\nin/{file}.npy,1000,2000,{b}\n")
    };
    let wanted = [rows("p0", [1000, 1000]), rows("p1", [1000, 1001]), rows("p2", [1000, 1001])].concat();
    assert_eq!(all, format!("file,bin_left,bin_right,count\n{wanted}"));
    folder.prints(&["run", "in/*.npy", &format!("{counted}\"{{stem}}.csv\")")]);
    let one = fs::read_to_string(folder.path("p1.csv")).unwrap();
    assert_eq!(one, format!("file,bin_left,bin_right,count\n{}", rows("p1", [1000, 1001])));
    let skip = format!("{counted}\"all2.csv\"); save(input, \"{{stem}}_copy.npy\")");
    folder.refuses(&["run", "in/*.npy", &skip, "--skip-existing"], 2, "would be missing");
}

#[test]
fn numbers_are_printed_by_file() {
    let folder = Folder::new();
    plates(&folder, 2);
    let out = folder.prints(&["run", "in/*.npy", "save(input, \"{stem}_{index}_{parent}.npy\"); max(input)", "-q"]);
    assert_eq!(out, "in/p0.npy\t1999\nin/p1.npy\t2049\n");
    assert_eq!(folder.names(), ["in", "p0_0_in.npy", "p1_1_in.npy"]);
    // Without a field the files are one stack.
    folder.ramp("in/p1.npy", &[40, 50]);
    assert_eq!(folder.prints(&["run", "in/*.npy", "max(input)"]), "1999\n");
}

#[test]
fn folders_with_fields_are_made() {
    let folder = Folder::new();
    plates(&folder, 2);
    fs::write(folder.path("in/p1.npy"), "bad").unwrap();
    let done = folder.tilewise(&["run", "in/*.npy", "{parent}_out/{stem}/a.npy", "input"]);
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(folder.path("in_out/p0/a.npy").exists() && !folder.path("in_out/p1").exists());
}

#[test]
fn the_folder_of_a_batch_is_made() {
    let folder = Folder::new();
    plates(&folder, 2);
    folder.prints(&["run", "in/*.npy", "new/deep/{stem}.npy", "input"]);
    assert!(folder.path("new/deep/p0.npy").exists() && folder.path("new/deep/p1.npy").exists());
}

#[test]
fn wrong_batches_begin_nothing() {
    let folder = Folder::new();
    plates(&folder, 2);
    let run = |args: &[&str], code, part: &str| {
        folder.refuses(&[&["run"], args].concat(), code, part);
        folder.refuses(&[&["explain"], args].concat(), code, part);
    };
    run(&["in/*.npy", "{steam}.npy", "input"], 2, "no field {steam}; there are {stem}, {name}, {parent}, {index}");
    run(&["in/*.npy", "{parent}.npy", "input"], 2, "in.npy: both in/p0.npy and in/p1.npy would go there");
    run(&["in/*.npy", "{stem}.npy", "save(input, \"same.npy\"); input"], 2, "same.npy: both in/p0.npy and in/p1.npy");
    run(&["in/*.npy", "{stem}.npy", "gausian_filter(sigma=2)"], 2, "unknown operation");
    run(&["none/*.npy", "{stem}.npy", "input"], 1, "no file matches");
    run(&["save(1, \"{stem}.npy\")"], 2, "a batch has an IN");
    run(&["in/*.npy", "p = \"{stem}.npy\"; save(input, p + \"\"); input"], 2, "");
    folder.refuses(&["run", "in/*.npy", "{stem}.npy", "input", "--mmap"], 2, "reads by position");
    folder.refuses(&["run", "in/p0.npy", "a.npy", "input", "--skip-existing"], 2, "is for batches");
}

#[test]
fn explain_shows_the_first_and_counts_the_others() {
    let folder = Folder::new();
    plates(&folder, 5);
    fs::write(folder.path("in/p0.npy"), "bad").unwrap();
    let args = ["in/*.npy", "{stem}.npy", PIPELINE, "--threads", "2"];
    let text = folder.prints(&[&["explain"], &args[..]].concat());
    assert!(text.starts_with("a batch of 5 files, 2 at a time; this is the plan for in/p1.npy\n"), "{text}");
    assert!(text.contains("p1.npy: 41 × 50"), "{text}");
    let report = folder.json(&[&["explain"], &args[..], &["--json"]].concat());
    assert_eq!((&report["batch"]["files"], &report["batch"]["first"]), (&5.into(), &"in/p1.npy".into()));
}

#[test]
fn a_batch_stays_within_its_limit() {
    let folder = Folder::new();
    fs::create_dir(folder.path("in")).unwrap();
    (0..40).for_each(|i| folder.ramp(&format!("in/p{i}.npy"), &[1500, 1000]));
    let args = ["run", "in/*.npy", "{stem}.npy", PIPELINE, "--threads", "4", "--memory-limit", "128MiB", "--json"];
    let report = folder.json(&args);
    assert!(report["at_a_time"].as_u64().unwrap() > 1, "{report}");
    if let Some(peak) = report["peak_bytes"].as_u64() {
        assert!(peak <= 128 << 20, "{report}");
    }
}

#[test]
#[cfg(unix)]
fn an_interrupted_batch_stops_all() {
    let folder = Folder::new();
    fs::create_dir(folder.path("in")).unwrap();
    (0..20).for_each(|i| folder.zeros(&format!("in/p{i}.npy"), &[4000, 4000]));
    let slow = "median_filter(size=25)";
    let args = ["run", "in/*.npy", "{stem}.npy", slow, "--threads", "2", "--memory-limit", "64MiB"];
    let mut child = folder.spawn(&args);
    folder.wait_for_output(&mut child);
    // SAFETY: kill only takes numbers; the child has not been waited for, so the number is still its own.
    assert_eq!(unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGINT) }, 0);
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(130), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(String::from_utf8_lossy(&done.stderr).ends_with("error: interrupted\n"));
    assert!(folder.names().iter().all(|name| !name.contains("partial")), "{:?}", folder.names());
}
