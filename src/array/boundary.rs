//! What lies outside an image: the five modes of `scipy.ndimage`.

/// How an array goes on beyond its edge, shown for `1 2 3 4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// `4 3 2 1 | 1 2 3 4 | 4 3 2 1`
    Reflect,
    /// `4 3 2 | 1 2 3 4 | 3 2 1`
    Mirror,
    /// `1 1 1 | 1 2 3 4 | 4 4 4`
    Nearest,
    /// `k k k | 1 2 3 4 | k k k`, with `k` the value `cval`
    Constant,
    /// `2 3 4 | 1 2 3 4 | 1 2 3`
    Wrap,
}

/// Where the value at one coordinate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source1 {
    /// The array, at this index.
    At(u64),
    /// Outside: the constant.
    Constant,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Mode; 5] = [Mode::Reflect, Mode::Mirror, Mode::Nearest, Mode::Constant, Mode::Wrap];

    /// scipy's word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Mode::Reflect => "reflect",
            Mode::Mirror => "mirror",
            Mode::Nearest => "nearest",
            Mode::Constant => "constant",
            Mode::Wrap => "wrap",
        }
    }

    /// The mode of that name, scipy's `grid-…` synonyms included.
    pub fn from_name(name: &str) -> Option<Mode> {
        let name = name.strip_prefix("grid-").unwrap_or(name);
        Mode::ALL.into_iter().find(|m| m.name() == name)
    }

    /// Where coordinate `i` of an axis of length `n` takes its value. An empty axis has only the constant.
    pub fn source(self, i: i64, n: u64) -> Source1 {
        if n == 0 {
            return Source1::Constant;
        }
        let len = n as i64;
        if (0..len).contains(&i) {
            return Source1::At(i as u64);
        }
        match self {
            Mode::Constant => Source1::Constant,
            Mode::Nearest => Source1::At(if i < 0 { 0 } else { n - 1 }),
            Mode::Wrap => Source1::At(i.rem_euclid(len) as u64),
            Mode::Reflect => {
                let k = i.rem_euclid(2 * len);
                Source1::At(if k < len { k } else { 2 * len - 1 - k } as u64)
            }
            Mode::Mirror if n == 1 => Source1::At(0),
            Mode::Mirror => {
                let period = 2 * (len - 1);
                let k = i.rem_euclid(period);
                Source1::At(if k < len { k } else { period - k } as u64)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extended(mode: Mode, n: u64, pad: i64) -> Vec<i64> {
        (-pad..n as i64 + pad)
            .map(|i| match mode.source(i, n) {
                Source1::At(k) => k as i64 + 1,
                Source1::Constant => 0,
            })
            .collect()
    }

    #[test]
    fn modes_extend_as_scipy_does() {
        assert_eq!(extended(Mode::Reflect, 4, 5), [4, 4, 3, 2, 1, 1, 2, 3, 4, 4, 3, 2, 1, 1]);
        assert_eq!(extended(Mode::Mirror, 4, 4), [3, 4, 3, 2, 1, 2, 3, 4, 3, 2, 1, 2]);
        assert_eq!(extended(Mode::Nearest, 4, 2), [1, 1, 1, 2, 3, 4, 4, 4]);
        assert_eq!(extended(Mode::Constant, 4, 2), [0, 0, 1, 2, 3, 4, 0, 0]);
        assert_eq!(extended(Mode::Wrap, 4, 5), [4, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4, 1]);
        assert_eq!(extended(Mode::Mirror, 1, 2), [1, 1, 1, 1, 1]);
    }
}
