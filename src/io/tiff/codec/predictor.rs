//! Differences of neighbours, which compress better than the elements themselves.

use bytemuck::Pod;

/// Sums up differences along a row of elements in the machine's byte order.
pub(super) fn undo_horizontal(row: &mut [u8], size: usize, samples: usize) {
    match size {
        1 => sum_up(row, samples, u8::wrapping_add),
        2 => sum_up_wide::<u16, 2>(row, samples, u16::wrapping_add),
        4 => sum_up_wide::<u32, 4>(row, samples, u32::wrapping_add),
        _ => sum_up_wide::<u64, 8>(row, samples, u64::wrapping_add),
    }
}

fn sum_up(row: &mut [u8], samples: usize, add: fn(u8, u8) -> u8) {
    if samples == 1 {
        let mut sum = 0;
        for e in row {
            sum = add(sum, *e);
            *e = sum;
        }
        return;
    }
    for i in samples..row.len() {
        row[i] = add(row[i], row[i - samples]);
    }
}

/// The same for elements of `N` bytes, which need not be aligned.
fn sum_up_wide<T: Pod + Default, const N: usize>(row: &mut [u8], samples: usize, add: impl Fn(T, T) -> T) {
    if samples == 1 {
        let mut sum = T::default();
        for e in row.chunks_exact_mut(N) {
            sum = add(sum, bytemuck::pod_read_unaligned(e));
            e.copy_from_slice(bytemuck::bytes_of(&sum));
        }
        return;
    }
    for i in (samples * N..row.len()).step_by(N) {
        let left = bytemuck::pod_read_unaligned(&row[i - samples * N..][..N]);
        let sum = add(bytemuck::pod_read_unaligned(&row[i..i + N]), left);
        row[i..i + N].copy_from_slice(bytemuck::bytes_of(&sum));
    }
}

/// Sums up differences of bytes, which are then put together to floats: first come the highest bytes of all of them.
pub(super) fn undo_float(row: &mut [u8], planes: &mut [u8], size: usize, samples: usize) {
    sum_up(row, samples, u8::wrapping_add);
    planes.copy_from_slice(row);
    let count = row.len() / size;
    for (i, e) in row.chunks_exact_mut(size).enumerate() {
        for (k, byte) in e.iter_mut().enumerate() {
            let plane = if cfg!(target_endian = "little") { size - 1 - k } else { k };
            *byte = planes[plane * count + i];
        }
    }
}

/// Puts the difference to its left neighbour in place of each element, in the machine's byte order.
pub(in crate::io::tiff) fn apply_horizontal(row: &mut [u8], size: usize, samples: usize) {
    match size {
        1 => subtract::<u8, 1>(row, samples, u8::wrapping_sub),
        2 => subtract::<u16, 2>(row, samples, u16::wrapping_sub),
        4 => subtract::<u32, 4>(row, samples, u32::wrapping_sub),
        _ => subtract::<u64, 8>(row, samples, u64::wrapping_sub),
    }
}

fn subtract<T: Pod, const N: usize>(row: &mut [u8], samples: usize, sub: impl Fn(T, T) -> T) {
    // From the right, so that the left neighbour is still itself.
    for i in (samples * N..row.len()).step_by(N).rev() {
        let left = bytemuck::pod_read_unaligned(&row[i - samples * N..][..N]);
        let difference = sub(bytemuck::pod_read_unaligned(&row[i..i + N]), left);
        row[i..i + N].copy_from_slice(bytemuck::bytes_of(&difference));
    }
}

/// Takes floats apart, the highest bytes of all of them first, and puts differences of bytes in their place.
pub(in crate::io::tiff) fn apply_float(row: &mut [u8], planes: &mut [u8], size: usize, samples: usize) {
    let count = row.len() / size;
    for (i, e) in row.chunks_exact(size).enumerate() {
        for (k, &byte) in e.iter().enumerate() {
            let plane = if cfg!(target_endian = "little") { size - 1 - k } else { k };
            planes[plane * count + i] = byte;
        }
    }
    row.copy_from_slice(planes);
    apply_horizontal(row, 1, samples);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_of_every_width_add_up() {
        let mut row = [1u8, 2, 3, 255];
        undo_horizontal(&mut row, 1, 1);
        assert_eq!(row, [1, 3, 6, 5]);
        let mut row = [1u16, 10, 65535, 1, 1, 1];
        undo_horizontal(bytemuck::cast_slice_mut(&mut row), 2, 2);
        assert_eq!(row, [1, 10, 0, 11, 1, 12]);
        let mut row = [u64::MAX, 2, 3];
        undo_horizontal(bytemuck::cast_slice_mut(&mut row), 8, 1);
        assert_eq!(row, [u64::MAX, 1, 4]);
    }

    #[test]
    fn what_is_applied_is_undone() {
        let row: Vec<u8> = (0..240u32).map(|i| (i * i / 3) as u8).collect();
        for (size, samples) in [(1, 1), (1, 3), (2, 1), (2, 3), (4, 1), (4, 2), (8, 1), (8, 3)] {
            let mut changed = row.clone();
            apply_horizontal(&mut changed, size, samples);
            assert_ne!(changed, row);
            undo_horizontal(&mut changed, size, samples);
            assert_eq!(changed, row);
            if size > 2 {
                apply_float(&mut changed, &mut [0; 240], size, samples);
                undo_float(&mut changed, &mut [0; 240], size, samples);
                assert_eq!(changed, row);
            }
        }
    }

    #[test]
    fn floats_are_put_together() {
        let values = [1.5f32, -2.25, 1e30];
        let mut bytes: Vec<u8> = (0..4).flat_map(|plane| values.map(|v| v.to_be_bytes()[plane])).collect();
        for i in (1..12).rev() {
            bytes[i] = bytes[i].wrapping_sub(bytes[i - 1]);
        }
        undo_float(&mut bytes, &mut [0; 12], 4, 1);
        let floats: Vec<f32> = bytes.chunks_exact(4).map(bytemuck::pod_read_unaligned).collect();
        assert_eq!(floats, values);
    }
}
