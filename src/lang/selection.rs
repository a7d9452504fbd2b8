//! `img[z=10:50, c=1]`: which axes are meant, and which part of each.

use super::ast::{Expr, Pick, Selector, Span};
use super::diagnostic::quoted;
use super::evaluate::Evaluator;
use super::fold::kind;
use crate::array::ArraySpec;
use crate::error::{Error, Result};
use crate::graph::Array;
use crate::ops::Arg;

/// The part of one axis that is selected; as in Python, negative indices count from the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// One index; the axis goes away.
    Index(i64),
    /// From `start` to before `stop`, each `step`th.
    Slice { start: Option<i64>, stop: Option<i64>, step: Option<i64> },
}

impl Evaluator<'_> {
    pub(super) fn select(&mut self, base: &Expr, selectors: &[Selector], span: &Span) -> Result<Arg> {
        let value = self.value(base)?;
        let array = match &value {
            Arg::Array(array) if !array.is_scalar() => array,
            other => {
                let message = format!("only an array can be selected from, not {}", kind(other));
                return Err(self.refuse(message, base.span.clone(), ""));
            }
        };
        let Some(spec) = array.array_spec() else {
            return Err(self.refuse("only an array can be selected from, not a table", base.span.clone(), ""));
        };
        let mut parts: Vec<(usize, Part)> = Vec::new();
        for (position, selector) in selectors.iter().enumerate() {
            let axis = self.axis(selector, position, spec)?;
            if parts.iter().any(|(other, _)| *other == axis) {
                let message = format!("the axis `{}` is selected twice", spec.axes[axis].name);
                return Err(self.refuse(message, selector.span.clone(), ""));
            }
            parts.push((axis, self.part(&selector.pick)?));
        }
        self.selected(array, &parts, span)
    }

    /// The axis a selector speaks of: by letter, or by its position, as in NumPy.
    fn axis(&self, selector: &Selector, position: usize, spec: &ArraySpec) -> Result<usize> {
        let letters = spec.letters();
        let Some(name) = &selector.axis else {
            if position < spec.rank() {
                return Ok(position);
            }
            let message = format!("the array has only {} axes: {letters}", spec.rank());
            return Err(self.refuse(message, selector.span.clone(), ""));
        };
        let mut wanted = name.text.chars();
        let found = wanted.next().filter(|_| wanted.next().is_none()).and_then(|letter| spec.axis(letter));
        found.ok_or_else(|| {
            let message = format!("there is no axis {}", quoted(&name.text));
            self.refuse(message, name.span.clone(), format!("the axes are {letters}"))
        })
    }

    fn part(&mut self, pick: &Pick) -> Result<Part> {
        let mut bound = |expr: &Option<Box<Expr>>| expr.as_deref().map(|expr| self.index(expr)).transpose();
        match pick {
            Pick::Slice { start, stop, step } => {
                Ok(Part::Slice { start: bound(start)?, stop: bound(stop)?, step: bound(step)? })
            }
            Pick::Index(index) => Ok(Part::Index(self.index(index)?)),
        }
    }

    fn index(&mut self, expr: &Expr) -> Result<i64> {
        let value = self.value(expr)?;
        let index = if let Arg::Int(index) = value { i64::try_from(index).ok() } else { None };
        index.ok_or_else(|| {
            let message = format!("an index is a whole number that is known before the run, not {}", kind(&value));
            self.refuse(message, expr.span.clone(), "")
        })
    }
}

/// Hands a selection to the operations; until they have one, says so.
pub(super) fn select(_array: &Array, _parts: &[(usize, Part)]) -> Result<Array> {
    Err(Error::Usage("this build cannot select parts of arrays".into()))
}
