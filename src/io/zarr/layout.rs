//! How an output is laid out: version, order of axes, chunks, shards, levels, compressor.

use super::ngff;
use super::store::{self, Node};
use crate::array::{ArraySpec, Axis, Dims, grid_len};
use crate::error::{Error, Result};
use crate::io::CreateOptions;
use crate::io::kind::is_ome;
use crate::io::pyramid::{self, Method};
use std::path::Path;

/// The most bytes of a chunk that is chosen for the user.
const CHUNK: u64 = 1 << 20;

/// From so many chunks on they are gathered in shards …
const MANY: u64 = 1000;

/// … of at most so many bytes before compression.
const SHARD: u64 = 64 << 20;

/// Levels are added until no axis that is halved is longer.
const SMALLEST: u64 = 256;

/// What is written where.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// The array as it is stored: for OME-Zarr its axes are in another order than those of the tiles perhaps.
    pub spec: ArraySpec,
    /// Which axis of the tiles each stored axis is.
    pub order: Vec<usize>,
    /// 2 or 3.
    pub version: u8,
    /// The version of OME-Zarr; `None` for a plain array.
    pub ome: Option<&'static str>,
    /// Whether it is a label image below another image.
    pub label: bool,
    pub chunk: Dims,
    pub shard: Option<Dims>,
    pub squeeze: Pack,
    pub method: Method,
    /// Which stored axes a pyramid halves.
    pub halved: Vec<bool>,
    /// The shapes of all levels, the full image first.
    pub levels: Vec<Dims>,
}

/// How chunks are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pack {
    None,
    Zstd(i32),
    Gzip(u32),
    Blosc(u8),
}

impl Pack {
    fn parse(text: &str) -> Result<Self, String> {
        let (name, level) = text.split_once(':').map_or((text, None), |(name, level)| (name, Some(level)));
        let level = |default: i32, most: i32| match level {
            None => Ok(default),
            Some(text) => text
                .parse()
                .ok()
                .filter(|l| (0..=most).contains(l))
                .ok_or_else(|| format!("`compression`: '{text}' is not a level of {name}, 0 to {most}")),
        };
        match name {
            "none" => Ok(Pack::None),
            "zstd" => Ok(Pack::Zstd(level(3, 19)?)),
            "gzip" => Ok(Pack::Gzip(level(6, 9)? as u32)),
            "blosc" => Ok(Pack::Blosc(level(5, 9)? as u8)),
            _ => Err(format!("`compression`: '{name}' is not one of none, zstd, gzip, blosc")),
        }
    }
}

impl Layout {
    /// Decides everything about an output.
    ///
    /// # Errors
    /// When the format cannot hold such an array or an option makes no sense.
    pub fn new(path: &Path, spec: &ArraySpec, options: &CreateOptions) -> Result<Self> {
        let wrong = |what: String| Error::Usage(format!("{}: {what}", path.display()));
        if let Some(name) =
            options.beyond(&["chunks", "shards", "compression", "pyramid", "downsample", "format_version"])
        {
            return Err(wrong(format!("Zarr has no option `{name}`")));
        }
        let image = image_above(path)?;
        let (version, ome) = versions(path, options.format_version.as_deref(), image).map_err(wrong)?;
        let order = if ome.is_some() { ngff::order(spec).map_err(wrong)? } else { (0..spec.rank()).collect() };
        let stored = ArraySpec {
            shape: order.iter().map(|&a| spec.shape[a]).collect(),
            axes: order.iter().map(|&a| spec.axes[a].clone()).collect(),
            ..spec.clone()
        };
        let method = Method::of(options.downsample.as_deref(), spec.dtype).map_err(wrong)?;
        if ome.is_none() && (options.pyramid == Some(true) || options.downsample.is_some()) {
            return Err(wrong("a plain Zarr array has no pyramid; .ome.zarr has".into()));
        }
        let halved = halved_axes(&stored);
        let smallest = if ome.is_some() && options.pyramid != Some(false) { SMALLEST } else { u64::MAX };
        let levels = pyramid::shapes(&stored.shape, &halved, smallest);
        let given = |lengths: &Option<Vec<u64>>, name: &str, rest: &Dims| match lengths {
            None => Ok(None),
            Some(l) if l.len() > spec.rank() || l.contains(&0) => {
                Err(wrong(format!("`{name}`: {l:?} are not lengths for {} axes", spec.rank())))
            }
            Some(l) => Ok(Some(per_axis(l, &order, rest))),
        };
        let chosen = chunk_shape(&stored);
        let ones: Dims = chosen.iter().map(|_| 1).collect();
        let chunk = given(&options.chunks, "chunks", &ones)?.unwrap_or(chosen);
        let shard = match given(&options.shards, "shards", &chunk)? {
            Some(_) if version == 2 => return Err(wrong("`shards`: Zarr version 2 has none".into())),
            Some(shard) if shard.iter().zip(&chunk).any(|(s, c)| s % c != 0) => {
                return Err(wrong(format!("`shards`: {shard:?} are not made of whole chunks of {chunk:?}")));
            }
            Some(shard) => Some(shard),
            None if version == 3 && options.chunks.is_none() => shard_shape(&stored, &chunk),
            None => None,
        };
        let squeeze = Pack::parse(options.compression.as_deref().unwrap_or("zstd")).map_err(wrong)?;
        let label = image.is_some();
        Ok(Layout { spec: stored, order, version, ome, label, chunk, shard, squeeze, method, halved, levels })
    }

    /// What one file holds.
    pub fn stored_unit(&self) -> &Dims {
        self.shard.as_ref().unwrap_or(&self.chunk)
    }

    /// Bytes of a chunk.
    pub fn chunk_bytes(&self) -> u64 {
        self.chunk.iter().fold(self.spec.dtype.size() as u64, |n, &c| n.saturating_mul(c))
    }

    /// The boxes that tiles are made of, in stored order: whole chunks, and pairs of pixels where they are halved.
    pub fn unit(&self) -> Dims {
        let odd = |a: usize| self.levels.len() > 1 && self.halved[a] && self.chunk[a] % 2 == 1;
        (0..self.chunk.len()).map(|a| if odd(a) { 2 * self.chunk[a] } else { self.chunk[a] }).collect()
    }
}

/// The OME-Zarr version of the image whose labels the path lies among.
fn image_above(path: &Path) -> Result<Option<&'static str>> {
    let labels = path.parent().filter(|p| p.file_name().is_some_and(|n| n == "labels"));
    let Some(image) = labels.and_then(Path::parent) else { return Ok(None) };
    let Some(Node::Group(group)) = store::node(image)? else { return Ok(None) };
    if !ngff::ome(&group).contains_key("multiscales") {
        return Ok(None);
    }
    Ok(Some(if image.join("zarr.json").is_file() { "0.5" } else { "0.4" }))
}

fn versions(
    path: &Path,
    asked: Option<&str>,
    image: Option<&'static str>,
) -> Result<(u8, Option<&'static str>), String> {
    let ome = is_ome(path) || image.is_some();
    let found = match asked {
        None if ome => (if image == Some("0.4") { 2 } else { 3 }, Some(image.unwrap_or("0.5"))),
        None => (3, None),
        Some("2") if !ome => (2, None),
        Some("3") if !ome => (3, None),
        Some("0.4") => (2, Some("0.4")),
        Some("0.5") => (3, Some("0.5")),
        Some(other) if ome => return Err(format!("`format_version`: '{other}' is not one of 0.4, 0.5")),
        Some(other) => return Err(format!("`format_version`: '{other}' is not one of 2, 3, 0.4, 0.5")),
    };
    match image {
        Some(version) if found.1 != Some(version) => {
            Err(format!("`format_version`: the image above is of version {version}"))
        }
        _ => Ok(found),
    }
}

/// Lengths for the last axes of the tiles, brought into stored order; those not given are taken from `rest`.
fn per_axis(lengths: &[u64], order: &[usize], rest: &Dims) -> Dims {
    let skipped = order.len() - lengths.len();
    let length = |(i, &axis): (usize, &usize)| axis.checked_sub(skipped).map_or(rest[i], |a| lengths[a]);
    order.iter().enumerate().map(length).collect()
}

/// A chunk as close to a cube of at most [`CHUNK`] bytes as the axes allow; other axes have length one, but for colours.
fn chunk_shape(spec: &ArraySpec) -> Dims {
    let rank = spec.rank();
    let cubic = spec.filter_axes();
    let cubic: Vec<usize> = cubic[cubic.len().saturating_sub(3)..].to_vec();
    let mut chunk: Dims = (0..rank).map(|_| 1).collect();
    // Colours of a photograph lie together.
    if rank > 1 && spec.axes[rank - 1].name == 'c' && spec.shape[rank - 1] <= 4 {
        chunk[rank - 1] = spec.shape[rank - 1].max(1);
    }
    let bytes = |chunk: &Dims| chunk.iter().product::<u64>() * spec.dtype.size() as u64;
    loop {
        let growing = cubic.iter().filter(|&&a| chunk[a] < spec.shape[a]).min_by_key(|&&a| (chunk[a], rank - a));
        let Some(&axis) = growing else { return chunk };
        let mut larger = chunk.clone();
        larger[axis] = (2 * chunk[axis]).min(spec.shape[axis]);
        if bytes(&larger) > CHUNK {
            return chunk;
        }
        chunk = larger;
    }
}

/// Shards for arrays of many chunks.
fn shard_shape(spec: &ArraySpec, chunk: &Dims) -> Option<Dims> {
    if grid_len(&spec.shape, chunk) < MANY {
        return None;
    }
    let mut shard = chunk.clone();
    let bytes = |shard: &Dims| shard.iter().product::<u64>() * spec.dtype.size() as u64;
    loop {
        let growing = (0..spec.rank()).filter(|&a| shard[a] < spec.shape[a]);
        let Some(axis) = growing.min_by_key(|&a| (shard[a] / chunk[a], spec.rank() - a)) else { break };
        let mut larger = shard.clone();
        larger[axis] *= 2;
        if bytes(&larger) > SHARD {
            break;
        }
        shard = larger;
    }
    (shard != *chunk).then_some(shard)
}

/// The axes that a pyramid halves: `y` and `x`, and `z` unless its pixels are known to be twice as far apart or more.
fn halved_axes(spec: &ArraySpec) -> Vec<bool> {
    let size = |letter: char| spec.axis(letter).and_then(|a| spec.axes[a].size);
    let flat = size('z').zip(size('x')).is_some_and(|(z, x)| z >= 2.0 * x);
    spec.axes.iter().map(|axis: &Axis| matches!(axis.name, 'x' | 'y') || (axis.name == 'z' && !flat)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::DType;

    fn chunk(shape: &[u64], dtype: DType, letters: &str) -> Dims {
        chunk_shape(&ArraySpec::with_axes(shape, dtype, letters))
    }

    #[test]
    fn chunks_are_cubes_of_a_mebibyte_at_most() {
        assert_eq!(chunk(&[9000, 9000], DType::U8, "yx")[..], [1024, 1024]);
        assert_eq!(chunk(&[9000, 9000], DType::U16, "yx")[..], [512, 1024]);
        assert_eq!(chunk(&[9000, 9000], DType::F32, "yx")[..], [512, 512]);
        assert_eq!(chunk(&[5, 2, 900, 900, 900], DType::F32, "tczyx")[..], [1, 1, 64, 64, 64]);
        assert_eq!(chunk(&[3, 900, 900], DType::U16, "zyx")[..], [3, 256, 512]);
        assert_eq!(chunk(&[900, 900, 3], DType::U8, "yxc")[..], [512, 512, 3]);
        assert_eq!(chunk(&[7, 5], DType::U16, "yx")[..], [7, 5]);
        assert_eq!(chunk_shape(&ArraySpec::unnamed(&[], DType::U8)).len(), 0);
        assert_eq!(chunk_shape(&ArraySpec::unnamed(&[0, 4], DType::U8))[..], [1, 4]);
    }

    #[test]
    fn many_chunks_are_gathered_in_shards() {
        let spec = ArraySpec::with_axes(&[2000, 2000, 2000], DType::U16, "zyx");
        let chunk = chunk_shape(&spec);
        let shard = shard_shape(&spec, &chunk).unwrap();
        assert!(shard.iter().product::<u64>() * 2 <= SHARD && shard.iter().zip(&chunk).all(|(s, c)| s % c == 0));
        assert_eq!(
            shard_shape(&ArraySpec::with_axes(&[900, 900], DType::U8, "yx"), &[512, 512].into_iter().collect()),
            None
        );
    }

    #[test]
    fn lengths_are_for_the_last_axes() {
        let ones: Dims = [1, 1, 1].into_iter().collect();
        assert_eq!(per_axis(&[4, 5], &[0, 1, 2], &ones)[..], [1, 4, 5]);
        assert_eq!(per_axis(&[4, 5, 3], &[2, 0, 1], &ones)[..], [3, 4, 5]);
        assert_eq!(per_axis(&[5], &[2, 0, 1], &ones)[..], [5, 1, 1]);
    }
}
