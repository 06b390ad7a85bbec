//! Gigsy beside its peers and beside the floor: fan-out, latency, storms, memory, and three endpoints.
//!
//! `make bench` is the small run, `make bench-full` the long one; `docs/bench/README.md` explains what the
//! figures mean. This one program plays all parts, each in a process of its own, told by a first
//! argument: the coordinator (this file), the floor's server, the members.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]
#![allow(missing_docs, reason = "checked by hand: the harness is no library")]

mod fan_out;
#[path = "../../kit/figures.rs"]
mod figures;
mod floor;
mod gigsy;
mod idle;
#[path = "../../kit/mod.rs"]
mod kit;
mod ledger;
mod marks;
mod members;
mod peers;
mod plan;
mod protobuf;
mod rest;
mod run;
mod speech;
mod storm;
mod system;

use std::process::ExitCode;

use clap::Parser;

use kit::process;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let role = args.next().unwrap_or_default();
    let done = match role.to_str() {
        Some(floor::ROLE) => floor::serve().map(|()| ExitCode::SUCCESS),
        Some(system::MEMBERS) => members::run().map(|()| ExitCode::SUCCESS),
        Some(process::BECOME) => process::become_program(&args.collect::<Vec<_>>()),
        Some("figures") => {
            figures::write(&peers::repository()).map(|()| ExitCode::SUCCESS).map_err(Into::into)
        }
        _ => plan::coordinate(&plan::Options::parse()).map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        eprintln!("gigsy-load: {error}");
        ExitCode::FAILURE
    })
}
