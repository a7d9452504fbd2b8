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
        ("mean(input, labels=input[0:2])", "do not go together"),
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

#[test]
fn functions_of_ones_own_see_all_values_in_order() {
    for seed in 0..20 {
        let mut random = Random(seed * 7 + 3);
        let (labels, image, own) = random_image(&mut random);
        let Value::Array(values) = value(&image, Run::new()).unwrap() else { panic!() };
        let values: &[f32] = bytemuck::cast_slice(values.data.bytes());
        let index = [70_001i64, -140_002, 0, 5];
        let spread = |values: &mut tilewise::Values<'_>| {
            let pixels = values.pixels() as f64;
            let (mut last, mut sum, mut count) = (f64::NEG_INFINITY, 0.0, 0);
            for (value, n) in values {
                assert!(value > last);
                (last, sum, count) = (value, sum + value.powi(3) * n as f64, count + n);
            }
            assert_eq!(count as f64, pixels);
            sum / pixels
        };
        let found = tilewise::labeled_comprehension(&image, &labels, index, -9.0, spread).unwrap();
        let got = numbers(&found, tiled(&mut random, image.shape().unwrap().len()));
        for (label, got) in index.iter().zip(&got) {
            let all = values.iter().zip(&own).filter(|(_, l)| i64::from(**l) == *label).map(|(v, _)| f64::from(*v));
            let all: Vec<f64> = all.collect();
            let wanted =
                if all.is_empty() { -9.0 } else { all.iter().map(|v| v.powi(3)).sum::<f64>() / all.len() as f64 };
            assert!((got - wanted).abs() < 1e-12, "{label}: {got}, {wanted}");
        }
        assert_eq!(got, numbers(&found, Run::new().threads(1)));
        // A function that looks at nothing, for every label in a table.
        let first = |values: &mut tilewise::Values<'_>| values.next().map_or(f64::NAN, |(value, _)| value);
        let least = tilewise::labeled_comprehension(&image, &labels, "all", 0.0, first).unwrap();
        let minimum = graph_of("minimum", &image, &labels);
        let columns_of = |array: &Array| columns(&table(array, Run::new()));
        assert_eq!(columns_of(&least)[1].1, columns_of(&minimum)[1].1);
    }
    let wrong = tilewise::labeled_comprehension(
        &Array::constant(tilewise::array::Scalar::of(1.0)),
        &Array::constant(tilewise::array::Scalar::of(1)),
        1,
        0.0,
        |_| 0.0,
    );
    assert!(wrong.is_err());
}

/// That measurement of every label.
fn graph_of(op: &str, image: &Array, labels: &Array) -> Array {
    image.call(op, [], [("labels", Arg::Array(labels.clone())), ("index", "all".into())]).unwrap()
}

#[test]
fn labels_are_repeated_along_axes_that_they_lack() {
    let spec = ArraySpec::unnamed(&[3, 2, 4], DType::U16);
    let image = memory(spec, &(0..24).map(|v: u16| v * v % 31).collect::<Vec<u16>>());
    let flat = memory(ArraySpec::unnamed(&[2, 4], DType::U8), &[1u8, 1, 2, 0, 0, 2, 2, 3]);
    let row = memory(ArraySpec::unnamed(&[3, 1, 1], DType::I16), &[-1i16, 4, 4]);
    let deep = |of: fn(usize) -> i16| {
        memory(ArraySpec::unnamed(&[3, 2, 4], DType::I16), &(0..24).map(of).collect::<Vec<i16>>())
    };
    let repeated = deep(|i| [1, 1, 2, 0, 0, 2, 2, 3][i % 8]);
    let slices = deep(|i| [-1, 4, 4][i / 8]);
    for (few, all) in [(&flat, &repeated), (&row, &slices)] {
        for op in ["sum_labels", "median", "maximum_position", "center_of_mass", "standard_deviation"] {
            let result = |labels: &Array| {
                let index = vec![-1i64, 1, 2, 4];
                let array =
                    image.call(op, [], [("labels", Arg::Array(labels.clone())), ("index", index.into())]).unwrap();
                numbers(&array, Run::new().tile(&[2, 1, 3]).threads(2))
            };
            let bits = |values: Vec<f64>| values.into_iter().map(f64::to_bits).collect::<Vec<_>>();
            assert_eq!(bits(result(few)), bits(result(all)), "{op}");
        }
        let areas = |labels: &Array| {
            let index = vec![-1i64, 1, 2, 4];
            numbers(&image.call("area", [labels.into(), index.into()], []).unwrap(), Run::new().tile(&[1, 2, 3]))
        };
        assert_eq!(areas(few), areas(all));
    }
    let long = memory(ArraySpec::unnamed(&[5], DType::U8), &[1u8; 5]);
    let wrong = image.call("sum_labels", [Arg::Array(long)], []).unwrap_err().to_string();
    assert!(wrong.contains("[5]"), "{wrong}");
}

/// More histograms than workers can hold each are counted from whole columns: the same as part by part.
#[test]
fn large_sets_of_histograms_are_those_of_their_parts() {
    let mut random = Random(77);
    let shape = [7u64, 310, 290];
    let values: Vec<i16> = (0..shape.iter().product()).map(|_| random.below(900) as i16 - 300).collect();
    let image = memory(ArraySpec::unnamed(&shape, DType::I16), &values);
    let least = values.iter().min().unwrap();
    let most = values.iter().max().unwrap();
    for (bins, range) in [(9, "[-250, 400.5]".to_string()), (8, "none".to_string())] {
        let all = graph(&format!("histogram(input, bins={bins}, range={range}, axis=0)"), &image).unwrap();
        assert!(all.array_spec().unwrap().bytes() > 4 << 20);
        let whole = common::run(&all, Run::new().threads(2).memory_limit(64 << 20)).unwrap();
        let tiled = common::run(&all, Run::new().threads(3).tile(&[71, 290, 3])).unwrap();
        assert!(whole.bytes == tiled.bytes, "{bins}");
        // Small enough for a sweep with all counts at hand; the range of the whole is given.
        let range = if range == "none" { format!("[{least}, {most}]") } else { range };
        let part = format!("histogram(input[:, 100:160], bins={bins}, range={range}, axis=0)");
        let part = common::run(&graph(&part, &image).unwrap(), Run::new()).unwrap();
        let row = 290 * bins * 8;
        assert!(whole.bytes[100 * row..160 * row] == part.bytes[..], "{bins}");
        let edges = |array: &Array| numbers(&array.output("bin_edges").unwrap(), Run::new());
        let wanted = graph(&format!("histogram(input, bins={bins}, range={range})"), &image).unwrap();
        assert_eq!(edges(&all), edges(&wanted));
    }
    assert!(graph("histogram(input, bins=9, axis=0).table", &image).is_err());
}
