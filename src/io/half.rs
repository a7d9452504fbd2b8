//! Half-precision floats (float16), read as float32. Nothing here computes in 16 bits: a source reads them as `uint16`,
//! and a reader makes floats of that.

use super::{Access, Facts, Layout, ReadBill, Reader, Source};
use crate::array::{ArraySpec, Buffer, DType, Dims, Region, ViewMut, elements, for_each_row, grid_len};
use crate::error::Result;
use std::path::Path;
use std::sync::Arc;

/// Elements that are read at a time where any box can be read.
const PIECE: u64 = 32 << 10;

/// A source of the bits of halves, as floats.
#[derive(Debug)]
pub(super) struct HalfSource {
    bits: Arc<dyn Source>,
    spec: ArraySpec,
}

impl HalfSource {
    /// Halves whose bits a source gives as `uint16`.
    pub fn new(bits: Arc<dyn Source>) -> Self {
        let spec = ArraySpec { dtype: DType::F32, ..bits.spec().clone() };
        HalfSource { bits, spec }
    }

    /// Elements that a reader holds.
    fn held(&self) -> u64 {
        match self.bits.layout() {
            Layout::Chunked { chunk } => elements(&chunk),
            Layout::Direct { .. } => PIECE,
        }
    }
}

impl Source for HalfSource {
    fn spec(&self) -> &ArraySpec {
        &self.spec
    }

    fn name(&self) -> String {
        self.bits.name()
    }

    fn layout(&self) -> Layout {
        self.bits.layout()
    }

    fn bill(&self, access: Access) -> ReadBill {
        let bill = self.bits.bill(access);
        ReadBill { per_reader: bill.per_reader.saturating_add(self.held().saturating_mul(2)), ..bill }
    }

    fn facts(&self) -> Facts {
        let mut facts = self.bits.facts();
        facts.more.push(("stored as".into(), "float16".into()));
        facts
    }

    fn why(&self) -> Option<String> {
        self.bits.why()
    }

    fn reader(&self, access: Access) -> Result<Box<dyn Reader>> {
        let whole = matches!(self.bits.layout(), Layout::Chunked { .. });
        Ok(Box::new(HalfReader { bits: self.bits.reader(access)?, whole, held: Buffer::default() }))
    }

    fn path(&self) -> Option<&Path> {
        self.bits.path()
    }

    fn reads(&self, file: &Path) -> bool {
        self.bits.reads(file)
    }
}

struct HalfReader {
    bits: Box<dyn Reader>,
    /// Whether boxes are read as they are asked for, because they are chunks.
    whole: bool,
    held: Buffer,
}

impl Reader for HalfReader {
    fn read(&mut self, at: &Region, mut out: ViewMut<'_>) -> Result<()> {
        let piece = if self.whole { at.shape.clone() } else { piece(&at.shape) };
        for i in 0..grid_len(&at.shape, &piece) {
            let part = Region::tile(&at.shape, &piece, i);
            let start = part.start.iter().zip(&at.start).map(|(p, s)| p + s).collect();
            self.read_piece(&Region { start, shape: part.shape.clone() }, out.sub(&part))?;
        }
        Ok(())
    }
}

impl HalfReader {
    fn read_piece(&mut self, at: &Region, mut out: ViewMut<'_>) -> Result<()> {
        let bytes = at.elements() as usize * 2;
        if self.held.len() < bytes {
            self.held = Buffer::new(bytes)?;
        }
        let held = &mut self.held.bytes_mut()[..bytes];
        self.bits.read(at, ViewMut::new(DType::U16, &at.shape, held))?;
        let mut bits = bytemuck::cast_slice::<u8, u16>(held).iter();
        let (shape, strides) = (out.shape().to_vec(), out.strides().to_vec());
        let floats = out.typed_mut::<f32>();
        for_each_row(&shape, [&strides], |[first], n| {
            floats[first..first + n].iter_mut().zip(&mut bits).for_each(|(e, &b)| *e = to_float(b));
        });
        Ok(())
    }
}

/// As many of the last axes as have few enough elements, and a part of the one before.
fn piece(shape: &[u64]) -> Dims {
    let mut room = PIECE;
    let mut piece: Dims = shape.iter().copied().collect();
    for n in piece.iter_mut().rev() {
        *n = (*n).clamp(1, room);
        room /= *n;
    }
    piece
}

/// The value of a half.
fn to_float(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let (exponent, fraction) = (u32::from(bits >> 10 & 31), u32::from(bits & 0x3FF));
    match exponent {
        // So small that it has no leading one: a number of steps of 2^-24.
        0 => f32::from_bits(sign | (fraction as f32 * 2f32.powi(-24)).to_bits()),
        31 => f32::from_bits(sign | 0x7F80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 127 - 15) << 23 | fraction << 13),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_have_their_values() {
        let cases = [
            (0x0000, 0.0),
            (0x3C00, 1.0),
            (0xC000, -2.0),
            (0x7BFF, 65504.0),
            (0x0400, 6.103_515_6e-5),
            (0x0001, 5.960_464_5e-8),
            (0x83FF, -6.097_555e-5),
            (0x3555, 0.333_251_95),
            (0xFC00, f32::NEG_INFINITY),
        ];
        for (bits, value) in cases {
            assert_eq!(to_float(bits), value, "{bits:x}");
        }
        assert!(to_float(0x8000).is_sign_negative() && to_float(0x7E01).is_nan());
        // What is larger as a number is larger as bits.
        assert!((0..0x7C00).all(|b| to_float(b) < to_float(b + 1)));
    }

    #[test]
    fn pieces_are_small() {
        assert_eq!(piece(&[3, 70_000])[..], [1, PIECE]);
        assert_eq!(piece(&[100, 1000, 10])[..], [3, 1000, 10]);
        assert_eq!(piece(&[100, 100, 10])[..], [32, 100, 10]);
        assert_eq!(piece(&[]).len(), 0);
    }
}
