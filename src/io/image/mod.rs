//! JPEG and PNG. Small PNGs, interlaced ones and JPEGs are decoded whole, one chunk being the whole image; large PNGs row
//! by row from the top. Both are encoded whole.

mod jpeg;
mod png;
mod rows;
mod sink;

pub use jpeg::open_jpeg;
pub use png::open_png;
pub use sink::{create_jpeg, create_png};

use super::strided::shape_text;
use super::{Access, Facts, Layout, ReadBill, Reader, Source};
use crate::array::{ArraySpec, Buffer, DType, Region, View, ViewMut, copy, merge_axes};
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An image that is decoded whole.
#[derive(Debug)]
struct WholeImage {
    path: PathBuf,
    len: u64,
    spec: ArraySpec,
    facts: Facts,
    bill: u64,
    decode: Decode,
    /// Why no part of it can be had.
    why: Option<&'static str>,
}

/// Decodes the file into a buffer of exactly the image's size.
type Decode = fn(&WholeImage, &mut [u8]) -> Result<()>;

impl Source for Arc<WholeImage> {
    fn spec(&self) -> &ArraySpec {
        &self.spec
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn layout(&self) -> Layout {
        Layout::Chunked { chunk: self.spec.shape.clone() }
    }

    fn bill(&self, _: Access) -> ReadBill {
        ReadBill { per_reader: self.bill, shared: 0 }
    }

    fn facts(&self) -> Facts {
        self.facts.clone()
    }

    fn reader(&self, _: Access) -> Result<Box<dyn Reader>> {
        Ok(Box::new(WholeReader { image: Arc::clone(self) }))
    }

    fn why(&self) -> Option<String> {
        self.why.map(|why| format!("{} is decoded whole, whatever the tile: {why}", self.path.display()))
    }

    fn path(&self) -> Option<&Path> {
        Some(&self.path)
    }
}

struct WholeReader {
    image: Arc<WholeImage>,
}

impl Reader for WholeReader {
    fn read(&mut self, at: &Region, mut out: ViewMut<'_>) -> Result<()> {
        let image = &*self.image;
        if *at != Region::whole(&image.spec.shape) {
            return Err(Error::format(&image.path, format!("is read whole, not as {}", shape_text(&at.shape))));
        }
        let (rows, [strides]) = merge_axes(out.shape(), [out.strides()]);
        if rows.len() == 1 && strides[0] == 1 {
            return (image.decode)(image, out.data_mut());
        }
        // Chunks are decoded into buffers of their own, without gaps; this is for callers that do otherwise.
        let mut whole = Buffer::new(image.spec.bytes() as usize)?;
        (image.decode)(image, whole.bytes_mut())?;
        copy(&mut out, &View::new(image.spec.dtype, &image.spec.shape, whole.bytes()));
        Ok(())
    }
}

/// The array of an image: `yx` for one channel, else `yxc`.
fn image_spec(width: u64, height: u64, channels: u64, dtype: DType) -> ArraySpec {
    match channels {
        1 => ArraySpec::with_axes(&[height, width], dtype, "yx"),
        n => ArraySpec::with_axes(&[height, width, n], dtype, "yxc"),
    }
}
