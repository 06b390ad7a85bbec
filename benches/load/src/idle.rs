//! Memory: of connections that do nothing, and of a server with some that do not read.

use std::time::{Duration, Instant};

use crate::fan_out::{FanOut, Load, seat};
use crate::gigsy::Gigsy;
use crate::kit::Outcome;
use crate::kit::report::Report;
use crate::members::{Order, Plan};
use crate::run::{Run, percentile};
use crate::system::{Members, System, resident};

/// Connections opened and closed before the first reading, so that what a server sets up once is not
/// charged to those counted.
const WARM_UP: usize = 64;

/// Resident memory per idle connection, each with a sign-in of its own; each round starts each system
/// afresh.
pub fn idle(
    connections: usize,
    systems: &mut [Box<dyn System>],
    run: &Run,
    report: &mut Report,
) -> Outcome<()> {
    let shape = format!("idle-{connections}");
    run.bar.set_message(shape.clone());
    let mut grown: Vec<Vec<f64>> = vec![Vec::new(); systems.len()];
    for _ in 0..run.rounds {
        for (system, grown) in systems.iter_mut().zip(&mut grown) {
            let what = format!("{shape}, {}", system.name());
            grown.extend(run.or_skip(&what, idle_once(connections, system.as_mut()))?);
        }
        run.bar.inc(1);
    }
    for (system, grown) in systems.iter().zip(&grown).filter(|(_, grown)| !grown.is_empty()) {
        let metric = ("kb_per_conn", "KiB of the server's resident memory per connection");
        report.add((&shape, system.name(), &system.version()), metric, grown, None);
    }
    Ok(())
}

fn idle_once(connections: usize, system: &mut dyn System) -> Outcome<f64> {
    system.stop();
    system.start()?;
    let plan = Plan {
        speech: system.speech(),
        server: system.address()?,
        tokens: system.tokens(connections)?,
        channels: Vec::new(),
        connections,
        window: 16,
        stalled: 0,
    };
    drop(Members::open(&Plan { connections: WARM_UP, ..plan.clone() })?);
    std::thread::sleep(Duration::from_millis(700));
    let before = resident(system)?;
    let mut members = Members::open(&plan)?;
    std::thread::sleep(Duration::from_millis(1000));
    members.hear(Duration::ZERO)?; // all still there
    Ok(resident(system)?.saturating_sub(before) as f64 / connections as f64)
}

/// A room in which one of a hundred does not read: what the others feel of it, and what it costs.
pub fn stalled(
    members: usize,
    phase: Duration,
    systems: &mut [Box<dyn System>],
    run: &Run,
    report: &mut Report,
) -> Outcome<()> {
    let stalled = members / 100;
    // As many bytes a second to all of them, whatever the room's size.
    let rate = (40_000 / members.max(1)) as u32;
    let load = Load::Steady(rate);
    let shape = FanOut { members, rooms: 1, body: 2_000, load, kept: false };
    let name = format!("stalled-{stalled}-of-{members}-2000b");
    let mut found: Vec<[Vec<f64>; 4]> = systems.iter().map(|_| Default::default()).collect();
    let names: Vec<&str> = systems.iter().map(|system| system.name()).collect();
    for _ in 0..run.rounds {
        let mut baseline = Vec::new();
        for stalled in [0, stalled] {
            for system in systems.iter_mut().filter(|system| system.name() != "floor") {
                let Some(at) = names.iter().position(|name| *name == system.name()) else { continue };
                let one = std::slice::from_mut(system);
                let mut seats = seat(shape, stalled, one, run)?;
                let Some(seat) = seats.first_mut() else { continue };
                run.bar.set_message(name.clone());
                seat.members.strict = false;
                seat.members.order(&Order::Mark)?;
                let (start, before) = (Instant::now(), resident(seat.system)?);
                let mut most = before;
                while start.elapsed() < phase {
                    seat.steady(shape, Duration::from_millis(250), rate)?;
                    most = most.max(resident(seat.system)?);
                }
                seat.settle()?;
                let p99 = percentile(&seat.members.times()?.last_member, 0.99) as f64 / 1_000.0;
                if stalled == 0 {
                    baseline.push((at, p99));
                    continue;
                }
                let healthy = baseline.iter().find(|(there, _)| *there == at).map_or(p99, |(_, p99)| *p99);
                found[at][0].push(p99 / healthy.max(0.001));
                found[at][1].push(p99);
                found[at][2].push(most.saturating_sub(before) as f64 / 1_024.0);
                found[at][3].push(told_slow(&mut seat.members, stalled)? as f64);
            }
        }
        run.bar.inc(1);
    }
    for (system, found) in systems.iter().zip(&found).filter(|(_, found)| !found[0].is_empty()) {
        let version = system.version();
        let row = (name.as_str(), system.name(), version.as_str());
        let unit = "healthy readers' p99 ÷ without stalled ones";
        report.add(row, ("p99_ratio", unit), &found[0], None);
        report.add(row, ("p99_ms", "ms from due to the last healthy member"), &found[1], None);
        report.add(row, ("grown_mb", "MiB of resident memory grown"), &found[2], None);
        report.add(row, ("closed_slow", "stalled readers told 3008"), &found[3], None);
    }
    Ok(())
}

/// Has those that did not read do so now; answers how many learn that they were too slow. What the kernel has
/// kept for them comes first, and takes its time behind a window that was shut.
fn told_slow(members: &mut Members, stalled: usize) -> Outcome<usize> {
    members.order(&Order::ReadAll)?;
    let start = Instant::now();
    let (mut moved, mut bytes) = (start, 0);
    loop {
        let progress = members.hear(Duration::from_millis(100))?;
        if progress.bytes != bytes {
            (moved, bytes) = (Instant::now(), progress.bytes);
        }
        let quiet = moved.elapsed() > Duration::from_secs(3) || start.elapsed() > Duration::from_secs(15);
        if quiet || progress.closed >= stalled {
            return Ok(progress.closed_slow);
        }
    }
}

/// How long it takes until one who does not read is let go (3008), by the server's own counter.
pub fn time_to_slow(gigsy: &mut Gigsy, run: &Run, report: &mut Report) -> Outcome<()> {
    let shape = FanOut { members: 100, rooms: 1, body: 2_000, load: Load::Steady(500), kept: false };
    let mut found = Vec::new();
    for _ in 0..run.rounds {
        let Some(way) = gigsy.way(false) else { return Ok(()) };
        let address = gigsy.address()?;
        let before = Gigsy::closes(address, 3008)?;
        let mut seat = crate::fan_out::Seat::open(gigsy, shape, way, 1, 0)?;
        seat.members.strict = false;
        let until = Instant::now() + Duration::from_secs(40);
        let begun = Instant::now();
        while Gigsy::closes(address, 3008)? == before && Instant::now() < until {
            seat.steady(shape, Duration::from_millis(200), 500)?;
        }
        found.push(begun.elapsed().as_secs_f64());
        run.bar.inc(1);
    }
    let name = "time-to-slow-1-of-100-2000b-500-a-second";
    let unit = "s until a reader that stopped is let go by 3008";
    report.add((name, "gigsy", &gigsy.version()), ("seconds", unit), &found, None);
    Ok(())
}
