//! Courses, versions, enrolments, progress.

use serde_json::{Value, json};
use uuid::Uuid;

use super::world::{World, person};
use crate::telemetry::metrics::Metrics;
use crate::{
    contexts::{
        chat::{Chat, RoomId},
        learning::{
            AnnouncementForm, CourseForm, CourseState, EnrolForm, EnrolmentState, ItemId, LearningError,
            ProgressForm, consumers,
        },
        objects::{CompleteForm, UploadError, UploadForm},
    },
    ports::objects::contract::{client, send},
    principal::Role,
    realtime::{Channel, ChannelLog, HistoryQuery},
    tests::chat::support::Node,
};

fn text(id: ItemId) -> Value {
    json!({ "id": id, "title": "Text", "body": { "type": "text", "markdown": "# Hello\n<script>x</script>" } })
}

fn viewed() -> ProgressForm {
    ProgressForm { viewed: true, ..ProgressForm::default() }
}

#[actix_web::test]
async fn a_learner_keeps_the_version_and_what_was_reached() {
    let (world, student) = (World::new().await, person(Role::Student));
    let [a, b, c] = [ItemId::new(), ItemId::new(), ItemId::new()];
    let course = world
        .course(json!({ "order": "sequential", "modules": [{ "title": "M", "items": [text(a), text(b)] }] }))
        .await;
    let mine = world.enrol(&student, course).await;
    assert_eq!((mine.number, mine.percent, mine.state), (1, 0, EnrolmentState::Active));
    let again = world.learning.enrol(&student, course, Uuid::now_v7(), &EnrolForm::default()).await;
    assert!(matches!(again, Err(LearningError::EnrolledAlready)));
    let early = world.learning.advance(&student, mine.id, b, &viewed()).await;
    assert!(matches!(early, Err(LearningError::Locked(items)) if items == [a]));
    assert!(matches!(world.learning.item(&student, mine.id, b).await, Err(LearningError::Locked(_))));
    let shown = world.learning.item(&student, mine.id, a).await.unwrap();
    let html = shown.html.unwrap();
    assert!(html.contains("<h1>Hello</h1>") && html.contains("&lt;script&gt;"), "{html}");
    assert!(!html.contains("<script"), "{html}");
    let half = world.learning.advance(&student, mine.id, a, &viewed()).await.unwrap();
    assert_eq!((half.percent, half.items[1].unlocked), (50, true));

    // A new version: who is in keeps the old one until they move; what was reached stays reached.
    world
        .publish(course, json!({ "modules": [{ "title": "M", "items": [text(a), text(b), text(c)] }] }))
        .await;
    let kept = world.learning.enrolment(&student, mine.id).await.unwrap();
    assert_eq!((kept.number, kept.newer, kept.items.len()), (1, true, 2));
    let moved = world.learning.move_enrolment(&student, mine.id, "move").await.unwrap();
    assert_eq!((moved.number, moved.newer, moved.percent), (2, false, 33));
    world.learning.advance(&student, mine.id, b, &viewed()).await.unwrap();
    let done = world.learning.advance(&student, mine.id, c, &viewed()).await.unwrap();
    assert_eq!((done.state, done.percent), (EnrolmentState::Completed, 100));
    world.learning.advance(&student, mine.id, c, &viewed()).await.unwrap();
    let completions = world.recorded().await.into_iter().filter(|event| event.subject == "course.completed");
    assert_eq!(completions.count(), 1, "completion is decided once");
    let late = world.learning.move_enrolment(&student, mine.id, "withdraw").await;
    assert!(matches!(late, Err(LearningError::NotNow { .. })), "completion stays");
}

#[actix_web::test]
async fn drafts_are_the_instructors_and_published_versions_are_records() {
    let (world, stranger) = (World::new().await, person(Role::Instructor));
    let form =
        CourseForm { title: "Draft".into(), summary: String::new(), prerequisites: Vec::new(), price: None };
    let student = person(Role::Student);
    let refused = world.learning.draft_course(&student, Uuid::now_v7(), &form).await;
    assert!(matches!(refused, Err(LearningError::NotYours(_))));
    let id = world.learning.draft_course(&world.teacher, Uuid::now_v7(), &form).await.unwrap().id;
    assert!(matches!(world.learning.course(&stranger, id).await, Err(LearningError::No(_))));
    let empty = world.learning.move_course(&world.teacher, id, "publish").await;
    assert!(matches!(empty, Err(LearningError::Invalid(_))), "nothing to take");
    assert!(matches!(
        world.learning.enrol(&student, id, Uuid::now_v7(), &EnrolForm::default()).await,
        Err(LearningError::No(_))
    ));
    for (content, pointer) in [
        (json!({ "modules": [{ "title": "", "items": [] }] }), "/modules/0/title"),
        (
            json!({ "modules": [{ "title": "M", "items": [{ "title": "T", "rule": { "watched": 50 },
                "body": { "type": "text", "markdown": "" } }] }] }),
            "/modules/0/items/0/rule",
        ),
        (
            json!({ "modules": [{ "title": "M", "items": [{ "title": "V",
                "body": { "type": "video", "file": Uuid::now_v7() } }] }] }),
            "/modules/0/items/0/body/file",
        ),
        (
            json!({ "modules": [{ "title": "M", "items": [{ "title": "Q",
                "body": { "type": "quiz", "draws": [{ "bank": Uuid::now_v7() }] } }] }] }),
            "/modules/0/items/0/body/draws/0/bank",
        ),
    ] {
        let content = serde_json::from_value(content).unwrap();
        match world.learning.write_draft(&world.teacher, id, &content, None).await {
            Err(LearningError::Invalid(fields)) => assert_eq!(fields[0].pointer, pointer),
            other => panic!("{pointer}: {other:?}"),
        }
    }
    let item = ItemId::new();
    world.publish(id, json!({ "modules": [{ "title": "M", "items": [text(item)] }] })).await;
    let stale = world
        .learning
        .write_draft(&world.teacher, id, &serde_json::from_value(json!({ "modules": [] })).unwrap(), Some(1))
        .await;
    assert!(matches!(stale, Err(LearningError::Stale)));
    let mut conn = world.database.conn().await.unwrap();
    use diesel_async::RunQueryDsl;
    let rewritten =
        diesel::sql_query("UPDATE learning.course_versions SET number = 7").execute(&mut conn).await;
    assert!(rewritten.is_err(), "a published version cannot be changed");
    drop(conn);
    let archived = world.learning.move_course(&world.teacher, id, "archive").await.unwrap();
    assert_eq!(archived.state, CourseState::Archived);
    assert!(matches!(
        world.learning.enrol(&student, id, Uuid::now_v7(), &EnrolForm::default()).await,
        Err(LearningError::NotNow { .. })
    ));
}

#[actix_web::test]
async fn a_course_may_build_on_another() {
    let (world, student) = (World::new().await, person(Role::Student));
    let item = ItemId::new();
    let first = world.course(json!({ "modules": [{ "title": "M", "items": [text(item)] }] })).await;
    let form =
        CourseForm { title: "Next".into(), summary: String::new(), prerequisites: vec![first], price: None };
    let next = world.learning.draft_course(&world.teacher, Uuid::now_v7(), &form).await.unwrap().id;
    world.publish(next, json!({ "modules": [{ "title": "M", "items": [text(ItemId::new())] }] })).await;
    let early = world.learning.enrol(&student, next, Uuid::now_v7(), &EnrolForm::default()).await;
    assert!(matches!(early, Err(LearningError::Prerequisites(courses)) if courses == [first.0]));
    let mine = world.enrol(&student, first).await;
    world.learning.advance(&student, mine.id, item, &viewed()).await.unwrap();
    world.enrol(&student, next).await;
}

#[actix_web::test]
async fn a_video_is_done_when_it_was_watched_and_its_file_is_held() {
    let (world, student) = (World::new().await, person(Role::Student));
    let body = b"\0\0\0\x20ftypisom-a-video".to_vec();
    let form = UploadForm {
        name: "v.mp4".into(),
        media_type: "video/mp4".into(),
        size: body.len() as u64,
        sha256: None,
    };
    let upload = world.uploads.begin(&world.teacher, Uuid::now_v7(), &form).await.unwrap();
    assert_eq!(send(&upload.put.unwrap(), body.clone()).await, 200);
    world.uploads.complete(&world.teacher, upload.id, &CompleteForm::default()).await.unwrap();
    let item = ItemId::new();
    let course = world
        .course(json!({ "modules": [{ "title": "M", "items": [
            { "id": item, "title": "V", "rule": { "watched": 80 }, "body": { "type": "video", "file": upload.id } }] }] }))
        .await;
    assert!(matches!(world.uploads.remove(&world.teacher, upload.id).await, Err(UploadError::InUse)));
    let mine = world.enrol(&student, course).await;
    let link = world.learning.item(&student, mine.id, item).await.unwrap().file.unwrap();
    assert_eq!(client().get(&link.url).send().await.unwrap().bytes().await.unwrap(), body);
    let watch = async |percent: u8, at: i32| {
        let form = ProgressForm { watched_percent: Some(percent), position_seconds: Some(at), viewed: false };
        world.learning.advance(&student, mine.id, item, &form).await.unwrap()
    };
    assert_eq!(watch(79, 100).await.percent, 0);
    let back = watch(10, 5).await;
    assert_eq!((back.items[0].watched_percent, back.items[0].position_seconds), (79, 5), "only ever forward");
    assert_eq!(watch(80, 7).await.state, EnrolmentState::Completed);
}

#[actix_web::test]
async fn a_course_has_a_room_and_announcements() {
    let (world, student) = (World::new().await, person(Role::Student));
    let node = Node::on(&world.test).await;
    let course = world.course(json!({ "modules": [{ "title": "M", "items": [text(ItemId::new())] }] })).await;
    let mine = world.enrol(&student, course).await;
    let told = AnnouncementForm { body: "We begin on Monday".into() };
    let stranger = person(Role::Student);
    assert!(matches!(
        world.learning.announce(&student, course, Uuid::now_v7(), &told).await,
        Err(LearningError::NotYours(_))
    ));
    world.learning.announce(&world.teacher, course, Uuid::now_v7(), &told).await.unwrap();
    for consumer in consumers(&world.learning, &world.live, &node.chat, &Metrics::new()) {
        world.deliver(&*consumer).await;
        world.deliver(&*consumer).await;
    }
    let sent = world.recorded().await;
    let sent: Vec<_> = sent.iter().filter(|event| event.subject == "announcement.sent").collect();
    assert_eq!((sent.len(), &sent[0].data["user_ids"]), (1, &json!([student.user_id])));
    let room = RoomId(course.0);
    let (members, _) = node.chat.members(student.user_id, room, 10, None).await.unwrap();
    assert_eq!(members.len(), 2, "twice is once");
    assert!(node.chat.members(stranger.user_id, room, 10, None).await.is_err());
    let channel = Channel::of("course", course);
    let query = HistoryQuery { since: None, limit: 10, reverse: false };
    let page = world.live.log().page(&channel, &query).await.unwrap();
    let last: Value = serde_json::from_slice(page.publications.last().unwrap().data.as_bytes()).unwrap();
    assert_eq!((&last["type"], &last["body"]), (&json!("announcement"), &json!("We begin on Monday")));
    let (read, _) = world.learning.announcements(&student, course, 10, None).await.unwrap();
    assert_eq!(read.len(), 1);
    assert!(world.learning.announcements(&stranger, course, 10, None).await.is_err());
    world.learning.move_enrolment(&student, mine.id, "withdraw").await.unwrap();
    let rooms: &Chat = &node.chat;
    let consumer = &consumers(&world.learning, &world.live, rooms, &Metrics::new())[1];
    world.deliver(&**consumer).await;
    assert!(rooms.members(student.user_id, room, 10, None).await.is_err(), "who withdrew is out");
}
