//! Posting, applying, listing and reading over HTTP: the release binary with demo data, its private
//! PostgreSQL, and limits raised so far that they do not shape the result.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::kit::line::Line;
use super::kit::process::Process;
use super::kit::report::Report;
use super::kit::usage::{self, CpuReading};
use super::kit::{Outcome, fail, http};

/// Connections at once.
const LINES: usize = 4;
/// Requests whose events are followed.
const FOLLOWED: usize = 40;

const SETTINGS: &[(&str, &str)] = &[
    ("GIGSY_LIMIT_SIGN_IN", "1000000"),
    ("GIGSY_LIMIT_CALLS", "10000000"),
    ("GIGSY_LOG", "warning"),
    ("GIGSY_LOG_FORMAT", "json"),
];

struct Server {
    process: Process,
    addr: SocketAddr,
    client: String,
    student: String,
    operator: String,
}

/// What one kind of request cost in one round.
struct Phase {
    server: Duration,
    postgres: Duration,
    count: usize,
}

/// Measures and adds the rows.
pub fn measure(rounds: usize, count: usize, report: &mut Report) -> Outcome<()> {
    let data = tempfile::Builder::new().prefix("gigsy-bench-").tempdir()?;
    let server = start(data.path())?;
    let mut kinds: Vec<(&str, Vec<Phase>)> = ["gig-draft-and-post", "application", "gig-list-20", "gig-read"]
        .map(|kind| (kind, Vec::new()))
        .into();
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let mut gigs = Vec::new();
        let mut phases = Vec::new();
        phases.push(phase(
            &server,
            count,
            |line, n| {
                let id = format!("post-{round}-{n:05}");
                let gig = line.call("POST", "/api/v1/gigs", &id, Some(&form(n)))?;
                let gig = gig["id"].as_str().unwrap_or_default().to_owned();
                line.call("POST", &format!("/api/v1/gigs/{gig}/post"), &id, None)?;
                Ok(gig)
            },
            &server.client,
            &mut gigs,
        )?);
        let mut lags = lags(&server, &format!("post-{round}-"), count)?;
        let apply =
            json!({"proposal": "I drew the posters of last year's festival, and would like to draw yours."});
        phases.push(phase(
            &server,
            count,
            |line, n| {
                let path = format!("/api/v1/gigs/{}/applications", gigs[n]);
                line.call("POST", &path, &format!("apply-{round}-{n:05}"), Some(&apply))
            },
            &server.student,
            &mut Vec::new(),
        )?);
        lags.extend(self::lags(&server, &format!("apply-{round}-"), count)?);
        let list = "/api/v1/gigs?limit=20&skill=graphic-design";
        let get = |line: &mut Line, path: &str| line.call("GET", path, "reading-reading", None);
        phases.push(phase(&server, count, |line, _| get(line, list), &server.student, &mut Vec::new())?);
        let read = |line: &mut Line, n: usize| get(line, &format!("/api/v1/gigs/{}", gigs[n]));
        phases.push(phase(&server, count, read, &server.student, &mut Vec::new())?);
        // The first round warms caches and pools, and is not counted.
        if round == 0 {
            continue;
        }
        for ((_, kept), phase) in kinds.iter_mut().zip(phases) {
            kept.push(phase);
        }
        lags.sort_by(f64::total_cmp);
        p50.push(lags.get(lags.len() / 2).copied().unwrap_or(0.0));
        p99.push(lags.get(lags.len() * 99 / 100).copied().unwrap_or(0.0));
    }
    for (kind, phases) in &kinds {
        let row = (*kind, "gigsy", env!("CARGO_PKG_VERSION"));
        let each = |what: fn(&Phase) -> f64| phases.iter().map(what).collect::<Vec<_>>();
        let rate = each(|p| p.count as f64 / p.server.as_secs_f64().max(1e-9));
        report.add(
            row,
            ("requests_per_cpu_s", "per CPU-second of the server, its events' work included"),
            &rate,
            None,
        );
        let cost = each(|p| p.server.as_secs_f64() * 1e6 / p.count as f64);
        report.add(row, ("cpu_us_per_op", "µs of the server's CPU, its events' work included"), &cost, None);
        let cost = each(|p| p.postgres.as_secs_f64() * 1e6 / p.count as f64);
        report.add(row, ("postgres_cpu_us_per_op", "µs of PostgreSQL's CPU"), &cost, None);
    }
    let row = ("event-lag-under-post-and-apply", "gigsy", env!("CARGO_PKG_VERSION"));
    report.add(row, ("p50_ms", "ms from recorded to handled by the last consumer"), &p50, None);
    report.add(row, ("p99_ms", "ms from recorded to handled by the last consumer"), &p99, None);
    Ok(())
}

fn form(n: usize) -> Value {
    json!({
        "title": format!("A poster for the summer fair, number {n}"),
        "description": "A2, bold, readable from across the street. Texts and dates are there.",
        "skills": ["graphic-design", "illustration"], "budget": {"amount_minor": 25_000, "currency": "EUR"},
    })
}

/// Sends `count` requests over a few connections, in the order of their numbers on each; `got` has the
/// answers by number. Ends when what the requests recorded has taken effect.
fn phase<T: Send + Default + Clone>(
    server: &Server,
    count: usize,
    send: impl Fn(&mut Line, usize) -> Outcome<T> + Sync,
    token: &str,
    got: &mut Vec<T>,
) -> Outcome<Phase> {
    let pid = server.process.id();
    let read = || (CpuReading::of(&[pid]), CpuReading::of(&usage::descendants(pid)));
    let before = read();
    let addr = server.addr;
    let work = |first: usize| -> Outcome<Vec<(usize, T)>> {
        let mut line = Line::open(addr, token)?;
        (first..count).step_by(LINES).map(|n| Ok((n, send(&mut line, n)?))).collect()
    };
    let work = &work;
    let answers = std::thread::scope(|scope| -> Outcome<Vec<(usize, T)>> {
        let threads: Vec<_> = (0..LINES).map(|first| scope.spawn(move || work(first))).collect();
        let mut all = Vec::new();
        for thread in threads {
            all.extend(thread.join().map_err(|_| "a client thread panicked")??);
        }
        Ok(all)
    })?;
    quiet(server)?;
    let after = read();
    *got = vec![T::default(); count];
    for (n, answer) in answers {
        got[n] = answer;
    }
    Ok(Phase { server: after.0.since(&before.0), postgres: after.1.since(&before.1), count })
}

/// Waits until nobody handles events any more.
fn quiet(server: &Server) -> Outcome<()> {
    let until = Instant::now() + Duration::from_secs(60);
    let mut before = -1.0;
    loop {
        std::thread::sleep(Duration::from_millis(400));
        let metrics = text(server.addr, "/metrics")?;
        let done: f64 = metrics
            .lines()
            .filter(|line| line.starts_with("gigsy_events_handled_total"))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum();
        if done == before {
            return Ok(());
        }
        before = done;
        if Instant::now() > until {
            return fail("events are still waiting after a minute");
        }
    }
}

fn text(addr: SocketAddr, path: &str) -> Outcome<String> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(addr)?;
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// How long some of a phase's events took, in milliseconds, by the database's clock.
fn lags(server: &Server, prefix: &str, count: usize) -> Outcome<Vec<f64>> {
    let mut lags = Vec::new();
    for n in (0..count).step_by((count / FOLLOWED).max(1)) {
        let path = format!("/api/v1/ops/trace/{prefix}{n:05}");
        let trace = http::call_ok(server.addr, "GET", &path, Some(&server.operator), None)?;
        for item in trace["items"].as_array().into_iter().flatten() {
            let at = |value: &Value| {
                value.as_str().and_then(|text| chrono::DateTime::parse_from_rfc3339(text).ok())
            };
            let Some(recorded) = at(&item["recorded_at"]) else { continue };
            let handled = item["deliveries"].as_array().into_iter().flatten();
            if let Some(last) = handled.filter_map(|delivery| at(&delivery["handled_at"])).max() {
                lags.push((last - recorded).num_microseconds().unwrap_or(0) as f64 / 1000.0);
            }
        }
    }
    Ok(lags)
}

fn start(data: &Path) -> Outcome<Server> {
    let addr = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut process =
        Process::program(Path::new(env!("CARGO_BIN_EXE_gigsy")), &["serve", "--demo"], |command| {
            // Nothing of the caller's own set-up reaches the server under test.
            for (name, _) in std::env::vars_os() {
                let text = name.to_string_lossy();
                if text.ends_with("_URL") || (text.starts_with("GIGSY_") && text != "GIGSY_POSTGRES_BIN") {
                    command.env_remove(&name);
                }
            }
            command.env("GIGSY_LISTEN", addr.to_string()).env("GIGSY_DATA_DIR", data);
            command.envs(SETTINGS.iter().copied());
        })?;
    let until = Instant::now() + Duration::from_secs(60);
    while !matches!(http::call(addr, "GET", "/readyz", None, None), Ok((200, _))) {
        if !process.is_running() || Instant::now() > until {
            return fail("gigsy did not start; its message stands above");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let sign_in = |who: &str| -> Outcome<String> {
        let form =
            json!({"email": format!("{who}@demo.gigsy.test"), "password": "gigsy-demo-1", "device": "bench"});
        let answer = http::call_ok(addr, "POST", "/api/v1/auth/sessions", None, Some(&form))?;
        Ok(answer["token"].as_str().unwrap_or_default().to_owned())
    };
    let (client, student, operator) = (sign_in("client")?, sign_in("student")?, sign_in("operator")?);
    Ok(Server { process, addr, client, student, operator })
}
