//! The rounds: the systems take turns, A B A B, and each round's figures are set against the floor's of
//! the same round.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::kit::report::{Report, Spread};
use super::kit::usage::{CpuReading, resident_kib};
use super::kit::{Outcome, fail};
use crate::drain::Progress;
use crate::system::{Audience, System};

/// Publications on the way to the server, not yet acknowledged, under overload.
const WINDOW: u64 = 64;

/// Publications accepted but not yet read by the slowest member, under overload. With this many of a few
/// hundred bytes no member comes near the queue's bound, past which a server may cut it off.
const LAG: u64 = 256;

/// How long a phase's last publications may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);

/// A fan-out to measure.
#[derive(Clone, Copy)]
pub struct FanOut {
    /// Connections in the room.
    pub members: usize,
    /// Bytes of a publication's body.
    pub body: usize,
    /// How publications come.
    pub load: Load,
    /// How long each system publishes in each round.
    pub phase: Duration,
}

/// How publications come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// So many a second, whatever the server does.
    Steady(u32),
    /// As many as it takes.
    Overload,
}

impl FanOut {
    /// The shape's name; `persisted` says that each publication is stored before its acknowledgement.
    pub fn name(&self, persisted: bool) -> String {
        let kind = if persisted { "fanout-persisted" } else { "fanout" };
        let load = if self.load == Load::Overload { "-overload" } else { "" };
        format!("{kind}-{}-{}b{load}", self.members, self.body)
    }
}

/// How long a system's turn takes at most.
const TURN: Duration = Duration::from_secs(1);

/// One system in one round.
#[derive(Default)]
struct Phase {
    delivered: u64,
    publications: u64,
    server: Duration,
    helpers: Duration,
    wrong: [u64; 3],
}

impl Phase {
    fn add(&mut self, part: &Self) {
        self.delivered += part.delivered;
        self.publications += part.publications;
        self.server += part.server;
        self.helpers += part.helpers;
        for (sum, more) in self.wrong.iter_mut().zip(part.wrong) {
            *sum += more;
        }
    }
}

struct Seat<'a> {
    system: &'a mut dyn System,
    audience: Audience,
    published: u64,
    phases: Vec<Phase>,
}

/// Measures one fan-out on all systems, which are started. The first that is not the floor sets how long
/// the floor's frames are.
pub fn fan_out(
    shape: FanOut,
    rounds: usize,
    systems: &mut [Box<dyn System>],
    bar: &ProgressBar,
    report: &mut Report,
) -> Outcome<()> {
    let persisted = systems.iter().any(|system| system.persists());
    let name = shape.name(persisted);
    bar.set_message(name.clone());
    let mut frame_bytes = shape.body + 120;
    let mut seats: Vec<Option<Seat<'_>>> = Vec::new();
    seats.resize_with(systems.len(), || None);
    let mut order: Vec<(usize, &mut Box<dyn System>)> = systems.iter_mut().enumerate().collect();
    order.sort_by_key(|(_, system)| system.is_floor());
    for (at, system) in order {
        let audience = system.audience(shape.members, frame_bytes)?;
        let mut seat = Seat { system: system.as_mut(), audience, published: 0, phases: Vec::new() };
        let warm = FanOut { load: Load::Steady(40), phase: Duration::from_millis(500), ..shape };
        let before = seat.audience.drain.hear(Duration::ZERO)?.clone();
        seat.phase(warm)?;
        let after = seat.audience.drain.hear(Duration::ZERO)?.clone();
        let frames = (after.frames - before.frames).max(1);
        if !seat.system.is_floor() {
            frame_bytes = usize::try_from((after.bytes - before.bytes) / frames)?;
        }
        seats[at] = Some(seat);
    }
    let mut seats: Vec<Seat<'_>> = seats.into_iter().flatten().collect();
    // A round's time is dealt out in short turns, so that what else the machine does meanwhile meets
    // all systems alike.
    let turns = (shape.phase.as_secs_f64() / TURN.as_secs_f64()).round().max(1.0) as u32;
    let turn = FanOut { phase: shape.phase / turns, ..shape };
    for _ in 0..rounds {
        for seat in &mut seats {
            seat.phases.push(Phase::default());
        }
        for _ in 0..turns {
            for seat in &mut seats {
                let part = seat.phase(turn)?;
                if let Some(round) = seat.phases.last_mut() {
                    round.add(&part);
                }
            }
        }
        bar.inc(seats.len() as u64);
    }
    tell_fan_out(&name, &seats, report);
    Ok(())
}

impl Seat<'_> {
    /// Publishes for the phase's time, waits until everything has arrived, and tells what it cost.
    fn phase(&mut self, shape: FanOut) -> Outcome<Phase> {
        let first = self.published;
        let before = self.audience.drain.hear(Duration::ZERO)?.clone();
        let processes = self.system.processes()?;
        let read = || (CpuReading::of(&[processes.server]), CpuReading::of(&processes.helpers));
        let (server, helpers) = read();
        let start = Instant::now();
        match shape.load {
            Load::Steady(rate) => self.steady(shape, start, rate)?,
            Load::Overload => self.overload(shape, start)?,
        }
        let after = self.settle()?;
        let (server_after, helpers_after) = read();
        Ok(Phase {
            delivered: after.delivered - before.delivered,
            publications: self.published - first,
            server: server_after.since(&server),
            helpers: helpers_after.since(&helpers),
            wrong: [
                after.lost.saturating_sub(before.lost),
                after.duplicates - before.duplicates,
                after.misordered - before.misordered,
            ],
        })
    }

    fn publish(&mut self, body: usize) -> Outcome<()> {
        let number = self.published;
        let text = format!("bench#{number:010} {}", "x".repeat(body.saturating_sub(17)));
        self.audience.publisher.publish(number, &text)?;
        self.published += 1;
        Ok(())
    }

    fn steady(&mut self, shape: FanOut, start: Instant, rate: u32) -> Outcome<()> {
        let gap = Duration::from_secs(1) / rate;
        let count = (shape.phase.as_secs_f64() * f64::from(rate)).round() as u32;
        for number in 0..count {
            let due = start + gap * number;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            self.publish(shape.body)?;
            self.audience.publisher.acknowledged(Duration::ZERO)?;
        }
        Ok(())
    }

    fn overload(&mut self, shape: FanOut, start: Instant) -> Outcome<()> {
        while start.elapsed() < shape.phase {
            let slowest = self.audience.drain.hear(Duration::ZERO)?.slowest;
            let acknowledged = self.audience.publisher.acknowledged(Duration::ZERO)?;
            let room = (acknowledged + WINDOW).min(slowest + LAG).saturating_sub(self.published);
            if room == 0 {
                self.audience.publisher.acknowledged(Duration::from_millis(1))?;
            }
            for _ in 0..room.min(WINDOW / 4) {
                self.publish(shape.body)?;
            }
        }
        Ok(())
    }

    /// Waits until all that was published is acknowledged and has arrived at every member.
    fn settle(&mut self) -> Outcome<Progress> {
        let until = Instant::now() + PATIENCE;
        loop {
            let acknowledged = self.audience.publisher.acknowledged(Duration::from_millis(1))?;
            let progress = self.audience.drain.hear(Duration::from_millis(5))?;
            if acknowledged >= self.published && progress.slowest >= self.published {
                return Ok(progress.clone());
            }
            if Instant::now() > until {
                return fail(format!(
                    "{}: of {} publications {acknowledged} were acknowledged, and the slowest member has {}",
                    self.system.name(),
                    self.published,
                    progress.slowest
                ));
            }
        }
    }
}

fn tell_fan_out(shape: &str, seats: &[Seat<'_>], report: &mut Report) {
    let rate = |phase: &Phase| phase.delivered as f64 / phase.server.as_secs_f64().max(1e-9);
    let rates: Vec<Vec<f64>> = seats.iter().map(|seat| seat.phases.iter().map(rate).collect()).collect();
    let floor = seats.iter().position(|seat| seat.system.is_floor()).map(|at| &rates[at]);
    for (seat, rates) in seats.iter().zip(&rates) {
        let version = seat.system.version();
        let row = (shape, seat.system.name(), version.as_str());
        let ratio = floor.and_then(|floor| Spread::of_ratios(rates, floor));
        let unit = "deliveries per CPU-second of the server";
        report.add(row, ("frames_per_cpu_s", unit), rates, ratio.map(|ratio| ratio.median));
        if floor.is_some_and(|floor| !std::ptr::eq(floor, rates)) {
            let floor = floor.map_or(&[][..], |floor| floor);
            let ratios: Vec<f64> =
                rates.iter().zip(floor).map(|(ours, floor)| ours / floor.max(1e-9)).collect();
            report.add(row, ("ratio_to_floor", "frames_per_cpu_s ÷ the floor's"), &ratios, None);
        }
        let each = |what: fn(&Phase) -> f64| seat.phases.iter().map(what).collect::<Vec<_>>();
        let per = |time: Duration, phase: &Phase| time.as_secs_f64() * 1e6 / phase.publications.max(1) as f64;
        let cost: Vec<f64> = seat.phases.iter().map(|phase| per(phase.server, phase)).collect();
        report.add(row, ("cpu_us_per_op", "µs of the server's CPU per publication"), &cost, None);
        if seat.system.persists() {
            let cost: Vec<f64> = seat.phases.iter().map(|phase| per(phase.helpers, phase)).collect();
            let unit = "µs of PostgreSQL's CPU per publication";
            report.add(row, ("postgres_cpu_us_per_op", unit), &cost, None);
        }
        if !seat.system.is_floor() {
            let unit = "publications";
            report.add(row, ("lost", unit), &each(|phase| phase.wrong[0] as f64), None);
            report.add(row, ("duplicates", unit), &each(|phase| phase.wrong[1] as f64), None);
            report.add(row, ("misordered", unit), &each(|phase| phase.wrong[2] as f64), None);
        }
    }
}

/// Connections opened and closed before the first reading, so that what a server sets up once is not
/// charged to those counted.
const WARM_UP: usize = 64;

/// Measures resident memory per idle connection; each round starts each system afresh.
pub fn idle(
    connections: usize,
    rounds: usize,
    systems: &mut [Box<dyn System>],
    bar: &ProgressBar,
    report: &mut Report,
) -> Outcome<()> {
    let shape = format!("idle-{connections}");
    bar.set_message(shape.clone());
    let mut grown: Vec<Vec<f64>> = vec![Vec::new(); systems.len()];
    for _ in 0..rounds {
        for (system, grown) in systems.iter_mut().zip(&mut grown) {
            system.stop();
            system.start()?;
            let server = system.processes()?.server;
            let resident = || resident_kib(server).map_or_else(|| fail("the server has ended"), Ok);
            drop(system.idle(WARM_UP, &mut |_| {})?);
            std::thread::sleep(Duration::from_millis(700));
            let before = resident()?;
            let mut drain = system.idle(connections, &mut |_| {})?;
            std::thread::sleep(Duration::from_millis(1000));
            drain.hear(Duration::ZERO)?; // all still there
            let after = resident()?;
            grown.push(after.saturating_sub(before) as f64 / connections as f64);
            drop(drain);
            bar.inc(1);
        }
    }
    let floor = systems.iter().position(|system| system.is_floor()).map(|at| grown[at].clone());
    for (system, grown) in systems.iter_mut().zip(&grown) {
        let version = system.version();
        let ratio = floor.as_ref().and_then(|floor| Spread::of_ratios(grown, floor));
        let metric = ("kb_per_conn", "KiB of the server's resident memory per connection");
        report.add((&shape, system.name(), &version), metric, grown, ratio.map(|ratio| ratio.median));
    }
    Ok(())
}
