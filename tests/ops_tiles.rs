//! Tile ops box by box, without the engine: what an op gives in any box is what it gives for the whole, bit for bit. (The
//! registry is walked by `oracle.rs`.)

#[path = "common/whole.rs"]
mod whole;

use std::collections::HashSet;
use std::sync::Arc;
use tilewise::array::{ArraySpec, DType, Dims, Region, Scalar};
use tilewise::error::Result;
use tilewise::graph::{Array, MemArray, Node, NodeKind, OpKind, ScanOp, TileOp, Value};
use tilewise::ops::{self, Arg, Pick, Selection};
use whole::{ScanInputs, Whole, array_of, part, run_box};

/// xorshift64*: the same cases on every machine.
struct Rng(u64);

impl Rng {
    fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: u64) -> u64 {
        (self.bits() >> 11) % n
    }
}

/// A call: an op and a way to build it on an array.
type Case = (&'static str, fn(&Array) -> Result<Array>);

macro_rules! cases {
    ($($name:literal: [$($positional:expr),*] $($key:ident = $value:expr),*;)*) => {
        &[$(($name, |input| {
            let positional: Vec<Arg> = vec![input.into() $(, $positional.into())*];
            ops::call($name, positional, vec![$((stringify!($key).to_string(), $value.into())),*])
        })),*]
    };
}

fn other(input: &Array) -> Array {
    ops::call("multiply", vec![input.into(), 0.5.into()], vec![]).unwrap()
}

fn mean(input: &Array) -> Array {
    ops::call("mean", vec![input.into()], vec![]).unwrap()
}

/// The mask of what is above a number: for ops on masks.
fn above(input: &Array, value: i64) -> Array {
    ops::call("greater", vec![input.into(), value.into()], vec![]).unwrap()
}

const NUMBERS: &[Case] = cases! {
    "add": [1]; "subtract": [0.1]; "multiply": [3]; "divide": [7]; "power": [2]; "power": [1.5]; "floor_divide": [3];
    "floor_divide": [2.5]; "remainder": [7]; "negative": []; "abs": []; "sqrt": []; "hypot": [3]; "minimum": [10];
    "maximum": [3]; "clip": [2, 100]; "clip": [] a_max = 9.5; "cast": ["uint8"]; "cast": ["float64"]; "cast": ["bool"];
    "less": [5]; "less_equal": [2.5]; "greater": [300]; "greater_equal": [-1]; "equal": [7]; "not_equal": [7];
    "where": [1, 0.5];
    "gaussian_filter": [2]; "gaussian_filter": [1.5] order = 1, mode = "mirror";
    "gaussian_filter": [3] mode = "wrap", truncate = 2; "gaussian_filter": [1] mode = "constant", cval = 9, radius = 3;
    "gaussian_filter1d": [2] axis = 0; "gaussian_filter1d": [1] order = 2, mode = "nearest";
    "uniform_filter": [5]; "uniform_filter": [4] origin = -2, mode = "wrap"; "uniform_filter": [] mode = "constant", cval = 2.5;
    "uniform_filter1d": [7] axis = 0; "uniform_filter1d": [2] mode = "mirror", origin = -1;
    "sobel": [0]; "sobel": [] mode = "constant", cval = 5; "prewitt": [0]; "prewitt": [] mode = "wrap";
    "correlate1d": [[1, 2, 3, 4]] axis = 0; "correlate1d": [[1, 0, -1]] mode = "wrap";
    "correlate1d": [[1, 2, 5]] mode = "constant", cval = 3, origin = -1;
    "convolve1d": [[1, 2, 3, 4]] axis = 0; "convolve1d": [[1, 2, 5]] mode = "nearest", origin = 1;
    "minimum_filter": [3]; "minimum_filter": [4] mode = "constant", cval = 1, origin = -2;
    "maximum_filter": [3]; "maximum_filter": [6] mode = "wrap", origin = 1;
    "minimum_filter1d": [5] axis = 0; "minimum_filter1d": [4] mode = "mirror", origin = 1;
    "maximum_filter1d": [5] axis = 0; "maximum_filter1d": [2] mode = "nearest";
    "pad": [2]; "pad": [[3, 1]] mode = "reflect"; "pad": [[0, 7]] mode = "symmetric"; "pad": [1] mode = "edge";
    "pad": [[5, 4]] mode = "wrap"; "pad": [2] constant_values = 1;
    "min": []; "max": []; "mean": []; "std": []; "std": [] ddof = 1; "sum": [];
    "histogram": [] bins = 16, range = [0, 100]; "threshold": [100];
};

/// Ops that refuse NaN and infinities.
const FINITE: &[Case] = cases! {
    "histogram": []; "histogram": [3]; "threshold_otsu": []; "threshold_otsu": [64]; "threshold": ["otsu"];
};

/// Ops between arrays, and with computed scalars.
const PAIRS: &[Case] = &[
    ("add", |x| ops::call("add", vec![x.into(), other(x).into()], vec![])),
    ("subtract", |x| ops::call("subtract", vec![x.into(), mean(x).into()], vec![])),
    ("hypot", |x| ops::call("hypot", vec![x.into(), other(x).into()], vec![])),
    ("power", |x| ops::call("power", vec![2.into(), other(x).into()], vec![])),
    ("floor_divide", |x| ops::call("floor_divide", vec![x.into(), x.into()], vec![])),
    ("remainder", |x| ops::call("remainder", vec![100.into(), x.into()], vec![])),
    ("minimum", |x| ops::call("minimum", vec![x.into(), other(x).into()], vec![])),
    ("maximum", |x| ops::call("maximum", vec![mean(x).into(), x.into()], vec![])),
    ("clip", |x| ops::call("clip", vec![x.into(), Arg::None, mean(x).into()], vec![])),
    ("greater", |x| ops::call("greater", vec![x.into(), mean(x).into()], vec![])),
    ("less", |x| ops::call("less", vec![other(x).into(), x.into()], vec![])),
    ("bitwise_and", |x| ops::call("bitwise_and", vec![above(x, 3).into(), above(x, 9).into()], vec![])),
    ("bitwise_or", |x| ops::call("bitwise_or", vec![above(x, 3).into(), above(x, 9).into()], vec![])),
    ("bitwise_xor", |x| ops::call("bitwise_xor", vec![above(x, 3).into(), 1.into()], vec![])),
    ("bitwise_not", |x| ops::call("bitwise_not", vec![above(x, 3).into()], vec![])),
    ("where", |x| ops::call("where", vec![above(x, 3).into(), x.into(), 0.into()], vec![])),
    ("add", |x| {
        let first = |pick| ops::select(x, &[Selection { axis: None, what: pick }]);
        let row = first(Pick::Slice { start: None, stop: Some(1), step: None })?;
        ops::call("add", vec![row.into(), x.into()], vec![])
    }),
    ("add", |x| {
        // Without its first axis, which then repeats; of a 1-D array that leaves a scalar.
        let dropped = ops::select(x, &[Selection { axis: None, what: Pick::Index(0) }])?;
        ops::call("add", vec![dropped.into(), x.into()], vec![])
    }),
    ("add", |x| {
        let what = Pick::Slice { start: Some(-2), stop: None, step: Some(3) };
        ops::select(x, &[Selection { axis: Some('x'), what }])
    }),
    ("add", |x| {
        let what = Pick::Slice { start: None, stop: None, step: Some(2) };
        ops::select(&other(x), &[Selection { axis: Some('x'), what }])
    }),
];

fn input(rng: &mut Rng, dtype: DType, finite: bool) -> Array {
    let rank = 1 + rng.below(5) as usize;
    let longest = [600, 40, 14, 8, 6][rank - 1];
    let shape: Dims = (0..rank).map(|_| if rng.below(5) == 0 { 1 } else { 1 + rng.below(longest) }).collect();
    let spec = match rng.below(2) {
        0 => ArraySpec::unnamed(&shape, dtype),
        _ => ArraySpec::with_axes(&shape, dtype, &"tczyx"[5 - rank..]),
    };
    let mut bytes = Vec::new();
    for _ in 0..spec.elements() {
        bytes.extend_from_slice(element(rng, dtype, finite).bytes());
    }
    whole::node_of(spec, &bytes)
}

fn element(rng: &mut Rng, dtype: DType, finite: bool) -> Scalar {
    if !dtype.is_float() {
        // Small numbers meet thresholds and divisors, wide ones the ends of the type.
        let shift = [0, 8, 56, 58][rng.below(4) as usize];
        let value = i128::from(rng.bits() as i64 >> shift);
        return Scalar::from_i128(value, dtype).unwrap_or_else(|| Scalar::from_f64((value % 90) as f64, dtype));
    }
    let specials = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 1e300, 1e-310, -f64::NAN];
    match rng.below(40) {
        k if k < 7 && !finite => Scalar::from_f64(specials[k as usize], dtype),
        _ => Scalar::from_f64((rng.bits() >> 40) as f64 / 65536.0 - 100.0, dtype),
    }
}

fn some_box(rng: &mut Rng, shape: &[u64]) -> Region {
    let mut at = Region::whole(shape);
    for (axis, &n) in shape.iter().enumerate() {
        at.start[axis] = rng.below(n);
        at.shape[axis] = 1 + rng.below(n - at.start[axis]);
    }
    at
}

fn nodes(array: &Array, seen: &mut HashSet<*const Node>, all: &mut Vec<Arc<Node>>) {
    if seen.insert(Arc::as_ptr(array.node())) {
        array.node().inputs.iter().for_each(|i| nodes(i, seen, all));
        all.push(array.node().clone());
    }
}

fn check(rng: &mut Rng, array: &Array, what: &str) -> Result<()> {
    let mut whole = Whole::default();
    whole.eval(array)?;
    let mut all = Vec::new();
    nodes(array, &mut HashSet::new(), &mut all);
    for node in all {
        let inputs = node.inputs.iter().map(|i| whole.eval(i)).collect::<Result<Vec<_>>>()?;
        match &node.kind {
            NodeKind::Op(OpKind::Tile(op)) => {
                let result = array_of(&whole.value_of(&node)[0]);
                check_tiles(rng, op.as_ref(), &inputs, &result, what);
            }
            NodeKind::Op(OpKind::Scan(op)) => check_scan(rng, op.as_ref(), &inputs, &whole.value_of(&node), what)?,
            _ => {}
        }
    }
    Ok(())
}

fn check_tiles(rng: &mut Rng, op: &dyn TileOp, inputs: &[Value], result: &MemArray, what: &str) {
    for _ in 0..4 {
        let at = some_box(rng, &result.spec.shape);
        let tile = run_box(op, inputs, &result.spec, &at).unwrap();
        assert!(tile.data.bytes() == part(result, &at), "{what}: {} at {at:?} of {:?}", op.name(), result.spec);
    }
}

fn check_scan(rng: &mut Rng, op: &dyn ScanOp, inputs: &[Value], results: &[Value], what: &str) -> Result<()> {
    let scan = ScanInputs::new(op, inputs);
    let spec = scan.arrays[0].spec.clone();
    let mut tile: Dims = spec.shape.iter().map(|&n| 1 + rng.below(n)).collect();
    if let Some(grain) = op.grain(&spec) {
        tile.iter_mut().zip(&grain).for_each(|(n, &unit)| *n = n.next_multiple_of(unit));
    }
    let mut states = [scan.begin(op)?, scan.begin(op)?];
    for index in (0..tilewise::array::grid_len(&spec.shape, &tile)).rev() {
        let at = Region::tile(&spec.shape, &tile, index);
        scan.fold(states[rng.below(2) as usize].as_mut(), &at)?;
    }
    let [mut one, other] = states;
    one.merge(other);
    for (a, b) in one.finish()?.iter().zip(results) {
        assert_eq!(bytes(a), bytes(b), "{what}: {} of {spec:?} in {tile:?}", op.name());
    }
    Ok(())
}

fn bytes(value: &Value) -> Vec<Vec<u8>> {
    match value {
        Value::Array(array) => vec![array.data.bytes().to_vec()],
        Value::Table(table) => (0..table.spec.columns.len())
            .map(|column| {
                let mut bytes = vec![0; table.rows as usize * table.spec.columns[column].dtype.size()];
                table.read(column, 0, &mut bytes).unwrap();
                bytes
            })
            .collect(),
    }
}

fn check_all(cases: &[Case], seed: u64, finite: bool) {
    let mut rng = Rng(seed);
    for (index, (name, build)) in cases.iter().enumerate() {
        for dtype in DType::ALL {
            let input = input(&mut rng, dtype, finite);
            let what = format!("{name} (case {index}) of {:?}", input.spec());
            let array = build(&input).unwrap_or_else(|e| panic!("{what}: {e}"));
            match check(&mut rng, &array, &what) {
                // Errors by design: sums that overflow 64 bits, and bins between neighbouring large integers.
                Err(e)
                    if ["does not hold", "too small for the precision"].iter().any(|w| e.to_string().contains(w)) => {}
                result => result.unwrap_or_else(|e| panic!("{what}: {e}")),
            }
        }
    }
}

#[test]
fn tiles_are_parts_of_the_whole() {
    (1..4).for_each(|seed| check_all(NUMBERS, seed, false));
}

#[test]
fn tiles_of_finite_data_are_parts_of_the_whole() {
    (1..4).for_each(|seed| check_all(FINITE, seed, true));
}

#[test]
fn tiles_of_pairs_are_parts_of_the_whole() {
    (1..4).for_each(|seed| check_all(PAIRS, seed, false));
}
