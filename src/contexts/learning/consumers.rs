//! What follows from learning's own events: certificates, the course's chat room, news on its channel.

use std::sync::Arc;

use diesel_async::AsyncPgConnection;
use futures_util::future::BoxFuture;
use prometheus::{IntCounterVec, Opts};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Learning,
    channels::Live,
    model::{CourseId, EnrolmentId},
    store,
};
use crate::{
    contexts::chat::{Chat, ChatError, RoomId},
    events::{AfterCommit, ConsumeError, Consumer, Envelope},
    principal::UserId,
    telemetry::metrics::Metrics,
};

/// Everybody here who acts on events.
pub fn consumers(learning: &Learning, live: &Live, chat: &Chat, metrics: &Metrics) -> Vec<Arc<dyn Consumer>> {
    vec![
        Arc::new(Certificates { learning: learning.clone() }),
        Arc::new(Rooms { chat: chat.clone() }),
        Arc::new(News { live: live.clone() }),
        Arc::new(Counts(counter(metrics))),
    ]
}

fn id(data: &Value, name: &str) -> Option<Uuid> {
    data.get(name).and_then(Value::as_str).and_then(|text| text.parse().ok())
}

/// A completion makes a certificate, in the inbox's transaction: once.
struct Certificates {
    learning: Learning,
}

impl Consumer for Certificates {
    fn name(&self) -> &'static str {
        "learning.certificates"
    }

    fn subjects(&self) -> &'static [&'static str] {
        &["course.*"]
    }

    fn handle<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        event: &'a Envelope,
    ) -> BoxFuture<'a, Result<AfterCommit, ConsumeError>> {
        Box::pin(async move {
            if event.subject == "course.completed"
                && let Some(enrolment) = id(&event.data, "enrolment_id").map(EnrolmentId)
            {
                self.learning.issue(conn, enrolment).await.map_err(|error| ConsumeError::of(&error))?;
            }
            Ok(AfterCommit::nothing())
        })
    }
}

/// Opens a course's room when it is published; who enrols is in it, who withdraws is not.
struct Rooms {
    chat: Chat,
}

impl Consumer for Rooms {
    fn name(&self) -> &'static str {
        "learning.rooms"
    }

    fn subjects(&self) -> &'static [&'static str] {
        &["course.*", "enrolment.*"]
    }

    fn handle<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        event: &'a Envelope,
    ) -> BoxFuture<'a, Result<AfterCommit, ConsumeError>> {
        Box::pin(async move {
            let wanted = ["course.published", "enrolment.created", "enrolment.withdrawn"];
            let Some(course) = id(&event.data, "course_id").map(CourseId) else {
                return Ok(AfterCommit::nothing());
            };
            if !wanted.contains(&event.subject.as_str()) {
                return Ok(AfterCommit::nothing());
            }
            let Some(course) = store::courses::load(conn, course).await? else {
                return Err(ConsumeError::Reject("a course that is not there".into()));
            };
            let room = RoomId(course.id.0);
            let student = id(&event.data, "student_id").map(UserId);
            // Each is harmless to repeat: the room's id is the course's.
            let done = async {
                self.chat.open_course_room(room, &course.title, course.owner_id).await?;
                match (event.subject.as_str(), student) {
                    ("enrolment.created", Some(student)) => {
                        self.chat.add_members(course.owner_id, room, vec![student]).await.map(drop)
                    }
                    ("enrolment.withdrawn", Some(student)) => {
                        self.chat.remove_member(student, room, student).await
                    }
                    _ => Ok(()),
                }
            };
            match done.await {
                Ok(()) => Ok(AfterCommit::nothing()),
                // Whoever the instructor put out or blocked, or a room that is full: the course goes on without.
                Err(
                    ChatError::NoSuchMember
                    | ChatError::NotMember
                    | ChatError::Full
                    | ChatError::Banned
                    | ChatError::Apart,
                ) => Ok(AfterCommit::nothing()),
                Err(error) => Err(ConsumeError::of(&error)),
            }
        })
    }
}

/// Shows announcements, and that a course has a new version, to those who look; who left looks no longer.
struct News {
    live: Live,
}

impl Consumer for News {
    fn name(&self) -> &'static str {
        "learning.live"
    }

    fn subjects(&self) -> &'static [&'static str] {
        &["course.*", "enrolment.*"]
    }

    fn handle<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        event: &'a Envelope,
    ) -> BoxFuture<'a, Result<AfterCommit, ConsumeError>> {
        Box::pin(async move {
            let Some(course) = id(&event.data, "course_id").map(CourseId) else {
                return Ok(AfterCommit::nothing());
            };
            let of = |name: &str| event.data.get(name).cloned().unwrap_or_default();
            let news = match event.subject.as_str() {
                "course.announced" => json!({
                    "type": "announcement", "id": of("announcement_id"), "author_id": of("author_id"),
                    "body": of("body"), "created_at": of("created_at"),
                }),
                "course.published" => json!({ "type": "published", "number": of("number") }),
                // Whoever withdrew, or whose bank took the money back.
                "enrolment.withdrawn" => return self.left(conn, course, event).await,
                _ => return Ok(AfterCommit::nothing()),
            };
            let live = self.live.clone();
            Ok(AfterCommit::run(move || live.course(course, &news)))
        })
    }
}

impl News {
    /// Somebody's place ended. Who has another one by now stays.
    async fn left(
        &self,
        conn: &mut AsyncPgConnection,
        course: CourseId,
        event: &Envelope,
    ) -> Result<AfterCommit, ConsumeError> {
        let Some(student) = id(&event.data, "student_id").map(UserId) else {
            return Ok(AfterCommit::nothing());
        };
        if store::enrolments::live(conn, course, student).await?.is_some_and(|one| one.learns()) {
            return Ok(AfterCommit::nothing());
        }
        let live = self.live.clone();
        Ok(AfterCommit::run(move || live.leaves(student, course)))
    }
}

#[expect(clippy::expect_used, reason = "the names are literals, tested at the first start")]
fn counter(metrics: &Metrics) -> IntCounterVec {
    let said = Opts::new(
        "gigsy_learning_events_total",
        "What happened in courses, by event, counted where it was consumed",
    );
    metrics.register(IntCounterVec::new(said, &["event"]).expect("valid names"))
}

/// Counts what happens, once each, for Prometheus.
struct Counts(IntCounterVec);

impl Consumer for Counts {
    fn name(&self) -> &'static str {
        "learning.metrics"
    }

    fn subjects(&self) -> &'static [&'static str] {
        &["course.*", "enrolment.*", "attempt.*", "submission.*", "certificate.*"]
    }

    fn handle<'a>(
        &'a self,
        _conn: &'a mut AsyncPgConnection,
        event: &'a Envelope,
    ) -> BoxFuture<'a, Result<AfterCommit, ConsumeError>> {
        // Subjects are the machines' constants: there are a few dozen.
        let count = self.0.with_label_values(&[event.subject.as_str()]);
        Box::pin(async move { Ok(AfterCommit::run(move || count.inc())) })
    }
}
