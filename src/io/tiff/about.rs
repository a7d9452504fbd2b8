//! What a file says of its axes beyond the size of a page.

use super::ifd::{Directory, Tiff};
use crate::array::Axis;
use crate::error::Result;
use crate::io::units::{micrometers, micrometers_unless_print};
use tiff::tags::Tag;

/// An axis and its length.
pub(super) type Sized = (Axis, u64);

/// An axis of that letter and pixel size.
pub(super) fn axis(name: char, size: Option<(f64, Option<String>)>) -> Axis {
    let mut axis = Axis::new(name);
    if let Some((size, unit)) = size {
        (axis.size, axis.unit) = (Some(size), unit);
    }
    axis
}

/// What the first page says beyond its pixels.
#[derive(Debug)]
pub(super) struct About {
    pub description: String,
    /// Pixels per unit along y and x, and the unit.
    densities: [Option<f64>; 2],
    unit: Option<u64>,
}

impl About {
    /// Reads the tags.
    ///
    /// # Errors
    /// When they do not lie in the file.
    pub fn read(tiff: &mut Tiff, directory: &Directory) -> Result<Self> {
        let description = tiff.text(directory, Tag::ImageDescription)?;
        let unit = tiff.integer(directory, Tag::ResolutionUnit)?;
        let densities = [tiff.rational(directory, Tag::YResolution)?, tiff.rational(directory, Tag::XResolution)?];
        Ok(About { description, densities, unit })
    }

    /// Pixel sizes along y and x in micrometres, where they are more than a matter of printing.
    pub fn sizes(&self) -> [Option<f64>; 2] {
        self.densities.map(|density| match self.unit {
            Some(3) => density.and_then(micrometers),
            None | Some(2) => density.and_then(|n| micrometers_unless_print(n / 2.54)),
            _ => None,
        })
    }

    /// What ImageJ says, if it wrote the file.
    pub fn imagej(&self) -> Option<ImageJ> {
        let lines = self.description.strip_prefix("ImageJ=")?.lines().skip(1);
        let pairs: Vec<(&str, &str)> = lines.filter_map(|l| l.split_once('=')).collect();
        let text = |key: &str| pairs.iter().find(|p| p.0 == key).map(|p| p.1.trim());
        let count = |key: &str| text(key).and_then(|n| n.parse::<u64>().ok()).filter(|&n| n > 0);
        let real = |key: &str| text(key).and_then(|n| n.parse::<f64>().ok()).filter(|n| n.is_finite() && *n > 0.0);
        let unit = text("unit").and_then(unit_name);
        let images = count("images").unwrap_or(1);
        let scale = |density: Option<f64>| {
            let size = density.map(|n| 1.0 / n).filter(|n| n.is_finite() && *n > 0.0);
            unit.clone().and_then(|unit| Some((size?, Some(unit))))
        };
        let spacing = unit.clone().and_then(|unit| Some((real("spacing")?, Some(unit))));
        let interval = real("finterval").map(|seconds| (seconds, Some("second".to_string())));
        let [frames, slices, channels] = ["frames", "slices", "channels"].map(|key| count(key).unwrap_or(1));
        let product = frames.checked_mul(slices).and_then(|n| n.checked_mul(channels));
        let lead = match product == Some(images) {
            true => vec![(axis('t', interval), frames), (axis('z', spacing), slices), (axis('c', None), channels)],
            false => vec![(axis('z', spacing), images)],
        };
        let lead = lead.into_iter().filter(|a| a.1 > 1).collect();
        let plane = ['y', 'x'].into_iter().zip(self.densities).map(|(name, d)| axis(name, scale(d))).collect();
        Some(ImageJ { images, lead, plane })
    }
}

/// An image or hyperstack of ImageJ.
#[derive(Debug, PartialEq)]
pub(super) struct ImageJ {
    pub images: u64,
    /// The axes that count images.
    pub lead: Vec<Sized>,
    /// y and x.
    pub plane: Vec<Axis>,
}

/// A unit of length or time, spelled out as OME-NGFF does; `None` for those that are none (`pixel`).
pub(super) fn unit_name(text: &str) -> Option<String> {
    let text = text.trim().replace("\\u00B5", "µ").replace("\\u00b5", "µ").replace('μ', "µ");
    let name = match text.as_str() {
        "" | "pixel" | "pixels" | "reference frame" => return None,
        "µm" | "um" | "micron" | "microns" | "micrometer" | "micrometre" => "micrometer",
        "nm" | "nanometer" | "nanometre" => "nanometer",
        "pm" | "picometer" => "picometer",
        "mm" | "millimeter" | "millimetre" => "millimeter",
        "cm" | "centimeter" | "centimetre" => "centimeter",
        "m" | "meter" | "metre" => "meter",
        "km" | "kilometer" => "kilometer",
        "Å" | "angstrom" => "angstrom",
        "in" | "inch" => "inch",
        "ft" | "foot" => "foot",
        "s" | "sec" | "second" => "second",
        "ms" | "millisecond" => "millisecond",
        "µs" | "us" | "microsecond" => "microsecond",
        "ns" | "nanosecond" => "nanosecond",
        "min" | "minute" => "minute",
        "h" | "hour" => "hour",
        "d" | "day" => "day",
        other => return Some(other.to_string()),
    };
    Some(name.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(description: &str) -> About {
        About { description: description.into(), densities: [Some(4.0), Some(5.0)], unit: Some(1) }
    }

    #[test]
    fn hyperstacks_of_imagej() {
        let text = "ImageJ=1.53\nimages=24\nchannels=2\nslices=3\nframes=4\nhyperstack=true\nunit=\\u00B5m\nspacing=0.5\nfinterval=2\n";
        let imagej = about(text).imagej().unwrap();
        let axes: Vec<_> = imagej.lead.iter().map(|(a, n)| (a.name, *n, a.size)).collect();
        assert_eq!(axes, [('t', 4, Some(2.0)), ('z', 3, Some(0.5)), ('c', 2, None)]);
        assert_eq!((imagej.plane[1].size, imagej.plane[1].unit.as_deref()), (Some(0.2), Some("micrometer")));
        let stack = about("ImageJ=1.53\nimages=7\nunit=pixel\n").imagej().unwrap();
        assert_eq!((stack.images, stack.lead[0].0.name, stack.plane[0].size), (7, 'z', None));
        assert_eq!(about("ImageJ=1.53\nimages=7\nslices=3\n").imagej().unwrap().lead[0].1, 7);
        assert_eq!(about("an image").imagej(), None);
    }

    #[test]
    fn hostile_counts_do_not_overflow() {
        let n = u64::MAX;
        let text = format!("ImageJ=1\nimages=5\nchannels={n}\nslices={n}\nframes=2\n");
        assert_eq!(about(&text).imagej().unwrap().lead[0].1, 5);
    }
}
