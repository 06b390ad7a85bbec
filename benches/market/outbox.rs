//! The outbox by itself: relay, embedded bus, inboxes and two consumers that do nothing, in this process,
//! over a private PostgreSQL. What is measured is what every event costs besides its effect.

use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::future::BoxFuture;
use gigsy::actors::Registry;
use gigsy::config::{DataConfig, DatabaseConfig};
use gigsy::events::{
    AfterCommit, ConsumeError, Consumer, Envelope, Events, NewEvent, Parts, Settings, record,
};
use gigsy::postgres::{Database, DbError};
use gigsy::telemetry::metrics::Metrics;
use serde_json::json;

use super::kit::report::Report;
use super::kit::usage::{self, CpuReading};
use super::kit::{Outcome, fail};

/// Aggregates among which the events are spread.
const AGGREGATES: usize = 100;

/// Does nothing, in a transaction.
struct Idle(&'static str);

impl Consumer for Idle {
    fn name(&self) -> &'static str {
        self.0
    }

    fn subjects(&self) -> &'static [&'static str] {
        &["room.*"]
    }

    fn handle<'a>(
        &'a self,
        _: &'a mut AsyncPgConnection,
        _: &'a Envelope,
    ) -> BoxFuture<'a, Result<AfterCommit, ConsumeError>> {
        Box::pin(async { Ok(AfterCommit::nothing()) })
    }
}

/// Measures and adds the rows.
pub fn measure(rounds: usize, events: usize, report: &mut Report) -> Outcome<()> {
    let data = tempfile::Builder::new().prefix("gigsy-bench-").tempdir()?;
    let place = DataConfig { dir: data.path().to_owned(), allow_demo: false };
    let binaries = std::env::var("GIGSY_POSTGRES_BIN").ok().map(Into::into);
    let config = DatabaseConfig { url: None, postgres_bin: binaries, pool_size: 16, acquire_seconds: 5 };
    // Migrations need a runtime with threads.
    let threads = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let database = threads.block_on(async {
        let database = Database::connect(&config, &place).await?;
        database.migrate().await?;
        Outcome::Ok(database)
    })?;
    let system = actix::System::new();
    let mut rows: [(usize, Vec<[f64; 3]>); 2] = [(1, Vec::new()), (32, Vec::new())];
    for round in 0..=rounds {
        for (together, kept) in &mut rows {
            let figures = system.block_on(round_of(&database, events, *together))?;
            // The first is not counted.
            if round > 0 {
                kept.push(figures);
            }
        }
    }
    threads.block_on(database.shutdown());
    for (together, kept) in &rows {
        let shape = format!("outbox-{events}-events-{together}-a-transaction");
        let row = (shape.as_str(), "gigsy", env!("CARGO_PKG_VERSION"));
        let each = |n: usize| kept.iter().map(|figures| figures[n]).collect::<Vec<_>>();
        report.add(
            row,
            ("events_per_s", "events a second, until two consumers have handled all"),
            &each(0),
            None,
        );
        report.add(
            row,
            ("cpu_us_per_op", "µs of the server's CPU per event, for two consumers"),
            &each(1),
            None,
        );
        report.add(row, ("postgres_cpu_us_per_op", "µs of PostgreSQL's CPU per event"), &each(2), None);
    }
    Ok(())
}

/// Records so many events, then starts the machinery: events a second, and CPU per event.
async fn round_of(database: &Database, events: usize, together: usize) -> Outcome<[f64; 3]> {
    let mut conn = database.conn().await?;
    conn.batch_execute("truncate platform.outbox, platform.inbox, platform.dead_letters").await?;
    for first in (0..events).step_by(AGGREGATES) {
        conn.transaction(async |conn| {
            for n in first..events.min(first + AGGREGATES) {
                let aggregate = format!("room-{}", n % AGGREGATES);
                let version = i64::try_from(n / AGGREGATES).unwrap_or(0) + 1;
                let data = json!({"room_id": aggregate, "by": "the benchmark", "n": n});
                record(conn, NewEvent { subject: "room.noted", context: "chat", aggregate, version, data })
                    .await?;
            }
            Ok::<_, DbError>(())
        })
        .await?;
    }
    let consumers: Vec<Arc<dyn Consumer>> = vec![Arc::new(Idle("bench.one")), Arc::new(Idle("bench.two"))];
    let parts = Parts {
        database: database.clone(),
        nats: None,
        consumers,
        settings: Settings { together, ..Settings::default() },
    };
    let postgres = || {
        let child = database.child_pid().unwrap_or(0);
        CpuReading::of(&[vec![child], usage::descendants(child)].concat())
    };
    let (ours, theirs) = (CpuReading::of(&[std::process::id()]), postgres());
    let began = Instant::now();
    let running = Events::start(parts, &Metrics::new(), &Registry::new()).await?;
    while waiting(&mut conn).await? {
        if began.elapsed() > Duration::from_secs(120) {
            return fail("events are still waiting after two minutes");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = began.elapsed();
    let (ours_after, theirs_after) = (CpuReading::of(&[std::process::id()]), postgres());
    running.stop(Duration::from_secs(10)).await;
    let per = |time: Duration| time.as_secs_f64() * 1e6 / events as f64;
    let (ours, theirs) = (per(ours_after.since(&ours)), per(theirs_after.since(&theirs)));
    Ok([events as f64 / took.as_secs_f64(), ours, theirs])
}

async fn waiting(conn: &mut AsyncPgConnection) -> Outcome<bool> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Bool)]
        any: bool,
    }
    let row: Row = diesel::sql_query(
        "select exists (select from platform.outbox where received_at is null)
             or exists (select from platform.inbox where handled_at is null) as any",
    )
    .get_result(conn)
    .await?;
    Ok(row.any)
}
