//! Writing: plain strips where nothing is asked for, else tiles that the workers compress, with OME-XML and smaller copies
//! for `.ome.tif`.

mod directory;
mod encode;
mod omexml;
mod strips;
mod tiles;

use super::shaped::Shaped;
use crate::array::{ArraySpec, DType};
use crate::error::{Error, Result};
use crate::io::kind::is_ome;
use crate::io::strided::shape_text;
use crate::io::units::per_centimeter;
use crate::io::{CreateOptions, Sink};
use std::path::Path;

/// Classic TIFF up to this size, BigTIFF above: 4 GiB, less a margin for programs that add tags.
const MAX_CLASSIC: u64 = (4 << 30) - (16 << 20);

/// The options that a TIFF has.
pub const OPTIONS: [&str; 4] = ["chunks", "compression", "pyramid", "downsample"];

/// Makes a TIFF output.
///
/// # Errors
/// When it may not be written there, a TIFF cannot hold such an array, or an option makes no sense.
pub fn create(path: &Path, spec: &ArraySpec, options: &CreateOptions) -> Result<Box<dyn Sink>> {
    let ome = is_ome(path);
    let plain = !ome && options.chunks.is_none() && options.compression.is_none() && options.pyramid != Some(true);
    match plain {
        true => strips::create(path, spec, options.overwrite),
        false => tiles::create(path, spec, options, ome),
    }
}

/// An array as pages: those of its axes that are in a page, and what goes for all of them.
#[derive(Clone, Debug)]
struct Pages {
    count: u64,
    height: u64,
    width: u64,
    samples: u64,
    /// Whether the channels are red, green, blue (and opacity).
    colour: bool,
    dtype: DType,
    description: Option<String>,
    /// Pixels per centimetre along x and y.
    resolution: Option<[(u32, u32); 2]>,
}

impl Pages {
    fn new(spec: &ArraySpec) -> Result<Self, String> {
        let rank = spec.rank();
        let channels = spec.named && rank > 2 && spec.axes[rank - 1].name == 'c';
        let inner = if channels { 3 } else { 2 };
        if rank < 2 {
            return Err(format!("a TIFF has at least two axes, this array has {rank}; .npy holds any"));
        }
        if spec.elements() == 0 {
            return Err(format!("a TIFF cannot be empty ({})", shape_text(&spec.shape)));
        }
        let (lead, page) = spec.shape.split_at(rank - inner);
        let (height, width) = (page[0], page[1]);
        let samples = if channels { page[2] } else { 1 };
        if height.max(width) > u64::from(u32::MAX) || samples > u64::from(u16::MAX) {
            return Err(format!("the pages of a TIFF cannot be as large as {}", shape_text(page)));
        }
        let count = lead.iter().product();
        let axes = &spec.axes[rank - inner..];
        Ok(Pages {
            count,
            height,
            width,
            samples,
            colour: matches!(samples, 3 | 4),
            dtype: spec.dtype,
            description: Shaped::describe(spec, count, samples > 1),
            resolution: per_centimeter([&axes[1], &axes[0]]).and_then(|[x, y]| Some([fraction(x)?, fraction(y)?])),
        })
    }
}

/// A number as a fraction with as many digits as two 32-bit numbers hold.
fn fraction(value: f64) -> Option<(u32, u32)> {
    let powers = (0..10).rev().map(|n| 10f64.powi(n));
    let d = powers.into_iter().find(|d| value * d <= f64::from(u32::MAX))?;
    let n = (value * d).round();
    (n >= 1.0).then_some((n as u32, d as u32))
}

/// A message about an output.
fn usage(path: &Path, what: impl std::fmt::Display) -> Error {
    Error::Usage(format!("{}: {what}", path.display()))
}
