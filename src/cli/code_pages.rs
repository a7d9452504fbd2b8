//! What is done leaves much of the program's code in memory: options, help and the registries of codecs at start-up, the
//! language and the planner, the operations of earlier passes. Little of it is needed again, and all of it would count
//! against the limit.

/// Lets the system take back the pages of the program's own code and constants. Those that are needed again are read
/// again, as they would be under memory pressure.
#[cfg(target_os = "linux")]
pub(super) fn give_back() {
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return };
    for (start, end) in maps.lines().filter_map(code) {
        // SAFETY: the range is a mapping of this process as the kernel lists it, of a file and never written to, so that
        // dropping its pages changes nothing that can be read from it.
        unsafe {
            libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED);
        }
    }
}

/// Elsewhere the system decides by itself.
#[cfg(not(target_os = "linux"))]
pub(super) fn give_back() {}

/// The range of a mapping of code, or of the constants at the start of a file: others may have been written to before
/// they became read-only, by the dynamic linker.
#[cfg(target_os = "linux")]
fn code(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_ascii_whitespace();
    let (range, mode, offset) = (words.next()?, words.next()?, words.next()?);
    let is_file = words.nth(2).is_some_and(|path| path.starts_with('/'));
    let constants = mode == "r--p" && offset.bytes().all(|b| b == b'0');
    if !is_file || !(mode == "r-xp" || constants) {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    Some((usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_never_written_is_given_back() {
        let line = |mode: &str, offset: &str, path: &str| code(&format!("1000-3000 {mode} {offset} 08:01 42   {path}"));
        assert_eq!(line("r-xp", "00123000", "/usr/bin/tilewise"), Some((0x1000, 0x3000)));
        assert_eq!(line("r--p", "00000000", "/usr/bin/tilewise"), Some((0x1000, 0x3000)));
        for (mode, offset, path) in [
            ("r--p", "00123000", "/lib/x.so"),
            ("rw-p", "00000000", "/lib/x.so"),
            ("r-xp", "00000000", "[vdso]"),
            ("r--p", "00000000", ""),
        ] {
            assert_eq!(line(mode, offset, path), None, "{mode} {offset} {path}");
        }
        // What was given back is there again.
        give_back();
        assert_eq!(code("nothing"), None);
    }
}
