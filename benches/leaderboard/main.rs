//! The order-statistic structure of leaderboards at 10,000, 100,000 and 1,000,000 members: CPU time of an
//! update, a place, the top hundred and a neighbourhood, set against Redis's sorted sets; bytes a member; making
//! a million from memory and from the ledger.
//!
//! `cargo bench --bench leaderboard` takes some five minutes, starts a Redis and a PostgreSQL of its own, and
//! writes `docs/bench/leaderboard.json`. The floor is a `BTreeSet` of the same keys with a `HashMap` of
//! standings, measured in turns; it has no places, so it takes part in updates and in the top only.
#![allow(clippy::print_stdout, reason = "a command-line program")]
#![allow(missing_docs, reason = "checked by hand: the harness is no library")]

#[path = "../kit/mod.rs"]
mod kit;
mod rebuild;
mod redis;

use std::collections::{BTreeSet, HashMap};
use std::hint::black_box;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use gigsy::contexts::gamification::ranking::{Ranking, Standing};
use gigsy::principal::UserId;
use kit::report::{Report, Spread};
use kit::{Outcome, process, usage::CpuReading};

/// Leaderboards of several sizes, in turns with a plain ordered set.
#[derive(Parser)]
struct Options {
    /// Members of each board.
    #[arg(long, value_delimiter = ',', default_value = "10000,100000,1000000")]
    members: Vec<usize>,
    /// How often each takes its turn.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Operations of a turn.
    #[arg(long, default_value_t = 200_000)]
    operations: usize,
    /// Where results are written.
    #[arg(long, default_value = "docs/bench")]
    out: PathBuf,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What is done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Work {
    Update,
    Rank,
    Top100,
    Around11,
}

impl Work {
    const ALL: [Self; 4] = [Self::Update, Self::Rank, Self::Top100, Self::Around11];

    const fn name(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::Rank => "rank",
            Self::Top100 => "top100",
            Self::Around11 => "around11",
        }
    }
}

/// A board that takes part.
pub trait System {
    /// By which the report knows it.
    fn name(&self) -> &'static str;
    /// Of that system.
    fn version(&self) -> &str {
        env!("CARGO_PKG_VERSION")
    }
    /// What it has used by now.
    fn cpu(&self) -> CpuReading {
        own_cpu()
    }
    /// How many operations are done when so many are asked for.
    fn counted(&self, operations: usize) -> usize {
        operations
    }
    /// Does it so many times; `false` if it cannot.
    fn run(&mut self, work: Work, operations: usize, random: &mut Random) -> bool;
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers in every run.
pub struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// Ids as UUIDv7 makes them: a time, then chance.
fn people(count: usize, random: &mut Random) -> Vec<UserId> {
    let id = |n: usize, chance: u64| (((n as u128) << 80) | (7 << 76)) | u128::from(chance);
    (0..count).map(|n| UserId(uuid::Uuid::from_u128(id(n, random.next())))).collect()
}

fn standings(people: &[UserId], random: &mut Random) -> Vec<Standing> {
    people
        .iter()
        .map(|user| Standing {
            user: *user,
            score: (random.next() % 100_000) as i64,
            reached: random.below(1 << 40) as i64,
        })
        .collect()
}

struct Gigsy {
    ranking: Ranking,
    people: Vec<UserId>,
}

impl System for Gigsy {
    fn name(&self) -> &'static str {
        "gigsy"
    }

    fn run(&mut self, work: Work, operations: usize, random: &mut Random) -> bool {
        for n in 0..operations {
            let user = self.people[random.below(self.people.len())];
            match work {
                Work::Update => {
                    // As a board does it: read, add, write.
                    let score = self.ranking.standing(user).map_or(0, |standing| standing.score);
                    let score = score + (random.next() % 100) as i64;
                    black_box(self.ranking.put(Standing { user, score, reached: (1 << 41) + n as i64 }));
                }
                Work::Rank => drop(black_box(self.ranking.place(user))),
                Work::Top100 => drop(black_box(self.ranking.slice(0, 100))),
                Work::Around11 => drop(black_box(self.ranking.around(user, 5))),
            }
        }
        true
    }
}

/// Order by a standard set; no places.
struct Floor {
    set: BTreeSet<(i64, i64, UserId)>,
    standings: HashMap<UserId, (i64, i64)>,
    people: Vec<UserId>,
}

impl System for Floor {
    fn name(&self) -> &'static str {
        "floor"
    }

    fn run(&mut self, work: Work, operations: usize, random: &mut Random) -> bool {
        match work {
            Work::Update => {
                for n in 0..operations {
                    let user = self.people[random.below(self.people.len())];
                    let Some(standing) = self.standings.get_mut(&user) else { return false };
                    self.set.remove(&(standing.0, standing.1, user));
                    *standing = (standing.0 - (random.next() % 100) as i64, (1 << 41) + n as i64);
                    self.set.insert((standing.0, standing.1, user));
                }
            }
            Work::Top100 => {
                for _ in 0..operations {
                    black_box(self.set.iter().take(100).copied().collect::<Vec<_>>());
                }
            }
            Work::Rank | Work::Around11 => return false,
        }
        true
    }
}

fn own_cpu() -> CpuReading {
    CpuReading::of(&[std::process::id()])
}

/// CPU µs of one operation; `None` where the system has no such thing.
fn measure(system: &mut dyn System, work: Work, operations: usize, random: &mut Random) -> Option<f64> {
    let before = system.cpu();
    let mut done = 0;
    // At least half a second, since the clock of CPU time ticks every hundredth.
    loop {
        if !system.run(work, operations, random) {
            return None;
        }
        done += system.counted(operations);
        let took = system.cpu().since(&before);
        if took >= Duration::from_millis(500) {
            return Some(took.as_secs_f64() * 1e6 / done as f64);
        }
    }
}

fn size(report: &mut Report, members: usize, server: &redis::Server, options: &Options) -> Outcome<()> {
    let mut random = Random(members as u64);
    let people = people(members, &mut random);
    let all = standings(&people, &mut random);
    let shape = format!("leaderboard-{members}");
    let version = env!("CARGO_PKG_VERSION");

    let mut loading = Vec::new();
    let mut ranking = Ranking::new();
    for _ in 0..options.rounds {
        let before = own_cpu();
        let mut times = 0;
        while times == 0 || own_cpu().since(&before) < Duration::from_millis(200) {
            ranking = Ranking::load(all.iter().copied());
            times += 1;
        }
        loading.push(own_cpu().since(&before).as_secs_f64() * 1e3 / f64::from(times));
    }
    let per = |bytes: usize| bytes as f64 / members as f64;
    let loaded = per(ranking.bytes());
    let mut gigsy = Gigsy { ranking, people: people.clone() };
    let mut floor = Floor {
        set: all.iter().map(|s| (!s.score, s.reached, s.user)).collect(),
        standings: all.iter().map(|s| (s.user, (!s.score, s.reached))).collect(),
        people,
    };
    let mut redis = redis::Redis::load(server, &all)?;
    let mut pipelined = redis.pipelined()?;
    drop(all);
    for work in Work::ALL {
        let operations = match work {
            Work::Update | Work::Rank => options.operations,
            Work::Top100 | Work::Around11 => options.operations / 10,
        };
        let mut values: [Vec<f64>; 4] = Default::default();
        let mut versions = [version; 4].map(str::to_owned);
        let mut names = [""; 4];
        for _ in 0..options.rounds {
            let systems: [&mut dyn System; 4] = [&mut floor, &mut gigsy, &mut redis, &mut pipelined];
            for (n, system) in systems.into_iter().enumerate() {
                values[n].extend(measure(system, work, operations, &mut random));
                (names[n], versions[n]) = (system.name(), system.version().to_owned());
            }
        }
        let shape = format!("{shape}-{}", work.name());
        let metric = ("cpu_us_per_op", "µs of CPU an operation");
        let against = |n: usize| Spread::of_ratios(&values[1], &values[n]).map(|ratio| ratio.median);
        for n in 0..4 {
            if values[n].is_empty() {
                continue;
            }
            let is_ours = n == 1;
            let floor = against(0).filter(|_| is_ours);
            report.add((&shape, names[n], &versions[n]), metric, &values[n], floor);
            if is_ours {
                report.against_redis(against(2));
            }
        }
    }
    let updated = per(gigsy.ranking.bytes());
    let system = |shape: &'static str| (format!("leaderboard-{members}-{shape}"), "gigsy");
    for (shape, values, metric) in [
        ("loaded", vec![loaded], ("bytes_per_member", "bytes of the heap a member, just loaded")),
        ("updated", vec![updated], ("bytes_per_member", "bytes of the heap a member, after all updates")),
        ("load", loading, ("cpu_ms", "ms of CPU to sort and lay out everybody")),
    ] {
        let (shape, name) = system(shape);
        report.add((&shape, name, version), metric, &values, None);
    }
    Ok(())
}

/// Making a board of so many from the ledger.
fn from_ledger(report: &mut Report, members: usize, options: &Options) -> Outcome<()> {
    let rounds = rebuild::measure(members, options.rounds.min(3))?;
    let shape = format!("leaderboard-{members}-rebuild");
    for (n, metric) in [
        (0, ("wall_ms", "ms of `gigsy rebuild leaderboards`: four windows from the ledger")),
        (1, ("cpu_ms", "ms of CPU of this process")),
        (2, ("postgres_cpu_ms", "ms of CPU of PostgreSQL")),
    ] {
        let values: Vec<f64> = rounds.iter().map(|round| round[n]).collect();
        report.add((&shape, "gigsy", env!("CARGO_PKG_VERSION")), metric, &values, None);
    }
    Ok(())
}

fn run(options: &Options) -> Outcome<()> {
    let server = redis::Server::start()?;
    let mut report = Report::new("cargo bench --bench leaderboard".to_owned(), options.rounds);
    for members in &options.members {
        eprintln!("{members} members");
        size(&mut report, *members, &server, options)?;
    }
    drop(server);
    if let Some(members) = options.members.iter().max() {
        from_ledger(&mut report, *members, options)?;
    }
    println!("{}", report.table());
    report.write(&options.out, "leaderboard", "cpu_us_per_op")
}

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let done = match args.next().unwrap_or_default().to_str() {
        Some(process::BECOME) => process::become_program(&args.collect::<Vec<_>>()),
        _ => run(&Options::parse()).map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        eprintln!("leaderboard: {error}");
        ExitCode::FAILURE
    })
}
