//! Which axis of each operand goes with which axis of the result.

use crate::array::ArraySpec;
use crate::error::{Error, Result};

/// For each axis of an operand, the axis of the result it goes with.
pub(crate) type AxisMap = Vec<usize>;

/// The common shape and axes of operands, in the type of the first, and where the axes of each lie in it.
///
/// Named axes go by name, others from the right as in NumPy. Axes of length one and missing axes repeat.
pub(crate) fn broadcast(op: &str, specs: &[&ArraySpec]) -> Result<(ArraySpec, Vec<AxisMap>)> {
    let most = specs.iter().map(|s| s.rank()).max().unwrap_or(0);
    let widest = |named: bool| specs.iter().find(|s| s.rank() == most && s.named == named);
    let Some(&base) = widest(true).or(widest(false)) else {
        return Err(Error::op(op, "needs at least one array"));
    };
    let mut out = base.clone();
    out.dtype = specs[0].dtype;
    let mut maps = Vec::new();
    for spec in specs {
        let map = axis_map(op, spec, base)?;
        for (axis, &to) in map.iter().enumerate() {
            let (have, more) = (out.shape[to], spec.shape[axis]);
            if have != more && have != 1 && more != 1 {
                return Err(mismatch(op, spec, base));
            }
            if have == 1 {
                out.shape[to] = more;
            }
            if out.axes[to].size.is_none() {
                out.axes[to].size = spec.axes[axis].size;
                out.axes[to].unit.clone_from(&spec.axes[axis].unit);
                out.axes[to].origin = spec.axes[axis].origin;
            }
            if out.axes[to].labels.is_empty() && out.shape[to] == more {
                out.axes[to].labels.clone_from(&spec.axes[axis].labels);
            }
        }
        maps.push(map);
    }
    Ok((out, maps))
}

fn axis_map(op: &str, spec: &ArraySpec, base: &ArraySpec) -> Result<AxisMap> {
    if spec.named && base.named {
        let by_name = spec.axes.iter().map(|a| base.axis(a.name)).collect::<Option<AxisMap>>();
        return by_name.ok_or_else(|| mismatch(op, spec, base));
    }
    let missing = base.rank() - spec.rank();
    Ok((missing..base.rank()).collect())
}

fn mismatch(op: &str, a: &ArraySpec, b: &ArraySpec) -> Error {
    let show = |s: &ArraySpec| format!("{:?} (axes {:?})", &s.shape[..], s.letters());
    // What is left of an array that was reduced along a middle axis does not go back from the right.
    let hint = match !a.named && !b.named && a.rank() < b.rank() {
        true => "; a reduced array goes back with keepdims=true",
        false => "",
    };
    Error::op(op, format!("arrays of shape {} and {} do not go together{hint}", show(b), show(a)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::DType;

    fn shape_of(a: &ArraySpec, b: &ArraySpec) -> Option<(Vec<u64>, AxisMap)> {
        broadcast("add", &[a, b]).ok().map(|(s, maps)| (s.shape.to_vec(), maps[1].clone()))
    }

    #[test]
    fn named_axes_go_by_name() {
        let image = ArraySpec::with_axes(&[4, 3, 5], DType::U8, "cyx");
        let channels = ArraySpec::with_axes(&[4], DType::F64, "c");
        assert_eq!(shape_of(&image, &channels), Some((vec![4, 3, 5], vec![0])));
        let turned = ArraySpec::with_axes(&[5, 3], DType::F64, "xy");
        assert_eq!(shape_of(&image, &turned), Some((vec![4, 3, 5], vec![2, 1])));
        assert_eq!(shape_of(&image, &ArraySpec::with_axes(&[4], DType::F64, "t")), None);
        assert_eq!(shape_of(&image, &ArraySpec::scalar(DType::F64)), Some((vec![4, 3, 5], vec![])));
    }

    #[test]
    fn unnamed_axes_go_from_the_right() {
        let image = ArraySpec::unnamed(&[4, 1, 5], DType::U8);
        assert_eq!(shape_of(&image, &ArraySpec::unnamed(&[3, 1], DType::U8)), Some((vec![4, 3, 5], vec![1, 2])));
        assert_eq!(shape_of(&image, &ArraySpec::unnamed(&[4], DType::U8)), None);
        let error = broadcast("add", &[&image, &ArraySpec::unnamed(&[4], DType::U8)]).unwrap_err();
        assert!(error.to_string().ends_with("goes back with keepdims=true"));
    }
}
