//! The tile op of all functions that go element by element, and how their operands are read.

use super::broadcast::{AxisMap, broadcast};
use super::promote::{Literal, promote, promote_weak};
use super::rows::Feed;
use crate::array::{ArraySpec, DType, MAX_RANK, Region, Scalar, View, ViewMut};
use crate::error::{Error, Result};
use crate::graph::{Array, Cx, Need, TileOp};
use crate::ops::{Arg, Args};
use arrayvec::ArrayVec;
use std::fmt::Debug;

/// An operand as it was given.
#[derive(Clone, Debug)]
pub(crate) enum Operand {
    /// An array or computed scalar.
    Array(Array, ArraySpec),
    /// A number in the text.
    Literal(Literal),
}

impl Operand {
    /// Reads an argument that may be an array, a computed scalar, a number or a truth value.
    pub fn read(args: &Args, name: &str) -> Result<Self> {
        match args.get(name) {
            Some(Arg::Array(array)) if let Some(spec) = array.array_spec() => {
                Ok(Operand::Array(array.clone(), spec.clone()))
            }
            Some(Arg::Bool(v)) => Ok(Operand::Literal(Literal::Bool(*v))),
            Some(Arg::Int(v)) => Ok(Operand::Literal(Literal::Int(*v))),
            Some(Arg::Float(v)) => Ok(Operand::Literal(Literal::Float(*v))),
            Some(other) => Err(args.error(format!("`{name}` must be an array or a number, not {other}"))),
            None => Err(args.error(format!("`{name}` is missing: it is an array or a number"))),
        }
    }

    /// Reads all arguments of an op that takes nothing but operands.
    pub fn read_all(args: &Args) -> Result<Vec<Self>> {
        args.def().params.iter().map(|p| Operand::read(args, p.name)).collect()
    }

    /// The literal, if it is one.
    pub fn literal(&self) -> Option<Literal> {
        match self {
            Operand::Literal(literal) => Some(*literal),
            Operand::Array(..) => None,
        }
    }

    /// The element type of an array with axes.
    fn array_dtype(&self) -> Option<DType> {
        match self {
            Operand::Array(_, spec) if spec.rank() > 0 => Some(spec.dtype),
            _ => None,
        }
    }

    /// The element type of a computed scalar.
    fn scalar_dtype(&self) -> Option<DType> {
        match self {
            Operand::Array(_, spec) if spec.rank() == 0 => Some(spec.dtype),
            _ => None,
        }
    }
}

/// Types of several operands together.
pub(crate) struct Types<'a>(pub &'a [Operand]);

impl Types<'_> {
    fn arrays(&self) -> impl Iterator<Item = DType> {
        self.0.iter().filter_map(Operand::array_dtype)
    }

    fn scalars(&self) -> impl Iterator<Item = DType> {
        self.0.iter().filter_map(Operand::scalar_dtype)
    }

    fn literals(&self) -> impl Iterator<Item = Literal> {
        self.0.iter().filter_map(Operand::literal)
    }

    /// Whether there is a computed scalar.
    pub fn any_scalar(&self) -> bool {
        self.scalars().next().is_some()
    }

    /// Whether no operand has axes.
    pub fn only_scalars(&self) -> bool {
        self.arrays().next().is_none()
    }

    /// The type that arithmetic gives: `float64` if any array computes in it or there are only scalars.
    pub fn arithmetic(&self) -> DType {
        let wide = self.arrays().any(|d| d.float() == DType::F64);
        if wide || self.only_scalars() { DType::F64 } else { DType::F32 }
    }

    /// NumPy's type of all of them together, literals weak.
    pub fn all(&self) -> DType {
        let strong = self.arrays().chain(self.scalars()).reduce(promote);
        self.literals().fold(strong.unwrap_or(DType::Bool), promote_weak)
    }

    /// NumPy's type, but a computed scalar does not widen arrays of floats.
    pub fn kept(&self) -> DType {
        match self.arrays().reduce(promote) {
            Some(float) if float.is_float() => float,
            _ => self.all(),
        }
    }
}

/// What an element-wise function does to the elements.
pub(crate) trait Rule: Debug + Send + Sync + 'static {
    /// Computes all elements of `out`.
    fn apply(&self, operands: &[Feed<'_>], out: &mut ViewMut<'_>);

    /// Nanoseconds per element.
    fn cost(&self) -> f64;
}

#[derive(Debug)]
enum Slot {
    Input(AxisMap),
    Literal(Scalar),
}

#[derive(Debug)]
struct Pointwise<R> {
    name: &'static str,
    slots: Vec<Slot>,
    rule: R,
}

/// The node that applies `rule` to operands, literals already in the type `literal_as`.
///
/// # Errors
/// When the shapes do not go together or a literal does not fit.
pub(crate) fn pointwise(
    name: &'static str,
    operands: &[Operand],
    literal_as: DType,
    output: DType,
    rule: impl Rule,
) -> Result<Array> {
    let specs: Vec<&ArraySpec> =
        operands.iter().filter_map(|o| if let Operand::Array(_, s) = o { Some(s) } else { None }).collect();
    let (spec, maps) = broadcast(name, &specs)?;
    let (mut maps, mut inputs, mut slots) = (maps.into_iter(), Vec::new(), Vec::new());
    for operand in operands {
        match operand {
            Operand::Array(array, _) => {
                inputs.push(array.clone());
                slots.push(Slot::Input(maps.next().unwrap_or_default()));
            }
            Operand::Literal(literal) => slots.push(Slot::Literal(in_type(name, *literal, literal_as)?)),
        }
    }
    Ok(Array::tile(Pointwise { name, slots, rule }, inputs, spec.with_dtype(output)))
}

/// The array repeated along the axes of `to` that it lacks or along which it has one element, through `rule`.
///
/// # Errors
/// When it has an axis that `to` has not, or one of another length.
pub(crate) fn stretched(op: &str, array: &Array, spec: &ArraySpec, to: &ArraySpec, rule: impl Rule) -> Result<Array> {
    let (common, maps) = broadcast(op, &[to, spec])?;
    let Some(map) = maps.into_iter().nth(1).filter(|_| common.shape == to.shape) else {
        return Err(Error::op(op, format!("shape {:?} does not broadcast to {:?}", spec.shape, to.shape)));
    };
    let pointwise = Pointwise { name: "broadcast", slots: vec![Slot::Input(map)], rule };
    Ok(Array::tile(pointwise, vec![array.clone()], to.with_dtype(spec.dtype)))
}

/// The literal in that type, rounded once; integers and truth values must fit.
pub(crate) fn in_type(op: &str, literal: Literal, dtype: DType) -> Result<Scalar> {
    let scalar = match literal.to_i128() {
        Some(v) if dtype == DType::F32 => Some(Scalar::of(v as f32)),
        Some(v) => Scalar::from_i128(v, dtype),
        None => Some(Scalar::from_f64(literal.to_f64(), dtype)),
    };
    scalar.ok_or_else(|| Error::op(op, format!("{literal} does not fit into a {dtype} array; cast the array first")))
}

impl<R: Rule> Pointwise<R> {
    fn input_map(&self, input: usize) -> &[usize] {
        let mut inputs = self.slots.iter().filter_map(|s| if let Slot::Input(map) = s { Some(map) } else { None });
        inputs.nth(input).map_or(&[], |map| map)
    }
}

impl<R: Rule> TileOp for Pointwise<R> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn need(&self, input: usize, out: &Region, inputs: &[ArraySpec]) -> Need {
        let mut need = Need { start: ArrayVec::new(), shape: ArrayVec::new(), outside: None };
        for (&length, &axis) in inputs[input].shape.iter().zip(self.input_map(input)) {
            let repeated = length == 1;
            need.start.push(if repeated { 0 } else { out.start[axis] as i64 });
            need.shape.push(if repeated { 1 } else { out.shape[axis] });
        }
        need
    }

    fn run(&self, cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, _scratch: &mut [u8]) -> Result<()> {
        let mut inputs = inputs.iter().zip(cx.inputs);
        let mut feeds = ArrayVec::<Feed<'_>, 3>::new();
        for slot in &self.slots {
            match slot {
                Slot::Input(map) => feeds.extend(inputs.next().map(|(view, spec)| feed(view, spec, map, out))),
                Slot::Literal(value) => feeds.push(Feed::Value(*value)),
            }
        }
        self.rule.apply(&feeds, out);
        Ok(())
    }

    fn cost(&self) -> f64 {
        self.rule.cost()
    }
}

/// The operand's box stretched over the result's box: repeated axes get stride 0.
fn feed<'a>(view: &View<'a>, spec: &ArraySpec, map: &[usize], out: &ViewMut<'_>) -> Feed<'a> {
    if spec.rank() == 0 {
        return Feed::Value(Scalar::from_bytes(view.dtype(), view.data()));
    }
    let mut strides = ArrayVec::<usize, MAX_RANK>::from_iter(out.shape().iter().map(|_| 0));
    for (axis, &to) in map.iter().enumerate() {
        strides[to] = if spec.shape[axis] == 1 { 0 } else { view.strides()[axis] };
    }
    Feed::Rows(View::strided(view.dtype(), out.shape(), &strides, view.data()))
}
