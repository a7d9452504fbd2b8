//! Pixel sizes in files that know only pixels per centimetre, inch or metre.

use crate::array::{ArraySpec, Axis};

/// The pixel size along an axis in centimetres, if it is known.
fn centimeters(axis: &Axis) -> Option<f64> {
    let unit = match axis.unit.as_deref()? {
        "nanometer" => 1e-7,
        "micrometer" => 1e-4,
        "millimeter" => 0.1,
        "centimeter" => 1.0,
        "meter" => 100.0,
        _ => return None,
    };
    axis.size.map(|size| size * unit)
}

/// Pixels per centimetre along two axes, if both are known.
pub(super) fn per_centimeter(axes: [&Axis; 2]) -> Option<[f64; 2]> {
    let density = |axis| centimeters(axis).map(|size| 1.0 / size).filter(|d| d.is_finite() && *d > 0.0);
    Some([density(axes[0])?, density(axes[1])?])
}

/// The pixel size in micrometres, if that many pixels per centimetre were counted and not made up.
pub(super) fn micrometers(per_centimeter: f64) -> Option<f64> {
    let size = 1e4 / per_centimeter;
    (size.is_finite() && size > 0.0).then_some(size)
}

/// The same for densities that are about printing (72, 300 dpi …) unless they are finer than any printer.
pub(super) fn micrometers_unless_print(per_centimeter: f64) -> Option<f64> {
    const FINEST_PRINT: f64 = 4800.0 / 2.54;
    micrometers(per_centimeter).filter(|_| per_centimeter > FINEST_PRINT)
}

/// Gives the axes `y` and `x` their pixel sizes in micrometres.
pub(super) fn set_sizes(spec: &mut ArraySpec, [y, x]: [Option<f64>; 2]) {
    for axis in &mut spec.axes {
        axis.size = match axis.name {
            'y' => y,
            'x' => x,
            _ => None,
        };
        axis.unit = axis.size.map(|_| "micrometer".into());
    }
}
