//! A game with a clock that the test moves by hand, and events that the test makes up.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use diesel::{QueryableByName, sql_types::BigInt};
use diesel_async::{AsyncConnection, RunQueryDsl};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    actors::{Arbiters, DomainConfig, Registry},
    clock::{Clock, ManualClock},
    contexts::{
        gamification::{
            BoardId, Boards, CopyParts, GameMetrics, Gamification, Live, Parts, RuleSet, consumers,
        },
        identity::{self, Identity},
    },
    events::{Consumer, Envelope},
    ports::mail::FileMail,
    postgres::Database,
    principal::UserId,
    realtime::{Hub, Personal},
    signing::Signer,
    tests::support::database::TestDatabase,
};

/// A Wednesday noon.
pub fn noon() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 18, 12, 0, 0).unwrap()
}

pub struct World {
    pub game: Gamification,
    pub database: Database,
    pub clock: ManualClock,
    pub consumers: Vec<Arc<dyn Consumer>>,
    _files: tempfile::TempDir,
    pub test: TestDatabase,
}

impl World {
    pub async fn new() -> Self {
        Self::with(RuleSet::compiled().unwrap()).await
    }

    pub async fn with(rules: Arc<RuleSet>) -> Self {
        let test = TestDatabase::new();
        let database = test.open().await;
        Self::over(test, database, rules)
    }

    /// The same database under other rules.
    pub fn under(self, rules: Arc<RuleSet>) -> Self {
        let clock = self.clock.clone();
        let world = Self::over(self.test, self.database, rules);
        let ahead = clock.clock().now() - world.clock.clock().now();
        world.clock.advance(ahead);
        world
    }

    fn over(test: TestDatabase, database: Database, rules: Arc<RuleSet>) -> Self {
        let files = tempfile::TempDir::new().unwrap();
        let clock = ManualClock::default();
        clock.advance(noon() - clock.clock().now());
        let signer = Signer::random().unwrap();
        let config = crate::config::layer("none".into(), "", std::iter::empty()).unwrap();
        let people = Identity::new(
            Arc::new(identity::store::PostgresStore::new(database.clone())),
            Arc::new(FileMail::new(files.path(), "http://localhost")),
            signer.clone(),
            Clock::system(),
            identity::Settings::from(&config),
        );
        let game = Gamification::new(Parts {
            database: database.clone(),
            people: people.directory(),
            signer,
            clock: clock.clock(),
            zone: chrono_tz::Tz::UTC,
            rules,
            metrics: GameMetrics::unregistered(),
        });
        let mut consumers = consumers(&game);
        consumers.push(crate::custody::eraser(std::sync::Arc::new(game.clone()), None));
        Self { game, database, clock, consumers, _files: files, test }
    }

    /// The boards, on this thread.
    pub fn boards(&self, hub: &Hub) -> Boards {
        self.boards_on(hub, None, 1_000)
    }

    /// A node's boards, with copies.
    pub fn boards_with(&self, hub: &Hub, copies: CopyParts) -> Boards {
        self.boards_on(hub, Some(copies), 1_000)
    }

    /// Boards that give up at their second crash.
    pub fn fragile(&self, hub: &Hub, copies: CopyParts) -> Boards {
        self.boards_on(hub, Some(copies), 1)
    }

    fn boards_on(&self, hub: &Hub, copies: Option<CopyParts>, crashes: u32) -> Boards {
        let registry = Registry::new();
        let config = DomainConfig {
            backoff: (Duration::from_millis(20), Duration::from_millis(50)),
            intensity: (crashes, Duration::from_secs(60)),
            ..DomainConfig::default()
        };
        let live = Live::new(hub.clone(), Personal::new(hub.clone()));
        self.game.start_boards(live, copies, config, &registry, &Arbiters::current().unwrap())
    }

    /// Gives an event to whoever listens, in a transaction, as the dispatcher does; without an inbox, so
    /// that what comes twice is taken twice.
    pub async fn tell(&self, event: &Envelope) {
        let mut conn = self.database.conn().await.unwrap();
        for consumer in &self.consumers {
            let listens = consumer.subjects().contains(&event.subject.as_str());
            if !listens {
                continue;
            }
            let after = (*conn)
                .transaction(async |conn| {
                    let done = consumer.handle(conn, event).await;
                    done.map_err(|error| diesel::result::Error::QueryBuilderError(error.to_string().into()))
                })
                .await
                .unwrap();
            after.into_steps().into_iter().for_each(|step| step());
        }
    }

    pub async fn number(&self, query: &str) -> i64 {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = BigInt)]
            n: i64,
        }
        let mut conn = self.database.conn().await.unwrap();
        let row: Row = diesel::sql_query(query).get_result(&mut conn).await.unwrap();
        row.n
    }

    pub async fn run(&self, statement: &str) -> Result<usize, diesel::result::Error> {
        let mut conn = self.database.conn().await.unwrap();
        diesel::sql_query(statement).execute(&mut conn).await
    }

    pub async fn total(&self, user: UserId) -> i64 {
        self.game.game_of(user).await.unwrap().total
    }

    pub async fn work(&self) {
        for _ in 0..1_000 {
            if !self.game.work_once().await.unwrap() {
                return;
            }
        }
        panic!("the work never ends");
    }
}

/// An event of that subject.
pub fn event(subject: &str, at: DateTime<Utc>, data: Value) -> Envelope {
    let mut data = data;
    data["at"] = json!(at);
    Envelope {
        id: Uuid::now_v7(),
        subject: subject.to_owned(),
        context: "testing".to_owned(),
        aggregate: "x".to_owned(),
        version: 1,
        sequence: 0,
        time: at,
        data,
        correlation_id: "testing-1".to_owned(),
        causation_id: None,
        traceparent: None,
    }
}

pub fn registered(user: UserId, at: DateTime<Utc>) -> Envelope {
    event("user.registered", at, json!({ "user_id": user }))
}

pub fn posted(owner: UserId, gig: Uuid, skills: &[&str], at: DateTime<Utc>) -> Envelope {
    event("gig.posted", at, json!({ "owner_id": owner, "gig_id": gig, "skills": skills }))
}

pub fn completed(client: UserId, student: UserId, gig: Uuid, at: DateTime<Utc>) -> Envelope {
    let data =
        json!({ "client_id": client, "student_id": student, "gig_id": gig, "contract_id": Uuid::now_v7() });
    event("contract.completed", at, data)
}

pub fn reviewed(author: UserId, subject: UserId, stars: i64, at: DateTime<Utc>) -> Envelope {
    let data =
        json!({ "review_id": Uuid::now_v7(), "author_id": author, "subject_id": subject, "rating": stars });
    event("review.published", at, data)
}

pub fn days_ago(days: i64) -> DateTime<Utc> {
    noon() - TimeDelta::days(days)
}

pub fn global() -> BoardId {
    BoardId::Global
}
