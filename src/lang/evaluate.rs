//! Expressions to values: plain ones are computed here, what has an array in it becomes a part of the graph.

use super::ast::{Argument, BinaryOp, Call, Expr, ExprKind, Literal, Name, Span, UnaryOp};
use super::bind::{Host, OpenArgs, Request};
use super::diagnostic::{Diagnostic, quoted};
use super::fold::{self, kind};
use super::functions::{self, Footprint, Role};
use super::implicit::INPUT;
use crate::array::{DType, Scalar};
use crate::error::{Error, Result};
use crate::graph::Array;
use crate::ops::{self, Arg, OpDef, Selection, Type};
use crate::suggest::nearest;
use std::collections::BTreeMap;

/// How many operations a program may ask for. Whoever walks the graph recurses (also `drop`), and a chain of
/// assignments can make it as deep as the program is long.
const MAX_CALLS: usize = 512;

/// How many list entries a program may make, repetitions by name included: they live outside the memory limit, and
/// `b = [a, a]; c = [b, b]` doubles with every line.
const MAX_ENTRIES: usize = 1 << 20;

/// How deep lists may lie within each other; no array has more axes than that.
const MAX_NESTING: usize = 16;

/// Characters of an operation's message that are shown; it may quote a whole list.
const MAX_MESSAGE: usize = 400;

/// Computes expressions, one statement after the other.
pub(super) struct Evaluator<'a> {
    ops: &'static [&'static OpDef],
    request: &'a Request<'a>,
    host: &'a Host<'a>,
    names: BTreeMap<String, Arg>,
    input: Option<Arg>,
    uses_input: bool,
    calls: usize,
    entries: usize,
}

/// Where the parameters of a call stand in the text.
type Places<'e> = Vec<(&'e str, Span)>;

impl<'a> Evaluator<'a> {
    pub fn new(ops: &'static [&'static OpDef], request: &'a Request<'a>, host: &'a Host<'a>) -> Self {
        let input = request.input.clone().map(Arg::Array);
        let names = BTreeMap::new();
        Self { ops, request, host, names, input, uses_input: false, calls: 0, entries: 0 }
    }

    // Names.

    pub fn set_input(&mut self, value: Arg) {
        self.input = Some(value);
    }

    pub fn uses_input(&self) -> bool {
        self.uses_input
    }

    pub fn bind(&mut self, target: &Name, value: Arg) {
        self.names.insert(target.text.clone(), value);
    }

    /// Refuses names that would hide what calls and pipelines rely on.
    pub fn check_target(&self, target: &Name) -> Result<()> {
        let name = target.text.as_str();
        let what = if name == INPUT { Some("the image that the pipeline is run on") } else { self.callable(name) };
        let Some(what) = what else { return Ok(()) };
        let message = format!("{} is {what} and cannot be assigned to", quoted(name));
        Err(self.refuse(message, target.span.clone(), "choose another name"))
    }

    fn named(&mut self, name: &str, span: &Span) -> Result<Arg> {
        let value = match self.names.get(name) {
            None if name == INPUT => {
                self.uses_input = true;
                self.input.as_ref()
            }
            bound => bound,
        };
        let Some(value) = value.cloned() else { return Err(self.unknown_name(name, span)) };
        self.count_entries(entries_in(&value), span)?;
        Ok(value)
    }

    fn unknown_name(&self, name: &str, span: &Span) -> Error {
        if name == INPUT {
            let hint = "give it as IN, or with `--set input=PATH`";
            return self.refuse("there is no input image", span.clone(), hint);
        }
        let shown = quoted(name);
        if let Some(what) = self.callable(name) {
            let message = format!("{shown} is {what}, not a value");
            return self.refuse(message, span.clone(), format!("call it: `{name}(…)`"));
        }
        let bound = self.names.keys().map(String::as_str).chain([INPUT]);
        let hint = match (nearest(name, bound), nearest(name, self.callables())) {
            (Some(near), _) => format!("did you mean {}?", quoted(near)),
            (None, Some(near)) => format!("did you mean `{near}(…)`?"),
            (None, None) => String::new(),
        };
        self.refuse(format!("unknown name {shown}"), span.clone(), hint)
    }

    fn unknown_call(&self, name: &Name) -> Error {
        let shown = quoted(&name.text);
        if self.names.contains_key(&name.text) || name.text == INPUT {
            let hint = "only operations can be called";
            return self.refuse(format!("{shown} is a value, not an operation"), name.span.clone(), hint);
        }
        let near = nearest(&name.text, self.callables());
        let hint = near.map(|near| format!("did you mean `{near}`?")).unwrap_or_default();
        let mut error = Diagnostic::new(format!("unknown operation {shown}"), name.span.clone());
        error.hint = Some(hint).filter(|hint| !hint.is_empty());
        if error.hint.is_none() {
            error = error.with_note("`tilewise ops` lists the operations");
        }
        self.drawn(&error)
    }

    /// What kind of thing a call of that name calls.
    fn callable(&self, name: &str) -> Option<&'static str> {
        let function = || functions::find(name).map(|_| "a function");
        self.op(name).map(|_| "an operation").or_else(function)
    }

    fn callables(&self) -> impl Iterator<Item = &'static str> {
        let ops = self.ops.iter().map(|op| op.name);
        ops.chain(functions::symbols().iter().map(|function| function.name))
    }

    fn op(&self, name: &str) -> Option<&'static OpDef> {
        self.ops.iter().copied().find(|op| op.name == name)
    }

    // Expressions.

    /// What an expression stands for.
    pub fn value(&mut self, expr: &Expr) -> Result<Arg> {
        match &expr.kind {
            ExprKind::Literal(value) => Ok(self.literal(value)),
            ExprKind::List(items) => self.list(items, &expr.span),
            ExprKind::Name(name) => self.named(name, &expr.span),
            ExprKind::Call(call) => self.call(call),
            ExprKind::Unary { op, operand } => self.unary(*op, operand, &expr.span),
            ExprKind::Binary { op, left, right } => self.binary(*op, left, right, &expr.span),
            ExprKind::Select { base, selectors } => self.select(base, selectors, &expr.span),
            ExprKind::Attribute { base, name } => self.attribute(base, name),
        }
    }

    /// A value that is written out.
    pub fn literal(&self, literal: &Literal) -> Arg {
        match literal {
            Literal::Int(value) => Arg::Int(*value),
            Literal::Float(value) => Arg::Float(*value),
            Literal::Text(text) => Arg::Str(text.clone()),
            Literal::Bool(value) => Arg::Bool(*value),
            Literal::None => Arg::None,
            Literal::List(items) => Arg::List(items.iter().map(|item| self.literal(item)).collect()),
        }
    }

    fn list(&mut self, items: &[Expr], span: &Span) -> Result<Arg> {
        self.count_entries(items.len(), span)?;
        let list = Arg::List(items.iter().map(|item| self.value(item)).collect::<Result<_>>()?);
        if nesting(&list) > MAX_NESTING {
            let message = format!("more than {MAX_NESTING} lists within each other");
            return Err(self.refuse(message, span.clone(), ""));
        }
        Ok(list)
    }

    fn unary(&mut self, op: UnaryOp, operand: &Expr, span: &Span) -> Result<Arg> {
        let value = self.value(operand)?;
        let Arg::Array(_) = value else {
            return fold::unary(op, &value).map_err(|message| self.refuse(message, span.clone(), ""));
        };
        let name = match op {
            UnaryOp::Neg => "negative",
            UnaryOp::Not => "bitwise_not",
            UnaryOp::Pos => return Ok(value),
        };
        self.operator(name, vec![(value, &operand.span)], span)
    }

    fn binary(&mut self, op: BinaryOp, left: &Expr, right: &Expr, span: &Span) -> Result<Arg> {
        let (a, b) = (self.value(left)?, self.value(right)?);
        if let (Arg::Array(_), _) | (_, Arg::Array(_)) = (&a, &b) {
            return self.operator(operation_of(op), vec![(a, &left.span), (b, &right.span)], span);
        }
        fold::binary(op, &a, &b).map_err(|message| self.refuse(message, span.clone(), ""))
    }

    fn attribute(&mut self, base: &Expr, name: &Name) -> Result<Arg> {
        let value = self.value(base)?;
        let Arg::Array(array) = &value else {
            let message = format!("{} has no outputs", kind(&value));
            return Err(self.refuse(message, name.span.clone(), "`.name` takes another output of an operation"));
        };
        array.output(&name.text).map(Arg::Array).map_err(|error| {
            let near = nearest(&name.text, array.node().ports.iter().copied());
            let hint = near.map(|near| format!("did you mean `{near}`?")).unwrap_or_default();
            match error {
                Error::Usage(message) => self.refuse(message, name.span.clone(), hint),
                other => other,
            }
        })
    }

    /// The selected parts of an array. What is wrong is drawn at the part that alone is wrong as well.
    pub fn selected(&mut self, array: &Array, parts: &[Selection], places: &[&Span], span: &Span) -> Result<Arg> {
        self.count_call(span)?;
        ops::select(array, parts).map(Arg::Array).map_err(|error| {
            let is_wrong = |part: &Selection| ops::select(array, &[*part]).is_err();
            let wrong = parts.iter().zip(places).find(|(part, _)| is_wrong(part));
            self.placed(error, wrong.map_or(span, |(_, place)| place), &Places::new())
        })
    }

    // Calls.

    fn call(&mut self, call: &Call) -> Result<Arg> {
        if let Some(def) = self.op(&call.name.text) {
            return self.operation(def, call);
        }
        match functions::find(&call.name.text).map(|function| function.role) {
            Some(Role::Open) => self.open(call),
            Some(Role::Footprint(footprint)) => self.footprint(footprint, call),
            Some(Role::Save) => {
                let hint = "write it as a statement of its own";
                Err(self.refuse("`save` gives no value", call.span.clone(), hint))
            }
            None => Err(self.unknown_call(&call.name)),
        }
    }

    fn operation(&mut self, def: &'static OpDef, call: &Call) -> Result<Arg> {
        let (mut positional, mut keyword, mut places) = (Vec::new(), Vec::new(), Places::new());
        for (index, arg) in call.args.iter().enumerate() {
            let value = self.value(&arg.value)?;
            if let Some(name) = &arg.name {
                keyword.push((name.text.clone(), value));
                places.push((&name.text, arg.span()));
            } else {
                positional.push(value);
                places.extend(def.params.get(index).map(|param| (param.name, arg.span())));
            }
        }
        self.build(def, positional, keyword, &call.span, &places)
    }

    fn operator(&mut self, name: &str, operands: Vec<(Arg, &Span)>, span: &Span) -> Result<Arg> {
        let Some(def) = self.op(name) else {
            let message = format!("this build has no operation `{name}`");
            return Err(self.refuse(message, span.clone(), ""));
        };
        let places = def.params.iter().zip(&operands).map(|(param, (_, at))| (param.name, (*at).clone())).collect();
        let positional = operands.into_iter().map(|(value, _)| value).collect();
        self.build(def, positional, Vec::new(), span, &places)
    }

    fn build(
        &mut self,
        def: &'static OpDef,
        positional: Vec<Arg>,
        keyword: Vec<(String, Arg)>,
        span: &Span,
        places: &Places,
    ) -> Result<Arg> {
        self.count_call(span)?;
        let built = def.call(positional, keyword);
        built.map(Arg::Array).map_err(|error| self.placed(error, span, places))
    }

    fn footprint(&mut self, footprint: &Footprint, call: &Call) -> Result<Arg> {
        let mut given = Vec::new();
        for arg in &call.args {
            given.push((arg.name.as_ref().map(|name| name.text.as_str()), self.value(&arg.value)?));
        }
        let list = footprint.list(&call.name.text, &given, MAX_ENTRIES - self.entries);
        let list = list.map_err(|message| self.refuse(message, call.span.clone(), ""))?;
        self.count_entries(entries_in(&list), &call.span)?;
        Ok(list)
    }

    fn open(&mut self, call: &Call) -> Result<Arg> {
        self.count_call(&call.span)?;
        let [path, axes, level] = self.arguments(call, ["path", "axes", "level"])?;
        let Some(path) = path else {
            return Err(self.refuse("open: needs `path`", call.span.clone(), "`open(\"image.tif\")`"));
        };
        let args = OpenArgs {
            axes: axes.map(|axes| self.text(&axes.value, "`axes` is a text such as \"zyx\"")).transpose()?,
            level: level.map(|level| self.level(&level.value)).transpose()?,
        };
        let name = self.text(&path.value, "a path is a text")?;
        let opened = self.open_file(&name, &args);
        opened.map(Arg::Array).map_err(|error| match error {
            Error::Usage(_) | Error::Op { .. } => self.placed(error, &path.value.span, &Places::new()),
            other => other,
        })
    }

    /// Has the host open a file.
    pub fn open_file(&self, path: &str, args: &OpenArgs) -> Result<Array> {
        (self.host.open)(path, args)
    }

    fn level(&mut self, expr: &Expr) -> Result<u32> {
        let value = self.value(expr)?;
        let level = if let Arg::Int(level) = value { u32::try_from(level).ok() } else { None };
        level.ok_or_else(|| self.refuse("`level` is a whole number, 0 or more", expr.span.clone(), ""))
    }

    /// The arguments of a function whose parameters are those names.
    fn arguments<'e, const N: usize>(&self, call: &'e Call, names: [&str; N]) -> Result<[Option<&'e Argument>; N]> {
        let mut found = [None; N];
        for (index, arg) in call.args.iter().enumerate() {
            let slot = match &arg.name {
                Some(name) => names.iter().position(|known| *known == name.text),
                None => Some(index),
            };
            let Some(slot) = slot.and_then(|slot| found.get_mut(slot)) else {
                let what = arg.name.as_ref().map_or("such argument".to_owned(), |name| quoted(&name.text));
                let message = format!("{}: there is no {what}", call.name.text);
                return Err(self.refuse(message, arg.span(), format!("it takes {}", names.join(", "))));
            };
            if slot.replace(arg).is_some() {
                let message = format!("{}: the argument is given twice", call.name.text);
                return Err(self.refuse(message, arg.span(), ""));
            }
        }
        Ok(found)
    }

    /// A text, or an error that says what is wanted.
    pub fn text(&mut self, expr: &Expr, wanted: &str) -> Result<String> {
        match self.value(expr)? {
            Arg::Str(text) => Ok(text),
            other => Err(self.refuse(format!("{wanted}, not {}", kind(&other)), expr.span.clone(), "")),
        }
    }

    /// The value as a node of the graph, where it is an array, table or number; else the value itself.
    pub fn as_array(&self, value: Arg) -> std::result::Result<Array, Arg> {
        let scalar = match value {
            Arg::Array(array) => return Ok(array),
            Arg::Bool(value) => Some(Scalar::bool(value)),
            Arg::Float(value) => Some(Scalar::of(value)),
            Arg::Int(value) => [DType::I64, DType::U64].into_iter().find_map(|dtype| Scalar::from_i128(value, dtype)),
            _ => None,
        };
        scalar.map(Array::constant).ok_or(value)
    }

    // Input that is left out.

    /// Whether a call is one of an operation on an array that is not given.
    pub fn misses_array(&self, call: &Call) -> bool {
        let Some(def) = self.op(&call.name.text) else { return false };
        let Some(first) = def.params.first() else { return false };
        let is_given = call.args.iter().any(|arg| arg.name.as_ref().is_some_and(|name| name.text == first.name));
        let positional = call.args.iter().filter(|arg| arg.name.is_none());
        let has_array = positional.clone().next().is_some_and(|arg| self.may_be_array(&arg.value));
        if is_given || has_array {
            return false;
        }
        // `maximum(1, 2)` has all it needs, `maximum(2)` does not.
        let needed = def.params.iter().take_while(|param| param.ty == Type::ArrayOrNumber).count();
        match first.ty {
            Type::Array => true,
            Type::ArrayOrNumber => positional.count() < needed,
            _ => false,
        }
    }

    /// Whether an expression could stand for an array; what cannot be computed at all could.
    fn may_be_array(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Literal(_) | ExprKind::List(_) => false,
            ExprKind::Name(name) => self.names.get(name).is_none_or(|value| matches!(value, Arg::Array(_))),
            ExprKind::Call(call) => {
                let function = functions::find(&call.name.text);
                !function.is_some_and(|function| matches!(function.role, Role::Footprint(_)))
            }
            ExprKind::Unary { operand, .. } => self.may_be_array(operand),
            ExprKind::Binary { left, right, .. } => self.may_be_array(left) || self.may_be_array(right),
            ExprKind::Select { .. } | ExprKind::Attribute { .. } => true,
        }
    }

    // Limits.

    pub fn count_call(&mut self, span: &Span) -> Result<()> {
        self.calls += 1;
        if self.calls > MAX_CALLS {
            let message = format!("more than {MAX_CALLS} operations in one pipeline");
            return Err(self.refuse(message, span.clone(), "save an intermediate result and go on from there"));
        }
        Ok(())
    }

    fn count_entries(&mut self, entries: usize, span: &Span) -> Result<()> {
        if entries > MAX_ENTRIES - self.entries {
            let message = format!("the lists of this pipeline have more than {MAX_ENTRIES} entries");
            return Err(self.refuse(message, span.clone(), ""));
        }
        self.entries += entries;
        Ok(())
    }

    // Errors.

    /// An error at a place, with a hint beside the mark unless that is empty.
    pub fn refuse(&self, message: impl Into<String>, span: Span, hint: impl Into<String>) -> Error {
        let mut error = Diagnostic::new(message, span);
        error.hint = Some(hint.into()).filter(|hint| !hint.is_empty());
        self.drawn(&error)
    }

    fn drawn(&self, error: &Diagnostic) -> Error {
        Error::Pipeline { report: error.render(self.request.name, self.request.text) }
    }

    /// An operation's error, drawn at the argument it names or else at the call.
    fn placed(&self, error: Error, call: &Span, places: &Places) -> Error {
        let message = match error {
            Error::Op { .. } | Error::Usage(_) => error.to_string(),
            other => return other,
        };
        let named = quoted_words(&message).find_map(|word| places.iter().find(|(name, _)| *name == word));
        let span = named.map_or(call, |(_, span)| span).clone();
        self.refuse(in_one_line(&message), span, "")
    }
}

/// The operation that an operator stands for.
fn operation_of(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Pow => "power",
        BinaryOp::Mul => "multiply",
        BinaryOp::Div => "divide",
        BinaryOp::FloorDiv => "floor_divide",
        BinaryOp::Rem => "remainder",
        BinaryOp::Add => "add",
        BinaryOp::Sub => "subtract",
        BinaryOp::And => "bitwise_and",
        BinaryOp::Xor => "bitwise_xor",
        BinaryOp::Or => "bitwise_or",
        BinaryOp::Lt => "less",
        BinaryOp::Le => "less_equal",
        BinaryOp::Gt => "greater",
        BinaryOp::Ge => "greater_equal",
        BinaryOp::Eq => "equal",
        BinaryOp::Ne => "not_equal",
    }
}

/// List entries in a value; long texts count as well.
fn entries_in(value: &Arg) -> usize {
    match value {
        Arg::List(items) => items.len() + items.iter().map(entries_in).sum::<usize>(),
        Arg::Str(text) => text.len() / size_of::<Arg>(),
        _ => 0,
    }
}

fn nesting(value: &Arg) -> usize {
    match value {
        Arg::List(items) => 1 + items.iter().map(nesting).max().unwrap_or(0),
        _ => 0,
    }
}

/// What stands in backquotes.
fn quoted_words(message: &str) -> impl Iterator<Item = &str> {
    message.split('`').skip(1).step_by(2)
}

fn in_one_line(message: &str) -> String {
    let message = message.replace(['\n', '\r'], " ");
    match message.char_indices().nth(MAX_MESSAGE) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message,
    }
}
