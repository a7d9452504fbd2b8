//! The pages of an array: in one file, or in several that are opened when they are needed.

use super::chain::walk;
use super::ifd::{Directory, Tiff};
use super::page::Page;
use super::tables::{Tables, most_stored};
use crate::error::{Error, Result};
use crate::io::file::FileBytes;
use crate::io::strided::shape_text;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tiff::tags::Tag;

/// Memory for a file that is known but not loaded: its name and the places of its only page.
const FILE_BILL: u64 = 512;

/// Planes of the array that lie in consecutive pages of a file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run {
    /// The first plane, in the array's order.
    pub plane: u64,
    pub count: u64,
    pub file: usize,
    /// The page of the first plane, by its number in the file.
    pub page: u64,
}

/// One file of a set.
#[derive(Debug)]
struct Member {
    path: PathBuf,
    tables: Mutex<Option<Arc<Tables>>>,
}

/// The pages of an array.
#[derive(Debug)]
pub(super) struct PageSet {
    /// What all of them have in common.
    pub page: Page,
    members: Vec<Member>,
    /// In the order of planes, without gaps.
    runs: Vec<Run>,
    /// Which of the smaller copies behind each page is meant; `None` for the page itself.
    copy: Option<u64>,
}

impl PageSet {
    /// All pages of one file, in their order.
    pub fn single(path: &Path, page: Page, tables: Tables) -> Self {
        let runs = vec![Run { plane: 0, count: tables.pages, file: 0, page: 0 }];
        let member = Member { path: path.to_path_buf(), tables: Mutex::new(Some(Arc::new(tables))) };
        PageSet { page, members: vec![member], runs, copy: None }
    }

    /// Pages of several files, none of which is loaded yet.
    pub fn several(paths: Vec<PathBuf>, page: Page, runs: Vec<Run>, copy: Option<u64>) -> Self {
        let members = paths.into_iter().map(|path| Member { path, tables: Mutex::new(None) }).collect();
        PageSet { page, members, runs, copy }
    }

    /// File and page of a plane.
    pub fn locate(&self, plane: u64) -> Option<(usize, u64)> {
        let after = self.runs.partition_point(|run| run.plane <= plane);
        let run = self.runs.get(after.checked_sub(1)?)?;
        let within = plane - run.plane;
        (within < run.count).then_some((run.file, run.page + within))
    }

    /// The path of a file.
    pub fn path(&self, file: usize) -> &Path {
        self.members.get(file).map_or(Path::new(""), |m| &m.path)
    }

    /// The only file, with its tables.
    pub fn only(&self) -> Option<Arc<Tables>> {
        match &self.members[..] {
            [one] => one.tables.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            _ => None,
        }
    }

    /// Whether all planes are the pages of one file in their order.
    pub fn is_plain(&self) -> bool {
        matches!((&self.members[..], &self.runs[..]), ([_], [Run { page: 0, .. }]))
    }

    /// The tables of a file, which is read if it was not yet.
    ///
    /// # Errors
    /// When the file is missing or is not what the set says.
    pub fn tables(&self, file: usize) -> Result<Arc<Tables>> {
        let Some(member) = self.members.get(file) else {
            return Err(Error::Internal(format!("file {file} of a set of {}", self.members.len())));
        };
        let mut tables = member.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tables) = &*tables {
            return Ok(Arc::clone(tables));
        }
        let loaded = Arc::new(self.load(file, &member.path)?);
        *tables = Some(Arc::clone(&loaded));
        Ok(loaded)
    }

    /// The pages of a file that are planes, as first and end of runs that do not meet.
    fn used(&self, file: usize) -> Vec<(u64, u64)> {
        let runs = self.runs.iter().filter(|r| r.file == file).map(|r| (r.page, r.page + r.count));
        let mut sorted: Vec<(u64, u64)> = runs.collect();
        sorted.sort_unstable();
        let mut used: Vec<(u64, u64)> = Vec::new();
        for (first, end) in sorted {
            match used.last_mut() {
                Some(last) if first <= last.1 => last.1 = last.1.max(end),
                _ => used.push((first, end)),
            }
        }
        used
    }

    fn load(&self, file: usize, path: &Path) -> Result<Tables> {
        let (mut tiff, first) = Tiff::open_path(path)?;
        let used = self.used(file);
        let end = used.iter().map(|u| u.1).max().unwrap_or(0);
        let mut tables = Tables::new(&tiff, &self.page);
        walk(&mut tiff, first, |tiff, index, directory| {
            let before = used.partition_point(|u| u.0 <= index);
            let wanted = before.checked_sub(1).and_then(|i| used.get(i)).is_some_and(|u| index < u.1);
            if !wanted {
                tables.skip();
                return Ok(index + 1 < end);
            }
            let copy = self.copy.map(|n| smaller(tiff, directory, n)).transpose()?;
            let directory = copy.as_ref().unwrap_or(directory);
            let page = Page::read(tiff, directory)?;
            same(tiff, index, &page, &self.page)?;
            tables.push(tiff, directory, &self.page)?;
            Ok(index + 1 < end)
        })?;
        match tables.pages < end {
            true => Err(tiff.wrong(format!("has {} pages, but its description counts on {end}", tables.pages))),
            false => Ok(tables),
        }
    }

    /// Memory of the tables: as loaded, or what they take at the most.
    pub fn bytes(&self) -> u64 {
        let runs = (self.runs.capacity() * size_of::<Run>()) as u64;
        let one =
            |(file, member): (usize, &Member)| match &*member.tables.lock().unwrap_or_else(PoisonError::into_inner) {
                Some(tables) => tables.bytes(),
                None => {
                    let pages = self.runs.iter().filter(|r| r.file == file).map(|r| r.page + r.count).max();
                    // Vectors grow by doubling.
                    FILE_BILL + pages.filter(|&n| n > 2).map_or(0, |n| n * 8 * 4 * 2)
                }
            };
        match &self.members[..] {
            [_] if self.is_plain() => self.members.iter().enumerate().map(one).sum(),
            [_] => runs + self.members.iter().enumerate().map(one).sum::<u64>(),
            members if members.len() <= 64 => runs + members.iter().enumerate().map(one).sum::<u64>(),
            // Looking for the runs of every file would take too long.
            members => {
                let end = self.runs.iter().map(|r| if r.page + r.count > 2 { r.page + r.count } else { 0 });
                runs + members.len() as u64 * FILE_BILL + end.sum::<u64>() * 8 * 4 * 2
            }
        }
    }

    /// Most bytes of a stored strip or tile.
    pub fn max_stored(&self) -> u64 {
        self.only().map_or_else(|| most_stored(&self.page), |tables| tables.max_stored)
    }
}

/// The directory of a smaller copy behind a page.
///
/// # Errors
/// When there is none.
pub(super) fn smaller(tiff: &mut Tiff, directory: &Directory, copy: u64) -> Result<Directory> {
    let mut at = None;
    let mut index = 0;
    tiff.integers(directory, Tag::SubIfd, copy.saturating_add(1), |_, value| {
        at = (index == copy).then_some(value);
        index += 1;
        Ok(())
    })?;
    match at {
        Some(at) => tiff.directory(at),
        None => Err(tiff.wrong("has pages with fewer levels than its first")),
    }
}

/// Checks that a page is like the others.
///
/// # Errors
/// When it is not; the message says in what.
pub(super) fn same(tiff: &Tiff, index: u64, page: &Page, expected: &Page) -> Result<()> {
    if page == expected {
        return Ok(());
    }
    let text = |p: &Page| {
        let shape = shape_text(&p.shape());
        match page.shape() == expected.shape() {
            true => {
                let kind = if p.tiled { "tiles" } else { "strips" };
                let chunk = shape_text(&[p.chunk_height, p.chunk_width]);
                format!("{shape} {}, {} {kind} of {chunk}", p.dtype, p.storage.method.name())
            }
            false => shape,
        }
    };
    let (here, first) = (text(page), text(expected));
    Err(tiff.wrong(format!(
        "has pages of different kinds, which are not one array: page {index} ({here}) and page 0 ({first})"
    )))
}

impl Tiff {
    /// Opens the file at that path; gives the position of the first directory too.
    ///
    /// # Errors
    /// When it cannot be opened or is no TIFF.
    pub fn open_path(path: &Path) -> Result<(Self, u64)> {
        Tiff::open(FileBytes::open_new(path)?)
    }
}
