//! Equal to scipy and scikit-image: goldens made by the scripts in `scripts/`, a folder per family, run through language, planner and executor.

mod common;

use common::{Computed, Random};
use serde_json::Value as Json;
use std::path::PathBuf;
use std::sync::Arc;
use tilewise::array::DType;
use tilewise::graph::Array;
use tilewise::io::{OpenOptions, open};
use tilewise::{Run, array};

/// One folder of goldens: its cases, and the expected results one after the other.
struct Goldens {
    folder: PathBuf,
    cases: Vec<Json>,
    expected: Vec<u8>,
}

fn load(family: &str) -> Goldens {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(family);
    let manifest: Json = serde_json::from_slice(&std::fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    let files = manifest["expected"].as_array().unwrap();
    let expected = files.iter().flat_map(|f| std::fs::read(folder.join(f.as_str().unwrap())).unwrap()).collect();
    Goldens { folder, cases: manifest["cases"].as_array().unwrap().clone(), expected }
}

/// The families, which are the folders of `tests/golden`.
fn families() -> Vec<String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let names = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn every_golden_is_met() {
    let mut random = Random(1);
    let mut wrong = Vec::new();
    let mut count = 0;
    for family in families() {
        let goldens = load(&family);
        count += goldens.cases.len();
        for case in &goldens.cases {
            if let Err(what) = check(&goldens, case, &mut random) {
                wrong.push(format!("{family}/{} `{}` on {}: {what}", case["name"], case["pipeline"], case["input"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn check(goldens: &Goldens, case: &Json, random: &mut Random) -> Result<(), String> {
    let input = goldens.folder.join(case["input"].as_str().unwrap());
    let options = OpenOptions { axes: case["axes"].as_str().map(str::to_string), ..OpenOptions::default() };
    let source = open(input.to_str().unwrap(), &options).map_err(|e| e.to_string())?;
    let input = Array::source(source);
    let array = common::graph(case["pipeline"].as_str().unwrap(), &input).map_err(|e| e.to_string())?;
    let rank = array.shape().map_or(0, |s| s.len());
    let tile: Vec<u64> = (0..rank).map(|_| 1 + random.below(9)).collect();
    let mut run = Run::new().memory_limit(256 << 20).threads(1 + random.below(3) as usize);
    if random.below(2) == 0 {
        run = run.tile(&tile);
    }
    let got = common::run(&array, run).map_err(|e| e.to_string())?;
    compare(case, &goldens.expected, &got)
}

fn compare(case: &Json, expected: &[u8], got: &Computed) -> Result<(), String> {
    let dtype = DType::from_name(case["dtype"].as_str().unwrap()).unwrap();
    let shape: Vec<u64> = case["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
    if got.spec.shape[..] != shape[..] {
        return Err(format!("shape {:?}, expected {shape:?}", got.spec.shape));
    }
    let value_only = case["value_only"] == true;
    if got.spec.dtype != dtype && !value_only {
        return Err(format!("dtype {}, expected {dtype}", got.spec.dtype));
    }
    let offset = case["offset"].as_u64().unwrap() as usize;
    let len = array::elements(&shape) as usize * dtype.size();
    let spec = tilewise::array::ArraySpec::unnamed(&shape, dtype);
    let wanted = Computed { spec, bytes: expected[offset..offset + len].to_vec() };
    if dtype.is_integer() && got.spec.dtype == dtype {
        return if wanted.bytes == got.bytes { Ok(()) } else { Err(difference(&wanted.values(), &got.values(), 0.0)) };
    }
    let (wanted, got) = (wanted.values(), got.values());
    let largest = wanted.iter().filter(|v| v.is_finite()).fold(0.0f64, |m, v| m.max(v.abs()));
    let allowed = case["check"]["rel"].as_f64().unwrap_or(0.0) * largest;
    let near = |w: f64, g: f64| w == g || (w.is_nan() && g.is_nan()) || (w - g).abs() <= allowed;
    let all = wanted.iter().zip(&got).all(|(&w, &g)| near(w, g));
    if all { Ok(()) } else { Err(difference(&wanted, &got, allowed)) }
}

fn difference(wanted: &[f64], got: &[f64], allowed: f64) -> String {
    let off = wanted.iter().zip(got).map(|(w, g)| (w - g).abs()).enumerate();
    let at = off.max_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(i, _)| i);
    format!("element {at} is {}, expected {} ± {allowed:.1e}", got[at], wanted[at])
}

#[test]
fn a_wrong_result_would_be_noticed() {
    let goldens = load("core");
    let case = &goldens.cases[0];
    let path = goldens.folder.join(case["input"].as_str().unwrap());
    let source = open(path.to_str().unwrap(), &OpenOptions::default()).unwrap();
    let input = Array::source(Arc::clone(&source));
    let wrong = common::graph("gaussian_filter(1.4)", &input).unwrap();
    let got = common::run(&wrong, Run::new()).unwrap();
    assert_eq!(case["pipeline"], "gaussian_filter(1.5)");
    assert!(compare(case, &goldens.expected, &got).is_err());
}
