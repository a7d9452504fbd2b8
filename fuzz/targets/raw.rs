//! What stands behind raw:PATH?
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(query) = std::str::from_utf8(data) else { return };
    // Errors name a path as it was given, and may then be of several lines.
    let query = query.replace(char::is_control, " ");
    if !tilewise_fuzz::path("raw").exists() {
        tilewise_fuzz::write("raw", &[7; 4096]);
    }
    tilewise_fuzz::probe(&format!("raw:{}?{query}", tilewise_fuzz::path("raw").display()));
});
