//! What is known between passes: results of scans, scalars computed from them, results of stitch ops.

use crate::array::{Region, Scalar, View, ViewMut};
use crate::error::{Error, Result};
use crate::graph::{Cx, MemArray, NodeKind, OpKind, StitchOutput, Table, Value};
use crate::io::{Access, Source};
use crate::plan::{Plan, Port};
use std::collections::HashMap;
use std::sync::Arc;

/// Values by step and port.
pub(crate) struct Values {
    known: HashMap<Port, Value>,
    stitched: HashMap<Port, Arc<dyn Source>>,
}

impl Values {
    /// The literals of the plan, and the scalars that files hold.
    pub(crate) fn new(plan: &Plan, access: Access) -> Result<Self> {
        let mut known = HashMap::new();
        for (step, s) in plan.steps.iter().enumerate() {
            let value = match &s.node.kind {
                NodeKind::Value(value) => value.clone(),
                NodeKind::Source(source) if source.spec().rank() == 0 => read_scalar(source.as_ref(), access)?,
                _ => continue,
            };
            known.insert(Port { step, port: 0 }, value);
        }
        Ok(Values { known, stitched: HashMap::new() })
    }

    pub(crate) fn get(&self, port: Port) -> Option<&Value> {
        self.known.get(&port)
    }

    pub(crate) fn stitched(&self, port: Port) -> Result<&Arc<dyn Source>> {
        self.stitched.get(&port).ok_or_else(|| Error::Usage("a stitched array is read before it is made".into()))
    }

    /// The scalar at that port.
    pub(crate) fn scalar(&self, port: Port) -> Result<Scalar> {
        let value = self.known.get(&port).and_then(Value::to_scalar);
        value.ok_or_else(|| Error::Usage("a scalar is used before it is known".into()))
    }

    /// The array in memory at that port.
    pub(crate) fn array(&self, port: Port) -> Result<Arc<MemArray>> {
        match self.known.get(&port) {
            Some(Value::Array(array)) => Ok(array.clone()),
            _ => Err(Error::Internal("an array in memory is used before it is known".into())),
        }
    }

    /// Lets go of what no pass of that level or later wants.
    pub(crate) fn forget(&mut self, plan: &Plan, level: usize) {
        self.known.retain(|port, _| plan.wanted_until[port.step] >= level);
    }

    /// The table at that port.
    pub(crate) fn table(&self, port: Port) -> Result<Arc<Table>> {
        match self.known.get(&port) {
            Some(Value::Table(table)) => Ok(table.clone()),
            _ => Err(Error::Usage("a table is used before it is known".into())),
        }
    }

    pub(crate) fn set(&mut self, step: usize, values: Vec<Value>) {
        for (port, value) in values.into_iter().enumerate() {
            self.known.insert(Port { step, port }, value);
        }
    }

    pub(crate) fn set_stitched(&mut self, step: usize, outputs: Vec<StitchOutput>) {
        for (port, output) in outputs.into_iter().enumerate() {
            match output {
                StitchOutput::Source(source) => {
                    self.stitched.insert(Port { step, port }, source);
                }
                StitchOutput::Value(value) => {
                    self.known.insert(Port { step, port }, value);
                }
            }
        }
    }

    /// Computes the scalar ops whose inputs are known at that level.
    pub(crate) fn compute_scalars(&mut self, plan: &Plan, level: usize) -> Result<()> {
        for (i, step) in plan.steps.iter().enumerate() {
            let port = Port { step: i, port: 0 };
            let NodeKind::Op(OpKind::Tile(op)) = &step.node.kind else { continue };
            let Some(spec) = step.spec(0).filter(|s| s.rank() == 0 && step.level <= level) else { continue };
            if self.known.contains_key(&port) {
                continue;
            }
            let inputs: Vec<Scalar> = step.inputs.iter().map(|&p| self.scalar(p)).collect::<Result<_>>()?;
            let specs: Vec<_> = step.inputs.iter().filter_map(|p| plan.steps[p.step].spec(p.port).cloned()).collect();
            // Scalars are 8 bytes in the middle of something: the views need aligned copies.
            let aligned: Vec<[u64; 1]> = inputs.iter().map(aligned).collect();
            let views: Vec<View<'_>> =
                inputs.iter().zip(&aligned).map(|(s, a)| View::new(s.dtype(), &[], bytemuck::cast_slice(a))).collect();
            let mut out = [0u64; 1];
            let region = Region::whole(&[]);
            let cx = Cx { out: &region, inputs: &specs, output: spec, tables: &[] };
            let mut scratch = crate::array::Buffer::new(op.scratch(&[], &specs) as usize)?;
            let mut view = ViewMut::new(spec.dtype, &[], bytemuck::cast_slice_mut(&mut out));
            op.run(&cx, &views, &mut view, scratch.bytes_mut())?;
            let value = Scalar::from_bytes(spec.dtype, bytemuck::cast_slice(&out));
            self.known.insert(port, Value::scalar(value));
        }
        Ok(())
    }
}

/// The one element of an array without axes.
fn read_scalar(source: &dyn Source, access: Access) -> Result<Value> {
    let mut word = [0u64; 1];
    let dtype = source.spec().dtype;
    let out = ViewMut::new(dtype, &[], bytemuck::cast_slice_mut(&mut word));
    source.reader(access)?.read(&Region::whole(&[]), out)?;
    Ok(Value::scalar(Scalar::from_bytes(dtype, bytemuck::cast_slice(&word))))
}

/// The scalar's bytes at an aligned address.
pub(crate) fn aligned(scalar: &Scalar) -> [u64; 1] {
    let mut word = [0u64; 1];
    bytemuck::cast_slice_mut::<u64, u8>(&mut word)[..scalar.bytes().len()].copy_from_slice(scalar.bytes());
    word
}
