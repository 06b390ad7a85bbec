//! A live quiz with hundreds at once: what an answer costs, how soon it is kept, how soon everybody's
//! scoreboard has it, and that none is lost when the server is killed.
//!
//! `cargo bench --bench learning` takes about three minutes and writes `docs/bench/live-quiz.json`.
#![allow(clippy::print_stdout, reason = "a command-line program")]
#![allow(missing_docs, reason = "checked by hand: the harness is no library")]

mod course;
mod watch;

#[path = "../kit/mod.rs"]
mod kit;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::json;

use course::{Learner, School};
use kit::report::Report;
use kit::usage::{self, CpuReading};
use kit::{Outcome, fail, process};
use watch::Watch;

/// How many learners answer at once, and how often.
#[derive(Parser)]
struct Options {
    /// Questions, each of which everybody answers at once.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Learners, each with an account, a WebSocket and a connection for answers.
    #[arg(long, default_value_t = 500)]
    learners: usize,
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
        eprintln!("learning: {error}");
        ExitCode::FAILURE
    })
}

/// What one question came to.
struct Round {
    /// From the request to its acknowledgement, in milliseconds, in order.
    kept: Vec<f64>,
    /// From an acknowledgement to a scoreboard that counts it, for every answer on every learner's
    /// WebSocket, in milliseconds, in order.
    shown: Vec<f64>,
    /// CPU time of the server and of PostgreSQL.
    cpu: (Duration, Duration),
}

fn measure(options: &Options) -> Outcome<()> {
    let learners = options.learners.clamp(1, 2_000);
    let rounds = options.rounds.clamp(1, 50);
    process::allow_descriptors(learners as u64 * 3 + 200)?;
    let args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let command: Vec<String> =
        std::iter::once(format!("cargo bench{} --bench learning --", kit::profile())).chain(args).collect();
    let mut report = Report::new(command.join(" "), rounds);

    let mut school = School::open(learners, rounds)?;
    let quiz = school.quiz()?;
    let watch = Watch::start(school.addr(), &school.learners, &school.course)?;
    let mut all = Vec::new();
    for number in 1..=rounds {
        all.push(question(&school, &quiz, &watch, number)?);
        println!("question {number} of {rounds}: {} answers kept", all[number - 1].kept.len());
    }
    drop(watch);
    // Killed, not stopped: what was acknowledged must be there.
    school.kill_and_start()?;
    let lost = school.lost(&quiz, rounds)?;

    let shape = format!("live-quiz-{learners}");
    let row = (shape.as_str(), "gigsy", env!("CARGO_PKG_VERSION"));
    let each = |what: &dyn Fn(&Round) -> f64| all.iter().map(what).collect::<Vec<_>>();
    let at = |values: &[f64], share: usize| values.get(values.len() * share / 100).copied().unwrap_or(0.0);
    report.add(
        row,
        ("lost", "acknowledged answers that a killed server does not have"),
        &[lost as f64],
        None,
    );
    report.add(
        row,
        ("p50_ms", "ms from an answer to its acknowledgement"),
        &each(&|r| at(&r.kept, 50)),
        None,
    );
    report.add(
        row,
        ("p99_ms", "ms from an answer to its acknowledgement"),
        &each(&|r| at(&r.kept, 99)),
        None,
    );
    let shown = "ms from an acknowledgement to a scoreboard that counts it, on every WebSocket";
    report.add(row, ("scoreboard_p50_ms", shown), &each(&|r| at(&r.shown, 50)), None);
    report.add(row, ("scoreboard_p99_ms", shown), &each(&|r| at(&r.shown, 99)), None);
    let per_answer = |cpu: Duration| cpu.as_secs_f64() * 1e6 / learners as f64;
    report.add(
        row,
        ("cpu_us_per_op", "µs of the server's CPU an answer"),
        &each(&|r| per_answer(r.cpu.0)),
        None,
    );
    let postgres = ("postgres_cpu_us_per_op", "µs of PostgreSQL's CPU an answer");
    report.add(row, postgres, &each(&|r| per_answer(r.cpu.1)), None);
    println!("\nlive quiz ({}, {} rounds)\n{}", report.machine, report.rounds, report.table());
    let docs = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/bench");
    let folder = options.out.clone().unwrap_or_else(docs);
    report.write(&folder, "live-quiz", "scoreboard_p99_ms")?;
    println!("written: live-quiz.json and live-quiz.svg in {}", folder.display());
    if lost > 0 { fail(format!("{lost} acknowledged answers are lost")) } else { Ok(()) }
}

/// Opens a question; everybody answers at the same moment.
fn question(school: &School, quiz: &str, watch: &Watch, number: usize) -> Outcome<Round> {
    let pid = school.pid();
    let read = || (CpuReading::of(&[pid]), CpuReading::of(&usage::descendants(pid)));
    school.step(quiz, "next")?;
    let before = read();
    let gate = Arc::new(Barrier::new(school.learners.len()));
    let path = format!("/api/v1/live/{quiz}/answers");
    let addr = school.addr();
    let answer = |n: usize, learner: &Learner| -> Outcome<(Duration, Instant)> {
        let mut line = learner.line(addr)?;
        // The first choice is the right one for two of three.
        let body = json!({"number": number, "answer": {"choice": usize::from(n.is_multiple_of(3))}});
        gate.wait();
        let asked = Instant::now();
        let said = line.call("POST", &path, &format!("answer-{number}-{n:05}"), Some(&body))?;
        if said["duplicate"] == json!(true) {
            return fail("an answer was there before it was given");
        }
        Ok((asked.elapsed(), Instant::now()))
    };
    let answer = &answer;
    let done = std::thread::scope(|scope| -> Outcome<Vec<(Duration, Instant)>> {
        let threads: Vec<_> = school
            .learners
            .iter()
            .enumerate()
            .map(|(n, learner)| scope.spawn(move || answer(n, learner)))
            .collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| "a learner's thread panicked")?).collect()
    })?;
    let seen = watch.until(number, school.learners.len(), Duration::from_secs(10))?;
    let after = read();
    let mut kept: Vec<f64> = done.iter().map(|(took, _)| took.as_secs_f64() * 1e3).collect();
    kept.sort_by(f64::total_cmp);
    let mut acknowledged: Vec<Instant> = done.iter().map(|(_, at)| *at).collect();
    acknowledged.sort();
    let mut shown = Vec::with_capacity(kept.len() * seen.len());
    for boards in &seen {
        let mut boards = boards.iter().peekable();
        for (n, at) in acknowledged.iter().enumerate() {
            // The n-th acknowledged answer is on the first scoreboard that counts more than n.
            while boards.peek().is_some_and(|(_, answered)| *answered <= n) {
                boards.next();
            }
            let Some((arrived, _)) = boards.peek() else {
                return fail("a scoreboard never counted an answer");
            };
            shown.push(arrived.saturating_duration_since(*at).as_secs_f64() * 1e3);
        }
    }
    shown.sort_by(f64::total_cmp);
    school.step(quiz, "close")?;
    Ok(Round { kept, shown, cpu: (after.0.since(&before.0), after.1.since(&before.1)) })
}
