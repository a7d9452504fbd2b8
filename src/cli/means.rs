//! What a run may use: sizes with units, the default limit, the state of the process.

use super::{MeansArgs, code_pages, fault, term};
use std::path::PathBuf;
use tilewise::error::Bytes;
use tilewise::io::Access;
use tilewise::{Error, OWN_OVERHEAD, Result, Run, sys};

/// The limit where the system does not say what is available.
const FALLBACK_LIMIT: u64 = 512 << 20;

/// What the process may hold already where the system does not say.
const FALLBACK_RESIDENT: u64 = 8 << 20;

/// The means of a run, checked.
#[derive(Clone, Debug)]
pub(super) struct Means {
    /// The memory limit of the process, in bytes.
    pub(super) limit: u64,
    threads: Option<usize>,
    scratch_dir: Option<PathBuf>,
    scratch_limit: Option<u64>,
    pub(super) mapped: bool,
    tile: Option<Vec<u64>>,
    /// What of it a run gets, where several go at the same time.
    share: Option<Share>,
}

/// A share of the means.
#[derive(Clone, Copy, Debug)]
struct Share {
    runs: usize,
    /// What the process held before any of them.
    resident: u64,
}

/// Runs at the same time get no less than this each: what small images need to be done in a few tiles.
const LEAST_SHARE: u64 = 24 << 20;

/// What opening an image leaves behind. A run alone measures it.
const HEADERS: u64 = 512 << 10;

/// What this program usually holds before a run. A little more or less depends on what the system's page cache did, and
/// the same command must fit the same limit every time.
const USUAL_RESIDENT: u64 = 4 << 20;
const STEP: u64 = 1 << 20;

/// The code of a run and its libraries that becomes resident again, measured.
const CODE: u64 = (2 << 20) + (384 << 10);

impl Means {
    pub(super) fn new(args: &MeansArgs) -> Result<Means> {
        let available = available();
        let limit = match &args.memory_limit {
            Some(text) => memory_size(text, available)?,
            None => available.map_or(FALLBACK_LIMIT, |bytes| bytes / 2),
        };
        let threads = args.threads.as_deref().map(thread_count).transpose()?;
        if let Some(folder) = args.scratch_dir.as_ref().filter(|f| !f.is_dir()) {
            let folder = folder.display();
            return Err(Error::Usage(format!("--scratch-dir {folder}: is not a folder")));
        }
        let scratch_limit = args.scratch_limit.as_deref().map(|text| size("--scratch-limit", text)).transpose()?;
        let tile = args.tile.clone();
        if tile.as_ref().is_some_and(|t| t.contains(&0)) {
            return Err(Error::Usage("--tile: a tile has at least one element along each axis".into()));
        }
        Ok(Means {
            limit,
            threads,
            scratch_dir: args.scratch_dir.clone(),
            scratch_limit,
            mapped: args.mmap,
            tile,
            share: None,
        })
    }

    /// The means of each of as many runs at the same time as are worth it, at most one for each of `files`, and their
    /// number. Together they stay within the limit.
    pub(super) fn shared(&self, files: usize) -> (Means, usize) {
        let resident = resident();
        let fit = self.limit.saturating_sub(resident) / LEAST_SHARE;
        let runs = self.threads().min(files).min(usize::try_from(fit).unwrap_or(usize::MAX)).max(1);
        let share = (runs > 1).then_some(Share { runs, resident });
        (Means { share, ..self.clone() }, runs)
    }

    /// Whether these are the means of one of several runs at the same time.
    pub(super) fn is_share(&self) -> bool {
        self.share.is_some()
    }

    fn threads(&self) -> usize {
        self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get()))
    }

    /// Gives a run these means. The limit is that of the process, so what it holds now counts: call this last, when
    /// everything is opened.
    pub(super) fn apply<'a>(&self, run: Run<'a>) -> Run<'a> {
        let runs = self.share.map_or(1, |share| share.runs as u64);
        let baseline = match self.share {
            // What the process holds now is in part what the other runs hold, and they have shares of their own.
            Some(share) => share.resident.div_ceil(runs) + HEADERS,
            // Start-up may have taken more than the limit already.
            None => resident().max(sys::peak_resident().filter(|&peak| peak > self.limit).unwrap_or(0)),
        };
        let mut run = run.memory_limit(self.limit / runs).baseline(baseline + OWN_OVERHEAD);
        if self.share.is_none() {
            // Rounded, so that the same command has the same bill every time.
            run = run.reached(sys::peak_resident().unwrap_or(0).next_multiple_of(STEP));
        }
        if self.mapped {
            run = run.access(Access::Mapped { faulted: fault::faulted });
        }
        if self.threads.is_some() || self.share.is_some() {
            run = run.threads((self.threads() / runs as usize).max(1));
        }
        let nowhere = || (!run.has_scratch()).then(std::env::temp_dir);
        if let Some(folder) = self.scratch_dir.clone().or_else(nowhere) {
            run = run.scratch_dir(folder);
        }
        if let Some(bytes) = self.scratch_limit {
            run = run.scratch_limit(bytes / runs);
        }
        if let Some(tile) = &self.tile {
            run = run.tile(tile);
        }
        run
    }

    /// Says so when the limit is more than the system will give.
    pub(super) fn warn(&self) {
        if let Some(cgroup) = sys::memory_cgroup_limit().filter(|&c| c < self.limit) {
            let (limit, cgroup) = (Bytes(self.limit), Bytes(cgroup));
            term::note(&format!("warning: the memory limit {limit} is above that of the control group, {cgroup}"));
        }
    }
}

/// What the process holds when its start-up code is given back, with the code of the run to come; rounded so that it is
/// the same every time.
fn resident() -> u64 {
    code_pages::give_back();
    let resident = sys::resident().unwrap_or(FALLBACK_RESIDENT).max(USUAL_RESIDENT);
    resident.next_multiple_of(STEP) + CODE
}

/// Memory that can be had, control groups respected.
fn available() -> Option<u64> {
    let machine = sys::available_memory().or_else(|| {
        let memory = sysinfo::RefreshKind::nothing().with_memory(sysinfo::MemoryRefreshKind::everything());
        let system = sysinfo::System::new_with_specifics(memory).ok()?;
        Some(system.available_memory()).filter(|&bytes| bytes > 0)
    });
    machine.into_iter().chain(sys::memory_cgroup_limit()).min()
}

fn thread_count(text: &str) -> Result<usize> {
    let count = text.parse().ok().filter(|n| (1..=1024).contains(n));
    count.ok_or_else(|| Error::Usage(format!("--threads {text}: a whole number from 1 to 1024 is wanted")))
}

fn memory_size(text: &str, available: Option<u64>) -> Result<u64> {
    let name = "--memory-limit";
    let Some(share) = text.trim().strip_suffix('%') else { return size(name, text) };
    let share = share.trim().parse::<f64>().ok().filter(|s| *s > 0.0 && *s <= 100.0);
    let Some(share) = share else {
        return Err(Error::Usage(format!(
            "{name} {text}: a share of the available memory is above 0% and at most 100%"
        )));
    };
    match available {
        Some(bytes) => Ok((bytes as f64 * share / 100.0) as u64),
        None => Err(Error::Usage(format!("{name} {text}: this system does not say what is available"))),
    }
}

const UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("KB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// `512MiB`, `1.5 GB`. What it is for is named in errors.
fn size(option: &str, text: &str) -> Result<u64> {
    let wrong = |what: String| Error::Usage(format!("{option} {text}: {what}"));
    let trimmed = text.trim();
    let split = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let (number, unit) = (&trimmed[..split], trimmed[split..].trim());
    let number: f64 = number.parse().map_err(|_| wrong("a size is a number with a unit, such as 512MiB".into()))?;
    if unit.is_empty() {
        return Err(wrong(format!("a size needs a unit: {trimmed}MiB, {trimmed}MB, {trimmed}GiB …")));
    }
    let Some((_, factor)) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)) else {
        let names: Vec<&str> = UNITS.iter().map(|(name, _)| *name).collect();
        return Err(wrong(format!("unknown unit `{unit}`; there are {}", names.join(", "))));
    };
    let bytes = number * *factor as f64;
    if !(1.0..=(i64::MAX as f64)).contains(&bytes) {
        return Err(wrong("no such amount of memory".into()));
    }
    Ok(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_need_units() {
        let bytes = |text: &str| size("--memory-limit", text).map_err(|e| e.to_string());
        assert_eq!(bytes("512MiB"), Ok(512 << 20));
        assert_eq!(bytes(" 1.5 gb "), Ok(1_500_000_000));
        assert_eq!(bytes("7B"), Ok(7));
        for (text, part) in [
            ("512", "needs a unit: 512MiB"),
            ("512M", "unknown unit `M`; there are B, KB"),
            ("-1MiB", "a number with a unit"),
            ("", "a number with a unit"),
            ("1.2.3MB", "a number with a unit"),
            ("0MiB", "no such amount"),
            ("99999999999TiB", "no such amount"),
        ] {
            assert!(bytes(text).unwrap_err().contains(part), "{text}");
        }
    }

    #[test]
    fn shares_are_of_what_is_available() {
        assert_eq!(memory_size("25%", Some(1000)).unwrap(), 250);
        assert_eq!(memory_size("1KB", None).unwrap(), 1000);
        for text in ["0%", "101%", "x%", "nan%"] {
            assert!(memory_size(text, Some(1000)).unwrap_err().to_string().contains("share"), "{text}");
        }
        assert!(memory_size("5%", None).is_err());
    }
}
