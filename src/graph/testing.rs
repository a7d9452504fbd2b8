//! What tests of several modules need of scratch.

use super::Store;
use crate::error::Result;
use std::sync::Mutex;

/// Scratch in memory that is only appended to.
#[derive(Debug, Default)]
pub(crate) struct Appended(Mutex<Vec<u8>>);

impl Store for Appended {
    fn append(&self, bytes: &[u8]) -> Result<u64> {
        let mut all = self.0.lock().unwrap();
        all.extend_from_slice(bytes);
        Ok((all.len() - bytes.len()) as u64)
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        out.copy_from_slice(&self.0.lock().unwrap()[offset as usize..][..out.len()]);
        Ok(())
    }

    fn write_at(&self, _offset: u64, _bytes: &[u8]) -> Result<()> {
        unreachable!("it is only appended to")
    }
}
