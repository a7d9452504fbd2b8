//! Shape and axes of arrays that pages alone do not tell (4-D, time series): in the first page's description, in the
//! form that tifffile writes and reads: `{"shape": [2, 3, 4, 5], "axes": "TZYX"}`.

use crate::array::{ArraySpec, DType, MAX_RANK};

/// What a description says.
#[derive(Debug, PartialEq)]
pub(super) struct Shaped {
    shape: Vec<u64>,
    axes: Option<String>,
}

impl Shaped {
    /// Reads a description; `None` if it is of another kind.
    pub fn parse(description: &str) -> Option<Shaped> {
        let list = description.trim_start().strip_prefix("{\"shape\":")?.trim_start().strip_prefix('[')?;
        let (list, rest) = list.split_once(']')?;
        let shape: Vec<u64> = list.split(',').map(|n| n.trim().parse().ok()).collect::<Option<_>>()?;
        let axes = rest.split_once("\"axes\":").and_then(|(_, text)| text.trim_start().strip_prefix('"'));
        let axes = axes.and_then(|text| text.split_once('"')).map(|(axes, _)| axes);
        let axes = axes.map(|axes| axes.to_lowercase().replace('s', "c"));
        let known = |axes: &String| {
            let letters = axes.as_bytes();
            letters.len() == shape.len()
                && letters.iter().all(|c| b"tczyxn".contains(c))
                && (1..letters.len()).all(|i| !letters[..i].contains(&letters[i]))
        };
        let axes = axes.filter(known);
        (shape.len() <= MAX_RANK).then_some(Shaped { shape, axes })
    }

    /// Whether it is the shape of so many pages of that shape.
    pub fn fits(&self, pages: u64, page: &[u64]) -> bool {
        let lead = self.shape.strip_suffix(page).or_else(|| self.shape.strip_suffix(&[page, &[1]].concat()[..]));
        lead.and_then(|lead| lead.iter().try_fold(1u64, |n, &d| n.checked_mul(d))) == Some(pages)
    }

    /// The array it stands for.
    pub fn spec(&self, dtype: DType) -> ArraySpec {
        match &self.axes {
            Some(axes) => ArraySpec::with_axes(&self.shape, dtype, axes),
            None => ArraySpec::unnamed(&self.shape, dtype),
        }
    }

    /// The description of an array, or `None` where plain pages tell everything.
    pub fn describe(spec: &ArraySpec, pages: u64, colour: bool) -> Option<String> {
        let lead = if pages > 1 { "z" } else { "" };
        let plain = if colour { format!("{lead}yxc") } else { format!("{lead}yx") };
        if spec.letters() == plain && (spec.named || !colour) {
            return None;
        }
        let shape: Vec<String> = spec.shape.iter().map(u64::to_string).collect();
        let axes =
            if spec.named { format!(", \"axes\": \"{}\"", spec.letters().to_uppercase()) } else { String::new() };
        Some(format!("{{\"shape\": [{}]{axes}}}", shape.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_round_trip() {
        let spec = ArraySpec::with_axes(&[2, 3, 4, 5], DType::U8, "tzyx");
        let text = Shaped::describe(&spec, 6, false).unwrap();
        assert_eq!(text, "{\"shape\": [2, 3, 4, 5], \"axes\": \"TZYX\"}");
        let shaped = Shaped::parse(&text).unwrap();
        assert!(shaped.fits(6, &[4, 5]) && !shaped.fits(5, &[4, 5]) && !shaped.fits(6, &[5, 4]));
        assert_eq!(shaped.spec(DType::U8), spec);
        assert_eq!(Shaped::describe(&ArraySpec::unnamed(&[3, 4, 5], DType::U8), 3, false), None);
        assert!(Shaped::parse("{\"shape\": [4, 5, 1]}").unwrap().fits(1, &[4, 5]));
    }

    #[test]
    fn other_descriptions_are_left_alone() {
        for text in
            ["", "ImageJ=1.53", "{\"shape\": ", "{\"shape\": [1,", "{\"shape\": [a]}", "{\"shape\": [1,1,1,1,1,1,1]}"]
        {
            assert_eq!(Shaped::parse(text), None, "{text}");
        }
        assert_eq!(Shaped::parse("{\"shape\": [2, 3], \"axes\": \"QX\"}").unwrap().axes, None);
        assert_eq!(Shaped::parse("{\"shape\": [2, 3], \"axes\": \"XX\"}").unwrap().axes, None);
    }
}
