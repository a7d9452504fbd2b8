//! Which format a path is, to read and to write.

use super::kind::{Kind, ending};
use super::{Sink, Source, npy, raw, stack};
use crate::array::{ArraySpec, Axis};
use crate::error::{Error, Result, one_line};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// What the user says about an input beyond its path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// One letter per axis, in place of what the file says.
    pub axes: Option<String>,
    /// Which level of a pyramid; 0 is the full resolution.
    pub level: Option<u32>,
}

/// What the user says about an output beyond its path. A format refuses what it does not have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateOptions {
    /// Whether an existing output may be replaced.
    pub overwrite: bool,
    /// Shape of a chunk (a TIFF tile, a Zarr chunk), one length per axis or for the last axes only.
    pub chunks: Option<Vec<u64>>,
    /// Shape of a shard, as `chunks`.
    pub shards: Option<Vec<u64>>,
    /// `none`, or a codec of the format, with a level where it has levels: `zstd`, `deflate:6`.
    pub compression: Option<String>,
    /// Whether to write an image pyramid; where it is not said, formats of the OME family get one when the image is
    /// large and others get none.
    pub pyramid: Option<bool>,
    /// How a level of the pyramid is made of the one before: `mean`, `nearest` or `mode`.
    pub downsample: Option<String>,
    /// The version of the format: `2` or `3` for Zarr, `0.4` or `0.5` for OME-Zarr.
    pub format_version: Option<String>,
    /// 1 to 100, for JPEG.
    pub quality: Option<u8>,
}

impl CreateOptions {
    /// The first option besides `overwrite` and those in `known` that is given, for formats that have no more.
    pub(super) fn beyond(&self, known: &[&str]) -> Option<&'static str> {
        let given = [
            ("chunks", self.chunks.is_some()),
            ("shards", self.shards.is_some()),
            ("compression", self.compression.is_some()),
            ("pyramid", self.pyramid.is_some()),
            ("downsample", self.downsample.is_some()),
            ("format_version", self.format_version.is_some()),
            ("quality", self.quality.is_some()),
        ];
        given.into_iter().find(|(name, given)| *given && !known.contains(name)).map(|(name, _)| name)
    }
}

/// What can be written, for messages.
const WRITABLE: &str = ".npy, .zarr, .ome.zarr, .tif, .tiff, .ome.tif, .png, .jpg, raw:PATH";

/// What can be read, for messages.
const READABLE: &str = ".npy, TIFF, Zarr, OME-Zarr, PNG, JPEG, raw:PATH?shape=…&dtype=…";

/// Opens an image: by its first bytes, or by a description (`raw:PATH?shape=…&dtype=…`). A pattern (`plate/*.tif`) or a
/// folder is a stack: its files as one array. Only headers are read.
///
/// # Errors
/// When the file is missing, not readable, of an unknown format, or not what it claims to be.
pub fn open(path: &str, options: &OpenOptions) -> Result<Arc<dyn Source>> {
    if stack::is_glob(path) {
        return stack::open_glob(path, options);
    }
    let folder = Path::new(path);
    if folder.is_dir() && !is_zarr(folder) {
        return stack::open_folder(path, options);
    }
    open_one(path, options)
}

/// The paths of the files that [`open`] makes a stack of, in natural order: those that match a pattern, or the images in
/// a folder. A path that is neither stands for itself.
///
/// # Errors
/// When there are none, or those of a folder are of several formats.
pub fn files(path: &str) -> Result<Vec<String>> {
    let folder = Path::new(path);
    match folder.is_dir() && !is_zarr(folder) {
        true => stack::files_of_folder(path),
        false if stack::is_glob(path) => stack::files_of_glob(path),
        false => Ok(vec![path.to_string()]),
    }
}

/// Opens a single image.
///
/// # Errors
/// As [`open`].
pub(super) fn open_one(path: &str, options: &OpenOptions) -> Result<Arc<dyn Source>> {
    let folder = Path::new(path);
    if is_zarr(folder) {
        return open_zarr(folder, options);
    }
    let only_level = || match options.level {
        Some(level @ 1..) => Err(Error::Usage(format!("{path}: has only level 0, not {level}"))),
        _ => Ok(()),
    };
    if let Some(described) = path.strip_prefix(raw::PREFIX) {
        only_level()?;
        return raw::open(described, options);
    }
    let file = Path::new(path);
    if file.is_dir() {
        return Err(Error::format(file, "is a folder, not an image"));
    }
    let format = format_of(&first_bytes(file)?);
    if format != Some(Format::Tiff) {
        only_level()?;
    }
    match format {
        Some(Format::Npy) => npy::open(file, options),
        Some(Format::Tiff) => open_tiff(file, options),
        Some(Format::Png) => open_png(file, options),
        Some(Format::Jpeg) => open_jpeg(file, options),
        None => Err(Error::format(file, unknown(file))),
    }
}

/// Prepares an output, by the path's ending. Nothing is touched before [`Sink::begin`].
///
/// # Errors
/// When the ending is unknown, the format cannot hold such an array or has no such option, the output exists and
/// `overwrite` is false, or its folder is missing.
pub fn create_with(path: &str, spec: &ArraySpec, options: &CreateOptions) -> Result<Box<dyn Sink>> {
    let overwrite = options.overwrite;
    let plain = |known: &[&str]| match options.beyond(known) {
        Some(name) => Err(Error::Usage(format!("{path}: this format has no option `{name}`"))),
        None => Ok(()),
    };
    let file = Path::new(path.trim_end_matches('/'));
    match Kind::of(path, options) {
        Some(Kind::Raw) => {
            let described = path.strip_prefix(raw::PREFIX).unwrap_or(path);
            plain(&[]).and_then(|()| raw::create(described, spec, overwrite))
        }
        Some(Kind::Npy) => plain(&[]).and_then(|()| npy::create(file, spec, overwrite)),
        Some(Kind::Tiff | Kind::OmeTiff) => plain(&TIFF_OPTIONS).and_then(|()| create_tiff(file, spec, options)),
        Some(Kind::Png) => plain(&[]).and_then(|()| create_png(file, spec, overwrite)),
        Some(Kind::Jpeg) => plain(&["quality"]).and_then(|()| create_jpeg(file, spec, overwrite, options.quality)),
        Some(Kind::Zarr | Kind::OmeZarr) => create_zarr(file, spec, options),
        None => Err(Error::Usage(format!("{path}: unknown ending; can be written: {WRITABLE}"))),
    }
}

/// [`create_with`] the format's defaults.
///
/// # Errors
/// As [`create_with`].
pub fn create(path: &str, spec: &ArraySpec, overwrite: bool) -> Result<Box<dyn Sink>> {
    create_with(path, spec, &CreateOptions { overwrite, ..CreateOptions::default() })
}

/// Formats that show in the first bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Npy,
    Tiff,
    Png,
    Jpeg,
}

const MAGICS: [(&[u8], Format); 7] = [
    (npy::MAGIC, Format::Npy),
    (b"II*\0", Format::Tiff),
    (b"MM\0*", Format::Tiff),
    (b"II+\0", Format::Tiff),
    (b"MM\0+", Format::Tiff),
    (b"\x89PNG\r\n\x1a\n", Format::Png),
    (b"\xff\xd8\xff", Format::Jpeg),
];

fn format_of(first: &[u8]) -> Option<Format> {
    MAGICS.iter().find(|(magic, _)| first.starts_with(magic)).map(|&(_, format)| format)
}

fn first_bytes(path: &Path) -> Result<Vec<u8>> {
    let mut first = Vec::new();
    let file = File::open(path).map_err(|e| Error::io(path, "cannot be opened", e))?;
    file.take(8).read_to_end(&mut first).map_err(|e| Error::io(path, "cannot be read", e))?;
    if first.is_empty() {
        return Err(Error::format(path, "is empty"));
    }
    Ok(first)
}

fn unknown(path: &Path) -> String {
    match ending(path).as_str() {
        "npy" => "is not a .npy file, whatever its name says".into(),
        "tif" | "tiff" => "is not a TIFF file, whatever its name says".into(),
        "png" => "is not a PNG file, whatever its name says".into(),
        "jpg" | "jpeg" => "is not a JPEG file, whatever its name says".into(),
        _ => format!("is in no known format; can be read: {READABLE}"),
    }
}

/// Whether a path is that of a label image below an OME-Zarr image: `image.ome.zarr/labels/cells`.
pub(super) fn is_label(path: &Path) -> bool {
    let labels = path.parent().filter(|p| p.file_name().is_some_and(|name| name == "labels"));
    labels.and_then(Path::parent).is_some_and(is_zarr)
}

/// Gives an array the axes that the user named.
///
/// # Errors
/// When the letters do not fit the array.
pub(super) fn name_axes(mut spec: ArraySpec, options: &OpenOptions, path: &Path) -> Result<ArraySpec> {
    let Some(letters) = &options.axes else {
        return Ok(spec);
    };
    let wrong = |what: String| Error::Usage(one_line(format!("{}: axes=\"{letters}\": {what}", path.display())));
    let names: Vec<char> = letters.chars().collect();
    if names.len() != spec.rank() {
        return Err(wrong(format!("{} letters for an array of {} axes", names.len(), spec.rank())));
    }
    if let Some(bad) = names.iter().find(|c| !c.is_ascii_lowercase()) {
        return Err(wrong(format!("'{bad}' is not a small letter")));
    }
    if let Some(twice) = names.iter().enumerate().find(|(i, c)| names[..*i].contains(c)) {
        return Err(wrong(format!("'{}' stands there twice", twice.1)));
    }
    spec.axes = names.iter().zip(spec.axes).map(|(&name, axis)| Axis { name, ..axis }).collect();
    spec.named = true;
    Ok(spec)
}

#[cfg(feature = "tiff")]
use super::tiff::{OPTIONS as TIFF_OPTIONS, create as create_tiff, open as open_tiff};

#[cfg(feature = "image")]
use super::image::{create_jpeg, create_png, open_jpeg, open_png};

#[cfg(feature = "zarr")]
use super::zarr::{create as create_zarr, is_node as is_zarr, open as open_zarr};

#[cfg(not(all(feature = "tiff", feature = "image", feature = "zarr")))]
mod left_out {
    use super::*;

    pub(super) fn cannot_open(path: &Path, feature: &str) -> Result<Arc<dyn Source>> {
        Err(Error::format(path, format!("this tilewise was built without the feature '{feature}' that reads it")))
    }

    pub(super) fn cannot_create(path: &Path, feature: &str) -> Result<Box<dyn Sink>> {
        let path = path.display();
        Err(Error::Usage(format!("{path}: this tilewise was built without the feature '{feature}' that writes it")))
    }
}

#[cfg(not(feature = "tiff"))]
fn open_tiff(path: &Path, _: &OpenOptions) -> Result<Arc<dyn Source>> {
    left_out::cannot_open(path, "tiff")
}

#[cfg(not(feature = "tiff"))]
const TIFF_OPTIONS: [&str; 0] = [];

#[cfg(not(feature = "tiff"))]
fn create_tiff(path: &Path, _: &ArraySpec, _: &CreateOptions) -> Result<Box<dyn Sink>> {
    left_out::cannot_create(path, "tiff")
}

#[cfg(not(feature = "image"))]
fn open_png(path: &Path, _: &OpenOptions) -> Result<Arc<dyn Source>> {
    left_out::cannot_open(path, "image")
}

#[cfg(not(feature = "image"))]
fn open_jpeg(path: &Path, _: &OpenOptions) -> Result<Arc<dyn Source>> {
    left_out::cannot_open(path, "image")
}

#[cfg(not(feature = "image"))]
fn create_png(path: &Path, _: &ArraySpec, _: bool) -> Result<Box<dyn Sink>> {
    left_out::cannot_create(path, "image")
}

#[cfg(not(feature = "zarr"))]
fn is_zarr(path: &Path) -> bool {
    path.join("zarr.json").is_file() || path.join(".zarray").is_file() || path.join(".zgroup").is_file()
}

#[cfg(not(feature = "zarr"))]
fn create_zarr(path: &Path, _: &ArraySpec, _: &CreateOptions) -> Result<Box<dyn Sink>> {
    left_out::cannot_create(path, "zarr")
}

#[cfg(not(feature = "zarr"))]
fn open_zarr(path: &Path, _: &OpenOptions) -> Result<Arc<dyn Source>> {
    left_out::cannot_open(path, "zarr")
}

#[cfg(not(feature = "image"))]
fn create_jpeg(path: &Path, _: &ArraySpec, _: bool, _: Option<u8>) -> Result<Box<dyn Sink>> {
    left_out::cannot_create(path, "image")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::DType;

    #[test]
    fn axes_are_one_distinct_letter_each() {
        let spec = ArraySpec::unnamed(&[2, 3], DType::U8);
        let named = |axes: &str| {
            let options = OpenOptions { axes: Some(axes.into()), level: None };
            name_axes(spec.clone(), &options, Path::new("a.npy"))
        };
        let good = named("yx").unwrap();
        assert!(good.named && good.letters() == "yx");
        for (axes, part) in [("x", "1 letters"), ("xx", "twice"), ("Yx", "small"), ("é1", "small")] {
            assert!(named(axes).unwrap_err().to_string().contains(part), "{axes}");
        }
    }

    #[test]
    fn outputs_are_told_by_their_ending() {
        let folder = tempfile::tempdir().unwrap();
        let spec = ArraySpec::unnamed(&[2, 3], DType::U8);
        let error =
            |name: &str| create(folder.path().join(name).to_str().unwrap(), &spec, false).unwrap_err().to_string();
        #[cfg(feature = "zarr")]
        assert!(create(folder.path().join("a.zarr/").to_str().unwrap(), &spec, false).is_ok());
        let jpeg = create(folder.path().join("a.JPG").to_str().unwrap(), &spec, false);
        assert_eq!(jpeg.is_ok(), cfg!(feature = "image"));
        assert!(error("a").contains(".npy"));
        assert!(error("no/a.npy").contains("does not exist"));
        assert!(create(folder.path().join("a.NPY").to_str().unwrap(), &spec, false).is_ok());
    }

    #[test]
    fn inputs_that_are_none_say_so() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path.to_str().unwrap().to_string()
        };
        let error = |path: &str| open(path, &OpenOptions::default()).unwrap_err().to_string();
        assert!(error("no such file.npy").ends_with("no such file"));
        assert!(error(folder.path().to_str().unwrap()).contains("is a folder"));
        assert!(error(&file("empty.npy", b"")).ends_with("is empty"));
        assert!(error(&file("b.npy", b"hello there")).contains("not a .npy"));
        assert!(error(&file("b.txt", b"hello there")).contains("no known format"));
        let level = OpenOptions { level: Some(2), axes: None };
        assert!(open(&file("b.png", b"\x89PNG\r\n\x1a\n"), &level).unwrap_err().to_string().contains("level 0"));
    }
}
