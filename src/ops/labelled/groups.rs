//! Which pixels are measured together: what `labels` and `index` say.

use crate::array::{DType, Dims, MAX_RANK};
use crate::error::Result;
use crate::graph::{Array, Value};
use crate::ops::relabel::keys::{key_of, label_of, zero};
use crate::ops::{Arg, Args};
use std::sync::Arc;

/// Which pixels belong together.
#[derive(Clone, Debug)]
pub(super) enum Groups {
    /// All of them, without labels.
    All,
    /// Those with a label above 0.
    Positive,
    /// Those of each label above 0, up to one.
    Each {
        /// The word of the largest label that counts.
        most: u64,
    },
    /// Those of each label of a list.
    Listed(Arc<Index>),
}

impl Groups {
    /// The group of a label by its word.
    #[inline]
    pub fn of(&self, key: u64, background: u64) -> Option<u64> {
        match self {
            Groups::All => Some(0),
            Groups::Positive => (key > background).then_some(0),
            Groups::Each { most } => (key > background && key <= *most).then_some(key),
            Groups::Listed(index) => index.sorted.binary_search(&key).ok().map(|at| at as u64),
        }
    }
}

/// The labels that are asked for.
#[derive(Debug, PartialEq)]
pub(super) struct Index {
    /// Of the list, nested or not; none for a single label.
    pub shape: Dims,
    /// Their words in order, each once: the numbers of the groups.
    pub sorted: Vec<u64>,
    /// The group of each label as they are given; none of a label that the type does not hold.
    pub groups: Vec<Option<usize>>,
}

/// More labels are asked for as a table.
const MOST: usize = 1 << 20;

/// What `index` says of labels of that type.
///
/// # Errors
/// When it is something else than `"all"`, a whole number, or a regular list of them.
pub(super) fn read(args: &Args, name: &str, dtype: DType) -> Result<Groups> {
    let (mut shape, mut labels) = (Dims::new(), Vec::new());
    match args.get(name) {
        None | Some(Arg::None) => return Ok(Groups::Positive),
        Some(Arg::Str(word)) if word == "all" => {
            return Ok(Groups::Each { most: u64::MAX });
        }
        Some(Arg::Array(array)) => known(array, &mut shape, &mut labels).ok_or_else(|| {
            args.error(format!("`{name}` must be integers that are known before the run, or \"all\""))
        })?,
        Some(arg) => {
            let mut level = arg;
            while let Arg::List(items) = level {
                shape.try_push(items.len() as u64).map_err(|_| args.error(format!("`{name}` is nested too deeply")))?;
                match items.first() {
                    Some(first) => level = first,
                    None => break,
                }
            }
            flatten(arg, &shape, &mut labels).ok_or_else(|| {
                args.error(format!("`{name}` is a whole number, a list of them, or \"all\", not {}", short(arg)))
            })?;
        }
    }
    if labels.is_empty() || labels.len() > MOST || shape.len() >= MAX_RANK {
        return Err(args.error(format!("`{name}` is a list of 1 to {MOST} labels along at most {} axes", MAX_RANK - 1)));
    }
    let keys: Vec<Option<u64>> = labels.iter().map(|&label| key_of(label, dtype)).collect();
    let mut sorted: Vec<u64> = keys.iter().filter_map(|&key| key).collect();
    sorted.sort_unstable();
    sorted.dedup();
    let groups = keys.iter().map(|key| key.and_then(|key| sorted.binary_search(&key).ok())).collect();
    Ok(Groups::Listed(Arc::new(Index { shape, sorted, groups })))
}

/// All labels from 1 to `most`, or without an end.
pub(super) fn up_to(most: i64, dtype: DType) -> Groups {
    let most = if most > 0 { key_of(most.into(), dtype) } else { None };
    Groups::Each { most: most.unwrap_or(u64::MAX) }
}

/// The label of a group of [`Groups::Each`].
pub(super) fn label(group: u64, dtype: DType) -> u64 {
    label_of(group, dtype).unsigned_abs() as u64
}

fn short(arg: &Arg) -> String {
    let text = arg.to_string();
    if text.len() > 60 { "this list".into() } else { text }
}

/// The elements of a small array of integers in memory.
fn known(array: &Array, shape: &mut Dims, labels: &mut Vec<i128>) -> Option<()> {
    let Some(Value::Array(array)) = array.known() else { return None };
    shape.extend(array.spec.shape.iter().copied());
    let size = array.spec.dtype.size();
    for bytes in array.data.bytes().chunks_exact(size).take(array.spec.elements() as usize) {
        labels.push(crate::array::Scalar::from_bytes(array.spec.dtype, bytes).to_i128()?);
    }
    Some(())
}

fn flatten(arg: &Arg, shape: &[u64], labels: &mut Vec<i128>) -> Option<()> {
    match (arg, shape.split_first()) {
        (Arg::List(items), Some((&n, rest))) if items.len() as u64 == n => {
            items.iter().try_for_each(|item| flatten(item, rest, labels))
        }
        (Arg::Int(label), None) => {
            labels.push(*label);
            Some(())
        }
        (Arg::Float(label), None) if label.fract() == 0.0 && label.abs() < 9e15 => {
            labels.push(*label as i128);
            Some(())
        }
        _ => None,
    }
}

/// The word of label 0, of labels that may not be there.
pub(super) fn background(dtype: Option<DType>) -> u64 {
    dtype.map_or(0, zero)
}
