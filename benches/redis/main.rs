//! Rate-limit checks and cache reads: in process, and in Redis; CPU time of this process and of Redis.
//!
//! `cargo bench --bench redis` starts a Redis of its own (`GIGSY_TEST_REDIS_BIN` or the machine's), takes
//! about a minute and writes `docs/bench/redis.json`.
#![allow(clippy::print_stdout, reason = "a command-line program")]
#![allow(missing_docs, reason = "checked by hand: the harness is no library")]

#[path = "../kit/mod.rs"]
mod kit;

use std::{
    future::Future,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use clap::Parser;
use gigsy::{
    ports::{
        cache::{CacheStore, Life, MemoryCache, RedisCache},
        limits::{Ask, Limits, MemoryLimits, Rate, RedisLimits},
    },
    redis::{Redis, RedisSettings},
    telemetry::metrics::Metrics,
};
use kit::{Outcome, fail, process, process::Process, report::Report, usage::CpuReading};

/// Callers at once, as many as a busy node has requests under way.
const CALLERS: u64 = 64;
/// Keys that take turns.
const KEYS: u64 = 10_000;

/// Limits and cache, in process and in Redis, measured interleaved.
#[derive(Parser)]
struct Options {
    /// How often each system takes its turn.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each turn.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Where results are written.
    #[arg(long, default_value = "docs/bench")]
    out: PathBuf,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let done = match args.next().unwrap_or_default().to_str() {
        Some(process::BECOME) => process::become_program(&args.collect::<Vec<_>>()),
        _ => run(&Options::parse()).map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        eprintln!("redis: {error}");
        ExitCode::FAILURE
    })
}

fn run(options: &Options) -> Outcome<()> {
    let bin = std::env::var_os("GIGSY_TEST_REDIS_BIN")
        .map_or_else(|| PathBuf::from("/usr/bin/redis-server"), PathBuf::from);
    let version = Command::new(&bin).arg("--version").stderr(Stdio::null()).output()?;
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let version =
        version.split("v=").nth(1).and_then(|v| v.split(' ').next()).unwrap_or("unknown").to_owned();
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string();
    let server = Process::program(
        Path::new(&bin),
        &["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no"],
        |command| {
            command.current_dir(std::env::temp_dir());
        },
    )?;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let settings = RedisSettings {
        url: format!("redis://127.0.0.1:{port}/").parse()?,
        prefix: "bench".to_owned(),
        timeout: Duration::from_secs(5),
    };
    let redis = Redis::start(settings, &Metrics::new())?;
    if !runtime.block_on(redis.wait_connected(Duration::from_secs(10))) {
        return fail("Redis does not answer");
    }
    let limits: [(&str, Arc<dyn Limits>); 2] =
        [("gigsy", Arc::new(MemoryLimits::default())), ("redis", Arc::new(RedisLimits::new(redis.clone())))];
    let caches: [(&str, Arc<dyn CacheStore>); 2] =
        [("gigsy", Arc::new(MemoryCache::default())), ("redis", Arc::new(RedisCache::new(redis.clone())))];
    for (_, cache) in &caches {
        runtime.block_on(fill(&**cache))?;
    }

    let pids = [std::process::id(), server.id()];
    let mut figures: Vec<(String, &str, Vec<[f64; 3]>)> = Vec::new();
    for _ in 0..options.rounds {
        for (system, limits) in &limits {
            let figure = runtime.block_on(measure(options.seconds, pids, |n| take(limits.clone(), n)));
            note(&mut figures, "limits-take", system, figure);
        }
        for (system, cache) in &caches {
            let figure = runtime.block_on(measure(options.seconds, pids, |n| get(cache.clone(), n)));
            note(&mut figures, "cache-get-1000b", system, figure);
        }
    }

    let mut report = Report::new("cargo bench --bench redis".to_owned(), options.rounds);
    for (shape, system, rounds) in &figures {
        let version = if *system == "redis" { version.as_str() } else { env!("CARGO_PKG_VERSION") };
        let who = (shape.as_str(), *system, version);
        let column = |n: usize| rounds.iter().map(|round| round[n]).collect::<Vec<f64>>();
        report.add(who, ("ops_per_cpu_s", "operations per CPU-second, both processes"), &column(0), None);
        report.add(who, ("cpu_us_per_op", "µs of this process"), &column(1), None);
        report.add(who, ("redis_cpu_us_per_op", "µs of Redis"), &column(2), None);
    }
    println!("{}", report.table());
    report.write(&options.out, "redis", "ops_per_cpu_s")
}

fn note(
    figures: &mut Vec<(String, &'static str, Vec<[f64; 3]>)>,
    shape: &str,
    system: &str,
    figure: [f64; 3],
) {
    let system = if system == "redis" { "redis" } else { "gigsy" };
    match figures.iter_mut().find(|(s, by, _)| s == shape && *by == system) {
        Some((_, _, rounds)) => rounds.push(figure),
        None => figures.push((shape.to_owned(), system, vec![figure])),
    }
}

/// As many as [`CALLERS`] do `work` one after the other for a while; operations per CPU-second of both
/// processes, µs of each process for one.
async fn measure<F>(seconds: f64, pids: [u32; 2], work: impl Fn(u64) -> F) -> [f64; 3]
where
    F: Future<Output = ()>,
{
    let done = AtomicU64::new(0);
    let readings = || pids.map(|pid| CpuReading::of(&[pid]));
    let before = readings();
    let until = Instant::now() + Duration::from_secs_f64(seconds);
    let callers = (0..CALLERS).map(|caller| {
        let (done, work) = (&done, &work);
        async move {
            let mut n = caller;
            while Instant::now() < until {
                // What never waits lets the others go on all the same.
                for _ in 0..16 {
                    work(n % KEYS).await;
                    n += CALLERS;
                    done.fetch_add(1, Ordering::Relaxed);
                }
                tokio::task::yield_now().await;
            }
        }
    });
    futures_util::future::join_all(callers).await;
    let after = readings();
    let ops = done.load(Ordering::Relaxed) as f64;
    let [ours, theirs] = [0, 1].map(|i: usize| after[i].since(&before[i]).as_secs_f64());
    [ops / (ours + theirs), ours * 1e6 / ops, theirs * 1e6 / ops]
}

async fn take(limits: Arc<dyn Limits>, n: u64) {
    let rate = Rate::per_minute("bench", 1_000_000_000);
    let key = n.to_string();
    let asks = [Ask { rate: &rate, key: &key, cost: 1 }];
    assert!(limits.take(&asks).await.is_ok_and(|verdicts| verdicts.len() == 1), "the limits did not answer");
}

async fn get(cache: Arc<dyn CacheStore>, n: u64) {
    let (key, tags) = (format!("k:{n}"), [format!("t-{n}")]);
    let looked = cache.look(&key, &tags).await;
    assert!(looked.is_ok_and(|looked| looked.found.is_some()), "the cache has lost something");
}

async fn fill(cache: &dyn CacheStore) -> Outcome<()> {
    let life = Life { fresh: Duration::from_secs(3_600), stale: Duration::ZERO };
    for n in 0..KEYS {
        let (key, tags) = (format!("k:{n}"), [format!("t-{n}")]);
        let stamp = cache.look(&key, &tags).await?.stamp;
        cache.put(&key, &tags, &stamp, vec![b'x'; 1_000].into(), life).await?;
    }
    Ok(())
}
