//! An output file that appears complete or not at all: written under a temporary name, fsynced once, renamed.

use crate::error::{Bytes, Error, Result};
use crate::sys;
use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

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
        let mut temporary = OsString::from(".");
        temporary.push(name);
        temporary.push(".tilewise-partial");
        let temporary = folder.join(temporary);
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

fn folder_of(path: &Path) -> &Path {
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
