//! Letters of eight by eight pixels, for pictures.

use font8x8::{BASIC_FONTS, GREEK_FONTS, LATIN_FONTS, UnicodeFonts};

/// Width and height of a letter.
pub(super) const LETTER: usize = 8;

/// The rows of a letter from the top, in each the leftmost pixel as the lowest bit.
pub(super) fn glyph(letter: char) -> [u8; LETTER] {
    let found = BASIC_FONTS.get(letter).or_else(|| LATIN_FONTS.get(letter)).or_else(|| GREEK_FONTS.get(letter));
    found.or_else(|| BASIC_FONTS.get('?')).unwrap_or_default()
}
