//! Label images changed label by label, as a table says.

use super::condition::Condition;
use super::keys::{CHUNK, for_each_run, keys, zero};
use super::lookup::{Lookup, PAGE, Rule};
use crate::array::{ArraySpec, DType, MAX_RANK, Region, View, ViewMut, for_each_row, with_dtype};
use crate::error::Result;
use crate::graph::{Array, Cx, Need, Table, TileOp};
use crate::ops::measure::pixel::Pixel;
use crate::ops::window::{scratch_bytes, scratch_of};
use arrayvec::ArrayVec;

/// Every label becomes what its row of the table says, by `rule`, in the words of `output`'s type; 0 stays 0, and so
/// becomes a label that the table has not.
pub(super) fn remap(
    name: &'static str,
    labels: &[&Array],
    table: Array,
    rule: impl Rule + 'static,
    output: ArraySpec,
) -> Array {
    let inputs = labels.iter().copied().cloned().chain([table]).collect();
    Array::tile(Remap { name, images: labels.len(), rule: Box::new(rule) }, inputs, output)
}

/// Labels that meet a condition stay, others become `other`, a word of their type.
#[derive(Debug)]
pub(super) struct Keep {
    pub condition: Condition,
    pub other: u64,
}

impl Rule for Keep {
    fn words(&self, table: &Table, first: u64, keys: &[u64], words: &mut [u64]) -> Result<()> {
        self.condition.holds(table, first, words)?;
        words.iter_mut().zip(keys).for_each(|(word, &key)| *word = if *word != 0 { key } else { self.other });
        Ok(())
    }
}

/// Labels become the numbers of a column.
#[derive(Debug)]
pub(super) struct Renumber {
    pub column: usize,
    /// The type of the numbers in the image.
    pub dtype: DType,
}

impl Rule for Renumber {
    fn words(&self, table: &Table, first: u64, _keys: &[u64], words: &mut [u64]) -> Result<()> {
        table.read(self.column, first, bytemuck::cast_slice_mut(words))?;
        words.iter_mut().for_each(|word| *word ^= zero(self.dtype));
        Ok(())
    }
}

const _: () = assert!(PAGE <= CHUNK);

#[derive(Debug)]
struct Remap {
    name: &'static str,
    images: usize,
    rule: Box<dyn Rule>,
}

impl Remap {
    fn rows<T: Pixel>(
        &self,
        images: &[View<'_>],
        table: &Table,
        out: &mut ViewMut<'_>,
        scratch: &mut [u8],
    ) -> Result<()> {
        let mut lookup = Lookup::new(table, images.len(), self.rule.as_ref(), scratch_of::<u64>(scratch))?;
        let background: ArrayVec<u64, 2> = images.iter().map(|i| zero(i.dtype())).collect();
        let nothing = zero(out.dtype());
        let shape: ArrayVec<usize, MAX_RANK> = out.shape().iter().copied().collect();
        let strides: ArrayVec<usize, MAX_RANK> = out.strides().iter().copied().collect();
        let (first, second) = (&images[0], images.get(1).unwrap_or(&images[0]));
        let step = |view: &View<'_>| view.strides().last().copied().unwrap_or(1);
        let to = out.typed_mut::<T>();
        let mut words = [[0u64; CHUNK]; 2];
        let mut known: Option<([u64; 2], u64)> = None;
        let mut done = Ok(());
        for_each_row(&shape, [first.strides(), second.strides(), &strides], |[a, b, target], n| {
            for start in (0..n).step_by(CHUNK) {
                let m = CHUNK.min(n - start);
                keys(first, a + start * step(first), step(first), &mut words[0][..m]);
                if images.len() == 2 {
                    keys(second, b + start * step(second), step(second), &mut words[1][..m]);
                }
                let target = &mut to[target + start..target + start + m];
                let [one, two] = &words;
                for_each_run([&one[..m], &two[..m]], |run| {
                    let key = [one[run.start], two[run.start]];
                    if known.is_none_or(|(of, _)| of != key) {
                        let found = match key[..images.len()] == background[..] {
                            true => Ok(None),
                            false => lookup.find(key),
                        };
                        let word = found.unwrap_or_else(|error| {
                            done = Err(error);
                            None
                        });
                        known = Some((key, word.unwrap_or(nothing)));
                    }
                    target[run].fill(T::from_key(known.map_or(nothing, |(_, word)| word)));
                });
            }
        });
        done
    }
}

impl TileOp for Remap {
    fn name(&self) -> &'static str {
        self.name
    }

    fn need(&self, _input: usize, out: &Region, _inputs: &[ArraySpec]) -> Need {
        Need::inside(out)
    }

    fn scratch(&self, _out: &[u64], _inputs: &[ArraySpec]) -> u64 {
        scratch_bytes::<u64>(Lookup::memory(self.images))
    }

    fn run(&self, cx: &Cx<'_>, inputs: &[View<'_>], out: &mut ViewMut<'_>, scratch: &mut [u8]) -> Result<()> {
        let Some(table) = cx.tables.first() else { return Ok(()) };
        if out.elements() == 0 {
            return Ok(());
        }
        with_dtype!(out.dtype(), T => self.rows::<T>(&inputs[..self.images], table, out, scratch))
    }

    fn cost(&self) -> f64 {
        2.0
    }
}
