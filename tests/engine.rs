//! The executor against a direct definition: chains of integer windows under every boundary mode, over random shapes,
//! chunks, tiles, threads and stalls. The operations are closures, so nothing but the engine is tested.

mod common;

use common::Random;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tilewise::array::{ArraySpec, DType, Mode, Region, Source1, ViewMut, elements};
use tilewise::budget::Budget;
use tilewise::exec::Event;
use tilewise::graph::Array;
use tilewise::io::chunked::{AlignedSink, ChunkedSource};
use tilewise::io::{Access, Facts, Layout, ReadBill, Reader, Sink, Source};
use tilewise::{Cancel, Error, Run, map_blocks, map_overlap};

#[derive(Clone, Debug)]
struct Window {
    depth: Vec<u64>,
    mode: Mode,
}

const CVAL: u32 = 77;

/// Weights by offset, so that every neighbour counts differently.
fn weight(flat: usize) -> u32 {
    (flat as u32 + 1).wrapping_mul(2654435761) >> 7
}

fn windowed(input: &Array, window: &Window) -> tilewise::Result<Array> {
    let depth: Vec<usize> = window.depth.iter().map(|&d| d as usize).collect();
    map_overlap::<u32, u32>(input, &window.depth, window.mode, CVAL, move |tile, mut out| {
        let reach: Vec<usize> = depth.iter().map(|d| 2 * d + 1).collect();
        for (at, value) in out.indexed_iter_mut() {
            let mut sum = 0u32;
            for (flat, offset) in offsets(&reach).enumerate() {
                let index: Vec<usize> = (0..offset.len()).map(|a| at[a] + offset[a]).collect();
                sum = sum.wrapping_add(tile[&index[..]].wrapping_mul(weight(flat)));
            }
            *value = sum;
        }
    })
}

fn offsets(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> {
    let shape = shape.to_vec();
    (0..shape.iter().product()).map(move |mut flat: usize| {
        let mut index = vec![0; shape.len()];
        for axis in (0..shape.len()).rev() {
            index[axis] = flat % shape[axis];
            flat /= shape[axis];
        }
        index
    })
}

/// The same by definition, over the whole image.
fn expected(data: &[u32], shape: &[u64], window: &Window) -> Vec<u32> {
    let whole: Vec<usize> = shape.iter().map(|&n| n as usize).collect();
    let reach: Vec<usize> = window.depth.iter().map(|&d| 2 * d as usize + 1).collect();
    offsets(&whole)
        .map(|at| {
            offsets(&reach).enumerate().fold(0u32, |sum, (flat, offset)| {
                let place = (0..at.len()).try_fold(0usize, |place, axis| {
                    let i = at[axis] as i64 + offset[axis] as i64 - window.depth[axis] as i64;
                    match window.mode.source(i, shape[axis]) {
                        Source1::At(k) => Some(place * whole[axis] + k as usize),
                        Source1::Constant => None,
                    }
                });
                sum.wrapping_add(place.map_or(CVAL, |p| data[p]).wrapping_mul(weight(flat)))
            })
        })
        .collect()
}

/// Equality that does not print whole images.
fn same(got: &[u32], wanted: &[u32], what: &str) {
    let first = got.iter().zip(wanted).position(|(g, w)| g != w);
    assert_eq!((got.len(), first), (wanted.len(), None), "{what}");
}

struct Case {
    shape: Vec<u64>,
    data: Vec<u32>,
    source_chunk: Vec<u64>,
    windows: Vec<Window>,
}

fn random_case(random: &mut Random) -> Case {
    let rank = 1 + random.below(3) as usize;
    let most = [40, 16, 8][rank - 1];
    let shape: Vec<u64> = (0..rank).map(|_| 1 + random.below(most)).collect();
    let data = (0..elements(&shape)).map(|_| random.next() as u32).collect();
    let source_chunk = shape.iter().map(|&n| 1 + random.below(n + 1)).collect();
    let windows = (0..1 + random.below(3))
        .map(|_| Window {
            depth: (0..rank).map(|_| random.below(if rank == 1 { 50 } else { 4 })).collect(),
            mode: Mode::ALL[random.below(5) as usize],
        })
        .collect();
    Case { shape, data, source_chunk, windows }
}

impl Case {
    fn spec(&self) -> ArraySpec {
        ArraySpec::unnamed(&self.shape, DType::U32)
    }

    fn source(&self) -> ChunkedSource {
        ChunkedSource::new(self.spec(), &self.source_chunk, bytemuck::cast_slice(&self.data))
    }

    fn graph(&self, source: Arc<ChunkedSource>) -> Array {
        let mut array = Array::source(Arc::new(source));
        for window in &self.windows {
            array = windowed(&array, window).unwrap();
        }
        array
    }

    fn expected(&self) -> Vec<u32> {
        self.windows.iter().fold(self.data.clone(), |data, w| expected(&data, &self.shape, w))
    }
}

#[test]
fn any_tiling_gives_the_whole_image_answer() {
    for seed in 0..150 {
        let mut random = Random(seed);
        let case = random_case(&mut random);
        let wanted = case.expected();
        for _ in 0..3 {
            let array = case.graph(Arc::new(case.source()));
            let sink_chunk: Vec<u64> = case.shape.iter().map(|&n| 1 + random.below(n)).collect();
            let (sink, collected) = AlignedSink::new(case.spec(), &sink_chunk);
            let tile: Vec<u64> = case.shape.iter().map(|&n| 1 + random.below(n + 2)).collect();
            let threads = 1 + random.below(3) as usize;
            let stall = AtomicU64::new(random.next());
            let stalling = |_: &Event| {
                let n = stall.fetch_add(0x9E3779B97F4A7C15, Ordering::Relaxed);
                if n.is_multiple_of(5) {
                    std::thread::sleep(Duration::from_micros(n % 300));
                }
            };
            let run = Run::new().memory_limit(64 << 20).threads(threads).tile(&tile).observer(&stalling);
            run.sink(&array, Box::new(sink)).run().unwrap_or_else(|e| panic!("seed {seed}: {e}"));
            let collected = collected.lock().unwrap();
            assert!(collected.committed);
            let got: &[u32] = bytemuck::cast_slice(&collected.data);
            same(got, &wanted, &format!("seed {seed}, tile {tile:?}, {:?} {:?}", case.shape, case.windows));
        }
    }
}

#[test]
fn the_planner_s_own_tiles_give_the_same_under_any_limit() {
    let shape = [150u64, 170];
    let mut random = Random(7);
    let data = (0..elements(&shape)).map(|_| random.next() as u32).collect();
    let windows = vec![
        Window { depth: vec![2, 1], mode: Mode::Wrap },
        Window { depth: vec![1, 3], mode: Mode::Mirror },
        Window { depth: vec![2, 0], mode: Mode::Constant },
    ];
    let case = Case { shape: shape.to_vec(), data, source_chunk: vec![16, 32], windows };
    let wanted = case.expected();
    let least = least_limit(&case);
    for limit in [least, least + 1000, least + 20_000, least + 200_000, 64 << 20] {
        let source = Arc::new(case.source());
        let (sink, collected) = AlignedSink::new(case.spec(), &[8, 8]);
        let run = Run::new().memory_limit(limit).threads(2).sink(&case.graph(source), Box::new(sink));
        run.run().unwrap_or_else(|e| panic!("{limit}: {e}"));
        let collected = collected.lock().unwrap();
        same(bytemuck::cast_slice(&collected.data), &wanted, &format!("limit {limit}"));
    }
}

fn least_limit(case: &Case) -> u64 {
    let (sink, _) = AlignedSink::new(case.spec(), &[8, 8]);
    let run = Run::new().memory_limit(1).threads(2).sink(&case.graph(Arc::new(case.source())), Box::new(sink));
    match run.plan() {
        Err(Error::Memory(shortage)) => shortage.need,
        other => panic!("one byte was enough: {other:?}"),
    }
}

#[test]
fn chunks_are_decoded_once_where_the_budget_allows() {
    let spec = ArraySpec::unnamed(&[64, 64], DType::U32);
    let source = Arc::new(ChunkedSource::new(spec.clone(), &[16, 16], &vec![3u8; 64 * 64 * 4]));
    let window = Window { depth: vec![3, 3], mode: Mode::Reflect };
    let array = windowed(&Array::source(Arc::new(source.clone())), &window).unwrap();
    let (sink, _) = AlignedSink::new(spec, &[1, 1]);
    let run = Run::new().memory_limit(64 << 20).threads(2).tile(&[16, 16]).sink(&array, Box::new(sink));
    let report = run.run().unwrap();
    assert!(source.decoded().iter().all(|&n| n == 1), "{:?}", source.decoded());
    let decoded = &report.passes[0].decoded[0];
    assert_eq!((decoded.chunks, decoded.decodes), (16, 16));
}

#[test]
fn success_is_monotone_and_refusals_name_what_is_needed() {
    let case = random_case(&mut Random(3));
    let least = least_limit(&case);
    for limit in [least / 2, least - 1, least, least * 2, least * 3 + 7] {
        let (sink, _) = AlignedSink::new(case.spec(), &[8, 8, 8][..case.shape.len()]);
        let run = Run::new().memory_limit(limit).threads(2);
        let run = run.sink(&case.graph(Arc::new(case.source())), Box::new(sink));
        assert_eq!(run.plan().is_ok(), limit >= least, "limit {limit}, least {least}");
    }
}

#[test]
fn failures_in_source_and_closure_end_the_run_and_abort_the_sink() {
    let spec = ArraySpec::unnamed(&[32, 32], DType::U32);
    let source = ChunkedSource::new(spec.clone(), &[8, 8], &vec![1u8; 4096]).with_failure(9);
    let array = map_blocks::<u32, u32>(&Array::source(Arc::new(Arc::new(source))), |t, mut o| o.assign(&t)).unwrap();
    let (sink, collected) = AlignedSink::new(spec.clone(), &[4, 4]);
    assert!(Run::new().threads(3).sink(&array, Box::new(sink)).run().is_err());
    assert!(collected.lock().unwrap().aborted);

    let source = ChunkedSource::new(spec.clone(), &[8, 8], &vec![1u8; 4096]);
    let array = map_blocks::<u32, u32>(&Array::source(Arc::new(Arc::new(source))), |_, _| panic!("no luck")).unwrap();
    let (sink, collected) = AlignedSink::new(spec, &[4, 4]);
    match Run::new().threads(2).sink(&array, Box::new(sink)).run() {
        Err(Error::Panicked(text)) => assert_eq!(text, "no luck"),
        other => panic!("{other:?}"),
    }
    assert!(collected.lock().unwrap().aborted);
}

#[test]
fn a_run_can_be_cancelled_from_a_tile() {
    let spec = ArraySpec::unnamed(&[64, 64], DType::U32);
    let source = Arc::new(ChunkedSource::new(spec.clone(), &[8, 8], &vec![1u8; 64 * 64 * 4]));
    let array = map_blocks::<u32, u32>(&Array::source(Arc::new(source)), |t, mut o| o.assign(&t)).unwrap();
    let (sink, collected) = AlignedSink::new(spec, &[4, 4]);
    let cancel = Cancel::new();
    let stopping = |event: &Event| {
        if let Event::TileWritten { tile: 2, .. } = event {
            cancel.cancel();
        }
    };
    let sink: Box<dyn Sink> = Box::new(sink);
    let run = Run::new().threads(2).tile(&[4, 4]).cancel(&cancel).observer(&stopping).sink(&array, sink);
    assert!(matches!(run.run(), Err(Error::Cancelled)));
    assert!(collected.lock().unwrap().aborted);
}

/// A source whose decoder panics, as a library might on a hostile file.
#[derive(Debug)]
struct Panicking(ArraySpec);

impl Source for Panicking {
    fn spec(&self) -> &ArraySpec {
        &self.0
    }

    fn name(&self) -> String {
        "panicking".into()
    }

    fn layout(&self) -> Layout {
        Layout::Chunked { chunk: self.0.shape.clone() }
    }

    fn bill(&self, _access: Access) -> ReadBill {
        ReadBill::default()
    }

    fn facts(&self) -> Facts {
        Facts::default()
    }

    fn reader(&self, _access: Access) -> tilewise::Result<Box<dyn Reader>> {
        struct Decoder;
        impl Reader for Decoder {
            fn read(&mut self, _at: &Region, _out: ViewMut<'_>) -> tilewise::Result<()> {
                std::thread::sleep(Duration::from_millis(20));
                panic!("cannot be decoded")
            }
        }
        Ok(Box::new(Decoder))
    }
}

#[test]
fn a_decoder_that_panics_ends_the_run_for_those_who_wait_for_its_chunk() {
    let spec = ArraySpec::unnamed(&[64, 64], DType::U32);
    let image = Array::source(Arc::new(Panicking(spec.clone())));
    let array = windowed(&image, &Window { depth: vec![1, 1], mode: Mode::Reflect }).unwrap();
    let (sink, collected) = AlignedSink::new(spec, &[4, 4]);
    let run = Run::new().threads(3).tile(&[8, 8]).sink(&array, Box::new(sink));
    assert!(matches!(run.run(), Err(Error::Panicked(text)) if text == "cannot be decoded"));
    assert!(collected.lock().unwrap().aborted);
}

#[test]
fn runs_can_share_a_budget_that_holds_only_one_of_them() {
    let case = random_case(&mut Random(11));
    let wanted = case.expected();
    let budget = Budget::new(least_limit(&case) * 3 / 2);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let (sink, collected) = AlignedSink::new(case.spec(), &[8, 8, 8][..case.shape.len()]);
                let run = Run::new().memory_limit(budget.limit()).threads(2).budget(&budget);
                run.sink(&case.graph(Arc::new(case.source())), Box::new(sink)).run().unwrap();
                same(bytemuck::cast_slice(&collected.lock().unwrap().data), &wanted, "shared");
            });
        }
    });
    assert_eq!(budget.free(), budget.limit());
    assert!(budget.peak() <= budget.limit());
}

/// Runs a pipeline on chunks, with `room` bytes besides what sink and source hold; says how many passes it took
/// and how often the chunks were decoded.
fn in_room(pipeline: &str, source: &Arc<ChunkedSource>, room: u64) -> (usize, Vec<u32>, Vec<u8>) {
    let array = common::graph(pipeline, &Array::source(Arc::new(source.clone()))).unwrap();
    let spec = array.array_spec().unwrap().clone();
    let (sink, collected) = AlignedSink::new(spec.clone(), &vec![1; spec.rank()]);
    let mut run = Run::new()
        .threads(1)
        .memory_limit(spec.bytes() + source.bill(Access::Positioned).shared + room)
        .sink(&array, Box::new(sink));
    let plan = run.plan().unwrap();
    run.run_plan(&plan).unwrap();
    let data = std::mem::take(&mut collected.lock().unwrap().data);
    (plan.passes.len(), source.decoded(), data)
}

#[test]
fn large_windows_under_a_small_limit_are_cut_between_axes() {
    let mut random = Random(5);
    let spec = ArraySpec::unnamed(&[140, 140, 140], DType::U8);
    let data = common::random_bytes(&mut random, spec.dtype, spec.elements(), false);
    let source = || Arc::new(ChunkedSource::new(spec.clone(), &[1, 140, 140], &data));
    let pipeline = "maximum_filter(size=91, mode=\"mirror\")";
    let (passes, _, wanted) = in_room(pipeline, &source(), 64 << 20);
    assert_eq!(passes, 1);
    let (passes, _, got) = in_room(pipeline, &source(), 4 << 20);
    assert!(passes > 1, "no cut");
    assert!(got == wanted);
}

#[test]
fn chunks_that_suit_no_tile_are_unpacked_once() {
    let mut random = Random(6);
    let spec = ArraySpec::unnamed(&[64, 300, 200], DType::U8);
    let data = common::random_bytes(&mut random, spec.dtype, spec.elements(), false);
    // Whole planes, read along the other axis.
    let source = || Arc::new(ChunkedSource::new(spec.clone(), &[1, 300, 200], &data));
    let pipeline = "maximum_filter(size=[63, 1, 1])";
    let (_, _, wanted) = in_room(pipeline, &source(), 64 << 20);
    let packed = source();
    let (passes, decoded, got) = in_room(pipeline, &packed, 3 << 20);
    assert!(got == wanted);
    assert_eq!((passes, decoded.iter().max()), (2, Some(&1)));
}
