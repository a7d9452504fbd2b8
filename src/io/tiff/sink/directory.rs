//! Directories, written behind the tiles they speak of.

use tiff::tags::{Tag, Type};

/// The values of a tag.
#[derive(Clone, Debug)]
pub(super) enum Values {
    Short(Vec<u16>),
    Long(Vec<u32>),
    /// Positions, with as many bits as the file has.
    Offsets(Vec<u64>),
    /// Positions of other directories.
    Directories(Vec<u64>),
    Rational(u32, u32),
    Text(String),
}

impl Values {
    /// Type, number of values, and their bytes.
    fn encode(&self, big: bool) -> (Type, u64, Vec<u8>) {
        let offsets = |values: &[u64]| -> Vec<u8> {
            match big {
                true => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
                false => values.iter().flat_map(|&v| (v as u32).to_le_bytes()).collect(),
            }
        };
        match self {
            Values::Short(values) => {
                (Type::SHORT, values.len() as u64, values.iter().flat_map(|v| v.to_le_bytes()).collect())
            }
            Values::Long(values) => {
                (Type::LONG, values.len() as u64, values.iter().flat_map(|v| v.to_le_bytes()).collect())
            }
            Values::Offsets(values) => {
                (if big { Type::LONG8 } else { Type::LONG }, values.len() as u64, offsets(values))
            }
            Values::Directories(values) => {
                (if big { Type::IFD8 } else { Type::IFD }, values.len() as u64, offsets(values))
            }
            Values::Rational(n, d) => (Type::RATIONAL, 1, [n.to_le_bytes(), d.to_le_bytes()].concat()),
            Values::Text(text) => {
                let bytes: Vec<u8> = text.bytes().chain([0]).collect();
                (Type::ASCII, bytes.len() as u64, bytes)
            }
        }
    }
}

/// The header of a file whose first directory is there.
pub(super) fn header(big: bool, first: u64) -> Vec<u8> {
    let mut bytes = b"II".to_vec();
    match big {
        true => {
            bytes.extend([43, 0, 8, 0, 0, 0]);
            bytes.extend(first.to_le_bytes());
        }
        false => {
            bytes.extend([42, 0]);
            bytes.extend((first as u32).to_le_bytes());
        }
    }
    bytes
}

/// A directory and its values, to be written at a multiple of 8.
pub(super) struct Written {
    pub bytes: Vec<u8>,
    /// Where the directory itself is …
    pub at: u64,
    /// … and where in `bytes` the position of the next one stands.
    link: usize,
    big: bool,
}

impl Written {
    /// Lays out the directory with those tags for position `start`.
    pub fn new(big: bool, start: u64, mut tags: Vec<(Tag, Values)>) -> Self {
        tags.sort_by_key(|t| t.0.to_u16());
        let field = if big { 8 } else { 4 };
        let (mut bytes, mut table) = (Vec::new(), Vec::new());
        match big {
            true => table.extend((tags.len() as u64).to_le_bytes()),
            false => table.extend((tags.len() as u16).to_le_bytes()),
        }
        for (tag, values) in tags {
            let (kind, count, mut data) = values.encode(big);
            table.extend(tag.to_u16().to_le_bytes());
            table.extend(kind.to_u16().to_le_bytes());
            table.extend(&count.to_le_bytes()[..field]);
            if data.len() <= field {
                data.resize(field, 0);
                table.extend(data);
            } else {
                let at = start + bytes.len() as u64;
                table.extend(&at.to_le_bytes()[..field]);
                bytes.extend(data);
                bytes.resize(bytes.len().next_multiple_of(8), 0);
            }
        }
        let at = start + bytes.len() as u64;
        bytes.extend(table);
        let link = bytes.len();
        bytes.extend(&[0; 8][..field]);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        Written { bytes, at, link, big }
    }

    /// Says where the next directory is.
    pub fn set_next(&mut self, next: u64) {
        let field = if self.big { 8 } else { 4 };
        self.bytes[self.link..self.link + field].copy_from_slice(&next.to_le_bytes()[..field]);
    }
}
