//! Puts together an op's input that reaches over the edge of the array.

use crate::array::{IntervalSets, MAX_RANK, Mode, Scalar, Source1, View, ViewMut, with_dtype};
use crate::graph::Need;
use arrayvec::ArrayVec;

/// Index tables, kept from call to call.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    /// Per axis but the last: where each coordinate lies in the packed input; negative for the constant.
    axes: [Vec<i64>; MAX_RANK],
    /// The last axis in runs.
    runs: Vec<Run>,
}

/// Consecutive coordinates along the last axis that are filled in the same way.
#[derive(Clone, Copy, Debug)]
struct Run {
    to: usize,
    from: i64,
    len: usize,
    step: i64,
}

/// The value for a run of constants.
const OUTSIDE: i64 = -1;

/// Fills `out`, of shape `need.shape` and contiguous, from `packed`, which holds the part `sets` of an array of shape
/// `whole`.
pub(crate) fn gather(
    out: &mut ViewMut<'_>,
    need: &Need,
    (mode, cval): (Mode, Scalar),
    sets: &IntervalSets,
    packed: &View<'_>,
    whole: &[u64],
    tables: &mut Tables,
) {
    let rank = whole.len();
    let Some(last) = rank.checked_sub(1) else { return };
    // Such a box was not asked for, though others may have been: its coordinates along the other axes are not in `sets`.
    if sets.is_empty() || need.lies_outside(whole) {
        return out.fill(cval.bytes());
    }
    for axis in 0..last {
        let table = &mut tables.axes[axis];
        table.clear();
        table.extend((0..need.shape[axis]).map(|i| place(need, mode, sets, whole, axis, i)));
    }
    find_runs(&mut tables.runs, (0..need.shape[last]).map(|i| place(need, mode, sets, whole, last, i)));
    with_dtype!(out.dtype(), T => {
        let cval: T = bytemuck::pod_read_unaligned(cval.bytes());
        fill::<T>(out, need, packed, cval, tables);
    });
}

fn place(need: &Need, mode: Mode, sets: &IntervalSets, whole: &[u64], axis: usize, i: u64) -> i64 {
    match mode.source(need.start[axis] + i as i64, whole[axis]) {
        Source1::At(k) => sets.axes[axis].packed(k) as i64,
        Source1::Constant => OUTSIDE,
    }
}

fn find_runs(runs: &mut Vec<Run>, places: impl Iterator<Item = i64>) {
    runs.clear();
    for (to, from) in places.enumerate() {
        if let Some(run) = runs.last_mut() {
            let same_kind = (run.from == OUTSIDE) == (from == OUTSIDE);
            let step = if from == OUTSIDE { 0 } else { from - (run.from + run.step * (run.len as i64 - 1)) };
            let first_step = run.len == 1 && (-1..=1).contains(&step);
            if same_kind && (from == OUTSIDE || step == run.step || first_step) {
                run.step = step;
                run.len += 1;
                continue;
            }
        }
        runs.push(Run { to, from, len: 1, step: 1 });
    }
}

fn fill<T: crate::array::Element>(out: &mut ViewMut<'_>, need: &Need, packed: &View<'_>, cval: T, tables: &Tables) {
    let rank = need.shape.len();
    let row = need.shape[rank - 1] as usize;
    let rows: u64 = need.shape[..rank - 1].iter().product();
    if row == 0 || rows == 0 {
        return;
    }
    let strides: ArrayVec<usize, MAX_RANK> = packed.strides().iter().copied().collect();
    let from = packed.typed::<T>();
    let mut index: ArrayVec<usize, MAX_RANK> = (0..rank - 1).map(|_| 0).collect();
    for to in out.typed_mut::<T>().chunks_exact_mut(row).take(rows as usize) {
        let places = index.iter().enumerate().map(|(axis, &i)| tables.axes[axis][i]);
        let base = places
            .enumerate()
            .try_fold(0usize, |sum, (axis, at)| (at != OUTSIDE).then(|| sum + at as usize * strides[axis]));
        match base {
            Some(base) => fill_row(to, &from[base.min(from.len())..], cval, &tables.runs),
            None => to.fill(cval),
        }
        for axis in (0..rank - 1).rev() {
            index[axis] += 1;
            if index[axis] < need.shape[axis] as usize {
                break;
            }
            index[axis] = 0;
        }
    }
}

fn fill_row<T: crate::array::Element>(to: &mut [T], from: &[T], cval: T, runs: &[Run]) {
    for run in runs {
        let out = &mut to[run.to..run.to + run.len];
        if run.from == OUTSIDE {
            out.fill(cval);
        } else if run.step == 1 {
            let first = run.from as usize;
            out.copy_from_slice(&from[first..first + run.len]);
        } else {
            for (i, value) in out.iter_mut().enumerate() {
                *value = from[(run.from + run.step * i as i64) as usize];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::{DType, Region};

    #[test]
    fn every_mode_gathers_what_its_definition_says() {
        let data: Vec<u16> = (0..20).map(|v| v * 7 + 1).collect();
        let whole = [4u64, 5];
        let mut tables = Tables::default();
        for mode in Mode::ALL {
            for y0 in -6i64..5 {
                for x0 in -7i64..6 {
                    let need = Need {
                        start: [y0, x0].into_iter().collect(),
                        shape: [6, 9].into_iter().collect(),
                        outside: Some((mode, Scalar::of(9999u16))),
                    };
                    let mut sets = IntervalSets::empty(2);
                    for (axis, set) in sets.axes.iter_mut().enumerate() {
                        let (lo, n) = (need.start[axis], need.shape[axis] as i64);
                        set.add_extended(lo, lo + n, whole[axis], mode);
                    }
                    let packed = pack(&data, &sets);
                    let shape = sets.packed_shape();
                    let mut out = vec![0u16; 54];
                    let mut view = ViewMut::new(DType::U16, &[6, 9], bytemuck::cast_slice_mut(&mut out));
                    let from = View::new(DType::U16, &shape, bytemuck::cast_slice(&packed));
                    gather(&mut view, &need, (mode, Scalar::of(9999u16)), &sets, &from, &whole, &mut tables);
                    for y in 0..6 {
                        for x in 0..9 {
                            let source = (mode.source(y0 + y, 4), mode.source(x0 + x, 5));
                            let wanted = match source {
                                (Source1::At(r), Source1::At(c)) => data[(r * 5 + c) as usize],
                                _ => 9999,
                            };
                            assert_eq!(out[(y * 9 + x) as usize], wanted, "{mode:?} {y0},{x0} at {y},{x}");
                        }
                    }
                }
            }
        }
    }

    fn pack(data: &[u16], sets: &IntervalSets) -> Vec<u16> {
        let shape = sets.packed_shape();
        let mut out = vec![0; (shape[0] * shape[1]) as usize];
        let whole = View::new(DType::U16, &[4, 5], bytemuck::cast_slice(data));
        let mut view = ViewMut::new(DType::U16, &shape, bytemuck::cast_slice_mut(&mut out));
        let done: Result<(), ()> = sets.for_each_box(|at: &Region, to: &Region| {
            crate::array::copy(&mut view.sub(to), &whole.sub(at));
            Ok(())
        });
        assert!(done.is_ok());
        out
    }
}
