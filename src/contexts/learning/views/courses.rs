//! What is shown of courses.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    contexts::learning::{
        model::{
            COURSE, Course, CourseId, CourseState, EnrolmentId, ItemId,
            content::{Content, Rule},
            price,
        },
        store::courses::Announcement,
    },
    machine::Actor,
    money::Money,
    principal::UserId,
};

/// A course, as anybody may see it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CourseView {
    /// Its id; also its discussion room's.
    pub id: CourseId,
    /// Its instructor.
    pub owner_id: UserId,
    /// What people read first.
    pub title: String,
    /// What it is about.
    pub summary: String,
    /// Courses that must be completed before.
    pub prerequisites: Vec<CourseId>,
    /// What a place costs; left out, nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Money>,
    /// Where it is.
    pub state: CourseState,
    /// The latest published version; 0 before the first.
    pub published: i32,
    /// What it holds, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outline: Option<Vec<OutlineModule>>,
    /// The caller's place in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enrolment_id: Option<EnrolmentId>,
    /// Grows with every change; the ETag.
    pub version: i64,
    /// When it was drafted.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// What the caller may do with it now.
    pub allowed_transitions: Vec<&'static str>,
}

impl CourseView {
    pub(in crate::contexts::learning) fn of(course: &Course, actors: &[Actor]) -> Self {
        Self {
            id: course.id,
            owner_id: course.owner_id,
            title: course.title.clone(),
            summary: course.summary.clone(),
            prerequisites: course.prerequisites.clone(),
            price: price(course.price_minor, course.currency.as_deref()).ok().flatten(),
            state: course.state,
            published: course.published,
            outline: None,
            enrolment_id: None,
            version: course.version,
            created_at: course.created_at,
            updated_at: course.updated_at,
            allowed_transitions: COURSE.allowed_transitions(course.state, actors),
        }
    }
}

/// A module by name.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OutlineModule {
    /// Its title.
    pub title: String,
    /// Its items.
    pub items: Vec<OutlineItem>,
}

/// An item by name.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OutlineItem {
    /// Its id.
    pub id: ItemId,
    /// Its title.
    pub title: String,
    /// `text`, `video`, `file`, `quiz`, `assignment`, `live`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Whether the course needs it.
    pub required: bool,
    /// When it is done.
    pub rule: Rule,
}

/// What an instructor works at.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DraftView {
    /// The content.
    pub content: Content,
    /// The course's version; the ETag.
    pub version: i64,
}

/// An announcement.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AnnouncementView {
    /// Its id.
    pub id: Uuid,
    /// The course.
    pub course_id: CourseId,
    /// Whose it is.
    pub author_id: UserId,
    /// What it says.
    pub body: String,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl From<Announcement> for AnnouncementView {
    fn from(one: Announcement) -> Self {
        let Announcement { id, course_id, author_id, body, created_at } = one;
        Self { id, course_id, author_id, body, created_at }
    }
}
