//! An output, file or folder, that appears complete or not at all: written under a temporary name, fsynced once,
//! renamed.

use crate::error::{Bytes, Error, Result};
use crate::sys;
use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Writes a small file that appears complete or not at all.
///
/// # Errors
/// When the output exists and `overwrite` is false, its folder is missing, or the disk is full or fails.
pub fn write_file(path: &Path, bytes: &[u8], overwrite: bool) -> Result<()> {
    let mut out = Partial::new(path, overwrite)?;
    out.begin(bytes.len() as u64)?;
    out.write_at(0, bytes)?;
    out.commit()
}

/// A file that is not there yet.
#[derive(Debug)]
pub(super) struct Partial {
    path: PathBuf,
    temporary: PathBuf,
    overwrite: bool,
    file: Option<File>,
}

impl Partial {
    /// Checks that the output may be written; touches nothing.
    ///
    /// # Errors
    /// When it exists and may not be overwritten, is a folder, or its folder is missing.
    pub fn new(path: &Path, overwrite: bool) -> Result<Self> {
        let Some(name) = path.file_name() else {
            return Err(Error::Usage(format!("{}: is not the name of a file", path.display())));
        };
        if path.is_dir() {
            return Err(Error::Usage(format!("{}: is a folder", path.display())));
        }
        let folder = folder_of(path);
        if !folder.is_dir() {
            return Err(Error::format(path, format!("its folder {} does not exist", folder.display())));
        }
        let temporary = folder.join(hidden(name));
        let partial = Partial { path: path.to_path_buf(), temporary, overwrite, file: None };
        partial.check_free()?;
        Ok(partial)
    }

    /// The output's name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Creates the temporary file with that length, in place of what a killed run left there.
    ///
    /// # Errors
    /// When the folder cannot be written or the disk is too small.
    pub fn begin(&mut self, len: u64) -> Result<()> {
        self.file = Some(self.claim()?);
        self.reserve(len).inspect_err(|_| self.abort())
    }

    /// The temporary file, empty and locked: two runs that write the same output must not share it.
    fn claim(&self) -> Result<File> {
        if self.temporary.symlink_metadata().is_ok_and(|m| m.is_symlink()) {
            std::fs::remove_file(&self.temporary).map_err(|e| self.cannot_create(e))?;
        }
        loop {
            let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&self.temporary);
            let file = opened.map_err(|e| self.cannot_create(e))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let what = "another run is writing it".to_string();
                    return Err(Error::File { path: self.path.clone(), what, source: None });
                }
                // Some network file systems have no locks.
                Err(TryLockError::Error(_)) => {}
            }
            // Between opening and locking, another run may have finished and renamed the file.
            if self.is_named(&file) {
                file.set_len(0).map_err(|e| self.cannot_create(e))?;
                return Ok(file);
            }
        }
    }

    /// Whether the temporary name still stands for that file.
    #[cfg(unix)]
    fn is_named(&self, file: &File) -> bool {
        use std::os::unix::fs::MetadataExt;
        let id = |m: std::fs::Metadata| (m.dev(), m.ino());
        match (self.temporary.symlink_metadata(), file.metadata()) {
            (Ok(named), Ok(open)) => id(named) == id(open),
            _ => false,
        }
    }

    /// Elsewhere an open file cannot be renamed.
    #[cfg(not(unix))]
    fn is_named(&self, _file: &File) -> bool {
        true
    }

    fn reserve(&self, len: u64) -> Result<()> {
        let free = sys::free_space(&self.temporary);
        let full = |free: Option<u64>| {
            let free = free.map_or("less".to_string(), |b| Bytes(b).to_string());
            let what = format!("the disk is full: {} are needed, {free} free", Bytes(len));
            Error::File { path: self.path.clone(), what, source: None }
        };
        if free.is_some_and(|free| free < len) {
            return Err(full(free));
        }
        sys::preallocate(self.file()?, len).map_err(|e| match e.kind() {
            ErrorKind::StorageFull => full(free),
            _ => Error::io(&self.path, &format!("a file of {} cannot be made", Bytes(len)), e),
        })
    }

    /// The file being written.
    ///
    /// # Errors
    /// When `begin` was not called.
    pub fn file(&self) -> Result<&File> {
        let what = "is written before it was begun".to_string();
        self.file.as_ref().ok_or_else(|| Error::File { path: self.path.clone(), what, source: None })
    }

    /// Writes bytes at a position.
    ///
    /// # Errors
    /// When the disk is full or fails.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        sys::write_all_at(self.file()?, bytes, offset).map_err(|e| Error::io(&self.path, "cannot be written", e))
    }

    /// Completes the output.
    ///
    /// # Errors
    /// When the disk is full or fails, or the output has appeared meanwhile; nothing is left behind then.
    pub fn commit(&mut self) -> Result<()> {
        let done = self.finish();
        match done.is_ok() {
            true => self.file = None,
            false => self.abort(),
        }
        done
    }

    fn finish(&self) -> Result<()> {
        self.file()?.sync_all().map_err(|e| Error::io(&self.path, "cannot be written", e))?;
        self.check_free()?;
        if !self.is_named(self.file()?) {
            let what = "its temporary file was taken away during the run".to_string();
            return Err(Error::File { path: self.path.clone(), what, source: None });
        }
        std::fs::rename(&self.temporary, &self.path).map_err(|e| Error::io(&self.path, "cannot be renamed to", e))
    }

    fn check_free(&self) -> Result<()> {
        if !self.overwrite && self.path.symlink_metadata().is_ok() {
            return Err(Error::Usage(format!("{}: exists; --overwrite replaces it", self.path.display())));
        }
        Ok(())
    }

    /// Removes the temporary file.
    pub fn abort(&mut self) {
        if self.file.take().is_some() {
            let _ = std::fs::remove_file(&self.temporary);
        }
    }

    fn cannot_create(&self, e: std::io::Error) -> Error {
        let what = match e.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "its folder cannot be written".to_string(),
            ErrorKind::StorageFull => "the disk is full".to_string(),
            _ => format!("cannot be created: {e}"),
        };
        Error::File { path: self.path.clone(), what, source: Some(e) }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        self.abort();
    }
}

/// A folder that is not there yet.
#[cfg(feature = "zarr")]
#[derive(Debug)]
pub(super) struct PartialFolder {
    path: PathBuf,
    temporary: PathBuf,
    overwrite: bool,
    /// The temporary folder, held open for its lock.
    lock: Option<File>,
    begun: bool,
    /// Whether the folder it lies in is made with it.
    makes_folder: bool,
}

#[cfg(feature = "zarr")]
impl PartialFolder {
    /// Checks that the output may be written; touches nothing. A folder that is replaced has to look like one of those
    /// that are written, as `is_ours` tells.
    ///
    /// # Errors
    /// When it exists and may not be overwritten, or its folder is missing.
    pub fn new(path: &Path, overwrite: bool, is_ours: fn(&Path) -> bool) -> Result<Self> {
        let folder = folder_of(path);
        if !folder.is_dir() {
            return Err(Error::format(path, format!("its folder {} does not exist", folder.display())));
        }
        PartialFolder::within(path, overwrite, is_ours)
    }

    /// The same for an output whose folder is made with it where it is missing.
    ///
    /// # Errors
    /// When it exists and may not be overwritten.
    pub fn within(path: &Path, overwrite: bool, is_ours: fn(&Path) -> bool) -> Result<Self> {
        let Some(name) = path.file_name() else {
            return Err(Error::Usage(format!("{}: is not the name of a folder", path.display())));
        };
        let folder = folder_of(path);
        let partial = PartialFolder {
            path: path.to_path_buf(),
            temporary: folder.join(hidden(name)),
            overwrite,
            lock: None,
            begun: false,
            makes_folder: !folder.exists(),
        };
        partial.check_free()?;
        if path.is_dir() && !is_ours(path) && path.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Error::Usage(format!("{}: is a folder of something else", path.display())));
        }
        Ok(partial)
    }

    /// The output's name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder to write in.
    pub fn folder(&self) -> &Path {
        &self.temporary
    }

    /// Creates the temporary folder, in place of what a killed run left there.
    ///
    /// # Errors
    /// When its folder cannot be written, or another run is writing the same output.
    pub fn begin(&mut self) -> Result<()> {
        let fail = |e: std::io::Error| Error::io(&self.path, "cannot be created", e);
        if self.makes_folder {
            std::fs::create_dir_all(folder_of(&self.path)).map_err(fail)?;
        }
        match std::fs::create_dir(&self.temporary) {
            Ok(()) => self.lock = self.locked()?,
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                if !self.temporary.symlink_metadata().map_err(fail)?.is_dir() {
                    std::fs::remove_file(&self.temporary).map_err(fail)?;
                    std::fs::create_dir(&self.temporary).map_err(fail)?;
                }
                self.lock = self.locked()?;
                for entry in self.temporary.read_dir().map_err(fail)? {
                    remove(&entry.map_err(fail)?.path()).map_err(fail)?;
                }
            }
            Err(e) => return Err(fail(e)),
        }
        self.begun = true;
        Ok(())
    }

    /// The temporary folder, locked where folders can be.
    fn locked(&self) -> Result<Option<File>> {
        let Ok(folder) = File::open(&self.temporary) else { return Ok(None) };
        match folder.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let what = "another run is writing it".to_string();
                Err(Error::File { path: self.path.clone(), what, source: None })
            }
            _ => Ok(Some(folder)),
        }
    }

    /// Completes the output. One that it replaces is moved aside first and removed after.
    ///
    /// # Errors
    /// When the disk is full or fails, or the output has appeared meanwhile; nothing is left behind then.
    pub fn commit(&mut self) -> Result<()> {
        let done = self.finish();
        match done.is_ok() {
            true => self.begun = false,
            false => self.abort(),
        }
        self.lock = None;
        done
    }

    fn finish(&self) -> Result<()> {
        sys::sync_folder(&self.temporary).map_err(|e| Error::io(&self.path, "cannot be written", e))?;
        self.check_free()?;
        let renamed = |e| Error::io(&self.path, "cannot be renamed to", e);
        if self.path.symlink_metadata().is_err() {
            return std::fs::rename(&self.temporary, &self.path).map_err(renamed);
        }
        let mut old = hidden(self.path.file_name().unwrap_or_default());
        old.push("-replaced");
        let old = folder_of(&self.path).join(old);
        if old.symlink_metadata().is_ok() {
            remove(&old).map_err(renamed)?;
        }
        std::fs::rename(&self.path, &old).map_err(renamed)?;
        if let Err(e) = std::fs::rename(&self.temporary, &self.path) {
            let _ = std::fs::rename(&old, &self.path);
            return Err(renamed(e));
        }
        remove(&old).map_err(|e| Error::io(&old, "cannot be removed", e))
    }

    fn check_free(&self) -> Result<()> {
        if !self.overwrite && self.path.symlink_metadata().is_ok() {
            return Err(Error::Usage(format!("{}: exists; --overwrite replaces it", self.path.display())));
        }
        Ok(())
    }

    /// Removes the temporary folder.
    pub fn abort(&mut self) {
        if std::mem::take(&mut self.begun) {
            let _ = std::fs::remove_dir_all(&self.temporary);
            if self.makes_folder {
                // Only if nothing else has come into it.
                let _ = std::fs::remove_dir(folder_of(&self.path));
            }
        }
        self.lock = None;
    }
}

#[cfg(feature = "zarr")]
impl Drop for PartialFolder {
    fn drop(&mut self) {
        self.abort();
    }
}

#[cfg(feature = "zarr")]
fn remove(path: &Path) -> std::io::Result<()> {
    match path.symlink_metadata()?.is_dir() {
        true => std::fs::remove_dir_all(path),
        false => std::fs::remove_file(path),
    }
}

/// The name under which an output is written.
fn hidden(name: &std::ffi::OsStr) -> OsString {
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(".tilewise-partial");
    hidden
}

/// The folder that a file of that name lies in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_do_not_share_an_output() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.bin");
        let (mut first, mut second) = (Partial::new(&path, true).unwrap(), Partial::new(&path, true).unwrap());
        first.begin(4).unwrap();
        first.write_at(0, b"good").unwrap();
        assert!(second.begin(4).unwrap_err().to_string().ends_with("another run is writing it"));
        drop(second);
        first.commit().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"good");
        assert_eq!(names(folder.path()), ["out.bin"]);
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            folder.read_dir().unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn an_output_appears_only_when_committed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        std::fs::write(folder.path().join(".a.npy.tilewise-partial"), "left by a killed run").unwrap();
        let mut out = Partial::new(&path, false).unwrap();
        out.begin(4).unwrap();
        out.write_at(0, b"abcd").unwrap();
        assert_eq!(names(folder.path()), [".a.npy.tilewise-partial"]);
        out.commit().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"abcd");
        assert_eq!(names(folder.path()), ["a.npy"]);
    }

    #[test]
    fn abort_and_drop_leave_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let mut out = Partial::new(&path, false).unwrap();
        out.begin(10).unwrap();
        out.abort();
        assert!(names(folder.path()).is_empty());
        out.begin(10).unwrap();
        drop(out);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn an_existing_output_stays_without_overwrite() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let mut late = Partial::new(&path, false).unwrap();
        late.begin(1).unwrap();
        std::fs::write(&path, "mine").unwrap();
        assert!(late.commit().unwrap_err().to_string().contains("--overwrite"));
        assert!(Partial::new(&path, false).unwrap_err().to_string().contains("--overwrite"));
        assert_eq!((std::fs::read(&path).unwrap(), names(folder.path())), (b"mine".to_vec(), vec!["a.npy".into()]));
        let mut out = Partial::new(&path, true).unwrap();
        out.begin(2).unwrap();
        out.write_at(0, b"ok").unwrap();
        out.commit().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"ok");
    }

    #[cfg(feature = "zarr")]
    #[test]
    fn folders_appear_whole_and_replace_only_their_like() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.zarr");
        let ours: fn(&Path) -> bool = |path| path.join("mark").is_file();
        std::fs::create_dir(folder.path().join(".a.zarr.tilewise-partial")).unwrap();
        std::fs::write(folder.path().join(".a.zarr.tilewise-partial/left"), "by a killed run").unwrap();
        for text in ["one", "two"] {
            let mut out = PartialFolder::new(&path, true, ours).unwrap();
            out.begin().unwrap();
            assert_eq!(names(out.folder()).len(), 0);
            let mut second = PartialFolder::new(&path, true, ours).unwrap();
            assert!(second.begin().unwrap_err().to_string().ends_with("another run is writing it"));
            drop(second);
            std::fs::write(out.folder().join("mark"), text).unwrap();
            out.commit().unwrap();
            assert_eq!(std::fs::read_to_string(path.join("mark")).unwrap(), text);
            assert_eq!(names(folder.path()), ["a.zarr"]);
        }
        assert!(PartialFolder::new(&path, false, ours).unwrap_err().to_string().contains("--overwrite"));
        std::fs::remove_file(path.join("mark")).unwrap();
        std::fs::write(path.join("precious"), "").unwrap();
        assert!(PartialFolder::new(&path, true, ours).unwrap_err().to_string().contains("something else"));
        let mut out = PartialFolder::new(&folder.path().join("b"), false, ours).unwrap();
        out.begin().unwrap();
        drop(out);
        assert_eq!(names(folder.path()), ["a.zarr"]);
    }

    #[test]
    fn what_cannot_be_written_says_why() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Partial::new(folder.path(), true).unwrap_err().to_string().contains("is a folder"));
        let missing = folder.path().join("no/a.npy");
        assert!(Partial::new(&missing, false).unwrap_err().to_string().contains("does not exist"));
        let mut huge = Partial::new(&folder.path().join("a"), false).unwrap();
        assert!(huge.begin(1 << 60).unwrap_err().to_string().contains("full"));
        assert!(names(folder.path()).is_empty());
    }
}
