//! `tilewise ops`

use super::{OpsArgs, term};
use tilewise::lang::{Function, symbols};
use tilewise::ops::{OPS, OpDef, Param, Type, find, nearest};
use tilewise::{Error, Result};

/// What the functions of the language that are no operations are listed under.
const LANGUAGE: &str = "files and footprints";

/// The families in the order they are shown.
const FAMILIES: [&str; 10] = [
    "filters",
    "rank",
    "morphology",
    "thresholds",
    "exposure",
    "edges",
    "objects",
    "reductions",
    "elementwise",
    "geometry",
];

/// The boundary modes.
const MODES: &str = "\"reflect\", \"mirror\", \"nearest\", \"constant\" or \"wrap\"";

pub(super) fn ops(args: &OpsArgs) -> Result<()> {
    let width = term::width();
    match &args.name {
        None => term::print(&list(width)),
        Some(name) => term::print(&page(name, width)?),
    }
}

fn list(width: usize) -> String {
    let mut families: Vec<&str> = Vec::new();
    OPS.iter().for_each(|op| {
        if !families.contains(&op.family) {
            families.push(op.family);
        }
    });
    families.sort_by_key(|family| FAMILIES.iter().position(|f| f == family).unwrap_or(FAMILIES.len()));
    let longest = OPS.iter().map(|op| op.name.len()).chain(symbols().iter().map(|f| f.name.len())).max().unwrap_or(0);
    let line = |name: &str, summary: &str| term::wrapped(&format!("  {name:<longest$}  "), summary, width);
    let mut text = String::new();
    for family in families {
        text += &format!("{family}\n");
        OPS.iter().filter(|op| op.family == family).for_each(|op| text += &line(op.name, op.summary));
        text.push('\n');
    }
    text += &format!("{LANGUAGE}\n");
    symbols().iter().for_each(|f| text += &line(f.name, &f.summary.replace('`', "")));
    text + "\n`tilewise ops NAME` shows the page of one.\n"
}

fn page(name: &str, width: usize) -> Result<String> {
    if let Some(op) = find(name) {
        return Ok(op_page(op, width));
    }
    if let Some(function) = symbols().iter().find(|f| f.name == name) {
        return Ok(function_page(function, width));
    }
    let names = OPS.iter().map(|op| op.name).chain(symbols().iter().map(|f| f.name));
    let hint =
        nearest(name, names).map_or("`tilewise ops` lists them".into(), |near| format!("did you mean `{near}`?"));
    Err(Error::Usage(format!("unknown operation `{name}`; {hint}")))
}

fn function_page(function: &Function, width: usize) -> String {
    let summary = term::wrapped("  ", function.summary, width);
    format!("{}\n{summary}", function.signature)
}

fn op_page(op: &OpDef, width: usize) -> String {
    let mut text = hanging(&op.signature(), width);
    text += &term::wrapped("  ", op.summary, width);
    if !op.params.is_empty() {
        text += "\nparameters\n";
        op.params.iter().for_each(|p| text += &parameter(p, width));
    }
    if !op.returns.is_empty() {
        text += "\nreturns\n";
        op.returns.iter().for_each(|(name, what)| text += &entry(name, what, width));
    }
    if !op.details.trim().is_empty() {
        text += &format!("\ndetails\n{}", term::wrapped_paragraphs("  ", op.details, width));
    }
    if !op.reference.is_empty() {
        text += &format!("\nequals\n{}", term::wrapped("  ", op.reference, width));
    }
    if !op.examples.is_empty() {
        text += "\nexamples\n";
        op.examples.iter().for_each(|example| text += &format!("  {example}\n"));
    }
    text
}

/// A signature that is too long goes on below its opening parenthesis.
fn hanging(signature: &str, width: usize) -> String {
    match signature.split_once('(') {
        Some((name, rest)) => term::wrapped(&format!("{name}("), rest, width),
        None => format!("{signature}\n"),
    }
}

fn parameter(param: &Param, width: usize) -> String {
    let default = param.default.map(|d| format!(" Default {d}.")).unwrap_or_default();
    let doc = param.doc.trim_end();
    let stop = if doc.is_empty() || doc.ends_with('.') { "" } else { "." };
    entry(param.name, &format!("{}. {doc}{stop}{default}", type_text(param.ty)), width)
}

fn entry(name: &str, what: &str, width: usize) -> String {
    term::wrapped(&format!("  {name:<12}  "), what, width)
}

fn type_text(ty: Type) -> String {
    match ty {
        Type::Array => "Array".into(),
        Type::ArrayOrNumber => "Array or number".into(),
        Type::Number => "Number".into(),
        Type::Integer => "Whole number".into(),
        Type::NumberPerAxis => "Number, or a list with one per axis".into(),
        Type::IntegerPerAxis => "Whole number, or a list with one per axis".into(),
        Type::Weights => "List of numbers, nested for several axes".into(),
        Type::Bool => "true or false".into(),
        Type::Mode => MODES.into(),
        Type::ModePerAxis => format!("{MODES}, or a list with one per axis"),
        Type::DType => "Element type, such as \"uint16\"".into(),
        Type::Axis => "Axis: its letter or number".into(),
        Type::Axes => "Axes: letters (\"yx\") or a list of numbers".into(),
        Type::Word(words) => words.iter().map(|w| format!("{w:?}")).collect::<Vec<_>>().join(" or "),
        Type::Any => "Value".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_fits_and_says_what_is_needed() {
        for op in OPS {
            let page = op_page(op, 80);
            assert!(page.contains(op.summary.split_whitespace().next().unwrap_or("")), "{}", op.name);
            for param in op.params {
                assert!(page.contains(&format!("  {}", param.name)), "{}: {}", op.name, param.name);
            }
        }
        assert!(list(80).lines().all(|line| line.chars().count() <= 80));
    }
}
