//! The memory each consumer may hold.

use super::Resources;
use std::fmt;

/// Named amounts of memory, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bill {
    /// Consumer and bytes, in the order they were added; no zero entries.
    pub entries: Vec<(String, u64)>,
}

/// What a thread touches of its stack, with room for the deepest call.
const STACK: u64 = 96 << 10;

/// What the allocator keeps for small things: channels, plans, messages.
const SMALL: u64 = 256 << 10;

impl Bill {
    /// What every pass pays: the process, small allocations, kept intermediates, results of scans.
    pub(crate) fn base(resources: &Resources, held: u64, values: u64) -> Bill {
        let mut bill = Bill::default();
        bill.add("program", resources.baseline + SMALL);
        bill.add("intermediates in memory", held);
        bill.add("results", values);
        bill.add("outputs on tmpfs", resources.memory_backed);
        bill
    }

    /// Adds an amount.
    pub(crate) fn add(&mut self, name: &str, bytes: u64) {
        if bytes > 0 {
            self.entries.push((name.to_string(), bytes));
        }
    }

    /// Adds what is missing to an amount.
    pub(crate) fn raise(&mut self, name: &str, least: u64) {
        self.add(name, least.saturating_sub(self.total()));
    }

    /// Adds the stacks of that many threads.
    pub(crate) fn add_stacks(&mut self, threads: u64) {
        self.add("thread stacks", threads * STACK);
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        self.entries.iter().fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes))
    }

    /// The largest entry.
    pub fn worst(&self) -> (String, u64) {
        self.entries.iter().max_by_key(|(_, bytes)| *bytes).cloned().unwrap_or_default()
    }

    /// The bytes of an entry; 0 where there is none.
    pub fn get(&self, name: &str) -> u64 {
        self.entries.iter().filter(|(n, _)| n == name).map(|(_, b)| b).sum()
    }
}

impl fmt::Display for Bill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, bytes) in &self.entries {
            writeln!(f, "  {:<26} {:>10}", name, crate::error::Bytes(*bytes).to_string())?;
        }
        write!(f, "  {:<26} {:>10}", "together", crate::error::Bytes(self.total()).to_string())
    }
}
