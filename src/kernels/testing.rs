//! What the kernels' tests share: a small generator of pseudo-random numbers and random block shapes.

use super::Lines;

/// xorshift64*: enough for tests, and the same on every machine.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// An integer in `0..below`.
    pub fn below(&mut self, below: usize) -> usize {
        (self.bits() >> 11) as usize % below
    }

    /// A float in `-1.0..1.0`.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    pub fn lines(&mut self) -> Lines {
        let inner = [1, 1, 2, 3, 7, 8, 31, 33, 70, 600, 1300][self.below(11)];
        let gap = [0, 0, 1, 5];
        let (src_gap, dst_gap) = if self.below(2) == 0 { (0, 0) } else { (gap[self.below(4)], gap[self.below(4)]) };
        Lines { n: 1 + self.below(90), inner, src_stride: inner + src_gap, dst_stride: inner + dst_gap }
    }
}

/// Runs `kernel(src offset, dst offset, lines)` on the two halves of a block split at position `at` and, inside each
/// position, at element `inside`: what tiling does to a block.
pub fn split(lines: Lines, at: usize, inside: usize, mut kernel: impl FnMut(usize, usize, usize, Lines)) {
    for (first, n) in [(0, at), (at, lines.n - at)] {
        for (start, inner) in [(0, inside), (inside, lines.inner - inside)] {
            let part = Lines { n, inner, ..lines };
            if n > 0 && inner > 0 {
                kernel(first, first * lines.src_stride + start, first * lines.dst_stride + start, part);
            }
        }
    }
}
