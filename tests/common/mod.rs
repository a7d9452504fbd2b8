//! What several test programs use: a generator, running a pipeline text, collecting its result.
#![allow(dead_code)]

use tilewise::array::{ArraySpec, DType};
use tilewise::graph::{Array, Value};
use tilewise::io::chunked::AlignedSink;
use tilewise::lang::{Host, Request, compile};
use tilewise::ops::Arg;
use tilewise::{Result, Run};

/// A small generator of our own, so that a failing seed can be rerun anywhere.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 ^ (self.0 >> 29)) >> 16
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// The array that a pipeline on `input` comes to.
pub fn graph(pipeline: &str, input: &Array) -> Result<Array> {
    let open = |path: &str, _: &tilewise::lang::OpenArgs| -> Result<Array> { panic!("{path}: nothing to open here") };
    let request =
        Request { name: "pipeline", text: pipeline, input: Some(input.clone()), sets: Vec::new(), inline: true };
    match compile(&request, &Host { open: &open })?.result {
        Some(Arg::Array(array)) => Ok(array),
        other => panic!("{pipeline}: {other:?}"),
    }
}

/// A result: its spec and its bytes in C order.
pub struct Computed {
    pub spec: ArraySpec,
    pub bytes: Vec<u8>,
}

impl Computed {
    /// Every element as `f64` (64-bit integers lose digits: compare bytes for those).
    pub fn values(&self) -> Vec<f64> {
        let size = self.spec.dtype.size();
        let element = |e: &[u8]| tilewise::array::Scalar::from_bytes(self.spec.dtype, e).to_f64();
        self.bytes.chunks_exact(size).map(element).collect()
    }
}

/// Runs an array through the engine, with whatever limits `run` has.
pub fn run(array: &Array, run: Run<'_>) -> Result<Computed> {
    let Some(spec) = array.array_spec().cloned() else { panic!("a table") };
    if spec.rank() == 0 {
        let report = run.scratch_dir(std::env::temp_dir()).value(array).run()?;
        let Some(Value::Array(value)) = &report.values[0] else { panic!("no value") };
        return Ok(Computed { spec, bytes: value.data.bytes().to_vec() });
    }
    let (sink, collected) = AlignedSink::new(spec.clone(), &vec![1; spec.rank()]);
    run.sink(array, Box::new(sink)).run()?;
    let bytes = std::mem::take(&mut collected.lock().unwrap().data);
    Ok(Computed { spec, bytes })
}

/// Random elements: mostly small, some extreme, for floats now and then NaN or infinite if `wild`.
pub fn random_bytes(random: &mut Random, dtype: DType, elements: u64, wild: bool) -> Vec<u8> {
    (0..elements)
        .flat_map(|_| {
            let value = match random.below(12) {
                0 if wild && dtype.is_float() => [f64::NAN, f64::INFINITY, -0.0][random.below(3) as usize],
                0 | 1 => 0.0,
                2 if dtype.is_float() => random.below(1000) as f64 * 1e-3 - 0.5,
                _ => random.below(250) as f64 - if dtype.is_signed_integer() { 100.0 } else { 0.0 },
            };
            tilewise::array::Scalar::from_f64(value, dtype).bytes().to_vec()
        })
        .collect()
}
