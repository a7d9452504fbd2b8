//! Labels of any integer type as 64-bit words of the same order, a few at a time.

use crate::array::{DType, View, with_dtype};
use crate::ops::measure::pixel::Pixel;

/// Pixels that are looked at together.
pub(crate) const CHUNK: usize = 512;

/// The word of label 0.
pub(crate) fn zero(dtype: DType) -> u64 {
    if dtype.is_signed_integer() { 1 << 63 } else { 0 }
}

/// The label of a word.
pub(crate) fn label_of(key: u64, dtype: DType) -> i128 {
    let flipped = key ^ zero(dtype);
    if dtype.is_signed_integer() { i128::from(flipped as i64) } else { i128::from(flipped) }
}

/// The word of a label; `None` where a 64-bit integer of that sign does not hold it.
pub(crate) fn key_of(label: i128, dtype: DType) -> Option<u64> {
    match dtype.is_signed_integer() {
        true => i64::try_from(label).ok().map(|v| v as u64 ^ zero(dtype)),
        false => u64::try_from(label).ok(),
    }
}

/// Fills `keys` with the words of the labels that lie `step` apart from element `first` on.
pub(crate) fn keys(view: &View<'_>, first: usize, step: usize, keys: &mut [u64]) {
    with_dtype!(view.dtype(), T => {
        let data = view.typed::<T>();
        let n = keys.len();
        match step {
            1 => keys.iter_mut().zip(&data[first..first + n]).for_each(|(key, v)| *key = v.key(false)),
            _ => keys.iter_mut().enumerate().for_each(|(i, key)| *key = data[first + i * step].key(false)),
        }
    });
}

/// Calls `each` with the bounds of every run of neighbours of which all keys agree.
pub(crate) fn for_each_run<const K: usize>(keys: [&[u64]; K], mut each: impl FnMut(std::ops::Range<usize>)) {
    let n = keys.first().map_or(0, |k| k.len());
    let mut from = 0;
    while from < n {
        let same = |i: &usize| keys.iter().all(|k| k[*i] == k[from]);
        let to = (from + 1..n).find(|i| !same(i)).unwrap_or(n);
        each(from..to);
        from = to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_the_order_of_labels() {
        let labels = [i32::MIN, -1, 0, 1, i32::MAX];
        let mut words = [0; 5];
        keys(&View::new(DType::I32, &[5], bytemuck::cast_slice(&labels)), 0, 1, &mut words);
        assert!(words.is_sorted() && words[2] == zero(DType::I32));
        assert!(labels.iter().zip(words).all(|(&l, w)| label_of(w, DType::I32) == l.into()));
        assert!(labels.iter().zip(words).all(|(&l, w)| key_of(l.into(), DType::I64) == Some(w)));
        assert_eq!(key_of(-1, DType::U8), None);
    }

    #[test]
    fn runs_end_where_any_key_changes() {
        let mut runs = Vec::new();
        for_each_run([&[1, 1, 2, 2, 2], &[0, 0, 0, 7, 7]], |run| runs.push(run));
        assert_eq!(runs, [0..2, 2..3, 3..5]);
    }
}
