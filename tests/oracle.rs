//! Tiling is invisible: every operation in the registry, alone and in chains, through planner and executor with random
//! tiles, limits, threads, chunks and stalls, against one evaluation of the whole image that knows none of these. A new
//! operation is covered by being in `OPS`.

mod common;
#[path = "common/whole.rs"]
mod whole;

use common::{Random, graph, random_bytes};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tilewise::array::{ArraySpec, DType, elements};
use tilewise::exec::Event;
use tilewise::graph::{Array, Value};
use tilewise::io::chunked::{AlignedSink, ChunkedSource};
use tilewise::ops::OPS;
use tilewise::{Error, Run};

/// The smallest shapes find most; a few are large enough for several tiles along every axis.
fn random_spec(random: &mut Random) -> ArraySpec {
    let rank = 1 + random.below(5) as usize;
    let most = [60, 24, 12, 7, 5][rank - 1];
    let shape: Vec<u64> = (0..rank).map(|_| 1 + random.below(most)).collect();
    let dtype = DType::ALL[random.below(11) as usize];
    match (rank, random.below(4)) {
        (3, 0) => ArraySpec::with_axes(&shape, dtype, "yxc"),
        (4, 0) => ArraySpec::with_axes(&shape, dtype, "tzyx"),
        _ => ArraySpec::unnamed(&shape, dtype),
    }
}

struct Input {
    spec: ArraySpec,
    bytes: Vec<u8>,
}

impl Input {
    fn random(random: &mut Random) -> Self {
        let spec = random_spec(random);
        let wild = random.below(3) == 0;
        let bytes = random_bytes(random, spec.dtype, elements(&spec.shape), wild);
        Input { spec, bytes }
    }

    fn whole(&self) -> Array {
        whole::node_of(self.spec.clone(), &self.bytes)
    }

    /// As a chunked file, or in memory.
    fn for_engine(&self, random: &mut Random) -> Array {
        if random.below(4) == 0 {
            return self.whole();
        }
        let chunk: Vec<u64> = self.spec.shape.iter().map(|&n| 1 + random.below(n + 1)).collect();
        let delay = Duration::from_micros(if random.below(8) == 0 { random.below(60) } else { 0 });
        let source = ChunkedSource::new(self.spec.clone(), &chunk, &self.bytes).with_delay(delay);
        Array::source(Arc::new(Arc::new(source)))
    }
}

/// The pipelines one after the other; `None` where one of them does not take what the one before gives.
fn chain(pipelines: &[&str], input: Array) -> Option<Array> {
    pipelines.iter().try_fold(input, |array, text| {
        let usable = array.array_spec().is_some_and(|s| s.rank() > 0);
        if usable { graph(text, &array).ok() } else { None }
    })
}

/// Runs through the engine under random means.
fn engine(array: &Array, random: &mut Random) -> Result<Vec<u8>, Error> {
    let stall = AtomicU64::new(random.next());
    let stalling = |_: &Event| {
        let n = stall.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        if n.is_multiple_of(7) {
            std::thread::sleep(Duration::from_micros(n % 200));
        }
    };
    let rank = array.shape().map_or(0, |s| s.len());
    let tile: Vec<u64> = (0..rank.max(2)).map(|_| 1 + random.below(10)).collect();
    let chunk: Vec<u64> = array.shape().iter().flat_map(|s| s.iter()).map(|&n| 1 + random.below(n.max(1))).collect();
    let mut run = Run::new().memory_limit(64 << 20).threads(1 + random.below(3) as usize).observer(&stalling);
    match random.below(3) {
        0 => run = run.memory_limit(least_limit(array, &chunk)? + random.below(1 << 18)),
        _ => run = run.tile(&tile),
    }
    collect(array, run, &chunk, random.below(2) == 0)
}

fn collect(array: &Array, run: Run<'_>, chunk: &[u64], encoded: bool) -> Result<Vec<u8>, Error> {
    let Some(spec) = array.array_spec().filter(|s| s.rank() > 0) else {
        let report = run.scratch_dir(std::env::temp_dir()).value(array).run()?;
        let Some(Value::Array(value)) = &report.values[0] else { panic!("no value") };
        return Ok(value.data.bytes().to_vec());
    };
    let (mut sink, collected) = AlignedSink::new(spec.clone(), chunk);
    if encoded {
        sink = sink.encoding();
    }
    run.sink(array, Box::new(sink)).run()?;
    let data = std::mem::take(&mut collected.lock().unwrap().data);
    Ok(data)
}

/// The smallest limit, by asking for too little.
fn least_limit(array: &Array, chunk: &[u64]) -> Result<u64, Error> {
    let Some(spec) = array.array_spec().filter(|s| s.rank() > 0) else { return Ok(64 << 20) };
    let sink = AlignedSink::new(spec.clone(), chunk).0.encoding();
    match Run::new().memory_limit(1).threads(2).sink(array, Box::new(sink)).plan() {
        Err(Error::Memory(shortage)) => Ok(shortage.need),
        Err(other) => Err(other),
        Ok(_) => panic!("one byte was enough"),
    }
}

/// Compares every output of the pipelines; says whether there was anything to compare.
fn check(pipelines: &[&str], input: &Input, random: &mut Random) -> bool {
    let what = format!("{pipelines:?} on {:?} {} {:?}", input.spec.shape, input.spec.dtype, input.spec.letters());
    let (Some(naive), Some(array)) = (chain(pipelines, input.whole()), chain(pipelines, input.for_engine(random)))
    else {
        return false;
    };
    // Padding grows quickly with the rank.
    if naive.array_spec().is_some_and(|s| s.elements() > 300_000) {
        return false;
    }
    let ports: Vec<&str> = naive.node().ports.to_vec();
    let pairs: Vec<(Array, Array)> = match ports.len() {
        0 => vec![(naive, array)],
        _ => ports.iter().map(|p| (naive.output(p).unwrap(), array.output(p).unwrap())).collect(),
    };
    let mut whole = whole::Whole::default();
    for (naive, array) in pairs.iter().filter(|p| p.0.array_spec().is_some()) {
        let wanted = whole.eval(naive);
        let got = engine(array, random);
        match (wanted, got) {
            (Ok(wanted), Ok(got)) => {
                let wanted = whole::array_of(&wanted);
                let first = wanted.data.bytes().iter().zip(&got).position(|(w, g)| w != g);
                assert_eq!((got.len(), first), (wanted.data.len(), None), "{what}");
            }
            (Err(_), Err(_)) => {}
            (Ok(_), Err(e)) => panic!("{what}: the engine fails: {e}"),
            (Err(e), Ok(_)) => panic!("{what}: only the whole evaluation fails: {e}"),
        }
    }
    true
}

#[test]
fn every_op_is_the_same_tiled_and_whole() {
    let mut compared: HashMap<&str, usize> = HashMap::new();
    for op in OPS {
        assert!(!op.examples.is_empty(), "{} has no examples", op.name);
        for (i, example) in op.examples.iter().enumerate() {
            for round in 0..24 {
                let mut random = Random(round * 1000 + i as u64 + op.name.len() as u64 * 77);
                let input = Input::random(&mut random);
                *compared.entry(op.name).or_default() += usize::from(check(&[example], &input, &mut random));
            }
        }
    }
    for op in OPS {
        assert!(compared[op.name] >= 4, "{} was compared only {} times", op.name, compared[op.name]);
    }
}

#[test]
fn chains_of_ops_are_the_same_tiled_and_whole() {
    let examples: Vec<&str> = OPS.iter().flat_map(|op| op.examples).copied().collect();
    let mut compared = 0;
    for seed in 0..1500 {
        let mut random = Random(seed * 31 + 5);
        let input = Input::random(&mut random);
        let links = 2 + random.below(3);
        let pick: Vec<&str> = (0..links).map(|_| examples[random.below(examples.len() as u64) as usize]).collect();
        compared += usize::from(check(&pick, &input, &mut random));
    }
    assert!(compared > 300, "only {compared} chains fitted together");
}

#[test]
fn diamonds_and_barriers_are_the_same_tiled_and_whole() {
    let texts = [
        "s = gaussian_filter(input, sigma=1, mode=\"wrap\"); m = s > threshold_otsu(s); label(m) + m * 2",
        "(input - mean(input)) / (std(input) + 1)",
        "a = maximum_filter(input, size=3); b = minimum_filter(input, size=5, mode=\"mirror\"); a - b > mean(a)",
        "l = label(input > mean(input)); where(l > 0, l, gaussian_filter(input, 1))",
        "t = threshold(input, \"otsu\"); uniform_filter(t, 3) + uniform_filter(t, 7, mode=\"constant\") * sum(t)",
        "l = label(input > 3, structure=\"full\"); maximum_filter(l, 3) - label(l == 2)",
        "minimum_filter(uniform_filter(input, size=7, origin=-3), size=31, mode=\"wrap\", origin=8)",
        "a = gaussian_filter(input, 1); a - pad(a[5:], [[0, 5]], mode=\"wrap\")",
        "sobel(gaussian_filter1d(uniform_filter1d(input, 2, mode=\"mirror\"), 2, order=1, mode=\"wrap\"), mode=\"nearest\")",
        "a = uniform_filter(input, 3, origin=1); maximum_filter(a, 5, origin=-2) > minimum_filter(a, 5, origin=2)",
        "g = gaussian_filter(input, 1); pad(g[0:1], 3, mode=\"wrap\") + mean(g)",
        "pad(gaussian_filter(pad(input, 20)[9:], 2)[3:], [30, 30], mode=\"wrap\")",
        "p = pad(input, 30); g = maximum_filter(p, 3); g[1:3] + g[9:11] + g[17:19] + g[25:27] + g[33:35] + g[41:43]",
        "p = pad(input, 12); p + pad(minimum_filter(p[1:13], 3), [[20, 0]], mode=\"reflect\")[8:]",
    ];
    let mut compared = 0;
    for seed in 0..560 {
        let mut random = Random(seed * 17 + 3);
        let input = Input::random(&mut random);
        let text = texts[seed as usize % texts.len()];
        compared += usize::from(check(&[text], &input, &mut random));
    }
    assert!(compared > 75, "{compared}");
}
