//! Headers of .npy files.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    tilewise_fuzz::write("a.npy", data);
    tilewise_fuzz::probe(&tilewise_fuzz::path("a.npy").to_string_lossy());
});
