//! The one error type: what kind of failure, where, and what would help.

use std::fmt;
use std::path::{Path, PathBuf};

/// Every fallible function of the crate returns this.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in the terms a caller can act on.
///
/// The `Display` text is one line (a pipeline error also carries a picture of the place), names the file or the
/// operation, and says what would help where that is known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be opened, read or written.
    #[error("{}: {what}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What failed, in words.
        what: String,
        /// The system's error, where there was one.
        #[source]
        source: Option<std::io::Error>,
    },
    /// A file is not what its name or header claims: truncated, corrupt, or of a kind not read.
    #[error("{}: {what}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// An operation was given a parameter or an input it cannot take.
    #[error("{op}: {what}")]
    Op {
        /// The operation.
        op: String,
        /// The parameter and its range, or the mismatch.
        what: String,
    },
    /// The pipeline text is wrong; `report` shows the place with a caret.
    #[error("{report}")]
    Pipeline {
        /// The rendered diagnostic, several lines.
        report: String,
    },
    /// The request as a whole makes no sense (output exists, output is the input, an unknown file ending …).
    #[error("{0}")]
    Usage(String),
    /// The plan does not fit the memory limit.
    #[error("{0}")]
    Memory(Box<Shortage>),
    /// The intermediates do not fit the scratch limit or the scratch folder's disk.
    #[error("scratch: {0}")]
    Scratch(String),
    /// The run was cancelled.
    #[error("interrupted")]
    Cancelled,
    /// A mistake of ours.
    #[error("internal: {0}; please report it")]
    Internal(String),
    /// A closure of the caller panicked inside a tile.
    #[error("a worker panicked: {0}")]
    Panicked(String),
}

/// Why a plan does not fit: what it needs at the least, and what would help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// The smallest limit, in bytes, under which this plan runs.
    pub need: u64,
    /// The limit that was given, in bytes.
    pub limit: u64,
    /// The largest consumer and its bytes.
    pub worst: (String, u64),
    /// What would help.
    pub remedy: String,
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "does not fit the memory limit: needs at least {}, the limit is {}; the largest part is {} with {}; {}",
            Bytes(self.need),
            Bytes(self.limit),
            self.worst.0,
            Bytes(self.worst.1),
            self.remedy
        )
    }
}

/// Bytes for people: `512 B`, `1.5 MiB`, `20 GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        let mut value = self.0 as f64 / 1024.0;
        let mut unit = 0;
        while value >= 1023.95 && unit + 1 < UNITS.len() {
            value /= 1024.0;
            unit += 1;
        }
        let text = format!("{value:.1}");
        write!(f, "{} {}", text.strip_suffix(".0").unwrap_or(&text), UNITS[unit])
    }
}

impl Error {
    /// A system error on a file: what was being done, and to which file.
    pub fn io(path: impl AsRef<Path>, doing: &str, source: std::io::Error) -> Self {
        let what = match source.kind() {
            std::io::ErrorKind::NotFound => "no such file".to_string(),
            std::io::ErrorKind::StorageFull => format!("{doing}: the disk is full"),
            _ => format!("{doing}: {source}"),
        };
        Error::File { path: path.as_ref().to_path_buf(), what, source: Some(source) }
    }

    /// A file that cannot be read as what it claims to be. What is quoted of it stays on one line and steers no terminal.
    pub fn format(path: impl AsRef<Path>, what: impl Into<String>) -> Self {
        Error::Format { path: path.as_ref().to_path_buf(), what: one_line(what.into()) }
    }

    /// A parameter or input that an operation cannot take.
    pub fn op(op: impl Into<String>, what: impl Into<String>) -> Self {
        Error::Op { op: op.into(), what: what.into() }
    }

    /// What a thread or closure panicked with.
    pub(crate) fn panicked(payload: &(dyn std::any::Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().map(|s| s.to_string());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        Error::Panicked(text.unwrap_or_else(|| "without a message".into()))
    }

    /// The exit code of the command: 1 failed, 2 usage or pipeline, 3 does not fit, 130 interrupted.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::File { .. } | Error::Format { .. } | Error::Panicked(_) | Error::Internal(_) => 1,
            Error::Op { .. } | Error::Pipeline { .. } | Error::Usage(_) => 2,
            Error::Memory(_) | Error::Scratch(_) => 3,
            Error::Cancelled => 130,
        }
    }
}

/// The text with line ends and other control characters written out.
pub(crate) fn one_line(text: String) -> String {
    if !text.contains(char::is_control) {
        return text;
    }
    text.chars().fold(String::new(), |mut line, c| {
        match c.is_control() {
            true => line.extend(c.escape_default()),
            false => line.push(c),
        }
        line
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_read_well() {
        let cases = [(0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536, "1.5 KiB"), (64 << 20, "64 MiB")];
        for (bytes, text) in cases {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
        assert_eq!(Bytes((1 << 30) - 1).to_string(), "1 GiB");
    }

    #[test]
    fn what_a_file_holds_stays_on_one_line() {
        let error = Error::format("a.npy", "no key 'de\nscr\u{1b}[2J' in µm");
        assert_eq!(error.to_string(), "a.npy: no key 'de\\nscr\\u{1b}[2J' in µm");
    }
}
