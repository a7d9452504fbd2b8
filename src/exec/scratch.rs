//! Intermediates between passes: nameless files that vanish with the process, or memory where they are small.

use crate::array::{ArraySpec, Buffer, Region, View, ViewMut, copy, for_each_row, merge_axes};
use crate::cancel::Cancel;
use crate::error::{Bytes, Error, Result};
use crate::graph::Store;
use crate::sys::{is_memory_backed, read_exact_at, write_all_at};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// The scratch of a run: a folder and a limit.
#[derive(Debug)]
pub struct Scratch {
    folder: Option<PathBuf>,
    limit: u64,
    used: AtomicU64,
    peak: AtomicU64,
    cancel: Cancel,
}

impl Scratch {
    /// Scratch in that folder (which exists), of at most that many bytes; no folder, no scratch. Whoever reads or writes
    /// it stops when `cancel` is raised: what is sorted and merged there can take minutes.
    pub fn new(folder: Option<&Path>, limit: Option<u64>, cancel: &Cancel) -> Arc<Self> {
        Arc::new(Scratch {
            folder: folder.map(Path::to_path_buf),
            limit: limit.unwrap_or(u64::MAX),
            used: AtomicU64::new(0),
            peak: AtomicU64::new(0),
            cancel: cancel.clone(),
        })
    }

    /// The most bytes in use at once.
    pub fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: u64) -> Result<()> {
        let used = self.used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.peak.fetch_max(used, Ordering::Relaxed);
        if used > self.limit {
            return Err(Error::Scratch(format!("full: the limit is {}", Bytes(self.limit))));
        }
        Ok(())
    }

    /// A new, empty file.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub(crate) fn file(self: &Arc<Self>) -> Result<ScratchFile> {
        let Some(folder) = &self.folder else {
            return Err(Error::Scratch("there is no folder for intermediates".into()));
        };
        // Where that is certain beforehand the run was refused; whether tables outgrow memory shows only now.
        if is_memory_backed(folder) {
            return Err(Error::Scratch(format!(
                "{} is memory (tmpfs), and intermediates are needed; name a folder on a disk with --scratch-dir",
                folder.display()
            )));
        }
        let file = tempfile::tempfile_in(folder).map_err(|e| self.error("cannot create scratch", e))?;
        Ok(ScratchFile { scratch: self.clone(), file, len: Mutex::new(0) })
    }

    fn error(&self, doing: &str, e: std::io::Error) -> Error {
        let folder = self.folder.clone().unwrap_or_default();
        Error::io(folder, doing, e)
    }
}

/// One scratch file; its bytes return to the limit when it is dropped.
#[derive(Debug)]
pub(crate) struct ScratchFile {
    scratch: Arc<Scratch>,
    file: File,
    len: Mutex<u64>,
}

impl ScratchFile {
    /// Sets a length beforehand, so that boxes can be written in any order.
    fn reserve(&self, bytes: u64) -> Result<()> {
        self.scratch.take(bytes)?;
        *self.len.lock().unwrap_or_else(PoisonError::into_inner) += bytes;
        self.file.set_len(bytes).map_err(|e| self.scratch.error("growing scratch", e))
    }
}

impl Store for ScratchFile {
    fn append(&self, bytes: &[u8]) -> Result<u64> {
        self.scratch.cancel.check()?;
        self.scratch.take(bytes.len() as u64)?;
        let mut len = self.len.lock().unwrap_or_else(PoisonError::into_inner);
        let at = *len;
        write_all_at(&self.file, bytes, at).map_err(|e| self.scratch.error("writing scratch", e))?;
        *len += bytes.len() as u64;
        Ok(at)
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        self.scratch.cancel.check()?;
        read_exact_at(&self.file, out, offset).map_err(|e| self.scratch.error("reading scratch", e))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.scratch.cancel.check()?;
        write_all_at(&self.file, bytes, offset).map_err(|e| self.scratch.error("writing scratch", e))
    }
}

impl Drop for ScratchFile {
    fn drop(&mut self) {
        let len = *self.len.lock().unwrap_or_else(PoisonError::into_inner);
        self.scratch.used.fetch_sub(len, Ordering::Relaxed);
    }
}

/// A kept intermediate, written by one pass and read by later ones.
#[derive(Debug)]
pub(crate) struct Kept {
    spec: ArraySpec,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Memory(RwLock<Buffer>),
    Disk(ScratchFile),
}

impl Kept {
    /// Room in memory; it is on the run's lease.
    pub(crate) fn in_memory(spec: &ArraySpec) -> Result<Self> {
        let data = RwLock::new(Buffer::new(spec.bytes() as usize)?);
        Ok(Kept { spec: spec.clone(), place: Place::Memory(data) })
    }

    /// Room on disk.
    pub(crate) fn on_disk(spec: &ArraySpec, scratch: &Arc<Scratch>) -> Result<Self> {
        let file = scratch.file()?;
        file.reserve(spec.bytes())?;
        Ok(Kept { spec: spec.clone(), place: Place::Disk(file) })
    }

    /// Writes a box.
    pub(crate) fn write(&self, at: &Region, tile: &View<'_>) -> Result<()> {
        match &self.place {
            Place::Memory(data) => {
                let mut data = data.write().unwrap_or_else(PoisonError::into_inner);
                let mut whole = ViewMut::new(self.spec.dtype, &self.spec.shape, data.bytes_mut());
                copy(&mut whole.sub(at), tile);
                Ok(())
            }
            Place::Disk(file) => {
                let size = self.spec.dtype.size();
                self.rows(at, tile.strides(), |offset, from, n| {
                    file.write_at(offset, &tile.data()[from * size..(from + n) * size])
                })
            }
        }
    }

    /// Reads a box.
    pub(crate) fn read(&self, at: &Region, out: &mut ViewMut<'_>) -> Result<()> {
        match &self.place {
            Place::Memory(data) => {
                let data = data.read().unwrap_or_else(PoisonError::into_inner);
                copy(out, &View::new(self.spec.dtype, &self.spec.shape, data.bytes()).sub(at));
                Ok(())
            }
            Place::Disk(file) => {
                let size = self.spec.dtype.size();
                let strides: arrayvec::ArrayVec<usize, { crate::array::MAX_RANK }> =
                    out.strides().iter().copied().collect();
                self.rows(at, &strides, |offset, to, n| {
                    file.read_at(offset, &mut out.data_mut()[to * size..(to + n) * size])
                })
            }
        }
    }

    /// Every contiguous run of the box: its offset in the file, its place in the other operand, its length.
    fn rows(
        &self,
        at: &Region,
        strides: &[usize],
        mut each: impl FnMut(u64, usize, usize) -> Result<()>,
    ) -> Result<()> {
        let mut whole: Vec<usize> = vec![1; self.spec.rank()];
        for axis in (1..self.spec.rank()).rev() {
            whole[axis - 1] = whole[axis] * self.spec.shape[axis] as usize;
        }
        let first: usize = at.start.iter().zip(&whole).map(|(&i, s)| i as usize * s).sum();
        let shape: Vec<usize> = at.shape.iter().map(|&n| n as usize).collect();
        let size = self.spec.dtype.size() as u64;
        let (shape, [file, memory]) = merge_axes(&shape, [&whole, strides]);
        let mut done = Ok(());
        for_each_row(&shape, [&file, &memory], |[f, m], n| {
            if done.is_ok() {
                done = each((first + f) as u64 * size, m, n);
            }
        });
        done
    }
}
