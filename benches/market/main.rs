//! The marketplace: what a request costs, and how soon and how fast its events take effect.
//!
//! `cargo bench --bench market` takes about two minutes and writes `docs/bench/market.json`;
//! `docs/bench/README.md` explains what the figures mean.
#![allow(clippy::print_stdout, reason = "a command-line program")]
#![allow(missing_docs, reason = "checked by hand: the harness is no library")]

mod outbox;
mod requests;

#[path = "../kit/mod.rs"]
mod kit;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use kit::report::Report;
use kit::{Outcome, process};

/// What posting, applying, listing and reading cost; throughput and lag of the outbox.
#[derive(Parser)]
struct Options {
    /// How often each figure is measured.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Requests of a kind in a round.
    #[arg(long, default_value_t = 400)]
    requests: usize,
    /// Events in a round.
    #[arg(long, default_value_t = 5_000)]
    events: usize,
    /// Where results are written, instead of `docs/bench`.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let done = match args.next().unwrap_or_default().to_str() {
        Some(process::BECOME) => process::become_program(&args.collect::<Vec<_>>()),
        _ => measure(&Options::parse()).map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        eprintln!("market: {error}");
        ExitCode::FAILURE
    })
}

fn measure(options: &Options) -> Outcome<()> {
    let args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let command: Vec<String> =
        std::iter::once(format!("cargo bench{} --bench market --", kit::profile())).chain(args).collect();
    let mut report = Report::new(command.join(" "), options.rounds);
    requests::measure(options.rounds, options.requests, &mut report)?;
    outbox::measure(options.rounds, options.events, &mut report)?;
    println!("\nmarket ({}, {} rounds)\n{}", report.machine, report.rounds, report.table());
    let docs = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/bench");
    let folder = options.out.clone().unwrap_or_else(docs);
    report.write(&folder, "market", "cpu_us_per_op")?;
    println!("written: market.json and market.svg in {}", folder.display());
    Ok(())
}
