//! Borders around an image.

use super::{Arg, Args, INPUT, OpDef, Param, Type};
use crate::array::{ArraySpec, Dims, Mode, Region, Scalar, View, ViewMut, copy};
use crate::error::Result;
use crate::graph::{Array, Cx, Need, TileOp};

/// A copy whose coordinates are moved: what lies outside is the executor's affair.
#[derive(Debug)]
struct Pad {
    before: Dims,
    mode: Mode,
    value: Scalar,
}

impl TileOp for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }

    fn need(&self, _input: usize, out: &Region, _inputs: &[ArraySpec]) -> Need {
        let mut need = Need::inside(out);
        need.start.iter_mut().zip(&self.before).for_each(|(s, &b)| *s -= b as i64);
        need.outside = Some((self.mode, self.value));
        need
    }

    fn run(&self, _cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, _scratch: &mut [u8]) -> Result<()> {
        copy(out, &inputs[0]);
        Ok(())
    }

    fn cost(&self) -> f64 {
        0.1
    }
}

/// The most that may be added at one side.
const MAX_WIDTH: i64 = 1 << 40;

/// NumPy's words.
const MODES: &[&str] = &["constant", "edge", "reflect", "symmetric", "wrap"];

fn mode(args: &Args) -> Result<Mode> {
    match args.text_of("mode")? {
        None | Some("constant") => Ok(Mode::Constant),
        Some("edge") => Ok(Mode::Nearest),
        Some("reflect") => Ok(Mode::Mirror),
        Some("symmetric") => Ok(Mode::Reflect),
        Some("wrap") => Ok(Mode::Wrap),
        Some(other) => Err(args.error(format!("`mode` is one of {}, not {other:?}", MODES.join(", ")))),
    }
}

/// Before and after, for each axis.
fn widths(args: &Args, spec: &ArraySpec) -> Result<Vec<(u64, u64)>> {
    let axes = spec.filter_axes();
    let mut widths = vec![(0, 0); spec.rank()];
    match args.get("pad_width") {
        Some(Arg::List(items)) if items.iter().all(|i| matches!(i, Arg::List(_))) && !items.is_empty() => {
            let on: Vec<usize> = if items.len() == spec.rank() { (0..spec.rank()).collect() } else { axes };
            if on.len() != items.len() && items.len() != 1 {
                let (got, n) = (items.len(), on.len());
                return Err(args.error(format!("`pad_width` has {got} pairs for {n} axes ({:?})", spec.letters())));
            }
            for (k, axis) in on.into_iter().enumerate() {
                widths[axis] = pair(args, &items[k.min(items.len() - 1)])?;
            }
        }
        Some(arg) => {
            let both = pair(args, arg)?;
            axes.iter().for_each(|&a| widths[a] = both);
        }
        None => {}
    }
    Ok(widths)
}

fn pair(args: &Args, arg: &Arg) -> Result<(u64, u64)> {
    let width = |arg: &Arg| match arg {
        Arg::Int(v) if (0..=i128::from(MAX_WIDTH)).contains(v) => Ok(*v as u64),
        other => Err(args.error(format!("`pad_width` takes whole numbers in 0..={MAX_WIDTH}, not {other}"))),
    };
    match arg {
        Arg::List(items) => match &items[..] {
            [both] => Ok((width(both)?, width(both)?)),
            [before, after] => Ok((width(before)?, width(after)?)),
            _ => Err(args.error(format!("`pad_width` takes pairs [before, after], not {arg}"))),
        },
        both => Ok((width(both)?, width(both)?)),
    }
}

fn value(args: &Args, spec: &ArraySpec) -> Result<Scalar> {
    match args.get("constant_values") {
        Some(Arg::Bool(v)) => Ok(Scalar::from_f64(f64::from(u8::from(*v)), spec.dtype)),
        _ => args.scalar_of("constant_values", 0.0, spec.dtype),
    }
}

fn pad(args: &Args) -> Result<Array> {
    let (input, spec) = (args.array("input")?, args.spec("input")?);
    let (mode, value, widths) = (mode(args)?, value(args, &spec)?, widths(args, &spec)?);
    let mut padded = spec.clone();
    for (axis, &(before, after)) in widths.iter().enumerate() {
        if spec.shape[axis] == 0 && before + after > 0 && mode != Mode::Constant {
            return Err(
                args.error(format!("axis {:?} is empty: only mode=\"constant\" can pad it", spec.axes[axis].name))
            );
        }
        padded.shape[axis] += before + after;
        let on = &mut padded.axes[axis];
        on.origin -= on.size.map_or(0.0, |s| s * before as f64);
        if before + after > 0 {
            on.labels.clear();
        }
    }
    if widths.iter().all(|&w| w == (0, 0)) {
        return Ok(input);
    }
    let before = widths.iter().map(|w| w.0).collect();
    Ok(Array::tile(Pad { before, mode, value }, vec![input], padded))
}

/// `pad`
pub static PAD: OpDef = OpDef {
    name: "pad",
    family: "geometry",
    summary: "Adds a border.",
    details: "The modes are NumPy's, whose words differ from those of scipy's filters: `reflect` does not repeat the \
        edge (a filter's `mirror`), `symmetric` does (a filter's `reflect`), `edge` is `nearest`. Borders may be wider \
        than the image. Keeps the element type. Of arrays with named axes one width or one pair goes to the spatial \
        axes only.",
    reference: "numpy.pad",
    params: &[
        INPUT,
        Param {
            name: "pad_width",
            ty: Type::Any,
            default: None,
            doc: "How many pixels: one number, one pair [before, after], or one pair per axis.",
        },
        Param { name: "mode", ty: Type::Word(MODES), default: Some("\"constant\""), doc: "What the border holds." },
        Param {
            name: "constant_values",
            ty: Type::Number,
            default: Some("0"),
            doc: "The border of mode=\"constant\"; a value of the array's type.",
        },
    ],
    returns: &[("padded", "The larger array.")],
    examples: &[
        "pad(input, 2)",
        "pad(input, [3, 1], mode=\"reflect\")",
        "pad(input, [0, 7], mode=\"symmetric\")",
        "pad(input, 1, mode=\"edge\")",
        "pad(input, [5, 4], mode=\"wrap\")",
        "pad(input, 2, constant_values=1)",
    ],
    build: pad,
};
