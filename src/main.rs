//! The `tilewise` command.

mod cli;

fn main() -> std::process::ExitCode {
    cli::fault::survive_truncated_mappings();
    cli::main()
}
