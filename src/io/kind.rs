//! Which format an output has, by its path alone, and what that format can say about an array.

use super::open::is_label;
use super::{CreateOptions, raw};
use crate::array::{ArraySpec, Axis};
use std::path::Path;

/// A format that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// NumPy's `.npy`.
    Npy,
    /// Pixels without a header, `raw:PATH`.
    Raw,
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// TIFF without OME-XML.
    Tiff,
    /// OME-TIFF.
    OmeTiff,
    /// A plain Zarr array.
    Zarr,
    /// An image, or labels within an image, in OME-Zarr.
    OmeZarr,
}

impl Kind {
    /// The format that is written at that path; `None` where its ending is unknown.
    pub fn of(path: &str, options: &CreateOptions) -> Option<Kind> {
        if path.starts_with(raw::PREFIX) {
            return Some(Kind::Raw);
        }
        let path = Path::new(path.trim_end_matches('/'));
        // The versions of Zarr have one number, those of OME-Zarr two.
        let ome_version = options.format_version.as_deref().is_some_and(|v| v.contains('.'));
        Some(match ending(path).as_str() {
            "npy" => Kind::Npy,
            "png" => Kind::Png,
            "jpg" | "jpeg" => Kind::Jpeg,
            "tif" | "tiff" if is_ome(path) => Kind::OmeTiff,
            "tif" | "tiff" => Kind::Tiff,
            "zarr" if !is_ome(path) && !ome_version && !is_label(path) => Kind::Zarr,
            "zarr" => Kind::OmeZarr,
            _ if is_label(path) => Kind::OmeZarr,
            _ => return None,
        })
    }

    fn holds_names(self, spec: &ArraySpec, options: &CreateOptions) -> bool {
        match self {
            Kind::Npy | Kind::Raw => false,
            Kind::Zarr => options.format_version.as_deref() != Some("2"),
            Kind::Tiff => spec.axes.iter().all(|axis| "tczyxn".contains(axis.name)),
            Kind::Png | Kind::Jpeg | Kind::OmeTiff | Kind::OmeZarr => true,
        }
    }

    fn holds_size(self, axis: &Axis) -> bool {
        let of_length =
            matches!(axis.unit.as_deref(), Some("nanometer" | "micrometer" | "millimeter" | "centimeter" | "meter"));
        match self {
            Kind::Npy | Kind::Raw | Kind::Zarr => false,
            // Pixels per metre.
            Kind::Png | Kind::Jpeg | Kind::Tiff => of_length && matches!(axis.name, 'y' | 'x'),
            Kind::OmeTiff => axis.unit.is_some() && matches!(axis.name, 't' | 'z' | 'y' | 'x'),
            Kind::OmeZarr => true,
        }
    }

    fn holds_labels(self, spec: &ArraySpec, axis: &Axis) -> bool {
        let samples = spec.letters().ends_with("xc");
        axis.name == 'c' && (self == Kind::OmeZarr || self == Kind::OmeTiff && !samples)
    }
}

/// A path's ending, in small letters.
pub(super) fn ending(path: &Path) -> String {
    path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default()
}

/// Whether the ending says that the format is that of the OME: `.ome.tif`, `.ome.zarr`.
pub(super) fn is_ome(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| ending(Path::new(stem)) == "ome")
}

/// What is known of an array that the output at that path cannot say, in words.
pub fn lost(spec: &ArraySpec, path: &str, options: &CreateOptions) -> Vec<String> {
    let Some(kind) = Kind::of(path, options) else { return Vec::new() };
    let mut lost = Vec::new();
    if spec.named && !kind.holds_names(spec, options) {
        lost.push(format!("the names of the axes ({})", spec.letters()));
    }
    let of = |which: &dyn Fn(&Axis) -> Option<String>| -> Vec<String> { spec.axes.iter().filter_map(which).collect() };
    let unit = |axis: &Axis| axis.unit.as_deref().map_or(String::new(), |unit| format!(" {unit}"));
    let sizes = of(&|axis| match axis.size {
        Some(size) if !kind.holds_size(axis) => Some(format!("{} {size}{}", axis.name, unit(axis))),
        _ => None,
    });
    let origins = of(&|axis| {
        let kept = kind == Kind::OmeZarr || axis.origin == 0.0;
        (!kept).then(|| format!("{} {}{}", axis.name, axis.origin, unit(axis)))
    });
    let labels = of(&|axis| {
        let kept = axis.labels.is_empty() || kind.holds_labels(spec, axis);
        (!kept).then(|| format!("{}: {}", axis.name, axis.labels.join(", ")))
    });
    for (what, which) in [("pixel sizes", sizes), ("origins", origins), ("names along an axis", labels)] {
        if !which.is_empty() {
            lost.push(format!("{what} ({})", which.join(", ")));
        }
    }
    lost
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::DType;

    fn volume() -> ArraySpec {
        let mut spec = ArraySpec::with_axes(&[2, 3, 4, 5], DType::U16, "czyx");
        for axis in &mut spec.axes[1..] {
            (axis.size, axis.unit) = (Some(0.5), Some("micrometer".into()));
        }
        spec.axes[0].labels = vec!["DAPI".into(), "GFP".into()];
        spec.axes[3].origin = 7.0;
        spec
    }

    #[test]
    fn what_a_format_cannot_hold_is_named() {
        let spec = volume();
        let version = |v: &str| CreateOptions { format_version: Some(v.into()), ..CreateOptions::default() };
        let lost = |path: &str| super::lost(&spec, path, &CreateOptions::default());
        assert_eq!(lost("a.ome.zarr/"), [""; 0]);
        assert_eq!(lost("a.OME.tif"), ["origins (x 7 micrometer)"]);
        let channels = "names along an axis (c: DAPI, GFP)";
        assert_eq!(lost("a.tif"), ["pixel sizes (z 0.5 micrometer)", "origins (x 7 micrometer)", channels]);
        let all = [
            "the names of the axes (czyx)",
            "pixel sizes (z 0.5 micrometer, y 0.5 micrometer, x 0.5 micrometer)",
            "origins (x 7 micrometer)",
            channels,
        ];
        assert_eq!(lost("a.npy"), all);
        assert_eq!(lost("raw:a.ome.zarr"), all);
        assert_eq!(lost("a.zarr"), all[1..]);
        assert_eq!(super::lost(&spec, "a.zarr", &version("2")), all);
        assert_eq!(super::lost(&spec, "a.zarr", &version("0.4")), [""; 0]);
        let unnamed = ArraySpec::unnamed(&[4, 5], DType::U8);
        assert_eq!(super::lost(&unnamed, "a.npy", &CreateOptions::default()), [""; 0]);
    }
}
