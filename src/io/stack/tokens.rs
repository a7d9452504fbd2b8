//! What the names of files say about their place: `_t00_z003_c1`.

use std::collections::BTreeMap;
use std::ops::Range;

/// What stands behind an axis letter in a name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    /// Where its value stands.
    at: Range<usize>,
    /// Whether it is a number.
    number: Option<u64>,
}

/// Files placed on a grid.
#[derive(Debug)]
pub(super) struct Grid {
    /// How many places there are along each axis.
    pub(super) shape: Vec<u64>,
    /// The words along each axis; empty where it has numbers.
    pub(super) values: Vec<Vec<String>>,
    /// The files in raster order.
    pub(super) order: Vec<usize>,
}

/// Why files make no grid.
#[derive(Debug, PartialEq)]
pub(super) enum Wrong {
    /// A name lacks an axis.
    NoToken { letter: char, name: String },
    /// They leave gaps, or two share a place.
    Grid(String),
}

/// A value on an axis: numbers by size, before words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Number(u64),
    Word(String),
}

/// The last place in a name where that letter, small or capital, stands before a number, neither being part of a word:
/// `_z003`, `T01`, `-t7`, and `ch2` for the letter c. Channels may also be words: `_cDAPI`.
pub(super) fn find(name: &str, letter: char) -> Option<Token> {
    let name = match name.rfind('.') {
        Some(dot) if dot > name.rfind('/').map_or(0, |slash| slash + 1) => &name[..dot],
        _ => name,
    };
    let bytes = name.as_bytes();
    let is_letter = |i: usize| bytes[i].eq_ignore_ascii_case(&(letter as u8));
    let begins = |i: usize| i == 0 || !bytes[i - 1].is_ascii_alphabetic();
    let places = || (0..bytes.len()).rev().filter(|&i| is_letter(i) && begins(i));
    let run = |from: usize, of: fn(&u8) -> bool| from..from + bytes[from..].iter().take_while(|b| of(b)).count();
    let number = places().find_map(|i| {
        let long = letter == 'c' && bytes.get(i + 1).is_some_and(|b| b.eq_ignore_ascii_case(&b'h'));
        let at = run(i + 1 + usize::from(long), u8::is_ascii_digit);
        let number = name[at.clone()].parse().ok()?;
        Some(Token { at, number: Some(number) })
    });
    let separated = |i: usize| i > 0 && matches!(bytes[i - 1], b'_' | b'-' | b' ' | b'/' | b'.');
    let word = || {
        let at = places().filter(|&i| separated(i)).map(|i| run(i + 1, u8::is_ascii_alphanumeric));
        at.filter(|at| !at.is_empty()).map(|at| Token { at, number: None }).next()
    };
    number.or_else(|| if letter == 'c' { word() } else { None })
}

impl Grid {
    pub(super) fn new(names: &[String], letters: &[char]) -> Result<Self, Wrong> {
        let mut axes: Vec<BTreeMap<Value, String>> = vec![BTreeMap::new(); letters.len()];
        for name in names {
            for (axis, &letter) in axes.iter_mut().zip(letters) {
                let token = find(name, letter).ok_or_else(|| Wrong::NoToken { letter, name: name.clone() })?;
                let text = &name[token.at.clone()];
                axis.entry(token.value(text)).or_insert_with(|| text.to_string());
            }
        }
        for (axis, &letter) in axes.iter().zip(letters) {
            check_steps(axis, letter, &names[0])?;
        }
        let order = order(names, letters, &axes)?;
        let shape = axes.iter().map(|axis| axis.len() as u64).collect();
        let words = |axis: &BTreeMap<Value, String>| axis.keys().all(|value| matches!(value, Value::Word(_)));
        let values = axes.into_iter().map(|a| if words(&a) { a.into_values().collect() } else { Vec::new() }).collect();
        Ok(Grid { shape, values, order })
    }
}

impl Token {
    fn value(&self, text: &str) -> Value {
        self.number.map_or_else(|| Value::Word(text.to_string()), Value::Number)
    }
}

/// Numbers have to be evenly spaced: a plane that is missing at every time leaves no other gap.
fn check_steps(axis: &BTreeMap<Value, String>, letter: char, example: &str) -> Result<(), Wrong> {
    let numbers: Vec<u64> =
        axis.keys().filter_map(|v| if let Value::Number(n) = v { Some(*n) } else { None }).collect();
    if numbers.len() < axis.len() && !numbers.is_empty() {
        return Err(Wrong::Grid(format!("axis {letter:?} has numbers and words in the names of the files")));
    }
    let steps = || numbers.windows(2).map(|pair| pair[1] - pair[0]);
    let step = steps().min().unwrap_or(1);
    let Some(gap) = steps().position(|s| s != step) else { return Ok(()) };
    let width = axis.get(&Value::Number(numbers[gap])).map_or(0, String::len);
    let value = format!("{:0width$}", numbers[gap] + step);
    let missing = renamed(example, &[letter], &[&value]);
    Err(Wrong::Grid(format!(
        "{letter}={value} is missing between {} and {} (such as {missing})",
        numbers[gap],
        numbers[gap + 1]
    )))
}

/// The files in raster order, each place taken once.
fn order(names: &[String], letters: &[char], axes: &[BTreeMap<Value, String>]) -> Result<Vec<usize>, Wrong> {
    let ranks: Vec<BTreeMap<&Value, u64>> = axes.iter().map(|axis| axis.keys().zip(0..).collect()).collect();
    let lengths: Vec<u64> = axes.iter().map(|axis| axis.len() as u64).collect();
    let places: Option<u64> = lengths.iter().try_fold(1u64, |all, &n| all.checked_mul(n));
    let places = places.ok_or_else(|| Wrong::Grid("the names of the files make a grid without end".into()))?;
    let mut order: Vec<(u64, usize)> = Vec::with_capacity(names.len());
    for (file, name) in names.iter().enumerate() {
        let mut place = 0;
        for ((&letter, ranks), n) in letters.iter().zip(&ranks).zip(&lengths) {
            let value = find(name, letter).map(|token| token.value(&name[token.at.clone()]));
            let rank = value.and_then(|value| ranks.get(&value).copied());
            place = place * n + rank.ok_or_else(|| Wrong::NoToken { letter, name: name.clone() })?;
        }
        order.push((place, file));
    }
    order.sort_unstable();
    let letters_text: String = letters.iter().collect();
    if let Some(pair) = order.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        let (a, b) = (&names[pair[0].1], &names[pair[1].1]);
        return Err(Wrong::Grid(format!("{a} and {b} have the same place on the axes {letters_text:?}")));
    }
    if order.len() as u64 != places {
        let taken = order.iter().zip(0..).take_while(|((place, _), i)| place == i).count() as u64;
        let values: Vec<&str> = coordinates(taken, &lengths)
            .iter()
            .zip(axes)
            .filter_map(|(&at, axis)| axis.values().nth(at as usize))
            .map(String::as_str)
            .collect();
        let missing = renamed(&names[0], letters, &values);
        let count = places - order.len() as u64;
        return Err(Wrong::Grid(format!(
            "{missing} is missing ({count} of the {places} files on the axes {letters_text:?} are)"
        )));
    }
    Ok(order.into_iter().map(|(_, file)| file).collect())
}

fn coordinates(mut place: u64, lengths: &[u64]) -> Vec<u64> {
    let mut at = vec![0; lengths.len()];
    for (slot, n) in at.iter_mut().zip(lengths).rev() {
        *slot = place % n;
        place /= n;
    }
    at
}

/// A name with other values behind its axis letters.
fn renamed(name: &str, letters: &[char], values: &[&str]) -> String {
    let mut parts: Vec<(Range<usize>, &str)> =
        letters.iter().zip(values).filter_map(|(&letter, &value)| Some((find(name, letter)?.at, value))).collect();
    parts.sort_by_key(|(at, _)| std::cmp::Reverse(at.start));
    let mut name = name.to_string();
    parts.into_iter().for_each(|(at, value)| name.replace_range(at, value));
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str, letter: char) -> Option<&str> {
        find(name, letter).map(|token| &name[token.at])
    }

    #[test]
    fn letters_before_numbers_are_found() {
        let name = "zebra_t00_z003_c1.tif";
        assert_eq!([value(name, 't'), value(name, 'z'), value(name, 'c')], [Some("00"), Some("003"), Some("1")]);
        let name = "temp_C001T002.tif";
        assert_eq!([value(name, 't'), value(name, 'c')], [Some("002"), Some("001")]);
        assert_eq!(value("t5/img-z2.tif", 't'), Some("5"));
        assert_eq!(value("a_ch02.tif", 'c'), Some("02"));
        assert_eq!(value("my_cells_t0_cDAPI.ome.tif", 'c'), Some("DAPI"));
        assert_eq!(value("cells_t0.tif", 'c'), None);
        assert_eq!(value("plate12.tif", 'e'), None);
        assert_eq!(value("img.z3", 'z'), None);
        assert_eq!(value("é_z3é.tif", 'z'), Some("3"));
        assert_eq!(value("z99999999999999999999999.tif", 'z'), None);
    }

    fn grid(names: &[&str], letters: &str) -> Result<Vec<usize>, String> {
        let names: Vec<String> = names.iter().map(|n| n.to_string()).collect();
        let letters: Vec<char> = letters.chars().collect();
        Grid::new(&names, &letters).map(|g| g.order).map_err(|wrong| match wrong {
            Wrong::Grid(what) => what,
            Wrong::NoToken { letter, name } => format!("{letter} {name}"),
        })
    }

    #[test]
    fn files_go_to_their_places() {
        assert_eq!(grid(&["t1c1", "t0c1", "t1c0", "t0c0"], "tc").unwrap(), [3, 1, 2, 0]);
        assert_eq!(grid(&["t1c1", "t0c1", "t1c0", "t0c0"], "ct").unwrap(), [3, 2, 1, 0]);
        assert_eq!(grid(&["z02", "z10", "z6"], "z").unwrap(), [0, 2, 1]);
        assert_eq!(grid(&["a_cRFP", "a_cDAPI"], "c").unwrap(), [1, 0]);
    }

    #[test]
    fn gaps_are_named() {
        let error = |names: &[&str], letters| grid(names, letters).unwrap_err();
        assert!(error(&["t0_z00.tif", "t0_z01.tif", "t1_z01.tif"], "tz").starts_with("t1_z00.tif is missing"));
        assert!(error(&["z00.tif", "z01.tif", "z03.tif"], "z").contains("such as z02.tif"));
        assert!(error(&["a_z1.tif", "b_z1.tif"], "z").contains("a_z1.tif and b_z1.tif"));
        assert!(error(&["a_cGFP", "a_c1"], "c").contains("numbers and words"));
        assert_eq!(error(&["a_z1", "a"], "z"), "z a");
    }
}
