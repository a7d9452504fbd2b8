//! Stacks: globs, folders, names that tell axes.

mod io_common;

use io_common::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tilewise::array::{ArraySpec, DType, Region};
use tilewise::io::{Layout, OpenOptions, Source, create, open};
use tilewise::{Result, Run};

/// A folder of files with those names and random pixels; their pixels one behind the other in the order given.
fn folder(names: &[&str], spec: &ArraySpec) -> (tempfile::TempDir, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let mut rng = Rng(31);
    let mut all = Vec::new();
    for name in names {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let data = random_data(&mut rng, spec);
        write(&path, spec, &data);
        all.extend(data);
    }
    (folder, all)
}

fn write(path: &Path, spec: &ArraySpec, data: &[u8]) {
    let mut sink = create(path.to_str().unwrap(), spec, true).unwrap();
    write_tiles(&mut Rng(32), &mut *sink, spec, data).unwrap();
}

fn stack(folder: &tempfile::TempDir, pattern: &str, axes: Option<&str>) -> Result<Arc<dyn Source>> {
    let path = folder.path().join(pattern);
    open(path.to_str().unwrap(), &OpenOptions { axes: axes.map(str::to_string), ..OpenOptions::default() })
}

fn error(folder: &tempfile::TempDir, pattern: &str, axes: Option<&str>) -> String {
    stack(folder, pattern, axes).unwrap_err().to_string()
}

#[test]
fn a_glob_is_one_array_in_natural_order() {
    let spec = ArraySpec::unnamed(&[5, 7], DType::U16);
    let (files, data) = folder(&["a1.npy", "a2.npy", "a9.npy", "a10.npy", "a100.npy"], &spec);
    write(&files.path().join("b.npy"), &spec, &data[..70]);
    let source = stack(&files, "a*.npy", None).unwrap();
    assert_eq!(source.spec(), &ArraySpec::with_axes(&[5, 5, 7], DType::U16, "nyx"));
    assert_eq!(source.layout(), Layout::Direct { chunk: Some([1, 5, 7].into_iter().collect()) });
    check_boxes(&mut Rng(33), &*source, &data);
    assert_eq!(stack(&files, "a?.npy", None).unwrap().spec().shape[0], 3);
    assert_eq!(stack(&files, "a[19].npy", Some("zyx")).unwrap().spec().letters(), "zyx");
}

#[test]
fn a_folder_is_one_array() {
    let spec = ArraySpec::unnamed(&[4], DType::F64);
    let (files, data) = folder(&["in/1.npy", "in/2.npy", "in/3.npy"], &spec);
    std::fs::write(files.path().join("in/notes.txt"), "no image").unwrap();
    std::fs::write(files.path().join("in/.hidden.npy"), "no image").unwrap();
    for name in ["in", "in/"] {
        let source = stack(&files, name, None).unwrap();
        assert_eq!((&source.spec().shape[..], source.spec().letters()), (&[3, 4][..], "nx".to_string()));
        check_boxes(&mut Rng(34), &*source, &data);
    }
    std::fs::write(files.path().join("in/4.tif"), "no image").unwrap();
    assert!(error(&files, "in", None).contains("several formats"));
    assert!(error(&files, "", None).contains("without images"));
}

#[test]
fn scalars_and_volumes_stack_too() {
    let (files, data) = folder(&["1.npy", "2.npy"], &ArraySpec::scalar(DType::I32));
    let source = stack(&files, "*.npy", None).unwrap();
    assert_eq!(source.spec(), &ArraySpec::with_axes(&[2], DType::I32, "n"));
    check_boxes(&mut Rng(35), &*source, &data);
    let (files, data) = folder(&["1.npy", "2.npy"], &ArraySpec::unnamed(&[2, 3, 4, 2, 3], DType::U8));
    check_boxes(&mut Rng(36), &*stack(&files, "*.npy", None).unwrap(), &data);
    let (files, _) = folder(&["1.npy", "2.npy"], &ArraySpec::unnamed(&[1, 1, 1, 1, 1, 1], DType::U8));
    assert!(error(&files, "*.npy", None).contains("6 axes"));
}

#[test]
fn names_tell_axes_when_asked() {
    let names = ["a_t0_cRFP_z3.npy", "a_t0_cRFP_z5.npy", "a_t0_cDAPI_z3.npy", "a_t0_cDAPI_z5.npy"];
    let spec = ArraySpec::unnamed(&[3, 2], DType::U8);
    let (files, data) = folder(&names, &spec);
    let source = stack(&files, "a_*.npy", Some("tczyx")).unwrap();
    assert_eq!(source.spec().letters(), "tczyx");
    assert_eq!(source.spec().shape[..], [1, 2, 2, 3, 2]);
    check_boxes(&mut Rng(37), &*source, &[&data[12..], &data[..12]].concat());
    let by_depth = stack(&files, "a_*.npy", Some("zctyx")).unwrap();
    let item = |i: usize| &data[i * 6..][..6];
    check_boxes(&mut Rng(38), &*by_depth, &[item(2), item(0), item(3), item(1)].concat());
    assert_eq!(source.spec().axes[1].labels, ["DAPI", "RFP"]);

    std::fs::remove_file(files.path().join(names[1])).unwrap();
    assert!(error(&files, "a_*.npy", Some("tczyx")).contains("a_t0_cRFP_z5.npy is missing"));
    assert!(error(&files, "a_*.npy", Some("nzyx")).contains("axis 'n'"));
    assert!(error(&files, "a_*.npy", Some("zyx")).contains("same place"));
    assert!(error(&files, "a_*.npy", Some("yx")).contains("nyx"));
    assert!(error(&files, "a_*.npy", Some("xyx")).contains("twice"));
}

#[test]
fn letters_that_names_lack_are_plain_order() {
    let spec = ArraySpec::unnamed(&[3, 2], DType::U8);
    let (files, data) = folder(&["1.npy", "2.npy", "10.npy"], &spec);
    let source = stack(&files, "*.npy", Some("tyx")).unwrap();
    assert_eq!(source.spec().letters(), "tyx");
    check_boxes(&mut Rng(39), &*source, &data);
}

#[test]
fn files_that_differ_are_named() {
    let spec = ArraySpec::unnamed(&[3, 2], DType::U8);
    let (files, _) = folder(&["1.npy", "2.npy", "3.npy"], &spec);
    write(&files.path().join("2.npy"), &ArraySpec::unnamed(&[3, 3], DType::U8), &[0; 9]);
    let text = error(&files, "*.npy", None);
    assert!(text.contains("2.npy: is 3 x 3 uint8 (yx)") && text.contains("1.npy, is 3 x 2"), "{text}");
    write(&files.path().join("2.npy"), &ArraySpec::unnamed(&[3, 2], DType::I8), &[0; 6]);
    assert!(error(&files, "*.npy", None).contains("int8"));
    std::fs::write(files.path().join("2.npy"), "").unwrap();
    assert!(error(&files, "*.npy", None).ends_with("2.npy: is empty"));
    assert!(error(&files, "*.tif", None).ends_with("no file matches"));
    assert!(error(&files, "[.npy", None).contains("no pattern"));
}

#[test]
fn files_are_opened_when_read_and_may_have_gone() {
    let spec = ArraySpec::unnamed(&[3, 2], DType::U8);
    let (files, data) = folder(&["1.npy", "2.npy", "3.npy"], &spec);
    let source = stack(&files, "*.npy", None).unwrap();
    std::fs::remove_file(files.path().join("2.npy")).unwrap();
    let read = |start: u64| read_box(&*source, ACCESSES[0], &Region::new(&[start, 0, 0], &[1, 3, 2]));
    assert_eq!(read(0).unwrap(), data[..6]);
    assert!(read(1).unwrap_err().to_string().ends_with("2.npy: no such file"));
    write(&files.path().join("2.npy"), &ArraySpec::unnamed(&[3, 1], DType::U8), &[0; 3]);
    assert!(read(1).unwrap_err().to_string().contains("2.npy: is 3 x 1"));
    assert_eq!(read(2).unwrap(), data[12..]);
}

#[test]
fn more_files_than_stay_open() {
    let names: Vec<String> = (0..40).map(|i| format!("{i}.npy")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (files, data) = folder(&names, &ArraySpec::unnamed(&[2, 3], DType::U16));
    check_boxes(&mut Rng(40), &*stack(&files, "*.npy", None).unwrap(), &data);
}

#[test]
fn raw_files_stack_with_their_description() {
    let (files, data) = folder(&["1.npy", "2.npy"], &ArraySpec::unnamed(&[2, 3], DType::U16));
    for i in 0..2 {
        std::fs::write(files.path().join(format!("{i}.raw")), &data[i * 12..][..12]).unwrap();
    }
    let path = format!("raw:{}/*.raw?shape=2,3&dtype=uint16", files.path().display());
    let source = open(&path, &OpenOptions::default()).unwrap();
    assert_eq!(source.spec(), &ArraySpec::with_axes(&[2, 2, 3], DType::U16, "nyx"));
    check_boxes(&mut Rng(41), &*source, &data);
}

#[test]
fn an_output_is_never_one_of_the_files() {
    let (files, _) = folder(&["1.npy", "2.npy"], &ArraySpec::unnamed(&[2, 3], DType::U16));
    let input = tilewise::open(files.path().join("*.npy").to_str().unwrap()).unwrap();
    let save = |name: &str| Run::new().save(&input, files.path().join(name), true).unwrap().run();
    assert!(save("2.npy").unwrap_err().to_string().contains("also an input"));
    save("3.npy").unwrap();
}

#[cfg(feature = "image")]
mod photographs {
    use super::*;

    fn photographs(count: usize) -> (tempfile::TempDir, Vec<u8>, ArraySpec) {
        let names: Vec<PathBuf> = (0..count).map(|i| format!("cell_{i}.png").into()).collect();
        let names: Vec<&str> = names.iter().filter_map(|n| n.to_str()).collect();
        let spec = ArraySpec::with_axes(&[16, 12, 3], DType::U8, "yxc");
        let (files, data) = folder(&names, &spec);
        (files, data, spec)
    }

    #[test]
    fn colour_stays_last() {
        let (files, data, spec) = photographs(12);
        let source = stack(&files, "*.png", None).unwrap();
        assert_eq!(source.spec(), &ArraySpec::with_axes(&[12, 16, 12, 3], DType::U8, "nyxc"));
        let Layout::Chunked { chunk } = source.layout() else { panic!("{source:?}") };
        assert_eq!((chunk[0], &chunk[2..]), (1, &spec.shape[1..]));
        let out = files.path().join("out.npy");
        let input = tilewise::open(files.path().join("*.png").to_str().unwrap()).unwrap();
        Run::new().save(&input, &out, false).unwrap().run().unwrap();
        check_boxes(&mut Rng(42), &*open_plain(&out).unwrap(), &data);
    }

    #[test]
    fn hundreds_open_at_once_and_cost_what_one_costs() {
        let (files, _, _) = photographs(844);
        let start = std::time::Instant::now();
        let many = stack(&files, "*.png", None).unwrap();
        assert!(start.elapsed().as_secs_f64() < 1.0, "{:?}", start.elapsed());
        let few = stack(&files, "cell_1.png*", None).unwrap();
        let (many, few) = (many.bill(ACCESSES[0]), few.bill(ACCESSES[0]));
        assert_eq!(many.per_reader, few.per_reader);
        assert!(many.shared < 844 * 20, "{many:?}");
    }
}
