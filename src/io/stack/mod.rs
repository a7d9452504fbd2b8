//! Stacks: the files of a glob or a folder as one array, with an axis `n` in front, or with the axes that their names
//! tell.

mod names;
mod tokens;

use super::open::open_one;
use super::strided::shape_text;
use super::{Access, Facts, Layout, OpenOptions, ReadBill, Reader, Source, name_axes};
use crate::array::{ArraySpec, Axis, Dims, MAX_RANK, Region, ViewMut};
use crate::error::{Error, Result};
use lru::LruCache;
use names::{Found, Names, Wanted};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

/// What the path of a raw file starts with.
const RAW: &str = super::raw::PREFIX;

/// The headers of this many files are read when a stack is opened; of larger stacks, of as many spread over it. The
/// others are looked at when they are read.
const CHECKED: u64 = 4096;

/// A reader keeps up to this many files open …
const OPEN: u64 = 8;

/// … as long as they cost no more than this together.
const OPEN_BYTES: u64 = 512 << 10;

/// A file that is open: its path, its spec, and the entry in the list of open ones.
const FILE_BILL: u64 = 2048;

/// Whether that is a pattern with wildcards instead of the name of a file.
pub(super) fn is_glob(path: &str) -> bool {
    Wanted::new(path).is_glob()
}

/// The files of a pattern, in natural order.
pub(super) fn files_of_glob(path: &str) -> Result<Vec<String>> {
    Wanted::new(path).glob().map(|found| found.paths())
}

/// The images in a folder, in natural order.
pub(super) fn files_of_folder(path: &str) -> Result<Vec<String>> {
    Wanted::new(path).folder().map(|found| found.paths())
}

/// Opens the files of a pattern (`plate/*.tif`) as one array.
///
/// # Errors
/// When there are none, they differ, or the axes that are asked for do not stand in their names.
pub(super) fn open_glob(path: &str, options: &OpenOptions) -> Result<Arc<dyn Source>> {
    open(path, Wanted::new(path).glob()?, options)
}

/// Opens the images in a folder as one array.
///
/// # Errors
/// As [`open_glob`], and when they are of several formats.
pub(super) fn open_folder(path: &str, options: &OpenOptions) -> Result<Arc<dyn Source>> {
    open(path, Wanted::new(path).folder()?, options)
}

fn open(called: &str, mut found: Found, options: &OpenOptions) -> Result<Arc<dyn Source>> {
    let inner = OpenOptions { axes: None, ..options.clone() };
    let first = open_one(&found.first(), &inner)?;
    let letters = lead_letters(called, options, first.spec())?;
    let grid = if options.axes.is_some() { found.on_grid(&letters, called)? } else { None };
    let names = found.in_order(called)?;
    let first = if grid.is_some() { open_one(&names.path(0), &inner)? } else { first };
    let lead: Dims = match &grid {
        Some(grid) => grid.shape.iter().copied().collect(),
        None => [names.len()].into_iter().collect(),
    };
    let mut spec = first.spec().clone();
    spec.shape = lead.iter().chain(&spec.shape).copied().collect();
    spec.axes = letters.iter().map(|&letter| Axis::new(letter)).chain(spec.axes).collect();
    spec.named = true;
    for (axis, values) in spec.axes.iter_mut().zip(grid.map(|grid| grid.values).unwrap_or_default()) {
        axis.labels = values;
    }
    let spec = name_axes(spec, options, Path::new(called))?;
    let item = Item { spec: first.spec().clone(), layout: first.layout(), bills: Bills::of(first.as_ref()) };
    let mut facts = first.facts();
    facts.format = format!("stack of {}", facts.format);
    let last = names.len() as usize - 1;
    facts.more.push(("files".into(), format!("{}: {} … {}", names.len(), names.name(0), names.name(last))));
    let mut stack = Stack { called: called.to_string(), names, lead, spec, item, inner, facts };
    stack.check()?;
    Ok(Arc::new(Arc::new(stack)))
}

/// The letters of the axes that the files add.
fn lead_letters(called: &str, options: &OpenOptions, item: &ArraySpec) -> Result<Vec<char>> {
    let wrong = |what: String| Error::Usage(format!("{called}: {what}"));
    let own = item.letters();
    let Some(letters) = &options.axes else {
        if item.rank() == MAX_RANK {
            return Err(wrong(format!("the files have {MAX_RANK} axes each, so that a stack of them would have more")));
        }
        return match own.contains('n') {
            true => Err(wrong(format!("the files have an axis 'n' already: name the axes, as in axes=\"k{own}\""))),
            false => Ok(vec!['n']),
        };
    };
    let count = letters.chars().count();
    if count <= item.rank() || count > MAX_RANK {
        let (n, s) = (item.rank(), if count == 1 { "" } else { "s" });
        return Err(wrong(format!(
            "axes=\"{letters}\": {count} letter{s} for a stack of files of {n} axes ({own}): the axes of the stack come \
             first, as in \"n{own}\" or, where the names say it, \"tz{own}\""
        )));
    }
    Ok(letters.chars().take(count - item.rank()).collect())
}

/// What reading a file costs, either way.
#[derive(Clone, Copy, Debug)]
struct Bills {
    positioned: u64,
    mapped: u64,
}

impl Bills {
    fn of(source: &dyn Source) -> Self {
        let whole = |access| {
            let bill = source.bill(access);
            bill.per_reader.saturating_add(bill.shared).saturating_add(FILE_BILL)
        };
        Bills { positioned: whole(Access::Positioned), mapped: whole(Access::Mapped { faulted: || false }) }
    }

    fn of_access(self, access: Access) -> u64 {
        match access {
            Access::Positioned => self.positioned,
            Access::Mapped { .. } => self.mapped,
        }
    }
}

/// What every file of a stack is.
#[derive(Debug)]
struct Item {
    spec: ArraySpec,
    layout: Layout,
    /// The dearest one.
    bills: Bills,
}

/// Files of one kind as one array.
#[derive(Debug)]
struct Stack {
    called: String,
    names: Names,
    /// The axes that the files add.
    lead: Dims,
    spec: ArraySpec,
    item: Item,
    inner: OpenOptions,
    facts: Facts,
}

impl Stack {
    /// Opens the files, or some of them if they are many, to see whether they are alike and what the dearest costs.
    fn check(&mut self) -> Result<()> {
        let (files, looks) = (self.names.len(), self.names.len().min(CHECKED));
        for look in 1..looks {
            // The last is always among them.
            let source = self.open(look * (files - 1) / (looks - 1).max(1))?;
            let bills = Bills::of(source.as_ref());
            self.item.bills.positioned = self.item.bills.positioned.max(bills.positioned);
            self.item.bills.mapped = self.item.bills.mapped.max(bills.mapped);
        }
        Ok(())
    }

    /// Opens a file, which has to be like the first.
    fn open(&self, index: u64) -> Result<Arc<dyn Source>> {
        let path = self.names.path(index as usize);
        let source = open_one(&path, &self.inner)?;
        let (spec, first) = (source.spec(), &self.item.spec);
        if spec.shape != first.shape || spec.dtype != first.dtype || spec.letters() != first.letters() {
            return Err(self.differs(&path, &text(spec), &text(first)));
        }
        let chunk = |layout: &Layout| match layout {
            Layout::Direct { .. } => None,
            Layout::Chunked { chunk } => Some(chunk.clone()),
        };
        let (here, there) = (chunk(&source.layout()), chunk(&self.item.layout));
        if here != there {
            let text = |chunk: Option<Dims>| {
                chunk.map_or("stored as plain pixels".into(), |c| format!("stored in chunks of {}", shape_text(&c)))
            };
            return Err(self.differs(&path, &text(here), &text(there)));
        }
        Ok(source)
    }

    fn differs(&self, path: &str, is: &str, first: &str) -> Error {
        Error::format(path, format!("is {is}, but the first file of the stack, {}, is {first}", self.names.name(0)))
    }

    /// How many files a reader keeps open.
    fn kept_open(&self, access: Access) -> u64 {
        (OPEN_BYTES / self.item.bills.of_access(access).max(1)).clamp(1, OPEN)
    }
}

/// `512 x 640 uint8 (yx)`
fn text(spec: &ArraySpec) -> String {
    format!("{} {} ({})", shape_text(&spec.shape), spec.dtype, spec.letters())
}

impl Source for Arc<Stack> {
    fn spec(&self) -> &ArraySpec {
        &self.spec
    }

    fn name(&self) -> String {
        self.called.clone()
    }

    fn layout(&self) -> Layout {
        let stacked = |chunk: &Dims| self.lead.iter().map(|_| 1).chain(chunk.iter().copied()).collect();
        match &self.item.layout {
            Layout::Direct { chunk } => {
                Layout::Direct { chunk: Some(stacked(chunk.as_ref().unwrap_or(&self.item.spec.shape))) }
            }
            Layout::Chunked { chunk } => Layout::Chunked { chunk: stacked(chunk) },
        }
    }

    fn bill(&self, access: Access) -> ReadBill {
        let one = self.item.bills.of_access(access);
        ReadBill { per_reader: one.saturating_mul(self.kept_open(access)), shared: self.names.bytes() }
    }

    fn facts(&self) -> Facts {
        self.facts.clone()
    }

    fn reader(&self, access: Access) -> Result<Box<dyn Reader>> {
        let room = NonZeroUsize::new(self.kept_open(access) as usize).unwrap_or(NonZeroUsize::MIN);
        Ok(Box::new(StackReader { stack: Arc::clone(self), access, open: LruCache::new(room) }))
    }

    fn reads(&self, file: &Path) -> bool {
        self.names.contains(file)
    }
}

struct StackReader {
    stack: Arc<Stack>,
    access: Access,
    open: LruCache<u64, Box<dyn Reader>>,
}

impl StackReader {
    fn file(&mut self, index: u64) -> Result<&mut Box<dyn Reader>> {
        let StackReader { stack, access, open } = self;
        if !open.contains(&index) {
            // Before the next is opened: never more than were promised.
            if open.len() == open.cap().get() {
                open.pop_lru();
            }
            let source = stack.open(index)?;
            if Bills::of(source.as_ref()).of_access(*access) > stack.item.bills.of_access(*access) {
                let what = "takes more memory to read than any file of the stack that was looked at before";
                return Err(Error::format(stack.names.path(index as usize), what));
            }
            open.put(index, source.reader(*access)?);
        }
        open.get_mut(&index).ok_or_else(|| Error::Internal("a file that was opened is not open".into()))
    }
}

impl Reader for StackReader {
    fn read(&mut self, at: &Region, mut out: ViewMut<'_>) -> Result<()> {
        let lead = self.stack.lead.clone();
        let (files, inner) = split(at, lead.len());
        let ones: Dims = lead.iter().map(|_| 1).collect();
        for i in 0..files.elements() {
            let here = Region::tile(&files.shape, &ones, i).start;
            let place = |axis: usize| files.start[axis] + here[axis];
            let index = (0..lead.len()).fold(0, |index, axis| index * lead[axis] + place(axis));
            self.file(index)?.read(&inner, out.item(&here))?;
        }
        Ok(())
    }
}

/// A box as files and the box in each.
fn split(at: &Region, lead: usize) -> (Region, Region) {
    (Region::new(&at.start[..lead], &at.shape[..lead]), Region::new(&at.start[lead..], &at.shape[lead..]))
}
