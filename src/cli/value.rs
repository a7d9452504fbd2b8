//! Results that are not images, as text and as JSON.

use serde_json::{Number, Value as Json, json};
use tilewise::array::{DType, Scalar};
use tilewise::graph::{MemArray, Table, Value};

/// More elements than this belong in a file.
pub(super) const MOST_PRINTED: u64 = 1 << 16;

/// For stdout: a number, or a JSON list.
pub(super) fn text(value: &Value) -> String {
    match value.to_scalar() {
        Some(scalar) => scalar_text(&scalar),
        None => json(value).to_string(),
    }
}

/// Numbers as they are (those that JSON does not have become `null`), arrays as nested lists, tables as a list of
/// rows for each column.
pub(super) fn json(value: &Value) -> Json {
    match value {
        Value::Array(array) => nested(array, &array.spec.shape, &mut 0),
        Value::Table(table) => columns(table),
    }
}

/// The shortest text that reads back as the same number.
fn scalar_text(scalar: &Scalar) -> String {
    match scalar.to_f64() {
        v if v.is_nan() => "nan".into(),
        v if v.is_infinite() => if v > 0.0 { "inf" } else { "-inf" }.into(),
        _ => scalar_json(scalar).to_string(),
    }
}

fn scalar_json(scalar: &Scalar) -> Json {
    match (scalar.dtype(), scalar.to_i128()) {
        (DType::Bool, value) => Json::Bool(value == Some(1)),
        (_, Some(value)) => whole(value),
        // The shortest digits of the narrow type: those of its value in f64 would claim a precision it has not.
        (DType::F32, None) => json!((scalar.to_f64() as f32).to_string().parse::<f64>().ok()),
        (_, None) => json!(scalar.to_f64()),
    }
}

fn whole(value: i128) -> Json {
    let number = i64::try_from(value).map(Number::from).or_else(|_| u64::try_from(value).map(Number::from));
    number.map_or(Json::Null, Json::Number)
}

fn nested(array: &MemArray, shape: &[u64], at: &mut usize) -> Json {
    match shape {
        [] => {
            let size = array.spec.dtype.size();
            let bytes = array.data.bytes().get(*at * size..(*at + 1) * size);
            *at += 1;
            bytes.map_or(Json::Null, |bytes| scalar_json(&Scalar::from_bytes(array.spec.dtype, bytes)))
        }
        [len, rest @ ..] => (0..*len).map(|_| nested(array, rest, at)).collect(),
    }
}

fn columns(table: &Table) -> Json {
    let column = |(at, column): (usize, &tilewise::array::Column)| {
        let cell = |row| table.get(at, row).map_or(Json::Null, |value| scalar_json(&value));
        (column.name.clone(), (0..table.rows).map(cell).collect())
    };
    Json::Object(table.spec.columns.iter().enumerate().map(column).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tilewise::array::{ArraySpec, Buffer};

    fn shown<T: tilewise::array::Element>(value: T) -> String {
        text(&Value::scalar(Scalar::of(value)))
    }

    #[test]
    fn numbers_keep_their_precision() {
        assert_eq!(shown(0.1f32), "0.1");
        assert_eq!(shown(0.1f64 + 0.2), "0.30000000000000004");
        assert_eq!(shown(2.0f64), "2.0");
        assert_eq!(shown(1e300f64), "1e+300");
        assert_eq!(shown(u64::MAX), "18446744073709551615");
        assert_eq!(shown(i64::MIN), "-9223372036854775808");
        assert_eq!([shown(f64::NAN), shown(-f32::INFINITY)], ["nan", "-inf"]);
        assert_eq!(text(&Value::scalar(Scalar::bool(true))), "true");
    }

    #[test]
    fn arrays_are_lists() {
        let mut data = Buffer::new(6).unwrap();
        data.bytes_mut().copy_from_slice(&[1, 2, 3, 4, 5, 6]);
        let spec = ArraySpec::unnamed(&[2, 3], DType::U8);
        assert_eq!(text(&Value::Array(Arc::new(MemArray { spec, data }))), "[[1,2,3],[4,5,6]]");
    }
}
