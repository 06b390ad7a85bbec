//! Fan-out and idle memory, beside the floor of the same run.
//!
//! `cargo bench --bench fanout -- --quick` takes a few minutes and writes `docs/bench/fanout.json` and
//! `docs/bench/idle.json`; `docs/bench/README.md` explains what the figures mean.
//!
//! This one program plays all parts, each in a process of its own, told by a first argument: the
//! coordinator (this file), the floor's server, the drain that keeps the members' connections.
#![allow(clippy::print_stdout, reason = "a command-line program")]
#![allow(missing_docs, reason = "checked by hand: the harness is no library")]

mod centrifuge;
mod drain;
mod floor;
mod gigsy;
#[path = "../kit/mod.rs"]
mod kit;
mod run;
mod system;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use floor::Floor;
use gigsy::Gigsy;
use kit::report::Report;
use kit::{Outcome, fail, process};
use run::{FanOut, Load};
use system::System;

/// Fan-out and idle memory against a bare epoll loop, measured interleaved.
#[derive(Parser)]
struct Options {
    /// Phases of 3 seconds and 2,000 idle connections, instead of 10 seconds and 10,000.
    #[arg(long)]
    quick: bool,
    /// Which systems take turns. `floor-again` is a second floor, to see how far equals differ.
    #[arg(long, value_delimiter = ',', default_value = "floor,gigsy")]
    systems: Vec<String>,
    /// How often each system takes its turn.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only shapes whose name contains this: `1000`, `overload`, `idle`.
    #[arg(long)]
    only: Option<String>,
    /// Seconds of each phase, instead of what --quick chooses.
    #[arg(long)]
    phase_seconds: Option<f64>,
    /// Idle connections, instead of what --quick chooses.
    #[arg(long)]
    idle_connections: Option<usize>,
    /// Where results are written; without it, `docs/bench` if all shapes ran with the floor and Gigsy.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let role = args.next().unwrap_or_default();
    let done = match role.to_str() {
        Some(floor::ROLE) => floor::serve().map(|()| ExitCode::SUCCESS),
        Some(drain::ROLE) => drain::run().map(|()| ExitCode::SUCCESS),
        Some(process::BECOME) => process::become_program(&args.collect::<Vec<_>>()),
        _ => coordinate(&Options::parse()).map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        eprintln!("fanout: {error}");
        ExitCode::FAILURE
    })
}

fn coordinate(options: &Options) -> Outcome<()> {
    let started = Instant::now();
    let idle_connections = options.idle_connections.unwrap_or(if options.quick { 2_000 } else { 10_000 });
    // The coordinator's children inherit this: each end of every connection is in one of them.
    process::allow_descriptors(idle_connections.max(2_000) as u64 + 500)?;
    let mut systems: Vec<Box<dyn System>> = Vec::new();
    for name in &options.systems {
        systems.push(match name.as_str() {
            "floor" => Box::new(Floor::new("floor")),
            "floor-again" => Box::new(Floor::new("floor-again")),
            "gigsy" => Box::new(Gigsy::new()?),
            other => return fail(format!("no system {other}: floor, floor-again, gigsy")),
        });
    }
    let seconds = options.phase_seconds.unwrap_or(if options.quick { 3.0 } else { 10.0 });
    let phase = Duration::from_secs_f64(seconds);
    let steady = Load::Steady(20);
    let persisted = systems.iter().any(|system| system.persists());
    let wanted = |name: &str| options.only.as_ref().is_none_or(|only| name.contains(only.as_str()));
    let shapes: Vec<FanOut> = [(100, steady), (1_000, steady), (1_000, Load::Overload)]
        .map(|(members, load)| FanOut { members, body: 200, load, phase })
        .into_iter()
        .filter(|shape| wanted(&shape.name(persisted)))
        .collect();
    let with_idle = wanted("idle");

    let turns = (shapes.len() + usize::from(with_idle)) * options.rounds * systems.len();
    let bar = bar(turns as u64);
    bar.set_message("starting");
    for system in &mut systems {
        system.start()?;
        let sign_ins = if with_idle { idle_connections } else { 0 };
        let name = system.name();
        system.prepare(sign_ins, &mut |done| bar.set_message(format!("{name}: {done} signed in")))?;
    }
    let command = command();
    let mut fanout = Report::new(command.clone(), options.rounds);
    for shape in &shapes {
        run::fan_out(*shape, options.rounds, &mut systems, &bar, &mut fanout)?;
    }
    let mut idle = Report::new(command, options.rounds);
    if with_idle {
        run::idle(idle_connections, options.rounds, &mut systems, &bar, &mut idle)?;
    }
    drop(systems);
    bar.finish_and_clear();

    let complete = options.only.is_none() && options.systems == ["floor", "gigsy"];
    let docs = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/bench");
    let folder = options.out.clone().or_else(|| complete.then(docs));
    for (report, name, metric) in [(&fanout, "fanout", "frames_per_cpu_s"), (&idle, "idle", "kb_per_conn")] {
        if report.rows.is_empty() {
            continue;
        }
        println!("\n{name} ({}, {} rounds)\n{}", report.machine, report.rounds, report.table());
        if let Some(folder) = &folder {
            report.write(folder, name, metric)?;
            println!("written: {name}.json and {name}.svg in {}", folder.display());
        }
    }
    println!("took {:.0} s", started.elapsed().as_secs_f64());
    Ok(())
}

/// How to run this again.
fn command() -> String {
    let args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    std::iter::once("cargo bench --bench fanout --".to_owned()).chain(args).collect::<Vec<_>>().join(" ")
}

fn bar(turns: u64) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(turns), target);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} turns, {eta} left  {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
