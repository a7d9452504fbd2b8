//! How the pixels of a Zarr array lie: what one file holds, what is decoded at a time, and through which codecs.

use super::codec::{Squeeze, quiet_options, short_name};
use super::store::ArrayNode;
use crate::array::{ArraySpec, Axis, DType, Dims, MAX_RANK};
use serde_json::Value;
use std::collections::HashSet;
use std::num::NonZeroU64;
use std::path::PathBuf;
use zarrs::array::codec::api::ArrayToBytesCodecTraits;
use zarrs::array::{BytesRepresentation, ChunkKeyEncoding, CodecChain, CodecOptions, DataType, FillValue};
use zarrs::metadata::v3::MetadataV3;

/// An array whose chunks can be found and decoded.
#[derive(Debug)]
pub(super) struct Pixels {
    pub folder: PathBuf,
    pub version: u8,
    pub shape: Dims,
    /// `uint16` for the bits of halves.
    pub dtype: DType,
    pub half: bool,
    /// One element.
    pub fill: Vec<u8>,
    /// Shape of what one file holds: a chunk or a shard.
    pub stored: Dims,
    /// Shape of what is decoded at a time: a chunk, of a shard or not.
    pub unit: Dims,
    pub chain: Chain,
    pub shard: Option<Shard>,
    pub keys: ChunkKeyEncoding,
    /// The codecs in the order in which they encode, for people.
    pub codecs: Vec<String>,
}

/// How a chunk becomes pixels.
#[derive(Debug)]
pub(super) struct Chain {
    /// What undoes the compression, in the order in which it was applied.
    pub squeezes: Vec<Squeeze>,
    /// Bytes of a chunk after that.
    pub bytes: u64,
    pub turn: Turn,
}

/// From the bytes of a chunk to its elements.
#[derive(Debug)]
pub(super) enum Turn {
    /// They lie there, with those strides (in elements), perhaps in the other byte order.
    Plain { strides: Dims, swapped: bool },
    /// zarrs works them out.
    Chain { chain: Box<CodecChain>, shape: Vec<NonZeroU64>, dtype: DataType, fill: FillValue, options: CodecOptions },
}

/// The index of a shard.
#[derive(Clone, Debug)]
pub(super) struct Shard {
    /// Chunks along each axis.
    pub grid: Dims,
    pub at_start: bool,
    pub swapped: bool,
    /// Checksums after it.
    pub sums: u64,
}

impl Shard {
    /// Bytes of the index, without checksums.
    pub fn bytes(&self) -> u64 {
        self.grid.iter().product::<u64>() * 16
    }
}

impl Pixels {
    /// Understands an array's metadata.
    ///
    /// # Errors
    /// A message when it is not one that can be read.
    pub fn new(node: &ArrayNode) -> Result<Self, String> {
        let metadata = &node.metadata;
        let rank = metadata.shape.len();
        if rank > MAX_RANK {
            return Err(format!("has {rank} axes; at most {MAX_RANK} are supported"));
        }
        if let Some(transformer) = metadata.storage_transformers.first() {
            return Err(format!("is stored through '{}', which is not known", transformer.name()));
        }
        let (dtype, half) = element_type(&metadata.data_type)?;
        let data_type = DataType::from_metadata(&metadata.data_type).map_err(|e| e.to_string())?;
        let bad_fill = |_| "has a fill value that does not fit its data type".to_string();
        let fill = data_type.fill_value_v3(&metadata.fill_value).map_err(bad_fill)?;
        if fill.as_ne_bytes().len() != dtype.size() {
            return Err("has a fill value that does not fit its data type".into());
        }
        let keys = ChunkKeyEncoding::from_metadata(&metadata.chunk_key_encoding).map_err(|e| e.to_string())?;
        let stored = match short_name(metadata.chunk_grid.name()) {
            "regular" => lengths(&metadata.chunk_grid, "chunk_shape", rank)?,
            other => return Err(format!("has chunks in a '{other}' grid; regular ones are read")),
        };
        let mut found = Found { dtype, data_type, fill, unit: stored.clone(), shard: None };
        let chain = found.chain(&metadata.codecs)?;
        let Found { fill, unit, shard, .. } = found;
        Ok(Pixels {
            folder: node.folder.clone(),
            version: node.version,
            shape: metadata.shape.iter().copied().collect(),
            dtype,
            half,
            fill: element(dtype, fill.as_ne_bytes()),
            stored,
            unit,
            chain,
            shard,
            keys,
            codecs: codec_names(&metadata.codecs),
        })
    }

    /// The array with the axes that its dimension names give.
    pub fn spec(&self, names: &[Option<String>]) -> ArraySpec {
        let spec = ArraySpec::unnamed(&self.shape, self.dtype);
        let letters: Option<Vec<char>> = names.iter().map(|name| letter(name.as_deref()?)).collect();
        match letters {
            Some(letters) if letters.len() == spec.rank() && distinct(&letters) && !letters.is_empty() => {
                let axes = letters.into_iter().map(Axis::new).collect();
                ArraySpec { axes, named: true, ..spec }
            }
            _ => spec,
        }
    }

    /// Where the file of a chunk (or shard) is.
    pub fn file(&self, index: &[u64]) -> PathBuf {
        self.folder.join(self.keys.encode(index).as_str())
    }

    /// The most bytes that an encoded chunk has.
    pub fn encoded_bound(&self) -> u64 {
        self.chain.squeezes.iter().fold(self.chain.bytes, |bytes, squeeze| squeeze.encoded_bound(bytes))
    }
}

/// What is known so far of an array's chunks.
struct Found {
    dtype: DType,
    data_type: DataType,
    fill: FillValue,
    unit: Dims,
    shard: Option<Shard>,
}

impl Found {
    fn chain(&mut self, codecs: &[MetadataV3]) -> Result<Chain, String> {
        let (mut before, mut squeezes, mut place) = (Vec::new(), Vec::new(), None);
        for (i, codec) in codecs.iter().enumerate() {
            let name = short_name(codec.name());
            if let Some(squeeze) = Squeeze::of(codec) {
                squeezes.push(squeeze);
                continue;
            }
            match name {
                "sharding_indexed" if i == 0 && codecs.len() == 1 && self.shard.is_none() => {
                    return self.sharded(codec);
                }
                "sharding_indexed" => return Err("has shards inside other codecs, which are not read".into()),
                "bytes" | "endian" | "packbits" if place.is_none() => place = Some(codec),
                "transpose" | "bitround" | "fixedscaleoffset" | "squeeze" | "reshape" => before.push(codec),
                _ => return Err(format!("is encoded with '{}', which is not known", codec.name())),
            }
        }
        let place = place.ok_or("has no codec that says how elements become bytes")?;
        let (turn, bytes) = self.turn(&before, place)?;
        Ok(Chain { squeezes, bytes, turn })
    }

    fn sharded(&mut self, codec: &MetadataV3) -> Result<Chain, String> {
        let unit = lengths(codec, "chunk_shape", self.unit.len())?;
        if self.unit.iter().zip(&unit).any(|(whole, part)| whole % part != 0) {
            return Err(format!("has shards of {:?} that are not made of its chunks of {unit:?}", self.unit));
        }
        let grid: Dims = self.unit.iter().zip(&unit).map(|(whole, part)| whole / part).collect();
        let chunks = grid.iter().try_fold(16u64, |n, &g| n.checked_mul(g));
        if chunks.is_none_or(|bytes| bytes > 1 << 40) {
            return Err("has more chunks in a shard than any file holds".into());
        }
        let configuration = codec.configuration().ok_or("has shards that are not described")?;
        let list = |key: &str| -> Result<Vec<MetadataV3>, String> {
            let codecs = configuration.get(key).cloned().ok_or_else(|| format!("has shards without '{key}'"))?;
            serde_json::from_value(codecs).map_err(|e| format!("has shards with a broken '{key}': {e}"))
        };
        let at_start = match configuration.get("index_location").map(|v| v.as_str()) {
            None | Some(Some("end")) => false,
            Some(Some("start")) => true,
            Some(_) => return Err("has shards with an index_location that is neither start nor end".into()),
        };
        let (mut swapped, mut sums) = (None, 0);
        for index_codec in list("index_codecs")? {
            match short_name(index_codec.name()) {
                "bytes" | "endian" if swapped.is_none() => swapped = Some(is_swapped(&index_codec, 8)?),
                "crc32c" if swapped.is_some() => sums += 1,
                other => return Err(format!("has a shard index encoded with '{other}', which is not read")),
            }
        }
        let swapped = swapped.ok_or("has a shard index without 'bytes'")?;
        self.unit = unit;
        self.shard = Some(Shard { grid, at_start, swapped, sums });
        self.chain(&list("codecs")?)
    }

    fn turn(&self, before: &[&MetadataV3], place: &MetadataV3) -> Result<(Turn, u64), String> {
        let size = self.dtype.size() as u64;
        let elements = self.unit.iter().try_fold(size, |n, &d| n.checked_mul(d)).filter(|&n| n < 1 << 46);
        let bytes = elements.ok_or_else(|| format!("has chunks of {:?}, larger than any memory", self.unit))?;
        let simple = |c: &&MetadataV3| matches!(short_name(c.name()), "transpose" | "bitround");
        if short_name(place.name()) != "packbits" && before.iter().all(simple) {
            let swapped = is_swapped(place, self.dtype.size())?;
            return Ok((Turn::Plain { strides: self.strides(before)?, swapped }, bytes));
        }
        let metadata: Vec<MetadataV3> = before.iter().copied().chain([place]).cloned().collect();
        let chain = CodecChain::from_metadata(&metadata).map_err(|e| e.to_string())?;
        let shape: Vec<NonZeroU64> = self.unit.iter().filter_map(|&n| NonZeroU64::new(n)).collect();
        let size = chain.encoded_representation(&shape, &self.data_type, &self.fill).map_err(|e| e.to_string())?;
        let BytesRepresentation::FixedSize(bytes) = size else {
            return Err("has chunks of no fixed size".into());
        };
        let options = quiet_options().ok_or("cannot be read: no thread could be started")?;
        let (dtype, fill) = (self.data_type.clone(), self.fill.clone());
        Ok((Turn::Chain { chain: Box::new(chain), shape, dtype, fill, options }, bytes))
    }

    /// Distances between neighbours along the array's axes in a chunk whose axes were transposed.
    fn strides(&self, before: &[&MetadataV3]) -> Result<Dims, String> {
        let rank = self.unit.len();
        // Which axis of the array each axis of the stored chunk is.
        let mut axes: Vec<usize> = (0..rank).collect();
        for codec in before.iter().filter(|c| short_name(c.name()) == "transpose") {
            let order = codec.configuration().and_then(|c| c.get("order")).and_then(Value::as_array);
            let order: Option<Vec<usize>> = order.and_then(|o| o.iter().map(|v| Some(v.as_u64()? as usize)).collect());
            let order = order.filter(|o| (0..rank).all(|a| o.contains(&a)) && o.len() == rank);
            let order = order.ok_or("has a transpose that is no order of its axes")?;
            axes = order.iter().map(|&a| axes[a]).collect();
        }
        let mut strides: Dims = self.unit.clone();
        let mut step = 1;
        for &axis in axes.iter().rev() {
            strides[axis] = step;
            step *= self.unit[axis];
        }
        Ok(strides)
    }
}

/// A list of lengths above zero, one per axis.
fn lengths(metadata: &MetadataV3, key: &str, rank: usize) -> Result<Dims, String> {
    let list = metadata.configuration().and_then(|c| c.get(key)).and_then(Value::as_array);
    let list = list.filter(|l| l.len() == rank).ok_or_else(|| format!("has no '{key}' of {rank} lengths"))?;
    let lengths: Option<Dims> = list.iter().map(|v| v.as_u64().filter(|&n| n > 0)).collect();
    lengths.ok_or_else(|| format!("has a '{key}' that is not made of lengths above zero"))
}

/// Whether elements of that many bytes are stored in the other byte order.
fn is_swapped(codec: &MetadataV3, size: usize) -> Result<bool, String> {
    let endian = codec.configuration().and_then(|c| c.get("endian"));
    match endian.and_then(Value::as_str) {
        Some("little") => Ok(cfg!(target_endian = "big")),
        Some("big") => Ok(cfg!(target_endian = "little")),
        _ if size == 1 => Ok(false),
        _ => Err("does not say in which byte order it is".into()),
    }
}

/// The type as it is read, and whether it stands for halves.
fn element_type(metadata: &MetadataV3) -> Result<(DType, bool), String> {
    let name = metadata.name();
    if name == "float16" {
        return Ok((DType::U16, true));
    }
    DType::from_name(name).map(|dtype| (dtype, false)).ok_or_else(|| {
        let known: Vec<_> = DType::ALL.iter().map(|d| d.name()).collect();
        format!("holds elements of type '{name}'; known are float16, {}", known.join(", "))
    })
}

/// One element as our buffers hold it.
fn element(dtype: DType, bytes: &[u8]) -> Vec<u8> {
    match dtype {
        DType::Bool => bytes.iter().map(|&b| u8::from(b != 0)).collect(),
        _ => bytes.to_vec(),
    }
}

/// The letter of an axis that is called so.
pub(super) fn letter(name: &str) -> Option<char> {
    let lower = name.to_lowercase();
    match lower.as_str() {
        "time" => return Some('t'),
        "channel" | "channels" => return Some('c'),
        _ => {}
    }
    let mut chars = lower.chars();
    chars.next().filter(|c| c.is_ascii_lowercase() && chars.next().is_none())
}

pub(super) fn distinct(letters: &[char]) -> bool {
    letters.iter().collect::<HashSet<_>>().len() == letters.len()
}

/// The codecs' names; those inside a shard stand for it.
fn codec_names(codecs: &[MetadataV3]) -> Vec<String> {
    let one = |codec: &MetadataV3| {
        let inner = codec.configuration().filter(|_| short_name(codec.name()) == "sharding_indexed");
        let inner = inner.and_then(|c| serde_json::from_value::<Vec<MetadataV3>>(c.get("codecs")?.clone()).ok());
        match inner {
            Some(inner) => inner.iter().map(codec_name).collect(),
            None => vec![codec_name(codec)],
        }
    };
    codecs.iter().flat_map(one).collect()
}

fn codec_name(codec: &MetadataV3) -> String {
    let name = short_name(codec.name());
    let inner = codec.configuration().and_then(|c| c.get("cname")).and_then(Value::as_str);
    match inner.filter(|_| name == "blosc") {
        Some(inner) => format!("blosc ({inner})"),
        None => name.to_string(),
    }
}
