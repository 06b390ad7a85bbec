//! `gigsy`: the command line. What a command does is in `gigsy::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    gigsy::cli::main()
}
