//! `tilewise info`

use super::{InfoArgs, term};
use serde_json::{Map, Value as Json, json};
use tilewise::Result;
use tilewise::array::ArraySpec;
use tilewise::error::Bytes;
use tilewise::io::{self, OpenOptions, Source};

pub(super) fn info(args: &InfoArgs) -> Result<()> {
    let source = io::open(&args.path, &OpenOptions::default())?;
    if args.json {
        return term::print_json(&as_json(&args.path, source.as_ref()));
    }
    let lines: String = lines(source.as_ref()).iter().map(|(name, value)| format!("{name:<13} {value}\n")).collect();
    term::print(&format!("{:<13} {}\n{lines}", "path", args.path))
}

fn lines(source: &dyn Source) -> Vec<(String, String)> {
    let (spec, facts) = (source.spec(), source.facts());
    let chunk = source.layout().chunk().map_or_else(|| "none".to_string(), |c| shape_text(c));
    let mut size = format!("{} of pixels", Bytes(spec.bytes()));
    if let Some(bytes) = file_size(source) {
        size += &format!(", {} on disk", Bytes(bytes));
    }
    let named = if spec.named { "" } else { " (not named by the file)" };
    let mut lines = vec![
        ("format", facts.format),
        ("shape", shape_text(&spec.shape)),
        ("axes", format!("{}{named}", spec.letters())),
        ("dtype", spec.dtype.to_string()),
        ("pixel size", sizes_text(spec)),
        ("origin", origins_text(spec)),
        ("names", names_text(spec)),
        ("chunks", chunk),
        ("compression", facts.compression),
        ("size", size),
    ];
    lines.retain(|(_, value)| !value.is_empty());
    let known = lines.into_iter().map(|(name, value)| (name.to_string(), value));
    known.chain(facts.more).collect()
}

fn as_json(path: &str, source: &dyn Source) -> Json {
    let (spec, facts) = (source.spec(), source.facts());
    let axes: Vec<Json> = spec
        .axes
        .iter()
        .map(|axis| {
            json!({
                "name": axis.name.to_string(),
                "size": axis.size,
                "unit": axis.unit,
                "origin": axis.origin,
                "labels": axis.labels,
            })
        })
        .collect();
    let more: Map<String, Json> = facts.more.into_iter().map(|(name, value)| (name, json!(value))).collect();
    json!({
        "path": path,
        "format": facts.format,
        "shape": spec.shape.as_slice(),
        "axes": axes,
        "named": spec.named,
        "dtype": spec.dtype.to_string(),
        "chunk": source.layout().chunk().map(|c| c.to_vec()),
        "compression": facts.compression,
        "bytes": spec.bytes(),
        "file_bytes": file_size(source),
        "more": more,
    })
}

fn file_size(source: &dyn Source) -> Option<u64> {
    let file = std::fs::metadata(source.path()?).ok()?;
    file.is_file().then_some(file.len())
}

/// `512 × 640`; of a scalar, `one number`.
pub(super) fn shape_text(shape: &[u64]) -> String {
    if shape.is_empty() {
        return "one number".into();
    }
    let lengths: Vec<String> = shape.iter().map(u64::to_string).collect();
    lengths.join(" × ")
}

fn sizes_text(spec: &ArraySpec) -> String {
    let sizes: Vec<String> = spec
        .axes
        .iter()
        .filter_map(|axis| {
            let unit = axis.unit.as_deref().unwrap_or("units");
            axis.size.map(|size| format!("{} {size} {unit}", axis.name))
        })
        .collect();
    sizes.join(", ")
}

/// Where the first pixel lies, if that is not 0 everywhere.
fn origins_text(spec: &ArraySpec) -> String {
    let origins = spec.axes.iter().filter(|axis| axis.origin != 0.0).map(|axis| {
        let unit = axis.unit.as_deref().unwrap_or("units");
        format!("{} {} {unit}", axis.name, axis.origin)
    });
    origins.collect::<Vec<_>>().join(", ")
}

/// So many channels, or files of a stack, are named.
const MOST_NAMES: usize = 24;

/// What the positions along axes are called.
fn names_text(spec: &ArraySpec) -> String {
    let names = spec.axes.iter().filter(|axis| !axis.labels.is_empty()).map(|axis| {
        let more = if axis.labels.len() > MOST_NAMES { ", …" } else { "" };
        let first: Vec<&str> = axis.labels.iter().take(MOST_NAMES).map(String::as_str).collect();
        format!("{}: {}{more}", axis.name, first.join(", "))
    });
    names.collect::<Vec<_>>().join("; ")
}
