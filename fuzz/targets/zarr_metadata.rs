//! Metadata of Zarr and OME-Zarr, in both versions.
#![no_main]

use libfuzzer_sys::fuzz_target;

const LEVEL_V3: &str = r#"{"zarr_format":3,"node_type":"array","shape":[4,6],"data_type":"uint8","chunk_grid":{"name":"regular",
"configuration":{"chunk_shape":[2,3]}},"chunk_key_encoding":{"name":"default"},"fill_value":7,"codecs":[{"name":"bytes"}]}"#;
const LEVEL_V2: &str = r#"{"zarr_format":2,"shape":[4,6],"chunks":[2,3],"dtype":"|u1","compressor":null,"fill_value":7,"order":"C",
"filters":null}"#;

fuzz_target!(|data: &[u8]| {
    let Some((kind, text)) = data.split_first() else { return };
    let _ = std::fs::remove_dir_all(tilewise_fuzz::path("a.zarr"));
    match kind % 4 {
        0 => tilewise_fuzz::write("a.zarr/zarr.json", text),
        1 => {
            let (array, attributes) = text.split_at(text.iter().position(|&b| b == 0xFF).unwrap_or(text.len()));
            tilewise_fuzz::write("a.zarr/.zarray", array);
            if let Some((_, attributes)) = attributes.split_first() {
                tilewise_fuzz::write("a.zarr/.zattrs", attributes);
            }
        }
        2 => {
            tilewise_fuzz::write("a.zarr/0/zarr.json", LEVEL_V3.as_bytes());
            tilewise_fuzz::write("a.zarr/zarr.json", text);
        }
        _ => {
            tilewise_fuzz::write("a.zarr/0/.zarray", LEVEL_V2.as_bytes());
            tilewise_fuzz::write("a.zarr/.zgroup", br#"{"zarr_format":2}"#);
            tilewise_fuzz::write("a.zarr/.zattrs", text);
        }
    }
    tilewise_fuzz::probe(&tilewise_fuzz::path("a.zarr").to_string_lossy());
});
