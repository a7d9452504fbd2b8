//! The lazy DAG: arrays, scalars and tables that are described but not yet computed.
//!
//! A node is made by [`Array::source`], [`Array::constant`] or one of the op constructors, knows its shape, element
//! type and axes from the start, and is shared by whoever uses it. Composite operations build several nodes at once,
//! so the graph holds only the primitive kinds that the executor runs.

mod op;
mod table;
#[cfg(test)]
pub(crate) mod testing;

pub use op::{
    Cx, Need, OpKind, ScanCx, ScanOp, ScanState, Schedule, StitchBill, StitchOp, StitchOutput, Stitcher, Store, TileOp,
};
pub use table::{Stores, TABLE_MEMORY, Table, TableWriter};

use crate::array::{ArraySpec, Buffer, DType, Dims, Scalar, Spec, View};
use crate::error::{Error, Result};
use crate::io::Source;
use std::sync::Arc;

/// One output of a node: a lazy array, scalar (rank 0) or table. Cheap to clone; clones are the same thing.
#[derive(Clone, Debug)]
pub struct Array {
    node: Arc<Node>,
    port: usize,
}

/// A node of the DAG.
#[derive(Debug)]
pub struct Node {
    /// Where its values come from.
    pub kind: NodeKind,
    /// What it is computed from.
    pub inputs: Vec<Array>,
    /// What it stands for: one entry per output.
    pub outputs: Vec<Spec>,
    /// Names of the outputs, where there are several.
    pub ports: &'static [&'static str],
    /// Results of other nodes that are known by name beside it.
    pub related: Vec<(&'static str, Array)>,
    /// The call it came from, as the user would know it.
    pub origin: Option<Arc<str>>,
}

/// Where a node's values come from.
#[derive(Debug)]
pub enum NodeKind {
    /// A file.
    Source(Arc<dyn Source>),
    /// A value in memory: a literal, a small array.
    Value(Value),
    /// An operation on the inputs.
    Op(OpKind),
}

/// A result that is held in memory: a scalar, a small array, a table.
#[derive(Clone, Debug)]
pub enum Value {
    /// An array; of rank 0: a scalar.
    Array(Arc<MemArray>),
    /// A table.
    Table(Arc<Table>),
}

/// An array in memory, in C order.
#[derive(Debug)]
pub struct MemArray {
    /// Shape, element type, axes.
    pub spec: ArraySpec,
    /// The elements.
    pub data: Buffer,
}

impl MemArray {
    /// A zero array.
    ///
    /// # Errors
    /// When the memory cannot be had.
    pub fn zeros(spec: ArraySpec) -> Result<Self> {
        let data = Buffer::new(spec.bytes() as usize)?;
        Ok(MemArray { spec, data })
    }

    /// The whole array.
    pub fn view(&self) -> View<'_> {
        View::new(self.spec.dtype, &self.spec.shape, self.data.bytes())
    }
}

impl Value {
    /// A scalar.
    pub fn scalar(value: Scalar) -> Self {
        let spec = ArraySpec::scalar(value.dtype());
        let mut data = Buffer::default();
        if let Ok(buffer) = Buffer::new(value.dtype().size()) {
            data = buffer;
            data.bytes_mut().copy_from_slice(value.bytes());
        }
        Value::Array(Arc::new(MemArray { spec, data }))
    }

    /// The scalar, if it is one.
    pub fn to_scalar(&self) -> Option<Scalar> {
        match self {
            Value::Array(a) if a.spec.rank() == 0 => Some(Scalar::from_bytes(a.spec.dtype, a.data.bytes())),
            _ => None,
        }
    }

    /// What it is.
    pub fn spec(&self) -> Spec {
        match self {
            Value::Array(a) => Spec::Array(a.spec.clone()),
            Value::Table(t) => Spec::Table(t.spec.clone()),
        }
    }
}

impl Array {
    /// A file as a lazy array.
    pub fn source(source: Arc<dyn Source>) -> Self {
        let spec = Spec::Array(source.spec().clone());
        let origin = Some(Arc::from(format!("open({})", source.name())));
        Array::of(Node {
            kind: NodeKind::Source(source),
            inputs: vec![],
            outputs: vec![spec],
            ports: &[],
            related: vec![],
            origin,
        })
    }

    /// A known scalar.
    pub fn constant(value: Scalar) -> Self {
        Array::value(Value::scalar(value))
    }

    /// A value in memory.
    pub fn value(value: Value) -> Self {
        let outputs = vec![value.spec()];
        Array::of(Node {
            kind: NodeKind::Value(value),
            inputs: vec![],
            outputs,
            ports: &[],
            related: vec![],
            origin: None,
        })
    }

    /// The output of a tile op.
    pub fn tile(op: impl TileOp + 'static, inputs: Vec<Array>, output: ArraySpec) -> Self {
        let kind = NodeKind::Op(OpKind::Tile(Box::new(op)));
        Array::of(Node { kind, inputs, outputs: vec![Spec::Array(output)], ports: &[], related: vec![], origin: None })
    }

    /// The outputs of a scan: the first inputs stream by (one, or as many as [`ScanOp::streams`] says), the others are
    /// scalars that are known before, or small arrays that other scans give.
    pub fn scan(
        op: impl ScanOp + 'static,
        inputs: Vec<Array>,
        outputs: Vec<Spec>,
        ports: &'static [&'static str],
    ) -> Self {
        Array::of(Node {
            kind: NodeKind::Op(OpKind::Scan(Box::new(op))),
            inputs,
            outputs,
            ports,
            related: vec![],
            origin: None,
        })
    }

    /// The outputs of a stitch op.
    pub fn stitch(
        op: impl StitchOp + 'static,
        input: Array,
        outputs: Vec<Spec>,
        ports: &'static [&'static str],
    ) -> Self {
        let kind = NodeKind::Op(OpKind::Stitch(Box::new(op)));
        Array::of(Node { kind, inputs: vec![input], outputs, ports, related: vec![], origin: None })
    }

    /// The first output of a node.
    pub(crate) fn of_node(node: Arc<Node>) -> Self {
        Array { node, port: 0 }
    }

    fn of(node: Node) -> Self {
        Array { node: Arc::new(node), port: 0 }
    }

    /// The same node, remembering the call it came from (for messages and `explain`): the outermost, as the user wrote it.
    pub fn from_call(self, call: &str) -> Self {
        match Arc::try_unwrap(self.node) {
            Ok(mut node) => {
                node.origin = Some(Arc::from(call));
                Array { node: Arc::new(node), port: self.port }
            }
            Err(node) => Array { node, port: self.port },
        }
    }

    /// The same node, with results of other nodes that [`Array::output`] gives by name.
    pub fn with_related(self, related: Vec<(&'static str, Array)>) -> Self {
        match Arc::try_unwrap(self.node) {
            Ok(mut node) => {
                node.related = related;
                Array { node: Arc::new(node), port: self.port }
            }
            Err(node) => Array { node, port: self.port },
        }
    }

    /// The node.
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Which of the node's outputs this is.
    pub fn port(&self) -> usize {
        self.port
    }

    /// Another output of the same node, or a result that is known beside it, by name.
    ///
    /// # Errors
    /// When the node has no output of that name.
    pub fn output(&self, name: &str) -> Result<Array> {
        if let Some((_, array)) = self.node.related.iter().find(|(related, _)| *related == name) {
            return Ok(array.clone());
        }
        let names = self.node.ports.iter().copied().chain(self.node.related.iter().map(|(name, _)| *name));
        match self.node.ports.iter().position(|&p| p == name) {
            Some(port) => Ok(Array { node: self.node.clone(), port }),
            None if self.node.ports.is_empty() && self.node.related.is_empty() => {
                Err(Error::Usage(format!("there is no `.{name}`: this has only one output")))
            }
            None => {
                let names: Vec<&str> = names.collect();
                Err(Error::Usage(format!("there is no output `{name}`; there are: {}", names.join(", "))))
            }
        }
    }

    /// What it is: array or table.
    pub fn spec(&self) -> &Spec {
        &self.node.outputs[self.port]
    }

    /// What it is, if it is an array or scalar.
    pub fn array_spec(&self) -> Option<&ArraySpec> {
        self.spec().array()
    }

    /// The element type; `None` for a table.
    pub fn dtype(&self) -> Option<DType> {
        self.array_spec().map(|s| s.dtype)
    }

    /// The shape; `None` for a table.
    pub fn shape(&self) -> Option<&Dims> {
        self.array_spec().map(|s| &s.shape)
    }

    /// Whether it is a single value.
    pub fn is_scalar(&self) -> bool {
        self.array_spec().is_some_and(|s| s.rank() == 0)
    }

    /// The value, if it is known without running anything.
    pub fn known(&self) -> Option<&Value> {
        match &self.node.kind {
            NodeKind::Value(value) => Some(value),
            _ => None,
        }
    }
}
