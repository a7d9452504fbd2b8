//! What differs between systems: memory figures, positioned access, preallocation, what a path lies on.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Bytes of this process that are in memory now. `None` where the system does not say.
pub fn resident() -> Option<u64> {
    status_field("VmRSS:")
}

/// The most bytes of this process that ever were in memory. `None` where the system does not say.
pub fn peak_resident() -> Option<u64> {
    status_field("VmHWM:")
}

/// Memory that can be had without swapping. `None` where the system does not say.
pub fn available_memory() -> Option<u64> {
    kibibytes(&linux_file("/proc/meminfo")?, "MemAvailable:")
}

/// The tightest memory limit of the control groups this process is in, versions 1 and 2.
pub fn memory_cgroup_limit() -> Option<u64> {
    let (groups, mounts) = (linux_file("/proc/self/cgroup")?, linux_file("/proc/self/mountinfo")?);
    let limits = cgroup_limit_files(&groups, &mounts).into_iter().filter_map(linux_file);
    limits.filter_map(|text| text.trim().parse().ok()).filter(|&bytes| bytes < UNLIMITED).min()
}

/// Version 1 writes "no limit" as the largest number of pages, in bytes.
const UNLIMITED: u64 = 1 << 60;

/// Whether files there live in memory (tmpfs, ramfs), so that writing them costs memory.
pub fn is_memory_backed(path: &Path) -> bool {
    existing(path).is_some_and(|p| in_memory(&p))
}

/// Bytes that can still be written there. `None` where the system does not say.
pub fn free_space(path: &Path) -> Option<u64> {
    free_bytes(&existing(path)?)
}

/// Reads the bytes at that position, all of them.
///
/// # Errors
/// `UnexpectedEof` when the file ends before; else the system's error.
#[cfg(unix)]
pub fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

/// Writes the bytes at that position, all of them.
///
/// # Errors
/// The system's error.
#[cfg(unix)]
pub fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

/// Reads the bytes at that position, all of them.
///
/// # Errors
/// `UnexpectedEof` when the file ends before; else the system's error.
#[cfg(windows)]
pub fn read_exact_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                bytes = &mut bytes[n..];
                offset += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Writes the bytes at that position, all of them.
///
/// # Errors
/// The system's error.
#[cfg(windows)]
pub fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_write(file, bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => {
                bytes = &bytes[n..];
                offset += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Sets the length of a new file and takes the disk space for it, so that a full disk shows before the first pixel
/// and tiles written in any order lie together. Where the file system cannot, only the length is set.
///
/// # Errors
/// `StorageFull` when there is not enough space.
pub fn preallocate(file: &File, len: u64) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if len > 0 {
        use rustix::fs::{FallocateFlags, fallocate};
        match fallocate(file, FallocateFlags::empty(), 0, len) {
            Ok(()) => return Ok(()),
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {}
            Err(e) => return Err(e.into()),
        }
    }
    file.set_len(len)
}

/// Brings all files of a folder to the disk.
///
/// # Errors
/// The system's error.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    if let Ok(open) = File::open(folder) {
        // One call for thousands of small files.
        return Ok(rustix::fs::syncfs(&open)?);
    }
    for entry in folder.read_dir()? {
        let path = entry?.path();
        if path.is_dir() { sync_folder(&path)? } else { File::open(&path)?.sync_all()? }
    }
    Ok(())
}

fn linux_file(path: impl AsRef<Path>) -> Option<String> {
    if cfg!(target_os = "linux") { std::fs::read_to_string(path).ok() } else { None }
}

fn status_field(name: &str) -> Option<u64> {
    kibibytes(&linux_file("/proc/self/status")?, name)
}

fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|l| l.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// For both versions: the limit files of the process's group and of all those above it.
fn cgroup_limit_files(groups: &str, mounts: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        let (file, kind, option) = match controllers {
            "" => ("memory.max", "cgroup2", ""),
            list if list.split(',').any(|c| c == "memory") => ("memory.limit_in_bytes", "cgroup", "memory"),
            _ => continue,
        };
        if let Some((root, mount)) = cgroup_mount(mounts, kind, option) {
            // Inside a container the mount may show only the group's own subtree.
            let below = Path::new(path).strip_prefix(root).unwrap_or(Path::new(""));
            let group = Path::new(mount).join(below);
            found.extend(group.ancestors().take_while(|p| p.starts_with(mount)).map(|p| p.join(file)));
        }
    }
    found
}

/// Root and mount point of the cgroup hierarchy of that kind (and, in version 1, with that controller).
fn cgroup_mount<'a>(mounts: &'a str, kind: &str, option: &str) -> Option<(&'a str, &'a str)> {
    mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut right = right.split(' ');
        let (fs, options) = (right.next()?, right.nth(1)?);
        let mut left = left.split(' ').skip(3);
        let (root, mount) = (left.next()?, left.next()?);
        (fs == kind && (option.is_empty() || options.split(',').any(|o| o == option))).then_some((root, mount))
    })
}

/// The path, or the nearest folder above it that exists.
fn existing(path: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(path).ok()?;
    absolute.ancestors().find(|p| p.exists()).map(Path::to_path_buf)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn in_memory(path: &Path) -> bool {
    const TMPFS: u64 = 0x0102_1994;
    const RAMFS: u64 = 0x8584_58f6;
    rustix::fs::statfs(path).is_ok_and(|s| matches!(s.f_type as u64 & 0xffff_ffff, TMPFS | RAMFS))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn in_memory(_path: &Path) -> bool {
    false
}

#[cfg(unix)]
fn free_bytes(path: &Path) -> Option<u64> {
    let space = rustix::fs::statvfs(path).ok()?;
    space.f_bavail.checked_mul(space.f_frsize)
}

#[cfg(not(unix))]
fn free_bytes(_path: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_cgroup_versions_are_walked_up_to_the_mount() {
        let groups = "5:cpu,cpuacct:/a\n4:memory:/jobs/one\n0::/user/two\n";
        let mounts = "30 24 0:26 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n\
                      31 24 0:27 /user /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n";
        let expected = [
            "/sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/jobs/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/unified/two/memory.max",
            "/sys/fs/cgroup/unified/memory.max",
        ];
        assert_eq!(cgroup_limit_files(groups, mounts), expected.map(PathBuf::from));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_process_is_resident() {
        let (now, peak) = (resident().unwrap(), peak_resident().unwrap());
        assert!(now > 100 << 10 && peak >= now, "{now} {peak}");
        assert!(available_memory().unwrap() > 1 << 20);
    }

    #[test]
    fn space_is_known_for_paths_that_do_not_exist_yet() {
        let folder = std::env::temp_dir().join("no such folder/no such file");
        assert_eq!(free_space(&folder).is_some(), cfg!(unix));
    }
}
