//! What is measured, how large, in which order; and what becomes of the results.

use std::cell::RefCell;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::fan_out::{self, FanOut, Load};
use crate::floor::Floor;
use crate::gigsy::Gigsy;
use crate::kit::report::Report;
use crate::kit::{Outcome, fail, process};
use crate::peers::{self, Peer};
use crate::run::Run;
use crate::system::System;
use crate::{idle, rest, storm};

/// Gigsy beside its peers and the floor, measured interleaved.
#[derive(Parser)]
#[command(name = "gigsy-load")]
pub struct Options {
    /// The long run: 10,000 clients, 5 rounds, phases of 5 seconds.
    #[arg(long)]
    full: bool,
    /// Parts: fanout, storm, idle, rest. All without it.
    #[arg(long, value_delimiter = ',')]
    parts: Vec<String>,
    /// Systems beside the floor, instead of Gigsy and all peers that can be had. `gigsy-before` is the binary
    /// of GIGSY_BENCH_BEFORE, to set two builds side by side; `gigsy-protobuf` is Gigsy, spoken to in Protobuf.
    #[arg(long, value_delimiter = ',')]
    systems: Vec<String>,
    /// Only shapes whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// How often each system takes its turn.
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds of a phase.
    #[arg(long)]
    phase_seconds: Option<f64>,
    /// Clients of storms and of the idle shape.
    #[arg(long)]
    clients: Option<usize>,
    /// Where results are written; without it, `docs/bench` if a part ran whole.
    #[arg(long)]
    out: Option<PathBuf>,
    /// A peer that fails ends the run, instead of being skipped by name.
    #[arg(long)]
    strict: bool,
}

impl Options {
    fn part(&self, name: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|part| part == name)
    }

    fn shape(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(only.as_str()))
    }

    /// How to run this again.
    fn command(&self) -> String {
        let args = std::env::args().skip(1);
        let text: Vec<String> = std::iter::once("gigsy-load".to_owned()).chain(args).collect();
        text.join(" ")
    }
}

/// Sizes of a run.
struct Sizes {
    clients: usize,
    phase: Duration,
    rounds: usize,
    most: usize,
}

impl Sizes {
    /// A room of which one in a hundred does not read, and for how long: until well past the bound of a
    /// queue, whose first part the kernel takes, and not past the time for which a connection that was let go
    /// waits to be read (Gigsy: the bound after about 15 seconds, and 15 more).
    fn stalled(&self) -> (usize, Duration) {
        if self.most > 1_000 { (1_000, Duration::from_secs(24)) } else { (100, Duration::from_secs(4)) }
    }
}

/// Runs what was asked for.
pub fn coordinate(options: &Options) -> Outcome<()> {
    let started = Instant::now();
    let sizes = Sizes {
        clients: options.clients.unwrap_or(if options.full { 9_500 } else { 1_000 }),
        phase: Duration::from_secs_f64(options.phase_seconds.unwrap_or(if options.full { 5.0 } else { 1.0 })),
        rounds: options.rounds.unwrap_or(if options.full { 5 } else { 3 }),
        most: if options.full { 9_500 } else { 1_000 },
    };
    // Children inherit this: each end of every connection is in one of them.
    process::allow_descriptors(sizes.clients.max(sizes.most) as u64 + 500)?;
    let run =
        Run { rounds: sizes.rounds, bar: bar(), skipped: RefCell::new(Vec::new()), strict: options.strict };
    let mut written = Vec::new();
    for (part, metric) in [
        ("fanout", "frames_per_cpu_s"),
        ("storm", "cpu_us_per_op"),
        ("idle", "kb_per_conn"),
        ("rest", "requests_per_cpu_s"),
    ] {
        if !options.part(part) {
            continue;
        }
        let mut report = Report::new(options.command(), sizes.rounds);
        match part {
            "fanout" => fanout(options, &sizes, &run, &mut report)?,
            "storm" => storms(options, &sizes, &run, &mut report)?,
            "idle" => memory(options, &sizes, &run, &mut report)?,
            _ => rest::measure(if options.full { 2_000 } else { 300 }, &run, &mut report)?,
        }
        if report.rows.is_empty() {
            continue;
        }
        run.bar.suspend(|| {
            println!("\n{part} ({}, {} rounds)\n{}", report.machine, report.rounds, report.table())
        });
        let whole = options.only.is_none() && options.systems.is_empty();
        let docs = || peers::repository().join("docs/bench");
        if let Some(folder) = options.out.clone().or_else(|| whole.then(docs)) {
            report.write(&folder, part, metric)?;
            written.push(folder.join(format!("{part}.json")));
        }
    }
    run.bar.finish_and_clear();
    for file in written {
        println!("written: {} and its plot", file.display());
    }
    for skipped in run.skipped.borrow().iter() {
        println!("SKIPPED {skipped}");
    }
    println!("took {:.0} s", started.elapsed().as_secs_f64());
    Ok(())
}

/// The systems asked for, those that can be had.
fn systems(
    options: &Options,
    run: &Run,
    floor: bool,
    keeping: bool,
    names: &[&str],
) -> Outcome<Vec<Box<dyn System>>> {
    let mut all: Vec<Box<dyn System>> = Vec::new();
    if floor {
        all.push(Box::new(Floor::new("floor")));
    }
    let wanted: Vec<&str> = match options.systems.as_slice() {
        [] => names.to_vec(),
        some => some.iter().map(String::as_str).collect(),
    };
    for name in wanted {
        match name {
            "floor" => {}
            "floor-again" => all.push(Box::new(Floor::new("floor-again"))),
            "gigsy" => all.push(Box::new(Gigsy::new("gigsy")?)),
            "gigsy-protobuf" => all.push(Box::new(Gigsy::new("gigsy-protobuf")?.in_protobuf())),
            "gigsy-before" => {
                let Some(binary) = std::env::var_os("GIGSY_BENCH_BEFORE") else {
                    return fail("GIGSY_BENCH_BEFORE names no binary");
                };
                all.push(Box::new(Gigsy::of("gigsy-before", binary.into())?));
            }
            name if names.contains(&name) => {
                if let Some(peer) = run.or_skip(name, Peer::named(name))? {
                    all.push(Box::new(if keeping { peer.keeping() } else { peer }));
                }
            }
            _ => {}
        }
    }
    Ok(all)
}

const ALL: [&str; 7] = ["gigsy", "bun", "centrifuge", "nats", "nestjs", "socket.io", "ws"];
const KEEPING: [&str; 3] = ["gigsy", "centrifuge", "nestjs"];

fn start(systems: &mut Vec<Box<dyn System>>, sessions: usize, run: &Run) -> Outcome<()> {
    let mut started = Vec::new();
    for mut system in systems.drain(..) {
        let name = system.name();
        run.bar.set_message(format!("{name} starts"));
        let prepared = system.start().and_then(|()| {
            system.prepare(sessions, &mut |done| run.bar.set_message(format!("{name}: {done} signed in")))
        });
        if run.or_skip(name, prepared)?.is_some() {
            started.push(system);
        }
    }
    *systems = started;
    Ok(())
}

fn fanout(options: &Options, sizes: &Sizes, run: &Run, report: &mut Report) -> Outcome<()> {
    let steady = Load::Steady(20);
    let shape = |members, rooms, body, load| FanOut { members, rooms, body, load, kept: false };
    let mut shapes = vec![
        shape(10, 100, 200, Load::Steady(400)),
        shape(1_000, 1, 200, steady),
        shape(1_000, 1, 2_000, steady),
        shape(1_000, 1, 200, Load::Overload),
    ];
    if options.full {
        let slow = Load::Steady(4);
        shapes.extend([
            shape(1_000, 1, 2_000, Load::Overload),
            // Growth: once, four times, sixteen times the members.
            shape(sizes.most / 16, 1, 200, Load::Steady(64)),
            shape(sizes.most / 4, 1, 200, Load::Steady(16)),
            shape(sizes.most, 1, 200, slow),
            shape(sizes.most, 1, 2_000, slow),
        ]);
    }
    shapes.retain(|shape| options.shape(&shape.name()));
    if !shapes.is_empty() {
        let mut systems = systems(options, run, true, false, &ALL)?;
        start(&mut systems, 20, run)?;
        for shape in shapes {
            fan_out::measure(shape, sizes.phase, &mut systems, run, report)?;
        }
        if options.shape("stalled") {
            let (members, phase) = sizes.stalled();
            idle::stalled(members, phase, &mut systems, run, report)?;
        }
    } else if options.shape("stalled") {
        let mut systems = systems(options, run, false, false, &ALL)?;
        start(&mut systems, 20, run)?;
        let (members, phase) = sizes.stalled();
        idle::stalled(members, phase, &mut systems, run, report)?;
    }
    if options.shape("time-to-slow") && options.systems.is_empty() {
        let mut gigsy = Gigsy::new("gigsy")?;
        gigsy.start()?;
        gigsy.prepare(20, &mut |_| {})?;
        idle::time_to_slow(&mut gigsy, run, report)?;
    }
    let rooms = if options.full { 900 } else { 100 };
    let kept = FanOut { members: 10, rooms, body: 200, load: Load::Steady(200), kept: true };
    if options.shape(&kept.name()) {
        let mut systems = systems(options, run, false, true, &KEEPING)?;
        start(&mut systems, 20, run)?;
        fan_out::persisted(kept, sizes.phase.max(Duration::from_secs(2)), &mut systems, run, report)?;
    }
    Ok(())
}

fn storms(options: &Options, sizes: &Sizes, run: &Run, report: &mut Report) -> Outcome<()> {
    if options.shape("connect-storm") {
        let mut systems = systems(options, run, false, false, &ALL)?;
        start(&mut systems, sizes.clients, run)?;
        storm::connect(sizes.clients, &mut systems, run, report)?;
    }
    let mut systems = systems(options, run, false, true, &["gigsy", "centrifuge"])?;
    start(&mut systems, 20, run)?;
    if options.shape("kill-and-recover") {
        storm::recover(sizes.clients, &mut systems, run, report)?;
    }
    if options.shape("drain")
        && let Some(gigsy) = systems.iter_mut().find(|system| system.name() == "gigsy")
    {
        storm::drain(sizes.clients.min(2_000), gigsy.as_mut(), run, report)?;
    }
    Ok(())
}

fn memory(options: &Options, sizes: &Sizes, run: &Run, report: &mut Report) -> Outcome<()> {
    let mut systems = systems(options, run, true, false, &ALL)?;
    start(&mut systems, sizes.clients, run)?;
    let mut counts = vec![sizes.clients];
    if options.full {
        counts = vec![sizes.clients / 16, sizes.clients / 4, sizes.clients];
    }
    for count in counts {
        idle::idle(count, &mut systems, run, report)?;
    }
    Ok(())
}

fn bar() -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(None, target);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} rounds, {elapsed}  {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
