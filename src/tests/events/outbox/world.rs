//! A database, perhaps a NATS server, nodes with consumers that write down what they do.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use diesel::{
    QueryableByName,
    sql_types::{BigInt, Text},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::future::BoxFuture;
use rustix::process::Signal;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use crate::{
    actors::Registry,
    events::{
        AfterCommit, ConsumeError, Consumer, Envelope, Events, NewEvent, Parts, Settings, TOPICS, record,
    },
    ports::bus::{BusSettings, NatsBus},
    postgres::{Database, DbError},
    telemetry::{correlation, metrics::Metrics},
    tests::support::{database::TestDatabase, nats::NatsServer, wait::eventually},
};

/// Long, because machines may be busy; reached only when something is wrong.
pub(in crate::tests::events) const LIMIT: Duration = Duration::from_secs(60);

/// Everything of one test.
pub(super) struct World {
    _database: TestDatabase,
    pub database: Database,
    pub nats: Option<NatsServer>,
    pub settings: Settings,
}

/// One process: its machinery and its consumers.
pub(super) struct Node {
    pub events: Events,
    pub ledger: Arc<Scribe>,
    pub metrics: Metrics,
    pub registry: Registry,
}

/// Writes down each event in the transaction; fails when the event says so.
pub(super) struct Scribe {
    name: &'static str,
    subjects: &'static [&'static str],
    tries: Mutex<HashMap<Uuid, u64>>,
    /// What ran after commits.
    pub after: Arc<AtomicUsize>,
}

impl Scribe {
    pub fn new(name: &'static str, subjects: &'static [&'static str]) -> Arc<Self> {
        Arc::new(Self { name, subjects, tries: Mutex::default(), after: Arc::default() })
    }
}

impl Consumer for Scribe {
    fn name(&self) -> &'static str {
        self.name
    }

    fn subjects(&self) -> &'static [&'static str] {
        self.subjects
    }

    fn handle<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        event: &'a Envelope,
    ) -> BoxFuture<'a, Result<AfterCommit, ConsumeError>> {
        Box::pin(async move {
            assert_eq!(correlation::current().unwrap().as_str(), event.correlation_id);
            diesel::sql_query(
                "insert into effects (consumer, aggregate, version, event_id) values ($1, $2, $3, $4)",
            )
            .bind::<Text, _>(self.name)
            .bind::<Text, _>(&event.aggregate)
            .bind::<BigInt, _>(event.version)
            .bind::<diesel::sql_types::Uuid, _>(event.id)
            .execute(conn)
            .await?;
            let tried = {
                let mut tries = self.tries.lock().unwrap();
                let tries = tries.entry(event.id).or_default();
                *tries += 1;
                *tries
            };
            let asked = |what: &str| event.data.get(what).and_then(Value::as_u64).unwrap_or(0);
            let concerns =
                event.data.get("only").and_then(Value::as_str).is_none_or(|only| only == self.name);
            if concerns && tried <= asked("fail") {
                return Err(ConsumeError::Retry("as told".into()));
            }
            if concerns && tried <= asked("panic") {
                panic!("as told");
            }
            if concerns && tried <= asked("reject") {
                return Err(ConsumeError::Reject("as told".into()));
            }
            if let Some(then) = event.data.get("then").and_then(Value::as_str) {
                record(conn, thing("thing.followed", then, 1, json!({}))).await?;
            }
            let after = self.after.clone();
            Ok(AfterCommit::run(move || {
                after.fetch_add(1, Relaxed);
            }))
        })
    }
}

pub(super) fn thing(subject: &'static str, aggregate: &str, version: i64, data: Value) -> NewEvent {
    NewEvent { subject, context: "testing", aggregate: aggregate.to_owned(), version, data }
}

/// What a consumer did, by aggregate: the versions in the order in which they took effect.
pub(super) type Effects = BTreeMap<String, Vec<i64>>;

/// Quick to retry and to give up.
pub(super) fn quick() -> Settings {
    Settings {
        attempts: 4,
        backoff: (Duration::from_millis(5), Duration::from_millis(40)),
        return_within: Duration::from_secs(2),
        ..Settings::default()
    }
}

impl Node {
    /// On that database, over that NATS server if there is one.
    pub async fn start(database: Database, nats: Option<Url>, settings: Settings) -> Self {
        let ledger = Scribe::new("testing.all", &["thing.*"]);
        let some = Scribe::new("testing.some", &["thing.changed"]);
        let consumers: Vec<Arc<dyn Consumer>> = vec![ledger.clone(), some];
        let (metrics, registry) = (Metrics::new(), Registry::new());
        let nats = match nats {
            Some(url) => {
                let settings = BusSettings { url, prefix: "it".into(), topics: TOPICS };
                Some(Arc::new(NatsBus::connect(settings).await.unwrap()))
            }
            None => None,
        };
        let parts = Parts { database, nats, consumers, settings };
        let events = Events::start(parts, &metrics, &registry).await.unwrap();
        Self { events, ledger, metrics, registry }
    }
}

impl World {
    /// Over NATS if there is a server.
    pub async fn new(nats: Option<NatsServer>) -> Self {
        let made = TestDatabase::new();
        let database = made.open().await;
        let world = Self { _database: made, database, nats, settings: quick() };
        world
            .run(
                "create table effects (n bigserial primary key, consumer text not null, aggregate text not null, \
                 version bigint not null, event_id uuid not null)",
            )
            .await;
        world
    }

    pub async fn run(&self, sql: &str) {
        self.database.conn().await.unwrap().batch_execute(sql).await.unwrap();
    }

    /// Where it is, for a node in another process.
    pub fn addresses(&self) -> (Url, Option<Url>) {
        (self._database.url().clone(), self.nats.as_ref().map(NatsServer::url))
    }

    /// A node with two consumers: `all` of all things, `some` of changed ones.
    pub async fn node(&self) -> Node {
        Node::start(self.database.clone(), self.nats.as_ref().map(NatsServer::url), self.settings).await
    }
    /// Records events in one transaction.
    pub async fn record(&self, events: Vec<NewEvent>) {
        let mut conn = self.database.conn().await.unwrap();
        conn.transaction(async |conn| {
            for event in events {
                record(conn, event).await?;
            }
            Ok::<_, DbError>(())
        })
        .await
        .unwrap();
    }

    /// `thing.changed` of so many aggregates, so many versions each, in their order.
    pub async fn record_many(&self, prefix: &str, aggregates: usize, versions: i64) {
        for version in 1..=versions {
            let all =
                (0..aggregates).map(|n| thing("thing.changed", &format!("{prefix}{n}"), version, json!({})));
            self.record(all.collect()).await;
        }
    }

    pub async fn effects(&self, consumer: &str) -> Effects {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = Text)]
            aggregate: String,
            #[diesel(sql_type = BigInt)]
            version: i64,
        }
        let mut conn = self.database.conn().await.unwrap();
        let rows: Vec<Row> =
            diesel::sql_query("select aggregate, version from effects where consumer = $1 order by n")
                .bind::<Text, _>(consumer)
                .load(&mut conn)
                .await
                .unwrap();
        let mut effects = Effects::new();
        for row in rows {
            effects.entry(row.aggregate).or_default().push(row.version);
        }
        effects
    }

    pub async fn count(&self, sql: &str) -> i64 {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = BigInt)]
            n: i64,
        }
        let mut conn = self.database.conn().await.unwrap();
        let row: Row = diesel::sql_query(format!("select count(*) as n from {sql}"))
            .get_result(&mut conn)
            .await
            .unwrap();
        row.n
    }

    /// Waits until nothing is under way any more.
    pub async fn quiet(&self) {
        let open = "(select seq from platform.outbox where published_at is null or received_at is null \
                    union all select seq from platform.inbox where handled_at is null and died_at is null) open";
        eventually("everything is handled", LIMIT, || async { (self.count(open).await == 0).then_some(()) })
            .await;
    }

    /// Lets the bus bring everything again.
    pub async fn publish_again(&self) {
        self.run("update platform.outbox set published_at = null, received_at = null").await;
    }

    /// Takes the NATS server away.
    pub fn nats_down(&mut self, signal: Signal) {
        if let Some(server) = &mut self.nats {
            server.down(signal);
        }
    }

    /// Brings it back.
    pub async fn nats_up(&mut self) {
        if let Some(server) = &mut self.nats {
            server.up().await;
        }
    }
}

/// What all of `aggregates` look like when each version took effect once, in order.
pub(super) fn complete(prefix: &str, aggregates: usize, versions: i64) -> Effects {
    (0..aggregates).map(|n| (format!("{prefix}{n}"), (1..=versions).collect())).collect()
}
