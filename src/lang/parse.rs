//! Tokens to syntax tree.
//!
//! Only brackets recurse. Operators wait on explicit stacks, so a long chain costs no stack; it is refused by the height
//! of the tree it makes, since whoever walks the tree (also `drop`) does recurse.

use std::collections::HashSet;

use super::ast::{
    Argument, BinaryOp, Call, Expr, ExprKind, Literal, Name, Pick, Program, Selector, Span, Statement, UnaryOp,
};
use super::diagnostic::{Diagnostic, quoted};
use super::lex::{Kind, Token, tokens};

/// How many brackets and operators may lie within each other; far more than anyone writes, far less than a thread's
/// stack holds.
pub const MAX_DEPTH: usize = 128;

/// How many bytes a pipeline's text may have, since tokens and trees cost many times that outside the memory limit.
pub const MAX_LENGTH: usize = 1 << 20;

/// Words of Python that a statement here cannot have, and what to use.
const FOREIGN_WORDS: [(&[&str], &str); 5] = [
    (&["if", "else"], "there are no branches; `==`, `<` and `>` give masks"),
    (&["for", "in"], "there are no loops; operations run over the whole image"),
    (&["is"], "use `==`"),
    (&["def"], "there are no functions; name a value with `=`"),
    (&["import"], "every operation is there without it"),
];

/// Boxed, as the trees are, because brackets recurse: with both in place a debug build needs four times the stack.
type Parsed<T> = Result<T, Box<Diagnostic>>;

/// Reads a pipeline.
///
/// # Errors
///
/// If the text is not a pipeline: the first thing in it that cannot be read.
pub fn parse(text: &str) -> Result<Program, Diagnostic> {
    let program = Parser::new(text).and_then(Parser::program);
    program.map_err(|error| *error)
}

/// Reads a value that is written out: a number, a quoted string, `true`, `false`, `none`, or a list of these.
/// Anything else is `None`.
#[must_use]
pub fn parse_literal(text: &str) -> Option<Literal> {
    let mut parser = Parser::new(text).ok()?;
    let value = parser.expression().ok()?;
    if parser.kind() == &Kind::End { value.expr.literal() } else { None }
}

/// An expression and the height of its tree.
struct Tree {
    expr: Box<Expr>,
    height: usize,
}

/// An operator whose right side is still to come, and what it has on its left.
enum Pending {
    Prefix(UnaryOp, usize),
    Power(Tree),
}

struct Parser<'a> {
    text: &'a str,
    /// Ends in [`Kind::End`], which is never passed.
    tokens: Vec<Token>,
    at: usize,
    /// Brackets open around here.
    depth: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Parsed<Self> {
        if text.len() > MAX_LENGTH {
            let message = format!("a pipeline of more than {MAX_LENGTH} bytes");
            return refuse(message, 0..0, "");
        }
        Ok(Self { text, tokens: tokens(text)?, at: 0, depth: 0 })
    }

    // Looking at tokens.

    fn token(&self) -> &Token {
        &self.tokens[self.at]
    }

    fn kind(&self) -> &Kind {
        &self.token().kind
    }

    fn kind_after(&self) -> &Kind {
        let next = (self.at + 1).min(self.tokens.len() - 1);
        &self.tokens[next].kind
    }

    fn symbol(&self) -> &'static str {
        match self.kind() {
            Kind::Symbol(symbol) => symbol,
            _ => "",
        }
    }

    fn start(&self) -> usize {
        self.token().span.start
    }

    /// The end of the last token passed.
    fn end(&self) -> usize {
        let before = self.at.checked_sub(1);
        before.map_or(0, |before| self.tokens[before].span.end)
    }

    fn advance(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    fn eat(&mut self, symbol: &str) -> bool {
        let found = self.symbol() == symbol;
        if found {
            self.advance();
        }
        found
    }

    fn binary_op(&self, accept: fn(BinaryOp) -> bool) -> Option<BinaryOp> {
        let symbol = self.symbol();
        let mut ops = BinaryOp::ALL.into_iter();
        ops.find(|op| op.symbol() == symbol && accept(*op))
    }

    fn prefix_op(&self) -> Option<UnaryOp> {
        let symbol = self.symbol();
        UnaryOp::ALL.into_iter().find(|op| op.symbol() == symbol)
    }

    // Statements.

    fn program(mut self) -> Parsed<Program> {
        let mut statements = Vec::new();
        loop {
            while matches!(self.kind(), Kind::LineEnd | Kind::Semicolon) {
                self.advance();
            }
            if self.kind() == &Kind::End {
                break;
            }
            statements.push(self.statement()?);
        }
        if statements.is_empty() {
            let span = self.token().span.clone();
            let hint = "`input` alone copies the input";
            return refuse("the pipeline is empty", span, hint);
        }
        Ok(Program { statements })
    }

    fn statement(&mut self) -> Parsed<Statement> {
        let target = self.name_before_equals();
        let value = *self.expression()?.expr;
        match self.kind() {
            Kind::LineEnd | Kind::Semicolon | Kind::End => Ok(Statement { target, value }),
            Kind::Symbol("=") if target.is_none() => {
                let hint = "write `name = …`, or `==` to compare";
                refuse("only a name can be assigned to", value.span, hint)
            }
            _ => self.unexpected("an operator or the end of the statement"),
        }
    }

    /// Takes `name =`: the beginning of an assignment, a keyword argument, or the selection along a named axis.
    fn name_before_equals(&mut self) -> Option<Name> {
        if self.kind() != &Kind::Name || self.kind_after() != &Kind::Symbol("=") {
            return None;
        }
        let name = self.name();
        self.advance();
        Some(name)
    }

    /// Takes a token known to be a name.
    fn name(&mut self) -> Name {
        let span = self.token().span.clone();
        self.advance();
        let text = self.text[span.clone()].to_owned();
        Name { text, span }
    }

    // Expressions, from the loosest operator to the tightest.

    fn expression(&mut self) -> Parsed<Tree> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return too_deep(self.token().span.clone());
        }
        let mut left = self.comparison()?;
        while self.eat("|>") {
            left = self.piped(left)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn piped(&mut self, left: Tree) -> Parsed<Tree> {
        let is_named = self.kind() == &Kind::Name;
        let right = self.comparison()?;
        let Expr { kind, span } = *right.expr;
        let mut call = match kind {
            ExprKind::Call(call) if is_named => call,
            ExprKind::Name(text) if is_named => called(text, span.clone()),
            _ => return not_pipeable(span),
        };
        let span = left.expr.span.start..span.end;
        let value = *left.expr;
        call.args.insert(0, Argument { name: None, value });
        call.piped = true;
        let height = left.height.max(right.height - 1);
        node(ExprKind::Call(call), span, height)
    }

    fn comparison(&mut self) -> Parsed<Tree> {
        let left = self.arithmetic()?;
        let Some(op) = self.binary_op(BinaryOp::is_comparison) else {
            return Ok(left);
        };
        self.advance();
        let right = self.arithmetic()?;
        if self.binary_op(BinaryOp::is_comparison).is_some() {
            return self.chained_comparison(*left.expr, *right.expr);
        }
        joined(left, op, right)
    }

    /// The operators between comparisons and signs, all of which group to the left.
    fn arithmetic(&mut self) -> Parsed<Tree> {
        let is_arithmetic = |op: BinaryOp| !op.is_comparison() && op != BinaryOp::Pow;
        let mut pending: Vec<(Tree, BinaryOp)> = Vec::new();
        let mut operand = self.signed()?;
        loop {
            let next = self.binary_op(is_arithmetic);
            let binds = |op: BinaryOp| next.is_none_or(|next| next.tightness() <= op.tightness());
            while let Some((left, op)) = pending.pop_if(|(_, op)| binds(*op)) {
                operand = joined(left, op, operand)?;
            }
            let Some(op) = next else {
                return Ok(operand);
            };
            self.advance();
            pending.push((operand, op));
            operand = self.signed()?;
        }
    }

    /// Signs and powers, which group to the right: `-a ** -b` is `-(a ** (-b))`.
    fn signed(&mut self) -> Parsed<Tree> {
        let mut pending = Vec::new();
        let mut operand = loop {
            while let Some(op) = self.prefix_op() {
                pending.push(Pending::Prefix(op, self.start()));
                self.advance();
            }
            let operand = self.postfix()?;
            if !self.eat(BinaryOp::Pow.symbol()) {
                break operand;
            }
            pending.push(Pending::Power(operand));
        };
        while let Some(waiting) = pending.pop() {
            operand = match waiting {
                Pending::Prefix(op, start) => prefixed(op, start, operand)?,
                Pending::Power(base) => joined(base, BinaryOp::Pow, operand)?,
            };
        }
        Ok(operand)
    }

    fn postfix(&mut self) -> Parsed<Tree> {
        let mut tree = if self.kind() == &Kind::Name { self.name_or_call()? } else { self.atom()? };
        loop {
            tree = match self.symbol() {
                "[" => self.selection(tree)?,
                "." => self.attribute(tree)?,
                "(" => return Self::not_callable(&tree.expr),
                _ => return Ok(tree),
            };
        }
    }

    fn name_or_call(&mut self) -> Parsed<Tree> {
        let name = self.name();
        let span = name.span.clone();
        if self.symbol() != "(" {
            return node(ExprKind::Name(name.text), span, 0);
        }
        let (args, height) = self.arguments()?;
        let span = span.start..self.end();
        let call = Call { name, args, piped: false, span: span.clone() };
        node(ExprKind::Call(call), span, height)
    }

    fn atom(&mut self) -> Parsed<Tree> {
        let span = self.token().span.clone();
        match self.kind() {
            Kind::Literal(literal) => {
                let literal = literal.clone();
                self.advance();
                node(ExprKind::Literal(literal), span, 0)
            }
            Kind::Symbol("(") => self.parenthesised(),
            Kind::Symbol("[") => self.list(),
            _ => self.unexpected("an expression"),
        }
    }

    fn parenthesised(&mut self) -> Parsed<Tree> {
        let open = self.token().span.clone();
        self.advance();
        let mut tree = self.expression()?;
        if self.symbol() == "," {
            let span = self.token().span.clone();
            return refuse("there are no tuples", span, "write a list: `[1, 2]`");
        }
        if !self.eat(")") {
            return self.unclosed(&open, "`)`");
        }
        tree.expr.span = open.start..self.end();
        Ok(tree)
    }

    fn list(&mut self) -> Parsed<Tree> {
        let start = self.start();
        let mut items = Vec::new();
        let mut height = 0;
        self.bracketed("]", |parser| {
            let item = parser.expression()?;
            height = height.max(item.height);
            items.push(*item.expr);
            Ok(())
        })?;
        node(ExprKind::List(items), start..self.end(), height)
    }

    /// Takes the opening bracket, what `item` takes between commas, and `close`.
    fn bracketed(&mut self, close: &'static str, mut item: impl FnMut(&mut Self) -> Parsed<()>) -> Parsed<()> {
        let open = self.token().span.clone();
        self.advance();
        loop {
            if self.eat(close) {
                return Ok(());
            }
            if self.kind() == &Kind::End {
                return self.unclosed(&open, &format!("`,` or `{close}`"));
            }
            item(self)?;
            if self.symbol() != close && !self.eat(",") {
                return self.unclosed(&open, &format!("`,` or `{close}`"));
            }
        }
    }

    fn arguments(&mut self) -> Parsed<(Vec<Argument>, usize)> {
        let text = self.text;
        let mut args = Vec::new();
        let mut height = 0;
        let mut keywords = HashSet::new();
        self.bracketed(")", |parser| {
            let name = parser.name_before_equals();
            let value = parser.expression()?;
            if let Some(name) = &name {
                if !keywords.insert(&text[name.span.clone()]) {
                    return given_twice(name);
                }
            } else if !keywords.is_empty() {
                return positional_after_keyword(value.expr.span);
            }
            height = height.max(value.height);
            let value = *value.expr;
            args.push(Argument { name, value });
            Ok(())
        })?;
        Ok((args, height))
    }

    fn selection(&mut self, base: Tree) -> Parsed<Tree> {
        let open = self.token().span.clone();
        let mut selectors = Vec::new();
        let mut height = base.height;
        self.bracketed("]", |parser| {
            let (selector, selector_height) = parser.selector()?;
            height = height.max(selector_height);
            selectors.push(selector);
            Ok(())
        })?;
        let span = base.expr.span.start..self.end();
        if selectors.is_empty() {
            let hint = "say which part: `[z=10:50, c=1]`";
            return refuse("the selection is empty", open.start..span.end, hint);
        }
        let base = base.expr;
        node(ExprKind::Select { base, selectors }, span, height)
    }

    fn selector(&mut self) -> Parsed<(Selector, usize)> {
        let from = self.start();
        let axis = self.name_before_equals();
        let mut height = 0;
        let start = self.bound(&mut height)?;
        let pick = if self.eat(":") {
            let stop = self.bound(&mut height)?;
            let step = if self.eat(":") { self.bound(&mut height)? } else { None };
            Pick::Slice { start, stop, step }
        } else if let Some(index) = start {
            Pick::Index(*index)
        } else {
            return self.unexpected("an index or a slice");
        };
        let span = from..self.end();
        Ok((Selector { axis, pick, span }, height))
    }

    /// One of the three numbers of a slice, if it is there.
    fn bound(&mut self, height: &mut usize) -> Parsed<Option<Box<Expr>>> {
        if matches!(self.symbol(), ":" | "," | "]") {
            return Ok(None);
        }
        let bound = self.expression()?;
        *height = bound.height.max(*height);
        Ok(Some(bound.expr))
    }

    fn attribute(&mut self, base: Tree) -> Parsed<Tree> {
        self.advance();
        if self.kind() != &Kind::Name {
            return self.unexpected("a name");
        }
        let name = self.name();
        let span = base.expr.span.start..self.end();
        let kind = ExprKind::Attribute { base: base.expr, name };
        node(kind, span, base.height)
    }

    // Errors.

    fn unexpected<T>(&self, wanted: &str) -> Parsed<T> {
        let token = self.token();
        let written = &self.text[token.span.clone()];
        let found = match token.kind {
            Kind::End => "the end of the text".to_owned(),
            Kind::LineEnd => "the end of the line".to_owned(),
            _ => quoted(written),
        };
        let message = format!("expected {wanted}, found {found}");
        refuse(message, token.span.clone(), self.hint())
    }

    /// What the token that cannot stand here, or the one before it, was probably meant for.
    fn hint(&self) -> &'static str {
        match self.symbol() {
            "=" => return "`=` names a value or an argument; use `==` to compare",
            "." => return "there is no `...`; axes that are not named are kept whole",
            _ => {}
        }
        let nearby = &self.tokens[self.at.saturating_sub(1)..=self.at];
        let hint = nearby.iter().find_map(|token| {
            let written = &self.text[token.span.clone()];
            let mut entries = FOREIGN_WORDS.iter();
            let found = entries.find(|(words, _)| words.contains(&written));
            found.map(|(_, hint)| *hint)
        });
        hint.unwrap_or_default()
    }

    /// What follows is not `wanted`, which would continue or close the bracket `open`.
    fn unclosed<T>(&self, open: &Span, wanted: &str) -> Parsed<T> {
        let bracket = &self.text[open.clone()];
        if self.kind() == &Kind::End {
            return refuse(format!("`{bracket}` is not closed"), open.clone(), "");
        }
        let error = self.unexpected(wanted);
        // A forgotten bracket shows only where a later line no longer fits.
        if !self.text[open.start..self.start()].contains('\n') {
            return error;
        }
        let line = self.text[..open.start].matches('\n').count() + 1;
        let note = format!("`{bracket}` was opened on line {line}");
        error.map_err(|error| Box::new(error.with_note(note)))
    }

    fn not_callable<T>(callee: &Expr) -> Parsed<T> {
        let hint = match &callee.kind {
            ExprKind::Attribute { name, .. } => {
                let name = &name.text;
                format!("there are no methods: write `{name}(x, …)` or `x |> {name}(…)`")
            }
            _ => String::new(),
        };
        let message = "only an operation's name can be called";
        refuse(message, callee.span.clone(), hint)
    }

    /// The error for `first < second < …`, with the rest of the chain still to be read.
    fn chained_comparison<T>(&mut self, first: Expr, second: Expr) -> Parsed<T> {
        let span = self.token().span.clone();
        let mut operands = vec![first, second];
        while self.binary_op(BinaryOp::is_comparison).is_some() {
            self.advance();
            operands.push(*self.arithmetic()?.expr);
        }
        let bitwise = operands.iter().find_map(bare_bitwise);
        let split = separated(self.text, &operands, bitwise.is_some());
        let hint = match (bitwise, split) {
            (Some((op, ..)), Some(split)) => {
                let symbol = op.symbol();
                format!("`{symbol}` binds tighter than comparisons: write `{split}`")
            }
            (None, Some(split)) => format!("write `{split}`"),
            (_, None) => "put each comparison in parentheses: `(a < b) & (b < c)`".to_owned(),
        };
        refuse("comparisons cannot be chained", span, hint)
    }
}

fn refuse<T>(message: impl Into<String>, span: Span, hint: impl Into<String>) -> Parsed<T> {
    let mut error = Diagnostic::new(message, span);
    error.hint = Some(hint.into()).filter(|hint| !hint.is_empty());
    Err(Box::new(error))
}

fn node(kind: ExprKind, span: Span, below: usize) -> Parsed<Tree> {
    let height = below + 1;
    if height > MAX_DEPTH {
        return too_deep(span);
    }
    let expr = Box::new(Expr { kind, span });
    Ok(Tree { expr, height })
}

fn joined(left: Tree, op: BinaryOp, right: Tree) -> Parsed<Tree> {
    let span = left.expr.span.start..right.expr.span.end;
    let height = left.height.max(right.height);
    let (left, right) = (left.expr, right.expr);
    node(ExprKind::Binary { op, left, right }, span, height)
}

fn prefixed(op: UnaryOp, start: usize, operand: Tree) -> Parsed<Tree> {
    let span = start..operand.expr.span.end;
    // The lexer lets through what fits `u64`; below zero `i64` is the bound.
    if let ExprKind::Literal(Literal::Int(value)) = operand.expr.kind
        && op == UnaryOp::Neg
        && -value < i128::from(i64::MIN)
    {
        return refuse("the integer does not fit in 64 bits", span, "");
    }
    let height = operand.height;
    let operand = operand.expr;
    node(ExprKind::Unary { op, operand }, span, height)
}

/// A bare name on the right of `|>`.
fn called(text: String, span: Span) -> Call {
    let name = Name { text, span: span.clone() };
    Call { name, args: Vec::new(), piped: false, span }
}

fn too_deep<T>(span: Span) -> Parsed<T> {
    let message = format!("more than {MAX_DEPTH} operators or brackets within each other");
    refuse(message, span, "name a part of it: `part = …`")
}

fn given_twice<T>(name: &Name) -> Parsed<T> {
    let message = format!("{} is given twice", quoted(&name.text));
    refuse(message, name.span.clone(), "")
}

fn positional_after_keyword<T>(span: Span) -> Parsed<T> {
    let message = "a positional argument after a keyword argument";
    let hint = "move it to the front, or give its name: `name=…`";
    refuse(message, span, hint)
}

fn not_pipeable<T>(span: Span) -> Parsed<T> {
    let message = "the right side of `|>` must be a call or the name of an operation";
    let hint = "`|>` binds loosest: to go on, write `(x |> f(a)) …`";
    refuse(message, span, hint)
}

/// The parts of `a & b` (or `|`, `^`), unless it is in parentheses.
fn bare_bitwise(expr: &Expr) -> Option<(BinaryOp, &Expr, &Expr)> {
    match &expr.kind {
        ExprKind::Binary { op, left, right } if op.is_bitwise() && left.span.start == expr.span.start => {
            Some((*op, left, right))
        }
        _ => None,
    }
}

/// A chain of comparisons written as separate ones: `(a < b) & (b < c)` for `a < b < c`, and `(a > 1) & (b > 2)` for
/// `a > 1 & b > 2`. `None` if it cannot be said in one short line.
fn separated(text: &str, operands: &[Expr], is_bitwise: bool) -> Option<String> {
    let whole = operands.first()?.span.start..operands.last()?.span.end;
    if whole.len() > 60 || text[whole.clone()].contains('\n') {
        return None;
    }
    let pairs = operands.array_windows::<2>();
    if !is_bitwise {
        let pairs = pairs.map(|[a, b]| format!("({})", &text[a.span.start..b.span.end]));
        return Some(pairs.collect::<Vec<_>>().join(" & "));
    }
    let inner = &operands[1..operands.len() - 1];
    if inner.iter().any(|operand| bare_bitwise(operand).is_none()) {
        return None;
    }
    let mut out = String::new();
    let mut done = whole.start;
    for [left, right] in pairs {
        let pair = last_part(left).span.start..first_part(right).span.end;
        out += &text[done..pair.start];
        done = pair.end;
        out += &format!("({})", &text[pair]);
    }
    Some(out + &text[done..whole.end])
}

fn first_part(mut expr: &Expr) -> &Expr {
    while let Some((_, left, _)) = bare_bitwise(expr) {
        expr = left;
    }
    expr
}

fn last_part(mut expr: &Expr) -> &Expr {
    while let Some((_, _, right)) = bare_bitwise(expr) {
        expr = right;
    }
    expr
}
