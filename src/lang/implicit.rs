//! `gaussian_filter(sigma=2)` for `input |> gaussian_filter(sigma=2)`.

use super::ast::{Argument, Call, Expr, ExprKind, Program, Statement};

/// The name that stands for the image the pipeline is run on.
pub(super) const INPUT: &str = "input";

/// Puts `input |>` in front of an inline pipeline that never says `input` and whose head (the leftmost of the `|>`
/// chain of its last statement, a bare expression) is a call without its array. Which calls lack theirs only the
/// registry knows: `takes_array_missing` is asked.
#[must_use]
pub fn with_implicit_input(mut program: Program, takes_array_missing: impl Fn(&Call) -> bool) -> Program {
    if !program.statements.iter().any(says_input)
        && let Some(last) = program.statements.last_mut()
        && last.target.is_none()
        && let Some(call) = head(&mut last.value)
        && takes_array_missing(call)
    {
        pipe_input_into(call);
    }
    program
}

fn says_input(statement: &Statement) -> bool {
    let mut found = statement.target.as_ref().is_some_and(|n| n.text == INPUT);
    statement.value.visit(&mut |expr| {
        found |= matches!(&expr.kind, ExprKind::Name(name) if name == INPUT);
    });
    found
}

fn head(expr: &mut Expr) -> Option<&mut Call> {
    let ExprKind::Call(call) = &mut expr.kind else {
        return None;
    };
    if call.piped { head(&mut call.args.first_mut()?.value) } else { Some(call) }
}

fn pipe_input_into(call: &mut Call) {
    // It stands nowhere in the text: an empty place before the call.
    let span = call.span.start..call.span.start;
    let kind = ExprKind::Name(INPUT.to_owned());
    let value = Expr { kind, span };
    call.args.insert(0, Argument { name: None, value });
    call.piped = true;
}
