//! TIFF: what we write is read back, and the variants that other programs write are read right.
#![cfg(feature = "tiff")]

mod io_common;

use io_common::*;
use tilewise::array::{ArraySpec, DType, Dims, Region, ViewMut, grid_len};
use tilewise::io::{CreateOptions, Layout, OpenOptions, Source, create, create_with, open};

/// A TIFF file to be put together byte by byte.
#[derive(Clone)]
struct Variant {
    little: bool,
    big: bool,
    pages: u64,
    height: u64,
    width: u64,
    samples: u64,
    size: u64,
    format: u64,
    tile: Option<(u64, u64)>,
    rows: u64,
    separate: bool,
    /// Chunks in reverse order, and pages apart from each other.
    scattered: bool,
    tags: Vec<(u16, u16, Vec<u64>)>,
}

impl Default for Variant {
    fn default() -> Self {
        Variant {
            little: true,
            big: false,
            pages: 1,
            height: 37,
            width: 29,
            samples: 1,
            size: 2,
            format: 1,
            tile: None,
            rows: 8,
            separate: false,
            scattered: false,
            tags: Vec::new(),
        }
    }
}

const SHORT: u16 = 3;
const LONG: u16 = 4;
const RATIONAL: u16 = 5;
const LONG8: u16 = 16;

impl Variant {
    fn number(&self, value: u64, size: u64) -> Vec<u8> {
        let bytes = value.to_le_bytes()[..size as usize].to_vec();
        if self.little { bytes } else { bytes.into_iter().rev().collect() }
    }

    fn value(&self, page: u64, y: u64, x: u64, c: u64) -> u64 {
        ((page * 1000 + y) * 1000 + x) * 7 + c * 3 + 1
    }

    /// The array in memory, on the axes page, (plane), y, x, (channel).
    fn data(&self) -> Vec<u8> {
        let mut data = Vec::new();
        let planes = if self.separate { self.samples } else { 1 };
        let channels = if self.separate { 1 } else { self.samples };
        for page in 0..self.pages {
            for plane in 0..planes {
                for y in 0..self.height {
                    for x in 0..self.width {
                        for c in 0..channels {
                            let value = self.value(page, y, x, plane + c);
                            data.extend_from_slice(&value.to_ne_bytes()[..self.size as usize]);
                        }
                    }
                }
            }
        }
        data
    }

    fn chunk(&self, page: u64, plane: u64, y0: u64, x0: u64, height: u64, width: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        for y in y0..y0 + height {
            for x in x0..x0 + width {
                for c in 0..if self.separate { 1 } else { self.samples } {
                    bytes.extend(self.number(self.value(page, y, x, plane + c), self.size));
                }
            }
        }
        bytes
    }

    fn chunks(&self, page: u64) -> Vec<Vec<u8>> {
        let mut chunks = Vec::new();
        for plane in 0..if self.separate { self.samples } else { 1 } {
            let (th, tw) = self.tile.unwrap_or((self.rows, self.width));
            for y in (0..self.height).step_by(th as usize) {
                for x in (0..self.width).step_by(tw as usize) {
                    let rows = if self.tile.is_some() { th } else { th.min(self.height - y) };
                    chunks.push(self.chunk(page, plane, y, x, rows, tw));
                }
            }
        }
        chunks
    }

    fn build(&self) -> Vec<u8> {
        let field = if self.big { 8 } else { 4 };
        let mut file = if self.little { b"II".to_vec() } else { b"MM".to_vec() };
        file.extend(self.number(if self.big { 43 } else { 42 }, 2));
        if self.big {
            file.extend(self.number(8, 2));
            file.extend(self.number(0, 2));
        }
        let mut link = file.len();
        file.extend(self.number(0, field));
        for page in 0..self.pages {
            if self.scattered && page % 3 == 1 {
                file.extend([0xEE; 10]);
            }
            let chunks = self.chunks(page);
            let mut offsets = vec![0; chunks.len()];
            let order: Vec<usize> =
                if self.scattered { (0..chunks.len()).rev().collect() } else { (0..chunks.len()).collect() };
            for i in order {
                offsets[i] = file.len() as u64;
                file.extend(&chunks[i]);
            }
            let counts = chunks.iter().map(|c| c.len() as u64).collect();
            link = self.directory(&mut file, link, offsets, counts);
        }
        file
    }

    fn directory(&self, file: &mut Vec<u8>, link: usize, offsets: Vec<u64>, counts: Vec<u64>) -> usize {
        let field = if self.big { 8 } else { 4 };
        let wide = if self.big { LONG8 } else { LONG };
        let mut tags = vec![
            (256, SHORT, vec![self.width]),
            (257, LONG, vec![self.height]),
            (258, SHORT, vec![self.size * 8; self.samples as usize]),
            (259, SHORT, vec![1]),
            (262, SHORT, vec![if self.samples == 3 { 2 } else { 1 }]),
            (277, SHORT, vec![self.samples]),
            (284, SHORT, vec![if self.separate { 2 } else { 1 }]),
            (339, SHORT, vec![self.format; self.samples as usize]),
        ];
        match self.tile {
            Some((h, w)) => {
                tags.extend([(322, SHORT, vec![w]), (323, SHORT, vec![h]), (324, wide, offsets), (325, wide, counts)]);
            }
            None => tags.extend([(273, wide, offsets), (278, SHORT, vec![self.rows]), (279, wide, counts)]),
        }
        for tag in &self.tags {
            tags.retain(|t| t.0 != tag.0);
            tags.push(tag.clone());
        }
        tags.sort();
        let mut table = self.number(tags.len() as u64, if self.big { 8 } else { 2 });
        for (tag, kind, values) in tags {
            let (size, per) = match kind {
                1 | 2 => (1, 1),
                SHORT => (2, 1),
                RATIONAL => (4, 2),
                LONG8 => (8, 1),
                _ => (4, 1),
            };
            table.extend(self.number(tag.into(), 2));
            table.extend(self.number(kind.into(), 2));
            table.extend(self.number(values.len() as u64 / per, field));
            let mut bytes: Vec<u8> = values.iter().flat_map(|&v| self.number(v, size)).collect();
            if bytes.len() as u64 > field {
                table.extend(self.number(file.len() as u64, field));
                file.extend(bytes);
            } else {
                bytes.resize(field as usize, 0);
                table.extend(bytes);
            }
        }
        let at = self.number(file.len() as u64, field);
        file[link..link + field as usize].copy_from_slice(&at);
        file.extend(table);
        let link = file.len();
        file.extend(self.number(0, field));
        link
    }
}

fn variants() -> Vec<Variant> {
    let plain = Variant::default();
    let mut list = vec![
        plain.clone(),
        Variant { rows: 37, ..plain.clone() },
        Variant { scattered: true, ..plain.clone() },
        Variant { tile: Some((16, 16)), ..plain.clone() },
        Variant { tile: Some((16, 32)), ..plain.clone() },
        Variant { tile: Some((16, 16)), scattered: true, samples: 3, size: 1, ..plain.clone() },
        Variant { samples: 3, size: 1, ..plain.clone() },
        Variant { samples: 4, size: 2, scattered: true, ..plain.clone() },
        Variant { samples: 2, separate: true, ..plain.clone() },
        Variant { samples: 3, separate: true, rows: 37, ..plain.clone() },
        Variant { pages: 5, ..plain.clone() },
        Variant { pages: 7, scattered: true, rows: 37, ..plain.clone() },
        Variant { pages: 7, scattered: true, tile: Some((16, 16)), ..plain.clone() },
        Variant { pages: 3, samples: 3, separate: true, scattered: true, ..plain.clone() },
        Variant { pages: 4, samples: 3, size: 1, ..plain.clone() },
        Variant { size: 8, format: 3, ..plain.clone() },
        Variant { size: 4, format: 2, ..plain.clone() },
    ];
    let other: Vec<Variant> = list
        .iter()
        .flat_map(|v| {
            [(false, false), (true, true), (false, true)].map(|(little, big)| Variant { little, big, ..v.clone() })
        })
        .collect();
    list.extend(other);
    list
}

fn expected_letters(v: &Variant) -> String {
    let page = match (v.samples, v.separate) {
        (1, _) => "yx",
        (_, true) => "cyx",
        (_, false) => "yxc",
    };
    format!("{}{page}", if v.pages > 1 { "z" } else { "" })
}

#[test]
fn what_other_programs_write_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tif");
    let mut rng = Rng(5);
    for v in variants() {
        std::fs::write(&path, v.build()).unwrap();
        let source = open_plain(&path).unwrap();
        let spec = source.spec();
        assert_eq!(spec.letters(), expected_letters(&v));
        assert_eq!(spec.named, v.samples > 1);
        let floats = spec.dtype.is_float();
        assert_eq!((spec.dtype.size() as u64, floats), (v.size, v.format == 3));
        let Layout::Direct { chunk } = source.layout() else { panic!() };
        let whole = v.pages == 1 && v.tile.is_none() && v.rows == v.height && !v.separate;
        assert_eq!(chunk.is_none(), whole);
        if let Some(chunk) = chunk {
            assert_eq!(chunk.len(), spec.rank());
        }
        check_boxes(&mut rng, &*source, &v.data());
    }
}

#[test]
fn every_dtype_round_trips() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tif");
    let mut rng = Rng(6);
    for dtype in DType::ALL {
        for letters in ["yx", "zyx", "yxc", "zyxc", "tyx", "tzyx", "tczyx", "ntczyx", "cyx"] {
            for named in [true, false] {
                let mut shape = random_shape(&mut rng, letters.len());
                if named && letters.ends_with('c') {
                    shape[letters.len() - 1] = 1 + rng.below(5);
                }
                let mut spec = ArraySpec::with_axes(&shape, dtype, letters);
                if !named {
                    spec = ArraySpec::unnamed(&shape, dtype);
                }
                let data = random_data(&mut rng, &spec);
                let mut sink = create(path.to_str().unwrap(), &spec, true).unwrap();
                write_tiles(&mut rng, &mut *sink, &spec, &data).unwrap();
                let source = open_plain(&path).unwrap();
                let (back, stored) = match dtype {
                    DType::Bool => (spec.with_dtype(DType::U8), data.iter().map(|b| b * 255).collect()),
                    _ => (spec.clone(), data),
                };
                assert_eq!((&back.shape, back.dtype), (&source.spec().shape, source.spec().dtype), "{letters}");
                assert_eq!(back.letters(), source.spec().letters());
                check_boxes(&mut rng, &*source, &stored);
            }
        }
    }
}

#[test]
fn pages_of_many_strips_and_sizes_round_trip() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tif");
    let mut spec = ArraySpec::with_axes(&[3, 700, 500], DType::U16, "zyx");
    spec.axes[1].size = Some(0.25);
    spec.axes[2].size = Some(325.0);
    spec.axes[1].unit = Some("micrometer".into());
    spec.axes[2].unit = Some("nanometer".into());
    let mut rng = Rng(7);
    let data = random_data(&mut rng, &spec);
    let mut sink = create(path.to_str().unwrap(), &spec, false).unwrap();
    assert!(sink.bill() < 2 << 20);
    write_tiles(&mut rng, &mut *sink, &spec, &data).unwrap();
    let source = open_plain(&path).unwrap();
    check_boxes(&mut rng, &*source, &data);
    let sizes: Vec<f64> = source.spec().axes.iter().filter_map(|a| a.size).collect();
    assert!((sizes[0] - 0.25).abs() < 1e-6 && (sizes[1] - 0.325).abs() < 1e-6, "{sizes:?}");
    assert_eq!(source.layout(), Layout::Direct { chunk: Some(Dims::from_iter([1, 131, 500])) });
    assert_eq!(source.bill(ACCESSES[0]).shared, 0);
}

#[test]
fn large_files_are_bigtiff() {
    let folder = tempfile::tempdir().unwrap();
    for (rows, format) in [(40_000, "TIFF"), (43_000, "BigTIFF")] {
        let path = folder.path().join(format!("{rows}.tif"));
        let spec = ArraySpec::unnamed(&[rows, 100_000], DType::U8);
        let mut sink = create(path.to_str().unwrap(), &spec, false).unwrap();
        if sink.begin().is_err() {
            continue; // a disk of less than 4 GiB
        }
        let last = tilewise::array::Region::new(&[rows - 1, 99_998], &[1, 2]);
        sink.write(&last, tilewise::array::View::new(DType::U8, &[1, 2], &[5, 6])).unwrap();
        sink.commit().unwrap();
        let source = open_plain(&path).unwrap();
        assert_eq!(source.facts().format, format);
        assert_eq!(read_box(&*source, ACCESSES[0], &last).unwrap(), [5, 6]);
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn thousands_of_pages_open_in_time_and_without_tables() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tif");
    let spec = ArraySpec::unnamed(&[20_000, 3, 4], DType::U8);
    let mut rng = Rng(8);
    let data = random_data(&mut rng, &spec);
    let mut sink = create(path.to_str().unwrap(), &spec, false).unwrap();
    sink.begin().unwrap();
    let whole = tilewise::array::Region::whole(&spec.shape);
    sink.write(&whole, tilewise::array::View::new(DType::U8, &spec.shape, &data)).unwrap();
    sink.commit().unwrap();
    let start = std::time::Instant::now();
    let source = open_plain(&path).unwrap();
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    assert_eq!((source.spec(), source.bill(ACCESSES[0]).shared), (&spec, 0));
    check_boxes(&mut rng, &*source, &data);
}

#[test]
fn what_is_not_read_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tif");
    let with = |tag: u16, kind: u16, values: &[u64]| Variant {
        tags: vec![(tag, kind, values.to_vec())],
        ..Variant::default()
    };
    let text = |t: &str| t.bytes().map(u64::from).collect::<Vec<_>>();
    let cases = [
        (with(259, SHORT, &[5]), "LZW data is corrupt"),
        (with(259, SHORT, &[8]), "deflate data is corrupt"),
        (with(259, SHORT, &[6]), "JPEG"),
        (with(259, SHORT, &[34712]), "34712"),
        (with(258, SHORT, &[1]), "stands for more than the 32 bytes"),
        (with(258, SHORT, &[12]), "12-bit"),
        (with(256, LONG, &[0]), "ImageWidth"),
        (with(257, LONG, &[u32::MAX.into()]), "strips"),
        (with(278, LONG, &[0]), "no rows"),
        (with(277, SHORT, &[0]), "0 channels"),
        (with(273, LONG, &[0; 5]), "at its very beginning"),
        (with(273, LONG, &[8, 8, 8]), "3 strips"),
        (with(273, LONG, &[100_000; 5]), "truncated"),
        (with(270, 2, &text("ImageJ=1.53\nimages=900\n\0")), "ImageJ"),
    ];
    for (variant, part) in cases {
        let e = try_everything(&path, &variant.build()).unwrap().to_string();
        assert!(e.contains(part), "{part}: {e}");
    }
    let two = [Variant::default(), Variant { height: 36, ..Variant::default() }].map(|v| v.build());
    // The second file's directory as the first one's next page.
    let mut both = two[0].clone();
    let (len, first) = (both.len(), u32::from_le_bytes(two[1][4..8].try_into().unwrap()));
    both.truncate(len - 4);
    both.extend((first + len as u32).to_le_bytes());
    both.extend(&two[1]);
    let e = try_everything(&path, &both).unwrap().to_string();
    assert!(e.contains("page 1 (36 x 29) and page 0 (37 x 29)"), "{e}");
}

#[test]
fn directories_in_a_circle_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = Variant { pages: 5, ..Variant::default() }.build();
    let len = bytes.len();
    let first: [u8; 4] = bytes[4..8].try_into().unwrap();
    bytes[len - 4..].copy_from_slice(&first);
    let e = try_everything(&folder.path().join("a.tif"), &bytes).unwrap().to_string();
    assert!(e.contains("circle"), "{e}");
}

#[test]
fn hostile_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tif");
    let small = Variant { height: 5, width: 4, rows: 2, pages: 2, ..Variant::default() };
    for variant in [small.clone(), Variant { big: true, little: false, samples: 3, ..small.clone() }] {
        let bytes = variant.build();
        hostile(&path, &bytes, bytes.len());
    }
}

#[test]
fn resolutions_of_prints_are_no_pixel_sizes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tif");
    let size = |unit: u64, n: u64| {
        let density = |tag| (tag, RATIONAL, vec![n, 1]);
        let variant =
            Variant { tags: vec![(296, SHORT, vec![unit]), density(282), density(283)], ..Variant::default() };
        std::fs::write(&path, variant.build()).unwrap();
        open_plain(&path).unwrap().spec().axes[1].size
    };
    assert_eq!((size(2, 300), size(1, 5000), size(3, 0)), (None, None, None));
    assert_eq!((size(3, 20_000), size(2, 25_400)), (Some(0.5), Some(1.0)));
}

#[test]
fn axes_can_be_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tif");
    std::fs::write(&path, Variant { pages: 4, ..Variant::default() }.build()).unwrap();
    let options = OpenOptions { axes: Some("tyx".into()), level: None };
    let source = open(path.to_str().unwrap(), &options).unwrap();
    assert_eq!((source.spec().letters(), source.spec().named), ("tyx".into(), true));
}

#[test]
fn what_a_tiff_cannot_hold_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tif");
    for shape in [&[][..], &[5], &[0, 4], &[2, 1 << 33]] {
        let spec = ArraySpec::unnamed(shape, DType::U8);
        assert!(create(path.to_str().unwrap(), &spec, false).is_err(), "{shape:?}");
    }
}

/// The other half of `scripts/check_tiff.py`: converts what the lines of a file say (input, output, axes, options).
#[test]
#[ignore = "run by scripts/check_tiff.py"]
fn convert_jobs() {
    let jobs = std::fs::read_to_string(std::env::var_os("TILEWISE_JOBS").unwrap()).unwrap();
    for (i, line) in jobs.lines().enumerate() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [input, output, axes, options] = fields[..] else { panic!("{line}") };
        let axes = (!axes.is_empty()).then(|| axes.to_string());
        let source = open(input, &OpenOptions { axes, level: None }).unwrap();
        let spec = source.spec();
        let whole = tilewise::array::Region::whole(&spec.shape);
        let data = read_box(&*source, ACCESSES[i % 2], &whole).unwrap();
        let mut spec = spec.clone();
        let mut wanted = CreateOptions::default();
        for (name, value) in options.split(';').filter_map(|o| o.split_once('=')) {
            let lengths = || value.split(',').map(|n| n.parse().unwrap()).collect();
            match name {
                "chunks" => wanted.chunks = Some(lengths()),
                "compression" => wanted.compression = Some(value.into()),
                "pyramid" => wanted.pyramid = Some(value == "true"),
                "labels" => {
                    let c = spec.axis('c').unwrap();
                    spec.axes[c].labels = value.split(',').map(String::from).collect();
                }
                letter => {
                    let axis = spec.axis(letter.parse().unwrap()).unwrap();
                    let (size, unit) = value.split_once(' ').unwrap();
                    (spec.axes[axis].size, spec.axes[axis].unit) = (Some(size.parse().unwrap()), Some(unit.into()));
                }
            }
        }
        let mut sink = create_with(output, &spec, &wanted).unwrap();
        write_tiles(&mut Rng(i as u64 + 1), &mut *sink, &spec, &data).unwrap();
    }
}

/// A little-endian TIFF of one strip.
fn one_strip(shape: [u32; 3], bits: u16, [compression, predictor]: [u16; 2], stored: &[u8]) -> Vec<u8> {
    let [height, width, samples] = shape;
    let tags: [(u16, u16, u32); 11] = [
        (256, 4, width),
        (257, 4, height),
        (258, 3, bits.into()),
        (259, 3, compression.into()),
        (262, 3, 1),
        (273, 4, 8),
        (277, 3, samples),
        (278, 4, height),
        (279, 4, stored.len() as u32),
        (317, 3, predictor.into()),
        (339, 3, 1),
    ];
    let mut file = b"II*\0".to_vec();
    file.extend((8 + stored.len().next_multiple_of(2) as u32).to_le_bytes());
    file.extend(stored);
    file.resize(file.len().next_multiple_of(2), 0);
    file.extend((tags.len() as u16).to_le_bytes());
    for (tag, kind, value) in tags {
        file.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
        file.extend([1u32.to_le_bytes(), value.to_le_bytes()].concat());
    }
    file.extend([0; 4]);
    file
}

fn packbits(data: &[u8]) -> Vec<u8> {
    let literal = |part: &[u8]| -> Vec<u8> {
        match part.iter().all(|b| *b == part[0]) && part.len() > 1 {
            true => vec![(1 - part.len() as i32) as i8 as u8, part[0]],
            false => [&[part.len() as u8 - 1], part].concat(),
        }
    };
    data.chunks(100).flat_map(literal).collect()
}

fn zlib(data: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(data).unwrap();
    out.finish().unwrap()
}

#[test]
fn strips_too_large_to_hold_are_decoded_from_the_top() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tif");
    let [height, width] = [2100u32, 2048];
    let pixels = |size: usize| -> Vec<u8> {
        (0..u64::from(height * width)).flat_map(|i| (i / 7 * 31 + i / 2048).to_le_bytes()[..size].to_vec()).collect()
    };
    let lzw =
        |data: &[u8]| weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8).encode(data).unwrap();
    let differences = |data: &[u8]| -> Vec<u8> {
        let value = |b: &[u8]| u16::from_le_bytes([b[0], b[1]]);
        let row = |row: &[u8]| -> Vec<u8> {
            let before = [&[0, 0], row].concat();
            row.chunks(2)
                .zip(before.chunks(2))
                .flat_map(|(b, a)| value(b).wrapping_sub(value(a)).to_le_bytes())
                .collect()
        };
        data.chunks(width as usize * 2).flat_map(row).collect()
    };
    let data = pixels(2);
    let cases = [
        ([8, 1], zlib(&data)),
        ([8, 2], zlib(&differences(&data))),
        ([5, 1], lzw(&data)),
        ([32773, 1], packbits(&data)),
        ([50000, 1], zstd::bulk::compress(&data, 1).unwrap()),
    ];
    for (how, stored) in cases {
        let file = one_strip([height, width, 1], 16, how, &stored);
        std::fs::write(&path, &file).unwrap();
        let source = open_plain(&path).unwrap();
        assert!(source.why().unwrap().contains("2100 x 2048"), "{how:?}");
        let Layout::Chunked { chunk } = source.layout() else { panic!("{source:?}") };
        assert_eq!(chunk[..], [256, 2048]);
        let bill = source.bill(ACCESSES[0]);
        assert!(bill.per_reader + bill.shared < if how[0] == 50000 { 10 << 20 } else { 1 << 20 }, "{bill:?}");
        let mut rng = Rng(u64::from(how[0]) + 1);
        check_chunks(&mut rng, &*source, &data);
        // Cut off, and with a byte changed near the end: an error, but for what has no checksum.
        for (len, change) in [(stored.len() * 9 / 10, 0), (stored.len(), 0x55)] {
            let mut bad = stored[..len].to_vec();
            let last = bad.len() - 3;
            bad[last] ^= change;
            std::fs::write(&path, one_strip([height, width, 1], 16, how, &bad)).unwrap();
            let source = open_plain(&path).unwrap();
            let read = read_box(&*source, ACCESSES[0], &Region::whole(&source.spec().shape));
            match read {
                Err(e) => assert!(e.to_string().contains("page 0, strip or tile 0 is broken"), "{e}"),
                Ok(_) => assert!(change > 0 && how[0] != 8, "{how:?} {len}"),
            }
        }
    }
}

/// Reads chunks forwards, backwards and by several readers.
fn check_chunks(rng: &mut Rng, source: &dyn Source, data: &[u8]) {
    let spec = source.spec();
    let Layout::Chunked { chunk } = source.layout() else { panic!("{source:?}") };
    let chunks = grid_len(&spec.shape, &chunk);
    let order: Vec<u64> = (0..chunks).chain([chunks - 1, 0, chunks / 2, 1]).collect();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let threads = 1 + rng.below(3);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut reader = source.reader(ACCESSES[0]).unwrap();
                while let Some(&i) = order.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    let at = Region::tile(&spec.shape, &chunk, i);
                    let mut out = vec![0; at.elements() as usize * spec.dtype.size()];
                    reader.read(&at, ViewMut::new(spec.dtype, &at.shape, &mut out)).unwrap();
                    assert!(out == cut(spec, data, &at), "{at:?}");
                }
            });
        }
    });
}
