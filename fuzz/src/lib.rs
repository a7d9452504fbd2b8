//! What the targets share: a folder in memory, and reading whatever lies in it as a run would.

use std::path::PathBuf;
use std::sync::LazyLock;
use tilewise::array::{Buffer, Region, ViewMut, grid_len};
use tilewise::io::{Access, OpenOptions, Source, open};

/// What a target reads is no larger.
const MOST: u64 = 4 << 20;

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    let above = if memory.is_dir() { memory } else { std::env::temp_dir() };
    let folder = above.join(format!("tilewise-fuzz-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder for the fuzzer");
    folder
});

/// A path in the folder of this process.
pub fn path(name: &str) -> PathBuf {
    FOLDER.join(name)
}

/// Writes a file, and the folders above it.
pub fn write(name: &str, bytes: &[u8]) {
    let path = path(name);
    if std::fs::write(&path, bytes).is_err() {
        std::fs::create_dir_all(path.parent().expect("a folder above")).expect("a folder");
        std::fs::write(&path, bytes).expect("a file");
    }
}

/// Opens what is there, all its levels, and reads some of it: first, last and whole, if that is not too much.
pub fn probe(text: &str) {
    for level in 0..3 {
        let options = OpenOptions { axes: None, level: Some(level) };
        match open(text, &options) {
            Ok(source) => read_some(&*source),
            Err(error) => {
                let message = error.to_string();
                assert!(!message.contains('\n'), "an error of several lines: {message}");
                return;
            }
        }
    }
}

fn read_some(source: &dyn Source) {
    let spec = source.spec().clone();
    let bill = source.bill(Access::Positioned);
    let (_, _) = (source.facts(), source.why());
    // A planner would refuse.
    if bill.per_reader.saturating_add(bill.shared) > MOST || spec.elements() == 0 {
        return;
    }
    let size = spec.dtype.size() as u64;
    let chunk: Vec<u64> = match source.layout().chunk() {
        Some(chunk) => chunk.iter().zip(&spec.shape).map(|(&c, &n)| c.clamp(1, n)).collect(),
        None => spec.shape.iter().map(|&n| n.min(8)).collect(),
    };
    let chunks = grid_len(&spec.shape, &chunk);
    let Ok(mut reader) = source.reader(Access::Positioned) else { return };
    for i in [0, chunks / 2, chunks - 1].into_iter().chain(0..chunks.min(8)) {
        let at = Region::tile(&spec.shape, &chunk, i);
        let bytes = at.shape.iter().fold(size, |n, &m| n.saturating_mul(m));
        if bytes > MOST {
            return;
        }
        let Ok(mut buffer) = Buffer::new(bytes as usize) else { return };
        let _ = reader.read(&at, ViewMut::new(spec.dtype, &at.shape, buffer.bytes_mut()));
    }
}

/// A TIFF of three small pages, the first of which has that description.
pub fn tiff_with(description: &[u8]) -> Vec<u8> {
    const PAGES: u32 = 3;
    const TAGS: u32 = 9;
    let text: Vec<u8> = description.iter().copied().chain([0]).collect();
    let (pixels, first) = (8u32, 8 + 64 + (text.len() as u32).next_multiple_of(2).max(4));
    let length = 2 + 12 * TAGS + 4;
    let mut file = b"II*\0".to_vec();
    file.extend(first.to_le_bytes());
    file.extend((0..64).map(|i| i as u8));
    file.extend(&text);
    file.resize(first as usize, 0);
    for page in 0..PAGES {
        let at = first + page * length;
        file.extend((TAGS as u16).to_le_bytes());
        let mut tag = |number: u16, kind: u16, count: u32, value: u32| {
            file.extend(number.to_le_bytes());
            file.extend(kind.to_le_bytes());
            file.extend(count.to_le_bytes());
            file.extend(value.to_le_bytes());
        };
        tag(256, 4, 1, 8);
        tag(257, 4, 1, 8);
        tag(258, 3, 1, 8);
        tag(259, 3, 1, 1);
        tag(262, 3, 1, 1);
        match page {
            0 => tag(270, 2, text.len() as u32, 8 + 64),
            _ => tag(270, 2, 1, 0),
        }
        tag(273, 4, 1, pixels);
        tag(278, 4, 1, 8);
        tag(279, 4, 1, 64);
        let next = if page + 1 < PAGES { at + length } else { 0 };
        file.extend(next.to_le_bytes());
    }
    file
}
