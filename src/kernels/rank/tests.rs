//! Every way against sorting every window.

use super::super::testing::Rng;
use super::*;
use std::fmt::Debug;

fn strides(shape: &[usize], gap: usize) -> Dims {
    let mut out: Dims = shape.iter().copied().collect();
    let mut step = 1;
    for (i, n) in (0..shape.len()).rev().map(|i| (i, shape[i])) {
        out[i] = step;
        step *= n + gap;
    }
    out
}

fn naive<T: Ordered>(footprint: &Footprint, rank: usize, nan_high: bool, src: &[T], dst: &mut [T], block: Block<'_>) {
    for index in 0..block.shape.iter().product() {
        let (mut rest, mut s, mut d) = (index, 0, 0);
        for axis in (0..block.shape.len()).rev() {
            s += rest % block.shape[axis] * block.src[axis];
            d += rest % block.shape[axis] * block.dst[axis];
            rest /= block.shape[axis];
        }
        let at = |tap: &Dims| s + tap.iter().zip(block.src).map(|(i, n)| i * n).sum::<usize>();
        let mut keys: Vec<T::Key> = footprint.taps.iter().map(|tap| src[at(tap)].key(nan_high)).collect();
        keys.sort();
        dst[d] = T::from_key(keys[rank]);
    }
}

fn check<T: Ordered<Key: bytemuck::Pod> + bytemuck::Pod + Debug>(rng: &mut Rng, value: impl Fn(&mut Rng) -> T) {
    for _ in 0..60 {
        let axes = 1 + rng.below(4);
        let window: Dims = (0..axes).map(|_| 1 + rng.below([40, 8, 5, 3][axes - 1])).collect();
        let out: Dims = (0..axes).map(|_| 1 + rng.below([300, 40, 12, 7][axes - 1])).collect();
        let holes = rng.below(2) == 0;
        let mut members: Vec<bool> = (0..window.iter().product()).map(|_| !holes || rng.below(3) > 0).collect();
        members[0] = true;
        let footprint = Footprint::new(&window, &members);
        let (rank, nan_high) = (rng.below(footprint.len()), rng.below(2) == 0);
        let large: Dims = out.iter().zip(&window).map(|(o, w)| o + w - 1).collect();
        let (from, to) = (strides(&large, rng.below(2)), strides(&out, rng.below(2)));
        let len =
            |shape: &[usize], strides: &[usize]| shape.iter().zip(strides).map(|(n, s)| (n - 1) * s).sum::<usize>() + 1;
        let src: Vec<T> = (0..len(&large, &from)).map(|_| value(rng)).collect();
        let block = Block { shape: &out, src: &from, dst: &to };
        let mut wanted = vec![src[0]; len(&out, &to)];
        naive(&footprint, rank, nan_high, &src, &mut wanted, block);
        let ways = [
            Way::Slide(Slide::new(&footprint)),
            Way::Network(Network::new(&footprint, rank, &out)),
            Way::Network(Network::new(&footprint, rank, &vec![1000; axes])),
        ];
        for way in ways {
            let filter = RankFilter { footprint: footprint.clone(), rank, nan_high, way };
            let mut got = vec![src[0]; wanted.len()];
            let mut scratch = vec![0xab; filter.scratch::<T>(&out)];
            filter.run(&src, &mut got, block, &mut scratch);
            let same = bytemuck::cast_slice::<T, u8>(&got) == bytemuck::cast_slice::<T, u8>(&wanted);
            assert!(same, "{:?} {window:?} {out:?} {members:?} rank {rank}", filter.way);
        }
    }
}

#[test]
fn every_way_is_the_sorted_window() {
    let rng = &mut Rng::new(7);
    check(rng, |r| r.bits() as u8);
    check(rng, |r| r.below(3) as u8);
    check(rng, |r| r.bits() as i8);
    check(rng, |r| r.bits() as u16);
    check(rng, |r| r.below(4) as i16 - 2);
    check(rng, |r| r.bits() as u32);
    check(rng, |r| r.bits() as i32);
    check(rng, |r| r.bits());
    check(rng, |r| r.bits() as i64);
    let odd = [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0];
    check(rng, |r| if r.below(3) == 0 { odd[r.below(6)] } else { r.unit() });
    check(rng, |r| if r.below(3) == 0 { odd[r.below(6)] as f32 } else { r.unit() as f32 });
}

#[test]
fn scratch_of_a_box_serves_every_box_inside() {
    let rng = &mut Rng::new(3);
    for _ in 0..300 {
        let window: Dims = (0..3).map(|_| 1 + rng.below(6)).collect();
        let footprint = Footprint::new(&window, &vec![true; window.iter().product()]);
        let out: Dims = (0..3).map(|_| 1 + rng.below(40)).collect();
        let part: Dims = out.iter().map(|&n| 1 + rng.below(n)).collect();
        for way in [Way::Slide(Slide::new(&footprint)), Way::Network(Network::new(&footprint, 0, &out))] {
            let filter = RankFilter { footprint: footprint.clone(), rank: 0, nan_high: true, way };
            assert!(filter.scratch::<f32>(&part) <= filter.scratch::<f32>(&out), "{window:?} {out:?} {part:?}");
        }
    }
}
