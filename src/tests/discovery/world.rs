//! Discovery over a truth and a clock that the test moves by hand.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex},
};

use chrono::Duration;
use diesel_async::{AsyncConnection, RunQueryDsl};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    clock::ManualClock,
    contexts::discovery::{
        Discovery, DiscoveryMetrics, Kind, Parts, Seeker, Source, Truth, Weights, consumers,
        model::{Key, skills::Taxonomy},
    },
    events::Envelope,
    money::Money,
    ports::{
        attributes::Attributes,
        embed::Embedder,
        text::{PgText, TextIndex},
        vectors::{PgVectors, VectorStore},
    },
    postgres::Database,
    principal::{Principal, Role, SessionId, UserId},
    realtime::Veils,
    signing::Signer,
    tests::support::database::TestDatabase,
};

/// What there is, as the test says.
#[derive(Clone, Default)]
pub(super) struct Said(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    sources: BTreeMap<Key, Source>,
    seekers: HashMap<UserId, Seeker>,
    taken: HashMap<UserId, Vec<Uuid>>,
    blocks: HashMap<UserId, HashSet<UserId>>,
    away: bool,
}

type Read<'a, T> = futures_util::future::BoxFuture<'a, Result<T, crate::contexts::discovery::DiscoveryError>>;

impl Said {
    pub fn put(&self, source: Source) {
        self.0.lock().unwrap().sources.insert((source.kind, source.id), source);
    }

    pub fn drop(&self, kind: Kind, id: Uuid) {
        self.0.lock().unwrap().sources.remove(&(kind, id));
    }

    pub fn seeks(&self, user: UserId, seeker: Seeker) {
        self.0.lock().unwrap().seekers.insert(user, seeker);
    }

    pub fn takes(&self, user: UserId, id: Uuid) {
        self.0.lock().unwrap().taken.entry(user).or_default().push(id);
    }

    pub fn blocks(&self, user: UserId, other: UserId) {
        self.0.lock().unwrap().blocks.entry(user).or_default().insert(other);
    }

    /// From now on nobody can read the truth, or can again.
    pub fn away(&self, away: bool) {
        self.0.lock().unwrap().away = away;
    }

    pub fn ids_of(&self, kind: Kind) -> Vec<Uuid> {
        let inner = self.0.lock().unwrap();
        inner.sources.keys().filter(|(of, _)| *of == kind).map(|(_, id)| *id).collect()
    }
}

impl Truth for Said {
    fn load(&self, kind: Kind, ids: Vec<Uuid>) -> Read<'_, Vec<Source>> {
        let inner = self.0.lock().unwrap();
        let found = if inner.away {
            let cause = "somebody pulled the plug".into();
            Err(crate::contexts::discovery::DiscoveryError::Elsewhere {
                kind: crate::error::ErrorKind::Unavailable,
                cause,
            })
        } else {
            Ok(ids.iter().filter_map(|id| inner.sources.get(&(kind, *id)).cloned()).collect())
        };
        Box::pin(async move { found })
    }

    fn ids(&self, kind: Kind, after: Option<Uuid>, limit: usize) -> Read<'_, Vec<Uuid>> {
        let ids =
            self.ids_of(kind).into_iter().filter(|id| after.is_none_or(|after| *id > after)).take(limit);
        let ids = ids.collect();
        Box::pin(async move { Ok(ids) })
    }

    fn seeker(&self, user: UserId) -> Read<'_, Option<Seeker>> {
        let seeker = self.0.lock().unwrap().seekers.get(&user).cloned();
        Box::pin(async move { Ok(seeker) })
    }

    fn taken(&self, user: UserId, _: Kind) -> Read<'_, Vec<Uuid>> {
        let taken = self.0.lock().unwrap().taken.get(&user).cloned().unwrap_or_default();
        Box::pin(async move { Ok(taken) })
    }

    fn applicants(&self, gig: Uuid) -> Read<'_, Vec<Uuid>> {
        let inner = self.0.lock().unwrap();
        let all = inner.taken.iter().filter(|(_, ids)| ids.contains(&gig)).map(|(user, _)| user.0).collect();
        Box::pin(async move { Ok(all) })
    }

    fn taxonomy(&self) -> Read<'_, Taxonomy> {
        let skills = [
            ("rust", "Rust"),
            ("sql", "SQL"),
            ("python", "Python"),
            ("docker", "Docker"),
            ("figma", "Figma"),
        ];
        let all = skills.map(|(slug, name)| (slug.to_owned(), name.to_owned()));
        Box::pin(async move { Ok(Taxonomy::new(all)) })
    }
}

impl Veils for Said {
    fn hidden_from(&self, user: UserId) -> Option<Arc<HashSet<UserId>>> {
        self.0.lock().unwrap().blocks.get(&user).cloned().map(Arc::new)
    }

    fn apart_from(&self, user: UserId) -> Vec<UserId> {
        let inner = self.0.lock().unwrap();
        let own = inner.blocks.get(&user).into_iter().flatten().copied();
        let by = inner.blocks.iter().filter(|(_, all)| all.contains(&user)).map(|(by, _)| *by);
        own.chain(by).collect()
    }
}

pub(super) struct World {
    pub discovery: Discovery,
    pub said: Said,
    pub clock: ManualClock,
    pub text: TextIndex,
    pub vectors: VectorStore,
    pub database: Database,
    // Last: the pool lets go before the database is dropped.
    _test: TestDatabase,
}

pub(super) fn person() -> Principal {
    Principal {
        user_id: UserId::new(),
        session_id: SessionId::new(),
        display_name: "Somebody".into(),
        roles: vec![Role::Student],
        email_verified: true,
    }
}

pub(super) fn thing(kind: Kind, owner: UserId, title: &str, body: &str, skills: &[&str]) -> Source {
    let skills: Vec<String> = skills.iter().map(|one| (*one).to_owned()).collect();
    let id = if kind.is_somebody() { owner.0 } else { Uuid::now_v7() };
    Source {
        kind,
        id,
        title: title.into(),
        summary: body.chars().take(80).collect(),
        keywords: skills.clone(),
        body: body.into(),
        url: format!("/{kind}/{id}"),
        price: Some(Money { amount_minor: 10_000, currency: "EUR".parse().unwrap() }),
        available: true,
        attributes: Attributes {
            owner: Some(owner.0),
            skills,
            currency: Some("EUR".into()),
            budget_minor: Some(10_000),
            fresh_at: Some(chrono::Utc::now()),
            open: true,
            ..Attributes::default()
        },
    }
}

fn discovery(
    (database, text, vectors): (&Database, &TextIndex, &VectorStore),
    said: &Said,
    clock: &ManualClock,
    embedder: Embedder,
) -> Discovery {
    Discovery::new(Parts {
        database: database.clone(),
        text: text.clone(),
        vectors: vectors.clone(),
        embedder,
        others: Vec::new(),
        truth: Arc::new(said.clone()),
        veils: Arc::new(said.clone()),
        signer: Signer::random().unwrap(),
        clock: clock.clock(),
        weights: Weights::compiled().unwrap(),
        metrics: DiscoveryMetrics::unregistered(),
    })
}

impl World {
    pub async fn new() -> Self {
        Self::by(Embedder::builtin()).await
    }

    /// With vectors by that model.
    pub async fn by(embedder: Embedder) -> Self {
        let mut world = Self::bare().await;
        world.embed_by(embedder);
        world.discovery.prepare().await.unwrap();
        world
    }

    /// Before anything is set up.
    pub async fn bare() -> Self {
        let test = TestDatabase::new();
        let database = test.open().await;
        let said = Said::default();
        let clock = ManualClock::default();
        let text = TextIndex::over(PgText::new(database.clone()));
        let vectors = VectorStore::over(PgVectors::new(database.clone()));
        let stores = (&database, &text, &vectors);
        let discovery = discovery(stores, &said, &clock, Embedder::builtin());
        Self { discovery, said, clock, text, vectors, database, _test: test }
    }

    /// The server stops, and starts with another model; the one before cannot be asked any more.
    pub fn embed_by(&mut self, embedder: Embedder) {
        let stores = (&self.database, &self.text, &self.vectors);
        self.discovery = discovery(stores, &self.said, &self.clock, embedder);
    }

    /// The consumers hear of an event, once.
    pub async fn hear(&self, subject: &str, aggregate: Uuid, data: Value) {
        let event = Envelope {
            id: Uuid::now_v7(),
            subject: subject.into(),
            context: "testing".into(),
            aggregate: aggregate.to_string(),
            version: 1,
            sequence: 1,
            time: self.clock.clock().now(),
            data,
            correlation_id: "abcdefgh".into(),
            causation_id: None,
            traceparent: None,
        };
        let eraser = crate::custody::eraser(std::sync::Arc::new(self.discovery.clone()), None);
        for consumer in consumers(&self.discovery).into_iter().chain([eraser]) {
            let takes = |pattern: &&str| match pattern.strip_suffix('*') {
                Some(head) => subject.starts_with(head),
                None => *pattern == subject,
            };
            if !consumer.subjects().iter().any(takes) {
                continue;
            }
            let mut conn = self.database.conn().await.unwrap();
            let event = &event;
            let after = (*conn)
                .transaction(async |conn| {
                    consumer.handle(conn, event).await.map_err(|_| diesel::result::Error::RollbackTransaction)
                })
                .await
                .unwrap();
            for step in after.into_steps() {
                step();
            }
        }
    }

    /// There is something, and everybody hears of it.
    pub async fn publish(&self, source: Source) -> Uuid {
        let (kind, id) = (source.kind, source.id);
        self.said.put(source);
        let subject = match kind {
            Kind::Gig => "gig.posted",
            Kind::Course => "course.published",
            Kind::Person => "profile.updated",
            Kind::Mentor => "mentor.approved",
        };
        self.hear(subject, id, json!({ "user_id": id, "mentor_id": id, "course_id": id })).await;
        id
    }

    /// Indexes what is due, until nothing is.
    pub async fn settle(&self) {
        self.clock.advance(Duration::seconds(2));
        for _ in 0..50 {
            if self.discovery.index_due().await.unwrap() == 0 {
                return;
            }
        }
        panic!("there is always something to index");
    }

    /// What `match.found` said so far: people and reasons.
    pub async fn told(&self) -> Vec<Value> {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::Jsonb)]
            data: Value,
        }
        let mut conn = self.database.conn().await.unwrap();
        let query = "SELECT envelope -> 'data' AS data FROM platform.outbox WHERE subject = 'match.found' ORDER BY id";
        let rows: Vec<Row> = diesel::sql_query(query).load(&mut conn).await.unwrap();
        rows.into_iter().map(|row| row.data).collect()
    }

    pub async fn execute(&self, statement: &str) {
        let mut conn = self.database.conn().await.unwrap();
        diesel::sql_query(statement).execute(&mut conn).await.unwrap();
    }

    /// How many documents are known of.
    pub async fn documents(&self) -> i64 {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            n: i64,
        }
        let mut conn = self.database.conn().await.unwrap();
        let query = diesel::sql_query("SELECT count(*) AS n FROM discovery.documents");
        query.get_result::<Row>(&mut conn).await.unwrap().n
    }

    /// The ids that both indexes have.
    pub async fn indexed(&self, kind: Kind) -> (Vec<Uuid>, Vec<Uuid>) {
        let text = self.text.ids(kind.index(), None, 1_000).await.unwrap();
        let live = self.vectors.live(kind.index()).await.unwrap().unwrap();
        let vectors = self.vectors.ids(&live, None, 1_000).await.unwrap();
        let ids = |rows: Vec<(Uuid, i64)>| rows.into_iter().map(|(id, _)| id).collect();
        (ids(text), ids(vectors))
    }
}
