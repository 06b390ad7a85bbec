//! Search: how long answers take, what indexing costs, and how both grow.
//!
//! `cargo bench --bench search` fills a private PostgreSQL with 5,000, 50,000 and 200,000 gigs in turn and writes
//! `docs/bench/search.json`. Each round asks searches, searches with a typing mistake, and recommendations in turn.
#![allow(clippy::print_stdout, reason = "a command-line program")]
#![allow(missing_docs, reason = "checked by hand: the harness is no library")]

#[path = "../kit/mod.rs"]
mod kit;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use clap::Parser;
use diesel::{QueryableByName, sql_types::BigInt};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use gigsy::{
    app, config,
    contexts::discovery::{Discovery, Kind, SearchForm},
    postgres::Database,
    principal::{Principal, Role, SessionId, UserId},
};

use kit::report::Report;
use kit::{Outcome, process};

/// How long answers take, what indexing costs, and how both grow.
#[derive(Parser)]
struct Options {
    /// How often each figure is measured.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Questions of a kind in a round.
    #[arg(long, default_value_t = 200)]
    questions: usize,
    /// How many gigs there are, in turn.
    #[arg(long, value_delimiter = ',', default_values_t = [5_000, 50_000, 200_000])]
    sizes: Vec<usize>,
    /// Where results are written, instead of `docs/bench`.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

const WORDS: &[&str] = &[
    "translate",
    "survey",
    "database",
    "poster",
    "website",
    "accessible",
    "spreadsheet",
    "podcast",
    "children",
    "festival",
    "garden",
    "library",
    "sensor",
    "kitchen",
    "history",
    "research",
    "newsletter",
    "booking",
    "invoice",
    "museum",
    "climate",
    "bicycle",
    "teacher",
    "orchestra",
    "harbour",
    "forest",
    "railway",
    "market",
    "theatre",
    "weather",
    "recipe",
    "camera",
];
const SKILLS: &[&str] = &[
    "rust",
    "python",
    "sql",
    "react",
    "figma",
    "docker",
    "translation",
    "copywriting",
    "data-analysis",
    "illustration",
];

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let done = match args.next().unwrap_or_default().to_str() {
        Some(process::BECOME) => process::become_program(&args.collect::<Vec<_>>()),
        _ => measure(&Options::parse()).map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        eprintln!("search: {error}");
        ExitCode::FAILURE
    })
}

fn measure(options: &Options) -> Outcome<()> {
    let args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let command: Vec<String> =
        std::iter::once(format!("cargo bench{} --bench search --", kit::profile())).chain(args).collect();
    let mut report = Report::new(command.join(" "), options.rounds);
    let docs = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/bench");
    let out = options.out.clone().unwrap_or_else(docs);
    for size in &options.sizes {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let folder = tempfile::Builder::new().prefix("gigsy-bench-").tempdir()?;
        runtime.block_on(at(*size, options, folder.path(), &mut report))?;
        // The largest takes long: what is known is kept.
        report.write(&out, "search", "p99_ms")?;
    }
    println!("\nsearch ({}, {} rounds)\n{}", report.machine, report.rounds, report.table());
    println!("written: search.json and search.svg in {}", out.display());
    Ok(())
}

async fn at(size: usize, options: &Options, folder: &Path, report: &mut Report) -> Outcome<()> {
    let mut config = config::load()?.config;
    (config.data.dir, config.database.url) = (folder.to_owned(), None);
    let database = Database::attach(&config).await?;
    let done = measured(size, options, &config, &database, report).await;
    database.shutdown().await;
    done
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

async fn number(database: &Database, query: &str) -> Outcome<i64> {
    let row: Number = diesel::sql_query(query).get_result(&mut *database.conn().await?).await?;
    Ok(row.n)
}

fn list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    format!("ARRAY[{}]", quoted.join(", "))
}

/// Gigs of common words from a list and of ten of 30,000 words each (the first of these far more often than the last, as in
/// any language), and somebody who has three skills.
async fn fill(size: usize, me: UserId, database: &Database) -> Outcome<()> {
    let (words, skills) = (list(WORDS), list(SKILLS));
    let (n, s) = (WORDS.len(), SKILLS.len());
    let statements = format!(
        "SELECT setseed(0.5);
         INSERT INTO gigs.gigs (id, owner_id, title, description, kind, budget_min, budget_max, currency, slots, skills, state,
                version, created_at, updated_at, posted_at)
         SELECT gen_random_uuid(), gen_random_uuid(),
                initcap(({words})[1 + i % {n}]) || ' ' || ({words})[1 + (i * 7) % {n}] || ' ' || ({words})[1 + (i / {n}) % {n}],
                'We look for somebody who knows ' || ({words})[1 + (i * 3) % {n}] || ' and ' || ({words})[1 + (i * 11) % {n}]
                || '. The work is about ' || ({words})[1 + (i * 5) % {n}] || ', with ' || ({skills})[1 + i % {s}] || ': '
                || (SELECT string_agg(translate(substr(md5((floor(power(random(), 3) * 30000))::int::text), 1, 7), '0123456789', 'aeiouklmnr'), ' ')
                    FROM generate_series(1, 10) WHERE i > 0) || '; number ' || i,
                'fixed', 10000 + i % 5000, 20000 + i % 5000, 'EUR', 1,
                ARRAY[({skills})[1 + i % {s}], ({skills})[1 + (i / {s} + 3) % {s}]], 'open', 2,
                now() - (i % 90) * interval '1 day', now(), now() - (i % 90) * interval '1 day'
         FROM generate_series(1, {size}) AS i;
         INSERT INTO career.profiles (user_id, slug, visibility, skills, doc, version, created_at, updated_at)
         VALUES ('{me}', 'bench', 'private', ARRAY['rust', 'sql', 'docker'], jsonb_build_object('slug', 'bench', 'headline',
                'Databases and web services', 'about', 'I build services for museums and libraries.', 'skills',
                jsonb_build_array(jsonb_build_object('skill', 'rust', 'level', 4), jsonb_build_object('skill', 'sql', 'level', 3),
                jsonb_build_object('skill', 'docker', 'level', 3))), 1, now(), now());
         ANALYZE gigs.gigs"
    );
    database.conn().await?.batch_execute(&statements).await?;
    Ok(())
}

async fn measured(
    size: usize,
    options: &Options,
    config: &config::Config,
    database: &Database,
    report: &mut Report,
) -> Outcome<()> {
    database.migrate().await?;
    let me = UserId::new();
    fill(size, me, database).await?;
    let discovery = app::discovery(config, database).await?;
    let bytes = "SELECT pg_database_size(current_database()) AS n";
    let before = number(database, bytes).await?;
    let began = Instant::now();
    discovery.prepare().await?;
    while discovery.index_due().await? > 0 {}
    let took = began.elapsed().as_secs_f64();
    database.conn().await?.batch_execute("ANALYZE").await?;
    let grown = number(database, bytes).await? - before;
    let version = env!("CARGO_PKG_VERSION");
    #[expect(clippy::cast_precision_loss, reason = "figures")]
    let (documents, grown) = (size as f64, grown as f64);
    let shape = format!("index-{size}");
    report.add((&shape, "gigsy", version), ("seconds", "s"), &[took], None);
    report.add((&shape, "gigsy", version), ("documents_per_s", "documents/s"), &[documents / took], None);
    report.add((&shape, "gigsy", version), ("bytes_per_document", "B"), &[grown / documents], None);

    let who = Principal {
        user_id: me,
        session_id: SessionId::new(),
        display_name: "Bench".into(),
        roles: vec![Role::Student],
        email_verified: true,
    };
    let mut times: [Vec<[f64; 2]>; 3] = Default::default();
    for round in 0..=options.rounds {
        let mut took: [Vec<f64>; 3] = Default::default();
        for n in 0..options.questions {
            let (a, b) = (WORDS[(n * 7 + round) % WORDS.len()], WORDS[(n * 13 + 5 * round) % WORDS.len()]);
            took[0].push(search(&discovery, &who, &format!("{a} {b}")).await?);
            took[1].push(search(&discovery, &who, &format!("{} {b}", mistaken(a))).await?);
            let began = Instant::now();
            let found = discovery.gigs_for(&who, 10).await?;
            took[2].push(began.elapsed().as_secs_f64() * 1e3);
            assert!(!found.items.is_empty(), "nothing is recommended");
        }
        // The first warms up.
        if round > 0 {
            for (times, took) in times.iter_mut().zip(&mut took) {
                took.sort_by(f64::total_cmp);
                times.push([took[took.len() / 2], took[(took.len() * 99 / 100).min(took.len() - 1)]]);
            }
        }
    }
    for (name, times) in ["search", "typo-search", "recommend-gigs"].iter().zip(&times) {
        for (i, metric) in ["p50_ms", "p99_ms"].iter().enumerate() {
            let values: Vec<f64> = times.iter().map(|of| of[i]).collect();
            report.add((&format!("{name}-{size}"), "gigsy", version), (metric, "ms"), &values, None);
        }
    }
    Ok(())
}

async fn search(discovery: &Discovery, who: &Principal, q: &str) -> Outcome<f64> {
    let form = SearchForm { q: q.to_owned(), kinds: vec![Kind::Gig], ..SearchForm::default() };
    let began = Instant::now();
    let found = discovery.search(who, &form, 20, None).await?;
    let took = began.elapsed().as_secs_f64() * 1e3;
    assert!(!found.items.is_empty(), "nothing is found for {q}");
    Ok(took)
}

/// Two letters in the other order.
fn mistaken(word: &str) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    if letters.len() > 3 {
        letters.swap(2, 3);
    }
    letters.into_iter().collect()
}
