//! A world whose clock and events the test makes.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, atomic::AtomicI64, atomic::Ordering},
    time::Duration,
};

use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, RunQueryDsl};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use crate::{
    clock::ManualClock,
    contexts::notifications::{
        Contact, Feed, NotificationMetrics, NotificationView, Notifications, NotificationsError, Parts,
        People, consumers,
    },
    events::{Consumer, Envelope},
    ports::mail::{FileMail, Mail, MailMetrics, MailQueue, QueueSettings},
    postgres::Database,
    principal::UserId,
    realtime::Hub,
    signing::Signer,
    telemetry::metrics::Metrics,
    tests::support::database::TestDatabase,
};

pub(super) const HOME: &str = "https://gigsy.example.org";

pub(super) struct World {
    pub notifications: Notifications,
    pub feed: Feed,
    pub hub: Hub,
    pub clock: ManualClock,
    pub database: Database,
    pub people: Arc<Known>,
    pub teller: Arc<dyn Consumer>,
    pub forgetter: Arc<dyn Consumer>,
    pub files: TempDir,
    /// Events that were made; later ones have greater ids.
    made: AtomicI64,
    // Last: the pool lets go before the database is dropped.
    _test: TestDatabase,
}

/// People with a verified address each, unless the test says otherwise.
#[derive(Default)]
pub(super) struct Known {
    pub without_address: Mutex<Vec<UserId>>,
    pub zones: Mutex<HashMap<UserId, String>>,
}

impl People for Known {
    fn contact(&self, user: UserId) -> BoxFuture<'_, Result<Option<Contact>, NotificationsError>> {
        let lacking = self.without_address.lock().unwrap().contains(&user);
        let address = (!lacking).then(|| format!("{}@example.org", user.0.simple()));
        let zone = self.zones.lock().unwrap().get(&user).cloned();
        Box::pin(async move { Ok(Some(Contact { address, zone })) })
    }

    fn names(
        &self,
        users: Vec<UserId>,
    ) -> BoxFuture<'_, Result<HashMap<UserId, String>, NotificationsError>> {
        Box::pin(async move { Ok(users.into_iter().map(|id| (id, "Ada <b>".to_owned())).collect()) })
    }
}

impl World {
    pub async fn new() -> Self {
        Self::at("2026-03-10T12:00:00Z").await
    }

    /// With files for mails, at a certain time.
    pub async fn at(time: &str) -> Self {
        let files = tempfile::tempdir().unwrap();
        let via = Arc::new(FileMail::new(files.path(), HOME));
        Self::with(time, via, files).await
    }

    pub async fn with(time: &str, via: Arc<dyn Mail>, files: TempDir) -> Self {
        let test = TestDatabase::new();
        let database = test.open().await;
        let clock = ManualClock::default();
        let to: DateTime<Utc> = time.parse().unwrap();
        clock.advance(to - clock.clock().now());
        let metrics = Metrics::new();
        let hub = Hub::new();
        let told = NotificationMetrics::new(&metrics);
        let feed = Feed::new(database.clone(), hub.clone(), told.clone());
        let people = Arc::new(Known::default());
        let settings = QueueSettings { timeout: Duration::from_secs(3), attempts: 4 };
        let mail = MailQueue::new(database.clone(), via, clock.clock(), settings, MailMetrics::new(&metrics));
        let notifications = Notifications::new(Parts {
            database: database.clone(),
            people: people.clone(),
            mail,
            feed: feed.clone(),
            signer: Signer::new(&[7; 32]),
            clock: clock.clock(),
            public_url: HOME.into(),
            metrics: told,
        });
        let [teller]: [Arc<dyn Consumer>; 1] =
            consumers(&notifications).try_into().unwrap_or_else(|_| panic!("one consumer"));
        let forgetter = crate::custody::eraser(Arc::new(notifications.clone()), None);
        Self {
            notifications,
            feed,
            hub,
            clock,
            database,
            people,
            teller,
            forgetter,
            files,
            made: AtomicI64::new(0),
            _test: test,
        }
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.clock.clock().now()
    }

    pub fn event(&self, subject: &str, data: Value) -> Envelope {
        let number = self.made.fetch_add(1, Ordering::SeqCst);
        // In the order in which they are made, whatever the test's clock says.
        let id = Uuid::from_u128((0x0190_0000_0000_7000_8000_0000_0000_0000_u128) + number as u128);
        Envelope {
            id,
            subject: subject.into(),
            context: "testing".into(),
            aggregate: "a".into(),
            version: number,
            sequence: number,
            time: self.now() + chrono::Duration::milliseconds(number),
            data,
            correlation_id: "testing-it".into(),
            causation_id: None,
            traceparent: None,
        }
    }

    /// Hands an event to a consumer, as the dispatcher does.
    pub async fn deliver(&self, consumer: &Arc<dyn Consumer>, event: &Envelope) {
        self.deliver_together(consumer, &[event]).await;
    }

    /// Hands events to a consumer in one transaction, as the dispatcher does.
    pub async fn deliver_together(&self, consumer: &Arc<dyn Consumer>, events: &[&Envelope]) {
        let mut conn = self.database.conn().await.unwrap();
        let failed = |error: crate::events::ConsumeError| {
            println!("{error}");
            diesel::result::Error::RollbackTransaction
        };
        let all = (*conn)
            .transaction(async |conn| {
                consumer.prepare(conn, events).await.map_err(failed)?;
                let mut all = Vec::new();
                for event in events {
                    all.push(consumer.handle(conn, event).await.map_err(failed)?);
                }
                Ok::<_, diesel::result::Error>(all)
            })
            .await
            .unwrap();
        drop(conn);
        for step in all.into_iter().flat_map(crate::events::AfterCommit::into_steps) {
            step();
        }
    }

    pub async fn tell(&self, subject: &str, data: Value) -> Envelope {
        let event = self.event(subject, data);
        self.deliver(&self.teller, &event).await;
        event
    }

    /// An application for a gig of `owner`.
    pub async fn applied(&self, owner: UserId, gig: Uuid) -> Envelope {
        self.tell("application.submitted", application(owner, gig)).await
    }

    pub async fn list(&self, user: UserId) -> Vec<NotificationView> {
        self.notifications.list(user, false, 100, None).await.unwrap().items
    }

    pub async fn unread(&self, user: UserId) -> i32 {
        self.notifications.unread(user).await.unwrap().unread
    }

    /// Does what is due, and hands over what that makes.
    pub async fn mail(&self) {
        while self.notifications.mail_due().await.unwrap() > 0 {}
        while self.notifications.mail().tick().await.unwrap() > 0 {}
    }

    /// The mails that were written as files, in order.
    pub fn mails(&self) -> Vec<String> {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(self.files.path().join("outbox/mail"))
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        paths.sort();
        paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
    }

    pub async fn count(&self, query: &str) -> i64 {
        #[derive(diesel::QueryableByName)]
        struct Count {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            count: i64,
        }
        let mut conn = self.database.conn().await.unwrap();
        let found: Count = diesel::sql_query(query).get_result(&mut conn).await.unwrap();
        found.count
    }

    /// What holds at any time: counters are the rows, logs have no gap.
    pub async fn check(&self) {
        for (what, query) in [
            (
                "an unread counter is not its rows",
                "SELECT count(*) FROM notifications.streams s WHERE unread <> (SELECT count(*)
                    FROM notifications.items i WHERE i.user_id = s.user_id AND in_app AND read_at IS NULL)",
            ),
            (
                "a log has a gap",
                "SELECT count(*) FROM notifications.streams s WHERE last_offset - first_offset + 1 <>
                    (SELECT count(*) FROM notifications.log l WHERE l.user_id = s.user_id
                     AND l.\"offset\" BETWEEN s.first_offset AND s.last_offset)
                 OR EXISTS (SELECT FROM notifications.log l WHERE l.user_id = s.user_id
                     AND l.\"offset\" NOT BETWEEN s.first_offset AND s.last_offset)",
            ),
            (
                "a notification does not stand for its events",
                "SELECT count(*) FROM notifications.items i WHERE events <>
                    (SELECT count(*) FROM notifications.sources s WHERE s.item_id = i.id)",
            ),
        ] {
            assert_eq!(self.count(query).await, 0, "{what}");
        }
    }
}

pub(super) fn application(owner: UserId, gig: Uuid) -> Value {
    json!({
        "application_id": Uuid::now_v7(), "gig_id": gig, "owner_id": owner, "student_id": UserId::new(),
        "gig_title": "A poster", "state": "submitted", "actor": "student", "actor_id": UserId::new(),
    })
}

/// A message in a direct room.
pub(super) fn message(room: Uuid, from: UserId, to: UserId) -> Value {
    json!({ "room_id": room, "message_id": Uuid::now_v7(), "seq": 1, "sender_id": from, "user_ids": [from, to] })
}
