//! OME-TIFF: the description of the first page says in XML which page of which file is which plane.

use super::about::unit_name;
use super::ifd::{Directory, Tiff};
use super::set::Run;
use super::xml::Text;
use crate::error::{Error, Result};
use crate::io::file::FileBytes;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use tiff::tags::Tag;

/// What the XML says of the first image.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Ome {
    /// Axes that count planes, slowest first.
    pub order: Vec<char>,
    /// Pixel size and unit, by axis.
    pub scales: Vec<(char, f64, Option<String>)>,
    /// Names of the channels.
    pub channels: Vec<String>,
    /// How many images the set holds.
    pub images: u64,
    sizes: Vec<(char, u64)>,
    data: Vec<Piece>,
    /// The files that the pieces name: name and identifier.
    files: Vec<(String, String)>,
    uuid: String,
    /// The file that has the description, where this one has not.
    elsewhere: Option<String>,
    name: String,
}

/// A `TiffData` element.
#[derive(Debug, PartialEq)]
struct Piece {
    first: [(char, u64); 3],
    page: Option<u64>,
    count: Option<u64>,
    file: Option<usize>,
}

/// An attribute of an element.
fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = element.attributes().with_checks(false).flatten().find(|a| a.key.local_name().into_inner() == name)?;
    found.normalized_value(XmlVersion::Implicit1_0).ok().map(|text| text.into_owned())
}

/// Reads the description of a file whose first directory is that one; `None` if it is no OME-TIFF.
///
/// # Errors
/// When the XML is broken or says what cannot be.
pub(super) fn read(tiff: &mut Tiff, directory: &Directory) -> Result<Option<Ome>> {
    let Some((at, length)) = tiff.blob(directory, Tag::ImageDescription)? else {
        return Ok(None);
    };
    let mut head = vec![0; length.min(2048) as usize];
    tiff.bytes.read_at(at, &mut head)?;
    let head = String::from_utf8_lossy(&head);
    if !head.trim_start().starts_with('<') || !(head.contains("<OME") || head.contains(":OME")) {
        return Ok(None);
    }
    let ome = parse(&mut tiff.bytes, at, length)?;
    let Some(other) = &ome.elsewhere else {
        return Ok(Some(ome));
    };
    let path = sibling(tiff.bytes.path(), other).map_err(|what| tiff.wrong(what))?;
    let mut bytes = FileBytes::open_new(&path)?;
    let mut first = [0; 1];
    bytes.read_at(0, &mut first)?;
    if first[0] != b'<' {
        return Err(tiff.wrong(format!("is one file of an OME-TIFF that {other} describes; open that")));
    }
    let length = bytes.len();
    parse(&mut bytes, 0, length).map(Some)
}

fn parse(bytes: &mut FileBytes, at: u64, length: u64) -> Result<Ome> {
    let path = bytes.path().to_path_buf();
    let wrong = |what: String| Error::format(&path, format!("has broken OME-XML: {what}"));
    let mut reader = quick_xml::Reader::from_reader(Text::new(bytes, at, length));
    reader.config_mut().check_end_names = false;
    let mut ome = Ome::default();
    let mut names: HashMap<String, usize> = HashMap::new();
    let (mut event, mut in_uuid) = (Vec::new(), None);
    loop {
        event.clear();
        let position = reader.buffer_position();
        match reader.read_event_into(&mut event) {
            Ok(Event::Start(element) | Event::Empty(element)) => {
                let name = element.local_name().into_inner();
                if name == "UUID" && ome.images == 1 {
                    in_uuid = Some((attribute(&element, "FileName").unwrap_or_default(), String::new()));
                } else {
                    ome.element(name, &element).map_err(wrong)?;
                }
            }
            Ok(Event::Text(text)) => {
                if let Some((_, uuid)) = &mut in_uuid {
                    uuid.push_str(text.xml_content(XmlVersion::Implicit1_0).trim());
                }
            }
            Ok(Event::End(element)) if element.local_name().into_inner() == "UUID" => {
                if let (Some((name, uuid)), Some(piece)) = (in_uuid.take(), ome.data.last_mut()) {
                    let file = *names.entry(name.clone()).or_insert(ome.files.len());
                    if file == ome.files.len() {
                        ome.files.push((name, uuid));
                    }
                    piece.file = Some(file);
                }
            }
            Ok(Event::Eof) => break,
            Ok(_) => {}
            Err(e) => {
                let failed = reader.get_mut().failed();
                return Err(failed.unwrap_or_else(|| wrong(format!("at byte {position}: {e}"))));
            }
        }
        reader.get_mut().mark();
    }
    if ome.elsewhere.is_none() && ome.order.len() != 3 {
        return Err(wrong("it describes no image".into()));
    }
    Ok(ome)
}

impl Ome {
    fn element(&mut self, name: &str, element: &BytesStart<'_>) -> Result<(), String> {
        match name {
            "OME" => self.uuid = attribute(element, "UUID").unwrap_or_default(),
            "BinaryOnly" => self.elsewhere = attribute(element, "MetadataFile"),
            "Image" => {
                self.images += 1;
                if self.images == 1 {
                    self.name = attribute(element, "Name").unwrap_or_default();
                }
            }
            "Pixels" if self.images == 1 => self.pixels(element)?,
            "Channel" if self.images == 1 => self.channels.push(attribute(element, "Name").unwrap_or_default()),
            "TiffData" if self.images == 1 => {
                let number = |name: &str| match attribute(element, name) {
                    None => Ok(None),
                    Some(text) => text.trim().parse::<u64>().map(Some).map_err(|_| format!("{name}=\"{text}\"")),
                };
                let first = |letter: char, name| Ok::<_, String>((letter, number(name)?.unwrap_or(0)));
                let first = [first('z', "FirstZ")?, first('c', "FirstC")?, first('t', "FirstT")?];
                let piece = Piece { first, page: number("IFD")?, count: number("PlaneCount")?, file: None };
                self.data.push(piece);
            }
            _ => {}
        }
        Ok(())
    }

    fn pixels(&mut self, element: &BytesStart<'_>) -> Result<(), String> {
        let order = attribute(element, "DimensionOrder").unwrap_or_else(|| "XYZCT".into());
        let letters: Vec<char> = order.to_lowercase().chars().collect();
        let known = letters.len() == 5 && "zct".chars().all(|c| letters[2..].contains(&c)) && order.starts_with("XY");
        if !known {
            return Err(format!("DimensionOrder=\"{order}\""));
        }
        self.order = letters[2..].iter().rev().copied().collect();
        for letter in ['x', 'y', 'z', 'c', 't'] {
            let upper = letter.to_ascii_uppercase();
            let size = attribute(element, &format!("Size{upper}"));
            match size.as_deref().map(|text| text.trim().parse::<u64>()) {
                Some(Ok(n)) if n > 0 => self.sizes.push((letter, n)),
                Some(_) => return Err(format!("Size{upper}=\"{}\"", size.unwrap_or_default())),
                None => return Err(format!("it has no Size{upper}")),
            }
            let (name, default) = match letter {
                't' => ("TimeIncrement".to_string(), "s"),
                _ => (format!("PhysicalSize{upper}"), "µm"),
            };
            let value = attribute(element, &name).and_then(|text| text.trim().parse::<f64>().ok());
            if let Some(value) = value.filter(|v| v.is_finite() && *v > 0.0) {
                let unit = attribute(element, &format!("{name}Unit")).unwrap_or_else(|| default.into());
                if let Some(unit) = unit_name(&unit) {
                    self.scales.push((letter, value, Some(unit)));
                }
            }
        }
        Ok(())
    }

    /// The length of an axis, where `samples` channels lie within a page.
    pub fn length(&self, letter: char, samples: u64) -> u64 {
        let length = self.sizes.iter().find(|s| s.0 == letter).map_or(1, |s| s.1);
        match letter {
            'c' if length.is_multiple_of(samples) => length / samples,
            _ => length,
        }
    }

    /// Pixel size and unit along an axis.
    pub fn scale(&self, letter: char) -> Option<(f64, Option<String>)> {
        self.scales.iter().find(|s| s.0 == letter).map(|s| (s.1, s.2.clone()))
    }

    /// Where all planes lie: the files, of which the first is this one, and the runs of their pages.
    ///
    /// # Errors
    /// When a plane is missing or there twice; in words.
    pub fn runs(&self, this: &Path, samples: u64) -> Result<(Vec<PathBuf>, Vec<Run>), String> {
        let lengths: Vec<u64> = self.order.iter().map(|&c| self.length(c, samples)).collect();
        let planes = lengths.iter().try_fold(1u64, |n, &d| n.checked_mul(d)).filter(|&n| n <= 1 << 32);
        let planes = planes.ok_or_else(|| format!("describes {lengths:?} planes, which cannot be right"))?;
        let (paths, numbers) = self.paths(this)?;
        let mut pieces = Vec::with_capacity(self.data.len());
        for piece in &self.data {
            let mut plane = 0;
            for (&letter, &length) in self.order.iter().zip(&lengths) {
                let index = piece.first.iter().find(|f| f.0 == letter).map_or(0, |f| f.1);
                let index = if letter == 'c' { index / samples.min(self.samples_in_page(samples)) } else { index };
                if index >= length {
                    return Err(format!("describes a plane {letter}={index} of {length}"));
                }
                plane = plane * length + index;
            }
            // Without a number of pages it goes on to where the next one begins.
            let count = piece.count.or(piece.page.map(|_| 1));
            let file = piece.file.and_then(|f| numbers.get(f).copied()).unwrap_or(0);
            pieces.push((plane, count, file, piece.page.unwrap_or(0)));
        }
        if pieces.is_empty() {
            pieces.push((0, None, 0, 0));
        }
        pieces.sort_by_key(|p| p.0);
        let mut runs: Vec<Run> = Vec::new();
        let mut end = 0;
        for (i, &(plane, count, file, page)) in pieces.iter().enumerate() {
            let next = pieces.get(i + 1).map_or(planes, |p| p.0);
            let count = count.unwrap_or(next - plane).min(planes - plane);
            if plane != end {
                let what = if plane > end { "leaves out" } else { "describes twice" };
                return Err(format!("{what} plane {}", self.describe(end.min(plane), &lengths)));
            }
            page.checked_add(count).filter(|&n| n <= 1 << 32).ok_or("counts pages beyond any file")?;
            end = plane + count;
            match runs.last_mut() {
                Some(run) if run.file == file && run.page + run.count == page => run.count += count,
                _ if count == 0 => {}
                _ => runs.push(Run { plane, count, file, page }),
            }
        }
        match end == planes {
            true => Ok((paths, runs)),
            false => Err(format!("leaves out plane {}", self.describe(end, &lengths))),
        }
    }

    /// By how much channels are divided.
    fn samples_in_page(&self, samples: u64) -> u64 {
        let all = self.length('c', 1);
        if all.is_multiple_of(samples) { samples } else { 1 }
    }

    fn describe(&self, plane: u64, lengths: &[u64]) -> String {
        let mut rest = plane;
        let mut parts = Vec::new();
        for (letter, &length) in self.order.iter().zip(lengths).rev() {
            parts.push(format!("{letter}={}", rest % length));
            rest /= length;
        }
        parts.reverse();
        parts.join(", ")
    }

    /// The files of the set, this one first, and which of them each name means.
    fn paths(&self, this: &Path) -> Result<(Vec<PathBuf>, Vec<usize>), String> {
        let mut paths = vec![this.to_path_buf()];
        let own = this.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let mut numbers = Vec::with_capacity(self.files.len());
        for (name, uuid) in &self.files {
            // Files are renamed more often than rewritten.
            let same = (!uuid.is_empty() && *uuid == self.uuid) || *name == own || name.is_empty();
            if same {
                numbers.push(0);
            } else {
                numbers.push(paths.len());
                paths.push(sibling(this, name)?);
            }
        }
        Ok((paths, numbers))
    }
}

/// Another file in the same folder; a description may not point anywhere else.
fn sibling(this: &Path, name: &str) -> Result<PathBuf, String> {
    let plain = !name.is_empty() && !name.contains(['/', '\\', '\0']) && name != "." && name != "..";
    match plain {
        true => Ok(this.with_file_name(name)),
        false => Err(format!("names a file {name:?}, which is not one beside it")),
    }
}
