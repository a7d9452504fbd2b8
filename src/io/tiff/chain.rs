//! The chain of directories.

use super::ifd::{Directory, Tiff};
use crate::error::Result;

/// Calls `each` with the number of every directory and the directory, until that says `false` or the chain ends.
///
/// # Errors
/// When a directory does not lie in the file, the chain goes in a circle, or `each` fails.
pub(super) fn walk(
    tiff: &mut Tiff,
    first: u64,
    mut each: impl FnMut(&mut Tiff, u64, &Directory) -> Result<bool>,
) -> Result<()> {
    let (mut at, mut seen) = (first, 0u64);
    // Brent's way to notice a chain that bites its tail, without keeping every directory in mind.
    let (mut mark, mut mark_at) = (first, 1u64);
    while at != 0 {
        let directory = tiff.directory(at)?;
        if !each(tiff, seen, &directory)? {
            return Ok(());
        }
        seen += 1;
        if seen == mark_at {
            (mark, mark_at) = (at, mark_at * 2);
        }
        at = directory.next;
        if at == mark {
            return Err(tiff.wrong("has directories that go in a circle"));
        }
    }
    Ok(())
}
