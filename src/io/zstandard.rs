//! What zstd holds while it compresses.

/// Levels, and the most bytes that each and those below it hold, however much is compressed at a time.
const MOST: [(i32, u64); 7] = [
    (3, 1280 << 10),
    (4, 2560 << 10),
    (6, 3072 << 10),
    (8, 5632 << 10),
    (9, 10752 << 10),
    (11, 20992 << 10),
    (19, 83200 << 10),
];

/// Besides tables that grow with what is compressed.
const FIXED: u64 = 1280 << 10;

/// What differs between builds of the library.
const SLACK: u64 = 4 << 10;

/// An upper bound of the memory of a compressor at that level (0 to 19; 0 is the default) that is given so many bytes at
/// once. Held against the library by the test below.
pub(super) fn memory(level: i32, bytes: u64) -> u64 {
    let most = MOST.iter().find(|(last, _)| level <= *last).map_or(83200 << 10, |(_, most)| *most);
    let grown = bytes.checked_next_power_of_two().unwrap_or(u64::MAX).saturating_mul(16);
    most.min(FIXED.saturating_add(grown)) + SLACK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_holds_and_is_near() {
        let mut state = 1u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 60) as u8
        })
        .take(5 << 20)
        .collect();
        for level in 0..=19 {
            for bytes in [1, 5000, 1 << 16, 200_000, 1 << 20, noise.len()] {
                let mut compressor = zstd::bulk::Compressor::new(level).unwrap();
                compressor.compress(&noise[..bytes]).unwrap();
                let (held, bound) = (compressor.context_mut().sizeof() as u64, memory(level, bytes as u64));
                assert!(held <= bound, "level {level}, {bytes} bytes: {held} > {bound}");
                // The chunks we choose ourselves, at the level we choose ourselves.
                assert!((level, bytes) != (3, 1 << 20) || bound < held + held / 8, "{held} of {bound}");
            }
        }
    }
}
