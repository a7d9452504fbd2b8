//! One bit per pixel, rows packed without gaps, and the runs in them.

/// Bytes kept after the last bit so that any word can be read whole.
pub(super) const PAD: usize = 16;

/// Packs a mask, nonzero is set, and pads it.
pub(super) fn pack(mask: &[u8], bits: &mut Vec<u8>) {
    bits.clear();
    let (words, rest) = mask.as_chunks::<64>();
    for word in words {
        bits.extend_from_slice(&pack_word(word).to_le_bytes());
    }
    if !rest.is_empty() {
        let mut last = [0; 64];
        last[..rest.len()].copy_from_slice(rest);
        let bytes = pack_word(&last).to_le_bytes();
        bits.extend_from_slice(&bytes[..rest.len().div_ceil(8)]);
    }
    bits.resize(bits.len() + PAD, 0);
}

fn pack_word(mask: &[u8; 64]) -> u64 {
    let (eights, _) = mask.as_chunks::<8>();
    let mut word = 0;
    for (index, eight) in eights.iter().enumerate() {
        word |= pack_eight(u64::from_le_bytes(*eight)) << (8 * index);
    }
    word
}

/// Gathers "is not zero" of 8 bytes into 8 bits.
fn pack_eight(bytes: u64) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let nonzero = ((((bytes & LOW) + LOW) | bytes) & !LOW) >> 7;
    nonzero.wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// Writes 1 for every set bit and 0 for the others. There must be as many bits as pixels.
pub(super) fn unpack(bits: &[u8], pixels: &mut [u8]) {
    let (eights, rest) = pixels.as_chunks_mut::<8>();
    let last = eights.len();
    for (eight, byte) in eights.iter_mut().zip(bits) {
        *eight = unpack_eight(*byte);
    }
    if let Some(byte) = bits.get(last) {
        rest.copy_from_slice(&unpack_eight(*byte)[..rest.len()]);
    }
}

/// Spreads 8 bits over 8 bytes.
fn unpack_eight(byte: u8) -> [u8; 8] {
    // Every byte gets all bits and keeps one of them.
    let kept = (u64::from(byte) * 0x0101_0101_0101_0101) & 0x8040_2010_0804_0201;
    (((kept + 0x7f7f_7f7f_7f7f_7f7f) >> 7) & 0x0101_0101_0101_0101).to_le_bytes()
}

/// Clears the bits from `start` to before `end`.
pub(super) fn clear(bits: &mut [u8], start: u64, end: u64) {
    let (first, last) = ((start / 8) as usize, (end / 8) as usize);
    let before = (1u8 << (start % 8)) - 1;
    let after = !((1u8 << (end % 8)) - 1);
    if first == last {
        bits[first] &= before | after;
        return;
    }
    bits[first] &= before;
    bits[first + 1..last].fill(0);
    bits[last] &= after;
}

/// The 64 bits from bit `at` on.
#[inline]
fn word(bits: &[u8], at: u64) -> u64 {
    let byte = (at / 8) as usize;
    let shift = at % 8;
    let mut low = [0; 8];
    low.copy_from_slice(&bits[byte..byte + 8]);
    let high = u64::from(bits[byte + 8]);
    // Shifted twice, as a shift by 64 is not one.
    (u64::from_le_bytes(low) >> shift) | ((high << 1) << (63 - shift))
}

fn mask_of(count: u64) -> u64 {
    if count >= 64 { u64::MAX } else { (1 << count) - 1 }
}

/// Finds the runs of the row of `width` bits from bit `at` on: `[start, end)` pairs, flat.
///
/// Without `solid` every set bit is a run of its own.
pub(super) fn runs(bits: &[u8], at: u64, width: u32, solid: bool, edges: &mut Vec<u32>) {
    edges.clear();
    if solid {
        whole_runs(bits, at, width, edges);
    } else {
        single_pixels(bits, at, width, edges);
    }
}

fn words(bits: &[u8], at: u64, width: u32) -> impl Iterator<Item = (u32, u64)> {
    (0..width).step_by(64).map(move |column| {
        let word = word(bits, at + u64::from(column));
        (column, word & mask_of(u64::from(width - column)))
    })
}

fn whole_runs(bits: &[u8], at: u64, width: u32, edges: &mut Vec<u32>) {
    let mut carry = 0;
    for (column, word) in words(bits, at, width) {
        let mut changes = word ^ (word << 1 | carry);
        carry = word >> 63;
        while changes != 0 {
            edges.push(column + changes.trailing_zeros());
            changes &= changes - 1;
        }
    }
    if edges.len() % 2 == 1 {
        edges.push(width);
    }
}

fn single_pixels(bits: &[u8], at: u64, width: u32, edges: &mut Vec<u32>) {
    for (column, mut word) in words(bits, at, width) {
        while word != 0 {
            let start = column + word.trailing_zeros();
            edges.extend_from_slice(&[start, start + 1]);
            word &= word - 1;
        }
    }
}

/// A growing queue of bits: appended at the end, dropped from the front.
#[derive(Debug)]
pub(super) struct BitQueue {
    bytes: Vec<u8>,
    /// Where the first bit is; less than 8 between calls.
    start: u64,
    end: u64,
}

impl BitQueue {
    /// A queue that holds up to `bits` bits.
    pub fn with_capacity(bits: u64) -> Self {
        let mut bytes = Vec::with_capacity(Self::capacity_for(bits) as usize);
        bytes.resize(PAD, 0);
        Self { bytes, start: 0, end: 0 }
    }

    pub fn capacity_for(bits: u64) -> u64 {
        (bits + 7).div_ceil(8) + PAD as u64
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn start(&self) -> u64 {
        self.start
    }

    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    pub fn drop_front(&mut self, count: u64) {
        self.start += count;
        let whole = self.start / 8;
        self.bytes.drain(..whole as usize);
        self.start -= whole * 8;
        self.end -= whole * 8;
    }

    /// Appends `count` bits of `source` from bit `at` on.
    pub fn append(&mut self, source: &[u8], at: u64, count: u64) {
        let end = self.end + count;
        self.bytes.resize(end.div_ceil(8) as usize + PAD, 0);
        let mut done = 0;
        while done < count {
            let bits = word(source, at + done) & mask_of(count - done);
            self.put(self.end + done, bits);
            done += 64;
        }
        self.end = end;
    }

    /// Sets the bits of a word at bit `at`, where all bits are still 0.
    fn put(&mut self, at: u64, bits: u64) {
        let byte = (at / 8) as usize;
        let shifted = u128::from(bits) << (at % 8);
        for (target, source) in self.bytes[byte..byte + 9].iter_mut().zip(shifted.to_le_bytes()) {
            *target |= source;
        }
    }
}
