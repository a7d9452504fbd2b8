//! Zarr, versions 2 and 3, and OME-Zarr. zarrs reads the metadata; chunks are found and decoded here, so that they
//! take no more memory than the bill says and no threads but ours. What is written is described and packed here, too.

mod array;
mod codec;
mod layout;
mod ngff;
mod pack;
mod shard;
mod sink;
mod source;
mod store;

use super::half::HalfSource;
use super::{Facts, OpenOptions, Source, name_axes};
use crate::array::ArraySpec;
use crate::error::{Error, Result};
use array::Pixels;
use source::ZarrSource;
use std::path::Path;
use std::sync::Arc;
use store::{ArrayNode, Group, Node};

pub(in crate::io) use sink::create;
pub(in crate::io) use store::is_node;

/// Opens a folder of a Zarr store: an array, an OME-Zarr image or label image, or what bioformats2raw wrote.
///
/// # Errors
/// When the metadata cannot be read or describe something else.
pub(super) fn open(folder: &Path, options: &OpenOptions) -> Result<Arc<dyn Source>> {
    match store::node(folder)? {
        Some(Node::Array(node)) => {
            if let Some(level @ 1..) = options.level {
                return Err(Error::Usage(format!("{}: has only level 0, not {level}", folder.display())));
            }
            open_array(&node, options)
        }
        Some(Node::Group(group)) => open_group(&group, options),
        None => Err(Error::format(folder, "is a folder, not an image")),
    }
}

fn open_array(node: &ArrayNode, options: &OpenOptions) -> Result<Arc<dyn Source>> {
    let folder = &node.folder;
    let pixels = Pixels::new(node).map_err(|what| Error::format(folder, what))?;
    let spec = name_axes(pixels.spec(&dimension_names(node)), options, folder)?;
    let facts = facts(&pixels, format!("Zarr v{}", node.version));
    Ok(source(folder, spec, pixels, facts))
}

fn source(folder: &Path, spec: ArraySpec, pixels: Pixels, facts: Facts) -> Arc<dyn Source> {
    let half = pixels.half;
    let source = Arc::new(ZarrSource { name: folder.to_path_buf(), spec, pixels: Arc::new(pixels), facts });
    if half { Arc::new(HalfSource::new(source)) } else { source }
}

/// The names of the axes, which xarray keeps among the attributes in version 2.
fn dimension_names(node: &ArrayNode) -> Vec<Option<String>> {
    match &node.metadata.dimension_names {
        Some(names) => names.clone(),
        None => {
            let names = node.metadata.attributes.get("_ARRAY_DIMENSIONS").and_then(|v| v.as_array());
            names.into_iter().flatten().map(|v| v.as_str().map(str::to_string)).collect()
        }
    }
}

fn open_group(group: &Group, options: &OpenOptions) -> Result<Arc<dyn Source>> {
    let folder = &group.folder;
    let wrong = |what: String| Error::format(folder, what);
    let Some(image) = ngff::image(group).map_err(wrong)? else {
        // What bioformats2raw writes has its images below: the first is the one meant.
        let first = folder.join("0");
        if ngff::ome(group).contains_key("bioformats2raw.layout") && is_node(&first) {
            return open(&first, options);
        }
        let members = store::members(folder);
        return Err(wrong(format!("is a Zarr group, not an image; in it: {members}. Open one of those")));
    };
    let level = options.level.unwrap_or(0) as usize;
    let Some(at) = image.levels.get(level) else {
        let last = image.levels.len() - 1;
        let path = folder.display();
        return Err(Error::Usage(format!("{path}: has levels 0 to {last}, not {level}")));
    };
    let below = store::below(folder, &at.path).ok_or_else(|| wrong(format!("has a level outside: '{}'", at.path)))?;
    let Some(Node::Array(node)) = store::node(&below)? else {
        return Err(wrong(format!("has a level '{}' that is not there", at.path)));
    };
    let pixels = Pixels::new(&node).map_err(|what| Error::format(&below, what))?;
    let spec = image.describe(pixels.spec(&[]), level).map_err(wrong)?;
    let spec = name_axes(spec, options, folder)?;
    let mut facts = facts(&pixels, format!("OME-Zarr {}", image.version));
    let list = |(i, level): (usize, &ngff::Level)| -> Option<String> {
        match store::node(&store::below(folder, &level.path)?) {
            Ok(Some(Node::Array(node))) => Some(format!("{i} ({})", times(&node.metadata.shape))),
            _ => None,
        }
    };
    let levels: Vec<String> = image.levels.iter().enumerate().filter_map(list).collect();
    facts.more.push(("levels".into(), levels.join(", ")));
    if !image.channels.is_empty() {
        facts.more.push(("channels".into(), image.channels.join(", ")));
    }
    Ok(source(folder, spec, pixels, facts))
}

fn facts(pixels: &Pixels, format: String) -> Facts {
    let squeezers = pixels.codecs.iter().filter(|c| !matches!(c.as_str(), "bytes" | "endian" | "transpose" | "crc32c"));
    let squeezers: Vec<&str> = squeezers.map(String::as_str).collect();
    let compression = if squeezers.is_empty() { "none".into() } else { squeezers.join(", ") };
    let mut more =
        vec![("zarr version".into(), pixels.version.to_string()), ("codecs".into(), pixels.codecs.join(", "))];
    if pixels.shard.is_some() {
        more.push(("shards".into(), times(&pixels.stored)));
    }
    Facts { format, compression, more }
}

fn times(shape: &[u64]) -> String {
    let lengths: Vec<String> = shape.iter().map(u64::to_string).collect();
    if lengths.is_empty() { "scalar".into() } else { lengths.join(" x ") }
}
