//! `img[z=10:50, c=1]`: which axes are meant, and which part of each.

use super::ast::{self, Expr, Selector, Span};
use super::diagnostic::quoted;
use super::evaluate::Evaluator;
use super::fold::kind;
use crate::array::ArraySpec;
use crate::error::Result;
use crate::ops::{Arg, Pick, Selection};
use crate::suggest::nearest;

impl Evaluator<'_> {
    pub(super) fn select(&mut self, base: &Expr, selectors: &[Selector], span: &Span) -> Result<Arg> {
        let value = self.value(base)?;
        let array = if let Arg::Array(array) = &value { Some(array).filter(|array| !array.is_scalar()) } else { None };
        let Some((array, spec)) = array.and_then(|array| Some((array, array.array_spec()?))) else {
            let message = format!("only an array can be selected from, not {}", kind(&value));
            return Err(self.refuse(message, base.span.clone(), ""));
        };
        let mut parts: Vec<Selection> = Vec::new();
        for (position, selector) in selectors.iter().enumerate() {
            let axis = self.axis(selector, position, spec)?;
            if parts.iter().any(|part| part.axis == Some(axis)) {
                return Err(self.refuse(format!("the axis `{axis}` is selected twice"), selector.span.clone(), ""));
            }
            let labels = spec.axis(axis).map_or(&[][..], |index| &spec.axes[index].labels);
            parts.push(Selection { axis: Some(axis), what: self.pick(&selector.pick, axis, labels)? });
        }
        let places: Vec<&Span> = selectors.iter().map(|selector| &selector.span).collect();
        self.selected(array, &parts, &places, span)
    }

    /// The axis a selector speaks of: by letter, or by its position, as in NumPy.
    fn axis(&self, selector: &Selector, position: usize, spec: &ArraySpec) -> Result<char> {
        let letters = spec.letters();
        let Some(name) = &selector.axis else {
            return spec.axes.get(position).map(|axis| axis.name).ok_or_else(|| {
                let message = format!("the array has only {} axes: {letters}", spec.rank());
                self.refuse(message, selector.span.clone(), "")
            });
        };
        let mut wanted = name.text.chars();
        let letter = wanted.next().filter(|letter| wanted.next().is_none() && spec.axis(*letter).is_some());
        letter.ok_or_else(|| {
            let message = format!("there is no axis {}", quoted(&name.text));
            self.refuse(message, name.span.clone(), format!("the axes are {letters}"))
        })
    }

    fn pick(&mut self, pick: &ast::Pick, axis: char, labels: &[String]) -> Result<Pick> {
        let mut bound = |expr: &Option<Box<Expr>>| expr.as_deref().map(|expr| self.index(expr)).transpose();
        match pick {
            ast::Pick::Slice { start, stop, step } => {
                Ok(Pick::Slice { start: bound(start)?, stop: bound(stop)?, step: bound(step)? })
            }
            ast::Pick::Index(index) => match self.value(index)? {
                Arg::Str(label) => self.labelled(&label, axis, labels, &index.span).map(Pick::Index),
                value => self.as_index(&value, &index.span).map(Pick::Index),
            },
        }
    }

    /// The position along an axis that has that name (a channel's).
    fn labelled(&self, label: &str, axis: char, labels: &[String], span: &Span) -> Result<i128> {
        let mut places = (0..).zip(labels).filter(|(_, own)| *own == label).map(|(place, _)| place);
        let shown = quoted(label);
        match (places.next(), places.next()) {
            (Some(place), None) => Ok(place),
            (Some(_), Some(_)) => {
                let message = format!("axis `{axis}` has more than one {shown}: select by number");
                Err(self.refuse(message, span.clone(), ""))
            }
            (None, _) if labels.is_empty() => {
                let message = format!("the positions along axis `{axis}` have no names");
                Err(self.refuse(message, span.clone(), "select by number"))
            }
            (None, _) => {
                let near = nearest(label, labels.iter().map(String::as_str));
                let hint = match near {
                    Some(near) => format!("did you mean {}?", quoted(near)),
                    None => format!("there are {}", labels.join(", ")),
                };
                Err(self.refuse(format!("axis `{axis}` has no {shown}"), span.clone(), hint))
            }
        }
    }

    fn index(&mut self, expr: &Expr) -> Result<i128> {
        let value = self.value(expr)?;
        self.as_index(&value, &expr.span)
    }

    fn as_index(&self, value: &Arg, span: &Span) -> Result<i128> {
        if let Arg::Int(index) = value {
            return Ok(*index);
        }
        let message = format!("an index is a whole number that is known before the run, not {}", kind(value));
        Err(self.refuse(message, span.clone(), ""))
    }
}
