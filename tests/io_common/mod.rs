//! What the tests of the formats share: random arrays, tiles and boxes.
#![allow(dead_code)]

use std::path::Path;
use tilewise::array::{ArraySpec, DType, Region, View, ViewMut, grid_len};
use tilewise::io::{Access, Encoded, OpenOptions, Order, Sink, Source, open};
use tilewise::{Error, Result};

/// A small generator (xorshift), so that failures repeat.
pub struct Rng(pub u64);

impl Rng {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }
}

pub fn never() -> bool {
    false
}

pub const ACCESSES: [Access; 2] = [Access::Positioned, Access::Mapped { faulted: never }];

pub fn random_shape(rng: &mut Rng, rank: usize) -> Vec<u64> {
    (0..rank).map(|_| 1 + rng.below(if rank > 4 { 4 } else { 9 })).collect()
}

pub fn random_data(rng: &mut Rng, spec: &ArraySpec) -> Vec<u8> {
    let mask = if spec.dtype == DType::Bool { 1 } else { 255 };
    (0..spec.bytes()).map(|_| rng.below(256) as u8 & mask).collect()
}

/// Writes an array in tiles of a random shape (that suits the sink), as windows into the whole.
pub fn write_tiles(rng: &mut Rng, sink: &mut dyn Sink, spec: &ArraySpec, data: &[u8]) -> Result<()> {
    sink.begin()?;
    let tile: Vec<u64> = match sink.order() {
        Order::Any => spec.shape.iter().map(|&n| 1 + rng.below(n)).collect(),
        Order::Aligned(chunk) => chunk.iter().map(|&n| n * (1 + rng.below(3))).collect(),
    };
    let mut encoder = sink.encoder()?;
    let bill = sink.encode_bill(&tile);
    let mut encoded = Encoded::default();
    for i in 0..grid_len(&spec.shape, &tile) {
        let at = Region::tile(&spec.shape, &tile, i);
        let view = View::new(spec.dtype, &spec.shape, data).sub(&at);
        let Some(encoder) = &mut encoder else {
            sink.write(&at, view)?;
            continue;
        };
        encoded.clear();
        encoder.encode(&at, &view, &mut encoded)?;
        let held = encoded.bytes.capacity() + encoded.parts.capacity() * size_of::<tilewise::io::Part>();
        assert!(held as u64 <= bill.per_tile, "{held} bytes, but the bill says {}", bill.per_tile);
        sink.write_encoded(&at, &encoded)?;
    }
    sink.commit()
}

/// A box of an array, copied element by element.
pub fn cut(spec: &ArraySpec, data: &[u8], at: &Region) -> Vec<u8> {
    let size = spec.dtype.size();
    let ones = vec![1; spec.rank()];
    let mut out = Vec::new();
    for i in 0..at.elements() {
        let e = Region::tile(&at.shape, &ones, i);
        let flat = (0..spec.rank()).fold(0, |sum, a| sum * spec.shape[a] + at.start[a] + e.start[a]) as usize;
        out.extend_from_slice(&data[flat * size..][..size]);
    }
    out
}

fn random_box(rng: &mut Rng, shape: &[u64]) -> Region {
    let mut region = Region::whole(shape);
    for (a, &n) in shape.iter().enumerate() {
        region.start[a] = rng.below(n);
        region.shape[a] = 1 + rng.below(n - region.start[a]);
    }
    region
}

/// Reads one box into the middle of a larger buffer; gives the box.
pub fn read_box(source: &dyn Source, access: Access, at: &Region) -> Result<Vec<u8>> {
    let spec = source.spec();
    let wide: Vec<u64> = at.shape.iter().map(|n| n + 2).collect();
    let wide_spec = ArraySpec::unnamed(&wide, spec.dtype);
    let mut buffer = vec![0x55; wide_spec.bytes() as usize];
    let inner = Region::new(&vec![1; spec.rank()], &at.shape);
    let mut window = ViewMut::new(spec.dtype, &wide, &mut buffer);
    source.reader(access)?.read(at, window.sub(&inner))?;
    Ok(cut(&wide_spec, &buffer, &inner))
}

/// Compares random boxes, and the whole, with the array in memory.
pub fn check_boxes(rng: &mut Rng, source: &dyn Source, data: &[u8]) {
    let spec = source.spec().clone();
    for access in ACCESSES {
        let mut boxes: Vec<Region> = (0..12).map(|_| random_box(rng, &spec.shape)).collect();
        boxes.push(Region::whole(&spec.shape));
        for at in boxes {
            let read = read_box(source, access, &at).unwrap();
            assert!(read == cut(&spec, data, &at), "{spec:?} {at:?} {access:?} {source:?}");
        }
    }
}

pub fn open_plain(path: &Path) -> Result<std::sync::Arc<dyn Source>> {
    open(path.to_str().unwrap(), &OpenOptions::default())
}

/// Opens whatever these bytes are and reads all of it if it is small: an error or not, but never more than that.
pub fn try_everything(path: &Path, bytes: &[u8]) -> Option<Error> {
    std::fs::write(path, bytes).unwrap();
    let source = match open_plain(path) {
        Ok(source) => source,
        Err(e) => {
            // It may be another file of a set that is missed.
            let folder = path.parent().unwrap().to_str().unwrap();
            assert!(!e.to_string().contains('\n') && e.to_string().contains(folder), "{e}");
            return Some(e);
        }
    };
    if source.spec().bytes() > 1 << 20 {
        return None;
    }
    read_box(&*source, Access::Positioned, &Region::whole(&source.spec().shape)).err()
}

/// Cuts the file at every byte, then changes every byte of the first `head` to a few values.
pub fn hostile(path: &Path, bytes: &[u8], head: usize) {
    let before = tilewise::sys::peak_resident().unwrap_or(0);
    for len in 0..bytes.len() {
        let e = try_everything(path, &bytes[..len]);
        assert!(e.is_some(), "{len} of {} bytes were read without an error", bytes.len());
    }
    for at in 0..head.min(bytes.len()) {
        for value in [0, 1, 0x7F, 0x80, 0xFF, bytes[at] ^ 1, bytes[at].wrapping_add(1)] {
            let mut changed = bytes.to_vec();
            changed[at] = value;
            try_everything(path, &changed);
        }
    }
    let after = tilewise::sys::peak_resident().unwrap_or(0);
    assert!(after - before < 64 << 20, "hostile files took {} bytes", after - before);
}

pub fn files_in(folder: &Path) -> Vec<String> {
    folder.read_dir().unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}
