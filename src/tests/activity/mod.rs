//! The activity stream: one contract over both stores, and what becomes of events.

#![allow(clippy::panic, reason = "tests fail by panics")]

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    clock::Clock,
    contexts::activity::{Activity, MongoActivity, Parts, PostgresActivity, consumers, contract},
    events::{ConsumeError, Consumer, Envelope},
    postgres::DbError,
    principal::UserId,
    signing::Signer,
    tests::support::{
        database::TestDatabase,
        mongo_server::{self, MISSING, MongoServer, Presents},
        skip::skip,
    },
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_the_contract() {
    let database = TestDatabase::new();
    let db = database.open().await;
    contract::all(&PostgresActivity::new(db.clone()), &db).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mongodb_keeps_the_contract() {
    let Some(bin) = mongo_server::installed() else {
        skip!("the activity stream's contract on MongoDB", MISSING);
    };
    let database = TestDatabase::new();
    let db = database.open().await;
    for presents in [Presents::ReplicaSet, Presents::Standalone] {
        let server = MongoServer::start(&bin, presents).await;
        contract::all(&MongoActivity::new(server.open("activity").await), &db).await;
    }
}

fn event(subject: &str, data: Value) -> Envelope {
    Envelope {
        id: Uuid::now_v7(),
        subject: subject.into(),
        context: "gigs".into(),
        aggregate: "a".into(),
        version: 1,
        sequence: 1,
        time: chrono::Utc::now(),
        data,
        correlation_id: "activity-test".into(),
        causation_id: None,
        traceparent: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_told_once_and_shown_to_whom_they_may_be() {
    let database = TestDatabase::new();
    let db = database.open().await;
    let stream = std::sync::Arc::new(PostgresActivity::new(db.clone()));
    let activity = Activity::new(Parts {
        stream: stream.clone(),
        signer: Signer::new(&[7; 32]),
        clock: Clock::system(),
        days: 30,
        public_url: "https://gigsy.example/".into(),
    });
    let all = consumers(stream);
    let (scribe, eraser): (&dyn Consumer, &dyn Consumer) = (&*all[0], &*all[1]);
    let (client, student) = (UserId::new(), UserId::new());
    let parties = json!({
        "contract_id": Uuid::now_v7(), "milestone_id": Uuid::now_v7(), "client_id": client,
        "student_id": student, "title": "A logo", "amount": {"amount_minor": 100, "currency": "EUR"},
    });
    let mut conn = db.conn().await.unwrap();
    for subject in ["contract.created", "milestone.released", "contract.completed", "milestone.funding"] {
        let event = event(subject, parties.clone());
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        // At least once.
        for _ in 0..2 {
            scribe.handle(&mut conn, &event).await.unwrap();
        }
    }
    let verbs = async |person, public| -> Vec<String> {
        let (found, _) = activity.of(person, public, 50, None).await.unwrap();
        found.into_iter().map(|entry| entry.verb).collect()
    };
    assert_eq!(verbs(student, false).await, ["contract.completed", "milestone.released", "contract.created"]);
    assert_eq!(verbs(client, true).await, ["contract.completed"]);
    // Page by page; a cursor of one list is none of another.
    let (first, cursor) = activity.of(student, false, 2, None).await.unwrap();
    let cursor = cursor.unwrap();
    let (rest, end) = activity.of(student, false, 2, Some(&cursor)).await.unwrap();
    assert_eq!((first.len(), rest.len(), end), (2, 1, None));
    assert!(activity.of(student, true, 2, Some(&cursor)).await.is_err());
    assert!(activity.of(client, false, 2, Some(&cursor)).await.is_err());

    // The same to take along.
    let graded = json!({
        "student_id": student, "item_id": Uuid::now_v7(), "course_id": Uuid::now_v7(), "score": 300,
        "max_score": 400, "answers": "private",
    });
    scribe.handle(&mut conn, &event("attempt.graded", graded)).await.unwrap();
    let (statements, more) = activity.statements(student, 2, None).await.unwrap();
    assert_eq!((statements.len(), more.is_some()), (2, true));
    assert_eq!(statements[0]["verb"]["id"], json!("http://adlnet.gov/expapi/verbs/scored"));
    assert_eq!(statements[0]["result"]["score"]["scaled"], json!(0.75));
    assert_eq!(statements[0]["actor"]["account"]["homePage"], json!("https://gigsy.example"));

    eraser.handle(&mut conn, &event("user.erasure_requested", json!({"user_id": student}))).await.unwrap();
    assert!(verbs(student, false).await.is_empty());
    assert_eq!(verbs(client, false).await.len(), 3);
    assert_eq!(activity.tidy().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_away_is_waited_for() {
    let Some(bin) = mongo_server::installed() else {
        skip!("the activity stream while MongoDB is away", MISSING);
    };
    let database = TestDatabase::new();
    let db = database.open().await;
    let mut server = MongoServer::start(&bin, Presents::Standalone).await;
    let stream = std::sync::Arc::new(MongoActivity::new(server.open("activity").await));
    let all = consumers(stream);
    let mut conn = db.conn().await.unwrap();
    let told =
        event("gig.posted", json!({"owner_id": UserId::new(), "gig_id": Uuid::now_v7(), "title": "x"}));
    server.down(rustix::process::Signal::KILL);
    let failed = all[0].handle(&mut conn, &told).await.unwrap_err();
    // Such an attempt does not count: the event never becomes a dead letter for it.
    assert!(matches!(failed, ConsumeError::Db(DbError::Unavailable(_))), "{failed:?}");
    server.up().await;
    all[0].handle(&mut conn, &told).await.unwrap();
}
