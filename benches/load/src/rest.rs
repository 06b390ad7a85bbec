//! Three endpoints beside a NestJS application over `pg` that has the same three: requests a CPU-second.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::gigsy::Gigsy;
use crate::kit::line::Line;
use crate::kit::process::Process;
use crate::kit::report::Report;
use crate::kit::usage::{self, CpuReading};
use crate::kit::{Outcome, fail};
use crate::peers::{npm_version, repository};
use crate::run::{Run, percentile};
use crate::system::System;

/// Connections at once.
const LINES: usize = 4;

/// What is asked.
const KINDS: [&str; 3] = ["list-20-gigs", "read-a-gig", "apply-to-a-gig"];

/// One of the two.
struct Side {
    name: &'static str,
    version: String,
    address: SocketAddr,
    prefix: &'static str,
    token: String,
    server: Vec<u32>,
    store: u32,
    rows: Vec<[Vec<f64>; 4]>,
}

/// Measures and adds the rows.
pub fn measure(count: usize, run: &Run, report: &mut Report) -> Outcome<()> {
    let mut gigsy = Gigsy::new("gigsy")?.with_demo();
    gigsy.start()?;
    let (client, student) = (gigsy.sign_in("client")?, gigsy.sign_in("student")?);
    // Its PostgreSQL is of the same version and has the same settings as Gigsy's own.
    let mut keeper = Gigsy::new("gigsy")?;
    let mut twin = None;
    if let Some(node) = run.or_skip("rest: nestjs", twin_of(&mut keeper))? {
        twin = Some(node);
    }
    let rows = || KINDS.iter().map(|_| Default::default()).collect();
    let mut sides = vec![Side {
        name: "gigsy",
        version: gigsy.version(),
        address: gigsy.address()?,
        prefix: "/api/v1",
        token: student,
        server: gigsy.processes()?.server,
        store: gigsy.processes()?.server[0],
        rows: rows(),
    }];
    if let Some((process, address)) = &twin {
        sides.push(Side {
            name: "nestjs",
            version: npm_version("@nestjs/core").unwrap_or_default(),
            address: *address,
            prefix: "",
            token: "student".to_owned(),
            server: vec![process.id()],
            store: keeper.processes()?.server[0],
            rows: rows(),
        });
    }
    for round in 0..=run.rounds {
        let ours = gigs_of_gigsy(&gigsy, &client, count, round)?;
        let theirs = match &mut twin {
            Some((process, _)) => {
                process.tell(&count.to_string())?;
                let Some(line) = process.line(Duration::from_secs(30))? else { return fail("no gigs") };
                serde_json::from_str(&line)?
            }
            None => Vec::new(),
        };
        // What posting set going is done.
        std::thread::sleep(Duration::from_secs(2));
        for (at, kind) in KINDS.iter().enumerate() {
            run.bar.set_message(format!("rest: {kind}"));
            for side in &mut sides {
                let gigs: &[String] = if side.name == "gigsy" { &ours } else { &theirs };
                let found = phase(side, at, gigs, count, round)?;
                // The first round warms caches and pools, and is not counted.
                if round > 0 {
                    for (list, value) in side.rows[at].iter_mut().zip(found) {
                        list.push(value);
                    }
                }
            }
        }
        run.bar.inc(1);
    }
    for (at, kind) in KINDS.iter().enumerate() {
        for side in &sides {
            let row = (*kind, side.name, side.version.as_str());
            let [rate, cost, store, p99] = &side.rows[at];
            report.add(row, ("requests_per_cpu_s", "per CPU-second of the server"), rate, None);
            report.add(row, ("cpu_us_per_op", "µs of the server's CPU"), cost, None);
            report.add(row, ("postgres_cpu_us_per_op", "µs of PostgreSQL's CPU"), store, None);
            report.add(row, ("p99_ms", "ms, four connections with one request each under way"), p99, None);
        }
        if let [ours, theirs] = sides.as_slice() {
            let pairs = ours.rows[at][0].iter().zip(&theirs.rows[at][0]);
            let ratios: Vec<f64> = pairs.map(|(ours, theirs)| ours / theirs.max(1e-9)).collect();
            let row = (*kind, "gigsy", ours.version.as_str());
            report.add(
                row,
                ("ratio_to_nestjs", "requests_per_cpu_s ÷ NestJS's of the same round"),
                &ratios,
                None,
            );
        }
    }
    Ok(())
}

fn twin_of(keeper: &mut Gigsy) -> Outcome<(Process, SocketAddr)> {
    if npm_version("@nestjs/core").is_none() {
        return fail("it is not installed: scripts/setup-bench");
    }
    keeper.start()?;
    let program = repository().join("benches/peers/nest-rest.mjs").display().to_string();
    let url = keeper.postgres_url()?;
    let mut process = Process::program("node".as_ref(), &[&program], |command| {
        command.env("PG", url).env("NODE_ENV", "production").env_remove("NODE_OPTIONS");
    })?;
    let Some(line) = process.line(Duration::from_secs(30))? else { return fail("it does not start") };
    let Some(port) = line.strip_prefix("ready ").and_then(|port| port.parse::<u16>().ok()) else {
        return fail(line);
    };
    Ok((process, SocketAddr::from(([127, 0, 0, 1], port))))
}

/// Gigs that nobody has applied to.
fn gigs_of_gigsy(gigsy: &Gigsy, client: &str, count: usize, round: usize) -> Outcome<Vec<String>> {
    let mut line = Line::open(gigsy.address()?, client)?;
    (0..count)
        .map(|n| {
            let id = format!("post-{round}-{n:05}");
            let form = json!({
                "title": format!("A poster for the summer fair, number {n}"),
                "description": "A2, bold, readable from across the street. Texts and dates are there.",
                "skills": ["graphic-design", "illustration"],
                "budget": {"amount_minor": 25_000, "currency": "EUR"},
            });
            let gig = line.call("POST", "/api/v1/gigs", &id, Some(&form))?;
            let gig = gig["id"].as_str().unwrap_or_default().to_owned();
            line.call("POST", &format!("/api/v1/gigs/{gig}/post"), &id, None)?;
            Ok(gig)
        })
        .collect()
}

/// Asks `count` times over a few kept connections; answers rate, cost, the store's cost, and p99.
fn phase(side: &Side, kind: usize, gigs: &[String], count: usize, round: usize) -> Outcome<[f64; 4]> {
    let read = || (CpuReading::of(&side.server), CpuReading::of(&usage::descendants(side.store)));
    let before = read();
    let apply =
        json!({"proposal": "I drew the posters of last year's festival, and would like to draw yours."});
    let ask = |line: &mut Line, n: usize| -> Outcome<Value> {
        let prefix = side.prefix;
        let gig = gigs.get(n).map(String::as_str).unwrap_or_default();
        let id = format!("rest-{kind}-{round}-{n:05}");
        match kind {
            0 => line.call("GET", &format!("{prefix}/gigs?limit=20&skill=graphic-design"), &id, None),
            1 => line.call("GET", &format!("{prefix}/gigs/{gig}"), &id, None),
            _ => line.call("POST", &format!("{prefix}/gigs/{gig}/applications"), &id, Some(&apply)),
        }
    };
    let ask = &ask;
    let mut times = std::thread::scope(|scope| -> Outcome<Vec<u64>> {
        let work = |first: usize| -> Outcome<Vec<u64>> {
            let mut line = Line::open(side.address, &side.token)?;
            (first..count)
                .step_by(LINES)
                .map(|n| {
                    let start = std::time::Instant::now();
                    ask(&mut line, n)?;
                    Ok(start.elapsed().as_micros() as u64)
                })
                .collect()
        };
        let threads: Vec<_> = (0..LINES).map(|first| scope.spawn(move || work(first))).collect();
        let mut all = Vec::new();
        for thread in threads {
            all.extend(thread.join().map_err(|_| "a client thread panicked")??);
        }
        Ok(all)
    })?;
    // What an application sets going is part of its price.
    std::thread::sleep(Duration::from_millis(if kind == 2 { 2_500 } else { 50 }));
    let after = read();
    times.sort_unstable();
    let (server, store) = (after.0.since(&before.0).as_secs_f64(), after.1.since(&before.1).as_secs_f64());
    let each = 1e6 / count as f64;
    Ok([
        count as f64 / server.max(1e-9),
        server * each,
        store * each,
        percentile(&times, 0.99) as f64 / 1_000.0,
    ])
}
