//! Storms: everybody connects at once, a killed server's clients come back with something missed, a server
//! is stopped in order and its clients come back to the next.

use std::time::{Duration, Instant};

use crate::fan_out::{FanOut, Load, Seat};
use crate::kit::report::Report;
use crate::kit::{Outcome, fail};
use crate::members::{Order, Plan};
use crate::run::{Run, percentile};
use crate::system::{Members, Reading, System};

/// Handshakes under way at once in a connect storm.
const WINDOW: usize = 256;

/// Publications that each client misses.
const MISSED: u32 = 50;

/// All connect and sign in at once; each round starts each system afresh.
pub fn connect(
    connections: usize,
    systems: &mut [Box<dyn System>],
    run: &Run,
    report: &mut Report,
) -> Outcome<()> {
    let shape = format!("connect-storm-{connections}");
    run.bar.set_message(shape.clone());
    let mut found: Vec<[Vec<f64>; 4]> = systems.iter().map(|_| Default::default()).collect();
    for _ in 0..run.rounds {
        for (system, found) in systems.iter_mut().zip(&mut found) {
            if !system.authenticates() {
                continue;
            }
            let what = format!("{shape}, {}", system.name());
            let measured = run.or_skip(&what, connect_once(connections, system.as_mut()))?;
            for (list, value) in found.iter_mut().zip(measured.into_iter().flatten()) {
                list.push(value);
            }
        }
        run.bar.inc(1);
    }
    for (system, found) in systems.iter().zip(&found).filter(|(_, found)| !found[0].is_empty()) {
        let version = system.version();
        let row = (shape.as_str(), system.name(), version.as_str());
        report.add(row, ("cpu_us_per_op", "µs of the server's CPU per connection"), &found[0], None);
        report.add(row, ("p50_ms", "ms from the first byte sent to signed in"), &found[1], None);
        report.add(row, ("p99_ms", "ms from the first byte sent to signed in"), &found[2], None);
        report.add(row, ("connects_per_s", "connections a second, all of them"), &found[3], None);
    }
    Ok(())
}

fn connect_once(connections: usize, system: &mut dyn System) -> Outcome<[f64; 4]> {
    system.stop();
    system.start()?;
    let plan = Plan {
        speech: system.speech(),
        server: system.address()?,
        tokens: system.tokens(connections)?,
        channels: Vec::new(),
        connections,
        window: WINDOW,
        stalled: 0,
    };
    // What a server sets up once is not charged to those counted.
    drop(Members::open(&Plan { connections: 64, ..plan.clone() })?);
    std::thread::sleep(Duration::from_millis(700));
    let reading = Reading::of(system)?;
    let mut members = Members::open(&plan)?;
    let cost = reading.cost(system)?;
    let times = members.times()?;
    let all = times.stood.last().copied().unwrap_or(1).max(1);
    Ok([
        cost.server.as_secs_f64() * 1e6 / connections as f64,
        percentile(&times.connects, 0.5) as f64 / 1_000.0,
        percentile(&times.connects, 0.99) as f64 / 1_000.0,
        connections as f64 * 1e6 / all as f64,
    ])
}

/// Rooms over which the clients of a recovery are spread.
fn rooms_of(clients: usize) -> usize {
    clients.div_ceil(1_000).max(1)
}

/// The server is killed; after its restart each client misses some, comes back, and recovers.
pub fn recover(
    clients: usize,
    systems: &mut [Box<dyn System>],
    run: &Run,
    report: &mut Report,
) -> Outcome<()> {
    let shape = format!("kill-and-recover-{clients}-clients-{MISSED}-missed");
    run.bar.set_message(shape.clone());
    for system in systems.iter_mut().filter(|system| system.recovers()) {
        let mut found: [Vec<f64>; 5] = Default::default();
        for _ in 0..run.rounds {
            let what = format!("{shape}, {}", system.name());
            let measured = run.or_skip(&what, recover_once(clients, system.as_mut()))?;
            for (list, value) in found.iter_mut().zip(measured.into_iter().flatten()) {
                list.push(value);
            }
            run.bar.inc(1);
        }
        let version = system.version();
        let row = (shape.as_str(), system.name(), version.as_str());
        for (metric, list) in ["lost", "duplicates", "misordered"].into_iter().zip(&found) {
            report.add(row, (metric, "publications, over all clients"), list, None);
        }
        let unit = "s from the first reconnection until 99 % had all";
        report.add(row, ("seconds_to_99_percent", unit), &found[3], None);
        report.add(row, ("cpu_us_per_op", "µs of the server's CPU per client recovered"), &found[4], None);
    }
    Ok(())
}

fn recover_once(clients: usize, system: &mut dyn System) -> Outcome<[f64; 5]> {
    let rooms = rooms_of(clients);
    let shape =
        FanOut { members: clients.div_ceil(rooms), rooms, body: 200, load: Load::Steady(100), kept: true };
    let Some(way) = system.way(true) else { return fail("keeps nothing") };
    let mut seat = Seat::open(system, shape, way, 0, 0)?;
    seat.members.strict = false;
    // Some have come before: a position from which to recover.
    seat.burst(4)?;
    seat.settle()?;
    seat.system.kill()?;
    // Their ends are seen; nobody comes back before there is something to recover.
    seat.members.order(&Order::Drop)?;
    std::thread::sleep(Duration::from_millis(300));
    seat.system.start()?;
    seat.publish_again(way)?;
    seat.burst(u64::from(MISSED))?;
    seat.acknowledge_all()?;
    let before = seat.members.hear(Duration::ZERO)?.tally.delivered;
    let reading = Reading::of(seat.system)?;
    let start = Instant::now();
    seat.members.order(&Order::Mark)?;
    seat.members.order(&Order::Reopen(seat.system.address()?))?;
    let connections = (shape.members * rooms) as u64;
    let wanted = connections * u64::from(MISSED);
    let (mut most, until) = (None, start + Duration::from_secs(180));
    let progress = loop {
        let progress = seat.members.hear(Duration::from_millis(5))?.clone();
        let got = progress.tally.delivered - before;
        if most.is_none() && got * 100 >= wanted * 99 {
            most = Some(start.elapsed());
        }
        if got >= wanted || Instant::now() > until {
            break progress;
        }
    };
    let cost = reading.cost(seat.system)?;
    // What would come twice or late comes now.
    std::thread::sleep(Duration::from_millis(300));
    let last = seat.members.hear(Duration::from_millis(50))?.tally;
    // Those that never came are no gaps: nothing came after them.
    let missing = wanted.saturating_sub(progress.tally.delivered - before);
    Ok([
        (missing.max(last.lost)) as f64,
        last.duplicates as f64,
        last.misordered as f64,
        most.map_or(f64::from(u16::MAX), |time| time.as_secs_f64()),
        cost.server.as_secs_f64() * 1e6 / connections as f64,
    ])
}

/// A stop in order while people are there: they are let go at a pace, come back to the next server, and
/// miss nothing.
pub fn drain(clients: usize, system: &mut dyn System, run: &Run, report: &mut Report) -> Outcome<()> {
    let shape = format!("drain-and-restart-{clients}-clients");
    run.bar.set_message(shape.clone());
    let mut found: [Vec<f64>; 4] = Default::default();
    for _ in 0..run.rounds {
        let rooms = rooms_of(clients);
        let members = clients.div_ceil(rooms);
        let load = Load::Steady(100);
        let plan = FanOut { members, rooms, body: 200, load, kept: true };
        let Some(way) = system.way(true) else { return fail("keeps nothing") };
        let mut seat = Seat::open(system, plan, way, 0, 0)?;
        seat.members.strict = false;
        seat.burst(4)?;
        seat.settle()?;
        seat.members.order(&Order::ComeBack(true))?;
        seat.members.order(&Order::Mark)?;
        seat.burst(4)?;
        seat.acknowledge_all()?;
        seat.system.ask_to_stop()?;
        seat.system.stop();
        seat.system.start()?;
        seat.publish_again(way)?;
        seat.burst(4)?;
        seat.acknowledge_all()?;
        seat.members.wait_all(Duration::from_secs(120))?;
        seat.settle()?;
        let tally = seat.members.hear(Duration::from_millis(300))?.tally;
        let times = seat.members.times()?;
        found[0].push((tally.lost + tally.duplicates + tally.misordered) as f64);
        found[1].push(percentile(&times.gaps, 0.5) as f64 / 1_000.0);
        found[2].push(percentile(&times.gaps, 0.99) as f64 / 1_000.0);
        found[3].push(peak(&times.stood) as f64);
        run.bar.inc(1);
    }
    let version = system.version();
    let row = (shape.as_str(), system.name(), version.as_str());
    report.add(row, ("lost", "lost, double or out of order, over all clients"), &found[0], None);
    report.add(row, ("p50_ms", "ms from a client's end to its being back"), &found[1], None);
    report.add(row, ("p99_ms", "ms from a client's end to its being back"), &found[2], None);
    report.add(row, ("peak_connects_per_s", "most that came back in one second"), &found[3], None);
    Ok(())
}

/// The most within any second of these sorted microseconds.
fn peak(sorted: &[u64]) -> usize {
    let mut first = 0;
    let mut most = 0;
    for (at, time) in sorted.iter().enumerate() {
        while time - sorted[first] > 1_000_000 {
            first += 1;
        }
        most = most.max(at + 1 - first);
    }
    most
}
