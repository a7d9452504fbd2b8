//! Chunks and shards of Zarr arrays, through every codec.
#![no_main]

use libfuzzer_sys::fuzz_target;

/// The codecs of version 3, of 16 x 24 elements of uint16.
const CHAINS: [&str; 8] = [
    r#"[{"name":"bytes","configuration":{"endian":"big"}},{"name":"crc32c"}]"#,
    r#"[{"name":"bytes","configuration":{"endian":"little"}},{"name":"zstd","configuration":{"level":3,"checksum":true}}]"#,
    r#"[{"name":"transpose","configuration":{"order":[1,0]}},{"name":"bytes","configuration":{"endian":"little"}},
{"name":"gzip","configuration":{"level":5}}]"#,
    r#"[{"name":"bytes","configuration":{"endian":"little"}},{"name":"blosc","configuration":{"cname":"lz4","clevel":5,
"shuffle":"shuffle","typesize":2,"blocksize":0}}]"#,
    r#"[{"name":"sharding_indexed","configuration":{"chunk_shape":[8,8],"codecs":[{"name":"bytes","configuration":{"endian":"little"}},
{"name":"zstd","configuration":{"level":3,"checksum":false}}],"index_codecs":[{"name":"bytes","configuration":{"endian":"little"}}],
"index_location":"end"}}]"#,
    r#"[{"name":"sharding_indexed","configuration":{"chunk_shape":[4,24],"codecs":[{"name":"bytes","configuration":{"endian":"little"}}],
"index_codecs":[{"name":"bytes","configuration":{"endian":"big"}}],"index_location":"start"}}]"#,
    r#"[{"name":"bytes","configuration":{"endian":"little"}},{"name":"numcodecs.shuffle","configuration":{"elementsize":2}},
{"name":"numcodecs.zlib","configuration":{"level":1}}]"#,
    r#"[{"name":"bytes","configuration":{"endian":"little"}},{"name":"numcodecs.bz2","configuration":{"level":1}},
{"name":"numcodecs.fletcher32","configuration":{}}]"#,
];

/// Compressors of version 2.
const COMPRESSORS: [&str; 4] = [
    r#"{"id":"lz4","acceleration":1}"#,
    r#"{"id":"bz2","level":1}"#,
    r#"{"id":"zlib","level":1}"#,
    r#"{"id":"blosc","cname":"zstd","clevel":5,"shuffle":2,"blocksize":0}"#,
];

fuzz_target!(|data: &[u8]| {
    let Some((&kind, chunk)) = data.split_first() else { return };
    let _ = std::fs::remove_dir_all(tilewise_fuzz::path("a.zarr"));
    let kind = usize::from(kind) % (CHAINS.len() + COMPRESSORS.len());
    match (CHAINS.get(kind), COMPRESSORS.get(kind.wrapping_sub(CHAINS.len()))) {
        (Some(chain), _) => {
            let metadata = format!(
                r#"{{"zarr_format":3,"node_type":"array","shape":[16,24],"data_type":"uint16","chunk_grid":{{"name":"regular",
"configuration":{{"chunk_shape":[16,24]}}}},"chunk_key_encoding":{{"name":"default"}},"fill_value":0,"codecs":{chain}}}"#
            );
            tilewise_fuzz::write("a.zarr/zarr.json", metadata.as_bytes());
            tilewise_fuzz::write("a.zarr/c/0/0", chunk);
        }
        (_, Some(compressor)) => {
            let metadata = format!(
                r#"{{"zarr_format":2,"shape":[16,24],"chunks":[16,24],"dtype":"<u2","compressor":{compressor},"fill_value":0,
"order":"C","filters":null}}"#
            );
            tilewise_fuzz::write("a.zarr/.zarray", metadata.as_bytes());
            tilewise_fuzz::write("a.zarr/0.0", chunk);
        }
        _ => {}
    }
    tilewise_fuzz::probe(&tilewise_fuzz::path("a.zarr").to_string_lossy());
});
