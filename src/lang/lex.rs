//! Text to tokens. Line ends inside brackets and beside operators are dropped here, so the parser sees statements.

use winnow::ascii::{digit1, hex_digit1};
use winnow::combinator::{alt, opt, preceded, repeat};
use winnow::error::EmptyError;
use winnow::prelude::*;
use winnow::stream::LocatingSlice;
use winnow::token::{none_of, one_of, take_while};

use super::ast::{Literal, Span};
use super::diagnostic::{Diagnostic, quoted};

/// A token and its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub kind: Kind,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Name,
    Literal(Literal),
    Symbol(&'static str),
    /// A line end that ends a statement.
    LineEnd,
    Semicolon,
    /// The end of the text, placed right behind the last token.
    End,
}

/// Longest first: the first that fits is taken.
const SYMBOLS: [&str; 31] = [
    "|>", "**", "//", "<=", ">=", "==", "!=", "&&", "||", "+", "-", "*", "/", "%", "&", "|", "^", "~", "<", ">", "=",
    "!", "(", ")", "[", "]", "{", "}", ",", ":", ".",
];

/// After these a line goes on.
const OPEN_ENDED: &str = "|> ** // <= >= == != + - * / % & | ^ ~ < > = ,";

/// Words and symbols of other languages, and what to write here.
const FOREIGN: [(&str, &str); 6] = [
    ("and", "use `&` between masks, each comparison in parentheses: `(a > 1) & (b > 2)`"),
    ("or", "use `|` between masks, each comparison in parentheses: `(a > 1) | (b > 2)`"),
    ("not", "use `~`: `~mask`"),
    ("&&", "use `&`"),
    ("||", "use `|`"),
    ("!", "use `~`"),
];

/// Characters that editors and web pages put in place of plain ones.
const LOOKALIKES: [(&str, &str); 5] =
    [("“”„″", "\""), ("‘’‚′", "'"), ("−–—", "-"), ("×∗", "*"), ("\u{a0}\u{202f}\u{2009}", " ")];

type Input<'a> = LocatingSlice<&'a str>;
type Read<T> = Result<T, EmptyError>;

/// A token as it stands, not yet checked.
#[derive(Clone)]
enum Raw<'a> {
    Blank,
    LineEnd,
    Semicolon,
    Word(&'a str),
    Number(&'a str),
    Text { body: &'a str, closed: bool },
    Symbol(&'static str),
}

/// The tokens of a text, the last of which is the only [`Kind::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Diagnostic> {
    let mut input = Input::new(text);
    let mut out = Tokens::default();
    while !input.is_empty() {
        let start = text.len() - input.len();
        let (raw, span) = raw.with_span().parse_next(&mut input).map_err(|_| unknown_character(text, start))?;
        match raw {
            Raw::Blank => {}
            Raw::LineEnd => out.line_end(span),
            Raw::Semicolon => out.push(Kind::Semicolon, span),
            Raw::Word(word) => out.push(word_kind(word, &span)?, span),
            Raw::Number(digits) => out.push(Kind::Literal(number(digits, &span)?), span),
            Raw::Text { body, closed } => {
                out.push(Kind::Literal(string(body, closed, &span)?), span);
            }
            Raw::Symbol(symbol) => out.symbol(symbol, span)?,
        }
    }
    let end = out.list.last().map_or(0, |token| token.span.end);
    out.push(Kind::End, end..end);
    Ok(out.list)
}

/// The tokens so far, and how many brackets are open after them.
#[derive(Default)]
struct Tokens {
    list: Vec<Token>,
    open: usize,
}

impl Tokens {
    fn push(&mut self, kind: Kind, span: Span) {
        self.list.push(Token { kind, span });
    }

    fn line_end(&mut self, span: Span) {
        let goes_on = match self.list.last().map(|token| &token.kind) {
            None => true,
            Some(Kind::Symbol(symbol)) => OPEN_ENDED.split(' ').any(|other| other == *symbol),
            Some(_) => false,
        };
        if self.open == 0 && !goes_on {
            self.push(Kind::LineEnd, span);
        }
    }

    fn symbol(&mut self, symbol: &'static str, span: Span) -> Result<(), Diagnostic> {
        refuse_foreign(symbol, &span)?;
        match symbol {
            "(" | "[" | "{" => self.open += 1,
            ")" | "]" | "}" => self.open = self.open.saturating_sub(1),
            "|>" => self.take_back_line_ends(),
            _ => {}
        }
        self.push(Kind::Symbol(symbol), span);
        Ok(())
    }

    /// A line that begins with `|>` goes on with the one before, also past comments and blank lines.
    fn take_back_line_ends(&mut self) {
        while self.list.pop_if(|token| token.kind == Kind::LineEnd).is_some() {}
    }
}

fn raw<'a>(input: &mut Input<'a>) -> Read<Raw<'a>> {
    alt((
        alt((blanks, comment)).value(Raw::Blank),
        '\n'.value(Raw::LineEnd),
        ';'.value(Raw::Semicolon),
        number_like.map(Raw::Number),
        word.map(Raw::Word),
        text,
        alt(SYMBOLS.map(symbol)).map(Raw::Symbol),
    ))
    .parse_next(input)
}

fn blanks<'a>(input: &mut Input<'a>) -> Read<&'a str> {
    take_while(1.., [' ', '\t', '\r', '\u{feff}']).parse_next(input)
}

fn comment<'a>(input: &mut Input<'a>) -> Read<&'a str> {
    preceded('#', take_while(0.., |c| c != '\n')).parse_next(input)
}

fn word<'a>(input: &mut Input<'a>) -> Read<&'a str> {
    let first = one_of(|c: char| c.is_alphabetic() || c == '_');
    (first, take_while(0.., is_word)).take().parse_next(input)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Everything that touches a number, so that `512MiB` and `1.2.3` are refused as a whole.
fn number_like<'a>(input: &mut Input<'a>) -> Read<&'a str> {
    let hexadecimal = ('0', one_of(['x', 'X']), take_while(0.., is_word)).take();
    let exponent_sign = (one_of(['e', 'E']), one_of(['+', '-'])).void();
    let more = alt((exponent_sign, one_of(|c| is_word(c) || c == '.').void()));
    let decimal = (opt('.'), digit1, repeat::<_, _, (), _, _>(0.., more)).take();
    alt((hexadecimal, decimal)).parse_next(input)
}

fn text<'a>(input: &mut Input<'a>) -> Read<Raw<'a>> {
    let quote = one_of(['"', '\'']).parse_next(input)?;
    let plain = take_while(1.., move |c| c != quote && c != '\\' && c != '\n');
    let escape = ('\\', none_of('\n')).take();
    let body = repeat::<_, _, (), _, _>(0.., alt((plain, escape))).take().parse_next(input)?;
    let closed = opt(quote).parse_next(input)?.is_some();
    Ok(Raw::Text { body, closed })
}

fn symbol<'a>(symbol: &'static str) -> impl Parser<Input<'a>, &'static str, EmptyError> {
    symbol.value(symbol)
}

fn word_kind(word: &str, span: &Span) -> Result<Kind, Diagnostic> {
    refuse_foreign(word, span)?;
    Ok(match word {
        "true" | "True" => Kind::Literal(Literal::Bool(true)),
        "false" | "False" => Kind::Literal(Literal::Bool(false)),
        "none" | "None" => Kind::Literal(Literal::None),
        _ => Kind::Name,
    })
}

fn refuse_foreign(written: &str, span: &Span) -> Result<(), Diagnostic> {
    match FOREIGN.iter().find(|(foreign, _)| *foreign == written) {
        Some((_, hint)) => {
            let message = format!("`{written}` is not an operator here");
            Err(Diagnostic::new(message, span.clone()).with_hint(*hint))
        }
        None => Ok(()),
    }
}

fn unknown_character(text: &str, at: usize) -> Diagnostic {
    let c = text[at..].chars().next().unwrap_or_default();
    let span = at..at + c.len_utf8();
    if let Some((_, plain)) = LOOKALIKES.iter().find(|(like, _)| like.contains(c)) {
        let message = format!("`{c}` (U+{:04X}) is not a plain character", u32::from(c));
        return Diagnostic::new(message, span).with_hint(format!("type `{plain}`"));
    }
    let message = format!("unexpected character {}", quoted(&text[span.clone()]));
    let error = Diagnostic::new(message, span);
    match c {
        '\\' => error.with_hint("a line goes on inside brackets and after an operator or comma"),
        _ => error,
    }
}

fn number(written: &str, span: &Span) -> Result<Literal, Diagnostic> {
    let digits = written.replace('_', "");
    let integer = if let Ok(hexadecimal) = hexadecimal.parse(written) {
        u64::from_str_radix(&hexadecimal.replace('_', ""), 16)
    } else if decimals.parse(written).is_ok() {
        refuse_leading_zero(&digits, span)?;
        digits.parse()
    } else if float.parse(written).is_ok() {
        return finite(&digits, span);
    } else {
        let message = format!("invalid number {}", quoted(written));
        return Err(Diagnostic::new(message, span.clone()));
    };
    match integer {
        Ok(value) => Ok(Literal::Int(value.into())),
        Err(_) => Err(Diagnostic::new("the integer does not fit in 64 bits", span.clone())),
    }
}

/// `010` is eight in C and ten elsewhere; Python refuses it too.
fn refuse_leading_zero(digits: &str, span: &Span) -> Result<(), Diagnostic> {
    let significant = digits.trim_start_matches('0');
    if digits.len() == 1 || significant.len() == digits.len() {
        return Ok(());
    }
    let plain = if significant.is_empty() { "0" } else { significant };
    let error = Diagnostic::new("an integer cannot begin with 0", span.clone());
    Err(error.with_hint(format!("write {}", quoted(plain))))
}

fn finite(digits: &str, span: &Span) -> Result<Literal, Diagnostic> {
    match digits.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(Literal::Float(value)),
        _ => Err(Diagnostic::new("the number is too large for a 64-bit float", span.clone())),
    }
}

fn decimals<'a>(input: &mut &'a str) -> Read<&'a str> {
    let more = repeat::<_, _, (), _, _>(0.., ('_', digit1));
    (digit1, more).take().parse_next(input)
}

fn hexadecimal<'a>(input: &mut &'a str) -> Read<&'a str> {
    let more = repeat::<_, _, (), _, _>(0.., ('_', hex_digit1));
    preceded(('0', one_of(['x', 'X'])), (hex_digit1, more).take()).parse_next(input)
}

fn float<'a>(input: &mut &'a str) -> Read<&'a str> {
    let sign = opt(one_of(['+', '-']));
    let exponent = opt((one_of(['e', 'E']), sign, decimals)).void();
    let whole_first = (decimals, opt('.'), opt(decimals)).void();
    (alt((whole_first, ('.', decimals).void())), exponent).take().parse_next(input)
}

fn string(body: &str, closed: bool, span: &Span) -> Result<Literal, Diagnostic> {
    if !closed {
        let error = Diagnostic::new("the string is not closed", span.clone());
        return Err(error.with_hint("it must end on its line, with the quote it began with"));
    }
    let mut out = String::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let start = span.start + 1 + (body.len() - rest.len()) + at;
        rest = &rest[at..];
        let written = rest;
        let c = escape.parse_next(&mut rest);
        out.push(c.map_err(|_| unknown_escape(written, start))?);
    }
    out.push_str(rest);
    Ok(Literal::Text(out))
}

fn escape(input: &mut &str) -> Read<char> {
    preceded(
        '\\',
        alt((
            one_of(['\\', '\'', '"']),
            'n'.value('\n'),
            't'.value('\t'),
            'r'.value('\r'),
            '0'.value('\0'),
            preceded('x', code_point::<2>),
            preceded('u', code_point::<4>),
        )),
    )
    .parse_next(input)
}

fn code_point<const DIGITS: usize>(input: &mut &str) -> Read<char> {
    take_while(DIGITS, |c: char| c.is_ascii_hexdigit())
        .verify_map(|digits| char::from_u32(u32::from_str_radix(digits, 16).ok()?))
        .parse_next(input)
}

fn unknown_escape(rest: &str, start: usize) -> Diagnostic {
    let shown: String = rest.chars().take(2).collect();
    let message = format!("unknown escape {} in a string", quoted(&shown));
    Diagnostic::new(message, start..start + shown.len())
        .with_hint("write `\\\\` for a backslash; `/` separates folders on every system")
}
