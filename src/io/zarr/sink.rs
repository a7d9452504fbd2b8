//! Zarr and OME-Zarr as a sink.

use super::layout::Layout;
use super::ngff::Description;
use super::pack::{self, Packer, REDUCED};
use super::store::{self, Node};
use crate::array::{ArraySpec, Dims, Region, View, elements, grid_len};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::io::partial::PartialFolder;
use crate::io::pyramid::{LevelEncoder, Levels, reduced};
use crate::io::{CreateOptions, EncodeBill, Encoded, Encoder, Order, Sink};
use crate::sys;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Makes a Zarr output.
///
/// # Errors
/// When the format cannot hold such an array, an option makes no sense, or it may not be written there.
pub(in crate::io) fn create(path: &Path, spec: &ArraySpec, options: &CreateOptions) -> Result<Box<dyn Sink>> {
    let layout = Layout::new(path, spec, options)?;
    let out = match path.parent().filter(|_| layout.label) {
        // The folder of the labels is made with the first of them.
        Some(labels) if !labels.exists() => PartialFolder::within(path, options.overwrite, store::is_node),
        _ => PartialFolder::new(path, options.overwrite, store::is_node),
    }?;
    Ok(Box::new(ZarrSink { out, spec: spec.clone(), layout: Arc::new(layout), writing: None }))
}

/// An output.
#[derive(Debug)]
struct ZarrSink {
    out: PartialFolder,
    /// With the axes in the order of the tiles.
    spec: ArraySpec,
    layout: Arc<Layout>,
    writing: Option<Writing>,
}

/// What is open while it is written.
#[derive(Debug)]
struct Writing {
    full: Store,
    /// The levels of a pyramid.
    levels: Option<Levels>,
}

/// The chunks of one level.
#[derive(Debug)]
struct Store {
    folder: PathBuf,
    layout: Arc<Layout>,
    shape: Dims,
    /// Shards that still lack chunks.
    shards: HashMap<u64, OpenShard>,
}

/// The index of a shard: offset and length of every chunk.
#[derive(Debug)]
struct OpenShard {
    index: Vec<[u64; 2]>,
    len: u64,
    missing: u64,
}

impl Store {
    fn new(folder: PathBuf, layout: &Arc<Layout>, level: usize) -> Result<Self> {
        std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, "cannot be created", e))?;
        let (layout, shape) = (Arc::clone(layout), layout.levels[level].clone());
        Ok(Store { folder, layout, shape, shards: HashMap::new() })
    }

    /// Takes what a packer made of a box.
    fn put(&mut self, encoded: &Encoded) -> Result<()> {
        for part in encoded.parts.iter().filter(|p| p.id != REDUCED) {
            let at = Region::tile(&self.shape, &self.layout.chunk, part.id);
            let bytes = encoded.part(part);
            match self.layout.shard.clone() {
                Some(shard) => self.put_in_shard(&shard, &at, bytes)?,
                None if bytes.is_empty() => {}
                None => self.write(&at, 0, bytes)?,
            }
        }
        Ok(())
    }

    fn put_in_shard(&mut self, shard: &Dims, at: &Region, bytes: &[u8]) -> Result<()> {
        let chunk = &self.layout.chunk;
        let grid: Dims = shard.iter().zip(chunk).map(|(s, c)| s / c).collect();
        let place = |a: usize| at.start[a] / chunk[a];
        let within = (0..at.rank()).fold(0, |n, a| n * grid[a] + place(a) % grid[a]);
        let whole = |a: usize| self.shape[a].div_ceil(shard[a]);
        let id = (0..at.rank()).fold(0, |n, a| n * whole(a) + at.start[a] / shard[a]);
        let open = self.shards.entry(id).or_insert_with(|| {
            let region = Region::tile(&self.shape, shard, id);
            let index = vec![[u64::MAX; 2]; grid.iter().product::<u64>() as usize];
            OpenShard { index, len: 0, missing: grid_len(&region.shape, chunk) }
        });
        open.missing -= 1;
        let (offset, last) = (open.len, open.missing == 0);
        if !bytes.is_empty() {
            open.index[within as usize] = [offset, bytes.len() as u64];
            open.len += bytes.len() as u64;
            self.write(at, offset, bytes)?;
        }
        if !last {
            return Ok(());
        }
        match self.shards.remove(&id) {
            // A shard without chunks is not stored.
            Some(done) if done.len > 0 => self.write(at, done.len, &index_bytes(&done.index)),
            _ => Ok(()),
        }
    }

    /// Writes into the file in which a chunk lies.
    fn write(&self, at: &Region, offset: u64, bytes: &[u8]) -> Result<()> {
        let unit = self.layout.stored_unit();
        let path = self.folder.join(key(&self.layout, at.start.iter().zip(unit).map(|(s, u)| s / u)));
        let fail = |e: std::io::Error| Error::io(&path, "cannot be written", e);
        let file = open_to_write(&path).map_err(fail)?;
        sys::write_all_at(&file, bytes, offset).map_err(fail)
    }
}

/// Opens a file, making the folders above it when they are missing.
fn open_to_write(path: &Path) -> std::io::Result<File> {
    let open = || OpenOptions::new().write(true).create(true).truncate(false).open(path);
    match (open(), path.parent()) {
        (Err(e), Some(folder)) if e.kind() == ErrorKind::NotFound => {
            std::fs::create_dir_all(folder)?;
            open()
        }
        (opened, _) => opened,
    }
}

/// The index of a shard as it is stored: little-endian, with its checksum.
fn index_bytes(index: &[[u64; 2]]) -> Vec<u8> {
    let mut bytes: Vec<u8> = index.iter().flatten().flat_map(|n| n.to_le_bytes()).collect();
    let sum = crc32c::crc32c(&bytes);
    bytes.extend(sum.to_le_bytes());
    bytes
}

/// Where a chunk lies below the array's folder.
fn key(layout: &Layout, index: impl Iterator<Item = u64>) -> String {
    let index: Vec<String> = index.map(|i| i.to_string()).collect();
    match (layout.version, layout.ome) {
        (2, _) if index.is_empty() => "0".into(),
        (2, None) => index.join("."),
        (2, Some(_)) => index.join("/"),
        _ => ["c".to_string()].into_iter().chain(index).collect::<Vec<_>>().join("/"),
    }
}

impl ZarrSink {
    fn folder_of(&self, level: usize) -> PathBuf {
        match self.layout.ome {
            Some(_) => self.out.folder().join(level.to_string()),
            None => self.out.folder().to_path_buf(),
        }
    }

    fn writing(&mut self) -> Result<&mut Writing> {
        let what = || Error::Internal(format!("{} is written before it was begun", self.out.path().display()));
        self.writing.as_mut().ok_or_else(what)
    }

    /// Boxes in which the levels of a pyramid are made.
    fn level_box(&self) -> Dims {
        self.layout.unit()
    }

    /// Levels in a folder that is memory: all of them at the end, and two in scratch files while they are made.
    fn levels_on_tmpfs(&self) -> u64 {
        if !sys::is_memory_backed(folder_above(self.out.path())) {
            return 0;
        }
        let size = self.layout.spec.dtype.size() as u64;
        let bytes = |levels: &[Dims]| levels.iter().map(|shape| elements(shape).saturating_mul(size)).sum::<u64>();
        let levels = &self.layout.levels[1..];
        bytes(levels).saturating_add(bytes(&levels[..levels.len().min(2)]))
    }

    fn write_metadata(&self) -> Result<()> {
        for level in 0..self.layout.levels.len() {
            write_array(&self.folder_of(level), &self.layout, level)?;
        }
        let (Some(version), layout) = (self.layout.ome, &*self.layout) else { return Ok(()) };
        let name = self.out.path().file_name().map(|n| n.to_string_lossy()).unwrap_or_default();
        let name = name.strip_suffix(".ome.zarr").unwrap_or(&name);
        let description = Description {
            spec: &layout.spec,
            version,
            name,
            levels: &layout.levels,
            halved: &layout.halved,
            method: layout.method,
            label: layout.label,
        };
        write_group(self.out.folder(), layout.version, description.attributes())
    }

    /// Enters a label image in the list of its group.
    fn register_label(&self) -> Result<()> {
        let (Some(labels), Some(name)) = (self.out.path().parent(), self.out.path().file_name()) else { return Ok(()) };
        let mut attributes = match store::node(labels)? {
            Some(Node::Group(group)) => group.attributes,
            _ => Map::new(),
        };
        let below = |attributes: &mut Map<String, Value>| {
            let list = attributes.entry("labels").or_insert_with(|| json!([]));
            let name = json!(name.to_string_lossy());
            if let Some(list) = list.as_array_mut().filter(|l| !l.contains(&name)) {
                list.push(name);
            }
        };
        match self.layout.version {
            2 => below(&mut attributes),
            _ => {
                let ome = attributes.entry("ome").or_insert_with(|| json!({ "version": self.layout.ome }));
                ome.as_object_mut().map(below);
            }
        }
        write_group(labels, self.layout.version, attributes)
    }
}

fn folder_above(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn write_group(folder: &Path, version: u8, attributes: Map<String, Value>) -> Result<()> {
    if version == 2 {
        write_json(&folder.join(".zgroup"), &json!({ "zarr_format": 2 }))?;
        return write_json(&folder.join(".zattrs"), &Value::Object(attributes));
    }
    write_json(&folder.join("zarr.json"), &json!({ "zarr_format": 3, "node_type": "group", "attributes": attributes }))
}

fn write_array(folder: &Path, layout: &Layout, level: usize) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, "cannot be created", e))?;
    if layout.version == 2 {
        return write_json(&folder.join(".zarray"), &array_v2(layout, level));
    }
    write_json(&folder.join("zarr.json"), &array_v3(layout, level))
}

/// Writes a document, in place of an older one at once.
fn write_json(path: &Path, value: &Value) -> Result<()> {
    let fail = |e: std::io::Error| Error::io(path, "cannot be written", e);
    let mut text = serde_json::to_string_pretty(value).map_err(|e| Error::Internal(e.to_string()))?;
    text.push('\n');
    let mut temporary = tempfile::NamedTempFile::new_in(folder_above(path)).map_err(fail)?;
    std::io::Write::write_all(&mut temporary, text.as_bytes()).map_err(fail)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let permissions = std::fs::Permissions::from_mode(0o644);
        temporary.as_file().set_permissions(permissions).map_err(fail)?;
    }
    temporary.persist(path).map_err(|e| fail(e.error))?;
    Ok(())
}

const ORDER: &str = if cfg!(target_endian = "big") { "big" } else { "little" };

fn array_v3(layout: &Layout, level: usize) -> Value {
    let codecs = codecs_v3(layout);
    let codecs = match &layout.shard {
        None => codecs,
        Some(_) => vec![json!({ "name": "sharding_indexed", "configuration": {
            "chunk_shape": layout.chunk.as_slice(),
            "codecs": codecs,
            "index_codecs": [{ "name": "bytes", "configuration": { "endian": "little" } }, { "name": "crc32c" }],
            "index_location": "end",
        } })],
    };
    let mut array = json!({
        "zarr_format": 3,
        "node_type": "array",
        "shape": layout.levels[level].as_slice(),
        "data_type": layout.spec.dtype.name(),
        "chunk_grid": { "name": "regular", "configuration": { "chunk_shape": layout.stored_unit().as_slice() } },
        "chunk_key_encoding": { "name": "default", "configuration": { "separator": "/" } },
        "fill_value": fill_value(layout),
        "codecs": codecs,
        "attributes": {},
    });
    if layout.spec.named || layout.ome.is_some() {
        array["dimension_names"] = layout.spec.axes.iter().map(|a| a.name.to_string()).collect();
    }
    array
}

fn fill_value(layout: &Layout) -> Value {
    use crate::array::DType;
    match layout.spec.dtype {
        DType::Bool => json!(false),
        dtype if dtype.is_float() => json!(0.0),
        _ => json!(0),
    }
}

fn codecs_v3(layout: &Layout) -> Vec<Value> {
    use super::layout::Pack;
    let mut codecs = vec![match layout.spec.dtype.size() {
        1 => json!({ "name": "bytes" }),
        _ => json!({ "name": "bytes", "configuration": { "endian": ORDER } }),
    }];
    match layout.squeeze {
        Pack::None => {}
        Pack::Zstd(level) => {
            codecs.push(json!({ "name": "zstd", "configuration": { "level": level, "checksum": false } }));
        }
        Pack::Gzip(level) => codecs.push(json!({ "name": "gzip", "configuration": { "level": level } })),
        Pack::Blosc(level) => codecs.push(json!({ "name": "blosc", "configuration": {
            "cname": "lz4",
            "clevel": level,
            "shuffle": "shuffle",
            "typesize": layout.spec.dtype.size(),
            "blocksize": 0,
        } })),
    }
    codecs
}

fn array_v2(layout: &Layout, level: usize) -> Value {
    use super::layout::Pack;
    use crate::array::DType;
    let dtype = layout.spec.dtype;
    let kind = match dtype {
        DType::Bool => 'b',
        _ if dtype.is_float() => 'f',
        _ if dtype.is_signed_integer() => 'i',
        _ => 'u',
    };
    let order = match dtype.size() {
        1 => '|',
        _ if cfg!(target_endian = "big") => '>',
        _ => '<',
    };
    let compressor = match layout.squeeze {
        Pack::None => Value::Null,
        Pack::Zstd(level) => json!({ "id": "zstd", "level": level }),
        Pack::Gzip(level) => json!({ "id": "gzip", "level": level }),
        Pack::Blosc(level) => json!({ "id": "blosc", "cname": "lz4", "clevel": level, "shuffle": 1, "blocksize": 0 }),
    };
    json!({
        "zarr_format": 2,
        "shape": layout.levels[level].as_slice(),
        "chunks": layout.chunk.as_slice(),
        "dtype": format!("{order}{kind}{}", dtype.size()),
        "compressor": compressor,
        "fill_value": fill_value(layout),
        "order": "C",
        "filters": null,
        "dimension_separator": if layout.ome.is_some() { "/" } else { "." },
    })
}

impl Sink for ZarrSink {
    fn spec(&self) -> &ArraySpec {
        &self.spec
    }

    fn path(&self) -> &Path {
        self.out.path()
    }

    fn order(&self) -> Order {
        let unit = self.layout.unit();
        let mut boxes: Dims = unit.clone();
        for (i, &axis) in self.layout.order.iter().enumerate() {
            boxes[axis] = unit[i];
        }
        Order::Aligned(boxes)
    }

    fn bill(&self) -> u64 {
        let layout = &self.layout;
        let indices = match layout.shard {
            Some(_) => 32 * grid_len(&layout.spec.shape, &layout.chunk),
            None => 0,
        };
        let levels = if layout.levels.len() > 1 { self.levels_on_tmpfs() } else { 0 };
        indices + levels + (64 << 10)
    }

    fn begin(&mut self) -> Result<()> {
        self.out.begin()?;
        let layout = &self.layout;
        let folder = folder_above(self.out.path());
        let levels = match layout.levels.len() {
            0 | 1 => None,
            _ => Some(Levels::begin(
                self.out.path(),
                folder,
                &layout.spec,
                layout.method,
                &layout.halved,
                &layout.levels,
            )?),
        };
        let full = Store::new(self.folder_of(0), layout, 0)?;
        self.writing = Some(Writing { full, levels });
        Ok(())
    }

    fn encoder(&self) -> Result<Option<Box<dyn Encoder>>> {
        Ok(Some(Box::new(Packer::new(Arc::clone(&self.layout))?)))
    }

    fn encode_bill(&self, tile: &[u64]) -> EncodeBill {
        let tile: Dims = self.layout.order.iter().map(|&a| tile[a]).collect();
        pack::bill(&self.layout, &tile)
    }

    fn write_encoded(&mut self, at: &Region, encoded: &Encoded) -> Result<()> {
        let to = reduced(&self.layout.stored(at), &self.layout.halved);
        let writing = self.writing()?;
        if let (Some(levels), Some(part)) = (&writing.levels, encoded.parts.iter().find(|p| p.id == REDUCED)) {
            levels.put(&to, encoded.part(part))?;
        }
        writing.full.put(encoded)
    }

    fn write(&mut self, at: &Region, tile: View<'_>) -> Result<()> {
        let mut encoded = Encoded::default();
        Packer::new(Arc::clone(&self.layout))?.encode(at, &tile, &mut encoded)?;
        self.write_encoded(at, &encoded)
    }

    fn finish_bill(&self, threads: usize) -> u64 {
        let layout = &self.layout;
        if layout.levels.len() < 2 {
            return 0;
        }
        let boxes = self.level_box();
        let one = Levels::bill(&boxes, layout.spec.dtype) + pack::chunks_bound(layout, &boxes) + pack::memory(layout);
        one.saturating_mul(threads as u64)
    }

    fn finish(&mut self, threads: usize, cancel: &Cancel) -> Result<()> {
        let Some(levels) = self.writing()?.levels.take() else { return Ok(()) };
        let encoder = || Ok(Box::new(Packer::new(Arc::clone(&self.layout))?) as Box<dyn LevelEncoder>);
        let encoders = (0..threads.max(1)).map(|_| encoder()).collect::<Result<Vec<_>>>()?;
        let folder = folder_above(self.out.path()).to_path_buf();
        let (sink, tile) = (&*self, self.level_box());
        let mut store: Option<(usize, Store)> = None;
        let mut take = |level: usize, encoded: &Encoded| {
            if store.as_ref().is_none_or(|(of, _)| *of != level) {
                store = Some((level, Store::new(sink.folder_of(level), &sink.layout, level)?));
            }
            store.as_mut().map_or(Ok(()), |(_, store)| store.put(encoded))
        };
        levels.finish(&folder, &tile, encoders, &mut take, cancel)
    }

    fn commit(&mut self) -> Result<()> {
        self.finish(1, &Cancel::new())?;
        self.writing = None;
        self.write_metadata()?;
        self.out.commit()?;
        if self.layout.label { self.register_label() } else { Ok(()) }
    }

    fn abort(&mut self) {
        self.writing = None;
        self.out.abort();
    }
}
