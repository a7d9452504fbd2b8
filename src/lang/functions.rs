//! What can be called besides the operations: files, and small arrays that are written out.

use super::diagnostic::quoted;
use crate::ops::{Arg, structure};

/// A function of the language.
#[derive(Debug)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// How it is called.
    pub signature: &'static str,
    /// One line.
    pub summary: &'static str,
    pub(super) role: Role,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Role {
    Open,
    Save,
    Footprint(&'static Footprint),
}

/// A structuring element that one whole number describes.
#[derive(Debug)]
pub(super) struct Footprint {
    parameter: &'static str,
    allowed: (u32, u32),
    default: Option<u32>,
    /// How many elements that number makes, in floating point lest it overflow.
    elements: fn(f64) -> f64,
    make: fn(u32) -> (Vec<usize>, Vec<u8>),
}

/// The function that is a statement.
pub(super) const SAVE: &str = "save";

static FUNCTIONS: [Function; 9] = [
    Function {
        name: "open",
        signature: "open(path, axes=none, level=none)",
        summary: "The image in a file; `axes` names its axes (\"zyx\"), `level` chooses one of a pyramid.",
        role: Role::Open,
    },
    Function {
        name: SAVE,
        signature: "save(value, path, …)",
        summary: "Writes an array, a scalar or a table to a file; further arguments are the format's options.",
        role: Role::Save,
    },
    Function {
        name: "disk",
        signature: "disk(radius)",
        summary: "A flat disk as a small array: 1 within `radius` of the centre, else 0.",
        role: Role::Footprint(&round(2, structure::disk)),
    },
    Function {
        name: "ball",
        signature: "ball(radius)",
        summary: "A ball as a small array: 1 within `radius` of the centre, else 0.",
        role: Role::Footprint(&round(3, structure::ball)),
    },
    Function {
        name: "diamond",
        signature: "diamond(radius)",
        summary: "A flat diamond as a small array: 1 at most `radius` steps from the centre, else 0.",
        role: Role::Footprint(&round(2, structure::diamond)),
    },
    Function {
        name: "octahedron",
        signature: "octahedron(radius)",
        summary: "An octahedron as a small array: 1 at most `radius` steps from the centre, else 0.",
        role: Role::Footprint(&round(3, structure::octahedron)),
    },
    Function {
        name: "square",
        signature: "square(width)",
        summary: "A square of ones as a small array.",
        role: Role::Footprint(&straight(2, structure::square)),
    },
    Function {
        name: "cube",
        signature: "cube(width)",
        summary: "A cube of ones as a small array.",
        role: Role::Footprint(&straight(3, structure::cube)),
    },
    Function {
        name: "cross",
        signature: "cross(rank=2)",
        summary: "A pixel and its neighbours across faces as a small array of 3 along each axis.",
        role: Role::Footprint(&Footprint {
            parameter: "rank",
            allowed: (1, 6),
            default: Some(2),
            elements: |rank| 3_f64.powf(rank),
            make: structure::cross,
        }),
    },
];

const fn round(rank: u8, make: fn(u32) -> (Vec<usize>, Vec<u8>)) -> Footprint {
    let elements: fn(f64) -> f64 = match rank {
        2 => |radius| (2.0 * radius + 1.0).powi(2),
        _ => |radius| (2.0 * radius + 1.0).powi(3),
    };
    Footprint { parameter: "radius", allowed: (0, u32::MAX), default: None, elements, make }
}

const fn straight(rank: u8, make: fn(u32) -> (Vec<usize>, Vec<u8>)) -> Footprint {
    let elements: fn(f64) -> f64 = match rank {
        2 => |width| width.powi(2),
        _ => |width| width.powi(3),
    };
    Footprint { parameter: "width", allowed: (1, u32::MAX), default: None, elements, make }
}

/// The functions of the language that are not operations, for help and completions.
#[must_use]
pub fn symbols() -> &'static [Function] {
    &FUNCTIONS
}

pub(super) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

impl Footprint {
    /// The nested list of 0 and 1 for what is given, unless it has more than `limit` elements.
    pub(super) fn list(&self, name: &str, given: &[(Option<&str>, Arg)], limit: usize) -> Result<Arg, String> {
        let number = self.number(name, given)?;
        if (self.elements)(f64::from(number)) > limit as f64 {
            return Err(format!("{name}: `{}` is {number}, which makes too large a list", self.parameter));
        }
        let (shape, values) = (self.make)(number);
        Ok(nested(&shape, &values))
    }

    fn number(&self, name: &str, given: &[(Option<&str>, Arg)]) -> Result<u32, String> {
        let parameter = self.parameter;
        let value = match (given, self.default) {
            ([], Some(default)) => return Ok(default),
            ([], None) => return Err(format!("{name}: needs `{parameter}`, a whole number")),
            ([(None, value)], _) => value,
            ([(Some(keyword), value)], _) if *keyword == parameter => value,
            ([(Some(keyword), _)], _) => {
                let keyword = quoted(keyword);
                return Err(format!("{name}: has no parameter {keyword}; it takes `{parameter}`"));
            }
            _ => return Err(format!("{name}: takes one argument, `{parameter}`")),
        };
        let (least, most) = self.allowed;
        let number = if let Arg::Int(number) = value { u32::try_from(*number).ok() } else { None };
        number.filter(|number| (least..=most).contains(number)).ok_or_else(|| {
            let upto = if most == u32::MAX { "or more".to_owned() } else { format!("to {most}") };
            format!("{name}: `{parameter}` must be a whole number, {least} {upto}")
        })
    }
}

fn nested(shape: &[usize], values: &[u8]) -> Arg {
    match shape {
        [] | [_] => Arg::List(values.iter().map(|&value| Arg::Int(value.into())).collect()),
        [_, rest @ ..] => {
            let size = rest.iter().product::<usize>().max(1);
            Arg::List(values.chunks(size).map(|part| nested(rest, part)).collect())
        }
    }
}
