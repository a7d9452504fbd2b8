//! `tilewise demo`

use super::DemoArgs;
use tilewise::Result;

pub(super) fn demo(_args: &DemoArgs) -> Result<()> {
    Ok(())
}
