//! A world of mentors with a clock, a payment provider and consumers that the test moves by hand.

use std::{collections::HashMap, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, RunQueryDsl};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    clock::ManualClock,
    config::{DataConfig, DatabaseConfig},
    contexts::{
        career::{
            BookForm, BookingId, BookingState, BookingView, Career, CareerError, CareerMetrics, Contact,
            Live, NoAffinity, Parts, People, StepForm, consumers,
        },
        gigs::{self, Gigs},
        ledger::{self, Ledger, LedgerError, PaymentSink},
    },
    events::{Consumer, Envelope},
    money::BasisPoints,
    ports::{
        mail::{FileMail, MailMetrics, MailQueue, QueueSettings},
        payments::{Notice, PaymentStatus},
    },
    postgres::Database,
    principal::{Principal, Role, SessionId, UserId},
    realtime::{Hub, Personal},
    signing::Signer,
    telemetry::metrics::Metrics,
    tests::{chat::support::Node, gigs::provider::FakeProvider, support::database::TestDatabase},
};

pub(super) const HOME: &str = "https://gigsy.example.org";

pub(super) struct World {
    pub career: Career,
    pub clock: ManualClock,
    pub provider: Arc<FakeProvider>,
    pub database: Database,
    _files: TempDir,
    // Last: the pool lets go before the database is dropped.
    pub test: TestDatabase,
}

/// Everybody exists, with an address and no zone.
struct Known;

impl People for Known {
    fn contact(&self, user: UserId) -> BoxFuture<'_, Result<Option<Contact>, CareerError>> {
        let address = Some(format!("{}@example.org", user.0.simple()));
        Box::pin(async move { Ok(Some(Contact { name: "Ada, \"A\"; <b>".into(), address, zone: None })) })
    }

    fn names(&self, users: Vec<UserId>) -> BoxFuture<'_, Result<HashMap<UserId, String>, CareerError>> {
        Box::pin(async move { Ok(users.into_iter().map(|id| (id, "Ada, \"A\"; <b>".to_owned())).collect()) })
    }
}

pub(super) fn person(role: Role) -> Principal {
    Principal {
        user_id: UserId::new(),
        session_id: SessionId::new(),
        display_name: "Somebody".into(),
        roles: vec![role],
        email_verified: true,
    }
}

pub(super) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

impl World {
    /// On a Monday at noon.
    pub async fn new() -> Self {
        Self::with_pool(8).await
    }

    pub async fn with_pool(pool_size: usize) -> Self {
        let test = TestDatabase::new();
        let config = DatabaseConfig { pool_size, acquire_seconds: 120, ..test.config() };
        let none = DataConfig { dir: "/nonexistent".into(), allow_demo: false };
        let database = Database::connect(&config, &none).await.unwrap();
        let clock = ManualClock::default();
        clock.advance(at("2027-03-22T12:00:00Z") - clock.clock().now());
        let provider = Arc::new(FakeProvider::default());
        let signer = Signer::random().unwrap();
        let ledger = Ledger::new(ledger::Parts {
            database: database.clone(),
            payments: provider.clone(),
            clock: clock.clock(),
            signer: signer.clone(),
            fee: BasisPoints::new(1_000).unwrap(),
            public_url: HOME.into(),
        });
        let gigs = Gigs::new(gigs::Parts {
            database: database.clone(),
            ledger: ledger.clone(),
            signer: signer.clone(),
            clock: clock.clock(),
        });
        let career = Career::new(Parts {
            database: database.clone(),
            ledger,
            people: Arc::new(Known),
            taxonomy: Arc::new(gigs),
            affinity: Arc::new(NoAffinity),
            signer,
            clock: clock.clock(),
            public_url: HOME.into(),
            metrics: CareerMetrics::unregistered(),
        });
        let files = tempfile::tempdir().unwrap();
        let via = Arc::new(FileMail::new(files.path(), HOME));
        let settings = QueueSettings { timeout: Duration::from_secs(3), attempts: 4 };
        let metrics = MailMetrics::new(&Metrics::new());
        career.post_by(MailQueue::new(database.clone(), via, clock.clock(), settings, metrics));
        Self { career, clock, provider, database, _files: files, test }
    }

    /// An approved mentor, open 9 to 17 in Stockholm from Monday to Friday, changed as the test likes.
    pub async fn mentor(&self, change: Value) -> Principal {
        let who = person(Role::Mentor);
        let mut form = json!({
            "headline": "Backend", "languages": ["en"], "skills": ["Rust"], "zone": "Europe/Stockholm",
            "notice_minutes": 0,
        });
        let mut hours = json!({ "rules": (1..=5).map(|day| json!({ "weekday": day, "from": "09:00", "to": "17:00" }))
            .collect::<Vec<_>>() });
        for (name, value) in change.as_object().unwrap() {
            let into = if matches!(name.as_str(), "rules" | "exceptions") { &mut hours } else { &mut form };
            into[name] = value.clone();
        }
        let form = serde_json::from_value(form).unwrap();
        let made = self.career.apply_to_mentor(&who, &form).await.unwrap();
        let hours = serde_json::from_value(hours).unwrap();
        self.career.change_availability(&who, &hours, made.mentor.version).await.unwrap();
        let judge = person(Role::Operator);
        self.career.move_mentor(&judge, who.user_id, "approve", &StepForm::default()).await.unwrap();
        who
    }

    pub async fn book(
        &self,
        who: &Principal,
        mentor: &Principal,
        start: DateTime<Utc>,
    ) -> Result<BookingView, CareerError> {
        let form = BookForm {
            mentor_id: mentor.user_id,
            start,
            zone: Some("America/New_York".into()),
            topic: "My first job; and more,\nperhaps".into(),
            request: false,
        };
        self.career.book_as(who, BookingId::new(), &form).await
    }

    pub async fn step(&self, who: &Principal, id: BookingId, step: &str) -> Result<BookingView, CareerError> {
        self.career.move_booking(who, id, step, &StepForm::default()).await
    }

    pub async fn move_to(
        &self,
        who: &Principal,
        id: BookingId,
        start: DateTime<Utc>,
    ) -> Result<BookingView, CareerError> {
        let form = StepForm { start: Some(start), ..StepForm::default() };
        self.career.move_booking(who, id, "reschedule", &form).await
    }

    /// A session that both agreed on.
    pub async fn agreed(&self, seeker: &Principal, mentor: &Principal, start: DateTime<Utc>) -> BookingId {
        let id = self.book(seeker, mentor, start).await.unwrap().id;
        self.step(seeker, id, "request").await.unwrap();
        assert_eq!(self.step(mentor, id, "confirm").await.unwrap().state, BookingState::Confirmed);
        id
    }

    /// What the provider tells of a payment, as the ledger passes it on.
    pub async fn tell(&self, notice: &Notice) -> Result<(), LedgerError> {
        let mut conn = self.database.conn().await.unwrap();
        let sink = &self.career;
        (*conn).transaction(async |conn| PaymentSink::apply(sink, conn, notice).await).await
    }

    /// The latest payment of a booking succeeds or fails, and the provider tells.
    pub async fn pay(&self, booking: BookingId, status: PaymentStatus) {
        let payment = self.provider.payments_of(booking.0).pop().expect("a payment is waiting");
        self.provider.set(&payment.id, status);
        let mut now = payment;
        now.status = status;
        self.tell(&Notice::Payment(now)).await.unwrap();
    }

    /// Does what is due, until nothing is.
    pub async fn drain(&self) {
        for _ in 0..50 {
            if self.career.tick().await.unwrap() == 0 {
                return;
            }
        }
        panic!("timers never end");
    }

    pub async fn recorded(&self) -> Vec<Envelope> {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::Jsonb)]
            envelope: Value,
        }
        let mut conn = self.database.conn().await.unwrap();
        let query = "SELECT envelope FROM platform.outbox ORDER BY id";
        let rows: Vec<Row> = diesel::sql_query(query).load(&mut conn).await.unwrap();
        rows.into_iter().map(|row| Envelope::from_json(row.envelope).unwrap()).collect()
    }

    pub async fn subjects(&self) -> Vec<String> {
        self.recorded().await.into_iter().map(|event| event.subject).collect()
    }

    /// Hands every event to every consumer, as the dispatcher does; `again` delivers each twice.
    pub async fn deliver(&self, node: &Node, live: &Live) {
        for consumer in consumers(&self.career, live, &node.chat) {
            for event in self.recorded().await {
                self.hand(&*consumer, &event).await;
            }
        }
    }

    pub async fn hand(&self, consumer: &dyn Consumer, event: &Envelope) {
        let takes = |pattern: &&str| match pattern.split_once('.') {
            Some((head, "*")) => {
                event.subject.split_once('.').is_some_and(|(aggregate, _)| aggregate == head)
            }
            _ => **pattern == *event.subject,
        };
        if !consumer.subjects().iter().any(takes) {
            return;
        }
        let mut conn = self.database.conn().await.unwrap();
        let after = (*conn)
            .transaction(async |conn| {
                consumer.handle(conn, event).await.map_err(|error| {
                    println!("{}: {error}", event.subject);
                    diesel::result::Error::RollbackTransaction
                })
            })
            .await
            .unwrap();
        for step in after.into_steps() {
            step();
        }
    }

    pub async fn count(&self, query: &str) -> i64 {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            n: i64,
        }
        let mut conn = self.database.conn().await.unwrap();
        let row: Row = diesel::sql_query(query).get_result(&mut conn).await.unwrap();
        row.n
    }
}

pub(super) fn news() -> Live {
    let hub = Hub::new();
    Live::new(hub.clone(), Personal::new(hub))
}

/// Times of one person that overlap: there must be none.
pub(super) const OVERLAPS: &str = "
    SELECT count(*) AS n FROM (
        SELECT b.id, b.session_id, p.person, b.starts_at, b.ends_at FROM career.bookings b,
               LATERAL (VALUES (b.mentor_id), (b.seeker_id)) AS p (person)
        WHERE b.state IN ('held', 'funding', 'requested', 'proposed', 'confirmed')
    ) a JOIN (
        SELECT b.id, b.session_id, p.person, b.starts_at, b.ends_at FROM career.bookings b,
               LATERAL (VALUES (b.mentor_id), (b.seeker_id)) AS p (person)
        WHERE b.state IN ('held', 'funding', 'requested', 'proposed', 'confirmed')
    ) o ON a.person = o.person AND a.id < o.id AND a.session_id <> o.session_id
       AND a.starts_at < o.ends_at AND o.starts_at < a.ends_at";

/// Sessions whose seats are not those of their bookings: there must be none.
pub(super) const WRONG_SEATS: &str = "
    SELECT count(*) AS n FROM career.sessions s WHERE s.taken <> (
        SELECT count(*) FROM career.bookings b WHERE b.session_id = s.id
          AND b.state NOT IN ('declined', 'expired', 'cancelled'))";
