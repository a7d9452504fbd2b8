//! Conditions on the columns of a table: `area > 50 and eccentricity < 0.9`.

use super::lookup::PAGE;
use crate::array::{Column, DType, Scalar};
use crate::error::{Error, Result};
use crate::graph::Table;

/// Columns of a condition, and values that wait while it is worked out.
const MOST: usize = 16;

/// A condition in postfix order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Condition {
    /// The columns it looks at.
    columns: Vec<usize>,
    steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    /// One of the columns.
    Column(usize),
    Number(f64),
    One(Unary),
    Two(Binary),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Unary {
    Minus,
    Not,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Binary {
    Or,
    And,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
}

impl Binary {
    fn of(self, a: f64, b: f64) -> f64 {
        let truth = |t: bool| f64::from(u8::from(t));
        match self {
            Binary::Or => truth(a != 0.0 || b != 0.0),
            Binary::And => truth(a != 0.0 && b != 0.0),
            Binary::Less => truth(a < b),
            Binary::LessEqual => truth(a <= b),
            Binary::Greater => truth(a > b),
            Binary::GreaterEqual => truth(a >= b),
            Binary::Equal => truth(a == b),
            Binary::NotEqual => truth(a != b),
            Binary::Add => a + b,
            Binary::Subtract => a - b,
            Binary::Multiply => a * b,
            Binary::Divide => a / b,
            // Python's: with the sign of the divisor.
            Binary::Remainder => a - b * (a / b).floor(),
            Binary::Power => a.powf(b),
        }
    }
}

impl Condition {
    /// Always met.
    pub fn always() -> Self {
        Condition { columns: Vec::new(), steps: vec![Step::Number(1.0)] }
    }

    /// A column against a number.
    pub fn compare(column: usize, with: Binary, number: f64) -> Self {
        Condition { columns: vec![column], steps: vec![Step::Column(0), Step::Number(number), Step::Two(with)] }
    }

    /// Reads a condition on columns of those names.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence.
    pub fn read(text: &str, columns: &[Column]) -> std::result::Result<Self, String> {
        let tokens = tokens(text, columns)?;
        let condition = Condition { columns: Vec::new(), steps: Vec::new() };
        let mut reader = Reader { tokens: &tokens, at: 0, columns, condition, depth: 0, height: 0 };
        let kind = reader.binary(0)?;
        if let Some(token) = reader.tokens.get(reader.at) {
            return Err(format!("does not go on with {token}"));
        }
        match kind {
            Kind::Truth => Ok(reader.condition),
            Kind::Number => Err("is a number, not a condition: compare it with something".into()),
        }
    }

    /// Sets the words of the rows from `first` on to 1 where it is met and to 0 elsewhere; comparisons with NaN are not.
    pub fn holds(&self, table: &Table, first: u64, words: &mut [u64]) -> Result<()> {
        let rows = words.len();
        let mut values = [[0f64; PAGE]; MOST];
        for (&column, values) in self.columns.iter().zip(&mut values) {
            let dtype = table.spec.columns.get(column).map_or(DType::F64, |c| c.dtype);
            let (mut bytes, size) = ([0u8; 8 * PAGE], dtype.size());
            table.read(column, first, &mut bytes[..rows * size])?;
            let read = bytes.chunks_exact(size).map(|bytes| Scalar::from_bytes(dtype, bytes).to_f64());
            values.iter_mut().zip(read).for_each(|(to, value)| *to = value);
        }
        for (row, word) in words.iter_mut().enumerate() {
            let (mut stack, mut height) = ([0f64; MOST], 0);
            for step in &self.steps {
                let value = match *step {
                    Step::Column(column) => values[column][row],
                    Step::Number(number) => number,
                    Step::One(unary) => {
                        height -= 1;
                        match unary {
                            Unary::Minus => -stack[height],
                            Unary::Not => f64::from(u8::from(stack[height] == 0.0)),
                        }
                    }
                    Step::Two(binary) => {
                        height -= 2;
                        binary.of(stack[height], stack[height + 1])
                    }
                };
                if height == MOST {
                    return Err(Error::Internal("a condition is nested too deeply".into()));
                }
                stack[height] = value;
                height += 1;
            }
            *word = u64::from(stack[0] != 0.0);
        }
        Ok(())
    }
}

/// The names in a condition, each once.
pub(super) fn names(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.') {
        rest = &rest[start..];
        let word = &rest[..word_len(rest)];
        if word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && !WORDS.contains(&word)
            && !names.contains(&word)
        {
            names.push(word);
        }
        rest = &rest[word.len()..];
    }
    names
}

const WORDS: [&str; 6] = ["and", "or", "not", "pi", "true", "false"];

/// Letters, digits, underscores; of a number also its point and exponent.
fn word_len(text: &str) -> usize {
    let number = text.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let mut before = ' ';
    let part = |c: char| {
        let exponent = number && matches!(before, 'e' | 'E') && matches!(c, '+' | '-');
        before = c;
        c.is_ascii_alphanumeric() || c == '_' || (number && c == '.') || exponent
    };
    let mut part = part;
    text.find(|c: char| !part(c)).unwrap_or(text.len())
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token {
    Column(usize),
    Number(f64),
    Truth(bool),
    Not,
    Minus,
    Operator(Binary),
    Open,
    Close,
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Token::Column(_) => write!(f, "a column"),
            Token::Number(number) => write!(f, "the number {number}"),
            Token::Truth(truth) => write!(f, "{truth}"),
            Token::Not => write!(f, "`not`"),
            Token::Minus => write!(f, "`-`"),
            Token::Operator(operator) => write!(f, "`{}`", SIGNS.iter().find(|s| s.1 == *operator).map_or("", |s| s.0)),
            Token::Open => write!(f, "`(`"),
            Token::Close => write!(f, "`)`"),
        }
    }
}

/// Longer signs before those that they begin with.
const SIGNS: [(&str, Binary); 15] = [
    ("or", Binary::Or),
    ("and", Binary::And),
    ("<=", Binary::LessEqual),
    (">=", Binary::GreaterEqual),
    ("==", Binary::Equal),
    ("!=", Binary::NotEqual),
    ("<", Binary::Less),
    (">", Binary::Greater),
    ("**", Binary::Power),
    ("*", Binary::Multiply),
    ("/", Binary::Divide),
    ("%", Binary::Remainder),
    ("+", Binary::Add),
    ("|", Binary::Or),
    ("&", Binary::And),
];

fn tokens(text: &str, columns: &[Column]) -> std::result::Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (token, len) = token(rest, columns)?;
        tokens.push(token);
        rest = rest[len..].trim_start();
    }
    Ok(tokens)
}

fn token(rest: &str, columns: &[Column]) -> std::result::Result<(Token, usize), String> {
    let first = rest.chars().next().unwrap_or(' ');
    if first.is_ascii_digit() || first == '.' {
        let word = &rest[..word_len(rest)];
        let number = word.parse().map_err(|_| format!("has {word:?}, which is no number"))?;
        return Ok((Token::Number(number), word.len()));
    }
    if first.is_ascii_alphabetic() || first == '_' {
        return name(rest, columns);
    }
    match first {
        '(' => return Ok((Token::Open, 1)),
        ')' => return Ok((Token::Close, 1)),
        '-' => return Ok((Token::Minus, 1)),
        '~' => return Ok((Token::Not, 1)),
        _ => {}
    }
    match SIGNS[2..].iter().find(|(sign, _)| rest.starts_with(sign)) {
        Some(&(sign, operator)) => Ok((Token::Operator(operator), sign.len())),
        None if first == '=' => Err("has `=`: write `==`".into()),
        None if first == '!' => Err("has `!`: write `not`".into()),
        None => Err(format!("has {first:?}, which means nothing here")),
    }
}

/// A word, or the longest name of a column: `centroid-0` is one.
fn name(rest: &str, columns: &[Column]) -> std::result::Result<(Token, usize), String> {
    let word = &rest[..word_len(rest)];
    let token = match word {
        "and" => Some(Token::Operator(Binary::And)),
        "or" => Some(Token::Operator(Binary::Or)),
        "not" => Some(Token::Not),
        "pi" => Some(Token::Number(std::f64::consts::PI)),
        "true" => Some(Token::Truth(true)),
        "false" => Some(Token::Truth(false)),
        _ => None,
    };
    if let Some(token) = token {
        return Ok((token, word.len()));
    }
    let ends = |len: usize| !rest[len..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let fits = |c: &&Column| rest.starts_with(c.name.as_str()) && ends(c.name.len());
    let longest = columns.iter().filter(fits).max_by_key(|c| c.name.len());
    if let Some(at) = longest.and_then(|l| columns.iter().position(|c| c.name == l.name)) {
        return Ok((Token::Column(at), columns[at].name.len()));
    }
    let parts: Vec<&str> =
        columns.iter().map(|c| c.name.as_str()).filter(|c| c.starts_with(&format!("{word}-"))).collect();
    match parts.is_empty() {
        true => Err(format!("has {word:?}, which is no column")),
        false => Err(format!("has {word:?}, which is several columns: {}", parts.join(", "))),
    }
}

/// What a part of a condition comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Number,
    Truth,
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    columns: &'a [Column],
    condition: Condition,
    depth: usize,
    /// Values that wait when the steps so far are done.
    height: usize,
}

/// Operators from the loosest to the tightest; `not` lies between the second and the third.
const LEVELS: [&[Binary]; 5] = [
    &[Binary::Or],
    &[Binary::And],
    &[Binary::Less, Binary::LessEqual, Binary::Greater, Binary::GreaterEqual, Binary::Equal, Binary::NotEqual],
    &[Binary::Add, Binary::Subtract],
    &[Binary::Multiply, Binary::Divide, Binary::Remainder],
];
const NOT: usize = 2;

type Read = std::result::Result<Kind, String>;

impl Reader<'_> {
    fn peek(&self) -> Option<Token> {
        self.tokens.get(self.at).copied()
    }

    /// The operator that comes next, if it is of that level.
    fn operator(&self, level: usize) -> Option<Binary> {
        let operator = match self.peek()? {
            Token::Operator(operator) => operator,
            Token::Minus => Binary::Subtract,
            _ => return None,
        };
        LEVELS[level].contains(&operator).then_some(operator)
    }

    fn deeper(&mut self) -> std::result::Result<(), String> {
        self.depth += 1;
        if self.depth > 100 { Err("is nested too deeply".into()) } else { Ok(()) }
    }

    fn binary(&mut self, level: usize) -> Read {
        if level == NOT && self.peek() == Some(Token::Not) {
            self.at += 1;
            self.deeper()?;
            let kind = self.binary(NOT)?;
            self.depth -= 1;
            wanted(kind, Kind::Truth, "`not`")?;
            return self.push(Step::One(Unary::Not), Kind::Truth);
        }
        let next = |reader: &mut Self| if level + 1 < LEVELS.len() { reader.binary(level + 1) } else { reader.unary() };
        let mut kind = next(self)?;
        let mut compared = false;
        while let Some(operator) = self.operator(level) {
            self.at += 1;
            let right = next(self)?;
            let operands = if level < NOT { Kind::Truth } else { Kind::Number };
            if level == NOT && compared {
                return Err("compares twice in a row: write `a < b and b < c`".into());
            }
            compared = true;
            let equality = matches!(operator, Binary::Equal | Binary::NotEqual);
            if !(equality && kind == right) {
                let sign = Token::Operator(operator).to_string();
                wanted(kind, operands, &sign)?;
                wanted(right, operands, &sign)?;
            }
            let result = if level <= NOT { Kind::Truth } else { Kind::Number };
            kind = self.push(Step::Two(operator), result)?;
        }
        Ok(kind)
    }

    fn unary(&mut self) -> Read {
        self.deeper()?;
        let kind = match self.peek() {
            Some(Token::Minus) => {
                self.at += 1;
                let kind = self.unary()?;
                wanted(kind, Kind::Number, "`-`")?;
                self.push(Step::One(Unary::Minus), Kind::Number)?
            }
            _ => {
                let kind = self.atom()?;
                if self.peek() == Some(Token::Operator(Binary::Power)) {
                    self.at += 1;
                    let right = self.unary()?;
                    wanted(kind, Kind::Number, "`**`")?;
                    wanted(right, Kind::Number, "`**`")?;
                    self.push(Step::Two(Binary::Power), Kind::Number)?;
                }
                kind
            }
        };
        self.depth -= 1;
        Ok(kind)
    }

    fn atom(&mut self) -> Read {
        let token = self.peek().ok_or("ends too early")?;
        self.at += 1;
        match token {
            Token::Number(number) => self.push(Step::Number(number), Kind::Number),
            Token::Truth(truth) => self.push(Step::Number(f64::from(u8::from(truth))), Kind::Truth),
            Token::Column(column) => {
                let own = &mut self.condition.columns;
                let at = own.iter().position(|&c| c == column).unwrap_or_else(|| {
                    own.push(column);
                    own.len() - 1
                });
                if at >= MOST {
                    return Err(format!("looks at more than {MOST} columns"));
                }
                let truth = self.columns[column].dtype == DType::Bool;
                self.push(Step::Column(at), if truth { Kind::Truth } else { Kind::Number })
            }
            Token::Open => {
                let kind = self.binary(0)?;
                match self.peek() {
                    Some(Token::Close) => self.at += 1,
                    Some(other) => return Err(format!("has {other} where `)` is wanted")),
                    None => return Err("lacks a `)`".into()),
                }
                Ok(kind)
            }
            other => Err(format!("has {other} where a column or a number is wanted")),
        }
    }

    /// Adds a step, unless too many values would wait.
    fn push(&mut self, step: Step, kind: Kind) -> Read {
        self.condition.steps.push(step);
        match step {
            Step::Column(_) | Step::Number(_) => self.height += 1,
            Step::One(_) => {}
            Step::Two(_) => self.height -= 1,
        }
        if self.height > MOST { Err("is nested too deeply".into()) } else { Ok(kind) }
    }
}

fn wanted(kind: Kind, wanted: Kind, operator: &str) -> std::result::Result<(), String> {
    match (kind, wanted) {
        (Kind::Number, Kind::Truth) => Err(format!("has {operator} beside a number: it joins conditions")),
        (Kind::Truth, Kind::Number) => Err(format!("has {operator} beside a condition: it takes numbers")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::TableSpec;

    fn columns() -> Vec<Column> {
        let named =
            [("label", DType::U64), ("area", DType::U64), ("centroid-0", DType::F64), ("centroid-10", DType::F64)];
        let named = named.into_iter().chain([("touches_border", DType::Bool)]);
        named.map(|(name, dtype)| Column { name: name.into(), dtype }).collect()
    }

    fn table() -> Table {
        let centroid = [0.5, 2.0, f64::NAN];
        let bytes: [&[u8]; 5] = [
            bytemuck::cast_slice(&[1u64, 2, 9]),
            bytemuck::cast_slice(&[10u64, 20, 30]),
            bytemuck::cast_slice(&centroid),
            bytemuck::cast_slice(&[7f64, 8.0, 9.0]),
            &[1, 0, 0],
        ];
        Table::of_columns(TableSpec { columns: columns() }, 3, &bytes).unwrap()
    }

    fn holds(text: &str) -> Vec<u64> {
        let mut words = [7; 3];
        Condition::read(text, &columns())
            .unwrap_or_else(|e| panic!("{text} {e}"))
            .holds(&table(), 0, &mut words)
            .unwrap();
        words.to_vec()
    }

    #[test]
    fn conditions_are_pythons() {
        for (text, wanted) in [
            ("area > 10", [0, 1, 1]),
            ("area>=10 and area<30", [1, 1, 0]),
            ("not area == 20 or label == 2", [1, 1, 1]),
            ("not (area == 20 or label == 1)", [0, 0, 1]),
            ("touches_border", [1, 0, 0]),
            ("not touches_border & (area < 25)", [0, 1, 0]),
            ("touches_border == false", [0, 1, 1]),
            ("centroid-0 < 1", [1, 0, 0]),
            ("centroid-0 >= 1 | centroid-0 < 1", [1, 1, 0]),
            ("centroid-10-1 == 6", [1, 0, 0]),
            ("-2 ** 2 + area == 6", [1, 0, 0]),
            ("2 ** -1 * area == 1e1", [0, 1, 0]),
            ("area - 5 - 5 == 0 or area / 2 * 3 == 45.0", [1, 0, 1]),
            ("-area % 7 == 4", [1, 0, 0]),
            ("4 * pi * area > 300", [0, 0, 1]),
            ("true", [1, 1, 1]),
        ] {
            assert_eq!(holds(text), wanted, "{text}");
        }
        let mut words = [7; 2];
        Condition::compare(1, Binary::Greater, 20.0).holds(&table(), 1, &mut words).unwrap();
        assert_eq!(words, [0, 1]);
    }

    #[test]
    fn what_is_no_condition_is_said() {
        for (text, what) in [
            ("", "ends too early"),
            ("area", "is a number, not a condition"),
            ("area > ", "ends too early"),
            ("area = 3", "write `==`"),
            ("10 < area < 30", "write `a < b and b < c`"),
            ("area and label == 1", "`and` beside a number"),
            ("touches_border + 1 > 2", "`+` beside a condition"),
            ("(area > 3", "lacks a `)`"),
            ("area > 3)", "go on with `)`"),
            ("centroid > 3", "several columns: centroid-0, centroid-10"),
            ("aera > 3", "is no column"),
            ("area > 3 area < 4", "go on with a column"),
            ("area > 1.2.3", "no number"),
            ("area ? 3", "means nothing"),
        ] {
            let got = Condition::read(text, &columns()).unwrap_err();
            assert!(got.contains(what), "{text}: {got}");
        }
        let deep = "(".repeat(10_000) + "area" + &")".repeat(10_000) + " > 3";
        assert!(Condition::read(&deep, &columns()).is_err());
        let wide = "area - (".repeat(50) + "area" + &")".repeat(50) + " > 3";
        assert!(Condition::read(&wide, &columns()).is_err());
    }

    #[test]
    fn names_are_words_that_are_no_numbers() {
        assert_eq!(
            names("area>5e3 and not(centroid-0<.5e-7) or area*pi>mean_intensity"),
            ["area", "centroid", "mean_intensity"]
        );
    }
}
