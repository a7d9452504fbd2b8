//! The pipeline language: text to syntax tree to lazy graph, with errors that point at the place.
//!
//! The parser knows no operation: names and parameters are checked where the tree is bound to the registry, by
//! [`compile`].

mod ast;
mod bind;
#[cfg(test)]
mod bind_tests;
mod diagnostic;
mod evaluate;
mod fold;
mod functions;
mod implicit;
mod lex;
mod parse;
mod selection;
#[cfg(test)]
mod tests;

pub use ast::{
    Argument, BinaryOp, Call, Expr, ExprKind, Literal, Name, Pick, Program, Selector, Span, Statement, UnaryOp,
};
pub use bind::{Compiled, Host, OpenArgs, Request, Save, compile};
pub use diagnostic::{Diagnostic, quoted};
pub use functions::{Function, symbols};
pub use implicit::with_implicit_input;
pub use parse::{MAX_DEPTH, MAX_LENGTH, parse, parse_literal};
