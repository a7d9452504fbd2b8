//! TIFF: directories, tables, strips and tiles in all codecs.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    tilewise_fuzz::write("a.tif", data);
    tilewise_fuzz::probe(&tilewise_fuzz::path("a.tif").to_string_lossy());
});
