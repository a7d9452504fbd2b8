//! What OME-NGFF says of an image: levels, axes, pixel sizes, channel names. Versions 0.1 to 0.5.

use super::array::{distinct, letter};
use super::store::Group;
use crate::array::{ArraySpec, Axis, Dims};
use crate::io::pyramid::Method;
use serde_json::{Map, Value, json};

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

/// The order in which OME-Zarr wants the axes of an array: time, channels, space; as places in the array.
///
/// # Errors
/// A message when it cannot hold such an array.
pub(super) fn order(spec: &ArraySpec) -> Result<Vec<usize>, String> {
    let letters = spec.letters();
    let wrong = |what: &str| Err(format!("{what} (its axes are '{letters}'): axes= names them, .zarr takes any array"));
    let rank_of = |name: char| match name {
        't' => 0,
        'x' | 'y' | 'z' => 2,
        _ => 1,
    };
    let mut order: Vec<usize> = (0..spec.rank()).collect();
    // `z` before `y` before `x`.
    order.sort_by_key(|&a| (rank_of(spec.axes[a].name), std::cmp::Reverse(spec.axes[a].name)));
    let of_kind = |rank: u8| spec.axes.iter().filter(|a| rank_of(a.name) == rank).count();
    match (of_kind(1), of_kind(2)) {
        (0 | 1, 2 | 3) => Ok(order),
        (_, 0 | 1) => wrong("OME-Zarr images have two or three axes of space"),
        _ => wrong("OME-Zarr images have one axis at most besides t, z, y, x"),
    }
}

/// What is written about an image.
pub(super) struct Description<'a> {
    pub spec: &'a ArraySpec,
    pub version: &'a str,
    pub name: &'a str,
    /// The shapes of all levels and the axes that were halved.
    pub levels: &'a [Dims],
    pub halved: &'a [bool],
    pub method: Method,
    pub label: bool,
}

impl Description<'_> {
    /// The attributes of the image's group.
    pub fn attributes(&self) -> Map<String, Value> {
        let mut ome = Map::new();
        let mut image = json!({
            "name": self.name,
            "axes": self.spec.axes.iter().map(axis_json).collect::<Vec<_>>(),
            "datasets": (0..self.levels.len()).map(|k| self.dataset(k)).collect::<Vec<_>>(),
        });
        if self.levels.len() > 1 {
            image["type"] = json!(self.method.name());
        }
        if self.version == "0.4" {
            image["version"] = json!(self.version);
        } else {
            ome.insert("version".into(), json!(self.version));
        }
        ome.insert("multiscales".into(), json!([image]));
        if let Some(omero) = self.omero() {
            ome.insert("omero".into(), omero);
        }
        if self.label {
            let mut label = json!({ "source": { "image": "../../" } });
            if self.version == "0.4" {
                label["version"] = json!(self.version);
            }
            ome.insert("image-label".into(), label);
        }
        match self.version {
            "0.4" => ome,
            _ => Map::from_iter([("ome".to_string(), Value::Object(ome))]),
        }
    }

    fn dataset(&self, level: usize) -> Value {
        let (mut scale, mut translation) = (Vec::new(), Vec::new());
        for (i, axis) in self.spec.axes.iter().enumerate() {
            let size = axis.size.unwrap_or(1.0);
            // An axis of one pixel is not halved any further.
            let halvings = self.levels[..level].iter().filter(|shape| self.halved[i] && shape[i] > 1).count();
            scale.push(size * 2f64.powi(halvings as i32));
            translation.push(axis.origin + size * self.method.shift(halvings));
        }
        let mut transformations = vec![json!({ "type": "scale", "scale": scale })];
        if translation.iter().any(|&t| t != 0.0) {
            transformations.push(json!({ "type": "translation", "translation": translation }));
        }
        json!({ "path": level.to_string(), "coordinateTransformations": transformations })
    }

    /// The names of the channels, with what viewers insist on beside them.
    fn omero(&self) -> Option<Value> {
        const COLOURS: [&str; 6] = ["0000FF", "00FF00", "FF0000", "FF00FF", "00FFFF", "FFFF00"];
        let channels = &self.spec.axes[self.spec.axis('c')?].labels;
        let (low, high) = match self.spec.dtype.integer_range() {
            Some((low, high)) => (low as f64, high as f64),
            None => (0.0, 1.0),
        };
        let window = json!({ "min": low, "max": high, "start": low, "end": high });
        let channel = |(i, label): (usize, &String)| json!({ "label": label, "color": COLOURS[i % COLOURS.len()], "active": true, "window": window });
        let channels: Vec<Value> = channels.iter().enumerate().map(channel).collect();
        (!channels.is_empty()).then(|| json!({ "channels": channels }))
    }
}

fn axis_json(axis: &Axis) -> Value {
    let mut value = json!({ "name": axis.name.to_string() });
    let kind = match axis.name {
        't' => Some("time"),
        'c' => Some("channel"),
        'x' | 'y' | 'z' => Some("space"),
        _ => None,
    };
    if let Some(kind) = kind {
        value["type"] = json!(kind);
    }
    if let Some(unit) = &axis.unit {
        value["unit"] = json!(unit);
    }
    value
}
