//! The description of an OME-TIFF.

use super::Pages;
use crate::array::{ArraySpec, Axis, DType};
use std::fmt::Write;
use std::path::Path;

/// The OME-XML for an array in such pages, or why there is none.
pub(super) fn describe(spec: &ArraySpec, pages: &Pages, path: &Path) -> Result<String, String> {
    let kind = kind(spec.dtype)?;
    let inner = if pages.samples > 1 || spec.letters().ends_with("xc") { 3 } else { 2 };
    let (lead, plane) = spec.axes.split_at(spec.rank() - inner);
    let letters: String = plane.iter().map(|a| a.name).collect();
    let known = |a: &Axis| matches!(a.name, 't' | 'c' | 'z');
    if !letters.starts_with("yx") || !lead.iter().all(known) {
        let axes = spec.letters();
        return Err(format!(
            "an OME-TIFF has axes among t c z, then y x, then perhaps c, not {axes}; axes= names them"
        ));
    }
    let mut order: String = lead.iter().rev().map(|a| a.name).collect();
    for letter in "czt".chars() {
        if !order.contains(letter) {
            order.push(letter);
        }
    }
    let length = |letter: char| spec.axis(letter).map_or(1, |a| spec.shape[a]);
    let stem = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = stem.split('.').next().unwrap_or_default().to_string();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    xml.push_str("<OME xmlns=\"http://www.openmicroscopy.org/Schemas/OME/2016-06\" ");
    xml.push_str("xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" ");
    xml.push_str("xsi:schemaLocation=\"http://www.openmicroscopy.org/Schemas/OME/2016-06 ");
    xml.push_str("http://www.openmicroscopy.org/Schemas/OME/2016-06/ome.xsd\" ");
    let _ = write!(xml, "Creator=\"tilewise {}\">", env!("CARGO_PKG_VERSION"));
    let _ = write!(xml, "<Image ID=\"Image:0\" Name=\"{}\"><Pixels ID=\"Pixels:0\" ", escaped(&stem));
    let _ = write!(xml, "DimensionOrder=\"XY{}\" Type=\"{kind}\" BigEndian=\"false\"", order.to_uppercase());
    for letter in ['x', 'y', 'z', 'c', 't'] {
        let _ = write!(xml, " Size{}=\"{}\"", letter.to_ascii_uppercase(), length(letter));
    }
    spec.axes.iter().for_each(|axis| write_scale(&mut xml, axis));
    xml.push('>');
    let channels = if inner == 3 { 1 } else { length('c') };
    let labels = spec.axis('c').map_or(&[][..], |a| &spec.axes[a].labels);
    for channel in 0..channels {
        let _ = write!(xml, "<Channel ID=\"Channel:0:{channel}\" SamplesPerPixel=\"{}\"", pages.samples);
        if let Some(name) = labels.get(channel as usize).filter(|_| inner == 2) {
            let _ = write!(xml, " Name=\"{}\"", escaped(name));
        }
        xml.push_str("/>");
    }
    let _ = write!(xml, "<TiffData IFD=\"0\" PlaneCount=\"{}\"/></Pixels></Image></OME>", pages.count);
    Ok(xml)
}

fn kind(dtype: DType) -> Result<&'static str, String> {
    Ok(match dtype {
        DType::Bool | DType::U8 => "uint8",
        DType::F32 => "float",
        DType::F64 => "double",
        DType::U64 | DType::I64 => return Err(format!("an OME-TIFF has no {dtype}; cast to a type of 32 bits")),
        other => other.name(),
    })
}

fn write_scale(xml: &mut String, axis: &Axis) {
    let (Some(size), Some(unit)) = (axis.size, axis.unit.as_deref().and_then(symbol)) else { return };
    if !(size.is_finite() && size > 0.0) {
        return;
    }
    let name = match axis.name {
        'x' | 'y' | 'z' => format!("PhysicalSize{}", axis.name.to_ascii_uppercase()),
        't' => "TimeIncrement".to_string(),
        _ => return,
    };
    let _ = write!(xml, " {name}=\"{size}\" {name}Unit=\"{}\"", escaped(unit));
}

/// The sign of a unit in OME-XML.
fn symbol(unit: &str) -> Option<&'static str> {
    Some(match unit {
        "meter" => "m",
        "centimeter" => "cm",
        "millimeter" => "mm",
        "micrometer" => "µm",
        "nanometer" => "nm",
        "picometer" => "pm",
        "kilometer" => "km",
        "angstrom" => "Å",
        "inch" => "in",
        "foot" => "ft",
        "second" => "s",
        "millisecond" => "ms",
        "microsecond" => "µs",
        "nanosecond" => "ns",
        "minute" => "min",
        "hour" => "h",
        "day" => "d",
        _ => return None,
    })
}

/// Text for an attribute, in ASCII as TIFF wants it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' | '>' | '&' | '"' | '\'' => {
                let _ = write!(out, "&#{};", c as u32);
            }
            ' '..='~' => out.push(c),
            // XML has no other control characters.
            c if c.is_control() => out.push(' '),
            c => {
                let _ = write!(out, "&#{};", c as u32);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_sizes_and_channels_are_described() {
        let mut spec = ArraySpec::with_axes(&[4, 2, 5, 6], DType::U16, "zcyx");
        (spec.axes[0].size, spec.axes[0].unit) = (Some(0.5), Some("micrometer".into()));
        spec.axes[1].labels = vec!["DAPI".into(), "a<b µ".into()];
        let xml = describe(&spec, &Pages::new(&spec).unwrap(), Path::new("cells.ome.tif")).unwrap();
        for part in [
            "DimensionOrder=\"XYCZT\" Type=\"uint16\"",
            "SizeX=\"6\" SizeY=\"5\" SizeZ=\"4\" SizeC=\"2\" SizeT=\"1\"",
            "PhysicalSizeZ=\"0.5\" PhysicalSizeZUnit=\"&#181;m\"",
            "Name=\"a&#60;b &#181;\"",
            "PlaneCount=\"8\"",
            "Name=\"cells\"",
        ] {
            assert!(xml.contains(part), "{part}: {xml}");
        }
        for (letters, dtype) in [("nyx", DType::U8), ("zxy", DType::U8), ("zyx", DType::U64)] {
            let spec = ArraySpec::with_axes(&[2, 3, 4], dtype, letters);
            assert!(describe(&spec, &Pages::new(&spec).unwrap(), Path::new("a")).is_err());
        }
    }
}
