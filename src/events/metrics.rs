//! What Prometheus is told of events.

use std::time::Duration;

use diesel::{
    QueryableByName,
    sql_types::{BigInt, Double, Text},
};
use diesel_async::RunQueryDsl;
use prometheus::{Gauge, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts};
use tokio::sync::watch;

use super::stopped;
use crate::{
    postgres::{Database, DbError},
    telemetry::{log, metrics::Metrics},
};

/// How often the tables are counted.
const COUNT_EVERY: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub(super) struct EventMetrics {
    pub published: IntCounter,
    pub handled: IntCounterVec,
    pub retried: IntCounterVec,
    pub dead: IntCounterVec,
    rows: IntGauge,
    lag: Gauge,
    waiting: IntGaugeVec,
    letters: IntGaugeVec,
}

impl EventMetrics {
    /// Registers them.
    #[expect(clippy::expect_used, reason = "constant names, at start only")]
    pub fn new(metrics: &Metrics) -> Self {
        let counter = |name: &str, help: &str| {
            let made = IntCounterVec::new(Opts::new(name, help), &["consumer"]).expect("valid names");
            metrics.register(made)
        };
        let gauges = |name: &str, help: &str| {
            let made = IntGaugeVec::new(Opts::new(name, help), &["consumer"]).expect("valid names");
            metrics.register(made)
        };
        Self {
            published: metrics.register(
                IntCounter::new("gigsy_events_published_total", "Events that the bus acknowledged.")
                    .expect("valid names"),
            ),
            handled: counter("gigsy_events_handled_total", "Events that took effect, by consumer."),
            retried: counter(
                "gigsy_events_retried_total",
                "Failed attempts that are tried again, by consumer.",
            ),
            dead: counter("gigsy_events_dead_total", "Events that became dead letters, by consumer."),
            rows: metrics.register(
                IntGauge::new("gigsy_outbox_rows", "Recorded events that the bus has not taken yet.")
                    .expect("valid names"),
            ),
            lag: metrics.register(
                Gauge::new(
                    "gigsy_outbox_lag_seconds",
                    "Age of the oldest event that the bus has not taken yet.",
                )
                .expect("valid names"),
            ),
            waiting: gauges("gigsy_inbox_rows", "Received events that wait, by consumer."),
            letters: gauges("gigsy_dead_letters", "Dead letters that nobody replayed, by consumer."),
        }
    }

    /// Has every consumer's series there from the first scrape on.
    pub fn announce(&self, names: &[&'static str]) {
        for name in names {
            for counter in [&self.handled, &self.retried, &self.dead] {
                counter.with_label_values(&[name]);
            }
            for gauge in [&self.waiting, &self.letters] {
                gauge.with_label_values(&[name]);
            }
        }
    }

    /// Keeps the gauges fresh until told to stop.
    pub async fn keep(self, database: Database, names: Vec<&'static str>, mut stop: watch::Receiver<bool>) {
        loop {
            if let Err(error) = self.count(&database, &names).await {
                slog::debug!(log(), "events are not counted now"; "error" => %error);
            }
            tokio::select! {
                () = stopped(&mut stop) => return,
                () = tokio::time::sleep(COUNT_EVERY) => {}
            }
        }
    }

    async fn count(&self, database: &Database, names: &[&'static str]) -> Result<(), DbError> {
        #[derive(QueryableByName)]
        struct Outbox {
            #[diesel(sql_type = BigInt)]
            rows: i64,
            #[diesel(sql_type = Double)]
            lag: f64,
        }
        #[derive(QueryableByName)]
        struct Count {
            #[diesel(sql_type = Text)]
            consumer: String,
            #[diesel(sql_type = BigInt)]
            rows: i64,
        }
        let mut conn = database.conn().await?;
        let outbox: Outbox = diesel::sql_query(
            "select count(*) as rows, coalesce(extract(epoch from now() - min(created_at)), 0)::float8 as lag \
             from platform.outbox where published_at is null",
        )
        .get_result(&mut conn)
        .await?;
        self.rows.set(outbox.rows);
        self.lag.set(outbox.lag);
        for (gauge, query) in [
            (
                &self.waiting,
                "select consumer, count(*) as rows from platform.inbox \
                 where handled_at is null and died_at is null group by consumer",
            ),
            (
                &self.letters,
                "select consumer, count(*) as rows from platform.dead_letters \
                 where replayed_at is null group by consumer",
            ),
        ] {
            let counts: Vec<Count> = diesel::sql_query(query).load(&mut conn).await?;
            for name in names {
                gauge.with_label_values(&[name]).set(0);
            }
            for count in counts {
                gauge.with_label_values(&[&count.consumer]).set(count.rows);
            }
        }
        Ok(())
    }
}
