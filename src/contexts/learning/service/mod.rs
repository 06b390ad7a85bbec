//! Learning's use cases: one method each.

mod attempts;
mod banks;
mod certificates;
mod cohorts;
mod courses;
mod demo;
mod documents;
mod enrolments;
mod grades;
mod items;
mod live;
mod places;
mod privacy;
mod public;
pub(super) mod signing;
mod submissions;
mod timers;

use diesel_async::AsyncPgConnection;
use uuid::Uuid;

pub use courses::CourseQuery;
pub use demo::DemoCast;
pub use live::LiveQuizzes;
pub use public::PublicCourse;

use super::{
    Learning, LearningError,
    model::{
        Course, CourseId, Enrolment,
        content::{Body, Content},
    },
    store,
};
use crate::{
    machine::Actor,
    principal::{Principal, Role},
};

impl Learning {
    /// Where a cursor of a list in the order of ids stands.
    fn after(&self, list: &str, cursor: Option<&str>) -> Result<Option<Uuid>, LearningError> {
        let Some(cursor) = cursor else { return Ok(None) };
        let bad = || LearningError::field("?cursor", "is not a cursor of this list");
        let purpose = format!("learning.{list}");
        let bytes = self.inner.signer.verify(&purpose, cursor, self.now()).map_err(|_| bad())?;
        Uuid::from_slice(&bytes).map(Some).map_err(|_| bad())
    }

    /// Cuts a page out of one row more than it holds.
    fn page<T>(
        &self,
        list: &str,
        mut found: Vec<T>,
        limit: usize,
        id: impl Fn(&T) -> Uuid,
    ) -> (Vec<T>, Option<String>) {
        let more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| more);
        let next =
            last.map(|last| self.inner.signer.sign(&format!("learning.{list}"), id(last).as_bytes(), None));
        (found, next)
    }
}

/// One row more than a page holds tells whether there is another page.
fn one_more(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
}

/// What a person is to a course.
fn actors(who: &Principal, course: &Course) -> Vec<Actor> {
    let mut actors = Vec::new();
    if who.user_id == course.owner_id {
        actors.push(Actor::Instructor);
    }
    if who.is(Role::Operator) {
        actors.push(Actor::Operator);
    }
    actors
}

/// A course whose instructor is asking.
async fn taught(
    conn: &mut AsyncPgConnection,
    who: &Principal,
    id: CourseId,
) -> Result<Course, LearningError> {
    let course = store::courses::load(conn, id).await?.ok_or(LearningError::No("course"))?;
    if course.owner_id != who.user_id {
        return Err(if course.published == 0 {
            LearningError::No("course")
        } else {
            LearningError::NotYours("only its instructor may do this")
        });
    }
    Ok(course)
}

/// The version that a learner has.
async fn content_of(conn: &mut AsyncPgConnection, enrolment: &Enrolment) -> Result<Content, LearningError> {
    let found = store::courses::content(conn, enrolment.course_id, enrolment.number).await?;
    Ok(serde_json::from_value(found.ok_or(LearningError::No("version"))?)?)
}

/// The name of a body's sort.
fn kind_of(body: &Body) -> &'static str {
    match body {
        Body::Text { .. } => "text",
        Body::Video { .. } => "video",
        Body::File { .. } => "file",
        Body::Quiz(_) => "quiz",
        Body::Assignment { .. } => "assignment",
        Body::Live { .. } => "live",
    }
}
