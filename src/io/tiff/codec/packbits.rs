//! PackBits: runs of bytes, literal or repeated.

/// Decodes into the beginning of `out`, which may end before the data does; gives the number of bytes.
pub(super) fn decode(stored: &[u8], out: &mut [u8]) -> Result<usize, String> {
    let (mut at, mut written) = (0, 0);
    while let (Some(&head), true) = (stored.get(at), written < out.len()) {
        let room = out.len() - written;
        at += 1;
        match head as i8 {
            -128 => {}
            n @ 0.. => {
                let n = n as usize + 1;
                let literal = stored.get(at..at + n).ok_or("its PackBits data ends too early")?;
                let n = n.min(room);
                out[written..written + n].copy_from_slice(&literal[..n]);
                (at, written) = (at + literal.len(), written + n);
            }
            n => {
                let &value = stored.get(at).ok_or("its PackBits data ends too early")?;
                let n = (1 - isize::from(n)) as usize;
                let n = n.min(room);
                out[written..written + n].fill(value);
                (at, written) = (at + 1, written + n);
            }
        }
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification() {
        let stored = [0xFE, 0xAA, 0x02, 0x80, 0x00, 0x2A, 0xFD, 0xAA, 0x03, 0x80, 0x00, 0x2A, 0x22, 0xF7, 0xAA, 0x80];
        let plain = [
            0xAA, 0xAA, 0xAA, 0x80, 0x00, 0x2A, 0xAA, 0xAA, 0xAA, 0xAA, 0x80, 0x00, 0x2A, 0x22, 0xAA, 0xAA, 0xAA, 0xAA,
            0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA,
        ];
        let mut out = [0; 30];
        assert_eq!(decode(&stored, &mut out), Ok(24));
        assert_eq!(out[..24], plain);
        assert_eq!(decode(&stored, &mut out[..21]), Ok(21));
        assert!(decode(&stored[..4], &mut out).is_err() && decode(&stored[..1], &mut out).is_err());
    }
}
