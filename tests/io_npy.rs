//! `.npy` and raw files: everything we write is read back, and what others write is read right.

mod io_common;

use io_common::*;
use tilewise::array::{ArraySpec, DType, Region, View};
use tilewise::io::{OpenOptions, create, open};

#[test]
fn every_dtype_and_rank_round_trips() {
    let folder = tempfile::tempdir().unwrap();
    let mut rng = Rng(1);
    for dtype in DType::ALL {
        for rank in 0..=6 {
            let spec = ArraySpec::unnamed(&random_shape(&mut rng, rank), dtype);
            let data = random_data(&mut rng, &spec);
            let path = folder.path().join("a.npy");
            let mut sink = create(path.to_str().unwrap(), &spec, true).unwrap();
            write_tiles(&mut rng, &mut *sink, &spec, &data).unwrap();
            let source = open_plain(&path).unwrap();
            assert_eq!(source.spec(), &spec);
            check_boxes(&mut rng, &*source, &data);
        }
    }
    assert_eq!(files_in(folder.path()), ["a.npy"]);
}

/// The bytes of one element of the array at any index, in the order that a header announces.
fn npy(version: u8, descr: &str, fortran: bool, shape: &[u64], element: impl Fn(u64) -> Vec<u8>) -> Vec<u8> {
    let mut dims: String = shape.iter().map(|n| format!("{n}, ")).collect();
    if shape.len() > 1 {
        dims.truncate(dims.len() - 2);
    }
    let order = if fortran { "True" } else { "False" };
    let dict = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({dims}), }}\n");
    let mut bytes = vec![0x93, b'N', b'U', b'M', b'P', b'Y', version, 0];
    match version {
        1 => bytes.extend((dict.len() as u16).to_le_bytes()),
        _ => bytes.extend((dict.len() as u32).to_le_bytes()),
    }
    bytes.extend(dict.bytes());
    let ones = vec![1; shape.len()];
    let reversed: Vec<u64> = shape.iter().rev().copied().collect();
    for i in 0..shape.iter().product() {
        let flat = if fortran {
            let index = Region::tile(&reversed, &ones, i).start;
            index.iter().rev().zip(shape).fold(0, |sum, (i, n)| sum * n + i)
        } else {
            i
        };
        bytes.extend(element(flat));
    }
    bytes
}

#[test]
fn foreign_orders_and_versions_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let mut rng = Rng(2);
    for (version, order, fortran) in [(1, '<', true), (2, '>', false), (3, '>', true), (1, '>', true)] {
        for shape in [&[5u64, 7][..], &[40, 3, 33], &[2, 3, 4, 5], &[6], &[3, 1, 1, 4, 1, 2]] {
            let float = |i: u64| i as f32 / 3.0 - 9.0;
            let element = |i| {
                let bytes = float(i).to_le_bytes();
                if order == '>' { bytes.into_iter().rev().collect() } else { bytes.to_vec() }
            };
            std::fs::write(&path, npy(version, &format!("{order}f4"), fortran, shape, element)).unwrap();
            let source = open_plain(&path).unwrap();
            assert_eq!(source.spec(), &ArraySpec::unnamed(shape, DType::F32));
            let data: Vec<u8> = (0..source.spec().elements()).flat_map(|i| float(i).to_ne_bytes()).collect();
            check_boxes(&mut rng, &*source, &data);
        }
    }
}

#[test]
fn halves_are_read_as_float32() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let bits = |i: u64| (i * 37 % 0x7C00) as u16 | if i % 2 == 1 { 0x8000 } else { 0 };
    let value = |bits: u16| {
        let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 0x3FF) / 1024.0);
        let size = if exponent == 0 { fraction * 2f32.powi(-14) } else { (1.0 + fraction) * 2f32.powi(exponent - 15) };
        if bits < 0x8000 { size } else { -size }
    };
    for (descr, big, fortran) in [("<f2", false, false), (">f2", true, true)] {
        for shape in [&[61u64, 1031][..], &[5, 2, 7], &[70_000]] {
            let element = |i| if big { bits(i).to_be_bytes() } else { bits(i).to_le_bytes() }.to_vec();
            std::fs::write(&path, npy(1, descr, fortran, shape, element)).unwrap();
            let source = open_plain(&path).unwrap();
            assert_eq!(source.spec(), &ArraySpec::unnamed(shape, DType::F32));
            let data: Vec<u8> = (0..source.spec().elements()).flat_map(|i| value(bits(i)).to_ne_bytes()).collect();
            check_boxes(&mut Rng(3), &*source, &data);
        }
    }
}

#[test]
fn large_fortran_arrays_are_turned_in_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let shape = [301u64, 2, 517];
    std::fs::write(&path, npy(1, "<u2", true, &shape, |i| (i as u16).to_le_bytes().to_vec())).unwrap();
    let source = open_plain(&path).unwrap();
    let data: Vec<u8> = (0..source.spec().elements()).flat_map(|i| (i as u16).to_ne_bytes()).collect();
    check_boxes(&mut Rng(3), &*source, &data);
}

#[test]
fn truth_values_become_zero_and_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    std::fs::write(&path, npy(1, "|b1", false, &[4], |i| vec![[0, 1, 2, 255][i as usize]])).unwrap();
    let source = open_plain(&path).unwrap();
    for access in ACCESSES {
        assert_eq!(read_box(&*source, access, &Region::whole(&[4])).unwrap(), [0, 1, 1, 1]);
    }
}

#[test]
fn hostile_headers_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let bytes = npy(1, "<u2", false, &[3, 4], |i| vec![i as u8, 0]);
    hostile(&path, &bytes, bytes.len());
    for shape in ["(4294967296, 4294967296, 4294967296)", "(9223372036854775807,)", "(0, 18446744073709551615)"] {
        let dict = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((dict.len() as u16).to_le_bytes());
        bytes.extend(dict.bytes());
        assert!(try_everything(&path, &bytes).is_some(), "{shape}");
    }
    let e = try_everything(&path, &npy(1, "<u2", false, &[3, 4], |_| vec![0])).unwrap().to_string();
    assert!(e.contains("truncated") && e.contains("3 x 4") && e.contains("it has"), "{e}");
    assert!(try_everything(&path, b"\x93NUMPY\x02\x00\xff\xff\xff\xff{").is_some());
    assert!(try_everything(&path, b"\x93NUMPY\x04\x00\x01\x00{").unwrap().to_string().contains("version 4"));
}

#[test]
fn empty_arrays_are_read_and_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let spec = ArraySpec::unnamed(&[3, 0, 2], DType::F64);
    let mut sink = create(path.to_str().unwrap(), &spec, false).unwrap();
    sink.begin().unwrap();
    sink.commit().unwrap();
    let source = open_plain(&path).unwrap();
    assert_eq!(source.spec(), &spec);
    assert_eq!(read_box(&*source, ACCESSES[0], &Region::whole(&[3, 0, 2])).unwrap(), [0u8; 0]);
}

#[test]
fn an_aborted_or_dropped_output_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let spec = ArraySpec::unnamed(&[3, 4], DType::U8);
    for (name, abort) in [("a.npy", true), ("b.npy", false), ("c.tif", true), ("d.png", false), ("e.tif", false)] {
        if !cfg!(feature = "tiff") && name.ends_with("tif") || !cfg!(feature = "image") && name.ends_with("png") {
            continue;
        }
        let mut sink = create(folder.path().join(name).to_str().unwrap(), &spec, false).unwrap();
        sink.begin().unwrap();
        sink.write(&Region::new(&[0, 0], &[1, 4]), View::new(DType::U8, &[1, 4], &[1, 2, 3, 4])).unwrap();
        if abort {
            sink.abort();
        }
        drop(sink);
        assert!(files_in(folder.path()).is_empty(), "{name}");
    }
}

#[test]
fn raw_files_go_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bin");
    let path = path.to_str().unwrap();
    let mut rng = Rng(4);
    let spec = ArraySpec::unnamed(&[5, 6, 7], DType::I32);
    let data = random_data(&mut rng, &spec);
    let mut sink = create(&format!("raw:{path}"), &spec, false).unwrap();
    write_tiles(&mut rng, &mut *sink, &spec, &data).unwrap();
    assert_eq!(std::fs::read(path).unwrap(), data);
    let open = |text: &str| open(&format!("raw:{path}?{text}"), &OpenOptions::default());
    let source = open("shape=5,6,7&dtype=int32&axes=tyx").unwrap();
    assert_eq!((source.spec().letters(), source.spec().named), ("tyx".into(), true));
    check_boxes(&mut rng, &*source, &data);
    let tail = open("shape=29,7&dtype=int32&offset=28").unwrap();
    check_boxes(&mut rng, &*tail, &data[28..]);
    let big: Vec<u8> = data.chunks(4).flat_map(|e| e.iter().rev().copied().collect::<Vec<_>>()).collect();
    check_boxes(&mut rng, &*open("shape=5,6,7&dtype=int32&endian=big").unwrap(), &big);
    let e = open("shape=5,6,8&dtype=int32").unwrap_err().to_string();
    assert!(e.contains("960 bytes") && e.contains("840"), "{e}");
    assert!(create(&format!("raw:{path}"), &spec, false).unwrap_err().to_string().contains("--overwrite"));
}
