//! Statements to saves and a result; what expressions mean is in `evaluate`.

use super::ast::{Argument, Call, Expr, ExprKind, Literal, Name, Program, Span, Statement};
use super::diagnostic::{Diagnostic, quoted};
use super::evaluate::Evaluator;
use super::fold::kind;
use super::functions::SAVE;
use super::implicit::{INPUT, with_implicit_input};
use super::parse::{parse, parse_literal};
use crate::error::{Error, Result};
use crate::graph::Array;
use crate::ops::{Arg, OPS, OpDef};
use crate::suggest::nearest;

/// What the host does for a program.
pub struct Host<'a> {
    /// Opens a file as a lazy array.
    pub open: &'a dyn Fn(&str, &OpenArgs) -> Result<Array>,
}

/// The arguments of `open` besides the path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenArgs {
    /// The letters of the axes, where the user names them.
    pub axes: Option<String>,
    /// Which level of a pyramid, 0 the finest.
    pub level: Option<u32>,
}

/// A program and what it is run with.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// What the text is called in messages: `pipeline`, or its file.
    pub name: &'a str,
    /// The program.
    pub text: &'a str,
    /// What `input` stands for.
    pub input: Option<Array>,
    /// Names, and what replaces the right side of their first assignment: a literal, or a path.
    pub sets: Vec<(String, String)>,
    /// Whether the program was written on the command line, where `input |>` may be left out.
    pub inline: bool,
}

/// An output that the program asks for.
#[derive(Clone, Debug)]
pub struct Save {
    /// What is written: an array, a scalar or a table.
    pub array: Array,
    /// Where to.
    pub path: String,
    /// The format's options, none of them an array.
    pub options: Vec<(String, Arg)>,
    /// The call of `save` in the text.
    pub span: Span,
}

/// What a program comes to.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// What it saves, in the order of the text; no path twice.
    pub saves: Vec<Save>,
    /// The value of its last statement, if that is a bare expression: [`Arg::Array`], or a value that is known already.
    pub result: Option<Arg>,
    /// Whether it uses `input`.
    pub uses_input: bool,
}

/// Reads a program and builds its graph. Nothing is read but the headers of the files it opens.
///
/// # Errors
/// [`Error::Pipeline`] with a picture of the place for whatever is wrong with the text, [`Error::Usage`] for a wrong
/// `sets` entry, and whatever else opening a file may end in.
pub fn compile(request: &Request, host: &Host) -> Result<Compiled> {
    compile_with(OPS, request, host)
}

/// [`compile`] with other operations.
pub(super) fn compile_with(ops: &'static [&'static OpDef], request: &Request, host: &Host) -> Result<Compiled> {
    let render = |error: Diagnostic| Error::Pipeline { report: error.render(request.name, request.text) };
    let program = parse(request.text).map_err(render)?;
    check_sets(request, &program)?;
    let values = Evaluator::new(ops, request, host);
    let binder = Binder { values, sets: sets_that_count(request), saves: Vec::new() };
    binder.program(program, request.inline)
}

/// Every set but those that a later one of the same name replaces.
fn sets_that_count(request: &Request) -> Vec<(String, String)> {
    let mut sets: Vec<(String, String)> = Vec::new();
    for (name, value) in &request.sets {
        sets.retain(|(other, _)| other != name);
        sets.push((name.clone(), value.clone()));
    }
    sets
}

fn check_sets(request: &Request, program: &Program) -> Result<()> {
    let targets = || program.statements.iter().filter_map(|s| s.target.as_ref()).map(|t| t.text.as_str());
    for (name, _) in &request.sets {
        if name == INPUT && request.input.is_some() {
            return Err(Error::Usage("--set input: `input` is given already, as IN".into()));
        }
        if name == INPUT || targets().any(|target| target == name) {
            continue;
        }
        let hint = match nearest(name, targets()) {
            Some(near) => format!("; did you mean {}?", quoted(near)),
            None if targets().next().is_none() => ": it assigns no names".into(),
            None => String::new(),
        };
        let name = quoted(name);
        return Err(Error::Usage(format!("--set: {} assigns nothing to {name}{hint}", request.name)));
    }
    Ok(())
}

struct Binder<'a> {
    values: Evaluator<'a>,
    /// Those not used yet.
    sets: Vec<(String, String)>,
    saves: Vec<Save>,
}

impl Binder<'_> {
    /// The last statement waits for the others: whether `f(x)` lacks its array depends on what `x` is.
    fn program(mut self, program: Program, inline: bool) -> Result<Compiled> {
        let sets_input = self.set_input()?;
        let count = program.statements.len();
        for statement in &program.statements[..count.saturating_sub(1)] {
            if statement.target.is_none() && saved(statement).is_none() {
                let hint = "name it with `name = …`, or `save(…)` it";
                return Err(self.values.refuse("its result is not used", statement.span(), hint));
            }
            self.statement(statement)?;
        }
        let program =
            if inline { with_implicit_input(program, |call| self.values.misses_array(call)) } else { program };
        let last = program.statements.last();
        let result = last.map(|last| self.statement(last)).transpose()?.flatten();
        if let (true, None, Some(last)) = (self.saves.is_empty(), &result, last) {
            let hint = "end with an expression or with `save(…)`";
            return Err(self.values.refuse("the pipeline has no result", last.span(), hint));
        }
        let uses_input = self.values.uses_input();
        if sets_input && !uses_input {
            return Err(Error::Usage("--set input: the pipeline does not use `input`".into()));
        }
        Ok(Compiled { saves: self.saves, result, uses_input })
    }

    /// Carries a statement out; what comes back is the value of a bare expression.
    fn statement(&mut self, statement: &Statement) -> Result<Option<Arg>> {
        if let Some(target) = &statement.target {
            self.assign(target, &statement.value)?;
            return Ok(None);
        }
        match saved(statement) {
            Some(call) => self.save(call).map(|()| None),
            None => self.values.value(&statement.value).map(Some),
        }
    }

    fn assign(&mut self, target: &Name, expr: &Expr) -> Result<()> {
        self.values.check_target(target)?;
        let set = self.sets.iter().position(|(name, _)| *name == target.text);
        let value = match set.map(|at| self.sets.remove(at)) {
            Some((name, text)) => self.set_value(&name, &text, Some(expr))?,
            None => self.values.value(expr)?,
        };
        self.values.bind(target, value);
        Ok(())
    }

    // What is given on the command line.

    /// Whether there is such a set.
    fn set_input(&mut self) -> Result<bool> {
        let Some(at) = self.sets.iter().position(|(name, _)| name == INPUT) else {
            return Ok(false);
        };
        let (name, text) = self.sets.remove(at);
        let value = self.set_value(&name, &text, None)?;
        self.values.set_input(value);
        Ok(true)
    }

    /// What a set stands for: a literal, else a path to open. Where the program has a text, it is a text, since
    /// nobody who writes `--set mode=mirror` means a file.
    fn set_value(&self, name: &str, text: &str, replaced: Option<&Expr>) -> Result<Arg> {
        if let Some(literal) = parse_literal(text) {
            return Ok(self.values.literal(&literal));
        }
        if let Some(Literal::Text(_)) = replaced.and_then(Expr::literal) {
            return Ok(Arg::Str(text.to_owned()));
        }
        match self.values.open_file(text, &OpenArgs::default()) {
            Ok(array) => Ok(Arg::Array(array)),
            Err(Error::Usage(what)) => Err(Error::Usage(format!("--set {name}: {what}"))),
            Err(error) => Err(error),
        }
    }

    // Outputs.

    fn save(&mut self, call: &Call) -> Result<()> {
        self.values.count_call(&call.span)?;
        let mut given = call.args.iter();
        let value = given.next().filter(|arg| arg.name.is_none());
        let path = given.next().filter(|arg| arg.name.as_ref().is_none_or(|name| name.text == "path"));
        let (Some(value), Some(path)) = (value, path) else {
            return Err(self.values.refuse(
                "`save` needs a value and a path",
                call.span.clone(),
                "`save(x, \"x.npy\")`",
            ));
        };
        let array = self.array_to_save(&value.value)?;
        let path = self.path_to_save(&path.value)?;
        let options = given.map(|arg| self.option(arg)).collect::<Result<_>>()?;
        self.saves.push(Save { array, path, options, span: call.span.clone() });
        Ok(())
    }

    fn array_to_save(&mut self, expr: &Expr) -> Result<Array> {
        let value = self.values.value(expr)?;
        self.values.as_array(value).map_err(|value| {
            let message = format!("`save` takes an array, a number or a table, not {}", kind(&value));
            self.values.refuse(message, expr.span.clone(), "")
        })
    }

    fn path_to_save(&mut self, expr: &Expr) -> Result<String> {
        let path = self.values.text(expr, "a path is a text")?;
        if self.saves.iter().any(|save| save.path == path) {
            let message = format!("{} is saved to twice", quoted(&path));
            return Err(self.values.refuse(message, expr.span.clone(), ""));
        }
        Ok(path)
    }

    fn option(&mut self, arg: &Argument) -> Result<(String, Arg)> {
        let Some(name) = &arg.name else {
            let hint = "options are given by name: `name=…`";
            return Err(self.values.refuse("`save` takes a value and a path", arg.span(), hint));
        };
        let value = self.values.value(&arg.value)?;
        if let Arg::Array(_) = value {
            let message = format!("an option must be known before the run, but this is {}", kind(&value));
            return Err(self.values.refuse(message, arg.value.span.clone(), ""));
        }
        Ok((name.text.clone(), value))
    }
}

/// The call, if the statement is one of `save`.
fn saved(statement: &Statement) -> Option<&Call> {
    match &statement.value.kind {
        ExprKind::Call(call) if statement.target.is_none() && call.name.text == SAVE => Some(call),
        _ => None,
    }
}
