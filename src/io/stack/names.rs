//! The files of a stack: found, put in natural order, or placed on a grid by what their names say.

use super::tokens::{Grid, Token, find};
use crate::error::{Error, Result};
use std::cmp::Ordering;
use std::path::Path;

/// The paths of many files, held in one piece.
#[derive(Debug)]
pub(super) struct Names {
    /// What every path starts with.
    before: String,
    /// What every path ends with: the description of raw files.
    after: String,
    text: String,
    ends: Vec<u32>,
}

impl Names {
    fn new(before: String, after: String, names: &[String]) -> Option<Self> {
        let mut text = String::with_capacity(names.iter().map(String::len).sum());
        let mut ends = Vec::with_capacity(names.len());
        for name in names {
            text.push_str(name);
            ends.push(u32::try_from(text.len()).ok()?);
        }
        Some(Names { before, after, text, ends })
    }

    pub(super) fn len(&self) -> u64 {
        self.ends.len() as u64
    }

    /// The name of a file below the folder that all share.
    pub(super) fn name(&self, index: usize) -> &str {
        let start = index.checked_sub(1).map_or(0, |i| self.ends[i] as usize);
        &self.text[start..self.ends[index] as usize]
    }

    /// What [`crate::io::open`] takes.
    pub(super) fn path(&self, index: usize) -> String {
        format!("{}{}{}", self.before, self.name(index), self.after)
    }

    /// Whether that file, a canonical path, is among them, or is a folder in which one lies.
    pub(super) fn contains(&self, file: &Path) -> bool {
        let folder = Path::new(self.before.strip_prefix(super::RAW).unwrap_or(&self.before));
        let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let Some(last) = file.file_name() else { return true };
        let part_of = |path: &Path| path.canonicalize().is_ok_and(|path| path.starts_with(file));
        let is_it = |name: &str| Path::new(name).iter().any(|part| part == last) && part_of(&folder.join(name));
        part_of(here) || (0..self.ends.len()).any(|i| is_it(self.name(i)))
    }

    /// Bytes it holds.
    pub(super) fn bytes(&self) -> u64 {
        (self.text.capacity() + 4 * self.ends.capacity()) as u64
    }
}

/// What was asked for, taken apart: the folder part without wildcards, the pattern below it, and the description that
/// raw files need.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    prefix: &'static str,
    path: &'a str,
    after: &'a str,
}

impl<'a> Wanted<'a> {
    pub(super) fn new(path: &'a str) -> Self {
        match path.strip_prefix(super::RAW) {
            Some(raw) => {
                let at = raw.rfind('?').filter(|&at| raw[at..].contains('=')).unwrap_or(raw.len());
                Wanted { prefix: super::RAW, path: &raw[..at], after: &raw[at..] }
            }
            None => Wanted { prefix: "", path, after: "" },
        }
    }

    /// Whether it has wildcards and is not simply the name of a file.
    pub(super) fn is_glob(&self) -> bool {
        self.path.contains(['*', '?', '[']) && !Path::new(self.path).exists()
    }

    /// The files of a pattern, in natural order.
    pub(super) fn glob(&self) -> Result<Found> {
        let wrong = |what: String| Error::Usage(format!("{}: {what}", self.path));
        let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
        let paths = glob::glob_with(self.path, options).map_err(|e| wrong(format!("is no pattern: {e}")))?;
        let wild = self.path.find(['*', '?', '[']).unwrap_or(self.path.len());
        let base = self.path[..wild].rfind('/').map_or("", |slash| &self.path[..=slash]);
        let mut names = Vec::new();
        for path in paths {
            let path = path.map_err(|e| {
                let what = e.error().to_string();
                Error::format(e.path(), format!("cannot be listed: {what}"))
            })?;
            names.push(relative(&path, base)?);
        }
        if names.is_empty() {
            return Err(Error::format(self.path, "no file matches"));
        }
        Ok(self.found(base, names))
    }

    /// The images of a folder, in natural order: those with an ending we know, which have to be of one format.
    pub(super) fn folder(&self) -> Result<Found> {
        let base = format!("{}/", self.path.trim_end_matches('/'));
        let failed = |e| Error::io(self.path, "cannot be listed", e);
        let mut names: Vec<String> = Vec::new();
        let mut kind: Option<(&'static str, String)> = None;
        for entry in std::fs::read_dir(self.path).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let Some(this) = image_kind(&path) else { continue };
            let name = relative(&path, &base)?;
            if name.starts_with('.') {
                continue;
            }
            match &kind {
                Some((other, first)) if *other != this => {
                    let (a, b) = (ending(first), ending(&name));
                    return Err(Error::Usage(format!(
                        "{base}: holds files of several formats ({first}, {name}): choose with {base}*.{a} or {base}*.{b}"
                    )));
                }
                Some(_) => {}
                None => kind = Some((this, name.clone())),
            }
            names.push(name);
        }
        if names.is_empty() {
            return Err(Error::format(self.path, "is a folder without images"));
        }
        Ok(self.found(&base, names))
    }

    fn found(&self, base: &str, mut names: Vec<String>) -> Found {
        names.sort_unstable_by(|a, b| natural(a, b));
        Found { before: format!("{}{base}", self.prefix), after: self.after.to_string(), names }
    }
}

/// Files that were found.
#[derive(Debug)]
pub(super) struct Found {
    before: String,
    after: String,
    names: Vec<String>,
}

impl Found {
    /// The path of the first.
    pub(super) fn first(&self) -> String {
        format!("{}{}{}", self.before, self.names[0], self.after)
    }

    /// The paths of all, in natural order.
    pub(super) fn paths(&self) -> Vec<String> {
        self.names.iter().map(|name| format!("{}{name}{}", self.before, self.after)).collect()
    }

    /// In natural order, one axis.
    pub(super) fn in_order(self, called: &str) -> Result<Names> {
        Names::new(self.before, self.after, &self.names)
            .ok_or_else(|| Error::Usage(format!("{called}: the names of the files take more than 4 GiB")))
    }

    /// On the grid of the axes whose letters stand in the names (`_t00_z003_c1`), with the length and the words of
    /// each. `None` where one letter is asked for and not every name has it: natural order will do.
    pub(super) fn on_grid(&mut self, letters: &[char], called: &str) -> Result<Option<Grid>> {
        let tokens: Vec<Option<Token>> = letters.iter().map(|&letter| find(&self.names[0], letter)).collect();
        let lone = letters.len() == 1;
        if lone && !self.names.iter().all(|name| find(name, letters[0]).is_some()) {
            return Ok(None);
        }
        if let Some(missing) = tokens.iter().position(Option::is_none) {
            return Err(no_token(letters[missing], &self.names[0], called));
        }
        let grid = Grid::new(&self.names, letters).map_err(|what| match what {
            super::tokens::Wrong::NoToken { letter, name } => no_token(letter, &name, called),
            super::tokens::Wrong::Grid(what) => Error::Usage(format!("{called}: {what}")),
        })?;
        let mut sorted = Vec::with_capacity(self.names.len());
        for &place in &grid.order {
            sorted.push(std::mem::take(&mut self.names[place]));
        }
        self.names = sorted;
        Ok(Some(grid))
    }
}

fn no_token(letter: char, name: &str, called: &str) -> Error {
    Error::Usage(format!(
        "{called}: axis {letter:?} is looked for in the names of the files, as in \"_{letter}01\", and {name} has none"
    ))
}

fn relative(path: &Path, base: &str) -> Result<String> {
    let below = path.strip_prefix(base).unwrap_or(path);
    let name = below.to_str().ok_or_else(|| Error::format(path, "its name is not UTF-8"))?;
    Ok(name.to_string())
}

fn ending(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, ending)| ending)
}

/// The format that a name's ending promises, if it is one of an image.
fn image_kind(path: &Path) -> Option<&'static str> {
    match path.extension()?.to_str()?.to_lowercase().as_str() {
        "npy" => Some("npy"),
        "tif" | "tiff" => Some("TIFF"),
        "png" => Some("PNG"),
        "jpg" | "jpeg" => Some("JPEG"),
        "zarr" => Some("Zarr"),
        _ => None,
    }
}

/// The order people expect: numbers in names by their value, so that 2 comes before 10.
pub(super) fn natural(a: &str, b: &str) -> Ordering {
    let (mut x, mut y) = (a, b);
    while !x.is_empty() && !y.is_empty() {
        let (dx, dy) = (digits(x), digits(y));
        let order = if !dx.is_empty() && !dy.is_empty() {
            (x, y) = (&x[dx.len()..], &y[dy.len()..]);
            number(dx, dy)
        } else {
            let (cx, cy) = (x.chars().next(), y.chars().next());
            let step = |c: Option<char>| c.map_or(0, char::len_utf8);
            (x, y) = (&x[step(cx)..], &y[step(cy)..]);
            cx.cmp(&cy)
        };
        if order.is_ne() {
            return order;
        }
    }
    x.len().cmp(&y.len()).then_with(|| a.cmp(b))
}

fn digits(text: &str) -> &str {
    &text[..text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len()]
}

/// Compares two runs of digits of any length by value.
fn number(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_sort_by_value() {
        let sorted = |names: &[&str]| {
            let mut names: Vec<String> = names.iter().map(|n| n.to_string()).collect();
            names.sort_unstable_by(|a, b| natural(a, b));
            names.join(" ")
        };
        assert_eq!(sorted(&["a10", "a2", "a1", "b0", "a"]), "a a1 a2 a10 b0");
        assert_eq!(sorted(&["a/2b1", "a/10b1", "a/2b10", "a/2b9"]), "a/2b1 a/2b9 a/2b10 a/10b1");
        assert_eq!(sorted(&["x01", "x1", "x001", "x2"]), "x001 x01 x1 x2");
        assert_eq!(sorted(&["é2", "é10", "z3"]), "z3 é2 é10");
        assert_eq!(
            sorted(&["99999999999999999999999", "100000000000000000000000"]),
            "99999999999999999999999 100000000000000000000000"
        );
    }

    #[test]
    fn patterns_are_told_from_names() {
        assert!(Wanted::new("a*.tif").is_glob() && Wanted::new("raw:a*?shape=1&dtype=uint8").is_glob());
        assert!(!Wanted::new("raw:a?shape=1&dtype=uint8").is_glob() && !Wanted::new("a.tif").is_glob());
    }
}
