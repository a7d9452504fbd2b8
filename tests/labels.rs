//! Measurements by label as tables, and label images changed label by label: the same however the image is tiled, right
//! where there are more labels than memory, and refused where they make no sense.

mod common;

use common::{Random, graph};
use std::sync::Arc;
use tilewise::array::{ArraySpec, DType, Spec};
use tilewise::graph::{Array, MemArray, Table, Value};
use tilewise::io::chunked::AlignedSink;
use tilewise::ops::Arg;
use tilewise::{Result, Run};

fn memory<T: bytemuck::Pod>(spec: ArraySpec, values: &[T]) -> Array {
    let mut array = MemArray::zeros(spec).unwrap();
    array.data.bytes_mut().copy_from_slice(bytemuck::cast_slice(values));
    Array::value(Value::Array(Arc::new(array)))
}

fn value(array: &Array, run: Run<'_>) -> Result<Value> {
    Ok(run.scratch_dir(std::env::temp_dir()).value(array).run()?.values.remove(0).unwrap())
}

fn table(array: &Array, run: Run<'_>) -> Arc<Table> {
    match value(array, run) {
        Ok(Value::Table(table)) => table,
        other => panic!("no table but {other:?}"),
    }
}

fn numbers(array: &Array, run: Run<'_>) -> Vec<f64> {
    let Ok(Value::Array(array)) = value(array, run) else { panic!("no array") };
    let size = array.spec.dtype.size();
    let number = |b: &[u8]| tilewise::array::Scalar::from_bytes(array.spec.dtype, b).to_f64();
    array.data.bytes().chunks_exact(size).map(number).collect()
}

fn columns(table: &Table) -> Vec<(String, Vec<f64>)> {
    let column = |(at, c): (usize, &tilewise::array::Column)| {
        (c.name.clone(), (0..table.rows).map(|row| table.get(at, row).unwrap().to_f64()).collect())
    };
    table.spec.columns.iter().enumerate().map(column).collect()
}

/// Labels that are not in one piece, some of them negative, and values with ties.
fn random_image(random: &mut Random) -> (Array, Array, Vec<i32>) {
    let rank = 1 + random.below(4) as usize;
    let shape: Vec<u64> = (0..rank).map(|_| 1 + random.below([150, 40, 12, 7][rank - 1])).collect();
    let n = shape.iter().product::<u64>();
    let kinds = 1 + random.below(30);
    let labels: Vec<i32> = (0..n).map(|_| (random.below(kinds) as i32 - 2) * 70_001).collect();
    let values: Vec<f32> = (0..n).map(|_| random.below(9) as f32 * 0.1 - 0.3).collect();
    let image = memory(ArraySpec::unnamed(&shape, DType::F32), &values);
    (memory(ArraySpec::unnamed(&shape, DType::I32), &labels), image, labels)
}

fn tiled(random: &mut Random, rank: usize) -> Run<'static> {
    let tile: Vec<u64> = (0..rank).map(|_| 1 + random.below(9)).collect();
    Run::new().memory_limit(64 << 20).threads(1 + random.below(3) as usize).tile(&tile)
}

fn call(image: &Array, op: &str, labels: &Array, index: Arg) -> Array {
    let by = [("labels", Arg::Array(labels.clone())), ("index", index)];
    let by: Vec<(&str, Arg)> = if op == "histogram" {
        by.into_iter().chain([("bins", Arg::Int(4)), ("range", vec![-0.2, 0.4].into())]).collect()
    } else {
        by.into_iter().collect()
    };
    image.call(op, [], by).unwrap()
}

#[test]
fn tables_hold_what_lists_give_however_the_image_is_tiled() {
    let ops = [
        "sum",
        "mean",
        "var",
        "min",
        "maximum",
        "median",
        "minimum_position",
        "extrema",
        "center_of_mass",
        "histogram",
    ];
    for seed in 0..80 {
        let mut random = Random(seed * 57 + 5);
        let (labels, image, all) = random_image(&mut random);
        let mut own: Vec<i32> = all.iter().copied().filter(|&l| l > 0).collect();
        own.sort_unstable();
        own.dedup();
        let op = ops[seed as usize % ops.len()];
        let rank = labels.shape().unwrap().len();
        let got = columns(&table(&call(&image, op, &labels, "all".into()), tiled(&mut random, rank)));
        assert_eq!(got[0].0, "label");
        assert_eq!(got[0].1, own.iter().map(|&l| f64::from(l)).collect::<Vec<f64>>(), "{op}");
        if own.is_empty() {
            continue;
        }
        // Listed in another order.
        own.reverse();
        let listed = call(&image, op, &labels, own.clone().into());
        let mut at = 1;
        let ports: Vec<Array> = match listed.node().ports {
            [] => vec![listed],
            ports => ports.iter().map(|port| listed.output(port).unwrap()).collect(),
        };
        for port in ports {
            let run = tiled(&mut random, rank);
            let port = numbers(&port, run);
            let each = port.len() / own.len();
            for part in 0..each {
                let listed: Vec<f64> = (0..own.len()).rev().map(|row| port[row * each + part]).collect();
                let bits = |v: &[f64]| v.iter().map(|v| v.to_bits()).collect::<Vec<u64>>();
                assert_eq!(bits(&got[at].1), bits(&listed), "{op} {}", got[at].0);
                at += 1;
            }
        }
        assert_eq!(at, got.len());
    }
}

#[test]
fn boxes_are_those_of_measure() {
    for seed in 0..20 {
        let mut random = Random(seed * 3 + 11);
        let (labels, ..) = random_image(&mut random);
        let rank = labels.shape().unwrap().len();
        let boxes = table(&graph("find_objects(input)", &labels).unwrap(), tiled(&mut random, rank));
        let measured = table(&graph("measure(input, properties=\"bbox\")", &labels).unwrap(), Run::new());
        let (boxes, measured) = (columns(&boxes), columns(&measured));
        assert_eq!(boxes.iter().map(|c| &c.1).collect::<Vec<_>>(), measured.iter().map(|c| &c.1).collect::<Vec<_>>());
        assert_eq!((boxes[1].0.as_str(), boxes[1 + rank].0.as_str()), ("start-0", "stop-0"));
        let few = table(&graph("find_objects(input, max_label=140002)", &labels).unwrap(), tiled(&mut random, rank));
        assert!(columns(&few)[0].1.iter().all(|&l| l <= 140_002.0));
    }
}

#[test]
fn maps_say_what_became_of_labels() {
    let labels = memory(ArraySpec::unnamed(&[6], DType::U16), &[9u16, 0, 4, 9, 700, 4]);
    let map = graph("relabel_sequential(input, offset=10).map", &labels).unwrap();
    let map = columns(&table(&map, Run::new()));
    assert_eq!(map, [("label".to_string(), vec![4.0, 9.0, 700.0]), ("number".to_string(), vec![10.0, 11.0, 12.0])]);
    let map = graph("join_segmentations(input, cast(input > 8, \"uint8\")).map", &labels).unwrap();
    let map = columns(&table(&map, Run::new()));
    let names: Vec<&str> = map.iter().map(|c| c.0.as_str()).collect();
    assert_eq!(names, ["label", "label_2", "number"]);
    assert_eq!(map[1].1, [0.0, 1.0, 1.0]);
}

fn image_of(array: &Array, run: Run<'_>) -> Vec<u32> {
    let (sink, collected) = AlignedSink::new(array.array_spec().unwrap().clone(), &[100, 2000]);
    run.scratch_dir(std::env::temp_dir()).sink(array, Box::new(sink)).run().unwrap();
    let bytes = std::mem::take(&mut collected.lock().unwrap().data);
    bytemuck::cast_slice(&bytes).to_vec()
}

/// 1.5 million labels, far apart in number; every third has two pixels.
fn many() -> (Array, Vec<u32>) {
    let n = 2000u64;
    let labels: Vec<u32> = (0..n * n)
        .map(|i| match i % 8 {
            0 => (i / 8 * 3) as u32 * 900 % 4_000_000_007u64 as u32 + 1,
            1 if i / 8 % 3 == 0 => (i / 8 * 3) as u32 * 900 % 4_000_000_007u64 as u32 + 1,
            3 => i as u32 * 2 + 2_000_000_000,
            5 if i % 16 == 5 => i as u32 * 2 + 2_000_000_000 - 4,
            _ => 0,
        })
        .collect();
    (memory(ArraySpec::unnamed(&[n, n], DType::U32), &labels), labels)
}

#[test]
fn a_million_labels_are_sorted_out_on_scratch() {
    let (array, labels) = many();
    let mut counts: std::collections::BTreeMap<u32, u32> = std::collections::BTreeMap::new();
    labels.iter().filter(|&&l| l > 0).for_each(|&l| *counts.entry(l).or_default() += 1);
    assert!(counts.len() > 900_000, "{}", counts.len());
    let run = || Run::new().memory_limit(64 << 20).threads(2);
    let small = graph("remove_small_objects(input, max_size=1)", &array).unwrap();
    let wanted: Vec<u32> = labels.iter().map(|l| if counts.get(l).is_some_and(|&n| n > 1) { *l } else { 0 }).collect();
    assert!(image_of(&small, run()) == wanted);
    let numbers: std::collections::HashMap<u32, u32> =
        counts.keys().enumerate().map(|(i, &l)| (l, i as u32 + 1)).collect();
    let sequential = graph("relabel_sequential(input)", &array).unwrap();
    let wanted: Vec<u32> = labels.iter().map(|l| numbers.get(l).copied().unwrap_or(0)).collect();
    assert!(image_of(&sequential, run()) == wanted);
    let medians = graph("median(input, labels=input, index=\"all\")", &array).unwrap();
    let got = table(&medians, run());
    assert_eq!(got.rows, counts.len() as u64);
    assert!(!got.is_in_memory());
    for (row, (&label, _)) in counts.iter().enumerate().step_by(7919) {
        assert_eq!(got.get(0, row as u64).unwrap().to_f64(), f64::from(label));
        assert_eq!(got.get(1, row as u64).unwrap().to_f64(), f64::from(label));
    }
}

#[test]
fn nan_comes_before_any_number() {
    let spec = |dtype| ArraySpec::unnamed(&[6], dtype);
    let image = memory(spec(DType::F32), &[1.0f32, f32::NAN, 3.0, -0.0, 0.0, f32::NAN]);
    let labels = memory(spec(DType::U8), &[1u8, 1, 1, 2, 2, 3]);
    let index = || Arg::from(vec![1, 2, 3, 4]);
    let got = |op: &str| numbers(&call(&image, op, &labels, index()), Run::new());
    assert_eq!(got("minimum_position"), [1.0, 3.0, 5.0, 0.0]);
    assert_eq!(got("maximum_position"), [1.0, 3.0, 5.0, 0.0]);
    for op in ["mean", "median", "max", "minimum", "sum_labels", "center_of_mass"] {
        let all = got(op);
        assert!(all[0].is_nan() && all[2].is_nan(), "{op}: {all:?}");
    }
    assert_eq!(got("median")[1], 0.0);
    assert!(got("median")[3].is_nan() && got("mean")[3].is_nan());
    assert_eq!((got("max")[3], got("sum")[3]), (0.0, 0.0));
}

#[test]
fn what_makes_no_sense_is_said() {
    let image = memory(ArraySpec::unnamed(&[4, 5], DType::I16), &[-3i16; 20]);
    let refused = |text: &str| match graph(text, &image) {
        Err(error) => error.to_string(),
        Ok(array) => match array.spec() {
            Spec::Array(spec) if spec.rank() > 0 && array.node().inputs.len() > 1 => {
                let (sink, _) = AlignedSink::new(spec.clone(), &[4, 5]);
                Run::new().scratch_dir(std::env::temp_dir()).sink(&array, Box::new(sink)).run().unwrap_err().to_string()
            }
            _ => value(&array, Run::new()).unwrap_err().to_string(),
        },
    };
    for (text, what) in [
        ("mean(input, index=1)", "`index` needs `labels`"),
        ("mean(input, axis=0, labels=input)", "exclude each other"),
        ("maximum(input, 3, labels=input)", "exclude each other"),
        ("maximum(input)", "`x2`"),
        ("mean(input, labels=input * 0.5)", "must be integers"),
        ("mean(input, labels=input[0])", "has shape"),
        ("mean(input, labels=input, index=\"most\")", "\"all\""),
        ("mean(input, labels=input, index=[1, [2]])", "a list of them"),
        ("mean(input, labels=input, index=[])", "1 to"),
        ("mean(input, labels=input, index=max(input))", "known before the run"),
        ("min(input, labels=input)", "no label is above 0"),
        ("minimum_position(input, input)", "no label is above 0"),
        ("histogram(input, labels=input)", "range="),
        ("histogram(input, 9999, [0, 1], labels=input)", "1..=4096"),
        ("labeled_comprehension(input, input, 1, \"mode\")", "is one of"),
        ("labeled_comprehension(input, input, 1, \"mean\", pass_positions=true)", "pass_positions"),
        ("area(input, index=2)", "`index` needs `label_image`"),
        ("find_objects(input, max_label=-1)", "must not be negative"),
        ("remove_small_objects(input)", "there is a label -3"),
        ("keep_largest(input)", "there is a label -3"),
        ("clear_border(input)", "there is a label -3"),
        ("relabel_sequential(input)", "there is a label -3"),
        ("relabel_sequential(input, offset=0)", "at least 1"),
        ("relabel_sequential(input > 3)", "must be integers"),
        ("relabel_sequential(cast(input + 5, \"int8\"), offset=200)", "fit int8"),
        ("clear_border(cast(input, \"uint8\"), bgval=300)", "cannot hold"),
        ("join_segmentations(input, input[0])", "has shape"),
        ("remove_small_objects(input * 0.5)", "not float32"),
        ("filter_labels(input, 3)", "text"),
        ("filter_labels(input, \"area\")", "is a number, not a condition"),
        ("filter_labels(input, \"aera > 3\")", "did you mean \"area\"?"),
        ("filter_labels(input, \"intensity_mean > 3\")", "needs `intensity`"),
        ("filter_labels(input, \"centroid > 3\")", "centroid-0, centroid-1"),
    ] {
        let got = refused(text);
        assert!(got.contains(what), "{text}: {got}");
    }
}
