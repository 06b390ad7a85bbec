//! What the server measures of itself: its process and its stores when somebody asks for the metrics,
//! its books now and then.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::BoxFuture};
use prometheus::{GaugeVec, IntGaugeVec, Opts, process_collector::ProcessCollector};

use tokio::sync::Mutex;

use crate::{
    contexts::ledger::{self, Ledger},
    http::health::Health,
    money::Currency,
    postgres::Database,
    telemetry::{
        self, log,
        metrics::{Metrics, Probe},
    },
};

/// Stores are asked again for a scrape that comes later than this after the last.
const FRESH: Duration = Duration::from_secs(5);
/// How often the books are looked at, which reads every entry.
const BOOKS: Duration = Duration::from_secs(300);
/// Between attempts while the database is away.
const RETRY: Duration = Duration::from_secs(10);

/// What may be wrong with the books.
const FAULTS: [&str; 3] = ["unbalanced", "drifted", "wrong_holds"];

/// The gauges and what they look at.
#[derive(Clone)]
pub(super) struct Gauges {
    up: IntGaugeVec,
    latency: GaugeVec,
    connections: IntGaugeVec,
    held: IntGaugeVec,
    unaccounted: IntGaugeVec,
    faults: IntGaugeVec,
    health: Arc<Health>,
    database: Database,
    ledger: Ledger,
    /// When the stores were last asked.
    asked: Arc<Mutex<Option<Instant>>>,
}

impl Gauges {
    /// Declares them, and those of the process.
    #[expect(clippy::expect_used, reason = "constant declarations")]
    pub fn new(metrics: &Metrics, health: Arc<Health>, database: Database, ledger: Ledger) -> Self {
        metrics.register_boxed(Box::new(ProcessCollector::for_self()));
        telemetry::register(metrics);
        let ints = |name: &str, help: &str, labels: &[&str]| {
            metrics.register(IntGaugeVec::new(Opts::new(name, help), labels).expect("valid metric"))
        };
        let build = ints("gigsy_build_info", "Always 1; which version runs.", &["version"]);
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let latency =
            Opts::new("gigsy_store_latency_seconds", "How long the store took to answer last time.");
        let this = Self {
            up: ints("gigsy_store_up", "1 where the store answered when it was asked last.", &["store"]),
            latency: metrics.register(GaugeVec::new(latency, &["store"]).expect("valid metric")),
            connections: ints("gigsy_database_connections", "Connections of the pool.", &["state"]),
            held: ints("gigsy_ledger_held_minor", "Money on hold, in minor units.", &["currency"]),
            unaccounted: ints(
                "gigsy_ledger_unaccounted_minor",
                "Money that was funded and is nowhere; anything but 0 is a fault.",
                &["currency"],
            ),
            faults: ints(
                "gigsy_ledger_faults",
                "Transactions that do not balance, accounts that drifted, holds that are wrong.",
                &["kind"],
            ),
            health,
            database,
            ledger,
            asked: Arc::default(),
        };
        // There from the first scrape on, money or none.
        this.held.with_label_values(&[Currency::EUR.code()]);
        this.unaccounted.with_label_values(&[Currency::EUR.code()]);
        for kind in FAULTS {
            this.faults.with_label_values(&[kind]);
        }
        metrics.ask_first(Arc::new(this.clone()));
        this
    }

    /// Looks at the books again and again.
    pub async fn run(self) {
        loop {
            let wait = match self.books().await {
                Ok(()) => BOOKS,
                Err(error) => {
                    slog::warn!(log(), "the books could not be looked at"; "error" => %error);
                    RETRY
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    async fn stores(&self) {
        for store in self.health.stores().await {
            self.up.with_label_values(&[store.name]).set(store.reachable.into());
            if let Some(ms) = store.latency_ms {
                self.latency.with_label_values(&[store.name]).set(ms / 1000.0);
            }
        }
        let (all, idle) = self.database.connections();
        let gauge = |state: &str, value: usize| {
            self.connections.with_label_values(&[state]).set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        gauge("busy", all.saturating_sub(idle));
        gauge("idle", idle);
    }

    async fn books(&self) -> Result<(), ledger::LedgerError> {
        let report = self.ledger.reconciliation().await?;
        for books in &report.currencies {
            let currency = books.currency.code();
            self.held.with_label_values(&[currency]).set(books.held);
            self.unaccounted.with_label_values(&[currency]).set(books.unaccounted);
        }
        let found = [report.unbalanced.len(), report.drifted.len(), report.wrong_holds.len()];
        for (kind, found) in FAULTS.into_iter().zip(found) {
            self.faults.with_label_values(&[kind]).set(i64::try_from(found).unwrap_or(i64::MAX));
        }
        if !report.ok {
            slog::crit!(log(), "the books do not add up; see /api/v1/ops/ledger/reconciliation");
        }
        Ok(())
    }
}

impl Probe for Gauges {
    /// Several who ask at once are answered by one look.
    fn look(&self) -> BoxFuture<'_, ()> {
        async move {
            let mut asked = self.asked.lock().await;
            if asked.is_none_or(|at| at.elapsed() >= FRESH) {
                self.stores().await;
                *asked = Some(Instant::now());
            }
        }
        .boxed()
    }
}
