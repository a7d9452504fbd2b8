//! The arguments of a call: bound to parameters by name, then read with checks that name parameter, range and op.

use super::{OpDef, Type, nearest};
use crate::array::{ArraySpec, DType, Mode, Scalar};
use crate::error::{Error, Result};
use crate::graph::Array;

/// One argument as the language (or a library user) gives it.
#[derive(Clone, Debug)]
pub enum Arg {
    /// `none`
    None,
    /// `true` or `false`
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// Any other number.
    Float(f64),
    /// A text.
    Str(String),
    /// A list; nested lists are small arrays.
    List(Vec<Arg>),
    /// A lazy array, scalar or table.
    Array(Array),
}

macro_rules! arg_from {
    ($($t:ty => $make:expr;)*) => {$(
        impl From<$t> for Arg {
            fn from(value: $t) -> Arg {
                let make: fn($t) -> Arg = $make;
                make(value)
            }
        }
    )*};
}

arg_from! {
    bool => Arg::Bool;
    i32 => |v| Arg::Int(v.into());
    i64 => |v| Arg::Int(v.into());
    u32 => |v| Arg::Int(v.into());
    u64 => |v| Arg::Int(v.into());
    f32 => |v| Arg::Float(v.into());
    f64 => Arg::Float;
    &str => |v| Arg::Str(v.to_string());
    String => Arg::Str;
    Array => Arg::Array;
    &Array => |v| Arg::Array(v.clone());
}

impl<T: Into<Arg>> From<Vec<T>> for Arg {
    fn from(values: Vec<T>) -> Arg {
        Arg::List(values.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Arg>, const N: usize> From<[T; N]> for Arg {
    fn from(values: [T; N]) -> Arg {
        Arg::List(values.into_iter().map(Into::into).collect())
    }
}

impl std::fmt::Display for Arg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Arg::None => write!(f, "none"),
            Arg::Bool(v) => write!(f, "{v}"),
            Arg::Int(v) => write!(f, "{v}"),
            Arg::Float(v) => write!(f, "{v:?}"),
            Arg::Str(v) => write!(f, "{v:?}"),
            Arg::List(items) => {
                write!(f, "[")?;
                for (i, item) in items.iter().enumerate() {
                    let comma = if i > 0 { ", " } else { "" };
                    write!(f, "{comma}{item}")?;
                }
                write!(f, "]")
            }
            Arg::Array(_) => write!(f, "…"),
        }
    }
}

/// The arguments of one call, bound to the op's parameters.
#[derive(Debug)]
pub struct Args {
    def: &'static OpDef,
    values: Vec<Option<Arg>>,
}

impl Args {
    /// Binds positional and keyword arguments as Python does.
    ///
    /// # Errors
    /// [`Error::Op`] for too many, unknown, doubled or missing arguments.
    pub fn bind(def: &'static OpDef, positional: Vec<Arg>, keyword: Vec<(String, Arg)>) -> Result<Self> {
        let bad = |what: String| Error::op(def.name, what);
        if positional.len() > def.params.len() {
            let (takes, got) = (def.params.len(), positional.len());
            return Err(bad(format!("takes at most {takes} arguments, got {got}: {}", def.signature())));
        }
        let mut values: Vec<Option<Arg>> = positional.into_iter().map(Some).collect();
        values.resize_with(def.params.len(), || None);
        for (name, value) in keyword {
            let Some(at) = def.params.iter().position(|p| p.name == name) else {
                let near = nearest(&name, def.params.iter().map(|p| p.name));
                let hint = near.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
                return Err(bad(format!("has no parameter `{name}`{hint} ({})", def.signature())));
            };
            if values[at].replace(value).is_some() {
                return Err(bad(format!("`{name}` is given twice")));
            }
        }
        for (param, value) in def.params.iter().zip(&values) {
            if value.is_none() && param.default.is_none() {
                return Err(bad(format!("needs `{}`: {}", param.name, param.doc)));
            }
            if let (Some(Arg::Array(array)), Type::Array | Type::ArrayOrNumber) = (value, param.ty)
                && array.array_spec().is_none()
            {
                return Err(bad(format!("`{}` is a table, not an array", param.name)));
            }
        }
        Ok(Args { def, values })
    }

    /// The op's definition.
    pub fn def(&self) -> &'static OpDef {
        self.def
    }

    /// The op's name.
    pub fn name(&self) -> &'static str {
        self.def.name
    }

    /// The call without its arrays: `gaussian_filter(sigma=2)`.
    pub fn text(&self) -> String {
        let given = self.def.params.iter().zip(&self.values).filter_map(|(p, v)| match v {
            Some(Arg::Array(_)) | None => None,
            Some(v) => Some(format!("{}={v}", p.name)),
        });
        format!("{}({})", self.def.name, given.collect::<Vec<_>>().join(", "))
    }

    /// An error of this op.
    pub fn error(&self, what: impl Into<String>) -> Error {
        Error::op(self.def.name, what)
    }

    /// Whether the user gave it (`none` counts as not given).
    pub fn given(&self, name: &str) -> bool {
        !matches!(self.get(name), None | Some(Arg::None))
    }

    /// Whether the op has such a parameter.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.def.params.iter().any(|p| p.name == name)
    }

    /// The argument as it came.
    ///
    /// # Panics
    /// If the op has no such parameter: a mistake in the op's definition that its first test finds.
    pub fn get(&self, name: &str) -> Option<&Arg> {
        match self.def.params.iter().position(|p| p.name == name) {
            Some(at) => self.values[at].as_ref(),
            None => panic!("{} has no parameter {name}", self.def.name),
        }
    }

    /// An array argument.
    ///
    /// # Errors
    /// When it is not an array.
    pub fn array(&self, name: &str) -> Result<Array> {
        match self.get(name) {
            Some(Arg::Array(array)) if array.array_spec().is_some() => Ok(array.clone()),
            other => Err(self.mismatch(name, "an array", other)),
        }
    }

    /// The spec of an array argument.
    ///
    /// # Errors
    /// When it is not an array.
    pub fn spec(&self, name: &str) -> Result<ArraySpec> {
        match self.get(name).and_then(|a| if let Arg::Array(a) = a { a.array_spec() } else { None }) {
            Some(spec) => Ok(spec.clone()),
            None => Err(self.mismatch(name, "an array", self.get(name))),
        }
    }

    /// An array of labels, with its spec: of integers, or a mask.
    ///
    /// # Errors
    /// When it is not an array, or one of floats.
    pub fn labels(&self, name: &str) -> Result<(Array, ArraySpec)> {
        let (array, spec) = (self.array(name)?, self.spec(name)?);
        match spec.dtype.is_float() {
            true => Err(self.no_labels(name, spec.dtype)),
            false => Ok((array, spec)),
        }
    }

    /// What to say of labels of a type that labels cannot have.
    pub fn no_labels(&self, name: &str, dtype: DType) -> Error {
        self.error(format!("`{name}` must be integers, not {dtype}: `label(…)` numbers objects"))
    }

    /// A finite number or the default.
    ///
    /// # Errors
    /// When it is not a finite number.
    pub fn number(&self, name: &str, default: f64) -> Result<f64> {
        match self.get(name) {
            None => Ok(default),
            Some(arg) => self.as_number(name, arg),
        }
    }

    fn as_number(&self, name: &str, arg: &Arg) -> Result<f64> {
        match arg {
            Arg::Int(v) => Ok(*v as f64),
            Arg::Float(v) if v.is_finite() => Ok(*v),
            other => Err(self.mismatch(name, "a number", Some(other))),
        }
    }

    /// A whole number or the default.
    ///
    /// # Errors
    /// When it is not a whole number of 64 bits.
    pub fn integer(&self, name: &str, default: i64) -> Result<i64> {
        match self.get(name) {
            None => Ok(default),
            Some(arg) => self.as_integer(name, arg),
        }
    }

    fn as_integer(&self, name: &str, arg: &Arg) -> Result<i64> {
        let whole = match arg {
            Arg::Int(v) => i64::try_from(*v).ok(),
            Arg::Float(v) if v.fract() == 0.0 && v.abs() < 9e15 => Some(*v as i64),
            _ => None,
        };
        whole.ok_or_else(|| self.mismatch(name, "a whole number", Some(arg)))
    }

    /// A truth value or the default.
    ///
    /// # Errors
    /// When it is something else.
    pub fn bool(&self, name: &str, default: bool) -> Result<bool> {
        match self.get(name) {
            None => Ok(default),
            Some(Arg::Bool(v)) => Ok(*v),
            other => Err(self.mismatch(name, "true or false", other)),
        }
    }

    /// A text or `None` where it is not given.
    ///
    /// # Errors
    /// When it is something else.
    pub fn text_of(&self, name: &str) -> Result<Option<&str>> {
        match self.get(name) {
            None | Some(Arg::None) => Ok(None),
            Some(Arg::Str(v)) => Ok(Some(v)),
            other => Err(self.mismatch(name, "a text", other)),
        }
    }

    /// A boundary mode; scipy's default is `reflect`.
    ///
    /// # Errors
    /// When it is not one of the five.
    pub fn mode(&self, name: &str, default: Mode) -> Result<Mode> {
        match self.text_of(name)? {
            Some(word) => self.as_mode(name, word),
            None => Ok(default),
        }
    }

    fn as_mode(&self, name: &str, word: &str) -> Result<Mode> {
        Mode::from_name(word).ok_or_else(|| {
            let names = Mode::ALL.map(Mode::name);
            let near = nearest(word, names.into_iter()).map(|n| format!("; did you mean \"{n}\"?"));
            self.error(format!("`{name}` is one of {}, not {word:?}{}", names.join(", "), near.unwrap_or_default()))
        })
    }

    /// An element type by its NumPy name.
    ///
    /// # Errors
    /// When it is no such name.
    pub fn dtype(&self, name: &str) -> Result<Option<DType>> {
        let Some(word) = self.text_of(name)? else { return Ok(None) };
        if let Some(dtype) = DType::from_name(word) {
            return Ok(Some(dtype));
        }
        let names = DType::ALL.map(DType::name);
        let short = word.len() <= 3 && word.starts_with(['u', 'i', 'f', 'b']);
        let hint = match nearest(word, names.into_iter()) {
            _ if short => {
                ": short codes are refused, since `u8` is 8 bits in Rust and 8 bytes in NumPy; write \"uint8\""
                    .to_string()
            }
            Some(near) => format!("; did you mean \"{near}\"?"),
            None => format!(": it is one of {}", names.join(", ")),
        };
        Err(self.error(format!("`{name}`: {word:?} is no element type{hint}")))
    }

    /// An axis of `spec` by number (negative from the last) or letter.
    ///
    /// # Errors
    /// When the array has no such axis.
    pub fn axis(&self, name: &str, spec: &ArraySpec, default: i64) -> Result<usize> {
        match self.get(name) {
            None => self.as_axis(name, &Arg::Int(default.into()), spec),
            Some(arg) => self.as_axis(name, arg, spec),
        }
    }

    fn as_axis(&self, name: &str, arg: &Arg, spec: &ArraySpec) -> Result<usize> {
        let rank = spec.rank() as i64;
        let number = match arg {
            Arg::Str(letter) => {
                let mut letters = letter.chars();
                let found = match (letters.next(), letters.next()) {
                    (Some(c), None) => spec.axis(c),
                    _ => None,
                };
                return found.ok_or_else(|| {
                    self.error(format!("`{name}`: there is no axis {letter:?}, the axes are {:?}", spec.letters()))
                });
            }
            arg => self.as_integer(name, arg)?,
        };
        let index = if number < 0 { number + rank } else { number };
        if (0..rank).contains(&index) {
            return Ok(index as usize);
        }
        Err(self.error(format!("`{name}` is {number}, the array has {rank} axes ({:?})", spec.letters())))
    }

    /// The axes that the op acts on, in the order in which per-axis lists give their values: those that `axes=` names
    /// where the op has such a parameter, else the spatial axes of a named array and all of an unnamed one.
    ///
    /// # Errors
    /// When `axes` names an axis that the array has not, or one twice.
    pub fn filter_axes(&self, spec: &ArraySpec) -> Result<Vec<usize>> {
        match self.has("axes") && self.given("axes") {
            true => self.axes("axes", spec),
            false => Ok(spec.filter_axes()),
        }
    }

    /// A set of axes: letters (`"yx"`), a number, or a list of numbers and letters; in the order they are given.
    ///
    /// # Errors
    /// When it names an axis that the array has not, or one twice.
    pub fn axes(&self, name: &str, spec: &ArraySpec) -> Result<Vec<usize>> {
        let axes: Vec<usize> = match self.get(name) {
            Some(Arg::Str(letters)) => {
                letters.chars().map(|c| self.as_axis(name, &c.to_string().into(), spec)).collect::<Result<_>>()?
            }
            Some(Arg::List(items)) => items.iter().map(|item| self.as_axis(name, item, spec)).collect::<Result<_>>()?,
            Some(arg) => vec![self.as_axis(name, arg, spec)?],
            None => Vec::new(),
        };
        match axes.iter().enumerate().find(|(i, axis)| axes[..*i].contains(axis)) {
            Some((_, &twice)) => Err(self.error(format!("`{name}` names axis {:?} twice", spec.axes[twice].name))),
            None => Ok(axes),
        }
    }

    /// One number for each axis of `spec`: a scalar goes to every axis that filters act on and `other` to the rest;
    /// a list has one entry per filter axis, or one per axis.
    ///
    /// # Errors
    /// When an entry is not a finite number or the list has another length.
    pub fn number_per_axis(&self, name: &str, spec: &ArraySpec, default: f64, other: f64) -> Result<Vec<f64>> {
        self.per_axis(name, spec, default, other, |arg| self.as_number(name, arg))
    }

    /// One whole number for each axis, as [`Args::number_per_axis`].
    ///
    /// # Errors
    /// When an entry is not a whole number or the list has another length.
    pub fn integer_per_axis(&self, name: &str, spec: &ArraySpec, default: i64, other: i64) -> Result<Vec<i64>> {
        self.per_axis(name, spec, default, other, |arg| self.as_integer(name, arg))
    }

    fn per_axis<T: Copy>(
        &self,
        name: &str,
        spec: &ArraySpec,
        default: T,
        other: T,
        read: impl Fn(&Arg) -> Result<T>,
    ) -> Result<Vec<T>> {
        let axes = self.filter_axes(spec)?;
        let mut out = vec![other; spec.rank()];
        match self.get(name) {
            None | Some(Arg::None) => axes.iter().for_each(|&a| out[a] = default),
            Some(Arg::List(items)) if items.len() == axes.len() => {
                for (&axis, item) in axes.iter().zip(items) {
                    out[axis] = read(item)?;
                }
            }
            Some(Arg::List(items)) if items.len() == spec.rank() => {
                for (slot, item) in out.iter_mut().zip(items) {
                    *slot = read(item)?;
                }
            }
            Some(Arg::List(items)) => {
                let n = axes.len();
                let got = items.len();
                return Err(self.error(format!("`{name}` has {got} entries for {n} axes ({:?})", spec.letters())));
            }
            Some(arg) => {
                let value = read(arg)?;
                axes.iter().for_each(|&a| out[a] = value);
            }
        }
        Ok(out)
    }

    /// One whole number for each axis, or none where it is not given.
    ///
    /// # Errors
    /// When an entry is not a whole number or the list has another length.
    pub fn optional_integer_per_axis(&self, name: &str, spec: &ArraySpec) -> Result<Vec<Option<i64>>> {
        self.per_axis(name, spec, None, None, |arg| match arg {
            Arg::None => Ok(None),
            arg => self.as_integer(name, arg).map(Some),
        })
    }

    /// One boundary mode for each axis.
    ///
    /// # Errors
    /// When a word is not one of the five modes or the list has another length.
    pub fn mode_per_axis(&self, name: &str, spec: &ArraySpec) -> Result<Vec<Mode>> {
        self.per_axis(name, spec, Mode::Reflect, Mode::Reflect, |arg| match arg {
            Arg::Str(word) => self.as_mode(name, word),
            other => Err(self.mismatch(name, "a boundary mode or a list of them", Some(other))),
        })
    }

    /// A list of numbers.
    ///
    /// # Errors
    /// When it is not a flat list of finite numbers.
    pub fn numbers(&self, name: &str) -> Result<Vec<f64>> {
        match self.get(name) {
            Some(Arg::List(items)) => items.iter().map(|item| self.as_number(name, item)).collect(),
            other => Err(self.mismatch(name, "a list of numbers", other)),
        }
    }

    /// A nested list as shape and flat values.
    ///
    /// # Errors
    /// When it is ragged or holds something other than numbers and truth values.
    pub fn nested(&self, name: &str) -> Result<(Vec<usize>, Vec<f64>)> {
        let Some(arg @ Arg::List(_)) = self.get(name) else {
            return Err(self.mismatch(name, "a nested list", self.get(name)));
        };
        let mut shape = Vec::new();
        let mut level = arg;
        while let Arg::List(items) = level {
            shape.push(items.len());
            match items.first() {
                Some(first) => level = first,
                None => break,
            }
        }
        let mut values = Vec::new();
        self.flatten(name, arg, &shape, &mut values)?;
        Ok((shape, values))
    }

    fn flatten(&self, name: &str, arg: &Arg, shape: &[usize], values: &mut Vec<f64>) -> Result<()> {
        match (arg, shape.split_first()) {
            (Arg::List(items), Some((&n, rest))) if items.len() == n => {
                items.iter().try_for_each(|item| self.flatten(name, item, rest, values))
            }
            (Arg::Bool(v), None) => {
                values.push(f64::from(u8::from(*v)));
                Ok(())
            }
            (Arg::Int(_) | Arg::Float(_), None) => {
                values.push(self.as_number(name, arg)?);
                Ok(())
            }
            _ => Err(self.error(format!("`{name}` is not a regular nested list of numbers"))),
        }
    }

    /// A number as a scalar of that type.
    ///
    /// # Errors
    /// When an integer type does not hold it.
    pub fn scalar_of(&self, name: &str, default: f64, dtype: DType) -> Result<Scalar> {
        let value = self.number(name, default)?;
        let scalar = Scalar::from_f64(value, dtype);
        if dtype.is_float() || scalar.to_f64() == value {
            return Ok(scalar);
        }
        Err(self.error(format!("`{name}` is {value}, which a {dtype} array cannot hold; cast the array first")))
    }

    fn mismatch(&self, name: &str, wanted: &str, got: Option<&Arg>) -> Error {
        match got {
            None => self.error(format!("`{name}` is missing: it is {wanted}")),
            Some(Arg::Array(a)) if a.is_scalar() => {
                self.error(format!("`{name}` must be {wanted} that is known before the run, not a computed scalar"))
            }
            Some(Arg::Array(_)) => self.error(format!("`{name}` must be {wanted}, not an array")),
            Some(arg) => self.error(format!("`{name}` must be {wanted}, not {arg}")),
        }
    }
}
