//! The oracle: a whole-image evaluation that knows no plan, no tile and no thread, only what a node says of itself.

#![allow(dead_code)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tilewise::array::{ArraySpec, Buffer, Mode, Region, Scalar, Source1, Spec, View, ViewMut};
use tilewise::error::Result;
use tilewise::graph::{
    Array, Cx, MemArray, Need, Node, NodeKind, OpKind, ScanCx, ScanOp, ScanState, Schedule, StitchOp, StitchOutput,
    Store, Stores, TileOp, Value,
};
use tilewise::io::{Access, Layout, Source};

/// Evaluates nodes, each once.
#[derive(Default)]
pub struct Whole {
    done: HashMap<*const Node, (Arc<Node>, Vec<Value>)>,
}

/// What `array` stands for.
pub fn eval(array: &Array) -> Result<Value> {
    Whole::default().eval(array)
}

/// The array in a value that is one.
pub fn array_of(value: &Value) -> Arc<MemArray> {
    match value {
        Value::Array(array) => array.clone(),
        Value::Table(_) => panic!("a table is no array"),
    }
}

/// An array in memory as a node.
pub fn node_of(spec: ArraySpec, bytes: &[u8]) -> Array {
    let mut array = MemArray::zeros(spec).unwrap();
    array.data.bytes_mut().copy_from_slice(bytes);
    Array::value(Value::Array(Arc::new(array)))
}

impl Whole {
    /// All outputs of a node that has been evaluated.
    pub fn value_of(&self, node: &Arc<Node>) -> Vec<Value> {
        self.done[&Arc::as_ptr(node)].1.clone()
    }

    /// What `array` stands for.
    pub fn eval(&mut self, array: &Array) -> Result<Value> {
        let node = array.node();
        if let Some((_, values)) = self.done.get(&Arc::as_ptr(node)) {
            return Ok(values[array.port()].clone());
        }
        let inputs = node.inputs.iter().map(|i| self.eval(i)).collect::<Result<Vec<Value>>>()?;
        let values = match &node.kind {
            NodeKind::Value(value) => vec![value.clone()],
            NodeKind::Source(source) => vec![read(source.as_ref())?],
            NodeKind::Op(OpKind::Tile(op)) => {
                let Spec::Array(spec) = &node.outputs[0] else { panic!("a tile op gives an array") };
                vec![Value::Array(Arc::new(run_box(op.as_ref(), &inputs, spec, &Region::whole(&spec.shape))?))]
            }
            NodeKind::Op(OpKind::Scan(op)) => scan(op.as_ref(), &inputs)?,
            NodeKind::Op(OpKind::Stitch(op)) => stitch(op.as_ref(), &array_of(&inputs[0]))?,
        };
        for (value, spec) in values.iter().zip(&node.outputs) {
            assert_eq!(&value.spec(), spec, "a node gives what it says");
        }
        let value = values[array.port()].clone();
        self.done.insert(Arc::as_ptr(node), (node.clone(), values));
        Ok(value)
    }
}

/// Runs a tile op on one box of its output, its inputs padded element by element.
pub fn run_box(op: &dyn TileOp, inputs: &[Value], output: &ArraySpec, at: &Region) -> Result<MemArray> {
    let table = |v: &Value| if let Value::Table(table) = v { Some(table.clone()) } else { None };
    let tables: Vec<_> = inputs.iter().filter_map(table).collect();
    let none = || Arc::new(MemArray::zeros(ArraySpec::scalar(tilewise::array::DType::U64)).unwrap());
    let inputs: Vec<Arc<MemArray>> =
        inputs.iter().map(|v| if let Value::Array(a) = v { a.clone() } else { none() }).collect();
    let specs: Vec<ArraySpec> = inputs.iter().map(|i| i.spec.clone()).collect();
    let boxes: Vec<MemArray> = (0..inputs.len())
        .map(|k| if specs[k].rank() == 0 { copy_of(&inputs[k]) } else { padded(&inputs[k], &op.need(k, at, &specs)) })
        .collect();
    let views: Vec<View<'_>> = boxes.iter().map(MemArray::view).collect();
    let mut out = MemArray::zeros(ArraySpec { shape: at.shape.clone(), ..output.clone() }).unwrap();
    // What an op leaves unwritten or reads unset must show.
    out.data.bytes_mut().fill(0xcd);
    let mut scratch = Buffer::new(op.scratch(&at.shape, &specs) as usize).unwrap();
    scratch.bytes_mut().fill(0xab);
    let cx = Cx { out: at, inputs: &specs, output, tables: &tables };
    let mut view = ViewMut::new(output.dtype, &at.shape, out.data.bytes_mut());
    op.run(&cx, &views, &mut view, scratch.bytes_mut())?;
    Ok(out)
}

fn copy_of(array: &MemArray) -> MemArray {
    let mut copy = MemArray::zeros(array.spec.clone()).unwrap();
    copy.data.bytes_mut().copy_from_slice(array.data.bytes());
    copy
}

/// The box that a need asks for.
pub fn padded(array: &MemArray, need: &Need) -> MemArray {
    let spec = ArraySpec { shape: need.shape.clone(), ..array.spec.clone() };
    let mut out = MemArray::zeros(spec).unwrap();
    let size = array.spec.dtype.size();
    let (mode, cval) = need.outside.unwrap_or((Mode::Constant, Scalar::bool(false)));
    for (at, element) in out.data.bytes_mut().chunks_exact_mut(size).enumerate() {
        let mut rest = at as u64;
        let mut source = Some(0u64);
        let mut stride = 1;
        for axis in (0..need.shape.len()).rev() {
            let (n, len) = (array.spec.shape[axis], need.shape[axis]);
            let i = need.start[axis] + (rest % len) as i64;
            rest /= len;
            assert!(need.outside.is_some() || (0..n as i64).contains(&i), "reaches outside without saying so");
            source = match (source, mode.source(i, n)) {
                (Some(at), Source1::At(k)) => Some(at + k * stride),
                _ => None,
            };
            stride *= n;
        }
        match source {
            Some(at) => element.copy_from_slice(&array.data.bytes()[at as usize * size..][..size]),
            None => element.copy_from_slice(cval.bytes()),
        }
    }
    out
}

/// A box of an array, packed.
pub fn part(array: &MemArray, at: &Region) -> Vec<u8> {
    padded(array, &Need::inside(at)).data.bytes().to_vec()
}

/// What a scan is given, taken apart.
pub struct ScanInputs {
    /// The arrays that stream by.
    pub arrays: Vec<Arc<MemArray>>,
    specs: Vec<ArraySpec>,
    scalars: Vec<Scalar>,
    further: Vec<Arc<MemArray>>,
}

impl ScanInputs {
    pub fn new(op: &dyn ScanOp, inputs: &[Value]) -> Self {
        let (arrays, rest) = inputs.split_at(op.streams());
        let arrays: Vec<Arc<MemArray>> = arrays.iter().map(array_of).collect();
        let specs = arrays.iter().map(|a| a.spec.clone()).collect();
        let scalars = rest.iter().filter_map(Value::to_scalar).collect();
        let further = rest.iter().filter(|v| v.to_scalar().is_none()).map(array_of).collect();
        ScanInputs { arrays, specs, scalars, further }
    }

    pub fn begin(&self, op: &dyn ScanOp) -> Result<Box<dyn ScanState>> {
        let stores: Stores = Arc::new(|| Ok(Arc::new(Memory::default()) as Arc<dyn Store>));
        let (inputs, scalars, arrays) = (&self.specs, &self.scalars, &self.further);
        op.begin(&ScanCx { inputs, scalars, arrays, stores: &stores })
    }

    pub fn fold(&self, state: &mut dyn ScanState, at: &Region) -> Result<()> {
        let views: Vec<View<'_>> = self.arrays.iter().map(|a| a.view().sub(at)).collect();
        state.fold(at, &views)
    }
}

fn scan(op: &dyn ScanOp, inputs: &[Value]) -> Result<Vec<Value>> {
    let scan = ScanInputs::new(op, inputs);
    let mut state = scan.begin(op)?;
    scan.fold(state.as_mut(), &Region::whole(&scan.specs[0].shape))?;
    state.finish()
}

fn stitch(op: &dyn StitchOp, input: &MemArray) -> Result<Vec<Value>> {
    let shape = input.spec.shape.clone();
    let schedule = Schedule { slab: shape.clone(), shape };
    let stitcher = op.begin(&input.spec, &schedule, &mut || Ok(Arc::new(Memory::default()) as Arc<dyn Store>))?;
    let (mut piece, mut space) = (stitcher.piece(), stitcher.local_space());
    stitcher.local(0, &input.view(), space.as_mut(), piece.as_mut())?;
    stitcher.merge(0, piece.as_mut())?;
    let outputs = stitcher.finish()?;
    outputs
        .into_iter()
        .map(|output| match output {
            StitchOutput::Source(source) => read(source.as_ref()),
            StitchOutput::Value(value) => Ok(value),
        })
        .collect()
}

fn read(source: &dyn Source) -> Result<Value> {
    let spec = source.spec();
    let mut whole = MemArray::zeros(spec.clone())?;
    let mut reader = source.reader(Access::Positioned)?;
    let chunk = match source.layout() {
        Layout::Direct { .. } => spec.shape.clone(),
        Layout::Chunked { chunk } => chunk,
    };
    let mut all = ViewMut::new(spec.dtype, &spec.shape, whole.data.bytes_mut());
    for index in 0..tilewise::array::grid_len(&spec.shape, &chunk) {
        let at = Region::tile(&spec.shape, &chunk, index);
        reader.read(&at, all.sub(&at))?;
    }
    Ok(Value::Array(Arc::new(whole)))
}

#[derive(Debug, Default)]
struct Memory(Mutex<Vec<u8>>);

impl Store for Memory {
    fn append(&self, bytes: &[u8]) -> Result<u64> {
        let mut all = self.0.lock().unwrap();
        all.extend_from_slice(bytes);
        Ok((all.len() - bytes.len()) as u64)
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        out.copy_from_slice(&self.0.lock().unwrap()[offset as usize..][..out.len()]);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.0.lock().unwrap()[offset as usize..][..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
}
