//! Errors in a pipeline's text, drawn under the place they are about.

use std::fmt::{self, Write as _};

use unicode_width::UnicodeWidthStr;

use super::ast::Span;

/// Characters of a line shown on either side of a mark, so that a machine-written line of a megabyte stays readable.
const CONTEXT: usize = 80;

/// An error at a place in a pipeline's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong, in one line without a full stop.
    pub message: String,
    /// The bytes of the text it is about; empty for "just here".
    pub span: Span,
    /// What to write instead, shown beside the marks.
    pub hint: Option<String>,
    /// Further lines shown below.
    pub notes: Vec<String>,
}

impl Diagnostic {
    /// An error without hint or notes.
    pub fn new(message: impl Into<String>, span: Span) -> Self {
        Self { message: message.into(), span, hint: None, notes: Vec::new() }
    }

    /// The same error with a hint beside its marks.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error with one more line below it.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Draws the error under its line of `text`, which `name` stands for (`pipeline`, or a file). No newline at the end.
    #[must_use]
    pub fn render(&self, name: &str, text: &str) -> String {
        let place = Place::find(text, &self.span);
        let gutter = " ".repeat(place.line.to_string().len() + 1);
        let line = format!(" {} | {}", place.line, place.shown);
        let mut out = format!(
            "error: {}\n{gutter}--> {name}:{}:{}\n{gutter} |\n{}\n{gutter} | {}{}",
            self.message,
            place.line,
            place.column,
            line.trim_end(),
            " ".repeat(place.indent),
            "^".repeat(place.width),
        );
        if let Some(hint) = &self.hint {
            let _ = write!(out, " {hint}");
        }
        for note in &self.notes {
            let _ = write!(out, "\n{gutter} = note: {note}");
        }
        out
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Diagnostic {}

/// Where a span lies, and its line as a terminal shows it.
struct Place {
    line: usize,
    column: usize,
    shown: String,
    indent: usize,
    width: usize,
}

impl Place {
    fn find(text: &str, span: &Span) -> Self {
        let start = text.floor_char_boundary(span.start);
        let end = text.floor_char_boundary(span.end).max(start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let marked_end = end.min(line_end);

        let before = &text[line_start..start];
        let lead = printable(last_chars(before, CONTEXT));
        let marked = printable(first_chars(&text[start..marked_end], CONTEXT));
        let after = printable(first_chars(&text[marked_end..line_end], CONTEXT));
        let cut = if lead.is_empty() || last_chars(before, CONTEXT) == before { "" } else { "…" };
        Self {
            line: text[..line_start].matches('\n').count() + 1,
            column: before.chars().count() + 1,
            indent: cut.width() + lead.width(),
            width: marked.trim_end().width().max(1),
            shown: [cut, &lead, &marked, &after].concat(),
        }
    }
}

fn first_chars(text: &str, count: usize) -> &str {
    let end = text.char_indices().nth(count).map_or(text.len(), |c| c.0);
    &text[..end]
}

fn last_chars(text: &str, count: usize) -> &str {
    let start = text.char_indices().rev().nth(count - 1).map_or(0, |c| c.0);
    &text[start..]
}

/// Text whose width on a terminal is known: no tabs, and nothing a hostile file could steer the terminal with.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out.push_str("    "),
            '\r' => out.push(' '),
            c if c.is_control() => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
    out
}

/// A piece of the user's text in backquotes, safe to show within a message of one line.
#[must_use]
pub fn quoted(text: &str) -> String {
    let shown = first_chars(text, 40);
    let cut = if shown.len() < text.len() { "…" } else { "" };
    format!("`{}{cut}`", printable(&shown.replace('\n', " ")))
}
