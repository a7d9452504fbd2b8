//! Printing: data to stdout, messages to stderr, and a reader that goes away is no failure.

use std::io::{ErrorKind, IsTerminal, Write};
use tilewise::{Error, Result};

/// Lines are no longer than this, however wide the terminal.
const WIDEST: usize = 100;
const NARROWEST: usize = 40;

/// Prints to stdout.
///
/// # Errors
/// When stdout cannot be written; a reader that has closed its end is no error.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(Error::io("stdout", "cannot be written", e)),
        _ => Ok(()),
    }
}

/// Prints JSON on one line to stdout.
///
/// # Errors
/// As [`print`].
pub(crate) fn print_json(value: &serde_json::Value) -> Result<()> {
    print(&format!("{value}\n"))
}

/// Prints a line to stderr, if anybody is there to read it.
pub(crate) fn note(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Prints an error and those of its causes that say something new.
pub(crate) fn complain(error: &Error) {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(e) = cause {
        let what = e.to_string();
        if !text.contains(&what) && adds_information(error) {
            text = format!("{text}: {what}");
        }
        cause = e.source();
    }
    let (on, off) = if is_colourful() { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
    // Pictures of pipelines come with their own.
    let text = text.trim_end();
    note(&format!("{on}error:{off} {}", text.strip_prefix("error: ").unwrap_or(text)));
}

/// "No such file or directory (os error 2)" says no more than "no such file".
fn adds_information(error: &Error) -> bool {
    !matches!(error, Error::File { source: Some(e), .. } if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::StorageFull))
}

fn is_colourful() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty());
    std::io::stderr().is_terminal() && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|t| t != "dumb")
}

/// The width that text is wrapped to.
pub(crate) fn width() -> usize {
    let terminal = terminal_size::terminal_size_of(std::io::stdout()).map(|(w, _)| usize::from(w.0));
    terminal.unwrap_or(WIDEST).clamp(NARROWEST, WIDEST)
}

/// Breaks text between words: the first line starts with `head`, the others are indented as far.
pub(crate) fn wrapped(head: &str, text: &str, width: usize) -> String {
    let indent = head.chars().count();
    let mut out = head.to_string();
    let mut column = indent;
    for (i, word) in text.split_whitespace().enumerate() {
        let length = word.chars().count();
        if i > 0 && column + 1 + length > width {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            column = indent;
        } else if i > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// Blank lines stay, every paragraph is wrapped.
pub(crate) fn wrapped_paragraphs(indent: &str, text: &str, width: usize) -> String {
    let paragraphs: Vec<String> = text.trim().split("\n\n").map(|p| wrapped(indent, p, width)).collect();
    paragraphs.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_between_words() {
        assert_eq!(wrapped("- ", "one two three", 9), "- one two\n  three\n");
        assert_eq!(wrapped("- ", "unbreakable", 5), "- unbreakable\n");
        assert_eq!(wrapped("- ", "", 5), "-\n");
        assert_eq!(wrapped_paragraphs(" ", "a\nb\n\nc", 20), " a b\n\n c\n");
    }
}
