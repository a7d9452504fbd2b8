//! The syntax tree, and how it is written back as text.

use std::fmt;
use std::ops::Range;

/// Bytes of the text a node was read from.
pub type Span = Range<usize>;

/// A whole pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    /// In the order of the text, at least one.
    pub statements: Vec<Statement>,
}

/// `name = value`, or a bare value.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The name that is assigned to.
    pub target: Option<Name>,
    /// What is computed.
    pub value: Expr,
}

impl Statement {
    /// From the name, if there is one, to the end of the value.
    #[must_use]
    pub fn span(&self) -> Span {
        named_span(self.target.as_ref(), &self.value)
    }
}

/// A name that is not itself an expression: a target, an operation, a keyword, an axis, an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The name.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// An expression and its place; the place of a parenthesised expression includes the parentheses.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
}

/// The kinds of expressions.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// A number, string, `true`, `false` or `none`. The parser reads lists as [`ExprKind::List`] and signs as
    /// [`ExprKind::Unary`], so that each part keeps its place; [`Expr::literal`] folds them.
    Literal(Literal),
    /// `[a, b]`
    List(Vec<Expr>),
    /// A name standing for a value.
    Name(String),
    /// `f(a, k=b)`, or `a |> f(k=b)`
    Call(Call),
    /// `-a`
    Unary {
        /// The operator.
        op: UnaryOp,
        /// What it is applied to.
        operand: Box<Expr>,
    },
    /// `a + b`
    Binary {
        /// The operator.
        op: BinaryOp,
        /// Its left side.
        left: Box<Expr>,
        /// Its right side.
        right: Box<Expr>,
    },
    /// `a[z=1:5, c=0]`
    Select {
        /// What is selected from.
        base: Box<Expr>,
        /// One for each axis spoken of, at least one.
        selectors: Vec<Selector>,
    },
    /// `a.name`
    Attribute {
        /// What the attribute is taken of.
        base: Box<Expr>,
        /// Its name.
        name: Name,
    },
}

/// A call of an operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The operation.
    pub name: Name,
    /// Positional arguments, then keyword arguments, no keyword twice.
    pub args: Vec<Argument>,
    /// Whether the first argument stood on the left of a `|>`.
    pub piped: bool,
    /// From the name to the closing parenthesis, without what was piped in.
    pub span: Span,
}

/// One argument of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    /// The keyword, if it is passed by one.
    pub name: Option<Name>,
    /// What is passed.
    pub value: Expr,
}

impl Argument {
    /// From the keyword, if there is one, to the end of the value.
    #[must_use]
    pub fn span(&self) -> Span {
        named_span(self.name.as_ref(), &self.value)
    }
}

/// What is selected along one axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Selector {
    /// The axis; without one the selector's position says which.
    pub axis: Option<Name>,
    /// Which part of the axis.
    pub pick: Pick,
    /// Where it stands, axis included.
    pub span: Span,
}

/// Which part of an axis is selected.
#[derive(Debug, Clone, PartialEq)]
pub enum Pick {
    /// `3`, `-1`, `"DAPI"`
    Index(Expr),
    /// `start:stop:step`, each optional
    Slice {
        /// The first index.
        start: Option<Box<Expr>>,
        /// The index before which to stop.
        stop: Option<Box<Expr>>,
        /// The stride.
        step: Option<Box<Expr>>,
    },
}

impl Pick {
    /// The expressions in it, in the order of the text.
    pub fn parts(&self) -> impl Iterator<Item = &Expr> {
        let parts = match self {
            Pick::Index(index) => [Some(index), None, None],
            Pick::Slice { start, stop, step } => [start.as_deref(), stop.as_deref(), step.as_deref()],
        };
        parts.into_iter().flatten()
    }
}

/// A value written out in the text.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// Fits `i64` or `u64`.
    Int(i128),
    /// Finite.
    Float(f64),
    /// A string, escapes resolved.
    Text(String),
    /// `true` or `false`
    Bool(bool),
    /// `none`
    None,
    /// `[…]`; made by [`Expr::literal`] only.
    List(Vec<Literal>),
}

/// Operators with one operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnaryOp {
    /// `-`
    Neg,
    /// `+`
    Pos,
    /// `~`
    Not,
}

/// Operators with two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryOp {
    /// `**`
    Pow,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `//`
    FloorDiv,
    /// `%`
    Rem,
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `&`
    And,
    /// `^`
    Xor,
    /// `|`
    Or,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `==`
    Eq,
    /// `!=`
    Ne,
}

/// How tightly an expression holds together, Python's order. The parser and the printer share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tightness {
    Pipe,
    Comparison,
    Or,
    Xor,
    And,
    Sum,
    Product,
    Unary,
    Power,
    Postfix,
}

impl UnaryOp {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Neg, Self::Pos, Self::Not];

    /// As it is written.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Neg => "-",
            Self::Pos => "+",
            Self::Not => "~",
        }
    }
}

impl BinaryOp {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Pow,
        Self::Mul,
        Self::Div,
        Self::FloorDiv,
        Self::Rem,
        Self::Add,
        Self::Sub,
        Self::And,
        Self::Xor,
        Self::Or,
        Self::Lt,
        Self::Le,
        Self::Gt,
        Self::Ge,
        Self::Eq,
        Self::Ne,
    ];

    /// As it is written.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        self.row().0
    }

    /// Whether it compares, and so gives a mask.
    #[must_use]
    pub fn is_comparison(self) -> bool {
        self.tightness() == Tightness::Comparison
    }

    pub(super) fn tightness(self) -> Tightness {
        self.row().1
    }

    pub(super) fn is_bitwise(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Xor)
    }

    fn row(self) -> (&'static str, Tightness) {
        match self {
            Self::Pow => ("**", Tightness::Power),
            Self::Mul => ("*", Tightness::Product),
            Self::Div => ("/", Tightness::Product),
            Self::FloorDiv => ("//", Tightness::Product),
            Self::Rem => ("%", Tightness::Product),
            Self::Add => ("+", Tightness::Sum),
            Self::Sub => ("-", Tightness::Sum),
            Self::And => ("&", Tightness::And),
            Self::Xor => ("^", Tightness::Xor),
            Self::Or => ("|", Tightness::Or),
            Self::Lt => ("<", Tightness::Comparison),
            Self::Le => ("<=", Tightness::Comparison),
            Self::Gt => (">", Tightness::Comparison),
            Self::Ge => (">=", Tightness::Comparison),
            Self::Eq => ("==", Tightness::Comparison),
            Self::Ne => ("!=", Tightness::Comparison),
        }
    }

    /// The tightness from which each side needs no parentheses.
    fn sides(self) -> (Tightness, Tightness) {
        match self.tightness() {
            Tightness::Product => (Tightness::Product, Tightness::Unary),
            Tightness::Sum => (Tightness::Sum, Tightness::Product),
            Tightness::And => (Tightness::And, Tightness::Sum),
            Tightness::Xor => (Tightness::Xor, Tightness::And),
            Tightness::Or => (Tightness::Or, Tightness::Xor),
            Tightness::Comparison => (Tightness::Or, Tightness::Or),
            _ => (Tightness::Postfix, Tightness::Unary),
        }
    }
}

impl Expr {
    /// The value, if it is written out: a literal, a signed number, or a list of these.
    #[must_use]
    pub fn literal(&self) -> Option<Literal> {
        match &self.kind {
            ExprKind::Literal(literal) => Some(literal.clone()),
            ExprKind::List(items) => {
                let values: Option<Vec<_>> = items.iter().map(Expr::literal).collect();
                values.map(Literal::List)
            }
            ExprKind::Unary { op, operand } => signed(*op, operand.literal()?),
            _ => None,
        }
    }

    /// Calls `see` with this expression and everything in it, outer before inner, left before right.
    pub fn visit<'a>(&'a self, see: &mut dyn FnMut(&'a Expr)) {
        see(self);
        match &self.kind {
            ExprKind::Literal(_) | ExprKind::Name(_) => {}
            ExprKind::List(items) => items.iter().for_each(|item| item.visit(see)),
            ExprKind::Call(call) => call.args.iter().for_each(|arg| arg.value.visit(see)),
            ExprKind::Unary { operand, .. } => operand.visit(see),
            ExprKind::Binary { left, right, .. } => {
                left.visit(see);
                right.visit(see);
            }
            ExprKind::Select { base, selectors } => {
                base.visit(see);
                let parts = selectors.iter().flat_map(|selector| selector.pick.parts());
                parts.for_each(|part| part.visit(see));
            }
            ExprKind::Attribute { base, .. } => base.visit(see),
        }
    }

    fn tightness(&self) -> Tightness {
        match &self.kind {
            ExprKind::Call(call) if call.piped => Tightness::Pipe,
            ExprKind::Binary { op, .. } => op.tightness(),
            ExprKind::Unary { .. } => Tightness::Unary,
            ExprKind::Literal(Literal::Int(value)) if *value < 0 => Tightness::Unary,
            ExprKind::Literal(Literal::Float(value)) if value.is_sign_negative() => Tightness::Unary,
            _ => Tightness::Postfix,
        }
    }
}

fn signed(op: UnaryOp, value: Literal) -> Option<Literal> {
    match (op, value) {
        (UnaryOp::Neg, Literal::Int(value)) => Some(Literal::Int(-value)),
        (UnaryOp::Neg, Literal::Float(value)) => Some(Literal::Float(-value)),
        (UnaryOp::Pos, value @ (Literal::Int(_) | Literal::Float(_))) => Some(value),
        _ => None,
    }
}

fn named_span(name: Option<&Name>, value: &Expr) -> Span {
    name.map_or(value.span.start, |name| name.span.start)..value.span.end
}

/// Writes `items` with `separator` between them.
fn separated<T: fmt::Display>(f: &mut fmt::Formatter<'_>, items: &[T], separator: &str) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        let lead = if index == 0 { "" } else { separator };
        write!(f, "{lead}{item}")?;
    }
    Ok(())
}

/// An expression, in parentheses unless it holds together at least as tightly as its surroundings ask.
struct Within<'a>(&'a Expr, Tightness);

impl fmt::Display for Within<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(expr, wanted) = self;
        if expr.tightness() < *wanted { write!(f, "({expr})") } else { expr.fmt(f) }
    }
}

/// The text is one that the parser reads back as the same tree.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Literal(literal) => literal.fmt(f),
            ExprKind::List(items) => {
                f.write_str("[")?;
                separated(f, items, ", ")?;
                f.write_str("]")
            }
            ExprKind::Name(name) => f.write_str(name),
            ExprKind::Call(call) => call.fmt(f),
            ExprKind::Unary { op, operand } => {
                write!(f, "{}{}", op.symbol(), Within(operand, Tightness::Unary))
            }
            ExprKind::Binary { op, left, right } => {
                let (on_left, on_right) = op.sides();
                let (left, right) = (Within(left, on_left), Within(right, on_right));
                write!(f, "{left} {} {right}", op.symbol())
            }
            ExprKind::Select { base, selectors } => {
                write!(f, "{}[", Within(base, Tightness::Postfix))?;
                separated(f, selectors, ", ")?;
                f.write_str("]")
            }
            // A dot after a number would be read as part of it.
            ExprKind::Attribute { base, name } if matches!(base.kind, ExprKind::Literal(_)) => {
                write!(f, "({base}).{}", name.text)
            }
            ExprKind::Attribute { base, name } => {
                write!(f, "{}.{}", Within(base, Tightness::Postfix), name.text)
            }
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut args = self.args.as_slice();
        if let (true, [first, rest @ ..]) = (self.piped, args) {
            write!(f, "{} |> ", first.value)?;
            args = rest;
        }
        write!(f, "{}(", self.name.text)?;
        separated(f, args, ", ")?;
        f.write_str(")")
    }
}

impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{}=", name.text)?;
        }
        self.value.fmt(f)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(axis) = &self.axis {
            write!(f, "{}=", axis.text)?;
        }
        match &self.pick {
            Pick::Index(index) => index.fmt(f),
            Pick::Slice { start, stop, step } => {
                start.iter().try_for_each(|start| start.fmt(f))?;
                f.write_str(":")?;
                stop.iter().try_for_each(|stop| stop.fmt(f))?;
                step.iter().try_for_each(|step| write!(f, ":{step}"))
            }
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => value.fmt(f),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(text) => write_text(f, text),
            Self::Bool(value) => value.fmt(f),
            Self::None => f.write_str("none"),
            Self::List(items) => {
                f.write_str("[")?;
                separated(f, items, ", ")?;
                f.write_str("]")
            }
        }
    }
}

fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            '\n' => f.write_str("\\n")?,
            '\t' => f.write_str("\\t")?,
            '\r' => f.write_str("\\r")?,
            c if c.is_control() => write!(f, "\\x{:02x}", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(target) = &self.target {
            write!(f, "{} = ", target.text)?;
        }
        self.value.fmt(f)
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        separated(f, &self.statements, "\n")
    }
}
