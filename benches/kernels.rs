//! Speed of the kernels on a 512 x 512 tile that lives in L2, one thread: best and median of several runs in Mpix/s.
//! `cargo bench --bench kernels [-- NAME]`

use std::hint::black_box;
use std::time::Instant;
use tilewise::kernels::Lines;
use tilewise::kernels::convert::{Convert, convert_slice};
use tilewise::kernels::correlate::{Symmetry, correlate};
use tilewise::kernels::exact_sum::ExactSum;
use tilewise::kernels::extrema::{Extremum, Ordered, extrema, extrema_scratch};
use tilewise::kernels::histogram::{UniformBins, count_from, count_uniform, count_values};
use tilewise::kernels::uniform::{uniform, uniform_scratch};

const SIDE: usize = 512;

fn bench(name: &str, mut body: impl FnMut()) {
    let filter = std::env::args().skip(1).find(|a| !a.starts_with('-'));
    if filter.is_some_and(|filter| !name.contains(&filter)) {
        return;
    }
    let mut speeds: Vec<f64> = (0..40)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..4 {
                body();
            }
            (4 * SIDE * SIDE) as f64 / start.elapsed().as_secs_f64() / 1e6
        })
        .collect();
    speeds.sort_by(f64::total_cmp);
    println!("{name:<44} best {:7.0}  median {:7.0}", speeds[39], speeds[20]);
}

fn noise(len: usize) -> Vec<u64> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    (0..len).map(|_| next()).collect()
}

/// Calls `pass` once for the columns of the tile, or once for each of its rows.
fn each_axis(name: &str, window: usize, mut pass: impl FnMut(usize, usize, Lines)) {
    bench(&format!("{name}, columns"), || pass(0, 0, Lines::flat(SIDE, SIDE)));
    // With a halo the stride is no power of two, which would put a column into few sets of L1.
    let halo = Lines { n: SIDE, inner: SIDE, src_stride: SIDE + 16, dst_stride: SIDE };
    bench(&format!("{name}, columns in halo"), || pass(0, 0, halo));
    bench(&format!("{name}, planes of 64^3"), || pass(0, 0, Lines::flat(64, 4096)));
    bench(&format!("{name}, rows"), || {
        for row in 0..SIDE {
            pass(row * (SIDE + window - 1), row * SIDE, Lines::flat(SIDE, 1));
        }
    });
    let pixels = SIDE / 3;
    bench(&format!("{name}, rows of rgb"), || {
        for row in 0..SIDE {
            pass(row * (pixels + window - 1) * 3, row * pixels * 3, Lines::flat(pixels, 3));
        }
    });
}

fn tile<T>(window: usize, convert: impl Fn(u64) -> T) -> Vec<T> {
    noise((64 + window) * 4096 + SIDE * SIDE).into_iter().map(convert).collect()
}

fn correlations() {
    let src = tile(33, |bits| bits as f32 / u64::MAX as f32);
    let src64 = tile(33, |bits| bits as f64 / u64::MAX as f64);
    let mut dst = vec![0.0f32; SIDE * SIDE];
    let mut dst64 = vec![0.0f64; SIDE * SIDE];
    let taps = [0.05f32; 17];
    for symmetry in [Symmetry::Even, Symmetry::None] {
        each_axis(&format!("correlate f32 radius 8 {symmetry:?}"), 17, |from, to, lines| {
            correlate(black_box(&src[from..]), &mut dst[to..], lines, black_box(&taps), symmetry);
        });
    }
    each_axis("correlate f64 radius 8 Even", 17, |from, to, lines| {
        correlate(&src64[from..], &mut dst64[to..], lines, black_box(&[0.05; 17]), Symmetry::Even);
    });
    let mut between = vec![0.0f32; (SIDE + 16) * SIDE];
    bench("gaussian f32 radius 8, both axes", || {
        let wide = SIDE + 16;
        correlate(black_box(&src), &mut between, Lines::flat(SIDE, wide), black_box(&taps), Symmetry::Even);
        for row in 0..SIDE {
            let lines = Lines::flat(SIDE, 1);
            correlate(&between[row * wide..], &mut dst[row * SIDE..], lines, black_box(&taps), Symmetry::Even);
        }
    });
}

fn means() {
    let mut dst = vec![0.0f32; SIDE * SIDE];
    let size = 31;
    let mut scratch = vec![0.0; uniform_scratch(Lines::flat(SIDE, SIDE), size)];
    let bytes = tile(size, |bits| (bits >> 56) as u8);
    each_axis("uniform u8 to f32 size 31", size, |from, to, lines| {
        uniform(black_box(&bytes[from..]), &mut dst[to..], lines, size, 5, &mut scratch);
    });
    let floats = tile(size, |bits| bits as f32);
    each_axis("uniform f32 to f32 size 31", size, |from, to, lines| {
        uniform(black_box(&floats[from..]), &mut dst[to..], lines, size, 5, &mut scratch);
    });
}

fn extremes<T: Ordered + Default>(name: &str, size: usize, convert: impl Fn(u64) -> T) {
    let src = tile(size, convert);
    let mut dst = tile(1, |_| T::default());
    let needs =
        [(SIDE, SIDE), (SIDE, 1), (SIDE / 3, 3)].map(|(n, inner)| extrema_scratch::<T>(Lines::flat(n, inner), size));
    let mut scratch = vec![T::default().key(false); needs.into_iter().max().unwrap_or(0)];
    each_axis(&format!("maximum {name} size {size}"), size, |from, to, lines| {
        extrema(black_box(&src[from..]), &mut dst[to..], lines, size, Extremum::Maximum, &mut scratch);
    });
}

fn sums() {
    let doubles = tile(1, |bits| bits as f64 / u64::MAX as f64 - 0.5);
    let singles: Vec<f32> = doubles.iter().map(|&x| x as f32).collect();
    let wild: Vec<f64> = noise(SIDE * SIDE).into_iter().map(|bits| f64::from_bits(bits & !(1 << 62))).collect();
    let (doubles, singles) = (&doubles[..SIDE * SIDE], &singles[..SIDE * SIDE]);
    let mut sum = ExactSum::new();
    bench("exact sum f64", || sum.add_slice(black_box(doubles)));
    bench("exact sum f32", || sum.add_singles(black_box(singles)));
    bench("exact sum f64 of all exponents", || sum.add_slice(black_box(&wild)));
    bench("exact products f64", || sum.add_products(black_box(doubles), black_box(doubles)));
    bench("exact products f32", || sum.add_products(black_box(singles), black_box(singles)));
    bench("exact sum f64 one by one", || black_box(doubles).iter().for_each(|&x| sum.add(x)));
    black_box(sum.to_double_double());
}

fn histograms() {
    let words = tile(1, |bits| (bits >> 50) as u16);
    let (bytes, floats): (Vec<u8>, Vec<f32>) = words.iter().map(|&x| (x as u8, f32::from(x))).unzip();
    let (bytes, words, floats) = (&bytes[..SIDE * SIDE], &words[..SIDE * SIDE], &floats[..SIDE * SIDE]);
    let flat = vec![7u8; SIDE * SIDE];
    let mut bins = vec![0; 1 << 16];
    bench("histogram u8 noise", || count_values(black_box(bytes), &mut bins[..256]));
    bench("histogram u8 constant", || count_values(black_box(&flat), &mut bins[..256]));
    bench("histogram u16 14 bits of noise", || count_values(black_box(words), &mut bins));
    bench("histogram u16 constant", || count_values(black_box(&vec![7u16; SIDE * SIDE]), &mut bins));
    bench("histogram u16 from an offset", || count_from(black_box(words), 1000, &mut bins[..8192]));
    for nbins in [256, 65536] {
        let uniform = UniformBins::new(0.0, 16383.0, nbins);
        let name = format!("histogram f32 {nbins} bins");
        bench(&name, || count_uniform(black_box(floats), &uniform, &mut bins[..nbins]));
    }
}

fn conversion<T: Convert<U> + Copy, U: Default + Copy>(name: &str, value: impl Fn(u64) -> T) {
    let src = tile(1, value);
    let mut dst = vec![U::default(); SIDE * SIDE];
    bench(&format!("convert {name}"), || convert_slice(black_box(&src[..SIDE * SIDE]), &mut dst));
}

fn conversions() {
    conversion::<u8, f32>("u8 to f32", |bits| bits as u8);
    conversion::<u16, f32>("u16 to f32", |bits| bits as u16);
    conversion::<f32, u8>("f32 to u8", |bits| (bits >> 55) as f32 / 2.0);
    conversion::<f32, u16>("f32 to u16", |bits| (bits >> 47) as f32 / 2.0);
    conversion::<f32, i32>("f32 to i32", |bits| (bits >> 31) as f32);
    conversion::<f32, u64>("f32 to u64", |bits| bits as f32);
    conversion::<f64, u16>("f64 to u16", |bits| (bits >> 47) as f64 / 2.0);
    conversion::<f64, f32>("f64 to f32", |bits| bits as f64);
    conversion::<u16, u8>("u16 to u8", |bits| (bits >> 55) as u16);
    conversion::<i64, u8>("i64 to u8", |bits| (bits >> 55) as i64);
}

fn main() {
    sums();
    histograms();
    conversions();
    correlations();
    means();
    for size in [3, 31] {
        extremes("u8", size, |bits| (bits >> 56) as u8);
        extremes("u16", size, |bits| (bits >> 48) as u16);
        extremes("f32", size, |bits| bits as f32);
    }
    extremes("f64", 31, |bits| bits as f64);
    extremes("i64", 31, |bits| bits as i64);
}
