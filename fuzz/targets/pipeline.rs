//! The pipeline language: parsing, binding, types and shapes.
#![no_main]

use libfuzzer_sys::fuzz_target;

use tilewise::array::{ArraySpec, DType};
use tilewise::graph::{Array, MemArray, Value};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let spec = ArraySpec::with_axes(&[5, 6, 7], DType::U16, "zyx");
    let input = Array::value(Value::Array(MemArray::zeros(spec).expect("a small array").into()));
    if let Err(error) = tilewise::pipeline(text, &input) {
        assert!(!error.to_string().is_empty());
    }
});
