//! What a person may have handed out, and may have forgotten.

use diesel_async::AsyncConnection;
use serde_json::json;
use uuid::Uuid;

use super::world::{World, person, single};
use crate::{
    contexts::{
        learning::{AnswersForm, SubmissionForm, consumers, marking::Answer},
        objects::{self, CompleteForm, UploadError, UploadForm, UploadId},
    },
    events::{self, NewEvent},
    ports::objects::contract::send,
    principal::Role,
    telemetry::metrics::Metrics,
    tests::chat::support::Node,
};

#[actix_web::test]
async fn who_is_erased_leaves_neither_words_nor_files_nor_a_name() {
    let world = World::named("Ada Lovelace", "https://gigsy.example").await;
    let node = Node::on(&world.test).await;
    let student = person(Role::Student);
    let words = json!({ "prompt": "Word?", "kind": { "type": "short", "accepted": ["x"] } });
    let (bank, _) = world.bank(&[single(0), words]).await;
    let (quiz, work) = (crate::contexts::learning::ItemId::new(), crate::contexts::learning::ItemId::new());
    let course = world
        .course(json!({ "modules": [{ "title": "M", "items": [
            { "id": quiz, "title": "Quiz", "rule": "viewed",
              "body": { "type": "quiz", "draws": [{ "bank": bank }], "shuffle": false } },
            { "id": work, "title": "Work", "body": { "type": "assignment", "markdown": "Write",
              "rubric": { "criteria": [{ "name": "It is there", "points": 1 }] } } } ] }] }))
        .await;
    let mine = world.enrol(&student, course).await;
    let attempt = world.begin(&student, mine.id, quiz).await;
    let answers = [(1, Answer::Text("my secret words".into()))].into();
    let form = AnswersForm { answers };
    world.learning.submit(&student, attempt.id, Some(&form), None).await.unwrap();
    let body = b"what only I wrote".to_vec();
    let file = UploadForm {
        name: "diary.txt".into(),
        media_type: "text/plain".into(),
        size: body.len() as u64,
        sha256: None,
    };
    let upload = world.uploads.begin(&student, Uuid::now_v7(), &file).await.unwrap();
    assert_eq!(send(&upload.put.unwrap(), body).await, 200);
    world.uploads.complete(&student, upload.id, &CompleteForm::default()).await.unwrap();
    let hand = SubmissionForm { body: "my own essay".into(), files: vec![upload.id.0] };
    world.learning.hand_in(&student, mine.id, work, Uuid::now_v7(), &hand).await.unwrap();
    let viewed = crate::contexts::learning::ProgressForm { viewed: true, ..Default::default() };
    world.learning.advance(&student, mine.id, quiz, &viewed).await.unwrap();
    let all = consumers(&world.learning, &world.live, &node.chat, &Metrics::new());
    world.deliver(&*all[0]).await;
    let certificate = world.learning.certificates(&student, 1, None).await.unwrap().0.remove(0);

    let known = world.learning.personal_data(student.user_id).await.unwrap();
    let told = known.to_string();
    for word in ["my secret words", "my own essay", "Ada Lovelace", "A course"] {
        assert!(told.contains(word), "{word} in {told}");
    }
    let busy = world.uploads.remove(&student, upload.id).await;
    assert!(matches!(busy, Err(UploadError::InUse)), "the hand-in holds it");

    let mut conn = world.database.conn().await.unwrap();
    let event = NewEvent {
        subject: "user.erasure_requested",
        context: "identity",
        aggregate: student.user_id.to_string(),
        version: 1,
        data: json!({ "user_id": student.user_id }),
    };
    (*conn).transaction(async |conn| events::record(conn, event).await).await.unwrap();
    drop(conn);
    for _ in 0..2 {
        world.deliver(&*all[4]).await;
        for consumer in objects::consumers(&world.uploads) {
            world.deliver(&*consumer).await;
        }
    }
    let left = world.learning.personal_data(student.user_id).await.unwrap().to_string();
    for word in ["my secret words", "my own essay", "Ada Lovelace"] {
        assert!(!left.contains(word), "{word} in {left}");
    }
    assert!(world.learning.verify(certificate.id).await.is_err(), "nobody can look it up");
    assert!(
        !world
            .learning
            .certificates(&student, 1, None)
            .await
            .unwrap()
            .0
            .iter()
            .any(|one| !one.learner_name.is_empty())
    );
    let gone = world.uploads.download(&student, upload.id).await;
    assert!(matches!(gone, Err(UploadError::NotNow(_))));
    while world.uploads.tick().await.unwrap() > 0 {}
    assert!(matches!(world.uploads.link(UploadId(upload.id.0)).await, Err(UploadError::No)));
    let list = world.learning.status_list(0).await.unwrap();
    assert!(!list.is_empty());
    let revoked = world.recorded().await.iter().filter(|one| one.subject == "certificate.revoked").count();
    assert_eq!(revoked, 1);
}
