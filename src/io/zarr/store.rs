//! The folders of a Zarr store: what a folder is (`zarr.json`; `.zarray`, `.zgroup`, `.zattrs`) and what lies in it.

use crate::error::{Error, Result};
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Component, Path, PathBuf};
use zarrs::convert::array_metadata_v2_to_v3;
use zarrs::metadata::v2::{ArrayMetadataV2, MetadataV2};
use zarrs::metadata::v3::{ArrayMetadataV3, MetadataV3};

/// Larger documents than any that describe an image. (Consolidated metadata of a plate with thousands of fields has a few.)
const MAX_DOCUMENT: u64 = 64 << 20;

/// How many members of a group a message names.
const NAMED: usize = 12;

/// What a folder holds.
#[derive(Debug)]
pub(super) enum Node {
    Array(Box<ArrayNode>),
    Group(Group),
}

/// An array's description, in the terms of version 3.
#[derive(Debug)]
pub(super) struct ArrayNode {
    pub folder: PathBuf,
    /// The version it is stored in.
    pub version: u8,
    pub metadata: ArrayMetadataV3,
}

/// A group's attributes.
#[derive(Debug)]
pub(super) struct Group {
    pub folder: PathBuf,
    pub attributes: Map<String, Value>,
}

/// Whether a folder is an array or a group of a Zarr store.
pub(in crate::io) fn is_node(folder: &Path) -> bool {
    ["zarr.json", ".zarray", ".zgroup"].iter().any(|name| folder.join(name).is_file())
}

/// What a folder is; `None` if it is nothing of Zarr.
///
/// # Errors
/// When its description cannot be read or is none.
pub(super) fn node(folder: &Path) -> Result<Option<Node>> {
    if let Some(document) = document(&folder.join("zarr.json"))? {
        return node_v3(folder, document).map(Some);
    }
    let attributes = || attributes_v2(folder);
    if let Some(document) = document(&folder.join(".zarray"))? {
        let path = folder.join(".zarray");
        let mut metadata = array_v2(document).map_err(|what| Error::format(path, what))?;
        metadata.attributes = attributes()?;
        let folder = folder.to_path_buf();
        return Ok(Some(Node::Array(Box::new(ArrayNode { folder, version: 2, metadata }))));
    }
    match document(&folder.join(".zgroup"))? {
        Some(_) => Ok(Some(Node::Group(Group { folder: folder.into(), attributes: attributes()? }))),
        None => Ok(None),
    }
}

fn node_v3(folder: &Path, mut document: Value) -> Result<Node> {
    let path = folder.join("zarr.json");
    let wrong = |what: String| Error::format(&path, what);
    match document.get("zarr_format").and_then(Value::as_u64) {
        Some(3) => {}
        Some(other) => return Err(wrong(format!("is of Zarr version {other}; versions 2 and 3 are read"))),
        None => return Err(wrong("names no zarr_format".into())),
    }
    let folder = folder.to_path_buf();
    match document.get("node_type").and_then(Value::as_str) {
        Some("array") => {
            let metadata = serde_json::from_value(document).map_err(|e| wrong(format!("is no Zarr array: {e}")))?;
            Ok(Node::Array(Box::new(ArrayNode { folder, version: 3, metadata })))
        }
        Some("group") => {
            let attributes = document.get_mut("attributes").map(Value::take);
            Ok(Node::Group(Group { folder, attributes: object(attributes) }))
        }
        _ => Err(wrong("is neither an array nor a group".into())),
    }
}

fn attributes_v2(folder: &Path) -> Result<Map<String, Value>> {
    document(&folder.join(".zattrs")).map(object)
}

fn object(value: Option<Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// Compressors of NumCodecs that zarrs does not know and we do.
const OURS: [&str; 1] = ["lz4"];

fn array_v2(document: Value) -> Result<ArrayMetadataV3, String> {
    let mut old: ArrayMetadataV2 = serde_json::from_value(document).map_err(|e| format!("is no Zarr array: {e}"))?;
    let ours = old.compressor.take_if(|codec: &mut MetadataV2| OURS.contains(&codec.id()));
    if old.chunks.len() != old.shape.len() {
        return Err(format!("has chunks of {} axes for an array of {}", old.chunks.len(), old.shape.len()));
    }
    let mut metadata = array_metadata_v2_to_v3(&old).map_err(|e| format!("cannot be read: {e}"))?;
    metadata.codecs.extend(ours.map(|codec| MetadataV3::new(format!("numcodecs.{}", codec.id()))));
    Ok(metadata)
}

/// The JSON document in a file, or `None` if there is no such file.
fn document(path: &Path) -> Result<Option<Value>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(e) => return Err(Error::io(path, "cannot be opened", e)),
    };
    let mut text = Vec::new();
    file.take(MAX_DOCUMENT + 1).read_to_end(&mut text).map_err(|e| Error::io(path, "cannot be read", e))?;
    if text.len() as u64 > MAX_DOCUMENT {
        return Err(Error::format(path, "is larger than any Zarr metadata"));
    }
    serde_json::from_slice(&text).map(Some).map_err(|e| Error::format(path, format!("is not JSON: {e}")))
}

/// A folder below another, by a path that a document gives; it may not lead out of it.
pub(super) fn below(folder: &Path, path: &str) -> Option<PathBuf> {
    let inside = Path::new(path).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    (inside && !path.contains('\0')).then(|| folder.join(path))
}

/// What lies in a group, for messages: `0 (array), labels (group)`.
pub(super) fn members(folder: &Path) -> String {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let mut found: Vec<String> = entries
        .filter_map(|entry| {
            let kind = match node(&entry.path()) {
                Ok(Some(Node::Array(_))) => "array",
                Ok(Some(Node::Group(_))) => "group",
                _ => return None,
            };
            Some(format!("{} ({kind})", entry.file_name().to_string_lossy()))
        })
        .collect();
    found.sort();
    let more = found.len().saturating_sub(NAMED);
    found.truncate(NAMED);
    match (found.is_empty(), more) {
        (true, _) => "nothing".into(),
        (_, 0) => found.join(", "),
        (_, more) => format!("{} and {more} more", found.join(", ")),
    }
}
