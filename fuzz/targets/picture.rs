//! PNG and JPEG.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    tilewise_fuzz::write("a.png", data);
    tilewise_fuzz::probe(&tilewise_fuzz::path("a.png").to_string_lossy());
});
