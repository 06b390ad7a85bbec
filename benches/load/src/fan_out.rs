//! Fan-out: the systems take turns, A B A B, and each round's figures are set against the floor's of the
//! same round. Then, from the saturation that was seen, latency at shares of it.

use std::time::{Duration, Instant};

use crate::kit::report::{Report, Spread};
use crate::kit::{Outcome, fail};
use crate::marks;
use crate::members::{Order, Plan, Progress};
use crate::run::{Run, percentile};
use crate::speech::Way;
use crate::system::{Members, Publisher, Reading, System};

/// Publications on the way to the server, not yet acknowledged, under overload.
const WINDOW: u64 = 64;

/// Publications accepted but not yet read by the slowest member, under overload. With this many of a few
/// hundred bytes no member comes near the queue's bound, past which a server may cut it off.
const LAG: u64 = 256;

/// How long a phase's last publications may take to arrive.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a system's turn takes at most.
const TURN: Duration = Duration::from_secs(1);

/// A fan-out to measure.
#[derive(Clone, Copy)]
pub struct FanOut {
    /// Members of a room.
    pub members: usize,
    /// Rooms; publications go to each in turn.
    pub rooms: usize,
    /// Bytes of a publication's body.
    pub body: usize,
    /// How publications come.
    pub load: Load,
    /// Whether each is kept before it is acknowledged.
    pub kept: bool,
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
    /// The shape's name.
    pub fn name(&self) -> String {
        let kind = if self.kept { "persisted" } else { "fanout" };
        let rooms = if self.rooms > 1 { format!("-{}-rooms", self.rooms) } else { String::new() };
        let load = if self.load == Load::Overload { "-overload" } else { "" };
        format!("{kind}{rooms}-{}-{}b{load}", self.members, self.body)
    }
}

/// One system in one round.
#[derive(Default)]
struct Phase {
    delivered: u64,
    publications: u64,
    seconds: f64,
    server: Duration,
    helpers: Duration,
    wrong: [u64; 3],
}

impl Phase {
    fn add(&mut self, part: &Self) {
        self.delivered += part.delivered;
        self.publications += part.publications;
        self.seconds += part.seconds;
        self.server += part.server;
        self.helpers += part.helpers;
        for (sum, more) in self.wrong.iter_mut().zip(part.wrong) {
            *sum += more;
        }
    }
}

/// A system with its room's members and publisher.
pub struct Seat<'a> {
    /// The system.
    pub system: &'a mut dyn System,
    /// Its members.
    pub members: Members,
    publisher: Box<dyn Publisher>,
    channels: Vec<String>,
    published: u64,
    /// Of which an earlier publisher published so many.
    before: u64,
    phases: Vec<Phase>,
    /// Lists of figures, one value a round.
    found: [Vec<f64>; 4],
}

/// Seats each system that can do the shape; the first that is not the floor sets how long the floor's
/// frames are.
pub fn seat<'a>(
    shape: FanOut,
    stalled: usize,
    systems: &'a mut [Box<dyn System>],
    run: &Run,
) -> Outcome<Vec<Seat<'a>>> {
    let name = shape.name();
    let mut frame = shape.body + 120;
    let mut seats: Vec<(usize, Seat<'a>)> = Vec::new();
    let mut order: Vec<(usize, &'a mut Box<dyn System>)> = systems.iter_mut().enumerate().collect();
    order.sort_by_key(|(_, system)| system.name() == "floor");
    for (at, system) in order {
        let Some(way) = system.way(shape.kept) else { continue };
        seats.iter_mut().for_each(|(_, seat)| seat.stay());
        run.bar.set_message(format!("{name}: {} is seated", system.name()));
        let what = format!("{name}, {}", system.name());
        let seated = Seat::open(system.as_mut(), shape, way, stalled, frame);
        let mut seat = run.or_skip(&what, seated)?;
        if let Some(seat) = &mut seat {
            let before = seat.members.hear(Duration::ZERO)?.clone();
            seat.phase(FanOut { load: Load::Steady(40), ..shape }, Duration::from_millis(500))?;
            let after = seat.members.hear(Duration::ZERO)?.clone();
            if seat.system.name() != "floor" && seats.is_empty() {
                let frames = (after.frames - before.frames).max(1);
                frame = usize::try_from((after.bytes - before.bytes) / frames)?;
            }
        }
        seats.extend(seat.map(|seat| (at, seat)));
    }
    seats.sort_by_key(|(at, _)| *at);
    Ok(seats.into_iter().map(|(_, seat)| seat).collect())
}

/// Each system's turn; a peer that fails in its own is left out from there on, by name.
fn each_turn<'a>(
    name: &str,
    seats: &mut Vec<Seat<'a>>,
    run: &Run,
    mut act: impl FnMut(&mut Seat<'a>) -> Outcome<()>,
) -> Outcome<()> {
    let mut at = 0;
    while at < seats.len() {
        seats.iter_mut().for_each(Seat::stay);
        let seat = &mut seats[at];
        let done = act(seat);
        let what = format!("{name}, {}", seat.system.name());
        match run.or_skip(&what, done)? {
            Some(()) => at += 1,
            None => drop(seats.remove(at)),
        }
    }
    Ok(())
}

/// Measures one fan-out on all systems, which are started; under overload also latency at shares of the
/// saturation that was seen.
pub fn measure(
    shape: FanOut,
    phase: Duration,
    systems: &mut [Box<dyn System>],
    run: &Run,
    report: &mut Report,
) -> Outcome<()> {
    let mut seats = seat(shape, 0, systems, run)?;
    run.bar.set_message(shape.name());
    // A round's time is dealt out in short turns, so that what else the machine does meanwhile meets
    // all systems alike.
    let turns = (phase.as_secs_f64() / TURN.as_secs_f64()).round().max(1.0) as u32;
    for _ in 0..run.rounds {
        for seat in &mut seats {
            seat.phases.push(Phase::default());
        }
        for _ in 0..turns {
            each_turn(&shape.name(), &mut seats, run, |seat| {
                let part = seat.phase(shape, phase / turns)?;
                if let Some(round) = seat.phases.last_mut() {
                    round.add(&part);
                }
                Ok(())
            })?;
        }
        run.bar.inc(1);
    }
    tell(&shape, &seats, report);
    if shape.load == Load::Overload {
        latency(shape, phase, &mut seats, run, report)?;
    }
    Ok(())
}

/// From when a publication was due until the last member had it, publications coming by the clock whatever
/// the server does, so that a pause is felt by all that were due in it.
fn latency(
    shape: FanOut,
    phase: Duration,
    seats: &mut Vec<Seat<'_>>,
    run: &Run,
    report: &mut Report,
) -> Outcome<()> {
    for percent in [25u32, 50, 75] {
        let name = format!("{}-at-{percent}-percent", shape.name().replace("-overload", ""));
        run.bar.set_message(name.clone());
        for seat in seats.iter_mut() {
            seat.found = Default::default();
        }
        for _ in 0..run.rounds {
            each_turn(&name, seats, run, |seat| {
                if seat.system.name() == "floor" {
                    return Ok(());
                }
                let seen: Vec<f64> =
                    seat.phases.iter().map(|phase| phase.publications as f64 / phase.seconds).collect();
                let rate = Spread::of(&seen).median * f64::from(percent) / 100.0;
                seat.members.order(&Order::Mark)?;
                seat.phase(FanOut { load: Load::Steady(rate.max(1.0) as u32), ..shape }, phase)?;
                let times = seat.members.times()?.last_member;
                for (list, share) in seat.found.iter_mut().zip([0.5, 0.99, 0.999]) {
                    list.push(percentile(&times, share) as f64 / 1_000.0);
                }
                seat.found[3].push(rate);
                Ok(())
            })?;
        }
        for seat in seats.iter().filter(|seat| seat.system.name() != "floor") {
            let (found, version) = (&seat.found, seat.system.version());
            let row = (name.as_str(), seat.system.name(), version.as_str());
            let unit = "ms from due to the last member";
            for (metric, list) in ["p50_ms", "p99_ms", "p999_ms"].into_iter().zip(found) {
                report.add(row, (metric, unit), list, None);
            }
            report.add(row, ("offered_per_s", "publications a second offered"), &found[3], None);
        }
    }
    Ok(())
}

impl<'a> Seat<'a> {
    /// Answers the publisher's pings, while others have their turn; members do so by themselves. What goes
    /// wrong goes wrong again in its own turn.
    fn stay(&mut self) {
        let _ = self.publisher.acknowledged(Duration::ZERO);
    }

    /// Opens the rooms, their members and a publisher.
    pub fn open(
        system: &'a mut dyn System,
        shape: FanOut,
        way: Way,
        stalled: usize,
        frame: usize,
    ) -> Outcome<Self> {
        let connections = shape.members * shape.rooms;
        let channels = system.rooms(shape.rooms, shape.kept)?;
        let members = Members::open(&Plan {
            speech: system.speech(),
            server: system.address()?,
            // A person with more sessions busy at once would meet the shared command rate.
            tokens: system.tokens(connections.min(10))?,
            channels: channels.clone(),
            connections,
            window: 64,
            stalled,
        })?;
        let publisher = system.publisher(way, frame, shape.members)?;
        Ok(Self {
            system,
            members,
            publisher,
            channels,
            published: 0,
            before: 0,
            phases: Vec::new(),
            found: Default::default(),
        })
    }

    /// Publishes for the phase's time, waits until everything has arrived, and tells what it cost.
    fn phase(&mut self, shape: FanOut, length: Duration) -> Outcome<Phase> {
        let first = self.published;
        let before = self.members.hear(Duration::ZERO)?.clone();
        let reading = Reading::of(self.system)?;
        let start = Instant::now();
        match shape.load {
            Load::Steady(rate) => self.steady(shape, length, rate)?,
            Load::Overload => self.overload(shape, length)?,
        }
        // Every room as far as the others.
        while !self.published.is_multiple_of(self.channels.len() as u64) {
            self.publish(shape.body, marks::now())?;
        }
        let after = self.settle()?;
        let seconds = start.elapsed().as_secs_f64();
        let cost = reading.cost(self.system)?;
        let (was, is) = (before.tally, after.tally);
        Ok(Phase {
            delivered: is.delivered - was.delivered,
            publications: self.published - first,
            seconds,
            server: cost.server,
            helpers: cost.helpers,
            wrong: [
                is.lost.saturating_sub(was.lost),
                is.duplicates - was.duplicates,
                is.misordered - was.misordered,
            ],
        })
    }

    fn publish(&mut self, body: usize, due: u64) -> Outcome<()> {
        let rooms = self.channels.len() as u64;
        let (room, number) = ((self.published % rooms) as usize, self.published / rooms);
        let text = marks::body(number, due, body);
        self.publisher.publish(room, &self.channels[room], &text, due)?;
        self.published += 1;
        Ok(())
    }

    /// Publishes by the clock.
    pub fn steady(&mut self, shape: FanOut, length: Duration, rate: u32) -> Outcome<()> {
        let (start, zero) = (Instant::now(), marks::now());
        let count = (length.as_secs_f64() * f64::from(rate)).round().max(1.0) as u64;
        for number in 0..count {
            let due = Duration::from_nanos(number * 1_000_000_000 / u64::from(rate));
            let early = due.saturating_sub(start.elapsed());
            if early > Duration::from_micros(100) {
                std::thread::sleep(early);
            }
            self.publish(shape.body, zero + due.as_nanos() as u64)?;
            self.publisher.acknowledged(Duration::ZERO)?;
            if number % 256 == 255 {
                self.members.hear(Duration::ZERO)?;
            }
        }
        Ok(())
    }

    fn overload(&mut self, shape: FanOut, length: Duration) -> Outcome<()> {
        let start = Instant::now();
        let rooms = self.channels.len() as u64;
        while start.elapsed() < length {
            let slowest = self.members.hear(Duration::ZERO)?.tally.slowest * rooms;
            let acknowledged = self.publisher.acknowledged(Duration::ZERO)?;
            let lag = LAG.min(512 * 1024 / shape.body.max(1) as u64) * rooms;
            let room = (acknowledged + WINDOW).min(slowest + lag).saturating_sub(self.published);
            if room == 0 {
                self.publisher.acknowledged(Duration::from_millis(1))?;
            }
            for _ in 0..room.min(WINDOW / 4) {
                self.publish(shape.body, marks::now())?;
            }
        }
        Ok(())
    }

    /// Waits until all that was published is acknowledged and has arrived at every member that reads.
    pub fn settle(&mut self) -> Outcome<Progress> {
        let until = Instant::now() + PATIENCE;
        let each = self.published / self.channels.len() as u64;
        loop {
            let acknowledged = self.publisher.acknowledged(Duration::from_millis(1))? + self.before;
            let progress = self.members.hear(Duration::from_millis(5))?;
            if acknowledged >= self.published && progress.tally.slowest >= each {
                return Ok(progress.clone());
            }
            if Instant::now() > until {
                return fail(format!(
                    "{}: of {} publications {acknowledged} were acknowledged, and the slowest member has {} of {each}",
                    self.system.name(),
                    self.published,
                    progress.tally.slowest
                ));
            }
        }
    }

    /// Publishes so many in each room, as fast as they are acknowledged.
    pub fn burst(&mut self, each: u64) -> Outcome<()> {
        for sent in 0..each * self.channels.len() as u64 {
            self.publish(200, marks::now())?;
            if sent % 32 == 31 {
                self.acknowledge_all()?;
            }
        }
        Ok(())
    }

    /// Waits until all that was published is acknowledged.
    pub fn acknowledge_all(&mut self) -> Outcome<()> {
        let until = Instant::now() + PATIENCE;
        while self.publisher.acknowledged(Duration::from_millis(5))? + self.before < self.published {
            if Instant::now() > until {
                return fail(format!("{} does not acknowledge", self.system.name()));
            }
        }
        Ok(())
    }

    /// Opens a new publisher: the server is another one.
    pub fn publish_again(&mut self, way: Way) -> Outcome<()> {
        self.publisher = self.system.publisher(way, 0, 0)?;
        self.before = self.published;
        Ok(())
    }

    /// Microseconds from due to acknowledged since they were last taken, sorted.
    pub fn acknowledgements(&mut self) -> Vec<u64> {
        let mut times = self.publisher.take_times();
        times.sort_unstable();
        times
    }
}

fn tell(shape: &FanOut, seats: &[Seat<'_>], report: &mut Report) {
    let name = shape.name();
    let rate = |phase: &Phase| phase.delivered as f64 / phase.server.as_secs_f64().max(1e-9);
    let rates: Vec<Vec<f64>> = seats.iter().map(|seat| seat.phases.iter().map(rate).collect()).collect();
    let floor = seats.iter().position(|seat| seat.system.name() == "floor").map(|at| &rates[at]);
    for (seat, rates) in seats.iter().zip(&rates) {
        let version = seat.system.version();
        let row = (name.as_str(), seat.system.name(), version.as_str());
        let ratio = floor.and_then(|floor| Spread::of_ratios(rates, floor));
        let unit = "deliveries per CPU-second of the server";
        report.add(row, ("frames_per_cpu_s", unit), rates, ratio.map(|ratio| ratio.median));
        if let Some(floor) = floor.filter(|floor| !std::ptr::eq(*floor, rates)) {
            let ratios: Vec<f64> =
                rates.iter().zip(floor).map(|(ours, floor)| ours / floor.max(1e-9)).collect();
            report.add(row, ("ratio_to_floor", "frames_per_cpu_s ÷ the floor's"), &ratios, None);
        }
        let each = |what: &dyn Fn(&Phase) -> f64| seat.phases.iter().map(what).collect::<Vec<_>>();
        let per = |time: Duration, phase: &Phase| time.as_secs_f64() * 1e6 / phase.publications.max(1) as f64;
        let unit = "µs of the server's CPU per publication";
        report.add(row, ("cpu_us_per_op", unit), &each(&|phase| per(phase.server, phase)), None);
        if shape.kept {
            let unit = "µs of CPU per publication of what it is kept in";
            report.add(row, ("store_cpu_us_per_op", unit), &each(&|phase| per(phase.helpers, phase)), None);
        }
        if shape.load == Load::Overload {
            let unit = "publications a second, all members reading";
            report.add(row, ("saturation_per_s", unit), &each(&|p| p.publications as f64 / p.seconds), None);
        }
        if seat.system.name() != "floor" {
            for (at, metric) in ["lost", "duplicates", "misordered"].into_iter().enumerate() {
                report.add(row, (metric, "publications"), &each(&|phase| phase.wrong[at] as f64), None);
            }
        }
    }
}

/// Small rooms whose messages are kept: what an acknowledged one costs, and how long it takes.
pub fn persisted(
    shape: FanOut,
    phase: Duration,
    systems: &mut [Box<dyn System>],
    run: &Run,
    report: &mut Report,
) -> Outcome<()> {
    let mut seats = seat(shape, 0, systems, run)?;
    run.bar.set_message(shape.name());
    for _ in 0..run.rounds {
        each_turn(&shape.name(), &mut seats, run, |seat| {
            seat.acknowledgements();
            let part = seat.phase(shape, phase)?;
            seat.phases.push(part);
            let acknowledged = seat.acknowledgements();
            for (list, share) in seat.found.iter_mut().zip([0.5, 0.99]) {
                list.push(percentile(&acknowledged, share) as f64 / 1_000.0);
            }
            Ok(())
        })?;
        run.bar.inc(1);
    }
    tell(&shape, &seats, report);
    for seat in seats.iter().filter(|seat| seat.system.name() != "floor") {
        let version = seat.system.version();
        let (shape, unit) = (shape.name(), "ms from due to acknowledged");
        for (metric, list) in ["p50_ms", "p99_ms"].into_iter().zip(&seat.found) {
            report.add((&shape, seat.system.name(), &version), (metric, unit), list, None);
        }
    }
    Ok(())
}
