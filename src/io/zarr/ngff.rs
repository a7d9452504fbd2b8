//! What OME-NGFF says of an image: levels, axes, pixel sizes, channel names. Versions 0.1 to 0.5.

use super::array::{distinct, letter};
use super::store::Group;
use crate::array::{ArraySpec, Axis};
use serde_json::{Map, Value};

/// A multiscale image.
#[derive(Debug)]
pub(super) struct Image {
    pub version: String,
    pub levels: Vec<Level>,
    /// As the file names them; empty before version 0.3, where they are `t c z y x`.
    axes: Vec<NamedAxis>,
    /// What holds for all levels.
    common: Transform,
    pub channels: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Level {
    pub path: String,
    transform: Transform,
}

#[derive(Debug)]
struct NamedAxis {
    name: String,
    kind: Option<String>,
    unit: Option<String>,
}

/// A scale, then a translation; `None` where the file gives none.
#[derive(Debug, Default)]
struct Transform {
    scale: Option<Vec<f64>>,
    translation: Option<Vec<f64>>,
}

/// The OME-NGFF part of a group's attributes.
pub(super) fn ome(group: &Group) -> &Map<String, Value> {
    group.attributes.get("ome").and_then(Value::as_object).unwrap_or(&group.attributes)
}

/// The image that a group is, if it is one.
///
/// # Errors
/// A message when its description is broken.
pub(super) fn image(group: &Group) -> Result<Option<Image>, String> {
    let ome = ome(group);
    let Some(list) = ome.get("multiscales") else { return Ok(None) };
    let first = list.as_array().and_then(|l| l.first()).and_then(Value::as_object);
    let first = first.ok_or("has a 'multiscales' that is no list of images")?;
    let text = |map: &Map<String, Value>, key: &str| map.get(key).and_then(Value::as_str).map(str::to_string);
    let levels = first.get("datasets").and_then(Value::as_array);
    let levels = levels.filter(|l| !l.is_empty()).ok_or("has a multiscale image without 'datasets'")?;
    let level = |value: &Value| -> Option<Level> {
        let map = value.as_object()?;
        Some(Level { path: text(map, "path")?, transform: transform(map) })
    };
    let levels: Option<Vec<Level>> = levels.iter().map(level).collect();
    let levels = levels.ok_or("has a multiscale image whose 'datasets' name no paths")?;
    let axis = |value: &Value| -> Option<NamedAxis> {
        match value {
            Value::String(name) => Some(NamedAxis { name: name.clone(), kind: None, unit: None }),
            Value::Object(map) => {
                Some(NamedAxis { name: text(map, "name")?, kind: text(map, "type"), unit: text(map, "unit") })
            }
            _ => None,
        }
    };
    let axes = first.get("axes").and_then(Value::as_array).map(|axes| axes.iter().map(axis).collect());
    let axes: Vec<NamedAxis> = axes.unwrap_or(Some(Vec::new())).ok_or("has a multiscale image with unnamed axes")?;
    let version = text(ome, "version").or_else(|| text(first, "version")).unwrap_or_else(|| "0.1".into());
    Ok(Some(Image { version, levels, axes, common: transform(first), channels: channels(ome) }))
}

/// The names of the channels that viewers show.
fn channels(ome: &Map<String, Value>) -> Vec<String> {
    let list = ome.get("omero").and_then(|o| o.get("channels")).and_then(Value::as_array);
    let label = |channel: &Value| channel.get("label").and_then(Value::as_str).unwrap_or_default().to_string();
    let labels: Vec<String> = list.map(|l| l.iter().map(label).collect()).unwrap_or_default();
    if labels.iter().all(String::is_empty) { Vec::new() } else { labels }
}

fn transform(map: &Map<String, Value>) -> Transform {
    let mut whole = Transform::default();
    let steps = map.get("coordinateTransformations").and_then(Value::as_array);
    for step in steps.into_iter().flatten() {
        let numbers = |key: &str| -> Option<Vec<f64>> {
            let list = step.get(key)?.as_array()?;
            list.iter().map(|v| v.as_f64().filter(|n| n.is_finite())).collect()
        };
        match step.get("type").and_then(Value::as_str) {
            Some("scale") => whole.scale = numbers("scale"),
            Some("translation") => whole.translation = numbers("translation"),
            _ => {}
        }
    }
    whole
}

impl Image {
    /// A level's array with its axes, sizes, units and names.
    ///
    /// # Errors
    /// A message when the axes do not fit the array.
    pub fn describe(&self, spec: ArraySpec, level: usize) -> Result<ArraySpec, String> {
        let rank = spec.rank();
        let letters = self.letters(rank)?;
        let at = |list: Option<&Vec<f64>>, axis: usize| list.filter(|l| l.len() == rank).map(|l| l[axis]);
        let own = self.levels.get(level).map(|l| &l.transform);
        let axis = |(i, name): (usize, char)| {
            let named = self.axes.get(i);
            let scales = [at(own.and_then(|t| t.scale.as_ref()), i), at(self.common.scale.as_ref(), i)];
            let known = scales.iter().any(Option::is_some);
            let outer = scales[1].unwrap_or(1.0);
            let size = scales[0].unwrap_or(1.0) * outer;
            let shift = at(own.and_then(|t| t.translation.as_ref()), i).unwrap_or(0.0) * outer;
            let origin = shift + at(self.common.translation.as_ref(), i).unwrap_or(0.0);
            let unit = named.and_then(|a| a.unit.clone());
            // Where nothing is known, a scale has to be given all the same: 1.
            let measured = known && name != 'c' && (unit.is_some() || size != 1.0);
            let mut axis = Axis::new(name);
            axis.size = Some(size).filter(|&s| measured && s.is_finite() && s > 0.0);
            axis.unit = unit.filter(|_| axis.size.is_some());
            axis.origin = Some(origin).filter(|o| o.is_finite() && name != 'c').unwrap_or(0.0);
            if name == 'c' && self.channels.len() as u64 == spec.shape[i] {
                axis.labels = self.channels.clone();
            }
            axis
        };
        let axes = letters.into_iter().enumerate().map(axis).collect();
        Ok(ArraySpec { axes, named: true, ..spec })
    }

    fn letters(&self, rank: usize) -> Result<Vec<char>, String> {
        if self.axes.is_empty() {
            return match rank {
                5 => Ok("tczyx".chars().collect()),
                _ => Err(format!("has an array of {rank} axes without saying which")),
            };
        }
        if self.axes.len() != rank {
            return Err(format!("names {} axes for an array of {rank}", self.axes.len()));
        }
        let by_kind = |axis: &NamedAxis| match axis.kind.as_deref() {
            Some("time") => Some('t'),
            Some("channel") => Some('c'),
            _ => None,
        };
        let letters: Option<Vec<char>> = self.axes.iter().map(|a| letter(&a.name).or_else(|| by_kind(a))).collect();
        letters.filter(|l| distinct(l)).ok_or_else(|| {
            let names: Vec<&str> = self.axes.iter().map(|a| a.name.as_str()).collect();
            format!("has axes called {}; they need names of one letter each", names.join(", "))
        })
    }
}
