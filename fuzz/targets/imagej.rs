//! Descriptions by ImageJ and, in JSON, by tifffile.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let description = match data.split_first() {
        Some((0, rest)) => [b"ImageJ=1.54f\nimages=3\n", rest].concat(),
        Some((1, rest)) => [b"{\"shape\": [", rest].concat(),
        _ => data.to_vec(),
    };
    tilewise_fuzz::write("a.tif", &tilewise_fuzz::tiff_with(&description));
    tilewise_fuzz::probe(&tilewise_fuzz::path("a.tif").to_string_lossy());
});
