//! From the slabs' records to the objects' numbers: backwards to learn what belongs together, forwards to count.

use super::geometry::{Bounds, Geometry};
use super::record::Header;
use super::store::{Appender, CHUNK, Number, Store, Values, damaged};
use super::union::FLAG;
use std::io::Result;

/// The buffers of the streams that run at the same time.
struct Buffers {
    values: Vec<u8>,
    future: Vec<u8>,
    table: Vec<u8>,
}

/// Writes every slab's table of numbers and returns the number of objects.
pub(super) fn resolve(geometry: &Geometry, records: &dyn Store, index: &[u64]) -> Result<u64> {
    let bounds = geometry.bounds();
    let buffer = || Vec::with_capacity(CHUNK);
    let mut buffers = Buffers { values: buffer(), future: buffer(), table: buffer() };
    look_back(&bounds, records, index, &mut buffers)?;
    if geometry.wide {
        number::<u64>(&bounds, records, index, &mut buffers)
    } else {
        number::<u32>(&bounds, records, index, &mut buffers)
    }
}

pub(super) fn bill(geometry: &Geometry, bounds: &Bounds) -> u64 {
    let number = if geometry.wide { 8 } else { 4 };
    2 * number * bounds.live + 3 * CHUNK as u64 + 8 * geometry.slabs()
}

/// Finds, from the last slab to the first, which live components turn out to be one: each is written down as the
/// earliest of those it belongs with.
fn look_back(bounds: &Bounds, records: &dyn Store, index: &[u64], buffers: &mut Buffers) -> Result<()> {
    let mut after = Vec::with_capacity(bounds.live as usize);
    let mut before = Vec::with_capacity(bounds.live as usize);
    for offset in index.iter().rev() {
        let mut header = Header::read(records, *offset, bounds)?;
        if header.next_live as usize != after.len() {
            return Err(damaged());
        }
        header.future_at = write_values(records, &mut buffers.table, &after)?;
        records.write_at(*offset, &header.to_bytes())?;
        let at = *offset + Header::BYTES as u64;
        let values = Values::new(records, &mut buffers.values, at, header.live.into());
        step_back(values, header.live, &mut after, &mut before)?;
        std::mem::swap(&mut after, &mut before);
    }
    Ok(())
}

fn write_values(records: &dyn Store, buffer: &mut Vec<u8>, values: &[u32]) -> Result<u64> {
    let mut out = Appender::new(records, buffer);
    for value in values {
        out.push(&value.to_le_bytes())?;
    }
    out.finish()
}

/// From which components after a slab are one to which before it are.
///
/// `after` is rewritten on the way, from the earliest later component to the earliest one before the slab: a component's
/// successor has its own place in order of birth, so the first one met with a new successor is the earliest.
fn step_back(mut values: Values<'_>, live: u32, after: &mut [u32], before: &mut Vec<u32>) -> Result<()> {
    before.clear();
    let mut met = 0;
    for component in 0..live {
        let value = values.next()?;
        if value & FLAG == 0 {
            before.push(value);
            continue;
        }
        let successor = (value & !FLAG) as usize;
        if successor == met {
            let earliest = *after.get(met).ok_or_else(damaged)? as usize;
            after[met] = if earliest == met { component } else { *after.get(earliest).ok_or_else(damaged)? };
            met += 1;
        }
        before.push(*after.get(successor).ok_or_else(damaged)?);
    }
    Ok(())
}

/// Gives out numbers from the first slab to the last.
fn number<N: Number>(bounds: &Bounds, records: &dyn Store, index: &[u64], buffers: &mut Buffers) -> Result<u64> {
    let mut old: Vec<N> = Vec::with_capacity(bounds.live as usize);
    let mut new: Vec<N> = Vec::with_capacity(bounds.live as usize);
    let mut count = 0;
    for offset in index {
        let mut header = Header::read(records, *offset, bounds)?;
        header.base = count;
        let at = *offset + Header::BYTES as u64;
        let values = header.elements() + u64::from(header.tail);
        new.clear();
        let mut slab = Numbering {
            header,
            values: Values::new(records, &mut buffers.values, at, values),
            future: Values::new(records, &mut buffers.future, header.future_at, header.next_live.into()),
            table: Appender::new(records, &mut buffers.table),
            old: &old,
            new: &mut new,
            count,
        };
        slab.carry_live()?;
        slab.number_head()?;
        slab.number_tail()?;
        count = slab.count;
        header.table_at = slab.table.finish()?;
        records.write_at(*offset, &header.to_bytes())?;
        std::mem::swap(&mut old, &mut new);
    }
    Ok(count)
}

/// The numbering of one slab.
struct Numbering<'a, N> {
    header: Header,
    values: Values<'a>,
    future: Values<'a>,
    table: Appender<'a>,
    /// The numbers of the components alive before the slab, and after it.
    old: &'a [N],
    new: &'a mut Vec<N>,
    count: u64,
}

impl<N: Number> Numbering<'_, N> {
    /// Components that live on keep their number; the earliest of those that become one gives it.
    fn carry_live(&mut self) -> Result<()> {
        for component in 0..self.header.live {
            let value = self.values.next()?;
            if value == FLAG | self.new.len() as u32 {
                self.future.next()?;
                let number = *self.old.get(component as usize).ok_or_else(damaged)?;
                self.new.push(number);
            }
        }
        Ok(())
    }

    fn number_head(&mut self) -> Result<()> {
        for _ in 0..self.header.head {
            let value = self.values.next()?;
            let number = if value & FLAG != 0 {
                self.number_of_live((value & !FLAG) as usize)?
            } else if value < self.header.live {
                *self.old.get(value as usize).ok_or_else(damaged)?
            } else {
                self.birth()
            };
            self.write(number)?;
        }
        Ok(())
    }

    /// Objects between those on the rim are whole and only counted.
    fn number_tail(&mut self) -> Result<()> {
        let mut place = self.header.head;
        for _ in 0..self.header.tail {
            let next = self.values.next()?;
            self.count += u64::from(next.checked_sub(place).ok_or_else(damaged)?);
            place = next + 1;
            let number = self.number_of_live(self.new.len())?;
            self.write(number)?;
        }
        let rest = self.header.objects.checked_sub(place);
        self.count += u64::from(rest.ok_or_else(damaged)?);
        Ok(())
    }

    /// The number of a component alive after the slab. One met for the first time starts here; it is new unless it
    /// turns out to be one with an earlier one.
    fn number_of_live(&mut self, component: usize) -> Result<N> {
        if component == self.new.len() {
            let earliest = self.future.next()? as usize;
            let number =
                if earliest == component { self.birth() } else { *self.new.get(earliest).ok_or_else(damaged)? };
            self.new.push(number);
        }
        self.new.get(component).copied().ok_or_else(damaged)
    }

    fn birth(&mut self) -> N {
        self.count += 1;
        N::new(self.count)
    }

    fn write(&mut self, number: N) -> Result<()> {
        let bytes = number.get().to_le_bytes();
        self.table.push(&bytes[..N::BYTES])
    }
}
