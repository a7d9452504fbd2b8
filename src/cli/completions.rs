//! `tilewise completions`

use super::{Cli, CompletionsArgs, term};
use clap::CommandFactory;
use tilewise::Result;

pub(super) fn completions(args: &CompletionsArgs) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "tilewise", &mut script);
    term::print(&String::from_utf8_lossy(&script))
}
