//! OME-XML in a TIFF.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    tilewise_fuzz::write("a.ome.tif", &tilewise_fuzz::tiff_with(data));
    tilewise_fuzz::probe(&tilewise_fuzz::path("a.ome.tif").to_string_lossy());
});
