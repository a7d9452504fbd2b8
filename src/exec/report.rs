//! What a run tells while it goes, and when it is done.

use crate::budget::Account;
use crate::graph::Value;

/// Something that happened. Events come from several threads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// A sweep begins.
    PassStarted {
        /// Which, from 0.
        pass: usize,
        /// Of how many.
        passes: usize,
        /// Tiles it has.
        tiles: u64,
    },
    /// A reader has filled the inputs of a tile.
    TileRead {
        /// Its number in raster order.
        tile: u64,
    },
    /// A worker has computed a tile.
    TileComputed {
        /// Its number in raster order.
        tile: u64,
    },
    /// The writer has written a tile.
    TileWritten {
        /// Its number in raster order.
        tile: u64,
        /// Elements it has.
        elements: u64,
        /// Bytes of its inputs and outputs.
        bytes: u64,
    },
}

/// Hears events. It may take its time: it is called from the threads of the run.
pub trait Observer: Sync {
    /// Called for every event.
    fn event(&self, event: &Event);
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Observer for Quiet {
    fn event(&self, _event: &Event) {}
}

impl<F: Fn(&Event) + Sync> Observer for F {
    fn event(&self, event: &Event) {
        self(event);
    }
}

/// How often the chunks of a source were decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The source.
    pub name: String,
    /// Chunks it has.
    pub chunks: u64,
    /// Chunks decoded, repetitions counted.
    pub decodes: u64,
}

/// What one pass did.
#[derive(Clone, Debug, Default)]
pub struct PassReport {
    /// Wall seconds.
    pub seconds: f64,
    /// Tiles.
    pub tiles: u64,
    /// Bytes of tile inputs and outputs, halos counted as often as they were read.
    pub bytes: u64,
    /// Chunked sources.
    pub decoded: Vec<Decoded>,
}

/// What a run did.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// One per pass.
    pub passes: Vec<PassReport>,
    /// Per output: its value where it is a scalar, small array or table.
    pub values: Vec<Option<Value>>,
    /// Every account of the budget with its peak.
    pub accounts: Vec<Account>,
    /// The bill the run was planned with, in bytes.
    pub predicted: u64,
    /// The most scratch in use, in bytes.
    pub scratch: u64,
    /// Wall seconds.
    pub seconds: f64,
}
