//! The options of an output, as `save(…, name=value)` gives them.

use tilewise::io::CreateOptions;
use tilewise::ops::{Arg, nearest};
use tilewise::{Error, Result};

const NAMES: [&str; 7] = ["chunks", "shards", "compression", "pyramid", "downsample", "format_version", "quality"];

/// The options that are given for the output `path`.
pub(super) fn create_options(path: &str, given: &[(String, Arg)], overwrite: bool) -> Result<CreateOptions> {
    let mut options = CreateOptions { overwrite, ..CreateOptions::default() };
    for (name, value) in given {
        set(&mut options, name, value).map_err(|what| Error::Usage(format!("save({path:?}): {what}")))?;
    }
    Ok(options)
}

fn set(options: &mut CreateOptions, name: &str, value: &Arg) -> std::result::Result<(), String> {
    match name {
        "chunks" => options.chunks = Some(lengths(name, value)?),
        "shards" => options.shards = Some(lengths(name, value)?),
        "compression" => options.compression = Some(text(name, value)?),
        "downsample" => options.downsample = Some(text(name, value)?),
        "format_version" => options.format_version = Some(version(name, value)?),
        "pyramid" => match value {
            Arg::Bool(wanted) => options.pyramid = Some(*wanted),
            other => return Err(format!("`pyramid` is true or false, not {other}")),
        },
        "quality" => match value {
            Arg::Int(quality @ 1..=100) => options.quality = Some(*quality as u8),
            other => return Err(format!("`quality` is a whole number in 1..=100, not {other}")),
        },
        _ => {
            let hint = nearest(name, NAMES.into_iter()).map(|near| format!("; did you mean `{near}`?"));
            return Err(format!("there is no option `{name}`{}", hint.unwrap_or_default()));
        }
    }
    Ok(())
}

fn lengths(name: &str, value: &Arg) -> std::result::Result<Vec<u64>, String> {
    let wrong = || format!("`{name}` is a list of lengths, at least 1 each, not {value}");
    let Arg::List(items) = value else { return Err(wrong()) };
    let length = |item: &Arg| match item {
        Arg::Int(n) => u64::try_from(*n).ok().filter(|&n| n > 0),
        _ => None,
    };
    items.iter().map(length).collect::<Option<Vec<u64>>>().filter(|l| !l.is_empty()).ok_or_else(wrong)
}

fn text(name: &str, value: &Arg) -> std::result::Result<String, String> {
    match value {
        Arg::Str(text) => Ok(text.clone()),
        Arg::None => Ok("none".into()),
        other => Err(format!("`{name}` is a text, not {other}")),
    }
}

/// `"0.4"`, `0.4` and `3` alike.
fn version(name: &str, value: &Arg) -> std::result::Result<String, String> {
    match value {
        Arg::Str(text) => Ok(text.clone()),
        Arg::Int(_) | Arg::Float(_) => Ok(value.to_string()),
        other => Err(format!("`{name}` is a version such as \"0.5\", not {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(given: &[(&str, Arg)]) -> std::result::Result<CreateOptions, String> {
        let given: Vec<(String, Arg)> = given.iter().map(|(n, v)| (n.to_string(), v.clone())).collect();
        create_options("a.zarr", &given, true).map_err(|e| e.to_string())
    }

    #[test]
    fn options_are_read_by_name() {
        let list = |items: &[i64]| Arg::List(items.iter().map(|&i| i.into()).collect());
        let options = of(&[
            ("chunks", list(&[4, 5])),
            ("compression", Arg::None),
            ("pyramid", false.into()),
            ("format_version", 0.4.into()),
            ("quality", 90.into()),
        ]);
        let wanted = CreateOptions {
            overwrite: true,
            chunks: Some(vec![4, 5]),
            compression: Some("none".into()),
            pyramid: Some(false),
            format_version: Some("0.4".into()),
            quality: Some(90),
            ..CreateOptions::default()
        };
        assert_eq!(options, Ok(wanted));
        assert!(of(&[("chunk", 1.into())]).unwrap_err().contains("did you mean `chunks`?"));
        assert!(of(&[("chunks", list(&[0]))]).unwrap_err().contains("at least 1"));
        assert!(of(&[("quality", 0.into())]).unwrap_err().contains("1..=100"));
    }
}
